/*
 * gate_sides_test.c - whom an interrupt ends: the side that still runs, and no process that may since have got the
 * number of the one that has ended.
 *
 * kill() is replaced by one that takes notes.  The sides are shell scripts, in directories beside each other.
 */
#include "gate_sides.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../faults/check_main.h"

enum { KILLS_MAX = 16 };
static volatile pid_t killed[KILLS_MAX];
static volatile size_t kills;

int kill(pid_t pid, int number)
{
    if (kills < KILLS_MAX)
        killed[kills++] = pid;
    return (int)syscall(SYS_kill, pid, number);
}

static void write_script(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "#!/bin/sh\n%s\n", text);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0755), 0);
}

static pid_t read_pid(const char *path)
{
    int pid = 0;
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%d", &pid) != 1)
        pid = 0;
    if (f)
        fclose(f);
    return pid;
}

static sides_result run_scripts(const char *base, const char *now, char scratch[64])
{
    char base_path[96], now_path[96];
    gate_side sides[GATE_SIDES] = { 0 };
    strcpy(scratch, "/tmp/gate-sides-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
    snprintf(base_path, sizeof base_path, "%s/base", scratch);
    snprintf(now_path, sizeof now_path, "%s/now", scratch);
    write_script(base_path, base);
    write_script(now_path, now);
    ck_assert_int_eq(setenv("TMPDIR", scratch, 1), 0);
    sides[GATE_BASE].program = base_path;
    sides[GATE_NOW].program = now_path;
    kills = 0;
    sides_result result = gate_sides_run(sides, MEASURE_PERF, NULL, 1);
    for (int i = 0; i < GATE_SIDES; i++)
        gate_table_fini(&sides[i].result);
    return result;
}

static void end_scripts(const char *scratch)
{
    char path[96];
    static const char *const files[] = { "base", "now", "base.pid", "now.pid" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", scratch, files[i]);
        unlink(path);
    }
    ck_assert_msg(rmdir(scratch) == 0, "%s: something was left behind", scratch);
}

/* $PPID is this process; a process that was waited for cannot be signalled. */
START_TEST(gate_sides__an_interrupt_ends_the_side_that_still_runs_and_nobody_else)
{
    char scratch[64], path[96];
    ck_assert_int_eq(run_scripts("echo $$ >../../base.pid.new; mv ../../base.pid.new ../../base.pid",
                                 "echo $$ >../../now.pid\n"
                                 "until [ -e ../../base.pid ]; do :; done\n"
                                 "while kill -0 $(cat ../../base.pid) 2>/dev/null; do :; done\n"
                                 "kill -INT $PPID\n"
                                 "exec sleep 100",
                                 scratch),
                     SIDES_INTERRUPTED);
    snprintf(path, sizeof path, "%s/now.pid", scratch);
    const pid_t now = read_pid(path);
    ck_assert_int_gt(now, 0);
    ck_assert_uint_gt(kills, 0);
    for (size_t i = 0; i < kills; i++)
        ck_assert_msg(killed[i] == now, "process %d was signalled, which is not %d", (int)killed[i], (int)now);
    end_scripts(scratch);
}
END_TEST

START_TEST(gate_sides__an_interrupt_ends_both)
{
    char scratch[64];
    ck_assert_int_eq(run_scripts("echo $$ >../../base.pid; exec sleep 100",
                                 "until [ -e ../../base.pid ]; do :; done; kill -TERM $PPID; exec sleep 100", scratch),
                     SIDES_INTERRUPTED);
    ck_assert_uint_eq(kills, 2);
    end_scripts(scratch);
}
END_TEST

LEVIN_TEST_MAIN("gate_sides", TEST(gate_sides__an_interrupt_ends_the_side_that_still_runs_and_nobody_else),
                TEST(gate_sides__an_interrupt_ends_both))
