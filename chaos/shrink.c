/*
 * shrink.c - minimises kept findings (shrink.h).
 *
 * Order: what makes all later tests cheaper comes first.  The steps behind the one in which it was found go at once;
 * rules of a plan; the depth of the crash; then steps, then operations of the steps that are left, and both again as
 * long as that helps; then the sizes of values.  Each test is a process of its own.
 *
 * Invariant: the best so far was seen to break the promise when it was done exactly.
 */
#include "shrink.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "corrupt_plan.h"
#include "crew.h"
#include "ddmin.h"
#include "fault_run.h"

enum { ROUNDS_MAX = 4 };
enum { SWEEP_LIMIT = 20000, FAULTS_LIMIT = 400, CROSSED_LIMIT = 100, PLAN_LIMIT = 60, CORRUPT_LIMIT = 3000 };

typedef enum shrink_target { TARGET_STEPS, TARGET_OPERATIONS, TARGET_WALKS, TARGET_RULES } shrink_target;

typedef struct shrinker {
    saved_finding *best;
    const shrink_options *options;
    shrink_result *result;
    finding_near near;
    shrink_target target;           /* of the ddmin at work */
    char (*rules)[PLAN_RULE_BYTES]; /* all of them, as they were */
    const char *what;
} shrinker;

/* ---- sizes ------------------------------------------------------------------------------------------------ */

static workload *workload_of(const saved_finding *f, const stanzas *data)
{
    const bool brief = f->command == FINDING_FAULTS || f->command == FINDING_CROSSED ||
                       f->command == FINDING_PLAN ||
                       (f->command == FINDING_CORRUPT && f->operations <= CORRUPT_BRIEF_OPERATIONS);
    const workload_options options = { .seed = f->seed, .operations = f->operations, .data = data, .brief = brief,
                                       .part = &f->part };
    return workload_create(&options);
}

static uint32_t workload_count(const saved_finding *f, const stanzas *data)
{
    workload *w = workload_of(f, data);
    const uint32_t count = (uint32_t)workload_steps(w);
    workload_destroy(w);
    return count;
}

/* The operations of the steps that are kept, as far as they are kept themselves. */
static void kept_operations(const saved_finding *f, const workload *w, number_set *set)
{
    number_set_begin(set);
    for (size_t step = 0; step < workload_steps(w); step++) {
        size_t first, count;
        workload_step_operations(w, step, &first, &count);
        for (size_t i = 0; i < count && number_set_has(&f->part.steps, (uint32_t)step); i++)
            if (number_set_has(&f->part.operations, (uint32_t)(first + i)))
                (void)number_set_add(set, (uint32_t)(first + i)); /* they ascend */
    }
}

static uint32_t count_of(const number_set *set, size_t whole)
{
    return (uint32_t)(set->some ? set->count : whole);
}

shrink_size shrink_size_of(const saved_finding *f, const stanzas *data)
{
    explore_path path = { .depth = 0 };
    shrink_size size = { .rules = (uint32_t)f->rule_count };
    if (f->command == FINDING_RANGES) {
        size.steps = count_of(&f->part.steps, f->operations);
        size.walks = count_of(&f->walks, f->operations);
        return size;
    }
    number_set operations = { 0 };
    workload *w = workload_of(f, data);
    kept_operations(f, w, &operations);
    size.steps = count_of(&f->part.steps, workload_steps(w));
    size.operations = (uint32_t)operations.count;
    for (size_t i = 0; i < operations.count; i++) {
        const uint32_t bytes = workload_value_bytes(w, operations.items[i]);
        size.value_bytes = bytes > size.value_bytes ? bytes : size.value_bytes;
    }
    if (f->command == FINDING_SWEEP && explore_path_parse(&path, f->place))
        size.depth = path.depth;
    number_set_free(&operations);
    workload_destroy(w);
    return size;
}

/* ---- tests ------------------------------------------------------------------------------------------------ */

/* The number in a rule's "nth N" becomes another. */
static void set_nth(char rule[PLAN_RULE_BYTES], uint64_t nth)
{
    char changed[PLAN_RULE_BYTES];
    const char *at = saved_rule_nth(rule);
    if (!at)
        return;
    at += strlen(" nth ");
    const char *rest = at + strspn(at, " \t");
    rest += strspn(rest, "0123456789");
    snprintf(changed, sizeof changed, "%.*s%llu%s", (int)(at - rule), rule, (unsigned long long)nth, rest);
    memcpy(rule, changed, sizeof changed);
}

/* What was seen becomes the finding's. */
static void adopt(shrinker *s, saved_finding *candidate, const finding_outcome *out)
{
    if (candidate->command == FINDING_SWEEP)
        candidate->depth = out->depth;
    if (out->nth)
        set_nth(candidate->rules[0], out->nth);
    memcpy(candidate->place, out->place, sizeof candidate->place);
    memcpy(candidate->phase, out->phase, sizeof candidate->phase);
    memcpy(candidate->text, out->text, sizeof candidate->text);
    if (out->placed) {
        s->near.step = out->step;
        s->near.offset = out->offset;
    }
    s->near.calls = out->calls;
    saved_finding_copy(s->best, candidate);
}

