/*
 * adapter_rocksdb.c - RocksDB behind store.h, through its C interface.
 *
 * Configuration: what its tuning guide recommends ("Setup options and basic tuning" in its wiki) where that does not
 * cost speed at the sizes measured here: Bloom filters of 10 bits a key, a hash index in data blocks, dynamic level
 * sizes, bytes_per_sync; index and filter blocks stay outside the block cache, which is the default and the faster
 * choice.  paranoid_checks and verify_checksums are its defaults; option absolute=1 is wal_recovery_mode
 * kAbsoluteConsistency, which refuses a damaged log, and one with a torn tail too.  No compression, for the other
 * stores have none.  WriteOptions.sync for each batch; pinned gets; the
 * batched multi-get, which needs a column family handle, so the default family is opened by name.  An iterator is
 * made for each scan: it shows the state at its birth, and this version's C interface cannot refresh one.
 *
 * RocksDB cannot do without background threads: `background` is not used.
 *
 * Concurrency: everything but a session's own batch and read options may be used by all threads.
 */
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters.h"

struct store {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family;
    rocksdb_options_t *options;
};

struct store_session {
    store *s;
    rocksdb_writebatch_t *batch;
    rocksdb_writeoptions_t *write;
    rocksdb_writeoptions_t *write_synced;
    rocksdb_readoptions_t *read;
    rocksdb_readoptions_t *verify;
    char text[STORE_MESSAGE_BYTES];
};

/* version.h is C++ and the C interface has no call for it: the Makefile reads it out of that header. */
#ifndef LEVIN_ROCKSDB_VERSION
#define LEVIN_ROCKSDB_VERSION "(version unknown)"
#endif

enum { BITS_PER_KEY = 10, INFO_LOG_WARN = 2, RECOVER_ABSOLUTE = 1, RECOVER_POINT_IN_TIME = 2 };
static const uint64_t CACHE_BYTES_DEFAULT = 8u << 20; /* RocksDB's own, as the next */
static const uint64_t WRITE_BUFFER_BYTES_DEFAULT = 64u << 20;

static const char *rocksdb_version_text(void)
{
    return LEVIN_ROCKSDB_VERSION;
}

static uint64_t cache_bytes_of(const store_config *config)
{
    return config->cache_bytes ? config->cache_bytes : CACHE_BYTES_DEFAULT;
}

static uint64_t write_buffer_bytes_of(const store_config *config)
{
    return config->write_buffer_bytes ? config->write_buffer_bytes : WRITE_BUFFER_BYTES_DEFAULT;
}

static bool absolute_of(const store_config *config)
{
    return option_value(config, "absolute", 0) != 0;
}

static void rocksdb_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES,
             "durability: %s, wal_recovery_mode=%s; checksums: of each block and log record, verified by each read "
             "(verify_checksums=true, paranoid_checks=true, its defaults); no compression, block cache %llu MiB, write "
             "buffer %llu KiB, Bloom filter of %d bits, hash index in data blocks, dynamic level bytes, bytes_per_sync "
             "1 MiB, pinned gets, batched multi-get",
             config->sync ? "WriteOptions.sync for each batch" : "log written, not synced",
             absolute_of(config) ? "kAbsoluteConsistency" : "kPointInTimeRecovery (its default)",
             (unsigned long long)(cache_bytes_of(config) >> 20),
             (unsigned long long)(write_buffer_bytes_of(config) >> 10), BITS_PER_KEY);
}

/* Takes the store's error text into `message` and frees it; NULL is no error. */
static store_result result_of(char *error, char message[STORE_MESSAGE_BYTES])
{
    if (!error)
        return STORE_OK;
    store_result result = strncmp(error, "Corruption", strlen("Corruption")) == 0 ? STORE_DAMAGED : STORE_FAILED;
    snprintf(message, STORE_MESSAGE_BYTES, "%s", error);
    rocksdb_free(error);
    return result;
}

