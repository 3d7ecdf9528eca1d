/*
 * scenario_run.c - one scenario on the engine under the scheduler (scenario_run.h).
 *
 * The store is opened on a disk that holds one of a few images, made once for a process; then the threads run; then
 * everything is read and the store closed.  What a power cut or a fault leaves is recovered, in a few of the states
 * that the persistence model allows (crash.h), and what recovery shows is judged.  A run without either is opened
 * again now and then.
 *
 * Concurrency: one thread of the system.  A run that ends with a finding or a power cut leaves its threads where they
 * stand: their memory is the heap of the run, their files are closed here.
 */
#include "scenario_run.h"

#include <stdlib.h>
#include <string.h>

#include "../crash.h"
#include "../fatal.h"
#include "../random.h"
#include "memory.h"
#include "schedule_io.h"
#include "../simdisk.h"
#include "operations.h"

#define STORE_PATH "s"
enum { STATES_SEEN = 48, REOPEN_ONE_IN = 8, PAGE_BYTES = 4096, LINGER_US = 40 };

/* ---- opening ---------------------------------------------------------------------------------------------- */

static void store_options(levin_options *o, const scenario *s, const levin_io *io)
{
    levin_options_init(o);
    o->io = io;
    o->background = s->background ? LEVIN_BACKGROUND_THREAD : LEVIN_BACKGROUND_NONE;
    o->page_bytes = PAGE_BYTES;
    o->cache_bytes = 16 * PAGE_BYTES;
    o->memtable_bytes = 64 << 10;
    o->wal_segment_bytes = 8 << 10;
    o->row_cache_bytes = s->rows ? 32 << 10 : 0;
    o->value_cache_bytes = s->values_apart ? 64 << 10 : 0;
    o->value_log_threshold_bytes = s->values_apart ? 64 : 0;
    o->value_log_segment_bytes = 4096;
    o->commit_interval_us = s->lingers ? LINGER_US : 0;
    o->group_batches_max = s->splits ? 2 : 0;
    o->reader_slots = 2;
}

/* ---- images ----------------------------------------------------------------------------------------------- */

static disk_image *images[SCENARIO_IMAGES];

typedef struct making {
    const levin_io *io;
    unsigned image;
} making;

static void make_store(void *argument)
{
    const making *m = argument;
    const scenario plain = { .image = m->image };
    levin_options options;
    levin *store;
    levin_error error;
    store_options(&options, &plain, m->io);
    if (levin_open(STORE_PATH, &options, &store, &error) != LEVIN_OK)
        fatal("a store for schedules cannot be made: %s", error.message);
    if (operations_fill(store, m->image, false) != LEVIN_OK || levin_checkpoint(store) != LEVIN_OK ||
        operations_fill(store, m->image, true) != LEVIN_OK || levin_close(store) != LEVIN_OK)
        fatal("a store for schedules cannot be filled");
}

static const disk_image *image_of(unsigned image)
{
    if (!images[image]) {
        schedule_outcome outcome;
        const schedule_plan plan = { .strategy = SCHEDULE_GIVEN };
        simdisk *disk = simdisk_create(NULL, NULL);
        schedule_io io;
        making m = { .image = image };
        schedule_io_init(&io, simdisk_io(disk));
        m.io = schedule_io_points(&io, &io.memory);
        schedule_run(&plan, make_store, &m, &outcome);
        if (outcome.end != SCHEDULE_ENDED)
            fatal("a store for schedules cannot be made: %s", outcome.text);
        images[image] = simdisk_image(disk);
        simdisk_destroy(disk, NULL);
    }
    return images[image];
}

/* ---- the threads ------------------------------------------------------------------------------------------ */

typedef struct running {
    const scenario *s;
    const levin_io *io;
    levin_options options;
    simdisk *disk;
    fault_io *faults;
    run_result *result;
    operations o;
    uint64_t allocations; /* that may be the one to fail */
    uint64_t hook_fired;
} running;

static running *now; /* the run of this process: threads get their number as argument */

static void thread_run(void *argument)
{
    const unsigned thread = (unsigned)(uintptr_t)argument;
    char name[16];
    snprintf(name, sizeof name, "thread %u", thread + 1);
    schedule_name(name);
    operations_thread(&now->o, thread);
}

