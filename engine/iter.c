/*
 * iter.c - iterators: an ordered merge of memtable, frozen memtable and page tree of one version, inside bounds; of a
 * transaction also of what it has written itself, above them.
 *
 * Forward, every source stands at its first key at or after the current one, and the current pair is that of the
 * smallest key; backward the same mirrored.  Of equal keys the newest source wins and the others step along with it.
 * Deletes are passed over.  A source that comes up with a key that a mask above it hides is taken past the deleted
 * range by one seek; the stretch of the mask around its key is remembered, so that the next keys cost a comparison.
 * A turn of direction puts every source on the other side of the current key.
 *
 * Prefix and bounds become one lower and one upper bound when the iterator is opened, so a move compares with at most
 * one.
 *
 * Runs.  Most pairs come from the tree, with nothing of a memtable between them.  How many more of the leaf do, inside
 * the bounds, is found once for a leaf by searching it for the bound and for the keys at which the memtables stand; so
 * many moves are then a step to the next slot and nothing else.
 *
 * Scans.  An iterator of a serializable transaction tells which stretch of keys it has seen: from where it was put, as
 * far as it went, one way or the other.  The current pair is looked at when the direction turns, when the iterator is
 * put elsewhere or closed, and at the commit; moves cost nothing.
 *
 * Concurrency: an iterator belongs to one thread; it holds a reference on its version, so writers do not disturb it.
 * An error of the tree (damage, a failed read) makes the iterator invalid and is kept as its status: never an early
 * end.
 */
#include <assert.h>
#include <string.h>

#include "iter.h"
#include "keyspace.h"
#include "read.h"
#include "txn_scan.h"

enum { RUN_AHEAD = 24 }; /* pairs before the end of a leaf where the next one is asked for */

enum { SOURCE_OWN, SOURCE_MEM, SOURCE_FROZEN, SOURCE_TREE, SOURCE_COUNT, SOURCE_NONE = SOURCE_COUNT };

typedef enum iter_direction { ITER_FORWARD = 1, ITER_BACKWARD = -1 } iter_direction;

typedef struct iter_bound {
    uint8_t *key; /* in the iterator's memory; NULL: unbounded */
    size_t bytes;
    bool inclusive;
} iter_bound;

/* Who hides keys of a source, and the stretch where it stood when that was looked up. */
typedef struct iter_hiding {
    int source;
    const mem_node *mask; /* NULL: nobody */
    mem_stretch stretch;
    bool known;
} iter_hiding;

struct levin_iter {
    levin *store;
    unsigned domain;
    size_t skip;                /* bytes in front of the user's key: the id of a named keyspace */
    uint8_t id[KEYSPACE_ID_BYTES];
    const version *v;           /* referenced */
    int newest;                 /* the first source: SOURCE_OWN or SOURCE_MEM */
    mem_cursor mem[SOURCE_TREE];
    reader_entry entry;         /* in store->readers */
    tree_cursor tree;
    bool masked;                /* there is a mask at all */
    iter_hiding hiding[6];      /* every source by the masks above it */
    iter_bound lower, upper;
    bool empty;                 /* the bounds leave nothing */
    int current;                /* the source that has the current pair; SOURCE_NONE: invalid */
    iter_direction direction;
    levin_code status;
    unsigned run[2];            /* forward, backward: pairs that are one slot further each; 0 against `direction` */
    unsigned run_rest;          /* pairs that follow these, the leaf beside being asked for first */
    const uint8_t *run_leaf;    /* where a run was looked for last */
    uint8_t *value;             /* an extent's value, read on demand */
    size_t value_capacity, value_bytes;
    bool value_loaded;
    txn_scan *scan;             /* NULL: nobody wants to know what is seen */
    size_t bytes;               /* of the iterator */
    uint8_t saved_key[];        /* of the current pair, during a turn; then the tree cursor's key; then the bounds */
};

/* ---- sources ---- */

static bool source_valid(const levin_iter *it, int source)
{
    return source == SOURCE_TREE ? tree_cursor_valid(&it->tree) : mem_cursor_valid(&it->mem[source]);
}

