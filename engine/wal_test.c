/*
 * wal_test.c - appending, syncing, switching segments, and failing.
 *
 * Invariants checked: what was synced is there after recovery; a group that was reported failed does not come back
 * once another was accepted; a failed sync poisons; counters equal the calls made; steady state costs one write
 * and one sync; no handle and no byte leaks, whatever fails.
 */
#include "wal_test_disk.h"

#include "../faults/check_main.h"

static client the_client; /* too big for the stack */

static client *begin(uint64_t segment_bytes)
{
    client_init(&the_client, disk_new(1), segment_bytes);
    return &the_client;
}

static void end(client *c)
{
    client_close(c);
    disk_check_leaks(c->d);
    disk_delete(c->d);
}

START_TEST(wal__round_trip)
{
    client *c = begin(64 << 10);
    assert_ok(client_create(c));
    assert_replayed(c, 0, 0);
    for (uint64_t i = 1; i <= 20; i++)
        assert_ok(client_put(c, i));
    assert_ok(client_append(c, 21, 5));
    assert_ok(wal_finish(c->log, &c->error));
    uint64_t incarnation = wal_incarnation(c->log);
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, 1, 25);
    ck_assert_uint_eq(wal_sequence(c->log), 25);
    ck_assert_uint_gt(wal_incarnation(c->log), incarnation);
    end(c);
}
END_TEST

START_TEST(wal__positions_and_chain_are_a_start)
{
    client *c = begin(64 << 10);
    assert_ok(client_create(c));
    for (uint64_t i = 1; i <= 10; i++)
        assert_ok(client_put(c, i));
    wal_start later = { wal_position(c->log), wal_chain(c->log), 10, wal_incarnation(c->log), 0 };
    for (uint64_t i = 11; i <= 15; i++)
        assert_ok(client_put(c, i));
    ck_assert_uint_eq(wal_live_bytes(c->log, later.position), 5 * 512);
    client_close(c);
    c->start = later;
    assert_ok(client_open(c));
    assert_replayed(c, 11, 15);
    end(c);
}
END_TEST

START_TEST(wal__segments_are_switched_and_recycled)
{
    client *c = begin(8 << 10);
    wal_counters counted;
    assert_ok(client_create(c));
    for (uint64_t i = 1; i <= 200; i++) {
        assert_ok(client_put(c, i));
        if (i % 20)
            continue;
        c->start = (wal_start){ wal_position(c->log), wal_chain(c->log), i, wal_incarnation(c->log), i };
        assert_ok(wal_mark(c->log, i, &c->error));
        assert_ok(wal_recycle(c->log, c->start.position, &c->error));
        ck_assert_uint_le(wal_segments(c->log), 2);
    }
    wal_count(c->log, &counted);
    ck_assert_uint_gt(counted.recycled, 5);
    ck_assert_uint_lt(counted.created, 6);
    ck_assert_uint_le(c->d->name_count, 6);
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c)); /* the spares are known again */
    assert_replayed(c, 0, 0);
    for (uint64_t i = 201; i <= 215; i++)
        assert_ok(client_put(c, i));
    wal_count(c->log, &counted);
    ck_assert_uint_ge(counted.recycled, 1);
    ck_assert_uint_eq(counted.created, 0);
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, 201, 215);
    end(c);
}
END_TEST

START_TEST(wal__many_live_segments_replay_in_order)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    for (uint64_t i = 1; i <= 300; i += 3)
        assert_ok(client_append(c, i, 3));
    assert_ok(wal_sync(c->log, &c->error));
    ck_assert_uint_gt(wal_segments(c->log), 5);
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, 1, 300);
    end(c);
}
END_TEST

START_TEST(wal__oversize_group_gets_a_segment_of_its_own)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    assert_ok(client_put(c, 1));
    assert_ok(wal_prepare(c->log, &c->error)); /* ready, and then too short */
    c->value_bytes = 700 << 10;                /* also longer than the reader's window */
    assert_ok(client_put(c, 2));
    c->value_bytes = 100;
    assert_ok(client_put(c, 3));
    c->value_bytes = 300 << 10;
    assert_ok(client_put(c, 4));
    c->value_bytes = 100;
    for (uint64_t i = 5; i <= 30; i++)
        assert_ok(client_put(c, i));
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, 1, 30);
    size_t before = c->d->name_count;
    assert_ok(wal_recycle(c->log, wal_position(c->log), &c->error));
    ck_assert_uint_le(c->d->name_count, 3);
    ck_assert_uint_lt(c->d->name_count, before);
    for (size_t i = 0; i < c->d->name_count; i++) /* nobody keeps the long ones */
        ck_assert_uint_eq(c->d->names[i].target->size, 8 << 10);
    end(c);
}
END_TEST

