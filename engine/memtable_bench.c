/*
 * memtable_bench.c - what an insert, a lookup and a scan in a memtable cost.  Usage: engine_memtable_bench [keys]
 * [rounds] [load]
 *
 * Prints medians over the rounds.  The time of an insert holds begin, apply, finish and recycle, not the writing
 * of the record into the arena; "read" is a scan that looks at the keys.  `load` selects the loads with that in
 * their names.  Pin it: taskset -c 1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "memory_io_test.h"
#include "memtable.h"

enum { KEY_BYTES = 16, VALUE_BYTES = 8, RECORD_BYTES = RECORD_HEADER_BYTES + KEY_BYTES + VALUE_BYTES, ROUNDS_MAX = 15 };

enum keys { RANDOM, DECIMAL, ASCENDING };
enum how { SINGLE, BATCH };

typedef struct load {
    const char *name;
    enum keys keys;
    enum how how;
    size_t group;     /* operations */
    bool overwrite;   /* measure a second pass over the keys, in another order */
} load;

typedef struct figures {
    double insert_ns, find_ns, many_ns, scan_million, read_million, index_bytes;
    size_t held_bytes;
} figures;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The i-th key: distinct for distinct i. */
static void make_key(uint8_t *key, enum keys keys, size_t i, size_t n)
{
    if (keys == RANDOM) {
        store_u64(key, mix(i));
        store_u64(key + 8, i);
        return;
    }
    size_t number = keys == ASCENDING ? i : i * 2654435761u % n; /* n has no factor in common with the prime */
    for (size_t at = KEY_BYTES; at-- > 0; number /= 10)
        key[at] = (uint8_t)('0' + number % 10);
}

/* Inserts all keys; returns ns for each. */
static double run_pass(memtable *m, const load *l, size_t n, size_t pass, uint64_t *group)
{
    double spent = 0;
    for (size_t at = 0; at < n; at += l->group) {
        size_t ops = n - at < l->group ? n - at : l->group;
        uint8_t *records = arena_reserve(memtable_arena(m), ops * RECORD_BYTES);
        if (!records)
            abort();
        for (size_t i = 0; i < ops; i++) {
            uint8_t *r = records + i * RECORD_BYTES;
            memset(r, 0, RECORD_BYTES);
            store_u8(r + RECORD_KIND, RECORD_PUT);
            store_u16(r + RECORD_KEY_BYTES, KEY_BYTES);
            store_u32(r + RECORD_VALUE_BYTES, VALUE_BYTES);
            make_key(r + RECORD_HEADER_BYTES, l->keys, pass ? (at + i) * 7919 % n : at + i, n);
        }
        double start = now();
        mem_node_list replaced;
        bool ok = true;
        memtable_begin(m, ++*group);
        if (l->how == BATCH)
            ok = memtable_apply_batch(m, records, ops);
        else
            for (size_t i = 0; i < ops; i++)
                ok &= memtable_apply(m, records + i * RECORD_BYTES);
        if (!ok)
            abort();
        memtable_finish(m, &replaced);
        for (mem_node *node; (node = mem_node_list_pop(&replaced)) != NULL;)
            memtable_recycle(m, node);
        spent += now() - start;
    }
    return spent / (double)n;
}

