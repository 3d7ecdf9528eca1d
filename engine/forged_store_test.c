/*
 * forged_store_test.c - stores whose bytes are right, checksums and all, and which no version of the engine
 * writes: pages that are used twice or by nobody, keys outside of their bounds, numbers that do not add up, a
 * catalogue that is wrong.
 *
 * Invariants checked: levin_check() tells what is wrong, by name, and stops after the first fault when it is told
 * to; a backup that meets it is refused; open, reads, writes, checkpoint, compaction, dump and repair end with
 * LEVIN_OK or LEVIN_CORRUPT.
 */
#include <stdio.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "checksum.h"
#include "codec.h"
#include "keyspace_format.h"
#include "levin.h"
#include "page.h"

enum { PAGE = 4096, KEYS = 400, EXTENT_EVERY = 40, VALUE_BYTES = 200, EXTENT_BYTES = 5000 };

/* ---- the store that is forged: a tree of two levels, extents, free pages, two keyspaces; closed ---- */

static size_t key_of(char key[16], int i)
{
    return (size_t)snprintf(key, 16, "key-%03d", i % 1000);
}

static void options_of(levin_options *o, const levin_io *io)
{
    levin_options_init(o);
    o->io = io;
    o->page_bytes = PAGE;
    o->background = LEVIN_BACKGROUND_NONE;
    o->value_log_threshold_bytes = 0;
}

static const disk_image *sound_store(void)
{
    static const char value[EXTENT_BYTES] = "value";
    simdisk *disk = simdisk_create(NULL, NULL);
    levin_options o;
    levin_keyspace *ks[2];
    levin *db;
    char key[16];
    options_of(&o, simdisk_io(disk));
    ck_assert_int_eq(levin_open("s", &o, &db, NULL), LEVIN_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(levin_keyspace_open(db, i ? "two" : "one", 3, LEVIN_KEYSPACE_CREATE, &ks[i]), LEVIN_OK);
        ck_assert_int_eq(levin_put_in(db, ks[i], "key", 3, "value", 5, LEVIN_NONE), LEVIN_OK);
        levin_keyspace_close(ks[i]);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < KEYS; i++)
            if (round == 0)
                ck_assert_int_eq(levin_put(db, key, key_of(key, i), value,
                                           i % EXTENT_EVERY ? VALUE_BYTES : EXTENT_BYTES, LEVIN_NONE), LEVIN_OK);
            else if (i % (2 * EXTENT_EVERY) == 0) /* every other extent: free pages in several places */
                ck_assert_int_eq(levin_delete(db, key, key_of(key, i), LEVIN_NONE), LEVIN_OK);
        ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    }
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK);
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    const disk_image *image = simdisk_image(disk);
    ck_assert(simdisk_destroy(disk, NULL));
    return image;
}

/* ---- forging: pages are changed, and every checksum above them is made right ---- */

typedef struct forgery {
    disk_image *image;
    disk_node pages;
    page_meta meta; /* the newest; written back at the end */
    uint8_t root[PAGE], page[PAGE];
} forgery;

static void page_get(const forgery *f, uint64_t number, uint8_t *page)
{
    ck_assert_uint_eq(disk_image_read(f->image, f->pages, page, PAGE, number * PAGE), PAGE);
}

/* Returns the checksum that its parent has to give. */
static uint64_t page_put(forgery *f, uint8_t *page)
{
    const uint64_t number = load_u64(page + PAGE_NUMBER);
    const uint64_t sum = page_checksum(page, PAGE, checksum_identity(f->meta.identity), number);
    store_u64(page + PAGE_CHECKSUM, sum);
    disk_image_write(f->image, f->pages, page, PAGE, number * PAGE);
    return sum;
}

static uint8_t *branch_cell(uint8_t *page, unsigned i)
{
    return page + load_u16(page_slot(page, i) + SLOT_OFFSET);
}

