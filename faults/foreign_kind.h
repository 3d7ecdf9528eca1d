/*
 * foreign_kind.h - which kind of file (io.h) a file of a foreign program counts as, for reports and fault plans: told
 * from its name alone.
 *
 * wal: the last component has "wal", "journal" or "log" in it, in any case, but LOG, the diary of LevelDB and RocksDB;
 * lock: "lock"; vlog: "blob" or "vlog"; pages: all others.  Directories are of kind dir.
 */
#ifndef LEVIN_FAULTS_FOREIGN_KIND_H
#define LEVIN_FAULTS_FOREIGN_KIND_H

#include <string.h>

#include "../engine/io.h"

static inline levin_file_kind foreign_kind(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strcasestr(name, "lock"))
        return LEVIN_FILE_LOCK;
    if (strcasestr(name, "vlog") || strcasestr(name, "blob"))
        return LEVIN_FILE_VLOG;
    if (strcasestr(name, "wal") || strcasestr(name, "journal") || (strcasestr(name, "log") && strncmp(name, "LOG", 3)))
        return LEVIN_FILE_WAL;
    return LEVIN_FILE_PAGES;
}

#endif
