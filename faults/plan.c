/*
 * plan.c - reading fault plans (plan_judge.c decides by them).
 *
 * Reading: by lines, words apart by blanks; each error has the place of the word that was not expected.  An effect that
 * does not go with every operation of its rule, or an error that POSIX does not allow there, is an error of the plan.
 *
 * Concurrency: none.
 */
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errnos.h"
#include "fatal.h"
#include "words.h"

/* ---- effects --------------------------------------------------------------------------------------------- */

static const char *const effect_texts[FAULT_EFFECT_COUNT] = {
    [FAULT_ERROR] = "error",   [FAULT_ERROR_AFTER] = "error-after", [FAULT_SHORT] = "short",
    [FAULT_ERROR_KEPT] = "error-kept", [FAULT_FLIP] = "flip", [FAULT_GARBAGE] = "garbage",
    [FAULT_STALE] = "stale",   [FAULT_LOST] = "lost",           [FAULT_MISDIRECT] = "misdirect",
    [FAULT_LIE] = "lie",       [FAULT_CLOCK] = "clock",         [FAULT_ERROR_REVERTED] = "error-reverted",
    [FAULT_LATE] = "error-late",
};

const char *plan_effect_text(fault_effect effect)
{
    return (unsigned)effect < FAULT_EFFECT_COUNT ? effect_texts[effect] : "unknown";
}

bool plan_effect_applies(fault_effect effect, fault_operation operation)
{
    const bool transfer = operation == FAULT_READ || operation == FAULT_WRITE;
    switch (effect) {
    case FAULT_ERROR:
    case FAULT_CLOCK:
        return true;
    case FAULT_ERROR_AFTER: /* elsewhere it would be the same as an error */
        return operation != FAULT_OPEN && operation != FAULT_LOCK && operation != FAULT_ALLOC &&
               operation != FAULT_CLOSE;
    case FAULT_ERROR_KEPT:
    case FAULT_ERROR_REVERTED:
    case FAULT_LATE:
        return operation == FAULT_SYNC;
    case FAULT_LIE:
        return operation == FAULT_SYNC || operation == FAULT_SYNC_DIR;
    case FAULT_STALE:
    case FAULT_LOST:
        return operation == FAULT_WRITE;
    case FAULT_SHORT:
    case FAULT_FLIP:
    case FAULT_GARBAGE:
    case FAULT_MISDIRECT:
        return transfer;
    case FAULT_EFFECT_COUNT:
        break;
    }
    return false;
}

bool plan_effect_damages(fault_effect effect)
{
    return effect >= FAULT_FLIP && effect <= FAULT_LATE;
}

bool plan_effect_has_error(fault_effect effect)
{
    return effect == FAULT_ERROR || effect == FAULT_ERROR_AFTER || effect == FAULT_ERROR_KEPT ||
           effect == FAULT_ERROR_REVERTED || effect == FAULT_LATE;
}

/* ---- numbers ---------------------------------------------------------------------------------------------- */

/* A number with a sign that may be left out, and after it a unit; its factor comes from `factor_of`. */
static bool read_signed(words_reader *r, uint64_t (*factor_of)(const char *unit, size_t size), const char *what,
                        int64_t *value)
{
    words_next(r);
    const bool negative = r->size && *r->word == '-', sign = negative || (r->size && *r->word == '+');
    size_t size = sign;
    uint64_t number = 0;
    while (size < r->size && r->word[size] >= '0' && r->word[size] <= '9')
        size++;
    const uint64_t factor = factor_of(r->word + size, r->size - size);
    if (!words_digits(r->word + sign, size - sign, &number) || !factor || number > INT64_MAX / factor || number == 0)
        return words_refuse(r, "expected %s", what);
    *value = (int64_t)(number * factor);
    if (negative)
        *value = -*value;
    return true;
}

static uint64_t no_unit(const char *unit, size_t size)
{
    (void)unit;
    return size == 0;
}

