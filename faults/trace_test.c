/*
 * trace_test.c - a trace comes back from its file as it was; a file cut or changed anywhere is refused.
 */
#include "check_main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"
#include "trace.h"

static trace *sample(void)
{
    trace *t = trace_create();
    random_stream random = random_open(1, 0);
    uint8_t *data = malloc(600000);
    random_fill(&random, data, 600000);
    trace_append(t, &(trace_entry){ .op = TRACE_MAKE_DIR, .kind = LEVIN_FILE_DIR, .node = 1, .name = "db" });
    trace_append(t, &(trace_entry){ .op = TRACE_CREATE, .kind = LEVIN_FILE_WAL, .node = 2, .directory = 1,
                                    .name = "wal" });
    for (uint64_t i = 0; i < 40; i++)
        trace_append(t, &(trace_entry){ .op = TRACE_WRITE, .kind = LEVIN_FILE_WAL, .node = 2, .name = "wal",
                                        .offset = i * 512, .bytes = 1 + i, .data = data + i });
    trace_append(t, &(trace_entry){ .op = TRACE_SYNC_LOST, .kind = LEVIN_FILE_WAL, .node = 2, .name = "wal" });
    trace_append(t, &(trace_entry){ .op = TRACE_RENAME, .kind = LEVIN_FILE_DIR, .node = 2, .directory = 1,
                                    .name = "wal", .to_directory = 1, .to_name = "wal-2" });
    trace_append(t, &(trace_entry){ .op = TRACE_SYNC_DIR, .kind = LEVIN_FILE_DIR, .node = 0 });
    free(data);
    return t;
}

static size_t saved(const trace *t, char **bytes)
{
    size_t size;
    FILE *file = open_memstream(bytes, &size);
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(trace_save(t, file), 0);
    fclose(file);
    return size;
}

static int load(char *bytes, size_t size, trace **t)
{
    FILE *file = fmemopen(bytes, size, "r");
    ck_assert_ptr_nonnull(file);
    int result = trace_load(file, t);
    fclose(file);
    return result;
}

START_TEST(trace__comes_back_from_its_file)
{
    trace *t = sample(), *back;
    char *bytes, *again, text[200], other[200];
    size_t size = saved(t, &bytes);
    ck_assert_int_eq(load(bytes, size, &back), 0);
    ck_assert_uint_eq(trace_length(back), trace_length(t));
    for (uint64_t i = 0; i < trace_length(t); i++) {
        const trace_entry *a = trace_at(t, i), *b = trace_at(back, i);
        trace_describe(t, i, text, sizeof text);
        trace_describe(back, i, other, sizeof other);
        ck_assert_str_eq(text, other);
        ck_assert(a->node == b->node && a->directory == b->directory && a->to_directory == b->to_directory);
        if (a->op == TRACE_WRITE)
            ck_assert_mem_eq(a->data, b->data, a->bytes);
    }
    ck_assert_uint_eq(saved(back, &again), size);
    ck_assert_mem_eq(again, bytes, size);
    free(again);
    free(bytes);
    trace_destroy(back);
    trace_destroy(t);
}
END_TEST

START_TEST(trace__a_file_cut_or_changed_anywhere_is_refused)
{
    trace *t = sample(), *back;
    char *bytes;
    size_t size = saved(t, &bytes);
    for (size_t i = 0; i < size; i++) {
        if (i)
            ck_assert_int_eq(load(bytes, i, &back), EINVAL);
        bytes[i] ^= (char)(1 << i % 8);
        ck_assert_int_eq(load(bytes, size, &back), EINVAL);
        ck_assert_ptr_null(back);
        bytes[i] ^= (char)(1 << i % 8);
    }
    free(bytes);
    trace_destroy(t);
}
END_TEST

START_TEST(trace__entries_stay_where_they_are_while_it_grows)
{
    trace *t = trace_create();
    uint8_t byte = 7;
    trace_entry entry = { .op = TRACE_WRITE, .node = 1, .name = "f", .bytes = 1, .data = &byte };
    trace_append(t, &entry);
    const trace_entry *first = trace_at(t, 0);
    for (int i = 0; i < 5000; i++) {
        entry.offset = (uint64_t)i;
        trace_append(t, &entry);
    }
    ck_assert_ptr_eq(first, trace_at(t, 0));
    ck_assert_uint_eq(trace_at(t, 5000)->offset, 4999);
    trace_destroy(t);
}
END_TEST

LEVIN_TEST_MAIN("trace", TEST(trace__comes_back_from_its_file),
                TEST(trace__a_file_cut_or_changed_anywhere_is_refused),
                TEST(trace__entries_stay_where_they_are_while_it_grows))
