/*
 * workload_run.c - runs a plan on a store and tells the oracle what was promised.
 *
 * Without faults any failing call, any answer that differs from the model, is a violation and ends the run. With
 * faults a failure is recorded and the plan goes on (a client that does not give up); a wrong answer is still a
 * violation. One thread: the submitters of a group are batches submitted before any is waited for.
 *
 * A batch of a group is waited for, polled, or called back; some tickets are held until the next step has led a group
 * (its own write, sync or work) and are polled then: they must be done, for commits keep the order of submission.
 * Before a step that looks at the store, opens or closes it, held tickets are waited for. A callback acknowledges at
 * the moment in which it comes, so that one before its durability is seen by the next crash.
 * How a batch is submitted comes from streams of their own: a plan's batches do not depend on it.
 * Some writes are transactions; some have a rival, a transaction begun before, which has read or written a key of the
 * batch and must be refused, also when both are of one group.
 */
#include <stdio.h>
#include <string.h>

#include "../faults/random.h"
#include "workload_runner.h"

enum { OPEN_ATTEMPTS = 3, READ_BACK = 3, READ_BACK_RANGE = 8, READ_BACK_BYTES = 4096 };
enum { STREAM_WAITS = 520, STREAM_FORMS = 521, STREAM_TXNS = 522, STREAM_LOADS = 523, STREAM_SWAPS = 524 };

bool workload_fault_explains(levin_code code)
{
    return code != LEVIN_CORRUPT && code != LEVIN_INVALID && code != LEVIN_CONFLICT && code != LEVIN_NO_KEYSPACE &&
           code != LEVIN_EXISTS;
}

bool workload_failed(runner *r, levin_code code, const char *what)
{
    r->result->failures++;
    if (r->target->faults && workload_fault_explains(code))
        return true;
    levin_error error = { 0 };
    if (r->store)
        levin_last_error(r->store, &error);
    oracle_fault(&r->result->verdict, code == LEVIN_CORRUPT ? "DETECT" : "FAULT", "%s failed%s: %s: %s", what,
                 r->target->faults ? "" : " without a fault", levin_code_name(code),
                 error.code == code ? error.message : "(no message)");
    r->result->verdict.code = code;
    if (error.code == code)
        oracle_names(&r->result->verdict, &error);
    return false;
}

bool workload_checked(runner *r, bool good, const oracle_verdict *v, const char *what)
{
    if (v->code != LEVIN_OK)
        r->result->failures++;
    if (good)
        return true;
    oracle_fault(&r->result->verdict, v->promise, "%s: %s", what, v->text);
    r->result->verdict.state = v->state;
    r->result->verdict.code = v->code;
    oracle_names_as(&r->result->verdict, v);
    return false;
}

static uint64_t stat_checkpoints(const runner *r)
{
    levin_stats stats;
    levin_stats_get(r->store, &stats);
    return stats.checkpoints;
}

/* ---- batches ---------------------------------------------------------------------------------------------- */

static const levin_slice no_bytes = { NULL, 0 };

bool workload_fill(runner *r, const plan_batch *b, levin_batch *batch)
{
    levin_code code = LEVIN_OK;
    levin_batch_clear(batch);
    for (size_t i = 0; i < b->ops && code == LEVIN_OK; i++) {
        const plan_op *op = &r->w->ops[b->first_op + i];
        const levin_keyspace *ks = r->spaces[op->space];
        oracle *o = r->target->o;
        if (left_out(r, op))
            continue;
        const uint32_t space = model_space(r, op->space);
        workload_script_operation(script_of(r), op);
        if (op->reach == REACH_RANGE) {
            code = levin_batch_delete_range_in(batch, ks, op->key, op->value);
            oracle_delete_range_in(o, space, op->key, op->value);
        } else if (op->reach == REACH_PREFIX) {
            code = levin_batch_delete_prefix_in(batch, ks, op->key.data, op->key.size);
            oracle_delete_prefix_in(o, space, op->key);
        } else if (op->deletes) {
            code = levin_batch_delete_in(batch, ks, op->key.data, op->key.size);
            oracle_delete_in(o, space, op->key);
        } else {
            code = levin_batch_put_in(batch, ks, op->key.data, op->key.size, op->value.data, op->value.size);
            oracle_put_in(o, space, op->key, op->value);
        }
    }
    if (code == LEVIN_OK)
        return true;
    oracle_discard(r->target->o);
    workload_failed(r, code, "building a batch");
    return false;
}

