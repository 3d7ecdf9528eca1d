/*
 * repair.c - salvages what can be proven out of a damaged store into a new one.
 *
 * The source is only read.  What counts as proven:
 *   - a pair in a leaf that is reached from the newest valid meta page over pages that have the checksums their parents
 *     give (tree_walk.h); a large value only with its own checksum
 *   - after these, the batches of the log from the position that the meta page names, in their order, each group
 *     verified and chained to the one before, up to the first damage
 * Nothing else: no page that merely looks like one, no group behind a gap, nothing of an older tree.  So every value is
 * one that its key had at the checkpoint, or by a batch of the unbroken log; what cannot be had is reported, with its
 * range of keys where it is known.
 *
 * When only one meta page is valid nobody can tell by it alone whether the other was newer.  The log tells: when it
 * knows a later checkpoint, the result says `older_meta`.  The state is the newest even so when the log reaches back to
 * the older one's position without a gap; otherwise its loss is reported.
 *
 * The target is made under the name TARGET.unfinished, closed, and renamed: a repair that did not end is no store.
 * Memory: a page a level, a batch of 1 MiB or one value, one group of the log.  Concurrency: one thread, and a shared
 * lock on the source.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "checksum.h"
#include "keyspace.h"
#include "lock_format.h"
#include "meta_read.h"
#include "open_lock.h"
#include "open_values.h"
#include "tree_walk.h"

enum {
    REPAIR_BATCH_BYTES = 1 << 20,
    REPAIR_SEGMENT_BYTES = 4 << 20 /* of the new log, which is on the way only: the device may be nearly full */
};

typedef struct repair {
    const levin_io *io;
    const char *source;
    const levin_repair_options *options;
    levin_repair_result *result;
    file lock, pages;
    page_meta meta;
    uint64_t file_pages;
    levin *target;
    levin_batch *batch;
    uint8_t *payload;        /* of a group of the log */
    size_t payload_bytes;
    unsigned domain;         /* of the tree that is being walked */
    bool apply;              /* the log is replayed into the target; otherwise only looked through */
    vlog values;             /* of the source; segments are taken in as values name them */
    bool began;              /* something may stand under the unfinished name */
    uint64_t later;          /* the newest checkpoint that the log knows */
} repair;

void levin_repair_options_init(levin_repair_options *options)
{
    *options = (levin_repair_options){ .struct_bytes = sizeof *options };
}

/* ---- the report ---- */

static levin_code lose(repair *r, const levin_loss *loss, levin_error *error)
{
    r->result->losses++;
    if (r->options->report && !r->options->report(r->options->context, loss))
        return error_set(error, LEVIN_INTERRUPTED, NULL, "the repair was stopped on request");
    return LEVIN_OK;
}

static levin_code lose_other(repair *r, levin_loss_kind kind, const levin_error *fault, levin_error *error)
{
    levin_loss loss = { .kind = kind, .fault = *fault };
    return lose(r, &loss, error);
}

/* ---- the source ---- */

/* A store that is open for writing is not to be repaired. There may be no lock file: the page file's lock tells. */
static levin_code lock_source(repair *r, levin_error *error)
{
    levin_code code = file_open(&r->lock, r->io, r->source, LOCK_FILE_NAME, LEVIN_FILE_LOCK, 0, error);
    if (code != LEVIN_OK)
        return code == LEVIN_NOT_FOUND || error->os_error == ENOENT ? LEVIN_OK : code;
    /* readers do no harm */
    int failed = lock_has_ranges(r->io) ? lock_file_range(&r->lock, LOCK_WRITER_AT, 1, LEVIN_IO_LOCK_SHARED)
                                        : r->io->lock(r->io->context, r->lock.handle, false);
    if (failed == EAGAIN || failed == EACCES)
        return error_set(error, LEVIN_LOCKED, LOCK_FILE_NAME, "the store is open for writing: close it there first");
    return failed ? error_os(error, failed, "locking", LOCK_FILE_NAME) : LEVIN_OK;
}

