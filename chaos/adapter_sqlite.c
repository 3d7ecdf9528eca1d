/*
 * adapter_sqlite.c - SQLite behind store.h: one table (k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID.
 *
 * Options: rollback=1, a rollback journal (journal_mode=DELETE) instead of the log; extra=1, synchronous=EXTRA, which
 * also syncs the directory after the journal is gone, so that a commit cannot be undone by a power cut; paranoid=1,
 * PRAGMA cell_size_check and, at open, PRAGMA integrity_check: it finds a broken structure, not a changed value.  Page
 * checksums (cksumvfs) are an extension that Debian does not build.
 *
 * Configuration: WAL mode.  For synced writes synchronous=FULL: the log is synced at each commit, which is what makes
 * a commit durable in WAL mode.  Otherwise synchronous=NORMAL: the log is synced at its checkpoints only, so a power
 * cut loses the last commits but never damages the store (OFF could); this is its recommended setting for WAL.  A
 * write buffer, if asked for, is the size of the log that starts a checkpoint (its default: 1000 pages).
 *
 * A connection and prepared statements for each session, in multi-thread mode without mutexes, memory statistics off
 * (both as its list of recommended options says).  Writers of one process queue on a mutex of ours, because its own
 * way to wait is to sleep and try again.  A session keeps its read transaction, which is most of a small read's cost,
 * until something was committed: a count of commits, in this process, tells.
 *
 * SQLite has no threads: checkpoints happen within commits, `background` is not used.
 */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "adapters.h"

enum { PATH_BYTES = 4096, PAGE_BYTES = 4096, BUSY_MS = 60000 };
static const uint64_t CACHE_BYTES_DEFAULT = 2000 << 10; /* SQLite's own, as the next */
static const uint64_t LOG_BYTES_DEFAULT = 1000 * PAGE_BYTES;

/* from bounded * 4 + to bounded * 2 + reverse */
enum { SCANS = 8 };
static const char *const scan_sql[SCANS] = {
    "SELECT k, v FROM kv ORDER BY k",
    "SELECT k, v FROM kv ORDER BY k DESC",
    "SELECT k, v FROM kv WHERE k < ?2 ORDER BY k",
    "SELECT k, v FROM kv WHERE k > ?2 ORDER BY k DESC",
    "SELECT k, v FROM kv WHERE k >= ?1 ORDER BY k",
    "SELECT k, v FROM kv WHERE k <= ?1 ORDER BY k DESC",
    "SELECT k, v FROM kv WHERE k >= ?1 AND k < ?2 ORDER BY k",
    "SELECT k, v FROM kv WHERE k <= ?1 AND k > ?2 ORDER BY k DESC",
};

struct store {
    char path[PATH_BYTES];
    uint64_t cache_bytes, log_bytes;
    bool sync, rollback_journal, extra, paranoid;
    pthread_mutex_t writer;
    _Atomic uint64_t commits; /* raised (release) before a write returns; a read looks (acquire) before it begins */
    sqlite3 *connection; /* keeps the log and its index open between sessions; used by open and close alone */
};

struct store_session {
    store *s;
    sqlite3 *connection;
    sqlite3_stmt *get, *put, *remove, *begin_read, *begin, *commit, *rollback, *scan[SCANS];
    bool reading;          /* a read transaction is open, of the state at or after `seen` */
    uint64_t seen;
    char text[STORE_MESSAGE_BYTES];
};

static uint64_t cache_bytes_of(const store_config *config)
{
    return config->cache_bytes ? config->cache_bytes : CACHE_BYTES_DEFAULT;
}

static uint64_t log_bytes_of(const store_config *config)
{
    return config->write_buffer_bytes ? config->write_buffer_bytes : LOG_BYTES_DEFAULT;
}

static bool is_rollback(const store_config *config)
{
    return option_value(config, "rollback", 0) != 0;
}

static const char *synchronous_of(bool sync, bool rollback_journal, bool extra)
{
    /* without the log, NORMAL may damage the store: what need not be synced is then as safe as FULL makes it */
    return extra ? "EXTRA" : sync || rollback_journal ? "FULL" : "NORMAL";
}

