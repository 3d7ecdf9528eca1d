/*
 * shard.c - stretches that are as equal as can be, longer ones first.
 */
#include "shard.h"

#include <errno.h>
#include <stdlib.h>

bool shard_parse(const char *text, shard *s)
{
    char *end;
    errno = 0;
    const unsigned long long index = strtoull(text, &end, 10);
    if (*text < '1' || *text > '9' || *end != '/' || end[1] < '1' || end[1] > '9')
        return false;
    const unsigned long long count = strtoull(end + 1, &end, 10);
    if (*end || errno || index > count || count > UINT32_MAX)
        return false;
    *s = (shard){ index - 1, count };
    return true;
}

uint64_t shard_first(shard s, uint64_t total)
{
    const uint64_t longer = total % s.count;
    return total / s.count * s.index + (s.index < longer ? s.index : longer);
}

uint64_t shard_share(shard s, uint64_t total)
{
    return total / s.count + (s.index < total % s.count);
}
