/*
 * fuzz_vlog.c - property: a pointer into segments of the value log of any bytes gives the value that it says or
 * LEVIN_CORRUPT, and a walk over the segments finds the records that stand there.
 *
 * Input: vlog_input.h.
 *
 * Invariants:
 *   - vlog_pointer_check() refuses what the plain reader (plain_vlog.h) refuses;
 *   - a segment is adopted, and a pointer of the log accepted, exactly when header, size and value are right;
 *   - vlog_read(), vlog_verify() and vlog_bounds() answer for each pointer as the plain reader does, with its bytes;
 *     also when what was accepted has been secured, when values were written, and in the next life of the store;
 *     no memory for a value is taken that is not in its segment;
 *   - what is written reads back, and stands in the file as the format says, each group on a sector;
 *   - the walk shows each segment and each record, in order, with a fault where there is one, and nothing else;
 *   - nothing is left behind, and memory and calls are bounded (disk.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/vlog.h"
#include "../faults/fatal.h"
#include "fuzz.h"
#include "plain_vlog.h"
#include "vlog_input.h"

enum { SEGMENT_BYTES = 4096, GROUPS_MAX = 7, VALUES_MAX = GROUPS_MAX * 3, VALUE_MAX = 1500, SEGMENTS_MAX = 64 };
#define IDENTITY ((const uint8_t *)VLOG_INPUT_IDENTITY)
static_assert(sizeof VLOG_INPUT_IDENTITY == 16, "an identity has 16 bytes");

/* A segment as the plain reader sees it. */
typedef struct segment {
    uint64_t number, end;
} segment;

/* A value that was written. */
typedef struct written {
    uint8_t pointer[VLOG_POINTER_BYTES], value[VALUE_MAX];
    size_t bytes;
} written;

typedef struct run {
    container files;
    const uint8_t *steps;
    size_t step_count;
    segment segments[SEGMENTS_MAX];
    size_t segment_count;
    bool refused; /* a store would not open with this */
    written written[VALUES_MAX];
    size_t written_count;
    fuzz_disk disk;
    vlog v;
} run;

/* ---- what the plain reader says --------------------------------------------------------------------------- */

static const container_file *file_of(run *r, uint64_t number)
{
    return number <= VLOG_NUMBER_MAX ? container_find(&r->files, FILE_VLOG, (uint32_t)number) : NULL;
}

static segment *segment_of(run *r, uint64_t number)
{
    for (size_t i = 0; i < r->segment_count; i++)
        if (r->segments[i].number == number)
            return &r->segments[i];
    return NULL;
}

static levin_code plain_adopt(run *r, uint64_t number, uint64_t end)
{
    const container_file *f = file_of(r, number);
    if (!f)
        return LEVIN_CORRUPT;
    enum plain_header header = plain_vlog_header(f->data, f->bytes, number, IDENTITY);
    if (header == PLAIN_HEADER_UNKNOWN)
        return LEVIN_VERSION_UNKNOWN;
    if (header == PLAIN_HEADER_DAMAGED || f->bytes < end)
        return LEVIN_CORRUPT;
    fuzz_require(r->segment_count < SEGMENTS_MAX, "more segments than files");
    r->segments[r->segment_count++] = (segment){ number, end < 512 ? 512 : end };
    return LEVIN_OK;
}

/* The value's bytes; NULL: the answer is LEVIN_CORRUPT. */
static const uint8_t *plain_read(run *r, const plain_value *value)
{
    const segment *s = segment_of(r, value->position >> 32);
    const container_file *f = file_of(r, value->position >> 32);
    return s && plain_value_end(value) <= s->end ? plain_value_bytes(value, f->data, f->bytes, IDENTITY) : NULL;
}

static levin_code plain_replay(run *r, const plain_value *value, bool proven, bool *there)
{
    const uint64_t number = value->position >> 32, end = plain_value_end(value);
    levin_code code = segment_of(r, number) ? LEVIN_OK : plain_adopt(r, number, 0);
    const container_file *f = file_of(r, number);
    *there = true;
    if (!code && (end > f->bytes || (!proven && !plain_value_bytes(value, f->data, f->bytes, IDENTITY))))
        code = LEVIN_CORRUPT;
    if (!code && end > segment_of(r, number)->end)
        segment_of(r, number)->end = end;
    if (code != LEVIN_CORRUPT || proven)
        return code;
    *there = false;
    return LEVIN_OK;
}

/* ---- opening ---------------------------------------------------------------------------------------------- */

