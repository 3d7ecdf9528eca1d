/*
 * damage_judge.h - where the log of a damaged store may end, told from the trace of its life.
 *
 * DETECT has one exception: damage to the end of the log cannot be told from a torn tail.  Without knowing the
 * format:
 *
 *   - Each write to a segment of the log or the value log that can still be seen in the undamaged image (in the
 *     present life of a recycled file, not overwritten, not zeros alone) is a piece that recovery may need.
 *   - The first sector of a segment is its header: made ahead, it is no piece of its own; a piece is damaged with
 *     it.
 *   - A damaged piece of the log is proven when a whole piece of the log was written after a sync of the damaged
 *     one: each group says how far the log was durable when it was written.
 *   - A damaged piece of the value log is proven when a whole piece of the log was written after syncs of both the
 *     damaged one and the first piece of the log after it, which may point to it; when that one is the last of its
 *     segment it may be the segment's end alone, and the next piece may be the one that points to it.
 *   - The log may end before a damaged piece that is not proven: the store is then as after a power cut in that
 *     moment, with all that was written before it kept.  Before the first one that is replayed: which that is, is
 *     not known here, for the pieces before it are dead, their contents in the tree.
 *
 * Everywhere else only the right answer is legal, or LEVIN_CORRUPT.  (fuzz/damage.c has the same rule for stores
 * whose bytes it reads.)
 */
#ifndef LEVIN_FAULTS_DAMAGE_JUDGE_H
#define LEVIN_FAULTS_DAMAGE_JUDGE_H

#include "trace.h"

typedef struct damage_judge damage_judge;

/*
 * t: the life, from an empty disk; end: entries that had been made when the image was as it is; directory: of the
 * store, in the image.  Trace and image outlive the judge.
 */
damage_judge *damage_judge_create(const trace *t, uint64_t end, const disk_image *image, disk_node directory);
void damage_judge_destroy(damage_judge *j); /* harmless on NULL */

/* The most cuts that there can be. */
size_t damage_judge_pieces(const damage_judge *j);
/*
 * Where the log of the damaged image may end: positions in the trace, ascending, each that of a write before which the
 * power may have been cut. Returns how many: 0: nowhere.
 */
size_t damage_judge_cuts(const damage_judge *j, const disk_image *damaged, uint64_t *times);

#endif
