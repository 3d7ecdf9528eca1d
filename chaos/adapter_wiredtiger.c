/*
 * adapter_wiredtiger.c - WiredTiger behind store.h: one B-tree table, bytes as keys and values.
 *
 * Configuration: the log enabled, commits synced by fsync where asked for ("sync=off" for a single batch that need not
 * be), checkpoints every 60 seconds or 2 GB of log as its largest user has them, no compression, eviction with its
 * default number of threads.  A session and an open cursor for each of ours; the cursor is reset after each read, which
 * gives up its page and its snapshot.  Sessions have snapshot isolation, so that a scan sees one state; a batch that
 * meets a conflict is written again.
 *
 * WiredTiger always has threads (log, eviction); `background` decides about checkpoints alone.
 *
 * Concurrency: a WT_SESSION belongs to one thread.  Messages come through a handler that any thread may call.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <wiredtiger.h>

#include "adapters.h"

struct store {
    WT_EVENT_HANDLER handler; /* first: WiredTiger hands back its address */
    pthread_mutex_t mutex;    /* over text */
    char text[STORE_MESSAGE_BYTES]; /* the newest message of the handler */
    WT_CONNECTION *connection;
    bool sync;
};

struct store_session {
    store *s;
    WT_SESSION *session;
    WT_CURSOR *cursor;
    char text[STORE_MESSAGE_BYTES];
};

#define TABLE "table:kv"
/* Its codes do not tell damage from other failures, its messages do. */
static bool tells_of_damage(const char *message)
{
    static const char *const marks[] = { "checksum", "does not appear to be a", "corrupt" };
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strstr(message, marks[i]))
            return true;
    return false;
}

static const uint64_t CACHE_BYTES_DEFAULT = 100u << 20; /* WiredTiger's own */

static const char *wiredtiger_version_text(void)
{
    static const char text[] = WIREDTIGER_VERSION_STRING; /* "WiredTiger 3.2.1: (date)" */
    return text + strlen("WiredTiger ");
}

static uint64_t cache_bytes_of(const store_config *config)
{
    return config->cache_bytes ? config->cache_bytes : CACHE_BYTES_DEFAULT;
}

enum { LOG_FILE_BYTES_DEFAULT = 100 << 20 }; /* WiredTiger's own */

static void connection_text(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES, "%scache_size=%llu,log=(enabled=true,file_max=%llu),"
             "transaction_sync=(enabled=%s,method=fsync),session_max=1200", config->create ? "create," : "",
             (unsigned long long)cache_bytes_of(config),
             (unsigned long long)option_value(config, "log_file_bytes", LOG_FILE_BYTES_DEFAULT),
             config->sync ? "true" : "false");
    const size_t used = strlen(text);
    if (config->background)
        snprintf(text + used, STORE_MESSAGE_BYTES - used, ",checkpoint=(wait=60,log_size=%llu)",
                 (unsigned long long)option_value(config, "checkpoint_bytes", 2u << 30));
}

static void wiredtiger_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    char connection[STORE_MESSAGE_BYTES];
    connection_text(config, connection);
    snprintf(text, STORE_MESSAGE_BYTES, "durability: %s; checksums: of each page (checksum=uncompressed, its default, "
             "and none is compressed) and log record; %.250s; row-store table, isolation=snapshot, one cursor a "
             "session",
             config->sync ? "log synced by fsync at each commit" : "log in memory, written in the background",
             connection);
}

static int on_error(WT_EVENT_HANDLER *handler, WT_SESSION *session, int code, const char *message)
{
    store *s = (store *)handler;
    (void)session;
    (void)code;
    pthread_mutex_lock(&s->mutex);
    /* the first that tells of damage stays: those after it only tell of giving up */
    if (!tells_of_damage(s->text))
        snprintf(s->text, sizeof s->text, "%s", message);
    pthread_mutex_unlock(&s->mutex);
    return 0;
}

static int on_message(WT_EVENT_HANDLER *handler, WT_SESSION *session, const char *message)
{
    (void)handler;
    (void)session;
    (void)message;
    return 0;
}

