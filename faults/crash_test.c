/*
 * crash_test.c - the persistence model against sets of states written by hand, and against brute force.
 *
 * Invariants checked: exactly the listed states come, no more and no less; each once a promise class; a key builds
 * the same state again; two runs are equal, on any build (a golden digest).
 *
 * A state is written as text: "name:" and a letter per sector ('.' zeros, '?' mixed), names in order, " =" between
 * hard links.
 */
#include "check_main.h"

#include <stdio.h>

#include "crash.h"
#include "crash_model.h"
#include "random.h"
#include "simdisk.h"

enum { TEXT_MAX = 160, SET_MAX = 4096, SECTOR = DISK_SECTOR_BYTES };

typedef struct text_set {
    char text[SET_MAX][TEXT_MAX];
    size_t count;
} text_set;

/* ---- A run to trace -------------------------------------------------------------------------------------- */

typedef struct run {
    disk_image *start;
    trace *t;
    simdisk *disk;
    const levin_io *io;
} run;

static run run_begin(disk_image *start)
{
    run r = { start, trace_create(), NULL, NULL };
    r.disk = simdisk_create(start, r.t);
    r.io = simdisk_io(r.disk);
    return r;
}

static void run_end(run *r)
{
    ck_assert(simdisk_destroy(r->disk, NULL));
    trace_destroy(r->t);
    disk_image_unref(r->start);
}

static void at_path(run *r, const char *path, void (*act)(run *, levin_file *, uint64_t, char), uint64_t n, char c)
{
    levin_file *file;
    ck_assert_int_eq(r->io->open(r->io->context, path, LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file), 0);
    act(r, file, n, c);
    ck_assert_int_eq(r->io->close(r->io->context, file), 0);
}

static void act_nothing(run *r, levin_file *file, uint64_t n, char c)
{
    (void)r, (void)file, (void)n, (void)c;
}
static void act_write(run *r, levin_file *file, uint64_t sector, char c)
{
    char bytes[SECTOR];
    size_t done;
    memset(bytes, c, sizeof bytes);
    levin_slice part = { bytes, sizeof bytes };
    ck_assert_int_eq(r->io->write_at(r->io->context, file, &part, 1, sector * SECTOR, &done), 0);
    ck_assert_uint_eq(done, SECTOR);
}
static void act_sync(run *r, levin_file *file, uint64_t n, char c)
{
    (void)n, (void)c;
    ck_assert_int_eq(r->io->sync(r->io->context, file), 0);
}
static void act_truncate(run *r, levin_file *file, uint64_t sectors, char c)
{
    (void)c;
    ck_assert_int_eq(r->io->truncate(r->io->context, file, sectors * SECTOR), 0);
}
static void act_preallocate(run *r, levin_file *file, uint64_t sectors, char c)
{
    (void)c;
    ck_assert_int_eq(r->io->preallocate(r->io->context, file, sectors * SECTOR), 0);
}
static void act_lose(run *r, levin_file *file, uint64_t n, char c)
{
    (void)n, (void)c;
    simdisk_fail_sync(r->disk, file, SIMDISK_SYNC_LOSES_PAGES);
}
static void act_keep(run *r, levin_file *file, uint64_t n, char c)
{
    (void)n, (void)c;
    simdisk_fail_sync(r->disk, file, SIMDISK_SYNC_KEEPS_PAGES);
}

static void create(run *r, const char *path) { at_path(r, path, act_nothing, 0, 0); }
static void put(run *r, const char *path, uint64_t sector, char c) { at_path(r, path, act_write, sector, c); }
static void sync_file(run *r, const char *path) { at_path(r, path, act_sync, 0, 0); }
static void truncate_file(run *r, const char *path, uint64_t n) { at_path(r, path, act_truncate, n, 0); }
static void preallocate(run *r, const char *path, uint64_t n) { at_path(r, path, act_preallocate, n, 0); }
static void sync_dir(run *r, const char *path) { ck_assert_int_eq(r->io->sync_dir(r->io->context, path), 0); }
static void make_dir(run *r, const char *path) { ck_assert_int_eq(r->io->make_dir(r->io->context, path), 0); }
static void unlink_file(run *r, const char *path) { ck_assert_int_eq(r->io->unlink(r->io->context, path), 0); }
static void rename_file(run *r, const char *from, const char *to)
{
    ck_assert_int_eq(r->io->rename(r->io->context, from, to), 0);
}

