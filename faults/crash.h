/*
 * crash.h - the crash explorer: from a trace to the states that a power cut could leave.
 *
 * The persistence model is stated at the top of crash_model.c.  For each point t of the trace (crash after t
 * entries were issued, before entry t + 1) the explorer enumerates variants: which of the unsynced operations
 * reached the device, whole, torn, or damaged. A variant is a pure function of (start image, trace, seed, limits,
 * point, variant number), so a replay line is "point variant".  Each state's image is a fork of the durable image
 * with the chosen operations on top: a few µs.
 *
 * States are handed out once per (image, promise class).  The promise class of a point stands for what the store
 * had promised by then: an image that comes again after more was promised must be judged again (crash_state.memo
 * spares opening it again).
 *
 * Threads: an explorer belongs to one thread; several may share trace and start image (give each its own points).
 * Crash during recovery: run the recovery on simdisk_create(state.image, trace2), then crash_open(trace2,
 * state.image, ...).
 */
#ifndef LEVIN_FAULTS_CRASH_H
#define LEVIN_FAULTS_CRASH_H

#include "disk_image.h"
#include "trace.h"

/* What a variant does. X(name, text). */
#define CRASH_FAMILIES(X)                                                                                       \
    X(CRASH_ALL_KEPT, "all kept")                                                                               \
    X(CRASH_ALL_DROPPED, "all dropped")                                                                         \
    X(CRASH_SUBSET, "subset")           /* every subset, when there are few operations */                       \
    X(CRASH_PREFIX, "prefix")                                                                                   \
    X(CRASH_ONE_DROPPED, "one dropped")                                                                         \
    X(CRASH_ONE_KEPT, "one kept")                                                                               \
    X(CRASH_FILE_KEPT, "one file kept") /* the operations of one file or directory, nothing else */             \
    X(CRASH_FILE_DROPPED, "one file dropped")                                                                   \
    X(CRASH_TORN, "torn")               /* some sectors of one write */                                         \
    X(CRASH_GARBAGE, "garbage sector")  /* one sector of one write holds random bytes */                        \
    X(CRASH_ZEROED, "zeroed sector")                                                                            \
    X(CRASH_SIZE, "size and data apart") /* new size, old data; new data, old size */                           \
    X(CRASH_RENAME, "half rename")                                                                              \
    X(CRASH_RANDOM, "random")           /* each operation kept, dropped or torn by the seed */
typedef enum crash_family {
#define CRASH_FAMILY_ENUM(name, text) name,
    CRASH_FAMILIES(CRASH_FAMILY_ENUM)
#undef CRASH_FAMILY_ENUM
    CRASH_FAMILY_COUNT
} crash_family;

/* How many variants of a family a point may have; a family with more is sampled by the seed. 0 switches it off. */
typedef struct crash_limits {
    uint64_t first_point, last_point; /* points visited by crash_next(); defaults 0 and UINT64_MAX: the end */
    uint32_t subset_operations;       /* up to so many unsynced operations: all subsets; default 4, at most 16 */
    uint32_t torn_sectors;            /* writes of up to so many sectors: all subsets; default 3, at most 12 */
    uint32_t prefixes, dropped, kept, files, torn, garbage, zeroed, sizes, renames, random; /* per point */
    bool lying_sync;        /* a successful sync takes effect only with the next sync of the same file or directory */
    bool rename_neither;    /* a half rename may also leave neither name (never so on a journaling file system) */
    bool sync_names;        /* a sync of a file makes all earlier changes of names durable (journaling file systems) */
    bool garbage_sectors;   /* an unsynced sector may hold anything; off: old or new bytes, or zeros */
} crash_limits;
void crash_limits_init(crash_limits *limits);

typedef struct crash_state {
    uint64_t point;          /* entries issued before the crash */
    uint64_t variant;        /* with point, the replay key */
    crash_family family;
    uint64_t digest;         /* of the image */
    uint64_t promise;        /* class of the point */
    bool repeated;           /* this image was handed out before, under another promise class */
    uint64_t *memo;          /* a word of the caller's per distinct image, first 0; valid until the next call */
    const disk_image *image; /* valid until the next call: ref it to keep it */
} crash_state;

typedef struct crash_counters {
    uint64_t points, variants, images, states; /* visited; built; distinct; handed out: (image, promise) pairs */
    uint64_t family_states[CRASH_FAMILY_COUNT];
} crash_counters;

typedef struct crash_explorer crash_explorer;

/*
 * start NULL: an empty disk.  limits NULL: defaults.  promises: trace_length() + 1 class numbers, one per point,
 * never falling, or NULL: one class for all.  All of them must outlive the explorer.
 */
crash_explorer *crash_open(const trace *t, const disk_image *start, uint64_t seed, const crash_limits *limits,
                           const uint64_t *promises);
void crash_close(crash_explorer *e); /* harmless on NULL */

/* The next state not yet handed out; false at the end. */
bool crash_next(crash_explorer *e, crash_state *state);
/*
 * Builds one state by its key, whether or not it was handed out; leaves crash_next() where it was. False: no
 * such variant.
 */
bool crash_seek(crash_explorer *e, uint64_t point, uint64_t variant, crash_state *state);

struct crash_model;
struct fate;
/*
 * As crash_seek(), for those who look at the fates themselves or choose other ones (crash_model.h): the model at that
 * point and the fates of its pending operations. They are valid until the next call. NULL: no such variant.
 */
struct crash_model *crash_seek_fates(crash_explorer *e, uint64_t point, uint64_t variant, crash_state *state,
                                     struct fate **fates, size_t *count);

/*
 * What was kept, dropped and torn, in words: one line, then one per unsynced operation. Returns as snprintf()
 * does.
 */
int crash_describe(crash_explorer *e, const crash_state *state, char *text, size_t capacity);

void crash_count(const crash_explorer *e, crash_counters *counters);
const char *crash_family_text(crash_family family);

#endif
