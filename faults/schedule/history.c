/*
 * history.c - the search for an order (history.h).
 *
 * A configuration is the set of calls that were put in order, the state they lead to, and whether and how the crash's
 * prefix has ended; inside the failed group also which calls of it were taken.  Configurations from which no order was
 * found are remembered in a table that is cleared by a stamp; when it is full, some are searched again.
 *
 * A search that is given up unwinds as if there was an order, and says so.
 *
 * Concurrency: one thread.
 */
#include "history.h"

#include <stdio.h>
#include <string.h>

#include "../random.h"

enum { SEEN_BITS = 18, SEEN = 1 << SEEN_BITS, SEEN_PROBES = 8 };

/* Where the crash's prefix has ended. */
enum {
    PREFIX_GOES_ON,
    PREFIX_ENDED,         /* at the state found, or nobody asks */
    PREFIX_FAILED_FOLLOW, /* the failed group leads to the state found: nothing is published behind it */
    PREFIX_GROUP          /* and up: inside the failed group of the moment of that call */
};

typedef struct configuration {
    uint64_t ordered, in_group, state;
    uint32_t stamp, end;
} configuration;

typedef struct search {
    const history *h;
    uint64_t all;      /* calls that must be put in order */
    uint64_t may;      /* that may: they have not returned */
    bool crash;
    uint64_t durable;  /* calls that the prefix must hold */
    uint64_t done_writes;
    uint64_t together; /* writes that those committed after them take along into the failed group */
    uint64_t earlier[HISTORY_CALLS_MAX]; /* writes committed before that one, those of them that were */
    uint64_t later[HISTORY_CALLS_MAX];   /* the same, the other way round */
    history_state found;
    uint64_t steps_left;
    bool given_up;
} search;

static configuration seen[SEEN];
static uint32_t stamp;

/* One step more; true: there is none left. */
static bool gives_up(search *s)
{
    s->given_up |= !s->steps_left;
    s->steps_left -= !s->given_up;
    return s->given_up;
}

