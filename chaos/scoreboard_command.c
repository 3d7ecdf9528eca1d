/*
 * scoreboard_command.c - what `levin-chaos scoreboard` is asked for.
 *
 * Exit codes are those of levin-chaos, with a difference: that a foreign store fares badly is what a scoreboard is
 * made to show, so 1 means a bad cell in Levin's own row, or, of a replay, a bad outcome.
 */
#include "scoreboard_command.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "argument.h"
#include "crew.h"
#include "options.h"
#include "scoreboard.h"
#include "scoreboard_confirm.h"
#include "scoreboard_lives.h"

enum { KEYS_DEFAULT = 300, DAMAGES_DEFAULT = 100, LIVES_DEFAULT = 20, STATES_DEFAULT = 200,
       LIFE_BATCHES_DEFAULT = 200, LIST_BYTES = 4096 };

static const char usage_text[] =
    "usage: levin-chaos scoreboard [options]\n"
    "\n"
    "  --stores LIST     comma-separated, as levin-chaos stores lists them, or paths of plug-ins\n"
    "                    (default: all, with their variants)\n"
    "  --classes LIST    which faults: flip, zero, cut, misdirected, stale, swapped, sync, full, crash, strict\n"
    "                    (default: all)\n"
    "  --damages N       of each class to each store, at most (default 100)\n"
    "  --lives N         with a failed sync, and with a full disk (default 20)\n"
    "  --states N        after power cuts, of each of the two classes, at most (default 200)\n"
    "  --budget SECONDS  stop after so long; all are cut alike\n"
    "  --resume          goes on with a run that was cut short: results that --directory has of the same stores,\n"
    "                    settings and programs are not done again\n"
    "  --batches N       of the workload (default 400, of up to 12 operations)\n"
    "  --seed N          (default 1)\n"
    "  --jobs N          worker processes (default: processors online)\n"
    "  --hang SECONDS    after so long a store hangs (default 20)\n"
    "  --directory DIR   keeps the stores there, and scoreboard.txt, .json and .html (default: scoreboard)\n"
    "  --json            JSON on standard output instead of the table\n"
    "  --quiet           no progress line\n"
    "  --replay STORE/CLASS/NUMBER  one trial again, with the same --directory and --seed; where that has a report,\n"
    "                    what the trial begins with must be what the report speaks of: made anew if it is not there,\n"
    "                    refused with both digests if it is another\n"
    "  --fresh           with --replay: made anew in any case, if the report says that it comes out the same\n"
    "  --again           every example of a report that --directory has, by its replay line, three times in a row,\n"
    "                    --fresh where that can be\n"
    "  --help\n"
    "\n"
    "exit status: 0 done, 1 a bad outcome of a replay or in Levin's row, or an example that did not come back,\n"
    "2 usage, 3 the harness itself failed, 130 interrupted\n";

typedef struct request {
    board_options options;
    life_order child;        /* --child: a life of a store, under the recorder */
    const char *stores, *replay;
    bool json, again;
} request;

static int mistake(const char *what, const char *argument)
{
    fprintf(stderr, "levin-chaos scoreboard: %s: %s (see --help)\n", what, argument);
    return EXIT_USAGE;
}

enum { OPT_STORES = 256, OPT_DAMAGES, OPT_BUDGET, OPT_BATCHES, OPT_SEED, OPT_JOBS, OPT_HANG, OPT_DIRECTORY, OPT_JSON,
       OPT_QUIET, OPT_REPLAY, OPT_HELP, OPT_CLASSES, OPT_LIVES, OPT_STATES, OPT_CHILD, OPT_KEYS, OPT_UNTIL, OPT_CLOSE,
       OPT_AGAIN, OPT_FRESH, OPT_RESUME };

static const struct option long_options[] = {
    { "stores", required_argument, NULL, OPT_STORES },     { "damages", required_argument, NULL, OPT_DAMAGES },
    { "budget", required_argument, NULL, OPT_BUDGET },     { "batches", required_argument, NULL, OPT_BATCHES },
    { "seed", required_argument, NULL, OPT_SEED },         { "jobs", required_argument, NULL, OPT_JOBS },
    { "hang", required_argument, NULL, OPT_HANG },         { "directory", required_argument, NULL, OPT_DIRECTORY },
    { "json", no_argument, NULL, OPT_JSON },               { "quiet", no_argument, NULL, OPT_QUIET },
    { "replay", required_argument, NULL, OPT_REPLAY },     { "help", no_argument, NULL, OPT_HELP },
    { "classes", required_argument, NULL, OPT_CLASSES },   { "lives", required_argument, NULL, OPT_LIVES },
    { "states", required_argument, NULL, OPT_STATES },     { "again", no_argument, NULL, OPT_AGAIN },
    { "fresh", no_argument, NULL, OPT_FRESH },             { "resume", no_argument, NULL, OPT_RESUME },
    /* of a life, by which we call ourselves */
    { "child", required_argument, NULL, OPT_CHILD },       { "keys", required_argument, NULL, OPT_KEYS },
    { "until", required_argument, NULL, OPT_UNTIL },       { "close", no_argument, NULL, OPT_CLOSE },
    { NULL, 0, NULL, 0 },
};

