/*
 * workload_keyspace.c - the steps of a plan that make and drop named keyspaces, and the handles of a run.
 *
 * The runner has those open that the model says are there.  With faults one may fail to open, and in a short life after
 * a recovery the plan does not know which there are: operations in a keyspace that is not open are left out, for the
 * store as for the model.  A drop comes with batches before it in its group, and with what must be refused behind it.
 */
#include "workload_runner.h"

void workload_spaces_close(levin_keyspace **spaces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        levin_keyspace_close(spaces[i]);
        spaces[i] = NULL;
    }
}

bool workload_spaces_open(runner *r)
{
    for (unsigned space = 1; space < PLAN_SPACES; space++) {
        const levin_slice name = plan_space_name(space);
        if (r->spaces[space] || !oracle_has_space(r->target->o, oracle_accepted(r->target->o), model_space(r, space)))
            continue;
        levin_code code = levin_keyspace_open(r->store, name.data, name.size, 0, &r->spaces[space]);
        if (code != LEVIN_OK && !workload_failed(r, code, "opening a keyspace that is there"))
            return false;
    }
    return true;
}

/* Also one that the model has and the runner could not open. */
bool workload_step_make(runner *r, unsigned space)
{
    const levin_slice name = plan_space_name(space);
    oracle *o = r->target->o;
    if (r->spaces[space])
        return true;
    workload_script_bytes(script_of(r), "client_keyspace", space, name, (levin_slice){ NULL, 0 });
    if (oracle_has_space(o, oracle_accepted(o), model_space(r, space)))
        return workload_spaces_open(r);
    oracle_create_space(o, model_space(r, space));
    const uint32_t number = oracle_submit(o, LEVIN_SYNCED, runner_now(r));
    levin_code code = levin_keyspace_open(r->store, name.data, name.size, LEVIN_KEYSPACE_EXCLUSIVE, &r->spaces[space]);
    r->result->counts.keyspaces += code == LEVIN_OK;
    return workload_answered(r, number, code, NULL);
}

/* A transaction that has read the keyspace, or written to it. NULL: a call failed. */
static levin_txn *drop_rival(runner *r, unsigned space, bool writes)
{
    levin_txn *t;
    levin_code code = levin_txn_begin(r->store, NULL, &t);
    workload_script_bytes(script_of(r), writes ? "client_rival_writes" : "client_rival_reads", space,
                          (levin_slice){ "rival", 5 }, (levin_slice){ NULL, 0 });
    if (code == LEVIN_OK)
        code = writes ? levin_txn_put_in(t, r->spaces[space], "rival", 5, "", 0)
                      : levin_txn_contains_in(t, r->spaces[space], "rival", 5);
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        code = levin_txn_put(t, "rival", 5, "", 0);
    if (code == LEVIN_OK)
        return t;
    levin_txn_destroy(t);
    workload_failed(r, code, "a transaction");
    return NULL;
}

/* The keyspace is gone: its old handle, a batch filled before and the rival are refused. */
static bool drop_is_final(runner *r, unsigned space, bool filled, levin_txn *rival)
{
    levin_code code = levin_contains_in(r->store, r->spaces[space], NULL, "k", 1);
    if (code == LEVIN_NO_KEYSPACE && filled)
        code = levin_write(r->store, r->batches[GROUP_BATCHES_MAX - 1], LEVIN_NONE);
    if (rival)
        workload_script_call(script_of(r), "client_rival_refused(c)");
    if (code == LEVIN_NO_KEYSPACE && rival) {
        code = levin_txn_commit(rival, LEVIN_NONE);
        r->result->counts.conflicts += code == LEVIN_CONFLICT;
        code = code == LEVIN_CONFLICT ? LEVIN_NO_KEYSPACE : code;
    }
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        oracle_fault(&r->result->verdict, "EXACT", "a keyspace was used after it was dropped");
    if (code == LEVIN_NO_KEYSPACE)
        return true;
    return code != LEVIN_OK && code != LEVIN_NOT_FOUND && workload_failed(r, code, "using a dropped keyspace");
}

/* A drop that failed leaves the keyspace as it was: it is written to. */
static bool write_after_failed_drop(runner *r, unsigned space)
{
    static const levin_slice key = { "k", 1 }, value = { "not dropped", 11 };
    workload_script_bytes(script_of(r), "client_put", space, key, value);
    workload_script_call(script_of(r), "client_write(c, LEVIN_NONE)");
    oracle_put_in(r->target->o, model_space(r, space), key, value);
    const uint32_t number = oracle_submit(r->target->o, LEVIN_NONE, runner_now(r));
    levin_code code = levin_put_in(r->store, r->spaces[space], key.data, key.size, value.data, value.size, LEVIN_NONE);
    return workload_answered(r, number, code, NULL);
}

/* Batches, some of which write to it, are outstanding meanwhile: one group, in which the drop comes last. */
bool workload_step_drop(runner *r, const plan_step *s)
{
    const unsigned space = (unsigned)(s->argument % PLAN_SPACES);
    const uint64_t rest = s->argument / PLAN_SPACES;
    const levin_slice name = plan_space_name(space);
    const levin_durability durability = (levin_durability)(rest % 3);
    submission *const all = r->group;
    size_t count = 0;
    bool going = true;
    if (!r->spaces[space])
        return true;
    levin_batch *const behind = r->batches[GROUP_BATCHES_MAX - 1];
    levin_batch_clear(behind);
    const bool filled = levin_batch_put_in(behind, r->spaces[space], "k", 1, "", 0) == LEVIN_OK;
    levin_txn *rival = rest / 3 % 2 ? drop_rival(r, space, rest / 6 % 2) : NULL;
    for (size_t i = 0; i < s->batches && going; i++) {
        const plan_batch *b = &r->w->batches[s->first_batch + i];
        all[count] = (submission){ .r = r, .form = FORM_WAIT, .batch = b, .going = true };
        if (!workload_fill(r, b, r->batches[i]))
            going = r->target->faults;
        else
            going = workload_submit_one(r, &all[count], r->batches[i], &count);
    }
    levin_code code = LEVIN_PENDING;
    if (going) {
        oracle_drop_space(r->target->o, model_space(r, space));
        const uint32_t number = oracle_submit(r->target->o, durability, runner_now(r));
        workload_script_call(script_of(r), "client_keyspace_drop(c, %u, %s)", space,
                             workload_script_durability(durability));
        code = levin_keyspace_drop(r->store, name.data, name.size, durability);
        going = workload_answered(r, number, code, NULL);
    }
    for (size_t i = 0; i < count; i++)
        going = workload_finish_ticket(r, &all[i], false, false) && going;
    if (going && code == LEVIN_OK) {
        going = drop_is_final(r, space, filled, rival);
        r->result->counts.keyspace_drops++;
        levin_keyspace_close(r->spaces[space]);
        r->spaces[space] = NULL;
    }
    levin_txn_destroy(rival);
    return code == LEVIN_OK || !going ? going : write_after_failed_drop(r, space);
}
