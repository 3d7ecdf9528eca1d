/*
 * adapter_gdbm.c - GNU dbm behind store.h.
 *
 * Configuration: GDBM_XVERIFY (its additional consistency checks), no memory map, gdbm_sync() after each synced batch.
 * It is a hash table: a scan collects the keys, sorts them, and looks each up.  It has no transactions, so a batch
 * may be half there after a crash, and so may a single write: its crash tolerance (gdbm_failure_atomic()) needs
 * reflink copies, which few file systems make.
 */
#include "adapter_keys.h"
#include "adapter_plain.h"

#include <fcntl.h>
#include <gdbm.h>

struct store {
    plain_store plain;
    GDBM_FILE db;
    bool sync;
};

static const char *gdbm_version_text(void)
{
    return gdbm_version + strlen("GDBM version ");
}

static void gdbm_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES, "durability: %s, no crash tolerance (it needs reflink copies); checksums: "
             "none, but GDBM_XVERIFY checks structures; GDBM_NOMMAP, a scan sorts all keys, cache of %llu KiB (0: its "
             "own choice)",
             config->sync ? "gdbm_sync() after each batch" : "not synced until closed",
             (unsigned long long)(config->cache_bytes >> 10));
}

static store_result result_of(int code)
{
    switch (code) {
    case GDBM_NO_ERROR: return STORE_OK;
    case GDBM_ITEM_NOT_FOUND: return STORE_NOT_FOUND;
    case GDBM_BAD_MAGIC_NUMBER:
    case GDBM_EMPTY_DATABASE:
    case GDBM_FILE_EOF:
    case GDBM_BAD_FILE_OFFSET:
    case GDBM_NEED_RECOVERY:
    case GDBM_BAD_HEADER:
    case GDBM_BAD_AVAIL:
    case GDBM_BAD_HASH_TABLE:
    case GDBM_BAD_DIR_ENTRY:
    case GDBM_BAD_BUCKET:
    case GDBM_BLOCK_SIZE_ERROR:
    case GDBM_BYTE_SWAPPED: return STORE_DAMAGED;
    default: return STORE_FAILED;
    }
}

static store_result failure(int code, char message[STORE_MESSAGE_BYTES])
{
    const store_result result = result_of(code);
    if (result != STORE_OK && result != STORE_NOT_FOUND)
        snprintf(message, STORE_MESSAGE_BYTES, "%s", gdbm_strerror(code));
    return result;
}

static void on_fatal(const char *message)
{
    (void)message; /* since 1.13 it is not called any more for errors that have a code */
}

static store_result gdbm_adapter_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    *out = NULL;
    store *s = plain_open(config, sizeof *s, "store.gdbm", message);
    if (!s)
        return STORE_FAILED;
    s->sync = config->sync;
    s->db = gdbm_open(s->plain.path, 0, (config->create ? GDBM_WRCREAT : GDBM_WRITER) | GDBM_XVERIFY | GDBM_NOMMAP,
                      0666, on_fatal);
    if (s->db && config->cache_bytes) {
        size_t bucket_bytes = 4096, buckets;
        gdbm_setopt(s->db, GDBM_GETBUCKETSIZE, &bucket_bytes, sizeof bucket_bytes);
        buckets = config->cache_bytes / (bucket_bytes ? bucket_bytes : 4096);
        buckets = buckets < 16 ? 16 : buckets > 65536 ? 65536 : buckets;
        (void)gdbm_setopt(s->db, GDBM_SETCACHESIZE, &buckets, sizeof buckets); /* a wish */
    }
    if (s->db) {
        *out = s;
        return STORE_OK;
    }
    const store_result result = failure(gdbm_errno, message);
    plain_free(s);
    return result == STORE_NOT_FOUND ? STORE_FAILED : result;
}

static store_result gdbm_adapter_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    int code = gdbm_sync(s->db) ? gdbm_last_errno(s->db) : 0;
    if (gdbm_close(s->db) && !code)
        code = gdbm_errno;
    plain_free(s);
    return failure(code, message);
}

static datum datum_of(store_slice slice)
{
    return (datum){ (char *)(uintptr_t)slice.data, (int)slice.bytes }; /* it does not write there */
}

static bool operation_do(GDBM_FILE db, const store_operation *o)
{
    if (o->value.data)
        return gdbm_store(db, datum_of(o->key), datum_of(o->value), GDBM_REPLACE) == 0;
    return gdbm_delete(db, datum_of(o->key)) == 0 || gdbm_last_errno(db) == GDBM_ITEM_NOT_FOUND;
}

