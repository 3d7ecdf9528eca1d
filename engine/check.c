/*
 * check.c - levin_check(): reads every byte that the newest durable state depends on.
 *
 * Metas, both trees (tree_check, values of the value log included), the catalogue of keyspaces, free list, table of
 * value-log segments, the account of every page of the file (used once, or free once, never both, never neither), and
 * the log from the replay position on, with the values that the memtables point to.
 *
 * A handle that only reads leaves the meta page and the log out when somebody writes, or has written since it was
 * opened: they belong to the state of another.
 *
 * Concurrency: under work_mutex, so that the durable state stays; readers and writers go on, but for the log's part,
 * which holds up commits while it reads.  The tree is kept by a reference on its version.
 */
#include <errno.h>
#include <string.h>

#include "keyspace.h"
#include "lock_format.h"
#include "meta_read.h"
#include "vlog_table.h"

typedef struct check {
    levin *db;
    levin_check_report report;
    void *context;
    levin_check_result *result;
    uint8_t *used;     /* a bit a page */
    uint64_t free_list_pages;
    uint64_t keys[DOMAIN_COUNT];
    bool stopped;
} check;

static void check_fault(check *c, const levin_error *fault)
{
    c->result->faults++;
    if (c->report && !c->stopped)
        c->stopped = !c->report(c->context, fault);
}

/* Handed on to parts that report by themselves. */
static bool check_relay(void *context, const levin_error *fault)
{
    check *c = context;
    if (c->report && !c->stopped)
        c->stopped = !c->report(c->context, fault);
    return !c->stopped;
}

static bool bit_test_set(uint8_t *bits, uint64_t n)
{
    bool was = bits[n / 8] >> (n % 8) & 1;
    bits[n / 8] |= (uint8_t)(1u << (n % 8));
    return was;
}

static void check_extent_free(check *c, extent e)
{
    levin_error fault;
    for (uint64_t page = e.first; page < e.first + e.pages && !c->stopped; page++)
        if (bit_test_set(c->used, page)) {
            error_corrupt(&fault, PAGE_FILE_NAME, page * c->db->page_bytes, 0, page,
                          "page %llu is on the free list, but in use or there twice", (unsigned long long)page);
            check_fault(c, &fault);
        }
    c->result->free_pages += e.pages;
}

/* Reads and verifies a page of a list, and marks it used. */
static levin_code read_list_page(check *c, page_ref ref, enum page_type type, uint8_t *page, levin_error *fault)
{
    levin *db = c->db;
    const page_expect expect = {
        .identity = db->identity,
        .page_bytes = db->page_bytes,
        .page_count = db->meta.page_count,
        .max_generation = db->meta.generation,
        .ref = ref,
        .type = type,
        .level = 0,
    };
    size_t done;
    levin_code code = file_read(&db->pages, page, db->page_bytes, ref.number * db->page_bytes, &done, fault);
    if (code == LEVIN_OK && done < db->page_bytes)
        code = error_corrupt(fault, PAGE_FILE_NAME, ref.number * db->page_bytes, db->page_bytes, done,
                             "the page file ends inside a page of a list");
    if (code == LEVIN_OK)
        code = page_verify(page, &expect, fault);
    if (code == LEVIN_OK && bit_test_set(c->used, ref.number))
        code = error_corrupt(fault, PAGE_FILE_NAME, ref.number * db->page_bytes, 0, ref.number,
                             "page %llu of a list is also used elsewhere", (unsigned long long)ref.number);
    return code;
}

/* One page of the free list; *ref becomes the next. */
static levin_code check_free_page(check *c, page_ref *ref, uint64_t *after)
{
    levin *db = c->db;
    levin_error fault;
    extent_list extents = { 0 };
    uint8_t *page = io_alloc(db->io, db->page_bytes);
    levin_code code = page ? read_list_page(c, *ref, PAGE_FREE_LIST, page, &fault)
                           : error_memory(&fault, db->page_bytes);
    if (code == LEVIN_OK)
        code = free_list_read(page, PAGE_FILE_NAME, db->page_bytes, db->meta.page_count, after, &extents, db->io, ref,
                              &fault);
    c->free_list_pages += code == LEVIN_OK;
    for (size_t i = 0; i < extents.count && code == LEVIN_OK; i++)
        check_extent_free(c, extents.items[i]);
    extent_list_fini(&extents, db->io);
    io_free(db->io, page, db->page_bytes);
    if (code == LEVIN_CORRUPT) {
        check_fault(c, &fault);
    } else if (code != LEVIN_OK) {
        (void)db_fail(db, &fault);
    }
    return code;
}

