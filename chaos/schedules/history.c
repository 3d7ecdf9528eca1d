/*
 * history.c - the search for an order (history.h).
 *
 * A configuration is the set of calls that were put in order, the state they lead to, and whether the crash's prefix
 * has ended.  Configurations from which no order was found are remembered in a table that is cleared by a stamp; when
 * it is full, some are searched again.
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

typedef struct configuration {
    uint64_t ordered;
    uint32_t state, stamp;
    bool ended;
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
static bool seen_before(uint64_t ordered, const history_state state, bool ended)
{
    uint32_t word;
    memcpy(&word, state, sizeof word);
    const uint64_t hash = random_mix(ordered ^ (uint64_t)word << 29 ^ (uint64_t)ended << 62);
    for (unsigned i = 0; i < SEEN_PROBES; i++) {
        configuration *c = &seen[(hash + i) % SEEN];
        if (c->stamp != stamp) {
            *c = (configuration){ ordered, word, stamp, ended };
            return false;
        }
        if (c->ordered == ordered && c->state == word && c->ended == ended)
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
        if (c->reads >> k & 1 && c->read[k] != state[k])
            return false;
    return true;
}

/*
 * Whether some failed calls, in some order, lead from the state to the one found.  Backwards: the last of them has
 * written only what was found; the one before it, too, but for the keys that come later; and so on.  To take one more
 * never hurts.
 */
static bool failed_lead(const search *s, const history_state state)
{
    unsigned later = 0; /* keys */
    for (unsigned before = ~0u; before != later;) {
        before = later;
        for (unsigned i = 0; i < s->h->count; i++) {
            const history_call *c = &s->h->calls[i];
            bool fits = c->result == HISTORY_FAILED;
            for (unsigned k = 0; k < HISTORY_KEYS; k++)
                fits &= !((c->writes & ~later) >> k & 1) || c->written[k] == s->found[k];
            if (fits)
                later |= c->writes;
        }
    }
    bool right = true;
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        right &= later >> k & 1 || state[k] == s->found[k];
    return right;
}

/* Whether the prefix may end here. */
static bool may_end(const search *s, uint64_t ordered, const history_state state)
{
    if (s->durable & ~ordered)
        return false;
    if (!memcmp(state, s->found, sizeof(history_state)))
        return true;
    return !(s->done_writes & ~ordered) && failed_lead(s, state);
}

static bool order_rest(const search *s, uint64_t ordered, const history_state state, bool ended)
{
    if (!ended && may_end(s, ordered, state))
        ended = true; /* an earlier end leaves no fewer orders for the rest */
    if (ended && !(s->all & ~ordered))
        return true;
    if (seen_before(ordered, state, ended))
        return false;
    if (++steps > STEPS_MAX)
        return true; /* undecided: no finding */
    uint64_t first_return = UINT64_MAX;
    for (uint64_t left = s->all & ~ordered; left; left &= left - 1) {
        const history_call *c = &s->h->calls[__builtin_ctzll(left)];
        if (c->returned < first_return)
            first_return = c->returned;
    }
    for (uint64_t left = (s->all | s->may) & ~ordered; left; left &= left - 1) {
        const unsigned i = (unsigned)__builtin_ctzll(left);
        const history_call *c = &s->h->calls[i];
        history_state next;
        if (c->invoked > first_return || (c->result == HISTORY_DONE && !reads_right(c, state)))
            continue;
        apply(c, state, next);
        if (order_rest(s, ordered | (uint64_t)1 << i, next, ended))
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
    return order_rest(s, 0, h->initial, !s->crash);
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

static int keys_text(char *text, size_t capacity, const char *word, uint8_t keys, const history_state values)
{
    int used = 0;
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        if (keys >> k & 1)
            used += snprintf(text + used, capacity > (size_t)used ? capacity - (size_t)used : 0, " %s%c=%u",
                             word, 'a' + (int)k, values[k]);
    return used;
}

int history_text(const history *h, char *text, size_t capacity)
{
    int used = 0;
    for (unsigned i = 0; i < h->count; i++) {
        const history_call *c = &h->calls[i];
        char returned[24] = "...", reads[80] = "", writes[80] = "";
        if (c->result != HISTORY_OPEN)
            snprintf(returned, sizeof returned, "%llu", (unsigned long long)c->returned);
        keys_text(reads, sizeof reads, "", c->reads, c->read);
        keys_text(writes, sizeof writes, "", c->writes, c->written);
        used += snprintf(text + used, capacity > (size_t)used ? capacity - (size_t)used : 0,
                         "  %3llu-%-4s %-20s%s%s%s%s%s%s\n", (unsigned long long)c->invoked, returned, c->text,
                         reads[0] && c->result == HISTORY_DONE ? " reads" : "",
                         c->result == HISTORY_DONE ? reads : "", writes[0] ? " writes" : "", writes,
                         c->synced ? ", synced" : c->logged ? ", logged" : "",
                         c->result == HISTORY_FAILED ? ", failed" : "");
    }
    return used;
}
