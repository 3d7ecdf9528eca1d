/*
 * cmd_export.c - levin export: all pairs, or those with a prefix, as text that `levin import` reads back.
 *
 * With --all-keyspaces the default keyspace comes first, then the named ones in the order of their names, all as they
 * are at one moment: the handle is read-only.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "interrupt.h"
#include "progress.h"
#include "text.h"

enum { OPT_FORMAT = OPT_FORMAT_LAST, OPT_PREFIX, OPT_KEYSPACE, OPT_ALL_KEYSPACES };

typedef struct export_request {
    const format *format;
    format_options fields;
    const char *prefix, *keyspace; /* NULL: none */
    bool quiet;
    levin_options store;
} export_request;

typedef struct export_state {
    const cli_command *command;
    const export_request *request;
    const char *path;
    levin *store;
    format_options fields;
    progress meter;
    uint64_t count, bytes;
} export_state;

/* Writes all pairs; NULL, or why one of them cannot be written (the iterator stands on it). */
static const char *write_all(export_state *s, levin_iter *iter)
{
    for (bool on = levin_iter_first(iter); on && !interrupt_wanted() && !ferror(stdout); on = levin_iter_next(iter)) {
        levin_slice key = levin_iter_key(iter), value = levin_iter_value(iter);
        if (!value.data)
            break; /* the status says why */
        const char *why = s->request->format->write(stdout, &s->fields, key, value);
        if (why)
            return why;
        s->bytes += key.size + value.size;
        progress_tick(&s->meter, ++s->count, s->bytes);
    }
    return NULL;
}

/* The pairs of one keyspace. */
static int export_keyspace(export_state *s, const levin_keyspace *keyspace)
{
    const export_request *request = s->request;
    levin_iter_options range = { .keyspace = keyspace };
    if (request->prefix)
        range.prefix = (levin_slice){ request->prefix, strlen(request->prefix) };
    levin_iter *iter = NULL;
    const char *why = NULL;
    int status = CLI_OK;
    levin_code code = levin_iter_open(s->store, &range, &iter);
    if (code == LEVIN_OK) {
        why = write_all(s, iter);
        code = levin_iter_status(iter);
    }
    if (why) {
        progress_end(&s->meter);
        fprintf(stderr, "levin export: %s: key '", s->path);
        text_print(stderr, levin_iter_key(iter));
        fprintf(stderr, "' cannot be written as %s: %s; --format ndjson and tsv take any bytes\n",
                request->format->name, why);
        status = CLI_ERROR;
    } else if (code != LEVIN_OK) {
        progress_end(&s->meter);
        status = cli_fail_call(s->command, s->path, s->store, code);
    }
    if (iter)
        levin_iter_close(iter);
    return status;
}

static int export_named(export_state *s, const char *name, size_t name_bytes)
{
    levin_keyspace *keyspace;
    levin_code code = levin_keyspace_open(s->store, name, name_bytes, 0, &keyspace);
    if (code != LEVIN_OK)
        return cli_fail_call(s->command, s->path, s->store, code);
    int status = export_keyspace(s, keyspace);
    levin_keyspace_close(keyspace);
    return status;
}

/* Collects names, each behind a byte that says how long it is. */
static bool add_name(void *context, levin_slice name)
{
    buffer_append_byte(context, (char)name.size); /* 255 at most */
    buffer_append(context, name.data, name.size);
    return true;
}

static int export_all(export_state *s)
{
    buffer names = { 0 };
    int status = export_keyspace(s, NULL);
    levin_code code = levin_keyspace_list(s->store, NULL, add_name, &names);
    if (status == CLI_OK && code != LEVIN_OK)
        status = cli_fail_call(s->command, s->path, s->store, code);
    for (size_t at = 0; at < names.size && status == CLI_OK && !interrupt_wanted() && !ferror(stdout);) {
        const size_t bytes = (unsigned char)names.data[at];
        s->fields.keyspace = (levin_slice){ names.data + at + 1, bytes };
        s->request->format->write_keyspace(stdout, &s->fields);
        status = export_named(s, names.data + at + 1, bytes);
        at += 1 + bytes;
    }
    buffer_fini(&names);
    return status;
}

