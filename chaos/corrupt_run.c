/*
 * corrupt_run.c - what a store makes of one damage.
 *
 * Judged (DETECT): every answer is right or LEVIN_CORRUPT, and that names a file of the store, a place in it or at
 * its end, in its message too; levin_check() finds a fault whenever a read did; memory and calls are bounded;
 * nothing is left behind.  A store in which levin_check() finds no fault is a whole one: what is written to it then
 * is there after a checkpoint, a collection and a reopening, and no call fails.  Whether that is tried, one in
 * TAIL_ONE_IN, and the probes depend on the damage alone.
 *
 * A signal and a hang are seen by the crew.
 */
#include "corrupt_run.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "../faults/random.h"
#include "../faults/simdisk.h"
#include "verify.h"

enum { TAIL_ONE_IN = 8, POINTS = 4, RANGES = 2, OWN_VALUE_BYTES = 900, LOCATED_MAX = 16 };
enum { MEMORY_MAX = 32 << 20, CALLS_MAX = 1 << 20 };

static const char own_key[] = "a key put after the damage";

typedef struct run {
    const corrupt_life *life;
    const corrupt_image *from;
    const damage *d;
    corrupt_outcome *out;
    simdisk *disk;
    uint64_t corrupt; /* answers of LEVIN_CORRUPT */
    uint64_t draw;
    const char *phase;
} run;

static bool violated(run *r, const char *promise, const oracle_verdict *v)
{
    oracle_fault(&r->out->verdict, promise, "%s", v->text);
    r->out->phase = r->out->phase ? r->out->phase : r->phase;
    return false;
}

static bool wrong(run *r, const char *promise, const char *what, levin_code code, const char *message)
{
    oracle_verdict v = { 0 };
    oracle_fault(&v, promise, "%s: %s: %s", what, levin_code_name(code), message);
    return violated(r, promise, &v);
}

/* ---- LEVIN_CORRUPT ---------------------------------------------------------------------------------------- */

static bool names_file_of_store(const char *file)
{
    static const char *const begins[] = { "pages", "lock", "wal-", "vlog-", "vlog." };
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        if (!strncmp(file, begins[i], strlen(begins[i])))
            return true;
    return false;
}

/* Whether the offset is in the file, or at its end; a file that is not there has all offsets. */
static bool inside(const run *r, const levin_error *e)
{
    disk_image *now = simdisk_image(r->disk);
    const disk_node directory = disk_image_find(now, VERIFY_PATH);
    const disk_node node = directory == DISK_NONE ? DISK_NONE : disk_image_lookup(now, directory, e->file);
    const bool good = node == DISK_NONE || e->offset <= disk_image_size(now, node);
    disk_image_unref(now);
    return good;
}

static void on_corrupt(void *context, const char *call, const levin_error *e)
{
    run *r = context;
    if (r->corrupt++ == 0) {
        r->out->first = *e;
        r->out->named = !strcmp(e->file, r->d->name) || (r->d->other && !strcmp(e->file, r->d->other));
    }
    if (e->code != LEVIN_CORRUPT || !names_file_of_store(e->file) || !strstr(e->message, e->file) ||
        !strstr(e->message, "offset"))
        wrong(r, "DETECT", "LEVIN_CORRUPT that does not say where", e->code, e->message[0] ? e->message : call);
    else if (r->corrupt <= LOCATED_MAX && !inside(r, e))
        wrong(r, "DETECT", "LEVIN_CORRUPT that names a place outside of the file", e->code, e->message);
}

