/*
 * quiet_begin.h - until quiet_end.h, atomics are no points of the scheduler and no accesses to compare: the header of
 * counters (Makefile), whose words nobody decides by and which are half of all atomics of a call.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

uint64_t schedule_quiet_load(const volatile void *at);
uint64_t schedule_quiet_store(volatile void *at, uint64_t value);
uint64_t schedule_quiet_add(volatile void *at, uint64_t value);
bool schedule_quiet_exchange(volatile void *at, void *expected, uint64_t desired);

#pragma push_macro("atomic_load_explicit")
#pragma push_macro("atomic_store_explicit")
#pragma push_macro("atomic_fetch_add_explicit")
#pragma push_macro("atomic_compare_exchange_strong_explicit")
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_fetch_add_explicit
#undef atomic_compare_exchange_strong_explicit
#define atomic_load_explicit(at, order) ((void)(order), schedule_quiet_load(at))
#define atomic_store_explicit(at, value, order) ((void)(order), (void)schedule_quiet_store(at, value))
#define atomic_fetch_add_explicit(at, value, order) ((void)(order), schedule_quiet_add(at, value))
#define atomic_compare_exchange_strong_explicit(at, expected, desired, order, failure)                          \
    ((void)(order), (void)(failure), schedule_quiet_exchange(at, expected, desired))
