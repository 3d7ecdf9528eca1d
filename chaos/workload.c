/*
 * workload.c - makes a plan out of a seed.
 *
 * Every value put is unlike every other (it carries a revision number), so that two states differ wherever a batch
 * lies between them and the oracle can tell a stale value from a right one. Keys: a window of names that moves on
 * through the whole list, a few keys for large values, a few awkward ones (zero bytes, 0xff, the longest). In named
 * keyspaces a dozen of the same names each, so that one taken for another is seen.
 */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "../faults/random.h"
#include "workload_plan.h"

enum {
    STREAM_SHAPE = 510,
    STREAM_KEYS = 511,
    STREAM_VALUES = 512,
    STREAM_RANGES = 513,
    STREAM_SPACES = 514,
    PAGE_BYTES = 4096,
    ROW_CACHE_BYTES = 64 << 10, /* so small that rows come and go */
    VALUE_CACHE_BYTES = 128 << 10, /* and large values */
    VALUE_LOG_THRESHOLD_BYTES = 700, /* so low that many values go there, of all lengths */
    VALUE_LOG_SEGMENT_BYTES = 32 << 10, /* so small that segments come and go */
    CHUNK_BYTES = 1 << 16,
    LARGE_KEYS = 3,
    AWKWARD_KEYS = 8,
    SPACE_KEYS = 12,      /* in each named keyspace */
    SPACE_OP_PERCENT = 14,
    LARGE_VALUE_LEAST = 4097,
    LARGE_VALUE_MOST = 12000,
    LARGE_VALUE_USUAL = 6000, /* of every other one: so that the same room is used again by one of the same length */
    TAIL_OPERATIONS = 10
};

struct plan_chunk {
    struct plan_chunk *next;
    size_t used, capacity;
    unsigned char bytes[];
};

typedef struct maker {
    workload *w;
    random_stream shape, keys, values, ranges, spaces;
    bool *present;      /* by name; then the large keys, then the awkward ones, then those of named keyspaces */
    bool there[PLAN_SPACES];
    size_t window;      /* first name in it */
    uint64_t revision;
    bool tail;          /* a short life after a recovery: no reopening, no snapshots */
} maker;

static unsigned char *plan_reserve(workload *w, size_t bytes)
{
    if (!w->chunks || w->chunks->capacity - w->chunks->used < bytes) {
        size_t n = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        plan_chunk *c = fatal_alloc(sizeof *c + n);
        c->next = w->chunks;
        c->used = 0;
        c->capacity = n;
        w->chunks = c;
    }
    unsigned char *p = w->chunks->bytes + w->chunks->used;
    w->chunks->used += bytes;
    return p;
}

static void *plan_grow(void *items, size_t *capacity, size_t count, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 64;
    return fatal_realloc(items, *capacity * item_bytes);
}

static bool percent(random_stream *random, unsigned chance)
{
    return random_below(random, 100) < chance;
}

static uint64_t between(random_stream *random, uint64_t low, uint64_t high)
{
    return low + random_below(random, high - low + 1);
}

/* ---- keys and values -------------------------------------------------------------------------------------- */

static levin_slice awkward_key(maker *m, size_t which)
{
    size_t bytes = which == AWKWARD_KEYS - 1 ? LEVIN_KEY_MAX_BYTES(PAGE_BYTES) : 1 + which / 2 * 4;
    unsigned char *key = plan_reserve(m->w, bytes);
    memset(key, which % 2 ? 0xff : 0x00, bytes);
    return (levin_slice){ key, bytes };
}

static levin_slice large_key(maker *m, size_t which)
{
    unsigned char *key = plan_reserve(m->w, 16);
    int bytes = snprintf((char *)key, 16, "~large/%zu", which);
    return (levin_slice){ key, (size_t)bytes };
}

static levin_slice small_value(maker *m, const stanza *s)
{
    size_t most = s ? s->text.size : 600, text = percent(&m->values, 40) ? random_below(&m->values, 60) : most;
    if (text > most)
        text = most;
    unsigned char *value = plan_reserve(m->w, text + 32);
    size_t head = (size_t)snprintf((char *)value, 32, "Revision: %llu\n", (unsigned long long)++m->revision);
    if (s)
        memcpy(value + head, s->text.data, text);
    else
        random_fill(&m->values, value + head, text);
    return (levin_slice){ value, head + text };
}

