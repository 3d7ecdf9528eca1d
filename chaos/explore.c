/*
 * explore.c - walks the explorer's states, opens each distinct image once, and judges it again whenever more had been
 * promised by the time it could come about.
 *
 * What is done with a state (whether writing goes on after its recovery, whether that is crashed again) depends on
 * the seed and the path alone, so that a path is enough to do it again.
 *
 * A word per distinct image remembers what its recovery showed, and in which history (before or after the recovery at
 * this level) the number of that state counts.
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "../faults/random.h"

enum { POINTS = 4, RANGES = 1, POINTS_TAIL = 8, RANGES_TAIL = 3, DESCRIPTION_BYTES = 1 << 16, CALLS_LISTED = 24 };

void explore_path_text(const explore_path *path, char text[EXPLORE_PATH_BYTES])
{
    size_t at = 0;
    text[0] = 0;
    for (unsigned i = 0; i < path->depth; i++)
        at += (size_t)snprintf(text + at, EXPLORE_PATH_BYTES - at, "%s%llu.%llu", i ? "/" : "",
                               (unsigned long long)path->step[i].point, (unsigned long long)path->step[i].variant);
}

bool explore_path_parse(explore_path *path, const char *text)
{
    path->depth = 0;
    while (path->depth < EXPLORE_DEPTH_MAX) {
        char *end;
        path->step[path->depth].point = strtoull(text, &end, 10);
        if (end == text || *end != '.')
            return false;
        text = end + 1;
        path->step[path->depth++].variant = strtoull(text, &end, 10);
        if (end == text || (*end != '/' && *end != 0))
            return false;
        if (*end == 0)
            return true;
        text = end + 1;
    }
    return false;
}

void explore_options_init(explore_options *options, uint64_t seed)
{
    *options = (explore_options){ .seed = seed, .depth = 1, .tail_one_in = 8, .deep_one_in = 128 };
    crash_limits_init(&options->limits);
    options->deep_limits = options->limits;
    crash_limits *deep = &options->deep_limits;
    deep->subset_operations = 3;
    deep->torn_sectors = 2;
    deep->prefixes = deep->dropped = deep->kept = deep->torn = deep->random = 4;
    deep->files = deep->sizes = deep->renames = 3;
    deep->garbage = deep->zeroed = 2;
}

/*
 * What may be found in a state.  With everything kept the power cut is no more than the end of the process: what was
 * acknowledged as logged must be there too.
 */
static oracle *judge_state(const explore_judge *judge, const crash_state *s, oracle_legal *legal)
{
    if (s->point < judge->recovered) {
        *legal = judge->before_legal;
        return judge->before;
    }
    *legal = s->family == CRASH_ALL_KEPT ? oracle_legal_process_end(judge->after, s->point)
                                         : oracle_legal_crash(judge->after, s->point);
    return judge->after;
}

/* What a power cut during the recovery of that state may leave. */
static oracle_legal legal_below(const oracle *o, const oracle_legal *legal)
{
    return legal->process_end ? oracle_legal_crash(o, legal->time) : *legal;
}

static uint64_t *promise_classes(const trace *t, const explore_judge *judge)
{
    uint64_t points = trace_length(t) + 1, *classes = fatal_alloc(points * sizeof *classes);
    for (uint64_t p = 0; p < points; p++)
        classes[p] = p < judge->recovered ? 0 : 1 + oracle_promise_class(judge->after, p);
    return classes;
}

static uint64_t path_hash(const explore_options *options, const explore_path *path)
{
    uint64_t h = random_mix(options->seed + 1);
    for (unsigned i = 0; i < path->depth; i++)
        h = random_mix(h ^ random_mix(path->step[i].point * 1000003 + path->step[i].variant));
    return h;
}

uint64_t explore_crash_seed(uint64_t seed)
{
    const explore_options options = { .seed = seed };
    const explore_path none = { .depth = 0 };
    return path_hash(&options, &none);
}

