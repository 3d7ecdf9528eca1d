/*
 * ranges_run.c - one life of a small store under iterators.
 *
 * Keys are all strings of one or two of the bytes 00, 'a', ff, and a few longer ones, so that every bound, open or
 * closed, absent or empty, and every prefix up to the last byte ff is near some key.  Between two steps of the life
 * (batches, deletes of ranges and prefixes, checkpoints, compactions, collections of the value log, background work,
 * reopening) combinations of bounds are walked in every way (oracle_walk()); now and then all of them, which is how a
 * state held in the memtable, in the tree, in both is exhausted.  Iterators opened at earlier states are moved on
 * meanwhile; and some walks meet a failing read or allocation: what was answered before must be right, and the same
 * iterator must go on afterwards.
 *
 * Half of the seeds work in a named keyspace, beside keys of the default one that must not be seen.
 */
#include "ranges_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../faults/fault_io.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"

#define PATH "db"
#define SPACE_NAME "ranges"

enum { LETTERS = 3, KEYS = 16, LIMITS = KEYS + 2, PREFIXES = 9, HELD = 4, WALKS_A_STEP = 6, PROBES = 12 };
enum { VALUE_MOST = 1600, VALUE_USUAL = 1200 /* of many: so that the same room is used again by one of that length */ };
enum { EXHAUST_EVERY = 40 };
/* Each step draws from streams of its own: it is the same when others are left out. */
#define STREAM_STEPS (UINT64_C(1) << 32)
#define STREAM_WALKS (UINT64_C(2) << 32)

typedef struct held {
    levin_iter *iter; /* NULL: none */
    uint32_t state;
    oracle_cursor cursor;
    levin_iter_options bounds;
} held;

typedef struct life {
    simdisk *disk;
    fault_io *f;
    oracle *o;
    levin_options options;
    levin *store;
    levin_keyspace *keyspace; /* NULL: the default one */
    uint32_t space;
    random_stream plan, walk;
    unsigned char bytes[KEYS][4];
    levin_slice keys[KEYS], limits[LIMITS], prefixes[PREFIXES];
    held held[HELD];
    uint64_t clock; /* of the oracle */
    ranges_outcome *out;
} life;

/* ---- keys and bounds -------------------------------------------------------------------------------------- */

static void make_keys(life *l)
{
    static const unsigned char letters[LETTERS] = { 0x00, 'a', 0xff };
    static const levin_slice empty = { "", 0 };
    size_t n = 0;
    for (unsigned a = 0; a < LETTERS; a++) {
        l->bytes[n][0] = letters[a];
        l->keys[n] = (levin_slice){ l->bytes[n], 1 };
        n++;
        for (unsigned b = 0; b < LETTERS; b++, n++) {
            l->bytes[n][0] = letters[a];
            l->bytes[n][1] = letters[b];
            l->keys[n] = (levin_slice){ l->bytes[n], 2 };
        }
    }
    static const char longer[KEYS - 12][4] = { "a\xff\xff", "\xff\xff\xff", "aaa", "b" };
    for (unsigned i = 0; i < KEYS - 12; i++, n++) {
        memcpy(l->bytes[n], longer[i], 3);
        l->keys[n] = (levin_slice){ l->bytes[n], i == 3 ? 1 : 3 };
    }
    l->limits[0] = (levin_slice){ NULL, 0 };
    l->limits[1] = empty;
    memcpy(l->limits + 2, l->keys, sizeof l->keys);
    const levin_slice prefixes[PREFIXES] = { { NULL, 0 }, empty, { "\0", 1 }, { "a", 1 }, { "\xff", 1 },
                                             { "a\xff", 2 }, { "\xff\xff", 2 }, { "a\xff\xff", 3 }, { "c", 1 } };
    memcpy(l->prefixes, prefixes, sizeof prefixes);
}

enum { COMBINATIONS = LIMITS * 2 * LIMITS * 2 * PREFIXES };

static levin_iter_options combination(const life *l, uint32_t n)
{
    levin_iter_options b = { .keyspace = l->keyspace };
    b.prefix = l->prefixes[n % PREFIXES];
    n /= PREFIXES;
    b.lower_exclusive = n % 2;
    b.upper_inclusive = n / 2 % 2;
    b.lower = l->limits[n / 4 % LIMITS];
    b.upper = l->limits[n / 4 / LIMITS];
    return b;
}

