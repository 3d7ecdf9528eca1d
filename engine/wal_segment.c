/*
 * wal_segment.c - segment files of the log: names, headers, creation, recycling, removal.
 *
 * Invariants
 *  - A segment gets a number once, above all numbers before it.  The file of an old one may serve again under a new
 *    number (a spare): its old groups do not verify there, for their checksums are seeded with their old position.
 *  - A spare lies under its old name.  Reuse: the header of the new number is written in place and synced, then
 *    the file is renamed, then the directory is synced.  An interruption leaves a file whose header contradicts
 *    its name, or has none, under an old name, or (the directory not synced) under both names; such a file is
 *    never used again, only unlinked: unlinking one of two names does the other no harm.
 *  - A spare may also be made ahead, outside the log, under a name of its own; a left-over one is unlinked.
 *  - A file under a number past the end of the log that no SEAL names means nothing; whoever wants the number
 *    unlinks it first.
 *  - Segments longer than usual, made for one big group, are removed instead of kept.
 * Crash safety: when wal_segment_make_next() returns LEVIN_OK the header, the size and the directory entry are on
 * the device; only then may a SEAL name the segment.  A failed sync, also of the directory, poisons the log.
 * Concurrency: the thread that owns the log.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wal_internal.h"

enum { NAME_PREFIX = 4, NAME_LENGTH = 20, LIST_FIRST = 16 };

/* ---- lists ------------------------------------------------------------------------------------------------ */

static bool segments_grow(wal_segments_list *list, const levin_io *io)
{
    size_t capacity = list->capacity ? 2 * list->capacity : (size_t)LIST_FIRST;
    wal_segment *items = io_alloc(io, capacity * sizeof *items);
    if (!items)
        return false;
    if (list->count)
        memcpy(items, list->items, list->count * sizeof *items);
    io_free(io, list->items, list->capacity * sizeof *items);
    list->items = items;
    list->capacity = capacity;
    return true;
}

levin_code wal_segments_reserve(wal_segments_list *list, const levin_io *io, levin_error *error)
{
    if (list->count < list->capacity || segments_grow(list, io))
        return LEVIN_OK;
    return error_memory(error, 2 * list->capacity * sizeof *list->items);
}

void wal_segments_add(wal_segments_list *list, const wal_segment *segment)
{
    assert(list->count < list->capacity);
    size_t at = list->count;
    while (at && list->items[at - 1].number > segment->number)
        at--;
    memmove(list->items + at + 1, list->items + at, (list->count - at) * sizeof *list->items);
    list->items[at] = *segment;
    list->count++;
}

void wal_segments_remove(wal_segments_list *list, size_t index)
{
    list->count--;
    memmove(list->items + index, list->items + index + 1, (list->count - index) * sizeof *list->items);
}

wal_segment *wal_segments_find(const wal_segments_list *list, uint64_t number)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].number == number)
            return &list->items[i];
    return NULL;
}

void wal_segments_fini(wal_segments_list *list, const levin_io *io)
{
    io_free(io, list->items, list->capacity * sizeof *list->items);
    memset(list, 0, sizeof *list);
}

/* ---- names and headers ------------------------------------------------------------------------------------ */

wal_name wal_segment_name(uint64_t number)
{
    wal_name name;
    snprintf(name.text, sizeof name.text, WAL_NAME_FORMAT, (unsigned long long)number);
    return name;
}

/* The number in a name, 0 when it is not the name of a segment. */
static uint64_t name_number(const char *name)
{
    uint64_t number = 0;
    if (strlen(name) != NAME_LENGTH || memcmp(name, WAL_NAME_FORMAT, NAME_PREFIX) != 0)
        return 0;
    for (const char *c = name + NAME_PREFIX; *c; c++) {
        if (*c >= '0' && *c <= '9')
            number = number << 4 | (uint64_t)(*c - '0');
        else if (*c >= 'a' && *c <= 'f')
            number = number << 4 | (uint64_t)(*c - 'a' + 10);
        else
            return 0;
    }
    return number <= WAL_NUMBER_MAX ? number : 0;
}

