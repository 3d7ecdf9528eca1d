/*
 * maps.c - stores into shared writable maps, found by comparing each map with a shadow of it.
 *
 * A map gets a shadow, private memory with the contents of the file, when it is made writable.  Comparing finds the
 * pages that differ, writes down the bytes between the first and the last difference, and brings the shadow up to
 * date.  It is done before everything that could make stores durable or end the map: msync, sync calls on the file,
 * munmap, exec, exit; and for small maps before every recorded call, so that stores and calls have an order.  Pages
 * that are not in memory have not been stored into and are not looked at.
 *
 * Invariants: shadow[i] belongs to at[i]; what is cut from a map is cut from its shadow.  A map is read by
 * process_vm_readv(), which returns an error where a load would be a signal: past the end of the file, or in a map
 * that was taken away by a call that nobody saw.
 *
 * Concurrency: the table belongs to the process and is guarded by the lock. Another thread may store while a page is
 * read; what is missed is found the next time.
 */
#include "recorder.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { MAPS_MAX = 256, PAGE_BYTES = 4096, READ_BYTES = 65536, PATH_BYTES = 256 };

typedef struct shared_map {
    uint8_t *at, *shadow; /* shadow NULL: not writable */
    size_t bytes;         /* a multiple of the page; 0: a free entry */
    uint64_t inode, offset;
    char path[PATH_BYTES];
} shared_map;

static shared_map maps[MAPS_MAX];
static size_t maps_used; /* entries up to here may be in use */
static uint8_t seen[READ_BYTES];
static uint8_t resident[READ_BYTES / PAGE_BYTES];

uint64_t recorder_block_signals(void)
{
    const uint64_t all = ~(UINT64_C(1) << (SIGSYS - 1));
    uint64_t before = 0;
    recorder_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&all, (uintptr_t)&before, sizeof all, 0, 0);
    return before;
}

void recorder_restore_signals(uint64_t mask)
{
    recorder_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&mask, 0, sizeof mask, 0, 0);
}

bool recorder_maps_any(void)
{
    return maps_used > 0;
}

static size_t whole_pages(size_t bytes)
{
    return (bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
}

static uint8_t *shadow_new(size_t bytes)
{
    long at = recorder_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at < 0 && at > -4096 ? NULL : (uint8_t *)(uintptr_t)at;
}

static void shadow_free(uint8_t *at, size_t bytes)
{
    if (at && bytes)
        recorder_syscall(SYS_munmap, (uintptr_t)at, bytes, 0, 0, 0, 0);
}

static bool all_zeros(const uint8_t *bytes, size_t count)
{
    return count == 0 || (bytes[0] == 0 && !memcmp(bytes, bytes + 1, count - 1));
}

/* Memory of this process, as far as it can be read. */
static size_t peek(void *to, const uint8_t *from, size_t bytes)
{
    struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)from, bytes };
    const long self = recorder_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
    long got = recorder_syscall_plain(SYS_process_vm_readv, (uint64_t)self, (uintptr_t)&local, 1, (uintptr_t)&remote,
                                      1, 0);
    if (got == -EPERM || got == -ENOSYS) { /* not allowed here: trust the table */
        memcpy(to, from, bytes);
        return bytes;
    }
    return got > 0 ? (size_t)got : 0;
}

static shared_map *entry_new(void)
{
    for (size_t i = 0; i < MAPS_MAX; i++)
        if (!maps[i].bytes) {
            maps_used = i + 1 > maps_used ? i + 1 : maps_used;
            return &maps[i];
        }
    recorder_fail("more than 256 shared maps in one process");
    return NULL;
}

void recorder_map_add(void *at, size_t bytes, bool writable, int fd, uint64_t offset, const struct stat *file,
                      const char *path)
{
    shared_map *m = entry_new();
    if (!m)
        return;
    size_t n = strlen(path);
    n = n < PATH_BYTES ? n : PATH_BYTES - 1;
    memcpy(m->path, path, n);
    m->path[n] = 0;
    m->at = at;
    m->bytes = whole_pages(bytes);
    m->inode = file->st_ino;
    m->offset = offset;
    m->shadow = NULL;
    if (!writable)
        return;
    m->shadow = shadow_new(m->bytes);
    if (!m->shadow)
        recorder_fail("no memory for the shadow of a shared map");
    for (size_t done = 0; m->shadow && done < m->bytes;) {
        size_t part = m->bytes - done < READ_BYTES ? m->bytes - done : READ_BYTES;
        long got = recorder_syscall(SYS_pread64, (uint64_t)fd, (uintptr_t)seen, part, offset + done, 0, 0);
        if (got <= 0)
            break;
        if (!all_zeros(seen, (size_t)got))
            memcpy(m->shadow + done, seen, (size_t)got);
        done += (size_t)got;
    }
}

/* Pages [from, to) of what was just seen at m->at + at differ from the shadow. */
static void changed(shared_map *m, size_t at, size_t from, size_t to)
{
    size_t first = from * PAGE_BYTES, end = to * PAGE_BYTES;
    uint8_t *shadow = m->shadow + at;
    while (seen[first] == shadow[first])
        first++;
    while (seen[end - 1] == shadow[end - 1])
        end--;
    recorder_append(&(recorder_record){ .op = RECORDER_WRITE, .call = UINT16_MAX, .inode = m->inode,
                                        .offset = m->offset + at + first, .bytes = end - first },
                    NULL, NULL, m->path, &(struct iovec){ seen + first, end - first }, 1);
    memcpy(shadow + first, seen + first, end - first);
}

