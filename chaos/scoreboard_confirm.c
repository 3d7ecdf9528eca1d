/*
 * scoreboard_confirm.c - the replay lines of what is bad, each run three times in a row, as its user would.
 *
 * A replay is a process of its own, begun with the words of the printed line, so that the line itself is what is
 * tried.  It confirms an example when its exit status says bad and its answer names the same outcome.  Of an outcome
 * up to BOARD_CANDIDATES examples are tried until one comes back each time; if none does, the outcome is doubtful: it
 * is marked, and no finding.
 */
#include "scoreboard_confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "crew.h"
#include "options.h"
#include "scoreboard.h"
#include "scoreboard_kept.h"

enum { WORDS_MAX = 16, WORD_BYTES = STORE_LABEL_BYTES + 64, ANSWER_BYTES = 8192, NUMBER_BYTES = 32 };

/* What is replayed, and the words of its line. */
typedef struct replay {
    const board_options *options;
    const char *label, *class, *place;
    bool fresh;
    char seed[NUMBER_BYTES], batches[NUMBER_BYTES], hang[NUMBER_BYTES], name[WORD_BYTES];
    const char *words[WORDS_MAX];
} replay;

static void replay_words(replay *r)
{
    const board_options *o = r->options;
    size_t n = 0;
    snprintf(r->seed, sizeof r->seed, "%llu", (unsigned long long)o->seed);
    snprintf(r->batches, sizeof r->batches, "%u", o->batches);
    snprintf(r->hang, sizeof r->hang, "%g", o->hang_seconds);
    snprintf(r->name, sizeof r->name, "%s/%s/%s", r->label, r->class, r->place);
    r->words[n++] = "levin-chaos";
    r->words[n++] = "scoreboard";
    r->words[n++] = "--directory";
    r->words[n++] = o->directory;
    if (o->seed != BOARD_SEED_DEFAULT) {
        r->words[n++] = "--seed";
        r->words[n++] = r->seed;
    }
    if (o->batches != BOARD_BATCHES_DEFAULT) {
        r->words[n++] = "--batches";
        r->words[n++] = r->batches;
    }
    if (o->hang_seconds > BOARD_HANG_DEFAULT || o->hang_seconds < BOARD_HANG_DEFAULT) {
        r->words[n++] = "--hang";
        r->words[n++] = r->hang;
    }
    if (r->fresh)
        r->words[n++] = "--fresh";
    r->words[n++] = "--replay";
    r->words[n++] = r->name;
    r->words[n] = NULL;
}

/* The words as a shell takes them: the last, a store's label with it, is quoted. */
static void replay_text(const replay *r, char line[BOARD_REPLAY_BYTES])
{
    size_t at = 0;
    for (size_t i = 0; r->words[i + 1]; i++)
        at += (size_t)snprintf(line + at, BOARD_REPLAY_BYTES - at, "%s ", r->words[i]);
    line[at++] = '\'';
    for (const char *c = r->name; *c && at + 6 < BOARD_REPLAY_BYTES; c++)
        if (*c == '\'') {
            memcpy(line + at, "'\\''", 4);
            at += 4;
        } else {
            line[at++] = *c;
        }
    line[at++] = '\'';
    line[at] = '\0';
}

void board_replay_line(const board *b, const board_row *row, board_class c, uint64_t number,
                       char line[BOARD_REPLAY_BYTES])
{
    char place[BOARD_PLACE_BYTES];
    replay r = { .options = &b->options, .label = row->spec.label, .class = board_class_word(c), .place = place };
    board_place_text(c, number, place);
    replay_words(&r);
    replay_text(&r, line);
}

/* ---- one replay ---- */

static _Noreturn void replay_child(const replay *r, int output)
{
    const int null = open("/dev/null", O_RDONLY);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        _exit(EXIT_HARNESS);
    execv("/proc/self/exe", (char *const *)(uintptr_t)r->words); /* execv() changes nothing there */
    _exit(EXIT_HARNESS);
}

