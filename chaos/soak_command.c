/*
 * soak_command.c - `levin-chaos soak`: progress, the table or JSON, the exit status.
 */
#include "soak_command.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "../faults/fatal.h"
#include "crew.h"
#include "plan_command.h"
#include "report.h"
#include "soak.h"

typedef unsigned long long ull;

static report shown; /* its options alone: what a progress line needs */

static bool tick(void *context, const soak_result *r)
{
    const chaos_options *o = context;
    report_progress(&shown, "soak: %.0f of %.0f s, %llu lives, %llu killed, %llu operations, %llu faults", r->seconds,
                    o->duration_seconds, (ull)r->lives, (ull)r->killed, (ull)r->operations, (ull)r->faults);
    return !crew_interrupted();
}

static const char *verdict(const soak_result *r, bool good)
{
    if (r->promise[0])
        return "VIOLATED";
    return !good ? "the harness failed" : r->interrupted ? "nothing found, interrupted" : "nothing found";
}

static plan_rules plan; /* of --plan */

static void print_text(const chaos_options *o, const soak_result *r, bool good)
{
    printf("soak, seed %llu, %u threads, %.1f s\n", (ull)o->seed, o->threads, r->seconds);
    printf("  lives                      %llu: %llu killed, %llu closed, %llu ended by a fault\n", (ull)r->lives,
           (ull)r->killed, (ull)r->closed, (ull)r->given_up);
    printf("  killed while               opening %llu, comparing %llu, running %llu, closing %llu\n",
           (ull)r->killed_opening, (ull)r->killed_comparing,
           (ull)(r->killed - r->killed_opening - r->killed_comparing - r->killed_closing), (ull)r->killed_closing);
    printf("  operations in the store    %llu, %llu gets\n", (ull)r->operations, (ull)r->reads);
    printf("  compared after a death     %llu times, %llu levin_check()\n", (ull)r->compared, (ull)r->checks);
    printf("  injected faults            %llu in %llu lives%s%s\n", (ull)r->faults, (ull)r->lives_with_faults,
           r->last_fault[0] ? ", the last: " : "", r->last_fault);
    for (size_t i = 0; i < plan.count; i++)
        printf("  rule of line %-13u %s, fired %llu times%s\n", plan.rules[i].line,
               plan_effect_text(plan.rules[i].effect), (ull)r->fired[i], r->fired[i] ? "" : ": never");
    printf("  slowest recovery           %.1f ms\n", (double)r->recovery_max_ns / 1e6);
    if (r->promise[0])
        printf("%s violated: %s\n  store, before (as that life found it) and soak.state are in %s\n", r->promise,
               r->text, r->directory);
    printf("verdict: %s\n", verdict(r, good));
}

json_t *soak_json(const soak_result *r)
{
    const struct {
        const char *name;
        uint64_t value;
    } counts[] = { { "lives", r->lives }, { "killed", r->killed }, { "closed", r->closed }, { "given_up", r->given_up },
                   { "killed_opening", r->killed_opening }, { "killed_comparing", r->killed_comparing },
                   { "killed_closing", r->killed_closing }, { "operations", r->operations }, { "reads", r->reads },
                   { "compared", r->compared }, { "checks", r->checks }, { "faults", r->faults },
                   { "lives_with_faults", r->lives_with_faults }, { "recovery_max_ns", r->recovery_max_ns } };
    json_t *j = json_pack("{s:f}", "seconds", r->seconds);
    if (!j)
        fatal("the report could not be made");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        json_object_set_new(j, counts[i].name, json_integer((json_int_t)counts[i].value));
    if (r->promise[0]) {
        json_object_set_new(j, "promise", json_string(r->promise));
        json_object_set_new(j, "text", json_string(r->text));
        json_object_set_new(j, "directory", json_string(r->directory));
    }
    return j;
}

static void print_json(const chaos_options *o, const soak_result *r, bool good)
{
    json_t *j = json_pack("{s:s, s:s, s:I, s:I}", "command", "soak", "verdict", verdict(r, good), "seed",
                          (json_int_t)o->seed, "threads", (json_int_t)o->threads), *counts = soak_json(r);
    if (!j)
        fatal("the report could not be made");
    json_object_update(j, counts);
    json_t *rules = plan.count ? json_array() : NULL;
    for (size_t i = 0; i < plan.count; i++)
        json_array_append_new(rules, json_pack("{s:i,s:s,s:I}", "line", (int)plan.rules[i].line, "effect",
                                               plan_effect_text(plan.rules[i].effect), "fired",
                                               (json_int_t)r->fired[i]));
    if (rules)
        json_object_set_new(j, "rules", rules);
    json_decref(counts);
    json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(j);
}

int soak_command(const chaos_options *o)
{
    static soak_result result;
    char *text = NULL;
    const int wrong = o->plan ? plan_load(o->plan, &plan, &text) : -1;
    free(text);
    if (wrong >= 0)
        return wrong;
    if (!soak_plan_fits(&plan)) {
        fprintf(stderr, "levin-chaos: %s: a soak cannot judge a plan that damages bytes; faults --plan can\n",
                o->plan);
        return EXIT_USAGE;
    }
    const soak_options options = { .seed = o->seed, .threads = o->threads, .seconds = o->duration_seconds,
                                   .lives = o->lives, .fault_every = o->fault_every, .fiu = o->fiu,
                                   .plan = o->plan ? &plan : NULL, .directory = o->directory, .tick = tick,
                                   .context = (void *)(uintptr_t)o };
    crew_catch_signals();
    shown.options = o;
    bool good = soak_run(&options, &result);
    report_progress(&shown, "%s", "");
    if (!good && !result.promise[0])
        fprintf(stderr, "levin-chaos: %s\n", result.text);
    (o->json ? print_json : print_text)(o, &result, good);
    if (result.promise[0])
        return EXIT_VIOLATION;
    return !good ? EXIT_HARNESS : result.interrupted ? EXIT_INTERRUPTED : EXIT_NOTHING_FOUND;
}
