/*
 * fork_test.c - a child of fork() that writes with its parent's handle, which it must not.
 *
 * Invariants checked: nothing that it writes with LEVIN_SYNCED or LEVIN_LOGGED is acknowledged, no checkpoint and no
 * collection of its own is made; the parent's store has what the parent wrote, before and after, and passes its check,
 * with a background thread and without one; the child opens the store itself when the parent has closed it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "levin.h"

enum { KEYS = 300, VALUE_BYTES = 500 };

static size_t key_of(char key[16], int n)
{
    return (size_t)snprintf(key, 16, "key%05d", n);
}

static levin_code put(levin *db, int n, int mark, levin_durability durability)
{
    char key[16], value[VALUE_BYTES];
    memset(value, mark, sizeof value);
    return levin_put(db, key, key_of(key, n), value, sizeof value, durability);
}

/* How many of its calls reached the store. */
static int child_run(levin *db)
{
    int acknowledged = 0;
    for (int n = 0; n < 5; n++)
        acknowledged += put(db, n, 'c', n % 2 ? LEVIN_SYNCED : LEVIN_LOGGED) == LEVIN_OK;
    acknowledged += levin_checkpoint(db) == LEVIN_OK;
    acknowledged += levin_collect(db, 100) == LEVIN_OK;
    return acknowledged;
}

static void run(levin_background background)
{
    char directory[64] = "/tmp/levin-fork-test-XXXXXX", command[128], key[16], value[VALUE_BYTES];
    levin_options o;
    levin_error error;
    levin *db;
    size_t bytes;
    levin_options_init(&o);
    ck_assert_int_eq(levin_options_preset(&o, LEVIN_PRESET_DEVELOPMENT), LEVIN_OK);
    o.background = background;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_msg(levin_open(directory, &o, &db, &error) == LEVIN_OK, "%s", error.message);
    for (int n = 0; n < KEYS; n++)
        ck_assert_int_eq(put(db, n, 'a', n % 10 ? LEVIN_LOGGED : LEVIN_SYNCED), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(db), LEVIN_OK); /* the background has nothing to do: no lock of its is copied */
    ck_assert_int_eq(put(db, 0, 'a', LEVIN_SYNCED), LEVIN_OK);
    usleep(20000);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(20);
        _exit(child_run(db));
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    for (int n = KEYS; n < 2 * KEYS; n++)
        ck_assert_int_eq(put(db, n, 'a', LEVIN_LOGGED), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);

    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(levin_open(directory, &o, &db, &error) == LEVIN_OK && put(db, 2 * KEYS, 'a', LEVIN_SYNCED) == LEVIN_OK &&
                      levin_close(db) == LEVIN_OK ? 0 : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_msg(levin_open(directory, &o, &db, &error) == LEVIN_OK, "%s", error.message);
    for (int n = 0; n <= 2 * KEYS; n++) {
        ck_assert_int_eq(levin_get(db, NULL, key, key_of(key, n), value, sizeof value, &bytes), LEVIN_OK);
        ck_assert(bytes == sizeof value && value[0] == 'a' && value[VALUE_BYTES - 1] == 'a');
    }
    ck_assert_int_eq(levin_check(db, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(levin_close(db), LEVIN_OK);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(fork__a_child_cannot_write_without_a_thread)
{
    run(LEVIN_BACKGROUND_NONE);
}
END_TEST

START_TEST(fork__a_child_cannot_write_beside_a_thread)
{
    run(LEVIN_BACKGROUND_THREAD);
}
END_TEST

LEVIN_TEST_MAIN("fork", TEST(fork__a_child_cannot_write_without_a_thread),
                TEST(fork__a_child_cannot_write_beside_a_thread))
