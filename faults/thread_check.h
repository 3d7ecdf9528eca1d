/*
 * thread_check.h - assertions for any thread of a concurrent test: ck_assert belongs to the one that runs the test.
 */
#ifndef LEVIN_THREAD_CHECK_H
#define LEVIN_THREAD_CHECK_H

#include <stdio.h>
#include <stdlib.h>

/* Ends the test program. */
#define die(message) (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (message)), abort())
#define require(condition)                                                                                      \
    do                                                                                                          \
        if (!(condition))                                                                                       \
            die(#condition);                                                                                    \
    while (0)

#endif
