/*
 * checksum.c - XXH3-64 with the place mixed into the seed.  Pure functions; any thread.
 */
#include "checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <assert.h>

#include "codec.h"

static_assert(sizeof(XXH3_state_t) <= sizeof(((checksum_stream *)0)->state), "the stream holds an XXH3 state");

/* The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t checksum_seed(uint64_t identity, enum checksum_place place, uint64_t number)
{
    return mix(mix(identity + 0x9e3779b97f4a7c15u * (uint64_t)place) ^ number);
}

uint64_t checksum_identity(const uint8_t identity[16])
{
    return mix(load_u64(identity)) ^ load_u64(identity + 8);
}

uint64_t checksum(const void *data, size_t bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, bytes, seed);
}

uint64_t checksum_parts(const levin_slice *parts, size_t count, uint64_t seed)
{
    checksum_stream stream;
    checksum_begin(&stream, seed);
    for (size_t i = 0; i < count; i++)
        checksum_add(&stream, parts[i].data, parts[i].size);
    return checksum_end(&stream);
}

void checksum_begin(checksum_stream *stream, uint64_t seed)
{
    XXH3_state_t *state = (XXH3_state_t *)(void *)stream->state;
    XXH3_INITSTATE(state); /* reset_withSeed reads the old seed */
    XXH3_64bits_reset_withSeed(state, seed);
}

void checksum_add(checksum_stream *stream, const void *data, size_t bytes)
{
    XXH3_64bits_update((XXH3_state_t *)(void *)stream->state, data, bytes);
}

uint64_t checksum_end(checksum_stream *stream)
{
    return XXH3_64bits_digest((XXH3_state_t *)(void *)stream->state);
}
