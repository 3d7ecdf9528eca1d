/*
 * recorder_test.c - what a program does below a directory is in its trace, whoever makes the call and by whatever way;
 * a trace replayed without a crash gives the very files that the program left.
 *
 * The programs are this one, begun again (recorder_run_test.h), and sqlite3, git and sh.
 */
#include "check_main.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorder_run_test.h"

/* ---- Programs that are recorded --------------------------------------------------------------------------- */

/* Each way to write, and each to change a size. */
static void body_data(void)
{
    char bytes[3000];
    memset(bytes, 'b', sizeof bytes);
    int fd = make_file("data", "0123456789");
    struct iovec two[2] = { { bytes, 100 }, { bytes, 2000 } };
    NEED(pwrite(fd, "xx", 2, 4) == 2 && pwritev(fd, two, 2, 5000) == 2100 && writev(fd, two, 2) == 2100);
    NEED(pwritev2(fd, two, 2, -1, RWF_DSYNC) == 2100 && fsync(fd) == 0 && fdatasync(fd) == 0);
    NEED(syscall(SYS_pwrite64, fd, "raw", 3, 77) == 3 && sync_file_range(fd, 0, 4096, 7) == 0);
    NEED(ftruncate(fd, 6000) == 0 && truncate("data", 5999) == 0);
    NEED(fallocate(fd, 0, 0, 20000) == 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 30000, 10000) == 0);
    NEED(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096) == 0);
    int more = open("data", O_WRONLY | O_APPEND), copy = creat("copy", 0600);
    int sent = open("sent", O_CREAT | O_WRONLY, 0600);
    NEED(write(more, "end", 3) == 3 && pwrite(more, "end", 3, 0) == 3);
    NEED(lseek(fd, 0, SEEK_SET) == 0 && copy_file_range(fd, NULL, copy, NULL, 5000, 0) == 5000);
    off_t from = 10;
    NEED(sendfile(sent, fd, &from, 1000) == 1000 && from == 1010);
    FILE *stream = fopen("stream", "w");
    NEED(stream && fprintf(stream, "%0999d\n", 1) == 1000 && fseek(stream, 10, SEEK_SET) == 0);
    NEED(fputs("middle", stream) >= 0 && fclose(stream) == 0);
    NEED(close(make_file("data", "short")) == 0); /* O_TRUNC of what is open elsewhere */
    NEED(dup2(fd, 200) == 200 && close(fd) == 0 && pwrite(200, "dup", 3, 50) == 3);
    NEED(posix_fallocate(sent, 0, 5000) == 0);
    sync();
}

