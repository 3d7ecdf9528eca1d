/*
 * commit.c - the commit queue (commit.h): who leads, who sleeps, who is woken, who runs callbacks.
 *
 * States of a request.  Its submitter waits; L is the leader of the moment:
 *
 *     PENDING --submitter, about to sleep--> WAITING --L, leaving--> LEADER
 *      |   ^                                    |                       |
 *      |   +--submitter--> LINGERING            |                       |
 *      |   (sleeps till due)   |                |                       |
 *      +-----------------------+--- L, completing ----------------------+----> DONE
 *
 * Only the submitter leaves PENDING for WAITING or LINGERING, and LINGERING for PENDING; only L leaves WAITING (and
 * wakes), or the submitter itself once it is L.
 *
 * Leadership is one word: LED says that there is a leader, ARRIVED that some request has become WAITING, or the server
 * has come, since the leader last cleared the bit.  It is 0, LED or LED|ARRIVED.  `pending`, `pending_last`, `elected`
 * and the taking of the list belong to the leader; they pass from one to the next with the word (release to
 * acquire), or with the state LEADER.
 *
 * No wake-up is lost.  A waiter first becomes WAITING, then, in one read-modify-write of the leadership word,
 * either takes it (no leader) or sets ARRIVED (there is one) and sleeps.  A leader leaves in this order: clear
 * ARRIVED; take the list; look for a WAITING request; when there is none, change LED to 0 by compare-exchange,
 * which fails if ARRIVED was set meanwhile, and then it looks again.  All changes of one word are totally ordered:
 * a waiter's ARRIVED comes before the clearing (whose acquire then makes its WAITING and its push visible to the
 * look), or between clearing and exchange (which fails), or the waiter found the word 0 and leads itself.  No case
 * needs sequential consistency across two words.
 *
 * A leader that goes leaves nobody asleep.  What is queued then is LINGERING, whose submitter has set its alarm;
 * PENDING, whose submitter will lead when it waits; or unwaited, of which the leader tells the server.
 *
 * The server sleeps on `signal`.  Who submits an unwaited request pushes it, then sets a bit and wakes when the word
 * was 0.  The server clears the word, then takes the leadership, or sets ARRIVED like a waiter: the leader then looks
 * again before it goes, and tells the server, after it has gone, that there is something left.  Four pairs of words
 * need sequential consistency.  (head, signal), (due_ns, signal) and (finished, signal): who changes the first and then
 * finds a bit set does not wake; the server clears `signal` first and looks at the others afterwards.  (head, due_ns):
 * a submitter that finds an earlier time does not set its own; the leader clears `due_ns` first.
 *
 * A time in due_ns may be left over from a group that was led between a submission's push and its note: the next group
 * then lingers less.  It never lingers more.
 */
#include "commit.h"

#include <assert.h>
#include <stddef.h>

enum commit_state {
    COMMIT_PENDING = 0,
    COMMIT_WAITING = 1,
    COMMIT_LEADER = 2,
    COMMIT_DONE = 3,
    COMMIT_LINGERING = 4
};
enum { LED = 1, ARRIVED = 2 };                                /* leadership */
enum { DELIVERING = 1, FINISHED_MORE = 2 };                   /* delivery */
enum { SIGNAL_QUEUED = 1, SIGNAL_FINISHED = 2, SIGNAL_STOP = 4 }; /* signal */
#define DUE_NEVER UINT64_MAX

/*
 * Yields before sleep. With 64 submitters on two idle processors they double the commits per second (a sleep and a
 * wake cost several microseconds of both); on a busy machine each gives a whole time slice away, and commits fall
 * to a tenth. So a slow yield keeps all waits from yielding for a while, long enough to make the try cheap.
 */
enum { YIELDS = 3, YIELD_SLOW_NS = 1000000, YIELD_REST = 20000 };

/*
 * Waits that last as long as a sync yield once: with 32 submitters three yields each made a tenth fewer commits.
 * A leader gathers for slow_ns / GATHER_SHARE, and GATHER_YIELDS yields, at most.
 */
