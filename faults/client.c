/*
 * client.c - a client of a store on the simulated disk (client.h).
 *
 * Invariant: once a promise is broken, or a call has failed without a fault, nothing more is asked of the store but to
 * be closed.
 */
#include "client_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detour.h"
#include "fatal.h"
#include "reverted_sync.h"
#include "simdisk.h"
#include "swap.h"

#define BACKUP_PATH "db.backup"
enum { POINTS = 8, RANGES = 3, VALUE_BYTES = 1 << 16, OPEN_ATTEMPTS = 3, PATH_BYTES = 256 };

uint64_t client_now(const client *c)
{
    return trace_length(c->t);
}

bool client_going(const client *c)
{
    return c->store && !c->verdict.promise;
}

static void failed(client *c, levin_code code, const char *what)
{
    if (code == LEVIN_OK || (c->failing && code != LEVIN_CORRUPT && code != LEVIN_INVALID))
        return;
    levin_error error = { 0 };
    if (c->store)
        levin_last_error(c->store, &error);
    oracle_fault(&c->verdict, code == LEVIN_CORRUPT ? "DETECT" : "FAULT", "%s failed: %s: %s", what,
                 levin_code_name(code), error.code == code ? error.message : "(no message)");
}

static uint32_t number_of(client *c, unsigned space)
{
    return space ? oracle_space(c->o, (levin_slice){ c->names[space], c->name_bytes[space] }) : ORACLE_DEFAULT;
}

static bool absent(const client *c, unsigned space)
{
    return space && !c->spaces[space];
}

/* ---- life and death --------------------------------------------------------------------------------------- */

static void keep_pages(void *context, levin_file *file)
{
    const client *c = context;
    simdisk_fail_sync(c->disk, file, SIMDISK_SYNC_KEEPS_PAGES);
}

static void revert_pages(void *context, levin_file *file)
{
    const client *c = context;
    reverted_sync(c->disk, file, c->t, c->start);
}

static void lose_pages(void *context, levin_file *file)
{
    client *c = context;
    simdisk_fail_sync(c->disk, file, c->kept ? SIMDISK_SYNC_KEEPS_PAGES : SIMDISK_SYNC_LOSES_PAGES);
}

client *client_on(const disk_image *start, uint64_t seed)
{
    client *c = fatal_alloc_zeroed(sizeof *c);
    c->t = trace_create();
    c->start = start;
    c->disk = simdisk_create(start, c->t);
    simdisk_seed(c->disk, seed);
    c->f = fault_io_create(simdisk_io(c->disk));
    fault_io_on_failed_sync(c->f, lose_pages, c);
    fault_io_on_kept_sync(c->f, keep_pages, c);
    fault_io_on_reverted_sync(c->f, revert_pages, c);
    c->verdict.state = ORACLE_NO_STATE;
    return c;
}

client *client_create(uint64_t seed)
{
    client *c = client_on(NULL, seed);
    c->o = oracle_create();
    return c;
}

static void forget_operations(client *c)
{
    for (size_t i = 0; i < c->count; i++)
        free((char *)(uintptr_t)c->operations[i].key.data);
    c->count = 0;
}

static void spaces_close(levin_keyspace **spaces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        levin_keyspace_close(spaces[i]);
        spaces[i] = NULL;
    }
}

/* Those of tickets that were waited for. Callbacks have given theirs back, or will when they come. */
static void forget_batches(client *c)
{
    for (unsigned i = 0; i < c->submitted; i++)
        if (!c->submissions[i].callback)
            levin_batch_destroy(c->submissions[i].batch);
    c->submitted = 0;
}

/* All that is held of the store, and the store. */
static levin_code release(client *c)
{
    for (unsigned i = 0; i < c->submitted; i++)
        if (c->submissions[i].ticket)
            c->ignored = levin_ticket_wait(c->submissions[i].ticket); /* nobody asks any more */
    levin_txn_destroy(c->rival);
    c->rival = NULL;
    if (c->snapshot)
        levin_snapshot_release(c->snapshot);
    c->snapshot = NULL;
    spaces_close(c->snapshot_spaces, ORACLE_SPACES_MAX);
    spaces_close(c->spaces, CLIENT_SPACES);
    if (c->reader)
        (void)levin_close(c->reader); /* it has nothing to lose */
    c->reader = NULL;
    levin *store = c->store;
    c->store = NULL;
    forget_batches(c);
    return store ? levin_close(store) : LEVIN_OK; /* the last callbacks come */
}

