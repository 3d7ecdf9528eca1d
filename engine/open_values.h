/*
 * open_values.h - the value log at levin_open(): its table, the pointers in the replayed log.  Internal.
 */
#ifndef LEVIN_OPEN_VALUES_H
#define LEVIN_OPEN_VALUES_H

#include "db.h"

/* The segments that the meta page's table names. own_pages (NULL: not wanted) gets the pages of the table. */
levin_code values_load(levin *db, extent_list *own_pages, levin_error *error);
/* wal_visitor's accept. */
levin_code values_accept(vlog *values, const uint8_t *payload, uint32_t batches, bool proven, bool *whole,
                         levin_error *error);
/* After the log was recovered. replayed: it held batches. */
levin_code values_ready(levin *db, bool replayed, levin_error *error);

#endif
