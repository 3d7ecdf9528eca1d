/*
 * scoreboard_kept.h - a report of an earlier run, read again.
 */
#ifndef CHAOS_SCOREBOARD_KEPT_H
#define CHAOS_SCOREBOARD_KEPT_H

#include "scoreboard.h"

/*
 * What the report in options->directory says of a store, if it is one of the same seed, batches and keys; otherwise
 * kept->there is false.
 */
void board_kept_load(const board_options *options, const char *label, board_kept *kept);

/* One bad outcome of a report. The texts belong to the report. */
typedef struct board_kept_example {
    const char *label, *class, *place;
    outcome what;
    bool finding;            /* its line had come back each time */
    board_again again;       /* of what its trial begins with: files or recording */
} board_kept_example;

/*
 * Calls `visit` for all of them, in their order, with options as the report's seed, batches and hang_seconds have them,
 * until it returns false.  False, with a message on standard error: there is no report.
 */
typedef bool (*board_kept_visit)(void *context, const board_options *options, const board_kept_example *example);
bool board_kept_examples(const board_options *options, board_kept_visit visit, void *context);

#endif
