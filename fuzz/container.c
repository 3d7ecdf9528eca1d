/*
 * container.c - the files of a store as one input (container.h).
 *
 * Invariants: decoding reads no byte outside the input, makes at most CONTAINER_FILES_MAX files of CONTAINER_FILE_MAX
 * bytes and CONTAINER_TOTAL_MAX in all; encoding and decoding again gives the same files.
 * Concurrency: pure functions over their arguments.
 */
#include "container.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/codec.h"
#include "../faults/fatal.h"
#include "fuzz.h"

enum { FILE_HEADER_BYTES = 9, RUN_HEADER_BYTES = 3, ZERO_RUN_MIN = 8, RUN_MAX = 0xffff };
enum { RUN_ZEROS = 0, RUN_BYTES = 1, RUN_REST = 2, RUN_KINDS = 3 };

/* ---- names ------------------------------------------------------------------------------------------------ */

static const char *const fixed_names[FILE_KINDS] = { "pages", "lock", "pages.new", "wal-copy", NULL, NULL,
                                                     "vlog.copy" };
static const char *const prefixes[FILE_KINDS] = { NULL, NULL, NULL, NULL, "wal-", "vlog-", NULL };

void container_name(uint8_t kind, uint32_t number, char name[CONTAINER_NAME_BYTES])
{
    if (container_numbered(kind))
        snprintf(name, CONTAINER_NAME_BYTES, "%s%016x", prefixes[kind], number);
    else
        snprintf(name, CONTAINER_NAME_BYTES, "%s", fixed_names[kind]);
}

