/*
 * cmd_repair.c - levin repair: salvages a damaged store into a new one and lists what was lost.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "place.h"
#include "text.h"

typedef struct loss_list {
    bool json;
    json_t *array;
} loss_list;

static const char *kind_text(levin_loss_kind kind)
{
    switch (kind) {
    case LEVIN_LOST_META: return "meta page";
    case LEVIN_LOST_RANGE: return "keys";
    case LEVIN_LOST_VALUE: return "value";
    case LEVIN_LOST_LOG: return "log";
    }
    return "?";
}

static void print_loss(const levin_loss *loss)
{
    printf("lost %s: %s", kind_text(loss->kind), loss->fault.message);
    if (loss->kind == LEVIN_LOST_VALUE) {
        fputs(", key '", stdout);
        text_print(stdout, loss->lower);
        fputs("'", stdout);
    } else if (loss->kind == LEVIN_LOST_RANGE) {
        fputs(", keys from '", stdout);
        text_print(stdout, loss->lower);
        fputs(loss->bounded ? "' to before '" : "' on", stdout);
        if (loss->bounded) {
            text_print(stdout, loss->upper);
            fputs("'", stdout);
        }
    }
    fputs("\n", stdout);
}

static bool on_loss(void *context, const levin_loss *loss)
{
    loss_list *list = context;
    if (!list->json) {
        print_loss(loss);
        return !interrupt_wanted();
    }
    json_t *object = json_pack("{s:s, s:s, s:I, s:s}", "lost", kind_text(loss->kind), "file", loss->fault.file,
                               "offset", (json_int_t)loss->fault.offset, "message", loss->fault.message);
    if (!object)
        cli_die_no_memory();
    if (loss->kind == LEVIN_LOST_VALUE)
        text_json_add(object, "key", loss->lower);
    if (loss->kind == LEVIN_LOST_RANGE) {
        text_json_add(object, "from", loss->lower);
        if (loss->bounded)
            text_json_add(object, "before", loss->upper);
    }
    if (json_array_append_new(list->array, object))
        cli_die_no_memory();
    return !interrupt_wanted();
}

static void print_result(const loss_list *list, const levin_repair_result *r)
{
    if (!list->json) {
        printf("salvaged %llu keys of checkpoint %llu, and %llu batches of %llu operations out of the log; "
               "%llu losses\n",
               (unsigned long long)r->keys, (unsigned long long)r->generation, (unsigned long long)r->batches,
               (unsigned long long)r->operations, (unsigned long long)r->losses);
        if (r->older_meta)
            printf("the newest meta page is lost: this is the state of the one before it, and of the log since\n");
        return;
    }
    json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:O}", "keys", (json_int_t)r->keys, "generation",
                               (json_int_t)r->generation, "batches", (json_int_t)r->batches, "operations",
                               (json_int_t)r->operations, "losses", (json_int_t)r->losses, "older_meta",
                               (int)r->older_meta, "loss_list", list->array);
    if (!object)
        cli_die_no_memory();
    text_json_print(stdout, object);
    json_decref(object);
}

/* Empty: the library removes what it makes there. */
static void remove_unfinished(const char *target)
{
    char path[4200];
    size_t bytes = strlen(target);
    while (bytes > 1 && target[bytes - 1] == '/')
        bytes--;
    int n = snprintf(path, sizeof path, "%.*s.unfinished", (int)bytes, target);
    if (n > 0 && (size_t)n < sizeof path)
        (void)rmdir(path);
}

static int repair(const cli_command *command, const char *source, const char *target, loss_list *list)
{
    levin_repair_options o;
    levin_repair_result result;
    levin_error error = { 0 };
    place p;
    place_look(&p, target);
    if (!place_outside(command, &p, source))
        return CLI_ERROR;
    levin_repair_options_init(&o);
    o.report = on_loss;
    o.context = list;
    levin_code code = levin_repair(source, target, &o, &result, &error);
    if (!result.made)
        remove_unfinished(target);
    if (code == LEVIN_INTERRUPTED) {
        cli_error(command, "interrupted: there is no new store");
        return CLI_INTERRUPTED;
    }
    if (!result.made) {
        error.code = code;
        return cli_finish_output(command, cli_fail(command, source, &error));
    }
    print_result(list, &result);
    return cli_finish_output(command, result.losses ? CLI_NEGATIVE : CLI_OK);
}

static int run(const cli_command *command, int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' }, CLI_LAST_OPTIONS };
    loss_list list = { .json = false };
    int status;
    for (int c; (c = cli_getopt(command, argc, argv, "h", options, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        list.json = true;
    }
    if (!cli_arguments(command, argc, 2, 2))
        return CLI_USAGE;
    list.array = json_array();
    if (!list.array)
        cli_die_no_memory();
    interrupt_watch();
    status = repair(command, argv[optind], argv[optind + 1], &list);
    json_decref(list.array);
    return status;
}

const cli_command command_repair = {
    "repair", "STORE NEW [--json]",
    "Salvages what can be proven of a damaged store into a new one, and lists what was lost",
    "STORE is only read. Exit code 0: nothing was lost; 1: something was, and is listed; 3: there is no new store.\n"
    "      --json   one object: counts, loss_list\n",
    run
};
