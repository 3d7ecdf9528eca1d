/*
 * workload_txn.c - a batch of a workload written as a transaction; transactions that must be refused.
 */
#include "../faults/detour.h"
#include "workload_runner.h"

/* One past the last operation of the batch that is not left out. */
static size_t ops_end(const runner *r, const plan_batch *b)
{
    size_t end = b->ops;
    while (end > 0 && left_out(r, &r->w->ops[b->first_op + end - 1]))
        end--;
    return end;
}

static levin_code detour(runner *r, levin_txn *t, const plan_op *op)
{
    const char *flaw;
    levin_code code = detour_take(r->store, t, r->spaces[op->space], op->key, &flaw);
    if (flaw)
        oracle_fault(&r->result->verdict, "EXACT", "%s", flaw);
    r->result->counts.rollbacks += code == LEVIN_OK ? DETOUR_ROLLBACKS : 0;
    return code;
}

levin_code workload_transaction(runner *r, const plan_batch *b)
{
    levin_txn *t;
    const size_t end = ops_end(r, b);
    levin_code code = levin_txn_begin(r->store, NULL, &t);
    for (size_t i = 0; i < end && code == LEVIN_OK; i++) {
        const plan_op *op = &r->w->ops[b->first_op + i];
        const levin_keyspace *ks = r->spaces[op->space];
        if (left_out(r, op))
            continue;
        code = levin_txn_contains_in(t, ks, op->key.data, op->key.size);
        if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
            code = i + 1 == end ? detour(r, t, op) : LEVIN_OK;
        if (code != LEVIN_OK)
            break;
        if (op->reach == REACH_RANGE)
            code = levin_txn_delete_range_in(t, ks, op->key, op->value);
        else if (op->reach == REACH_PREFIX)
            code = levin_txn_delete_prefix_in(t, ks, op->key.data, op->key.size);
        else
            code = op->deletes ? levin_txn_delete_in(t, ks, op->key.data, op->key.size)
                               : levin_txn_put_in(t, ks, op->key.data, op->key.size, op->value.data, op->value.size);
    }
    if (code == LEVIN_OK)
        code = levin_txn_commit(t, b->durability);
    levin_txn_destroy(t);
    r->result->counts.transactions += code == LEVIN_OK;
    return code;
}

/* Lets an iterator go over a range that ends with this key, whether it is there or not. */
static levin_code look_at(levin_txn *t, const levin_keyspace *ks, const plan_op *op, bool forward)
{
    const levin_iter_options options = { .lower = { op->key.data, op->key.size - 1 },
                                         .upper = op->key, .upper_inclusive = true, .keyspace = ks };
    levin_iter *it;
    levin_code code = levin_txn_iter_open(t, &options, &it);
    if (code != LEVIN_OK)
        return code;
    for (bool on = forward ? levin_iter_first(it) : levin_iter_last(it); on;
         on = forward ? levin_iter_next(it) : levin_iter_prev(it)) {
    }
    code = levin_iter_status(it);
    levin_iter_close(it);
    return code;
}

levin_txn *workload_rival_begin(runner *r, const plan_op *op, random_stream *forms)
{
    const levin_keyspace *ks = r->spaces[op->space];
    levin_txn_options options;
    levin_txn *t;
    levin_txn_options_init(&options);
    options.isolation = random_below(forms, 2) ? LEVIN_SERIALIZABLE : LEVIN_SNAPSHOT;
    levin_code code = levin_txn_begin(r->store, &options, &t);
    const bool iterates = options.isolation == LEVIN_SERIALIZABLE && code == LEVIN_OK && random_below(forms, 2);
    workload_script_bytes(script_of(r),
                          iterates                                    ? "client_rival_iterates"
                          : options.isolation == LEVIN_SERIALIZABLE ? "client_rival_reads"
                                                                    : "client_rival_writes",
                          op->space, op->key, (levin_slice){ NULL, 0 });
    if (code == LEVIN_OK && options.isolation == LEVIN_SERIALIZABLE) {
        code = iterates ? look_at(t, ks, op, random_below(forms, 2))
                        : levin_txn_contains_in(t, ks, op->key.data, op->key.size);
        code = code == LEVIN_OK || code == LEVIN_NOT_FOUND ? levin_txn_put(t, "rival", 5, "", 0) : code;
    } else if (code == LEVIN_OK) {
        code = levin_txn_put_in(t, ks, op->key.data, op->key.size, "rival", 5);
    }
    if (code == LEVIN_OK)
        return t;
    levin_txn_destroy(t);
    workload_failed(r, code, "a transaction");
    return NULL;
}

bool workload_rival_refused(runner *r, levin_txn *rival)
{
    workload_script_call(script_of(r), "client_rival_refused(c)");
    levin_code code = levin_txn_commit(rival, LEVIN_NONE);
    levin_txn_destroy(rival);
    r->result->counts.conflicts += code == LEVIN_CONFLICT;
    if (code == LEVIN_OK)
        oracle_fault(&r->result->verdict, "EXACT", "a transaction was committed, but what it depends on was changed");
    return code != LEVIN_OK && (code == LEVIN_CONFLICT || workload_failed(r, code, "levin_txn_commit"));
}