static void forget_plan(client *c)
{
    fault_io_set_judge(c->f, NULL, NULL);
    plan_end(c->plan);
    free(c->rules);
    c->plan = NULL;
    c->rules = NULL;
}

oracle_verdict client_end(client *c)
{
    const bool open = c->store != NULL;
    const levin_code code = release(c);
    if (open && code != LEVIN_OK && !c->hurt)
        failed(c, code, "levin_close");
    uint64_t files, bytes, pieces;
    fault_io_held(c->f, &files, &bytes, &pieces);
    if (files || pieces)
        oracle_fault(&c->verdict, "FAULT", "after the close %llu files are open and %llu bytes in %llu pieces are held",
                     (unsigned long long)files, (unsigned long long)bytes, (unsigned long long)pieces);
    const oracle_verdict verdict = c->verdict;
    forget_operations(c);
    free(c->operations);
    forget_plan(c);
    fault_io_destroy(c->f);
    (void)simdisk_destroy(c->disk, NULL); /* what is left was counted */
    trace_destroy(c->t);
    oracle_destroy(c->o);
    free(c);
    return verdict;
}

void client_fail(client *c, const fault_rule *rule, bool keeps_pages)
{
    c->failing = c->hurt = true;
    c->kept = keeps_pages;
    fault_io_set_rules(c->f, rule, 1);
}

void client_plan(client *c, const char *text, uint64_t seed)
{
    plan_error error;
    forget_plan(c);
    c->rules = fatal_alloc(sizeof *c->rules);
    if (!plan_parse(c->rules, text, strlen(text), &error))
        fatal("%u:%u: %s", error.line, error.column, error.text);
    for (size_t i = 0; i < c->rules->count; i++)
        if (plan_effect_damages(c->rules->rules[i].effect))
            fatal("a plan that damages bytes is not for a client");
    c->plan = plan_begin(c->rules, seed);
    c->failing = c->hurt = true;
    fault_io_set_judge(c->f, plan_judge, c->plan);
}

uint64_t client_calm(client *c)
{
    uint64_t fired = c->plan ? 0 : fault_io_fired(c->f, 0);
    for (size_t i = 0; c->plan && i < c->rules->count; i++)
        fired += plan_fired(c->plan, i);
    c->failing = false;
    forget_plan(c);
    fault_io_set_rules(c->f, NULL, 0);
    return fired;
}

/* ---- opening and closing ---------------------------------------------------------------------------------- */

void client_spaces_open(client *c)
{
    for (unsigned i = 1; i < CLIENT_SPACES && client_going(c); i++)
        if (c->name_bytes[i] && !c->spaces[i] && oracle_has_space(c->o, oracle_accepted(c->o), number_of(c, i)))
            failed(c, levin_keyspace_open(c->store, c->names[i], c->name_bytes[i], 0, &c->spaces[i]),
                   "levin_keyspace_open");
}

bool client_compare(client *c, levin *store, const oracle_legal *legal, uint64_t seed, bool structure, uint32_t *state)
{
    const oracle_check_options with = { .seed = seed, .points = POINTS, .ranges = RANGES, .faults_active = c->failing };
    oracle_verdict v;
    levin_error error = { 0 };
    const bool good = oracle_check(c->o, legal, store, &with, &v);
    *state = v.state;
    if (!good) {
        c->verdict = v;
        return false;
    }
    const levin_code code = structure ? levin_check(store, NULL, NULL, NULL) : LEVIN_OK;
    if (code == LEVIN_CORRUPT || (code != LEVIN_OK && !c->failing)) {
        levin_last_error(store, &error);
        oracle_fault(&c->verdict, "DETECT", "levin_check: %s: %s", levin_code_name(code), error.message);
    }
    return !c->verdict.promise && v.state != ORACLE_NO_STATE;
}

