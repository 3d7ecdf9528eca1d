/*
 * cmd_get.c - levin get: the value of one key.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "text.h"

static void print_value(levin_slice key, levin_slice value, bool hex, bool json)
{
    if (json) {
        json_t *object = json_object();
        if (!object)
            cli_die_no_memory();
        text_json_add(object, "key", key);
        text_json_add(object, "value", value);
        text_json_print(stdout, object);
        json_decref(object);
    } else if (hex) {
        text_print_hex(stdout, value);
        putchar('\n');
    } else {
        fwrite(value.data, 1, value.size, stdout);
        if (isatty(STDOUT_FILENO) && (!value.size || ((const char *)value.data)[value.size - 1] != '\n'))
            putchar('\n'); /* so that the prompt stands on its own line; never into a file */
    }
}

static int run(const cli_command *command, int argc, char **argv)
{
    enum { OPT_JSON = 256, OPT_KEYSPACE };
    static const struct option options[] = { { "hex", no_argument, NULL, 'x' },
                                             { "json", no_argument, NULL, OPT_JSON },
                                             { "keyspace", required_argument, NULL, OPT_KEYSPACE },
                                             CLI_STORE_OPTIONS };
    bool hex = false, json = false;
    const char *keyspace = NULL;
    levin_options store_options;
    int status;
    levin_options_init(&store_options);
    for (int c; (c = cli_getopt_store(command, argc, argv, "hx", options, &store_options, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        if (c == 'x')
            hex = true;
        else if (c == OPT_KEYSPACE)
            keyspace = optarg;
        else
            json = true;
    }
    if (!cli_arguments(command, argc, 2, 2))
        return CLI_USAGE;
    const char *path = argv[optind];
    buffer key = { 0 };
    if (!cli_parse_bytes(argv[optind + 1], hex, &key)) {
        buffer_fini(&key);
        return cli_usage(command, "'%s' is not hex", argv[optind + 1]);
    }
    store_options.read_only = true;
    levin *store = cli_open(command, path, &store_options);
    if (!store) {
        buffer_fini(&key);
        return CLI_ERROR;
    }
    levin_keyspace *ks;
    if (!cli_keyspace(command, path, store, keyspace, 0, &ks)) {
        buffer_fini(&key);
        return cli_close(command, path, store, CLI_ERROR);
    }
    void *value;
    size_t value_bytes;
    levin_slice name = buffer_slice(&key);
    levin_code code = levin_get_alloc_in(store, ks, NULL, name.data, name.size, &value, &value_bytes);
    if (code == LEVIN_OK) {
        print_value(name, (levin_slice){ value, value_bytes }, hex, json);
        levin_free(store, value);
        status = cli_finish_output(command, CLI_OK);
    } else if (code == LEVIN_NOT_FOUND) {
        fprintf(stderr, "levin get: %s has no key '", path);
        text_print(stderr, name);
        fputs("'\n", stderr);
        status = CLI_NEGATIVE;
    } else {
        status = cli_fail_call(command, path, store, code);
    }
    buffer_fini(&key);
    levin_keyspace_close(ks);
    return cli_close(command, path, store, status);
}

const cli_command command_get = {
    "get", "STORE KEY [--hex | --json]", "Prints the value of KEY; exit code 1 when there is none",
    "The value is printed byte for byte; only on a terminal a newline is added when it has none at its end.\n"
    "  -x, --hex   KEY is given, and the value printed, as hex digits\n"
    "      --json  print {\"key\":...,\"value\":...}; bytes that are no UTF-8 as key_base64, value_base64\n"
    "      --keyspace NAME  of that keyspace\n" CLI_STORE_HELP,
    run
};