static rocksdb_options_t *options_create(const store_config *config)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, config->create);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(o, write_buffer_bytes_of(config));
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_bytes_per_sync(o, 1 << 20);
    rocksdb_options_set_info_log_level(o, INFO_LOG_WARN);
    rocksdb_options_set_paranoid_checks(o, 1); /* its default */
    rocksdb_options_set_wal_recovery_mode(o, absolute_of(config) ? RECOVER_ABSOLUTE : RECOVER_POINT_IN_TIME);

    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_cache_t *cache = rocksdb_cache_create_lru(cache_bytes_of(config));
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(BITS_PER_KEY));
    rocksdb_block_based_options_set_data_block_index_type(
        table, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
    rocksdb_options_set_block_based_table_factory(o, table); /* copies; it owns the filter policy, shares the cache */
    rocksdb_block_based_options_destroy(table);
    rocksdb_cache_destroy(cache);
    return o;
}

static store_result rocksdb_adapter_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    static const char *const families[] = { "default" };
    char *error = NULL;
    store *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) {
        snprintf(message, STORE_MESSAGE_BYTES, "out of memory");
        return STORE_FAILED;
    }
    s->options = options_create(config);
    const rocksdb_options_t *const family_options[] = { s->options };
    s->db = rocksdb_open_column_families(s->options, config->path, 1, families, family_options, &s->family, &error);
    if (error) {
        rocksdb_options_destroy(s->options);
        free(s);
        return result_of(error, message);
    }
    *out = s;
    return STORE_OK;
}

static store_result rocksdb_adapter_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    char *error = NULL;
    rocksdb_flush_wal(s->db, 1, &error); /* closing does not sync what was written without */
    rocksdb_column_family_handle_destroy(s->family);
    rocksdb_close(s->db);
    rocksdb_options_destroy(s->options);
    free(s);
    return result_of(error, message);
}

static store_result rocksdb_session_open(store *s, store_session **session)
{
    store_session *n = calloc(1, sizeof *n);
    *session = n;
    if (!n)
        return STORE_FAILED;
    n->s = s;
    n->batch = rocksdb_writebatch_create();
    n->write = rocksdb_writeoptions_create();
    n->write_synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(n->write_synced, 1);
    n->read = rocksdb_readoptions_create();
    n->verify = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(n->verify, 1);
    rocksdb_readoptions_set_fill_cache(n->verify, 0);
    return STORE_OK;
}

static void rocksdb_session_close(store_session *session)
{
    rocksdb_readoptions_destroy(session->verify);
    rocksdb_readoptions_destroy(session->read);
    rocksdb_writeoptions_destroy(session->write_synced);
    rocksdb_writeoptions_destroy(session->write);
    rocksdb_writebatch_destroy(session->batch);
    free(session);
}

static const char *rocksdb_message(const store_session *session)
{
    return session->text;
}

static store_result rocksdb_adapter_write(store_session *session, const store_operation *operations, size_t count,
                                          bool sync)
{
    rocksdb_writebatch_t *batch = session->batch;
    char *error = NULL;
    for (size_t i = 0; i < count; i++) {
        const store_operation *o = &operations[i];
        if (o->value.data)
            rocksdb_writebatch_put(batch, o->key.data, o->key.bytes, o->value.data, o->value.bytes);
        else
            rocksdb_writebatch_delete(batch, o->key.data, o->key.bytes);
    }
    rocksdb_write(session->s->db, sync ? session->write_synced : session->write, batch, &error);
    rocksdb_writebatch_clear(batch);
    return result_of(error, session->text);
}

static store_result pinned_take(rocksdb_pinnableslice_t *pinned, void *buffer, size_t capacity, size_t *bytes)
{
    store_slice value;
    if (!pinned)
        return STORE_NOT_FOUND;
    value.data = rocksdb_pinnableslice_value(pinned, &value.bytes);
    value_copy(value, buffer, capacity, bytes);
    rocksdb_pinnableslice_destroy(pinned);
    return STORE_OK;
}

static store_result rocksdb_adapter_get(store_session *session, store_slice key, void *buffer, size_t capacity,
                                        size_t *bytes)
{
    char *error = NULL;
    rocksdb_pinnableslice_t *pinned = rocksdb_get_pinned(session->s->db, session->read, key.data, key.bytes, &error);
    return error ? result_of(error, session->text) : pinned_take(pinned, buffer, capacity, bytes);
}

enum { MULTI_GET_AT_ONCE = 64 };

