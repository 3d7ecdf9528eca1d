/*
 * merge_test.c - merges against a model: contents, order, page accounting, shapes of pages, failures of every call.
 *
 * Checked after every merge: the tree holds exactly the model's pairs, forward, in reverse, by key, and in gaps;
 * tree_check() finds nothing; the counts of keys and pages are those of the walk; each page of the file is reached
 * once, or free.
 */
#include "../faults/check_main.h"
#include "ram_store_test.h"

/* ---- the model: a sorted array; values are known by seed and length ---- */

typedef struct model_pair {
    uint8_t *key;
    size_t key_bytes;
    uint64_t seed;
    size_t value_bytes;
} model_pair;

typedef struct model {
    model_pair *pairs;
    size_t count, capacity;
} model;

static size_t model_find(const model *m, const uint8_t *key, size_t key_bytes, bool *equal)
{
    size_t low = 0, high = m->count;
    *equal = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = key_compare(m->pairs[middle].key, m->pairs[middle].key_bytes, key, key_bytes);
        if (c == 0) {
            *equal = true;
            return middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void model_put(model *m, const uint8_t *key, size_t key_bytes, uint64_t seed, size_t value_bytes)
{
    bool equal;
    size_t at = model_find(m, key, key_bytes, &equal);
    if (!equal) {
        if (m->count == m->capacity) {
            m->capacity = 2 * m->capacity + 64;
            m->pairs = realloc(m->pairs, m->capacity * sizeof *m->pairs);
        }
        memmove(m->pairs + at + 1, m->pairs + at, (m->count++ - at) * sizeof *m->pairs);
        m->pairs[at].key = malloc(key_bytes);
        memcpy(m->pairs[at].key, key, key_bytes);
        m->pairs[at].key_bytes = key_bytes;
    }
    m->pairs[at].seed = seed;
    m->pairs[at].value_bytes = value_bytes;
}

static void model_delete(model *m, const uint8_t *key, size_t key_bytes)
{
    bool equal;
    size_t at = model_find(m, key, key_bytes, &equal);
    if (!equal)
        return;
    free(m->pairs[at].key);
    memmove(m->pairs + at, m->pairs + at + 1, (--m->count - at) * sizeof *m->pairs);
}

static void model_fini(model *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->pairs[i].key);
    free(m->pairs);
    memset(m, 0, sizeof *m);
}

static void value_fill(uint8_t *to, uint64_t seed, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t x = random_next(&seed);
        memcpy(to + i, &x, bytes - i < 8 ? bytes - i : 8);
    }
}

/* ---- a test: store, model, memtable of the round ---- */

typedef struct fixture {
    ram_disk disk;
    ram_store s;
    model m;
    memtable *mem;
    uint64_t random;
    uint64_t seed; /* printed on failure */
    uint8_t *value, *found;
} fixture;

enum { VALUE_MAX = 1 << 20 };

static void setup(fixture *f, uint32_t page_bytes, uint64_t cache_bytes, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    ram_disk_init(&f->disk);
    store_init(&f->s, &f->disk, &f->disk.table, "ram", page_bytes, cache_bytes);
    f->random = f->seed = seed;
    f->value = malloc(VALUE_MAX);
    f->found = malloc(VALUE_MAX);
}

static void teardown(fixture *f)
{
    if (f->mem)
        memtable_unref(f->mem);
    store_fini(&f->s);
    model_fini(&f->m);
    free(f->value);
    free(f->found);
    ck_assert_msg(f->disk.held == 0, "%zu allocations leaked", f->disk.held);
    ck_assert_uint_eq(f->disk.held_bytes, 0);
}

static void batch_begin(fixture *f)
{
    if (f->mem)
        memtable_unref(f->mem);
    f->mem = memtable_create(&f->disk.table, 256 << 10);
    memtable_begin(f->mem, 1);
}

static void put(fixture *f, const uint8_t *key, size_t key_bytes, size_t value_bytes)
{
    uint64_t seed = random_next(&f->random);
    value_fill(f->value, seed, value_bytes);
    mem_apply(f->mem, RECORD_PUT, key, key_bytes, f->value, value_bytes);
    model_put(&f->m, key, key_bytes, seed, value_bytes);
}

static void delete(fixture *f, const uint8_t *key, size_t key_bytes)
{
    mem_apply(f->mem, RECORD_DELETE, key, key_bytes, NULL, 0);
    model_delete(&f->m, key, key_bytes);
}

