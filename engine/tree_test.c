/*
 * tree_test.c - lookups, cursors and tree_check() under failing calls, damaged pages and trees that contradict
 * themselves.
 *
 * That they equal a model on sound trees is shown in merge_test.c, after every merge.
 */
#include "../faults/check_main.h"
#include "page_write_test.h"
#include "ram_store_test.h"

enum { KEYS = 3000, PAGE = 4096 };

typedef struct fixture {
    ram_disk disk;
    ram_store s;
    uint64_t random;
} fixture;

enum { NUMBER_KEY_ROOM = 24 }; /* "key", the digits of any n, and the end that snprintf writes */
static size_t number_key(uint8_t key[NUMBER_KEY_ROOM], uint64_t n)
{
    return (size_t)snprintf((char *)key, NUMBER_KEY_ROOM, "key%010llu", (unsigned long long)n);
}

static void value_of(uint8_t *value, uint64_t n, size_t *bytes)
{
    *bytes = n % 50 ? 20 + n % 100 : 5000;
    memset(value, (int)('a' + n % 26), *bytes);
    memcpy(value, &n, sizeof n);
}

/* Keys 0, 2, 4, ... of KEYS; every 25th value in an extent. */
static void setup(fixture *f, uint64_t cache_bytes)
{
    uint8_t key[32], value[8192];
    size_t bytes;
    mem_node_list replaced;
    levin_error error;
    merge_result result;
    memset(f, 0, sizeof *f);
    f->random = 7;
    store_init(&f->s, &f->disk, ram_disk_init(&f->disk), "ram", PAGE, cache_bytes);
    memtable *mem = memtable_create(&f->disk.table, 1 << 20);
    memtable_begin(mem, 1);
    for (uint64_t n = 0; n < KEYS; n += 2) {
        value_of(value, n, &bytes);
        mem_apply(mem, RECORD_PUT, key, number_key(key, n), value, bytes);
    }
    ck_assert(!store_merge(&f->s, memtable_finish(mem, &replaced), &result, NULL, &error));
    store_adopt(&f->s, &result);
    memtable_unref(mem);
    ck_assert_uint_eq(f->s.t.height, 2);
    store_cool(&f->s);
}

static void teardown(fixture *f)
{
    store_fini(&f->s);
    ck_assert_msg(f->disk.held == 0, "%zu allocations leaked", f->disk.held);
}

/* Reads a value in full and compares. */
static levin_code value_check(fixture *f, const page_value *value, uint64_t n, levin_error *error)
{
    uint8_t expected[8192], found[8192];
    size_t bytes;
    const uint8_t *data = value->data;
    value_of(expected, n, &bytes);
    ck_assert_uint_eq(value->bytes, bytes);
    if (value->kind == VALUE_EXTENT) {
        levin_code code = tree_read_extent(&f->s.t, value, found, error);
        if (code)
            return code;
        data = found;
    }
    ck_assert(!memcmp(data, expected, bytes));
    return LEVIN_OK;
}

/* LEVIN_OK when the answer was right; a wrong one fails the test. */
static levin_code find_check(fixture *f, uint64_t n, levin_error *error)
{
    uint8_t key[32];
    page_value value;
    size_t bytes = number_key(key, n);
    reclaim_read_lock();
    levin_code code = tree_find(&f->s.t, key, bytes, &value, error);
    if (code == LEVIN_OK) {
        ck_assert_msg(n % 2 == 0, "key %llu was never there", (unsigned long long)n);
        code = value_check(f, &value, n, error);
    } else if (code == LEVIN_NOT_FOUND) {
        ck_assert_msg(n % 2 == 1, "key %llu is missing", (unsigned long long)n);
        code = LEVIN_OK;
    }
    reclaim_read_unlock();
    return code;
}