/* Several letters in one write: "ABC" at a sector. */
static void put_wide(run *r, const char *path, uint64_t sector, const char *letters)
{
    levin_file *file;
    uint8_t bytes[32 * SECTOR];
    size_t n = strlen(letters), done;
    for (size_t i = 0; i < n; i++)
        memset(bytes + i * SECTOR, letters[i], SECTOR);
    levin_slice part = { bytes, n * SECTOR };
    ck_assert_int_eq(r->io->open(r->io->context, path, LEVIN_FILE_WAL, LEVIN_IO_WRITE, &file), 0);
    ck_assert_int_eq(r->io->write_at(r->io->context, file, &part, 1, sector * SECTOR, &done), 0);
    ck_assert_int_eq(r->io->close(r->io->context, file), 0);
}

/* A durable file: "f" with these letters, over what there is. */
static disk_image *with_file(disk_image *image, const char *name, const char *letters)
{
    if (!image)
        image = disk_image_create();
    disk_node node = disk_image_next_node(image);
    disk_image_add(image, node, false);
    disk_image_link(image, DISK_ROOT, name, node);
    for (size_t i = 0; letters[i]; i++) {
        uint8_t bytes[SECTOR];
        memset(bytes, letters[i] == '.' ? 0 : letters[i], sizeof bytes);
        disk_image_write(image, node, bytes, sizeof bytes, i * SECTOR);
    }
    return image;
}

/* ---- States as text -------------------------------------------------------------------------------------- */

struct text_place {
    const disk_image *image;
    char *text;
    disk_node seen[64];
    size_t count;
};

static void text_file(struct text_place *place, disk_node node)
{
    uint64_t size = disk_image_size(place->image, node);
    for (uint64_t at = 0; at < size; at += SECTOR) {
        uint8_t bytes[SECTOR];
        size_t n = disk_image_read(place->image, node, bytes, sizeof bytes, at);
        char letter[2] = { bytes[0] ? (char)bytes[0] : '.', 0 };
        for (size_t i = 1; i < n; i++)
            if (bytes[i] != bytes[0])
                letter[0] = '?';
        strcat(place->text, letter);
    }
}

static int text_entry(void *context, const char *name, disk_node node)
{
    struct text_place *place = context;
    size_t used = strlen(place->text);
    ck_assert(disk_image_has(place->image, node));
    snprintf(place->text + used, TEXT_MAX - used, "%s%s:", used ? " " : "", name);
    for (size_t i = 0; i < place->count; i++)
        if (place->seen[i] == node)
            strcat(place->text, "=");
    place->seen[place->count++] = node;
    if (disk_image_is_dir(place->image, node)) {
        strcat(place->text, "(");
        disk_image_list(place->image, node, text_entry, place);
        strcat(place->text, ")");
    } else
        text_file(place, node);
    return 0;
}

static void image_text(const disk_image *image, char text[TEXT_MAX])
{
    struct text_place place = { .image = image, .text = text };
    text[0] = 0;
    disk_image_list(image, DISK_ROOT, text_entry, &place);
}

static bool set_add(text_set *set, const char *text)
{
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->text[i], text))
            return false;
    ck_assert_uint_lt(set->count, SET_MAX);
    snprintf(set->text[set->count++], TEXT_MAX, "%s", text);
    return true;
}

/* All of `wanted` and nothing else; prints the difference otherwise. */
static void sets_equal(const text_set *found, const text_set *wanted, const char *what)
{
    text_set *both = malloc(sizeof *both);
    bool good = found->count == wanted->count;
    memcpy(both, found, sizeof *both);
    for (size_t i = 0; i < wanted->count; i++)
        if (set_add(both, wanted->text[i])) {
            fprintf(stderr, "%s: missing state \"%s\"\n", what, wanted->text[i]);
            good = false;
        }
    memcpy(both, wanted, sizeof *both);
    for (size_t i = 0; i < found->count; i++)
        if (set_add(both, found->text[i])) {
            fprintf(stderr, "%s: state \"%s\" should not be\n", what, found->text[i]);
            good = false;
        }
    free(both);
    ck_assert_msg(good, "%s: the sets differ", what);
}

/* Whole operations kept or dropped, whole renames; nothing torn, damaged or by chance. */
static crash_limits plain_limits(void)
{
    crash_limits limits;
    crash_limits_init(&limits);
    limits.subset_operations = 12;
    limits.torn = limits.garbage = limits.zeroed = limits.sizes = limits.renames = limits.random = 0;
    return limits;
}

