/*
 * fault_chain.c - see fault_chain.h.
 *
 * Each level runs twice: without a fault, to count its calls, and with the nth of them failing, so that a fault that
 * does not fire is the harness's failure and is told.  Levels below the first start on the image of one of the power
 * cuts that were judged at the level above, with the history that led there.
 */
#include "fault_chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../faults/crash.h"
#include "../faults/random.h"
#include "fault_damage.h"

enum { STREAM_CHAIN = 541, CUTS = 6, VARIANTS = 4, NEAR_CALLS = 12, FOREVER_ONE_IN = 3 };

/* The fault of a level: the judge of its life. */
typedef struct link_fault {
    const fault_life *life;
    levin_file_kind kind;
    const fault_way *way;
    uint64_t nth, seen, fired;
    bool forever;
    uint64_t first_at; /* length of the trace when it first fired */
} link_fault;

typedef struct chain {
    const fault_scenarios *s;
    uint64_t seed;
    random_stream random;
    fault_chain_outcome *out;
    fault_scenario scenarios[CHAIN_DEPTH_MAX];
    fault_life lives[CHAIN_DEPTH_MAX]; /* kept to the end: later levels continue their histories */
} chain;

const char *chain_class_text(chain_class c)
{
    static const char *const texts[CHAIN_CLASS_COUNT] = {
#define CHAIN_CLASS_TEXT(name, text) text,
        CHAIN_CLASSES(CHAIN_CLASS_TEXT)
#undef CHAIN_CLASS_TEXT
    };
    return texts[c];
}

static chain_class class_of(const fault_way *way)
{
    return way->operation == FAULT_SYNC || way->operation == FAULT_SYNC_DIR ? CHAIN_SYNC
           : way->operation == FAULT_ALLOC                                  ? CHAIN_MEMORY
           : way->os_error == ENOSPC                                        ? CHAIN_SPACE
                                                                            : CHAIN_OTHER;
}

static bool judge(void *context, const fault_call *call, fault_choice *choice)
{
    link_fault *f = context;
    const bool of_kind = f->way->operation == FAULT_ALLOC || f->way->operation == FAULT_RANDOM || call->kind == f->kind;
    if (!of_kind || call->operation != f->way->operation)
        return false;
    f->seen++;
    if (f->seen != f->nth && !(f->forever && f->seen > f->nth))
        return false;
    if (f->fired++ == 0)
        f->first_at = trace_length(f->life->t);
    *choice = (fault_choice){ .effect = f->way->keeps_pages ? FAULT_ERROR_KEPT : f->way->effect,
                              .os_error = f->way->os_error, .bytes = f->way->bytes };
    return true;
}

static uint64_t link_fired(const void *context)
{
    return ((const link_fault *)context)->fired;
}

/* A series of calls of that class, each as likely as any other, and the number of the one that fails. */
static bool draw_fault(chain *c, const fault_scenario *scenario, chain_class class, link_fault *f)
{
    uint64_t series = 0;
    for (size_t way = 0; way < fault_way_count; way++)
        for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++) {
            const fault_way *w = &fault_ways[way];
            if (class_of(w) != class || !fault_point_exists((levin_file_kind)kind, w->operation) ||
                !scenario->calls[kind][w->operation])
                continue;
            if (random_chance(&c->random, ++series)) { /* reservoir sampling of one (Vitter 1985) */
                f->kind = (levin_file_kind)kind;
                f->way = w;
            }
        }
    if (!series)
        return false;
    f->nth = 1 + random_below(&c->random, scenario->calls[f->kind][f->way->operation]);
    f->forever = random_chance(&c->random, FOREVER_ONE_IN) && f->way->forever;
    return true;
}

/* How often each call is made when none fails. False: that already breaks a promise. */
static bool count_calls(chain *c, fault_scenario *scenario)
{
    fault_life l = { .failed_sync = SIMDISK_SYNC_LOSES_PAGES };
    const bool good = fault_life_count(&l, scenario, c->seed, &c->out->last);
    fault_life_end(&l);
    return good;
}

/* ---- power cuts ------------------------------------------------------------------------------------------- */

/* Points are all over the life; every other one is near the fault. */
static uint64_t draw_point(chain *c, const fault_life *l, const link_fault *f, unsigned i)
{
    const uint64_t end = trace_length(l->t);
    if (i & 1) {
        const uint64_t point = f->first_at + random_below(&c->random, NEAR_CALLS);
        c->out->near_cuts++;
        c->out->near_settled += point < oracle_settled(l->o);
        return point < end ? point : end;
    }
    return random_below(&c->random, end + 1);
}

/* The next level starts from one of the states judged, each as likely as any other. */
static void start_from(chain *c, unsigned level, const crash_state *state, oracle *o, const oracle_legal *legal,
                       uint32_t shown, uint64_t *judged)
{
    if (!random_chance(&c->random, ++*judged) || level + 1 == CHAIN_DEPTH_MAX)
        return;
    fault_scenario *next = &c->scenarios[level + 1];
    disk_image_unref(next->start);
    *next = (fault_scenario){ .start = disk_image_ref(state->image), .from = o, .from_state = shown,
                              .from_legal = *legal };
    snprintf(next->name, sizeof next->name, "recovery");
    c->out->links[level].cut = true;
    c->out->links[level].point = state->point;
    c->out->links[level].variant = state->variant;
}

