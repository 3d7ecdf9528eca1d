/*
 * dump_values.c - the segments of the value log, for a person who looks into a damaged store (dump.c).
 *
 * A segment is read from its header on.  Where a record is expected and none stands, the next sector is looked at: what
 * one commit group wrote begins there.  Old records of a file that served before do not verify under its new number.
 * Whether anybody points to a value is not told here: a value that nobody needs may be damaged, too.
 *
 * Memory: a window.  Concurrency, crash safety: as dump.c.
 */
#include <errno.h>

#include "checksum.h"
#include "dump_item.h"
#include "record_format.h"

enum { WINDOW_BYTES = 256 * 1024 };
static_assert(VLOG_RECORD_HEADER_BYTES + RECORD_KEY_MAX_BYTES <= WINDOW_BYTES, "a record's head fits the window");

typedef struct values_dump {
    dump *d;
    vlog values;   /* of the identity in the meta page, or else in the segment */
    extent_list numbers;
    levin_error *error;
    levin_code code;
    file f;
    uint64_t file_bytes;
    uint8_t *window;
    uint64_t window_at;
    size_t window_bytes;
} values_dump;

static int segment_name(void *context, const char *name)
{
    values_dump *v = context;
    const uint64_t number = vlog_name_number(name);
    if (number)
        v->code = extent_list_add(&v->numbers, v->d->io, number, 1, v->error);
    return v->code == LEVIN_OK ? 0 : ECANCELED;
}

static levin_code segments_list(values_dump *v)
{
    const levin_io *io = v->d->io;
    const int failed = io->list(io->context, v->d->path, segment_name, v);
    if (v->code != LEVIN_OK)
        return v->code;
    if (failed)
        return error_os(v->error, failed, "listing", v->d->path);
    (void)extent_list_normalise(&v->numbers); /* a directory names a file once */
    return LEVIN_OK;
}

/* So many bytes of the file at an offset, in the window; *at NULL: it ends before. */
static levin_code window_get(values_dump *v, uint64_t offset, size_t bytes, const uint8_t **at)
{
    levin_code code = LEVIN_OK;
    *at = NULL;
    if (offset + bytes > v->file_bytes)
        return LEVIN_OK;
    if (offset < v->window_at || offset + bytes > v->window_at + v->window_bytes) {
        v->window_at = offset;
        code = file_read(&v->f, v->window, WINDOW_BYTES, offset, &v->window_bytes, v->error);
        if (code != LEVIN_OK || v->window_bytes < bytes)
            return code;
    }
    *at = v->window + (offset - v->window_at);
    return LEVIN_OK;
}

/* The head of a record with its key, when one stands there; NULL otherwise. */
static levin_code record_get(values_dump *v, uint64_t position, const uint8_t **record)
{
    const uint64_t offset = vlog_offset_of(position);
    levin_code code = window_get(v, offset, VLOG_RECORD_HEADER_BYTES, record);
    if (code != LEVIN_OK || !*record)
        return code;
    const uint8_t *r = *record;
    const size_t key_bytes = load_u16(r + VLOG_RECORD_KEY_BYTES), bytes = VLOG_RECORD_HEADER_BYTES + key_bytes;
    const bool stands = load_u32(r + VLOG_RECORD_MAGIC_AT) == VLOG_RECORD_MAGIC && key_bytes &&
                        key_bytes <= RECORD_KEY_MAX_BYTES && load_u32(r + VLOG_RECORD_VALUE_BYTES) &&
                        load_u32(r + VLOG_RECORD_VALUE_BYTES) <= VLOG_VALUE_MAX_BYTES;
    *record = NULL;
    if (stands)
        code = window_get(v, offset, bytes, record);
    if (code != LEVIN_OK || !*record)
        return code;
    const uint64_t seed = checksum_seed(v->values.identity, PLACE_VLOG_RECORD, position);
    if (load_u64(*record + VLOG_RECORD_CHECKSUM) !=
        checksum(*record + VLOG_RECORD_MAGIC_AT, bytes - VLOG_RECORD_MAGIC_AT, seed))
        *record = NULL;
    return LEVIN_OK;
}