/* How the state with this path is verified. */
static verify_options options_for(const explore_options *options, const explore_path *path, bool *deeper)
{
    uint64_t h = path_hash(options, path);
    *deeper = path->depth < options->depth && h / 7 % options->deep_one_in == 0;
    bool tail = *deeper || h % options->tail_one_in == 0;
    return (verify_options){ .seed = h, .tail = tail, .points = tail ? POINTS_TAIL : POINTS,
                             .ranges = tail ? RANGES_TAIL : RANGES };
}

static uint64_t memo_make(uint32_t state, bool after)
{
    return ((uint64_t)state << 1 | after) + 1;
}

typedef struct walk {
    const workload *w;
    const explore_options *options;
    explore_totals *totals;
} walk;

static bool explore_level(const walk *k, const trace *t, const disk_image *start, const explore_judge *judge,
                          const explore_path *path, uint64_t first, uint64_t last);

/* Opens, checks, remembers; goes deeper. Returns false to stop. */
static bool visit(const walk *k, const crash_state *s, oracle *o, const oracle_legal *legal, bool after,
                  const explore_path *path)
{
    bool deeper, going = true;
    verify_options options = options_for(k->options, path, &deeper);
    if (deeper)
        options.record = trace_create();
    if (!k->options->at(k->options->context, path, s->digest)) {
        trace_destroy(options.record);
        return false;
    }
    verify_result result;
    bool good = verify_image(k->w, s->image, o, legal, &options, &result);
    k->totals->opened[path->depth - 1]++;
    k->totals->tails += result.after != NULL;
    if (good)
        *s->memo = memo_make(result.state, after);
    else
        going = k->options->found(k->options->context, path, &result);
    if (good && deeper) {
        explore_judge below = {
            .before = o, .before_legal = legal_below(o, legal), .recovered = result.recovered, .after = result.after
        };
        const disk_image *image = disk_image_ref(s->image);
        going = explore_level(k, options.record, image, &below, path, 0, UINT64_MAX);
        disk_image_unref(image);
    }
    oracle_destroy(result.after);
    trace_destroy(options.record);
    return going;
}

/* Judges the image again by what its recovery showed. *known: it could be. */
static bool judge_again(const walk *k, const crash_state *s, oracle *o, const oracle_legal *legal, bool after,
                        const explore_path *path, bool *known)
{
    *known = s->repeated && *s->memo && ((*s->memo - 1) & 1) == (uint64_t)after;
    if (!*known)
        return true;
    verify_result result = { .phase = "recovery of the same image earlier" };
    result.state = (uint32_t)((*s->memo - 1) >> 1);
    k->totals->remembered++;
    return oracle_check_state(o, legal, result.state, &result.verdict) ||
           k->options->found(k->options->context, path, &result);
}

static bool explore_level(const walk *k, const trace *t, const disk_image *start, const explore_judge *judge,
                          const explore_path *above, uint64_t first, uint64_t last)
{
    explore_path path = *above;
    uint64_t *classes = promise_classes(t, judge);
    crash_limits limits = path.depth ? k->options->deep_limits : k->options->limits;
    limits.first_point = first;
    limits.last_point = last;
    path.depth++;
    crash_explorer *e = crash_open(t, start, path_hash(k->options, above), &limits, classes);
    crash_state s;
    bool going = true;
    while (going && crash_next(e, &s)) {
        oracle_legal legal;
        oracle *o = judge_state(judge, &s, &legal);
        bool after = o == judge->after, known;
        path.step[path.depth - 1].point = s.point;
        path.step[path.depth - 1].variant = s.variant;
        going = judge_again(k, &s, o, &legal, after, &path, &known);
        if (going && !known)
            going = visit(k, &s, o, &legal, after, &path);
    }
    crash_counters counters;
    crash_count(e, &counters);
    k->totals->variants += counters.variants;
    k->totals->states += counters.states;
    if (path.depth == 1)
        k->totals->points += counters.points;
    for (int f = 0; f < CRASH_FAMILY_COUNT; f++)
        k->totals->families[f] += counters.family_states[f];
    crash_close(e);
    free(classes);
    return going;
}