static levin_slice source_key(const levin_iter *it, int source)
{
    if (source == SOURCE_TREE)
        return (levin_slice){ it->tree.key, it->tree.key_bytes };
    const uint8_t *record = mem_cursor_record(&it->mem[source]);
    return (levin_slice){ record_key(record), record_key_bytes(record) };
}

static bool iter_fail(levin_iter *it, levin_code code, const levin_error *error)
{
    it->current = SOURCE_NONE;
    it->status = code;
    (void)db_fail(it->store, error);
    return false;
}

/* Moves the tree cursor by one of its functions; false on an error, which is kept. */
static bool tree_moved(levin_iter *it, levin_code code, const levin_error *error)
{
    return code == LEVIN_OK || code == LEVIN_NOT_FOUND || iter_fail(it, code, error);
}

static bool source_step(levin_iter *it, int source)
{
    levin_error error;
    if (source == SOURCE_TREE) {
        levin_code code = it->direction == ITER_FORWARD ? tree_cursor_next(&it->tree, &error)
                                                        : tree_cursor_prev(&it->tree, &error);
        return tree_moved(it, code, &error);
    }
    if (it->direction == ITER_FORWARD)
        mem_cursor_next(&it->mem[source]);
    else
        mem_cursor_prev(&it->mem[source]);
    return true;
}

/* The source has no key any more in the direction of travel. */
static void source_end(levin_iter *it, int source)
{
    if (source == SOURCE_TREE)
        tree_cursor_end(&it->tree);
    else
        it->mem[source].height = 0;
}

/* Puts one source at the first key at or after `key` (last at or before, backward); NULL: the very first (last). */
static bool source_seek(levin_iter *it, int source, const uint8_t *key, size_t bytes)
{
    levin_error error;
    levin_code code;
    bool forward = it->direction == ITER_FORWARD;
    if (source != SOURCE_TREE) {
        mem_cursor *c = &it->mem[source];
        if (!c->root)
            return true;
        if (!key)
            forward ? mem_cursor_first(c) : mem_cursor_last(c);
        else
            forward ? mem_cursor_seek(c, key, bytes) : mem_cursor_seek_for_prev(c, key, bytes);
        return true;
    }
    if (!key)
        code = forward ? tree_cursor_first(&it->tree, &error) : tree_cursor_last(&it->tree, &error);
    else
        code = forward ? tree_cursor_seek(&it->tree, key, bytes, &error)
                       : tree_cursor_seek_for_prev(&it->tree, key, bytes, &error);
    return tree_moved(it, code, &error);
}

/* The same for all sources. */
static bool sources_seek(levin_iter *it, const uint8_t *key, size_t bytes)
{
    bool good = true;
    for (int s = it->newest; s < SOURCE_COUNT && good; s++)
        good = source_seek(it, s, key, bytes);
    return good;
}

/* ---- what masks hide ---- */

/* The deleted range that hides the key at which the source stands, or NULL. */
static const mem_stretch *source_hidden(levin_iter *it, int source)
{
    levin_slice key = source_key(it, source);
    for (size_t i = 0; i < sizeof it->hiding / sizeof *it->hiding; i++) {
        iter_hiding *h = &it->hiding[i];
        if (h->source != source || !h->mask)
            continue;
        if (!h->known || !mem_stretch_holds(&h->stretch, key.data, key.size))
            mem_mask_stretch(h->mask, key.data, key.size, &h->stretch);
        h->known = true;
        if (h->stretch.deleted)
            return &h->stretch;
    }
    return NULL;
}

/* Takes the source past the deleted range in the direction of travel. */
static bool source_pass(levin_iter *it, int source, const mem_stretch *deleted)
{
    if (it->direction == ITER_FORWARD) {
        if (deleted->upper.data)
            return source_seek(it, source, deleted->upper.data, deleted->upper.size);
        source_end(it, source);
        return true;
    }
    if (!source_seek(it, source, deleted->lower.data, deleted->lower.size))
        return false;
    if (!source_valid(it, source))
        return true;
    levin_slice key = source_key(it, source); /* the range's first key belongs to it */
    return key_compare(key.data, key.size, deleted->lower.data, deleted->lower.size) != 0 || source_step(it, source);
}

