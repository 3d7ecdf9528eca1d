/*
 * corrupt_test.c - every damage has one name, which leads back to it; a campaign does what is due, whatever the number
 * of jobs, reaches every kind and every class of files, and sees wrong answers.
 */
#include "corrupt.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/check_main.h"
#include "corrupt_run.h"

enum { OPERATIONS = 40, DAMAGES = 60 };

static report *run(unsigned jobs, chaos_options *options)
{
    stanzas data;
    stanzas_invent(&data, 400, 1);
    *options = (chaos_options){ .command = COMMAND_CORRUPT, .seed = 3, .seeds = 1, .operations = OPERATIONS,
                                .damages = DAMAGES, .jobs = jobs, .quiet = true };
    report *r = calloc(1, sizeof *r);
    r->options = options;
    corrupt(r, &data, 0);
    stanzas_free(&data);
    return r;
}

START_TEST(corrupt__does_not_depend_on_the_number_of_jobs)
{
    chaos_options options[2];
    report *one = run(1, &options[0]), *two = run(2, &options[1]);
    const corrupt_totals *t = &one->corrupt.totals;
    ck_assert_msg(one->found.count == 0, "%s", one->found.items[0].text);
    ck_assert(one->corrupt.complete && two->corrupt.complete);
    ck_assert_mem_eq(t, &two->corrupt.totals, sizeof *t);
    ck_assert_uint_eq(one->corrupt.seeds_complete, 1);
    uint64_t due = 0;
    for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++)
        for (unsigned c = 0; c < CORRUPT_CLASS_COUNT; c++)
            due += t->due[k][c];
    ck_assert_uint_eq(corrupt_totals_done(t) + corrupt_totals_fate(t, CORRUPT_SAME), due);
    for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++)
        for (unsigned c = 0; c <= CORRUPT_VALUES; c++)
            ck_assert_msg(t->due[k][c] > 0, "no %s of %s", corrupt_kind_text((corrupt_kind)k),
                          corrupt_class_text((corrupt_class)c));
    ck_assert_uint_gt(corrupt_totals_fate(t, CORRUPT_AT_OPEN), 100);
    ck_assert_uint_gt(corrupt_totals_fate(t, CORRUPT_AT_READ), 100);
    ck_assert_uint_gt(corrupt_totals_fate(t, CORRUPT_HARMLESS), 100);
    ck_assert_uint_gt(t->gone_on, 20);
    free(one);
    free(two);
}
END_TEST

START_TEST(corrupt__names_lead_back)
{
    corrupt_life life;
    stanzas data;
    stanzas_invent(&data, 400, 1);
    ck_assert_msg(corrupt_life_prepare(&life, 3, OPERATIONS, &data, NULL, NULL), "%s", life.verdict.text);
    for (unsigned i = 0; i < CORRUPT_IMAGES; i++)
        for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++)
            for (unsigned c = 0; c < CORRUPT_CLASS_COUNT; c++) {
                const uint64_t count = corrupt_group_count(&life.images[i], (corrupt_kind)k, (corrupt_class)c);
                for (uint64_t n = 0; n < count; n += 1 + count / 7) {
                    char name[CORRUPT_NAME_BYTES];
                    corrupt_item back, item = corrupt_group_item(&life, i, (corrupt_kind)k, (corrupt_class)c, n);
                    corrupt_item_name(&life, &item, name);
                    ck_assert_msg(corrupt_item_parse(&life, name, &back), "%s", name);
                    ck_assert(back.image == item.image && back.kind == item.kind && back.file == item.file &&
                              back.number == item.number);
                }
            }
    corrupt_item item;
    ck_assert(!corrupt_item_parse(&life, "closed/flip/pages/99999999999", &item));
    ck_assert(!corrupt_item_parse(&life, "closed/flip/nothing/1", &item));
    corrupt_life_release(&life);
    stanzas_free(&data);
}
END_TEST

/* The canary: what is taken for the right answer is not. */
START_TEST(corrupt__a_wrong_answer_is_seen)
{
    corrupt_life life;
    corrupt_outcome out;
    stanzas data;
    stanzas_invent(&data, 400, 1);
    ck_assert(corrupt_life_prepare(&life, 3, OPERATIONS, &data, NULL, NULL));
    corrupt_item item = { .image = 1, .kind = CORRUPT_LOST };
    while (strcmp(life.images[1].files[item.file].name, "lock") != 0)
        item.file++;
    ck_assert(corrupt_run(&life, &item, &out));
    ck_assert_int_eq(out.fate, CORRUPT_HARMLESS);
    life.images[1].state -= 5;
    ck_assert(!corrupt_run(&life, &item, &out));
    ck_assert_int_eq(out.fate, CORRUPT_WRONG);
    ck_assert_str_eq(out.verdict.promise, "DETECT");
    corrupt_life_release(&life);
    stanzas_free(&data);
}
END_TEST

LEVIN_TEST_MAIN("corrupt", TEST(corrupt__does_not_depend_on_the_number_of_jobs), TEST(corrupt__names_lead_back),
                TEST(corrupt__a_wrong_answer_is_seen))
