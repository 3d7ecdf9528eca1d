/*
 * stanzas.c - control stanzas: paragraphs of "Field: value" lines, separated by empty lines; the name is the
 * Package field.
 */
#include "stanzas.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "../faults/random.h"

enum { FILE_BYTES_MAX = 256 << 20, NAME_BYTES_MAX = 200, STREAM_STANZAS = 501, INVENTED = 400 };

static int by_name(const void *a, const void *b)
{
    const stanza *x = *(const stanza *const *)a, *y = *(const stanza *const *)b;
    size_t n = x->name.size < y->name.size ? x->name.size : y->name.size;
    int c = memcmp(x->name.data, y->name.data, n);
    if (c == 0)
        c = (x->name.size > y->name.size) - (x->name.size < y->name.size);
    return c ? c : (x > y) - (x < y);
}

/* Keeps the first stanza of each name (a package may be installed for two architectures). */
static void drop_repeated(stanzas *s)
{
    const stanza **sorted = fatal_alloc((s->count + 1) * sizeof *sorted);
    for (size_t i = 0; i < s->count; i++)
        sorted[i] = &s->items[i];
    qsort(sorted, s->count, sizeof *sorted, by_name);
    bool *repeated = fatal_alloc_zeroed(s->count + 1);
    for (size_t i = 1; i < s->count; i++)
        if (sorted[i]->name.size == sorted[i - 1]->name.size &&
            memcmp(sorted[i]->name.data, sorted[i - 1]->name.data, sorted[i]->name.size) == 0)
            repeated[sorted[i] - s->items] = true;
    free(sorted);
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!repeated[i])
            s->items[kept++] = s->items[i];
    s->count = kept;
    free(repeated);
}

static void parse(stanzas *s, size_t bytes)
{
    size_t capacity = 0;
    for (char *at = s->bytes, *end = at + bytes; at < end;) {
        char *stop = memmem(at, (size_t)(end - at), "\n\n", 2);
        char *next = stop ? stop + 2 : end;
        size_t size = (size_t)((stop ? stop + 1 : end) - at);
        static const char field[] = "Package: ";
        char *name = size > sizeof field && !memcmp(at, field, sizeof field - 1)
                         ? at : memmem(at, size, "\nPackage: ", sizeof field);
        if (name) {
            name += (*name == '\n') + sizeof field - 1;
            char *line = memchr(name, '\n', (size_t)(at + size - name));
            size_t name_bytes = (size_t)((line ? line : at + size) - name);
            if (name_bytes > 0 && name_bytes <= NAME_BYTES_MAX) {
                if (s->count == capacity) {
                    capacity = capacity ? capacity * 2 : 256;
                    s->items = fatal_realloc(s->items, capacity * sizeof *s->items);
                }
                s->items[s->count++] = (stanza){ { name, name_bytes }, { at, size } };
            }
        }
        at = next;
    }
}

bool stanzas_load(stanzas *s, const char *path, char *message, size_t capacity)
{
    *s = (stanzas){ 0 };
    FILE *file = fopen(path, "rb");
    if (!file) {
        snprintf(message, capacity, "cannot open %s: %s", path, strerror(errno));
        return false;
    }
    size_t size = 0, room = 1 << 20;
    s->bytes = fatal_alloc(room);
    for (size_t got; (got = fread(s->bytes + size, 1, room - size, file)) > 0;) {
        size += got;
        if (size == room && room < FILE_BYTES_MAX)
            s->bytes = fatal_realloc(s->bytes, room *= 2);
    }
    bool good = !ferror(file);
    if (!good)
        snprintf(message, capacity, "cannot read %s: %s", path, strerror(errno));
    fclose(file);
    if (good) {
        parse(s, size);
        drop_repeated(s);
        good = s->count >= 16;
        if (!good)
            snprintf(message, capacity, "%s holds %zu control stanzas with a Package field; at least 16 are needed",
                     path, s->count);
    }
    if (!good)
        stanzas_free(s);
    return good;
}

void stanzas_invent(stanzas *s, size_t count, uint64_t seed)
{
    static const char *const words[] = { "lib",  "store", "light", "page", "log", "perl", "common", "dev",
                                         "data", "utils", "tree",  "x11",  "doc", "gtk",  "core",   "net" };
    enum { STANZA_BYTES_MAX = 2048, WORDS = sizeof words / sizeof words[0] };
    random_stream random = random_open(seed, STREAM_STANZAS);
    *s = (stanzas){ .items = fatal_alloc(count * sizeof *s->items), .count = count,
                    .bytes = fatal_alloc(count * STANZA_BYTES_MAX) };
    char *at = s->bytes;
    for (size_t i = 0; i < count; i++) {
        char *start = at, *end = start + STANZA_BYTES_MAX, *name = start + strlen("Package: ");
        at += snprintf(at, (size_t)(end - at), "Package: %s%s-%s%zu\n", words[random_below(&random, WORDS)],
                       words[random_below(&random, WORDS)], words[random_below(&random, WORDS)], i);
        size_t name_bytes = (size_t)(at - 1 - name);
        at += snprintf(at, (size_t)(end - at), "Status: install ok installed\nDescription:");
        for (uint64_t n = 10 + random_below(&random, 200); n > 0; n--)
            at += snprintf(at, (size_t)(end - at), " %s", words[random_below(&random, WORDS)]);
        *at++ = '\n';
        s->items[i] = (stanza){ { name, name_bytes }, { start, (size_t)(at - start) } };
    }
}

bool stanzas_named(stanzas *s, const char *path)
{
    char message[400];
    if (!path) {
        stanzas_invent(s, INVENTED, 1);
        return true;
    }
    if (stanzas_load(s, path, message, sizeof message))
        return true;
    fprintf(stderr, "levin-chaos: %s\n", message);
    return false;
}

void stanzas_free(stanzas *s)
{
    free(s->items);
    free(s->bytes);
    *s = (stanzas){ 0 };
}
