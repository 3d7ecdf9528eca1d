/*
 * report_test.c - the lines that replay findings can be given to a shell as they are; what a campaign came to stands in
 * JSON, JUnit XML and the page, number by number.
 */
#include "report_files.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/check_main.h"

static const char *word(const char *text)
{
    static char quoted[REPORT_WORD_BYTES];
    report_word("", text, quoted);
    return quoted;
}

START_TEST(report__words_are_quoted_where_a_shell_would_take_them_apart)
{
    ck_assert_str_eq(word("/var/lib/dpkg/status"), "/var/lib/dpkg/status");
    ck_assert_str_eq(word("my data"), "'my data'");
    ck_assert_str_eq(word("it's"), "'it'\\''s'");
    ck_assert_str_eq(word("$HOME"), "'$HOME'");
    ck_assert_str_eq(word(""), "''");
}
END_TEST

START_TEST(report__replay_lines_are_whole)
{
    char path[3000], line[REPORT_LINE_BYTES];
    memset(path, 'a', sizeof path - 1);
    path[1000] = ' ';
    path[sizeof path - 1] = 0;
    chaos_options o = { .depth = DEPTH_DEFAULT, .crossed_depth = CROSSED_DEPTH_DEFAULT, .data = path, .threads = 3,
                        .fault_every = 7,      .duration_seconds = 20, .fiu = true };
    report *r = calloc(1, sizeof *r);
    r->options = &o;
    finding f = { .found_by = DETECTOR_SWEEP, .seed = 4, .replay = "--at 1.2" };
    report_replay_line(r, &f, line, sizeof line);
    ck_assert_msg(strstr(line, "aa' --at 1.2") != NULL, "%s", line);
    ck_assert(strstr(line, " --data 'aa") != NULL && strstr(line, path) != NULL);
    o.data = NULL; /* the depth is said where it is not what the command takes by itself */
    f.found_by = DETECTOR_CROSSED;
    strcpy(f.replay, "--chain 7");
    report_replay_line(r, &f, line, sizeof line);
    ck_assert_str_eq(line, "levin-chaos replay --seed 4 --chain 7");
    o.crossed_depth = o.depth = DEPTH_DEFAULT;
    report_replay_line(r, &f, line, sizeof line);
    ck_assert_str_eq(line, "levin-chaos replay --seed 4 --depth 2 --chain 7");
    f.found_by = DETECTOR_SOAK;
    report_replay_line(r, &f, line, sizeof line);
    ck_assert_str_eq(line, "levin-chaos soak --seed 4 --threads 3 --fault-every 7 --duration 20 --fiu");
    free(r);
}
END_TEST

/* ---- a campaign ------------------------------------------------------------------------------------------- */

static chaos_options asked;
static char files[2][40];

/* As if effects, chains and a soak had run: each count is another number. */
static report *campaign(void)
{
    report *r = calloc(1, sizeof *r);
    asked = (chaos_options){ .seed = 11, .threads = 5, .jobs = 2, .depth = DEPTH_DEFAULT, .fault_every = 600,
                             .crossed_depth = CROSSED_DEPTH_DEFAULT, .duration_seconds = 20 };
    r->options = &asked;
    r->data = "a<b";
    r->has_effects = r->has_crossed = r->has_soak = true;
    r->effects = (effects_report){ .totals = { .runs = 101, .fired = 102, .refused = 103, .told = 104, .hurt = 105,
                                               .cuts = 106, .near_cuts = 107 },
                                   .seeds = { .begun = 3, .finished = 2, .seconds = 1.5, .complete = true } };
    r->effects.totals.hits[LEVIN_FILE_WAL][FAULT_SYNC] = 108;
    r->crossed.totals.states = 110;
    for (unsigned level = 0; level < CHAIN_DEPTH_MAX; level++)
        for (unsigned class = 0; class < CHAIN_CLASS_COUNT; class++)
            r->crossed.totals.fired[level][class] = 1000 * (level + 1) + class;
    r->soak = (soak_result){ .lives = 201, .killed = 202, .killed_opening = 203, .killed_comparing = 204,
                             .killed_closing = 205, .closed = 206, .given_up = 207, .compared = 208, .checks = 209,
                             .operations = 210, .reads = 211, .faults = 212, .lives_with_faults = 213,
                             .recovery_max_ns = 214999, .seconds = 2.25, .last_fault = "wal.sync <EIO>" };
    return r;
}

/* All errors of failed syncs of the log have fired but the first; of failed directory syncs, all; of others, none. */
static void fire(report *r)
{
    const effect_case *cases;
    const size_t count = effect_cases(&cases);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        const uint64_t bit = UINT64_C(1) << i % 64;
        const bool wal = cases[i].kind == LEVIN_FILE_WAL && cases[i].operation == FAULT_SYNC,
                   dir = cases[i].operation == FAULT_SYNC_DIR;
        if (cases[i].effect != FAULT_ERROR || !(wal || dir))
            continue;
        r->effects.totals.called[i / 64] |= bit;
        if (dir || !first)
            r->effects.totals.hit[i / 64] |= bit;
        first = first && !wal;
    }
}

