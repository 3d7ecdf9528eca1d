/*
 * fatal.h - the end of a harness run whose own machinery failed: one line on stderr, exit status 3.
 *
 * The harness's own memory is never made to fail; running out of it ends the run instead of looking like a fault
 * that the store met.
 */
#ifndef LEVIN_FAULTS_FATAL_H
#define LEVIN_FAULTS_FATAL_H

#include <stddef.h>

enum { FATAL_EXIT_STATUS = 3 };

_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* malloc, zeroed malloc and realloc that do not return on failure. Free with free(). */
void *fatal_alloc(size_t bytes) __attribute__((malloc));
void *fatal_alloc_zeroed(size_t bytes) __attribute__((malloc));
void *fatal_realloc(void *memory, size_t bytes);

#endif
