/*
 * gate_tally.c - one row for each group and name, in the order in which they are met, and one for each
 * group as a whole, group after group; what was slowed on purpose in a table of its own, tier beside tier.
 */
#include "gate_tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate_lines.h"
#include "gate_statistics.h"
#include "gate_table.h"

enum { ROWS_MAX = 256, PATH_BYTES = 1024 };

typedef struct tally_row {
    char group[GATE_NAME_BYTES], name[GATE_NAME_BYTES];
    unsigned decisions, slower, faster, undecided;
    double change, seconds; /* sums */
    double widest, longest; /* of any decision: the change either way, the time */
} tally_row;

typedef struct tally {
    tally_row rows[ROWS_MAX];
    size_t count;
} tally;

static tally_row *row_of(tally *t, const char *group, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (!strcmp(t->rows[i].group, group) && !strcmp(t->rows[i].name, name))
            return &t->rows[i];
    if (t->count == ROWS_MAX)
        return NULL;
    tally_row *row = &t->rows[t->count++];
    snprintf(row->group, sizeof row->group, "%s", group);
    snprintf(row->name, sizeof row->name, "%s", name);
    return row;
}

static bool take(void *context, char *line)
{
    tally *t = context;
    char group[GATE_NAME_BYTES], name[GATE_NAME_BYTES], verdict[GATE_NAME_BYTES];
    double change, ms;
    if (sscanf(line, "%47[^,],%47[^,],%*[^,],%*[^,],%47[^,],%lf,%lf", group, name, verdict, &change, &ms) != 5)
        return false;
    const char *const names[] = { name, "all" };
    for (size_t i = 0; i < (strcmp(name, "all") ? 2u : 1u); i++) {
        tally_row *row = row_of(t, group, names[i]);
        if (!row)
            return false;
        row->decisions++;
        row->slower += !strcmp(verdict, "SLOWER");
        row->faster += !strcmp(verdict, "faster");
        row->undecided += !strcmp(verdict, "undecided");
        row->change += change;
        row->widest = fmax(fabs(change), row->widest);
        row->seconds += ms / 1000;
        row->longest = ms / 1000 > row->longest ? ms / 1000 : row->longest;
    }
    return true;
}

static void print_row(const tally_row *row, FILE *to)
{
    const proportion_interval w = statistics_wilson(row->slower, row->decisions);
    char interval[48], seconds[48];
    snprintf(interval, sizeof interval, "%.2f..%.2f%%", w.lower * 100, w.upper * 100);
    snprintf(seconds, sizeof seconds, "%.1f (%.0f)", row->seconds / row->decisions, row->longest);
    fprintf(to, "%-12s %-21s %9u %7u %7.2f%% %16s %7u %9u %+8.2f%% %7.2f%% %9s\n", row->group, row->name,
            row->decisions, row->slower, 100.0 * row->slower / row->decisions, interval, row->faster, row->undecided,
            row->change / row->decisions, row->widest, seconds);
}

/* The groups of what was slowed on purpose, and the tiers that judged it. */
static const char *const power_groups[] = { "counters", "instructions", "slowed" };
static const char *const power_tiers[] = { "counters", "instructions", "time" };
enum { POWER_TIERS = 3 };

static bool is_power(const tally_row *row)
{
    for (int tier = 0; tier < POWER_TIERS; tier++)
        if (!strcmp(row->group, power_groups[tier]))
            return true;
    return false;
}

static const tally_row *found_row(const tally *t, const char *group, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (!strcmp(t->rows[i].group, group) && !strcmp(t->rows[i].name, name))
            return &t->rows[i];
    return NULL;
}

/* One line for each name: how many of the decisions of each tier were SLOWER, the mean change, the mean time. */
static void print_power(const tally *t, FILE *to)
{
    bool heading = false;
    for (size_t i = 0; i < t->count; i++) {
        bool first = is_power(&t->rows[i]) && strcmp(t->rows[i].name, "all") != 0;
        for (size_t k = 0; k < i && first; k++)
            first = !is_power(&t->rows[k]) || strcmp(t->rows[k].name, t->rows[i].name) != 0;
        if (!first)
            continue;
        if (!heading)
            fprintf(to, "\n%-21s", "seen, change, s");
        for (int tier = 0; tier < POWER_TIERS && !heading; tier++)
            fprintf(to, " %30s%s", power_tiers[tier], tier + 1 < POWER_TIERS ? "" : "\n");
        heading = true;
        fprintf(to, "%-21s", t->rows[i].name);
        for (int tier = 0; tier < POWER_TIERS; tier++) {
            const tally_row *row = found_row(t, power_groups[tier], t->rows[i].name);
            char cell[96] = "-";
            if (row)
                snprintf(cell, sizeof cell, "%u of %u %+8.2f%% %6.1f s", row->slower, row->decisions,
                         row->change / row->decisions, row->seconds / row->decisions);
            fprintf(to, " %30s%s", cell, tier + 1 < POWER_TIERS ? "" : "\n");
        }
    }
}

/* Whether no row before it is of its group. */
static bool is_first(const tally *t, size_t which)
{
    for (size_t i = 0; i < which; i++)
        if (!strcmp(t->rows[i].group, t->rows[which].group))
            return false;
    return true;
}

bool gate_tally(const char *paths, FILE *to)
{
    static tally t;
    t.count = 0;
    for (const char *at = paths; *at;) {
        char path[PATH_BYTES];
        size_t bytes = strcspn(at, ",");
        snprintf(path, sizeof path, "%.*s", (int)bytes, at);
        if (bytes && !gate_lines_each(path, take, &t, "no decision, or one too many kinds"))
            return false;
        at += bytes + (at[bytes] == ',');
    }
    fprintf(to, "%-12s %-21s %9s %7s %8s %16s %7s %9s %9s %8s %9s\n", "group", "what", "decisions", "SLOWER", "rate",
            "95 % interval", "faster", "undecided", "change", "widest", "s (most)");
    for (size_t i = 0; i < t.count; i++)
        for (size_t k = 0; k < t.count && is_first(&t, i); k++)
            if (!strcmp(t.rows[k].group, t.rows[i].group) && !is_power(&t.rows[k]))
                print_row(&t.rows[k], to);
    print_power(&t, to);
    return fflush(to) == 0;
}
