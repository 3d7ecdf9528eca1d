/*
 * race.c - vector clocks and shadow memory (race.h).
 *
 * A cell is one word: mask of the bytes (8), write, atomic, thread (4), clock (50).  Clocks never go back, from run to
 * run either: a run begins with all threads ahead of every cell that an earlier one has left, so nothing is cleared.
 * An order names the vector clock of what was released by an atomic of four bytes or more, good while its stamp is that
 * of the run.
 *
 * Concurrency: one thread of the system.
 */
#include "race.h"

#include <string.h>
#include <sys/mman.h>

#include "../fatal.h"
#include "memory.h"

enum { WRITE_BIT = 1 << 8, ATOMIC_BIT = 1 << 9, THREAD_SHIFT = 10, CLOCK_SHIFT = 14 };
enum { ORDERS_MAX = 1 << 16, ORDER_BYTES = 4 };
enum { LONG_BYTES = 256, LONG_STEP = 16 }; /* see access_long() */

typedef struct vector_clock {
    uint64_t of[RACE_THREADS];
} vector_clock;

typedef struct order {
    vector_clock clock;
    unsigned head; /* thread of the last releasing store; RACE_THREADS: several */
} order;

/* Of four bytes; the stamp says for which run. */
typedef struct order_of {
    uint32_t stamp;
    uint16_t order; /* 0: none */
} order_of;

/* The cells of a granule; the first of all granules lie together, for mostly one is all that a run needs. */
static uint64_t *first_cells;
static uint64_t (*other_cells)[RACE_CELLS - 1];
static order_of *orders_of;
static order *orders;
static unsigned order_count; /* in this run; 0 is never used */
static uint32_t stamp;
static uint64_t base; /* above every clock of earlier runs */
static vector_clock clocks[RACE_THREADS];
static unsigned running;
bool race_checking;
static unsigned victim; /* which cell makes room next */

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        fatal("no shadow memory of %zu bytes for schedules", bytes);
    madvise(memory, bytes, MADV_HUGEPAGE); /* it is touched all over; without, a tenth slower */
    return memory;
}

void race_reset(void)
{
    if (!first_cells) {
        first_cells = map(MEMORY_GRANULES * sizeof *first_cells);
        other_cells = map(MEMORY_GRANULES * sizeof *other_cells);
        orders_of = map(MEMORY_BYTES / ORDER_BYTES * sizeof *orders_of);
        orders = map(ORDERS_MAX * sizeof *orders);
    }
    for (unsigned i = 0; i < RACE_THREADS; i++)
        for (unsigned j = 0; j < RACE_THREADS; j++)
            if (clocks[i].of[j] > base)
                base = clocks[i].of[j];
    base++;
    for (unsigned i = 0; i < RACE_THREADS; i++)
        for (unsigned j = 0; j < RACE_THREADS; j++)
            clocks[i].of[j] = base;
    for (unsigned i = 0; i < RACE_THREADS; i++)
        clocks[i].of[i]++;
    order_count = 1;
    stamp++;
    running = 0;
    race_checking = false;
    victim = 0;
}

void race_check(bool on)
{
    race_checking = on;
}

void race_thread(unsigned thread)
{
    running = thread;
}

static void join(vector_clock *to, const vector_clock *from)
{
    for (unsigned i = 0; i < RACE_THREADS; i++)
        to->of[i] = to->of[i] > from->of[i] ? to->of[i] : from->of[i];
}

static race_verdict fill(race_other *other, uintptr_t address, uint64_t cell)
{
    *other = (race_other){ .thread = cell >> THREAD_SHIFT & (RACE_THREADS - 1), .write = cell & WRITE_BIT,
                           .atomic = cell & ATOMIC_BIT, .address = address };
    return RACE_FOUND;
}

/* One granule; mask: its bytes.  Its cells are filled in their order, so after one of an earlier run come only such. */
static race_verdict access_granule(uintptr_t address, unsigned mask, unsigned flags, race_other *other)
{
    const size_t granule = memory_granule(address);
    const vector_clock *mine = &clocks[running];
    const uint64_t now = mine->of[running] << CLOCK_SHIFT | (uint64_t)running << THREAD_SHIFT | flags | mask;
    uint64_t *room = NULL;
    for (unsigned i = 0; i < RACE_CELLS; i++) {
        uint64_t *cell = i == 0 ? &first_cells[granule] : &other_cells[granule][i - 1];
        const uint64_t c = *cell;
        if (c == now)
            return RACE_NONE;
        if (c >> CLOCK_SHIFT <= base) {
            room = room ? room : cell;
            break;
        }
        const unsigned thread = c >> THREAD_SHIFT & (RACE_THREADS - 1);
        const bool before = c >> CLOCK_SHIFT <= mine->of[thread];
        if (!before && c & mask & 0xff && (c | flags) & WRITE_BIT && !(c & flags & ATOMIC_BIT))
            return fill(other, address, c);
        /* what comes before and says no more than this access need not be remembered */
        if (before && !(c & 0xff & ~mask) && (flags & WRITE_BIT || !(c & WRITE_BIT)) &&
            (!(flags & ATOMIC_BIT) || c & ATOMIC_BIT))
            room = cell;
    }
    if (!room) {
        const unsigned i = victim++ % RACE_CELLS;
        room = i == 0 ? &first_cells[granule] : &other_cells[granule][i - 1];
    }
    *room = now;
    return RACE_NONE;
}

