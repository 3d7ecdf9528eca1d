/*
 * wal.c - appending to the write-ahead log: groups, flushes, syncs, segment switches, and what follows a failure.
 *
 * Invariants
 *  - In the current segment [sector, flushed) was handed to the kernel without an error, and [flushed, offset) is the
 *    pending groups, in order, in their owners' memory.  durable <= flushed, as positions.  chain, sequence,
 *    offset describe the log with all pending groups in it.
 *  - Behind every data group and mark two sectors stay free: for a CLOSE, and for the SEAL that must follow it
 *    when the store is opened again.  So a SEAL, a CLOSE, and a fence (which is no longer than the group it
 *    replaces) always fit.
 *  - A group's durable position is `durable` when it is built: only ever what a successful sync has covered.
 *  - incarnation only grows, also when the mark that carries it could not be written.
 *
 * What may be on disk after each failure
 *  - A write of pending groups [flushed, offset) failed: any sector of that range may hold its old or its new
 *    content.  The groups stay pending; written again they are the same bytes, so a second flush simply completes
 *    the first.
 *  - A group that may have been so written is taken back: it may stand complete on disk, chained to the group before
 *    it, and would be replayed.  It harms nobody until something else is accepted; hence `fence`: before the next
 *    group is accepted, the groups still pending are written again and a MARK with a higher incarnation is written
 *    where the failed group began, and synced.  From then on the chain goes through that mark; the failed groups
 *    behind it chain to bytes that are gone, and no later group can be equal to the one that they chain to, for
 *    its incarnation is higher.  They claim no durable position past the mark either, so they never pass for proof
 *    of rot.
 *  - Writing the fence fails: the same situation as before, with one more possible group in that place; it is
 *    fenced the same way, under a still higher incarnation.
 *  - Making the next segment fails: no SEAL names it.  It is unlinked, now or by whoever needs its number; the
 *    current segment is as it was, and the next append tries again.
 *  - Writing a SEAL fails (`sealing`): the place of the SEAL holds the SEAL or old bytes.  Nothing but that same
 *    SEAL is ever written there, and its successor is ready: each later call first writes it again.  Recovery ends
 *    before it or in the empty successor; both hold the same groups.
 *  - A sync fails, of any segment or of the directory: the kernel may have dropped what it could not write and
 *    call it clean.  No later sync says anything about it, so the log is poisoned: nothing more is written, and
 *    recovery, which rewrites what is unproven before it trusts it, is the only way on.
 * The one overwrite of bytes that matter is that rewriting; it stores equal bytes and relies, as all in-place logs
 * do, on a sector in flight at a power cut keeping its old or its new content.
 *
 * Concurrency: one thread at a time (wal.h); nothing here is shared.
 */
#include "wal.h"

#include <string.h>

#include "wal_internal.h"

/* ---- small parts ------------------------------------------------------------------------------------------ */

static levin_code poisoned(levin_error *error)
{
    return error_set(error, LEVIN_POISONED, NULL,
                     "an earlier sync of the log failed; the store can be read, and written after it is reopened");
}

levin_code wal_sync_file(wal *log, file *f, levin_error *error)
{
    const levin_io *io = log->options.io;
    uint64_t start = io->now_ns(io->context);
    levin_code code = file_sync(f, error);
    wal_counted(&log->counts.sync_ns, io->now_ns(io->context) - start);
    wal_counted(&log->counts.syncs, 1);
    if (code)
        log->poisoned = true;
    return code;
}

levin_code wal_sync_directory(wal *log, levin_error *error)
{
    levin_code code = file_sync_dir(log->options.io, log->options.directory, error);
    if (code)
        log->poisoned = true;
    return code;
}

levin_code wal_write_file(wal *log, file *f, const void *data, size_t bytes, uint64_t offset, levin_error *error)
{
    const levin_slice part = { data, bytes };
    uint64_t writes = 0;
    levin_code code = file_write(f, &part, 1, offset, &writes, error);
    wal_counted(&log->counts.writes, writes);
    if (!code)
        wal_counted(&log->counts.bytes, bytes);
    return code;
}

