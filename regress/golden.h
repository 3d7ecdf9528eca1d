/*
 * golden.h - golden stores: small stores of each format version, kept as files, with their contents as text.
 *
 * regress/golden/VERSION/NAME/db is a store's directory, regress/golden/VERSION/NAME/expected.txt what must be read
 * from it: a line a pair in the order of keys, "key<tab>bytes<tab>digest", the digest being FNV-1a of the value (64
 * bits, hex).  A key of the named keyspace NAME stands there as "@NAME/key", and "@NAME/", 0 bytes, says that the
 * keyspace is there; keys of the default one do not begin with "@".  They are made once by the library of that version
 * (make.sh there) and never changed: later libraries must read them.
 *
 * A recipe writes through levin.h on the simulated disk, so that the same library makes the same bytes again; the text
 * comes from the recipe's own list of what it wrote, not from reading the store.  One thread.
 */
#ifndef LEVIN_REGRESS_GOLDEN_H
#define LEVIN_REGRESS_GOLDEN_H

#include "../engine/levin.h"
#include "../faults/disk_image.h"

#define GOLDEN_STORE "db" /* the store's directory on the simulated disk, and below NAME */

typedef struct golden_pair {
    char key[64];
    uint64_t bytes, digest;
} golden_pair;

/* What a store holds: pairs in the order of their keys, each key once. {0} is an empty one. */
typedef struct golden_list {
    golden_pair *pairs;
    size_t count, capacity;
} golden_list;

/* key is text of 1 to 63 bytes without tabs and newlines, "@NAME/key" in a named keyspace. */
void golden_list_put(golden_list *list, const char *key, const void *value, size_t bytes);
void golden_list_delete(golden_list *list, const char *key);
/* All from lower on, before upper, both as above. */
void golden_list_delete_range(golden_list *list, const char *lower, const char *upper);
void golden_list_fini(golden_list *list);
/* False: the file cannot be read, or a line is malformed. */
bool golden_list_load(golden_list *list, const char *path);
bool golden_list_save(const golden_list *list, const char *path);
/* The last character of "@NAME/" at the beginning of the key; NULL: it is one of the default keyspace. */
const char *golden_keyspace_end(const char *key);
/*
 * True when the store holds exactly this, keyspaces too, read forward, backward and key by key; otherwise text says
 * what differs.
 */
bool golden_list_compare(const golden_list *list, levin *store, char text[256]);

/* Small pages and log segments, no thread; io is the disk's. */
levin_options golden_options(const struct levin_io *io);

/*
 * Makes each recipe's store in directory/NAME, unless it is there; tells what it does on standard output. False, with
 * a line on standard error, when something failed.
 */
bool golden_make(const char *directory);

#endif