/* end_bytes 0: to the end. */
static void delete_range(fixture *f, const uint8_t *key, size_t key_bytes, const uint8_t *end, size_t end_bytes)
{
    bool equal;
    mem_apply(f->mem, RECORD_DELETE_RANGE, key, key_bytes, end, end_bytes);
    size_t from = model_find(&f->m, key, key_bytes, &equal);
    size_t to = end_bytes ? model_find(&f->m, end, end_bytes, &equal) : f->m.count;
    for (size_t i = from; i < to; i++)
        free(f->m.pairs[i].key);
    if (from < to) {
        memmove(f->m.pairs + from, f->m.pairs + to, (f->m.count - to) * sizeof *f->m.pairs);
        f->m.count -= to - from;
    }
}

static const mem_node *batch_end(fixture *f)
{
    mem_node_list replaced;
    const mem_node *changes = memtable_finish(f->mem, &replaced);
    f->s.mask = memtable_roots(f->mem, DOMAIN_PLAIN).mask;
    return changes;
}

enum { NUMBER_KEY_ROOM = 24 }; /* "key", the digits of any n, and the end that snprintf writes */
static size_t number_key(uint8_t key[NUMBER_KEY_ROOM], uint64_t n)
{
    return (size_t)snprintf((char *)key, NUMBER_KEY_ROOM, "key%010llu", (unsigned long long)n);
}

/* Lengths up to a quarter page; many share long beginnings. Distinct for distinct n. */
static size_t long_key(uint8_t *key, uint64_t n, uint32_t page_bytes)
{
    uint64_t state = n * 977, h = random_next(&state);
    size_t max = LEVIN_KEY_MAX_BYTES(page_bytes), bytes = 12 + h % (h % 8 ? 40 : max - 12);
    size_t at = (h >> 32) % (bytes - 10);
    char digits[24];
    memset(key, 'a', bytes);
    snprintf(digits, sizeof digits, "%09llu", (unsigned long long)n);
    memcpy(key + at, digits, 9);
    return bytes;
}

/* ---- checks ---- */

static void value_check(fixture *f, const page_value *value, const model_pair *pair)
{
    levin_error error;
    const uint8_t *data = value->data;
    ck_assert_uint_eq(value->bytes, pair->value_bytes);
    bool large = pair->value_bytes > page_inline_value_max(f->s.t.page_bytes);
    ck_assert_int_eq(value->kind, large ? VALUE_EXTENT : VALUE_INLINE);
    if (large) {
        levin_code code = tree_read_extent(&f->s.t, value, f->found, &error);
        ck_assert_msg(!code, "%s", error.message);
        data = f->found;
    }
    value_fill(f->value, pair->seed, pair->value_bytes);
    ck_assert_msg(pair->value_bytes == 0 || !memcmp(data, f->value, pair->value_bytes), "a value differs");
}

static void cursor_check(fixture *f, tree_cursor *c, size_t at)
{
    const model_pair *pair = &f->m.pairs[at];
    ck_assert_msg(!key_compare(c->key, c->key_bytes, pair->key, pair->key_bytes), "key %zu differs: seed %llu", at,
                  (unsigned long long)f->seed);
    page_value value = tree_cursor_value(c);
    value_check(f, &value, pair);
}

static void scans_check(fixture *f)
{
    tree_cursor c;
    levin_error error;
    size_t n = 0;
    ck_assert(!tree_cursor_open(&c, &f->s.t, &error));
    levin_code code = tree_cursor_first(&c, &error);
    for (; !code && n < f->m.count; code = tree_cursor_next(&c, &error))
        cursor_check(f, &c, n++);
    ck_assert_int_eq(code, LEVIN_NOT_FOUND);
    ck_assert_uint_eq(n, f->m.count);
    ck_assert(!tree_cursor_valid(&c));
    for (code = tree_cursor_last(&c, &error); !code && n > 0; code = tree_cursor_prev(&c, &error))
        cursor_check(f, &c, --n);
    ck_assert_int_eq(code, LEVIN_NOT_FOUND);
    ck_assert_uint_eq(n, 0);
    tree_cursor_close(&c);
}

/* find, seek and seek_for_prev for a key that is there or not */
static void key_check(fixture *f, tree_cursor *c, const uint8_t *key, size_t key_bytes)
{
    bool equal;
    levin_error error;
    page_value value;
    size_t at = model_find(&f->m, key, key_bytes, &equal);

    reclaim_read_lock();
    levin_code code = tree_find(&f->s.t, key, key_bytes, &value, &error);
    ck_assert_int_eq(code, equal ? LEVIN_OK : LEVIN_NOT_FOUND);
    if (equal)
        value_check(f, &value, &f->m.pairs[at]);
    reclaim_read_unlock();

    code = tree_cursor_seek(c, key, key_bytes, &error);
    ck_assert_int_eq(code, at < f->m.count ? LEVIN_OK : LEVIN_NOT_FOUND);
    if (!code)
        cursor_check(f, c, at);
    code = tree_cursor_seek_for_prev(c, key, key_bytes, &error);
    size_t before = equal ? at + 1 : at;
    ck_assert_int_eq(code, before > 0 ? LEVIN_OK : LEVIN_NOT_FOUND);
    if (!code)
        cursor_check(f, c, before - 1);
}

