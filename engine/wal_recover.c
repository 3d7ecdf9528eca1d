/*
 * wal_recover.c - a log is created, or replayed and made ready to be appended to.
 *
 * The walk follows the chain from the start: each group must stand at its position, chain to the one before, have no
 * lower incarnation, and verify.  Where no such group stands the log ends.  Torn or rotten?
 *  - A group carries the position up to which the log was on the device when it was written.  If any group behind the
 *    end, in this segment or a later one, verifies and calls a position past the end durable, then bytes that were
 *    on the device are gone: rot, LEVIN_CORRUPT.  If none does, what is missing was never acknowledged as durable
 *    (or was the very last thing that was): a torn tail, cut silently.
 *    Groups of abandoned tails stay behind the end for a while.  They give no false proof: a group never calls a
 *    position durable that was past the flushed end of its time, and the log's end never falls below that again,
 *    except by salvage, which therefore wipes what it cuts off.
 *  - A group that knows a later checkpoint durable than the meta page that was chosen proves that page lost:
 *    LEVIN_CORRUPT in every mode, for the pages that the older meta page needs may have been used again.
 *  - What a SEAL names, and the segment that the meta page names, were durable before they were named.
 * A group whose values are not in the value log (vlog_recover.c) ends the log like a torn one, unless a later one
 * proves that it was on the device.
 * Before it decides that the log ends, the walk reads the place again, past its window: a read that went wrong
 * once does not cut the log.
 *
 * Invariants: nothing is changed on disk before the walk has succeeded, and nothing at all in read_only.  No
 * damaged size decides about memory: a payload is reserved after its checksum was right, and is no longer than the
 * file.  The scan for proofs does bounded work (SCAN_FACTOR).
 * Crash safety: groups past the proven position may be in the page cache only (also after a failed sync, when the
 * kernel calls them clean), or on the device and acknowledged; nobody can tell.  Written again in place, a power cut
 * could destroy the sector under the head, and with it an acknowledged group.  So their segment is copied to a new
 * file, synced, and renamed over the old one; then a mark under a new incarnation calls all of it durable, and is
 * synced.  A crash on the way leaves a log with the same groups.  After a clean close there is nothing to copy: the
 * mark takes the place of the CLOSE.  Salvage removes later segments and wipes the rest of the last one before that
 * mark.
 * Concurrency: the thread that opens the store.
 */
#include <string.h>

#include "page_format.h"
#include "wal_internal.h"

/* Sectors that claim to be groups worth a checksum may cost this many times the log's size, in all. */
enum { SCAN_FACTOR = 64, COMPARE_BYTES = 4096 };

typedef struct walk {
    wal *log;
    const wal_start *start;
    const wal_visitor *visitor;
    wal_segments_list found;
    wal_segment *segment;  /* in found: the one that position is in; NULL: sealed to, but not there (salvage) */
    wal_reader reader;     /* of it */
    uint8_t *window;
    uint64_t position, chain, incarnation;
    uint64_t highest;      /* incarnation seen anywhere */
    uint64_t sequence;     /* of the last batch */
    uint64_t proven;       /* position: on the device before it, by what the log says itself */
    uint64_t generation;   /* the newest checkpoint that the log says is on the device */
    uint64_t scan_left;    /* bytes that the scan may still sum */
    uint64_t ahead;        /* position: on the device before it, by what the rest of the chain says */
    bool ahead_known;
    bool rot;              /* the error returned is damage of the log: salvage cuts there */
    bool cut;              /* salvage has cut: what lies behind position is to be destroyed */
    bool torn;             /* the group at the position is there, but not whole */
    struct {
        uint64_t position, chain; /* before the CLOSE that the walk has passed last; position 0: it was no CLOSE */
    } closed;
} walk;

/* Damage that salvage may cut off, in the segment of the walk's position. */
static levin_code damage_at(walk *w, uint64_t offset, uint64_t expected, uint64_t found, const char *what,
                            levin_error *error)
{
    w->rot = true;
    return error_corrupt(error, wal_segment_name(lsn_segment(w->position)).text, offset, expected, found, "%s", what);
}

/* The same, at the position itself. */
static levin_code damage(walk *w, uint64_t expected, uint64_t found, const char *what, levin_error *error)
{
    return damage_at(w, lsn_offset(w->position), expected, found, what, error);
}

