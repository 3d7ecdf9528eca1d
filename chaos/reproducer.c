/*
 * reproducer.c - findings as C tests (reproducer.h).
 *
 * The workload writes down what it does while it runs (workload_script.h): so its draws, and what depends on the
 * answers of the store, are resolved.  Where the power fails is not written down: the test tries every state at every
 * moment, for the one found may lie elsewhere in an engine that makes other calls.
 *
 * What cannot be written so (why_not_calls() says why, and the test does) is a test that does the finding again.
 */
#include "reproducer.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/errnos.h"
#include "../faults/fatal.h"
#include "corrupt_plan.h"
#include "crew.h"
#include "explore.h"
#include "fault_run.h"
#include "faults_sweep.h"
#include "finding_run.h"
#include "plan_command.h"
#include "sweep.h"

typedef unsigned long long ull;

typedef struct writing {
    const saved_finding *f;
    const stanzas *data;
    FILE *calls, *tail; /* what is done; after a recovery, or the damage */
} writing;

/* ---- in a process of its own ------------------------------------------------------------------------------ */

static bool live_finding(const saved_finding *f)
{
    return finding_is_live(f->command, f->phase, f->place);
}

static void write_sweep(const writing *w)
{
    const saved_finding *f = w->f;
    workload_script script = { .to = w->calls, .reads = live_finding(f) }, tail = { .to = w->tail, .reads = true };
    sweep_run run;
    explore_path path;
    verify_result result;
    sweep_prepare(&run, f->seed, f->operations, w->data, &f->part, NULL, &script);
    if (!live_finding(f) && !run.result.verdict.promise && explore_path_parse(&path, f->place)) {
        explore_options options = sweep_explore_options(f->seed, f->depth);
        options.tail_one_in = f->tails;
        options.script = &tail;
        explore_judge judge = { .after = run.o };
        (void)explore_again(run.w, run.t, &judge, &options, &path, NULL, &result); /* the script is what is asked for */
        oracle_destroy(result.after);
    }
    sweep_release(&run);
}

static void write_fault(const writing *w)
{
    const saved_finding *f = w->f;
    workload_script script = { .to = w->calls, .reads = true };
    fault_scenarios s;
    fault_plan plan;
    fault_outcome out;
    uint64_t number;
    if (fault_scenarios_prepare(&s, f->seed, f->operations, w->data, &f->part, 1) &&
        fault_plan_find(&s, f->place, &number, &plan)) {
        s.script = &script;
        (void)fault_run(&s, &plan, faults_run_seed(f->seed, number), &out); /* as above */
    }
    fault_scenarios_release(&s);
}

static void write_plan(const writing *w)
{
    const saved_finding *f = w->f;
    workload_script script = { .to = w->calls, .reads = true };
    fault_scenarios s;
    fault_outcome out;
    plan_rules rules;
    saved_finding_rules(f, &rules);
    if (fault_scenarios_prepare(&s, f->seed, f->operations, w->data, &f->part, 1)) {
        plan_state *state = plan_begin(&rules, plan_run_seed(f->seed, 0));
        s.script = &script;
        (void)fault_run_plan(&s, 0, &rules, state, f->seed, &out); /* as above */
        plan_end(state);
    }
    fault_scenarios_release(&s);
}