/* ---- choosing the current pair ---- */

/* The source with the smallest (backward: largest) key; of equal keys the newest. */
static int sources_choose(const levin_iter *it)
{
    int best = SOURCE_NONE;
    levin_slice best_key = { NULL, 0 };
    for (int s = it->newest; s < SOURCE_COUNT; s++) {
        if (!source_valid(it, s))
            continue;
        levin_slice key = source_key(it, s);
        int c = best == SOURCE_NONE ? -(int)it->direction
                                    : key_compare(key.data, key.size, best_key.data, best_key.size);
        if (c * (int)it->direction < 0) {
            best = s;
            best_key = key;
        }
    }
    return best;
}

/* Steps every source that stands on this key. The key may belong to one of them, so that one goes last. */
static bool sources_pass(levin_iter *it, int owner)
{
    levin_slice key = source_key(it, owner);
    for (int s = it->newest; s < SOURCE_COUNT; s++) {
        if (s == owner || !source_valid(it, s))
            continue;
        levin_slice other = source_key(it, s);
        if (key_compare(other.data, other.size, key.data, key.size) == 0 && !source_step(it, s))
            return false;
    }
    return source_step(it, owner);
}

static bool inside(const levin_iter *it, levin_slice key)
{
    if (it->direction == ITER_FORWARD) {
        if (!it->upper.key)
            return true;
        int c = key_compare(key.data, key.size, it->upper.key, it->upper.bytes);
        return c < 0 || (c == 0 && it->upper.inclusive);
    }
    if (!it->lower.key)
        return true;
    int c = key_compare(key.data, key.size, it->lower.key, it->lower.bytes);
    return c > 0 || (c == 0 && it->lower.inclusive);
}

/* ---- runs ---- */

/* The slot of the tree's leaf that the key has or would have; one more when equal keys are to be below it. */
static unsigned leaf_slot(const levin_iter *it, levin_slice key, bool past_equal)
{
    bool equal;
    unsigned slot = page_lower_bound(it->tree.leaf, it->tree.t.page_bytes, key.data, key.size, &equal);
    return slot + (equal && past_equal);
}

/* Cuts [low, high) off ahead, at the slot that the key has or would have. */
static void run_cut(const levin_iter *it, levin_slice key, bool past_equal, unsigned *low, unsigned *high)
{
    unsigned slot = leaf_slot(it, key, past_equal);
    if (it->direction == ITER_FORWARD)
        *high = slot < *high ? slot : *high;
    else
        *low = slot > *low ? slot : *low;
}

/*
 * How many more pairs of the leaf are inside the bounds, nearer than any key of the memtables, and in the stretch of
 * the masks where the current one is.
 */
static unsigned run_length(const levin_iter *it)
{
    const tree_cursor *t = &it->tree;
    bool forward = it->direction == ITER_FORWARD;
    const iter_bound *bound = forward ? &it->upper : &it->lower;
    unsigned here = t->slot[t->height - 1], low = 0, high = t->cells; /* pairs in [low, high) */
    if (bound->key)
        run_cut(it, (levin_slice){ bound->key, bound->bytes }, bound->inclusive == forward, &low, &high);
    for (int s = SOURCE_OWN; s < SOURCE_TREE; s++) {
        if (!source_valid(it, s))
            continue;
        run_cut(it, source_key(it, s), !forward, &low, &high);
    }
    for (size_t i = 0; it->masked && i < sizeof it->hiding / sizeof *it->hiding; i++) {
        const iter_hiding *h = &it->hiding[i]; /* looked up for the current key, which it does not hide */
        if (h->source != SOURCE_TREE || !h->mask)
            continue;
        levin_slice end = forward ? h->stretch.upper : h->stretch.lower;
        if (end.data)
            run_cut(it, end, false, &low, &high);
    }
    return forward ? high - 1 - here : here - low;
}