static levin_slice large_value(maker *m)
{
    size_t bytes = between(&m->values, LARGE_VALUE_LEAST, LARGE_VALUE_MOST);
    bytes = bytes % 2 ? bytes : LARGE_VALUE_USUAL;
    unsigned char *value = plan_reserve(m->w, bytes);
    random_fill(&m->values, value, bytes);
    m->revision++;
    return (levin_slice){ value, bytes };
}

static void add_op(maker *m, levin_slice key, bool deletes, levin_slice value, size_t present_at)
{
    workload *w = m->w;
    w->ops = plan_grow(w->ops, &w->op_capacity, w->op_count, sizeof *w->ops);
    w->ops[w->op_count++] = (plan_op){ .key = key, .value = value, .deletes = deletes,
                                         .overwrites = !deletes && m->present[present_at], .reach = REACH_KEY };
    m->present[present_at] = !deletes;
}

static int slice_order(levin_slice a, levin_slice b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.size > b.size) - (a.size < b.size);
}

bool plan_op_reaches(const plan_op *op, levin_slice key)
{
    if (op->reach == REACH_RANGE)
        return slice_order(op->key, key) <= 0 && slice_order(key, op->value) < 0;
    if (op->reach == REACH_PREFIX)
        return key.size >= op->key.size && memcmp(key.data, op->key.data, op->key.size) == 0;
    return slice_order(op->key, key) == 0;
}

/* A few neighbours among the names, or all names that begin like one. */
static void add_range(maker *m, size_t width)
{
    workload *w = m->w;
    const stanzas *data = w->options.data;
    size_t at = (m->window + random_below(&m->ranges, width)) % data->count;
    size_t to = (at + 1 + random_below(&m->ranges, 5)) % data->count;
    plan_op op = { .key = data->items[at].name, .value = data->items[to].name, .deletes = true, .reach = REACH_RANGE };
    if (slice_order(op.key, op.value) >= 0 || percent(&m->ranges, 30)) {
        op.reach = REACH_PREFIX;
        op.value = (levin_slice){ NULL, 0 };
        op.key.size = op.key.size > 4 ? 4 + random_below(&m->ranges, op.key.size - 4) : op.key.size;
    }
    w->ops = plan_grow(w->ops, &w->op_capacity, w->op_count, sizeof *w->ops);
    w->ops[w->op_count++] = op;
    for (size_t i = 0; i < data->count; i++)
        if (plan_op_reaches(&op, data->items[i].name))
            m->present[i] = false;
    for (size_t i = 0; i < LARGE_KEYS; i++)
        if (plan_op_reaches(&op, large_key(m, i)))
            m->present[data->count + i] = false;
}

levin_slice plan_space_name(unsigned space)
{
    static const levin_slice names[PLAN_SPACES] = { { "", 0 }, { "orders", 6 }, { "o", 1 }, { "\xff\0", 2 } };
    return names[space];
}

static levin_slice space_key(const maker *m, unsigned space, size_t which)
{
    const stanzas *data = m->w->options.data;
    return data->items[(space * 37 + which * 5) % data->count].name;
}

static bool *space_present(const maker *m, unsigned space, size_t which)
{
    return &m->present[m->w->options.data->count + LARGE_KEYS + AWKWARD_KEYS + (space - 1) * SPACE_KEYS + which];
}

static void space_forget(maker *m, unsigned space, const plan_op *range)
{
    for (size_t i = 0; i < SPACE_KEYS; i++)
        if (!range || plan_op_reaches(range, space_key(m, space, i)))
            *space_present(m, space, i) = false;
}

/* An operation in a named keyspace that is there; in a short life nobody knows which are, and the run finds out. */
static void space_op(maker *m)
{
    workload *w = m->w;
    unsigned space = 1 + (unsigned)random_below(&m->spaces, PLAN_SPACES - 1);
    for (int i = 1; i < PLAN_SPACES && !m->there[space] && !m->tail; i++)
        space = space % (PLAN_SPACES - 1) + 1;
    if (!m->there[space] && !m->tail)
        return;
    const size_t which = random_below(&m->spaces, SPACE_KEYS);
    const levin_slice key = space_key(m, space, which), none = { NULL, 0 };
    const uint64_t draw = random_below(&m->spaces, 100);
    plan_op op = { .key = key, .deletes = draw < 22, .space = (unsigned char)space };
    if (draw < 4) {
        const size_t at = (which + 1 + random_below(&m->spaces, SPACE_KEYS - 1)) % SPACE_KEYS;
        const levin_slice other = space_key(m, space, at);
        const int order = slice_order(key, other); /* 0: few names, used twice */
        op.reach = order ? REACH_RANGE : REACH_PREFIX;
        op.key = order <= 0 ? key : other;
        op.value = order < 0 ? other : order > 0 ? key : none;
    } else if (draw < 8) {
        op.reach = REACH_PREFIX;
        op.key.size = 1 + random_below(&m->spaces, op.key.size);
    } else if (!op.deletes) {
        op.value = draw < 25 ? none : draw < 29 ? large_value(m) : small_value(m, NULL);
        op.overwrites = *space_present(m, space, which);
    }
    w->ops = plan_grow(w->ops, &w->op_capacity, w->op_count, sizeof *w->ops);
    w->ops[w->op_count++] = op;
    if (op.deletes)
        space_forget(m, space, &op);
    else
        *space_present(m, space, which) = true;
}

