/*
 * report_files.c - JUnit XML, and which detector has found what (report_files.h).
 */
#include "report_files.h"

#include <errno.h>
#include <string.h>

#include "../faults/fatal.h"

void report_escape(FILE *to, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", to);
            break;
        case '>':
            fputs("&gt;", to);
            break;
        case '&':
            fputs("&amp;", to);
            break;
        case '"':
            fputs("&quot;", to);
            break;
        default:
            fputc((unsigned char)*text >= ' ' ? *text : '?', to);
        }
}

size_t report_detectors(const report *r, report_detector list[REPORT_DETECTORS])
{
    const report_detector all[DETECTOR_COUNT] = {
        { DETECTOR_SWEEP, "I/O calls crashed at", r->sweep.totals.points, r->sweep.points_due, r->sweep.seconds },
        { DETECTOR_FAULTS, "calls made to fail", r->faults.totals.points_hit, r->faults.totals.points,
          r->faults.seeds.seconds },
        { DETECTOR_EFFECTS, "runs under an effect", r->effects.totals.runs, 0, r->effects.seeds.seconds },
        { DETECTOR_CROSSED, "power cuts after faults", r->crossed.totals.states, 0, r->crossed.seeds.seconds },
        { DETECTOR_CORRUPT, "damages", corrupt_totals_done(&r->corrupt.totals), 0, r->corrupt.seconds },
        { DETECTOR_RANGES, "combinations of bounds", r->ranges.counts.walks, 0, r->ranges.seconds },
        { DETECTOR_SOAK, "lives of a process", r->soak.lives, 0, r->soak.seconds },
        { DETECTOR_SCHEDULES, "thread schedules", r->schedules.totals.schedules, 0, r->schedules.seconds },
    };
    const bool ran[DETECTOR_COUNT] = { r->has_sweep, r->has_faults,  r->has_effects, r->has_crossed,
                                       r->has_corrupt, r->has_ranges, r->has_soak,
                                       r->has_schedules };
    size_t n = 0;
    for (int d = 0; d < DETECTOR_COUNT; d++)
        if (ran[d])
            list[n++] = all[d];
    return n;
}

/* ---- JUnit ------------------------------------------------------------------------------------------------ */

static void junit_findings(FILE *to, const report *r, const report_detector *d)
{
    for (size_t i = 0; i < r->found.kept; i++) {
        const finding *f = &r->found.items[i];
        char line[REPORT_LINE_BYTES];
        if (f->found_by != d->which)
            continue;
        report_replay_line(r, f, line, sizeof line);
        fprintf(to, "    <testcase classname=\"levin-chaos.%s\" name=\"", detector_text(d->which));
        report_escape(to, line);
        fputs("\">\n      <failure type=\"", to);
        report_escape(to, f->promise);
        fputs("\" message=\"", to);
        report_escape(to, f->phase);
        fputs("\">", to);
        report_escape(to, f->text);
        fputs("</failure>\n    </testcase>\n", to);
    }
}

static void junit(FILE *to, const report *r)
{
    report_detector list[REPORT_DETECTORS];
    const size_t n = report_detectors(r, list);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"levin-chaos\">\n", to);
    for (size_t i = 0; i < n; i++) {
        const report_detector *d = &list[i];
        const char *name = detector_text(d->which);
        const unsigned long long found = r->found.of[d->which]; /* whether they are among those listed or not */
        const unsigned long long undecided = d->which == DETECTOR_SCHEDULES ? r->schedules.totals.undecided : 0;
        const unsigned skipped = undecided != 0;
        fprintf(to, "  <testsuite name=\"%s\" tests=\"%llu\" failures=\"%llu\" errors=\"%d\" skipped=\"%u\" "
                    "time=\"%.3f\">\n",
                name, found + 1 + skipped, found, r->harness[0] != 0, skipped, d->seconds);
        fprintf(to, "    <testcase classname=\"levin-chaos.%s\" name=\"%llu %s\" time=\"%.3f\">", name,
                (unsigned long long)d->done, d->unit, d->seconds);
        if (r->harness[0]) {
            fputs("<error message=\"the harness failed\">", to);
            report_escape(to, r->harness);
            fputs("</error>", to);
        }
        fputs("</testcase>\n", to);
        if (skipped)
            fprintf(to, "    <testcase classname=\"levin-chaos.%s\" name=\"undecided\"><skipped message=\"%llu of "
                        "%llu: the search for an order was given up\"/></testcase>\n",
                    name, undecided, (unsigned long long)d->done);
        junit_findings(to, r, d);
        if (found > FINDINGS_KEPT)
            fprintf(to, "    <system-out>%llu violations more than those listed</system-out>\n", found - FINDINGS_KEPT);
        fputs("  </testsuite>\n", to);
    }
    fputs("</testsuites>\n", to);
}

/* ---- files ------------------------------------------------------------------------------------------------ */

static FILE *begin(const char *path)
{
    FILE *to = fopen(path, "w");
    if (!to)
        fatal("cannot write %s: %s", path, strerror(errno));
    return to;
}

static void end(FILE *to, const char *path)
{
    const bool bad = ferror(to) != 0;
    if (fclose(to) != 0 || bad)
        fatal("cannot write %s", path);
}

void report_write_files(const report *r, const char *verdict)
{
    if (r->options->junit) {
        FILE *to = begin(r->options->junit);
        junit(to, r);
        end(to, r->options->junit);
    }
    if (r->options->html) {
        FILE *to = begin(r->options->html);
        report_html(to, r, verdict);
        end(to, r->options->html);
    }
}