static void keys_check(fixture *f, unsigned count)
{
    tree_cursor c;
    levin_error error;
    uint8_t key[LEVIN_PAGE_MAX_BYTES / 4 + 1];
    ck_assert(!tree_cursor_open(&c, &f->s.t, &error));
    for (unsigned i = 0; i < count && f->m.count; i++) {
        const model_pair *pair = &f->m.pairs[random_next(&f->random) % f->m.count];
        size_t bytes = pair->key_bytes;
        memcpy(key, pair->key, bytes);
        key_check(f, &c, key, bytes);
        key[bytes - 1]++; /* into a gap, mostly */
        key_check(f, &c, key, bytes);
        key[bytes] = 0;
        if (bytes < LEVIN_KEY_MAX_BYTES(f->s.t.page_bytes))
            key_check(f, &c, key, bytes + 1);
        if (bytes > 1)
            key_check(f, &c, key, 1 + random_next(&f->random) % (bytes - 1));
    }
    key_check(f, &c, (const uint8_t *)"\xff\xff\xff", 3);
    key_check(f, &c, (const uint8_t *)"\0", 1);
    tree_cursor_close(&c);
}

static bool report(void *context, const levin_error *fault)
{
    (void)context;
    fprintf(stderr, "%s\n", fault->message);
    return true;
}

static uint8_t *tree_clean(fixture *f, const tree *t, levin_check_result *r)
{
    levin_error error;
    uint8_t *used = calloc(t->page_count / 8 + 1, 1);
    memset(r, 0, sizeof *r);
    levin_code code = tree_check(t, used, report, NULL, r, &error);
    ck_assert_msg(!code, "tree_check: %s (seed %llu)", code ? error.message : "", (unsigned long long)f->seed);
    ck_assert_uint_eq(r->faults, 0);
    return used;
}

/* Every page is reached once or free. */
static void accounting_check(fixture *f)
{
    levin_error error;
    levin_check_result r;
    const tree *t = &f->s.t;
    uint8_t *used = tree_clean(f, t, &r);
    ck_assert_uint_eq(r.keys, f->m.count);
    ck_assert_uint_eq(f->s.keys, f->m.count);
    ck_assert_uint_eq(r.leaf_pages, f->s.leaf_pages);
    ck_assert_uint_eq(r.branch_pages, f->s.branch_pages);
    ck_assert_uint_eq(r.overflow_pages, f->s.overflow_pages);
    ck_assert_uint_eq(t->page_count, space_page_count(f->s.space));
    extent_list list = {0};
    ck_assert(!space_list(f->s.space, &list, &error));
    for (size_t i = 0; i < list.count; i++) {
        for (uint64_t n = list.items[i].first; n < list.items[i].first + list.items[i].pages; n++) {
            ck_assert_msg(!(used[n / 8] >> n % 8 & 1), "page %llu is used and free", (unsigned long long)n);
            used[n / 8] |= (uint8_t)(1u << n % 8);
        }
    }
    for (uint64_t n = page_first(t->page_bytes); n < t->page_count; n++)
        ck_assert_msg(used[n / 8] >> n % 8 & 1, "page %llu is lost: seed %llu", (unsigned long long)n,
                      (unsigned long long)f->seed);
    extent_list_fini(&list, &f->disk.table);
    free(used);
}

static void merge_now(fixture *f, const mem_node *changes)
{
    levin_error error;
    merge_result result;
    levin_code code = store_merge(&f->s, changes, &result, NULL, &error);
    ck_assert_msg(!code, "%s (seed %llu)", code ? error.message : "", (unsigned long long)f->seed);
    store_adopt(&f->s, &result);
}

/* ---- tests ---- */

typedef struct rounds {
    uint32_t page_bytes;
    unsigned rounds, operations;
    uint64_t space;      /* keys are drawn from so many */
    bool long_keys;
    unsigned value_max;  /* of ordinary values */
    unsigned ranges;     /* of 1000 operations */
} rounds;

static size_t round_key(const rounds *o, uint8_t *key, uint64_t n)
{
    return o->long_keys ? long_key(key, n, o->page_bytes) : number_key(key, n);
}

/* A range of up to 50 numbers' length, seldom a long one, or one to the end. */
static void round_range(fixture *f, const rounds *o, uint64_t n)
{
    uint8_t key[LEVIN_PAGE_MAX_BYTES / 4], end[LEVIN_PAGE_MAX_BYTES / 4];
    uint64_t kind = random_next(&f->random) % 40, length = random_next(&f->random) % (kind ? 50 : o->space / 3);
    size_t bytes = round_key(o, key, n), end_bytes = round_key(o, end, n + 1 + length);
    int order = key_compare(key, bytes, end, end_bytes);
    if (kind == 1)
        end_bytes = 0;
    if (order < 0 || end_bytes == 0)
        delete_range(f, key, bytes, end, end_bytes);
    else
        delete_range(f, end, end_bytes, key, bytes);
}

