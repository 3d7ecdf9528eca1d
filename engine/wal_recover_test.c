/*
 * wal_recover_test.c - what recovery makes of a log that is torn, rotten, incomplete, foreign or forged.
 *
 * Invariants checked: a torn tail is cut at the last whole group and the log goes on; damage before the proven end is
 * LEVIN_CORRUPT, and with salvage a shorter log that opens strictly from then on; what was cut does not come back;
 * nothing changes on disk when recovery fails or only reads; damaged bytes decide neither about memory nor about
 * time; recovery can itself fail at every call, and be cut off by power, and lose nothing.
 */
#include "wal_test_disk.h"

#include "../faults/check_main.h"

static client the_client, the_other; /* too big for the stack */

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

/* A second client on a copy of the disk, so that one image serves many damages. */
static client *on_copy(const client *c)
{
    client *o = &the_other;
    memset(o, 0, sizeof *o);
    o->d = disk_copy(c->d);
    o->options = c->options;
    o->options.io = &o->d->io;
    o->start = c->start;
    o->salt = 9;
    o->value_bytes = 100;
    return o;
}

static uint8_t *bytes_at(client *c, uint64_t segment, uint64_t offset)
{
    return disk_segment(c->d, segment)->target->data + offset;
}

/* A log of `count` groups, all synced, in segments of 8 KiB; the handle is closed. The value size varies. */
static client *some_log(uint64_t count, uint64_t segment_bytes, bool finish)
{
    client *c = begin(segment_bytes);
    assert_ok(client_create(c));
    for (uint64_t i = 1; i <= count; i++) {
        c->value_bytes = i % 5 == 0 ? 1700 : i % 3 == 0 ? 600 : 100;
        assert_ok(client_put(c, i));
    }
    if (finish)
        assert_ok(wal_finish(c->log, &c->error));
    client_close(c);
    disk_settle(c->d);
    return c;
}

/* The log opens with batches 1..last, goes on, and opens again after a power cut. */
static void assert_goes_on(client *c, uint64_t last)
{
    assert_ok(client_open(c));
    assert_replayed(c, last ? 1 : 0, last);
    assert_ok(client_put(c, last + 1));
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    c->options.recovery = LEVIN_RECOVERY_STRICT;
    assert_ok(client_open(c));
    assert_replayed(c, 1, last + 1);
}

/* ---- torn tails -------------------------------------------------------------------------------------------- */

START_TEST(wal_recover__torn_tail_is_cut_at_every_sector)
{
    static const char *const fills[] = { "zeros", "garbage", "old bytes" };
    client *c = begin(64 << 10);
    assert_ok(client_create(c));
    for (uint64_t i = 1; i <= 5; i++)
        assert_ok(client_put(c, i));
    uint64_t from = lsn_offset(wal_position(c->log));
    c->value_bytes = 5000;
    assert_ok(client_put(c, 6));
    uint64_t to = lsn_offset(wal_position(c->log));
    ck_assert_uint_ge((to - from) / 512, 10);
    client_close(c);
    disk_settle(c->d);
    for (unsigned fill = 0; fill < sizeof fills / sizeof *fills; fill++)
        for (uint64_t missing = from; missing < to; missing += 512)
            for (int rest = 0; rest <= 1; rest++) { /* this sector alone, or all from here */
                client *o = on_copy(c);
                for (uint64_t at = missing; at < (rest ? to : missing + 512); at++)
                    *bytes_at(o, 1, at) = fill == 0   ? 0
                                          : fill == 1 ? (uint8_t)disk_random(o->d)
                                                      : *bytes_at(c, 1, at % 512 + 512);
                assert_goes_on(o, 5);
                end(o);
            }
    end(c);
}
END_TEST

START_TEST(wal_recover__damage_in_the_last_unproven_group_is_cut)
{
    client *c = some_log(10, 64 << 10, false); /* the tenth is 1700 bytes */
    for (unsigned bit = 0; bit < 8; bit++) {
        client *o = on_copy(c);
        uint8_t *group = bytes_at(o, 1, 512);
        while (load_u32(group + 8) == WAL_GROUP_MAGIC && load_u64(group + WAL_GROUP_SEQUENCE) != 10)
            group += wal_group_total(load_u32(group + WAL_GROUP_PAYLOAD_BYTES), 512);
        group[bit * 200 + 3] ^= (uint8_t)(1 << bit);
        assert_goes_on(o, 9);
        end(o);
    }
    end(c);
}
END_TEST

START_TEST(wal_recover__garbage_behind_the_log_is_nothing)
{
    client *c = some_log(5, 64 << 10, true);
    for (size_t at = 512 * 20; at < 64 << 10; at++)
        *bytes_at(c, 1, at) = (uint8_t)disk_random(c->d);
    assert_goes_on(c, 5);
    end(c);
}
END_TEST

START_TEST(wal_recover__empty_log_gets_its_mark)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    ck_assert_uint_eq(wal_position(c->log), lsn_make(1, 1024));
    ck_assert_uint_eq(wal_incarnation(c->log), 1);
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    ck_assert_uint_eq(wal_position(c->log), lsn_make(1, 1536));
    ck_assert_uint_eq(wal_incarnation(c->log), 2);
    end(c);
}
END_TEST

/* ---- rot --------------------------------------------------------------------------------------------------- */

/* Bytes of the group at data that its checksum covers, its own bytes included. */
static uint64_t covered(const uint8_t *group)
{
    return WAL_GROUP_HEADER_BYTES + load_u32(group + WAL_GROUP_PAYLOAD_BYTES);
}

