/*
 * oracle.h - what a store may legally contain: a model with the set of legal outcomes.
 *
 * The oracle shares no code with the engine and sees levin.h only. A client tells it the history: the batches in
 * the order of submission (which is the order of commit), when each was acknowledged or failed, and when everything
 * was made durable. Times are positions in a trace: the number of I/O calls made before that moment.
 *
 * One state stands for each batch. state(0) is the beginning. state(b) of an accepted (or still pending) batch b
 * holds all accepted batches up to b. state(b) of a failed batch holds the accepted batches before it and the
 * failed ones of its group up to b (those under way together with it): a failed group may be found after a crash,
 * whole batches, a prefix of it, but nothing accepted later stands on it.
 *
 * Legal after a crash at time t:
 *   - state(b) for b from the last batch covered by a sync acknowledged by t, to the last batch submitted by t;
 *   - of failed batches only those after which nothing was accepted into the log by t;
 *   - never a batch that was refused before any I/O was made for it.
 * Legal after the end of the process at time t, when the kernel lost nothing: the same, but from the last batch on that
 * was acknowledged by t as logged or synced.
 * Legal in an open store: every acknowledged batch is seen, no failed one; a pending one may be seen.
 *
 * Keyspaces are part of the model: a keyspace is a number here, ORACLE_DEFAULT or what oracle_space() gives a name.
 * That a named one is there is a pair of its own, with an empty key, so that creating and dropping are batches like
 * others, and a keyspace that comes back, or is lost, is a difference like any other.
 *
 * The memory is the harness's own (malloc; running out of it ends the program).  One thread.
 */
#ifndef FAULTS_ORACLE_H
#define FAULTS_ORACLE_H

#include <string.h>

#include "../engine/levin.h"
#include "random.h"

typedef struct oracle oracle;

oracle *oracle_create(void);
/* A history that begins where `from` is in this state. `from` must outlive it and must not change meanwhile. */
oracle *oracle_continue(oracle *from, uint32_t state);
void oracle_destroy(oracle *o);

/* ---- recording -------------------------------------------------------------------------------------------- */

enum { ORACLE_DEFAULT = 0, ORACLE_SPACES_MAX = 8 };
/* The number of the named keyspace, from 1 on, the same for the same name. Ends the program when there are too many. */
uint32_t oracle_space(oracle *o, levin_slice name);
/* Whether the keyspace is there in that state. */
bool oracle_has_space(const oracle *o, uint32_t state, uint32_t space);

/* Operations of the batch that is being put together; later ones on a key win. Bytes are copied. */
void oracle_put_in(oracle *o, uint32_t space, levin_slice key, levin_slice value);
void oracle_delete_in(oracle *o, uint32_t space, levin_slice key);
/* Keys in [lower, upper); upper.data NULL: to the end. */
void oracle_delete_range_in(oracle *o, uint32_t space, levin_slice lower, levin_slice upper);
void oracle_delete_prefix_in(oracle *o, uint32_t space, levin_slice prefix);
void oracle_create_space(oracle *o, uint32_t space);
void oracle_drop_space(oracle *o, uint32_t space);
/* The same for the default keyspace. */
void oracle_put(oracle *o, const void *key, size_t key_bytes, const void *value, size_t value_bytes);
void oracle_delete(oracle *o, const void *key, size_t key_bytes);
void oracle_delete_range(oracle *o, levin_slice lower, levin_slice upper);
void oracle_delete_prefix(oracle *o, levin_slice prefix);
/* Takes back the operations put together so far. */
void oracle_discard(oracle *o);
/* They become the next batch: returns its number, 1, 2, ... */
uint32_t oracle_submit(oracle *o, levin_durability durability, uint64_t time);
void oracle_acknowledge(oracle *o, uint32_t batch, uint64_t time);
/* A failure without I/O since the submission means that the batch is nowhere. */
void oracle_fail(oracle *o, uint32_t batch, uint64_t time);
/* levin_sync, levin_checkpoint or levin_close succeeded: all that was acknowledged is durable, and what failed is
 * gone. */