static void model_rounds(const rounds *o, uint64_t seed)
{
    fixture f;
    uint8_t key[LEVIN_PAGE_MAX_BYTES / 4];
    setup(&f, o->page_bytes, 64 * (uint64_t)o->page_bytes, seed);
    for (unsigned round = 0; round < o->rounds; round++) {
        levin_check_result r;
        /* phases of growing, of churning, of shrinking, of deleting nearly all */
        unsigned phase = round / 4 % 4, deletes = phase == 0 ? 10 : phase == 1 ? 50 : phase == 2 ? 80 : 98;
        uint64_t width = random_next(&f.random) % 4 ? o->space : 1 + random_next(&f.random) % o->space;
        uint64_t start = random_next(&f.random) % o->space;
        unsigned operations = (unsigned)(1 + random_next(&f.random) % (o->operations * (phase == 3 ? 4 : 1)));
        tree old = f.s.t;
        batch_begin(&f);
        for (unsigned i = 0; i < operations; i++) {
            uint64_t n = (start + random_next(&f.random) % width) % o->space, kind = random_next(&f.random) % 100;
            size_t bytes = round_key(o, key, n);
            if (o->ranges && random_next(&f.random) % 1000 < o->ranges)
                round_range(&f, o, n);
            else if (kind < deletes)
                delete(&f, key, bytes);
            else
                put(&f, key, bytes,
                    random_next(&f.random) % 50 ? random_next(&f.random) % o->value_max
                                                : random_next(&f.random) % (4 * o->page_bytes));
        }
        levin_error error;
        merge_result result;
        levin_code code = store_merge(&f.s, batch_end(&f), &result, NULL, &error);
        ck_assert_msg(!code, "%s (seed %llu)", code ? error.message : "", (unsigned long long)seed);
        free(tree_clean(&f, &old, &r)); /* the old tree stays whole */
        store_adopt(&f.s, &result);
        accounting_check(&f);
        scans_check(&f);
        keys_check(&f, 20);
    }
    teardown(&f);
}

START_TEST(merge__equals_the_model_in_small_pages)
{
    const rounds o = {4096, 60, 800, 5000, false, 120, 0};
    for (uint64_t seed = 1; seed <= 2; seed++)
        model_rounds(&o, seed);
}
END_TEST

START_TEST(merge__equals_the_model_with_tiny_values)
{
    const rounds o = {4096, 24, 4000, 40000, false, 4, 0};
    model_rounds(&o, 11);
}
END_TEST

START_TEST(merge__equals_the_model_with_long_keys)
{
    const rounds o = {4096, 60, 300, 2000, true, 1100, 0};
    for (uint64_t seed = 21; seed <= 22; seed++)
        model_rounds(&o, seed);
}
END_TEST

START_TEST(merge__equals_the_model_in_large_pages)
{
    const rounds o = {65536, 16, 400, 5000, true, 3000, 0}, p = {65536, 12, 3000, 30000, false, 200, 0};
    model_rounds(&o, 31);
    model_rounds(&p, 32);
}
END_TEST

START_TEST(merge__equals_the_model_with_deleted_ranges)
{
    const rounds many = {4096, 60, 800, 5000, false, 120, 60}, few = {4096, 60, 2000, 5000, false, 120, 2},
                 tiny = {4096, 24, 4000, 40000, false, 4, 4}, ends = {4096, 60, 300, 2000, true, 1100, 30},
                 large = {65536, 16, 400, 5000, true, 3000, 20};
    for (uint64_t seed = 61; seed <= 62; seed++) {
        model_rounds(&many, seed);
        model_rounds(&few, seed);
    }
    model_rounds(&tiny, 63);
    model_rounds(&ends, 64);
    model_rounds(&large, 65);
}
END_TEST

START_TEST(merge__ranges_without_keys_share_every_leaf)
{
    fixture f;
    uint8_t key[32], end[32];
    setup(&f, 4096, 4 << 20, 67);
    batch_begin(&f);
    for (unsigned i = 0; i < 20000; i++)
        put(&f, key, number_key(key, 10 * i), 60);
    merge_now(&f, batch_end(&f));
    batch_begin(&f);
    for (unsigned i = 0; i < 20000; i += 3)
        delete_range(&f, key, number_key(key, 10 * i + 1), end, number_key(end, 10 * i + 10));
    levin_error error;
    merge_result result;
    ck_assert(!store_merge(&f.s, batch_end(&f), &result, NULL, &error));
    ck_assert_uint_le(result.pages_written, f.s.branch_pages); /* as of deletes of absent keys: the way down */
    store_adopt(&f.s, &result);
    accounting_check(&f);
    scans_check(&f);
    teardown(&f);
}
END_TEST

