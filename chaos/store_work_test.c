/*
 * store_work_test.c - batches, states and values of a seed; a judge that is told of everything that can be wrong.
 *
 * The store judged is one in memory, which holds a state and a lie about it: so each outcome is seen where it must be.
 */
#include "store_judge.h"

#include <stdio.h>

#include "../faults/check_main.h"

enum { KEYS = 40, BATCHES = 60, SEED = 3, ACKNOWLEDGED = 50 };

/* ---- a store that holds a state, and what it makes of it ---- */

typedef enum lie { NONE, OLD_VALUE, NEVER_WRITTEN, KEY_GONE, KEY_TOO_MUCH, OUT_OF_ORDER, FAILS_OPEN, FAILS_GET,
                   FAILS_SCAN_AFTER_A_LIE, FAILS_CHECK, OPENS_NEVER_AGAIN } lie;

static struct {
    const store_work *work;
    uint32_t state;
    lie about;
    bool opened;
} held;

static const char *version(void)
{
    return "0.0";
}

static void configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    (void)config;
    text[0] = '\0';
}

static store_result held_open(const store_config *config, store **s, char message[STORE_MESSAGE_BYTES])
{
    (void)config;
    snprintf(message, STORE_MESSAGE_BYTES, "it does not open");
    *s = (store *)&held;
    const bool fails = held.about == OPENS_NEVER_AGAIN || (held.about == FAILS_OPEN && !held.opened);
    held.opened = true;
    return fails ? STORE_FAILED : STORE_OK;
}

static store_result held_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    (void)s;
    (void)message;
    return STORE_OK;
}

static store_result session_open(store *s, store_session **session)
{
    *session = (store_session *)s;
    return STORE_OK;
}

static void session_close(store_session *session)
{
    (void)session;
}

static const char *message_of(const store_session *session)
{
    (void)session;
    return "a message that quotes a damaged file: \xff\x01\n"; /* no UTF-8 */
}

static store_result held_write(store_session *session, const store_operation *o, size_t count, bool sync)
{
    (void)session;
    (void)o;
    (void)count;
    (void)sync;
    held.state++;
    return STORE_OK;
}

/* A key that is there, and whose value in the state before was another. */
static uint32_t victim(void)
{
    for (uint32_t key = 0; key < KEYS; key++) {
        const uint32_t now = store_work_value(held.work, held.state, key);
        const uint32_t before = store_work_value(held.work, held.state / 2, key);
        if (now != STORE_WORK_ABSENT && before != STORE_WORK_ABSENT && now != before)
            return key;
    }
    ck_abort_msg("no such key");
}

static uint32_t value_held(uint32_t key)
{
    const bool old = held.about == OLD_VALUE && key == victim();
    if (held.about == KEY_GONE && key == victim())
        return STORE_WORK_ABSENT;
    return store_work_value(held.work, old ? held.state / 2 : held.state, key);
}

/* The bytes of a value can only be had out of a write. */
static store_operation taken[64];
static uint8_t taken_bytes[64][STORE_WORK_VALUE_BYTES];
static size_t taken_count;

static store_result take_write(store_session *session, const store_operation *o, size_t count, bool sync)
{
    (void)session;
    (void)sync;
    taken_count = count;
    for (size_t i = 0; i < count; i++) {
        taken[i] = o[i];
        memcpy(taken_bytes[i], o[i].value.data ? o[i].value.data : "", o[i].value.bytes);
    }
    return STORE_OK;
}

static store_slice bytes_of(uint32_t value)
{
    static const store_adapter taker = { .write = take_write };
    for (uint32_t n = 1; n <= BATCHES; n++) {
        ck_assert_int_eq(store_work_write(held.work, n, &taker, NULL, true), STORE_OK);
        for (size_t i = 0; i < taken_count; i++) {
            const store_slice bytes = { taken_bytes[i], taken[i].value.bytes };
            if (taken[i].value.data && store_work_value_is(held.work, value, bytes))
                return bytes;
        }
    }
    ck_abort_msg("value %u is not written", value);
}

static store_result held_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    uint32_t number;
    (void)session;
    ck_assert(store_work_key_find(held.work, key, &number));
    const uint32_t value = value_held(number);
    if (held.about == FAILS_GET && number == victim())
        return STORE_DAMAGED;
    if (value == STORE_WORK_ABSENT)
        return STORE_NOT_FOUND;
    const store_slice slice = bytes_of(value);
    ck_assert_uint_le(slice.bytes, capacity);
    memcpy(buffer, slice.data, slice.bytes);
    *bytes = slice.bytes;
    if (held.about == NEVER_WRITTEN && number == victim())
        *(uint8_t *)buffer ^= 1;
    return STORE_OK;
}

static store_result held_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    char text[STORE_WORK_KEY_BYTES];
    uint8_t buffer[STORE_WORK_VALUE_BYTES];
    const bool lies = held.about == FAILS_SCAN_AFTER_A_LIE && !range->reverse;
    for (uint32_t i = 0; i < KEYS; i++) {
        const uint32_t key = range->reverse ? KEYS - 1 - i : i;
        size_t bytes;
        const store_result got = held_get(session, store_work_key(held.work, key, text), buffer, sizeof buffer, &bytes);
        if (got == STORE_NOT_FOUND)
            continue;
        if (got != STORE_OK)
            return got;
        if (lies && key == victim())
            buffer[0] ^= 1;
        const bool moved = held.about == OUT_OF_ORDER && key == victim();
        const store_slice k = store_work_key(held.work, moved ? KEYS / 2 : key, text);
        if (held.about != OUT_OF_ORDER || range->reverse || key == victim() || key == KEYS / 2)
            visit(context, k, (store_slice){ buffer, bytes });
    }
    if (held.about == KEY_TOO_MUCH)
        visit(context, (store_slice){ "zzz", 3 }, (store_slice){ "", 0 });
    return lies ? STORE_DAMAGED : STORE_OK;
}

