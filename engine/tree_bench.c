/*
 * tree_bench.c - the page tree: build from a memtable, lookups, scans, seeks, merges of random overwrites.
 *
 * tree_bench [keys] [directory]: with a directory the page file is a real one there, otherwise it is in memory.
 * Prints the median of several runs, in processor time.
 */
#include <malloc.h>
#include <time.h>

#include "ram_store_test.h"

enum { RUNS = 5, KEY_BYTES = 16, VALUE_BYTES = 100, FINDS = 1000000 };

typedef struct bench {
    ram_disk disk;
    ram_store s;
    uint64_t keys, random;
    double samples[RUNS];
} bench;

/* Processor time of this thread: neighbours on the machine do not count. */
static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(bench *b)
{
    qsort(b->samples, RUNS, sizeof *b->samples, by_value);
    return b->samples[RUNS / 2];
}

/* Keys look random and are known by number. */
static void key_of(uint8_t key[KEY_BYTES], uint64_t n)
{
    uint64_t state = n, high = __builtin_bswap64(random_next(&state)), low = __builtin_bswap64(n);
    memcpy(key, &high, 8);
    memcpy(key + 8, &low, 8);
}

enum order { RANDOM_OF_ALL, ALL_SHUFFLED, ALL_ASCENDING };

static memtable *fill(bench *b, uint64_t count, enum order order, const mem_node **root)
{
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    mem_node_list replaced;
    memtable *mem = memtable_create(b->s.io, 1 << 20);
    memset(value, 'v', sizeof value);
    memtable_begin(mem, 1);
    for (uint64_t i = 0; i < count; i++) {
        key_of(key, order == RANDOM_OF_ALL ? random_next(&b->random) % b->keys : i);
        if (order == ALL_ASCENDING) { /* so that the records lie in the order of the keys */
            uint64_t high = __builtin_bswap64(i);
            memcpy(key, &high, 8);
        }
        memcpy(value, &i, sizeof i);
        mem_apply(mem, RECORD_PUT, key, sizeof key, value, sizeof value);
    }
    *root = memtable_finish(mem, &replaced);
    return mem;
}

static void report_line(const char *what, double value, const char *unit)
{
    printf("%-44s %10.1f %s\n", what, value, unit);
}

static void bench_build(bench *b, enum order order)
{
    const mem_node *root;
    levin_error error;
    merge_result result;
    memtable *mem = fill(b, b->keys, order, &root);
    for (unsigned run = 0; run < RUNS; run++) {
        space *clone;
        if (space_clone(b->s.space, &clone, &error))
            store_fail("clone", &error);
        store_cool(&b->s);
        double start = now_seconds();
        if (store_merge(&b->s, root, &result, NULL, &error))
            store_fail("merge", &error);
        b->samples[run] = (double)b->keys / (now_seconds() - start) / 1e6;
        if (run + 1 < RUNS || order == ALL_ASCENDING) {
            extent_list_fini(&result.freed, b->s.io);
            space_destroy(b->s.space);
            b->s.space = clone;
        } else {
            space_destroy(clone);
        }
    }
    memtable_unref(mem);
    report_line(order == ALL_ASCENDING ? "build, records in key order" : "build, records anywhere", median(b),
                "M records/s");
    if (order == ALL_ASCENDING)
        return;
    store_adopt(&b->s, &result);
    printf("  height %u, %llu leaves, %llu branches, %.1f %% of leaf bytes are keys and values\n", b->s.t.height,
           (unsigned long long)b->s.leaf_pages, (unsigned long long)b->s.branch_pages,
           100.0 * (double)(b->keys * (KEY_BYTES + VALUE_BYTES)) / (double)(b->s.leaf_pages * b->s.t.page_bytes));
}

static void bench_find(bench *b)
{
    uint8_t key[KEY_BYTES];
    levin_error error;
    page_value value;
    for (unsigned run = 0; run < RUNS; run++) {
        double start = now_seconds();
        for (unsigned i = 0; i < FINDS; i++) {
            key_of(key, random_next(&b->random) % b->keys);
            reclaim_read_lock();
            if (tree_find(&b->s.t, key, sizeof key, &value, &error))
                store_fail("find", &error);
            reclaim_read_unlock();
        }
        b->samples[run] = (now_seconds() - start) * 1e9 / FINDS;
    }
    report_line("find, uniform", median(b), "ns");
}