/* Each way to change names; a descriptor goes on after its name. */
static void body_names(void)
{
    NEED(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0 && mkdirat(AT_FDCWD, "gone", 0755) == 0);
    int directory = open("a", O_RDONLY | O_DIRECTORY), fd = make_file("a/b/one", "one");
    NEED(rename("a/b/one", "a/two") == 0 && write(fd, "+", 1) == 1);
    NEED(link("a/two", "three") == 0 && linkat(directory, "two", AT_FDCWD, "four", 0) == 0 && unlink("a/two") == 0);
    NEED(write(fd, "+", 1) == 1 && renameat(AT_FDCWD, "a/b", directory, "c") == 0);
    close(make_file("a/c/five", "five"));
    close(make_file("a/c/six", "six"));
    NEED(rename("a/c/five", "a/c/six") == 0 && rename("three", "four") == 0); /* onto another; onto itself */
    NEED(rmdir("gone") == 0 && chdir("a/c") == 0);
    close(make_file("../seven", "7"));
    NEED(chdir("../..") == 0 && fsync(directory) == 0);
    int nameless = open("a", O_TMPFILE | O_RDWR, 0600);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", nameless);
    NEED(nameless >= 0 && write(nameless, "from nowhere", 12) == 12 && fsync(nameless) == 0);
    NEED(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
    int deleted = make_file("deleted", "x");
    NEED(unlink("deleted") == 0 && write(deleted, "yy", 2) == 2 && close(deleted) == 0);
    close(make_file("deleted", "again")); /* likely with the number of the first */
    char outside[] = "/tmp/levin-recorder-test-XXXXXX";
    int other = mkstemp(outside);
    NEED(other >= 0 && write(other, "outside", 7) == 7);
    if (rename(outside, "came") != 0) { /* another file system */
        NEED(errno == EXDEV && unlink(outside) == 0);
        close(make_file("came", "outside"));
    }
}

static void body_maps(void)
{
    int fd = open("map", O_CREAT | O_RDWR, 0644), late = make_file("late", "late");
    NEED(ftruncate(fd, 3 << 20) == 0 && ftruncate(late, 8192) == 0);
    char *map = mmap(NULL, 3 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *read_only = mmap(NULL, 8192, PROT_READ, MAP_SHARED, late, 0);
    NEED(map != MAP_FAILED && read_only != MAP_FAILED);
    memcpy(map + 5000, "stored", 6);
    NEED(msync(map, 8192, MS_SYNC) == 0);
    memcpy(map + (2 << 20), "far", 3);
    NEED(mprotect(read_only, 8192, PROT_READ | PROT_WRITE) == 0);
    memcpy(read_only + 4095, "two pages", 9);
    NEED(munmap(map + (1 << 20), 4096) == 0); /* out of the middle */
    memcpy(map, "first", 5);
    NEED(munmap(read_only, 8192) == 0 && fsync(fd) == 0);
    memcpy(map + 4096, "seen at the exit", 16);
}

static void *appender(void *context)
{
    const char *name = context;
    for (int i = 0; i < 50; i++) {
        char line[32];
        int fd = open("all", O_WRONLY | O_APPEND | O_CREAT, 0644), n = snprintf(line, sizeof line, "%s %d\n", name, i);
        NEED(fd >= 0 && write(fd, line, (size_t)n) == n && (i % 8 || fsync(fd) == 0) && close(fd) == 0);
        int own = open(name, O_WRONLY | O_CREAT, 0644);
        NEED(pwrite(own, line, (size_t)n, i * 7) == n && close(own) == 0);
        NEED(rename(name, i % 2 ? "shared" : name) == 0);
    }
    return NULL;
}

static void body_threads(void)
{
    static char names[4][8] = { "one", "two", "three", "four" };
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        NEED(pthread_create(&threads[i], NULL, appender, names[i]) == 0);
    pid_t child = fork();
    if (child == 0) {
        appender((char[]){ "child" });
        _exit(0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int status;
    NEED(waitpid(child, &status, 0) == child && status == 0);
}

enum { MADE_FILES = 300, MAKERS = 4 };

static void *maker(void *context)
{
    pthread_barrier_t *together = context;
    for (int i = 0; i < MADE_FILES; i++) {
        char name[24];
        snprintf(name, sizeof name, "made-%d", i);
        pthread_barrier_wait(together);
        int fd = open(name, O_WRONLY | O_APPEND | O_CREAT, 0644);
        NEED(fd >= 0 && write(fd, "made\n", 5) == 5 && close(fd) == 0);
    }
    return NULL;
}

static void body_makers(void)
{
    pthread_barrier_t together;
    pthread_t threads[MAKERS];
    NEED(pthread_barrier_init(&together, NULL, MAKERS) == 0);
    for (int i = 0; i < MAKERS; i++)
        NEED(pthread_create(&threads[i], NULL, maker, &together) == 0);
    for (int i = 0; i < MAKERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&together);
}

/* Signals blocked, environment cleaned, handlers taken away: it is recorded all the same. */
static void body_hostile(void)
{
    sigset_t all;
    memset(&all, 0xff, sizeof all);
    NEED(sigprocmask(SIG_BLOCK, &all, NULL) == 0 && pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    signal(SIGSYS, SIG_DFL);
    close(make_file("blocked", "blocked"));
    for (int i = 3; i < 100; i++)
        close(i);
    posix_spawn_file_actions_t actions;
    char script[] = "echo spawned; echo more >more; printf end >>more", sh[] = "sh", c[] = "-c";
    char *command[] = { sh, c, script, NULL }, *nothing[] = { NULL };
    pid_t child;
    int status;
    NEED(posix_spawn_file_actions_init(&actions) == 0 &&
         posix_spawn_file_actions_addopen(&actions, 1, "spawned", O_WRONLY | O_CREAT, 0644) == 0);
    NEED(posix_spawn(&child, "/bin/sh", &actions, NULL, command, nothing) == 0);
    NEED(waitpid(child, &status, 0) == child && status == 0);
    posix_spawn_file_actions_destroy(&actions);
    child = vfork();
    if (child == 0) {
        execve("/bin/sh", (char *[]){ sh, c, (char[]){ "echo vforked >vforked" }, NULL }, nothing);
        _exit(1);
    }
    NEED(waitpid(child, &status, 0) == child && status == 0);
}

static void body_unsupported(void)
{
    char parameters[256] = { 0 };
    NEED(syscall(SYS_io_uring_setup, 8, parameters) == -1 && errno == ENOSYS);
    NEED(symlink("nowhere", "link") == 0);
    close(make_file("x", "x"));
    close(make_file("y", "y"));
    NEED(syscall(SYS_renameat2, AT_FDCWD, "x", AT_FDCWD, "y", 2 /* RENAME_EXCHANGE */) == -1 && errno == EINVAL);
    NEED(unlink("link") == 0);
    static const char loader[] = "/sbin/ldconfig"; /* static in Debian */
    if (access(loader, X_OK) == 0 && execl(loader, loader, "-p", NULL) == -1)
        NEED(errno == EACCES);
}

static void body_killed(void)
{
    int fd = open("map", O_CREAT | O_RDWR, 0644);
    NEED(ftruncate(fd, 1 << 20) == 0);
    char *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memcpy(map, "seen", 4);
    NEED(msync(map, 1 << 20, MS_SYNC) == 0);
    memcpy(map + 9000, "not seen by any call", 20);
    kill(getpid(), SIGKILL);
}

/* Under `plan_text`: what each call answers, and what the program then sees. */
static void body_hurt(void)
{
    char bytes[4096], back[4096];
    memset(bytes, 'a', sizeof bytes);
    int fd = open("db", O_CREAT | O_RDWR, 0644), log = open("db-wal", O_CREAT | O_RDWR, 0644);
    NEED(fd >= 0 && log >= 0 && pwrite(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes);
    NEED(pwrite(log, "kept", 4, 0) == 4 && fsync(log) == 0 && pwrite(log, "gone", 4, 0) == 4);
    NEED(fsync(log) == -1 && errno == EIO && fsync(log) == 0);             /* a success that is none */
    NEED(pread(log, back, 4, 0) == 4 && !memcmp(back, "gone", 4));         /* the page cache goes on showing it */
    NEED(write(log, bytes, 1000) == 100 && lseek(log, 0, SEEK_CUR) == 100); /* short */
    NEED(write(log, bytes, 1000) == -1 && errno == ENOSPC);
    NEED(pwrite(fd, bytes, 512, 8192) == 512 && pread(fd, back, 512, 8192) == 512);
    int bits = 0;
    for (int i = 0; i < 512; i++)
        bits += __builtin_popcount((unsigned char)back[i] ^ 'a');
    NEED(bits == 1);                                                       /* flipped */
    NEED(pwrite(fd, "away", 4, 0) == 4 && pread(fd, back, 4, 512) == 4 && !memcmp(back, "away", 4)); /* misdirected */
    NEED(pwrite(fd, "lost", 4, 0) == 4 && pread(fd, back, 4, 0) == 4 && !memcmp(back, "aaaa", 4));
    memset(bytes, 'b', sizeof bytes);
    NEED(pwrite(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes && pread(fd, back, sizeof back, 0) == sizeof back);
    int old = 0;
    for (size_t i = 0; i < sizeof back; i++)
        old += back[i] != 'b';
    NEED(old == 512);                                                      /* a stale sector */
    NEED(rename("db-wal", "x") == -1 && errno == EIO && access("x", F_OK) == -1);
    NEED(unlink("db-wal") == -1 && errno == EROFS && access("db-wal", F_OK) == -1); /* made, and called failed */
    NEED(mkdir("dir", 0755) == -1 && errno == ENOSPC && open("new", O_CREAT | O_RDWR, 0644) == -1 && errno == EMFILE);
    NEED(ftruncate(fd, 1) == -1 && errno == EIO && fallocate(fd, 0, 0, 100000) == -1 && errno == ENOSPC);
    int directory = open(".", O_RDONLY | O_DIRECTORY);
    NEED(fsync(directory) == 0 && fsync(directory) == -1 && errno == EIO && fsync(directory) == 0);
    NEED(read(fd, back, 100) == -1 && errno == EIO && read(fd, back, 100) == 7 && read(fd, back, 100) == 100);
}

/* Under a plan whose first msync fails, and whose third is a lie. */
static void body_hurt_maps(void)
{
    int fd = open("map", O_CREAT | O_RDWR, 0644);
    NEED(ftruncate(fd, 8192) == 0 && fsync(fd) == 0);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memcpy(map, "gone", 4);
    NEED(msync(map, 8192, MS_SYNC) == -1 && errno == EIO && !memcmp(map, "gone", 4));
    memcpy(map + 4096, "kept", 4);
    NEED(msync(map, 8192, MS_SYNC) == 0);
    memcpy(map + 4096, "lied", 4);
    NEED(msync(map, 8192, MS_ASYNC) == 0 && msync(map, 8192, MS_SYNC) == 0);
}

__attribute__((constructor)) static void body(void)
{
    static const recorded_body bodies[] = {
        { "data", body_data },       { "names", body_names },     { "maps", body_maps },
        { "threads", body_threads }, { "makers", body_makers }, { "hostile", body_hostile }, { "killed", body_killed },
        { "unsupported", body_unsupported }, { "hurt", body_hurt }, { "hurt maps", body_hurt_maps },
    };
    recorded_bodies(bodies, sizeof bodies / sizeof bodies[0]);
}

/* ---- Tests ------------------------------------------------------------------------------------------------ */

START_TEST(recorder__every_way_to_write_is_in_the_trace)
{
    recording r = record_body("data");
    ck_assert_int_eq(r.status, 0);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC, "fsync"), 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC, "fdatasync"), 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC_RANGE, "pwritev2"), 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC_ALL, "sync"), 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_FLUSH, NULL), 1);
    ck_assert_uint_ge(count_of(r.trace, TRACE_TRUNCATE, NULL), 3);
    must_match(&r, 25);
}
END_TEST

START_TEST(recorder__names_links_and_nameless_files_are_in_the_trace)
{
    recording r = record_body("names");
    ck_assert_int_eq(r.status, 0);
    ck_assert_uint_eq(count_of(r.trace, TRACE_LINK, NULL), 3);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC_DIR, NULL), 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_RENAME, "a/b to a/c"), 1);
    must_match(&r, 30);
}
END_TEST