/* On a pair of the tree that is settled: looks for a run, once for a leaf. */
static void run_begin(levin_iter *it)
{
    if (it->run_leaf == it->tree.leaf)
        return;
    it->run_leaf = it->tree.leaf;
    unsigned length = run_length(it), rest = length < RUN_AHEAD ? length : RUN_AHEAD;
    it->run[it->direction == ITER_BACKWARD] = length - rest;
    it->run_rest = rest;
}

/* A run is through, but for its rest, perhaps: so the leaf beside will be wanted. False when there is no rest. */
static bool run_go_on(levin_iter *it)
{
    unsigned rest = it->run_rest;
    if (!rest)
        return false;
    tree_cursor_prefetch_leaf(&it->tree, it->direction == ITER_FORWARD);
    it->run[it->direction == ITER_BACKWARD] = rest;
    it->run_rest = 0;
    return true;
}

/* A move inside a run. */
static inline bool run_step(levin_iter *it, iter_direction direction)
{
    tree_cursor *t = &it->tree;
    it->run[direction == ITER_BACKWARD]--;
    it->value_loaded = false;
    tree_cursor_set_slot(t, t->slot[t->height - 1] + (unsigned)direction);
    tree_cursor_prefetch_cells(t, direction == ITER_FORWARD);
    return true;
}

static void run_end(levin_iter *it)
{
    it->run[0] = it->run[1] = it->run_rest = 0;
    it->run_leaf = NULL;
}

/* ---- moves ---- */

/* Settles on the first live pair from where the sources stand, in the direction of travel. */
static bool iter_settle(levin_iter *it)
{
    it->value_loaded = false;
    for (;;) {
        int s = sources_choose(it);
        it->current = SOURCE_NONE;
        if (s == SOURCE_NONE || !inside(it, source_key(it, s)))
            return false;
        if (__builtin_expect(it->masked, 0)) {
            const mem_stretch *deleted = source_hidden(it, s);
            if (deleted) {
                if (!source_pass(it, s, deleted))
                    return false;
                continue;
            }
        }
        if (s == SOURCE_TREE || record_puts(mem_cursor_record(&it->mem[s]))) {
            it->current = s;
            if (s == SOURCE_TREE)
                run_begin(it);
            return true;
        }
        if (!sources_pass(it, s))
            return false;
    }
}

void iter_scan_fold(levin_iter *it)
{
    bool forward = it->direction == ITER_FORWARD;
    const iter_bound *bound = forward ? &it->upper : &it->lower;
    levin_slice key = { bound->key, bound->bytes }; /* data NULL: unbounded */
    bool exclusive = bound->key && !bound->inclusive;
    if (it->current != SOURCE_NONE) {
        key = source_key(it, it->current);
        exclusive = false;
    }
    txn_scan_extend(it->scan, forward, key, exclusive);
}

/* A stretch begins where the iterator is put: at the key, or at the bound when that is NULL. */
static bool scan_begin(levin_iter *it, const iter_bound *bound, const uint8_t *key, size_t bytes)
{
    levin_error error;
    if (!it->scan)
        return true;
    levin_slice start = key ? (levin_slice){ key, bytes } : (levin_slice){ bound->key, bound->bytes };
    levin_code code = txn_scan_begin(it->scan, it->direction == ITER_FORWARD, start,
                                     !key && bound->key && !bound->inclusive, &error);
    return code == LEVIN_OK || iter_fail(it, code, &error);
}

static bool iter_start(levin_iter *it, iter_direction direction)
{
    run_end(it);
    if (it->scan) {
        iter_scan_fold(it);
        txn_scan_leave(it->scan);
    }
    it->direction = direction;
    it->status = LEVIN_OK;
    it->current = SOURCE_NONE;
    return !it->empty;
}