START_TEST(wal_recover__every_flipped_sector_before_the_proven_end_is_corrupt)
{
    client *c = some_log(40, 8 << 10, true);
    uint64_t segments = c->d->name_count, expected = 0;
    unsigned sectors = 0;
    ck_assert_uint_gt(segments, 3);
    for (uint64_t s = 1; s <= segments; s++) {
        uint64_t at = 512;
        while (load_u32(bytes_at(c, s, at) + 8) == WAL_GROUP_MAGIC) {
            uint8_t kind = *(bytes_at(c, s, at) + WAL_GROUP_KIND);
            if (kind == WAL_CLOSE)
                break; /* the very last: not proven */
            uint64_t bytes = covered(bytes_at(c, s, at));
            for (uint64_t sector = at; sector < at + bytes; sector += 512, sectors++) {
                uint64_t left = at + bytes - sector, in = disk_random(c->d) % (left < 512 ? left : 512);
                client *o = on_copy(c), before;
                *bytes_at(o, s, sector + in) ^= (uint8_t)(1 << disk_random(c->d) % 8);
                disk_settle(o->d);
                before.d = disk_copy(o->d);
                assert_code(LEVIN_CORRUPT, client_open(o));
                ck_assert_str_eq(o->error.file, wal_segment_name(s).text);
                ck_assert_uint_eq(o->error.offset, at);
                ck_assert(disk_equal(o->d, before.d)); /* refused: and left alone */
                disk_delete(before.d);
                o->options.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
                assert_goes_on(o, expected);
                end(o);
            }
            if (kind == WAL_DATA)
                expected++;
            at += round_up_u64(bytes, 512);
        }
    }
    ck_assert_uint_eq(expected, 40);
    ck_assert_uint_gt(sectors, 60);
    end(c);
}
END_TEST

/* A device that loses one block of a closed log: with it the last groups and the CLOSE may be gone, all synced. */
START_TEST(wal_recover__a_lost_block_of_a_closed_log_is_corrupt)
{
    static const uint64_t segment_bytes[] = { 8 << 10, 64 << 10 };
    unsigned lost = 0;
    for (unsigned size = 0; size < 2; size++)
        for (uint64_t count = 1; count <= 40; count++) {
            client *c = some_log(count, segment_bytes[size], true);
            for (uint64_t s = 1; s <= c->d->name_count; s++)
                for (uint64_t block = 0; block < segment_bytes[size]; block += WAL_BLOCK_BYTES) {
                    client *o = on_copy(c);
                    memset(bytes_at(o, s, block), 0, WAL_BLOCK_BYTES);
                    disk_settle(o->d);
                    if (client_open(o) == LEVIN_OK)
                        assert_replayed(o, 1, count);
                    else {
                        ck_assert_int_eq(o->error.code, LEVIN_CORRUPT);
                        lost++;
                    }
                    end(o);
                }
            assert_goes_on(c, count);
            end(c);
        }
    ck_assert_uint_gt(lost, 80);
}
END_TEST

/* After salvage, with a torn tail on top, what was cut off must not pass for proof of rot. */
START_TEST(wal_recover__what_salvage_cut_off_proves_nothing_later)
{
    client *c = some_log(40, 8 << 10, true);
    *bytes_at(c, 1, 512 * 4) ^= 1;
    c->options.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
    assert_ok(client_open(c));
    uint64_t last = c->last;
    assert_ok(client_put(c, last + 1));
    c->value_bytes = 900;
    assert_ok(client_append(c, last + 2, 1));
    uint64_t torn = lsn_offset(wal_position(c->log)) - 1024;
    assert_ok(wal_sync(c->log, &c->error));
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    memset(bytes_at(c, 1, torn), 0, 512);
    c->options.recovery = LEVIN_RECOVERY_STRICT;
    assert_goes_on(c, last + 1);
    end(c);
}
END_TEST

START_TEST(wal_recover__missing_segments_are_corrupt)
{
    client *c = some_log(40, 8 << 10, true);
    uint64_t segments = c->d->name_count;
    for (uint64_t s = 1; s <= segments; s++)
        for (int how = 0; how < 5; how++) { /* gone, bad header, header of another, cut short by 1024, by 1 */
            client *o = on_copy(c);
            entry *e = disk_segment(o->d, s);
            if (how == 0)
                disk_remove(o->d, e);
            else if (how == 1)
                e->target->data[77] ^= 1;
            else if (how == 2)
                memcpy(e->target->data, bytes_at(o, s % segments + 1, 0), 512);
            else
                e->target->size -= how == 3 ? 1024 : 1; /* 1: behind the SEAL */
            disk_settle(o->d);
            assert_code(LEVIN_CORRUPT, client_open(o));
            o->options.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
            levin_code code = client_open(o);
            assert_code(s == 1 && how < 3 ? LEVIN_CORRUPT : LEVIN_OK, code);
            if (!code) {
                uint64_t last = o->last;
                ck_assert(!o->bad);
                client_close(o);
                assert_goes_on(o, last);
            }
            end(o);
        }
    end(c);
}
END_TEST

START_TEST(wal_recover__truncated_last_segment_is_corrupt)
{
    client *c = some_log(4, 64 << 10, false);
    disk_segment(c->d, 1)->target->size = 512 * 3;
    assert_code(LEVIN_CORRUPT, client_open(c));
    ck_assert_uint_eq(c->error.expected, 64 << 10);
    c->options.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
    assert_goes_on(c, 1);
    end(c);
}
END_TEST