static race_verdict live(uintptr_t address, race_other *other)
{
    const unsigned state = memory_state[memory_granule(address)];
    if (__builtin_expect(state == MEMORY_LIVE, 1))
        return RACE_NONE;
    *other = (race_other){ .address = address };
    return state == MEMORY_FREED ? RACE_FREED : RACE_NEVER;
}

/* The bytes from address on that lie in its granule, up to end. */
static race_verdict access_first(uintptr_t address, uintptr_t end, unsigned flags, race_other *other)
{
    const unsigned first = address % MEMORY_GRANULE;
    const uintptr_t begin = address - first;
    const unsigned last = end - begin < MEMORY_GRANULE ? (unsigned)(end - begin) : MEMORY_GRANULE;
    race_verdict verdict = live(address, other);
    if (verdict == RACE_NONE && race_checking)
        verdict = access_granule(address, (0xffu >> (8 - last)) & (0xffu << first), flags, other);
    return verdict;
}

/* Of a long piece both ends, and between them one granule in so many. */
static race_verdict access_long(uintptr_t address, uintptr_t end, unsigned flags, race_other *other)
{
    race_verdict verdict = access_first(end - 1, end, flags, other);
    uintptr_t next;
    for (; address < end && verdict == RACE_NONE; address = next) {
        next = (address | (MEMORY_GRANULE - 1)) + 1;
        verdict = access_first(address, end, flags, other);
        if (!race_checking)
            return verdict;
        if (end - next > LONG_BYTES)
            next += (LONG_STEP - 1) * MEMORY_GRANULE;
    }
    return verdict;
}

race_verdict race_access(const void *at, size_t bytes, bool write, bool atomic, race_other *other)
{
    const uintptr_t address = (uintptr_t)at, end = address + bytes;
    if (!memory_watched(address) || !memory_watched(end) || !bytes)
        return RACE_NONE;
    const unsigned flags = (write ? WRITE_BIT : 0) | (atomic ? ATOMIC_BIT : 0);
    if (address / MEMORY_GRANULE == (end - 1) / MEMORY_GRANULE)
        return access_first(address, end, flags, other);
    return access_long(address, end, flags, other);
}

static order_of *order_of_word(const void *address)
{
    order_of *o = &orders_of[((uintptr_t)address - MEMORY_BASE) / ORDER_BYTES];
    if (o->stamp != stamp)
        *o = (order_of){ .stamp = stamp };
    return o;
}

static order *order_at(const void *address, bool make)
{
    if (!memory_watched((uintptr_t)address))
        return NULL;
    order_of *o = order_of_word(address);
    if (!o->order) {
        if (!make)
            return NULL;
        if (order_count == ORDERS_MAX)
            fatal("a schedule orders by more than %d addresses", ORDERS_MAX);
        o->order = (uint16_t)order_count++;
        memset(&orders[o->order], 0, sizeof *orders);
        orders[o->order].head = RACE_THREADS;
    }
    return &orders[o->order];
}

void race_acquire(const void *address)
{
    const order *o = order_at(address, false);
    if (o)
        join(&clocks[running], &o->clock);
}

void race_release(const void *address)
{
    order *o = order_at(address, true);
    if (!o)
        return;
    join(&o->clock, &clocks[running]);
    o->head = RACE_THREADS;
    clocks[running].of[running]++;
}

void race_release_store(const void *address)
{
    order *o = order_at(address, true);
    if (!o)
        return;
    o->clock = clocks[running];
    o->head = running;
    clocks[running].of[running]++;
}

void race_relaxed_store(const void *address)
{
    order *o = order_at(address, false);
    if (o && o->head != running)
        memset(&o->clock, 0, sizeof o->clock);
}

void race_start(unsigned thread)
{
    join(&clocks[thread], &clocks[running]);
    clocks[running].of[running]++;
}

void race_join(unsigned thread)
{
    join(&clocks[running], &clocks[thread]);
}
