/*
 * cli.h - what the commands of `levin` share: the shape of a command, exit codes, options, opening, errors.
 *
 * A command is one file, cmd_NAME.c, that defines `const cli_command command_NAME`, and one line in the table in
 * main.c. The tool sees levin.h only.  One thread.
 */
#ifndef CLI_H
#define CLI_H

#include <getopt.h>

#include "../levin.h"
#include "buffer.h"

enum cli_exit {
    CLI_OK = 0,
    CLI_NEGATIVE = 1,     /* the answer is no: key not found, faults found */
    CLI_USAGE = 2,        /* the command line is wrong */
    CLI_ERROR = 3,        /* the work failed */
    CLI_INTERRUPTED = 130 /* Ctrl-C or SIGTERM, as shells count it */
};

typedef struct cli_command {
    const char *name;
    const char *synopsis; /* what follows "levin NAME" */
    const char *summary;  /* one line for `levin --help` */
    const char *help;     /* its options, for `levin NAME --help` */
    int (*run)(const struct cli_command *command, int argc, char **argv);
} cli_command;

/*
 * getopt_long() with --help and errors handled: returns the option's val, -1 after the last, or CLI_DONE when the
 * command should return *status.  argv[0] is "levin NAME".
 */
#define CLI_DONE 1000
int cli_getopt(const cli_command *command, int argc, char **argv, const char *letters, const struct option *options,
               int *status);
/* Every table of options ends so. */
#define CLI_LAST_OPTIONS { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }

/*
 * What every command that opens a store takes besides: --option, --preset and --verbose, applied to *store, filled by
 * levin_options_init() before, in the order in which they stand.  At the end *store is checked.  What the command
 * itself needs (read_only and the like) it sets afterwards.  Otherwise as cli_getopt().
 */
enum { CLI_STORE_OPTION = 1001, CLI_STORE_PRESET, CLI_STORE_VERBOSE };
#define CLI_STORE_OPTIONS                                                                                       \
    { "option", required_argument, NULL, CLI_STORE_OPTION }, { "preset", required_argument, NULL, CLI_STORE_PRESET }, \
        { "verbose", no_argument, NULL, CLI_STORE_VERBOSE }, CLI_LAST_OPTIONS
#define CLI_STORE_HELP                                                                                          \
    "      --option NAME=VALUE  an option of the library; --option help lists them\n"                           \
    "      --preset NAME        a set of them: balanced, read_optimized, write_optimized, low_memory, ...\n"     \
    "      --verbose            the library's messages on standard error\n"
int cli_getopt_store(const cli_command *command, int argc, char **argv, const char *letters,
                     const struct option *options, levin_options *store, int *status);
/* Whether `low` to `high` arguments follow the options; otherwise complains (the status is CLI_USAGE). */
bool cli_arguments(const cli_command *command, int argc, int low, int high);
/* "levin NAME: <text>; see `levin NAME --help`".  Returns CLI_USAGE. */
int cli_usage(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "levin NAME: <text>".  Returns CLI_ERROR. */
int cli_error(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As above for a failed call of the library: what, where, what to do.  Returns CLI_ERROR. */
int cli_fail(const cli_command *command, const char *path, const levin_error *error);
/* As above with the newest error of the handle, if that has this code. */
int cli_fail_call(const cli_command *command, const char *path, levin *store, levin_code code);
_Noreturn void cli_die_no_memory(void);

/*
 * Opens the store, or says why not; NULL then.  One is made only in a directory of its own outside every store, and of
 * one that could not be made nothing stays.
 */
levin *cli_open(const cli_command *command, const char *path, const levin_options *options);
/*
 * The keyspace of that name: *keyspace, to be closed; NULL for no name, which is the default one.  flags as of
 * levin_keyspace_open().  False: there is none, and that was said.
 */
bool cli_keyspace(const cli_command *command, const char *path, levin *store, const char *name, unsigned flags,
                  levin_keyspace **keyspace);
/* Seconds since the page file of the store was written; 0 when that cannot be told. */
uint64_t cli_page_file_age_s(const char *path);
/* Closes it; turns CLI_OK into CLI_ERROR, with a message, when that fails. */
int cli_close(const cli_command *command, const char *path, levin *store, int status);
/* Flushes standard output; turns CLI_OK into CLI_ERROR when anything could not be written. */
int cli_finish_output(const cli_command *command, int status);

/* "4096", "64K", "16M", "2G".  False when text is no such number. */
bool cli_parse_size(const char *text, uint64_t *size);
/*
 * "NAME=VALUE" into the options of the library; "help" lists them all on standard output and ends the process. False,
 * with a message: neither.
 */
bool cli_option(const cli_command *command, const char *text, levin_options *options);
bool cli_parse_durability(const char *text, levin_durability *durability);
/* An argument as key or value: its own bytes, or with hex the bytes that its digits spell.  False: bad digits. */
bool cli_parse_bytes(const char *text, bool hex, buffer *out);

#endif