/* The newest valid meta page. One that is not valid is a loss that may be none. */
static levin_code choose_meta(repair *r, levin_error *error)
{
    page_meta meta[2];
    levin_error fault[2];
    levin_code code[2];
    uint64_t bytes;
    for (unsigned slot = 0; slot < 2; slot++) {
        code[slot] = meta_read(&r->pages, slot, &meta[slot], &fault[slot]);
        if (code[slot] != LEVIN_OK && code[slot] != LEVIN_CORRUPT) {
            *error = fault[slot];
            return code[slot];
        }
    }
    for (unsigned slot = 0; slot < 2; slot++)
        if (code[slot] != LEVIN_OK) {
            levin_code stopped = lose_other(r, LEVIN_LOST_META, &fault[slot], error);
            if (stopped != LEVIN_OK)
                return stopped;
        }
    if (code[0] != LEVIN_OK && code[1] != LEVIN_OK) {
        *error = fault[0];
        return LEVIN_CORRUPT;
    }
    unsigned best = code[0] != LEVIN_OK ? 1 : code[1] != LEVIN_OK ? 0 : meta[1].generation > meta[0].generation;
    r->meta = meta[best];
    r->result->generation = r->meta.generation;
    levin_code sized = file_size(&r->pages, &bytes, error);
    r->file_pages = sized == LEVIN_OK ? bytes / r->meta.page_bytes : 0;
    if (r->file_pages > r->meta.page_count)
        r->file_pages = r->meta.page_count;
    return sized;
}

/* ---- the tree ---- */

static levin_code batch_flush(repair *r, levin_error *error)
{
    levin_code code = levin_batch_count(r->batch) ? levin_write(r->target, r->batch, LEVIN_NONE) : LEVIN_OK;
    if (code != LEVIN_OK)
        levin_last_error(r->target, error);
    levin_batch_clear(r->batch);
    return code;
}

/* An operation as it stands in the tree or in the log of that domain. */
static levin_code batch_add(repair *r, unsigned domain, int kind, const uint8_t *key, size_t key_bytes,
                            const uint8_t *value, size_t value_bytes)
{
    levin_keyspace any = { .store = r->target }; /* keyspaces keep their numbers */
    if (domain == DOMAIN_PLAIN || key_bytes <= KEYSPACE_ID_BYTES)
        return batch_append(r->batch, NULL, kind, key, key_bytes, value, value_bytes);
    memcpy(any.id, key, KEYSPACE_ID_BYTES);
    const size_t skip = kind == RECORD_DELETE_RANGE ? KEYSPACE_ID_BYTES : 0; /* an end is the number alone, or in it */
    return batch_append(r->batch, &any, kind, key + KEYSPACE_ID_BYTES, key_bytes - KEYSPACE_ID_BYTES, value + skip,
                        value_bytes - skip);
}

static levin_code batch_put(repair *r, const uint8_t *key, size_t key_bytes, const void *value, size_t bytes,
                            levin_error *error)
{
    levin_code code = batch_add(r, r->domain, RECORD_PUT, key, key_bytes, value, bytes);
    if (code != LEVIN_OK) {
        levin_last_error(r->target, error);
        return code;
    }
    r->result->keys++;
    return levin_batch_bytes(r->batch) >= REPAIR_BATCH_BYTES ? batch_flush(r, error) : LEVIN_OK;
}

/* The value in an extent, or why there is none. *value has bytes bytes. */
static levin_code read_extent(repair *r, const page_value *v, uint8_t **value, levin_error *fault)
{
    const uint64_t offset = v->first_page * r->meta.page_bytes;
    size_t done = 0;
    *value = NULL;
    if (v->first_page > r->file_pages || extent_pages(v->bytes, r->meta.page_bytes) > r->file_pages - v->first_page)
        return error_corrupt(fault, PAGE_FILE_NAME, offset, v->bytes, 0, "the page file ends before or in a value");
    *value = io_alloc(r->io, v->bytes);
    if (!*value)
        return error_memory(fault, v->bytes);
    levin_code code = file_read(&r->pages, *value, v->bytes, offset, &done, fault);
    uint64_t seed = checksum_seed(checksum_identity(r->meta.identity), PLACE_EXTENT, v->first_page);
    uint64_t found = code == LEVIN_OK && done == v->bytes ? checksum(*value, v->bytes, seed) : 0;
    if (code == LEVIN_OK && (done < v->bytes || found != v->checksum))
        code = error_corrupt(fault, PAGE_FILE_NAME, offset, v->checksum, found,
                             "a value of %zu bytes does not match its checksum", v->bytes);
    return code;
}

