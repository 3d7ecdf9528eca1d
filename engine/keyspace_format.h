/*
 * keyspace_format.h - named keyspaces as bytes.  Version 1.
 *
 * All named keyspaces share one tree (page_format.h: the second root).  A key in it is the 4-byte big-endian id of its
 * keyspace and the user's key.  Id 0 is the catalogue, which says what keyspaces there are; ids count from 1 and are
 * never used again.
 *
 * Catalogue, key after the id:
 *   0x00          the account of all:   u32 format version, 1
 *                                       u32 id of the next keyspace
 *                                       u32 keyspaces there are
 *                                       u32 0
 *   0x01, name    one keyspace:         u32 format version, 1
 *                                       u32 id, 1 .. 2^32 - 2
 *                                       u64 sequence number of the newest batch when it was created
 *
 * Numbers in values are little-endian.
 */
#ifndef LEVIN_KEYSPACE_FORMAT_H
#define LEVIN_KEYSPACE_FORMAT_H

#include "record_format.h"

enum {
    CATALOGUE_ACCOUNT = 0, /* first byte of a key */
    CATALOGUE_NAME = 1,
    CATALOGUE_KEY_BYTES = KEYSPACE_ID_BYTES + 1, /* in front of a name */
    CATALOGUE_VERSION = 1,
    CATALOGUE_VALUE_BYTES = 16
};
#define KEYSPACE_ID_LAST (UINT32_MAX - 1)

static inline void keyspace_id_store(uint8_t to[KEYSPACE_ID_BYTES], uint32_t id)
{
    for (int i = 0; i < KEYSPACE_ID_BYTES; i++)
        to[i] = (uint8_t)(id >> (24 - 8 * i));
}

typedef struct catalogue_account {
    uint32_t next, alive;
} catalogue_account;
static inline void catalogue_account_store(uint8_t to[CATALOGUE_VALUE_BYTES], const catalogue_account *a)
{
    store_u32(to, CATALOGUE_VERSION);
    store_u32(to + 4, a->next);
    store_u32(to + 8, a->alive);
    store_u32(to + 12, 0);
}
/* False: malformed. */
static inline bool catalogue_account_load(catalogue_account *a, const uint8_t *from, size_t bytes)
{
    if (bytes != CATALOGUE_VALUE_BYTES || load_u32(from) != CATALOGUE_VERSION || load_u32(from + 12) != 0)
        return false;
    *a = (catalogue_account){ load_u32(from + 4), load_u32(from + 8) };
    return a->next >= 1 && a->alive < a->next;
}

static inline void catalogue_entry_store(uint8_t to[CATALOGUE_VALUE_BYTES], uint32_t id, uint64_t sequence)
{
    store_u32(to, CATALOGUE_VERSION);
    store_u32(to + 4, id);
    store_u64(to + 8, sequence);
}
static inline bool catalogue_entry_load(uint32_t *id, const uint8_t *from, size_t bytes)
{
    if (bytes != CATALOGUE_VALUE_BYTES || load_u32(from) != CATALOGUE_VERSION)
        return false;
    *id = load_u32(from + 4);
    return *id >= 1 && *id <= KEYSPACE_ID_LAST;
}

#endif