START_TEST(wal__prepared_segment_makes_the_switch_cheap)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    assert_ok(wal_prepare(c->log, &c->error));
    uint64_t dir_syncs = c->d->dir_syncs, creates = c->d->creates;
    assert_ok(wal_prepare(c->log, &c->error));
    ck_assert_uint_eq(c->d->dir_syncs, dir_syncs); /* one is enough */
    uint64_t i = 0;
    while (wal_segments(c->log) == 1)
        assert_ok(client_put(c, ++i));
    ck_assert_uint_eq(c->d->dir_syncs, dir_syncs);
    ck_assert_uint_eq(c->d->creates, creates);
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, 1, i);
    end(c);
}
END_TEST

START_TEST(wal__steady_state_costs_one_write_and_one_sync)
{
    client *c = begin(1 << 20);
    wal_counters before, after;
    assert_ok(client_create(c));
    assert_ok(client_put(c, 1));
    disk seen = *c->d;
    wal_count(c->log, &before);
    for (uint64_t i = 2; i <= 101; i++)
        assert_ok(client_put(c, i));
    wal_count(c->log, &after);
    ck_assert_uint_eq(c->d->writes - seen.writes, 100);
    ck_assert_uint_eq(c->d->syncs - seen.syncs, 100);
    ck_assert_uint_eq(c->d->allocs - seen.allocs, 0);
    ck_assert_uint_eq(c->d->calls - seen.calls, 200);
    ck_assert_uint_eq(after.writes - before.writes, 100);
    ck_assert_uint_eq(after.syncs - before.syncs, 100);
    ck_assert_uint_eq(after.bytes - before.bytes, 100 * 512);
    assert_ok(wal_sync(c->log, &c->error)); /* nothing new: no call */
    assert_ok(wal_flush(c->log, &c->error));
    ck_assert_uint_eq(c->d->calls - seen.calls, 200);
    end(c);
}
END_TEST

START_TEST(wal__counters_equal_the_calls)
{
    client *c = begin(8 << 10);
    wal_counters counted;
    assert_ok(client_create(c));
    client_close(c);
    c->d->writes = c->d->syncs = c->d->written = 0;
    assert_ok(client_open(c));
    for (uint64_t i = 1; i <= 100; i++)
        assert_ok(i % 3 ? client_append(c, i, 1) : client_put(c, i));
    assert_ok(wal_finish(c->log, &c->error));
    wal_count(c->log, &counted);
    ck_assert_uint_eq(counted.writes, c->d->writes);
    ck_assert_uint_eq(counted.syncs, c->d->syncs);
    ck_assert_uint_eq(counted.bytes, c->d->written);
    end(c);
}
END_TEST

START_TEST(wal__many_pending_groups_go_out_together)
{
    client *c = begin(1 << 20);
    assert_ok(client_create(c));
    uint8_t *arena = calloc(1, 512 * 200);
    uint64_t writes = c->d->writes;
    for (uint64_t i = 1; i <= 200; i++) { /* apart in memory: parts of 64 */
        assert_ok(client_append(c, i, 1));
        ck_assert(wal_needs_sync(c->log));
    }
    assert_ok(wal_sync(c->log, &c->error));
    ck_assert(!wal_needs_sync(c->log));
    ck_assert_uint_le(c->d->writes - writes, 4);
    writes = c->d->writes;
    for (uint64_t i = 201; i <= 400; i++) { /* neighbours in memory: one part */
        uint8_t *group = arena + (i - 201) * 512;
        memcpy(group + WAL_GROUP_HEADER_BYTES, c->groups[0] + WAL_GROUP_HEADER_BYTES, 136);
        store_u64(group + WAL_GROUP_HEADER_BYTES + 24, i);
        for (size_t b = 0; b < 100; b++)
            group[WAL_GROUP_HEADER_BYTES + 36 + b] = client_byte(i, c->salt, b);
        assert_ok(wal_append(c->log, group, 136, 1, i, &c->error));
    }
    assert_ok(wal_sync(c->log, &c->error));
    ck_assert_uint_eq(c->d->writes - writes, 1);
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, 1, 400);
    free(arena);
    end(c);
}
END_TEST