/* A value in the value log, or why there is none. */
static levin_code read_logged(repair *r, const vlog_pointer *p, uint8_t **value, levin_error *fault)
{
    bool there;
    *value = NULL;
    levin_code code = vlog_replay(&r->values, p, true, &there, fault); /* its segment is there, and long enough */
    if (code == LEVIN_OK && !(*value = io_alloc(r->io, p->value_bytes)))
        code = error_memory(fault, p->value_bytes);
    return code == LEVIN_OK ? vlog_read(&r->values, p, *value, fault) : code;
}

static levin_code read_value(repair *r, const page_value *v, uint8_t **value, levin_error *fault)
{
    if (v->kind != VALUE_LOG)
        return read_extent(r, v, value, fault);
    const vlog_pointer p = page_value_pointer(v);
    return read_logged(r, &p, value, fault);
}

static levin_code lose_value(repair *r, const levin_error *fault, const uint8_t *key, size_t key_bytes,
                             levin_error *error)
{
    levin_loss loss = { .kind = LEVIN_LOST_VALUE, .fault = *fault, .lower = { key, key_bytes } };
    return lose(r, &loss, error);
}

static levin_code salvage_cell(repair *r, const uint8_t *page, unsigned i, uint8_t *key, levin_error *error)
{
    const size_t key_bytes = split_key_copy(key, page_split_key(page, r->meta.page_bytes, i));
    page_value v = leaf_value(page, i);
    if (v.kind == VALUE_INLINE)
        return batch_put(r, key, key_bytes, v.data, v.bytes, error);
    levin_error fault;
    uint8_t *value;
    levin_code code = read_value(r, &v, &value, &fault);
    if (code == LEVIN_OK) {
        code = batch_put(r, key, key_bytes, value, v.bytes, error);
    } else if (code == LEVIN_CORRUPT) {
        code = lose_value(r, &fault, key, key_bytes, error);
    } else {
        *error = fault;
    }
    io_free(r->io, value, v.bytes);
    return code;
}

static levin_code salvage_page(void *context, page_ref ref, unsigned level, const uint8_t *page, levin_error *error)
{
    repair *r = context;
    levin_code code = LEVIN_OK;
    (void)ref;
    if (level)
        return LEVIN_OK;
    uint8_t *key = io_alloc(r->io, LEVIN_KEY_MAX_BYTES(r->meta.page_bytes));
    if (!key)
        return error_memory(error, LEVIN_KEY_MAX_BYTES(r->meta.page_bytes));
    for (unsigned i = 0; i < page_cells(page) && code == LEVIN_OK; i++)
        code = salvage_cell(r, page, i, key, error);
    io_free(r->io, key, LEVIN_KEY_MAX_BYTES(r->meta.page_bytes));
    return code;
}

static levin_code page_lost(void *context, const levin_error *fault, split_key lower, split_key upper, bool bounded,
                            levin_error *error)
{
    repair *r = context;
    const size_t room = LEVIN_KEY_MAX_BYTES(r->meta.page_bytes);
    uint8_t *keys = io_alloc(r->io, 2 * room);
    if (!keys)
        return error_memory(error, 2 * room);
    levin_loss loss = { .kind = LEVIN_LOST_RANGE, .fault = *fault, .bounded = bounded };
    loss.lower = (levin_slice){ keys, split_key_copy(keys, lower) };
    if (bounded)
        loss.upper = (levin_slice){ keys + room, split_key_copy(keys + room, upper) };
    levin_code code = lose(r, &loss, error);
    io_free(r->io, keys, 2 * room);
    return code;
}

