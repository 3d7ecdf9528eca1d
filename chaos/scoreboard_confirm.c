/*
 * scoreboard_confirm.c - the replay lines of what is bad, each run three times in a row, as its user would.
 *
 * A replay is a process of its own, begun with the words of the printed line, so that the line itself is what is
 * tried.  It confirms an example when its exit status says bad and its answer names the same outcome.  Of an outcome
 * up to BOARD_CANDIDATES examples are tried until one comes back each time; if none does, the outcome is doubtful: it
 * is marked, and no finding.
 *
 * Outcomes are shared out to worker processes; the three replays of an example come one after the other, in one of
 * them.
 */
#include "scoreboard_confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

enum { WORDS_MAX = 16, WORD_BYTES = STORE_LABEL_BYTES + 64, ANSWER_BYTES = 8192, NUMBER_BYTES = 32, LOOK_MS = 100,
       REPLAY_HANGS = 30 /* of hang_seconds: a replay that takes as long is one of the harness */ };

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

/* What the replay prints, until it ends; one that is not wanted any more is ended. */
static void answer_read(crew_worker *worker, pid_t child, int from, char answer[ANSWER_BYTES])
{
    size_t used = 0;
    for (char more[ANSWER_BYTES];;) {
        struct pollfd p = { .fd = from, .events = POLLIN };
        const int ready = poll(&p, 1, LOOK_MS);
        if (crew_should_stop(worker))
            kill(child, SIGKILL); /* and what it has forked with it: PR_SET_PDEATHSIG */
        if (ready <= 0)
            continue;
        const ssize_t got = read(from, more, sizeof more);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        const size_t room = ANSWER_BYTES - 1 - used, part = (size_t)got < room ? (size_t)got : room;
        memcpy(answer + used, more, part);
        used += part;
    }
    answer[used] = '\0';
}

/* Its exit status; -1: it died. answer: what it printed. */
static int replay_run(const replay *r, crew_worker *worker, char answer[ANSWER_BYTES])
{
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) != 0)
        fatal("pipe: %s", strerror(errno));
    const pid_t child = fork();
    if (child < 0)
        fatal("fork: %s", strerror(errno));
    if (child == 0)
        replay_child(r, ends[1]);
    close(ends[1]);
    answer_read(worker, child, ends[0], answer);
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
static unsigned replay_confirm(const replay *r, crew_worker *worker, outcome wanted, char differs[GUARDED_TEXT_BYTES])
{
    char answer[ANSWER_BYTES], whole[ANSWER_BYTES];
    unsigned same = 0;
    differs[0] = '\0';
    for (int i = 0; i < BOARD_REPEATS && !crew_should_stop(worker); i++) {
        outcome what = OUTCOME_COUNT;
        crew_at(worker, "%s", r->name);
        const int status = replay_run(r, worker, answer);
        memcpy(whole, answer, sizeof whole);
        const char *line = answer_line(answer, &what);
        if (status == EXIT_VIOLATION && what == wanted) {
            same++;
            continue;
        }
        if (differs[0] || crew_should_stop(worker))
            continue;
        whole[strcspn(whole, "\n")] = '\0';
        snprintf(differs, GUARDED_TEXT_BYTES, "exit status %d, %.400s", status, line ? line : whole);
    }
    return same;
}

static void died(void *context, const char *where, const char *how)
{
    (void)context;
    fatal("the harness itself died at the replay of %s: %s", where, how);
}

static crew_options crew_of(const board_options *o, uint64_t tasks, void *context)
{
    return (crew_options){ .jobs = o->jobs, .tasks = tasks, .hang_seconds = REPLAY_HANGS * o->hang_seconds,
                           .context = context, .died = died };
}

/* ---- those of a board ---- */

/* A bad outcome: a task, and the answer of the worker that took it. */
typedef struct doubt {
    uint32_t row, class;
    outcome what;
    board_example examples[BOARD_CANDIDATES];
} doubt;

typedef struct doubts {
    board *b;
    doubt *list;
    size_t count;
} doubts;

static void doubt_work(void *context, crew_worker *worker, uint64_t task)
{
    const doubts *all = context;
    doubt *d = &all->list[task];
    board_example *e = d->examples;
    for (size_t i = 0; i < BOARD_CANDIDATES && e[i].there && !crew_should_stop(worker); i++) {
        char place[BOARD_PLACE_BYTES];
        replay r = { .options = &all->b->options, .label = all->b->rows[d->row]->spec.label,
                     .class = board_class_word((board_class)d->class), .place = place };
        board_place_text((board_class)d->class, e[i].number, place);
        replay_words(&r);
        e[i].reproduced = replay_confirm(&r, worker, d->what, e[i].differs);
        if (e[i].reproduced < BOARD_REPEATS)
            continue;
        const board_example shown = e[i];
        e[i] = e[0];
        e[0] = shown;
        break;
    }
    crew_send(worker, 1, d, sizeof *d);
}

static void doubt_receive(void *context, unsigned type, const void *data, size_t bytes)
{
    const doubts *all = context;
    doubt d;
    (void)type;
    memcpy(&d, data, bytes < sizeof d ? bytes : sizeof d);
    memcpy(all->b->rows[d.row]->cells[d.class].examples[d.what], d.examples, sizeof d.examples);
}

