/*
 * row_cache_test.c - the row cache by itself, one thread.
 *
 * Invariants checked: an item counts only at or after the last write to its bucket, and at a version that no write
 * separates from it; hits, inserts and evictions equal a counted reference; what is held never passes the budget and
 * is all given back; out of memory means not cached; a pass over many keys leaves the hot ones alone.
 */
#include <stdio.h>

#include "../faults/check_main.h"
#include "memory_io_test.h"
#include "record_format.h"
#include "row_cache_find.h"

enum { SEED = 20240611, VALUE_MAX = 2000 };

typedef struct fixture {
    memory_io memory;
    counter_set counts;
    row_cache *rows;
    uint64_t random;
} fixture;

static uint64_t random_next(uint64_t *state)
{
    /* SplitMix64 (Steele, Lea, Flood 2014) */
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static fixture *setup(uint64_t budget, uint64_t sequence)
{
    fixture *f = aligned_alloc(64, sizeof *f);
    ck_assert_ptr_nonnull(f);
    memset(f, 0, sizeof *f);
    f->random = SEED;
    f->rows = row_cache_create(memory_io_init(&f->memory), budget, &f->counts, 0);
    ck_assert_ptr_nonnull(f->rows);
    ck_assert_uint_eq(row_cache_entries(f->rows), 0); /* no table yet */
    ck_assert(row_cache_prepare(f->rows));
    row_cache_activate(f->rows, sequence);
    row_cache_maintain(f->rows, true);
    return f;
}

static void teardown(fixture *f)
{
    row_cache_destroy(f->rows);
    ck_assert_uint_eq(f->memory.held, 0);
    ck_assert_uint_eq(f->memory.held_bytes, 0);
    free(f);
}

static uint64_t inserts(const fixture *f)
{
    return counter_read(&f->counts, ROW_INSERTS);
}
static uint64_t evictions(const fixture *f)
{
    return counter_read(&f->counts, ROW_EVICTIONS);
}

static size_t key_of(char key[24], uint64_t n)
{
    return (size_t)snprintf(key, 24, "key-%llu", (unsigned long long)n);
}

static uint64_t hash_of(uint64_t n)
{
    char key[24];
    size_t bytes = key_of(key, n);
    return row_cache_hash(key, bytes);
}

/* The number found, -1 for absent, -2 for a miss. */
enum { ABSENT = -1, MISS = -2 };
static int64_t find_at(fixture *f, uint64_t n, uint64_t sequence)
{
    char key[24];
    size_t bytes = key_of(key, n);
    row_value v;
    int64_t number = MISS;
    reclaim_read_lock();
    if (row_cache_find(f->rows, hash_of(n), key, bytes, sequence, &v)) {
        number = ABSENT;
        if (v.data)
            memcpy(&number, v.data, sizeof number);
    }
    reclaim_read_unlock();
    return number;
}
static int64_t find(fixture *f, uint64_t n)
{
    return find_at(f, n, UINT64_MAX);
}

static void fill_bytes(fixture *f, uint64_t n, int64_t number, size_t value_bytes, uint64_t sequence)
{
    static uint8_t value[VALUE_MAX];
    char key[24];
    size_t bytes = key_of(key, n);
    memcpy(value, &number, sizeof number);
    row_value v = { number == ABSENT ? NULL : value, number == ABSENT ? 0 : value_bytes };
    reclaim_read_lock();
    row_cache_fill(f->rows, row_cache_hash(key, bytes), key, bytes, &v, sequence);
    reclaim_read_unlock();
    while (row_cache_wants_maintenance(f->rows))
        row_cache_maintain(f->rows, true);
}
static void fill(fixture *f, uint64_t n, int64_t number, uint64_t sequence)
{
    fill_bytes(f, n, number, 100, sequence);
}

static void touch(fixture *f, uint64_t n, enum record_kind kind, uint64_t sequence)
{
    uint8_t record[RECORD_HEADER_BYTES + 24] = { 0 };
    char key[24];
    size_t bytes = key_of(key, n);
    store_u8(record + RECORD_KIND, (uint8_t)kind);
    store_u16(record + RECORD_KEY_BYTES, (uint16_t)bytes);
    memcpy(record + RECORD_HEADER_BYTES, key, bytes);
    row_cache_touch_records(f->rows, record, 1, sequence);
}

START_TEST(row_cache__the_inlined_hash_and_the_slots_that_fit_are_those_of_the_plain_way)
{
    uint8_t key[64];
    uint64_t random = 7;
    for (size_t bytes = 1; bytes <= sizeof key; bytes++) {
        for (size_t i = 0; i < bytes; i++)
            key[i] = (uint8_t)(random = random * 6364136223846793005u + 1442695040888963407u, random >> 56);
        ck_assert_uint_eq(row_hash(key, bytes), row_cache_hash(key, bytes));
    }
    static row_bucket b;
    for (int round = 0; round < 20000; round++) {
        uint64_t hash = random = random * 6364136223846793005u + 1442695040888963407u;
        unsigned expected = 0;
        for (unsigned i = 0; i < ROW_SLOTS; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint64_t tag = (random >> 60) % 3 == 0 ? hash_tag(hash) : (random >> 40 & TAG_MASK) | 1;
            uint64_t word = (random >> 60) % 5 == 0 ? 0 : tag << ADDRESS_BITS | (random & SLOT_ADDRESS);
            atomic_store_explicit(&b.slot[i], word, memory_order_relaxed); /* one thread */
            expected |= (unsigned)slot_fits(word, hash) << i;
        }
        /* the word behind the slots counts for nothing */
        atomic_store_explicit(&b.touched, hash_tag(hash) << ADDRESS_BITS, memory_order_relaxed);
        ck_assert_uint_eq(bucket_fits(&b, hash), expected);
    }
}
END_TEST

START_TEST(row_cache__an_item_counts_only_at_or_after_the_last_write)
{
    fixture *f = setup(ROW_CACHE_MIN_BYTES, 4);
    ck_assert_int_eq(find(f, 1), MISS);
    fill(f, 1, 10, 5);
    ck_assert_int_eq(find(f, 1), 10);
    touch(f, 1, RECORD_PUT, 6);
    ck_assert_int_eq(find(f, 1), MISS);
    fill(f, 1, 10, 5); /* a slow reader: not taken */
    ck_assert_uint_eq(inserts(f), 1);
    fill(f, 1, 11, 6);
    ck_assert_int_eq(find(f, 1), 11);
    ck_assert_uint_eq(inserts(f), 2);
    ck_assert_uint_eq(evictions(f), 1); /* the stale one */
    touch(f, 1, RECORD_DELETE, 7);
    ck_assert_int_eq(find(f, 1), MISS);
    fill(f, 1, ABSENT, 7);
    ck_assert_int_eq(find(f, 1), ABSENT);
    touch(f, 1, RECORD_PUT, 6); /* raised only */
    ck_assert_int_eq(find(f, 1), ABSENT);
    row_cache_touch_all(f->rows, 8);
    ck_assert_int_eq(find(f, 1), MISS);
    fill(f, 1, 12, 7);
    ck_assert_int_eq(find(f, 1), MISS);
    fill(f, 1, 12, 9);
    ck_assert_int_eq(find(f, 1), 12);
    teardown(f);
}
END_TEST

START_TEST(row_cache__a_fill_that_lost_the_race_is_never_a_hit)
{
    /* what a filler does when the raise comes between its look at the bucket and its swap: an item of the past */
    fixture *f = setup(ROW_CACHE_MIN_BYTES, 0);
    fill(f, 1, 10, 5);
    touch(f, 1, RECORD_PUT, 9);
    for (uint64_t s = 5; s < 9; s++)
        ck_assert_int_eq(find_at(f, 1, s), MISS);
    ck_assert_int_eq(find(f, 1), MISS);
    ck_assert_uint_eq(row_cache_entries(f->rows), 1);
    teardown(f);
}
END_TEST

START_TEST(row_cache__an_item_serves_a_version_that_no_write_separates_from_it)
{
    fixture *f = setup(ROW_CACHE_MIN_BYTES, 0);
    touch(f, 1, RECORD_PUT, 5);
    fill(f, 1, 10, 7);
    ck_assert_int_eq(find_at(f, 1, 4), MISS); /* the write lies between */
    ck_assert_int_eq(find_at(f, 1, 5), 10);
    ck_assert_int_eq(find_at(f, 1, 6), 10);
    ck_assert_int_eq(find_at(f, 1, 9), 10);
    teardown(f);
}
END_TEST

START_TEST(row_cache__is_off_until_activated_and_trusts_nothing_older)
{
    fixture *f = aligned_alloc(64, sizeof *f);
    memset(f, 0, sizeof *f);
    f->rows = row_cache_create(memory_io_init(&f->memory), 1 << 20, &f->counts, 0);
    fill(f, 1, 10, 5);
    touch(f, 1, RECORD_PUT, 6);
    ck_assert_int_eq(find(f, 1), MISS);
    ck_assert_uint_eq(f->memory.held, 1);
    ck_assert(!row_cache_active(f->rows));
    ck_assert(row_cache_prepare(f->rows));
    row_cache_activate(f->rows, 9);
    ck_assert(row_cache_prepare(f->rows));
    row_cache_activate(f->rows, 12); /* there is one */
    row_cache_maintain(f->rows, true);
    fill(f, 1, 10, 8); /* read before the activation: a write may have gone by unraised */
    ck_assert_int_eq(find(f, 1), MISS);
    fill(f, 1, 11, 9);
    ck_assert_int_eq(find(f, 1), 11);
    teardown(f);
}
END_TEST

START_TEST(row_cache__keys_of_all_lengths_and_values_up_to_the_limit)
{
    static uint8_t key[600], value[VALUE_MAX];
    fixture *f = setup(1 << 20, 0);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)random_next(&f->random);
    for (size_t k = 1; k < sizeof key; k += k < 40 ? 1 : 37)
        for (size_t v = 0; v < VALUE_MAX; v += v < 20 ? 1 : 97) {
            row_value in = { value, v }, out;
            value[0] = (uint8_t)v;
            reclaim_read_lock();
            uint64_t hash = row_cache_hash(key, k);
            row_cache_touch_all(f->rows, k * VALUE_MAX + v);
            row_cache_fill(f->rows, hash, key, k, &in, k * VALUE_MAX + v);
            bool hit = row_cache_find(f->rows, hash, key, k, UINT64_MAX, &out);
            if (hit) {
                ck_assert_uint_eq(out.bytes, v);
                ck_assert_ptr_nonnull(out.data);
                ck_assert(v == 0 || memcmp(out.data, value, v) == 0);
            }
            reclaim_read_unlock();
            bool fits = k + v + 12 <= ROW_CACHE_ITEM_MAX_BYTES;
            if (!fits)
                ck_assert(!hit);
            if (row_cache_wants_maintenance(f->rows))
                row_cache_maintain(f->rows, true);
            else if (fits)
                ck_assert(hit);
        }
    teardown(f);
}
END_TEST

