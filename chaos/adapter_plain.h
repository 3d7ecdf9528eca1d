/*
 * adapter_plain.h - what the adapters of small stores share: a handle that all sessions use, under a lock of ours.
 *
 * Readers share the lock, a writer has it alone, so that a scan sees one state of a store that has no snapshots.
 * An adapter includes this once and puts a plain_store first in its struct store.
 */
#ifndef LEVIN_CHAOS_ADAPTER_PLAIN_H
#define LEVIN_CHAOS_ADAPTER_PLAIN_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "adapters.h"

enum { PLAIN_PATH_BYTES = 4096 };

typedef struct plain_store {
    pthread_rwlock_t lock;
    char path[PLAIN_PATH_BYTES]; /* of the file */
} plain_store;

struct store_session {
    store *s;
    char text[STORE_MESSAGE_BYTES];
};

/*
 * A zeroed store of `bytes`, its directory made if asked for, its path that of `file` in it. NULL with a message.
 * Without `create` a file that is not there is refused here, for not every store does.
 */
static inline void *plain_open(const store_config *config, size_t bytes, const char *file,
                               char message[STORE_MESSAGE_BYTES])
{
    struct stat status;
    plain_store *s = calloc(1, bytes);
    if (!s || (config->create && mkdir(config->path, 0777) != 0 && errno != EEXIST) ||
        stat(config->path, &status) != 0 || (!S_ISDIR(status.st_mode) && (errno = ENOTDIR)))
        goto failed;
    if (snprintf(s->path, sizeof s->path, "%s/%s", config->path, file) >= (int)sizeof s->path) {
        errno = ENAMETOOLONG;
        goto failed;
    }
    if (!config->create && stat(s->path, &status) != 0)
        goto failed;
    pthread_rwlock_init(&s->lock, NULL);
    return s;
failed:
    snprintf(message, STORE_MESSAGE_BYTES, "%s: %s", config->path, strerror(errno));
    free(s);
    return NULL;
}

static inline void plain_free(store *s)
{
    pthread_rwlock_destroy(&((plain_store *)s)->lock);
    free(s);
}

static inline void plain_lock(store_session *session, bool alone)
{
    plain_store *s = (plain_store *)session->s;
    if (alone)
        pthread_rwlock_wrlock(&s->lock);
    else
        pthread_rwlock_rdlock(&s->lock);
}

static inline void plain_unlock(store_session *session)
{
    pthread_rwlock_unlock(&((plain_store *)session->s)->lock);
}

static store_result plain_session_open(store *s, store_session **session)
{
    *session = calloc(1, sizeof **session);
    if (!*session)
        return STORE_FAILED;
    (*session)->s = s;
    return STORE_OK;
}

static void plain_session_close(store_session *session)
{
    free(session);
}

static const char *plain_message(const store_session *session)
{
    return session->text;
}

#endif
