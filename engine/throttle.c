/*
 * throttle.c - the estimate of what a checkpoint needs still, and the waits that follow from it (throttle.h).
 *
 * Invariants: no wait is longer than the limit for the group's size; without a measure there is none.
 * Concurrency: throttle.h.  Crash safety: memory only.
 */
#include "throttle.h"

enum { MEASURED_PART = 16 }; /* so many-th of the operations have to be merged before they are a measure */

static uint64_t get(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed); /* an estimate: pairs with nothing */
}

static void set(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_relaxed); /* as above */
}

void throttle_begin(throttle *t, uint64_t operations, uint64_t now_ns)
{
    set(&t->operations, operations);
    set(&t->done, 0);
    set(&t->merged_ns, 0);
    set(&t->moved_ns, now_ns);
    set(&t->began_ns, now_ns);
}

void throttle_progress(throttle *t, uint64_t done, uint64_t now_ns)
{
    set(&t->moved_ns, now_ns);
    set(&t->done, done);
}

void throttle_merged(throttle *t, uint64_t now_ns)
{
    set(&t->done, get(&t->operations));
    set(&t->merged_ns, now_ns);
}

void throttle_end(throttle *t, uint64_t now_ns, bool completed)
{
    uint64_t merged = get(&t->merged_ns), operations = get(&t->operations);
    if (completed && operations && merged) {
        set(&t->merge_ns_per_1024, (merged - get(&t->began_ns)) * 1024 / operations);
        set(&t->rest_ns, now_ns - merged);
    }
    set(&t->began_ns, 0);
}

static uint64_t since(uint64_t then, uint64_t now)
{
    return now > then ? now - then : 0;
}

/* What the checkpoint needs still; 0: nothing, or nobody knows. */
static uint64_t expected_ns(const throttle *t, uint64_t now)
{
    uint64_t began = get(&t->began_ns), merged = get(&t->merged_ns), rest = get(&t->rest_ns);
    if (!began)
        return 0;
    if (merged) { /* the syncs: when they take longer than the last time, a while longer still */
        uint64_t spent = since(merged, now);
        return rest > spent + rest / 4 ? rest - spent : rest / 4;
    }
    uint64_t operations = get(&t->operations), done = get(&t->done), per = get(&t->merge_ns_per_1024);
    if (done && done >= operations / MEASURED_PART)
        per = since(began, now) * 1024 / done;
    if (!per)
        return 0;
    uint64_t left = since(done, operations) * per / 1024 + rest, still = since(get(&t->moved_ns), now);
    return left > still ? left : still;
}

uint64_t throttle_delay_ns(throttle *t, uint64_t now_ns, uint64_t bytes, uint64_t room_bytes)
{
    uint64_t expected = expected_ns(t, now_ns), from = t->due_ns > t->last_ns ? t->due_ns : t->last_ns;
    t->last_ns = now_ns;
    t->due_ns = 0;
    if (!expected || !from)
        return 0;
    uint64_t most = THROTTLE_MAX_NS * (1 + bytes / THROTTLE_PART_BYTES);
    double share = bytes < room_bytes ? (double)bytes / (double)room_bytes : 1;
    double due = (double)expected * share + (double)from - (double)now_ns; /* from now */
    if (due <= 0)
        return 0;
    uint64_t delay = due < (double)most ? (uint64_t)due : most;
    t->due_ns = now_ns + delay;
    if (delay < THROTTLE_MIN_NS)
        return 0;
    t->last_ns = t->due_ns;
    return delay;
}

unsigned throttle_done(const throttle *t)
{
    uint64_t operations = get(&t->operations), done = get(&t->done);
    if (!get(&t->began_ns))
        return 0;
    return operations && done < operations ? (unsigned)(done * 1000 / operations) : 1000;
}
