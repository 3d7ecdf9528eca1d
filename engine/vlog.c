/*
 * vlog.c - segments of the value log: writing, syncing, reading, removal.  The rules stand in vlog.h.
 *
 * Invariants
 *  - segments is ascending, and holds every segment that a pointer may name.  `current` is its last one.
 *  - Of each segment [header, end) was handed to the kernel without an error; what stands behind it is nothing: a
 *    write that failed is written over by the next.
 *  - `dirty` only goes with a sync that succeeded; a failed one poisons, for the kernel may have dropped the values.
 *
 * Concurrency: one writer (commit mutex).  Readers find a segment and its handle under v->mutex, count themselves in
 * `users`, and read outside of it; what they hold keeps the segment itself.
 * Crash safety: vlog.h.  A group's values begin on a sector of their own: a torn write takes none with it that was
 * acknowledged.
 */
#include "vlog.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "checksum.h"

#define VLOG_NAME_FORMAT "vlog-%016llx"
enum { NAME_PREFIX = 5, NAME_LENGTH = NAME_PREFIX + 16, SEGMENTS_FIRST = 8 };

vlog_name vlog_segment_name(uint64_t number)
{
    vlog_name name;
    snprintf(name.text, sizeof name.text, VLOG_NAME_FORMAT, (unsigned long long)number);
    return name;
}

uint64_t vlog_name_number(const char *name)
{
    uint64_t number = 0;
    if (strlen(name) != NAME_LENGTH || memcmp(name, VLOG_NAME_FORMAT, NAME_PREFIX) != 0)
        return 0;
    for (const char *c = name + NAME_PREFIX; *c; c++) {
        if (*c >= '0' && *c <= '9')
            number = number << 4 | (uint64_t)(*c - '0');
        else if (*c >= 'a' && *c <= 'f')
            number = number << 4 | (uint64_t)(*c - 'a' + 10);
        else
            return 0;
    }
    return number <= VLOG_NUMBER_MAX ? number : 0;
}

/* ---- the list ---- */

levin_code vlog_init(vlog *v, const levin_io *io, const char *directory, const uint8_t identity[16],
                     uint64_t segment_bytes, levin_error *error)
{
    memset(v, 0, sizeof *v);
    int failed = sync_mutex_init(&v->mutex);
    if (failed)
        return error_os(error, failed, "initialisation of a mutex", NULL);
    v->io = io;
    v->directory = directory;
    memcpy(v->identity_bytes, identity, sizeof v->identity_bytes);
    v->identity = checksum_identity(identity);
    v->segment_bytes = segment_bytes;
    v->next_number = 1;
    v->freezes = 1;
    return LEVIN_OK;
}

void vlog_segment_free(vlog *v, vlog_segment *s)
{
    if (!s)
        return;
    file_close(&s->f);
    io_free(v->io, s, sizeof *s);
}

void vlog_fini(vlog *v)
{
    if (!v->io)
        return;
    for (size_t i = 0; i < v->count; i++)
        vlog_segment_free(v, v->segments[i]);
    io_free(v->io, v->segments, v->capacity * sizeof *v->segments);
    io_free(v->io, v->unproven, v->unproven_capacity * sizeof *v->unproven);
    io_free(v->io, v->scratch, v->scratch_bytes);
    file_close(&v->active);
    sync_mutex_fini(&v->mutex);
    v->io = NULL;
}