/* ---- the reference ---- */

enum { MODEL_KEYS = 300, MODEL_STEPS = 200000 };
typedef struct model {
    bool there[MODEL_KEYS];
    int64_t value[MODEL_KEYS];
    uint64_t sequence[MODEL_KEYS];
    uint64_t touched[1 << 16];
    uint64_t hits, misses, inserts, evictions;
} model;

/* With room for all, hits and inserts follow from the rules alone. */
START_TEST(row_cache__counters_equal_a_counted_reference)
{
    fixture *f = setup(4 << 20, 0);
    static model m;
    uint64_t sequence = 1, hits = 0, misses = 0;
    for (int step = 0; step < MODEL_STEPS; step++) {
        uint64_t n = random_next(&f->random) % MODEL_KEYS;
        uint64_t *touched = &m.touched[row_cache_bucket(f->rows, hash_of(n))];
        if (random_next(&f->random) % 8 == 0) {
            *touched = ++sequence;
            touch(f, n, RECORD_PUT, sequence);
            continue;
        }
        int64_t found = find(f, n), expected = m.there[n] && m.sequence[n] >= *touched ? m.value[n] : MISS;
        ck_assert_int_eq(found, expected);
        hits += found != MISS;
        misses += found == MISS;
        m.hits += expected != MISS;
        m.misses += expected == MISS;
        if (expected == MISS) {
            uint64_t read_at = sequence - random_next(&f->random) % 3; /* some readers are slow */
            int64_t value = random_next(&f->random) % 5 ? (int64_t)(random_next(&f->random) >> 1) : ABSENT;
            fill(f, n, value, read_at);
            if (read_at >= *touched) {
                m.evictions += m.there[n];
                m.inserts++;
                m.there[n] = true;
                m.value[n] = value;
                m.sequence[n] = read_at;
            }
        }
        ck_assert_uint_eq(inserts(f), m.inserts);
        ck_assert_uint_eq(evictions(f), m.evictions);
    }
    ck_assert_uint_eq(hits, m.hits);
    ck_assert_uint_eq(misses, m.misses);
    ck_assert_uint_gt(m.hits, MODEL_STEPS / 4);
    ck_assert_uint_gt(m.evictions, 1000);
    ck_assert_uint_eq(row_cache_entries(f->rows), m.inserts - m.evictions);
    teardown(f);
}
END_TEST