/*
 * What a failed sync leaves of its pages: with every other seed they are lost, as in Linux since 4.13 on most file
 * systems, with the others kept, so that what failed may be there after the power cut.  A draw of its own: the scenario
 * of a seed is the same with either.
 */
static bool sync_keeps_pages(const scenario *s)
{
    random_stream r = random_open(s->seed, 0x5fa11);
    return random_chance(&r, 2);
}

/* A sync fails: what becomes of its pages; those whose batches were in its group have not been told. */
static void sync_fails(void *context, levin_file *file)
{
    running *r = context;
    const history *h = &r->result->calls;
    for (unsigned i = 0; i < h->count; i++)
        r->result->failed_unwaited |= h->calls[i].result == HISTORY_OPEN &&
                                      (strstr(h->calls[i].text, "ticket") || strstr(h->calls[i].text, "callback"));
    if (sync_keeps_pages(r->s))
        simdisk_sync_keeps_pages(r->disk, file);
    else
        simdisk_sync_loses_pages(r->disk, file);
}

/* Whether this allocation of the fault's thread is one that fails. */
static bool allocation_fails(const char *point, int *os_error)
{
    running *r = now;
    const fault_rule *rule = &r->s->fault;
    if (strcmp(point, "levin/mem/alloc") != 0 || schedule_self() != r->s->fault_thread)
        return false; /* the scenario's threads have the numbers after the main one */
    r->allocations++;
    if (r->allocations != rule->nth && !(rule->forever && r->allocations > rule->nth))
        return false;
    *os_error = rule->os_error;
    r->hook_fired++;
    r->result->failed_beside |= schedule_outside();
    return true;
}

static void close_store(running *r)
{
    history *h = &r->result->calls;
    operations_close_spaces(&r->o);
    levin_code code = levin_close(r->o.store);
    uint64_t pieces, bytes;
    if (code != LEVIN_OK && !r->s->has_fault)
        schedule_found(SCHEDULE_CHECK, "the close failed without a fault: %s", levin_code_name(code));
    if (h->count == HISTORY_CALLS_MAX)
        schedule_found(SCHEDULE_CHECK, "the history is too short");
    history_call *c = &h->calls[h->count++];
    *c = (history_call){ .invoked = h->now, .returned = h->now + 1, .result = HISTORY_DONE, .text = "close",
                         .barrier = code == LEVIN_OK };
    h->now += 2;
    for (unsigned i = 0; i + 1 < h->count; i++)
        if (h->calls[i].result == HISTORY_OPEN)
            schedule_found(SCHEDULE_CHECK, "a call never came to its end: %s", h->calls[i].text);
    memory_held(&pieces, &bytes);
    if (pieces)
        schedule_found(SCHEDULE_CHECK, "%llu pieces of memory were not given back, %llu bytes",
                       (unsigned long long)pieces, (unsigned long long)bytes);
}

static void run_threads(void *argument)
{
    running *r = argument;
    levin_error error;
    unsigned bits = 0;
    store_options(&r->options, r->s, r->io);
    r->o.path = STORE_PATH;
    r->o.beside = &r->options;
    if (levin_open(STORE_PATH, &r->options, &r->o.store, &error) != LEVIN_OK)
        schedule_found(SCHEDULE_CHECK, "the store cannot be opened: %s", error.message);
    for (unsigned t = 0; t < r->s->threads; t++)
        bits |= 1u << schedule_spawn(thread_run, (void *)(uintptr_t)t);
    if (r->faults && r->s->fault_thread)
        fault_io_set_point_hook(r->faults, allocation_fails);
    else if (r->faults)
        fault_io_set_rules(r->faults, &r->s->fault, 1);
    r->result->began = true;
    schedule_begin();
    schedule_join(bits);
    operations_read_all(&r->o);
    close_store(r);
}

/* ---- recovery --------------------------------------------------------------------------------------------- */

typedef struct recovery {
    const scenario *s;
    const levin_io *io;
    history_state state;
} recovery;

