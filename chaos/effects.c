/*
 * effects.c - see effects.h.
 *
 * The list is made once in a process, from the tables of faults/: an error that is added there is struck with from
 * then on.
 */
#include "effects.h"

#include <errno.h>
#include <stdio.h>

#include "../faults/errnos.h"
#include "../faults/fatal.h"

enum { FOREVER_ONE_IN = 4, BUDGET_LEAST = 500, BUDGET_MOST = 40000 };

static void add(effect_case *list, size_t *count, effect_case c)
{
    if (*count == EFFECTS_MAX)
        fatal("more than %d effects at injection points", EFFECTS_MAX);
    list[(*count)++] = c;
}

static void add_point(effect_case *list, size_t *count, levin_file_kind kind, fault_operation operation)
{
    for (int effect = 0; effect < FAULT_EFFECT_COUNT; effect++) {
        effect_case c = { kind, operation, (fault_effect)effect, 0, false, false };
        const bool has_error = plan_effect_has_error((fault_effect)effect);
        if (!plan_effect_applies((fault_effect)effect, operation))
            continue;
        for (const int *at = errnos_of(operation); has_error && *at; at++) {
            c.os_error = *at;
            add(list, count, c);
        }
        if (has_error)
            continue;
        add(list, count, c);
        c.back = true;
        if (effect == FAULT_CLOCK)
            add(list, count, c);
    }
    if (operation == FAULT_WRITE) {
        add(list, count, (effect_case){ kind, operation, FAULT_ERROR, ENOSPC, true, false });
        add(list, count, (effect_case){ kind, operation, FAULT_ERROR, EDQUOT, true, false });
    }
}

size_t effect_cases(const effect_case **cases)
{
    static effect_case list[EFFECTS_MAX];
    static size_t count;
    if (count == 0)
        for (int kind = 0; kind < LEVIN_FILE_KIND_COUNT; kind++)
            for (int operation = 0; operation < FAULT_OPERATION_COUNT; operation++)
                if (fault_point_exists((levin_file_kind)kind, (fault_operation)operation))
                    add_point(list, &count, (levin_file_kind)kind, (fault_operation)operation);
    *cases = list;
    return count;
}

static const char *effect_text(const effect_case *c)
{
    return c->budget ? "budget" : plan_effect_text(c->effect);
}

void effect_case_name(const effect_case *c, char name[EFFECT_NAME_BYTES])
{
    snprintf(name, EFFECT_NAME_BYTES, "%s %s%s%s", fault_point_name(c->kind, c->operation), effect_text(c),
             c->os_error ? " " : c->back ? " -" : "", c->os_error ? errno_name(c->os_error) : "");
}

const char *effect_case_idle(const effect_case *c)
{
    static const struct idle {
        levin_file_kind kind;
        fault_operation operation;
        const char *why;
    } calls[] = {
        { LEVIN_FILE_PAGES, FAULT_PREALLOCATE, "pages are written as whole extents, nothing is reserved before" },
        { LEVIN_FILE_VLOG, FAULT_PREALLOCATE, "values are appended, a segment grows as it is written" },
        { LEVIN_FILE_LOCK, FAULT_PREALLOCATE, "the lock file is a few bytes" },
        { LEVIN_FILE_LOCK, FAULT_SIZE, "the lock file is read by place, however long it is" },
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].kind == c->kind && calls[i].operation == c->operation)
            return calls[i].why;
    return c->budget && c->kind == LEVIN_FILE_LOCK ? "so small a file does not use up a budget" : NULL;
}

void effect_case_plan(const effect_case *c, uint64_t calls, random_stream *random, char text[EFFECT_PLAN_BYTES])
{
    char argument[48] = "", when[48];
    const uint64_t nth = 1 + random_below(random, calls);
    /* an interrupted call is made again, and for ever would be */
    const bool lasts = random_chance(random, FOREVER_ONE_IN) && c->effect <= FAULT_ERROR_REVERTED &&
                       c->os_error != EINTR;
    if (c->budget)
        snprintf(argument, sizeof argument, " %u %s back 3",
                 BUDGET_LEAST + (unsigned)random_below(random, BUDGET_MOST - BUDGET_LEAST), errno_name(c->os_error));
    else if (c->os_error)
        snprintf(argument, sizeof argument, " %s", errno_name(c->os_error));
    else if (c->effect == FAULT_SHORT)
        snprintf(argument, sizeof argument, " %u", 1 + (unsigned)random_below(random, 900));
    else if (c->effect == FAULT_MISDIRECT)
        snprintf(argument, sizeof argument, random_chance(random, 2) ? " +4096" : " -512");
    else if (c->effect == FAULT_CLOCK)
        snprintf(argument, sizeof argument, " %s3600s", c->back ? "-" : "+");
    if (c->budget)
        when[0] = 0;
    else
        snprintf(when, sizeof when, " nth %llu%s", (unsigned long long)nth, lasts ? " forever" : "");
    snprintf(text, EFFECT_PLAN_BYTES, "levin-fault-plan %d\non %s%s do %s%s\n", PLAN_VERSION,
             fault_point_name(c->kind, c->operation), when, effect_text(c), argument);
}
