/*
 * cmd_put.c - levin put: sets one key.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

/* Appends all of a file ("-": standard input). */
static int read_all(const cli_command *command, const char *name, buffer *out)
{
    FILE *file = strcmp(name, "-") ? fopen(name, "rbe") : stdin;
    if (!file)
        return cli_error(command, "%s: %s", name, strerror(errno));
    size_t got;
    do {
        got = fread(buffer_reserve(out, 1 << 16), 1, 1 << 16, file);
        out->size += got;
    } while (got && out->size <= LEVIN_VALUE_MAX_BYTES);
    int failed = ferror(file) ? cli_error(command, "%s: %s", name, strerror(errno)) : CLI_OK;
    if (file != stdin)
        fclose(file);
    return failed;
}

static int run(const cli_command *command, int argc, char **argv)
{
    enum { OPT_FROM = 256, OPT_DURABILITY, OPT_CREATE, OPT_KEYSPACE };
    static const struct option options[] = { { "hex", no_argument, NULL, 'x' },
                                             { "from", required_argument, NULL, OPT_FROM },
                                             { "durability", required_argument, NULL, OPT_DURABILITY },
                                             { "create", no_argument, NULL, OPT_CREATE },
                                             { "keyspace", required_argument, NULL, OPT_KEYSPACE },
                                             CLI_STORE_OPTIONS };
    bool hex = false;
    const char *from = NULL, *keyspace = NULL;
    levin_durability durability = LEVIN_SYNCED;
    levin_options store_options;
    levin_options_init(&store_options);
    store_options.create_if_missing = false;
    int status;
    for (int c; (c = cli_getopt_store(command, argc, argv, "hx", options, &store_options, &status)) != -1;) {
        switch (c) {
        case CLI_DONE: return status;
        case 'x': hex = true; break;
        case OPT_FROM: from = optarg; break;
        case OPT_KEYSPACE: keyspace = optarg; break;
        case OPT_CREATE: store_options.create_if_missing = true; break;
        default:
            if (!cli_parse_durability(optarg, &durability))
                return cli_usage(command, "--durability is none, logged or synced, not '%s'", optarg);
        }
    }
    int count = from ? 2 : 3;
    if (!cli_arguments(command, argc, count, count))
        return CLI_USAGE;
    const char *path = argv[optind];
    buffer key = { 0 }, value = { 0 };
    levin *store = NULL;
    if (!cli_parse_bytes(argv[optind + 1], hex, &key) || (!from && !cli_parse_bytes(argv[optind + 2], hex, &value))) {
        status = cli_usage(command, "KEY or VALUE is not hex");
        goto out;
    }
    status = from ? read_all(command, from, &value) : CLI_OK;
    if (status != CLI_OK)
        goto out;
    status = CLI_ERROR;
    store = cli_open(command, path, &store_options);
    if (!store)
        goto out;
    levin_slice k = buffer_slice(&key), v = buffer_slice(&value);
    levin_keyspace *ks;
    if (cli_keyspace(command, path, store, keyspace, LEVIN_KEYSPACE_CREATE, &ks)) {
        levin_code code = levin_put_in(store, ks, k.data, k.size, v.data, v.size, durability);
        status = code == LEVIN_OK ? CLI_OK : cli_fail_call(command, path, store, code);
    }
    levin_keyspace_close(ks);
    status = cli_close(command, path, store, status);
out:
    buffer_fini(&key);
    buffer_fini(&value);
    return status;
}

const cli_command command_put = {
    "put", "STORE KEY VALUE | STORE KEY --from FILE", "Sets KEY to VALUE",
    "  -x, --hex               KEY and VALUE are given as hex digits\n"
    "      --from FILE         the value is what FILE holds (- for standard input), byte for byte\n"
    "      --durability LEVEL  none, logged or synced (default: on the device before levin returns)\n"
    "      --create            make the store if there is none\n"
    "      --keyspace NAME     in that keyspace, which is made if there is none\n" CLI_STORE_HELP
    "A KEY that begins with - is given after `--`.\n",
    run
};