static levin_code salvage_trees(repair *r, levin_error *error)
{
    const page_meta *m = &r->meta;
    tree t = {
        .identity = checksum_identity(m->identity),
        .page_bytes = m->page_bytes,
        .height = m->height,
        .generation = m->generation,
        .page_count = m->page_count,
        .root = m->root,
    };
    tree_walk w = { .pages = &r->pages, .t = &t, .file_pages = r->file_pages, .context = r, .page = salvage_page,
                    .damaged = page_lost };
    const size_t bytes = (size_t)r->file_pages / 8 + 1;
    uint8_t *used = io_alloc(r->io, bytes);
    if (!used)
        return error_memory(error, bytes);
    memset(used, 0, bytes);
    levin_code code = tree_walk_run(&w, used, error);
    if (code == LEVIN_OK) {
        t.height = m->named_height;
        t.root = m->named_root;
        r->domain = DOMAIN_NAMED;
        code = tree_walk_run(&w, used, error);
    }
    io_free(r->io, used, bytes);
    return code == LEVIN_OK ? batch_flush(r, error) : code;
}

/* ---- the log ---- */

static uint8_t *log_reserve(void *context, size_t bytes)
{
    repair *r = context;
    if (bytes > r->payload_bytes) {
        io_free(r->io, r->payload, r->payload_bytes);
        r->payload = io_alloc(r->io, bytes);
        r->payload_bytes = r->payload ? bytes : 0;
    }
    return r->payload;
}

/* A put of the log whose value stands in the value log. One that is lost takes its key along: it had another before. */
static levin_code log_logged(repair *r, const uint8_t *op, levin_error *error)
{
    const vlog_pointer p = vlog_pointer_load(record_value(op));
    levin_error fault;
    uint8_t *value;
    levin_code code = read_logged(r, &p, &value, &fault);
    if (code == LEVIN_OK) {
        code = batch_add(r, record_domain(op), RECORD_PUT, record_key(op), record_key_bytes(op), value, p.value_bytes);
        if (code != LEVIN_OK)
            levin_last_error(r->target, error);
    } else if (code == LEVIN_CORRUPT) {
        code = lose_value(r, &fault, record_key(op), record_key_bytes(op), error);
        if (code == LEVIN_OK)
            code = batch_add(r, record_domain(op), RECORD_DELETE, record_key(op), record_key_bytes(op), NULL, 0);
    } else {
        *error = fault;
    }
    io_free(r->io, value, p.value_bytes);
    return code;
}

/* Values never known to be there end the log, as they do when a store is opened; others are lost one by one. */
static levin_code log_accept(void *context, const uint8_t *payload, uint32_t batches, bool proven, bool *whole,
                             levin_error *error)
{
    repair *r = context;
    levin_code code = proven ? LEVIN_OK : values_accept(&r->values, payload, batches, false, whole, error);
    vlog_replay_forget(&r->values, 0);
    return code;
}

static levin_code log_put(repair *r, const uint8_t *op, levin_error *error)
{
    levin_code code = batch_add(r, record_domain(op), (int)record_kind(op), record_key(op), record_key_bytes(op),
                                record_value(op), record_value_bytes(op));
    if (code != LEVIN_OK)
        levin_last_error(r->target, error);
    return code;
}

static levin_code log_batch(void *context, uint64_t sequence, const uint8_t *operations, size_t bytes, size_t count,
                            levin_error *error)
{
    repair *r = context;
    const uint8_t *op = operations;
    levin_code code = LEVIN_OK;
    (void)sequence, (void)bytes;
    if (!r->apply)
        return LEVIN_OK;
    for (size_t i = 0; i < count && code == LEVIN_OK; i++, op += record_bytes(op))
        code = record_kind(op) == RECORD_PUT_LOGGED ? log_logged(r, op, error) : log_put(r, op, error);
    if (code != LEVIN_OK)
        return code;
    r->result->batches++;
    r->result->operations += count;
    return batch_flush(r, error);
}

