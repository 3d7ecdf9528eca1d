/*
 * vlog.h - the value log: values over a threshold, appended to segments of their own; tree and log hold pointers.
 * Bytes: vlog_format.h.
 *
 * Order: values are written before the log group that points to them is written, and synced no later than any sync
 * that makes such a pointer durable: the log asks vlog_sync() before each of its own syncs, a checkpoint before it
 * writes its meta page.  A segment's header, size and directory entry are durable before a value is written to it.
 *
 * A value that no pointer names is garbage: of a group that failed, of a pointer overwritten or deleted.  How much of
 * a segment is alive is counted by checkpoints (`live`: bytes of the records that the page tree points to) and is used
 * to choose what is worth collecting, for nothing else.
 *
 * Life of a segment: KEPT; VICTIM while its values are being moved (collect.c); COLLECTED when the newest state has no
 * pointer into it; LEAVING when a memtable was frozen after that, whose checkpoint writes a table without it; GONE when
 * that checkpoint is durable, and the file goes with the last tree, snapshot or iterator that may still name it.
 *
 * Threads: vlog_write(), vlog_sync() and vlog_freeze() under the store's commit mutex; everything else is safe from
 * any thread beside them, under v->mutex, which is never held around reads of values.
 */
#ifndef LEVIN_VLOG_H
#define LEVIN_VLOG_H

#include "file.h"
#include "sync.h"
#include "vlog_format.h"

enum {
    VLOG_OPEN_FILES_MAX = 256,        /* read handles kept open */
    VLOG_WINDOW_BYTES = 256 * 1024,   /* values are verified through such a window */
    VLOG_SCRATCH_KEEP_BYTES = 256 * 1024
};
#define VLOG_COPY_NAME "vlog.copy"

typedef struct vlog_name {
    char text[24];
} vlog_name;
vlog_name vlog_segment_name(uint64_t number);
/* The number in a file's name; 0 when it is not the name of a segment. */
uint64_t vlog_name_number(const char *name);

enum vlog_state { VLOG_KEPT, VLOG_VICTIM, VLOG_COLLECTED, VLOG_LEAVING, VLOG_GONE };

typedef struct vlog_segment {
    uint64_t number;
    uint64_t end;        /* of the last record written */
    uint64_t live;       /* bytes of records that the page tree points to, at the last checkpoint */
    uint64_t file_bytes; /* when it was opened */
    uint32_t version;    /* of its format */
    enum vlog_state state;
    bool sealed;         /* nothing is written to it any more */
    uint64_t sealed_at;  /* freezes before that */
    bool spared;         /* damaged, or a move failed: left alone until the store is opened again */
    uint32_t users;      /* reads under way on f */
    uint64_t used_at;    /* for the choice of which handle to close */
    file f;              /* for reading; opened when needed */
} vlog_segment;

typedef struct vlog_counters {
    uint64_t segments, bytes, live_bytes; /* now; bytes: ends of all segments, headers included */
    uint64_t written_values; /* of users and the collector */
    uint64_t collected_segments, collected_bytes, moves, moved_bytes;
} vlog_counters;

typedef struct vlog {
    const levin_io *io;
    const char *directory;      /* the store's */
    uint8_t identity_bytes[16];
    uint64_t identity;
    uint64_t segment_bytes;

    /* commit mutex */
    file active;
    vlog_segment *current;      /* in segments; NULL: none is open for writing */
    uint64_t next_number;
    uint64_t since_freeze;      /* bytes written since a memtable was frozen */
    uint64_t freezes;           /* of memtables */
    bool dirty;                 /* something written to active is not known to be on the device */
    bool poisoned;              /* a sync failed */
    uint8_t *scratch;           /* headers and keys of a write, and its parts */
    size_t scratch_bytes;

    /* recovery */
    vlog_pointer *unproven;     /* accepted, maybe in the page cache only */
    size_t unproven_count, unproven_capacity;

    sync_mutex mutex;
    vlog_segment **segments;    /* ascending by number */
    size_t count, capacity;
    size_t open_files;
    uint64_t clock;
    uint64_t checkpointed;      /* the freeze whose checkpoint is durable: what was sealed before is counted in full */
    vlog_counters counters;     /* the totals; what is `now` is counted when asked for */
} vlog;

/* directory and io outlive it. */
levin_code vlog_init(vlog *v, const levin_io *io, const char *directory, const uint8_t identity[16],
                     uint64_t segment_bytes, levin_error *error);
void vlog_fini(vlog *v); /* harmless on a zeroed one */

/* ---- recovery (vlog_recover.c) ---- */

/* A segment that the table of a checkpoint names. LEVIN_CORRUPT: missing, of another store, damaged, too short. */
levin_code vlog_adopt(vlog *v, uint64_t number, uint64_t end, uint64_t live, levin_error *error);
/*
 * A pointer in the log.  proven: the log says that it, and so its value, was on the device: the segment must be there
 * and long enough, or it is LEVIN_CORRUPT.  Otherwise the value is read: *there is false when it is missing or damaged.
 */
levin_code vlog_replay(vlog *v, const vlog_pointer *p, bool proven, bool *there, levin_error *error);
/* Forgets the last pointers taken as unproven: their group was not accepted after all. */
void vlog_replay_forget(vlog *v, size_t keep);
/* Makes sure that all values taken as unproven are on the device: copies of their segments replace them. */
levin_code vlog_replay_secure(vlog *v, levin_error *error);
/*
 * Removes files of the value log that nothing names, and sets the number of the next segment, at least `next`. With
 * spare not NULL they stay, and it is told their numbers: a reading process may need them.
 */
