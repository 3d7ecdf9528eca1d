/*
 * wal.h - the write-ahead log: groups appended to preallocated, recycled segments; recovery.  Bytes: wal_format.h.
 *
 * All calls are made by one thread at a time (the commit leader).
 *
 * Crash safety, in short:
 *  - A group starts on its own sector and chains the checksum of the group before it, its position and incarnation: a
 *    torn group takes no neighbour along, and bytes of an earlier life never verify.
 *  - Each group says up to which position the log was known durable. If the chain breaks before a position that some
 *    later group of the log calls durable, that is rot (LEVIN_CORRUPT); otherwise the tail is torn, and is cut.
 *  - Before a segment is sealed its successor exists, has a durable header and directory entry. A sealed segment
 *    whose successor is missing or unreadable is rot.
 *  - A failed sync is never tried again: the log is poisoned (LEVIN_POISONED) until it is recovered anew.
 *  - After a failed write the bytes at the end may be anything, also the whole failed group. The next append first
 *    writes a mark with a new incarnation over them and syncs it, so that a failed group cannot come back once
 *    something else was accepted.
 *  - Recovery does not trust the page cache past the last proven durable position: it writes those groups again with
 *    the same bytes, syncs, then appends a mark under a new incarnation before anything else is accepted.
 */
#ifndef LEVIN_WAL_H
#define LEVIN_WAL_H

#include "file.h"
#include "wal_format.h"

typedef struct wal wal;

typedef struct wal_options {
    const levin_io *io;
    const char *directory;   /* copied */
    uint8_t identity[16];
    uint64_t segment_bytes;  /* of segments made from now on */
    uint32_t sector_bytes;
    uint32_t key_max_bytes;  /* a longer key in a batch is damage; 0: there is no limit */
    uint32_t spares;         /* recycled segments kept at most (default 2) */
    bool read_only;
    levin_recovery recovery;
    /* Called before each sync of groups: what they refer to is on the device on return. A failure poisons. Or NULL. */
    levin_code (*before_sync)(void *context, levin_error *error);
    void *sync_context;
    /* By wal_recover(), with the same context, when the log ends there with a group that is not whole; damage: why,
     * when salvage has cut off groups that may have been.  Or NULL. */
    void (*on_cut)(void *context, const char *file, uint64_t offset, const char *damage);
} wal_options;

/* What the replay hands over. */
typedef struct wal_visitor {
    void *context;
    /* Memory for a group's payload of so many bytes, valid as long as the visitor wants; NULL: out of memory. */
    uint8_t *(*reserve)(void *context, size_t bytes);
    /* A batch of well-formed operations inside reserved memory. */
    levin_code (*batch)(void *context, uint64_t sequence, const uint8_t *operations, size_t bytes, size_t count,
                        levin_error *error);
    /*
     * The replay has succeeded and nothing has been written yet.  On return the meta page that the start came from
     * is on the device: what recovery writes now may rely on it.  proven_generation is the newest checkpoint that
     * the log proves to be there; that meta page must not be written again.  Not called when read_only.  NULL:
     * nothing to do.
     */
    levin_code (*prove)(void *context, uint64_t proven_generation, levin_error *error);
    /*
     * Before the batches of a group that has pointers into the value log: is what they point to there?  proven: the
     * log says that the group was on the device, so what is missing is damage (LEVIN_CORRUPT).  Otherwise *whole false
     * ends the log before the group.  NULL: nothing to look at.
     */
    levin_code (*accept)(void *context, const uint8_t *payload, uint32_t batches, bool proven, bool *whole,
                         levin_error *error);
} wal_visitor;

/* Where the replay begins, out of the meta page. */
typedef struct wal_start {
    uint64_t position;
    uint64_t chain;       /* checksum of the group before */
    uint64_t sequence;    /* of the last batch before */
    uint64_t incarnation; /* at least this */
    uint64_t generation;  /* of the meta page chosen: a group that knows a later one durable proves that page lost */
} wal_start;

typedef struct wal_counters {
    uint64_t bytes, writes, syncs, created, recycled, sync_ns;
} wal_counters;

/*
 * Makes the first segment of a new store (number 1), synced, with its directory entry.  Leftovers of an unfinished
 * creation are replaced.  wal_recover() opens it then, with start {lsn_make(1, sector_bytes), 0, 0, 0, 0}.
 */
levin_code wal_create(const wal_options *options, levin_error *error);

/* The header of segment 1 of a log that begins empty, for a copy of a store. The rest of the segment is zeros. */
void wal_first_header(const wal_options *options, uint64_t segment_bytes, uint64_t incarnation,
                      uint8_t header[WAL_SEGMENT_HEADER_BYTES]);