enum { YIELDS_SLOW = 1, GATHER_SHARE = 4, GATHER_YIELDS = 128 };

/* Words of waiters whose requests are done; they may be gone. */
enum { SLEEPERS_MAX = 64 };
struct commit_sleepers {
    _Atomic uint32_t *word[SLEEPERS_MAX];
    unsigned count;
};

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
    atomic_init(&q->due_ns, DUE_NEVER);
    atomic_init(&q->gathered, 0);
    atomic_init(&q->finished, NULL);
    atomic_init(&q->delivery, 0);
    q->elected = false;
    q->in_flight = 0;
    q->slow_ns = 0;
    q->sleepers = NULL;
    atomic_init(&q->served, 0);
    atomic_init(&q->signal, 0);
}

static uint64_t now_ns(const commit_queue *q)
{
    return q->io->now_ns(q->io->context);
}

/* Tells the server, which sleeps only on 0. */
static void signal_server(commit_queue *q, uint32_t bit)
{
    /* seq_cst: the push came before this look, and the server clears before it looks at `head` (see the top) */
    if (atomic_load_explicit(&q->signal, memory_order_seq_cst) & bit)
        return;
    /* release pairs with the exchange of commit_serve() */
    if (!atomic_fetch_or_explicit(&q->signal, bit, memory_order_seq_cst))
        sync_wake(&q->signal, 1);
}

static bool is_served(commit_queue *q)
{
    /* acquire pairs with commit_serve_begin(); whoever holds an unwaited request has it from the push as well */
    return atomic_load_explicit(&q->served, memory_order_acquire) != 0;
}

/* What is queued has to go at that time, or earlier if it had to anyway. */
static void note_due(commit_queue *q, uint64_t at)
{
    /* seq_cst: after the push; pairs with the clearing in lead_group() (see the top) */
    uint64_t due = atomic_load_explicit(&q->due_ns, memory_order_seq_cst);
    while (at < due && !atomic_compare_exchange_weak_explicit(&q->due_ns, &due, at, memory_order_seq_cst,
                                                              memory_order_seq_cst))
        ;
}

/* How long what is queued may still linger; 0: not at all; DUE_NEVER: all that lingered was led. */
static uint64_t time_to_linger(commit_queue *q)
{
    if (!q->linger_ns)
        return 0;
    /* seq_cst: after the server's clearing of `signal`; pairs with note_due() (see the top) */
    uint64_t due = atomic_load_explicit(&q->due_ns, memory_order_seq_cst);
    if (due == 0 || due == DUE_NEVER)
        return due;
    uint64_t now = now_ns(q);
    return due > now ? due - now : 0;
}

void commit_submit(commit_queue *q, commit_request *r, const commit_terms *terms)
{
    static const commit_terms waited;
    const commit_terms *t = terms ? terms : &waited;
    atomic_store_explicit(&r->state, COMMIT_PENDING, memory_order_relaxed); /* published by the push */
    r->result = LEVIN_PENDING;
    r->lingers = t->lingers && q->linger_ns;
    r->unwaited = t->unwaited;
    r->slow = t->slow;
    r->bytes = t->bytes < COMMIT_REQUEST_BYTES ? COMMIT_REQUEST_BYTES : t->bytes;
    r->done = t->done;
    /* before the push, so that the leader takes off what was put on; relaxed: a figure that pairs with nothing */
    if (q->linger_ns &&
        atomic_fetch_add_explicit(&q->gathered, r->bytes, memory_order_relaxed) + r->bytes >= COMMIT_FULL_BYTES)
        r->lingers = false;
    const bool lingers = r->lingers; /* r may be gone once it is pushed, when it has a `done` function */
    commit_request *head = atomic_load_explicit(&q->head, memory_order_relaxed); /* the exchange below checks it */
    do
        r->next = head;
    while (!atomic_compare_exchange_weak_explicit(&q->head, &head, r,
                                                  memory_order_seq_cst, /* pairs with the exchange of take_queued() */
                                                  memory_order_relaxed));
    if (q->linger_ns && (lingers || t->unwaited))
        note_due(q, lingers ? now_ns(q) + q->linger_ns : 0);
    if (t->unwaited && is_served(q))
        signal_server(q, SIGNAL_QUEUED);
}

