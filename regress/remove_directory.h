/*
 * remove_directory.h - removes a directory with all that is in it, links themselves and not what they lead to.
 *
 * In the header alone, so that levin-gate, which is also built around an earlier engine, takes nothing more along.
 */
#ifndef LEVIN_REMOVE_DIRECTORY_H
#define LEVIN_REMOVE_DIRECTORY_H

#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>

static inline int remove_directory_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

/* True when it is gone, or was never there; else false with errno. */
static inline bool remove_directory(const char *path)
{
    enum { DESCRIPTORS = 16 };
    return nftw(path, remove_directory_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT;
}

#endif
