/*
 * bulk_load_test.c - sorted bulk loads: into empty keyspaces and among keys, beside writers, and with one call or
 * allocation failing, once or from then on; on a simulated disk.
 *
 * Invariants checked: nothing is seen before the commit, all of it after, by gets (cached ones too), iterators,
 * snapshots taken before, transactions and reading handles; order and conflicts are told; a load that fails leaves the
 * store as it was, and a new one can be made; after reopening the same is there, levin_check() is clean, and nothing
 * leaks.  After a failed sync, or a failed write of the meta page, a store that is opened again has all of it or
 * nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { VALUE_BYTES = 100, LARGE_BYTES = 9000, LARGE_EVERY = 50, OLD_KEYS = 400, PAGE_BYTES = 4096 };

static simdisk *disk;
static fault_io *faults;
static uint64_t threshold; /* of the value log */

static levin_code store_try(levin **db)
{
    levin_options o;
    levin_options_init(&o);
    o.io = fault_io_table(faults);
    o.page_bytes = PAGE_BYTES;
    o.cache_bytes = 64 * PAGE_BYTES;
    o.memtable_bytes = 64 << 10;
    o.row_cache_bytes = 64 << 10; /* small, so that it begins early */
    o.wal_segment_bytes = 64 << 10;
    o.value_log_threshold_bytes = threshold;
    o.background = LEVIN_BACKGROUND_NONE;
    return levin_open("s", &o, db, NULL);
}