void oracle_durable(oracle *o, uint64_t time);
/* The store was opened anew and showed this state: it is the truth from here on, and durable. */
void oracle_settle(oracle *o, uint32_t state, uint64_t time);
/* When that was last; crashes before that time cannot be judged any more, but by oracle_at(). */
uint64_t oracle_settled(const oracle *o);
/* From here on what the history was before it settles is kept. */
void oracle_keep_past(oracle *o);
/* The history by which a crash at that time is judged: o, or what it was before it settled. It lives as long as o. */
oracle *oracle_at(oracle *o, uint64_t time);

uint32_t oracle_last_batch(const oracle *o);
/* The newest state in which every accepted batch is present. */
uint32_t oracle_accepted(const oracle *o);

/* ---- legal sets ------------------------------------------------------------------------------------------- */

typedef struct oracle_legal {
    uint32_t first, last; /* states, both in */
    uint32_t barrier;     /* failed batches up to here are gone for good */
    bool live;            /* an open store, not one after a crash */
    bool process_end;     /* the process ended, the machine did not */
    uint64_t time;
} oracle_legal;
oracle_legal oracle_legal_crash(const oracle *o, uint64_t time);
oracle_legal oracle_legal_process_end(const oracle *o, uint64_t time);
oracle_legal oracle_legal_live(const oracle *o);
/* One state only. */
oracle_legal oracle_legal_exactly(uint32_t state);
/* How often by that time the store had promised more: times of one class have the same lower end of the legal set. */
uint64_t oracle_promise_class(const oracle *o, uint64_t time);
bool oracle_is_legal(const oracle *o, const oracle_legal *legal, uint32_t state);

/* ---- a state spelled out ---------------------------------------------------------------------------------- */

typedef struct oracle_pair {
    uint32_t space;
    levin_slice key, value; /* key empty: the keyspace is there */
    uint64_t hash;          /* of keyspace, key and value */
} oracle_pair;
typedef struct oracle_pairs {
    oracle_pair *items; /* ascending by keyspace and key */
    size_t count, capacity;
} oracle_pairs;
/* The oracle's, good until the next call on it. */
const oracle_pairs *oracle_pairs_at(oracle *o, uint32_t state);
/* Those of one keyspace, but for the pair that says that it is there: a part of all, and good as long. */
oracle_pairs oracle_pairs_of(const oracle_pairs *all, uint32_t space);

/* ---- checking --------------------------------------------------------------------------------------------- */

#define ORACLE_NO_STATE UINT32_MAX

