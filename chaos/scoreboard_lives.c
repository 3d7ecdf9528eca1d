/*
 * scoreboard_lives.c - lives under the recorder, and what must be there after each.
 *
 * What a life acknowledged is on its standard output: `open`, `ok N` after batch N, `failed N`, `closed`.  After it the
 * store must hold a state from the last acknowledged to the last submitted.  A batch that fails is written again as it
 * was, so that states remain those of store_work.h.
 *
 * Failed sync: the kernel has dropped the pages and calls them clean (as ext4 and XFS do); the life ends soon after, by
 * a power cut.  Full disk: writes are refused beyond a number of bytes; the life ends by closing, then there is room.
 * Power cut: the states that the trace of a whole life may leave (states.h).
 */
#include "scoreboard_lives.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/fatal.h"
#include "../faults/plan.h"
#include "../faults/random.h"
#include "../faults/recorder.h"
#include "../faults/recording.h"
#include "crew.h"
#include "directory.h"
#include "states.h"
#include "store_judge.h"

enum { RETRIES = 3, MORE_AFTER_FAILURE = 3, SYNC_VARIANTS = 8, SOONER_MAX = 5, GO_ON_BATCHES = 4, GO_ON_ONE_IN = 4,
       CULPRITS = 3,
       SECONDS_MAX = 60, /* computing all the time: nobody can tell whether it is the recorder that is slow */
       RECORDING_SECONDS_MAX = 600, /* the one life without a fault: without it a store has no lives at all */
       PLAN_BYTES = 256, MARKS_BYTES = 65536, NUMBER_BYTES = 24, SAID_BYTES = 2048 };

/* ---- the child ---- */

static void acknowledge(const char *word, uint32_t batch)
{
    char line[64];
    const int bytes = batch ? snprintf(line, sizeof line, "%s %u\n", word, batch)
                            : snprintf(line, sizeof line, "%s\n", word);
    if (write(STDOUT_FILENO, line, (size_t)bytes) != bytes)
        _exit(EXIT_FAILURE);
}

/* One batch, again where it fails. False: it was refused each time. */
static bool batch_write(const store_work *w, uint32_t n, const store_adapter *a, store_session *session, bool *failed)
{
    for (int i = 0; i <= RETRIES; i++) {
        if (store_work_write(w, n, a, session, true) == STORE_OK) {
            acknowledge("ok", n);
            return true;
        }
        acknowledge("failed", n);
        *failed = true;
    }
    return false;
}

int life_child(const life_order *order)
{
    char message[STORE_MESSAGE_BYTES] = "";
    store_spec spec;
    store *s;
    store_session *session = NULL;
    bool failed = false;
    if (!store_spec_parse(order->label, &spec, message) ||
        !store_spec_add(&spec, spec.adapter->small_options, message)) {
        fprintf(stderr, "%s: %s\n", order->label, message);
        return EXIT_FAILURE;
    }
    const store_adapter *a = spec.adapter;
    const store_config config = board_config(&spec, order->directory, true);
    store_work *w = board_work(order->seed, order->keys, order->batches, a);
    if (a->open(&config, &s, message) != STORE_OK || a->session_open(s, &session) != STORE_OK) {
        fprintf(stderr, "%s: %s\n", order->label, session ? a->message(session) : message);
        return EXIT_FAILURE;
    }
    acknowledge("open", 0);
    uint32_t more = MORE_AFTER_FAILURE;
    for (uint32_t n = 1; n <= order->until && more; n++) {
        if (!batch_write(w, n, a, session, &failed))
            break;
        more -= failed && !order->close;
    }
    if (!order->close)
        _exit(EXIT_SUCCESS); /* the power is gone: nothing is closed, no destructor runs */
    a->session_close(session);
    if (a->close(s, message) == STORE_OK)
        acknowledge("closed", 0);
    store_work_destroy(w);
    return EXIT_SUCCESS;
}

/* ---- what was acknowledged ---- */

typedef struct told {
    bool open, failed, after_failure; /* a batch was acknowledged after one had failed */
    uint32_t acknowledged, submitted;
} told;