static levin *begin(void)
{
    levin *db = NULL;
    disk = simdisk_create(NULL, NULL);
    faults = fault_io_create(simdisk_io(disk));
    ck_assert_int_eq(store_try(&db), LEVIN_OK);
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

static levin *reopen(levin *db)
{
    end(db, LEVIN_OK);
    ck_assert_int_eq(store_try(&db), LEVIN_OK);
    return db;
}

static levin_keyspace *keyspace(levin *db, const char *name)
{
    levin_keyspace *ks;
    ck_assert_int_eq(levin_keyspace_open(db, name, strlen(name), LEVIN_KEYSPACE_CREATE, &ks), LEVIN_OK);
    return ks;
}

/* Key n, and its value of the age 'o' (old) or 'n' (new). */
static size_t key_of(char key[16], int n)
{
    return (size_t)snprintf(key, 16, "k%06d", n);
}

static size_t value_of(char value[LARGE_BYTES], int n, char age)
{
    size_t bytes = n % LARGE_EVERY == 7 ? LARGE_BYTES : VALUE_BYTES;
    memset(value, age, bytes);
    snprintf(value + 1, 16, "%d", n);
    return bytes;
}

static levin_code add(levin_bulk_load *l, int n)
{
    static char value[LARGE_BYTES];
    char key[16];
    size_t bytes = value_of(value, n, 'n');
    return levin_bulk_load_add(l, key, key_of(key, n), value, bytes);
}

/* Keys from, from + step, ... below `to`. */
static levin_code load_try(levin *db, const levin_keyspace *ks, int from, int to, int step)
{
    levin_bulk_load *l;
    levin_code code = levin_bulk_load_begin(db, ks, &l);
    ck_assert_int_eq(l != NULL, code == LEVIN_OK);
    for (int n = from; n < to && code == LEVIN_OK; n += step)
        code = add(l, n);
    if (code == LEVIN_OK)
        code = levin_bulk_load_commit(l);
    levin_bulk_load_destroy(l);
    return code;
}

static void put_old(levin *db, const levin_keyspace *ks, int n)
{
    static char value[LARGE_BYTES];
    char key[16];
    size_t bytes = value_of(value, n, 'o');
    ck_assert_int_eq(levin_put_in(db, ks, key, key_of(key, n), value, bytes, LEVIN_LOGGED), LEVIN_OK);
}

/* Even keys of OLD_KEYS are there before. */
static void put_all_old(levin *db, const levin_keyspace *ks)
{
    for (int n = 0; n < OLD_KEYS; n += 2)
        put_old(db, ks, n);
}

/* What is there of key n: 0, 'o', or 'n'; anything else fails. */
static char age_of(levin *db, const levin_keyspace *ks, const levin_snapshot *snapshot, int n)
{
    static char value[LARGE_BYTES], want[LARGE_BYTES];
    char key[16];
    size_t bytes = 0;
    levin_code code = levin_get_in(db, ks, snapshot, key, key_of(key, n), value, sizeof value, &bytes);
    if (code == LEVIN_NOT_FOUND)
        return 0;
    ck_assert_int_eq(code, LEVIN_OK);
    ck_assert_uint_eq(bytes, value_of(want, n, value[0]));
    ck_assert_int_eq(memcmp(value, want, bytes), 0);
    return value[0];
}

static int count_of(levin *db, const levin_keyspace *ks, const levin_snapshot *snapshot)
{
    levin_iter *it;
    int count = 0;
    ck_assert_int_eq(levin_iter_open(db, &(levin_iter_options){ .keyspace = ks, .snapshot = snapshot }, &it), LEVIN_OK);
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
        count++;
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
    return count;
}

/* The old keys, and those loaded, which may be none: to = from. */
static void expect(levin *db, const levin_keyspace *ks, bool old, int from, int to, int step)
{
    int all = 0;
    for (int n = 0; n < (to > OLD_KEYS ? to : OLD_KEYS) + 3; n++) {
        const bool loaded = n >= from && n < to && (n - from) % step == 0;
        const char want = loaded ? 'n' : old && n < OLD_KEYS && n % 2 == 0 ? 'o' : 0;
        ck_assert_msg(age_of(db, ks, NULL, n) == want, "key %d is not as it should be", n);
        all += want != 0;
    }
    ck_assert_int_eq(count_of(db, ks, NULL), all);
}

static levin_stats stats(levin *db)
{
    levin_stats s;
    levin_stats_get(db, &s);
    return s;
}

START_TEST(bulk_load__fills_an_empty_store)
{
    for (threshold = 0; threshold <= 4096; threshold += 4096) {
        levin *db = begin();
        const levin_stats before = stats(db);
        levin_bulk_load *l;
        ck_assert_int_eq(levin_bulk_load_begin(db, NULL, &l), LEVIN_OK);
        for (int n = 0; n < 20000; n++)
            ck_assert_int_eq(add(l, n), LEVIN_OK);
        ck_assert_int_eq(count_of(db, NULL, NULL), 0);
        ck_assert_int_eq(levin_bulk_load_commit(l), LEVIN_OK);
        ck_assert_int_eq(levin_bulk_load_commit(l), LEVIN_INVALID);
        ck_assert_int_eq(add(l, 20000), LEVIN_INVALID);
        levin_bulk_load_destroy(l);
        expect(db, NULL, false, 0, 20000, 1);
        const levin_stats after = stats(db);
        ck_assert_uint_eq(after.bulk_loads, 1);
        ck_assert_uint_eq(after.bulk_load_entries, 20000);
        ck_assert_uint_eq(after.sequence, before.sequence + 1);
        ck_assert_uint_eq(after.puts, 0);
        ck_assert_uint_lt(after.wal_written_bytes - before.wal_written_bytes, 8192);
        /* each page once, full ones; a value in an extent takes whole pages */
        const uint64_t small = 20000 - 20000 / LARGE_EVERY, large = 20000 / LARGE_EVERY;
        const uint64_t raw = small * (VALUE_BYTES + 8) + (threshold ? large * 40 : large * 3 * PAGE_BYTES);
        ck_assert_uint_lt(after.pages_written * PAGE_BYTES, raw * 115 / 100);
        ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
        db = reopen(db);
        ck_assert_uint_eq(stats(db).sequence, before.sequence + 1);
        expect(db, NULL, false, 0, 20000, 1);
        put_old(db, NULL, 3); /* and it goes on */
        ck_assert_int_eq(age_of(db, NULL, NULL, 3), 'o');
        db = reopen(db);
        ck_assert_int_eq(age_of(db, NULL, NULL, 3), 'o');
        ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
        end(db, LEVIN_OK);
        finish();
    }
}
END_TEST

START_TEST(bulk_load__is_merged_with_what_is_there)
{
    static const int from[] = { 0, 1, 0, 100, 300, 1000 }, to[] = { 400, 400, 4000, 101, 5000, 3000 },
                     step[] = { 1, 2, 3, 1, 1, 1 };
    threshold = 4096;
    for (int named = 0; named < 2; named++)
        for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
            levin *db = begin();
            levin_keyspace *before = keyspace(db, "before"), *ks = named ? keyspace(db, "it") : NULL;
            levin_keyspace *behind = keyspace(db, "behind");
            put_all_old(db, before);
            put_all_old(db, ks);
            put_all_old(db, behind);
            ck_assert_int_eq(load_try(db, ks, from[i], to[i], step[i]), LEVIN_OK);
            for (int again = 0; again < 2; again++) {
                expect(db, ks, true, from[i], to[i], step[i]);
                expect(db, before, true, 0, 0, 1);
                expect(db, behind, true, 0, 0, 1);
                ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
                levin_keyspace_close(before);
                levin_keyspace_close(ks);
                levin_keyspace_close(behind);
                if (!again)
                    db = reopen(db);
                before = keyspace(db, "before"), ks = named ? keyspace(db, "it") : NULL;
                behind = keyspace(db, "behind");
            }
            levin_keyspace_close(before);
            levin_keyspace_close(ks);
            levin_keyspace_close(behind);
            end(db, LEVIN_OK);
            finish();
        }
}
END_TEST

