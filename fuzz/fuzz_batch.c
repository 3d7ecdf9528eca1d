/*
 * fuzz_batch.c - property: wal_payload_check() accepts exactly the payloads that record_format.h describes, and what
 * the batch interface encodes is read back as it was put in.
 *
 * Input: byte 0, modulo 4: 0 and 1 decode, 2 a group header, 3 encode.
 *   decode: byte 1 the number of batches, byte 2 the longest key allowed in units of 16 bytes (0: any); the payload
 *   group:  80 bytes and a payload
 *   encode: operations of 4 bytes: kind, key bytes, value bytes, what they are made of
 *
 * Invariants:
 *   - decode: accepted or not, and the first bad batch, as by the plain reader (plain_log.h); pointers into the value
 *     log are seen; nothing outside the payload is read (the input ends with it);
 *   - group: a header without a flaw is encoded to the same bytes again;
 *   - encode: the batch is a well-formed payload, its operations are those put in, in order, its counts are right.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/batch.h"
#include "../engine/wal_internal.h"
#include "../faults/fatal.h"
#include "fuzz.h"
#include "plain_log.h"

enum { OPERATION_BYTES = 4, OPERATIONS_MAX = 64, KEY_MAX = LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MIN_BYTES) };

/* ---- payloads --------------------------------------------------------------------------------------------- */

static void run_decode(const uint8_t *data, size_t size)
{
    uint32_t batches = data[1];
    size_t key_max = (size_t)data[2] * 16, at = 0, flaw = SIZE_MAX;
    const uint8_t *payload = data + 3;
    size -= 3;
    bool points = false, whole = true;
    for (uint32_t i = 0; i < batches && whole; i++) {
        size_t step = plain_batch(payload + at, size - at, key_max ? key_max : SIZE_MAX, &points);
        whole = step > 0;
        at += step;
    }
    whole = whole && at == size;
    bool accepted = wal_payload_check(payload, size, batches, key_max, &flaw);
    fuzz_require(accepted == whole, "a payload is %s", accepted ? "accepted that is none" : "refused that is whole");
    fuzz_require(accepted || flaw == at, "the first bad batch is said to be at %zu, not at %zu", flaw, at);
    fuzz_require(!accepted || wal_payload_points(payload, batches) == points,
                 "pointers into the value log: %d", points);
}

/* ---- group headers ---------------------------------------------------------------------------------------- */

static void run_group(const uint8_t *data, size_t size)
{
    if (size < 1 + WAL_GROUP_HEADER_BYTES)
        return;
    const uint8_t *bytes = data + 1;
    size_t payload = size - 1 - WAL_GROUP_HEADER_BYTES, room = wal_group_total(payload, 512);
    wal_group g;
    wal_group_decode(bytes, &g);
    if (load_u32(bytes + WAL_GROUP_MAGIC_AT) != WAL_GROUP_MAGIC || g.payload_bytes != payload || wal_group_flaw(&g))
        return;
    uint8_t *again = fatal_alloc(room);
    memset(again, 0xa5, room);
    memcpy(again + WAL_GROUP_HEADER_BYTES, bytes + WAL_GROUP_HEADER_BYTES, payload);
    uint64_t sum = wal_group_encode(again, &g, 77, 512);
    fuzz_require(!memcmp(again + 8, bytes + 8, WAL_GROUP_HEADER_BYTES - 8 + payload), "a group changes when encoded");
    fuzz_require(plain_number(again, 8) == sum && g.checksum == sum, "not the checksum that was written");
    for (size_t i = WAL_GROUP_HEADER_BYTES + payload; i < room; i++)
        fuzz_require(!again[i], "padding that is not zero");
    free(again);
}

/* ---- the batch interface ---------------------------------------------------------------------------------- */

static levin *store;

typedef struct operation {
    uint8_t kind;
    size_t key_bytes, value_bytes;
    uint8_t key[KEY_MAX + 1], value[1024];
} operation;
static operation put_in[OPERATIONS_MAX];

