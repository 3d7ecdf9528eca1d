/*
 * wal_group.c - groups of the log as bytes (wal_format.h): fill, take apart, check for sense.
 *
 * Invariants: nothing here trusts a byte: sizes are compared with what is there before they are used.  A right
 * checksum says that the bytes are as they were written, not that they make sense (fuzzers repair checksums), so
 * headers and payloads are checked after it too.
 * Concurrency: pure functions.
 */
#include <string.h>

#include "wal_internal.h"

uint64_t wal_group_encode(uint8_t *bytes, wal_group *g, uint64_t identity, uint32_t sector_bytes)
{
    size_t used = WAL_GROUP_HEADER_BYTES + (size_t)g->payload_bytes;
    store_u32(bytes + WAL_GROUP_MAGIC_AT, WAL_GROUP_MAGIC);
    store_u32(bytes + WAL_GROUP_KIND, g->kind); /* and three bytes of zero */
    store_u64(bytes + WAL_GROUP_POSITION, g->position);
    store_u64(bytes + WAL_GROUP_INCARNATION, g->incarnation);
    store_u64(bytes + WAL_GROUP_PREVIOUS, g->previous);
    store_u64(bytes + WAL_GROUP_DURABLE, g->durable);
    store_u64(bytes + WAL_GROUP_GENERATION, g->generation);
    store_u32(bytes + WAL_GROUP_PAYLOAD_BYTES, g->payload_bytes);
    store_u32(bytes + WAL_GROUP_BATCHES, g->batches);
    store_u64(bytes + WAL_GROUP_SEQUENCE, g->sequence);
    store_u64(bytes + WAL_GROUP_NEXT_SEGMENT, g->next_segment);
    g->checksum = checksum(bytes + WAL_GROUP_MAGIC_AT, used - WAL_GROUP_MAGIC_AT,
                           checksum_seed(identity, PLACE_WAL_GROUP, g->position));
    store_u64(bytes + WAL_GROUP_CHECKSUM, g->checksum);
    memset(bytes + used, 0, (size_t)wal_group_total(g->payload_bytes, sector_bytes) - used);
    return g->checksum;
}

void wal_group_decode(const uint8_t *header, wal_group *g)
{
    g->checksum = load_u64(header + WAL_GROUP_CHECKSUM);
    g->kind = load_u8(header + WAL_GROUP_KIND);
    g->reserved = load_u32(header + WAL_GROUP_KIND) >> 8;
    g->position = load_u64(header + WAL_GROUP_POSITION);
    g->incarnation = load_u64(header + WAL_GROUP_INCARNATION);
    g->previous = load_u64(header + WAL_GROUP_PREVIOUS);
    g->durable = load_u64(header + WAL_GROUP_DURABLE);
    g->generation = load_u64(header + WAL_GROUP_GENERATION);
    g->payload_bytes = load_u32(header + WAL_GROUP_PAYLOAD_BYTES);
    g->batches = load_u32(header + WAL_GROUP_BATCHES);
    g->sequence = load_u64(header + WAL_GROUP_SEQUENCE);
    g->next_segment = load_u64(header + WAL_GROUP_NEXT_SEGMENT);
}

const char *wal_group_flaw(const wal_group *g)
{
    if (g->kind < WAL_DATA || g->kind > WAL_CLOSE)
        return "unknown kind of log group";
    if (g->reserved)
        return "reserved bytes of a log group are not zero";
    if (g->kind != WAL_DATA && (g->payload_bytes || g->batches))
        return "a log mark with a payload";
    if (g->durable > g->position)
        return "a log group that calls itself durable before it was written";
    if (g->kind == WAL_SEAL ? g->next_segment != lsn_segment(g->position) + 1 : g->next_segment != 0)
        return "a log group that names a wrong next segment";
    if (g->next_segment > WAL_NUMBER_MAX)
        return "a log group that names a segment over the highest number";
    if (g->incarnation > WAL_INCARNATION_MAX || g->sequence > WAL_SEQUENCE_MAX)
        return "a number of a log group is out of range";
    return NULL;
}

/* Bytes of the well-formed batch at the start, 0 when there is none. */
static size_t batch_check(const uint8_t *batch, size_t available, size_t key_max)
{
    if (available < BATCH_HEADER_BYTES)
        return 0;
    size_t bytes = load_u32(batch + BATCH_OPS_BYTES), count = load_u32(batch + BATCH_OP_COUNT), at = 0;
    if (bytes > available - BATCH_HEADER_BYTES || load_u32(batch + BATCH_DURABILITY) > LEVIN_SYNCED ||
        load_u32(batch + BATCH_RESERVED) != 0)
        return 0;
    const uint8_t *operations = batch + BATCH_HEADER_BYTES;
    for (size_t i = 0; i < count; i++) {
        if (!record_check(operations + at, bytes - at) || record_key_longest(operations + at) > key_max)
            return 0;
        at += record_bytes(operations + at);
    }
    return at == bytes ? BATCH_HEADER_BYTES + bytes : 0;
}

bool wal_payload_check(const uint8_t *payload, size_t bytes, uint32_t batches, size_t key_max, size_t *flaw_at)
{
    key_max = key_max ? key_max : SIZE_MAX;
    size_t at = 0;
    for (uint32_t i = 0; i < batches; i++) {
        size_t step = batch_check(payload + at, bytes - at, key_max);
        if (!step) {
            *flaw_at = at;
            return false;
        }
        at += step;
    }
    *flaw_at = at;
    return at == bytes;
}

bool wal_payload_points(const uint8_t *payload, uint32_t batches)
{
    for (uint32_t i = 0; i < batches; i++) {
        const uint8_t *operation = payload + BATCH_HEADER_BYTES;
        for (size_t left = load_u32(payload + BATCH_OP_COUNT); left; left--, operation += record_bytes(operation))
            if (record_kind(operation) == RECORD_PUT_LOGGED)
                return true;
        payload = operation;
    }
    return false;
}
