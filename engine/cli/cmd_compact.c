/*
 * cmd_compact.c - levin compact: collects the value log, writes the tree anew, and gives free space back.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "interrupt.h"
#include "progress.h"
#include "text.h"

static bool on_progress(void *context, const levin_compact_result *so_far)
{
    progress_pages(context, so_far->pages_moved, so_far->bytes_written + so_far->values_moved_bytes, 0);
    return !interrupt_wanted();
}

#define RESULT_FIELDS(X)                                                                                        \
    X(rounds, "checkpoints made on the way")                                                                    \
    X(pages_moved, "pages moved")                                                                               \
    X(bytes_written, "bytes written")                                                                           \
    X(pages_before, "pages in the file before")                                                                 \
    X(pages_after, "and after")                                                                                 \
    X(free_before, "of these free before")                                                                      \
    X(free_after, "and after")                                                                                  \
    X(held_pages, "pages held by readers, for which it ended early")                                            \
    X(segments_collected, "segments of the value log removed")                                                  \
    X(segments_bytes, "bytes in them")                                                                          \
    X(values_moved, "values moved out of them")                                                                 \
    X(values_moved_bytes, "bytes of these values")

static void print_result(bool json, const levin_compact_result *result)
{
    if (!json) {
#define LINE(name, text) printf("%-18s %14llu  %s\n", #name, (unsigned long long)result->name, text);
        RESULT_FIELDS(LINE)
#undef LINE
        return;
    }
    json_t *object = json_object();
    int failed = !object;
#define MEMBER(name, text)                                                                                           \
    failed = failed || json_object_set_new(object, #name, json_integer((json_int_t)result->name));
    RESULT_FIELDS(MEMBER)
#undef MEMBER
    if (failed)
        cli_die_no_memory();
    text_json_print(stdout, object);
    json_decref(object);
}

static int compact(const cli_command *command, const char *path, levin_options *store_options, levin_compact_options *o,
                   bool json, bool quiet)
{
    levin_compact_result result;
    progress meter;
    store_options->create_if_missing = false;
    levin *store = cli_open(command, path, store_options);
    if (!store)
        return CLI_ERROR;
    progress_begin(&meter, "moved", quiet);
    o->progress = on_progress;
    o->context = &meter;
    levin_code code = levin_compact(store, o, &result);
    progress_end(&meter);
    int status = CLI_OK;
    if (code == LEVIN_INTERRUPTED) {
        cli_error(command, "interrupted: what was done until now stays");
        status = CLI_INTERRUPTED;
    } else if (code != LEVIN_OK) {
        status = cli_fail_call(command, path, store, code);
    } else {
        print_result(json, &result);
    }
    return cli_close(command, path, store, cli_finish_output(command, status));
}

static int run(const cli_command *command, int argc, char **argv)
{
    enum { OPT_END = 256, OPT_LIVE };
    static const struct option options[] = { { "end", no_argument, NULL, OPT_END },
                                             { "live-percent", required_argument, NULL, OPT_LIVE },
                                             { "json", no_argument, NULL, 'j' },
                                             { "quiet", no_argument, NULL, 'q' },
                                             CLI_STORE_OPTIONS };
    levin_compact_options o;
    levin_options store_options;
    bool json = false, quiet = false;
    int status;
    levin_compact_options_init(&o);
    levin_options_init(&store_options);
    for (int c; (c = cli_getopt_store(command, argc, argv, "hq", options, &store_options, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        uint64_t percent = 0;
        if (c == OPT_LIVE && (!cli_parse_size(optarg, &percent) || percent > 100))
            return cli_usage(command, "--live-percent wants a number from 0 to 100, not \"%s\"", optarg);
        if (c == OPT_END)
            o.mode = LEVIN_COMPACT_END;
        else if (c == OPT_LIVE)
            o.value_log_live_percent = (uint32_t)percent;
        else if (c == 'j')
            json = true;
        else
            quiet = true;
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    interrupt_watch();
    return compact(command, argv[optind], &store_options, &o, json, quiet);
}

const cli_command command_compact = {
    "compact", "STORE [--end] [--live-percent N] [--json]",
    "Writes the pairs anew in full pages, in order, and gives free space back",
    "It can be interrupted at any time; the store is whole before, meanwhile and after.\n"
    "      --end     moves only what stands at the end of the file, so that it becomes shorter\n"
    "      --live-percent N  first, segments of the value log less than N % in use are emptied and removed\n"
    "                (90; 0: none)\n"
    "      --json    the counts as one object\n"
    "  -q, --quiet   no progress on standard error\n" CLI_STORE_HELP,
    run
};
