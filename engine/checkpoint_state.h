/*
 * checkpoint_state.h - the checkpoint in progress, and what its bulk loads share with it.  Internal.
 *
 * All under work_mutex.
 */
#ifndef LEVIN_CHECKPOINT_STATE_H
#define LEVIN_CHECKPOINT_STATE_H

#include "compact.h"

enum { MERGE_MEMORY_SHARE = 16 }; /* of the memtable budget: pages of a merge that are not yet written */

enum checkpoint_step {
    STEP_MERGE,
    STEP_FREE_LIST,
    STEP_SYNC,
    STEP_META,
    STEP_META_SYNC,
    STEP_PUBLISH,
    STEP_MARK,
    STEP_RELEASE
};

struct checkpoint {
    enum checkpoint_step step;
    version *base;              /* held: its frozen memtable and tree are what is merged */
    space *space_before;        /* to go back to */
    unsigned domain;            /* of the tree that is being merged: one after the other */
    merge *merging;
    bool merged;                /* result is filled */
    merge_result result;        /* counts of pages, and what was freed, of both trees; root and keys: the latest */
    tree roots[DOMAIN_COUNT];
    uint64_t keys[DOMAIN_COUNT];
    tree_version *tree;         /* of the new generation; allocated at the start, so that PUBLISH cannot fail */
    version *published;         /* likewise */
    dead_pages *dead;           /* likewise; what the old tree used and the new one does not */
    page_meta meta;             /* of the new generation */
    vlog_entry *entries;        /* of its table of value-log segments */
    size_t entry_count, entry_capacity;
    uint64_t replay, chain, sequence;
    uint64_t spent_ns, written_before; /* time of its steps; bytes written to the page file when it began */
    uint64_t synced_before;     /* the same, when the page file was last synced */
    uint64_t operations;        /* of the frozen memtable, merged by the merges before the one at work */
    bool compacting;            /* a round of compaction */
    compaction *round_of;       /* to be told; NULL when it has ended before its round */
    bool loading, loaded;       /* a bulk load: it is being fed; it was, so roots[load_domain] is what is merged into */
    bool marked;                /* MARK is done, before PUBLISH */
    unsigned load_domain;
    bool held;                  /* its owner has commit_mutex */
};

static inline void commit_lock(levin *db, const checkpoint *c)
{
    if (!c->held)
        sync_mutex_lock(&db->commit_mutex);
}

static inline void commit_unlock(levin *db, const checkpoint *c)
{
    if (!c->held)
        sync_mutex_unlock(&db->commit_mutex);
}

/* round: NULL, or the round of db->compaction to begin. load: NULL, or the domain of a bulk load. */
levin_code checkpoint_begin(levin *db, const compact_round *round, const unsigned *load, levin_error *error);
/* Where the new state's log begins: what the frozen memtable brings, or for a round what the meta page says already. */
void checkpoint_aim(levin *db, checkpoint *c);
/* Begins the merge of c->domain's changes into its tree, or a round. */
levin_code checkpoint_merge_open(levin *db, checkpoint *c, const compact_round *round, levin_error *error);
/* A step of it, synced on the way; and what it came to, once it is done. */
levin_code checkpoint_merge_some(levin *db, checkpoint *c, bool *done, levin_error *error);
levin_code checkpoint_merge_take(levin *db, checkpoint *c, levin_error *error);
/* The page file. A failure poisons. */
levin_code checkpoint_pages_sync(levin *db, checkpoint *c, levin_error *error);
/* MARK. Done once. */
levin_code checkpoint_mark(levin *db, checkpoint *c, levin_error *error);
/* One step of db->running; the second one also does what its failure asks for, and counts its time. */
levin_code checkpoint_step(levin *db, levin_error *error);
levin_code checkpoint_running_step(levin *db, levin_error *error);
/* Before the meta page was touched: as if nothing had been done. */
void checkpoint_give_up(levin *db);
/* Gives pages that nobody can reach any more back to the space. On failure the rest waits for the next time. */
levin_code checkpoint_take_back_pages(levin *db, levin_error *error);

#endif
