/*
 * soak.c - the parent of the process under test (soak.h): begins lives, ends them, and judges how they ended.
 *
 * A life in two has injected faults; the last one has none and is not killed, so that all that was promised is
 * compared.  Before each life the store is copied as it stands, so that what a violation began with can be looked at.
 *
 * Concurrency: one thread, and one child at a time; they share soak_shared (soak_life.h).
 */
#include "soak.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../faults/fiu_points.h"
#include "../faults/random.h"
#include "crew.h"
#include "soak_life.h"

typedef unsigned long long ull;

enum { STREAM_LIVES = 1 << 21, STEP_NS = 1000000 };
#define TICK_SECONDS 0.2
#define HANG_SECONDS 60.0

typedef struct soak {
    const soak_options *o;
    soak_result *r;
    soak_shared *s;
    plan_state *plan;   /* of the life; NULL: none */
    bool killed;        /* by us, in this life */
    random_stream random;
    double began;
    char store[SOAK_PATH_BYTES + 16], before[SOAK_PATH_BYTES + 16], state[SOAK_PATH_BYTES + 16];
    bool own_directory;
} soak;

/* ---- files ------------------------------------------------------------------------------------------------ */

static bool broken(soak *k, const char *what, const char *path)
{
    snprintf(k->r->text, sizeof k->r->text, "%s: %.400s: %s", what, path, strerror(errno));
    return false;
}

static bool copy_file(int from, int to)
{
    ssize_t moved;
    while ((moved = copy_file_range(from, NULL, to, NULL, 1 << 30, 0)) > 0)
        ;
    return moved == 0;
}

