/*
 * txn_iter.c - iterators of a transaction: its base with its own writes on top, and what they have seen (txn_scan.h).
 *
 * An iterator stands on roots that do not change: it shows the own writes made before it was opened.
 *
 * Concurrency: as the transaction, one thread at a time.  Memory: a failed call leaves the transaction as it was.
 */
#include "iter.h"
#include "keyspace.h"
#include "txn.h"

levin_code levin_txn_iter_open(levin_txn *txn, const levin_iter_options *options, levin_iter **iter)
{
    const levin_iter_options all = { 0 };
    const levin_iter_options *o = options ? options : &all;
    levin *store = txn->store;
    levin_error error;
    txn_scan *scan;
    *iter = NULL;
    levin_code code = txn_check_open(txn);
    if (code == LEVIN_OK && o->snapshot)
        code = db_refuse(store, LEVIN_INVALID, "a transaction reads its own beginning: no snapshot can be given");
    if (code == LEVIN_OK && o->keyspace)
        code = keyspace_check(store, o->keyspace, &txn->base);
    if (code == LEVIN_OK)
        code = txn_touch(txn, o->keyspace, true);
    if (code == LEVIN_OK)
        code = txn_check_room(txn, sizeof *scan);
    if (code != LEVIN_OK)
        return code;
    const unsigned domain = o->keyspace ? DOMAIN_NAMED : DOMAIN_PLAIN;
    code = txn_scan_create(&txn->seen, &txn->writes, domain, txn->isolation == LEVIN_SERIALIZABLE, &scan, &error);
    if (code != LEVIN_OK)
        return db_fail(store, &error);
    const version *v = txn->base.v;
    version_ref(v);
    code = iter_open_on(store, v, domain, &v->of[domain], &txn->writes.of[domain], scan, o, iter);
    txn_show_bytes(txn);
    if (code == LEVIN_OK)
        scan->iter = *iter;
    else
        txn_scan_end(scan);
    return code;
}
