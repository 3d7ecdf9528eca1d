/*
 * golden_test.c - stores that earlier versions of the library wrote (golden.h) are read, written, and survive a crash
 * while this version takes them over.
 *
 * Invariants checked, for every store of every version in regress/golden: opened read-only it holds exactly what was
 * put into it, levin_check() is clean, and not a byte of it changes; opened for writing the same, and after writes,
 * checkpoint and close too; whenever the power fails on the way, the next open finds what was there before or after
 * one of the writes.  All on copies, on the simulated disk.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "../faults/crash.h"
#include "../faults/simdisk.h"
#include "golden.h"

#define GOLDEN_DIRECTORY "regress/golden"

typedef struct golden_case {
    char path[512];
    disk_image *image;
    golden_list list;
} golden_case;

static int by_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, "make.sh") != 0;
}

/* Calls each for every store there is; returns how many. */
static unsigned each_store(void (*each)(golden_case *c))
{
    struct dirent **versions, **names;
    unsigned count = 0;
    int version_count = scandir(GOLDEN_DIRECTORY, &versions, by_name, alphasort);
    ck_assert_int_gt(version_count, 0);
    for (int v = 0; v < version_count; v++) {
        char path[300];
        snprintf(path, sizeof path, GOLDEN_DIRECTORY "/%s", versions[v]->d_name);
        int name_count = scandir(path, &names, by_name, alphasort);
        ck_assert_int_gt(name_count, 0);
        for (int n = 0; n < name_count; n++, count++) {
            golden_case c = { .path = "" };
            char list[600];
            int failed = 0;
            snprintf(c.path, sizeof c.path, "%s/%.100s", path, names[n]->d_name);
            snprintf(list, sizeof list, "%s/expected.txt", c.path);
            c.image = disk_image_import(c.path, &failed);
            ck_assert_msg(c.image != NULL, "%s: %s", c.path, strerror(failed));
            ck_assert_msg(golden_list_load(&c.list, list), "%s cannot be read", list);
            each(&c);
            golden_list_fini(&c.list);
            disk_image_unref(c.image);
            free(names[n]);
        }
        free(names);
        free(versions[v]);
    }
    free(versions);
    return count;
}

static levin *open_on(simdisk *disk, bool read_only, const char *path)
{
    levin_options o = golden_options(simdisk_io(disk));
    levin *store;
    levin_error error = { 0 };
    o.read_only = read_only;
    o.create_if_missing = false;
    levin_code code = levin_open(GOLDEN_STORE, &o, &store, &error);
    ck_assert_msg(code == LEVIN_OK, "%s: %s: %s", path, levin_code_name(code), error.message);
    return store;
}

static void expect_contents(levin *store, const golden_list *list, const char *path)
{
    char text[256];
    levin_error error = { 0 };
    ck_assert_msg(golden_list_compare(list, store, text), "%s: %s", path, text);
    levin_code code = levin_check(store, NULL, NULL, NULL);
    levin_last_error(store, &error);
    ck_assert_msg(code == LEVIN_OK, "%s: check: %s: %s", path, levin_code_name(code), error.message);
}

/* ---- read-only ---- */

/* Of all files but the lock: a reader writes its slot into that. */
static uint64_t digest_of(const disk_image *image)
{
    disk_image *fork = disk_image_fork(image);
    disk_image_unlink(fork, disk_image_find(fork, GOLDEN_STORE), "lock");
    const uint64_t digest = disk_image_digest(fork);
    disk_image_unref(fork);
    return digest;
}

static void read_only_case(golden_case *c)
{
    simdisk *disk = simdisk_create(c->image, NULL);
    const uint64_t digest = digest_of(c->image);
    levin *store = open_on(disk, true, c->path);
    expect_contents(store, &c->list, c->path);
    ck_assert_int_eq(levin_put(store, "a", 1, "b", 1, LEVIN_NONE), LEVIN_READ_ONLY);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    disk_image *after = simdisk_image(disk);
    ck_assert_msg(digest_of(after) == digest, "%s was changed by reading it", c->path);
    disk_image_unref(after);
    ck_assert(simdisk_destroy(disk, NULL));
}

START_TEST(golden__is_read_by_this_version_and_not_changed)
{
    ck_assert_uint_ge(each_store(read_only_case), 14);
}
END_TEST

/* ---- taken over ---- */

enum { STATES = 4 };