/* The same for TREE_MANY keys at once, spread over the tree: LEVIN_OK when all answers were right. */
static levin_code find_many_check(fixture *f, uint64_t n, levin_error *error)
{
    uint8_t key[TREE_MANY][NUMBER_KEY_ROOM];
    uint64_t number[TREE_MANY];
    levin_slice keys[TREE_MANY];
    page_value values[TREE_MANY];
    levin_code codes[TREE_MANY], wrong = LEVIN_OK;
    for (unsigned i = 0; i < TREE_MANY; i++) {
        number[i] = (n + i * i * 37) % KEYS;
        keys[i] = (levin_slice){ key[i], number_key(key[i], number[i]) };
    }
    reclaim_read_lock();
    levin_code code = tree_find_many(&f->s.t, keys, TREE_MANY, values, codes, error);
    ck_assert(!code || error->code == code);
    for (unsigned i = 0; i < TREE_MANY; i++) {
        levin_error failed;
        if (codes[i] == LEVIN_OK) {
            ck_assert_msg(number[i] % 2 == 0, "key %llu was never there", (unsigned long long)number[i]);
            codes[i] = value_check(f, &values[i], number[i], &failed);
            if (codes[i] && !code) {
                code = codes[i];
                *error = failed;
            }
        } else if (codes[i] == LEVIN_NOT_FOUND) {
            ck_assert_msg(number[i] % 2 == 1, "key %llu is missing", (unsigned long long)number[i]);
            codes[i] = LEVIN_OK;
        }
        if (codes[i])
            wrong = codes[i];
    }
    reclaim_read_unlock();
    ck_assert(!code == !wrong);
    return code;
}

static levin_code scan_check(fixture *f, bool forward, levin_error *error)
{
    uint8_t key[32];
    tree_cursor c;
    uint64_t seen = 0;
    levin_code code = tree_cursor_open(&c, &f->s.t, error);
    if (code)
        return code;
    code = forward ? tree_cursor_first(&c, error) : tree_cursor_last(&c, error);
    while (!code) {
        uint64_t n = forward ? 2 * seen : KEYS - 2 - 2 * seen;
        size_t bytes = number_key(key, n);
        ck_assert(!key_compare(c.key, c.key_bytes, key, bytes));
        page_value value = tree_cursor_value(&c);
        seen++;
        code = value_check(f, &value, n, error);
        if (code)
            break;
        code = forward ? tree_cursor_next(&c, error) : tree_cursor_prev(&c, error);
        ck_assert(!code == tree_cursor_valid(&c));
    }
    tree_cursor_close(&c);
    ck_assert(code != LEVIN_NOT_FOUND || seen == KEYS / 2);
    return code == LEVIN_NOT_FOUND ? LEVIN_OK : code;
}

START_TEST(tree__of_height_0_holds_nothing)
{
    ram_disk disk;
    ram_store s;
    tree_cursor c;
    page_value value;
    levin_error error;
    levin_check_result r = {0};
    uint8_t used[1] = {0};
    store_init(&s, &disk, ram_disk_init(&disk), "ram", PAGE, 1 << 20);
    ck_assert_int_eq(tree_find(&s.t, (const uint8_t *)"a", 1, &value, &error), LEVIN_NOT_FOUND);
    ck_assert(!tree_cursor_open(&c, &s.t, &error));
    ck_assert_int_eq(tree_cursor_first(&c, &error), LEVIN_NOT_FOUND);
    ck_assert_int_eq(tree_cursor_last(&c, &error), LEVIN_NOT_FOUND);
    ck_assert_int_eq(tree_cursor_seek(&c, (const uint8_t *)"a", 1, &error), LEVIN_NOT_FOUND);
    ck_assert_int_eq(tree_cursor_seek_for_prev(&c, (const uint8_t *)"a", 1, &error), LEVIN_NOT_FOUND);
    ck_assert(!tree_cursor_valid(&c));
    tree_cursor_close(&c);
    ck_assert(!tree_check(&s.t, used, NULL, NULL, &r, &error));
    ck_assert_uint_eq(r.pages, 0);
    store_fini(&s);
    ck_assert_uint_eq(disk.held, 0);
}
END_TEST

START_TEST(tree__find_many_equals_find)
{
    fixture f;
    levin_error error;
    setup(&f, 1 << 20);
    for (uint64_t n = 0; n < KEYS; n++)
        ck_assert(!find_many_check(&f, n, &error));
    teardown(&f);
}
END_TEST