/* From a bound: all sources at its inner side. */
static bool seek_bound(levin_iter *it, const iter_bound *bound)
{
    if (!scan_begin(it, bound, NULL, 0) || !sources_seek(it, bound->key, bound->bytes))
        return false;
    if (bound->key && !bound->inclusive) {
        int s = sources_choose(it);
        if (s != SOURCE_NONE) {
            levin_slice key = source_key(it, s);
            if (key_compare(key.data, key.size, bound->key, bound->bytes) == 0 && !sources_pass(it, s))
                return false;
        }
    }
    return iter_settle(it);
}

bool levin_iter_first(levin_iter *it)
{
    return iter_start(it, ITER_FORWARD) && seek_bound(it, &it->lower);
}

bool levin_iter_last(levin_iter *it)
{
    return iter_start(it, ITER_BACKWARD) && seek_bound(it, &it->upper);
}

/*
 * The user's key with the id of the keyspace in front, in saved_key.  What is longer than any key is cut one byte
 * behind the longest: where it sorts among keys does not depend on the rest.
 */
static levin_slice key_inside(levin_iter *it, const void *key, size_t key_bytes)
{
    if (!it->skip)
        return (levin_slice){ key, key_bytes };
    const size_t most = LEVIN_KEY_MAX_BYTES(it->store->page_bytes) + 1 - it->skip;
    size_t bytes = key_bytes < most ? key_bytes : most;
    memcpy(it->saved_key, it->id, it->skip);
    memcpy(it->saved_key + it->skip, key, bytes);
    return (levin_slice){ it->saved_key, it->skip + bytes };
}

bool levin_iter_seek(levin_iter *it, const void *key, size_t key_bytes)
{
    if (!iter_start(it, ITER_FORWARD))
        return false;
    if (!key || !key_bytes)
        return seek_bound(it, &it->lower);
    const levin_slice k = key_inside(it, key, key_bytes);
    if (it->lower.key && key_compare(k.data, k.size, it->lower.key, it->lower.bytes) <= 0)
        return seek_bound(it, &it->lower);
    return scan_begin(it, &it->lower, k.data, k.size) && sources_seek(it, k.data, k.size) && iter_settle(it);
}

bool levin_iter_seek_for_prev(levin_iter *it, const void *key, size_t key_bytes)
{
    if (!iter_start(it, ITER_BACKWARD))
        return false;
    if (!key || !key_bytes)
        return false; /* nothing is at or before the empty key */
    const levin_slice k = key_inside(it, key, key_bytes);
    if (it->upper.key && key_compare(k.data, k.size, it->upper.key, it->upper.bytes) >= 0)
        return seek_bound(it, &it->upper);
    return scan_begin(it, &it->upper, k.data, k.size) && sources_seek(it, k.data, k.size) && iter_settle(it);
}

/* Puts every source on the other side of the current key, the current one included. */
static bool iter_turn(levin_iter *it, iter_direction direction)
{
    levin_slice key = source_key(it, it->current);
    size_t bytes = key.size;
    memcpy(it->saved_key, key.data, bytes);
    if (it->scan)
        iter_scan_fold(it);
    run_end(it);
    it->direction = direction;
    if (!sources_seek(it, it->saved_key, bytes))
        return false;
    for (int s = it->newest; s < SOURCE_COUNT; s++) {
        if (!source_valid(it, s))
            continue;
        levin_slice other = source_key(it, s);
        if (key_compare(other.data, other.size, it->saved_key, bytes) == 0 && !source_step(it, s))
            return false;
    }
    return iter_settle(it);
}

static bool iter_move(levin_iter *it, iter_direction direction)
{
    if (it->current == SOURCE_NONE)
        return false;
    if (it->direction != direction)
        return iter_turn(it, direction);
    if (run_go_on(it))
        return run_step(it, direction);
    return sources_pass(it, it->current) && iter_settle(it);
}

bool levin_iter_next(levin_iter *it)
{
    return __builtin_expect(it->run[0] != 0, 1) ? run_step(it, ITER_FORWARD) : iter_move(it, ITER_FORWARD);
}

bool levin_iter_prev(levin_iter *it)
{
    return __builtin_expect(it->run[1] != 0, 1) ? run_step(it, ITER_BACKWARD) : iter_move(it, ITER_BACKWARD);
}

