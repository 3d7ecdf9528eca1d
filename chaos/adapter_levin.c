/*
 * adapter_levin.c - Levin behind store.h.
 *
 * cache_bytes of the configuration is one budget for all of Levin's caches: half for rows, a quarter for pages, a
 * quarter for large values.  An option that sizes one of the first two leaves the rest to the other; both together are
 * taken as they are, whatever the budget.  The cache of large values has half of what is left for pages, unless an
 * option sizes it.
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

static const char *const option_names[] = { "row_cache_bytes", "page_cache_bytes", "memtable_bytes",
                                            "commit_interval_us", "background", "page_bytes",
                                            "wal_segment_bytes", "group_batches_max", "value_cache_bytes",
                                            "value_log_threshold_bytes", "value_log_segment_bytes",
                                            "value_log_live_percent", NULL };

/* True when the option is known and its value fits the field. */
static bool option_set(levin_options *o, const store_option *option)
{
    if (strcmp(option->name, "page_cache_bytes") == 0)
        o->cache_bytes = option->value;
    else if (strcmp(option->name, "row_cache_bytes") == 0)
        o->row_cache_bytes = option->value;
    else if (strcmp(option->name, "memtable_bytes") == 0)
        o->memtable_bytes = option->value;
    else if (strcmp(option->name, "wal_segment_bytes") == 0)
        o->wal_segment_bytes = option->value;
    else if (strcmp(option->name, "value_cache_bytes") == 0)
        o->value_cache_bytes = option->value;
    else if (strcmp(option->name, "value_log_threshold_bytes") == 0)
        o->value_log_threshold_bytes = option->value;
    else if (strcmp(option->name, "value_log_segment_bytes") == 0)
        o->value_log_segment_bytes = option->value;
    else if (option->value > UINT32_MAX)
        return false;
    else if (strcmp(option->name, "commit_interval_us") == 0)
        o->commit_interval_us = (uint32_t)option->value;
    else if (strcmp(option->name, "value_log_live_percent") == 0)
        o->value_log_live_percent = (uint32_t)option->value;
    else if (strcmp(option->name, "group_batches_max") == 0)
        o->group_batches_max = (uint32_t)option->value;
    else if (strcmp(option->name, "page_bytes") == 0)
        o->page_bytes = (uint32_t)option->value;
    else if (strcmp(option->name, "background") == 0)
        o->background = option->value ? LEVIN_BACKGROUND_THREAD : LEVIN_BACKGROUND_NONE;
    else
        return false;
    return true;
}

static bool is_given(const store_config *config, const char *name)
{
    for (size_t i = 0; i < config->option_count; i++)
        if (strcmp(config->options[i].name, name) == 0)
            return true;
    return false;
}

/* Large values share with the pages. False when they would leave those nothing. */
static bool split_pages(const store_config *config, levin_options *o, bool pages_given, uint64_t pages_min,
                        char message[STORE_MESSAGE_BYTES])
{
    enum { LARGE_MIN_BYTES = 65536 }; /* of levin_options */
    const bool large_given = is_given(config, "value_cache_bytes");
    if (!large_given)
        o->value_cache_bytes = 0;
    if (pages_given)
        return true;
    if (!large_given && o->cache_bytes / 2 >= pages_min && o->cache_bytes / 2 >= LARGE_MIN_BYTES)
        o->value_cache_bytes = o->cache_bytes / 2;
    if (o->value_cache_bytes && o->value_cache_bytes + pages_min > o->cache_bytes) {
        snprintf(message, STORE_MESSAGE_BYTES, "value_cache_bytes=%llu is more than the %llu that are left of the "
                 "budget for pages and large values: give page_cache_bytes as well, or a larger budget",
                 (unsigned long long)o->value_cache_bytes, (unsigned long long)o->cache_bytes);
        return false;
    }
    o->cache_bytes -= o->value_cache_bytes;
    return true;
}

/* What was not given gets its share of the budget. False when what was given leaves none. */
static bool split_cache(const store_config *config, levin_options *o, char message[STORE_MESSAGE_BYTES])
{
    enum { PAGES_MIN = 16, ROWS_MIN_BYTES = 32768 }; /* of levin_options */
    const bool rows = is_given(config, "row_cache_bytes"), pages = is_given(config, "page_cache_bytes");
    const uint64_t budget = config->cache_bytes, pages_min = (uint64_t)PAGES_MIN * o->page_bytes;
    const uint64_t most = budget > pages_min ? budget - pages_min : 0; /* for rows */
    if (!budget)
        return true;
    if (rows && pages)
        return split_pages(config, o, true, pages_min, message);
    if (rows && o->row_cache_bytes > most) {
        snprintf(message, STORE_MESSAGE_BYTES, "row_cache_bytes=%llu leaves less than %d pages of a budget of %llu: "
                 "give page_cache_bytes as well, or a larger budget", (unsigned long long)o->row_cache_bytes, PAGES_MIN,
                 (unsigned long long)budget);
        return false;
    }
    if (pages && o->cache_bytes > budget) {
        snprintf(message, STORE_MESSAGE_BYTES, "page_cache_bytes=%llu is more than the budget of %llu: give "
                 "row_cache_bytes as well, or a larger budget", (unsigned long long)o->cache_bytes,
                 (unsigned long long)budget);
        return false;
    }
    if (!rows)
        o->row_cache_bytes = pages ? budget - o->cache_bytes : budget / 2 < most ? budget / 2 : most;
    if (!rows && o->row_cache_bytes < ROWS_MIN_BYTES)
        o->row_cache_bytes = 0;
    if (!pages)
        o->cache_bytes = budget - o->row_cache_bytes;
    return split_pages(config, o, pages, pages_min, message);
}

