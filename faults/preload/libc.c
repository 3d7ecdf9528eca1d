/*
 * libc.c - the functions of libc that the recorder replaces, for their system calls cannot be stopped (trap.c).
 *
 * munmap() and mprotect(): the dynamic linker uses them before the recorder is there.  sigfillset() and sigaddset():
 * masks that the kernel takes with other calls (ppoll, sigsuspend) shall not hold SIGSYS either.
 *
 * Concurrency: any thread; signals are blocked while the lock is held.
 */
#include "recorder.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

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
