/*
 * cmd_dump.c - levin dump: what stands in the files of a store, also of a damaged one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "interrupt.h"
#include "text.h"

static void print_field(const levin_dump_field *f)
{
    printf(" %s=", f->name);
    switch (f->type) {
    case LEVIN_DUMP_NUMBER: printf("%" PRIu64, f->number); break;
    case LEVIN_DUMP_HEX: printf("%016" PRIx64, f->number); break;
    case LEVIN_DUMP_TEXT: printf("%.*s", (int)f->bytes.size, (const char *)f->bytes.data); break;
    case LEVIN_DUMP_BYTES:
        fputs("'", stdout);
        text_print(stdout, f->bytes);
        fputs("'", stdout);
        break;
    }
}

static void add_field(json_t *object, const levin_dump_field *f)
{
    char hex[24];
    snprintf(hex, sizeof hex, "%016" PRIx64, f->number);
    switch (f->type) {
    case LEVIN_DUMP_NUMBER:
        if (json_object_set_new(object, f->name, json_integer((json_int_t)f->number)))
            cli_die_no_memory();
        break;
    case LEVIN_DUMP_HEX: text_json_add(object, f->name, (levin_slice){ hex, 16 }); break;
    case LEVIN_DUMP_TEXT:
    case LEVIN_DUMP_BYTES: text_json_add(object, f->name, f->bytes); break;
    }
}

static bool on_item(void *context, const levin_dump_item *item)
{
    if (*(const bool *)context) {
        json_t *object = json_pack("{s:s, s:s, s:I}", "item", item->kind, "file", item->file, "offset",
                                   (json_int_t)item->offset);
        if (!object)
            cli_die_no_memory();
        for (size_t i = 0; i < item->count; i++)
            add_field(object, &item->fields[i]);
        if (item->fault && json_object_set_new(object, "fault", json_string(item->fault->message)))
            cli_die_no_memory();
        text_json_print(stdout, object);
        json_decref(object);
    } else {
        printf("%s@%" PRIu64 " %s", item->file, item->offset, item->kind);
        for (size_t i = 0; i < item->count; i++)
            print_field(&item->fields[i]);
        if (item->fault)
            printf(" DAMAGED: %s", item->fault->message);
        printf("\n");
    }
    return !interrupt_wanted() && !ferror(stdout);
}

enum { OPT_META = 256, OPT_PAGES, OPT_CELLS, OPT_PAGE, OPT_FREE, OPT_LOG, OPT_RECORDS, OPT_VALUES, OPT_JSON };

static int dump(const cli_command *command, const char *path, const levin_dump_options *o, bool json)
{
    levin_error error = { 0 };
    levin_code code = levin_dump(path, o, on_item, &json, &error);
    if (code == LEVIN_OK || code == LEVIN_CORRUPT)
        return cli_finish_output(command, code == LEVIN_OK ? CLI_OK : CLI_NEGATIVE);
    if (code == LEVIN_INTERRUPTED)
        return interrupt_wanted() ? CLI_INTERRUPTED : cli_finish_output(command, CLI_OK);
    error.code = code;
    return cli_finish_output(command, cli_fail(command, path, &error));
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = { { "meta", no_argument, NULL, OPT_META },
                                             { "pages", no_argument, NULL, OPT_PAGES },
                                             { "cells", no_argument, NULL, OPT_CELLS },
                                             { "page", required_argument, NULL, OPT_PAGE },
                                             { "free", no_argument, NULL, OPT_FREE },
                                             { "log", no_argument, NULL, OPT_LOG },
                                             { "records", no_argument, NULL, OPT_RECORDS },
                                             { "values", no_argument, NULL, OPT_VALUES },
                                             { "json", no_argument, NULL, OPT_JSON },
                                             CLI_LAST_OPTIONS };
    levin_dump_options o;
    bool json = false;
    unsigned what = 0;
    int status;
    levin_dump_options_init(&o);
    for (int c; (c = cli_getopt(command, argc, argv, "h", options, &status)) != -1;) {
        switch (c) {
        case CLI_DONE: return status;
        case OPT_META: what |= LEVIN_DUMP_META; break;
        case OPT_PAGES: what |= LEVIN_DUMP_PAGES; break;
        case OPT_CELLS: what |= LEVIN_DUMP_PAGES | LEVIN_DUMP_CELLS; break;
        case OPT_PAGE:
            what |= LEVIN_DUMP_PAGES;
            if (!cli_parse_size(optarg, &o.page))
                return cli_usage(command, "--page is the number of a page, not '%s'", optarg);
            break;
        case OPT_FREE: what |= LEVIN_DUMP_FREE; break;
        case OPT_LOG: what |= LEVIN_DUMP_LOG; break;
        case OPT_VALUES: what |= LEVIN_DUMP_VALUES; break;
        case OPT_RECORDS: what |= LEVIN_DUMP_LOG | LEVIN_DUMP_RECORDS; break;
        default: json = true;
        }
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    o.what = what ? what : LEVIN_DUMP_META | LEVIN_DUMP_PAGES | LEVIN_DUMP_FREE | LEVIN_DUMP_LOG;
    interrupt_watch();
    return dump(command, argv[optind], &o, json);
}

const cli_command command_dump = {
    "dump", "STORE [--meta] [--pages] [--page N] [--free] [--log] [--values]",
    "Shows what stands in the files, also of a damaged store, and marks the damage",
    "A line an item: file@offset, what it is, its fields. Nothing is opened, locked or written.\n"
    "Exit code 1 when damage was seen. Without options: --meta --pages --free --log.\n"
    "      --meta      the meta pages\n"
    "      --pages     a line for each page in use: what for, header, checksum\n"
    "      --cells     the same with keys and values\n"
    "      --page N    that page alone, with its cells\n"
    "      --free      the free list\n"
    "      --log       segments and groups of the log\n"
    "      --records   the same with batches and operations\n"
    "      --values    segments of the value log, and the values in them\n"
    "      --json      a JSON object a line\n",
    run
};
