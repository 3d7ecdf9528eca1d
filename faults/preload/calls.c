/*
 * calls.c - makes each stopped call in place of the program, and writes down what it did to files below the root.
 *
 * A call that may change something below is made under the lock, between looking and writing down.  What is not
 * concerned (pipes, terminals, files elsewhere) is made without the lock, under the program's own signal mask.
 * What cannot be recorded is refused as a kernel would that does not have it (io_uring, exchanging two names), so that
 * the program takes another way, and noted; nothing is missed in silence.
 *
 * Concurrency: see log.c; the static buffers belong to who has the lock.
 */
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <elf.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "hurt.h"

enum { COPY_BYTES = 8192, SMALL_MAPS_BYTES = 256 * 1024 };

static uint8_t buffer[65536];
static recorder_place from, to;

static long make(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    if (c->number == SYS_mmap)
        return recorder_mmap((void *)(uintptr_t)a[0], a[1], (int)a[2], (int)a[3], (int)a[4], a[5]);
    return recorder_syscall(c->number, a[0], a[1], a[2], a[3], a[4], (uint32_t)a[5]);
}

/* A call that concerns no file below, and may wait: signals of the program reach it. */
static long pass(const recorder_call *c)
{
    if (!c->signal_mask)
        return make(c);
    const uint64_t blocked = recorder_block_signals();
    recorder_restore_signals(*c->signal_mask);
    long result = make(c);
    recorder_restore_signals(blocked);
    return result;
}

/* Makes a call that is not a write, unless it is to fail; *failed: what the program is to see instead, or 0. */
static long make_hurt(const recorder_call *c, const char *path, bool directory, fault_operation operation, long *failed)
{
    fault_choice choice;
    *failed = 0;
    if (!hurt_asks((uint16_t)c->number, path, directory, operation, 0, 0, &choice))
        return make(c);
    *failed = -choice.os_error;
    if (choice.effect == FAULT_ERROR_AFTER)
        return make(c);
    return *failed;
}

/* Before a call that changes something: what was stored into small maps until now is written down. */
static void begin_change(void)
{
    recorder_lock();
    if (recorder_maps_any())
        recorder_maps_compare(0, SMALL_MAPS_BYTES);
}

static bool modelled(const struct stat *stat)
{
    return S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode);
}