/* When room is short: whatever is evicted, the counters tell exactly what is there, and what is there is right. */
START_TEST(row_cache__short_of_room_counters_tell_what_is_there)
{
    static const uint64_t budgets[] = { ROW_CACHE_MIN_BYTES, 100000, 150000, 1 << 20, 3000000 };
    for (size_t b = 0; b < sizeof budgets / sizeof budgets[0]; b++) {
        fixture *f = setup(budgets[b], 0);
        const uint64_t keys = budgets[b] / 40;
        for (uint64_t step = 0; step < 6 * keys; step++) {
            uint64_t n = random_next(&f->random) % (step % 2 ? keys : keys / 20);
            int64_t found = find(f, n);
            ck_assert(found == MISS || found == (int64_t)n);
            if (found == MISS)
                fill_bytes(f, n, (int64_t)n, 8 + n * 37 % 900, 1);
            ck_assert_uint_le(row_cache_bytes(f->rows), budgets[b]);
            ck_assert_uint_eq(row_cache_bytes(f->rows), f->memory.held_bytes);
        }
        uint64_t there = 0;
        for (uint64_t n = 0; n < keys; n++)
            there += find(f, n) != MISS;
        ck_assert_uint_eq(there, inserts(f) - evictions(f));
        ck_assert_uint_eq(there, row_cache_entries(f->rows));
        ck_assert_uint_gt(evictions(f), keys / 10);
        ck_assert_uint_gt(there * 500, budgets[b] / 3); /* it is used, too */
        teardown(f);
    }
}
END_TEST

