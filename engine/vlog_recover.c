/*
 * vlog_recover.c - the value log at an open: segments found again, values of the replayed log judged and secured.
 *
 * A pointer that the log proves durable has its value on the device: if the segment is missing or too short, that is
 * damage.  Any other value may be missing, torn, or, after a failed sync, only in the page cache: it is read, and if it
 * is not whole the log ends before its group.  What is accepted so is not trusted to be on the device: its segment is
 * copied to a new file up to its end, each of these values is verified in the copy, the copy is synced and renamed over
 * the segment.  (Written again in place, a power cut could destroy a sector, and with it an acknowledged value.)
 *
 * A read that goes wrong once does no lasting harm: what looks damaged is read again before the log ends there, and
 * what is copied is read twice and compared.
 *
 * Invariants: nothing on disk changes before the replay has succeeded.  No damaged number decides about memory.
 * Concurrency: the thread that opens the store.
 * Crash safety: a crash on the way leaves the old segment or the copy, which hold the same values.
 */
#include <string.h>

#include "vlog.h"

enum { UNPROVEN_FIRST = 64, READ_ATTEMPTS = 2 };

static levin_code missing(uint64_t number, levin_error *error)
{
    return error_corrupt(error, vlog_segment_name(number).text, 0, number, 0,
                         "a segment of the value log is missing");
}

levin_code vlog_adopt(vlog *v, uint64_t number, uint64_t end, uint64_t live, levin_error *error)
{
    uint64_t file_bytes = 0;
    uint32_t version = 0;
    levin_code code = vlog_segment_inspect(v, number, &file_bytes, &version, error);
    if (code == LEVIN_NOT_FOUND)
        code = missing(number, error);
    if (!code && file_bytes < end)
        code = error_corrupt(error, vlog_segment_name(number).text, file_bytes, end, file_bytes,
                             "a segment of the value log is cut short");
    if (code)
        return code;
    vlog_segment *s = vlog_segment_make(v, number);
    if (!s)
        return error_memory(error, sizeof *s);
    s->end = end < VLOG_SEGMENT_HEADER_BYTES ? VLOG_SEGMENT_HEADER_BYTES : end;
    s->live = live;
    s->file_bytes = file_bytes;
    s->version = version;
    vlog_segment_add(v, s);
    return LEVIN_OK;
}

static levin_code unproven_add(vlog *v, const vlog_pointer *p, levin_error *error)
{
    if (v->unproven_count == v->unproven_capacity) {
        const size_t capacity = v->unproven_capacity ? 2 * v->unproven_capacity : UNPROVEN_FIRST;
        vlog_pointer *bigger = io_alloc(v->io, capacity * sizeof *bigger);
        if (!bigger)
            return error_memory(error, capacity * sizeof *bigger);
        if (v->unproven_count)
            memcpy(bigger, v->unproven, v->unproven_count * sizeof *bigger);
        io_free(v->io, v->unproven, v->unproven_capacity * sizeof *bigger);
        v->unproven = bigger;
        v->unproven_capacity = capacity;
    }
    v->unproven[v->unproven_count++] = *p;
    return LEVIN_OK;
}

/* Whether the value is there, of a pointer that is LEVIN_CORRUPT otherwise. */
static levin_code replay_value(vlog *v, const vlog_pointer *p, bool proven, levin_error *error)
{
    const uint64_t number = vlog_segment_of(p->position);
    vlog_segment *s = vlog_find(v, number);
    levin_code code = LEVIN_OK;
    if (!s) {
        code = vlog_adopt(v, number, VLOG_SEGMENT_HEADER_BYTES, 0, error);
        s = code ? NULL : vlog_find(v, number);
    }
    if (!code && proven && vlog_value_end(p) > s->file_bytes)
        code = error_corrupt(error, vlog_segment_name(number).text, s->file_bytes, vlog_value_end(p), s->file_bytes,
                             "a segment of the value log is cut short");
    const uint64_t end = s ? s->end : 0;
    if (!code && vlog_value_end(p) > s->end)
        s->end = vlog_value_end(p);
    if (!code && !proven) {
        code = vlog_value_end(p) > s->file_bytes
                   ? error_corrupt(error, vlog_segment_name(number).text, s->file_bytes, vlog_value_end(p),
                                   s->file_bytes, "a segment of the value log is cut short")
                   : vlog_verify(v, p, error);
        if (!code)
            code = unproven_add(v, p, error);
    }
    if (code && s)
        s->end = end;
    return code;
}

levin_code vlog_replay(vlog *v, const vlog_pointer *p, bool proven, bool *there, levin_error *error)
{
    levin_code code = LEVIN_CORRUPT;
    *there = true;
    for (unsigned attempt = 0; attempt < READ_ATTEMPTS && code == LEVIN_CORRUPT; attempt++)
        code = replay_value(v, p, proven, error);
    if (code == LEVIN_CORRUPT && !proven) {
        *there = false;
        return LEVIN_OK;
    }
    return code;
}

void vlog_replay_forget(vlog *v, size_t keep)
{
    v->unproven_count = keep;
}

/* ---- copies ---- */

static levin_code read_part(file *f, void *window, size_t want, uint64_t at, uint64_t end, levin_error *error)
{
    size_t done = 0;
    levin_code code = file_read(f, window, want, at, &done, error);
    if (!code && done < want)
        code = error_corrupt(error, f->name, at + done, end, at + done,
                             "a segment of the value log became shorter while it was copied");
    return code;
}