/* After the calls: the damage. */
static void write_damage(const writing *w)
{
    static const char *const names[DAMAGE_OPERATIONS] = {
#define DAMAGE_NAME(name, text) #name,
        DAMAGE_LIST(DAMAGE_NAME)
#undef DAMAGE_NAME
    };
    const saved_finding *f = w->f;
    workload_script script = { .to = w->calls };
    corrupt_life life;
    corrupt_item item;
    if (corrupt_life_prepare(&life, f->seed, f->operations, w->data, &f->part, &script) &&
        corrupt_item_parse(&life, f->place, &item)) {
        const damage d = corrupt_item_damage(&life, &item);
        uint64_t moment = UINT64_MAX;
        for (unsigned i = 0; i < life.older_count; i++)
            moment = d.older == life.older[i] ? life.older_at[i] : moment;
        if (!strcmp(life.images[item.image].name, "closed"))
            workload_script_call(&script, "client_close(c)");
        fprintf(w->tail, "    const damage what = { .operation = %s, .name = \"%s\", .offset = %llu, .length = %u,\n"
                         "                          .parameter = %u, .other = %s%s%s };\n"
                         "    ck_assert_msg(client_damaged(c, &options, &what, UINT64_C(%llu)),\n"
                         "                  \"there is no such place to be damaged any more: nothing was shown\");\n",
                names[d.operation], d.name, (ull)d.offset, d.length, d.parameter, d.other ? "\"" : "",
                d.other ? d.other : "NULL", d.other ? "\"" : "", (ull)moment);
        fflush(w->tail);
    }
    corrupt_life_release(&life);
}

static void write_calls(void *context, crew_worker *worker, uint64_t task)
{
    const writing *w = context;
    (void)task;
    crew_at(worker, "%s", w->f->place);
    if (w->f->command == FINDING_SWEEP)
        write_sweep(w);
    else if (w->f->command == FINDING_FAULTS)
        write_fault(w);
    else if (w->f->command == FINDING_PLAN)
        write_plan(w);
    else
        write_damage(w);
}

static void ignore_message(void *context, unsigned type, const void *data, size_t bytes)
{
    (void)context, (void)type, (void)data, (void)bytes;
}

/* What it had done until then is written down. */
static void ignore_death(void *context, const char *where, const char *how)
{
    (void)context, (void)where, (void)how;
}

/* ---- the text --------------------------------------------------------------------------------------------- */

static const char *const kind_names[LEVIN_FILE_KIND_COUNT] = {
    [LEVIN_FILE_PAGES] = "LEVIN_FILE_PAGES", [LEVIN_FILE_WAL] = "LEVIN_FILE_WAL", [LEVIN_FILE_VLOG] = "LEVIN_FILE_VLOG",
    [LEVIN_FILE_LOCK] = "LEVIN_FILE_LOCK", [LEVIN_FILE_DIR] = "LEVIN_FILE_DIR",
};
static const char *const operation_names[FAULT_OPERATION_COUNT] = {
#define OPERATION_NAME(name, text) [name] = #name,
    FAULT_OPERATIONS(OPERATION_NAME)
#undef OPERATION_NAME
};

static void copy(FILE *from, FILE *to)
{
    rewind(from);
    for (int c; (c = fgetc(from)) != EOF;)
        fputc(c, to);
}

/* "sweep_1_19_1" */
static void test_name(const saved_finding *f, char name[64])
{
    snprintf(name, 64, "%s_%llu_%.30s", finding_command_text(f->command), (ull)f->seed, f->place);
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at))
            *at = '_';
}

/* As it is saved; the caller's to free. */
static char *finding_text(const saved_finding *f)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        fatal("no memory");
    saved_finding_print(f, memory);
    fclose(memory);
    return text;
}

static void print_head(const saved_finding *f, FILE *to)
{
    char *text = finding_text(f);
    fprintf(to, "/*\n * A finding of levin-chaos, made small: %s is broken.\n *\n", f->promise);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        for (char *at = line; at + 1 < end; at++)
            if (at[0] == '*' && at[1] == '/') /* of a path, or of a rule */
                at[1] = '|';
        fprintf(to, " *     %.*s\n", (int)(end - line), line);
    }
    fputs(" */\n", to);
    free(text);
}

static bool is_brief(const saved_finding *f)
{
    return f->command != FINDING_SWEEP &&
           (f->command != FINDING_CORRUPT || f->operations <= CORRUPT_BRIEF_OPERATIONS);
}

