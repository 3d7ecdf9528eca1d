/*
 * backup.c - hot backup of a store, and restoring one.
 *
 * A backup is a store of its own: the pages of one durable tree under their own numbers, a log that begins empty, and
 * meta pages that say so.  What is taken is the newest tree after a checkpoint, so everything acknowledged before the
 * call is in; the tree is pinned, so that its pages are neither reused nor cut off while writers and checkpoints go
 * on.  Pages that are free in that tree are zeros (holes in a directory).
 *
 *   survey   the branches are read, and the leaves when values stand in extents or in the value log: which pages the
 *            tree uses, and the checksum that each must have; values in the value log are verified
 *   values   the segments of the value log are copied, up to their last record
 *   copy     the file front to back; every page and value is verified as it is copied, never a byte that was not
 *   verify   of a directory: the tree in the copy is checked whole
 *   finish   the copy gets its name (backup_sink.h)
 *
 * The identity stays: all checksums are seeded with it.  So for the checks against misdirected and stale bytes, store
 * and backup are one store: pages of the one, put by hand into the other, pass for its own.
 *
 * Generations: the tree's pages carry numbers up to g, its meta's.  Both meta slots of the backup are valid, g and
 * g + 1, and say the same.
 *
 * Memory: 8 bytes for each page of the file (16 when values stand in extents), a bit, and a buffer of 1 MiB.
 * Concurrency: no lock is held while bytes are copied.  Crash safety: nothing of the store is written but by its
 * checkpoint; that of the target stands in backup_sink.c.
 */
#include <string.h>

#include "backup_sink.h"
#include "checksum.h"
#include "db.h"
#include "keyspace.h"
#include "tree_walk.h"
#include "vlog_table.h"

enum { BACKUP_LOG_SECTORS = 16, VERIFY_CACHE_BYTES = 1 << 20 };

typedef struct backup {
    levin *db;
    const levin_backup_options *options;
    levin_backup_result *result;
    tree_version *pinned;
    backup_sink sink;
    uint8_t *used;      /* a bit a page */
    uint64_t *sums;     /* by page: its checksum; of an extent's first page: the value's */
    uint64_t *lengths;  /* by page: bytes of the value whose extent begins there; NULL: there are none */
    vlog_entry *segments; /* of the value log; as many as its table has room for */
    size_t segment_count, segment_capacity;
    uint8_t *buffer;    /* SINK_BUFFER_BYTES */
} backup;

void levin_backup_options_init(levin_backup_options *options)
{
    *options = (levin_backup_options){ .struct_bytes = sizeof *options, .verify = true };
}

/* ---- survey ---- */

static levin_code claim(backup *b, uint64_t first, uint64_t pages, levin_error *error)
{
    const tree *t = &b->pinned->t;
    if (first < page_first(t->page_bytes) || first >= t->page_count || pages > t->page_count - first)
        return error_corrupt(error, PAGE_FILE_NAME, 0, t->page_count, first,
                             "page %llu is referred to, which is not in the file", (unsigned long long)first);
    for (uint64_t n = first; n < first + pages; n++) {
        if (b->used[n / 8] >> n % 8 & 1)
            return error_corrupt(error, PAGE_FILE_NAME, n * t->page_bytes, 0, n, "page %llu is reached twice",
                                 (unsigned long long)n);
        b->used[n / 8] |= (uint8_t)(1u << n % 8);
    }
    b->result->pages += pages;
    return LEVIN_OK;
}

static levin_code survey_leaf(backup *b, const uint8_t *page, levin_error *error)
{
    levin_code code = LEVIN_OK;
    for (unsigned i = 0; i < page_cells(page) && code == LEVIN_OK; i++) {
        page_value value = leaf_value(page, i);
        if (value.kind == VALUE_LOG) {
            const vlog_pointer p = page_value_pointer(&value);
            code = vlog_verify(&b->db->values, &p, error);
        }
        if (value.kind != VALUE_EXTENT || !b->lengths)
            continue;
        code = claim(b, value.first_page, extent_pages(value.bytes, b->db->page_bytes), error);
        if (code == LEVIN_OK) {
            b->sums[value.first_page] = value.checksum;
            b->lengths[value.first_page] = value.bytes;
        }
    }
    return code;
}

/* Values that do not stand in the leaves have to be found. */
static bool reads_leaves(const backup *b)
{
    return b->lengths || b->segment_capacity;
}

