/*
 * mutate.h - the interface of custom mutators: libFuzzer's, which afl_mutator.c offers to AFL++ as well.
 */
#ifndef LEVIN_FUZZ_MUTATE_H
#define LEVIN_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* Changes data in place; returns its new size, at most capacity. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed);

/* The fuzzer's own mutations of plain bytes: libFuzzer's, or those of afl_mutator.c. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t capacity);

#endif
