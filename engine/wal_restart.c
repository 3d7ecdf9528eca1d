/*
 * wal_restart.c - groups that the log does not prove to be on the device, copied to a new segment by recovery.
 *
 * After a crash the groups behind the last proven position are in one of two states that cannot be told apart: on the device,
 * perhaps acknowledged, and then these sectors are their only copy; or in the page cache only, where a failed sync left
 * them marked clean, and then no sync will ever write them.  Writing them again in place would mend the second and put
 * the first at risk (a sector in flight at a power cut may hold anything afterwards).  So they are copied.
 *
 * Order: the segment's file has its size, synced; its header, which names the position that it follows and where the
 * copies end, and its directory entry, synced; the copies, synced.  Until all copies verify the segment is not used, and the
 * originals are.  After that the originals are not looked at again, but for the SEAL behind them, which tells that this
 * segment was there.
 *
 * Invariants: a copy differs from its original in position, incarnation, chain and durable position only.
 * Concurrency: the thread that opens the store.
 */
#include <string.h>

#include "wal_internal.h"

/* ---- the tail --------------------------------------------------------------------------------------------- */

levin_code wal_tail_add(wal_tail *tail, const levin_io *io, const wal_unproven *group, levin_error *error)
{
    if (tail->count == tail->capacity) {
        size_t capacity = tail->capacity ? 2 * tail->capacity : 64;
        wal_unproven *items = io_alloc(io, capacity * sizeof *items);
        if (!items)
            return error_memory(error, capacity * sizeof *items);
        if (tail->count)
            memcpy(items, tail->items, tail->count * sizeof *items);
        io_free(io, tail->items, tail->capacity * sizeof *items);
        tail->items = items;
        tail->capacity = capacity;
    }
    tail->items[tail->count++] = *group;
    return LEVIN_OK;
}

void wal_tail_prove(wal_tail *tail, uint64_t position)
{
    size_t proven = 0;
    while (proven < tail->count && tail->items[proven].position < position)
        proven++;
    tail->count -= proven;
    memmove(tail->items, tail->items + proven, tail->count * sizeof *tail->items);
}

bool wal_tail_has_data(const wal_tail *tail)
{
    for (size_t i = 0; i < tail->count; i++)
        if (tail->items[i].kind == WAL_DATA)
            return true;
    return false;
}

void wal_tail_fini(wal_tail *tail, const levin_io *io)
{
    io_free(io, tail->items, tail->capacity * sizeof *tail->items);
    *tail = (wal_tail){ 0 };
}

/* ---- is a restart segment whole? -------------------------------------------------------------------------- */

levin_code wal_restart_complete(const wal *log, const wal_segment *segment, uint8_t *window, bool *complete,
                                levin_error *error)
{
    const uint32_t sector = log->options.sector_bytes;
    uint64_t offset = sector, chain = segment->restart.chain;
    wal_reader r;
    wal_group g;
    *complete = false;
    levin_code code = wal_reader_open(&r, &log->options, segment, window, error);
    while (!code && offset < segment->restart.end) {
        bool good;
        code = wal_reader_header(&r, offset, &g, &good, error);
        if (!code && good && g.previous != chain)
            good = false;
        if (!code && good)
            code = wal_reader_verify(&r, offset, &g, &good, error);
        if (code || !good)
            break;
        chain = g.checksum;
        offset += wal_group_total(g.payload_bytes, sector);
    }
    if (!code)
        *complete = offset == segment->restart.end;
    wal_reader_close(&r);
    return code;
}

/* ---- writing one ------------------------------------------------------------------------------------------ */

/* Reads the group, verified again, and appends its copy at log->offset of the current file. */
static levin_code copy_group(wal *log, const wal_segments_list *found, const wal_unproven *group, uint8_t *window,
                             levin_error *error)
{
    const levin_io *io = log->options.io;
    const uint32_t sector = log->options.sector_bytes;
    const uint64_t offset = lsn_offset(group->position);
    const size_t bytes = (size_t)wal_group_total(group->payload_bytes, sector);
    uint8_t *copy = io_alloc(io, bytes); /* of a group that has verified: no damaged size */
    wal_reader r = { 0 };
    wal_group g;
    bool good = false;
    levin_code code = copy ? LEVIN_OK : error_memory(error, bytes);
    if (!code)
        code = wal_reader_open(&r, &log->options, wal_segments_find(found, lsn_segment(group->position)), window, error);
    if (!code)
        code = wal_reader_header(&r, offset, &g, &good, error);
    if (!code && good && g.payload_bytes != group->payload_bytes)
        good = false;
    if (!code && good)
        code = wal_reader_payload(&r, offset, &g, copy + WAL_GROUP_HEADER_BYTES, &good, error);
    if (!code && !good)
        code = error_corrupt(error, r.f.name, offset, 0, 0, "a log group changed between two reads");
    if (!code) {
        g.position = wal_position(log);
        g.incarnation = log->incarnation;
        g.previous = log->chain;
        g.durable = log->durable;
        log->chain = wal_group_encode(copy, &g, log->identity, sector);
        code = wal_write_file(log, &log->current, copy, bytes, log->offset, error);
        log->offset += bytes;
        log->flushed = log->offset;
    }
    wal_reader_close(&r);
    io_free(io, copy, bytes);
    return code;
}

levin_code wal_restart_write(wal *log, const wal_segments_list *found, const wal_tail *tail, uint64_t number,
                             uint64_t position, uint64_t chain, uint8_t *window, levin_error *error)
{
    const uint32_t sector = log->options.sector_bytes;
    wal_restart restart = { position, chain, sector };
    for (size_t i = 0; i < tail->count; i++)
        if (tail->items[i].kind == WAL_DATA)
            restart.end += wal_group_total(tail->items[i].payload_bytes, sector);
    uint64_t bytes = restart.end + (1 + WAL_RESERVE_SECTORS) * (uint64_t)sector; /* a mark, and what it leaves free */
    if (bytes < log->segment_bytes)
        bytes = log->segment_bytes;
    if (bytes > WAL_OFFSET_MAX || number > WAL_NUMBER_MAX)
        return error_set(error, LEVIN_TOO_BIG, NULL, "a log segment of %llu bytes, number %llu, is over the limits",
                         (unsigned long long)bytes, (unsigned long long)number);
    levin_code code = wal_segments_reserve(&log->live, log->options.io, error);
    if (!code)
        code = wal_segment_create(log, number, bytes, &restart, &log->current, error);
    if (code)
        return code;
    log->number = number;
    log->bytes = bytes;
    log->offset = log->flushed = sector;
    log->chain = chain;
    log->durable = position; /* all that the copies may say */
    for (size_t i = 0; i < tail->count && !code; i++)
        if (tail->items[i].kind == WAL_DATA)
            code = copy_group(log, found, &tail->items[i], window, error);
    if (!code)
        code = wal_sync_file(log, &log->current, error);
    if (code)
        return code;
    log->durable = wal_position(log);
    const wal_segment segment = { number, bytes, bytes, log->offset, WAL_SEGMENT_GOOD, restart, true };
    wal_segments_add(&log->live, &segment);
    return LEVIN_OK;
}
