/*
 * fuzz_ops.c - property: any sequence of calls on a store answers as a sorted array would (EXACT), and leaves nothing
 * behind.
 *
 * Input: byte 0 chooses the disk to start from, byte 1 sizes of pages, memtable and caches; then operations of four
 * bytes (ops.h).  Bytes decode to some sequence of legal calls whatever they are.
 *
 * Invariants, after each operation:
 *   - get, contains, multi_get and iterators answer as the model of their snapshot, or of now, does: key, value,
 *     code;
 *   - iterators: first, last, both seeks, next, prev, turns of direction, inside any bounds, also over states long
 *     replaced and checkpointed; at an end the status is LEVIN_OK;
 *   - a batch is there whole; tickets and callbacks commit in order of submission, when somebody leads: a waiter, a
 *     poller, a writer, levin_work(), levin_close(); a callback is called once, in that order, inside the call that
 *     committed its batch;
 *   - a compare-and-swap, a transaction of either isolation: written if what it depends on is as it was, else refused;
 *   - every call succeeds otherwise: nothing fails on this disk;
 *   - levin_check() finds no fault, after a checkpoint and a compaction it counts the model's keys;
 *   - a keyspace that is dropped is gone for all but snapshots, iterators and transactions of before, and empty when it
 *     is made again; what happens in one leaves the default one alone;
 *   - a bulk load is there whole or not at all, a collection of the value log changes nothing that can be read, a
 *     backup is the store of its moment, a transaction goes back to what it had written at a savepoint;
 *   - close and open keep everything acknowledged, whatever its durability (a close is no crash);
 *   - nothing is left behind at the end (disk.c).
 *
 * The model (ops_run.h): an array of value numbers, by rank of the key among the 256 keys that there are.
 */
#include <stdlib.h>

#include "../faults/fatal.h"
#include "ops_run.h"

/* ---- snapshots and upkeep --------------------------------------------------------------------------------- */

static void do_snapshot(run *r, const uint8_t op[4])
{
    snapshot *s = &r->snapshots[op[1] % OPS_SNAPSHOTS];
    levin_snapshot_release(s->handle);
    s->handle = NULL;
    if (op[2] & 1)
        return;
    OPS_OK(levin_snapshot_create(r->store, &s->handle));
    s->seen = r->now;
    s->ks = r->ks;
}

static uint64_t count_keys(const model *m)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < OPS_KEYS; i++)
        count += m->value[i] != 0;
    return count;
}

/* When all is in the tree. */
static void require_check(run *r)
{
    levin_check_result result;
    OPS_OK(levin_check(r->store, NULL, NULL, &result));
    if (r->ks) /* the default one's keys count, too */
        return;
    fuzz_require(result.keys == count_keys(&r->now), "levin_check() counts %llu keys of %llu",
                 (unsigned long long)result.keys, (unsigned long long)count_keys(&r->now));
}

static void do_checkpoint(run *r, bool check)
{
    OPS_OK(levin_checkpoint(r->store));
    if (check)
        require_check(r);
}

/* Stops a compaction after so many calls. */
static bool compact_goes_on(void *context, const levin_compact_result *so_far)
{
    unsigned *calls = context;
    (void)so_far;
    return *calls == 0 || --*calls > 0;
}

/* op[1] mode and whether it may be stopped; op[2] size of a round, op[3] where to stop. */
static void do_compact(run *r, const uint8_t op[4])
{
    levin_compact_options o;
    levin_compact_result result;
    unsigned calls = op[1] & 2 ? 1 + op[3] % 4u : 0;
    const bool stops = calls != 0;
    levin_compact_options_init(&o);
    o.mode = op[1] & 1 ? LEVIN_COMPACT_END : LEVIN_COMPACT_ALL;
    o.round_bytes = (uint64_t)(op[2] & 15) * 16384;
    o.progress = compact_goes_on;
    o.context = &calls;
    ops_tickets_end(r); /* it begins with a checkpoint */
    levin_code code = levin_compact(r->store, &o, &result);
    if (code != LEVIN_INTERRUPTED || !stops || calls)
        ops_require_ok(code, "levin_compact", __FILE__, __LINE__);
    require_check(r);
}

static const char space_name[] = "ops";

void ops_space_open(run *r, unsigned flags)
{
    OPS_OK(levin_keyspace_open(r->store, space_name, sizeof space_name - 1, flags, &r->ks));
}

/* Dropped, in the group of what was submitted before, and made again. */
static void space_drop(run *r, const uint8_t op[4])
{
    ops_apply_pending(r);
    OPS_OK(levin_keyspace_drop(r->store, space_name, sizeof space_name - 1, ops_durability(op[3])));
    levin_slice key = ops_key(op[3]);
    levin_code code = levin_contains_in(r->store, r->ks, NULL, key.data, key.size);
    fuzz_require(code == LEVIN_NO_KEYSPACE, "a read with the handle of a dropped keyspace gave %s",
                 levin_code_name(code));
    r->dropped[r->dropped_count++] = r->ks;
    r->now = (model){ { 0 } };
    ops_space_open(r, LEVIN_KEYSPACE_EXCLUSIVE);
}