static void forgery_begin(forgery *f, const disk_image *sound)
{
    page_meta meta[2];
    uint8_t bytes[META_BYTES];
    memset(f, 0, sizeof *f);
    f->image = disk_image_fork(sound);
    f->pages = disk_image_find(f->image, "s/" PAGE_FILE_NAME);
    for (unsigned slot = 0; slot < 2; slot++) {
        ck_assert_uint_eq(disk_image_read(f->image, f->pages, bytes, META_BYTES, slot * META_SLOT_BYTES), META_BYTES);
        ck_assert_int_eq(meta_decode(bytes, slot, &meta[slot], NULL), LEVIN_OK);
    }
    f->meta = meta[meta[1].generation > meta[0].generation];
    ck_assert_uint_eq(f->meta.height, 2);
    ck_assert_uint_eq(f->meta.named_height, 1);
    ck_assert_uint_ge(f->meta.free_pages, 2);
    page_get(f, f->meta.root.number, f->root);
    ck_assert_uint_ge(page_cells(f->root), 4);
}

static void forgery_end(forgery *f)
{
    uint8_t bytes[META_BYTES];
    f->meta.root.checksum = page_put(f, f->root);
    meta_encode(bytes, &f->meta);
    disk_image_write(f->image, f->pages, bytes, META_BYTES, f->meta.generation % 2 * META_SLOT_BYTES);
}

/* ---- the forgeries ---- */

static void leaf_twice(forgery *f)
{
    memcpy(branch_cell(f->root, 2), branch_cell(f->root, 1), BRANCH_CELL_KEY); /* the child, not the key */
}
static void keys_forgotten(forgery *f) { f->meta.keys--; }
static void named_keys_invented(forgery *f) { f->meta.named_keys++; }
static void leaves_forgotten(forgery *f) { f->meta.leaf_pages--; }
static void branches_invented(forgery *f) { f->meta.branch_pages++; }
static void overflow_forgotten(forgery *f) { f->meta.overflow_pages--; }

/* A leaf that another page lies in between the checksummed bytes: its keys are those of the neighbour. */
static void leaves_swapped(forgery *f)
{
    uint8_t other[BRANCH_CELL_KEY];
    memcpy(other, branch_cell(f->root, 1), sizeof other);
    memcpy(branch_cell(f->root, 1), branch_cell(f->root, 2), sizeof other);
    memcpy(branch_cell(f->root, 2), other, sizeof other);
}

/* The first extent of the free list takes in a page more: what is next to it is in use. */
static void free_and_used(forgery *f)
{
    page_get(f, f->meta.free_list.number, f->page);
    uint8_t *entry = f->page + PAGE_HEADER_BYTES;
    store_u64(entry, branch_child(f->root, 1).number);
    store_u64(entry + 8, 1);
    store_u16(f->page + PAGE_CELLS, 1);
    memset(entry + 16, 0, PAGE - PAGE_HEADER_BYTES - 16);
    f->meta.free_pages = 1;
    f->meta.free_list.checksum = page_put(f, f->page);
}

/* Two pages that are in use, one extent: two faults of which the second is not told when the first stops the check. */
static void free_and_used_twice(forgery *f)
{
    free_and_used(f);
    uint8_t *entry = f->page + PAGE_HEADER_BYTES;
    const uint64_t a = branch_child(f->root, 1).number, b = branch_child(f->root, 2).number;
    store_u64(entry, a < b ? a : b);
    store_u64(entry + 8, (a < b ? b - a : a - b) + 1);
    f->meta.free_pages = (a < b ? b - a : a - b) + 1;
    f->meta.free_list.checksum = page_put(f, f->page);
}

/* The pages of the last free extent belong to nobody. */
static void free_forgotten(forgery *f)
{
    page_get(f, f->meta.free_list.number, f->page);
    const unsigned cells = page_cells(f->page);
    ck_assert_uint_ge(cells, 2);
    uint8_t *entry = f->page + PAGE_HEADER_BYTES + 16 * (cells - 1);
    f->meta.free_pages -= load_u64(entry + 8);
    memset(entry, 0, 16);
    store_u16(f->page + PAGE_CELLS, (uint16_t)(cells - 1));
    f->meta.free_list.checksum = page_put(f, f->page);
}

