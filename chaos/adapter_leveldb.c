/*
 * adapter_leveldb.c - LevelDB behind store.h, through its C interface.
 *
 * Configuration: Bloom filters of 10 bits a key, as its documentation recommends; no compression, for the other stores
 * have none; WriteOptions.sync for each batch; paranoid_checks, which RocksDB has on by default (without, a damaged
 * index block is an empty table and nobody is told; option paranoid=0 is its default).  Option verify=1: reads verify
 * the checksum of each block, which is not its default.  Its reads allocate their result, there is no pinned get and no
 * multi-get.  An iterator is made for each scan: it shows the state at its birth and cannot be refreshed.
 *
 * LevelDB always has its one background thread: `background` is not used.
 *
 * Concurrency: everything but a session's own batch may be used by all threads.
 */
#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters.h"

struct store {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_cache_t *cache;
    leveldb_filterpolicy_t *filter;
    bool verify;
};

struct store_session {
    store *s;
    leveldb_writebatch_t *batch;
    leveldb_writeoptions_t *write;
    leveldb_writeoptions_t *write_synced;
    leveldb_readoptions_t *read;
    leveldb_readoptions_t *verify;
    char text[STORE_MESSAGE_BYTES];
};

enum { BITS_PER_KEY = 10 };
static const uint64_t CACHE_BYTES_DEFAULT = 8u << 20; /* LevelDB's own, as the next */
static const uint64_t WRITE_BUFFER_BYTES_DEFAULT = 4u << 20;

static const char *leveldb_version_text(void)
{
    /* the header has no version macro; a copy of what the linked library says, made once */
    static char text[32];
    if (!text[0])
        snprintf(text, sizeof text, "%d.%d", leveldb_major_version(), leveldb_minor_version());
    return text;
}

static uint64_t cache_bytes_of(const store_config *config)
{
    return config->cache_bytes ? config->cache_bytes : CACHE_BYTES_DEFAULT;
}

static uint64_t write_buffer_bytes_of(const store_config *config)
{
    return config->write_buffer_bytes ? config->write_buffer_bytes : WRITE_BUFFER_BYTES_DEFAULT;
}

static void leveldb_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES,
             "durability: %s; checksums: of each block and log record, %s, paranoid_checks=%s; no "
             "compression, block cache %llu MiB, write buffer %llu KiB, Bloom filter of %d bits",
             config->sync ? "WriteOptions.sync for each batch" : "log written, not synced",
             option_value(config, "verify", 0) ? "verified by each read (verify_checksums=true)"
                                               : "not verified by reads (verify_checksums=false, its default)",
             option_value(config, "paranoid", 1) ? "true" : "false (its default)",
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
    leveldb_free(error);
    return result;
}

static void store_destroy(store *s)
{
    if (s->db)
        leveldb_close(s->db);
    leveldb_options_destroy(s->options);
    leveldb_filterpolicy_destroy(s->filter);
    leveldb_cache_destroy(s->cache);
    free(s);
}

static store_result leveldb_adapter_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    char *error = NULL;
    store *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) {
        snprintf(message, STORE_MESSAGE_BYTES, "out of memory");
        return STORE_FAILED;
    }
    s->verify = option_value(config, "verify", 0) != 0;
    s->options = leveldb_options_create();
    s->cache = leveldb_cache_create_lru(cache_bytes_of(config));
    s->filter = leveldb_filterpolicy_create_bloom(BITS_PER_KEY);
    leveldb_options_set_create_if_missing(s->options, config->create);
    leveldb_options_set_paranoid_checks(s->options, option_value(config, "paranoid", 1) != 0);
    leveldb_options_set_compression(s->options, leveldb_no_compression);
    leveldb_options_set_write_buffer_size(s->options, write_buffer_bytes_of(config));
    leveldb_options_set_cache(s->options, s->cache);
    leveldb_options_set_filter_policy(s->options, s->filter);
    s->db = leveldb_open(s->options, config->path, &error);
    if (error) {
        store_destroy(s);
        return result_of(error, message);
    }
    *out = s;
    return STORE_OK;
}

static store_result leveldb_adapter_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    (void)message; /* closing says nothing */
    store_destroy(s);
    return STORE_OK;
}

static store_result leveldb_session_open(store *s, store_session **session)
{
    store_session *n = calloc(1, sizeof *n);
    *session = n;
    if (!n)
        return STORE_FAILED;
    n->s = s;
    n->batch = leveldb_writebatch_create();
    n->write = leveldb_writeoptions_create();
    n->write_synced = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(n->write_synced, 1);
    n->read = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(n->read, s->verify);
    n->verify = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(n->verify, 1);
    leveldb_readoptions_set_fill_cache(n->verify, 0);
    return STORE_OK;
}

