/*
 * commit.c - the commit queue (commit.h): who leads, who sleeps, who is woken.
 *
 * States of a request.  Its submitter waits; L is the leader of the moment:
 *
 *     PENDING --submitter, about to sleep--> WAITING --L, leaving--> LEADER
 *        |                                      |                       |
 *        +-------------- L, completing ---------+-----------------------+----> DONE
 *
 * Only the submitter leaves PENDING for WAITING; only L leaves WAITING (and wakes), or the submitter itself once it
 * is L.
 *
 * Leadership is one word: LED says that there is a leader, ARRIVED that some request has become WAITING since the
 * leader last cleared the bit.  It is 0, LED or LED|ARRIVED.  `pending`, `pending_last` and the taking of the list
 * belong to the leader; they pass from one to the next with the word (release to acquire), or with the state
 * LEADER.
 *
 * No wake-up is lost.  A waiter first becomes WAITING, then, in one read-modify-write of the leadership word,
 * either takes it (no leader) or sets ARRIVED (there is one) and sleeps.  A leader leaves in this order: clear
 * ARRIVED; take the list; look for a WAITING request; when there is none, change LED to 0 by compare-exchange,
 * which fails if ARRIVED was set meanwhile, and then it looks again.  All changes of one word are totally ordered:
 * a waiter's ARRIVED comes before the clearing (whose acquire then makes its WAITING and its push visible to the
 * look), or between clearing and exchange (which fails), or the waiter found the word 0 and leads itself.  No case
 * needs sequential consistency across two words.
 *
 * A leader that goes leaves nobody asleep; what is queued then is PENDING, and its submitter will lead when it waits.
 */
#include "commit.h"

#include <assert.h>
#include <stddef.h>

enum commit_state { COMMIT_PENDING = 0, COMMIT_WAITING = 1, COMMIT_LEADER = 2, COMMIT_DONE = 3 };
enum { LED = 1, ARRIVED = 2 };

/*
 * Yields before sleep. With 64 submitters on two idle processors they double the commits per second (a sleep and a
 * wake cost several microseconds of both); on a busy machine each gives a whole time slice away, and commits fall
 * to a tenth. So a slow yield keeps all waits from yielding for a while, long enough to make the try cheap.
 */
enum { YIELDS = 3, YIELD_SLOW_NS = 1000000, YIELD_REST = 20000 };

void commit_queue_init(commit_queue *q, const levin_io *io, void (*lead)(void *context, commit_request *list),
                       void *context)
{
    atomic_init(&q->head, NULL);
    atomic_init(&q->leadership, 0);
    atomic_init(&q->rest, 0);
    q->pending = q->pending_last = NULL;
    q->io = io;
    q->lead = lead;
    q->context = context;
    q->linger_ns = 0;
    atomic_init(&q->linger_word, 0);
}

void commit_submit(commit_queue *q, commit_request *r)
{
    atomic_store_explicit(&r->state, COMMIT_PENDING, memory_order_relaxed); /* published by the push */
    r->result = LEVIN_PENDING;
    commit_request *head = atomic_load_explicit(&q->head, memory_order_relaxed); /* the exchange below checks it */
    do
        r->next = head;
    while (!atomic_compare_exchange_weak_explicit(&q->head, &head, r,
                                                  memory_order_release, /* pairs with the exchange of take_queued() */
                                                  memory_order_relaxed));
}

/* By the leader: moves all that was pushed behind what is pending, in order of submission. */
static void take_queued(commit_queue *q)
{
    /* a look first: an exchange would take the line away from those who push */
    if (!atomic_load_explicit(&q->head, memory_order_relaxed)) /* may miss a push: its waiter then sets ARRIVED */
        return;
    /* acquire pairs with the push */
    commit_request *newest = atomic_exchange_explicit(&q->head, NULL, memory_order_acquire), *last = newest,
                   *first = NULL;
    while (newest) {
        commit_request *next = newest->next;
        newest->next = first;
        first = newest;
        newest = next;
    }
    if (q->pending)
        q->pending_last->next = first;
    else
        q->pending = first;
    q->pending_last = last;
}

