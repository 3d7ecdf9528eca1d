/*
 * stress_concurrent_test.c - the stress run itself (stress.h): clean on a right engine, and able to fail.
 *
 * Invariants checked: a run of several threads over a small store ends without a mismatch; with the harness's own
 * answers falsified behind its back (a key deleted, a stale value put back, one key of a group written alone, a key
 * that was never written) it names the mismatch.  Also run under ThreadSanitizer, where it is the widest test of
 * the engine.
 */
#include <stdio.h>
#include <unistd.h>

#include "../../faults/check_main.h"
#include "stress.c"
#include "stress_areas.c"
#include "stress_model.c"
#include "stress_ops.c"

static char directory[64];

static stress_options small_run(uint64_t seed)
{
    stress_options o = { .path = directory, .threads = 4, .operations = 1500, .seed = seed, .keys = 2048,
                         .value_max = 16384 };
    levin_options_init(&o.store);
    o.upkeep = 150;
    o.store.page_bytes = 4096;
    o.store.cache_bytes = 64 * 4096;
    o.store.row_cache_bytes = 64 << 10;
    o.store.memtable_bytes = 256 << 10;
    o.store.wal_segment_bytes = 256 << 10;
    snprintf(directory, sizeof directory, "/tmp/levin-stress-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    return o;
}

static void directory_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(stress__finds_nothing_in_a_right_engine)
{
    uint64_t rare[STRESS_backup - STRESS_compact + 1] = { 0 };
    for (uint64_t seed = 1; seed <= 4; seed++) {
        stress_options o = small_run(seed);
        stress_result r;
        stress_run(&o, &r);
        ck_assert_msg(!r.mismatch && !r.failed, "%s", r.message);
        ck_assert_uint_eq(r.operations, 4 * 1500);
        ck_assert_uint_gt(r.keys_checked, 10000);
        for (int k = 0; k < STRESS_checkpoint; k++)
            ck_assert_msg(r.of[k].count > 0 || k == STRESS_group_scan, "no operation of kind %d", k);
        for (int k = STRESS_area_batch; k < STRESS_compact; k++)
            ck_assert_msg(r.of[k].count > 0, "no operation of kind %d", k);
        for (int k = STRESS_compact; k <= STRESS_backup; k++)
            rare[k - STRESS_compact] += r.of[k].count;
        directory_remove();
    }
    for (int k = STRESS_compact; k <= STRESS_backup; k++)
        ck_assert_msg(rare[k - STRESS_compact] > 0, "no operation of kind %d", k);
}
END_TEST

/* What a broken engine would do, done to a right one at the end of the threads' time. */
typedef struct tampering {
    stress_options run;
    int way;
    bool done;
} tampering;

enum { TAMPER_DELETED, TAMPER_STALE, TAMPER_GROUP, TAMPER_STRANGER, TAMPER_BYTE, TAMPER_AREA, TAMPER_MONEY,
       TAMPER_COUNTER, TAMPER_KEYSPACE, TAMPER_WAYS };

/* The same to what stands beside the model. */
static bool tamper_beside(tampering *p, levin *store, uint64_t done)
{
    levin_code code = LEVIN_OK;
    if (done < p->run.threads * p->run.operations || p->done)
        return true;
    if (p->way == TAMPER_AREA) /* a deleted range that is not: some of these keys are not to be there */
        for (char key[] = "d001-00"; key[5] < '8' && code == LEVIN_OK; key[5]++)
            code = levin_put(store, key, 7, "undeleted", 9, LEVIN_LOGGED);
    else if (p->way == TAMPER_MONEY) /* an update that is lost: half of a transfer */
        code = levin_put(store, "b07", 3, &(int64_t){ 123 }, sizeof(int64_t), LEVIN_LOGGED);
    else if (p->way == TAMPER_COUNTER) /* a swap that was acknowledged, and is not there */
        for (char key[] = "c00"; key[2] <= '9' && code == LEVIN_OK; key[2]++)
            code = levin_put(store, key, 3, &(uint64_t){ 0 }, sizeof(uint64_t), LEVIN_LOGGED);
    else {
        levin_keyspace *ks;
        code = levin_keyspace_open(store, "area 1 of 2", 11, LEVIN_KEYSPACE_EXCLUSIVE, &ks);
        if (code == LEVIN_EXISTS)
            code = levin_keyspace_drop(store, "area 1 of 2", 11, LEVIN_LOGGED);
        levin_keyspace_close(ks);
    }
    ck_assert_int_eq(code, LEVIN_OK);
    return p->done = true;
}

static bool tamper(void *context, levin *store, double seconds, uint64_t done)
{
    tampering *p = context;
    stress_model m;
    char key[STRESS_KEY_MAX];
    static uint8_t value[16384];
    size_t bytes = 0, key_bytes = 0;
    (void)seconds;
    if (p->way >= TAMPER_AREA)
        return tamper_beside(p, store, done);
    if (done < p->run.threads * p->run.operations || p->done) /* the last call: the threads have ended */
        return true;
    ck_assert(stress_model_init(&m, &p->run));
    uint32_t at = p->way == TAMPER_GROUP ? m.groups : m.keys / 2;
    levin_code code = LEVIN_NOT_FOUND;
    for (; code == LEVIN_NOT_FOUND; at++) { /* a key that is there, written more than once */
        key_bytes = stress_key(&m, at, key);
        code = levin_get(store, NULL, key, key_bytes, value, sizeof value, &bytes);
        if (code == LEVIN_OK && (value[4] < 3 || stress_absent(&m, stress_unit(&m, at), value[4] - 1u)))
            code = LEVIN_NOT_FOUND;
    }
    ck_assert_int_eq(code, LEVIN_OK);
    at--;
    if (p->way == TAMPER_STALE || p->way == TAMPER_GROUP)
        bytes = stress_value(&m, at, value[4] - 1u, value);
    if (p->way == TAMPER_BYTE)
        value[bytes - 1] ^= 1;
    if (p->way == TAMPER_STRANGER)
        key[key_bytes++] = 'x';
    if (p->way == TAMPER_DELETED)
        code = levin_delete(store, key, key_bytes, LEVIN_LOGGED);
    else
        code = levin_put(store, key, key_bytes, value, bytes, LEVIN_LOGGED);
    ck_assert_int_eq(code, LEVIN_OK);
    stress_model_fini(&m);
    return p->done = true;
}

START_TEST(stress__names_what_a_wrong_engine_answers)
{
    static const char *const says[TAMPER_WAYS] = { "is not there", "is of version", "is of version",
                                                   "never written", "are not that version's", "in area 0 of thread 1",
                                                   "in all, not", "and it must be from", "keyspaces" };
    for (int way = 0; way < TAMPER_WAYS; way++) {
        tampering p = { small_run(3), way, false };
        stress_result r;
        p.run.tick = tamper;
        p.run.context = &p;
        p.run.operations = 600;
        stress_run(&p.run, &r);
        ck_assert(p.done);
        ck_assert_msg(r.mismatch, "way %d was not seen", way);
        ck_assert_msg(strstr(r.message, says[way]) != NULL, "\"%s\" does not say \"%s\"", r.message, says[way]);
        directory_remove();
    }
}
END_TEST

LEVIN_TEST_MAIN("stress", TEST(stress__finds_nothing_in_a_right_engine),
                TEST(stress__names_what_a_wrong_engine_answers))
