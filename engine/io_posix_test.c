/*
 * io_posix_test.c - the POSIX table on a real directory: each function does what io.h says, fails with the errno of
 * the cause, and leaks no descriptor.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "file.h"

static const levin_io *io;
static char directory[64];
static levin_error error;

static int count_descriptors(void)
{
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        count++;
    closedir(d);
    return count;
}

static int count_entry(void *context, const char *name)
{
    (void)name;
    ++*(int *)context;
    return 0;
}

static int descriptors_before;

static void begin(void)
{
    io = levin_io_posix();
    descriptors_before = count_descriptors();
    /* the disk that the tree is on, not a tmpfs */
    snprintf(directory, sizeof directory, "build/io_posix_test.XXXXXX");
    if (!mkdtemp(directory)) {
        snprintf(directory, sizeof directory, "/tmp/io_posix_test.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
    }
}

static int remove_entry(void *context, const char *name)
{
    (void)context;
    char path[FILE_PATH_MAX];
    ck_assert_int_eq(file_path(path, directory, name, &error), LEVIN_OK);
    ck_assert_int_eq(remove(path), 0);
    return 0;
}

static void end(void)
{
    ck_assert_int_eq(io->list(io->context, directory, remove_entry, NULL), 0);
    ck_assert_int_eq(rmdir(directory), 0);
    ck_assert_int_eq(count_descriptors(), descriptors_before);
}

static void open_file(file *f, const char *name)
{
    ck_assert_int_eq(file_open(f, io, directory, name, LEVIN_FILE_WAL, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &error),
                     LEVIN_OK);
}

static int open_result(const char *name, unsigned flags)
{
    char path[FILE_PATH_MAX];
    levin_file *handle = NULL;
    ck_assert_int_eq(file_path(path, directory, name, &error), LEVIN_OK);
    int result = io->open(io->context, path, LEVIN_FILE_PAGES, flags, &handle);
    ck_assert_int_eq(result == 0, handle != NULL);
    if (handle)
        ck_assert_int_eq(io->close(io->context, handle), 0);
    return result;
}

START_TEST(posix__open_flags_mean_what_they_say)
{
    begin();
    file f;
    char path[FILE_PATH_MAX];
    size_t done;
    levin_slice part = { "x", 1 };
    ck_assert_int_eq(open_result("a", 0), ENOENT);
    ck_assert_int_eq(open_result("a", LEVIN_IO_WRITE), ENOENT);
    ck_assert_int_eq(open_result("a", LEVIN_IO_WRITE | LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE), 0);
    ck_assert_int_eq(open_result("a", LEVIN_IO_WRITE | LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE), EEXIST);
    ck_assert_int_eq(open_result("a", LEVIN_IO_WRITE | LEVIN_IO_CREATE), 0);
    ck_assert_int_eq(open_result("absent/a", LEVIN_IO_WRITE | LEVIN_IO_CREATE), ENOENT);
    ck_assert_int_eq(file_open(&f, io, directory, "a", LEVIN_FILE_PAGES, 0, &error), LEVIN_OK);
    ck_assert_int_eq(io->write_at(io->context, f.handle, &part, 1, 0, &done), EBADF); /* read only */
    file_close(&f);
    /* what is no regular file is refused, and a FIFO without writer does not hang */
    ck_assert_int_eq(io->make_dir(io->context, directory), EEXIST);
    ck_assert_int_eq(file_path(path, directory, "sub", &error), LEVIN_OK);
    ck_assert_int_eq(io->make_dir(io->context, path), 0);
    ck_assert_int_eq(io->make_dir(io->context, path), EEXIST);
    ck_assert_int_eq(open_result("sub", 0), EISDIR);
    ck_assert_int_eq(open_result("sub", LEVIN_IO_WRITE), EISDIR);
    ck_assert_int_eq(file_path(path, directory, "fifo", &error), LEVIN_OK);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(open_result("fifo", 0), EINVAL);
    ck_assert_int_eq(open_result("fifo", LEVIN_IO_WRITE), EINVAL);
    end();
}
END_TEST

