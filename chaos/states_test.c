/*
 * states_test.c - small programs written down as traces, each with one mistake of the kind that is found in the field:
 * its crash states fail, and the reason found is that mistake; without the mistake, or where the file system is
 * trusted with it, nothing is found.
 */
#include "../faults/check_main.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "states.h"

/* ---- Traces ---------------------------------------------------------------------------------------------- */

enum { NODE_OLD = 1, NODE_NEW = 2, NODE_MORE = 3 };

static void create(trace *t, disk_node node, const char *name)
{
    trace_append(t, &(trace_entry){ .op = TRACE_CREATE, .kind = LEVIN_FILE_DIR, .node = node, .name = name });
}

static void put(trace *t, disk_node node, uint64_t offset, const void *data, uint64_t bytes)
{
    trace_append(t, &(trace_entry){ .op = TRACE_WRITE, .node = node, .name = "file", .offset = offset, .bytes = bytes,
                                    .data = data });
}

static void simple(trace *t, trace_op op, disk_node node)
{
    trace_append(t, &(trace_entry){ .op = op, .kind = LEVIN_FILE_DIR, .node = node, .name = "file" });
}

static void say(trace *t, const char *text)
{
    trace_append(t, &(trace_entry){ .op = TRACE_MARK, .kind = LEVIN_FILE_DIR, .bytes = strlen(text),
                                    .data = (const uint8_t *)text, .call = "write" });
}

static void take_place(trace *t, disk_node node, const char *from, const char *to)
{
    trace_append(t, &(trace_entry){ .op = TRACE_RENAME, .kind = LEVIN_FILE_DIR, .node = node, .name = from,
                                    .to_name = to });
}

/* One file "f" with these bytes, long durable. */
static trace *started(const char *bytes)
{
    trace *t = trace_create();
    create(t, NODE_OLD, "f");
    put(t, NODE_OLD, 0, bytes, strlen(bytes));
    simple(t, TRACE_START, 0);
    return t;
}

/* ---- Judges ---------------------------------------------------------------------------------------------- */

static size_t contents(const char *directory, const char *name, char *bytes, size_t capacity)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return SIZE_MAX;
    size_t n = fread(bytes, 1, capacity - 1, file);
    bytes[n] = 0;
    fclose(file);
    return n;
}

static bool is(const states_case *c, const char *name, const char *expected)
{
    char bytes[8192];
    return contents(c->directory, name, bytes, sizeof bytes) == strlen(expected) && !strcmp(bytes, expected);
}

/* "f" is old or new, and new when that was said. */
static outcome judge_replaced(void *context, const states_case *c, char text[GUARDED_TEXT_BYTES])
{
    char said[64] = "";
    FILE *file = fopen(c->acknowledged, "r");
    (void)context;
    if (!file || (!fgets(said, sizeof said, file) && c->marks))
        return OUTCOME_WRONG;
    fclose(file);
    if (is(c, "f", "new"))
        return OUTCOME_RIGHT;
    snprintf(text, GUARDED_TEXT_BYTES, "f is not new");
    if (!is(c, "f", "old"))
        return OUTCOME_WRONG;
    return !strcmp(said, "done\n") ? OUTCOME_LOST : OUTCOME_RIGHT;
}

/* "f" is all of one letter, and not empty. */
static outcome judge_uniform(void *context, const states_case *c, char text[GUARDED_TEXT_BYTES])
{
    char bytes[8192];
    size_t n = contents(c->directory, "f", bytes, sizeof bytes);
    (void)context;
    (void)text;
    if (n == SIZE_MAX || n == 0 || (bytes[0] != 'a' && bytes[0] != 'b'))
        return OUTCOME_WRONG;
    for (size_t i = 1; i < n; i++)
        if (bytes[i] != bytes[0])
            return OUTCOME_WRONG;
    return OUTCOME_RIGHT;
}

/* Where there is a "second" there is a "first". */
static outcome judge_both(void *context, const states_case *c, char text[GUARDED_TEXT_BYTES])
{
    char bytes[16];
    (void)context;
    (void)text;
    return contents(c->directory, "second", bytes, sizeof bytes) != SIZE_MAX &&
                   contents(c->directory, "first", bytes, sizeof bytes) == SIZE_MAX
               ? OUTCOME_DETECTED
               : OUTCOME_RIGHT;
}

static outcome judge_dying(void *context, const states_case *c, char text[GUARDED_TEXT_BYTES])
{
    (void)context;
    (void)text;
    if (is(c, "f", "new"))
        raise(SIGSEGV);
    while (!is(c, "f", "old"))
        pause();
    return OUTCOME_RIGHT;
}

/* ---- Helpers --------------------------------------------------------------------------------------------- */