static void count_batch(runner *r, const plan_batch *b)
{
    workload_counts *c = &r->result->counts;
    c->batches++;
    c->none += b->durability == LEVIN_NONE;
    c->logged += b->durability == LEVIN_LOGGED;
    c->synced += b->durability == LEVIN_SYNCED;
    for (size_t i = 0; i < b->ops; i++) {
        const plan_op *op = &r->w->ops[b->first_op + i];
        if (left_out(r, op))
            continue;
        c->operations++;
        c->keyspace_operations += op->space != 0;
        c->deletes += op->deletes;
        c->ranges += op->reach != REACH_KEY;
        c->overwrites += op->overwrites;
        c->large_values += op->reach == REACH_KEY && op->value.size > 4096;
    }
}

bool workload_answered(runner *r, uint32_t number, levin_code code, const plan_batch *b)
{
    if (code == LEVIN_OK) {
        oracle_acknowledge(r->target->o, number, runner_now(r));
        if (b)
            count_batch(r, b);
        return true;
    }
    oracle_fail(r->target->o, number, runner_now(r));
    return workload_failed(r, code, b ? "a write" : "making or dropping a keyspace, or a write after that failed");
}

/* Whether a later operation of the batch is about the key. */
static bool reached_later(const plan_batch *b, const plan_op *ops, size_t i, levin_slice key)
{
    for (size_t k = i + 1; k < b->ops; k++)
        if (!ops[k].off && ops[k].space == ops[i].space && plan_op_reaches(&ops[k], key))
            return true;
    return false;
}

/* Gets names that a range takes in, at most READ_BACK_RANGE. written: they are not there. */
static bool read_back_range(runner *r, const plan_batch *b, size_t i, bool written)
{
    const stanzas *data = r->w->options.data;
    const plan_op *ops = &r->w->ops[b->first_op];
    char value[READ_BACK_BYTES];
    for (size_t n = 0, seen = 0; n < data->count && seen < READ_BACK_RANGE; n++) {
        const levin_slice name = data->items[n].name;
        size_t bytes = 0;
        if (!plan_op_reaches(&ops[i], name))
            continue;
        seen++;
        workload_script_bytes(script_of_reads(r), "client_get", ops[i].space, name, no_bytes);
        levin_code code = levin_get_in(r->store, r->spaces[ops[i].space], NULL, name.data, name.size, value,
                                       sizeof value, &bytes);
        if (code != LEVIN_OK && code != LEVIN_NOT_FOUND && code != LEVIN_TOO_SMALL)
            return workload_failed(r, code, "levin_get");
        if (!written || code == LEVIN_NOT_FOUND || reached_later(b, ops, i, name))
            continue;
        oracle_fault(&r->result->verdict, "EXACT",
                     "a key of %zu bytes in a range just deleted: a get says %s, %zu bytes", name.size,
                     levin_code_name(code), bytes);
        return false;
    }
    return true;
}

/* Gets the keys of a batch, at most READ_BACK. written: they must show what the batch says. */
static bool read_back(runner *r, const plan_batch *b, bool written)
{
    const plan_op *ops = &r->w->ops[b->first_op];
    const size_t from = b->ops > READ_BACK ? b->ops - READ_BACK : 0;
    char value[READ_BACK_BYTES];
    for (size_t i = from; i < b->ops; i++) {
        const plan_op *op = &ops[i];
        size_t bytes = 0;
        if (left_out(r, op))
            continue;
        if (op->reach != REACH_KEY && !read_back_range(r, b, i, written))
            return false;
        workload_script_bytes(script_of_reads(r), "client_get", op->space, op->key, no_bytes);
        levin_code code = levin_get_in(r->store, r->spaces[op->space], NULL, op->key.data, op->key.size, value,
                                       sizeof value, &bytes);
        if (code != LEVIN_OK && code != LEVIN_NOT_FOUND && code != LEVIN_TOO_SMALL)
            return workload_failed(r, code, "levin_get");
        if (!written || reached_later(b, ops, i, op->key))
            continue;
        if (op->deletes ? code == LEVIN_NOT_FOUND
                        : code != LEVIN_NOT_FOUND && bytes == op->value.size &&
                              (code == LEVIN_TOO_SMALL || !bytes || memcmp(value, op->value.data, bytes) == 0))
            continue;
        oracle_fault(&r->result->verdict, "EXACT", "a key of %zu bytes, just %s: a get says %s, %zu bytes",
                     op->key.size, op->deletes ? "deleted" : "put", levin_code_name(code), bytes);
        return false;
    }
    return true;
}