static levin_code check_free_list(check *c, bool *whole)
{
    page_ref ref = c->db->meta.free_list;
    uint64_t after = 0, left = c->db->meta.free_list_pages;
    levin_code code = LEVIN_OK;
    while (ref.number && left-- && code == LEVIN_OK && !c->stopped)
        code = check_free_page(c, &ref, &after);
    *whole = code == LEVIN_OK && !c->stopped;
    return code == LEVIN_CORRUPT ? LEVIN_OK : code;
}

/* A segment that the table names is there, and as long as it should be. A fault is told, and the next looked at. */
static levin_code check_segment(void *context, const vlog_entry *entry, levin_error *error)
{
    check *c = context;
    uint64_t file_bytes;
    uint32_t format;
    const vlog_name name = vlog_segment_name(entry->number);
    levin_code code = vlog_segment_inspect(&c->db->values, entry->number, &file_bytes, &format, error);
    if (code == LEVIN_NOT_FOUND)
        code = error_corrupt(error, name.text, 0, entry->number, 0, "a segment of the value log is missing");
    if (code == LEVIN_OK && file_bytes < entry->end)
        code = error_corrupt(error, name.text, file_bytes, entry->end, file_bytes,
                             "a segment of the value log is cut short");
    if (code != LEVIN_CORRUPT)
        return code;
    check_fault(c, error);
    return LEVIN_OK;
}

static levin_code check_vlog_table(check *c)
{
    levin *db = c->db;
    levin_error fault;
    page_ref ref = db->meta.vlog_table;
    uint64_t after = 0, left = db->meta.vlog_table_pages;
    uint8_t *page = io_alloc(db->io, db->page_bytes);
    levin_code code = page ? LEVIN_OK : error_memory(&fault, db->page_bytes);
    while (ref.number && left-- && code == LEVIN_OK && !c->stopped) {
        code = read_list_page(c, ref, PAGE_VLOG_TABLE, page, &fault);
        if (code == LEVIN_OK)
            code = vlog_table_read(page, db->page_bytes, &after, check_segment, c, &ref, &fault);
    }
    io_free(db->io, page, db->page_bytes);
    if (code == LEVIN_CORRUPT)
        check_fault(c, &fault);
    return code == LEVIN_OK || code == LEVIN_CORRUPT ? LEVIN_OK : db_fail(db, &fault);
}

/* The values that pointers in a memtable name. */
static levin_code check_memtable(check *c, const mem_node *root)
{
    mem_cursor at;
    levin_error fault;
    if (!root)
        return LEVIN_OK;
    mem_cursor_init(&at, root);
    for (bool more = mem_cursor_first(&at); more && !c->stopped; more = mem_cursor_next(&at)) {
        const uint8_t *record = mem_cursor_record(&at);
        if (record_kind(record) != RECORD_PUT_LOGGED)
            continue;
        const vlog_pointer p = vlog_pointer_load(record_value(record));
        levin_code code = vlog_verify(&c->db->values, &p, &fault);
        if (code == LEVIN_CORRUPT)
            check_fault(c, &fault);
        else if (code != LEVIN_OK)
            return db_fail(c->db, &fault);
    }
    return LEVIN_OK;
}

/* A page that is neither used nor free is lost for ever. Told only when everything else was readable. */
static void check_lost_pages(check *c)
{
    const page_meta *m = &c->db->meta;
    levin_error fault;
    for (uint64_t page = page_first(m->page_bytes); page < m->page_count && !c->stopped; page++)
        if (!(c->used[page / 8] >> (page % 8) & 1)) {
            error_corrupt(&fault, PAGE_FILE_NAME, page * m->page_bytes, 1, 0,
                          "page %llu is neither in use nor on the free list", (unsigned long long)page);
            check_fault(c, &fault);
        }
}

