/*
 * cmd_export.c - levin export: all pairs, or those with a prefix, as text that `levin import` reads back.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "interrupt.h"
#include "progress.h"
#include "text.h"

enum { OPT_FORMAT = OPT_FORMAT_LAST, OPT_PREFIX, OPT_KEYSPACE };

typedef struct export_request {
    const format *format;
    format_options fields;
    const char *prefix, *keyspace; /* NULL: none */
    bool quiet;
    levin_options store;
} export_request;

/* Writes all pairs; NULL, or why one of them cannot be written (the iterator stands on it). */
static const char *write_all(const export_request *request, levin_iter *iter, progress *meter, uint64_t *count)
{
    uint64_t bytes = 0;
    for (bool on = levin_iter_first(iter); on && !interrupt_wanted() && !ferror(stdout); on = levin_iter_next(iter)) {
        levin_slice key = levin_iter_key(iter), value = levin_iter_value(iter);
        if (!value.data)
            break; /* the status says why */
        const char *why = request->format->write(stdout, &request->fields, key, value);
        if (why)
            return why;
        bytes += key.size + value.size;
        progress_tick(meter, ++*count, bytes);
    }
    return NULL;
}

static int export(const cli_command *command, const char *path, const export_request *request)
{
    levin *store = cli_open(command, path, &request->store);
    if (!store)
        return CLI_ERROR;
    levin_keyspace *keyspace;
    if (!cli_keyspace(command, path, store, request->keyspace, 0, &keyspace))
        return cli_close(command, path, store, CLI_ERROR);
    levin_iter_options range = { .keyspace = keyspace };
    if (request->prefix)
        range.prefix = (levin_slice){ request->prefix, strlen(request->prefix) };
    levin_iter *iter = NULL;
    progress meter;
    uint64_t count = 0;
    const char *why = NULL;
    int status = CLI_OK;
    progress_begin(&meter, "exported", request->quiet);
    levin_code code = levin_iter_open(store, &range, &iter);
    if (code == LEVIN_OK) {
        why = write_all(request, iter, &meter, &count);
        code = levin_iter_status(iter);
    }
    progress_end(&meter);
    if (why) {
        fprintf(stderr, "levin export: %s: key '", path);
        text_print(stderr, levin_iter_key(iter));
        fprintf(stderr, "' cannot be written as %s: %s; --format ndjson and tsv take any bytes\n",
                request->format->name, why);
        status = CLI_ERROR;
    } else if (code != LEVIN_OK) {
        status = cli_fail_call(command, path, store, code);
    } else if (interrupt_wanted()) {
        cli_error(command, "interrupted after %llu records", (unsigned long long)count);
        status = CLI_INTERRUPTED;
    }
    status = cli_finish_output(command, status);
    if (iter)
        levin_iter_close(iter);
    levin_keyspace_close(keyspace);
    return cli_close(command, path, store, status);
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = { { "format", required_argument, NULL, OPT_FORMAT },
                                             { "prefix", required_argument, NULL, OPT_PREFIX },
                                             { "keyspace", required_argument, NULL, OPT_KEYSPACE },
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
    request.store.read_only = true;
    interrupt_watch();
    return export(command, argv[optind], &request);
}

const cli_command command_export = {
    "export", "STORE [--format deb822|tsv|ndjson] [--prefix P] [--keyspace NAME]",
    "Prints all pairs, in the order of their keys, as `levin import` reads them",
    "      --format F     deb822 (default; values must be control stanzas), tsv, ndjson\n"
    "      --prefix P     only keys that begin with P\n"
    "      --keyspace K   of the keyspace K instead of the default one\n"
    "      --key NAME     ndjson: member for the key (key)\n"
    "      --value NAME   ndjson: member for the value (value)\n"
    "      --whole        ndjson: each value is a line by itself\n"
    "  -q, --quiet        no progress on standard error\n" CLI_STORE_HELP,
    run
};