static void sqlite_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES,
             "durability: %s, synchronous=%s%s; checksums: none of pages or values, of %s%s; WITHOUT ROWID table, "
             "cache %llu KiB a connection, checkpoint at %llu KiB of log, pages of 4 KiB, prepared statements, writers "
             "queue on a mutex, read transaction kept until %s",
             is_rollback(config) ? "rollback journal (DELETE)" : "WAL",
             synchronous_of(config->sync, is_rollback(config), option_value(config, "extra", 0)),
             is_rollback(config) ? "" : config->sync ? " (log synced at each commit)" : " (log synced at checkpoints)",
             is_rollback(config) ? "journal pages" : "log frames",
             option_value(config, "paranoid", 0) ? ", cell_size_check and integrity_check at open" : "",
             (unsigned long long)(cache_bytes_of(config) >> 10), (unsigned long long)(log_bytes_of(config) >> 10),
             is_rollback(config) ? "the end of a read" : "the next commit");
}

static store_result result_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return STORE_OK;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return STORE_DAMAGED;
    default: return STORE_FAILED;
    }
}

static store_result session_result(store_session *session, int code)
{
    store_result result = result_of(code);
    if (result != STORE_OK)
        snprintf(session->text, sizeof session->text, "%s (%s)", sqlite3_errmsg(session->connection),
                 sqlite3_errstr(code));
    return result;
}

/* ---- open and close ---- */

/* Settings of a whole process: before the first connection, once. */
static void settings_make(void)
{
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int connect_to(const store *s, bool create, sqlite3 **connection)
{
    char sql[512];
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(s->path, connection, flags, NULL);
    if (code)
        return code;
    sqlite3_busy_timeout(*connection, BUSY_MS);
    snprintf(sql, sizeof sql,
             "PRAGMA page_size=%d; PRAGMA journal_mode=%s; PRAGMA synchronous=%s; PRAGMA cache_size=-%llu;"
             "PRAGMA wal_autocheckpoint=%llu; PRAGMA cell_size_check=%s;",
             PAGE_BYTES, s->rollback_journal ? "DELETE" : "WAL",
             synchronous_of(s->sync, s->rollback_journal, s->extra), (unsigned long long)(s->cache_bytes >> 10),
             (unsigned long long)(s->log_bytes / PAGE_BYTES), s->paranoid ? "ON" : "OFF");
    return sqlite3_exec(*connection, sql, NULL, NULL, NULL);
}

/* The first line of what integrity_check says; SQLITE_CORRUPT when that is not "ok". */
static int integrity(sqlite3 *connection, char message[STORE_MESSAGE_BYTES])
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(connection, "PRAGMA integrity_check(1)", -1, &statement, NULL);
    if (code) {
        snprintf(message, STORE_MESSAGE_BYTES, "%s (%s)", sqlite3_errmsg(connection), sqlite3_errstr(code));
        return code;
    }
    code = sqlite3_step(statement);
    const char *line = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (code != SQLITE_ROW)
        snprintf(message, STORE_MESSAGE_BYTES, "%s (%s)", sqlite3_errmsg(connection), sqlite3_errstr(code));
    else if (!line || strcmp(line, "ok") != 0)
        snprintf(message, STORE_MESSAGE_BYTES, "%s", line ? line : "integrity_check says nothing");
    code = code != SQLITE_ROW ? code : !line || strcmp(line, "ok") != 0 ? SQLITE_CORRUPT : SQLITE_OK;
    sqlite3_finalize(statement);
    return code;
}

static store_result sqlite_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    store *s = calloc(1, sizeof *s);
    *out = NULL;
    pthread_once(&once, settings_make);
    if (!s || (config->create && mkdir(config->path, 0777) != 0 && errno != EEXIST)) {
        snprintf(message, STORE_MESSAGE_BYTES, "%s: %s", config->path, strerror(s ? errno : ENOMEM));
        free(s);
        return STORE_FAILED;
    }
    snprintf(s->path, sizeof s->path, "%s/store.sqlite", config->path);
    s->cache_bytes = cache_bytes_of(config);
    s->log_bytes = log_bytes_of(config);
    s->sync = config->sync;
    s->rollback_journal = is_rollback(config);
    s->extra = option_value(config, "extra", 0) != 0;
    s->paranoid = option_value(config, "paranoid", 0) != 0;
    pthread_mutex_init(&s->writer, NULL);
    int code = connect_to(s, config->create, &s->connection);
    if (!code && config->create) /* else an empty file would pass for an empty store */
        code = sqlite3_exec(s->connection, "CREATE TABLE IF NOT EXISTS kv (k BLOB PRIMARY KEY, v BLOB NOT NULL) "
                                           "WITHOUT ROWID", NULL, NULL, NULL);
    if (code)
        snprintf(message, STORE_MESSAGE_BYTES, "%s (%s)", sqlite3_errmsg(s->connection), sqlite3_errstr(code));
    else if (s->paranoid)
        code = integrity(s->connection, message);
    if (!code) {
        *out = s;
        return STORE_OK;
    }
    sqlite3_close(s->connection);
    pthread_mutex_destroy(&s->writer);
    free(s);
    return result_of(code);
}