/* Its exit status; -1: it died. answer: what it printed. */
static int replay_run(const replay *r, char answer[ANSWER_BYTES])
{
    int ends[2], status;
    size_t used = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        fatal("pipe: %s", strerror(errno));
    const pid_t child = fork();
    if (child < 0)
        fatal("fork: %s", strerror(errno));
    if (child == 0)
        replay_child(r, ends[1]);
    close(ends[1]);
    for (char more[ANSWER_BYTES]; ;) {
        const ssize_t got = read(ends[0], more, sizeof more);
        if (crew_interrupted())
            kill(child, SIGTERM);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        const size_t room = ANSWER_BYTES - 1 - used, part = (size_t)got < room ? (size_t)got : room;
        memcpy(answer + used, more, part);
        used += part;
    }
    answer[used] = '\0';
    close(ends[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The line that names the outcome, cut off in place; NULL: there is none. */
static char *answer_line(char *answer, outcome *what)
{
    for (char *save, *line = strtok_r(answer, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        for (int o = 0; o < OUTCOME_COUNT; o++) {
            const size_t bytes = strlen(outcome_text((outcome)o));
            if (strncmp(line, outcome_text((outcome)o), bytes) == 0 && (line[bytes] == ':' || line[bytes] == '\0')) {
                *what = (outcome)o;
                return line;
            }
        }
    return NULL;
}

/* How often of BOARD_REPEATS it ended in the same outcome; differs: what the first that did not said. */
static unsigned replay_confirm(const replay *r, outcome wanted, char differs[GUARDED_TEXT_BYTES])
{
    char answer[ANSWER_BYTES], whole[ANSWER_BYTES];
    unsigned same = 0;
    differs[0] = '\0';
    for (int i = 0; i < BOARD_REPEATS && !crew_interrupted(); i++) {
        outcome what = OUTCOME_COUNT;
        const int status = replay_run(r, answer);
        memcpy(whole, answer, sizeof whole);
        const char *line = answer_line(answer, &what);
        if (status == EXIT_VIOLATION && what == wanted) {
            same++;
            continue;
        }
        if (differs[0] || crew_interrupted())
            continue;
        whole[strcspn(whole, "\n")] = '\0';
        snprintf(differs, GUARDED_TEXT_BYTES, "exit status %d, %.400s", status, line ? line : whole);
    }
    return same;
}

/* ---- those of a board ---- */

static void outcome_confirm(const board *b, const board_row *row, board_cell *cell, board_class c, outcome o)
{
    board_example *e = cell->examples[o];
    for (size_t i = 0; i < BOARD_CANDIDATES && e[i].there && !crew_interrupted(); i++) {
        char place[BOARD_PLACE_BYTES];
        replay r = { .options = &b->options, .label = row->spec.label, .class = board_class_word(c), .place = place };
        board_place_text(c, e[i].number, place);
        replay_words(&r);
        e[i].reproduced = replay_confirm(&r, o, e[i].differs);
        if (e[i].reproduced < BOARD_REPEATS)
            continue;
        const board_example shown = e[i];
        e[i] = e[0];
        e[0] = shown;
        return;
    }
}

void board_confirm(board *b)
{
    const double begun = crew_clock();
    fflush(NULL);
    for (size_t i = 0; i < b->row_count; i++)
        for (int c = 0; c < BOARD_CLASSES; c++)
            for (int o = 0; o < OUTCOME_COUNT; o++)
                if (board_is_bad((board_class)c, (outcome)o))
                    outcome_confirm(b, b->rows[i], &b->rows[i]->cells[c], (board_class)c, (outcome)o);
    b->confirmed = !crew_interrupted();
    b->interrupted = crew_interrupted();
    b->seconds += crew_clock() - begun;
}

bool board_outcome_doubtful(const board *b, const board_cell *cell, board_class c, outcome what)
{
    const board_example *e = cell->examples[what];
    return b->confirmed && e->there && board_is_bad(c, what) && e->reproduced < BOARD_REPEATS;
}

uint64_t board_cell_found(const board *b, const board_cell *cell, board_class c)
{
    uint64_t found = 0;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        if (board_is_bad(c, (outcome)o) && !board_outcome_doubtful(b, cell, c, (outcome)o))
            found += cell->counts[o];
    return found;
}

/* ---- those of a report ---- */

typedef struct again {
    unsigned findings, same; /* lines that had come back each time; those that do now */
    unsigned doubtful, back; /* those that had not */
    unsigned fresh;          /* with what they begin with made anew */
} again;

static bool example_again(void *context, const board_options *options, const board_kept_example *e)
{
    again *a = context;
    char line[BOARD_REPLAY_BYTES], differs[GUARDED_TEXT_BYTES];
    replay r = { .options = options, .label = e->label, .class = e->class, .place = e->place,
                 .fresh = e->again == BOARD_AGAIN_SAME };
    replay_words(&r);
    replay_text(&r, line);
    const unsigned same = replay_confirm(&r, e->what, differs);
    if (crew_interrupted())
        return false;
    *(e->finding ? &a->findings : &a->doubtful) += 1;
    *(e->finding ? &a->same : &a->back) += same == BOARD_REPEATS;
    a->fresh += r.fresh;
    printf("%u of %d  %s%s  %s\n", same, BOARD_REPEATS, outcome_text(e->what), e->finding ? "" : " (no finding)", line);
    if (same < BOARD_REPEATS)
        printf("        differs: %s\n", differs);
    fflush(stdout);
    return true;
}

int scoreboard_again(const board_options *options)
{
    again a = { 0 };
    if (!board_kept_examples(options, example_again, &a))
        return EXIT_HARNESS;
    if (crew_interrupted())
        return EXIT_INTERRUPTED;
    printf("%u of %u findings came back %d times in a row", a.same, a.findings, BOARD_REPEATS);
    if (a.doubtful)
        printf("; of %u that the report does not call so, %u", a.doubtful, a.back);
    printf("\n%u with store or recording made anew for each replay, %u with the kept ones, as these come out otherwise "
           "each time\n", a.fresh, a.findings + a.doubtful - a.fresh);
    return a.same == a.findings ? EXIT_NOTHING_FOUND : EXIT_VIOLATION;
}