/* ---- the walk --------------------------------------------------------------------------------------------- */

/* Goes on at w->position, in a segment not yet open. */
static levin_code walk_open(walk *w, levin_error *error)
{
    uint64_t number = lsn_segment(w->position);
    bool salvage = w->log->options.recovery == LEVIN_RECOVERY_CUT_AT_DAMAGE;
    wal_reader_close(&w->reader);
    w->segment = wal_segments_find(&w->found, number);
    if (w->segment && w->segment->state != WAL_SEGMENT_GOOD)
        w->segment = NULL;
    if (!w->segment)
        return damage_at(w, 0, number, 0, "a segment that the log needs is missing or has no valid header", error);
    if (w->segment->file_bytes < w->segment->bytes) {
        levin_code code = damage_at(w, w->segment->file_bytes, w->segment->bytes, w->segment->file_bytes,
                                    "a log segment is cut short", error);
        if (!salvage)
            return code;
        w->rot = false; /* read what there is */
        w->cut = true;
    }
    return wal_reader_open(&w->reader, &w->log->options, w->segment, w->window, error);
}

static levin_code walk_start(walk *w, levin_error *error)
{
    const wal_start *start = w->start;
    uint64_t offset = lsn_offset(start->position), sector = w->log->options.sector_bytes;
    w->position = start->position;
    w->chain = start->chain;
    w->sequence = start->sequence;
    w->highest = start->incarnation;
    w->proven = start->position;
    levin_code code = walk_open(w, error);
    if (code && !w->segment)
        w->rot = false; /* without its beginning there is no log to salvage */
    if (code)
        return code;
    if (offset < sector || offset % sector || offset + sector > w->segment->bytes ||
        start->sequence > WAL_SEQUENCE_MAX || start->incarnation > WAL_INCARNATION_MAX)
        return error_corrupt(error, wal_segment_name(w->segment->number).text,
                             offset < w->segment->file_bytes ? offset : w->segment->file_bytes, w->segment->bytes,
                             offset, "the log is said to begin where it cannot");
    return LEVIN_OK;
}

/* Whether the group that the log goes on with stands at the walk's position. */
static levin_code walk_find(walk *w, wal_group *g, bool *there, levin_error *error)
{
    uint64_t offset = lsn_offset(w->position);
    *there = false;
    for (unsigned attempt = 0; attempt < 2 && !*there; attempt++) {
        if (attempt)
            w->reader.have = 0;
        levin_code code = wal_reader_header(&w->reader, offset, g, there, error);
        if (!code && *there && (g->previous != w->chain || g->incarnation < w->incarnation))
            *there = false;
        const bool begins = *there;
        if (!code && *there)
            code = wal_reader_verify(&w->reader, offset, g, there, error);
        if (code)
            return code;
        *there = *there && wal_reader_holds(&w->reader, offset, g);
        w->torn = begins && !*there;
    }
    return LEVIN_OK;
}

/* The log is right, and the page file is what was hurt: it has its meta pages at its beginning. */
static levin_code meta_lost(const walk *w, const wal_group *g, levin_error *error)
{
    return error_corrupt(error, PAGE_FILE_NAME, 0, g->generation, w->start->generation,
                         "the log knows a later checkpoint than the page file: its newest meta page is lost");
}

/* Whether a group that verified makes sense here. */
static levin_code walk_judge(walk *w, const wal_group *g, levin_error *error)
{
    uint32_t sector = w->log->options.sector_bytes;
    uint64_t end = lsn_offset(w->position) + wal_group_total(g->payload_bytes, sector);
    if (g->generation > w->start->generation)
        return meta_lost(w, g, error);
    const char *flaw = wal_group_flaw(g);
    if (flaw)
        return damage(w, 0, g->kind, flaw, error);
    if (g->sequence <= w->sequence)
        return damage(w, w->sequence + 1, g->sequence, "sequence numbers in the log go back", error);
    if (g->kind != WAL_SEAL && end + sector > w->segment->bytes)
        return damage(w, w->segment->bytes - sector, end, "a log group leaves no room for a seal", error);
    return LEVIN_OK;
}

