/*
 * progress.c - the clock is looked at once in 256 ticks.
 */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void progress_begin(progress *p, const char *verb, bool quiet)
{
    *p = (progress){ .verb = verb, .shown = !quiet && isatty(STDERR_FILENO), .start_ns = now_ns() };
    p->next_ns = p->start_ns + 300000000u;
}

void progress_tick(progress *p, uint64_t records, uint64_t bytes)
{
    if (!p->shown || records & 0xff)
        return;
    uint64_t now = now_ns();
    if (now < p->next_ns)
        return;
    double seconds = (double)(now - p->start_ns) / 1e9;
    fprintf(stderr, "\r\033[K%s %llu records, %.1f MB, %.0f records/s", p->verb, (unsigned long long)records,
            (double)bytes / 1e6, (double)records / seconds);
    fflush(stderr);
    p->dirty = true;
    p->next_ns = now + 200000000u;
}

void progress_pages(progress *p, uint64_t pages, uint64_t bytes, uint64_t total_bytes)
{
    uint64_t now;
    if (!p->shown || (now = now_ns()) < p->next_ns)
        return;
    fprintf(stderr, "\r\033[K%s %llu pages, %.1f MB", p->verb, (unsigned long long)pages, (double)bytes / 1e6);
    if (total_bytes)
        fprintf(stderr, " of %.1f", (double)total_bytes / 1e6);
    fflush(stderr);
    p->dirty = true;
    p->next_ns = now + 200000000u;
}

double progress_end(progress *p)
{
    if (p->dirty)
        fputs("\r\033[K", stderr);
    p->dirty = false;
    return (double)(now_ns() - p->start_ns) / 1e9;
}
