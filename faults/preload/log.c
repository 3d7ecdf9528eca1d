/*
 * log.c - the lock over all recorded processes, and the records.
 *
 * Invariants: records are written under the lock alone, and head is moved when a record is whole, so that what a
 * dying process left half written is overwritten by the next.  The lock is the number of a thread; one that waits
 * for it looks whether that thread is still there.
 *
 * Concurrency: any thread of any recorded process, signals blocked.
 */
#include "recorder.h"

#include <errno.h>
#include <stdatomic.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

void recorder_fail(const char *why)
{
    recorder_log *log = recorder;
    if (!log->failed[0]) {
        size_t n = strlen(why);
        memcpy(log->failed, why, n < sizeof log->failed ? n : sizeof log->failed - 1);
    }
    atomic_store(&log->stopped, 1);
}

void recorder_lock(void)
{
    const uint32_t self = (uint32_t)recorder_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
    const struct timespec wait = { 0, 20 * 1000 * 1000 };
    for (;;) {
        uint32_t owner = 0;
        /* acquire: pairs with the release of the thread that had it */
        if (atomic_compare_exchange_strong_explicit(&recorder->lock, &owner, self, memory_order_acquire,
                                                    memory_order_acquire))
            return;
        long result = recorder_syscall(SYS_futex, (uintptr_t)&recorder->lock, FUTEX_WAIT, owner, (uintptr_t)&wait, 0,
                                      0);
        if (result == -ETIMEDOUT && recorder_syscall(SYS_kill, owner, 0, 0, 0, 0, 0) == -ESRCH &&
            atomic_compare_exchange_strong_explicit(&recorder->lock, &owner, self, memory_order_acquire,
                                                    memory_order_acquire))
            return; /* its owner died with it */
    }
}

void recorder_unlock(void)
{
    /* release: pairs with the acquire of the next; a futex of the kernel orders nothing by itself */
    atomic_store_explicit(&recorder->lock, 0, memory_order_release);
    recorder_syscall(SYS_futex, (uintptr_t)&recorder->lock, FUTEX_WAKE, 1, 0, 0, 0);
}

static size_t put(uint8_t *at, const char *text, size_t bytes)
{
    if (bytes)
        memcpy(at, text, bytes);
    return bytes;
}

void recorder_append(const recorder_record *record, const char *name, const char *to_name, const char *path,
                     const struct iovec *data, size_t pieces)
{
    recorder_log *log = recorder;
    recorder_record r = *record;
    if (atomic_load(&log->stopped))
        return;
    const size_t name_bytes = name ? strlen(name) : 0, to_bytes = to_name ? strlen(to_name) : 0;
    const size_t path_bytes = path ? strlen(path) : 0;
    const size_t data_bytes = data ? (size_t)r.bytes : 0;
    const size_t size = (sizeof r + name_bytes + to_bytes + path_bytes + data_bytes + 7) & ~(size_t)7;
    const uint64_t head = atomic_load(&log->head);
    if (size > UINT32_MAX - 8 || head + size > log->capacity) {
        recorder_fail("the log of the recorder is full");
        return;
    }
    r.size = (uint32_t)size;
    r.name = (uint16_t)name_bytes;
    r.to_name = (uint16_t)to_bytes;
    r.path = (uint16_t)path_bytes;
    r.data = data != NULL;
    r.process = (uint32_t)recorder_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
    r.thread = (uint32_t)recorder_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
    uint8_t *at = (uint8_t *)log + head;
    memcpy(at, &r, sizeof r);
    at += sizeof r;
    at += put(at, name, name_bytes);
    at += put(at, to_name, to_bytes);
    at += put(at, path, path_bytes);
    size_t left = data_bytes;
    for (size_t i = 0; i < pieces && left; i++) {
        size_t part = data[i].iov_len < left ? data[i].iov_len : left;
        at += put(at, data[i].iov_base, part);
        left -= part;
    }
    /* release: pairs with the harness's load; the record is whole */
    atomic_store_explicit(&log->head, head + size, memory_order_release);
}

void recorder_note(uint16_t call, const char *text, const char *path)
{
    recorder_append(&(recorder_record){ .op = RECORDER_NOTE, .call = call }, text, NULL, path, NULL, 0);
}

size_t recorder_format_number(char text[24], uint64_t value)
{
    char digits[24];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < n; i++)
        text[i] = digits[n - 1 - i];
    text[n] = 0;
    return n;
}
