/*
 * fault_damage.c - see fault_damage.h.
 *
 * The states that are legal are those of moments: instants at which the power, or the process, may have ended.  A store
 * that answers LEVIN_CORRUPT before its state is known is held to be in one of them if all that it does answer is right
 * there.
 *
 * Concurrency: none.
 */
#include "fault_damage.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/crash.h"
#include "../faults/damage_judge.h"
#include "../faults/fatal.h"
#include "../faults/random.h"
#include "workload_reader.h"

enum { VARIANTS = 4 };

typedef struct moment {
    oracle *o;
    oracle_legal legal;
} moment;

typedef struct damaged {
    const workload *w;
    fault_life *l;
    fault_outcome *out;
    const char *phase;
    uint64_t seed;
    unsigned kinds;         /* that LEVIN_CORRUPT may name */
    moment *moments;        /* the strictest last: what is expected */
    size_t count, capacity;
    levin *store;
    uint64_t corrupt;       /* answers of LEVIN_CORRUPT */
    oracle *o;              /* with state: where it was found */
    uint32_t state;         /* ORACLE_NO_STATE: not known */
} damaged;

/* ---- what is told ----------------------------------------------------------------------------------------- */

/* The kinds that a file of that name is of; "": none. */
static unsigned kind_of(const char *file)
{
    static const struct {
        const char *begin;
        levin_file_kind kind;
    } kinds[] = { { "pages", LEVIN_FILE_PAGES }, { "wal", LEVIN_FILE_WAL }, { "vlog", LEVIN_FILE_VLOG },
                  { "lock", LEVIN_FILE_LOCK } };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strncmp(file, kinds[i].begin, strlen(kinds[i].begin)))
            return 1u << kinds[i].kind;
    return 0;
}

/* A name that was not made durable takes any file along; where a value is gone, the group of the log that needs it. */
static unsigned may_be_named(unsigned kinds)
{
    if (kinds >> LEVIN_FILE_DIR & 1)
        return FAULT_KINDS_ALL;
    return kinds >> LEVIN_FILE_VLOG & 1 ? kinds | 1u << LEVIN_FILE_WAL : kinds;
}

/* Where the log may end, by what is damaged of what was meant; times is the caller's. Returns how many. */
static size_t ends_of_log(const fault_life *l, const disk_image *hurt, const disk_image *meant, uint64_t length,
                          uint64_t **times)
{
    const disk_node directory = disk_image_find(meant, VERIFY_PATH);
    *times = NULL;
    if (directory == DISK_NONE)
        return 0;
    damage_judge *j = damage_judge_create(l->meant, length, meant, directory);
    *times = fatal_alloc((damage_judge_pieces(j) + 1) * sizeof **times);
    const size_t count = damage_judge_cuts(j, hurt, *times);
    damage_judge_destroy(j);
    return count;
}

/* Whether the store, reopened while the life went on, was right to end its log where it did. */
static bool log_may_end(const fault_life *l, uint32_t state)
{
    const disk_image *hurt, *meant;
    uint64_t length, *times;
    bool legal = false;
    if (state == ORACLE_NO_STATE || !l->mirror || !mirror_io_at_open(l->mirror, &hurt, &meant, &length))
        return false;
    const size_t count = ends_of_log(l, hurt, meant, length, &times);
    for (size_t i = 0; i < count && !legal; i++) {
        oracle *o = oracle_at(l->o, times[i]);
        const oracle_legal one = oracle_legal_process_end(o, times[i]);
        oracle_verdict v;
        legal = o == l->o && oracle_check_state(o, &one, state, &v); /* its number is of the newest history */
    }
    free(times);
    return legal;
}

/* A reader beside the writer sees page files alone: where the newest meta page was lost, the checkpoint before it. */
static bool reader_may_be_behind(const fault_life *l, const oracle_verdict *v)
{
    return l->hurt.writes >> LEVIN_FILE_PAGES & 1 && v->code == LEVIN_OK && v->state != ORACLE_NO_STATE &&
           !strncmp(v->text, WORKLOAD_READER_TEXT, strlen(WORKLOAD_READER_TEXT));
}

