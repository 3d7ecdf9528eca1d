/*
 * history_test.c - the judge of histories can say no.
 *
 * Invariants checked: histories written down by hand, each with its near miss: stale reads, half a batch, a snapshot
 * between two batches of a group, lost acknowledged writes, holes, failed writes that are seen; and it agrees with a
 * judge that tries all orders, on random histories of both kinds.
 */
#include "../../faults/check_main.h"
#include "../../faults/random.h"
#include "history.h"

/* A call on [from, to]: what it reads and writes as "a1b2", "" for nothing; '.' for no result. */
static history_call *call(history *h, uint64_t from, uint64_t to, const char *reads, const char *writes)
{
    history_call *c = &h->calls[h->count++];
    *c = (history_call){ .invoked = from, .returned = to,
                         .result = to == HISTORY_PENDING ? HISTORY_OPEN : HISTORY_DONE };
    for (; *reads; reads += 2) {
        c->reads |= (uint8_t)(1u << (reads[0] - 'a'));
        c->read[reads[0] - 'a'] = (uint8_t)(reads[1] - '0');
    }
    for (; *writes; writes += 2) {
        c->writes |= (uint8_t)(1u << (writes[0] - 'a'));
        c->written[writes[0] - 'a'] = (uint8_t)(writes[1] - '0');
    }
    return c;
}

START_TEST(history__stale_read_is_seen)
{
    history h = { 0 };
    call(&h, 0, 1, "", "a1");
    call(&h, 2, 3, "a0", "");
    ck_assert(!history_check(&h));
    h.calls[1].invoked = 1; /* began before the write had returned */
    h.calls[0].returned = 2;
    ck_assert(history_check(&h));
}
END_TEST

START_TEST(history__half_a_batch_is_seen)
{
    history h = { 0 };
    call(&h, 0, 9, "", "a1b1");
    call(&h, 1, 2, "a1b0", "");
    ck_assert(!history_check(&h));
    h.calls[1].read[1] = 1;
    ck_assert(history_check(&h));
}
END_TEST

START_TEST(history__reads_that_go_back_are_seen)
{
    history h = { 0 };
    call(&h, 0, 9, "", "a1");
    call(&h, 1, 2, "a1", "");
    call(&h, 3, 4, "a0", "");
    ck_assert(!history_check(&h));
    h.calls[2].read[0] = 1;
    ck_assert(history_check(&h));
}
END_TEST

START_TEST(history__failed_write_is_not_to_be_seen)
{
    history h = { 0 };
    call(&h, 0, 1, "", "a1")->result = HISTORY_FAILED;
    call(&h, 2, 3, "a1", "");
    ck_assert(!history_check(&h));
    h.calls[1].read[0] = 0;
    ck_assert(history_check(&h));
}
END_TEST

START_TEST(history__open_call_may_be_seen_or_not)
{
    for (int seen = 0; seen < 2; seen++) {
        history h = { 0 };
        call(&h, 0, HISTORY_PENDING, "", "a1");
        call(&h, 2, 3, seen ? "a1" : "a0", "");
        ck_assert(history_check(&h));
    }
}
END_TEST

START_TEST(history__write_skew_is_seen)
{
    history h = { 0 };
    call(&h, 0, 9, "a0b0", "a1");
    call(&h, 1, 8, "a0b0", "b1");
    ck_assert(!history_check(&h));
    h.calls[1].read[0] = 1;
    ck_assert(history_check(&h));
}
END_TEST

START_TEST(history__acknowledged_write_must_survive)
{
    history h = { 0 };
    const history_state nothing = { 0 }, one = { 1 };
    history_call *c = call(&h, 0, 1, "", "a1");
    ck_assert(history_check_crash(&h, nothing, true));
    c->logged = true;
    ck_assert(history_check_crash(&h, nothing, false));
    ck_assert(!history_check_crash(&h, nothing, true));
    c->synced = true;
    ck_assert(!history_check_crash(&h, nothing, false));
    ck_assert(history_check_crash(&h, one, false));
}
END_TEST

START_TEST(history__sync_makes_what_came_before_durable)
{
    history h = { 0 };
    const history_state nothing = { 0 };
    call(&h, 0, 2, "", "a1");
    call(&h, 1, 3, "", "")->barrier = true; /* began before the write had returned */
    ck_assert(history_check_crash(&h, nothing, false));
    h.calls[1].invoked = 3;
    ck_assert(!history_check_crash(&h, nothing, false));
}
END_TEST