static bool classes_parse(const char *text, unsigned *classes)
{
    char list[LIST_BYTES];
    board_class c;
    *classes = 0;
    if (snprintf(list, sizeof list, "%s", text) >= (int)sizeof list)
        return false;
    for (char *save, *word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        if (!board_class_parse(word, &c))
            return false;
        *classes |= 1u << c;
    }
    return *classes != 0;
}

/* -1, or an exit status. */
static int option_parse(request *r, int option)
{
    uint64_t value;
    switch (option) {
    case OPT_STORES:
        r->stores = optarg;
        return -1;
    case OPT_DAMAGES:
        return argument_number(optarg, 0, 1000000, &r->options.damages)
                   ? -1
                   : mistake("--damages wants a number", optarg);
    case OPT_BUDGET:
        return argument_seconds(optarg, &r->options.budget_seconds) ? -1 : mistake("--budget wants seconds", optarg);
    case OPT_BATCHES:
        if (!argument_number(optarg, 2, 100000, &value))
            return mistake("--batches wants a number from 2", optarg);
        r->options.batches = (uint32_t)value;
        return -1;
    case OPT_SEED:
        return argument_number(optarg, 0, UINT64_MAX - 1, &r->options.seed)
                   ? -1
                   : mistake("--seed wants a number", optarg);
    case OPT_JOBS:
        if (!argument_number(optarg, 1, 256, &value))
            return mistake("--jobs wants a number from 1 to 256", optarg);
        r->options.jobs = (unsigned)value;
        return -1;
    case OPT_HANG:
        return argument_seconds(optarg, &r->options.hang_seconds) ? -1 : mistake("--hang wants seconds", optarg);
    case OPT_DIRECTORY:
        if (snprintf(r->options.directory, BOARD_PATH_BYTES, "%s", optarg) < 100)
            return -1;
        return mistake("--directory is too long", optarg);
    case OPT_JSON:
        r->json = true;
        return -1;
    case OPT_QUIET:
        r->options.quiet = true;
        return -1;
    case OPT_AGAIN:
        r->again = true;
        return -1;
    case OPT_RESUME:
        r->options.resume = true;
        return -1;
    case OPT_FRESH:
        r->options.fresh = true;
        return -1;
    case OPT_REPLAY:
        r->options.replaying = true;
        r->replay = optarg;
        return -1;
    case OPT_CLASSES:
        return classes_parse(optarg, &r->options.classes) ? -1 : mistake("--classes wants a list of classes", optarg);
    case OPT_LIVES:
        return argument_number(optarg, 0, 100000, &r->options.lives) ? -1 : mistake("--lives wants a number", optarg);
    case OPT_STATES:
        return argument_number(optarg, 1, 1000000, &r->options.states)
                   ? -1
                   : mistake("--states wants a number from 1", optarg);
    case OPT_CHILD:
        r->child.label = optarg;
        return -1;
    case OPT_KEYS:
        r->options.keys = argument_number(optarg, 1, 1000000, &value) ? (uint32_t)value : 1;
        return -1;
    case OPT_UNTIL:
        r->child.until = argument_number(optarg, 1, 1000000, &value) ? (uint32_t)value : 1;
        return -1;
    case OPT_CLOSE:
        r->child.close = true;
        return -1;
    case OPT_HELP:
        fputs(usage_text, stdout);
        return EXIT_NOTHING_FOUND;
    default:
        return mistake("unknown option, or one without its argument", "");
    }
}

/* ---- one trial ---- */