static void doubts_list(doubts *all)
{
    const board *b = all->b;
    all->list = fatal_alloc_zeroed((b->row_count * BOARD_CLASSES * OUTCOME_COUNT + 1) * sizeof *all->list);
    for (uint32_t i = 0; i < b->row_count; i++)
        for (uint32_t c = 0; c < BOARD_CLASSES; c++)
            for (int o = 0; o < OUTCOME_COUNT; o++) {
                const board_example *e = b->rows[i]->cells[c].examples[o];
                if (!e->there || !board_is_bad((board_class)c, (outcome)o))
                    continue;
                doubt *d = &all->list[all->count++];
                *d = (doubt){ .row = i, .class = c, .what = (outcome)o };
                memcpy(d->examples, e, sizeof d->examples);
            }
}

void board_confirm(board *b)
{
    const double begun = crew_clock();
    doubts all = { .b = b };
    doubts_list(&all);
    crew_options options = crew_of(&b->options, all.count, &all);
    options.work = doubt_work;
    options.receive = doubt_receive;
    crew_run(&options);
    free(all.list);
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

/* One example of it, and what became of its line. */
typedef struct claim {
    replay r;
    char label[STORE_LABEL_BYTES], class[BOARD_PLACE_BYTES], place[BOARD_PLACE_BYTES];
    outcome what;
    bool finding, done;
    unsigned same;
    char differs[GUARDED_TEXT_BYTES];
} claim;

typedef struct again {
    claim *claims;
    size_t count, printed;
    board_options options;
    unsigned findings, same; /* lines that had come back each time; those that do now */
    unsigned doubtful, back; /* those that had not */
    unsigned fresh;          /* with what they begin with made anew */
} again;

typedef struct claim_answer {
    uint64_t number;
    unsigned same;
    char differs[GUARDED_TEXT_BYTES];
} claim_answer;

static bool claim_add(void *context, const board_options *options, const board_kept_example *e)
{
    again *a = context;
    a->options = *options;
    a->claims = fatal_realloc(a->claims, (a->count + 1) * sizeof *a->claims);
    claim *c = &a->claims[a->count++];
    *c = (claim){ .what = e->what, .finding = e->finding, .r = { .fresh = e->again == BOARD_AGAIN_SAME } };
    snprintf(c->label, sizeof c->label, "%s", e->label);
    snprintf(c->class, sizeof c->class, "%s", e->class);
    snprintf(c->place, sizeof c->place, "%s", e->place);
    return true;
}

/* Its words, once it stays where it is. */
static void claim_words(claim *c, const board_options *options)
{
    c->r.options = options;
    c->r.label = c->label;
    c->r.class = c->class;
    c->r.place = c->place;
    replay_words(&c->r);
}

static void claim_work(void *context, crew_worker *worker, uint64_t task)
{
    const again *a = context;
    claim_answer answer = { .number = task };
    answer.same = replay_confirm(&a->claims[task].r, worker, a->claims[task].what, answer.differs);
    if (!crew_should_stop(worker))
        crew_send(worker, 1, &answer, sizeof answer);
}

static void claim_print(again *a, const claim *c)
{
    char line[BOARD_REPLAY_BYTES];
    replay_text(&c->r, line);
    *(c->finding ? &a->findings : &a->doubtful) += 1;
    *(c->finding ? &a->same : &a->back) += c->same == BOARD_REPEATS;
    a->fresh += c->r.fresh;
    printf("%u of %d  %s%s  %s\n", c->same, BOARD_REPEATS, outcome_text(c->what), c->finding ? "" : " (no finding)",
           line);
    if (c->same < BOARD_REPEATS)
        printf("        differs: %s\n", c->differs);
    fflush(stdout);
}

/* In their order, each as soon as those before it are done. */
static void claim_receive(void *context, unsigned type, const void *data, size_t bytes)
{
    again *a = context;
    claim_answer answer;
    (void)type;
    memcpy(&answer, data, bytes < sizeof answer ? bytes : sizeof answer);
    claim *c = &a->claims[answer.number];
    c->done = true;
    c->same = answer.same;
    memcpy(c->differs, answer.differs, sizeof c->differs);
    while (a->printed < a->count && a->claims[a->printed].done)
        claim_print(a, &a->claims[a->printed++]);
}

int scoreboard_again(const board_options *options)
{
    again a = { 0 };
    int status = EXIT_HARNESS;
    if (!board_kept_examples(options, claim_add, &a))
        goto out;
    for (size_t i = 0; i < a.count; i++)
        claim_words(&a.claims[i], &a.options);
    crew_options crew = crew_of(a.count ? &a.options : options, a.count, &a);
    crew.work = claim_work;
    crew.receive = claim_receive;
    crew_run(&crew);
    status = EXIT_INTERRUPTED;
    if (crew_interrupted())
        goto out;
    printf("%u of %u findings came back %d times in a row", a.same, a.findings, BOARD_REPEATS);
    if (a.doubtful)
        printf("; of %u that the report does not call so, %u", a.doubtful, a.back);
    printf("\n%u with store or recording made anew for each replay, %u with the kept ones, as these come out otherwise "
           "each time\n", a.fresh, a.findings + a.doubtful - a.fresh);
    status = a.same == a.findings ? EXIT_NOTHING_FOUND : EXIT_VIOLATION;
out:
    free(a.claims);
    return status;
}