START_TEST(merge__of_nothing_returns_the_same_tree)
{
    fixture f;
    uint8_t key[32];
    setup(&f, 4096, 1 << 20, 41);
    batch_begin(&f);
    merge_now(&f, batch_end(&f));
    ck_assert_uint_eq(f.s.t.height, 0);
    batch_begin(&f);
    for (unsigned i = 0; i < 3000; i++)
        put(&f, key, number_key(key, 2 * i), 50);
    merge_now(&f, batch_end(&f));
    page_ref root = f.s.t.root;
    merge_now(&f, NULL);
    ck_assert_uint_eq(f.s.t.root.number, root.number);
    accounting_check(&f);
    teardown(&f);
}
END_TEST

START_TEST(merge__deletes_of_absent_keys_share_every_leaf)
{
    fixture f;
    uint8_t key[32];
    merge_result result;
    levin_error error;
    setup(&f, 4096, 1 << 20, 42);
    batch_begin(&f);
    for (unsigned i = 0; i < 10000; i++)
        put(&f, key, number_key(key, 2 * i), 50);
    merge_now(&f, batch_end(&f));
    uint64_t branches = f.s.branch_pages;
    batch_begin(&f);
    for (unsigned i = 0; i < 10000; i++)
        delete(&f, key, number_key(key, 2 * i + 1));
    ck_assert(!store_merge(&f.s, batch_end(&f), &result, NULL, &error));
    ck_assert_uint_le(result.pages_written, branches);
    store_adopt(&f.s, &result);
    accounting_check(&f);
    scans_check(&f);
    teardown(&f);
}
END_TEST

START_TEST(merge__deleting_all_leaves_an_empty_tree)
{
    fixture f;
    uint8_t key[32];
    setup(&f, 4096, 1 << 20, 43);
    batch_begin(&f);
    for (unsigned i = 0; i < 5000; i++)
        put(&f, key, number_key(key, i), i % 100 ? 30 : 9000);
    merge_now(&f, batch_end(&f));
    ck_assert_uint_ge(f.s.t.height, 2);
    batch_begin(&f);
    for (unsigned i = 0; i < 5000; i++)
        delete(&f, key, number_key(key, i));
    merge_now(&f, batch_end(&f));
    ck_assert_uint_eq(f.s.t.height, 0);
    ck_assert_uint_eq(f.s.t.root.number, 0);
    ck_assert_uint_eq(space_free_pages(f.s.space), f.s.t.page_count - page_first(4096));
    accounting_check(&f);
    scans_check(&f);
    keys_check(&f, 1);
    teardown(&f);
}
END_TEST

/* Used bytes of each page that the tree reaches. */
typedef struct fills {
    uint64_t pages, under, leaf_pages, leaf_bytes;
} fills;

static fills fills_count(fixture *f)
{
    levin_check_result r;
    const tree *t = &f->s.t;
    uint8_t *used = tree_clean(f, t, &r);
    fills out = {0};
    for (uint64_t n = page_first(t->page_bytes); n < t->page_count; n++) {
        const uint8_t *page = f->disk.bytes + n * t->page_bytes;
        if (!(used[n / 8] >> n % 8 & 1))
            continue;
        size_t bytes = PAGE_HEADER_BYTES + page_cells(page) * SLOT_BYTES + (t->page_bytes - load_u32(page + PAGE_HEAP));
        out.pages++;
        out.under += bytes < t->page_bytes / 4;
        if (page_type(page) == PAGE_LEAF) {
            out.leaf_pages++;
            out.leaf_bytes += bytes;
        }
    }
    free(used);
    return out;
}

START_TEST(merge__ascending_loads_fill_pages)
{
    fixture f;
    uint8_t key[32];
    uint64_t n = 0;
    setup(&f, 4096, 1 << 20, 44);
    for (unsigned round = 0; round < 200; round++) {
        batch_begin(&f);
        for (uint64_t end = n + 1 + random_next(&f.random) % 200; n < end; n++)
            put(&f, key, number_key(key, n), 60);
        merge_now(&f, batch_end(&f));
    }
    fills now = fills_count(&f);
    ck_assert_uint_gt(now.leaf_bytes * 100 / (now.leaf_pages * 4096), 95);
    ck_assert_uint_le(now.under, f.s.t.height);
    accounting_check(&f);
    scans_check(&f);
    teardown(&f);
}
END_TEST

