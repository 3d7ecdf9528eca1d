/*
 * plan_command.c - lives and recoveries under a fault plan, and what its rules came to; the list of injection points.
 *
 * Everything is done in this process, in the order of seeds and scenarios: one plan and one seed give one output.
 */
#include "plan_command.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/errnos.h"
#include "../faults/fatal.h"
#include "../faults/random.h"
#include "effects.h"
#include "fault_run.h"
#include "faults_sweep.h"
#include "finding_file.h"

#define PHASE_WITHOUT "without any fault"
enum { PLAN_BYTES_MAX = 1 << 20 };

typedef struct plan_totals {
    const plan_rules *rules;
    const char *text;  /* of the plan */
    bool unsaved;
    uint64_t runs, runs_with_faults, refused, told, hurt, violations, digest;
    uint64_t fired[PLAN_RULES_MAX], matched[PLAN_RULES_MAX];
    json_t *found;
} plan_totals;

int plan_load(const char *path, plan_rules *p, char **kept)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "levin-chaos: %s: %s\n", path, strerror(errno));
        return EXIT_USAGE;
    }
    char *text = *kept = fatal_alloc_zeroed(PLAN_BYTES_MAX);
    const size_t size = fread(text, 1, PLAN_BYTES_MAX, file);
    const bool broken = ferror(file) || size == PLAN_BYTES_MAX;
    plan_error e;
    int status = -1;
    fclose(file);
    if (broken) {
        fprintf(stderr, "levin-chaos: %s: cannot be read, or has %d bytes or more\n", path, PLAN_BYTES_MAX);
        status = EXIT_USAGE;
    } else if (!plan_parse(p, text, size, &e)) {
        fprintf(stderr, "%s:%u:%u: %s\n", path, e.line, e.column, e.text);
        status = EXIT_USAGE;
    }
    return status;
}

bool plan_of_rule(const char *rule, char plan[EFFECT_PLAN_BYTES], plan_rules *p)
{
    plan_error e;
    const int bytes = snprintf(plan, EFFECT_PLAN_BYTES, "levin-fault-plan %d\n%s\n", PLAN_VERSION, rule);
    if (bytes >= EFFECT_PLAN_BYTES || strchr(rule, '\n'))
        fprintf(stderr, "levin-chaos: --rule wants one rule of at most %d bytes\n", EFFECT_PLAN_BYTES - 24);
    else if (!plan_parse(p, plan, (size_t)bytes, &e))
        fprintf(stderr, "levin-chaos: --rule, column %u: %s\n", e.column, e.text);
    else
        return true;
    return false;
}

static void add_finding(plan_totals *t, const chaos_options *o, uint64_t seed, const char *scenario,
                        const char *phase, const oracle_verdict *v)
{
    char line[2 * REPORT_WORD_BYTES + 100], operations[32] = "", data[REPORT_WORD_BYTES] = "", what[REPORT_WORD_BYTES];
    if (o->operations)
        snprintf(operations, sizeof operations, " --ops %u", o->operations);
    if (o->data)
        report_word(" --data ", o->data, data);
    report_word(o->plan ? " --plan " : " --rule ", o->plan ? o->plan : o->rule, what);
    snprintf(line, sizeof line, "levin-chaos faults --seed %llu%s%s%s", (unsigned long long)seed, operations, data,
             what);
    t->violations++;
    fprintf(stderr, "%s violated (%s, %s): %s\n  %s\n", v->promise, scenario, phase, v->text, line);
    json_array_append_new(t->found, json_pack("{s:I,s:s,s:s,s:s,s:s,s:s}", "seed", (json_int_t)seed, "scenario",
                                              scenario, "promise", v->promise, "phase", phase, "text", v->text,
                                              "replay", line));
    finding f = { .seed = seed };
    snprintf(f.replay, sizeof f.replay, "%s", strcmp(phase, PHASE_WITHOUT) ? scenario : "none");
    snprintf(f.promise, sizeof f.promise, "%s", v->promise);
    snprintf(f.phase, sizeof f.phase, "%s", phase);
    memcpy(f.text, v->text, sizeof f.text);
    t->unsaved = t->unsaved || (o->save && !finding_save(&f, o, t->rules, t->text));
}

uint64_t plan_run_seed(uint64_t seed, size_t scenario)
{
    return random_mix(seed * FAULT_SCENARIOS + scenario);
}

static void run_seed(plan_totals *t, const chaos_options *o, const plan_rules *p, const stanzas *data, uint64_t seed)
{
    fault_scenarios s;
    if (!fault_scenarios_prepare(&s, seed, o->operations ? o->operations : FAULTS_OPERATIONS_DEFAULT, data,
                                 NULL, FAULT_SCENARIOS)) {
        add_finding(t, o, seed, s.where, PHASE_WITHOUT, &s.verdict);
    } else {
        for (size_t i = 0; i < s.count; i++) {
            plan_state *state = plan_begin(p, plan_run_seed(seed, i));
            fault_outcome out;
            if (!fault_run_plan(&s, i, p, state, seed, &out))
                add_finding(t, o, seed, s.items[i].name, out.phase, &out.verdict);
            t->runs++;
            t->runs_with_faults += out.fired > 0;
            t->refused += out.failures;
            t->told += out.told;
            t->hurt += out.hurt;
            t->digest = random_mix(t->digest ^ out.digest);
            for (size_t rule = 0; rule < p->count; rule++) {
                t->fired[rule] += plan_fired(state, rule);
                t->matched[rule] += plan_matched(state, rule);
            }
            plan_end(state);
        }
    }
    fault_scenarios_release(&s);
}

