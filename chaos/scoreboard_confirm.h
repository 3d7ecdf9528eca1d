/*
 * scoreboard_confirm.h - the examples of a kept report, replayed.
 */
#ifndef CHAOS_SCOREBOARD_CONFIRM_H
#define CHAOS_SCOREBOARD_CONFIRM_H

#include "scoreboard.h"

/*
 * Each example in scoreboard.json of options->directory, BOARD_REPEATS times in a row by its line; prints how often it
 * came back, and what differed.  Seed, batches and limits are those of the report.  Exit status: 1 when one differs, 3
 * when there is no such report.
 */
int scoreboard_again(const board_options *options);

#endif