START_TEST(posix__descriptors_are_closed_on_exec)
{
    begin();
    file f;
    open_file(&f, "a");
    int found = 0;
    for (int descriptor = 3; descriptor < 64; descriptor++) {
        char link[64], target[FILE_PATH_MAX] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        if (readlink(link, target, sizeof target - 1) > 0 && strstr(target, "io_posix_test.")) {
            found++;
            ck_assert_int_eq(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        }
    }
    ck_assert_int_eq(found, 1);
    file_close(&f);
    end();
}
END_TEST

/* Keeps the lowest open descriptor of the standard ones. */
static int lowest_standard(void *context, const char *name)
{
    int *lowest = context;
    (void)name;
    for (int descriptor = STDERR_FILENO; descriptor >= 0; descriptor--) {
        if (fcntl(descriptor, F_GETFD) >= 0)
            *lowest = descriptor;
    }
    return 0;
}

/*
 * In a process without standard descriptors: 0 when what it prints reaches no file of the store and no descriptor below
 * 3 is used, else the number of what was wrong.
 */
static int print_without_standard_descriptors(const char *path, unsigned closed)
{
    levin_file *handle = NULL;
    levin_slice kept = { "kept", 4 };
    size_t done = 0;
    char back[8] = "";
    int lowest = 99;
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++) {
        if (closed >> descriptor & 1)
            close(descriptor);
    }
    if (io->open(io->context, path, LEVIN_FILE_PAGES, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &handle) ||
        io->write_at(io->context, handle, &kept, 1, 0, &done) || done != 4)
        return 1;
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++) {
        if (closed >> descriptor & 1 && (write(descriptor, "LOST", 4) >= 0 || errno != EBADF))
            return 2;
    }
    if (io->read_at(io->context, handle, back, sizeof back, 0, &done) || done != 4 || memcmp(back, "kept", 4))
        return 3;
    if (io->list(io->context, directory, lowest_standard, &lowest) || (closed == 7 && lowest != 99))
        return 4;
    if (io->sync_dir(io->context, directory) || io->close(io->context, handle))
        return 5;
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++) {
        if (closed >> descriptor & 1 && fcntl(descriptor, F_GETFD) >= 0)
            return 6;
    }
    /* failures keep their errno */
    return io->open(io->context, directory, LEVIN_FILE_PAGES, LEVIN_IO_WRITE, &handle) == EISDIR ? 0 : 7;
}

START_TEST(posix__nothing_printed_to_a_closed_descriptor_reaches_a_file)
{
    begin();
    char path[FILE_PATH_MAX];
    ck_assert_int_eq(file_path(path, directory, "a", &error), LEVIN_OK);
    for (unsigned closed = 1; closed < 8; closed++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            _exit(print_without_standard_descriptors(path, closed));
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "closed %u: %d", closed, status >> 8);
    }
    end();
}
END_TEST

START_TEST(posix__gathered_writes_are_read_back)
{
    begin();
    file f;
    uint8_t source[5000], back[6000];
    levin_slice parts[LEVIN_IO_PARTS_MAX + 1];
    size_t done = 0, total = 0;
    uint64_t size, calls = 0;
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (uint8_t)(i * 37 >> 2);
    open_file(&f, "a");
    for (size_t i = 0; i <= LEVIN_IO_PARTS_MAX; i++) {
        parts[i] = (levin_slice){ source + total, i };
        total += i;
    }
    ck_assert_int_eq(file_write(&f, parts, LEVIN_IO_PARTS_MAX + 1, 100, &calls, &error), LEVIN_OK);
    ck_assert_uint_eq(calls, 1); /* the empty part apart, it is just what one call takes */
    ck_assert_int_eq(file_size(&f, &size, &error), LEVIN_OK);
    ck_assert_uint_eq(size, 100 + total);
    ck_assert_int_eq(file_read(&f, back, sizeof back, 0, &done, &error), LEVIN_OK);
    ck_assert_uint_eq(done, 100 + total);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(back[i], 0);
    ck_assert_mem_eq(back + 100, source, total);
    ck_assert_int_eq(file_read(&f, back, sizeof back, size, &done, &error), LEVIN_OK);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(io->write_at(io->context, f.handle, parts, LEVIN_IO_PARTS_MAX + 1, 0, &done), EINVAL);
    ck_assert_int_eq(file_sync(&f, &error), LEVIN_OK);
    ck_assert_int_eq(file_truncate(&f, 7, &error), LEVIN_OK);
    ck_assert_int_eq(file_size(&f, &size, &error), LEVIN_OK);
    ck_assert_uint_eq(size, 7);
    file_close(&f);
    end();
}
END_TEST

