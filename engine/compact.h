/*
 * compact.h - compaction of the page tree, a round at a time: what the checkpoint's steps ask of it.  Internal.
 *
 * A round is a checkpoint without a memtable that writes some pages of the tree anew (checkpoint.c, merge.h).
 * Everything here but compact_auto_*() is called under work_mutex.
 */
#ifndef LEVIN_COMPACT_H
#define LEVIN_COMPACT_H

#include "db.h"

/* What a round does. */
typedef struct compact_round {
    unsigned domain;        /* of the tree that is rewritten */
    merge_rewrite rewrite;
    uint8_t *next;          /* merge_options.next; the compaction's */
    enum space_aim_at aim;  /* where its pages go */
    uint64_t floor;
} compact_round;

/* The next round of db->compaction; false: it has come to its end. The pages of rounds before are back in the space. */
bool compact_next_round(levin *db, compact_round *round);
/* Its new tree is published and its old pages are let go. */
void compact_round_done(levin *db, const merge_result *result, uint64_t bytes_written);
/* It was given up: nothing has changed. Ends the compaction. */
void compact_round_failed(levin *db, const levin_error *error);

/*
 * Background work when all else is done: one step of the compaction that auto_compact_percent asks for.  *more tells
 * whether there is more of it.
 */
levin_code compact_auto_work(levin *db, bool *more, levin_error *error);
/* Whether compact_auto_work() would begin one. */
bool compact_auto_wanted(levin *db);
/* Frees db->compaction, and gives up its round. */
void compact_end(levin *db);
/* The same, if it is the background's. */
void compact_end_automatic(levin *db);

#endif
