/*
 * levin.h - the public interface of liblevin, an embedded ordered key-value store.
 *
 * A store is a directory.  One process at a time has it open for writing, others beside it read-only.  Keys are ordered
 * as unsigned bytes (memcmp, then length).  Every call is safe from any thread unless its comment says otherwise;
 * a batch, an iterator and a ticket belong to one thread at a time.
 *
 * Errors.  Calls return an enum levin_code; LEVIN_OK is 0.  The text of what went wrong, with file, offset,
 * expected and found, is in the struct levin_error given to levin_open(), or read with levin_last_error().
 * No call prints or ends the process, and none raises a signal, whatever is in the files, given pointers that are what
 * its comment says.  What a call may return, besides what its comment says:
 *   every call that takes a key     LEVIN_INVALID no key; writing, LEVIN_TOO_BIG over a limit below
 *   every call that reads           LEVIN_CORRUPT damage, LEVIN_IO a read failed, LEVIN_NO_MEMORY
 *   every call that writes          LEVIN_READ_ONLY; LEVIN_NO_SPACE and LEVIN_IO a write failed (try again when the
 *                                   reason is gone); LEVIN_POISONED a sync failed (reopen); LEVIN_NO_MEMORY;
 *                                   LEVIN_CORRUPT
 *   every call that makes an object LEVIN_NO_MEMORY; the object is then NULL
 * After any of them, LEVIN_POISONED and what a failed sync returns excepted, the store is as if the call had not been
 * made; it can be read and closed in any case.
 *
 * NULL may be given for options (the defaults; not to levin_options_...()), for a structure that is filled with a
 * result, for the levin_error of a call without a handle, and where a comment says so.  All other pointers are to
 * something, as those to where a call puts what it makes or finds (levin **, levin_iter **, void **value, size_t *).
 *
 * fork().  A handle belongs to the process that opened it.  A child must call nothing with it, levin_close() included
 * (the locks of its parent's threads are as they were, and there is no thread to wait for); it opens the store itself,
 * which its parent has closed, or beside it read-only.  A child that writes all the same does not harm the store: what
 * would change a file is refused with LEVIN_IO.  exec() leaves no descriptor behind.
 *
 * Ownership.  Sizes are in bytes.  The library copies the keys and values that it is given before the call
 * returns.  What it hands out says how long it lives.
 */
#ifndef LEVIN_H
#define LEVIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Before 1.0 structs may grow with the minor version: a program needs the shared library of the minor version that it
 * was compiled for (liblevin.so.0.MINOR).
 */
#define LEVIN_VERSION_MAJOR 0
#define LEVIN_VERSION_MINOR 1
#define LEVIN_VERSION_PATCH 0
#define LEVIN_VERSION "0.1.0"

#if defined(__GNUC__)
#define LEVIN_API __attribute__((visibility("default")))
#define LEVIN_MUST_USE __attribute__((warn_unused_result))
#else
#define LEVIN_API
#define LEVIN_MUST_USE
#endif

/* ---- Codes ------------------------------------------------------------------------------------------------ */

/* X(name, value, text): the one table of result codes. */
#define LEVIN_CODES(X)                                                                                          \
    X(LEVIN_OK, 0, "ok")                                                                                        \
    X(LEVIN_NOT_FOUND, 1, "key not found")                                                                      \
    X(LEVIN_INVALID, 2, "invalid argument or option")                                                           \
    X(LEVIN_TOO_BIG, 3, "key, value or batch over its limit")                                                   \
    X(LEVIN_TOO_SMALL, 4, "the buffer given is too small for the value")                                        \
    X(LEVIN_CORRUPT, 5, "damaged data")                                                                         \
    X(LEVIN_IO, 6, "a system call failed")                                                                      \
    X(LEVIN_NO_MEMORY, 7, "out of memory")                                                                      \
    X(LEVIN_NO_SPACE, 8, "no space left on the device or in the quota")                                         \
    X(LEVIN_LOCKED, 9, "the store is open elsewhere")                                                           \
    X(LEVIN_POISONED, 10, "a sync failed earlier: reads only, until the store is reopened")                     \
    X(LEVIN_READ_ONLY, 11, "the store is open read-only")                                                       \
    X(LEVIN_NO_STORE, 12, "there is no store here")                                                             \
    X(LEVIN_EXISTS, 13, "there is a store here already")                                                        \
    X(LEVIN_VERSION_UNKNOWN, 14, "written by a newer version of the format")                                    \
    X(LEVIN_PENDING, 15, "not finished yet")                                                                    \
    X(LEVIN_INTERRUPTED, 16, "stopped on request")                                                              \
    X(LEVIN_CONFLICT, 17, "somebody else has changed what the write depends on")                                \
    X(LEVIN_NO_KEYSPACE, 18, "there is no such keyspace")                                                       \
    X(LEVIN_READERS_FULL, 19, "all reader slots of the store are in use")

typedef enum levin_code {
#define LEVIN_CODE_ENUM(name, value, text) name = value,
    LEVIN_CODES(LEVIN_CODE_ENUM)
#undef LEVIN_CODE_ENUM
} levin_code;

/* A constant English text for a code ("damaged data"); never NULL. */
LEVIN_API const char *levin_code_text(levin_code code);
/* The name of a code ("LEVIN_CORRUPT"); never NULL. */
LEVIN_API const char *levin_code_name(levin_code code);
/* The version of the library that is linked, as "major.minor.patch". */
LEVIN_API const char *levin_version(void);

/* What went wrong, in full. Filled by value; owns nothing. */
typedef struct levin_error {
    levin_code code;
    int os_error;        /* errno of the failed call, or 0 */
    char file[96];       /* file name inside the store's directory, "" when no file is concerned */
    uint64_t offset;     /* byte offset in that file */
    uint64_t expected;   /* what was expected there (checksum, number, size), 0 when not applicable */
    uint64_t found;      /* what was found */
    char message[256];   /* one sentence: what, where, what to do */
} levin_error;

/* ---- Options ---------------------------------------------------------------------------------------------- */

typedef struct levin levin;
typedef struct levin_batch levin_batch;
typedef struct levin_snapshot levin_snapshot;
typedef struct levin_iter levin_iter;
typedef struct levin_ticket levin_ticket;
typedef struct levin_keyspace levin_keyspace;
typedef struct levin_txn levin_txn;
struct levin_io; /* io.h: files, memory, clock, randomness; NULL selects POSIX */

/* A run of bytes that somebody else owns.  Given to a call, data NULL with a size over 0 is LEVIN_INVALID. */
typedef struct levin_slice {
    const void *data;
    size_t size;
} levin_slice;

#define LEVIN_KEY_MIN_BYTES 1u
#define LEVIN_PAGE_MIN_BYTES 4096u
#define LEVIN_PAGE_MAX_BYTES 65536u
#define LEVIN_VALUE_MAX_BYTES (256u << 20)
#define LEVIN_BATCH_MAX_BYTES (1024u << 20)
/* The longest key of a store with this page size: a quarter of a page. */
#define LEVIN_KEY_MAX_BYTES(page_bytes) ((page_bytes) / 4u)

/* How far a write has to get before it is acknowledged, and before readers see it. */
typedef enum levin_durability {
    LEVIN_NONE = 0,   /* in this process's memory: lost when the process ends; ordered with all other writes */
    LEVIN_LOGGED = 1, /* handed to the kernel: survives the end of the process, not a power cut */
    LEVIN_SYNCED = 2  /* on the device: survives a power cut */
} levin_durability;

typedef enum levin_background {
    LEVIN_BACKGROUND_NONE = 0,  /* no thread is started; levin_work() does the work on the caller's thread */
    LEVIN_BACKGROUND_THREAD = 1 /* one thread does checkpoints and reclamation (default); a second one, the log
                                 * thread, is started by the first levin_write_async() or levin_write_callback() */
} levin_background;

typedef enum levin_recovery {
    LEVIN_RECOVERY_STRICT = 0,     /* damage before the proven end of the log refuses to open (default) */
    LEVIN_RECOVERY_CUT_AT_DAMAGE = 1 /* salvage: keep the log up to the first damage, lose what follows */
} levin_recovery;

typedef enum levin_log_level { LEVIN_LOG_ERROR = 0, LEVIN_LOG_WARNING = 1, LEVIN_LOG_INFO = 2 } levin_log_level;

/*
 * All that the log callback is told, a line each, without a newline.  X(name, level, at most once in so many ms, 0 for
 * no limit, text).  The words up to the first colon and the order of the numbers stay as they are in later versions; a
 * %s is free text, of an error mostly.  When messages were left out for the limit, the next one of the kind ends in
 * " (and N like it, not told)".  Times are those of the I/O table's clock.
 */
