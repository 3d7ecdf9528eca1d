/*
 * dirstore.c - a small store of its own as a plug-in, for tests: each pair is a file, its name the key in hex.
 *
 * A file holds a check of the key and the value, then the value.  A put writes a new file, syncs it, renames it over
 * the old one and syncs the directory.  There are no batches: STORE_HAS_NO_BATCH.  FLAW builds one that a scoreboard
 * must show, or is broken:
 *   LIES     trusts what it reads, syncs nothing and takes every failure for a success
 *   FORGETS  after a failed sync it holds the file for written, and only syncs it again; what it cannot read was never
 *            there
 *   MOODY    answers wrongly in a trial, but not in its replay
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"

#ifndef FLAW
#define FLAW NONE
#endif
enum { NONE, LIES, FORGETS, MOODY };
enum { HONEST = FLAW != LIES, FORGETFUL = FLAW == FORGETS, UNSTEADY = FLAW == MOODY };
enum { KEY_MAX = 120, NAME_BYTES = 2 * KEY_MAX + 8, VALUE_MAX = 1 << 20 };

struct store { int directory; bool moody; };
struct store_session { store *s; const char *text; char value[VALUE_MAX]; };

static uint64_t check_of(uint64_t h, const void *data, size_t bytes) /* FNV-1a */
{
    for (const unsigned char *at = data; bytes--; at++)
        h = (h ^ *at) * 1099511628211u;
    return h;
}

static bool name_of(store_slice key, const char *suffix, char name[NAME_BYTES])
{
    for (size_t i = 0; i < key.bytes && key.bytes <= KEY_MAX; i++)
        snprintf(name + 2 * i, 3, "%02x", ((const unsigned char *)key.data)[i]);
    if (key.bytes > KEY_MAX)
        return false;
    memcpy(name + 2 * key.bytes, suffix, strlen(suffix) + 1);
    return true;
}

static const char *version(void) { return "1.0"; }

static void configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES, "durability: %s; checksums: of each pair; a file for each pair",
             HONEST && config->sync ? "synced before it is renamed, and the directory behind it" : "nothing synced");
}

static bool in_a_replay(void)
{
    char line[1024] = "";
    FILE *words = fopen("/proc/self/cmdline", "r");
    const size_t bytes = words ? fread(line, 1, sizeof line - 1, words) : 0;
    bool found = false;
    for (size_t at = 0; at < bytes; at += strlen(line + at) + 1)
        found = found || strcmp(line + at, "--replay") == 0;
    if (words)
        fclose(words);
    return found;
}

static store_result dir_open(const store_config *config, store **s, char message[STORE_MESSAGE_BYTES])
{
    *s = NULL;
    if (config->create)
        mkdir(config->path, 0777);
    const int directory = open(config->path, O_RDONLY | O_DIRECTORY);
    snprintf(message, STORE_MESSAGE_BYTES, "%.400s: no directory", config->path);
    if (directory < 0)
        return STORE_FAILED;
    *s = malloc(sizeof **s);
    (*s)->directory = directory;
    (*s)->moody = UNSTEADY && strstr(config->path, "/trial-") && !in_a_replay();
    return STORE_OK;
}

static store_result dir_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    message[0] = '\0';
    close(s->directory);
    free(s);
    return STORE_OK;
}

static store_result session_open(store *s, store_session **session)
{
    *session = calloc(1, sizeof **session);
    (*session)->s = s;
    return STORE_OK;
}

static void session_close(store_session *session) { free(session); }
static const char *message_of(const store_session *session) { return session->text; }

static store_result failed(store_session *session, store_result result, const char *text)
{
    session->text = text;
    return HONEST ? result : STORE_OK;
}

/* The file is open for writing, and empty, unless it is there from an attempt that failed and is held for written. */
static int fresh_open(int directory, const char *name, bool *written)
{
    *written = FORGETFUL && faccessat(directory, name, F_OK, 0) == 0;
    return openat(directory, name, O_WRONLY | O_CREAT | (*written ? 0 : O_TRUNC), 0666);
}

