/*
 * row_cache_concurrent_test.c - the row cache under many threads, also under ThreadSanitizer.
 *
 * Invariants checked:
 *   - beside a leader that raises and publishes, no hit is older than what its reader has seen published before, nor
 *     newer than what is published, while items are replaced and segments emptied and used again; counters add up;
 *   - reads of all kinds (get, get_alloc, pinned, multi-get, at a snapshot), puts and deletes of a whole store are
 *     linearizable, key by key: keys short, of the two lengths with a way of their own, and of a named keyspace.
 * The check of linearizability is the search of Wing and Gong ("Testing and verifying concurrent objects", 1993) with
 * the configurations seen remembered (Lowe, "Testing for linearizability", 2017).  Invocations and responses are
 * ordered by one counter.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "file.h"
#include "record_format.h"
#include "row_cache.h"

#if defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

static uint64_t mix(uint64_t x)
{
    /* SplitMix64 (Steele, Lea, Flood 2014) */
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
static uint64_t random_next(uint64_t *state)
{
    return mix(*state += 0x9e3779b97f4a7c15u);
}

/* ---- the cache beside a leader ---- */

enum {
    KEYS = 3000,
    HOT = 40,
    READERS = 3,
    WRITES = SANITIZED ? 20000 : 100000, /* by the leader, one at a time; sequence s writes the key written_key(s) */
    BUDGET = 256 << 10,                  /* room for a third of the keys */
    PADDING = 120,
    ROUNDS_MIN = 100,                    /* of a reader, of 100 reads each */
    GATHER_OFTEN = 64                    /* as if each read were so many: a step of gathering is often due */
};

typedef struct world {
    row_cache *rows;
    counter_set counts;
    _Atomic uint64_t published;   /* release by the leader, acquire by readers: as version_publish() */
    _Atomic uint64_t last[KEYS];  /* sequence of the last write to the key: its value; relaxed */
    _Atomic uint64_t failures, hits;
    _Atomic bool done;
} world;

static uint64_t written_key(uint64_t sequence)
{
    uint64_t x = mix(sequence);
    return x % 4 ? (x >> 8) % HOT : (x >> 8) % KEYS;
}

static void flaw(world *w, const char *what, uint64_t a, uint64_t b)
{
    fprintf(stderr, "row_cache_concurrent_test: %s: %llu, %llu\n", what, (unsigned long long)a, (unsigned long long)b);
    atomic_fetch_add(&w->failures, 1);
}

static void *lead(void *argument)
{
    world *w = argument;
    uint8_t record[RECORD_HEADER_BYTES + 8] = { 0 };
    store_u8(record + RECORD_KIND, RECORD_PUT);
    store_u16(record + RECORD_KEY_BYTES, 8);
    for (uint64_t s = 1; s <= WRITES; s++) {
        uint64_t k = written_key(s);
        store_u64(record + RECORD_HEADER_BYTES, k);
        row_cache_touch_records(w->rows, record, 1, s);
        if (s % 5000 == 0)
            row_cache_touch_all(w->rows, s);
        atomic_store_explicit(&w->last[k], s, memory_order_relaxed);
        atomic_store_explicit(&w->published, s, memory_order_release); /* pairs with read_one() */
    }
    atomic_store(&w->done, true);
    return NULL;
}

static void read_one(world *w, uint64_t k)
{
    uint8_t key[8], value[8 + PADDING] = { 0 };
    row_value v;
    store_u64(key, k);
    uint64_t hash = row_cache_hash(key, 8);
    reclaim_read_lock();
    uint64_t before = atomic_load_explicit(&w->published, memory_order_acquire); /* pairs with lead() */
    uint64_t last = atomic_load_explicit(&w->last[k], memory_order_relaxed);     /* at least that of `before` */
    if (row_cache_find(w->rows, hash, key, 8, UINT64_MAX, &v)) {
        uint64_t found = load_u64(v.data);
        uint64_t after = atomic_load_explicit(&w->published, memory_order_acquire); /* pairs with lead() */
        if (last <= before && found < last)
            flaw(w, "a stale hit", found, last);
        if (found > after || (found && written_key(found) != k))
            flaw(w, "a value of the future or of another key", found, after);
        atomic_fetch_add_explicit(&w->hits, 1, memory_order_relaxed);
    } else if (last <= before) { /* the value at version `before` */
        store_u64(value, last);
        v = (row_value){ value, 8 + k % PADDING };
        row_cache_fill(w->rows, hash, key, 8, &v, before);
    }
    reclaim_read_unlock();
    if (row_cache_wants_maintenance(w->rows))
        row_cache_maintain(w->rows, true);
    if (row_cache_note_reads(w->rows, GATHER_OFTEN))
        row_cache_gather(w->rows);
}