bool client_open_store(client *c, const levin_options *options)
{
    levin_options with = *options;
    levin_error error = { 0 };
    levin_code code = LEVIN_PENDING;
    with.io = fault_io_table(c->f);
    c->options = with;
    for (int i = 0; i < OPEN_ATTEMPTS && code != LEVIN_OK && (i == 0 || c->failing); i++)
        code = levin_open(CLIENT_PATH, &with, &c->store, &error);
    if (code == LEVIN_OK)
        return true;
    c->store = NULL;
    if (!c->failing || code == LEVIN_CORRUPT || code == LEVIN_INVALID)
        oracle_fault(&c->verdict, code == LEVIN_CORRUPT ? "TORN vs ROTTEN" : "FAULT", "levin_open: %s: %s",
                     levin_code_name(code), error.message);
    return false;
}

void client_open(client *c, const levin_options *options)
{
    uint32_t state;
    const bool first = client_now(c) == 0;
    if (c->store || c->verdict.promise || !client_open_store(c, options))
        return;
    const oracle_legal legal = oracle_legal_crash(c->o, client_now(c));
    if (first || !client_compare(c, c->store, &legal, client_now(c), false, &state)) {
        client_spaces_open(c);
        return;
    }
    oracle_settle(c->o, state, client_now(c));
    c->checkpoint_state = state < c->checkpoint_state ? state : c->checkpoint_state;
    client_spaces_open(c);
}

void client_close(client *c)
{
    const bool open = client_going(c);
    const levin_code code = release(c);
    if (open && code == LEVIN_OK)
        oracle_durable(c->o, client_now(c));
    else if (open && !c->hurt) /* a store that was hurt may have something to say */
        failed(c, code, "levin_close");
}

/* ---- batches ---------------------------------------------------------------------------------------------- */

static void add(client *c, client_operation_kind kind, unsigned space, const void *key, size_t key_bytes,
                const void *value, size_t value_bytes)
{
    if (!client_going(c) || absent(c, space))
        return;
    char *bytes = fatal_alloc(key_bytes + value_bytes + 1);
    memcpy(bytes, key, key_bytes);
    if (value_bytes)
        memcpy(bytes + key_bytes, value, value_bytes);
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 16;
        c->operations = fatal_realloc(c->operations, c->capacity * sizeof *c->operations);
    }
    const client_operation op = { kind, space, { bytes, key_bytes }, { bytes + key_bytes, value_bytes } };
    c->operations[c->count++] = op;
    const uint32_t number = number_of(c, space);
    if (kind == CLIENT_PUT)
        oracle_put_in(c->o, number, op.key, op.value);
    else if (kind == CLIENT_DELETE)
        oracle_delete_in(c->o, number, op.key);
    else if (kind == CLIENT_DELETE_RANGE)
        oracle_delete_range_in(c->o, number, op.key, op.value);
    else
        oracle_delete_prefix_in(c->o, number, op.key);
}

void client_put(client *c, unsigned space, const void *key, size_t key_bytes, const void *value, size_t value_bytes)
{
    add(c, CLIENT_PUT, space, key, key_bytes, value, value_bytes);
}

void client_delete(client *c, unsigned space, const void *key, size_t key_bytes)
{
    add(c, CLIENT_DELETE, space, key, key_bytes, NULL, 0);
}

void client_delete_range(client *c, unsigned space, const void *lower, size_t lower_bytes, const void *upper,
                         size_t upper_bytes)
{
    add(c, CLIENT_DELETE_RANGE, space, lower, lower_bytes, upper, upper_bytes);
}

void client_delete_prefix(client *c, unsigned space, const void *prefix, size_t prefix_bytes)
{
    add(c, CLIENT_DELETE_PREFIX, space, prefix, prefix_bytes, NULL, 0);
}