static size_t bound_text(char *to, size_t capacity, const char *name, levin_slice bound)
{
    size_t at = (size_t)snprintf(to, capacity, "%s", name);
    if (!bound.data)
        return at + (size_t)snprintf(to + at, capacity - at, "absent");
    at += (size_t)snprintf(to + at, capacity - at, "\"");
    for (size_t i = 0; i < bound.size; i++)
        at += (size_t)snprintf(to + at, capacity - at, "\\x%02x", ((const unsigned char *)bound.data)[i]);
    return at + (size_t)snprintf(to + at, capacity - at, "\"");
}

static void describe(life *l, const levin_iter_options *b)
{
    char *to = l->out->bounds;
    const size_t room = sizeof l->out->bounds;
    size_t at = bound_text(to, room, b->lower_exclusive ? "above " : "from ", b->lower);
    at += bound_text(to + at, room - at, b->upper_inclusive ? " to " : " below ", b->upper);
    bound_text(to + at, room - at, ", prefix ", b->prefix);
}

/* ---- outcomes --------------------------------------------------------------------------------------------- */

static bool wrong(life *l, const char *phase)
{
    if (!l->out->phase)
        l->out->phase = phase;
    return false;
}

static bool done(life *l, levin_code code, const char *call)
{
    if (code == LEVIN_OK)
        return true;
    oracle_fault(&l->out->verdict, "FAULT", "%s without a fault: %s", call, levin_code_name(code));
    return wrong(l, "the life");
}

static oracle_pairs expected_at(life *l, uint32_t state)
{
    return oracle_pairs_of(oracle_pairs_at(l->o, state), l->space);
}

/* ---- walks ------------------------------------------------------------------------------------------------ */

/* One of the next reads or allocations fails. */
static void lie_in_wait(life *l)
{
    const bool memory = random_chance(&l->walk, 3);
    const fault_rule rule = { .kinds = 1u << LEVIN_FILE_PAGES | 1u << LEVIN_FILE_VLOG,
                              .operations = memory ? 1u << FAULT_ALLOC : 1u << FAULT_READ,
                              .nth = 1 + random_below(&l->walk, 3), .forever = random_chance(&l->walk, 2),
                              .effect = FAULT_ERROR, .os_error = EIO };
    fault_io_set_rules(l->f, &rule, 1);
}

static bool walk(life *l, uint32_t number, bool faults)
{
    const levin_iter_options b = combination(l, number);
    const uint32_t state = oracle_accepted(l->o);
    const oracle_pairs expected = expected_at(l, state);
    oracle_check_options options = { .keyspace = l->keyspace, .faults_active = faults };
    levin_iter *iter = NULL;
    const bool early = faults && random_chance(&l->walk, 4); /* the opening may fail already */
    if (early)
        lie_in_wait(l);
    levin_code code = levin_iter_open(l->store, &b, &iter);
    if (faults && !early)
        lie_in_wait(l);
    bool good = true;
    oracle_verdict *v = &l->out->verdict;
    if (code == LEVIN_OK) {
        good = oracle_walk(&expected, l->store, iter, &b, l->keys, KEYS, &options, &l->out->counts.moves, v);
        l->out->counts.walks += good;
    }
    const bool fired = faults && fault_io_fired(l->f, 0) > 0;
    if (faults) {
        fault_io_set_rules(l->f, NULL, 0);
        l->out->counts.faults += fired;
    }
    if (fired && !v->promise && iter) { /* the same iterator goes on */
        oracle_cursor c = { 0 };
        options.faults_active = false;
        oracle_bounded(&expected, &b, &c.low, &c.high);
        good = true;
        for (unsigned i = 0; i < 12 && good; i++)
            good = oracle_cursor_move(&c, &expected, l->store, iter, &l->walk, &options, v);
        l->out->counts.resumed += good;
    } else if (fired && !v->promise) {
        good = true; /* it could not be opened */
    } else if (code != LEVIN_OK) {
        good = done(l, code, "levin_iter_open");
    }
    levin_iter_close(iter);
    if (good)
        return true;
    describe(l, &b);
    return wrong(l, faults ? "a walk with a failing call" : "a walk");
}

/* Point reads of all kinds, past and through the caches. */
static bool probe(life *l)
{
    const oracle_pairs expected = expected_at(l, oracle_accepted(l->o));
    const oracle_check_options options = { .keyspace = l->keyspace, .seed = random_next(&l->walk), .points = PROBES };
    l->out->counts.probes += PROBES;
    return oracle_probe_points(&expected, l->store, &options, &l->out->verdict) || wrong(l, "point reads");
}