bool levin_iter_valid(const levin_iter *it)
{
    return it->current != SOURCE_NONE;
}

levin_code levin_iter_status(const levin_iter *it)
{
    return it->status;
}

levin_slice levin_iter_key(const levin_iter *it)
{
    if (it->current == SOURCE_NONE)
        return (levin_slice){ NULL, 0 };
    levin_slice key = source_key(it, it->current);
    return (levin_slice){ (const uint8_t *)key.data + it->skip, key.size - it->skip };
}

static levin_slice extent_value(levin_iter *it, const page_value *value)
{
    const levin_slice none = { NULL, 0 };
    levin_error error;
    if (it->value_loaded)
        return (levin_slice){ it->value, it->value_bytes };
    levin_code code = tree_value_bounds(&it->v->tree->t, value, &error);
    if (code == LEVIN_OK && value->bytes > it->value_capacity) {
        uint8_t *bigger = io_alloc(it->store->io, value->bytes);
        if (!bigger) {
            it->status = error_memory(&error, value->bytes);
            (void)db_fail(it->store, &error);
            return none;
        }
        io_free(it->store->io, it->value, it->value_capacity);
        it->value = bigger;
        it->value_capacity = value->bytes;
        reader_set_bytes(&it->entry, it->bytes + it->value_capacity);
    }
    /* nothing is put into the cache: a scan would push out the rest */
    if (code == LEVIN_OK && !read_cached(it->store, value, it->value))
        code = tree_read_extent(&it->v->tree->t, value, it->value, &error);
    if (code != LEVIN_OK) { /* a later value that can be read does not take it back */
        it->status = code;
        (void)db_fail(it->store, &error);
        return none;
    }
    it->value_bytes = value->bytes;
    it->value_loaded = true;
    return (levin_slice){ it->value, it->value_bytes };
}

/* The value of a pair that is not whole in the tree's leaf; apart, so that those that are save no registers. */
static __attribute__((noinline)) levin_slice value_elsewhere(levin_iter *it)
{
    if (it->current == SOURCE_TREE) {
        page_value value = tree_cursor_value(&it->tree);
        return extent_value(it, &value);
    }
    if (it->current == SOURCE_NONE)
        return (levin_slice){ NULL, 0 };
    const uint8_t *record = mem_cursor_record(&it->mem[it->current]);
    if (record_kind(record) == RECORD_PUT_LOGGED) {
        const vlog_pointer p = vlog_pointer_load(record_value(record));
        const page_value value = page_value_of_pointer(&p);
        return extent_value(it, &value);
    }
    return (levin_slice){ record_value(record), record_value_bytes(record) };
}

levin_slice levin_iter_value(levin_iter *it)
{
    levin_slice whole;
    if (__builtin_expect(it->current == SOURCE_TREE && tree_cursor_inline_value(&it->tree, &whole), 1))
        return whole;
    return value_elsewhere(it);
}

bool iter_pointer(const levin_iter *it, vlog_pointer *p)
{
    assert(it->current != SOURCE_NONE);
    if (it->current == SOURCE_TREE) {
        const page_value value = tree_cursor_value(&it->tree);
        *p = page_value_pointer(&value);
        return value.kind == VALUE_LOG;
    }
    const uint8_t *record = mem_cursor_record(&it->mem[it->current]);
    if (record_kind(record) != RECORD_PUT_LOGGED)
        return false;
    *p = vlog_pointer_load(record_value(record));
    return true;
}

bool iter_value_inline(const levin_iter *it, levin_slice *value)
{
    assert(it->current != SOURCE_NONE);
    if (it->current == SOURCE_TREE)
        return tree_cursor_inline_value(&it->tree, value);
    const uint8_t *record = mem_cursor_record(&it->mem[it->current]);
    *value = (levin_slice){ record_value(record), record_value_bytes(record) };
    return record_kind(record) == RECORD_PUT;
}

/* ---- open and close ---- */

