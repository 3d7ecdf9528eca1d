/*
 * workload_plan.h - how a plan is kept; shared by workload.c, which makes it, and workload_run.c, which runs it.
 */
#ifndef CHAOS_WORKLOAD_PLAN_H
#define CHAOS_WORKLOAD_PLAN_H

#include "workload.h"

enum step_kind {
    STEP_WRITE,          /* one batch, waited for */
    STEP_GROUP,          /* several batches submitted, then waited for */
    STEP_SYNC,
    STEP_CHECKPOINT,
    STEP_COMPACT,        /* argument: mode, and after how many looks at the progress it is stopped */
    STEP_BACKUP,         /* taken, compared, removed; argument: seed of the probes */
    STEP_WORK,           /* argument: bounded steps of background work */
    STEP_COLLECT,        /* argument: the share in use below which a segment of the value log is collected */
    STEP_READ,           /* argument: seed of the probes */
    STEP_CHECK,          /* the whole store; argument: seed of the probes */
    STEP_SNAPSHOT,
    STEP_SNAPSHOT_CHECK, /* checks and releases it; argument: seed of the probes */
    STEP_KEYSPACE_MAKE,  /* argument: which; nothing when it is there */
    STEP_KEYSPACE_DROP,  /* with batches submitted before; argument: which, and the rest by chance */
    STEP_REOPEN
};

enum plan_reach { REACH_KEY, REACH_RANGE, REACH_PREFIX };

typedef struct plan_op {
    levin_slice key, value; /* a range: its ends; a prefix: key */
    bool deletes, overwrites;
    unsigned char space; /* 0: the default keyspace; otherwise plan_space_name() */
    enum plan_reach reach;
    bool off; /* not in the part of the plan that is run */
} plan_op;

/* Whether the operation is about this key of its keyspace. */
bool plan_op_reaches(const plan_op *op, levin_slice key);

enum { PLAN_SPACES = 4 }; /* the default one counted */
levin_slice plan_space_name(unsigned space);

typedef struct plan_batch {
    size_t first_op, ops;
    levin_durability durability;
} plan_batch;

typedef struct plan_step {
    enum step_kind kind;
    size_t first_batch, batches;
    uint64_t argument;
    bool off; /* as an operation */
} plan_step;

typedef struct plan_chunk plan_chunk;

enum { GROUP_BATCHES_MAX = 6 };

struct workload {
    workload_options options;
    plan_op *ops;
    size_t op_count, op_capacity;
    plan_batch *batches;
    size_t batch_count, batch_capacity;
    plan_step *steps;
    size_t step_count, step_capacity;
    plan_chunk *chunks; /* bytes of keys and values */
    uint32_t wal_segment_bytes, wal_sector_bytes;
};

#endif