static commit_request *reversed(commit_request *newest)
{
    commit_request *first = NULL;
    while (newest) {
        commit_request *next = newest->next;
        newest->next = first;
        first = newest;
        newest = next;
    }
    return first;
}

/* By the leader: moves all that was pushed behind what is pending, in order of submission. */
static void take_queued(commit_queue *q)
{
    /* a look first: an exchange would take the line away from those who push */
    /* may miss a push: its waiter then sets ARRIVED. seq_cst: after the clearing of `signal` or `due_ns` (the top) */
    if (!atomic_load_explicit(&q->head, memory_order_seq_cst))
        return;
    /* acquire pairs with the push */
    commit_request *last = atomic_exchange_explicit(&q->head, NULL, memory_order_acquire), *first = reversed(last);
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
        bool unwaited = false;
        /* acquire pairs with the ARRIVED of lead_or_announce(): that waiter's push and WAITING are seen below */
        atomic_fetch_and_explicit(&q->leadership, ~(uint32_t)ARRIVED, memory_order_acquire);
        take_queued(q);
        for (commit_request *r = q->pending; r; r = r->next) {
            unwaited |= r->unwaited;
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
                                                    memory_order_relaxed)) {
            if (unwaited && is_served(q))
                signal_server(q, SIGNAL_QUEUED);
            return;
        }
    }
}

/* ---- callbacks -------------------------------------------------------------------------------------------- */

/* Runs the callbacks of all that is finished, in order of commit. One thread at a time. */
static void run_finished(commit_queue *q)
{
    /* pairs with the push of finish(); seq_cst: after the server's clearing of `signal` (see the top) */
    commit_request *r = reversed(atomic_exchange_explicit(&q->finished, NULL, memory_order_seq_cst));
    while (r) {
        commit_request *next = r->next;
        r->done(r); /* r is gone */
        r = next;
    }
}

/* By the leader: r is completed and has a callback. The pushes of one leader after the other keep the order. */
static void finish(commit_queue *q, commit_request *r)
{
    commit_request *head = atomic_load_explicit(&q->finished, memory_order_relaxed); /* the exchange checks it */
    do
        r->next = head;
    while (!atomic_compare_exchange_weak_explicit(&q->finished, &head, r,
                                                  memory_order_seq_cst, /* pairs with run_finished() */
                                                  memory_order_relaxed));
    if (is_served(q)) {
        signal_server(q, SIGNAL_FINISHED);
        return;
    }
    uint32_t word = atomic_load_explicit(&q->delivery, memory_order_relaxed); /* the exchange checks it */
    /* acquire and release: pairs with both changes of the word in deliver() */
    while (!atomic_compare_exchange_weak_explicit(&q->delivery, &word,
                                                  word ? (uint32_t)(DELIVERING | FINISHED_MORE) : DELIVERING,
                                                  memory_order_acq_rel, memory_order_relaxed))
        ;
    q->elected |= word == 0;
}