static void find(report *r)
{
    const finding effect = { .seed = 12, .replay = "--rule 'on levin/io/wal/sync nth 3 do error EIO' --scenario life",
                             .promise = "POISON", .phase = "life & after", .text = "\"x\" < y" },
                  soak = { .seed = 11, .replay = "--soak", .promise = "DURABLE", .phase = "soak", .text = "lost" };
    report_finding(r, DETECTOR_EFFECTS, &effect);
    report_finding(r, DETECTOR_SOAK, &soak);
}

/* What the report writes into its files. */
static void write_files(report *r)
{
    strcpy(files[0], "/tmp/levin-report-XXXXXX");
    strcpy(files[1], "/tmp/levin-report-XXXXXX");
    for (int i = 0; i < 2; i++) {
        const int file = mkstemp(files[i]);
        ck_assert_int_ge(file, 0);
        close(file);
    }
    asked.junit = files[0];
    asked.html = files[1];
    report_write_files(r, "the <verdict>");
}

/* The caller's to free; the file is gone then. */
static char *text_of(const char *path)
{
    char *text = calloc(1, 1 << 20);
    FILE *from = fopen(path, "r");
    ck_assert_ptr_nonnull(from);
    ck_assert_uint_lt(fread(text, 1, 1 << 20, from), 1 << 20);
    fclose(from);
    unlink(path);
    return text;
}

/* In that order, each once at least. */
static void has(const char *text, const char *const *pieces)
{
    for (const char *at = text; *pieces; pieces++) {
        const char *there = strstr(at, *pieces);
        ck_assert_msg(there, "no '%s' behind '%.60s...'", *pieces, at);
        at = there + strlen(*pieces);
    }
}

START_TEST(report__junit_has_each_detector_and_each_finding)
{
    static const char *const pieces[] = {
        "<testsuites name=\"levin-chaos\">\n",
        "<testsuite name=\"effects\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"1.500\">\n",
        "<testcase classname=\"levin-chaos.effects\" name=\"101 runs under an effect\" time=\"1.500\"></testcase>\n",
        "name=\"levin-chaos replay --seed 12 --rule 'on levin/io/wal/sync nth 3 do error EIO' --scenario life\">\n",
        "<failure type=\"POISON\" message=\"life &amp; after\">&quot;x&quot; &lt; y</failure>\n    </testcase>\n"
        "  </testsuite>\n",
        "<testsuite name=\"crossed\" tests=\"1\" failures=\"0\"", "name=\"110 power cuts after faults\"",
        "<testsuite name=\"soak\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" time=\"2.250\">\n",
        "name=\"201 lives of a process\"",
        "name=\"levin-chaos soak --seed 11 --threads 5 --fault-every 600 --duration 20\">",
        "<failure type=\"DURABLE\" message=\"soak\">lost</failure>", "</testsuites>\n", NULL
    };
    report *r = campaign();
    find(r);
    write_files(r);
    char *text = text_of(files[0]);
    has(text, pieces);
    ck_assert_ptr_null(strstr(text, "system-out"));
    free(text);
    for (unsigned i = 0; i <= FINDINGS_KEPT; i++) { /* one more than is listed of a detector, and one was there */
        finding f = { .seed = 100 + i, .promise = "DURABLE" };
        report_finding(r, DETECTOR_EFFECTS, &f);
    }
    snprintf(r->harness, sizeof r->harness, "no & more");
    write_files(r);
    text = text_of(files[0]);
    static const char *const more[] = {
        "tests=\"27\" failures=\"26\" errors=\"1\"",
        "<error message=\"the harness failed\">no &amp; more</error></testcase>",
        "<system-out>2 violations more than those listed</system-out>", NULL
    };
    has(text, more);
    free(text);
    unlink(files[1]);
    free(r);
}
END_TEST