static levin_code pending_reserve(wal *log, levin_error *error)
{
    const levin_io *io = log->options.io;
    size_t old = log->pending_capacity, capacity = old ? 2 * old : (size_t)WAL_PENDING_FIRST;
    if (log->pending_count < old)
        return LEVIN_OK;
    wal_pending *pending = io_alloc(io, capacity * sizeof *pending);
    levin_slice *parts = io_alloc(io, capacity * sizeof *parts);
    if (!pending || !parts) {
        io_free(io, pending, capacity * sizeof *pending);
        io_free(io, parts, capacity * sizeof *parts);
        return error_memory(error, capacity * (sizeof *pending + sizeof *parts));
    }
    if (log->pending_count)
        memcpy(pending, log->pending, log->pending_count * sizeof *pending);
    io_free(io, log->pending, old * sizeof *pending);
    io_free(io, log->parts, old * sizeof *parts);
    log->pending = pending;
    log->parts = parts;
    log->pending_capacity = capacity;
    return LEVIN_OK;
}

levin_code wal_new(const wal_options *options, wal **out, levin_error *error)
{
    const levin_io *io = options->io;
    size_t directory_bytes = strlen(options->directory) + 1;
    uint64_t least = (uint64_t)WAL_SECTORS_MIN * options->sector_bytes;
    *out = NULL;
    assert(options->sector_bytes == 512 || options->sector_bytes == 4096);
    wal *log = io_alloc(io, sizeof *log);
    if (!log)
        return error_memory(error, sizeof *log);
    memset(log, 0, sizeof *log);
    log->options = *options;
    log->directory_bytes = directory_bytes;
    log->identity = checksum_identity(options->identity);
    log->segment_bytes = round_up_u64(options->segment_bytes < least ? least : options->segment_bytes,
                                      options->sector_bytes);
    if (options->spares == 0)
        log->options.spares = WAL_SPARES_DEFAULT;
    else if (options->spares > WAL_SPARES_MAX)
        log->options.spares = WAL_SPARES_MAX;
    char *directory = io_alloc(io, directory_bytes);
    log->options.directory = directory;
    log->control = io_alloc(io, options->sector_bytes);
    levin_code code = directory && log->control ? pending_reserve(log, error)
                                                : error_memory(error, directory_bytes + options->sector_bytes);
    if (code) {
        wal_close(log);
        return code;
    }
    memcpy(directory, options->directory, directory_bytes);
    *out = log;
    return LEVIN_OK;
}

void wal_close(wal *log)
{
    if (!log)
        return;
    const levin_io *io = log->options.io;
    file_close(&log->current);
    file_close(&log->next);
    wal_segments_fini(&log->live, io);
    wal_segments_fini(&log->spares, io);
    io_free(io, log->pending, log->pending_capacity * sizeof *log->pending);
    io_free(io, log->parts, log->pending_capacity * sizeof *log->parts);
    io_free(io, log->control, log->options.sector_bytes);
    io_free(io, (void *)(uintptr_t)log->options.directory, log->directory_bytes); /* our own copy */
    io_free(io, log, sizeof *log);
}

/* ---- pending groups --------------------------------------------------------------------------------------- */

/* Fills the group and puts it at the end of the log. A pending_reserve() and the room check came before. */
static void put(wal *log, uint8_t *bytes, uint8_t kind, size_t payload_bytes, uint32_t batches, uint64_t sequence)
{
    wal_group g = {
        .kind = kind,
        .position = wal_position(log),
        .incarnation = log->incarnation,
        .previous = log->chain,
        .durable = log->durable,
        .generation = log->generation,
        .payload_bytes = (uint32_t)payload_bytes,
        .batches = batches,
        .sequence = sequence,
    };
    wal_pending *p = &log->pending[log->pending_count++];
    p->bytes.data = bytes;
    p->bytes.size = wal_group_bytes(log, payload_bytes);
    p->previous = log->chain;
    p->sequence = log->sequence;
    log->chain = wal_group_encode(bytes, &g, log->identity, log->options.sector_bytes);
    log->sequence = sequence + batches;
    log->offset += p->bytes.size;
}

/* Takes the last pending group out again. What a failed write may have left of it asks for a fence. */
static void take_back(wal *log)
{
    const wal_pending *p = &log->pending[--log->pending_count];
    log->offset -= p->bytes.size;
    log->chain = p->previous;
    log->sequence = p->sequence;
    if (log->offset < log->touched)
        log->fence = true;
}

