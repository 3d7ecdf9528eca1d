/*
 * stress.h - many threads at one store, everything they read checked against a model while they run.
 *
 * The model.  Keys belong to units, a unit to one thread, which alone writes it, always to its next version.  A unit is
 * one key, or a group of keys far apart that are only ever written together, in one batch.  A version number says all:
 * whether the key is there (version 0 and some others, by a hash, are deletes), and every byte of its value.  So the
 * model is two numbers a unit: `floor`, the newest version known to be in the store (acknowledged, or seen by any
 * reader), and `ceiling`, the newest that was ever submitted.  Whatever is read must be of a version from the floor
 * loaded before the read began to the ceiling loaded after it ended: for a thread's own units, between its own
 * calls, the two are the same and the answer is exact; for the others' it is a check of linearizability per key.  A
 * snapshot is checked against copies of both arrays from before and after its creation, however old it gets; the keys
 * of a group must show one version wherever they are read at one state.
 *
 * Beside the model's keys stand others, of stress_areas.c, for what does not fit it: deletes of ranges, keyspaces,
 * transactions, compare-and-swap.
 *
 * Threads: each runs its own stream of operations from (seed, thread).
 */
#ifndef CLI_STRESS_H
#define CLI_STRESS_H

#include <stdatomic.h>

#include "../levin.h"
#include "random.h"

/* X(name, text): kinds of operations, as they are counted and timed. */
#define STRESS_OPERATIONS(X)                                                                                    \
    X(put, "put or delete of one key")                                                                          \
    X(batch, "batch of several units")                                                                          \
    X(group, "batch that writes a group of keys")                                                               \
    X(async, "batches submitted and waited for")                                                                \
    X(get, "get of one key")                                                                                    \
    X(multi_get, "get of 16 keys at once")                                                                      \
    X(group_get, "get of a group at one state")                                                                 \
    X(scan, "iterator over a range, either way")                                                                \
    X(group_scan, "iterator over one key of every group")                                                       \
    X(snapshot, "snapshot, made or released")                                                                   \
    X(snapshot_read, "get or scan of an older snapshot")                                                        \
    X(checkpoint, "checkpoint asked for")                                                                       \
    X(sync, "levin_sync")                                                                                       \
    X(look, "statistics and the list of readers")                                                               \
    X(area_batch, "batch on an area: puts, deletes of keys, ranges, prefixes, in keyspaces too")                \
    X(range_delete, "delete of a range or a prefix")                                                            \
    X(area_read, "gets or an iterator of an area, in a keyspace too")                                           \
    X(area_snapshot_read, "the same in an older snapshot, of dropped keyspaces too")                            \
    X(keyspace, "keyspace, made or dropped")                                                                    \
    X(transaction, "serializable transaction on two accounts")                                                  \
    X(accounts, "sum of all accounts at one state")                                                             \
    X(swap, "compare-and-swap of a counter")                                                                    \
    X(counters, "get of counters")                                                                              \
    X(compact, "compaction asked for")                                                                          \
    X(collect, "collection of the value log asked for")                                                         \
    X(backup, "backup, checked, compared, removed")

typedef enum stress_operation {
#define STRESS_ENUM(name, text) STRESS_##name,
    STRESS_OPERATIONS(STRESS_ENUM)
#undef STRESS_ENUM
    STRESS_OPERATION_COUNT
} stress_operation;

enum { STRESS_GROUP_KEYS = 8, STRESS_KEY_MAX = 160, STRESS_THREADS_MAX = 256,
       STRESS_SPACES = 5, STRESS_AREA_KEYS = 128, STRESS_ACCOUNTS = 48, STRESS_PAIRS = 2, STRESS_COUNTERS = 16 };

