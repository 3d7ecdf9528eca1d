/*
 * fuzz_import.c - property: any text is read by the formats of `levin import` or refused with the place where it is
 * malformed, and what `levin export` writes of it is read back as it was.
 *
 * Input: import_input.h.
 *
 * Invariants:
 *   - records, and what is malformed with its line and column, are those of the plain readers (plain_text.h,
 *     plain_json.h); the columns of malformed ndjson are jansson's, and lie in the text;
 *   - how the bytes come in, in one piece or in many, changes nothing; all of them are read;
 *   - of the records, the last one of each key, in the order of keys: written, read again and written again they are
 *     the same records and the same text (a fixed point); ndjson is what the plain reader of lines takes it for;
 *   - nothing but a --value of deb822 that is no stanza is refused by the writers;
 *   - memory is bounded by the size of the text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/cli/cli.h"
#include "../engine/cli/format.h"
#include "../faults/fatal.h"
#include "fuzz.h"
#include "import_input.h"
#include "plain_json.h"
#include "plain_text.h"

enum { CHUNK = 64 << 10 };

/* cli.c has it for the tool. */
void cli_die_no_memory(void)
{
    fatal("out of memory");
}

/* ---- options ---------------------------------------------------------------------------------------------- */

typedef struct request {
    unsigned number; /* of the format, as in the input */
    const format *format;
    format_options options;
    const char *keys[2]; /* deb822, for the plain reader */
} request;

static request read_request(const uint8_t *data)
{
    static const format *const formats[IMPORT_FORMATS] = { &format_deb822, &format_tsv, &format_ndjson };
    const unsigned number = data[IMPORT_FORMAT] % IMPORT_FORMATS, choice = data[IMPORT_OPTIONS] % IMPORT_CHOICES;
    request r = { number, formats[number], FORMAT_DEFAULTS, { "Package", NULL } };
    if (choice < 2)
        return r;
    if (number == IMPORT_DEB822 && choice == 2) {
        r.options.key = "Package,Version";
        r.keys[1] = "Version";
    } else if (number == IMPORT_DEB822) {
        r.options.value = "Version";
    } else if (number == IMPORT_TSV) {
        r.options.key_column = 2;
        r.options.value_column = choice == 2 ? 1 : 2;
    } else if (choice == 2) {
        r.options.key = "a";
        r.options.value = "b";
    } else {
        r.options.whole = true;
    }
    return r;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* A text that is handed over in pieces. */
typedef struct pieces {
    const uint8_t *text;
    size_t size, at, piece;
} pieces;

static ssize_t read_piece(void *context, void *to, size_t bytes)
{
    pieces *p = context;
    size_t n = p->size - p->at;
    n = n < bytes ? n : bytes;
    n = p->piece && n > p->piece ? p->piece : n;
    if (n)
        memcpy(to, p->text + p->at, n);
    p->at += n;
    return (ssize_t)n;
}

static uint64_t count_lines(const uint8_t *text, size_t size)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines + (size && text[size - 1] != '\n');
}

static void require_place(const reader *r, enum read_result result, const plain_text *before, uint64_t lines)
{
    const uint64_t line = result == READ_RECORD ? r->line : r->bad_line;
    const uint64_t last = before->count ? before->records[before->count - 1].line : 0;
    fuzz_require(line > 0 && line <= lines && line >= last, "line %llu of %llu, after line %llu",
                 (unsigned long long)line, (unsigned long long)lines, (unsigned long long)last);
    if (result == READ_RECORD)
        fuzz_require(r->key.size && line > last, "a record without a key, or on the line of another");
    else
        fuzz_require(r->bad_column && r->bad_column <= before->size + 1 && r->why[0] && !strchr(r->why, '\n'),
                     "malformed at column %zu: \"%s\"", r->bad_column, r->why);
}