static uint64_t unit_of_time(const char *unit, size_t size)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (size == strlen(units[i].text) && !memcmp(unit, units[i].text, size))
            return units[i].ns;
    return 0;
}

/* ---- points ---------------------------------------------------------------------------------------------- */

/* Whether `name` is one of the list "a,b" or the list is "*". */
static bool listed(const char *list, size_t size, const char *name)
{
    if (size == 1 && *list == '*')
        return true;
    for (const char *at = list, *end = list + size; at < end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
        if ((size_t)(stop - at) == strlen(name) && !memcmp(at, name, (size_t)(stop - at)))
            return true;
        at = comma ? comma + 1 : end;
    }
    return false;
}

/* Each name of the list is one of the kinds (operations): column of the first that is not, or NULL. */
static const char *unknown_in(const char *list, size_t size, bool kinds)
{
    if (size == 1 && *list == '*')
        return NULL;
    for (const char *at = list, *end = list + size;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
        bool found = false;
        for (int i = 0; i < (kinds ? (int)LEVIN_FILE_KIND_COUNT : (int)FAULT_ALLOC) && !found; i++) {
            const char *name = kinds ? fault_kind_text((levin_file_kind)i) : fault_operation_text((fault_operation)i);
            found = (size_t)(stop - at) == strlen(name) && !memcmp(at, name, (size_t)(stop - at));
        }
        if (!found)
            return at;
        if (!comma)
            return NULL;
        at = comma + 1;
    }
}

static bool read_point(words_reader *r, plan_point *point)
{
    static const char head[] = "levin/io/";
    *point = (plan_point){ 0, 0 };
    if (!words_next(r))
        return words_refuse(r, "expected a point (levin/io/KIND/OPERATION, levin/mem/alloc or levin/random)");
    if (words_is(r, "levin/mem/alloc") || words_is(r, "levin/random")) {
        *point = (plan_point){ 1u << LEVIN_FILE_DIR, 1u << (words_is(r, "levin/random") ? FAULT_RANDOM : FAULT_ALLOC) };
        return true;
    }
    const char *kinds = r->word + sizeof head - 1, *end = r->word + r->size;
    const char *slash = r->size >= sizeof head && !memcmp(r->word, head, sizeof head - 1)
                            ? memchr(kinds, '/', (size_t)(end - kinds))
                            : NULL;
    if (!slash)
        return words_refuse(r, "expected a point (levin/io/KIND/OPERATION, levin/mem/alloc or levin/random)");
    const char *bad_kind = unknown_in(kinds, (size_t)(slash - kinds), true);
    const char *bad = bad_kind ? bad_kind : unknown_in(slash + 1, (size_t)(end - slash - 1), false);
    if (bad) {
        r->word = bad;
        r->size = (size_t)(end - bad);
        return words_refuse(r, bad_kind ? "expected a kind of file (pages, wal, vlog, lock, dir or *)"
                                  : "expected an operation (open, read, write, sync, ... or *)");
    }
    for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
        for (int operation = 0; operation < FAULT_ALLOC; operation++)
            if (fault_point_exists((levin_file_kind)kind, (fault_operation)operation) &&
                listed(kinds, (size_t)(slash - kinds), fault_kind_text((levin_file_kind)kind)) &&
                listed(slash + 1, (size_t)(end - slash - 1), fault_operation_text((fault_operation)operation))) {
                point->kinds |= 1u << kind;
                point->operations |= 1u << operation;
            }
    return point->kinds || words_refuse(r, "expected a point that exists (levin-chaos points lists them)");
}

/* ---- rules ----------------------------------------------------------------------------------------------- */