START_TEST(recorder__stores_into_shared_maps_are_found_by_comparing)
{
    recording r = record_body("maps");
    ck_assert_int_eq(r.status, 0);
    ck_assert_uint_ge(count_of(r.trace, TRACE_WRITE, "store into a map"), 5);
    ck_assert_uint_eq(count_of(r.trace, TRACE_WRITE, "found at the end"), 0);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC_RANGE, "msync"), 1);
    must_match(&r, 8);
}
END_TEST

START_TEST(recorder__threads_and_children_have_one_order)
{
    recording r = record_body("threads");
    ck_assert_int_eq(r.status, 0);
    uint32_t most = 0;
    for (uint64_t i = 0; i < trace_length(r.trace); i++)
        most = trace_at(r.trace, i)->thread > most ? trace_at(r.trace, i)->thread : most;
    ck_assert_uint_ge(most, 5);
    must_match(&r, 5 * 100);
}
END_TEST

/* Several threads find that it is not there; one of them makes it. */
START_TEST(recorder__a_file_that_several_make_is_made_once)
{
    recording r = record_body("makers");
    ck_assert_int_eq(r.status, 0);
    ck_assert_uint_eq(count_of(r.trace, TRACE_CREATE, NULL), MADE_FILES);
    must_match(&r, MADE_FILES * (1 + MAKERS));
}
END_TEST