/* An older meta page, where the newest is hurt, names files that are gone, or have another life: as a whole, at 0. */
static bool is_of_older(unsigned kinds, const char *file, uint64_t offset)
{
    return kinds >> LEVIN_FILE_PAGES & 1 && kind_of(file) && offset == 0;
}

bool fault_damage_is_told(fault_life *l, fault_outcome *out)
{
    const oracle_verdict *v = &out->verdict;
    const bool over = out->phase && !strcmp(out->phase, FAULT_LIFE_PHASE_OVER);
    const unsigned kinds = may_be_named(l->hurt.writes | l->hurt.reverted | (over ? 0 : l->hurt.reads));
    const bool told = v->code == LEVIN_CORRUPT &&
                      (kind_of(v->file) & kinds || is_of_older(l->hurt.writes, v->file, v->offset));
    const bool cut = v->code == LEVIN_OK && !over && log_may_end(l, v->state);
    if (!told && !cut && !reader_may_be_behind(l, v))
        return false;
    if (cut) { /* the truth from here on */
        l->after_cut = oracle_continue(l->o, v->state);
        l->cut_at = trace_length(l->t);
    }
    out->verdict = (oracle_verdict){ .state = ORACLE_NO_STATE };
    out->told += told;
    return true;
}

static bool violated(damaged *d, const char *promise, const char *what, const char *text)
{
    if (!d->out->verdict.promise) {
        oracle_fault(&d->out->verdict, promise, "%s: %s", what, text);
        d->out->phase = d->phase;
    }
    return false;
}

static void on_corrupt(void *context, const char *call, const levin_error *e)
{
    damaged *d = context;
    d->corrupt++;
    if (!(kind_of(e->file) & d->kinds) && !is_of_older(d->kinds, e->file, e->offset))
        violated(d, "DETECT", "LEVIN_CORRUPT of a file that was not hurt", e->message[0] ? e->message : call);
}

static bool on_check_fault(void *context, const levin_error *fault)
{
    on_corrupt(context, "levin_check", fault);
    return true;
}

/* ---- moments ---------------------------------------------------------------------------------------------- */

static void add_moment(damaged *d, oracle *o, oracle_legal legal)
{
    const moment *last = d->count ? &d->moments[d->count - 1] : NULL;
    if (last && last->o == o && last->legal.first == legal.first && last->legal.last == legal.last &&
        last->legal.barrier == legal.barrier)
        return;
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? 2 * d->capacity : 64;
        d->moments = fatal_realloc(d->moments, d->capacity * sizeof *d->moments);
    }
    d->moments[d->count++] = (moment){ o, legal };
}

