/*
 * cmd_backup.c - levin backup and levin restore: copies of a store, verified as they are made.
 *
 * A backup begins with a checkpoint, for which the store is opened for writing.  Beside a process that writes already,
 * and where nothing may be written, it is opened read-only: the backup is then of the newest checkpoint, and says so.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "place.h"
#include "progress.h"
#include "text.h"

typedef struct request {
    bool json, quiet;
    bool beside; /* of what a reader beside a writer sees */
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
    if (!object || (r->beside && json_object_set_new(object, "beside_writer", json_true())))
        cli_die_no_memory();
    text_json_print(out, object);
    json_decref(object);
}

/* For writing if that is possible; NULL: neither, and that was said. */
static levin *open_source(const cli_command *command, const char *path, request *r)
{
    levin *store = NULL;
    levin_error error, first;
    r->store.create_if_missing = false;
    first.code = levin_open(path, &r->store, &store, &first);
    if (first.code == LEVIN_OK)
        return store;
    r->beside = first.code == LEVIN_LOCKED;
    r->store.read_only = true;
    const bool protected = first.code == LEVIN_IO && (first.os_error == EACCES || first.os_error == EROFS ||
                                                      first.os_error == EPERM);
    if ((r->beside || protected) && levin_open(path, &r->store, &store, &error) == LEVIN_OK)
        return store;
    cli_fail(command, path, &first);
    return NULL;
}

/* What is in the log only is not in it, and nobody must think so. */
static void tell_beside(const cli_command *command, const char *path, const request *r,
                        const levin_backup_result *result)
{
    if (r->beside)
        cli_error(command, "%s is open for writing: the backup is its newest checkpoint, up to batch %llu\n"
                  "  what was written since is not in it; levin_checkpoint() or levin_backup() there takes that too",
                  path, (unsigned long long)result->sequence);
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
        tell_beside(command, path, r, &result);
        status = cli_finish_output(command, status);
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
    enum { OPT_NO_VERIFY = 256 };
#define COMMON_OPTIONS                                                                                          \
    { "json", no_argument, NULL, 'j' }, { "no-verify", no_argument, NULL, OPT_NO_VERIFY },                      \
        { "quiet", no_argument, NULL, 'q' }
    static const struct option backup_options[] = { COMMON_OPTIONS, CLI_STORE_OPTIONS };
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
    CLI_STORE_HELP,
    run
};

const cli_command command_restore = {
    "restore", "BACKUP STORE [--json]", "Makes a store out of a backup; refuses to overwrite anything",
    COMMON_HELP,
    run
};
