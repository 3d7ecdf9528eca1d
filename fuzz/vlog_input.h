/*
 * vlog_input.h - segments of the value log, and pointers into them, as an input of fuzz_vlog: files as in container.h.
 *
 *   byte 1 of the container: enum vlog_script
 *   the segments, of a store with the identity VLOG_INPUT_IDENTITY
 *   "pages.new": steps of 32 bytes, each with a pointer:
 *        0   24  the pointer (vlog_format.h)
 *       24    1  what is done as the store is opened (modulo 4): 0 its segment is in the table of a checkpoint;
 *                1 it stands in the log, 2 ... which proves that it was durable; 3 nothing
 *       25    3  not used
 *       28    4  0: where the segment ends by that table
 * Every pointer is read once all steps were taken.
 */
#ifndef LEVIN_FUZZ_VLOG_INPUT_H
#define LEVIN_FUZZ_VLOG_INPUT_H

#include "container.h"

enum vlog_script {
    VLOG_WRITE = 1,  /* what was accepted is secured, and values are written behind it */
    VLOG_MORE = 6,   /* (in steps of 2) how many groups of values: 1, 3, 5, 7 */
    VLOG_WALK = 8    /* the segments are walked (levin_dump()) */
};
enum { VLOG_MORE_STEP = 2, VLOG_STEP_BYTES = 32, VLOG_STEP_WHAT = 24, VLOG_STEP_END = 28, VLOG_STEPS_MAX = 64 };
enum vlog_step { STEP_TABLE = 0, STEP_LOG = 1, STEP_PROVEN = 2, STEP_NOTHING = 3, STEP_KINDS = 4 };

#define VLOG_INPUT_IDENTITY "levin fuzz vlog" /* 16 bytes, with its 0 */

#endif
