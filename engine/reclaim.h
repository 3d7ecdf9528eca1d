/*
 * reclaim.h - the seam between the engine and safe memory reclamation: read-side sections, grace periods, deferred
 * frees, published pointers.
 *
 * reclaim_urcu.c implements it over liburcu (bp flavour: threads register themselves on first use).  The harness
 * links another implementation under its seeded scheduler.  Published pointers are C11 release/acquire pairs, which
 * ThreadSanitizer sees; grace periods are annotated for it in reclaim_urcu.c.
 *
 * Guarantee: whatever was unreachable from every published pointer before reclaim_synchronize() was called is
 * referenced by no read-side section when it returns.  Read-side sections are wait-free and nest; they may do I/O,
 * and must not call reclaim_synchronize() or wait for somebody who does.
 */
#ifndef LEVIN_RECLAIM_H
#define LEVIN_RECLAIM_H

#include <stdatomic.h>
#include <stddef.h>

void reclaim_read_lock(void);
void reclaim_read_unlock(void);
/* Waits for a grace period. Not inside a read-side section. */
void reclaim_synchronize(void);

/* Publish (release; pairs with reclaim_load) and read (acquire; pairs with reclaim_publish) a pointer. */
#define reclaim_publish(location, pointer) atomic_store_explicit((location), (pointer), memory_order_release)
#define reclaim_load(location) atomic_load_explicit((location), memory_order_acquire)

/* A deferred free, embedded in what is to be freed. */
typedef struct reclaim_node {
    struct reclaim_node *next;
    void (*free)(struct reclaim_node *node);
} reclaim_node;

/* Objects waiting for a grace period. Zero-initialised is empty. Many pushers, lock-free (Treiber 1986). */
typedef struct reclaim_queue {
    _Atomic(reclaim_node *) head;
    _Atomic size_t count;
} reclaim_queue;

/* Hands node over: free(node) is called by some later reclaim_drain(), after a grace period. Never blocks. */
void reclaim_defer(reclaim_queue *queue, reclaim_node *node, void (*free)(reclaim_node *node));
/* Takes all that is queued, waits for one grace period, frees in order of deferral. Returns how many. */
size_t reclaim_drain(reclaim_queue *queue);
static inline size_t reclaim_waiting(reclaim_queue *queue)
{
    return atomic_load_explicit(&queue->count, memory_order_relaxed); /* a hint; pairs with nothing */
}

#endif