typedef levin_code (*vlog_spare_segment)(void *context, uint64_t number, levin_error *error);
levin_code vlog_tidy(vlog *v, uint64_t next, bool read_only, vlog_spare_segment spare, void *context,
                     levin_error *error);

/* ---- writing: commit mutex ---- */

typedef struct vlog_value {
    levin_slice key, value;
    uint32_t keyspace;  /* 0: none; otherwise the id with which the key begins */
    uint8_t *pointer;   /* out: VLOG_POINTER_BYTES */
} vlog_value;
/* Bytes that a write of these takes in a segment. */
uint64_t vlog_write_bytes(const vlog_value *values, size_t count);
/*
 * Writes them, from where they stand, and fills the pointers.  On failure nothing was written that anybody could take
 * for a value, but for a failed sync, which poisons.
 */
levin_code vlog_write(vlog *v, vlog_value *values, size_t count, levin_error *error);
/* All values written are on the device. On failure the value log is poisoned: nothing is written any more. */
levin_code vlog_sync(vlog *v, levin_error *error);
/* A memtable is frozen: what the newest state does not point to any more, its checkpoint leaves out. */
void vlog_freeze(vlog *v);

/* ---- reading ---- */

/* Reads and verifies. The caller holds a version that has the pointer, or may otherwise know that its segment stays. */
levin_code vlog_read(vlog *v, const vlog_pointer *p, void *buffer, levin_error *error);
/* Verifies without memory for the value. */
levin_code vlog_verify(vlog *v, const vlog_pointer *p, levin_error *error);
/* Whether the value lies inside its segment, so that memory for it may be taken. LEVIN_CORRUPT. */
levin_code vlog_bounds(vlog *v, const vlog_pointer *p, levin_error *error);
/* Verifies a value in an open segment file. */
levin_code vlog_verify_in(const vlog *v, file *f, const vlog_pointer *p, levin_error *error);
/* The checksum that the value of a record at that position carries. */
uint64_t vlog_value_checksum(const vlog *v, uint64_t position, const void *value, size_t bytes);

/* ---- collection (vlog_victims.c) ---- */

/*
 * Seals the segment that is written to if less than live_percent of it is in use.  Under commit_mutex, when no memtable
 * points into it: the counts are those of the tree.
 */
levin_code vlog_seal_mostly_dead(vlog *v, uint32_t live_percent, levin_error *error);
/*
 * Sealed segments below `below` of which less than live_percent is in use become victims, if together they hold
 * worth_bytes of garbage. Whether there are any.
 */
bool vlog_choose(vlog *v, uint32_t live_percent, uint64_t worth_bytes, uint64_t below);
bool vlog_is_victim(vlog *v, uint64_t number);
/* A victim whose values cannot be read or moved is left alone from now on. */
void vlog_spare(vlog *v, uint64_t number);
void vlog_give_up(vlog *v);   /* victims are kept after all */
void vlog_collected(vlog *v); /* no pointer of the newest state is into a victim any more */
bool vlog_has(vlog *v, enum vlog_state state);
void vlog_count_moves(vlog *v, size_t values, uint64_t bytes);

/* ---- the table, and what checkpoints count ---- */

typedef struct vlog_entry {
    uint64_t number, end, live;
} vlog_entry;
/* Bytes of records that came into the tree, or went, by segment. Zeroed is empty. */
typedef struct vlog_change {
    uint64_t number, added, removed;
} vlog_change;
typedef struct vlog_changes {
    vlog_change *items; /* ascending */
    size_t count, capacity, last;
} vlog_changes;
levin_code vlog_changes_add(vlog_changes *c, const levin_io *io, const vlog_pointer *p, bool added,
                            levin_error *error);
void vlog_changes_fini(vlog_changes *c, const levin_io *io);

/* merged, here and below: the checkpoint merges what was frozen last. A round of compaction does not. */
/* The segments that the checkpoint keeps, with what they hold after the changes. *entries is io's, *capacity long. */
levin_code vlog_table_entries(vlog *v, const vlog_changes *changes, bool merged, vlog_entry **entries, size_t *count,
                              size_t *capacity, levin_error *error);
/* That table is durable, and the tree that goes with it is what readers see: LEAVING becomes GONE. Commit mutex. */
void vlog_table_durable(vlog *v, const vlog_entry *entries, size_t count, bool merged);
/* The next segment at or after `from` that leaves with the checkpoint at work; 0: none. */
uint64_t vlog_next_leaving(vlog *v, uint64_t from);
/* Nobody can reach the segment any more: closes and unlinks it. */
levin_code vlog_remove(vlog *v, uint64_t number, levin_error *error);

void vlog_count(vlog *v, vlog_counters *counters);
/* Memory that the list of segments takes. */
uint64_t vlog_memory_bytes(vlog *v);

/* ---- inside (vlog.c, vlog_recover.c) ---- */
vlog_segment *vlog_find(const vlog *v, uint64_t number); /* mutex; NULL: none */
/* Room and memory for a segment; it is not in the list yet. NULL: out of memory. */
vlog_segment *vlog_segment_make(vlog *v, uint64_t number);
void vlog_segment_add(vlog *v, vlog_segment *s); /* mutex */
void vlog_segment_free(vlog *v, vlog_segment *s);
/* Reads the header and the size of a segment file. LEVIN_NOT_FOUND; LEVIN_CORRUPT; LEVIN_VERSION_UNKNOWN. */
levin_code vlog_segment_inspect(vlog *v, uint64_t number, uint64_t *file_bytes, uint32_t *version, levin_error *error);

#endif