START_TEST(wal_recover__start_that_cannot_be_is_corrupt)
{
    client *c = some_log(4, 8 << 10, false);
    const uint64_t positions[] = { 0, lsn_make(1, 0), lsn_make(1, 513), lsn_make(1, 8 << 10), lsn_make(1, 1 << 20),
                                   lsn_make(7, 512), UINT64_MAX };
    for (size_t i = 0; i < sizeof positions / sizeof *positions; i++)
        for (int salvage = 0; salvage <= 1; salvage++) {
            c->start.position = positions[i];
            c->options.recovery = salvage ? LEVIN_RECOVERY_CUT_AT_DAMAGE : LEVIN_RECOVERY_STRICT;
            assert_code(LEVIN_CORRUPT, client_open(c));
        }
    c->options.recovery = LEVIN_RECOVERY_STRICT;
    c->start = (wal_start){ lsn_make(1, 512), 1234, 0, 0, 0 }; /* a chain that nothing follows */
    assert_code(LEVIN_CORRUPT, client_open(c));
    c->start = (wal_start){ lsn_make(1, 512), 0, UINT64_MAX, 0, 0 };
    assert_code(LEVIN_CORRUPT, client_open(c));
    /* at the limit it can be read: what is written would be refused by the next recovery */
    c->start = (wal_start){ lsn_make(1, 512), 0, 0, WAL_INCARNATION_MAX, 0 };
    assert_code(LEVIN_TOO_BIG, client_open(c));
    end(c);
}
END_TEST

START_TEST(wal_recover__newer_checkpoint_in_the_log_is_corrupt)
{
    for (int beyond = 0; beyond <= 1; beyond++)
        for (int salvage = 0; salvage <= 1; salvage++) {
            client *c = begin(8 << 10);
            assert_ok(client_create(c));
            assert_ok(client_put(c, 1));
            assert_ok(wal_mark(c->log, 3, &c->error));
            uint64_t mark = lsn_offset(wal_position(c->log)) - 512;
            assert_ok(client_put(c, 2));
            client_close(c);
            if (beyond) /* the chain does not get there */
                *bytes_at(c, 1, mark) ^= 1;
            c->options.recovery = salvage ? LEVIN_RECOVERY_CUT_AT_DAMAGE : LEVIN_RECOVERY_STRICT;
            c->start.generation = 2;
            assert_code(LEVIN_CORRUPT, client_open(c));
            if (!beyond) {
                c->start.generation = 3;
                assert_ok(client_open(c));
                assert_replayed(c, 1, 2);
            }
            end(c);
        }
}
END_TEST

/* Nor does damage on the way to it hide that checkpoint from salvage. */
START_TEST(wal_recover__newer_checkpoint_behind_damage_is_corrupt)
{
    client *c = some_log(20, 8 << 10, false);
    assert_ok(client_open(c));
    assert_ok(wal_mark(c->log, 3, &c->error));
    client_close(c);
    c->options.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
    disk_remove(c->d, disk_segment(c->d, 2));
    assert_code(LEVIN_CORRUPT, client_open(c));
    ck_assert(strstr(c->error.message, "later checkpoint"));
    end(c);
}
END_TEST

START_TEST(wal_recover__transient_misread_does_not_cut)
{
    client *c = some_log(9, 64 << 10, false);
    for (int n = 1; n <= 2; n++) {
        client *o = on_copy(c);
        o->d->flip_reads = n;
        levin_code code = client_open(o);
        disk_no_faults(o->d);
        if (code) /* seen as rot, or as a change between two reads: nothing was lost */
            assert_code(LEVIN_CORRUPT, code);
        client_close(o);
        assert_goes_on(o, 9);
        end(o);
    }
    end(c);
}
END_TEST

/* ---- what must not come back ------------------------------------------------------------------------------- */

/* G1 is lost and G2 behind it kept; then the same G1 is written again. G2 would chain to it, but for the
 * incarnation. */
START_TEST(wal_recover__old_incarnation_does_not_come_back)
{
    client *c = begin(64 << 10);
    assert_ok(client_create(c));
    wal_start before = { wal_position(c->log), wal_chain(c->log), 0, wal_incarnation(c->log), 0 };
    uint64_t at = lsn_offset(before.position);
    assert_ok(client_append(c, 1, 1));
    assert_ok(client_append(c, 2, 1));
    assert_ok(wal_flush(c->log, &c->error)); /* not synced: the device may keep the second and lose the first */
    client_close(c);
    uint8_t second[512];
    memset(bytes_at(c, 1, at), 0, 512);
    memcpy(second, bytes_at(c, 1, at + 512), sizeof second);
    assert_ok(client_open(c));
    assert_replayed(c, 0, 0);
    memcpy(bytes_at(c, 1, at + 512), second, sizeof second); /* a recovery that copies no segment leaves G2 there */
    ck_assert(load_u32(bytes_at(c, 1, at + 512) + 8) == WAL_GROUP_MAGIC);
    wal_start reopened = { wal_position(c->log), wal_chain(c->log), 0, wal_incarnation(c->log), 0 };
    ck_assert_uint_gt(reopened.incarnation, before.incarnation);
    client_close(c);
    assert_ok(client_open(c));
    assert_replayed(c, 0, 0);
    end(c);
    /* without marks between, at the same place: only the incarnation tells the two first groups apart */
    uint8_t one[1024] = { 0 }, two[1024] = { 0 };
    wal_group g = { .kind = WAL_DATA, .position = before.position, .incarnation = 1, .sequence = 1 };
    uint64_t first = wal_group_encode(one, &g, 1, 512);
    g.incarnation = 2;
    ck_assert_uint_ne(first, wal_group_encode(two, &g, 1, 512));
}
END_TEST

