/*
 * campaign_report.h - what a campaign came to, as text and as JSON, and its findings as files.
 */
#ifndef CHAOS_SCHEDULES_CAMPAIGN_REPORT_H
#define CHAOS_SCHEDULES_CAMPAIGN_REPORT_H

#include "campaign.h"

/* Writes the scenario. False: it cannot be, as stderr says. */
bool campaign_save_scenario(const scenario *s, const char *name);
/*
 * Tells of the findings, the first few in full, and keeps each of them in the directory `save`, if that is not NULL,
 * for replay and shrink: done again for that, in a process of its own, which may die as the first one did.
 */
void campaign_report_findings(const campaign *c, const char *save, FILE *file);
void campaign_report_totals(const campaign *c, FILE *file);
void campaign_report_json(const campaign *c, FILE *file);

#endif
