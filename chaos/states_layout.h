/*
 * states_layout.h - a place in memory where states of files are laid out, one after the other, for a checker to open.
 *
 * Owned by one process; a layout whose process dies leaves its directory behind, under the directory of its parent.
 */
#ifndef CHAOS_STATES_LAYOUT_H
#define CHAOS_STATES_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "../faults/disk_image.h"
#include "../faults/trace.h"

enum { LAYOUT_PATH_BYTES = 256 };

typedef struct states_layout {
    char base[LAYOUT_PATH_BYTES];         /* removed with all that is in it */
    char state[LAYOUT_PATH_BYTES + 16];   /* the files */
    char acknowledged[LAYOUT_PATH_BYTES + 16]; /* what the user had been told before the crash */
    char output[LAYOUT_PATH_BYTES + 16];  /* of the checker, when it has one */
} states_layout;

/* Makes a directory below `parent`. False, and a message on standard error: it cannot be made. */
bool states_layout_open(states_layout *l, const char *parent);
void states_layout_close(states_layout *l);

/*
 * Replaces what is laid out: the image, and the marks of the trace before a point.  0, or an errno value.
 */
int states_layout_put(const states_layout *l, const disk_image *image, const trace *t, uint64_t point);

/* Removes a directory with all that is in it; harmless when it is not there. */
void remove_tree(const char *path);

#endif
