/*
 * row_cache.h - hash of key -> newest value, for point reads of the newest state: lock-free, coherent, bounded in
 * bytes.
 *
 * Shape.  A set-associative table: a bucket is one cache line of seven slots and the word `touched`.  A slot is a
 * tagged pointer (16 bits of the hash, 48 of address) to an item {sequence, key, value}, which never changes.  A hit
 * reads two places, bucket and item, and stores nothing but a mark, when it is not set yet.  Absent keys are cached
 * too (an item without a value).
 *
 * Coherence.  Three rules; versions and their sequences are those of version.h, one leader commits at a time:
 *   raise   Before the leader publishes a version with sequence T it raises `touched` to T in the bucket of every key
 *           that the group writes (row_cache_touch_records), or `cleared`, one word for the whole cache.
 *   fill    An item carries the sequence s of the version that the value was read from, in one read-side section.
 *   hit     An item counts only if s >= touched and s >= cleared, both loaded after the slot that led to the item.
 * Claim: a hit is the value of the key in some version that was the newest one at some moment of the call.
 *   Orders.  [A] leader: raises, then version_publish() (release); reader: version_current() (acquire): whoever
 *   reads from version T, or from an item filled from it, sees all raises up to T.  [B] filler: writes the item, then
 *   the compare-and-swap of the slot (release); reader: loads the slot (acquire): sees the item whole, and by [A],
 *   which came before on the filler's side, all raises up to s.  [C] reader: slot (acquire), then touched: a load
 *   after an acquire stays after it; so `touched` holds at least every raise up to s, and is at most s: the bucket has
 *   no raise in (s, now], where `now` is what the reader has seen.
 *   (1) No stale value after an acknowledged write: the write's raise happened before its acknowledgement; a get
 *   that begins after that sees touched >= T by coherence of that one word, and rejects every item with s < T.
 *   (2) No step back: a thread that has seen version T, or an item of it, directly or through others, has all
 *   raises up to T by [A] and [B]; items older than the last write to their bucket are rejected.
 *   (3) So for one get: let t be the touched that it loaded.  If version s was published when the load happened, the
 *   key had no write in (s, then], for that would have been raised before it was published: the value is current
 *   then.  If not, somebody has filled from version s before this get ended, so s was published during the get, and
 *   at that publication the value was current.
 *   (4) Relative to a version V that the caller holds (multi-get: all keys at one state): an item serves V if
 *   touched <= s and touched <= V.  The version was acquired before, so raises up to V are seen: no write in (s, V]
 *   when s < V; when s > V raises up to s are seen by [B] and [C], so there is no write in (V, s].
 *   A check of `touched` when filling would be an optimisation only: a fill that loses the race against a raise
 *   leaves an item that no hit accepts.  It is done, to spare the memory.
 *   A group that fails after it has raised leaves buckets that accept nothing until the sequence has caught up:
 *   conservative.  (write.c raises when nothing can fail any more.)  A sequence of a failed group is used again, by
 *   the next group; no version of the failed one was ever published, so no item carries it.
 *   Checkpoints publish versions of the same sequence and the same contents.
 *   Activation.  While nothing was read there is no table and the leader pays one load.  row_cache_prepare() makes it,
 *   a large one on the background thread, so that no get or put waits for its clearing.  row_cache_activate() runs
 *   under commit_mutex, between groups, with the newest sequence N, and sets cleared to N: writes up to N, which were
 *   not raised, are in all versions >= N; items from older versions are rejected.
 *   Snapshots, iterators and transactions do not come here.
 *
 * Memory.  Items lie in segments (2 MiB, less in a small cache), filled from front to back by reserving with
 * compare-and-swap; a segment is emptied and used again whole (Yang, Yue, Vigfusson, "Segcache", NSDI 2021), so
 * there are no size classes to go stale and no free list.  Everything, table and segments, free and waiting ones
 * too, stays within the budget given.  Out of memory means: not cached.
 * Replacement: S3-FIFO (Yang, Zhang, Qiu, Yue, Vigfusson, "FIFO queues are all you need for cache eviction", SOSP
 * 2023): new items go to the small queue of segments; when its oldest segment is emptied, items hit since they came
 * move to the main queue, the others go and leave a tag in the bucket's ghosts, so that they count as hit when they
 * come back.  The small queue shrinks to a tenth when the budget is used up; a pass over many keys that are read once
 * goes through it and leaves the main queue alone.  In the main queue an item that was hit since its last move gets
 * another round.  A full bucket gives up an item not hit, of the small queue first, or a stale one, or else takes one
 * mark off and refuses the newcomer.
 *
 * Gathering.  Rows lie in the order in which they came, so a small set of hot ones is spread over all of the memory,
 * and a get of one waits for the translation of its address as well (measured below 4 KiB pages of the host: 51 ns a
 * get, 38 ns when they lie together).  row_cache_gather() copies the rows hit in a while to one place, in the main
 * queue, when they are few: it looks at a sample of the buckets first, so that who reads all rows alike pays nothing.
 *
 * Progress: hits, fills and raises are wait-free or lock-free and never take a mutex; when no segment is ready a fill
 * is dropped.  row_cache_maintain() makes segments ready, one thread at a time; others pass by.
 * Reclamation: a segment is emptied only after a grace period since it took its last item (fillers are in read-side
 * sections), and filled again only after another one.  No thread that frees nor one that waits holds back a reader.
 */