static bool path_below(int directory, const char *path, char relative[RECORDER_PATH_MAX + 256])
{
    long fd = recorder_syscall(SYS_openat, (uint64_t)(int64_t)directory, (uintptr_t)path, O_PATH | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return false;
    bool below = recorder_fd_below((int)fd, relative);
    recorder_syscall(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
    return below;
}

/* ---- Data ------------------------------------------------------------------------------------------------ */

typedef struct transfer {
    int fd;
    const struct iovec *data;
    size_t pieces;
    bool positional;
    uint64_t offset, bytes;
    bool synced;            /* asked for by the call itself */
} transfer;

static transfer transfer_of(const recorder_call *c, struct iovec *one)
{
    const uint64_t *a = c->argument;
    transfer t = { .fd = (int)a[0] };
    if (c->number == SYS_write || c->number == SYS_pwrite64) {
        *one = (struct iovec){ (void *)(uintptr_t)a[1], a[2] };
        t.data = one;
        t.pieces = 1;
        t.bytes = a[2];
    } else {
        t.data = (const struct iovec *)(uintptr_t)a[1];
        t.pieces = a[2] > 1024 ? 0 : (size_t)a[2]; /* more are refused by the kernel, too */
        for (size_t i = 0; i < t.pieces; i++)
            t.bytes += t.data[i].iov_len;
    }
    t.positional = c->number != SYS_write && c->number != SYS_writev &&
                   !(c->number == SYS_pwritev2 && (int64_t)a[3] == -1);
    t.offset = t.positional ? a[3] : 0;
    t.synced = c->number == SYS_pwritev2 && (a[5] & (RWF_DSYNC | RWF_SYNC));
    return t;
}

/* Where the next byte would go. */
static uint64_t write_goes_to(const transfer *t, long status_flags, const struct stat *stat)
{
    if (status_flags & O_APPEND)
        return (uint64_t)stat->st_size;
    return t->positional ? t->offset : (uint64_t)recorder_syscall(SYS_lseek, (uint64_t)t->fd, 0, SEEK_CUR, 0, 0, 0);
}

/* Where `done` bytes have just gone. */
static uint64_t written_at(const transfer *t, long status_flags, uint64_t done)
{
    struct stat stat;
    if (status_flags & O_APPEND)
        return recorder_fstat(t->fd, &stat) ? 0 : (uint64_t)stat.st_size - done;
    if (t->positional)
        return t->offset;
    return (uint64_t)recorder_syscall(SYS_lseek, (uint64_t)t->fd, 0, SEEK_CUR, 0, 0, 0) - done;
}

static long write_call(const recorder_call *c)
{
    char path[RECORDER_PATH_MAX + 256];
    struct stat stat;
    struct iovec one;
    if (recorder_fstat((int)c->argument[0], &stat))
        return make(c);
    const bool mark = recorder->mark_inode && stat.st_ino == recorder->mark_inode &&
                      stat.st_dev == recorder->mark_device;
    if (!mark && (!S_ISREG(stat.st_mode) || !recorder_fd_below((int)c->argument[0], path)))
        return pass(c);
    const transfer t = transfer_of(c, &one);
    begin_change();
    recorder_record r = { .op = mark ? RECORDER_MARK : RECORDER_WRITE, .call = (uint16_t)c->number };
    if (mark) {
        long done = make(c);
        r.bytes = done > 0 ? (uint64_t)done : 0;
        if (done > 0)
            recorder_append(&r, NULL, NULL, NULL, t.data, t.pieces);
        recorder_unlock();
        return done;
    }
    r.inode = stat.st_ino;
    const long status_flags = recorder_syscall(SYS_fcntl, (uint64_t)t.fd, F_GETFL, 0, 0, 0, 0);
    fault_choice choice = { .effect = FAULT_EFFECT_COUNT };
    const hurt_write w = { t.fd, stat.st_ino, path, t.data, t.pieces, t.bytes,
                           hurt_any() ? write_goes_to(&t, status_flags, &stat) : 0, t.positional,
                           (status_flags & O_APPEND) != 0 };
    hurt_asks(r.call, path, false, FAULT_WRITE, w.offset, w.bytes, &choice);
    long done;
    switch (choice.effect) {
    case FAULT_ERROR: done = -choice.os_error; break;
    case FAULT_EFFECT_COUNT:
    case FAULT_ERROR_AFTER: done = make(c); break;
    default:
        done = hurt_written(&w, &choice, r.call);
        recorder_unlock();
        return done;
    }
    if (done > 0) {
        r.bytes = (uint64_t)done;
        r.offset = written_at(&t, status_flags, r.bytes);
        recorder_append(&r, NULL, NULL, path, t.data, t.pieces);
        if (t.synced || (status_flags & O_DSYNC)) {
            r.op = RECORDER_SYNC_RANGE;
            recorder_append(&r, NULL, NULL, path, NULL, 0);
        }
    }
    recorder_unlock();
    return choice.effect == FAULT_ERROR_AFTER ? -choice.os_error : done;
}

/* Copies between descriptors are made as a read and a write, the first part of them: all such calls may be short. */
static long copy_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    const bool send = c->number == SYS_sendfile;
    const int in = (int)(send ? a[1] : a[0]), out = (int)(send ? a[0] : a[2]);
    uint64_t *in_at = (uint64_t *)(uintptr_t)(send ? a[2] : a[1]), *out_at = (uint64_t *)(uintptr_t)(send ? 0 : a[3]);
    const uint64_t asked = send ? a[3] : a[4], bytes = asked < COPY_BYTES ? asked : COPY_BYTES;
    char path[RECORDER_PATH_MAX + 256];
    uint8_t copy[COPY_BYTES];
    struct stat stat;
    if (recorder_fstat(out, &stat) || !S_ISREG(stat.st_mode) || !recorder_fd_below(out, path))
        return pass(c);
    long got = in_at ? recorder_syscall(SYS_pread64, (uint64_t)in, (uintptr_t)copy, bytes, *in_at, 0, 0)
                     : recorder_syscall(SYS_read, (uint64_t)in, (uintptr_t)copy, bytes, 0, 0, 0);
    if (got <= 0)
        return got;
    recorder_call put = { .number = out_at ? SYS_pwrite64 : SYS_write,
                          .argument = { (uint64_t)out, (uintptr_t)copy, (uint64_t)got, out_at ? *out_at : 0, 0, 0 } };
    long done = write_call(&put);
    if (done > 0 && in_at)
        *in_at += (uint64_t)done;
    if (done > 0 && out_at)
        *out_at += (uint64_t)done;
    return done;
}

/* A file that has come in from outside: its contents, as a write. */
static void import(int directory, const char *path, uint64_t inode, uint16_t number, const char *relative)
{
    long fd = recorder_syscall(SYS_openat, (uint64_t)(int64_t)directory, (uintptr_t)path, O_RDONLY | O_CLOEXEC, 0, 0,
                               0);
    if (fd < 0) {
        recorder_note(number, "a file from outside could not be read", relative);
        return;
    }
    recorder_record r = { .op = RECORDER_WRITE, .call = number, .inode = inode };
    for (long got; (got = recorder_syscall(SYS_pread64, (uint64_t)fd, (uintptr_t)buffer, sizeof buffer, r.offset, 0,
                                           0)) > 0;) {
        r.bytes = (uint64_t)got;
        recorder_append(&r, NULL, NULL, relative, &(struct iovec){ buffer, (size_t)got }, 1);
        r.offset += (uint64_t)got;
    }
    recorder_syscall(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
}

/* ---- Opening and sizes ----------------------------------------------------------------------------------- */

static long open_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    int directory = (int)a[0];
    const char *path = (const char *)(uintptr_t)a[1];
    uint64_t flags = a[2];
    struct stat before, after;
    if (c->number == SYS_open || c->number == SYS_creat) {
        directory = AT_FDCWD;
        path = (const char *)(uintptr_t)a[0];
        flags = c->number == SYS_creat ? O_CREAT | O_WRONLY | O_TRUNC : a[1];
    } else if (c->number == SYS_openat2)
        flags = path && a[2] ? ((const struct open_how *)(uintptr_t)a[2])->flags : 0;
    const bool nameless = (flags & O_TMPFILE) == O_TMPFILE;
    if (!path || (!nameless && !(flags & (O_CREAT | O_TRUNC)) && !hurt_any()))
        return pass(c);
    const int follow = flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
    bool there = !recorder_stat_at(directory, path, &before, follow);
    if (there && !nameless && !S_ISREG(before.st_mode)) /* a pipe may make it wait */
        return pass(c);
    begin_change();
    if (!nameless) { /* only now does nobody else make it */
        there = !recorder_stat_at(directory, path, &before, follow);
        if (there && !S_ISREG(before.st_mode)) {
            recorder_unlock();
            return pass(c);
        }
    }
    long failed = 0;
    if (hurt_any())
        recorder_place_at(directory, path, &to);
    long fd = hurt_any() && to.below ? make_hurt(c, to.path, false, FAULT_OPEN, &failed) : make(c);
    if (fd >= 0 && !recorder_fstat((int)fd, &after) && S_ISREG(after.st_mode) &&
        recorder_fd_below((int)fd, (char *)buffer)) {
        recorder_record r = { .op = RECORDER_CREATE, .call = (uint16_t)c->number, .inode = after.st_ino };
        if (nameless)
            recorder_append(&r, NULL, NULL, (char *)buffer, NULL, 0);
        else if (!there) {
            recorder_place_of((char *)buffer, &to);
            r.directory = to.directory;
            recorder_append(&r, to.name, NULL, (char *)buffer, NULL, 0);
        } else if ((flags & O_TRUNC) && before.st_size) {
            r.op = RECORDER_TRUNCATE;
            recorder_append(&r, NULL, NULL, (char *)buffer, NULL, 0);
        }
    }
    recorder_unlock();
    return fd;
}

static long truncate_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    const bool by_path = c->number == SYS_truncate;
    char path[RECORDER_PATH_MAX + 256];
    struct stat stat;
    long seen = by_path ? recorder_stat_at(AT_FDCWD, (const char *)(uintptr_t)a[0], &stat, 0)
                        : recorder_fstat((int)a[0], &stat);
    if (seen || !S_ISREG(stat.st_mode) ||
        !(by_path ? path_below(AT_FDCWD, (const char *)(uintptr_t)a[0], path) : recorder_fd_below((int)a[0], path)))
        return make(c);
    begin_change();
    if (by_path && (recorder_stat_at(AT_FDCWD, (const char *)(uintptr_t)a[0], &stat, 0) || !S_ISREG(stat.st_mode))) {
        seen = make(c); /* another has its name now, or nothing */
        recorder_unlock();
        return seen;
    }
    long failed, result = make_hurt(c, path, false, FAULT_TRUNCATE, &failed);
    if (!result)
        recorder_append(&(recorder_record){ .op = RECORDER_TRUNCATE, .call = (uint16_t)c->number,
                                            .inode = stat.st_ino, .bytes = a[1] },
                        NULL, NULL, path, NULL, 0);
    recorder_unlock();
    return failed ? failed : result;
}