/* ---- replacement ---- */

static double hot_ratio(fixture *f, uint64_t hot)
{
    uint64_t hits = 0;
    for (uint64_t n = 0; n < hot; n++) {
        bool hit = find(f, n) != MISS;
        hits += hit;
        if (!hit)
            fill(f, n, (int64_t)n, 1);
    }
    return (double)hits / (double)hot;
}

START_TEST(row_cache__one_pass_over_many_keys_leaves_the_hot_set_alone)
{
    enum { BUDGET = 4 << 20, HOT = 6000, PASS = 400000 }; /* room for some 28000 */
    fixture *f = setup(BUDGET, 0);
    for (uint64_t n = 1000000; n < 1000000 + 60000; n++) /* full of other things */
        fill(f, n, (int64_t)n, 1);
    for (int round = 0; round < 4; round++)
        hot_ratio(f, HOT);
    double before = hot_ratio(f, HOT);
    for (uint64_t n = 2000000; n < 2000000 + PASS; n++) {
        ck_assert_int_eq(find(f, n), MISS);
        fill(f, n, (int64_t)n, 1);
    }
    double after = hot_ratio(f, HOT);
    ck_assert_msg(before > 0.99, "hot before: %.3f", before);
    ck_assert_msg(after > 0.95, "hot after a pass without any hot read between: %.3f", after);
    teardown(f);
}
END_TEST