#define LEVIN_MESSAGES(X)                                                                                       \
    /* by levin_open() */                                                                                       \
    X(recovered, LEVIN_LOG_INFO, 0,                                                                             \
      "recovery: %llu batches with %llu operations replayed, to batch %llu, in %llu ms")                        \
    X(tail_cut, LEVIN_LOG_INFO, 0, "recovery: an unfinished group was cut off the log, in %s at %llu")           \
    X(salvaged, LEVIN_LOG_WARNING, 0, "recovery: the log was cut off before damage, in %s at %llu: %s")          \
    X(meta_lost, LEVIN_LOG_WARNING, 0, "recovery: one meta page is not valid, the other is used: %s")            \
    X(refused, LEVIN_LOG_ERROR, 0, "recovery: refused: %s")                                                     \
    X(no_memory, LEVIN_LOG_WARNING, 0, "memory: none for a %s: reads do without")                               \
    /* writers: a checkpoint that took longer than slow_checkpoint_ms; a full memtable before its checkpoint was done; \
     * groups held back so that this does not happen; the numbers in all are since levin_open() */               \
    X(checkpoint_slow, LEVIN_LOG_WARNING, 10000, "checkpoint: slow, it took %llu ms and wrote %llu bytes")       \
    X(stalled, LEVIN_LOG_WARNING, 10000, "stall: writers stood still for %llu ms; %llu times, %llu ms in all")   \
    X(throttled, LEVIN_LOG_INFO, 10000,                                                                         \
      "throttle: writers were held back for %llu ms; %llu times, %llu ms in all")                               \
    /* from the first LEVIN_NO_SPACE of a write or a checkpoint until each has found space again: ms, failures */ \
    X(full_disk, LEVIN_LOG_ERROR, 10000, "full disk: writes may fail until there is space: %s")                  \
    X(space_again, LEVIN_LOG_INFO, 0, "full disk: there is space again, after %llu ms and %llu failures")        \
    /* compaction of the page file, collection of the value log, the others' leftovers */                       \
    X(compaction_began, LEVIN_LOG_INFO, 10000, "compaction: began, %llu of %llu pages are free")                 \
    X(compaction_ended, LEVIN_LOG_INFO, 10000,                                                                  \
      "compaction: ended, %llu pages moved in %llu rounds, the file went from %llu to %llu pages, in %llu ms")   \
    X(compaction_held, LEVIN_LOG_WARNING, 10000, "compaction: ended early, for readers hold %llu pages")         \
    X(compaction_failed, LEVIN_LOG_WARNING, 10000, "compaction: failed: %s")                                    \
    X(collection_began, LEVIN_LOG_INFO, 10000, "collection: began, of segments less than %llu %% in use")        \
    X(collection_ended, LEVIN_LOG_INFO, 10000, "collection: ended, %llu values with %llu bytes moved, in %llu ms") \
    X(segment_spared, LEVIN_LOG_WARNING, 10000, "collection: a segment is left as it is: %s")                   \
    X(upkeep_failed, LEVIN_LOG_WARNING, 10000, "upkeep: %s: %s")                                                \
    X(background_failed, LEVIN_LOG_WARNING, 10000, "background: work failed, and will be tried again: %s")       \
    X(oldest_reader, LEVIN_LOG_WARNING, 1000,                                                                   \
      "reader: the oldest %s, open for %llu ms and %llu batches behind, holds back %llu bytes of the file and "  \
      "%llu of memory")                                                                                         \
    /* a sync failed; damage was read; a system call failed */                                                  \
    X(poisoned, LEVIN_LOG_ERROR, 0, "poisoned: a sync failed, no more writes to \"%s\" until it is reopened")   \
    X(corrupt, LEVIN_LOG_ERROR, 1000, "corrupt: %s")                                                            \
    X(io_failed, LEVIN_LOG_ERROR, 1000, "i/o: %s")

struct levin_reader;

typedef struct levin_options {
    uint32_t struct_bytes;       /* sizeof(levin_options), set by levin_options_init() */
    bool create_if_missing;      /* default true; other files in the directory are left alone */
    bool error_if_exists;        /* default false */
    bool read_only;              /* default false; see levin_open() */
    uint32_t page_bytes;         /* 4096 .. 65536, a power of two; used at creation; default 16384 */
    uint64_t cache_bytes;        /* budget of the page cache; default 256 MiB, at least 16 pages */
    uint64_t memtable_bytes;     /* a memtable of this size starts a checkpoint; default 64 MiB, at least 64 KiB */
    uint64_t wal_segment_bytes;  /* size of a log segment, 8 KiB .. 1 GiB, a multiple of the sector; default 16 MiB */
    uint32_t wal_sector_bytes;   /* 512 or 4096: alignment of log groups; used at creation; default 512 */
    uint32_t commit_interval_us; /* synced batches wait so long for company, see levin_write(); default 0 */
    levin_background background; /* default LEVIN_BACKGROUND_THREAD */
    levin_recovery recovery;     /* default LEVIN_RECOVERY_STRICT */
    const struct levin_io *io;   /* default NULL: POSIX; must outlive the handle */
    /* default NULL: silent.  LEVIN_MESSAGES, above.  Called on any thread, also several at once, with locks of the
     * store held: it must not call the library */
    void (*log)(void *context, levin_log_level level, const char *message);
    void *log_context;
    uint64_t row_cache_bytes;    /* budget of the row cache: 0 (off) or at least 32 KiB; default 64 MiB */
    /* when more of the page file is free and nothing else is to be done, the background (or levin_work()) moves pages
     * from the end of the file to free ones and shortens it; 0: never; at most 99; default 60 */
    uint32_t auto_compact_percent;
    /* After a checkpoint, when the oldest reader holds back anything and is older than that, or holds back so much of
     * the file and of memory: it is told to the callback below and to log, as a warning. 0: never. */
    uint32_t oldest_reader_ms;   /* default 60,000 */
    uint64_t oldest_reader_bytes; /* default 0 */
    /* default NULL.  On the thread that did the checkpoint; it must not call the library */
    void (*oldest_reader)(void *context, const struct levin_reader *reader);
    void *oldest_reader_context;
    levin_durability min_durability; /* writes that ask for less get this; default LEVIN_NONE */
    uint32_t group_batches_max;  /* batches that share a write and a sync of the log at most; default 0: no limit */
    uint64_t value_log_threshold_bytes; /* longer values go to the value log; 0: none; default 4096; may change */
    uint64_t value_log_segment_bytes;   /* size of its segments, 4096 .. 1 GiB; default 64 MiB; may change */
    uint32_t value_log_live_percent;    /* segments less in use are collected in the background; 0: none; default 50 */
    uint64_t value_cache_bytes;  /* budget of the cache of large values: 0 (off) or at least 64 KiB; default 64 MiB */
    uint32_t slow_checkpoint_ms; /* the log callback is told of longer ones; 0: never; default 10,000 */
    uint32_t reader_slots;       /* read-only handles that may be open on the store at once, in all processes, for this
                                  * one to be let in: 1 .. 1024; default 128 */
} levin_options;

/* Fills *options with the defaults. Call it first: fields are added at the end in later versions. */
LEVIN_API void levin_options_init(levin_options *options);

/* X(name, value, text): sets of options for a purpose. */
#define LEVIN_PRESETS(X)                                                                                        \
    X(LEVIN_PRESET_BALANCED, 0, "the defaults: 512 MiB of memory at most")                                      \
    X(LEVIN_PRESET_READ_OPTIMIZED, 1, "large caches of rows and pages, small memtables: 1.2 GiB")               \
    X(LEVIN_PRESET_WRITE_OPTIMIZED, 2, "large memtables and log segments: few checkpoints, 664 MiB")            \
    X(LEVIN_PRESET_LOW_MEMORY, 3, "8 MiB of memory in all")                                                     \
    X(LEVIN_PRESET_MAX_DURABILITY, 4, "every write is on the device before it returns; log sectors of 4096")    \
    X(LEVIN_PRESET_DEVELOPMENT, 5, "everything small: checkpoints, recycling and evictions happen at once")
typedef enum levin_preset {
#define LEVIN_PRESET_ENUM(name, value, text) name = value,
    LEVIN_PRESETS(LEVIN_PRESET_ENUM)
#undef LEVIN_PRESET_ENUM
} levin_preset;
/*
 * After levin_options_init(): sets the sizes, and what else belongs to the purpose, and leaves the other options as
 * they are. LEVIN_INVALID: no such preset.
 */
LEVIN_API levin_code levin_options_preset(levin_options *options, levin_preset preset) LEVIN_MUST_USE;
/*
 * Shares out a budget, 1 MiB at least, among the caches of pages (1/2), of rows (3/16) and of large values (1/16) and
 * two memtables (1/8 each). The most that is allocated stays below it and a tenth, groups of more than a few MiB apart.
 * LEVIN_INVALID: too small.
 */
LEVIN_API levin_code levin_options_memory(levin_options *options, uint64_t bytes) LEVIN_MUST_USE;
/*
 * Sets one option by its name, as text: "cache_bytes" "64M", "read_only" "true", "background" "none"; also "preset"
 * "low_memory" and "memory_bytes" "64M". Sizes may end in K, M, G. LEVIN_INVALID, with the name, the value and what is
 * allowed in *error (may be NULL): no such option, or no such value. What depends on other options is checked by
 * levin_options_check().
 */
LEVIN_API levin_code levin_options_set(levin_options *options, const char *name, const char *value,
                                       levin_error *error) LEVIN_MUST_USE;
/* LEVIN_INVALID, with the reason in *error (may be NULL), for options with which levin_open() would refuse to begin. */
LEVIN_API levin_code levin_options_check(const levin_options *options, levin_error *error) LEVIN_MUST_USE;
/* One option, all as text, valid during the call. Return false to stop. */
typedef struct levin_option {
    const char *name, *value, *allowed, *text;
} levin_option;
typedef bool (*levin_option_visit)(void *context, const levin_option *option);
/* All options that levin_options_set() knows, with the values they have here; "preset" and "memory_bytes" without. */
LEVIN_API void levin_options_list(const levin_options *options, levin_option_visit visit, void *context);