static void append_zeros(recorder_record r, uint64_t end, const char *path)
{
    memset(buffer, 0, sizeof buffer);
    r.op = RECORDER_WRITE;
    while (r.offset < end) {
        r.bytes = end - r.offset < sizeof buffer ? end - r.offset : sizeof buffer;
        recorder_append(&r, NULL, NULL, path, &(struct iovec){ buffer, (size_t)r.bytes }, 1);
        r.offset += r.bytes;
    }
}

static long fallocate_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    const int mode = (int)a[1];
    char path[RECORDER_PATH_MAX + 256];
    struct stat stat;
    if (recorder_fstat((int)a[0], &stat) || !S_ISREG(stat.st_mode) || !recorder_fd_below((int)a[0], path))
        return pass(c);
    begin_change();
    recorder_record r = { .op = RECORDER_PREALLOCATE, .call = (uint16_t)c->number, .inode = stat.st_ino,
                          .offset = a[2], .bytes = a[2] + a[3] };
    long result = -EOPNOTSUPP, failed = 0;
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        recorder_note((uint16_t)c->number, "moving parts of a file with fallocate is not modelled: refused", path);
    else
        result = make_hurt(c, path, false, FAULT_PREALLOCATE, &failed);
    if (!result) {
        const uint64_t size = (uint64_t)stat.st_size, end = r.bytes;
        if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
            append_zeros(r, mode & FALLOC_FL_KEEP_SIZE && end > size ? size : end, path);
        else if (!(mode & FALLOC_FL_KEEP_SIZE)) {
            r.offset = 0;
            recorder_append(&r, NULL, NULL, path, NULL, 0);
        }
    }
    recorder_unlock();
    return failed ? failed : result;
}