/* The value of a key of the named tree, which is one leaf. */
static uint8_t *named_value(forgery *f, const void *key, size_t key_bytes)
{
    page_get(f, f->meta.named_root.number, f->page);
    const levin_slice prefix = page_prefix(f->page, PAGE);
    for (unsigned i = 0; i < page_cells(f->page); i++) {
        const levin_slice rest = page_key_suffix(f->page, i);
        if (prefix.size + rest.size == key_bytes && !memcmp(key, prefix.data, prefix.size) &&
            !memcmp((const uint8_t *)key + prefix.size, rest.data, rest.size))
            return f->page + (leaf_value(f->page, i).data - f->page);
    }
    ck_abort_msg("no such key");
    return NULL;
}
static void named_put(forgery *f) { f->meta.named_root.checksum = page_put(f, f->page); }

static const char account[] = "\0\0\0\0\0", name_one[] = "\0\0\0\0\1one", name_two[] = "\0\0\0\0\1two";

static void account_of_no_version(forgery *f)
{
    store_u32(named_value(f, account, 5), 2);
    named_put(f);
}
static void account_of_more(forgery *f)
{
    uint8_t *value = named_value(f, account, 5);
    store_u32(value + 8, 1); /* of two */
    named_put(f);
}
static void account_of_fewer_numbers(forgery *f)
{
    uint8_t *value = named_value(f, account, 5);
    store_u32(value + 4, 2);
    store_u32(value + 8, 1);
    named_put(f);
}
static void entry_of_no_version(forgery *f)
{
    store_u32(named_value(f, name_one, 8), 7);
    named_put(f);
}
static void entry_without_number(forgery *f)
{
    store_u32(named_value(f, name_two, 8) + 4, 0);
    named_put(f);
}
static void entries_of_one_number(forgery *f)
{
    store_u32(named_value(f, name_two, 8) + 4, 1);
    named_put(f);
}

static const struct forged {
    const char *name;
    void (*forge)(forgery *f);
    const char *told;   /* a part of what levin_check() says */
    enum { NOT, VERIFIED, ALWAYS } refused; /* when a backup is */
} forgeries[] = {
    { "a leaf twice", leaf_twice, "reached twice", ALWAYS },
    { "leaves in each other's place", leaves_swapped, "bound that its parent gives", NOT },
    { "a key less", keys_forgotten, "keys", VERIFIED },
    { "a named key more", named_keys_invented, "keys of named keyspaces", VERIFIED },
    { "a leaf less", leaves_forgotten, "leaves", NOT },
    { "a branch more", branches_invented, "branch pages", NOT },
    { "an overflow page less", overflow_forgotten, "overflow pages", NOT },
    { "a page free and in use", free_and_used, "on the free list, but in use", NOT },
    { "pages free and in use", free_and_used_twice, "on the free list, but in use", NOT },
    { "free pages forgotten", free_forgotten, "neither in use nor on the free list", NOT },
    { "an account of no version", account_of_no_version, "account of the catalogue is malformed", NOT },
    { "an account of one name less", account_of_more, "named keyspaces", NOT },
    { "an account of too few numbers", account_of_fewer_numbers, "a number never given out", NOT },
    { "an entry of no version", entry_of_no_version, "entry of the catalogue is malformed", NOT },
    { "an entry without a number", entry_without_number, "entry of the catalogue is malformed", NOT },
    { "two entries of one number", entries_of_one_number, "two names for one number", NOT },
};

/* ---- what is asked of each ---- */

typedef struct told {
    const char *wanted;
    unsigned count, stop_after;
    bool found;
} told;

static bool tell(void *context, const levin_error *fault)
{
    told *t = context;
    t->found = t->found || strstr(fault->message, t->wanted);
    return ++t->count < t->stop_after;
}

static bool any_item(void *context, const levin_dump_item *item)
{
    (void)context;
    return item->kind != NULL;
}

