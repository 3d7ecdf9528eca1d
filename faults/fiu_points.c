/*
 * fiu_points.c - the one file that knows libfiu.
 *
 * libfiu keeps the enabled points of the process (mutable state of its own, under its own lock) and is asked at
 * each call of a wrapped table.  Decisions by probability would come from libfiu's own generator: runs that must
 * repeat enable points always or once only.
 *
 * Concurrency: libfiu's calls are thread-safe; its failinfo is per thread.
 */
#include "fiu_points.h"

#include <errno.h>
#define FIU_ENABLE 1 /* otherwise fiu.h defines all calls away */
#include <fiu-control.h>
#include <fiu.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fiu_points_open(void)
{
    return fiu_init(0) == 0 ? 0 : ENOMEM;
}

bool fiu_points_hook(const char *point, int *os_error)
{
    if (!point || !fiu_fail(point))
        return false;
    intptr_t info = (intptr_t)fiu_failinfo();
    *os_error = info > 0 ? (int)info : strncmp(point, "levin/mem/", 10) == 0 ? ENOMEM : EIO;
    return true;
}

int fiu_points_enable(const char *point, int os_error, bool once)
{
    return fiu_enable(point, 1, (void *)(intptr_t)os_error, once ? FIU_ONETIME : 0);
}

int fiu_points_disable(const char *point)
{
    return fiu_disable(point);
}

int fiu_points_listen(void)
{
    char path[256];
    const char *directory = getenv("TMPDIR"); /* where fiu-ctrl looks */
    if (getenv("FIU_CTRL_FIFO"))              /* libfiu's preload listens already */
        return 0;
    snprintf(path, sizeof path, "%s/fiu-ctrl", directory && *directory ? directory : "/tmp");
    return fiu_rc_fifo(path);
}