/* Of four bytes; lengths about the limits too. */
static void make_operation(operation *o, const uint8_t *from)
{
    static const size_t long_keys[] = { KEY_MAX - 1, KEY_MAX, KEY_MAX + 1, 300 };
    o->kind = from[0] % 3 + 1;
    o->key_bytes = from[1] < 252 ? from[1] : long_keys[from[1] - 252];
    o->value_bytes = (size_t)from[2] * 4;
    memset(o->key, from[3], o->key_bytes);
    if (o->key_bytes > 1)
        o->key[o->key_bytes - 1] = from[2];
    memset(o->value, from[3] ^ 0x5a, o->value_bytes);
    if (o->kind == RECORD_DELETE)
        o->value_bytes = 0;
    if (o->kind == RECORD_DELETE_RANGE) { /* to a key above it, or to the end */
        o->value_bytes = from[2] & 1 && o->key_bytes < KEY_MAX ? o->key_bytes + 1 : 0;
        o->value_bytes = o->value_bytes <= sizeof o->value ? o->value_bytes : 0;
        memcpy(o->value, o->key, o->value_bytes ? o->key_bytes : 0);
        if (o->value_bytes)
            o->value[o->key_bytes] = from[3];
    }
}

static levin_code put(levin_batch *batch, const operation *o)
{
    levin_slice key = { o->key, o->key_bytes }, end = { o->value_bytes ? o->value : NULL, o->value_bytes };
    if (o->kind == RECORD_PUT)
        return levin_batch_put(batch, o->key, o->key_bytes, o->value, o->value_bytes);
    if (o->kind == RECORD_DELETE)
        return levin_batch_delete(batch, o->key, o->key_bytes);
    return levin_batch_delete_range(batch, key, end);
}

static void run_encode(const uint8_t *data, size_t size)
{
    levin_batch *batch;
    size_t count = 0, flaw;
    fuzz_require(levin_batch_create(store, &batch) == LEVIN_OK, "a batch cannot be made");
    for (size_t at = 1; at + OPERATION_BYTES <= size && count < OPERATIONS_MAX; at += OPERATION_BYTES) {
        operation *o = &put_in[count];
        make_operation(o, data + at);
        levin_code code = put(batch, o), right = o->key_bytes > KEY_MAX ? LEVIN_TOO_BIG : LEVIN_OK;
        if (!o->key_bytes && o->kind != RECORD_DELETE_RANGE)
            right = LEVIN_INVALID;
        if (!o->key_bytes && o->kind == RECORD_DELETE_RANGE) { /* from the first key on */
            o->key_bytes = 1;
            o->key[0] = 0;
            if (o->value_bytes && !plain_below(o->key, 1, o->value, o->value_bytes)) {
                fuzz_require(code == LEVIN_OK, "an empty range gives %d", (int)code);
                continue;
            }
        }
        fuzz_require(code == right, "an operation of kind %u gives %d, not %d", o->kind, (int)code, (int)right);
        count += code == LEVIN_OK;
    }
    fuzz_require(levin_batch_count(batch) == count, "%zu operations and not %zu", levin_batch_count(batch), count);
    size_t bytes = BATCH_HEADER_BYTES + batch->used;
    fuzz_require(levin_batch_bytes(batch) == bytes, "a batch of %zu bytes", levin_batch_bytes(batch));
    uint8_t *payload = fatal_alloc(bytes);
    memset(payload, 0, BATCH_HEADER_BYTES);
    store_u32(payload + BATCH_OPS_BYTES, (uint32_t)batch->used);
    store_u32(payload + BATCH_OP_COUNT, (uint32_t)count);
    if (batch->used)
        memcpy(payload + BATCH_HEADER_BYTES, batch->bytes, batch->used);
    fuzz_require(wal_payload_check(payload, bytes, 1, KEY_MAX, &flaw), "what was encoded is refused at %zu", flaw);
    const uint8_t *record = payload + BATCH_HEADER_BYTES;
    for (size_t i = 0; i < count; i++, record += record_bytes(record)) {
        const operation *o = &put_in[i];
        fuzz_require(record_kind(record) == o->kind && record_key_bytes(record) == o->key_bytes &&
                         record_value_bytes(record) == o->value_bytes &&
                         !memcmp(record_key(record), o->key, o->key_bytes) &&
                         !memcmp(record_value(record), o->value, o->value_bytes),
                     "operation %zu is read back as another", i);
    }
    free(payload);
    levin_batch_destroy(batch);
}

/* One store for all runs: batches that are not written leave no trace in it. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static fuzz_disk disk;
    levin_options options;
    levin_error error;
    (void)argc;
    (void)argv;
    fuzz_disk_open(&disk, NULL);
    fuzz_options(&options, &disk.table);
    fuzz_require(levin_open(FUZZ_STORE, &options, &store, &error) == LEVIN_OK, "no store: %s", error.message);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    if (data[0] % 4 < 2)
        run_decode(data, size);
    else if (data[0] % 4 == 2)
        run_group(data, size);
    else
        run_encode(data, size);
    return 0;
}
