/*
 * failing_calls_test.c - each I/O call and each allocation of an operation fails, one after the other, for every
 * operation of the library, on one store that has everything in it.
 *
 * Invariants checked, whatever fails: the operation ends with a code that such a failure may have, or succeeds, but not
 * after a read that it needed; the handle can be closed; nothing is held after it; without a failure it succeeds.  A
 * read that ends early is an error or damage; a device that is full is LEVIN_NO_SPACE or is worked around.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "full_store_test.h"
#include "levin.h"

enum { KEYS = FULL_STORE_KEYS, BUFFER_BYTES = 16384 };

/* ---- operations: each returns the first code that is neither LEVIN_OK nor an answer ---- */

typedef struct scene {
    levin *db;          /* open, or NULL: for operations on files */
    levin_keyspace *ks;
    const levin_io *io;
} scene;

static levin_code first_of(levin_code a, levin_code b)
{
    return a != LEVIN_OK ? a : b == LEVIN_NOT_FOUND || b == LEVIN_TOO_SMALL || b == LEVIN_CONFLICT ? LEVIN_OK : b;
}

static levin_code do_open(scene *s)
{
    levin_options o;
    levin *db;
    full_store_options(&o, s->io);
    levin_code code = levin_open("s", &o, &db, NULL);
    return code == LEVIN_OK ? levin_close(db) : code;
}

static levin_code do_open_to_read(scene *s)
{
    levin_options o;
    levin *db;
    full_store_options(&o, s->io);
    o.read_only = true;
    levin_code code = levin_open("s", &o, &db, NULL);
    return code == LEVIN_OK ? levin_close(db) : code;
}

static levin_code do_salvage(scene *s)
{
    levin_options o;
    levin *db;
    full_store_options(&o, s->io);
    o.recovery = LEVIN_RECOVERY_CUT_AT_DAMAGE;
    o.value_log_threshold_bytes = 0;
    levin_code code = levin_open("s", &o, &db, NULL);
    return code == LEVIN_OK ? levin_close(db) : code;
}

static levin_code do_create(scene *s)
{
    levin_options o;
    levin *db;
    full_store_options(&o, s->io);
    levin_code code = levin_open("new", &o, &db, NULL);
    if (code != LEVIN_OK)
        return code;
    code = levin_put(db, "a", 1, "b", 1, LEVIN_SYNCED);
    levin_code closed = levin_close(db);
    return code == LEVIN_OK ? closed : code;
}

/* Creation where the page file of a young store was lost: the log that is left is not destroyed. */
static levin_code do_create_over_log(scene *s)
{
    levin_options o;
    levin *db;
    full_store_options(&o, s->io);
    levin_code code = do_create(s);
    if (code != LEVIN_OK)
        return code;
    const int failed = s->io->unlink(s->io->context, "new/pages");
    if (failed)
        return LEVIN_IO;
    code = levin_open("new", &o, &db, NULL);
    if (code == LEVIN_OK)
        return levin_close(db);
    return code == LEVIN_CORRUPT ? LEVIN_OK : code;
}

/* Groups beyond the window of the log's reader: written, read again by a check, replayed, salvaged, dumped. */
static levin_code do_large_groups(scene *s)
{
    static char value[4000];
    levin_options o;
    levin *db;
    levin_batch *batch;
    full_store_options(&o, s->io);
    o.memtable_bytes = 4 << 20;
    levin_code code = levin_open("s", &o, &db, NULL);
    if (code != LEVIN_OK)
        return code;
    code = levin_batch_create(db, &batch);
    if (code != LEVIN_OK)
        batch = NULL;
    for (int i = 0; i < 90 && code == LEVIN_OK; i++) {
        char key[24];
        code = levin_batch_put(batch, key, full_store_key(key, 500 + i), value, sizeof value);
    }
    if (code == LEVIN_OK)
        code = levin_write(db, batch, LEVIN_SYNCED);
    levin_batch_destroy(batch);
    code = code == LEVIN_OK ? levin_check(db, NULL, NULL, NULL) : code;
    levin_code closed = levin_close(db);
    return code == LEVIN_OK ? closed : code;
}

static levin_code do_replay_large_groups(scene *s)
{
    levin_code code = do_large_groups(s);
    return code == LEVIN_OK ? do_salvage(s) : code;
}

static bool any_item(void *context, const levin_dump_item *item)
{
    (void)context;
    return item->kind != NULL;
}

