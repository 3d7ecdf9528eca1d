/*
 * shard.h - a campaign in n parts: which part of what is this one's.  --shard i/n, i from 1.
 */
#ifndef LEVIN_FAULTS_SHARD_H
#define LEVIN_FAULTS_SHARD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct shard {
    uint64_t index, count; /* from 0; count 0: no shards */
} shard;

/* False when text is not i/n with i from 1 to n. */
bool shard_parse(const char *text, shard *s);
/* The stretch of [0, total) that is this shard's; all stretches differ in length by at most one. */
uint64_t shard_first(shard s, uint64_t total);
uint64_t shard_share(shard s, uint64_t total);

#endif
