/*
 * crossed_sweep_test.c - chains of faults and crashes: every fault fires, each depth is reached, one number is one
 * chain whatever the number of jobs and the depth, and a promise that was not kept is found.
 */
#include "crossed_sweep.h"

#include <stdlib.h>
#include <string.h>

#include "fault_scene_test.h"
#include "finding_run.h"

static report *run_crossed(unsigned jobs, chaos_options *options)
{
    stanzas data;
    stanzas_invent(&data, 400, 1);
    *options = (chaos_options){ .seed = 3, .seeds = 2, .chains = 40, .operations = 40, .crossed_depth = 3,
                                .jobs = jobs, .quiet = true };
    report *r = calloc(1, sizeof *r);
    r->options = options;
    crossed_sweep(r, &data, 0);
    stanzas_free(&data);
    return r;
}

START_TEST(crossed__all_fires_at_each_depth_and_nothing_depends_on_the_number_of_jobs)
{
    chaos_options options[2];
    report *one = run_crossed(1, &options[0]), *three = run_crossed(3, &options[1]);
    const crossed_totals *t = &one->crossed.totals;
    ck_assert_msg(one->found.count == 0, "%s", one->found.items[0].text);
    ck_assert(one->crossed.seeds.complete && three->crossed.seeds.complete);
    ck_assert_uint_eq(one->crossed.seeds.finished, 2);
    ck_assert_uint_eq(t->chains, 80);
    ck_assert_uint_eq(t->silent, 0);
    ck_assert_uint_gt(t->states, 80 * 3 * 10);
    for (unsigned level = 0; level < 3; level++) {
        uint64_t fired = 0;
        for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++) {
            fired += t->fired[level][class];
            ck_assert_uint_gt(t->fired[level][class], 0);
        }
        ck_assert_uint_eq(fired, 80);
    }
    for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++)
        ck_assert_uint_eq(t->fired[3][class], 0); /* deeper than asked for */
    ck_assert_mem_eq(t, &three->crossed.totals, sizeof *t);
    free(one);
    free(three);
}
END_TEST

START_TEST(chain__a_number_is_one_chain_and_a_greater_depth_goes_on_from_it)
{
    fault_scene c;
    fault_chain_outcome out[3];
    char text[3][CHAIN_TEXT_BYTES];
    fault_scene_make(&c, 2);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_msg(fault_chain_run(&c.s, 2, 7, i == 2 ? 4 : 2, &out[i]), "%s", out[i].last.verdict.text);
        fault_chain_text(&out[i], text[i]);
    }
    ck_assert_uint_eq(out[0].levels, 2);
    ck_assert_uint_eq(out[2].levels, 4);
    ck_assert_str_eq(text[0], text[1]);
    ck_assert_uint_eq(out[0].states, out[1].states);
    ck_assert(!strncmp(text[0], text[2], strlen(text[0])));
    ck_assert(fault_chain_run(&c.s, 2, 8, 1, &out[1]));
    fault_chain_text(&out[1], text[1]);
    ck_assert_msg(strncmp(text[0], text[1], strlen(text[1])) != 0, "%s", text[1]);
    fault_scene_end(&c);
}
END_TEST

/* A finding of two lives is done again in two lives, whatever a third would come to. */
START_TEST(chain__is_replayed_to_the_depth_that_it_was_found_at)
{
    fault_scene c;
    fault_chain_outcome out;
    finding_outcome again;
    char links[CHAIN_TEXT_BYTES], *text = NULL;
    size_t bytes = 0;
    fault_scene_make(&c, 2);
    for (unsigned depth = 1; depth < 4; depth++) {
        const chaos_options options = { .depth = 2, .crossed_depth = depth, .operations = SCENE_OPERATIONS };
        const finding item = { .seed = 2, .replay = "--chain 7", .promise = "DURABLE", .phase = "power cut" };
        saved_finding f;
        ck_assert(saved_finding_make(&f, &item, &options, NULL, NULL));
        FILE *to = open_memstream(&text, &bytes);
        finding_run(&f, &c.data, NULL, to, NULL, NULL, &again);
        fclose(to);
        ck_assert(fault_chain_run(&c.s, 2, 7, depth, &out));
        fault_chain_text(&out, links);
        ck_assert_uint_eq(out.levels, depth);
        ck_assert_msg(!strncmp(text, links, strlen(links)) && text[strlen(links)] == '\n', "%s, not %s", text, links);
        free(text);
        saved_finding_free(&f);
    }
    fault_scene_end(&c);
}
END_TEST

