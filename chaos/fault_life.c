/*
 * fault_life.c - see fault_life.h.
 */
#include "fault_life.h"

#include "../faults/crash.h"
#include "../faults/random.h"
#include "../faults/reverted_sync.h"

enum { CRASH_VARIANTS = 4, NEAR_CALLS = 12 };

static uint64_t life_now(void *context)
{
    return trace_length(context);
}

static void fail_sync(const fault_life *l, levin_file *file, simdisk_failed_sync what)
{
    if (l->mirror)
        mirror_io_fail_sync(l->mirror, file, what);
    else
        simdisk_fail_sync(l->disk, file, what);
}

static void failed_sync(void *context, levin_file *file)
{
    const fault_life *l = context;
    fail_sync(l, file, l->failed_sync);
}

static void kept_sync(void *context, levin_file *file)
{
    fail_sync(context, file, SIMDISK_SYNC_KEEPS_PAGES);
}

static void revert_sync(void *context, levin_file *file)
{
    const fault_life *l = context;
    if (l->mirror)
        mirror_io_reverted_sync(l->mirror, file, l->start);
    else
        reverted_sync(l->disk, file, l->t, l->start);
}

/* Only plans have it, and their lives are mirrored. */
static void late_sync(void *context, levin_file *file)
{
    mirror_io_late_sync(((const fault_life *)context)->mirror, file);
}

/* Before each call that is hurt. */
static void witness(void *context, const fault_call *call, fault_effect effect)
{
    fault_life *l = context;
    const unsigned kind = 1u << call->kind;
    const uint64_t now = trace_length(l->t);
    l->first_at = now < l->first_at ? now : l->first_at;
    if (effect == FAULT_ERROR_REVERTED) {
        l->hurt.reverted |= kind;
    } else if (effect == FAULT_LIE || effect == FAULT_LATE) {
        l->hurt.lies |= kind;
    } else if (plan_effect_damages(effect) && call->operation == FAULT_READ) {
        l->hurt.reads |= kind;
    } else if (plan_effect_damages(effect)) {
        l->hurt.writes |= kind;
        l->hurt.misdirected |= effect == FAULT_MISDIRECT;
        l->hurt.first_write = now < l->hurt.first_write ? now : l->hurt.first_write;
    }
}

uint64_t fault_life_fired(const fault_life *l)
{
    return l->fired ? l->fired(l->fired_context) : fault_io_fired(l->f, 0);
}

void fault_life_calm(fault_life *l)
{
    fault_io_set_rules(l->f, NULL, 0);
    fault_io_set_judge(l->f, NULL, NULL);
}

void fault_life_begin(fault_life *l, const fault_scenario *scenario)
{
    l->t = trace_create();
    l->disk = simdisk_create(scenario->start, l->t);
    l->start = scenario->start;
    l->hurt = (fault_hurt){ .first_write = UINT64_MAX };
    l->first_at = UINT64_MAX;
    if (l->mirrored) {
        l->meant = trace_create();
        l->meant_disk = simdisk_create(scenario->start, l->meant);
        l->mirror = mirror_io_create(l->disk, l->t, l->meant_disk, l->meant);
        l->f = fault_io_create(mirror_io_both(l->mirror));
        fault_io_split(l->f, mirror_io_hurt(l->mirror), mirror_io_meant(l->mirror));
    } else {
        l->f = fault_io_create(simdisk_io(l->disk));
    }
    fault_io_set_witness(l->f, witness, l);
    l->o = scenario->from ? oracle_continue(scenario->from, scenario->from_state) : oracle_create();
    oracle_keep_past(l->o);
    fault_io_on_failed_sync(l->f, failed_sync, l);
    fault_io_on_kept_sync(l->f, kept_sync, l);
    fault_io_on_reverted_sync(l->f, revert_sync, l);
    fault_io_on_late_sync(l->f, late_sync, l);
}

void fault_life_end(fault_life *l)
{
    fault_io_destroy(l->f);
    bool clean = simdisk_destroy(l->disk, NULL);
    (void)clean; /* what the store leaves behind was counted by fault_io_held() */
    mirror_io_destroy(l->mirror);
    if (l->meant_disk)
        clean = simdisk_destroy(l->meant_disk, NULL);
    trace_destroy(l->meant);
    trace_destroy(l->t);
    oracle_destroy(l->after_cut);
    oracle_destroy(l->o);
}

bool fault_life_wrong(fault_outcome *out, const char *phase, const oracle_verdict *v)
{
    out->verdict = *v;
    out->phase = phase;
    return false;
}

/* The fault is over: the handle shows what was accepted. */
static bool check_handle(fault_life *l, levin *store, uint64_t seed, fault_outcome *out)
{
    oracle_check_options with = { .seed = seed, .points = VERIFY_POINTS, .ranges = VERIFY_RANGES };
    oracle_legal legal = oracle_legal_live(l->o);
    oracle_verdict v;
    return oracle_check(l->o, &legal, store, &with, &v) ||
           fault_life_wrong(out, FAULT_LIFE_PHASE_OVER, &v);
}

