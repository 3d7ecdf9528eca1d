/*
 * json_merge.h - the reports of the shards of a campaign as the report of the whole: levin-chaos merge, levin-gate
 * --merge, levin-bench --merge.
 *
 * What a number becomes is said by its name: settings (version, data, depth, options, ...) must be equal; least and
 * seed become the smallest, jobs and the latencies the largest (of a latency that is the worst shard's); complete and
 * ok hold when they hold for all, interrupted and cut when for any; all other numbers are added.  Lists of numbers are
 * added one by one; lists of objects are joined, entries of the same texts becoming one.
 */
#ifndef LEVIN_FAULTS_JSON_MERGE_H
#define LEVIN_FAULTS_JSON_MERGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { JSON_MERGE_MESSAGE = 256 };

/* A new reference, the documents staying the caller's; NULL with a message when they are not of one campaign. */
json_t *json_merge(json_t *const *documents, size_t count, char message[JSON_MERGE_MESSAGE]);
/* Of files, one or more; message names the one that cannot be read. */
json_t *json_merge_files(char *const *paths, size_t count, char message[JSON_MERGE_MESSAGE]);

#endif