START_TEST(wal_recover__recycled_bytes_do_not_verify)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    uint64_t i = 0;
    while (wal_segments(c->log) < 3)
        assert_ok(client_put(c, ++i));
    c->start = (wal_start){ wal_position(c->log), wal_chain(c->log), i, wal_incarnation(c->log), 1 };
    assert_ok(wal_mark(c->log, 1, &c->error));
    assert_ok(wal_recycle(c->log, c->start.position, &c->error));
    uint64_t last = i;
    while (lsn_segment(wal_position(c->log)) < 4)
        assert_ok(client_put(c, ++last)); /* segment 4 is an old file, full of groups */
    ck_assert_uint_ge(atomic_load(&c->log->counts.recycled), 1);
    ck_assert(load_u32(bytes_at(c, 4, 512 * 5) + 8) == WAL_GROUP_MAGIC);
    client_close(c);
    disk_crash(c->d, POWER_CUT);
    assert_ok(client_open(c));
    assert_replayed(c, i + 1, last);
    client_close(c);
    /* and not when their header is given the position of their new place either */
    for (uint64_t at = 512 * 3; at < 8 << 10; at += 512)
        store_u64(bytes_at(c, 4, at) + WAL_GROUP_POSITION, lsn_make(4, at));
    assert_ok(client_open(c));
    ck_assert(!c->bad && c->last <= last);
    end(c);
}
END_TEST

/* ---- names ------------------------------------------------------------------------------------------------- */

START_TEST(wal_recover__half_a_rename_is_harmless)
{
    for (int how = 0; how < 3; how++) { /* old name only; both names; both, and the switch was made */
        client *c = begin(8 << 10);
        assert_ok(client_create(c));
        uint64_t i = 0;
        while (wal_segments(c->log) < 3)
            assert_ok(client_put(c, ++i));
        c->start = (wal_start){ wal_position(c->log), wal_chain(c->log), i, wal_incarnation(c->log), 1 };
        assert_ok(wal_mark(c->log, 1, &c->error));
        assert_ok(wal_recycle(c->log, c->start.position, &c->error));
        assert_ok(wal_prepare(c->log, &c->error)); /* a spare becomes segment 4 */
        ck_assert_uint_eq(atomic_load(&c->log->counts.recycled), 1);
        uint64_t last = i, old = disk_segment(c->d, 1) ? 2 : 1;
        if (how == 2)
            while (lsn_segment(wal_position(c->log)) < 4)
                assert_ok(client_put(c, ++last));
        client_close(c);
        entry *e = disk_segment(c->d, 4);
        disk_name(c->d, wal_segment_name(old).text, e->target);
        if (how == 0)
            disk_remove(c->d, e);
        disk_settle(c->d);
        assert_ok(client_open(c));
        assert_replayed(c, last > i ? i + 1 : 0, last > i ? last : 0);
        entry *left = disk_segment(c->d, old);
        ck_assert(!left); /* never a spare: it may be the file of another name */
        for (unsigned n = 0; n < 60; n++)
            assert_ok(client_put(c, ++last));
        client_close(c);
        disk_crash(c->d, POWER_CUT);
        assert_ok(client_open(c));
        assert_replayed(c, i + 1, last);
        end(c);
    }
}
END_TEST

START_TEST(wal_recover__unfinished_next_segment_is_ignored_and_replaced)
{
    for (int how = 0; how < 3; how++) { /* empty, no header, garbage */
        client *c = some_log(3, 8 << 10, false);
        ck_assert_ptr_null(disk_segment(c->d, 2));
        entry *e = disk_name(c->d, wal_segment_name(2).text, &c->d->nodes[c->d->node_count++]);
        node_grow(e->target, 8 << 10);
        e->target->size = how ? 8 << 10 : 0;
        if (how == 2)
            memset(e->target->data, 0xa5, 8 << 10);
        uint64_t last = 3;
        assert_ok(client_open(c));
        assert_replayed(c, 1, 3);
        ck_assert_ptr_null(disk_segment(c->d, 2));
        for (unsigned n = 0; n < 40; n++)
            assert_ok(client_put(c, ++last));
        client_close(c);
        disk_crash(c->d, POWER_CUT);
        assert_ok(client_open(c));
        assert_replayed(c, 1, last);
        end(c);
    }
}
END_TEST

START_TEST(wal_recover__segment_of_another_store_is_refused)
{
    client *c = some_log(20, 8 << 10, true);
    c->options.identity[3] ^= 1;
    for (int salvage = 0; salvage <= 1; salvage++) {
        c->options.recovery = salvage ? LEVIN_RECOVERY_CUT_AT_DAMAGE : LEVIN_RECOVERY_STRICT;
        assert_code(LEVIN_CORRUPT, client_open(c));
    }
    end(c);
}
END_TEST

START_TEST(wal_recover__newer_format_is_said_so)
{
    client *c = some_log(3, 8 << 10, true);
    uint8_t *h = bytes_at(c, 1, 0);
    store_u32(h + WAL_SEGMENT_VERSION, WAL_FORMAT_VERSION + 1);
    store_u64(h, checksum(h + 8, 504, checksum_seed(0, PLACE_WAL_SEGMENT, 1)));
    assert_code(LEVIN_VERSION_UNKNOWN, client_open(c));
    end(c);
}
END_TEST

