/*
 * adapter_tkrzw.c - Tkrzw's tree database (TreeDBM) behind store.h, through its C interface.
 *
 * Configuration: what its documentation recommends for durability: update_mode=UPDATE_APPENDING, so that nothing that
 * was synchronised is overwritten, restore_mode=RESTORE_SYNC, so that opening after a crash goes back to the last
 * synchronised state, and Synchronize(hard) after each synced batch.  TreeDBM has no transactions: a batch is one
 * state of ours under a lock, and atomic after a crash because the state goes back to a synchronisation; one that
 * fails half-way stays half-done.  Option record_crc=1: each record with a CRC-32.
 */
#include <tkrzw_langc.h>

#include "adapter_keys.h"
#include "adapter_plain.h"

struct store {
    plain_store plain;
    TkrzwDBM *db;
    bool sync;
};

enum { PARAMETERS_BYTES = 256, PAGE_BYTES = 8130 };
static const uint64_t CACHE_PAGES_DEFAULT = 10000; /* its own */

static uint64_t cache_pages_of(const store_config *config)
{
    const uint64_t pages = config->cache_bytes / PAGE_BYTES;
    return !config->cache_bytes ? CACHE_PAGES_DEFAULT : pages < 64 ? 64 : pages;
}

static void parameters_text(const store_config *config, char text[PARAMETERS_BYTES])
{
    snprintf(text, PARAMETERS_BYTES, "dbm=TreeDBM,update_mode=UPDATE_APPENDING,restore_mode=RESTORE_SYNC,"
             "max_cached_pages=%llu,num_buckets=10007,no_wait=true%s%s", (unsigned long long)cache_pages_of(config),
             option_value(config, "record_crc", 0) ? ",record_crc_mode=RECORD_CRC_32" : "",
             config->create ? "" : ",no_create=true");
}

static const char *tkrzw_version_text(void)
{
    return TKRZW_PACKAGE_VERSION;
}

static void tkrzw_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    char parameters[PARAMETERS_BYTES];
    parameters_text(config, parameters);
    snprintf(text, STORE_MESSAGE_BYTES, "durability: %s, restore to the last synchronised state; checksums: %s; %s "
             "(%llu KiB)", config->sync ? "Synchronize(hard) after each batch" : "not synchronised until closed",
             option_value(config, "record_crc", 0) ? "CRC-32 of each record" : "none of records (its default)",
             parameters, (unsigned long long)(config->cache_bytes >> 10));
}

static store_result failure(char message[STORE_MESSAGE_BYTES])
{
    const TkrzwStatus status = tkrzw_get_last_status();
    if (status.code == TKRZW_STATUS_NOT_FOUND_ERROR)
        return STORE_NOT_FOUND;
    snprintf(message, STORE_MESSAGE_BYTES, "%s: %.400s", tkrzw_status_code_name(status.code), status.message);
    return status.code == TKRZW_STATUS_BROKEN_DATA_ERROR ? STORE_DAMAGED : STORE_FAILED;
}

static store_result tkrzw_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    char parameters[PARAMETERS_BYTES];
    *out = NULL;
    store *s = plain_open(config, sizeof *s, "store.tkt", message);
    if (!s)
        return STORE_FAILED;
    s->sync = config->sync;
    parameters_text(config, parameters);
    s->db = tkrzw_dbm_open(s->plain.path, true, parameters);
    store_result result = s->db ? STORE_OK : failure(message);
    /* it opens a file that it cannot trust, and says so when asked */
    if (s->db && !tkrzw_dbm_is_healthy(s->db)) {
        snprintf(message, STORE_MESSAGE_BYTES, "IsHealthy() says no");
        tkrzw_dbm_close(s->db);
        result = STORE_DAMAGED;
    }
    if (result == STORE_OK)
        *out = s;
    else
        plain_free(s);
    return result == STORE_NOT_FOUND ? STORE_FAILED : result;
}

static store_result tkrzw_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    store_result result = tkrzw_dbm_synchronize(s->db, true, NULL, NULL, "") ? STORE_OK : failure(message);
    if (!tkrzw_dbm_close(s->db) && result == STORE_OK)
        result = failure(message);
    plain_free(s);
    return result;
}

static bool operation_do(TkrzwDBM *db, const store_operation *o)
{
    if (o->value.data)
        return tkrzw_dbm_set(db, o->key.data, (int32_t)o->key.bytes, o->value.data, (int32_t)o->value.bytes, true);
    return tkrzw_dbm_remove(db, o->key.data, (int32_t)o->key.bytes) ||
           tkrzw_get_last_status_code() == TKRZW_STATUS_NOT_FOUND_ERROR;
}

static store_result tkrzw_write(store_session *session, const store_operation *operations, size_t count, bool sync)
{
    TkrzwDBM *db = session->s->db;
    bool good = true;
    plain_lock(session, true);
    for (size_t i = 0; i < count && good; i++)
        good = operation_do(db, &operations[i]);
    if (good && sync && session->s->sync)
        good = tkrzw_dbm_synchronize(db, true, NULL, NULL, "");
    const store_result result = good ? STORE_OK : failure(session->text);
    plain_unlock(session);
    return result == STORE_NOT_FOUND ? STORE_FAILED : result;
}

