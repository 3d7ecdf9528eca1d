/*
 * libc.c - the functions of libc that the recorder replaces, for their system calls cannot be stopped (trap.c).
 *
 * munmap() and mprotect(): the dynamic linker uses them before the recorder is there.  sigfillset() and sigaddset():
 * masks that the kernel takes with other calls (ppoll, sigsuspend) shall not hold SIGSYS either.  read() and its likes
 * are hurt by fault plans here; stdio's own reads are not.
 *
 * Concurrency: any thread; signals are blocked while the lock is held.
 */
#include "recorder.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hurt.h"

#define SHOWN __attribute__((visibility("default")))

static long returned(long result)
{
    if (result >= 0 || result < -4095)
        return result;
    errno = (int)-result;
    return -1;
}

SHOWN int munmap(void *at, size_t bytes)
{
    if (!recorder || !recorder_maps_any())
        return (int)returned(recorder_syscall(SYS_munmap, (uintptr_t)at, bytes, 0, 0, 0, 0));
    const uint64_t mask = recorder_block_signals();
    recorder_lock();
    recorder_map_remove(at, bytes);
    long result = recorder_syscall(SYS_munmap, (uintptr_t)at, bytes, 0, 0, 0, 0);
    recorder_unlock();
    recorder_restore_signals(mask);
    return (int)returned(result);
}

SHOWN int mprotect(void *at, size_t bytes, int protection)
{
    if (recorder && (protection & PROT_WRITE) && recorder_maps_any()) {
        const uint64_t mask = recorder_block_signals();
        recorder_lock();
        recorder_map_make_writable(at, bytes);
        recorder_unlock();
        recorder_restore_signals(mask);
    }
    return (int)returned(recorder_syscall(SYS_mprotect, (uintptr_t)at, bytes, (uint64_t)protection, 0, 0, 0));
}

SHOWN int sigfillset(sigset_t *set)
{
    memset(set, 0xff, sizeof *set);
    if (recorder)
        ((uint64_t *)(void *)set)[0] &= ~(UINT64_C(1) << (SIGSYS - 1));
    return 0;
}

SHOWN int sigaddset(sigset_t *set, int signal)
{
    if (signal < 1 || signal > 64) {
        errno = EINVAL;
        return -1;
    }
    if (!recorder || signal != SIGSYS)
        ((uint64_t *)(void *)set)[0] |= UINT64_C(1) << (signal - 1);
    return 0;
}

/* ---- Reads ----------------------------------------------------------------------------------------------- */

typedef struct reading {
    int fd;
    const struct iovec *data;
    int pieces;
    bool positional;
    off_t offset;
} reading;

static ssize_t read_plainly(const reading *r)
{
    return r->positional ? (ssize_t)returned(recorder_syscall(SYS_preadv, (uint64_t)r->fd, (uintptr_t)r->data,
                                                              (uint64_t)r->pieces, (uint64_t)r->offset, 0, 0))
                         : (ssize_t)returned(recorder_syscall(SYS_readv, (uint64_t)r->fd, (uintptr_t)r->data,
                                                              (uint64_t)r->pieces, 0, 0, 0));
}

/* Whether the plan has the read, and what it does to it. */
static bool read_asks(const reading *r, uint64_t bytes, fault_choice *choice)
{
    char path[RECORDER_PATH_MAX + 256];
    struct stat stat;
    if (!hurt_any() || !recorder->plan_reads || recorder_fstat(r->fd, &stat) || !S_ISREG(stat.st_mode) ||
        !recorder_fd_below(r->fd, path))
        return false;
    const uint64_t at = r->positional ? (uint64_t)r->offset
                                      : (uint64_t)recorder_syscall(SYS_lseek, (uint64_t)r->fd, 0, SEEK_CUR, 0, 0, 0);
    const uint64_t mask = recorder_block_signals();
    recorder_lock();
    bool hurt = hurt_asks(SYS_read, path, false, FAULT_READ, at, bytes, choice);
    recorder_unlock();
    recorder_restore_signals(mask);
    return hurt;
}

/* A read that is hurt goes into one piece, the first: it may be short. */
static ssize_t read_hurt(const reading *r, const fault_choice *choice)
{
    struct iovec one = r->data[0];
    reading part = *r;
    if (choice->effect == FAULT_ERROR) {
        errno = choice->os_error;
        return -1;
    }
    part.data = &one;
    part.pieces = 1;
    if (choice->effect == FAULT_SHORT && choice->bytes < one.iov_len)
        one.iov_len = choice->bytes;
    if (choice->effect == FAULT_MISDIRECT && r->positional && r->offset + choice->shift >= 0)
        part.offset += (off_t)choice->shift;
    ssize_t got = read_plainly(&part);
    if (got > 0)
        hurt_bytes(choice, one.iov_base, (size_t)got);
    if (choice->effect == FAULT_ERROR_AFTER && got >= 0) {
        errno = choice->os_error;
        return -1;
    }
    return got;
}

/* True: *result is what the caller is to see. */
static bool read_is_hurt(const reading *r, ssize_t *result)
{
    fault_choice choice;
    uint64_t bytes = 0;
    if (!hurt_any() || !recorder->plan_reads || r->pieces < 1)
        return false;
    for (int i = 0; i < r->pieces; i++)
        bytes += r->data[i].iov_len;
    if (!read_asks(r, bytes, &choice))
        return false;
    *result = read_hurt(r, &choice);
    return true;
}

/* libc's own, which is a point of cancellation. */
#define LIBC(function) ((__typeof__(&function))(uintptr_t)dlsym(RTLD_NEXT, #function))

SHOWN ssize_t read(int fd, void *buffer, size_t bytes)
{
    static ssize_t (*libc_read)(int, void *, size_t);
    const struct iovec one = { buffer, bytes };
    const reading r = { fd, &one, 1, false, 0 };
    ssize_t result;
    if (read_is_hurt(&r, &result))
        return result;
    if (!libc_read && !(libc_read = LIBC(read)))
        return read_plainly(&r);
    return libc_read(fd, buffer, bytes);
}

static ssize_t read_at(int fd, void *buffer, size_t bytes, off_t offset)
{
    static ssize_t (*libc_pread)(int, void *, size_t, off_t);
    const struct iovec one = { buffer, bytes };
    const reading r = { fd, &one, 1, true, offset };
    ssize_t result;
    if (read_is_hurt(&r, &result))
        return result;
    if (!libc_pread && !(libc_pread = LIBC(pread)))
        return read_plainly(&r);
    return libc_pread(fd, buffer, bytes, offset);
}

SHOWN ssize_t pread(int fd, void *buffer, size_t bytes, off_t offset)
{
    return read_at(fd, buffer, bytes, offset);
}

SHOWN ssize_t pread64(int fd, void *buffer, size_t bytes, off64_t offset)
{
    return read_at(fd, buffer, bytes, offset);
}

SHOWN ssize_t readv(int fd, const struct iovec *data, int pieces)
{
    const reading r = { fd, data, pieces, false, 0 };
    ssize_t result;
    return read_is_hurt(&r, &result) ? result : read_plainly(&r);
}

SHOWN ssize_t preadv(int fd, const struct iovec *data, int pieces, off_t offset)
{
    const reading r = { fd, data, pieces, true, offset };
    ssize_t result;
    return read_is_hurt(&r, &result) ? result : read_plainly(&r);
}

SHOWN ssize_t preadv64(int fd, const struct iovec *data, int pieces, off64_t offset)
{
    return preadv(fd, data, pieces, offset);
}
