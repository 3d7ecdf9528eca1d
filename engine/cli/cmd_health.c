/*
 * cmd_health.c - levin health: is this store all right?  Lines for a person, an object for a monitor, an exit code.
 *
 * Beside a writer a handle has the newest checkpoint only, and the answer says so; what waits in the log is then looked
 * up there (log_end.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "cli.h"
#include "log_end.h"
#include "text.h"

enum { FREE_PERCENT_MIN = 5, DEAD_PERCENT_MAX = 60 }; /* beyond: something is to be done */

typedef struct health {
    const char *verdict; /* "ok", "warning", "damaged", "in use" */
    char advice[320];    /* "" when there is nothing to do */
    char note[320];      /* of what the figures are, when somebody writes; otherwise "" */
    bool readable, checked, beside;
    levin_stats stats;
    uint64_t device_bytes, device_free_bytes, faults, checkpoint_age_s, log_batches;
    unsigned device_free_percent, dead_percent;
} health;

static unsigned percent(uint64_t part, uint64_t whole)
{
    return whole ? (unsigned)((double)part * 100 / (double)whole) : 0;
}

static void look_at_device(const char *path, health *h)
{
    struct statvfs device;
    h->device_free_percent = 100;
    if (statvfs(path, &device) == 0) {
        h->device_bytes = (uint64_t)device.f_blocks * device.f_frsize;
        h->device_free_bytes = (uint64_t)device.f_bavail * device.f_frsize;
        h->device_free_percent = percent(h->device_free_bytes, h->device_bytes);
    }
    h->checkpoint_age_s = cli_page_file_age_s(path);
}

static void judge(health *h)
{
    h->verdict = "ok";
    if (h->faults) {
        h->verdict = "damaged";
        snprintf(h->advice, sizeof h->advice, "`levin check` lists the damage, `levin repair` salvages");
    } else if (h->device_free_percent < FREE_PERCENT_MIN) {
        h->verdict = "warning";
        snprintf(h->advice, sizeof h->advice, "the device is nearly full: make room");
    } else if (h->dead_percent > DEAD_PERCENT_MAX) {
        h->verdict = "warning";
        snprintf(h->advice, sizeof h->advice, "much of the page file is free: `levin compact` gives it back");
    }
}

/* Whether another process has it open for writing, and what that means for the figures. */
static levin_code look_at_log(const char *path, health *h, levin_error *error)
{
    uint64_t newest = h->stats.sequence;
    h->beside = h->stats.beside_writer;
    h->log_batches = h->stats.replayed_batches;
    if (!h->beside)
        return LEVIN_OK;
    levin_code code = log_end(path, &newest, error);
    h->log_batches = newest > h->stats.sequence ? newest - h->stats.sequence : 0;
    snprintf(h->note, sizeof h->note,
             "another process has it open for writing: log_batches is how many its log held a moment ago%s, keys, "
             "checkpoint and dead_percent are of the newest checkpoint, up to batch %" PRIu64,
             h->checked ? ", which were not verified; faults," : ";", h->stats.sequence);
    return code;
}

static void print(const health *h, bool json)
{
    const struct {
        const char *name, *text;
        uint64_t number;
    } rows[] = {
        { "readable", "1: it opens", h->readable },
        { "beside_writer", "1: another process has it open for writing", h->beside },
        { "checked", "1: every byte was verified (--check)", h->checked },
        { "faults", "damage found", h->faults },
        { "keys", "pairs of the default keyspace in the page file", h->stats.keys },
        { "log_batches", "batches in the log that are not in the page file", h->log_batches },
        { "checkpoint", "number of the last checkpoint", h->stats.generation },
        { "checkpoint_age_s", "seconds since the page file was written", h->checkpoint_age_s },
        { "dead_percent", "of the page file is free", h->dead_percent },
        { "open_ns", "time that opening took, nanoseconds", h->stats.recovery_ns },
        { "device_free_bytes", "free on the device", h->device_free_bytes },
        { "device_free_percent", "of the device is free", h->device_free_percent },
    };
    json_t *object = json ? json_pack("{s:s, s:s, s:s}", "verdict", h->verdict, "advice", h->advice, "note", h->note)
                          : NULL;
    if (json && !object)
        cli_die_no_memory();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!json)
            printf("%-20s %16" PRIu64 "  %s\n", rows[i].name, rows[i].number, rows[i].text);
        else if (json_object_set_new(object, rows[i].name, json_integer((json_int_t)rows[i].number)))
            cli_die_no_memory();
    }
    if (json)
        text_json_print(stdout, object);
    else
        printf("%s%s%s%s%s\n", h->note, h->note[0] ? "\n" : "", h->verdict, h->advice[0] ? ": " : "", h->advice);
    json_decref(object);
}

static int examine(const cli_command *command, const char *path, levin_options *options, bool check, bool json)
{
    health h = { .checked = check };
    levin_error error = { .code = LEVIN_OK };
    levin *store = NULL;
    options->read_only = true;
    look_at_device(path, &h);
    levin_code code = levin_open(path, options, &store, &error);
    if (code == LEVIN_OK) {
        h.readable = true;
        levin_stats_get(store, &h.stats);
        h.dead_percent = percent(h.stats.free_pages, h.stats.file_pages);
        levin_check_result result = { 0 };
        if (check && (code = levin_check(store, NULL, NULL, &result)) != LEVIN_OK && code != LEVIN_CORRUPT)
            return cli_close(command, path, store, cli_fail_call(command, path, store, code));
        h.faults = code == LEVIN_CORRUPT && !result.faults ? 1 : result.faults;
        code = look_at_log(path, &h, &error);
        int status = cli_close(command, path, store, CLI_OK);
        if (status != CLI_OK)
            return status;
        error.code = code;
        if (code != LEVIN_OK)
            return cli_fail(command, path, &error);
        judge(&h);
    } else if (code == LEVIN_CORRUPT) {
        h.faults = 1;
        judge(&h);
        snprintf(h.advice, sizeof h.advice, "%s", error.message);
    } else if (code == LEVIN_LOCKED) {
        h.verdict = "in use";
        h.beside = true;
        snprintf(h.advice, sizeof h.advice, "another process has it open: ask that one, levin_stats_get()");
    } else {
        error.code = code;
        return cli_fail(command, path, &error);
    }
    print(&h, json);
    bool good = h.readable && !h.faults && !h.advice[0];
    return cli_finish_output(command, good || code == LEVIN_LOCKED ? CLI_OK : CLI_NEGATIVE);
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' },
                                             { "check", no_argument, NULL, 'c' },
                                             CLI_STORE_OPTIONS };
    bool json = false, check = false;
    levin_options store_options;
    int status;
    levin_options_init(&store_options);
    for (int c; (c = cli_getopt_store(command, argc, argv, "h", options, &store_options, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        json |= c == 'j';
        check |= c == 'c';
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    return examine(command, argv[optind], &store_options, check, json);
}

const cli_command command_health = {
    "health", "STORE [--check] [--json]", "Is the store all right? Exit code 1 when something is to be done",
    "Whether it opens, the log that waits, the last checkpoint, free space in the file and on the device.\n"
    "      --check  reads every byte, too\n"
    "      --json   one object: verdict (ok, warning, damaged, in use), advice, note, numbers\n" CLI_STORE_HELP
    "Beside a process that writes the note tells what is of its newest checkpoint only; in use: it lets nobody read.\n"
    "Exit code 0: ok, or in use; 1: damage, less than 5 % of the device free, or more than 60 % of the page file.\n",
    run
};