/* The operations as a batch of the store, which the caller destroys. */
static levin_code fill(client *c, levin_batch **batch)
{
    levin_code code = levin_batch_create(c->store, batch);
    if (code != LEVIN_OK)
        *batch = NULL;
    for (size_t i = 0; i < c->count && code == LEVIN_OK; i++) {
        const client_operation *op = &c->operations[i];
        const levin_keyspace *ks = c->spaces[op->space];
        if (op->kind == CLIENT_PUT)
            code = levin_batch_put_in(*batch, ks, op->key.data, op->key.size, op->value.data, op->value.size);
        else if (op->kind == CLIENT_DELETE)
            code = levin_batch_delete_in(*batch, ks, op->key.data, op->key.size);
        else if (op->kind == CLIENT_DELETE_RANGE)
            code = levin_batch_delete_range_in(*batch, ks, op->key, op->value);
        else
            code = levin_batch_delete_prefix_in(*batch, ks, op->key.data, op->key.size);
    }
    forget_operations(c);
    return code;
}

static void answered(client *c, uint32_t number, levin_code code, const char *what)
{
    c->refused = code != LEVIN_OK;
    if (code == LEVIN_OK)
        oracle_acknowledge(c->o, number, client_now(c));
    else
        oracle_fail(c->o, number, client_now(c));
    failed(c, code, what);
}

void client_write(client *c, levin_durability durability)
{
    levin_batch *batch;
    if (!client_going(c))
        return;
    levin_code code = fill(c, &batch);
    const uint32_t number = oracle_submit(c->o, durability, client_now(c));
    if (code == LEVIN_OK)
        code = levin_write(c->store, batch, durability);
    answered(c, number, code, "levin_write");
    levin_batch_destroy(batch);
}

void client_swap(client *c, levin_durability durability)
{
    const char *flaw = NULL;
    if (!client_going(c) || c->count != 1)
        return;
    const client_operation *op = &c->operations[0];
    const levin_slice *desired = op->kind == CLIENT_PUT ? &op->value : NULL;
    const uint32_t number = oracle_submit(c->o, durability, client_now(c));
    levin_code code = swap_key(c->store, c->spaces[op->space], op->key, desired, durability, &flaw);
    forget_operations(c);
    if (flaw)
        oracle_fault(&c->verdict, "EXACT", "%s", flaw);
    else
        answered(c, number, code, "levin_compare_and_swap");
}

void client_transaction(client *c, levin_durability durability)
{
    const char *flaw = NULL;
    levin_txn *t;
    if (!client_going(c))
        return;
    const uint32_t number = oracle_submit(c->o, durability, client_now(c));
    levin_code code = levin_txn_begin(c->store, NULL, &t);
    if (code != LEVIN_OK)
        t = NULL;
    for (size_t i = 0; i < c->count && code == LEVIN_OK; i++) {
        const client_operation *op = &c->operations[i];
        const levin_keyspace *ks = c->spaces[op->space];
        code = levin_txn_contains_in(t, ks, op->key.data, op->key.size);
        if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
            code = i + 1 == c->count ? detour_take(c->store, t, ks, op->key, &flaw) : LEVIN_OK;
        if (code != LEVIN_OK)
            break;
        if (op->kind == CLIENT_DELETE_RANGE)
            code = levin_txn_delete_range_in(t, ks, op->key, op->value);
        else if (op->kind == CLIENT_DELETE_PREFIX)
            code = levin_txn_delete_prefix_in(t, ks, op->key.data, op->key.size);
        else
            code = op->kind == CLIENT_DELETE
                       ? levin_txn_delete_in(t, ks, op->key.data, op->key.size)
                       : levin_txn_put_in(t, ks, op->key.data, op->key.size, op->value.data, op->value.size);
    }
    if (code == LEVIN_OK)
        code = levin_txn_commit(t, durability);
    levin_txn_destroy(t);
    forget_operations(c);
    if (flaw)
        oracle_fault(&c->verdict, "EXACT", "%s", flaw);
    else
        answered(c, number, code, "a transaction");
}