/* The states at one point, each handed out once. */
static text_set *states_at(const run *r, uint64_t point, crash_limits limits)
{
    text_set *set = calloc(1, sizeof *set);
    crash_state state;
    char text[TEXT_MAX];
    limits.first_point = limits.last_point = point;
    crash_explorer *e = crash_open(r->t, r->start, 7, &limits, NULL);
    while (crash_next(e, &state)) {
        image_text(state.image, text);
        ck_assert_uint_eq(state.point, point);
        ck_assert_msg(set_add(set, text), "state \"%s\" came twice", text);
    }
    crash_close(e);
    return set;
}

#define EXPECT(run, limits, ...) expect_states(run, limits, (const char *const[]){ __VA_ARGS__, NULL }, __LINE__)
static void expect_states(const run *r, crash_limits limits, const char *const *texts, int line)
{
    char what[32];
    text_set *wanted = calloc(1, sizeof *wanted), *found = states_at(r, trace_length(r->t), limits);
    for (; *texts; texts++)
        set_add(wanted, *texts);
    snprintf(what, sizeof what, "line %d", line);
    sets_equal(found, wanted, what);
    free(found);
    free(wanted);
}

/* ---- Data ------------------------------------------------------------------------------------------------ */

START_TEST(crash__unsynced_writes_reach_the_device_in_any_subset)
{
    run r = run_begin(with_file(NULL, "f", "...."));
    put(&r, "f", 0, 'A');
    put(&r, "f", 2, 'B');
    EXPECT(&r, plain_limits(), "f:....", "f:A...", "f:..B.", "f:A.B.");
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:A.B.");
    put(&r, "f", 3, 'C');
    EXPECT(&r, plain_limits(), "f:A.B.", "f:A.BC");
    run_end(&r);
}
END_TEST

START_TEST(crash__of_two_kept_writes_the_later_is_on_top)
{
    run r = run_begin(with_file(NULL, "f", ".."));
    put_wide(&r, "f", 0, "AA");
    put(&r, "f", 1, 'B');
    EXPECT(&r, plain_limits(), "f:..", "f:AA", "f:.B", "f:AB");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_sync_covers_its_own_file_only)
{
    run r = run_begin(with_file(with_file(NULL, "f", "."), "g", "."));
    put(&r, "f", 0, 'F');
    put(&r, "g", 0, 'G');
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:F g:.", "f:F g:G");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_write_is_torn_at_every_sector)
{
    crash_limits limits = plain_limits();
    limits.torn = 1000;
    run r = run_begin(with_file(NULL, "f", "..."));
    put_wide(&r, "f", 0, "ABC");
    EXPECT(&r, limits, "f:...", "f:A..", "f:.B.", "f:..C", "f:AB.", "f:A.C", "f:.BC", "f:ABC");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_long_write_is_torn_at_its_ends_middle_and_one_more_place)
{
    crash_limits limits = plain_limits();
    limits.torn = 1000;
    run r = run_begin(with_file(NULL, "f", "........"));
    put_wide(&r, "f", 0, "ABCDEFGH");
    text_set *found = states_at(&r, 1, limits);
    static const char *const needed[] = { "f:........", "f:ABCDEFGH", "f:ABCD....", "f:....EFGH",
                                          "f:A.......", "f:.......H", "f:.BCDEFGH", "f:ABCDEFG." };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        ck_assert_msg(!set_add(found, needed[i]), "state \"%s\" is missing", needed[i]);
    ck_assert_uint_le(found->count, 10);
    free(found);
    run_end(&r);
}
END_TEST

START_TEST(crash__a_sector_may_be_garbage_or_zeros)
{
    crash_limits limits = plain_limits();
    limits.zeroed = limits.garbage = 100;
    run r = run_begin(with_file(NULL, "f", "XX"));
    put_wide(&r, "f", 0, "AB");
    EXPECT(&r, limits, "f:XX", "f:AB", "f:.B", "f:A.", "f:?B", "f:A?");
    limits.garbage_sectors = false;
    EXPECT(&r, limits, "f:XX", "f:AB", "f:.B", "f:A.");
    run_end(&r);
}
END_TEST

START_TEST(crash__size_and_data_of_an_append_come_apart)
{
    crash_limits limits = plain_limits();
    limits.sizes = 100;
    limits.garbage_sectors = false;
    run r = run_begin(with_file(NULL, "f", "XX"));
    put_wide(&r, "f", 1, "AB");
    EXPECT(&r, limits, "f:XX", "f:XAB", "f:XX.", "f:XA");
    limits.garbage_sectors = true;
    EXPECT(&r, limits, "f:XX", "f:XAB", "f:XX.", "f:XA", "f:XX?");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_lost_write_leaves_a_hole_before_a_kept_one)
{
    run r = run_begin(with_file(NULL, "f", ""));
    put(&r, "f", 0, 'A');
    put(&r, "f", 1, 'B');
    EXPECT(&r, plain_limits(), "f:", "f:A", "f:.B", "f:AB");
    run_end(&r);
}
END_TEST

START_TEST(crash__truncation_is_whole_and_unordered_with_writes)
{
    run r = run_begin(with_file(NULL, "f", "XYZ"));
    truncate_file(&r, "f", 1);
    put(&r, "f", 1, 'A');
    EXPECT(&r, plain_limits(), "f:XYZ", "f:X", "f:XAZ", "f:XA");
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:XA");
    run_end(&r);
}
END_TEST

START_TEST(crash__preallocation_may_be_half_done)
{
    crash_limits limits = plain_limits();
    run r = run_begin(with_file(NULL, "f", "X"));
    preallocate(&r, "f", 5);
    EXPECT(&r, limits, "f:X", "f:X....");
    limits.torn = limits.sizes = 100;
    EXPECT(&r, limits, "f:X", "f:X....", "f:X..", "f:X????");
    sync_file(&r, "f");
    EXPECT(&r, limits, "f:X....");
    run_end(&r);
}
END_TEST

/* ---- Names ----------------------------------------------------------------------------------------------- */

START_TEST(crash__a_synced_file_without_a_synced_directory_may_have_no_name)
{
    run r = run_begin(disk_image_create());
    create(&r, "f");
    put(&r, "f", 0, 'A');
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "", "f:A");
    sync_dir(&r, "/");
    EXPECT(&r, plain_limits(), "f:A");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_durable_name_may_lack_its_data)
{
    run r = run_begin(disk_image_create());
    create(&r, "f");
    put(&r, "f", 0, 'A');
    sync_dir(&r, ".");
    EXPECT(&r, plain_limits(), "f:", "f:A");
    run_end(&r);
}
END_TEST