/* A library that knows version 1 alone is to say that the log is newer, not that it is damaged. */
START_TEST(wal_recover__older_segment_gets_no_newer_records)
{
    client *c = some_log(3, 8 << 10, true);
    uint8_t *h = bytes_at(c, 1, 0);
    store_u32(h + WAL_SEGMENT_VERSION, WAL_FORMAT_OLDEST);
    store_u64(h, checksum(h + 8, 504, checksum_seed(0, PLACE_WAL_SEGMENT, 1)));
    memcpy(disk_segment(c->d, 1)->target->durable, h, 512); /* a power cut brings nothing else back */
    assert_goes_on(c, 3);
    ck_assert_uint_eq(load_u32(bytes_at(c, 1, 0) + WAL_SEGMENT_VERSION), WAL_FORMAT_OLDEST);
    ck_assert_ptr_nonnull(disk_segment(c->d, 2));
    ck_assert_uint_eq(load_u32(bytes_at(c, 2, 0) + WAL_SEGMENT_VERSION), WAL_FORMAT_VERSION);
    client_close(c);
    assert_goes_on(c, 4);
    ck_assert_ptr_null(disk_segment(c->d, 3)); /* once is enough */
    end(c);
}
END_TEST

START_TEST(wal_recover__other_files_are_left_alone)
{
    static const char *const names[] = { "pages", "wal-", "wal-000000000000000g", "wal-00000000000000000", "LOCK",
                                         "wal-0000000000000000", "wal-ffffffffffffffff", "wal-000000000000000A" };
    client *c = some_log(3, 8 << 10, true);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        disk_name(c->d, names[i], &c->d->nodes[c->d->node_count++]);
    disk_settle(c->d);
    assert_goes_on(c, 3);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_ptr_nonnull(disk_find(c->d, names[i]));
    end(c);
}
END_TEST

/* ---- reading only, refusing, creating ---------------------------------------------------------------------- */

START_TEST(wal_recover__read_only_changes_nothing)
{
    for (int salvage = 0; salvage <= 1; salvage++) {
        client *c = some_log(40, 8 << 10, false);
        disk_name(c->d, wal_segment_name(900).text, &c->d->nodes[c->d->node_count++]); /* a writer would tidy up */
        if (salvage)
            *bytes_at(c, 1, 512 * 4 + 8) ^= 1;
        disk *before = disk_copy(c->d);
        c->options.read_only = true;
        c->options.recovery = salvage ? LEVIN_RECOVERY_CUT_AT_DAMAGE : LEVIN_RECOVERY_STRICT;
        assert_ok(client_open(c));
        ck_assert(!c->bad);
        ck_assert(salvage ? c->last < 40 : c->last == 40);
        assert_code(LEVIN_READ_ONLY, wal_flush(c->log, &c->error));
        assert_code(LEVIN_READ_ONLY, wal_finish(c->log, &c->error));
        uint64_t groups = 0, segments = 0, faults = 0;
        assert_ok(wal_check(c->log, &c->start, NULL, NULL, &groups, &segments, &faults, &c->error));
        ck_assert_uint_eq(faults, 0);
        ck_assert(disk_equal(c->d, before));
        ck_assert_uint_eq(c->d->writes, before->writes);
        ck_assert_uint_eq(c->d->syncs, before->syncs);
        disk_delete(before);
        end(c);
    }
}
END_TEST

/* Told where it stands, whichever call meets it. */
START_TEST(wal_recover__key_longer_than_any_is_corrupt)
{
    client *c = some_log(40, 8 << 10, true);
    uint64_t groups = 0, segments = 0, faults = 0;
    c->options.key_max_bytes = 12; /* as long as those of the log */
    assert_ok(client_open(c));
    assert_ok(wal_check(c->log, &c->start, NULL, NULL, &groups, &segments, &faults, &c->error));
    client_close(c);
    c->options.key_max_bytes = 11;
    assert_code(LEVIN_CORRUPT, client_open(c));
    ck_assert_ptr_nonnull(disk_find(c->d, c->error.file));
    ck_assert_uint_gt(c->error.offset, 0);
    end(c);
}
END_TEST

static levin_code refuse_batch(void *context, uint64_t sequence, const uint8_t *operations, size_t bytes,
                               size_t count, levin_error *error)
{
    (void)context, (void)operations, (void)bytes, (void)count;
    return sequence == 30 ? error_memory(error, 1) : LEVIN_OK;
}

START_TEST(wal_recover__failed_replay_changes_nothing)
{
    client *c = some_log(40, 8 << 10, true);
    disk *before = disk_copy(c->d);
    const wal_visitor visitor = { .context = c, .reserve = client_reserve, .batch = refuse_batch };
    assert_code(LEVIN_NO_MEMORY, wal_recover(&c->options, &c->start, &visitor, &c->log, &c->error));
    for (size_t i = 0; i < c->reserved_count; i++)
        c->d->io.free(c->d, c->reserved[i], c->reserved_bytes[i]);
    c->reserved_count = 0;
    ck_assert(disk_equal(c->d, before));
    disk_delete(before);
    assert_goes_on(c, 40);
    end(c);
}
END_TEST

START_TEST(wal_create__refuses_the_log_of_a_lost_page_file)
{
    client *c = some_log(2, 8 << 10, true);
    disk *before = disk_copy(c->d);
    c->options.identity[0] ^= 1;
    assert_code(LEVIN_CORRUPT, wal_create(&c->options, &c->error));
    ck_assert(disk_equal(c->d, before));
    disk_delete(before);
    end(c);
    c = begin(8 << 10);
    disk_name(c->d, wal_segment_name(5).text, &c->d->nodes[c->d->node_count++]);
    assert_code(LEVIN_CORRUPT, wal_create(&c->options, &c->error));
    end(c);
}
END_TEST

