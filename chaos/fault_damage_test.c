/*
 * fault_damage_test.c - what is excused by damage and what is not; a lying sync takes no more than it was given.
 */
#include "fault_damage.h"

#include <stdio.h>
#include <string.h>

#include "../faults/plan.h"
#include "fault_scene_test.h"
#include "faults_sweep.h"

static bool told(fault_hurt hurt, const char *file, const char *phase, levin_code code)
{
    fault_life l = { .hurt = hurt };
    fault_outcome out = { .phase = phase, .verdict = { .promise = "DETECT", .code = code } };
    snprintf(out.verdict.file, sizeof out.verdict.file, "%s", file);
    out.verdict.offset = 512;
    const bool is = fault_damage_is_told(&l, &out);
    ck_assert_uint_eq(out.told, is);
    ck_assert(is == (out.verdict.promise == NULL));
    return is;
}

START_TEST(damage__is_told_by_the_name_of_what_was_hurt)
{
    const fault_hurt pages = { .writes = 1u << LEVIN_FILE_PAGES }, wal = { .reads = 1u << LEVIN_FILE_WAL },
                     lie = { .lies = 1u << LEVIN_FILE_WAL };
    ck_assert(told(pages, "pages", "life with the fault", LEVIN_CORRUPT));
    ck_assert(!told(pages, "wal-0000000000000001", "life with the fault", LEVIN_CORRUPT));
    ck_assert(!told(pages, "", "life with the fault", LEVIN_CORRUPT));
    ck_assert(!told(pages, "pages", "life with the fault", LEVIN_INVALID));
    ck_assert(told(wal, "wal-0000000000000001", "life with the fault", LEVIN_CORRUPT));
    ck_assert(!told(wal, "vlog-0000000000000001", "life with the fault", LEVIN_CORRUPT));
    ck_assert(!told(lie, "wal-0000000000000001", "life with the fault", LEVIN_CORRUPT)); /* nothing was hurt yet */
}
END_TEST

/* Where the newest meta page is lost, the one before it wants files that are gone. */
START_TEST(damage__of_a_meta_page_may_be_told_as_a_file_that_is_gone)
{
    fault_life l = { .hurt = { .writes = 1u << LEVIN_FILE_PAGES } };
    fault_outcome out = { .verdict = { .promise = "DETECT", .code = LEVIN_CORRUPT, .file = "vlog-0000000000000005" } };
    ck_assert(fault_damage_is_told(&l, &out));
    l.hurt.writes = 1u << LEVIN_FILE_LOCK;
    out.verdict.promise = "DETECT";
    out.verdict.code = LEVIN_CORRUPT;
    snprintf(out.verdict.file, sizeof out.verdict.file, "vlog-0000000000000005");
    ck_assert(!fault_damage_is_told(&l, &out));
}
END_TEST

/* A read that went wrong is over when the fault is; a write is not. */
START_TEST(damage__of_a_read_does_not_outlast_it)
{
    const fault_hurt read = { .reads = 1u << LEVIN_FILE_PAGES }, written = { .writes = 1u << LEVIN_FILE_PAGES };
    ck_assert(!told(read, "pages", FAULT_LIFE_PHASE_OVER, LEVIN_CORRUPT));
    ck_assert(told(written, "pages", FAULT_LIFE_PHASE_OVER, LEVIN_CORRUPT));
}
END_TEST

typedef struct obeyed {
    plan_state *state;
} obeyed;

static uint64_t fired(const void *context)
{
    return plan_fired(((const obeyed *)context)->state, 0);
}