static int key_order(levin_slice a, levin_slice b)
{
    const int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* Ascending, each key once: the later put counts. */
static void sort_operations(client *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        const client_operation op = c->operations[i];
        size_t at = count;
        while (at && key_order(op.key, c->operations[at - 1].key) < 0)
            at--;
        if (at && key_order(op.key, c->operations[at - 1].key) == 0) {
            free((char *)(uintptr_t)c->operations[at - 1].key.data);
            c->operations[at - 1] = op;
            continue;
        }
        memmove(c->operations + at + 1, c->operations + at, (count++ - at) * sizeof op);
        c->operations[at] = op;
    }
    c->count = count;
}

void client_load(client *c)
{
    levin_bulk_load *load = NULL;
    if (!client_going(c) || !c->count)
        return;
    sort_operations(c);
    const uint32_t number = oracle_submit(c->o, LEVIN_SYNCED, client_now(c));
    levin_code code = levin_bulk_load_begin(c->store, c->spaces[c->operations[0].space], &load);
    for (size_t i = 0; i < c->count && code == LEVIN_OK; i++) {
        const client_operation *op = &c->operations[i];
        code = levin_bulk_load_add(load, op->key.data, op->key.size, op->value.data, op->value.size);
    }
    if (code == LEVIN_OK)
        code = levin_bulk_load_commit(load);
    levin_bulk_load_destroy(load);
    forget_operations(c);
    answered(c, number, code, "a bulk load");
}

static void called_back(void *context, levin_code code)
{
    client_submission *s = context;
    if (s->waited)
        oracle_fault(&s->c->verdict, "FAULT", "a callback came twice");
    s->waited = true;
    levin_batch_destroy(s->batch);
    s->batch = NULL;
    answered(s->c, s->number, code, "levin_write_callback");
}

static void submit(client *c, levin_durability durability, bool callback)
{
    levin_batch *batch;
    if (!client_going(c))
        return;
    if (c->submitted == CLIENT_TICKETS)
        fatal("a client has at most %d tickets", CLIENT_TICKETS);
    levin_code code = fill(c, &batch);
    client_submission *s = &c->submissions[c->submitted++];
    *s = (client_submission){
        .c = c, .batch = batch, .callback = callback, .number = oracle_submit(c->o, durability, client_now(c))
    };
    if (code == LEVIN_OK)
        code = callback ? levin_write_callback(c->store, batch, durability, called_back, s)
                        : levin_write_async(c->store, batch, durability, &s->ticket);
    c->refused = false;
    if (code != LEVIN_OK) {
        s->waited = true;
        s->ticket = NULL;
        s->callback = false; /* it does not come */
        answered(c, s->number, code, "levin_write_async");
    }
}

void client_submit(client *c, levin_durability durability)
{
    submit(c, durability, false);
}

void client_submit_callback(client *c, levin_durability durability)
{
    submit(c, durability, true);
}

void client_wait(client *c, unsigned ticket)
{
    if (!client_going(c) || ticket >= c->submitted)
        return;
    client_submission *s = &c->submissions[ticket];
    if (!s->waited && !s->ticket) { /* its callback comes with the next commit */
        client_sync(c);
        if (!s->waited)
            oracle_fault(&c->verdict, "FAULT", "a callback did not come with a later commit");
    } else if (!s->waited) {
        const levin_code code = levin_ticket_wait(s->ticket);
        s->ticket = NULL;
        s->waited = true;
        answered(c, s->number, code, "levin_ticket_wait");
    }
    unsigned open = 0;
    for (unsigned i = 0; i < c->submitted; i++)
        open += !c->submissions[i].waited;
    if (!open)
        forget_batches(c);
}

/* ---- a rival ---------------------------------------------------------------------------------------------- */

/* Over a range that ends with the key. */
static levin_code iterate(levin_txn *t, const levin_keyspace *ks, levin_slice key)
{
    const levin_iter_options options = {
        .lower = { key.data, key.size - 1 }, .upper = key, .upper_inclusive = true, .keyspace = ks
    };
    levin_iter *it;
    levin_code code = levin_txn_iter_open(t, &options, &it);
    if (code != LEVIN_OK)
        return code;
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it)) {
    }
    code = levin_iter_status(it);
    levin_iter_close(it);
    return code;
}