/* Where the segment stands, or would. */
static size_t segment_index(const vlog *v, uint64_t number)
{
    size_t from = 0, count = v->count;
    while (count) {
        size_t half = count / 2;
        if (v->segments[from + half]->number < number) {
            from += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return from;
}

vlog_segment *vlog_find(const vlog *v, uint64_t number)
{
    size_t i = segment_index(v, number);
    return i < v->count && v->segments[i]->number == number ? v->segments[i] : NULL;
}

vlog_segment *vlog_segment_make(vlog *v, uint64_t number)
{
    vlog_segment *s = io_alloc(v->io, sizeof *s);
    if (!s)
        return NULL;
    *s = (vlog_segment){ .number = number, .end = VLOG_SEGMENT_HEADER_BYTES, .version = VLOG_FORMAT_VERSION };
    sync_mutex_lock(&v->mutex);
    if (v->count == v->capacity) {
        size_t capacity = v->capacity ? v->capacity * 2 : SEGMENTS_FIRST;
        vlog_segment **bigger = io_alloc(v->io, capacity * sizeof *bigger);
        if (bigger) {
            if (v->count)
                memcpy(bigger, v->segments, v->count * sizeof *bigger);
            io_free(v->io, v->segments, v->capacity * sizeof *bigger);
            v->segments = bigger;
            v->capacity = capacity;
        } else {
            io_free(v->io, s, sizeof *s);
            s = NULL;
        }
    }
    sync_mutex_unlock(&v->mutex);
    return s;
}

void vlog_segment_add(vlog *v, vlog_segment *s)
{
    size_t at = segment_index(v, s->number);
    assert(v->count < v->capacity && (at == v->count || v->segments[at]->number != s->number));
    memmove(v->segments + at + 1, v->segments + at, (v->count - at) * sizeof *v->segments);
    v->segments[at] = s;
    v->count++;
}

/* ---- segment files ---- */

static void header_encode(const vlog *v, uint64_t number, uint8_t header[VLOG_SEGMENT_HEADER_BYTES])
{
    memset(header, 0, VLOG_SEGMENT_HEADER_BYTES);
    memcpy(header + VLOG_SEGMENT_MAGIC, VLOG_MAGIC, 8);
    store_u32(header + VLOG_SEGMENT_VERSION, VLOG_FORMAT_VERSION);
    memcpy(header + VLOG_SEGMENT_IDENTITY, v->identity_bytes, sizeof v->identity_bytes);
    store_u64(header + VLOG_SEGMENT_NUMBER, number);
    store_u64(header + VLOG_SEGMENT_CHECKSUM,
              checksum(header + VLOG_SEGMENT_MAGIC, VLOG_SEGMENT_HEADER_BYTES - VLOG_SEGMENT_MAGIC,
                       checksum_seed(0, PLACE_VLOG_SEGMENT, number)));
}

static levin_code header_check(const vlog *v, const uint8_t *header, const char *name, uint64_t number,
                               levin_error *error)
{
    const uint64_t stored = load_u64(header + VLOG_SEGMENT_CHECKSUM);
    const uint64_t computed = checksum(header + VLOG_SEGMENT_MAGIC, VLOG_SEGMENT_HEADER_BYTES - VLOG_SEGMENT_MAGIC,
                                       checksum_seed(0, PLACE_VLOG_SEGMENT, number));
    const uint32_t version = load_u32(header + VLOG_SEGMENT_VERSION);
    if (stored != computed)
        return error_corrupt(error, name, VLOG_SEGMENT_CHECKSUM, computed, stored,
                             "the header of a segment of the value log does not match its checksum");
    if (memcmp(header + VLOG_SEGMENT_MAGIC, VLOG_MAGIC, 8) != 0)
        return error_corrupt(error, name, VLOG_SEGMENT_MAGIC, load_u64(VLOG_MAGIC),
                             load_u64(header + VLOG_SEGMENT_MAGIC), "not the magic number of a value log");
    if (version > VLOG_FORMAT_VERSION)
        return error_set(error, LEVIN_VERSION_UNKNOWN, name, "%s has format version %u; this library knows %u", name,
                         (unsigned)version, (unsigned)VLOG_FORMAT_VERSION);
    if (version < VLOG_FORMAT_OLDEST)
        return error_corrupt(error, name, VLOG_SEGMENT_VERSION, VLOG_FORMAT_VERSION, version,
                             "impossible format version of a value log");
    if (memcmp(header + VLOG_SEGMENT_IDENTITY, v->identity_bytes, sizeof v->identity_bytes) != 0)
        return error_corrupt(error, name, VLOG_SEGMENT_IDENTITY, load_u64(v->identity_bytes),
                             load_u64(header + VLOG_SEGMENT_IDENTITY), "a segment of another store's value log");
    if (load_u64(header + VLOG_SEGMENT_NUMBER) != number)
        return error_corrupt(error, name, VLOG_SEGMENT_NUMBER, number, load_u64(header + VLOG_SEGMENT_NUMBER),
                             "a segment of the value log carries another number");
    return LEVIN_OK;
}

levin_code vlog_segment_inspect(vlog *v, uint64_t number, uint64_t *file_bytes, uint32_t *version, levin_error *error)
{
    uint8_t header[VLOG_SEGMENT_HEADER_BYTES] = { 0 };
    const vlog_name name = vlog_segment_name(number);
    file f = { 0 };
    size_t done = 0;
    levin_code code = file_open(&f, v->io, v->directory, name.text, LEVIN_FILE_VLOG, 0, error);
    if (!code)
        code = file_size(&f, file_bytes, error);
    if (!code)
        code = file_read(&f, header, sizeof header, 0, &done, error);
    file_close(&f);
    if (!code && done < sizeof header)
        code = error_corrupt(error, name.text, done, sizeof header, done,
                             "a segment of the value log ends inside its header");
    *version = load_u32(header + VLOG_SEGMENT_VERSION);
    return code ? code : header_check(v, header, name.text, number, error);
}

/* A sync that failed says nothing about what the device has. */
static levin_code sync_failed(vlog *v, levin_code code)
{
    if (code)
        v->poisoned = true;
    return code;
}

/* A new segment, its header and entry durable, to be written to. */
static levin_code segment_create(vlog *v, levin_error *error)
{
    uint8_t header[VLOG_SEGMENT_HEADER_BYTES];
    if (v->next_number > VLOG_NUMBER_MAX)
        return error_set(error, LEVIN_TOO_BIG, NULL, "the numbers of value-log segments are used up");
    const uint64_t number = v->next_number++; /* used up also when this fails */
    const vlog_name name = vlog_segment_name(number);
    file f = { 0 };
    vlog_segment *s = vlog_segment_make(v, number);
    if (!s)
        return error_memory(error, sizeof *s);
    header_encode(v, number, header);
    const levin_slice part = { header, sizeof header };
    levin_code code = file_open(&f, v->io, v->directory, name.text, LEVIN_FILE_VLOG,
                                LEVIN_IO_WRITE | LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE, error);
    bool made = !code;
    if (!code)
        code = file_write(&f, &part, 1, 0, NULL, error);
    if (!code)
        code = sync_failed(v, file_sync(&f, error));
    if (!code)
        code = sync_failed(v, file_sync_dir(v->io, v->directory, error));
    if (code) {
        levin_error ignored;
        file_close(&f);
        if (made) /* nothing names it: the next open would remove it */
            (void)file_unlink(v->io, v->directory, name.text, &ignored);
        vlog_segment_free(v, s);
        return code;
    }
    v->active = f;
    sync_mutex_lock(&v->mutex);
    vlog_segment_add(v, s);
    sync_mutex_unlock(&v->mutex);
    v->current = s;
    return LEVIN_OK;
}

static uint64_t next_offset(const vlog_segment *s)
{
    return round_up_u64(s->end, VLOG_SECTOR_BYTES);
}

/* The last segment is written to again after an open, when it has room. */
static levin_code segment_resume(vlog *v, uint64_t bytes, levin_error *error)
{
    sync_mutex_lock(&v->mutex);
    vlog_segment *s = v->count ? v->segments[v->count - 1] : NULL;
    bool fits = s && !s->sealed && s->state == VLOG_KEPT && !s->spared && s->version == VLOG_FORMAT_VERSION &&
                next_offset(s) + bytes <= v->segment_bytes;
    if (s && !fits && !s->sealed) {
        s->sealed = true;
        s->sealed_at = v->freezes;
    }
    sync_mutex_unlock(&v->mutex);
    if (!fits)
        return LEVIN_OK;
    levin_code code = file_open(&v->active, v->io, v->directory, vlog_segment_name(s->number).text, LEVIN_FILE_VLOG,
                                LEVIN_IO_WRITE, error);
    if (!code)
        v->current = s;
    return code;
}

/* Nothing more is written to s; if it is the one that is written to, what it holds is on the device first. */
static levin_code segment_seal(vlog *v, vlog_segment *s, uint64_t sealed_at, levin_error *error)
{
    if (v->current) {
        levin_code code = vlog_sync(v, error);
        if (code)
            return code;
        file_close(&v->active);
        v->current = NULL;
    }
    sync_mutex_lock(&v->mutex);
    s->sealed = true;
    s->sealed_at = sealed_at;
    sync_mutex_unlock(&v->mutex);
    return LEVIN_OK;
}

/* A place for so many bytes in one segment. */
static levin_code segment_for(vlog *v, uint64_t bytes, levin_error *error)
{
    levin_code code = LEVIN_OK;
    if (!v->current)
        code = segment_resume(v, bytes, error);
    if (code || (v->current && (next_offset(v->current) + bytes <= v->segment_bytes ||
                                v->current->end == VLOG_SEGMENT_HEADER_BYTES)))
        return code;
    if (v->current)
        code = segment_seal(v, v->current, v->freezes, error);
    return code ? code : segment_create(v, error);
}

levin_code vlog_seal_mostly_dead(vlog *v, uint32_t live_percent, levin_error *error)
{
    sync_mutex_lock(&v->mutex);
    vlog_segment *s = v->count ? v->segments[v->count - 1] : NULL;
    const uint64_t used = s ? s->end - VLOG_SEGMENT_HEADER_BYTES : 0;
    const bool seals = used && !s->sealed && s->live * 100 < used * live_percent;
    sync_mutex_unlock(&v->mutex);
    /* all that points into it was frozen before, and is counted */
    return seals ? segment_seal(v, s, v->freezes - 1, error) : LEVIN_OK;
}

/* ---- writing ---- */

uint64_t vlog_value_checksum(const vlog *v, uint64_t position, const void *value, size_t bytes)
{
    return checksum(value, bytes, checksum_seed(v->identity, PLACE_VLOG_VALUE, position));
}

uint64_t vlog_write_bytes(const vlog_value *values, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += vlog_record_bytes(values[i].key.size, values[i].value.size);
    return round_up_u64(bytes, VLOG_SECTOR_BYTES);
}

/* Memory for the parts of a write, and for what stands between the values. */
static levin_code scratch_reserve(vlog *v, size_t bytes, levin_error *error)
{
    if (bytes <= v->scratch_bytes)
        return LEVIN_OK;
    uint8_t *bigger = io_alloc(v->io, bytes);
    if (!bigger)
        return error_memory(error, bytes);
    io_free(v->io, v->scratch, v->scratch_bytes);
    v->scratch = bigger;
    v->scratch_bytes = bytes;
    return LEVIN_OK;
}

/* Header and key of a record. Returns what it takes. */
static size_t record_head(const vlog *v, uint8_t *to, const vlog_value *value, uint64_t position, uint64_t sum)
{
    store_u32(to + VLOG_RECORD_MAGIC_AT, VLOG_RECORD_MAGIC);
    store_u32(to + VLOG_RECORD_VALUE_BYTES, (uint32_t)value->value.size);
    store_u16(to + VLOG_RECORD_KEY_BYTES, (uint16_t)value->key.size);
    store_u16(to + VLOG_RECORD_FLAGS, value->keyspace ? VLOG_FLAG_KEYSPACE : 0);
    store_u32(to + VLOG_RECORD_KEYSPACE, value->keyspace);
    store_u64(to + VLOG_RECORD_VALUE_CHECKSUM, sum);
    memcpy(to + VLOG_RECORD_HEADER_BYTES, value->key.data, value->key.size);
    const size_t bytes = VLOG_RECORD_HEADER_BYTES + value->key.size;
    store_u64(to + VLOG_RECORD_CHECKSUM, checksum(to + VLOG_RECORD_MAGIC_AT, bytes - VLOG_RECORD_MAGIC_AT,
                                                  checksum_seed(v->identity, PLACE_VLOG_RECORD, position)));
    return bytes;
}

/*
 * Lays the records out from `offset` on: what stands between two values (the rest of one record, the head of the next)
 * goes to `heads`.  Fills the pointers; returns the number of parts.
 */
static size_t lay_out(const vlog *v, const vlog_value *values, size_t count, uint64_t offset, levin_slice *parts,
                      uint8_t *heads, uint64_t *end)
{
    size_t n = 0;
    uint8_t *from = heads;
    for (size_t i = 0; i < count; i++) {
        const vlog_value *value = &values[i];
        vlog_pointer p = { vlog_position(v->current->number, offset), 0, (uint32_t)value->value.size,
                           (uint16_t)value->key.size };
        p.checksum = vlog_value_checksum(v, p.position, value->value.data, value->value.size);
        vlog_pointer_store(value->pointer, &p);
        heads += record_head(v, heads, value, p.position, p.checksum);
        parts[n++] = (levin_slice){ from, (size_t)(heads - from) };
        parts[n++] = value->value;
        from = heads;
        const uint64_t next = offset + vlog_pointer_record_bytes(&p);
        const size_t padding = (size_t)(next - vlog_value_end(&p));
        memset(heads, 0, padding);
        heads += padding;
        offset = next;
    }
    *end = offset;
    const size_t rest = (size_t)(round_up_u64(offset, VLOG_SECTOR_BYTES) - offset);
    memset(heads, 0, rest);
    parts[n++] = (levin_slice){ from, (size_t)(heads - from) + rest };
    return n - (parts[n - 1].size == 0);
}

levin_code vlog_write(vlog *v, vlog_value *values, size_t count, levin_error *error)
{
    if (v->poisoned)
        return error_set(error, LEVIN_POISONED, NULL,
                         "an earlier sync of the value log failed: close and reopen the store to write");
    const uint64_t bytes = vlog_write_bytes(values, count);
    if (bytes > VLOG_OFFSET_MAX - VLOG_SEGMENT_HEADER_BYTES)
        return error_set(error, LEVIN_TOO_BIG, NULL, "a group of %llu bytes of values is over the limit",
                         (unsigned long long)bytes);
    levin_code code = segment_for(v, bytes, error);
    if (code)
        return code;
    const size_t parts_bytes = (2 * count + 1) * sizeof(levin_slice);
    size_t heads_bytes = VLOG_SECTOR_BYTES;
    for (size_t i = 0; i < count; i++)
        heads_bytes += VLOG_RECORD_HEADER_BYTES + values[i].key.size + VLOG_RECORD_ALIGN;
    code = scratch_reserve(v, parts_bytes + heads_bytes, error);
    if (code)
        return code;
    const uint64_t offset = next_offset(v->current);
    uint64_t end;
    levin_slice *parts = (levin_slice *)(void *)v->scratch; /* io_alloc() aligns to 16 */
    size_t n = lay_out(v, values, count, offset, parts, v->scratch + parts_bytes, &end);
    v->dirty = true; /* also when it fails: a part may have been written */
    code = file_write(&v->active, parts, n, offset, NULL, error);
    if (v->scratch_bytes > VLOG_SCRATCH_KEEP_BYTES) {
        io_free(v->io, v->scratch, v->scratch_bytes);
        v->scratch = NULL;
        v->scratch_bytes = 0;
    }
    if (code)
        return code;
    v->since_freeze += end - offset;
    sync_mutex_lock(&v->mutex);
    v->current->end = end;
    v->counters.written_values += count;
    sync_mutex_unlock(&v->mutex);
    return LEVIN_OK;
}

levin_code vlog_sync(vlog *v, levin_error *error)
{
    if (v->poisoned)
        return error_set(error, LEVIN_POISONED, NULL,
                         "an earlier sync of the value log failed: close and reopen the store to write");
    if (!v->dirty)
        return LEVIN_OK;
    levin_code code = sync_failed(v, file_sync(&v->active, error));
    if (!code)
        v->dirty = false;
    return code;
}

void vlog_freeze(vlog *v)
{
    v->since_freeze = 0;
    v->freezes++;
    sync_mutex_lock(&v->mutex);
    for (size_t i = 0; i < v->count; i++)
        if (v->segments[i]->state == VLOG_COLLECTED)
            v->segments[i]->state = VLOG_LEAVING;
    sync_mutex_unlock(&v->mutex);
}

/* ---- reading ---- */

/* Closes the handle that was idle longest. */
static void handles_trim(vlog *v)
{
    vlog_segment *oldest = NULL;
    if (v->open_files < VLOG_OPEN_FILES_MAX)
        return;
    for (size_t i = 0; i < v->count; i++) {
        vlog_segment *s = v->segments[i];
        if (s->f.handle && !s->users && (!oldest || s->used_at < oldest->used_at))
            oldest = s;
    }
    if (oldest) {
        file_close(&oldest->f);
        v->open_files--;
    }
}

static levin_code bounds_check(const vlog_segment *s, const vlog_pointer *p, levin_error *error)
{
    const uint64_t number = vlog_segment_of(p->position);
    if (!s)
        return error_corrupt(error, vlog_segment_name(number).text, 0, number, 0,
                             "a value is said to stand in a segment of the value log that is not there");
    const uint64_t offset = vlog_offset_of(p->position);
    if (vlog_value_end(p) > s->end)
        return error_corrupt(error, vlog_segment_name(number).text, offset < s->end ? offset : s->end, s->end,
                             vlog_value_end(p), "a value is said to reach past the end of its segment");
    return LEVIN_OK;
}

/* Counts a reader in, with the handle open. */
static levin_code segment_enter(vlog *v, const vlog_pointer *p, vlog_segment **out, levin_error *error)
{
    sync_mutex_lock(&v->mutex);
    vlog_segment *s = vlog_find(v, vlog_segment_of(p->position));
    levin_code code = bounds_check(s, p, error);
    if (!code && !s->f.handle) {
        handles_trim(v);
        code = file_open(&s->f, v->io, v->directory, vlog_segment_name(s->number).text, LEVIN_FILE_VLOG, 0, error);
        if (code == LEVIN_NOT_FOUND)
            code = error_corrupt(error, vlog_segment_name(s->number).text, 0, s->number, 0,
                                 "a segment of the value log is missing");
        v->open_files += !code;
    }
    if (!code) {
        s->users++;
        s->used_at = ++v->clock;
        *out = s;
    }
    sync_mutex_unlock(&v->mutex);
    return code;
}

static void segment_leave(vlog *v, vlog_segment *s)
{
    sync_mutex_lock(&v->mutex);
    s->users--;
    sync_mutex_unlock(&v->mutex);
}

static levin_code value_ends(const file *f, const vlog_pointer *p, size_t at, levin_error *error)
{
    return error_corrupt(error, f->name, vlog_value_offset(p) + at, p->value_bytes, at, "the file ends inside a value");
}

static levin_code value_differs(const file *f, const vlog_pointer *p, uint64_t found, levin_error *error)
{
    return error_corrupt(error, f->name, vlog_value_offset(p), p->checksum, found,
                         "a value of %u bytes does not match its checksum", (unsigned)p->value_bytes);
}

levin_code vlog_read(vlog *v, const vlog_pointer *p, void *buffer, levin_error *error)
{
    vlog_segment *s;
    size_t done;
    levin_code code = segment_enter(v, p, &s, error);
    if (code)
        return code;
    code = file_read(&s->f, buffer, p->value_bytes, vlog_value_offset(p), &done, error);
    if (!code && done < p->value_bytes)
        code = value_ends(&s->f, p, done, error);
    if (!code) {
        const uint64_t found = vlog_value_checksum(v, p->position, buffer, p->value_bytes);
        if (found != p->checksum)
            code = value_differs(&s->f, p, found, error);
    }
    segment_leave(v, s);
    return code;
}

levin_code vlog_verify_in(const vlog *v, file *f, const vlog_pointer *p, levin_error *error)
{
    checksum_stream stream;
    const size_t window_bytes = p->value_bytes < VLOG_WINDOW_BYTES ? p->value_bytes : (size_t)VLOG_WINDOW_BYTES;
    uint8_t *window = io_alloc(v->io, window_bytes);
    levin_code code = window ? LEVIN_OK : error_memory(error, window_bytes);
    checksum_begin(&stream, checksum_seed(v->identity, PLACE_VLOG_VALUE, p->position));
    for (size_t at = 0, done = 0; at < p->value_bytes && !code; at += done) {
        const size_t want = p->value_bytes - at < window_bytes ? p->value_bytes - at : window_bytes;
        code = file_read(f, window, want, vlog_value_offset(p) + at, &done, error);
        if (!code && done < want)
            code = value_ends(f, p, at + done, error);
        if (!code)
            checksum_add(&stream, window, want);
    }
    if (!code) {
        const uint64_t found = checksum_end(&stream);
        if (found != p->checksum)
            code = value_differs(f, p, found, error);
    }
    io_free(v->io, window, window_bytes);
    return code;
}

levin_code vlog_verify(vlog *v, const vlog_pointer *p, levin_error *error)
{
    vlog_segment *s;
    levin_code code = segment_enter(v, p, &s, error);
    if (code)
        return code;
    code = vlog_verify_in(v, &s->f, p, error);
    segment_leave(v, s);
    return code;
}

levin_code vlog_bounds(vlog *v, const vlog_pointer *p, levin_error *error)
{
    sync_mutex_lock(&v->mutex);
    levin_code code = bounds_check(vlog_find(v, vlog_segment_of(p->position)), p, error);
    sync_mutex_unlock(&v->mutex);
    return code;
}

/* ---- the end of a segment ---- */

uint64_t vlog_next_leaving(vlog *v, uint64_t from)
{
    uint64_t number = 0;
    sync_mutex_lock(&v->mutex);
    for (size_t i = segment_index(v, from); i < v->count && !number; i++)
        if (v->segments[i]->state == VLOG_LEAVING)
            number = v->segments[i]->number;
    sync_mutex_unlock(&v->mutex);
    return number;
}

levin_code vlog_remove(vlog *v, uint64_t number, levin_error *error)
{
    sync_mutex_lock(&v->mutex);
    const size_t i = segment_index(v, number);
    vlog_segment *s = vlog_find(v, number);
    if (s) {
        assert(!s->users);
        memmove(v->segments + i, v->segments + i + 1, (v->count - i - 1) * sizeof *v->segments);
        v->count--;
        v->open_files -= s->f.handle != NULL;
        v->counters.collected_segments++;
        v->counters.collected_bytes += s->end;
    }
    sync_mutex_unlock(&v->mutex);
    vlog_segment_free(v, s);
    return file_unlink(v->io, v->directory, vlog_segment_name(number).text, error);
}

/* ---- questions ---- */

void vlog_count(vlog *v, vlog_counters *counters)
{
    sync_mutex_lock(&v->mutex);
    *counters = v->counters;
    counters->segments = v->count;
    counters->bytes = counters->live_bytes = 0;
    for (size_t i = 0; i < v->count; i++) {
        counters->bytes += v->segments[i]->end;
        counters->live_bytes += v->segments[i]->live;
    }
    sync_mutex_unlock(&v->mutex);
}

uint64_t vlog_memory_bytes(vlog *v)
{
    sync_mutex_lock(&v->mutex);
    uint64_t bytes = v->count * sizeof **v->segments + v->capacity * sizeof *v->segments;
    sync_mutex_unlock(&v->mutex);
    return bytes;
}