/* ---- transactions ----------------------------------------------------------------------------------------- */

static bool violated(runner *r, const char *text)
{
    oracle_fault(&r->result->verdict, "FAULT", "%s", text);
    return false;
}

/* A put of the batch that is its last word on the key. NULL: none. */
static const plan_op *last_put(const runner *r, const plan_batch *b, random_stream *forms)
{
    const plan_op *ops = &r->w->ops[b->first_op], *chosen = NULL;
    for (size_t i = 0, seen = 0; i < b->ops; i++) {
        const bool last = !ops[i].deletes && ops[i].value.size && !left_out(r, &ops[i]) &&
                          !reached_later(b, ops, i, ops[i].key);
        if (last && random_below(forms, ++seen) == 0)
            chosen = &ops[i];
    }
    return chosen;
}

/* Whether the put changes something: a plan that is run on what a crash has left of it finds some of its values. */
static bool changes(runner *r, const plan_op *op)
{
    char value[READ_BACK_BYTES];
    size_t bytes = 0;
    levin_code code = levin_get_in(r->store, r->spaces[op->space], NULL, op->key.data, op->key.size, value,
                                   sizeof value, &bytes);
    if (code == LEVIN_OK || code == LEVIN_TOO_SMALL)
        return bytes != op->value.size || (code == LEVIN_OK && memcmp(value, op->value.data, bytes) != 0);
    return code == LEVIN_NOT_FOUND;
}

/* The batch goes first, the rival after it, into one group. */
static bool write_with_rival(runner *r, const plan_batch *b, levin_txn *rival)
{
    levin_ticket *ticket;
    const unsigned script = workload_script_submit(script_of(r), b->durability, false);
    const uint32_t number = oracle_submit(r->target->o, b->durability, runner_now(r));
    levin_code code = levin_write_async(r->store, r->batches[0], b->durability, &ticket);
    if (code != LEVIN_OK) {
        levin_txn_destroy(rival);
        return workload_answered(r, number, code, b);
    }
    bool going = workload_rival_refused(r, rival);
    workload_script_wait(script_of(r), script);
    return workload_answered(r, number, levin_ticket_wait(ticket), b) && going;
}

/* Keys are read before and after, so that a cache of rows knows the past when the write comes. */
static bool step_write(runner *r, const plan_step *s)
{
    const plan_batch *b = &r->w->batches[s->first_batch];
    random_stream forms = random_open(r->w->options.seed + r->result->steps, STREAM_TXNS);
    const bool transaction = b->ops && random_below(&forms, 5) == 0, grouped = random_below(&forms, 3) == 0;
    const plan_op *contended = random_below(&forms, 5) ? NULL : last_put(r, b, &forms);
    if (!read_back(r, b, false))
        return false;
    if (!workload_fill(r, b, r->batches[0]))
        return r->target->faults;
    if (contended && !changes(r, contended))
        contended = NULL;
    levin_txn *rival = contended ? workload_rival_begin(r, contended, &forms) : NULL;
    if (contended && !rival && !r->target->faults)
        return false;
    if (rival && grouped)
        return write_with_rival(r, b, rival);
    random_stream loads = random_open(r->w->options.seed + r->result->steps, STREAM_LOADS);
    const bool load = random_below(&loads, 12) == 0 && !transaction && !r->held_count && workload_loadable(r, b);
    random_stream swaps = random_open(r->w->options.seed + r->result->steps, STREAM_SWAPS);
    const plan_op *swap = load || transaction || random_below(&swaps, 2) ? NULL : workload_swappable(r, b);
    const levin_durability durability = load ? LEVIN_SYNCED : b->durability;
    uint64_t before = runner_now(r);
    if (load)
        workload_script_call(script_of(r), "client_load(c)");
    else
        workload_script_call(script_of(r), "client_%s(c, %s)", swap ? "swap" : transaction ? "transaction" : "write",
                             workload_script_durability(durability));
    levin_code code = load          ? workload_load(r, b)
                      : swap        ? workload_swap(r, swap, durability)
                      : transaction ? workload_transaction(r, b)
                                    : levin_write(r->store, r->batches[0], durability);
    const uint32_t number = oracle_submit(r->target->o, durability, before);
    bool going = !r->result->verdict.promise && workload_answered(r, number, code, b);
    if (load && code != LEVIN_OK && code != LEVIN_POISONED) /* poisoned before, it did nothing */
        r->doubtful = number;
    if (rival && going && code == LEVIN_OK)
        going = workload_rival_refused(r, rival);
    else
        levin_txn_destroy(rival);
    return going && (code != LEVIN_OK || read_back(r, b, true));
}