START_TEST(wal__taken_back_group_is_not_in_the_log)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    uint64_t sequence = 0;
    while (sequence < 60) { /* some of them open a new segment */
        assert_ok(client_append(c, sequence + 1, 1));
        wal_take_back(c->log);
        uint64_t position = wal_position(c->log), chain = wal_chain(c->log);
        assert_ok(client_append(c, sequence + 1, 1));
        wal_take_back(c->log);
        ck_assert_uint_eq(wal_position(c->log), position);
        ck_assert_uint_eq(wal_chain(c->log), chain);
        c->salt++;
        assert_ok(client_append(c, ++sequence, 1));
        c->salts[sequence] = c->salt;
        assert_ok(client_append(c, sequence + 1, 1));
        assert_ok(client_append(c, sequence + 2, 1));
        wal_take_back(c->log);
        if (c->log->pending_count) /* else the third one opened a segment, and the second is flushed */
            wal_take_back(c->log);
        else
            c->salts[++sequence] = c->salt;
        if (sequence % 7 == 0)
            assert_ok(wal_sync(c->log, &c->error));
    }
    assert_ok(wal_sync(c->log, &c->error));
    client_close(c);
    uint32_t written[64];
    memcpy(written, c->salts, sizeof written);
    assert_ok(client_open(c));
    assert_replayed(c, 1, sequence);
    ck_assert_mem_eq(written, c->salts, (sequence + 1) * sizeof *written);
    end(c);
}
END_TEST

/* A write fails after having written everything; the group is taken back; another one takes its number. */
START_TEST(wal__failed_group_cannot_come_back)
{
    for (int crash = KILL; crash <= POWER_CUT_TORN; crash++) {
        for (unsigned seed = 0; seed < 32; seed++) {
            client *c = begin(8 << 10);
            c->d->random += seed * 977;
            assert_ok(client_create(c));
            assert_ok(client_put(c, 1));
            c->d->failed_write = seed & 1 ? WRITES_HALF : WRITES_ALL;
            c->salt = 66; /* not to be seen again */
            c->value_bytes = 1200;
            c->d->fail_writes = 1;
            assert_ok(client_append(c, 2, 1));
            assert_code(LEVIN_IO, wal_flush(c->log, &c->error));
            if (seed & 4)
                disk_settle(c->d); /* the kernel wrote back what there was, unasked */
            wal_take_back(c->log);
            uint64_t incarnation = wal_incarnation(c->log);
            c->salt = 2;
            c->value_bytes = 100;
            c->d->fail_writes = seed >> 3 & 3; /* the fence fails too, some times */
            while (client_append(c, 2, 1))
                ;
            ck_assert_uint_gt(wal_incarnation(c->log), incarnation);
            if (seed & 2)
                assert_ok(wal_flush(c->log, &c->error));
            client_close(c);
            disk_crash(c->d, (enum crash)crash);
            assert_ok(client_open(c));
            ck_assert(!c->bad);
            ck_assert_uint_ge(c->last, 1);
            ck_assert(c->last == 1 || c->salts[2] == 2);
            end(c);
        }
    }
}
END_TEST

START_TEST(wal__flush_is_repeated_without_loss)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    c->d->failed_write = WRITES_HALF;
    for (uint64_t i = 1; i <= 50; i++) {
        c->d->fail_writes = 1;
        levin_code code = client_append(c, i, 1);
        if (code) { /* it needed a new segment */
            assert_code(LEVIN_IO, code);
            code = client_append(c, i, 1);
        }
        assert_ok(code);
        while (wal_sync(c->log, &c->error))
            ;
    }
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, 1, 50);
    end(c);
}
END_TEST