/* ---- Syncs ----------------------------------------------------------------------------------------------- */

static long sync_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    char path[RECORDER_PATH_MAX + 256];
    struct stat stat;
    if (recorder_fstat((int)a[0], &stat) || !modelled(&stat) || !recorder_fd_below((int)a[0], path))
        return pass(c);
    begin_change();
    recorder_maps_compare(stat.st_ino, SIZE_MAX);
    recorder_record r = { .op = RECORDER_SYNC, .call = (uint16_t)c->number, .inode = stat.st_ino };
    fault_choice choice = { .effect = FAULT_EFFECT_COUNT };
    const bool directory = S_ISDIR(stat.st_mode);
    if (c->number != SYS_sync_file_range)
        hurt_asks(r.call, path, directory, directory ? FAULT_SYNC_DIR : FAULT_SYNC, 0, 0, &choice);
    const bool made = choice.effect == FAULT_EFFECT_COUNT || choice.effect == FAULT_ERROR_AFTER;
    long result = made ? make(c) : -choice.os_error; /* a lie has no error */
    if (choice.effect == FAULT_ERROR_KEPT)
        r.op = RECORDER_SYNC_KEPT;
    if (c->number == SYS_sync_file_range) {
        r.op = RECORDER_FLUSH;
        r.offset = a[1];
        r.bytes = a[2];
    } else if (result && r.op == RECORDER_SYNC)
        r.op = RECORDER_SYNC_LOST;
    if (choice.effect != FAULT_LIE && (!result || (r.op != RECORDER_FLUSH && !directory)))
        recorder_append(&r, NULL, NULL, path, NULL, 0);
    recorder_unlock();
    return choice.effect == FAULT_ERROR_AFTER ? -choice.os_error : result;
}