/* A name that falls out of the window is deleted, now and then a range is. */
static void random_op_of_default(maker *m)
{
    const stanzas *data = m->w->options.data;
    size_t names = data->count, width = m->w->options.live_keys < names ? m->w->options.live_keys : names / 2;
    uint64_t draw = random_below(&m->keys, 1000);
    levin_slice none = { NULL, 0 };
    if (random_below(&m->ranges, 45) == 0)
        add_range(m, width);
    if (draw < 25) {
        size_t which = random_below(&m->keys, LARGE_KEYS);
        bool deletes = percent(&m->keys, 15);
        add_op(m, large_key(m, which), deletes, deletes ? none : large_value(m), names + which);
        return;
    }
    if (draw < 60) {
        size_t which = random_below(&m->keys, AWKWARD_KEYS);
        bool deletes = percent(&m->keys, 25);
        levin_slice value = deletes || percent(&m->keys, 10) ? none : small_value(m, NULL);
        add_op(m, awkward_key(m, which), deletes, value, names + LARGE_KEYS + which);
        return;
    }
    if (draw < 180 && !m->tail) {
        size_t leaving = m->window++ % names;
        if (m->present[leaving])
            add_op(m, data->items[leaving].name, true, none, leaving);
    }
    size_t at = (m->window + random_below(&m->keys, width)) % names;
    bool deletes = percent(&m->keys, 12);
    add_op(m, data->items[at].name, deletes, deletes ? none : small_value(m, &data->items[at]), at);
}

/* One operation, sometimes two to four: a name that falls out of the window is deleted, a range is, one elsewhere. */
static void random_op(maker *m)
{
    random_op_of_default(m);
    if (percent(&m->spaces, SPACE_OP_PERCENT))
        space_op(m);
}

/* ---- steps ------------------------------------------------------------------------------------------------ */

static plan_step *add_step(maker *m, enum step_kind kind, uint64_t argument)
{
    workload *w = m->w;
    w->steps = plan_grow(w->steps, &w->step_capacity, w->step_count, sizeof *w->steps);
    plan_step *s = &w->steps[w->step_count++];
    *s = (plan_step){ .kind = kind, .first_batch = w->batch_count, .argument = argument };
    return s;
}

static void add_batch(maker *m, size_t operations)
{
    workload *w = m->w;
    w->batches = plan_grow(w->batches, &w->batch_capacity, w->batch_count, sizeof *w->batches);
    plan_batch *b = &w->batches[w->batch_count++];
    uint64_t draw = random_below(&m->shape, 100);
    *b = (plan_batch){ .first_op = w->op_count,
                       .durability = draw < 45 ? LEVIN_SYNCED : draw < 78 ? LEVIN_LOGGED : LEVIN_NONE };
    for (size_t i = 0; i < operations; i++)
        random_op(m);
    b->ops = w->op_count - b->first_op;
}

static size_t batch_size(maker *m)
{
    uint64_t draw = random_below(&m->shape, 100);
    return draw < 50 ? 1 : draw < 97 ? between(&m->shape, 2, 5) : draw < 99 ? between(&m->shape, 12, 24) : 0;
}

static void random_step(maker *m)
{
    uint64_t draw = random_below(&m->shape, 1000);
    if (draw < 560) {
        plan_step *s = add_step(m, STEP_WRITE, 0);
        s->batches = 1;
        add_batch(m, batch_size(m));
    } else if (draw < 700) {
        plan_step *s = add_step(m, STEP_GROUP, random_next(&m->shape));
        s->batches = between(&m->shape, 2, GROUP_BATCHES_MAX);
        for (size_t i = 0, n = s->batches; i < n; i++)
            add_batch(m, between(&m->shape, 1, 3));
    } else if (draw < 910) {
        add_step(m, STEP_WORK, between(&m->shape, 1, 8));
    } else if (draw < 935) {
        add_step(m, STEP_SYNC, 0);
    } else if (draw < 945) {
        add_step(m, STEP_CHECKPOINT, 0);
    } else {
        add_step(m, draw < 990 ? STEP_READ : STEP_CHECK, random_next(&m->shape));
    }
}