/* The walk has marked the page; below the lowest level that it reads, the pages are marked here. */
static levin_code survey_page(void *context, page_ref ref, unsigned level, const uint8_t *page, levin_error *error)
{
    backup *b = context;
    levin_code code = LEVIN_OK;
    b->sums[ref.number] = ref.checksum;
    b->result->pages++;
    if (level == 0)
        return survey_leaf(b, page, error);
    if (level > 1 || reads_leaves(b))
        return LEVIN_OK;
    for (unsigned i = 0; i < page_cells(page) && code == LEVIN_OK; i++) {
        page_ref child = branch_child(page, i);
        code = claim(b, child.number, 1, error);
        if (code == LEVIN_OK)
            b->sums[child.number] = child.checksum;
    }
    return code;
}

static levin_code survey_tree(backup *b, const tree *t, levin_error *error)
{
    const bool leaves = reads_leaves(b);
    tree_walk w = { .pages = &b->db->pages, .t = t, .file_pages = t->page_count, .lowest = leaves ? 0 : 1,
                    .context = b, .page = survey_page };
    if (t->height == 1 && !leaves) {
        b->sums[t->root.number] = t->root.checksum;
        return claim(b, t->root.number, 1, error);
    }
    return tree_walk_run(&w, b->used, error);
}

static levin_code survey_segment(void *context, const vlog_entry *entry, levin_error *error)
{
    backup *b = context;
    (void)error;
    b->segments[b->segment_count++] = *entry;
    b->result->total_bytes += entry->end;
    return LEVIN_OK;
}

/* The pages of the free list, or of the table of value-log segments. */
static levin_code survey_list(backup *b, enum page_type type, page_ref ref, uint64_t pages, levin_error *error)
{
    const page_meta *m = &b->pinned->meta;
    levin_code code = LEVIN_OK;
    uint64_t after = 0;
    for (uint64_t left = pages; ref.number && left && code == LEVIN_OK; left--) {
        page_expect expect = {
            .identity = b->db->identity,
            .page_bytes = m->page_bytes,
            .page_count = m->page_count,
            .max_generation = m->generation,
            .ref = ref,
            .type = type,
            .level = 0,
        };
        size_t done;
        code = claim(b, ref.number, 1, error);
        if (code == LEVIN_OK)
            code = file_read(&b->db->pages, b->buffer, m->page_bytes, ref.number * m->page_bytes, &done, error);
        if (code == LEVIN_OK && done < m->page_bytes)
            code = error_corrupt(error, PAGE_FILE_NAME, ref.number * m->page_bytes, m->page_bytes, done,
                                 "the page file ends inside a page of a list");
        if (code == LEVIN_OK)
            code = page_verify(b->buffer, &expect, error);
        if (code != LEVIN_OK)
            break;
        b->sums[ref.number] = ref.checksum;
        page_ref next;
        if (type == PAGE_VLOG_TABLE)
            code = vlog_table_read(b->buffer, m->page_bytes, &after, survey_segment, b, &next, error);
        ref = (page_ref){ load_u64(b->buffer + PAGE_NEXT), load_u64(b->buffer + PAGE_NEXT_CHECKSUM) };
    }
    return code;
}

/* ---- copy ---- */

static levin_code tell(backup *b, levin_error *error)
{
    b->result->bytes = b->sink.written;
    if (b->options->progress && !b->options->progress(b->options->context, b->result))
        return error_set(error, LEVIN_INTERRUPTED, NULL, "the backup was stopped on request");
    return LEVIN_OK;
}

static levin_code read_pages(backup *b, uint64_t first, size_t bytes, levin_error *error)
{
    const uint64_t offset = first * b->db->page_bytes;
    size_t done;
    levin_code code = file_read(&b->db->pages, b->buffer, bytes, offset, &done, error);
    if (code == LEVIN_OK && done < bytes)
        code = error_corrupt(error, PAGE_FILE_NAME, offset + done, bytes, done, "the page file ends inside a page");
    return code;
}