typedef struct reader {
    pthread_t thread;
    world *w;
    uint64_t random;
} reader;

static void *read_all(void *argument)
{
    reader *r = argument;
    for (int round = 0; round < ROUNDS_MIN || !atomic_load(&r->w->done); round++)
        for (int i = 0; i < 100; i++)
            read_one(r->w, random_next(&r->random) % (i % 4 ? HOT : KEYS));
    return NULL;
}

START_TEST(row_cache__beside_a_leader_no_hit_is_stale)
{
    world *w = aligned_alloc(64, (sizeof *w + 63) & ~(size_t)63);
    reader readers[READERS];
    pthread_t leader;
    memset(w, 0, sizeof *w);
    w->rows = row_cache_create(levin_io_posix(), BUDGET, &w->counts, 0);
    ck_assert_ptr_nonnull(w->rows);
    ck_assert(row_cache_prepare(w->rows));
    row_cache_activate(w->rows, 0);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (reader){ .w = w, .random = (uint64_t)i };
        ck_assert_int_eq(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]), 0);
    }
    ck_assert_int_eq(pthread_create(&leader, NULL, lead, w), 0);
    ck_assert_int_eq(pthread_join(leader, NULL), 0);
    for (int i = 0; i < READERS; i++)
        ck_assert_int_eq(pthread_join(readers[i].thread, NULL), 0);
    ck_assert_uint_eq(atomic_load(&w->failures), 0);
    ck_assert_uint_gt(atomic_load(&w->hits), 100);
    uint64_t inserts = counter_read(&w->counts, ROW_INSERTS), evictions = counter_read(&w->counts, ROW_EVICTIONS);
    ck_assert_uint_eq(row_cache_entries(w->rows), inserts - evictions);
    ck_assert_uint_gt(evictions, 100);
    ck_assert_uint_le(row_cache_bytes(w->rows), BUDGET);
    row_cache_destroy(w->rows);
    free(w);
}
END_TEST

/* ---- linearizability of a store ---- */

enum {
    CLIENTS = 3,
    CELLS = 4,         /* keys whose history is checked */
    CELL_NAMED = 3,    /* that one is in a named keyspace */
    STEPS = 20,        /* of a client in a round; a cell's history has at most CLIENTS * STEPS operations */
    ROUNDS = SANITIZED ? 300 : 2000,
    NEIGHBOURS = 100,  /* other keys written in the same batch, so that raising and publishing take a while */
    SEEN = 1 << 14,
    NOTHING = 0        /* the value of an absent key */
};

enum action { ACTION_READ, ACTION_WRITE };
typedef struct event {
    enum action action;
    uint64_t value;    /* read, or written; NOTHING: absent, or a delete */
    uint64_t invoked, returned;
} event;

typedef struct history {
    event events[CLIENTS * STEPS + 1];
    size_t count;
    uint64_t begin;    /* the value before */
} history;

/* A configuration: the events linearized, and the value then. Open addressing; forgotten when it is full. */
typedef struct configurations {
    uint64_t done[SEEN], value[SEEN];
    size_t count;
} configurations;

static bool seen_before(configurations *c, uint64_t done, uint64_t value)
{
    size_t at = mix(done ^ mix(value)) % SEEN;
    if (c->count > SEEN / 2) {
        memset(c, 0, sizeof *c);
    }
    for (; c->done[at]; at = (at + 1) % SEEN)
        if (c->done[at] == done && c->value[at] == value)
            return true;
    c->done[at] = done;
    c->value[at] = value;
    c->count++;
    return false;
}

static bool linearizes(const history *h, uint64_t done, uint64_t value, configurations *c)
{
    uint64_t first_return = UINT64_MAX;
    if (done == (UINT64_C(1) << h->count) - 1)
        return true;
    if (done && seen_before(c, done, value))
        return false;
    for (size_t i = 0; i < h->count; i++)
        if (!(done >> i & 1) && h->events[i].returned < first_return)
            first_return = h->events[i].returned;
    for (size_t i = 0; i < h->count; i++) {
        const event *e = &h->events[i];
        if (done >> i & 1 || e->invoked > first_return)
            continue; /* another one has returned before this one began */
        if (e->action == ACTION_READ ? e->value == value && linearizes(h, done | UINT64_C(1) << i, value, c)
                                     : linearizes(h, done | UINT64_C(1) << i, e->value, c))
            return true;
    }
    return false;
}