/* A collection of the value log, with batches that are submitted before it and waited for after it. */
static void collect_step(maker *m)
{
    plan_step *s = add_step(m, STEP_COLLECT, between(&m->shape, 40, 100));
    s->batches = between(&m->shape, 1, GROUP_BATCHES_MAX);
    for (size_t i = 0, n = s->batches; i < n; i++)
        add_batch(m, between(&m->shape, 1, 3));
}

/* A keyspace is made, or one is dropped, perhaps with batches of the same group before it. */
static void keyspace_step(maker *m)
{
    const unsigned space = 1 + (unsigned)random_below(&m->spaces, PLAN_SPACES - 1);
    const uint64_t rest = random_next(&m->spaces) / PLAN_SPACES * PLAN_SPACES;
    const bool drops = m->tail ? percent(&m->spaces, 50) : m->there[space];
    plan_step *s = add_step(m, drops ? STEP_KEYSPACE_DROP : STEP_KEYSPACE_MAKE, rest + space);
    if (drops) {
        s->batches = random_below(&m->spaces, 3);
        for (size_t i = 0, n = s->batches; i < n; i++)
            add_batch(m, 1 + random_below(&m->spaces, 3));
        space_forget(m, space, NULL);
    }
    m->there[space] = !drops;
}

static workload *plan_begin(maker *m, const workload_options *options, uint64_t seed)
{
    workload *w = fatal_alloc_zeroed(sizeof *w);
    w->options = *options;
    if (w->options.operations == 0)
        w->options.operations = WORKLOAD_OPERATIONS_DEFAULT;
    if (w->options.live_keys == 0)
        w->options.live_keys = WORKLOAD_KEYS_DEFAULT;
    *m = (maker){ .w = w, .shape = random_open(seed, STREAM_SHAPE), .keys = random_open(seed, STREAM_KEYS),
                  .values = random_open(seed, STREAM_VALUES), .ranges = random_open(seed, STREAM_RANGES),
                  .spaces = random_open(seed, STREAM_SPACES) };
    m->present = fatal_alloc_zeroed(options->data->count + LARGE_KEYS + AWKWARD_KEYS + (PLAN_SPACES - 1) * SPACE_KEYS);
    return w;
}

/* Switches off what is not in the part. */
static void keep_part(workload *w)
{
    const workload_part *part = w->options.part;
    w->options.part = NULL;
    for (size_t i = 0; part && i < w->step_count; i++)
        w->steps[i].off = !number_set_has(&part->steps, (uint32_t)i);
    for (size_t i = 0; part && i < w->op_count; i++) {
        plan_op *op = &w->ops[i];
        op->off = !number_set_has(&part->operations, (uint32_t)i);
        if (part->value_bytes && op->reach == REACH_KEY && op->value.size > part->value_bytes)
            op->value.size = part->value_bytes;
    }
}

size_t workload_steps(const workload *w)
{
    return w->step_count;
}

uint32_t workload_value_bytes(const workload *w, size_t operation)
{
    return w->ops[operation].reach == REACH_KEY ? (uint32_t)w->ops[operation].value.size : 0;
}

void workload_step_operations(const workload *w, size_t step, size_t *first, size_t *count)
{
    const plan_step *s = &w->steps[step];
    *first = *count = 0;
    for (size_t i = 0; i < s->batches; i++) {
        const plan_batch *b = &w->batches[s->first_batch + i];
        *first = i ? *first : b->first_op;
        *count += b->ops;
    }
}