/* The value is verified before its last piece is handed on. */
static levin_code copy_extent(backup *b, uint64_t first, levin_error *error)
{
    const uint32_t page_bytes = b->db->page_bytes;
    const uint64_t bytes = b->lengths[first], total = extent_pages(bytes, page_bytes) * page_bytes;
    checksum_stream stream;
    levin_code code = LEVIN_OK;
    checksum_begin(&stream, checksum_seed(b->db->identity, PLACE_EXTENT, first));
    for (uint64_t at = 0; at < total && code == LEVIN_OK;) {
        size_t step = total - at < SINK_BUFFER_BYTES ? (size_t)(total - at) : SINK_BUFFER_BYTES;
        size_t data = bytes - at < step ? (size_t)(bytes - at) : step;
        code = read_pages(b, first + at / page_bytes, step, error);
        if (code != LEVIN_OK)
            break;
        checksum_add(&stream, b->buffer, data);
        memset(b->buffer + data, 0, step - data);
        at += step;
        uint64_t found = at == total ? checksum_end(&stream) : 0;
        if (at == total && found != b->sums[first])
            return error_corrupt(error, PAGE_FILE_NAME, first * page_bytes, b->sums[first], found,
                                 "a value of %llu bytes does not match its checksum", (unsigned long long)bytes);
        code = sink_write(&b->sink, b->buffer, step, error);
        if (code == LEVIN_OK)
            code = tell(b, error);
    }
    return code;
}

static bool is_used(const backup *b, uint64_t n)
{
    return b->used[n / 8] >> n % 8 & 1;
}

/* A run of pages of the tree, or of the free list. */
static levin_code copy_run(backup *b, uint64_t first, uint64_t pages, levin_error *error)
{
    const uint32_t page_bytes = b->db->page_bytes;
    levin_code code = read_pages(b, first, (size_t)pages * page_bytes, error);
    for (uint64_t i = 0; i < pages && code == LEVIN_OK; i++) {
        const uint8_t *page = b->buffer + i * page_bytes;
        uint64_t found = page_checksum(page, page_bytes, b->db->identity, first + i);
        if (found != b->sums[first + i] || load_u64(page + PAGE_CHECKSUM) != found)
            code = error_corrupt(error, PAGE_FILE_NAME, (first + i) * page_bytes, b->sums[first + i], found,
                                 "page %llu does not match its checksum", (unsigned long long)(first + i));
    }
    if (code == LEVIN_OK)
        code = sink_write(&b->sink, b->buffer, (size_t)pages * page_bytes, error);
    return code == LEVIN_OK ? tell(b, error) : code;
}

static levin_code copy_pages(backup *b, levin_error *error)
{
    const uint32_t page_bytes = b->db->page_bytes;
    const uint64_t count = b->pinned->meta.page_count, most = SINK_BUFFER_BYTES / page_bytes;
    levin_code code = LEVIN_OK;
    for (uint64_t n = page_first(page_bytes); n < count && code == LEVIN_OK;) {
        uint64_t end = n;
        if (!is_used(b, n)) {
            while (end < count && !is_used(b, end))
                end++;
            code = sink_zeros(&b->sink, (end - n) * page_bytes, error);
        } else if (b->lengths && b->lengths[n]) {
            end += extent_pages(b->lengths[n], page_bytes);
            code = copy_extent(b, n, error);
        } else {
            while (end < count && end - n < most && is_used(b, end) && !(b->lengths && b->lengths[end]))
                end++;
            code = copy_run(b, n, end - n, error);
        }
        n = end;
    }
    return code;
}

/* ---- the files ---- */

static void wal_options_of_backup(const backup *b, wal_options *o)
{
    *o = (wal_options){ .io = b->db->io, .sector_bytes = b->pinned->meta.sector_bytes };
    memcpy(o->identity, b->pinned->meta.identity, sizeof o->identity);
}

static uint64_t log_bytes(const backup *b)
{
    return (uint64_t)BACKUP_LOG_SECTORS * b->pinned->meta.sector_bytes;
}

/* An empty log, number 1. */
static levin_code write_log(backup *b, levin_error *error)
{
    uint8_t header[WAL_SEGMENT_HEADER_BYTES];
    wal_options o;
    wal_options_of_backup(b, &o);
    wal_first_header(&o, log_bytes(b), b->pinned->meta.incarnation, header);
    levin_code code = sink_begin_file(&b->sink, WAL_FIRST_NAME, LEVIN_FILE_WAL, log_bytes(b), error);
    if (code == LEVIN_OK)
        code = sink_write(&b->sink, header, sizeof header, error);
    if (code == LEVIN_OK)
        code = sink_zeros(&b->sink, log_bytes(b) - sizeof header, error);
    return code == LEVIN_OK ? sink_end_file(&b->sink, error) : code;
}