START_TEST(wal_create__replaces_an_unfinished_creation)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c)); /* with its mark, but no batch */
    client_close(c);
    c->options.identity[0] ^= 1;
    assert_ok(client_create(c));
    assert_replayed(c, 0, 0);
    end(c);
}
END_TEST

/* ---- the page cache is not the device ---------------------------------------------------------------------- */

START_TEST(wal_recover__unproven_groups_are_made_durable)
{
    for (unsigned n = 1; n <= 3; n++) { /* small, many, longer than the window */
        client *c = begin(1 << 20);
        assert_ok(client_create(c));
        assert_ok(client_put(c, 1));
        uint64_t last = 1;
        c->value_bytes = n == 3 ? 400 << 10 : 300;
        for (unsigned i = 0; i < (n == 2 ? 700 : 2); i++)
            assert_ok(client_append(c, ++last, 1));
        c->d->fail_syncs = 1;
        assert_code(LEVIN_IO, wal_sync(c->log, &c->error)); /* marked clean, not on the device */
        client_close(c);
        assert_ok(client_open(c));
        assert_replayed(c, 1, last);
        client_close(c);
        disk_crash(c->d, POWER_CUT);
        assert_ok(client_open(c));
        assert_replayed(c, 1, last);
        end(c);
    }
}
END_TEST

/* Recovery fails at every call, or is cut off there; then it succeeds, and nothing acknowledged is gone. */
START_TEST(wal_recover__every_call_of_recovery_fails)
{
    for (int salvage = 0; salvage <= 1; salvage++)
        for (int for_ever = 0; for_ever <= 1; for_ever++)
            for (int how = KILL; how <= POWER_CUT_TORN; how++) {
                client *c = begin(8 << 10);
                assert_ok(client_create(c));
                for (uint64_t i = 1; i <= 20; i++)
                    assert_ok(client_put(c, i));
                c->start = (wal_start){ wal_position(c->log), wal_chain(c->log), 20, wal_incarnation(c->log), 1 };
                assert_ok(wal_mark(c->log, 1, &c->error)); /* not recycled: left to recovery */
                for (uint64_t i = 21; i <= 50; i++)
                    assert_ok(client_put(c, i));
                assert_ok(client_append(c, 51, 1));
                assert_ok(wal_flush(c->log, &c->error));
                client_close(c);
                if (salvage) {
                    uint8_t *sixth = bytes_at(c, lsn_segment(c->start.position) + 1, 512 * 6);
                    sixth[9] ^= 1;
                    c->options.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
                }
                uint64_t n = 0;
                bool over;
                do {
                    client *o = on_copy(c);
                    o->d->random += n * 104729;
                    o->d->calls = 0;
                    o->d->fail_at = ++n;
                    o->d->for_ever = for_ever;
                    levin_code code = client_open(o);
                    over = o->d->fail_count == 0;
                    ck_assert_msg(over || code, "call %llu failed unnoticed", (unsigned long long)n);
                    client_close(o);
                    disk_check_leaks(o->d);
                    disk_crash(o->d, (enum crash)how);
                    code = client_open(o);
                    ck_assert_msg(!code, "call %llu: %s", (unsigned long long)n, o->error.message);
                    ck_assert(!o->bad);
                    ck_assert_uint_eq(o->first, 21);
                    ck_assert_uint_ge(o->last, salvage ? 21 : 50);
                    ck_assert_uint_le(o->last, 51);
                    assert_ok(client_put(o, o->last + 1));
                    end(o);
                } while (!over);
                ck_assert_uint_gt(n, 30);
                end(c);
            }
}
END_TEST

/* ---- forged bytes ------------------------------------------------------------------------------------------ */

/* Gives the group at `at` of segment 1 a right checksum again. */
static void repair(client *c, uint64_t at)
{
    uint8_t *g = bytes_at(c, 1, at);
    uint64_t bytes = covered(g);
    if (at + bytes <= disk_segment(c->d, 1)->target->size)
        store_u64(g, checksum(g + 8, bytes - 8,
                              checksum_seed(checksum_identity(c->options.identity), PLACE_WAL_GROUP,
                                            lsn_make(1, at))));
}

START_TEST(wal_recover__earlier_incarnation_does_not_follow_a_later_one)
{
    client *c = begin(64 << 10);
    assert_ok(client_create(c)); /* a mark at 512 */
    client_close(c);
    assert_ok(client_open(c)); /* a mark of incarnation 2 */
    assert_ok(client_put(c, 1));
    client_close(c);
    ck_assert_uint_eq(load_u64(bytes_at(c, 1, 1536) + WAL_GROUP_INCARNATION), 2);
    store_u64(bytes_at(c, 1, 1536) + WAL_GROUP_INCARNATION, 1);
    repair(c, 1536); /* all else is right, the chain too */
    assert_goes_on(c, 0);
    end(c);
}
END_TEST

