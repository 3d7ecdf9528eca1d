/*
 * cmd_scan.c - levin scan: pairs in order, within bounds, both ways.
 */
#include <stdio.h>

#include "cli.h"
#include "interrupt.h"
#include "text.h"

enum {
    OPT_FROM = 256,
    OPT_AFTER,
    OPT_TO,
    OPT_THROUGH,
    OPT_PREFIX,
    OPT_LIMIT,
    OPT_KEYS,
    OPT_COUNT,
    OPT_JSON,
    OPT_KEYSPACE
};

typedef struct scan_request {
    const char *lower, *upper, *prefix, *keyspace; /* as given; NULL: none */
    bool lower_exclusive, upper_inclusive, reverse, keys_only, count_only, hex, json;
    uint64_t limit;
    levin_options store;
} scan_request;

static void print_pair(const scan_request *request, levin_slice key, levin_slice value)
{
    if (request->json) {
        json_t *object = json_object();
        if (!object)
            cli_die_no_memory();
        text_json_add(object, "key", key);
        if (!request->keys_only)
            text_json_add(object, "value", value);
        text_json_print(stdout, object);
        json_decref(object);
        return;
    }
    void (*print)(FILE *, levin_slice) = request->hex ? text_print_hex : text_print;
    print(stdout, key);
    if (!request->keys_only) {
        putchar('\t');
        print(stdout, value);
    }
    putchar('\n');
}

/* Prints what the iterator gives; *count says how many pairs. */
static levin_code print_all(const scan_request *request, levin_iter *iter, uint64_t *count)
{
    bool on = request->reverse ? levin_iter_last(iter) : levin_iter_first(iter);
    *count = 0;
    while (on && *count < request->limit && !interrupt_wanted()) {
        levin_slice value = { "", 0 };
        if (!request->keys_only && !request->count_only) {
            value = levin_iter_value(iter);
            if (!value.data)
                break; /* the status says why */
        }
        if (!request->count_only)
            print_pair(request, levin_iter_key(iter), value);
        ++*count;
        if (ferror(stdout))
            break;
        on = request->reverse ? levin_iter_prev(iter) : levin_iter_next(iter);
    }
    return levin_iter_status(iter);
}

static int scan(const cli_command *command, const char *path, const scan_request *request)
{
    const char *texts[3] = { request->lower, request->upper, request->prefix };
    buffer bounds[3] = { { 0 } };
    levin_slice slices[3] = { { NULL, 0 } };
    levin *store = NULL;
    levin_iter *iter = NULL;
    levin_keyspace *ks = NULL;
    uint64_t count = 0;
    int status = CLI_ERROR;
    for (int i = 0; i < 3; i++) {
        if (!texts[i])
            continue;
        if (!cli_parse_bytes(texts[i], request->hex, &bounds[i])) {
            status = cli_usage(command, "'%s' is not hex", texts[i]);
            goto out;
        }
        slices[i] = buffer_slice(&bounds[i]);
    }
    store = cli_open(command, path, &request->store);
    if (!store)
        goto out;
    if (!cli_keyspace(command, path, store, request->keyspace, 0, &ks)) {
        status = cli_close(command, path, store, CLI_ERROR);
        goto out;
    }
    levin_iter_options range = { .lower = slices[0],
                                 .upper = slices[1],
                                 .prefix = slices[2],
                                 .keyspace = ks,
                                 .lower_exclusive = request->lower_exclusive,
                                 .upper_inclusive = request->upper_inclusive };
    levin_code code = levin_iter_open(store, &range, &iter);
    if (code == LEVIN_OK)
        code = print_all(request, iter, &count);
    status = code == LEVIN_OK ? CLI_OK : cli_fail_call(command, path, store, code);
    if (request->count_only && code == LEVIN_OK && !interrupt_wanted())
        printf(request->json ? "{\"count\":%llu}\n" : "%llu\n", (unsigned long long)count);
    if (interrupt_wanted()) {
        cli_error(command, "interrupted after %llu pairs", (unsigned long long)count);
        status = CLI_INTERRUPTED;
    }
    status = cli_finish_output(command, status);
    if (iter)
        levin_iter_close(iter);
    levin_keyspace_close(ks);
    status = cli_close(command, path, store, status);
out:
    for (int i = 0; i < 3; i++)
        buffer_fini(&bounds[i]);
    return status;
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = {
        { "from", required_argument, NULL, OPT_FROM },     { "after", required_argument, NULL, OPT_AFTER },
        { "to", required_argument, NULL, OPT_TO },         { "through", required_argument, NULL, OPT_THROUGH },
        { "prefix", required_argument, NULL, OPT_PREFIX }, { "reverse", no_argument, NULL, 'r' },
        { "limit", required_argument, NULL, 'n' },         { "keys", no_argument, NULL, OPT_KEYS },
        { "count", no_argument, NULL, OPT_COUNT },         { "hex", no_argument, NULL, 'x' },
        { "json", no_argument, NULL, OPT_JSON },           { "keyspace", required_argument, NULL, OPT_KEYSPACE },
        CLI_STORE_OPTIONS
    };
    scan_request request = { .limit = UINT64_MAX };
    int status;
    levin_options_init(&request.store);
    for (int c; (c = cli_getopt_store(command, argc, argv, "hrn:x", options, &request.store, &status)) != -1;) {
        switch (c) {
        case CLI_DONE: return status;
        case OPT_FROM:
        case OPT_AFTER:
            request.lower = optarg;
            request.lower_exclusive = c == OPT_AFTER;
            break;
        case OPT_TO:
        case OPT_THROUGH:
            request.upper = optarg;
            request.upper_inclusive = c == OPT_THROUGH;
            break;
        case OPT_PREFIX: request.prefix = optarg; break;
        case 'r': request.reverse = true; break;
        case OPT_KEYS: request.keys_only = true; break;
        case OPT_COUNT: request.count_only = true; break;
        case 'x': request.hex = true; break;
        case OPT_JSON: request.json = true; break;
        case OPT_KEYSPACE: request.keyspace = optarg; break;
        default:
            if (!cli_parse_size(optarg, &request.limit))
                return cli_usage(command, "--limit wants a number, not '%s'", optarg);
        }
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    request.store.read_only = true;
    interrupt_watch();
    return scan(command, argv[optind], &request);
}

const cli_command command_scan = {
    "scan", "STORE [--prefix P] [--from KEY] [--to KEY] [--reverse] [--limit N]",
    "Prints pairs in the order of their keys",
    "One line a pair, KEY <tab> VALUE, with \\\\ \\n \\t \\r \\xHH for what would not show on a line.\n"
    "      --prefix P     only keys that begin with P\n"
    "      --from KEY     begin at KEY            --after KEY    begin after KEY\n"
    "      --to KEY       end before KEY          --through KEY  end at KEY\n"
    "  -r, --reverse      from the last to the first\n"
    "  -n, --limit N      at most N pairs\n"
    "      --keys         keys only\n"
    "      --count        print only how many there are\n"
    "      --keyspace NAME  of that keyspace\n"
    "  -x, --hex          bounds are given, and pairs printed, as hex digits\n"
    "      --json         print {\"key\":...,\"value\":...}; bytes that are no UTF-8 as key_base64, value_base64\n"
    CLI_STORE_HELP,
    run
};