START_TEST(posix__offsets_out_of_range_are_refused)
{
    begin();
    file f;
    uint8_t byte = 0;
    size_t done = 9;
    levin_slice part = { &byte, 1 };
    open_file(&f, "a");
    static const uint64_t bad[] = { (uint64_t)INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(io->write_at(io->context, f.handle, &part, 1, bad[i], &done), EFBIG);
        ck_assert_int_eq(io->read_at(io->context, f.handle, &byte, 1, bad[i], &done), EINVAL);
        ck_assert_uint_eq(done, 0);
        ck_assert_int_ne(io->truncate(io->context, f.handle, bad[i]), 0);
        if (bad[i] > INT64_MAX) /* up to that, a file system without fallocate() would be filled with zeros */
            ck_assert_int_eq(io->preallocate(io->context, f.handle, bad[i]), EFBIG);
    }
    levin_slice huge[] = { { &byte, SIZE_MAX }, { &byte, 2 } };
    ck_assert_int_eq(io->write_at(io->context, f.handle, huge, 2, 0, &done), EINVAL);
    uint64_t size = 1;
    ck_assert_int_eq(file_size(&f, &size, &error), LEVIN_OK);
    ck_assert_uint_eq(size, 0);
    file_close(&f);
    end();
}
END_TEST

START_TEST(posix__preallocate_keeps_what_is_there_and_writes_zeros_after_it)
{
    begin();
    enum { BYTES = 3 * 1048576 + 12345 };
    file f;
    uint8_t *back = malloc(BYTES + 1);
    size_t done;
    uint64_t size;
    levin_slice part = { "kept", 4 };
    ck_assert_ptr_nonnull(back);
    open_file(&f, "a");
    ck_assert_int_eq(file_write(&f, &part, 1, 5000, NULL, &error), LEVIN_OK);
    static const uint64_t steps[] = { 1, 5004, 5005, 70000, BYTES, 100, BYTES };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        ck_assert_int_eq(file_preallocate(&f, steps[i], &error), LEVIN_OK);
    ck_assert_int_eq(file_size(&f, &size, &error), LEVIN_OK);
    ck_assert_uint_eq(size, BYTES);
    ck_assert_int_eq(file_read(&f, back, BYTES + 1, 0, &done, &error), LEVIN_OK);
    ck_assert_uint_eq(done, BYTES);
    ck_assert_mem_eq(back + 5000, "kept", 4);
    memset(back + 5000, 0, 4);
    for (size_t i = 0; i < BYTES; i++)
        if (back[i])
            ck_abort_msg("byte %zu is not zero", i);
    ck_assert_int_eq(file_sync(&f, &error), LEVIN_OK);
    char path[FILE_PATH_MAX];
    struct stat status;
    ck_assert_int_eq(file_path(path, directory, "a", &error), LEVIN_OK);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_ge((uint64_t)status.st_blocks * 512, BYTES); /* no hole is left */
    free(back);
    file_close(&f);
    end();
}
END_TEST

START_TEST(posix__a_file_size_limit_gives_a_short_write_and_then_an_error)
{
    begin();
    file f;
    uint8_t bytes[3000];
    size_t done = 0;
    uint64_t size, calls = 0;
    memset(bytes, 7, sizeof bytes);
    levin_slice parts[] = { { bytes, 1000 }, { bytes + 1000, 2000 } };
    open_file(&f, "a");
    struct rlimit before, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN); /* the host program's business; the default would end it */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    int raw = io->write_at(io->context, f.handle, parts, 2, 2000, &done);
    levin_code code = file_write(&f, parts, 2, 2000, &calls, &error);
    int preallocated = io->preallocate(io->context, f.handle, 10000);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_int_eq(raw, 0);
    ck_assert_uint_eq(done, 2096);
    ck_assert_int_eq(code, LEVIN_IO);
    ck_assert_int_eq(error.os_error, EFBIG);
    ck_assert_uint_eq(error.offset, 4096);
    ck_assert_uint_eq(calls, 2);
    ck_assert_int_eq(preallocated, EFBIG);
    ck_assert_int_eq(file_size(&f, &size, &error), LEVIN_OK);
    ck_assert_uint_eq(size, 4096);
    file_close(&f);
    end();
}
END_TEST

