/*
 * adapter_bdb.c - Berkeley DB 5.3 behind store.h: a B-tree in a transactional environment.
 *
 * Configuration: the Transactional Data Store as its guide sets it up: log, transactions, locks and cache in one
 * environment of this process (DB_PRIVATE), DB_RECOVER at open; a batch is a transaction, committed with DB_TXN_SYNC
 * or DB_TXN_WRITE_NOSYNC.  DB_CHKSUM, so that each page has a checksum; option checksum=0 is without, which is its
 * default.  Log records always have one.  A checkpoint after each `checkpoint_bytes` of log (default 1 MiB; the
 * guide leaves it to the user), and the log files that are no longer needed go (DB_LOG_AUTO_REMOVE).
 *
 * Writers have a lock of ours to themselves, so that no transaction meets another and none has to be tried again.
 */
#include "adapter_plain.h"

#include <db.h>

struct store {
    plain_store plain;
    DB_ENV *env;
    DB *db;
    bool sync;
    uint64_t checkpoint_bytes;
    pthread_mutex_t mutex; /* over text */
    char text[STORE_MESSAGE_BYTES]; /* the newest message of the library */
};

static const uint64_t CACHE_BYTES_DEFAULT = 8u << 20, CHECKPOINT_BYTES_DEFAULT = 1u << 20;
static const uint64_t LOG_FILE_BYTES_DEFAULT = 10u << 20; /* its own */

static uint64_t cache_bytes_of(const store_config *config)
{
    return config->cache_bytes ? config->cache_bytes : CACHE_BYTES_DEFAULT;
}

static bool checksum_of(const store_config *config)
{
    return option_value(config, "checksum", 1) != 0;
}

static const char *bdb_version_text(void)
{
    return DB_VERSION_STRING + strlen("Berkeley DB ");
}

static void bdb_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES,
             "durability: %s; checksums: of log records, %s; B-tree, DB_INIT_TXN | DB_INIT_LOG | DB_RECOVER, cache "
             "%llu KiB, log files of %llu KiB, checkpoint after %llu KiB of log",
             config->sync ? "DB_TXN_SYNC (log synced at each commit)" : "DB_TXN_WRITE_NOSYNC",
             checksum_of(config) ? "and of each page (DB_CHKSUM)" : "none of pages (its default)",
             (unsigned long long)(cache_bytes_of(config) >> 10),
             (unsigned long long)(option_value(config, "log_file_bytes", LOG_FILE_BYTES_DEFAULT) >> 10),
             (unsigned long long)(option_value(config, "checkpoint_bytes", CHECKPOINT_BYTES_DEFAULT) >> 10));
}

/* ---- messages ---- */

static void on_error(const DB_ENV *env, const char *prefix, const char *message)
{
    store *s = env->app_private;
    (void)prefix;
    pthread_mutex_lock(&s->mutex);
    snprintf(s->text, sizeof s->text, "%s", message);
    pthread_mutex_unlock(&s->mutex);
}

/* Its codes do not always tell damage from other failures, its messages do. */
static bool tells_of_damage(const char *message)
{
    static const char *const marks[] = { "checksum", "corrupt", "unexpected file type or format", "illegal page type",
                                         "magic number", "file format", "log sequence error" };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strstr(message, marks[i]))
            return true;
    return false;
}

static store_result result_of(store *s, int code, char message[STORE_MESSAGE_BYTES])
{
    if (code == 0)
        return STORE_OK;
    if (code == DB_NOTFOUND)
        return STORE_NOT_FOUND;
    pthread_mutex_lock(&s->mutex);
    snprintf(message, STORE_MESSAGE_BYTES, "%.100s%s%.380s", db_strerror(code), s->text[0] ? ": " : "", s->text);
    const bool damaged = code == DB_RUNRECOVERY || code == DB_VERIFY_BAD || code == DB_PAGE_NOTFOUND ||
                         tells_of_damage(s->text);
    pthread_mutex_unlock(&s->mutex);
    return damaged ? STORE_DAMAGED : STORE_FAILED;
}

static store_result session_result(store_session *session, int code)
{
    return result_of(session->s, code, session->text);
}

/* ---- open and close ---- */