static void print_options(const saved_finding *f, const stanzas *data, FILE *to)
{
    const workload_options of = { .seed = f->seed, .operations = f->operations, .data = data,
                                  .brief = is_brief(f) };
    levin_options o;
    workload *w = workload_create(&of);
    workload_store_options(w, NULL, &o);
    workload_destroy(w);
    fprintf(to, "    levin_options options;\n    levin_options_init(&options);\n"
                "    options.background = LEVIN_BACKGROUND_NONE;\n");
#define OPTION(name) fprintf(to, "    options.%s = %llu;\n", #name, (ull)o.name);
    OPTION(page_bytes)
    OPTION(cache_bytes)
    OPTION(row_cache_bytes)
    OPTION(memtable_bytes)
    OPTION(value_log_segment_bytes)
    OPTION(wal_segment_bytes)
    OPTION(wal_sector_bytes)
#undef OPTION
}

static void print_value_log(const saved_finding *f, const stanzas *data, FILE *to)
{
    const workload_options of = { .seed = f->seed, .operations = f->operations, .data = data };
    levin_options o;
    workload *w = workload_create(&of);
    workload_store_options(w, NULL, &o);
    workload_destroy(w);
    fprintf(to, "    options.value_log_threshold_bytes = %llu;\n", (ull)o.value_log_threshold_bytes);
}

/* Which calls fail, by the name of a fault run; a life for each of them. False: there is no such run. */
static bool print_rule(const saved_finding *f, const stanzas *data, FILE *to)
{
    fault_scenarios s;
    fault_plan plan;
    uint64_t number;
    const bool there = fault_scenarios_prepare(&s, f->seed, f->operations, data, &f->part, 1) &&
                       fault_plan_find(&s, f->place, &number, &plan);
    if (there) {
        const fault_way *way = &fault_ways[plan.way];
        fprintf(to, "    const fault_rule rule = { .kinds = 1u << %s, .operations = 1u << %s, .nth = nth,\n"
                    "                              .forever = %s, .effect = %s, .os_error = %s, .bytes = %zu };\n"
                    "    client_fail(c, &rule, %s);\n",
                kind_names[plan.kind], operation_names[way->operation], plan.forever ? "true" : "false",
                way->effect == FAULT_SHORT ? "FAULT_SHORT"
                : way->effect == FAULT_ERROR_AFTER ? "FAULT_ERROR_AFTER"
                : way->effect == FAULT_ERROR_REVERTED ? "FAULT_ERROR_REVERTED"
                                                   : "FAULT_ERROR",
                way->os_error ? errno_name(way->os_error) : "0", way->bytes, way->keeps_pages ? "true" : "false");
    }
    fault_scenarios_release(&s);
    return there;
}

static bool plan_damages(const saved_finding *f)
{
    plan_rules rules;
    bool damages = false;
    saved_finding_rules(f, &rules);
    for (size_t i = 0; i < rules.count; i++)
        damages = damages || plan_effect_damages(rules.rules[i].effect);
    return damages;
}

/* The plan as one literal; of the one rule the number behind nth is the parameter. */
static void print_plan(const saved_finding *f, FILE *to)
{
    const char *nth = f->rule_count == 1 ? saved_rule_nth(f->rules[0]) : NULL;
    fprintf(to, nth ? "    char plan[%d];\n    snprintf(plan, sizeof plan, \"levin-fault-plan 1\\n\""
                    : "    static const char plan[] = \"levin-fault-plan 1\\n\"", PLAN_RULE_BYTES + 64);
    for (size_t i = 0; i < f->rule_count; i++) {
        fprintf(to, "\n        \"");
        for (const char *at = f->rules[i]; *at; at++) {
            if (nth && at == nth) {
                fprintf(to, " nth %%llu");
                at += strlen(" nth ");
                at += strspn(at, " ");
                at += strspn(at, "0123456789");
                at--;
            } else {
                fprintf(to, *at == '"' || *at == '\\' ? "\\%c" : nth && *at == '%' ? "%%%c" : "%c", *at);
            }
        }
        fprintf(to, "\\n\"");
    }
    fprintf(to, nth ? ",\n        (unsigned long long)nth);\n" : ";\n");
    fprintf(to, "    client_plan(c, plan, UINT64_C(%llu));\n", (ull)plan_run_seed(f->seed, 0));
}

