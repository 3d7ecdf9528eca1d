/*
 * cmd_delete.c - levin delete: removes keys, all of them in one batch.
 */
#include <stdio.h>

#include "cli.h"
#include "text.h"

static int run(const cli_command *command, int argc, char **argv)
{
    enum { OPT_DURABILITY = 256 };
    static const struct option options[] = { { "hex", no_argument, NULL, 'x' },
                                             { "durability", required_argument, NULL, OPT_DURABILITY },
                                             CLI_LAST_OPTIONS };
    bool hex = false;
    levin_durability durability = LEVIN_SYNCED;
    int status;
    for (int c; (c = cli_getopt(command, argc, argv, "hx", options, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        if (c == 'x')
            hex = true;
        else if (!cli_parse_durability(optarg, &durability))
            return cli_usage(command, "--durability is none, logged or synced, not '%s'", optarg);
    }
    if (!cli_arguments(command, argc, 2, argc))
        return CLI_USAGE;
    const char *path = argv[optind];
    buffer key = { 0 };
    for (int i = optind + 1; i < argc; i++)
        if (!cli_parse_bytes(argv[i], hex, &key)) {
            buffer_fini(&key);
            return cli_usage(command, "'%s' is not hex", argv[i]);
        }
    levin_options store_options;
    levin_options_init(&store_options);
    store_options.create_if_missing = false;
    levin *store = cli_open(command, path, &store_options);
    if (!store) {
        buffer_fini(&key);
        return CLI_ERROR;
    }
    levin_batch *batch = NULL;
    levin_code code = levin_batch_create(store, &batch);
    status = CLI_OK;
    for (int i = optind + 1; i < argc && code == LEVIN_OK; i++) {
        cli_parse_bytes(argv[i], hex, &key);
        levin_slice k = buffer_slice(&key);
        code = levin_contains(store, NULL, k.data, k.size);
        if (code == LEVIN_NOT_FOUND) {
            fprintf(stderr, "levin delete: %s has no key '", path);
            text_print(stderr, k);
            fputs("'\n", stderr);
            status = CLI_NEGATIVE;
            code = LEVIN_OK;
        } else if (code == LEVIN_OK) {
            code = levin_batch_delete(batch, k.data, k.size);
        }
    }
    if (code == LEVIN_OK && levin_batch_count(batch))
        code = levin_write(store, batch, durability);
    if (code != LEVIN_OK)
        status = cli_fail_call(command, path, store, code);
    levin_batch_destroy(batch);
    buffer_fini(&key);
    return cli_close(command, path, store, status);
}

const cli_command command_delete = {
    "delete", "STORE KEY...", "Removes keys, all in one batch; exit code 1 when one was not there",
    "  -x, --hex               each KEY is given as hex digits\n"
    "      --durability LEVEL  none, logged or synced (default: on the device before levin returns)\n",
    run
};