static store_result rocksdb_adapter_multi_get(store_session *session, store_get *gets, size_t count)
{
    const char *keys[MULTI_GET_AT_ONCE];
    size_t key_bytes[MULTI_GET_AT_ONCE];
    rocksdb_pinnableslice_t *values[MULTI_GET_AT_ONCE];
    char *errors[MULTI_GET_AT_ONCE];
    store_result first = STORE_OK;
    for (size_t done = 0; done < count;) {
        size_t n = count - done < MULTI_GET_AT_ONCE ? count - done : MULTI_GET_AT_ONCE;
        for (size_t i = 0; i < n; i++) {
            keys[i] = gets[done + i].key.data;
            key_bytes[i] = gets[done + i].key.bytes;
        }
        rocksdb_batched_multi_get_cf(session->s->db, session->read, session->s->family, n, keys, key_bytes, values,
                                     errors, false);
        for (size_t i = 0; i < n; i++) {
            store_get *g = &gets[done + i];
            g->result = errors[i] ? result_of(errors[i], session->text)
                                  : pinned_take(values[i], g->buffer, g->capacity, &g->bytes);
            if (first == STORE_OK && g->result != STORE_NOT_FOUND)
                first = g->result;
        }
        done += n;
    }
    return first;
}

static void iterator_start(rocksdb_iterator_t *it, const store_range *range)
{
    const store_slice *from = &range->from;
    if (range->reverse) {
        if (from->data)
            rocksdb_iter_seek_for_prev(it, from->data, from->bytes);
        else
            rocksdb_iter_seek_to_last(it);
    } else {
        if (from->data)
            rocksdb_iter_seek(it, from->data, from->bytes);
        else
            rocksdb_iter_seek_to_first(it);
    }
}

static store_result scan_with(store_session *session, const rocksdb_readoptions_t *read, const store_range *range,
                              store_visit visit, void *context)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator(session->s->db, read);
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    char *error = NULL;
    iterator_start(it, range);
    while (rocksdb_iter_valid(it)) {
        store_slice key, value;
        key.data = rocksdb_iter_key(it, &key.bytes);
        if (!range_holds(range, key))
            break;
        value.data = rocksdb_iter_value(it, &value.bytes);
        if (!visit(context, key, value) || !--left)
            break;
        if (range->reverse)
            rocksdb_iter_prev(it);
        else
            rocksdb_iter_next(it);
    }
    rocksdb_iter_get_error(it, &error);
    rocksdb_iter_destroy(it);
    return result_of(error, session->text);
}

static store_result rocksdb_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    return scan_with(session, session->read, range, visit, context);
}

static bool visit_all(void *context, store_slice key, store_slice value)
{
    (void)context;
    (void)key;
    (void)value;
    return true;
}

/* The C interface has no VerifyChecksum(): reads every block outside the cache, with its checksum verified. */
static store_result rocksdb_check(store_session *session)
{
    const store_range everything = { .limit = 0 };
    return scan_with(session, session->verify, &everything, visit_all, NULL);
}

static store_result rocksdb_compact(store_session *session)
{
    char *error = NULL;
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_flush(session->s->db, flush, &error);
    rocksdb_flushoptions_destroy(flush);
    if (!error)
        rocksdb_compact_range(session->s->db, NULL, 0, NULL, 0);
    return result_of(error, session->text);
}

static const char *const option_names[] = { "absolute", NULL };
static const char *const variants[] = { "absolute=1", NULL };

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "rocksdb",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_MULTI_GET | STORE_CAN_CHECK | STORE_CAN_WRITE_CONCURRENTLY |
                    STORE_CAN_COMPACT | STORE_HAS_WRITE_BUFFER | STORE_IS_TUNED | STORE_HAS_THREADS,
    .version = rocksdb_version_text,
    .configuration = rocksdb_configuration,
    .option_names = option_names,
    .variants = variants,
    .strictest = "absolute=1: a log with any damage, a torn tail too, is refused",
    .not_promised = "with kPointInTimeRecovery, damage in the log ends it there, and the writes behind it are gone",
    .open = rocksdb_adapter_open,
    .close = rocksdb_adapter_close,
    .session_open = rocksdb_session_open,
    .session_close = rocksdb_session_close,
    .message = rocksdb_message,
    .write = rocksdb_adapter_write,
    .get = rocksdb_adapter_get,
    .multi_get = rocksdb_adapter_multi_get,
    .scan = rocksdb_scan,
    .check = rocksdb_check,
    .compact = rocksdb_compact,
};