/* Goes on from a group that has verified. */
static levin_code walk_pass(walk *w, const wal_group *g, levin_error *error)
{
    uint64_t end = lsn_offset(w->position) + wal_group_total(g->payload_bytes, w->log->options.sector_bytes);
    w->chain = g->checksum;
    w->incarnation = g->incarnation;
    if (g->kind != WAL_SEAL) {
        w->position = lsn_make(w->segment->number, end);
        return LEVIN_OK;
    }
    w->position = lsn_make(g->next_segment, w->log->options.sector_bytes);
    return walk_open(w, error);
}

/*
 * Follows the chain to its end for what it calls durable, without replaying it.  Only for logs with pointers into the
 * value log: whether a value has to be there depends on it.
 */
static levin_code walk_ahead(walk *w, levin_error *error)
{
    walk a = *w;
    wal_group g;
    bool there = true;
    memset(&a.reader, 0, sizeof a.reader);
    levin_code code = walk_open(&a, error);
    while (!code && there) {
        code = walk_find(&a, &g, &there, error);
        if (code || !there)
            break;
        if (w->ahead < g.durable)
            w->ahead = g.durable;
        code = walk_pass(&a, &g, error);
    }
    wal_reader_close(&a.reader);
    w->reader.have = 0; /* the window is the same */
    w->ahead_known = true;
    return code == LEVIN_CORRUPT ? LEVIN_OK : code; /* the walk will come there */
}

/* Whether all values that the group points to are there. */
static levin_code walk_accept(walk *w, const wal_group *g, const uint8_t *payload, bool *whole, levin_error *error)
{
    const wal_visitor *v = w->visitor;
    uint64_t end = lsn_offset(w->position) + wal_group_total(g->payload_bytes, w->log->options.sector_bytes);
    levin_code code = LEVIN_OK;
    if (!v->accept || !wal_payload_points(payload, g->batches))
        return LEVIN_OK;
    if (!w->ahead_known)
        code = walk_ahead(w, error);
    if (code)
        return code;
    code = v->accept(v->context, payload, g->batches, lsn_make(w->segment->number, end) <= w->ahead, whole, error);
    w->rot = w->rot || code == LEVIN_CORRUPT;
    return code;
}

static levin_code walk_replay(walk *w, const wal_group *g, bool *whole, levin_error *error)
{
    const wal_visitor *v = w->visitor;
    uint64_t offset = lsn_offset(w->position);
    size_t bytes = g->payload_bytes, at = 0;
    bool valid;
    if (!bytes)
        return g->batches ? damage(w, 0, g->batches, "a log group counts batches it does not have", error) : LEVIN_OK;
    uint8_t *payload = v->reserve(v->context, bytes);
    if (!payload)
        return error_memory(error, bytes);
    levin_code code = wal_reader_payload(&w->reader, offset, g, payload, &valid, error);
    if (code)
        return code;
    if (!valid)
        return error_corrupt(error, w->reader.f.name, offset, g->checksum, 0,
                             "two reads of a log group gave different bytes");
    if (!wal_payload_check(payload, bytes, g->batches, w->log->options.key_max_bytes, &at))
        return damage(w, g->batches, at, "a log group verifies, but does not hold well-formed batches", error);
    code = walk_accept(w, g, payload, whole, error);
    if (code || !*whole)
        return code;
    at = 0;
    for (uint32_t i = 0; i < g->batches; i++) {
        const uint8_t *batch = payload + at;
        size_t operations = load_u32(batch + BATCH_OPS_BYTES);
        code = v->batch(v->context, g->sequence + i, batch + BATCH_HEADER_BYTES, operations,
                        load_u32(batch + BATCH_OP_COUNT), error);
        if (code)
            return code;
        at += BATCH_HEADER_BYTES + operations;
    }
    return LEVIN_OK;
}

/* One group on. *more false: the log ends at w->position. */
static levin_code walk_step(walk *w, bool *more, levin_error *error)
{
    wal_group g;
    levin_code code = walk_find(w, &g, more, error);
    if (code || !*more)
        return code;
    code = walk_judge(w, &g, error);
    if (!code && g.kind == WAL_DATA)
        code = walk_replay(w, &g, more, error);
    w->torn = !code && !*more; /* its values are not all there */
    if (code || !*more)
        return code;
    w->segment->used = lsn_offset(w->position) + wal_group_total(g.payload_bytes, w->log->options.sector_bytes);
    if (w->highest < g.incarnation)
        w->highest = g.incarnation;
    if (w->proven < g.durable)
        w->proven = g.durable;
    if (w->generation < g.generation)
        w->generation = g.generation;
    w->sequence = g.sequence + g.batches - 1;
    w->closed.position = g.kind == WAL_CLOSE ? w->position : 0;
    w->closed.chain = w->chain;
    return walk_pass(w, &g, error);
}