START_TEST(merge__overwrites_do_not_split_full_pages)
{
    fixture f;
    uint8_t key[32];
    setup(&f, 4096, 1 << 20, 45);
    batch_begin(&f);
    for (unsigned i = 0; i < 20000; i++)
        put(&f, key, number_key(key, i), 60);
    merge_now(&f, batch_end(&f));
    uint64_t leaves = f.s.leaf_pages;
    for (unsigned round = 0; round < 40; round++) {
        batch_begin(&f);
        for (unsigned i = 0; i < 10 + 100 * round; i++)
            put(&f, key, number_key(key, random_next(&f.random) % 20000), 60);
        merge_now(&f, batch_end(&f));
    }
    ck_assert_msg(f.s.leaf_pages <= leaves + leaves / 50, "%llu leaves became %llu", (unsigned long long)leaves,
                  (unsigned long long)f.s.leaf_pages);
    accounting_check(&f);
    teardown(&f);
}
END_TEST

START_TEST(merge__random_inserts_keep_pages_well_filled)
{
    fixture f;
    uint8_t key[32];
    setup(&f, 4096, 4 << 20, 46);
    for (unsigned round = 0; round < 60; round++) {
        batch_begin(&f);
        for (unsigned i = 0; i < 400; i++)
            put(&f, key, number_key(key, random_next(&f.random) % 10000000), 60);
        merge_now(&f, batch_end(&f));
    }
    fills now = fills_count(&f);
    ck_assert_uint_gt(now.leaf_bytes * 100 / (now.leaf_pages * 4096), 65);
    ck_assert_uint_le(now.under, f.s.t.height);
    accounting_check(&f);
    teardown(&f);
}
END_TEST

START_TEST(merge__deletes_leave_no_under_filled_pages)
{
    fixture f;
    uint8_t key[32];
    setup(&f, 4096, 4 << 20, 47);
    batch_begin(&f);
    for (unsigned i = 0; i < 30000; i++)
        put(&f, key, number_key(key, i), 60);
    merge_now(&f, batch_end(&f));
    for (unsigned round = 0; round < 60; round++) {
        /* runs of neighbours, so that whole leaves become nearly empty */
        batch_begin(&f);
        for (unsigned run = 0; run < 8; run++) {
            uint64_t start = random_next(&f.random) % 30000, length = random_next(&f.random) % 120;
            for (uint64_t n = start; n < start + length; n++)
                delete(&f, key, number_key(key, n));
        }
        merge_now(&f, batch_end(&f));
        fills now = fills_count(&f);
        ck_assert_msg(now.under <= f.s.t.height, "round %u: %llu of %llu pages are under-filled", round,
                      (unsigned long long)now.under, (unsigned long long)now.pages);
    }
    accounting_check(&f);
    scans_check(&f);
    teardown(&f);
}
END_TEST

/* A range takes whole subtrees out; a few keys put into it afterwards are all that is left there. */
START_TEST(merge__a_range_over_many_leaves_leaves_no_under_filled_pages)
{
    fixture f;
    uint8_t key[32], end[32];
    setup(&f, 4096, 4 << 20, 66);
    for (unsigned round = 0; round < 12; round++) {
        batch_begin(&f);
        for (unsigned i = 0; i < 20000; i++)
            put(&f, key, number_key(key, i), i % 500 ? 60 : 6000);
        merge_now(&f, batch_end(&f));
        uint64_t from = random_next(&f.random) % 10000, to = from + 1 + random_next(&f.random) % 10000;
        batch_begin(&f);
        delete_range(&f, key, number_key(key, from), end, round == 3 ? 0 : number_key(end, to));
        for (unsigned i = 0; round % 2 && i < 500; i++)
            put(&f, key, number_key(key, from + random_next(&f.random) % (to - from)), 60);
        merge_now(&f, batch_end(&f));
        fills now = fills_count(&f);
        ck_assert_uint_le(now.under, f.s.t.height);
        accounting_check(&f);
        scans_check(&f);
    }
    batch_begin(&f);
    delete_range(&f, (const uint8_t *)"", 1, NULL, 0); /* everything */
    merge_now(&f, batch_end(&f));
    ck_assert_uint_eq(f.s.t.height, 0);
    accounting_check(&f);
    teardown(&f);
}
END_TEST

START_TEST(merge__a_shared_root_with_one_child_is_dropped)
{
    fixture f;
    uint8_t key[32];
    uint64_t n = 0;
    setup(&f, 4096, 4 << 20, 54);
    while (f.s.branch_pages < 3) { /* until the right edge is a branch with one leaf */
        batch_begin(&f);
        for (uint64_t end = n + 10; n < end; n++)
            put(&f, key, number_key(key, n), 60);
        merge_now(&f, batch_end(&f));
    }
    ck_assert_uint_eq(f.s.t.height, 3);
    batch_begin(&f);
    const uint8_t *root = f.disk.bytes + f.s.t.root.number * 4096;
    levin_slice prefix = page_prefix(root, 4096), suffix = page_key_suffix(root, 1);
    uint8_t separator[64];
    memcpy(separator, prefix.data, prefix.size);
    memcpy(separator + prefix.size, suffix.data, suffix.size);
    for (uint64_t i = 0; i < n; i++) { /* all that is left of the edge, so that the edge is shared */
        size_t bytes = number_key(key, i);
        if (key_compare(key, bytes, separator, prefix.size + suffix.size) >= 0)
            break;
        delete(&f, key, bytes);
    }
    merge_now(&f, batch_end(&f));
    ck_assert_uint_eq(f.s.t.height, 1);
    ck_assert_uint_eq(f.s.branch_pages, 0);
    accounting_check(&f);
    scans_check(&f);
    teardown(&f);
}
END_TEST

