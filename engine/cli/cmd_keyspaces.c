/*
 * cmd_keyspaces.c - levin keyspaces: lists the named keyspaces of a store, makes one, drops one.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "text.h"

enum { OPT_CREATE = 256, OPT_DROP };

static bool print_name(void *context, levin_slice name)
{
    (void)context;
    text_print(stdout, name);
    putchar('\n');
    return !ferror(stdout);
}

static levin_code work(levin *store, int what, const char *name)
{
    levin_keyspace *made;
    if (what == OPT_DROP)
        return levin_keyspace_drop(store, name, strlen(name), LEVIN_SYNCED);
    if (what != OPT_CREATE)
        return levin_keyspace_list(store, NULL, print_name, NULL);
    levin_code code = levin_keyspace_open(store, name, strlen(name), LEVIN_KEYSPACE_EXCLUSIVE, &made);
    levin_keyspace_close(made);
    return code;
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = { { "create", required_argument, NULL, OPT_CREATE },
                                             { "drop", required_argument, NULL, OPT_DROP },
                                             CLI_STORE_OPTIONS };
    const char *name = NULL;
    levin_options store_options;
    int what = 0, status;
    levin_options_init(&store_options);
    for (int c; (c = cli_getopt_store(command, argc, argv, "h", options, &store_options, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        if (what)
            return cli_usage(command, "one of --create and --drop, and once");
        what = c;
        name = optarg;
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    const char *path = argv[optind];
    store_options.create_if_missing = false;
    store_options.read_only = !what;
    levin *store = cli_open(command, path, &store_options);
    if (!store)
        return CLI_ERROR;
    levin_code code = work(store, what, name);
    status = code == LEVIN_OK ? CLI_OK : cli_fail_call(command, path, store, code);
    if (code == LEVIN_NO_KEYSPACE || code == LEVIN_EXISTS)
        status = CLI_NEGATIVE;
    return cli_close(command, path, store, cli_finish_output(command, status));
}

const cli_command command_keyspaces = {
    "keyspaces", "STORE [--create NAME | --drop NAME]", "Lists the named keyspaces, makes one or drops one",
    "      --create NAME       make it; exit code 1 when there is one of this name\n"
    "      --drop NAME         remove it with all its keys; exit code 1 when there is none\n" CLI_STORE_HELP,
    run
};