/* ---- rot or torn ------------------------------------------------------------------------------------------ */

/* A header behind the end: is it worth a checksum, and what does it prove? */
static levin_code scan_judge(walk *w, wal_reader *r, uint64_t offset, const wal_group *g, levin_error *error)
{
    bool valid;
    if (g->durable <= w->position && g->generation <= w->generation && g->incarnation <= w->highest)
        return LEVIN_OK;
    if (!wal_reader_reaches(r, offset, g))
        return LEVIN_OK; /* longer than what is left: no group */
    /* not for salvage to cut: what is not looked at might know a later checkpoint */
    if (w->scan_left < g->payload_bytes)
        return error_corrupt(error, r->f.name, offset, 0, g->payload_bytes,
                             "the bytes behind the log's end are full of what claims to be groups");
    w->scan_left -= g->payload_bytes;
    levin_code code = wal_reader_verify(r, offset, g, &valid, error);
    if (code || !valid)
        return code;
    if (g->generation > w->start->generation)
        return meta_lost(w, g, error);
    if (g->durable > w->position && w->log->options.recovery != LEVIN_RECOVERY_CUT_AT_DAMAGE)
        return damage(w, g->durable, w->position,
                      "the log breaks off here, but a later group proves that it was durable beyond", error);
    w->cut = w->cut || g->durable > w->position; /* salvage: but a later checkpoint may still be found */
    if (g->incarnation <= WAL_INCARNATION_MAX && w->highest < g->incarnation)
        w->highest = g->incarnation;
    /* The group is cut off, but what it says of the page file was true: that meta page must not be written again. */
    if (w->generation < g->generation)
        w->generation = g->generation;
    return LEVIN_OK;
}

/* Looks at every sector of the segment from `offset` on. */
static levin_code scan_segment(walk *w, const wal_segment *segment, uint64_t offset, levin_error *error)
{
    wal_reader r;
    levin_code code = wal_reader_open(&r, &w->log->options, segment, w->window, error);
    while (!code && offset < r.limit && r.limit - offset >= WAL_GROUP_HEADER_BYTES) {
        wal_group g;
        bool stands;
        code = wal_reader_header(&r, offset, &g, &stands, error);
        if (!code && stands)
            code = scan_judge(w, &r, offset, &g, error);
        offset += r.sector_bytes;
    }
    wal_reader_close(&r);
    return code;
}

static levin_code scan(walk *w, levin_error *error)
{
    uint64_t number = lsn_segment(w->position);
    levin_code code = LEVIN_OK;
    wal_reader_close(&w->reader);
    for (size_t i = 0; i < w->found.count; i++)
        if (w->found.items[i].number >= number)
            w->scan_left += SCAN_FACTOR * w->found.items[i].file_bytes;
    for (size_t i = 0; i < w->found.count && !code; i++) {
        const wal_segment *s = &w->found.items[i];
        if (s->number >= number)
            code = scan_segment(w, s, s->number == number ? lsn_offset(w->position) : w->log->options.sector_bytes,
                                error);
    }
    return code;
}

/* Where the log ends, if that is not where its last group does. */
static void tell_cut(const walk *w, const levin_error *error)
{
    const wal_options *o = &w->log->options;
    const char *damage = error->message[0] ? error->message : "a later group proves that it was durable beyond";
    if (o->on_cut && (w->cut || w->torn))
        o->on_cut(o->sync_context, wal_segment_name(lsn_segment(w->position)).text, lsn_offset(w->position),
                  w->cut ? damage : NULL);
}

