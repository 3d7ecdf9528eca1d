/*
 * file_parts.c - changes of files, groups and records (file_parts.h).
 *
 * Invariants: nothing outside a file, or the room of a payload, is read or written, whatever its bytes say.
 * Concurrency: pure functions over their arguments, but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include "file_parts.h"

#include <string.h>

#include "../engine/record_format.h"
#include "../engine/wal_format.h"
#include "mutate.h"
#include "parts.h"

enum { RECORDS_SEEN_MAX = 64 };

/* ---- records ---------------------------------------------------------------------------------------------- */

/* The records of the first batches, by their lengths; offsets from the payload's beginning. */
static size_t find_records(const uint8_t *payload, size_t size, size_t at[RECORDS_SEEN_MAX])
{
    size_t count = 0, next = BATCH_HEADER_BYTES;
    while (count < RECORDS_SEEN_MAX && next + RECORD_HEADER_BYTES <= size) {
        at[count++] = next;
        next += record_bytes(payload + next);
    }
    return count;
}

size_t repair_batch(uint8_t *payload, size_t size)
{
    size_t used = BATCH_HEADER_BYTES, count = 0;
    while (used < size && record_check(payload + used, size - used)) {
        used += record_bytes(payload + used);
        count++;
    }
    memset(payload, 0, BATCH_HEADER_BYTES);
    store_u32(payload + BATCH_OPS_BYTES, (uint32_t)(used - BATCH_HEADER_BYTES));
    store_u32(payload + BATCH_OP_COUNT, (uint32_t)count);
    return used;
}

size_t mutate_records(random_stream *random, uint8_t *payload, size_t size, size_t room)
{
    size_t at[RECORDS_SEEN_MAX], count = find_records(payload, size, at);
    if (count == 0 || random_chance(random, 8))
        return LLVMFuzzerMutate(payload, size, room);
    uint8_t *record = payload + at[random_below(random, count)];
    size_t left = size - (size_t)(record - payload), bytes = record_bytes(record);
    switch (random_below(random, 6)) {
    case 0:
        mutate_number(random, record + RECORD_KIND, 1);
        record[RECORD_KIND] %= 6;
        return size;
    case 1:
        record[RECORD_FLAGS] ^= 1;
        return size;
    case 2:
        mutate_number(random, record + RECORD_KEY_BYTES, 2);
        return size;
    case 3:
        mutate_number(random, record + RECORD_VALUE_BYTES, 4);
        return size;
    case 4: /* once more */
        if (bytes > left || bytes > room - size)
            return size;
        memmove(record + bytes, record, left);
        return size + bytes;
    default:
        mutate_number(random, record + random_below(random, left), 1);
        return size;
    }
}

/* ---- files ------------------------------------------------------------------------------------------------ */

/* A sector that looks like a group; NULL: there is none. */
static uint8_t *pick_group(random_stream *random, const container_file *segment, size_t *left)
{
    uint8_t *found = NULL;
    unsigned seen = 0;
    for (size_t at = 512; at + WAL_GROUP_HEADER_BYTES <= segment->bytes; at += 512)
        if (load_u32(segment->data + at + WAL_GROUP_MAGIC_AT) == WAL_GROUP_MAGIC && random_chance(random, ++seen)) {
            found = segment->data + at;
            *left = segment->bytes - at;
        }
    return found;
}

void mutate_segment(random_stream *random, const container_file *segment)
{
    size_t left = 0;
    if (random_chance(random, 8) && segment->bytes >= WAL_SEGMENT_HEADER_BYTES) {
        mutate_field(random, segment->data, &part_segment);
        return;
    }
    uint8_t *group = pick_group(random, segment, &left);
    if (!group)
        return;
    size_t payload = load_u32(group + WAL_GROUP_PAYLOAD_BYTES);
    switch (random_below(random, 4)) {
    case 0:
        if (WAL_GROUP_HEADER_BYTES + payload <= left && payload) {
            mutate_number(random, group + WAL_GROUP_HEADER_BYTES + random_below(random, payload), 1);
            return;
        }
        /* fall through */
    case 1:
        if (WAL_GROUP_HEADER_BYTES + BATCH_HEADER_BYTES + RECORD_HEADER_BYTES < left) {
            mutate_field(random, group + WAL_GROUP_HEADER_BYTES, &part_batch);
            return;
        }
        /* fall through */
    default:
        mutate_field(random, group, &part_group);
    }
}