static long sync_all_call(const recorder_call *c)
{
    struct stat stat;
    if (c->number == SYS_syncfs &&
        (recorder_fstat((int)c->argument[0], &stat) || stat.st_dev != recorder->root_device))
        return pass(c);
    begin_change();
    recorder_maps_compare(0, SIZE_MAX);
    long result = make(c);
    if (!result)
        recorder_append(&(recorder_record){ .op = RECORDER_SYNC_ALL, .call = (uint16_t)c->number }, NULL, NULL, NULL,
                        NULL, 0);
    recorder_unlock();
    return result;
}

static long msync_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    if (!recorder_maps_any())
        return pass(c);
    begin_change();
    recorder_maps_compare(0, SIZE_MAX);
    const void *at = (const void *)(uintptr_t)a[0];
    const char *path = a[2] & MS_SYNC ? recorder_map_path(at, a[1]) : NULL;
    fault_choice choice = { .effect = FAULT_EFFECT_COUNT };
    if (path)
        hurt_asks((uint16_t)c->number, path, false, FAULT_SYNC, 0, 0, &choice);
    const bool made = choice.effect == FAULT_EFFECT_COUNT || choice.effect == FAULT_ERROR_AFTER;
    const long result = made ? make(c) : -choice.os_error;
    if (path && choice.effect != FAULT_LIE)
        recorder_map_synced(at, a[1],
                            choice.effect == FAULT_ERROR_KEPT ? RECORDER_SYNC_KEPT
                            : result                          ? RECORDER_SYNC_LOST
                                                              : RECORDER_SYNC_RANGE,
                            (uint16_t)c->number);
    recorder_unlock();
    return choice.effect == FAULT_ERROR_AFTER ? -choice.os_error : result;
}

/* ---- Maps ------------------------------------------------------------------------------------------------ */

static long mmap_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    char path[RECORDER_PATH_MAX + 256];
    struct stat stat;
    const int fd = (int)a[4];
    if (recorder_fstat(fd, &stat) || !S_ISREG(stat.st_mode) || !recorder_fd_below(fd, path) ||
        (recorder_syscall(SYS_fcntl, (uint64_t)fd, F_GETFL, 0, 0, 0, 0) & O_ACCMODE) != O_RDWR)
        return make(c);
    begin_change();
    if (a[3] & MAP_FIXED)
        recorder_map_remove((const void *)(uintptr_t)a[0], a[1]);
    long at = make(c);
    if (at >= 0 || at < -4095)
        recorder_map_add((void *)(uintptr_t)at, a[1], (a[2] & PROT_WRITE) != 0, fd, a[5], &stat, path);
    recorder_unlock();
    return at;
}

static long mremap_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    if (!recorder_maps_any())
        return make(c);
    begin_change();
    recorder_maps_compare(0, SIZE_MAX);
    long at = make(c);
    if (at >= 0 || at < -4095)
        recorder_map_moved((const void *)(uintptr_t)a[0], a[1], (void *)(uintptr_t)at, a[2]);
    recorder_unlock();
    return at;
}

/* ---- Names ----------------------------------------------------------------------------------------------- */

