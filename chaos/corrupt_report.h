/*
 * corrupt_report.h - how a corruption campaign is shown.
 */
#ifndef CHAOS_CORRUPT_REPORT_H
#define CHAOS_CORRUPT_REPORT_H

#include <jansson.h>

#include "report.h"

/* A line for each kind and class of files that there is. */
void corrupt_print(const report *r);
json_t *corrupt_json(const report *r);

#endif
