/*
 * report_files.h - the report as files for others: JUnit XML for build servers, one self-contained page for people.
 */
#ifndef CHAOS_REPORT_FILES_H
#define CHAOS_REPORT_FILES_H

#include "report.h"

/* Writes what the options ask for; verdict: the one of the report. Ends the program when a file cannot be written. */
void report_write_files(const report *r, const char *verdict);

/* Text with what markup would take for its own written as entities. */
void report_escape(FILE *to, const char *text);
/* Runs gnuplot on a script and takes what it draws, as SVG, into the page; without gnuplot nothing happens. */
void report_plot(FILE *to, const char *script);
/* One page; reads nothing from elsewhere. Plots are there when gnuplot is. */
void report_html(FILE *to, const report *r, const char *verdict);

/* What each detector that ran has to show. */
typedef struct report_detector {
    detector which;
    const char *unit;
    uint64_t done, due;   /* points, plans, damages, seeds; due 0: no end */
    double seconds;
} report_detector;
enum { REPORT_DETECTORS = DETECTOR_COUNT };
size_t report_detectors(const report *r, report_detector list[REPORT_DETECTORS]);

#endif