static store_result sqlite_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    /* What was not synced has to reach the device now: the last close writes the log back under this setting. */
    int code = sqlite3_exec(s->connection, "PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL,
                            NULL);
    if (code)
        snprintf(message, STORE_MESSAGE_BYTES, "%s (%s)", sqlite3_errmsg(s->connection), sqlite3_errstr(code));
    int closed = sqlite3_close(s->connection);
    if (closed && !code)
        snprintf(message, STORE_MESSAGE_BYTES, "%s", sqlite3_errstr(closed));
    pthread_mutex_destroy(&s->writer);
    free(s);
    return result_of(code ? code : closed);
}

/* ---- sessions ---- */

static int statement_make(store_session *n, const char *sql, sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(n->connection, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

static store_result sqlite_session_open(store *s, store_session **session)
{
    store_session *n = calloc(1, sizeof *n);
    *session = n;
    if (!n)
        return STORE_FAILED;
    n->s = s;
    int code = connect_to(s, false, &n->connection);
    if (!code)
        code = statement_make(n, "SELECT v FROM kv WHERE k = ?1", &n->get);
    if (!code)
        code = statement_make(n, "INSERT OR REPLACE INTO kv (k, v) VALUES (?1, ?2)", &n->put);
    if (!code)
        code = statement_make(n, "DELETE FROM kv WHERE k = ?1", &n->remove);
    if (!code)
        code = statement_make(n, "BEGIN", &n->begin_read);
    if (!code)
        code = statement_make(n, "BEGIN IMMEDIATE", &n->begin);
    if (!code)
        code = statement_make(n, "COMMIT", &n->commit);
    if (!code)
        code = statement_make(n, "ROLLBACK", &n->rollback);
    return session_result(n, code);
}

static void sqlite_session_close(store_session *session)
{
    sqlite3_stmt *const all[] = { session->get, session->put, session->remove, session->begin_read,
                                  session->begin, session->commit, session->rollback };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sqlite3_finalize(all[i]);
    for (size_t i = 0; i < SCANS; i++)
        sqlite3_finalize(session->scan[i]);
    sqlite3_close(session->connection);
    free(session);
}

static const char *sqlite_message(const store_session *session)
{
    return session->text;
}

/* ---- transactions ---- */

static int run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement), reset = sqlite3_reset(statement);
    return code == SQLITE_DONE ? reset : code;
}

static int read_end(store_session *session)
{
    if (!session->reading)
        return SQLITE_OK;
    session->reading = false;
    return run(session->commit);
}

/* With a rollback journal no writer can commit beside a reader. */
static int read_done(store_session *session)
{
    return session->s->rollback_journal ? read_end(session) : SQLITE_OK;
}

/* The state is taken by the first read after BEGIN: no older than the count that was read before. */
static int read_begin(store_session *session)
{
    uint64_t commits = atomic_load_explicit(&session->s->commits, memory_order_acquire);
    if (session->reading && session->seen == commits)
        return SQLITE_OK;
    int code = read_end(session);
    if (!code)
        code = run(session->begin_read);
    session->reading = !code;
    session->seen = commits;
    return code;
}

/* ---- writing ---- */

/* The bytes stay the caller's: they outlive the step. An empty blob needs a pointer, or it would be NULL. */
static int bind(sqlite3_stmt *statement, int place, store_slice slice)
{
    return sqlite3_bind_blob64(statement, place, slice.data ? slice.data : "", slice.bytes, SQLITE_STATIC);
}

static int operation_do(store_session *session, const store_operation *o)
{
    sqlite3_stmt *statement = o->value.data ? session->put : session->remove;
    int code = bind(statement, 1, o->key);
    if (!code && o->value.data)
        code = bind(statement, 2, o->value);
    return code ? code : run(statement);
}

