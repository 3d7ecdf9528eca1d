/*
 * cmd_stats.c - levin stats: counters of the library and sizes of files.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli.h"
#include "text.h"
#include "watch.h"

typedef struct disk_use {
    uint64_t files, bytes, allocated_bytes;
} disk_use;

static void measure(const char *path, disk_use *use)
{
    DIR *directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct stat status;
        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISREG(status.st_mode))
            continue;
        use->files++;
        use->bytes += (uint64_t)status.st_size;
        use->allocated_bytes += (uint64_t)status.st_blocks * 512;
    }
    closedir(directory);
}

static void print(const levin_stats *stats, const disk_use *use, bool json)
{
    const struct {
        const char *name, *text;
        uint64_t number;
    } rows[] = {
        { "disk_files", "files in the store's directory", use->files },
        { "disk_bytes", "their sizes together", use->bytes },
        { "disk_allocated_bytes", "what they take on the device", use->allocated_bytes },
#define ROW(name, text) { #name, text, stats->name },
        LEVIN_STATS(ROW)
#undef ROW
    };
    json_t *object = json ? json_object() : NULL;
    if (json && !object)
        cli_die_no_memory();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!json)
            printf("%-22s %14llu  %s\n", rows[i].name, (unsigned long long)rows[i].number, rows[i].text);
        else if (json_object_set_new(object, rows[i].name, json_integer((json_int_t)rows[i].number)))
            cli_die_no_memory();
    }
    if (json)
        text_json_print(stdout, object);
    json_decref(object);
}

static int print_prometheus(const cli_command *command, const char *path, levin *store)
{
    char *text;
    size_t bytes;
    levin_code code = levin_stats_alloc(store, LEVIN_STATS_PROMETHEUS, &text, &bytes);
    if (code != LEVIN_OK)
        return cli_fail_call(command, path, store, code);
    fwrite(text, 1, bytes, stdout); /* cli_finish_output() asks whether it succeeded */
    levin_free(store, text);
    return CLI_OK;
}

static int print_histograms(const cli_command *command, const char *path, levin *store)
{
    printf("%-14s %-8s %10s %12s %12s %12s %12s  %s\n", "name", "unit", "count", "p50", "p99", "p99.9", "max", "of");
    for (int i = 0; i < LEVIN_HISTOGRAM_COUNT; i++) {
        levin_histogram h;
        levin_code code = levin_histogram_get(store, (levin_histogram_id)i, &h);
        if (code != LEVIN_OK)
            return cli_fail_call(command, path, store, code);
        printf("%-14s %-8s %10llu %12llu %12llu %12llu %12llu  %s", h.name, h.unit, (unsigned long long)h.count,
               (unsigned long long)h.p50, (unsigned long long)h.p99, (unsigned long long)h.p999,
               (unsigned long long)h.max, h.text);
        if (h.sample_every > 1)
            printf(", one in %u", h.sample_every);
        putchar('\n');
    }
    return CLI_OK;
}

static int run(const cli_command *command, int argc, char **argv)
{
    enum { OPT_WATCH = 256, OPT_COUNT };
    static const struct option options[] = { { "json", no_argument, NULL, 'j' },
                                             { "prometheus", no_argument, NULL, 'p' },
                                             { "histograms", no_argument, NULL, 'H' },
                                             { "watch", optional_argument, NULL, OPT_WATCH },
                                             { "count", required_argument, NULL, OPT_COUNT },
                                             CLI_STORE_OPTIONS };
    enum { TABLE, JSON = 'j', PROMETHEUS = 'p', HISTOGRAMS = 'H' };
    int form = TABLE;
    uint64_t watch_seconds = 0, count = 0;
    levin_options store_options;
    int status = CLI_OK;
    levin_options_init(&store_options);
    for (int c; (c = cli_getopt_store(command, argc, argv, "h", options, &store_options, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        if (c == OPT_WATCH || c == OPT_COUNT) {
            uint64_t *n = c == OPT_WATCH ? &watch_seconds : &count;
            *n = c == OPT_WATCH && !optarg;
            if (!*n && (!cli_parse_size(optarg, n) || !*n || *n > 1000000000))
                return cli_usage(command, "--%s wants a number from 1, not '%s'", c == OPT_WATCH ? "watch" : "count",
                                 optarg);
            continue;
        }
        if (form != TABLE && form != c)
            return cli_usage(command, "one of --json, --prometheus, --histograms");
        form = c;
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    const char *path = argv[optind];
    if (watch_seconds && (form == PROMETHEUS || form == HISTOGRAMS))
        return cli_usage(command, "--watch goes with --json alone");
    if (watch_seconds)
        return watch_run(command, path, (double)watch_seconds, count, form == JSON);
    store_options.read_only = true;
    levin *store = cli_open(command, path, &store_options);
    if (!store)
        return CLI_ERROR;
    levin_stats stats;
    disk_use use = { 0 };
    levin_stats_get(store, &stats);
    measure(path, &use);
    if (form == PROMETHEUS)
        status = print_prometheus(command, path, store);
    else if (form == HISTOGRAMS)
        status = print_histograms(command, path, store);
    else
        print(&stats, &use, form == JSON);
    return cli_close(command, path, store, cli_finish_output(command, status));
}

const cli_command command_stats = {
    "stats", "STORE [--json|--prometheus|--histograms|--watch]",
    "Prints sizes, and the library's counters since it opened the store for this",
    "      --json         one object, name to number\n"
    "      --prometheus   the library's counters and histograms in the Prometheus text format\n"
    "      --histograms   the library's histograms: count, quantiles, maximum\n"
    "      --watch[=S]    what can be seen of it from outside, also while another process writes it, a line each S\n"
    "                     (1) seconds: checkpoints, batches and keys as of the last checkpoint, files; until Ctrl-C\n"
    "      --count N      so many lines\n" CLI_STORE_HELP
    "Counters are those of a process: a writer's own are levin_stats_get() and levin_stats_prometheus() in it, and\n"
    "what `levin bench` and `levin stress` print of theirs at intervals.\n",
    run
};