/* Every power cut from one point to another; `before`: and all of the history that led to the scenario. */
static void add_cuts(damaged *d, const fault_scenario *scenario, uint64_t from, uint64_t to, bool before)
{
    for (uint64_t point = 0; before && scenario->from && point < scenario->from_legal.time; point++)
        add_moment(d, scenario->from, oracle_legal_crash(scenario->from, point));
    for (uint64_t point = from; point <= to; point++) {
        oracle_legal legal;
        oracle *o = fault_life_judge(d->l, scenario, point, &legal);
        add_moment(d, o, legal);
    }
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static oracle_check_options reading(damaged *d)
{
    return (oracle_check_options){ .seed = d->seed, .points = VERIFY_POINTS, .ranges = VERIFY_RANGES,
                                   .corrupt = on_corrupt, .context = d };
}

/* Whether all answers are right in that state; *v says what is not. */
static bool reads_as(damaged *d, oracle *o, uint32_t state, oracle_verdict *v)
{
    const oracle_check_options options = reading(d);
    return oracle_check_damaged(o, state, d->store, &options, v);
}

/* Of the moments [first, end) of one history: whether the store is as in one of them. */
static bool is_in_history(damaged *d, size_t first, size_t end, oracle_verdict *v)
{
    oracle *o = d->moments[first].o;
    const oracle_check_options options = reading(d);
    const uint64_t corrupt = d->corrupt;
    oracle_legal any = d->moments[first].legal;
    oracle_verdict found;
    for (size_t i = first; i < end; i++) {
        const oracle_legal *one = &d->moments[i].legal;
        any.first = one->first < any.first ? one->first : any.first;
        any.last = one->last > any.last ? one->last : any.last;
        any.barrier = one->barrier < any.barrier ? one->barrier : any.barrier;
    }
    bool good = oracle_check(o, &any, d->store, &options, v);
    if (good && v->state != ORACLE_NO_STATE) {
        const uint32_t state = v->state;
        good = false;
        for (size_t i = end; i > first && !good; i--)
            if ((good = oracle_check_state(o, &d->moments[i - 1].legal, state, &found)))
                d->state = found.state;
            else if (i == end)
                *v = found;
        d->o = o;
        return good && (d->corrupt == corrupt || reads_as(d, o, d->state, v));
    }
    for (uint32_t state = any.last + 1; good && state-- > any.first;) { /* told before it was known */
        bool legal = false;
        for (size_t i = end; i > first && !legal; i--)
            legal = oracle_is_legal(o, &d->moments[i - 1].legal, state);
        if (legal && reads_as(d, o, state, v))
            return true;
    }
    return false;
}

/* Tells by what was expected, if the store is as in no moment. */
static bool is_in_a_moment(damaged *d)
{
    oracle_verdict expected = { 0 }, v;
    for (size_t end = d->count; end > 0;) {
        size_t first = end - 1;
        while (first > 0 && d->moments[first - 1].o == d->moments[end - 1].o)
            first--;
        if (is_in_history(d, first, end, &v))
            return true;
        if (end == d->count)
            expected = v;
        end = first;
    }
    return violated(d, expected.promise ? expected.promise : "EXACT", "after damage", expected.text);
}

static bool check_store(damaged *d, bool *whole)
{
    const uint64_t before = d->corrupt;
    const levin_code code = levin_check(d->store, on_check_fault, d, NULL);
    *whole = code == LEVIN_OK && d->state != ORACLE_NO_STATE;
    if (code != LEVIN_OK && code != LEVIN_CORRUPT)
        return violated(d, "DETECT", "levin_check of a damaged store", levin_code_name(code));
    if (code == LEVIN_OK && before)
        return violated(d, "DETECT", "levin_check finds no fault", "but a read did");
    return !d->out->verdict.promise;
}

static bool open_store(damaged *d, const levin_io *io)
{
    levin_options options;
    levin_error error = { 0 };
    workload_store_options(d->w, io, &options);
    d->store = NULL;
    const levin_code code = levin_open(VERIFY_PATH, &options, &d->store, &error);
    if (code == LEVIN_CORRUPT)
        on_corrupt(d, "levin_open", &error);
    else if (code != LEVIN_OK)
        violated(d, "DETECT", "levin_open of a damaged store", error.message);
    return code == LEVIN_OK;
}

/* Whether the store in the image is as it may be; *whole: levin_check() found nothing, and its state is known. */
static bool judge_image(damaged *d, const disk_image *image, bool *whole)
{
    simdisk *disk = simdisk_create(image, NULL);
    bool good = true;
    d->corrupt = 0;
    d->state = ORACLE_NO_STATE;
    *whole = false;
    if (open_store(d, simdisk_io(disk))) {
        good = is_in_a_moment(d) && check_store(d, whole);
        const levin_code code = levin_close(d->store);
        if (code != LEVIN_OK && !(code == LEVIN_CORRUPT && d->corrupt))
            good = violated(d, "FAULT", "levin_close of a damaged store", levin_code_name(code));
    }
    if (!simdisk_destroy(disk, NULL))
        good = violated(d, "FAULT", "memory or files are left behind", "by a damaged store");
    d->out->told += d->corrupt > 0;
    return good && !d->out->verdict.promise;
}

/* ---- power cuts ------------------------------------------------------------------------------------------- */

/* The first sync before `point` that was not made, nor made up for by then; UINT64_MAX: none. */
static uint64_t owed_since(const fault_life *l, uint64_t point)
{
    for (uint64_t at = 0; l->hurt.lies && at < point; at++) {
        const trace_entry *meant = trace_at(l->meant, at);
        const trace_entry *made = trace_at(l->t, at);
        if (meant->op == TRACE_SYNC && made->op == TRACE_SYNC_LOST)
            return at; /* its pages are clean: no later sync writes them */
        bool owed = (meant->op == TRACE_SYNC || meant->op == TRACE_SYNC_DIR) && made->op == TRACE_NOTE;
        for (uint64_t later = at + 1; owed && later < point; later++)
            owed = trace_at(l->t, later)->op != meant->op || trace_at(l->t, later)->node != meant->node;
        if (owed)
            return at;
    }
    return UINT64_MAX;
}

static bool cut_at(damaged *d, const fault_scenario *scenario, uint64_t point)
{
    const fault_life *l = d->l;
    const uint64_t owed = owed_since(l, point);
    uint64_t since = l->hurt.first_write < owed ? l->hurt.first_write : owed;
    const bool anywhere = since < point && (since < l->opened || (l->hurt.misdirected && l->hurt.first_write < point));
    d->kinds = may_be_named((l->hurt.first_write < point ? l->hurt.writes : 0) |
                            (owed != UINT64_MAX ? l->hurt.lies : 0));
    d->phase = owed == UINT64_MAX ? "power cut after damage" : "power cut after a sync that was not made";
    d->count = 0;
    add_cuts(d, scenario, anywhere ? 0 : since < point ? since : point, point, anywhere);
    crash_limits limits;
    crash_limits_init(&limits);
    limits.first_point = limits.last_point = point;
    crash_explorer *e = crash_open(l->t, scenario->start, d->seed, &limits, NULL);
    crash_state s;
    bool good = true, whole;
    for (int i = 0; i < VARIANTS && good && crash_next(e, &s); i++)
        good = judge_image(d, s.image, &whole);
    crash_close(e);
    return good;
}

bool fault_damage_check_power_cut(const workload *w, fault_life *l, const fault_scenario *scenario, uint64_t seed,
                                  fault_outcome *out)
{
    damaged d = { .w = w, .l = l, .out = out, .seed = seed };
    bool good = true;
    uint64_t point;
    for (unsigned which = 0; which < FAULT_LIFE_CUTS && good; which++)
        if (fault_life_cut_point(l, seed, which, out, &point))
            good = cut_at(&d, scenario, point);
    free(d.moments);
    return good;
}

/* ---- reopening -------------------------------------------------------------------------------------------- */

static void add_ends_of_log(damaged *d, const disk_image *image)
{
    disk_image *meant = simdisk_image(d->l->meant_disk);
    uint64_t *times;
    const size_t count = ends_of_log(d->l, image, meant, trace_length(d->l->meant), &times);
    for (size_t i = 0; i < count; i++) {
        oracle *o = oracle_at(d->l->o, times[i]);
        add_moment(d, o, oracle_legal_process_end(o, times[i]));
    }
    free(times);
    disk_image_unref(meant);
}

bool fault_damage_check_reopened(const workload *w, fault_life *l, const fault_scenario *scenario, uint64_t seed,
                                 fault_outcome *out)
{
    damaged d = { .w = w, .l = l, .out = out, .seed = seed, .phase = "reopened after damage",
                  .kinds = may_be_named(l->hurt.writes) };
    disk_image *image = simdisk_image(l->disk);
    const uint64_t end = trace_length(l->t);
    bool whole;
    add_ends_of_log(&d, image);
    add_cuts(&d, scenario, end, end, false);
    bool good = judge_image(&d, image, &whole);
    if (good && whole) { /* nothing is damaged that matters: it can be written to */
        const oracle_legal one = { .first = d.state, .last = d.state, .time = end };
        const verify_options options = { .seed = seed, .tail = true, .points = VERIFY_POINTS, .ranges = VERIFY_RANGES };
        verify_result result;
        good = verify_image(w, image, d.o, &one, &options, &result) ||
               fault_life_wrong(out, "reopened after damage that levin_check did not find", &result.verdict);
        oracle_destroy(result.after);
    }
    disk_image_unref(image);
    free(d.moments);
    return good;
}
