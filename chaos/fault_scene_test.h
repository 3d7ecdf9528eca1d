/*
 * fault_scene_test.h - what tests of lives under faults share: made-up data, and a seed's first scenario over it.
 */
#ifndef CHAOS_FAULT_SCENE_TEST_H
#define CHAOS_FAULT_SCENE_TEST_H

#include "../faults/check_main.h"
#include "fault_run.h"

enum { SCENE_OPERATIONS = 40 };

typedef struct fault_scene {
    stanzas data;
    fault_scenarios s;
} fault_scene;

static inline void fault_scene_make(fault_scene *c, uint64_t seed)
{
    stanzas_invent(&c->data, 400, 1);
    ck_assert_msg(fault_scenarios_prepare(&c->s, seed, SCENE_OPERATIONS, &c->data, NULL, 1), "%s", c->s.verdict.text);
}

static inline void fault_scene_end(fault_scene *c)
{
    fault_scenarios_release(&c->s);
    stanzas_free(&c->data);
}

#endif