/* A log that fills its segment to the end could neither be sealed nor gone on with. */
START_TEST(wal_recover__group_without_room_for_a_seal_is_corrupt)
{
    client *c = begin(8 << 10);
    assert_ok(client_create(c));
    uint64_t identity = checksum_identity(c->options.identity), size = 8 << 10;
    client_close(c);
    uint8_t *group = bytes_at(c, 1, 512), *batch = group + WAL_GROUP_HEADER_BYTES;
    uint8_t *record = batch + BATCH_HEADER_BYTES;
    wal_group g = { .kind = WAL_DATA, .position = lsn_make(1, 512), .incarnation = 1, .sequence = 1, .batches = 1,
                    .payload_bytes = (uint32_t)(size - 512 - WAL_GROUP_HEADER_BYTES) };
    memset(batch, 0, g.payload_bytes);
    store_u32(batch + BATCH_OPS_BYTES, g.payload_bytes - BATCH_HEADER_BYTES);
    store_u32(batch + BATCH_OP_COUNT, 1);
    record[RECORD_KIND] = RECORD_PUT;
    store_u16(record + RECORD_KEY_BYTES, 12);
    store_u32(record + RECORD_VALUE_BYTES, g.payload_bytes - BATCH_HEADER_BYTES - RECORD_HEADER_BYTES - 12);
    wal_group_encode(group, &g, identity, 512);
    assert_code(LEVIN_CORRUPT, client_open(c));
    ck_assert_uint_eq(disk_segment(c->d, 1)->target->size, size);
    c->options.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
    assert_ok(client_open(c));
    end(c);
}
END_TEST

START_TEST(wal_recover__damaged_size_reserves_no_memory)
{
    client *c = some_log(3, 64 << 10, false);
    const uint32_t sizes[] = { UINT32_MAX, UINT32_MAX - 80, 1u << 30, 64 << 10, 65000, 0 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        client *o = on_copy(c);
        store_u32(bytes_at(o, 1, 1024) + WAL_GROUP_PAYLOAD_BYTES, sizes[i]);
        o->d->largest_alloc = 0;
        assert_code(LEVIN_CORRUPT, client_open(o)); /* the groups behind prove it */
        ck_assert_uint_le(o->d->largest_alloc, WAL_WINDOW_BYTES);
        end(o);
    }
    end(c);
}
END_TEST

/* Every header field and payload byte wrong, with a right checksum: LEVIN_CORRUPT or a sound log, never more. */
START_TEST(wal_recover__forged_groups_do_no_harm)
{
    client *c = some_log(6, 64 << 10, true);
    unsigned corrupt = 0, fine = 0;
    for (unsigned round = 0; round < 4000; round++) {
        client *o = on_copy(c);
        o->d->random = (round + 1) * 0x2545f4914f6cdd1du;
        uint64_t at = 1024;
        for (uint64_t skip = disk_random(o->d) % 5; skip; skip--)
            at += round_up_u64(covered(bytes_at(o, 1, at)), 512);
        uint8_t *g = bytes_at(o, 1, at);
        size_t field = 12 + disk_random(o->d) % 120;
        uint64_t value = disk_random(o->d) >> disk_random(o->d) % 64;
        if (round % 3 == 0)
            g[field] ^= (uint8_t)(1 + value % 255);
        else if (round % 3 == 1)
            store_u64(g + field, value);
        else
            store_u32(g + 56 + disk_random(o->d) % 60, (uint32_t)value);
        repair(o, at);
        o->options.recovery = round & 1 ? LEVIN_RECOVERY_CUT_AT_DAMAGE : LEVIN_RECOVERY_STRICT;
        levin_code code = client_open(o);
        ck_assert_msg(code == LEVIN_OK || code == LEVIN_CORRUPT, "round %u: %s", round, levin_code_name(code));
        ck_assert_uint_le(o->d->largest_alloc, WAL_WINDOW_BYTES);
        code ? corrupt++ : fine++;
        end(o);
    }
    ck_assert_uint_gt(corrupt, 1000);
    ck_assert_uint_gt(fine, 1000);
    end(c);
}
END_TEST

/* The checksum is right, and one field of the header or of a batch is not. */
START_TEST(wal_recover__malformed_groups_are_corrupt)
{
    static const struct {
        size_t at, bytes;
        uint64_t value;
    } changes[] = { { 80, 4, 7 },          { 80, 4, UINT32_MAX },   { 84, 4, 2 },           { 84, 4, UINT32_MAX },
                    { 84, 4, 0 },          { 88, 4, 3 },            { 92, 4, 1 },           { 96, 1, 0 },
                    { 96, 1, 9 },          { 97, 1, 2 },            { 98, 2, 0 },           { 98, 2, 65535 },
                    { 100, 4, 99 },        { 100, 4, 101 },         { 100, 4, UINT32_MAX }, { 60, 4, 0 },
                    { 60, 4, 2 },          { 60, 4, UINT32_MAX },   { 56, 4, 15 },          { 56, 4, 0 },
                    { 12, 1, 9 },          { 13, 1, 1 },            { 24, 8, UINT64_MAX },  { 40, 8, UINT64_MAX },
                    { 64, 8, UINT64_MAX }, { 64, 8, 0 },            { 72, 8, 2 },           { 12, 1, WAL_MARK } };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        client *c = begin(64 << 10);
        assert_ok(client_create(c));
        assert_ok(client_put(c, 1));
        client_close(c);
        memcpy(bytes_at(c, 1, 1024) + changes[i].at, &changes[i].value, changes[i].bytes);
        repair(c, 1024);
        ck_assert_msg(client_open(c) == LEVIN_CORRUPT, "change %zu", i);
        c->options.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
        assert_goes_on(c, 0);
        end(c);
    }
}
END_TEST

