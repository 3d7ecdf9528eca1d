/*
 * adapter_lmdb.c - LMDB behind store.h.
 *
 * Configuration: the default, which is its recommended durable one (mdb_txn_commit syncs); without sync MDB_NOSYNC.
 * MDB_NOTLS, a read transaction per session, reset after use and renewed for the next read, as its documentation
 * advises. The cache is the page cache of the kernel, so cache_bytes is not used; keys are limited to 511 bytes.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "adapters.h"

struct store {
    MDB_env *env;
    MDB_dbi dbi;
};

struct store_session {
    store *s;
    MDB_txn *reader;
    MDB_cursor *cursor;
    char text[STORE_MESSAGE_BYTES];
};

static uint64_t map_bytes_of(const store_config *config)
{
    return config->map_bytes ? config->map_bytes : (uint64_t)16 << 30;
}

static const char *lmdb_version_text(void)
{
    return MDB_VERSION_STRING;
}

static void lmdb_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES,
             "durability: %s; checksums: none, it has no option for them; MDB_NOTLS, map of %llu MiB, read transaction "
             "renewed for each read, its cache is the kernel's",
             config->sync ? "mdb_txn_commit() syncs data, then the meta page (its default)"
                          : "MDB_NOSYNC (a crash of the machine may damage the store)",
             (unsigned long long)(map_bytes_of(config) >> 20));
}

static store_result result_of(int code)
{
    switch (code) {
    case MDB_SUCCESS: return STORE_OK;
    case MDB_NOTFOUND: return STORE_NOT_FOUND;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_PANIC: return STORE_DAMAGED;
    default: return STORE_FAILED;
    }
}

static store_result session_result(store_session *session, int code)
{
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND)
        snprintf(session->text, sizeof session->text, "%s", mdb_strerror(code));
    return result_of(code);
}

static store_result lmdb_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    MDB_txn *txn = NULL;
    int code = ENOMEM;
    store *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        goto failed;
    if (config->create && mkdir(config->path, 0777) != 0 && errno != EEXIST) {
        code = errno;
        goto failed;
    }
    code = mdb_env_create(&s->env);
    if (!code)
        code = mdb_env_set_mapsize(s->env, map_bytes_of(config));
    if (!code)
        code = mdb_env_open(s->env, config->path, MDB_NOTLS | (config->sync ? 0 : MDB_NOSYNC), 0666);
    if (!code)
        code = mdb_txn_begin(s->env, NULL, 0, &txn);
    if (!code)
        code = mdb_dbi_open(txn, NULL, 0, &s->dbi);
    if (!code) {
        code = mdb_txn_commit(txn);
        txn = NULL;
    }
    if (!code) {
        *out = s;
        return STORE_OK;
    }
failed:
    snprintf(message, STORE_MESSAGE_BYTES, "%s", mdb_strerror(code));
    if (txn)
        mdb_txn_abort(txn);
    if (s && s->env)
        mdb_env_close(s->env);
    free(s);
    return result_of(code);
}

static store_result lmdb_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    int code = mdb_env_sync(s->env, 1);
    if (code)
        snprintf(message, STORE_MESSAGE_BYTES, "%s", mdb_strerror(code));
    mdb_env_close(s->env);
    free(s);
    return result_of(code);
}

static store_result lmdb_session_open(store *s, store_session **session)
{
    *session = calloc(1, sizeof **session);
    if (!*session)
        return STORE_FAILED;
    (*session)->s = s;
    return STORE_OK;
}

static void lmdb_session_close(store_session *session)
{
    if (session->cursor)
        mdb_cursor_close(session->cursor);
    if (session->reader)
        mdb_txn_abort(session->reader);
    free(session);
}

static const char *lmdb_message(const store_session *session)
{
    return session->text;
}

static int reader_begin(store_session *session)
{
    if (session->reader)
        return mdb_txn_renew(session->reader);
    return mdb_txn_begin(session->s->env, NULL, MDB_RDONLY, &session->reader);
}

static MDB_val value_of(store_slice slice)
{
    return (MDB_val){ slice.bytes, (void *)(uintptr_t)slice.data }; /* LMDB does not write through it */
}

