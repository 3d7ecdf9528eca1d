/*
 * spaces.c - the named keyspaces of a store (spaces.h).  Concurrency: one thread.
 */
#include "spaces.h"

#include <string.h>

#include "fuzz.h"

static bool add_name(void *context, levin_slice name)
{
    spaces *s = context;
    fuzz_require(name.size >= 1 && name.size <= SPACE_NAME_MAX, "a keyspace with a name of %zu bytes", name.size);
    if (s->count == 1 + SPACES_MAX) {
        s->more = true;
        return false;
    }
    memcpy(s->of[s->count].name, name.data, name.size);
    s->of[s->count++].name_bytes = name.size;
    return true;
}

void spaces_open(spaces *s, levin *store)
{
    *s = (spaces){ .count = 1 };
    s->code = levin_keyspace_list(store, NULL, add_name, s);
    fuzz_require((s->code == LEVIN_INTERRUPTED) == s->more, "levin_keyspace_list gave %s", levin_code_name(s->code));
    if (s->more)
        s->code = LEVIN_OK;
    const unsigned listed = s->count;
    for (s->count = 1; s->count < listed && s->code == LEVIN_OK; s->count += s->code == LEVIN_OK)
        s->code = levin_keyspace_open(store, s->of[s->count].name, s->of[s->count].name_bytes, 0,
                                      &s->of[s->count].handle);
}

void spaces_close(spaces *s)
{
    while (s->count > 1)
        levin_keyspace_close(s->of[--s->count].handle);
}

levin_slice spaces_key(levin_slice name, levin_slice key, uint8_t buffer[SPACE_KEY_MAX])
{
    buffer[0] = SPACE_MARK;
    memcpy(buffer + 1, name.data, name.size);
    buffer[1 + name.size] = 0;
    memcpy(buffer + 2 + name.size, key.data, key.size);
    return (levin_slice){ buffer, 2 + name.size + key.size };
}

levin_slice spaces_tell(const spaces *s, unsigned space, levin_slice key, uint8_t buffer[SPACE_KEY_MAX])
{
    const levin_slice name = { s->of[space].name, s->of[space].name_bytes };
    return space ? spaces_key(name, key, buffer) : key;
}

bool spaces_find(const spaces *s, levin_slice told, unsigned *space, levin_slice *key)
{
    const uint8_t *at = told.data;
    *space = 0;
    *key = told;
    if (!told.size || at[0] != SPACE_MARK)
        return true;
    for (*space = 1; *space < s->count; ++*space) {
        const size_t bytes = s->of[*space].name_bytes;
        *key = (levin_slice){ at + 2 + bytes, told.size - 2 - bytes };
        if (told.size >= 2 + bytes && !memcmp(at + 1, s->of[*space].name, bytes) && !at[1 + bytes])
            return true;
    }
    return false;
}
