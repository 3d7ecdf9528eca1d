/*
 * adapter_levin.c - Levin behind store.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/levin.h"
#include "adapters.h"

struct store {
    levin *db;
};

struct store_session {
    store *s;
    levin_batch *batch;
    char text[STORE_MESSAGE_BYTES];
};

static const char *levin_adapter_configuration(const store_config *config)
{
    return config->sync ? "page 16 KiB, group commit, LEVIN_SYNCED per batch" : "page 16 KiB, LEVIN_NONE per batch";
}

static store_result result_of(levin_code code)
{
    return code == LEVIN_OK          ? STORE_OK
           : code == LEVIN_NOT_FOUND ? STORE_NOT_FOUND
           : code == LEVIN_CORRUPT   ? STORE_DAMAGED
                                     : STORE_FAILED;
}

static store_result session_result(store_session *session, levin_code code)
{
    if (code != LEVIN_OK && code != LEVIN_NOT_FOUND) {
        levin_error error;
        levin_last_error(session->s->db, &error);
        snprintf(session->text, sizeof session->text, "%s: %.400s", levin_code_name(code), error.message);
    }
    return result_of(code);
}

static store_result levin_adapter_open(const store_config *config, store **s, char message[STORE_MESSAGE_BYTES])
{
    levin_options o;
    levin_error error;
    levin_options_init(&o);
    o.create_if_missing = config->create;
    if (config->cache_bytes) { /* half for rows, half for pages */
        o.row_cache_bytes = config->cache_bytes / 2;
        o.cache_bytes = config->cache_bytes - o.row_cache_bytes;
    }
    if (config->write_buffer_bytes)
        o.memtable_bytes = config->write_buffer_bytes;
    o.background = config->background ? LEVIN_BACKGROUND_THREAD : LEVIN_BACKGROUND_NONE;
    *s = calloc(1, sizeof **s);
    if (!*s) {
        snprintf(message, STORE_MESSAGE_BYTES, "out of memory");
        return STORE_FAILED;
    }
    levin_code code = levin_open(config->path, &o, &(*s)->db, &error);
    if (code != LEVIN_OK) {
        snprintf(message, STORE_MESSAGE_BYTES, "%s: %s", levin_code_name(code), error.message);
        free(*s);
        *s = NULL;
    }
    return result_of(code);
}

static store_result levin_adapter_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    levin_code code = levin_close(s->db);
    if (code != LEVIN_OK)
        snprintf(message, STORE_MESSAGE_BYTES, "%s", levin_code_text(code));
    free(s);
    return result_of(code);
}

static store_result levin_adapter_session_open(store *s, store_session **session)
{
    *session = calloc(1, sizeof **session);
    if (!*session)
        return STORE_FAILED;
    (*session)->s = s;
    return session_result(*session, levin_batch_create(s->db, &(*session)->batch));
}

static void levin_adapter_session_close(store_session *session)
{
    levin_batch_destroy(session->batch);
    free(session);
}

static const char *levin_adapter_message(const store_session *session)
{
    return session->text;
}

static store_result levin_adapter_write(store_session *session, const store_operation *operations, size_t count,
                                        bool sync)
{
    levin *db = session->s->db;
    levin_durability durability = sync ? LEVIN_SYNCED : LEVIN_NONE;
    if (count == 1) {
        const store_operation *o = operations;
        return session_result(session, o->value.data ? levin_put(db, o->key.data, o->key.bytes, o->value.data,
                                                                 o->value.bytes, durability)
                                                     : levin_delete(db, o->key.data, o->key.bytes, durability));
    }
    levin_batch_clear(session->batch);
    for (size_t i = 0; i < count; i++) {
        const store_operation *o = &operations[i];
        levin_code code = o->value.data ? levin_batch_put(session->batch, o->key.data, o->key.bytes, o->value.data,
                                                          o->value.bytes)
                                        : levin_batch_delete(session->batch, o->key.data, o->key.bytes);
        if (code != LEVIN_OK)
            return session_result(session, code);
    }
    return session_result(session, levin_write(db, session->batch, durability));
}