static told told_parse(char *marks, uint32_t until)
{
    told t = { 0 };
    uint32_t n;
    for (char *save, *line = strtok_r(marks, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        t.open = t.open || strcmp(line, "open") == 0;
        if (sscanf(line, "ok %u", &n) == 1) {
            t.acknowledged = n;
            t.after_failure = t.after_failure || t.failed;
        }
        if (sscanf(line, "failed %u", &n) == 1)
            t.failed = true;
    }
    t.submitted = t.acknowledged < until ? t.acknowledged + 1 : until;
    return t;
}

static told told_read(const char *path, uint32_t until)
{
    char marks[MARKS_BYTES];
    FILE *file = fopen(path, "r");
    if (!file)
        fatal("%s: %s", path, strerror(errno));
    const size_t bytes = fread(marks, 1, sizeof marks - 1, file);
    marks[bytes] = '\0';
    fclose(file);
    return told_parse(marks, until);
}

static told told_of(const trace *t, uint32_t until)
{
    char marks[MARKS_BYTES];
    size_t at = 0;
    for (uint64_t i = trace_start(t); i < trace_length(t); i++) {
        const trace_entry *e = trace_at(t, i);
        if (e->op == TRACE_MARK && at + e->bytes < sizeof marks) {
            memcpy(marks + at, e->data, e->bytes);
            at += e->bytes;
        }
    }
    marks[at] = '\0';
    return told_parse(marks, until);
}

/* ---- judging ---- */

typedef struct life_judging {
    const board *b;
    const board_row *row;
    uint32_t until;
    bool goes_on;
} life_judging;

static uint32_t life_batches(const board *b)
{
    return b->options.batches < b->options.life_batches ? b->options.batches : b->options.life_batches;
}

static outcome judge_told(const life_judging *l, const char *directory, told t, char text[GUARDED_TEXT_BYTES])
{
    store_judging j = { .adapter = l->row->spec.adapter, .config = board_config(&l->row->spec, directory, false),
                        .work = l->row->work, .acknowledged = t.acknowledged, .submitted = t.submitted,
                        .go_on = l->goes_on ? GO_ON_BATCHES : 0 };
    const outcome what = store_judge(&j, text);
    /* a store that was never opened need not be one */
    return !t.open && (what == OUTCOME_DETECTED || what == OUTCOME_LOST) ? OUTCOME_RIGHT : what;
}

static outcome judge_state(void *context, const states_case *c, char text[GUARDED_TEXT_BYTES])
{
    const life_judging *l = context;
    return judge_told(l, c->directory, told_read(c->acknowledged, l->until), text);
}

typedef struct closed_judging {
    const life_judging *l;
    const char *directory;
    told t;
} closed_judging;

static outcome judge_closed(void *context, char text[GUARDED_TEXT_BYTES])
{
    const closed_judging *c = context;
    return judge_told(c->l, c->directory, c->t, text);
}

static guarded_limits limits_of(const board *b, const board_row *row)
{
    return (guarded_limits){ .seconds = b->options.hang_seconds, .idle_seconds = board_idle_seconds(row),
                             .memory_bytes = BOARD_MEMORY_BYTES };
}

/* ---- a life ---- */

/* What stores print to their standard error while they live: of use when the harness fails, and to nobody else. */
static void errors_path(const board *b, char path[DIRECTORY_PATH_BYTES])
{
    snprintf(path, DIRECTORY_PATH_BYTES, "%s/errors-%ld", b->scratch.path, (long)getpid());
}

/* The end of it; from the last life of this process. */
static const char *errors_said(const board *b, char said[SAID_BYTES])
{
    char path[DIRECTORY_PATH_BYTES];
    errors_path(b, path);
    FILE *file = fopen(path, "r");
    size_t bytes = 0;
    if (file) {
        if (fseek(file, -(long)(SAID_BYTES - 1), SEEK_END) != 0)
            rewind(file);
        bytes = fread(said, 1, SAID_BYTES - 1, file);
        fclose(file);
    }
    said[bytes] = '\0';
    return said;
}

static bool life_run(const board *b, const board_row *row, const char *directory, bool closes, const char *plan,
                     recording *r)
{
    const double seconds = plan ? SECONDS_MAX : RECORDING_SECONDS_MAX;
    plan_rules rules;
    plan_error error;
    char seed[NUMBER_BYTES], keys[NUMBER_BYTES], batches[NUMBER_BYTES], until[NUMBER_BYTES];
    char errors[DIRECTORY_PATH_BYTES];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)b->options.seed);
    snprintf(keys, sizeof keys, "%u", b->options.keys);
    snprintf(batches, sizeof batches, "%u", b->options.batches);
    snprintf(until, sizeof until, "%u", life_batches(b));
    const char *const command[] = { "/proc/self/exe", "scoreboard", "--child", row->spec.label, "--directory",
                                    directory, "--seed", seed, "--keys", keys, "--batches", batches, "--until", until,
                                    closes ? "--close" : NULL, NULL };
    errors_path(b, errors);
    const int log = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (log < 0)
        fatal("%s: %s", errors, strerror(errno));
    const recorder_options options = { .directory = directory, .command = command, .output = -1, .errors = log,
                                       .plan = plan ? &rules : NULL,
                                       .plan_seed = b->options.seed, .seconds = seconds,
                                       .quiet_seconds = b->options.hang_seconds * BOARD_QUIET_SHARE };
    if (plan && !plan_parse(&rules, plan, strlen(plan), &error))
        fatal("a fault plan of ours, line %u: %s", error.line, error.text);
    if (!directory_remove(directory) || !directory_make(directory))
        fatal("%s: %s", directory, strerror(errno));
    memset(r, 0, sizeof *r);
    const bool recorded = recorder_run(&options, r) == 0 && r->trace;
    close(log);
    return recorded;
}