/* Opens one at the present state, or moves one of an earlier state. */
static bool move_held(life *l, held *h)
{
    oracle_check_options options = { .keyspace = l->keyspace };
    if (!h->iter) {
        h->state = oracle_accepted(l->o);
        h->bounds = combination(l, (uint32_t)random_below(&l->walk, COMBINATIONS));
        const oracle_pairs expected = expected_at(l, h->state);
        h->cursor = (oracle_cursor){ 0 };
        oracle_bounded(&expected, &h->bounds, &h->cursor.low, &h->cursor.high);
        return done(l, levin_iter_open(l->store, &h->bounds, &h->iter), "levin_iter_open");
    }
    const oracle_pairs expected = expected_at(l, h->state);
    for (unsigned i = 0; i < 3; i++) {
        l->out->counts.held++;
        if (!oracle_cursor_move(&h->cursor, &expected, l->store, h->iter, &l->walk, &options, &l->out->verdict)) {
            describe(l, &h->bounds);
            return wrong(l, "an iterator of an earlier state");
        }
    }
    if (random_chance(&l->walk, 12)) {
        levin_iter_close(h->iter);
        h->iter = NULL;
    }
    return true;
}

static void close_held(life *l)
{
    for (unsigned i = 0; i < HELD; i++) {
        levin_iter_close(l->held[i].iter);
        l->held[i].iter = NULL;
    }
}

/* ---- the life --------------------------------------------------------------------------------------------- */

static levin_slice random_of(life *l, const levin_slice *from, size_t count)
{
    return from[random_below(&l->plan, count)];
}

static bool slice_less(levin_slice a, levin_slice b)
{
    const int c = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return c < 0 || (c == 0 && a.size < b.size);
}

static bool write_batch(life *l)
{
    unsigned char value[VALUE_MOST];
    levin_batch *batch;
    if (!done(l, levin_batch_create(l->store, &batch), "levin_batch_create"))
        return false;
    levin_code code = LEVIN_OK;
    for (uint64_t n = 1 + random_below(&l->plan, 4); n > 0 && code == LEVIN_OK; n--) {
        const levin_slice key = random_of(l, l->keys, KEYS);
        const uint64_t draw = random_below(&l->plan, 100);
        if (draw < 70) {
            size_t bytes = (size_t)random_below(&l->plan, random_chance(&l->plan, 2) ? 30 : VALUE_MOST);
            bytes = bytes > VALUE_USUAL / 2 ? VALUE_USUAL : bytes;
            random_fill(&l->plan, value, bytes);
            oracle_put_in(l->o, l->space, key, (levin_slice){ value, bytes });
            code = levin_batch_put_in(batch, l->keyspace, key.data, key.size, value, bytes);
        } else if (draw < 86) {
            oracle_delete_in(l->o, l->space, key);
            code = levin_batch_delete_in(batch, l->keyspace, key.data, key.size);
        } else if (draw < 93) {
            const levin_slice a = random_of(l, l->keys, KEYS);
            const bool ordered = slice_less(a, key);
            const levin_slice lower = ordered ? a : key, upper = ordered ? key : (levin_slice){ NULL, 0 };
            oracle_delete_range_in(l->o, l->space, lower, upper);
            code = levin_batch_delete_range_in(batch, l->keyspace, lower, upper);
        } else {
            oracle_delete_prefix_in(l->o, l->space, key);
            code = levin_batch_delete_prefix_in(batch, l->keyspace, key.data, key.size);
        }
    }
    if (code == LEVIN_OK) {
        const uint32_t number = oracle_submit(l->o, LEVIN_SYNCED, l->clock);
        code = levin_write(l->store, batch, random_chance(&l->plan, 3) ? LEVIN_SYNCED : LEVIN_NONE);
        if (code == LEVIN_OK)
            oracle_acknowledge(l->o, number, ++l->clock);
    }
    levin_batch_destroy(batch);
    l->out->counts.writes++;
    return done(l, code, "a write");
}

static bool open_store(life *l)
{
    levin_error error;
    const levin_code code = levin_open(PATH, &l->options, &l->store, &error);
    if (!done(l, code, "levin_open"))
        return false;
    return !l->space || done(l, levin_keyspace_open(l->store, SPACE_NAME, strlen(SPACE_NAME), LEVIN_KEYSPACE_CREATE,
                                                    &l->keyspace), "levin_keyspace_open");
}

