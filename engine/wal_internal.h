/*
 * wal_internal.h - what the files of the log share: the handle, segment files, the group codec, the reader.
 *
 *   wal.c          appending, syncing, segment switches, failures     (and the crash argument)
 *   wal_segment.c  segment files: names, headers, creation, recycling
 *   wal_group.c    groups as bytes
 *   wal_read.c     groups out of a file, through a bounded window
 *   wal_recover.c  replay, rot against torn, the log made ready again
 *   wal_check.c    the live log verified
 */
#ifndef LEVIN_WAL_INTERNAL_H
#define LEVIN_WAL_INTERNAL_H

#include "checksum.h"
#include "record_format.h"
#include "wal.h"

enum {
    WAL_WINDOW_BYTES = 256 * 1024, /* of the reader; at least two sectors */
    WAL_PENDING_FIRST = 64,
    WAL_SECTORS_MIN = 8,           /* of an ordinary segment */
    WAL_SPARES_DEFAULT = 2,
    WAL_SPARES_MAX = 64,
    /* Left free behind every data group and mark: one sector for a CLOSE and one for the SEAL that has to
     * follow when the store is opened again. */
    WAL_RESERVE_SECTORS = 2,
    WAL_BLOCK_BYTES = 4096 /* what may be lost in one piece, of a page cache or a device: no proof in its own block */
};
#define WAL_NUMBER_MAX 0xffffffffu
#define WAL_INCARNATION_MAX (UINT64_MAX / 2)
#define WAL_SEQUENCE_MAX (UINT64_MAX / 2)
/* Left free below both when a log is opened for writing, more than one handle uses up: what it writes can be read. */
#define WAL_NUMBERS_RESERVE ((uint64_t)1 << 48)
#define WAL_OFFSET_MAX 0xffffffffu

/* ---- segments --------------------------------------------------------------------------------------------- */

enum wal_segment_state {
    WAL_SEGMENT_GOOD = 0,   /* header valid, number equal to the name's */
    WAL_SEGMENT_HEADERLESS, /* no valid header */
    WAL_SEGMENT_MISNAMED    /* valid header of another number: recycling was interrupted */
};

typedef struct wal_segment {
    uint64_t number;     /* by its name */
    uint64_t bytes;      /* by its header: the file's size when all is well */
    uint64_t file_bytes; /* the file's size */
    uint64_t used;       /* end of the last group known */
    enum wal_segment_state state;
    uint32_t version;    /* by its header; 0: not known, or made by this process */
} wal_segment;

/* wal_counters, as they grow. */
typedef struct wal_counts {
    _Atomic uint64_t bytes, writes, syncs, created, recycled, sync_ns;
} wal_counts;

/* A growing array, ascending by number. Zeroed is empty. */
typedef struct wal_segments_list {
    wal_segment *items;
    size_t count;
    _Atomic size_t capacity; /* as in struct wal, for wal_memory_bytes() */
} wal_segments_list;

/* Room for one more, so that the next wal_segments_add() cannot fail. */
levin_code wal_segments_reserve(wal_segments_list *list, const levin_io *io, levin_error *error);
void wal_segments_add(wal_segments_list *list, const wal_segment *segment); /* after a reserve */
void wal_segments_remove(wal_segments_list *list, size_t index);
wal_segment *wal_segments_find(const wal_segments_list *list, uint64_t number); /* NULL: none */
void wal_segments_fini(wal_segments_list *list, const levin_io *io);

typedef struct wal_name {
    char text[24];
} wal_name;
wal_name wal_segment_name(uint64_t number);
/* Every log file of the directory, by name only. */
levin_code wal_segments_list_names(const wal_options *options, wal_segments_list *list, levin_error *error);
/* Fills *segment from size and header. A file of another store is LEVIN_CORRUPT. */
levin_code wal_segment_inspect(const wal_options *options, uint64_t number, wal_segment *segment, levin_error *error);

/* ---- groups ----------------------------------------------------------------------------------------------- */

typedef struct wal_group {
    uint64_t checksum;
    uint8_t kind;
    uint32_t reserved;   /* 24 bits, 0 */
    uint64_t position, incarnation, previous, durable, generation;
    uint32_t payload_bytes, batches;
    uint64_t sequence, next_segment;
} wal_group;

static inline uint64_t wal_group_total(uint64_t payload_bytes, uint32_t sector_bytes)
{
    return round_up_u64(WAL_GROUP_HEADER_BYTES + payload_bytes, sector_bytes);
}
/* Writes header and padding around the payload that stands at bytes + 80; sets and returns g->checksum. */
uint64_t wal_group_encode(uint8_t *bytes, wal_group *g, uint64_t identity, uint32_t sector_bytes);
/* Whether the header claims to stand at position. A quick test; proves nothing. */
static inline bool wal_group_stands(const uint8_t *header, uint64_t position)
{
    return load_u32(header + WAL_GROUP_MAGIC_AT) == WAL_GROUP_MAGIC &&
           load_u64(header + WAL_GROUP_POSITION) == position;
}
void wal_group_decode(const uint8_t *header, wal_group *g);
/* What is wrong in a header whose checksum is right; NULL: nothing. */
const char *wal_group_flaw(const wal_group *g);
/*
 * Whether the payload is `batches` well-formed batches, without a key longer than key_max (0: any), and nothing else;
 * *flaw_at is the offset of the first bad one.
 */
bool wal_payload_check(const uint8_t *payload, size_t bytes, uint32_t batches, size_t key_max, size_t *flaw_at);
/* Whether a well-formed payload has pointers into the value log. */
bool wal_payload_points(const uint8_t *payload, uint32_t batches);

