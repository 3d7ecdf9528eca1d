/*
 * corrupt_report.c - the matrix of a corruption campaign as a table and as JSON.
 */
#include "corrupt_report.h"

#include <stdio.h>

typedef unsigned long long ull;

static double rate(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static void print_group(const corrupt_totals *t, unsigned k, unsigned c)
{
    uint64_t done = 0;
    for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
        done += t->fates[k][c][f];
    if (!t->due[k][c] && !done)
        return;
    printf("  %-12s %-10s %9llu", corrupt_kind_text((corrupt_kind)k), corrupt_class_text((corrupt_class)c), (ull)done);
    for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
        printf(" %9llu", (ull)t->fates[k][c][f]);
    putchar('\n');
}

void corrupt_print(const report *r)
{
    const corrupt_report *c = &r->corrupt;
    const corrupt_totals *t = &c->totals;
    const uint64_t done = corrupt_totals_done(t), harmless = corrupt_totals_fate(t, CORRUPT_HARMLESS);
    printf("corruption\n  %-12s %-10s %9s", "damage", "file", "done");
    for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
        printf(" %9s", corrupt_fate_text((corrupt_fate)f));
    putchar('\n');
    for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++)
        for (unsigned class = 0; class < CORRUPT_CLASS_COUNT; class++)
            print_group(t, k, class);
    printf("  %llu damages to %llu seeds' stores (%llu there are), "
           "%.1f %% told, %.1f %% harmless, %llu wrong answers\n",
           (ull)done, (ull)c->seeds_begun, (ull)t->all, done ? 100.0 * (double)t->told / (double)done : 0,
           done ? 100.0 * (double)harmless / (double)done : 0, (ull)corrupt_totals_fate(t, CORRUPT_WRONG));
    printf("  the damaged file named in %.1f %% of those told; %llu stores gone on with\n",
           t->told ? 100.0 * (double)t->named / (double)t->told : 0, (ull)t->gone_on);
    printf("  damages per second %.0f a core (by its CPU time), %.0f by the clock over %u jobs; wall time %.1f s\n",
           rate(done, c->cpu_seconds), rate(done, c->seconds), r->options->jobs, c->seconds);
}

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

json_t *corrupt_json(const report *r)
{
    const corrupt_report *c = &r->corrupt;
    const corrupt_totals *t = &c->totals;
    json_t *o = json_object(), *groups = json_array();
    for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++)
        for (unsigned class = 0; class < CORRUPT_CLASS_COUNT; class++) {
            if (!t->due[k][class])
                continue;
            json_t *g = json_object();
            json_object_set_new(g, "damage", json_string(corrupt_kind_text((corrupt_kind)k)));
            json_object_set_new(g, "file", json_string(corrupt_class_text((corrupt_class)class)));
            set_count(g, "due", t->due[k][class]);
            for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
                set_count(g, corrupt_fate_text((corrupt_fate)f), t->fates[k][class][f]);
            json_array_append_new(groups, g);
        }
    set_count(o, "seeds_complete", c->seeds_complete);
    set_count(o, "seeds_begun", c->seeds_begun);
    set_count(o, "damages", corrupt_totals_done(t));
    set_count(o, "damages_there_are", t->all);
    set_count(o, "told", t->told);
    set_count(o, "named", t->named);
    set_count(o, "gone_on", t->gone_on);
    set_count(o, "harmless", corrupt_totals_fate(t, CORRUPT_HARMLESS));
    set_count(o, "wrong", corrupt_totals_fate(t, CORRUPT_WRONG));
    json_object_set_new(o, "groups", groups);
    json_object_set_new(o, "seconds", json_real(c->seconds));
    json_object_set_new(o, "damages_per_second_per_core", json_real(rate(corrupt_totals_done(t), c->cpu_seconds)));
    json_object_set_new(o, "complete", json_boolean(c->complete));
    return o;
}
