/*
 * effects.h - everything that can be done to a call: injection point × effect × error, numbered; and a fault plan of
 * one rule for each.
 */
#ifndef CHAOS_EFFECTS_H
#define CHAOS_EFFECTS_H

#include "../faults/plan.h"
#include "../faults/random.h"

enum { EFFECTS_MAX = 1536, EFFECT_NAME_BYTES = 96, EFFECT_PLAN_BYTES = 200 };

typedef struct effect_case {
    levin_file_kind kind;
    fault_operation operation;
    fault_effect effect;
    int os_error; /* 0: the effect has none */
    bool budget;  /* of bytes, then os_error */
    bool back;    /* clock: backwards */
} effect_case;

/* All there are, in an order of their own; the same list at each call. Returns how many, at most EFFECTS_MAX. */
size_t effect_cases(const effect_case **cases);
/* "levin/io/wal/write error-after EIO" */
void effect_case_name(const effect_case *c, char name[EFFECT_NAME_BYTES]);
/*
 * Why it never happens in any life of the store, for people: the store makes no such call, or not enough of them.
 * NULL: it does happen.
 */
const char *effect_case_idle(const effect_case *c);
/* A plan by which it happens to the nth call, from 1, of `calls`: once, or from then on where that may be. */
void effect_case_plan(const effect_case *c, uint64_t calls, random_stream *random, char text[EFFECT_PLAN_BYTES]);

#endif