static void print_json(const plan_totals *t, const plan_rules *p, const char *verdict)
{
    json_t *rules = json_array();
    char digest[20];
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)t->digest);
    for (size_t i = 0; i < p->count; i++)
        json_array_append_new(rules, json_pack("{s:i,s:s,s:I,s:I}", "line", (int)p->rules[i].line, "effect",
                                               plan_effect_text(p->rules[i].effect), "matched",
                                               (json_int_t)t->matched[i], "fired", (json_int_t)t->fired[i]));
    json_t *root = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:o,s:O}", "verdict", verdict, "violations",
                             (json_int_t)t->violations, "runs", (json_int_t)t->runs, "runs_with_faults",
                             (json_int_t)t->runs_with_faults, "refused", (json_int_t)t->refused, "told",
                             (json_int_t)t->told, "hurt", (json_int_t)t->hurt, "digest", digest, "rules", rules,
                             "findings", t->found);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

static void print_text(const plan_totals *t, const plan_rules *p, const char *verdict)
{
    printf("%-6s %-12s %10s %10s\n", "line", "effect", "matched", "fired");
    for (size_t i = 0; i < p->count; i++)
        printf("%-6u %-12s %10llu %10llu%s\n", p->rules[i].line, plan_effect_text(p->rules[i].effect),
               (unsigned long long)t->matched[i], (unsigned long long)t->fired[i],
               t->fired[i] ? "" : "  never fired");
    printf("%llu runs, %llu with faults; %llu calls of the store failed; %llu times it told of damage\n",
           (unsigned long long)t->runs, (unsigned long long)t->runs_with_faults, (unsigned long long)t->refused,
           (unsigned long long)t->told);
    if (t->hurt)
        printf("%llu runs in which writes or syncs were lost or damaged\n", (unsigned long long)t->hurt);
    printf("digest %016llx\n%s\n", (unsigned long long)t->digest, verdict);
}

int plan_command(const chaos_options *o, const stanzas *data)
{
    plan_rules p;
    plan_totals t = { 0 };
    char *text = NULL;
    int status = -1;
    if (o->plan) {
        status = plan_load(o->plan, &p, &text);
    } else {
        text = fatal_alloc_zeroed(EFFECT_PLAN_BYTES);
        status = plan_of_rule(o->rule, text, &p) ? -1 : EXIT_USAGE;
    }
    if (status >= 0) {
        free(text);
        return status;
    }
    t.rules = &p;
    t.text = text;
    t.found = json_array();
    for (uint64_t i = 0; i < (o->seeds ? o->seeds : 1); i++)
        run_seed(&t, o, &p, data, o->seed + i);
    const char *verdict = "nothing found";
    status = EXIT_NOTHING_FOUND;
    if (t.unsaved) {
        verdict = "the harness failed: a finding could not be kept";
        status = EXIT_HARNESS;
    } else if (t.violations) {
        verdict = "promises broken";
        status = EXIT_VIOLATION;
    } else if (!t.runs_with_faults) {
        verdict = "the harness failed: no rule of the plan fired";
        status = EXIT_HARNESS;
    }
    if (o->json)
        print_json(&t, &p, verdict);
    else
        print_text(&t, &p, verdict);
    json_decref(t.found);
    free(text);
    return status;
}

/* ---- points ---------------------------------------------------------------------------------------------- */

static json_t *point_json(const char *name, levin_file_kind kind, fault_operation operation)
{
    const char *idle = effect_case_idle(&(effect_case){ .kind = kind, .operation = operation });
    json_t *effects = json_array(), *errors = json_array();
    for (int effect = 0; effect < FAULT_EFFECT_COUNT; effect++)
        if (plan_effect_applies((fault_effect)effect, operation))
            json_array_append_new(effects, json_string(plan_effect_text((fault_effect)effect)));
    if (operation == FAULT_WRITE)
        json_array_append_new(effects, json_string("budget"));
    for (const int *at = errnos_of(operation); *at; at++)
        json_array_append_new(errors, json_string(errno_name(*at)));
    json_t *point = json_pack("{s:s,s:o,s:o}", "point", name, "effects", effects, "errors", errors);
    if (idle)
        json_object_set_new(point, "never_called", json_string(idle));
    return point;
}

static void print_list(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("%s%s", i ? " " : "", json_string_value(json_array_get(list, i)));
}

int points_command(const chaos_options *o)
{
    json_t *all = json_array();
    for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (int operation = 0; operation < FAULT_OPERATION_COUNT; operation++) {
            const char *name = fault_point_name((levin_file_kind)kind, (fault_operation)operation);
            if (name)
                json_array_append_new(all, point_json(name, (levin_file_kind)kind, (fault_operation)operation));
        }
    if (o->json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
    } else
        for (size_t i = 0; i < json_array_size(all); i++) {
            const json_t *point = json_array_get(all, i);
            printf("%-28s ", json_string_value(json_object_get(point, "point")));
            print_list(json_object_get(point, "effects"));
            printf(" (");
            print_list(json_object_get(point, "errors"));
            printf(")");
            const json_t *idle = json_object_get(point, "never_called");
            if (idle)
                printf(" never called: %s", json_string_value(idle));
            putchar('\n');
        }
    json_decref(all);
    return EXIT_NOTHING_FOUND;
}
