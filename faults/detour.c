/*
 * detour.c - what a transaction writes and takes back by savepoints: it must leave nothing.
 */
#include "detour.h"

#include <stdbool.h>
#include <string.h>

static const levin_slice astray = { "detour", 6 };

/* value->data NULL: the key is not there; otherwise to be given back by levin_free(). */
static levin_code look(levin_txn *txn, const levin_keyspace *keyspace, levin_slice key, levin_slice *value)
{
    void *data = NULL;
    size_t bytes = 0;
    const levin_code code = levin_txn_get_alloc_in(txn, keyspace, key.data, key.size, &data, &bytes);
    *value = code == LEVIN_OK ? (levin_slice){ data, bytes } : (levin_slice){ NULL, 0 };
    return code == LEVIN_NOT_FOUND ? LEVIN_OK : code;
}

static bool alike(levin_slice a, levin_slice b)
{
    if (!a.data || !b.data)
        return !a.data && !b.data;
    return a.size == b.size && (!a.size || memcmp(a.data, b.data, a.size) == 0);
}

/* The transaction sees `right` under the key (data NULL: nothing), or the flaw is told. */
static levin_code expect(levin *store, levin_txn *txn, const levin_keyspace *keyspace, levin_slice key,
                         levin_slice right, const char *text, const char **flaw)
{
    levin_slice value;
    const levin_code code = look(txn, keyspace, key, &value);
    if (code == LEVIN_OK && !alike(value, right))
        *flaw = text;
    levin_free(store, (void *)(uintptr_t)value.data);
    return code;
}

/* A savepoint, and behind it a put of the key. */
static levin_code put_behind_savepoint(levin_txn *txn, const levin_keyspace *keyspace, levin_slice key)
{
    levin_code code = levin_txn_savepoint(txn);
    if (code == LEVIN_OK)
        code = levin_txn_put_in(txn, keyspace, key.data, key.size, astray.data, astray.size);
    return code;
}

/* A savepoint, and behind it everything around the key goes, and another key comes. */
static levin_code delete_behind_savepoint(levin_txn *txn, const levin_keyspace *keyspace, levin_slice key)
{
    levin_code code = levin_txn_savepoint(txn);
    if (code == LEVIN_OK)
        code = levin_txn_delete_prefix_in(txn, keyspace, key.data, key.size > 1 ? key.size - 1 : key.size);
    if (code == LEVIN_OK)
        code = levin_txn_put_in(txn, keyspace, astray.data, astray.size, "", 0);
    return code;
}

levin_code detour_take(levin *store, levin_txn *txn, const levin_keyspace *keyspace, levin_slice key,
                       const char **flaw)
{
    static const levin_slice nothing = { NULL, 0 };
    levin_slice before;
    *flaw = NULL;
    levin_code code = look(txn, keyspace, key, &before);
    if (code == LEVIN_OK)
        code = put_behind_savepoint(txn, keyspace, key);
    if (code == LEVIN_OK)
        code = delete_behind_savepoint(txn, keyspace, key);
    if (code == LEVIN_OK)
        code = expect(store, txn, keyspace, key, nothing, "a transaction shows a key in a range that it has deleted",
                      flaw);
    if (code == LEVIN_OK)
        code = levin_txn_rollback_to_savepoint(txn);
    if (code == LEVIN_OK)
        code = expect(store, txn, keyspace, key, astray,
                      "a transaction back at a savepoint does not show what it had put before", flaw);
    if (code == LEVIN_OK)
        code = levin_txn_rollback_to_savepoint(txn);
    if (code == LEVIN_OK)
        code = expect(store, txn, keyspace, key, before,
                      "a transaction back at a savepoint shows what it has taken back", flaw);
    if (code == LEVIN_OK)
        code = levin_txn_savepoint(txn);
    levin_free(store, (void *)(uintptr_t)before.data);
    return code;
}