static long rename_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    const bool at = c->number != SYS_rename;
    const int from_directory = at ? (int)a[0] : AT_FDCWD, to_directory = at ? (int)a[2] : AT_FDCWD;
    const char *from_path = (const char *)(uintptr_t)a[at], *to_path = (const char *)(uintptr_t)a[at ? 3 : 1];
    const uint16_t number = (uint16_t)c->number;
    struct stat source, target;
    if (!from_path || !to_path)
        return make(c);
    begin_change();
    recorder_place_at(from_directory, from_path, &from);
    recorder_place_at(to_directory, to_path, &to);
    const bool had = !recorder_stat_at(to_directory, to_path, &target, AT_SYMLINK_NOFOLLOW);
    const bool there = !recorder_stat_at(from_directory, from_path, &source, AT_SYMLINK_NOFOLLOW);
    long result, failed = 0;
    if (c->number == SYS_renameat2 && (a[4] & RENAME_EXCHANGE) && (from.below || to.below)) {
        recorder_note(number, "exchanging two names is not modelled: refused", from.path);
        result = -EINVAL;
    } else
        result = from.below ? make_hurt(c, from.path, true, FAULT_RENAME, &failed) : make(c);
    recorder_record r = { .op = RECORDER_RENAME, .call = number, .inode = there ? source.st_ino : 0,
                          .directory = from.directory, .to_directory = to.directory };
    if (result || !there || (had && target.st_ino == source.st_ino) || (!from.below && !to.below)) {
        /* nothing has changed here */
    } else if (!modelled(&source)) {
        if (to.below && had && modelled(&target))
            recorder_append(&(recorder_record){ .op = RECORDER_UNLINK, .call = number, .inode = target.st_ino,
                                                .directory = to.directory },
                            to.name, NULL, to.path, NULL, 0);
    } else if (from.below && to.below)
        recorder_append(&r, from.name, to.name, from.path, NULL, 0);
    else if (from.below) {
        r.op = RECORDER_UNLINK;
        recorder_append(&r, from.name, NULL, from.path, NULL, 0);
    } else if (S_ISDIR(source.st_mode))
        recorder_note(number, "a directory was moved in from outside", to.path);
    else {
        r.op = RECORDER_CREATE;
        r.directory = to.directory;
        recorder_append(&r, to.name, NULL, to.path, NULL, 0);
        import(to_directory, to_path, source.st_ino, number, to.path);
    }
    recorder_unlock();
    return failed ? failed : result;
}

static long link_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    const bool at = c->number != SYS_link;
    const int from_directory = at ? (int)a[0] : AT_FDCWD, to_directory = at ? (int)a[2] : AT_FDCWD;
    const char *from_path = (const char *)(uintptr_t)a[at], *to_path = (const char *)(uintptr_t)a[at ? 3 : 1];
    struct stat stat;
    if (!from_path || !to_path)
        return make(c);
    begin_change();
    recorder_place_at(to_directory, to_path, &to);
    bool known = at && (a[4] & AT_EMPTY_PATH) && !*from_path, from_named = false;
    if (!known && to.below) {
        recorder_place_at(from_directory, from_path, &from);
        from_named = from.below;
        known = from.below || !strncmp(from_path, "/proc/", 6); /* as linkat(2) says for files without a name */
    }
    long result = make(c);
    if (!result && to.below && !recorder_stat_at(to_directory, to_path, &stat, AT_SYMLINK_NOFOLLOW) &&
        S_ISREG(stat.st_mode)) {
        recorder_record r = { .op = known ? RECORDER_LINK : RECORDER_CREATE, .call = (uint16_t)c->number,
                              .inode = stat.st_ino, .directory = to.directory };
        recorder_append(&r, to.name, NULL, known && from_named ? from.path : NULL, NULL, 0);
        if (!known)
            import(to_directory, to_path, stat.st_ino, r.call, to.path);
    }
    recorder_unlock();
    return result;
}

/* unlink, unlinkat, rmdir; mkdir, mkdirat; symlink, symlinkat, mknod, mknodat */
static long name_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    const long n = c->number;
    const bool gone = n == SYS_unlink || n == SYS_unlinkat || n == SYS_rmdir;
    const bool made = n == SYS_mkdir || n == SYS_mkdirat, node = n == SYS_mknod || n == SYS_mknodat;
    int directory = AT_FDCWD;
    const char *path = (const char *)(uintptr_t)a[0];
    struct stat stat;
    if (n == SYS_unlinkat || n == SYS_mkdirat || n == SYS_mknodat) {
        directory = (int)a[0];
        path = (const char *)(uintptr_t)a[1];
    } else if (n == SYS_symlink || n == SYS_symlinkat) {
        directory = n == SYS_symlink ? AT_FDCWD : (int)a[1];
        path = (const char *)(uintptr_t)a[n == SYS_symlink ? 1 : 2];
    }
    if (!path)
        return make(c);
    begin_change();
    recorder_place_at(directory, path, &to);
    bool known = to.below && gone && !recorder_stat_at(directory, path, &stat, AT_SYMLINK_NOFOLLOW);
    long failed = 0;
    long result = to.below && (gone || made)
                      ? make_hurt(c, to.path, true, gone ? FAULT_UNLINK : FAULT_MAKE_DIR, &failed)
                      : make(c);
    if (!result && to.below && (made || node))
        known = !recorder_stat_at(directory, path, &stat, AT_SYMLINK_NOFOLLOW);
    if (!result && known && modelled(&stat))
        recorder_append(&(recorder_record){ .op = gone   ? RECORDER_UNLINK
                                                  : made ? RECORDER_MAKE_DIR
                                                         : RECORDER_CREATE,
                                            .call = (uint16_t)n, .inode = stat.st_ino, .directory = to.directory },
                        to.name, NULL, to.path, NULL, 0);
    else if (!result && to.below && !gone)
        recorder_note((uint16_t)n, "symbolic links and special files are not modelled", to.path);
    recorder_unlock();
    return failed ? failed : result;
}

