/*
 * plain_log.c - groups and batches of the log, read plainly (plain_log.h).
 *
 * Invariants: no byte outside of a file is read.  The rules, in the order in which they are asked:
 *   - the headers of all segments, by number: an unknown version, another store's or another sector size end it;
 *   - the segment that the start names is there; the start is a sector in it;
 *   - a group goes on with the log when it stands whole at the position, with the checksum of the one before, and
 *     no lower incarnation; then it must make sense, or the log is rotten;
 *   - where none does, any group behind that whole group calls a later position durable, or knows a later checkpoint
 *     than the start, makes the log rotten; salvage passes over all of it but a later checkpoint.
 */
#include "plain_log.h"

#include <stdlib.h>
#include <string.h>

#include "../engine/checksum.h"
#include "../engine/wal_format.h"
#include "../faults/fatal.h"

/* ---- batches ---------------------------------------------------------------------------------------------- */

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

bool plain_below(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    int c = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return c < 0 || (c == 0 && a_bytes < b_bytes);
}

/* The end of a range: above its start, and of a named keyspace in it or the next id alone. */
static bool plain_range_end(const uint8_t *key, size_t key_bytes, const uint8_t *end, size_t end_bytes, bool named)
{
    if (end_bytes > 16384 || (end_bytes && !plain_below(key, key_bytes, end, end_bytes)))
        return false;
    if (!named)
        return true;
    if (end_bytes < 4)
        return false;
    if (big_endian(end) == big_endian(key))
        return end_bytes > 4;
    return end_bytes == 4 && big_endian(end) == (uint32_t)(big_endian(key) + 1);
}

/* Bytes of the operation at the front, 0 when it is none. */
static size_t plain_operation(const uint8_t *at, size_t left, size_t key_max, bool *points)
{
    if (left < 8)
        return 0;
    uint64_t key_bytes = plain_number(at + 2, 2), value_bytes = plain_number(at + 4, 4);
    const uint8_t *key = at + 8, *value = key + key_bytes;
    bool named = at[1] == 1;
    if (at[1] > 1 || key_bytes < (named ? 5 : 1) || key_bytes > 16384 || value_bytes > 256 << 20 ||
        8 + key_bytes + value_bytes > left || key_bytes > key_max)
        return 0;
    if (at[0] == 2 && value_bytes)
        return 0;
    if (at[0] == 3 && (!plain_range_end(key, key_bytes, value, value_bytes, named) || value_bytes > key_max))
        return 0;
    if (at[0] == 4) {
        if (value_bytes != 24 || !plain_pointer(value, key_bytes))
            return 0;
        *points = true;
    }
    return at[0] >= 1 && at[0] <= 4 ? 8 + key_bytes + value_bytes : 0;
}

size_t plain_batch(const uint8_t *at, size_t left, size_t key_max, bool *points)
{
    if (left < 16)
        return 0;
    uint64_t bytes = plain_number(at, 4), count = plain_number(at + 4, 4), used = 0;
    if (bytes > left - 16 || plain_number(at + 8, 4) > 2 || plain_number(at + 12, 4))
        return 0;
    for (; count > 0; count--) {
        size_t step = plain_operation(at + 16 + used, bytes - used, key_max, points);
        if (!step)
            return 0;
        used += step;
    }
    return used == bytes ? 16 + bytes : 0;
}

/* Whether all values that a whole payload points to are there. */
static bool values_there(const plain_start *start, const uint8_t *payload, uint64_t batches)
{
    for (; batches > 0; batches--) {
        uint64_t count = plain_number(payload + 4, 4);
        for (payload += 16; count > 0; count--) {
            uint64_t key_bytes = plain_number(payload + 2, 2);
            if (payload[0] == 4 && !start->there(payload + 8 + key_bytes))
                return false;
            payload += 8 + key_bytes + plain_number(payload + 4, 4);
        }
    }
    return true;
}

/* ---- segments --------------------------------------------------------------------------------------------- */

typedef struct segment {
    uint64_t number, bytes; /* bytes: the file's, or those that its header claims when they are fewer */
    uint64_t claimed;
    const uint8_t *data;
    bool good;
} segment;

typedef struct plain {
    const plain_start *start;
    plain_log *log;
    segment segments[CONTAINER_FILES_MAX];
    unsigned count;
    uint64_t identity;
    uint64_t chain, incarnation; /* of the last group */
    uint64_t proven;             /* position: durable by what the whole chain says */
} plain;

