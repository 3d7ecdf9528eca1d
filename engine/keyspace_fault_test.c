/*
 * keyspace_fault_test.c - one call or allocation fails, once or from then on, while keyspaces are made, opened, listed,
 * written to and dropped; on a simulated disk.
 *
 * Invariants checked: the call that meets it gives an error and leaves the store as it was: a keyspace that was not
 * made is not there, one that was not dropped is there with all its keys and its handles work; what was acknowledged is
 * there after reopening, levin_check() is clean, and nothing leaks.  After a failed sync of the log the last batch may
 * be there or not, whole.
 */
#include <errno.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { KEYS = 30, VALUE_BYTES = 200, LARGE_BYTES = 9000 };

static simdisk *disk;
static fault_io *faults;

static levin_code store_try(levin **db)
{
    levin_options o;
    levin_options_init(&o);
    o.io = fault_io_table(faults);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.memtable_bytes = 64 << 10;
    o.wal_segment_bytes = 64 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    return levin_open("s", &o, db, NULL);
}

static levin_keyspace *keyspace(levin *db, const char *name, unsigned flags)
{
    levin_keyspace *ks;
    ck_assert_int_eq(levin_keyspace_open(db, name, strlen(name), flags, &ks), LEVIN_OK);
    return ks;
}

/* Two keyspaces of some leaves in the tree, "kept" and "doomed", and some keys of each in the log. */
static levin *begin(void)
{
    static const char *const names[] = { "kept", "doomed" };
    static char value[LARGE_BYTES];
    levin *db = NULL;
    disk = simdisk_create(NULL, NULL);
    faults = fault_io_create(simdisk_io(disk));
    ck_assert_int_eq(store_try(&db), LEVIN_OK);
    for (int part = 0; part < 2; part++) {
        for (int n = 0; n < 2; n++) {
            levin_keyspace *ks = keyspace(db, names[n], LEVIN_KEYSPACE_CREATE);
            for (int i = part; i < KEYS; i += 1 + 4 * part) {
                char key[16];
                ck_assert_int_eq(levin_put_in(db, ks, key, (size_t)snprintf(key, sizeof key, "k%02d", i % 100), value,
                                              i == 7 ? LARGE_BYTES : VALUE_BYTES, LEVIN_LOGGED),
                                 LEVIN_OK);
            }
            levin_keyspace_close(ks);
        }
        if (part == 0)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    }
    return db;
}

static void end(levin *db, levin_code closes)
{
    uint64_t files, bytes, pieces;
    ck_assert_int_eq(levin_close(db), closes);
    fault_io_held(faults, &files, &bytes, &pieces);
    ck_assert_uint_eq(files, 0);
    ck_assert_uint_eq(pieces, 0);
}

static void finish(void)
{
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
}

/* Keys of a keyspace; -1: there is none. Read with `ks`, or a handle of its own. */
static int count_keys(levin *db, const char *name, const levin_keyspace *ks)
{
    levin_keyspace *own = NULL;
    levin_iter *it;
    int n = 0;
    levin_code code = ks ? LEVIN_OK : levin_keyspace_open(db, name, strlen(name), 0, &own);
    if (code == LEVIN_NO_KEYSPACE)
        return -1;
    ck_assert_int_eq(code, LEVIN_OK);
    ck_assert_int_eq(levin_iter_open(db, &(levin_iter_options){ .keyspace = ks ? ks : own }, &it), LEVIN_OK);
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
        n++;
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
    levin_keyspace_close(own);
    return n;
}

static bool count_name(void *context, levin_slice name)
{
    (void)name;
    ++*(int *)context;
    return true;
}

/* ---- what is struck ---- */

enum what { WHAT_MAKE, WHAT_OPEN, WHAT_LIST, WHAT_PUT, WHAT_RANGE, WHAT_DROP, WHAT_DROP_LATER, WHATS };

typedef struct result {
    levin_code code;
    levin_keyspace *made; /* of WHAT_MAKE, WHAT_OPEN */
    int listed;
} result;

static result strike(levin *db, levin_keyspace *kept, enum what what)
{
    static const char value[LARGE_BYTES];
    result r = { .code = LEVIN_OK };
    switch (what) {
    case WHAT_MAKE: r.code = levin_keyspace_open(db, "new", 3, LEVIN_KEYSPACE_EXCLUSIVE, &r.made); break;
    case WHAT_OPEN: r.code = levin_keyspace_open(db, "doomed", 6, 0, &r.made); break;
    case WHAT_LIST: r.code = levin_keyspace_list(db, NULL, count_name, &r.listed); break;
    case WHAT_PUT: r.code = levin_put_in(db, kept, "new", 3, value, sizeof value, LEVIN_SYNCED); break;
    case WHAT_RANGE: r.code = levin_delete_range_in(db, kept, (levin_slice){ NULL, 0 }, (levin_slice){ NULL, 0 },
                                                    LEVIN_SYNCED);
        break;
    case WHAT_DROP: r.code = levin_keyspace_drop(db, "doomed", 6, LEVIN_SYNCED); break;
    case WHAT_DROP_LATER: /* and what becomes of it in a checkpoint */
        r.code = levin_keyspace_drop(db, "doomed", 6, LEVIN_LOGGED);
        if (r.code == LEVIN_OK) {
            levin_code code = levin_checkpoint(db);
            ck_assert_int_ne(code, LEVIN_CORRUPT);
        }
        break;
    default: ck_abort();
    }
    return r;
}

typedef struct expected {
    int kept, doomed, made; /* keys; -1: it is not there */
} expected;

