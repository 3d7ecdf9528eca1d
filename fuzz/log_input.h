/*
 * log_input.h - a log as an input of fuzz_log: the files of a store (container.h) of which the log and two meta pages
 * count.  An input of fuzz_open_image is one, too.
 *
 *   byte 1 of the container: enum log_script
 *   "pages": a meta page, not necessarily whole, says whose log it is and where the replay begins
 *   the segments of the log
 */
#ifndef LEVIN_FUZZ_LOG_INPUT_H
#define LEVIN_FUZZ_LOG_INPUT_H

#include "container.h"

enum log_script {
    LOG_SALVAGE = SCRIPT_SALVAGE,     /* recovery cuts at damage */
    LOG_READ_ONLY = SCRIPT_READ_ONLY, /* nothing is written */
    LOG_SECOND_META = 4,              /* the meta page in slot 1, not 0 */
    LOG_SHORT_KEYS = 8,               /* no key may be longer than LOG_SHORT_KEY_BYTES */
    LOG_MORE = 48,                    /* (in steps of 16) how many groups are appended: 1, 9, 17, 25 */
    LOG_FINISH = 64                   /* the log is closed before it is read again */
};
enum { LOG_SHORT_KEY_BYTES = 8, LOG_MORE_SHIFT = 4, LOG_MORE_GROUPS = 8 };

#endif
