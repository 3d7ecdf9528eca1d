/*
 * gate_slices.c - what is compared stands side by side in everything but the engine's code: one process, one
 * thread, one processor, one region at one address, the same bytes of work, milliseconds apart.
 *
 * For each workload both sides prepare their store in the region, one after the other, and each prepared store is
 * copied out.  Before a slice its copy is put back, so that every slice of a side starts from the same bytes at the
 * same addresses in the same physical pages; then the measured part runs, between two readings of the thread's CPU
 * clock.  Only the blocks that slices change, or in which the two stores differ, are put back (learn_changes()):
 * copying megabytes would cost more than the slice and leave the caches cold, which is the largest noise.  The first
 * slices of both sides are not counted: they bring the pages in.  A pair of slices, which side first by a coin,
 * gives one ratio; drifts that are slower than a pair fall out of it.
 *
 * The sides are loaded with RTLD_LOCAL, bind to themselves (-Bsymbolic) and export one symbol, so they share the C
 * library and liburcu, whose one registration of this thread serves both; no section is open between slices.
 * Namespaces of the linker (dlmopen) would give each side its own malloc and its own liburcu, at other addresses
 * and, in static TLS, of limited number.
 */
#include "gate_slices.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../faults/random.h"
#include "gate_side.h"
#include "gate_statistics.h"

enum { BASE, NOW, SIDES };
#define REGION_BYTES ((size_t)512 << 20)
#define REGION_ALIGNMENT ((size_t)2 << 20)

enum { BLOCK_BYTES = 1 << 10, RETRIES = 3 };

typedef struct piece {
    uint8_t *at, *copy;
    size_t bytes;
} piece;

typedef struct prepared {
    const gate_side_v1 *side;
    size_t index; /* of the workload, on this side */
    gate_side_range ranges[GATE_SIDE_RANGES_MAX];
    size_t range_count;
    uint8_t *copy;  /* of all ranges, one behind the other */
    bool *changes;  /* of each block of the ranges: whether a slice, of either side, leaves other bytes in it */
    piece *pieces;  /* of the blocks that change */
    size_t piece_count, wrong;
} prepared;

typedef struct session {
    prepared of[SIDES];
    void *mapping;
    uint8_t *region;
    random_stream random;
    unsigned budget_ms;
} session;

bool gate_list_holds(const char *list, const char *name)
{
    size_t bytes = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!strncmp(at, name, bytes) && (at[bytes] == ',' || !at[bytes]))
            return true;
    }
    return !list;
}

/* ---- a prepared store, out and in ---- */

/* Calls visit for each block of the ranges, those at a range's ends cut off, with where its copy stands. */
static void each_block(prepared *p, void (*visit)(prepared *p, size_t block, uint8_t *at, uint8_t *copy, size_t bytes))
{
    uint8_t *copy = p->copy;
    size_t block = 0;
    for (size_t i = 0; i < p->range_count; copy += p->ranges[i++].bytes)
        for (size_t at = 0; at < p->ranges[i].bytes; at += BLOCK_BYTES, block++) {
            const size_t left = p->ranges[i].bytes - at;
            visit(p, block, (uint8_t *)p->ranges[i].at + at, copy + at, left < BLOCK_BYTES ? left : BLOCK_BYTES);
        }
}

static void copy_block_out(prepared *p, size_t block, uint8_t *at, uint8_t *copy, size_t bytes)
{
    memcpy(copy, at, bytes);
    p->changes[block] = false;
}

static void copy_block_in(prepared *p, size_t block, uint8_t *at, uint8_t *copy, size_t bytes)
{
    (void)p, (void)block;
    memcpy(at, copy, bytes);
}

static void note_change(prepared *p, size_t block, uint8_t *at, uint8_t *copy, size_t bytes)
{
    p->changes[block] |= memcmp(at, copy, bytes) != 0;
}

static void count_wrong(prepared *p, size_t block, uint8_t *at, uint8_t *copy, size_t bytes)
{
    (void)block;
    p->wrong += memcmp(at, copy, bytes) != 0;
}

/* Blocks that change, neighbours as one. */
static void list_change(prepared *p, size_t block, uint8_t *at, uint8_t *copy, size_t bytes)
{
    piece *last = p->piece_count ? &p->pieces[p->piece_count - 1] : NULL;
    if (!p->changes[block])
        return;
    if (last && last->at + last->bytes == at && last->copy + last->bytes == copy)
        last->bytes += bytes;
    else
        p->pieces[p->piece_count++] = (piece){ at, copy, bytes };
}

static void put_back(const prepared *p)
{
    for (size_t i = 0; i < p->piece_count; i++)
        memcpy(p->pieces[i].at, p->pieces[i].copy, p->pieces[i].bytes);
}