START_TEST(recorder__a_hostile_program_is_recorded_all_the_same)
{
    recording r = record_body("hostile");
    ck_assert_int_eq(r.status, 0);
    ck_assert_uint_eq(count_of(r.trace, TRACE_CREATE, NULL), 4);
    must_match(&r, 8);
}
END_TEST

START_TEST(recorder__what_is_not_supported_is_noted)
{
    recording r = record_body("unsupported");
    ck_assert_int_eq(r.status, 0);
    ck_assert_uint_eq(count_of(r.trace, TRACE_NOTE, "io_uring_setup"), 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_NOTE, "symlink"), 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_NOTE, "exchanging"), 1);
    if (access("/sbin/ldconfig", X_OK) == 0)
        ck_assert_uint_eq(count_of(r.trace, TRACE_NOTE, "statically linked"), 1);
    must_match(&r, 5);
}
END_TEST

START_TEST(recorder__what_a_killed_process_stored_last_is_found_at_the_end)
{
    recording r = record_body("killed");
    ck_assert(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGKILL);
    ck_assert_uint_eq(count_of(r.trace, TRACE_WRITE, "found at the end"), 1);
    must_match(&r, 4);
}
END_TEST

START_TEST(recorder__sqlite_leaves_what_its_trace_says)
{
    static const char *const modes[] = { "wal", "delete", "persist" };
    for (size_t i = 0; i < 3; i++) {
        char sql[400];
        snprintf(sql, sizeof sql, "pragma journal_mode=%s; create table t(a primary key, b); "
                 "insert into t select value, randomblob(700) from generate_series(1, 40); "
                 "update t set b = 1 where a %% 3; delete from t where a %% 2; "
                 "vacuum; pragma wal_checkpoint; insert into t values (-1, 2);", modes[i]);
        scratch_make();
        recording r = record((const char *const[]){ "sqlite3", "db", sql, NULL });
        ck_assert_int_eq(r.status, 0);
        must_match(&r, 40);
    }
}
END_TEST