/* ---- Open and close --------------------------------------------------------------------------------------- */

/*
 * Opens, or creates, the store in the directory `path` and recovers it.  options NULL means the defaults.
 * error (may be NULL) is filled on failure.  *store is NULL on failure.
 *
 * read_only: nothing of the store is written, and the handle reads one state for as long as it is open; open it again
 * to see a later one.  That state is
 *   without a writer   everything that the last one has handed to the kernel (the checkpoint, and the log replayed into
 *                      memory), as a writer would find it;
 *   beside a writer    exactly that of the newest checkpoint, nothing of the log: all batches up to one in the order of
 *                      commit, named in the statistics (sequence, generation).  It is durable, or about to be.
 * A writer may come, go and be killed while readers are there.  Each takes a slot in the file "lock", which keeps the
 * writer from using again the pages and value-log segments that the reader's state needs; levin_readers_list() of the
 * writer shows it.  The slot goes with the process, however that ends.  A reader that may not write to that file has
 * no slot: it keeps writers out, and is refused beside one.
 *
 * LEVIN_LOCKED somebody else writes, or an earlier version of Levin has it open, or, rarely, a reader has a state open
 * that a failed sync has lost; LEVIN_READERS_FULL; LEVIN_CORRUPT damage; LEVIN_NO_STORE / LEVIN_EXISTS per options;
 * LEVIN_INVALID options; LEVIN_VERSION_UNKNOWN a newer version of Levin has written it: nothing is changed.  Stores of
 * every earlier version of the format are opened, and go on as they are.
 */
LEVIN_API levin_code levin_open(const char *path, const levin_options *options, levin **store,
                                levin_error *error) LEVIN_MUST_USE;

/*
 * Writes out and syncs everything acknowledged, marks the log cleanly closed, and frees the handle, whatever it
 * returns.  Snapshots, iterators, tickets, batches and values to be given back with levin_free() must have been
 * released, but for batches whose callbacks are outstanding; no other call may be running, but for callbacks.
 * All batches submitted with levin_write_callback() are committed first and their callbacks called, by this thread or
 * by the log thread; what such a callback tries to write is refused with LEVIN_INTERRUPTED.  A ticket that nobody has
 * waited for is dropped: its batch, which must still be there, is committed like the others, nobody is told the result,
 * and the ticket's memory is lost.
 * The code tells whether the last sync succeeded (LEVIN_POISONED when an earlier one had not).
 */
LEVIN_API levin_code levin_close(levin *store);

/* Copies the most recent failure of a call on this handle. */
LEVIN_API void levin_last_error(levin *store, levin_error *error);

/* ---- Writing ---------------------------------------------------------------------------------------------- */

/* A batch of one: see levin_write(). value may be NULL when value_bytes is 0. */
LEVIN_API levin_code levin_put(levin *store, const void *key, size_t key_bytes, const void *value,
                               size_t value_bytes, levin_durability durability) LEVIN_MUST_USE;
/* A batch of one: see levin_write(). Deleting an absent key is no error. */
LEVIN_API levin_code levin_delete(levin *store, const void *key, size_t key_bytes,
                                  levin_durability durability) LEVIN_MUST_USE;

/*
 * Writes desired (NULL: deletes the key) if the key's value is *expected (NULL: absent), in one step among all writes,
 * those that were submitted before it and are not acknowledged yet included.  Otherwise LEVIN_CONFLICT and nothing is
 * written; *actual (may be NULL) is then the value that stood in the way, in memory to be given back with
 * levin_free(), data NULL when the key was absent.  On any other code actual->data is NULL.
 */
LEVIN_API levin_code levin_compare_and_swap(levin *store, const void *key, size_t key_bytes,
                                            const levin_slice *expected, const levin_slice *desired,
                                            levin_durability durability, levin_slice *actual) LEVIN_MUST_USE;

/*
 * Deletes all keys in [lower, upper), as one operation, however many there are: one record in the log; what it costs
 * then is dropping them from the memtable, a node at a time.  Pages are given back by the next checkpoint, which reads
 * the leaves that go.  The row cache starts anew.  data NULL: from the first key, to the last one.  A bound has the
 * length of a key.  A range that is empty or upside down deletes nothing and is no error.
 */
LEVIN_API levin_code levin_delete_range(levin *store, levin_slice lower, levin_slice upper,
                                        levin_durability durability) LEVIN_MUST_USE;
/* The same for all keys that begin with these bytes; with none of them, all keys. */
LEVIN_API levin_code levin_delete_prefix(levin *store, const void *prefix, size_t prefix_bytes,
                                         levin_durability durability) LEVIN_MUST_USE;

/*
 * A batch is applied whole or not at all; later operations on a key win. Reusable after levin_batch_clear(). It
 * belongs to the store it was made for: LEVIN_INVALID when another one is to write it. It is the caller's, who destroys
 * it before levin_close(); it may be written and built again by one thread after the other. A put or delete that fails
 * leaves the batch as it was.
 */
