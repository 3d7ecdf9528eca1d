/*
 * txn_set.c - a transaction's own operations.  Purpose and invariants: txn_set.h.
 *
 * Concurrency: none; a transaction belongs to one thread at a time.  Crash safety: memory only.
 */
#include "txn_set.h"

#include <assert.h>
#include <string.h>

#include "file.h"

enum { SET_CHUNK_BYTES = 4096 }; /* most transactions are small */

void txn_set_fini(txn_set *set)
{
    if (set->table)
        memtable_unref(set->table);
    *set = (txn_set){ 0 };
}

size_t txn_set_bytes(const txn_set *set)
{
    return set->table ? memtable_bytes(set->table) : 0;
}

static void roots_take(txn_set *set)
{
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++)
        set->of[domain] = memtable_roots(set->table, domain);
}

static void recycle_replaced(txn_set *set)
{
    for (mem_node *node; set->holders == 0 && (node = mem_node_list_pop(&set->replaced));)
        memtable_recycle(set->table, node);
}

levin_code txn_set_put(txn_set *set, const levin_io *io, const uint8_t *record, levin_error *error)
{
    const size_t bytes = record_bytes(record);
    mem_node_list replaced = { 0 };
    if (!set->table)
        set->table = memtable_create(io, SET_CHUNK_BYTES);
    uint8_t *copy = set->table ? arena_reserve(memtable_arena(set->table), bytes) : NULL;
    if (!copy)
        return error_memory(error, bytes);
    memcpy(copy, record, bytes);
    memtable_begin(set->table, set->group + 1);
    if (!memtable_apply(set->table, copy)) {
        memtable_abort(set->table);
        arena_trim(memtable_arena(set->table), copy, bytes, 0);
        return error_memory(error, bytes);
    }
    set->group++;
    (void)memtable_finish(set->table, &replaced);
    roots_take(set);
    mem_node_list_append(&set->replaced, &replaced);
    recycle_replaced(set);
    return LEVIN_OK;
}

void txn_set_save(const txn_set *set, txn_saved *saved)
{
    *saved = (txn_saved){ .replaced = set->replaced };
    if (set->table)
        memtable_save(set->table, &saved->table);
}

void txn_set_restore(txn_set *set, const txn_saved *saved)
{
    assert(set->holders > 0);
    if (!set->table)
        return;
    set->replaced = saved->replaced; /* nothing was taken off it: the roots are held */
    memtable_restore(set->table, &saved->table);
    roots_take(set);
}

void txn_set_hold(txn_set *set)
{
    set->holders++;
}

void txn_set_let_go(txn_set *set)
{
    assert(set->holders > 0);
    set->holders--;
    recycle_replaced(set);
}