/* ---- groups ----------------------------------------------------------------------------------------------- */

static void called_back(void *context, levin_code code)
{
    submission *s = context;
    runner *r = s->r;
    if (s->calls++ > 0) {
        s->going = violated(r, "a callback came twice");
        return;
    }
    if (s->number < r->called)
        s->going = violated(r, "callbacks came out of the order of commit");
    r->called = s->number;
    s->going = workload_answered(r, s->number, code, s->batch) && s->going;
    r->result->counts.callbacks += code == LEVIN_OK;
}

bool workload_finish_ticket(runner *r, const submission *s, bool poll, bool must_be_done)
{
    workload_script_wait(script_of(r), s->script);
    levin_code code = poll ? levin_ticket_poll(s->ticket) : LEVIN_PENDING;
    levin_code result = levin_ticket_wait(s->ticket);
    bool good = true;
    if (code != LEVIN_PENDING && code != result) {
        oracle_fault(&r->result->verdict, "FAULT", "a ticket was polled as %s and waited for as %s",
                     levin_code_name(code), levin_code_name(result));
        good = false;
    }
    if (code == LEVIN_PENDING && must_be_done)
        good = violated(r, "a ticket is pending though a later commit is done");
    return workload_answered(r, s->number, result, s->batch) && good;
}

/* The tickets held are polled, or not, and waited for, in order of submission; done: a later commit is done. */
static bool finish_held(runner *r, bool poll, bool done)
{
    bool going = true;
    for (size_t i = 0; i < r->held_count; i++) {
        going = workload_finish_ticket(r, &r->held[i], poll, done) && going;
        r->result->counts.polled_later += poll;
    }
    r->held_count = 0;
    return going;
}

bool workload_submit_one(runner *r, submission *s, levin_batch *batch, size_t *count)
{
    const plan_batch *b = s->batch;
    uint64_t at = runner_now(r);
    s->script = workload_script_submit(script_of(r), b->durability, s->form == FORM_CALLBACK);
    /* the number comes before the call, for the callback may come in it */
    s->number = oracle_submit(r->target->o, b->durability, at);
    levin_code code = s->form == FORM_CALLBACK
                          ? levin_write_callback(r->store, batch, b->durability, called_back, s)
                          : levin_write_async(r->store, batch, b->durability, &s->ticket);
    if (code != LEVIN_OK) {
        workload_script_wait(script_of(r), s->script);
        return workload_answered(r, s->number, code, b);
    }
    ++*count;
    return true;
}

/* Work, a poll or nothing, before the waits; what was called back by work is counted. */
static bool serve(runner *r, random_stream *forms)
{
    levin_stats before, after;
    bool more;
    if (random_below(forms, 3) == 0)
        return true;
    levin_stats_get(r->store, &before);
    workload_script_call(script_of(r), "client_work(c, 1)");
    levin_code code = levin_work(r->store, &more);
    levin_stats_get(r->store, &after);
    r->result->counts.served += after.groups > before.groups;
    return code == LEVIN_OK || workload_failed(r, code, "levin_work");
}

/* All callbacks came, once. A sync, when no wait has led them. */
static bool finish_callbacks(runner *r, submission *all, size_t count)
{
    bool going = true, outstanding = false;
    for (size_t i = 0; i < count; i++)
        outstanding |= all[i].form == FORM_CALLBACK && all[i].calls == 0;
    if (outstanding) {
        levin_code code = levin_sync(r->store);
        if (code != LEVIN_OK)
            going = workload_failed(r, code, "levin_sync");
        else
            oracle_durable(r->target->o, runner_now(r));
    }
    for (size_t i = 0; i < count; i++)
        if (all[i].form == FORM_CALLBACK) {
            workload_script_wait(script_of(r), all[i].script);
            going = all[i].going && going;
            if (all[i].calls != 1)
                going = violated(r, "a callback did not come with a later commit");
        }
    return going;
}

/* Several submitters: all submit, then all wait, in the order of submission, the reverse, or mixed; some poll first.
 */