/* The newest meta page must be the one in use; the other one may be anything that a crash can leave. */
static levin_code check_meta(check *c)
{
    levin *db = c->db;
    levin_error fault;
    page_meta meta;
    const unsigned slot = (unsigned)(db->meta.generation % 2);
    levin_code code = meta_read(&db->pages, !slot, &meta, &fault);
    c->result->metas = code == LEVIN_OK;
    if (code != LEVIN_OK && code != LEVIN_CORRUPT)
        return db_fail(db, &fault);
    code = meta_read(&db->pages, slot, &meta, &fault);
    c->result->metas += code == LEVIN_OK;
    if (code == LEVIN_OK && meta.generation != db->meta.generation)
        code = error_corrupt(&fault, PAGE_FILE_NAME, (uint64_t)slot * META_SLOT_BYTES + META_GENERATION,
                             db->meta.generation, meta.generation, "the meta page on disk is not the one in use");
    if (code == LEVIN_CORRUPT)
        check_fault(c, &fault);
    else if (code != LEVIN_OK)
        return db_fail(db, &fault);
    return LEVIN_OK;
}

/* What the meta page counts against what there is. Told only when everything was readable. */
static void check_counts(check *c)
{
    const page_meta *m = &c->db->meta;
    const levin_check_result *r = c->result;
    const struct {
        uint64_t says, is;
        size_t at;
        const char *what;
    } counts[] = {
        { m->keys, c->keys[DOMAIN_PLAIN], META_KEYS, "keys" },
        { m->named_keys, c->keys[DOMAIN_NAMED], META_NAMED_KEYS, "keys of named keyspaces" },
        { m->leaf_pages, r->leaf_pages, META_LEAF_PAGES, "leaves" },
        { m->branch_pages, r->branch_pages, META_BRANCH_PAGES, "branch pages" },
        { m->overflow_pages, r->overflow_pages, META_OVERFLOW_PAGES, "overflow pages" },
        { m->free_pages, r->free_pages, META_FREE_PAGES, "free pages" },
        { m->free_list_pages, c->free_list_pages, META_FREE_LIST_PAGES, "pages of the free list" },
    };
    levin_error fault;
    for (size_t i = 0; i < sizeof counts / sizeof *counts && !c->stopped; i++)
        if (counts[i].says != counts[i].is) {
            error_corrupt(&fault, PAGE_FILE_NAME, m->generation % 2 * META_SLOT_BYTES + counts[i].at, counts[i].is,
                          counts[i].says, "the meta page counts %llu %s, there are %llu",
                          (unsigned long long)counts[i].says, counts[i].what, (unsigned long long)counts[i].is);
            check_fault(c, &fault);
        }
}

static bool check_catalogue_fault(void *context, const levin_error *fault)
{
    check_fault(context, fault);
    return !((check *)context)->stopped;
}

/* What is told to the user is the user's: without the catalogue, and without the numbers in front of the keys. */
static levin_code count_users_keys(check *c, const version *v)
{
    levin_check_result *r = c->result;
    catalogue_count own;
    levin_error error;
    levin_code code = keyspace_catalogue_count(tree_version_of(v->tree, DOMAIN_NAMED), &own, &error);
    if (code != LEVIN_OK)
        return db_fail(c->db, &error);
    r->keys -= own.keys;
    r->key_bytes -= own.key_bytes + (c->keys[DOMAIN_NAMED] - own.keys) * KEYSPACE_ID_BYTES;
    r->value_bytes -= own.value_bytes;
    return LEVIN_OK;
}

static levin_code check_tree(check *c, const version *v)
{
    levin *db = c->db;
    levin_error error;
    bool whole = false;
    const uint64_t before = c->result->faults;
    levin_code code = LEVIN_OK;
    for (unsigned domain = 0; domain < DOMAIN_COUNT && !c->stopped; domain++) {
        const uint64_t keys = c->result->keys;
        code = tree_check(tree_version_of(v->tree, domain), c->used, check_relay, c, c->result, &error);
        if (code != LEVIN_OK && code != LEVIN_CORRUPT)
            return db_fail(db, &error);
        c->keys[domain] = c->result->keys - keys;
    }
    if (!c->stopped && c->result->faults == before) {
        code = count_users_keys(c, v);
        if (code != LEVIN_OK)
            return code;
        code = keyspace_check_version(db, v, check_catalogue_fault, c);
        if (code != LEVIN_OK)
            return code;
    }
    if (!c->stopped) {
        code = check_vlog_table(c);
        if (code == LEVIN_OK)
            code = check_free_list(c, &whole);
        if (code != LEVIN_OK)
            return code;
    }
    if (whole && c->result->faults == before) {
        check_counts(c);
        check_lost_pages(c);
    }
    return LEVIN_OK;
}