/* The writes of an upgrade: states[0] is what was there, states[i] what is there after the ith of them. */
static void upgrade(levin *store, golden_list states[STATES], const char *path)
{
    static const char big[6000] = "an extent's worth";
    for (size_t i = 0; i < states[0].count; i++)
        for (size_t s = 1; s < STATES; s++) {
            golden_list_put(&states[s], states[0].pairs[i].key, "", 0);
            states[s].pairs[i] = states[0].pairs[i];
        }
    char first[64] = "nothing";
    for (size_t i = states[0].count; i-- > 0;) /* of the default keyspace */
        if (!golden_keyspace_end(states[0].pairs[i].key))
            memcpy(first, states[0].pairs[i].key, sizeof first);
    for (size_t s = 1; s < STATES; s++)
        golden_list_put(&states[s], "new", "value", 5);
    for (size_t s = 2; s < STATES; s++)
        golden_list_delete(&states[s], first);
    for (size_t s = 3; s < STATES; s++)
        golden_list_put(&states[s], "new-large", big, sizeof big);
    if (!store)
        return;
    ck_assert_int_eq(levin_put(store, "new", 3, "value", 5, LEVIN_SYNCED), LEVIN_OK);
    expect_contents(store, &states[1], path);
    ck_assert_int_eq(levin_delete(store, first, strlen(first), LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(store), LEVIN_OK);
    expect_contents(store, &states[2], path);
    ck_assert_int_eq(levin_put(store, "new-large", 9, big, sizeof big, LEVIN_SYNCED), LEVIN_OK);
}

static void states_fini(golden_list states[STATES])
{
    for (size_t s = 1; s < STATES; s++)
        golden_list_fini(&states[s]);
}

static void upgrade_case(golden_case *c)
{
    simdisk *disk = simdisk_create(c->image, NULL);
    golden_list states[STATES] = { c->list };
    levin *store = open_on(disk, false, c->path);
    expect_contents(store, &c->list, c->path);
    upgrade(store, states, c->path);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    for (int turn = 0; turn < 2; turn++) { /* as the writes left it, and after a checkpoint of all */
        store = open_on(disk, true, c->path);
        expect_contents(store, &states[STATES - 1], c->path);
        ck_assert_int_eq(levin_close(store), LEVIN_OK);
        store = open_on(disk, false, c->path);
        ck_assert_int_eq(levin_checkpoint(store), LEVIN_OK);
        expect_contents(store, &states[STATES - 1], c->path);
        ck_assert_int_eq(levin_close(store), LEVIN_OK);
    }
    states_fini(states);
    ck_assert(simdisk_destroy(disk, NULL));
}

START_TEST(golden__is_written_by_this_version_and_opened_again)
{
    ck_assert_uint_ge(each_store(upgrade_case), 14);
}
END_TEST

/* ---- taken over, with the power failing ---- */

static void crash_case(golden_case *c)
{
    trace *t = trace_create();
    simdisk *disk = simdisk_create(c->image, t);
    golden_list states[STATES] = { c->list };
    levin *store = open_on(disk, false, c->path);
    upgrade(store, states, c->path);
    ck_assert_int_eq(levin_close(store), LEVIN_OK);
    ck_assert(simdisk_destroy(disk, NULL));

    crash_limits limits;
    crash_limits_init(&limits);
    limits.random = 1;
    crash_explorer *e = crash_open(t, c->image, 1, &limits, NULL);
    crash_state state;
    unsigned opened = 0;
    while (crash_next(e, &state)) {
        char text[256] = "";
        bool found = false;
        disk = simdisk_create(state.image, NULL);
        store = open_on(disk, false, c->path);
        for (size_t s = 0; s < STATES && !found; s++)
            found = golden_list_compare(&states[s], store, text);
        ck_assert_msg(found, "%s: crash at %llu.%llu: the store is in none of the states; %s", c->path,
                      (unsigned long long)state.point, (unsigned long long)state.variant, text);
        ck_assert_int_eq(levin_close(store), LEVIN_OK);
        ck_assert(simdisk_destroy(disk, NULL));
        opened++;
    }
    ck_assert_uint_gt(opened, 20);
    crash_close(e);
    states_fini(states);
    trace_destroy(t);
}

START_TEST(golden__is_whole_after_a_crash_at_any_point_of_taking_it_over)
{
    ck_assert_uint_ge(each_store(crash_case), 12);
}
END_TEST

/* make.sh runs this one alone: it writes new golden stores. */
START_TEST(golden__make)
{
    const char *directory = getenv("GOLDEN_MAKE");
    if (directory)
        ck_assert(golden_make(directory));
}
END_TEST

LEVIN_TEST_MAIN("golden", TEST(golden__is_read_by_this_version_and_not_changed),
                TEST(golden__is_written_by_this_version_and_opened_again),
                TEST(golden__is_whole_after_a_crash_at_any_point_of_taking_it_over), TEST(golden__make))
