/*
 * db.h - the store handle, shared by the files that implement levin.h.  Internal.
 *
 * Locks, in the order in which they may be taken:
 *   compact_mutex one call of levin_compact() at a time                          (compact.c)
 *   work_mutex    the checkpoint in progress, the free space, the meta pages     (checkpoint.c, compact.c, check.c)
 *   commit_mutex  the log, the memtable's writer side, publication of versions   (write.c, checkpoint.c)
 *   readers.mutex, then versions.mutex; error_mutex, page cache and memory: leaves
 * Readers take none of these, but for the reference count of a snapshot or an iterator.
 */
#ifndef LEVIN_DB_H
#define LEVIN_DB_H

#include "commit.h"
#include "counter.h"
#include "events.h"
#include "file.h"
#include "merge.h"
#include "metered_io.h"
#include "metrics.h"
#include "reader_list.h"
#include "reader_slots.h"
#include "row_cache.h"
#include "throttle.h"
#include "value_cache.h"
#include "version.h"
#include "vlog.h"
#include "wal.h"

#define LOCK_FILE_NAME "lock"

typedef struct checkpoint checkpoint;
typedef struct compaction compaction;

enum {
    RECLAIM_BATCH = 64,         /* replaced versions that are freed with one grace period, */
    RECLAIM_SHARE = 64,         /* or those that hold replaced nodes of this share of a memtable, */
    RECLAIM_BYTES_MIN = 64 << 10, /* and of so much */
    RECLAIM_SLOW_NS = 500000,   /* a leader that waited so long leaves it to the background thread, */
    RECLAIM_REST = 64,          /* so many times, */
    RECLAIM_LIMIT = 512,        /* as long as no more versions wait, */
    RECLAIM_SHARES_MAX = 2,     /* and no more of these shares */
    WAL_LAZY_BYTES = 1 << 20,   /* unlogged groups are handed to the kernel when so much has gathered */
    PAGES_SYNC_BYTES = 8 << 20, /* a checkpoint syncs what it has written at least so often */
    GROUP_BYTES_MAX = 64 << 20  /* a group takes no further batch beyond this */
};

/* A collection of the value log, between its steps (collect.h). */
typedef struct collector {
    enum { COLLECT_IDLE, COLLECT_PASS, COLLECT_WAIT } state;
    unsigned domain;    /* whose tree the pass goes over: one after the other */
    uint8_t *key;       /* the pass goes on here; a longest key and one byte */
    size_t key_bytes;
    uint64_t below;     /* asked for: of segments below this number; 0: nobody has asked */
    uint64_t began_ns, moved, moved_bytes; /* for the log callback */
} collector;

/*
 * What a get counts, on one cache line of its thread. A row that was found is the shortest get, where each count
 * shows: it raises one. So the counts of gets and of keys found are kept without the row cache's answers, and the
 * latter, which an answer "absent" lowers, may be below zero, modulo 2^64 (stats.c adds them up).
 */
enum read_count {
    COUNT_GETS_BELOW,     /* gets - row hits */
    COUNT_GET_HITS_BELOW, /* keys found - row hits */
    COUNT_PAGE_HITS,
    COUNT_ROW_HITS,
    COUNT_ROW_MISSES,
    COUNT_ROW_OWN, /* row_cache.h's own */
    COUNT_ROW_OWN_LAST = COUNT_ROW_OWN + ROW_COUNTS - 1,
    COUNT_KINDS
};
static_assert((int)COUNT_KINDS <= (int)COUNTER_SLOTS, "the counts of a get fit one stripe");

/* What a write counts, on one cache line of its thread. */
enum write_count {
    COUNT_WRITES, /* calls that submitted something */
    COUNT_TICKETS,
    COUNT_CALLBACKS,
    COUNT_TXN_BEGUN,
    COUNT_TXN_COMMITTED,
    COUNT_TXN_CONFLICTS,
    COUNT_WRITE_KINDS
};
static_assert((int)COUNT_WRITE_KINDS <= (int)COUNTER_SLOTS, "the counts of a write fit one stripe");

struct levin {
    metered_io metered;
    const levin_io *io;          /* &metered.table */
    levin_options options;
    char *directory;             /* options' path, owned */
    size_t directory_bytes;
    uint8_t identity_bytes[16];
    uint64_t identity;           /* checksum_identity() of it */
    uint32_t page_bytes;

