/*
 * check_faults_test.c - one call or allocation of levin_check() fails, once or from then on; on a simulated disk.
 *
 * Invariants checked: a check that could not read something says so, by the code of that very failure, which
 * levin_last_error() explains and the metrics count once; it is never clean and never LEVIN_CORRUPT; without the
 * failure the same store is clean.
 */
#include <errno.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "levin.h"

enum { KEYS = 60, VALUE_BYTES = 200, EXTENT_BYTES = 3000, LARGE_BYTES = 9000 };

/* Of every kind of page, and of log and value log: what a check reads. */
static void fill(levin *db, levin_keyspace *named)
{
    static char value[LARGE_BYTES];
    for (int part = 0; part < 3; part++) {
        for (int i = part; i < KEYS; i += 1 + part) {
            char key[16];
            const size_t key_bytes = (size_t)snprintf(key, sizeof key, "k%02d", i % 100);
            const size_t bytes = i % 9 == 7 ? LARGE_BYTES : i % 9 == 3 ? EXTENT_BYTES : VALUE_BYTES;
            ck_assert_int_eq(levin_put_in(db, i % 5 ? NULL : named, key, key_bytes, value, bytes, LEVIN_LOGGED),
                             LEVIN_OK);
        }
        if (part < 2)
            ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    }
}

static uint64_t errors_counted(levin *db, levin_code code)
{
    levin_stats stats = { 0 };
    levin_stats_get(db, &stats);
    return code == LEVIN_IO ? stats.error_io : stats.error_no_memory;
}

typedef struct reports {
    levin_code code;
    unsigned faults, of_code;
} reports;

static bool on_fault(void *context, const levin_error *fault)
{
    reports *r = context;
    r->faults++;
    r->of_code += fault->code == r->code;
    return true;
}

START_TEST(check__a_failing_call_is_told_as_what_it_is)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    fault_io *faults = fault_io_create(simdisk_io(disk));
    levin_options o;
    levin_options_init(&o);
    o.io = fault_io_table(faults);
    o.page_bytes = 4096;
    o.cache_bytes = 32 * 4096;
    o.memtable_bytes = 64 << 10;
    o.wal_segment_bytes = 64 << 10;
    o.value_log_segment_bytes = 256 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    levin *db;
    levin_keyspace *named;
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_keyspace_open(db, "named", 5, LEVIN_KEYSPACE_CREATE, &named), LEVIN_OK);
    fill(db, named);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);

    static const struct {
        unsigned operations;
        int number;
        levin_code code;
    } ways[] = { { 1u << FAULT_READ, EIO, LEVIN_IO },
                 { 1u << FAULT_OPEN, EMFILE, LEVIN_IO },
                 { 1u << FAULT_SIZE, EIO, LEVIN_IO },
                 { 1u << FAULT_ALLOC, ENOMEM, LEVIN_NO_MEMORY } };
    unsigned met = 0;
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
        for (int forever = 0; forever < 2; forever++) {
            bool fired = true;
            for (uint64_t nth = 1; fired; nth++) {
                const fault_rule rule = { FAULT_KINDS_ALL, ways[way].operations, nth, forever, FAULT_ERROR,
                                          ways[way].number, 0 };
                const uint64_t before = errors_counted(db, ways[way].code);
                reports told = { .code = ways[way].code };
                levin_error error;
                fault_io_set_rules(faults, &rule, 1);
                levin_code code = levin_check(db, on_fault, &told, NULL);
                fired = fault_io_fired(faults, 0) != 0;
                fault_io_set_rules(faults, NULL, 0);
                ck_assert_msg(code == (fired ? ways[way].code : LEVIN_OK), "way %zu, call %d: %s", way, (int)nth,
                              levin_code_name(code));
                ck_assert_msg(told.faults == told.of_code, "way %zu, call %d is told as damage", way, (int)nth);
                const uint64_t counted = errors_counted(db, ways[way].code) - before;
                ck_assert_msg(counted == fired, "way %zu, call %d is counted %d times", way, (int)nth, (int)counted);
                levin_last_error(db, &error);
                if (fired)
                    ck_assert_msg(error.code == code && error.message[0], "way %zu, call %d: %s", way, (int)nth,
                                  error.message);
                met += fired;
            }
        }
    ck_assert_uint_gt(met, 100);

    uint64_t files, bytes, pieces;
    levin_keyspace_close(named);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    fault_io_held(faults, &files, &bytes, &pieces);
    ck_assert_uint_eq(files, 0);
    ck_assert_uint_eq(pieces, 0);
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
}
END_TEST

LEVIN_TEST_MAIN("check_faults", TEST(check__a_failing_call_is_told_as_what_it_is))
