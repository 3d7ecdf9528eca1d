/*
 * txn_scan.c - what iterators of a transaction have seen.  Purpose: txn_scan.h.
 *
 * Invariants: a stretch never shrinks; what was seen is in a range of the set or in the stretch of an open scan at any
 * moment, whatever fails: a stretch is copied to a range of its size, and when there is no memory for the copy it is
 * handed over itself.
 * Concurrency: none; a transaction belongs to one thread at a time.  Crash safety: memory only.
 */
#include "txn_scan.h"

#include <string.h>

#include "codec.h"
#include "file.h"

static txn_range *range_alloc(txn_ranges *set, size_t key_bytes)
{
    const size_t bytes = sizeof(txn_range) + key_bytes;
    txn_range *r = io_alloc(set->io, bytes);
    if (r) {
        *r = (txn_range){ .bytes = bytes };
        set->bytes += bytes;
    }
    return r;
}

static void range_free(txn_ranges *set, txn_range *r)
{
    if (!r)
        return;
    set->bytes -= r->bytes;
    io_free(set->io, r, r->bytes);
}

void txn_ranges_fini(txn_ranges *set)
{
    for (txn_range *r = set->ranges, *next; r; r = next) {
        next = r->next;
        range_free(set, r);
    }
    set->ranges = NULL;
}

/* Sets one end; the two have a half each of the keys' room. */
static void end_set(levin_slice *end, bool *exclusive, uint8_t *room, levin_slice key, bool key_exclusive)
{
    *exclusive = key.data && key_exclusive;
    *end = (levin_slice){ NULL, 0 };
    if (!key.data)
        return;
    if (key.size)
        memcpy(room, key.data, key.size);
    *end = (levin_slice){ room, key.size };
}

/* Where a lies to b, each a low end (side -1) or a high end (side 1) of its own kind; below 0: further down. */
static int end_compare(levin_slice a, bool a_exclusive, levin_slice b, bool b_exclusive, int side)
{
    if (!a.data || !b.data)
        return !a.data && !b.data ? 0 : !a.data ? side : -side;
    int c = key_compare(a.data, a.size, b.data, b.size);
    return c ? c : (int)b_exclusive * side - (int)a_exclusive * side;
}

static bool range_holds(const txn_range *outer, const txn_range *inner)
{
    return outer->domain == inner->domain &&
           end_compare(outer->low, outer->low_exclusive, inner->low, inner->low_exclusive, -1) <= 0 &&
           end_compare(outer->high, outer->high_exclusive, inner->high, inner->high_exclusive, 1) >= 0;
}

static void range_push(txn_ranges *set, txn_range *r)
{
    r->next = set->ranges;
    set->ranges = r;
}

/* The scan may be without room after that. */
void txn_scan_leave(txn_scan *scan)
{
    txn_ranges *set = scan->of;
    txn_range *seen = scan->range;
    if (!scan->seeing)
        return;
    scan->seeing = false;
    if (set->ranges && range_holds(set->ranges, seen))
        return;
    txn_range *copy = range_alloc(set, seen->low.size + seen->high.size);
    if (!copy) {
        scan->range = NULL;
        range_push(set, seen);
        return;
    }
    copy->domain = seen->domain;
    end_set(&copy->low, &copy->low_exclusive, copy->keys, seen->low, seen->low_exclusive);
    end_set(&copy->high, &copy->high_exclusive, copy->keys + seen->low.size, seen->high, seen->high_exclusive);
    range_push(set, copy);
}

levin_code txn_scan_create(txn_ranges *set, txn_set *own, unsigned domain, bool tracking, txn_scan **scan,
                           levin_error *error)
{
    *scan = io_alloc(set->io, sizeof **scan);
    if (!*scan)
        return error_memory(error, sizeof **scan);
    **scan = (txn_scan){ .of = set, .own = own, .domain = domain, .tracking = tracking, .next = set->scans,
                         .link = &set->scans };
    txn_set_hold(own);
    if (set->scans)
        set->scans->link = &(*scan)->next;
    set->scans = *scan;
    set->bytes += sizeof **scan;
    return LEVIN_OK;
}

void txn_scan_end(txn_scan *scan)
{
    txn_ranges *set = scan->of;
    txn_scan_leave(scan);
    range_free(set, scan->range);
    txn_set_let_go(scan->own);
    *scan->link = scan->next;
    if (scan->next)
        scan->next->link = scan->link;
    set->bytes -= sizeof *scan;
    io_free(set->io, scan, sizeof *scan);
}

/* An end that is longer than any key: of the keys with its first bytes all lie before it. */
static void end_cut(const txn_ranges *set, levin_slice *key, bool *exclusive, bool low)
{
    if (key->size <= set->key_max_bytes)
        return;
    key->size = set->key_max_bytes;
    *exclusive = low;
}

levin_code txn_scan_begin(txn_scan *scan, bool forward, levin_slice start, bool exclusive, levin_error *error)
{
    txn_ranges *set = scan->of;
    const size_t room = 2 * set->key_max_bytes;
    if (!scan->tracking)
        return LEVIN_OK;
    txn_scan_leave(scan);
    if (set->bytes + room > set->limit_bytes)
        return error_set(error, LEVIN_TOO_BIG, NULL,
                         "the transaction holds %zu bytes for the ranges that it has seen: its limit is %llu",
                         set->bytes, (unsigned long long)set->limit_bytes);
    if (!scan->range)
        scan->range = range_alloc(set, room);
    if (!scan->range)
        return error_memory(error, room);
    end_cut(set, &start, &exclusive, forward);
    txn_range *r = scan->range;
    r->domain = scan->domain;
    end_set(&r->low, &r->low_exclusive, r->keys, start, exclusive);
    end_set(&r->high, &r->high_exclusive, r->keys + set->key_max_bytes, start, exclusive);
    scan->seeing = true;
    scan->reached = false;
    return LEVIN_OK;
}

void txn_scan_extend(txn_scan *scan, bool forward, levin_slice to, bool exclusive)
{
    txn_range *r = scan->range;
    if (!scan->seeing)
        return;
    end_cut(scan->of, &to, &exclusive, !forward);
    if (forward && (!scan->reached || end_compare(to, exclusive, r->high, r->high_exclusive, 1) > 0))
        end_set(&r->high, &r->high_exclusive, r->keys + scan->of->key_max_bytes, to, exclusive);
    if (!forward && (!scan->reached || end_compare(to, exclusive, r->low, r->low_exclusive, -1) < 0))
        end_set(&r->low, &r->low_exclusive, r->keys, to, exclusive);
    scan->reached = true;
}