    file lock;
    bool slots;                  /* the lock file has byte-range locks, and reader slots */
    bool beside;                 /* read-only, opened beside a writer: the log was not looked at */
    reader_slot slot;            /* of a read-only handle, when slots */
    file pages;
    page_cache *cache;
    row_cache *rows;             /* NULL: off */
    wal *log;                    /* commit_mutex; NULL when read-only and there is none */
    vlog values;                 /* vlog.h says which part goes with which mutex */
    uint64_t value_threshold;    /* values longer than this go to the value log; UINT64_MAX: none */
    vlog_value *gather;          /* commit_mutex: the values of a group */
    size_t gather_capacity;
    value_cache *large;          /* large values in memory; NULL: off */
    collector collect;           /* of who has `collecting` */
    _Atomic uint32_t collecting; /* a step of a collection is under way: collect.c */
    version_set versions;

    commit_queue queue;
    sync_mutex log_thread_mutex; /* of its start; a leaf */
    sync_thread log_thread;      /* the queue's server */
    _Atomic uint32_t log_thread_started; /* release by who started it, acquire by who needs it */
    _Atomic uint32_t closing;    /* levin_close() has begun: no more submissions */
    sync_mutex commit_mutex;
    uint64_t group;              /* commit_mutex: number of the newest group */
    uint64_t sequence;           /* commit_mutex: of the newest batch */
    bool spare_asked;            /* commit_mutex: the background thread knows that the log wants a spare segment */
    bool spare_making;           /* commit_mutex: a thread is making that segment, outside the lock */
    uint64_t dead_bytes;         /* the leader's: memtable nodes replaced since versions were last freed */
    size_t reclaim_seen;         /* the leader's: versions that waited when it looked last */
    uint32_t reclaim_rest;       /* the leader's: times that it is the background thread's business */
    bool reclaim_asked;          /* the leader's: it knows */
    throttle throttle;           /* its two sides: checkpoint.c, under work_mutex; write.c, the leader */
    _Atomic uint32_t throttle_word; /* bumped (release) when a checkpoint is done, slept on by a leader held back */
    bool merged_held;            /* commit_mutex: a memtable is merged and published, and its memory not yet free */
    uint64_t lazy_bytes;         /* commit_mutex: appended, not yet flushed */
    uint64_t frozen_replay;      /* commit_mutex: where the log after the frozen memtable begins */
    uint64_t frozen_chain;
    uint64_t frozen_sequence;
    _Atomic uint32_t poisoned;   /* release by whoever saw a sync fail, acquire by writers */

    sync_mutex compact_mutex;
    sync_mutex work_mutex;
    checkpoint *running;         /* work_mutex: the checkpoint in progress */
    levin_bulk_load *bulk_load;  /* work_mutex: it is `running`, which only it drives; NULL: none is */
    compaction *compaction;      /* work_mutex: compact.c; NULL when none is at work */
    uint64_t compacted_at;       /* work_mutex: checkpoints completed when the last one of the background ended */
    space *space;                /* work_mutex: free pages; NULL when read-only */
    page_meta meta;              /* work_mutex: the newest durable meta */

    sync_thread thread;
    bool thread_started;
    _Atomic uint32_t work_word;  /* bumped (release) by levin_db_wake, waited on (acquire) by the background thread */
    _Atomic uint32_t stopping;   /* release by close, acquire by the background thread */

    sync_mutex keyspaces_mutex;  /* a leaf */
    struct keyspace_state *keyspaces; /* keyspaces_mutex: those that anybody has open */
    _Atomic uint64_t keyspace_count; /* named keyspaces there are; a figure, raised by the leader, relaxed */

    sync_mutex error_mutex;
    levin_error last_error;      /* error_mutex */

    counter_set counts;          /* by enum read_count */
    reader_list readers;         /* snapshots and iterators open */
    /* Counters below are raised under the mutex that guards what they count, and read without: relaxed. */
    _Atomic uint64_t batches, puts, deletes, range_deletes, groups, checkpoints, checkpoint_failures, pages_written;
    _Atomic uint64_t stalls, stall_ns, throttles, throttle_ns;
    _Atomic uint64_t replayed_batches, replayed_operations, recovery_ns, checkpoint_ns, checkpoint_bytes;
    _Atomic uint64_t compactions, compaction_rounds, compaction_pages, compaction_bytes;
    _Atomic uint64_t bulk_loads, bulk_load_entries;
    counter_set write_counts;    /* by enum write_count */
    metrics metrics;
    events events;
};

