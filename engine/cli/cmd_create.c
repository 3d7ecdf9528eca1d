/*
 * cmd_create.c - levin create: an empty store with chosen formats.
 */
#include <stdio.h>

#include "cli.h"

static int run(const cli_command *command, int argc, char **argv)
{
    enum { OPT_PAGE_SIZE = 256, OPT_SECTOR, OPT_SEGMENT };
    static const struct option options[] = { { "page-size", required_argument, NULL, OPT_PAGE_SIZE },
                                             { "sector-size", required_argument, NULL, OPT_SECTOR },
                                             { "segment-size", required_argument, NULL, OPT_SEGMENT },
                                             CLI_STORE_OPTIONS };
    levin_options store_options;
    levin_options_init(&store_options);
    store_options.background = LEVIN_BACKGROUND_NONE;
    int status;
    for (int c; (c = cli_getopt_store(command, argc, argv, "h", options, &store_options, &status)) != -1;) {
        uint64_t size;
        if (c == CLI_DONE)
            return status;
        if (!cli_parse_size(optarg, &size))
            return cli_usage(command, "'%s' is no size", optarg);
        if (c == OPT_SEGMENT)
            store_options.wal_segment_bytes = size;
        else if (size > UINT32_MAX)
            return cli_usage(command, "'%s' is too large", optarg);
        else if (c == OPT_PAGE_SIZE)
            store_options.page_bytes = (uint32_t)size;
        else
            store_options.wal_sector_bytes = (uint32_t)size;
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    store_options.create_if_missing = store_options.error_if_exists = true;
    const char *path = argv[optind];
    levin *store = cli_open(command, path, &store_options);
    return store ? cli_close(command, path, store, CLI_OK) : CLI_ERROR;
}

const cli_command command_create = {
    "create", "STORE [--page-size SIZE]", "Makes an empty store in directory STORE",
    "  --page-size SIZE     size of a page, 4K to 64K, a power of two (16K); a key may take a quarter of it\n"
    "  --sector-size SIZE   alignment of log groups, 512 (default) or 4096\n"
    "  --segment-size SIZE  size of a log segment, 8K to 1G (16M)\n"
    CLI_STORE_HELP "SIZE may end in K, M or G.\n",
    run
};
