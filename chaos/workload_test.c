/*
 * workload_test.c - a workload is a function of its seed, comes to what its name promises, and tells the oracle the
 * truth.
 */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "../faults/fault_io.h"
#include "../faults/simdisk.h"
#include "sweep.h"

static stanzas invented(void)
{
    stanzas s;
    stanzas_invent(&s, 400, 1);
    return s;
}

static char *trace_bytes(const trace *t, size_t *size)
{
    char *bytes = NULL;
    FILE *file = open_memstream(&bytes, size);
    ck_assert_int_eq(trace_save(t, file), 0);
    fclose(file);
    return bytes;
}

START_TEST(workload__one_seed_is_one_run_byte_for_byte)
{
    stanzas data = invented();
    sweep_run runs[3];
    char *bytes[3];
    size_t sizes[3];
    for (int i = 0; i < 3; i++) {
        sweep_prepare(&runs[i], i < 2 ? 7 : 8, 2000, &data, NULL, NULL, NULL);
        ck_assert_msg(!runs[i].result.verdict.promise, "%s", runs[i].result.verdict.text);
        bytes[i] = trace_bytes(runs[i].t, &sizes[i]);
    }
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_mem_eq(bytes[0], bytes[1], sizes[0]);
    ck_assert(sizes[0] != sizes[2] || memcmp(bytes[0], bytes[2], sizes[0]) != 0);
    for (int i = 0; i < 3; i++) {
        free(bytes[i]);
        sweep_release(&runs[i]);
    }
    stanzas_free(&data);
}
END_TEST

START_TEST(workload__comes_to_its_counts_on_every_seed)
{
    stanzas data = invented();
    for (uint64_t seed = 1; seed <= 40; seed++) {
        sweep_run run;
        char text[200];
        sweep_prepare(&run, seed, 0, &data, NULL, NULL, NULL);
        ck_assert_msg(!run.result.verdict.promise, "seed %d: %s", (int)seed, run.result.verdict.text);
        ck_assert_msg(!workload_short_of(&run.result.counts, text, sizeof text), "seed %d: %s", (int)seed, text);
        sweep_release(&run);
    }
    stanzas_free(&data);
}
END_TEST

START_TEST(workload__one_that_falls_short_says_of_what)
{
    stanzas data = invented();
    sweep_run run;
    char text[200];
    sweep_prepare(&run, 1, 100, &data, NULL, NULL, NULL);
    const char *missing = workload_short_of(&run.result.counts, text, sizeof text);
    ck_assert(missing && strstr(missing, "puts and deletes, at least 2000 are needed"));
    sweep_release(&run);
    stanzas_free(&data);
}
END_TEST

static uint64_t trace_now(void *context)
{
    return trace_length(context);
}

/* The runner was not told of any faults. */
START_TEST(workload__a_failing_call_without_faults_is_a_violation)
{
    stanzas data = invented();
    workload_options options = { .seed = 3, .operations = 200, .data = &data };
    workload *w = workload_create(&options);
    trace *t = trace_create();
    oracle *o = oracle_create();
    simdisk *disk = simdisk_create(NULL, t);
    fault_io *f = fault_io_create(simdisk_io(disk));
    fault_rule rule = { .kinds = 1u << LEVIN_FILE_WAL, .operations = 1u << FAULT_WRITE, .nth = 40, .forever = true,
                        .os_error = 5 };
    fault_io_set_rules(f, &rule, 1);
    workload_target target = { .io = fault_io_table(f), .path = "db", .o = o, .now = trace_now, .context = t };
    workload_result result;
    ck_assert(!workload_run(w, &target, false, &result));
    ck_assert_str_eq(result.verdict.promise, "FAULT");
    ck_assert_msg(strstr(result.verdict.text, "without a fault") != NULL, "%s", result.verdict.text);
    fault_io_destroy(f);
    ck_assert(simdisk_destroy(disk, NULL));
    oracle_destroy(o);
    trace_destroy(t);
    workload_destroy(w);
    stanzas_free(&data);
}
END_TEST

static void write_file(char path[40], const char *text)
{
    snprintf(path, 40, "/tmp/levin-stanzas-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

START_TEST(stanzas__names_and_texts_each_name_once)
{
    char text[4000] = "Package: first\nVersion: 1\n\nStatus: odd\nPackage: second\nDepends: Package: no\n\n"
                      "Package: first\nVersion: 2\n\nVersion: nameless\n\n", path[40], message[400];
    for (int i = 0; i < 20; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "Package: p%d\nVersion: 1\n\n", i);
    }
    write_file(path, text);
    stanzas s;
    ck_assert_msg(stanzas_load(&s, path, message, sizeof message), "%s", message);
    unlink(path);
    ck_assert_uint_eq(s.count, 22);
    ck_assert_uint_eq(s.items[0].name.size, 5);
    ck_assert_mem_eq(s.items[0].name.data, "first", 5);
    ck_assert_mem_eq(s.items[0].text.data, "Package: first\nVersion: 1\n", s.items[0].text.size);
    ck_assert_mem_eq(s.items[1].name.data, "second", 6);
    ck_assert_mem_eq(s.items[2].name.data, "p0", 2);
    stanzas_free(&s);
}
END_TEST

START_TEST(stanzas__a_file_of_something_else_is_refused)
{
    char path[40], message[400];
    write_file(path, "{\"Package\": \"json\"}\n\nno stanza here\n");
    stanzas s;
    ck_assert(!stanzas_load(&s, path, message, sizeof message));
    ck_assert_msg(strstr(message, "holds 0 control stanzas") != NULL, "%s", message);
    unlink(path);
    ck_assert(!stanzas_load(&s, path, message, sizeof message));
    ck_assert_msg(strstr(message, "cannot open") != NULL, "%s", message);
}
END_TEST

LEVIN_TEST_MAIN("workload", TEST(workload__one_seed_is_one_run_byte_for_byte),
                TEST(workload__comes_to_its_counts_on_every_seed), TEST(workload__one_that_falls_short_says_of_what),
                TEST(workload__a_failing_call_without_faults_is_a_violation),
                TEST(stanzas__names_and_texts_each_name_once), TEST(stanzas__a_file_of_something_else_is_refused))
