/*
 * store_damage.h - damage to the closed files of a foreign store, drawn by number.
 *
 * What is damaged are sectors that hold anything: bytes of zero, preallocated or never used, are left alone, so that
 * shares of damages that matter can be compared between stores.  Files that only lock, and logs for people (LOG of
 * RocksDB and LevelDB), are left alone too.
 */
#ifndef CHAOS_STORE_DAMAGE_H
#define CHAOS_STORE_DAMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, word, text) */
#define STORE_DAMAGES(X)                                                                                        \
    X(STORE_FLIP, "flip", "a bit flipped")                                                                      \
    X(STORE_ZERO, "zero", "a sector of 512 bytes zeroed")                                                       \
    X(STORE_CUT, "cut", "a file cut short")                                                                     \
    X(STORE_MISDIRECTED, "misdirected", "4096 bytes of another place of the file")                              \
    X(STORE_STALE, "stale", "4096 bytes as they were before: a write that never arrived")                       \
    X(STORE_SWAPPED, "swapped", "two files of a kind swapped")
typedef enum store_damage_kind {
#define STORE_DAMAGE_ENUM(name, word, text) name,
    STORE_DAMAGES(STORE_DAMAGE_ENUM)
#undef STORE_DAMAGE_ENUM
    STORE_DAMAGE_KINDS
} store_damage_kind;

const char *store_damage_word(store_damage_kind kind);
const char *store_damage_text(store_damage_kind kind);
bool store_damage_kind_parse(const char *word, store_damage_kind *kind);

typedef struct store_damages store_damages;

/* `now` is the directory of the store as it was closed, `before` as it was closed some batches earlier. NULL: errno. */
store_damages *store_damages_create(const char *now, const char *before);
void store_damages_destroy(store_damages *d);

/* Of the store as it was closed. */
void store_damages_size(const store_damages *d, uint64_t *files, uint64_t *bytes);

/*
 * A hash of all that damages are made of: names, sizes and bytes of the data files, now and before.  Equal digests mean
 * that damage NUMBER of a kind is the same damage to the same bytes.
 */
uint64_t store_damages_digest(const store_damages *d);
/* Whether a file of that name holds data: it is no lock, and no log for people. */
bool store_damage_is_data(const char *name);

/* How many distinct ones there are: a number when they are few, UINT64_MAX when they are drawn at random. */
uint64_t store_damages_count(const store_damages *d, store_damage_kind kind);

enum { STORE_DAMAGE_DESCRIPTION_BYTES = 320 };

/*
 * Does damage `number` (below the count) of a kind, drawn by the seed, to the copy of the store in `directory`, and
 * says what in words.  False when the files could not be written.
 */
bool store_damage_do(const store_damages *d, store_damage_kind kind, uint64_t seed, uint64_t number,
                     const char *directory, char description[STORE_DAMAGE_DESCRIPTION_BYTES]);

#endif
