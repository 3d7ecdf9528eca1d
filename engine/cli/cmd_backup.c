/*
 * cmd_backup.c - levin backup and levin restore: copies of a store, verified as they are made.
 *
 * A backup begins with a checkpoint, for which the store is opened for writing.  Beside a process that writes already,
 * and where nothing may be written, it is opened read-only.  Beside a writer the backup is of the newest checkpoint: it
 * says so, and when the writer's log held more batches at the beginning, that is no success unless it was asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "log_end.h"
#include "place.h"
#include "progress.h"
#include "text.h"

enum { OPEN_TRIES = 8 }; /* while writers come and go */

typedef struct request {
    bool json, quiet;
    bool newest_checkpoint; /* is enough beside a writer, whatever its log holds */
    bool beside;            /* of what a reader beside a writer sees */
    uint64_t log_end;       /* then: the newest batch in the writer's files when it began */
    uint64_t age_s;         /* and seconds since its page file was written */
    levin_backup_options options;
    levin_options store;
} request;

static bool on_progress(void *context, const levin_backup_result *so_far)
{
    progress_pages(context, so_far->pages, so_far->bytes, so_far->total_bytes);
    return !interrupt_wanted();
}

static int to_stdout(void *context, const void *data, size_t bytes)
{
    (void)context;
    errno = 0;
    return fwrite(data, 1, bytes, stdout) == bytes ? 0 : errno ? errno : EIO;
}

/* What the writer's log held and the backup has not. */
static uint64_t batches_behind(const request *r, const levin_backup_result *result)
{
    return r->beside && r->log_end > result->sequence ? r->log_end - result->sequence : 0;
}

/* On standard error when the archive goes to standard output. */
static void print_result(const request *r, FILE *out, const levin_backup_result *result, const char *verb,
                         const char *where)
{
    if (!r->json) {
        if (!r->quiet)
            fprintf(out, "%s %llu keys, %llu pages, %llu bytes, up to batch %llu, to %s\n", verb,
                    (unsigned long long)result->keys, (unsigned long long)result->pages,
                    (unsigned long long)result->bytes, (unsigned long long)result->sequence, where);
        return;
    }
    json_t *object = json_pack("{s:I, s:I, s:I, s:I}", "keys", (json_int_t)result->keys, "pages",
                               (json_int_t)result->pages, "bytes", (json_int_t)result->bytes, "sequence",
                               (json_int_t)result->sequence);
    if (!object || (r->beside && (json_object_set_new(object, "beside_writer", json_true()) ||
                                  json_object_set_new(object, "batches_behind",
                                                      json_integer((json_int_t)batches_behind(r, result))) ||
                                  json_object_set_new(object, "page_file_age_s", json_integer((json_int_t)r->age_s)))))
        cli_die_no_memory();
    text_json_print(out, object);
    json_decref(object);
}

/* Of a store that somebody writes: how far it is now. */
static bool look_beside(const cli_command *command, const char *path, request *r)
{
    levin_error error = { .code = LEVIN_OK };
    r->age_s = cli_page_file_age_s(path);
    levin_code code = log_end(path, &r->log_end, &error);
    error.code = code;
    if (code != LEVIN_OK)
        cli_fail(command, path, &error);
    return code == LEVIN_OK;
}

/* Only to be read, for `why` it cannot be written.  NULL and LEVIN_OK: the writer has ended meanwhile. */
static levin *open_read_only(const cli_command *command, const char *path, request *r, const levin_error *why,
                             levin_code *code)
{
    levin *store = NULL;
    levin_stats stats;
    levin_error error = { .code = LEVIN_OK };
    r->store.read_only = true;
    error.code = *code = levin_open(path, &r->store, &store, &error);
    r->store.read_only = false;
    if (*code != LEVIN_OK) {
        cli_fail(command, path, &error);
        return NULL;
    }
    levin_stats_get(store, &stats);
    r->beside = stats.beside_writer;
    if (!r->beside && why->code == LEVIN_LOCKED) {
        *code = levin_close(store); /* nothing was written */
        return NULL;
    }
    if (!r->beside && !r->quiet)
        cli_error(command, "%s is read only, for it could not be opened for writing: %s", path, why->message);
    return store;
}

/* For writing if that is possible; NULL: neither, and that was said. */
static levin *open_source(const cli_command *command, const char *path, request *r)
{
    levin_error error = { .code = LEVIN_OK };
    r->store.create_if_missing = false;
    for (int i = 0; i < OPEN_TRIES; i++) {
        levin *store = NULL;
        levin_code code = error.code = levin_open(path, &r->store, &store, &error);
        if (code == LEVIN_OK)
            return store;
        if (code != LEVIN_LOCKED && code != LEVIN_IO)
            break;
        store = open_read_only(command, path, r, &error, &code);
        if (store || code != LEVIN_OK)
            return store;
    }
    cli_fail(command, path, &error);
    return NULL;
}

/* What is in the log only is not in it, and nobody must think so. */
static int tell_beside(const cli_command *command, const char *path, const request *r,
                       const levin_backup_result *result)
{
    const uint64_t behind = batches_behind(r, result);
    if (!r->beside)
        return CLI_OK;
    cli_error(command, "%s is open for writing: the backup is its newest checkpoint, up to batch %llu\n"
              "  %llu batches that its log held before are not in it; its page file was written %llu s ago\n"
              "  levin_checkpoint() or levin_backup() there takes everything%s",
              path, (unsigned long long)result->sequence, (unsigned long long)behind, (unsigned long long)r->age_s,
              behind && !r->newest_checkpoint ? "; --newest-checkpoint: this is enough, exit code 0" : "");
    return behind && !r->newest_checkpoint ? CLI_NEGATIVE : CLI_OK;
}