typedef struct oracle_verdict {
    const char *promise; /* NULL: as promised. Otherwise its name: "DURABLE", "PREFIX", ... (design) */
    uint32_t state;      /* the state found, or ORACLE_NO_STATE */
    levin_code code;     /* of the call on the store that failed, or LEVIN_OK */
    char file[96];       /* with LEVIN_CORRUPT: what it names, and where; "" when nobody asked */
    uint64_t offset;
    char text[600];      /* what is wrong */
} oracle_verdict;
/* What an error names is in the verdict from now on. */
void oracle_names(oracle_verdict *verdict, const levin_error *error);
static inline void oracle_names_as(oracle_verdict *verdict, const oracle_verdict *other)
{
    memcpy(verdict->file, other->file, sizeof verdict->file);
    verdict->offset = other->offset;
}
/* Records a violation in the verdict, unless it holds one already. */
void oracle_fault(oracle_verdict *verdict, const char *promise, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

typedef struct oracle_check_options {
    const levin_snapshot *snapshot; /* NULL: one is taken for the duration of the check */
    levin_keyspace *const *spaces;  /* with a snapshot: the handles by number, of ORACLE_SPACES_MAX, opened when it was
                                     * taken; a probe: NULL */
    const levin_keyspace *keyspace; /* of a probe: where it reads, NULL: the default one */
    uint64_t seed;                  /* of the probes */
    unsigned points;                /* random point reads, half of them of absent keys */
    unsigned ranges;                /* random ranges and prefixes */
    bool faults_active;             /* a call may fail: that ends the check without a verdict (code says so) */
    /* The store may be damaged: LEVIN_CORRUPT is an honest answer, and goes here. NULL: it is not. */
    void (*corrupt)(void *context, const char *call, const levin_error *error);
    void *context;
} oracle_check_options;

/*
 * Lists the keyspaces and reads the whole store forwards, then the default keyspace, and with every other seed one of
 * the named ones, backwards, points and ranges of them, all against one legal state.  Returns whether the store is as
 * promised.
 */
bool oracle_check(oracle *o, const oracle_legal *legal, levin *store, const oracle_check_options *options,
                  oracle_verdict *verdict);
/*
 * Reads a store that may be damaged, whose right answers are those of this state: every keyspace forwards and
 * backwards, every key in turn by every kind of get, absent ones, ranges.  Each answer must be right, also those
 * before a LEVIN_CORRUPT and after it; options->corrupt gets each of these.  The options' snapshot may be NULL: gets
 * then go through the row cache.
 */
bool oracle_check_damaged(oracle *o, uint32_t state, levin *store, const oracle_check_options *options,
                          oracle_verdict *verdict);
/* Checks a state found earlier (in an identical image) against another legal set. */
bool oracle_check_state(oracle *o, const oracle_legal *legal, uint32_t state, oracle_verdict *verdict);

/* The parts of oracle_check(), each of which can fail by itself. */
typedef struct oracle_scan oracle_scan;
oracle_scan *oracle_scan_begin(oracle *o);
void oracle_scan_pair(oracle_scan *scan, uint32_t space, levin_slice key, levin_slice value);
/* Compares what was fed with the legal set, and destroys the scan. */
bool oracle_scan_end(oracle_scan *scan, const oracle_legal *legal, oracle_verdict *verdict);
/* The probes: expected is of one keyspace (oracle_pairs_of()), that of the options. */
bool oracle_probe_reverse(const oracle_pairs *expected, levin *store, const oracle_check_options *options,
                          oracle_verdict *verdict);
bool oracle_probe_points(const oracle_pairs *expected, levin *store, const oracle_check_options *options,
                         oracle_verdict *verdict);
bool oracle_probe_ranges(const oracle_pairs *expected, levin *store, const oracle_check_options *options,
                         oracle_verdict *verdict);

/* ---- iterators with bounds (oracle_ranges.c) -------------------------------------------------------------- */

/* [low, high) of the pairs that the bounds and the prefix let through. */
void oracle_bounded(const oracle_pairs *expected, const levin_iter_options *bounds, size_t *low, size_t *high);

/* Where an iterator with bounds has to stand; zeroed but for low and high: nowhere yet. */
typedef struct oracle_cursor {
    size_t low, high; /* of oracle_bounded() */
    size_t at;        /* of the pair, when valid */
    bool valid;
    uint64_t moves;
} oracle_cursor;
/* One random move of iterator and cursor: next or prev when they stand, otherwise to an end or to a key. */
bool oracle_cursor_move(oracle_cursor *c, const oracle_pairs *expected, levin *store, levin_iter *iter,
                        random_stream *random, const oracle_check_options *options, oracle_verdict *verdict);
/*
 * All moves of an iterator just opened with bounds: from end to end both ways, a change of direction at every position
 * on both ways, a seek of both kinds to each of the keys and from there a step to either side.  *moves (may be NULL) is
 * added to.
 */
bool oracle_walk(const oracle_pairs *expected, levin *store, levin_iter *iter, const levin_iter_options *bounds,
                 const levin_slice *keys, size_t key_count, const oracle_check_options *options, uint64_t *moves,
                 oracle_verdict *verdict);

#endif
