/*
 * gate_ratio.c - instruction counts are exact, so a verdict is one division; what was not measured alike is not
 * divided.
 */
#include "gate_ratio.h"

#include <string.h>

const char *gate_verdict_text(gate_verdict verdict)
{
    static const char *const text[] = {
#define GATE_VERDICT_TEXT(name, words) words,
        GATE_VERDICTS(GATE_VERDICT_TEXT)
#undef GATE_VERDICT_TEXT
    };
    return text[verdict];
}

bool gate_ratio_compared(const gate_ratio *r)
{
    return r->verdict == GATE_SAME || r->verdict == GATE_SLOWER || r->verdict == GATE_FASTER;
}

static double per_operation(const gate_table *t, const char *workload)
{
    uint64_t operations = gate_table_value(t, workload, "operations");
    return operations ? (double)gate_table_value(t, workload, "instructions") / (double)operations : 0;
}

static gate_ratio ratio_of(const gate_table *base, const gate_table *now, const char *workload,
                           double tolerance_percent)
{
    gate_ratio r = { .operations = gate_table_value(now, workload, "operations"),
                     .base = per_operation(base, workload), .now = per_operation(now, workload) };
    snprintf(r.workload, sizeof r.workload, "%s", workload);
    if (r.base <= 0) {
        r.verdict = GATE_NEW;
    } else if (r.now <= 0) {
        r.verdict = GATE_GONE;
        r.operations = gate_table_value(base, workload, "operations");
    } else if (gate_table_value(base, workload, "operations") != r.operations) {
        r.verdict = GATE_OTHER_WORK;
    } else {
        r.change_percent = (r.now / r.base - 1) * 100;
        r.verdict = r.change_percent > tolerance_percent    ? GATE_SLOWER
                    : r.change_percent < -tolerance_percent ? GATE_FASTER
                                                            : GATE_SAME;
    }
    return r;
}

size_t gate_ratios(const gate_table *base, const gate_table *now, double tolerance_percent, gate_ratio *ratios,
                   size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < now->count && n < room; i++)
        if (!strcmp(now->rows[i].counter, "instructions"))
            ratios[n++] = ratio_of(base, now, now->rows[i].workload, tolerance_percent);
    for (size_t i = 0; i < base->count && n < room; i++)
        if (!strcmp(base->rows[i].counter, "instructions") &&
            !gate_table_find(now, base->rows[i].workload, "instructions"))
            ratios[n++] = ratio_of(base, now, base->rows[i].workload, tolerance_percent);
    return n;
}