/* Gathers neighbours in memory into one part. */
static size_t pending_coalesce(wal *log)
{
    size_t n = 0;
    for (size_t i = 0; i < log->pending_count; i++) {
        const levin_slice *s = &log->pending[i].bytes;
        if (n && (const uint8_t *)log->parts[n - 1].data + log->parts[n - 1].size == s->data)
            log->parts[n - 1].size += s->size;
        else
            log->parts[n++] = *s;
    }
    return n;
}

static levin_code pending_write(wal *log, levin_error *error)
{
    if (!log->pending_count)
        return LEVIN_OK;
    uint64_t writes = 0;
    levin_code code = file_write(&log->current, log->parts, pending_coalesce(log), log->flushed, &writes, error);
    wal_counted(&log->counts.writes, writes);
    if (code) {
        if (log->touched < log->offset)
            log->touched = log->offset;
        return code;
    }
    wal_counted(&log->counts.bytes, log->offset - log->flushed);
    log->flushed = log->offset;
    log->pending_count = 0;
    if (log->touched <= log->flushed)
        log->touched = 0;
    return LEVIN_OK;
}

/* What the groups refer to goes first. */
static levin_code referred_sync(wal *log, levin_error *error)
{
    const wal_options *o = &log->options;
    levin_code code = o->before_sync ? o->before_sync(o->sync_context, error) : LEVIN_OK;
    if (code)
        log->poisoned = true;
    return code;
}

/* Syncs what was flushed. */
static levin_code current_sync(wal *log, levin_error *error)
{
    levin_code code = referred_sync(log, error);
    if (!code)
        code = wal_sync_file(log, &log->current, error);
    if (!code)
        log->durable = lsn_make(log->number, log->flushed);
    return code;
}

/* ---- segment switch --------------------------------------------------------------------------------------- */

/* Writes and syncs the SEAL in log->control, then goes on in the next segment. */
static levin_code seal_complete(wal *log, levin_error *error)
{
    uint32_t sector = log->options.sector_bytes;
    levin_code code = wal_write_file(log, &log->current, log->control, sector, log->offset, error);
    if (!code)
        code = referred_sync(log, error);
    if (!code)
        code = wal_sync_file(log, &log->current, error);
    if (code)
        return code;
    log->live.items[log->live.count - 1].used = log->offset + sector;
    file_close(&log->current);
    log->current = log->next;
    memset(&log->next, 0, sizeof log->next);
    log->number++;
    log->bytes = log->next_bytes;
    log->next_bytes = 0;
    log->offset = log->flushed = sector;
    log->touched = 0;
    log->durable = lsn_make(log->number, sector);
    log->chain = load_u64(log->control + WAL_GROUP_CHECKSUM);
    log->sealing = false;
    log->older = false;
    const wal_segment segment = { log->number, log->bytes, log->bytes, sector, WAL_SEGMENT_GOOD, WAL_FORMAT_VERSION };
    wal_segments_add(&log->live, &segment);
    return LEVIN_OK;
}

/* Leaves the current segment for one with room for a group of so many bytes. */
static levin_code segment_switch(wal *log, uint64_t group_bytes, levin_error *error)
{
    uint32_t sector = log->options.sector_bytes;
    levin_code code = pending_write(log, error);
    if (!code)
        code = wal_segment_make_next(log, group_bytes + (1 + WAL_RESERVE_SECTORS) * (uint64_t)sector, error);
    if (code)
        return code;
    wal_group seal = {
        .kind = WAL_SEAL,
        .position = wal_position(log),
        .incarnation = log->incarnation,
        .previous = log->chain,
        .durable = log->durable,
        .generation = log->generation,
        .sequence = log->sequence,
        .next_segment = log->number + 1,
    };
    wal_group_encode(log->control, &seal, log->identity, sector);
    log->sealing = true;
    return seal_complete(log, error);
}

/* A place for the group, in this segment or the next; data of today is not put into a segment of an older version. */
static levin_code make_room(wal *log, uint64_t group_bytes, unsigned reserve_sectors, bool data, levin_error *error)
{
    levin_code code = pending_reserve(log, error);
    if (code)
        return code;
    if (!(data && log->older) &&
        log->offset + group_bytes + reserve_sectors * (uint64_t)log->options.sector_bytes <= log->bytes)
        return LEVIN_OK;
    return segment_switch(log, group_bytes, error);
}

/* ---- after failures --------------------------------------------------------------------------------------- */