/* Keys of one head, before, among and behind the cells of a page, in all numbers of cells. */
START_TEST(page_search__equals_page_lower_bound)
{
    fixture f;
    levin_error error;
    setup(&f, 1 << 20);
    reclaim_read_lock();
    page_frame *frame;
    ck_assert(!tree_page(&f.s.t, f.s.t.root, 1, &frame, &error));
    uint8_t page[PAGE];
    for (unsigned cells = 1; cells <= page_cells(frame->page); cells++) {
        memcpy(page, frame->page, PAGE);
        store_u16(page + PAGE_CELLS, (uint16_t)cells);
        for (uint64_t n = 0; n < KEYS; n += 3) {
            uint8_t key[NUMBER_KEY_ROOM];
            size_t bytes = number_key(key, n);
            if (n % 5 == 0)
                bytes = n % 4 + 1; /* part of the prefix */
            if (n % 7 == 0)
                key[0] ^= (uint8_t)(n % 14 ? 1 : 2); /* below and above it */
            bool equal, equal_staged;
            page_search s;
            unsigned slot = page_lower_bound(page, PAGE, key, bytes, &equal);
            page_search_begin(&s, page, PAGE, key, bytes);
            while (page_search_step(&s))
                continue;
            page_search_aim(&s);
            ck_assert_uint_eq(page_search_end(&s, &equal_staged), slot);
            ck_assert_int_eq(equal_staged, equal);
        }
    }
    reclaim_read_unlock();
    teardown(&f);
}
END_TEST

START_TEST(tree__seek_to_the_cursors_own_key_stays)
{
    fixture f;
    uint8_t key[32];
    levin_error error;
    tree_cursor c;
    setup(&f, 1 << 20);
    ck_assert(!tree_cursor_open(&c, &f.s.t, &error));
    for (uint64_t n = 0; n < KEYS; n += 2) {
        size_t bytes = number_key(key, n);
        ck_assert(!tree_cursor_seek(&c, key, bytes, &error));
        ck_assert(!tree_cursor_seek(&c, c.key, c.key_bytes, &error));
        ck_assert(!tree_cursor_seek_for_prev(&c, c.key, c.key_bytes, &error));
        ck_assert(!key_compare(c.key, c.key_bytes, key, bytes));
    }
    tree_cursor_close(&c);
    teardown(&f);
}
END_TEST

START_TEST(tree__cursor_turns_around_anywhere)
{
    fixture f;
    uint8_t key[32];
    levin_error error;
    tree_cursor c;
    setup(&f, 1 << 20);
    ck_assert(!tree_cursor_open(&c, &f.s.t, &error));
    ck_assert(!tree_cursor_first(&c, &error));
    uint64_t at = 0;
    for (unsigned i = 0; i < 20000; i++) {
        /* drifts up; at the ends it falls off and comes back */
        bool up = random_next(&f.random) % 100 < 60;
        levin_code code = up ? tree_cursor_next(&c, &error) : tree_cursor_prev(&c, &error);
        bool off = up ? at + 2 >= KEYS : at == 0;
        ck_assert_int_eq(code, off ? LEVIN_NOT_FOUND : LEVIN_OK);
        if (off) {
            at = up ? 0 : KEYS - 2;
            ck_assert(!(up ? tree_cursor_first(&c, &error) : tree_cursor_last(&c, &error)));
        } else {
            at = up ? at + 2 : at - 2;
        }
        ck_assert(!key_compare(c.key, c.key_bytes, key, number_key(key, at)));
    }
    tree_cursor_close(&c);
    teardown(&f);
}
END_TEST

/* Every call of the table fails once, or from then on: an error, nothing leaked, and the same works afterwards. */
static void fault_sweep(bool fail_on)
{
    fixture f;
    levin_error error;
    uint64_t n = 1;
    setup(&f, 16 * PAGE);
    for (;; n++) {
        store_cool(&f.s);
        ram_arm(&f.disk, n, fail_on);
        error.code = LEVIN_OK;
        levin_code code = find_check(&f, 2 * (n % 100), &error);
        if (!code)
            code = find_many_check(&f, n, &error);
        if (!code)
            code = scan_check(&f, n % 2, &error);
        uint64_t failed = f.disk.failed;
        ram_arm(&f.disk, 0, false);
        if (failed == 0) {
            ck_assert(!code);
            break;
        }
        ck_assert_msg(code == LEVIN_NO_MEMORY || code == LEVIN_IO, "%s after a failure", levin_code_name(code));
        ck_assert_int_eq(error.code, code);
        if (n % 16 == 0) {
            ck_assert(!find_check(&f, 100, &error));
            ck_assert(!scan_check(&f, true, &error));
        }
    }
    ck_assert_uint_gt(n, 100);
    teardown(&f);
}