START_TEST(row_cache__follows_a_hot_set_that_moves)
{
    enum { BUDGET = 4 << 20, HOT = 6000 };
    fixture *f = setup(BUDGET, 0);
    for (uint64_t place = 0; place < 10; place++) {
        double ratio = 0;
        for (int round = 0; round < 6; round++) {
            uint64_t hits = 0;
            for (uint64_t n = place * HOT; n < (place + 1) * HOT; n++) {
                bool hit = find(f, n) != MISS;
                hits += hit;
                if (!hit)
                    fill(f, n, (int64_t)n, 1);
            }
            ratio = (double)hits / HOT;
        }
        ck_assert_msg(ratio > 0.95, "place %llu: %.3f", (unsigned long long)place, ratio);
    }
    teardown(f);
}
END_TEST

START_TEST(row_cache__values_of_another_size_take_the_room_over)
{
    fixture *f = setup(1 << 20, 0);
    for (int round = 0; round < 3; round++)
        for (uint64_t n = 0; n < 4000; n++)
            if (find(f, n) == MISS)
                fill_bytes(f, n, (int64_t)n, 60, 1);
    row_cache_touch_all(f->rows, 2); /* all are written, longer now */
    uint64_t hits = 0;
    for (int round = 0; round < 5; round++) {
        hits = 0;
        for (uint64_t n = 0; n < 700; n++) {
            bool hit = find(f, n) != MISS;
            hits += hit;
            if (!hit)
                fill_bytes(f, n, (int64_t)n, 1000, 2);
        }
    }
    ck_assert_msg(hits > 600, "%llu of 700", (unsigned long long)hits);
    teardown(f);
}
END_TEST

/* ---- memory ---- */

START_TEST(row_cache__out_of_memory_means_not_cached)
{
    for (int on = 0; on < 2; on++)
        for (uint64_t fail_at = 1; fail_at < 12; fail_at++) {
            fixture *f = aligned_alloc(64, sizeof *f);
            memset(f, 0, sizeof *f);
            memory_io_init(&f->memory);
            f->memory.fail_at = fail_at;
            f->memory.fail_on = on;
            f->rows = row_cache_create(&f->memory.table, ROW_CACHE_MIN_BYTES, &f->counts, 0);
            if (!f->rows) {
                ck_assert_uint_eq(fail_at, 1);
                free(f);
                continue;
            }
            for (uint64_t n = 0; n < 500; n++) {
                if (!row_cache_active(f->rows) && row_cache_prepare(f->rows))
                    row_cache_activate(f->rows, 1);
                int64_t found = find(f, n % 250);
                ck_assert(found == MISS || found == (int64_t)(n % 250));
                char key[24];
                size_t bytes = key_of(key, n % 250);
                int64_t number = (int64_t)(n % 250);
                row_value v = { (const uint8_t *)&number, sizeof number };
                reclaim_read_lock();
                row_cache_fill(f->rows, row_cache_hash(key, bytes), key, bytes, &v, 1);
                reclaim_read_unlock();
                if (row_cache_wants_maintenance(f->rows))
                    row_cache_maintain(f->rows, true);
            }
            ck_assert_uint_eq(f->memory.failed > 0, fail_at <= f->memory.calls);
            if (!on)
                ck_assert_uint_gt(inserts(f), 100);
            teardown(f);
        }
}
END_TEST