/*
 * Opens the log, replays everything from start in order, checks for rot, cuts a torn tail, and (unless read_only)
 * makes it ready to append.  Nothing on disk changes before the replay has succeeded; read_only changes nothing at all.
 * Segments below the start are kept as spares or removed, so the meta page that start comes from must be on the device
 * (written again and synced in this life of the process: the page cache may be all that holds it).
 * Not for salvage, and LEVIN_CORRUPT in either mode: no start segment; a later generation than start's in the log; a
 * segment of another store.
 */
levin_code wal_recover(const wal_options *options, const wal_start *start, const wal_visitor *visitor, wal **log,
                       levin_error *error);

/* Frees the log without writing anything. Harmless on NULL. */
void wal_close(wal *log);

/* Bytes that a group with this payload takes: header and payload, rounded up to sectors. */
size_t wal_group_bytes(const wal *log, size_t payload_bytes);

/*
 * Appends a data group.  `group` is wal_group_bytes(payload_bytes) long, with the payload at WAL_GROUP_HEADER_BYTES;
 * the log fills the header and the padding.  The memory must stay until wal_flush() has succeeded.  Nothing is
 * written yet, unless the group opens a new segment (then everything before it is flushed, synced and sealed first).
 * On failure the group is not in the log.
 */
levin_code wal_append(wal *log, uint8_t *group, size_t payload_bytes, uint32_t batches, uint64_t sequence,
                      levin_error *error);
/* Takes the last appended, not yet flushed group out again (its wal_flush() or a later step failed before the log
 * was written, or the write failed). Groups before it stay to be flushed. May be called once for each group still
 * pending, newest first; does nothing once the log is poisoned. The next call that writes fences the place off, if
 * a failed write touched it. */
void wal_take_back(wal *log);
/* Hands all appended groups to the kernel. On failure they stay appended, and may be flushed again. */
levin_code wal_flush(wal *log, levin_error *error);
/* wal_flush(), then a sync; on success everything appended is durable. On a failed sync the log is poisoned. */
levin_code wal_sync(wal *log, levin_error *error);
/* A mark group, with this durable generation from now on; flushed and synced. */
levin_code wal_mark(wal *log, uint64_t durable_generation, levin_error *error);
/* Everything before `position` is in a durable checkpoint and no meta page that could be chosen needs it: its segments
 * become spares or are removed. Call it after the wal_mark() of that generation. */
levin_code wal_recycle(wal *log, uint64_t position, levin_error *error);
/* Makes a spare segment ready, so that the next switch creates none. Does nothing when one is ready. */
levin_code wal_prepare(wal *log, levin_error *error);
/*
 * The same with the long part outside the log: when wal_wants_spare() (half of the segment is used and there is no
 * spare), wal_spare_make() may be called by any one thread, without any lock, and wal_spare_adopt() hands the
 * result to the log.
 */
bool wal_wants_spare(const wal *log);
levin_code wal_spare_make(const levin_io *io, const char *directory, uint64_t segment_bytes, levin_error *error);
uint64_t wal_segment_bytes(const wal *log); /* of ordinary segments */
void wal_spare_adopt(wal *log);
/* Flush, sync, close mark, sync. */
levin_code wal_finish(wal *log, levin_error *error);

uint64_t wal_position(const wal *log);   /* where the next group goes */
uint64_t wal_chain(const wal *log);      /* checksum of the last appended group */
uint64_t wal_incarnation(const wal *log);
uint64_t wal_generation(const wal *log);  /* the newest checkpoint that the log says is durable */
uint64_t wal_seen_generation(const wal *log); /* the newest that any group told of when the log was replayed */
uint64_t wal_sequence(const wal *log);   /* of the last batch replayed by wal_recover */
/* A batch of that number was made durable without the log: what follows has higher ones. */
void wal_skip_sequence(wal *log, uint64_t sequence);
bool wal_poisoned(const wal *log);
bool wal_needs_sync(const wal *log);     /* something appended is not known durable */
uint64_t wal_segments(const wal *log);   /* live segments, spares apart */
uint64_t wal_live_bytes(const wal *log, uint64_t from); /* bytes of log since that position, about */
/* These two at any time, from any thread. */
void wal_count(const wal *log, wal_counters *counters);
uint64_t wal_memory_bytes(const wal *log); /* that the log itself holds; the groups are their callers' */

/* Reads the live log again from start to its end and reports every fault (report may be NULL; false stops).
 * groups, segments and faults are added to. LEVIN_OK also when there were faults; an error when the log could not
 * be read. */
levin_code wal_check(wal *log, const wal_start *start, levin_check_report report, void *context, uint64_t *groups,
                     uint64_t *segments, uint64_t *faults, levin_error *error);

#endif