/* Why it is no test of calls, or NULL. */
static const char *why_not_calls(const saved_finding *f)
{
    explore_path path;
    if (f->command == FINDING_RANGES)
        return "the moves of iterators of every combination of bounds, millions, are drawn as they go";
    if (!strcmp(f->place, "none"))
        return "it is found without a fault or damage, in one of several lives";
    if (f->command == FINDING_CROSSED)
        return "a chain of sweep --faults draws faults and power cuts of each life from what the one before came to";
    if (f->command != FINDING_SWEEP && f->command != FINDING_CORRUPT && strncmp(f->place, "life", 4))
        return "it begins on what a crash left of another life";
    if (f->command == FINDING_PLAN && plan_damages(f))
        return "after damage, what is right is told from what was meant to be written";
    if (f->command == FINDING_SWEEP && explore_path_parse(&path, f->place) && path.depth > 2)
        return "it is a crash of the recovery of a recovery";
    return NULL;
}

/* The whole test: the finding as a literal, done again. */
static void print_again(const saved_finding *f, const char *why, const char *name, FILE *to)
{
    char *text = finding_text(f);
    fprintf(to, "/*\n * Not a test of calls: %s.\n */\n"
                "#include \"../faults/check_main.h\"\n#include \"finding_run.h\"\n\n"
                "static const char text[] =", why);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        fputs("\n    \"", to);
        for (const char *at = line; at < end; at++)
            fprintf(to, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
        fputs("\\n\"", to);
    }
    free(text);
    fprintf(to, ";\n\nSTART_TEST(kept__%s)\n{\n"
                "    saved_finding f;\n    words_error error;\n    stanzas data;\n    finding_outcome out;\n"
                "    ck_assert_msg(saved_finding_parse(&f, text, sizeof text - 1, &error), \"%%s\", error.text);\n"
                "    ck_assert(stanzas_named(&data, f.data[0] ? f.data : NULL));\n"
                "    finding_run(&f, &data, NULL, stderr, NULL, NULL, &out);\n"
                "    ck_assert_msg(!out.broken, \"%%s: %%s: %%s\", out.promise, out.phase, out.text);\n"
                "    ck_assert_msg(out.there && !out.silent, \"there is no such place any more: %%s\", f.place);\n"
                "    stanzas_free(&data);\n    saved_finding_free(&f);\n", name);
}

/* The last lines of a life: what was found is asserted. */
static void print_end(FILE *to)
{
    fprintf(to, "    const oracle_verdict v = client_end(c);\n"
                "    ck_assert_msg(!v.promise, \"%%s: %%s\", v.promise ? v.promise : \"\", v.text);\n");
}

static void print_crashes(const saved_finding *f, const stanzas *data, bool tail, FILE *to)
{
    explore_path path;
    const ull seed = explore_crash_seed(f->seed);
    print_value_log(f, data, to);
    if (f->command == FINDING_SWEEP && explore_path_parse(&path, f->place) && path.depth > 1)
        fprintf(to, "    ck_assert_msg(client_crashes_of_recovery(c, &options, UINT64_C(%llu), %llu, %llu, %s),\n"
                    "                  \"there are no so many calls any more: nothing was shown\");\n", seed,
                (ull)path.step[0].point, (ull)path.step[0].variant, tail ? "go_on" : "NULL");
    else
        fprintf(to, "    client_crashes(c, &options, UINT64_C(%llu), %s);\n", seed, tail ? "go_on" : "NULL");
}

static void print_sweep(const writing *w, const char *name, bool tail, FILE *to)
{
    fprintf(to, "START_TEST(kept__%s)\n{\n    client *c = client_create(%llu);\n", name, (ull)w->f->seed);
    print_options(w->f, w->data, to);
    copy(w->calls, to);
    if (!live_finding(w->f))
        print_crashes(w->f, w->data, tail, to);
    print_end(to);
}