static store_result tkrzw_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    int32_t value_bytes = 0;
    plain_lock(session, false);
    char *value = tkrzw_dbm_get(session->s->db, key.data, (int32_t)key.bytes, &value_bytes);
    const store_result result = value ? STORE_OK : failure(session->text);
    plain_unlock(session);
    if (value)
        value_copy((store_slice){ value, (size_t)value_bytes }, buffer, capacity, bytes);
    free(value);
    return result;
}

/*
 * Last() and JumpLower() of 1.0.25 end in the first page once a store of several was closed and opened: of 400 records
 * Previous() then finds 19, while Get(), First() and Next() find all.  So a way back is one there, kept and turned.
 */
static store_result scan_back(store_session *session, const store_range *range, store_visit visit, void *context)
{
    TkrzwDBM *db = session->s->db;
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    key_list list = { NULL, 0, 0 };
    char *key, *value;
    int32_t bytes;
    bool full = false;
    TkrzwDBMIter *it = tkrzw_dbm_make_iterator(db);
    bool good = range->to.data ? tkrzw_dbm_iter_jump(it, range->to.data, (int32_t)range->to.bytes)
                               : tkrzw_dbm_iter_first(it);
    while (good && !full && (key = tkrzw_dbm_iter_get_key(it, &bytes)) != NULL) {
        const store_slice k = { key, (size_t)bytes };
        if (range->from.data && slice_compare(k, range->from) > 0) {
            free(key);
            break;
        }
        if (!range_holds(range, k))
            free(key); /* `to` itself */
        else if (!key_list_add(&list, key, (size_t)bytes))
            full = true;
        good = tkrzw_dbm_iter_next(it);
    }
    store_result result = tkrzw_get_last_status_code() == TKRZW_STATUS_SUCCESS ? STORE_OK : failure(session->text);
    tkrzw_dbm_iter_free(it);
    result = result == STORE_NOT_FOUND ? STORE_OK : result;
    if (full) {
        snprintf(session->text, sizeof session->text, "out of memory");
        result = STORE_FAILED;
    }
    for (size_t i = list.count; i && left && result == STORE_OK; i--, left--) {
        const store_slice k = list.keys[i - 1];
        value = tkrzw_dbm_get(db, k.data, (int32_t)k.bytes, &bytes);
        if (!value) {
            result = failure(session->text);
            if (result == STORE_NOT_FOUND) {
                snprintf(session->text, sizeof session->text, "a key that an iterator gives cannot be got");
                result = STORE_DAMAGED;
            }
            break;
        }
        const bool more = visit(context, k, (store_slice){ value, (size_t)bytes });
        free(value);
        if (!more)
            break;
    }
    key_list_free(&list);
    return result;
}

static store_result scan_on(store_session *session, const store_range *range, store_visit visit, void *context)
{
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    bool more = true;
    TkrzwDBMIter *it = tkrzw_dbm_make_iterator(session->s->db);
    bool good = range->from.data ? tkrzw_dbm_iter_jump(it, range->from.data, (int32_t)range->from.bytes)
                                 : tkrzw_dbm_iter_first(it);
    while (good && more) {
        char *key, *value;
        int32_t key_bytes, value_bytes;
        good = tkrzw_dbm_iter_get(it, &key, &key_bytes, &value, &value_bytes);
        if (!good)
            break;
        const store_slice k = { key, (size_t)key_bytes };
        more = range_holds(range, k) && visit(context, k, (store_slice){ value, (size_t)value_bytes }) && --left;
        free(key);
        free(value);
        good = !more || tkrzw_dbm_iter_next(it);
    }
    const store_result result = good ? STORE_OK : failure(session->text);
    tkrzw_dbm_iter_free(it);
    return result == STORE_NOT_FOUND ? STORE_OK : result;
}

static store_result tkrzw_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    plain_lock(session, false);
    const store_result result = range->reverse ? scan_back(session, range, visit, context)
                                               : scan_on(session, range, visit, context);
    plain_unlock(session);
    return result;
}

static store_result tkrzw_compact(store_session *session)
{
    plain_lock(session, true);
    const bool good = tkrzw_dbm_rebuild(session->s->db, "") &&
                      tkrzw_dbm_synchronize(session->s->db, true, NULL, NULL, "");
    const store_result result = good ? STORE_OK : failure(session->text);
    plain_unlock(session);
    return result;
}

static const char *const option_names[] = { "record_crc", NULL };
static const char *const variants[] = { "record_crc=1", NULL };

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "tkrzw",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_WRITE_CONCURRENTLY | STORE_CAN_COMPACT,
    .version = tkrzw_version_text,
    .configuration = tkrzw_configuration,
    .option_names = option_names,
    .variants = variants,
    .strictest = "record_crc=1: each record with a CRC-32",
    .not_promised = "it has no checksums of records unless asked for (record_crc)",
    .open = tkrzw_open,
    .close = tkrzw_close,
    .session_open = plain_session_open,
    .session_close = plain_session_close,
    .message = plain_message,
    .write = tkrzw_write,
    .get = tkrzw_get,
    .scan = tkrzw_scan,
    .compact = tkrzw_compact,
};
