/*
 * crash_run_test.h - for the tests of the persistence model: a run on the simulated disk to trace, and the states
 * after a crash as text.
 *
 * A state is written as text: "name:" and a letter per sector ('.' zeros, '?' mixed), names in order, " =" between
 * hard links.
 */
#ifndef FAULTS_CRASH_RUN_TEST_H
#define FAULTS_CRASH_RUN_TEST_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
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

static inline run run_begin(disk_image *start)
{
    run r = { start, trace_create(), NULL, NULL };
    r.disk = simdisk_create(start, r.t);
    r.io = simdisk_io(r.disk);
    return r;
}

static inline void run_end(run *r)
{
    ck_assert(simdisk_destroy(r->disk, NULL));
    trace_destroy(r->t);
    disk_image_unref(r->start);
}

static inline void at_path(run *r, const char *path, void (*act)(run *, levin_file *, uint64_t, char), uint64_t n,
                           char c)
{
    levin_file *file;
    ck_assert_int_eq(r->io->open(r->io->context, path, LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &file), 0);
    act(r, file, n, c);
    ck_assert_int_eq(r->io->close(r->io->context, file), 0);
}

static inline void act_nothing(run *r, levin_file *file, uint64_t n, char c)
{
    (void)r, (void)file, (void)n, (void)c;
}
static inline void act_write(run *r, levin_file *file, uint64_t sector, char c)
{
    char bytes[SECTOR];
    size_t done;
    memset(bytes, c, sizeof bytes);
    levin_slice part = { bytes, sizeof bytes };
    ck_assert_int_eq(r->io->write_at(r->io->context, file, &part, 1, sector * SECTOR, &done), 0);
    ck_assert_uint_eq(done, SECTOR);
}
static inline void act_sync(run *r, levin_file *file, uint64_t n, char c)
{
    (void)n, (void)c;
    ck_assert_int_eq(r->io->sync(r->io->context, file), 0);
}
static inline void act_truncate(run *r, levin_file *file, uint64_t sectors, char c)
{
    (void)c;
    ck_assert_int_eq(r->io->truncate(r->io->context, file, sectors * SECTOR), 0);
}
static inline void act_preallocate(run *r, levin_file *file, uint64_t sectors, char c)
{
    (void)c;
    ck_assert_int_eq(r->io->preallocate(r->io->context, file, sectors * SECTOR), 0);
}
static inline void act_lose(run *r, levin_file *file, uint64_t n, char c)
{
    (void)n, (void)c;
    simdisk_fail_sync(r->disk, file, SIMDISK_SYNC_LOSES_PAGES);
}
static inline void act_keep(run *r, levin_file *file, uint64_t n, char c)
{
    (void)n, (void)c;
    simdisk_fail_sync(r->disk, file, SIMDISK_SYNC_KEEPS_PAGES);
}

static inline void create(run *r, const char *path) { at_path(r, path, act_nothing, 0, 0); }
static inline void put(run *r, const char *path, uint64_t sector, char c) { at_path(r, path, act_write, sector, c); }
static inline void sync_file(run *r, const char *path) { at_path(r, path, act_sync, 0, 0); }
static inline void truncate_file(run *r, const char *path, uint64_t n) { at_path(r, path, act_truncate, n, 0); }
static inline void preallocate(run *r, const char *path, uint64_t n) { at_path(r, path, act_preallocate, n, 0); }
static inline void sync_dir(run *r, const char *path) { ck_assert_int_eq(r->io->sync_dir(r->io->context, path), 0); }
static inline void make_dir(run *r, const char *path) { ck_assert_int_eq(r->io->make_dir(r->io->context, path), 0); }
static inline void unlink_file(run *r, const char *path) { ck_assert_int_eq(r->io->unlink(r->io->context, path), 0); }
static inline void rename_file(run *r, const char *from, const char *to)
{
    ck_assert_int_eq(r->io->rename(r->io->context, from, to), 0);
}

/* Several letters in one write: "ABC" at a sector. */
static inline void put_wide(run *r, const char *path, uint64_t sector, const char *letters)
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
static inline disk_image *with_file(disk_image *image, const char *name, const char *letters)
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

static inline void text_add(char text[TEXT_MAX], const char *piece)
{
    size_t used = strlen(text), bytes = strlen(piece);
    ck_assert_uint_lt(used + bytes, TEXT_MAX);
    memcpy(text + used, piece, bytes + 1);
}

static inline void text_file(struct text_place *place, disk_node node)
{
    uint64_t size = disk_image_size(place->image, node);
    for (uint64_t at = 0; at < size; at += SECTOR) {
        uint8_t bytes[SECTOR];
        size_t n = disk_image_read(place->image, node, bytes, sizeof bytes, at);
        char letter[2] = { bytes[0] ? (char)bytes[0] : '.', 0 };
        for (size_t i = 1; i < n; i++)
            if (bytes[i] != bytes[0])
                letter[0] = '?';
        text_add(place->text, letter);
    }
}

static inline int text_entry(void *context, const char *name, disk_node node)
{
    struct text_place *place = context;
    size_t used = strlen(place->text);
    ck_assert(disk_image_has(place->image, node));
    snprintf(place->text + used, TEXT_MAX - used, "%s%s:", used ? " " : "", name);
    for (size_t i = 0; i < place->count; i++)
        if (place->seen[i] == node)
            text_add(place->text, "=");
    place->seen[place->count++] = node;
    if (disk_image_is_dir(place->image, node)) {
        text_add(place->text, "(");
        disk_image_list(place->image, node, text_entry, place);
        text_add(place->text, ")");
    } else
        text_file(place, node);
    return 0;
}

static inline void image_text(const disk_image *image, char text[TEXT_MAX])
{
    struct text_place place = { .image = image, .text = text };
    text[0] = 0;
    disk_image_list(image, DISK_ROOT, text_entry, &place);
}

static inline bool set_add(text_set *set, const char *text)
{
    for (size_t i = 0; i < set->count; i++)
        if (!strcmp(set->text[i], text))
            return false;
    ck_assert_uint_lt(set->count, SET_MAX);
    snprintf(set->text[set->count++], TEXT_MAX, "%s", text);
    return true;
}

/* All of `wanted` and nothing else; prints the difference otherwise. */
static inline void sets_equal(const text_set *found, const text_set *wanted, const char *what)
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
static inline crash_limits plain_limits(void)
{
    crash_limits limits;
    crash_limits_init(&limits);
    limits.subset_operations = 12;
    limits.torn = limits.garbage = limits.zeroed = limits.sizes = limits.renames = limits.random = 0;
    return limits;
}

/* The states at one point, each handed out once. */
static inline text_set *states_at(const run *r, uint64_t point, crash_limits limits)
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

#endif