static states_report *explore(const trace *t, states_judge *judge, unsigned grants, unsigned jobs)
{
    states_report *r = calloc(1, sizeof *r);
    states_options o = { .trace = t, .seed = 1, .grants = grants, .jobs = jobs, .judge = judge, .limits = { 2, 0 },
                         .culprits = STATES_CULPRITS };
    states_explore(&o, r);
    ck_assert_str_eq(r->harness, "");
    ck_assert(r->complete);
    ck_assert_uint_eq(r->judged, r->distinct);
    return r;
}

/* The finding with that assumption, which must be there. */
static const states_finding *finding_of(const states_report *r, assumption what)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->findings[i].searched && r->findings[i].why.what == what) {
            ck_assert(r->findings[i].why.steady);
            return &r->findings[i];
        }
    ck_abort_msg("no finding assumes %s", assumption_word(what));
    return NULL;
}

static void must_find(trace *t, states_judge *judge, assumption what, uint64_t lost_entry, uint64_t done_entry)
{
    states_report *r = explore(t, judge, 0, 2);
    const states_finding *f = finding_of(r, what);
    ck_assert_uint_eq(f->why.count, lost_entry ? 1 : 0);
    if (lost_entry)
        ck_assert_uint_eq(f->why.parts[0].entry + 1, lost_entry);
    ck_assert_uint_eq(f->why.point, done_entry);
    free(r);
}

static void must_find_nothing(trace *t, states_judge *judge, unsigned grants)
{
    states_report *r = explore(t, judge, grants, 2);
    ck_assert_uint_eq(r->failing, 0);
    ck_assert_uint_eq(r->count, 0);
    ck_assert_uint_gt(r->judged, 1);
    free(r);
}

/* ---- Tests ------------------------------------------------------------------------------------------------ */

/* #4 create f.tmp, #5 write, [#6 sync], #6 or #7 rename, [sync of the directory], said */
static trace *replacing(bool synced, bool directory_synced, bool said)
{
    trace *t = started("old");
    create(t, NODE_NEW, "f.tmp");
    put(t, NODE_NEW, 0, "new", 3);
    if (synced)
        simple(t, TRACE_SYNC, NODE_NEW);
    take_place(t, NODE_NEW, "f.tmp", "f");
    if (directory_synced)
        simple(t, TRACE_SYNC_DIR, DISK_ROOT);
    if (said)
        say(t, "done\n");
    return t;
}

START_TEST(states__a_rename_before_the_data)
{
    trace *t = replacing(false, false, false);
    must_find(t, judge_replaced, ASSUMES_ORDER, 5, 6);
    trace_destroy(t);
    t = replacing(true, false, false);
    must_find_nothing(t, judge_replaced, 0);
    trace_destroy(t);
}
END_TEST

START_TEST(states__a_promise_before_the_sync)
{
    trace *t = replacing(true, false, true);
    must_find(t, judge_replaced, ASSUMES_SYNCED_NAMES, 7, 8);
    trace_destroy(t);
    t = replacing(true, true, true);
    must_find_nothing(t, judge_replaced, 0);
    trace_destroy(t);
    t = started("old");
    put(t, NODE_OLD, 0, "new", 3);
    say(t, "done\n");
    must_find(t, judge_replaced, ASSUMES_SYNCED, 4, 5);
    trace_destroy(t);
}
END_TEST

START_TEST(states__a_write_taken_for_atomic)
{
    char a[2049], b[2049];
    memset(a, 'a', 2048);
    memset(b, 'b', 2048);
    a[2048] = b[2048] = 0;
    trace *t = started(a);
    put(t, NODE_OLD, 0, b, 2048);
    states_report *r = explore(t, judge_uniform, 0, 2);
    finding_of(r, ASSUMES_ATOMIC_WRITE);
    finding_of(r, ASSUMES_POWERSAFE);
    free(r);
    must_find_nothing(t, judge_uniform, GRANT(ASSUMES_ATOMIC_WRITE) | GRANT(ASSUMES_POWERSAFE));
    trace_destroy(t);
}
END_TEST