static bool cut_at(chain *c, unsigned level, uint64_t point, uint64_t *judged)
{
    const fault_scenario *scenario = &c->scenarios[level];
    const fault_life *l = &c->lives[level];
    crash_limits limits;
    explore_options deep;
    explore_options_init(&deep, c->seed);
    limits = deep.deep_limits;
    limits.first_point = limits.last_point = point;
    crash_explorer *e = crash_open(l->t, scenario->start, c->seed, &limits, NULL);
    oracle_legal legal;
    oracle *o = fault_life_judge(l, scenario, point, &legal);
    crash_state state;
    bool good = true;
    for (uint64_t seen = 0; good && crash_next(e, &state); seen++) {
        if (seen >= VARIANTS && !random_chance(&c->random, VARIANTS)) /* those that keep or drop all come first */
            continue;
        verify_options options = { .seed = random_mix(c->seed + point), .points = VERIFY_POINTS,
                                   .ranges = VERIFY_RANGES, .tail = random_chance(&c->random, 8) };
        verify_result result;
        c->out->states++;
        good = verify_image(scenario->w, state.image, o, &legal, &options, &result);
        oracle_destroy(result.after);
        if (good) {
            start_from(c, level, &state, o, &legal, result.state, judged);
        } else {
            fault_life_wrong(&c->out->last, result.phase ? result.phase : "power cut", &result.verdict);
            c->out->links[level].cut = true;
            c->out->links[level].point = state.point;
            c->out->links[level].variant = state.variant;
        }
    }
    crash_close(e);
    return good;
}

/* ---- levels ----------------------------------------------------------------------------------------------- */

static bool run_level(chain *c, unsigned level)
{
    fault_scenario *scenario = &c->scenarios[level];
    fault_chain_outcome *out = c->out;
    fault_life *l = &c->lives[level];
    link_fault f = { .life = l };
    chain_class class = (chain_class)random_below(&c->random, CHAIN_CLASS_COUNT);
    while (!draw_fault(c, scenario, class, &f))
        class = (class + 1) % CHAIN_CLASS_COUNT;
    snprintf(out->links[level].fault, FAULT_NAME_BYTES, "%s/%s.%s/%s/%s/%llu", scenario->name, fault_kind_text(f.kind),
             fault_operation_text(f.way->operation), f.way->name, f.forever ? "forever" : "once",
             (unsigned long long)f.nth);
    out->levels = level + 1;
    *l = (fault_life){ .failed_sync = SIMDISK_SYNC_LOSES_PAGES, .fired = link_fired, .fired_context = &f };
    l->script = c->s->script;
    fault_life_begin(l, scenario);
    fault_io_set_judge(l->f, judge, &f);
    bool good = fault_life_run(l, scenario, random_mix(c->seed + level), &out->last) ||
                fault_damage_is_told(l, &out->last);
    fault_life_calm(l);
    out->failures += out->last.failures;
    out->fired[level][class] += f.fired > 0;
    out->silent = good && f.fired == 0;
    good = good && fault_life_check_held(l, &out->last);
    uint64_t judged = 0;
    for (unsigned i = 0; i < CUTS && good && !out->silent; i++)
        good = cut_at(c, level, draw_point(c, l, &f, i), &judged);
    const bool cut_found = !good && out->links[level].cut;
    good = good && fault_life_check_reopened(scenario->w, l, c->seed, &out->last);
    if (!good && !cut_found) /* not in the power cut from which the next level would have started */
        out->links[level].cut = false;
    return good;
}

bool fault_chain_run(const fault_scenarios *s, uint64_t seed, uint64_t number, unsigned depth, fault_chain_outcome *out)
{
    *out = (fault_chain_outcome){ .last = { .verdict = { .state = ORACLE_NO_STATE } } };
    chain c = { .s = s, .seed = random_mix(seed + random_mix(number)), .out = out };
    c.random = random_open(c.seed, STREAM_CHAIN);
    c.scenarios[0] = s->items[0];
    bool good = true;
    for (unsigned level = 0; level < depth && good && !out->silent; level++) {
        if (level > 0) {
            if (!c.scenarios[level].start)
                break;
            c.scenarios[level].w = workload_create_tail(s->life, random_mix(c.seed + level));
            good = count_calls(&c, &c.scenarios[level]);
            if (!good)
                out->last.phase = "recovery without any fault";
        }
        good = good && run_level(&c, level);
    }
    for (unsigned level = CHAIN_DEPTH_MAX; level-- > 0;) {
        if (c.lives[level].t)
            fault_life_end(&c.lives[level]);
        if (level > 0) {
            workload_destroy(c.scenarios[level].w);
            disk_image_unref(c.scenarios[level].start);
        }
    }
    return good;
}

void fault_chain_text(const fault_chain_outcome *out, char text[CHAIN_TEXT_BYTES])
{
    size_t at = 0;
    text[0] = 0;
    for (unsigned i = 0; i < out->levels; i++) {
        const fault_link *l = &out->links[i];
        at += (size_t)snprintf(text + at, CHAIN_TEXT_BYTES - at, "%s%s", i ? " + " : "", l->fault);
        if (l->cut)
            at += (size_t)snprintf(text + at, CHAIN_TEXT_BYTES - at, " + %llu.%llu", (unsigned long long)l->point,
                                   (unsigned long long)l->variant);
    }
}
