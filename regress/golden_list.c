/*
 * golden_list.c - the contents of a golden store: kept in order, as text, and compared with a store.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "golden.h"

static uint64_t digest_of(const void *data, size_t bytes) /* FNV-1a (Fowler, Noll, Vo) */
{
    const unsigned char *at = data;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ at[i]) * 0x100000001b3u;
    return h;
}

/* The first pair at or after key. */
static size_t list_find(const golden_list *list, const char *key)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(list->pairs[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool list_has(const golden_list *list, size_t at, const char *key)
{
    return at < list->count && strcmp(list->pairs[at].key, key) == 0;
}

static void list_set(golden_list *list, const char *key, uint64_t bytes, uint64_t digest)
{
    size_t at = list_find(list, key);
    if (!list_has(list, at, key)) {
        if (list->count == list->capacity) {
            list->capacity = list->capacity ? 2 * list->capacity : 64;
            list->pairs = fatal_realloc(list->pairs, list->capacity * sizeof *list->pairs);
        }
        memmove(list->pairs + at + 1, list->pairs + at, (list->count - at) * sizeof *list->pairs);
        list->count++;
        snprintf(list->pairs[at].key, sizeof list->pairs[at].key, "%s", key);
    }
    list->pairs[at].bytes = bytes;
    list->pairs[at].digest = digest;
}

void golden_list_put(golden_list *list, const char *key, const void *value, size_t bytes)
{
    list_set(list, key, bytes, digest_of(value, bytes));
}

void golden_list_delete(golden_list *list, const char *key)
{
    size_t at = list_find(list, key);
    if (!list_has(list, at, key))
        return;
    list->count--;
    memmove(list->pairs + at, list->pairs + at + 1, (list->count - at) * sizeof *list->pairs);
}

void golden_list_delete_range(golden_list *list, const char *lower, const char *upper)
{
    const size_t from = list_find(list, lower), to = list_find(list, upper);
    memmove(list->pairs + from, list->pairs + to, (list->count - to) * sizeof *list->pairs);
    list->count -= to - from;
}

const char *golden_keyspace_end(const char *key)
{
    return key[0] == '@' ? strchr(key, '/') : NULL;
}

void golden_list_fini(golden_list *list)
{
    free(list->pairs);
    *list = (golden_list){ 0 };
}

bool golden_list_load(golden_list *list, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[256], key[64];
    bool good = file != NULL;
    while (good && fgets(line, sizeof line, file)) {
        uint64_t bytes, digest;
        good = sscanf(line, "%63[^\t]\t%" SCNu64 "\t%" SCNx64 "\n", key, &bytes, &digest) == 3;
        if (good)
            list_set(list, key, bytes, digest);
    }
    good = good && !ferror(file);
    if (file)
        fclose(file);
    return good;
}

bool golden_list_save(const golden_list *list, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    for (size_t i = 0; i < list->count; i++)
        fprintf(file, "%s\t%" PRIu64 "\t%016" PRIx64 "\n", list->pairs[i].key, list->pairs[i].bytes,
                list->pairs[i].digest);
    bool good = !ferror(file);
    return fclose(file) == 0 && good;
}

/* ---- against a store ---- */

/* The pairs of one keyspace, from `from` on: their keys are what follows the first `skip` characters. */
typedef struct part {
    const golden_pair *pairs;
    size_t count, skip;
    levin_keyspace *ks; /* NULL: the default one */
} part;

static bool is_pair(const part *p, size_t at, levin_slice key, levin_slice value)
{
    const golden_pair *pair = &p->pairs[at];
    const char *own = pair->key + p->skip;
    return key.size == strlen(own) && memcmp(key.data, own, key.size) == 0 && value.data &&
           value.size == pair->bytes && digest_of(value.data, value.size) == pair->digest;
}

static bool compare_iterator(const part *p, levin *store, bool reverse, char text[256])
{
    const levin_iter_options o = { .keyspace = p->ks };
    levin_iter *it;
    size_t n = 0;
    if (levin_iter_open(store, &o, &it) != LEVIN_OK)
        return snprintf(text, 256, "no iterator"), false;
    bool good = true;
    for (bool on = reverse ? levin_iter_last(it) : levin_iter_first(it); on && good;
         on = reverse ? levin_iter_prev(it) : levin_iter_next(it), n++) {
        levin_slice key = levin_iter_key(it);
        good = n < p->count && is_pair(p, reverse ? p->count - 1 - n : n, key, levin_iter_value(it));
        if (!good)
            snprintf(text, 256, "pair %zu, read %s, is not the one expected: key \"%.*s\"", n,
                     reverse ? "backward" : "forward", (int)(key.size < 64 ? key.size : 64), (const char *)key.data);
    }
    levin_code code = levin_iter_status(it);
    levin_iter_close(it);
    if (good && (code != LEVIN_OK || n != p->count)) {
        snprintf(text, 256, "%zu pairs of %zu were read %s, then %s", n, p->count, reverse ? "backward" : "forward",
                 levin_code_name(code));
        good = false;
    }
    return good;
}

static bool compare_gets(const part *p, levin *store, char text[256])
{
    for (size_t i = 0; i < p->count; i++) {
        const golden_pair *pair = &p->pairs[i];
        const char *own = pair->key + p->skip;
        void *value;
        size_t bytes = 0;
        levin_code code = levin_get_alloc_in(store, p->ks, NULL, own, strlen(own), &value, &bytes);
        bool same = code == LEVIN_OK && bytes == pair->bytes && digest_of(value, bytes) == pair->digest;
        if (code == LEVIN_OK)
            levin_free(store, value);
        if (!same)
            return snprintf(text, 256, "get \"%s\": %s, %zu bytes of %" PRIu64, pair->key, levin_code_name(code),
                            bytes, pair->bytes), false;
    }
    return true;
}

/* The keyspaces are listed in the order in which they stand in the list. */
typedef struct listing {
    const golden_list *list;
    size_t at; /* of the next one expected */
} listing;

static bool is_keyspace(const golden_pair *pair)
{
    const char *end = golden_keyspace_end(pair->key);
    return end && !end[1];
}

static void listing_seek(listing *l)
{
    while (l->at < l->list->count && !is_keyspace(&l->list->pairs[l->at]))
        l->at++;
}

static bool listed(void *context, levin_slice name)
{
    listing *l = context;
    listing_seek(l);
    if (l->at == l->list->count)
        return false;
    const char *key = l->list->pairs[l->at++].key;
    return name.size == strlen(key) - 2 && memcmp(name.data, key + 1, name.size) == 0;
}

static bool compare_names(const golden_list *list, levin *store, char text[256])
{
    listing l = { list, 0 };
    levin_code code = levin_keyspace_list(store, NULL, listed, &l);
    listing_seek(&l);
    if (code == LEVIN_OK && l.at == list->count)
        return true;
    return snprintf(text, 256, "the keyspaces are not those expected: %s", levin_code_name(code)), false;
}

/* The pairs from `at` on that belong together. */
static bool part_at(const golden_list *list, size_t at, levin *store, part *p)
{
    const char *key = list->pairs[at].key, *end = golden_keyspace_end(key);
    *p = (part){ .pairs = &list->pairs[at], .skip = end ? (size_t)(end - key) + 1 : 0 };
    if (end) {
        p->pairs++;
        at++;
        if (levin_keyspace_open(store, key + 1, p->skip - 2, 0, &p->ks) != LEVIN_OK)
            return false;
    }
    while (at < list->count && (end ? strncmp(list->pairs[at].key, key, p->skip) == 0
                                    : golden_keyspace_end(list->pairs[at].key) == NULL))
        p->count++, at++;
    return true;
}

bool golden_list_compare(const golden_list *list, levin *store, char text[256])
{
    part p = { .pairs = list->pairs };
    text[0] = 0;
    bool good = compare_names(list, store, text), plain = false;
    for (size_t at = 0; at < list->count && good; at = (size_t)(p.pairs - list->pairs) + p.count) {
        if (!part_at(list, at, store, &p))
            return snprintf(text, 256, "%s cannot be opened", list->pairs[at].key), false;
        plain |= !p.ks;
        good = compare_gets(&p, store, text) && compare_iterator(&p, store, false, text) &&
               compare_iterator(&p, store, true, text);
        levin_keyspace_close(p.ks);
    }
    const part none = { .pairs = list->pairs };
    return good && (plain || compare_iterator(&none, store, false, text));
}