static int backup(const cli_command *command, const char *path, const char *target, request *r)
{
    const bool stream = strcmp(target, "-") == 0;
    levin_backup_result result;
    progress meter;
    place p;
    if (stream && isatty(STDOUT_FILENO))
        return cli_usage(command, "the archive is not for a terminal: send it to a file or a pipe");
    place_look(&p, target);
    if (!stream && !place_outside(command, &p, path))
        return CLI_ERROR;
    levin *store = open_source(command, path, r);
    if (!store)
        return CLI_ERROR;
    if (r->beside && !look_beside(command, path, r))
        return cli_close(command, path, store, CLI_ERROR);
    progress_begin(&meter, "copied", r->quiet);
    r->options.progress = on_progress;
    r->options.context = &meter;
    levin_code code = stream ? levin_backup_stream(store, to_stdout, NULL, &r->options, &result)
                             : levin_backup(store, target, &r->options, &result);
    progress_end(&meter);
    int status = CLI_OK;
    if (code != LEVIN_OK && !stream)
        place_leave(&p);
    if (code == LEVIN_INTERRUPTED) {
        cli_error(command, "interrupted: there is no backup");
        status = CLI_INTERRUPTED;
    } else if (code != LEVIN_OK) {
        status = cli_fail_call(command, path, store, code);
    }
    if (status == CLI_OK) /* otherwise what is wrong with standard output was said already */
        status = cli_finish_output(command, status);
    if (status == CLI_OK) {
        print_result(r, stream ? stderr : stdout, &result, "backed up", stream ? "standard output" : target);
        status = cli_finish_output(command, tell_beside(command, path, r, &result));
    }
    return cli_close(command, path, store, status);
}

static int restore(const cli_command *command, const char *path, const char *target, request *r)
{
    levin_backup_result result;
    levin_error error = { 0 };
    progress meter;
    place p;
    place_look(&p, target);
    if (!place_outside(command, &p, path))
        return CLI_ERROR;
    progress_begin(&meter, "copied", r->quiet);
    r->options.progress = on_progress;
    r->options.context = &meter;
    levin_code code = levin_restore(path, target, NULL, &r->options, &result, &error);
    progress_end(&meter);
    if (code != LEVIN_OK)
        place_leave(&p);
    if (code == LEVIN_INTERRUPTED) {
        cli_error(command, "interrupted: nothing was restored");
        return CLI_INTERRUPTED;
    }
    if (code != LEVIN_OK) {
        error.code = code;
        return cli_fail(command, path, &error);
    }
    print_result(r, stdout, &result, "restored", target);
    return cli_finish_output(command, CLI_OK);
}

static int run(const cli_command *command, int argc, char **argv)
{
    enum { OPT_NO_VERIFY = 256, OPT_NEWEST_CHECKPOINT };
#define COMMON_OPTIONS                                                                                          \
    { "json", no_argument, NULL, 'j' }, { "no-verify", no_argument, NULL, OPT_NO_VERIFY },                      \
        { "quiet", no_argument, NULL, 'q' }
    static const struct option backup_options[] = {
        { "newest-checkpoint", no_argument, NULL, OPT_NEWEST_CHECKPOINT }, COMMON_OPTIONS, CLI_STORE_OPTIONS
    };
    static const struct option restore_options[] = { COMMON_OPTIONS, CLI_LAST_OPTIONS }; /* it opens no store */
    const bool restores = strcmp(command->name, "restore") == 0;
    const struct option *options = restores ? restore_options : backup_options;
    request r = { .json = false };
    int status;
    levin_backup_options_init(&r.options);
    levin_options_init(&r.store);
    for (int c; (c = cli_getopt_store(command, argc, argv, "hq", options, &r.store, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        if (c == OPT_NO_VERIFY)
            r.options.verify = false;
        else if (c == OPT_NEWEST_CHECKPOINT)
            r.newest_checkpoint = true;
        else if (c == 'j')
            r.json = true;
        else
            r.quiet = true;
    }
    if (!cli_arguments(command, argc, 2, 2))
        return CLI_USAGE;
    interrupt_watch();
    return restores ? restore(command, argv[optind], argv[optind + 1], &r)
                    : backup(command, argv[optind], argv[optind + 1], &r);
}

#define COMMON_HELP                                                                                             \
    "      --no-verify   does not read the copy back (every page is verified as it is copied anyway)\n"         \
    "      --json        the counts as one object\n"                                                            \
    "  -q, --quiet       no progress, no report\n"

const cli_command command_backup = {
    "backup", "STORE DIRECTORY|- [--json]",
    "Copies the store to an empty directory, or as a tar archive to standard output",
    "A backup is a store: `levin check` and every other command work on it, `tar x` unpacks an archive.\n"
    "Of a store that another process has open for writing it is the newest checkpoint, and says up to which batch.\n"
    COMMON_HELP
    "      --newest-checkpoint  is enough beside a writer: exit code 0, whatever its log holds\n"
    CLI_STORE_HELP
    "Exit code 1: beside a writer the backup was made, but lacks batches that the writer's log held when it began.\n",
    run
};

const cli_command command_restore = {
    "restore", "BACKUP STORE [--json]", "Makes a store out of a backup; refuses to overwrite anything",
    COMMON_HELP,
    run
};
