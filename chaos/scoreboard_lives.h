/*
 * scoreboard_lives.h - a store that runs while something happens to it: a sync fails, the disk is full, the power goes.
 *
 * A life is a process of its own (`levin-chaos scoreboard --child`), run under the recorder, which hurts its calls by
 * a fault plan and gives the trace of all that it did.  It writes batches, each acknowledged on its standard output;
 * one that fails it writes again, three times, for that is what applications do.
 */
#ifndef CHAOS_SCOREBOARD_LIVES_H
#define CHAOS_SCOREBOARD_LIVES_H

#include "scoreboard.h"

/* What the child is asked for, on its command line. */
typedef struct life_order {
    const char *label, *directory;
    uint64_t seed;
    uint32_t keys, batches; /* of the whole workload, as the parent has it */
    uint32_t until;         /* the last batch written in this life */
    bool close;             /* at the end; otherwise it just ends, as in a power cut */
} life_order;

/* In the child: writes, and acknowledges. Returns the exit status. */
int life_child(const life_order *order);

/* Records the life in which nothing happens. NULL: why says why, and there are no lives of this store. */
trace *lives_record(const board *b, const board_row *row, char why[GUARDED_TEXT_BYTES]);
/* Counts the syncs and bytes of row->life. */
void lives_count(board_row *row);
void lives_release(board_row *row);

/* One life with a failed sync or a full disk; OUTCOME_COUNT when the fault did not come. */
outcome life_trial(const board *b, board_row *row, board_class c, uint64_t number,
                   char what[STORE_DAMAGE_DESCRIPTION_BYTES], char text[GUARDED_TEXT_BYTES], unsigned *told);

/* The crash states of the life in which nothing happens. deadline: crew_clock(), or 0. False: not all were judged. */
bool lives_explore(const board *b, board_row *row, board_class c, double deadline);
/* One of them; `number` is CRASH_NUMBER(point, variant). */
outcome life_crash_trial(const board *b, board_row *row, board_class c, uint64_t number,
                         char what[STORE_DAMAGE_DESCRIPTION_BYTES], char text[GUARDED_TEXT_BYTES]);

#define CRASH_NUMBER(point, variant) ((uint64_t)(point) << 24 | (uint64_t)(variant))
#define CRASH_POINT(number) ((number) >> 24)
#define CRASH_VARIANT(number) ((number) & 0xffffff)

#endif