static store_result dir_write(store_session *session, const store_operation *o, size_t count, bool sync)
{
    const int directory = session->s->directory;
    for (bool good; count--; o++) {
        char name[NAME_BYTES], fresh[NAME_BYTES];
        if (!name_of(o->key, "", name) || !name_of(o->key, ".new", fresh) || o->value.bytes > VALUE_MAX)
            return failed(session, STORE_FAILED, "the key or the value is too long");
        if (o->value.data) {
            const uint64_t check = check_of(check_of(1, o->key.data, o->key.bytes), o->value.data, o->value.bytes);
            bool written;
            const int file = fresh_open(directory, fresh, &written);
            good = (written || (write(file, &check, sizeof check) == sizeof check &&
                                write(file, o->value.data, o->value.bytes) == (ssize_t)o->value.bytes)) &&
                   (!HONEST || !sync || fsync(file) == 0);
            good = close(file) == 0 && (good || !HONEST) && renameat(directory, fresh, directory, name) == 0;
        } else {
            good = unlinkat(directory, name, 0) == 0 || faccessat(directory, name, F_OK, 0) != 0;
        }
        if (!good || (HONEST && sync && fsync(directory) != 0))
            return failed(session, STORE_FAILED, "the file was not written");
    }
    return STORE_OK;
}

static store_result dir_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    char name[NAME_BYTES];
    uint64_t check = 0;
    const int file = name_of(key, "", name) ? openat(session->s->directory, name, O_RDONLY) : -1;
    if (file < 0)
        return STORE_NOT_FOUND;
    const bool whole = read(file, &check, sizeof check) == sizeof check;
    const ssize_t got = read(file, session->value, VALUE_MAX);
    close(file);
    *bytes = got < 0 ? 0 : (size_t)got;
    if (HONEST && (!whole || got < 0 || check != check_of(check_of(1, key.data, key.bytes), session->value, *bytes)))
        return FORGETFUL ? STORE_NOT_FOUND : failed(session, STORE_DAMAGED, "the file has another check");
    if (session->s->moody && *bytes)
        session->value[0] ^= 1;
    memcpy(buffer, session->value, *bytes < capacity ? *bytes : capacity);
    return STORE_OK;
}

/* ---- scans: the names are sorted like the keys ---- */

static int compare(store_slice a, store_slice b)
{
    const int c = memcmp(a.data, b.data, a.bytes < b.bytes ? a.bytes : b.bytes);
    return c ? c : (a.bytes > b.bytes) - (a.bytes < b.bytes);
}

static bool key_of(const char *name, unsigned char key[KEY_MAX], size_t *bytes)
{
    *bytes = strlen(name) / 2;
    if (*bytes > KEY_MAX || strlen(name) % 2 || name[strspn(name, "0123456789abcdef")])
        return false;
    for (size_t i = 0; i < *bytes; i++)
        sscanf(name + 2 * i, "%2hhx", &key[i]);
    return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* False: no more. */
static bool visit_one(store_session *session, const store_range *r, store_slice key, store_visit visit, void *context,
                      uint64_t *left, store_result *result)
{
    static char value[VALUE_MAX];
    size_t bytes = 0;
    const int from = r->from.data ? compare(key, r->from) : 0;
    if (r->from.data && (r->reverse ? from > 0 : from < 0))
        return true;
    const int to = r->to.data ? compare(key, r->to) : 0;
    if (r->to.data && (r->reverse ? to <= 0 : to >= 0))
        return false;
    *result = dir_get(session, key, value, sizeof value, &bytes);
    (*left)--;
    if (*result == STORE_NOT_FOUND) { /* gone since the names were read */
        *result = STORE_OK;
        return true;
    }
    return *result == STORE_OK && visit(context, key, (store_slice){ value, bytes });
}

static store_result dir_scan(store_session *session, const store_range *r, store_visit visit, void *context)
{
    struct dirent **names;
    unsigned char key[KEY_MAX];
    store_result result = STORE_OK;
    size_t bytes;
    const int count = scandirat(session->s->directory, ".", &names, NULL, by_name);
    if (count < 0)
        return failed(session, STORE_FAILED, "the directory cannot be read");
    uint64_t left = r->limit ? r->limit : UINT64_MAX;
    for (int i = 0; i < count && left; i++) {
        if (!key_of(names[r->reverse ? count - 1 - i : i]->d_name, key, &bytes))
            continue;
        if (!visit_one(session, r, (store_slice){ key, bytes }, visit, context, &left, &result))
            break;
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return result;
}

static store_result dir_compact(store_session *session)
{
    (void)session; /* there is nothing to give back */
    return STORE_OK;
}

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = FORGETFUL ? "forgetful" : UNSTEADY ? "moody" : HONEST ? "dirstore" : "liar",
    .capabilities = STORE_HAS_NO_BATCH,
    .version = version,
    .configuration = configuration,
    .not_promised = "a pair of the past is as good as any: its file has the right check",
    .open = dir_open,
    .close = dir_close,
    .session_open = session_open,
    .session_close = session_close,
    .message = message_of,
    .write = dir_write,
    .get = dir_get,
    .scan = dir_scan,
    .compact = dir_compact,
};
