/*
 * memtable_concurrent_test.c - one writer, readers on published roots, recycling by other threads; for
 * ThreadSanitizer too.
 *
 * Invariants checked: every root that a reader gets shows one group wholly (all marker keys carry its number), in
 * order and with the right number of keys, forwards, backwards and by lookups, while nodes that older roots
 * reached are poisoned and recycled by two other threads as soon as the readers of those roots have left.  Memory
 * stays bounded; the last unref, from any thread, frees all.
 *
 * Reclamation of the test: a reader announces the epoch before it loads the root; the writer raises the epoch to g
 * after it has published the root of group g; nodes replaced by group g are recycled when no reader has announced
 * less than g.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "mem_node.h"

#include "../faults/check_main.h"
#include "memory_io_test.h"

enum { READERS = 2, RECYCLERS = 2, MARKERS = 40, FILL = 3000, GROUPS = 3000, KEY_BYTES = 12, QUEUE = 64 };

/* As ck_assert(), which reports each success too: far too slow here. */
#define check(condition)                                                                                        \
    do {                                                                                                        \
        if (!(condition))                                                                                       \
            ck_abort_msg("%s", #condition);                                                                     \
    } while (0)

typedef struct batch {
    mem_node_list nodes;
    uint64_t death;
} batch;

typedef struct shared {
    memtable *m;
    _Atomic(const mem_node *) root;
    _Atomic uint64_t epoch;
    _Atomic uint64_t entered[READERS]; /* epoch announced, 0: outside */
    _Atomic bool done;                 /* the writer has finished */
    _Atomic uint64_t scans;

    pthread_mutex_t lock; /* of the queue from the writer to the recyclers */
    batch queue[QUEUE];
    size_t queued;
    bool closed;
} shared;

typedef struct reader {
    shared *s;
    unsigned number;
} reader;

static size_t put_key(uint8_t *key, char kind, unsigned number)
{
    char text[KEY_BYTES + 1];
    snprintf(text, sizeof text, "%08u%c%03u", number, kind, number % 1000);
    memcpy(key, text, KEY_BYTES);
    return KEY_BYTES;
}

static const uint8_t *put_record(uint8_t *r, char kind, unsigned number, uint64_t value)
{
    memset(r, 0, RECORD_HEADER_BYTES);
    store_u8(r + RECORD_KIND, RECORD_PUT);
    store_u16(r + RECORD_KEY_BYTES, KEY_BYTES);
    store_u32(r + RECORD_VALUE_BYTES, 8);
    put_key(r + RECORD_HEADER_BYTES, kind, number);
    store_u64(r + RECORD_HEADER_BYTES + KEY_BYTES, value);
    return r;
}

static bool is_marker(const uint8_t *r)
{
    return record_key(r)[8] == 'm';
}

/* Scans one root; the group that it shows. */
static uint64_t scan_root(const mem_node *root, bool forward)
{
    mem_cursor c;
    const uint8_t *before = NULL;
    uint64_t group = 0, markers = 0, keys = 0, expected = 0;
    mem_cursor_init(&c, root);
    for (bool more = forward ? mem_cursor_first(&c) : mem_cursor_last(&c); more;
         more = forward ? mem_cursor_next(&c) : mem_cursor_prev(&c)) {
        const uint8_t *r = mem_cursor_record(&c);
        uint64_t value = load_u64(record_value(r));
        if (before) {
            int order = memcmp(record_key(before), record_key(r), KEY_BYTES);
            check(forward ? order < 0 : order > 0);
        }
        if (is_marker(r)) {
            check(markers == 0 || value == group);
            group = value;
            markers++;
        }
        before = r;
        keys++;
    }
    check(markers == MARKERS);
    expected = group < FILL ? group : FILL; /* group g brings the fill key of number g, up to FILL */
    check(keys == MARKERS + expected);
    for (unsigned i = 0; i < MARKERS; i++) {
        uint8_t key[KEY_BYTES];
        const uint8_t *r = memtable_find(root, key, put_key(key, 'm', i * 97));
        check(r != NULL);
        check(load_u64(record_value(r)) == group);
    }
    return group;
}

static void *read_roots(void *argument)
{
    reader *me = argument;
    shared *s = me->s;
    uint64_t newest = 0;
    bool forward = me->number & 1;
    while (!atomic_load(&s->done)) {
        /* sequentially consistent with the writer's store of root, of epoch, and its load of entered */
        atomic_store(&s->entered[me->number], atomic_load(&s->epoch));
        const mem_node *root = atomic_load(&s->root); /* acquire: pairs with the writer's publication */
        uint64_t group = scan_root(root, forward);
        ck_assert_uint_ge(group, newest);
        newest = group;
        forward = !forward;
        /* release: my reads of the nodes; pairs with the recycler's acquire */
        atomic_store_explicit(&s->entered[me->number], 0, memory_order_release);
        atomic_fetch_add(&s->scans, 1);
    }
    memtable_unref(s->m);
    return NULL;
}

static bool readers_left(shared *s, uint64_t death)
{
    for (unsigned i = 0; i < READERS; i++) {
        uint64_t entered = atomic_load(&s->entered[i]);
        if (entered && entered < death)
            return false;
    }
    return true;
}

static void *recycle_nodes(void *argument)
{
    shared *s = argument;
    for (bool closed = false; !closed;) {
        batch b = { 0 };
        pthread_mutex_lock(&s->lock);
        if (s->queued)
            b = s->queue[--s->queued];
        else
            closed = s->closed;
        pthread_mutex_unlock(&s->lock);
        while (b.death && !readers_left(s, b.death))
            sched_yield();
        for (mem_node *node; (node = mem_node_list_pop(&b.nodes)) != NULL;) {
            unsigned level = node->level;
            memset(node, 0xa5, level ? sizeof(mem_branch) : sizeof(mem_node));
            node->level = (uint8_t)level;
            memtable_recycle(s->m, node);
        }
        if (!b.death)
            sched_yield();
    }
    memtable_unref(s->m);
    return NULL;
}

static void hand_over(shared *s, mem_node_list *replaced, uint64_t death)
{
    for (bool done = false; !done;) {
        pthread_mutex_lock(&s->lock);
        if (s->queued < QUEUE) {
            s->queue[s->queued++] = (batch){ *replaced, death };
            done = true;
        }
        pthread_mutex_unlock(&s->lock);
        if (!done)
            sched_yield();
    }
}

/* A group sets all markers to its number and brings one new key; every seventh try is aborted first. */
static void write_group(shared *s, uint8_t *records, uint64_t group)
{
    mem_node_list replaced;
    size_t at = 0;
    for (int attempt = group % 7 ? 1 : 0; attempt < 2; attempt++) {
        memtable_begin(s->m, group);
        at = 0;
        for (unsigned i = 0; i < MARKERS; i++)
            at += record_bytes(put_record(records + at, 'm', i * 97, group));
        at += record_bytes(put_record(records + at, 'f', (unsigned)(group % FILL), group));
        ck_assert(memtable_apply_batch(s->m, records, MARKERS + 1));
        if (attempt == 0)
            memtable_abort(s->m);
    }
    atomic_store(&s->root, memtable_finish(s->m, &replaced));
    atomic_store(&s->epoch, group);
    hand_over(s, &replaced, group);
}

START_TEST(memtable__readers_see_whole_groups_while_nodes_are_recycled)
{
    memory_io io;
    shared *s = calloc(1, sizeof *s);
    pthread_t thread[READERS + RECYCLERS];
    reader readers[READERS];
    ck_assert_ptr_nonnull(s);
    s->m = memtable_create(memory_io_init(&io), 1 << 20);
    ck_assert_ptr_nonnull(s->m);
    ck_assert_int_eq(pthread_mutex_init(&s->lock, NULL), 0);
    size_t bytes = (MARKERS + 1) * (RECORD_HEADER_BYTES + KEY_BYTES + 8);
    for (uint64_t group = 1; group <= GROUPS; group++) {
        uint8_t *records = arena_reserve(memtable_arena(s->m), bytes);
        ck_assert_ptr_nonnull(records);
        write_group(s, records, group);
        if (group != 1)
            continue;
        for (unsigned i = 0; i < READERS + RECYCLERS; i++) {
            memtable_ref(s->m);
            readers[i % READERS] = i < READERS ? (reader){ s, i } : readers[i % READERS];
            ck_assert_int_eq(pthread_create(&thread[i], NULL, i < READERS ? read_roots : recycle_nodes,
                                            i < READERS ? (void *)&readers[i] : (void *)s), 0);
        }
    }
    while (atomic_load(&s->scans) < 2 * READERS) /* the readers had their turn, however busy the machine */
        sched_yield();
    size_t index_bytes = memtable_bytes(s->m) - memtable_arena(s->m)->held_bytes;
    ck_assert_uint_lt(index_bytes, 4u << 20); /* not recycled it would be over 100 MiB */
    ck_assert_uint_eq(memtable_entries(s->m), MARKERS + FILL);
    atomic_store(&s->done, true);
    pthread_mutex_lock(&s->lock);
    s->closed = true;
    pthread_mutex_unlock(&s->lock);
    memtable_unref(s->m); /* one of five */
    for (unsigned i = 0; i < READERS + RECYCLERS; i++)
        pthread_join(thread[i], NULL);
    ck_assert_uint_eq(io.held, 0);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
END_TEST

LEVIN_TEST_MAIN("memtable_concurrent", TEST(memtable__readers_see_whole_groups_while_nodes_are_recycled))
