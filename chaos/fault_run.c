/*
 * fault_run.c - a store lives, one call fails (once or from then on), the client goes on; then everything is checked.
 *
 * After the fault: no wrong answer while it lasts; once it is gone the handle can be read and holds exactly what
 * was accepted, and can be closed; nothing is left behind (descriptors, memory); a power cut at that moment loses
 * nothing acknowledged; the store opens again without faults, is whole, and can be written to.
 *
 * Scenarios: "life" starts on an empty disk and reopens on the way; "recovery-n" start on what a crash left of such
 * a life, so that the faults meet the recovery.
 */
#include "fault_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/crash.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"
#include "fault_damage.h"
#include "fault_life.h"

enum { STREAM_CRASHES = 540, CRASH_ONE_IN = 4 };

const fault_way fault_ways[] = {
    { FAULT_OPEN, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_OPEN, "emfile", FAULT_ERROR, EMFILE, 0, false, false },
    { FAULT_CLOSE, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_READ, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_READ, "eintr", FAULT_ERROR, EINTR, 0, false, false },
    { FAULT_READ, "short", FAULT_SHORT, 0, 100, true, false },
    { FAULT_WRITE, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_WRITE, "eio-after", FAULT_ERROR_AFTER, EIO, 0, false, false },
    { FAULT_WRITE, "enospc", FAULT_ERROR, ENOSPC, 0, true, false },
    { FAULT_WRITE, "eintr", FAULT_ERROR, EINTR, 0, false, false },
    { FAULT_WRITE, "short", FAULT_SHORT, 0, 700, true, false },
    { FAULT_SYNC, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_SYNC, "eio-kept", FAULT_ERROR, EIO, 0, false, true },
    { FAULT_SYNC, "eio-reverted", FAULT_ERROR_REVERTED, EIO, 0, false, false },
    { FAULT_SYNC, "eio-after", FAULT_ERROR_AFTER, EIO, 0, false, false },
    { FAULT_TRUNCATE, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_PREALLOCATE, "enospc", FAULT_ERROR, ENOSPC, 0, true, false },
    { FAULT_SIZE, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_RENAME, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_RENAME, "eio-after", FAULT_ERROR_AFTER, EIO, 0, false, false },
    { FAULT_UNLINK, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_UNLINK, "eio-after", FAULT_ERROR_AFTER, EIO, 0, false, false },
    { FAULT_MAKE_DIR, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_SYNC_DIR, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_LIST, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_LOCK, "eio", FAULT_ERROR, EIO, 0, true, false },
    { FAULT_LOCK, "eagain", FAULT_ERROR, EAGAIN, 0, false, false },
    { FAULT_ALLOC, "enomem", FAULT_ERROR, ENOMEM, 0, true, false },
    { FAULT_RANDOM, "eio", FAULT_ERROR, EIO, 0, true, false },
};
const size_t fault_way_count = sizeof fault_ways / sizeof fault_ways[0];

/* ---- plans ------------------------------------------------------------------------------------------------ */

/* Calls series by series: the visitor returns false to stop. */
typedef struct series {
    size_t scenario;
    levin_file_kind kind;
    size_t way;
    bool forever;
    uint64_t calls;
} series;

static bool each_series(const fault_scenarios *s, bool (*visit)(void *context, const series *one), void *context)
{
    for (size_t scenario = 0; scenario < s->count; scenario++)
        for (size_t way = 0; way < fault_way_count; way++)
            for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++) {
                uint64_t calls = s->items[scenario].calls[kind][fault_ways[way].operation];
                if (!fault_point_exists((levin_file_kind)kind, fault_ways[way].operation) || calls == 0)
                    continue;
                for (int forever = 0; forever <= fault_ways[way].forever; forever++) {
                    series one = { scenario, (levin_file_kind)kind, way, forever, calls };
                    if (!visit(context, &one))
                        return false;
                }
            }
    return true;
}

typedef struct search {
    uint64_t left, count, series;
    fault_plan *plan;
} search;

static bool visit_search(void *context, const series *one)
{
    search *s = context;
    if (s->left <= one->calls) {
        *s->plan = (fault_plan){ one->scenario, one->kind, one->way, one->forever, s->left + 1, one->calls };
        return false;
    }
    s->left -= one->calls + 1;
    return true;
}

static bool visit_count(void *context, const series *one)
{
    search *s = context;
    s->count += one->calls + 1;
    s->series++;
    return true;
}

bool fault_plan_at(const fault_scenarios *s, uint64_t number, fault_plan *plan)
{
    search find = { .left = number, .plan = plan };
    return !each_series(s, visit_search, &find);
}

