/*
 * plan.h - fault plans: small texts that say which calls are hurt, when, and how; and the state of one being obeyed.
 *
 * The grammar (version 1) is in README.md.  A plan decides for fault_io.h: give plan_judge and a plan_state to
 * fault_io_set_judge().  Rules are asked in their order; each counts every call that matches it, the first that fires
 * has the call.
 *
 * Randomness: each pair of rule and injection point draws from a stream of its own, so a call more at one point moves
 * no decision at another.  One seed and one order of calls at each point give the same decisions.
 *
 * plan_state is safe to use from several threads; a plan does not change once it is read.
 */
#ifndef LEVIN_FAULTS_PLAN_H
#define LEVIN_FAULTS_PLAN_H

#include "fault_io.h"
#include "words.h"

enum { PLAN_VERSION = 1, PLAN_RULES_MAX = 32 };

typedef struct plan_point {
    unsigned kinds, operations; /* bits, as in fault_rule */
} plan_point;

typedef struct plan_rule {
    plan_point point;
    unsigned line;              /* of the text, from 1 */
    uint64_t nth, every;        /* 0: not asked for */
    double probability;         /* below 0: not asked for */
    bool has_range;
    uint64_t from, to;          /* the call touches a byte of [from, to) */
    plan_point after;           /* with after_count above 0: not before so many calls there */
    uint64_t after_count;
    uint64_t times;             /* fires so often; UINT64_MAX: for ever */
    fault_effect effect;
    int os_error;
    uint64_t bytes;             /* FAULT_SHORT; the budget */
    int64_t shift;              /* FAULT_MISDIRECT: bytes; FAULT_CLOCK: ns */
    bool budget;                /* os_error once `bytes` were written */
    uint64_t back;              /* budget: after so many refusals there are `bytes` again; 0: never */
} plan_rule;

typedef struct plan_rules {
    plan_rule rules[PLAN_RULES_MAX];
    size_t count;
} plan_rules;

typedef words_error plan_error;

/* Reads `bytes` of text. False: *error says where and why, and *p is of no use. */
bool plan_parse(plan_rules *p, const char *text, size_t bytes, plan_error *error);

/* Whether the effect goes with the operation at all. */
bool plan_effect_applies(fault_effect effect, fault_operation operation);
/* Whether the effect changes or loses bytes behind the store's back, where it may rightly answer LEVIN_CORRUPT. */
bool plan_effect_damages(fault_effect effect);
/* Whether a rule says which error. */
bool plan_effect_has_error(fault_effect effect);
const char *plan_effect_text(fault_effect effect);

typedef struct plan_state plan_state;
plan_state *plan_begin(const plan_rules *p, uint64_t seed);
/* In memory of plan_state_bytes(), which processes may share at different addresses; not for plan_end(). */
size_t plan_state_bytes(void);
plan_state *plan_begin_at(void *memory, const plan_rules *p, uint64_t seed);
void plan_end(plan_state *state);                     /* harmless on NULL */
/* A fault_judge; context is the plan_state. */
bool plan_judge(void *context, const fault_call *call, fault_choice *choice);
/* The same for a caller who sees to it that nobody else asks at the same time. */
bool plan_judge_alone(plan_state *state, const fault_call *call, fault_choice *choice);
/* As plan_fired(), when all who asked have ended, however they did. */
uint64_t plan_fired_alone(const plan_state *state, size_t rule);
uint64_t plan_fired(plan_state *state, size_t rule);
uint64_t plan_matched(plan_state *state, size_t rule);

#endif