static void rival_begin(client *c, levin_isolation isolation)
{
    levin_txn_options options;
    levin_txn_options_init(&options);
    options.isolation = isolation;
    const levin_code code = levin_txn_begin(c->store, &options, &c->rival);
    if (code != LEVIN_OK)
        c->rival = NULL;
    failed(c, code, "levin_txn_begin");
}

/* One that has not done what it was to do is none. */
static void rival_ready(client *c, levin_code code)
{
    failed(c, code, "a transaction");
    if (code == LEVIN_OK)
        return;
    levin_txn_destroy(c->rival);
    c->rival = NULL;
}

void client_rival_writes(client *c, unsigned space, const void *key, size_t key_bytes)
{
    if (!client_going(c) || absent(c, space) || c->rival)
        return;
    rival_begin(c, LEVIN_SNAPSHOT);
    if (c->rival)
        rival_ready(c, levin_txn_put_in(c->rival, c->spaces[space], key, key_bytes, "rival", 5));
}

static void rival_looked(client *c, levin_code code)
{
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        code = levin_txn_put(c->rival, "rival", 5, "", 0);
    rival_ready(c, code);
}

void client_rival_reads(client *c, unsigned space, const void *key, size_t key_bytes)
{
    if (!client_going(c) || absent(c, space) || c->rival)
        return;
    rival_begin(c, LEVIN_SERIALIZABLE);
    if (c->rival)
        rival_looked(c, levin_txn_contains_in(c->rival, c->spaces[space], key, key_bytes));
}

void client_rival_iterates(client *c, unsigned space, const void *key, size_t key_bytes)
{
    if (!client_going(c) || absent(c, space) || c->rival)
        return;
    rival_begin(c, LEVIN_SERIALIZABLE);
    if (c->rival)
        rival_looked(c, iterate(c->rival, c->spaces[space], (levin_slice){ key, key_bytes }));
}

void client_rival_refused(client *c)
{
    if (!client_going(c) || !c->rival)
        return;
    const levin_code code = c->refused ? LEVIN_CONFLICT : levin_txn_commit(c->rival, LEVIN_NONE);
    levin_txn_destroy(c->rival);
    c->rival = NULL;
    if (code == LEVIN_OK)
        oracle_fault(&c->verdict, "EXACT", "a transaction was committed, but what it depends on was changed");
    else if (code != LEVIN_CONFLICT && code != LEVIN_NO_KEYSPACE)
        failed(c, code, "levin_txn_commit");
}

/* ---- the whole store -------------------------------------------------------------------------------------- */

static void durable(client *c, levin_code code, const char *what)
{
    if (code == LEVIN_OK)
        oracle_durable(c->o, client_now(c));
    failed(c, code, what);
}

void client_sync(client *c)
{
    if (client_going(c))
        durable(c, levin_sync(c->store), "levin_sync");
}

void client_checkpoint(client *c)
{
    if (client_going(c))
        durable(c, levin_checkpoint(c->store), "levin_checkpoint");
    if (client_going(c) && !c->hurt)
        c->checkpoint_state = oracle_accepted(c->o);
}

static bool count_down(void *context, const levin_compact_result *so_far)
{
    (void)so_far;
    return (*(uint64_t *)context)-- != 0;
}

void client_compact(client *c, levin_compact_mode mode, uint64_t looks)
{
    levin_compact_options options;
    if (!client_going(c))
        return;
    levin_compact_options_init(&options);
    options.mode = mode;
    options.progress = count_down;
    options.context = &looks;
    const levin_code code = levin_compact(c->store, &options, NULL);
    durable(c, code == LEVIN_INTERRUPTED && looks == UINT64_MAX ? LEVIN_OK : code, "levin_compact");
}

void client_collect(client *c, unsigned live_percent)
{
    if (client_going(c))
        failed(c, levin_collect(c->store, live_percent), "levin_collect");
}

void client_work(client *c, uint64_t steps)
{
    bool more = true;
    while (steps-- > 0 && more && client_going(c)) {
        const levin_code code = levin_work(c->store, &more);
        failed(c, code, "levin_work");
        more = more && code == LEVIN_OK;
    }
}

