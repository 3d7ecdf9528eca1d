/*
 * gate_table.h - rows of (workload, counter, value): what a run of the gate produces, what regress/counters.csv
 * holds, and what the two sides of a comparison tell each other.
 *
 * As text: a line "workload,counter,value" at the top, then one row a line; lines that begin with '#' are comments.
 */
#ifndef LEVIN_GATE_TABLE_H
#define LEVIN_GATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { GATE_NAME_BYTES = 48 };

typedef struct gate_row {
    char workload[GATE_NAME_BYTES], counter[GATE_NAME_BYTES];
    uint64_t value;
} gate_row;

/* Zeroed is empty. */
typedef struct gate_table {
    gate_row *rows;
    size_t count, capacity;
} gate_table;

void gate_table_fini(gate_table *t);
/* False when memory ran out. Names longer than GATE_NAME_BYTES - 1 are the programmer's mistake. */
bool gate_table_add(gate_table *t, const char *workload, const char *counter, uint64_t value);
/* By workload, then counter. */
void gate_table_sort(gate_table *t);
/* NULL when there is none. */
const gate_row *gate_table_find(const gate_table *t, const char *workload, const char *counter);
bool gate_table_has_workload(const gate_table *t, const char *workload);
/* 0 when there is no such row. */
uint64_t gate_table_value(const gate_table *t, const char *workload, const char *counter);

/* Adds the rows of a text. On failure message says why, with the line; rows read until then stay. */
enum { GATE_MESSAGE_BYTES = 256 };
bool gate_table_read(gate_table *t, FILE *from, char message[GATE_MESSAGE_BYTES]);
/* False when writing failed. */
bool gate_table_write(const gate_table *t, FILE *to);

/* A counter that differs. A row that is on one side only counts as 0 on the other. */
typedef struct gate_difference {
    const char *workload, *counter;
    uint64_t expected, found;
} gate_difference;
/*
 * Calls report, in order, for each difference between two sorted tables; returns how many.
 * report may be NULL.
 */
size_t gate_table_compare(const gate_table *expected, const gate_table *found,
                          void (*report)(void *context, const gate_difference *d), void *context);

#endif
