/*
 * states.c - enumerating, judging and explaining crash states.
 *
 * First the states are numbered in this process: at each point (a sample of them in a long trace) each variant is
 * built, those against the grants are left out, and of equal images under equal promises the first counts.  Then those
 * that are to be judged are chosen: with everything kept and everything dropped first, others by the seed.  A crew
 * judges them in pieces of a few, each worker with a layout of its own; a judge is a child of the worker.  At last, in
 * this process and from the simplest on, each failing state is explained by a culprit that is known already, or a new
 * one is searched.
 *
 * Invariant: the list of states and the culprits depend on no clock and no worker, but for a deadline or an interrupt.
 * Concurrency: workers are processes and share nothing but the trace, read only.
 */
#include "states.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "../faults/random.h"
#include "../faults/recording.h"
#include "crew.h"
#include "scratch.h"
#include "states_layout.h"

enum { PIECE_STATES = 8 };
/* So many variants are built, about; for one state that is judged, and at least; at a point of a busy trace. */
enum { VARIANTS_MOST = 400000, VARIANTS_A_STATE = 32, VARIANTS_LEAST = 20000, VARIANTS_A_POINT = 130 };

typedef struct state_key {
    uint64_t point, variant, hash; /* of image and promise */
    bool plain;                    /* all kept, or all dropped */
    bool judged;
    outcome what;
} state_key;

typedef struct exploration {
    const states_options *options;
    states_report *report;
    crash_limits limits;
    uint64_t *promises; /* by point */
    state_key *keys;
    size_t count, capacity;
    char **texts;       /* of failing states, by index among the keys; NULL: all of them, or of this one */
    crash_explorer *explorer;          /* of the process that uses it */
    states_layout layout;              /* the same */
    scratch own;                       /* below which layouts are, when the caller named none */
    char base[LAYOUT_PATH_BYTES];      /* of all layouts of this run */
    outcome wanted;                    /* of a search */
    uint64_t failed;
    double begun;
} exploration;

typedef struct verdict_message {
    uint64_t index;
    uint32_t what;
    char text[GUARDED_TEXT_BYTES];
} verdict_message;

/* ---- Grants ---------------------------------------------------------------------------------------------- */

bool states_grants_parse(const char *text, unsigned *grants, const char **bad)
{
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, ",");
        unsigned bits = n == 7 && !strncmp(at, "journal", n) ? GRANTS_JOURNAL : 0;
        for (int a = ASSUMES_SYNCED_NAMES; a < ASSUMPTION_COUNT; a++)
            if (strlen(assumption_word((assumption)a)) == n && !strncmp(at, assumption_word((assumption)a), n))
                bits |= GRANT(a);
        if (!bits) {
            *bad = at;
            return false;
        }
        *grants |= bits;
        at += n + (at[n] == ',');
    }
    return true;
}

static bool granted(const exploration *x, assumption a)
{
    return x->options->grants & GRANT(a);
}

/* Whether the fates are possible where the grants hold. */
static bool allowed(const exploration *x, const pending *list, const fate *fates, size_t count)
{
    bool name_lost = false, any_lost = false;
    for (size_t i = 0; i < count; i++) {
        const fate_kind f = fates[i].kind;
        const bool name = list[i].type == PENDING_NAME;
        if ((f == FATE_SECTORS && granted(x, ASSUMES_ATOMIC_WRITE)) ||
            ((f == FATE_GARBAGE || f == FATE_ZEROS) && granted(x, ASSUMES_POWERSAFE)) ||
            ((f == FATE_SIZE_ZEROS || f == FATE_SIZE_GARBAGE || f == FATE_DATA_ONLY) &&
             granted(x, ASSUMES_SIZE_WITH_DATA)) ||
            ((f == FATE_BOTH_NAMES || f == FATE_NO_NAME) && granted(x, ASSUMES_ATOMIC_RENAME)))
            return false;
        if (f == FATE_DROP) {
            any_lost = true;
            name_lost = name_lost || name;
        } else if ((any_lost && granted(x, ASSUMES_ORDER)) ||
                   (name && name_lost && granted(x, ASSUMES_ORDERED_NAMES)))
            return false;
    }
    return true;
}