typedef struct stress_options {
    const char *path;       /* the store's directory; there is no store yet */
    levin_options store;
    unsigned threads;       /* 1 .. STRESS_THREADS_MAX */
    double seconds;         /* the threads stop after so long ... */
    uint64_t operations;    /* ... or after so many operations each; 0: by time only */
    uint64_t seed;
    uint32_t keys;          /* in all, at least 64 a thread */
    uint32_t value_max;     /* the longest value, at least 64 */
    uint32_t upkeep;        /* of 100,000 operations so many more are checkpoints, compactions, collections, backups */
    /* Called about once a second, and at the end, on the thread of stress_run(); false: stop. May be NULL. */
    bool (*tick)(void *context, levin *store, double seconds, uint64_t operations);
    void *context;
} stress_options;

typedef struct stress_result {
    bool began;             /* a store was made */
    bool mismatch;          /* the store answered wrongly */
    bool failed;            /* a call failed, or the machine did */
    bool interrupted;
    char message[768];      /* what, where, by which operation: of the first of either */
    double seconds;
    uint64_t operations;
    struct stress_count {
        uint64_t count, sum_ns, max_ns;
    } of[STRESS_OPERATION_COUNT];
    uint64_t keys_checked;  /* answers compared with the model */
    levin_stats stats;      /* before the store was closed */
    levin_histogram histograms[LEVIN_HISTOGRAM_COUNT]; /* likewise */
    uint64_t snapshot_longest_ns; /* the longest that a snapshot was held */
    uint64_t resident_quarter_bytes; /* the most resident memory of the process in the first quarter of the time, ... */
    uint64_t resident_last_bytes;    /* ... and in the last */
} stress_result;

void stress_run(const stress_options *options, stress_result *result);

/* ---- the model (stress_model.c) ---- */

/*
 * Keys are numbered in their order: the members of groups, member by member, then single keys.  A key's number gives
 * its text, its unit, and its unit's thread.
 */
typedef struct stress_model {
    uint64_t seed;
    unsigned threads;
    uint32_t groups, singles, units, keys, value_max;
    /* One a unit.  Raised (release) after what it tells, loaded (acquire) before a read begins. */
    _Atomic uint32_t *floor;
    /* One a unit.  Raised (release) before the write is submitted, loaded (acquire) after a read. */
    _Atomic uint32_t *ceiling;
} stress_model;

bool stress_model_init(stress_model *m, const stress_options *options);
void stress_model_fini(stress_model *m);
size_t stress_key(const stress_model *m, uint32_t key, char text[STRESS_KEY_MAX]);
uint32_t stress_unit(const stress_model *m, uint32_t key);
/* The keys of a unit; returns how many. */
unsigned stress_unit_keys(const stress_model *m, uint32_t unit, uint32_t keys[STRESS_GROUP_KEYS]);
/* A version in which the unit's keys are not there. */
bool stress_absent(const stress_model *m, uint32_t unit, uint32_t version);
size_t stress_value(const stress_model *m, uint32_t key, uint32_t version, uint8_t *value);
/*
 * Whether this answer (data NULL: not there) is one of the versions from low to high; *version is the one seen, 0 when
 * it is not known. Otherwise `why` says what is wrong.
 */
bool stress_answer(const stress_model *m, uint32_t key, const void *data, size_t bytes, uint32_t low, uint32_t high,
                   uint32_t *version, char why[256]);
/* Whether the key may be there in some version from low to high. */
bool stress_may_be_there(const stress_model *m, uint32_t key, uint32_t low, uint32_t high);
void stress_raise(_Atomic uint32_t *number, uint32_t to);
static inline uint32_t stress_load(const _Atomic uint32_t *number)
{
    return atomic_load_explicit(number, memory_order_acquire); /* pairs with stress_raise */
}

/* ---- what is beside the model (stress_areas.c) ---- */

/* Of one thread: space 0 stands in the default keyspace, the others are keyspaces. Version 0: the key is not there. */
struct stress_area {
    uint32_t last; /* version written */
    struct stress_space {
        bool there;
        uint32_t version[STRESS_AREA_KEYS];
    } spaces[STRESS_SPACES];
};

/* ---- a thread (stress_ops.c) ---- */