START_TEST(tree__every_failure_is_an_error_and_leaks_nothing)
{
    fault_sweep(false);
    fault_sweep(true);
}
END_TEST

START_TEST(tree_check__every_failure_is_an_error_and_leaks_nothing)
{
    fixture f;
    levin_error error;
    uint64_t n = 1;
    setup(&f, 1 << 20);
    uint8_t *used = malloc(f.s.t.page_count / 8 + 1);
    for (;; n++) {
        levin_check_result r = {0};
        memset(used, 0, f.s.t.page_count / 8 + 1);
        size_t held = f.disk.held;
        ram_arm(&f.disk, n, false);
        levin_code code = tree_check(&f.s.t, used, NULL, NULL, &r, &error);
        uint64_t failed = f.disk.failed;
        ram_arm(&f.disk, 0, false);
        ck_assert_uint_eq(f.disk.held, held);
        if (failed == 0) {
            ck_assert(!code);
            break;
        }
        ck_assert(code == LEVIN_NO_MEMORY || code == LEVIN_IO);
    }
    ck_assert_uint_gt(n, 60);
    free(used);
    teardown(&f);
}
END_TEST

typedef struct faults_seen {
    uint64_t count;
    uint64_t stop_after; /* 0: never */
    char text[512];
} faults_seen;

static bool report(void *context, const levin_error *fault)
{
    faults_seen *seen = context;
    ck_assert(fault->code != LEVIN_OK);
    ck_assert_str_eq(fault->file, PAGE_FILE_NAME);
    snprintf(seen->text, sizeof seen->text, "%s", fault->message);
    return ++seen->count != seen->stop_after;
}

static levin_code check_all(fixture *f, const tree *t, faults_seen *seen, levin_check_result *r)
{
    levin_error error;
    uint8_t *used = calloc(t->page_count / 8 + 1, 1);
    memset(r, 0, sizeof *r);
    seen->count = 0;
    levin_code code = tree_check(t, used, report, seen, r, &error);
    ck_assert_uint_eq(r->faults, seen->count);
    ck_assert(!code == !seen->count);
    (void)f;
    free(used);
    return code;
}

START_TEST(tree__damaged_bytes_give_corrupt_or_the_right_answer)
{
    fixture f;
    levin_error error;
    levin_check_result r;
    faults_seen seen = {0};
    setup(&f, 1 << 20);
    uint64_t first = page_first(PAGE) * PAGE, bytes = f.s.t.page_count * PAGE, corrupt = 0, rounds = 0;
    ck_assert_uint_le(bytes, f.disk.size);
    uint8_t *sound = malloc(f.disk.size);
    memcpy(sound, f.disk.bytes, f.disk.size);
    for (uint64_t at = first; at < bytes; at += 1 + random_next(&f.random) % 2500, rounds++) {
        f.disk.bytes[at] ^= (uint8_t)(1u << random_next(&f.random) % 8);
        store_cool(&f.s);
        levin_code code = scan_check(&f, rounds % 2, &error);
        ck_assert_msg(code == LEVIN_OK || code == LEVIN_CORRUPT, "%s", levin_code_name(code));
        corrupt += code == LEVIN_CORRUPT;
        for (unsigned i = 0; i < 20; i++) {
            levin_code found = find_check(&f, random_next(&f.random) % KEYS, &error);
            ck_assert(found == LEVIN_OK || found == LEVIN_CORRUPT);
        }
        levin_code many = find_many_check(&f, rounds, &error);
        ck_assert(many == LEVIN_OK || many == LEVIN_CORRUPT);
        if (rounds % 8 == 0)
            ck_assert(check_all(&f, &f.s.t, &seen, &r) || !code);
        f.disk.bytes[at] = sound[at];
    }
    ck_assert_uint_gt(corrupt, rounds / 2);
    store_cool(&f.s);
    ck_assert(!check_all(&f, &f.s.t, &seen, &r));
    free(sound);
    teardown(&f);
}
END_TEST

