/*
 * scoreboard_results.h - the results of trials, kept as they come, so that --resume goes on with a run that was cut
 * short.
 *
 * `results` beside the row's store, JSON, a line each: first what they depend on (the digests of the store and of its
 * recording, seed, sizes and limits; digests of this program, of the store's plug-in and of the recorder's library),
 * then a trial a line, and a class of power cuts a line.  Another first line: they are results of something else, and
 * go.  A last line that is not whole (the run was killed) goes, too.
 */
#ifndef CHAOS_SCOREBOARD_RESULTS_H
#define CHAOS_SCOREBOARD_RESULTS_H

#include "scoreboard.h"

/* options.resume: takes what an earlier run left into the cells, as far as it is due, and goes on behind it. */
void board_results_open(board *b, board_row *row);
/* Whether it was taken. */
bool board_results_has(const board_row *row, board_class c, uint64_t number);
/* A class of power cuts: all its states. */
bool board_results_has_states(const board_row *row, board_class c);

/* One trial, counted in its cell: of this run. */
void board_results_add(board_row *row, const board_result *result);
/* A class of power cuts that is complete: what its cell has. */
void board_results_add_states(const board *b, board_row *row, board_class c);
void board_results_close(board_row *row);

#endif