static bool read_probability(words_reader *r, double *probability)
{
    char text[32], *end;
    words_next(r);
    if (r->size && r->size < sizeof text && r->word[0] >= '0' && r->word[0] <= '9') {
        memcpy(text, r->word, r->size);
        text[r->size] = 0;
        *probability = strtod(text, &end);
        if (!*end && *probability >= 0 && *probability <= 1)
            return true;
    }
    return words_refuse(r, "expected a probability from 0 to 1");
}

static bool read_range(words_reader *r, plan_rule *rule)
{
    words_next(r);
    const char *dots = NULL;
    for (size_t i = 0; i + 1 < r->size && !dots; i++)
        if (r->word[i] == '.' && r->word[i + 1] == '.')
            dots = r->word + i;
    if (!dots || !words_digits(r->word, (size_t)(dots - r->word), &rule->from) ||
        !words_digits(dots + 2, (size_t)(r->word + r->size - dots - 2), &rule->to) || rule->from >= rule->to)
        return words_refuse(r, "expected a range of bytes FROM..TO, FROM below TO");
    rule->has_range = true;
    return true;
}

/* The words between the point and `do`. */
static bool read_conditions(words_reader *r, plan_rule *rule)
{
    bool repeated = false;
    while (words_next(r) && !words_is(r, "do")) {
        bool good = true;
        if (words_is(r, "nth"))
            good = words_number(r, 1, &rule->nth);
        else if (words_is(r, "every"))
            good = words_number(r, 1, &rule->every);
        else if (words_is(r, "probability"))
            good = read_probability(r, &rule->probability);
        else if (words_is(r, "range")) {
            if (rule->point.operations & ~(1u << FAULT_READ | 1u << FAULT_WRITE))
                return words_refuse(r, "expected no range: it is for reads and writes");
            good = read_range(r, rule);
        } else if (words_is(r, "after"))
            good = read_point(r, &rule->after) && words_number(r, 1, &rule->after_count);
        else if (!repeated && (words_is(r, "once") || words_is(r, "forever"))) {
            rule->times = words_is(r, "once") ? 1 : UINT64_MAX;
            repeated = true;
        } else if (!repeated && words_is(r, "times"))
            repeated = good = words_number(r, 1, &rule->times);
        else
            return words_refuse(r, "expected nth, every, probability, range, after, once, times, forever or do");
        if (!good)
            return false;
    }
    return r->size || words_refuse(r, "expected do and an effect");
}

static bool read_error(words_reader *r, plan_rule *rule)
{
    words_next(r);
    rule->os_error = errno_number(r->word, r->size);
    if (!rule->os_error)
        return words_refuse(r, "expected the name of an error (EIO, ENOSPC, ...)");
    for (int i = 0; i < FAULT_OPERATION_COUNT; i++)
        if (rule->point.operations >> i & 1 && !errno_is_legal((fault_operation)i, rule->os_error))
            return words_refuse(r, "expected an error that %s may give", fault_operation_text((fault_operation)i));
    /* Whoever makes an interrupted transfer again, as all must, would do so for ever. */
    if (rule->os_error == EINTR && rule->times == UINT64_MAX && !rule->every && rule->probability < 0)
        return words_refuse(r, "expected another error: for ever, EINTR hangs a correct program");
    return true;
}

static bool read_budget(words_reader *r, plan_rule *rule)
{
    if (rule->point.operations != 1u << FAULT_WRITE)
        return words_refuse(r, "expected another effect: a budget is for writes");
    rule->budget = true;
    rule->effect = FAULT_ERROR;
    if (!words_number(r, 1, &rule->bytes) || !read_error(r, rule))
        return false;
    if (rule->os_error != ENOSPC && rule->os_error != EDQUOT)
        return words_refuse(r, "expected ENOSPC or EDQUOT");
    return true;
}