bool explore(const workload *w, const trace *t, const disk_image *start, const explore_judge *judge,
             const explore_options *options, uint64_t first, uint64_t last, explore_totals *totals)
{
    walk k = { w, options, totals };
    explore_path none = { 0 };
    return explore_level(&k, t, start, judge, &none, first, last);
}

/* ---- once more -------------------------------------------------------------------------------------------- */

typedef struct again {
    const workload *w;
    const explore_options *options;
    const explore_path *path;
    FILE *text;
    verify_result *result;
} again;

static void describe(const again *a, crash_explorer *e, const crash_state *s, const trace *t)
{
    if (!a->text)
        return;
    char *words = fatal_alloc(DESCRIPTION_BYTES);
    crash_describe(e, s, words, DESCRIPTION_BYTES);
    fprintf(a->text, "crash at point %llu of %llu, variant %llu (%s), image %016llx\n%s\n",
            (unsigned long long)s->point, (unsigned long long)trace_length(t), (unsigned long long)s->variant,
            crash_family_text(s->family), (unsigned long long)s->digest, words);
    free(words);
}

/* The last calls before the crash, for people. */
static void list_calls(const again *a, const trace *t, uint64_t point, const char *what)
{
    uint64_t first = point > CALLS_LISTED ? point - CALLS_LISTED : 0;
    if (!a->text)
        return;
    fprintf(a->text, "%s, calls %llu to %llu:\n", what, (unsigned long long)first + 1, (unsigned long long)point);
    for (uint64_t i = first; i < point; i++) {
        char line[200];
        trace_describe(t, i, line, sizeof line);
        fprintf(a->text, "  %s\n", line);
    }
}

static bool again_level(const again *a, const trace *t, const disk_image *start, const explore_judge *judge,
                        unsigned depth)
{
    explore_path path = *a->path, above = *a->path;
    above.depth = depth;
    path.depth = depth + 1;
    crash_limits limits = depth ? a->options->deep_limits : a->options->limits;
    crash_explorer *e = crash_open(t, start, path_hash(a->options, &above), &limits, NULL);
    crash_state s;
    bool there = crash_seek(e, path.step[depth].point, path.step[depth].variant, &s);
    if (there) {
        list_calls(a, t, s.point, depth ? "recovery and what came after it" : "workload");
        describe(a, e, &s, t);
        oracle_legal legal;
        oracle *o = judge_state(judge, &s, &legal);
        bool deeper, last = path.depth == a->path->depth;
        verify_options options = options_for(a->options, &path, &deeper);
        options.record = trace_create();
        options.tail = options.tail || !last;
        options.script = depth == 0 ? a->options->script : NULL;
        if (a->text)
            fprintf(a->text, "legal: batches %u to %u\n", legal.first, legal.last);
        verify_result result;
        bool good = verify_image(a->w, s.image, o, &legal, &options, &result);
        if (a->text)
            fprintf(a->text, "found: %s%s%s\n", good ? "a legal state" : result.phase, good ? "" : ": ",
                    result.verdict.text);
        if (last || !good) {
            *a->result = result;
        } else {
            explore_judge below = {
                .before = o, .before_legal = legal_below(o, &legal), .recovered = result.recovered,
                .after = result.after
            };
            const disk_image *image = disk_image_ref(s.image);
            there = again_level(a, options.record, image, &below, depth + 1);
            disk_image_unref(image);
            oracle_destroy(result.after);
        }
        trace_destroy(options.record);
    }
    crash_close(e);
    return there;
}

bool explore_again(const workload *w, const trace *t, const explore_judge *judge, const explore_options *options,
                   const explore_path *path, FILE *text, verify_result *result)
{
    again a = { w, options, path, text, result };
    *result = (verify_result){ 0 };
    return path->depth > 0 && again_level(&a, t, NULL, judge, 0);
}