workload *workload_create(const workload_options *options)
{
    maker m;
    workload *w = plan_begin(&m, options, options->seed);
    w->wal_segment_bytes = options->brief ? 16384 : 8192u << random_below(&m.shape, 4);
    w->wal_sector_bytes = percent(&m.shape, 80) ? 512 : 4096;
    size_t operations = w->options.operations, reopen_every = operations / 3 + 1, next_reopen = reopen_every;
    size_t checkpoint_every = options->brief ? operations / 5 + 1 : SIZE_MAX, next_checkpoint = checkpoint_every / 2;
    size_t compact_every = operations / (options->brief ? 5 : 12) + 1, next_compact = compact_every / 2;
    size_t next_backup = operations * 4 / 7;
    size_t collect_every = operations / 8 + 1, next_collect = collect_every / 3;
    size_t keyspace_every = operations / (options->brief ? 6 : 11) + 1, next_keyspace = 0;
    bool snapshot = false;
    size_t snapshot_end = 0; /* of the last one; 0: there was none yet */
    while (w->op_count < operations) {
        if (w->op_count >= next_keyspace) {
            keyspace_step(&m);
            next_keyspace += keyspace_every;
        }
        random_step(&m);
        if (w->op_count >= next_compact) {
            add_step(&m, STEP_COMPACT, random_next(&m.shape));
            next_compact += compact_every;
        }
        if (w->op_count >= next_collect) {
            collect_step(&m);
            next_collect += collect_every;
        }
        if (w->op_count >= next_backup) {
            add_step(&m, STEP_BACKUP, random_next(&m.shape));
            next_backup = SIZE_MAX;
        }
        const bool drawn = random_below(&m.shape, operations / 5 + 1) < 3;
        if (!snapshot && (drawn || (snapshot_end == 0 && w->op_count > operations / 2))) {
            add_step(&m, STEP_SNAPSHOT, 0);
            snapshot = true;
            snapshot_end = w->op_count + operations / 8;
        } else if (snapshot && w->op_count >= snapshot_end) {
            add_step(&m, STEP_SNAPSHOT_CHECK, random_next(&m.shape));
            snapshot = false;
        }
        if (w->op_count >= next_checkpoint) {
            add_step(&m, STEP_CHECKPOINT, 0);
            next_checkpoint += checkpoint_every;
        }
        if (w->op_count >= next_reopen) {
            if (snapshot)
                add_step(&m, STEP_SNAPSHOT_CHECK, random_next(&m.shape));
            snapshot = false;
            add_step(&m, STEP_REOPEN, 0);
            next_reopen += reopen_every;
        }
    }
    if (snapshot)
        add_step(&m, STEP_SNAPSHOT_CHECK, random_next(&m.shape));
    add_step(&m, STEP_CHECK, random_next(&m.shape));
    free(m.present);
    keep_part(w);
    return w;
}

/* The plan of a short life: a few batches, then now and then a checkpoint or a sync. */
workload *workload_create_tail(const workload *of, uint64_t seed)
{
    maker m;
    workload *w = plan_begin(&m, &of->options, seed);
    m.tail = true;
    w->wal_segment_bytes = of->wal_segment_bytes;
    w->wal_sector_bytes = of->wal_sector_bytes;
    m.revision = 1000000000 + seed % 1000000 * 100;
    m.window = random_below(&m.keys, of->options.data->count);
    size_t operations = between(&m.shape, 2, TAIL_OPERATIONS);
    if (percent(&m.spaces, 12))
        keyspace_step(&m);
    while (w->op_count < operations)
        random_step(&m);
    if (percent(&m.shape, 25))
        add_step(&m, STEP_CHECKPOINT, 0);
    else if (percent(&m.shape, 40))
        add_step(&m, STEP_SYNC, 0);
    free(m.present);
    return w;
}

void workload_destroy(workload *w)
{
    if (!w)
        return;
    for (plan_chunk *c = w->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(w->ops);
    free(w->batches);
    free(w->steps);
    free(w);
}

void workload_store_options(const workload *w, const levin_io *io, levin_options *options)
{
    levin_options_init(options);
    options->io = io;
    options->background = LEVIN_BACKGROUND_NONE;
    options->page_bytes = PAGE_BYTES;
    options->cache_bytes = 24 * PAGE_BYTES;
    options->row_cache_bytes = ROW_CACHE_BYTES;
    options->value_cache_bytes = VALUE_CACHE_BYTES;
    options->memtable_bytes = 64 << 10;
    options->value_log_threshold_bytes = VALUE_LOG_THRESHOLD_BYTES;
    options->value_log_segment_bytes = VALUE_LOG_SEGMENT_BYTES;
    options->wal_segment_bytes = w->wal_segment_bytes;
    options->wal_sector_bytes = w->wal_sector_bytes;
}

const char *workload_short_of(const workload_counts *counts, char *text, size_t capacity)
{
#define WORKLOAD_COUNT_CHECK(name, least, meaning)                                                             \
    if (counts->name < (least)) {                                                                              \
        snprintf(text, capacity, "%llu %s, at least %d are needed", (unsigned long long)counts->name, meaning, \
                 least);                                                                                       \
        return text;                                                                                           \
    }
    WORKLOAD_COUNTS(WORKLOAD_COUNT_CHECK)
#undef WORKLOAD_COUNT_CHECK
    return NULL;
}