static void forget(prepared *p)
{
    free(p->copy);
    free(p->changes);
    free(p->pieces);
    p->copy = NULL;
    p->changes = NULL;
    p->pieces = NULL;
    p->piece_count = 0;
}

static bool copy_out(prepared *p)
{
    size_t bytes = 0, blocks = 0;
    for (size_t i = 0; i < p->range_count; i++) {
        bytes += p->ranges[i].bytes;
        blocks += (p->ranges[i].bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
    }
    forget(p);
    p->copy = malloc(bytes);
    p->changes = malloc(blocks * sizeof *p->changes);
    p->pieces = malloc(blocks * sizeof *p->pieces);
    if (!p->copy || !p->changes || !p->pieces)
        return false;
    each_block(p, copy_block_out);
    return true;
}

static bool prepare(session *s, int side)
{
    prepared *p = &s->of[side];
    if (!p->side->prepare(p->index, s->region, REGION_BYTES))
        return false;
    p->range_count = p->side->ranges(p->ranges);
    if (copy_out(p))
        return true;
    fprintf(stderr, "levin-gate: out of memory\n");
    return false;
}

/* ---- slices ---- */

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* What happened to the process meanwhile that is not its own doing. */
typedef struct disturbance {
    uint64_t faults;      /* of pages */
    uint64_t preemptions; /* another process had the processor, and its caches */
} disturbance;

static disturbance disturbed_so_far(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (disturbance){ (uint64_t)u.ru_minflt, (uint64_t)u.ru_nivcsw };
}

static bool slice(session *s, int side, double *ns, disturbance *by)
{
    const prepared *p = &s->of[side];
    put_back(p);
    const disturbance before = disturbed_so_far();
    const uint64_t begun = cpu_ns();
    const bool ok = p->side->measure();
    *ns = (double)(cpu_ns() - begun);
    const disturbance after = disturbed_so_far();
    by->faults += after.faults - before.faults;
    by->preemptions += after.preemptions - before.preemptions;
    return ok;
}

/* A pair in which either slice was preempted is taken again, for so many pairs at most. */
static bool pair_of_slices(session *s, double *taken[SIDES], disturbance *by, unsigned *retries)
{
    bool again;
    do {
        const int one = (int)random_below(&s->random, SIDES);
        const uint64_t before = by->preemptions;
        if (!slice(s, one, taken[one], by) || !slice(s, !one, taken[!one], by))
            return false;
        again = by->preemptions != before && *retries > 0;
        *retries -= again;
    } while (again);
    return true;
}

/*
 * Finds out what has to be put back: all is, then a slice runs, and what differs from either copy changes, before the
 * slice (the other copy is laid over this one) as behind it.  Runs are deterministic, so it is the same every time;
 * verify() looks at it in the end.
 */
static bool learn_changes(session *s)
{
    for (int side = 0; side < SIDES; side++) {
        each_block(&s->of[side], copy_block_in);
        each_block(&s->of[!side], note_change);
        if (!s->of[side].side->measure())
            return false;
        each_block(&s->of[BASE], note_change);
        each_block(&s->of[NOW], note_change);
    }
    for (int side = 0; side < SIDES; side++) {
        each_block(&s->of[side], list_change);
        each_block(&s->of[side], copy_block_in);
    }
    return true;
}

static bool verify(session *s)
{
    size_t wrong = 0;
    for (int side = 0; side < SIDES; side++) {
        put_back(&s->of[side]);
        s->of[side].wrong = 0;
        each_block(&s->of[side], count_wrong);
        wrong += s->of[side].wrong;
    }
    if (wrong)
        fprintf(stderr, "levin-gate: %zu blocks of memory were not as prepared: the run is not deterministic\n", wrong);
    return !wrong;
}

static unsigned pairs_for(const session *s, uint64_t pair_ns)
{
    const uint64_t pairs = (uint64_t)s->budget_ms * 1000000u / (pair_ns ? pair_ns : 1);
    return pairs < SLICE_PAIRS_MIN ? SLICE_PAIRS_MIN : pairs > SLICE_PAIRS_MAX ? SLICE_PAIRS_MAX : (unsigned)pairs;
}

static bool measure_workload(session *s, const char *name, uint64_t operations, FILE *to)
{
    static double ratios[SLICE_PAIRS_MAX], taken[SIDES][SLICE_PAIRS_MAX];
    disturbance by = { 0 };
    uint64_t begun = 0;
    const int first = (int)random_below(&s->random, SIDES);
    if (!prepare(s, first) || !prepare(s, !first))
        return false;
    if (!learn_changes(s))
        return false;
    for (int turn = 0; turn < 2; turn++) { /* not counted */
        begun = cpu_ns();
        for (int side = 0; side < SIDES; side++)
            if (!slice(s, side, &taken[side][0], &by))
                return false;
    }
    const unsigned pairs = pairs_for(s, cpu_ns() - begun);
    unsigned retries = RETRIES * pairs;
    by = (disturbance){ 0 };
    for (unsigned i = 0; i < pairs; i++) {
        if (!pair_of_slices(s, (double *[SIDES]){ &taken[BASE][i], &taken[NOW][i] }, &by, &retries))
            return false;
        ratios[i] = log(taken[NOW][i] / taken[BASE][i]);
    }
    if (!verify(s))
        return false;
    const double ratio = statistics_median(ratios, pairs);
    const double base_ns = statistics_median(taken[BASE], pairs), now_ns = statistics_median(taken[NOW], pairs);
    fprintf(to, "slices %s %llu %u %.9f %.0f %.0f %llu\n", name, (unsigned long long)operations, pairs, ratio, base_ns,
            now_ns, (unsigned long long)by.faults);
    return fflush(to) == 0;
}

/* ---- sides ---- */

/*
 * A copy of the file in memory of this process: where its pages lie decides how they meet in the caches, and those of
 * the file itself would lie the same in every process.
 */
static int private_copy(const char *path)
{
    static char part[1 << 16];
    int from = open(path, O_RDONLY | O_CLOEXEC), to = memfd_create("levin-gate-side", MFD_CLOEXEC);
    ssize_t bytes = -1;
    while (from >= 0 && to >= 0 && (bytes = read(from, part, sizeof part)) > 0)
        if (write(to, part, (size_t)bytes) != bytes)
            break;
    if (bytes) {
        fprintf(stderr, "levin-gate: %s cannot be read: %s\n", path, strerror(errno));
        if (to >= 0)
            close(to);
        to = -1;
    }
    if (from >= 0)
        close(from);
    return to;
}

static bool load(prepared *p, const char *path, bool as_file)
{
    char name[64];
    int copy = as_file ? 0 : private_copy(path);
    if (copy < 0)
        return false;
    snprintf(name, sizeof name, "/proc/self/fd/%d", copy);
    void *object = dlopen(as_file ? path : name, RTLD_NOW | RTLD_LOCAL);
    p->side = object ? dlsym(object, GATE_SIDE_SYMBOL) : NULL; /* copy stays open, so that the other has another name */
    if (p->side && p->side->struct_bytes >= sizeof(gate_side_v1))
        return true;
    fprintf(stderr, "levin-gate: %s is no side: %s\n", path, p->side ? "an older interface" : dlerror());
    return false;
}

static bool find(prepared *p, const char *name)
{
    const char *n;
    for (p->index = 0; (n = p->side->name(p->index)); p->index++)
        if (!strcmp(n, name))
            return true;
    return false;
}

static bool session_open(session *s, const slices_options *o)
{
    const char *const path[SIDES] = { o->base, o->now };
    s->random = random_open(o->seed, 0);
    s->budget_ms = o->budget_ms;
    const int first = (int)random_below(&s->random, SIDES);
    if (!load(&s->of[first], path[first], o->as_files) || !load(&s->of[!first], path[!first], o->as_files))
        return false;
    s->mapping = mmap(NULL, REGION_BYTES + REGION_ALIGNMENT, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->mapping == MAP_FAILED) {
        fprintf(stderr, "levin-gate: no memory for the region: %s\n", strerror(errno));
        return false;
    }
    s->region = (uint8_t *)s->mapping + (-(uintptr_t)s->mapping & (REGION_ALIGNMENT - 1));
    madvise(s->region, REGION_BYTES, MADV_HUGEPAGE); /* where there are any: the fewer pages, the less they differ */
    return true;
}

static void session_close(session *s)
{
    for (int side = 0; side < SIDES; side++)
        forget(&s->of[side]);
    if (s->mapping && s->mapping != MAP_FAILED)
        munmap(s->mapping, REGION_BYTES + REGION_ALIGNMENT);
}

bool slices_run(const slices_options *o, FILE *to)
{
    static session s;
    bool ok = session_open(&s, o);
    const char *name;
    for (size_t i = 0; ok && (name = s.of[NOW].side->name(i)); i++) {
        if (!gate_list_holds(o->workloads, name) || !find(&s.of[NOW], name) || !find(&s.of[BASE], name))
            continue;
        const uint64_t operations = s.of[NOW].side->operations(s.of[NOW].index);
        if (s.of[BASE].side->operations(s.of[BASE].index) == operations)
            ok = measure_workload(&s, name, operations, to);
        if (!ok)
            fprintf(stderr, "levin-gate: the slices of %s failed\n", name);
    }
    session_close(&s);
    return ok;
}