static int keep_name(void *context, const char *name)
{
    snprintf(context, PATH_BYTES, BACKUP_PATH "/%s", name);
    return 1;
}

static void remove_backup(client *c)
{
    const levin_io *io = fault_io_table(c->f);
    for (;;) {
        char path[PATH_BYTES] = "";
        (void)io->list(io->context, BACKUP_PATH, keep_name, path); /* none: nothing to remove */
        if (!path[0] || io->unlink(io->context, path))
            return;
    }
}

static bool compact_meanwhile(void *context, const levin_backup_result *so_far)
{
    client *c = context;
    if (so_far->bytes && !c->disturbed)
        c->ignored = levin_compact(c->store, NULL, NULL); /* an error is the next call's business */
    c->disturbed = c->disturbed || so_far->bytes;
    return true;
}

static levin *open_to_read(client *c, const char *path)
{
    levin_options options = c->options;
    levin_error error = { 0 };
    levin *reader;
    options.read_only = true;
    options.create_if_missing = false;
    const levin_code code = levin_open(path, &options, &reader, &error);
    if (code == LEVIN_OK)
        return reader;
    if (!c->failing || code == LEVIN_CORRUPT)
        oracle_fault(&c->verdict, code == LEVIN_CORRUPT ? "DETECT" : "FAULT", "levin_open of %s to read: %s: %s", path,
                     levin_code_name(code), error.message);
    return NULL;
}

void client_backup(client *c)
{
    levin_backup_options options;
    uint32_t state;
    if (!client_going(c))
        return;
    levin_backup_options_init(&options);
    options.progress = compact_meanwhile;
    options.context = c;
    c->disturbed = false;
    remove_backup(c);
    const levin_code code = levin_backup(c->store, BACKUP_PATH, &options, NULL);
    durable(c, code, "levin_backup");
    levin *copy = code == LEVIN_OK && client_going(c) ? open_to_read(c, BACKUP_PATH) : NULL;
    const oracle_legal legal = oracle_legal_exactly(oracle_accepted(c->o));
    if (copy) {
        client_compare(c, copy, &legal, 1, true, &state);
        (void)levin_close(copy); /* it has nothing to lose */
    }
    remove_backup(c);
}

/* ---- keyspaces -------------------------------------------------------------------------------------------- */

void client_keyspace(client *c, unsigned space, const void *name, size_t name_bytes)
{
    if (!client_going(c) || space == 0 || space >= CLIENT_SPACES || name_bytes > CLIENT_NAME_BYTES || c->spaces[space])
        return;
    memcpy(c->names[space], name, name_bytes);
    c->name_bytes[space] = name_bytes;
    if (oracle_has_space(c->o, oracle_accepted(c->o), number_of(c, space))) {
        client_spaces_open(c);
        return;
    }
    oracle_create_space(c->o, number_of(c, space));
    const uint32_t number = oracle_submit(c->o, LEVIN_SYNCED, client_now(c));
    answered(c, number, levin_keyspace_open(c->store, name, name_bytes, LEVIN_KEYSPACE_EXCLUSIVE, &c->spaces[space]),
             "levin_keyspace_open");
}

void client_keyspace_drop(client *c, unsigned space, levin_durability durability)
{
    if (!client_going(c) || space == 0 || absent(c, space))
        return;
    oracle_drop_space(c->o, number_of(c, space));
    const uint32_t number = oracle_submit(c->o, durability, client_now(c));
    const levin_code code = levin_keyspace_drop(c->store, c->names[space], c->name_bytes[space], durability);
    answered(c, number, code, "levin_keyspace_drop");
    if (code != LEVIN_OK)
        return;
    const levin_code used = levin_contains_in(c->store, c->spaces[space], NULL, "k", 1);
    if (used == LEVIN_OK || used == LEVIN_NOT_FOUND)
        oracle_fault(&c->verdict, "EXACT", "a keyspace was used after it was dropped");
    levin_keyspace_close(c->spaces[space]);
    c->spaces[space] = NULL;
}