START_TEST(states__an_append_beside_durable_bytes)
{
    trace *t = started("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    put(t, NODE_OLD, 34, "aaaa", 4);
    states_report *r = explore(t, judge_uniform, 0, 2);
    ck_assert_uint_eq(finding_of(r, ASSUMES_POWERSAFE)->why.parts[0].entry, 3);
    ck_assert_uint_eq(finding_of(r, ASSUMES_SIZE_WITH_DATA)->why.parts[0].entry, 3);
    free(r);
    must_find_nothing(t, judge_uniform, GRANT(ASSUMES_POWERSAFE) | GRANT(ASSUMES_SIZE_WITH_DATA));
    trace_destroy(t);
}
END_TEST

START_TEST(states__a_moment_that_no_order_helps)
{
    trace *t = started("aaa");
    simple(t, TRACE_TRUNCATE, NODE_OLD);
    simple(t, TRACE_SYNC, NODE_OLD);
    put(t, NODE_OLD, 0, "bbb", 3);
    must_find(t, judge_uniform, ASSUMES_NO_CRASH, 0, 4);
    trace_destroy(t);
}
END_TEST

START_TEST(states__names_out_of_order)
{
    trace *t = started("old");
    create(t, NODE_NEW, "first");
    create(t, NODE_MORE, "second");
    must_find(t, judge_both, ASSUMES_ORDERED_NAMES, 4, 5);
    must_find_nothing(t, judge_both, GRANT(ASSUMES_ORDERED_NAMES));
    must_find_nothing(t, judge_both, GRANTS_JOURNAL);
    trace_destroy(t);
    t = started("old");
    create(t, NODE_NEW, "first");
    simple(t, TRACE_SYNC, NODE_OLD); /* of another file: enough where there is a journal */
    create(t, NODE_MORE, "second");
    must_find(t, judge_both, ASSUMES_ORDERED_NAMES, 4, 6);
    must_find_nothing(t, judge_both, GRANT(ASSUMES_SYNCED_NAMES));
    trace_destroy(t);
}
END_TEST

START_TEST(states__a_check_that_dies_or_hangs)
{
    trace *t = replacing(false, false, false);
    states_report *r = calloc(1, sizeof *r);
    states_options o = { .trace = t, .seed = 1, .jobs = 2, .judge = judge_dying, .limits = { 0.2, 0 } };
    states_explore(&o, r);
    ck_assert_uint_gt(r->outcomes[OUTCOME_SIGNAL], 0);
    ck_assert_uint_gt(r->outcomes[OUTCOME_HANG], 0);
    ck_assert_uint_gt(r->outcomes[OUTCOME_RIGHT], 0);
    ck_assert_uint_eq(r->count, 2);
    ck_assert_uint_eq(r->not_searched, r->failing);
    free(r);
    trace_destroy(t);
}
END_TEST

START_TEST(states__the_report_does_not_depend_on_the_jobs)
{
    trace *t = started("aaaa");
    char data[3000];
    memset(data, 'a', sizeof data);
    for (uint64_t i = 0; i < 12; i++)
        put(t, NODE_OLD, 4 + i * 700, data, 700);
    states_report *one = calloc(1, sizeof *one), *three = calloc(1, sizeof *three);
    states_options o = { .trace = t, .seed = 9, .states = 60, .jobs = 1, .judge = judge_uniform, .culprits = 8 };
    states_explore(&o, one);
    o.jobs = 3;
    states_explore(&o, three);
    ck_assert_uint_eq(one->judged, 60);
    ck_assert_uint_gt(one->distinct, 60);
    ck_assert_uint_gt(one->failing, 0);
    ck_assert_uint_lt(one->failing, 60);
    one->seconds = three->seconds = 0;
    ck_assert_mem_eq(one, three, sizeof *one);
    for (size_t i = 0; i < one->count; i++) /* each finding again, by its key */
        for (int times = 0; times < 3; times++) {
            outcome what;
            char text[GUARDED_TEXT_BYTES];
            ck_assert(states_replay(&o, one->findings[i].point, one->findings[i].variant, &what, text, NULL, NULL));
            ck_assert_int_eq(what, one->findings[i].what);
        }
    outcome what;
    char text[GUARDED_TEXT_BYTES];
    ck_assert(!states_replay(&o, trace_length(t) + 1, 0, &what, text, NULL, NULL));
    ck_assert(!states_replay(&o, trace_length(t), 1u << 30, &what, text, NULL, NULL));
    free(one);
    free(three);
    trace_destroy(t);
}
END_TEST

START_TEST(states__grants_are_read)
{
    unsigned grants = 0;
    const char *bad = NULL;
    ck_assert(states_grants_parse("powersafe,journal", &grants, &bad));
    ck_assert_uint_eq(grants, GRANT(ASSUMES_POWERSAFE) | GRANTS_JOURNAL);
    ck_assert(!states_grants_parse("powersafe,magic", &grants, &bad));
    ck_assert_str_eq(bad, "magic");
    ck_assert(!states_grants_parse("no-crash", &grants, &bad));
}
END_TEST

LEVIN_TEST_MAIN("states", TEST(states__a_rename_before_the_data), TEST(states__a_promise_before_the_sync),
                TEST(states__a_write_taken_for_atomic), TEST(states__an_append_beside_durable_bytes),
                TEST(states__a_moment_that_no_order_helps), TEST(states__names_out_of_order),
                TEST(states__a_check_that_dies_or_hangs), TEST(states__the_report_does_not_depend_on_the_jobs),
                TEST(states__grants_are_read))
