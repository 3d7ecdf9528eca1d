/*
 * format_deb822.c - Debian control stanzas (deb822(5)): /var/lib/dpkg/status, `apt-cache dumpavail`, Packages, Sources.
 *
 * A stanza is a run of lines "Field: text", each followed by lines that begin with a space or a tab and continue it;
 * lines that begin with # are comments and stay where they are.  Lines of nothing but spaces and tabs end a stanza.
 * The key is the text of one field, or of several with a separator between (--key Package,Version,Architecture); the
 * value is the stanza, every line with its newline (so without the empty line that ends it), or the text of one field.
 * Field names are compared without case.  A field's text is what follows the colon without the white space around it,
 * with its continuation lines as they stand.  A stanza without one of the fields, or with a field twice, is malformed.
 *
 * Written: each stanza and an empty line, in the order of the keys.  So a file in which every stanza, the last too, is
 * ended by exactly one empty line, comes back byte for byte when its stanzas are sorted by key and no key is twice.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "format.h"

static bool is_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (line[i] != ' ' && line[i] != '\t')
            return false;
    return true;
}

/*
 * What is wrong with a line of a stanza: NULL, or why and *column.  *name_size is the length of the field's name,
 * 0 for a continuation or a comment.
 */
static const char *line_fault(const char *line, size_t size, bool first, size_t *name_size, size_t *column)
{
    *name_size = 0;
    *column = 1;
    if (line[0] == '#')
        return NULL;
    if (line[0] == ' ' || line[0] == '\t')
        return first ? "a stanza cannot begin with a continuation line" : NULL;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)line[i];
        *column = i + 1;
        if (c == ':') {
            *name_size = i;
            return i ? NULL : "the field has no name";
        }
        if (c < 33 || c > 126)
            return "a field name cannot hold this byte, and no colon came before it";
    }
    *column = size + 1;
    return "the line has no colon";
}

/* Reads on to the end of the stanza; false when the source stopped for another reason than its end. */
static bool skip_stanza(reader *r, enum source_result *result)
{
    const char *line;
    size_t size;
    do {
        *result = source_line(&r->in, &line, &size);
        if (*result != SOURCE_LINE)
            return *result == SOURCE_END;
    } while (!is_blank(line, size));
    return true;
}

/* Fills r->value with the next stanza. */
static enum read_result read_stanza(reader *r)
{
    const char *line, *fault;
    size_t size, name_size, column;
    bool any_field = false;
    buffer_clear(&r->value);
    for (;;) {
        enum source_result result = source_line(&r->in, &line, &size);
        if (result == SOURCE_END && r->value.size)
            break;
        if (result != SOURCE_LINE)
            return reader_stopped(r, result);
        if (is_blank(line, size)) {
            if (r->value.size)
                break;
            continue;
        }
        if (!r->value.size)
            r->line = r->in.line;
        fault = line_fault(line, size, !any_field, &name_size, &column);
        if (!fault && r->value.size + size >= LEVIN_VALUE_MAX_BYTES) {
            fault = "the stanza is longer than a value can be";
            column = 1;
        }
        if (fault) {
            reader_malformed(r, r->in.line, column, "%s", fault);
            if (!skip_stanza(r, &result))
                return reader_stopped(r, result);
            return READ_MALFORMED;
        }
        any_field = any_field || name_size;
        buffer_append(&r->value, line, size);
        buffer_append_byte(&r->value, '\n');
    }
    return any_field ? READ_RECORD : reader_malformed(r, r->line, 1, "the stanza has no field");
}

/*
 * Finds a field in a stanza that read_stanza() accepted.  READ_MALFORMED when it is not there or there twice.
 * *text lies in the stanza.
 */
static enum read_result find_field(reader *r, levin_slice stanza, const char *name, size_t name_size, levin_slice *text)
{
    const char *at = stanza.data, *end = at + stanza.size;
    uint64_t line = r->line;
    bool found = false, inside = false; /* inside: the lines now belong to the field */
    for (; at < end; line++) {
        const char *next = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        if (*at == '#') {
            /* a comment ends no field */
        } else if (*at == ' ' || *at == '\t') {
            if (inside)
                text->size = (size_t)(next - (const char *)text->data);
        } else {
            inside = (size_t)(next - at) > name_size && at[name_size] == ':' && !strncasecmp(at, name, name_size);
            if (inside && found)
                return reader_malformed(r, line, 1, "the stanza has field %.*s twice", (int)name_size, name);
            if (inside) {
                found = true;
                *text = (levin_slice){ at + name_size + 1, (size_t)(next - at) - name_size - 1 };
            }
        }
        at = next;
    }
    if (!found)
        return reader_malformed(r, r->line, 1, "the stanza has no field %.*s", (int)name_size, name);
    const char *s = text->data;
    while (text->size && strchr(" \t\n", s[text->size - 1]) && s[text->size - 1])
        text->size--;
    while (text->size && (*s == ' ' || *s == '\t')) {
        s++;
        text->size--;
    }
    text->data = s;
    return READ_RECORD;
}

static enum read_result deb822_read(reader *r)
{
    enum read_result result = read_stanza(r);
    if (result != READ_RECORD)
        return result;
    levin_slice stanza = buffer_slice(&r->value), text;
    const char *fields = r->options->key ? r->options->key : "Package";
    buffer_clear(&r->key);
    for (bool first = true;; first = false) {
        size_t size = strcspn(fields, ",");
        result = find_field(r, stanza, fields, size, &text);
        if (result != READ_RECORD)
            return result;
        if (!first)
            buffer_append(&r->key, r->options->separator, strlen(r->options->separator));
        buffer_append(&r->key, text.data, text.size);
        fields += size;
        if (*fields++ != ',')
            break;
    }
    if (!r->key.size)
        return reader_malformed(r, r->line, 1, "the key is empty");
    if (!r->options->value)
        return READ_RECORD;
    result = find_field(r, stanza, r->options->value, strlen(r->options->value), &text);
    if (result == READ_RECORD) {
        memmove(r->value.data, text.data, text.size);
        r->value.size = text.size;
    }
    return result;
}

static const char *deb822_write(FILE *out, const format_options *options, levin_slice key, levin_slice value)
{
    (void)options, (void)key;
    const char *at = value.data, *end = at + value.size, *no_stanza = "its value is no control stanza";
    bool any_field = false;
    if (!value.size || end[-1] != '\n')
        return no_stanza;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)(newline - at), name_size, column;
        if (is_blank(at, size) || line_fault(at, size, !any_field, &name_size, &column))
            return no_stanza;
        any_field = any_field || name_size;
        at = newline + 1;
    }
    if (!any_field)
        return no_stanza;
    fwrite(value.data, 1, value.size, out);
    putc('\n', out);
    return NULL;
}

const format format_deb822 = { "deb822", deb822_read, deb822_write, NULL };