START_TEST(recorder__git_leaves_what_its_trace_says)
{
    scratch_make();
    recording r = record((const char *const[]){
        "sh", "-ec", "git init -q . ; git config user.email a@b.c; git config user.name a\n"
        "for i in 1 2 3; do echo $i >f$i; git add f$i; git commit -q -m $i; done\n"
        "git checkout -q -b other HEAD~1; git merge -q --no-edit @{-1}; git gc -q; "
        "git mv f1 g1; git commit -q -m four; git fsck", NULL });
    ck_assert_int_eq(r.status, 0);
    ck_assert_uint_ge(r.processes, 15);
    must_match(&r, 200);
}
END_TEST

START_TEST(recorder__output_is_marked_where_it_was_seen)
{
    scratch_make();
    recording r = record((const char *const[]){
        "sh", "-c", "echo before; echo x >file; (echo one; echo two) | cat >&2; echo after", NULL });
    int at = 0;
    static const char *const expected[] = { "before\n", "after\n" };
    for (uint64_t i = 0; i < trace_length(r.trace); i++) {
        const trace_entry *e = trace_at(r.trace, i);
        if (e->op == TRACE_MARK) {
            ck_assert_int_lt(at, 2); /* what goes through a pipe of the program is not seen */
            ck_assert_uint_eq(e->bytes, strlen(expected[at]));
            ck_assert_mem_eq(e->data, expected[at], strlen(expected[at]));
            at++;
        }
    }
    ck_assert_int_eq(at, 2);
    must_match(&r, 4);
}
END_TEST