/* The whole replay. */
static levin_code walk_run(walk *w, levin_error *error)
{
    const bool salvage = w->log->options.recovery == LEVIN_RECOVERY_CUT_AT_DAMAGE;
    bool more = true;
    memset(error, 0, sizeof *error);
    levin_code code = wal_segments_list_names(&w->log->options, &w->found, error);
    for (size_t i = 0; i < w->found.count && !code; i++)
        code = wal_segment_inspect(&w->log->options, w->found.items[i].number, &w->found.items[i], error);
    if (!code)
        code = walk_start(w, error);
    while (!code && more)
        code = walk_step(w, &more, error);
    if (code == LEVIN_CORRUPT && w->rot && salvage) {
        w->cut = true; /* what is cut off must not know a later checkpoint */
        w->rot = false;
        code = LEVIN_OK;
    }
    if (!code)
        code = scan(w, error);
    if (code == LEVIN_CORRUPT && w->rot && salvage) {
        w->cut = true;
        code = LEVIN_OK;
    }
    if (!code) {
        tell_cut(w, error);
        memset(error, 0, sizeof *error); /* what salvage has passed over is no error */
    }
    wal_reader_close(&w->reader);
    return code;
}

/* ---- ready again ------------------------------------------------------------------------------------------ */

/*
 * A log that was closed, and whose CLOSE calls all before it durable, goes on in the place of the CLOSE: nothing has to
 * be copied.  A power cut that tears what is written there takes with it a group without data, and the proof, which
 * the next recovery then does without.
 */
static void take_back_close(walk *w)
{
    if (!w->closed.position || w->proven < w->closed.position || w->cut)
        return;
    w->position = w->closed.position;
    w->chain = w->closed.chain;
    w->segment->used = lsn_offset(w->position);
}

static levin_code reread_failed(const wal_reader *r, uint64_t offset, levin_error *error)
{
    return error_corrupt(error, r->f.name, offset, 0, 0, "a log group changed between two reads");
}

/* Bytes of whole groups that verify at the start of data[0..bytes), which stands at offset. */
static size_t verified_prefix(const wal_reader *r, const uint8_t *data, size_t bytes, uint64_t offset)
{
    size_t at = 0;
    while (at < bytes) {
        wal_group g;
        uint64_t position = lsn_make(r->number, offset + at);
        if (!wal_group_stands(data + at, position))
            break;
        wal_group_decode(data + at, &g);
        uint64_t total = wal_group_total(g.payload_bytes, r->sector_bytes);
        if (total > bytes - at ||
            checksum(data + at + WAL_GROUP_MAGIC_AT,
                     WAL_GROUP_HEADER_BYTES - WAL_GROUP_MAGIC_AT + (size_t)g.payload_bytes,
                     checksum_seed(r->identity, PLACE_WAL_GROUP, position)) != g.checksum)
            break;
        at += (size_t)total;
    }
    return at;
}

/*
 * Reads [at, end) once more and compares the copy with it: for bytes that were not verified by the very read that they
 * were copied from.  A read that goes wrong once is then no damage that lasts.
 */
static levin_code copy_same(wal_reader *r, file *copy, uint64_t at, uint64_t end, levin_error *error)
{
    uint8_t copied[COMPARE_BYTES];
    levin_code code = LEVIN_OK;
    r->have = 0;
    while (!code && at < end) {
        const size_t step = end - at < sizeof copied ? (size_t)(end - at) : sizeof copied;
        const uint8_t *data;
        size_t done = 0;
        code = wal_reader_need(r, at, step, &data, error);
        if (!code)
            code = file_read(copy, copied, step, at, &done, error);
        if (!code && (!data || done < step || memcmp(data, copied, step) != 0))
            code = reread_failed(r, at, error);
        at += step;
    }
    return code;
}

/* Copies [from, end) as it is, and reads it again. */
static levin_code copy_raw(walk *w, wal_reader *r, file *f, uint64_t from, uint64_t end, levin_error *error)
{
    levin_code code = LEVIN_OK;
    uint64_t at = from;
    while (!code && at < end) {
        size_t step = end - at < WAL_WINDOW_BYTES ? (size_t)(end - at) : (size_t)WAL_WINDOW_BYTES;
        const uint8_t *data;
        code = wal_reader_need(r, at, step, &data, error);
        if (!code && !data)
            code = reread_failed(r, at, error);
        if (!code)
            code = wal_write_file(w->log, f, data, step, at, error);
        at += step;
    }
    return code ? code : copy_same(r, f, from, end, error);
}

/* Copies one group that is longer than the window. *end is where it ends. */
static levin_code copy_long(walk *w, wal_reader *r, file *f, uint64_t offset, uint64_t *end, levin_error *error)
{
    wal_group g;
    bool good;
    levin_code code = wal_reader_header(r, offset, &g, &good, error);
    if (!code && good)
        code = wal_reader_verify(r, offset, &g, &good, error);
    if (code || !good)
        return code ? code : reread_failed(r, offset, error);
    *end = offset + wal_group_total(g.payload_bytes, r->sector_bytes);
    return copy_raw(w, r, f, offset, *end, error);
}