/* Of a directory without directories: removes its files, or copies them to another one. */
static bool each_file(soak *k, const char *path, const char *copies)
{
    bool good = true;
    int to = copies ? open(copies, O_RDONLY | O_DIRECTORY) : -1;
    DIR *directory = opendir(path);
    for (const struct dirent *e; directory && good && (e = readdir(directory)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        if (!copies) {
            good = unlinkat(dirfd(directory), e->d_name, 0) == 0;
            continue;
        }
        int in = openat(dirfd(directory), e->d_name, O_RDONLY);
        int out = openat(to, e->d_name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        good = in >= 0 && out >= 0 && copy_file(in, out);
        if (in >= 0)
            close(in);
        if (out >= 0)
            close(out);
    }
    if (!directory && errno != ENOENT)
        good = false;
    if (directory)
        closedir(directory);
    if (to >= 0)
        close(to);
    return good || broken(k, copies ? "a copy could not be made" : "files could not be removed", path);
}

static bool remove_all(soak *k, const char *path)
{
    return each_file(k, path, NULL) && (rmdir(path) == 0 || errno == ENOENT || broken(k, "not removed", path));
}

static bool keep_before(soak *k)
{
    return remove_all(k, k->before) && (mkdir(k->before, 0755) == 0 || broken(k, "not made", k->before)) &&
           each_file(k, k->store, k->before);
}

static bool begin(soak *k)
{
    soak_result *r = k->r;
    const char *tmp = getenv("TMPDIR");
    k->own_directory = !k->o->directory;
    if (k->own_directory) {
        snprintf(r->directory, sizeof r->directory, "%s/levin-soak-XXXXXX", tmp && *tmp ? tmp : "/tmp");
        if (!mkdtemp(r->directory))
            return broken(k, "no directory could be made", r->directory);
    } else {
        snprintf(r->directory, sizeof r->directory, "%s", k->o->directory);
        if (mkdir(r->directory, 0755) && errno != EEXIST)
            return broken(k, "the directory could not be made", r->directory);
    }
    snprintf(k->store, sizeof k->store, "%s/store", r->directory);
    snprintf(k->before, sizeof k->before, "%s/before", r->directory);
    snprintf(k->state, sizeof k->state, "%s/soak.state", r->directory);
    struct stat status;
    if (stat(k->store, &status) == 0) {
        errno = EEXIST;
        return broken(k, "a soak begins with a new store", k->store);
    }
    int state = open(k->state, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (state < 0 || ftruncate(state, sizeof *k->s))
        return broken(k, "the file of promises could not be made", k->state);
    k->s = mmap(NULL, sizeof *k->s, PROT_READ | PROT_WRITE, MAP_SHARED, state, 0);
    close(state);
    return k->s != MAP_FAILED || broken(k, "the file of promises could not be mapped", k->state);
}

static bool end(soak *k)
{
    munmap(k->s, sizeof *k->s);
    if (k->plan)
        munmap(k->plan, plan_state_bytes());
    if (!k->own_directory || k->r->promise[0])
        return true;
    return remove_all(k, k->store) && remove_all(k, k->before) &&
           (unlink(k->state) == 0 || broken(k, "not removed", k->state)) &&
           (rmdir(k->r->directory) == 0 || broken(k, "not removed", k->r->directory));
}

/* ---- one life --------------------------------------------------------------------------------------------- */

static soak_phase phase_of(const soak *k)
{
    return (soak_phase)atomic_load_explicit(&k->s->phase, memory_order_acquire); /* pairs with set_phase() */
}

static void violated(soak *k, const char *promise, const char *what, int number)
{
    static const char *const phases[] = { "starting", "opening", "comparing", "running", "closing", "ended" };
    if (k->r->promise[0])
        return;
    snprintf(k->r->promise, sizeof k->r->promise, "%s", promise);
    snprintf(k->r->text, sizeof k->r->text, "the process %s %d while it was %s, in life %llu", what, number,
             phases[phase_of(k)], (ull)k->r->lives);
}

static void count(soak *k)
{
    soak_result *r = k->r;
    const soak_shared *s = k->s;
    r->operations = 0;
    for (unsigned t = 0; t < k->o->threads; t++)
        r->operations += s->thread[t].acknowledged;
    r->reads = s->reads;
    r->compared = s->compared;
    r->checks = s->checks;
    r->faults = s->faults;
    r->recovery_max_ns = s->recovery_max_ns;
    r->seconds = crew_clock() - k->began;
    if (atomic_load_explicit(&s->violated, memory_order_acquire) == 2 && !r->promise[0]) { /* pairs with violated() */
        snprintf(r->promise, sizeof r->promise, "%s", s->promise);
        snprintf(r->text, sizeof r->text, "%s (life %llu)", s->text, (ull)r->lives);
    }
    if (r->faults) {
        const soak_fault *f = &s->fault[(r->faults - 1) % SOAK_FAULTS_KEPT];
        snprintf(r->last_fault, sizeof r->last_fault, "%s: %s%s%s, call %llu of life %llu", f->point, f->effect,
                 f->os_error ? ", " : "", f->os_error ? strerror(f->os_error) : "", (ull)f->call, (ull)f->life);
    }
}

static bool go_on(soak *k)
{
    count(k);
    return !k->r->promise[0] && (!k->o->tick || k->o->tick(k->o->context, k->r));
}

static void count_kill(soak *k)
{
    const soak_phase phase = phase_of(k);
    k->r->killed++;
    k->r->killed_opening += phase <= SOAK_OPENS;
    k->r->killed_comparing += phase == SOAK_COMPARES;
    k->r->killed_closing += phase >= SOAK_CLOSES;
}

typedef struct fate {
    bool faults;
    bool once_running;             /* the seconds count from when its threads run, however long it takes to get there */
    double stop_after, kill_after; /* seconds; 0: never */
} fate;

/* Waits for the child to end, telling it to stop and killing it as its fate says. */
static int wait_for(soak *k, pid_t child, const fate *f)
{
    int status = 0;
    const double born = crew_clock();
    double next_tick = 0, stopped = 0, from = f->once_running ? 0 : born; /* 0: they do not count yet */
    k->killed = false;
    while (waitpid(child, &status, k->killed ? 0 : WNOHANG) == 0) {
        const double now = crew_clock();
        from = from == 0 && phase_of(k) >= SOAK_RUNS ? now : from;
        bool kills = from != 0 && f->kill_after > 0 && now >= from + f->kill_after;
        const bool late = from == 0 ? now >= born + HANG_SECONDS : f->stop_after > 0 && now >= from + f->stop_after;
        if (!stopped && (late || k->r->interrupted)) {
            stopped = now;
            atomic_store(&k->s->stop, 1);
        }
        if (stopped && now > stopped + HANG_SECONDS) {
            violated(k, "SURVIVE", "did not end in seconds, being told to:", (int)HANG_SECONDS);
            kills = true;
        }
        if (now >= next_tick) {
            k->r->interrupted = !go_on(k) || k->r->interrupted;
            next_tick = now + TICK_SECONDS;
        }
        if (kills && !k->killed) {
            k->killed = kill(child, SIGKILL) == 0;
            continue;
        }
        nanosleep(&(struct timespec){ .tv_nsec = STEP_NS }, NULL);
    }
    return status;
}

/*
 * Half are killed at some instant of 0.4 s, every other one counted from when it runs; some while they open; a fifth
 * closes, some killed as they do.
 */
static fate draw_fate(soak *k)
{
    random_stream *r = &k->random;
    fate f = { .faults = (k->o->fault_every || k->o->plan) && random_chance(r, 2) };
    const uint64_t way = random_below(r, 10);
    const double soon = (double)random_below(r, 12000) / 1e6, later = 0.01 + (double)random_below(r, 400000) / 1e6;
    f.once_running = way >= 2 && random_chance(r, 2); /* where opening takes as long, they would never run */
    if (way < 2)
        f.kill_after = soon;
    else if (way < 7)
        f.kill_after = later;
    else
        f.stop_after = later;
    if (way == 7)
        f.kill_after = later + soon;
    return f;
}

static bool one_life(soak *k, const fate *f)
{
    soak_result *r = k->r;
    if (!keep_before(k))
        return false;
    atomic_store(&k->s->stop, 0);
    atomic_store(&k->s->phase, SOAK_STARTS);
    const soak_life_options options = { .path = k->store, .seed = k->o->seed, .life = ++r->lives,
                                        .threads = k->o->threads, .fault_every = f->faults ? k->o->fault_every : 0,
                                        .fiu = k->o->fiu, .plan = f->faults ? k->plan : NULL };
    if (options.plan)
        plan_begin_at(options.plan, k->o->plan, random_mix(k->o->seed ^ options.life));
    const uint64_t faults = k->s->faults;
    r->living = true;
    pid_t child = fork();
    if (child < 0)
        return broken(k, "no child process", "fork");
    if (child == 0)
        soak_life(&options, k->s);
    int status = wait_for(k, child, f);
    r->living = false;
    r->lives_with_faults += k->s->faults != faults;
    for (size_t i = 0; options.plan && i < k->o->plan->count; i++)
        r->fired[i] += plan_fired_alone(options.plan, i);
    count(k);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && k->killed) {
        count_kill(k);
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) { /* out of memory? */
        violated(k, "SURVIVE", "died, not by us, of signal", SIGKILL);
    } else if (WIFSIGNALED(status)) {
        violated(k, "SURVIVE", "died of signal", WTERMSIG(status));
    } else if (WEXITSTATUS(status) == 0) {
        r->closed += k->s->faults == faults;
        r->given_up += k->s->faults != faults;
    } else if (WEXITSTATUS(status) == 3) {
        snprintf(r->text, sizeof r->text, "a life of the harness failed");
        return false;
    } else {
        violated(k, "SURVIVE", "ended with status", WEXITSTATUS(status)); /* a sanitizer's */
    }
    return true;
}

bool soak_plan_fits(const plan_rules *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan_effect_damages(plan->rules[i].effect) && plan->rules[i].effect < FAULT_LIE)
            return false;
    return true;
}

/* Whether one of its rules had to do with a call. */
static bool plan_did(const soak *k)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < k->o->plan->count; i++)
        sum += k->r->fired[i];
    return sum > 0;
}