START_TEST(merge__steps_are_bounded)
{
    fixture f;
    uint8_t key[32];
    levin_error error;
    merge_result result;
    page_cache_counters before, after;
    uint64_t steps = 0;
    setup(&f, 4096, 64 << 20, 48);
    batch_begin(&f);
    for (unsigned i = 0; i < 30000; i++)
        put(&f, key, number_key(key, i), 60);
    ck_assert(!store_merge(&f.s, batch_end(&f), &result, &steps, &error));
    ck_assert_uint_ge(steps, 30000 / 600); /* in an empty tree, too */
    store_adopt(&f.s, &result);

    batch_begin(&f);
    for (unsigned i = 0; i < 1000; i++)
        put(&f, key, number_key(key, random_next(&f.random) % 30000), i % 10 ? 60 : 20000);
    merge *m;
    merge_options options = store_merge_options(&f.s, batch_end(&f));
    bool done = false;
    ck_assert(!merge_begin(&options, &m, &error));
    while (!done) {
        uint64_t writes = f.disk.writes;
        page_cache_count(f.s.cache, &before);
        ck_assert(!merge_step(m, &done, &error));
        page_cache_count(f.s.cache, &after);
        uint64_t gets = after.hits + after.misses - before.hits - before.misses;
        ck_assert_msg(gets <= f.s.t.height + 2, "%llu pages in one step", (unsigned long long)gets);
        ck_assert_msg(f.disk.writes - writes <= 8, "%llu writes in one step",
                      (unsigned long long)(f.disk.writes - writes));
    }
    merge_finish(m, &result);
    merge_end(m);
    store_adopt(&f.s, &result);
    accounting_check(&f);
    scans_check(&f);
    teardown(&f);
}
END_TEST

START_TEST(merge__can_be_ended_at_any_step)
{
    fixture f;
    uint8_t key[32];
    levin_error error;
    levin_check_result r;
    setup(&f, 4096, 1 << 20, 49);
    batch_begin(&f);
    for (unsigned i = 0; i < 3000; i++)
        put(&f, key, number_key(key, i), 60);
    merge_now(&f, batch_end(&f));
    page_cache_counters before, after;
    scans_check(&f); /* all old pages are in the cache now */
    page_cache_reclaim(f.s.cache);
    page_cache_count(f.s.cache, &before);
    batch_begin(&f);
    for (unsigned i = 0; i < 300; i++)
        put(&f, key, number_key(key, random_next(&f.random) % 4000), i % 20 ? 60 : 6000);
    const mem_node *changes = batch_end(&f);
    bool done = false;
    for (unsigned stop = 0; !done; stop++) {
        merge *m;
        space *clone;
        ck_assert(!space_clone(f.s.space, &clone, &error));
        merge_options options = store_merge_options(&f.s, changes);
        ck_assert(!merge_begin(&options, &m, &error));
        for (unsigned i = 0; i < stop && !done; i++)
            ck_assert(!merge_step(m, &done, &error));
        merge_end(m); /* not finished: all is as before */
        space_destroy(f.s.space);
        f.s.space = clone;
        free(tree_clean(&f, &f.s.t, &r));
        page_cache_reclaim(f.s.cache);
        page_cache_count(f.s.cache, &after);
        ck_assert_uint_eq(after.bytes, before.bytes); /* its pages are forgotten */
    }
    merge_now(&f, changes);
    accounting_check(&f);
    scans_check(&f);
    teardown(&f);
}
END_TEST

