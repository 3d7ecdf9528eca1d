/*
 * tsan_test.h - accesses of tests written as code compiled with -fsanitize=thread makes them.
 */
#ifndef LEVIN_FAULTS_TSAN_TEST_H
#define LEVIN_FAULTS_TSAN_TEST_H

#include <stdatomic.h>
#include <stdint.h>

uint32_t __tsan_atomic32_load(const volatile uint32_t *at, int order);
void __tsan_atomic32_store(volatile uint32_t *at, uint32_t value, int order);
uint32_t __tsan_atomic32_fetch_add(volatile uint32_t *at, uint32_t value, int order);
void __tsan_read4(void *address);
void __tsan_write4(void *address);

static inline uint32_t atomic_read(_Atomic uint32_t *at)
{
    return __tsan_atomic32_load((const volatile uint32_t *)(uintptr_t)at, memory_order_acquire);
}
static inline void atomic_write(_Atomic uint32_t *at, uint32_t value)
{
    __tsan_atomic32_store((volatile uint32_t *)(uintptr_t)at, value, memory_order_relaxed);
}
static inline void atomic_publish(_Atomic uint32_t *at, uint32_t value)
{
    __tsan_atomic32_store((volatile uint32_t *)(uintptr_t)at, value, memory_order_release);
}
static inline void atomic_add(_Atomic uint32_t *at, uint32_t value)
{
    __tsan_atomic32_fetch_add((volatile uint32_t *)(uintptr_t)at, value, memory_order_acq_rel);
}
static inline uint32_t plain_read(uint32_t *at)
{
    __tsan_read4(at);
    return *at;
}
static inline void plain_write(uint32_t *at, uint32_t value)
{
    __tsan_write4(at);
    *at = value;
}

#endif