#ifndef LEVIN_ROW_CACHE_H
#define LEVIN_ROW_CACHE_H

#include <stdbool.h>

#include "counter.h"
#include "io.h"
#include "reclaim.h"
#include "sync.h"

typedef struct row_cache row_cache;

enum {
    ROW_CACHE_MIN_BYTES = 32768,  /* the smallest budget */
    ROW_CACHE_ITEM_MAX_BYTES = 1152 /* key + value + 12, rounded up to 16: what is longer is not cached */
};

/* Counters that the cache raises itself, from `first_slot` of its set on. */
enum row_count { ROW_INSERTS, ROW_EVICTIONS, ROW_COUNTS };

/*
 * key_bytes of a row of a named keyspace, whose key begins with the keyspace's id, has this bit set: the default
 * keyspace may have a key of the same bytes.
 */
enum { ROW_NAMED = 1 << 15 };

/* What was found. */
typedef struct row_value {
    const uint8_t *data; /* good until the read-side section ends; NULL: the key is known to be absent */
    size_t bytes;
} row_value;

/* No memory but the handle is taken before row_cache_activate(). counts outlives the cache. NULL: out of memory. */
row_cache *row_cache_create(const levin_io *io, uint64_t budget_bytes, counter_set *counts, unsigned first_slot);
/* No reader left. NULL is harmless. */
void row_cache_destroy(row_cache *cache);

/*
 * Makes the table, cleared: takes time that grows with the budget (a second for 2 GiB), so under no lock that a reader
 * or writer waits for.  Any thread; harmless when there is one. False when out of memory: the cache stays off until
 * the next try.
 */
bool row_cache_prepare(row_cache *cache);
/* After it: the table is used from now on.  Under commit_mutex, with the sequence of the newest version. */
void row_cache_activate(row_cache *cache, uint64_t sequence);
/* A table cleared so quickly that a reader may do it. */
bool row_cache_is_small(const row_cache *cache);
/* Asks the background for a table; whether somebody has and there is none. */
void row_cache_want_table(row_cache *cache);
bool row_cache_wants_table(const row_cache *cache);
bool row_cache_active(const row_cache *cache);
/* Misses that make a table worth its memory. */
uint64_t row_cache_activation_misses(const row_cache *cache);

/* ---- readers; all but the hash inside a read-side section ---- */

uint64_t row_cache_hash(const void *key, size_t key_bytes); /* without ROW_NAMED, here alone */
/*
 * For several keys at once: first prefetch for each (the bucket), then prefetch_items for each (reads the bucket and
 * asks for the items whose tag fits), then find.  Not needed for one key.
 */
void row_cache_prefetch(const row_cache *cache, uint64_t hash);
void row_cache_prefetch_items(const row_cache *cache, uint64_t hash);
/*
 * True: the value of the key at version `sequence` (UINT64_MAX: at the newest one), whole, or known to be absent.
 * A version given must have been got, by version_current() or a reference, before the call.  Hits and misses are the
 * caller's to count.
 */
bool row_cache_find(row_cache *cache, uint64_t hash, const void *key, size_t key_bytes, uint64_t sequence,
                    row_value *value);
/*
 * The value (data NULL: absence) was read from the version with `sequence`, in this same read-side section. Lock-free;
 * never fails: it is a cache.
 */
void row_cache_fill(row_cache *cache, uint64_t hash, const void *key, size_t key_bytes, const row_value *value,
                    uint64_t sequence);

/* ---- the leader, under commit_mutex, before it publishes the version with `sequence` ---- */

/* Raises the buckets of all keys of `count` operations that stand back to back (record_format.h). */
void row_cache_touch_records(row_cache *cache, const uint8_t *records, size_t count, uint64_t sequence);
/* Raises the whole cache. */
void row_cache_touch_all(row_cache *cache, uint64_t sequence);

/* ---- upkeep, outside any read-side section ---- */

/* A fill found no room, or will soon. One load. */
bool row_cache_wants_maintenance(const row_cache *cache);
/*
 * Gives fills a new segment when one is ready.  thorough: makes segments ready, too: allocates them or empties old
 * ones (grace periods, milliseconds); background work, or the reader itself when there is no thread for it.  False
 * when thorough work is left (told once, until it is done) and can be done: without memory there is nothing to do until
 * the next fill finds no room.  When another thread is at it, a thorough call waits, any other returns at once.
 */
bool row_cache_maintain(row_cache *cache, bool thorough);
/* So many more reads. True, once, when it is time to call row_cache_gather(). A hint: reads may be lost. */
bool row_cache_note_reads(row_cache *cache, uint64_t reads);
/*
 * The next step of gathering the hot rows, if it is time: background work, milliseconds for each 10 MiB of budget.  No
 * row and no answer changes.
 */
void row_cache_gather(row_cache *cache);

/* Bytes taken from io now. */
uint64_t row_cache_bytes(const row_cache *cache);
/* For tests: items in the table, stale ones included (inserts - evictions); it walks the table. */
uint64_t row_cache_entries(const row_cache *cache);
/* For tests: which keys are raised together. */
size_t row_cache_bucket(const row_cache *cache, uint64_t hash);

#endif
