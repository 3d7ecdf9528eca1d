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

static bool is_pair(const golden_pair *pair, levin_slice key, levin_slice value)
{
    return key.size == strlen(pair->key) && memcmp(key.data, pair->key, key.size) == 0 && value.data &&
           value.size == pair->bytes && digest_of(value.data, value.size) == pair->digest;
}

static bool compare_iterator(const golden_list *list, levin *store, bool reverse, char text[256])
{
    levin_iter *it;
    size_t n = 0;
    if (levin_iter_open(store, NULL, &it) != LEVIN_OK)
        return snprintf(text, 256, "no iterator"), false;
    bool good = true;
    for (bool on = reverse ? levin_iter_last(it) : levin_iter_first(it); on && good;
         on = reverse ? levin_iter_prev(it) : levin_iter_next(it), n++) {
        levin_slice key = levin_iter_key(it);
        good = n < list->count &&
               is_pair(&list->pairs[reverse ? list->count - 1 - n : n], key, levin_iter_value(it));
        if (!good)
            snprintf(text, 256, "pair %zu, read %s, is not the one expected: key \"%.*s\"", n,
                     reverse ? "backward" : "forward", (int)(key.size < 64 ? key.size : 64), (const char *)key.data);
    }
    levin_code code = levin_iter_status(it);
    levin_iter_close(it);
    if (good && (code != LEVIN_OK || n != list->count)) {
        snprintf(text, 256, "%zu pairs of %zu were read %s, then %s", n, list->count, reverse ? "backward" : "forward",
                 levin_code_name(code));
        good = false;
    }
    return good;
}

bool golden_list_compare(const golden_list *list, levin *store, char text[256])
{
    text[0] = 0;
    for (size_t i = 0; i < list->count; i++) {
        const golden_pair *pair = &list->pairs[i];
        void *value;
        size_t bytes = 0;
        levin_code code = levin_get_alloc(store, NULL, pair->key, strlen(pair->key), &value, &bytes);
        bool same = code == LEVIN_OK && bytes == pair->bytes && digest_of(value, bytes) == pair->digest;
        if (code == LEVIN_OK)
            levin_free(store, value);
        if (!same)
            return snprintf(text, 256, "get \"%s\": %s, %zu bytes of %" PRIu64, pair->key, levin_code_name(code),
                            bytes, pair->bytes), false;
    }
    return compare_iterator(list, store, false, text) && compare_iterator(list, store, true, text);
}
