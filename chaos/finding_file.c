/*
 * finding_file.c - findings kept as small texts (finding_file.h).
 *
 * Reading: by lines, as fault plans are read; each error has the place of the word that was not expected.  Whether a
 * state, a run or a damage of that name exists is not known here: the replay says so.
 */
#include "finding_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "corrupt.h"
#include "faults_sweep.h"

static const struct command_words {
    const char *text, *place;
} commands[FINDING_COMMAND_COUNT] = {
#define FINDING_COMMAND_WORDS(name, text, place) { text, place },
    FINDING_COMMANDS(FINDING_COMMAND_WORDS)
#undef FINDING_COMMAND_WORDS
};

const char *finding_command_text(finding_command command)
{
    return (unsigned)command < FINDING_COMMAND_COUNT ? commands[command].text : "unknown";
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

enum { LINE_SEED, LINE_OPS, LINE_DATA, LINE_DEPTH, LINE_TAILS, LINE_PLACE, LINE_RULE, LINE_STEPS, LINE_OPERATIONS,
       LINE_VALUES, LINE_WALKS, LINE_PROMISE, LINE_PHASE, LINE_FOUND, LINE_COUNT };
static const char *const line_words[LINE_COUNT] = {
    "seed", "ops", "data", "depth", "tails", NULL, "rule", "steps", "operations", "values", "walks", "promise", "phase",
    "found"
};

/* Whether a line of the kind goes with the command. */
static bool line_applies(int line, finding_command command)
{
    switch (line) {
    case LINE_DEPTH:
        return command == FINDING_SWEEP || command == FINDING_CROSSED;
    case LINE_TAILS:
        return command == FINDING_SWEEP;
    case LINE_PLACE:
    case LINE_OPERATIONS:
    case LINE_VALUES:
    case LINE_DATA:
        return command != FINDING_RANGES;
    case LINE_RULE:
        return command == FINDING_PLAN;
    case LINE_WALKS:
        return command == FINDING_RANGES;
    default:
        return true;
    }
}

static bool line_needed(int line, finding_command command)
{
    return line == LINE_SEED || line == LINE_OPS || line == LINE_PROMISE ||
           (line_applies(line, command) && (line == LINE_PLACE || line == LINE_RULE));
}

static bool read_number(words_reader *r, uint64_t least, uint64_t most, uint64_t *value)
{
    return words_number(r, least, value) &&
           (*value <= most || words_refuse(r, "expected a number up to %llu", (unsigned long long)most));
}

static bool read_text(words_reader *r, char *to, size_t capacity, const char *what)
{
    if (!words_rest(r))
        return words_refuse(r, "expected %s", what);
    if (r->size >= capacity)
        return words_refuse(r, "expected %s of at most %zu bytes", what, capacity - 1);
    memcpy(to, r->word, r->size);
    to[r->size] = 0;
    return true;
}

/* N or N-M, ascending; to the end of the line. So few that each can be kept. */
enum { NUMBERS_MAX = 10000000 };

static bool read_set(words_reader *r, number_set *set)
{
    number_set_begin(set);
    while (words_next(r)) {
        const char *dash = memchr(r->word, '-', r->size);
        const size_t size = dash ? (size_t)(dash - r->word) : r->size;
        uint64_t first, last;
        if (!words_digits(r->word, size, &first) ||
            !(dash ? words_digits(dash + 1, r->size - size - 1, &last) : (last = first, true)) || last < first ||
            last > NUMBERS_MAX)
            return words_refuse(r, "expected a number N, or N-M, to %d", NUMBERS_MAX);
        for (uint64_t i = first; i <= last; i++)
            if (!number_set_add(set, (uint32_t)i))
                return words_refuse(r, "expected numbers that ascend");
    }
    return true;
}

static bool read_place(words_reader *r, saved_finding *f)
{
    explore_path path;
    words_next(r);
    if (!r->size)
        return words_refuse(r, "expected a name");
    if (r->size >= sizeof f->place)
        return words_refuse(r, "expected a name of at most %zu bytes", sizeof f->place - 1);
    memcpy(f->place, r->word, r->size);
    f->place[r->size] = 0;
    if (f->command == FINDING_SWEEP && !explore_path_parse(&path, f->place))
        return words_refuse(r, "expected a path POINT.VARIANT[/POINT.VARIANT...]");
    return true;
}

/* The rule is read as the plan would, with its place in this text. */
static bool read_rule(words_reader *r, saved_finding *f)
{
    static const char head[] = "levin-fault-plan 1\n";
    char text[sizeof head + sizeof f->rules[0]];
    plan_rules rules;
    plan_error error;
    if (f->rule_count == PLAN_RULES_MAX)
        return words_refuse(r, "expected at most %d rules", PLAN_RULES_MAX);
    if (!read_text(r, f->rules[f->rule_count], sizeof f->rules[0], "a rule"))
        return false;
    const int bytes = snprintf(text, sizeof text, "%s%s", head, f->rules[f->rule_count]);
    if (plan_parse(&rules, text, (size_t)bytes, &error)) {
        f->rule_count += rules.count;
        return rules.count == 1 || words_refuse(r, "expected a rule");
    }
    *r->error = error;
    r->error->line = r->line;
    r->error->column = error.column + (unsigned)(r->word - r->line_start);
    return false;
}

static bool read_value(words_reader *r, int line, saved_finding *f)
{
    uint64_t value = 0;
    bool good = true;
    switch (line) {
    case LINE_SEED:
        return read_number(r, 0, UINT64_MAX - 1, &f->seed);
    case LINE_OPS:
        good = read_number(r, 1, 1000000, &value);
        f->operations = (uint32_t)value;
        return good;
    case LINE_DEPTH:
        good = read_number(r, 1, EXPLORE_DEPTH_MAX, &value);
        f->depth = (unsigned)value;
        return good;
    case LINE_TAILS:
        good = read_number(r, 1, 1000000, &value);
        f->tails = (unsigned)value;
        return good;
    case LINE_VALUES:
        good = read_number(r, WORKLOAD_VALUE_BYTES_LEAST, UINT32_MAX, &value);
        f->part.value_bytes = (uint32_t)value;
        return good;
    case LINE_DATA:
        return read_text(r, f->data, sizeof f->data, "the name of a file");
    case LINE_PLACE:
        return read_place(r, f);
    case LINE_RULE:
        return read_rule(r, f);
    case LINE_STEPS:
        return read_set(r, &f->part.steps);
    case LINE_OPERATIONS:
        return read_set(r, &f->part.operations);
    case LINE_WALKS:
        return read_set(r, &f->walks);
    case LINE_PROMISE:
        return read_text(r, f->promise, sizeof f->promise, "a promise");
    case LINE_PHASE:
        return read_text(r, f->phase, sizeof f->phase, "what was done meanwhile");
    default:
        return read_text(r, f->text, sizeof f->text, "a text");
    }
}

static const char *line_word(int line, finding_command command)
{
    return line == LINE_PLACE ? commands[command].place : line_words[line];
}

static unsigned depth_default(finding_command command)
{
    return command == FINDING_CROSSED ? CROSSED_DEPTH_DEFAULT : DEPTH_DEFAULT;
}

static bool read_command(words_reader *r, saved_finding *f)
{
    if (!words_is(r, "command"))
        return words_refuse(r, "expected command");
    words_next(r);
    for (int c = 0; c < FINDING_COMMAND_COUNT; c++)
        if (words_is(r, commands[c].text)) {
            f->command = (finding_command)c;
            f->depth = depth_default(f->command);
            return true;
        }
    return words_refuse(r, "expected sweep, faults, crossed, plan, corrupt or ranges");
}

static bool read_line(words_reader *r, saved_finding *f, bool seen[LINE_COUNT])
{
    int line = 0;
    while (line < LINE_COUNT && !(line_applies(line, f->command) && line_word(line, f->command) &&
                                  words_is(r, line_word(line, f->command))))
        line++;
    if (line == LINE_COUNT)
        return words_refuse(r, "expected a line of a finding of %s", commands[f->command].text);
    if (seen[line] && line != LINE_RULE)
        return words_refuse(r, "expected no second line of that kind");
    seen[line] = true;
    return read_value(r, line, f);
}

static bool parse(saved_finding *f, words_reader *r)
{
    bool headed = false, commanded = false, seen[LINE_COUNT] = { false };
    do {
        if (!words_next(r))
            continue;
        if (!headed) {
            if (!words_is(r, "levin-finding"))
                return words_refuse(r, "expected levin-finding %d", FINDING_VERSION);
            words_next(r);
            if (!words_is(r, "1"))
                return words_refuse(r, "expected version %d", FINDING_VERSION);
            headed = true;
        } else if (!commanded) {
            commanded = read_command(r, f);
            if (!commanded)
                return false;
        } else if (!read_line(r, f, seen)) {
            return false;
        }
        if (r->size && words_next(r))
            return words_refuse(r, "expected the end of the line");
    } while (words_next_line(r));
    r->word = r->line_start;
    r->size = 0;
    if (!headed)
        return words_refuse(r, "expected levin-finding %d", FINDING_VERSION);
    if (!commanded)
        return words_refuse(r, "expected command");
    for (int line = 0; line < LINE_COUNT; line++)
        if (line_needed(line, f->command) && !seen[line])
            return words_refuse(r, "expected %s", line_word(line, f->command));
    return true;
}

bool saved_finding_parse(saved_finding *f, const char *text, size_t bytes, words_error *error)
{
    words_reader r = words_begin(text, bytes, error);
    *f = (saved_finding){ .tails = FINDING_TAILS_DEFAULT };
    if (parse(f, &r))
        return true;
    saved_finding_free(f);
    return false;
}

bool saved_finding_load(saved_finding *f, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "levin-chaos: %s: %s\n", path, strerror(errno));
        return false;
    }
    char *text = fatal_alloc(FINDING_BYTES_MAX);
    const size_t size = fread(text, 1, FINDING_BYTES_MAX, file);
    bool good = !ferror(file) && size < FINDING_BYTES_MAX;
    words_error e;
    fclose(file);
    if (!good) {
        fprintf(stderr, "levin-chaos: %s: cannot be read, or has %d bytes or more\n", path, FINDING_BYTES_MAX);
    } else if (!saved_finding_parse(f, text, size, &e)) {
        fprintf(stderr, "%s:%u:%u: %s\n", path, e.line, e.column, e.text);
        good = false;
    }
    free(text);
    return good;
}

