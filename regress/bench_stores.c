/*
 * bench_stores.c - parses what --store says of a store.
 */
#include "bench_stores.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool number_parse(const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return !errno && end != text && !*end && *text != '-';
}

static void tell_options(const store_adapter *a, const char *name, char message[STORE_MESSAGE_BYTES])
{
    int at = snprintf(message, STORE_MESSAGE_BYTES, "%s has no option %.60s; there are cache_bytes, "
                      "write_buffer_bytes, map_bytes, background", a->name, name);
    for (const char *const *n = a->option_names; n && *n && at < STORE_MESSAGE_BYTES; n++)
        at += snprintf(message + at, (size_t)(STORE_MESSAGE_BYTES - at), ", %s", *n);
}

/* The adapter's own first: it may have an option of the same name. */
static bool option_take(bench_store *s, char *text, char message[STORE_MESSAGE_BYTES])
{
    const store_adapter *a = s->adapter;
    char *sign = strchr(text, '=');
    uint64_t value;
    if (!sign || !number_parse(sign + 1, &value)) {
        snprintf(message, STORE_MESSAGE_BYTES, "an option is NAME=NUMBER, this is not: %.100s", text);
        return false;
    }
    *sign = '\0';
    for (const char *const *n = a->option_names; n && *n; n++)
        if (strcmp(*n, text) == 0) {
            if (s->options == BENCH_STORE_OPTIONS_MAX) {
                snprintf(message, STORE_MESSAGE_BYTES, "at most %d options", BENCH_STORE_OPTIONS_MAX);
                return false;
            }
            s->option[s->options++] = (store_option){ *n, value };
            return true;
        }
    if (strcmp(text, "cache_bytes") == 0)
        s->cache_bytes = value;
    else if (strcmp(text, "write_buffer_bytes") == 0)
        s->write_buffer_bytes = value;
    else if (strcmp(text, "map_bytes") == 0)
        s->map_bytes = value;
    else if (strcmp(text, "background") == 0)
        s->no_background = !value;
    else
        return tell_options(a, text, message), false;
    return true;
}

bool bench_store_parse(const char *text, bench_store *s, char message[STORE_MESSAGE_BYTES])
{
    char copy[BENCH_STORE_LABEL_BYTES], *save;
    memset(s, 0, sizeof *s);
    if (snprintf(s->label, sizeof s->label, "%s", text) >= (int)sizeof s->label) {
        snprintf(message, STORE_MESSAGE_BYTES, "too long: %.100s", text);
        return false;
    }
    memcpy(copy, s->label, sizeof copy);
    const char *name = strtok_r(copy, ":", &save);
    s->adapter = name ? store_adapter_find(name) : NULL;
    if (!s->adapter) {
        snprintf(message, STORE_MESSAGE_BYTES, "no such store: %s", name ? name : "");
        for (const store_absence *absence = store_absences(); name && absence->name; absence++)
            if (strcmp(absence->name, name) == 0)
                snprintf(message, STORE_MESSAGE_BYTES, "%s: not built; make deps-stores installs %s", name,
                         absence->package);
        return false;
    }
    for (char *option; (option = strtok_r(NULL, ":", &save)) != NULL;)
        if (!option_take(s, option, message))
            return false;
    return true;
}

store_config bench_store_config(const bench_store *s, bool synced, bench_sizes sizes)
{
    return (store_config){
        .create = true,
        .sync = synced,
        .cache_bytes = s->cache_bytes ? s->cache_bytes : sizes.cache_bytes,
        .write_buffer_bytes = s->write_buffer_bytes ? s->write_buffer_bytes : sizes.write_buffer_bytes,
        .map_bytes = s->map_bytes ? s->map_bytes : sizes.map_bytes,
        .background = !s->no_background,
        .options = s->option,
        .option_count = s->options,
    };
}