START_TEST(bulk_load__into_an_empty_keyspace_of_a_store)
{
    threshold = 4096;
    levin *db = begin();
    put_all_old(db, NULL);
    levin_keyspace *ks = keyspace(db, "new");
    ck_assert_int_eq(load_try(db, ks, 0, 5000, 1), LEVIN_OK);
    ck_assert_int_eq(load_try(db, ks, 5000, 9000, 1), LEVIN_OK);
    expect(db, ks, false, 0, 9000, 1);
    expect(db, NULL, true, 0, 0, 1);
    ck_assert_int_eq(load_try(db, ks, 3, 3, 1), LEVIN_OK); /* nothing */
    ck_assert_uint_eq(stats(db).bulk_loads, 3);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    levin_keyspace_close(ks);
    end(db, LEVIN_OK);
    finish();
}
END_TEST

START_TEST(bulk_load__names_the_first_key_out_of_order)
{
    levin *db = begin();
    levin_bulk_load *l;
    levin_error error;
    ck_assert_int_eq(levin_bulk_load_begin(db, NULL, &l), LEVIN_OK);
    ck_assert_int_eq(levin_bulk_load_add(l, "b", 1, "1", 1), LEVIN_OK);
    ck_assert_int_eq(levin_bulk_load_add(l, "b", 1, "2", 1), LEVIN_INVALID);
    ck_assert_int_eq(levin_bulk_load_add(l, "a\n", 2, "2", 1), LEVIN_INVALID);
    levin_last_error(db, &error);
    ck_assert_ptr_nonnull(strstr(error.message, "entry 2, \"a\\x0a\", does not come after \"b\""));
    ck_assert_int_eq(levin_bulk_load_add(l, "c", 0, "2", 1), LEVIN_INVALID);
    ck_assert_int_eq(levin_bulk_load_add(l, NULL, 1, "2", 1), LEVIN_INVALID);
    ck_assert_int_eq(levin_bulk_load_add(l, "c", 1, NULL, 1), LEVIN_INVALID);
    ck_assert_int_eq(levin_bulk_load_add(l, "c", 1, "2", (size_t)1 << 30), LEVIN_TOO_BIG);
    ck_assert_int_eq(levin_bulk_load_add(l, "ba", 2, "3", 1), LEVIN_OK); /* it goes on */
    ck_assert_int_eq(levin_bulk_load_commit(l), LEVIN_OK);
    levin_bulk_load_destroy(l);
    ck_assert_int_eq(count_of(db, NULL, NULL), 2);
    end(db, LEVIN_OK);
    finish();
}
END_TEST