static bool on_check_fault(void *context, const levin_error *fault)
{
    on_corrupt(context, "levin_check", fault);
    return true;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static bool open_store(run *r, levin **store)
{
    levin_options options;
    levin_error error = { 0 };
    workload_store_options(r->life->w, simdisk_io(r->disk), &options);
    options.create_if_missing = false;
    *store = NULL;
    const levin_code code = levin_open(VERIFY_PATH, &options, store, &error);
    if (code == LEVIN_OK)
        return true;
    disk_image *now = simdisk_image(r->disk);
    const bool gone = disk_image_find(now, VERIFY_PATH "/pages") == DISK_NONE;
    disk_image_unref(now);
    if (code == LEVIN_CORRUPT)
        on_corrupt(r, r->phase, &error);
    else if (code != LEVIN_NO_STORE || !gone)
        wrong(r, "DETECT", r->phase, code, error.message);
    return false;
}

static oracle_check_options reading(run *r, const levin_snapshot *snapshot)
{
    return (oracle_check_options){ .snapshot = snapshot, .seed = r->draw, .points = POINTS, .ranges = RANGES,
                                   .corrupt = on_corrupt, .context = r };
}

static bool close_store(run *r, levin *store, bool may_fail)
{
    const levin_code code = levin_close(store);
    if (code == LEVIN_OK || (code == LEVIN_CORRUPT && may_fail))
        return true;
    return wrong(r, "FAULT", "levin_close", code, "of a store that was opened on damage");
}

/* All reads, of a snapshot or past one, against one state. */
static bool read_store(run *r, oracle *o, uint32_t state, levin *store, oracle_verdict *v)
{
    levin_snapshot *snapshot = NULL;
    if (r->draw % 2) {
        const levin_code code = levin_snapshot_create(store, &snapshot);
        if (code != LEVIN_OK)
            return wrong(r, "DETECT", "levin_snapshot_create", code, "of a store that was opened on damage");
    }
    const oracle_check_options options = reading(r, snapshot);
    const bool good = oracle_check_damaged(o, state, store, &options, v);
    levin_snapshot_release(snapshot);
    return good;
}

/*
 * An answer is not that of the whole store: legal if the log may end early, and everything is as in one state before.
 * The state found, or ORACLE_NO_STATE.
 */
static uint32_t earlier_state(run *r, const disk_image *damaged, levin *store, const oracle_verdict *found)
{
    oracle *o = r->life->o;
    uint64_t *times = fatal_alloc((damage_judge_pieces(r->from->judge) + 1) * sizeof *times);
    const size_t cuts = damage_judge_cuts(r->from->judge, damaged, times);
    const oracle_check_options options = reading(r, NULL);
    const uint64_t corrupt = r->corrupt;
    oracle_verdict v = *found;
    bool legal = false;
    if (cuts) {
        oracle_legal any = oracle_legal_process_end(o, times[0]);
        any.last = oracle_legal_process_end(o, times[cuts - 1]).last;
        v = (oracle_verdict){ 0 };
        oracle_check(o, &any, store, &options, &v);
        legal = !v.promise && r->corrupt > corrupt; /* told before the state was known */
    }
    for (size_t i = 0; i < cuts && !v.promise && !legal; i++) {
        const oracle_legal one = oracle_legal_process_end(o, times[i]);
        oracle_verdict at;
        legal = oracle_check_state(o, &one, v.state, &at);
    }
    free(times);
    if (legal && r->corrupt == corrupt && read_store(r, o, v.state, store, &v))
        return v.state;
    if (v.promise)
        violated(r, cuts ? v.promise : "DETECT", &v);
    else if (!legal)
        violated(r, "PREFIX", found);
    return ORACLE_NO_STATE;
}

static bool check_store(run *r, levin *store, bool *clean)
{
    const uint64_t before = r->corrupt;
    levin_check_result result = { 0 };
    const levin_code code = levin_check(store, on_check_fault, r, &result);
    *clean = code == LEVIN_OK;
    if (code != LEVIN_OK && code != LEVIN_CORRUPT)
        return wrong(r, "DETECT", "levin_check", code, "of a store that was opened on damage");
    if (*clean != (r->corrupt == before) || *clean != (result.faults == 0))
        return wrong(r, "DETECT", "levin_check counts other faults than it reports", code, "");
    if (*clean && before)
        return wrong(r, "DETECT", "levin_check finds no fault, but a read did", LEVIN_CORRUPT, r->out->first.message);
    return true;
}

/* ---- going on --------------------------------------------------------------------------------------------- */

static bool allowed(run *r, bool clean, levin_code code, const char *what)
{
    if (code == LEVIN_OK || (code == LEVIN_CORRUPT && !clean))
        return true;
    return wrong(r, "DETECT", what, code, clean ? "though levin_check() found no fault" : "of a damaged store");
}

/* Writes, a checkpoint, a collection; closes, opens and reads again. Takes the store. */
static bool live_on(run *r, uint32_t state, levin *store, bool clean)
{
    unsigned char value[OWN_VALUE_BYTES];
    random_stream random = random_open(r->draw, 1);
    oracle *after = oracle_continue(r->life->o, state);
    random_fill(&random, value, sizeof value);
    oracle_put(after, own_key, sizeof own_key - 1, value, sizeof value);
    const uint32_t own = oracle_submit(after, LEVIN_SYNCED, 0);
    r->phase = "writes after the damage";
    r->out->gone_on = true;
    const levin_code put = levin_put(store, own_key, sizeof own_key - 1, value, sizeof value, LEVIN_SYNCED);
    bool good = allowed(r, clean, put, "levin_put") && allowed(r, clean, levin_checkpoint(store), "levin_checkpoint") &&
                allowed(r, clean, levin_collect(store, 50 + (uint32_t)(r->draw % 51)), "levin_collect");
    good = close_store(r, store, !clean) && good;
    r->phase = "reopening after writes";
    if (put == LEVIN_OK)
        oracle_acknowledge(after, own, 1);
    const uint64_t corrupt = r->corrupt;
    if (good && put == LEVIN_OK && open_store(r, &store)) {
        oracle_verdict v = { 0 };
        if (!read_store(r, after, own, store, &v) && v.promise)
            good = violated(r, v.promise, &v);
        if (!close_store(r, store, !clean))
            good = false;
    }
    if (clean && r->corrupt != corrupt)
        good = wrong(r, "DETECT", "levin_check found no fault, but after writes and reopening", LEVIN_CORRUPT,
                     r->out->first.message);
    oracle_destroy(after);
    return good && !r->out->verdict.promise;
}

/* ---- the whole -------------------------------------------------------------------------------------------- */

/* Takes the store. */
static void judge_store(run *r, const disk_image *damaged, levin *store)
{
    oracle_verdict v = { 0 };
    uint32_t state = r->from->state;
    bool clean = false, cut = false;
    r->phase = "reads";
    if (!read_store(r, r->life->o, state, store, &v) && v.promise) {
        state = earlier_state(r, damaged, store, &v);
        cut = state != ORACLE_NO_STATE;
    }
    const bool read = r->corrupt > 0;
    r->phase = "levin_check";
    const bool checked = !r->out->verdict.promise && check_store(r, store, &clean);
    r->out->fate = read ? CORRUPT_AT_READ : !clean ? CORRUPT_AT_CHECK : cut ? CORRUPT_TAIL_CUT : CORRUPT_HARMLESS;
    if (checked && state != ORACLE_NO_STATE && r->draw / 2 % TAIL_ONE_IN == 0)
        live_on(r, state, store, clean);
    else
        close_store(r, store, true);
}

bool corrupt_run(const corrupt_life *life, const corrupt_item *item, corrupt_outcome *out)
{
    const corrupt_image *from = &life->images[item->image];
    const damage d = corrupt_item_damage(life, item);
    disk_image *damaged = disk_image_fork(from->image);
    *out = (corrupt_outcome){ .fate = CORRUPT_SAME };
    damage_do(damaged, &d);
    if (disk_image_digest(damaged) == disk_image_digest(from->image)) {
        disk_image_unref(damaged);
        return true;
    }
    run r = { .life = life, .from = from, .d = &d, .out = out, .disk = simdisk_create(damaged, NULL),
              .draw = random_mix(random_mix(item->number * 31 + item->file) + item->kind), .phase = "levin_open" };
    levin *store;
    if (open_store(&r, &store))
        judge_store(&r, damaged, store);
    else
        out->fate = CORRUPT_AT_OPEN;
    disk_image_unref(damaged);
    simdisk_usage usage;
    r.phase = "after the close";
    if (!simdisk_destroy(r.disk, &usage) && !out->verdict.promise)
        wrong(&r, "FAULT", "memory or open files are left behind", LEVIN_OK, "");
    if (usage.memory_peak_bytes > MEMORY_MAX || usage.calls > CALLS_MAX)
        wrong(&r, "DETECT", "memory or calls without bound", LEVIN_OK, "");
    if (out->verdict.promise)
        out->fate = CORRUPT_WRONG;
    return out->fate != CORRUPT_WRONG;
}