static const segment *segment_of(const plain *p, uint64_t number)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->segments[i].number == number)
            return &p->segments[i];
    return NULL;
}

/* The files in the order of their numbers; of two with one name the first. */
static void collect(plain *p, const container *files)
{
    for (unsigned i = 0; i < files->count; i++) {
        const container_file *f = &files->file[i];
        if (f->kind != FILE_WAL || !f->number || segment_of(p, f->number))
            continue;
        unsigned at = p->count++;
        for (; at && p->segments[at - 1].number > f->number; at--)
            p->segments[at] = p->segments[at - 1];
        p->segments[at] = (segment){ .number = f->number, .bytes = f->bytes, .data = f->data };
    }
}

static enum plain_verdict read_header(plain *p, segment *s)
{
    const uint8_t *h = s->data;
    uint8_t padded[512] = { 0 };
    if (s->bytes < 512) { /* a short file reads as zeros behind its end */
        if (s->bytes)
            memcpy(padded, s->data, s->bytes);
        h = padded;
    }
    if (memcmp(h + 8, "LEVINWAL", 8) ||
        plain_number(h, 8) != checksum(h + 8, 504, checksum_seed(0, PLACE_WAL_SEGMENT, plain_number(h + 40, 8))))
        return PLAIN_WHOLE;
    uint64_t version = plain_number(h + 16, 4), sector = plain_number(h + 20, 4);
    if (version < 1 || version > 2)
        return PLAIN_UNKNOWN;
    if (memcmp(h + 24, p->start->identity, 16) || sector != p->start->sector_bytes)
        return PLAIN_ROTTEN;
    s->claimed = plain_number(h + 48, 8);
    if (s->claimed < 4 * sector || s->claimed % sector || s->claimed > UINT32_MAX)
        return PLAIN_WHOLE;
    s->good = plain_number(h + 40, 8) == s->number;
    if (s->good && s->claimed > p->log->longest)
        p->log->longest = s->claimed;
    return PLAIN_WHOLE;
}

/* ---- groups ----------------------------------------------------------------------------------------------- */

static uint64_t group_bytes(const plain *p, const uint8_t *group)
{
    uint64_t sector = p->start->sector_bytes;
    return (80 + plain_number(group + WAL_GROUP_PAYLOAD_BYTES, 4) + sector - 1) / sector * sector;
}

/* Bytes of a segment that count. */
static uint64_t limit_of(const segment *s)
{
    return s->good && s->claimed < s->bytes ? s->claimed : s->bytes;
}

/* What claims to be a group at the offset; NULL: nothing does. */
static const uint8_t *claims(const segment *s, uint64_t offset)
{
    if (offset + 80 > limit_of(s))
        return NULL;
    const uint8_t *g = s->data + offset;
    bool stands = !memcmp(g + WAL_GROUP_MAGIC_AT, "LVNG", 4) &&
                  plain_number(g + WAL_GROUP_POSITION, 8) == lsn_make(s->number, offset);
    return stands ? g : NULL;
}

static bool reaches(const segment *s, const uint8_t *g)
{
    return 80 + plain_number(g + WAL_GROUP_PAYLOAD_BYTES, 4) <= limit_of(s) - (uint64_t)(g - s->data);
}

static bool verifies(const plain *p, const segment *s, const uint8_t *g)
{
    uint64_t position = lsn_make(s->number, (uint64_t)(g - s->data));
    return reaches(s, g) &&
           plain_number(g, 8) == checksum(g + 8, 72 + plain_number(g + WAL_GROUP_PAYLOAD_BYTES, 4),
                                          checksum_seed(p->identity, PLACE_WAL_GROUP, position));
}

/* The group that goes on with the log; NULL: none does, and *torn when one was begun. */
static const uint8_t *follows(const plain *p, const segment *s, uint64_t offset, bool *torn)
{
    const uint8_t *g = claims(s, offset);
    if (!g || plain_number(g + WAL_GROUP_PREVIOUS, 8) != p->chain ||
        plain_number(g + WAL_GROUP_INCARNATION, 8) < p->incarnation)
        return NULL;
    *torn = !verifies(p, s, g) || group_bytes(p, g) > limit_of(s) - offset;
    return *torn ? NULL : g;
}