/* By the leader: hands the leadership on or gives it up. */
static void leave(commit_queue *q)
{
    for (;;) {
        /* acquire pairs with the ARRIVED of lead_or_announce(): that waiter's push and WAITING are seen below */
        atomic_fetch_and_explicit(&q->leadership, ~(uint32_t)ARRIVED, memory_order_acquire);
        take_queued(q);
        for (commit_request *r = q->pending; r; r = r->next) {
            /* relaxed: only we change a WAITING request, and what its waiter did came with the word or the push */
            if (atomic_load_explicit(&r->state, memory_order_relaxed) != COMMIT_WAITING)
                continue;
            /* release pairs with the acquire of commit_wait(): the new leader sees `pending`. r may be gone then */
            atomic_store_explicit(&r->state, COMMIT_LEADER, memory_order_release);
            sync_wake(&r->state, 1);
            return;
        }
        uint32_t led = LED;
        /* release pairs with the acquire of whoever takes the word next: it sees `pending` */
        if (atomic_compare_exchange_strong_explicit(&q->leadership, &led, 0, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
}

/* By the leader: leads one group, of all that is queued, and leaves. */
static void lead_group(commit_queue *q)
{
    if (q->linger_ns)
        sync_wait(&q->linger_word, 0, q->linger_ns);
    take_queued(q);
    commit_request *list = q->pending;
    if (list)
        q->pending_last->next = NULL;
    q->pending = q->pending_last = NULL;
    if (list)
        q->lead(q->context, list);
    leave(q);
}

static bool try_to_lead(commit_queue *q)
{
    uint32_t nobody = 0;
    /* acquire pairs with the release in leave(); the look before it spares the line when there is a leader */
    return atomic_load_explicit(&q->leadership, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong_explicit(&q->leadership, &nobody, LED, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* By a WAITING submitter: true when it leads now; otherwise the leader knows that it must look before it goes. */
static bool lead_or_announce(commit_queue *q)
{
    uint32_t word = atomic_load_explicit(&q->leadership, memory_order_relaxed); /* the exchange below checks it */
    for (;;) {
        uint32_t next = word ? word | ARRIVED : LED;
        /* acquire and release: pairs with both changes of the word in leave() */
        if (atomic_compare_exchange_weak_explicit(&q->leadership, &word, next, memory_order_acq_rel,
                                                  memory_order_relaxed))
            return word == 0;
    }
}

/* Gives others the processor a few times. False when there is nothing left to do but sleep. */
static bool yield_instead(commit_queue *q, const commit_request *r)
{
    /* `rest` is a hint, relaxed everywhere: a lost count does no harm */
    uint32_t rest = atomic_load_explicit(&q->rest, memory_order_relaxed);
    if (rest) {
        atomic_store_explicit(&q->rest, rest - 1, memory_order_relaxed);
        return false;
    }
    uint64_t before = q->io->now_ns(q->io->context);
    for (int i = 0; i < YIELDS; i++) {
        sync_yield();
        uint64_t now = q->io->now_ns(q->io->context);
        if (now - before > YIELD_SLOW_NS) {
            atomic_store_explicit(&q->rest, YIELD_REST, memory_order_relaxed);
            return false;
        }
        before = now;
        /* relaxed: only whether to look again; the caller's loop does, with acquire */
        if (atomic_load_explicit(&r->state, memory_order_relaxed) != COMMIT_PENDING ||
            atomic_load_explicit(&q->leadership, memory_order_relaxed) == 0)
            return true;
    }
    return false;
}

levin_code commit_wait(commit_queue *q, commit_request *r)
{
    bool yielded = false;
    for (;;) {
        /* acquire pairs with commit_complete() and with the hand-over in leave() */
        uint32_t state = atomic_load_explicit(&r->state, memory_order_acquire);
        if (state == COMMIT_DONE)
            return r->result;
        if (state == COMMIT_LEADER || (state == COMMIT_PENDING && try_to_lead(q))) {
            lead_group(q);
            assert(atomic_load_explicit(&r->state, memory_order_relaxed) == COMMIT_DONE); /* r was in the group */
            continue;
        }
        if (state == COMMIT_PENDING && !yielded) {
            yielded = true;
            if (yield_instead(q, r))
                continue;
        }
        if (state == COMMIT_PENDING) {
            /* relaxed: the leadership word carries it to the leader. Fails only when r is DONE meanwhile */
            if (!atomic_compare_exchange_strong_explicit(&r->state, &state, COMMIT_WAITING, memory_order_relaxed,
                                                         memory_order_relaxed))
                continue;
            if (lead_or_announce(q)) {
                /* we lead, so nobody else changes r; unless the last leader has completed it, it needs no wake now */
                state = COMMIT_WAITING;
                atomic_compare_exchange_strong_explicit(&r->state, &state, COMMIT_PENDING, memory_order_relaxed,
                                                        memory_order_relaxed);
                lead_group(q);
                continue;
            }
        }
        sync_wait(&r->state, COMMIT_WAITING, 0);
    }
}

levin_code commit_poll(commit_queue *q, commit_request *r)
{
    /* acquire pairs with commit_complete(), here and below */
    if (atomic_load_explicit(&r->state, memory_order_acquire) != COMMIT_DONE && try_to_lead(q))
        lead_group(q);
    return atomic_load_explicit(&r->state, memory_order_acquire) == COMMIT_DONE ? r->result : LEVIN_PENDING;
}

void commit_complete(commit_request *r, levin_code result)
{
    r->result = result;
    /* release pairs with the acquire of commit_wait() and commit_poll(). r may be gone then: its address is used */
    if (atomic_exchange_explicit(&r->state, COMMIT_DONE, memory_order_release) == COMMIT_WAITING)
        sync_wake(&r->state, 1);
}
