/*
 * full_device_test.c - a file system that becomes full under a store with its background thread, and has room again.
 *
 * Checked, on a real file system (a small tmpfs in a mount namespace of the test's own; without the right to mount one
 * it says so and checks nothing): writes fail with LEVIN_NO_SPACE and nothing else; all that was acknowledged is read
 * meanwhile, and nothing that failed; with a file of somebody else's gone the same write succeeds on the same handle;
 * the log callback is told the beginning and the end, once; the store is whole then, and after it was opened again;
 * closed while full it opens with room.  full_disk_test.c has every size at which it can happen, without threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "levin.h"

enum { DEVICE_MB = 12, BALLAST_MB = 4, THREADS = 3, KEYS_MAX = 20000, SMALL = 900, LARGE = 20000 };

typedef struct rig {
    char directory[64], ballast[128], store_path[128];
    levin *store;
    size_t value_bytes;
    unsigned written[THREADS];      /* keys of each thread that were acknowledged: 0 .. written - 1 */
    _Atomic unsigned began, ended;  /* messages */
} rig;

static void on_log(void *context, levin_log_level level, const char *message)
{
    rig *r = context;
    if (level == LEVIN_LOG_ERROR && strncmp(message, "full disk: writes may fail", 26) == 0)
        atomic_fetch_add(&r->began, 1);
    if (level == LEVIN_LOG_INFO && strncmp(message, "full disk: there is space again", 31) == 0)
        atomic_fetch_add(&r->ended, 1);
}

/* False: it is not allowed here. The mount goes with the test's process. */
static bool device_make(rig *r)
{
    char options[32];
    snprintf(r->directory, sizeof r->directory, "/tmp/levin-full-device-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(r->directory));
    snprintf(r->ballast, sizeof r->ballast, "%s/ballast", r->directory);
    snprintf(r->store_path, sizeof r->store_path, "%s/store", r->directory);
    snprintf(options, sizeof options, "size=%dm", DEVICE_MB);
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("levin", r->directory, "tmpfs", 0, options)) {
        fprintf(stderr, "full_device_test: skipped, a file system cannot be mounted here: %s\n", strerror(errno));
        ck_assert_int_eq(rmdir(r->directory), 0);
        return false;
    }
    int file = open(r->ballast, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(posix_fallocate(file, 0, (off_t)BALLAST_MB << 20), 0);
    ck_assert_int_eq(close(file), 0);
    return true;
}

static void device_end(rig *r)
{
    ck_assert_int_eq(umount2(r->directory, MNT_DETACH), 0);
    ck_assert_int_eq(rmdir(r->directory), 0);
}

static void store_open(rig *r)
{
    levin_options o;
    levin_error error;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.memtable_bytes = 512 << 10;
    o.cache_bytes = 1 << 20;
    o.wal_segment_bytes = 512 << 10;
    o.value_log_segment_bytes = 512 << 10;
    o.log = on_log;
    o.log_context = r;
    ck_assert_msg(levin_open(r->store_path, &o, &r->store, &error) == LEVIN_OK, "%s", error.message);
}

static size_t key_of(unsigned thread, unsigned n, char key[32])
{
    return (size_t)snprintf(key, 32, "%u-%06u", thread, n);
}

static void value_of(const rig *r, unsigned thread, unsigned n, uint8_t *value)
{
    memset(value, (int)(thread * 31 + n % 251), r->value_bytes);
    memcpy(value, &n, sizeof n);
}

static levin_code write_one(rig *r, unsigned thread)
{
    uint8_t value[LARGE];
    char key[32];
    unsigned n = r->written[thread];
    value_of(r, thread, n, value);
    size_t bytes = key_of(thread, n, key);
    levin_code code = levin_put(r->store, key, bytes, value, r->value_bytes, n % 4 ? LEVIN_LOGGED : LEVIN_SYNCED);
    r->written[thread] += code == LEVIN_OK;
    return code;
}

static void expect_all(rig *r)
{
    uint8_t value[LARGE], found[LARGE];
    char key[32];
    size_t bytes;
    uint64_t count = 0, wanted = 0;
    levin_iter *it;
    for (unsigned thread = 0; thread < THREADS; thread++) {
        for (unsigned n = 0; n < r->written[thread]; n++) {
            value_of(r, thread, n, value);
            size_t key_bytes = key_of(thread, n, key);
            levin_code code = levin_get(r->store, NULL, key, key_bytes, found, sizeof found, &bytes);
            ck_assert_msg(code == LEVIN_OK && bytes == r->value_bytes && memcmp(value, found, bytes) == 0, "%s: %s",
                          key, levin_code_name(code));
        }
        wanted += r->written[thread];
    }
    ck_assert_int_eq(levin_iter_open(r->store, NULL, &it), LEVIN_OK);
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it))
        count++;
    ck_assert_int_eq(levin_iter_status(it), LEVIN_OK);
    levin_iter_close(it);
    ck_assert_uint_eq(count, wanted);
}

