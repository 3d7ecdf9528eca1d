/*
 * validate_test.c - keys and ranges in two states of a store, compared by hand.
 *
 * Invariants checked: a key, and a range, is unchanged if and only if both states hold the same of it, whatever
 * memtables and trees they hold it in, of the default keyspace or of a named one between two others in which the same
 * keys change; without thoroughness the answer for a range is the same or that it is not known.
 */
#include "validate.h"

#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"
#include "keyspace.h"

enum { KEYS_MOST = 6000, STATES = 8 }; /* three levels of nodes in a memtable */

typedef struct states {
    levin *db;
    levin_keyspace *around[3];
    const levin_keyspace *ks; /* around[1], or NULL */
    int keys;
    levin_snapshot *of[STATES];
    int number[STATES][KEYS_MOST];
    int now[KEYS_MOST];
} states;

static states s;

static levin_slice key_at(int key, char name[16])
{
    return (levin_slice){ name, (size_t)snprintf(name, 16, "k%04d", key % 10000) };
}

/* The key as it stands in its domain's tree. */
static levin_slice inside(int key, char name[16])
{
    if (!s.ks)
        return key_at(key, name);
    char user[16];
    levin_slice k = key_at(key, user);
    memcpy(name, s.ks->id, KEYSPACE_ID_BYTES);
    memcpy(name + KEYSPACE_ID_BYTES, user, k.size);
    return (levin_slice){ name, KEYSPACE_ID_BYTES + k.size };
}

/* The same keys elsewhere: the default keyspace, or one before and one behind. */
static void change_elsewhere(random_stream *r)
{
    char name[16], value[16];
    const levin_keyspace *ks = random_below(r, 2) || !s.ks ? s.around[2 * random_below(r, 2)] : NULL;
    levin_slice key = key_at((int)random_below(r, (uint64_t)s.keys), name);
    size_t bytes = (size_t)snprintf(value, sizeof value, "%d", (int)random_below(r, 100));
    if (random_below(r, 8))
        ck_assert_int_eq(levin_put_in(s.db, ks, key.data, key.size, value, bytes, LEVIN_NONE), LEVIN_OK);
    else
        ck_assert_int_eq(levin_delete_range_in(s.db, ks, key, (levin_slice){ NULL, 0 }, LEVIN_NONE), LEVIN_OK);
}

static void change(random_stream *r)
{
    char name[16], value[16], upper[16];
    if (random_below(r, 3) == 0)
        change_elsewhere(r);
    for (int n = (int)random_below(r, 4); n > 0; n--) {
        const int k = (int)random_below(r, (uint64_t)s.keys), to = k + (int)random_below(r, 4);
        levin_slice key = key_at(k, name);
        if (random_below(r, 8) == 0) {
            ck_assert_int_eq(levin_delete_range_in(s.db, s.ks, key, key_at(to, upper), LEVIN_NONE), LEVIN_OK);
            for (int i = k; i < to && i < s.keys; i++)
                s.now[i] = 0;
            continue;
        }
        s.now[k] = (int)random_below(r, 3);
        size_t bytes = (size_t)snprintf(value, sizeof value, "%d", s.now[k]);
        if (s.now[k])
            ck_assert_int_eq(levin_put_in(s.db, s.ks, key.data, key.size, value, bytes, LEVIN_NONE), LEVIN_OK);
        else
            ck_assert_int_eq(levin_delete_in(s.db, s.ks, key.data, key.size, LEVIN_NONE), LEVIN_OK);
    }
    bool more;
    if (random_below(r, 4) == 0)
        ck_assert_int_eq(levin_checkpoint(s.db), LEVIN_OK);
    else if (random_below(r, 4) == 0)
        ck_assert_int_eq(levin_work(s.db, &more), LEVIN_OK);
}

/* Every key has a number in the beginning; few stores are so small that one node holds all. */
static void load(void)
{
    char name[16];
    memset(s.now, 0, sizeof s.now);
    for (int k = 0; k < s.keys; k++) {
        levin_slice key = key_at(k, name);
        s.now[k] = 1;
        ck_assert_int_eq(levin_put_in(s.db, s.ks, key.data, key.size, "1", 1, LEVIN_NONE), LEVIN_OK);
    }
}