static void run_load(const load *l, size_t n, figures *f)
{
    memory_io io;
    memtable *m = memtable_create(memory_io_init(&io), 1 << 20);
    uint64_t group = 0;
    if (!m)
        abort();
    f->insert_ns = run_pass(m, l, n, 0, &group);
    if (l->overwrite)
        f->insert_ns = run_pass(m, l, n, 1, &group);
    if (memtable_entries(m) != n)
        abort();
    f->held_bytes = memtable_bytes(m);
    f->index_bytes = (double)(memtable_bytes(m) - memtable_arena(m)->held_bytes) / (double)n;

    mem_node_list none;
    memtable_begin(m, ++group);
    const mem_node *root = memtable_finish(m, &none);
    size_t finds = 500000, found = 0;
    uint8_t key[KEY_BYTES];
    double start = now();
    for (size_t i = 0; i < finds; i++) {
        make_key(key, l->keys, mix(i) % n, n);
        found += memtable_find(root, key, KEY_BYTES) != NULL;
    }
    f->find_ns = (now() - start) / (double)finds;

    enum { MANY = 16 };
    uint8_t many_key[MANY][KEY_BYTES];
    const uint8_t *many_record[MANY];
    levin_slice many[MANY];
    start = now();
    for (size_t i = 0; i < finds; i += MANY) {
        for (size_t k = 0; k < MANY; k++) {
            make_key(many_key[k], l->keys, mix(~(i + k)) % n, n);
            many[k] = (levin_slice){ many_key[k], KEY_BYTES };
        }
        memtable_find_many(root, many, MANY, many_record);
        for (size_t k = 0; k < MANY; k++)
            found += many_record[k] != NULL;
    }
    f->many_ns = (now() - start) / (double)finds;

    mem_cursor c;
    size_t pairs = 0;
    uintptr_t sum = 0;
    mem_cursor_init(&c, root);
    start = now();
    for (bool more = mem_cursor_first(&c); more; more = mem_cursor_next(&c)) {
        sum += (uintptr_t)mem_cursor_record(&c);
        pairs++;
    }
    f->scan_million = (double)pairs / (now() - start) * 1e3;
    start = now();
    for (bool more = mem_cursor_first(&c); more; more = mem_cursor_next(&c))
        sum += record_key(mem_cursor_record(&c))[0];
    f->read_million = (double)pairs / (now() - start) * 1e3;
    if (found != 2 * finds || pairs != n || sum == 0)
        abort();
    memtable_unref(m);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const load loads[] = {
        { "random, one by one, groups of 1000", RANDOM, SINGLE, 1000, false },
        { "random, batches of 1000", RANDOM, BATCH, 1000, false },
        { "random, groups of 1", RANDOM, SINGLE, 1, false },
        { "random overwrite, batches of 1000", RANDOM, BATCH, 1000, true },
        { "decimal, one by one, groups of 1000", DECIMAL, SINGLE, 1000, false },
        { "decimal, batches of 1000", DECIMAL, BATCH, 1000, false },
        { "decimal ascending, batches of 1000", ASCENDING, BATCH, 1000, false },
        { "decimal ascending, groups of 1", ASCENDING, SINGLE, 1, false },
    };
    size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
    size_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 3;
    if (n == 0 || rounds == 0 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: %s [keys] [rounds, at most %d] [load]\n", argv[0], ROUNDS_MAX);
        return 2;
    }
    printf("%zu keys of %d bytes, median of %zu\n", n, KEY_BYTES, rounds);
    printf("%-36s %9s %8s %10s %9s %9s %12s %9s\n", "load", "insert ns", "find ns", "find 16 ns", "scan M/s",
           "read M/s", "index B/key", "held MiB");
    for (size_t l = 0; l < sizeof loads / sizeof loads[0]; l++) {
        if (argc > 3 && !strstr(loads[l].name, argv[3]))
            continue;
        double insert[ROUNDS_MAX], find[ROUNDS_MAX], many[ROUNDS_MAX], scan[ROUNDS_MAX], read[ROUNDS_MAX];
        figures f = { 0 };
        for (size_t r = 0; r < rounds; r++) {
            run_load(&loads[l], n, &f);
            insert[r] = f.insert_ns;
            find[r] = f.find_ns;
            many[r] = f.many_ns;
            scan[r] = f.scan_million;
            read[r] = f.read_million;
        }
        qsort(insert, rounds, sizeof insert[0], ascending);
        qsort(find, rounds, sizeof find[0], ascending);
        qsort(many, rounds, sizeof many[0], ascending);
        qsort(scan, rounds, sizeof scan[0], ascending);
        qsort(read, rounds, sizeof read[0], ascending);
        printf("%-36s %9.1f %8.1f %10.1f %9.1f %9.1f %12.1f %9zu\n", loads[l].name, insert[rounds / 2],
               find[rounds / 2], many[rounds / 2], scan[rounds / 2], read[rounds / 2], f.index_bytes,
               f.held_bytes >> 20);
        fflush(stdout);
    }
    return 0;
}