/* Turns a code into a result and a text: the code's own, and what the handler was told. */
static store_result result_of(store *s, int code, char message[STORE_MESSAGE_BYTES])
{
    if (code == 0)
        return STORE_OK;
    if (code == WT_NOTFOUND)
        return STORE_NOT_FOUND;
    pthread_mutex_lock(&s->mutex);
    bool damaged = code == WT_TRY_SALVAGE || tells_of_damage(s->text);
    snprintf(message, STORE_MESSAGE_BYTES, "%s%s%.400s", wiredtiger_strerror(code), s->text[0] ? ": " : "", s->text);
    s->text[0] = '\0';
    pthread_mutex_unlock(&s->mutex);
    return damaged ? STORE_DAMAGED : STORE_FAILED;
}

static store_result session_result(store_session *session, int code)
{
    return result_of(session->s, code, session->text);
}

static int table_make(WT_CONNECTION *connection)
{
    WT_SESSION *session;
    int code = connection->open_session(connection, NULL, NULL, &session);
    if (code)
        return code;
    code = session->create(session, TABLE, "key_format=u,value_format=u"); /* no harm where it is there */
    int closed = session->close(session, NULL);
    return code ? code : closed;
}

static store_result wiredtiger_adapter_open(const store_config *config, store **out,
                                            char message[STORE_MESSAGE_BYTES])
{
    char text[STORE_MESSAGE_BYTES];
    store *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s || (config->create && mkdir(config->path, 0777) != 0 && errno != EEXIST)) {
        snprintf(message, STORE_MESSAGE_BYTES, "%s: %s", config->path, strerror(s ? errno : ENOMEM));
        free(s);
        return STORE_FAILED;
    }
    pthread_mutex_init(&s->mutex, NULL);
    s->handler = (WT_EVENT_HANDLER){ .handle_error = on_error, .handle_message = on_message };
    s->sync = config->sync;
    connection_text(config, text);
    int code = wiredtiger_open(config->path, &s->handler, text, &s->connection);
    if (!code && config->create)
        code = table_make(s->connection);
    if (!code) {
        *out = s;
        return STORE_OK;
    }
    if (s->connection)
        s->connection->close(s->connection, NULL);
    store_result result = result_of(s, code, message);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return result;
}

static store_result wiredtiger_adapter_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    store_result result = result_of(s, s->connection->close(s->connection, NULL), message);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return result;
}

static int cursor_open(store_session *n)
{
    return n->session->open_cursor(n->session, TABLE, NULL, NULL, &n->cursor);
}

static store_result wiredtiger_session_open(store *s, store_session **session)
{
    store_session *n = calloc(1, sizeof *n);
    *session = n;
    if (!n)
        return STORE_FAILED;
    n->s = s;
    int code = s->connection->open_session(s->connection, NULL, "isolation=snapshot", &n->session);
    return session_result(n, code ? code : cursor_open(n));
}

static void wiredtiger_session_close(store_session *session)
{
    if (session->session)
        session->session->close(session->session, NULL); /* its cursor too */
    free(session);
}

static const char *wiredtiger_message(const store_session *session)
{
    return session->text;
}

static void key_set(WT_CURSOR *c, store_slice key)
{
    WT_ITEM item = { .data = key.data, .size = key.bytes };
    c->set_key(c, &item);
}

/* Inserts over what is there; a key to remove need not be there. */
static int operation_do(WT_CURSOR *c, const store_operation *o)
{
    key_set(c, o->key);
    if (o->value.data) {
        WT_ITEM value = { .data = o->value.data, .size = o->value.bytes };
        c->set_value(c, &value);
        return c->insert(c);
    }
    int code = c->remove(c);
    return code == WT_NOTFOUND ? 0 : code;
}

static int batch_try(store_session *session, const store_operation *operations, size_t count, const char *how)
{
    WT_SESSION *s = session->session;
    int code = s->begin_transaction(s, NULL);
    if (code)
        return code;
    for (size_t i = 0; i < count && !code; i++)
        code = operation_do(session->cursor, &operations[i]);
    if (!code)
        return s->commit_transaction(s, how);
    s->rollback_transaction(s, NULL);
    return code;
}

static store_result wiredtiger_write(store_session *session, const store_operation *operations, size_t count,
                                     bool sync)
{
    const char *how = sync == session->s->sync ? NULL : sync ? "sync=on" : "sync=off";
    int code;
    do { /* another session changed one of these keys meanwhile: once more */
        code = count == 1 && !how ? operation_do(session->cursor, operations)
                                  : batch_try(session, operations, count, how);
    } while (code == WT_ROLLBACK);
    int reset = session->cursor->reset(session->cursor);
    return session_result(session, code ? code : reset);
}

