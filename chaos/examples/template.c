/*
 * template.c - a plug-in to begin with: put your store where it says so.  ADD-A-STORE.md says how to build and try it.
 *
 * It opens nothing and holds nothing; what it gives back is what an empty store would, so that it builds and loads.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store.h"

struct store {
    void *db; /* your handle */
};

struct store_session { /* of one thread: a cursor, a read transaction, a buffer */
    store *s;
    char text[STORE_MESSAGE_BYTES]; /* of the last failure */
};

static const char *version(void)
{
    return "0.1";
}

/* The settings that you open it with, for durable writes when config->sync: they are printed with every result. Say
 * what is synced when, what has a checksum and when that is verified; then all others. */
static void configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    snprintf(text, STORE_MESSAGE_BYTES, "durability: %s; checksums: none", config->sync ? "none" : "none asked for");
}

/* One of your errors. STORE_DAMAGED only when it says that its files are damaged; the text is for people. */
static store_result failed(store_session *session, int error)
{
    snprintf(session->text, sizeof session->text, "%s", strerror(error));
    return STORE_FAILED;
}

static store_result template_open(const store_config *config, store **s, char message[STORE_MESSAGE_BYTES])
{
    *s = calloc(1, sizeof **s);
    if (*s) /* open config->path, a directory; make it when config->create, refuse one that is not there otherwise */
        return STORE_OK;
    snprintf(message, STORE_MESSAGE_BYTES, "%s: %s", config->path, strerror(ENOMEM));
    return STORE_FAILED;
}

static store_result template_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    message[0] = '\0'; /* a failure of your close belongs here */
    free(s);
    return STORE_OK;
}

static store_result session_open(store *s, store_session **session)
{
    *session = calloc(1, sizeof **session);
    if (!*session)
        return STORE_FAILED;
    (*session)->s = s;
    return STORE_OK;
}

static void session_close(store_session *session)
{
    free(session);
}

static const char *message_of(const store_session *session)
{
    return session->text;
}

/* All as one atomic batch (or STORE_HAS_NO_BATCH among the capabilities); durable before it returns when sync. */
static store_result template_write(store_session *session, const store_operation *operations, size_t count, bool sync)
{
    for (size_t i = 0; i < count; i++) {
        const bool is_delete = !operations[i].value.data;
        (void)is_delete; /* delete operations[i].key, which need not be there; or put, over what is there */
    }
    return sync && !session->s ? failed(session, EINVAL) : STORE_OK;
}

static store_result template_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    (void)session, (void)key, (void)buffer, (void)capacity;
    *bytes = 0; /* the whole size of the value, also when only `capacity` of it are copied */
    return STORE_NOT_FOUND;
}

/* From range->from (included) to range->to (not), up or down, at most range->limit pairs, until visit() says false. */
static store_result template_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    (void)session, (void)range, (void)visit, (void)context;
    return STORE_OK;
}

static store_result template_compact(store_session *session)
{
    (void)session;
    return STORE_OK;
}

const store_adapter levin_store STORE_EXPORT = {
    .abi = STORE_ABI,
    .name = "template",
    .capabilities = 0,
    .version = version,
    .configuration = configuration,
    .open = template_open,
    .close = template_close,
    .session_open = session_open,
    .session_close = session_close,
    .message = message_of,
    .write = template_write,
    .get = template_get,
    .scan = template_scan,
    .compact = template_compact,
};