static levin_code do_dump(scene *s)
{
    levin_dump_options o;
    levin_dump_options_init(&o);
    o.what = 127;
    o.io = s->io;
    return levin_dump("s", &o, any_item, NULL, NULL);
}

static levin_code do_dump_page(scene *s)
{
    levin_dump_options o;
    levin_code code = LEVIN_OK;
    levin_dump_options_init(&o);
    o.what = LEVIN_DUMP_PAGES | LEVIN_DUMP_CELLS | LEVIN_DUMP_FREE;
    o.io = s->io;
    for (o.page = 4; o.page < 8 && code == LEVIN_OK; o.page++) {
        code = levin_dump("s", &o, any_item, NULL, NULL);
        code = code == LEVIN_CORRUPT ? LEVIN_OK : code; /* a page that is free */
    }
    return code;
}

static bool any_loss(void *context, const levin_loss *loss)
{
    (void)context;
    return loss->fault.code != LEVIN_OK;
}

static levin_code do_repair(scene *s)
{
    levin_repair_options o;
    levin_repair_options_init(&o);
    o.io = s->io;
    o.report = any_loss;
    return levin_repair("s", "t", &o, NULL, NULL);
}

static levin_code do_check(scene *s)
{
    return levin_check(s->db, NULL, NULL, NULL);
}

static int take(void *context, const void *data, size_t bytes)
{
    (void)context;
    (void)data;
    return bytes ? 0 : EIO;
}

static levin_code do_backup(scene *s)
{
    return levin_backup(s->db, "t", NULL, NULL);
}

static levin_code do_backup_unverified(scene *s)
{
    levin_backup_options o;
    levin_backup_options_init(&o);
    o.verify = false;
    return levin_backup(s->db, "t", &o, NULL);
}

static levin_code do_stream(scene *s)
{
    return levin_backup_stream(s->db, take, NULL, NULL, NULL);
}

static levin_code do_gets(scene *s)
{
    static char buffer[KEYS][BUFFER_BYTES];
    levin_get_request requests[KEYS];
    char keys[KEYS][24];
    levin_code code = LEVIN_OK;
    for (int i = 0; i < KEYS; i++)
        requests[i] = (levin_get_request){ .key = keys[i], .key_bytes = full_store_key(keys[i], i), .buffer = buffer[i],
                                           .capacity = i % 5 == 4 ? 50 : BUFFER_BYTES };
    code = first_of(code, levin_multi_get(s->db, NULL, requests, KEYS));
    code = first_of(code, levin_multi_get_in(s->db, s->ks, NULL, requests, KEYS));
    for (int i = 0; i < KEYS && code == LEVIN_OK; i += 3) {
        void *value;
        size_t bytes;
        levin_pinned pinned;
        code = first_of(code, levin_get(s->db, NULL, keys[i], 7, buffer[0], BUFFER_BYTES, &bytes));
        levin_code one = levin_get_alloc_in(s->db, s->ks, NULL, keys[i], 7, &value, &bytes);
        if (one == LEVIN_OK)
            levin_free(s->db, value);
        code = first_of(code, one);
        one = levin_get_pinned(s->db, NULL, keys[i], 7, &pinned);
        if (one == LEVIN_OK)
            levin_pinned_release(&pinned);
        code = first_of(code, one);
    }
    return code;
}

static levin_code walk(levin_iter *it)
{
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
        if (!levin_iter_value(it).data)
            return levin_iter_status(it);
    if (levin_iter_status(it) != LEVIN_OK)
        return levin_iter_status(it);
    for (bool on = levin_iter_last(it); on; on = levin_iter_prev(it))
        if (!levin_iter_value(it).data)
            return levin_iter_status(it);
    for (int i = 3; i < KEYS && levin_iter_status(it) == LEVIN_OK; i += 9) { /* and turns, wherever it stands */
        char key[24];
        const size_t bytes = full_store_key(key, i);
        if (levin_iter_seek(it, key, bytes) && levin_iter_prev(it) && levin_iter_next(it) && levin_iter_next(it))
            (void)levin_iter_prev(it);
        if (levin_iter_status(it) == LEVIN_OK && levin_iter_seek_for_prev(it, key, bytes) && levin_iter_next(it))
            (void)levin_iter_prev(it);
    }
    return levin_iter_status(it);
}

