/*
 * client_state.h - what a client is, for client.c and client_crash.c.
 */
#ifndef LEVIN_FAULTS_CLIENT_STATE_H
#define LEVIN_FAULTS_CLIENT_STATE_H

#include "client.h"
#include "plan.h"
#include "simdisk.h"

#define CLIENT_PATH "db"
enum { CLIENT_NAME_BYTES = 64 };

typedef enum client_operation_kind {
    CLIENT_PUT,
    CLIENT_DELETE,
    CLIENT_DELETE_RANGE,
    CLIENT_DELETE_PREFIX
} client_operation_kind;

typedef struct client_operation {
    client_operation_kind kind;
    unsigned space;
    levin_slice key, value; /* of a range: its ends; the client's own */
} client_operation;

typedef struct client_submission {
    client *c;
    levin_ticket *ticket; /* NULL: by callback, or done */
    levin_batch *batch;   /* the store may look at it until then */
    uint32_t number;
    bool callback, waited;
} client_submission;

struct client {
    simdisk *disk;
    const disk_image *start; /* that the disk began with; NULL: it was empty */
    trace *t;
    fault_io *f;
    oracle *o;
    bool failing, hurt, kept; /* calls may fail now; they could once; a failed sync keeps its pages */
    plan_rules *rules; /* NULL: no plan */
    plan_state *plan;
    levin *store;
    char names[CLIENT_SPACES][CLIENT_NAME_BYTES];
    size_t name_bytes[CLIENT_SPACES];
    levin_keyspace *spaces[CLIENT_SPACES];
    client_operation *operations;
    size_t count, capacity;
    client_submission submissions[CLIENT_TICKETS];
    unsigned submitted;
    levin_txn *rival;
    bool refused; /* the last write was, so that its rival need not be */
    levin_snapshot *snapshot;
    levin_keyspace *snapshot_spaces[ORACLE_SPACES_MAX];
    uint32_t snapshot_state;
    levin *reader;
    uint32_t reader_state, checkpoint_state; /* a checkpoint is no older than that */
    levin_options options; /* of the last client_open() */
    bool disturbed;        /* the backup at work was */
    levin_code ignored;
    oracle_verdict verdict;
};

uint64_t client_now(const client *c);
/* Whether to go on: the store is open, and no promise is broken. */
bool client_going(const client *c);
/* A client of what is on the disk, without a history (c->o). */
client *client_on(const disk_image *start, uint64_t seed);
/* Opens the keyspaces that the model says are there. */
void client_spaces_open(client *c);
bool client_open_store(client *c, const levin_options *options);
/* Compares with what is legal; *state: what was seen. False: it could not be, or a promise is broken. */
bool client_compare(client *c, levin *store, const oracle_legal *legal, uint64_t seed, bool structure,
                    uint32_t *state);

#endif