static store_slice slice_of(const WT_ITEM *item)
{
    return (store_slice){ item->data ? item->data : "", item->size };
}

static store_result wiredtiger_get(store_session *session, store_slice key, void *buffer, size_t capacity,
                                   size_t *bytes)
{
    WT_CURSOR *c = session->cursor;
    WT_ITEM value;
    key_set(c, key);
    int code = c->search(c);
    if (!code)
        code = c->get_value(c, &value);
    if (!code)
        value_copy(slice_of(&value), buffer, capacity, bytes);
    int reset = c->reset(c);
    return session_result(session, code ? code : reset);
}

/* Puts the cursor where the range begins; WT_NOTFOUND when it is empty. */
static int cursor_start(WT_CURSOR *c, const store_range *range)
{
    int exact;
    if (!range->from.data)
        return range->reverse ? c->prev(c) : c->next(c);
    key_set(c, range->from);
    int code = c->search_near(c, &exact);
    if (code)
        return code;
    if (range->reverse)
        return exact > 0 ? c->prev(c) : 0;
    return exact < 0 ? c->next(c) : 0;
}

static store_result wiredtiger_scan(store_session *session, const store_range *range, store_visit visit,
                                    void *context)
{
    WT_CURSOR *c = session->cursor;
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    int code = cursor_start(c, range);
    while (!code) {
        WT_ITEM key, value;
        code = c->get_key(c, &key);
        if (code || !range_holds(range, slice_of(&key)))
            break;
        code = c->get_value(c, &value);
        if (code || !visit(context, slice_of(&key), slice_of(&value)) || !--left)
            break;
        code = range->reverse ? c->prev(c) : c->next(c);
    }
    int reset = c->reset(c);
    return session_result(session, code == WT_NOTFOUND ? reset : code ? code : reset);
}

/* verify() needs the table for itself, compact() does not: the cursor is closed for both. */
static store_result without_cursor(store_session *session, int (*work)(WT_SESSION *))
{
    int code = session->cursor->close(session->cursor);
    session->cursor = NULL;
    if (!code)
        code = work(session->session);
    int reopened = cursor_open(session);
    return session_result(session, code ? code : reopened);
}

static int verify_table(WT_SESSION *session)
{
    int code = session->checkpoint(session, NULL); /* it refuses a table with changes in memory */
    return code ? code : session->verify(session, TABLE, NULL);
}

static store_result wiredtiger_check(store_session *session)
{
    return without_cursor(session, verify_table);
}

static int compact_table(WT_SESSION *session)
{
    int code = session->checkpoint(session, NULL);
    if (!code)
        code = session->compact(session, TABLE, NULL);
    return code ? code : session->checkpoint(session, NULL);
}

static store_result wiredtiger_compact(store_session *session)
{
    return without_cursor(session, compact_table);
}

/* The first open of a process calibrates its clock by a loop of 0.2 s; one that a wrong setting ends does, too. */
static void wiredtiger_prepare(void)
{
    store none = { .handler = { .handle_error = on_error, .handle_message = on_message },
                   .mutex = PTHREAD_MUTEX_INITIALIZER };
    WT_CONNECTION *connection;
    if (wiredtiger_open(NULL, &none.handler, "no_such_setting=1", &connection) == 0)
        connection->close(connection, NULL);
}

static const char *const option_names[] = { "log_file_bytes", "checkpoint_bytes", NULL };

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "wiredtiger",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_CHECK | STORE_CAN_WRITE_CONCURRENTLY | STORE_CAN_COMPACT |
                    STORE_IS_TUNED | STORE_HAS_THREADS,
    .version = wiredtiger_version_text,
    .configuration = wiredtiger_configuration,
    .option_names = option_names,
    .strictest = "none exists: each commit syncs the log, and each page has a checksum already (checksum=on differs "
                 "only for compressed pages)",
    .small_options = "log_file_bytes=131072:checkpoint_bytes=262144",
    .spare_files = "WiredTigerPreplog",
    .open = wiredtiger_adapter_open,
    .close = wiredtiger_adapter_close,
    .session_open = wiredtiger_session_open,
    .session_close = wiredtiger_session_close,
    .message = wiredtiger_message,
    .write = wiredtiger_write,
    .get = wiredtiger_get,
    .scan = wiredtiger_scan,
    .check = wiredtiger_check,
    .compact = wiredtiger_compact,
    .prepare = wiredtiger_prepare,
};
