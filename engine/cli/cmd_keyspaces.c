/*
 * cmd_keyspaces.c - levin keyspaces: lists the named keyspaces of a store, makes one, drops one.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "text.h"

enum { OPT_CREATE = 256, OPT_DROP };

typedef struct request {
    int what;         /* OPT_CREATE, OPT_DROP; 0: list */
    const char *text; /* the name, as it was given */
    bool hex, json;
} request;

static bool print_name(void *context, levin_slice name)
{
    const request *r = context;
    if (r->json) {
        json_t *object = json_object();
        if (!object)
            cli_die_no_memory();
        text_json_add(object, "keyspace", name);
        text_json_print(stdout, object);
        json_decref(object);
        return !ferror(stdout);
    }
    if (r->hex)
        text_print_hex(stdout, name);
    else
        text_print(stdout, name);
    putchar('\n');
    return !ferror(stdout);
}

static levin_code work(levin *store, request *r, const buffer *name)
{
    levin_keyspace *made;
    if (r->what == OPT_DROP)
        return levin_keyspace_drop(store, name->data, name->size, LEVIN_SYNCED);
    if (r->what != OPT_CREATE)
        return levin_keyspace_list(store, NULL, print_name, r);
    levin_code code = levin_keyspace_open(store, name->data, name->size, LEVIN_KEYSPACE_EXCLUSIVE, &made);
    levin_keyspace_close(made);
    return code;
}

static int run_on(const cli_command *command, const char *path, levin_options *store_options, request *r)
{
    buffer name = { 0 };
    if (r->what && !cli_parse_bytes(r->text, r->hex, &name))
        return cli_usage(command, "'%s' is no name in hex digits", r->text);
    store_options->create_if_missing = false;
    store_options->read_only = !r->what;
    levin *store = cli_open(command, path, store_options);
    int status = CLI_ERROR;
    if (store) {
        levin_code code = work(store, r, &name);
        status = code == LEVIN_OK ? CLI_OK : cli_fail_call(command, path, store, code);
        if (code == LEVIN_NO_KEYSPACE || code == LEVIN_EXISTS)
            status = CLI_NEGATIVE;
        status = cli_close(command, path, store, cli_finish_output(command, status));
    }
    buffer_fini(&name);
    return status;
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = { { "create", required_argument, NULL, OPT_CREATE },
                                             { "drop", required_argument, NULL, OPT_DROP },
                                             { "hex", no_argument, NULL, 'x' },
                                             { "json", no_argument, NULL, 'j' },
                                             CLI_STORE_OPTIONS };
    request r = { 0 };
    levin_options store_options;
    int status;
    levin_options_init(&store_options);
    for (int c; (c = cli_getopt_store(command, argc, argv, "hx", options, &store_options, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        if (c == 'x' || c == 'j') {
            r.hex |= c == 'x';
            r.json |= c == 'j';
            continue;
        }
        if (r.what)
            return cli_usage(command, "one of --create and --drop, and once");
        r.what = c;
        r.text = optarg;
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    if (r.json && (r.hex || r.what))
        return cli_usage(command, "--json lists, and goes with none of --hex, --create and --drop");
    return run_on(command, argv[optind], &store_options, &r);
}

const cli_command command_keyspaces = {
    "keyspaces", "STORE [--json | --hex] [--create NAME | --drop NAME]",
    "Lists the named keyspaces, makes one or drops one",
    "      --create NAME       make it; exit code 1 when there is one of this name\n"
    "      --drop NAME         remove it with all its keys; exit code 1 when there is none\n"
    "  -x, --hex               names are given, and printed, as hex digits\n"
    "      --json              an object a line: keyspace, or keyspace_base64\n" CLI_STORE_HELP,
    run
};