static void header_encode(uint8_t header[WAL_SEGMENT_HEADER_BYTES], const wal_options *options, uint64_t incarnation,
                          uint64_t number, uint64_t bytes)
{
    memset(header, 0, WAL_SEGMENT_HEADER_BYTES);
    memcpy(header + WAL_SEGMENT_MAGIC_AT, WAL_SEGMENT_MAGIC, 8);
    store_u32(header + WAL_SEGMENT_VERSION, WAL_FORMAT_VERSION);
    store_u32(header + WAL_SEGMENT_SECTOR_BYTES, options->sector_bytes);
    memcpy(header + WAL_SEGMENT_IDENTITY, options->identity, sizeof options->identity);
    store_u64(header + WAL_SEGMENT_NUMBER, number);
    store_u64(header + WAL_SEGMENT_BYTES, bytes);
    store_u64(header + WAL_SEGMENT_INCARNATION, incarnation);
    store_u64(header + WAL_SEGMENT_CHECKSUM,
              checksum(header + WAL_SEGMENT_MAGIC_AT, WAL_SEGMENT_HEADER_BYTES - WAL_SEGMENT_MAGIC_AT,
                       checksum_seed(0, PLACE_WAL_SEGMENT, number)));
}

void wal_first_header(const wal_options *options, uint64_t segment_bytes, uint64_t incarnation,
                      uint8_t header[WAL_SEGMENT_HEADER_BYTES])
{
    header_encode(header, options, incarnation, 1, segment_bytes);
}

/* Sets state and bytes. A header that cannot be believed is not an error here; one of another store or version is. */
static levin_code header_decode(const uint8_t header[WAL_SEGMENT_HEADER_BYTES], const wal_options *options,
                                wal_segment *segment, levin_error *error)
{
    wal_name name = wal_segment_name(segment->number);
    uint64_t number = load_u64(header + WAL_SEGMENT_NUMBER), bytes = load_u64(header + WAL_SEGMENT_BYTES);
    uint32_t version = load_u32(header + WAL_SEGMENT_VERSION), sector = load_u32(header + WAL_SEGMENT_SECTOR_BYTES);
    segment->state = WAL_SEGMENT_HEADERLESS;
    segment->bytes = segment->file_bytes;
    if (memcmp(header + WAL_SEGMENT_MAGIC_AT, WAL_SEGMENT_MAGIC, 8) != 0 ||
        load_u64(header + WAL_SEGMENT_CHECKSUM) !=
            checksum(header + WAL_SEGMENT_MAGIC_AT, WAL_SEGMENT_HEADER_BYTES - WAL_SEGMENT_MAGIC_AT,
                     checksum_seed(0, PLACE_WAL_SEGMENT, number)))
        return LEVIN_OK;
    if (version < WAL_FORMAT_OLDEST || version > WAL_FORMAT_VERSION)
        return error_set(error, LEVIN_VERSION_UNKNOWN, name.text, "%s has format version %u; this library knows %u",
                         name.text, (unsigned)version, (unsigned)WAL_FORMAT_VERSION);
    if (memcmp(header + WAL_SEGMENT_IDENTITY, options->identity, sizeof options->identity) != 0)
        return error_corrupt(error, name.text, WAL_SEGMENT_IDENTITY, load_u64(options->identity),
                             load_u64(header + WAL_SEGMENT_IDENTITY), "a log segment of another store");
    if (sector != options->sector_bytes)
        return error_corrupt(error, name.text, WAL_SEGMENT_SECTOR_BYTES, options->sector_bytes, sector,
                             "a log segment with another sector size than the store");
    if (bytes < (uint64_t)WAL_SECTORS_MIN / 2 * sector || bytes % sector || bytes > WAL_OFFSET_MAX)
        return LEVIN_OK;
    segment->state = number == segment->number ? WAL_SEGMENT_GOOD : WAL_SEGMENT_MISNAMED;
    segment->bytes = bytes;
    segment->version = version;
    return LEVIN_OK;
}

