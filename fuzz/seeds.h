/*
 * seeds.h - small stores of each feature, made in the process by the engine itself, with all that is known about
 * them.
 *
 * They are the seed corpora (make_seeds.c), and the stores whose contents the oracle of fuzz_open_image knows.  Made
 * with a fixed seed: the same bytes in every process.
 */
#ifndef LEVIN_FUZZ_SEEDS_H
#define LEVIN_FUZZ_SEEDS_H

#include "../engine/levin.h"
#include "../engine/page.h"
#include "../faults/disk_image.h"

typedef struct seed_pair {
    levin_slice key, value;
} seed_pair;

/* What the store holds after its batches 1 .. n: states[n]. Pairs in key order, those of keyspaces last (spaces.h). */
typedef struct seed_state {
    size_t count;
    const seed_pair *pairs;
} seed_state;

/* A group of the log, in the order of the chain. */
typedef struct seed_group {
    uint64_t position, durable, generation;
    uint32_t bytes;         /* header and payload: what its checksum covers, and the checksum */
    uint32_t values, value_count; /* of its batches in the value log: [values, values + value_count) of all */
    size_t state_before;    /* index in states[]: what is left when the log is cut here */
} seed_group;

/* A value in the value log that a group points to. */
typedef struct seed_value {
    uint64_t segment, offset;
    uint32_t bytes;
} seed_value;

enum { SEED_OLDER_MAX = 4, SEED_KEYS_MAX = 256 };

typedef struct seed_store {
    const char *name;
    uint32_t page_bytes;
    const disk_image *image;                  /* the store's files, FUZZ_STORE/... */
    const disk_image *older[SEED_OLDER_MAX];  /* earlier moments of it, the oldest first */
    unsigned older_count;
    seed_state *states;
    size_t state_count;                       /* states[state_count - 1] is what it holds */
    levin_slice *keys;                        /* of all states, ascending, each once */
    size_t key_count;
    seed_group *groups;                       /* from the older meta page's replay position, if still there */
    size_t group_count;
    seed_value *values;
    size_t value_count;
    page_meta meta[2];                        /* [0] the newest, [1] the older one */
    unsigned slot[2];                         /* where they stand */
    size_t meta_state[2];                     /* index in states[] of what the tree holds */
    size_t first_group[2];                    /* index in groups[] of the first that is replayed over it */
    bool meta_usable[2];                      /* its log is still there */
} seed_store;

unsigned seed_count(void);
const char *seed_name(unsigned index);
/* Made when first asked for; lives as long as the process. */
const seed_store *seed_get(unsigned index);

#endif
