/*
 * states_layout.c - states of files laid out for a checker.
 *
 * The checker may do what it likes to the files: the whole tree is removed before the next.  Concurrency: none.
 */
#include "states_layout.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *where)
{
    (void)stat;
    (void)type;
    (void)where;
    return remove(path) && errno != ENOENT ? -1 : 0;
}

void remove_tree(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

bool states_layout_open(states_layout *l, const char *parent)
{
    int n = snprintf(l->base, sizeof l->base, "%s/levin-states-XXXXXX", parent);
    if (n >= (int)sizeof l->base || !mkdtemp(l->base)) {
        fprintf(stderr, "levin-chaos: no directory for states below %s: %s\n", parent, strerror(errno));
        l->base[0] = 0;
        return false;
    }
    snprintf(l->state, sizeof l->state, "%s/state", l->base);
    snprintf(l->acknowledged, sizeof l->acknowledged, "%s/acknowledged", l->base);
    snprintf(l->output, sizeof l->output, "%s/output", l->base);
    return true;
}

void states_layout_close(states_layout *l)
{
    if (l->base[0])
        remove_tree(l->base);
    l->base[0] = 0;
}

static int put_marks(const char *path, const trace *t, uint64_t point)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return errno;
    for (uint64_t i = trace_start(t); i < point; i++) {
        const trace_entry *e = trace_at(t, i);
        if (e->op == TRACE_MARK && fwrite(e->data, 1, (size_t)e->bytes, file) != e->bytes)
            break;
    }
    int error = ferror(file) ? EIO : 0;
    return fclose(file) && !error ? errno : error;
}

int states_layout_put(const states_layout *l, const disk_image *image, const trace *t, uint64_t point)
{
    remove_tree(l->state);
    unlink(l->output);
    if (mkdir(l->state, 0755))
        return errno;
    int error = disk_image_export(image, l->state);
    return error ? error : put_marks(l->acknowledged, t, point);
}