static void leveldb_session_close(store_session *session)
{
    leveldb_readoptions_destroy(session->verify);
    leveldb_readoptions_destroy(session->read);
    leveldb_writeoptions_destroy(session->write_synced);
    leveldb_writeoptions_destroy(session->write);
    leveldb_writebatch_destroy(session->batch);
    free(session);
}

static const char *leveldb_message(const store_session *session)
{
    return session->text;
}

static store_result leveldb_adapter_write(store_session *session, const store_operation *operations, size_t count,
                                          bool sync)
{
    leveldb_writebatch_t *batch = session->batch;
    char *error = NULL;
    for (size_t i = 0; i < count; i++) {
        const store_operation *o = &operations[i];
        if (o->value.data)
            leveldb_writebatch_put(batch, o->key.data, o->key.bytes, o->value.data, o->value.bytes);
        else
            leveldb_writebatch_delete(batch, o->key.data, o->key.bytes);
    }
    leveldb_write(session->s->db, sync ? session->write_synced : session->write, batch, &error);
    leveldb_writebatch_clear(batch);
    return result_of(error, session->text);
}

static store_result leveldb_adapter_get(store_session *session, store_slice key, void *buffer, size_t capacity,
                                        size_t *bytes)
{
    char *error = NULL;
    store_slice value;
    char *data = leveldb_get(session->s->db, session->read, key.data, key.bytes, &value.bytes, &error);
    if (error)
        return result_of(error, session->text);
    if (!data)
        return STORE_NOT_FOUND;
    value.data = data;
    value_copy(value, buffer, capacity, bytes);
    leveldb_free(data);
    return STORE_OK;
}

static void iterator_start(leveldb_iterator_t *it, const store_range *range)
{
    const store_slice *from = &range->from;
    if (!from->data) {
        if (range->reverse)
            leveldb_iter_seek_to_last(it);
        else
            leveldb_iter_seek_to_first(it);
        return;
    }
    leveldb_iter_seek(it, from->data, from->bytes);
    if (!range->reverse)
        return;
    if (!leveldb_iter_valid(it)) { /* every key is smaller */
        leveldb_iter_seek_to_last(it);
        return;
    }
    store_slice key;
    key.data = leveldb_iter_key(it, &key.bytes);
    if (slice_compare(key, *from) != 0)
        leveldb_iter_prev(it);
}

static store_result scan_with(store_session *session, const leveldb_readoptions_t *read, const store_range *range,
                              store_visit visit, void *context)
{
    leveldb_iterator_t *it = leveldb_create_iterator(session->s->db, read);
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    char *error = NULL;
    iterator_start(it, range);
    while (leveldb_iter_valid(it)) {
        store_slice key, value;
        key.data = leveldb_iter_key(it, &key.bytes);
        if (!range_holds(range, key))
            break;
        value.data = leveldb_iter_value(it, &value.bytes);
        if (!visit(context, key, value) || !--left)
            break;
        if (range->reverse)
            leveldb_iter_prev(it);
        else
            leveldb_iter_next(it);
    }
    leveldb_iter_get_error(it, &error);
    leveldb_iter_destroy(it);
    return result_of(error, session->text);
}

static store_result leveldb_scan(store_session *session, const store_range *range, store_visit visit, void *context)
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

/* Reads every block that is not cached, with its checksum verified. */
static store_result leveldb_check(store_session *session)
{
    const store_range everything = { .limit = 0 };
    return scan_with(session, session->verify, &everything, visit_all, NULL);
}

static store_result leveldb_compact(store_session *session)
{
    leveldb_compact_range(session->s->db, NULL, 0, NULL, 0); /* flushes the write buffer first */
    return STORE_OK;
}

static const char *const option_names[] = { "paranoid", "verify", NULL };
static const char *const variants[] = { "paranoid=0", "verify=1", NULL };

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "leveldb",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_CHECK | STORE_CAN_WRITE_CONCURRENTLY | STORE_CAN_COMPACT |
                    STORE_HAS_WRITE_BUFFER | STORE_IS_TUNED | STORE_HAS_THREADS,
    .version = leveldb_version_text,
    .configuration = leveldb_configuration,
    .option_names = option_names,
    .variants = variants,
    .strictest = "verify=1: paranoid_checks, and reads verify checksums",
    .not_promised = "reads verify checksums of data blocks only where asked to (verify)",
    .open = leveldb_adapter_open,
    .close = leveldb_adapter_close,
    .session_open = leveldb_session_open,
    .session_close = leveldb_session_close,
    .message = leveldb_message,
    .write = leveldb_adapter_write,
    .get = leveldb_adapter_get,
    .scan = leveldb_scan,
    .check = leveldb_check,
    .compact = leveldb_compact,
};