/* Whoever does the upkeep must not be told again and again that there is some, which it cannot do. */
START_TEST(row_cache__without_memory_upkeep_waits_for_the_next_fill)
{
    fixture *f = aligned_alloc(64, sizeof *f);
    memset(f, 0, sizeof *f);
    f->rows = row_cache_create(memory_io_init(&f->memory), 1 << 20, &f->counts, 0);
    ck_assert_ptr_nonnull(f->rows);
    ck_assert(row_cache_prepare(f->rows));
    row_cache_activate(f->rows, 1);
    f->memory.fail_at = f->memory.calls + 1;
    f->memory.fail_on = true;
    int calls = 0;
    while (!row_cache_maintain(f->rows, true))
        ck_assert_int_lt(++calls, 100);
    ck_assert_uint_gt(f->memory.failed, 0);
    fill(f, 1, 1, 1); /* whose upkeep ends, too */
    ck_assert_int_eq(find(f, 1), MISS);
    f->memory.fail_at = 0;
    fill(f, 1, 1, 1); /* finds no room, which is made now */
    fill(f, 1, 1, 1);
    ck_assert_int_eq(find(f, 1), 1);
    teardown(f);
}
END_TEST

START_TEST(row_cache__stages_for_several_keys_find_the_same)
{
    fixture *f = setup(1 << 20, 0);
    for (uint64_t n = 0; n < 1000; n += 2)
        fill(f, n, (int64_t)n, 1);
    for (uint64_t from = 0; from < 1000; from += 16) {
        for (uint64_t n = from; n < from + 16; n++)
            row_cache_prefetch(f->rows, hash_of(n));
        reclaim_read_lock();
        for (uint64_t n = from; n < from + 16; n++)
            row_cache_prefetch_items(f->rows, hash_of(n));
        reclaim_read_unlock();
        for (uint64_t n = from; n < from + 16 && n < 1000; n++)
            ck_assert_int_eq(find(f, n), n % 2 ? MISS : (int64_t)n);
    }
    teardown(f);
}
END_TEST

/* The most and the least address of `count` rows, as a distance. */
static size_t spread(fixture *f, uint64_t count, uint64_t step)
{
    uintptr_t low = UINTPTR_MAX, high = 0;
    reclaim_read_lock();
    for (uint64_t n = 0; n < count; n++) {
        char key[24];
        row_value v;
        size_t bytes = key_of(key, n * step);
        ck_assert(row_cache_find(f->rows, hash_of(n * step), key, bytes, UINT64_MAX, &v));
        low = (uintptr_t)v.data < low ? (uintptr_t)v.data : low;
        high = (uintptr_t)v.data > high ? (uintptr_t)v.data : high;
    }
    reclaim_read_unlock();
    return high - low;
}

/* Reads every `step`-th row till the next step is due, and does it. */
static void gather_after_reading(fixture *f, uint64_t rows, uint64_t step)
{
    for (uint64_t n = 0;; n = (n + step) % rows) {
        ck_assert_int_eq(find(f, n), (int64_t)n);
        if (row_cache_note_reads(f->rows, 1))
            break;
    }
    row_cache_gather(f->rows);
    while (row_cache_wants_maintenance(f->rows))
        row_cache_maintain(f->rows, true);
}

