/*
 * recorder_calls_test.c - call by call: a small program that makes one system call has it in its trace, by its name and
 * as what it does; what the recorder does not know is refused and noted, not missed.
 *
 * Where libc has a wrapper with another way (it makes openat for open, pwrite64 for pwrite), the call is made by
 * syscall().  Every trace, replayed, gives the files.
 */
#include "check_main.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "recorder_run_test.h"

/* A file that stood there before, and lies in the trace's beginning for nobody: 10,000 bytes. */
static int file_open(void)
{
    static const char bytes[10000];
    int fd = open("file", O_RDWR | O_CREAT, 0644);
    NEED(fd >= 0 && pwrite(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
    return fd;
}

static long call(long number, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f)
{
    return syscall(number, a, b, c, d, e, f);
}
#define CALL4(number, a, b, c, d) call(number, (uintptr_t)(a), (uintptr_t)(b), (uintptr_t)(c), (uintptr_t)(d), 0, 0)
#define CALL6(number, a, b, c, d, e, f)                                                                         \
    call(number, (uintptr_t)(a), (uintptr_t)(b), (uintptr_t)(c), (uintptr_t)(d), (uintptr_t)(e), (uintptr_t)(f))

static void *map_of(int fd)
{
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    NEED(map != MAP_FAILED);
    memcpy(map + 4090, "over two pages", 14);
    return map;
}

/* ---- The programs ----------------------------------------------------------------------------------------- */

#define RW (O_CREAT | O_RDWR)
#define MODE 0644
static const struct iovec parts[2] = { { (char[]){ "ab" }, 2 }, { (char[]){ "cde" }, 3 } };

static void do_open(void) { NEED(CALL4(SYS_open, "new", RW, MODE, 0) >= 0); }
static void do_openat(void) { NEED(CALL4(SYS_openat, AT_FDCWD, "new", RW, MODE) >= 0); }
static void do_openat2(void)
{
    uint64_t how[3] = { RW, MODE, 0 };
    NEED(CALL4(SYS_openat2, AT_FDCWD, "new", how, sizeof how) >= 0);
}
static void do_creat(void) { NEED(CALL4(SYS_creat, "new", MODE, 0, 0) >= 0); }
static void do_open_truncates(void) { NEED(file_open() >= 0 && open("file", O_WRONLY | O_TRUNC) >= 0); }
static void do_tmpfile(void) { NEED(open(".", O_TMPFILE | O_RDWR, 0600) >= 0); }
static void do_write(void) { NEED(CALL4(SYS_write, file_open(), "ab", 2, 0) == 2); }
static void do_pwrite(void) { NEED(CALL4(SYS_pwrite64, file_open(), "ab", 2, 9) == 2); }
static void do_writev(void) { NEED(writev(file_open(), parts, 2) == 5); }
static void do_pwritev(void) { NEED(CALL6(SYS_pwritev, file_open(), parts, 2, 9, 0, 0) == 5); }
static void do_pwritev2(void) { NEED(CALL6(SYS_pwritev2, file_open(), parts, 2, 9, 0, RWF_DSYNC) == 5); }
static void do_append(void)
{
    int fd = file_open();
    NEED(fcntl(fd, F_SETFL, O_APPEND) == 0 && write(fd, "end", 3) == 3);
}
static void do_dsync(void)
{
    NEED(file_open() >= 0);
    NEED(pwrite(open("file", O_WRONLY | O_DSYNC), "ab", 2, 0) == 2);
}
static void do_direct(void)
{
    static _Alignas(4096) char block[4096] = "past the cache";
    NEED(file_open() >= 0);
    NEED(pwrite(open("file", O_WRONLY | O_DIRECT), block, sizeof block, 4096) == (ssize_t)sizeof block);
}
static void do_fsync(void) { NEED(fsync(file_open()) == 0); }
static void do_fdatasync(void) { NEED(fdatasync(file_open()) == 0); }
static void do_sync_file_range(void) { NEED(sync_file_range(file_open(), 0, 4096, SYNC_FILE_RANGE_WRITE) == 0); }
static void do_syncfs(void) { NEED(syncfs(file_open()) == 0); }
static void do_sync(void) { sync(); }
static void do_fsync_directory(void) { NEED(fsync(open(".", O_RDONLY | O_DIRECTORY)) == 0); }
static void do_truncate(void) { NEED(file_open() >= 0 && truncate("file", 700) == 0); }
static void do_ftruncate(void) { NEED(ftruncate(file_open(), 700) == 0); }
static void do_fallocate(void) { NEED(fallocate(file_open(), 0, 0, 20000) == 0); }
static void do_punch(void)
{
    int fd = file_open();
    NEED(pwrite(fd, "gone", 4, 5000) == 4);
    NEED(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096) == 0);
}
static void do_collapse(void) { NEED(fallocate(file_open(), FALLOC_FL_COLLAPSE_RANGE, 0, 4096) == -1); }
static void do_msync(void) { NEED(msync(map_of(file_open()), 8192, MS_SYNC) == 0); }
static void do_munmap(void) { NEED(munmap(map_of(file_open()), 8192) == 0); }
static void do_map_until_exit(void) { map_of(file_open()); }
static void do_mremap(void)
{
    char *map = mremap(map_of(file_open()), 8192, 1 << 20, MREMAP_MAYMOVE);
    NEED(map != MAP_FAILED);
    memcpy(map + 8192, "later", 5);
}
static void do_copy_file_range(void)
{
    NEED(copy_file_range(file_open(), &(off64_t){ 0 }, open("copy", RW, MODE), NULL, 5000, 0) == 5000);
}
static void do_sendfile(void)
{
    off_t from = 10;
    NEED(CALL4(SYS_sendfile, open("copy", RW, MODE), file_open(), &from, 1000) == 1000 && from == 1010);
}
static void do_splice(void)
{
    int ends[2];
    NEED(pipe(ends) == 0 && write(ends[1], "spliced", 7) == 7);
    NEED(splice(ends[0], NULL, open("copy", RW, MODE), NULL, 7, 0) == 7);
}
static void do_rename(void) { NEED(file_open() >= 0 && CALL4(SYS_rename, "file", "other", 0, 0) == 0); }
static void do_renameat(void)
{
    NEED(file_open() >= 0 && CALL4(SYS_renameat, AT_FDCWD, "file", AT_FDCWD, "other") == 0);
}
static void do_renameat2(void)
{
    NEED(file_open() >= 0);
    NEED(CALL6(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "other", RENAME_NOREPLACE, 0) == 0);
}
static void do_link(void) { NEED(file_open() >= 0 && CALL4(SYS_link, "file", "other", 0, 0) == 0); }
static void do_linkat(void) { NEED(file_open() >= 0 && linkat(AT_FDCWD, "file", AT_FDCWD, "other", 0) == 0); }
static void do_unlink(void) { NEED(file_open() >= 0 && CALL4(SYS_unlink, "file", 0, 0, 0) == 0); }
static void do_unlinkat(void) { NEED(file_open() >= 0 && unlinkat(AT_FDCWD, "file", 0) == 0); }
static void do_mkdir(void) { NEED(CALL4(SYS_mkdir, "new", 0755, 0, 0) == 0); }
static void do_mkdirat(void) { NEED(mkdirat(AT_FDCWD, "new", 0755) == 0); }
static void do_rmdir(void) { NEED(mkdir("new", 0755) == 0 && CALL4(SYS_rmdir, "new", 0, 0, 0) == 0); }
static void do_mknod(void)
{
    NEED(CALL4(SYS_mknod, "new", S_IFREG | 0644, 0, 0) == 0 && write(open("new", O_WRONLY), "ab", 2) == 2);
}
static void do_mknodat(void) { NEED(mknod("new", S_IFREG | 0644, 0) == 0 && truncate("new", 9) == 0); }
static void do_fifo(void) { NEED(mkfifo("new", 0644) == 0); }
static void do_symlink(void) { NEED(symlink("nowhere", "new") == 0); }
static void do_io_uring(void)
{
    char parameters[256] = { 0 };
    NEED(CALL4(SYS_io_uring_setup, 8, parameters, 0, 0) == -1 && errno == ENOSYS);
}
static void do_aio(void)
{
    uint64_t context = 0;
    NEED(CALL4(SYS_io_setup, 8, &context, 0, 0) == -1 && errno == ENOSYS);
}
static void do_clone_range(void)
{
    NEED(ioctl(open("copy", RW, MODE), FICLONE, file_open()) == -1 && errno == EOPNOTSUPP);
}
static void do_read(void)
{
    char bytes[16];
    int fd = file_open();
    NEED(pread(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes && close(fd) == 0);
}

/* ---- What each has to leave ------------------------------------------------------------------------------- */

typedef struct call_case {
    recorded_body body;
    trace_op op;        /* of the entry that ... */
    const char *call;   /* ... has this call, and these names */
    uint64_t count;     /* file_open()'s own is among them */
} call_case;

static const call_case calls[] = {
    { { "open", do_open }, TRACE_CREATE, "open new", 1 },
    { { "openat", do_openat }, TRACE_CREATE, "openat new", 1 },
    { { "openat2", do_openat2 }, TRACE_CREATE, "openat2 new", 1 },
    { { "creat", do_creat }, TRACE_CREATE, "creat new", 1 },
    { { "open, O_TRUNC", do_open_truncates }, TRACE_TRUNCATE, "openat", 1 },
    { { "open, O_TMPFILE", do_tmpfile }, TRACE_CREATE, "openat", 1 },
    { { "write", do_write }, TRACE_WRITE, "write", 1 },
    { { "pwrite64", do_pwrite }, TRACE_WRITE, "pwrite64", 2 },
    { { "writev", do_writev }, TRACE_WRITE, "writev", 1 },
    { { "pwritev", do_pwritev }, TRACE_WRITE, "pwritev", 1 },
    { { "pwritev2, RWF_DSYNC", do_pwritev2 }, TRACE_SYNC_RANGE, "pwritev2", 1 },
    { { "write, O_APPEND", do_append }, TRACE_WRITE, "write", 1 },
    { { "write, O_DSYNC", do_dsync }, TRACE_SYNC_RANGE, "pwrite64", 1 },
    { { "write, O_DIRECT", do_direct }, TRACE_WRITE, "pwrite64", 2 },
    { { "fsync", do_fsync }, TRACE_SYNC, "fsync", 1 },
    { { "fdatasync", do_fdatasync }, TRACE_SYNC, "fdatasync", 1 },
    { { "fsync of a directory", do_fsync_directory }, TRACE_SYNC_DIR, "fsync", 1 },
    { { "sync_file_range", do_sync_file_range }, TRACE_FLUSH, "sync_file_range", 1 },
    { { "syncfs", do_syncfs }, TRACE_SYNC_ALL, "syncfs", 1 },
    { { "sync", do_sync }, TRACE_SYNC_ALL, "sync", 1 },
    { { "truncate", do_truncate }, TRACE_TRUNCATE, "truncate", 1 },
    { { "ftruncate", do_ftruncate }, TRACE_TRUNCATE, "ftruncate", 1 },
    { { "fallocate", do_fallocate }, TRACE_PREALLOCATE, "fallocate", 1 },
    { { "fallocate, a hole", do_punch }, TRACE_WRITE, "fallocate", 1 },
    { { "fallocate, moving", do_collapse }, TRACE_NOTE, "fallocate", 1 },
    { { "msync", do_msync }, TRACE_SYNC_RANGE, "msync", 1 },
    { { "mmap, until munmap", do_munmap }, TRACE_WRITE, RECORDING_MAP_STORE, 1 },
    { { "mmap, until the exit", do_map_until_exit }, TRACE_WRITE, RECORDING_MAP_STORE, 1 },
    { { "mremap", do_mremap }, TRACE_WRITE, RECORDING_MAP_STORE, 2 },
    { { "copy_file_range", do_copy_file_range }, TRACE_WRITE, "write", 1 },
    { { "sendfile", do_sendfile }, TRACE_WRITE, "write", 1 },
    { { "splice", do_splice }, TRACE_WRITE, "write", 1 },
    { { "rename", do_rename }, TRACE_RENAME, "rename file to other", 1 },
    { { "renameat", do_renameat }, TRACE_RENAME, "renameat file to other", 1 },
    { { "renameat2", do_renameat2 }, TRACE_RENAME, "renameat2 file to other", 1 },
    { { "link", do_link }, TRACE_LINK, "link file to other", 1 },
    { { "linkat", do_linkat }, TRACE_LINK, "linkat file to other", 1 },
    { { "unlink", do_unlink }, TRACE_UNLINK, "unlink file", 1 },
    { { "unlinkat", do_unlinkat }, TRACE_UNLINK, "unlinkat file", 1 },
    { { "mkdir", do_mkdir }, TRACE_MAKE_DIR, "mkdir new", 1 },
    { { "mkdirat", do_mkdirat }, TRACE_MAKE_DIR, "mkdirat new", 1 },
    { { "rmdir", do_rmdir }, TRACE_UNLINK, "rmdir new", 1 },
    { { "mknod of a file", do_mknod }, TRACE_CREATE, "mknod", 1 },
    { { "mknodat of a file", do_mknodat }, TRACE_CREATE, "mknodat new", 1 },
    { { "mknodat of a fifo", do_fifo }, TRACE_NOTE, "mknodat new", 1 },
    { { "symlink", do_symlink }, TRACE_NOTE, "symlink", 1 },
    { { "io_uring", do_io_uring }, TRACE_NOTE, "io_uring_setup", 1 },
    { { "aio", do_aio }, TRACE_NOTE, "io_setup", 1 },
    { { "FICLONE", do_clone_range }, TRACE_CREATE, "openat copy", 1 },
    { { "read and close", do_read }, TRACE_WRITE, "pwrite64", 1 },
};
enum { CALLS = sizeof calls / sizeof calls[0] };

__attribute__((constructor)) static void body(void)
{
    for (size_t i = 0; i < CALLS; i++)
        recorded_bodies(&calls[i].body, 1);
}

/* How many entries are of that call. */
static uint64_t entries_of(const trace *t, const call_case *c)
{
    const size_t bytes = strlen(c->call);
    uint64_t n = 0;
    for (uint64_t i = trace_start(t); i < trace_length(t); i++) {
        const trace_entry *e = trace_at(t, i);
        n += e->op == c->op && e->call && !strncmp(e->call, c->call, bytes) &&
             (!e->call[bytes] || strchr(" :,", e->call[bytes]));
    }
    return n;
}

/* Under its own name, for the test that fails to say it. */
static void must_be_recorded(const call_case *c)
{
    recording r = record_body(c->body.name);
    const uint64_t count = entries_of(r.trace, c);
    for (uint64_t i = trace_start(r.trace); count != c->count && i < trace_length(r.trace); i++)
        fprintf(stderr, "%s: op %d, %s\n", c->body.name, (int)trace_at(r.trace, i)->op, trace_at(r.trace, i)->call);
    ck_assert_msg(r.status == 0, "%s: status %x", c->body.name, (unsigned)r.status);
    ck_assert_msg(count == c->count, "%s: %llu times", c->body.name, (unsigned long long)count);
    ck_assert_msg(!r.problem[0], "%s: %s", c->body.name, r.problem);
    must_match(&r, 0);
}

START_TEST(recorder_calls__each_is_in_the_trace)
{
    for (size_t i = 0; i < CALLS; i++)
        must_be_recorded(&calls[i]);
}
END_TEST

LEVIN_TEST_MAIN("recorder, call by call", TEST(recorder_calls__each_is_in_the_trace))