/* One record; *end becomes where the next may stand. */
static levin_code dump_value(values_dump *v, uint64_t position, const uint8_t *record, uint64_t *end)
{
    dump *d = v->d;
    levin_error fault = { 0 };
    const vlog_pointer p = { .position = position,
                             .checksum = load_u64(record + VLOG_RECORD_VALUE_CHECKSUM),
                             .value_bytes = load_u32(record + VLOG_RECORD_VALUE_BYTES),
                             .key_bytes = load_u16(record + VLOG_RECORD_KEY_BYTES) };
    levin_code code = vlog_verify_in(&v->values, &v->f, &p, &fault); /* leaves the window alone */
    if (code != LEVIN_OK && code != LEVIN_CORRUPT) {
        *v->error = fault;
        return code;
    }
    item_begin(d, "value", v->f.name, vlog_offset_of(position));
    if (load_u16(record + VLOG_RECORD_FLAGS) & VLOG_FLAG_KEYSPACE)
        item_number(d, "keyspace", load_u32(record + VLOG_RECORD_KEYSPACE));
    item_bytes(d, "key", record + VLOG_RECORD_HEADER_BYTES, p.key_bytes);
    item_number(d, "value_bytes", p.value_bytes);
    item_hex(d, "checksum", p.checksum);
    item_end(d, &fault);
    *end = vlog_offset_of(position) + vlog_pointer_record_bytes(&p);
    return LEVIN_OK;
}

static levin_code dump_records(values_dump *v, uint64_t number)
{
    levin_code code = LEVIN_OK;
    uint64_t offset = VLOG_SEGMENT_HEADER_BYTES;
    v->window_at = v->window_bytes = 0;
    while (code == LEVIN_OK && !v->d->stopped && offset + VLOG_RECORD_HEADER_BYTES <= v->file_bytes &&
           offset <= VLOG_OFFSET_MAX) {
        const uint8_t *record;
        uint64_t next = round_up_u64(offset + 1, VLOG_SECTOR_BYTES);
        code = record_get(v, vlog_position(number, offset), &record);
        if (code == LEVIN_OK && record)
            code = dump_value(v, vlog_position(number, offset), record, &next);
        offset = next;
    }
    return code;
}

static levin_code dump_segment(values_dump *v, uint64_t number)
{
    dump *d = v->d;
    const vlog_name name = vlog_segment_name(number);
    levin_error fault = { 0 };
    uint8_t identity[16] = { 0 };
    uint32_t format = 0;
    size_t done = 0;
    levin_code code = file_open(&v->f, d->io, d->path, name.text, LEVIN_FILE_VLOG, 0, v->error);
    if (code == LEVIN_OK)
        code = file_size(&v->f, &v->file_bytes, v->error);
    if (code == LEVIN_OK)
        code = file_read(&v->f, identity, sizeof identity, VLOG_SEGMENT_IDENTITY, &done, v->error);
    if (code != LEVIN_OK)
        return code;
    if (!d->have_meta) {
        memcpy(v->values.identity_bytes, identity, sizeof identity);
        v->values.identity = checksum_identity(identity);
    }
    uint64_t bytes;
    code = vlog_segment_inspect(&v->values, number, &bytes, &format, &fault);
    if (code != LEVIN_OK && code != LEVIN_CORRUPT && code != LEVIN_VERSION_UNKNOWN) {
        *v->error = fault;
        return code;
    }
    item_begin(d, "value segment", name.text, 0);
    item_number(d, "number", number);
    item_number(d, "file_bytes", v->file_bytes);
    item_number(d, "version", format);
    item_end(d, &fault);
    return dump_records(v, number);
}

levin_code dump_values(dump *d, levin_error *error)
{
    values_dump v = { .d = d, .error = error };
    levin_code code = vlog_init(&v.values, d->io, d->path, d->meta.identity, 0, error);
    if (code != LEVIN_OK)
        return code;
    v.window = io_alloc(d->io, WINDOW_BYTES);
    code = v.window ? segments_list(&v) : error_memory(error, WINDOW_BYTES);
    for (size_t i = 0; i < v.numbers.count; i++)
        for (uint64_t n = 0; n < v.numbers.items[i].pages && code == LEVIN_OK && !d->stopped; n++) {
            code = dump_segment(&v, v.numbers.items[i].first + n);
            file_close(&v.f);
        }
    extent_list_fini(&v.numbers, d->io);
    io_free(d->io, v.window, WINDOW_BYTES);
    vlog_fini(&v.values);
    return code;
}