typedef struct stress_shared {
    const stress_options *options;
    stress_model model;
    levin *store;
    _Atomic uint32_t stop;    /* release by whoever saw the end or a failure, acquire by the threads */
    _Atomic uint32_t running; /* threads; release by one that ends, acquire by who waits for all */
    _Atomic uint32_t failed;  /* 1: the first failure is being written down; relaxed, joined before it is read */
    struct stress_area *areas; /* a thread: that thread's, while it runs */
    /* Counters: swaps acknowledged; swaps asked for and not refused. Release after, and before, what they tell. */
    _Atomic uint32_t swaps_done[STRESS_COUNTERS], swaps_asked[STRESS_COUNTERS];
    _Atomic uint32_t backup;   /* one is being taken */
    stress_result *result;    /* its mismatch, failed and message: by the one that set `failed` */
} stress_shared;

typedef struct stress_thread {
    stress_shared *shared;
    unsigned number;
    uint64_t random;
    _Atomic uint64_t done;       /* operations; relaxed, for the progress */
    stress_operation now;        /* the operation at work, for messages */
    struct stress_count of[STRESS_OPERATION_COUNT];
    uint64_t keys_checked;
    levin_batch *batches[4];
    uint8_t *value;                   /* value_max bytes */
    uint8_t *buffers;                 /* for the values of a multi-get */
    levin_snapshot *snapshot;
    unsigned snapshot_turns;          /* it is to be released when it was asked for so often */
    uint64_t snapshot_began_ns, snapshot_longest_ns;
    struct stress_area snapshot_area; /* of this thread, as it was then */
    levin_keyspace *keyspaces[STRESS_SPACES], *snapshot_keyspaces[STRESS_SPACES];
    uint32_t *snapshot_low, *snapshot_high; /* a unit: floors before, and ceilings after, it was made */
    uint32_t *low, *high;             /* a unit: of the read at work */
    uint32_t *groups;                 /* a group: what a whole scan has seen of it */
} stress_thread;

bool stress_thread_init(stress_thread *t, stress_shared *shared, unsigned number);
void stress_thread_fini(stress_thread *t);
/* One operation, chosen by the thread's stream. False: the run is over. */
bool stress_step(stress_thread *t);
/* Everything, against the exact model: nobody writes. */
bool stress_verify(stress_thread *t);
/* The first writes, before the threads start; everything, like stress_verify(). */
bool stress_areas_open(stress_thread *t);
bool stress_areas_verify(stress_thread *t);
/* A snapshot was made; it was released; the store will be closed. */
bool stress_areas_snapshot(stress_thread *t);
void stress_areas_release(stress_thread *t);
void stress_areas_close(stress_thread *t);
bool stress_do_area_batch(stress_thread *t);
bool stress_do_range_delete(stress_thread *t);
bool stress_do_area_read(stress_thread *t);
bool stress_do_area_snapshot_read(stress_thread *t);
bool stress_do_keyspace(stress_thread *t);
bool stress_do_transaction(stress_thread *t);
bool stress_do_accounts(stress_thread *t);
bool stress_do_swap(stress_thread *t);
bool stress_do_counters(stress_thread *t);
bool stress_do_compact(stress_thread *t);
bool stress_do_collect(stress_thread *t);
bool stress_do_backup(stress_thread *t);
/* Notes the first failure and stops all. Returns false. code LEVIN_OK: a mismatch. */
bool stress_fail(stress_thread *t, levin_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

static inline uint32_t stress_below(stress_thread *t, uint32_t bound)
{
    return random_below(&t->random, bound);
}
/* Or the end of the run. */
static inline bool stress_ok(stress_thread *t, levin_code code, const char *call)
{
    return code == LEVIN_OK || stress_fail(t, code, "%s", call);
}
static inline levin_durability stress_any_durability(stress_thread *t)
{
    uint32_t n = stress_below(t, 100);
    return n < 60 ? LEVIN_NONE : n < 97 ? LEVIN_LOGGED : LEVIN_SYNCED;
}

#endif