static levin_code do_iterate(scene *s)
{
    levin_iter_options o = { .lower = { "key-002", 7 }, .upper = { "key-077", 7 }, .upper_inclusive = true };
    levin_code code = LEVIN_OK;
    for (int named = 0; named < 2 && code == LEVIN_OK; named++) {
        levin_iter *it;
        o.keyspace = named ? s->ks : NULL;
        code = levin_iter_open(s->db, &o, &it);
        if (code == LEVIN_OK) {
            code = walk(it);
            levin_iter_close(it);
        }
    }
    return code;
}

/* Another writes in between what it has read: values of the same length, of each kind. */
static levin_code do_transaction(scene *s)
{
    static char buffer[BUFFER_BYTES];
    levin_txn *t;
    levin_iter *it;
    void *value;
    size_t bytes;
    levin_code code = levin_txn_begin(s->db, NULL, &t);
    if (code != LEVIN_OK)
        return code;
    code = first_of(code, levin_txn_get(t, "key-005", 7, buffer, sizeof buffer, &bytes));
    code = first_of(code, levin_txn_get_in(t, s->ks, "key-016", 7, buffer, sizeof buffer, &bytes));
    levin_get_request requests[] = { { .key = "key-060", .key_bytes = 7, .buffer = buffer, .capacity = 9000 },
                                     { .key = "key-082", .key_bytes = 7, .buffer = buffer, .capacity = 10 } };
    code = first_of(code, levin_txn_multi_get(t, requests, 2));
    code = first_of(code, levin_txn_multi_get_in(t, s->ks, requests, 2));
    levin_code one = levin_txn_get_alloc(t, "key-010", 7, &value, &bytes);
    if (one == LEVIN_OK)
        levin_free(s->db, value);
    code = first_of(code, one);
    code = first_of(code, levin_txn_put(t, "key-001", 7, "one", 3));
    code = first_of(code, levin_txn_savepoint(t));
    code = first_of(code, levin_txn_delete_range(t, (levin_slice){ "key-05", 6 }, (levin_slice){ "key-06", 6 }));
    code = first_of(code, levin_txn_delete_prefix_in(t, s->ks, "key-07", 6));
    code = first_of(code, levin_txn_rollback_to_savepoint(t));
    code = first_of(code, levin_txn_put_in(t, s->ks, "key-004", 7, "two", 3));
    one = levin_txn_iter_open(t, NULL, &it);
    if (one == LEVIN_OK) {
        one = walk(it);
        levin_iter_close(it);
    }
    code = first_of(code, one);
    if (code == LEVIN_OK) { /* the same bytes once more, where it has looked */
        levin_code again = levin_get_alloc(s->db, NULL, "key-005", 7, &value, &bytes);
        if (again == LEVIN_OK) {
            again = levin_put(s->db, "key-005", 7, value, bytes, LEVIN_NONE);
            levin_free(s->db, value);
        }
        code = first_of(code, again);
    }
    code = first_of(code, code == LEVIN_OK ? levin_txn_commit(t, LEVIN_SYNCED) : code);
    levin_txn_destroy(t);
    return code;
}

static levin_code do_swap(scene *s)
{
    levin_slice actual = { 0 };
    const levin_slice wrong = { "wrong", 5 }, right = { "right", 5 };
    levin_code code = levin_compare_and_swap(s->db, "key-005", 7, &wrong, &right, LEVIN_SYNCED, &actual);
    levin_free(s->db, (void *)(uintptr_t)actual.data);
    code = first_of(LEVIN_OK, code);
    code = first_of(code, levin_compare_and_swap(s->db, "nothing", 7, NULL, &right, LEVIN_SYNCED, NULL));
    return first_of(code, levin_compare_and_swap(s->db, "nothing", 7, &right, NULL, LEVIN_LOGGED, NULL));
}

static levin_code do_writes(scene *s)
{
    static char value[LARGE_BYTES];
    levin_batch *batch;
    levin_ticket *ticket;
    levin_code code = levin_batch_create(s->db, &batch);
    if (code != LEVIN_OK)
        return code;
    for (int i = 0; i < 12 && code == LEVIN_OK; i++) {
        char key[24];
        code = levin_batch_put_in(batch, i & 1 ? s->ks : NULL, key, full_store_key(key, 200 + i), value,
                                  i % 4 ? 900 : LARGE_BYTES);
    }
    code = first_of(code, levin_batch_delete_prefix_in(batch, s->ks, "key-01", 6));
    code = first_of(code, levin_batch_delete_range(batch, (levin_slice){ "key-07", 6 }, (levin_slice){ 0 }));
    code = first_of(code, code == LEVIN_OK ? levin_write(s->db, batch, LEVIN_SYNCED) : code);
    levin_code one = levin_write_async(s->db, batch, LEVIN_SYNCED, &ticket);
    if (one == LEVIN_OK)
        one = levin_ticket_wait(ticket);
    code = first_of(code, one);
    levin_batch_destroy(batch);
    return first_of(code, levin_sync(s->db));
}