static void compare(int a, int b, random_stream *r)
{
    char low[16], high[16];
    const unsigned domain = s.ks ? DOMAIN_NAMED : DOMAIN_PLAIN;
    levin_error error;
    const write_state then = write_state_of(s.of[a]->v), now = write_state_of(s.of[b]->v);
    for (int i = 0; i < 30; i++) {
        const int k = s.keys > 30 ? (int)random_below(r, (uint64_t)s.keys) : i;
        levin_slice key = inside(k, low);
        ck_assert_int_eq(validate_key(s.db, &then, &now, domain, key.data, key.size, &error),
                         s.number[a][k] == s.number[b][k] ? LEVIN_OK : LEVIN_CONFLICT);
    }
    for (int i = 0; i < 10; i++) {
        const int from = (int)random_below(r, (uint64_t)s.keys);
        int to = from + (int)random_below(r, i < 5 ? 6 : (uint64_t)s.keys);
        to = to < s.keys ? to : s.keys;
        validate_bounds range = { domain, inside(from, low), inside(to, high), random_below(r, 2), random_below(r, 2) };
        int first = from + range.low_exclusive, last = to - range.high_exclusive;
        if (random_below(r, 4) == 0) /* bounds between two keys: longer ones, and the beginnings of ten */
            low[range.low.size++] = '!', first = from + 1;
        else if (random_below(r, 4) == 0)
            range.low.size--, first = from / 10 * 10;
        if (random_below(r, 4) == 0)
            high[range.high.size++] = '!', last = to;
        else if (random_below(r, 4) == 0)
            range.high.size--, last = to / 10 * 10 - 1;
        if (random_below(r, 4) == 0 && !s.ks)
            range.low = (levin_slice){ NULL, 0 }, first = 0;
        if (random_below(r, 4) == 0 && !s.ks)
            range.high = (levin_slice){ NULL, 0 }, last = s.keys;
        bool same = true;
        for (int k = first; k <= last && k < s.keys; k++)
            same = same && s.number[a][k] == s.number[b][k];
        levin_code code = validate_range(s.db, &then, &now, &range, true, &error);
        ck_assert_int_eq(code, same ? LEVIN_OK : LEVIN_CONFLICT);
        levin_code quick = validate_range(s.db, &then, &now, &range, false, &error);
        ck_assert(quick == code || quick == LEVIN_PENDING);
        if (then.v->mem == now.v->mem && then.v->tree == now.v->tree && !now.of[domain].mem.mask)
            ck_assert_int_eq(quick, code);
    }
}

START_TEST(validate__answers_are_those_of_the_states)
{
    for (uint64_t seed = 1; seed <= 93; seed++) {
        simdisk *disk = simdisk_create(NULL, NULL);
        levin_options o;
        random_stream r = random_open(seed, 0);
        levin_options_init(&o);
        o.io = simdisk_io(disk);
        o.page_bytes = 4096;
        o.background = LEVIN_BACKGROUND_NONE;
        ck_assert_int_eq(levin_open("s", &o, &s.db, NULL), LEVIN_OK);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(levin_keyspace_open(s.db, &"abc"[i], 1, LEVIN_KEYSPACE_CREATE, &s.around[i]), LEVIN_OK);
        s.ks = seed % 3 == 0 ? s.around[1] : NULL;
        s.keys = seed <= 60 ? 30 : seed <= 90 ? 400 : KEYS_MOST;
        load();
        for (int i = 0; i < STATES; i++) {
            change(&r);
            memcpy(s.number[i], s.now, sizeof s.now);
            ck_assert_int_eq(levin_snapshot_create(s.db, &s.of[i]), LEVIN_OK);
        }
        for (int a = 0; a < STATES; a++)
            for (int b = a; b < STATES; b++)
                compare(a, b, &r);
        for (int i = 0; i < STATES; i++)
            levin_snapshot_release(s.of[i]);
        for (int i = 0; i < 3; i++)
            levin_keyspace_close(s.around[i]);
        ck_assert_int_eq(levin_close(s.db), LEVIN_OK);
        ck_assert(simdisk_destroy(disk, NULL));
    }
}
END_TEST

LEVIN_TEST_MAIN("validate", TEST(validate__answers_are_those_of_the_states))