START_TEST(bulk_load__is_seen_by_all_at_once)
{
    threshold = 4096;
    levin *db = begin(), *beside;
    levin_snapshot *snapshot;
    levin_txn *txn;
    levin_txn_options how;
    levin_options o;
    levin_bulk_load *l;
    put_all_old(db, NULL);
    for (int i = 0; i < 3; i++) /* rows, and absent ones, into the row cache */
        expect(db, NULL, true, 0, 0, 1);
    ck_assert_int_eq(levin_snapshot_create(db, &snapshot), LEVIN_OK);
    levin_txn_options_init(&how);
    ck_assert_int_eq(levin_txn_begin(db, &how, &txn), LEVIN_OK);
    ck_assert_int_eq(levin_txn_contains(txn, "k000001", 7), LEVIN_NOT_FOUND);
    ck_assert_int_eq(levin_txn_put(txn, "z", 1, "", 0), LEVIN_OK);
    ck_assert_int_eq(levin_bulk_load_begin(db, NULL, &l), LEVIN_OK);
    for (int n = 0; n < 3000; n++)
        ck_assert_int_eq(add(l, n), LEVIN_OK);
    expect(db, NULL, true, 0, 0, 1);
    ck_assert_int_eq(levin_put(db, "y", 1, "", 0, LEVIN_NONE), LEVIN_OK); /* behind the load's last key */
    ck_assert_int_eq(levin_bulk_load_commit(l), LEVIN_OK);
    levin_bulk_load_destroy(l);
    ck_assert_int_eq(levin_delete(db, "y", 1, LEVIN_NONE), LEVIN_OK);
    expect(db, NULL, false, 0, 3000, 1);
    ck_assert_int_eq(count_of(db, NULL, snapshot), OLD_KEYS / 2);
    ck_assert_int_eq(age_of(db, NULL, snapshot, 2), 'o');
    ck_assert_int_eq(age_of(db, NULL, snapshot, 1), 0);
    ck_assert_int_eq(levin_txn_commit(txn, LEVIN_LOGGED), LEVIN_CONFLICT);
    levin_txn_destroy(txn);
    levin_snapshot_release(snapshot);

    levin_options_init(&o);
    o.io = fault_io_table(faults);
    o.read_only = true;
    ck_assert_int_eq(levin_open("s", &o, &beside, NULL), LEVIN_OK);
    ck_assert_int_eq(count_of(beside, NULL, NULL), 3001); /* "y" too: the load was committed after it */
    ck_assert_int_eq(levin_check(beside, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_bulk_load_begin(beside, NULL, &l), LEVIN_READ_ONLY);
    ck_assert_int_eq(levin_close(beside), LEVIN_OK);
    end(db, LEVIN_OK);
    finish();
}
END_TEST

/* ---- what cannot be beside it ---- */

enum rival { PUT_IN, PUT_FIRST, PUT_LAST, RANGE_OVER, RANGE_INSIDE, DROP, CHECKPOINT, COMPACT, FULL, RIVALS };

static void rival_do(levin *db, const levin_keyspace *ks, enum rival rival)
{
    static char value[1000];
    levin_code code = LEVIN_OK;
    switch (rival) {
    case PUT_IN: put_old(db, ks, 1500); break;
    case PUT_FIRST: put_old(db, ks, 1000); break;
    case PUT_LAST: put_old(db, ks, 2999); break;
    case RANGE_OVER: code = levin_delete_prefix_in(db, ks, "k", 1, LEVIN_NONE); break;
    case RANGE_INSIDE: code = levin_delete_prefix_in(db, ks, "k0012", 5, LEVIN_NONE); break;
    case DROP: code = levin_keyspace_drop(db, "it", 2, LEVIN_SYNCED); break;
    case CHECKPOINT: code = levin_put(db, "x", 1, "", 0, LEVIN_NONE);
        code = code == LEVIN_OK ? levin_checkpoint(db) : code;
        break;
    case COMPACT: code = levin_compact(db, NULL, NULL); break;
    case FULL:
        for (int i = 0; i < 1000 && code == LEVIN_OK; i++)
            code = levin_put(db, "x", 1, value, sizeof value, LEVIN_NONE);
        break;
    default: ck_abort();
    }
    ck_assert_int_eq(code, LEVIN_OK);
}

START_TEST(bulk_load__gives_way_to_others)
{
    threshold = 4096;
    for (int rival = 0; rival < RIVALS; rival++)
        for (int named = rival == DROP; named < 2; named++) {
            levin *db = begin();
            levin_keyspace *ks = named ? keyspace(db, "it") : NULL;
            levin_bulk_load *l, *other;
            put_all_old(db, ks);
            ck_assert_int_eq(levin_bulk_load_begin(db, ks, &l), LEVIN_OK);
            ck_assert_int_eq(levin_bulk_load_begin(db, NULL, &other), LEVIN_CONFLICT);
            ck_assert_ptr_null(other);
            for (int n = 1000; n < 3000; n++)
                ck_assert_int_eq(add(l, n), LEVIN_OK);
            rival_do(db, ks, (enum rival)rival);
            const levin_code want = rival == DROP ? LEVIN_NO_KEYSPACE : LEVIN_CONFLICT;
            const int count = rival == DROP ? 0 : count_of(db, ks, NULL);
            ck_assert_int_eq(levin_bulk_load_commit(l), want);
            ck_assert_int_eq(add(l, 3000), want);
            ck_assert_int_eq(levin_bulk_load_commit(l), want);
            levin_bulk_load_destroy(l);
            if (rival != DROP)
                ck_assert_int_eq(count_of(db, ks, NULL), count);
            if (rival != DROP)
                ck_assert_int_eq(load_try(db, ks, 1000, 3000, 1), LEVIN_OK);
            for (int n = 1000; n < 3000 && rival != DROP; n += 100)
                ck_assert_int_eq(age_of(db, ks, NULL, n), 'n');
            ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
            levin_keyspace_close(ks);
            db = reopen(db);
            ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
            end(db, LEVIN_OK);
            finish();
        }
}
END_TEST

START_TEST(bulk_load__stands_others_beside_its_range)
{
    threshold = 4096;
    levin *db = begin();
    levin_bulk_load *l;
    levin_keyspace *ks = keyspace(db, "other");
    put_all_old(db, NULL);
    ck_assert_int_eq(levin_bulk_load_begin(db, NULL, &l), LEVIN_OK);
    for (int n = 1000; n < 3000; n++)
        ck_assert_int_eq(add(l, n), LEVIN_OK);
    put_old(db, NULL, 999);
    put_old(db, NULL, 3000);
    put_old(db, ks, 1500);
    ck_assert_int_eq(levin_delete_prefix(db, "k00000", 6, LEVIN_NONE), LEVIN_OK); /* five old keys */
    ck_assert_int_eq(levin_sync(db), LEVIN_OK);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_bulk_load_commit(l), LEVIN_OK);
    levin_bulk_load_destroy(l);
    ck_assert_int_eq(levin_bulk_load_begin(db, NULL, &l), LEVIN_OK); /* one that is not committed */
    for (int n = 1000; n < 9000; n++)
        ck_assert_int_eq(add(l, n), LEVIN_OK);
    levin_bulk_load_destroy(l);
    ck_assert_int_eq(count_of(db, NULL, NULL), OLD_KEYS / 2 - 5 + 2000 + 2);
    ck_assert_int_eq(age_of(db, ks, NULL, 1500), 'o');
    levin_keyspace_close(ks);
    db = reopen(db);
    ck_assert_int_eq(count_of(db, NULL, NULL), OLD_KEYS / 2 - 5 + 2000 + 2);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    end(db, LEVIN_OK);
    finish();
}
END_TEST

