/*
 * isolated.c - a child with what it leaves in shared memory (isolated.h).
 *
 * The result lies in memory that both have, so what the child has come to is there when it dies; positions hold
 * addresses of code, which are the same in both.
 *
 * Concurrency: one thread in each of the two.
 */
#include "isolated.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../faults/fatal.h"
#include "../../faults/schedule/memory.h"
#include "../guarded.h"

enum { SWITCHES_MAX = 1 << 20 }; /* more than a run has points */
static const double seconds_of_one = 120, seconds_of_all = 3600;

typedef struct shared {
    run_result result;
    schedule_record record;
    schedule_switch switches[SWITCHES_MAX];
} shared;

typedef struct task {
    const scenario *s;
    const isolated_options *options;
    shared *to;
} task;

static outcome body(void *context, char text[GUARDED_TEXT_BYTES])
{
    const task *t = context;
    run_options options = t->options->run;
    run_result *result = &t->to->result;
    uint64_t runs = 0;
    (void)text;
    options.record = &t->to->record;
    do {
        run_result_free(result);
        run_scenario(t->s, &options, result);
    } while (!result->found && t->s->tree && schedule_tree_next(t->s->tree) && ++runs < t->options->schedules_max);
    return OUTCOME_RIGHT;
}

void isolated_run(const scenario *s, const isolated_options *options, run_result *result)
{
    shared *to = mmap(NULL, sizeof *to, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (to == MAP_FAILED)
        fatal("no memory for a schedule: %s", strerror(errno));
    to->record = (schedule_record){ .switches = to->switches, .capacity = SWITCHES_MAX };
    memory_prepare(); /* what the child inherits, it need not make */
    const guarded_limits limits = { .seconds = s->tree ? seconds_of_all : seconds_of_one, .tells = options->tells };
    task t = { s, options, to };
    char how[GUARDED_TEXT_BYTES];
    const outcome what = guarded_run(&limits, body, &t, how);
    *result = to->result;
    result->outcome.switch_count = to->record.count;
    result->outcome.switches = fatal_alloc((to->record.count + 1) * sizeof *result->outcome.switches);
    memcpy(result->outcome.switches, to->switches, to->record.count * sizeof *result->outcome.switches);
    if (what != OUTCOME_RIGHT) {
        result->found = true;
        result->in_recovery = false;
        result->outcome.end = SCHEDULE_DIED;
        result->outcome.threads = 0;
        snprintf(result->kind, sizeof result->kind, ISOLATED_DEATH);
        snprintf(result->text, sizeof result->text, "the process that ran it has ended: %.300s", how);
    }
    munmap(to, sizeof *to);
}