static void open_store(run *r)
{
    levin_error error = { 0 };
    if (levin_open(FUZZ_STORE, &r->options, &r->store, &error) != LEVIN_OK)
        fuzz_fail(__FILE__, __LINE__, "levin_open: %s", error.message);
}

static void close_store(run *r)
{
    for (unsigned i = r->ticket_count; i-- > 0;) /* callbacks are left to levin_close() */
        if (r->tickets[i].ticket)
            ops_ticket_end(r, i);
    for (unsigned i = 0; i < OPS_CURSORS; i++)
        ops_cursor_close(&r->cursors[i]);
    for (unsigned i = 0; i < OPS_SNAPSHOTS; i++) {
        levin_snapshot_release(r->snapshots[i].handle);
        r->snapshots[i].handle = NULL;
    }
    ops_txns_end(r);
    levin_keyspace_close(r->ks);
    r->ks = NULL;
    while (r->dropped_count)
        levin_keyspace_close(r->dropped[--r->dropped_count]);
    ops_apply_pending(r);
    OPS_OK(levin_close(r->store));
    ops_require_calls(r);
    for (unsigned i = 0; i < r->ticket_count; i++)
        r->tickets[i].call->r = NULL;
    r->ticket_count = 0;
}

static void do_upkeep(run *r, const uint8_t op[4])
{
    switch (op[1] % 8) {
    case 0:
    case 1:
        ops_tickets_end(r); /* a checkpoint is of what is committed */
        do_checkpoint(r, op[2] & 1);
        return;
    case 2:
    case 3: {
        bool more = true;
        ops_apply_pending(r); /* the first step leads them */
        for (unsigned i = 0; i <= op[2] && more; i++)
            OPS_OK(levin_work(r->store, &more));
        return;
    }
    case 4:
        ops_apply_pending(r);
        OPS_OK(levin_sync(r->store));
        return;
    case 5:
        if (r->ks && op[2] & 1)
            space_drop(r, op);
        OPS_OK(levin_check(r->store, NULL, NULL, NULL));
        return;
    case 6: {
        levin_stats stats;
        levin_stats_get(r->store, &stats);
        fuzz_require(stats.memory_bytes <= stats.memory_peak_bytes, "more memory than its peak");
        ops_full_scan(r, op[2] & 1 ? 1 : -1);
        return;
    }
    default: {
        const bool named = r->ks != NULL;
        close_store(r);
        r->options.wal_segment_bytes = op[2] & 1 ? 8192 : 16384;
        open_store(r);
        if (named)
            ops_space_open(r, 0);
    }
    }
}

/* ---- the target ------------------------------------------------------------------------------------------- */

static void do_operation(run *r, unsigned kinds, const uint8_t op[4])
{
    switch ((enum ops_kind)(op[0] % kinds)) {
    case OPS_PUT:
        ops_put(r, op);
        return;
    case OPS_DELETE:
        ops_delete(r, op);
        return;
    case OPS_BATCH:
        ops_batch(r, op);
        return;
    case OPS_ASYNC:
        ops_async(r, op);
        return;
    case OPS_TICKET:
        ops_ticket(r, op);
        return;
    case OPS_GET:
        ops_get(r, op);
        return;
    case OPS_MULTI_GET:
        ops_multi_get(r, op);
        return;
    case OPS_ITER_OPEN:
        ops_iter_open(r, op);
        return;
    case OPS_ITER_MOVE:
        ops_iter_move(r, op);
        return;
    case OPS_SNAPSHOT:
        do_snapshot(r, op);
        return;
    case OPS_UPKEEP:
        do_upkeep(r, op);
        return;
    case OPS_CALLBACK:
        ops_callback(r, op);
        return;
    case OPS_SWAP:
        ops_swap(r, op);
        return;
    case OPS_TXN:
        ops_txn(r, op);
        return;
    case OPS_COMPACT:
        do_compact(r, op);
        return;
    case OPS_RANGE:
        ops_range(r, op);
        return;
    case OPS_LOAD:
        ops_load(r, op);
        return;
    case OPS_COLLECT:
        ops_collect(r, op);
        return;
    case OPS_BACKUP:
        ops_backup(r, op);
        return;
    case OPS_SAVEPOINT:
        ops_savepoint(r, op);
        return;
    case OPS_KINDS:
        return;
    }
}

