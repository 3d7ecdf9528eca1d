/*
 * cmd_delete.c - levin delete: removes keys, or a range of them, in one batch.
 *
 * A range that has no end on either side is everything, and wants --all: --prefix "$UNSET" must not empty a store.
 */
#include <stdio.h>

#include "cli.h"
#include "text.h"

typedef struct delete_request {
    const char *lower, *upper, *prefix, *keyspace; /* as given; NULL: none */
    bool hex, all;
    levin_durability durability;
    levin_options store;
} delete_request;

/* Keys that are there are put into the batch; *status tells of those that are not. */
static levin_code add_keys(const delete_request *request, const char *path, char **keys, levin *store,
                           const levin_keyspace *ks, levin_batch *batch, int *status)
{
    levin_code code = LEVIN_OK;
    buffer key = { 0 };
    for (; *keys && code == LEVIN_OK; keys++) {
        cli_parse_bytes(*keys, request->hex, &key);
        levin_slice k = buffer_slice(&key);
        code = levin_contains_in(store, ks, NULL, k.data, k.size);
        if (code == LEVIN_NOT_FOUND) {
            fprintf(stderr, "levin delete: %s has no key '", path);
            text_print(stderr, k);
            fputs("'\n", stderr);
            *status = CLI_NEGATIVE;
            code = LEVIN_OK;
        } else if (code == LEVIN_OK) {
            code = levin_batch_delete_in(batch, ks, k.data, k.size);
        }
    }
    buffer_fini(&key);
    return code;
}

static levin_code add_range(const delete_request *request, const levin_keyspace *ks, levin_batch *batch)
{
    const char *texts[3] = { request->lower, request->upper, request->prefix };
    buffer bounds[3] = { { 0 } };
    levin_slice slices[3] = { { NULL, 0 } };
    for (int i = 0; i < 3; i++)
        if (texts[i]) {
            cli_parse_bytes(texts[i], request->hex, &bounds[i]);
            slices[i] = buffer_slice(&bounds[i]);
        }
    levin_code code = request->prefix
                          ? levin_batch_delete_prefix_in(batch, ks, slices[2].data, slices[2].size)
                          : levin_batch_delete_range_in(batch, ks, slices[0], slices[1]);
    for (int i = 0; i < 3; i++)
        buffer_fini(&bounds[i]);
    return code;
}

static int work(const cli_command *command, const delete_request *request, const char *path, char **keys)
{
    levin *store = cli_open(command, path, &request->store);
    if (!store)
        return CLI_ERROR;
    levin_keyspace *ks;
    levin_batch *batch = NULL;
    int status = CLI_OK;
    if (!cli_keyspace(command, path, store, request->keyspace, 0, &ks))
        return cli_close(command, path, store, CLI_ERROR);
    levin_code code = levin_batch_create(store, &batch);
    if (code == LEVIN_OK)
        code = *keys ? add_keys(request, path, keys, store, ks, batch, &status) : add_range(request, ks, batch);
    if (code == LEVIN_OK && levin_batch_count(batch))
        code = levin_write(store, batch, request->durability);
    if (code != LEVIN_OK)
        status = cli_fail_call(command, path, store, code);
    levin_batch_destroy(batch);
    levin_keyspace_close(ks);
    return cli_close(command, path, store, status);
}

/* The first argument that is to be hex and is not, or NULL. */
static const char *not_hex(const delete_request *request, char **keys)
{
    const char *bounds[] = { request->lower, request->upper, request->prefix }, *bad = NULL;
    buffer bytes = { 0 };
    for (int i = 0; i < 3 && !bad; i++)
        if (bounds[i] && !cli_parse_bytes(bounds[i], request->hex, &bytes))
            bad = bounds[i];
    for (; *keys && !bad; keys++)
        if (!cli_parse_bytes(*keys, request->hex, &bytes))
            bad = *keys;
    buffer_fini(&bytes);
    return bad;
}

/* The name of an option for a bound that is given without a byte, or NULL. */
static const char *empty_bound(const delete_request *request)
{
    return request->prefix && !*request->prefix  ? "--prefix"
           : request->lower && !*request->lower ? "--from"
           : request->upper && !*request->upper ? "--to"
                                                : NULL;
}

static int run(const cli_command *command, int argc, char **argv)
{
    enum { OPT_DURABILITY = 256, OPT_FROM, OPT_TO, OPT_PREFIX, OPT_ALL, OPT_KEYSPACE };
    static const struct option options[] = { { "hex", no_argument, NULL, 'x' },
                                             { "durability", required_argument, NULL, OPT_DURABILITY },
                                             { "from", required_argument, NULL, OPT_FROM },
                                             { "to", required_argument, NULL, OPT_TO },
                                             { "prefix", required_argument, NULL, OPT_PREFIX },
                                             { "all", no_argument, NULL, OPT_ALL },
                                             { "keyspace", required_argument, NULL, OPT_KEYSPACE },
                                             CLI_STORE_OPTIONS };
    delete_request request = { .durability = LEVIN_SYNCED };
    int status;
    levin_options_init(&request.store);
    for (int c; (c = cli_getopt_store(command, argc, argv, "hx", options, &request.store, &status)) != -1;) {
        switch (c) {
        case CLI_DONE: return status;
        case 'x': request.hex = true; break;
        case OPT_FROM: request.lower = optarg; break;
        case OPT_TO: request.upper = optarg; break;
        case OPT_PREFIX: request.prefix = optarg; break;
        case OPT_ALL: request.all = true; break;
        case OPT_KEYSPACE: request.keyspace = optarg; break;
        default:
            if (!cli_parse_durability(optarg, &request.durability))
                return cli_usage(command, "--durability is none, logged or synced, not '%s'", optarg);
        }
    }
    request.store.create_if_missing = false;
    const bool bounds = request.lower || request.upper || request.prefix, range = bounds || request.all;
    if (request.prefix && (request.lower || request.upper))
        return cli_usage(command, "--prefix or --from and --to, not both");
    const char *empty = empty_bound(&request);
    if (empty)
        return cli_usage(command, "%s is empty: that is no bound; --all removes all keys", empty);
    if (request.all && bounds)
        return cli_usage(command, "--all or a range, not both");
    if (!cli_arguments(command, argc, range ? 1 : 2, range ? 1 : argc))
        return CLI_USAGE;
    char **keys = argv + optind + 1;
    const char *bad = not_hex(&request, keys);
    return bad ? cli_usage(command, "'%s' is not hex", bad) : work(command, &request, argv[optind], keys);
}

const cli_command command_delete = {
    "delete", "STORE KEY... | STORE --prefix P | STORE [--from KEY] [--to KEY] | STORE --all",
    "Removes keys, all in one batch; exit code 1 when one was not there",
    "  -x, --hex               each KEY is given as hex digits\n"
    "      --prefix P          all keys that begin with P, however many there are\n"
    "      --from KEY          all keys from KEY on\n"
    "      --to KEY            all keys before KEY\n"
    "      --all               all keys; an empty P or KEY is refused, for it would mean that\n"
    "      --keyspace NAME     in that keyspace\n"
    "      --durability LEVEL  none, logged or synced (default: on the device before levin returns)\n" CLI_STORE_HELP,
    run
};