uint64_t fault_plan_count(const fault_scenarios *s, uint64_t *series_count)
{
    search all = { 0 };
    each_series(s, visit_count, &all);
    *series_count = all.series;
    return all.count;
}

bool fault_plan_find(const fault_scenarios *s, const char *name, uint64_t *number, fault_plan *plan)
{
    const char *slash = strrchr(name, '/');
    const uint64_t nth = slash && slash[1] >= '0' && slash[1] <= '9' ? strtoull(slash + 1, NULL, 10) : 0;
    char candidate[FAULT_NAME_BYTES];
    for (*number = 0; nth && fault_plan_at(s, *number, plan); *number += plan->calls + 1) { /* series by series */
        const uint64_t first = *number;
        if (nth > plan->calls + 1 || !fault_plan_at(s, first + nth - 1, plan))
            continue;
        fault_plan_name(s, plan, candidate);
        if (!strcmp(candidate, name)) {
            *number = first + nth - 1;
            return true;
        }
    }
    return false;
}

void fault_plan_name(const fault_scenarios *s, const fault_plan *plan, char name[FAULT_NAME_BYTES])
{
    const fault_way *way = &fault_ways[plan->way];
    snprintf(name, FAULT_NAME_BYTES, "%s/%s.%s/%s/%s/%llu", s->items[plan->scenario].name,
             fault_kind_text(plan->kind), fault_operation_text(way->operation), way->name,
             plan->forever ? "forever" : "once", (unsigned long long)plan->nth);
}

/* ---- one run ---------------------------------------------------------------------------------------------- */

bool fault_run(const fault_scenarios *s, const fault_plan *plan, uint64_t seed, fault_outcome *out)
{
    const fault_scenario *scenario = &s->items[plan->scenario];
    const fault_way *way = &fault_ways[plan->way];
    *out = (fault_outcome){ .verdict = { .state = ORACLE_NO_STATE } };
    fault_life l = { .script = s->script,
               .failed_sync = way->keeps_pages ? SIMDISK_SYNC_KEEPS_PAGES : SIMDISK_SYNC_LOSES_PAGES };
    fault_life_begin(&l, scenario);
    fault_rule rule = { .kinds = 1u << plan->kind,
                        .operations = 1u << way->operation,
                        .nth = plan->nth,
                        .forever = plan->forever,
                        .effect = way->effect,
                        .os_error = way->os_error,
                        .bytes = way->bytes };
    fault_io_set_rules(l.f, &rule, 1);
    bool cut = way->operation == FAULT_SYNC || way->operation == FAULT_SYNC_DIR || plan->nth % CRASH_ONE_IN == 0;
    bool good = fault_life_run(&l, scenario, seed, out) || fault_damage_is_told(&l, out);
    fault_io_set_rules(l.f, NULL, 0);
    good = good && fault_life_check_held(&l, out) &&
           (!cut || fault_life_check_power_cut(scenario->w, &l, scenario, seed, out)) &&
           fault_life_check_reopened(scenario->w, &l, seed, out);
    fault_life_end(&l);
    return good;
}

typedef struct obeyed {
    const plan_rules *rules;
    plan_state *state;
} obeyed;

static uint64_t obeyed_fired(const void *context)
{
    const obeyed *p = context;
    uint64_t fired = 0;
    for (size_t i = 0; i < p->rules->count; i++)
        fired += plan_fired(p->state, i);
    return fired;
}

/* Whether a rule may hurt what is written or synced. */
static bool may_hurt(const plan_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        if (plan_effect_damages(rules->rules[i].effect))
            return true;
    return false;
}

bool fault_run_plan(const fault_scenarios *s, size_t scenario_index, const plan_rules *rules, plan_state *state,
                    uint64_t seed, fault_outcome *out)
{
    const fault_scenario *scenario = &s->items[scenario_index];
    *out = (fault_outcome){ .verdict = { .state = ORACLE_NO_STATE } };
    const obeyed plan = { rules, state };
    fault_life l = { .script = s->script, .failed_sync = SIMDISK_SYNC_LOSES_PAGES, .fired = obeyed_fired,
                     .fired_context = &plan, .mirrored = may_hurt(rules) };
    fault_life_begin(&l, scenario);
    fault_io_set_judge(l.f, plan_judge, state);
    bool good = fault_life_run(&l, scenario, seed, out) || fault_damage_is_told(&l, out);
    fault_life_calm(&l);
    good = good && fault_life_check_held(&l, out);
    out->hurt = l.hurt.writes || l.hurt.lies;
    good = good && (out->hurt ? fault_damage_check_power_cut(scenario->w, &l, scenario, seed, out)
                              : fault_life_check_power_cut(scenario->w, &l, scenario, seed, out));
    good = good && (l.hurt.writes ? fault_damage_check_reopened(scenario->w, &l, scenario, seed, out)
                                  : fault_life_check_reopened(scenario->w, &l, seed, out));
    disk_image *image = simdisk_image(l.disk);
    out->digest = random_mix(disk_image_digest(image) ^ trace_length(l.t));
    disk_image_unref(image);
    fault_life_end(&l);
    return good;
}