/* By whoever was elected, until no more has come: the same protocol of one word as that of the leadership. */
static void deliver(commit_queue *q)
{
    for (;;) {
        /* acquire pairs with the FINISHED_MORE of finish() */
        atomic_exchange_explicit(&q->delivery, DELIVERING, memory_order_acquire);
        run_finished(q);
        uint32_t word = DELIVERING;
        /* release: what the callbacks did comes before those of the next who delivers */
        if (atomic_compare_exchange_strong_explicit(&q->delivery, &word, 0, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
}

/* ---- leading ---------------------------------------------------------------------------------------------- */

/* A count of requests: of a list, and of what is queued. */
typedef struct crowd {
    size_t count;
    bool slow;                   /* one of them is */
    const commit_request *newest; /* of those queued that were counted */
} crowd;

static void crowd_add(crowd *c, const commit_request *first, const commit_request *end)
{
    for (const commit_request *r = first; r != end; r = r->next) {
        c->count++;
        c->slow |= r->slow;
    }
}

/* By the leader, who alone takes requests off: what has been pushed since it looked last. */
static void crowd_look(crowd *c, commit_queue *q)
{
    const commit_request *head = atomic_load_explicit(&q->head, memory_order_acquire); /* pairs with the push */
    crowd_add(c, head, c->newest);
    c->newest = head;
}

/* By the leader: waits a little for those whom the group before has let go (commit.h, "Gathering"). */
static void gather(commit_queue *q)
{
    crowd c = { 0 };
    /* relaxed: `rest` is a hint, as in yield_instead() */
    if (q->in_flight < 2 || atomic_load_explicit(&q->rest, memory_order_relaxed))
        return;
    crowd_add(&c, q->pending, NULL);
    crowd_look(&c, q);
    if (!c.slow || c.count >= q->in_flight)
        return;
    uint64_t began = now_ns(q), now = began, end = began + q->slow_ns / GATHER_SHARE;
    for (int i = 0; i < GATHER_YIELDS && now < end && c.count < q->in_flight; i++) {
        uint64_t before = now;
        sync_yield();
        crowd_look(&c, q);
        now = now_ns(q);
        if (now - before > YIELD_SLOW_NS) {
            atomic_store_explicit(&q->rest, YIELD_REST, memory_order_relaxed);
            return;
        }
    }
}

/* By the leader: the list is led; its requests are gone then. */
static void lead_list(commit_queue *q, commit_request *list)
{
    crowd c = { 0 };
    crowd_add(&c, list, NULL);
    if (!c.slow) {
        q->lead(q->context, list);
        return;
    }
    uint64_t began = now_ns(q);
    q->lead(q->context, list);
    uint64_t took = now_ns(q) - began;
    q->slow_ns = q->slow_ns ? q->slow_ns - q->slow_ns / 8 + took / 8 : took;
    crowd_look(&c, q);
    q->in_flight = c.count;
}

/* By the leader: leads one group, of all that is queued, leaves, and runs callbacks. False: nothing was queued. */
static bool lead_group(commit_queue *q)
{
    commit_sleepers sleepers;
    sleepers.count = 0;
    if (q->linger_ns) /* seq_cst: before the look at `head`; pairs with note_due() (see the top) */
        atomic_exchange_explicit(&q->due_ns, DUE_NEVER, memory_order_seq_cst);
    take_queued(q);
    commit_request *list = q->pending;
    if (list)
        q->pending_last->next = NULL;
    q->pending = q->pending_last = NULL;
    q->elected = false;
    if (q->linger_ns) {
        uint64_t bytes = 0;
        for (const commit_request *r = list; r; r = r->next)
            bytes += r->bytes;
        atomic_fetch_sub_explicit(&q->gathered, bytes, memory_order_relaxed); /* a figure that pairs with nothing */
    }
    q->sleepers = &sleepers;
    if (list)
        lead_list(q, list);
    q->sleepers = NULL;
    const bool elected = q->elected;
    leave(q);
    for (unsigned i = 0; i < sleepers.count; i++)
        sync_wake(sleepers.word[i], 1);
    if (elected)
        deliver(q);
    return list != NULL;
}

static bool try_to_lead(commit_queue *q)
{
    uint32_t nobody = 0;
    /* acquire pairs with the release in leave(); the look before it spares the line when there is a leader */
    return atomic_load_explicit(&q->leadership, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong_explicit(&q->leadership, &nobody, LED, memory_order_acquire,
                                                   memory_order_relaxed);
}

/*
 * By a WAITING submitter, or the server: true when it leads now; otherwise the leader knows that it must look before it
 * goes.
 */
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
    uint64_t before = now_ns(q);
    const int yields = r->slow ? YIELDS_SLOW : YIELDS;
    for (int i = 0; i < yields; i++) {
        sync_yield();
        uint64_t now = now_ns(q);
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

/* Sleeps as long as the group may wait for company. False: it may not. */
static bool linger(commit_queue *q, commit_request *r)
{
    uint64_t time = time_to_linger(q);
    if (time == 0 || time == DUE_NEVER) /* never: a leader has taken it */
        return false;
    uint32_t state = COMMIT_PENDING;
    /* relaxed, both: nothing is told by them; commit_wait() looks at the state again, with acquire */
    if (!atomic_compare_exchange_strong_explicit(&r->state, &state, COMMIT_LINGERING, memory_order_relaxed,
                                                 memory_order_relaxed))
        return true;
    sync_wait(&r->state, COMMIT_LINGERING, time);
    state = COMMIT_LINGERING;
    atomic_compare_exchange_strong_explicit(&r->state, &state, COMMIT_PENDING, memory_order_relaxed,
                                            memory_order_relaxed);
    return true;
}

levin_code commit_wait(commit_queue *q, commit_request *r)
{
    bool yielded = false;
    for (;;) {
        /* acquire pairs with commit_complete() and with the hand-over in leave() */
        uint32_t state = atomic_load_explicit(&r->state, memory_order_acquire);
        if (state == COMMIT_DONE)
            return r->result;
        if (state == COMMIT_PENDING && r->lingers && linger(q, r))
            continue;
        if (state == COMMIT_LEADER || (state == COMMIT_PENDING && try_to_lead(q))) {
            gather(q);
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
                gather(q);
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

bool commit_work(commit_queue *q)
{
    return time_to_linger(q) == 0 && try_to_lead(q) && lead_group(q);
}

void commit_complete(commit_queue *q, commit_request *r, levin_code result)
{
    r->result = result;
    if (r->done) {
        finish(q, r);
        return;
    }
    /* release pairs with the acquire of commit_wait() and commit_poll(). r may be gone then: its address is used */
    uint32_t state = atomic_exchange_explicit(&r->state, COMMIT_DONE, memory_order_release);
    if (state != COMMIT_WAITING && state != COMMIT_LINGERING)
        return;
    if (q->sleepers->count < SLEEPERS_MAX)
        q->sleepers->word[q->sleepers->count++] = &r->state; /* woken when the leadership is handed on */
    else
        sync_wake(&r->state, 1);
}

/* ---- the server ------------------------------------------------------------------------------------------- */

void commit_serve(commit_queue *q)
{
    bool queued = false;
    for (;;) {
        /* seq_cst: before the look at `head` and `finished`; pairs with signal_server() (see the top) */
        uint32_t signal = atomic_exchange_explicit(&q->signal, 0, memory_order_seq_cst);
        if (signal & SIGNAL_STOP)
            return;
        queued |= signal & SIGNAL_QUEUED;
        if (signal & SIGNAL_FINISHED)
            run_finished(q);
        uint64_t time = queued ? time_to_linger(q) : 0;
        if (queued && (time == 0 || time == DUE_NEVER)) { /* never: it was led meanwhile */
            queued = false;
            if (time == 0 && lead_or_announce(q)) {
                gather(q);
                lead_group(q);
            }
            time = 0;
        }
        sync_wait(&q->signal, 0, time);
    }
}

void commit_serve_begin(commit_queue *q)
{
    atomic_store_explicit(&q->served, 1, memory_order_release); /* pairs with is_served() */
}

void commit_serve_stop(commit_queue *q)
{
    signal_server(q, SIGNAL_STOP);
}

void commit_serve_ended(commit_queue *q)
{
    atomic_store_explicit(&q->served, 0, memory_order_release); /* pairs with is_served() */
}

void commit_drain(commit_queue *q)
{
    uint32_t word = 0;
    /* what the server had not run; acquire and release as in finish() */
    if (atomic_compare_exchange_strong_explicit(&q->delivery, &word, DELIVERING, memory_order_acq_rel,
                                                memory_order_relaxed))
        deliver(q);
    while (try_to_lead(q) && lead_group(q))
        ;
}