START_TEST(report__the_page_has_effects_chains_and_the_soak)
{
    static const char *const pieces[] = {
        "<h1>levin-chaos: the &lt;verdict&gt;</h1>", "seeds from 11, 2 jobs, names and values: a&lt;b</p>",
        "<tr><td>effects<td>101<td><td>runs under an effect<td>67<td>1.5<td>1</tr>",
        "<tr><td>soak<td>201<td><td>lives of a process<td>89<td>2.2<td>1</tr>", "<h2>Failures: 2</h2>",
        "<b>POISON</b> (life &amp; after): &quot;x&quot; &lt; y<br><code>levin-chaos replay --seed 12 --rule",
        "<p>101 runs; 105 hurt writes or syncs, damage was told of 104 times; 106 power cuts, 107 right after",
        "<tr><td>levin/io/wal/sync<td><b>4 of 5</b>", "<tr><td>levin/io/dir/sync_dir<td>9 of 9",
        "<tr><td>levin/mem/alloc<td>never called", "<p>Where they hit:</p>", "<tr><td>sync<td>0<td>108<td>0<td>0",
        "<h2>Faults crossed with crashes</h2>", "<tr><td>0<td>1000<td>1001<td>1002<td>1003</tr>\n<tr><td>1<td>2000",
        "<h2>Soak</h2>\n<p>Real files, 5 threads.</p>", "<tr><td>lives<td>201</tr>", "<tr><td>killed<td>202</tr>",
        "<tr><td>of them while opening<td>203</tr>", "<tr><td>while comparing<td>204</tr>",
        "<tr><td>while closing<td>205</tr>", "<tr><td>closed<td>206</tr>", "<tr><td>ended by a fault<td>207</tr>",
        "<tr><td>compared after a death<td>208</tr>", "<tr><td>levin_check()<td>209</tr>",
        "<tr><td>operations in the store<td>210</tr>", "<tr><td>gets<td>211</tr>",
        "<tr><td>injected faults<td>212</tr>", "<tr><td>lives with a fault<td>213</tr>",
        "<tr><td>slowest recovery, us<td>214</tr>", "<p>The last fault: wal.sync &lt;EIO&gt;</p>",
        "</body></html>\n", NULL
    };
    report *r = campaign();
    fire(r);
    find(r);
    write_files(r);
    char *text = text_of(files[1]);
    has(text, pieces);
    ck_assert_ptr_null(strstr(text, "interrupted"));
    ck_assert_ptr_null(strstr(text, "<h2>Crash states")); /* no sweep ran */
    free(text);
    r->interrupted = true;
    r->soak.last_fault[0] = 0;
    write_files(r);
    text = text_of(files[1]);
    static const char *const fewer[] = { "; interrupted: this is what was done until then</p>",
                                         "No fault was injected.", NULL };
    has(text, fewer);
    free(text);
    unlink(files[0]);
    free(r);
}
END_TEST

static void number_is(const json_t *object, const char *name, uint64_t value)
{
    const json_t *there = json_object_get(object, name);
    ck_assert_msg(json_is_integer(there) && (uint64_t)json_integer_value(there) == value, "%s is not %llu", name,
                  (unsigned long long)value);
}

/* What is printed on standard output. */
static json_t *printed_json(const report *r, int status)
{
    char path[] = "/tmp/levin-report-XXXXXX";
    const int file = mkstemp(path), before = dup(STDOUT_FILENO);
    json_error_t error;
    ck_assert(file >= 0 && before >= 0);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    const int is = report_print(r);
    dup2(before, STDOUT_FILENO);
    close(before);
    close(file);
    json_t *j = json_load_file(path, 0, &error);
    unlink(path);
    ck_assert_msg(j != NULL, "%s", error.text);
    ck_assert_int_eq(is, status);
    return j;
}

START_TEST(report__json_has_effects_chains_and_the_soak)
{
    const effect_case *cases;
    const size_t count = effect_cases(&cases);
    report *r = campaign();
    fire(r);
    find(r);
    asked.json = true;
    json_t *j = printed_json(r, EXIT_VIOLATION);
    const json_t *effects = json_object_get(j, "effects"), *soak = json_object_get(j, "soak"),
                 *found = json_object_get(j, "findings");
    number_is(j, "seed", 11);
    number_is(j, "violations", 2);
    ck_assert_str_eq(json_string_value(json_object_get(j, "verdict")), "VIOLATED");
    number_is(effects, "cases", count);
    number_is(effects, "cases_fired", 4 + 9);
    ck_assert_uint_eq(json_array_size(json_object_get(effects, "never_called")), count - 4 - 9 - 1);
    ck_assert_uint_eq(json_array_size(json_object_get(effects, "never_fired")), 1);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(effects, "never_fired"), 0)),
                     "levin/io/wal/sync error EDQUOT");
    number_is(effects, "runs", 101);
    number_is(effects, "faults_fired", 102);
    number_is(effects, "errors_given", 103);
    number_is(effects, "told", 104);
    number_is(effects, "hurt", 105);
    number_is(effects, "cuts", 106);
    number_is(effects, "near_cuts", 107);
    number_is(effects, "seeds_begun", 3);
    number_is(effects, "seeds_complete", 2);
    ck_assert(json_is_true(json_object_get(effects, "complete")));
    static const char *const names[] = { "lives", "killed", "killed_opening", "killed_comparing", "killed_closing",
                                         "closed", "given_up", "compared", "checks", "operations", "reads", "faults",
                                         "lives_with_faults" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        number_is(soak, names[i], 201 + i);
    number_is(soak, "recovery_max_ns", 214999);
    ck_assert_ptr_null(json_object_get(j, "sweep"));
    ck_assert_uint_eq(json_array_size(found), 2);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(found, 0), "replay")),
                     "levin-chaos replay --seed 12 --rule 'on levin/io/wal/sync nth 3 do error EIO' --scenario life");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(found, 1), "promise")), "DURABLE");
    json_decref(j);
    free(r);
}
END_TEST

LEVIN_TEST_MAIN("report", TEST(report__words_are_quoted_where_a_shell_would_take_them_apart),
                TEST(report__replay_lines_are_whole), TEST(report__junit_has_each_detector_and_each_finding),
                TEST(report__the_page_has_effects_chains_and_the_soak),
                TEST(report__json_has_effects_chains_and_the_soak))
