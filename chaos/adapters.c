/*
 * adapters.c - the list of adapters that are built in.
 */
#include "adapters.h"

#include <string.h>

static const store_adapter *const adapters[] = { &adapter_levin, &adapter_lmdb, NULL };

const store_adapter *const *store_adapters(void)
{
    return adapters;
}

const store_adapter *store_adapter_find(const char *name)
{
    for (const store_adapter *const *a = adapters; *a; a++)
        if (strcmp((*a)->name, name) == 0)
            return *a;
    return NULL;
}
