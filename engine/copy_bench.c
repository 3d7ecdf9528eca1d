/*
 * copy_bench.c - copies of values of 64 KiB, at random out of many: by memcpy() and by copy_large(), from blocks of
 * malloc and from huge pages, to destinations at two offsets in their page.
 *
 * 131 MB of values, more than caches hold.  Kinds are measured in turn, A B C D, 1000 copies each, in time of the
 * thread; medians.  Usage: engine_copy_bench [rounds]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "copy.h"
#include "io.h"

enum { VALUES = 2000, BYTES = 65536, HEADER = 64, COPIES = 1000, ROUNDS_MAX = 101, HUGE_PAGE = 2 << 20 };

typedef struct kind {
    const char *name;
    uint8_t **values;
    void (*copy)(void *to, const void *from, size_t bytes);
    double gigabytes[ROUNDS_MAX]; /* a second */
} kind;

static uint8_t *in_malloc[VALUES], *in_huge[VALUES];

static void by_memcpy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}
static void by_copy_large(void *to, const void *from, size_t bytes)
{
    copy_large(to, from, bytes);
}

static uint64_t random_next(void)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static double now_ns(void)
{
    struct timespec t; /* of this thread: others on the machine do not count */
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double measure(const kind *k, uint8_t *to)
{
    const double began = now_ns();
    for (unsigned i = 0; i < COPIES; i++)
        k->copy(to, k->values[random_next() % VALUES], BYTES);
    return (double)COPIES * BYTES / (now_ns() - began);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void values_make(void)
{
    const levin_io *io = levin_io_posix();
    const size_t stride = HEADER + BYTES + HEADER;
    uint8_t *region = io->alloc(io->context, VALUES * stride / HUGE_PAGE * HUGE_PAGE + HUGE_PAGE, HUGE_PAGE);
    for (unsigned i = 0; i < VALUES; i++) {
        in_malloc[i] = io->alloc(io->context, HEADER + BYTES, HEADER);
        if (!region || !in_malloc[i])
            abort();
        in_malloc[i] += HEADER;
        in_huge[i] = region + i * stride + HEADER;
        memset(in_malloc[i], (int)i, BYTES);
        memset(in_huge[i], (int)i, BYTES);
    }
}

int main(int argc, char **argv)
{
    static kind kinds[] = { { .name = "malloc, memcpy", .values = in_malloc, .copy = by_memcpy },
                            { .name = "malloc, copy_large", .values = in_malloc, .copy = by_copy_large },
                            { .name = "huge pages, memcpy", .values = in_huge, .copy = by_memcpy },
                            { .name = "huge pages, copy_large", .values = in_huge, .copy = by_copy_large } };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    static const size_t offsets[] = { 16, 2064 };
    const unsigned asked = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 21;
    const unsigned rounds = asked < 1 ? 1 : asked > ROUNDS_MAX ? ROUNDS_MAX : asked;
    static _Alignas(COPY_ALIAS_PAGE_BYTES) uint8_t to[BYTES + COPY_ALIAS_PAGE_BYTES];
    values_make();
    for (unsigned o = 0; o < sizeof offsets / sizeof *offsets; o++) {
        for (unsigned r = 0; r < rounds; r++)
            for (unsigned k = 0; k < KINDS; k++)
                kinds[k].gigabytes[r] = measure(&kinds[k], to + offsets[o]);
        printf("to a page's byte %zu\n", offsets[o]);
        for (unsigned k = 0; k < KINDS; k++) {
            qsort(kinds[k].gigabytes, rounds, sizeof(double), ascending);
            printf("  %-24s %6.2f GB/s (%.2f-%.2f)\n", kinds[k].name, kinds[k].gigabytes[rounds / 2],
                   kinds[k].gigabytes[0], kinds[k].gigabytes[rounds - 1]);
        }
    }
    return 0;
}