START_TEST(crash__operations_on_one_entry_keep_their_order)
{
    run r = run_begin(disk_image_create());
    create(&r, "a");
    rename_file(&r, "a", "b");
    EXPECT(&r, plain_limits(), "", "a:", "b:");
    unlink_file(&r, "b");
    create(&r, "c");
    EXPECT(&r, plain_limits(), "", "a:", "b:", "c:", "a: c:", "b: c:");
    run_end(&r);
}
END_TEST

START_TEST(crash__half_a_rename_leaves_both_names_and_neither_on_request_only)
{
    crash_limits limits = plain_limits();
    run r = run_begin(with_file(with_file(NULL, "x", "N"), "y", "O"));
    rename_file(&r, "x", "y");
    EXPECT(&r, limits, "x:N y:O", "y:N");
    limits.renames = 100;
    EXPECT(&r, limits, "x:N y:O", "y:N", "x:N y:=N");
    limits.rename_neither = true;
    EXPECT(&r, limits, "x:N y:O", "y:N", "x:N y:=N", "y:O");
    sync_dir(&r, "/");
    EXPECT(&r, limits, "y:N");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_lost_directory_takes_all_below_along)
{
    run r = run_begin(disk_image_create());
    make_dir(&r, "d");
    create(&r, "d/f");
    put(&r, "d/f", 0, 'A');
    sync_file(&r, "d/f");
    EXPECT(&r, plain_limits(), "", "d:()", "d:( f:A)");
    sync_dir(&r, "d");
    EXPECT(&r, plain_limits(), "", "d:( f:A)");
    sync_dir(&r, "/");
    EXPECT(&r, plain_limits(), "d:( f:A)");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_rename_between_directories_needs_both_synced)
{
    disk_image *start = with_file(NULL, "f", "A");
    disk_node d = disk_image_next_node(start);
    disk_image_add(start, d, true);
    disk_image_link(start, DISK_ROOT, "d", d);
    run r = run_begin(start);
    rename_file(&r, "f", "d/f");
    EXPECT(&r, plain_limits(), "d:() f:A", "d:( f:A)");
    sync_dir(&r, "d");
    EXPECT(&r, plain_limits(), "d:( f:A) f:=A", "d:( f:A)");
    unlink_file(&r, "d/f");
    sync_dir(&r, "d");
    EXPECT(&r, plain_limits(), "d:() f:A", "d:()"); /* what is left of the rename does not bring the name back */
    sync_dir(&r, "/");
    EXPECT(&r, plain_limits(), "d:()");
    run_end(&r);
}
END_TEST

