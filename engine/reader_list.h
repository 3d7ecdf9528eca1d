/*
 * reader_list.h - the open snapshots and iterators of a handle, oldest first: who holds back space, and since when.
 *
 * Only opening and closing take its mutex; reads don't know it.  An entry stands inside its snapshot or iterator.
 *
 * Concurrency: mutex guards the list and its entries; a leaf, but for versions.mutex inside it.
 */
#ifndef LEVIN_READER_LIST_H
#define LEVIN_READER_LIST_H

#include "version.h"

typedef struct reader_entry {
    struct reader_entry *older, *newer;
    const version *v;       /* referenced by the entry's owner */
    uint64_t number;        /* of all readers of this handle, from 1 */
    uint64_t opened_ns;
    levin_reader_kind kind;
    _Atomic size_t own_bytes; /* of memory that the reader holds itself: stored by its thread, pairs with nothing */
} reader_entry;

typedef struct reader_list {
    sync_mutex mutex;
    reader_entry *oldest, *newest;
    uint64_t count;         /* mutex */
    uint64_t opened;        /* mutex: numbers given */
} reader_list;

/* 0 or an errno value. */
int reader_list_init(reader_list *list);
void reader_list_fini(reader_list *list);

/* Entry e reads version v from now on, until it is removed; v is referenced until after that. */
void reader_list_add(reader_list *list, reader_entry *e, levin_reader_kind kind, const version *v, uint64_t now_ns);
void reader_list_remove(reader_list *list, reader_entry *e);

/* What the reader holds itself, from now on; also before the entry is added. */
static inline void reader_set_bytes(reader_entry *e, size_t bytes)
{
    atomic_store_explicit(&e->own_bytes, bytes, memory_order_relaxed); /* a number to be shown: pairs with nothing */
}

uint64_t reader_list_count(reader_list *list);
/* Sum of what they hold themselves; looks at each. */
uint64_t reader_list_bytes(reader_list *list);
/* The oldest, described. False when there is none. */
bool reader_list_oldest(reader_list *list, version_set *set, uint32_t page_bytes, uint64_t now_ns, levin_reader *out);
/* All, oldest first, until visit returns false. The list is locked meanwhile. Returns whether all were visited. */
bool reader_list_visit(reader_list *list, version_set *set, uint32_t page_bytes, uint64_t now_ns,
                       levin_reader_visit visit, void *context);

#endif