/* The options of this store come last: they win. */
static bool options_of(const store_config *config, levin_options *o, char message[STORE_MESSAGE_BYTES])
{
    levin_options_init(o);
    o->create_if_missing = config->create;
    if (config->write_buffer_bytes)
        o->memtable_bytes = config->write_buffer_bytes;
    o->background = config->background ? LEVIN_BACKGROUND_THREAD : LEVIN_BACKGROUND_NONE;
    for (size_t i = 0; i < config->option_count; i++)
        if (!option_set(o, &config->options[i])) {
            snprintf(message, STORE_MESSAGE_BYTES, "no such option, or a value out of range: %s=%llu",
                     config->options[i].name, (unsigned long long)config->options[i].value);
            return false;
        }
    return split_cache(config, o, message);
}

static void levin_adapter_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    levin_options o;
    if (!options_of(config, &o, text))
        return;
    const uint64_t caches = o.cache_bytes + o.row_cache_bytes + o.value_cache_bytes;
    const bool small = caches < (uint64_t)16 << 20; /* its parts would be none of a MiB */
    const unsigned shift = small ? 10 : 20;
    const char *const unit = small ? "KiB" : "MiB";
    snprintf(text, STORE_MESSAGE_BYTES,
             "durability: %s; checksums: XXH3-64 of each page, log group and large value, verified by each read from a "
             "file, always on; group commit (interval %u us), caches %llu %s (for rows %llu %s, for pages %llu %s, for "
             "large values %llu %s), memtable %llu KiB, log segments of %llu KiB, pages of %u KiB, value log over %llu "
             "bytes, background %s",
             config->sync ? "LEVIN_SYNCED, the log is synced before a batch is acknowledged"
                          : "LEVIN_LOGGED, the log is written, not synced",
             o.commit_interval_us, (unsigned long long)(caches >> shift), unit,
             (unsigned long long)(o.row_cache_bytes >> shift), unit, (unsigned long long)(o.cache_bytes >> shift), unit,
             (unsigned long long)(o.value_cache_bytes >> shift), unit, (unsigned long long)(o.memtable_bytes >> 10),
             (unsigned long long)(o.wal_segment_bytes >> 10), o.page_bytes >> 10,
             (unsigned long long)o.value_log_threshold_bytes,
             o.background == LEVIN_BACKGROUND_THREAD ? "thread" : "none");
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
    *s = NULL;
    if (!options_of(config, &o, message))
        return STORE_FAILED;
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
    levin_durability durability = sync ? LEVIN_SYNCED : LEVIN_LOGGED; /* as the others: the kernel has it */
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
    if (code == LEVIN_OK)
        return STORE_OK;
    if (code == LEVIN_TOO_SMALL) { /* the interface wants as much as fits */
        void *value;
        code = levin_get_alloc(session->s->db, NULL, key.data, key.bytes, &value, bytes);
        if (code == LEVIN_OK) {
            value_copy((store_slice){ value, *bytes }, buffer, capacity, bytes);
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
            store_get *g = &gets[done + i];
            g->bytes = r[i].value_bytes;
            g->result = r[i].code == LEVIN_TOO_SMALL
                            ? levin_adapter_get(session, g->key, g->buffer, g->capacity, &g->bytes)
                            : result_of(r[i].code);
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
    while (valid) {
        levin_slice key = levin_iter_key(it), value = levin_iter_value(it);
        if (!value.data && levin_iter_status(it) != LEVIN_OK)
            break;
        if (!visit(context, (store_slice){ key.data, key.size }, (store_slice){ value.data, value.size }))
            break;
        if (!--left)
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

static store_result levin_adapter_compact(store_session *session)
{
    return session_result(session, levin_compact(session->s->db, NULL, NULL));
}

static uint64_t levin_adapter_checkpoints(store_session *session)
{
    levin_stats stats;
    levin_stats_get(session->s->db, &stats);
    return stats.checkpoints;
}

const store_adapter adapter_levin = {
    .abi = STORE_ABI,
    .name = "levin",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_MULTI_GET | STORE_CAN_CHECK | STORE_CAN_WRITE_CONCURRENTLY |
                    STORE_CAN_COMPACT | STORE_HAS_WRITE_BUFFER | STORE_IS_TUNED,
    .version = levin_version,
    .configuration = levin_adapter_configuration,
    .option_names = option_names,
    .strictest = "none exists: checksums cannot be turned off, and what is acknowledged with LEVIN_SYNCED is synced",
    .small_options = "wal_segment_bytes=65536:page_bytes=4096:memtable_bytes=65536:value_log_segment_bytes=262144",
    .spare_files = "wal-",
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
    .checkpoints = levin_adapter_checkpoints,
    .compact = levin_adapter_compact,
};