/* ---- Processes and signals ------------------------------------------------------------------------------- */

/* A program without dynamic linker would begin without the recorder, and die of the filter. */
static bool is_static(int directory, const char *path)
{
    Elf64_Ehdr head;
    Elf64_Phdr part;
    bool loader = true;
    long fd = recorder_syscall(SYS_openat, (uint64_t)(int64_t)directory, (uintptr_t)path, O_RDONLY | O_CLOEXEC, 0, 0,
                               0);
    if (fd < 0)
        return false;
    if (recorder_syscall(SYS_pread64, (uint64_t)fd, (uintptr_t)&head, sizeof head, 0, 0, 0) == (long)sizeof head &&
        !memcmp(head.e_ident, ELFMAG, SELFMAG)) {
        loader = false;
        for (unsigned i = 0; i < head.e_phnum && !loader; i++)
            loader = recorder_syscall(SYS_pread64, (uint64_t)fd, (uintptr_t)&part, sizeof part,
                                      head.e_phoff + i * sizeof part, 0, 0) == (long)sizeof part &&
                     part.p_type == PT_INTERP;
    }
    recorder_syscall(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
    return !loader;
}

/* The environment with what makes the recorder go on; *copy: a map to be undone, or NULL. */
static char **environment(char **given, void **copy, size_t *bytes)
{
    static const char preload[] = "LD_PRELOAD=", log[] = RECORDER_ENVIRONMENT "=";
    size_t n = 0;
    bool has_library = false, has_log = false;
    char *other = NULL;
    for (; given && given[n]; n++) {
        has_log = has_log || !strncmp(given[n], log, sizeof log - 1);
        if (!strncmp(given[n], preload, sizeof preload - 1)) {
            other = given[n] + sizeof preload - 1;
            has_library = strstr(other, recorder->library) != NULL;
        }
    }
    *copy = NULL;
    if (has_library && has_log)
        return given;
    *bytes = (n + 3) * sizeof(char *) + 4 * RECORDER_PATH_MAX + (other ? strlen(other) : 0);
    long at = recorder_mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at < 0 && at > -4096)
        return given;
    char **list = *copy = (void *)(uintptr_t)at, *text = (char *)(list + n + 3);
    size_t to_list = 0;
    for (size_t i = 0; i < n; i++)
        if (strncmp(given[i], preload, sizeof preload - 1) && strncmp(given[i], log, sizeof log - 1))
            list[to_list++] = given[i];
    list[to_list++] = text;
    text = stpcpy(stpcpy(text, preload), recorder->library);
    if (other && !has_library && *other)
        text = stpcpy(stpcpy(text, ":"), other);
    list[to_list++] = ++text;
    stpcpy(stpcpy(text, log), recorder->path);
    list[to_list] = NULL;
    return list;
}