/* Replays the log, strictly or up to the first damage. */
static levin_code log_run(repair *r, levin_recovery recovery, bool apply, levin_error *fault)
{
    const page_meta *m = &r->meta;
    wal *log = NULL;
    wal_options o = {
        .io = r->io,
        .directory = r->source,
        .sector_bytes = m->sector_bytes,
        .key_max_bytes = LEVIN_KEY_MAX_BYTES(m->page_bytes),
        .read_only = true,
        .recovery = recovery,
    };
    memcpy(o.identity, m->identity, sizeof o.identity);
    /* a later checkpoint in the log is no reason to stop here: an unbroken log says all that has happened since */
    wal_start start = db_log_start(m);
    start.generation = UINT64_MAX;
    wal_visitor visitor = { r, log_reserve, log_batch, NULL, log_accept };
    r->apply = apply;
    levin_code code = wal_recover(&o, &start, &visitor, &log, fault);
    if (code == LEVIN_OK && wal_seen_generation(log) > r->later)
        r->later = wal_seen_generation(log);
    wal_close(log);
    return code;
}

static levin_code salvage_log(repair *r, levin_error *error)
{
    levin_error fault = { 0 };
    levin_code code = log_run(r, LEVIN_RECOVERY_STRICT, false, &fault);
    if (code == LEVIN_CORRUPT || code == LEVIN_VERSION_UNKNOWN) {
        code = lose_other(r, LEVIN_LOST_LOG, &fault, error);
        if (code != LEVIN_OK)
            return code;
    } else if (code != LEVIN_OK) {
        *error = fault;
        return code;
    }
    code = log_run(r, LEVIN_RECOVERY_CUT_AT_DAMAGE, true, &fault);
    levin_batch_clear(r->batch);
    if (code == LEVIN_OK || code == LEVIN_CORRUPT || code == LEVIN_VERSION_UNKNOWN) { /* reported already, if any */
        r->result->older_meta = r->later > r->meta.generation;
        return LEVIN_OK;
    }
    *error = fault;
    return code;
}

/* ---- the target ---- */

static int purge_entry(void *context, const char *name)
{
    snprintf(context, 64, "%s", name);
    return ECANCELED;
}

/* What a repair that came to no end left under the unfinished name goes. */
static levin_code purge(const levin_io *io, const char *directory, levin_error *error)
{
    char name[64];
    levin_code code = LEVIN_OK;
    while (code == LEVIN_OK) {
        name[0] = 0;
        int failed = io->list(io->context, directory, purge_entry, name);
        if (!name[0])
            return failed && failed != ENOENT ? error_os(error, failed, "listing", directory) : LEVIN_OK;
        code = file_unlink(io, directory, name, error);
    }
    return code;
}

static int anything(void *context, const char *name)
{
    (void)name;
    *(bool *)context = true;
    return ECANCELED;
}

static levin_code target_open(repair *r, const char *target, const char *unfinished, levin_error *error)
{
    bool found = false;
    levin_options o;
    (void)r->io->list(r->io->context, target, anything, &found);
    if (found)
        return error_set(error, LEVIN_EXISTS, NULL, "\"%.200s\" is not empty: nothing is overwritten", target);
    levin_code code = purge(r->io, unfinished, error);
    if (code != LEVIN_OK)
        return code;
    levin_options_init(&o);
    o.page_bytes = r->meta.page_bytes;
    o.wal_sector_bytes = r->meta.sector_bytes;
    o.background = LEVIN_BACKGROUND_NONE;
    o.row_cache_bytes = 0;
    o.wal_segment_bytes = REPAIR_SEGMENT_BYTES;
    o.io = r->io;
    r->began = true;
    code = levin_open(unfinished, &o, &r->target, error);
    return code == LEVIN_OK ? levin_batch_create(r->target, &r->batch) : code;
}