START_TEST(linearizability__the_search_can_tell)
{
    static configurations c;
    /* a write from 1 to 4; a read of the new value from 2 to 3, then one of the old value from 5 to 6: a step back */
    history h = { .events = { { ACTION_WRITE, 7, 1, 4 }, { ACTION_READ, 7, 2, 3 }, { ACTION_READ, NOTHING, 5, 6 } },
                  .count = 3, .begin = NOTHING };
    ck_assert(!linearizes(&h, 0, h.begin, &c));
    memset(&c, 0, sizeof c);
    h.events[2].invoked = 0; /* it began before all: the old value is right */
    ck_assert(linearizes(&h, 0, h.begin, &c));
    memset(&c, 0, sizeof c);
    h.events[1].value = 8; /* nobody wrote that */
    ck_assert(!linearizes(&h, 0, h.begin, &c));
}
END_TEST

typedef struct arena_of_clients {
    levin *db;
    levin_keyspace *named;
    pthread_barrier_t barrier;
    _Atomic uint64_t clock;
    _Atomic uint64_t next_value;
    _Atomic int failures;
} arena_of_clients;

typedef struct client {
    pthread_t thread;
    arena_of_clients *a;
    uint64_t random;
    levin_batch *batch;
    history histories[CELLS]; /* of this client and round */
} client;

enum { CELL_KEY_MAX = 24 };

static levin_slice cell_key(char key[CELL_KEY_MAX], uint64_t cell)
{
    static const size_t bytes[CELLS] = { 7, 12, CELL_KEY_MAX, 16 }; /* the last with an id in front */
    memset(key, '-', CELL_KEY_MAX);
    memcpy(key, "cell-", 5);
    key[5] = (char)('0' + cell);
    return (levin_slice){ key, bytes[cell] };
}

static levin_keyspace *cell_space(const arena_of_clients *a, uint64_t cell)
{
    return cell == CELL_NAMED ? a->named : NULL;
}

static uint64_t value_found(levin_code code, const void *value, size_t bytes)
{
    uint64_t v;
    if (code == LEVIN_NOT_FOUND)
        return NOTHING;
    if (code != LEVIN_OK || bytes != sizeof v)
        return UINT64_MAX;
    memcpy(&v, value, sizeof v);
    return v;
}

enum read_kind { READ_GET, READ_ALLOC, READ_PINNED, READ_MANY, READ_KINDS };

static uint64_t read_cell(const arena_of_clients *a, const levin_snapshot *snapshot, uint64_t cell, unsigned kind)
{
    char key[CELL_KEY_MAX], other[CELL_KEY_MAX];
    const levin_slice k = cell_key(key, cell), o = cell_key(other, cell);
    const levin_keyspace *ks = cell_space(a, cell);
    uint64_t value[2] = { 0 }, found;
    size_t bytes = 0;
    levin_code code;
    if (kind == READ_ALLOC) {
        void *copy;
        code = levin_get_alloc_in(a->db, ks, snapshot, k.data, k.size, &copy, &bytes);
        found = value_found(code, copy, bytes);
        levin_free(a->db, copy);
    } else if (kind == READ_PINNED) {
        levin_pinned pinned;
        code = levin_get_pinned_in(a->db, ks, snapshot, k.data, k.size, &pinned);
        found = value_found(code, pinned.value.data, pinned.value.size);
        levin_pinned_release(&pinned);
    } else if (kind == READ_MANY) { /* twice: at one state they are the same */
        levin_get_request r[2] = {
            { .key = k.data, .key_bytes = k.size, .buffer = &value[0], .capacity = sizeof value[0] },
            { .key = o.data, .key_bytes = o.size, .buffer = &value[1], .capacity = sizeof value[1] } };
        code = levin_multi_get_in(a->db, ks, snapshot, r, 2);
        found = code == LEVIN_OK ? value_found(r[0].code, &value[0], r[0].value_bytes) : UINT64_MAX;
        if (found != value_found(r[1].code, &value[1], r[1].value_bytes))
            found = UINT64_MAX;
    } else {
        code = levin_get_in(a->db, ks, snapshot, k.data, k.size, value, sizeof value[0], &bytes);
        found = value_found(code, value, bytes);
    }
    return found;
}