static levin_code do_load(scene *s)
{
    static char value[LARGE_BYTES];
    levin_bulk_load *load;
    levin_code code = levin_bulk_load_begin(s->db, s->ks, &load);
    if (code != LEVIN_OK)
        return code;
    for (int i = 0; i < 60 && code == LEVIN_OK; i++) {
        char key[24];
        code = levin_bulk_load_add(load, key, full_store_key(key, 300 + i), value, i % 20 ? 500 : LARGE_BYTES);
    }
    if (code == LEVIN_OK)
        code = levin_bulk_load_commit(load);
    levin_bulk_load_destroy(load);
    return code;
}

static levin_code do_compact(scene *s)
{
    return levin_compact(s->db, NULL, NULL);
}

static levin_code do_compact_end(scene *s)
{
    levin_compact_options o;
    levin_compact_options_init(&o);
    o.mode = LEVIN_COMPACT_END;
    o.round_bytes = 64 << 10;
    return levin_compact(s->db, &o, NULL);
}

static levin_code do_collect(scene *s)
{
    return levin_collect(s->db, 100);
}

static levin_code do_checkpoint(scene *s)
{
    return levin_checkpoint(s->db);
}

static levin_code do_work(scene *s)
{
    levin_code code = LEVIN_OK;
    bool more = true;
    for (int i = 0; i < 3000; i += 11)
        code = first_of(code, levin_put(s->db, &i, sizeof i, "012345678901234567890123456789", 30, LEVIN_NONE));
    for (int i = 0; i < 400 && more && code == LEVIN_OK; i++)
        code = levin_work(s->db, &more);
    return code;
}

static bool any_name(void *context, levin_slice name)
{
    (void)context;
    return name.size > 0;
}

static levin_code do_keyspaces(scene *s)
{
    levin_keyspace *more = NULL;
    levin_code code = levin_keyspace_open(s->db, "more", 4, LEVIN_KEYSPACE_CREATE, &more);
    if (code == LEVIN_OK) {
        code = levin_put_in(s->db, more, "a", 1, "b", 1, LEVIN_LOGGED);
        levin_keyspace_close(more);
    }
    code = first_of(code, levin_keyspace_list(s->db, NULL, any_name, NULL));
    code = first_of(code, levin_keyspace_drop(s->db, "named", 5, LEVIN_SYNCED));
    return first_of(code, levin_keyspace_list(s->db, NULL, any_name, NULL));
}

static const struct operation {
    const char *name;
    levin_code (*run)(scene *s);
    bool opened; /* on an open store */
} operations[] = {
    { "open", do_open, false },           { "open to read", do_open_to_read, false },
    { "salvage", do_salvage, false },     { "create", do_create, false },
    { "create over a log", do_create_over_log, false }, { "large groups", do_replay_large_groups, false },
    { "dump", do_dump, false },           { "dump of a page", do_dump_page, false },
    { "repair", do_repair, false },       { "check", do_check, true },
    { "backup", do_backup, true },        { "backup, unverified", do_backup_unverified, true },
    { "stream", do_stream, true },        { "gets", do_gets, true },
    { "iterators", do_iterate, true },    { "transaction", do_transaction, true },
    { "swap", do_swap, true },            { "writes", do_writes, true },
    { "load", do_load, true },            { "compaction", do_compact, true },
    { "compaction of the end", do_compact_end, true }, { "collection", do_collect, true },
    { "checkpoint", do_checkpoint, true }, { "work", do_work, true },
    { "keyspaces", do_keyspaces, true },
};