levin_code wal_segment_inspect(const wal_options *options, uint64_t number, wal_segment *segment, levin_error *error)
{
    uint8_t header[WAL_SEGMENT_HEADER_BYTES] = { 0 };
    size_t done = 0;
    file f;
    memset(segment, 0, sizeof *segment);
    segment->number = number;
    segment->used = options->sector_bytes;
    levin_code code = file_open(&f, options->io, options->directory, wal_segment_name(number).text, LEVIN_FILE_WAL, 0,
                                error);
    if (!code)
        code = file_size(&f, &segment->file_bytes, error);
    if (!code)
        code = file_read(&f, header, sizeof header, 0, &done, error);
    if (!code)
        code = header_decode(header, options, segment, error);
    file_close(&f);
    return code;
}

struct listing {
    wal_segments_list *list;
    const levin_io *io;
};

static int listing_entry(void *context, const char *name)
{
    struct listing *listing = context;
    wal_segment segment = { .number = name_number(name) };
    if (!segment.number)
        return 0;
    if (listing->list->count == listing->list->capacity && !segments_grow(listing->list, listing->io))
        return ENOMEM;
    wal_segments_add(listing->list, &segment);
    return 0;
}

levin_code wal_segments_list_names(const wal_options *options, wal_segments_list *list, levin_error *error)
{
    const levin_io *io = options->io;
    struct listing listing = { list, io };
    int result = io->list(io->context, options->directory, listing_entry, &listing);
    return result ? error_os(error, result, "listing", options->directory) : LEVIN_OK;
}

/* ---- making and removing ---------------------------------------------------------------------------------- */

static levin_code header_write(wal *log, file *f, uint64_t number, uint64_t bytes, levin_error *error)
{
    uint8_t header[WAL_SEGMENT_HEADER_BYTES];
    header_encode(header, &log->options, log->incarnation, number, bytes);
    levin_code code = wal_write_file(log, f, header, sizeof header, 0, error);
    return code ? code : wal_sync_file(log, f, error);
}

levin_code wal_segment_unlink(wal *log, uint64_t number, levin_error *error)
{
    return file_unlink(log->options.io, log->options.directory, wal_segment_name(number).text, error);
}

/* After a failure: the file is of no use, and would be replaced anyway; the first error stays the error. */
static void discard_name(wal *log, file *f, wal_name name)
{
    levin_error ignored;
    file_close(f);
    (void)file_unlink(log->options.io, log->options.directory, name.text, &ignored);
}

static void discard(wal *log, file *f, uint64_t number)
{
    discard_name(log, f, wal_segment_name(number));
}

levin_code wal_segment_create(wal *log, uint64_t number, uint64_t bytes, file *out, levin_error *error)
{
    const wal_options *o = &log->options;
    wal_name name = wal_segment_name(number);
    levin_code code = wal_segment_unlink(log, number, error); /* what an interrupted creation may have left */
    if (code)
        return code;
    code = file_open(out, o->io, o->directory, name.text, LEVIN_FILE_WAL,
                     LEVIN_IO_WRITE | LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE, error);
    if (code)
        return code;
    code = file_preallocate(out, bytes, error);
    if (!code)
        code = header_write(log, out, number, bytes, error);
    if (!code)
        code = wal_sync_directory(log, error);
    if (code)
        discard(log, out, number);
    else
        wal_counted(&log->counts.created, 1);
    return code;
}

/* Takes the name of a spare: an old segment, or a file made for it. False: there is none. */
static bool spare_take(wal *log, wal_name *name)
{
    if (log->spares.count) {
        *name = wal_segment_name(log->spares.items[--log->spares.count].number);
        return true;
    }
    if (!log->spare_made)
        return false;
    log->spare_made = false;
    snprintf(name->text, sizeof name->text, "%s", WAL_SPARE_NAME);
    return true;
}

bool wal_wants_spare(const wal *log)
{
    return !log->options.read_only && !log->poisoned && !log->next_bytes && !log->spares.count && !log->spare_made &&
           log->offset > log->bytes / 2;
}

uint64_t wal_segment_bytes(const wal *log)
{
    return log->segment_bytes;
}

