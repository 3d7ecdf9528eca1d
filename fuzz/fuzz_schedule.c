/*
 * fuzz_schedule.c - property: whatever a few threads do at once, and wherever the scheduler lets another one go on, the
 * engine keeps its promises.
 *
 * Input: schedule_input.h: a scenario (faults/schedule/scenario.h) and the decisions of the scheduler in it; both are
 * the fuzzer's, byte by byte.
 *
 * Invariants, those of scenario_run.c:
 *   - no race, deadlock, lost wake-up, livelock, use after free, misuse of a seam, failed assertion, signal;
 *   - an order of the calls explains what each of them has read (EXACT, ATOMIC); handles, snapshots, pinned values stay
 *     as they were; what fails does so for a reason;
 *   - after a power cut or a fault, and after some runs without, the store opens and shows a prefix of such an order
 *     with all that was acknowledged (DURABLE, PREFIX, POISON), in a few of the states that the disk may be in;
 *   - at the end no memory is held.
 * And of the scheduler: an input gives one run; the switches that it records give that run once more.
 *
 * A finding is also printed as a text for `levin-chaos replay FILE` and `levin-chaos shrink FILE`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/random.h"
#include "../faults/schedule/scenario_run.h"
#include "fuzz.h"
#include "schedule_input.h"

enum { DIFFERENT_THREADS = 3, THREADS_LEAST = 2, TWICE_ONE_IN = 16 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* ---- the input -------------------------------------------------------------------------------------------- */

static void take_header(scenario *s, const uint8_t *data)
{
    const uint8_t store = data[SCHEDULE_INPUT_IMAGE], nth = data[SCHEDULE_INPUT_NTH];
    const unsigned fault = data[SCHEDULE_INPUT_FAULT] % 16;
    s->image = store % SCENARIO_IMAGES;
    s->background = store & 4;
    s->rows = store & 8;
    s->values_apart = store & 16;
    s->lingers = store & 32;
    s->splits = store & 64;
    s->startles = store & 128;
    s->threads = THREADS_LEAST + data[SCHEDULE_INPUT_THREADS] % DIFFERENT_THREADS;
    s->has_fault = fault >= 1 && fault <= SCENARIO_FAULTS;
    if (s->has_fault) {
        s->fault = scenario_fault(fault - 1);
        s->fault.nth = 1 + (nth & 31);
        s->fault.forever = nth & 128;
        if (s->fault.operations & 1u << FAULT_ALLOC)
            s->fault_thread = data[SCHEDULE_INPUT_FAULT_THREAD] % (s->threads + 1);
    }
    s->cut_at = data[SCHEDULE_INPUT_CUT] | (uint64_t)data[SCHEDULE_INPUT_CUT + 1] << 8;
    s->cut_in_sync = s->cut_at && data[SCHEDULE_INPUT_SEED] & 128;
    s->seed = data[SCHEDULE_INPUT_SEED];
    s->strategy = SCHEDULE_GIVEN;
}

static void take_operation(scenario *s, unsigned kind, const uint8_t *record)
{
    const unsigned thread = (record[1] & 3) % s->threads;
    scenario_operation o = { .kind = (scenario_kind)kind, .keys = record[2] & SCENARIO_ALL_KEYS, .more = record[2] >> 4,
                             .way = record[1] >> 2 & 3 };
    const unsigned durability = record[1] >> 4 & 3;
    o.durability = durability == 0 ? LEVIN_NONE : durability == 1 ? LEVIN_LOGGED : LEVIN_SYNCED;
    if (scenario_allows(s, o.kind) && s->of[thread].count < SCENARIO_OPERATIONS_MAX)
        s->of[thread].at[s->of[thread].count++] = scenario_operation_settle(o);
}

static int compare_switches(const void *a, const void *b)
{
    const schedule_switch *x = a, *y = b;
    return x->thread != y->thread ? x->thread - y->thread : (x->point > y->point) - (x->point < y->point);
}

/* Of two switches of a thread at one point the first counts. */
static void sort_switches(scenario *s)
{
    size_t kept = 0;
    qsort(s->switches, s->switch_count, sizeof *s->switches, compare_switches);
    for (size_t i = 0; i < s->switch_count; i++)
        if (!kept || compare_switches(&s->switches[kept - 1], &s->switches[i]))
            s->switches[kept++] = s->switches[i];
    s->switch_count = kept;
}

/* The switches stand in `switches`. */
static scenario take_input(const uint8_t *data, size_t size, schedule_switch switches[SCHEDULE_INPUT_SWITCHES_MAX])
{
    scenario s = { .switches = switches };
    take_header(&s, data);
    const uint8_t *end = data + size, *record = data + SCHEDULE_INPUT_HEADER_BYTES;
    for (; end - record >= SCHEDULE_INPUT_RECORD_BYTES; record += SCHEDULE_INPUT_RECORD_BYTES) {
        const unsigned kind = record[0] % SCHEDULE_INPUT_KINDS;
        if (kind < SCENARIO_KIND_COUNT)
            take_operation(&s, kind, record);
        else if (s.switch_count < SCHEDULE_INPUT_SWITCHES_MAX)
            switches[s.switch_count++] = (schedule_switch){ .point = record[2] | (uint32_t)record[3] << 8,
                                                            .thread = record[1] % 16, .to = record[1] / 16 };
    }
    sort_switches(&s);
    return s;
}

/* ---- a run ------------------------------------------------------------------------------------------------ */

static void require_nothing(const scenario *s, const run_result *result)
{
    if (!result->found)
        return;
    scenario kept = *s;
    snprintf(kept.finding, sizeof kept.finding, "%s", result->kind);
    fflush(stdout);
    scenario_write(&kept, stderr);
    fuzz_fail(__FILE__, __LINE__, "%s: %s", result->kind, result->text);
}

static const run_options with_races = { .races = true };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static schedule_switch switches[SCHEDULE_INPUT_SWITCHES_MAX];
    static run_result result, again;
    if (size < SCHEDULE_INPUT_HEADER_BYTES)
        return -1;
    if (size > SCHEDULE_INPUT_HEADER_BYTES + SCHEDULE_INPUT_RECORDS_MAX * SCHEDULE_INPUT_RECORD_BYTES)
        size = SCHEDULE_INPUT_HEADER_BYTES + SCHEDULE_INPUT_RECORDS_MAX * SCHEDULE_INPUT_RECORD_BYTES;
    scenario s = take_input(data, size, switches);
    run_scenario(&s, &with_races, &result);
    require_nothing(&s, &result);
    if (random_mix(result.digest) % TWICE_ONE_IN == 0) {
        scenario recorded = s;
        recorded.switches = result.outcome.switches;
        recorded.switch_count = result.outcome.switch_count;
        run_scenario(&recorded, &with_races, &again);
        fuzz_require(again.digest == result.digest && !again.found, "the recorded switches give another run: %s",
                     again.text);
        run_result_free(&again);
    }
    run_result_free(&result);
    return 0;
}
