/*
 * bench_child.h - child processes that run a benchmark: each store has memory, threads and settings to itself, and what
 * one leaves behind is gone with it.
 */
#ifndef LEVIN_BENCH_CHILD_H
#define LEVIN_BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed memory that children write and their parent reads; NULL when there is none. bench_unshare() gives it back. */
void *bench_share(size_t bytes);
void bench_unshare(void *memory, size_t bytes);

typedef enum bench_end {
    BENCH_DONE,   /* the child returned true */
    BENCH_FAILED, /* it returned false, and has said why */
    BENCH_KILLED, /* by SIGKILL */
    BENCH_DIED    /* any other way; a message was printed */
} bench_end;

/*
 * Runs work(context) in a child and waits.  Signals that ask for an end are the parent's to hear: the child ignores
 * them, and is killed when the parent dies.  Requires that the caller has no other thread.
 */
bench_end bench_child_run(bool (*work)(void *context), void *context);

#endif
