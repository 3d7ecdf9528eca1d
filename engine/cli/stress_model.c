/*
 * stress_model.c - keys, values and legal answers of the stress run, as functions of numbers; see stress.h.
 *
 * Concurrency: floors and ceilings are atomic; everything else never changes after stress_model_init().
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

enum {
    GROUPS_OF_ALL = 8,        /* one key in so many belongs to a group */
    ABSENT_OF_ALL = 5,        /* one version in so many is a delete */
    LONG_KEY_OF_ALL = 64,     /* one single key in so many is long */
    LONG_KEY_BYTES = 120,
    VERSIONS_LOOKED_AT = 256  /* a wider interval holds a delete for certain enough */
};

bool stress_model_init(stress_model *m, const stress_options *o)
{
    *m = (stress_model){ .seed = o->seed, .threads = o->threads, .value_max = o->value_max };
    m->groups = o->keys / GROUPS_OF_ALL / STRESS_GROUP_KEYS;
    m->singles = o->keys - m->groups * STRESS_GROUP_KEYS;
    m->units = m->groups + m->singles;
    m->keys = o->keys;
    m->floor = calloc(m->units, sizeof *m->floor);
    m->ceiling = calloc(m->units, sizeof *m->ceiling);
    return m->floor && m->ceiling;
}

void stress_model_fini(stress_model *m)
{
    free(m->floor);
    free(m->ceiling);
}

static uint64_t hash(const stress_model *m, uint64_t what, uint64_t a, uint64_t b)
{
    return random_mix(random_mix(m->seed * 0x9e3779b97f4a7c15u + what) + (a << 32 | b));
}

uint32_t stress_unit(const stress_model *m, uint32_t key)
{
    uint32_t members = m->groups * STRESS_GROUP_KEYS;
    return key < members ? key % m->groups : m->groups + (key - members);
}

unsigned stress_unit_keys(const stress_model *m, uint32_t unit, uint32_t keys[STRESS_GROUP_KEYS])
{
    if (unit >= m->groups) {
        keys[0] = m->groups * STRESS_GROUP_KEYS + (unit - m->groups);
        return 1;
    }
    for (unsigned i = 0; i < STRESS_GROUP_KEYS; i++)
        keys[i] = i * m->groups + unit;
    return STRESS_GROUP_KEYS;
}

size_t stress_key(const stress_model *m, uint32_t key, char text[STRESS_KEY_MAX])
{
    uint32_t members = m->groups * STRESS_GROUP_KEYS;
    if (key < members)
        return (size_t)snprintf(text, STRESS_KEY_MAX, "g%u-%08u", key / m->groups, key % m->groups);
    size_t bytes = (size_t)snprintf(text, STRESS_KEY_MAX, "s%08u", key - members);
    if (hash(m, 1, key, 0) % LONG_KEY_OF_ALL == 0) {
        memset(text + bytes, '.', LONG_KEY_BYTES - bytes);
        bytes = LONG_KEY_BYTES;
        text[bytes] = 0;
    }
    return bytes;
}

bool stress_absent(const stress_model *m, uint32_t unit, uint32_t version)
{
    return version == 0 || hash(m, 2, unit, version) % ABSENT_OF_ALL == 0;
}

/* Most are short, some a page or more, a few up to the longest. */
static size_t value_bytes(const stress_model *m, uint32_t key, uint32_t version)
{
    uint64_t h = hash(m, 3, key, version);
    uint32_t kind = (uint32_t)(h % 1000);
    uint32_t bound = kind < 800 ? 200 : kind < 950 ? 2000 : kind < 995 ? 16000 : m->value_max;
    if (bound > m->value_max)
        bound = m->value_max;
    return 8 + (size_t)((h >> 32) * (bound - 7) >> 32);
}

/* Byte i of a value after its version is byte i % 8 of this number. */
static uint64_t value_word(uint64_t base, size_t i)
{
    return random_mix(base + i);
}

size_t stress_value(const stress_model *m, uint32_t key, uint32_t version, uint8_t *value)
{
    size_t bytes = value_bytes(m, key, version);
    uint64_t base = hash(m, 4, key, version);
    memcpy(value, &key, 4);
    memcpy(value + 4, &version, 4);
    for (size_t i = 8; i < bytes; i += 8) {
        uint64_t word = value_word(base, i);
        memcpy(value + i, &word, bytes - i < 8 ? bytes - i : 8);
    }
    return bytes;
}

static bool value_same(const stress_model *m, uint32_t key, uint32_t version, const uint8_t *data, size_t bytes)
{
    uint64_t base = hash(m, 4, key, version);
    for (size_t i = 8; i < bytes; i += 8) {
        uint64_t word = value_word(base, i);
        if (memcmp(data + i, &word, bytes - i < 8 ? bytes - i : 8) != 0)
            return false;
    }
    return true;
}

static bool absent_between(const stress_model *m, uint32_t unit, uint32_t low, uint32_t high)
{
    if (high - low >= VERSIONS_LOOKED_AT)
        return true;
    for (uint32_t v = low; v <= high; v++)
        if (stress_absent(m, unit, v))
            return true;
    return false;
}

bool stress_may_be_there(const stress_model *m, uint32_t key, uint32_t low, uint32_t high)
{
    if (high - low >= VERSIONS_LOOKED_AT)
        return true;
    for (uint32_t v = low; v <= high; v++)
        if (!stress_absent(m, stress_unit(m, key), v))
            return true;
    return false;
}

bool stress_answer(const stress_model *m, uint32_t key, const void *data, size_t bytes, uint32_t low, uint32_t high,
                   uint32_t *version, char why[256])
{
    uint32_t unit = stress_unit(m, key), found[2];
    *version = 0;
    if (!data) {
        if (absent_between(m, unit, low, high)) {
            *version = low == high ? low : 0;
            return true;
        }
        return snprintf(why, 256, "the key is not there, and it is there in every version from %u to %u", low, high),
               false;
    }
    if (bytes < sizeof found)
        return snprintf(why, 256, "a value of %zu bytes was never written", bytes), false;
    memcpy(found, data, sizeof found);
    *version = found[1];
    if (found[0] != key)
        return snprintf(why, 256, "the value is of key number %u, not %u", found[0], key), false;
    if (found[1] < low || found[1] > high || stress_absent(m, unit, found[1]))
        return snprintf(why, 256, "the value is of version %u, and it must be from %u to %u", found[1], low, high),
               false;
    if (bytes != value_bytes(m, key, found[1]) || !value_same(m, key, found[1], data, bytes))
        return snprintf(why, 256, "the value says that it is version %u, but its %zu bytes are not that version's",
                        found[1], bytes), false;
    return true;
}

void stress_raise(_Atomic uint32_t *number, uint32_t to)
{
    uint32_t now = atomic_load_explicit(number, memory_order_relaxed);
    while (now < to && !atomic_compare_exchange_weak_explicit(number, &now, to, memory_order_release,
                                                              memory_order_relaxed)) /* pairs with stress_load */
        ;
}