static int lock_in_child(const char *path, bool exclusive)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        levin_file *handle;
        int result = io->open(io->context, path, LEVIN_FILE_LOCK, LEVIN_IO_WRITE, &handle);
        if (!result) {
            result = io->lock(io->context, handle, exclusive);
            io->close(io->context, handle);
        }
        _exit(result);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(posix__locks_exclude_handles_of_this_and_of_other_processes)
{
    begin();
    file a, b;
    char path[FILE_PATH_MAX];
    ck_assert_int_eq(file_path(path, directory, "lock", &error), LEVIN_OK);
    open_file(&a, "lock");
    open_file(&b, "lock");
    ck_assert_int_eq(io->lock(io->context, a.handle, true), 0);
    ck_assert_int_eq(io->lock(io->context, b.handle, true), EAGAIN);
    ck_assert_int_eq(io->lock(io->context, b.handle, false), EAGAIN);
    ck_assert_int_eq(lock_in_child(path, true), EAGAIN);
    ck_assert_int_eq(lock_in_child(path, false), EAGAIN);
    /* opening and closing another handle of the file gives nothing up, as it does with the locks of a process */
    file c;
    open_file(&c, "lock");
    file_close(&c);
    ck_assert_int_eq(lock_in_child(path, false), EAGAIN);
    file_close(&a);
    ck_assert_int_eq(io->lock(io->context, b.handle, false), 0);
    open_file(&a, "lock");
    ck_assert_int_eq(io->lock(io->context, a.handle, false), 0);
    ck_assert_int_eq(lock_in_child(path, false), 0);
    ck_assert_int_eq(lock_in_child(path, true), EAGAIN);
    file_close(&a);
    file_close(&b);
    ck_assert_int_eq(lock_in_child(path, true), 0);
    end();
}
END_TEST

enum { LENGTH = 100 };

