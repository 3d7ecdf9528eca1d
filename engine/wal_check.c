/*
 * wal_check.c - reads the live log again and reports what is wrong in it, going on behind each fault.
 *
 * Unlike recovery it knows where the log ends, so that whatever does not verify before there is a fault.  After
 * one it looks for the next sector where a group verifies and takes up the chain there, in this segment or the next.
 * Invariants: changes nothing, on disk or in the handle.  Memory as the reader (wal_read.c), and the payload of
 * one group. Concurrency: the thread that owns the log; what is not flushed yet is not looked at.
 */
#include <string.h>

#include "wal_internal.h"

typedef struct check {
    const wal *log;
    levin_check_report report;
    void *context;
    uint64_t *groups, *segments, *faults;
    uint8_t *window;
    uint64_t chain, incarnation, sequence;
    bool adrift; /* after a fault: the next good group sets chain and sequence */
    bool stop;   /* the caller has seen enough */
} check;

static void fault(check *c, const char *name, uint64_t offset, uint64_t expected, uint64_t found, const char *what)
{
    levin_error fault_error;
    (void)error_corrupt(&fault_error, name, offset, expected, found, "%s", what);
    ++*c->faults;
    if (c->report && !c->report(c->context, &fault_error))
        c->stop = true;
}

/* Whether the payload makes sense; reads it. */
static levin_code check_payload(check *c, wal_reader *r, uint64_t offset, const wal_group *g, bool *good,
                                levin_error *error)
{
    const levin_io *io = c->log->options.io;
    size_t bytes = g->payload_bytes, at;
    if (!bytes) {
        *good = g->batches == 0;
        return LEVIN_OK;
    }
    uint8_t *payload = io_alloc(io, bytes); /* its checksum was right: no damaged size */
    if (!payload)
        return error_memory(error, bytes);
    levin_code code = wal_reader_payload(r, offset, g, payload, good, error);
    if (!code && *good)
        *good = wal_payload_check(payload, bytes, g->batches, c->log->options.key_max_bytes, &at);
    io_free(io, payload, bytes);
    return code;
}

/* What is wrong with a group that verified, where it stands. NULL: nothing. */
static const char *group_fault(const check *c, const wal_group *g)
{
    if (!c->adrift && g->previous != c->chain)
        return "a log group does not follow the one before it";
    if (!c->adrift && g->incarnation < c->incarnation)
        return "a log group of an earlier incarnation than the one before it";
    if (!c->adrift && g->sequence <= c->sequence)
        return "sequence numbers in the log go back";
    if (g->generation > c->log->generation)
        return "a log group knows a checkpoint that has not been";
    return wal_group_flaw(g);
}

/* The next offset at or behind `offset` where a group verifies; `end` when there is none. */
static levin_code find_group(wal_reader *r, uint64_t offset, uint64_t end, uint64_t *at, levin_error *error)
{
    for (; offset < end; offset += r->sector_bytes) {
        wal_group g;
        bool good;
        levin_code code = wal_reader_header(r, offset, &g, &good, error);
        if (!code && good)
            code = wal_reader_verify(r, offset, &g, &good, error);
        *at = offset;
        if (code || good)
            return code;
    }
    *at = end;
    return LEVIN_OK;
}

/* The groups in [offset, end) of a segment. */
static levin_code check_groups(check *c, wal_reader *r, uint64_t offset, uint64_t end, levin_error *error)
{
    while (offset < end && !c->stop) {
        wal_group g;
        bool good, sound = true;
        const char *what = NULL;
        levin_code code = wal_reader_header(r, offset, &g, &good, error);
        if (!code && good)
            code = wal_reader_verify(r, offset, &g, &good, error);
        good = good && wal_reader_holds(r, offset, &g);
        if (!code && good) {
            what = group_fault(c, &g);
            if (g.kind == WAL_DATA)
                code = check_payload(c, r, offset, &g, &sound, error);
        }
        if (code)
            return code;
        if (!good) {
            fault(c, r->f.name, offset, lsn_make(r->number, offset), 0, "no valid log group where one was written");
            c->adrift = true;
            code = find_group(r, offset + r->sector_bytes, end, &offset, error);
            if (code)
                return code;
            continue;
        }
        if (what || !sound)
            fault(c, r->f.name, offset, c->chain, g.previous,
                  what ? what : "a log group does not hold well-formed batches");
        ++*c->groups;
        c->adrift = false;
        c->chain = g.checksum;
        c->incarnation = g.incarnation;
        c->sequence = g.sequence + g.batches - 1;
        offset += wal_group_total(g.payload_bytes, r->sector_bytes);
    }
    return LEVIN_OK;
}

static levin_code check_segment(check *c, const wal_segment *segment, uint64_t from, levin_error *error)
{
    const wal *log = c->log;
    wal_name name = wal_segment_name(segment->number);
    uint64_t end = segment->number == log->number ? log->flushed : segment->used;
    wal_segment seen;
    wal_reader r;
    ++*c->segments;
    levin_code code = wal_segment_inspect(&log->options, segment->number, &seen, error);
    if (code == LEVIN_NOT_FOUND || code == LEVIN_CORRUPT || code == LEVIN_VERSION_UNKNOWN) {
        fault(c, name.text, error->offset, segment->number, 0,
              code == LEVIN_NOT_FOUND ? "a segment of the log is missing" : "a segment header of another log");
        c->adrift = true;
        if (code == LEVIN_NOT_FOUND)
            return LEVIN_OK;
        seen.state = WAL_SEGMENT_GOOD; /* the groups may be right */
    } else if (code) {
        return code;
    } else if (seen.state != WAL_SEGMENT_GOOD) {
        fault(c, name.text, 0, segment->number, 0, "no valid header in a segment of the log");
    }
    if (!c->stop && seen.file_bytes < segment->bytes)
        fault(c, name.text, seen.file_bytes, segment->bytes, seen.file_bytes, "a log segment is cut short");
    if (c->stop)
        return LEVIN_OK;
    seen.bytes = seen.file_bytes;
    code = wal_reader_open(&r, &log->options, &seen, c->window, error);
    if (!code)
        code = check_groups(c, &r, from, end, error);
    wal_reader_close(&r);
    return code;
}

levin_code wal_check(wal *log, const wal_start *start, levin_check_report report, void *context, uint64_t *groups,
                     uint64_t *segments, uint64_t *faults, levin_error *error)
{
    const levin_io *io = log->options.io;
    uint64_t first = lsn_segment(start->position);
    check c = {
        .log = log,
        .report = report,
        .context = context,
        .groups = groups,
        .segments = segments,
        .faults = faults,
        .chain = start->chain,
        .sequence = start->sequence,
    };
    c.window = io_alloc(io, WAL_WINDOW_BYTES);
    if (!c.window)
        return error_memory(error, WAL_WINDOW_BYTES);
    levin_code code = LEVIN_OK;
    for (size_t i = 0; i < log->live.count && !code && !c.stop; i++) {
        const wal_segment *s = &log->live.items[i];
        if (s->number >= first)
            code = check_segment(&c, s, s->number == first ? lsn_offset(start->position) : log->options.sector_bytes,
                                 error);
    }
    io_free(io, c.window, WAL_WINDOW_BYTES);
    return code;
}
