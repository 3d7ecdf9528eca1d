/*
 * history.c - the search for an order (history.h).
 *
 * A configuration is the set of calls that were put in order, the state they lead to, and whether and how the crash's
 * prefix has ended.  Configurations from which no order was found are remembered in a table that is cleared by a stamp;
 * when it is full, some are searched again.
 *
 * A search that takes too many steps is given up, as if there was an order: many calls that had not returned at a power
 * cut, in nobody's order.
 *
 * Concurrency: one thread.
 */
#include "history.h"

#include <stdio.h>
#include <string.h>

#include "../../faults/random.h"

enum { STEPS_MAX = 4000000, SEEN_BITS = 18, SEEN = 1 << SEEN_BITS, SEEN_PROBES = 8 };

typedef enum prefix_end {
    PREFIX_GOES_ON,
    PREFIX_ENDED,        /* at the state found, or nobody asks */
    PREFIX_FAILED_FOLLOW /* the failed group leads to the state found: nothing is published behind it */
} prefix_end;

typedef struct configuration {
    uint64_t ordered, state;
    uint32_t stamp;
    prefix_end end;
} configuration;

typedef struct search {
    const history *h;
    uint64_t all;      /* calls that must be put in order */
    uint64_t may;      /* that may: they have not returned */
    bool crash;
    uint64_t durable;  /* calls that the prefix must hold */
    uint64_t done_writes;
    history_state found;
} search;

static configuration seen[SEEN];
static uint32_t stamp;
static uint64_t steps; /* of this search */

/* Whether it was seen before; if not, it is now. */
static bool seen_before(uint64_t ordered, const history_state state, prefix_end end)
{
    uint64_t word = 0;
    memcpy(&word, state, sizeof(history_state));
    const uint64_t hash = random_mix(ordered ^ random_mix(word) ^ (uint64_t)end << 61);
    for (unsigned i = 0; i < SEEN_PROBES; i++) {
        configuration *c = &seen[(hash + i) % SEEN];
        if (c->stamp != stamp) {
            *c = (configuration){ ordered, word, stamp, end };
            return false;
        }
        if (c->ordered == ordered && c->state == word && c->end == end)
            return true;
    }
    return false;
}

static void apply(const history_call *c, const history_state before, history_state after)
{
    memcpy(after, before, sizeof(history_state));
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        if (c->writes >> k & 1)
            after[k] = c->written[k];
}

static bool reads_right(const history_call *c, const history_state state)
{
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        if ((c->reads >> k & 1 && c->read[k] != state[k]) || (c->differs >> k & 1 && c->read[k] == state[k]))
            return false;
    return true;
}

/* Whether a store that shows `found` may have it from that value. */
static bool shows(unsigned key, uint8_t found, uint8_t value)
{
    return key == HISTORY_SPACE ? !found == !value : found == value;
}

static bool is_found(const search *s, const history_state state)
{
    bool same = true;
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        same &= shows(k, s->found[k], state[k]);
    return same;
}

/* A call of which it is not known that its group was published: it may be one of the failed group. */
static bool may_have_failed(const search *s, uint64_t ordered, unsigned i)
{
    const history_call *c = &s->h->calls[i];
    return c->writes && (c->result == HISTORY_FAILED || (c->result == HISTORY_OPEN && !(ordered >> i & 1)));
}

static bool in_failed_group(const search *s, uint64_t ordered, uint64_t moment, unsigned i)
{
    const history_call *c = &s->h->calls[i];
    return may_have_failed(s, ordered, i) && c->invoked <= moment && c->returned > moment;
}

/*
 * Whether some calls of the group lead, in some order, from the state to the one found, whatever they have read.
 * Backwards: the last of them has written only what was found; the one before it, too, but for the keys that come
 * later; and so on.  To take one more never hurts.  *reads: keys that calls of the group have read.
 */
static bool failed_could_lead(const search *s, uint64_t ordered, const history_state state, uint64_t moment,
                              unsigned *reads)
{
    unsigned later = 0; /* keys */
    *reads = 0;
    for (unsigned before = ~0u; before != later;) {
        before = later;
        for (unsigned i = 0; i < s->h->count; i++) {
            const history_call *c = &s->h->calls[i];
            bool fits = in_failed_group(s, ordered, moment, i);
            *reads |= fits ? c->reads | c->differs : 0;
            for (unsigned k = 0; k < HISTORY_KEYS; k++)
                fits &= !((c->writes & ~later) >> k & 1) || shows(k, s->found[k], c->written[k]);
            if (fits)
                later |= c->writes;
        }
    }
    bool right = true;
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        right &= later >> k & 1 || shows(k, s->found[k], state[k]);
    return right;
}

/* The same, of calls that have read what those before them left. used: those taken; the others may follow. */
static bool failed_lead(const search *s, uint64_t ordered, uint64_t used, const history_state state, uint64_t moment)
{
    if (is_found(s, state) || ++steps > STEPS_MAX)
        return true; /* too many steps: undecided, no finding */
    for (unsigned i = 0; i < s->h->count; i++) {
        const history_call *c = &s->h->calls[i];
        history_state next;
        if (used >> i & 1 || !in_failed_group(s, ordered, moment, i) || !reads_right(c, state))
            continue;
        apply(c, state, next);
        if (failed_lead(s, ordered, used | (uint64_t)1 << i, next, moment))
            return true;
    }
    return false;
}

