/*
 * wal_read.c - reads groups of one segment through a window of bounded size.
 *
 * Invariants: no size that was read from the file decides about memory.  A group is "verified" only when its
 * checksum, seeded with the place where it stands, was computed over the bytes read.
 * Errors: a failed read is an error and never "the log ends here"; the end of the file is.
 * Concurrency: one thread per reader.
 */
#include <string.h>

#include "wal_internal.h"

levin_code wal_reader_open(wal_reader *r, const wal_options *options, const wal_segment *segment, uint8_t *window,
                           levin_error *error)
{
    memset(r, 0, sizeof *r);
    r->number = segment->number;
    r->limit = segment->file_bytes;
    if (segment->state == WAL_SEGMENT_GOOD && segment->bytes < r->limit)
        r->limit = segment->bytes;
    if (r->limit > WAL_OFFSET_MAX)
        r->limit = WAL_OFFSET_MAX;
    r->identity = checksum_identity(options->identity);
    r->sector_bytes = options->sector_bytes;
    r->window = window;
    return file_open(&r->f, options->io, options->directory, wal_segment_name(segment->number).text, LEVIN_FILE_WAL,
                     0, error);
}

void wal_reader_close(wal_reader *r)
{
    file_close(&r->f);
}

levin_code wal_reader_need(wal_reader *r, uint64_t offset, size_t bytes, const uint8_t **data, levin_error *error)
{
    *data = NULL;
    if (offset > r->limit || bytes > r->limit - offset)
        return LEVIN_OK;
    if (offset >= r->at && offset - r->at <= r->have && bytes <= r->have - (size_t)(offset - r->at)) {
        *data = r->window + (offset - r->at);
        return LEVIN_OK;
    }
    size_t kept = 0; /* what the window holds from offset on moves to its front */
    if (offset >= r->at && offset - r->at < r->have) {
        kept = r->have - (size_t)(offset - r->at);
        memmove(r->window, r->window + (offset - r->at), kept);
    }
    r->at = offset;
    r->have = kept;
    uint64_t left = r->limit - offset;
    size_t wanted = left < WAL_WINDOW_BYTES ? (size_t)left : (size_t)WAL_WINDOW_BYTES, done = 0;
    levin_code code = file_read(&r->f, r->window + kept, wanted - kept, offset + kept, &done, error);
    if (code)
        return code;
    r->have += done;
    if (done < wanted - kept)
        r->limit = offset + r->have; /* the file is shorter than it said */
    if (bytes <= r->have)
        *data = r->window;
    return LEVIN_OK;
}

levin_code wal_reader_header(wal_reader *r, uint64_t offset, wal_group *g, bool *stands, levin_error *error)
{
    const uint8_t *header;
    *stands = false;
    levin_code code = wal_reader_need(r, offset, WAL_GROUP_HEADER_BYTES, &header, error);
    if (code || !header || !wal_group_stands(header, lsn_make(r->number, offset)))
        return code;
    wal_group_decode(header, g);
    *stands = true;
    return LEVIN_OK;
}

levin_code wal_reader_verify(wal_reader *r, uint64_t offset, const wal_group *g, bool *valid, levin_error *error)
{
    const uint64_t seed = checksum_seed(r->identity, PLACE_WAL_GROUP, g->position);
    size_t bytes = WAL_GROUP_HEADER_BYTES + (size_t)g->payload_bytes;
    const uint8_t *data;
    levin_code code;
    *valid = false;
    if (!wal_reader_reaches(r, offset, g))
        return LEVIN_OK;
    if (bytes <= WAL_WINDOW_BYTES) {
        code = wal_reader_need(r, offset, bytes, &data, error);
        if (!code && data)
            *valid = checksum(data + WAL_GROUP_MAGIC_AT, bytes - WAL_GROUP_MAGIC_AT, seed) == g->checksum;
        return code;
    }
    checksum_stream stream;
    checksum_begin(&stream, seed);
    for (size_t at = WAL_GROUP_MAGIC_AT; at < bytes;) {
        size_t step = bytes - at < WAL_WINDOW_BYTES ? bytes - at : (size_t)WAL_WINDOW_BYTES;
        code = wal_reader_need(r, offset + at, step, &data, error);
        if (code || !data)
            return code;
        checksum_add(&stream, data, step);
        at += step;
    }
    *valid = checksum_end(&stream) == g->checksum;
    return LEVIN_OK;
}

levin_code wal_reader_payload(wal_reader *r, uint64_t offset, const wal_group *g, uint8_t *payload, bool *valid,
                              levin_error *error)
{
    size_t bytes = WAL_GROUP_HEADER_BYTES + (size_t)g->payload_bytes, done = 0;
    const uint8_t *data;
    levin_code code;
    *valid = false;
    if (bytes <= WAL_WINDOW_BYTES) { /* wal_reader_verify() left it in the window */
        code = wal_reader_need(r, offset, bytes, &data, error);
        if (!code && data) {
            memcpy(payload, data + WAL_GROUP_HEADER_BYTES, g->payload_bytes);
            *valid = true;
        }
        return code;
    }
    uint8_t header[WAL_GROUP_HEADER_BYTES];
    code = wal_reader_need(r, offset, sizeof header, &data, error);
    if (code || !data)
        return code;
    memcpy(header, data, sizeof header);
    code = file_read(&r->f, payload, g->payload_bytes, offset + sizeof header, &done, error);
    if (code || done < g->payload_bytes)
        return code;
    const levin_slice parts[2] = { { header + WAL_GROUP_MAGIC_AT, sizeof header - WAL_GROUP_MAGIC_AT },
                                   { payload, g->payload_bytes } };
    *valid = checksum_parts(parts, 2, checksum_seed(r->identity, PLACE_WAL_GROUP, g->position)) == g->checksum;
    return LEVIN_OK;
}
