/*
 * ops_keys.c - the keys of fuzz_ops: few, and chosen to be trouble.
 *
 * Groups of keys share long prefixes, differ in their last byte or in length only, agree in their first 4 and 8 bytes
 * (the heads of pages and of the memtable), end in 0x00 or 0xff, or are as long as keys may be.
 * Invariants: OPS_KEYS different keys, sorted once.  Concurrency: made by one thread before use, then constant.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/codec.h"
#include "../faults/fatal.h"
#include "ops.h"

enum { KEY_BYTES_MAX = LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MIN_BYTES) };

static levin_slice plain_keys[OPS_KEYS], named_keys[OPS_KEYS];
static const levin_slice *keys = plain_keys;

static int compare_keys(const void *a, const void *b)
{
    const levin_slice *x = a, *y = b;
    return key_compare(x->data, x->size, y->data, y->size);
}

/* `fill` up to the length, with a tail of up to 4 bytes at the end. */
static void add(unsigned *n, uint8_t fill, size_t bytes, const void *tail, size_t tail_bytes)
{
    uint8_t *key = fatal_alloc(bytes + tail_bytes);
    memset(key, fill, bytes);
    memcpy(key + bytes, tail, tail_bytes);
    plain_keys[(*n)++] = (levin_slice){ key, bytes + tail_bytes };
}

void ops_keys_init(void)
{
    unsigned n = 0;
    if (plain_keys[0].data)
        return;
    for (unsigned i = 0; i < 64; i++) { /* short ones, spread */
        const uint8_t tail[2] = { (uint8_t)(i * 4 + 2), (uint8_t)(i * 37) };
        add(&n, 0, 0, tail, 1 + i % 2);
    }
    for (unsigned i = 0; i < 80; i++) { /* equal heads, like records of a table */
        const uint8_t tail[4] = { 'k', 'e', (uint8_t)('0' + i / 10), (uint8_t)('0' + i % 10) };
        add(&n, 'r', 12, tail, 4);
    }
    for (unsigned i = 1; i <= 24; i++) /* each the prefix of the next */
        add(&n, 'a', i, "", 0);
    for (unsigned i = 1; i <= 16; i++)
        add(&n, 0xff, i, "", 0);
    for (unsigned i = 1; i <= 16; i++)
        add(&n, 0x00, i, "", 0);
    for (unsigned i = 0; n < OPS_KEYS; i++) { /* long */
        const uint8_t tail[1] = { (uint8_t)(i * 5) };
        add(&n, 'z', i % 3 ? 300 : KEY_BYTES_MAX - 1, tail, 1);
    }
    qsort(plain_keys, OPS_KEYS, sizeof plain_keys[0], compare_keys);
    for (unsigned i = 1; i < OPS_KEYS; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) >= 0)
            fatal("two keys of fuzz_ops are the same, at rank %u", i);
    for (unsigned i = 0; i < OPS_KEYS; i++) { /* the order stays: the longest all begin with the same bytes */
        const size_t over = plain_keys[i].size > KEY_BYTES_MAX - 4 ? plain_keys[i].size - (KEY_BYTES_MAX - 4) : 0;
        named_keys[i] = (levin_slice){ (const uint8_t *)plain_keys[i].data + over, plain_keys[i].size - over };
    }
}

void ops_keys_use(bool named)
{
    keys = named ? named_keys : plain_keys;
}

levin_slice ops_key(uint8_t rank)
{
    return keys[rank];
}

levin_slice ops_prefix(unsigned choice, int *from, int *to)
{
    levin_slice whole = keys[choice % OPS_KEYS];
    size_t bytes = choice & 1 ? whole.size : whole.size / 2 ? whole.size / 2 : 1;
    *from = 0;
    while (*from < OPS_KEYS && (keys[*from].size < bytes || memcmp(keys[*from].data, whole.data, bytes)))
        ++*from;
    *to = *from;
    while (*to < OPS_KEYS && keys[*to].size >= bytes && !memcmp(keys[*to].data, whole.data, bytes))
        ++*to;
    --*to;
    return (levin_slice){ whole.data, bytes };
}
