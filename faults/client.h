/*
 * client.h - a client of a store on the simulated disk: what it does to the store it tells the oracle, and then asks
 * whether every promise was kept, also by what power cuts leave.
 *
 * For tests that are written down call by call, such as those that `levin-chaos shrink --c` prints.  Nothing is
 * asserted on the way: the first broken promise is kept, what comes after it is not done, and client_end() gives it
 * back.
 *
 *   client *c = client_create(1);
 *   client_open(c, &options);
 *   client_put(c, 0, "key", 3, "value", 5);
 *   client_write(c, LEVIN_SYNCED);
 *   client_close(c);
 *   client_crashes(c, &options, 1, NULL);
 *   oracle_verdict v = client_end(c);
 *   ck_assert_msg(!v.promise, "%s: %s", v.promise, v.text);
 *
 * Keyspaces are numbers of the test's own, 0 the default one.  What is done in a named one that is not there is left
 * out, for the store as for the model.  One thread.
 */
#ifndef LEVIN_FAULTS_CLIENT_H
#define LEVIN_FAULTS_CLIENT_H

#include "damage.h"
#include "fault_io.h"
#include "oracle.h"
#include "trace.h"

#define CLIENT_MUST_USE __attribute__((warn_unused_result))

enum { CLIENT_SPACES = 5, CLIENT_TICKETS = 16 };

typedef struct client client;

/* An empty disk. seed: of what the disk answers for random bytes. */
client *client_create(uint64_t seed);
/* Closes what is open, checks that nothing is left behind; the first broken promise (promise NULL: none). */
oracle_verdict client_end(client *c);

/* From now on calls may fail by the rule (its count begins); keeps_pages: a failed sync leaves the pages dirty. */
void client_fail(client *c, const fault_rule *rule, bool keeps_pages);
/* From now on calls are hurt by the plan (plan.h), which damages no bytes and is right, or the program ends. */
void client_plan(client *c, const char *text, uint64_t seed);
/* Calls do not fail any more; returns how many have. */
uint64_t client_calm(client *c);

/* The directory "db"; options->io is set here. A second one settles what the first had promised. */
void client_open(client *c, const levin_options *options);
void client_close(client *c);

/* Operations of the batch that is being put together. */
void client_put(client *c, unsigned space, const void *key, size_t key_bytes, const void *value, size_t value_bytes);
void client_delete(client *c, unsigned space, const void *key, size_t key_bytes);
void client_delete_range(client *c, unsigned space, const void *lower, size_t lower_bytes, const void *upper,
                         size_t upper_bytes);
void client_delete_prefix(client *c, unsigned space, const void *prefix, size_t prefix_bytes);
/* They are written and waited for: as a batch, a transaction (which reads what it writes; detour.h), a bulk load. */
void client_write(client *c, levin_durability durability);
void client_transaction(client *c, levin_durability durability);
void client_load(client *c);
/* The one operation, on a key, as a compare-and-swap, after one that must be refused. */
void client_swap(client *c, levin_durability durability);
/* They are submitted; the tickets are numbered from 0, anew once all were waited for. */
void client_submit(client *c, levin_durability durability);
void client_submit_callback(client *c, levin_durability durability);
void client_wait(client *c, unsigned ticket);

/*
 * A transaction that must be refused once the next write has changed the key (what it had before does not count): it
 * writes, reads or iterates over it.
 */
void client_rival_writes(client *c, unsigned space, const void *key, size_t key_bytes);
void client_rival_reads(client *c, unsigned space, const void *key, size_t key_bytes);
void client_rival_iterates(client *c, unsigned space, const void *key, size_t key_bytes);
void client_rival_refused(client *c);

void client_sync(client *c);
void client_checkpoint(client *c);
/* looks: how often its progress may be looked at before it is stopped; UINT64_MAX: to its end. */
void client_compact(client *c, levin_compact_mode mode, uint64_t looks);
void client_collect(client *c, unsigned live_percent);
void client_work(client *c, uint64_t steps);
/* Into "db.backup", while the store is compacted; compared and removed. */
void client_backup(client *c);
void client_keyspace(client *c, unsigned space, const void *name, size_t name_bytes); /* made unless it is there */
void client_keyspace_drop(client *c, unsigned space, levin_durability durability);

/* A snapshot, and a reading handle, of now; compared and given back. */
void client_snapshot(client *c);
void client_snapshot_check(client *c);
void client_reader(client *c);
void client_reader_check(client *c);

/* One key as the model has it. */
void client_get(client *c, unsigned space, const void *key, size_t key_bytes);
/* The open store in every way, its structure too. */
void client_check(client *c, uint64_t seed);

/*
 * All states that a power cut, at any moment so far (when calls have failed: since the last opening), may leave: each
 * recovered with the options, compared, its structure checked, closed.  go_on (may be NULL) does something to the
 * recovered store, which is then closed, opened and compared again.  seed: of the states that are drawn.
 */
void client_crashes(client *c, const levin_options *options, uint64_t seed, void (*go_on)(client *recovered));
/*
 * One of these states (crash.h; one of a lower variant, where so many cannot be left any more), and all that another
 * power cut may leave of its recovery and what go_on does then.  False: so many calls were not made, nothing was looked
 * at.
 */
CLIENT_MUST_USE bool client_crashes_of_recovery(client *c, const levin_options *options, uint64_t seed, uint64_t point,
                                uint64_t variant, void (*go_on)(client *recovered));
/*
 * One state by numbers of any size (of the points and variants that there are), and, unless again is NULL, one that
 * another power cut leaves of its recovery and a checkpoint after it.
 */
typedef struct client_cut {
    uint64_t point, variant;
} client_cut;
void client_crash(client *c, const levin_options *options, uint64_t seed, client_cut cut, const client_cut *again);

/*
 * The files as they are now, the store open or closed, damaged in one way (directory and older are set here): opened,
 * read in every way, checked; each answer must be right or LEVIN_CORRUPT.  moment: of stale bytes, how many I/O calls
 * had been made when they were there; UINT64_MAX: none are stale.  False: there is no such file or place,
 * nothing was looked at.
 */
CLIENT_MUST_USE bool client_damaged(client *c, const levin_options *options, const damage *what, uint64_t moment);

#endif