/* ---- failures ---- */

enum { LOADED = 700 };

/* Returns whether the fault fired. */
static bool one_fault(bool named, const fault_rule *rule)
{
    levin *db = begin();
    levin_keyspace *ks = named ? keyspace(db, "it") : NULL;
    put_all_old(db, ks);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    fault_io_set_rules(faults, rule, 1);
    levin_code code = load_try(db, ks, 1, LOADED, 2);
    const bool fired = fault_io_fired(faults, 0) != 0;
    fault_io_set_rules(faults, NULL, 0);
    ck_assert_msg(fired || code == LEVIN_OK, "%s without a fault", levin_code_name(code));
    ck_assert(code == LEVIN_OK || code == LEVIN_IO || code == LEVIN_NO_MEMORY || code == LEVIN_POISONED ||
              code == LEVIN_NO_SPACE);
    const int to = code == LEVIN_OK ? LOADED : 1;
    expect(db, ks, true, 1, to, 2);
    const bool poisoned = levin_put_in(db, ks, "z", 1, "", 0, LEVIN_SYNCED) == LEVIN_POISONED;
    if (!poisoned)
        ck_assert_int_eq(levin_delete_in(db, ks, "z", 1, LEVIN_SYNCED), LEVIN_OK);
    if (code != LEVIN_OK && !poisoned) { /* and it can be done after all */
        code = load_try(db, ks, 1, LOADED, 2);
        ck_assert_int_eq(code, LEVIN_OK);
        expect(db, ks, true, 1, LOADED, 2);
    }
    if (!poisoned)
        ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    levin_keyspace_close(ks);
    end(db, poisoned ? LEVIN_POISONED : LEVIN_OK);
    ck_assert_int_eq(store_try(&db), LEVIN_OK);
    ks = named ? keyspace(db, "it") : NULL;
    const bool all = age_of(db, ks, NULL, 1) == 'n';
    ck_assert(poisoned || all == (code == LEVIN_OK));
    ck_assert(all || code != LEVIN_OK);
    expect(db, ks, true, 1, all ? LOADED : 1, 2);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    levin_keyspace_close(ks);
    end(db, LEVIN_OK);
    finish();
    return fired;
}

