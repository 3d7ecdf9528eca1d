/*
 * places.c - which descriptors and paths lie below the directory that is recorded.
 *
 * The kernel is asked each time (/proc/self/fd), so that nothing has to be followed: neither dup, inheritance and
 * passing of descriptors, nor changes of directory, renames above, symbolic links.
 *
 * Concurrency: no state. A place is right while the lock is held.
 */
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

long recorder_fstat(int fd, struct stat *out)
{
    return recorder_syscall(SYS_fstat, (uint64_t)(int64_t)fd, (uintptr_t)out, 0, 0, 0, 0);
}

long recorder_stat_at(int directory, const char *path, struct stat *out, int flags)
{
    return recorder_syscall(SYS_newfstatat, (uint64_t)(int64_t)directory, (uintptr_t)path, (uintptr_t)out,
                            (uint64_t)flags, 0, 0);
}

long recorder_fd_path(int fd, char *path, size_t capacity)
{
    char link[48] = "/proc/self/fd/";
    recorder_format_number(link + strlen(link), (uint64_t)(unsigned)fd);
    long n = recorder_syscall(SYS_readlinkat, (uint64_t)(int64_t)AT_FDCWD, (uintptr_t)link, (uintptr_t)path,
                              capacity - 1, 0, 0);
    if (n >= 0)
        path[n] = 0;
    return n;
}

/* Makes a full path relative to the root, in place. False: it is not below it. */
static bool relative(char *path)
{
    const size_t root = recorder->root_bytes;
    if (strncmp(path, recorder->root, root) || (path[root] && path[root] != '/'))
        return false;
    memmove(path, path + root + (path[root] == '/'), strlen(path + root) + 1);
    return true;
}

bool recorder_fd_below(int fd, char path[RECORDER_PATH_MAX + 256])
{
    static const char gone[] = " (deleted)";
    if (recorder_fd_path(fd, path, RECORDER_PATH_MAX + 256) < 0 || !relative(path))
        return false;
    size_t n = strlen(path);
    if (n > sizeof gone - 1 && !strcmp(path + n - (sizeof gone - 1), gone))
        path[n - (sizeof gone - 1)] = 0;
    return true;
}

/* Sets name to the last component of place->path, and the inode of the directory that holds it, opened or not. */
static void split(recorder_place *place, int directory)
{
    struct stat stat;
    char *slash = strrchr(place->path, '/');
    place->name = slash ? slash + 1 : place->path;
    if (directory >= 0) {
        place->below = recorder_fstat(directory, &stat) == 0;
    } else if (!slash) {
        place->below = recorder_stat_at(AT_FDCWD, recorder->root, &stat, 0) == 0;
    } else {
        char full[2 * RECORDER_PATH_MAX + 256];
        size_t root = recorder->root_bytes, rest = (size_t)(slash - place->path);
        memcpy(full, recorder->root, root);
        full[root] = '/';
        memcpy(full + root + 1, place->path, rest);
        full[root + 1 + rest] = 0;
        place->below = recorder_stat_at(AT_FDCWD, full, &stat, 0) == 0;
    }
    place->directory = place->below ? stat.st_ino : 0;
}

void recorder_place_of(const char *path, recorder_place *place)
{
    size_t n = strlen(path);
    place->below = false;
    if (n >= sizeof place->path)
        return;
    memcpy(place->path, path, n + 1);
    split(place, -1);
}

void recorder_place_at(int directory, const char *path, recorder_place *place)
{
    char parent[RECORDER_PATH_MAX];
    size_t n = strnlen(path, RECORDER_PATH_MAX);
    place->below = false;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0 || n >= RECORDER_PATH_MAX)
        return;
    size_t from = n; /* where the last component begins */
    while (from > 0 && path[from - 1] != '/')
        from--;
    if (n - from > 255)
        return;
    memcpy(parent, path, from);
    parent[from] = 0;
    if (!from)
        memcpy(parent, ".", 2);
    long fd = recorder_syscall(SYS_openat, (uint64_t)(int64_t)directory, (uintptr_t)parent,
                               O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return;
    if (recorder_fd_below((int)fd, place->path)) {
        size_t have = strlen(place->path);
        if (have + 1 + (n - from) < sizeof place->path) {
            if (have)
                place->path[have++] = '/';
            memcpy(place->path + have, path + from, n - from);
            place->path[have + n - from] = 0;
            split(place, (int)fd);
        }
    }
    recorder_syscall(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
}