static store_result gdbm_write(store_session *session, const store_operation *operations, size_t count, bool sync)
{
    GDBM_FILE db = session->s->db;
    bool good = true;
    plain_lock(session, true);
    for (size_t i = 0; i < count && good; i++)
        good = operation_do(db, &operations[i]);
    if (good && sync && session->s->sync)
        good = gdbm_sync(db) == 0;
    const store_result result = good ? STORE_OK : failure(gdbm_last_errno(db), session->text);
    plain_unlock(session);
    return !good && (result == STORE_NOT_FOUND || result == STORE_OK) ? STORE_FAILED : result;
}

static store_result gdbm_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    plain_lock(session, true); /* its cache of buckets is not for two threads */
    const datum value = gdbm_fetch(session->s->db, datum_of(key));
    const store_result result = value.dptr ? STORE_OK : failure(gdbm_last_errno(session->s->db), session->text);
    plain_unlock(session);
    if (value.dptr)
        value_copy((store_slice){ value.dptr, (size_t)value.dsize }, buffer, capacity, bytes);
    free(value.dptr);
    return !value.dptr && result == STORE_OK ? STORE_NOT_FOUND : result;
}

/* ---- scans ---- */

static int ascending(const void *a, const void *b)
{
    return slice_compare(*(const store_slice *)a, *(const store_slice *)b);
}

static bool begins(const store_range *range, store_slice key)
{
    const int c = range->from.data ? slice_compare(key, range->from) : 0;
    return range->reverse ? c <= 0 : c >= 0;
}

/* More keys than it counts itself: damage has made a circle. */
static bool too_many(GDBM_FILE db, size_t count)
{
    gdbm_count_t all = 0;
    return count % 65536 == 65535 && (gdbm_count(db, &all) != 0 || count > 2 * all + 65536);
}

static store_result keys_collect(store_session *session, key_list *list)
{
    GDBM_FILE db = session->s->db;
    datum key = gdbm_firstkey(db);
    while (key.dptr) {
        if (!key_list_add(list, key.dptr, (size_t)key.dsize)) {
            snprintf(session->text, sizeof session->text, "out of memory");
            return STORE_FAILED;
        }
        if (too_many(db, list->count)) {
            snprintf(session->text, sizeof session->text, "gdbm_nextkey() finds no end");
            return STORE_DAMAGED;
        }
        key = gdbm_nextkey(db, key);
    }
    const store_result result = failure(gdbm_last_errno(db), session->text);
    return result == STORE_NOT_FOUND ? STORE_OK : result;
}

static store_result pairs_visit(store_session *session, const key_list *list, const store_range *range,
                                store_visit visit, void *context)
{
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    for (size_t i = 0; i < list->count && left; i++) {
        const store_slice key = list->keys[range->reverse ? list->count - 1 - i : i];
        if (!begins(range, key))
            continue;
        if (!range_holds(range, key))
            break;
        const datum value = gdbm_fetch(session->s->db, datum_of(key));
        if (!value.dptr) {
            const store_result result = failure(gdbm_last_errno(session->s->db), session->text);
            if (result != STORE_OK && result != STORE_NOT_FOUND)
                return result;
            snprintf(session->text, sizeof session->text, "a key that gdbm_nextkey() gives cannot be fetched");
            return STORE_DAMAGED;
        }
        const bool more = visit(context, key, (store_slice){ value.dptr, (size_t)value.dsize });
        free(value.dptr);
        if (!more)
            break;
        left--;
    }
    return STORE_OK;
}

static store_result gdbm_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    key_list list = { NULL, 0, 0 };
    plain_lock(session, true);
    store_result result = keys_collect(session, &list);
    if (result == STORE_OK && list.count) {
        qsort(list.keys, list.count, sizeof *list.keys, ascending);
        result = pairs_visit(session, &list, range, visit, context);
    }
    plain_unlock(session);
    key_list_free(&list);
    return result;
}

static store_result gdbm_compact(store_session *session)
{
    plain_lock(session, true);
    const bool good = gdbm_reorganize(session->s->db) == 0 && gdbm_sync(session->s->db) == 0;
    const store_result result = good ? STORE_OK : failure(gdbm_last_errno(session->s->db), session->text);
    plain_unlock(session);
    return !good && result == STORE_OK ? STORE_FAILED : result;
}

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "gdbm",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_WRITE_CONCURRENTLY | STORE_CAN_COMPACT | STORE_HAS_NO_BATCH,
    .version = gdbm_version_text,
    .configuration = gdbm_configuration,
    .strictest = "none exists: GDBM_XVERIFY is set already, and gdbm_failure_atomic() needs a file system with reflink "
                 "copies",
    .not_promised = "it has no checksums and no transactions; a crash may damage it, unless its file system "
                    "makes reflink copies",
    .open = gdbm_adapter_open,
    .close = gdbm_adapter_close,
    .session_open = plain_session_open,
    .session_close = plain_session_close,
    .message = plain_message,
    .write = gdbm_write,
    .get = gdbm_get,
    .scan = gdbm_scan,
    .compact = gdbm_compact,
};