/* ---- Enumerating ----------------------------------------------------------------------------------------- */

typedef struct digest_set {
    uint64_t *slots; /* 0: free */
    size_t used, capacity;
} digest_set;

static bool set_add_raw(digest_set *s, uint64_t value)
{
    for (size_t i = value & (s->capacity - 1);; i = (i + 1) & (s->capacity - 1)) {
        if (s->slots[i] == value)
            return false;
        if (!s->slots[i]) {
            s->slots[i] = value;
            s->used++;
            return true;
        }
    }
}

/* False: it was there. */
static bool set_add(digest_set *s, uint64_t value)
{
    value = value ? value : 1;
    if (2 * s->used >= s->capacity) {
        digest_set old = *s;
        *s = (digest_set){ .capacity = old.capacity ? 2 * old.capacity : 4096 };
        s->slots = fatal_alloc_zeroed(s->capacity * sizeof *s->slots);
        for (size_t i = 0; i < old.capacity; i++)
            if (old.slots[i])
                set_add_raw(s, old.slots[i]);
        free(old.slots);
    }
    return set_add_raw(s, value);
}

static void key_add(exploration *x, const state_key *key)
{
    if (x->count == x->capacity) {
        x->capacity = x->capacity ? 2 * x->capacity : 1024;
        x->keys = fatal_realloc(x->keys, x->capacity * sizeof x->keys[0]);
    }
    x->keys[x->count++] = *key;
}

static void progress(const exploration *x, const char *what, uint64_t done, uint64_t all)
{
    if (x->options->progress)
        x->options->progress(x->options->context, what, done, all, x->failed);
}

static void enumerate_point(exploration *x, digest_set *seen, uint64_t point)
{
    crash_state state;
    fate *fates;
    size_t n;
    for (uint64_t variant = 0;; variant++) {
        crash_model *model = crash_seek_fates(x->explorer, point, variant, &state, &fates, &n);
        if (!model)
            return;
        x->report->enumerated++;
        if (!allowed(x, crash_model_pending(model, &n), fates, n))
            continue;
        const uint64_t hash = random_mix(state.digest ^ random_mix(state.promise + 1));
        if (set_add(seen, hash))
            key_add(x, &(state_key){ .point = point, .variant = variant, .hash = hash,
                                     .plain = state.family <= CRASH_ALL_DROPPED });
    }
}

static uint64_t points_most(const states_options *o)
{
    uint64_t variants = VARIANTS_MOST;
    if (o->states && o->states < VARIANTS_MOST / VARIANTS_A_STATE)
        variants = o->states * VARIANTS_A_STATE;
    return (variants > VARIANTS_LEAST ? variants : VARIANTS_LEAST) / VARIANTS_A_POINT;
}

/* A budget is for judging: no more than half of it goes into this. */
static bool out_of_time(const exploration *x)
{
    return x->options->deadline > 0 && crew_clock() - x->begun > (x->options->deadline - x->begun) / 2;
}

/* Every point, or in a long trace one out of each of as many even strata as there is time for. */
static void enumerate(exploration *x)
{
    const uint64_t first = trace_start(x->options->trace), all = trace_length(x->options->trace) - first + 1;
    const uint64_t most = points_most(x->options), visited = all < most ? all : most;
    digest_set seen = { 0 };
    for (uint64_t i = 0; i < visited && !crew_interrupted() && !out_of_time(x); i++) {
        const uint64_t from = all * i / visited, to = all * (i + 1) / visited;
        const uint64_t point = first + from + (to - from > 1 ? random_mix(x->options->seed + i) % (to - from) : 0);
        enumerate_point(x, &seen, point);
        x->report->points++;
        if (i % 16 == 0)
            progress(x, "enumerating", i, visited);
    }
    free(seen.slots);
    x->report->distinct = x->count;
}