/* The values that were not proven are verified later (verify_copy()); all bytes must be those of a second read. */
static levin_code copy_bytes(vlog *v, file *from, file *to, uint64_t bytes, levin_error *error)
{
    const size_t both = 2 * (size_t)VLOG_WINDOW_BYTES;
    uint8_t *window = io_alloc(v->io, both);
    levin_code code = window ? LEVIN_OK : error_memory(error, both);
    for (uint64_t at = 0; at < bytes && !code;) {
        const size_t want = bytes - at < VLOG_WINDOW_BYTES ? (size_t)(bytes - at) : (size_t)VLOG_WINDOW_BYTES;
        const levin_slice part = { window, want };
        code = read_part(from, window, want, at, bytes, error);
        if (!code)
            code = read_part(from, window + VLOG_WINDOW_BYTES, want, at, bytes, error);
        if (!code && memcmp(window, window + VLOG_WINDOW_BYTES, want) != 0)
            code = error_corrupt(error, from->name, at, 0, 0,
                                 "a segment of the value log changed between two reads");
        if (!code)
            code = file_write(to, &part, 1, at, NULL, error);
        at += want;
    }
    io_free(v->io, window, both);
    return code;
}

/* The values that were accepted, as they stand in the copy. */
static levin_code verify_copy(vlog *v, file *copy, uint64_t number, levin_error *error)
{
    levin_code code = LEVIN_OK;
    for (size_t i = 0; i < v->unproven_count && !code; i++)
        if (vlog_segment_of(v->unproven[i].position) == number)
            code = vlog_verify_in(v, copy, &v->unproven[i], error);
    return code;
}

static levin_code replace_segment(vlog *v, vlog_segment *s, levin_error *error)
{
    const vlog_name name = vlog_segment_name(s->number);
    file from = { 0 }, copy = { 0 };
    /* a crash may have left one, also as a second name of a segment: never written to, only unlinked */
    levin_code code = file_unlink(v->io, v->directory, VLOG_COPY_NAME, error);
    if (!code)
        code = file_open(&from, v->io, v->directory, name.text, LEVIN_FILE_VLOG, 0, error);
    if (!code)
        code = file_open(&copy, v->io, v->directory, VLOG_COPY_NAME, LEVIN_FILE_VLOG,
                         LEVIN_IO_WRITE | LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE, error);
    if (!code)
        code = copy_bytes(v, &from, &copy, s->end, error);
    if (!code)
        code = verify_copy(v, &copy, s->number, error);
    if (!code)
        code = file_sync(&copy, error);
    if (!code)
        code = file_rename(v->io, v->directory, VLOG_COPY_NAME, name.text, error);
    if (!code)
        code = file_sync_dir(v->io, v->directory, error);
    file_close(&from);
    file_close(&copy);
    if (s->f.handle) { /* of the file that was replaced */
        file_close(&s->f);
        v->open_files--;
    }
    s->file_bytes = s->end;
    return code;
}

levin_code vlog_replay_secure(vlog *v, levin_error *error)
{
    levin_code code = LEVIN_OK;
    for (size_t i = 0; i < v->count && !code; i++) {
        bool some = false;
        for (size_t j = 0; j < v->unproven_count && !some; j++)
            some = vlog_segment_of(v->unproven[j].position) == v->segments[i]->number;
        if (some)
            code = replace_segment(v, v->segments[i], error);
    }
    return code;
}

/* ---- what is left over ---- */

typedef struct leftovers {
    vlog *v;
    uint64_t above;   /* those up to this one were seen to */
    uint64_t number;  /* of the next, to be removed; 0: none was found */
    uint64_t highest; /* of all */
    bool copy;
} leftovers;

static int leftover_entry(void *context, const char *name)
{
    leftovers *l = context;
    const uint64_t number = vlog_name_number(name);
    if (strcmp(name, VLOG_COPY_NAME) == 0)
        l->copy = true;
    if (number > l->highest)
        l->highest = number;
    if (number > l->above && (!l->number || number < l->number) && !vlog_find(l->v, number))
        l->number = number;
    return 0;
}

levin_code vlog_tidy(vlog *v, uint64_t next, bool read_only, vlog_spare_segment spare, void *context,
                     levin_error *error)
{
    leftovers l = { .v = v };
    levin_code code = LEVIN_OK;
    io_free(v->io, v->unproven, v->unproven_capacity * sizeof *v->unproven);
    v->unproven = NULL;
    v->unproven_count = v->unproven_capacity = 0;
    do { /* a directory is not changed while it is listed */
        l.number = 0;
        l.copy = false;
        int failed = v->io->list(v->io->context, v->directory, leftover_entry, &l);
        if (failed)
            return error_os(error, failed, "listing", v->directory);
        l.above = l.number;
        if (l.number && !read_only && spare)
            code = spare(context, l.number, error);
        else if (l.number && !read_only)
            code = file_unlink(v->io, v->directory, vlog_segment_name(l.number).text, error);
        if (l.copy && !read_only && !code)
            code = file_unlink(v->io, v->directory, VLOG_COPY_NAME, error);
    } while (l.number && !read_only && !code);
    for (size_t i = 0; i + 1 < v->count; i++)
        v->segments[i]->sealed = true; /* the last one may be written to again */
    v->next_number = l.highest + 1 > next ? l.highest + 1 : next;
    if (v->next_number == 0)
        v->next_number = 1;
    return code;
}