void mutate_values(random_stream *random, const container_file *f)
{
    uint8_t *found = NULL;
    unsigned seen = 0;
    if (random_chance(random, 6) && f->bytes >= VLOG_SEGMENT_HEADER_BYTES) {
        mutate_field(random, f->data, &part_value_segment);
        return;
    }
    for (size_t at = VLOG_SEGMENT_HEADER_BYTES; at + VLOG_RECORD_HEADER_BYTES + 8 <= f->bytes; at += VLOG_RECORD_ALIGN)
        if (load_u32(f->data + at + VLOG_RECORD_MAGIC_AT) == VLOG_RECORD_MAGIC && random_chance(random, ++seen))
            found = f->data + at;
    if (found && random_chance(random, 2))
        mutate_field(random, found, &part_value_record);
    else if (f->bytes)
        mutate_number(random, f->data + random_below(random, f->bytes), 1);
}

/* Anywhere in any file: bytes, sectors, sizes, names; nothing of the formats is known. */
void mutate_blindly(random_stream *random, container *c)
{
    container_file *f = &c->file[random_below(random, c->count)], *from = &c->file[random_below(random, c->count)];
    size_t at = (size_t)random_below(random, f->bytes), n = 1 + (size_t)random_below(random, 64);
    n = at + n < f->bytes ? n : f->bytes - at;
    switch (random_below(random, 9)) {
    case 0:
    case 1:
        if (n >= 8)
            mutate_number(random, f->data + at, (size_t)1 << random_below(random, 4));
        return;
    case 2: /* the fuzzer's own mutations, which know what was compared with what */
        if (n)
            LLVMFuzzerMutate(f->data + at, n, n);
        return;
    case 3: { /* a sector from elsewhere */
        size_t to_sectors = f->bytes / 512, from_sectors = from->bytes / 512;
        if (to_sectors && from_sectors)
            memmove(f->data + random_below(random, to_sectors) * 512,
                    from->data + random_below(random, from_sectors) * 512, 512);
        return;
    }
    case 4:
        if (n)
            memset(f->data + at, random_chance(random, 2) ? 0 : 0xff, n);
        return;
    case 5:
        container_resize(f, random_chance(random, 2) ? at / 512 * 512 : at);
        return;
    case 6:
        container_resize(f, f->bytes + (random_chance(random, 2) ? 4096 : (size_t)random_below(random, 9000)));
        return;
    case 7:
        if (container_numbered(f->kind))
            f->number += random_chance(random, 2) ? 1 : UINT32_MAX;
        else
            f->kind = (uint8_t)random_below(random, FILE_KINDS);
        return;
    default:
        if (random_chance(random, 4))
            container_remove(c, (unsigned)(f - c->file));
        else
            c->script = (uint8_t)random_next(random);
    }
}

/* The files of two inputs; of those that both have, one. The caller finishes *out. */
static void cross_files(random_stream *random, container *out, const uint8_t *data1, size_t size1, const uint8_t *data2,
                 size_t size2)
{
    container b;
    container_decode(out, data1, size1);
    container_decode(&b, data2, size2);
    for (unsigned i = 0; i < b.count; i++) {
        container_file *to = container_find(out, b.file[i].kind, b.file[i].number);
        if (!to && out->count < CONTAINER_FILES_MAX) {
            to = &out->file[out->count++];
            *to = (container_file){ .kind = b.file[i].kind, .number = b.file[i].number };
        }
        if (!to || (to->bytes && random_chance(random, 2)))
            continue;
        container_resize(to, b.file[i].bytes);
        memcpy(to->data, b.file[i].data, b.file[i].bytes);
    }
    out->form = INPUT_FILES;
    container_fini(&b);
}

size_t mutate_container(uint8_t *data, size_t size, size_t capacity, unsigned seed, container_change *change,
                        container_change *settle)
{
    random_stream random = random_open(seed, 0);
    container c;
    container_decode(&c, data, size);
    if (!c.count)
        return LLVMFuzzerMutate(data, size, capacity);
    for (uint64_t i = random_below(&random, 3) + 1; i > 0; i--)
        change(&random, &c);
    settle(&random, &c);
    size_t used = container_encode(&c, data, capacity);
    container_fini(&c);
    return used ? used : LLVMFuzzerMutate(data, size, capacity);
}

size_t cross_containers(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                        size_t capacity, unsigned seed, container_change *settle)
{
    random_stream random = random_open(seed, 1);
    container c;
    cross_files(&random, &c, data1, size1, data2, size2);
    settle(&random, &c);
    size_t used = c.count ? container_encode(&c, out, capacity) : 0;
    container_fini(&c);
    return used;
}
