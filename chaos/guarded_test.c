/*
 * guarded_test.c - what a child that ends well, dies, exits, hangs or wants all memory is taken for.
 */
#include "guarded.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "crew.h"

static outcome ends_well(void *context, char text[GUARDED_TEXT_BYTES])
{
    snprintf(text, GUARDED_TEXT_BYTES, "seen %d", *(int *)context);
    *(int *)context = 99; /* in the child's copy */
    return OUTCOME_HOLE;
}

static outcome dies(void *context, char text[GUARDED_TEXT_BYTES])
{
    snprintf(text, GUARDED_TEXT_BYTES, "reading");
    kill(getpid(), *(int *)context);
    return OUTCOME_RIGHT;
}

static outcome leaves(void *context, char text[GUARDED_TEXT_BYTES])
{
    (void)context;
    (void)text;
    exit(7);
    return OUTCOME_RIGHT;
}

static outcome sleeps(void *context, char text[GUARDED_TEXT_BYTES])
{
    (void)text;
    while (!context)
        pause();
    return OUTCOME_RIGHT;
}

static outcome computes(void *context, char text[GUARDED_TEXT_BYTES])
{
    (void)text;
    volatile int *i = context;
    while (*i >= 0)
        *i = (*i + 1) % 1000;
    return OUTCOME_RIGHT;
}

static outcome eats(void *context, char text[GUARDED_TEXT_BYTES])
{
    (void)context;
    (void)text;
    return malloc((size_t)1 << 30) ? OUTCOME_RIGHT : OUTCOME_DETECTED;
}

START_TEST(guarded__tells_how_a_child_ended)
{
    char text[GUARDED_TEXT_BYTES];
    int number = 5, bus = SIGBUS;
    const guarded_limits plenty = { 0 }, brief = { .seconds = 0.2 };
    const guarded_limits waiting = { .idle_seconds = 0.5 };
    ck_assert_int_eq(guarded_run(&plenty, ends_well, &number, text), OUTCOME_HOLE);
    ck_assert_str_eq(text, "seen 5");
    ck_assert_int_eq(number, 5);
    ck_assert_int_eq(guarded_run(&plenty, dies, &bus, text), OUTCOME_SIGNAL);
    ck_assert_str_eq(text, "reading: SIGBUS");
    ck_assert_int_eq(guarded_run(&plenty, leaves, NULL, text), OUTCOME_SIGNAL);
    ck_assert_str_eq(text, "exit with status 7");
    ck_assert_int_eq(guarded_run(&brief, sleeps, NULL, text), OUTCOME_HANG);
    ck_assert_str_eq(text, "no end in time");
    ck_assert_int_eq(guarded_run(&waiting, sleeps, NULL, text), OUTCOME_HANG);
    ck_assert_int_eq(guarded_run(&brief, computes, &number, text), OUTCOME_HANG);
}
END_TEST

typedef struct placed {
    const cpu_set_t *where;
    double work;
} placed;

/* Computes for so long, on a processor that it shares. */
static outcome toils(void *context, char text[GUARDED_TEXT_BYTES])
{
    const placed *p = context;
    (void)text;
    if (sched_setaffinity(0, sizeof *p->where, p->where) != 0)
        return OUTCOME_WRONG;
    for (const double begun = crew_cpu_clock(); crew_cpu_clock() - begun < p->work;)
        ;
    return OUTCOME_RIGHT;
}

enum { OTHERS = 4 };

/* At the hard limit of computing the kernel sends SIGKILL, which tells nothing: before it SIGXCPU must come. */
static outcome sees_its_limits(void *context, char text[GUARDED_TEXT_BYTES])
{
    struct rlimit l;
    (void)context;
    (void)text;
    return getrlimit(RLIMIT_CPU, &l) == 0 && l.rlim_cur + 2 <= l.rlim_max ? OUTCOME_RIGHT : OUTCOME_WRONG;
}

START_TEST(guarded__an_end_by_the_limit_of_computing_is_a_hang)
{
    const guarded_limits limits = { .seconds = 3 };
    int over = SIGXCPU;
    char text[GUARDED_TEXT_BYTES] = "";
    ck_assert_int_eq(guarded_run(&limits, sees_its_limits, NULL, text), OUTCOME_RIGHT);
    ck_assert_int_eq(guarded_run(&limits, dies, &over, text), OUTCOME_HANG);
}
END_TEST

/* By the clock it needs a second, as it has a fifth of the processor: more than twice its time. */
START_TEST(guarded__who_has_no_processor_does_not_hang)
{
    cpu_set_t before, one;
    pid_t others[OTHERS];
    char text[GUARDED_TEXT_BYTES];
    const guarded_limits limits = { .seconds = 0.4, .idle_seconds = 0.3 };
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0); /* the children inherit it */
    for (int i = 0; i < OTHERS; i++) {
        others[i] = fork();
        while (others[i] == 0)
            if (getppid() == 1)
                _exit(0);
    }
    ck_assert_int_eq(sched_setaffinity(0, sizeof before, &before), 0);
    placed p = { &one, 0.2 };
    const outcome what = guarded_run(&limits, toils, &p, text);
    for (int i = 0; i < OTHERS; i++) {
        kill(others[i], SIGKILL);
        waitpid(others[i], NULL, 0);
    }
    ck_assert_msg(what == OUTCOME_RIGHT, "%s: %s", outcome_text(what), text);
}
END_TEST

START_TEST(guarded__memory_has_a_limit)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    char text[GUARDED_TEXT_BYTES];
    const guarded_limits little = { .memory_bytes = 64 << 20 }, plenty = { .memory_bytes = (uint64_t)2 << 30 };
    ck_assert_int_eq(guarded_run(&little, eats, NULL, text), OUTCOME_DETECTED);
    ck_assert_int_eq(guarded_run(&plenty, eats, NULL, text), OUTCOME_RIGHT);
#else
    (void)eats;
#endif
}
END_TEST

START_TEST(guarded__outcomes_have_names)
{
    ck_assert_str_eq(outcome_text(OUTCOME_LOCK), "leaked lock");
    ck_assert(!outcome_is_bad(OUTCOME_RIGHT) && !outcome_is_bad(OUTCOME_DETECTED) && outcome_is_bad(OUTCOME_LOST));
}
END_TEST

LEVIN_TEST_MAIN("guarded", TEST(guarded__tells_how_a_child_ended),
                TEST(guarded__an_end_by_the_limit_of_computing_is_a_hang),
                TEST(guarded__who_has_no_processor_does_not_hang),
                TEST(guarded__memory_has_a_limit),
                TEST(guarded__outcomes_have_names))
