/*
 * plain_log.h - the log read plainly, as wal_format.h and record_format.h describe it: what the targets compare the
 * engine's readers with.
 *
 * It shares with the engine the checksum function and the offsets of the fields, and no code that decides.  Whole files
 * in memory, one pass, no windows.
 * Concurrency: pure functions over their arguments.
 */
#ifndef LEVIN_FUZZ_PLAIN_LOG_H
#define LEVIN_FUZZ_PLAIN_LOG_H

#include "plain_vlog.h"

/*
 * Bytes of the batch at the front, 0 when none stands there.  key_max: the longest key allowed.  *points becomes true
 * when one of its operations has a pointer into the value log.
 */
size_t plain_batch(const uint8_t *at, size_t left, size_t key_max, bool *points);

/* Whether a comes before b, by bytes. */
bool plain_below(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes);

typedef struct plain_start {
    uint8_t identity[16];
    uint32_t sector_bytes;
    uint64_t position, chain, sequence, incarnation, generation;
    size_t key_max;  /* SIZE_MAX: any */
    bool salvage;
    /* Whether the value that a pointer of 24 bytes names is there. */
    bool (*there)(const uint8_t *pointer);
} plain_start;

/* Batches of the log, in order; operations lie in the files. */
typedef struct plain_replayed {
    uint64_t sequence;
    const uint8_t *operations;
    size_t bytes, count;
} plain_replayed;

enum plain_verdict {
    PLAIN_WHOLE,   /* the log can be opened; what is torn is cut */
    PLAIN_ROTTEN,  /* LEVIN_CORRUPT */
    PLAIN_UNKNOWN  /* LEVIN_VERSION_UNKNOWN */
};

typedef struct plain_log {
    enum plain_verdict verdict;
    plain_replayed *batches; /* of all groups accepted, whatever the verdict */
    size_t count, capacity;
    uint64_t end;            /* position */
    uint64_t sequence;       /* of the last batch */
    uint64_t highest;        /* incarnation seen */
    uint64_t generation;     /* the newest checkpoint that a group calls durable */
    uint64_t longest;        /* bytes that a segment header claims, the largest */
    bool torn;               /* a group stands at the end that is not whole */
    bool cut;                /* salvage cuts off what was there */
    bool crowded;            /* what claims to be groups behind the end is 64 times its bytes: may be LEVIN_CORRUPT */
} plain_log;

/* The wal files of the container. The result lives as long as it, until plain_log_fini(). */
void plain_log_read(plain_log *log, const container *files, const plain_start *start);
/* One more behind those that were read. */
void plain_log_add(plain_log *log, const plain_replayed *batch);
void plain_log_fini(plain_log *log);

#endif