/* At any moment, not before all that was ordered and writes was called. */
static bool failed_may_follow(const search *s, uint64_t ordered, const history_state state)
{
    uint64_t called = 0;
    for (unsigned i = 0; i < s->h->count; i++) {
        const history_call *c = &s->h->calls[i];
        if (ordered >> i & 1 && c->writes && c->invoked > called)
            called = c->invoked;
    }
    for (unsigned i = 0; i < s->h->count; i++) {
        const uint64_t invoked = s->h->calls[i].invoked, moment = invoked > called ? invoked : called;
        unsigned reads;
        if (may_have_failed(s, ordered, i) && failed_could_lead(s, ordered, state, moment, &reads) &&
            (!reads || failed_lead(s, ordered, 0, state, moment)))
            return true;
    }
    return false;
}

/* No call has an effect that has read something else; those that have not returned and write have read it all. */
static bool explained(const history_call *c, const history_state state)
{
    return (c->result == HISTORY_OPEN && !c->writes) || reads_right(c, state);
}

static bool order_rest(const search *s, uint64_t ordered, const history_state state, prefix_end end)
{
    if (end == PREFIX_GOES_ON && !(s->durable & ~ordered)) {
        if (is_found(s, state))
            end = PREFIX_ENDED; /* an earlier end leaves no fewer orders for the rest */
        else if (!(s->done_writes & ~ordered) && failed_may_follow(s, ordered, state) &&
                 order_rest(s, ordered, state, PREFIX_FAILED_FOLLOW))
            return true;
    }
    if (end != PREFIX_GOES_ON && !(s->all & ~ordered))
        return true;
    if (seen_before(ordered, state, end))
        return false;
    if (++steps > STEPS_MAX)
        return true; /* undecided: no finding */
    uint64_t first_return = UINT64_MAX;
    for (uint64_t left = s->all & ~ordered; left; left &= left - 1) {
        const history_call *c = &s->h->calls[__builtin_ctzll(left)];
        if (c->returned < first_return)
            first_return = c->returned;
    }
    const uint64_t may = end == PREFIX_FAILED_FOLLOW ? 0 : s->may;
    for (uint64_t left = (s->all | may) & ~ordered; left; left &= left - 1) {
        const unsigned i = (unsigned)__builtin_ctzll(left);
        const history_call *c = &s->h->calls[i];
        history_state next;
        if (c->invoked > first_return || !explained(c, state))
            continue;
        apply(c, state, next);
        if (order_rest(s, ordered | (uint64_t)1 << i, next, end))
            return true;
    }
    return false;
}

static bool search_order(search *s, const history *h)
{
    s->h = h;
    for (unsigned i = 0; i < h->count; i++) {
        const history_call *c = &h->calls[i];
        if (c->result == HISTORY_DONE)
            s->all |= (uint64_t)1 << i;
        else if (c->result == HISTORY_OPEN && c->writes)
            s->may |= (uint64_t)1 << i;
        if (c->result == HISTORY_DONE && c->writes)
            s->done_writes |= (uint64_t)1 << i;
    }
    stamp++;
    steps = 0;
    return order_rest(s, 0, h->initial, s->crash ? PREFIX_GOES_ON : PREFIX_ENDED);
}

bool history_check(const history *h)
{
    search s = { .crash = false };
    return search_order(&s, h);
}

bool history_check_crash(const history *h, const history_state found, bool process_end)
{
    search s = { .crash = true };
    memcpy(s.found, found, sizeof s.found);
    for (unsigned i = 0; i < h->count; i++) {
        const history_call *c = &h->calls[i];
        if (c->result != HISTORY_DONE)
            continue;
        if (c->synced || (process_end && c->logged))
            s.durable |= (uint64_t)1 << i;
        for (unsigned j = 0; c->barrier && j < h->count; j++)
            if (h->calls[j].result == HISTORY_DONE && h->calls[j].writes && h->calls[j].returned < c->invoked)
                s.durable |= (uint64_t)1 << j;
    }
    return search_order(&s, h);
}

static int keys_text(char *text, size_t capacity, const char *equals, uint8_t keys, const history_state values)
{
    static const char *const names[HISTORY_KEYS] = { "a", "b", "c", "d", "n", "n/k" };
    int used = 0;
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        if (keys >> k & 1)
            used += snprintf(text + used, capacity > (size_t)used ? capacity - (size_t)used : 0, " %s%s%u", names[k],
                             equals, values[k]);
    return used;
}

int history_text(const history *h, char *text, size_t capacity)
{
    int used = 0;
    for (unsigned i = 0; i < h->count; i++) {
        const history_call *c = &h->calls[i];
        char returned[24] = "...", reads[120] = "", writes[80] = "";
        if (c->result != HISTORY_OPEN)
            snprintf(returned, sizeof returned, "%llu", (unsigned long long)c->returned);
        const int bytes = keys_text(reads, sizeof reads, "=", c->reads, c->read);
        keys_text(reads + bytes, sizeof reads - (size_t)bytes, " not ", c->differs, c->read);
        keys_text(writes, sizeof writes, "=", c->writes, c->written);
        used += snprintf(text + used, capacity > (size_t)used ? capacity - (size_t)used : 0,
                         "  %3llu-%-4s %-20s%s%s%s%s%s%s\n", (unsigned long long)c->invoked, returned, c->text,
                         reads[0] && c->result == HISTORY_DONE ? " reads" : "",
                         c->result == HISTORY_DONE ? reads : "", writes[0] ? " writes" : "", writes,
                         c->synced ? ", synced" : c->logged ? ", logged" : "",
                         c->result == HISTORY_FAILED   ? ", failed"
                         : c->result == HISTORY_UNDONE ? ", failed and undone"
                                                       : "");
    }
    return used;
}