levin_code wal_spare_make(const levin_io *io, const char *directory, uint64_t segment_bytes, levin_error *error)
{
    file f;
    levin_code code = file_unlink(io, directory, WAL_SPARE_NAME, error);
    if (code)
        return code;
    code = file_open(&f, io, directory, WAL_SPARE_NAME, LEVIN_FILE_WAL,
                     LEVIN_IO_WRITE | LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE, error);
    if (code)
        return code;
    code = file_preallocate(&f, segment_bytes, error);
    if (!code)
        code = file_sync(&f, error);
    file_close(&f);
    if (code) { /* on a full device half a spare must not keep what others need */
        levin_error ignored;
        (void)file_unlink(io, directory, WAL_SPARE_NAME, &ignored);
    }
    return code;
}

void wal_spare_adopt(wal *log)
{
    log->spare_made = true;
}

/* Makes the newest spare segment `number`. LEVIN_NOT_FOUND when there is none that will do. */
static levin_code segment_recycle(wal *log, uint64_t number, file *out, levin_error *error)
{
    const wal_options *o = &log->options;
    wal_name name = wal_segment_name(number), old_name;
    while (spare_take(log, &old_name)) {
        uint64_t bytes = 0;
        levin_code code = file_open(out, o->io, o->directory, old_name.text, LEVIN_FILE_WAL, LEVIN_IO_WRITE, error);
        if (code == LEVIN_NOT_FOUND)
            continue;
        if (!code)
            code = file_size(out, &bytes, error);
        if (!code && bytes != log->segment_bytes) { /* somebody else cut it */
            discard_name(log, out, old_name);
            continue;
        }
        if (!code)
            code = header_write(log, out, number, bytes, error);
        if (!code)
            code = file_rename(o->io, o->directory, old_name.text, name.text, error);
        if (code) {
            discard_name(log, out, old_name);
            return code;
        }
        memcpy(out->name, name.text, sizeof name.text);
        code = wal_sync_directory(log, error);
        if (code)
            discard(log, out, number);
        else
            wal_counted(&log->counts.recycled, 1);
        return code;
    }
    return LEVIN_NOT_FOUND;
}

/* The next segment is ready, but too short for the group that opens it. */
static levin_code next_lengthen(wal *log, uint64_t bytes, levin_error *error)
{
    levin_code code = file_preallocate(&log->next, bytes, error);
    if (!code)
        code = header_write(log, &log->next, log->number + 1, bytes, error);
    if (code) {
        discard(log, &log->next, log->number + 1);
        log->next_bytes = 0;
        return code;
    }
    log->next_bytes = bytes;
    return LEVIN_OK;
}

levin_code wal_segment_make_next(wal *log, uint64_t bytes, levin_error *error)
{
    uint64_t number = log->number + 1;
    levin_code code = wal_segments_reserve(&log->live, log->options.io, error);
    if (code)
        return code;
    bytes = round_up_u64(bytes, log->options.sector_bytes);
    if (bytes > WAL_OFFSET_MAX || number > WAL_NUMBER_MAX)
        return error_set(error, LEVIN_TOO_BIG, NULL, "a log segment of %llu bytes, number %llu, is over the limits",
                         (unsigned long long)bytes, (unsigned long long)number);
    if (log->next_bytes)
        return log->next_bytes >= bytes ? LEVIN_OK : next_lengthen(log, bytes, error);
    if (bytes <= log->segment_bytes) {
        bytes = log->segment_bytes;
        code = segment_recycle(log, number, &log->next, error);
        if (code == LEVIN_NOT_FOUND)
            code = wal_segment_create(log, number, bytes, &log->next, error);
    } else {
        code = wal_segment_create(log, number, bytes, &log->next, error);
    }
    if (!code)
        log->next_bytes = bytes;
    return code;
}

levin_code wal_segment_retire(wal *log, const wal_segment *segment, levin_error *error)
{
    if (segment->state == WAL_SEGMENT_GOOD && segment->bytes == log->segment_bytes &&
        segment->file_bytes == log->segment_bytes && log->spares.count < log->options.spares) {
        levin_code code = wal_segments_reserve(&log->spares, log->options.io, error);
        if (!code)
            wal_segments_add(&log->spares, segment);
        return code;
    }
    return wal_segment_unlink(log, segment->number, error);
}