static int by_choice(const void *a, const void *b)
{
    const state_key *x = a, *y = b;
    if (x->plain != y->plain)
        return x->plain ? -1 : 1;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static int by_place(const void *a, const void *b)
{
    const state_key *x = a, *y = b;
    if (x->point != y->point)
        return x->point < y->point ? -1 : 1;
    return x->variant < y->variant ? -1 : x->variant > y->variant;
}

/* The keys that are judged stay, in the order of the trace. */
static void choose(exploration *x)
{
    const uint64_t most = x->options->states;
    if (most && x->count > most) {
        size_t plain = 0, keep;
        for (size_t i = 0; i < x->count; i++) {
            x->keys[i].hash = random_mix(x->keys[i].hash ^ random_mix(x->options->seed));
            plain += x->keys[i].plain;
        }
        keep = plain > most / 2 ? most / 2 : plain; /* at most one half is plain */
        qsort(x->keys, x->count, sizeof x->keys[0], by_choice);
        memmove(x->keys + keep, x->keys + plain, (x->count - plain) * sizeof x->keys[0]);
        x->count -= plain - keep;
        x->count = x->count < most ? x->count : (size_t)most;
    }
    qsort(x->keys, x->count, sizeof x->keys[0], by_place);
}

/* ---- Judging --------------------------------------------------------------------------------------------- */

typedef struct guarded_case {
    const exploration *x;
    states_case c;
} guarded_case;

static outcome judge_in_child(void *context, char text[GUARDED_TEXT_BYTES])
{
    const guarded_case *g = context;
    return g->x->options->judge(g->x->options->context, &g->c, text);
}

static outcome judge(exploration *x, const disk_image *image, uint64_t point, char text[GUARDED_TEXT_BYTES])
{
    guarded_case g = { x, { x->layout.state, x->layout.acknowledged, x->layout.output, point, x->promises[point] } };
    int error = states_layout_put(&x->layout, image, x->options->trace, point);
    if (error)
        fatal("%s: a state cannot be laid out: %s", x->layout.state, strerror(error));
    text[0] = 0;
    return guarded_run(&x->options->limits, judge_in_child, &g, text);
}

/* Explorer and layout of this process, made when they are first needed. */
static void equip(exploration *x)
{
    if (!x->explorer)
        x->explorer = crash_open(x->options->trace, NULL, x->options->seed, &x->limits, x->promises);
    const char *memory = x->options->memory ? x->options->memory : x->own.path;
    if (!x->layout.base[0] && !states_layout_open(&x->layout, x->base[0] ? x->base : memory))
        fatal("no place for the states");
}

static void disarm(exploration *x)
{
    crash_close(x->explorer);
    x->explorer = NULL;
    states_layout_close(&x->layout);
}

static void piece_work(void *context, crew_worker *worker, uint64_t task)
{
    static exploration mine; /* of this worker */
    static bool begun;
    if (!begun) {
        mine = *(exploration *)context;
        mine.explorer = NULL;
        mine.layout.base[0] = 0;
        begun = true;
    }
    equip(&mine);
    for (uint64_t i = task * PIECE_STATES; i < (task + 1) * PIECE_STATES && i < mine.count; i++) {
        const state_key *key = &mine.keys[i];
        verdict_message message = { .index = i };
        crash_state state;
        if (crew_should_stop(worker))
            return;
        crew_at(worker, "%llu.%llu", (unsigned long long)key->point, (unsigned long long)key->variant);
        if (!crash_seek(mine.explorer, key->point, key->variant, &state))
            fatal("a state that was there is not");
        message.what = judge(&mine, state.image, key->point, message.text);
        crew_send(worker, 0, &message, sizeof message);
    }
}

static void piece_receive(void *context, unsigned type, const void *data, size_t bytes)
{
    exploration *x = context;
    verdict_message message;
    (void)type;
    if (bytes != sizeof message)
        return;
    memcpy(&message, data, sizeof message);
    state_key *key = &x->keys[message.index];
    key->judged = true;
    key->what = (outcome)message.what;
    x->report->judged++;
    x->report->outcomes[key->what]++;
    if (key->what != OUTCOME_RIGHT && !x->texts[message.index]) {
        x->failed++;
        x->texts[message.index] = strndup(message.text, sizeof message.text - 1);
    }
}

static void piece_died(void *context, const char *where, const char *how)
{
    exploration *x = context;
    snprintf(x->report->harness, sizeof x->report->harness, "a worker died at state %s: %s", where, how);
}

static void piece_progress(void *context, uint64_t tasks_done, uint64_t ticks)
{
    const exploration *x = context;
    (void)tasks_done;
    (void)ticks;
    progress(x, "judging", x->report->judged, x->count);
}

static void judge_all(exploration *x)
{
    const states_options *o = x->options;
    crew_options crew = { .jobs = o->jobs ? o->jobs : 1, .tasks = (x->count + PIECE_STATES - 1) / PIECE_STATES,
                          .deadline = o->deadline, .context = x, .work = piece_work, .receive = piece_receive,
                          .died = piece_died, .progress = piece_progress,
                          .hang_seconds = 3 * (o->limits.seconds > 0 ? o->limits.seconds : 30) + 10 };
    x->report->complete = crew_run(&crew);
}

/* ---- Explaining ------------------------------------------------------------------------------------------ */

static bool fails_the_same(void *context, const disk_image *image, uint64_t point)
{
    exploration *x = context;
    char text[GUARDED_TEXT_BYTES];
    return judge(x, image, point, text) == x->wanted;
}

static bool search_stopped(void *context)
{
    (void)context;
    return crew_interrupted();
}

static bool same_culprit(const culprit *a, const culprit *b)
{
    if (a->what != b->what || a->point != b->point || a->count != b->count || a->steady != b->steady)
        return false;
    for (size_t i = 0; i < a->count && i < CULPRIT_PARTS_MAX; i++)
        if (a->parts[i].entry != b->parts[i].entry || a->parts[i].fate.kind != b->parts[i].fate.kind)
            return false;
    return true;
}

static states_finding *finding_new(exploration *x, size_t i)
{
    states_report *r = x->report;
    if (r->count == STATES_FINDINGS_MAX)
        return NULL;
    states_finding *f = &r->findings[r->count++];
    *f = (states_finding){ .what = x->keys[i].what, .point = x->keys[i].point, .variant = x->keys[i].variant };
    snprintf(f->text, sizeof f->text, "%s", x->texts[i] ? x->texts[i] : "");
    return f;
}

/* A finding that says why this state fails, without a search: its parts are among those of the state. */
static states_finding *explained(exploration *x, size_t i, const int *alone)
{
    crash_state state;
    fate *fates;
    size_t n;
    const state_key *key = &x->keys[i];
    const int at = alone[key->point - trace_start(x->options->trace)];
    if (at >= 0 && x->report->findings[at].what == key->what)
        return &x->report->findings[at];
    crash_model *model = crash_seek_fates(x->explorer, key->point, key->variant, &state, &fates, &n);
    const pending *list = model ? crash_model_pending(model, &n) : NULL;
    for (size_t k = 0; list && k < x->report->count; k++) {
        states_finding *f = &x->report->findings[k];
        if (f->searched && f->what == key->what && culprit_explains(&f->why, key->point, list, fates, n))
            return f;
    }
    return NULL;
}

/* All that could not be searched, of one outcome. */
static states_finding *rest_of(exploration *x, size_t i)
{
    for (size_t k = 0; k < x->report->count; k++)
        if (!x->report->findings[k].searched && x->report->findings[k].what == x->keys[i].what)
            return &x->report->findings[k];
    return finding_new(x, i);
}

static states_finding *searched(exploration *x, size_t i, int *alone)
{
    const states_options *o = x->options;
    const culprit_test test = { x, fails_the_same, search_stopped };
    culprit why;
    states_finding *f = NULL;
    x->wanted = x->keys[i].what;
    culprit_find(x->explorer, o->trace, x->keys[i].point, x->keys[i].variant, &test, &why);
    for (size_t k = 0; k < x->report->count && !f; k++)
        if (x->report->findings[k].searched && x->report->findings[k].what == x->keys[i].what &&
            same_culprit(&x->report->findings[k].why, &why))
            f = &x->report->findings[k];
    if (!f && (f = finding_new(x, i))) {
        f->searched = true;
        f->why = why;
    }
    if (f && f->why.steady && f->why.count == 0)
        alone[x->keys[i].point - trace_start(o->trace)] = (int)(f - x->report->findings);
    return f;
}

typedef struct failing_state {
    size_t index, deviations; /* among the keys; operations that are not kept */
    uint64_t point;
} failing_state;

static int by_simplicity(const void *a, const void *b)
{
    const failing_state *x = a, *y = b;
    if (x->deviations != y->deviations)
        return x->deviations < y->deviations ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* The failing states, those with the fewest lost and torn calls first, for these explain the others. */
static failing_state *failing_states(exploration *x, size_t *count)
{
    failing_state *list = fatal_alloc_zeroed((x->failed + 1) * sizeof *list);
    crash_state state;
    fate *fates;
    size_t used = 0, n;
    for (size_t i = 0; i < x->count; i++) {
        if (!x->keys[i].judged || x->keys[i].what == OUTCOME_RIGHT)
            continue;
        if (!crash_seek_fates(x->explorer, x->keys[i].point, x->keys[i].variant, &state, &fates, &n))
            fatal("a state that was there is not");
        list[used] = (failing_state){ .index = i };
        for (size_t k = 0; k < n; k++)
            list[used].deviations += fates[k].kind != FATE_KEEP;
        used++;
    }
    qsort(list, used, sizeof *list, by_simplicity);
    *count = used;
    return list;
}

static void explain(exploration *x)
{
    const states_options *o = x->options;
    const uint64_t points = trace_length(o->trace) - trace_start(o->trace) + 1;
    uint64_t searches[OUTCOME_COUNT] = { 0 };
    size_t count;
    failing_state *list = failing_states(x, &count);
    int *alone = fatal_alloc(points * sizeof *alone); /* by point: the finding that all kept is there */
    for (uint64_t i = 0; i < points; i++)
        alone[i] = -1;
    for (size_t at = 0; at < count; at++) {
        const size_t i = list[at].index;
        states_finding *f = explained(x, i, alone);
        if (!f && searches[x->keys[i].what] < o->culprits &&
            x->report->count < STATES_FINDINGS_MAX - OUTCOME_COUNT && !crew_interrupted()) {
            searches[x->keys[i].what]++;
            progress(x, "explaining", at, count);
            f = searched(x, i, alone);
        }
        if (!f) {
            f = rest_of(x, i);
            x->report->not_searched++;
        }
        if (f)
            f->states++;
    }
    free(list);
    free(alone);
}

static int by_weight(const void *a, const void *b)
{
    const states_finding *x = a, *y = b;
    if (x->what != y->what)
        return x->what > y->what ? -1 : 1;
    if (x->searched != y->searched)
        return x->searched ? -1 : 1;
    if (x->states != y->states)
        return x->states > y->states ? -1 : 1;
    return x->point < y->point ? -1 : x->point > y->point;
}

/* ---- The whole ------------------------------------------------------------------------------------------- */

static void begin(exploration *x, const states_options *o, states_report *r)
{
    const uint64_t length = trace_length(o->trace);
    *x = (exploration){ .options = o, .report = r, .begun = crew_clock() };
    crash_limits_init(&x->limits);
    x->limits.sync_names = (o->grants & GRANT(ASSUMES_SYNCED_NAMES)) != 0;
    x->promises = fatal_alloc_zeroed((length + 1) * sizeof *x->promises);
    for (uint64_t i = 0; i < length; i++)
        x->promises[i + 1] = x->promises[i] + (trace_at(o->trace, i)->op == TRACE_MARK);
    if (!o->memory && !scratch_open(&x->own, "levin-states", NULL))
        fatal("no place for the states: %s", strerror(errno));
    equip(x);
    snprintf(x->base, sizeof x->base, "%s", x->layout.base); /* the workers' are below, and go with it */
}

static void end(exploration *x)
{
    disarm(x);
    scratch_close(&x->own);
    free(x->promises);
    for (size_t i = 0; x->texts && i < x->count; i++)
        free(x->texts[i]);
    free(x->texts);
    free(x->keys);
}

void states_explore(const states_options *options, states_report *report)
{
    exploration x;
    *report = (states_report){ .points = 0 };
    begin(&x, options, report);
    enumerate(&x);
    choose(&x);
    x.texts = fatal_alloc_zeroed((x.count + 1) * sizeof x.texts[0]);
    judge_all(&x);
    report->failing = x.failed;
    explain(&x);
    qsort(report->findings, report->count, sizeof report->findings[0], by_weight);
    end(&x);
    report->seconds = crew_clock() - x.begun;
}

bool states_replay(const states_options *options, uint64_t point, uint64_t variant, outcome *what,
                   char text[GUARDED_TEXT_BYTES], culprit *why, const char *directory)
{
    exploration x;
    states_report *report = fatal_alloc_zeroed(sizeof *report);
    crash_state state;
    begin(&x, options, report);
    bool there = point >= trace_start(options->trace) && crash_seek(x.explorer, point, variant, &state);
    if (there) {
        int error = directory ? disk_image_export(state.image, directory) : 0;
        if (error)
            fatal("%s: %s", directory, strerror(error));
        *what = judge(&x, state.image, point, text);
        const culprit_test test = { &x, fails_the_same, search_stopped };
        x.wanted = *what;
        if (why && *what != OUTCOME_RIGHT)
            culprit_find(x.explorer, options->trace, point, variant, &test, why);
    }
    end(&x);
    free(report);
    return there;
}

outcome states_judge_end(const states_options *options, char text[GUARDED_TEXT_BYTES])
{
    exploration x;
    states_report *report = fatal_alloc_zeroed(sizeof *report);
    begin(&x, options, report);
    disk_image *image = recording_replay(options->trace);
    const outcome what = judge(&x, image, trace_length(options->trace), text);
    disk_image_unref(image);
    end(&x);
    free(report);
    return what;
}

static crash_explorer *explorer_open(const states_options *o)
{
    crash_limits limits;
    crash_limits_init(&limits);
    limits.sync_names = (o->grants & GRANT(ASSUMES_SYNCED_NAMES)) != 0;
    return crash_open(o->trace, NULL, o->seed, &limits, NULL);
}

void states_print_culprit(const states_options *options, const culprit *why, FILE *to, const char *indent)
{
    enum { TEXT_BYTES = 16384 };
    char *text = fatal_alloc_zeroed(TEXT_BYTES);
    crash_explorer *e = explorer_open(options);
    culprit_describe(why, e, options->trace, text, TEXT_BYTES);
    for (const char *line = text, *stop; *line; line = stop + (*stop == '\n')) {
        stop = line + strcspn(line, "\n");
        fprintf(to, "%s%.*s\n", indent, (int)(stop - line), line);
    }
    crash_close(e);
    free(text);
}

void states_print_state(const states_options *options, uint64_t point, uint64_t variant, FILE *to)
{
    enum { TEXT_BYTES = 65536 };
    char *text = fatal_alloc_zeroed(TEXT_BYTES);
    crash_explorer *e = explorer_open(options);
    crash_state state;
    if (crash_seek(e, point, variant, &state)) {
        crash_describe(e, &state, text, TEXT_BYTES);
        fputs(text, to);
    }
    crash_close(e);
    free(text);
}
