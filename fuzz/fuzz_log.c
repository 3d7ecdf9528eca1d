/*
 * fuzz_log.c - property: segments of the log of any bytes are replayed safely, and what is replayed is what a plain
 * reader of the format accepts, no group more and none less.
 *
 * Input: log_input.h.
 *
 * Invariants:
 *   - the batches handed over are those of the plain reader (plain_log.h), in order, also before an error; nothing
 *     behind the first damage is among them;
 *   - the verdict (whole, LEVIN_CORRUPT, LEVIN_VERSION_UNKNOWN), the end, sequence number, incarnation and checkpoint
 *     that the log knows, what is told as cut: as the plain reader says; the error names a file of the log;
 *   - a payload is reserved only when its bytes are there;
 *   - wal_check() finds no fault in what was replayed;
 *   - read-only changes nothing; a log made ready to write takes groups, over segments too, and read again it
 *     holds what was replayed and what was appended, and nothing else: what was cut stays cut;
 *   - nothing is left behind, and memory and calls are bounded (disk.c).
 * A value that a pointer names counts as there when it is said to stand in a segment of an odd number.
 */
#include <stdlib.h>
#include <string.h>

#include "../engine/page_format.h"
#include "../engine/wal_internal.h"
#include "../faults/fatal.h"
#include "fuzz.h"
#include "log_input.h"
#include "plain_log.h"

enum { SEGMENT_SECTORS = 16, GROUPS_MAX = 1 + 3 * LOG_MORE_GROUPS, GROUP_BYTES = 4096, RECORD_VALUE = 300 };

typedef struct run {
    plain_start start;
    plain_log plain;
    wal_options options;
    wal_start wal_start;
    size_t replayed, limit; /* batches handed over; bytes of the largest file */
    bool proved, told;
    uint8_t *payload;
} run;

/* ---- what the replay calls -------------------------------------------------------------------------------- */

static bool value_there(const uint8_t *pointer)
{
    return load_u32(pointer + VLOG_POINTER_POSITION + 4) % 2;
}

static uint8_t *reserve(void *context, size_t bytes)
{
    run *r = context;
    fuzz_require(bytes <= r->limit, "memory for a payload of %zu bytes, of files of %zu", bytes, r->limit);
    free(r->payload);
    r->payload = fatal_alloc(bytes);
    return r->payload;
}

static levin_code batch(void *context, uint64_t sequence, const uint8_t *operations, size_t bytes, size_t count,
                        levin_error *error)
{
    run *r = context;
    (void)error;
    fuzz_require(r->replayed < r->plain.count, "a batch is replayed that the plain reader does not accept: number %llu",
                 (unsigned long long)sequence);
    const plain_replayed *p = &r->plain.batches[r->replayed++];
    fuzz_require(sequence == p->sequence && bytes == p->bytes && count == p->count &&
                     !memcmp(operations, p->operations, bytes),
                 "batch %zu is replayed as another: number %llu and not %llu, %zu bytes and not %zu", r->replayed - 1,
                 (unsigned long long)sequence, (unsigned long long)p->sequence, bytes, p->bytes);
    return LEVIN_OK;
}

static levin_code prove(void *context, uint64_t proven_generation, levin_error *error)
{
    run *r = context;
    (void)error;
    fuzz_require(!r->proved && !r->options.read_only, "asked for a proof once more, or to read only");
    fuzz_require(r->plain.verdict == PLAIN_WHOLE && proven_generation == r->plain.generation,
                 "the log proves checkpoint %llu, not %llu", (unsigned long long)proven_generation,
                 (unsigned long long)r->plain.generation);
    r->proved = true;
    return LEVIN_OK;
}

