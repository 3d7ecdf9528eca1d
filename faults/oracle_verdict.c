/*
 * oracle_verdict.c - says which promise was broken, and how, when a store is in no legal state.
 *
 * Slow on purpose: it runs once per failure. The cases, in this order: the store equals a state that is not legal
 * now (lost past a sync, failed batch come back, ...); it equals a state and a part of one batch; one batch is
 * missing under later ones; otherwise the differences from the nearest legal state.
 */
#include <stdio.h>
#include <string.h>

#include "oracle_model.h"

typedef struct difference {
    const oracle_key *known;          /* NULL: a key that was never written */
    uint32_t space;
    levin_slice key;
    const oracle_version *expected;   /* NULL: absent */
    const levin_slice *found;         /* NULL: absent */
    levin_slice found_storage;
} difference;

enum { DIFFERENCES_KEPT = 64 };
typedef struct difference_list {
    difference items[DIFFERENCES_KEPT];
    size_t kept, count;
} difference_list;

static levin_slice scanned_key(const oracle_scan *scan, size_t i)
{
    return (levin_slice){ scan->bytes + scan->entries[i].key_at, scan->entries[i].key_bytes };
}

static levin_slice scanned_value(const oracle_scan *scan, size_t i)
{
    return (levin_slice){ scan->bytes + scan->entries[i].value_at, scan->entries[i].value_bytes };
}

static void difference_add(difference_list *list, const oracle_key *known, uint32_t space, levin_slice key,
                           const oracle_version *expected, const levin_slice *found)
{
    if (list->kept < DIFFERENCES_KEPT) {
        difference *d = &list->items[list->kept++];
        *d = (difference){ .known = known, .space = space, .key = key, .expected = expected };
        if (found) {
            d->found_storage = *found;
            d->found = &d->found_storage;
        }
    }
    list->count++;
}

static int scanned_compare(const oracle_scan *scan, size_t i, const oracle_key *known)
{
    return oracle_compare_in(scan->entries[i].space, scanned_key(scan, i), known->space, known->key);
}

/* What was scanned against a state. */
static void compare_with(const oracle_scan *scan, uint32_t state, difference_list *list)
{
    const oracle *o = scan->o;
    size_t i = 0;
    list->kept = list->count = 0;
    for (size_t k = 0; k < o->key_count; k++) {
        const oracle_key *known = o->keys[k];
        for (; i < scan->count && scanned_compare(scan, i, known) < 0; i++) {
            levin_slice value = scanned_value(scan, i);
            difference_add(list, NULL, scan->entries[i].space, scanned_key(scan, i), NULL, &value);
        }
        const oracle_version *expected = oracle_visible(o, known, state);
        bool there = i < scan->count && scanned_compare(scan, i, known) == 0;
        levin_slice value = there ? scanned_value(scan, i) : (levin_slice){ 0 };
        i += there;
        if (there != (expected != NULL) || (there && !oracle_same(value, expected->value)))
            difference_add(list, known, known->space, known->key, expected, there ? &value : NULL);
    }
    for (; i < scan->count; i++) {
        levin_slice value = scanned_value(scan, i);
        difference_add(list, NULL, scan->entries[i].space, scanned_key(scan, i), NULL, &value);
    }
}

void oracle_explain_state(const oracle *o, const oracle_legal *legal, uint32_t state, oracle_verdict *verdict)
{
    const oracle_batch *b = &o->batches[state];
    const char *when = legal->live          ? "in the open store"
                       : legal->process_end ? "after the end of the process"
                                            : "after the crash";
    verdict->state = state;
    if (b->fate == FATE_FAILED && (legal->live || state <= legal->barrier))
        oracle_fault(verdict, "POISON", "batch %u had failed and %s it is there%s", state, when,
                     legal->live ? "" : ", although the store has accepted writes since");
    else if (state < legal->first)
        oracle_fault(verdict, legal->live ? "EXACT" : "DURABLE",
                     "%s the store is as after batch %u, but batch %u was acknowledged%s: %u batches are lost", when,
                     state, legal->first, legal->live ? "" : legal->process_end ? " as logged" : " as durable",
                     legal->first - state);
    else if (state > legal->last)
        oracle_fault(verdict, legal->live ? "EXACT" : "PREFIX",
                     "%s the store is as after batch %u, but the last one %s was %u", when, state,
                     legal->live ? "to be seen" : "submitted", legal->last);
    else
        oracle_fault(verdict, "PREFIX", "%s the store is as after batch %u, which is not a legal state", when, state);
}