/* Whoever exports the default keyspace may think that this is all. */
static void tell_left_out(const export_state *s)
{
    levin_stats stats;
    levin_stats_get(s->store, &stats);
    if (stats.keyspaces)
        cli_error(s->command, "%s: %llu named keyspace%s left out; --format ndjson --all-keyspaces takes all, "
                  "--keyspace NAME takes one", s->path, (unsigned long long)stats.keyspaces,
                  stats.keyspaces == 1 ? " was" : "s were");
}

static int export(const cli_command *command, const char *path, const export_request *request)
{
    export_state s = { .command = command, .request = request, .path = path, .fields = request->fields };
    int status;
    s.store = cli_open(command, path, &request->store);
    if (!s.store)
        return CLI_ERROR;
    progress_begin(&s.meter, "exported", request->quiet);
    if (request->fields.keyspaces)
        status = export_all(&s);
    else if (request->keyspace)
        status = export_named(&s, request->keyspace, strlen(request->keyspace));
    else
        status = export_keyspace(&s, NULL);
    progress_end(&s.meter);
    if (status == CLI_OK && interrupt_wanted()) {
        cli_error(command, "interrupted after %llu records", (unsigned long long)s.count);
        status = CLI_INTERRUPTED;
    }
    if (status == CLI_OK && !request->quiet && !request->fields.keyspaces && !request->keyspace)
        tell_left_out(&s);
    return cli_close(command, path, s.store, cli_finish_output(command, status));
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = { { "format", required_argument, NULL, OPT_FORMAT },
                                             { "prefix", required_argument, NULL, OPT_PREFIX },
                                             { "keyspace", required_argument, NULL, OPT_KEYSPACE },
                                             { "all-keyspaces", no_argument, NULL, OPT_ALL_KEYSPACES },
                                             { "quiet", no_argument, NULL, 'q' },
                                             FORMAT_OPTIONS,
                                             CLI_STORE_OPTIONS };
    export_request request = { .format = &format_deb822, .fields = FORMAT_DEFAULTS };
    int status;
    levin_options_init(&request.store);
    for (int c; (c = cli_getopt_store(command, argc, argv, "hq", options, &request.store, &status)) != -1;) {
        const char *error = NULL;
        switch (c) {
        case CLI_DONE: return status;
        case 'q': request.quiet = true; break;
        case OPT_PREFIX: request.prefix = optarg; break;
        case OPT_KEYSPACE: request.keyspace = optarg; break;
        case OPT_ALL_KEYSPACES: request.fields.keyspaces = true; break;
        case OPT_FORMAT:
            request.format = format_by_name(optarg);
            if (!request.format)
                return cli_usage(command, "--format is deb822, tsv or ndjson, not '%s'", optarg);
            break;
        case OPT_KEY_COLUMN:
        case OPT_VALUE_COLUMN: return cli_usage(command, "tsv is written as KEY <tab> VALUE");
        default: format_option(&request.fields, c, optarg, &error);
        }
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    const char *clash = format_keyspaces_clash(request.format, &request.fields, request.keyspace);
    if (clash)
        return cli_usage(command, "%s", clash);
    request.store.read_only = true;
    interrupt_watch();
    return export(command, argv[optind], &request);
}

const cli_command command_export = {
    "export", "STORE [--format deb822|tsv|ndjson] [--prefix P] [--keyspace NAME | --all-keyspaces]",
    "Prints all pairs, in the order of their keys, as `levin import` reads them",
    "      --format F     deb822 (default; values must be control stanzas), tsv, ndjson\n"
    "      --prefix P     only keys that begin with P\n"
    "      --keyspace K   of the keyspace K instead of the default one\n"
    "      --all-keyspaces  ndjson: of all, each record with the name of its own; `import --all-keyspaces` reads it\n"
    "      --key NAME     ndjson: member for the key (key)\n"
    "      --value NAME   ndjson: member for the value (value)\n"
    "      --whole        ndjson: each value is a line by itself\n"
    "  -q, --quiet        no progress on standard error, nor how many named keyspaces were left out\n" CLI_STORE_HELP,
    run
};