START_TEST(recorder__promises_come_on_a_descriptor_of_their_own)
{
    char error[RECORDING_PROBLEM_BYTES];
    recording r;
    for (int mark = 3; mark < 10; mark++) { /* some of these are in use here */
        char command[128];
        scratch_make();
        snprintf(command, sizeof command, "echo to nobody; echo x >file; echo promised >&%d", mark);
        recorder_options o = { .directory = scratch, .work_in = scratch, .output = -1, .mark = mark,
                               .command = (const char *const[]){ "sh", "-c", command, NULL } };
        const int failed = recorder_run(&o, &r);
        snprintf(error, sizeof error, "%s", r.problem);
        ck_assert_msg(failed == 0, "%s", error);
        ck_assert_uint_eq(count_of(r.trace, TRACE_MARK, NULL), 1);
        const trace_entry *last = trace_at(r.trace, trace_length(r.trace) - 1);
        ck_assert_uint_eq(last->bytes, 9);
        ck_assert_mem_eq(last->data, "promised\n", 9);
        must_match(&r, 3);
    }
}
END_TEST

START_TEST(recorder__a_difference_is_told)
{
    char difference[300];
    scratch_make();
    recording r = record((const char *const[]){ "sh", "-c", "mkdir d; echo abc >d/file; echo q >other", NULL });
    char path[128];
    snprintf(path, sizeof path, "%s/d/file", scratch);
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, "x", 1, 2), 1);
    ck_assert(!recording_matches(r.trace, scratch, difference, sizeof difference));
    ck_assert_ptr_nonnull(strstr(difference, "d/file: the block at 0"));
    ck_assert_int_eq(ftruncate(fd, 9), 0);
    ck_assert(!recording_matches(r.trace, scratch, difference, sizeof difference));
    ck_assert_ptr_nonnull(strstr(difference, "4 bytes by the trace, 9"));
    close(fd);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(!recording_matches(r.trace, scratch, difference, sizeof difference));
    ck_assert_ptr_nonnull(strstr(difference, "d/file: there by the trace"));
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, "abc\n", 4), 4);
    ck_assert(recording_matches(r.trace, scratch, difference, sizeof difference));
    snprintf(path, sizeof path, "%s/more", scratch);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    ck_assert(!recording_matches(r.trace, scratch, difference, sizeof difference));
    ck_assert_ptr_nonnull(strstr(difference, "more: in the directory"));
    close(fd);
    trace_destroy(r.trace);
    scratch_remove();
}
END_TEST

START_TEST(recorder__a_trace_with_its_start_comes_back_from_a_file)
{
    scratch_make();
    char path[128];
    snprintf(path, sizeof path, "%s/old", scratch);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(write(fd, "was here", 8), 8);
    close(fd);
    recording r = record((const char *const[]){ "sh", "-c", "ln old new; echo more >>old; echo said", NULL });
    trace *back;
    FILE *file = tmpfile();
    ck_assert_int_eq(trace_save(r.trace, file), 0);
    rewind(file);
    ck_assert_int_eq(trace_load(file, &back), 0);
    fclose(file);
    ck_assert_uint_eq(trace_start(back), trace_start(r.trace));
    trace_destroy(r.trace);
    r.trace = back;
    must_match(&r, 3);
}
END_TEST