static store_result levin_adapter_get(store_session *session, store_slice key, void *buffer, size_t capacity,
                                      size_t *bytes)
{
    levin_code code = levin_get(session->s->db, NULL, key.data, key.bytes, buffer, capacity, bytes);
    if (code == LEVIN_TOO_SMALL) { /* the interface wants as much as fits */
        void *value;
        code = levin_get_alloc(session->s->db, NULL, key.data, key.bytes, &value, bytes);
        if (code == LEVIN_OK) {
            memcpy(buffer, value, *bytes < capacity ? *bytes : capacity);
            levin_free(session->s->db, value);
        }
    }
    return session_result(session, code);
}

enum { MULTI_GET_AT_ONCE = 64 };

static store_result levin_adapter_multi_get(store_session *session, store_get *gets, size_t count)
{
    levin_get_request r[MULTI_GET_AT_ONCE];
    for (size_t done = 0; done < count;) {
        size_t n = count - done < MULTI_GET_AT_ONCE ? count - done : MULTI_GET_AT_ONCE;
        for (size_t i = 0; i < n; i++) {
            store_get *g = &gets[done + i];
            r[i] = (levin_get_request){ .key = g->key.data, .key_bytes = g->key.bytes, .buffer = g->buffer,
                                        .capacity = g->capacity };
        }
        levin_code code = levin_multi_get(session->s->db, NULL, r, n);
        if (code != LEVIN_OK)
            return session_result(session, code);
        for (size_t i = 0; i < n; i++) {
            gets[done + i].bytes = r[i].value_bytes;
            gets[done + i].result = result_of(r[i].code);
        }
        done += n;
    }
    return STORE_OK;
}

static store_result levin_adapter_scan(store_session *session, const store_range *range, store_visit visit,
                                       void *context)
{
    levin_iter_options o = { 0 };
    levin_iter *it;
    if (range->reverse) {
        o.lower = (levin_slice){ range->to.data, range->to.bytes };
        o.lower_exclusive = true;
        o.upper = (levin_slice){ range->from.data, range->from.bytes };
        o.upper_inclusive = true;
    } else {
        o.lower = (levin_slice){ range->from.data, range->from.bytes };
        o.upper = (levin_slice){ range->to.data, range->to.bytes };
    }
    levin_code code = levin_iter_open(session->s->db, &o, &it);
    if (code != LEVIN_OK)
        return session_result(session, code);
    uint64_t left = range->limit ? range->limit : UINT64_MAX;
    bool valid = range->reverse ? levin_iter_last(it) : levin_iter_first(it);
    while (valid && left--) {
        levin_slice key = levin_iter_key(it), value = levin_iter_value(it);
        if (!value.data && levin_iter_status(it) != LEVIN_OK)
            break;
        if (!visit(context, (store_slice){ key.data, key.size }, (store_slice){ value.data, value.size }))
            break;
        valid = range->reverse ? levin_iter_prev(it) : levin_iter_next(it);
    }
    code = levin_iter_status(it);
    levin_iter_close(it);
    return session_result(session, code);
}

static store_result levin_adapter_check(store_session *session)
{
    return session_result(session, levin_check(session->s->db, NULL, NULL, NULL));
}

const store_adapter adapter_levin = {
    .abi = STORE_ABI,
    .name = "levin",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_MULTI_GET | STORE_CAN_CHECK | STORE_CAN_WRITE_CONCURRENTLY,
    .version = levin_version,
    .configuration = levin_adapter_configuration,
    .open = levin_adapter_open,
    .close = levin_adapter_close,
    .session_open = levin_adapter_session_open,
    .session_close = levin_adapter_session_close,
    .message = levin_adapter_message,
    .write = levin_adapter_write,
    .get = levin_adapter_get,
    .multi_get = levin_adapter_multi_get,
    .scan = levin_adapter_scan,
    .check = levin_adapter_check,
};
