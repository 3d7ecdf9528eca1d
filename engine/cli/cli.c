/*
 * cli.c - options, errors, opening and closing for all commands.  No state of its own beside getopt's.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "place.h"
#include "text.h"

int cli_getopt(const cli_command *command, int argc, char **argv, const char *letters, const struct option *options,
               int *status)
{
    int c = getopt_long(argc, argv, letters, options, NULL);
    if (c == 'h') {
        printf("usage: levin %s %s\n%s.\n%s%s", command->name, command->synopsis, command->summary,
               command->help[0] ? "\n" : "", command->help);
        *status = cli_finish_output(command, CLI_OK);
        return CLI_DONE;
    }
    if (c == '?') { /* getopt has said what is wrong */
        fprintf(stderr, "See `levin %s --help`.\n", command->name);
        *status = CLI_USAGE;
        return CLI_DONE;
    }
    return c;
}

bool cli_arguments(const cli_command *command, int argc, int low, int high)
{
    int given = argc - optind;
    if (given >= low && given <= high)
        return true;
    cli_usage(command, given < low ? "arguments are missing" : "too many arguments");
    return false;
}

int cli_usage(const cli_command *command, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "levin %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nusage: levin %s %s\nSee `levin %s --help`.\n", command->name, command->synopsis, command->name);
    return CLI_USAGE;
}

int cli_error(const cli_command *command, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "levin %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return CLI_ERROR;
}

/* What a person can do about it; "" when the message says all. */
static const char *advice(levin_code code)
{
    switch (code) {
    case LEVIN_EXISTS: return "choose another name, or remove what has it";
    case LEVIN_LOCKED: return "end the process that has it open, then try again";
    case LEVIN_READERS_FULL: return "`levin stats` beside the writer counts them; end one that is not needed";
    case LEVIN_CORRUPT: return "`levin check` lists all the damage";
    case LEVIN_NO_SPACE: return "make room, then try again: nothing acknowledged was lost";
    case LEVIN_POISONED: return "a sync failed: look at the device, then open the store again";
    case LEVIN_VERSION_UNKNOWN: return "use the version of levin that wrote it, or a newer one";
    default: return "";
    }
}

/* As advice(), of a store that could not be opened. */
static const char *advice_open(const levin_error *error)
{
    if (error->code != LEVIN_NO_STORE)
        return advice(error->code);
    return !strcmp(error->file, "lock")                ? "a command that writes does that, as `levin compact`"
           : !strcmp(error->file, "pages.unfinished") ? ""
                                                      : "create one with `levin create` or `levin import`";
}

static int fail(const cli_command *command, const char *path, const levin_error *error, const char *hint)
{
    const char *text = error->message[0] ? error->message : levin_code_text(error->code);
    return cli_error(command, "%s: %s [%s]%s%s", path, text, levin_code_name(error->code), *hint ? "\n  " : "", hint);
}

int cli_fail(const cli_command *command, const char *path, const levin_error *error)
{
    return fail(command, path, error, advice(error->code));
}

int cli_fail_call(const cli_command *command, const char *path, levin *store, levin_code code)
{
    levin_error error;
    levin_last_error(store, &error);
    if (error.code != code)
        error = (levin_error){ .code = code };
    return cli_fail(command, path, &error);
}

void cli_die_no_memory(void)
{
    fputs("levin: out of memory\n", stderr);
    exit(CLI_ERROR);
}

levin *cli_open(const cli_command *command, const char *path, const levin_options *options)
{
    levin *store = NULL;
    levin_error error = { .code = LEVIN_OK };
    place p;
    place_look(&p, path);
    const bool makes = options->create_if_missing && !options->read_only && !p.store;
    if (makes && !place_free(command, &p))
        return NULL;
    levin_code code = levin_open(path, options, &store, &error);
    if (code == LEVIN_OK)
        return store;
    if (makes)
        place_clear(&p);
    error.code = code;
    fail(command, path, &error, advice_open(&error));
    return NULL;
}

bool cli_keyspace(const cli_command *command, const char *path, levin *store, const char *name, unsigned flags,
                  levin_keyspace **keyspace)
{
    *keyspace = NULL;
    levin_code code = name ? levin_keyspace_open(store, name, strlen(name), flags, keyspace) : LEVIN_OK;
    if (code != LEVIN_OK)
        cli_fail_call(command, path, store, code);
    return code == LEVIN_OK;
}