/* Whether the smaller one still shows it: then it is the best. */
static bool test(shrinker *s, saved_finding *candidate)
{
    finding_outcome out;
    if (s->options->progress)
        s->options->progress(s->options->context, s->what, &s->result->after, s->result->tests);
    s->result->tests++;
    if (!finding_run_apart(candidate, s->options->data, &s->near, NULL, &out) || !out.broken ||
        !finding_is_expected(s->best, &out))
        return false;
    /* a death was seen on the way to a place: is it there by itself? */
    if (!strcmp(out.phase, FINDING_PHASE_PROCESS) && candidate->command != FINDING_RANGES) {
        finding_outcome exact;
        saved_finding there = *candidate;
        memcpy(there.place, out.place, sizeof there.place);
        explore_path path;
        if (candidate->command == FINDING_SWEEP && explore_path_parse(&path, there.place))
            there.depth = out.depth = path.depth;
        if (!finding_run_apart(&there, s->options->data, NULL, NULL, &exact) || !finding_is_expected(s->best, &exact))
            return false;
    }
    adopt(s, candidate, &out);
    s->result->after = shrink_size_of(s->best, s->options->data);
    return true;
}

static bool stopped(void *context)
{
    (void)context;
    return crew_interrupted();
}

static void set_of(number_set *set, const uint32_t *items, size_t count)
{
    number_set_begin(set);
    for (size_t i = 0; i < count; i++)
        (void)number_set_add(set, items[i]); /* they ascend */
}

static bool fails(void *context, const uint32_t *items, size_t count)
{
    shrinker *s = context;
    saved_finding candidate = { 0 };
    saved_finding_copy(&candidate, s->best);
    if (s->target == TARGET_STEPS) {
        set_of(&candidate.part.steps, items, count);
    } else if (s->target == TARGET_OPERATIONS) {
        set_of(&candidate.part.operations, items, count);
    } else if (s->target == TARGET_WALKS) {
        set_of(&candidate.walks, items, count);
    } else {
        for (size_t i = 0; i < count; i++)
            memcpy(candidate.rules[i], s->rules[items[i]], sizeof candidate.rules[0]);
        candidate.rule_count = count;
    }
    const bool good = (count > 0 || s->target != TARGET_RULES) && test(s, &candidate);
    saved_finding_free(&candidate);
    return good;
}

/* ---- what is left out ------------------------------------------------------------------------------------- */

/* Those items that are needed. Returns whether there were more. */
static bool reduce(shrinker *s, shrink_target target, const char *what, const number_set *items)
{
    const ddmin_options options = { .context = s, .fails = fails, .stopped = stopped };
    uint32_t *left = fatal_alloc((items->count + 1) * sizeof *left);
    s->target = target;
    s->what = what;
    for (size_t i = 0; i < items->count; i++)
        left[i] = items->items[i];
    const size_t count = ddmin(left, items->count, &options);
    free(left);
    return count < items->count;
}

/* The numbers of the set below `end`. */
static void below(number_set *to, const number_set *from, uint32_t end)
{
    number_set_begin(to);
    for (uint32_t i = 0; i < end; i++)
        if (number_set_has(from, i))
            (void)number_set_add(to, i); /* they ascend */
}

static bool reduce_set(shrinker *s, shrink_target target, const char *what, const number_set *set, uint32_t whole)
{
    number_set items = { 0 };
    below(&items, set, whole);
    const bool reduced = reduce(s, target, what, &items);
    number_set_free(&items);
    return reduced;
}

static bool reduce_operations(shrinker *s)
{
    number_set items = { 0 };
    workload *w = workload_of(s->best, s->options->data);
    kept_operations(s->best, w, &items);
    workload_destroy(w);
    const bool reduced = reduce(s, TARGET_OPERATIONS, "operations", &items);
    number_set_free(&items);
    return reduced;
}

static void reduce_rules(shrinker *s)
{
    number_set items = { 0 };
    s->rules = fatal_alloc(sizeof s->best->rules);
    memcpy(s->rules, s->best->rules, sizeof s->best->rules);
    number_set_begin(&items);
    for (uint32_t i = 0; i < s->best->rule_count; i++)
        (void)number_set_add(&items, i); /* they ascend */
    reduce(s, TARGET_RULES, "rules", &items);
    number_set_free(&items);
    free(s->rules);
}

/* ---- what is made simpler --------------------------------------------------------------------------------- */

/* What comes behind the step in which it was found has not been done then. */
static void cut_behind(shrinker *s, uint32_t whole)
{
    saved_finding candidate = { 0 };
    saved_finding_copy(&candidate, s->best);
    s->what = "steps behind it";
    below(&candidate.part.steps, &s->best->part.steps, s->near.step + 1 < whole ? s->near.step + 1 : whole);
    if (candidate.command == FINDING_RANGES) {
        number_set_begin(&candidate.walks);
        (void)number_set_add(&candidate.walks, s->near.step); /* the first */
        if (!test(s, &candidate)) /* an iterator of an earlier state */
            below(&candidate.walks, &s->best->walks, s->near.step + 1);
    }
    if (s->best->part.steps.some == false || s->best->part.steps.count > candidate.part.steps.count)
        test(s, &candidate);
    saved_finding_free(&candidate);
}

