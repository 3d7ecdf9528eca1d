/*
 * store_damage.c - the sectors, pages and pairs of files that can be damaged, and one damage done.
 *
 * Everything is listed once, when the damages are made: sectors that are not zero, pages that differ from before,
 * pairs of files of the same kind.  A damage is a place in one of these lists.
 */
#include "store_damage.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../faults/fatal.h"
#include "../faults/random.h"
#include "directory.h"

enum { SECTOR = 512, PAGE = 4096, PAGE_TRIES = 1000 };

typedef struct place {
    uint32_t file;
    uint64_t offset;
} place;

typedef struct place_list {
    place *items;
    size_t count, capacity;
} place_list;

typedef struct pair {
    uint32_t a, b;
} pair;

struct store_damages {
    directory_list files;
    uint8_t **bytes;         /* of each file */
    uint8_t **old;           /* as they were; NULL: it was not there */
    uint64_t *old_bytes;
    place_list sectors;      /* not zero */
    place_list pages;        /* the same, whole pages or the rest of a file */
    place_list stale;        /* pages that differ from before */
    pair *pairs;
    size_t pair_count;
};

const char *store_damage_word(store_damage_kind kind)
{
    static const char *const words[] = {
#define STORE_DAMAGE_WORD(name, word, text) word,
        STORE_DAMAGES(STORE_DAMAGE_WORD)
#undef STORE_DAMAGE_WORD
    };
    return words[kind];
}

const char *store_damage_text(store_damage_kind kind)
{
    static const char *const texts[] = {
#define STORE_DAMAGE_TEXT(name, word, text) text,
        STORE_DAMAGES(STORE_DAMAGE_TEXT)
#undef STORE_DAMAGE_TEXT
    };
    return texts[kind];
}

bool store_damage_kind_parse(const char *word, store_damage_kind *kind)
{
    for (int k = 0; k < STORE_DAMAGE_KINDS; k++)
        if (strcmp(word, store_damage_word((store_damage_kind)k)) == 0) {
            *kind = (store_damage_kind)k;
            return true;
        }
    return false;
}

/* ---- lists ---- */

static void place_add(place_list *l, uint32_t file, uint64_t offset)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 256;
        l->items = fatal_realloc(l->items, l->capacity * sizeof *l->items);
    }
    l->items[l->count++] = (place){ file, offset };
}

