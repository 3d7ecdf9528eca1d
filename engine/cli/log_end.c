/*
 * log_end.c - the newest batch that stands in the files of a store (log_end.h).
 *
 * The newest group is the last one, by its position, of the newest incarnation: what a recovery has cut off has an
 * older one (wal_format.h), and may stand behind it.  Segments are recycled under the reader's eyes, so a look counts
 * only if the log did not go on, by a seal, in a segment that was not seen.
 */
#include "log_end.h"

#include <string.h>

enum { TRIES = 8 };

typedef struct look {
    uint64_t checkpoint;                /* sequence of the newest meta page */
    uint64_t incarnation, sequence;     /* of the newest group */
    uint64_t next_segment, segment_max; /* where its seal says that the log goes on; the last segment seen */
    bool found;                         /* a meta page */
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
    if (!strcmp(item->kind, "segment")) {
        const uint64_t segment = number(item, "number");
        l->segment_max = segment > l->segment_max ? segment : l->segment_max;
    }
    if (item->fault)
        return true;
    if (!strcmp(item->kind, "meta")) {
        const uint64_t sequence = number(item, "sequence");
        l->checkpoint = sequence > l->checkpoint ? sequence : l->checkpoint;
        l->found = true;
    } else if (!strcmp(item->kind, "group") && is_live(item) && number(item, "incarnation") >= l->incarnation) {
        l->incarnation = number(item, "incarnation");
        l->sequence = number(item, "sequence") + number(item, "batches"); /* of the first, or of the next */
        l->sequence -= l->sequence > 0;
        l->next_segment = number(item, "next_segment");
    }
    return true;
}

levin_code log_end(const char *path, uint64_t *sequence, levin_error *error)
{
    levin_dump_options o;
    levin_dump_options_init(&o);
    o.what = LEVIN_DUMP_META | LEVIN_DUMP_LOG;
    levin_code code = LEVIN_PENDING;
    for (int i = 0; i < TRIES; i++) {
        look l = { 0 };
        code = levin_dump(path, &o, on_item, &l, error);
        if ((code == LEVIN_OK || code == LEVIN_CORRUPT) && l.found && l.next_segment <= l.segment_max) {
            *sequence = l.sequence > l.checkpoint ? l.sequence : l.checkpoint;
            return LEVIN_OK;
        }
        if (code == LEVIN_OK || code == LEVIN_CORRUPT)
            *error = (levin_error){ .code = code = LEVIN_PENDING,
                                    .message = "the log was moved on under each look at it: try again" };
        else if (code == LEVIN_NO_MEMORY || code == LEVIN_NO_STORE)
            break;
    }
    return code;
}
