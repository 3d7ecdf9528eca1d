/*
 * oracle_spaces.c - the named keyspaces of an open store: what the list says, and handles to read them with.
 *
 * A handle is opened by name in the newest state; with a snapshot held across creations and drops the handles must be
 * those of its own time, which the options bring.
 */
#include <string.h>

#include "oracle_model.h"

static uint32_t space_find(const oracle *o, levin_slice name)
{
    uint32_t space = 1;
    while (space < o->space_count && !oracle_same(o->spaces[space], name))
        space++;
    return space;
}

static bool space_listed(void *context, levin_slice name)
{
    oracle_spaces *s = context;
    char text[80];
    const uint32_t space = space_find(s->o, name);
    if (s->last_bytes && oracle_compare((levin_slice){ s->last, s->last_bytes }, name) >= 0)
        oracle_fault(s->verdict, "EXACT", "the keyspace %s is listed out of order", oracle_text(name, text));
    if (space >= s->o->space_count)
        oracle_fault(s->verdict, "EXACT", "there is a keyspace %s, which nobody has made", oracle_text(name, text));
    else
        s->there[space] = true;
    s->last_bytes = name.size < sizeof s->last ? name.size : sizeof s->last;
    memcpy(s->last, name.data, s->last_bytes);
    return s->verdict->promise == NULL;
}

levin_code oracle_spaces_open(oracle_spaces *s, const oracle *o, levin *store, const oracle_check_options *options,
                              const char **what, oracle_verdict *verdict)
{
    *s = (oracle_spaces){ .store = store, .o = o, .owned = !options->spaces, .verdict = verdict };
    *what = "the list of keyspaces";
    levin_code code = levin_keyspace_list(store, options->snapshot, space_listed, s);
    if (code != LEVIN_OK)
        return verdict->promise ? LEVIN_OK : code;
    *what = "opening a keyspace that is listed";
    for (uint32_t space = 1; space < o->space_count && code == LEVIN_OK; space++) {
        if (!s->there[space])
            continue;
        if (s->owned)
            code = levin_keyspace_open(store, o->spaces[space].data, o->spaces[space].size, 0, &s->of[space]);
        else
            s->of[space] = options->spaces[space];
        if (code == LEVIN_OK && !s->of[space])
            oracle_fault(verdict, "EXACT", "the snapshot shows a keyspace that was not there when it was taken");
    }
    return code;
}

void oracle_spaces_close(oracle_spaces *s)
{
    for (uint32_t space = 1; space < ORACLE_SPACES_MAX && s->owned; space++)
        levin_keyspace_close(s->of[space]);
}
