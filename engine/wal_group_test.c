/*
 * wal_group_test.c - what a group of the log may say, field by field, and what its payload may hold.
 *
 * Invariants checked: each rule of wal_group_flaw() refuses what is one beyond it and takes what is at it, and
 * says what is wrong; each rule about a payload (batches, operations, pointers, ranges, lengths) refuses at the
 * batch that breaks it.
 */
#include "../faults/check_main.h"
#include "codec.h"
#include "record_format.h"
#include "wal_internal.h"

typedef struct row {
    void (*change)(wal_group *g);
    const char *flaw; /* a part of what is said, or NULL: none */
} row;

#define CHANGE(name, assignments)                                                                               \
    static void name(wal_group *g)                                                                              \
    {                                                                                                           \
        assignments;                                                                                            \
    }
CHANGE(nothing, (void)g)
CHANGE(kind_below, g->kind = WAL_DATA - 1)
CHANGE(kind_above, (g->kind = WAL_CLOSE + 1, g->payload_bytes = g->batches = 0))
CHANGE(kind_highest, (g->kind = 255, g->payload_bytes = g->batches = 0))
CHANGE(reserved_set, g->reserved = 1)
CHANGE(mark, (g->kind = WAL_MARK, g->payload_bytes = g->batches = 0))
CHANGE(mark_with_bytes, (g->kind = WAL_MARK, g->batches = 0))
CHANGE(mark_with_batches, (g->kind = WAL_MARK, g->payload_bytes = 0))
CHANGE(close_mark, (g->kind = WAL_CLOSE, g->payload_bytes = g->batches = 0))
CHANGE(close_with_batches, (g->kind = WAL_CLOSE, g->payload_bytes = 0))
CHANGE(seal, (g->kind = WAL_SEAL, g->payload_bytes = g->batches = 0, g->next_segment = 4))
CHANGE(seal_with_bytes, (g->kind = WAL_SEAL, g->batches = 0, g->next_segment = 4))
CHANGE(seal_of_itself, (g->kind = WAL_SEAL, g->payload_bytes = g->batches = 0, g->next_segment = 3))
CHANGE(seal_beyond, (g->kind = WAL_SEAL, g->payload_bytes = g->batches = 0, g->next_segment = 5))
CHANGE(data_with_next, g->next_segment = 4)
CHANGE(durable_itself, g->durable = g->position)
CHANGE(durable_beyond, g->durable = g->position + 1)
CHANGE(seal_of_the_last, (g->kind = WAL_SEAL, g->payload_bytes = g->batches = 0,
                          g->position = lsn_make(WAL_NUMBER_MAX - 1, 512), g->next_segment = WAL_NUMBER_MAX))
CHANGE(seal_over_the_last, (g->kind = WAL_SEAL, g->payload_bytes = g->batches = 0,
                            g->position = lsn_make(WAL_NUMBER_MAX, 512),
                            g->next_segment = (uint64_t)WAL_NUMBER_MAX + 1))
CHANGE(incarnation_highest, g->incarnation = WAL_INCARNATION_MAX)
CHANGE(incarnation_over, g->incarnation = WAL_INCARNATION_MAX + 1)
CHANGE(sequence_highest, g->sequence = WAL_SEQUENCE_MAX)
CHANGE(sequence_over, g->sequence = WAL_SEQUENCE_MAX + 1)

