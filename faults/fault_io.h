/*
 * fault_io.h - wraps any levin_io: counts its calls by file kind and operation, and makes chosen ones fail.
 *
 * A rule names its calls (kinds × operations, the Nth, once or from then on) and the effect.  One decision is made
 * per call, before it (the call is not made) or after it (made, but reported as failed).  Works over simdisk_io()
 * and levin_io_posix(). A sweep raises N until fault_io_fired() stays false for a whole run.
 *
 * Points have names for libfiu and reports: "levin/io/<kind>/<operation>", "levin/mem/alloc", "levin/random".
 *
 * Safe to use from several threads; set rules only while no call is running.
 */
#ifndef LEVIN_FAULTS_FAULT_IO_H
#define LEVIN_FAULTS_FAULT_IO_H

#include "../engine/io.h"

/* X(name, text). Operations on names (rename, unlink, make_dir, sync_dir, list) have kind LEVIN_FILE_DIR. */
#define FAULT_OPERATIONS(X)                                                                                     \
    X(FAULT_OPEN, "open")                                                                                       \
    X(FAULT_CLOSE, "close")                                                                                     \
    X(FAULT_READ, "read")                                                                                       \
    X(FAULT_WRITE, "write")                                                                                     \
    X(FAULT_SYNC, "sync")                                                                                       \
    X(FAULT_TRUNCATE, "truncate")                                                                               \
    X(FAULT_PREALLOCATE, "preallocate")                                                                         \
    X(FAULT_SIZE, "size")                                                                                       \
    X(FAULT_RENAME, "rename")                                                                                   \
    X(FAULT_UNLINK, "unlink")                                                                                   \
    X(FAULT_MAKE_DIR, "make_dir")                                                                               \
    X(FAULT_SYNC_DIR, "sync_dir")                                                                               \
    X(FAULT_LIST, "list")                                                                                       \
    X(FAULT_LOCK, "lock")                                                                                       \
    X(FAULT_ALLOC, "alloc")   /* no kind */                                                                     \
    X(FAULT_RANDOM, "random") /* no kind */
typedef enum fault_operation {
#define FAULT_OPERATION_ENUM(name, text) name,
    FAULT_OPERATIONS(FAULT_OPERATION_ENUM)
#undef FAULT_OPERATION_ENUM
    FAULT_OPERATION_COUNT
} fault_operation;

#define FAULT_KINDS_ALL ((1u << LEVIN_FILE_KIND_COUNT) - 1u)
#define FAULT_OPERATIONS_ALL ((1u << FAULT_OPERATION_COUNT) - 1u)
#define FAULT_OPERATIONS_IO (FAULT_OPERATIONS_ALL & ~(1u << FAULT_ALLOC | 1u << FAULT_RANDOM))

typedef enum fault_effect {
    FAULT_ERROR,       /* os_error, the call is not made (alloc: NULL) */
    FAULT_ERROR_AFTER, /* the call is made, os_error is reported; for alloc, open and lock as FAULT_ERROR */
    FAULT_SHORT,       /* read, write: at most `bytes` are transferred (read 0: end of file); others: none */
    /* Those below come from a judge only, but FAULT_ERROR_REVERTED. */
    FAULT_ERROR_KEPT,  /* sync: as FAULT_ERROR, but the pages stay dirty */
    FAULT_ERROR_REVERTED, /* sync: as FAULT_ERROR, and the file is as it was at its last sync (Btrfs) */
    FAULT_FLIP,        /* read, write: one bit of what is transferred */
    FAULT_GARBAGE,     /* read, write: one sector of it is random */
    FAULT_STALE,       /* write: one sector of it, or one block of 4096 bytes, stays as it was */
    FAULT_LOST,        /* write: reported as done, not made */
    FAULT_MISDIRECT,   /* read, write: `shift` bytes further */
    FAULT_LIE,         /* sync, sync_dir: reported as done, not made */
    FAULT_LATE,        /* sync: reported as done, its pages are lost, and the next sync of the file, which is made,
                        * reports os_error (ext4 with data=journal) */
    FAULT_CLOCK,       /* the clock goes `shift` ns on (or back), then the call is made */
    FAULT_EFFECT_COUNT
} fault_effect;

typedef struct fault_rule {
    unsigned kinds;      /* bits 1u << levin_file_kind; not looked at for alloc and random */
    unsigned operations; /* bits 1u << fault_operation */
    uint64_t nth;        /* the nth matching call since the rule was set, from 1; 0: never */
    bool forever;        /* that call and every matching one after it */
    fault_effect effect;
    int os_error;
    size_t bytes;        /* FAULT_SHORT */
} fault_rule;