static inline void count_add(_Atomic uint64_t *count, uint64_t n)
{
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}
static inline uint64_t count_read(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Remembers the error for levin_last_error(), tells the log callback of damage and failed calls, returns its code. */
levin_code db_fail(levin *db, const levin_error *error);
/* Fills and remembers a LEVIN_INVALID or the like. */
levin_code db_refuse(levin *db, levin_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Whether it says where its bytes are, if it has any: a caller's mistake otherwise. */
static inline bool slice_good(levin_slice s)
{
    return s.data || !s.size;
}

static inline bool db_poisoned(levin *db)
{
    return atomic_load_explicit(&db->poisoned, memory_order_acquire) != 0; /* pairs with db_poison */
}
/* No write is accepted any more: a sync failed, so what the device holds is unknown. */
void db_poison(levin *db);

/* Tells the background thread that there is work. */
void db_wake(levin *db);

/*
 * Under commit_mutex: freezes the memtable, when it has entries (or empty_too) and none is frozen yet; flushes the log
 * first.
 */
levin_code db_freeze(levin *db, bool empty_too, levin_error *error);

/* A snapshot or iterator is there, or gone; its version is referenced by the caller meanwhile. */
static inline void db_reader_add(levin *db, reader_entry *e, levin_reader_kind kind, const version *v)
{
    reader_list_add(&db->readers, e, kind, v, db->io->now_ns(db->io->context));
}
static inline void db_reader_remove(levin *db, reader_entry *e)
{
    reader_list_remove(&db->readers, e);
}
/*
 * The oldest checkpoint that a reading process may look at; UINT64_MAX: none has the store open. 0 when it cannot be
 * found out.
 */
uint64_t db_oldest_generation(levin *db);
/* The same, *newest being what the newest of them reads. LEVIN_IO. */
levin_code db_reading_processes(levin *db, uint64_t *oldest, uint64_t *newest, levin_error *error);
/* Who holds back what, here and in other processes. */
typedef struct reader_summary {
    bool any;
    levin_reader oldest;
    uint64_t processes, processes_held_bytes;
} reader_summary;
void db_readers_summary(levin *db, reader_summary *s);
/* After a checkpoint, without locks: tells of the oldest reader when it holds back more, or longer, than asked for. */
void db_reader_watch(levin *db);

/* Takes work_mutex and does one bounded step. *more tells whether work is left. */
levin_code checkpoint_work(levin *db, bool *more, levin_error *error);
/* The same under work_mutex; with compact it begins the next round of db->compaction when nothing else is to be done.
 * *more does not tell about further rounds. */
levin_code checkpoint_work_locked(levin *db, bool compact, bool *more, levin_error *error);
/* Under work_mutex: the compaction ends; a round that can be given up is, another is finished by whoever works. */
void checkpoint_drop_round(levin *db);
/* Does steps until no memtable is frozen and no checkpoint is running. */
levin_code checkpoint_drive(levin *db, levin_error *error);
/* Makes a spare log segment ready when the log wants one, outside all locks but for a moment. */
levin_code checkpoint_prepare_log(levin *db, levin_error *error);
/* Under work_mutex: removes value-log segments that nobody can reach any more. */
void checkpoint_take_back_segments(levin *db);
/* At close: forgets the checkpoint in progress. */
void checkpoint_abandon(levin *db);

/* The commit queue's lead function. */
void write_lead(void *context, commit_request *list);
/* At close: refuses what callbacks submit, ends the log thread, commits all that is queued, runs all callbacks. */
void write_close(levin *db);

/* A reference on a version. */
struct levin_snapshot {
    levin *store;
    const version *v;
    reader_entry entry; /* in store->readers */
};
/* NULL for NULL: the newest. */
static inline const version *snapshot_version(const levin_snapshot *snapshot)
{
    return snapshot ? snapshot->v : NULL;
}

/* LEVIN_INVALID when it is one of another store; NULL is good. */
static inline levin_code db_check_snapshot(levin *db, const levin_snapshot *snapshot)
{
    return __builtin_expect(snapshot && snapshot->store != db, 0)
               ? db_refuse(db, LEVIN_INVALID, "the snapshot is one of another store") : LEVIN_OK;
}

/* Where a log begins that is replayed over this meta page. */
static inline wal_start db_log_start(const page_meta *m)
{
    return (wal_start){
        .position = m->replay,
        .chain = m->replay_chain,
        .sequence = m->sequence,
        .incarnation = m->incarnation,
        .generation = m->generation,
    };
}

#endif
