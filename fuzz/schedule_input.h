/*
 * schedule_input.h - the bytes of an input of fuzz_schedule: what threads do, and where the scheduler lets others go.
 *
 *   byte 0     the store to begin with (modulo SCENARIO_IMAGES); bits 2-7: a thread of the engine's own, row cache,
 *              values apart, commits that linger, groups of two batches, waits that return without reason
 *   byte 1     threads, 2 to 4 (modulo)
 *   byte 2     the call that fails: 1 .. SCENARIO_FAULTS, of 16; none otherwise
 *   byte 3     bits 0-4 which such call, from 1; bit 7 and all after it
 *   byte 4     of an allocation: the thread that it is of, modulo one more than there are; 0 any
 *   bytes 5-6  the point at which the power goes; 0 never
 *   byte 7     seed of the crash states that are looked at; bit 7: the power goes inside a sync
 *   records of 4 bytes, the first modulo SCHEDULE_INPUT_KINDS: an operation's kind, or a switch
 *     operation: bits 0-1 the thread, 2-3 way, 4-5 durability; bits 0-3 keys, 4-7 more keys; nothing
 *     switch: bits 0-3 the thread that stands somewhere, 4-7 the one that comes; where: 2 bytes, its point's number
 */
#ifndef LEVIN_FUZZ_SCHEDULE_INPUT_H
#define LEVIN_FUZZ_SCHEDULE_INPUT_H

#include "../faults/schedule/scenario.h"

enum {
    SCHEDULE_INPUT_IMAGE = 0,
    SCHEDULE_INPUT_THREADS = 1,
    SCHEDULE_INPUT_FAULT = 2,
    SCHEDULE_INPUT_NTH = 3,
    SCHEDULE_INPUT_FAULT_THREAD = 4,
    SCHEDULE_INPUT_CUT = 5,
    SCHEDULE_INPUT_SEED = 7,
    SCHEDULE_INPUT_HEADER_BYTES = 8
};
enum { SCHEDULE_INPUT_RECORD_BYTES = 4, SCHEDULE_INPUT_RECORDS_MAX = 192, SCHEDULE_INPUT_SWITCHES_MAX = 128 };
/* As many kinds are switches as are operations. */
enum { SCHEDULE_INPUT_KINDS = 2 * SCENARIO_KIND_COUNT };

#endif