static void print_damage(const writing *w, const char *name, FILE *to)
{
    fprintf(to, "START_TEST(kept__%s)\n{\n    client *c = client_create(%llu);\n", name, (ull)w->f->seed);
    print_options(w->f, w->data, to);
    copy(w->calls, to);
    print_value_log(w->f, w->data, to);
    copy(w->tail, to);
    print_end(to);
}

/* Each call of the series fails in one life, up to the first life in which none did. */
static bool print_fault(const writing *w, const char *name, FILE *to)
{
    const bool plan = w->f->command == FINDING_PLAN;
    const bool counted = !plan || (w->f->rule_count == 1 && saved_rule_nth(w->f->rules[0]));
    fprintf(to, "%sstatic uint64_t life(%s)\n{\n    client *c = client_create(0);\n",
            counted ? "/* The nth of the calls fails. Returns how often it did. */\n"
                    : "/* Returns how many calls failed. */\n",
            counted ? "uint64_t nth" : "void");
    print_options(w->f, w->data, to);
    if (plan)
        print_plan(w->f, to);
    else if (!print_rule(w->f, w->data, to))
        return false;
    copy(w->calls, to);
    fprintf(to, "    const uint64_t fired = client_calm(c);\n    client_check(c, 1);\n    client_close(c);\n");
    print_crashes(w->f, w->data, false, to);
    fprintf(to, "    client_open(c, &options);\n    client_check(c, 2);\n");
    print_end(to);
    fprintf(to, "    return fired;\n}\n\nSTART_TEST(kept__%s)\n{\n%s", name,
            counted ? "    uint64_t nth = 1;\n    while (life(nth))\n        nth++;\n    ck_assert_uint_gt(nth, 1);\n"
                    : "    ck_assert_uint_gt(life(), 0);\n");
    return true;
}

bool reproducer_print(const saved_finding *f, const stanzas *data, FILE *to)
{
    char name[64];
    writing w = { .f = f, .data = data };
    const char *why = why_not_calls(f);
    bool good = true;
    w.calls = tmpfile();
    w.tail = tmpfile();
    if (!w.calls || !w.tail)
        fatal("no temporary file");
    const crew_options crew = { .jobs = 1, .tasks = 1, .context = &w, .work = write_calls, .receive = ignore_message,
                                .died = ignore_death };
    if (!why)
        (void)crew_run(&crew); /* a death is what the test is to show */
    good = why || !crew_interrupted(); /* then the calls are not all there */
    test_name(f, name);
    print_head(f, to);
    if (!why)
        fputs("#include \"../faults/check_main.h\"\n#include \"../faults/client.h\"\n\n"
              "#include <errno.h>\n#include <stdio.h>\n\n", to);
    const bool tail = !why && f->command == FINDING_SWEEP && fseek(w.tail, 0, SEEK_END) == 0 && ftell(w.tail) > 0;
    if (tail) {
        fprintf(to, "static void go_on(client *c)\n{\n");
        copy(w.tail, to);
        fprintf(to, "}\n\n");
    }
    if (why)
        print_again(f, why, name, to);
    else if (f->command == FINDING_SWEEP)
        print_sweep(&w, name, tail, to);
    else if (f->command == FINDING_CORRUPT)
        print_damage(&w, name, to);
    else
        good = print_fault(&w, name, to) && good;
    fprintf(to, "}\nEND_TEST\n\nLEVIN_TEST_MAIN(\"kept\", TEST(kept__%s))\n", name);
    if (ferror(w.calls) || ferror(w.tail) || fflush(to) != 0 || ferror(to)) {
        fprintf(stderr, "levin-chaos: the C test could not be written: %s\n", strerror(errno));
        good = false;
    }
    fclose(w.calls);
    fclose(w.tail);
    return good;
}
