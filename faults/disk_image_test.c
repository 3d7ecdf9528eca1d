/*
 * disk_image_test.c - copy-on-write images against flat memory; the digest is a function of what can be seen, and
 * of all of it.
 */
#include "check_main.h"

#include <stdlib.h>
#include <unistd.h>

#include "disk_image.h"
#include "random.h"

enum { FLAT_BYTES = 400000, VERSIONS = 12 };

static disk_node add_file(disk_image *image, const char *name)
{
    disk_node node = disk_image_next_node(image);
    disk_image_add(image, node, false);
    disk_image_link(image, DISK_ROOT, name, node);
    return node;
}

struct flat {
    uint8_t bytes[FLAT_BYTES];
    uint64_t size;
};

static void same_as_flat(const disk_image *image, disk_node node, const struct flat *flat)
{
    static uint8_t bytes[FLAT_BYTES + 1];
    ck_assert_uint_eq(disk_image_size(image, node), flat->size);
    ck_assert_uint_eq(disk_image_read(image, node, bytes, sizeof bytes, 0), flat->size);
    ck_assert_mem_eq(bytes, flat->bytes, flat->size);
}

static void change_both(disk_image *image, disk_node node, struct flat *flat, random_stream *random)
{
    uint8_t bytes[20000] = { 0 };
    uint64_t offset = random_below(random, FLAT_BYTES - sizeof bytes), size = random_below(random, FLAT_BYTES);
    size_t n = (size_t)random_below(random, random_chance(random, 3) ? sizeof bytes : 700);
    switch (random_below(random, 8)) {
    case 0:
        disk_image_resize(image, node, size);
        if (size < flat->size)
            memset(flat->bytes + size, 0, flat->size - size);
        flat->size = size;
        break;
    case 1: { /* a shared block */
        random_fill(random, bytes, DISK_BLOCK_BYTES);
        disk_block *block = disk_block_create(bytes);
        uint64_t index = random_below(random, FLAT_BYTES / DISK_BLOCK_BYTES), at = index * DISK_BLOCK_BYTES;
        disk_image_put_block(image, node, index, block);
        disk_block_unref(block);
        if (at < flat->size)
            memcpy(flat->bytes + at, bytes, flat->size - at < DISK_BLOCK_BYTES ? flat->size - at : DISK_BLOCK_BYTES);
        break;
    }
    default:
        random_fill(random, bytes, n);
        disk_image_write(image, node, bytes, n, offset);
        memcpy(flat->bytes + offset, bytes, n);
        if (n && offset + n > flat->size)
            flat->size = offset + n;
    }
}

START_TEST(disk_image__forks_are_independent_and_equal_flat_memory)
{
    random_stream random = random_open(1, 0);
    disk_image *version[VERSIONS] = { disk_image_create() };
    struct flat *flat = calloc(VERSIONS, sizeof *flat);
    disk_node node = add_file(version[0], "f");
    for (int v = 0; v < VERSIONS; v++) {
        if (v) {
            int parent = (int)random_below(&random, (uint64_t)v);
            version[v] = disk_image_fork(version[parent]);
            flat[v] = flat[parent];
        }
        for (int i = 0; i < 40; i++) {
            int which = (int)random_below(&random, (uint64_t)v + 1);
            change_both(version[which], node, &flat[which], &random);
            if (random_chance(&random, 5))
                disk_image_digest(version[which]);
        }
    }
    for (int v = 0; v < VERSIONS; v++) {
        same_as_flat(version[v], node, &flat[v]);
        /* the cached digest is that of an image made afresh */
        disk_image *fresh = disk_image_create();
        disk_node copy = add_file(fresh, "f");
        disk_image_write(fresh, copy, flat[v].bytes, flat[v].size, 0);
        disk_image_resize(fresh, copy, flat[v].size);
        ck_assert_uint_eq(disk_image_digest(fresh), disk_image_digest(version[v]));
        disk_image_unref(fresh);
    }
    for (int v = 0; v < VERSIONS; v++)
        disk_image_unref(version[v]);
    free(flat);
}
END_TEST