static levin_code target_finish(repair *r, const char *target, const char *unfinished, levin_error *error)
{
    char parent[FILE_PATH_MAX];
    levin_code code = levin_checkpoint(r->target);
    if (code != LEVIN_OK)
        levin_last_error(r->target, error);
    levin_batch_destroy(r->batch);
    r->batch = NULL;
    levin_code closed = levin_close(r->target);
    r->target = NULL;
    if (code == LEVIN_OK && closed != LEVIN_OK)
        code = error_set(error, closed, NULL, "the new store could not be closed: %s", levin_code_text(closed));
    if (code != LEVIN_OK)
        return code;
    int failed = r->io->rename(r->io->context, unfinished, target);
    if (failed)
        return error_os(error, failed, "renaming", unfinished);
    file_parent(target, parent);
    return file_sync_dir(r->io, parent, error);
}

static levin_code repair_run(repair *r, const char *target, const char *unfinished, levin_error *error)
{
    levin_code code = lock_source(r, error);
    if (code == LEVIN_OK)
        code = file_open(&r->pages, r->io, r->source, PAGE_FILE_NAME, LEVIN_FILE_PAGES, 0, error);
    if (code == LEVIN_NOT_FOUND || (code == LEVIN_IO && error->os_error == ENOENT))
        return error_set(error, LEVIN_NO_STORE, PAGE_FILE_NAME, "there is no page file in \"%.150s\"", r->source);
    if (code == LEVIN_OK)
        code = open_lock_pages(&r->pages, PAGE_FILE_READ_ALONE, r->source, error);
    if (code == LEVIN_OK)
        code = choose_meta(r, error);
    if (code == LEVIN_OK)
        code = vlog_init(&r->values, r->io, r->source, r->meta.identity, 0, error);
    if (code == LEVIN_OK)
        code = target_open(r, target, unfinished, error);
    if (code == LEVIN_OK)
        code = salvage_trees(r, error);
    if (code == LEVIN_OK)
        code = salvage_log(r, error);
    if (code == LEVIN_OK)
        code = keyspace_mend(r->target, error);
    return code == LEVIN_OK ? target_finish(r, target, unfinished, error) : code;
}

levin_code levin_repair(const char *source, const char *target, const levin_repair_options *options,
                        levin_repair_result *result, levin_error *error)
{
    levin_repair_options defaults;
    levin_repair_result local;
    levin_error why = { 0 }, ignored;
    char unfinished[FILE_PATH_MAX];
    if (!options) {
        levin_repair_options_init(&defaults);
        options = &defaults;
    }
    repair r = { .io = options->io ? options->io : levin_io_posix(), .source = source, .options = options,
                 .result = result ? result : &local };
    *r.result = (levin_repair_result){ 0 };
    levin_code code = LEVIN_OK;
    size_t bytes = target ? strlen(target) : 0;
    while (bytes > 1 && target[bytes - 1] == '/')
        bytes--;
    if (options->struct_bytes != sizeof *options)
        code = error_set(&why, LEVIN_INVALID, NULL, "repair options were not filled by levin_repair_options_init()");
    else if (!source || !*source || !bytes || strlen(source) > FILE_PATH_MAX - 64 || bytes > FILE_PATH_MAX - 64)
        code = error_set(&why, LEVIN_INVALID, NULL, "a path is empty or longer than %d bytes", FILE_PATH_MAX - 64);
    else
        snprintf(unfinished, sizeof unfinished, "%.*s.unfinished", (int)bytes, target);
    if (code == LEVIN_OK)
        code = repair_run(&r, target, unfinished, &why);
    if (r.batch)
        levin_batch_destroy(r.batch);
    if (r.target)
        (void)levin_close(r.target); /* it failed before */
    if (code != LEVIN_OK && r.began)
        (void)purge(r.io, unfinished, &ignored); /* what cannot be removed now, the next repair removes */
    io_free(r.io, r.payload, r.payload_bytes);
    vlog_fini(&r.values);
    file_close(&r.pages);
    file_close(&r.lock);
    r.result->made = code == LEVIN_OK;
    if (code == LEVIN_OK && r.result->losses)
        code = error_set(&why, LEVIN_CORRUPT, NULL, "%llu losses: the new store holds what could be proven",
                         (unsigned long long)r.result->losses);
    if (code != LEVIN_OK && error)
        *error = why;
    return code;
}
