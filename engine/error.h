/*
 * error.h - the birth of every error.
 *
 * A function that can fail for a reason worth telling takes a levin_error (never NULL inside the engine), fills it
 * through one of these and returns the code.  error_corrupt() is the only birthplace of LEVIN_CORRUPT: break here.
 */
#ifndef LEVIN_ERROR_H
#define LEVIN_ERROR_H

#include "io.h"
#include "levin.h"

/* Fills *error and returns code. file may be NULL; only its last path component is kept. */
levin_code error_set(levin_error *error, levin_code code, const char *file, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A failed call of the I/O table: ENOSPC and EDQUOT give LEVIN_NO_SPACE, ENOMEM LEVIN_NO_MEMORY, others LEVIN_IO. */
levin_code error_os(levin_error *error, int os_error, const char *operation, const char *file);

/* A failed allocation of `bytes`. */
levin_code error_memory(levin_error *error, size_t bytes);

/* Damage: what (a sentence), where, the value expected there and the value found. */
levin_code error_corrupt(levin_error *error, const char *file, uint64_t offset, uint64_t expected, uint64_t found,
                         const char *format, ...) __attribute__((format(printf, 6, 7)));

#endif
