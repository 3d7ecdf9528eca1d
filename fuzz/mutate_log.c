/*
 * mutate_log.c - the custom mutator of fuzz_log: works on groups, records, segments and the start of the replay, and
 * repairs checksums and the chain half of the time.
 *
 * Purpose: a blind mutation dies at a checksum; a repaired one meets what the replay asks of a group that verifies:
 * kinds, lengths, numbers that go back, seals, what is called durable.  Groups are moved, doubled, taken out and cut
 * in half, for what the replay must tell apart is whole, torn and rotten.
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include <string.h>

#include "../engine/page_format.h"
#include "../engine/record_format.h"
#include "../engine/wal_format.h"
#include "file_parts.h"
#include "log_input.h"
#include "mutate.h"
#include "parts.h"
#include "repair.h"

enum { GROUPS_SEEN_MAX = 256, MARK_BYTES = 512 };

/* A group by where it stands. */
typedef struct place {
    container_file *f;
    size_t at;
} place;

/* What looks like groups, in all segments, front to back. */
static size_t find_groups(container *c, place groups[GROUPS_SEEN_MAX])
{
    size_t count = 0;
    for (unsigned i = 0; i < c->count; i++) {
        container_file *f = &c->file[i];
        for (size_t at = MARK_BYTES; f->kind == FILE_WAL && at + WAL_GROUP_HEADER_BYTES <= f->bytes; at += MARK_BYTES)
            if (count < GROUPS_SEEN_MAX && load_u32(f->data + at + WAL_GROUP_MAGIC_AT) == WAL_GROUP_MAGIC)
                groups[count++] = (place){ f, at };
    }
    return count;
}

static uint64_t position_of(const place *p)
{
    return lsn_make(p->f->number, p->at);
}

/* Bytes that the group takes, at most what is left of its file. */
static size_t group_bytes(const place *p)
{
    size_t left = p->f->bytes - p->at;
    uint64_t bytes = WAL_GROUP_HEADER_BYTES + (uint64_t)load_u32(p->f->data + p->at + WAL_GROUP_PAYLOAD_BYTES);
    bytes = (bytes + MARK_BYTES - 1) / MARK_BYTES * MARK_BYTES;
    return bytes < left ? (size_t)bytes : left;
}

/* The group becomes one without a payload. */
static void make_control(random_stream *random, const place *p)
{
    uint8_t *group = p->f->data + p->at;
    unsigned kind = WAL_MARK + (unsigned)random_below(random, 3);
    store_u32(group + WAL_GROUP_KIND, kind);
    store_u32(group + WAL_GROUP_PAYLOAD_BYTES, 0);
    store_u32(group + WAL_GROUP_BATCHES, 0);
    store_u64(group + WAL_GROUP_NEXT_SEGMENT, kind == WAL_SEAL ? (uint64_t)p->f->number + 1 : 0);
}

/* Records of the payload; the group takes what they need, when it has room. */
static void mutate_payload(random_stream *random, const place *p)
{
    uint8_t *group = p->f->data + p->at, *payload = group + WAL_GROUP_HEADER_BYTES;
    size_t room = p->f->bytes - p->at - WAL_GROUP_HEADER_BYTES, bytes = load_u32(group + WAL_GROUP_PAYLOAD_BYTES);
    if (bytes < BATCH_HEADER_BYTES + RECORD_HEADER_BYTES || bytes > room)
        return;
    bytes = mutate_records(random, payload, bytes, random_chance(random, 4) ? room : bytes);
    if (bytes >= BATCH_HEADER_BYTES && random_chance(random, 2)) {
        bytes = repair_batch(payload, bytes);
        store_u32(group + WAL_GROUP_BATCHES, 1);
    }
    store_u32(group + WAL_GROUP_PAYLOAD_BYTES, (uint32_t)bytes);
}

/* Space for, or without, so many bytes; what stands behind moves. */
static void shift(const place *p, size_t bytes, bool open)
{
    uint8_t *at = p->f->data + p->at;
    size_t left = p->f->bytes - p->at - bytes;
    if (open) {
        memmove(at + bytes, at, left);
    } else {
        memmove(at, at + bytes, left);
        memset(at + left, 0, bytes);
    }
}

