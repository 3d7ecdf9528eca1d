/*
 * progress.h - one line on standard error, rewritten a few times a second, when that is a terminal; otherwise nothing.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    const char *verb; /* "imported" */
    bool shown;       /* standard error is a terminal and nobody asked for silence */
    bool dirty;       /* a line stands there */
    uint64_t start_ns, next_ns;
} progress;

void progress_begin(progress *p, const char *verb, bool quiet);
/* Cheap enough to be called for every record. */
void progress_tick(progress *p, uint64_t records, uint64_t bytes);
/* Of work on pages; total 0: not known. */
void progress_pages(progress *p, uint64_t pages, uint64_t bytes, uint64_t total_bytes);
/* Removes the line; call it before anything else is printed. Returns the seconds since the beginning. */
double progress_end(progress *p);

#endif