/* A life under one rule; false: the rule did not fire. */
static bool live(const fault_scene *x, const char *rule, fault_life *l, obeyed *o, fault_outcome *out)
{
    char text[200];
    plan_rules rules;
    plan_error error;
    snprintf(text, sizeof text, "levin-fault-plan 1\n%s\n", rule);
    ck_assert_msg(plan_parse(&rules, text, strlen(text), &error), "%s", error.text);
    o->state = plan_begin(&rules, 1);
    *out = (fault_outcome){ .verdict = { .state = ORACLE_NO_STATE } };
    *l = (fault_life){ .mirrored = true, .fired = fired, .fired_context = o };
    fault_life_begin(l, &x->s.items[0]);
    fault_io_set_judge(l->f, plan_judge, o->state);
    ck_assert(fault_life_run(l, &x->s.items[0], 1, out) || fault_damage_is_told(l, out));
    fault_life_calm(l);
    return fired(o) > 0;
}

static void die(fault_life *l, obeyed *o)
{
    fault_life_end(l);
    plan_end(o->state);
}

/*
 * Without knowing of the lie the same files are a broken promise: so the judge excuses what the lie took, in every
 * power cut; and nothing without one.
 */
START_TEST(damage__a_sync_that_was_not_made_excuses_what_it_took_and_no_more)
{
    fault_scene x;
    unsigned lost = 0, lives = 0;
    bool more = true;
    fault_scene_make(&x, 1);
    for (unsigned nth = 1; more && nth < 40; nth++) {
        char rule[80];
        const bool late = nth % 2;
        fault_life l;
        obeyed o;
        fault_outcome out, strict = { .verdict = { .state = ORACLE_NO_STATE } };
        snprintf(rule, sizeof rule, "on levin/io/wal/sync nth %u do %s", nth,
                 late ? "error-late EIO" : "lie"); /* its second sync may be long in coming */
        more = live(&x, rule, &l, &o, &out);
        const workload *w = x.s.items[0].w;
        lives += more;
        ck_assert_uint_eq(l.hurt.lies, more ? 1u << LEVIN_FILE_WAL : 0);
        for (uint64_t seed = 1; more && seed < 5; seed++) {
            ck_assert_msg(fault_damage_check_power_cut(w, &l, &x.s.items[0], seed, &out), "nth %u: %s", nth,
                          out.verdict.text);
            lost += !fault_life_check_power_cut(w, &l, &x.s.items[0], seed, &strict);
        }
        ck_assert_msg(fault_life_check_reopened(w, &l, 1, &out), "nth %u: %s", nth, out.verdict.text);
        die(&l, &o);
    }
    ck_assert_uint_gt(lives, 10);
    ck_assert_uint_gt(lost, 5);
    fault_scene_end(&x);
}
END_TEST

/* The same damage, told of as less than it was: what the store then shows, or says, is a broken promise. */
START_TEST(damage__that_nobody_did_is_no_excuse)
{
    fault_scene x;
    unsigned found = 0, lives = 0;
    bool more = true;
    fault_scene_make(&x, 1);
    for (unsigned nth = 2; more && nth < 60; nth += 3) {
        char rule[80];
        fault_life l;
        obeyed o;
        fault_outcome out;
        snprintf(rule, sizeof rule, "on levin/io/pages/write nth %u do garbage", nth);
        more = live(&x, rule, &l, &o, &out);
        const workload *w = x.s.items[0].w;
        lives += more;
        if (more) {
            ck_assert_msg(fault_damage_check_reopened(w, &l, &x.s.items[0], 1, &out), "nth %u: %s", nth,
                          out.verdict.text);
            l.hurt.writes = 1u << LEVIN_FILE_VLOG;
            found += !fault_damage_check_reopened(w, &l, &x.s.items[0], 1, &out);
        }
        die(&l, &o);
    }
    ck_assert_uint_gt(lives, 5);
    ck_assert_uint_gt(found, 0);
    fault_scene_end(&x);
}
END_TEST

LEVIN_TEST_MAIN("fault_damage", TEST(damage__is_told_by_the_name_of_what_was_hurt),
                TEST(damage__of_a_meta_page_may_be_told_as_a_file_that_is_gone),
                TEST(damage__of_a_read_does_not_outlast_it),
                TEST(damage__a_sync_that_was_not_made_excuses_what_it_took_and_no_more),
                TEST(damage__that_nobody_did_is_no_excuse))
