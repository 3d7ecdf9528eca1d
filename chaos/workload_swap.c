/*
 * workload_swap.c - a batch of a workload written as a compare-and-swap, after one that must be refused.
 */
#include "../faults/swap.h"
#include "workload_runner.h"

const plan_op *workload_swappable(const runner *r, const plan_batch *b)
{
    const plan_op *only = NULL;
    for (size_t i = 0; i < b->ops; i++) {
        const plan_op *op = &r->w->ops[b->first_op + i];
        if (left_out(r, op))
            continue;
        if (only || op->reach != REACH_KEY)
            return NULL;
        only = op;
    }
    return only;
}

levin_code workload_swap(runner *r, const plan_op *op, levin_durability durability)
{
    const char *flaw;
    levin_code code = swap_key(r->store, r->spaces[op->space], op->key, op->deletes ? NULL : &op->value, durability,
                               &flaw);
    if (flaw)
        oracle_fault(&r->result->verdict, "EXACT", "%s", flaw);
    r->result->counts.swaps += code == LEVIN_OK;
    return code;
}