static const char plan_text[] =
    "levin-fault-plan 1\n"
    "on levin/io/wal/sync nth 2 do error EIO\n"
    "on levin/io/wal/write nth 3 do short 100\n"
    "on levin/io/wal/write nth 4 do error ENOSPC\n"
    "on levin/io/pages/write nth 2 do flip\n"
    "on levin/io/pages/write nth 3 do misdirect +512\n"
    "on levin/io/pages/write nth 4 do lost\n"
    "on levin/io/pages/write nth 5 do stale\n"
    "on levin/io/dir/rename do error EIO\n"
    "on levin/io/dir/unlink do error-after EROFS\n"
    "on levin/io/dir/make_dir do error ENOSPC\n"
    "on levin/io/pages/open nth 2 do error EMFILE\n"
    "on levin/io/pages/truncate do error EIO\n"
    "on levin/io/pages/preallocate do error ENOSPC\n"
    "on levin/io/dir/sync_dir nth 1 do lie\n"
    "on levin/io/dir/sync_dir nth 2 do error EIO\n"
    "on levin/io/pages/read nth 5 do error EIO\n"
    "on levin/io/pages/read nth 6 do short 7\n";

START_TEST(recorder__a_plan_hurts_the_calls_of_a_program)
{
    const plan_rules rules = plan_of(plan_text);
    record_plan = &rules;
    recording r = record_body("hurt");
    record_plan = NULL;
    ck_assert_int_eq(r.status, 0);
    for (size_t i = 0; i < rules.count; i++)
        ck_assert_msg(r.fired[i] == 1, "line %u fired %llu times", rules.rules[i].line,
                      (unsigned long long)r.fired[i]);
    ck_assert_uint_eq(count_of(r.trace, TRACE_NOTE, "fault: "), rules.count);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC_LOST, NULL), 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC_DIR, NULL), 1); /* neither the lie nor the failure */
    must_match(&r, 30);
}
END_TEST

START_TEST(recorder__what_a_failed_sync_lost_is_in_no_state_after_it)
{
    const plan_rules rules = plan_of("levin-fault-plan 1\non levin/io/wal/sync do error EIO\n");
    record_plan = &rules;
    scratch_make();
    recording r = record((const char *const[]){
        "sh", "-c", "echo old >wal; sync; printf new | dd of=wal conv=notrunc,fsync status=none; sync; echo end",
        NULL });
    record_plan = NULL;
    crash_state state;
    crash_explorer *e = crash_open(r.trace, NULL, 1, NULL, NULL);
    char bytes[4] = "";
    ck_assert_uint_eq(r.fired[0], 1);
    ck_assert(crash_seek(e, trace_length(r.trace), 0, &state)); /* everything kept, and synced after the failure */
    disk_image_read(state.image, disk_image_find(state.image, "wal"), bytes, 3, 0);
    ck_assert_str_eq(bytes, "old");
    crash_close(e);
    trace_destroy(r.trace);
    scratch_remove();
}
END_TEST

START_TEST(recorder__an_msync_that_fails_loses_what_was_stored)
{
    const plan_rules rules = plan_of("levin-fault-plan 1\non levin/io/*/sync nth 2 do error EIO\n"
                                     "on levin/io/*/sync nth 4 do lie\n");
    record_plan = &rules;
    recording r = record_body("hurt maps");
    record_plan = NULL;
    ck_assert_int_eq(r.status, 0);
    ck_assert(r.fired[0] == 1 && r.fired[1] == 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC_LOST, "msync"), 1);
    ck_assert_uint_eq(count_of(r.trace, TRACE_SYNC_RANGE, "msync"), 1); /* not the one that lied, nor MS_ASYNC */
    uint64_t at = trace_start(r.trace);
    while (trace_at(r.trace, at)->op != TRACE_SYNC_RANGE)
        at++;
    crash_state state;
    crash_explorer *e = crash_open(r.trace, NULL, 1, NULL, NULL);
    char bytes[5] = "", more[5] = "";
    ck_assert(crash_seek(e, at + 1, 0, &state)); /* all kept, just after the second msync */
    const disk_node map = disk_image_find(state.image, "map");
    disk_image_read(state.image, map, bytes, 4, 0);
    disk_image_read(state.image, map, more, 4, 4096);
    ck_assert_str_eq(bytes, "");
    ck_assert_str_eq(more, "kept");
    crash_close(e);
    trace_destroy(r.trace);
    scratch_remove();
}
END_TEST