static void compare_part(shared_map *m, size_t at, size_t bytes)
{
    if (recorder_syscall(SYS_mincore, (uintptr_t)m->at + at, bytes, (uintptr_t)resident, 0, 0, 0))
        return; /* it is not there any more */
    size_t pages = bytes / PAGE_BYTES;
    bool any = false;
    for (size_t p = 0; p < pages; p++)
        any = any || (resident[p] & 1);
    if (!any)
        return;
    pages = peek(seen, m->at + at, bytes) / PAGE_BYTES;
    for (size_t p = 0, from = SIZE_MAX; p <= pages; p++) {
        const bool differs = p < pages && memcmp(seen + p * PAGE_BYTES, m->shadow + at + p * PAGE_BYTES, PAGE_BYTES);
        if (differs && from == SIZE_MAX)
            from = p;
        else if (!differs && from != SIZE_MAX) {
            changed(m, at, from, p);
            from = SIZE_MAX;
        }
    }
}

static void compare(shared_map *m)
{
    for (size_t at = 0; m->shadow && at < m->bytes; at += READ_BYTES)
        compare_part(m, at, m->bytes - at < READ_BYTES ? m->bytes - at : READ_BYTES);
}

void recorder_maps_compare(uint64_t inode, size_t most)
{
    for (size_t i = 0; i < maps_used; i++)
        if (maps[i].bytes && (!inode || maps[i].inode == inode) && maps[i].bytes <= most)
            compare(&maps[i]);
}

/* The part of [at, at + bytes) that lies in the map, as offsets in it. False: none. */
static bool overlap(const shared_map *m, const void *at, size_t bytes, size_t *from, size_t *to)
{
    const uint8_t *begin = at, *end = begin + whole_pages(bytes);
    if (!m->bytes || end <= m->at || begin >= m->at + m->bytes)
        return false;
    *from = begin > m->at ? (size_t)(begin - m->at) : 0;
    *to = end < m->at + m->bytes ? (size_t)(end - m->at) : m->bytes;
    return true;
}

void recorder_map_remove(const void *at, size_t bytes)
{
    for (size_t i = 0, from, to; i < maps_used; i++) {
        shared_map *m = &maps[i];
        if (!overlap(m, at, bytes, &from, &to))
            continue;
        compare(m);
        if (m->shadow)
            shadow_free(m->shadow + from, to - from);
        if (from > 0 && to < m->bytes) { /* out of the middle */
            shared_map *rest = entry_new();
            if (rest) {
                *rest = *m;
                rest->at += to;
                rest->shadow = m->shadow ? m->shadow + to : NULL;
                rest->offset += to;
                rest->bytes -= to;
            }
        }
        if (from > 0)
            m->bytes = from;
        else if (to < m->bytes) {
            m->at += to;
            m->shadow = m->shadow ? m->shadow + to : NULL;
            m->offset += to;
            m->bytes -= to;
        } else
            m->bytes = 0;
    }
    while (maps_used && !maps[maps_used - 1].bytes)
        maps_used--;
}

static void make_shadow(shared_map *m)
{
    m->shadow = shadow_new(m->bytes);
    for (size_t done = 0; m->shadow && done < m->bytes; done += READ_BYTES) {
        size_t part = m->bytes - done < READ_BYTES ? m->bytes - done : READ_BYTES;
        size_t got = peek(seen, m->at + done, part);
        if (!all_zeros(seen, got))
            memcpy(m->shadow + done, seen, got);
    }
}

void recorder_map_make_writable(const void *at, size_t bytes)
{
    for (size_t i = 0, from, to; i < maps_used; i++)
        if (!maps[i].shadow && overlap(&maps[i], at, bytes, &from, &to))
            make_shadow(&maps[i]);
}

void recorder_map_moved(const void *from, size_t from_bytes, void *to, size_t to_bytes)
{
    for (size_t i = 0; i < maps_used; i++) {
        shared_map *m = &maps[i];
        if (!m->bytes || m->at != from || m->bytes != whole_pages(from_bytes))
            continue;
        const size_t bytes = whole_pages(to_bytes);
        const bool writable = m->shadow != NULL;
        shadow_free(m->shadow, m->bytes);
        m->at = to;
        m->bytes = bytes;
        m->shadow = NULL;
        if (writable)
            make_shadow(m); /* it was compared just before */
    }
}

void recorder_map_synced(const void *at, size_t bytes, recorder_op op, uint16_t call)
{
    for (size_t i = 0, from, to; i < maps_used; i++)
        if (overlap(&maps[i], at, bytes, &from, &to))
            recorder_append(&(recorder_record){ .op = op, .call = call, .inode = maps[i].inode,
                                                .offset = maps[i].offset + from, .bytes = to - from },
                            NULL, NULL, maps[i].path, NULL, 0);
}

const char *recorder_map_path(const void *at, size_t bytes)
{
    for (size_t i = 0, from, to; i < maps_used; i++)
        if (overlap(&maps[i], at, bytes, &from, &to))
            return maps[i].path;
    return NULL;
}