/* Half of the cuts are close after the fault, also when the store was reopened since. */
START_TEST(chain__power_fails_between_the_fault_and_the_next_reopening)
{
    fault_scene c;
    uint64_t near = 0, reopened_since = 0;
    fault_scene_make(&c, 2);
    for (uint64_t number = 0; number < 16; number++) {
        fault_chain_outcome out;
        ck_assert_msg(fault_chain_run(&c.s, 2, number, 1, &out), "%s", out.last.verdict.text);
        ck_assert_uint_eq(out.near_cuts, 3);
        near += out.near_cuts;
        reopened_since += out.near_settled;
    }
    ck_assert_uint_gt(reopened_since, near / 3);
    fault_scene_end(&c);
}
END_TEST

/* The model is told of a batch that the disk from which the life starts does not have. */
START_TEST(chain__a_batch_that_is_not_there_is_found)
{
    fault_scene c;
    fault_chain_outcome out;
    fault_scene_make(&c, 2);
    oracle *o = oracle_create();
    oracle_put(o, "promised", 8, "x", 1);
    const uint32_t batch = oracle_submit(o, LEVIN_SYNCED, 0);
    oracle_acknowledge(o, batch, 0);
    disk_image *empty = disk_image_create();
    c.s.items[0].start = empty;
    c.s.items[0].from = o;
    c.s.items[0].from_state = batch;
    c.s.items[0].from_legal = oracle_legal_crash(o, 0);
    ck_assert(!fault_chain_run(&c.s, 2, 7, 3, &out));
    ck_assert_uint_eq(out.levels, 1);
    ck_assert_ptr_nonnull(out.last.verdict.promise);
    c.s.items[0].start = NULL;
    disk_image_unref(empty);
    oracle_destroy(o);
    fault_scene_end(&c);
}
END_TEST

START_TEST(crossed__a_chain_names_a_power_cut_only_where_there_was_one)
{
    fault_chain_outcome out = { .levels = 2 };
    char text[CHAIN_TEXT_BYTES];
    out.links[0] = (fault_link){ .fault = "life/wal.sync/eio/once/3", .cut = true, .point = 124, .variant = 2 };
    out.links[1] = (fault_link){ .fault = "recovery/pages.read/eio/once/1" };
    fault_chain_text(&out, text);
    ck_assert_str_eq(text, "life/wal.sync/eio/once/3 + 124.2 + recovery/pages.read/eio/once/1");
    out.links[1].cut = true;
    fault_chain_text(&out, text);
    ck_assert_str_eq(text, "life/wal.sync/eio/once/3 + 124.2 + recovery/pages.read/eio/once/1 + 0.0");
}
END_TEST

LEVIN_TEST_MAIN("crossed", TEST(crossed__a_chain_names_a_power_cut_only_where_there_was_one),
                TEST(crossed__all_fires_at_each_depth_and_nothing_depends_on_the_number_of_jobs),
                TEST(chain__a_number_is_one_chain_and_a_greater_depth_goes_on_from_it),
                TEST(chain__is_replayed_to_the_depth_that_it_was_found_at),
                TEST(chain__power_fails_between_the_fault_and_the_next_reopening),
                TEST(chain__a_batch_that_is_not_there_is_found))
