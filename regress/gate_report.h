/*
 * gate_report.h - what the gate found, as text or JSON.
 */
#ifndef LEVIN_GATE_REPORT_H
#define LEVIN_GATE_REPORT_H

#include "gate_ratio.h"
#include "gate_table.h"
#include "gate_time.h"

typedef struct gate_report {
    /* counters; found NULL: not compared */
    bool commands; /* two commands of anybody's, not two engines */
    const char *counters_path;
    const gate_table *expected, *found; /* sorted */
    size_t differences;
    /* instructions; base_name NULL: not compared */
    const char *base_name, *method;
    double tolerance_percent;
    const gate_ratio *ratios;
    size_t ratio_count, compared, slower; /* compared: of the ratios, those of the same work on both sides */
    uint64_t base_bytes, now_bytes; /* of the library; 0: not compared */
    /* time; time_options NULL: not compared */
    const time_options *time_options;
    time_result time;
} gate_report;

#define GATE_SIZE_TOLERANCE 1.05 /* a library may grow by so much in one change */
bool gate_report_regression(const gate_report *r);
/* Whether a tier that was asked for had nothing to compare: that is no success. */
bool gate_report_empty(const gate_report *r);
/* The differences of two sorted tables, one a line. */
void gate_report_differences(const gate_table *expected, const gate_table *found, FILE *to);
void gate_report_text(const gate_report *r, FILE *to);
/* False when memory ran out or writing failed. */
bool gate_report_json(const gate_report *r, FILE *to);

#endif