START_TEST(disk_image__the_digest_sees_bytes_sizes_names_and_links)
{
    disk_image *image = disk_image_create();
    disk_node f = add_file(image, "f");
    uint8_t bytes[10000] = { 1 };
    disk_image_write(image, f, bytes, sizeof bytes, 0);
    uint64_t digests[12];
    size_t n = 0;
    digests[n++] = disk_image_digest(image);
    disk_image_write(image, f, "x", 1, 9000);
    digests[n++] = disk_image_digest(image);
    disk_image_resize(image, f, 10001);
    digests[n++] = disk_image_digest(image);
    disk_image_link(image, DISK_ROOT, "g", f);
    digests[n++] = disk_image_digest(image);
    disk_image_unlink(image, DISK_ROOT, "f");
    digests[n++] = disk_image_digest(image);
    disk_node d = disk_image_next_node(image);
    disk_image_add(image, d, true);
    disk_image_link(image, DISK_ROOT, "d", d);
    digests[n++] = disk_image_digest(image);
    disk_image_link(image, d, "g", f);
    digests[n++] = disk_image_digest(image);
    disk_image_unlink(image, DISK_ROOT, "g");
    digests[n++] = disk_image_digest(image);
    disk_node copy = disk_image_next_node(image);
    disk_image_add(image, copy, false);
    disk_image_link(image, DISK_ROOT, "empty", copy);
    digests[n++] = disk_image_digest(image);
    uint8_t blocks[2][DISK_BLOCK_BYTES] = { { 1 }, { 2 } };
    for (int i = 0; i < 2; i++) { /* the same blocks in another order */
        disk_image_write(image, copy, blocks[i], DISK_BLOCK_BYTES, 0);
        disk_image_write(image, copy, blocks[1 - i], DISK_BLOCK_BYTES, DISK_BLOCK_BYTES);
        digests[n++] = disk_image_digest(image);
    }
    ck_assert_uint_le(n, sizeof digests / sizeof digests[0]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(digests[i], digests[j]);
    disk_image_unref(image);
}
END_TEST

START_TEST(disk_image__the_digest_sees_neither_node_numbers_nor_history_nor_what_has_no_name)
{
    disk_image *a = disk_image_create(), *b = disk_image_create();
    uint8_t zeros[3 * DISK_BLOCK_BYTES] = { 0 };
    disk_node fa = add_file(a, "f"), ga = add_file(a, "g"), gb = add_file(b, "g"), fb = add_file(b, "f");
    disk_image_write(a, fa, "abc", 3, 5000);
    disk_image_write(a, ga, "def", 3, 0);
    disk_image_write(b, gb, "dxf", 3, 0);
    disk_image_digest(b);
    disk_image_write(b, gb, "e", 1, 1);
    disk_image_write(b, fb, zeros, sizeof zeros, 0); /* zeros count as a hole */
    disk_image_resize(b, fb, 5000);
    disk_image_write(b, fb, "abc", 3, 5000);
    disk_node nameless = disk_image_next_node(b);
    disk_image_add(b, nameless, false);
    disk_image_write(b, nameless, "lost", 4, 0);
    ck_assert_uint_eq(disk_image_digest(a), disk_image_digest(b));
    disk_image_unref(a);
    disk_image_unref(b);
}
END_TEST

START_TEST(disk_image__paths_are_walked_component_by_component)
{
    disk_image *image = disk_image_create();
    disk_node d = disk_image_next_node(image);
    char name[DISK_NAME_MAX + 1], longer[DISK_NAME_MAX + 8];
    disk_image_add(image, d, true);
    disk_image_link(image, DISK_ROOT, "db", d);
    disk_node f = disk_image_next_node(image);
    disk_image_add(image, f, false);
    disk_image_link(image, d, "x", f);
    ck_assert_uint_eq(disk_image_find(image, "/db/x"), f);
    ck_assert_uint_eq(disk_image_find(image, "db//./x"), f);
    ck_assert_uint_eq(disk_image_find(image, "/"), DISK_ROOT);
    ck_assert_uint_eq(disk_image_find(image, "."), DISK_ROOT);
    ck_assert_uint_eq(disk_image_find(image, "db/"), d);
    ck_assert_uint_eq(disk_image_find(image, "db/y"), DISK_NONE);
    ck_assert_uint_eq(disk_image_find(image, "db/x/y"), DISK_NONE);
    ck_assert_uint_eq(disk_image_find(image, "../db"), DISK_NONE);
    ck_assert_uint_eq(disk_image_parent(image, "db/new", name), d);
    ck_assert_str_eq(name, "new");
    ck_assert_uint_eq(disk_image_parent(image, "none/new", name), DISK_NONE);
    memset(longer, 'l', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    memcpy(longer, "db/", 3);
    ck_assert_uint_eq(disk_image_parent(image, longer, name), DISK_NONE);
    disk_image_unref(image);
}
END_TEST

START_TEST(disk_image__goes_to_real_files_and_comes_back_the_same)
{
    char directory[] = "/tmp/levin-image-XXXXXX", command[64];
    random_stream random = random_open(2, 0);
    uint8_t bytes[70000];
    int error = 0;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    disk_image *image = disk_image_create();
    disk_node f = add_file(image, "f"), d = disk_image_next_node(image);
    random_fill(&random, bytes, sizeof bytes);
    disk_image_write(image, f, bytes, sizeof bytes, 100);
    disk_image_add(image, d, true);
    disk_image_link(image, DISK_ROOT, "d", d);
    disk_node g = disk_image_next_node(image);
    disk_image_add(image, g, false);
    disk_image_link(image, d, "g", g);
    disk_image_resize(image, g, 5000);
    ck_assert_int_eq(disk_image_export(image, directory), 0);
    disk_image *back = disk_image_import(directory, &error);
    ck_assert_ptr_nonnull(back);
    ck_assert_uint_eq(disk_image_digest(back), disk_image_digest(image));
    disk_image_unref(back);
    disk_image_unref(image);
    snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
    ck_assert_ptr_null(disk_image_import(directory, &error));
    ck_assert_int_ne(error, 0);
}
END_TEST

LEVIN_TEST_MAIN("disk_image", TEST(disk_image__forks_are_independent_and_equal_flat_memory),
                TEST(disk_image__the_digest_sees_bytes_sizes_names_and_links),
                TEST(disk_image__the_digest_sees_neither_node_numbers_nor_history_nor_what_has_no_name),
                TEST(disk_image__paths_are_walked_component_by_component),
                TEST(disk_image__goes_to_real_files_and_comes_back_the_same))