static bool step_group(runner *r, const plan_step *s)
{
    submission *const all = r->group, *tickets[GROUP_BATCHES_MAX];
    size_t count = 0, pending = 0;
    bool going = true;
    levin_stats before, after;
    random_stream order = random_open(s->argument, STREAM_WAITS), forms = random_open(s->argument, STREAM_FORMS);
    const unsigned style = (unsigned)random_below(&forms, 4); /* 0, 1: waited for; 2: callbacks too; 3: the last held */
    levin_stats_get(r->store, &before);
    for (size_t i = 0; i < s->batches && going; i++) {
        const plan_batch *b = &r->w->batches[s->first_batch + i];
        const bool call = random_below(&forms, 2) && style == 2, hold = style == 3 && i > 0;
        all[count] = (submission){ .r = r, .form = call ? FORM_CALLBACK : hold ? FORM_HOLD : FORM_WAIT, .batch = b,
                                   .going = true };
        if (!workload_fill(r, b, r->batches[i]))
            going = r->target->faults;
        else
            going = workload_submit_one(r, &all[count], r->batches[i], &count);
    }
    if (going && style == 2)
        going = serve(r, &forms);
    for (size_t i = 0; i < count; i++) {
        if (all[i].form == FORM_WAIT || (all[i].form == FORM_HOLD && !going))
            tickets[pending++] = &all[i];
        else if (all[i].form == FORM_HOLD)
            r->held[r->held_count++] = all[i];
    }
    while (pending > 0) {
        size_t i = s->argument % 3 == 0 ? 0 : s->argument % 3 == 1 ? pending - 1 : random_below(&order, pending);
        going = workload_finish_ticket(r, tickets[i], random_below(&order, 4) == 0, false) && going;
        tickets[i] = tickets[--pending];
    }
    going = finish_callbacks(r, all, count) && going;
    levin_stats_get(r->store, &after);
    if (count >= 2 && after.groups - before.groups < after.batches - before.batches)
        r->result->counts.shared_groups++;
    return going;
}

/* ---- other steps ------------------------------------------------------------------------------------------ */

static bool step_durable(runner *r, enum step_kind kind)
{
    workload_script_call(script_of(r), kind == STEP_SYNC ? "client_sync(c)" : "client_checkpoint(c)");
    levin_code code = kind == STEP_SYNC ? levin_sync(r->store) : levin_checkpoint(r->store);
    if (code != LEVIN_OK)
        return workload_failed(r, code, kind == STEP_SYNC ? "levin_sync" : "levin_checkpoint");
    oracle_durable(r->target->o, runner_now(r));
    if (kind == STEP_CHECKPOINT)
        r->checkpoint_state = oracle_accepted(r->target->o);
    return true;
}

static bool stop_after(void *context, const levin_compact_result *so_far)
{
    (void)so_far;
    return (*(uint64_t *)context)-- != 0;
}

/* One in four is stopped on the way. Everything before is in its checkpoint. */
static bool step_compact(runner *r, uint64_t argument)
{
    uint64_t looks = argument % 4 ? UINT64_MAX : argument / 4 % 12; /* within the value log, or the pages */
    levin_compact_result result;
    levin_compact_options o;
    levin_compact_options_init(&o);
    o.mode = argument / 16 % 3 ? LEVIN_COMPACT_ALL : LEVIN_COMPACT_END;
    o.progress = stop_after;
    o.context = &looks;
    workload_script_call(script_of(r), "client_compact(c, LEVIN_COMPACT_%s, UINT64_C(%llu))",
                         o.mode == LEVIN_COMPACT_ALL ? "ALL" : "END", (unsigned long long)looks);
    levin_code code = levin_compact(r->store, &o, &result);
    if (code != LEVIN_OK && !(code == LEVIN_INTERRUPTED && looks == UINT64_MAX))
        return workload_failed(r, code, "levin_compact");
    oracle_durable(r->target->o, runner_now(r));
    r->result->counts.compactions += result.pages_moved != 0;
    return true;
}

static bool step_work(runner *r, uint64_t steps)
{
    bool more = true;
    workload_script_call(script_of(r), "client_work(c, %u)", (unsigned)steps);
    while (steps-- > 0 && more) {
        levin_code code = levin_work(r->store, &more);
        if (code != LEVIN_OK)
            return workload_failed(r, code, "levin_work");
    }
    return true;
}