START_TEST(crash__syncing_the_old_directory_makes_what_the_rename_replaced_durable_too)
{
    disk_image *start = with_file(NULL, "f", "A");
    disk_node d = disk_image_next_node(start);
    disk_image_add(start, d, true);
    disk_image_link(start, DISK_ROOT, "d", d);
    run r = run_begin(start);
    create(&r, "d/g");
    rename_file(&r, "f", "d/g");
    sync_dir(&r, "/");
    EXPECT(&r, plain_limits(), "d:( g:A)");
    run_end(&r);
}
END_TEST

/* ---- Syncs that fail or lie ------------------------------------------------------------------------------ */

START_TEST(crash__a_failed_sync_loses_its_pages_until_they_are_written_again)
{
    run r = run_begin(with_file(NULL, "f", "................"));
    put(&r, "f", 0, 'A');  /* page 0 */
    put(&r, "f", 8, 'B');  /* page 1 */
    at_path(&r, "f", act_lose, 0, 0);
    EXPECT(&r, plain_limits(), "f:................");
    put(&r, "f", 1, 'C');  /* page 0 again: takes A along */
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:AC..............");
    disk_image *seen = simdisk_image(r.disk);
    char text[TEXT_MAX];
    image_text(seen, text);
    ck_assert_str_eq(text, "f:AC......B......."); /* reads go on showing what is lost */
    disk_image_unref(seen);
    put(&r, "f", 9, 'D');
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:AC......BD......");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_failed_sync_of_an_append_may_leave_its_size)
{
    run r = run_begin(with_file(NULL, "f", "X"));
    put(&r, "f", 1, 'A');
    at_path(&r, "f", act_lose, 0, 0);
    EXPECT(&r, plain_limits(), "f:X", "f:X.");
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:X.");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_failed_sync_that_keeps_pages_changes_nothing)
{
    run r = run_begin(with_file(NULL, "f", "."));
    put(&r, "f", 0, 'A');
    at_path(&r, "f", act_keep, 0, 0);
    EXPECT(&r, plain_limits(), "f:.", "f:A");
    sync_file(&r, "f");
    EXPECT(&r, plain_limits(), "f:A");
    run_end(&r);
}
END_TEST

START_TEST(crash__a_lying_sync_takes_effect_at_the_next)
{
    crash_limits limits = plain_limits();
    limits.lying_sync = true;
    run r = run_begin(with_file(NULL, "f", ".."));
    put(&r, "f", 0, 'A');
    sync_file(&r, "f");
    EXPECT(&r, limits, "f:..", "f:A.");
    put(&r, "f", 1, 'B');
    sync_file(&r, "f");
    EXPECT(&r, limits, "f:A.", "f:AB");
    run_end(&r);
}
END_TEST

/* ---- Against brute force --------------------------------------------------------------------------------- */

/* Another implementation of the plain model: files as letters, operations as small records, every subset. */
enum { FILES = 12, NAMES = 3, SECTORS = 4, OPS_MAX = 24, PENDING_MAX = 9 };

typedef struct ref_state {
    char data[FILES][SECTORS + 1];
    int name[NAMES]; /* file, -1: none */
} ref_state;

typedef struct ref_op {
    enum { REF_WRITE, REF_TRUNCATE, REF_CREATE, REF_UNLINK, REF_RENAME } what;
    int file, sector, name, to;
    char letter;
} ref_op;

static void ref_apply(ref_state *s, const ref_op *op)
{
    char *data = s->data[op->file];
    size_t size = strlen(data);
    switch (op->what) {
    case REF_WRITE:
        for (; size <= (size_t)op->sector; size++)
            data[size] = '.';
        data[op->sector] = op->letter;
        break;
    case REF_TRUNCATE:
        while (size < (size_t)op->sector)
            data[size++] = '.';
        memset(data + op->sector, 0, (size_t)(SECTORS + 1 - op->sector));
        break;
    case REF_CREATE: s->name[op->name] = op->file; break;
    case REF_UNLINK: s->name[op->name] = -1; break;
    case REF_RENAME:
        s->name[op->to] = op->file;
        s->name[op->name] = -1;
        break;
    }
}

static bool ref_is_name(const ref_op *op)
{
    return op->what >= REF_CREATE;
}

static bool ref_share_entry(const ref_op *a, const ref_op *b)
{
    int a_to = a->what == REF_RENAME ? a->to : a->name, b_to = b->what == REF_RENAME ? b->to : b->name;
    return ref_is_name(a) && ref_is_name(b) &&
           (a->name == b->name || a->name == b_to || a_to == b->name || a_to == b_to);
}

static void ref_text(const ref_state *s, char text[TEXT_MAX])
{
    text[0] = 0;
    for (int n = 0; n < NAMES; n++) {
        char piece[32];
        bool linked = false;
        for (int m = 0; m < n; m++)
            linked |= s->name[m] >= 0 && s->name[m] == s->name[n];
        if (s->name[n] < 0)
            continue;
        snprintf(piece, sizeof piece, "%s%c:%s%s", text[0] ? " " : "", 'a' + n, linked ? "=" : "",
                 s->data[s->name[n]]);
        strcat(text, piece);
    }
}

static void ref_enumerate(const ref_state *durable, const ref_op *ops, int n, text_set *set)
{
    for (unsigned mask = 0; mask < 1u << n; mask++) {
        bool legal = true;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < i; j++)
                legal &= !((mask >> i & 1) && !(mask >> j & 1) && ref_share_entry(&ops[i], &ops[j]));
        if (!legal)
            continue;
        ref_state s = *durable;
        char text[TEXT_MAX];
        for (int i = 0; i < n; i++)
            if (mask >> i & 1)
                ref_apply(&s, &ops[i]);
        ref_text(&s, text);
        set_add(set, text);
    }
}

struct ref_run {
    ref_state now, durable;
    ref_op pending[OPS_MAX + 1];
    int n, files;
};

static void ref_pend(struct ref_run *ref, ref_op op)
{
    ref_apply(&ref->now, &op);
    ref->pending[ref->n++] = op;
}

static void ref_sync(struct ref_run *ref, int file) /* -1: the directory */
{
    int to = 0;
    for (int i = 0; i < ref->n; i++) {
        const ref_op *op = &ref->pending[i];
        if (file < 0 ? ref_is_name(op) : !ref_is_name(op) && op->file == file)
            ref_apply(&ref->durable, op);
        else
            ref->pending[to++] = *op;
    }
    ref->n = to;
}

/* One random operation on both; false when it did nothing. */
static bool ref_step(struct ref_run *ref, run *r, random_stream *random)
{
    static const char *const names[] = { "a", "b", "c" };
    int name = (int)random_below(random, NAMES), to = (int)random_below(random, NAMES), file = ref->now.name[name];
    int sector = (int)random_below(random, SECTORS);
    char letter = (char)('A' + random_below(random, 26));
    uint64_t what = random_below(random, ref->n >= PENDING_MAX ? 2 : 12);
    if (what == 0) {
        sync_dir(r, "/");
        ref_sync(ref, -1);
    } else if (file < 0) {
        if (what == 1 || ref->files == FILES)
            return false;
        create(r, names[name]);
        ref_pend(ref, (ref_op){ .what = REF_CREATE, .file = ref->files++, .name = name });
    } else if (what == 1) {
        sync_file(r, names[name]);
        ref_sync(ref, file);
    } else if (what < 8) {
        put(r, names[name], (uint64_t)sector, letter);
        ref_pend(ref, (ref_op){ .what = REF_WRITE, .file = file, .sector = sector, .letter = letter });
    } else if (what == 8) {
        truncate_file(r, names[name], (uint64_t)sector);
        ref_pend(ref, (ref_op){ .what = REF_TRUNCATE, .file = file, .sector = sector });
    } else if (what == 9) {
        unlink_file(r, names[name]);
        ref_pend(ref, (ref_op){ .what = REF_UNLINK, .file = file, .name = name });
    } else if (to != name) {
        rename_file(r, names[name], names[to]);
        ref_pend(ref, (ref_op){ .what = REF_RENAME, .file = file, .name = name, .to = to });
    } else
        return false;
    return true;
}

START_TEST(crash__small_traces_give_exactly_the_states_of_brute_force)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        random_stream random = random_open(seed, 3);
        run r = run_begin(disk_image_create());
        struct ref_run ref = { .now.name = { -1, -1, -1 }, .durable.name = { -1, -1, -1 } };
        text_set *wanted = calloc(OPS_MAX + 1, sizeof *wanted);
        for (int step = 0; step < OPS_MAX; step++) {
            if (!ref_step(&ref, &r, &random))
                continue;
            uint64_t point = trace_length(r.t);
            ck_assert_uint_le(point, OPS_MAX);
            ref_enumerate(&ref.durable, ref.pending, ref.n, &wanted[point]);
        }
        for (uint64_t point = 1; point <= trace_length(r.t); point++) {
            char what[64];
            text_set *found = states_at(&r, point, plain_limits());
            snprintf(what, sizeof what, "seed %llu point %llu", (unsigned long long)seed, (unsigned long long)point);
            sets_equal(found, &wanted[point], what);
            free(found);
        }
        free(wanted);
        run_end(&r);
    }
}
END_TEST