LEVIN_API levin_code levin_batch_create(levin *store, levin_batch **batch) LEVIN_MUST_USE;
LEVIN_API void levin_batch_destroy(levin_batch *batch); /* harmless on NULL */
LEVIN_API void levin_batch_clear(levin_batch *batch);   /* empty again; keeps its memory */
LEVIN_API levin_code levin_batch_put(levin_batch *batch, const void *key, size_t key_bytes, const void *value,
                                     size_t value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_batch_delete(levin_batch *batch, const void *key, size_t key_bytes) LEVIN_MUST_USE;
/* As levin_delete_range() and levin_delete_prefix(); what the batch puts there afterwards stays. */
LEVIN_API levin_code levin_batch_delete_range(levin_batch *batch, levin_slice lower,
                                              levin_slice upper) LEVIN_MUST_USE;
LEVIN_API levin_code levin_batch_delete_prefix(levin_batch *batch, const void *prefix,
                                               size_t prefix_bytes) LEVIN_MUST_USE;
LEVIN_API size_t levin_batch_count(const levin_batch *batch); /* operations in it */
LEVIN_API size_t levin_batch_bytes(const levin_batch *batch); /* bytes it takes in the log */

/*
 * One log write and at most one sync for the whole batch, shared with all batches submitted at the same time.
 * An empty batch with LEVIN_SYNCED syncs all that was written before.  The batch may be reused on return.
 * On any error the batch is invisible; after LEVIN_POISONED or a failed sync it may or may not be there after
 * reopening, whole.  LEVIN_INTERRUPTED: from a callback while the store is being closed.
 *
 * A group is shown to readers, and its batches acknowledged, when the strongest durability that any of them asked for
 * is reached.
 * commit_interval_us > 0: batches with LEVIN_SYNCED wait for company until the first of the group has waited so long.
 * The group goes at once when it is full (1 MiB, a batch counting for 1 KiB at least), and with whatever does not wait:
 * a batch of another durability, an empty batch, levin_sync(), a poll.
 */
LEVIN_API levin_code levin_write(levin *store, const levin_batch *batch, levin_durability durability) LEVIN_MUST_USE;

/*
 * Submits the batch and returns at once with a ticket.  The batch is not copied: it must not be touched until the
 * ticket is done.  The order of submission is the order of commit.
 * Progress is made by whoever waits or polls, for this or any later batch (they lead the group), and by the log
 * thread, which sleeps when there is nothing to do; with background = none by levin_work() instead.
 * On an error there is no ticket and nothing was submitted; LEVIN_IO also when the log thread could not be started.
 */
LEVIN_API levin_code levin_write_async(levin *store, const levin_batch *batch, levin_durability durability,
                                       levin_ticket **ticket) LEVIN_MUST_USE;
/* Waits until the ticket's batch is acknowledged or failed, returns its result and frees the ticket. */
LEVIN_API levin_code levin_ticket_wait(levin_ticket *ticket) LEVIN_MUST_USE;
/* LEVIN_PENDING when somebody else is leading and has not finished; otherwise its result. Does not free the ticket. */
LEVIN_API levin_code levin_ticket_poll(levin_ticket *ticket) LEVIN_MUST_USE;

/*
 * Submits the batch and returns at once; done(context, code) is called once, with what levin_write() would have
 * returned, when the batch is acknowledged or has failed: at the latest inside levin_close().  The batch is not copied:
 * it must not be touched until then; done may reuse or destroy it (inside levin_close() that is the last chance).
 * On an error done is not called and nothing was submitted; LEVIN_IO also when the log thread could not be started.
 *
 * Callbacks are called one at a time, in order of commit: on the log thread; with background = none inside a call that
 * commits (levin_work(), levin_write(), levin_sync(), a wait, a poll) of any thread, after that has done its own
 * work.  A callback holds up the callbacks after it, and on the log thread what nobody waits for.  It may make any call
 * on the store, also submit and wait, but for: levin_close(); waiting for another callback to come.
 */
LEVIN_API levin_code levin_write_callback(levin *store, const levin_batch *batch, levin_durability durability,
                                          void (*done)(void *context, levin_code code), void *context) LEVIN_MUST_USE;

/* Makes everything acknowledged so far durable. Any thread; shares its sync with all that commit at the same time. */
LEVIN_API levin_code levin_sync(levin *store) LEVIN_MUST_USE;

/* ---- Named keyspaces -------------------------------------------------------------------------------------- */

/*
 * Beside its default keyspace, which the calls without a keyspace are about, a store has any number of named ones: each
 * with keys of its own, in its own order.  Log, checkpoints, caches and budgets are shared, so a batch may write to
 * several of them, whole or not at all, and a snapshot is of all of them at one moment.  A key in a named keyspace may
 * be 4 bytes shorter at most than LEVIN_KEY_MAX_BYTES.  Names are 1 to 255 bytes, any.
 *
 * The calls that end in _in are like those without, for the keyspace given; keyspace NULL is the default one.  A handle
 * is used by any number of threads and belongs to its store; all are closed before the store is.  Once its keyspace has
 * been dropped every use of it gives LEVIN_NO_KEYSPACE, a batch that was filled before, too; only snapshots, iterators
 * and transactions made before the drop go on reading.
 */

/* flags of levin_keyspace_open() */
enum {
    LEVIN_KEYSPACE_CREATE = 1,   /* make it if there is none: one synced batch */
    LEVIN_KEYSPACE_EXCLUSIVE = 2 /* make it; LEVIN_EXISTS if there is one */
};
/* LEVIN_NO_KEYSPACE when there is none and flags ask for no creation. *keyspace is NULL on failure. */
LEVIN_API levin_code levin_keyspace_open(levin *store, const void *name, size_t name_bytes, unsigned flags,
                                         levin_keyspace **keyspace) LEVIN_MUST_USE;
/* Batches that write to it may still be written. NULL is harmless. */
LEVIN_API void levin_keyspace_close(levin_keyspace *keyspace);
/*
 * Removes the name and all keys, in one batch of constant cost; pages are given back by the next checkpoint.  What is
 * committed later cannot write there any more.  The name is free for a new keyspace. LEVIN_NO_KEYSPACE: there is none.
 */
LEVIN_API levin_code levin_keyspace_drop(levin *store, const void *name, size_t name_bytes,
                                         levin_durability durability) LEVIN_MUST_USE;
/*
 * Calls visit for each keyspace there is, in the order of names, at one moment (of the snapshot, or now); the name is
 * good during the call.  LEVIN_INTERRUPTED when visit returned false.
 */
LEVIN_API levin_code levin_keyspace_list(levin *store, const levin_snapshot *snapshot,
                                         bool (*visit)(void *context, levin_slice name), void *context) LEVIN_MUST_USE;

LEVIN_API levin_code levin_put_in(levin *store, const levin_keyspace *keyspace, const void *key, size_t key_bytes,
                                  const void *value, size_t value_bytes, levin_durability durability) LEVIN_MUST_USE;
LEVIN_API levin_code levin_delete_in(levin *store, const levin_keyspace *keyspace, const void *key, size_t key_bytes,
                                     levin_durability durability) LEVIN_MUST_USE;
LEVIN_API levin_code levin_delete_range_in(levin *store, const levin_keyspace *keyspace, levin_slice lower,
                                           levin_slice upper, levin_durability durability) LEVIN_MUST_USE;
LEVIN_API levin_code levin_delete_prefix_in(levin *store, const levin_keyspace *keyspace, const void *prefix,
                                            size_t prefix_bytes, levin_durability durability) LEVIN_MUST_USE;
LEVIN_API levin_code levin_batch_put_in(levin_batch *batch, const levin_keyspace *keyspace, const void *key,
                                        size_t key_bytes, const void *value, size_t value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_batch_delete_in(levin_batch *batch, const levin_keyspace *keyspace, const void *key,
                                           size_t key_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_batch_delete_range_in(levin_batch *batch, const levin_keyspace *keyspace, levin_slice lower,
                                                 levin_slice upper) LEVIN_MUST_USE;
LEVIN_API levin_code levin_batch_delete_prefix_in(levin_batch *batch, const levin_keyspace *keyspace,
                                                  const void *prefix, size_t prefix_bytes) LEVIN_MUST_USE;

LEVIN_API levin_code levin_compare_and_swap_in(levin *store, const levin_keyspace *keyspace, const void *key,
                                               size_t key_bytes, const levin_slice *expected,
                                               const levin_slice *desired, levin_durability durability,
                                               levin_slice *actual) LEVIN_MUST_USE;

/* ---- Sorted bulk load ------------------------------------------------------------------------------------- */

/*
 * Keys in ascending order, with their values, go straight into pages, past the log and the memtable,
 * at the cost of writing them once.  It is one batch of any size: all of it becomes visible and durable together at
 * its commit, or nothing does, also in a crash.
 *
 *   levin_bulk_load_begin(store, NULL, &load);
 *   for (...) levin_bulk_load_add(load, key, key_bytes, value, value_bytes);
 *   levin_bulk_load_commit(load);
 *   levin_bulk_load_destroy(load);
 *
 * Into an empty keyspace (NULL: the default one), or behind or between the keys of one, it runs at full speed; where it
 * falls among keys that are there, the leaves around are written anew, and the values of keys that are there replaced.
 * Large values go to the value log, if there is one.  It takes about 1 MiB of memory, or the largest value.
 *
 * One load at a time (LEVIN_CONFLICT), used by one thread at a time, and destroyed before levin_close() and before its
 * keyspace is closed.  The beginning makes a checkpoint.  Reads and writes go on meanwhile, from the same thread too;
 * writers wait during the commit, for the syncs.  What a load cannot have beside it ends it, with LEVIN_CONFLICT and
 * nothing written: a write of others to a key between its first and its last; a memtable that fills up, so that a
 * checkpoint is needed (memtable_bytes, or levin_checkpoint(), levin_backup() after writes; a collection of the value
 * log, also in the background, does one); levin_compact().  Batches that were submitted (levin_write_async()) and that
 * nobody has led yet are committed after it.
 *
 * Errors of levin_bulk_load_add(): LEVIN_INVALID when the key is not above the one before (the message names the entry
 * and both keys), LEVIN_TOO_BIG and LEVIN_NO_KEYSPACE as of a put; the load is as it was before and can go on.  After
 * any other (LEVIN_NO_SPACE, LEVIN_IO, LEVIN_NO_MEMORY, LEVIN_CONFLICT), as after a commit that failed, the store is as
 * it was at the beginning and only levin_bulk_load_destroy() is left: begin again.  Values that had gone to the value
 * log are garbage there.  When the write of the meta page or of its mark in the log, or a sync, fails in the commit the
 * store is poisoned (LEVIN_POISONED from then on), and after reopening the load is there, whole, or not; for a handle
 * that is opened read-only beside the poisoned one, too.
 */
typedef struct levin_bulk_load levin_bulk_load;
LEVIN_API levin_code levin_bulk_load_begin(levin *store, const levin_keyspace *keyspace,
                                           levin_bulk_load **load) LEVIN_MUST_USE;
LEVIN_API levin_code levin_bulk_load_add(levin_bulk_load *load, const void *key, size_t key_bytes, const void *value,
                                         size_t value_bytes) LEVIN_MUST_USE;
/* Durable at return, and before it nothing can be seen. */
LEVIN_API levin_code levin_bulk_load_commit(levin_bulk_load *load) LEVIN_MUST_USE;
/* Without a commit before, nothing has happened. Harmless on NULL. */
LEVIN_API void levin_bulk_load_destroy(levin_bulk_load *load);

/* ---- Reading ---------------------------------------------------------------------------------------------- */
/* snapshot NULL reads the newest published state. */

/*
 * The state now, unchanged until released. Cheap; holds back the reuse of memory and pages. Any threads may read with
 * it, also at once; any thread releases it, once, when no call is using it any more, before levin_close().
 */
LEVIN_API levin_code levin_snapshot_create(levin *store, levin_snapshot **snapshot) LEVIN_MUST_USE;
LEVIN_API void levin_snapshot_release(levin_snapshot *snapshot); /* harmless on NULL */

/*
 * An open snapshot, iterator or transaction, or a read-only handle on the same store, here or in another process, and
 * what could be used again if it and all older ones were not there.
 */
typedef enum levin_reader_kind {
    LEVIN_READER_SNAPSHOT = 0,
    LEVIN_READER_ITERATOR = 1,
    LEVIN_READER_TRANSACTION = 2,
    LEVIN_READER_PROCESS = 3
} levin_reader_kind;
typedef struct levin_reader {
    levin_reader_kind kind;
    uint64_t number;            /* counted from 1 as they are opened on this handle; of a PROCESS its slot, from 0 */
    uint64_t age_ns;            /* since it was opened */
    uint64_t sequence;          /* of the newest batch that it sees */
    uint64_t batches_behind;    /* committed since */
    uint64_t held_file_bytes;   /* pages that a newer tree no longer needs */
    uint64_t held_memory_bytes; /* memtables that were merged since */
    uint64_t process;           /* its process id, when it is a PROCESS; otherwise 0 */
} levin_reader;
/* Return false to stop. The list is locked meanwhile: it must not call the library. */
typedef bool (*levin_reader_visit)(void *context, const levin_reader *reader);
/*
 * All that are open on this handle, in order of opening, then other handles that only read the store, by their slots.
 * Any thread. LEVIN_INTERRUPTED when visit returned false; LEVIN_IO when the lock file could not be read.
 */
LEVIN_API levin_code levin_readers_list(levin *store, levin_reader_visit visit, void *context) LEVIN_MUST_USE;

/*
 * Copies the value into buffer and its size into *value_bytes. LEVIN_TOO_SMALL (with *value_bytes set and the buffer
 * untouched) when capacity does not suffice; LEVIN_NOT_FOUND. buffer may be NULL with capacity 0. No heap allocation
 * for values held in a page or in the memtable.
 */
LEVIN_API levin_code levin_get(levin *store, const levin_snapshot *snapshot, const void *key, size_t key_bytes,
                               void *buffer, size_t capacity, size_t *value_bytes) LEVIN_MUST_USE;
/* As levin_get(), into memory to be given back with levin_free(). *value is never NULL on LEVIN_OK. */
LEVIN_API levin_code levin_get_alloc(levin *store, const levin_snapshot *snapshot, const void *key, size_t key_bytes,
                                     void **value, size_t *value_bytes) LEVIN_MUST_USE;
/* Of the store that handed it out, before levin_close(). Any thread. Harmless on NULL. */
LEVIN_API void levin_free(levin *store, void *value);
/* LEVIN_OK or LEVIN_NOT_FOUND (or an error); reads no value. */
LEVIN_API levin_code levin_contains(levin *store, const levin_snapshot *snapshot, const void *key,
                                    size_t key_bytes) LEVIN_MUST_USE;

/*
 * A value handed out without a copy: value stays as it is until levin_pinned_release(), whatever is written
 * meanwhile.  A value in a page holds that page in memory, one in a memtable the whole memtable, so hold few and not
 * for long; a value that stands in an extent of its own is a copy.  value.data is never NULL on LEVIN_OK.  Fields
 * below value belong to the library.  Any thread may release it, once; all are released before levin_close().
 */
typedef struct levin_pinned {
    levin_slice value;
    levin *store;
    void *held;
    uint32_t kind;
} levin_pinned;
/* As levin_get(). On any code but LEVIN_OK nothing is pinned, and a release is harmless. */
LEVIN_API levin_code levin_get_pinned(levin *store, const levin_snapshot *snapshot, const void *key, size_t key_bytes,
                                      levin_pinned *pinned) LEVIN_MUST_USE;
LEVIN_API void levin_pinned_release(levin_pinned *pinned);

typedef struct levin_get_request {
    const void *key;    /* in */
    size_t key_bytes;   /* in */
    void *buffer;       /* in: as for levin_get() */
    size_t capacity;    /* in */
    size_t value_bytes; /* out */
    levin_code code;    /* out: as of levin_get() for this key */
} levin_get_request;
/*
 * All keys at one state, their memory accesses overlapped: several times as fast as one by one when the data is not in
 * the processor's cache. Returns the first code other than OK, NOT_FOUND and TOO_SMALL, or LEVIN_OK.
 */
LEVIN_API levin_code levin_multi_get(levin *store, const levin_snapshot *snapshot, levin_get_request *requests,
                                     size_t count) LEVIN_MUST_USE;

/* The same in a keyspace. */
LEVIN_API levin_code levin_get_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot,
                                  const void *key, size_t key_bytes, void *buffer, size_t capacity,
                                  size_t *value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_get_alloc_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot,
                                        const void *key, size_t key_bytes, void **value,
                                        size_t *value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_contains_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot,
                                       const void *key, size_t key_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_get_pinned_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot,
                                         const void *key, size_t key_bytes, levin_pinned *pinned) LEVIN_MUST_USE;
LEVIN_API levin_code levin_multi_get_in(levin *store, const levin_keyspace *keyspace, const levin_snapshot *snapshot,
                                        levin_get_request *requests, size_t count) LEVIN_MUST_USE;

/* ---- Iterators -------------------------------------------------------------------------------------------- */

typedef struct levin_iter_options {
    const levin_snapshot *snapshot; /* NULL: the state at levin_iter_open() */
    levin_slice lower;              /* data NULL: unbounded */
    levin_slice upper;              /* data NULL: unbounded */
    bool lower_exclusive;           /* default false: the bound itself is in */
    bool upper_inclusive;           /* default false: the bound itself is out */
    levin_slice prefix;             /* data NULL: none; combined with the bounds */
    const levin_keyspace *keyspace; /* NULL: the default one */
} levin_iter_options;

/*
 * options NULL: everything, now. The bounds are copied; a snapshot must live until the iterator is open, not longer. A
 * new iterator is invalid until it is moved. One thread at a time uses it, any thread closes it, before levin_close().
 */
LEVIN_API levin_code levin_iter_open(levin *store, const levin_iter_options *options,
                                     levin_iter **iter) LEVIN_MUST_USE;
LEVIN_API void levin_iter_close(levin_iter *iter); /* harmless on NULL */
LEVIN_API bool levin_iter_first(levin_iter *iter);
LEVIN_API bool levin_iter_last(levin_iter *iter);
/* First key at or after `key` inside the bounds. */
LEVIN_API bool levin_iter_seek(levin_iter *iter, const void *key, size_t key_bytes);
/* Last key at or before `key` inside the bounds. */
LEVIN_API bool levin_iter_seek_for_prev(levin_iter *iter, const void *key, size_t key_bytes);
/* Past an end the iterator becomes invalid; then only first, last and the seeks move it. */
LEVIN_API bool levin_iter_next(levin_iter *iter);
LEVIN_API bool levin_iter_prev(levin_iter *iter);
/* The moves return the same: whether the iterator stands on a pair. Check levin_iter_status() when false. */
LEVIN_API bool levin_iter_valid(const levin_iter *iter);
/* LEVIN_OK at an end; otherwise why the iterator stopped. Stays until the next successful seek. */
LEVIN_API levin_code levin_iter_status(const levin_iter *iter);
/* Valid until the next move. { NULL, 0 } of an iterator that is not on a pair. */
LEVIN_API levin_slice levin_iter_key(const levin_iter *iter);
/*
 * Valid until the next move.  Reads large values on demand, so it can fail: status then says why, data is NULL.
 * { NULL, 0 } of an iterator that is not on a pair.
 */
LEVIN_API levin_slice levin_iter_value(levin_iter *iter);

/* ---- Transactions ------------------------------------------------------------------------------------------ */

/*
 * Optimistic: a transaction reads the state of its beginning with its own writes on top, takes no lock, and is told at
 * the commit whether that still holds.  LEVIN_CONFLICT then: it is over and nothing of it was written; whoever wants it
 * begins another one and does it again.  One thread at a time uses a transaction; any number of them run side by side.
 *
 * A key has changed when it has another value than in the beginning, or is there when it was not, or the other way
 * round. One that was changed and changed back has not.
 */
typedef enum levin_isolation {
    LEVIN_SNAPSHOT = 0,    /* refused when a key that it writes has changed; write skew is possible */
    LEVIN_SERIALIZABLE = 1 /* also when a key that it has read, found or absent, or anything between the keys that an
                            * iterator went over has changed: as if the transactions had run one after the other, in
                            * the order of their commits (default) */
} levin_isolation;

typedef struct levin_txn_options {
    uint32_t struct_bytes;     /* sizeof(levin_txn_options), set by levin_txn_options_init() */
    levin_isolation isolation; /* default LEVIN_SERIALIZABLE */
    uint64_t memory_bytes;     /* limit of what it keeps, its writes, the keys read and the ranges seen: 64 KiB .. 1
                                * GiB, default 64 MiB; what goes beyond is refused with LEVIN_TOO_BIG, reads too */
} levin_txn_options;
LEVIN_API void levin_txn_options_init(levin_txn_options *options);

/* options NULL: the defaults. It holds back memory and pages like a snapshot, until it is over. */
LEVIN_API levin_code levin_txn_begin(levin *store, const levin_txn_options *options, levin_txn **txn) LEVIN_MUST_USE;
/* Rolls back what is not committed, and frees the handle. Before levin_close(). NULL is harmless. */
LEVIN_API void levin_txn_destroy(levin_txn *txn);

/* As levin_put() and the others; nothing is written before the commit. On an error the transaction is as before. */
LEVIN_API levin_code levin_txn_put(levin_txn *txn, const void *key, size_t key_bytes, const void *value,
                                   size_t value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_delete(levin_txn *txn, const void *key, size_t key_bytes) LEVIN_MUST_USE;
/* As levin_delete_range() and levin_delete_prefix(). The range counts as written: nothing in it may have changed. */
LEVIN_API levin_code levin_txn_delete_range(levin_txn *txn, levin_slice lower, levin_slice upper) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_delete_prefix(levin_txn *txn, const void *prefix, size_t prefix_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_get(levin_txn *txn, const void *key, size_t key_bytes, void *buffer, size_t capacity,
                                   size_t *value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_get_alloc(levin_txn *txn, const void *key, size_t key_bytes, void **value,
                                         size_t *value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_contains(levin_txn *txn, const void *key, size_t key_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_multi_get(levin_txn *txn, levin_get_request *requests, size_t count) LEVIN_MUST_USE;
/*
 * As levin_iter_open(), but without a snapshot in the options.  The iterator shows the beginning and the writes that
 * the transaction had made when it was opened.  It is closed before levin_txn_destroy(); the commit leaves it as it is.
 */
LEVIN_API levin_code levin_txn_iter_open(levin_txn *txn, const levin_iter_options *options,
                                         levin_iter **iter) LEVIN_MUST_USE;

/*
 * The same in a keyspace.  A transaction may read and write any number of them, and is committed in all of them or in
 * none.  It reads a keyspace that was dropped since its beginning, and may not write to it any more: see the commit.
 */
LEVIN_API levin_code levin_txn_put_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key,
                                      size_t key_bytes, const void *value, size_t value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_delete_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key,
                                         size_t key_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_delete_range_in(levin_txn *txn, const levin_keyspace *keyspace, levin_slice lower,
                                               levin_slice upper) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_delete_prefix_in(levin_txn *txn, const levin_keyspace *keyspace, const void *prefix,
                                                size_t prefix_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_get_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key,
                                      size_t key_bytes, void *buffer, size_t capacity,
                                      size_t *value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_get_alloc_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key,
                                            size_t key_bytes, void **value, size_t *value_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_contains_in(levin_txn *txn, const levin_keyspace *keyspace, const void *key,
                                           size_t key_bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_multi_get_in(levin_txn *txn, const levin_keyspace *keyspace,
                                            levin_get_request *requests, size_t count) LEVIN_MUST_USE;

/*
 * Marks what the transaction has written so far; going back undoes what it wrote after the newest mark, which is gone
 * then (LEVIN_INVALID when there is none).  What it has read stays read.
 */
LEVIN_API levin_code levin_txn_savepoint(levin_txn *txn) LEVIN_MUST_USE;
LEVIN_API levin_code levin_txn_rollback_to_savepoint(levin_txn *txn) LEVIN_MUST_USE;

/*
 * Writes all of it or nothing, like a batch.  Without writes it has nothing to wait for and always succeeds.  After
 * LEVIN_OK or LEVIN_CONFLICT the transaction is over: only levin_txn_destroy() is left (other calls: LEVIN_INVALID).
 * LEVIN_NO_KEYSPACE: a keyspace that it writes to was dropped; it may go back to a savepoint before that write.  The
 * drop of a keyspace that a serializable transaction has read, also in vain, is a conflict.
 * After any other code nothing is visible and the commit may be tried again (as with levin_write(), after a failed
 * sync it may or may not be there when the store is opened again, whole).
 */
LEVIN_API levin_code levin_txn_commit(levin_txn *txn, levin_durability durability) LEVIN_MUST_USE;

/* ---- Upkeep ----------------------------------------------------------------------------------------------- */

/*
 * Moves all that is in the log into the page file and recycles the log. Returns when it is durable. Any thread, beside
 * reads and writes. After an error but LEVIN_POISONED the store goes on with its log, and a later one does it all.
 */
LEVIN_API levin_code levin_checkpoint(levin *store) LEVIN_MUST_USE;

/*
 * background = none: does one bounded step of waiting work (a commit group of tickets and callbacks, part of a
 * checkpoint, reclamation).  A group that still waits for company (commit_interval_us) is left alone and is no work;
 * one that finds the memtable full has to wait for a checkpoint, like any write, and does it.
 * *more (may be NULL) tells whether there is more to do. Harmless with a background thread.  That a group failed is
 * told to its tickets and callbacks, not here.
 */
LEVIN_API levin_code levin_work(levin *store, bool *more) LEVIN_MUST_USE;

typedef enum levin_compact_mode {
    LEVIN_COMPACT_ALL = 0, /* the whole tree is written anew: full pages, in key order; then the file is shortened */
    LEVIN_COMPACT_END = 1  /* only what stands at the end of the file is moved, so that the file can be shortened */
} levin_compact_mode;

typedef struct levin_compact_result {
    uint64_t rounds;                     /* checkpoints made on the way */
    uint64_t pages_moved, bytes_written;
    uint64_t pages_before, pages_after;  /* in the page file */
    uint64_t free_before, free_after;    /* of these, free */
    uint64_t held_pages;                 /* not 0: it ended early, for readers hold so many pages that were let go */
    uint64_t segments_collected;         /* of the value log, removed, but for those that readers hold */
    uint64_t segments_bytes;             /* bytes in them */
    uint64_t values_moved, values_moved_bytes; /* out of them */
} levin_compact_result;

typedef struct levin_compact_options {
    uint32_t struct_bytes;  /* sizeof(levin_compact_options), set by levin_compact_options_init() */
    levin_compact_mode mode;
    uint64_t round_bytes;   /* a round moves at most about so much, and needs so much free space; default 32 MiB, but
                             * no more than a sixteenth of the store */
    /* default NULL.  Called between steps, with no lock held, on the caller's thread: false stops it there */
    bool (*progress)(void *context, const levin_compact_result *so_far);
    void *context;
    /* segments of the value log less in use are collected first, as by levin_collect(); 0: none; at most 100; default
     * 90: at most a ninth more than what is in use stays */
    uint32_t value_log_live_percent;
} levin_compact_options;
LEVIN_API void levin_compact_options_init(levin_compact_options *options);

/*
 * A checkpoint, collection of the value log, then compaction of the page tree in rounds, each of them a checkpoint:
 * readers are never blocked, writers only as by a checkpoint, and a crash finds the store whole.  Returns when the file
 * has been shortened.  options (NULL: the defaults) and result (NULL) may be left out.  One at a time: a second call
 * waits for the first.  Pages and segments that a snapshot or an iterator holds are not free before it is released: see
 * held_pages.  LEVIN_INTERRUPTED when progress returned false; what was done until then stays.  Any other error leaves
 * the store as the last round made it.  Not from a callback of levin_write_callback().
 */
LEVIN_API levin_code levin_compact(levin *store, const levin_compact_options *options,
                                   levin_compact_result *result) LEVIN_MUST_USE;

/*
 * Moves the values still in use out of all segments of the value log of which less than live_percent (1 .. 100) is in
 * use, and does two checkpoints. The segments' files are gone on return, but for those that a snapshot, an iterator or
 * another handle still needs: these go later. Writers and readers go on meanwhile. Not from a callback of a write. The
 * background does it for segments under value_log_live_percent. levin_compact() does it so that it can be interrupted.
 */
LEVIN_API levin_code levin_collect(levin *store, uint32_t live_percent) LEVIN_MUST_USE;

/* One fault found by levin_check(); return false to stop. The store is locked meanwhile: do not call it from here. */
typedef bool (*levin_check_report)(void *context, const levin_error *fault);
typedef struct levin_check_result {
    uint64_t keys, pages, leaf_pages, branch_pages, overflow_pages, free_pages, wal_segments, wal_groups, faults;
    uint64_t key_bytes, value_bytes;
    uint64_t metas; /* meta pages that can be read, of 2; see below */
} levin_check_result;
/* keys, key_bytes, value_bytes: of all keyspaces, as users know them; when pages are damaged, of all pairs that were
 * found, those that name the keyspaces included. */
/*
 * Reads every byte that the newest durable state depends on: its meta page, every page (checksum, parent's checksum,
 * order, reachability, each page used once), the free list, the log chain. LEVIN_CORRUPT when any fault was found.
 * The other meta page, of the state before, is nothing that the store depends on: the next checkpoint writes over it.
 * One that cannot be read is no fault, for a power cut in a checkpoint leaves it so, but metas is 1 then; without a
 * power cut it is damage.  Beside a writer meta pages are not looked at: metas is 0.  report and result may be NULL.
 */
LEVIN_API levin_code levin_check(levin *store, levin_check_report report, void *context,
                                 levin_check_result *result) LEVIN_MUST_USE;

/* ---- Backup, restore, repair, dump ------------------------------------------------------------------------ */

typedef struct levin_backup_result {
    uint64_t bytes, total_bytes; /* of all files: so far, in the end */
    uint64_t pages, keys;        /* in use in the copied page file; of all keyspaces, in it */
    uint64_t sequence;           /* of the last batch that is in */
} levin_backup_result;

typedef struct levin_backup_options {
    uint32_t struct_bytes; /* sizeof(levin_backup_options), set by levin_backup_options_init() */
    bool verify;           /* default true: a copy in a directory is read back and checked before it gets its name */
    /* default NULL.  Called at most once a MiB, on the caller's thread, with no lock held: false stops the backup */
    bool (*progress)(void *context, const levin_backup_result *so_far);
    void *context;
} levin_backup_options;
LEVIN_API void levin_backup_options_init(levin_backup_options *options);

/*
 * Copies the store, while it is read and written, into a directory outside the store, empty or absent.  Begins with a
 * checkpoint: everything acknowledged before the call is in; the copy is the state of one instant after it began.  Of a
 * read-only handle beside a writer it is the state that the handle shows, of a checkpoint, and nothing newer.
 * Every page and value is verified as it is copied.  The backup is a store of its own, with the same identity.  Until
 * it is whole, and when it failed, the directory is refused by levin_open() with LEVIN_NO_STORE, or was emptied again.
 * Free pages of the store that the backup's state uses cannot be used again before it ends.
 * options (NULL: the defaults) and result (NULL) may be left out.
 * LEVIN_EXISTS not empty; LEVIN_CORRUPT damage in the store; LEVIN_INTERRUPTED progress said so; LEVIN_READ_ONLY on a
 * store open read-only, without a writer, whose log is not empty; LEVIN_IO, LEVIN_NO_SPACE of the store or the target.
 */
LEVIN_API levin_code levin_backup(levin *store, const char *directory, const levin_backup_options *options,
                                  levin_backup_result *result) LEVIN_MUST_USE;

/* Takes `bytes` bytes; returns 0, or an errno value, which ends the backup with LEVIN_IO. */
typedef int (*levin_backup_write)(void *context, const void *data, size_t bytes);
/*
 * The same as a stream: a tar archive (ustar, with pax sizes from 8 GiB on), which `tar x` unpacks in an empty
 * directory into a store.  A stream that ends early, because the call failed, unpacks into what levin_open() refuses.
 */
LEVIN_API levin_code levin_backup_stream(levin *store, levin_backup_write write, void *write_context,
                                         const levin_backup_options *options,
                                         levin_backup_result *result) LEVIN_MUST_USE;
/*
 * Copies a backup to a new store, verifying it as levin_backup() does.  A backup that has been opened for writing and
 * written to is a store like any other: take a backup of it instead (LEVIN_READ_ONLY).  LEVIN_LOCKED: a writer has it
 * open, so it is none.  io NULL: POSIX.
 */
LEVIN_API levin_code levin_restore(const char *backup, const char *directory, const struct levin_io *io,
                                   const levin_backup_options *options, levin_backup_result *result,
                                   levin_error *error) LEVIN_MUST_USE;

typedef enum levin_loss_kind {
    LEVIN_LOST_META = 0,  /* a meta page is not valid.  Nothing is lost by it if it was the older one, or torn */
    LEVIN_LOST_RANGE = 1, /* all keys that the checkpoint had in [lower, upper), or from lower on when not bounded */
    LEVIN_LOST_VALUE = 2, /* the key `lower`, whose value is damaged */
    LEVIN_LOST_LOG = 3    /* what the log held from there on */
} levin_loss_kind;

typedef struct levin_loss {
    levin_loss_kind kind;
    levin_error fault;          /* file, offset, expected, found, message */
    levin_slice lower, upper;   /* valid until the callback returns */
    bool bounded;
} levin_loss;

typedef struct levin_repair_options {
    uint32_t struct_bytes;      /* sizeof(levin_repair_options), set by levin_repair_options_init() */
    const struct levin_io *io;  /* default NULL: POSIX */
    bool (*report)(void *context, const levin_loss *loss); /* default NULL.  Each loss; false stops the repair */
    void *context;
} levin_repair_options;
LEVIN_API void levin_repair_options_init(levin_repair_options *options);

typedef struct levin_repair_result {
    bool made;                  /* the new store is there */
    bool older_meta;            /* the log knows a later checkpoint than the meta page that was found */
    uint64_t generation;        /* of that meta page */
    uint64_t keys;              /* salvaged out of its tree */
    uint64_t batches, operations; /* and then out of the log */
    uint64_t losses;
} levin_repair_result;

/*
 * Salvages what can be proven of the store in `source`, which is only read, into a new store in `target`, which must be
 * absent or empty.  Pairs come from the newest valid meta page's tree, over pages with right checksums, and then
 * from the unbroken beginning of the log; what is not proven is left out and reported.  A pair in a lost range may be
 * in the new store all the same, out of the log.  It is made as `target`.unfinished and renamed at the end; when that
 * fails, the files under that name are removed again.  The directory of the target must not be inside a store's.
 * LEVIN_OK nothing was lost; LEVIN_CORRUPT with result->made something was; otherwise there is no new store:
 * LEVIN_CORRUPT no meta page is valid; LEVIN_EXISTS; LEVIN_LOCKED; LEVIN_NO_STORE; LEVIN_INTERRUPTED; LEVIN_IO, ...
 */
LEVIN_API levin_code levin_repair(const char *source, const char *target, const levin_repair_options *options,
                                  levin_repair_result *result, levin_error *error) LEVIN_MUST_USE;

enum levin_dump_what {
    LEVIN_DUMP_META = 1,    /* both meta pages */
    LEVIN_DUMP_PAGES = 2,   /* each page in use, or that nothing refers to */
    LEVIN_DUMP_CELLS = 4,   /* with their keys, values, children */
    LEVIN_DUMP_FREE = 8,    /* the free list */
    LEVIN_DUMP_LOG = 16,    /* segments and groups of the log */
    LEVIN_DUMP_RECORDS = 32, /* with their batches and operations */
    LEVIN_DUMP_VALUES = 64  /* segments of the value log, and what values stand in them, without their bytes */
};
typedef enum levin_dump_type {
    LEVIN_DUMP_NUMBER = 0,
    LEVIN_DUMP_HEX = 1,     /* a number that is better read so: a checksum */
    LEVIN_DUMP_TEXT = 2,
    LEVIN_DUMP_BYTES = 3    /* a key or a value: any bytes */
} levin_dump_type;
typedef struct levin_dump_field {
    const char *name;
    levin_dump_type type;
    uint64_t number;        /* NUMBER, HEX */
    levin_slice bytes;      /* TEXT (without a 0 at the end), BYTES */
} levin_dump_field;
/* "meta", "page", "cell", "lost", "free", "free list", "segment", "group", "batch", "record", "value segment", "value".
 * Valid until the visitor returns. */
typedef struct levin_dump_item {
    const char *kind, *file;
    uint64_t offset;        /* in the file */
    const levin_dump_field *fields;
    size_t count;
    const levin_error *fault; /* NULL: none */
} levin_dump_item;
typedef bool (*levin_dump_visit)(void *context, const levin_dump_item *item); /* false stops */
typedef struct levin_dump_options {
    uint32_t struct_bytes;  /* sizeof(levin_dump_options), set by levin_dump_options_init() */
    unsigned what;          /* of enum levin_dump_what, added up; default LEVIN_DUMP_META */
    uint64_t page;          /* default UINT64_MAX: all; otherwise of the pages that one alone, with its cells; of the
                             * first ones the meta pages that stand there */
    const struct levin_io *io; /* default NULL: POSIX */
} levin_dump_options;
LEVIN_API void levin_dump_options_init(levin_dump_options *options);
/*
 * Shows what stands in the files of a store, damaged as it may be, and goes on behind every fault.  Nothing is opened
 * as a store, locked or written; beside a writer it may show faults that are none.  LEVIN_CORRUPT when faults were
 * seen; LEVIN_INTERRUPTED; LEVIN_NO_STORE without a page file; LEVIN_INVALID; LEVIN_IO, LEVIN_NO_MEMORY.
 */
LEVIN_API levin_code levin_dump(const char *path, const levin_dump_options *options, levin_dump_visit visit,
                                void *context, levin_error *error) LEVIN_MUST_USE;

/* ---- Counters ---------------------------------------------------------------------------------------------- */

/*
 * Counters since levin_open(), all uint64_t. X(name, meaning). Rows are added at the end in later versions. What calls
 * count is exact once they have returned; the numbers are not of one instant. A failure that several calls of a group
 * share is counted for each.
 */
#define LEVIN_STATS(X)                                                                                          \
    X(gets, "point reads")                                                                                      \
    X(get_hits, "point reads that found the key")                                                               \
    X(batches, "batches committed")                                                                             \
    X(puts, "puts committed")                                                                                   \
    X(deletes, "deletes committed")                                                                             \
    X(groups, "commit groups")                                                                                  \
    X(sequence, "sequence number of the newest batch")                                                          \
    X(wal_bytes, "bytes written to the log")                                                                    \
    X(wal_writes, "write calls on the log")                                                                     \
    X(wal_syncs, "syncs of the log")                                                                            \
    X(wal_segments_created, "log segments created")                                                             \
    X(wal_segments_recycled, "log segments recycled")                                                           \
    X(checkpoints, "checkpoints completed")                                                                     \
    X(checkpoint_failures, "checkpoints that failed and will be tried again")                                   \
    X(pages_written, "pages written by checkpoints")                                                            \
    X(page_reads, "pages read from the file")                                                                   \
    X(cache_hits, "page cache hits")                                                                            \
    X(cache_misses, "page cache misses")                                                                        \
    X(cache_evictions, "page cache evictions")                                                                  \
    X(cache_bytes, "bytes in the page cache now")                                                               \
    X(row_hits, "point reads of the newest state answered by the row cache")                                    \
    X(row_misses, "those not answered by it, when there is one")                                                \
    X(row_inserts, "rows put into the row cache")                                                               \
    X(row_evictions, "rows taken out of it, stale ones included")                                               \
    X(row_bytes, "bytes held by the row cache now")                                                             \
    X(memtable_bytes, "bytes in memtables now")                                                                 \
    X(file_pages, "pages in the page file")                                                                     \
    X(free_pages, "pages free in the page file")                                                                \
    X(keys, "keys of the default keyspace in the page tree at the last checkpoint")                             \
    X(generation, "number of the last durable checkpoint")                                                      \
    X(replayed_batches, "batches replayed from the log by levin_open")                                          \
    X(recovery_ns, "time levin_open took, nanoseconds")                                                         \
    X(stalls, "writes that waited for a checkpoint")                                                            \
    X(stall_ns, "time they waited, nanoseconds")                                                                \
    X(snapshots, "snapshots and iterators open now")                                                            \
    X(versions, "versions kept for readers now")                                                                \
    X(memory_bytes, "bytes allocated through the I/O table now")                                                \
    X(memory_peak_bytes, "the most of it so far")                                                               \
    X(replayed_operations, "puts, deletes and range deletes replayed from the log by levin_open")                \
    X(range_deletes, "deletes of a range or a prefix committed")                                                \
    X(keyspaces, "named keyspaces there are now")                                                               \
    X(callbacks, "batches submitted with levin_write_callback")                                                 \
    X(tickets, "batches submitted with levin_write_async")                                                      \
    X(checkpoint_ns, "time spent on checkpoints, nanoseconds")                                                  \
    X(checkpoint_bytes, "bytes of pages written by checkpoints that completed")                                 \
    X(pages_read_bytes, "bytes read from the page file")                                                        \
    X(pages_written_bytes, "bytes written to the page file")                                                    \
    X(wal_read_bytes, "bytes read from the log")                                                                \
    X(wal_written_bytes, "bytes written to the log, segment headers and copies included")                       \
    X(pages_syncs, "syncs of the page file")                                                                    \
    X(pages_sync_ns, "time they took, nanoseconds")                                                             \
    X(wal_file_syncs, "syncs of log files, those of spare segments and of copies included")                     \
    X(wal_sync_ns, "time they took, nanoseconds")                                                               \
    X(versions_bytes, "bytes in versions now")                                                                  \
    X(log_bytes, "bytes that the log holds besides the groups, which are in the memtables, now")                \
    X(handle_bytes, "bytes of the handle, counters and histograms included; not in memory_bytes")               \
    X(compactions, "compactions completed")                                                                     \
    X(compaction_rounds, "checkpoints made by compaction, not among the checkpoints")                           \
    X(compaction_pages, "pages moved by compaction")                                                            \
    X(compaction_bytes, "bytes written to the page file by compaction")                                         \
    X(error_invalid, "calls that failed with LEVIN_INVALID")                                                    \
    X(error_too_big, "with LEVIN_TOO_BIG")                                                                      \
    X(error_corrupt, "with LEVIN_CORRUPT")                                                                      \
    X(error_io, "with LEVIN_IO")                                                                                \
    X(error_no_memory, "with LEVIN_NO_MEMORY")                                                                  \
    X(error_no_space, "with LEVIN_NO_SPACE")                                                                    \
    X(error_poisoned, "with LEVIN_POISONED")                                                                    \
    X(error_read_only, "with LEVIN_READ_ONLY")                                                                  \
    X(error_interrupted, "with LEVIN_INTERRUPTED")                                                              \
    X(error_conflict, "with LEVIN_CONFLICT")                                                                    \
    X(error_exists, "with LEVIN_EXISTS")                                                                        \
    X(error_no_keyspace, "with LEVIN_NO_KEYSPACE")                                                              \
    X(transactions, "transactions begun")                                                                       \
    X(transactions_committed, "transactions committed, those without writes included")                          \
    X(transactions_refused, "transactions refused with LEVIN_CONFLICT")                                         \
    X(oldest_reader_ns, "age of the oldest open snapshot or iterator, nanoseconds")                             \
    X(oldest_reader_batches, "batches committed since it was opened")                                           \
    X(oldest_reader_file_bytes, "bytes of the page file that it keeps from being used again")                   \
    X(oldest_reader_memory_bytes, "bytes of merged memtables that it keeps")                                    \
    X(throttles, "commit groups held back because a checkpoint was behind")                                     \
    X(throttle_ns, "time they were held back, nanoseconds")                                                     \
    X(write_pressure, "of 1000, now: how far the memtable is filled ahead of the checkpoint of the one before") \
    X(vlog_segments, "segments of the value log now")                                                           \
    X(vlog_bytes, "bytes in them, garbage included")                                                            \
    X(vlog_live_bytes, "of these in use by the page tree, at the last checkpoint")                              \
    X(vlog_values, "values written to the value log, moved ones included")                                      \
    X(vlog_written_bytes, "bytes written to the value log, headers and copies included")                        \
    X(vlog_read_bytes, "bytes read from the value log")                                                         \
    X(vlog_syncs, "syncs of value-log files")                                                                   \
    X(vlog_sync_ns, "time they took, nanoseconds")                                                              \
    X(vlog_collected_segments, "segments removed by collection")                                                \
    X(vlog_collected_bytes, "bytes in them")                                                                    \
    X(vlog_moved_values, "values moved by collection")                                                          \
    X(vlog_moved_bytes, "bytes of these values")                                                                \
    X(large_hits, "reads answered by the cache of large values")                                                \
    X(large_misses, "reads of large values that it did not answer")                                             \
    X(large_inserts, "values put into it")                                                                      \
    X(large_evictions, "values pushed out of it")                                                               \
    X(large_bytes, "bytes held by it now")                                                                      \
    X(vlog_memory_bytes, "bytes that the value log itself holds in memory now")                                 \
    X(reader_processes, "read-only handles that others have open on the store now")                             \
    X(reader_processes_bytes, "bytes of the page file that they keep from being used again")                    \
    X(bulk_loads, "bulk loads committed")                                                                       \
    X(bulk_load_entries, "keys and values in them, not among the puts")                                         \
    X(readers_bytes, "bytes that open snapshots, iterators and transactions not yet over hold, as of their last call") \
    X(beside_writer, "1: opened read-only beside a writer: the newest checkpoint, and nothing of the log")

typedef struct levin_stats {
#define LEVIN_STATS_FIELD(name, text) uint64_t name;
    LEVIN_STATS(LEVIN_STATS_FIELD)
#undef LEVIN_STATS_FIELD
} levin_stats;
/*
 * Any thread, at any time but from a visitor of levin_readers_list(): waits for no write and no sync.  Reads the slots
 * of reading processes in the lock file.
 */
LEVIN_API void levin_stats_get(levin *store, levin_stats *stats);

/*
 * How long calls took, and how large groups were, since levin_open(). X(name, unit, n, meaning): one call in n of each
 * thread is measured, where a look at the clock costs as much as the call; the others all are. Log-linear buckets
 * (HdrHistogram: Tene, 2012) of at most 1/32 relative width up to 2^36.
 */
#define LEVIN_HISTOGRAMS(X)                                                                                     \
    X(get, "ns", 256, "levin_get")                                                                               \
    X(write_none, "ns", 16, "levin_write, levin_put and levin_delete that got durability none")                 \
    X(write_logged, "ns", 1, "the same with durability logged")                                                 \
    X(write_synced, "ns", 1, "the same with durability synced, and levin_sync")                                 \
    X(wal_sync, "ns", 1, "syncs of log files")                                                                  \
    X(pages_sync, "ns", 1, "syncs of the page file")                                                            \
    X(stall, "ns", 1, "waits of a commit group for a checkpoint")                                               \
    X(checkpoint, "ns", 1, "time spent on a checkpoint, those that completed")                                  \
    X(group_batches, "batches", 1, "batches in a commit group")                                                 \
    X(group_bytes, "bytes", 1, "bytes of a commit group in the log")                                            \
    X(throttle, "ns", 1, "waits of a commit group that was held back because a checkpoint was behind")           \
    X(multi_get, "ns", 16, "levin_multi_get, a call of any number of keys")                                      \
    X(async_write, "ns", 16, "levin_write_async and levin_write_callback, until it is as durable as asked for")  \
    X(vlog_sync, "ns", 1, "syncs of value-log files")

typedef enum levin_histogram_id {
#define LEVIN_HISTOGRAM_ENUM(name, unit, sample_every, text) LEVIN_HISTOGRAM_##name,
    LEVIN_HISTOGRAMS(LEVIN_HISTOGRAM_ENUM)
#undef LEVIN_HISTOGRAM_ENUM
    LEVIN_HISTOGRAM_COUNT
} levin_histogram_id;

typedef struct levin_histogram {
    const char *name, *unit, *text; /* constants of the library */
    uint32_t sample_every;
    uint64_t count, sum, max;       /* of what was measured */
    uint64_t p50, p99, p999;        /* wrong by less than 1.6 % below 2^36; 0 when nothing was measured */
} levin_histogram;
/* LEVIN_INVALID when there is no such histogram. */
LEVIN_API levin_code levin_histogram_get(levin *store, levin_histogram_id id,
                                         levin_histogram *histogram) LEVIN_MUST_USE;
/* One bucket that is not empty: `count` numbers from first to last. Return false to stop. */
typedef bool (*levin_histogram_bucket)(void *context, uint64_t first, uint64_t last, uint64_t count);
/* All buckets, ascending. LEVIN_INTERRUPTED when visit returned false. */
LEVIN_API levin_code levin_histogram_buckets(levin *store, levin_histogram_id id, levin_histogram_bucket visit,
                                             void *context) LEVIN_MUST_USE;

typedef enum levin_stats_format {
    LEVIN_STATS_TEXT = 0,      /* a line a number: name, number, meaning; then a line a histogram */
    LEVIN_STATS_JSON = 1,      /* {"counters": {name: number}, "histograms": {name: {"count": ..., "p50": ...}}} */
    LEVIN_STATS_PROMETHEUS = 2 /* text format 0.0.4: levin_NAME_total{store="path"}, times in seconds, histograms with
                                * a bucket for each power of two */
} levin_stats_format;
/*
 * Writes all counters and histograms as text, with a 0 at the end, into buffer. *bytes is the length without it;
 * LEVIN_TOO_SMALL, with the length that was needed and the buffer untouched, when capacity is not above it (it may
 * need more a moment later). buffer may be NULL with capacity 0.
 */
LEVIN_API levin_code levin_stats_text(levin *store, char *buffer, size_t capacity, size_t *bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_stats_json(levin *store, char *buffer, size_t capacity, size_t *bytes) LEVIN_MUST_USE;
LEVIN_API levin_code levin_stats_prometheus(levin *store, char *buffer, size_t capacity, size_t *bytes) LEVIN_MUST_USE;
/* The same into memory to be given back with levin_free(). *text is NULL on failure. bytes may be NULL. */
LEVIN_API levin_code levin_stats_alloc(levin *store, levin_stats_format format, char **text,
                                       size_t *bytes) LEVIN_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
