/*
 * soak_plan.c - operations, keys and values of a soak (soak_plan.h).  No state; any thread.
 */
#include "soak_plan.h"

#include <stdio.h>
#include <string.h>

#include "../faults/random.h"

enum { STREAM_OPERATION = 1, STREAM_VALUE = 2 };

static random_stream stream_of(uint64_t seed, unsigned site, unsigned thread, uint64_t number)
{
    return random_open(seed, random_mix(number) ^ ((uint64_t)site << 56 | (uint64_t)thread << 40));
}

static soak_kind random_kind(random_stream *r)
{
    static const struct {
        soak_kind kind;
        unsigned weight;
    } kinds[] = { { SOAK_PUT, 44 },         { SOAK_DELETE, 12 }, { SOAK_BATCH, 20 }, { SOAK_ASYNC, 8 },
                  { SOAK_TRANSACTION, 10 }, { SOAK_RANGE, 5 },   { SOAK_ALL, 1 } };
    unsigned at = (unsigned)random_below(r, 100), i = 0;
    for (; at >= kinds[i].weight; i++)
        at -= kinds[i].weight;
    return kinds[i].kind;
}

soak_operation soak_operation_make(uint64_t seed, unsigned thread, uint64_t number)
{
    random_stream r = stream_of(seed, STREAM_OPERATION, thread, number);
    soak_operation o = { .kind = random_kind(&r) };
    const uint64_t durability = random_below(&r, 8);
    o.durability = durability < 4 ? LEVIN_NONE : durability < 6 ? LEVIN_LOGGED : LEVIN_SYNCED;
    const bool several = o.kind == SOAK_BATCH || o.kind == SOAK_ASYNC || o.kind == SOAK_TRANSACTION;
    o.count = o.kind == SOAK_ALL ? 0 : several ? 1 + (unsigned)random_below(&r, SOAK_CHANGES_MAX) : 1;
    for (unsigned i = 0; i < o.count; i++) {
        bool deletes = o.kind == SOAK_DELETE || o.kind == SOAK_RANGE || (several && random_chance(&r, 4));
        o.change[i].key = (unsigned)random_below(&r, SOAK_KEYS);
        o.change[i].stamp = deletes ? 0 : number + 1;
    }
    if (o.kind == SOAK_RANGE)
        o.to = o.change[0].key + 1 + (unsigned)random_below(&r, 10);
    return o;
}

void soak_model_apply(soak_model *m, const soak_operation *o)
{
    if (o->kind == SOAK_ALL)
        memset(m, 0, sizeof *m);
    for (unsigned i = 0; i < o->count; i++)
        m->stamp[o->change[i].key] = o->change[i].stamp;
    for (unsigned key = o->change[0].key; o->kind == SOAK_RANGE && key < o->to && key < SOAK_KEYS; key++)
        m->stamp[key] = 0;
}

size_t soak_key(char text[SOAK_KEY_BYTES_MAX], unsigned thread, unsigned key)
{
    /* of many lengths: with a row of the cache of its own, without, and not inline */
    int bytes = snprintf(text, SOAK_KEY_BYTES_MAX, "t%02u/%02u", thread, key);
    size_t tail = key * 7 % 37;
    memset(text + bytes, '-', tail);
    return (size_t)bytes + tail;
}

size_t soak_value(uint8_t value[SOAK_VALUE_MAX], uint64_t seed, unsigned thread, unsigned key, uint64_t stamp)
{
    random_stream r = stream_of(seed + stamp, STREAM_VALUE, thread, key);
    const uint64_t most = random_chance(&r, 12) ? SOAK_VALUE_MAX - 8 : 300; /* some go to the value log */
    const size_t bytes = 8 + (size_t)random_below(&r, most);
    memcpy(value, &stamp, sizeof stamp);
    random_fill(&r, value + 8, bytes - 8);
    return bytes;
}

uint64_t soak_value_stamp(levin_slice value, uint64_t seed, unsigned thread, unsigned key)
{
    uint8_t right[SOAK_VALUE_MAX];
    uint64_t stamp;
    if (value.size < sizeof stamp)
        return 0;
    memcpy(&stamp, value.data, sizeof stamp);
    const bool is = stamp && soak_value(right, seed, thread, key, stamp) == value.size &&
                    memcmp(right, value.data, value.size) == 0;
    return is ? stamp : 0;
}