static void recover(void *argument)
{
    recovery *r = argument;
    scenario plain = *r->s;
    levin_options options;
    levin *store;
    levin_error error;
    plain.background = false;
    store_options(&options, &plain, r->io);
    levin_code code = levin_open(STORE_PATH, &options, &store, &error);
    if (code != LEVIN_OK)
        schedule_found(SCHEDULE_CHECK, "the store cannot be opened again: %s", error.message);
    code = operations_state(store, r->state);
    if (code != LEVIN_OK)
        schedule_found(SCHEDULE_CHECK, "the store cannot be read after the recovery: %s", levin_code_name(code));
    code = levin_close(store);
    if (code != LEVIN_OK)
        schedule_found(SCHEDULE_CHECK, "the store cannot be closed after the recovery: %s", levin_code_name(code));
}

static void note_finding(run_result *result, const char *kind, const char *text)
{
    result->found = true;
    snprintf(result->kind, sizeof result->kind, "%s", kind);
    snprintf(result->text, sizeof result->text, "%s", text);
}

/* What could not be decided is counted, and no finding. */
static bool explains(history_verdict verdict, run_result *result)
{
    result->undecided += verdict == HISTORY_UNDECIDED;
    return verdict != HISTORY_UNEXPLAINED;
}

/* Opens the store in the image and judges what it shows. */
static void judge_image(const scenario *s, const disk_image *image, bool process_end, const char *how,
                        run_result *result)
{
    const schedule_plan plan = { .strategy = SCHEDULE_GIVEN };
    schedule_outcome *outcome = &result->recovery;
    simdisk *disk = simdisk_create(image, NULL);
    schedule_io io;
    recovery r = { .s = s };
    char text[400];
    schedule_io_init(&io, simdisk_io(disk));
    r.io = schedule_io_points(&io, &io.memory);
    schedule_run(&plan, recover, &r, outcome);
    schedule_io_end(&io);
    simdisk_destroy(disk, NULL);
    free(outcome->switches);
    outcome->switches = NULL;
    result->crash_states++;
    for (unsigned k = 0; k < HISTORY_KEYS; k++)
        result->digest = random_mix(result->digest + r.state[k] + outcome->digest);
    if (outcome->end != SCHEDULE_ENDED) {
        result->in_recovery = true;
        note_finding(result, outcome->end == SCHEDULE_CHECK ? "recovery" : schedule_end_text(outcome->end),
                     outcome->text);
    } else if (!explains(history_check_crash(&result->calls, r.state, process_end), result)) {
        snprintf(text, sizeof text, "%s: recovery shows a=%u b=%u c=%u d=%u%s, which no prefix of any order explains",
                 how, r.state[0], r.state[1], r.state[2], r.state[3], r.state[HISTORY_SPACE] ? " and a keyspace" : "");
        const size_t used = strlen(text);
        if (r.state[HISTORY_SPACE])
            snprintf(text + used, sizeof text - used, " (its k=%u)", r.state[HISTORY_IN_SPACE]);
        note_finding(result, "crash", text);
    }
}

