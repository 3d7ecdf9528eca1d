/*
 * adapter_kyotocabinet.c - Kyoto Cabinet's B+ tree (kct) behind store.h, through its C interface.
 *
 * Configuration: each batch in a transaction of its own; for synced writes kcdbbegintran(hard), which synchronises with
 * the device as its documentation asks for durability, otherwise a transaction that survives the process alone.  The
 * write-ahead log of a transaction is a file beside the store (.wal).  cache_bytes is the page cache (pccap).  Opening
 * repairs by itself what was not closed, which is its default.
 */
#include <kclangc.h>

#include "adapter_plain.h"

struct store {
    plain_store plain;
    KCDB *db;
    bool sync;
};

static const uint64_t CACHE_BYTES_DEFAULT = 64u << 20; /* its own */

static uint64_t cache_bytes_of(const store_config *config)
{
    return config->cache_bytes ? config->cache_bytes : CACHE_BYTES_DEFAULT;
}

static const char *kyotocabinet_version_text(void)
{
    return KCVERSION;
}

static void kyotocabinet_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES, "durability: %s for each batch; checksums: none; tree database, page cache "
             "%llu KiB, automatic repair at open, writers wait for all readers",
             config->sync ? "hard transaction (synchronised with the device)"
                          : "transaction, not synchronised with the device",
             (unsigned long long)(cache_bytes_of(config) >> 10));
}

static store_result result_of(int32_t code)
{
    return code == KCESUCCESS                        ? STORE_OK
           : code == KCENOREC                        ? STORE_NOT_FOUND
           : code == KCEBROKEN || code == KCELOGIC   ? STORE_DAMAGED
                                                     : STORE_FAILED;
}

static store_result failure(KCDB *db, char message[STORE_MESSAGE_BYTES])
{
    const store_result result = result_of(kcdbecode(db));
    if (result != STORE_NOT_FOUND)
        snprintf(message, STORE_MESSAGE_BYTES, "%s (%s)", kcdbemsg(db), kcecodename(kcdbecode(db)));
    return result == STORE_OK ? STORE_FAILED : result;
}

static store_result kyotocabinet_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    char path[PLAIN_PATH_BYTES + 64];
    *out = NULL;
    store *s = plain_open(config, sizeof *s, "store.kct", message);
    if (!s)
        return STORE_FAILED;
    s->sync = config->sync;
    s->db = kcdbnew();
    snprintf(path, sizeof path, "%s#pccap=%llu", s->plain.path, (unsigned long long)cache_bytes_of(config));
    if (kcdbopen(s->db, path, KCOWRITER | KCOTRYLOCK | (config->create ? KCOCREATE : 0u))) {
        *out = s;
        return STORE_OK;
    }
    const store_result result = failure(s->db, message);
    kcdbdel(s->db);
    plain_free(s);
    return result;
}

static store_result kyotocabinet_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    store_result result = kcdbsync(s->db, 1, NULL, NULL) ? STORE_OK : failure(s->db, message);
    if (!kcdbclose(s->db) && result == STORE_OK)
        result = failure(s->db, message);
    kcdbdel(s->db);
    plain_free(s);
    return result;
}

static bool operation_do(KCDB *db, const store_operation *o)
{
    if (o->value.data)
        return kcdbset(db, o->key.data, o->key.bytes, o->value.data, o->value.bytes);
    return kcdbremove(db, o->key.data, o->key.bytes) || kcdbecode(db) == KCENOREC;
}

static store_result kyotocabinet_write(store_session *session, const store_operation *operations, size_t count,
                                       bool sync)
{
    KCDB *db = session->s->db;
    store_result result = STORE_OK;
    plain_lock(session, true);
    bool good = kcdbbegintran(db, sync && session->s->sync);
    if (good) {
        for (size_t i = 0; i < count && good; i++)
            good = operation_do(db, &operations[i]);
        if (!good)
            result = failure(db, session->text);
        if (!kcdbendtran(db, good) && good)
            result = failure(db, session->text);
    } else {
        result = failure(db, session->text);
    }
    plain_unlock(session);
    return result == STORE_NOT_FOUND ? STORE_FAILED : result;
}

static store_result kyotocabinet_get(store_session *session, store_slice key, void *buffer, size_t capacity,
                                     size_t *bytes)
{
    store_slice value = { NULL, 0 };
    plain_lock(session, false);
    char *data = kcdbget(session->s->db, key.data, key.bytes, &value.bytes);
    const store_result result = data ? STORE_OK : failure(session->s->db, session->text);
    plain_unlock(session);
    if (data) {
        value.data = data;
        value_copy(value, buffer, capacity, bytes);
        kcfree(data);
    }
    return result;
}

static bool cursor_start(KCCUR *cursor, const store_range *range)
{
    if (!range->from.data)
        return range->reverse ? kccurjumpback(cursor) : kccurjump(cursor);
    return range->reverse ? kccurjumpbackkey(cursor, range->from.data, range->from.bytes)
                          : kccurjumpkey(cursor, range->from.data, range->from.bytes);
}

static store_result kyotocabinet_scan(store_session *session, const store_range *range, store_visit visit,
                                      void *context)
{
    KCDB *db = session->s->db;
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    bool more = true;
    plain_lock(session, false);
    KCCUR *cursor = kcdbcursor(db);
    bool good = cursor_start(cursor, range);
    while (good && more) {
        store_slice key, value;
        const char *data;
        char *pair = kccurget(cursor, &key.bytes, &data, &value.bytes, 0);
        good = pair != NULL;
        if (!good)
            break;
        key.data = pair;
        value.data = data;
        more = range_holds(range, key) && visit(context, key, value) && --left;
        kcfree(pair);
        if (more)
            good = range->reverse ? kccurstepback(cursor) : kccurstep(cursor);
    }
    const store_result result = good ? STORE_OK : failure(db, session->text);
    kccurdel(cursor);
    plain_unlock(session);
    return result == STORE_NOT_FOUND ? STORE_OK : result;
}

/* Its C interface cannot defragment: the room of what was deleted is used again, not given back. */
static store_result kyotocabinet_compact(store_session *session)
{
    plain_lock(session, true);
    const store_result result = kcdbsync(session->s->db, 1, NULL, NULL) ? STORE_OK
                                                                       : failure(session->s->db, session->text);
    plain_unlock(session);
    return result;
}

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "kyotocabinet",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_WRITE_CONCURRENTLY,
    .version = kyotocabinet_version_text,
    .configuration = kyotocabinet_configuration,
    .strictest = "none exists: KCOAUTOTRAN and KCOAUTOSYNC do for a single update what the hard transaction does for a "
                 "batch here, and no option gives records a checksum",
    .not_promised = "it has no checksums of records",
    .open = kyotocabinet_open,
    .close = kyotocabinet_close,
    .session_open = plain_session_open,
    .session_close = plain_session_close,
    .message = plain_message,
    .write = kyotocabinet_write,
    .get = kyotocabinet_get,
    .scan = kyotocabinet_scan,
    .compact = kyotocabinet_compact,
};
