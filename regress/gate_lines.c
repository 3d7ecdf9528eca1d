/*
 * gate_lines.c - see gate_lines.h.
 */
#include "gate_lines.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 1 << 16 };

bool gate_lines_each(const char *path, bool (*take)(void *context, char *line), void *context, const char *wrong)
{
    static char line[LINE_BYTES];
    FILE *f = fopen(path, "re");
    unsigned number = 0;
    bool ok = f;
    if (!f)
        fprintf(stderr, "levin-gate: %s: %s\n", path, strerror(errno));
    while (ok && fgets(line, sizeof line, f)) {
        number++;
        ok = take(context, line);
        if (!ok)
            fprintf(stderr, "levin-gate: %s: line %u is %s\n", path, number, wrong);
    }
    if (f)
        fclose(f);
    return ok;
}