static store_slice slice_of(const MDB_val *value)
{
    return (store_slice){ value->mv_data, value->mv_size };
}

static store_result lmdb_write(store_session *session, const store_operation *operations, size_t count, bool sync)
{
    MDB_txn *txn;
    (void)sync; /* chosen at open */
    int code = mdb_txn_begin(session->s->env, NULL, 0, &txn);
    if (code)
        return session_result(session, code);
    for (size_t i = 0; i < count && !code; i++) {
        MDB_val key = value_of(operations[i].key), value = value_of(operations[i].value);
        if (operations[i].value.data) {
            code = mdb_put(txn, session->s->dbi, &key, &value, 0);
        } else {
            code = mdb_del(txn, session->s->dbi, &key, NULL);
            code = code == MDB_NOTFOUND ? 0 : code;
        }
    }
    if (code)
        mdb_txn_abort(txn);
    else
        code = mdb_txn_commit(txn);
    return session_result(session, code);
}

static store_result lmdb_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    MDB_val k = value_of(key), value;
    int code = reader_begin(session);
    if (code)
        return session_result(session, code);
    code = mdb_get(session->reader, session->s->dbi, &k, &value);
    if (!code)
        value_copy(slice_of(&value), buffer, capacity, bytes);
    mdb_txn_reset(session->reader);
    return session_result(session, code);
}

static int cursor_begin(store_session *session)
{
    if (!session->cursor)
        return mdb_cursor_open(session->reader, session->s->dbi, &session->cursor);
    return mdb_cursor_renew(session->reader, session->cursor);
}

/* Puts the cursor where the range begins. */
static int cursor_start(store_session *session, const store_range *range, MDB_val *key, MDB_val *value)
{
    MDB_cursor *c = session->cursor;
    if (!range->from.data)
        return mdb_cursor_get(c, key, value, range->reverse ? MDB_LAST : MDB_FIRST);
    *key = value_of(range->from);
    int code = mdb_cursor_get(c, key, value, MDB_SET_RANGE);
    if (!range->reverse)
        return code;
    if (code == MDB_NOTFOUND)
        return mdb_cursor_get(c, key, value, MDB_LAST);
    if (!code && slice_compare(slice_of(key), range->from) != 0)
        code = mdb_cursor_get(c, key, value, MDB_PREV);
    return code;
}

static store_result lmdb_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    MDB_val key, value;
    int code = reader_begin(session);
    if (code)
        return session_result(session, code);
    code = cursor_begin(session);
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    if (!code)
        code = cursor_start(session, range, &key, &value);
    while (!code && left-- && range_holds(range, slice_of(&key))) {
        if (!visit(context, slice_of(&key), slice_of(&value)))
            break;
        if (left)
            code = mdb_cursor_get(session->cursor, &key, &value, range->reverse ? MDB_PREV : MDB_NEXT);
    }
    mdb_txn_reset(session->reader);
    return session_result(session, code == MDB_NOTFOUND ? 0 : code);
}

/* LMDB reuses free pages but never gives any back: only a copy of the whole store is smaller. */
static store_result lmdb_compact(store_session *session)
{
    return session_result(session, mdb_env_sync(session->s->env, 1));
}

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "lmdb",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_WRITE_CONCURRENTLY | STORE_IS_TUNED,
    .version = lmdb_version_text,
    .configuration = lmdb_configuration,
    .strictest = "none exists: the default is its strictest. MDB_NOSYNC, MDB_NOMETASYNC, MDB_MAPASYNC and MDB_WRITEMAP "
                 "only loosen it, and this version has no checksums",
    .not_promised = "it has no checksums; its map ends in a signal where its file ends too early",
    .open = lmdb_open,
    .close = lmdb_close,
    .session_open = lmdb_session_open,
    .session_close = lmdb_session_close,
    .message = lmdb_message,
    .write = lmdb_write,
    .get = lmdb_get,
    .scan = lmdb_scan,
    .compact = lmdb_compact,
};