void saved_finding_rules(const saved_finding *f, plan_rules *rules)
{
    char *text = NULL;
    size_t size = 0;
    plan_error error;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        fatal("no memory");
    fputs("levin-fault-plan 1\n", to);
    for (size_t i = 0; i < f->rule_count; i++)
        fprintf(to, "%s\n", f->rules[i]);
    fclose(to);
    if (!plan_parse(rules, text, size, &error))
        fatal("a rule of a finding: %s", error.text);
    free(text);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

/* One line: what would end it is a blank. */
static void print_text(FILE *to, const char *word, const char *text)
{
    if (!*text)
        return;
    fprintf(to, "%s ", word);
    for (const char *at = text; *at; at++)
        fputc((unsigned char)*at < ' ' ? ' ' : *at, to);
    fputc('\n', to);
}

static void print_set(FILE *to, const char *word, const number_set *set)
{
    if (!set->some)
        return;
    fputs(word, to);
    number_set_print(set, to);
    fputc('\n', to);
}

void saved_finding_print(const saved_finding *f, FILE *to)
{
    fprintf(to, "levin-finding %d\ncommand %s\nseed %llu\nops %u\n", FINDING_VERSION, commands[f->command].text,
            (unsigned long long)f->seed, f->operations);
    print_text(to, "data", f->data);
    if (line_applies(LINE_DEPTH, f->command))
        fprintf(to, "depth %u\n", f->depth);
    if (line_applies(LINE_TAILS, f->command))
        fprintf(to, "tails %u\n", f->tails);
    if (commands[f->command].place)
        fprintf(to, "%s %s\n", commands[f->command].place, f->place);
    for (size_t i = 0; i < f->rule_count; i++)
        print_text(to, "rule", f->rules[i]);
    print_set(to, "steps", &f->part.steps);
    if (f->command == FINDING_RANGES)
        print_set(to, "walks", &f->walks);
    else
        print_set(to, "operations", &f->part.operations);
    if (f->part.value_bytes)
        fprintf(to, "values %u\n", f->part.value_bytes);
    print_text(to, "promise", f->promise);
    print_text(to, "phase", f->phase);
    print_text(to, "found", f->text);
}

const char *saved_rule_nth(const char *rule)
{
    const char *at = strstr(rule, " nth "), *comment = strchr(rule, '#');
    return at && (!comment || at < comment) ? at : NULL;
}

bool saved_finding_store(const saved_finding *f, const char *path)
{
    const size_t room = strlen(path) + sizeof ".new";
    char *beside = fatal_alloc(room);
    snprintf(beside, room, "%s.new", path);
    FILE *file = fopen(beside, "w");
    bool good = file != NULL;
    if (good) {
        saved_finding_print(f, file);
        good = !ferror(file);
        good = fclose(file) == 0 && good && rename(beside, path) == 0;
    }
    if (!good)
        fprintf(stderr, "levin-chaos: %s cannot be written: %s\n", path, strerror(errno));
    if (file && !good)
        unlink(beside);
    free(beside);
    return good;
}

/* ---- making ----------------------------------------------------------------------------------------------- */

void saved_finding_free(saved_finding *f)
{
    number_set_free(&f->part.steps);
    number_set_free(&f->part.operations);
    number_set_free(&f->walks);
}

void saved_finding_copy(saved_finding *to, const saved_finding *from)
{
    const saved_finding sets = *to;
    *to = *from;
    to->part.steps = sets.part.steps;
    to->part.operations = sets.part.operations;
    to->walks = sets.walks;
    number_set_copy(&to->part.steps, &from->part.steps);
    number_set_copy(&to->part.operations, &from->part.operations);
    number_set_copy(&to->walks, &from->walks);
}

/* The line of that number, without the blanks around it. */
static words_reader line_of(const char *text, unsigned line, words_error *error)
{
    words_reader r = words_begin(text, strlen(text), error);
    while (r.line < line && words_next_line(&r))
        ;
    words_rest(&r);
    return r;
}

static bool keep_rules(saved_finding *f, const plan_rules *rules, const char *text)
{
    words_error error;
    for (size_t i = 0; i < rules->count; i++) {
        const words_reader r = line_of(text, rules->rules[i].line, &error);
        if (r.size >= sizeof f->rules[0])
            return false;
        memcpy(f->rules[i], r.word, r.size);
        f->rules[i][r.size] = 0;
        f->rule_count++;
    }
    return true;
}

static uint32_t operations_default(finding_command command)
{
    return command == FINDING_SWEEP    ? WORKLOAD_OPERATIONS_DEFAULT
           : command == FINDING_RANGES ? RANGES_STEPS_DEFAULT
           : command == FINDING_CORRUPT ? CORRUPT_OPERATIONS_DEFAULT
                                        : FAULTS_OPERATIONS_DEFAULT;
}

bool saved_finding_make(saved_finding *f, const finding *item, const chaos_options *options, const plan_rules *rules,
                        const char *plan_text)
{
    const char *place = item->replay;
    *f = (saved_finding){ .command = FINDING_PLAN, .seed = item->seed, .tails = FINDING_TAILS_DEFAULT };
    for (int c = 0; c < FINDING_COMMAND_COUNT && !rules; c++) {
        const char *word = commands[c].place ? commands[c].place : commands[c].text;
        if (!strncmp(place, "--", 2) && !strncmp(place + 2, word, strlen(word))) {
            f->command = (finding_command)c;
            place += 2 + strlen(word);
            break;
        }
    }
    place += strspn(place, " ");
    if (f->command != FINDING_RANGES)
        snprintf(f->place, sizeof f->place, "%.*s", (int)strcspn(place, " "), place);
    f->operations = options->operations ? options->operations : operations_default(f->command);
    f->depth = f->command == FINDING_CROSSED ? options->crossed_depth : options->depth;
    memcpy(f->promise, item->promise, sizeof f->promise);
    memcpy(f->phase, item->phase, sizeof f->phase);
    memcpy(f->text, item->text, sizeof f->text);
    if (options->data && f->command != FINDING_RANGES) {
        char *path = realpath(options->data, NULL); /* so that it is found from everywhere */
        const int bytes = snprintf(f->data, sizeof f->data, "%s", path ? path : options->data);
        free(path);
        if (bytes >= (int)sizeof f->data)
            return false;
    }
    return !rules || keep_rules(f, rules, plan_text);
}

/* ---- keeping ---------------------------------------------------------------------------------------------- */

bool findings_directory(const char *path)
{
    struct stat is;
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && stat(path, &is) == 0 && S_ISDIR(is.st_mode)))
        return true;
    fprintf(stderr, "levin-chaos: %s cannot be made: %s\n", path, strerror(errno));
    return false;
}