/* Every allocation, read and write fails, one after the other, once or from then on. */
static void fault_sweep(uint64_t seed, bool fail_on)
{
    fixture f;
    uint8_t key[32];
    levin_error error;
    levin_check_result r;
    merge_result result;
    setup(&f, 4096, 16 * 4096, seed);
    batch_begin(&f);
    for (unsigned i = 0; i < 1500; i++)
        put(&f, key, number_key(key, 2 * i), i % 100 ? 100 : 6000);
    merge_now(&f, batch_end(&f));
    ck_assert_uint_ge(f.s.t.height, 2);
    batch_begin(&f);
    for (unsigned i = 0; i < 150; i++) {
        size_t bytes = number_key(key, random_next(&f.random) % 3200);
        if (i % 3)
            put(&f, key, bytes, i % 15 ? 100 : 5000);
        else
            delete(&f, key, bytes);
    }
    for (unsigned i = 500; i < 700; i++)
        delete(&f, key, number_key(key, i));
    uint8_t end[32];
    delete_range(&f, key, number_key(key, 1000), end, number_key(end, 1700));
    put(&f, key, number_key(key, 1500), 100);
    const mem_node *changes = batch_end(&f);
    uint64_t n = 1, held = 0;
    for (;; n++) {
        space *clone;
        ck_assert(!space_clone(f.s.space, &clone, &error));
        store_cool(&f.s);
        uint64_t before = f.disk.held;
        ck_assert_msg(n == 1 || before == held, "failure %llu leaked", (unsigned long long)(n - 1));
        held = before;
        ram_arm(&f.disk, n, fail_on);
        error.code = LEVIN_OK;
        levin_code code = store_merge(&f.s, changes, &result, NULL, &error);
        uint64_t failed = f.disk.failed;
        ram_arm(&f.disk, 0, false);
        if (!code && failed == 0) {
            space_destroy(clone);
            break;
        }
        if (code) {
            ck_assert_int_eq(code, error.code);
            ck_assert(code == LEVIN_NO_MEMORY || code == LEVIN_IO || code == LEVIN_NO_SPACE);
        } else { /* only what the cache could do without */
            extent_list_fini(&result.freed, &f.disk.table);
        }
        space_destroy(f.s.space);
        f.s.space = clone;
        free(tree_clean(&f, &f.s.t, &r));
    }
    ck_assert_uint_gt(n, 60);
    store_adopt(&f.s, &result);
    accounting_check(&f);
    scans_check(&f);
    keys_check(&f, 50);
    teardown(&f);
}

START_TEST(merge__every_failure_leaves_the_old_tree_and_leaks_nothing)
{
    fault_sweep(51, false);
    fault_sweep(52, true);
}
END_TEST

START_TEST(merge__after_a_failure_succeeds_with_the_restored_space)
{
    fixture f;
    uint8_t key[32];
    levin_error error;
    setup(&f, 4096, 16 * 4096, 53);
    uint64_t fail_at = 1, failures = 0;
    for (unsigned round = 0; round < 120; round++) {
        batch_begin(&f);
        for (unsigned i = 0; i < 60; i++) {
            size_t bytes = number_key(key, random_next(&f.random) % 3000);
            if (random_next(&f.random) % 3)
                put(&f, key, bytes, random_next(&f.random) % 20 ? 100 : 5000);
            else
                delete(&f, key, bytes);
        }
        const mem_node *changes = batch_end(&f);
        merge_result result;
        space *clone;
        ck_assert(!space_clone(f.s.space, &clone, &error));
        ram_arm(&f.disk, fail_at, false);
        levin_code code = store_merge(&f.s, changes, &result, NULL, &error);
        ram_arm(&f.disk, 0, false);
        if (code) {
            failures++;
            fail_at += 1 + fail_at / 8;
            space_destroy(f.s.space);
            f.s.space = clone;
            code = store_merge(&f.s, changes, &result, NULL, &error);
            ck_assert_msg(!code, "%s", error.message);
        } else {
            fail_at = 1;
            space_destroy(clone);
        }
        store_adopt(&f.s, &result);
        accounting_check(&f);
        scans_check(&f);
    }
    ck_assert_uint_gt(failures, 40);
    teardown(&f);
}
END_TEST

LEVIN_TEST_MAIN("merge", TEST(merge__equals_the_model_in_small_pages), TEST(merge__equals_the_model_with_tiny_values),
                TEST(merge__equals_the_model_with_long_keys), TEST(merge__equals_the_model_in_large_pages),
                TEST(merge__equals_the_model_with_deleted_ranges),
                TEST(merge__a_range_over_many_leaves_leaves_no_under_filled_pages),
                TEST(merge__ranges_without_keys_share_every_leaf),
                TEST(merge__of_nothing_returns_the_same_tree), TEST(merge__deletes_of_absent_keys_share_every_leaf),
                TEST(merge__deleting_all_leaves_an_empty_tree), TEST(merge__ascending_loads_fill_pages),
                TEST(merge__overwrites_do_not_split_full_pages), TEST(merge__random_inserts_keep_pages_well_filled),
                TEST(merge__deletes_leave_no_under_filled_pages), TEST(merge__a_shared_root_with_one_child_is_dropped),
                TEST(merge__steps_are_bounded),
                TEST(merge__can_be_ended_at_any_step), TEST(merge__every_failure_leaves_the_old_tree_and_leaks_nothing),
                TEST(merge__after_a_failure_succeeds_with_the_restored_space))
