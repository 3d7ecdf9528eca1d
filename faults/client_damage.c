/*
 * client_damage.c - a client's store on a damaged image (client.h): each answer must be right, or LEVIN_CORRUPT.
 *
 * The end of the log is the exception that damage_judge.h states: there the store may be as in one state before.
 */
#include <stdlib.h>
#include <string.h>

#include "client_state.h"
#include "crash.h"
#include "damage_judge.h"
#include "fatal.h"

enum { POINTS = 4, RANGES = 2 };

typedef struct reading {
    client *c;           /* whose history it is, and who keeps the verdict */
    levin *store;        /* on the damaged image */
    uint64_t told;       /* answers of LEVIN_CORRUPT */
} reading;

static void on_corrupt(void *context, const char *call, const levin_error *error)
{
    reading *r = context;
    r->told++;
    if (error->code != LEVIN_CORRUPT || !error->file[0] || !strstr(error->message, error->file))
        oracle_fault(&r->c->verdict, "DETECT", "%s: LEVIN_CORRUPT that does not say where: %s", call, error->message);
}

static bool on_fault(void *context, const levin_error *fault)
{
    on_corrupt(context, "levin_check", fault);
    return true;
}

/* What the undamaged image holds. False: it does not open, or shows what it must not. */
static bool state_of(client *c, const levin_options *options, const disk_image *image, uint32_t *state)
{
    client *r = client_on(image, 0);
    const oracle_legal legal = oracle_legal_process_end(c->o, client_now(c));
    r->o = c->o;
    const bool good = client_open_store(r, options) && client_compare(r, r->store, &legal, 1, true, state);
    r->o = oracle_create(); /* its own */
    const oracle_verdict v = client_end(r);
    if (v.promise)
        oracle_fault(&c->verdict, v.promise, "without the damage: %.500s", v.text);
    return good && !v.promise;
}

/* Legal if the log may end early, and everything is as in one state before. */
static bool is_earlier(reading *r, const damage_judge *judge, const disk_image *damaged)
{
    client *c = r->c;
    const uint64_t told = r->told;
    const oracle_check_options with = { .seed = 1, .points = POINTS, .ranges = RANGES, .corrupt = on_corrupt,
                                        .context = r };
    uint64_t *times = fatal_alloc((damage_judge_pieces(judge) + 1) * sizeof *times);
    const size_t cuts = damage_judge_cuts(judge, damaged, times);
    oracle_verdict v = { 0 };
    bool legal = false;
    if (cuts) {
        oracle_legal any = oracle_legal_process_end(c->o, times[0]);
        any.last = oracle_legal_process_end(c->o, times[cuts - 1]).last;
        (void)oracle_check(c->o, &any, r->store, &with, &v); /* the verdict says it */
        legal = !v.promise && r->told > told; /* told before the state was known */
    }
    for (size_t i = 0; i < cuts && !v.promise && !legal; i++) {
        const oracle_legal one = oracle_legal_process_end(c->o, times[i]);
        oracle_verdict at;
        legal = oracle_check_state(c->o, &one, v.state, &at);
    }
    free(times);
    return legal && (r->told > told || oracle_check_damaged(c->o, v.state, r->store, &with, &v));
}

static void read_damaged(reading *r, uint32_t state, const damage_judge *judge, const disk_image *damaged)
{
    const oracle_check_options with = { .seed = 1, .points = POINTS, .ranges = RANGES, .corrupt = on_corrupt,
                                        .context = r };
    oracle_verdict v;
    if (!oracle_check_damaged(r->c->o, state, r->store, &with, &v) && !is_earlier(r, judge, damaged)) {
        oracle_fault(&r->c->verdict, "DETECT", "a wrong answer: %.500s", v.text);
        return;
    }
    const uint64_t by_reads = r->told;
    const levin_code code = levin_check(r->store, on_fault, r, NULL);
    if (code != LEVIN_OK && code != LEVIN_CORRUPT)
        oracle_fault(&r->c->verdict, "DETECT", "levin_check: %s", levin_code_name(code));
    else if (code == LEVIN_OK && by_reads)
        oracle_fault(&r->c->verdict, "DETECT", "levin_check finds no fault, but a read did");
}

static void open_damaged(client *c, const levin_options *options, const disk_image *damaged, uint32_t state,
                         const damage_judge *judge)
{
    levin_options with = *options;
    levin_error error = { 0 };
    reading r = { .c = c };
    client *on = client_on(damaged, 0);
    on->o = oracle_create(); /* of no use to it */
    with.io = fault_io_table(on->f);
    with.create_if_missing = false;
    const levin_code code = levin_open(CLIENT_PATH, &with, &on->store, &error);
    if (code == LEVIN_OK) {
        r.store = on->store;
        read_damaged(&r, state, judge, damaged);
        on->hurt = true; /* its close may say LEVIN_CORRUPT */
    } else {
        on->store = NULL;
        if (code == LEVIN_CORRUPT)
            on_corrupt(&r, "levin_open", &error);
        else if (code != LEVIN_NO_STORE || disk_image_find(damaged, CLIENT_PATH "/pages") != DISK_NONE)
            oracle_fault(&c->verdict, "DETECT", "levin_open: %s: %s", levin_code_name(code), error.message);
    }
    const oracle_verdict v = client_end(on);
    if (v.promise)
        oracle_fault(&c->verdict, v.promise, "%.500s", v.text);
}

/* Whether there is such a file, such a place in it, and in the past as well; *d then has all that it needs. */
static bool complete(damage *d, const disk_image *image, const disk_image *past)
{
    d->directory = disk_image_find(image, CLIENT_PATH);
    const disk_node node = d->directory == DISK_NONE ? DISK_NONE : disk_image_lookup(image, d->directory, d->name);
    if (node == DISK_NONE || d->offset >= disk_image_size(image, node))
        return false;
    d->older = past;
    d->older_node = past ? node : DISK_NONE; /* numbers are never given again */
    return !past || disk_image_has(past, node);
}

bool client_damaged(client *c, const levin_options *options, const damage *what, uint64_t moment)
{
    damage d = *what;
    uint32_t state;
    crash_state then = { .image = NULL };
    disk_image *image = simdisk_image(c->disk), *damaged = disk_image_fork(image);
    crash_explorer *past = crash_open(c->t, NULL, 0, NULL, NULL);
    const bool stale = moment != UINT64_MAX;
    /* variant 0: all kept, as the process saw it */
    const bool there = (!stale || crash_seek(past, moment, 0, &then)) &&
                       complete(&d, image, stale ? then.image : NULL);
    if (there && !c->verdict.promise && state_of(c, options, image, &state)) {
        damage_judge *judge = damage_judge_create(c->t, client_now(c), image, d.directory);
        damage_do(damaged, &d);
        open_damaged(c, options, damaged, state, judge);
        damage_judge_destroy(judge);
    }
    crash_close(past);
    disk_image_unref(damaged);
    disk_image_unref(image);
    return there || c->verdict.promise;
}
