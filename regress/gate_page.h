/*
 * gate_page.h - the trend of the gate as one self-contained page: the newest ratios with their intervals, each
 * workload's instructions and time by commit, and where they changed.
 *
 * The trend is a file of JSON objects, one a line: commit, and gate, which is what levin-gate --json prints (gate.sh
 * appends them).  Nothing is judged by it: verdicts come from both sides built and run together.
 */
#ifndef LEVIN_GATE_PAGE_H
#define LEVIN_GATE_PAGE_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Plots are made by gnuplot; without it the tables say the same. flame: a profile as gate_flame.h has it, or NULL;
 * flame_title: over its plots or, without a profile, why there is none; or NULL. False with a message.
 */
bool gate_page(const char *trend, const char *flame, const char *flame_title, FILE *to);

#endif
