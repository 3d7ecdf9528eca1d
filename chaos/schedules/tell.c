/*
 * tell.c - findings in words (tell.h).  No threads.
 */
#include "tell.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../faults/fatal.h"

enum { HISTORY_BYTES = 16 << 10, COMMAND_BYTES = 4096, FRAMES_SHOWN = 12 };

/* One address after the other through addr2line; false: it said nothing. */
static bool tell_frames(const schedule_position *p, FILE *file)
{
    char command[COMMAND_BYTES], line[1024];
    size_t used = (size_t)snprintf(command, sizeof command, "addr2line -fpse /proc/%d/exe", (int)getpid());
    const unsigned shown = p->depth < FRAMES_SHOWN ? p->depth : FRAMES_SHOWN;
    bool any = false;
    for (unsigned i = 0; i < shown && used < sizeof command; i++) /* the call, not where it returns to */
        used += (size_t)snprintf(command + used, sizeof command - used, " %#llx",
                                 (unsigned long long)((uintptr_t)p->stack[i] - 1));
    if (used + 16 > sizeof command)
        return false;
    snprintf(command + used, sizeof command - used, " 2>/dev/null");
    fflush(file);
    FILE *pipe = popen(command, "r");
    while (pipe && fgets(line, sizeof line, pipe)) {
        any = true;
        fprintf(file, "      %s", line);
    }
    if (pipe)
        pclose(pipe);
    return any;
}

static void tell_position(const schedule_position *p, FILE *file)
{
    fprintf(file, "    %s: %s\n", p->name, p->doing);
    if (!p->depth || tell_frames(p, file))
        return;
    for (unsigned i = 0; i < p->depth && i < FRAMES_SHOWN; i++)
        fprintf(file, "      %p\n", p->stack[i]);
}

void tell_result(const scenario *s, const run_result *result, FILE *file)
{
    const schedule_outcome *o = result->in_recovery ? &result->recovery : &result->outcome;
    if (result->found)
        fprintf(file, "%s: %s\n", result->kind, result->text);
    scenario_write(s, file);
    char *text = fatal_alloc(HISTORY_BYTES);
    history_text(&result->calls, text, HISTORY_BYTES);
    fprintf(file, "  calls, by moments, and what they read and wrote:\n%s", text);
    free(text);
    fprintf(file, "  ended: %s; %llu points, %llu preemptions, digest %016llx\n",
            schedule_end_text(result->outcome.end), (unsigned long long)result->outcome.points,
            (unsigned long long)result->outcome.preemptions, (unsigned long long)result->digest);
    for (unsigned t = 0; t < o->threads && o->end != SCHEDULE_ENDED; t++)
        tell_position(&o->at[t], file);
}
