/*
 * codec.h - little-endian loads and stores at any alignment. The only way disk bytes become numbers.
 */
#ifndef LEVIN_CODEC_H
#define LEVIN_CODEC_H

#include <stdint.h>
#include <string.h>

#if !defined(__BYTE_ORDER__)
#error "the byte order of the target is unknown"
#endif

#define CODEC_DEFINE(bits, swap)                                                                                \
    static inline uint##bits##_t load_u##bits(const void *from)                                                 \
    {                                                                                                           \
        uint##bits##_t v;                                                                                       \
        memcpy(&v, from, sizeof v);                                                                             \
        return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : swap(v);                                         \
    }                                                                                                           \
    static inline void store_u##bits(void *to, uint##bits##_t v)                                                \
    {                                                                                                           \
        v = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : swap(v);                                            \
        memcpy(to, &v, sizeof v);                                                                               \
    }
CODEC_DEFINE(16, __builtin_bswap16)
CODEC_DEFINE(32, __builtin_bswap32)
CODEC_DEFINE(64, __builtin_bswap64)
#undef CODEC_DEFINE

static inline uint8_t load_u8(const void *from)
{
    return *(const uint8_t *)from;
}
static inline void store_u8(void *to, uint8_t v)
{
    *(uint8_t *)to = v;
}

/*
 * Key heads: the first n bytes of a key as a big-endian number, zero-filled, so that an integer comparison orders keys
 * by these bytes (ties, and keys that end inside the head, are decided by the full comparison).
 */
static inline uint64_t key_head64(const uint8_t *key, size_t bytes)
{
    uint64_t v = 0;
    if (bytes >= 8) {
        memcpy(&v, key, 8);
        return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap64(v) : v;
    }
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)key[i] << (56 - 8 * i);
    return v;
}
static inline uint32_t key_head32(const uint8_t *key, size_t bytes)
{
    uint32_t v = 0;
    if (bytes >= 4) {
        memcpy(&v, key, 4);
        return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(v) : v;
    }
    for (size_t i = 0; i < bytes; i++)
        v |= (uint32_t)key[i] << (24 - 8 * i);
    return v;
}

/* The order of keys: unsigned bytes, then length. */
static inline int key_compare(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    size_t n = a_bytes < b_bytes ? a_bytes : b_bytes;
    int c = n ? memcmp(a, b, n) : 0;
    return c ? c : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static inline uint64_t round_up_u64(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

#endif