/* ---- the handle ------------------------------------------------------------------------------------------- */

typedef struct wal_pending {
    levin_slice bytes;
    uint64_t previous; /* chain before it, to take it back */
    uint64_t sequence; /* next sequence number before it */
} wal_pending;

struct wal {
    wal_options options;    /* directory is the log's own copy */
    size_t directory_bytes;
    uint64_t identity;      /* checksum_identity() */
    uint64_t segment_bytes; /* of ordinary segments from now on */

    /* the end of the log */
    file current;
    uint64_t number;        /* of the current segment */
    uint64_t bytes;         /* of it */
    uint64_t offset;        /* in it, where the next group goes */
    uint64_t flushed;       /* in it, handed to the kernel up to here */
    uint64_t durable;       /* position: on the device up to here */
    uint64_t chain;
    uint64_t incarnation;
    uint64_t generation;
    uint64_t sequence;      /* of the next batch */
    uint64_t replayed;      /* of the last batch replayed */
    uint64_t seen;          /* generation: wal_seen_generation() */

    wal_pending *pending;   /* appended, not flushed; oldest first; [flushed, offset) */
    levin_slice *parts;     /* as many: what a flush writes */
    size_t pending_count;
    _Atomic size_t pending_capacity; /* changed by the log's caller only, read by anybody: pairs with nothing */

    uint64_t touched;       /* in current: a failed write may have left bytes up to here; 0: none did */
    bool fence;             /* a group that a failed write may have left was taken back: see wal.c */
    bool sealing;           /* control holds the SEAL of the current segment, not known written or synced */
    bool poisoned;
    uint8_t *control;       /* one sector: the mark, seal or close being written */

    wal_segments_list live; /* the last one is current */
    wal_segments_list spares;
    file next;              /* made ready for number + 1, when next_bytes is not 0 */
    uint64_t next_bytes;
    bool older;             /* the current one has an older format version: no data of today goes into it */
    bool spare_made;        /* WAL_SPARE_NAME is a file of segment_bytes, to be used before it is made anew */
    wal_counts counts;
};

/* Adds to one of log->counts: only the log's caller does. */
static inline void wal_counted(_Atomic uint64_t *count, uint64_t n)
{
    /* relaxed, with one writer: a count that others may read (wal_count()) pairs with nothing */
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n, memory_order_relaxed);
}

/* Counted, timed; a failure poisons the log. */
levin_code wal_sync_file(wal *log, file *f, levin_error *error);
levin_code wal_sync_directory(wal *log, levin_error *error);
levin_code wal_write_file(wal *log, file *f, const void *data, size_t bytes, uint64_t offset, levin_error *error);

/* A new segment file under its name, header and entry durable. On failure nothing is open. */
levin_code wal_segment_create(wal *log, uint64_t number, uint64_t bytes, file *out, levin_error *error);
/* Makes log->next ready with at least so many bytes, and room in log->live for it. */
levin_code wal_segment_make_next(wal *log, uint64_t bytes, levin_error *error);
/* Keeps the file as a spare, or removes it. */
levin_code wal_segment_retire(wal *log, const wal_segment *segment, levin_error *error);
levin_code wal_segment_unlink(wal *log, uint64_t number, levin_error *error);

/* Allocates the handle. */
levin_code wal_new(const wal_options *options, wal **log, levin_error *error);

/* ---- reading ---------------------------------------------------------------------------------------------- */

typedef struct wal_reader {
    file f;
    uint64_t number;
    uint64_t limit;     /* bytes that may be read */
    uint64_t identity;
    uint32_t sector_bytes;
    uint8_t *window;    /* WAL_WINDOW_BYTES, the caller's */
    uint64_t at;        /* offset of window[0] */
    size_t have;
} wal_reader;

levin_code wal_reader_open(wal_reader *r, const wal_options *options, const wal_segment *segment, uint8_t *window,
                           levin_error *error);
void wal_reader_close(wal_reader *r); /* harmless on a closed or zeroed one */
/* `bytes` (at most the window) contiguous bytes, good until the next call; *data NULL when the file ends before. */
levin_code wal_reader_need(wal_reader *r, uint64_t offset, size_t bytes, const uint8_t **data, levin_error *error);
/* Decodes what claims to be a group at offset; *stands false when nothing does. Proves nothing. */
levin_code wal_reader_header(wal_reader *r, uint64_t offset, wal_group *g, bool *stands, levin_error *error);
/*
 * Whether the checksum of the group at offset is right. Reads through the window: damaged sizes cost no memory.  A
 * group verifies also when the file is cut off behind its payload, in its last sector: it proves what it says.
 */
levin_code wal_reader_verify(wal_reader *r, uint64_t offset, const wal_group *g, bool *valid, levin_error *error);
/* Whether the file goes on to the end of the group's payload. */
static inline bool wal_reader_reaches(const wal_reader *r, uint64_t offset, const wal_group *g)
{
    return offset <= r->limit && WAL_GROUP_HEADER_BYTES + (uint64_t)g->payload_bytes <= r->limit - offset;
}
/* Whether it goes on to the end of the group's last sector. */
static inline bool wal_reader_holds(const wal_reader *r, uint64_t offset, const wal_group *g)
{
    return wal_group_total(g->payload_bytes, r->sector_bytes) <= r->limit - offset;
}
/* Copies the payload of a verified group, verified again as copied (a read may fail differently each time). */
levin_code wal_reader_payload(wal_reader *r, uint64_t offset, const wal_group *g, uint8_t *payload, bool *valid,
                              levin_error *error);

#endif
