/*
 * scratch_test.c - a scratch is gone when its owner is: closed, ended, failed, killed; but not below a child that still
 * lives, nor by one that ends.
 */
#include "scratch.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "../faults/fatal.h"

enum { WAIT_MS = 20000 };

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* The watcher is no child of ours: nothing tells when it is done. */
static bool goes(const char *path)
{
    for (int ms = 0; ms < WAIT_MS && is_there(path); ms++)
        poll(NULL, 0, 1);
    return !is_there(path);
}

static void fill(const scratch *s)
{
    char path[SCRATCH_PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/deep", s->path);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/deep/file", s->path);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fclose(file), 0);
}

/* A process that owns one, and ends so. */
typedef void ending(void);

static void end_killed(void)
{
    raise(SIGKILL);
}

static void end_interrupted(void)
{
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
}

static void end_fatal(void)
{
    close(STDERR_FILENO); /* its line is no business of this test */
    fatal("of a test");
}

static void end_at_once(void)
{
    _exit(0);
}

static void owner(ending *end, int tell)
{
    scratch s;
    if (!scratch_open(&s, "levin-scratch-test", NULL))
        _exit(EXIT_FAILURE);
    fill(&s);
    if (write(tell, s.path, sizeof s.path) != (ssize_t)sizeof s.path)
        _exit(EXIT_FAILURE);
    end();
    _exit(EXIT_FAILURE);
}

static void check_ending(ending *end)
{
    char path[SCRATCH_PATH_BYTES];
    int tell[2], status;
    ck_assert_int_eq(pipe(tell), 0);
    const pid_t pid = fork();
    if (pid == 0)
        owner(end, tell[1]);
    ck_assert_int_eq(read(tell[0], path, sizeof path), (int)sizeof path);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(goes(path), "%s is still there", path);
    close(tell[0]);
    close(tell[1]);
}

START_TEST(scratch__is_gone_however_its_owner_ends)
{
    check_ending(end_killed);
    check_ending(end_interrupted);
    check_ending(end_fatal);
    check_ending(end_at_once);
}
END_TEST

START_TEST(scratch__is_closed_by_its_owner_at_once)
{
    scratch s;
    char path[SCRATCH_PATH_BYTES];
    ck_assert(scratch_open(&s, "levin-scratch-test", NULL));
    memcpy(path, s.path, sizeof path);
    fill(&s);
    ck_assert(is_there(path));
    scratch_close(&s);
    ck_assert(!is_there(path));
    scratch_close(&s);
    ck_assert(waitpid(-1, NULL, WNOHANG) < 0); /* no child of ours is left */
}
END_TEST

START_TEST(scratch__outlives_a_child_that_ends)
{
    scratch s;
    ck_assert(scratch_open(&s, "levin-scratch-test", NULL));
    const pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert(is_there(s.path));
    scratch_close(&s);
}
END_TEST

static int child_hold[2]; /* of the test and the child of an owner; static: end_with_a_child() has no arguments */

static void end_with_a_child(void)
{
    char word;
    if (fork() == 0) {
        close(child_hold[1]);
        _exit(read(child_hold[0], &word, 1) < 0); /* until the test closes its end */
    }
    raise(SIGKILL);
}

START_TEST(scratch__is_not_removed_below_a_child_that_lives)
{
    char path[SCRATCH_PATH_BYTES];
    int tell[2];
    ck_assert_int_eq(pipe(tell), 0);
    ck_assert_int_eq(pipe(child_hold), 0);
    const pid_t pid = fork();
    if (pid == 0)
        owner(end_with_a_child, tell[1]);
    ck_assert_int_eq(read(tell[0], path, sizeof path), (int)sizeof path);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    poll(NULL, 0, 50); /* it would be gone by then; it being there proves nothing sooner */
    ck_assert(is_there(path));
    close(child_hold[0]);
    close(child_hold[1]);
    ck_assert_msg(goes(path), "%s is still there", path);
}
END_TEST

START_TEST(scratch__has_no_place)
{
    scratch s;
    ck_assert(!scratch_open(&s, "levin-scratch-test", "/nowhere/at/all"));
    scratch_close(&s);
    char parent[PATH_MAX];
    memset(parent, 'x', sizeof parent - 1);
    parent[sizeof parent - 1] = '\0';
    ck_assert(!scratch_open(&s, "levin-scratch-test", parent));
    scratch_close(&s);
}
END_TEST

LEVIN_TEST_MAIN("scratch", TEST(scratch__is_gone_however_its_owner_ends), TEST(scratch__is_closed_by_its_owner_at_once),
                TEST(scratch__outlives_a_child_that_ends), TEST(scratch__is_not_removed_below_a_child_that_lives),
                TEST(scratch__has_no_place))