/*
 * Copies the groups [from, end), each verified as it is copied.  older: only an older meta page needs them; from the
 * first that does not stand they are copied as they are.
 */
static levin_code copy_groups(walk *w, wal_reader *r, file *f, uint64_t from, uint64_t end, bool older,
                              levin_error *error)
{
    levin_code code = LEVIN_OK;
    while (!code && from < end) {
        const size_t bytes = end - from < WAL_WINDOW_BYTES ? (size_t)(end - from) : (size_t)WAL_WINDOW_BYTES;
        const uint8_t *data;
        code = wal_reader_need(r, from, bytes, &data, error);
        if (!code && !data)
            code = reread_failed(r, from, error);
        if (code)
            break;
        const size_t good = verified_prefix(r, data, bytes, from);
        if (!good && older)
            return copy_raw(w, r, f, from, end, error);
        if (good) {
            code = wal_write_file(w->log, f, data, good, from, error);
            from += good;
        } else {
            code = copy_long(w, r, f, from, &from, error);
        }
    }
    return code;
}

/*
 * Puts a durable copy in the place of a segment some of whose groups may be in the page cache only; those from `from`
 * on are verified.  *copy is open under the segment's name on success, closed otherwise.
 */
static levin_code replace_segment(walk *w, const wal_segment *segment, uint64_t from, file *copy, levin_error *error)
{
    const wal_options *o = &w->log->options;
    wal_name name = wal_segment_name(segment->number);
    wal_reader r;
    levin_code code = file_open(copy, o->io, o->directory, WAL_COPY_NAME, LEVIN_FILE_WAL,
                                LEVIN_IO_WRITE | LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE, error);
    if (code)
        return code;
    code = wal_reader_open(&r, o, segment, w->window, error);
    if (!code)
        code = file_preallocate(copy, segment->bytes, error);
    if (!code)
        code = copy_raw(w, &r, copy, 0, o->sector_bytes, error);
    if (!code)
        code = copy_groups(w, &r, copy, o->sector_bytes, from, true, error);
    if (!code)
        code = copy_groups(w, &r, copy, from, segment->used, false, error);
    wal_reader_close(&r);
    if (!code)
        code = wal_sync_file(w->log, copy, error);
    if (!code)
        code = file_rename(o->io, o->directory, WAL_COPY_NAME, name.text, error);
    if (!code)
        code = wal_sync_directory(w->log, error);
    if (code) {
        levin_error ignored;
        file_close(copy);
        (void)file_unlink(o->io, o->directory, WAL_COPY_NAME, &ignored); /* the next recovery would do it */
        return code;
    }
    memcpy(copy->name, name.text, sizeof name.text);
    return LEVIN_OK;
}

static levin_code replace_unproven(walk *w, levin_error *error)
{
    wal *log = w->log;
    uint64_t first = lsn_segment(w->proven), last = lsn_segment(w->position);
    /* A crash may have left one, also as a second name of a segment: never written to, only unlinked. */
    levin_code code = file_unlink(log->options.io, log->options.directory, WAL_COPY_NAME, error);
    for (size_t i = 0; i < w->found.count && !code; i++) {
        const wal_segment *s = &w->found.items[i];
        const uint64_t sector = log->options.sector_bytes, proven = s->number == first ? lsn_offset(w->proven) : sector;
        if (s->number < first || s->number > last || proven >= s->used || s->state != WAL_SEGMENT_GOOD)
            continue;
        /* from where a group begins for certain; and what is proven must not suffer from a read that goes wrong */
        const uint64_t from = s->number == lsn_segment(w->start->position) ? lsn_offset(w->start->position) : sector;
        file copy;
        code = replace_segment(w, s, from, &copy, error);
        if (!code && s->number == last) {
            file_close(&log->current);
            log->current = copy;
        } else if (!code) {
            file_close(&copy);
        }
    }
    return code;
}