/* ---- earlier states --------------------------------------------------------------------------------------- */

void client_snapshot(client *c)
{
    if (!client_going(c) || c->snapshot)
        return;
    levin_code code = levin_snapshot_create(c->store, &c->snapshot);
    if (code != LEVIN_OK)
        c->snapshot = NULL;
    for (unsigned i = 1; i < CLIENT_SPACES && code == LEVIN_OK; i++)
        if (c->spaces[i])
            code = levin_keyspace_open(c->store, c->names[i], c->name_bytes[i], 0,
                                       &c->snapshot_spaces[number_of(c, i)]);
    c->snapshot_state = oracle_accepted(c->o);
    failed(c, code, "levin_snapshot_create");
}

void client_snapshot_check(client *c)
{
    if (!client_going(c) || !c->snapshot)
        return;
    const oracle_legal legal = oracle_legal_exactly(c->snapshot_state);
    const oracle_check_options with = { .snapshot = c->snapshot, .spaces = c->snapshot_spaces, .seed = 1,
                                        .points = POINTS, .ranges = RANGES, .faults_active = c->failing };
    oracle_verdict v;
    if (!oracle_check(c->o, &legal, c->store, &with, &v))
        c->verdict = v;
    levin_snapshot_release(c->snapshot);
    c->snapshot = NULL;
    spaces_close(c->snapshot_spaces, ORACLE_SPACES_MAX);
}

/* Whether there was a newer checkpoint than the client's last is the store's business: the first look finds it out. */
void client_reader(client *c)
{
    if (!client_going(c) || c->reader)
        return;
    c->reader = open_to_read(c, CLIENT_PATH);
    oracle_legal legal = oracle_legal_live(c->o);
    legal.first = c->checkpoint_state;
    if (c->reader && !client_compare(c, c->reader, &legal, 1, false, &c->reader_state)) {
        (void)levin_close(c->reader); /* it has nothing to lose */
        c->reader = NULL;
    }
}

void client_reader_check(client *c)
{
    uint32_t state;
    if (!client_going(c) || !c->reader)
        return;
    const oracle_legal legal = oracle_legal_exactly(c->reader_state);
    client_compare(c, c->reader, &legal, 1, true, &state);
    (void)levin_close(c->reader); /* it has nothing to lose */
    c->reader = NULL;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

void client_get(client *c, unsigned space, const void *key, size_t key_bytes)
{
    if (!client_going(c) || absent(c, space))
        return;
    static const char none[1];
    char *value = fatal_alloc(VALUE_BYTES);
    size_t bytes = 0;
    const levin_code code = levin_get_in(c->store, c->spaces[space], NULL, key, key_bytes, value, VALUE_BYTES, &bytes);
    const oracle_pairs pairs = oracle_pairs_of(oracle_pairs_at(c->o, oracle_accepted(c->o)), number_of(c, space));
    levin_slice wanted = { NULL, 0 };
    for (size_t i = 0; i < pairs.count; i++)
        if (pairs.items[i].key.size == key_bytes && !memcmp(pairs.items[i].key.data, key, key_bytes))
            wanted = (levin_slice){ pairs.items[i].value.size ? pairs.items[i].value.data : none,
                                    pairs.items[i].value.size };
    const bool right = wanted.data ? code == LEVIN_OK && bytes == wanted.size && !memcmp(value, wanted.data, bytes)
                                   : code == LEVIN_NOT_FOUND;
    if (code != LEVIN_OK && code != LEVIN_NOT_FOUND)
        failed(c, code, "levin_get");
    else if (!right)
        oracle_fault(&c->verdict, "EXACT", "a key of %zu bytes, %s: a get says %s, %zu bytes", key_bytes,
                     wanted.data ? "which is there" : "which is not there", levin_code_name(code), bytes);
    free(value);
}

void client_check(client *c, uint64_t seed)
{
    uint32_t state;
    if (!client_going(c))
        return;
    const oracle_legal legal = oracle_legal_live(c->o);
    client_compare(c, c->store, &legal, seed, true, &state);
}
