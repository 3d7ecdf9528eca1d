/*
 * scenario.h - what a run under the scheduler does: a store, threads with a few operations each, a fault, a power cut.
 *
 * A scenario is a function of its seed and of the sizes asked for, and can be written as text and read again, so that a
 * smaller one, which no seed gives, is kept in the same way.
 */
#ifndef LEVIN_FAULTS_SCENARIO_H
#define LEVIN_FAULTS_SCENARIO_H

#include <stdio.h>

#include "../fault_io.h"
#include "schedule.h"

enum { SCENARIO_KEYS = 4, SCENARIO_THREADS_MAX = 6, SCENARIO_OPERATIONS_MAX = 8, SCENARIO_IMAGES = 4 };
enum { SCENARIO_FAULTS = 6 };
enum { SCENARIO_FILLERS = 72 }; /* keys of the fourth image that stay as they are, four to a page */
#define SCENARIO_ALL_KEYS ((1u << SCENARIO_KEYS) - 1u)

/* X(name, text): operations of a thread. */
#define SCENARIO_OPERATIONS(X)                                                                                  \
    X(OPERATION_GET, "get")               /* one key; by the kind of get that `way` says */                      \
    X(OPERATION_MULTI_GET, "multi-get")                                                                         \
    X(OPERATION_SNAPSHOT, "snapshot")     /* taken, read key by key, twice, released */                          \
    X(OPERATION_SCAN, "scan")             /* everything, by an iterator */                                       \
    X(OPERATION_PUT, "put")                                                                                     \
    X(OPERATION_DELETE, "delete")                                                                               \
    X(OPERATION_BATCH, "batch")           /* puts `keys`, deletes `more` */                                      \
    X(OPERATION_RANGE, "range-delete")    /* from the first of `keys` to the last, both in */                    \
    X(OPERATION_SWAP, "swap")             /* what a get has found just before, for a value of its own */         \
    X(OPERATION_TXN, "txn")               /* serializable: reads `more`, puts `keys` */                          \
    X(OPERATION_TICKET, "ticket")         /* a batch of puts, submitted; waited for after the next operation */  \
    X(OPERATION_CALLBACK, "callback")     /* a batch of puts, told when it is done */                            \
    X(OPERATION_SYNC, "sync")                                                                                   \
    X(OPERATION_CHECKPOINT, "checkpoint")                                                                       \
    X(OPERATION_WORK, "work")                                                                                   \
    X(OPERATION_CHURN, "churn")           /* reads of pages that nobody writes, so that others leave the cache */ \
    X(OPERATION_HOLD, "hold")             /* a snapshot or an iterator, read now and after the next operation */ \
    X(OPERATION_COMPACT, "compact")                                                                             \
    X(OPERATION_COLLECT, "collect")       /* of the value log */                                                \
    X(OPERATION_READER, "reader")         /* opens the store read-only beside this one, reads it twice */        \
    X(OPERATION_CREATE, "create")         /* the keyspace; those below use one that was created */               \
    X(OPERATION_DROP, "drop")                                                                                   \
    X(OPERATION_SPACE_GET, "space-get")                                                                         \
    X(OPERATION_SPACE_PUT, "space-put")                                                                         \
    X(OPERATION_SPACE_BATCH, "space-batch") /* puts `keys` and the keyspace's key */                             \
    X(OPERATION_SPACE_TXN, "space-txn")   /* reads `more` and the keyspace's key, puts `keys` and that */
typedef enum scenario_kind {
#define SCENARIO_OPERATION_ENUM(name, text) name,
    SCENARIO_OPERATIONS(SCENARIO_OPERATION_ENUM)
#undef SCENARIO_OPERATION_ENUM
    SCENARIO_KIND_COUNT
} scenario_kind;

typedef struct scenario_operation {
    scenario_kind kind;
    unsigned keys, more;        /* bits of keys */
    levin_durability durability;
    unsigned way;               /* a get: 0 .. 3; a put: 1: a large value */
} scenario_operation;

typedef struct scenario {
    uint64_t seed;              /* of the strategy and of crash states */
    unsigned image;             /* which store it begins with */
    bool background, rows, values_apart, lingers, splits; /* splits: groups of two batches at most */
    bool startles;              /* waits return although nobody has woken them */
    unsigned threads;
    struct {
        unsigned count;
        scenario_operation at[SCENARIO_OPERATIONS_MAX];
    } of[SCENARIO_THREADS_MAX];
    bool has_fault;
    fault_rule fault;           /* nth counts from the moment that the threads start */
    unsigned fault_thread;      /* an allocation: that of this thread, from 1; 0: of any */
    uint64_t cut_at;            /* 0: no power cut at a point */
    bool cut_in_sync;           /* a power cut once one thread is inside its sync and two sleep */
    schedule_strategy strategy;
    unsigned depth;
    uint32_t length;
    schedule_switch *switches;  /* given: the scenario's own */
    size_t switch_count;
    char finding[32];           /* its kind, when it is kept for one */
    schedule_tree *tree;        /* tree: the caller's; not in the text */
} scenario;

typedef struct scenario_sizes {
    unsigned threads, operations; /* 0: drawn: 2 .. 4 threads, 1 .. 5 operations each */
    unsigned depth;               /* of PCT; 0: drawn, 2 .. 4 */
    schedule_strategy strategy;   /* SCHEDULE_GIVEN: walk and PCT in turns */
    bool faults, cuts;            /* some of the scenarios have one */
} scenario_sizes;

scenario scenario_make(uint64_t seed, const scenario_sizes *sizes);
void scenario_free(scenario *s);
scenario scenario_copy(const scenario *s);
unsigned scenario_operations(const scenario *s);
bool scenario_has(const scenario *s, scenario_kind kind);

/* For scenarios that are made otherwise than here, by the bytes of a fuzzer. */

/* Whether an operation of this kind makes sense in the scenario's store: fillers to churn, no thread at work. */
bool scenario_allows(const scenario *s, scenario_kind kind);
/* The operation with keys as its kind wants them: one, or all from the first to the last, or none twice. */
scenario_operation scenario_operation_settle(scenario_operation o);
/* The calls that are made to fail: which < SCENARIO_FAULTS; nth and forever are the caller's. */
fault_rule scenario_fault(unsigned which);

/* The number that the operation writes, and that of a key of the first image: never 0. */
unsigned scenario_value(unsigned thread, unsigned operation);
unsigned scenario_initial(unsigned image, unsigned key); /* 0: absent */

/* A text of lines, the first of which names it. */
#define SCENARIO_MAGIC "levin-schedule 1"
void scenario_write(const scenario *s, FILE *file);
/* False: not such a text; why is told in *why, at line *line. */
bool scenario_read(scenario *s, FILE *file, const char **why, unsigned *line);

#endif