/* A segment of the log that was cut short behind its last group gets its length back: the log is whole again. */
static levin_code lengthen(walk *w, const wal_segment *segment, levin_error *error)
{
    const wal_options *o = &w->log->options;
    file f;
    if (segment->file_bytes >= segment->bytes || segment->state != WAL_SEGMENT_GOOD ||
        segment->number < lsn_segment(w->start->position) || segment->number >= w->log->number)
        return LEVIN_OK;
    levin_code code = file_open(&f, o->io, o->directory, wal_segment_name(segment->number).text, LEVIN_FILE_WAL,
                                LEVIN_IO_WRITE, error);
    if (!code)
        code = file_preallocate(&f, segment->bytes, error);
    if (!code)
        code = wal_sync_file(w->log, &f, error);
    file_close(&f);
    return code;
}

/* Destroys what salvage cut off: later groups must not pass for proof of rot next time. */
static levin_code wipe(walk *w, levin_error *error)
{
    wal *log = w->log;
    levin_code code = file_preallocate(&log->current, log->bytes, error); /* it may have been cut short */
    memset(w->window, 0, WAL_WINDOW_BYTES);
    for (uint64_t at = log->offset; at < log->bytes && !code;) {
        uint64_t left = log->bytes - at;
        size_t step = left < WAL_WINDOW_BYTES ? (size_t)left : (size_t)WAL_WINDOW_BYTES;
        code = wal_write_file(log, &log->current, w->window, step, at, error);
        at += step;
    }
    for (size_t i = 0; i < w->found.count && !code; i++)
        if (w->found.items[i].number > log->number)
            code = wal_segment_unlink(log, w->found.items[i].number, error);
        else
            code = lengthen(w, &w->found.items[i], error);
    if (!code)
        code = wal_sync_directory(log, error);
    return code ? code : wal_sync_file(log, &log->current, error);
}

/* Sets the end of the log, and its list of segments; touches no file. */
static levin_code adopt(walk *w, levin_error *error)
{
    wal *log = w->log;
    log->number = lsn_segment(w->position);
    log->offset = log->flushed = lsn_offset(w->position);
    log->bytes = w->segment ? w->segment->bytes : log->segment_bytes;
    log->older = w->segment && w->segment->version < WAL_FORMAT_VERSION;
    log->durable = w->position;
    log->chain = w->chain;
    log->incarnation = w->highest;
    log->generation = w->start->generation;
    log->seen = w->generation;
    log->sequence = w->sequence + 1;
    log->replayed = w->sequence;
    for (size_t i = 0; i < w->found.count; i++) {
        const wal_segment *s = &w->found.items[i];
        if (s->number < lsn_segment(w->start->position) || s->number > log->number)
            continue;
        levin_code code = wal_segments_reserve(&log->live, log->options.io, error);
        if (code)
            return code;
        wal_segments_add(&log->live, s);
    }
    return LEVIN_OK;
}

/* The segment that the log ends in, open for writing; salvage makes it anew when a SEAL names it in vain. */
static levin_code open_last(walk *w, levin_error *error)
{
    wal *log = w->log;
    if (w->segment)
        return file_open(&log->current, log->options.io, log->options.directory, wal_segment_name(log->number).text,
                         LEVIN_FILE_WAL, LEVIN_IO_WRITE, error);
    levin_code code = wal_segment_create(log, log->number, log->bytes, &log->current, error);
    wal_segment *last = wal_segments_find(&log->live, log->number);
    const wal_segment made = { log->number, log->bytes, log->bytes, log->offset, WAL_SEGMENT_GOOD,
                               WAL_FORMAT_VERSION };
    if (!code && last)
        *last = made;
    else if (!code)
        code = wal_segments_reserve(&log->live, log->options.io, error);
    if (!code && !last)
        wal_segments_add(&log->live, &made);
    return code;
}

/* What no longer belongs to the log becomes a spare or goes. */
static levin_code tidy(walk *w, levin_error *error)
{
    wal *log = w->log;
    for (size_t i = 0; i < w->found.count; i++) {
        const wal_segment *s = &w->found.items[i];
        levin_code code = LEVIN_OK;
        if (s->number < lsn_segment(w->start->position))
            code = wal_segment_retire(log, s, error);
        else if (s->number > log->number)
            code = wal_segment_unlink(log, s->number, error);
        if (code)
            return code;
    }
    return LEVIN_OK;
}