static levin_code accept(void *context, const uint8_t *payload, uint32_t batches, bool proven, bool *whole,
                         levin_error *error)
{
    (void)context;
    for (; batches > 0; batches--) {
        const uint8_t *operation = payload + BATCH_HEADER_BYTES;
        for (size_t n = load_u32(payload + BATCH_OP_COUNT); n > 0; n--, operation += record_bytes(operation))
            if (record_kind(operation) == RECORD_PUT_LOGGED && !value_there(record_value(operation)))
                *whole = false;
        payload = operation;
    }
    if (*whole || !proven)
        return LEVIN_OK;
    return error_corrupt(error, WAL_FIRST_NAME, 0, 0, 0, "a value that the target does not have");
}

static void on_cut(void *context, const char *name, uint64_t offset, const char *damage)
{
    run *r = context;
    wal_name expected = wal_segment_name(lsn_segment(r->plain.end));
    fuzz_require(!r->told, "told twice where the log is cut");
    fuzz_require(!strcmp(name, expected.text) && offset == lsn_offset(r->plain.end),
                 "the log is said to be cut in %s at %llu, not at %llx", name, (unsigned long long)offset,
                 (unsigned long long)r->plain.end);
    fuzz_require((damage != NULL) == r->plain.cut, "the log is cut for %s", damage ? damage : "no damage");
    r->told = true;
}

/* ---- recovery --------------------------------------------------------------------------------------------- */

/* Out of the meta page. */
static void read_start(run *r, container *files)
{
    const container_file *pages = container_find(files, FILE_PAGES, 0);
    const size_t at = files->script & LOG_SECOND_META ? META_SLOT_BYTES : 0;
    uint8_t meta[META_BYTES] = { 0 };
    if (pages && pages->bytes > at)
        memcpy(meta, pages->data + at, pages->bytes - at < sizeof meta ? pages->bytes - at : sizeof meta);
    plain_start *s = &r->start;
    *s = (plain_start){ .sector_bytes = load_u32(meta + META_SECTOR_BYTES) == 4096 ? 4096 : 512,
                        .position = load_u64(meta + META_REPLAY),
                        .chain = load_u64(meta + META_REPLAY_CHAIN),
                        .sequence = load_u64(meta + META_SEQUENCE),
                        .incarnation = load_u64(meta + META_INCARNATION),
                        .generation = load_u64(meta + META_GENERATION),
                        .key_max = files->script & LOG_SHORT_KEYS ? (size_t)LOG_SHORT_KEY_BYTES : SIZE_MAX,
                        .salvage = files->script & LOG_SALVAGE,
                        .there = value_there };
    memcpy(s->identity, meta + META_IDENTITY, sizeof s->identity);
    r->wal_start = (wal_start){ s->position, s->chain, s->sequence, s->incarnation, s->generation };
    r->options = (wal_options){ .directory = FUZZ_STORE,
                                .segment_bytes = (uint64_t)SEGMENT_SECTORS * s->sector_bytes,
                                .sector_bytes = s->sector_bytes,
                                .key_max_bytes = s->key_max == SIZE_MAX ? 0 : (uint32_t)s->key_max,
                                .read_only = files->script & LOG_READ_ONLY,
                                .recovery = s->salvage ? LEVIN_RECOVERY_CUT_AT_DAMAGE : LEVIN_RECOVERY_STRICT,
                                .sync_context = r,
                                .on_cut = on_cut };
    memcpy(r->options.identity, s->identity, sizeof s->identity);
    for (unsigned i = 0; i < files->count; i++)
        if (r->limit < files->file[i].bytes)
            r->limit = files->file[i].bytes;
}

static levin_code recover(run *r, wal **log, levin_error *error)
{
    const wal_visitor visitor = { .context = r, .reserve = reserve, .batch = batch, .prove = prove, .accept = accept };
    r->replayed = 0;
    r->proved = r->told = false;
    levin_code code = wal_recover(&r->options, &r->wal_start, &visitor, log, error);
    fuzz_require((*log != NULL) == (code == LEVIN_OK), "a handle goes with code %d", (int)code);
    fuzz_require(code != LEVIN_OK || r->replayed == r->plain.count, "%zu batches are replayed, not %zu", r->replayed,
                 r->plain.count);
    return code;
}