/* Whether the store equals state(b - 1) and some, not all, of the operations of b. */
static bool half_a_batch(oracle_scan *scan, uint32_t b, difference_list *list, oracle_verdict *verdict)
{
    const oracle *o = scan->o;
    if (o->batches[b].key_count < 2 || o->batches[b].fate == FATE_VOID)
        return false;
    compare_with(scan, b, list);
    size_t missing = list->count;
    char text[ORACLE_PLACE_BYTES];
    if (missing == 0 || missing > list->kept)
        return false;
    for (size_t i = 0; i < list->kept; i++) { /* each difference is an operation of b not done */
        const difference *d = &list->items[i];
        bool of_batch = false;
        for (size_t k = 0; k < o->batches[b].key_count; k++)
            of_batch |= o->batches[b].keys[k] == d->known;
        const oracle_version *before = d->known ? oracle_visible(o, d->known, b - 1) : NULL;
        if (!of_batch || (before != NULL) != (d->found != NULL) || (before && !oracle_same(before->value, *d->found)))
            return false;
    }
    oracle_place(o, list->items[0].space, list->items[0].key, text);
    compare_with(scan, b - 1, list);
    if (list->count == 0)
        return false; /* wholly absent */
    oracle_fault(verdict, "ATOMIC",
                 "batch %u is there in part: %zu of its changes are, %zu are not, among them that of key %s", b,
                 list->count, missing, text);
    return true;
}

/* Whether each difference from state s is that one batch's changes are missing under later ones. */
static bool hole(const oracle_scan *scan, uint32_t s, difference_list *list, oracle_verdict *verdict)
{
    const oracle *o = scan->o;
    compare_with(scan, s, list);
    if (list->count == 0 || list->count > list->kept)
        return false;
    uint32_t missing = 0;
    for (size_t i = 0; i < list->kept; i++) {
        const difference *d = &list->items[i];
        if (!d->known)
            return false;
        uint32_t writer = 0; /* the batch that made the expected version */
        for (uint32_t v = d->known->count; v-- > 0 && !writer;)
            if (d->known->versions[v].batch <= s && o->batches[d->known->versions[v].batch].fate != FATE_VOID)
                writer = d->known->versions[v].batch;
        if (writer == 0 || (missing && missing != writer))
            return false;
        missing = writer;
        const oracle_version *before = oracle_visible(o, d->known, writer - 1);
        if ((before != NULL) != (d->found != NULL) || (before && !oracle_same(before->value, *d->found)))
            return false;
    }
    if (missing >= s)
        return false;
    char text[ORACLE_PLACE_BYTES];
    oracle_fault(verdict, "PREFIX",
                 "a hole: %zu changes of batch %u are missing (key %s) under batch %u, which is there", list->count,
                 missing, oracle_place(o, list->items[0].space, list->items[0].key, text), s);
    return true;
}

static void first_difference(const oracle *o, const difference *d, char *text, size_t capacity)
{
    char key[ORACLE_PLACE_BYTES], found[160], expected[120];
    oracle_place(o, d->space, d->key, key);
    if (!d->known) {
        snprintf(text, capacity, "key %s (%zu value bytes) was never written", key, d->found->size);
        return;
    }
    if (d->expected)
        snprintf(expected, sizeof expected, "the %zu bytes of batch %u", d->expected->value.size, d->expected->batch);
    else
        snprintf(expected, sizeof expected, "nothing");
    if (!d->found) {
        snprintf(found, sizeof found, "nothing");
    } else {
        snprintf(found, sizeof found, "%zu bytes that nobody wrote there", d->found->size);
        for (uint32_t v = d->known->count; v-- > 0;)
            if (!d->known->versions[v].deleted && oracle_same(d->known->versions[v].value, *d->found)) {
                uint32_t batch = d->known->versions[v].batch;
                snprintf(found, sizeof found, "the %zu bytes of batch %u%s", d->found->size, batch,
                         o->batches[batch].fate == FATE_FAILED ? ", which failed"
                         : o->batches[batch].fate == FATE_VOID ? ", which was refused" : "");
                break;
            }
    }
    snprintf(text, capacity, "key %s holds %s, not %s", key, found, expected);
}

void oracle_diagnose(oracle_scan *scan, const oracle_legal *legal, oracle_verdict *verdict)
{
    oracle *o = scan->o;
    uint32_t last = oracle_last_batch(o);
    difference_list list;
    oracle_state_digest(o, last);
    for (uint32_t i = 0; i <= last; i++) { /* the newest such state explains best */
        uint32_t s = last - i;
        if (o->batches[s].fate != FATE_VOID && o->batches[s].digest == scan->digest &&
            o->batches[s].pairs == scan->count && (compare_with(scan, s, &list), list.count == 0)) {
            oracle_explain_state(o, legal, s, verdict);
            return;
        }
    }
    for (uint32_t b = legal->last; b > 0; b--)
        if (half_a_batch(scan, b, &list, verdict))
            return;
    for (uint32_t s = legal->last + 1; s-- > legal->first;)
        if (hole(scan, s, &list, verdict))
            return;
    uint32_t nearest = legal->first;
    size_t least = SIZE_MAX;
    for (uint32_t s = legal->first; s <= legal->last; s++) {
        compare_with(scan, s, &list);
        if (oracle_is_legal(o, legal, s) && list.count < least) {
            least = list.count;
            nearest = s;
        }
    }
    compare_with(scan, nearest, &list);
    char text[480];
    first_difference(o, &list.items[0], text, sizeof text);
    oracle_fault(verdict, "EXACT", "no legal state (batch %u to %u); nearest is batch %u with %zu keys different: %s",
                 legal->first, legal->last, nearest, list.count, text);
}
