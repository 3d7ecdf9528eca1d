/*
 * mutate_vlog.c - the custom mutator of fuzz_vlog: works on pointers, records and segments, and repairs the checksums
 * of pointers, records and headers half of the time.
 *
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include <string.h>

#include "../engine/checksum.h"
#include "../engine/vlog_format.h"
#include "file_parts.h"
#include "mutate.h"
#include "parts.h"
#include "repair.h"
#include "vlog_input.h"

/* A step, or NULL: there is none. */
static uint8_t *pick_step(random_stream *random, const container_file *steps)
{
    size_t count = steps ? steps->bytes / VLOG_STEP_BYTES : 0;
    return count ? steps->data + random_below(random, count) * VLOG_STEP_BYTES : NULL;
}

/* What looks like a record, anywhere in a segment; NULL: nothing does. */
static const uint8_t *pick_record(random_stream *random, const container_file *f)
{
    const uint8_t *found = NULL;
    unsigned seen = 0;
    for (size_t at = VLOG_SEGMENT_HEADER_BYTES; at + VLOG_RECORD_HEADER_BYTES <= f->bytes; at += VLOG_RECORD_ALIGN)
        if (load_u32(f->data + at + VLOG_RECORD_MAGIC_AT) == VLOG_RECORD_MAGIC && random_chance(random, ++seen))
            found = f->data + at;
    return found;
}

/* The step points to a record of the segment. */
static void point_to(random_stream *random, uint8_t *step, const container_file *f)
{
    const uint8_t *record = pick_record(random, f);
    if (!record)
        return;
    const vlog_pointer p = { vlog_position(f->number, (uint64_t)(record - f->data)),
                             load_u64(record + VLOG_RECORD_VALUE_CHECKSUM), load_u32(record + VLOG_RECORD_VALUE_BYTES),
                             load_u16(record + VLOG_RECORD_KEY_BYTES) };
    vlog_pointer_store(step, &p);
}

/* A record more, or one less; what is behind it moves. */
static void move_records(random_stream *random, const container_file *f)
{
    const uint8_t *record = pick_record(random, f);
    if (!record)
        return;
    const size_t at = (size_t)(record - f->data), left = f->bytes - at;
    uint64_t bytes = vlog_record_bytes(load_u16(record + VLOG_RECORD_KEY_BYTES),
                                       load_u32(record + VLOG_RECORD_VALUE_BYTES));
    if (random_chance(random, 3))
        bytes = VLOG_RECORD_ALIGN;
    if (bytes > left)
        return;
    if (random_chance(random, 2)) {
        memmove(f->data + at + bytes, f->data + at, left - (size_t)bytes);
    } else {
        memmove(f->data + at, f->data + at + bytes, left - (size_t)bytes);
        memset(f->data + f->bytes - bytes, 0, (size_t)bytes);
    }
}

static void mutate_step(random_stream *random, container *c, container_file *steps, const container_file *values)
{
    const size_t bytes = steps->bytes;
    uint8_t *step = pick_step(random, steps);
    switch (random_below(random, step ? 7 : 1)) {
    case 0: /* one more */
        container_resize(steps, (bytes / VLOG_STEP_BYTES + 1) * VLOG_STEP_BYTES);
        if (step) /* it may have moved */
            memcpy(steps->data + steps->bytes - VLOG_STEP_BYTES, pick_step(random, steps), VLOG_STEP_BYTES);
        return;
    case 1:
        step[VLOG_STEP_WHAT] = (uint8_t)random_below(random, STEP_KINDS);
        return;
    case 2:
        mutate_number(random, step + VLOG_STEP_END, 4);
        return;
    case 3:
    case 4:
        if (values)
            point_to(random, step, values);
        return;
    case 5:
        c->script = (uint8_t)random_next(random);
        return;
    default:
        mutate_field(random, step, &part_pointer);
    }
}

static void mutate_once(random_stream *random, container *c)
{
    if (!c->count)
        return;
    container_file *steps = container_find(c, FILE_PAGES_NEW, 0);
    const container_file *any = &c->file[random_below(random, c->count)];
    const container_file *values = any->kind == FILE_VLOG ? any : NULL;
    uint64_t choice = random_below(random, 8);
    if (choice < 4 && steps)
        mutate_step(random, c, steps, values);
    else if (choice < 6 && values)
        mutate_values(random, values);
    else if (choice == 6 && values)
        move_records(random, values);
    else
        mutate_blindly(random, c);
}

/* The heads and values of everything that looks like a record, then what points to them. */
static void repair_all(container *c)
{
    const uint64_t identity = checksum_identity((const uint8_t *)VLOG_INPUT_IDENTITY);
    container_file *steps = container_find(c, FILE_PAGES_NEW, 0);
    repair_value_headers(c);
    for (unsigned i = 0; i < c->count; i++) {
        const container_file *f = &c->file[i];
        for (size_t at = VLOG_SEGMENT_HEADER_BYTES;
             f->kind == FILE_VLOG && at + VLOG_RECORD_HEADER_BYTES <= f->bytes; at += VLOG_RECORD_ALIGN) {
            const uint8_t *record = f->data + at;
            uint8_t pointer[VLOG_POINTER_BYTES];
            const vlog_pointer p = { vlog_position(f->number, at), 0, load_u32(record + VLOG_RECORD_VALUE_BYTES),
                                     load_u16(record + VLOG_RECORD_KEY_BYTES) };
            vlog_pointer_store(pointer, &p);
            if (load_u32(record + VLOG_RECORD_MAGIC_AT) == VLOG_RECORD_MAGIC)
                repair_pointer(c, identity, pointer);
        }
    }
    for (size_t at = 0; steps && at + VLOG_STEP_BYTES <= steps->bytes; at += VLOG_STEP_BYTES)
        repair_pointer(c, identity, steps->data + at);
}

static void repair_sometimes(random_stream *random, container *c)
{
    if (random_chance(random, 2))
        repair_all(c);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    return mutate_container(data, size, capacity, seed, mutate_once, repair_sometimes);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    return cross_containers(data1, size1, data2, size2, out, capacity, seed, repair_sometimes);
}