bool fault_life_check_held(const fault_life *l, fault_outcome *out)
{
    uint64_t files, bytes, pieces;
    fault_io_held(l->f, &files, &bytes, &pieces);
    if (files == 0 && pieces == 0)
        return true;
    oracle_fault(&out->verdict, "FAULT", "after the close %llu files are open and %llu bytes in %llu pieces are held",
                 (unsigned long long)files, (unsigned long long)bytes, (unsigned long long)pieces);
    out->phase = "after the close";
    return false;
}

oracle *fault_life_judge(const fault_life *l, const fault_scenario *scenario, uint64_t point, oracle_legal *legal)
{
    const bool unseen = scenario->from && point < l->opened;
    if (l->after_cut && point >= l->cut_at) {
        *legal = oracle_legal_crash(l->after_cut, point);
        return l->after_cut;
    }
    oracle *o = oracle_at(l->o, point);
    *legal = unseen ? scenario->from_legal : oracle_legal_crash(o, point);
    return unseen ? scenario->from : o;
}

/* A power cut at that point: the variants that come first (all kept, all dropped, ...). */
static bool cut_at(const workload *w, fault_life *l, const fault_scenario *scenario, uint64_t seed, uint64_t point,
                   fault_outcome *out)
{
    crash_limits limits;
    crash_limits_init(&limits);
    limits.first_point = limits.last_point = point;
    crash_explorer *e = crash_open(l->t, scenario->start, seed, &limits, NULL);
    oracle_legal legal;
    oracle *o = fault_life_judge(l, scenario, point, &legal);
    crash_state s;
    bool good = true;
    for (int i = 0; i < CRASH_VARIANTS && good && crash_next(e, &s); i++) {
        verify_options options = { .seed = seed, .points = VERIFY_POINTS, .ranges = VERIFY_RANGES };
        verify_result result;
        good = verify_image(w, s.image, o, &legal, &options, &result) ||
               fault_life_wrong(out, "power cut after the fault", &result.verdict);
        oracle_destroy(result.after);
    }
    crash_close(e);
    return good;
}

bool fault_life_cut_point(const fault_life *l, uint64_t seed, unsigned which, fault_outcome *out, uint64_t *point)
{
    const uint64_t end = trace_length(l->t);
    uint64_t near = l->first_at;
    if (which == 1 && l->first_at == UINT64_MAX)
        return false;
    if (which == 1) {
        near += random_mix(seed ^ l->first_at) % NEAR_CALLS;
        out->near_cuts++;
    }
    out->cuts++;
    *point = which == 0 ? random_mix(seed + out->fired + end) % (end + 1) : which == 1 && near < end ? near : end;
    return true;
}

bool fault_life_check_power_cut(const workload *w, fault_life *l, const fault_scenario *scenario, uint64_t seed,
                                fault_outcome *out)
{
    bool good = true;
    uint64_t point;
    for (unsigned which = 0; which < FAULT_LIFE_CUTS && good; which++)
        if (fault_life_cut_point(l, seed, which, out, &point))
            good = cut_at(w, l, scenario, seed, point, out);
    return good;
}

bool fault_life_check_reopened(const workload *w, fault_life *l, uint64_t seed, fault_outcome *out)
{
    disk_image *image = simdisk_image(l->disk);
    oracle_legal legal = oracle_legal_crash(l->o, trace_length(l->t));
    verify_options options = { .seed = seed, .tail = true, .points = VERIFY_POINTS, .ranges = VERIFY_RANGES };
    verify_result result;
    bool good = verify_image(w, image, l->o, &legal, &options, &result) ||
                fault_life_wrong(out, "reopened without faults", &result.verdict);
    oracle_destroy(result.after);
    disk_image_unref(image);
    return good;
}

bool fault_life_run(fault_life *l, const fault_scenario *scenario, uint64_t seed, fault_outcome *out)
{
    workload_target target = {
        .io = fault_io_table(l->f), .path = VERIFY_PATH, .o = l->o, .now = life_now, .context = l->t, .faults = true,
        .script = l->script
    };
    workload_result lived;
    bool good = workload_run(scenario->w, &target, true, &lived) ||
                fault_life_wrong(out, "life with the fault", &lived.verdict);
    out->failures = lived.failures;
    l->opened = lived.opened;
    out->fired = fault_life_fired(l);
    bool over = out->fired > 0;
    if (over)
        fault_life_calm(l);
    if (!lived.store)
        return good;
    if (good && over)
        good = check_handle(l, lived.store, seed, out);
    levin_code code = levin_close(lived.store);
    if (code == LEVIN_OK)
        oracle_durable(l->o, trace_length(l->t));
    if (!over)
        out->fired = fault_life_fired(l);
    return good;
}

bool fault_life_count(fault_life *l, fault_scenario *scenario, uint64_t seed, fault_outcome *out)
{
    const fault_rule never = { .kinds = FAULT_KINDS_ALL, .operations = FAULT_OPERATIONS_ALL };
    fault_life_begin(l, scenario);
    fault_io_set_rules(l->f, &never, 1);
    const bool good = fault_life_run(l, scenario, seed, out) && fault_life_check_held(l, out);
    for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (int operation = 0; operation < FAULT_OPERATION_COUNT; operation++)
            if (fault_point_exists((levin_file_kind)kind, (fault_operation)operation))
                scenario->calls[kind][operation] =
                    operation == FAULT_ALLOC ? fault_io_alloc_calls(l->f)
                                             : fault_io_calls(l->f, (levin_file_kind)kind, (fault_operation)operation);
    return good;
}