/* Makes sure that no failed group can come back (see the top). */
static levin_code fence_write(wal *log, levin_error *error)
{
    levin_code code = pending_reserve(log, error);
    if (code)
        return code;
    log->incarnation++;
    put(log, log->control, WAL_MARK, 0, 0, log->sequence);
    code = pending_write(log, error);
    if (code) {
        take_back(log);
        return code;
    }
    log->touched = 0;
    log->fence = false;
    return current_sync(log, error);
}

/* Before anything else is done: whether writing is possible, and what an earlier failure left half done. */
static levin_code begin(wal *log, levin_error *error)
{
    if (log->options.read_only)
        return error_set(error, LEVIN_READ_ONLY, NULL, "the log is open read-only");
    if (log->poisoned)
        return poisoned(error);
    if (log->sealing)
        return seal_complete(log, error);
    return log->fence ? fence_write(log, error) : LEVIN_OK;
}

/* ---- the interface ---------------------------------------------------------------------------------------- */

levin_code wal_append(wal *log, uint8_t *group, size_t payload_bytes, uint32_t batches, uint64_t sequence,
                      levin_error *error)
{
    levin_code code = begin(log, error);
    if (code)
        return code;
    uint32_t sector = log->options.sector_bytes;
    if (payload_bytes > WAL_OFFSET_MAX - WAL_GROUP_HEADER_BYTES - (2 + WAL_RESERVE_SECTORS) * (size_t)sector)
        return error_set(error, LEVIN_TOO_BIG, NULL, "a log group of %zu bytes is over the limit", payload_bytes);
    assert(sequence >= log->sequence && sequence <= WAL_SEQUENCE_MAX);
    code = make_room(log, wal_group_bytes(log, payload_bytes), WAL_RESERVE_SECTORS, true, error);
    if (!code)
        put(log, group, WAL_DATA, payload_bytes, batches, sequence);
    return code;
}

void wal_take_back(wal *log)
{
    if (log->poisoned)
        return; /* nothing is written any more */
    assert(log->pending_count > 0);
    take_back(log);
}

levin_code wal_flush(wal *log, levin_error *error)
{
    levin_code code = begin(log, error);
    return code ? code : pending_write(log, error);
}

levin_code wal_sync(wal *log, levin_error *error)
{
    levin_code code = wal_flush(log, error);
    return code || !wal_needs_sync(log) ? code : current_sync(log, error);
}

/* Appends a group without payload, and syncs it with all before it. On failure it is not in the log. */
static levin_code control_write(wal *log, uint8_t kind, unsigned reserve_sectors, levin_error *error)
{
    levin_code code = make_room(log, log->options.sector_bytes, reserve_sectors, false, error);
    if (code)
        return code;
    put(log, log->control, kind, 0, 0, log->sequence);
    code = pending_write(log, error);
    if (code) {
        take_back(log);
        return code;
    }
    return current_sync(log, error);
}

levin_code wal_mark(wal *log, uint64_t durable_generation, levin_error *error)
{
    if (durable_generation > log->generation)
        log->generation = durable_generation; /* true whether or not the mark can be written */
    levin_code code = begin(log, error);
    return code ? code : control_write(log, WAL_MARK, WAL_RESERVE_SECTORS, error);
}

/* Where the copy of a CLOSE at the log's end goes; 0: it needs none, for it begins a block itself. */
static uint64_t close_copy_at(const wal *log)
{
    return log->offset % WAL_BLOCK_BYTES ? round_up_u64(log->offset, WAL_BLOCK_BYTES) : 0;
}

/*
 * Without room for the copy the CLOSE goes to the next segment; where that cannot be made, it stays here, alone: a
 * close does not fail for want of room.
 */
static levin_code close_room(wal *log, levin_error *error)
{
    const uint32_t sector = log->options.sector_bytes;
    const uint64_t at = close_copy_at(log);
    if (!at || at + sector <= log->bytes)
        return LEVIN_OK;
    levin_code code = segment_switch(log, sector, error);
    if (code && !log->poisoned && !log->sealing) {
        memset(error, 0, sizeof *error);
        code = LEVIN_OK;
    }
    return code;
}

/*
 * The copy is in no chain: recovery never comes to it, and finds it when the block before it is lost.  So it is no
 * group that could be replayed, only a proof.  It is written first, and synced with the CLOSE.
 */