/* Whether the numbers of the log leave so little that it can only be read. */
static bool used_up(const plain_log *plain)
{
    const uint64_t most = ((uint64_t)1 << 63) - 1 - ((uint64_t)1 << 48);
    return plain->highest > most || plain->sequence > most;
}

/* A log that could be replayed could not be made ready: is that right? */
static void require_unready(const run *r, levin_code code)
{
    bool room = lsn_segment(r->plain.end) < UINT32_MAX && r->plain.longest <= FUZZ_FILE_MAX;
    fuzz_require(!r->options.read_only && r->proved, "code %d for a log that is whole", (int)code);
    fuzz_require(code == LEVIN_TOO_BIG ? used_up(&r->plain) || !room : code == LEVIN_NO_SPACE && !room,
                 "code %d for a log that is whole and is to be written to", (int)code);
}

static void require_verdict(const run *r, levin_code code, const levin_error *error)
{
    static const levin_code codes[] = { LEVIN_OK, LEVIN_CORRUPT, LEVIN_VERSION_UNKNOWN };
    if (r->plain.crowded && code == LEVIN_CORRUPT)
        return;
    if (r->plain.verdict == PLAIN_WHOLE && code)
        require_unready(r, code);
    else
        fuzz_require(code == codes[r->plain.verdict], "code %d and not %d (%s)", (int)code,
                     (int)codes[r->plain.verdict], error->message);
    /* a log that knows of a newer checkpoint is sound itself: its meta page is lost */
    const bool pages = !strcmp(error->file, PAGE_FILE_NAME) && error->found == r->start.generation &&
                       error->expected > error->found;
    if (code == LEVIN_CORRUPT)
        fuzz_require(error->code == code && (pages || !strncmp(error->file, "wal-", 4)) && error->message[0],
                     "an error that does not say what is wrong");
}

static void require_handle(const run *r, const wal *log)
{
    const plain_log *p = &r->plain;
    fuzz_require(r->told == (p->torn || p->cut), "told of a cut: %d", r->told);
    fuzz_require(wal_sequence(log) == p->sequence && wal_generation(log) == r->start.generation &&
                     wal_seen_generation(log) == p->generation,
                 "batch %llu and checkpoint %llu, not %llu and %llu", (unsigned long long)wal_sequence(log),
                 (unsigned long long)wal_seen_generation(log), (unsigned long long)p->sequence,
                 (unsigned long long)p->generation);
    if (r->options.read_only)
        fuzz_require(wal_position(log) == p->end && wal_incarnation(log) == p->highest,
                     "the log ends at %llx, not %llx", (unsigned long long)wal_position(log),
                     (unsigned long long)p->end);
    else
        fuzz_require(!used_up(p) && wal_incarnation(log) == p->highest + 1 && r->proved,
                     "a log that cannot be written to is ready");
}

static bool report_fault(void *context, const levin_error *fault)
{
    (void)context;
    fuzz_fail(__FILE__, __LINE__, "wal_check() finds a fault in what was replayed: %s", fault->message);
}

static void require_sound(const run *r, wal *log)
{
    uint64_t groups = 0, segments = 0, faults = 0;
    levin_error error;
    fuzz_require(wal_check(log, &r->wal_start, report_fault, NULL, &groups, &segments, &faults, &error) == LEVIN_OK,
                 "a log that was replayed cannot be checked: %s", error.message);
}

/* ---- appending -------------------------------------------------------------------------------------------- */