static expected expected_after(enum what what, bool done)
{
    expected e = { KEYS, KEYS, -1 };
    if (done && what == WHAT_MAKE)
        e.made = 0;
    if (done && what == WHAT_PUT)
        e.kept++;
    if (done && what == WHAT_RANGE)
        e.kept = 0;
    if (done && (what == WHAT_DROP || what == WHAT_DROP_LATER))
        e.doomed = -1;
    return e;
}

static bool is_as(levin *db, const expected *e)
{
    return count_keys(db, "kept", NULL) == e->kept && count_keys(db, "doomed", NULL) == e->doomed &&
           count_keys(db, "new", NULL) == e->made;
}

/* Returns whether the fault fired. */
static bool one_fault(enum what what, uint64_t nth, bool persistent)
{
    levin *db = begin();
    levin_keyspace *kept = keyspace(db, "kept", 0), *doomed = keyspace(db, "doomed", 0);
    const fault_rule rule = { FAULT_KINDS_ALL, FAULT_OPERATIONS_ALL, nth, persistent, FAULT_ERROR, EIO, 0 };
    fault_io_set_rules(faults, &rule, 1);
    result r = strike(db, kept, what);
    const bool fired = fault_io_fired(faults, 0) != 0;
    fault_io_set_rules(faults, NULL, 0);
    ck_assert_msg(fired || r.code == LEVIN_OK, "%d: %s without a fault", (int)what, levin_code_name(r.code));
    ck_assert(r.code == LEVIN_OK || r.code == LEVIN_IO || r.code == LEVIN_NO_MEMORY || r.code == LEVIN_POISONED);
    if (what == WHAT_MAKE || what == WHAT_OPEN)
        ck_assert_int_eq(r.made != NULL, r.code == LEVIN_OK);
    if (what == WHAT_LIST && r.code == LEVIN_OK)
        ck_assert_int_eq(r.listed, 2);
    expected e = expected_after(what, r.code == LEVIN_OK), other = expected_after(what, true);
    ck_assert_msg(is_as(db, &e), "%d: failure %d leaves something", (int)what, (int)nth);
    ck_assert_int_eq(count_keys(db, "kept", kept), e.kept);

    /* old handles still do what they did; a store that cannot be written to any more has lost a sync */
    const bool poisoned = levin_put(db, "after", 5, "", 0, LEVIN_SYNCED) == LEVIN_POISONED;
    levin_code code = levin_put_in(db, doomed, "after", 5, "", 0, LEVIN_SYNCED);
    ck_assert_int_eq(code, e.doomed < 0 ? LEVIN_NO_KEYSPACE : poisoned ? LEVIN_POISONED : LEVIN_OK);
    e.doomed += code == LEVIN_OK;
    if (r.code != LEVIN_OK && !poisoned) { /* and it can be done after all */
        levin_keyspace_close(r.made);
        r = strike(db, kept, what);
        ck_assert_int_eq(r.code, LEVIN_OK);
        other.doomed += other.doomed >= 0;
        e = other;
        ck_assert(is_as(db, &e));
    }
    levin_keyspace_close(r.made);
    levin_keyspace_close(kept);
    levin_keyspace_close(doomed);
    end(db, poisoned ? LEVIN_POISONED : LEVIN_OK);
    ck_assert_int_eq(store_try(&db), LEVIN_OK);
    ck_assert_msg(is_as(db, &e) || (poisoned && is_as(db, &other)), "%d: failure %d, opened again", (int)what,
                  (int)nth);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    end(db, LEVIN_OK);
    finish();
    return fired;
}

START_TEST(keyspace_fault__every_failure_leaves_all_or_nothing)
{
    for (int what = 0; what < WHATS; what++)
        for (int persistent = 0; persistent < 2; persistent++) {
            uint64_t nth = 1;
            while (one_fault((enum what)what, nth, persistent))
                nth++;
            ck_assert_uint_gt(nth, what == WHAT_LIST ? 1 : 2); /* it has met something */
        }
}
END_TEST

/* The recovery of a store whose log makes, fills and drops keyspaces. */
START_TEST(keyspace_fault__every_failure_of_the_recovery_loses_nothing)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        bool fired = true;
        for (uint64_t nth = 1; fired; nth++) {
            levin *db = begin(), *again = NULL;
            levin_keyspace *made = keyspace(db, "new", LEVIN_KEYSPACE_CREATE);
            ck_assert_int_eq(levin_put_in(db, made, "k", 1, "1", 1, LEVIN_LOGGED), LEVIN_OK);
            levin_keyspace_close(made);
            ck_assert_int_eq(levin_keyspace_drop(db, "doomed", 6, LEVIN_LOGGED), LEVIN_OK);
            end(db, LEVIN_OK);
            const fault_rule rule = { FAULT_KINDS_ALL, FAULT_OPERATIONS_ALL, nth, persistent, FAULT_ERROR, EIO, 0 };
            fault_io_set_rules(faults, &rule, 1);
            levin_code code = store_try(&again);
            fired = fault_io_fired(faults, 0) != 0;
            fault_io_set_rules(faults, NULL, 0);
            ck_assert(fired || code == LEVIN_OK);
            ck_assert_int_eq(again != NULL, code == LEVIN_OK);
            if (code != LEVIN_OK)
                ck_assert_int_eq(store_try(&again), LEVIN_OK);
            const expected e = { KEYS, -1, 1 };
            ck_assert(is_as(again, &e));
            ck_assert_int_eq(levin_check(again, NULL, NULL, NULL), LEVIN_OK);
            end(again, LEVIN_OK);
            finish();
        }
    }
}
END_TEST

LEVIN_TEST_MAIN("keyspace_fault", TEST(keyspace_fault__every_failure_leaves_all_or_nothing),
                TEST(keyspace_fault__every_failure_of_the_recovery_loses_nothing))
