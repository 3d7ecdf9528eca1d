/*
 * fatal.c - the harness's own failures end the run with status 3.  Any thread.
 */
#include "fatal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fatal(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("fatal: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(FATAL_EXIT_STATUS);
}

void *fatal_alloc(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    if (!memory)
        fatal("the harness is out of memory: %zu bytes", bytes);
    return memory;
}

void *fatal_alloc_zeroed(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory)
        fatal("the harness is out of memory: %zu bytes", bytes);
    return memory;
}

void *fatal_realloc(void *memory, size_t bytes)
{
    void *moved = realloc(memory, bytes ? bytes : 1);
    if (!moved)
        fatal("the harness is out of memory: %zu bytes", bytes);
    return moved;
}