static int batch_do(store_session *session, const store_operation *operations, size_t count)
{
    int code = run(session->begin);
    if (code)
        return code;
    for (size_t i = 0; i < count && !code; i++)
        code = operation_do(session, &operations[i]);
    return code ? code : run(session->commit);
}

static store_result sqlite_write(store_session *session, const store_operation *operations, size_t count, bool sync)
{
    (void)sync; /* chosen at open */
    int code = read_end(session);
    if (code)
        return session_result(session, code);
    pthread_mutex_lock(&session->s->writer);
    /* a statement outside a transaction is one of its own */
    code = count == 1 ? operation_do(session, operations) : batch_do(session, operations, count);
    atomic_fetch_add_explicit(&session->s->commits, 1, memory_order_release);
    store_result result = session_result(session, code);
    if (code && !sqlite3_get_autocommit(session->connection))
        run(session->rollback);
    pthread_mutex_unlock(&session->s->writer);
    return result;
}

/* ---- reading ---- */

static store_slice column(sqlite3_stmt *statement, int place)
{
    const void *data = sqlite3_column_blob(statement, place); /* NULL for an empty one */
    return (store_slice){ data ? data : "", (size_t)sqlite3_column_bytes(statement, place) };
}

static store_result sqlite_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    sqlite3_stmt *statement = session->get;
    int code = read_begin(session);
    if (!code)
        code = bind(statement, 1, key);
    if (!code)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        value_copy(column(statement, 0), buffer, capacity, bytes);
    bool absent = code == SQLITE_DONE;
    int reset = sqlite3_reset(statement), ended = read_done(session);
    reset = reset ? reset : ended;
    return absent ? STORE_NOT_FOUND : session_result(session, code == SQLITE_ROW ? reset : code);
}

static store_result sqlite_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    const size_t which = (range->from.data ? 4u : 0u) + (range->to.data ? 2u : 0u) + (range->reverse ? 1u : 0u);
    sqlite3_stmt **statement = &session->scan[which];
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    int code = *statement ? SQLITE_OK : statement_make(session, scan_sql[which], statement);
    if (!code)
        code = read_begin(session);
    if (!code && range->from.data)
        code = bind(*statement, 1, range->from);
    if (!code && range->to.data)
        code = bind(*statement, 2, range->to);
    if (code)
        return session_result(session, code);
    while ((code = sqlite3_step(*statement)) == SQLITE_ROW)
        if (!visit(context, column(*statement, 0), column(*statement, 1)) || !--left)
            break;
    int reset = sqlite3_reset(*statement), ended = read_done(session);
    reset = reset ? reset : ended;
    return session_result(session, code == SQLITE_ROW || code == SQLITE_DONE ? reset : code);
}

/* ---- upkeep ---- */

static store_result sqlite_check(store_session *session)
{
    int code = read_end(session);
    return code ? session_result(session, code) : result_of(integrity(session->connection, session->text));
}

static store_result sqlite_compact(store_session *session)
{
    pthread_mutex_lock(&session->s->writer);
    int code = read_end(session);
    if (!code)
        code = sqlite3_exec(session->connection, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL,
                            NULL);
    store_result result = session_result(session, code);
    pthread_mutex_unlock(&session->s->writer);
    return result;
}

static const char *const option_names[] = { "rollback", "extra", "paranoid", NULL };
static const char *const variants[] = { "paranoid=1", "rollback=1", "rollback=1:extra=1", NULL };

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "sqlite",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_CHECK | STORE_CAN_WRITE_CONCURRENTLY | STORE_CAN_COMPACT |
                    STORE_IS_TUNED,
    .version = sqlite3_libversion,
    .configuration = sqlite_configuration,
    .option_names = option_names,
    .variants = variants,
    .strictest = "paranoid=1 for damage, extra=1 for power cuts. Checksums of pages exist as an extension, cksumvfs, "
                 "which Debian's library is built without: not tried",
    .not_promised = "its file format has no checksums of pages or values; with a rollback journal and synchronous=FULL "
                    "a power cut may undo the last commit",
    .open = sqlite_open,
    .close = sqlite_close,
    .session_open = sqlite_session_open,
    .session_close = sqlite_session_close,
    .message = sqlite_message,
    .write = sqlite_write,
    .get = sqlite_get,
    .scan = sqlite_scan,
    .check = sqlite_check,
    .compact = sqlite_compact,
};
