/*
 * source.h - lines from a file or a pipe, with bounded memory and a place for messages.
 */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A line may be this long: the largest value, with every byte of it escaped. */
#define SOURCE_LINE_MAX ((size_t)2 << 28 | 1 << 20)

enum source_result { SOURCE_LINE, SOURCE_END, SOURCE_INTERRUPTED, SOURCE_FAILED, SOURCE_TOO_LONG };

/* As read(2). */
typedef ssize_t (*source_read)(void *context, void *buffer, size_t bytes);

typedef struct source {
    int fd;           /* -1: there is none, but: */
    source_read read;
    void *context;
    const char *name; /* for messages: the file's name or "standard input" */
    char *data;
    size_t start, end, capacity; /* unread bytes */
    uint64_t line;               /* number of the line read last, from 1 */
    uint64_t bytes;              /* bytes of all lines read */
    int os_error;                /* after SOURCE_FAILED */
    bool ended;                  /* the file has no more bytes */
} source;

/* name NULL or "-": standard input.  0 or errno. */
int source_open(source *s, const char *name);
/* Bytes that do not come from a file; context outlives the source. */
void source_over(source *s, const char *name, source_read read, void *context);
void source_close(source *s);
/* The next line without its newline, valid until the next call.  A last line without newline is a line. */
enum source_result source_line(source *s, const char **line, size_t *size);

#endif