static void bench_find_many(bench *b)
{
    uint8_t key[TREE_MANY][KEY_BYTES];
    levin_slice keys[TREE_MANY];
    page_value values[TREE_MANY];
    levin_code codes[TREE_MANY];
    levin_error error;
    for (unsigned run = 0; run < RUNS; run++) {
        double start = now_seconds();
        for (unsigned i = 0; i < FINDS; i += TREE_MANY) {
            for (unsigned k = 0; k < TREE_MANY; k++) {
                key_of(key[k], random_next(&b->random) % b->keys);
                keys[k] = (levin_slice){ key[k], KEY_BYTES };
            }
            reclaim_read_lock();
            if (tree_find_many(&b->s.t, keys, TREE_MANY, values, codes, &error))
                store_fail("find many", &error);
            reclaim_read_unlock();
        }
        b->samples[run] = (now_seconds() - start) * 1e9 / FINDS;
    }
    report_line("find, uniform, 16 at once", median(b), "ns a key");
}

static void bench_seek(bench *b)
{
    uint8_t key[KEY_BYTES];
    levin_error error;
    tree_cursor c;
    if (tree_cursor_open(&c, &b->s.t, &error))
        store_fail("open", &error);
    for (unsigned run = 0; run < RUNS; run++) {
        double start = now_seconds();
        for (unsigned i = 0; i < FINDS; i++) {
            key_of(key, random_next(&b->random) % b->keys);
            if (tree_cursor_seek(&c, key, sizeof key, &error))
                store_fail("seek", &error);
        }
        b->samples[run] = (now_seconds() - start) * 1e9 / FINDS;
    }
    report_line("cursor seek, uniform", median(b), "ns");
    tree_cursor_close(&c);
}

static void bench_scan(bench *b, bool values)
{
    levin_error error;
    tree_cursor c;
    uint64_t sum = 0;
    if (tree_cursor_open(&c, &b->s.t, &error))
        store_fail("open", &error);
    for (unsigned run = 0; run < RUNS; run++) {
        uint64_t n = 0;
        double start = now_seconds();
        for (levin_code code = tree_cursor_first(&c, &error); !code; code = tree_cursor_next(&c, &error), n++) {
            sum += c.key[0];
            if (values) {
                page_value value = tree_cursor_value(&c);
                sum += value.data[0] + value.data[value.bytes - 1];
            }
        }
        b->samples[run] = (double)n / (now_seconds() - start) / 1e6;
        if (n != b->keys)
            abort();
    }
    report_line(values ? "full scan, values touched" : "full scan, keys", median(b), "M pairs/s");
    tree_cursor_close(&c);
    if (sum == 1)
        puts("");
}

static void bench_merge(bench *b, unsigned divisor)
{
    char what[64];
    const mem_node *root;
    levin_error error;
    merge_result result;
    uint64_t count = b->keys / divisor, leaves = b->s.leaf_pages, written = 0;
    for (unsigned run = 0; run < RUNS; run++) {
        memtable *mem = fill(b, count, RANDOM_OF_ALL, &root);
        double start = now_seconds();
        if (store_merge(&b->s, root, &result, NULL, &error))
            store_fail("merge", &error);
        b->samples[run] = (double)count / (now_seconds() - start) / 1e6;
        written = result.pages_written;
        store_adopt(&b->s, &result);
        memtable_unref(mem);
    }
    snprintf(what, sizeof what, "merge of random overwrites, 1/%u of the keys", divisor);
    report_line(what, median(b), "M operations/s");
    printf("  %.0f MiB/s of pages, leaves %llu -> %llu\n",
           (double)(written * b->s.t.page_bytes) / (double)(1 << 20) * b->samples[RUNS / 2] * 1e6 / (double)count,
           (unsigned long long)leaves, (unsigned long long)b->s.leaf_pages);
}

int main(int argc, char **argv)
{
    static bench b;
    b.keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    b.random = 1;
    mallopt(M_TRIM_THRESHOLD, 1 << 30); /* page faults of fresh memory are not what is measured */
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    const levin_io *io = argc > 2 ? levin_io_posix() : ram_disk_init(&b.disk);
    store_init(&b.s, argc > 2 ? NULL : &b.disk, io, argc > 2 ? argv[2] : "ram", 16384, (uint64_t)1 << 30);
    printf("%llu keys of %d bytes, values of %d, pages of %u, %s\n", (unsigned long long)b.keys, KEY_BYTES, VALUE_BYTES,
           b.s.t.page_bytes, argc > 2 ? argv[2] : "in memory");
    bench_build(&b, ALL_ASCENDING);
    bench_build(&b, ALL_SHUFFLED);
    bench_find(&b);
    bench_find_many(&b);
    bench_seek(&b);
    bench_scan(&b, false);
    bench_scan(&b, true);
    bench_merge(&b, 100);
    bench_merge(&b, 10);
    bench_merge(&b, 1);
    store_fini(&b.s);
    return 0;
}