START_TEST(history__crash_leaves_no_hole)
{
    history h = { 0 };
    const history_state hole = { 0, 2 }, prefix = { 1, 0 };
    call(&h, 0, 1, "", "a1");
    call(&h, 2, 3, "", "b2");
    ck_assert(!history_check_crash(&h, hole, false));
    ck_assert(history_check_crash(&h, prefix, false));
    h.calls[1].invoked = 0; /* side by side: either may have been first */
    ck_assert(history_check_crash(&h, hole, false));
}
END_TEST

START_TEST(history__what_was_read_counts_for_the_order_of_a_crash)
{
    history h = { 0 };
    const history_state only_b = { 0, 2 };
    call(&h, 0, 9, "", "a1");
    call(&h, 0, 9, "", "b2");
    call(&h, 2, 3, "a1b0", ""); /* so a came first */
    ck_assert(!history_check_crash(&h, only_b, false));
}
END_TEST

START_TEST(history__failed_writes_may_follow_whole)
{
    history h = { 0 };
    const history_state half = { 1, 2, 0 }, whole = { 1, 2, 2 };
    call(&h, 0, 1, "", "a1")->synced = true;
    call(&h, 2, 3, "", "b2c2")->result = HISTORY_FAILED;
    ck_assert(!history_check_crash(&h, half, false));
    ck_assert(history_check_crash(&h, whole, false));
    call(&h, 4, 5, "", "d3"); /* accepted later: nothing failed lies before it */
    ck_assert(!history_check_crash(&h, whole, false));
}
END_TEST

START_TEST(history__many_failed_writes_take_no_time)
{
    static const char *const writes[] = { "a1b2", "b3c4", "c5d6", "a7d8" };
    history h = { 0 };
    const history_state never = { 9, 9, 9, 9 };
    for (unsigned i = 0; i < 14; i++)
        call(&h, 2 * i, 2 * i + 1, "", writes[i % 4])->result = HISTORY_FAILED;
    ck_assert(!history_check_crash(&h, never, false)); /* all their orders are 14!: minutes, without a memory */
}
END_TEST

/* ---- beside a judge that tries all orders ---- */

static bool any_order(const history *h, unsigned done, const history_state state)
{
    if (done == (1u << h->count) - 1)
        return true;
    for (unsigned i = 0; i < h->count; i++) {
        const history_call *c = &h->calls[i];
        history_state next;
        bool right = !(done >> i & 1);
        for (unsigned j = 0; j < h->count; j++)
            right &= done >> j & 1 || j == i || h->calls[j].returned >= c->invoked;
        memcpy(next, state, sizeof next);
        for (unsigned k = 0; k < HISTORY_KEYS; k++) {
            right &= !(c->reads >> k & 1) || c->read[k] == state[k];
            if (c->writes >> k & 1)
                next[k] = c->written[k];
        }
        if (right && any_order(h, done | 1u << i, next))
            return true;
    }
    return false;
}

START_TEST(history__search_agrees_with_all_orders)
{
    unsigned yes = 0, no = 0;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        random_stream r = random_open(seed, 1);
        history h = { 0 };
        const unsigned count = 2 + (unsigned)random_below(&r, 5);
        for (unsigned i = 0; i < count; i++) {
            const uint64_t from = random_below(&r, 12);
            history_call *c = call(&h, from, from + 1 + random_below(&r, 6), "", "");
            c->reads = (uint8_t)random_below(&r, 4);
            c->writes = (uint8_t)(random_below(&r, 4) & random_below(&r, 4));
            for (unsigned k = 0; k < 2; k++) {
                c->read[k] = (uint8_t)random_below(&r, 3);
                c->written[k] = (uint8_t)(1 + random_below(&r, 2));
            }
        }
        const bool expected = any_order(&h, 0, h.initial);
        ck_assert_msg(history_check(&h) == expected, "seed %llu", (unsigned long long)seed);
        yes += expected;
        no += !expected;
    }
    ck_assert_uint_gt(yes, 1000);
    ck_assert_uint_gt(no, 1000);
}
END_TEST

LEVIN_TEST_MAIN("history", TEST(history__stale_read_is_seen), TEST(history__half_a_batch_is_seen),
                TEST(history__reads_that_go_back_are_seen), TEST(history__failed_write_is_not_to_be_seen),
                TEST(history__open_call_may_be_seen_or_not), TEST(history__write_skew_is_seen),
                TEST(history__acknowledged_write_must_survive), TEST(history__sync_makes_what_came_before_durable),
                TEST(history__crash_leaves_no_hole), TEST(history__what_was_read_counts_for_the_order_of_a_crash),
                TEST(history__failed_writes_may_follow_whole),
                TEST(history__many_failed_writes_take_no_time), TEST(history__search_agrees_with_all_orders))