START_TEST(wal_group__each_rule_refuses_and_says_why)
{
    static const row rows[] = {
        { nothing, NULL }, { kind_below, "unknown kind" }, { kind_above, "unknown kind" },
        { kind_highest, "unknown kind" }, { reserved_set, "reserved" }, { mark, NULL },
        { mark_with_bytes, "payload" }, { mark_with_batches, "payload" }, { close_mark, NULL },
        { close_with_batches, "payload" }, { seal, NULL }, { seal_with_bytes, "payload" },
        { seal_of_itself, "wrong next segment" }, { seal_beyond, "wrong next segment" },
        { data_with_next, "wrong next segment" }, { durable_itself, NULL }, { durable_beyond, "durable" },
        { seal_of_the_last, NULL }, { seal_over_the_last, "highest number" }, { incarnation_highest, NULL },
        { incarnation_over, "out of range" }, { sequence_highest, NULL }, { sequence_over, "out of range" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wal_group g = { .kind = WAL_DATA, .position = lsn_make(3, 4096), .incarnation = 2, .durable = lsn_make(3, 512),
                        .payload_bytes = 60, .batches = 1, .sequence = 7 };
        rows[i].change(&g);
        const char *flaw = wal_group_flaw(&g);
        if (rows[i].flaw)
            ck_assert_msg(flaw && strstr(flaw, rows[i].flaw), "row %zu: %s", i, flaw ? flaw : "no flaw");
        else
            ck_assert_msg(!flaw, "row %zu: %s", i, flaw);
    }
}
END_TEST

/* ---- payloads ---- */

enum { PAYLOAD_BYTES = 512 };

typedef struct payload {
    uint8_t bytes[PAYLOAD_BYTES];
    size_t used, batch; /* where the last batch begins */
    uint32_t batches;
} payload;

static void batch_begin(payload *p)
{
    p->batch = p->used;
    memset(p->bytes + p->used, 0, BATCH_HEADER_BYTES);
    p->used += BATCH_HEADER_BYTES;
    p->batches++;
}

/* Returns the operation, to be hurt. */
static uint8_t *add(payload *p, unsigned kind, unsigned flags, const void *key, size_t key_bytes, const void *value,
                    size_t value_bytes)
{
    uint8_t *r = p->bytes + p->used, *batch = p->bytes + p->batch;
    r[RECORD_KIND] = (uint8_t)kind;
    r[RECORD_FLAGS] = (uint8_t)flags;
    store_u16(r + RECORD_KEY_BYTES, (uint16_t)key_bytes);
    store_u32(r + RECORD_VALUE_BYTES, (uint32_t)value_bytes);
    memcpy(r + RECORD_HEADER_BYTES, key, key_bytes);
    if (value_bytes)
        memcpy(r + RECORD_HEADER_BYTES + key_bytes, value, value_bytes);
    p->used += record_bytes(r);
    store_u32(batch + BATCH_OPS_BYTES, (uint32_t)(p->used - p->batch - BATCH_HEADER_BYTES));
    store_u32(batch + BATCH_OP_COUNT, load_u32(batch + BATCH_OP_COUNT) + 1);
    return r;
}

/* A good batch, then one of that operation alone, then a good one. */
static uint8_t *three_batches(payload *p, unsigned kind, unsigned flags, const void *key, size_t key_bytes,
                              const void *value, size_t value_bytes)
{
    *p = (payload){ .used = 0 };
    batch_begin(p);
    add(p, RECORD_PUT, 0, "a", 1, "b", 1);
    add(p, RECORD_DELETE, 0, "b", 1, NULL, 0);
    batch_begin(p);
    const size_t second = p->batch;
    uint8_t *r = add(p, kind, flags, key, key_bytes, value, value_bytes);
    batch_begin(p);
    add(p, RECORD_PUT, 0, "a", 1, NULL, 0);
    p->batch = second;
    return r;
}

static void expect(const payload *p, bool good, size_t key_max, int line)
{
    size_t flaw = 12345;
    ck_assert_msg(wal_payload_check(p->bytes, p->used, p->batches, key_max, &flaw) == good, "line %d: %s", line,
                  good ? "refused" : "accepted");
    ck_assert_msg(flaw == (good ? p->used : p->batch), "line %d: the flaw at %zu, not %zu", line, flaw, p->batch);
}
#define GOOD(...) (three_batches(&p, __VA_ARGS__), expect(&p, true, 0, __LINE__))
#define BAD(...) (three_batches(&p, __VA_ARGS__), expect(&p, false, 0, __LINE__))

START_TEST(wal_group__each_rule_of_a_payload_refuses_at_its_batch)
{
    payload p;
    static const char id[] = "\0\0\0\5key", same[] = "\0\0\0\5kez", next[] = "\0\0\0\6", next_key[] = "\0\0\0\6key";
    GOOD(RECORD_PUT, 0, "key", 3, "value", 5);
    GOOD(RECORD_PUT, RECORD_FLAG_NAMED, id, 5, "", 0);
    GOOD(RECORD_DELETE, 0, "key", 3, NULL, 0);
    BAD(0, 0, "key", 3, NULL, 0);
    BAD(5, 0, "key", 3, NULL, 0);
    BAD(RECORD_PUT, 2, "key", 3, NULL, 0);
    BAD(RECORD_PUT, 0, "", 0, "value", 5);
    BAD(RECORD_PUT, RECORD_FLAG_NAMED, id, 4, "value", 5);
    BAD(RECORD_DELETE, 0, "key", 3, "v", 1);

    /* ranges: upwards, in one keyspace, or to its end */
    GOOD(RECORD_DELETE_RANGE, 0, "key", 3, "kez", 3);
    GOOD(RECORD_DELETE_RANGE, 0, "key", 3, NULL, 0);
    BAD(RECORD_DELETE_RANGE, 0, "key", 3, "key", 3);
    BAD(RECORD_DELETE_RANGE, 0, "key", 3, "kex", 3);
    GOOD(RECORD_DELETE_RANGE, RECORD_FLAG_NAMED, id, 7, same, 7);
    GOOD(RECORD_DELETE_RANGE, RECORD_FLAG_NAMED, id, 7, next, 4);
    BAD(RECORD_DELETE_RANGE, RECORD_FLAG_NAMED, id, 7, next_key, 7);
    BAD(RECORD_DELETE_RANGE, RECORD_FLAG_NAMED, id, 7, "\0\0\0\7", 4);
    BAD(RECORD_DELETE_RANGE, RECORD_FLAG_NAMED, id, 7, id, 4);
    BAD(RECORD_DELETE_RANGE, RECORD_FLAG_NAMED, id, 7, next, 3);
    BAD(RECORD_DELETE_RANGE, RECORD_FLAG_NAMED, id, 7, NULL, 0);

    /* pointers into the value log */
    vlog_pointer pointer = { vlog_position(1, VLOG_SEGMENT_HEADER_BYTES), 42, 5000, 3 };
    uint8_t bytes[VLOG_POINTER_BYTES];
    vlog_pointer_store(bytes, &pointer);
    GOOD(RECORD_PUT_LOGGED, 0, "key", 3, bytes, sizeof bytes);
    BAD(RECORD_PUT_LOGGED, 0, "key", 3, bytes, sizeof bytes - 1);
    BAD(RECORD_PUT_LOGGED, 0, "ky", 2, bytes, sizeof bytes); /* of a key of another length */

    /* lengths that do not fit: into the batch, into the payload */
    uint8_t *r = three_batches(&p, RECORD_PUT, 0, "key", 3, "value", 5);
    store_u16(r + RECORD_KEY_BYTES, 4);
    expect(&p, false, 0, __LINE__);
    r = three_batches(&p, RECORD_PUT, 0, "key", 3, "value", 5);
    store_u32(r + RECORD_VALUE_BYTES, 4);
    expect(&p, false, 0, __LINE__);
    for (int delta = -1; delta <= 1; delta += 2) {
        three_batches(&p, RECORD_PUT, 0, "key", 3, "value", 5);
        uint8_t *batch = p.bytes + p.batch;
        store_u32(batch + BATCH_OPS_BYTES, load_u32(batch + BATCH_OPS_BYTES) + (uint32_t)delta);
        expect(&p, false, 0, __LINE__);
        three_batches(&p, RECORD_PUT, 0, "key", 3, "value", 5);
        store_u32(batch + BATCH_OP_COUNT, load_u32(batch + BATCH_OP_COUNT) + (uint32_t)delta);
        expect(&p, false, 0, __LINE__);
    }
    three_batches(&p, RECORD_PUT, 0, "key", 3, "value", 5);
    store_u32(p.bytes + p.batch + BATCH_DURABILITY, LEVIN_SYNCED + 1);
    expect(&p, false, 0, __LINE__);
    three_batches(&p, RECORD_PUT, 0, "key", 3, "value", 5);
    store_u32(p.bytes + p.batch + BATCH_RESERVED, 1);
    expect(&p, false, 0, __LINE__);

    /* more or fewer batches than it says; keys that are longer than the page size allows */
    size_t flaw;
    three_batches(&p, RECORD_PUT, 0, "key", 3, "value", 5);
    ck_assert(!wal_payload_check(p.bytes, p.used, p.batches - 1, 0, &flaw));
    ck_assert(!wal_payload_check(p.bytes, p.used, p.batches + 1, 0, &flaw));
    ck_assert_uint_eq(flaw, p.used);
    ck_assert(!wal_payload_check(p.bytes, p.used + BATCH_HEADER_BYTES - 1, p.batches + 1, 0, &flaw));
    expect(&p, true, 3, __LINE__);
    expect(&p, false, 2, __LINE__);
    three_batches(&p, RECORD_DELETE_RANGE, 0, "key", 3, "kez-and-on", 10);
    expect(&p, true, 10, __LINE__);
    expect(&p, false, 9, __LINE__);
}
END_TEST

START_TEST(wal_group__pointers_are_found_in_any_batch)
{
    payload p;
    vlog_pointer pointer = { vlog_position(1, VLOG_SEGMENT_HEADER_BYTES), 42, 5000, 3 };
    uint8_t bytes[VLOG_POINTER_BYTES];
    vlog_pointer_store(bytes, &pointer);
    three_batches(&p, RECORD_PUT_LOGGED, 0, "key", 3, bytes, sizeof bytes);
    ck_assert(wal_payload_points(p.bytes, 3));
    ck_assert(wal_payload_points(p.bytes, 2));
    ck_assert(!wal_payload_points(p.bytes, 1));
    three_batches(&p, RECORD_PUT, 0, "key", 3, bytes, sizeof bytes);
    ck_assert(!wal_payload_points(p.bytes, 3));
}
END_TEST

LEVIN_TEST_MAIN("wal_group", TEST(wal_group__each_rule_refuses_and_says_why),
                TEST(wal_group__each_rule_of_a_payload_refuses_at_its_batch),
                TEST(wal_group__pointers_are_found_in_any_batch))