START_TEST(recorder__a_plan_that_it_cannot_obey_is_refused)
{
    const char *why = NULL;
    plan_rules rules = plan_of(plan_text);
    ck_assert_uint_eq(recorder_plan_refuses(&rules, &why), 0);
    rules = plan_of("levin-fault-plan 1\n\non levin/mem/alloc do error ENOMEM\n");
    ck_assert_uint_eq(recorder_plan_refuses(&rules, &why), 3);
    ck_assert_ptr_nonnull(why);
    rules = plan_of("levin-fault-plan 1\non levin/io/*/write do clock +1s\n");
    ck_assert_uint_eq(recorder_plan_refuses(&rules, &why), 2);
}
END_TEST

START_TEST(recorder__what_cannot_be_begun_is_told)
{
    recording r;
    scratch_make();
    recorder_options o = { .directory = scratch, .work_in = scratch, .output = -1 };
    o.command = (const char *const[]){ "no-such-program", NULL };
    ck_assert_int_eq(recorder_run(&o, &r), ENOENT);
    ck_assert_ptr_nonnull(strstr(r.problem, "no-such-program"));
    o.command = (const char *const[]){ "sh", "-c", "sleep 100", NULL };
    o.seconds = 0.3;
    ck_assert_int_eq(recorder_run(&o, &r), 0);
    ck_assert(r.timed_out && !r.quiet && WIFSIGNALED(r.status));
    trace_destroy(r.trace);
    o.command = (const char *const[]){ "sh", "-c", "echo x >file; sleep 100", NULL };
    o.seconds = 60;
    o.quiet_seconds = 3;
    ck_assert_int_eq(recorder_run(&o, &r), 0);
    ck_assert(r.timed_out && r.quiet && WIFSIGNALED(r.status));
    trace_destroy(r.trace);
    o.command = (const char *const[]){ "sh", "-c", "for i in 1 2 3 4 5 6 7; do sleep 0.6; echo x >>file; done", NULL };
    ck_assert_int_eq(recorder_run(&o, &r), 0); /* slow, and not quiet for so long */
    ck_assert(!r.timed_out && !r.quiet && r.status == 0);
    trace_destroy(r.trace);
    scratch_remove();
}
END_TEST

LEVIN_TEST_MAIN("recorder", TEST(recorder__every_way_to_write_is_in_the_trace),
                TEST(recorder__names_links_and_nameless_files_are_in_the_trace),
                TEST(recorder__stores_into_shared_maps_are_found_by_comparing),
                TEST(recorder__threads_and_children_have_one_order),
                TEST(recorder__a_file_that_several_make_is_made_once),
                TEST(recorder__a_hostile_program_is_recorded_all_the_same),
                TEST(recorder__what_is_not_supported_is_noted),
                TEST(recorder__what_a_killed_process_stored_last_is_found_at_the_end),
                TEST(recorder__sqlite_leaves_what_its_trace_says), TEST(recorder__git_leaves_what_its_trace_says),
                TEST(recorder__output_is_marked_where_it_was_seen),
                TEST(recorder__promises_come_on_a_descriptor_of_their_own), TEST(recorder__a_difference_is_told),
                TEST(recorder__a_trace_with_its_start_comes_back_from_a_file),
                TEST(recorder__a_plan_hurts_the_calls_of_a_program),
                TEST(recorder__what_a_failed_sync_lost_is_in_no_state_after_it),
                TEST(recorder__an_msync_that_fails_loses_what_was_stored),
                TEST(recorder__a_plan_that_it_cannot_obey_is_refused), TEST(recorder__what_cannot_be_begun_is_told))