/* Tickets are outstanding meanwhile: the collector reads what they are about to overwrite, and then leads them. */
static bool step_collect(runner *r, const plan_step *s)
{
    submission *const all = r->group;
    size_t count = 0;
    bool going = true;
    for (size_t i = 0; i < s->batches && going; i++) {
        const plan_batch *b = &r->w->batches[s->first_batch + i];
        all[count] = (submission){ .r = r, .form = FORM_WAIT, .batch = b, .going = true };
        if (!workload_fill(r, b, r->batches[i]))
            going = r->target->faults;
        else
            going = workload_submit_one(r, &all[count], r->batches[i], &count);
    }
    workload_script_call(script_of(r), "client_collect(c, %u)", (unsigned)s->argument);
    levin_code code = going ? levin_collect(r->store, (uint32_t)s->argument) : LEVIN_OK;
    for (size_t i = 0; i < count; i++)
        going = workload_finish_ticket(r, &all[i], false, false) && going;
    r->result->counts.collections += code == LEVIN_OK;
    return code == LEVIN_OK ? going : workload_failed(r, code, "levin_collect") && going;
}

static bool step_read(runner *r, const plan_step *s)
{
    oracle *o = r->target->o;
    oracle_check_options with = { .seed = s->argument, .points = 6, .ranges = 2, .faults_active = r->target->faults };
    oracle_verdict v = { .state = ORACLE_NO_STATE };
    r->result->counts.reads++;
    workload_script_call(script_of_reads(r), "client_check(c, UINT64_C(%llu))", (unsigned long long)s->argument);
    if (s->kind == STEP_CHECK) {
        oracle_legal legal = oracle_legal_live(o);
        return workload_checked(r, oracle_check(o, &legal, r->store, &with, &v), &v, "check of the open store");
    }
    const unsigned space = (unsigned)(s->argument / 8 % PLAN_SPACES);
    with.keyspace = r->spaces[space];
    const oracle_pairs expected = oracle_pairs_of(oracle_pairs_at(o, oracle_accepted(o)),
                                                  with.keyspace ? model_space(r, space) : ORACLE_DEFAULT);
    if (oracle_probe_points(&expected, r->store, &with, &v))
        oracle_probe_ranges(&expected, r->store, &with, &v);
    return workload_checked(r, v.promise == NULL, &v, "reads of the open store");
}

static void snapshot_drop(runner *r)
{
    if (r->snapshot)
        levin_snapshot_release(r->snapshot);
    r->snapshot = NULL;
    workload_spaces_close(r->snapshot_spaces, ORACLE_SPACES_MAX);
}

/* With handles of its time: the keyspaces may be dropped before it is checked. */
static bool step_snapshot(runner *r, uint64_t seed)
{
    if (r->snapshot || r->reader.store)
        return true; /* the check of the last one is not in the part of the plan that is run */
    workload_script_call(script_of(r), "client_reader(c)");
    workload_script_call(script_of(r), "client_snapshot(c)");
    if (!workload_reader_open(&r->reader, r->w, r->target, r->checkpoint_state, r->doubtful, seed, r->result))
        return false;
    levin_code code = levin_snapshot_create(r->store, &r->snapshot);
    if (code != LEVIN_OK)
        r->snapshot = NULL;
    for (unsigned space = 1; space < PLAN_SPACES && code == LEVIN_OK; space++) {
        const levin_slice name = plan_space_name(space);
        const uint32_t number = model_space(r, space);
        if (oracle_has_space(r->target->o, oracle_accepted(r->target->o), number))
            code = levin_keyspace_open(r->store, name.data, name.size, 0, &r->snapshot_spaces[number]);
    }
    if (code != LEVIN_OK) {
        snapshot_drop(r);
        return workload_failed(r, code, "levin_snapshot_create, or opening a keyspace");
    }
    r->snapshot_state = oracle_accepted(r->target->o);
    r->snapshot_checkpoints = stat_checkpoints(r);
    return true;
}

static bool step_snapshot_check(runner *r, uint64_t seed)
{
    workload_script_call(script_of(r), "client_reader_check(c)");
    workload_script_call(script_of(r), "client_snapshot_check(c)");
    if (!workload_reader_close(&r->reader, r->target, r->result))
        return false;
    if (!r->snapshot)
        return true; /* it could not be taken */
    oracle_legal legal = oracle_legal_exactly(r->snapshot_state);
    oracle_check_options with = { .snapshot = r->snapshot, .spaces = r->snapshot_spaces, .seed = seed,
                                  .points = 10, .ranges = 4,
                                  .faults_active = r->target->faults };
    oracle_verdict v;
    bool good = oracle_check(r->target->o, &legal, r->store, &with, &v);
    snapshot_drop(r);
    r->result->counts.snapshots += stat_checkpoints(r) > r->snapshot_checkpoints;
    return workload_checked(r, good, &v, "check of a snapshot held across writes");
}