/* 0 or an errno value, of a child that opens the file anew. */
static int range_in_child(const char *path, uint64_t offset, uint64_t bytes, levin_io_lock how)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        levin_file *handle;
        int result = io->open(io->context, path, LEVIN_FILE_LOCK, LEVIN_IO_WRITE, &handle);
        if (!result)
            result = io->lock_range(io->context, handle, offset, bytes, how);
        _exit(result);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(posix__ranges_are_locked_by_themselves)
{
    begin();
    file a, b;
    char path[FILE_PATH_MAX];
    ck_assert_int_eq(file_path(path, directory, "lock", &error), LEVIN_OK);
    open_file(&a, "lock");
    open_file(&b, "lock");
    /* behind the end of an empty file, too */
    ck_assert_int_eq(io->lock_range(io->context, a.handle, LENGTH, 10, LEVIN_IO_LOCK_EXCLUSIVE), 0);
    ck_assert_int_eq(io->lock_range(io->context, a.handle, 0, 1, LEVIN_IO_LOCK_SHARED), 0);
    ck_assert_int_eq(io->lock_range(io->context, b.handle, 0, 1, LEVIN_IO_LOCK_SHARED), 0);
    ck_assert_int_eq(range_in_child(path, 0, 1, LEVIN_IO_LOCK_EXCLUSIVE), EAGAIN);
    ck_assert_int_eq(io->lock_range(io->context, b.handle, LENGTH + 9, 1, LEVIN_IO_LOCK_SHARED), EAGAIN);
    ck_assert_int_eq(io->lock_range(io->context, b.handle, LENGTH + 10, 1, LEVIN_IO_LOCK_EXCLUSIVE), 0);
    ck_assert_int_eq(range_in_child(path, LENGTH, 20, LEVIN_IO_LOCK_TEST), EAGAIN);
    ck_assert_int_eq(range_in_child(path, LENGTH + 11, 20, LEVIN_IO_LOCK_TEST), 0);
    ck_assert_int_eq(range_in_child(path, 1, LENGTH - 1, LEVIN_IO_LOCK_TEST), 0);
    ck_assert_int_eq(range_in_child(path, 1, LENGTH - 1, LEVIN_IO_LOCK_WAIT), 0);
    /* a test takes nothing, and one's own locks do not stand in one's way */
    ck_assert_int_eq(io->lock_range(io->context, a.handle, LENGTH, 10, LEVIN_IO_LOCK_TEST), 0);
    ck_assert_int_eq(io->lock(io->context, b.handle, false), EAGAIN); /* all bytes */
    ck_assert_int_eq(io->lock_range(io->context, a.handle, LENGTH, 10, LEVIN_IO_LOCK_NONE), 0);
    ck_assert_int_eq(range_in_child(path, LENGTH, 10, LEVIN_IO_LOCK_EXCLUSIVE), 0);
    ck_assert_int_eq(range_in_child(path, LENGTH, 10, LEVIN_IO_LOCK_EXCLUSIVE), 0); /* it went with the child */
    ck_assert_int_eq(io->lock_range(io->context, a.handle, 0, 0, LEVIN_IO_LOCK_SHARED), EINVAL);
    ck_assert_int_eq(io->lock_range(io->context, a.handle, UINT64_MAX, 1, LEVIN_IO_LOCK_SHARED), EINVAL);
    file_close(&a);
    file_close(&b);
    ck_assert_int_eq(range_in_child(path, 0, LENGTH, LEVIN_IO_LOCK_EXCLUSIVE), 0);
    ck_assert_uint_eq(io->process_id(io->context), (uint64_t)getpid());
    end();
}
END_TEST

