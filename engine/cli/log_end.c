/*
 * log_end.c - the newest batch that stands in the files of a store (log_end.h).
 *
 * The newest group is the last one, by its position, of the newest incarnation: what a recovery has cut off has an
 * older one (wal_format.h), and may stand behind it.  The segment that is written when the look begins is read to its
 * end, unless a checkpoint meanwhile has let it go, whose meta page, looked at last, then names what was in it.
 */
#include "log_end.h"

#include <errno.h>
#include <string.h>

enum { TRIES = 8 }; /* while segments that were listed are recycled before they are opened */

typedef struct look {
    uint64_t checkpoint;            /* sequence of the newest meta page */
    uint64_t incarnation, sequence; /* of the newest group */
} look;

static uint64_t number(const levin_dump_item *item, const char *name)
{
    for (size_t i = 0; i < item->count; i++)
        if (!strcmp(item->fields[i].name, name))
            return item->fields[i].number;
    return 0;
}

static bool is_live(const levin_dump_item *item)
{
    for (size_t i = 0; i < item->count; i++)
        if (!strcmp(item->fields[i].name, "live"))
            return item->fields[i].bytes.size == 3; /* "yes" */
    return false;
}

static bool on_item(void *context, const levin_dump_item *item)
{
    look *l = context;
    if (item->fault)
        return true;
    if (!strcmp(item->kind, "meta")) {
        const uint64_t sequence = number(item, "sequence");
        l->checkpoint = sequence > l->checkpoint ? sequence : l->checkpoint;
    } else if (!strcmp(item->kind, "group") && is_live(item) && number(item, "incarnation") >= l->incarnation) {
        l->incarnation = number(item, "incarnation");
        l->sequence = number(item, "sequence") + number(item, "batches"); /* of the first, or of the next */
        l->sequence -= l->sequence > 0;
    }
    return true;
}

/* Faults are those of what is being written. */
static levin_code look_at(const char *path, unsigned what, look *l, levin_error *error)
{
    levin_dump_options o;
    levin_dump_options_init(&o);
    o.what = what;
    levin_code code = levin_dump(path, &o, on_item, l, error);
    return code == LEVIN_CORRUPT ? LEVIN_OK : code;
}

levin_code log_end(const char *path, uint64_t *sequence, levin_error *error)
{
    levin_code code = LEVIN_OK;
    look l = { 0 };
    for (int i = 0; i < TRIES; i++) {
        code = look_at(path, LEVIN_DUMP_META | LEVIN_DUMP_LOG, &l, error);
        if (code != LEVIN_NOT_FOUND && !(code == LEVIN_IO && error->os_error == ENOENT))
            break;
    }
    if (code == LEVIN_OK)
        code = look_at(path, LEVIN_DUMP_META, &l, error);
    *sequence = l.sequence > l.checkpoint ? l.sequence : l.checkpoint;
    return code;
}