static void require_code(levin_code code, levin_code right, const levin_error *error, const char *what)
{
    fuzz_require(code == right, "%s gives %d and not %d", what, (int)code, (int)right);
    fuzz_require(code != LEVIN_CORRUPT || (!strncmp(error->file, "vlog-", 5) && error->message[0]),
                 "%s: an error that does not say what is wrong", what);
}

static void take_step(run *r, const uint8_t *step)
{
    const plain_value value = plain_pointer_read(step);
    const vlog_pointer p = vlog_pointer_load(step);
    const unsigned what = step[VLOG_STEP_WHAT] % STEP_KINDS;
    const uint64_t number = value.position >> 32, end = plain_number(step + VLOG_STEP_END, 4);
    bool there = false, right_there = false, possible = plain_pointer(step, value.key_bytes);
    levin_error error;
    fuzz_require(vlog_pointer_check(step, value.key_bytes) == possible, "a pointer is %s",
                 possible ? "refused" : "taken");
    fuzz_require(!vlog_pointer_check(step, value.key_bytes + 1), "a pointer is taken for that of another key");
    if (what == STEP_TABLE && number && number <= VLOG_NUMBER_MAX && !segment_of(r, number)) {
        levin_code right = plain_adopt(r, number, end);
        require_code(vlog_adopt(&r->v, number, end, 0, &error), right, &error, "adopting a segment");
        r->refused = r->refused || right;
    } else if ((what == STEP_LOG || what == STEP_PROVEN) && possible) {
        levin_code right = plain_replay(r, &value, what == STEP_PROVEN, &right_there);
        levin_code code = vlog_replay(&r->v, &p, what == STEP_PROVEN, &there, &error);
        require_code(code, right, &error, "a pointer of the log");
        fuzz_require(right || there == right_there, "a value is %s", there ? "there" : "not there");
        r->refused = r->refused || right;
    }
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* right NULL: LEVIN_CORRUPT; but once the segments have grown, an old value behind their old end may be right, too. */
static void read_one(run *r, const uint8_t *pointer, const uint8_t *right)
{
    const vlog_pointer p = vlog_pointer_load(pointer);
    const plain_value value = plain_pointer_read(pointer);
    levin_error error, other;
    levin_code code = vlog_bounds(&r->v, &p, &error), verified = vlog_verify(&r->v, &p, &other);
    if (right || verified != LEVIN_OK || !r->written_count)
        require_code(verified, right ? LEVIN_OK : LEVIN_CORRUPT, &other, "verifying a value");
    if (code) {
        require_code(code, LEVIN_CORRUPT, &error, "the bounds of a value");
        fuzz_require(verified, "a value is said to stand outside of its segment");
        return; /* no memory is taken for it */
    }
    fuzz_require(p.value_bytes <= CONTAINER_FILE_MAX, "memory for a value of %u bytes", p.value_bytes);
    uint8_t *buffer = fatal_alloc(p.value_bytes); /* exactly as large: what is written behind it is seen */
    require_code(vlog_read(&r->v, &p, buffer, &error), verified, &error, "reading a value");
    fuzz_require(!right || !memcmp(buffer, right, p.value_bytes), "another value is read");
    fuzz_require(verified || plain_value_right(&value, buffer, IDENTITY),
                 "a value is read that its pointer does not mean");
    free(buffer);
}

static void read_all(run *r)
{
    for (size_t i = 0; i < r->step_count; i++) {
        const uint8_t *pointer = r->steps + i * VLOG_STEP_BYTES;
        const plain_value value = plain_pointer_read(pointer);
        if (plain_pointer(pointer, value.key_bytes))
            read_one(r, pointer, plain_read(r, &value));
    }
    for (size_t i = 0; i < r->written_count; i++)
        read_one(r, r->written[i].pointer, r->written[i].value);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

/* One group of one to three values. False: the numbers of segments are used up. */
static bool write_group(run *r, unsigned group)
{
    const size_t count = 1 + group % 3;
    vlog_value values[3];
    uint8_t keys[3][8] = { { 0 } };
    levin_error error;
    for (size_t i = 0; i < count; i++) {
        written *w = &r->written[r->written_count + i];
        w->bytes = 1 + (group * 997 + i * 331) % VALUE_MAX;
        memset(w->value, (int)('a' + group), w->bytes);
        keys[i][3] = (uint8_t)(i % 2);
        values[i] = (vlog_value){ { keys[i], 5 + i }, { w->value, w->bytes }, i % 2, w->pointer };
    }
    levin_code code = vlog_write(&r->v, values, count, &error);
    if (code == LEVIN_TOO_BIG && r->v.next_number > VLOG_NUMBER_MAX)
        return false;
    fuzz_require(!code, "values cannot be written: %s", error.message);
    fuzz_require(vlog_offset_of(vlog_pointer_load(r->written[r->written_count].pointer).position) % 512 == 0,
                 "a group of values that begins inside a sector");
    r->written_count += count;
    return true;
}

/* What was written, in its file. */
static void require_written(const run *r)
{
    disk_image *image = simdisk_image(r->disk.disk);
    for (size_t i = 0; i < r->written_count; i++) {
        const plain_value pointer = plain_pointer_read(r->written[i].pointer);
        const uint64_t number = pointer.position >> 32, offset = pointer.position & UINT32_MAX;
        char path[64];
        snprintf(path, sizeof path, FUZZ_STORE "/vlog-%016llx", (unsigned long long)number);
        const disk_node node = disk_image_find(image, path);
        fuzz_require(node != DISK_NONE, "there is no %s", path);
        const size_t bytes = disk_image_size(image, node);
        uint8_t *data = fatal_alloc(bytes);
        plain_value value;
        disk_image_read(image, node, data, bytes, 0);
        fuzz_require(plain_vlog_header(data, bytes, number, IDENTITY) == PLAIN_HEADER_WHOLE &&
                         plain_record(data, bytes, number, offset, IDENTITY, &value) &&
                         !memcmp(&value, &pointer, sizeof value) && plain_value_bytes(&value, data, bytes, IDENTITY),
                     "a value does not stand where its pointer says");
        free(data);
    }
    disk_image_unref(image);
}

/* The store goes on: secured, tidied, written to, opened again by what its checkpoint would say. */
static void go_on(run *r)
{
    segment table[2 * SEGMENTS_MAX];
    size_t count;
    levin_error error;
    fuzz_require(vlog_replay_secure(&r->v, &error) == LEVIN_OK, "values cannot be secured: %s", error.message);
    fuzz_require(vlog_tidy(&r->v, 0, false, NULL, NULL, &error) == LEVIN_OK, "no tidying up: %s", error.message);
    read_all(r);
    const unsigned groups = 1 + (r->files.script & VLOG_MORE);
    for (unsigned i = 0; i < groups && write_group(r, i); i++) {
    }
    fuzz_require(vlog_sync(&r->v, &error) == LEVIN_OK, "values cannot be synced: %s", error.message);
    read_all(r);
    require_written(r);
    for (count = 0; count < r->v.count; count++)
        table[count] = (segment){ r->v.segments[count]->number, r->v.segments[count]->end };
    vlog_fini(&r->v);
    fuzz_require(vlog_init(&r->v, &r->disk.table, FUZZ_STORE, IDENTITY, SEGMENT_BYTES, &error) == LEVIN_OK,
                 "no value log: %s", error.message);
    for (size_t i = 0; i < count; i++)
        fuzz_require(vlog_adopt(&r->v, table[i].number, table[i].end, 0, &error) == LEVIN_OK,
                     "a segment is not there any more: %s", error.message);
    read_all(r);
}

/* ---- the walk --------------------------------------------------------------------------------------------- */

/* Where the walk should be. */
typedef struct course {
    const container *files;
    uint64_t number, offset; /* of the segment that was shown last; where to look for the next record */
    const container_file *f;
} course;

/* The next record of the segment that the course is in; false: there is none any more. */
static bool next_record(course *c, plain_value *value)
{
    const uint8_t none[16] = { 0 };
    const uint8_t *identity = c->f && c->f->bytes >= 40 ? c->f->data + VLOG_SEGMENT_IDENTITY : none;
    for (; c->f && c->offset + 32 <= c->f->bytes; c->offset = (c->offset + 512) / 512 * 512)
        if (plain_record(c->f->data, c->f->bytes, c->number, c->offset, identity, value)) {
            c->offset = (plain_value_end(value) + 7) / 8 * 8;
            return true;
        }
    return false;
}

/* The segment with the next higher number; NULL: there is none. */
static const container_file *next_segment(const course *c)
{
    const container_file *next = NULL;
    for (unsigned i = 0; i < c->files->count; i++) {
        const container_file *f = &c->files->file[i];
        if (f->kind == FILE_VLOG && f->number > c->number && f->number <= VLOG_NUMBER_MAX &&
            (!next || f->number < next->number))
            next = f;
    }
    return next;
}

static uint64_t field_of(const levin_dump_item *item, const char *name)
{
    for (size_t i = 0; i < item->count; i++)
        if (!strcmp(item->fields[i].name, name))
            return item->fields[i].type == LEVIN_DUMP_BYTES ? item->fields[i].bytes.size : item->fields[i].number;
    fuzz_fail(__FILE__, __LINE__, "the walk shows a %s without %s", item->kind, name);
}

static bool walk_item(void *context, const levin_dump_item *item)
{
    const uint8_t none[16] = { 0 };
    course *c = context;
    plain_value value;
    if (strncmp(item->file, "vlog-", 5))
        return true; /* what is said of the page file, which is empty */
    if (next_record(c, &value)) {
        const uint8_t *identity = c->f->bytes >= 40 ? c->f->data + VLOG_SEGMENT_IDENTITY : none;
        bool whole = plain_value_bytes(&value, c->f->data, c->f->bytes, identity);
        fuzz_require(!strcmp(item->kind, "value") && item->offset == (value.position & UINT32_MAX) &&
                         field_of(item, "key") == value.key_bytes && field_of(item, "checksum") == value.checksum &&
                         field_of(item, "value_bytes") == value.value_bytes && (item->fault == NULL) == whole,
                     "the walk shows a %s at %llu, and not the value at %llu", item->kind,
                     (unsigned long long)item->offset, (unsigned long long)(value.position & UINT32_MAX));
        return true;
    }
    c->f = next_segment(c);
    fuzz_require(c->f && !strcmp(item->kind, "value segment") && field_of(item, "number") == c->f->number,
                 "the walk shows a %s that is not there", item->kind);
    c->number = c->f->number;
    c->offset = 512;
    const uint8_t *identity = c->f->bytes >= 40 ? c->f->data + VLOG_SEGMENT_IDENTITY : none;
    bool whole = plain_vlog_header(c->f->data, c->f->bytes, c->number, identity) == PLAIN_HEADER_WHOLE;
    fuzz_require((item->fault == NULL) == whole, "the header of a segment is shown as %s", whole ? "damaged" : "whole");
    return true;
}

static void walk(const container *files, disk_image *image)
{
    const disk_node node = disk_image_next_node(image);
    course c = { .files = files };
    plain_value value;
    levin_dump_options options;
    levin_error error;
    fuzz_disk disk;
    disk_image_add(image, node, false); /* without a page file there is no store */
    disk_image_link(image, 1, "pages", node);
    fuzz_disk_open(&disk, image);
    levin_dump_options_init(&options);
    options.what = LEVIN_DUMP_VALUES;
    options.io = &disk.table;
    levin_code code = levin_dump(FUZZ_STORE, &options, walk_item, &c, &error);
    fuzz_require(code == LEVIN_OK || code == LEVIN_CORRUPT, "the walk gives %d: %s", (int)code, error.message);
    fuzz_require(!next_record(&c, &value) && !next_segment(&c), "the walk ends before the end");
    fuzz_disk_close(&disk);
}

/* ---- a run ------------------------------------------------------------------------------------------------ */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static run r; /* one thread; large */
    levin_error error;
    if (!size || data[0] % 2 != INPUT_FILES)
        return -1;
    r = (run){ .refused = false };
    container_decode(&r.files, data, size);
    const container_file *steps = container_find(&r.files, FILE_PAGES_NEW, 0);
    r.steps = steps ? steps->data : NULL;
    r.step_count = steps ? steps->bytes / VLOG_STEP_BYTES : 0;
    if (r.step_count > VLOG_STEPS_MAX)
        r.step_count = VLOG_STEPS_MAX;
    disk_image *image = container_image(data, size);
    fuzz_disk_open(&r.disk, image);
    fuzz_require(vlog_init(&r.v, &r.disk.table, FUZZ_STORE, IDENTITY, SEGMENT_BYTES, &error) == LEVIN_OK,
                 "no value log: %s", error.message);
    for (size_t i = 0; i < r.step_count; i++)
        take_step(&r, r.steps + i * VLOG_STEP_BYTES);
    read_all(&r);
    if (r.files.script & VLOG_WRITE && !r.refused)
        go_on(&r);
    vlog_fini(&r.v);
    fuzz_disk_close(&r.disk);
    if (r.files.script & VLOG_WALK)
        walk(&r.files, image);
    disk_image_unref(image);
    container_fini(&r.files);
    return 0;
}