static void fair(const struct forged *row, const char *what, levin_code code)
{
    ck_assert_msg(code == LEVIN_OK || code == LEVIN_CORRUPT || code == LEVIN_NOT_FOUND, "%s: %s: %s", row->name, what,
                  levin_code_name(code));
}

static void check_is_right(const struct forged *row, levin *db)
{
    levin_check_result all, first;
    told t = { row->told, 0, UINT32_MAX, false };
    levin_code code = levin_check(db, tell, &t, &all);
    ck_assert_msg(code == LEVIN_CORRUPT, "%s: not seen: %s", row->name, levin_code_name(code));
    ck_assert_msg(t.found, "%s: \"%s\" is not told", row->name, row->told);
    ck_assert_uint_eq(all.faults, t.count);
    for (unsigned n = 1; n <= t.count && n < 4; n++) {
        told some = { row->told, 0, n, false };
        code = levin_check(db, tell, &some, &first);
        ck_assert_msg(code == LEVIN_INTERRUPTED, "%s: stopped after %u: %s", row->name, n, levin_code_name(code));
        ck_assert_msg(some.count == n && first.faults == n, "%s: %u faults told, asked to stop after %u", row->name,
                      some.count, n);
    }
}

static void use(const struct forged *row, const disk_image *image)
{
    simdisk *disk = simdisk_create(image, NULL);
    levin_options o;
    levin_dump_options d;
    levin_repair_options r;
    levin_backup_options b;
    levin_iter *it;
    levin *db;
    char key[16], value[EXTENT_BYTES];
    size_t bytes;
    levin_dump_options_init(&d);
    d.io = simdisk_io(disk);
    d.what = 127;
    fair(row, "dump", levin_dump("s", &d, any_item, NULL, NULL));
    levin_repair_options_init(&r);
    r.io = simdisk_io(disk);
    fair(row, "repair", levin_repair("s", "repaired", &r, NULL, NULL));
    options_of(&o, simdisk_io(disk));
    levin_code code = levin_open("s", &o, &db, NULL);
    fair(row, "open", code);
    if (code == LEVIN_OK) {
        check_is_right(row, db);
        for (int verify = 0; verify < 2; verify++) {
            levin_backup_options_init(&b);
            b.verify = verify;
            code = levin_backup(db, verify ? "verified" : "copied", &b, NULL);
            if (row->refused == ALWAYS || (row->refused == VERIFIED && verify))
                ck_assert_msg(code == LEVIN_CORRUPT, "%s: backed up", row->name);
            fair(row, "backup", code);
        }
        for (int i = 0; i < KEYS; i += 7)
            fair(row, "get", levin_get(db, NULL, key, key_of(key, i), value, sizeof value, &bytes));
        ck_assert_int_eq(levin_iter_open(db, NULL, &it), LEVIN_OK);
        for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
            (void)levin_iter_value(it);
        fair(row, "walk", levin_iter_status(it));
        levin_iter_close(it);
        for (int i = 0; i < KEYS; i += 3)
            ck_assert_int_eq(levin_put(db, key, key_of(key, i), "new", 3, LEVIN_NONE), LEVIN_OK);
        fair(row, "checkpoint", levin_checkpoint(db));
        fair(row, "compaction", levin_compact(db, NULL, NULL));
        fair(row, "close", levin_close(db));
    }
    (void)simdisk_destroy(disk, NULL); /* a store that is damaged may keep files */
}

START_TEST(forged_store__what_is_wrong_is_told_and_nothing_worse_happens)
{
    const disk_image *sound = sound_store();
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        static forgery f;
        forgery_begin(&f, sound);
        forgeries[i].forge(&f);
        forgery_end(&f);
        use(&forgeries[i], f.image);
        disk_image_unref(f.image);
    }
    disk_image_unref(sound);
}
END_TEST

LEVIN_TEST_MAIN("forged_store", TEST(forged_store__what_is_wrong_is_told_and_nothing_worse_happens))
