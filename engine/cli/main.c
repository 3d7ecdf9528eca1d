/*
 * main.c - the `levin` command: the table of subcommands.
 *
 * A new command is a file cmd_NAME.c with its `command_NAME`, and a line in the list here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define COMMANDS_ALL(X)                                                                                         \
    X(create)                                                                                                   \
    X(get)                                                                                                      \
    X(put)                                                                                                      \
    X(delete)                                                                                                   \
    X(scan)                                                                                                     \
    X(import)                                                                                                   \
    X(export)                                                                                                   \
    X(stats)                                                                                                    \
    X(check)                                                                                                    \
    X(health)                                                                                                   \
    X(compact)                                                                                                  \
    X(backup)                                                                                                   \
    X(restore)                                                                                                  \
    X(repair)                                                                                                   \
    X(dump)                                                                                                     \
    X(bench)                                                                                                    \
    X(stress)                                                                                                   \
    X(keyspaces)
#define COMMAND_DECLARED(name) extern const cli_command command_##name;
COMMANDS_ALL(COMMAND_DECLARED)
#undef COMMAND_DECLARED

static const cli_command *const commands[] = {
#define COMMAND_LISTED(name) &command_##name,
    COMMANDS_ALL(COMMAND_LISTED)
#undef COMMAND_LISTED
};
#define COMMANDS (sizeof commands / sizeof commands[0])

/* What went to standard output has arrived there. */
static int written(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_OK;
    fprintf(stderr, "levin: standard output could not be written: %s\n", strerror(errno));
    return CLI_ERROR;
}

static int help(FILE *out)
{
    fputs("usage: levin COMMAND STORE [ARGUMENTS] [OPTIONS]\n"
          "Works on a Levin store: a directory that holds an ordered map from keys to values.\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n`levin COMMAND --help` tells a command's options, `levin --version` the version, levin(1) everything.\n"
          "Exit codes: 0 done, 1 the answer is no (key not found, damage found), 2 usage, 3 error, 130 interrupted.\n",
          out);
    return out == stdout ? written() : CLI_USAGE;
}

/*
 * Takes up the standard descriptors that are closed, lest a file that is opened be what we print to.  For the wrong
 * direction: who reads or prints there still gets an error.
 */
static bool hold_standard_descriptors(void)
{
    for (int descriptor = 0; descriptor <= STDERR_FILENO; descriptor++) {
        if (fcntl(descriptor, F_GETFD) < 0 &&
            open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY) != descriptor)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!hold_standard_descriptors())
        return CLI_ERROR;
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name)
        return help(stderr);
    if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
        printf("levin %s\n", levin_version());
        return written();
    }
    bool asks_help = !strcmp(name, "help");
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || (asks_help && argc == 2))
        return help(stdout);
    if (asks_help)
        name = argv[2];
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i]->name, name))
            continue;
        char title[32], help_option[] = "--help"; /* getopt's messages begin with argv[0] */
        snprintf(title, sizeof title, "levin %s", name);
        char *help_arguments[] = { title, help_option, NULL };
        argv[1] = title;
        return asks_help ? commands[i]->run(commands[i], 2, help_arguments)
                         : commands[i]->run(commands[i], argc - 1, argv + 1);
    }
    fprintf(stderr, "levin: there is no command '%s'; `levin --help` lists them.\n", name);
    return CLI_USAGE;
}