/* Past the row cache. */
static uint64_t read_cell_at_snapshot(const arena_of_clients *a, uint64_t cell, unsigned kind)
{
    levin_snapshot *snapshot;
    if (levin_snapshot_create(a->db, &snapshot) != LEVIN_OK)
        return UINT64_MAX;
    uint64_t value = read_cell(a, snapshot, cell, kind);
    levin_snapshot_release(snapshot);
    return value;
}

static bool write_cell(client *c, uint64_t cell, uint64_t value)
{
    char key[CELL_KEY_MAX];
    const levin_slice k = cell_key(key, cell);
    levin *db = c->a->db;
    levin_keyspace *ks = cell_space(c->a, cell);
    if (random_next(&c->random) % 2)
        return (value == NOTHING ? levin_delete_in(db, ks, k.data, k.size, LEVIN_NONE)
                                 : levin_put_in(db, ks, k.data, k.size, &value, sizeof value, LEVIN_NONE)) == LEVIN_OK;
    levin_batch_clear(c->batch);
    bool ok = true;
    for (uint64_t n = 0; n < NEIGHBOURS && ok; n++) {
        char other[16];
        size_t bytes = (size_t)snprintf(other, sizeof other, "other-%03u", (unsigned)n);
        ok = levin_batch_put(c->batch, other, bytes, &value, sizeof value) == LEVIN_OK;
    }
    ok = ok && (value == NOTHING ? levin_batch_delete_in(c->batch, ks, k.data, k.size)
                                 : levin_batch_put_in(c->batch, ks, k.data, k.size, &value, sizeof value)) == LEVIN_OK;
    return ok && levin_write(db, c->batch, LEVIN_NONE) == LEVIN_OK;
}

static void client_step(client *c)
{
    arena_of_clients *a = c->a;
    uint64_t choice = random_next(&c->random) % 16, cell = random_next(&c->random) % CELLS;
    unsigned kind = (unsigned)(random_next(&c->random) % READ_KINDS);
    history *h = &c->histories[cell];
    event *e = &h->events[h->count++];
    e->action = choice < 4 ? ACTION_WRITE : ACTION_READ;
    if (e->action == ACTION_WRITE)
        e->value = choice ? 1 + atomic_fetch_add(&a->next_value, 1) : NOTHING;
    e->invoked = atomic_fetch_add(&a->clock, 1);
    if (e->action == ACTION_READ)
        e->value = choice < 7 ? read_cell_at_snapshot(a, cell, kind) : read_cell(a, NULL, cell, kind);
    else if (!write_cell(c, cell, e->value))
        atomic_fetch_add(&a->failures, 1);
    e->returned = atomic_fetch_add(&a->clock, 1);
}

static void *client_run(void *argument)
{
    client *c = argument;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&c->a->barrier); /* all begin */
        for (int cell = 0; cell < CELLS; cell++)
            c->histories[cell].count = 0;
        for (int i = 0; i < STEPS; i++)
            client_step(c);
        pthread_barrier_wait(&c->a->barrier); /* all have ended: the histories are checked */
    }
    return NULL;
}

static void print_history(const history *h)
{
    fprintf(stderr, "not linearizable, from value %llu:\n", (unsigned long long)h->begin);
    for (size_t i = 0; i < h->count; i++)
        fprintf(stderr, "  %llu-%llu %s %llu\n", (unsigned long long)h->events[i].invoked,
                (unsigned long long)h->events[i].returned, h->events[i].action == ACTION_READ ? "read" : "wrote",
                (unsigned long long)h->events[i].value);
}

/* Between rounds. */
static bool round_is_linearizable(client *clients, uint64_t begin[CELLS])
{
    static configurations c;
    bool good = true;
    for (int cell = 0; cell < CELLS; cell++) {
        history h = { .begin = begin[cell] };
        for (int i = 0; i < CLIENTS; i++) {
            const history *part = &clients[i].histories[cell];
            memcpy(&h.events[h.count], part->events, part->count * sizeof part->events[0]);
            h.count += part->count;
        }
        /* what is read past the cache when all is quiet ends the history */
        begin[cell] = read_cell_at_snapshot(clients[0].a, (uint64_t)cell, READ_GET);
        h.events[h.count++] = (event){ ACTION_READ, begin[cell], UINT64_MAX - 1, UINT64_MAX };
        memset(&c, 0, sizeof c);
        if (linearizes(&h, 0, h.begin, &c))
            continue;
        print_history(&h);
        good = false;
    }
    return good;
}