static bool is_fault(const trace_entry *e)
{
    return e->op == TRACE_SYNC_LOST || (e->op == TRACE_NOTE && e->call && strstr(e->call, "fault"));
}

static bool fault_came(const trace *t)
{
    for (uint64_t i = trace_start(t); i < trace_length(t); i++)
        if (is_fault(trace_at(t, i)))
            return true;
    return false;
}

/* ---- the life in which nothing happens ---- */

/* No call, so nothing that a full disk could refuse: there it is a signal, which the recorder does not make. */
static bool through_map(const trace_entry *e)
{
    return e->call && strncmp(e->call, RECORDING_MAP_STORE, strlen(RECORDING_MAP_STORE)) == 0;
}

void lives_count(board_row *row)
{
    row->syncs = row->written = 0;
    for (uint64_t i = trace_start(row->life); i < trace_length(row->life); i++) {
        const trace_entry *e = trace_at(row->life, i);
        row->syncs += e->op == TRACE_SYNC || e->op == TRACE_SYNC_RANGE;
        row->written += e->op == TRACE_WRITE && !through_map(e) ? e->bytes : 0;
    }
}

trace *lives_record(const board *b, const board_row *row, char why[GUARDED_TEXT_BYTES])
{
    char directory[DIRECTORY_PATH_BYTES], said[SAID_BYTES];
    recording r;
    snprintf(directory, sizeof directory, "%s/life", b->scratch.path);
    const bool begun = life_run(b, row, directory, true, NULL, &r);
    directory_remove(directory);
    if (begun && !r.problem[0] && !r.timed_out && r.status == 0)
        return r.trace;
    snprintf(why, GUARDED_TEXT_BYTES, "%.200s%s%d: %.200s", r.problem,
             r.timed_out ? "no end in time, status " : "status ", r.status, errors_said(b, said));
    text_make_plain(why);
    trace_destroy(r.trace);
    return NULL;
}

void lives_release(board_row *row)
{
    if (!row->life)
        return;
    trace_destroy(row->life);
    row->life = NULL;
    malloc_trim(0); /* trials are forks: the kernel would copy the tables of what nobody uses */
}

/* ---- failed syncs, full disks ---- */

/* `sooner`: so often the fault did not come, for some syncs of the trace are writes with O_DSYNC: then an earlier one.
 * */
