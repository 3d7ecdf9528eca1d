/*
 * cmd_check.c - levin check: reads the whole store and lists every fault.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "text.h"

typedef struct fault_list {
    bool json;
    json_t *array;
    uint64_t count;
} fault_list;

static bool on_fault(void *context, const levin_error *fault)
{
    fault_list *list = context;
    list->count++;
    if (!list->json) {
        printf("fault: %s [%s]\n", fault->message, levin_code_name(fault->code));
        return true;
    }
    char expected[32], found[32]; /* checksums are no numbers, and many readers of JSON keep 53 bits only */
    snprintf(expected, sizeof expected, "0x%" PRIx64, fault->expected);
    snprintf(found, sizeof found, "0x%" PRIx64, fault->found);
    json_t *object = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "code", levin_code_name(fault->code), "file",
                               fault->file, "offset", (json_int_t)fault->offset, "expected", expected, "found", found,
                               "message", fault->message);
    if (!object || json_array_append_new(list->array, object))
        cli_die_no_memory();
    return true;
}

#define RESULT_FIELDS(X)                                                                                        \
    X(keys, "pairs in the page file, of all keyspaces; newer ones stand in the log")                            \
    X(key_bytes, "their keys' bytes")                                                                           \
    X(value_bytes, "their values' bytes")                                                                       \
    X(pages, "pages in use")                                                                                    \
    X(leaf_pages, "that hold pairs")                                                                            \
    X(branch_pages, "that lead to others")                                                                      \
    X(overflow_pages, "that hold large values")                                                                 \
    X(free_pages, "pages to be used again")                                                                     \
    X(wal_segments, "log segments")                                                                             \
    X(wal_groups, "commit groups in them")                                                                      \
    X(metas, "meta pages that can be read, of 2")                                                               \
    X(faults, "faults found")

static void print_result(const fault_list *list, const levin_check_result *result, const char *verdict)
{
    if (!list->json) {
#define LINE(name, text) printf("%-15s %14llu  %s\n", #name, (unsigned long long)result->name, text);
        RESULT_FIELDS(LINE)
#undef LINE
        if (result->metas == 1 && result->faults == 0)
            printf("the older meta page cannot be read: a power cut in a checkpoint leaves it so, and the next\n"
                   "checkpoint writes over it; if there was none, the page file was damaged (levin dump --meta)\n");
        printf("%s\n", verdict);
        return;
    }
    json_t *object = json_object();
    int failed = !object || json_object_set_new(object, "verdict", json_string(verdict));
#define MEMBER(name, text)                                                                                           \
    failed = failed || json_object_set_new(object, #name, json_integer((json_int_t)result->name));
    RESULT_FIELDS(MEMBER)
#undef MEMBER
    if (failed || json_object_set(object, "fault_list", list->array))
        cli_die_no_memory();
    text_json_print(stdout, object);
    json_decref(object);
}

static int check(const cli_command *command, const char *path, levin_options *store_options, fault_list *list)
{
    store_options->read_only = true;
    levin *store = NULL;
    levin_error error = { .code = LEVIN_OK };
    levin_check_result result = { 0 };
    levin_code code = levin_open(path, store_options, &store, &error);
    if (code == LEVIN_CORRUPT) { /* damage that keeps it from opening is a fault found, too */
        on_fault(list, &error);
        result.faults = 1;
        print_result(list, &result, "damaged: it does not open");
        return cli_finish_output(command, CLI_NEGATIVE);
    }
    error.code = code;
    if (code != LEVIN_OK)
        return cli_fail(command, path, &error);
    code = levin_check(store, on_fault, list, &result);
    if (code != LEVIN_OK && code != LEVIN_CORRUPT)
        return cli_close(command, path, store, cli_fail_call(command, path, store, code));
    if (code == LEVIN_CORRUPT && !list->count) { /* not reported one by one */
        levin_last_error(store, &error);
        on_fault(list, &error);
    }
    if (result.faults < list->count)
        result.faults = list->count;
    print_result(list, &result, code == LEVIN_OK ? "ok" : "damaged");
    return cli_close(command, path, store, cli_finish_output(command, code == LEVIN_OK ? CLI_OK : CLI_NEGATIVE));
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' }, CLI_STORE_OPTIONS };
    fault_list list = { .json = false };
    levin_options store_options;
    int status;
    levin_options_init(&store_options);
    for (int c; (c = cli_getopt_store(command, argc, argv, "h", options, &store_options, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        list.json = true;
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    list.array = json_array();
    if (!list.array)
        cli_die_no_memory();
    status = check(command, argv[optind], &store_options, &list);
    json_decref(list.array);
    return status;
}

const cli_command command_check = {
    "check", "STORE [--json]", "Reads every byte that the store depends on; exit code 1 when it finds faults",
    "Each fault is a line that names file, offset, what was expected and what was found.\n"
    "      --json   one object: verdict, counts, fault_list\n" CLI_STORE_HELP,
    run
};