/* Of all bounds that iter_bounds() may set: in the iterator's own memory, each behind the id of a named keyspace. */
enum { BOUNDS_SET_MAX = 6 };
static size_t bounds_room(const levin_iter_options *o)
{
    return BOUNDS_SET_MAX * KEYSPACE_ID_BYTES + o->lower.size + o->upper.size + 2 * o->prefix.size;
}

/* What of a bound decides: a byte more than any key has is compared like all that may follow. */
static levin_slice bound_cut(const levin *store, levin_slice bound)
{
    const size_t most = LEVIN_KEY_MAX_BYTES(store->page_bytes) + 1;
    return (levin_slice){ bound.data, !bound.data ? 0 : bound.size < most ? bound.size : most };
}

/* *room: where its bytes go; moved behind them. An empty bound is a bound. */
static iter_bound bound_make(const levin_iter *it, uint8_t **room, levin_slice key, bool inclusive)
{
    const iter_bound bound = { *room, it->skip + key.size, inclusive };
    memcpy(bound.key, it->id, it->skip);
    if (key.size)
        memcpy(bound.key + it->skip, key.data, key.size);
    *room += bound.bytes;
    return bound;
}

/* A named keyspace ends where the next id begins. */
static void bounds_add_keyspace(levin_iter *it, uint8_t **room)
{
    const levin_slice none = { NULL, 0 };
    if (!it->lower.key)
        it->lower = bound_make(it, room, none, true);
    if (it->upper.key)
        return;
    it->upper = bound_make(it, room, none, false);
    keyspace_id_store(it->upper.key, key_head32(it->id, KEYSPACE_ID_BYTES) + 1);
}

/* Narrows the bounds to the keys with this prefix: [prefix, the smallest key above all of them). */
static void bounds_add_prefix(levin_iter *it, uint8_t **room, levin_slice prefix)
{
    if (!it->lower.key ||
        key_compare(it->lower.key + it->skip, it->lower.bytes - it->skip, prefix.data, prefix.size) < 0)
        it->lower = bound_make(it, room, prefix, true);
    while (prefix.size && ((const uint8_t *)prefix.data)[prefix.size - 1] == 0xff)
        prefix.size--;
    if (!prefix.size) /* no key is above all of those that begin with 0xff..ff */
        return;
    const iter_bound after = bound_make(it, room, prefix, false);
    after.key[after.bytes - 1]++;
    if (!it->upper.key || key_compare(after.key, after.bytes, it->upper.key, it->upper.bytes) <= 0)
        it->upper = after;
}

static void iter_bounds(levin_iter *it, const levin_iter_options *o, uint8_t *room)
{
    if (o->lower.data)
        it->lower = bound_make(it, &room, o->lower, !o->lower_exclusive);
    if (o->upper.data)
        it->upper = bound_make(it, &room, o->upper, o->upper_inclusive);
    if (o->prefix.data)
        bounds_add_prefix(it, &room, o->prefix);
    if (it->skip)
        bounds_add_keyspace(it, &room);
    if (it->lower.key && it->upper.key) {
        int c = key_compare(it->lower.key, it->lower.bytes, it->upper.key, it->upper.bytes);
        it->empty = c > 0 || (c == 0 && !(it->lower.inclusive && it->upper.inclusive));
    }
}

static void hide(levin_iter *it, size_t *count, int below, const mem_node *mask)
{
    for (int s = below; s < SOURCE_COUNT && mask; s++)
        it->hiding[(*count)++] = (iter_hiding){ .source = s, .mask = mask };
}

/* Puts the cursors over the layers, newest first. */
static void iter_sources(levin_iter *it, const mem_roots *own, const version_layers *layers)
{
    size_t count = 0;
    it->newest = own ? SOURCE_OWN : SOURCE_MEM;
    mem_cursor_init(&it->mem[SOURCE_OWN], own ? own->keys : NULL);
    mem_cursor_init(&it->mem[SOURCE_MEM], layers->mem.keys);
    mem_cursor_init(&it->mem[SOURCE_FROZEN], layers->frozen.keys);
    hide(it, &count, SOURCE_MEM, own ? own->mask : NULL);
    hide(it, &count, SOURCE_FROZEN, layers->mem.mask);
    hide(it, &count, SOURCE_TREE, layers->frozen.mask);
    it->masked = count != 0;
}