static levin_code make_ready(walk *w, levin_error *error)
{
    wal *log = w->log;
    if (w->highest > WAL_INCARNATION_MAX - WAL_NUMBERS_RESERVE ||
        w->sequence > WAL_SEQUENCE_MAX - WAL_NUMBERS_RESERVE)
        return error_set(error, LEVIN_TOO_BIG, NULL,
                         "the numbers of the log are used up (incarnation %llu, sequence %llu): it can only be read",
                         (unsigned long long)w->highest, (unsigned long long)w->sequence);
    levin_code code = open_last(w, error);
    if (!code && w->cut)
        code = wipe(w, error);
    if (!code)
        code = replace_unproven(w, error);
    if (!code)
        code = file_unlink(log->options.io, log->options.directory, WAL_SPARE_NAME, error);
    if (code)
        return code;
    log->incarnation = w->highest + 1;
    code = wal_mark(log, w->start->generation, error);
    /* Not before: what the log knows of the meta page may stand in a cut-off group that the copy left out. */
    return code ? code : tidy(w, error);
}

levin_code wal_recover(const wal_options *options, const wal_start *start, const wal_visitor *visitor, wal **out,
                       levin_error *error)
{
    const levin_io *io = options->io;
    walk w = { .start = start, .visitor = visitor };
    *out = NULL;
    levin_code code = wal_new(options, &w.log, error);
    if (code)
        return code;
    w.window = io_alloc(io, WAL_WINDOW_BYTES);
    code = w.window ? walk_run(&w, error) : error_memory(error, WAL_WINDOW_BYTES);
    if (!code && !options->read_only)
        take_back_close(&w);
    if (!code)
        code = adopt(&w, error);
    if (!code && !options->read_only && visitor->prove)
        code = visitor->prove(visitor->context, w.generation, error);
    if (!code && !options->read_only)
        code = make_ready(&w, error);
    wal_segments_fini(&w.found, io);
    io_free(io, w.window, WAL_WINDOW_BYTES);
    if (code)
        wal_close(w.log);
    else
        *out = w.log;
    return code;
}

/* ---- creation --------------------------------------------------------------------------------------------- */

/* Whether segment 1, left by whatever store, holds a batch: then it is no leftover of an unfinished creation. */
static levin_code holds_data(const wal_options *options, uint8_t *window, bool *data, levin_error *error)
{
    wal_options own = *options;
    wal_segment segment = { .number = 1, .state = WAL_SEGMENT_HEADERLESS };
    wal_reader r;
    const uint8_t *header;
    levin_code code = wal_reader_open(&r, options, &segment, window, error);
    if (!code)
        code = file_size(&r.f, &r.limit, error);
    if (!code)
        code = wal_reader_need(&r, 0, WAL_SEGMENT_HEADER_BYTES, &header, error);
    if (!code && header) {
        memcpy(own.identity, header + WAL_SEGMENT_IDENTITY, sizeof own.identity);
        r.identity = checksum_identity(own.identity);
        for (uint64_t at = 512; at < r.limit && !code && !*data; at += 512) {
            wal_group g;
            code = wal_reader_header(&r, at, &g, data, error);
            if (!code && *data)
                *data = g.kind == WAL_DATA;
            if (!code && *data)
                code = wal_reader_verify(&r, at, &g, data, error);
        }
    }
    wal_reader_close(&r);
    return code;
}

levin_code wal_create(const wal_options *options, levin_error *error)
{
    const levin_io *io = options->io;
    wal *log = NULL;
    wal_segments_list found = { 0 };
    uint8_t *window = NULL;
    bool data = false;
    levin_code code = wal_new(options, &log, error);
    if (code)
        return code;
    code = wal_segments_list_names(options, &found, error);
    if (!code && found.count) {
        window = io_alloc(io, WAL_WINDOW_BYTES);
        code = window ? LEVIN_OK : error_memory(error, WAL_WINDOW_BYTES);
        if (!code && found.items[0].number == 1)
            code = holds_data(options, window, &data, error);
        if (!code && (data || found.items[found.count - 1].number != 1))
            code = error_corrupt(error, wal_segment_name(found.items[found.count - 1].number).text, 0, 0, found.count,
                                 "the log of a store whose page file is gone; a new store would destroy it");
    }
    if (!code)
        code = wal_segment_create(log, 1, log->segment_bytes, &log->current, error);
    io_free(io, window, WAL_WINDOW_BYTES);
    wal_segments_fini(&found, io);
    wal_close(log);
    return code;
}