bool container_name_parse(const char *name, uint8_t *kind, uint32_t *number)
{
    *number = 0;
    for (uint8_t i = 0; i < FILE_KINDS; i++) {
        *kind = i;
        if (fixed_names[i] && !strcmp(name, fixed_names[i]))
            return true;
        const size_t prefix = prefixes[i] ? strlen(prefixes[i]) : 0;
        char *end;
        if (!prefix || strncmp(name, prefixes[i], prefix) || strlen(name) != prefix + 16)
            continue;
        unsigned long long n = strtoull(name + prefix, &end, 16);
        *number = (uint32_t)n;
        return !*end && n <= UINT32_MAX;
    }
    return false;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

typedef struct reader {
    const uint8_t *at, *end;
    size_t total; /* bytes of all files so far */
} reader;

typedef struct file_header {
    uint8_t kind;
    uint32_t number;
    size_t bytes;
} file_header;

static bool read_header(reader *r, file_header *h)
{
    if ((size_t)(r->end - r->at) < FILE_HEADER_BYTES)
        return false;
    h->kind = r->at[0] % FILE_KINDS;
    h->number = load_u32(r->at + 1);
    h->bytes = load_u32(r->at + 5);
    if (h->bytes > CONTAINER_FILE_MAX)
        h->bytes = CONTAINER_FILE_MAX;
    if (h->bytes > CONTAINER_TOTAL_MAX - r->total)
        h->bytes = CONTAINER_TOTAL_MAX - r->total;
    r->total += h->bytes;
    r->at += FILE_HEADER_BYTES;
    return true;
}

/* The next run of literal bytes of a file whose first `*covered` bytes are known. False: the rest is zeros. */
static bool read_run(reader *r, size_t bytes, size_t *covered, const uint8_t **data, size_t *length)
{
    while (*covered < bytes && r->at < r->end) {
        unsigned tag = *r->at++ % RUN_KINDS;
        if (tag == RUN_REST || r->end - r->at < 2)
            return false;
        size_t n = load_u16(r->at);
        r->at += 2;
        if (n > bytes - *covered)
            n = bytes - *covered;
        if (tag == RUN_BYTES) {
            if (n > (size_t)(r->end - r->at))
                n = (size_t)(r->end - r->at);
            *data = r->at;
            *length = n;
            r->at += n;
            return true;
        }
        *covered += n;
    }
    return false;
}

container_file *container_find(container *c, uint8_t kind, uint32_t number)
{
    for (unsigned i = 0; i < c->count; i++)
        if (c->file[i].kind == kind && (!container_numbered(kind) || c->file[i].number == number))
            return &c->file[i];
    return NULL;
}

void container_decode(container *c, const uint8_t *data, size_t size)
{
    memset(c, 0, sizeof *c);
    c->form = size > 0 ? data[0] & 1 : INPUT_FILES;
    c->script = size > 1 ? data[1] : 0;
    if (size <= CONTAINER_HEADER_BYTES || c->form != INPUT_FILES)
        return;
    reader r = { data + CONTAINER_HEADER_BYTES, data + size, 0 };
    file_header h;
    while (c->count < CONTAINER_FILES_MAX && read_header(&r, &h)) {
        container_file *f = &c->file[c->count++];
        const uint8_t *run;
        size_t covered = 0, length;
        *f = (container_file){ .kind = h.kind, .number = h.number };
        container_resize(f, h.bytes);
        for (; read_run(&r, h.bytes, &covered, &run, &length); covered += length)
            memcpy(f->data + covered, run, length);
    }
}

disk_image *container_image(const uint8_t *data, size_t size)
{
    disk_image *image = disk_image_create();
    disk_image_add(image, 1, true);
    disk_image_link(image, DISK_ROOT, FUZZ_STORE, 1);
    if (size <= CONTAINER_HEADER_BYTES)
        return image;
    reader r = { data + CONTAINER_HEADER_BYTES, data + size, 0 };
    file_header h;
    for (disk_node node = 2; node < 2 + CONTAINER_FILES_MAX && read_header(&r, &h); node++) {
        char name[CONTAINER_NAME_BYTES];
        const uint8_t *run;
        size_t covered = 0, length;
        container_name(h.kind, h.number, name);
        disk_image_add(image, node, false);
        disk_image_resize(image, node, h.bytes);
        for (; read_run(&r, h.bytes, &covered, &run, &length); covered += length)
            disk_image_write(image, node, run, length, covered);
        if (disk_image_lookup(image, 1, name) == DISK_NONE)
            disk_image_link(image, 1, name, node);
    }
    return image;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

void container_resize(container_file *f, size_t bytes)
{
    if (bytes > CONTAINER_FILE_MAX)
        bytes = CONTAINER_FILE_MAX;
    if (bytes > f->capacity || !f->data) {
        f->data = fatal_realloc(f->data, bytes ? bytes : 1);
        f->capacity = bytes;
    }
    if (bytes > f->bytes)
        memset(f->data + f->bytes, 0, bytes - f->bytes);
    f->bytes = bytes;
}

void container_remove(container *c, unsigned index)
{
    free(c->file[index].data);
    memmove(&c->file[index], &c->file[index + 1], (--c->count - index) * sizeof c->file[0]);
}

void container_fini(container *c)
{
    for (unsigned i = 0; i < c->count; i++)
        free(c->file[i].data);
    c->count = 0;
}

/* Zeros from `at` on, up to `end`. */
static size_t zeros_at(const uint8_t *data, size_t at, size_t end)
{
    size_t n = at;
    while (n + 8 <= end && load_u64(data + n) == 0)
        n += 8;
    while (n < end && data[n] == 0)
        n++;
    return n - at;
}

typedef struct writer {
    uint8_t *data;
    size_t used, capacity;
    bool full;
} writer;

static void put_bytes(writer *w, const void *bytes, size_t n)
{
    if (w->full || n > w->capacity - w->used) {
        w->full = true;
        return;
    }
    if (n)
        memcpy(w->data + w->used, bytes, n);
    w->used += n;
}

static void put_run(writer *w, uint8_t tag, const uint8_t *bytes, size_t n)
{
    while (n) {
        uint8_t header[RUN_HEADER_BYTES] = { tag };
        size_t part = n < RUN_MAX ? n : RUN_MAX;
        store_u16(header + 1, (uint16_t)part);
        put_bytes(w, header, sizeof header);
        if (tag == RUN_BYTES) {
            put_bytes(w, bytes, part);
            bytes += part;
        }
        n -= part;
    }
}

static void put_file(writer *w, const container_file *f)
{
    uint8_t header[FILE_HEADER_BYTES] = { f->kind };
    const uint8_t rest = RUN_REST;
    size_t at = 0;
    store_u32(header + 1, f->number);
    store_u32(header + 5, (uint32_t)f->bytes);
    put_bytes(w, header, sizeof header);
    while (at < f->bytes) {
        size_t zeros = zeros_at(f->data, at, f->bytes), literal = at + zeros;
        if (literal == f->bytes) {
            put_bytes(w, &rest, 1);
            return;
        }
        put_run(w, RUN_ZEROS, NULL, zeros);
        at = literal;
        while (literal < f->bytes) {
            const uint8_t *zero = memchr(f->data + literal, 0, f->bytes - literal);
            literal = zero ? (size_t)(zero - f->data) : f->bytes;
            size_t gap = zeros_at(f->data, literal, f->bytes);
            if (gap >= ZERO_RUN_MIN || literal + gap == f->bytes)
                break;
            literal += gap;
        }
        put_run(w, RUN_BYTES, f->data + at, literal - at);
        at = literal;
    }
}

size_t container_encode(const container *c, uint8_t *data, size_t capacity)
{
    writer w = { data, 0, capacity, false };
    const uint8_t header[CONTAINER_HEADER_BYTES] = { c->form, c->script };
    put_bytes(&w, header, sizeof header);
    for (unsigned i = 0; i < c->count; i++)
        put_file(&w, &c->file[i]);
    return w.full ? 0 : w.used;
}

struct gathering {
    container *c;
    const disk_image *image;
};

static int gather_file(void *context, const char *name, disk_node node)
{
    const struct gathering *g = context;
    uint8_t kind;
    uint32_t number;
    if (g->c->count == CONTAINER_FILES_MAX || !container_name_parse(name, &kind, &number))
        return 0;
    container_file *f = &g->c->file[g->c->count++];
    *f = (container_file){ .kind = kind, .number = number };
    container_resize(f, disk_image_size(g->image, node));
    disk_image_read(g->image, node, f->data, f->bytes, 0);
    return 0;
}

void container_from_image(container *c, const disk_image *image)
{
    struct gathering g = { c, image };
    memset(c, 0, sizeof *c);
    disk_image_list(image, disk_image_find(image, FUZZ_STORE), gather_file, &g);
}
