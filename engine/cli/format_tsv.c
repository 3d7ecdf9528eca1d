/*
 * format_tsv.c - tab-separated lines.
 *
 * A line is a record, tabs stand between its columns, the key is column 1 and the value column 2 unless options say
 * otherwise; further columns are ignored.  Within a column \t is a tab, \n a newline, \\ a backslash; every other
 * byte stands for itself, NUL, CR and bytes that are no UTF-8 too; any other escape is malformed.  So each pair of byte
 * strings has exactly one form, "KEY<tab>VALUE\n", and a file of such lines, sorted by (unescaped) key, each key once,
 * comes back from import and export byte for byte.
 */
#include <string.h>

#include "format.h"

/* Appends the bytes of a column; NULL, or the place of what is wrong. */
static const char *unescape(const char *text, const char *end, buffer *out)
{
    while (text < end) {
        const char *backslash = memchr(text, '\\', (size_t)(end - text));
        const char *plain_end = backslash ? backslash : end;
        buffer_append(out, text, (size_t)(plain_end - text));
        if (!backslash)
            break;
        char c = backslash + 1 < end ? backslash[1] : '\0';
        if (c != 't' && c != 'n' && c != '\\')
            return backslash;
        buffer_append_byte(out, (char)(c == 't' ? '\t' : c == 'n' ? '\n' : '\\'));
        text = backslash + 2;
    }
    return NULL;
}

static enum read_result tsv_read(reader *r)
{
    const char *line;
    size_t size;
    enum source_result result = source_line(&r->in, &line, &size);
    if (result != SOURCE_LINE)
        return reader_stopped(r, result);
    r->line = r->in.line;
    buffer_clear(&r->key);
    buffer_clear(&r->value);
    unsigned key_column = r->options->key_column, value_column = r->options->value_column;
    unsigned last = key_column > value_column ? key_column : value_column;
    const char *at = line, *end = line + size;
    for (unsigned column = 1;; column++) {
        const char *tab = memchr(at, '\t', (size_t)(end - at)), *column_end = tab ? tab : end, *bad = NULL;
        if (column == key_column)
            bad = unescape(at, column_end, &r->key);
        if (!bad && column == value_column)
            bad = unescape(at, column_end, &r->value);
        if (bad)
            return reader_malformed(r, r->line, (size_t)(bad - line) + 1,
                                    "a backslash must be followed by t, n or another backslash");
        if (column == key_column && !r->key.size)
            return reader_malformed(r, r->line, (size_t)(at - line) + 1, "the key is empty");
        if (column == last)
            return READ_RECORD;
        if (!tab)
            return reader_malformed(r, r->line, size + 1, "the line ends in column %u, and column %u is needed",
                                    column, last);
        at = tab + 1;
    }
}

static void escape(FILE *out, levin_slice bytes)
{
    const char *s = bytes.data;
    size_t start = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        if (s[i] != '\t' && s[i] != '\n' && s[i] != '\\')
            continue;
        fwrite(s + start, 1, i - start, out);
        fputs(s[i] == '\t' ? "\\t" : s[i] == '\n' ? "\\n" : "\\\\", out);
        start = i + 1;
    }
    fwrite(s + start, 1, bytes.size - start, out);
}

static const char *tsv_write(FILE *out, const format_options *options, levin_slice key, levin_slice value)
{
    (void)options;
    escape(out, key);
    putc('\t', out);
    escape(out, value);
    putc('\n', out);
    return NULL;
}

const format format_tsv = { "tsv", tsv_read, tsv_write, NULL };