START_TEST(wal__seal_that_failed_is_completed_later)
{
    for (unsigned later = 0; later < 4; later++) {
        client *c = begin(8 << 10);
        assert_ok(client_create(c));
        assert_ok(wal_prepare(c->log, &c->error));
        uint64_t i = 0;
        while (lsn_offset(wal_position(c->log)) + 6 * 512 <= 8 << 10)
            assert_ok(client_put(c, ++i));
        c->d->failed_write = WRITES_ALL;
        c->d->fail_writes = 2;
        c->value_bytes = 2000;
        assert_code(LEVIN_IO, client_append(c, i + 1, 1));
        ck_assert(c->log->sealing);
        assert_code(LEVIN_IO, client_append(c, i + 1, 1));
        c->value_bytes = 100; /* would fit where the seal may stand */
        if (later == 1)
            assert_ok(wal_mark(c->log, 0, &c->error));
        if (later == 2)
            assert_ok(wal_finish(c->log, &c->error));
        if (later < 2)
            assert_ok(client_put(c, ++i));
        ck_assert_uint_eq(lsn_segment(wal_position(c->log)), later == 3 ? 1 : 2);
        client_close(c);
        disk_crash(c->d, later == 3 ? KILL : POWER_CUT);
        assert_ok(client_open(c));
        assert_replayed(c, 1, i);
        end(c);
    }
}
END_TEST

static void check_poisoned(client *c, uint64_t sequence)
{
    ck_assert(wal_poisoned(c->log));
    uint64_t writes = c->d->writes, syncs = c->d->syncs, dir_syncs = c->d->dir_syncs;
    assert_code(LEVIN_POISONED, client_append(c, sequence, 1));
    wal_take_back(c->log);
    assert_code(LEVIN_POISONED, wal_flush(c->log, &c->error));
    assert_code(LEVIN_POISONED, wal_sync(c->log, &c->error));
    assert_code(LEVIN_POISONED, wal_mark(c->log, 0, &c->error));
    assert_code(LEVIN_POISONED, wal_finish(c->log, &c->error));
    assert_code(LEVIN_POISONED, wal_prepare(c->log, &c->error));
    assert_code(LEVIN_POISONED, wal_recycle(c->log, wal_position(c->log), &c->error));
    ck_assert_uint_eq(c->d->writes, writes);
    ck_assert_uint_eq(c->d->syncs, syncs);
    ck_assert_uint_eq(c->d->dir_syncs, dir_syncs);
}

START_TEST(wal__failed_sync_poisons)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    assert_ok(client_put(c, 1));
    c->d->fail_syncs = 1;
    assert_code(LEVIN_IO, client_put(c, 2));
    check_poisoned(c, 3);
    client_close(c);
    assert_ok(client_open(c)); /* the kernel still shows group 2; recovery writes it again */
    assert_replayed(c, 1, 2);
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, 1, 2);
    c->d->fail_dir_syncs = 1;
    assert_code(LEVIN_IO, wal_prepare(c->log, &c->error));
    check_poisoned(c, 3);
    end(c);
}
END_TEST

START_TEST(wal__failed_sync_of_a_seal_or_a_fence_poisons)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    assert_ok(wal_prepare(c->log, &c->error));
    uint64_t i = 0;
    while (lsn_offset(wal_position(c->log)) + 3 * 512 <= 8 << 10)
        assert_ok(client_put(c, ++i));
    c->d->fail_syncs = 1;
    assert_code(LEVIN_IO, client_append(c, i + 1, 1));
    check_poisoned(c, i + 1);
    client_close(c);
    assert_ok(client_open(c));
    assert_replayed(c, 1, i);
    c->d->fail_writes = 1;
    assert_ok(client_append(c, i + 1, 1));
    assert_code(LEVIN_IO, wal_flush(c->log, &c->error));
    c->d->failed_write = WRITES_ALL;
    wal_take_back(c->log);
    c->d->fail_syncs = 1;
    assert_code(LEVIN_IO, wal_sync(c->log, &c->error));
    check_poisoned(c, i + 1);
    end(c);
}
END_TEST

START_TEST(wal__full_disk_stops_the_switch_and_no_more)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    uint64_t i = 0;
    while (lsn_offset(wal_position(c->log)) + 3 * 512 <= 8 << 10)
        assert_ok(client_put(c, ++i));
    for (unsigned n = 1; n <= 4; n++) { /* unlink, open, preallocate, header write */
        c->d->fail_at = c->d->calls + n;
        ck_assert(client_append(c, i + 1, 1));
        ck_assert(!wal_poisoned(c->log));
        ck_assert_uint_eq(c->d->name_count, 1);
    }
    disk_no_faults(c->d);
    assert_ok(client_put(c, ++i));
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, 1, i);
    end(c);
}
END_TEST

