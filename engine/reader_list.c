/*
 * reader_list.c - a list in order of opening, and what each of its readers keeps from being used again.
 *
 * The order is that of adding.  Who adds has read the clock and taken the version before, so neighbours may stand the
 * wrong way round by a moment, which changes no verdict.
 */
#include "reader_list.h"

#include <string.h>

int reader_list_init(reader_list *list)
{
    memset(list, 0, sizeof *list);
    return sync_mutex_init(&list->mutex);
}

void reader_list_fini(reader_list *list)
{
    sync_mutex_fini(&list->mutex);
}

void reader_list_add(reader_list *list, reader_entry *e, levin_reader_kind kind, const version *v, uint64_t now_ns)
{
    e->v = v;
    e->kind = kind;
    e->opened_ns = now_ns;
    e->newer = NULL;
    sync_mutex_lock(&list->mutex);
    e->number = ++list->opened;
    e->older = list->newest;
    if (e->older)
        e->older->newer = e;
    else
        list->oldest = e;
    list->newest = e;
    list->count++;
    sync_mutex_unlock(&list->mutex);
}

void reader_list_remove(reader_list *list, reader_entry *e)
{
    sync_mutex_lock(&list->mutex);
    if (e->older)
        e->older->newer = e->newer;
    else
        list->oldest = e->newer;
    if (e->newer)
        e->newer->older = e->older;
    else
        list->newest = e->older;
    list->count--;
    sync_mutex_unlock(&list->mutex);
}

uint64_t reader_list_count(reader_list *list)
{
    sync_mutex_lock(&list->mutex);
    uint64_t count = list->count;
    sync_mutex_unlock(&list->mutex);
    return count;
}

uint64_t reader_list_bytes(reader_list *list)
{
    uint64_t bytes = 0;
    sync_mutex_lock(&list->mutex);
    for (const reader_entry *e = list->oldest; e; e = e->newer)
        bytes += atomic_load_explicit(&e->own_bytes, memory_order_relaxed); /* see reader_set_bytes() */
    sync_mutex_unlock(&list->mutex);
    return bytes;
}

static levin_reader describe(const reader_entry *e, version_set *set, uint32_t page_bytes, uint64_t now_ns)
{
    version_hold hold = version_held(set, e->v);
    return (levin_reader){
        .kind = e->kind,
        .number = e->number,
        .age_ns = now_ns > e->opened_ns ? now_ns - e->opened_ns : 0,
        .sequence = e->v->sequence,
        .batches_behind = hold.newest_sequence - e->v->sequence,
        .held_file_bytes = hold.pages * page_bytes,
        .held_memory_bytes = hold.memory_bytes,
    };
}

bool reader_list_oldest(reader_list *list, version_set *set, uint32_t page_bytes, uint64_t now_ns, levin_reader *out)
{
    sync_mutex_lock(&list->mutex);
    bool found = list->oldest != NULL;
    if (found)
        *out = describe(list->oldest, set, page_bytes, now_ns);
    sync_mutex_unlock(&list->mutex);
    return found;
}

bool reader_list_visit(reader_list *list, version_set *set, uint32_t page_bytes, uint64_t now_ns,
                       levin_reader_visit visit, void *context)
{
    bool more = true;
    sync_mutex_lock(&list->mutex);
    for (const reader_entry *e = list->oldest; e && more; e = e->newer) {
        levin_reader reader = describe(e, set, page_bytes, now_ns);
        more = visit(context, &reader);
    }
    sync_mutex_unlock(&list->mutex);
    return more;
}