/* One batch of one record, of a key that no two groups share. */
static size_t make_payload(uint8_t *payload, unsigned number)
{
    uint8_t *record = payload + BATCH_HEADER_BYTES;
    memset(payload, 0, BATCH_HEADER_BYTES);
    store_u8(record + RECORD_KIND, RECORD_PUT);
    store_u8(record + RECORD_FLAGS, 0);
    store_u16(record + RECORD_KEY_BYTES, 1);
    store_u32(record + RECORD_VALUE_BYTES, RECORD_VALUE);
    record[RECORD_HEADER_BYTES] = (uint8_t)number;
    memset(record + RECORD_HEADER_BYTES + 1, 'v', RECORD_VALUE);
    store_u32(payload + BATCH_OPS_BYTES, (uint32_t)record_bytes(record));
    store_u32(payload + BATCH_OP_COUNT, 1);
    return BATCH_HEADER_BYTES + record_bytes(record);
}

/* False: there is no room for more, which large numbers in headers may lead to. */
static bool append(run *r, wal *log, const container *files)
{
    static uint8_t groups[GROUPS_MAX][GROUP_BYTES]; /* one thread */
    const unsigned count = 1 + (files->script & LOG_MORE) / (1u << LOG_MORE_SHIFT) * LOG_MORE_GROUPS;
    levin_error error;
    levin_code code = LEVIN_OK;
    uint64_t sequence = wal_sequence(log);
    for (unsigned i = 0; i < count && !code; i++) {
        size_t bytes = make_payload(groups[i] + WAL_GROUP_HEADER_BYTES, i);
        code = wal_append(log, groups[i], bytes, 1, ++sequence, &error);
        const plain_replayed added = { sequence, groups[i] + WAL_GROUP_HEADER_BYTES + BATCH_HEADER_BYTES,
                                       bytes - BATCH_HEADER_BYTES, 1 };
        plain_log_add(&r->plain, &added);
    }
    if (!code)
        code = files->script & LOG_FINISH ? wal_finish(log, &error) : wal_sync(log, &error);
    if (code)
        require_unready(r, code);
    return !code;
}

/* The log is written to, and read again. */
static void go_on(run *r, wal *log, const container *files)
{
    levin_error error;
    wal *again;
    bool appended = append(r, log, files);
    uint64_t position = wal_position(log), incarnation = wal_incarnation(log);
    if (appended)
        require_sound(r, log);
    wal_close(log);
    if (!appended)
        return;
    r->options.read_only = true;
    r->options.on_cut = NULL; /* behind the end old groups may stand */
    r->options.recovery = LEVIN_RECOVERY_STRICT;
    levin_code code = recover(r, &again, &error);
    fuzz_require(code == LEVIN_OK, "a log that was made ready is not one: %s", error.message);
    fuzz_require(wal_position(again) == position && wal_incarnation(again) == incarnation,
                 "the log ends at %llx and not at %llx", (unsigned long long)wal_position(again),
                 (unsigned long long)position);
    require_sound(r, again);
    wal_close(again);
}

/* ---- a run ------------------------------------------------------------------------------------------------ */

static void require_unchanged(const fuzz_disk *disk, const disk_image *before)
{
    disk_image *now = simdisk_image(disk->disk);
    fuzz_require(disk_image_digest(now) == disk_image_digest(before), "reading the log has changed it");
    disk_image_unref(now);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run r = { .limit = 0 };
    container files;
    levin_error error;
    fuzz_disk disk;
    wal *log;
    if (!size || data[0] % 2 != INPUT_FILES)
        return -1;
    container_decode(&files, data, size);
    read_start(&r, &files);
    plain_log_read(&r.plain, &files, &r.start);
    disk_image *image = container_image(data, size);
    fuzz_disk_open(&disk, image);
    r.options.io = &disk.table;
    levin_code code = recover(&r, &log, &error);
    require_verdict(&r, code, &error);
    if (!code) {
        require_handle(&r, log);
        if (!r.options.read_only) {
            go_on(&r, log, &files);
        } else {
            if (!r.start.salvage)
                require_sound(&r, log);
            wal_close(log);
            require_unchanged(&disk, image);
        }
    }
    fuzz_disk_close(&disk);
    disk_image_unref(image);
    plain_log_fini(&r.plain);
    free(r.payload);
    container_fini(&files);
    return 0;
}
