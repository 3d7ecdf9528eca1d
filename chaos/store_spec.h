/*
 * store_spec.h - a store as a command line names it: NAME, NAME:OPTION=NUMBER:OPTION=NUMBER, or NAME:ARGUMENT for an
 * adapter that takes one; NAME is a known name or the path of a plug-in.
 */
#ifndef LEVIN_CHAOS_STORE_SPEC_H
#define LEVIN_CHAOS_STORE_SPEC_H

#include "store.h"

enum { STORE_LABEL_BYTES = 256, STORE_OPTIONS_MAX = 8 };

typedef struct store_spec {
    const store_adapter *adapter;
    char label[STORE_LABEL_BYTES]; /* as it was named */
    store_option option[STORE_OPTIONS_MAX]; /* of the adapter's own; they win over what is common to all */
    size_t options;
    /* Common to all, instead of what the command line says for all stores; 0: not given. */
    uint64_t cache_bytes, write_buffer_bytes, map_bytes;
    bool no_background;
    const char *argument; /* points into label */
} store_spec;

/*
 * Loads the adapter too.  False with a sentence in `message`, which for a store that is not built names the package
 * that it needs.  A spec with an argument must not be moved afterwards.
 */
bool store_spec_parse(const char *text, store_spec *s, char message[STORE_MESSAGE_BYTES]);
/* Takes further options, as in `OPTION=NUMBER:OPTION=NUMBER`; NULL: none. */
bool store_spec_add(store_spec *s, const char *options, char message[STORE_MESSAGE_BYTES]);

#endif