/* Whether it was seen before; if not, it is now. */
static bool seen_before(uint64_t ordered, uint64_t in_group, const history_state state, uint32_t end)
{
    uint64_t word = 0;
    memcpy(&word, state, sizeof(history_state));
    const uint64_t hash = random_mix(ordered ^ random_mix(word ^ random_mix(in_group)) ^ (uint64_t)end << 58);
    for (unsigned i = 0; i < SEEN_PROBES; i++) {
        configuration *c = &seen[(hash + i) % SEEN];
        if (c->stamp != stamp) {
            *c = (configuration){ ordered, in_group, word, stamp, end };
            return false;
        }
        if (c->ordered == ordered && c->in_group == in_group && c->state == word && c->end == end)
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

/* A call that failed, or may have, for it is not known that its group was published: it may be one of the failed. */
static bool may_have_failed(const search *s, uint64_t ordered, unsigned i)
{
    const history_call *c = &s->h->calls[i];
    return c->writes && (c->result == HISTORY_FAILED ||
                         (c->result == HISTORY_OPEN && s->h->faults && !(ordered >> i & 1)));
}

static bool in_failed_group(const search *s, uint64_t ordered, uint64_t moment, unsigned i)
{
    const history_call *c = &s->h->calls[i];
    return may_have_failed(s, ordered, i) && c->invoked <= moment && c->returned > moment && !(s->later[i] & ordered);
}

/*
 * Whether some calls of the group lead, in some order, from the state to the one found, whatever they have read.
 * Backwards: the last of them has written only what was found; the one before it, too, but for the keys that come
 * later; and so on.  To take one more never hurts.  *free: any of their orders will do.
 */
static bool failed_could_lead(const search *s, uint64_t ordered, const history_state state, uint64_t moment, bool *free)
{
    unsigned later = 0; /* keys */
    uint64_t group = 0;
    *free = true;
    for (unsigned before = ~0u; before != later;) {
        before = later;
        for (unsigned i = 0; i < s->h->count; i++) {
            const history_call *c = &s->h->calls[i];
            bool fits = in_failed_group(s, ordered, moment, i);
            group |= (uint64_t)fits << i;
            *free &= !fits || !(c->reads | c->differs);
            for (unsigned k = 0; k < HISTORY_KEYS; k++)
                fits &= !((c->writes & ~later) >> k & 1) || shows(k, s->found[k], c->written[k]);
            if (fits)
                later |= c->writes;
        }
    }
    for (uint64_t left = group; left; left &= left - 1)
        *free &= !(s->earlier[__builtin_ctzll(left)] & (group | (s->together & ~ordered)));
    bool right = true;
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        right &= later >> k & 1 || shows(k, s->found[k], state[k]);
    return right;
}

/* The same, in the order of commit, of calls that have read what those before them left. used: those taken. */
static bool failed_lead(search *s, uint64_t ordered, uint64_t used, const history_state state, unsigned first,
                        uint64_t moment)
{
    if (is_found(s, state))
        return true;
    if (seen_before(ordered, used, state, PREFIX_GROUP + first))
        return false;
    if (gives_up(s))
        return true;
    for (unsigned i = 0; i < s->h->count; i++) {
        const history_call *c = &s->h->calls[i];
        history_state next;
        const bool hole = s->earlier[i] & s->together & ~ordered & ~used;
        if (used >> i & 1 || s->later[i] & used || hole || !in_failed_group(s, ordered, moment, i) ||
            !reads_right(c, state))
            continue;
        apply(c, state, next);
        if (failed_lead(s, ordered, used | (uint64_t)1 << i, next, first, moment))
            return true;
    }
    return false;
}

/* At any moment, not before all that was ordered and writes was called. */
static bool failed_may_follow(search *s, uint64_t ordered, const history_state state)
{
    uint64_t called = 0;
    for (unsigned i = 0; i < s->h->count; i++) {
        const history_call *c = &s->h->calls[i];
        if (ordered >> i & 1 && c->writes && c->invoked > called)
            called = c->invoked;
    }
    for (unsigned i = 0; i < s->h->count; i++) {
        const uint64_t invoked = s->h->calls[i].invoked, moment = invoked > called ? invoked : called;
        bool free;
        if (may_have_failed(s, ordered, i) && failed_could_lead(s, ordered, state, moment, &free) &&
            (free || failed_lead(s, ordered, 0, state, i, moment)))
            return true;
    }
    return false;
}

/* No call has an effect that has read something else; those that have not returned and write have read it all. */
static bool explained(const history_call *c, const history_state state)
{
    return (c->result == HISTORY_OPEN && !c->writes) || reads_right(c, state);
}

static uint64_t first_return(const search *s, uint64_t ordered)
{
    uint64_t first = UINT64_MAX;
    for (uint64_t left = s->all & ~ordered; left; left &= left - 1) {
        const history_call *c = &s->h->calls[__builtin_ctzll(left)];
        if (c->returned < first)
            first = c->returned;
    }
    return first;
}

/* With all that only reads and can come now: whatever order there is for the rest, there it may come now. */
static uint64_t with_reads(const search *s, uint64_t ordered, const history_state state)
{
    for (uint64_t before = ~ordered; before != ordered;) {
        before = ordered;
        const uint64_t first = first_return(s, ordered);
        for (uint64_t left = s->all & ~ordered; left; left &= left - 1) {
            const unsigned i = (unsigned)__builtin_ctzll(left);
            const history_call *c = &s->h->calls[i];
            if (!c->writes && c->invoked <= first && explained(c, state))
                ordered |= (uint64_t)1 << i;
        }
    }
    return ordered;
}

/* Whether the call may be the next by the order of commit. */
static bool commits_next(const search *s, uint64_t ordered, unsigned i)
{
    const uint64_t committed = s->h->faults ? s->all : s->all | s->may; /* for sure, sooner or later */
    return !(s->earlier[i] & ~ordered & committed) && !(s->later[i] & ordered);
}

static bool order_rest(search *s, uint64_t ordered, const history_state state, uint32_t end)
{
    ordered = with_reads(s, ordered, state);
    if (end == PREFIX_GOES_ON && !(s->durable & ~ordered)) {
        if (is_found(s, state))
            end = PREFIX_ENDED; /* an earlier end leaves no fewer orders for the rest */
        else if (!(s->done_writes & ~ordered) && failed_may_follow(s, ordered, state) &&
                 order_rest(s, ordered, state, PREFIX_FAILED_FOLLOW))
            return true;
    }
    if (end != PREFIX_GOES_ON && !(s->all & ~ordered))
        return true;
    if (seen_before(ordered, 0, state, end))
        return false;
    if (gives_up(s))
        return true;
    const uint64_t first = first_return(s, ordered), may = end == PREFIX_FAILED_FOLLOW ? 0 : s->may;
    for (uint64_t left = (s->all | may) & ~ordered; left; left &= left - 1) {
        const unsigned i = (unsigned)__builtin_ctzll(left);
        const history_call *c = &s->h->calls[i];
        history_state next;
        if (c->invoked > first || !commits_next(s, ordered, i) || !explained(c, state))
            continue;
        apply(c, state, next);
        if (order_rest(s, ordered | (uint64_t)1 << i, next, end))
            return true;
    }
    return false;
}

/* Whether the first was committed before the second, if both were (history.h); other orders are those of moments. */
static bool commits_before(const history_call *first, const history_call *second)
{
    const bool submitted_before = first->submitted && first->submitted < second->invoked;
    const bool called_before = first->callback && second->callback && first->result != HISTORY_OPEN &&
                               (second->result == HISTORY_OPEN || first->returned < second->returned);
    return first->writes && second->writes && (submitted_before || called_before);
}

static history_verdict search_order(search *s, const history *h)
{
    s->h = h;
    s->steps_left = h->steps_max ? h->steps_max : HISTORY_STEPS_DEFAULT;
    for (unsigned i = 0; i < h->count; i++) {
        const history_call *c = &h->calls[i];
        if (c->result == HISTORY_DONE)
            s->all |= (uint64_t)1 << i;
        else if (c->result == HISTORY_OPEN && c->writes)
            s->may |= (uint64_t)1 << i;
        if (c->result == HISTORY_DONE && c->writes)
            s->done_writes |= (uint64_t)1 << i;
        if (h->sync_only && c->writes && (c->result == HISTORY_FAILED || c->result == HISTORY_OPEN))
            s->together |= (uint64_t)1 << i;
        for (unsigned j = 0; j < h->count; j++) {
            s->earlier[i] |= (uint64_t)commits_before(&h->calls[j], c) << j;
            s->later[i] |= (uint64_t)commits_before(c, &h->calls[j]) << j;
        }
    }
    stamp++;
    const bool found = order_rest(s, 0, h->initial, s->crash ? PREFIX_GOES_ON : PREFIX_ENDED);
    return s->given_up ? HISTORY_UNDECIDED : found ? HISTORY_EXPLAINED : HISTORY_UNEXPLAINED;
}

history_verdict history_check(const history *h)
{
    search s = { .crash = false };
    return search_order(&s, h);
}

history_verdict history_check_crash(const history *h, const history_state found, bool process_end)
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
        char returned[24] = "...", reads[120] = "", writes[80] = "", submitted[40] = "";
        if (c->result != HISTORY_OPEN)
            snprintf(returned, sizeof returned, "%llu", (unsigned long long)c->returned);
        if (c->submitted)
            snprintf(submitted, sizeof submitted, ", submitted by %llu", (unsigned long long)c->submitted);
        const int bytes = keys_text(reads, sizeof reads, "=", c->reads, c->read);
        keys_text(reads + bytes, sizeof reads - (size_t)bytes, " not ", c->differs, c->read);
        keys_text(writes, sizeof writes, "=", c->writes, c->written);
        used += snprintf(text + used, capacity > (size_t)used ? capacity - (size_t)used : 0,
                         "  %3llu-%-4s %-20s%s%s%s%s%s%s%s\n", (unsigned long long)c->invoked, returned, c->text,
                         reads[0] && c->result == HISTORY_DONE ? " reads" : "",
                         c->result == HISTORY_DONE ? reads : "", writes[0] ? " writes" : "", writes, submitted,
                         c->synced ? ", synced" : c->logged ? ", logged" : "",
                         c->result == HISTORY_FAILED   ? ", failed"
                         : c->result == HISTORY_UNDONE ? ", failed and undone"
                                                       : "");
    }
    return used;
}
