/*
 * client_crash.c - what power cuts leave of a client's store (client.h): each state is recovered and compared by a
 * client of its own, whose history goes on from the first one's.
 */
#include <stdlib.h>
#include <string.h>

#include "client_state.h"
#include "crash.h"
#include "fatal.h"

static oracle_legal legal_after(const oracle *o, const crash_state *s)
{
    return s->family == CRASH_ALL_KEPT ? oracle_legal_process_end(o, s->point) : oracle_legal_crash(o, s->point);
}

/* A client of the store in that state, recovered and compared with the history; of: whose keyspaces it knows. */
static client *recover(const client *of, oracle *history, const oracle_legal *legal, const crash_state *s,
                       const levin_options *options)
{
    client *r = client_on(s->image, 0);
    uint32_t state;
    memcpy(r->names, of->names, sizeof r->names);
    memcpy(r->name_bytes, of->name_bytes, sizeof r->name_bytes);
    r->o = history;
    const bool good = client_open_store(r, options) && client_compare(r, r->store, legal, s->digest, true, &state);
    r->o = good ? oracle_continue(history, state) : oracle_create(); /* its own */
    return r;
}

/* Does something to the recovered store, which is then closed. */
static void go_on_and_close(client *r, void (*go_on)(client *recovered))
{
    if (client_going(r))
        client_spaces_open(r);
    go_on(r);
    client_close(r);
}

/* Keeps what was found in a state. */
static void found(client *c, const crash_state *s, const char *what, const oracle_verdict *v)
{
    if (!v->promise)
        return;
    oracle_fault(&c->verdict, v->promise, "%s after %llu I/O calls, variant %llu (%s): %.400s", what,
                 (unsigned long long)s->point, (unsigned long long)s->variant, crash_family_text(s->family), v->text);
    c->verdict.state = v->state;
}

void client_crashes(client *c, const levin_options *options, uint64_t seed, void (*go_on)(client *recovered))
{
    if (c->verdict.promise)
        return;
    const uint64_t points = trace_length(c->t) + 1;
    uint64_t *classes = fatal_alloc(points * sizeof *classes);
    for (uint64_t p = 0; p < points; p++)
        classes[p] = oracle_promise_class(c->o, p);
    crash_limits limits;
    crash_limits_init(&limits);
    /* of failed batches it is not known any more which of them a crash before the last opening may show */
    limits.first_point = c->hurt ? oracle_settled(c->o) : 0;
    crash_explorer *e = crash_open(c->t, NULL, seed, &limits, classes);
    crash_state s;
    while (!c->verdict.promise && crash_next(e, &s)) {
        const oracle_legal legal = legal_after(c->o, &s);
        client *r = recover(c, c->o, &legal, &s, options);
        if (go_on) {
            go_on_and_close(r, go_on);
            client_open(r, options);
            client_check(r, s.digest);
        }
        const oracle_verdict v = client_end(r);
        found(c, &s, "power cut", &v);
    }
    crash_close(e);
    free(classes);
}

/* All states of the recovery of one, which goes by r. */
static void crashes_of(client *c, client *r, const crash_state *first, const oracle_legal *before, uint64_t recovered,
                       const levin_options *options)
{
    crash_explorer *e = crash_open(r->t, first->image, first->digest, NULL, NULL);
    crash_state s;
    while (!c->verdict.promise && crash_next(e, &s)) {
        const bool unseen = s.point < recovered; /* no state was shown yet */
        const oracle_legal legal = unseen ? *before : legal_after(r->o, &s);
        client *again = recover(c, unseen ? c->o : r->o, &legal, &s, options);
        const oracle_verdict v = client_end(again);
        found(c, &s, "power cut in the recovery", &v);
    }
    crash_close(e);
}

/* The state of that point and variant or, when there are fewer of them, of a lower one. */
static bool seek(crash_explorer *e, uint64_t point, uint64_t variant, crash_state *s)
{
    while (!crash_seek(e, point, variant, s)) {
        if (!variant)
            return false;
        variant /= 2;
    }
    return true;
}

bool client_crashes_of_recovery(client *c, const levin_options *options, uint64_t seed, uint64_t point,
                                uint64_t variant, void (*go_on)(client *recovered))
{
    if (c->verdict.promise)
        return true;
    crash_explorer *e = crash_open(c->t, NULL, seed, NULL, NULL);
    crash_state s;
    const bool there = seek(e, point, variant, &s);
    if (there) {
        const oracle_legal legal = legal_after(c->o, &s);
        const oracle_legal before = legal.process_end ? oracle_legal_crash(c->o, s.point) : legal;
        client *r = recover(c, c->o, &legal, &s, options);
        const uint64_t recovered = client_now(r);
        if (go_on)
            go_on_and_close(r, go_on);
        if (r->verdict.promise)
            found(c, &s, "power cut", &r->verdict);
        else
            crashes_of(c, r, &s, &before, recovered, options);
        const oracle_verdict v = client_end(r);
        found(c, &s, "power cut", &v);
    }
    crash_close(e);
    return there;
}

static void crash_again(client *c, client *r, const crash_state *first, const oracle_legal *before, client_cut cut,
                        const levin_options *options)
{
    const uint64_t recovered = client_now(r);
    client_checkpoint(r);
    crash_explorer *e = crash_open(r->t, first->image, first->digest, NULL, NULL);
    crash_state s;
    if (!r->verdict.promise && seek(e, cut.point % (client_now(r) + 1), cut.variant, &s)) {
        const bool unseen = s.point < recovered;
        const oracle_legal legal = unseen ? *before : legal_after(r->o, &s);
        const oracle_verdict v = client_end(recover(c, unseen ? c->o : r->o, &legal, &s, options));
        found(c, &s, "power cut in the recovery", &v);
    }
    crash_close(e);
}

void client_crash(client *c, const levin_options *options, uint64_t seed, client_cut cut, const client_cut *again)
{
    if (c->verdict.promise)
        return;
    crash_explorer *e = crash_open(c->t, NULL, seed, NULL, NULL);
    crash_state s;
    const uint64_t first = c->hurt ? oracle_settled(c->o) : 0;
    if (seek(e, first + cut.point % (client_now(c) + 1 - first), cut.variant, &s)) {
        const oracle_legal legal = legal_after(c->o, &s);
        const oracle_legal before = legal.process_end ? oracle_legal_crash(c->o, s.point) : legal;
        client *r = recover(c, c->o, &legal, &s, options);
        if (again && !r->verdict.promise)
            crash_again(c, r, &s, &before, *again, options);
        const oracle_verdict v = client_end(r);
        found(c, &s, "power cut", &v);
    }
    crash_close(e);
}