/* Whether the file is there and holds another finding than this. */
static bool is_another(const saved_finding *f, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *there = fopen(path, "r"), *memory = there ? open_memstream(&text, &bytes) : NULL;
    bool same = memory != NULL;
    if (memory) {
        saved_finding_print(f, memory);
        same = fclose(memory) == 0;
        for (size_t i = 0; i < bytes && same; i++)
            same = getc(there) == (unsigned char)text[i];
        same = same && getc(there) == EOF;
    }
    free(text);
    if (there)
        fclose(there);
    return there && !same;
}

bool finding_save(const finding *item, const chaos_options *options, const plan_rules *rules, const char *plan_text)
{
    saved_finding f;
    char name[sizeof f.place + 48];
    bool good = saved_finding_make(&f, item, options, rules, plan_text);
    if (!good)
        fprintf(stderr, "levin-chaos: the name of the data file, or a rule, is too long for a file of a finding\n");
    snprintf(name, sizeof name, "%s-%llu%s%s.finding", commands[f.command].text, (unsigned long long)f.seed,
             f.place[0] ? "-" : "", f.place);
    for (char *at = name; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789.-", *at))
            *at = '_';
    const size_t room = strlen(options->save) + strlen(name) + sizeof "/-4294967295";
    char *path = fatal_alloc(room);
    snprintf(path, room, "%s/%s", options->save, name);
    const int stem = (int)(strlen(name) - strlen(".finding"));
    for (unsigned n = 2; good && is_another(&f, path) && n; n++) /* of other operations, or another plan */
        snprintf(path, room, "%s/%.*s-%u.finding", options->save, stem, name, n);
    good = good && saved_finding_store(&f, path);
    free(path);
    saved_finding_free(&f);
    return good;
}