/* A segment of the value log, up to its last record. The pinned tree keeps it. */
static levin_code write_segment(backup *b, const vlog_entry *entry, levin_error *error)
{
    const vlog_name name = vlog_segment_name(entry->number);
    file f = { 0 };
    levin_code code = sink_begin_file(&b->sink, name.text, LEVIN_FILE_VLOG, entry->end, error);
    if (code == LEVIN_OK)
        code = file_open(&f, b->db->io, b->db->directory, name.text, LEVIN_FILE_VLOG, 0, error);
    for (uint64_t at = 0; at < entry->end && code == LEVIN_OK;) {
        const size_t step = entry->end - at < SINK_BUFFER_BYTES ? (size_t)(entry->end - at) : SINK_BUFFER_BYTES;
        size_t done;
        code = file_read(&f, b->buffer, step, at, &done, error);
        if (code == LEVIN_OK && done < step)
            code = error_corrupt(error, name.text, at + done, entry->end, at + done,
                                 "a segment of the value log is cut short");
        if (code == LEVIN_OK)
            code = sink_write(&b->sink, b->buffer, step, error);
        if (code == LEVIN_OK)
            code = tell(b, error);
        at += step;
    }
    file_close(&f);
    return code == LEVIN_OK ? sink_end_file(&b->sink, error) : code;
}

static levin_code write_segments(backup *b, levin_error *error)
{
    levin_code code = LEVIN_OK;
    for (size_t i = 0; i < b->segment_count && code == LEVIN_OK; i++)
        code = write_segment(b, &b->segments[i], error);
    return code;
}

static levin_code write_lock_file(backup *b, levin_error *error)
{
    levin_code code = sink_begin_file(&b->sink, LOCK_FILE_NAME, LEVIN_FILE_LOCK, 0, error);
    return code == LEVIN_OK ? sink_end_file(&b->sink, error) : code;
}

static page_meta meta_of_backup(const backup *b)
{
    page_meta m = b->pinned->meta;
    m.replay = lsn_make(1, m.sector_bytes);
    m.replay_chain = 0;
    return m;
}

static levin_code write_metas(backup *b, levin_error *error)
{
    uint8_t slots[2][META_SLOT_BYTES] = { { 0 } };
    page_meta m = meta_of_backup(b);
    for (int i = 0; i < 2; i++, m.generation++)
        meta_encode(slots[m.generation % 2], &m);
    levin_code code = sink_write(&b->sink, slots, sizeof slots, error);
    uint64_t rest = page_first(m.page_bytes) * m.page_bytes - sizeof slots;
    return code == LEVIN_OK && rest ? sink_zeros(&b->sink, rest, error) : code;
}

static levin_code write_pages(backup *b, levin_error *error)
{
    const page_meta *m = &b->pinned->meta;
    levin_code code = sink_begin_file(&b->sink, PAGE_FILE_NAME, LEVIN_FILE_PAGES, m->page_count * m->page_bytes,
                                      error);
    if (code == LEVIN_OK)
        code = write_metas(b, error);
    if (code == LEVIN_OK)
        code = copy_pages(b, error);
    return code == LEVIN_OK ? sink_end_file(&b->sink, error) : code;
}

/* ---- verify ---- */

static levin_code verify_metas(file *copy, const page_meta *wanted, levin_error *error)
{
    uint8_t bytes[META_BYTES];
    page_meta m;
    size_t done;
    levin_code code = LEVIN_OK;
    for (unsigned i = 0; i < 2 && code == LEVIN_OK; i++) {
        unsigned slot = (unsigned)((wanted->generation + i) % 2);
        code = file_read(copy, bytes, sizeof bytes, (uint64_t)slot * META_SLOT_BYTES, &done, error);
        if (code == LEVIN_OK && done < sizeof bytes)
            code = error_corrupt(error, copy->name, done, sizeof bytes, done, "the copy ends inside a meta page");
        if (code == LEVIN_OK)
            code = meta_decode(bytes, slot, &m, error);
        if (code == LEVIN_OK && (m.generation != wanted->generation + i || m.root.checksum != wanted->root.checksum))
            code = error_corrupt(error, copy->name, (uint64_t)slot * META_SLOT_BYTES, wanted->generation + i,
                                 m.generation, "the copy has another meta page");
    }
    return code;
}