static levin_code close_copy_write(wal *log, levin_error *error)
{
    const uint64_t at = close_copy_at(log);
    if (!at || at + log->options.sector_bytes > log->bytes)
        return LEVIN_OK;
    wal_group g = {
        .kind = WAL_CLOSE,
        .position = lsn_make(log->number, at),
        .incarnation = log->incarnation,
        .previous = ~log->chain,
        .durable = log->durable,
        .generation = log->generation,
        .sequence = log->sequence,
    };
    wal_group_encode(log->control, &g, log->identity, log->options.sector_bytes);
    return wal_write_file(log, &log->current, log->control, log->options.sector_bytes, at, error);
}

levin_code wal_finish(wal *log, levin_error *error)
{
    levin_code code = wal_sync(log, error); /* so that the mark can call everything durable */
    if (!code)
        code = close_room(log, error);
    if (!code)
        code = close_copy_write(log, error);
    return code ? code : control_write(log, WAL_CLOSE, WAL_RESERVE_SECTORS - 1, error);
}

levin_code wal_recycle(wal *log, uint64_t position, levin_error *error)
{
    if (log->options.read_only)
        return error_set(error, LEVIN_READ_ONLY, NULL, "the log is open read-only");
    if (log->poisoned)
        return poisoned(error);
    while (log->live.count > 1 && log->live.items[0].number < lsn_segment(position)) {
        levin_code code = wal_segment_retire(log, &log->live.items[0], error);
        if (code)
            return code; /* it stays in the list, and is retired by the next call */
        wal_segments_remove(&log->live, 0);
    }
    return LEVIN_OK;
}

levin_code wal_prepare(wal *log, levin_error *error)
{
    levin_code code = begin(log, error);
    return code || log->next_bytes ? code : wal_segment_make_next(log, log->segment_bytes, error);
}

/* ---- questions -------------------------------------------------------------------------------------------- */

size_t wal_group_bytes(const wal *log, size_t payload_bytes)
{
    return (size_t)wal_group_total(payload_bytes, log->options.sector_bytes);
}

uint64_t wal_position(const wal *log)
{
    return lsn_make(log->number, log->offset);
}

uint64_t wal_chain(const wal *log)
{
    return log->chain;
}

uint64_t wal_incarnation(const wal *log)
{
    return log->incarnation;
}

uint64_t wal_seen_generation(const wal *log)
{
    return log->seen;
}

uint64_t wal_generation(const wal *log)
{
    return log->generation;
}

void wal_skip_sequence(wal *log, uint64_t sequence)
{
    assert(sequence >= log->sequence && sequence <= WAL_SEQUENCE_MAX);
    log->sequence = sequence + 1;
}

uint64_t wal_sequence(const wal *log)
{
    return log->replayed;
}

bool wal_poisoned(const wal *log)
{
    return log->poisoned;
}

bool wal_needs_sync(const wal *log)
{
    return log->durable < wal_position(log);
}

uint64_t wal_segments(const wal *log)
{
    return log->live.count;
}

uint64_t wal_live_bytes(const wal *log, uint64_t from)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < log->live.count; i++) {
        const wal_segment *s = &log->live.items[i];
        uint64_t end = s->number == log->number ? log->offset : s->used;
        uint64_t begin_at = s->number == lsn_segment(from) ? lsn_offset(from) : log->options.sector_bytes;
        if (s->number >= lsn_segment(from) && end > begin_at)
            bytes += end - begin_at;
    }
    return bytes;
}

static uint64_t count_of(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed); /* pairs with nothing: wal_counted() */
}

static uint64_t capacity_of(const _Atomic size_t *capacity)
{
    return atomic_load_explicit(capacity, memory_order_relaxed); /* as above */
}

uint64_t wal_memory_bytes(const wal *log)
{
    return sizeof *log + log->directory_bytes + log->options.sector_bytes +
           capacity_of(&log->pending_capacity) * (sizeof *log->pending + sizeof *log->parts) +
           (capacity_of(&log->live.capacity) + capacity_of(&log->spares.capacity)) * sizeof *log->live.items;
}

void wal_count(const wal *log, wal_counters *counters)
{
    const wal_counts *c = &log->counts;
    *counters = (wal_counters){ .bytes = count_of(&c->bytes), .writes = count_of(&c->writes),
                                .syncs = count_of(&c->syncs), .created = count_of(&c->created),
                                .recycled = count_of(&c->recycled), .sync_ns = count_of(&c->sync_ns) };
}