static const struct way {
    const char *name;
    unsigned operations;
    fault_effect effect;
    int number;
    bool forever;
} ways[] = {
    { "a read fails", 1u << FAULT_READ, FAULT_ERROR, EIO, false },
    { "a read ends early", 1u << FAULT_READ, FAULT_SHORT, 0, false },
    { "an allocation fails", 1u << FAULT_ALLOC, FAULT_ERROR, ENOMEM, false },
    { "a write fails", 1u << FAULT_WRITE, FAULT_ERROR, EIO, false },
    { "the device is full", 1u << FAULT_WRITE | 1u << FAULT_PREALLOCATE, FAULT_ERROR, ENOSPC, true },
    { "a sync fails", 1u << FAULT_SYNC | 1u << FAULT_SYNC_DIR, FAULT_ERROR, EIO, false },
    { "a call on files fails",
      FAULT_OPERATIONS_ALL & ~(1u << FAULT_READ | 1u << FAULT_WRITE | 1u << FAULT_ALLOC | 1u << FAULT_SYNC |
                               1u << FAULT_SYNC_DIR),
      FAULT_ERROR, EIO, false },
};

/* Leaves for another time what it cannot read. */
static bool spares(const struct operation *op)
{
    return op->run == do_work || op->run == do_collect || op->run == do_compact || op->run == do_compact_end;
}

static bool possible(const struct operation *op, const struct way *w, levin_code code)
{
    switch (code) {
    case LEVIN_OK: /* what was read is needed */
        return spares(op) || w->effect != FAULT_ERROR || w->operations != 1u << FAULT_READ;
    case LEVIN_IO:
    case LEVIN_POISONED:
        return true;
    case LEVIN_NO_MEMORY:
        return w->number == ENOMEM;
    case LEVIN_NO_SPACE:
        return w->number == ENOSPC;
    case LEVIN_CORRUPT:
        return w->effect == FAULT_SHORT;
    default:
        return false;
    }
}

/* One run; whether the fault was met. nth 0: none. */
static bool run_once(const struct operation *op, const struct way *w, uint64_t nth, const disk_image *start)
{
    simdisk *disk = simdisk_create(start, NULL);
    fault_io *faults = fault_io_create(simdisk_io(disk));
    const fault_rule rule = { FAULT_KINDS_ALL, w->operations, nth, w->forever, w->effect, w->number, 0 };
    scene s = { .io = fault_io_table(faults) };
    levin_options o;
    uint64_t files, bytes, pieces;
    fault_io_on_failed_sync(faults, simdisk_sync_loses_pages, disk);
    full_store_options(&o, s.io);
    if (op->opened) {
        ck_assert_int_eq(levin_open("s", &o, &s.db, NULL), LEVIN_OK);
        ck_assert_int_eq(levin_keyspace_open(s.db, "named", 5, 0, &s.ks), LEVIN_OK);
    }
    if (nth)
        fault_io_set_rules(faults, &rule, 1);
    const levin_code code = op->run(&s);
    const bool fired = nth && fault_io_fired(faults, 0) != 0;
    fault_io_set_rules(faults, NULL, 0);
    ck_assert_msg(fired ? possible(op, w, code) : code == LEVIN_OK, "%s, %s, call %d: %s", op->name, w->name, (int)nth,
                  levin_code_name(code));
    if (op->opened) {
        levin_keyspace_close(s.ks);
        const levin_code closed = levin_close(s.db);
        ck_assert_msg(fired || closed == LEVIN_OK, "%s: the close gives %s", op->name, levin_code_name(closed));
    }
    fault_io_held(faults, &files, &bytes, &pieces);
    ck_assert_msg(!files && !pieces, "%s, %s, call %d: %d files, %d pieces of memory are held", op->name, w->name,
                  (int)nth, (int)files, (int)pieces);
    fault_io_destroy(faults);
    ck_assert(simdisk_destroy(disk, NULL));
    return fired;
}

static void sweep(bool opened)
{
    const disk_image *start = full_store();
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        const struct operation *op = &operations[i];
        unsigned met = 0;
        if (op->opened != opened)
            continue;
        run_once(op, &ways[0], 0, start);
        for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++)
            for (uint64_t nth = 1; run_once(op, &ways[w], nth, start); nth++)
                met++;
        ck_assert_msg(met > 5, "%s meets %u failures", op->name, met);
    }
    disk_image_unref(start);
}

START_TEST(failing_calls__on_files_leave_nothing_behind)
{
    sweep(false);
}
END_TEST

START_TEST(failing_calls__on_an_open_store_leave_nothing_behind)
{
    sweep(true);
}
END_TEST

LEVIN_TEST_MAIN("failing_calls", TEST(failing_calls__on_files_leave_nothing_behind),
                TEST(failing_calls__on_an_open_store_leave_nothing_behind))
