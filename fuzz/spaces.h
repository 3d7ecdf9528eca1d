/*
 * spaces.h - the named keyspaces of a store, and their keys in one order with those of the default one.
 *
 * In seed stores (seeds.h) a key of a named keyspace is told as SPACE_MARK, the name, a byte 0, the key: behind all
 * keys of the default keyspace, which begin with a digit or a letter, and in the order of names, which have no 0.
 */
#ifndef LEVIN_FUZZ_SPACES_H
#define LEVIN_FUZZ_SPACES_H

#include "../engine/levin.h"

enum { SPACE_MARK = 0x7f, SPACES_MAX = 8, SPACE_NAME_MAX = 255,
       SPACE_KEY_MAX = 2 + SPACE_NAME_MAX + LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MAX_BYTES) + 1 };

/* The first ones, by name; [0] is the default one, without a handle. */
typedef struct spaces {
    unsigned count;
    bool more;              /* than there is room for */
    levin_code code;        /* why there may be others; LEVIN_OK: these are all */
    struct {
        levin_keyspace *handle;
        uint8_t name[SPACE_NAME_MAX];
        size_t name_bytes;
    } of[1 + SPACES_MAX];
} spaces;

void spaces_open(spaces *s, levin *store);
void spaces_close(spaces *s);
/* A key as it is told, in the buffer; of the default one the key itself. */
levin_slice spaces_tell(const spaces *s, unsigned space, levin_slice key, uint8_t buffer[SPACE_KEY_MAX]);
levin_slice spaces_key(levin_slice name, levin_slice key, uint8_t buffer[SPACE_KEY_MAX]);
/* What is told of a seed store, taken apart. False: its keyspace is not among them. */
bool spaces_find(const spaces *s, levin_slice told, unsigned *space, levin_slice *key);

#endif
