/*
 * finding_command.c - `levin-chaos replay FILE` and `levin-chaos shrink FILE`.
 */
#include "finding_command.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "crew.h"
#include "reproducer.h"
#include "shrink.h"

typedef unsigned long long ull;

/* The finding and its names and values. False: stderr says why. */
static bool load(const chaos_options *o, saved_finding *f, stanzas *data)
{
    if (!saved_finding_load(f, o->file))
        return false;
    if (stanzas_named(data, f->data[0] ? f->data : NULL))
        return true;
    saved_finding_free(f);
    return false;
}

int replay_file(const chaos_options *o)
{
    saved_finding f;
    stanzas data;
    finding_outcome out;
    int status = EXIT_VIOLATION;
    if (!load(o, &f, &data))
        return EXIT_USAGE;
    crew_catch_signals();
    if (!finding_run_apart(&f, &data, NULL, stdout, &out)) {
        status = EXIT_INTERRUPTED;
    } else if (!out.there && f.command == FINDING_SWEEP) { /* a sync more, and fewer states can be left by a crash */
        printf("gone: no crash leaves the state %s any more\n", f.place);
        status = EXIT_NOTHING_FOUND;
    } else if (!out.there || out.silent) {
        fprintf(stderr, "levin-chaos: %s: there is no such %s any more, so it cannot be judged: %s\n", o->file,
                out.there ? "call" : "place", f.place);
        status = EXIT_USAGE;
    } else if (!out.broken) {
        printf("gone: %s is not broken there\n", f.promise);
        status = EXIT_NOTHING_FOUND;
    } else {
        printf("%s\n", finding_is_expected(&f, &out) ? "the same finding" : "another finding than the one kept");
    }
    stanzas_free(&data);
    saved_finding_free(&f);
    return status;
}

/* ---- shrink ----------------------------------------------------------------------------------------------- */

static void show_progress(void *context, const char *what, const shrink_size *best, uint64_t tests)
{
    report_progress(context, "shrink: %s; %u steps, %u operations; %llu tests", what, best->steps, best->operations,
                    (ull)tests);
}

static void print_change(FILE *to, const char *what, uint32_t before, uint32_t after)
{
    if (before)
        fprintf(to, "%s %u -> %u\n", what, before, after);
}

static void print_result(FILE *to, const shrink_result *r, const saved_finding *f)
{
    print_change(to, "steps", r->before.steps, r->after.steps);
    print_change(to, "operations", r->before.operations, r->after.operations);
    print_change(to, "walks", r->before.walks, r->after.walks);
    print_change(to, "rules", r->before.rules, r->after.rules);
    print_change(to, "depth", r->before.depth, r->after.depth);
    print_change(to, "longest value", r->before.value_bytes, r->after.value_bytes);
    fprintf(to, "%s (%s): %s\n", f->promise, f->phase, f->text);
    fprintf(to, "%llu tests%s\n", (ull)r->tests, r->interrupted ? ", interrupted: the best so far" : "");
}

static int shrink_loaded(const chaos_options *o, saved_finding *f, const stanzas *data)
{
    FILE *const to = o->c ? stderr : stdout;
    report *r = fatal_alloc_zeroed(sizeof *r);
    r->options = o;
    const shrink_options options = { .data = data, .progress = show_progress, .context = r };
    shrink_result result;
    int status = EXIT_VIOLATION;
    shrink(f, &options, &result);
    report_progress(r, "%s", "");
    if (!result.there && result.interrupted) {
        status = EXIT_INTERRUPTED;
    } else if (!result.there) {
        const finding_outcome *now = &result.first;
        const bool judged = now->broken || (now->there && !now->silent) || f->command == FINDING_SWEEP;
        fprintf(to, "%s\n", now->broken ? "another finding is there now than the one kept: nothing was done"
                           : judged    ? "gone: nothing to shrink"
                                       : "there is no such call any more: nothing to shrink");
        status = now->broken ? EXIT_VIOLATION : judged ? EXIT_NOTHING_FOUND : EXIT_USAGE;
    } else {
        const size_t room = strlen(o->file) + sizeof ".min";
        char *beside = fatal_alloc(room);
        snprintf(beside, room, "%s.min", o->file);
        const char *path = o->output ? o->output : beside;
        print_result(to, &result, f);
        if (!saved_finding_store(f, path))
            status = EXIT_HARNESS;
        else
            fprintf(to, "levin-chaos replay %s\n", path);
        if (o->c && status == EXIT_VIOLATION && !result.interrupted && !reproducer_print(f, data, stdout))
            status = EXIT_HARNESS;
        free(beside);
    }
    free(r);
    return status;
}

int shrink_command(const chaos_options *o)
{
    saved_finding f;
    stanzas data;
    if (!load(o, &f, &data))
        return EXIT_USAGE;
    crew_catch_signals();
    const int status = shrink_loaded(o, &f, &data);
    stanzas_free(&data);
    saved_finding_free(&f);
    return status;
}
