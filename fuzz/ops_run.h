/*
 * ops_run.h - one run of fuzz_ops: the store, its model, and what is open.  What a group of operations does is in
 * ops_write.c, ops_read.c, ops_txn.c, ops_store.c; which there are, in ops.h.
 */
#ifndef LEVIN_FUZZ_OPS_RUN_H
#define LEVIN_FUZZ_OPS_RUN_H

#include "fuzz.h"
#include "ops.h"

/* The sorted array: a value number for each key, by rank; 0 is an absent key. */
typedef struct model {
    uint32_t value[OPS_KEYS]; /* by rank */
} model;

typedef struct cursor {
    levin_iter *it;           /* NULL: not open */
    model seen;
    int at;                   /* rank; -1: invalid */
    int first, last;          /* ranks inside the bounds; first > last: none */
} cursor;

typedef struct snapshot {
    levin_snapshot *handle;   /* NULL: free */
    levin_keyspace *ks;       /* of its time */
    model seen;
} snapshot;

struct run;

/* What a callback is given. */
typedef struct callback {
    struct run *r;            /* NULL: free */
    levin_batch *batch;       /* destroyed by the callback */
    uint64_t order;           /* of submission */
    bool done;
} callback;

/* Submitted, not known committed. */
typedef struct pending {
    levin_ticket *ticket;     /* NULL: call is there instead */
    callback *call;
    levin_batch *batch;       /* a call's own destroys it */
    bool committed;
    unsigned count;
    struct { int first, last; uint32_t value; } change[OPS_BATCH_MAX]; /* these ranks; none when first > last */
} pending;

/* A transaction: what it saw in the beginning, its own writes on top, and what it asked of the beginning. */
typedef struct transaction {
    levin_txn *handle;        /* NULL: free */
    levin_keyspace *ks;       /* of its beginning; another than the run's: it was dropped since */
    bool serializable;
    model seen;
    model own;                /* of ranks that are written */
    bool written[OPS_KEYS], noted[OPS_KEYS];
    bool writes;              /* anything; a range with none of the keys in it, too */
    struct {                  /* what it had written at each savepoint, the oldest first */
        model own;
        bool written[OPS_KEYS], writes;
    } saved[OPS_SAVEPOINTS];
    unsigned saved_count;
} transaction;

typedef struct run {
    fuzz_disk disk;
    levin_options options;
    levin *store;
    levin_keyspace *ks;       /* NULL: the default one */
    levin_keyspace *dropped[OPS_MAX]; /* closed with the store, for snapshots and transactions read with them */
    unsigned dropped_count;
    model now;
    uint32_t next_stamp;
    cursor cursors[OPS_CURSORS];
    snapshot snapshots[OPS_SNAPSHOTS];
    pending tickets[OPS_TICKETS]; /* oldest first: [0, ticket_count) */
    unsigned ticket_count;
    callback calls[OPS_TICKETS];
    uint64_t calls_submitted, calls_done;
    transaction transactions[OPS_TXNS];
    unsigned backups;         /* made so far */
} run;

/* A call that has to succeed. */
#define OPS_OK(call) ops_require_ok((call), #call, __FILE__, __LINE__)
void ops_require_ok(levin_code code, const char *call, const char *file, int line);

/* What a range is: by its bounds, either of which may be missing, or a prefix. */
typedef struct range {
    levin_slice lower, upper, prefix;
    int first, last; /* ranks in it; first > last: none */
    bool empty;      /* by its bounds: no operation */
} range;

/* which: bits 0-1: 0 no lower bound, 1 no upper one, 2 a prefix; otherwise both bounds, upside down now and then. */
range ops_range_of(uint8_t a, uint8_t b, unsigned which);

/* ---- values ---- */
enum { OPS_VALUE_BYTES_MAX = 4097 };
/* A number that was not used yet, of one of sixteen classes of length. */
uint32_t ops_new_value(run *r, unsigned length_class);
size_t ops_value_bytes(uint32_t value);
/* Its bytes; good until the next call. */
levin_slice ops_value_of(uint32_t value);
void ops_require_value(uint32_t expected, levin_slice found, const char *what);

/* ---- writing; op: the four bytes of an operation, here and below ---- */
levin_durability ops_durability(unsigned byte);
/* Somebody leads: everything submitted is committed. */
void ops_apply_pending(run *r);
/* A callback is called when the model knows its batch committed, and not before. */
void ops_require_calls(const run *r);
/* Waits for the ticket or the callback; for all of them. */
void ops_ticket_end(run *r, unsigned index);
void ops_tickets_end(run *r);
void ops_put(run *r, const uint8_t op[4]);
void ops_delete(run *r, const uint8_t op[4]);
void ops_range(run *r, const uint8_t op[4]);
void ops_batch(run *r, const uint8_t op[4]);
void ops_async(run *r, const uint8_t op[4]);
void ops_callback(run *r, const uint8_t op[4]);
void ops_ticket(run *r, const uint8_t op[4]);

/* ---- reading ---- */
/* What a get gave, into a buffer of that capacity, when the model holds `expected`. */
void ops_require_get(levin_code code, uint32_t expected, levin_slice found, size_t capacity, const char *what);
void ops_get(run *r, const uint8_t op[4]);
void ops_multi_get(run *r, const uint8_t op[4]);
void ops_iter_open(run *r, const uint8_t op[4]);
void ops_iter_move(run *r, const uint8_t op[4]);
void ops_cursor_close(cursor *c);
/* Everything: forwards (1), and backwards as well (-1). */
void ops_full_scan(run *r, int last_direction);

/* ---- writes on a condition ---- */
void ops_swap(run *r, const uint8_t op[4]);
void ops_txn(run *r, const uint8_t op[4]);
void ops_savepoint(run *r, const uint8_t op[4]);
void ops_txns_end(run *r);

/* ---- the store as a whole ---- */
void ops_load(run *r, const uint8_t op[4]);
void ops_collect(run *r, const uint8_t op[4]);
void ops_backup(run *r, const uint8_t op[4]);
/* The named keyspace of r->store, which becomes r->ks; flags as of levin_keyspace_open(). */
void ops_space_open(run *r, unsigned flags);

#endif