/* Disks to start from: 0 none, 1 an empty store, 2 .. stores made by sequences of operations. */
typedef struct start {
    const disk_image *image;
    model now;
    uint32_t next_stamp;
} start;
static start starts[OPS_STARTS];

static void start_make(start *s, unsigned index)
{
    static run r;
    r = (run){ 0 };
    fuzz_disk_open(&r.disk, NULL);
    fuzz_options(&r.options, &r.disk.table);
    open_store(&r);
    /* 2: every third key; 3: every fifth, and a log on top; 4: a few long values; 5: a tree of long keys */
    static const uint8_t step[OPS_STARTS] = { 0, 0, 3, 5, 16, 2 }, first[OPS_STARTS] = { 0, 0, 0, 0, 0, 200 };
    for (unsigned i = first[index]; index >= 2 && i < OPS_KEYS; i += step[index]) {
        uint8_t put[4] = { OPS_PUT, (uint8_t)i, (uint8_t)(index == 4 ? 8 + i / 16 % 8 : i % 5), LEVIN_NONE };
        ops_put(&r, put);
    }
    if (index >= 2)
        do_checkpoint(&r, true);
    for (unsigned i = 0; index == 3 && i < OPS_KEYS; i += 40) {
        const uint8_t put[4] = { OPS_PUT, (uint8_t)(i + 1), 4, LEVIN_NONE };
        const uint8_t delete[4] = { OPS_DELETE, (uint8_t)i, 0, LEVIN_NONE };
        ops_put(&r, put);
        ops_delete(&r, delete);
    }
    close_store(&r);
    s->image = simdisk_image(r.disk.disk);
    s->now = r.now;
    s->next_stamp = r.next_stamp;
    fuzz_disk_close(&r.disk);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    ops_keys_init();
    for (unsigned i = 1; i < OPS_STARTS; i++)
        if (!starts[i].image)
            start_make(&starts[i], i);
    return 0;
}

/* Byte 1 of the input (ops.h). */
static void options_by(levin_options *o, uint8_t byte)
{
    static const uint32_t row_cache_kib[4] = { 32, 0, 256, 1024 }, memtable_kib[4] = { 64, 128, 512, 4096 };
    o->row_cache_bytes = (uint64_t)row_cache_kib[byte >> 1 & 3] << 10;
    o->memtable_bytes = (uint64_t)memtable_kib[byte >> 3 & 3] << 10;
    o->page_bytes = LEVIN_PAGE_MIN_BYTES << (byte >> 5 & 3);
    o->cache_bytes = 16 * o->page_bytes;
    if (byte & 1) {
        o->wal_sector_bytes = 4096;
        o->wal_segment_bytes = 32768;
    }
}

/* In a named keyspace: the default one is as it was at the start. */
static void require_default(run *r, const start *s)
{
    levin_keyspace *ks = r->ks;
    static model now;
    now = r->now;
    r->ks = NULL;
    r->now = s->now;
    ops_keys_use(false);
    ops_full_scan(r, 1);
    ops_keys_use(true);
    r->ks = ks;
    r->now = now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static run r; /* large: the stack of a fuzzer may be small */
    if (size < OPS_HEADER_BYTES)
        return 0;
    const start *s = &starts[data[0] % OPS_STARTS];
    r = (run){ .now = s->now, .next_stamp = s->next_stamp };
    fuzz_disk_open(&r.disk, s->image);
    fuzz_options(&r.options, &r.disk.table);
    options_by(&r.options, data[1]);
    const unsigned form = data[0] / OPS_STARTS, kinds = form ? OPS_KINDS : OPS_KINDS_FIRST;
    static const uint32_t thresholds[4] = { 60, 400, 1000, 0 };
    r.options.value_log_threshold_bytes = form ? thresholds[form & 3] : 0;
    r.options.value_log_segment_bytes = 8192;
    open_store(&r);
    const bool named = data[1] & 0x80;
    ops_keys_use(named);
    if (named) {
        r.now = (model){ { 0 } };
        ops_space_open(&r, LEVIN_KEYSPACE_EXCLUSIVE);
    }
    size_t end = size < OPS_HEADER_BYTES + OPS_MAX * 4 ? size : OPS_HEADER_BYTES + OPS_MAX * 4;
    for (size_t at = OPS_HEADER_BYTES; at + 4 <= end; at += 4) {
        do_operation(&r, kinds, data + at);
        ops_require_calls(&r);
    }
    ops_tickets_end(&r);
    ops_full_scan(&r, -1);
    OPS_OK(levin_check(r.store, NULL, NULL, NULL));
    close_store(&r);
    open_store(&r);
    if (named)
        ops_space_open(&r, 0);
    ops_full_scan(&r, 1);
    if (named)
        require_default(&r, s);
    close_store(&r);
    ops_keys_use(false);
    fuzz_disk_close(&r.disk);
    return 0;
}