enum { FAULT_RULES_MAX = 8 };

typedef struct fault_io fault_io;

/* inner must outlive it. */
fault_io *fault_io_create(const levin_io *inner);
const levin_io *fault_io_table(fault_io *f);
void fault_io_destroy(fault_io *f); /* harmless on NULL; files still open in inner stay open there */

/*
 * Replaces all rules; each starts counting at 0. count at most FAULT_RULES_MAX; the first rule that matches and
 * fires decides.
 */
void fault_io_set_rules(fault_io *f, const fault_rule *rules, size_t count);

/*
 * Called instead of the inner sync when a sync fails by FAULT_ERROR (or by the point hook): give
 * simdisk_sync_loses_pages() here.
 */
void fault_io_on_failed_sync(fault_io *f, void (*failed)(void *context, levin_file *inner_file), void *context);

/*
 * Asked at each call before the rules; returns true (and an errno value) to fail it. fiu_points.h has one; NULL:
 * none.
 */
typedef bool (*fault_point_hook)(const char *point, int *os_error);
void fault_io_set_point_hook(fault_io *f, fault_point_hook hook);

/*
 * Asked at each call after the hook and before the rules: false, or *choice filled.  The effects must go with the
 * operation (plan.h has a judge that sees to it). NULL: none.
 */
typedef struct fault_call {
    levin_file_kind kind;
    fault_operation operation;
    uint64_t offset, bytes; /* read, write; others 0 */
} fault_call;
typedef struct fault_choice {
    fault_effect effect;
    int os_error;
    size_t bytes;
    int64_t shift;
    uint64_t draw; /* which bit, sector, bytes */
} fault_choice;
typedef bool (*fault_judge)(void *context, const fault_call *call, fault_choice *choice);
void fault_io_set_judge(fault_io *f, fault_judge judge, void *context);
/* Called instead of the inner sync when a sync fails by FAULT_ERROR_KEPT: give simdisk_sync_keeps_pages() here. */
void fault_io_on_kept_sync(fault_io *f, void (*failed)(void *context, levin_file *inner_file), void *context);
/* The same for FAULT_ERROR_REVERTED (reverted_sync.h), and for FAULT_LATE; without the latter that sync is made. */
void fault_io_on_reverted_sync(fault_io *f, void (*failed)(void *context, levin_file *inner_file), void *context);
void fault_io_on_late_sync(fault_io *f, void (*failed)(void *context, levin_file *inner_file), void *context);

/*
 * For judging what was hurt: a write or a sync that is hurt (FAULT_FLIP to FAULT_LIE) is then made on `hurt` as it
 * comes, and on `meant` as the store asked for it.  Both take the open files of inner (mirror_io.h has such tables).
 */
void fault_io_split(fault_io *f, const levin_io *hurt, const levin_io *meant);
/* Told of each call that an effect was chosen for, before it is made. NULL: nobody. */
typedef void (*fault_witness)(void *context, const fault_call *call, fault_effect effect);
void fault_io_set_witness(fault_io *f, fault_witness witness, void *context);

/* Calls made since creation (or the last reset), failed ones counted. */
uint64_t fault_io_calls(const fault_io *f, levin_file_kind kind, fault_operation operation);
uint64_t fault_io_alloc_calls(const fault_io *f);
void fault_io_reset_calls(fault_io *f);
/* How often a rule fired; how many calls matched it; how often the hook fired. */
uint64_t fault_io_fired(const fault_io *f, size_t rule);
uint64_t fault_io_matched(const fault_io *f, size_t rule);
uint64_t fault_io_hook_fired(const fault_io *f);
/*
 * Held through this table now: descriptors, bytes and pieces of memory. All 0 after the store was closed, or it
 * leaks.
 */
void fault_io_held(const fault_io *f, uint64_t *files, uint64_t *bytes, uint64_t *allocations);

/* "levin/io/wal/sync", "levin/mem/alloc", ...: a constant string, NULL when the two do not go together. */
const char *fault_point_name(levin_file_kind kind, fault_operation operation);
/* Whether a file of that kind sees that operation at all. alloc and random: with LEVIN_FILE_DIR only. */
bool fault_point_exists(levin_file_kind kind, fault_operation operation);
const char *fault_operation_text(fault_operation operation);
const char *fault_kind_text(levin_file_kind kind);

#endif