START_TEST(tree_check__reports_each_damaged_page_and_goes_on)
{
    fixture f;
    levin_check_result sound, r;
    faults_seen seen = {0};
    setup(&f, 1 << 20);
    ck_assert(!check_all(&f, &f.s.t, &seen, &sound));
    ck_assert_uint_eq(sound.keys, KEYS / 2);
    ck_assert_uint_eq(sound.pages, sound.leaf_pages + sound.branch_pages + sound.overflow_pages);
    /* three leaves, one extent */
    unsigned leaves = 0, lost = 0;
    uint64_t extent_page = 0;
    for (uint64_t n = page_first(PAGE); n < f.s.t.page_count; n++) {
        uint8_t *page = f.disk.bytes + n * PAGE;
        if (load_u64(page + PAGE_NUMBER) != n || page_type(page) != PAGE_LEAF)
            continue;
        if (leaves++ % 5 == 1 && lost < 3) {
            page[2000] ^= 4;
            lost++;
            continue;
        }
        for (unsigned i = 0; i < page_cells(page) && !extent_page; i++) {
            page_value value = leaf_value(page, i);
            if (value.kind == VALUE_EXTENT)
                extent_page = value.first_page;
        }
    }
    ck_assert_uint_ne(extent_page, 0);
    f.disk.bytes[extent_page * PAGE + 4500] ^= 1;
    ck_assert_int_eq(check_all(&f, &f.s.t, &seen, &r), LEVIN_CORRUPT);
    ck_assert_uint_eq(seen.count, lost + 1);
    ck_assert_uint_eq(r.leaf_pages, sound.leaf_pages - lost);
    ck_assert_uint_lt(r.keys, sound.keys);
    seen.stop_after = 2;
    ck_assert_int_eq(check_all(&f, &f.s.t, &seen, &r), LEVIN_CORRUPT);
    ck_assert_uint_eq(seen.count, 2);
    teardown(&f);
}
END_TEST

START_TEST(tree_check__sees_bytes_behind_a_value)
{
    fixture f;
    levin_check_result r;
    faults_seen seen = {0};
    setup(&f, 1 << 20);
    for (uint64_t n = page_first(PAGE); n < f.s.t.page_count; n++) {
        uint8_t *page = f.disk.bytes + n * PAGE;
        if (load_u64(page + PAGE_NUMBER) != n || page_type(page) != PAGE_LEAF)
            continue;
        page_value value = leaf_value(page, 0);
        if (value.kind != VALUE_EXTENT)
            continue;
        f.disk.bytes[value.first_page * PAGE + value.bytes] = 1;
        ck_assert_int_eq(check_all(&f, &f.s.t, &seen, &r), LEVIN_CORRUPT);
        ck_assert(strstr(seen.text, "behind a value"));
        break;
    }
    ck_assert_uint_gt(seen.count, 0);
    teardown(&f);
}
END_TEST

/* ---- trees made by hand, every page of which verifies ---- */

static page_ref write_page(fixture *f, uint64_t number, enum page_type type, unsigned level, const page_cell *cells,
                           size_t count)
{
    uint8_t page[PAGE];
    levin_error error;
    uint64_t sum = page_write(page, PAGE, f->s.identity, number, 1, type, level, cells, count);
    levin_slice part = {page, PAGE};
    ck_assert(!file_write(&f->s.pages, &part, 1, number * PAGE, NULL, &error));
    return (page_ref){number, sum};
}

static page_cell leaf_cell(const char *key)
{
    return (page_cell){.key = (const uint8_t *)key, .key_bytes = (uint32_t)strlen(key),
                       .value = {.kind = VALUE_INLINE, .bytes = 1, .data = (const uint8_t *)"v"}};
}

static page_cell branch_cell(const char *key, page_ref child)
{
    return (page_cell){.key = (const uint8_t *)key, .key_bytes = (uint32_t)strlen(key), .child = child};
}