/* Opening and closing leaves marks; the smallest segments must do for that, with either sector. */
START_TEST(wal__close_and_open_for_ever_in_small_segments)
{
    for (unsigned sector = 512; sector <= 4096; sector *= 8) {
        client *c = begin(8 << 10);
        c->options.sector_bytes = sector;
        c->start.position = lsn_make(1, sector);
        assert_ok(client_create(c));
        uint64_t last = 0;
        for (unsigned i = 0; i < 60; i++) {
            if (i % 3 == 0)
                assert_ok(client_put(c, ++last));
            if (i % 2)
                assert_ok(wal_finish(c->log, &c->error));
            client_close(c);
            disk_crash(c->d, POWER_CUT);
            assert_ok(client_open(c));
            ck_assert(!c->bad);
            ck_assert_uint_eq(c->last, last);
        }
        end(c);
    }
}
END_TEST

static bool count_fault(void *context, const levin_error *fault)
{
    ck_assert_int_eq(fault->code, LEVIN_CORRUPT);
    ++*(unsigned *)context;
    return true;
}

START_TEST(wal__check_reports_each_fault_and_goes_on)
{
    client *c = begin(8 << 10);
    uint64_t groups = 0, segments = 0, faults = 0;
    unsigned reported = 0;
    assert_ok(client_create(c));
    for (uint64_t i = 1; i <= 40; i++)
        assert_ok(client_put(c, i));
    assert_ok(wal_check(c->log, &c->start, count_fault, &reported, &groups, &segments, &faults, &c->error));
    ck_assert_uint_eq(faults, 0);
    ck_assert_uint_eq(segments, wal_segments(c->log));
    ck_assert_uint_eq(groups, 40 + 1 + segments - 1); /* the mark of the opening, and the seals */
    disk_segment(c->d, 1)->target->data[512 * 3 + 100] ^= 1;
    disk_segment(c->d, 1)->target->data[512 * 7 + 20] ^= 1;
    disk_segment(c->d, 2)->target->data[30] ^= 1;
    disk_segment(c->d, wal_segments(c->log))->target->data[512 + 8] ^= 1;
    groups = segments = 0;
    assert_ok(wal_check(c->log, &c->start, count_fault, &reported, &groups, &segments, &faults, &c->error));
    ck_assert_uint_eq(faults, 4);
    ck_assert_uint_eq(reported, 4);
    ck_assert_uint_eq(groups, 40 + 1 + segments - 1 - 3);
    disk_remove(c->d, disk_segment(c->d, 2));
    faults = 0;
    assert_ok(wal_check(c->log, &c->start, NULL, NULL, &groups, &segments, &faults, &c->error));
    ck_assert_uint_eq(faults, 4);
    end(c);
}
END_TEST

/* ---- every call fails once, or from then on ---------------------------------------------------------------- */

struct promise {
    bool created;
    uint64_t acknowledged; /* synced up to here: must be there */
    uint64_t last;         /* appended up to here: may be there */
    bool doubtful;         /* the group after `last` failed, and nothing was accepted since: it may be there too */
};

/* A life of a log: groups, failures handled as the commit leader does, marks, recycling, the end. */
static void live(client *c, struct promise *p)
{
    p->created = wal_create(&c->options, &c->error) == LEVIN_OK;
    if (!p->created || client_open(c))
        return;
    for (unsigned i = 1; i <= 40; i++) {
        c->value_bytes = i % 9 == 0 ? 9000 : i % 4 == 0 ? 1500 : 100;
        c->salt = i; /* a number that is used again has other bytes */
        levin_code code = client_append(c, p->last + 1, 1);
        bool in_log = code == LEVIN_OK;
        if (!code)
            code = i % 3 ? wal_sync(c->log, &c->error) : i % 2 ? wal_flush(c->log, &c->error) : LEVIN_OK;
        if (in_log && code)
            wal_take_back(c->log);
        if (!code) {
            c->salts[++p->last] = i;
            p->doubtful = false;
            if (i % 3)
                p->acknowledged = p->last;
        } else if (in_log) {
            p->doubtful = true;
        }
        if (i == 10 || i == 20 || i == 30) {
            wal_start next = { wal_position(c->log), wal_chain(c->log), p->last, wal_incarnation(c->log), i };
            if (wal_sync(c->log, &c->error) == LEVIN_OK) {
                p->acknowledged = p->last;
                c->start = next; /* that is: the meta page is written */
                if (wal_mark(c->log, i, &c->error) == LEVIN_OK)
                    (void)!wal_recycle(c->log, next.position, &c->error);
            }
        }
        if (i % 5 == 0)
            (void)!wal_prepare(c->log, &c->error);
    }
    if (wal_finish(c->log, &c->error) == LEVIN_OK)
        p->acknowledged = p->last;
}