/* Some of the states that a power cut at the end of the trace may leave: all kept, all dropped, one of the others. */
static void judge_crash(const scenario *s, const trace *t, const disk_image *start, run_result *result)
{
    crash_limits limits;
    crash_state state;
    random_stream r = random_open(s->seed, 0xc4a5);
    const uint64_t other = 2 + random_below(&r, STATES_SEEN - 2);
    crash_limits_init(&limits);
    limits.first_point = limits.last_point = trace_length(t);
    crash_explorer *e = crash_open(t, start, s->seed, &limits, NULL);
    const disk_image *last = NULL;
    char how[64] = "";
    /* a failed sync loses pages, also some that others had logged */
    const bool pages_lost = result->fault_fired && s->fault.operations & 1u << FAULT_SYNC && !sync_keeps_pages(s);
    for (uint64_t i = 0; i <= other && !result->found && crash_next(e, &state); i++) {
        if (i < 2) {
            judge_image(s, state.image, state.family == CRASH_ALL_KEPT && !pages_lost,
                        crash_family_text(state.family), result);
            continue;
        }
        disk_image_unref(last);
        last = disk_image_ref(state.image);
        snprintf(how, sizeof how, "%s, variant %llu", crash_family_text(state.family),
                 (unsigned long long)state.variant);
    }
    if (last && !result->found)
        judge_image(s, last, false, how, result);
    disk_image_unref(last);
    crash_close(e);
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

static void judge(const scenario *s, simdisk *disk, const trace *t, run_result *result)
{
    const schedule_end end = result->outcome.end;
    result->cut = end == SCHEDULE_CUT;
    if (end != SCHEDULE_ENDED && end != SCHEDULE_CUT) {
        note_finding(result, schedule_end_text(end), result->outcome.text);
        return;
    }
    if (!explains(history_check(&result->calls), result)) {
        note_finding(result, "not linearizable", "no order of the calls explains what they have read");
        return;
    }
    if (end == SCHEDULE_CUT || s->has_fault) {
        judge_crash(s, t, image_of(s->image), result);
    } else if (s->seed % REOPEN_ONE_IN == 0) {
        disk_image *image = simdisk_image(disk);
        judge_image(s, image, true, "reopened", result);
        disk_image_unref(image);
    }
}

/*
 * What the store holds when the threads start.  Readers may show the checkpoint alone: for them what stands in the log
 * is a batch that came after it.
 */
static void history_begin(const scenario *s, history *h)
{
    history_call log = { .returned = 1, .result = HISTORY_DONE, .synced = true, .text = "the log" };
    for (unsigned k = 0; k < SCENARIO_KEYS; k++) {
        const uint8_t number = (uint8_t)scenario_initial(s->image, k);
        const bool logged = k % 2 == 1 && scenario_has(s, OPERATION_READER);
        h->initial[k] = logged ? 0 : number;
        log.writes |= (uint8_t)((logged && number) << k);
        log.written[k] = number;
    }
    if (log.writes) {
        h->calls[h->count++] = log;
        h->now = 2;
    }
}

/* The power went while one thread was inside its sync and two others slept. */
static bool cut_in_sync(const schedule_outcome *o)
{
    unsigned syncing = 0, asleep = 0;
    for (unsigned i = 0; o->end == SCHEDULE_CUT && i < o->threads; i++) {
        syncing += strstr(o->at[i].doing, "in sync, which is done") != NULL;
        asleep += !strncmp(o->at[i].doing, "sleeps", 6) && strstr(o->at[i].name, "engine") == NULL;
    }
    return syncing && asleep >= 2;
}

void run_scenario(const scenario *s, const run_options *options, run_result *result)
{
    const disk_image *start = image_of(s->image);
    trace *t = s->cut_at || s->cut_in_sync || s->has_fault ? trace_create() : NULL;
    simdisk *disk = simdisk_create(start, t);
    schedule_io io;
    running r = { .s = s, .disk = disk, .result = result };
    const schedule_plan plan = { .strategy = s->strategy, .seed = s->seed, .depth = s->depth, .length = s->length,
                                 .switches = s->switches, .switch_count = s->switch_count, .cut_at = s->cut_at,
                                 .cut_in_sync = s->cut_in_sync, .races = options->races, .startles = s->startles,
                                 .tree = s->tree, .record = options->record };
    memset(result, 0, offsetof(run_result, recovery));
    result->in_recovery = false;
    schedule_io_init(&io, simdisk_io(disk));
    if (s->has_fault) {
        r.faults = fault_io_create(&io.memory);
        fault_io_on_failed_sync(r.faults, sync_fails, &r);
    }
    r.io = schedule_io_points(&io, r.faults ? fault_io_table(r.faults) : &io.memory);
    r.o = (operations){ .s = s, .calls = &result->calls };
    result->calls.faults = s->has_fault;
    result->calls.sync_only = s->has_fault && s->fault.kinds == 1u << LEVIN_FILE_WAL &&
                              s->fault.operations == 1u << FAULT_SYNC;
    result->calls.steps_max = options->steps_max;
    history_begin(s, &result->calls);
    now = &r;
    schedule_run(&plan, run_threads, &r, &result->outcome);
    result->digest = result->outcome.digest;
    if (r.faults) {
        result->fault_fired = fault_io_fired(r.faults, 0) + r.hook_fired > 0;
        fault_io_set_rules(r.faults, NULL, 0);
        fault_io_set_point_hook(r.faults, NULL);
    }
    schedule_io_end(&io);
    result->cut_in_sync = cut_in_sync(&result->outcome);
    judge(s, disk, t, result);
    fault_io_destroy(r.faults);
    simdisk_destroy(disk, NULL);
    trace_destroy(t);
}

void run_result_free(run_result *result)
{
    free(result->outcome.switches);
    result->outcome.switches = NULL;
}