START_TEST(row_cache__hot_rows_are_laid_together)
{
    enum { ROWS = 100000, STEP = 100, HOT = ROWS / STEP };
    fixture *f = setup(256 << 20, 1); /* segments of 2 MiB, and no bucket gets full */
    for (uint64_t n = 0; n < ROWS; n++)
        fill(f, n, (int64_t)n, 1);
    ck_assert_uint_eq(inserts(f), ROWS);
    ck_assert_uint_eq(evictions(f), 0);
    for (int step = 0; step < 8; step++)
        gather_after_reading(f, ROWS, 1); /* all alike: nothing is hot */
    for (uint64_t n = 0; n < ROWS; n++)
        ck_assert_int_eq(find(f, n), (int64_t)n);
    ck_assert_uint_gt(spread(f, HOT, STEP), 8 << 20);
    const uint64_t before = row_cache_bytes(f->rows);
    for (int step = 0; step < 4; step++)
        gather_after_reading(f, ROWS, STEP);
    const size_t together = spread(f, HOT, STEP);
    ck_assert_uint_lt(together, HOT * 160);
    ck_assert_uint_le(row_cache_bytes(f->rows), before + (4 << 20));
    for (int step = 0; step < 8; step++) /* they are together: they stay where they are */
        gather_after_reading(f, ROWS, STEP);
    ck_assert_uint_eq(spread(f, HOT, STEP), together);
    ck_assert_uint_eq(inserts(f) - evictions(f), ROWS); /* no row came, none went */
    ck_assert_uint_eq(row_cache_entries(f->rows), ROWS);
    for (uint64_t n = 0; n < ROWS; n++)
        ck_assert_int_eq(find(f, n), (int64_t)n);
    touch(f, STEP, RECORD_PUT, 2); /* a copy is as old as its row */
    ck_assert_int_eq(find(f, STEP), MISS);
    teardown(f);
}
END_TEST

/* A cache without room: what is gathered pushes others out, the hot rows stay. */
START_TEST(row_cache__hot_rows_are_laid_together_in_a_full_cache)
{
    enum { ROWS = 6000, HOT = 100 };
    fixture *f = setup(ROW_CACHE_MIN_BYTES * 8, 1);
    for (int round = 0; round < 60; round++) {
        for (uint64_t n = 0; n < ROWS; n++) {
            if (find(f, n) == MISS)
                fill(f, n, (int64_t)n, 1);
            if (find(f, n % HOT) == MISS)
                fill(f, n % HOT, (int64_t)(n % HOT), 1);
            if (n % 200 == 0 && row_cache_note_reads(f->rows, UINT32_MAX))
                row_cache_gather(f->rows);
        }
        ck_assert_uint_le(row_cache_bytes(f->rows), ROW_CACHE_MIN_BYTES * 8);
        ck_assert_uint_eq(row_cache_entries(f->rows), inserts(f) - evictions(f));
    }
    for (uint64_t n = 0; n < ROWS; n++) {
        int64_t found = find(f, n);
        ck_assert(found == (int64_t)n || found == MISS);
    }
    teardown(f);
}
END_TEST

LEVIN_TEST_MAIN("row_cache",
                TEST(row_cache__hot_rows_are_laid_together),
                TEST(row_cache__hot_rows_are_laid_together_in_a_full_cache),
                TEST(row_cache__the_inlined_hash_and_the_slots_that_fit_are_those_of_the_plain_way),
                TEST(row_cache__an_item_counts_only_at_or_after_the_last_write),
                TEST(row_cache__a_fill_that_lost_the_race_is_never_a_hit),
                TEST(row_cache__an_item_serves_a_version_that_no_write_separates_from_it),
                TEST(row_cache__is_off_until_activated_and_trusts_nothing_older),
                TEST(row_cache__keys_of_all_lengths_and_values_up_to_the_limit),
                TEST(row_cache__counters_equal_a_counted_reference),
                TEST(row_cache__short_of_room_counters_tell_what_is_there),
                TEST(row_cache__one_pass_over_many_keys_leaves_the_hot_set_alone),
                TEST(row_cache__follows_a_hot_set_that_moves),
                TEST(row_cache__values_of_another_size_take_the_room_over),
                TEST(row_cache__out_of_memory_means_not_cached),
                TEST(row_cache__without_memory_upkeep_waits_for_the_next_fill),
                TEST(row_cache__stages_for_several_keys_find_the_same))