/* ---- The explorer ---------------------------------------------------------------------------------------- */

/* A run with everything in it; deterministic. */
static run busy_run(uint64_t seed)
{
    random_stream random = random_open(seed, 4);
    run r = run_begin(with_file(NULL, "p", "PPPPPPPP"));
    make_dir(&r, "d");
    for (int i = 0; i < 120; i++) {
        char path[16], other[16], letters[20] = "";
        if (i == 20)
            sync_dir(&r, "/"); /* until then all of it may lose its directory */
        snprintf(path, sizeof path, "d/%c", (char)('a' + random_below(&random, 4)));
        snprintf(other, sizeof other, "d/%c", (char)('a' + random_below(&random, 4)));
        for (uint64_t n = random_below(&random, 18) + 1; n; n--)
            strcat(letters, (char[]){ (char)('A' + random_below(&random, 26)), 0 });
        switch (random_below(&random, 10)) {
        case 0: sync_dir(&r, "d"); break;
        case 1: sync_file(&r, path); break;
        case 2:
            create(&r, path);
            if (strcmp(path, other))
                rename_file(&r, path, other);
            break;
        case 3: preallocate(&r, path, 30); break;
        case 4: at_path(&r, path, act_lose, 0, 0); break;
        default:
            create(&r, path);
            put_wide(&r, path, random_below(&random, 20), letters);
        }
    }
    return r;
}

