/*
 * culprit.h - why a crash state fails: the least set of calls that must be lost or torn, how far the program must have
 * come, and the assumption about the file system that the program made and that does not hold (after T. S. Pillai
 * and others: All File Systems Are Not Created Equal, OSDI 2014; the tool there is called ALICE).
 *
 * The search goes from what was found towards the kindest crash: all calls kept but those that matter (ddmin), lost
 * whole where torn is not needed, at the earliest point.  What remains is a set of calls, each with its fate, and
 * the last call that must have been there.
 *
 * Threads: none; it asks a test that lays images out and runs a checker.
 */
#ifndef CHAOS_CULPRIT_H
#define CHAOS_CULPRIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../faults/crash.h"
#include "../faults/crash_model.h"

/* X(name, word, text): what would have to hold. The word is for grants (states.h) and reports. */
#define ASSUMPTIONS(X)                                                                                          \
    X(ASSUMES_NO_CRASH, "no-crash", "nobody dies here: it fails with every call so far kept")                   \
    X(ASSUMES_SYNCED, "synced", "what was told to the user had been written, though no sync said so")           \
    X(ASSUMES_SYNCED_NAMES, "sync-names", "names are durable when the user is told, without a sync of the directory") \
    X(ASSUMES_ORDER, "ordered", "data and sizes reach the device in the order of the calls")                    \
    X(ASSUMES_ORDERED_NAMES, "ordered-names", "changes of names reach the device in the order of the calls")    \
    X(ASSUMES_ATOMIC_WRITE, "atomic-writes", "a write of several sectors is there whole or not at all")         \
    X(ASSUMES_POWERSAFE, "powersafe", "a sector that was being written holds its old or its new bytes")         \
    X(ASSUMES_SIZE_WITH_DATA, "size-with-data", "a file's new size and the data in it come together")           \
    X(ASSUMES_ATOMIC_RENAME, "atomic-rename", "a rename is there whole or not at all")
typedef enum assumption {
#define ASSUMPTION_ENUM(name, word, text) name,
    ASSUMPTIONS(ASSUMPTION_ENUM)
#undef ASSUMPTION_ENUM
    ASSUMPTION_COUNT
} assumption;

const char *assumption_word(assumption a);
const char *assumption_text(assumption a);

enum { CULPRIT_PARTS_MAX = 12 };

typedef struct culprit_part {
    uint64_t entry; /* index in the trace */
    fate fate;
} culprit_part;

typedef struct culprit {
    assumption what;
    uint64_t point;   /* the earliest at which it fails so */
    size_t count;     /* of the parts; more than CULPRIT_PARTS_MAX are counted, not kept */
    culprit_part parts[CULPRIT_PARTS_MAX];
    uint64_t tests;   /* that the search took */
    bool steady;      /* it failed again when it was tried again */
} culprit;

typedef struct culprit_test {
    void *context;
    /* Whether the image, of a crash at the point, fails as the state in question does. */
    bool (*fails)(void *context, const disk_image *image, uint64_t point);
    bool (*stopped)(void *context); /* true ends the search with the best so far; may be NULL */
} culprit_test;

/* The explorer is over the trace; its crash_seek() is used. */
void culprit_find(crash_explorer *e, const trace *t, uint64_t point, uint64_t variant, const culprit_test *test,
                  culprit *found);

/*
 * Whether a state with these fates contains all that the culprit is made of, where torn counts as lost: then it needs
 * no search of its own.
 */
bool culprit_explains(const culprit *c, uint64_t point, const pending *list, const fate *fates, size_t count);

/* Some lines: the assumption, what is lost or torn, what must be there. As snprintf(). */
int culprit_describe(const culprit *c, crash_explorer *e, const trace *t, char *text, size_t capacity);

#endif