static void linearizable(levin_background background, uint64_t row_cache_bytes)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    arena_of_clients a = { 0 };
    static client clients[CLIENTS];
    uint64_t begin[CELLS] = { NOTHING };
    levin_options o;
    levin_stats stats;
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.background = background;
    o.row_cache_bytes = row_cache_bytes;
    o.memtable_bytes = 256 << 10;
    ck_assert_int_eq(levin_open("/store", &o, &a.db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_keyspace_open(a.db, "named", 5, LEVIN_KEYSPACE_CREATE, &a.named), LEVIN_OK);
    ck_assert_int_eq(pthread_barrier_init(&a.barrier, NULL, CLIENTS + 1), 0);
    for (int i = 0; i < CLIENTS; i++) {
        memset(&clients[i], 0, sizeof clients[i]);
        clients[i].a = &a;
        clients[i].random = 77u + (uint64_t)i;
        ck_assert_int_eq(levin_batch_create(a.db, &clients[i].batch), LEVIN_OK);
        ck_assert_int_eq(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
    }
    bool good = true;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&a.barrier);
        pthread_barrier_wait(&a.barrier);
        good = good && round_is_linearizable(clients, begin);
    }
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_eq(pthread_join(clients[i].thread, NULL), 0);
        levin_batch_destroy(clients[i].batch);
    }
    levin_stats_get(a.db, &stats);
    levin_keyspace_close(a.named);
    ck_assert(good);
    ck_assert_int_eq(atomic_load(&a.failures), 0);
    if (row_cache_bytes)
        ck_assert_uint_gt(stats.row_hits, ROUNDS);
    ck_assert_int_eq(levin_close(a.db), LEVIN_OK);
    pthread_barrier_destroy(&a.barrier);
    ck_assert(simdisk_destroy(disk, NULL));
}

static void *read_present(void *argument)
{
    arena_of_clients *a = argument;
    uint64_t value;
    size_t bytes;
    while (!atomic_load(&a->next_value)) /* set when the reading is to end */
        if (levin_get(a->db, NULL, "a present key", 13, &value, sizeof value, &bytes) != LEVIN_OK)
            atomic_fetch_add(&a->failures, 1);
    return NULL;
}

static void counts_beside_a_reader(uint64_t row_cache_bytes)
{
    simdisk *disk = simdisk_create(NULL, NULL);
    arena_of_clients a = { 0 };
    pthread_t thread;
    levin_options o;
    levin_stats s, before = { 0 };
    levin_options_init(&o);
    o.io = simdisk_io(disk);
    o.background = LEVIN_BACKGROUND_NONE;
    o.row_cache_bytes = row_cache_bytes;
    ck_assert_int_eq(levin_open("/store", &o, &a.db, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_put(a.db, "a present key", 13, "12345678", 8, LEVIN_NONE), LEVIN_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, read_present, &a), 0);
    for (int i = 0; i < (SANITIZED ? 20000 : 200000); i++, before = s) {
        levin_stats_get(a.db, &s);
        ck_assert_uint_ge(s.gets, before.gets);
        ck_assert_uint_ge(s.get_hits, before.get_hits);
        ck_assert_uint_le(s.get_hits, s.gets);
    }
    atomic_store(&a.next_value, 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(atomic_load(&a.failures), 0);
    levin_stats_get(a.db, &s);
    ck_assert_uint_eq(s.get_hits, s.gets);
    ck_assert_int_eq(levin_close(a.db), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));
}

START_TEST(row_cache__counts_beside_a_reader_never_fall)
{
    counts_beside_a_reader(ROW_CACHE_MIN_BYTES);
    counts_beside_a_reader(0);
}
END_TEST

START_TEST(row_cache__a_store_with_it_is_linearizable)
{
    linearizable(LEVIN_BACKGROUND_NONE, ROW_CACHE_MIN_BYTES);
}
END_TEST

START_TEST(row_cache__a_store_with_it_and_a_thread_is_linearizable)
{
    linearizable(LEVIN_BACKGROUND_THREAD, 1 << 20);
}
END_TEST

START_TEST(row_cache__a_store_without_it_is_linearizable)
{
    linearizable(LEVIN_BACKGROUND_THREAD, 0);
}
END_TEST

LEVIN_TEST_MAIN("row_cache_concurrent", TEST(row_cache__counts_beside_a_reader_never_fall),
                TEST(row_cache__beside_a_leader_no_hit_is_stale),
                TEST(linearizability__the_search_can_tell), TEST(row_cache__a_store_with_it_is_linearizable),
                TEST(row_cache__a_store_with_it_and_a_thread_is_linearizable),
                TEST(row_cache__a_store_without_it_is_linearizable))