/* ---- opening and closing ---------------------------------------------------------------------------------- */

static void release(runner *r)
{
    snapshot_drop(r);
    workload_reader_drop(&r->reader);
    workload_spaces_close(r->spaces, PLAN_SPACES);
    for (size_t i = 0; i < GROUP_BATCHES_MAX; i++) {
        levin_batch_destroy(r->batches[i]);
        r->batches[i] = NULL;
    }
}

static bool prepare(runner *r)
{
    for (size_t i = 0; i < GROUP_BATCHES_MAX; i++) {
        levin_code code = LEVIN_PENDING;
        for (int attempt = 0; attempt < OPEN_ATTEMPTS && code != LEVIN_OK; attempt++) {
            code = levin_batch_create(r->store, &r->batches[i]);
            if (code != LEVIN_OK && !workload_failed(r, code, "levin_batch_create"))
                return false;
        }
        if (code != LEVIN_OK) {
            r->batches[i] = NULL;
            return false;
        }
    }
    return true;
}

static bool open_store(runner *r)
{
    levin_options options;
    workload_store_options(r->w, r->target->io, &options);
    /* a new store begins without the value log, so that there are values in extents, and compactions that move them */
    if (r->result->opened == UINT64_MAX && oracle_last_batch(r->target->o) == 0 &&
        oracle_pairs_at(r->target->o, 0)->count == 0)
        options.value_log_threshold_bytes = 0;
    levin_code code = LEVIN_PENDING;
    levin_error error = { 0 };
    workload_script_call(script_of(r), "options.value_log_threshold_bytes = %u",
                         (unsigned)options.value_log_threshold_bytes);
    workload_script_call(script_of(r), "client_open(c, &options)");
    for (int attempt = 0; attempt < OPEN_ATTEMPTS && code != LEVIN_OK; attempt++) {
        code = levin_open(r->target->path, &options, &r->store, &error);
        if (code != LEVIN_OK) {
            r->result->failures++;
            if (!r->target->faults || code == LEVIN_CORRUPT || code == LEVIN_INVALID || r->store) {
                oracle_fault(&r->result->verdict, code == LEVIN_CORRUPT ? "DETECT" : "FAULT",
                             "levin_open failed%s: %s: %s", r->target->faults ? "" : " without a fault",
                             levin_code_name(code), error.message);
                r->result->verdict.code = code;
                oracle_names(&r->result->verdict, &error);
                r->store = NULL;
                return false;
            }
        }
    }
    if (code == LEVIN_OK && r->result->opened == UINT64_MAX)
        r->result->opened = runner_now(r);
    return code == LEVIN_OK && prepare(r);
}

/* What the open store has counted itself. */
static void count_stats(runner *r)
{
    levin_stats stats;
    workload_counts *counts = &r->result->counts;
    levin_stats_get(r->store, &stats);
    counts->checkpoints += stats.checkpoints;
    counts->row_hits += stats.row_hits;
    counts->logged_values += stats.vlog_values - stats.vlog_moved_values;
    counts->moved += stats.vlog_moved_values;
    counts->collected += stats.vlog_collected_segments;
}

static bool close_store(runner *r)
{
    count_stats(r);
    release(r);
    workload_script_call(script_of(r), "client_close(c)");
    levin_code code = levin_close(r->store);
    r->store = NULL;
    if (code != LEVIN_OK)
        return workload_failed(r, code, "levin_close");
    oracle_durable(r->target->o, runner_now(r));
    return true;
}

static bool step_reopen(runner *r)
{
    if (!close_store(r) || !open_store(r))
        return false;
    oracle *o = r->target->o;
    oracle_legal legal = oracle_legal_crash(o, runner_now(r));
    oracle_check_options with = {
        .seed = r->result->steps, .points = 6, .ranges = 2, .faults_active = r->target->faults
    };
    oracle_verdict v = { .state = ORACLE_NO_STATE };
    for (int attempt = 0; attempt < OPEN_ATTEMPTS && v.state == ORACLE_NO_STATE; attempt++)
        if (!workload_checked(r, oracle_check(o, &legal, r->store, &with, &v), &v, "check after reopening"))
            return false;
    if (v.state == ORACLE_NO_STATE)
        return false; /* reads fail for ever: nothing more can be learned in this run */
    oracle_settle(o, v.state, runner_now(r));
    r->checkpoint_state = v.state < r->checkpoint_state ? v.state : r->checkpoint_state;
    r->doubtful = 0;
    r->result->counts.reopens++;
    return workload_spaces_open(r);
}