static int environment_open(store *s, const store_config *config)
{
    const u_int32_t flags = DB_CREATE | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_LOCK | DB_INIT_MPOOL | DB_PRIVATE |
                            DB_THREAD | DB_RECOVER;
    int code = db_env_create(&s->env, 0);
    if (code)
        return code;
    s->env->app_private = s;
    s->env->set_errcall(s->env, on_error);
    code = s->env->set_cachesize(s->env, (u_int32_t)(cache_bytes_of(config) >> 30),
                                 (u_int32_t)(cache_bytes_of(config) & ((1u << 30) - 1)), 1);
    if (!code)
        code = s->env->set_lg_max(s->env, (u_int32_t)option_value(config, "log_file_bytes", LOG_FILE_BYTES_DEFAULT));
    /* the memory of the log must be smaller than its files */
    if (!code && option_value(config, "log_file_bytes", LOG_FILE_BYTES_DEFAULT) < (1u << 20))
        code = s->env->set_lg_bsize(s->env, 64u << 10);
    /* a batch locks each page that it touches */
    if (!code)
        code = s->env->set_lk_max_locks(s->env, 20000);
    if (!code)
        code = s->env->set_lk_max_objects(s->env, 20000);
    if (!code)
        code = s->env->log_set_config(s->env, DB_LOG_AUTO_REMOVE, 1);
    if (!code && !config->sync)
        code = s->env->set_flags(s->env, DB_TXN_WRITE_NOSYNC, 1);
    return code ? code : s->env->open(s->env, config->path, flags, 0666);
}

static int database_open(store *s, const store_config *config)
{
    int code = db_create(&s->db, s->env, 0);
    if (!code && checksum_of(config))
        code = s->db->set_flags(s->db, DB_CHKSUM);
    return code ? code : s->db->open(s->db, NULL, "store.bdb", NULL, DB_BTREE,
                                     DB_AUTO_COMMIT | DB_THREAD | (config->create ? DB_CREATE : 0u), 0666);
}

static store_result bdb_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    *out = NULL;
    store *s = plain_open(config, sizeof *s, "store.bdb", message);
    if (!s)
        return STORE_FAILED;
    pthread_mutex_init(&s->mutex, NULL);
    s->sync = config->sync;
    s->checkpoint_bytes = option_value(config, "checkpoint_bytes", CHECKPOINT_BYTES_DEFAULT);
    int code = environment_open(s, config);
    if (!code)
        code = database_open(s, config);
    if (!code) {
        *out = s;
        return STORE_OK;
    }
    const store_result result = result_of(s, code, message);
    if (s->db)
        s->db->close(s->db, DB_NOSYNC);
    if (s->env)
        s->env->close(s->env, 0);
    pthread_mutex_destroy(&s->mutex);
    plain_free(s);
    return result == STORE_NOT_FOUND ? STORE_FAILED : result;
}

static store_result bdb_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    int code = s->env->log_flush(s->env, NULL);
    if (!code)
        code = s->env->txn_checkpoint(s->env, 0, 0, DB_FORCE);
    store_result result = result_of(s, code, message);
    code = s->db->close(s->db, 0);
    if (code && result == STORE_OK)
        result = result_of(s, code, message);
    code = s->env->close(s->env, 0);
    if (code && result == STORE_OK) {
        snprintf(message, STORE_MESSAGE_BYTES, "%s", db_strerror(code));
        result = STORE_FAILED;
    }
    pthread_mutex_destroy(&s->mutex);
    plain_free(s);
    return result;
}

/* ---- writing ---- */

static DBT dbt_of(store_slice slice)
{
    return (DBT){ .data = (void *)(uintptr_t)slice.data, .size = (u_int32_t)slice.bytes }; /* it does not write there */
}

static int operation_do(store_session *session, DB_TXN *txn, const store_operation *o)
{
    DB *db = session->s->db;
    DBT key = dbt_of(o->key), value = dbt_of(o->value);
    if (o->value.data)
        return db->put(db, txn, &key, &value, 0);
    const int code = db->del(db, txn, &key, 0);
    return code == DB_NOTFOUND ? 0 : code;
}

static store_result bdb_write(store_session *session, const store_operation *operations, size_t count, bool sync)
{
    DB_ENV *env = session->s->env;
    DB_TXN *txn;
    plain_lock(session, true);
    int code = env->txn_begin(env, NULL, &txn, 0);
    if (!code) {
        for (size_t i = 0; i < count && !code; i++)
            code = operation_do(session, txn, &operations[i]);
        if (code)
            txn->abort(txn);
        else
            code = txn->commit(txn, sync && session->s->sync ? DB_TXN_SYNC : DB_TXN_WRITE_NOSYNC);
    }
    /* A checkpoint that fails is not the batch's failure: the next one tries again. */
    if (!code)
        (void)env->txn_checkpoint(env, (u_int32_t)(session->s->checkpoint_bytes >> 10), 0, 0);
    const store_result result = session_result(session, code);
    plain_unlock(session);
    return result == STORE_NOT_FOUND ? STORE_FAILED : result;
}

