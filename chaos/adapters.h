/*
 * adapters.h - the adapters themselves, for adapters.c.
 */
#ifndef LEVIN_CHAOS_ADAPTERS_H
#define LEVIN_CHAOS_ADAPTERS_H

#include "store.h"

extern const store_adapter adapter_levin;
extern const store_adapter adapter_lmdb;

#endif
