/*
 * store_spec.c - parses what --store says of a store.
 */
#include "store_spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "argument.h"

static void tell_options(const store_adapter *a, const char *name, char message[STORE_MESSAGE_BYTES])
{
    int at = snprintf(message, STORE_MESSAGE_BYTES, "%s has no option %.60s; there are cache_bytes, "
                      "write_buffer_bytes, map_bytes, background", a->name, name);
    for (const char *const *n = a->option_names; n && *n && at < STORE_MESSAGE_BYTES; n++)
        at += snprintf(message + at, (size_t)(STORE_MESSAGE_BYTES - at), ", %s", *n);
}

/* The adapter's own first: it may have an option of the same name. */
static bool option_take(store_spec *s, char *text, char message[STORE_MESSAGE_BYTES])
{
    const store_adapter *a = s->adapter;
    char *sign = strchr(text, '=');
    uint64_t value;
    if (!sign || !argument_number(sign + 1, 0, UINT64_MAX, &value)) {
        snprintf(message, STORE_MESSAGE_BYTES, "an option is NAME=NUMBER, this is not: %.100s", text);
        return false;
    }
    *sign = '\0';
    for (const char *const *n = a->option_names; n && *n; n++)
        if (strcmp(*n, text) == 0) {
            if (s->options == STORE_OPTIONS_MAX) {
                snprintf(message, STORE_MESSAGE_BYTES, "at most %d options", STORE_OPTIONS_MAX);
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

bool store_spec_add(store_spec *s, const char *options, char message[STORE_MESSAGE_BYTES])
{
    char copy[STORE_LABEL_BYTES], *save;
    if (snprintf(copy, sizeof copy, "%s", options ? options : "") >= (int)sizeof copy) {
        snprintf(message, STORE_MESSAGE_BYTES, "too long: %.100s", options);
        return false;
    }
    for (char *option = strtok_r(copy, ":", &save); option; option = strtok_r(NULL, ":", &save))
        if (!option_take(s, option, message))
            return false;
    return true;
}

bool store_spec_parse(const char *text, store_spec *s, char message[STORE_MESSAGE_BYTES])
{
    char name[STORE_LABEL_BYTES];
    memset(s, 0, sizeof *s);
    if (snprintf(s->label, sizeof s->label, "%s", text) >= (int)sizeof s->label) {
        snprintf(message, STORE_MESSAGE_BYTES, "too long: %.100s", text);
        return false;
    }
    const size_t bytes = strcspn(s->label, ":");
    snprintf(name, sizeof name, "%.*s", (int)bytes, s->label);
    s->adapter = store_adapter_load(name, message);
    if (!s->adapter)
        return false;
    if (!s->adapter->takes_argument)
        return store_spec_add(s, s->label + bytes, message);
    s->argument = s->label + bytes + (s->label[bytes] == ':');
    if (*s->argument)
        return true;
    snprintf(message, STORE_MESSAGE_BYTES, "it wants an argument: %.200s:...", name);
    return false;
}