static void plan_make(const board_row *row, board_class c, uint64_t seed, uint64_t number, unsigned sooner,
                      char plan[PLAN_BYTES], char what[STORE_DAMAGE_DESCRIPTION_BYTES])
{
    random_stream r = random_open(random_mix(seed) + (uint64_t)c, number);
    if (c == BOARD_SYNC) {
        const uint64_t nth = 1 + (random_below(&r, row->syncs) >> sooner);
        snprintf(plan, PLAN_BYTES, "levin-fault-plan 1\non levin/io/pages,wal,vlog/sync nth %llu do error EIO\n",
                 (unsigned long long)nth);
        snprintf(what, STORE_DAMAGE_DESCRIPTION_BYTES, "sync %llu of %llu fails, then the power",
                 (unsigned long long)nth, (unsigned long long)row->syncs);
    } else {
        const uint64_t least = row->written / 20;
        const uint64_t bytes = (least + random_below(&r, row->written - least)) >> sooner;
        snprintf(plan, PLAN_BYTES, "levin-fault-plan 1\non levin/io/pages,wal,vlog/write do budget %llu ENOSPC\n",
                 (unsigned long long)bytes);
        snprintf(what, STORE_DAMAGE_DESCRIPTION_BYTES, "the disk is full after %llu of %llu bytes, then there is room",
                 (unsigned long long)bytes, (unsigned long long)row->written);
    }
}

static outcome after_power_cut(const board *b, life_judging *l, const trace *t, char text[GUARDED_TEXT_BYTES])
{
    const states_options options = { .trace = t, .seed = b->options.seed, .jobs = 1, .limits = limits_of(b, l->row),
                                     .memory = b->scratch.path, .grants = GRANTS_JOURNAL | GRANT(ASSUMES_POWERSAFE),
                                     .judge = judge_state, .context = l };
    outcome worst = OUTCOME_RIGHT;
    for (uint64_t v = 0; v < SYNC_VARIANTS; v++) {
        char said[GUARDED_TEXT_BYTES] = "";
        outcome what = OUTCOME_RIGHT;
        if (!states_replay(&options, trace_length(t), v, &what, said, NULL, NULL))
            break;
        if (what > worst) {
            worst = what;
            memcpy(text, said, GUARDED_TEXT_BYTES);
        }
    }
    return worst;
}

static void tell_commits(told t, char what[STORE_DAMAGE_DESCRIPTION_BYTES])
{
    const size_t used = strlen(what);
    snprintf(what + used, STORE_DAMAGE_DESCRIPTION_BYTES - used, "; %s",
             !t.open           ? "it had not been opened"
             : !t.failed       ? "no commit failed"
             : t.after_failure ? "a commit failed, and a later one was acknowledged"
                               : "a commit failed, and none was acknowledged after it");
}

outcome life_trial(const board *b, board_row *row, board_class c, uint64_t number,
                   char what[STORE_DAMAGE_DESCRIPTION_BYTES], char text[GUARDED_TEXT_BYTES], unsigned *told_them)
{
    char plan[PLAN_BYTES], directory[DIRECTORY_PATH_BYTES], said[SAID_BYTES];
    life_judging l = { b, row, life_batches(b), number % GO_ON_ONE_IN == 0 };
    recording r;
    outcome result = OUTCOME_COUNT;
    text[0] = '\0';
    *told_them = BOARD_TOLD_NOTHING;
    snprintf(directory, sizeof directory, "%s/life-%ld", b->scratch.path, (long)getpid());
    bool came = false;
    for (unsigned sooner = 0; !came && sooner < SOONER_MAX; sooner++) {
        plan_make(row, c, b->options.seed, number, sooner, plan, what);
        if (!life_run(b, row, directory, c == BOARD_FULL, plan, &r))
            fatal("%s: %s\n%s", row->spec.label, r.problem, errors_said(b, said));
        if (r.timed_out && !r.quiet)
            break;
        came = fault_came(r.trace);
        if (!came && sooner + 1 < SOONER_MAX)
            trace_destroy(r.trace);
    }
    if (came) {
        const told t = told_of(r.trace, l.until);
        *told_them = t.after_failure ? BOARD_TOLD_GOES_ON : t.failed ? BOARD_TOLD_REFUSES : BOARD_TOLD_NOTHING;
        tell_commits(t, what);
        closed_judging closed = { &l, directory, t };
        const guarded_limits limits = limits_of(b, row);
        if (r.quiet)
            result = OUTCOME_HANG;
        else if (WIFSIGNALED(r.status))
            result = OUTCOME_SIGNAL;
        else
            result = c == BOARD_FULL ? guarded_run(&limits, judge_closed, &closed, text)
                                     : after_power_cut(b, &l, r.trace, text);
        if (r.quiet)
            snprintf(text, GUARDED_TEXT_BYTES, "the life itself: after batch %u it did nothing any more",
                     t.acknowledged);
        else if (WIFSIGNALED(r.status))
            snprintf(text, GUARDED_TEXT_BYTES, "the life itself: %s", strsignal(WTERMSIG(r.status)));
    }
    trace_destroy(r.trace);
    directory_remove(directory);
    return result;
}

