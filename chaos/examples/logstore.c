/*
 * logstore.c - the worked example of ADD-A-STORE.md: a whole store, a log on disk and a sorted array in memory.
 *
 * A batch is one record of the log: a check and the bytes of the rest, then for each operation the sizes of key and
 * value, and both.  Opening replays the log up to the first record that is not right, and takes that for a torn tail.
 */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"

enum { DELETED = -1, HEAD_BYTES = 8, RECORD_MAX = 1 << 22 };

typedef struct pair { char *key; int key_bytes, value_bytes; } pair; /* the value stands behind the key */
struct store { int log; bool failed; pair *pairs; int count; off_t end; char record[HEAD_BYTES + RECORD_MAX]; };
struct store_session { store *s; const char *text; };

static uint32_t check_of(const char *at, size_t bytes) /* FNV-1a */
{
    uint32_t h = 2166136261u;
    while (bytes--)
        h = (h ^ (unsigned char)*at++) * 16777619u;
    return h;
}

static int compare(const pair *p, const void *key, int bytes)
{
    const int c = memcmp(p->key, key, (size_t)(p->key_bytes < bytes ? p->key_bytes : bytes));
    return c ? c : p->key_bytes - bytes;
}

/* Where the key is, or would be. */
static int find(const store *s, const void *key, int bytes, bool *there)
{
    int i = 0, c = 1;
    while (i < s->count && (c = compare(&s->pairs[i], key, bytes)) < 0)
        i++;
    *there = i < s->count && c == 0;
    return i;
}

static void apply(store *s, const char *at, const char *end)
{
    for (int size[2], i; at < end; at += size[0] + (size[1] == DELETED ? 0 : size[1])) {
        bool there;
        memcpy(size, at, sizeof size);
        at += sizeof size;
        i = find(s, at, size[0], &there);
        if (there) {
            free(s->pairs[i].key);
            memmove(s->pairs + i, s->pairs + i + 1, (size_t)(--s->count - i) * sizeof(pair));
        }
        if (size[1] == DELETED)
            continue;
        s->pairs = realloc(s->pairs, (size_t)(s->count + 1) * sizeof(pair));
        memmove(s->pairs + i + 1, s->pairs + i, (size_t)(s->count++ - i) * sizeof(pair));
        s->pairs[i] = (pair){ malloc((size_t)(size[0] + size[1]) + 1), size[0], size[1] };
        memcpy(s->pairs[i].key, at, (size_t)(size[0] + size[1]));
    }
}

static const char *version(void) { return "1.0"; }
static void configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES, "durability: %s after each batch; checksums: of each batch; a log",
             config->sync ? "fdatasync" : "nothing synced");
}

static store_result log_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    uint32_t head[2];
    store *s = *out = calloc(1, sizeof *s);
    if (config->create)
        mkdir(config->path, 0777);
    const int directory = open(config->path, O_RDONLY | O_DIRECTORY);
    s->log = openat(directory, "log", O_RDWR | (config->create ? O_CREAT : 0), 0666);
    const bool good = s->log >= 0 && fsync(directory) == 0; /* the log's name is durable, too */
    snprintf(message, STORE_MESSAGE_BYTES, good ? "" : "%.400s: there is no log, or it cannot be synced", config->path);
    close(directory);
    while (good && pread(s->log, head, HEAD_BYTES, s->end) == HEAD_BYTES && head[1] <= RECORD_MAX &&
           pread(s->log, s->record, head[1], s->end + HEAD_BYTES) == head[1] &&
           check_of(s->record, head[1]) == head[0]) {
        apply(s, s->record, s->record + head[1]);
        s->end += HEAD_BYTES + head[1];
    }
    return good ? STORE_OK : (free(s), STORE_FAILED);
}

static store_result log_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    while (s->count)
        free(s->pairs[--s->count].key);
    return message[0] = '\0', close(s->log), free(s->pairs), free(s), STORE_OK;
}

static store_result session_open(store *s, store_session **session)
{
    *session = calloc(1, sizeof **session);
    return (*session)->s = s, STORE_OK;
}
static void session_close(store_session *session) { free(session); }
static const char *message_of(const store_session *session) { return session->text; }

static store_result log_write(store_session *session, const store_operation *o, size_t count, bool sync)
{
    store *s = session->s;
    char *at = s->record + HEAD_BYTES;
    session->text = s->failed ? "a write has failed before: open it again" : "the batch was not written";
    for (; count; count--, o++) {
        const int size[2] = { (int)o->key.bytes, o->value.data ? (int)o->value.bytes : DELETED };
        if (o->key.bytes + o->value.bytes + sizeof size > (size_t)(s->record + sizeof s->record - at))
            return STORE_FAILED;
        at = mempcpy(mempcpy(at, size, sizeof size), o->key.data, o->key.bytes);
        at = o->value.data ? mempcpy(at, o->value.data, o->value.bytes) : at;
    }
    const uint32_t bytes = (uint32_t)(at - s->record), left = bytes - HEAD_BYTES;
    memcpy(s->record, (uint32_t[]){ check_of(s->record + HEAD_BYTES, left), left }, HEAD_BYTES);
    s->failed = s->failed || pwrite(s->log, s->record, bytes, s->end) != bytes || (sync && fdatasync(s->log) != 0);
    if (s->failed) /* what is on disk now is anybody's guess: nothing is written behind it */
        return STORE_FAILED;
    apply(s, s->record + HEAD_BYTES, at);
    s->end += bytes;
    return STORE_OK;
}

static store_result log_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    bool there;
    const pair *p = &session->s->pairs[find(session->s, key.data, (int)key.bytes, &there)];
    *bytes = there ? (size_t)p->value_bytes : 0;
    if (there)
        memcpy(buffer, p->key + p->key_bytes, *bytes < capacity ? *bytes : capacity);
    return there ? STORE_OK : STORE_NOT_FOUND;
}

/* Up: from <= key < to; down: from >= key > to. */
static store_result log_scan(store_session *session, const store_range *r, store_visit visit, void *context)
{
    const store *s = session->s;
    uint64_t left = r->limit ? r->limit : UINT64_MAX;
    for (int n = 0; n < s->count && left; n++) {
        const pair *p = &s->pairs[r->reverse ? s->count - 1 - n : n];
        const int from = r->from.data ? compare(p, r->from.data, (int)r->from.bytes) : 0;
        const int to = r->to.data ? compare(p, r->to.data, (int)r->to.bytes) : r->reverse ? 1 : -1;
        if (r->reverse ? from > 0 || to <= 0 : from < 0 || to >= 0)
            continue;
        left--;
        if (!visit(context, (store_slice){ p->key, (size_t)p->key_bytes },
                   (store_slice){ p->key + p->key_bytes, (size_t)p->value_bytes }))
            break;
    }
    return STORE_OK;
}
static store_result log_compact(store_session *session) { return session ? STORE_OK : STORE_FAILED; }

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI, .name = "logstore", .version = version, .configuration = configuration,
    .not_promised = "damage ends its log: it cannot be told from a torn tail", .open = log_open, .close = log_close,
    .session_open = session_open, .session_close = session_close, .message = message_of, .write = log_write,
    .get = log_get, .scan = log_scan, .compact = log_compact,
};