/* The value log in the copy. */
static levin_code open_copied_values(backup *b, vlog *values, levin_error *error)
{
    levin_code code = vlog_init(values, b->db->io, b->sink.directory, b->pinned->meta.identity,
                                b->db->options.value_log_segment_bytes, error);
    for (size_t i = 0; i < b->segment_count && code == LEVIN_OK; i++)
        code = vlog_adopt(values, b->segments[i].number, b->segments[i].end, b->segments[i].live, error);
    return code;
}

/* Reads the copy back, before it has its name. */
static levin_code verify_copy(backup *b, levin_error *error)
{
    const page_meta m = meta_of_backup(b);
    levin_check_result seen = { 0 };
    file copy = { 0 };
    vlog values = { 0 };
    tree t = b->pinned->t, named = b->pinned->named;
    levin_code code = file_open(&copy, b->db->io, b->sink.directory, BACKUP_UNFINISHED_NAME, LEVIN_FILE_PAGES, 0,
                                error);
    if (code != LEVIN_OK)
        return code;
    t.cache = page_cache_create(&copy, t.page_bytes, t.identity, VERIFY_CACHE_BYTES);
    named.cache = t.cache;
    if (!t.cache)
        code = error_memory(error, VERIFY_CACHE_BYTES);
    memset(b->used, 0, m.page_count / 8 + 1);
    if (code == LEVIN_OK)
        code = open_copied_values(b, &values, error);
    t.values = named.values = &values;
    if (code == LEVIN_OK)
        code = verify_metas(&copy, &m, error);
    if (code == LEVIN_OK)
        code = tree_check(&t, b->used, NULL, NULL, &seen, error);
    if (code == LEVIN_OK)
        code = tree_check(&named, b->used, NULL, NULL, &seen, error);
    if (code == LEVIN_OK && seen.keys != m.keys + m.named_keys)
        code = error_corrupt(error, copy.name, 0, m.keys + m.named_keys, seen.keys, "the copy does not have all keys");
    page_cache_destroy(t.cache);
    vlog_fini(&values);
    file_close(&copy);
    return code;
}

/* ---- all of it ---- */

static levin_code backup_prepare(backup *b, levin_error *error)
{
    const page_meta *m = &b->pinned->meta;
    const size_t count = (size_t)m->page_count;
    catalogue_count own;
    b->used = io_alloc(b->db->io, count / 8 + 1);
    b->sums = io_alloc(b->db->io, count * sizeof *b->sums);
    b->lengths = m->overflow_pages ? io_alloc(b->db->io, count * sizeof *b->lengths) : NULL;
    b->buffer = io_alloc(b->db->io, SINK_BUFFER_BYTES);
    b->segment_capacity = vlog_table_room(m->vlog_table_pages, m->page_bytes);
    b->segments = b->segment_capacity ? io_alloc(b->db->io, b->segment_capacity * sizeof *b->segments) : NULL;
    if (!b->used || !b->sums || !b->buffer || (m->overflow_pages && !b->lengths) ||
        (b->segment_capacity && !b->segments))
        return error_memory(error, count * sizeof *b->sums);
    memset(b->used, 0, count / 8 + 1);
    if (b->lengths)
        memset(b->lengths, 0, count * sizeof *b->lengths);
    b->result->total_bytes = m->page_count * m->page_bytes + log_bytes(b);
    b->result->sequence = m->sequence;
    levin_code code = survey_tree(b, &b->pinned->t, error);
    if (code == LEVIN_OK)
        code = survey_tree(b, &b->pinned->named, error);
    if (code == LEVIN_OK)
        code = keyspace_catalogue_count(&b->pinned->named, &own, error);
    b->result->keys = code == LEVIN_OK ? m->keys + m->named_keys - own.keys : 0;
    if (code == LEVIN_OK)
        code = survey_list(b, PAGE_FREE_LIST, m->free_list, m->free_list_pages, error);
    return code == LEVIN_OK ? survey_list(b, PAGE_VLOG_TABLE, m->vlog_table, m->vlog_table_pages, error) : code;
}

static void backup_fini(backup *b)
{
    const size_t count = (size_t)b->pinned->meta.page_count;
    io_free(b->db->io, b->used, count / 8 + 1);
    io_free(b->db->io, b->sums, count * sizeof *b->sums);
    io_free(b->db->io, b->lengths, count * sizeof *b->lengths);
    io_free(b->db->io, b->segments, b->segment_capacity * sizeof *b->segments);
    io_free(b->db->io, b->buffer, SINK_BUFFER_BYTES);
    tree_version_release(&b->db->versions, b->pinned);
}

