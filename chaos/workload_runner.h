/*
 * workload_runner.h - the running of a plan; shared by workload_run.c and the files of single kinds of steps.
 */
#ifndef CHAOS_WORKLOAD_RUNNER_H
#define CHAOS_WORKLOAD_RUNNER_H

#include "../faults/random.h"
#include "workload_plan.h"
#include "workload_reader.h"

/* How the result of a batch of a group is learned. */
enum form { FORM_WAIT, FORM_HOLD, FORM_CALLBACK };

typedef struct submission {
    struct runner *r;
    enum form form;
    levin_ticket *ticket;
    uint32_t number;
    const plan_batch *batch;
    unsigned calls; /* of the callback */
    unsigned script; /* number of the ticket there */
    bool going;
} submission;

typedef struct runner {
    const workload *w;
    const workload_target *target;
    workload_result *result;
    levin *store; /* NULL: not open */
    levin_batch *batches[GROUP_BATCHES_MAX];
    submission group[GROUP_BATCHES_MAX]; /* of the step; callbacks refer to it */
    submission held[GROUP_BATCHES_MAX];  /* their batches are not the first one, which the next step uses */
    size_t held_count;
    uint32_t called; /* number of the batch whose callback came last */
    levin_keyspace *spaces[PLAN_SPACES]; /* open; [0] stays NULL, the default one */
    levin_snapshot *snapshot;
    levin_keyspace *snapshot_spaces[ORACLE_SPACES_MAX]; /* those of its time, by the oracle's number */
    uint32_t snapshot_state;
    uint64_t snapshot_checkpoints;
    workload_reader reader;    /* as long as the snapshot */
    uint32_t checkpoint_state; /* a checkpoint is no older than that */
    uint32_t doubtful;         /* the bulk load that has failed last on this handle; 0: none */
    bool disturbed; /* the backup at work has been */
} runner;

static inline uint64_t runner_now(const runner *r)
{
    return r->target->now(r->target->context);
}

/* Where what is done is written down, or NULL; what only reads. */
static inline workload_script *script_of(const runner *r)
{
    return r->target->script;
}
static inline workload_script *script_of_reads(const runner *r)
{
    return r->target->script && r->target->script->reads ? r->target->script : NULL;
}

/* A call failed: a violation when there are no faults. Returns whether to go on. */
bool workload_failed(runner *r, levin_code code, const char *what);
/* The oracle has judged: the first violation is kept. Returns good. */
bool workload_checked(runner *r, bool good, const oracle_verdict *v, const char *what);
/* Fills the store's batch and the model's. False when a call failed: the batch is forgotten. */
bool workload_fill(runner *r, const plan_batch *b, levin_batch *batch);
/* The store's answer to a batch of the oracle's; b NULL: it is none of the plan's batches. */
bool workload_answered(runner *r, uint32_t number, levin_code code, const plan_batch *b);
/* False: the run ends. Submitted or refused, the oracle knows. */
bool workload_submit_one(runner *r, submission *s, levin_batch *batch, size_t *count);
/* Waits for a ticket, perhaps after a poll; gives the two to be the same. */
bool workload_finish_ticket(runner *r, const submission *s, bool poll, bool must_be_done);

/* The oracle's number of a keyspace of the plan. */
static inline uint32_t model_space(const runner *r, unsigned space)
{
    return space ? oracle_space(r->target->o, plan_space_name(space)) : ORACLE_DEFAULT;
}

/* Whether the operation is left out. */
static inline bool left_out(const runner *r, const plan_op *op)
{
    return op->off || (op->space && !r->spaces[op->space]);
}

void workload_spaces_close(levin_keyspace **spaces, size_t count);
/* Opens what the model says is there. False: the run ends. */
bool workload_spaces_open(runner *r);
/* Whether the batch, with what is left out of it, can be written as a bulk load; and that, durable when it is done. */
bool workload_loadable(const runner *r, const plan_batch *b);
levin_code workload_load(runner *r, const plan_batch *b);
/* The only operation of the batch, on a key, for a compare-and-swap; or NULL. And that; a flaw is in the verdict. */
const plan_op *workload_swappable(const runner *r, const plan_batch *b);
levin_code workload_swap(runner *r, const plan_op *op, levin_durability durability);
/* The batch as a transaction, which reads what it is going to write, and goes astray and back before its end. */
levin_code workload_transaction(runner *r, const plan_batch *b);
/* Begins a transaction that must not be committed once the operation is. NULL: a call failed. */
levin_txn *workload_rival_begin(runner *r, const plan_op *op, random_stream *forms);
/* The other one is committed, or comes first in the same group. False: the run ends. */
bool workload_rival_refused(runner *r, levin_txn *rival);
/* Steps. */
bool workload_step_backup(runner *r, uint64_t seed);
bool workload_step_make(runner *r, unsigned space);
bool workload_step_drop(runner *r, const plan_step *s);

#endif
