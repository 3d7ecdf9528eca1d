/*
 * plan_judge.c - deciding by a fault plan (plan.h).
 *
 * Apart from the reading of plans, for the preloaded recorder has this alone: its state lies in memory that several
 * processes share, so it holds the rules themselves and no pointer.
 *
 * Invariants: a rule counts each call that matches its point and range, whatever becomes of the call.  Calls before its
 * `after` do not count.  Probability draws from the stream of (rule, kind, operation).
 *
 * Concurrency: one mutex over counters and streams; the decision of a call is made whole under it.
 */
#include "plan.h"

#include <pthread.h>
#include <stdlib.h>

#include "random.h"

typedef struct rule_progress {
    uint64_t after, matched, fired, used, refused;
    random_stream streams[LEVIN_FILE_KIND_COUNT][FAULT_OPERATION_COUNT];
} rule_progress;

struct plan_state {
    pthread_mutex_t mutex;
    plan_rules p;
    rule_progress rules[PLAN_RULES_MAX];
};

size_t plan_state_bytes(void)
{
    return sizeof(plan_state);
}

plan_state *plan_begin_at(void *memory, const plan_rules *p, uint64_t seed)
{
    plan_state *state = memory;
    pthread_mutex_init(&state->mutex, NULL);
    state->p = *p;
    for (size_t rule = 0; rule < p->count; rule++) {
        rule_progress *progress = &state->rules[rule];
        progress->after = progress->matched = progress->fired = progress->used = progress->refused = 0;
        for (unsigned kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
            for (unsigned operation = 0; operation < FAULT_OPERATION_COUNT; operation++)
                progress->streams[kind][operation] =
                    random_open(seed, 0x706c616e00000000u + (rule << 16 | kind << 8 | operation));
    }
    return state;
}

void plan_end(plan_state *state)
{
    if (state)
        pthread_mutex_destroy(&state->mutex);
    free(state);
}

static bool at_point(const plan_point *point, const fault_call *call)
{
    return point->operations >> call->operation & 1 && point->kinds >> call->kind & 1;
}

static bool in_range(const plan_rule *rule, const fault_call *call)
{
    return !rule->has_range || (call->offset < rule->to && call->offset + call->bytes > rule->from);
}

/* A budget lets through what fits, then refuses; after `back` refusals there is room again. */
static bool budget_refuses(const plan_rule *rule, rule_progress *progress, const fault_call *call)
{
    if (rule->back && progress->refused == rule->back)
        progress->used = progress->refused = 0;
    if (call->bytes <= rule->bytes - progress->used) {
        progress->used += call->bytes;
        return false;
    }
    progress->used = rule->bytes;
    progress->refused++;
    return true;
}

/* The call matched; every condition is looked at, so that each counts whatever the others say. */
static bool fires(const plan_rule *rule, rule_progress *progress, const fault_call *call)
{
    bool yes = true;
    progress->matched++;
    if (rule->probability >= 0)
        yes = (double)(random_next(&progress->streams[call->kind][call->operation]) >> 11) * 0x1p-53 <
              rule->probability;
    if (rule->every && progress->matched % rule->every)
        yes = false;
    if (progress->matched < rule->nth || progress->fired >= rule->times)
        yes = false;
    return yes && (!rule->budget || budget_refuses(rule, progress, call));
}

bool plan_judge_alone(plan_state *state, const fault_call *call, fault_choice *choice)
{
    bool decided = false;
    for (size_t i = 0; i < state->p.count; i++) {
        const plan_rule *rule = &state->p.rules[i];
        rule_progress *progress = &state->rules[i];
        const bool due = progress->after >= rule->after_count;
        if (rule->after_count && at_point(&rule->after, call))
            progress->after++;
        if (!due || !at_point(&rule->point, call) || !in_range(rule, call))
            continue;
        if (!fires(rule, progress, call) || decided)
            continue;
        progress->fired++;
        decided = true;
        *choice = (fault_choice){ .effect = rule->effect,
                                  .os_error = rule->os_error,
                                  .bytes = rule->bytes > SIZE_MAX ? SIZE_MAX : (size_t)rule->bytes,
                                  .shift = rule->shift,
                                  .draw = random_next(&progress->streams[call->kind][call->operation]) };
    }
    return decided;
}

bool plan_judge(void *context, const fault_call *call, fault_choice *choice)
{
    plan_state *state = context;
    pthread_mutex_lock(&state->mutex);
    const bool decided = plan_judge_alone(state, call, choice);
    pthread_mutex_unlock(&state->mutex);
    return decided;
}

uint64_t plan_fired_alone(const plan_state *state, size_t rule)
{
    return rule < state->p.count ? state->rules[rule].fired : 0;
}

uint64_t plan_fired(plan_state *state, size_t rule)
{
    pthread_mutex_lock(&state->mutex);
    const uint64_t fired = plan_fired_alone(state, rule);
    pthread_mutex_unlock(&state->mutex);
    return fired;
}

uint64_t plan_matched(plan_state *state, size_t rule)
{
    pthread_mutex_lock(&state->mutex);
    const uint64_t matched = rule < state->p.count ? state->rules[rule].matched : 0;
    pthread_mutex_unlock(&state->mutex);
    return matched;
}