static void mutate_group(random_stream *random, const place *p, const place *other)
{
    uint8_t *group = p->f->data + p->at, copy[4 * MARK_BYTES];
    size_t bytes = group_bytes(p), other_bytes = group_bytes(other), room = p->f->bytes - p->at;
    switch (random_below(random, 10)) {
    case 0: /* taken out */
        shift(p, bytes, false);
        return;
    case 1: /* another one before it, or over it */
        if (other_bytes > sizeof copy || other_bytes > room)
            return;
        memcpy(copy, other->f->data + other->at, other_bytes);
        if (random_chance(random, 2))
            shift(p, other_bytes, true);
        memcpy(group, copy, other_bytes);
        return;
    case 2:
        make_control(random, p);
        return;
    case 3: /* calls another place durable */
        store_u64(group + WAL_GROUP_DURABLE, position_of(other));
        return;
    case 4: /* torn, or never written */
        bytes = random_chance(random, 2) ? bytes : (size_t)random_below(random, bytes);
        memset(group + (random_chance(random, 2) ? 0 : group_bytes(p) - bytes), 0, bytes);
        return;
    case 5: /* a seal, here */
        store_u32(group + WAL_GROUP_KIND, WAL_SEAL);
        store_u32(group + WAL_GROUP_PAYLOAD_BYTES, 0);
        store_u32(group + WAL_GROUP_BATCHES, 0);
        store_u64(group + WAL_GROUP_NEXT_SEGMENT, (uint64_t)p->f->number + 1);
        return;
    case 6:
    case 7:
        mutate_payload(random, p);
        return;
    default:
        mutate_field(random, group, &part_group);
    }
}

/* The replay begins elsewhere: at a group, with what it says of the one before; or a number of the start changes. */
static void mutate_start(random_stream *random, container *c, const place *group)
{
    static const struct field start_fields[] = { { META_IDENTITY, 8 }, { META_GENERATION, 8 }, { META_REPLAY, 4 },
                                                 { META_REPLAY, 8 }, { META_REPLAY_CHAIN, 8 }, { META_SEQUENCE, 8 },
                                                 { META_INCARNATION, 8 }, { META_SECTOR_BYTES, 4 } };
    static const struct part part_start = { start_fields, sizeof start_fields / sizeof start_fields[0] };
    container_file *pages = container_find(c, FILE_PAGES, 0);
    const size_t at = c->script & LOG_SECOND_META ? META_SLOT_BYTES : 0;
    if (!pages || pages->bytes < at + META_BYTES)
        return;
    uint8_t *meta = pages->data + at;
    if (!group || random_chance(random, 2)) {
        mutate_field(random, meta, &part_start);
        return;
    }
    const uint8_t *bytes = group->f->data + group->at;
    uint64_t sequence = load_u64(bytes + WAL_GROUP_SEQUENCE);
    store_u64(meta + META_REPLAY, position_of(group));
    store_u64(meta + META_REPLAY_CHAIN, load_u64(bytes + WAL_GROUP_PREVIOUS));
    store_u64(meta + META_SEQUENCE, sequence ? sequence - 1 : 0);
}

static void mutate_once(random_stream *random, container *c)
{
    place groups[GROUPS_SEEN_MAX];
    size_t count = find_groups(c, groups);
    const place *one = count ? &groups[random_below(random, count)] : NULL;
    uint64_t choice = random_below(random, 16);
    if (choice == 0)
        c->script ^= (uint8_t)(1u << random_below(random, 7));
    else if (choice == 1)
        mutate_start(random, c, one);
    else if (choice == 2 && c->count)
        mutate_blindly(random, c);
    else if (choice == 3 && one)
        mutate_segment(random, one->f);
    else if (one)
        mutate_group(random, one, &groups[random_below(random, count)]);
}

/* Groups say where they stand, and their batches are counted on, as after a move they do not. */
static void settle(random_stream *random, container *c)
{
    place groups[GROUPS_SEEN_MAX];
    size_t count = find_groups(c, groups);
    bool places = random_chance(random, 2), numbers = random_chance(random, 2);
    uint64_t next = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *group = groups[i].f->data + groups[i].at;
        if (places)
            store_u64(group + WAL_GROUP_POSITION, position_of(&groups[i]));
        if (numbers && load_u64(group + WAL_GROUP_SEQUENCE) < next)
            store_u64(group + WAL_GROUP_SEQUENCE, next);
        if (numbers)
            next = load_u64(group + WAL_GROUP_SEQUENCE) + load_u32(group + WAL_GROUP_BATCHES);
    }
}

static void repair_sometimes(random_stream *random, container *c)
{
    if (random_chance(random, 2))
        repair_files(c, REPAIR_LOG);
}

static void settle_and_repair(random_stream *random, container *c)
{
    settle(random, c);
    repair_sometimes(random, c);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    return mutate_container(data, size, capacity, seed, mutate_once, settle_and_repair);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    return cross_containers(data1, size1, data2, size2, out, capacity, seed, repair_sometimes);
}