uint64_t cli_page_file_age_s(const char *path)
{
    char file[4096];
    struct stat pages;
    const time_t now = time(NULL);
    return snprintf(file, sizeof file, "%s/pages", path) < (int)sizeof file && stat(file, &pages) == 0 &&
                   now > pages.st_mtime
               ? (uint64_t)(now - pages.st_mtime)
               : 0;
}

int cli_close(const cli_command *command, const char *path, levin *store, int status)
{
    levin_code code = levin_close(store);
    if (code == LEVIN_OK)
        return status;
    levin_error error = { .code = code };
    snprintf(error.message, sizeof error.message, "the last sync failed while closing: %s", levin_code_text(code));
    int failed = cli_fail(command, path, &error);
    return status == CLI_OK ? failed : status;
}

int cli_finish_output(const cli_command *command, int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    int failed = cli_error(command, "standard output could not be written: %s", strerror(errno));
    return status == CLI_OK ? failed : status;
}

bool cli_parse_size(const char *text, uint64_t *size)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = 0;
    switch (*end) {
    case 'k': case 'K': shift = 10; break;
    case 'm': case 'M': shift = 20; break;
    case 'g': case 'G': shift = 30; break;
    case '\0': break;
    default: return false;
    }
    if (errno || (shift && end[1]) || number > UINT64_MAX >> shift)
        return false;
    *size = (uint64_t)number << shift;
    return true;
}

static bool print_option(void *context, const levin_option *option)
{
    (void)context;
    printf("%-22s %-9s %s (%s)\n", option->name, option->value, option->text, option->allowed);
    return true;
}

bool cli_option(const cli_command *command, const char *text, levin_options *options)
{
    char name[64];
    levin_error error;
    const char *value = strchr(text, '=');
    if (!strcmp(text, "help")) {
        levin_options_list(options, print_option, NULL);
        exit(cli_finish_output(command, CLI_OK));
    }
    if (!value || (size_t)(value - text) >= sizeof name) {
        cli_usage(command, "--option %.60s: NAME=VALUE is needed", text);
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(value - text), text);
    if (levin_options_set(options, name, value + 1, &error) == LEVIN_OK)
        return true;
    cli_usage(command, "--option: %s", error.message);
    return false;
}

static bool take_preset(const cli_command *command, const char *text, levin_options *options)
{
    char name[64];
    levin_error error;
    size_t n = 0;
    for (; text[n] && n < sizeof name - 1; n++) /* also as words are joined in other options: low-memory */
        name[n] = text[n] == '-' ? '_' : text[n];
    name[n] = '\0';
    if (levin_options_set(options, "preset", name, &error) == LEVIN_OK)
        return true;
    cli_usage(command, "--preset: %s", error.message);
    return false;
}

static void print_message(void *context, levin_log_level level, const char *message)
{
    static const char *const levels[] = { "error", "warning", "info" };
    (void)context;
    fprintf(stderr, "levin: %s: %s\n", levels[level], message); /* one call: lines of several threads do not mix */
}

int cli_getopt_store(const cli_command *command, int argc, char **argv, const char *letters,
                     const struct option *options, levin_options *store, int *status)
{
    for (;;) {
        int c = cli_getopt(command, argc, argv, letters, options, status);
        bool good = true;
        levin_error error;
        if (c == CLI_STORE_OPTION)
            good = cli_option(command, optarg, store);
        else if (c == CLI_STORE_PRESET)
            good = take_preset(command, optarg, store);
        else if (c == CLI_STORE_VERBOSE)
            store->log = print_message;
        else if (c == -1 && levin_options_check(store, &error) != LEVIN_OK)
            good = (cli_usage(command, "%s", error.message), false);
        else
            return c;
        if (!good) {
            *status = CLI_USAGE;
            return CLI_DONE;
        }
    }
}

bool cli_parse_durability(const char *text, levin_durability *durability)
{
    static const char *const names[] = { "none", "logged", "synced" };
    for (unsigned i = 0; i < 3; i++)
        if (!strcmp(text, names[i])) {
            *durability = (levin_durability)i;
            return true;
        }
    return false;
}

bool cli_parse_bytes(const char *text, bool hex, buffer *out)
{
    buffer_clear(out);
    if (hex)
        return text_unhex(text, out);
    buffer_append(out, text, strlen(text));
    return true;
}