/* What a child of fork() gets for each way to change a file of its parent. */
START_TEST(posix__a_child_changes_no_file_of_its_parent)
{
    begin();
    file f, other;
    size_t done;
    char byte = 'x';
    const levin_slice part = { &byte, 1 };
    ck_assert_int_eq(file_open(&f, io, directory, "data", LEVIN_FILE_PAGES, LEVIN_IO_WRITE | LEVIN_IO_CREATE, &error),
                     LEVIN_OK);
    ck_assert_int_eq(io->write_at(io->context, f.handle, &part, 1, 0, &done), 0);
    ck_assert_int_eq(io->lock_range(io->context, f.handle, 0, 1, LEVIN_IO_LOCK_EXCLUSIVE), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        byte = 'y';
        bool refused = io->write_at(io->context, f.handle, &part, 1, 0, &done) == ESTALE && done == 0 &&
                       io->sync(io->context, f.handle) == ESTALE && io->truncate(io->context, f.handle, 0) == ESTALE &&
                       io->preallocate(io->context, f.handle, 100) == ESTALE &&
                       io->lock_range(io->context, f.handle, 0, 1, LEVIN_IO_LOCK_NONE) == ESTALE;
        bool told = file_sync(&f, &error) == LEVIN_IO && strstr(error.message, "fork()");
        bool reads = io->read_at(io->context, f.handle, &byte, 1, 0, &done) == 0 && done == 1 && byte == 'x';
        bool own = file_open(&other, io, directory, "data", LEVIN_FILE_PAGES, LEVIN_IO_WRITE, &error) == LEVIN_OK &&
                   io->lock_range(io->context, other.handle, 0, 1, LEVIN_IO_LOCK_SHARED) == EAGAIN &&
                   io->write_at(io->context, other.handle, &part, 1, 5, &done) == 0;
        file_close(&f);
        _exit(refused && told && reads && own ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_eq(io->write_at(io->context, f.handle, &part, 1, 1, &done), 0); /* the parent goes on */
    file_close(&f);
    end();
}
END_TEST

static int stop_at_second(void *context, const char *name)
{
    (void)name;
    return ++*(int *)context == 2 ? 77 : 0;
}

START_TEST(posix__names_are_listed_renamed_and_removed)
{
    begin();
    file f;
    int count = 0;
    static const char *const names[] = { "a", "b", "c" };
    for (size_t i = 0; i < 3; i++) {
        open_file(&f, names[i]);
        file_close(&f);
    }
    ck_assert_int_eq(io->list(io->context, directory, count_entry, &count), 0);
    ck_assert_int_eq(count, 3);
    count = 0;
    ck_assert_int_eq(io->list(io->context, directory, stop_at_second, &count), 77);
    ck_assert_int_eq(count, 2);
    ck_assert_int_eq(file_rename(io, directory, "a", "b", &error), LEVIN_OK);
    ck_assert_int_eq(file_rename(io, directory, "a", "b", &error), LEVIN_IO);
    ck_assert_int_eq(error.os_error, ENOENT);
    ck_assert_int_eq(file_unlink(io, directory, "c", &error), LEVIN_OK);
    ck_assert_int_eq(file_unlink(io, directory, "c", &error), LEVIN_OK);
    ck_assert_int_eq(file_sync_dir(io, directory, &error), LEVIN_OK);
    count = 0;
    ck_assert_int_eq(io->list(io->context, directory, count_entry, &count), 0);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(io->list(io->context, "/nowhere/at/all", count_entry, &count), ENOENT);
    ck_assert_int_eq(io->sync_dir(io->context, "/nowhere/at/all"), ENOENT);
    ck_assert_int_eq(io->sync_dir(io->context, "/proc/self/exe"), ENOTDIR);
    end();
}
END_TEST

START_TEST(posix__memory_is_aligned_as_asked)
{
    begin();
    for (size_t alignment = 1; alignment <= 4u << 20; alignment *= 2) {
        static const size_t sizes[] = { 0, 1, 63, 64, 100, 4095, 70001 };
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            void *memory = io->alloc(io->context, sizes[i], alignment);
            ck_assert_ptr_nonnull(memory);
            ck_assert_uint_eq((uintptr_t)memory % alignment, 0);
            memset(memory, 1, sizes[i]);
            io->free(io->context, memory, sizes[i]);
        }
    }
    volatile size_t too_much = SIZE_MAX - 10; /* volatile: the compiler would complain */
    ck_assert_ptr_null(io->alloc(io->context, too_much, 4096)); /* rounding it up overflows */
    io_free(io, NULL, 0);
    end();
}
END_TEST

START_TEST(posix__clock_goes_forward_and_random_bytes_differ)
{
    begin();
    uint64_t last = io->now_ns(io->context);
    for (int i = 0; i < 10000; i++) {
        uint64_t now = io->now_ns(io->context);
        ck_assert_uint_ge(now, last);
        last = now;
    }
    uint8_t a[64] = { 0 }, b[64] = { 0 }, big[1000] = { 0 };
    ck_assert_int_eq(io->random(io->context, a, sizeof a), 0);
    ck_assert_int_eq(io->random(io->context, b, sizeof b), 0);
    ck_assert_int_eq(io->random(io->context, big, sizeof big), 0);
    ck_assert_int_ne(memcmp(a, b, sizeof a), 0);
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof big; i++)
        zeros += big[i] == 0;
    ck_assert_uint_lt(zeros, 100); /* the whole of it was filled */
    end();
}
END_TEST

LEVIN_TEST_MAIN("io_posix", TEST(posix__open_flags_mean_what_they_say), TEST(posix__descriptors_are_closed_on_exec),
                TEST(posix__nothing_printed_to_a_closed_descriptor_reaches_a_file),
                TEST(posix__gathered_writes_are_read_back), TEST(posix__offsets_out_of_range_are_refused),
                TEST(posix__preallocate_keeps_what_is_there_and_writes_zeros_after_it),
                TEST(posix__a_file_size_limit_gives_a_short_write_and_then_an_error),
                TEST(posix__locks_exclude_handles_of_this_and_of_other_processes),
                TEST(posix__ranges_are_locked_by_themselves), TEST(posix__a_child_changes_no_file_of_its_parent),
                TEST(posix__names_are_listed_renamed_and_removed), TEST(posix__memory_is_aligned_as_asked),
                TEST(posix__clock_goes_forward_and_random_bytes_differ))