levin_code iter_open_on(levin *store, const version *v, unsigned domain, const version_layers *layers,
                        const mem_roots *own, txn_scan *scan, const levin_iter_options *o, levin_iter **iter)
{
    levin_error error;
    *iter = NULL;
    if (!slice_good(o->lower) || !slice_good(o->upper) || !slice_good(o->prefix)) {
        version_release(v);
        return db_refuse(store, LEVIN_INVALID, "a bound or the prefix of an iterator is NULL but has a size");
    }
    levin_iter_options cut = *o;
    cut.lower = bound_cut(store, o->lower);
    cut.upper = bound_cut(store, o->upper);
    cut.prefix = bound_cut(store, o->prefix);
    const size_t saved_bytes = LEVIN_KEY_MAX_BYTES(store->page_bytes) + 1; /* and one byte that no key has: for seeks */
    const size_t cursor_bytes = tree_cursor_key_bytes(store->page_bytes);
    const size_t bytes = sizeof(levin_iter) + saved_bytes + cursor_bytes + bounds_room(&cut);
    levin_iter *it = io_alloc(store->io, bytes);
    if (!it) {
        version_release(v);
        error_memory(&error, bytes);
        return db_fail(store, &error);
    }
    memset(it, 0, sizeof *it);
    it->store = store;
    it->bytes = bytes;
    it->domain = domain;
    if (o->keyspace) {
        it->skip = KEYSPACE_ID_BYTES;
        memcpy(it->id, o->keyspace->id, KEYSPACE_ID_BYTES);
    }
    it->current = SOURCE_NONE;
    it->v = v;
    reader_set_bytes(&it->entry, bytes);
    db_reader_add(store, &it->entry, LEVIN_READER_ITERATOR, v);
    iter_sources(it, own, layers);
    tree_cursor_init(&it->tree, tree_version_of(it->v->tree, it->domain), it->saved_key + saved_bytes);
    iter_bounds(it, &cut, it->saved_key + saved_bytes + cursor_bytes);
    it->scan = scan;
    *iter = it;
    return LEVIN_OK;
}

levin_code iter_open_named(levin *store, const version *v, levin_iter **iter)
{
    const levin_iter_options all = { 0 };
    return iter_open_on(store, v, DOMAIN_NAMED, &v->of[DOMAIN_NAMED], NULL, NULL, &all, iter);
}

levin_code levin_iter_open(levin *store, const levin_iter_options *options, levin_iter **iter)
{
    const levin_iter_options all = { 0 };
    const levin_iter_options *o = options ? options : &all;
    const version *v = snapshot_version(o->snapshot);
    *iter = NULL;
    levin_code code = db_check_snapshot(store, o->snapshot);
    if (code != LEVIN_OK)
        return code;
    if (v)
        version_ref(v);
    else
        v = version_acquire(&store->versions);
    if (o->keyspace) { /* in this very state */
        const levin_snapshot state = { .store = store, .v = v };
        code = keyspace_check(store, o->keyspace, &state);
        if (code != LEVIN_OK) {
            version_release(v);
            return code;
        }
    }
    const unsigned domain = o->keyspace ? DOMAIN_NAMED : DOMAIN_PLAIN;
    return iter_open_on(store, v, domain, &v->of[domain], NULL, NULL, o, iter);
}

void levin_iter_close(levin_iter *it)
{
    if (!it)
        return;
    levin *store = it->store;
    if (it->scan) {
        iter_scan_fold(it);
        txn_scan_end(it->scan);
    }
    tree_cursor_end(&it->tree);
    io_free(store->io, it->value, it->value_capacity);
    db_reader_remove(store, &it->entry);
    version_release(it->v);
    io_free(store->io, it, it->bytes);
}
