/*
 * format_ndjson.c - one JSON object a line.
 *
 * The key is the string in member "key", the value the one in "value" (--key and --value name others).  Bytes that are
 * no UTF-8 stand, base64-encoded (RFC 4648, padded), in a member whose name has "_base64" at its end:
 * {"key":"a","value_base64":"/w=="}.  Both forms are read; a member in both forms, or in none, is malformed.  Further
 * members are ignored.  With --whole the value is the line itself as it stands, without its newline.
 *
 * With --all-keyspaces a member "keyspace" (or "keyspace_base64") says in which one the record is, none that it is in
 * the default one.  A line with that member and no key, {"keyspace":"a"}, stands before the records of each, so that
 * one without a key is there, too.
 *
 * Written: {"key":"...","value":"..."}, no white space, key first, only ", \ and control characters escaped (\b \f \n
 * \r \t, else \u00XX), base64 exactly where bytes are no UTF-8.  A file of such lines, sorted by key, each key once,
 * comes back from import and export byte for byte; so does any NDJSON with --whole and unique keys that is sorted by
 * them.
 */
#include <jansson.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "text.h"

#define KEYSPACE_MEMBER "keyspace"
enum { KEYSPACE_NAME_MAX_BYTES = 255 };

/* Member `name` in its other form. */
static const json_t *encoded_member(const json_t *object, const char *name)
{
    buffer encoded_name = { 0 };
    buffer_append(&encoded_name, name, strlen(name));
    buffer_append(&encoded_name, "_base64", sizeof "_base64"); /* with its NUL */
    const json_t *encoded = json_object_get(object, encoded_name.data);
    buffer_fini(&encoded_name);
    return encoded;
}

static bool has_member(const json_t *object, const char *name)
{
    return json_object_get(object, name) || encoded_member(object, name);
}

/* Appends the bytes of member `name` in either form.  READ_RECORD or READ_MALFORMED. */
static enum read_result member(reader *r, const json_t *object, const char *name, buffer *out)
{
    const json_t *plain = json_object_get(object, name), *encoded = encoded_member(object, name);
    if (!plain && !encoded)
        return reader_malformed(r, r->line, 1, "the object has neither \"%s\" nor \"%s_base64\"", name, name);
    if (plain && encoded)
        return reader_malformed(r, r->line, 1, "the object has both \"%s\" and \"%s_base64\"", name, name);
    const json_t *given = plain ? plain : encoded;
    if (!json_is_string(given))
        return reader_malformed(r, r->line, 1, "\"%s%s\" is no string", name, plain ? "" : "_base64");
    if (plain)
        buffer_append(out, json_string_value(plain), json_string_length(plain));
    else if (!text_unbase64(json_string_value(encoded), json_string_length(encoded), out))
        return reader_malformed(r, r->line, 1, "\"%s_base64\" is not base64", name);
    return READ_RECORD;
}

/* READ_RECORD also when the member is not there; READ_KEYSPACE when there is nothing else. */
static enum read_result keyspace_member(reader *r, const json_t *object, const char *key)
{
    buffer_clear(&r->keyspace);
    if (!has_member(object, KEYSPACE_MEMBER))
        return READ_RECORD;
    enum read_result read = member(r, object, KEYSPACE_MEMBER, &r->keyspace);
    if (read == READ_RECORD && (!r->keyspace.size || r->keyspace.size > KEYSPACE_NAME_MAX_BYTES))
        return reader_malformed(r, r->line, 1, "the name of the keyspace has %zu bytes: 1 to %d are needed",
                                r->keyspace.size, KEYSPACE_NAME_MAX_BYTES);
    return read == READ_RECORD && !has_member(object, key) ? READ_KEYSPACE : read;
}

static enum read_result ndjson_read(reader *r)
{
    const char *line;
    size_t size;
    enum source_result result = source_line(&r->in, &line, &size);
    if (result != SOURCE_LINE)
        return reader_stopped(r, result);
    r->line = r->in.line;
    buffer_clear(&r->key);
    buffer_clear(&r->value);
    json_error_t error;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!object && json_error_code(&error) == json_error_out_of_memory)
        cli_die_no_memory();
    if (!object)
        return reader_malformed(r, r->line, error.position > 0 ? (size_t)error.position : 1, "%.150s", error.text);
    enum read_result read = READ_RECORD;
    if (!json_is_object(object))
        read = reader_malformed(r, r->line, 1, "the line is no JSON object");
    const char *key = r->options->key ? r->options->key : "key";
    if (read == READ_RECORD && r->options->keyspaces)
        read = keyspace_member(r, object, key);
    if (read == READ_RECORD)
        read = member(r, object, key, &r->key);
    if (read == READ_RECORD && !r->key.size)
        read = reader_malformed(r, r->line, 1, "the key is empty");
    if (read == READ_RECORD && r->options->whole)
        buffer_append(&r->value, line, size);
    else if (read == READ_RECORD)
        read = member(r, object, r->options->value ? r->options->value : "value", &r->value);
    json_decref(object);
    return read;
}

static const char *ndjson_write(FILE *out, const format_options *options, levin_slice key, levin_slice value)
{
    if (options->whole) {
        if (!value.size || memchr(value.data, '\n', value.size))
            return "its value is no line";
        fwrite(value.data, 1, value.size, out);
        putc('\n', out);
        return NULL;
    }
    json_t *object = json_object();
    if (!object)
        cli_die_no_memory();
    if (options->keyspace.data)
        text_json_add(object, KEYSPACE_MEMBER, options->keyspace);
    text_json_add(object, options->key ? options->key : "key", key);
    text_json_add(object, options->value ? options->value : "value", value);
    text_json_print(out, object);
    json_decref(object);
    return NULL;
}

static void ndjson_write_keyspace(FILE *out, const format_options *options)
{
    json_t *object = json_object();
    if (!object)
        cli_die_no_memory();
    text_json_add(object, KEYSPACE_MEMBER, options->keyspace);
    text_json_print(out, object);
    json_decref(object);
}

const format format_ndjson = { "ndjson", ndjson_read, ndjson_write, ndjson_write_keyspace };