/* ---- scenarios -------------------------------------------------------------------------------------------- */

/* Runs the scenario without a fault and counts the calls. */
static bool count_calls(fault_scenarios *s, fault_scenario *scenario, uint64_t seed)
{
    fault_life l = { 0 };
    fault_outcome out = { .verdict = { .state = ORACLE_NO_STATE } };
    const bool good = fault_life_count(&l, scenario, seed, &out) &&
                      fault_life_check_reopened(scenario->w, &l, seed, &out);
    fault_life_end(&l);
    if (!good) {
        s->verdict = out.verdict;
        snprintf(s->where, sizeof s->where, "%s", scenario->name);
    }
    return good;
}

static uint64_t life_now(void *context)
{
    return trace_length(context);
}

/* The life once more with a trace, to have what crashes leave of it. */
static bool run_life(fault_scenarios *s, uint64_t seed)
{
    s->t = trace_create();
    s->o = oracle_create();
    simdisk *disk = simdisk_create(NULL, s->t);
    workload_target target = {
        .io = simdisk_io(disk), .path = VERIFY_PATH, .o = s->o, .now = life_now, .context = s->t
    };
    workload_result lived;
    bool good = workload_run(s->life, &target, false, &lived);
    bool clean = simdisk_destroy(disk, NULL);
    if (good && !clean)
        oracle_fault(&lived.verdict, "FAULT", "the closed store left memory or files behind");
    s->verdict = lived.verdict;
    snprintf(s->where, sizeof s->where, "life");
    (void)seed;
    return good && clean;
}

/* A scenario that begins with what a crash in the last two thirds left. */
static bool add_recovery(fault_scenarios *s, random_stream *random, uint64_t seed, size_t index)
{
    uint64_t length = trace_length(s->t), point = length / 3 + random_below(random, length - length / 3);
    crash_explorer *e = crash_open(s->t, NULL, seed, NULL, NULL);
    crash_state state;
    /* variant 0: all kept, 1: all dropped; a point without unsynced operations has fewer */
    bool there = crash_seek(e, point, index & 1, &state) || crash_seek(e, point, 0, &state);
    fault_scenario *scenario = &s->items[s->count];
    oracle_legal legal = oracle_legal_crash(s->o, point);
    verify_options options = { .seed = seed, .points = VERIFY_POINTS, .ranges = VERIFY_RANGES };
    verify_result result;
    bool good = there && verify_image(s->life, state.image, s->o, &legal, &options, &result);
    if (good) {
        *scenario =
            (fault_scenario){ .start = disk_image_ref(state.image), .from = s->o, .from_state = result.state,
                              .from_legal = legal };
        snprintf(scenario->name, sizeof scenario->name, "recovery-%zu", index);
        scenario->w = workload_create_tail(s->life, seed + index);
        s->count++;
        good = count_calls(s, scenario, seed);
    } else if (there) {
        s->verdict = result.verdict;
        snprintf(s->where, sizeof s->where, "crash at %llu", (unsigned long long)point);
    }
    crash_close(e);
    return good || !there;
}

bool fault_scenarios_prepare(fault_scenarios *s, uint64_t seed, uint32_t operations, const stanzas *data,
                             const workload_part *part, size_t scenarios)
{
    *s = (fault_scenarios){ .verdict = { .state = ORACLE_NO_STATE } };
    workload_options options = { .seed = seed, .operations = operations, .data = data, .brief = true,
                                 .part = part };
    s->life = workload_create(&options);
    snprintf(s->items[0].name, sizeof s->items[0].name, "life");
    s->items[0].w = s->life;
    s->count = 1;
    if (!run_life(s, seed) || !count_calls(s, &s->items[0], seed))
        return false;
    random_stream random = random_open(seed, STREAM_CRASHES);
    for (size_t i = 0; i + 1 < scenarios; i++)
        if (!add_recovery(s, &random, seed, i))
            return false;
    return true;
}

void fault_scenarios_release(fault_scenarios *s)
{
    for (size_t i = 1; i < s->count; i++) {
        workload_destroy(s->items[i].w);
        disk_image_unref(s->items[i].start);
    }
    workload_destroy(s->life);
    trace_destroy(s->t);
    oracle_destroy(s->o);
    *s = (fault_scenarios){ 0 };
}