static bool read_effect(words_reader *r, plan_rule *rule)
{
    if (!words_next(r))
        return words_refuse(r, "expected an effect");
    if (words_is(r, "budget")) {
        if (!read_budget(r, rule))
            return false;
        return !words_next(r) || (words_is(r, "back") ? words_number(r, 1, &rule->back) && (words_next(r), true)
                                          : words_refuse(r, "expected back or the end of the line"));
    }
    int effect = 0;
    while (effect < FAULT_EFFECT_COUNT && !words_is(r, effect_texts[effect]))
        effect++;
    if (effect == FAULT_EFFECT_COUNT)
        return words_refuse(r, "expected an effect (error, error-after, error-kept, error-reverted, error-late, "
                            "short, budget, flip, garbage, stale, lost, misdirect, lie, clock)");
    rule->effect = (fault_effect)effect;
    for (int i = 0; i < FAULT_OPERATION_COUNT; i++)
        if (rule->point.operations >> i & 1 && !plan_effect_applies(rule->effect, (fault_operation)i))
            return words_refuse(r, "expected an effect that goes with %s", fault_operation_text((fault_operation)i));
    bool good = true;
    if (plan_effect_has_error(rule->effect))
        good = read_error(r, rule);
    else if (effect == FAULT_SHORT) {
        good = words_number(r, 0, &rule->bytes);
        /* nothing written, for ever: a loop over short writes would never end */
        if (good && rule->bytes == 0 && rule->point.operations & 1u << FAULT_WRITE)
            good = words_refuse(r, "expected a number from 1 for writes");
    } else if (effect == FAULT_MISDIRECT)
        good = read_signed(r, no_unit, "a distance in bytes, as +4096 or -512", &rule->shift);
    else if (effect == FAULT_CLOCK)
        good = read_signed(r, unit_of_time, "a time with its unit, as +5ms or -3600s", &rule->shift);
    if (good)
        words_next(r);
    return good;
}

static bool read_rule(words_reader *r, plan_rules *p)
{
    if (!words_is(r, "on"))
        return words_refuse(r, "expected on");
    if (p->count == PLAN_RULES_MAX)
        return words_refuse(r, "expected at most %d rules", PLAN_RULES_MAX);
    plan_rule rule = { .line = r->line, .probability = -1 };
    if (!read_point(r, &rule.point) || !read_conditions(r, &rule))
        return false;
    const char *effect = r->at;
    const bool given = rule.times != 0;
    while (effect < r->end && (*effect == ' ' || *effect == '\t'))
        effect++;
    const bool budget = (size_t)(r->end - effect) >= 6 && !memcmp(effect, "budget", 6);
    if (!given)
        rule.times = rule.every || rule.probability >= 0 || budget ? UINT64_MAX : 1;
    if (!read_effect(r, &rule))
        return false;
    if (r->size)
        return words_refuse(r, "expected the end of the line");
    p->rules[p->count++] = rule;
    return true;
}

bool plan_parse(plan_rules *p, const char *text, size_t bytes, plan_error *error)
{
    words_reader r = words_begin(text, bytes, error);
    bool headed = false;
    *p = (plan_rules){ .count = 0 };
    do {
        if (!words_next(&r))
            continue;
        if (!headed) {
            if (!words_is(&r, "levin-fault-plan"))
                return words_refuse(&r, "expected levin-fault-plan %d", PLAN_VERSION);
            words_next(&r);
            if (!words_is(&r, "1"))
                return words_refuse(&r, "expected version %d", PLAN_VERSION);
            headed = true;
            if (words_next(&r))
                return words_refuse(&r, "expected the end of the line");
        } else if (!read_rule(&r, p))
            return false;
    } while (words_next_line(&r));
    if (!headed) {
        r.word = r.line_start;
        r.size = 0;
        return words_refuse(&r, "expected levin-fault-plan %d", PLAN_VERSION);
    }
    return true;
}

/* ---- a state of its own ---------------------------------------------------------------------------------- */

plan_state *plan_begin(const plan_rules *p, uint64_t seed)
{
    return plan_begin_at(fatal_alloc_zeroed(plan_state_bytes()), p, seed);
}