START_TEST(bulk_load__every_failure_leaves_all_or_nothing)
{
    for (threshold = 0; threshold <= 4096; threshold += 4096)
        for (int named = 0; named < 2; named++)
            for (int persistent = 0; persistent < 2; persistent++) {
                fault_rule rule = { FAULT_KINDS_ALL, FAULT_OPERATIONS_ALL, 1, persistent, FAULT_ERROR, EIO, 0 };
                for (rule.nth = 1; one_fault(named, &rule); rule.nth++)
                    ;
                ck_assert_uint_gt(rule.nth, 20); /* it has met something */
            }
}
END_TEST

START_TEST(bulk_load__a_full_disk_at_any_write_leaves_all_or_nothing)
{
    threshold = 4096;
    for (int persistent = 0; persistent < 2; persistent++) {
        fault_rule rule = { FAULT_KINDS_ALL, 1u << FAULT_WRITE, 1, persistent, FAULT_ERROR, ENOSPC, 0 };
        for (rule.nth = 1; one_fault(persistent, &rule); rule.nth++)
            ;
        ck_assert_uint_gt(rule.nth, 5);
    }
}
END_TEST

/* A writer freezes its full memtable, and nothing has come to the checkpoint yet when the load is committed. */
START_TEST(bulk_load__beside_a_memtable_just_frozen_is_refused)
{
    static char value[1000];
    unsigned refused = 0, done = 0;
    threshold = 0;
    for (unsigned puts = 0; puts < 90; puts++) {
        levin *db = begin();
        levin_bulk_load *load;
        size_t bytes;
        char found[8];
        ck_assert_int_eq(levin_bulk_load_begin(db, NULL, &load), LEVIN_OK);
        ck_assert_int_eq(levin_bulk_load_add(load, "load", 4, "1", 1), LEVIN_OK);
        for (unsigned i = 0; i < puts; i++) {
            char key[8];
            const int key_bytes = snprintf(key, sizeof key, "put%02u", i % 100);
            ck_assert_int_eq(levin_put(db, key, (size_t)key_bytes, value, sizeof value, LEVIN_NONE), LEVIN_OK);
        }
        levin_code code = levin_bulk_load_commit(load);
        ck_assert(code == LEVIN_OK || code == LEVIN_CONFLICT);
        levin_bulk_load_destroy(load);
        refused += code == LEVIN_CONFLICT;
        done += code == LEVIN_OK;
        const levin_code there = code == LEVIN_OK ? LEVIN_OK : LEVIN_NOT_FOUND;
        ck_assert_int_eq(levin_get(db, NULL, "load", 4, found, sizeof found, &bytes), there);
        ck_assert_int_eq(levin_put(db, "after", 5, "1", 1, LEVIN_SYNCED), LEVIN_OK);
        db = reopen(db);
        ck_assert_int_eq(levin_get(db, NULL, "load", 4, found, sizeof found, &bytes), there);
        ck_assert_int_eq(levin_get(db, NULL, "after", 5, found, sizeof found, &bytes), LEVIN_OK);
        ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
        end(db, LEVIN_OK);
        finish();
    }
    ck_assert_uint_gt(done, 10);
    ck_assert_uint_gt(refused, 20);
}
END_TEST

LEVIN_TEST_MAIN("bulk_load", TEST(bulk_load__beside_a_memtable_just_frozen_is_refused),
                 TEST(bulk_load__fills_an_empty_store), TEST(bulk_load__is_merged_with_what_is_there),
                TEST(bulk_load__into_an_empty_keyspace_of_a_store), TEST(bulk_load__names_the_first_key_out_of_order),
                TEST(bulk_load__is_seen_by_all_at_once), TEST(bulk_load__gives_way_to_others),
                TEST(bulk_load__stands_others_beside_its_range),
                TEST(bulk_load__every_failure_leaves_all_or_nothing),
                TEST(bulk_load__a_full_disk_at_any_write_leaves_all_or_nothing))
