/*
 * reclaim.c - the queue of deferred frees (reclaim.h), over whichever grace period is linked.
 *
 * Invariants: `count` is never below the number of nodes on the list, because it is raised before a node is pushed
 * and lowered after the node was taken.
 * Concurrency: a push is lock-free (Treiber 1986); a drain takes the whole list with one exchange, so there
 * is no ABA, and several drains may run at once, each with its own nodes.
 */
#include "reclaim.h"

void reclaim_defer(reclaim_queue *queue, reclaim_node *node, void (*free)(reclaim_node *node))
{
    node->free = free;
    atomic_fetch_add_explicit(&queue->count, 1, memory_order_relaxed); /* a hint; pairs with nothing */
    reclaim_node *head = atomic_load_explicit(&queue->head, memory_order_relaxed); /* the exchange below checks it */
    do
        node->next = head;
    while (!atomic_compare_exchange_weak_explicit(&queue->head, &head, node,
                                                  memory_order_release, /* pairs with the exchange of reclaim_drain */
                                                  memory_order_relaxed));
}

size_t reclaim_drain(reclaim_queue *queue)
{
    /* acquire pairs with the push: what made the node unreachable comes before the grace period */
    reclaim_node *newest = atomic_exchange_explicit(&queue->head, NULL, memory_order_acquire), *oldest = NULL;
    size_t count = 0;
    if (!newest)
        return 0;
    while (newest) {
        reclaim_node *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
        count++;
    }
    reclaim_synchronize();
    atomic_fetch_sub_explicit(&queue->count, count, memory_order_relaxed); /* a hint; pairs with nothing */
    while (oldest) {
        reclaim_node *next = oldest->next;
        oldest->free(oldest);
        oldest = next;
    }
    return count;
}