static store_result held_check(store_session *session)
{
    (void)session;
    return held.about == FAILS_CHECK ? STORE_DAMAGED : STORE_OK;
}

static const store_adapter liar = { .abi = STORE_ABI, .name = "held", .capabilities = STORE_CAN_CHECK,
                                    .version = version, .configuration = configuration, .open = held_open,
                                    .close = held_close,
                                    .session_open = session_open, .session_close = session_close,
                                    .message = message_of, .write = held_write, .get = held_get, .scan = held_scan,
                                    .check = held_check };

static bool restore(void *context)
{
    (void)context;
    return true;
}

static outcome judged(const store_work *w, uint32_t state, lie about, bool *check_found)
{
    char text[GUARDED_TEXT_BYTES] = "";
    store_judging j = { .adapter = &liar, .work = w, .acknowledged = ACKNOWLEDGED, .submitted = ACKNOWLEDGED + 2,
                        .go_on = 4, .restore = restore };
    held.work = w;
    held.state = state;
    held.about = about;
    held.opened = false;
    const outcome what = store_judge(&j, text);
    *check_found = j.check_found;
    ck_assert_msg((what == OUTCOME_RIGHT) == !text[0], "%s without words, or right with: %s", outcome_text(what), text);
    for (const char *c = text; *c; c++)
        ck_assert_msg(*c >= ' ' && *c <= '~', "a byte of %d that no report can hold: %s", *c, text);
    return what;
}

START_TEST(store_judge__each_outcome_is_seen_where_it_must_be)
{
    static const struct { lie about; uint32_t state; outcome expected; } cases[] = {
        { NONE, ACKNOWLEDGED, OUTCOME_RIGHT }, { NONE, ACKNOWLEDGED + 2, OUTCOME_RIGHT },
        { NONE, ACKNOWLEDGED - 1, OUTCOME_LOST }, { NONE, 0, OUTCOME_LOST },
        { OLD_VALUE, ACKNOWLEDGED, OUTCOME_HOLE }, { KEY_GONE, ACKNOWLEDGED, OUTCOME_HOLE },
        { NEVER_WRITTEN, ACKNOWLEDGED, OUTCOME_WRONG }, { KEY_TOO_MUCH, ACKNOWLEDGED, OUTCOME_WRONG },
        { OUT_OF_ORDER, ACKNOWLEDGED, OUTCOME_WRONG }, { FAILS_OPEN, ACKNOWLEDGED, OUTCOME_DETECTED },
        { FAILS_GET, ACKNOWLEDGED, OUTCOME_DETECTED }, { FAILS_CHECK, ACKNOWLEDGED, OUTCOME_DETECTED },
        { FAILS_SCAN_AFTER_A_LIE, ACKNOWLEDGED, OUTCOME_DETECTED }, { OPENS_NEVER_AGAIN, ACKNOWLEDGED, OUTCOME_LOCK },
    };
    store_work *w = store_work_create(SEED, (store_work_size){ KEYS, BATCHES, 8 });
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool check_found;
        const outcome what = judged(w, cases[i].state, cases[i].about, &check_found);
        ck_assert_msg(what == cases[i].expected, "case %zu: %s, not %s", i, outcome_text(what),
                      outcome_text(cases[i].expected));
        ck_assert_int_eq(check_found, cases[i].about == FAILS_CHECK);
    }
    store_work_destroy(w);
}
END_TEST

START_TEST(store_work__is_a_function_of_its_seed)
{
    store_work *a = store_work_create(SEED, (store_work_size){ KEYS, BATCHES, 8 });
    store_work *b = store_work_create(SEED, (store_work_size){ KEYS, BATCHES, 8 });
    store_work *other = store_work_create(SEED + 1, (store_work_size){ KEYS, BATCHES, 8 });
    unsigned differences = 0, there = 0;
    for (uint32_t state = 0; state <= BATCHES; state++)
        for (uint32_t key = 0; key < KEYS; key++) {
            ck_assert_uint_eq(store_work_value(a, state, key), store_work_value(b, state, key));
            differences += store_work_value(a, state, key) != store_work_value(other, state, key);
            there += store_work_value(a, state, key) != STORE_WORK_ABSENT;
        }
    ck_assert_uint_gt(differences, KEYS);
    ck_assert_uint_gt(there, KEYS);
    for (uint32_t key = 0; key < KEYS; key++) {
        char text[STORE_WORK_KEY_BYTES];
        uint32_t number;
        const store_slice slice = store_work_key(a, key, text);
        ck_assert(store_work_key_find(a, slice, &number) && number == key);
        text[slice.bytes - 1] ^= 1;
        ck_assert(!store_work_key_find(a, slice, &number) || number != key);
    }
    store_work_destroy(other);
    store_work_destroy(b);
    store_work_destroy(a);
}
END_TEST

LEVIN_TEST_MAIN("store_work", TEST(store_judge__each_outcome_is_seen_where_it_must_be),
                TEST(store_work__is_a_function_of_its_seed))