static bool makes_sense(const plain *p, const segment *s, const uint8_t *g)
{
    uint64_t position = plain_number(g + WAL_GROUP_POSITION, 8), next = plain_number(g + WAL_GROUP_NEXT_SEGMENT, 8);
    uint64_t sequence = plain_number(g + WAL_GROUP_SEQUENCE, 8), end = lsn_offset(position) + group_bytes(p, g);
    unsigned kind = g[WAL_GROUP_KIND];
    if (kind < WAL_DATA || kind > WAL_CLOSE || plain_number(g + WAL_GROUP_KIND + 1, 3))
        return false;
    if (kind != WAL_DATA && (plain_number(g + WAL_GROUP_PAYLOAD_BYTES, 4) || plain_number(g + WAL_GROUP_BATCHES, 4)))
        return false;
    if (next != (kind == WAL_SEAL ? s->number + 1 : 0) || next > UINT32_MAX)
        return false;
    if (plain_number(g + WAL_GROUP_DURABLE, 8) > position || sequence >= (uint64_t)1 << 63 ||
        plain_number(g + WAL_GROUP_INCARNATION, 8) >= (uint64_t)1 << 63)
        return false;
    return sequence > p->log->sequence && (kind == WAL_SEAL || end + p->start->sector_bytes <= s->claimed);
}

void plain_log_add(plain_log *log, const plain_replayed *batch)
{
    if (log->count == log->capacity) {
        log->capacity = 2 * log->capacity + 64;
        log->batches = fatal_realloc(log->batches, log->capacity * sizeof *log->batches);
    }
    log->batches[log->count++] = *batch;
}

/* A whole group is rotten, or is applied, or (*there false) ends the log because its values are not there. */
static bool apply(plain *p, const uint8_t *g, uint64_t end, bool *there)
{
    uint64_t bytes = plain_number(g + WAL_GROUP_PAYLOAD_BYTES, 4), batches = plain_number(g + WAL_GROUP_BATCHES, 4);
    const uint8_t *payload = g + 80;
    uint64_t used = 0, n = 0;
    bool points = false;
    for (; n < batches && bytes; n++) {
        size_t step = plain_batch(payload + used, bytes - used, p->start->key_max, &points);
        if (!step)
            return false;
        used += step;
    }
    if (used != bytes || n != batches)
        return false;
    if (points && !values_there(p->start, payload, batches)) {
        *there = false;
        return end > p->proven;
    }
    for (n = 0; n < batches; n++, payload += 16 + plain_number(payload, 4)) {
        const plain_replayed batch = { plain_number(g + WAL_GROUP_SEQUENCE, 8) + n, payload + 16,
                                       plain_number(payload, 4), plain_number(payload + 4, 4) };
        plain_log_add(p->log, &batch);
    }
    return true;
}

static void raise_to(uint64_t *number, uint64_t to)
{
    if (*number < to)
        *number = to;
}

/* The segment in which the log goes on; NULL: it is not there. *rotten also when it is there, but cut short. */
static const segment *enter(const plain *p, uint64_t position, bool *rotten)
{
    const segment *s = segment_of(p, lsn_segment(position));
    s = s && s->good ? s : NULL;
    *rotten = !s || s->bytes < s->claimed;
    return s;
}

/* What the chain from the start calls durable, whether its groups make sense or not. */
static void prove(plain *p)
{
    plain at = *p;
    uint64_t position = p->start->position;
    bool rotten, torn;
    const segment *s = enter(p, position, &rotten);
    while (s && (!rotten || p->start->salvage)) {
        const uint8_t *g = follows(&at, s, lsn_offset(position), &torn);
        if (!g)
            return;
        raise_to(&p->proven, plain_number(g + WAL_GROUP_DURABLE, 8));
        at.chain = plain_number(g, 8);
        at.incarnation = plain_number(g + WAL_GROUP_INCARNATION, 8);
        position += group_bytes(p, g);
        if (g[WAL_GROUP_KIND] == WAL_SEAL) {
            position = lsn_make(plain_number(g + WAL_GROUP_NEXT_SEGMENT, 8), p->start->sector_bytes);
            s = enter(p, position, &rotten);
        }
    }
}

/* ---- the log ---------------------------------------------------------------------------------------------- */

enum ending { ENDS, ENDS_ROTTEN, ENDS_FOR_GOOD }; /* for good: salvage cannot pass over it either */

