/*
 * txn_history_test.c - small histories of interleaved transactions, each checked against every serial order.
 *
 * Invariants checked: of serializable transactions those that were committed can be put into an order in which each
 * reads what it read and the last state is the store's; under snapshot isolation some histories cannot, so the checker
 * is able to fail.  The keys are all in the default keyspace, all in a named one, or spread over the default one and
 * two named ones.
 */
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { KEYS = 3, TXNS = 4, STEPS = 5, ABSENT = 0 };

typedef enum step_kind { STEP_GET, STEP_SCAN, STEP_PUT, STEP_DELETE, STEP_DELETE_RANGE } step_kind;

typedef struct step {
    step_kind kind;
    int key, value;  /* read or written; ABSENT */
    int to;          /* key after the range */
    int found[KEYS]; /* by the scan */
} step;

/* Where each key stands; NULL: in the default keyspace. */
typedef struct places {
    levin_keyspace *named[2];
    const levin_keyspace *of[KEYS];
} places;

typedef struct history {
    levin *db;
    places at;
    int initial[KEYS], final[KEYS];
    struct one {
        levin_txn *t;
        step steps[STEPS];
        int count, length;
        bool committed, over;
    } of[TXNS];
    int next_value;
} history;

static const char *key_name(int key)
{
    static const char *const names[KEYS] = { "a", "b", "c" };
    return names[key];
}

/* Whether the key's keyspace was that of a key before. */
static bool place_again(const places *at, int key)
{
    bool again = false;
    for (int k = 0; k < key; k++)
        again |= at->of[k] == at->of[key];
    return again;
}

/* Notes what a range holds of one keyspace, upwards or downwards; other histories may have left other keys there. */
static void scan_place(const history *h, struct one *o, const levin_keyspace *ks, step *s, bool forward)
{
    levin_iter *it;
    const levin_iter_options options = { .lower = { key_name(s->key), 1 },
                                         .upper = { s->to < KEYS ? key_name(s->to) : NULL, s->to < KEYS },
                                         .keyspace = ks };
    ck_assert_int_eq(levin_txn_iter_open(o->t, &options, &it), LEVIN_OK);
    for (bool on = forward ? levin_iter_first(it) : levin_iter_last(it); on;
         on = forward ? levin_iter_next(it) : levin_iter_prev(it)) {
        char text[16];
        levin_slice key = levin_iter_key(it), value = levin_iter_value(it);
        snprintf(text, sizeof text, "%.*s", (int)value.size, (const char *)value.data);
        const int found = *(const char *)key.data - 'a';
        if (h->at.of[found] == ks)
            s->found[found] = atoi(text);
    }
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
}

static void scan(const history *h, struct one *o, step *s, bool forward)
{
    for (int k = 0; k < KEYS; k++)
        if (!place_again(&h->at, k))
            scan_place(h, o, h->at.of[k], s, forward);
}

static void delete_range(const history *h, struct one *o, const step *s)
{
    const levin_slice lower = { key_name(s->key), 1 }, upper = { s->to < KEYS ? key_name(s->to) : NULL, s->to < KEYS };
    for (int k = 0; k < KEYS; k++)
        if (!place_again(&h->at, k))
            ck_assert_int_eq(levin_txn_delete_range_in(o->t, h->at.of[k], lower, upper), LEVIN_OK);
}

static void take_step(history *h, struct one *o, random_stream *r)
{
    step *s = &o->steps[o->count++];
    const char *name = key_name((int)random_below(r, KEYS));
    *s = (step){ .key = name[0] - 'a' };
    const levin_keyspace *ks = h->at.of[s->key];
    char text[16];
    size_t bytes;
    switch (random_below(r, 8)) {
    case 0:
    case 1:
        s->kind = STEP_PUT;
        s->value = ++h->next_value;
        ck_assert_int_eq(levin_txn_put_in(o->t, ks, name, 1, text,
                                          (size_t)snprintf(text, sizeof text, "%d", s->value)),
                         LEVIN_OK);
        break;
    case 2:
        s->kind = STEP_DELETE;
        ck_assert_int_eq(levin_txn_delete_in(o->t, ks, name, 1), LEVIN_OK);
        break;
    case 3:
        s->kind = STEP_DELETE_RANGE;
        s->to = s->key + 1 + (int)random_below(r, 2);
        delete_range(h, o, s);
        break;
    case 4:
    case 5:
        s->kind = STEP_SCAN;
        s->to = s->key + 1 + (int)random_below(r, KEYS);
        scan(h, o, s, random_below(r, 2));
        break;
    default: {
        levin_code code = levin_txn_get_in(o->t, ks, name, 1, text, sizeof text - 1, &bytes);
        ck_assert(code == LEVIN_OK || code == LEVIN_NOT_FOUND);
        text[code == LEVIN_OK ? bytes : 0] = 0;
        s->value = code == LEVIN_OK ? atoi(text) : ABSENT;
    }
    }
}