bool soak_run(const soak_options *o, soak_result *r)
{
    soak k = { .o = o, .r = r, .random = random_open(o->seed, STREAM_LIVES), .began = crew_clock() };
    *r = (soak_result){ 0 };
    if (!begin(&k))
        return false;
    if (o->fiu && (fiu_points_open() || fiu_points_listen())) {
        snprintf(r->text, sizeof r->text, "libfiu's remote control could not be opened");
        return false;
    }
    if (o->plan) { /* the children's counts are ours, too */
        k.plan = mmap(NULL, plan_state_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (k.plan == MAP_FAILED)
            return broken(&k, "memory could not be mapped", "the plan");
    }
    bool good = true;
    while (good && go_on(&k) && !r->interrupted && crew_clock() < k.began + o->seconds &&
           (!o->lives || r->lives + 1 < o->lives)) {
        const fate f = draw_fate(&k);
        good = one_life(&k, &f);
    }
    if (good && !r->promise[0]) { /* the last one, to its end */
        const bool interrupted = r->interrupted;
        const fate whole = { .stop_after = 0.05 };
        const uint64_t compared = r->compared;
        r->interrupted = false;
        good = one_life(&k, &whole);
        r->interrupted = r->interrupted || interrupted;
        if (good && !r->promise[0] && !o->fiu && r->compared == compared) {
            snprintf(r->text, sizeof r->text, "the last life compared nothing");
            good = false;
        }
    }
    count(&k);
    if (good && o->plan && !r->promise[0] && !r->interrupted && !plan_did(&k)) {
        snprintf(r->text, sizeof r->text, "no rule of the plan fired");
        good = false;
    }
    return end(&k) && good;
}