static void by_hand(fixture *f)
{
    memset(f, 0, sizeof *f);
    store_init(&f->s, &f->disk, ram_disk_init(&f->disk), "ram", PAGE, 1 << 20);
    f->s.t.generation = 1;
    f->s.t.page_count = 20;
}

START_TEST(tree_check__keys_outside_their_separators_are_faults)
{
    fixture f;
    levin_check_result r;
    faults_seen seen = {0};
    by_hand(&f);
    const page_cell a[] = {leaf_cell("a"), leaf_cell("b")}, m[] = {leaf_cell("m"), leaf_cell("n")};
    page_ref left = write_page(&f, 3, PAGE_LEAF, 0, a, 2), right = write_page(&f, 4, PAGE_LEAF, 0, m, 2);
    f.s.t.height = 2;

    const page_cell sound[] = {branch_cell("", left), branch_cell("c", right)};
    f.s.t.root = write_page(&f, 5, PAGE_BRANCH, 1, sound, 2);
    ck_assert(!check_all(&f, &f.s.t, &seen, &r));
    ck_assert_uint_eq(r.keys, 4);

    const page_cell low[] = {branch_cell("", left), branch_cell("b", right)}; /* b is not below b */
    f.s.t.root = write_page(&f, 6, PAGE_BRANCH, 1, low, 2);
    ck_assert_int_eq(check_all(&f, &f.s.t, &seen, &r), LEVIN_CORRUPT);
    ck_assert(strstr(seen.text, "last key of page 3"));
    ck_assert_uint_eq(seen.count, 1);

    const page_cell high[] = {branch_cell("", left), branch_cell("mm", right)};
    f.s.t.root = write_page(&f, 7, PAGE_BRANCH, 1, high, 2);
    ck_assert_int_eq(check_all(&f, &f.s.t, &seen, &r), LEVIN_CORRUPT);
    ck_assert(strstr(seen.text, "first key of page 4"));

    const page_cell swapped[] = {branch_cell("", right), branch_cell("c", left)};
    f.s.t.root = write_page(&f, 8, PAGE_BRANCH, 1, swapped, 2);
    ck_assert_int_eq(check_all(&f, &f.s.t, &seen, &r), LEVIN_CORRUPT);
    ck_assert_uint_eq(seen.count, 2);
    teardown(&f);
}
END_TEST

/* A cursor never shows keys out of order: where leaves contradict one another it says so. */
START_TEST(tree__leaves_out_of_order_are_corrupt)
{
    fixture f;
    levin_error error;
    tree_cursor c;
    by_hand(&f);
    const page_cell a[] = {leaf_cell("a"), leaf_cell("f")}, m[] = {leaf_cell("d"), leaf_cell("n")};
    page_ref left = write_page(&f, 3, PAGE_LEAF, 0, a, 2), right = write_page(&f, 4, PAGE_LEAF, 0, m, 2);
    const page_cell root[] = {branch_cell("", left), branch_cell("k", right)};
    f.s.t.root = write_page(&f, 5, PAGE_BRANCH, 1, root, 2);
    f.s.t.height = 2;
    ck_assert(!tree_cursor_open(&c, &f.s.t, &error));

    ck_assert(!tree_cursor_first(&c, &error) && !tree_cursor_next(&c, &error));
    ck_assert_int_eq(tree_cursor_next(&c, &error), LEVIN_CORRUPT); /* from f to d */
    ck_assert(!tree_cursor_valid(&c));
    ck_assert(!tree_cursor_last(&c, &error) && !tree_cursor_prev(&c, &error));
    ck_assert_int_eq(tree_cursor_prev(&c, &error), LEVIN_CORRUPT); /* from d to f */
    tree_cursor_close(&c);

    /* in order, but the separator sends j to the leaf before the one that could have it */
    const page_cell h[] = {leaf_cell("h"), leaf_cell("n")};
    const page_cell late[] = {branch_cell("", left), branch_cell("k", write_page(&f, 6, PAGE_LEAF, 0, h, 2))};
    f.s.t.root = write_page(&f, 7, PAGE_BRANCH, 1, late, 2);
    ck_assert(!tree_cursor_open(&c, &f.s.t, &error));
    ck_assert_int_eq(tree_cursor_seek(&c, (const uint8_t *)"j", 1, &error), LEVIN_CORRUPT);
    ck_assert(!tree_cursor_seek(&c, (const uint8_t *)"g", 1, &error) && c.key[0] == 'h');
    tree_cursor_close(&c);
    teardown(&f);
}
END_TEST