static bool close_store(life *l)
{
    close_held(l);
    levin_keyspace_close(l->keyspace);
    l->keyspace = NULL;
    const levin_code code = l->store ? levin_close(l->store) : LEVIN_OK;
    l->store = NULL;
    return done(l, code, "levin_close");
}

static bool step(life *l)
{
    const uint64_t draw = random_below(&l->plan, 100);
    bool more = false;
    if (draw < 70)
        return write_batch(l);
    if (draw < 80)
        return done(l, levin_work(l->store, &more), "levin_work");
    if (draw < 96) {
        l->out->counts.flushes++;
        return draw < 89   ? done(l, levin_checkpoint(l->store), "levin_checkpoint")
               : draw < 93 ? done(l, levin_compact(l->store, NULL, NULL), "levin_compact")
                           : done(l, levin_collect(l->store, 80), "levin_collect");
    }
    return draw < 98 || (close_store(l) && open_store(l));
}

/* What the other keyspace holds must never be seen. */
static bool write_beside(life *l)
{
    levin_code code = LEVIN_OK;
    levin_keyspace *other = NULL;
    if (!l->space)
        code = levin_keyspace_open(l->store, "z", 1, LEVIN_KEYSPACE_CREATE, &other);
    for (unsigned i = 0; i < KEYS && code == LEVIN_OK; i++)
        code = levin_put_in(l->store, other, l->keys[i].data, l->keys[i].size, "beside", 6, LEVIN_NONE);
    levin_keyspace_close(other);
    return done(l, code, "writes beside");
}

static bool between_steps(life *l, uint32_t n, bool (*at)(void *context), void *context)
{
    bool good = true;
    for (unsigned i = 0; i < HELD && good; i++)
        good = move_held(l, &l->held[i]);
    for (unsigned i = 0; i < WALKS_A_STEP && good; i++)
        good = walk(l, (uint32_t)random_below(&l->walk, COMBINATIONS), i % 3 == 2);
    good = good && probe(l);
    const bool all = n % EXHAUST_EVERY == EXHAUST_EVERY - 1;
    for (uint32_t i = 0; i < COMBINATIONS && good && all; i++) {
        good = walk(l, i, false);
        if (i % 512 == 0 && !at(context))
            return false;
    }
    l->out->counts.exhausted += good && all;
    return good;
}

bool ranges_run(uint64_t seed, uint32_t steps, const ranges_kept *part, bool (*at)(void *context), void *context,
                ranges_outcome *out)
{
    *out = (ranges_outcome){ .verdict = { .state = ORACLE_NO_STATE } };
    life l = { .disk = simdisk_create(NULL, NULL), .o = oracle_create(), .out = out };
    make_keys(&l);
    simdisk_seed(l.disk, seed);
    l.f = fault_io_create(simdisk_io(l.disk));
    l.space = seed % 2 ? oracle_space(l.o, (levin_slice){ SPACE_NAME, strlen(SPACE_NAME) }) : ORACLE_DEFAULT;
    levin_options_init(&l.options);
    l.options.io = fault_io_table(l.f);
    l.options.background = LEVIN_BACKGROUND_NONE;
    l.options.page_bytes = LEVIN_PAGE_MIN_BYTES;
    l.options.cache_bytes = 16 * LEVIN_PAGE_MIN_BYTES;
    l.options.row_cache_bytes = 0;
    l.options.memtable_bytes = 64 << 10;
    l.options.wal_segment_bytes = 32 << 10;
    const bool logged = seed / 2 % 2;
    l.options.value_log_threshold_bytes = logged ? 700 : 0; /* in the value log, or in extents */
    if (logged && seed % 8 != 7)
        l.options.value_cache_bytes = 0; /* large values are read again and again, and calls fail */
    l.options.value_log_segment_bytes = 16 << 10;
    bool good = open_store(&l) && write_beside(&l);
    for (uint32_t n = 0; n < steps && good && at(context); n++) {
        out->step = n;
        l.plan = random_open(seed, STREAM_STEPS + n);
        l.walk = random_open(seed, STREAM_WALKS + n);
        if (!part || number_set_has(&part->steps, n))
            good = step(&l);
        if (good && (!part || number_set_has(&part->walks, n)))
            good = between_steps(&l, n, at, context);
    }
    close_store(&l);
    fault_io_destroy(l.f);
    if (!simdisk_destroy(l.disk, NULL) && !out->verdict.promise) {
        oracle_fault(&out->verdict, "FAULT", "memory or open files are left behind");
        wrong(&l, "after the close");
    }
    oracle_destroy(l.o);
    return out->verdict.promise == NULL;
}
