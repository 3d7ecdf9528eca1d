/*
 * merge_command.c - reads the reports that --json printed, prints the merged one.
 */
#include "merge_command.h"

#include <stdio.h>
#include <string.h>

#include "../faults/json_merge.h"
#include "options.h"

int merge_command(int argc, char **argv)
{
    char message[JSON_MERGE_MESSAGE];
    if (argc < 2 || argv[1][0] == '-') {
        const bool help = argc > 1 && !strcmp(argv[1], "--help");
        fprintf(help ? stdout : stderr, "usage: levin-chaos merge REPORT.json...\n"
                                        "The reports of all shards of a campaign (--shard i/n --json) as one.\n");
        return help ? EXIT_NOTHING_FOUND : EXIT_USAGE;
    }
    json_t *whole = json_merge_files(argv + 1, (size_t)argc - 1, message);
    if (!whole) {
        fprintf(stderr, "levin-chaos: %s\n", message);
        return EXIT_HARNESS;
    }
    const bool violated = json_integer_value(json_object_get(whole, "violations")) > 0;
    const bool ill = json_is_string(json_object_get(whole, "harness"));
    const bool interrupted = json_is_true(json_object_get(whole, "interrupted"));
    const bool written = json_dumpf(whole, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF && fflush(stdout) == 0;
    json_decref(whole);
    return !written || ill ? EXIT_HARNESS
           : violated      ? EXIT_VIOLATION
           : interrupted   ? EXIT_INTERRUPTED
                           : EXIT_NOTHING_FOUND;
}