static int replay(board *b, const char *what)
{
    char label[STORE_LABEL_BYTES], message[STORE_MESSAGE_BYTES], done[STORE_DAMAGE_DESCRIPTION_BYTES];
    char text[GUARDED_TEXT_BYTES] = "";
    uint64_t place;
    board_class class;
    unsigned noted;
    if (snprintf(label, sizeof label, "%s", what) >= (int)sizeof label)
        return mistake("--replay is too long", what);
    char *last = strrchr(label, '/');
    if (!last)
        return mistake("--replay wants STORE/CLASS/NUMBER", what);
    *last = '\0';
    char *word = strrchr(label, '/');
    if (!word || !board_class_parse(word + 1, &class))
        return mistake("--replay wants STORE/CLASS/NUMBER, and this is no class", word ? word + 1 : what);
    if (!board_place_parse(class, last + 1, &place))
        return mistake("--replay wants STORE/CLASS/NUMBER, of a power cut STORE/CLASS/POINT.VARIANT", what);
    *word = '\0';
    b->options.classes = 1u << class;
    if (!board_add(b, label, message))
        return mistake("--replay", message);
    board_row *row = b->rows[0];
    const char *why = row->refused[0] ? row->refused : row->failed[0] ? row->failed : row->not_recorded;
    if (why[0]) {
        fprintf(stderr, "levin-chaos scoreboard: %s: %s\n", label, why);
        return EXIT_HARNESS;
    }
    if (!board_place_exists(row, class, place))
        return mistake("--replay: there is no such number", what);
    const outcome result = board_trial(b, row, class, place, done, text, &noted);
    if (result == OUTCOME_COUNT)
        return mistake("--replay: the fault did not come, or there is no such state", what);
    printf("%s, version %s\n  %s\n%s\n%s%s%s\n", row->spec.label, row->spec.adapter->version(), row->configuration,
           done,
           outcome_text(result), text[0] ? ": " : "", text);
    return board_is_bad(class, result) ? EXIT_VIOLATION : EXIT_NOTHING_FOUND;
}

/* ---- all of them ---- */

static void leave(const board *b, const char *name, void (*print)(FILE *, const board *))
{
    char path[BOARD_PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/%s", b->options.directory, name);
    FILE *file = fopen(path, "w");
    if (!file)
        fatal("%s: %s", path, strerror(errno));
    print(file, b);
    if (fclose(file) != 0)
        fatal("%s: %s", path, strerror(errno));
}

static void leave_all(const board *b)
{
    leave(b, "scoreboard.txt", board_text);
    leave(b, "scoreboard.json", board_json);
    leave(b, "scoreboard.html", board_html);
}

static bool choose(board *b, const char *stores)
{
    char list[LIST_BYTES], message[STORE_MESSAGE_BYTES];
    if (!stores) {
        board_add_all(b);
        return true;
    }
    if (snprintf(list, sizeof list, "%s", stores) >= (int)sizeof list)
        return mistake("--stores is too long", stores), false;
    for (char *save, *label = strtok_r(list, ",", &save); label; label = strtok_r(NULL, ",", &save))
        if (!board_add(b, label, message))
            return mistake("--stores", message), false;
    return b->row_count > 0 || (mistake("--stores names none", stores), false);
}

static int judge(const board *b)
{
    for (size_t i = 0; i < b->row_count; i++) {
        const board_row *row = b->rows[i];
        if (strcmp(row->spec.adapter->name, "levin") != 0)
            continue;
        if (row->failed[0])
            return EXIT_HARNESS;
        for (int c = 0; c < BOARD_CLASSES; c++)
            if (board_cell_bad(&row->cells[c], (board_class)c)) /* of our own no doubt is in favour */
                return EXIT_VIOLATION;
    }
    return b->interrupted ? EXIT_INTERRUPTED : EXIT_NOTHING_FOUND;
}

int scoreboard_command(int argc, char **argv)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    request r = { .options = { .seed = BOARD_SEED_DEFAULT, .damages = DAMAGES_DEFAULT,
                               .hang_seconds = BOARD_HANG_DEFAULT,
                               .jobs = online > 0 ? (unsigned)online : 1, .keys = KEYS_DEFAULT,
                               .batches = BOARD_BATCHES_DEFAULT, .lives = LIVES_DEFAULT, .states = STATES_DEFAULT,
                               .life_batches = LIFE_BATCHES_DEFAULT, .classes = (1u << BOARD_CLASSES) - 1,
                               .directory = "scoreboard" } };
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        const int status = option_parse(&r, option);
        if (status >= 0)
            return status;
    }
    if (optind < argc)
        return mistake("too many arguments", argv[optind]);
    if (r.child.label) {
        r.child.directory = r.options.directory;
        r.child.seed = r.options.seed;
        r.child.keys = r.options.keys;
        r.child.batches = r.options.batches;
        return life_child(&r.child);
    }
    if (r.options.fresh && !r.replay)
        return mistake("--fresh goes with --replay", "");
    if (r.again) {
        crew_catch_signals();
        return scoreboard_again(&r.options);
    }
    board *b = fatal_alloc_zeroed(sizeof *b);
    if (!board_begin(b, &r.options)) {
        fprintf(stderr, "levin-chaos scoreboard: %s: %s\n", r.options.directory, strerror(errno));
        free(b);
        return EXIT_HARNESS;
    }
    int status = EXIT_USAGE;
    if (r.replay) {
        status = replay(b, r.replay);
    } else if (choose(b, r.stores)) {
        crew_catch_signals();
        board_run(b);
        leave_all(b);
        if (!b->interrupted) {
            board_confirm(b);
            leave_all(b);
        }
        (r.json ? board_json : board_text)(stdout, b);
        status = judge(b);
    }
    board_end(b);
    free(b);
    return status;
}
