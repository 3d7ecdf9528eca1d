/*
 * culprit.c - from a failing state to the least that fails.
 *
 * Every test is an image: all pending operations of a point kept but for some parts with their fates.  A part is named
 * by its entry in the trace, so that it can be looked for at other points, where the list of what is pending is
 * another; it must still be pending there, and if a write was cut by a sync of a range it is all its pieces.
 *
 * Concurrency: none.
 */
#include "culprit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "ddmin.h"

enum { POINTS_TRIED = 48 };

typedef struct search {
    crash_explorer *e;
    const trace *t;
    const culprit_test *test;
    uint64_t point;
    culprit_part *parts; /* all deviations of the state */
    size_t count;
    uint64_t tests;
} search;

const char *assumption_word(assumption a)
{
    static const char *const words[] = {
#define ASSUMPTION_WORD(name, word, text) word,
        ASSUMPTIONS(ASSUMPTION_WORD)
#undef ASSUMPTION_WORD
    };
    return (unsigned)a < ASSUMPTION_COUNT ? words[a] : "?";
}

const char *assumption_text(assumption a)
{
    static const char *const texts[] = {
#define ASSUMPTION_TEXT(name, word, text) text,
        ASSUMPTIONS(ASSUMPTION_TEXT)
#undef ASSUMPTION_TEXT
    };
    return (unsigned)a < ASSUMPTION_COUNT ? texts[a] : "?";
}

static bool stopped(const search *s)
{
    return s->test->stopped && s->test->stopped(s->test->context);
}

/*
 * All kept at a point but for these parts; those that come only later are none yet.  False also when one of them is
 * not pending there.
 */
static bool fails_with(search *s, uint64_t point, const culprit_part *parts, size_t count)
{
    crash_state state;
    fate *chosen;
    size_t n, met = 0;
    crash_model *model = crash_seek_fates(s->e, point, 0, &state, &chosen, &n);
    if (!model)
        return false;
    const pending *list = crash_model_pending(model, &n);
    fate *fates = fatal_alloc_zeroed((n + 1) * sizeof *fates);
    for (size_t i = 0; i < n; i++)
        fates[i].kind = FATE_KEEP;
    for (size_t k = 0; k < count; k++) {
        bool there = parts[k].entry >= point;
        for (size_t i = 0; i < n; i++)
            if (list[i].entry == parts[k].entry) {
                fates[i] = parts[k].fate;
                there = true;
            }
        met += there;
    }
    bool fails = false;
    if (met == count) {
        disk_image *image = crash_model_build(model, fates);
        s->tests++;
        fails = s->test->fails(s->test->context, image, point);
        disk_image_unref(image);
    }
    free(fates);
    return fails;
}

static bool some_fail(void *context, const uint32_t *items, size_t count)
{
    search *s = context;
    culprit_part *parts = fatal_alloc_zeroed((count + 1) * sizeof *parts);
    for (size_t i = 0; i < count; i++)
        parts[i] = s->parts[items[i]];
    bool fails = fails_with(s, s->point, parts, count);
    free(parts);
    return fails;
}

static bool ddmin_stopped(void *context)
{
    return stopped(context);
}

/* Keeps of the parts those without which it does not fail. */
static void least_parts(search *s)
{
    uint32_t *items = fatal_alloc((s->count + 1) * sizeof *items);
    for (size_t i = 0; i < s->count; i++)
        items[i] = (uint32_t)i;
    ddmin_options options = { s, some_fail, ddmin_stopped };
    size_t left = some_fail(s, items, 0) ? 0 : s->count > 1 ? ddmin(items, s->count, &options) : s->count;
    for (size_t i = 0; i < left; i++)
        s->parts[i] = s->parts[items[i]]; /* they are in order */
    s->count = left;
    free(items);
}

/* A call that is lost whole is a simpler reason than one that is torn. */
static void simpler_fates(search *s)
{
    for (size_t i = 0; i < s->count && !stopped(s); i++) {
        const culprit_part was = s->parts[i];
        if (was.fate.kind == FATE_DROP)
            continue;
        s->parts[i].fate = (fate){ .kind = FATE_DROP };
        if (!fails_with(s, s->point, s->parts, s->count))
            s->parts[i] = was;
    }
}

/*
 * The first point, behind the first part, at which it fails, tried one by one when they are few; parts that come later
 * than that are none.
 */
static void earliest_point(search *s)
{
    uint64_t first = s->count ? s->parts[0].entry + 1 : trace_start(s->t), last = s->point;
    while (last > first && last - first > POINTS_TRIED && !stopped(s)) { /* as if later were never better */
        const uint64_t middle = first + (last - first) / 2;
        if (fails_with(s, middle, s->parts, s->count))
            last = middle;
        else
            first = middle + 1;
    }
    for (uint64_t point = first; point < last && !stopped(s); point++)
        if (fails_with(s, point, s->parts, s->count))
            last = point;
    s->point = last;
    while (s->count && s->parts[s->count - 1].entry >= last)
        s->count--;
}

/* Whether it fails too when nothing is left of what was not synced: then order is not what is missing. */
static bool fails_dropped(search *s)
{
    crash_state state;
    fate *fates;
    size_t n;
    crash_model *model = crash_seek_fates(s->e, s->point, 0, &state, &fates, &n);
    if (!model)
        return false;
    for (size_t i = 0; i < n; i++)
        fates[i] = (fate){ .kind = FATE_DROP };
    disk_image *image = crash_model_build(model, fates);
    bool fails = s->test->fails(s->test->context, image, s->point);
    s->tests++;
    disk_image_unref(image);
    return fails;
}