/* ---- the run ---------------------------------------------------------------------------------------------- */

/* What held tickets ask for around a step. */
enum held_use {
    HELD_FIRST,   /* they are waited for before it */
    HELD_LED,     /* it commits, so they are done after it */
    HELD_PERHAPS  /* it may have committed them */
};

static enum held_use held_use_of(enum step_kind kind)
{
    return kind == STEP_WRITE || kind == STEP_SYNC ? HELD_LED : kind == STEP_WORK ? HELD_PERHAPS : HELD_FIRST;
}

static bool run_step_bare(runner *r, const plan_step *s)
{
    switch (s->kind) {
    case STEP_WRITE:
        return step_write(r, s);
    case STEP_GROUP:
        return step_group(r, s);
    case STEP_SYNC:
    case STEP_CHECKPOINT:
        return step_durable(r, s->kind);
    case STEP_COMPACT:
        return step_compact(r, s->argument);
    case STEP_BACKUP:
        return workload_step_backup(r, s->argument);
    case STEP_WORK:
        return step_work(r, s->argument);
    case STEP_COLLECT:
        return step_collect(r, s);
    case STEP_READ:
    case STEP_CHECK:
        return step_read(r, s);
    case STEP_SNAPSHOT:
        return step_snapshot(r, s->argument);
    case STEP_SNAPSHOT_CHECK:
        return step_snapshot_check(r, s->argument);
    case STEP_KEYSPACE_MAKE:
        return workload_step_make(r, s->argument % PLAN_SPACES);
    case STEP_KEYSPACE_DROP:
        return workload_step_drop(r, s);
    case STEP_REOPEN:
        return step_reopen(r);
    }
    return false;
}

static bool run_step(runner *r, const plan_step *s)
{
    const enum held_use use = held_use_of(s->kind);
    if (!r->held_count)
        return run_step_bare(r, s);
    if (use == HELD_FIRST)
        return finish_held(r, false, false) && run_step_bare(r, s);
    const uint32_t last = oracle_last_batch(r->target->o);
    bool going = run_step_bare(r, s);
    /* with faults the step may have ended before it submitted anything */
    const bool led = use == HELD_LED && (s->kind == STEP_SYNC || oracle_last_batch(r->target->o) > last);
    return (r->store ? finish_held(r, true, led && !r->target->faults) : true) && going;
}

static void run_steps(runner *r)
{
    bool going = true;
    for (size_t i = 0; i < r->w->step_count && going; i++) {
        const plan_step *s = &r->w->steps[i];
        if (r->target->at_step && !s->off)
            r->target->at_step(r->target->step_context, i);
        going = s->off || run_step(r, s);
        r->result->steps += going;
    }
    if (r->held_count && r->store)
        finish_held(r, false, false);
}

bool workload_run(const workload *w, const workload_target *target, bool keep_open, workload_result *result)
{
    *result = (workload_result){ .verdict = { .state = ORACLE_NO_STATE }, .opened = UINT64_MAX };
    runner r = { .w = w, .target = target, .result = result };
    if (open_store(&r) && workload_spaces_open(&r))
        run_steps(&r);
    release(&r);
    if (keep_open) {
        if (r.store)
            count_stats(&r);
        result->store = r.store;
    } else if (r.store) {
        close_store(&r);
    }
    return result->verdict.promise == NULL;
}

bool workload_continue(const workload *w, levin *store, const workload_target *target, workload_result *result)
{
    *result = (workload_result){ .verdict = { .state = ORACLE_NO_STATE } };
    runner r = { .w = w, .target = target, .result = result, .store = store };
    if (prepare(&r) && workload_spaces_open(&r))
        run_steps(&r);
    release(&r);
    return result->verdict.promise == NULL;
}

void workload_count_trace(const trace *t, workload_counts *counts)
{
    uint64_t segments = 0;
    for (uint64_t i = 0; i < trace_length(t); i++) {
        const trace_entry *e = trace_at(t, i);
        bool created = e->op == TRACE_CREATE && !strncmp(e->name, "wal-", 4);
        bool renamed = e->op == TRACE_RENAME && !strncmp(e->to_name, "wal-", 4);
        segments += created || renamed;
        counts->recycled += renamed && !strncmp(e->name, "wal-", 4);
    }
    counts->switches += segments > 0 ? segments - 1 : 0;
}
