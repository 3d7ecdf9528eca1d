/*
 * tell.c - findings in words and as JSON (tell.h).  No threads.
 */
#include "tell.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../faults/fatal.h"

enum { HISTORY_BYTES = 16 << 10, COMMAND_BYTES = 4096, FRAMES_SHOWN = 12, FRAME_BYTES = 256 };

typedef char frame_text[FRAME_BYTES];

/* One address after the other through addr2line. How many; 0: it said nothing. */
static unsigned named_frames(const schedule_position *p, unsigned shown, frame_text frames[])
{
    char command[COMMAND_BYTES];
    size_t used = (size_t)snprintf(command, sizeof command, "addr2line -fpse /proc/%d/exe", (int)getpid());
    unsigned count = 0;
    for (unsigned i = 0; i < shown && used < sizeof command; i++) /* the call, not where it returns to */
        used += (size_t)snprintf(command + used, sizeof command - used, " %#llx",
                                 (unsigned long long)((uintptr_t)p->stack[i] - 1));
    if (used + 16 > sizeof command)
        return 0;
    snprintf(command + used, sizeof command - used, " 2>/dev/null");
    fflush(NULL);
    FILE *pipe = popen(command, "r");
    while (pipe && count < shown && fgets(frames[count], FRAME_BYTES, pipe)) {
        frames[count][strcspn(frames[count], "\n")] = '\0';
        count++;
    }
    if (pipe)
        pclose(pipe);
    return count;
}

static unsigned frames_of(const schedule_position *p, frame_text frames[FRAMES_SHOWN])
{
    const unsigned shown = p->depth < FRAMES_SHOWN ? p->depth : FRAMES_SHOWN;
    if (shown && named_frames(p, shown, frames) == shown)
        return shown;
    for (unsigned i = 0; i < shown; i++)
        snprintf(frames[i], FRAME_BYTES, "%p", p->stack[i]);
    return shown;
}

/* Where threads stood is told of what did not end well. */
static const schedule_outcome *outcome_told(const run_result *result, unsigned *threads)
{
    const schedule_outcome *o = result->in_recovery ? &result->recovery : &result->outcome;
    *threads = o->end == SCHEDULE_ENDED ? 0 : o->threads;
    return o;
}

static char *history_lines(const run_result *result)
{
    char *text = fatal_alloc(HISTORY_BYTES);
    history_text(&result->calls, text, HISTORY_BYTES);
    return text;
}

const char *tell_verdict(const scenario *s, const run_result *result)
{
    if (!s->finding[0])
        return result->found ? "a finding" : result->undecided ? "undecided" : "nothing found";
    return !result->found                       ? "the finding is gone"
           : !strcmp(result->kind, s->finding) ? "the same finding"
                                               : "another finding";
}

void tell_result(const scenario *s, const run_result *result, FILE *file)
{
    unsigned threads;
    const schedule_outcome *o = outcome_told(result, &threads);
    char *text = history_lines(result);
    if (result->found)
        fprintf(file, "%s: %s\n", result->kind, result->text);
    scenario_write(s, file);
    fprintf(file, "  calls, by moments, and what they read and wrote:\n%s", text);
    free(text);
    fprintf(file, "  ended: %s; %llu points, %llu preemptions, digest %016llx\n",
            schedule_end_text(result->outcome.end), (unsigned long long)result->outcome.points,
            (unsigned long long)result->outcome.preemptions, (unsigned long long)result->digest);
    if (result->undecided)
        fprintf(file, "  undecided: whether an order explains it; %u searches were given up\n", result->undecided);
    for (unsigned t = 0; t < threads; t++) {
        frame_text frames[FRAMES_SHOWN];
        const unsigned count = frames_of(&o->at[t], frames);
        fprintf(file, "    %s: %s\n", o->at[t].name, o->at[t].doing);
        for (unsigned i = 0; i < count; i++)
            fprintf(file, "      %s\n", frames[i]);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------------------- */

void tell_json_text(const char *text, FILE *file)
{
    putc('"', file);
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf(file, "\\%c", *text);
        else
            fprintf(file, (unsigned char)*text < ' ' || (unsigned char)*text > '~' ? "\\u%04x" : "%c",
                    (unsigned char)*text);
    putc('"', file);
}

static void member(const char *name, const char *text, FILE *file)
{
    fprintf(file, "\"%s\": ", name);
    if (text)
        tell_json_text(text, file);
    else
        fputs("null", file);
    fputs(", ", file);
}

static void lines_json(char *text, FILE *file)
{
    const char *before = "";
    for (char *line; (line = strsep(&text, "\n"));) {
        if (!*line)
            continue;
        fputs(before, file);
        tell_json_text(line + strspn(line, " "), file);
        before = ", ";
    }
}

static void position_json(const schedule_position *p, FILE *file)
{
    frame_text frames[FRAMES_SHOWN];
    const unsigned count = frames_of(p, frames);
    putc('{', file);
    member("name", p->name, file);
    member("doing", p->doing, file);
    fputs("\"stack\": [", file);
    for (unsigned i = 0; i < count; i++) {
        fputs(i ? ", " : "", file);
        tell_json_text(frames[i], file);
    }
    fputs("]}", file);
}

void tell_result_json(const char *name, const scenario *s, const run_result *result, FILE *file)
{
    unsigned threads;
    const schedule_outcome *o = outcome_told(result, &threads);
    char *text = history_lines(result);
    putc('{', file);
    member("file", name, file);
    member("verdict", tell_verdict(s, result), file);
    member("kept_for", s->finding[0] ? s->finding : NULL, file);
    member("kind", result->found ? result->kind : NULL, file);
    member("text", result->found ? result->text : NULL, file);
    member("ended", schedule_end_text(result->outcome.end), file);
    fprintf(file, "\"seed\": %llu, \"points\": %llu, \"preemptions\": %llu, \"undecided\": %u, ",
            (unsigned long long)s->seed, (unsigned long long)result->outcome.points,
            (unsigned long long)result->outcome.preemptions, result->undecided);
    fprintf(file, "\"digest\": \"%016llx\", \"calls\": [", (unsigned long long)result->digest);
    lines_json(text, file);
    fputs("], \"threads\": [", file);
    free(text);
    for (unsigned t = 0; t < threads; t++) {
        fputs(t ? ", " : "", file);
        position_json(&o->at[t], file);
    }
    fputs("]}\n", file);
}
