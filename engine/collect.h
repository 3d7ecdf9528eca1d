/*
 * collect.h - collection of the value log: values still in use are moved out of segments that are mostly garbage.
 * Internal.
 *
 * One collection: victims are chosen by what checkpoints have counted (vlog.h); then one pass over all keys of the
 * newest state, of all keyspaces, in steps, moves every value that stands in a victim (write_moves()).  No pointer into
 * a victim can come into being, so a key that was passed has none for ever, and after the pass the newest state has
 * none, whatever the counts were and whatever the victims' bytes look like.  The next checkpoint then makes a state
 * without them durable, and they go with the last reader of the states before (version.h).
 *
 * The pass reads the tree and not the segments (as WiscKey does: Lu et al., 2016): what a damaged segment cannot be
 * asked for is never lost by deleting it, and one pass serves all victims.  A value that cannot be read leaves its
 * segment where it is.
 */
#ifndef LEVIN_COLLECT_H
#define LEVIN_COLLECT_H

#include "db.h"

/*
 * One bounded step: about COLLECT_KEYS keys or COLLECT_BYTES of values.  Never while a lock is held; does nothing when
 * another thread is at it.  *more: there is more to do; a checkpoint may have to come first.
 */
levin_code collect_work(levin *db, uint32_t live_percent, bool *more, levin_error *error);
typedef struct collect_result {
    uint64_t segments, segments_bytes, moved, moved_bytes;
} collect_result;
/*
 * One whole collection on this thread, waiting for another one's to end; after a checkpoint, which counts what is
 * garbage.  go_on (NULL: always) is asked between steps, with no lock held; *stopped: it said no, and what was moved
 * until then stays.
 */
levin_code collect_drive(levin *db, uint32_t live_percent, bool (*go_on)(void *context, const collect_result *so_far),
                         void *context, collect_result *result, bool *stopped, levin_error *error);
/* At close. */
void collect_fini(levin *db);

#endif