static bool changes_name(const trace *t, uint64_t entry)
{
    const trace_op op = trace_at(t, entry)->op;
    return op == TRACE_CREATE || op == TRACE_MAKE_DIR || op == TRACE_LINK || op == TRACE_RENAME || op == TRACE_UNLINK;
}

static assumption classify(search *s)
{
    bool names = false, data = false;
    if (!s->count)
        return ASSUMES_NO_CRASH;
    for (size_t i = 0; i < s->count; i++)
        switch (s->parts[i].fate.kind) {
        case FATE_GARBAGE:
        case FATE_ZEROS: return ASSUMES_POWERSAFE;
        case FATE_SECTORS: return ASSUMES_ATOMIC_WRITE;
        case FATE_SIZE_ZEROS:
        case FATE_SIZE_GARBAGE:
        case FATE_DATA_ONLY: return ASSUMES_SIZE_WITH_DATA;
        case FATE_BOTH_NAMES:
        case FATE_NO_NAME: return ASSUMES_ATOMIC_RENAME;
        case FATE_DROP:
        case FATE_KEEP:
            names = names || changes_name(s->t, s->parts[i].entry);
            data = data || !changes_name(s->t, s->parts[i].entry);
        }
    if (fails_dropped(s))
        return data ? ASSUMES_SYNCED : ASSUMES_SYNCED_NAMES;
    return names ? ASSUMES_ORDERED_NAMES : ASSUMES_ORDER;
}

void culprit_find(crash_explorer *e, const trace *t, uint64_t point, uint64_t variant, const culprit_test *test,
                  culprit *found)
{
    crash_state state;
    fate *fates;
    size_t n;
    search s = { .e = e, .t = t, .test = test, .point = point };
    crash_model *model = crash_seek_fates(e, point, variant, &state, &fates, &n);
    if (!model)
        fatal("no such state: %llu.%llu", (unsigned long long)point, (unsigned long long)variant);
    const pending *list = crash_model_pending(model, &n);
    s.parts = fatal_alloc_zeroed((n + 1) * sizeof *s.parts);
    for (size_t i = 0; i < n; i++)
        if (fates[i].kind != FATE_KEEP && (!s.count || s.parts[s.count - 1].entry != list[i].entry))
            s.parts[s.count++] = (culprit_part){ list[i].entry, fates[i] };
    *found = (culprit){ .steady = fails_with(&s, point, s.parts, s.count) };
    if (found->steady) {
        least_parts(&s);
        simpler_fates(&s);
        earliest_point(&s);
        least_parts(&s);
    }
    found->what = classify(&s);
    found->point = s.point;
    found->count = s.count;
    found->tests = s.tests;
    memcpy(found->parts, s.parts, (s.count < CULPRIT_PARTS_MAX ? s.count : CULPRIT_PARTS_MAX) * sizeof *s.parts);
    free(s.parts);
}

bool culprit_explains(const culprit *c, uint64_t point, const pending *list, const fate *fates, size_t count)
{
    if (!c->steady || point < c->point || c->count > CULPRIT_PARTS_MAX || (c->count == 0 && point != c->point))
        return false;
    for (size_t k = 0; k < c->count; k++) {
        bool met = false;
        for (size_t i = 0; i < count && !met; i++)
            met = list[i].entry == c->parts[k].entry && fates[i].kind != FATE_KEEP &&
                  (c->parts[k].fate.kind == FATE_DROP || fates[i].kind == c->parts[k].fate.kind);
        if (!met)
            return false;
    }
    return true;
}

static void text_add(char *text, size_t capacity, int *used, const char *before, const char *piece, const char *after)
{
    const size_t at = (size_t)*used, room = text && at < capacity ? capacity - at : 0;
    *used += snprintf(room ? text + at : NULL, room, "%s%s%s\n", before, piece, after);
}

int culprit_describe(const culprit *c, crash_explorer *e, const trace *t, char *text, size_t capacity)
{
    char call[700], how[200];
    crash_state state;
    fate *fates;
    size_t n;
    int used = 0;
    crash_model *model = crash_seek_fates(e, c->point, 0, &state, &fates, &n);
    const pending *list = model ? crash_model_pending(model, &n) : NULL;
    if (!c->steady)
        text_add(text, capacity, &used, "unsteady: ", "it did not fail a second time; is the check deterministic?", "");
    text_add(text, capacity, &used, "assumes: ", assumption_text(c->what), "");
    for (size_t k = 0; k < c->count && k < CULPRIT_PARTS_MAX; k++) {
        trace_describe(t, c->parts[k].entry, call, sizeof call);
        snprintf(how, sizeof how, "lost");
        for (size_t i = 0; list && i < n; i++)
            if (list[i].entry == c->parts[k].entry && c->parts[k].fate.kind != FATE_DROP)
                fate_describe(&c->parts[k].fate, &list[i], how, sizeof how);
        text_add(text, capacity, &used, strcmp(how, "lost") ? "torn:    " : "lost:    ", call, "");
        if (strcmp(how, "lost"))
            text_add(text, capacity, &used, "         ", how, "");
    }
    if (c->count > CULPRIT_PARTS_MAX) {
        snprintf(how, sizeof how, "%zu more", c->count - CULPRIT_PARTS_MAX);
        text_add(text, capacity, &used, "lost:    ", how, "");
    }
    if (c->point > trace_start(t)) {
        trace_describe(t, c->point - 1, call, sizeof call);
        const bool told = trace_at(t, c->point - 1)->op == TRACE_MARK;
        text_add(text, capacity, &used, told ? "told:    " : "done:    ", call, "");
    }
    return used;
}