static enum ending walk(plain *p)
{
    plain_log *log = p->log;
    bool rotten, there = true;
    const segment *s = enter(p, log->end, &rotten);
    while (s && (!rotten || p->start->salvage)) {
        log->cut = log->cut || rotten;
        const uint8_t *g = follows(p, s, lsn_offset(log->end), &log->torn);
        if (!g)
            return ENDS;
        uint64_t end = log->end + group_bytes(p, g), generation = plain_number(g + WAL_GROUP_GENERATION, 8);
        if (generation > p->start->generation)
            return ENDS_FOR_GOOD;
        if (!makes_sense(p, s, g) || (g[WAL_GROUP_KIND] == WAL_DATA && !apply(p, g, end, &there)))
            return ENDS_ROTTEN;
        log->torn = !there;
        if (!there)
            return ENDS;
        p->chain = plain_number(g, 8);
        p->incarnation = plain_number(g + WAL_GROUP_INCARNATION, 8);
        raise_to(&log->highest, p->incarnation);
        raise_to(&log->generation, generation);
        log->sequence = plain_number(g + WAL_GROUP_SEQUENCE, 8) + plain_number(g + WAL_GROUP_BATCHES, 4) - 1;
        log->end = end;
        if (g[WAL_GROUP_KIND] == WAL_SEAL) {
            log->end = lsn_make(s->number + 1, p->start->sector_bytes);
            s = enter(p, log->end, &rotten);
        }
    }
    return ENDS_ROTTEN;
}

/* Groups behind the end. */
static enum ending look_behind(plain *p)
{
    plain_log *log = p->log;
    uint64_t sector = p->start->sector_bytes, room = 0, claimed = 0;
    for (unsigned i = 0; i < p->count; i++)
        room += p->segments[i].number >= lsn_segment(log->end) ? p->segments[i].bytes : 0;
    for (unsigned i = 0; i < p->count; i++) {
        const segment *s = &p->segments[i];
        uint64_t offset = s->number == lsn_segment(log->end) ? lsn_offset(log->end) : sector;
        for (; s->number >= lsn_segment(log->end) && offset + 80 <= limit_of(s); offset += sector) {
            const uint8_t *g = claims(s, offset);
            claimed += g && reaches(s, g) ? plain_number(g + WAL_GROUP_PAYLOAD_BYTES, 4) : 0;
            log->crowded = claimed > 64 * room;
            if (!g || !verifies(p, s, g))
                continue;
            uint64_t generation = plain_number(g + WAL_GROUP_GENERATION, 8);
            uint64_t incarnation = plain_number(g + WAL_GROUP_INCARNATION, 8);
            if (generation > p->start->generation)
                return ENDS_FOR_GOOD;
            if (plain_number(g + WAL_GROUP_DURABLE, 8) > log->end) {
                if (!p->start->salvage)
                    return ENDS_ROTTEN;
                log->cut = true;
            }
            if (incarnation < (uint64_t)1 << 63)
                raise_to(&log->highest, incarnation);
            raise_to(&log->generation, generation);
        }
    }
    return ENDS;
}

void plain_log_read(plain_log *log, const container *files, const plain_start *start)
{
    plain p = { .start = start, .log = log, .identity = checksum_identity(start->identity), .chain = start->chain };
    const uint64_t offset = lsn_offset(start->position), sector = start->sector_bytes;
    bool rotten;
    *log = (plain_log){ .end = start->position, .sequence = start->sequence, .highest = start->incarnation };
    collect(&p, files);
    for (unsigned i = 0; i < p.count && log->verdict == PLAIN_WHOLE; i++)
        log->verdict = read_header(&p, &p.segments[i]);
    if (log->verdict != PLAIN_WHOLE)
        return;
    const segment *first = enter(&p, start->position, &rotten);
    log->verdict = PLAIN_ROTTEN;
    if (!first || (rotten && !start->salvage) || offset < sector || offset % sector ||
        offset + sector > first->claimed || start->sequence >= (uint64_t)1 << 63 ||
        start->incarnation >= (uint64_t)1 << 63)
        return;
    prove(&p);
    enum ending ending = walk(&p);
    if (ending == ENDS_FOR_GOOD || (ending == ENDS_ROTTEN && !start->salvage))
        return;
    log->cut = log->cut || ending == ENDS_ROTTEN;
    if (look_behind(&p) == ENDS)
        log->verdict = PLAIN_WHOLE;
}

void plain_log_fini(plain_log *log)
{
    free(log->batches);
    log->batches = NULL;
}