typedef struct pass {
    crash_counters counters;
    uint64_t digest; /* of all states in order */
} pass;

static pass explore(const run *r, uint64_t seed, const crash_limits *limits, const uint64_t *promises)
{
    pass p = { .digest = 0 };
    crash_state state;
    crash_explorer *e = crash_open(r->t, r->start, seed, limits, promises);
    while (crash_next(e, &state))
        p.digest = random_mix(p.digest * 31 + state.digest + state.point + state.variant);
    crash_count(e, &p.counters);
    crash_close(e);
    return p;
}

START_TEST(crash__two_explorations_are_equal_and_so_on_every_build)
{
    run a = busy_run(5), b = busy_run(5);
    pass p = explore(&a, 9, NULL, NULL), q = explore(&b, 9, NULL, NULL), other = explore(&a, 10, NULL, NULL);
    ck_assert_uint_eq(p.digest, q.digest);
    ck_assert_uint_ne(p.digest, other.digest);
    ck_assert_uint_gt(p.counters.images, 1000);
    ck_assert_uint_eq(p.counters.points, trace_length(a.t) + 1);
    for (crash_family f = 0; f < CRASH_FAMILY_COUNT; f++)
        if (f != CRASH_ALL_DROPPED) /* always seen before: as all kept, or as the newest sync's file kept */
        ck_assert_msg(p.counters.family_states[f] > 0, "no state of family %s", crash_family_text(f));
    ck_assert_msg(p.digest == UINT64_C(0x9f46b8eef047f846), "digest %#llx", (unsigned long long)p.digest);
    run_end(&a);
    run_end(&b);
}
END_TEST

START_TEST(crash__a_key_builds_the_same_state_again_and_says_what_it_is)
{
    run r = busy_run(6);
    crash_state state, again;
    crash_explorer *e = crash_open(r.t, r.start, 1, NULL, NULL), *fresh = crash_open(r.t, r.start, 1, NULL, NULL);
    char text[16384];
    uint64_t checked = 0;
    while (crash_next(e, &state)) {
        if (random_mix(state.digest) % 50)
            continue;
        uint64_t digest = state.digest;
        ck_assert(crash_seek(fresh, state.point, state.variant, &again));
        ck_assert_uint_eq(again.digest, digest);
        ck_assert_int_eq(again.family, state.family);
        ck_assert_int_gt(crash_describe(e, &state, text, sizeof text), 0);
        ck_assert(strstr(text, crash_family_text(state.family)));
        ck_assert_uint_eq(disk_image_digest(state.image), digest); /* describing it did not take it away */
        checked++;
    }
    ck_assert_uint_gt(checked, 20);
    ck_assert(!crash_seek(fresh, 3, 1000000, &again));
    ck_assert(!crash_seek(fresh, trace_length(r.t) + 1, 0, &again));
    crash_close(e);
    crash_close(fresh);
    run_end(&r);
}
END_TEST