static long exec_call(const recorder_call *c)
{
    recorder_call with = *c;
    const bool at = c->number == SYS_execveat;
    const int directory = at ? (int)c->argument[0] : AT_FDCWD;
    const char *path = (const char *)(uintptr_t)c->argument[at];
    void *copy;
    size_t bytes;
    if (path && *path && is_static(directory, path)) {
        begin_change();
        recorder_note((uint16_t)c->number, "a statically linked program cannot be recorded: not begun", path);
        recorder_unlock();
        return -EACCES;
    }
    if (recorder_maps_any()) {
        begin_change();
        recorder_maps_compare(0, SIZE_MAX);
        recorder_unlock();
    }
    with.argument[at ? 3 : 2] =
        (uintptr_t)environment((char **)(uintptr_t)c->argument[at ? 3 : 2], &copy, &bytes);
    if (c->signal_mask)
        recorder_restore_signals(*c->signal_mask); /* the new program inherits it */
    long result = make(&with);
    recorder_block_signals();
    if (copy)
        recorder_syscall(SYS_munmap, (uintptr_t)copy, bytes, 0, 0, 0, 0);
    return result;
}

static long exit_call(const recorder_call *c)
{
    if (recorder_maps_any()) {
        begin_change();
        recorder_maps_compare(0, SIZE_MAX);
        recorder_unlock();
    }
    return make(c);
}

enum { KERNEL_MASK_BYTES = 8 };
#define NEVER_BLOCKED (UINT64_C(1) << (SIGSYS - 1) | UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1))

/* The mask that the handler's return sets: SIGSYS is never in it. */
static long mask_call(const recorder_call *c)
{
    const uint64_t *a = c->argument, *set = (const uint64_t *)(uintptr_t)a[1];
    uint64_t *old = (uint64_t *)(uintptr_t)a[2], mask = *c->signal_mask;
    if (a[3] != KERNEL_MASK_BYTES)
        return -EINVAL;
    switch ((int)a[0]) {
    case SIG_BLOCK: mask |= *set; break;
    case SIG_UNBLOCK: mask &= ~*set; break;
    case SIG_SETMASK: mask = *set; break;
    default: return -EINVAL;
    }
    if (old)
        *old = *c->signal_mask;
    *c->signal_mask = mask & ~NEVER_BLOCKED;
    return 0;
}

static long action_call(const recorder_call *c)
{
    const uint64_t *a = c->argument;
    uint64_t action[4]; /* handler, flags, restorer, mask */
    if (a[3] != KERNEL_MASK_BYTES)
        return -EINVAL;
    memcpy(action, (const void *)(uintptr_t)a[1], sizeof action);
    action[3] &= ~NEVER_BLOCKED;
    return recorder_syscall(c->number, a[0], (uintptr_t)action, a[2], a[3], 0, 0);
}

static long refused_call(const recorder_call *c)
{
    begin_change();
    recorder_note((uint16_t)c->number, "unsupported: the kernel was said not to have it", NULL);
    recorder_unlock();
    return -ENOSYS;
}

long recorder_handle(const recorder_call *c)
{
    switch (c->number) {
    case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_pwritev: case SYS_pwritev2: return write_call(c);
    case SYS_copy_file_range: case SYS_sendfile: case SYS_splice: return copy_call(c);
    case SYS_open: case SYS_openat: case SYS_openat2: case SYS_creat: return open_call(c);
    case SYS_truncate: case SYS_ftruncate: return truncate_call(c);
    case SYS_fallocate: return fallocate_call(c);
    case SYS_fsync: case SYS_fdatasync: case SYS_sync_file_range: return sync_call(c);
    case SYS_sync: case SYS_syncfs: return sync_all_call(c);
    case SYS_msync: return msync_call(c);
    case SYS_mmap: return mmap_call(c);
    case SYS_mremap: return mremap_call(c);
    case SYS_rename: case SYS_renameat: case SYS_renameat2: return rename_call(c);
    case SYS_link: case SYS_linkat: return link_call(c);
    case SYS_unlink: case SYS_unlinkat: case SYS_rmdir: case SYS_mkdir: case SYS_mkdirat: case SYS_symlink:
    case SYS_symlinkat: case SYS_mknod: case SYS_mknodat: return name_call(c);
    case SYS_execve: case SYS_execveat: return exec_call(c);
    case SYS_exit_group: return exit_call(c);
    case SYS_rt_sigprocmask: return mask_call(c);
    case SYS_rt_sigaction: return action_call(c);
    case SYS_io_uring_setup: case SYS_io_setup: return refused_call(c);
    default: return make(c);
    }
}
