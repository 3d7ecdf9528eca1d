/*
 * iter.h - iterators over what is not a plain version: a transaction's view, a leader's private state; where values
 * stand.  Internal.
 */
#ifndef LEVIN_ITER_H
#define LEVIN_ITER_H

#include "db.h"

struct txn_scan;

/*
 * As levin_iter_open() over the version with these layers of the domain in place of its own, and `own` (may be NULL)
 * above them; the roots are kept by the caller.  DOMAIN_NAMED without a keyspace in the options: keys and bounds have
 * their ids in front.  The caller's reference on the version goes over to the iterator, on a failure too.  The options'
 * snapshot is not looked at.  scan (may be NULL) learns what is seen; levin_iter_close() ends it.  On a failure it is
 * untouched.
 */
levin_code iter_open_on(levin *store, const version *v, unsigned domain, const version_layers *layers,
                        const mem_roots *own, struct txn_scan *scan, const levin_iter_options *o, levin_iter **iter);
/*
 * Over all that the named keyspaces hold in this version, the catalogue too: the id of its keyspace is in front of a
 * key.  The reference on the version goes over as above.
 */
levin_code iter_open_named(levin *store, const version *v, levin_iter **iter);
/* Tells the scan of the iterator about where it stands. */
void iter_scan_fold(levin_iter *it);

/* Whether the value of the current pair stands in the value log, and where. Precondition: levin_iter_valid(). */
bool iter_pointer(const levin_iter *iter, vlog_pointer *p);
/* The value of the current pair, unless it stands outside of record and page. Precondition: levin_iter_valid(). */
bool iter_value_inline(const levin_iter *iter, levin_slice *value);

#endif