/* Every sector behind the log claims to be a long group with much to prove. */
START_TEST(wal_recover__forged_tail_costs_bounded_time)
{
    client *c = some_log(3, 16 << 20, false);
    for (uint64_t at = 512 * 20; at < 16 << 20; at += 512) {
        uint8_t *g = bytes_at(c, 1, at);
        memset(g, 0, 512);
        store_u32(g + WAL_GROUP_MAGIC_AT, WAL_GROUP_MAGIC);
        g[WAL_GROUP_KIND] = WAL_DATA;
        store_u64(g + WAL_GROUP_POSITION, lsn_make(1, at));
        store_u64(g + WAL_GROUP_DURABLE, lsn_make(1, at));
        store_u32(g + WAL_GROUP_PAYLOAD_BYTES, (uint32_t)((16 << 20) - at - 80));
    }
    assert_code(LEVIN_CORRUPT, client_open(c));
    end(c);
}
END_TEST

/* ---- many lives -------------------------------------------------------------------------------------------- */

/* Random lives of one log, each ended by some crash: what was synced stays, in order, without a hole. */
START_TEST(wal_recover__random_lives_lose_nothing_synced)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        client *c = begin(8 << 10);
        c->d->random = seed * 0x9e3779b97f4a7c15u | 1;
        assert_ok(client_create(c));
        uint64_t synced = 0, last = 0, generation = 0;
        for (unsigned life = 0; life < 12; life++) {
            for (unsigned i = disk_random(c->d) % 30; i; i--) {
                uint64_t what = disk_random(c->d) % 20;
                c->value_bytes = disk_random(c->d) % (what == 0 ? 9000 : 700);
                c->salt = life * 64 + i;
                unsigned batches = 1 + (unsigned)(disk_random(c->d) % 3);
                assert_ok(client_append(c, last + 1, batches));
                last += batches;
                if (what < 9) {
                    assert_ok(wal_sync(c->log, &c->error));
                    synced = last;
                } else if (what < 12) {
                    assert_ok(wal_flush(c->log, &c->error));
                } else if (what == 12) {
                    assert_ok(wal_prepare(c->log, &c->error));
                } else if (what == 13) {
                    assert_ok(wal_sync(c->log, &c->error));
                    synced = last;
                    c->start = (wal_start){ wal_position(c->log), wal_chain(c->log), last, wal_incarnation(c->log),
                                            ++generation };
                    if (disk_random(c->d) & 1) {
                        assert_ok(wal_mark(c->log, generation, &c->error));
                        assert_ok(wal_recycle(c->log, c->start.position, &c->error));
                    }
                }
            }
            if (disk_random(c->d) % 5 == 0) {
                assert_ok(wal_finish(c->log, &c->error));
                synced = last;
            }
            client_close(c);
            disk_crash(c->d, (enum crash)(disk_random(c->d) % 3));
            levin_code code = client_open(c);
            uint64_t found = c->last ? c->last : c->start.sequence;
            ck_assert_msg(!code && !c->bad && found >= synced && found <= last,
                          "seed %llu life %u: %s; synced %llu, last %llu, found %llu", (unsigned long long)seed, life,
                          code ? c->error.message : "", (unsigned long long)synced, (unsigned long long)last,
                          (unsigned long long)found);
            last = synced = found;
        }
        end(c);
    }
}
END_TEST

LEVIN_TEST_MAIN("wal_recover", TEST(wal_recover__torn_tail_is_cut_at_every_sector),
                TEST(wal_recover__damage_in_the_last_unproven_group_is_cut),
                TEST(wal_recover__garbage_behind_the_log_is_nothing), TEST(wal_recover__empty_log_gets_its_mark),
                TEST(wal_recover__every_flipped_sector_before_the_proven_end_is_corrupt),
                TEST(wal_recover__a_lost_block_of_a_closed_log_is_corrupt),
                TEST(wal_recover__what_salvage_cut_off_proves_nothing_later),
                TEST(wal_recover__missing_segments_are_corrupt), TEST(wal_recover__truncated_last_segment_is_corrupt),
                TEST(wal_recover__start_that_cannot_be_is_corrupt),
                TEST(wal_recover__newer_checkpoint_in_the_log_is_corrupt),
                TEST(wal_recover__newer_checkpoint_behind_damage_is_corrupt),
                TEST(wal_recover__transient_misread_does_not_cut),
                TEST(wal_recover__old_incarnation_does_not_come_back),
                TEST(wal_recover__recycled_bytes_do_not_verify), TEST(wal_recover__half_a_rename_is_harmless),
                TEST(wal_recover__unfinished_next_segment_is_ignored_and_replaced),
                TEST(wal_recover__segment_of_another_store_is_refused), TEST(wal_recover__newer_format_is_said_so),
                TEST(wal_recover__older_segment_gets_no_newer_records),
                TEST(wal_recover__other_files_are_left_alone), TEST(wal_recover__read_only_changes_nothing),
                TEST(wal_recover__failed_replay_changes_nothing), TEST(wal_recover__key_longer_than_any_is_corrupt),
                TEST(wal_create__refuses_the_log_of_a_lost_page_file),
                TEST(wal_create__replaces_an_unfinished_creation),
                TEST(wal_recover__unproven_groups_are_made_durable), TEST(wal_recover__every_call_of_recovery_fails),
                TEST(wal_recover__earlier_incarnation_does_not_follow_a_later_one),
                TEST(wal_recover__group_without_room_for_a_seal_is_corrupt),
                TEST(wal_recover__damaged_size_reserves_no_memory), TEST(wal_recover__forged_groups_do_no_harm),
                TEST(wal_recover__malformed_groups_are_corrupt), TEST(wal_recover__forged_tail_costs_bounded_time),
                TEST(wal_recover__random_lives_lose_nothing_synced))
