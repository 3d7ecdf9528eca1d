/*
 * gate_table.c - a growing array of rows; files are read strictly, for a baseline that is half understood proves
 * nothing.
 */
#include "gate_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char HEADER[] = "workload,counter,value";

void gate_table_fini(gate_table *t)
{
    free(t->rows);
    *t = (gate_table){ 0 };
}

bool gate_table_add(gate_table *t, const char *workload, const char *counter, uint64_t value)
{
    assert(strlen(workload) < GATE_NAME_BYTES && strlen(counter) < GATE_NAME_BYTES);
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 256;
        gate_row *rows = realloc(t->rows, capacity * sizeof *rows);
        if (!rows)
            return false;
        t->rows = rows;
        t->capacity = capacity;
    }
    gate_row *row = &t->rows[t->count++];
    memset(row, 0, sizeof *row);
    snprintf(row->workload, sizeof row->workload, "%s", workload);
    snprintf(row->counter, sizeof row->counter, "%s", counter);
    row->value = value;
    return true;
}

static int by_name(const void *a, const void *b)
{
    const gate_row *x = a, *y = b;
    int order = strcmp(x->workload, y->workload);
    return order ? order : strcmp(x->counter, y->counter);
}

void gate_table_sort(gate_table *t)
{
    if (t->count)
        qsort(t->rows, t->count, sizeof *t->rows, by_name);
}

const gate_row *gate_table_find(const gate_table *t, const char *workload, const char *counter)
{
    for (size_t i = 0; i < t->count; i++)
        if (!strcmp(t->rows[i].counter, counter) && !strcmp(t->rows[i].workload, workload))
            return &t->rows[i];
    return NULL;
}

bool gate_table_has_workload(const gate_table *t, const char *workload)
{
    for (size_t i = 0; i < t->count; i++)
        if (!strcmp(t->rows[i].workload, workload))
            return true;
    return false;
}

uint64_t gate_table_value(const gate_table *t, const char *workload, const char *counter)
{
    const gate_row *row = gate_table_find(t, workload, counter);
    return row ? row->value : 0;
}

/* ---- text ---- */

/* "workload,counter,value" -> a row; false when it is anything else. */
static bool parse_row(gate_table *t, char *line, bool *no_memory)
{
    char *counter = strchr(line, ','), *value = counter ? strchr(counter + 1, ',') : NULL, *end = NULL;
    if (!value || counter == line || value == counter + 1)
        return false;
    *counter++ = '\0';
    *value++ = '\0';
    if (*value < '0' || *value > '9' || strlen(line) >= GATE_NAME_BYTES || strlen(counter) >= GATE_NAME_BYTES)
        return false;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (errno || *end)
        return false;
    *no_memory = !gate_table_add(t, line, counter, number);
    return !*no_memory;
}

bool gate_table_read(gate_table *t, FILE *from, char message[GATE_MESSAGE_BYTES])
{
    char *line = NULL;
    size_t capacity = 0;
    bool ok = true, seen_header = false, no_memory = false;
    message[0] = '\0';
    for (unsigned number = 1; ok; number++) {
        errno = 0;
        ssize_t bytes = getline(&line, &capacity, from);
        if (bytes < 0)
            break;
        if (line[bytes - 1] == '\n')
            line[--bytes] = '\0';
        if (bytes == 0 || line[0] == '#')
            continue;
        ok = seen_header ? parse_row(t, line, &no_memory) : !strcmp(line, HEADER);
        seen_header = true;
        if (!ok && !no_memory)
            snprintf(message, GATE_MESSAGE_BYTES, "line %u is no row of workload,counter,value", number);
    }
    if (ok && (ferror(from) || errno)) {
        snprintf(message, GATE_MESSAGE_BYTES, "reading failed: %s", strerror(errno));
        ok = false;
    } else if (no_memory) {
        snprintf(message, GATE_MESSAGE_BYTES, "out of memory");
    } else if (ok && !seen_header) {
        snprintf(message, GATE_MESSAGE_BYTES, "there is nothing in it");
        ok = false;
    }
    free(line);
    return ok;
}

bool gate_table_write(const gate_table *t, FILE *to)
{
    fprintf(to, "%s\n", HEADER);
    for (size_t i = 0; i < t->count; i++)
        fprintf(to, "%s,%s,%llu\n", t->rows[i].workload, t->rows[i].counter, (unsigned long long)t->rows[i].value);
    return fflush(to) == 0 && !ferror(to);
}

/* ---- comparing ---- */

size_t gate_table_compare(const gate_table *expected, const gate_table *found,
                          void (*report)(void *context, const gate_difference *d), void *context)
{
    size_t e = 0, f = 0, differences = 0;
    while (e < expected->count || f < found->count) {
        const gate_row *left = e < expected->count ? &expected->rows[e] : NULL;
        const gate_row *right = f < found->count ? &found->rows[f] : NULL;
        int order = !left ? 1 : !right ? -1 : by_name(left, right);
        const gate_row *named = order <= 0 ? left : right;
        gate_difference d = { .workload = named->workload, .counter = named->counter,
                              .expected = order <= 0 ? left->value : 0, .found = order >= 0 ? right->value : 0 };
        e += order <= 0;
        f += order >= 0;
        if (d.expected == d.found)
            continue;
        differences++;
        if (report)
            report(context, &d);
    }
    return differences;
}