static bool is_zero(const uint8_t *bytes, uint64_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

static uint64_t rest(uint64_t size, uint64_t offset, uint64_t unit)
{
    return size - offset < unit ? size - offset : unit;
}

bool store_damage_is_data(const char *name)
{
    static const char *const others[] = { "lock", "LOCK", "*.lock", "lock.mdb", "LOG", "LOG.old*", "__db.*" };
    const char *base = strrchr(name, '/');
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (fnmatch(others[i], base ? base + 1 : name, 0) == 0)
            return false;
    return true;
}

/* What of a page is otherwise than before, where a place that was not there was zero. */
static bool differs(const store_damages *d, uint32_t file, uint64_t offset)
{
    const uint64_t n = rest(d->files.files[file].size, offset, PAGE), old_size = d->old[file] ? d->old_bytes[file] : 0;
    uint8_t before[PAGE] = { 0 };
    if (offset < old_size)
        memcpy(before, d->old[file] + offset, rest(old_size, offset, PAGE));
    return memcmp(before, d->bytes[file] + offset, n) != 0;
}

static void file_list(store_damages *d, uint32_t file)
{
    const uint64_t size = d->files.files[file].size;
    for (uint64_t at = 0; at < size; at += SECTOR)
        if (!is_zero(d->bytes[file] + at, rest(size, at, SECTOR)))
            place_add(&d->sectors, file, at);
    for (uint64_t at = 0; at < size; at += PAGE) {
        if (is_zero(d->bytes[file] + at, rest(size, at, PAGE)))
            continue;
        place_add(&d->pages, file, at);
        if (differs(d, file, at))
            place_add(&d->stale, file, at);
    }
}

/* "000012.sst" and "000015.sst" are of a kind: the same but for digits. */
static bool same_kind(const char *a, const char *b)
{
    static const char digits[] = "0123456789";
    bool numbered = false;
    while (*a || *b) {
        const size_t in_a = strspn(a, digits), in_b = strspn(b, digits);
        if ((in_a == 0) != (in_b == 0))
            return false;
        numbered = numbered || in_a;
        a += in_a;
        b += in_b;
        if (in_a == 0 && *a++ != *b++)
            return false;
    }
    return numbered;
}

static void pairs_list(store_damages *d)
{
    for (uint32_t a = 0; a < d->files.count; a++)
        for (uint32_t b = a + 1; b < d->files.count; b++) {
            const directory_file *x = &d->files.files[a], *y = &d->files.files[b];
            if (!store_damage_is_data(x->name) || !store_damage_is_data(y->name) || !same_kind(x->name, y->name) ||
                is_zero(d->bytes[a], x->size) || is_zero(d->bytes[b], y->size) ||
                (x->size == y->size && memcmp(d->bytes[a], d->bytes[b], x->size) == 0))
                continue;
            d->pairs = fatal_realloc(d->pairs, (d->pair_count + 1) * sizeof *d->pairs);
            d->pairs[d->pair_count++] = (pair){ a, b };
        }
}

/*
 * The bytes of a file in a shared mapping: each trial is a fork, which copies the tables of private memory, needed or
 * not (three quarters of a trial's time, before).  NULL when the file cannot be read.
 */
static uint8_t *file_map(const char *directory, const char *name, uint64_t *bytes)
{
    uint8_t *read = directory_file_read(directory, name, bytes);
    if (!read)
        return NULL;
    uint8_t *data = mmap(NULL, *bytes + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        fatal("no memory for %s: %s", name, strerror(errno));
    memcpy(data, read, *bytes);
    free(read);
    return data;
}

static void file_unmap(uint8_t *data, uint64_t bytes)
{
    if (data)
        munmap(data, bytes + 1);
}

store_damages *store_damages_create(const char *now, const char *before)
{
    store_damages *d = fatal_alloc_zeroed(sizeof *d);
    if (!directory_list_make(now, &d->files)) {
        store_damages_destroy(d);
        return NULL;
    }
    d->bytes = fatal_alloc_zeroed((d->files.count + 1) * sizeof *d->bytes);
    d->old = fatal_alloc_zeroed((d->files.count + 1) * sizeof *d->old);
    d->old_bytes = fatal_alloc_zeroed((d->files.count + 1) * sizeof *d->old_bytes);
    for (uint32_t i = 0; i < d->files.count; i++) {
        directory_file *f = &d->files.files[i];
        d->bytes[i] = file_map(now, f->name, &f->size);
        if (!d->bytes[i]) {
            store_damages_destroy(d);
            return NULL;
        }
        d->old[i] = file_map(before, f->name, &d->old_bytes[i]);
        if (store_damage_is_data(f->name))
            file_list(d, i);
    }
    pairs_list(d);
    return d;
}

void store_damages_destroy(store_damages *d)
{
    for (size_t i = 0; i < d->files.count && d->bytes; i++) {
        file_unmap(d->bytes[i], d->files.files[i].size);
        file_unmap(d->old ? d->old[i] : NULL, d->old ? d->old_bytes[i] : 0);
    }
    directory_list_free(&d->files);
    free(d->bytes);
    free(d->old);
    free(d->old_bytes);
    free(d->sectors.items);
    free(d->pages.items);
    free(d->stale.items);
    free(d->pairs);
    free(d);
}

void store_damages_size(const store_damages *d, uint64_t *files, uint64_t *bytes)
{
    *files = d->files.count;
    *bytes = 0;
    for (size_t i = 0; i < d->files.count; i++)
        *bytes += d->files.files[i].size;
}

static void digest_add(XXH3_state_t *h, const uint8_t *bytes, uint64_t count)
{
    XXH3_64bits_update(h, &count, sizeof count);
    if (bytes)
        XXH3_64bits_update(h, bytes, count);
}

uint64_t store_damages_digest(const store_damages *d)
{
    XXH3_state_t h;
    XXH3_INITSTATE(&h);
    XXH3_64bits_reset(&h);
    for (size_t i = 0; i < d->files.count; i++) {
        const directory_file *f = &d->files.files[i];
        if (!store_damage_is_data(f->name))
            continue;
        digest_add(&h, (const uint8_t *)f->name, strlen(f->name));
        digest_add(&h, d->bytes[i], f->size);
        digest_add(&h, d->old[i], d->old[i] ? d->old_bytes[i] : UINT64_MAX); /* not there is not empty */
    }
    return XXH3_64bits_digest(&h);
}

uint64_t store_damages_count(const store_damages *d, store_damage_kind kind)
{
    switch (kind) {
    case STORE_SWAPPED: return d->pair_count;
    case STORE_STALE: return d->stale.count;
    case STORE_MISDIRECTED: return d->pages.count > 1 ? UINT64_MAX : 0;
    default: return d->sectors.count ? UINT64_MAX : 0;
    }
}

/* ---- one damage ---- */

static bool file_write(const char *directory, const char *name, uint64_t offset, const void *bytes, size_t count)
{
    char path[DIRECTORY_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    const bool good = file >= 0 && pwrite(file, bytes, count, (off_t)offset) == (ssize_t)count;
    if (file >= 0)
        close(file);
    return good;
}

static bool do_flip(const store_damages *d, random_stream *r, const char *directory, char *description)
{
    const place p = d->sectors.items[random_below(r, d->sectors.count)];
    const directory_file *f = &d->files.files[p.file];
    const uint64_t at = p.offset + random_below(r, rest(f->size, p.offset, SECTOR));
    const unsigned bit = (unsigned)random_below(r, 8);
    const uint8_t byte = d->bytes[p.file][at] ^ (uint8_t)(1u << bit);
    snprintf(description, STORE_DAMAGE_DESCRIPTION_BYTES, "bit %u of byte %llu of %.200s", bit, (unsigned long long)at,
             f->name);
    return file_write(directory, f->name, at, &byte, 1);
}

static bool do_zero(const store_damages *d, random_stream *r, const char *directory, char *description)
{
    static const uint8_t zeros[SECTOR];
    const place p = d->sectors.items[random_below(r, d->sectors.count)];
    const directory_file *f = &d->files.files[p.file];
    snprintf(description, STORE_DAMAGE_DESCRIPTION_BYTES, "the sector at %llu of %.200s zeroed",
             (unsigned long long)p.offset, f->name);
    return file_write(directory, f->name, p.offset, zeros, rest(f->size, p.offset, SECTOR));
}

static bool do_cut(const store_damages *d, random_stream *r, const char *directory, char *description)
{
    char path[DIRECTORY_PATH_BYTES];
    const place p = d->sectors.items[random_below(r, d->sectors.count)];
    const directory_file *f = &d->files.files[p.file];
    /* anywhere in the sector, so that at least a part of it is lost */
    const uint64_t at = p.offset + random_below(r, rest(f->size, p.offset, SECTOR));
    snprintf(path, sizeof path, "%s/%s", directory, f->name);
    snprintf(description, STORE_DAMAGE_DESCRIPTION_BYTES, "%.200s cut to %llu of %llu bytes", f->name,
             (unsigned long long)at, (unsigned long long)f->size);
    return truncate(path, (off_t)at) == 0;
}

static bool do_misdirected(const store_damages *d, random_stream *r, const char *directory, char *description)
{
    for (int i = 0; i < PAGE_TRIES; i++) {
        const size_t at = random_below(r, d->pages.count);
        size_t first = at, behind = at + 1; /* the places of that file stand together */
        const place to = d->pages.items[at];
        while (first > 0 && d->pages.items[first - 1].file == to.file)
            first--;
        while (behind < d->pages.count && d->pages.items[behind].file == to.file)
            behind++;
        const place from = d->pages.items[first + random_below(r, behind - first)];
        const directory_file *f = &d->files.files[to.file];
        const uint64_t n = rest(f->size, to.offset, PAGE), m = rest(f->size, from.offset, PAGE);
        if (from.offset == to.offset || m < n ||
            memcmp(d->bytes[to.file] + from.offset, d->bytes[to.file] + to.offset, n) == 0)
            continue;
        snprintf(description, STORE_DAMAGE_DESCRIPTION_BYTES, "%llu bytes of %llu at %llu of %.200s",
                 (unsigned long long)n, (unsigned long long)from.offset, (unsigned long long)to.offset, f->name);
        return file_write(directory, f->name, to.offset, d->bytes[to.file] + from.offset, n);
    }
    snprintf(description, STORE_DAMAGE_DESCRIPTION_BYTES, "nothing: no two places of a file that differ were drawn");
    return true;
}

static bool do_stale(const store_damages *d, uint64_t number, const char *directory, char *description)
{
    const place p = d->stale.items[number];
    const directory_file *f = &d->files.files[p.file];
    const uint64_t n = rest(f->size, p.offset, PAGE), old_size = d->old[p.file] ? d->old_bytes[p.file] : 0;
    uint8_t before[PAGE] = { 0 };
    if (p.offset < old_size)
        memcpy(before, d->old[p.file] + p.offset, rest(old_size, p.offset, PAGE));
    snprintf(description, STORE_DAMAGE_DESCRIPTION_BYTES, "%llu bytes at %llu of %.200s as they were before%s",
             (unsigned long long)n, (unsigned long long)p.offset, f->name,
             p.offset < old_size ? "" : " (nothing was there: zeros)");
    return file_write(directory, f->name, p.offset, before, n);
}

static bool do_swapped(const store_damages *d, uint64_t number, const char *directory, char *description)
{
    char a[DIRECTORY_PATH_BYTES], b[DIRECTORY_PATH_BYTES], between[DIRECTORY_PATH_BYTES];
    const pair p = d->pairs[number];
    snprintf(a, sizeof a, "%s/%s", directory, d->files.files[p.a].name);
    snprintf(b, sizeof b, "%s/%s", directory, d->files.files[p.b].name);
    snprintf(between, sizeof between, "%s/swapping", directory);
    snprintf(description, STORE_DAMAGE_DESCRIPTION_BYTES, "%.140s and %.140s swapped", d->files.files[p.a].name,
             d->files.files[p.b].name);
    return rename(a, between) == 0 && rename(b, a) == 0 && rename(between, b) == 0;
}

static uint64_t divisor(uint64_t a, uint64_t b)
{
    return b ? divisor(b, a % b) : a;
}

/* Distinct places in an order drawn by the seed: steps of a length that shares no factor with the count. */
static uint64_t permuted(uint64_t seed, uint64_t number, uint64_t count)
{
    random_stream r = random_open(seed, count);
    uint64_t step = 1 + random_below(&r, count);
    while (divisor(step, count) != 1)
        step++;
    return (random_below(&r, count) + number % count * step) % count;
}

bool store_damage_do(const store_damages *d, store_damage_kind kind, uint64_t seed, uint64_t number,
                     const char *directory, char description[STORE_DAMAGE_DESCRIPTION_BYTES])
{
    random_stream r = random_open(random_mix(seed) + (uint64_t)kind, number);
    switch (kind) {
    case STORE_FLIP: return do_flip(d, &r, directory, description);
    case STORE_ZERO: return do_zero(d, &r, directory, description);
    case STORE_CUT: return do_cut(d, &r, directory, description);
    case STORE_MISDIRECTED: return do_misdirected(d, &r, directory, description);
    case STORE_STALE: return do_stale(d, permuted(seed, number, d->stale.count), directory, description);
    default: return do_swapped(d, permuted(seed, number, d->pair_count), directory, description);
    }
}
