/*
 * directory.c - walks over directories with nftw().  Not for several threads: what a walk works on is static.
 */
#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../faults/fatal.h"

enum { DESCRIPTORS = 32, COPY_BYTES = 1 << 16 };

static const char *walk_from, *walk_to;
static directory_list *walk_list;

/* ---- make and remove ---- */

bool directory_make(const char *path)
{
    char part[DIRECTORY_PATH_BYTES];
    if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (char *at = part + 1; *at; at++)
        if (*at == '/') {
            *at = '\0';
            if (mkdir(part, 0777) != 0 && errno != EEXIST)
                return false;
            *at = '/';
        }
    return mkdir(part, 0777) == 0 || errno == EEXIST;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

bool directory_remove(const char *path)
{
    return nftw(path, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT;
}

/* ---- copy ---- */

static bool copy_range(int from, int to, off_t at, off_t end)
{
    static char buffer[COPY_BYTES];
    while (at < end) {
        const size_t want = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES;
        const ssize_t got = pread(from, buffer, want, at);
        if (got <= 0)
            return got == 0;
        for (ssize_t done = 0; done < got;) {
            const ssize_t put = pwrite(to, buffer + done, (size_t)(got - done), at + done);
            if (put < 0)
                return false;
            done += put;
        }
        at += got;
    }
    return true;
}

static bool copy_data(int from, int to, off_t size)
{
    for (off_t at = 0; at < size;) {
        const off_t data = lseek(from, at, SEEK_DATA);
        if (data < 0)
            return errno == ENXIO; /* a hole to the end */
        const off_t hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0 || !copy_range(from, to, data, hole))
            return false;
        at = hole;
    }
    return true;
}

static bool copy_file(const char *from_path, const char *to_path, const struct stat *status)
{
    const int from = open(from_path, O_RDONLY | O_CLOEXEC);
    const int to = open(to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, status->st_mode & 0777);
    const bool good = from >= 0 && to >= 0 && ftruncate(to, status->st_size) == 0 &&
                      copy_data(from, to, status->st_size);
    if (from >= 0)
        close(from);
    if (to >= 0 && close(to) != 0)
        return false;
    return good;
}

static int copy_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    char to[DIRECTORY_PATH_BYTES];
    (void)walk;
    if (snprintf(to, sizeof to, "%s%s", walk_to, path + strlen(walk_from)) >= (int)sizeof to) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (type == FTW_D)
        return mkdir(to, 0777) == 0 || errno == EEXIST ? 0 : -1;
    return type == FTW_F && S_ISREG(status->st_mode) && !copy_file(path, to, status) ? -1 : 0;
}

bool directory_copy(const char *from, const char *to)
{
    walk_from = from;
    walk_to = to;
    return nftw(from, copy_entry, DESCRIPTORS, FTW_PHYS) == 0;
}

/* ---- list and read ---- */

static int list_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)walk;
    if (type != FTW_F || !S_ISREG(status->st_mode))
        return 0;
    directory_list *l = walk_list;
    l->files = fatal_realloc(l->files, (l->count + 1) * sizeof *l->files);
    l->files[l->count].name = strdup(path + strlen(walk_from) + 1);
    l->files[l->count++].size = (uint64_t)status->st_size;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const directory_file *)a)->name, ((const directory_file *)b)->name);
}

bool directory_list_make(const char *path, directory_list *list)
{
    *list = (directory_list){ NULL, 0 };
    walk_from = path;
    walk_list = list;
    const bool good = nftw(path, list_entry, DESCRIPTORS, FTW_PHYS) == 0;
    if (list->count)
        qsort(list->files, list->count, sizeof *list->files, by_name);
    return good;
}

void directory_list_free(directory_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->files[i].name);
    free(list->files);
    *list = (directory_list){ NULL, 0 };
}

uint8_t *directory_file_read(const char *directory, const char *name, uint64_t *bytes)
{
    char path[DIRECTORY_PATH_BYTES];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return NULL;
    uint8_t *data = NULL;
    if (fstat(file, &status) == 0) {
        data = fatal_alloc((size_t)status.st_size + 1);
        uint64_t at = 0;
        for (ssize_t got; at < (uint64_t)status.st_size; at += (uint64_t)got)
            if ((got = pread(file, data + at, (size_t)status.st_size - at, (off_t)at)) <= 0)
                break;
        *bytes = at;
    }
    close(file);
    return data;
}