START_TEST(tree_check__a_page_reached_twice_is_a_fault)
{
    fixture f;
    levin_check_result r;
    faults_seen seen = {0};
    by_hand(&f);
    const page_cell a[] = {leaf_cell("a"), leaf_cell("z")};
    page_ref leaf = write_page(&f, 3, PAGE_LEAF, 0, a, 2);
    const page_cell twice[] = {branch_cell("", leaf), branch_cell("zz", leaf)};
    f.s.t.root = write_page(&f, 4, PAGE_BRANCH, 1, twice, 2);
    f.s.t.height = 2;
    ck_assert_int_eq(check_all(&f, &f.s.t, &seen, &r), LEVIN_CORRUPT);
    ck_assert_uint_eq(seen.count, 1);
    ck_assert(strstr(seen.text, "reached twice"));
    ck_assert_uint_eq(r.leaf_pages, 1);
    teardown(&f);
}
END_TEST

START_TEST(tree__pages_at_the_wrong_level_are_corrupt)
{
    fixture f;
    levin_error error;
    page_value value;
    tree_cursor c;
    levin_check_result r;
    faults_seen seen = {0};
    by_hand(&f);
    const page_cell a[] = {leaf_cell("a"), leaf_cell("z")};
    page_ref leaf = write_page(&f, 3, PAGE_LEAF, 0, a, 2);
    const page_cell child[] = {branch_cell("", leaf)};
    page_ref one = write_page(&f, 4, PAGE_BRANCH, 1, child, 1);
    const page_cell skips[] = {branch_cell("", leaf)}, same[] = {branch_cell("", one)};
    const struct {
        page_ref root;
        uint32_t height;
    } wrong[] = {
        {leaf, 2},                                          /* a leaf where a branch should be */
        {one, 1},                                           /* and the other way round */
        {one, 3},
        {write_page(&f, 5, PAGE_BRANCH, 2, skips, 1), 3},   /* a level is missing below */
        {write_page(&f, 6, PAGE_BRANCH, 1, same, 1), 2},    /* a branch below a branch of the same level */
        {leaf, PAGE_HEIGHT_MAX + 1},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        f.s.t.root = wrong[i].root;
        f.s.t.height = wrong[i].height;
        for (unsigned warm = 0; warm < 2; warm++) { /* the second time from the cache */
            ck_assert_int_eq(tree_find(&f.s.t, (const uint8_t *)"a", 1, &value, &error), LEVIN_CORRUPT);
            ck_assert(!tree_cursor_open(&c, &f.s.t, &error));
            ck_assert_int_eq(tree_cursor_first(&c, &error), LEVIN_CORRUPT);
            ck_assert_int_eq(tree_cursor_seek(&c, (const uint8_t *)"b", 1, &error), LEVIN_CORRUPT);
            ck_assert(!tree_cursor_valid(&c));
            tree_cursor_close(&c);
        }
        ck_assert_int_eq(check_all(&f, &f.s.t, &seen, &r), LEVIN_CORRUPT);
    }
    teardown(&f);
}
END_TEST