/* The sink is open. */
static levin_code backup_run(backup *b, levin_error *error)
{
    levin_code code = backup_prepare(b, error);
    if (code == LEVIN_OK)
        code = write_lock_file(b, error);
    if (code == LEVIN_OK)
        code = write_log(b, error);
    if (code == LEVIN_OK)
        code = write_segments(b, error);
    if (code == LEVIN_OK)
        code = write_pages(b, error);
    if (code == LEVIN_OK && b->sink.directory && b->options->verify)
        code = verify_copy(b, error);
    if (code == LEVIN_OK)
        code = sink_finish(&b->sink, error);
    b->result->bytes = b->sink.written; /* zeros at the end have been told to nobody */
    return code;
}

/* What is not in the tree would not be in the backup. */
static levin_code backup_ready(levin *db)
{
    if (!db->options.read_only)
        return levin_checkpoint(db);
    if (count_read(&db->replayed_batches))
        return db_refuse(db, LEVIN_READ_ONLY,
                         "the log holds %llu batches that are not in the page file: open the store for writing to "
                         "take a backup", (unsigned long long)count_read(&db->replayed_batches));
    return LEVIN_OK;
}

static levin_code backup_to(levin *db, const char *directory, levin_backup_write write, void *write_context,
                            const levin_backup_options *options, levin_backup_result *result)
{
    levin_backup_options defaults;
    levin_backup_result local;
    levin_error error = { 0 };
    if (!options) {
        levin_backup_options_init(&defaults);
        options = &defaults;
    }
    if (options->struct_bytes != sizeof *options)
        return db_refuse(db, LEVIN_INVALID, "backup options were not filled by levin_backup_options_init()");
    if (directory && (!*directory || strlen(directory) > FILE_PATH_MAX - 64))
        return db_refuse(db, LEVIN_INVALID, "the path of the backup is empty or longer than %d bytes",
                         FILE_PATH_MAX - 64);
    backup b = { .db = db, .options = options, .result = result ? result : &local };
    *b.result = (levin_backup_result){ 0 };
    levin_code code = LEVIN_OK;
    if (directory)
        code = sink_open_directory(&b.sink, db->io, directory, &error);
    else
        sink_open_stream(&b.sink, db->io, write, write_context);
    if (code == LEVIN_OK) {
        code = backup_ready(db);
        if (code != LEVIN_OK) {
            sink_close(&b.sink, false);
            return code;
        }
        b.pinned = tree_version_pin(&db->versions);
        code = backup_run(&b, &error);
        backup_fini(&b);
    }
    sink_close(&b.sink, code == LEVIN_OK);
    return code == LEVIN_OK ? LEVIN_OK : db_fail(db, &error);
}

levin_code levin_backup(levin *store, const char *directory, const levin_backup_options *options,
                        levin_backup_result *result)
{
    if (!directory)
        return db_refuse(store, LEVIN_INVALID, "no directory is given for the backup");
    return backup_to(store, directory, NULL, NULL, options, result);
}

levin_code levin_backup_stream(levin *store, levin_backup_write write, void *write_context,
                               const levin_backup_options *options, levin_backup_result *result)
{
    if (!write)
        return db_refuse(store, LEVIN_INVALID, "no function is given that writes the backup");
    return backup_to(store, NULL, write, write_context, options, result);
}

levin_code levin_restore(const char *backup_path, const char *directory, const levin_io *io,
                         const levin_backup_options *options, levin_backup_result *result, levin_error *error)
{
    levin_options o;
    levin_error local = { 0 };
    levin *db;
    levin_options_init(&o);
    o.read_only = true;
    o.row_cache_bytes = 0;
    o.io = io;
    levin_code code = levin_open(backup_path, &o, &db, &local);
    if (code == LEVIN_OK) {
        if (db->beside) /* its log has what this handle does not see */
            code = db_refuse(db, LEVIN_LOCKED, "\"%s\" is open for writing: take a backup of it with that handle, or "
                             "when it is closed", backup_path);
        else
            code = levin_backup(db, directory, options, result);
        if (code != LEVIN_OK)
            levin_last_error(db, &local);
        (void)levin_close(db); /* read-only: it has nothing to lose */
    }
    if (code != LEVIN_OK && error)
        *error = local;
    return code;
}