static void read_state(const history *h, int state[KEYS])
{
    char text[16];
    size_t bytes;
    for (int k = 0; k < KEYS; k++) {
        levin_code code = levin_get_in(h->db, h->at.of[k], NULL, key_name(k), 1, text, sizeof text - 1, &bytes);
        ck_assert(code == LEVIN_OK || code == LEVIN_NOT_FOUND);
        text[code == LEVIN_OK ? bytes : 0] = 0;
        state[k] = code == LEVIN_OK ? atoi(text) : ABSENT;
    }
}

/* Runs transactions in an order that the seed decides, checkpoints between. */
static void run(history *h, levin_isolation isolation, random_stream *r)
{
    levin_txn_options o;
    levin_txn_options_init(&o);
    o.isolation = isolation;
    read_state(h, h->initial);
    for (int i = 0; i < TXNS; i++) {
        h->of[i] = (struct one){ .length = 1 + (int)random_below(r, STEPS) };
    }
    for (int left = TXNS; left;) {
        struct one *one = &h->of[random_below(r, TXNS)];
        if (one->over)
            continue;
        if (random_below(r, 20) == 0)
            ck_assert_int_eq(levin_checkpoint(h->db), LEVIN_OK);
        if (!one->t) {
            ck_assert_int_eq(levin_txn_begin(h->db, &o, &one->t), LEVIN_OK);
        } else if (one->count < one->length) {
            take_step(h, one, r);
        } else {
            levin_code code = levin_txn_commit(one->t, LEVIN_NONE);
            ck_assert(code == LEVIN_OK || code == LEVIN_CONFLICT);
            one->committed = code == LEVIN_OK;
            one->over = true;
            levin_txn_destroy(one->t);
            left--;
        }
    }
    read_state(h, h->final);
}

/* Whether the transaction, run alone on the state, reads what it read. */
static bool replay(const struct one *one, int state[KEYS])
{
    for (int i = 0; i < one->count; i++) {
        const step *s = &one->steps[i];
        if (s->kind == STEP_GET && state[s->key] != s->value)
            return false;
        for (int k = s->key; s->kind == STEP_SCAN && k < s->to && k < KEYS; k++)
            if (state[k] != s->found[k])
                return false;
        if (s->kind == STEP_PUT || s->kind == STEP_DELETE)
            state[s->key] = s->value;
        for (int k = s->key; s->kind == STEP_DELETE_RANGE && k < s->to && k < KEYS; k++)
            state[k] = ABSENT;
    }
    return true;
}

static bool serial(const history *h, unsigned done, const int state[KEYS])
{
    bool all = true;
    for (int i = 0; i < TXNS; i++) {
        int next[KEYS];
        if (!h->of[i].committed || done & 1u << i)
            continue;
        all = false;
        memcpy(next, state, sizeof next);
        if (replay(&h->of[i], next) && serial(h, done | 1u << i, next))
            return true;
    }
    return all && memcmp(state, h->final, sizeof h->final) == 0;
}

static void place(history *h, int way)
{
    for (int k = 0; k < KEYS; k++)
        h->at.of[k] = way == 0 ? NULL : way == 1 ? h->at.named[0] : k ? h->at.named[k - 1] : NULL;
}

/* Returns how many of so many histories no serial order explains. */
static int histories(levin_isolation isolation, int count, int *refused, char *first, size_t first_bytes)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options options;
    history h = { 0 };
    random_stream r;
    int anomalies = 0;
    levin_options_init(&options);
    options.io = simdisk_io(disk);
    options.background = LEVIN_BACKGROUND_NONE;
    options.page_bytes = 4096;
    ck_assert_int_eq(levin_open("s", &options, &h.db, NULL), LEVIN_OK);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(levin_keyspace_open(h.db, &"xy"[i], 1, LEVIN_KEYSPACE_CREATE, &h.at.named[i]), LEVIN_OK);
    *refused = 0;
    for (int seed = 1; seed <= count; seed++) {
        r = random_open((uint64_t)seed, 0);
        place(&h, seed % 3);
        run(&h, isolation, &r);
        for (int i = 0; i < TXNS; i++)
            *refused += !h.of[i].committed;
        if (!serial(&h, 0, h.initial) && anomalies++ == 0)
            snprintf(first, first_bytes, "seed %d", seed);
    }
    for (int i = 0; i < 2; i++)
        levin_keyspace_close(h.at.named[i]);
    ck_assert_int_eq(levin_close(h.db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
    return anomalies;
}

START_TEST(txn_history__serializable_ones_are_serial)
{
    char first[64] = "";
    int refused, anomalies = histories(LEVIN_SERIALIZABLE, 4000, &refused, first, sizeof first);
    ck_assert_msg(anomalies == 0, "%d histories are not serial, the first: %s", anomalies, first);
    ck_assert_int_gt(refused, 400); /* and it was not for want of conflicts */
    ck_assert_int_lt(refused, 12000);
}
END_TEST

START_TEST(txn_history__checker_finds_the_anomalies_of_snapshot_isolation)
{
    char first[64];
    int refused;
    ck_assert_int_gt(histories(LEVIN_SNAPSHOT, 4000, &refused, first, sizeof first), 10);
    ck_assert_int_gt(refused, 400);
}
END_TEST

LEVIN_TEST_MAIN("txn_history", TEST(txn_history__serializable_ones_are_serial),
                TEST(txn_history__checker_finds_the_anomalies_of_snapshot_isolation))