static levin_code check_log(check *c)
{
    levin *db = c->db;
    const page_meta *m = &db->meta;
    levin_error error;
    const wal_start start = db_log_start(m);
    sync_mutex_lock(&db->commit_mutex);
    /* a poisoned log takes nothing any more; what was handed to the kernel can still be read */
    levin_code code = db->options.read_only || wal_poisoned(db->log) ? LEVIN_OK : wal_flush(db->log, &error);
    if (code == LEVIN_OK)
        code = wal_check(db->log, &start, check_relay, c, &c->result->wal_groups, &c->result->wal_segments,
                         &c->result->faults, &error);
    sync_mutex_unlock(&db->commit_mutex);
    return code == LEVIN_OK || code == LEVIN_CORRUPT ? LEVIN_OK : db_fail(db, &error);
}

/*
 * Whether meta page and log are those of this handle.  For a reader with a slot, when no writer is there (the
 * gate, held until check_leave(), keeps it out) and none has made a checkpoint since.
 */
static levin_code check_enter(levin *db, bool *own, bool *gate)
{
    levin_error error;
    uint8_t bytes[META_BYTES];
    page_meta meta;
    size_t done;
    *own = !db->beside;
    *gate = false;
    if (db->beside || !db->options.read_only || !db->slots)
        return LEVIN_OK;
    int failed = lock_file_range(&db->lock, LOCK_GATE_AT, 1, LEVIN_IO_LOCK_SHARED);
    *gate = !failed;
    *own = *gate;
    if (failed && failed != EAGAIN) {
        error_os(&error, failed, "locking", LOCK_FILE_NAME);
        return db_fail(db, &error);
    }
    for (unsigned slot = 0; slot < 2 && *own; slot++) {
        levin_code code = file_read(&db->pages, bytes, sizeof bytes, (uint64_t)slot * META_SLOT_BYTES, &done, &error);
        if (code != LEVIN_OK)
            return db_fail(db, &error);
        if (done == sizeof bytes && meta_decode(bytes, slot, &meta, &error) == LEVIN_OK)
            *own = meta.generation <= db->meta.generation;
    }
    return LEVIN_OK;
}

static void check_leave(levin *db, bool gate)
{
    levin_error error;
    int failed = gate ? lock_file_range(&db->lock, LOCK_GATE_AT, 1, LEVIN_IO_LOCK_NONE) : 0;
    if (failed) {
        error_os(&error, failed, "unlocking", LOCK_FILE_NAME);
        event_tell(db, upkeep_failed, "writers have to wait until this handle is closed", error.message);
    }
}

levin_code levin_check(levin *store, levin_check_report report, void *context, levin_check_result *result)
{
    levin_check_result local;
    levin_error error;
    check c = { .db = store, .report = report, .context = context, .result = result ? result : &local };
    memset(c.result, 0, sizeof *c.result);
    sync_mutex_lock(&store->work_mutex);
    const version *v = version_acquire(&store->versions);
    const size_t bytes = store->meta.page_count / 8 + 1;
    c.used = io_alloc(store->io, bytes);
    levin_code code = LEVIN_OK;
    if (!c.used) {
        error_memory(&error, bytes);
        code = db_fail(store, &error);
    }
    bool own = true, gate = false;
    if (code == LEVIN_OK) {
        memset(c.used, 0, bytes);
        code = check_enter(store, &own, &gate);
    }
    if (code == LEVIN_OK && own)
        code = check_meta(&c);
    if (code == LEVIN_OK && !c.stopped)
        code = check_tree(&c, v);
    if (code == LEVIN_OK && !c.stopped && own)
        code = check_log(&c);
    check_leave(store, gate);
    for (unsigned domain = 0; domain < DOMAIN_COUNT; domain++) {
        if (code == LEVIN_OK && !c.stopped)
            code = check_memtable(&c, v->of[domain].frozen.keys);
        if (code == LEVIN_OK && !c.stopped)
            code = check_memtable(&c, v->of[domain].mem.keys);
    }
    if (code == LEVIN_OK && c.stopped)
        code = db_refuse(store, LEVIN_INTERRUPTED, "the check was stopped on request");
    if (code == LEVIN_OK && c.result->faults) {
        error_set(&error, LEVIN_CORRUPT, NULL, "%llu faults were found in the store",
                  (unsigned long long)c.result->faults);
        code = db_fail(store, &error);
    }
    io_free(store->io, c.used, bytes);
    version_release(v);
    sync_mutex_unlock(&store->work_mutex);
    return code;
}