START_TEST(crash__an_image_comes_once_a_promise_class_with_one_memo)
{
    run r = run_begin(with_file(NULL, "f", ".."));
    put(&r, "f", 0, 'A');
    put(&r, "f", 1, 'B');
    sync_file(&r, "f");
    const uint64_t promises[] = { 0, 0, 0, 5 };
    crash_limits limits = plain_limits();
    crash_state state;
    crash_explorer *e = crash_open(r.t, r.start, 1, &limits, promises);
    unsigned states = 0, repeated = 0;
    char text[TEXT_MAX];
    while (crash_next(e, &state)) {
        image_text(state.image, text);
        states++;
        if (!state.repeated)
            *state.memo = states;
        else {
            repeated++;
            ck_assert_str_eq(text, "f:AB");
            ck_assert_uint_gt(*state.memo, 0);
            ck_assert_uint_eq(state.promise, 5);
        }
    }
    crash_close(e);
    ck_assert_uint_eq(states, 5); /* four images, one of them twice */
    ck_assert_uint_eq(repeated, 1);
    run_end(&r);
}
END_TEST

START_TEST(crash__pieces_of_the_trace_together_give_what_one_pass_gives)
{
    run r = busy_run(8);
    crash_limits limits;
    crash_limits_init(&limits);
    uint64_t length = trace_length(r.t), variants = 0;
    pass whole = explore(&r, 2, &limits, NULL);
    for (uint64_t from = 0; from <= length; from += length / 3 + 1) {
        limits.first_point = from;
        limits.last_point = from + length / 3;
        variants += explore(&r, 2, &limits, NULL).counters.variants;
    }
    ck_assert_uint_eq(variants, whole.counters.variants);
    run_end(&r);
}
END_TEST

START_TEST(crash__a_recovery_is_traced_and_crashed_again)
{
    run r = run_begin(with_file(NULL, "f", ".."));
    put(&r, "f", 0, 'A');
    crash_state state;
    crash_limits limits = plain_limits();
    crash_explorer *e = crash_open(r.t, r.start, 1, &limits, NULL);
    text_set *set = calloc(1, sizeof *set);
    while (crash_next(e, &state)) {
        run recovery = run_begin(disk_image_fork(state.image));
        put(&recovery, "f", 1, 'R');
        crash_state second;
        crash_explorer *inner = crash_open(recovery.t, recovery.start, 1, &limits, NULL);
        char text[TEXT_MAX];
        while (crash_next(inner, &second)) {
            image_text(second.image, text);
            set_add(set, text);
        }
        crash_close(inner);
        run_end(&recovery);
    }
    ck_assert_uint_eq(set->count, 4); /* "..", "A.", ".R", "AR" */
    free(set);
    crash_close(e);
    run_end(&r);
}
END_TEST

LEVIN_TEST_MAIN("crash", TEST(crash__unsynced_writes_reach_the_device_in_any_subset),
                TEST(crash__of_two_kept_writes_the_later_is_on_top), TEST(crash__a_sync_covers_its_own_file_only),
                TEST(crash__a_write_is_torn_at_every_sector),
                TEST(crash__a_long_write_is_torn_at_its_ends_middle_and_one_more_place),
                TEST(crash__a_sector_may_be_garbage_or_zeros), TEST(crash__size_and_data_of_an_append_come_apart),
                TEST(crash__a_lost_write_leaves_a_hole_before_a_kept_one),
                TEST(crash__truncation_is_whole_and_unordered_with_writes),
                TEST(crash__preallocation_may_be_half_done),
                TEST(crash__a_synced_file_without_a_synced_directory_may_have_no_name),
                TEST(crash__a_durable_name_may_lack_its_data), TEST(crash__operations_on_one_entry_keep_their_order),
                TEST(crash__half_a_rename_leaves_both_names_and_neither_on_request_only),
                TEST(crash__a_lost_directory_takes_all_below_along),
                TEST(crash__a_rename_between_directories_needs_both_synced),
                TEST(crash__syncing_the_old_directory_makes_what_the_rename_replaced_durable_too),
                TEST(crash__a_failed_sync_loses_its_pages_until_they_are_written_again),
                TEST(crash__a_failed_sync_of_an_append_may_leave_its_size),
                TEST(crash__a_failed_sync_that_keeps_pages_changes_nothing),
                TEST(crash__a_lying_sync_takes_effect_at_the_next),
                TEST(crash__small_traces_give_exactly_the_states_of_brute_force),
                TEST(crash__two_explorations_are_equal_and_so_on_every_build),
                TEST(crash__a_key_builds_the_same_state_again_and_says_what_it_is),
                TEST(crash__an_image_comes_once_a_promise_class_with_one_memo),
                TEST(crash__pieces_of_the_trace_together_give_what_one_pass_gives),
                TEST(crash__a_recovery_is_traced_and_crashed_again))