typedef struct writer {
    rig *r;
    unsigned thread;
    levin_code code;
} writer;

/* Until it fails. */
static void *writer_run(void *argument)
{
    writer *w = argument;
    while ((w->code = write_one(w->r, w->thread)) == LEVIN_OK && w->r->written[w->thread] < KEYS_MAX)
        ;
    return NULL;
}

static void fill(rig *r)
{
    pthread_t threads[THREADS];
    writer writers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (writer){ r, i, LEVIN_OK };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, writer_run, &writers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_msg(writers[i].code == LEVIN_NO_SPACE, "a full device gives %s", levin_code_name(writers[i].code));
    }
}

static void run(size_t value_bytes)
{
    static rig r;
    levin_stats s;
    r = (rig){ .value_bytes = value_bytes };
    if (!device_make(&r))
        return;
    store_open(&r);
    fill(&r);
    /* a checkpoint may give a segment back while one writer is refused already and the others are not */
    ck_assert_uint_ge(atomic_load(&r.began), 1);
    ck_assert_uint_le(atomic_load(&r.ended), atomic_load(&r.began));
    for (int i = 0; i < 3; i++) { /* the device is as full as before, reads or not */
        expect_all(&r);
        levin_code code = write_one(&r, 0);
        ck_assert_msg(code == LEVIN_NO_SPACE || code == LEVIN_OK, "a full device gives %s", levin_code_name(code));
    }
    ck_assert_int_eq(unlink(r.ballast), 0);
    for (unsigned n = 0; n < 60; n++)
        ck_assert_int_eq(write_one(&r, n % THREADS), LEVIN_OK);
    ck_assert_int_eq(levin_checkpoint(r.store), LEVIN_OK);
    ck_assert_uint_ge(atomic_load(&r.ended), 1);
    ck_assert_uint_le(atomic_load(&r.ended), atomic_load(&r.began));
    expect_all(&r);
    ck_assert_int_eq(levin_check(r.store, NULL, NULL, NULL), LEVIN_OK);
    levin_stats_get(r.store, &s);
    ck_assert_uint_ge(s.error_no_space, THREADS);
    ck_assert_uint_eq(s.error_poisoned + s.error_corrupt, 0);
    ck_assert_int_eq(levin_close(r.store), LEVIN_OK);
    store_open(&r);
    expect_all(&r);
    ck_assert_int_eq(levin_close(r.store), LEVIN_OK);
    device_end(&r);
}

START_TEST(full_device__writes_fail_and_resume)
{
    run(SMALL);
}
END_TEST

START_TEST(full_device__writes_to_the_value_log_fail_and_resume)
{
    run(LARGE);
}
END_TEST

START_TEST(full_device__closed_while_full_it_opens_with_room)
{
    static rig r;
    r = (rig){ .value_bytes = SMALL };
    if (!device_make(&r))
        return;
    store_open(&r);
    fill(&r);
    (void)levin_close(r.store); /* whether its last mark finds room is the device's business */
    ck_assert_int_eq(unlink(r.ballast), 0);
    store_open(&r);
    expect_all(&r);
    ck_assert_int_eq(levin_check(r.store, NULL, NULL, NULL), LEVIN_OK);
    ck_assert_int_eq(write_one(&r, 0), LEVIN_OK);
    ck_assert_int_eq(levin_close(r.store), LEVIN_OK);
    device_end(&r);
}
END_TEST

LEVIN_TEST_MAIN("full_device", TEST(full_device__writes_fail_and_resume),
                TEST(full_device__writes_to_the_value_log_fail_and_resume),
                TEST(full_device__closed_while_full_it_opens_with_room))
