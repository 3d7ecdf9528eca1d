/*
 * workload_load.c - a batch of a workload written as a sorted bulk load.
 */
#include <string.h>

#include "workload_runner.h"

enum { LOAD_OPS_MAX = 256 };

static int op_compare(const plan_op *a, const plan_op *b)
{
    const size_t common = a->key.size < b->key.size ? a->key.size : b->key.size;
    const int c = memcmp(a->key.data, b->key.data, common);
    return c ? c : (a->key.size > b->key.size) - (a->key.size < b->key.size);
}

bool workload_loadable(const runner *r, const plan_batch *b)
{
    const plan_op *first = NULL;
    for (size_t i = 0; i < b->ops; i++) {
        const plan_op *op = &r->w->ops[b->first_op + i];
        if (op->off)
            continue;
        first = first ? first : op;
        if (op->deletes || op->reach != REACH_KEY || left_out(r, op) || op->space != first->space)
            return false;
    }
    return first && b->ops <= LOAD_OPS_MAX;
}

levin_code workload_load(runner *r, const plan_batch *b)
{
    const plan_op *sorted[LOAD_OPS_MAX] = { NULL };
    size_t count = 0;
    for (size_t i = 0; i < b->ops; i++) { /* of two puts of a key the later one counts */
        const plan_op *op = &r->w->ops[b->first_op + i];
        size_t at = count;
        if (op->off)
            continue;
        while (at && op_compare(op, sorted[at - 1]) < 0)
            at--;
        const bool again = at && op_compare(op, sorted[at - 1]) == 0;
        if (!again)
            memmove(sorted + at + 1, sorted + at, (count++ - at) * sizeof *sorted);
        sorted[again ? at - 1 : at] = op;
    }
    levin_bulk_load *load;
    levin_code code = levin_bulk_load_begin(r->store, r->spaces[sorted[0]->space], &load);
    for (size_t i = 0; i < count && code == LEVIN_OK; i++)
        code = levin_bulk_load_add(load, sorted[i]->key.data, sorted[i]->key.size, sorted[i]->value.data,
                                   sorted[i]->value.size);
    if (code == LEVIN_OK)
        code = levin_bulk_load_commit(load);
    levin_bulk_load_destroy(load);
    r->result->counts.loads += code == LEVIN_OK;
    return code;
}
