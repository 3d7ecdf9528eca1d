/*
 * soak_test.c - the plan of a soak is a function of its arguments and leaves no key untouched; values are told apart; a
 * soak finds its own promises kept, and a state that was tampered with broken.
 */
#include "soak.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "soak_life.h"

START_TEST(soak_plan__an_operation_is_a_function_of_its_number)
{
    unsigned kinds[SOAK_ALL + 1] = { 0 }, durabilities[LEVIN_SYNCED + 1] = { 0 };
    bool touched[SOAK_KEYS] = { false };
    for (uint64_t n = 0; n < 4000; n++) {
        soak_operation a = soak_operation_make(1, 3, n), b = soak_operation_make(1, 3, n);
        ck_assert_mem_eq(&a, &b, sizeof a);
        kinds[a.kind]++;
        durabilities[a.durability]++;
        ck_assert_uint_le(a.count, SOAK_CHANGES_MAX);
        for (unsigned i = 0; i < a.count; i++) {
            ck_assert_uint_lt(a.change[i].key, SOAK_KEYS);
            touched[a.change[i].key] = true;
        }
        ck_assert(a.kind != SOAK_RANGE || a.to > a.change[0].key);
    }
    for (unsigned i = 0; i <= SOAK_ALL; i++)
        ck_assert_uint_gt(kinds[i], 0);
    for (unsigned i = 0; i <= LEVIN_SYNCED; i++)
        ck_assert_uint_gt(durabilities[i], 500);
    for (unsigned i = 0; i < SOAK_KEYS; i++)
        ck_assert(touched[i]);
    soak_operation a = soak_operation_make(1, 3, 7), b = soak_operation_make(1, 4, 7), c = soak_operation_make(2, 3, 7);
    ck_assert(memcmp(&a, &b, sizeof a) && memcmp(&a, &c, sizeof a) && memcmp(&b, &c, sizeof b));
}
END_TEST

START_TEST(soak_plan__the_model_does_what_the_operation_says)
{
    soak_model m = { { 0 } };
    soak_operation o = { .kind = SOAK_BATCH, .count = 3, .change = { { 5, 9 }, { 6, 9 }, { 5, 0 } } };
    soak_model_apply(&m, &o);
    ck_assert_uint_eq(m.stamp[5], 0); /* later changes win */
    ck_assert_uint_eq(m.stamp[6], 9);
    for (unsigned i = 0; i < SOAK_KEYS; i++)
        m.stamp[i] = 1;
    o = (soak_operation){ .kind = SOAK_RANGE, .to = 70, .count = 1, .change = { { 60, 0 } } };
    soak_model_apply(&m, &o);
    for (unsigned i = 0; i < SOAK_KEYS; i++)
        ck_assert_uint_eq(m.stamp[i], i < 60);
    o = (soak_operation){ .kind = SOAK_ALL };
    soak_model_apply(&m, &o);
    for (unsigned i = 0; i < SOAK_KEYS; i++)
        ck_assert_uint_eq(m.stamp[i], 0);
}
END_TEST

START_TEST(soak_plan__keys_are_in_order_and_values_tell_their_stamp)
{
    static uint8_t value[SOAK_VALUE_MAX];
    char before[SOAK_KEY_BYTES_MAX], key[SOAK_KEY_BYTES_MAX];
    size_t before_bytes = 0, large = 0;
    for (unsigned k = 0; k < SOAK_KEYS; k++) {
        size_t bytes = soak_key(key, 12, k);
        ck_assert_uint_lt(bytes, SOAK_KEY_BYTES_MAX);
        size_t least = bytes < before_bytes ? bytes : before_bytes;
        ck_assert(k == 0 || memcmp(before, key, least) < 0);
        memcpy(before, key, bytes);
        before_bytes = bytes;
        for (uint64_t stamp = 1; stamp < 40; stamp++) {
            levin_slice v = { value, soak_value(value, 1, 12, k, stamp) };
            large += v.size > 1024;
            ck_assert_uint_eq(soak_value_stamp(v, 1, 12, k), stamp);
            ck_assert_uint_eq(soak_value_stamp(v, 1, 13, k), 0); /* of another thread */
            value[v.size - 1] ^= 1;
            ck_assert_uint_eq(soak_value_stamp(v, 1, 12, k), 0);
            value[v.size - 1] ^= 1;
            ck_assert_uint_eq(soak_value_stamp((levin_slice){ value, v.size - 1 }, 1, 12, k), 0);
        }
    }
    ck_assert_uint_gt(large, 50);
}
END_TEST