/* All that the tool reads, with malformed records skipped. */
static void read_text(const request *q, plain_text *t, size_t piece)
{
    pieces from = { t->text, t->size, 0, piece };
    reader r = { .format = q->format, .options = &q->options };
    const uint64_t lines = count_lines(t->text, t->size);
    enum read_result result;
    source_over(&r.in, "text", read_piece, &from);
    while ((result = q->format->read(&r)) == READ_RECORD || result == READ_MALFORMED) {
        require_place(&r, result, t, lines);
        const plain_record_text record = { .malformed = result == READ_MALFORMED,
                                           .line = result == READ_MALFORMED ? r.bad_line : r.line,
                                           .column = result == READ_MALFORMED ? r.bad_column : 0 };
        plain_record_text *added = plain_text_add(t, &record);
        if (result == READ_RECORD) {
            plain_bytes_add(&added->key, r.key.data, r.key.size);
            plain_bytes_add(&added->value, r.value.data, r.value.size);
        }
    }
    fuzz_require(result == READ_END, "reading ends with %d: %s", (int)result, r.why);
    fuzz_require(r.in.bytes == t->size && r.in.line == lines, "%llu bytes were read, not %zu",
                 (unsigned long long)r.in.bytes, t->size);
    fuzz_require(r.in.capacity <= 2 * t->size + 8 * CHUNK && r.value.capacity <= 2 * t->size + 1024 &&
                     r.key.capacity <= 2 * t->size + 1024, "%zu bytes of memory for a text of %zu", r.in.capacity,
                 t->size);
    buffer_fini(&r.key);
    buffer_fini(&r.value);
    source_close(&r.in);
}

static bool same_bytes(const plain_bytes *a, const plain_bytes *b)
{
    return a->size == b->size && (!a->size || !memcmp(a->data, b->data, a->size));
}

/* A column of 0 is not known. */
static void require_same(const plain_text *found, const plain_text *right, const char *what)
{
    for (size_t i = 0; i < found->count && i < right->count; i++) {
        const plain_record_text *a = &found->records[i], *b = &right->records[i];
        fuzz_require(a->malformed == b->malformed && a->line == b->line &&
                         (!a->malformed || a->column == b->column || !b->column),
                     "%s: %s at line %llu, column %zu, not %s at line %llu, column %zu", what,
                     a->malformed ? "malformed" : "a record", (unsigned long long)a->line, a->column,
                     b->malformed ? "malformed" : "a record", (unsigned long long)b->line, b->column);
        fuzz_require(a->malformed || (same_bytes(&a->key, &b->key) && same_bytes(&a->value, &b->value)),
                     "%s: the record at line %llu is another", what, (unsigned long long)a->line);
    }
    fuzz_require(found->count == right->count, "%s: %zu records and not %zu", what, found->count, right->count);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

/* By key, then by line. */
static int compare(const void *left, const void *right)
{
    const plain_record_text *a = *(const plain_record_text *const *)left, *b = *(const plain_record_text *const *)right;
    size_t shared = a->key.size < b->key.size ? a->key.size : b->key.size;
    int c = memcmp(a->key.data, b->key.data, shared);
    if (c)
        return c;
    if (a->key.size != b->key.size)
        return a->key.size < b->key.size ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

/* The records that stay, in the order of their keys. Returns how many. */
static size_t settle(const plain_text *t, const plain_record_text **kept)
{
    size_t count = 0, out = 0;
    for (size_t i = 0; i < t->count; i++)
        if (!t->records[i].malformed)
            kept[count++] = &t->records[i];
    if (count)
        qsort(kept, count, sizeof *kept, compare);
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || !same_bytes(&kept[i]->key, &kept[i + 1]->key))
            kept[out++] = kept[i];
    return out;
}

/* As `levin export` does. False: one of them cannot be written. */
static bool write_text(const request *q, const plain_record_text *const *kept, size_t count, char **text, size_t *size)
{
    const char *why = NULL;
    FILE *out = open_memstream(text, size);
    if (!out)
        fatal("no stream in memory");
    for (size_t i = 0; i < count && !why; i++) {
        const levin_slice key = { kept[i]->key.data, kept[i]->key.size };
        const levin_slice value = { kept[i]->value.size ? (const void *)kept[i]->value.data : "", kept[i]->value.size };
        why = q->format->write(out, &q->options, key, value);
    }
    fuzz_require(!ferror(out) && !fclose(out), "text cannot be written");
    fuzz_require(!why || (q->number == IMPORT_DEB822 && q->options.value), "a record that was read is refused: %s",
                 why);
    return !why;
}

static void require_lines(const request *q, const plain_record_text *const *kept, size_t count, const char *text,
                          size_t size)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + size;
    const char *key_name = q->options.key ? q->options.key : "key";
    const char *value_name = q->options.value ? q->options.value : "value";
    for (size_t i = 0; i < count; i++) {
        const uint8_t *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        plain_bytes key = { 0 }, value = { 0 };
        fuzz_require(newline && plain_ndjson_line(at, (size_t)(newline - at), key_name, value_name, &key, &value) &&
                         same_bytes(&key, &kept[i]->key) && same_bytes(&value, &kept[i]->value),
                     "record %zu is written as something else", i);
        free(key.data);
        free(value.data);
        at = newline + 1;
    }
    fuzz_require(at == end, "more is written than the records");
}

