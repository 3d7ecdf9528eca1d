/*
 * keyspace.h - named keyspaces: which there are, who has them open, who may still write to them.  Internal.
 *
 * Creating and dropping are batches on the catalogue (keyspace_format.h) with a precondition that the leader asks at
 * their place in the order of commit, so that of two creators one wins, and a drop hits exactly the keyspace that has
 * the name then.  A drop deletes the name and the whole range of the id in one batch; its id is never given out again.
 *
 * Writing after a drop.  All handles of one keyspace share a keyspace_state.  When the leader admits a drop it marks
 * the state (`dropping`); batches name the states of the keyspaces that they write to, and the leader refuses those
 * behind the drop, in the same group too.  Before the group is published the state becomes `dropped`, for readers; when
 * the group fails the mark is taken back.  So nothing is ever written into a keyspace behind its drop, whatever handles
 * are left.
 */
#ifndef LEVIN_KEYSPACE_H
#define LEVIN_KEYSPACE_H

#include "keyspace_format.h"
#include "write.h"

struct keyspace_state {
    struct keyspace_state *next;
    uint32_t id;
    uint64_t references;      /* keyspaces_mutex: handles and batches */
    bool dropping;            /* commit_mutex */
    _Atomic uint64_t dropped; /* sequence from which on it is gone, 0: alive; release: the leader, acquire: others */
};

struct levin_keyspace {
    levin *store;
    keyspace_state *state; /* NULL: the catalogue itself, internal */
    uint8_t id[KEYSPACE_ID_BYTES];
};

/* After recovery: counts what there is. LEVIN_CORRUPT. */
levin_code keyspace_load(levin *db, levin_error *error);

/* Holds a state for a batch; lets it go. */
void keyspace_state_ref(levin *db, keyspace_state *state);
void keyspace_state_unref(levin *db, keyspace_state *state);

/* LEVIN_NO_KEYSPACE, LEVIN_INVALID (another store's): the handle cannot be used, with this snapshot or NULL. */
levin_code keyspace_check(levin *store, const levin_keyspace *ks, const levin_snapshot *snapshot);

/*
 * Whether it is gone in the newest state.  `dropped` is set before the state without it is published: until then it is
 * there, or somebody who was refused could still find it in a snapshot taken after that.
 */
bool keyspace_state_gone(levin *store, const keyspace_state *state);
/* Whether it is gone for those who write. */
bool keyspace_dropped(const levin_keyspace *ks);

/* A key of the user's as it stands in the tree of named keyspaces. */
typedef struct keyspace_key {
    size_t bytes;
    uint8_t data[RECORD_KEY_MAX_BYTES];
} keyspace_key;
/* LEVIN_NOT_FOUND: so long a key cannot be there. Otherwise as keyspace_check(), or LEVIN_INVALID of an empty key. */
levin_code keyspace_key_make(levin *store, const levin_keyspace *ks, const levin_snapshot *snapshot, const void *key,
                             size_t key_bytes, keyspace_key *made);
/* What a read of this keyspace comes to: what is not found may have been dropped meanwhile. */
levin_code keyspace_read_end(levin *store, const levin_keyspace *ks, const levin_snapshot *snapshot, levin_code code);

/*
 * keyspace_check.c: whether catalogue and keys agree in this version, whose tree tree_check() has found sound; faults
 * go to report, which returns whether to go on.  A failure is told by db_fail().
 */
levin_code keyspace_check_version(levin *db, const version *v,
                                  bool (*report)(void *context, const levin_error *fault), void *context);

/* The keys of the catalogue in a tree of named keyspaces, which are nobody's data. The tree's version is held. */
typedef struct catalogue_count {
    uint64_t keys, key_bytes, value_bytes;
} catalogue_count;
levin_code keyspace_catalogue_count(const tree *named, catalogue_count *count, levin_error *error);
/*
 * After a repair, with nothing else going on: keys whose keyspace has lost its name get one, "recovered-" and the
 * number, and the account is made anew.
 */
levin_code keyspace_mend(levin *db, levin_error *error);

#endif