/* ---- power cuts ---- */

static states_options crash_options(const board *b, const board_row *row, board_class c, life_judging *l)
{
    return (states_options){ .trace = row->life, .seed = b->options.seed, .states = b->options.states,
                             .grants = c == BOARD_CRASH ? GRANTS_JOURNAL | GRANT(ASSUMES_POWERSAFE) : 0,
                             .jobs = b->options.jobs, .limits = limits_of(b, row), .judge = judge_state, .context = l,
                             .memory = b->scratch.path, .culprits = CULPRITS };
}

static void crash_words(const board_row *row, uint64_t number, const culprit *why,
                        char what[STORE_DAMAGE_DESCRIPTION_BYTES])
{
    snprintf(what, STORE_DAMAGE_DESCRIPTION_BYTES, "the power goes after call %llu of %llu%s%s",
             (unsigned long long)(CRASH_POINT(number) - trace_start(row->life)),
             (unsigned long long)(trace_length(row->life) - trace_start(row->life)), why ? "; it relies on: " : "",
             why ? assumption_text(why->what) : "");
}

/* The calls that are lost or torn, with the assumption, as `levin-chaos explore` tells them. */
static void crash_relies(const states_options *options, const culprit *why, char text[BOARD_RELIES_BYTES])
{
    memset(text, 0, BOARD_RELIES_BYTES);
    FILE *to = fmemopen(text, BOARD_RELIES_BYTES - 1, "w");
    if (!to)
        fatal("no memory stream: %s", strerror(errno));
    states_print_culprit(options, why, to, "");
    fclose(to); /* what does not fit is left out */
}

static bool is_explained(const states_report *report, outcome what)
{
    for (size_t i = 0; i < report->count; i++)
        if (report->findings[i].searched && report->findings[i].what == what)
            return true;
    return false;
}

bool lives_explore(const board *b, board_row *row, board_class c, double deadline)
{
    life_judging l = { b, row, life_batches(b), false };
    states_options options = crash_options(b, row, c, &l);
    states_report *report = fatal_alloc_zeroed(sizeof *report);
    board_cell *cell = &row->cells[c];
    options.deadline = deadline;
    states_explore(&options, report);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        cell->counts[o] = report->outcomes[o];
    for (size_t i = 0; i < report->count; i++) {
        const states_finding *f = &report->findings[i];
        if (!f->searched && is_explained(report, f->what))
            continue; /* an example says why */
        board_example e = { .number = CRASH_NUMBER(f->point, f->variant) };
        crash_words(row, e.number, f->searched ? &f->why : NULL, e.what);
        if (f->searched)
            crash_relies(&options, &f->why, e.relies);
        memcpy(e.text, f->text, sizeof e.text);
        board_example_take(cell, f->what, &e);
    }
    cell->seconds = report->seconds;
    row->seconds += report->seconds;
    cell->due = report->judged;
    const bool complete = report->complete;
    free(report);
    return complete;
}

outcome life_crash_trial(const board *b, board_row *row, board_class c, uint64_t number,
                         char what[STORE_DAMAGE_DESCRIPTION_BYTES], char text[GUARDED_TEXT_BYTES])
{
    life_judging l = { b, row, life_batches(b), false };
    const states_options options = crash_options(b, row, c, &l);
    outcome result = OUTCOME_COUNT;
    text[0] = '\0';
    crash_words(row, number, NULL, what);
    if (!states_replay(&options, CRASH_POINT(number), CRASH_VARIANT(number), &result, text, NULL, NULL))
        return OUTCOME_COUNT;
    return result;
}