/* Written, read and written again. */
static void require_fixed_point(const request *q, const plain_text *read)
{
    const plain_record_text **kept = fatal_alloc((read->count + 1) * sizeof *kept), **again;
    size_t count = settle(read, kept), size, size_again;
    char *text, *text_again;
    request next = *q;
    next.options.key_column = 1; /* as tsv is written */
    next.options.value_column = 2;
    if (write_text(q, kept, count, &text, &size) && !(q->number == IMPORT_DEB822 && q->options.value)) {
        plain_text t = { .text = (const uint8_t *)text, .size = size };
        if (q->number == IMPORT_NDJSON && !q->options.whole)
            require_lines(q, kept, count, text, size);
        read_text(&next, &t, 0);
        fuzz_require(t.count == count, "%zu records come back of %zu", t.count, count);
        again = fatal_alloc((count + 1) * sizeof *again);
        for (size_t i = 0; i < count; i++) {
            again[i] = &t.records[i];
            fuzz_require(!again[i]->malformed && same_bytes(&kept[i]->key, &again[i]->key) &&
                             same_bytes(&kept[i]->value, &again[i]->value), "record %zu comes back as another", i);
        }
        fuzz_require(write_text(&next, again, count, &text_again, &size_again) && size == size_again &&
                         !memcmp(text, text_again, size), "the text comes back as another");
        free(text_again);
        free(again);
        plain_text_fini(&t);
    }
    free(text);
    free(kept);
}

/* ---- a run ------------------------------------------------------------------------------------------------ */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < IMPORT_HEADER_BYTES)
        return -1;
    if (size > IMPORT_HEADER_BYTES + IMPORT_TEXT_MAX)
        size = IMPORT_HEADER_BYTES + IMPORT_TEXT_MAX;
    const request q = read_request(data);
    const plain_text empty = { .text = data + IMPORT_HEADER_BYTES, .size = size - IMPORT_HEADER_BYTES };
    plain_text whole = empty, parts = empty, plain = empty;
    read_text(&q, &whole, 0);
    if (data[IMPORT_PIECE]) {
        read_text(&q, &parts, data[IMPORT_PIECE]);
        require_same(&parts, &whole, "read in pieces");
    }
    if (q.number == IMPORT_TSV)
        plain_tsv(&plain, q.options.key_column, q.options.value_column);
    else if (q.number == IMPORT_DEB822)
        plain_deb822(&plain, q.keys, q.options.separator, q.options.value);
    else
        plain_ndjson(&plain, q.options.key ? q.options.key : "key", q.options.value ? q.options.value : "value",
                     q.options.whole);
    require_same(&whole, &plain, "read plainly");
    require_fixed_point(&q, &whole);
    plain_text_fini(&whole);
    plain_text_fini(&parts);
    plain_text_fini(&plain);
    return 0;
}
