/*
 * memtable_fill_bench.c - who fills the memtable with a commit group: the leader alone, or the leader and a helper
 * side by side.
 *
 * The memtable has one writer, so the parallel shape here is the kindest to it: two tables, each taking half of the
 * group's batches, the helper woken by a futex and waited for by one; that readers would then have to look in
 * both, and that a group's order would have to be kept between them, is not counted.
 * Usage: engine_memtable_fill_bench [runs]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "io.h"
#include "memtable.h"
#include "record_format.h"
#include "sync.h"

enum { KEY_BYTES = 16, VALUE_BYTES = 100, OPERATION_BYTES = RECORD_HEADER_BYTES + KEY_BYTES + VALUE_BYTES };
enum { PREFILLED = 500000, OPERATIONS = 400000, SPINS = 200, RUNS_MAX = 99 };

typedef struct filler {
    memtable *table;
    uint64_t group;
    const uint8_t *from; /* operations of the group, for both */
    size_t operations, batch;
    bool every_other;    /* batches: all of them, or every other */
} filler;

typedef struct pair {
    filler leader, helper;
    sync_thread thread;
    _Atomic uint32_t turn; /* odd: the helper's; 1 << 31: it ends */
} pair;

static double now_ns(void)
{
    return (double)levin_io_posix()->now_ns(NULL);
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void operation_make(uint8_t *op, uint64_t number)
{
    memset(op, 0, OPERATION_BYTES);
    store_u8(op + RECORD_KIND, RECORD_PUT);
    store_u16(op + RECORD_KEY_BYTES, KEY_BYTES);
    store_u32(op + RECORD_VALUE_BYTES, VALUE_BYTES);
    snprintf((char *)op + RECORD_HEADER_BYTES, KEY_BYTES + 1, "%016llx", (unsigned long long)mix(number));
}

static void fill(filler *f, size_t first)
{
    mem_node_list replaced = { 0 };
    memtable_begin(f->table, ++f->group);
    for (size_t at = first; at < f->operations; at += f->batch * (f->every_other ? 2 : 1)) {
        size_t n = f->operations - at < f->batch ? f->operations - at : f->batch;
        uint8_t *to = arena_reserve(memtable_arena(f->table), n * OPERATION_BYTES);
        if (!to)
            abort();
        memcpy(to, f->from + at * OPERATION_BYTES, n * OPERATION_BYTES);
        if (!memtable_apply_batch(f->table, to, n))
            abort();
    }
    memtable_finish(f->table, &replaced);
    for (mem_node *node; (node = mem_node_list_pop(&replaced)) != NULL;)
        memtable_recycle(f->table, node);
}

static void helper_run(void *argument)
{
    pair *p = argument;
    for (uint32_t turn = 0;;) {
        while (!((turn = atomic_load_explicit(&p->turn, memory_order_acquire)) & 1)) /* pairs with fill_both() */
            sync_wait(&p->turn, turn, 0);
        if (turn >> 31)
            return;
        fill(&p->helper, p->helper.batch);
        atomic_store_explicit(&p->turn, turn + 1, memory_order_release); /* pairs with fill_both() */
        sync_wake(&p->turn, 1);
    }
}

static void fill_both(pair *p)
{
    uint32_t turn = atomic_load_explicit(&p->turn, memory_order_relaxed) + 1; /* ours while it is even */
    atomic_store_explicit(&p->turn, turn, memory_order_release);              /* pairs with helper_run() */
    sync_wake(&p->turn, 1);
    fill(&p->leader, 0);
    for (int i = 0; i < SPINS && atomic_load_explicit(&p->turn, memory_order_relaxed) == turn; i++) {
    }
    while (atomic_load_explicit(&p->turn, memory_order_acquire) == turn) /* pairs with helper_run() */
        sync_wait(&p->turn, turn, 0);
}

static memtable *table_make(size_t entries, uint8_t *operations)
{
    filler f = { .table = memtable_create(levin_io_posix(), 4 << 20), .from = operations, .batch = 1000,
                 .operations = entries };
    if (!f.table)
        abort();
    for (size_t i = 0; i < entries; i++)
        operation_make(operations + i * OPERATION_BYTES, i + 1);
    fill(&f, 0);
    return f.table;
}

static double run(bool both, size_t batches, size_t batch, uint8_t *operations)
{
    static pair p;
    memset(&p, 0, sizeof p);
    p.leader.table = table_make(both ? PREFILLED / 2 : PREFILLED, operations);
    p.leader.group = p.helper.group = 1;
    p.leader.batch = p.helper.batch = batch;
    p.leader.operations = p.helper.operations = batches * batch;
    if (both) {
        p.helper.table = table_make(PREFILLED / 2, operations);
        p.leader.every_other = p.helper.every_other = true;
        if (sync_thread_start(&p.thread, helper_run, &p))
            abort();
    }
    for (size_t i = 0; i < OPERATIONS; i++)
        operation_make(operations + i * OPERATION_BYTES, PREFILLED + 1 + i);
    double begin = now_ns();
    size_t done = 0;
    for (; done + batches * batch <= OPERATIONS; done += batches * batch) {
        p.leader.from = p.helper.from = operations + done * OPERATION_BYTES;
        if (both)
            fill_both(&p);
        else
            fill(&p.leader, 0);
    }
    double took = (now_ns() - begin) / (double)done;
    if (both) {
        atomic_store_explicit(&p.turn, 1u << 31 | 1, memory_order_release); /* pairs with helper_run() */
        sync_wake(&p.turn, 1);
        sync_thread_join(&p.thread);
        memtable_unref(p.helper.table);
    }
    memtable_unref(p.leader.table);
    return took;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int count, char **arguments)
{
    static const struct {
        size_t batches, batch;
    } shapes[] = { { 2, 1 }, { 8, 1 }, { 32, 1 }, { 64, 1 }, { 8, 10 }, { 64, 10 }, { 2, 1000 }, { 8, 1000 } };
    long runs = count > 1 ? strtol(arguments[1], NULL, 10) : 3;
    if (runs < 1 || runs > RUNS_MAX)
        return EXIT_FAILURE;
    uint8_t *operations = malloc((size_t)PREFILLED * OPERATION_BYTES);
    if (!operations)
        return EXIT_FAILURE;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        double took[2][RUNS_MAX];
        for (long r = 0; r < runs; r++)
            for (int both = 0; both < 2; both++)
                took[both][r] = run(both, shapes[i].batches, shapes[i].batch, operations);
        for (int both = 0; both < 2; both++)
            qsort(took[both], (size_t)runs, sizeof took[both][0], by_value);
        printf("group of %3zu batches of %4zu  leader alone %7.1f ns an operation  with a helper %7.1f  ratio %.2f\n",
               shapes[i].batches, shapes[i].batch, took[0][runs / 2], took[1][runs / 2],
               took[1][runs / 2] / took[0][runs / 2]);
    }
    free(operations);
    return 0;
}