/* ---- reading ---- */

static store_slice slice_of(const DBT *item)
{
    return (store_slice){ item->data ? item->data : "", item->size };
}

static store_result bdb_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    DB *db = session->s->db;
    DBT k = dbt_of(key), value = { .flags = DB_DBT_MALLOC };
    plain_lock(session, false);
    const int code = db->get(db, NULL, &k, &value, 0);
    const store_result result = session_result(session, code);
    plain_unlock(session);
    if (!code)
        value_copy(slice_of(&value), buffer, capacity, bytes);
    free(value.data);
    return result;
}

/* Puts the cursor where the range begins. */
static int cursor_start(DBC *c, const store_range *range, DBT *key, DBT *value)
{
    if (!range->from.data)
        return c->get(c, key, value, range->reverse ? DB_LAST : DB_FIRST);
    /* the library gives its own memory for the key back: what was given in is the caller's */
    key->data = malloc(range->from.bytes + 1);
    if (!key->data)
        return ENOMEM;
    memcpy(key->data, range->from.data, range->from.bytes);
    key->size = (u_int32_t)range->from.bytes;
    const int code = c->get(c, key, value, DB_SET_RANGE);
    if (!range->reverse)
        return code;
    if (code == DB_NOTFOUND)
        return c->get(c, key, value, DB_LAST);
    if (!code && slice_compare(slice_of(key), range->from) != 0)
        return c->get(c, key, value, DB_PREV);
    return code;
}

static store_result bdb_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    DB *db = session->s->db;
    DBC *c = NULL;
    DBT key = { .flags = DB_DBT_REALLOC }, value = { .flags = DB_DBT_REALLOC };
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    plain_lock(session, false);
    int code = db->cursor(db, NULL, &c, 0);
    if (!code)
        code = cursor_start(c, range, &key, &value);
    while (!code && range_holds(range, slice_of(&key))) {
        if (!visit(context, slice_of(&key), slice_of(&value)) || !--left)
            break;
        code = c->get(c, &key, &value, range->reverse ? DB_PREV : DB_NEXT);
    }
    const store_result result = session_result(session, code);
    if (c)
        c->close(c);
    free(key.data);
    free(value.data);
    plain_unlock(session);
    return result == STORE_NOT_FOUND ? STORE_OK : result;
}

/* ---- upkeep ---- */

/* DB->verify() wants a handle of its own, and a file that says what the cache does. */
static store_result bdb_check(store_session *session)
{
    store *s = session->s;
    DB *db;
    plain_lock(session, true);
    int code = s->env->memp_sync(s->env, NULL);
    if (!code)
        code = db_create(&db, s->env, 0);
    if (!code)
        code = db->verify(db, "store.bdb", NULL, NULL, 0); /* takes the handle */
    const store_result result = session_result(session, code);
    plain_unlock(session);
    return result == STORE_NOT_FOUND ? STORE_FAILED : result;
}

static store_result bdb_compact(store_session *session)
{
    store *s = session->s;
    plain_lock(session, true);
    int code = s->db->compact(s->db, NULL, NULL, NULL, NULL, DB_FREE_SPACE, NULL);
    if (!code)
        code = s->env->txn_checkpoint(s->env, 0, 0, DB_FORCE);
    const store_result result = session_result(session, code);
    plain_unlock(session);
    return result;
}

static const char *const option_names[] = { "checksum", "log_file_bytes", "checkpoint_bytes", NULL };
static const char *const variants[] = { "checksum=0", NULL };

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "bdb",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_CHECK | STORE_CAN_WRITE_CONCURRENTLY | STORE_CAN_COMPACT,
    .version = bdb_version_text,
    .configuration = bdb_configuration,
    .option_names = option_names,
    .spare_files = "__db.",
    .small_options = "log_file_bytes=262144:checkpoint_bytes=131072",
    .variants = variants,
    .strictest = "the row without an option: DB_CHKSUM is set there; checksum=0 is its own default",
    .not_promised = "pages have no checksums unless asked for (checksum); torn pages are left to backups",
    .open = bdb_open,
    .close = bdb_close,
    .session_open = plain_session_open,
    .session_close = plain_session_close,
    .message = plain_message,
    .write = bdb_write,
    .get = bdb_get,
    .scan = bdb_scan,
    .check = bdb_check,
    .compact = bdb_compact,
};
