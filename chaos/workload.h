/*
 * workload.h - what a client does to a store, as a plan made from a seed, and the running of it.
 *
 * A plan is a pure function of its options: batches with mixed durability, with deletes of ranges and prefixes,
 * groups of several submitters (asynchronous writes on one thread: tickets, waited for at once or polled after the
 * next step, and callbacks), bulk loads, compare-and-swaps, transactions, savepoints that they go back to, rivals that
 * must be refused, syncs, checkpoints, compactions, backups, bounded steps of background work, snapshots and reading
 * handles held across checkpoints, reads checked at once, reopening; and named keyspaces, made, written to in batches
 * and transactions together with the default one, dropped and made again. Running it tells the oracle all that the
 * store promised.
 * Keys are bounded in number, so that a state stays small: a window over the names, which moves on; what falls out
 * of it is deleted.
 */
#ifndef CHAOS_WORKLOAD_H
#define CHAOS_WORKLOAD_H

#include "../engine/io.h"
#include "../faults/oracle.h"
#include "../faults/trace.h"
#include "number_set.h"
#include "stanzas.h"
#include "workload_script.h"

/*
 * A part of a plan, which shrink.h makes. Zeroed: all of it. What is left does what it would do in the whole plan: its
 * draws are by the number of the step.
 */
typedef struct workload_part {
    number_set steps;      /* those that are run */
    number_set operations; /* of their batches, those that are made */
    uint32_t value_bytes;  /* longer values end there, at the earliest after WORKLOAD_VALUE_BYTES_LEAST; 0: none does */
} workload_part;
enum { WORKLOAD_VALUE_BYTES_LEAST = 32 }; /* each stays unlike all others */

typedef struct workload_options {
    uint64_t seed;
    uint32_t operations;   /* puts and deletes, at least; default 2000 */
    uint32_t live_keys;    /* width of the window; default 72 */
    const stanzas *data;   /* outlives the plan */
    bool brief;            /* a small store in which everything happens soon: for the fault sweep */
    const workload_part *part; /* NULL: the whole plan; not looked at after workload_create() */
} workload_options;

enum { WORKLOAD_OPERATIONS_DEFAULT = 2000, WORKLOAD_KEYS_DEFAULT = 72 };

typedef struct workload workload;
workload *workload_create(const workload_options *options);
void workload_destroy(workload *w);
/* Steps of the whole plan, and the operations of one of them. */
size_t workload_steps(const workload *w);
uint32_t workload_value_bytes(const workload *w, size_t operation); /* of a put; others 0 */
void workload_step_operations(const workload *w, size_t step, size_t *first, size_t *count);

/* What a plan must come to before it counts as the workload that it is called. X(name, least, text). */
#define WORKLOAD_COUNTS(X)                                                                                      \
    X(operations, 2000, "puts and deletes")                                                                     \
    X(batches, 100, "batches")                                                                                  \
    X(deletes, 50, "deletes")                                                                                   \
    X(overwrites, 100, "puts on a key that was there")                                                          \
    X(large_values, 10, "values over 4 KiB")                                                                    \
    X(switches, 3, "log-segment switches")                                                                      \
    X(recycled, 3, "log segments recycled")                                                                     \
    X(checkpoints, 5, "checkpoints")                                                                            \
    X(shared_groups, 5, "commit groups of several submitters")                                                  \
    X(snapshots, 1, "snapshots held across a checkpoint and checked")                                           \
    X(reopens, 1, "reopens")                                                                                    \
    X(none, 20, "batches with durability none")                                                                 \
    X(logged, 20, "batches with durability logged")                                                             \
    X(synced, 20, "batches with durability synced")                                                             \
    X(reads, 20, "reads checked")                                                                               \
    X(callbacks, 10, "batches acknowledged by a callback")                                                      \
    X(polled_later, 5, "tickets polled after a later step")                                                     \
    X(served, 5, "commit groups led by levin_work")                                                             \
    X(ranges, 10, "deletes of a range or a prefix")                                                             \
    X(row_hits, 100, "gets answered by the row cache")                                                          \
    X(transactions, 20, "transactions committed")                                                               \
    X(rollbacks, 20, "savepoints of transactions gone back to")                                                 \
    X(conflicts, 20, "transactions refused")                                                                    \
    X(swaps, 20, "batches written as a compare-and-swap, after one refused")                                    \
    X(compactions, 2, "compactions that moved pages")                                                           \
    X(backups, 1, "backups taken and compared")                                                                 \
    X(logged_values, 100, "values in the value log")                                                            \
    X(moved, 20, "values moved by its collection")                                                              \
    X(collected, 3, "segments of it removed")                                                                   \
    X(collections, 3, "collections asked for")                                                                  \
    X(readers, 1, "handles that read, opened beside the writer and checked")                                    \
    X(loads, 1, "batches written as a bulk load")                                                               \
    X(keyspaces, 4, "keyspaces made")                                                                           \
    X(keyspace_drops, 2, "keyspaces dropped")                                                                   \
    X(keyspace_operations, 100, "puts and deletes in them")
typedef struct workload_counts {
#define WORKLOAD_COUNT_FIELD(name, least, text) uint64_t name;
    WORKLOAD_COUNTS(WORKLOAD_COUNT_FIELD)
#undef WORKLOAD_COUNT_FIELD
} workload_counts;
/* The first count that falls short, in words, or NULL. */
const char *workload_short_of(const workload_counts *counts, char *text, size_t capacity);

typedef struct workload_target {
    const levin_io *io;
    const char *path;
    oracle *o;
    uint64_t (*now)(void *context); /* position in the trace */
    void *context;
    workload_script *script; /* gets what is done, as C; may be NULL */
    void (*at_step)(void *step_context, size_t step); /* before each step that is run; may be NULL */
    void *step_context;
    bool faults;        /* calls may fail: failures are recorded, not reported; off: any failure is a violation */
} workload_target;

typedef struct workload_result {
    workload_counts counts;
    oracle_verdict verdict; /* the first violation; promise NULL when there is none */
    size_t steps;           /* done, those that are not in the part counted: the number of the step that failed */
    uint64_t failures;      /* calls that returned an error */
    levin *store;           /* left open when workload_run() was told so */
    uint64_t opened;        /* when levin_open() first succeeded in workload_run(); UINT64_MAX: never */
} workload_result;

/* Whether an injected fault can be why a call gave this error: not when the store or the client is said to be wrong. */
bool workload_fault_explains(levin_code code);

/* The options with which the plan's store is opened. */
void workload_store_options(const workload *w, const levin_io *io, levin_options *options);

/*
 * Runs the plan on a new or given store. keep_open: the store is left open in result->store (NULL when it could not
 * be opened). Returns whether there was no violation.
 */
bool workload_run(const workload *w, const workload_target *target, bool keep_open, workload_result *result);

/*
 * A short plan (about ten operations, sometimes a checkpoint) with which to go on after the recovery of a store of
 * `of`: new bytes over a cut log. For workload_continue() only.
 */
workload *workload_create_tail(const workload *of, uint64_t seed);
/* Runs a plan without reopening on an open store, which stays open. */
bool workload_continue(const workload *w, levin *store, const workload_target *target, workload_result *result);

/* Adds what the trace tells: switches and recycled segments of the log. */
void workload_count_trace(const trace *t, workload_counts *counts);

#endif
