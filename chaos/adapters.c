/*
 * adapters.c - the list of adapters: those that are built in, and those that could be.
 *
 * The Makefile defines LEVIN_STORE_NAME for each store whose library it found.
 */
#include "adapters.h"

#include <string.h>

static const store_adapter *const adapters[] = {
    &adapter_levin,
    &adapter_lmdb,
#ifdef LEVIN_STORE_ROCKSDB
    &adapter_rocksdb,
#endif
#ifdef LEVIN_STORE_LEVELDB
    &adapter_leveldb,
#endif
#ifdef LEVIN_STORE_WIREDTIGER
    &adapter_wiredtiger,
#endif
#ifdef LEVIN_STORE_SQLITE
    &adapter_sqlite,
#endif
    NULL
};

static const store_absence absences[] = {
#ifndef LEVIN_STORE_ROCKSDB
    { "rocksdb", "librocksdb-dev" },
#endif
#ifndef LEVIN_STORE_LEVELDB
    { "leveldb", "libleveldb-dev" },
#endif
#ifndef LEVIN_STORE_WIREDTIGER
    { "wiredtiger", "libwiredtiger-dev" },
#endif
#ifndef LEVIN_STORE_SQLITE
    { "sqlite", "libsqlite3-dev" },
#endif
    { NULL, NULL }
};

const store_adapter *const *store_adapters(void)
{
    return adapters;
}

const store_absence *store_absences(void)
{
    return absences;
}

const store_adapter *store_adapter_find(const char *name)
{
    for (const store_adapter *const *a = adapters; *a; a++)
        if (strcmp((*a)->name, name) == 0)
            return *a;
    return NULL;
}