static void remove_directory_of(const char *path)
{
    char command[1200];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    ck_assert_int_eq(system(command), 0);
}

typedef struct tampering {
    const char *directory;
    bool done;
} tampering;

/*
 * Between two lives, the third and the fourth: the store forgets what it was.
 */
static bool tamper(void *context, const soak_result *so_far)
{
    tampering *t = context;
    if (so_far->lives == 3 && so_far->operations > 0 && !so_far->living && !t->done) {
        char path[1100];
        t->done = true;
        snprintf(path, sizeof path, "%s/store", t->directory);
        remove_directory_of(path);
    }
    return true;
}

START_TEST(soak__kept_promises_are_found_kept_and_broken_ones_broken)
{
    char directory[] = "/tmp/levin-soak-test-XXXXXX", state[64];
    static soak_result r;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    soak_options o = { .seed = 5, .threads = 3, .seconds = 60, .lives = 6, .fault_every = 300, .directory = directory };
    ck_assert_msg(soak_run(&o, &r), "%s", r.text);
    ck_assert_msg(!r.promise[0], "%s: %s", r.promise, r.text);
    ck_assert_uint_eq(r.lives, 6);
    ck_assert_uint_eq(r.killed + r.closed + r.given_up, 6);
    ck_assert_uint_gt(r.compared, 0);
    ck_assert_uint_gt(r.operations, 0);
    /* what was shared is in the file */
    snprintf(state, sizeof state, "%s/soak.state", directory);
    int file = open(state, O_RDONLY);
    ck_assert_int_ge(file, 0);
    const soak_shared *s = mmap(NULL, sizeof *s, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    ck_assert_ptr_ne(s, MAP_FAILED);
    uint64_t sum = 0;
    for (unsigned t = 0; t < o.threads; t++) {
        ck_assert_uint_eq(s->thread[t].durable, s->thread[t].acknowledged); /* the last life closed */
        sum += s->thread[t].acknowledged;
    }
    ck_assert_uint_eq(sum, r.operations);
    munmap((void *)(uintptr_t)s, sizeof *s);
    remove_directory_of(directory);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    o.fault_every = 0;
    o.lives = 8;
    tampering once = { .directory = directory };
    o.tick = tamper;
    o.context = &once;
    ck_assert_msg(soak_run(&o, &r), "%s", r.text);
    ck_assert_msg(strcmp(r.promise, "PREFIX") == 0 || strcmp(r.promise, "SURVIVE") == 0, "%s: %s", r.promise, r.text);
    remove_directory_of(directory);
}
END_TEST

/* The parent's only child, once it lives. */
static bool kill_child(void *context, const soak_result *so_far)
{
    bool *done = context;
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *children = so_far->living && so_far->lives == 2 && !*done ? fopen(path, "r") : NULL;
    if (!children)
        return true;
    if (fgets(text, sizeof text, children))
        *done = kill((pid_t)strtol(text, NULL, 10), SIGKILL) == 0;
    fclose(children);
    return true;
}

START_TEST(soak__a_death_that_it_did_not_ask_for_is_told)
{
    static soak_result r;
    bool done = false;
    for (uint64_t seed = 1; seed < 20 && !done; seed++) { /* some second lives are gone before they are looked at */
        const soak_options o = { .seed = seed, .threads = 2, .seconds = 60, .lives = 4, .tick = kill_child,
                                 .context = &done };
        ck_assert_msg(soak_run(&o, &r), "%s", r.text);
    }
    ck_assert(done);
    ck_assert_str_eq(r.promise, "SURVIVE");
    ck_assert_msg(strstr(r.text, "not by us") != NULL, "%s", r.text);
    ck_assert_uint_lt(r.killed, r.lives);
    remove_directory_of(r.directory);
}
END_TEST

START_TEST(soak__one_order_of_all_threads_has_no_hole)
{
    soak_shared *s = calloc(1, sizeof *s);
    uint64_t found[3] = { 10, 20, 30 }, most[3] = { 10, 20, 30 }, before = 0;
    unsigned later, missing;
    for (unsigned t = 0; t < 3; t++)
        s->thread[t].issued = found[t] + 1;
    s->thread[1].before[19][2] = 30; /* before the 20th of thread 1 began 30 of thread 2 had returned */
    ck_assert(soak_order_holds(s, 3, found, most, &later, &missing, &before));
    s->thread[1].before[19][2] = 31;
    ck_assert(!soak_order_holds(s, 3, found, most, &later, &missing, &before));
    ck_assert(later == 1 && missing == 2 && before == 31);
    most[2] = 31; /* the 31st changed nothing */
    ck_assert(soak_order_holds(s, 3, found, most, &later, &missing, &before));
    most[2] = 30;
    s->thread[1].ordered = 20; /* of an earlier life */
    ck_assert(soak_order_holds(s, 3, found, most, &later, &missing, &before));
    s->thread[1].ordered = 0;
    s->thread[1].issued = 20 + SOAK_ORDER_KEPT; /* overwritten */
    ck_assert(soak_order_holds(s, 3, found, most, &later, &missing, &before));
    s->thread[1].issued = 19 + SOAK_ORDER_KEPT;
    ck_assert(!soak_order_holds(s, 3, found, most, &later, &missing, &before));
    free(s);
}
END_TEST

static void plan_of(plan_rules *p, const char *text)
{
    plan_error error;
    ck_assert_msg(plan_parse(p, text, strlen(text), &error), "%s", error.text);
}

START_TEST(soak__a_plan_hurts_calls_on_real_files)
{
    static soak_result r;
    plan_rules p, idle, damage;
    plan_of(&p, "levin-fault-plan 1\n"
                "on levin/io/wal/write every 5 do short 100\n"
                "on levin/io/pages,vlog/read every 7 do error EINTR\n"
                "on levin/io/*/sync nth 40 do error EIO\n"
                "on levin/io/wal,pages/sync every 9 do lie\n"
                "on levin/io/*/write do budget 4000000 ENOSPC back 3\n");
    plan_of(&idle, "levin-fault-plan 1\non levin/io/wal/write nth 100000000 do error EIO\n");
    plan_of(&damage, "levin-fault-plan 1\non levin/io/wal/write do flip\n");
    ck_assert(soak_plan_fits(&p) && soak_plan_fits(&idle) && !soak_plan_fits(&damage));
    soak_options o = { .seed = 7, .threads = 3, .seconds = 60, .lives = 14, .plan = &p };
    ck_assert_msg(soak_run(&o, &r), "%s", r.text);
    ck_assert_msg(!r.promise[0], "%s: %s", r.promise, r.text);
    ck_assert_uint_gt(r.fired[0], 10);
    ck_assert_uint_gt(r.fired[3], 1);
    ck_assert_uint_ge(r.faults, r.fired[0] + r.fired[1]);
    o.plan = &idle;
    o.lives = 6;
    ck_assert(!soak_run(&o, &r));
    ck_assert_str_eq(r.text, "no rule of the plan fired");
}
END_TEST

/* The sync is called done, the next one fails: that ends a life as if it had failed itself. */
START_TEST(soak__an_error_that_comes_late_is_told_late)
{
    static soak_result r;
    static plan_rules p;
    plan_of(&p, "levin-fault-plan 1\non levin/io/wal/sync nth 3 do error-late EIO\n");
    ck_assert(soak_plan_fits(&p));
    const soak_options o = { .seed = 9, .threads = 3, .seconds = 60, .lives = 20, .plan = &p };
    ck_assert_msg(soak_run(&o, &r), "%s", r.text);
    ck_assert_msg(!r.promise[0], "%s: %s", r.promise, r.text);
    ck_assert_uint_gt(r.fired[0], 1);
    ck_assert_uint_gt(r.given_up, 0);
    ck_assert_msg(strstr(r.last_fault, "levin/io/wal/sync: error-late"), "%s", r.last_fault);
}
END_TEST

LEVIN_TEST_MAIN("soak", TEST(soak_plan__an_operation_is_a_function_of_its_number),
                TEST(soak_plan__the_model_does_what_the_operation_says),
                TEST(soak_plan__keys_are_in_order_and_values_tell_their_stamp),
                TEST(soak__kept_promises_are_found_kept_and_broken_ones_broken),
                TEST(soak__a_death_that_it_did_not_ask_for_is_told),
                TEST(soak__one_order_of_all_threads_has_no_hole), TEST(soak__a_plan_hurts_calls_on_real_files),
                TEST(soak__an_error_that_comes_late_is_told_late))