START_TEST(merge__of_a_tree_that_contradicts_itself_is_corrupt)
{
    fixture f;
    levin_error error;
    merge_result result;
    mem_node_list replaced;
    by_hand(&f);
    /* the root says that the left branch ends at m, the branch's own last separator is x: y is in no child's range */
    const page_cell a[] = {leaf_cell("a")}, b[] = {leaf_cell("xx")}, c[] = {leaf_cell("n")};
    page_ref la = write_page(&f, 3, PAGE_LEAF, 0, a, 1), lb = write_page(&f, 4, PAGE_LEAF, 0, b, 1),
             lc = write_page(&f, 5, PAGE_LEAF, 0, c, 1);
    const page_cell left[] = {branch_cell("", la), branch_cell("x", lb)}, right[] = {branch_cell("p", lc)};
    page_ref bl = write_page(&f, 6, PAGE_BRANCH, 1, left, 2), br = write_page(&f, 7, PAGE_BRANCH, 1, right, 1);
    const page_cell root[] = {branch_cell("", bl), branch_cell("m", br)};
    f.s.t.root = write_page(&f, 8, PAGE_BRANCH, 2, root, 2);
    f.s.t.height = 3;
    space_destroy(f.s.space);
    f.s.space = space_create(f.s.io, PAGE, 20);
    memtable *mem = memtable_create(&f.disk.table, 1 << 16);
    memtable_begin(mem, 1);
    mem_apply(mem, RECORD_PUT, "b", 1, "1", 1);
    mem_apply(mem, RECORD_PUT, "l", 1, "1", 1);
    mem_apply(mem, RECORD_PUT, "o", 1, "1", 1);
    mem_apply(mem, RECORD_PUT, "y", 1, "1", 1);
    /* the builders would write the keys in the order in which they come */
    ck_assert_int_eq(store_merge(&f.s, memtable_finish(mem, &replaced), &result, NULL, &error), LEVIN_CORRUPT);
    ck_assert(strstr(error.message, "outside the bounds"));
    memtable_unref(mem);
    teardown(&f);
}
END_TEST

START_TEST(merge__over_damaged_pages_is_corrupt_or_right)
{
    fixture f;
    uint8_t key[32];
    levin_error error;
    merge_result result;
    mem_node_list replaced;
    setup(&f, 1 << 20);
    memtable *mem = memtable_create(&f.disk.table, 1 << 16);
    memtable_begin(mem, 1);
    for (uint64_t n = 0; n < KEYS; n += 100)
        mem_apply(mem, RECORD_PUT, key, number_key(key, n), "new", 3);
    const mem_node *changes = memtable_finish(mem, &replaced);
    uint64_t corrupt = 0, rounds = 0;
    for (uint64_t at = page_first(PAGE) * PAGE; at < f.s.t.page_count * PAGE; at += 1 + random_next(&f.random) % 3000) {
        space *clone;
        uint8_t before = f.disk.bytes[at];
        ck_assert(!space_clone(f.s.space, &clone, &error));
        f.disk.bytes[at] ^= (uint8_t)(1u << random_next(&f.random) % 8);
        store_cool(&f.s);
        levin_code code = store_merge(&f.s, changes, &result, NULL, &error);
        ck_assert(code == LEVIN_OK || code == LEVIN_CORRUPT);
        corrupt += code == LEVIN_CORRUPT;
        rounds++;
        if (!code) {
            ck_assert_uint_eq(result.keys, KEYS / 2);
            extent_list_fini(&result.freed, f.s.io);
        }
        f.disk.bytes[at] = before;
        space_destroy(f.s.space);
        f.s.space = clone;
    }
    ck_assert_uint_gt(corrupt, rounds / 8);
    memtable_unref(mem);
    teardown(&f);
}
END_TEST

LEVIN_TEST_MAIN("tree", TEST(tree__of_height_0_holds_nothing), TEST(tree__find_many_equals_find),
                TEST(page_search__equals_page_lower_bound), TEST(tree__seek_to_the_cursors_own_key_stays),
                TEST(tree__cursor_turns_around_anywhere), TEST(tree__every_failure_is_an_error_and_leaks_nothing),
                TEST(tree_check__every_failure_is_an_error_and_leaks_nothing),
                TEST(tree__damaged_bytes_give_corrupt_or_the_right_answer),
                TEST(tree_check__reports_each_damaged_page_and_goes_on), TEST(tree_check__sees_bytes_behind_a_value),
                TEST(tree_check__keys_outside_their_separators_are_faults),
                TEST(tree__leaves_out_of_order_are_corrupt), TEST(tree_check__a_page_reached_twice_is_a_fault),
                TEST(tree__pages_at_the_wrong_level_are_corrupt),
                TEST(merge__of_a_tree_that_contradicts_itself_is_corrupt),
                TEST(merge__over_damaged_pages_is_corrupt_or_right))