/* Runs a life in which call number n fails; true when n was beyond its end. */
static bool sweep_one(uint64_t n, bool for_ever, enum failed_write failed_write, enum crash how)
{
    static uint32_t written[CLIENT_GROUPS * 4];
    client *c = begin(8 << 10);
    struct promise p = { 0 };
    c->d->fail_at = n;
    c->d->for_ever = for_ever;
    c->d->failed_write = failed_write;
    c->d->random += n * 7919;
    live(c, &p);
    bool over = c->d->fail_count == 0;
    client_close(c);
    disk_check_leaks(c->d);
    memcpy(written, c->salts, sizeof written);
    disk_crash(c->d, how);
    levin_code code = p.created ? client_open(c) : client_create(c); /* what is left of a creation is replaced */
    ck_assert_msg(!code, "n %llu for_ever %d write %d crash %d: %s", (unsigned long long)n, for_ever,
                  (int)failed_write, (int)how, c->error.message);
    uint64_t last = c->last ? c->last : c->start.sequence;
    bool whole = !c->bad && last >= p.acknowledged && last <= p.last + p.doubtful &&
                 (!c->first || c->first == c->start.sequence + 1);
    for (uint64_t i = c->first; i && i <= c->last && i <= p.last; i++)
        whole = whole && c->salts[i] == written[i];
    ck_assert_msg(whole, "n %llu for_ever %d write %d crash %d: %llu..%llu, acknowledged %llu, last %llu",
                  (unsigned long long)n, for_ever, (int)failed_write, (int)how, (unsigned long long)c->first,
                  (unsigned long long)c->last, (unsigned long long)p.acknowledged, (unsigned long long)p.last);
    assert_ok(client_put(c, last + 1)); /* and the log goes on */
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    ck_assert(!c->bad);
    ck_assert_uint_eq(c->last, last + 1);
    end(c);
    return over;
}

START_TEST(wal__every_call_fails_once_or_for_ever)
{
    for (int for_ever = 0; for_ever <= 1; for_ever++)
        for (int failed_write = WRITES_NONE; failed_write <= WRITES_ALL; failed_write++)
            for (int how = KILL; how <= POWER_CUT_TORN; how++) {
                uint64_t n = 1;
                while (!sweep_one(n, for_ever, (enum failed_write)failed_write, (enum crash)how))
                    n++;
                ck_assert_uint_gt(n, 100); /* the faults did fire */
            }
}
END_TEST

LEVIN_TEST_MAIN("wal", TEST(wal__round_trip), TEST(wal__positions_and_chain_are_a_start),
                TEST(wal__segments_are_switched_and_recycled), TEST(wal__many_live_segments_replay_in_order),
                TEST(wal__oversize_group_gets_a_segment_of_its_own),
                TEST(wal__prepared_segment_makes_the_switch_cheap),
                TEST(wal__steady_state_costs_one_write_and_one_sync), TEST(wal__counters_equal_the_calls),
                TEST(wal__many_pending_groups_go_out_together), TEST(wal__taken_back_group_is_not_in_the_log),
                TEST(wal__failed_group_cannot_come_back), TEST(wal__flush_is_repeated_without_loss),
                TEST(wal__seal_that_failed_is_completed_later), TEST(wal__failed_sync_poisons),
                TEST(wal__failed_sync_of_a_seal_or_a_fence_poisons),
                TEST(wal__full_disk_stops_the_switch_and_no_more),
                TEST(wal__close_and_open_for_ever_in_small_segments),
                TEST(wal__check_reports_each_fault_and_goes_on), TEST(wal__every_call_fails_once_or_for_ever))