/* Found while it was gone on with after the recovery: every recovery is, so that neighbours show it too. */
static void always_go_on(shrinker *s)
{
    saved_finding candidate = { 0 };
    const char *phase = s->best->phase;
    if (!strncmp(phase, "recovery", 8) || !strcmp(phase, "check after recovery") || s->best->tails == 1)
        return;
    saved_finding_copy(&candidate, s->best);
    s->what = "recoveries gone on from";
    candidate.tails = 1;
    test(s, &candidate);
    saved_finding_free(&candidate);
}

static void flatten(shrinker *s)
{
    const unsigned depth = s->near.depth;
    saved_finding candidate = { 0 };
    s->what = "depth of the crash";
    for (s->near.depth = 1; s->near.depth < depth && !stopped(s); s->near.depth++) {
        saved_finding_copy(&candidate, s->best);
        if (test(s, &candidate))
            break;
    }
    saved_finding_free(&candidate);
}

/* Another name of the same length or shorter, with `to` for `from`. */
static void rename_place(shrinker *s, const char *from, size_t from_bytes, const char *to, const char *what)
{
    saved_finding candidate = { 0 };
    const char *at = strstr(s->best->place, from);
    if (!at)
        return;
    saved_finding_copy(&candidate, s->best);
    s->what = what;
    snprintf(candidate.place, sizeof candidate.place, "%.*s%s%s", (int)(at - s->best->place), s->best->place, to,
             at + from_bytes);
    test(s, &candidate);
    saved_finding_free(&candidate);
}

static void shorten_values(shrinker *s)
{
    saved_finding candidate = { 0 };
    s->what = "values";
    saved_finding_copy(&candidate, s->best);
    for (uint32_t bytes = WORKLOAD_VALUE_BYTES_LEAST; bytes < s->result->after.value_bytes && !stopped(s); bytes *= 2) {
        candidate.part.value_bytes = bytes;
        if (test(s, &candidate))
            break;
    }
    saved_finding_free(&candidate);
}

/* ---- all of it -------------------------------------------------------------------------------------------- */

static void shrink_parts(shrinker *s, uint32_t whole)
{
    bool again = true;
    for (int round = 0; round < ROUNDS_MAX && again && !stopped(s); round++) {
        again = false;
        if (s->best->command == FINDING_RANGES) {
            again |= reduce_set(s, TARGET_WALKS, "walks", &s->best->walks, whole);
            again |= reduce_set(s, TARGET_STEPS, "steps", &s->best->part.steps, whole);
        } else {
            again |= reduce_set(s, TARGET_STEPS, "steps", &s->best->part.steps, whole);
            again |= reduce_operations(s);
        }
    }
}

void shrink(saved_finding *f, const shrink_options *options, shrink_result *result)
{
    static const uint64_t limits[FINDING_COMMAND_COUNT] = {
        [FINDING_SWEEP] = SWEEP_LIMIT, [FINDING_FAULTS] = FAULTS_LIMIT, [FINDING_CROSSED] = CROSSED_LIMIT,
        [FINDING_PLAN] = PLAN_LIMIT, [FINDING_CORRUPT] = CORRUPT_LIMIT, [FINDING_RANGES] = UINT64_MAX,
    };
    shrinker s = { .best = f, .options = options, .result = result, .near = { .limit = limits[f->command] } };
    finding_outcome *first = &result->first;
    explore_path path;
    *result = (shrink_result){ .before = shrink_size_of(f, options->data) };
    result->after = result->before;
    const bool ran = finding_run_apart(f, options->data, NULL, NULL, first);
    result->there = ran && finding_is_expected(f, first);
    if (result->there) {
        s.near.step = first->placed ? first->step : UINT32_MAX / 2;
        s.near.offset = first->offset;
        s.near.calls = first->calls;
        s.near.depth = explore_path_parse(&path, f->place) ? path.depth : 1;
        const uint32_t whole = f->command == FINDING_RANGES ? f->operations : workload_count(f, options->data);
        if (f->command == FINDING_PLAN)
            reduce_rules(&s);
        if (f->command == FINDING_SWEEP)
            always_go_on(&s);
        if (first->placed && !stopped(&s))
            cut_behind(&s, whole);
        if (f->command == FINDING_SWEEP)
            flatten(&s);
        if (f->command == FINDING_FAULTS) {
            rename_place(&s, "/forever/", strlen("/forever/"), "/once/", "how often the call fails");
            if (!strncmp(f->place, "recovery-", 9))
                rename_place(&s, f->place, strcspn(f->place, "/"), "life", "the scenario");
        }
        shrink_parts(&s, whole);
        if (f->command != FINDING_RANGES)
            shorten_values(&s);
    }
    result->interrupted = crew_interrupted();
}
