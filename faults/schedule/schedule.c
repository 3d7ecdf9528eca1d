/*
 * schedule.c - the scheduler (schedule.h): whose turn it is.
 *
 * A decision is made at a point, where the running thread could go on, and where it blocks, yields or ends.  All that
 * can run are candidates; some strategies also let a wait time out although others can run.  What is chosen against
 * the default is recorded as a switch: thread and number of its point.  So a recorded run can be given again, and what
 * is left of it without some switches is a run, too.
 *
 * Invariants: schedule_current runs, or nobody does (the host); its state is READY.
 * Concurrency: one thread of the system.
 */
#include "schedule.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "../fatal.h"
#include "../random.h"
#include "memory.h"
#include "schedule_internal.h"
#include "schedule_tree.h"

enum { POINTS_MAX = 1000000, HANG_MS = 5000, FIRES_MAX = 200, CLOCK_STEP_NS = 1000, WALK_RATES = 6, WALK_FIRES = 64 };
enum { FREE_NOTED_BYTES = 512, CHANGES_MAX = 16, SIGNAL_STACK_BYTES = 64 << 10 };
#define CLOCK_BEGIN_NS 1000000000u

thread *schedule_current;
thread schedule_threads[SCHEDULE_THREADS_MAX];
unsigned schedule_thread_count;
uint32_t schedule_accesses;

static struct {
    const schedule_plan *plan;
    schedule_outcome *outcome;
    fiber host;
    bool choosing;
    random_stream random;
    uint64_t walk_rate;
    uint64_t changes[CHANGES_MAX]; /* PCT: points at which the running thread falls */
    unsigned change_count;
    uint64_t clock_ns, waits, fires;
    size_t switch_capacity;
} run;

static volatile uint64_t progress; /* points and runs of this process; the timer looks at it */

const char *schedule_end_text(schedule_end end)
{
    static const char *const texts[] = {
#define SCHEDULE_END_TEXT(name, text) text,
        SCHEDULE_ENDS(SCHEDULE_END_TEXT)
#undef SCHEDULE_END_TEXT
    };
    return texts[end];
}

static unsigned hang_ms(const schedule_plan *plan)
{
    return plan->hang_ms ? plan->hang_ms : HANG_MS;
}

/* ---- ends ------------------------------------------------------------------------------------------------- */

static void describe(schedule_position *p, const thread *t)
{
    const char *state = t->state == THREAD_READY       ? t == schedule_current ? "runs" : "can run"
                        : t->state == THREAD_LOCKING   ? "waits for a mutex"
                        : t->state == THREAD_WAITING   ? "sleeps"
                        : t->state == THREAD_GRACE     ? "waits for a grace period"
                        : t->state == THREAD_JOINING   ? "waits for the end of a thread"
                                                       : "has ended";
    snprintf(p->name, sizeof p->name, "%s", t->name);
    snprintf(p->doing, sizeof p->doing, "%s, at point %u, in %s", state, t->points, t->doing ? t->doing : "its start");
    p->depth = 0;
    if (t->from)
        p->stack[p->depth++] = t->from;
    unsigned i = t->depth < SCHEDULE_STACK_MAX ? t->depth : SCHEDULE_STACK_MAX;
    while (i && p->depth < SCHEDULE_STACK_MAX)
        p->stack[p->depth++] = t->stack[--i];
}

/* The host goes on; the running thread never does. */
static _Noreturn void finish(schedule_end end)
{
    schedule_outcome *o = run.outcome;
    thread *last = schedule_current;
    o->end = end;
    o->threads = schedule_thread_count;
    for (unsigned i = 0; end != SCHEDULE_ENDED && i < schedule_thread_count; i++)
        describe(&o->at[i], &schedule_threads[i]);
    schedule_current = NULL;
    fiber_leave(&last->c, &run.host);
}

_Noreturn void schedule_found(schedule_end end, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run.outcome->text, sizeof run.outcome->text, format, arguments);
    va_end(arguments);
    finish(end);
}

/* Nobody can run. */
static _Noreturn void stuck(void)
{
    for (unsigned i = 0; i < schedule_thread_count; i++) {
        const thread *t = &schedule_threads[i];
        if (t->state != THREAD_WAITING || t->deadline)
            continue;
        uint32_t now;
        memcpy(&now, t->object, sizeof now);
        if (now != t->expected)
            schedule_found(SCHEDULE_LOST_WAKE_UP, "%s sleeps on %u, the word is %u, and nobody will wake it", t->name,
                           t->expected, now);
    }
    schedule_found(SCHEDULE_DEADLOCK, "no thread can run");
}

/* ---- choices ---------------------------------------------------------------------------------------------- */

typedef struct candidates {
    unsigned ready, timed;  /* bits of threads */
    unsigned startled;      /* that may return from a wait without reason, if anybody can run */
    thread *usual;          /* who comes when nobody chooses */
    bool stays;             /* the running thread can go on */
} candidates;

static thread *thread_of(unsigned bits, unsigned index)
{
    for (; index; index--)
        bits &= bits - 1;
    return &schedule_threads[__builtin_ctz(bits)];
}

static thread *first_timer(unsigned timed)
{
    thread *first = NULL;
    for (; timed; timed &= timed - 1) {
        thread *t = &schedule_threads[__builtin_ctz(timed)];
        if (!first || t->deadline < first->deadline)
            first = t;
    }
    return first;
}

/* stays: the running thread could go on; yields: but wants others to. */
static candidates look(bool stays, bool yields)
{
    candidates c = { .stays = stays && !yields };
    for (unsigned i = 0; i < schedule_thread_count; i++) {
        const thread *t = &schedule_threads[i];
        c.ready |= (unsigned)(t->state == THREAD_READY && (stays || t != schedule_current)) << i;
        c.timed |= (unsigned)(t->state == THREAD_WAITING && t->deadline) << i;
        c.startled |= (unsigned)(t->state == THREAD_WAITING && !t->deadline && run.plan->startles) << i;
    }
    const unsigned mine = 1u << schedule_current->number, others = c.ready & ~mine;
    if (yields && others)
        c.ready = others;
    const unsigned after = c.ready & ~(mine | (mine - 1));
    c.usual = c.stays      ? schedule_current
              : c.ready    ? thread_of(yields && after ? after : c.ready, 0)
              : c.timed    ? first_timer(c.timed)
                           : NULL;
    return c;
}

/* Who returns from a wait without reason, now and then; NULL: nobody. */
static thread *startle(const candidates *c)
{
    if (!c->startled || !random_chance(&run.random, WALK_FIRES))
        return NULL;
    return thread_of(c->startled, (unsigned)random_below(&run.random, (unsigned)__builtin_popcount(c->startled)));
}

static thread *walk(const candidates *c)
{
    if (c->stays && !random_chance(&run.random, run.walk_rate))
        return schedule_current;
    if (c->timed && random_chance(&run.random, WALK_FIRES))
        return thread_of(c->timed, (unsigned)random_below(&run.random, (unsigned)__builtin_popcount(c->timed)));
    return thread_of(c->ready, (unsigned)random_below(&run.random, (unsigned)__builtin_popcount(c->ready)));
}

static thread *highest(unsigned ready)
{
    thread *best = NULL;
    for (; ready; ready &= ready - 1) {
        thread *t = &schedule_threads[__builtin_ctz(ready)];
        if (!best || t->priority > best->priority)
            best = t;
    }
    return best;
}

static thread *pct(const candidates *c)
{
    for (unsigned i = 0; i < run.change_count; i++)
        if (run.changes[i] == run.outcome->points)
            schedule_current->priority = (int64_t)i + 1;
    return highest(c->ready);
}

static thread *given(const candidates *c)
{
    const schedule_plan *p = run.plan;
    const thread *t = schedule_current;
    for (size_t i = 0; i < p->switch_count; i++) {
        const schedule_switch *s = &p->switches[i];
        if (s->thread != t->number || s->point != t->points || s->to >= schedule_thread_count)
            continue;
        if ((c->ready | c->timed | c->startled) >> s->to & 1)
            return &schedule_threads[s->to];
    }
    return c->usual;
}

static void record(const thread *to)
{
    schedule_outcome *o = run.outcome;
    if (o->switch_count == run.switch_capacity) {
        run.switch_capacity = run.switch_capacity ? 2 * run.switch_capacity : 64;
        o->switches = fatal_realloc(o->switches, run.switch_capacity * sizeof *o->switches);
    }
    const schedule_switch s = { schedule_current->points, (uint8_t)schedule_current->number, (uint8_t)to->number };
    o->switches[o->switch_count++] = s;
    schedule_record *r = run.plan->record;
    if (r && r->count < r->capacity) {
        r->switches[r->count] = s;
        r->count++; /* behind it: the process may end between the two */
    }
}

void schedule_note(uint64_t word)
{
    if (schedule_current)
        run.outcome->digest = random_mix(run.outcome->digest ^ word) + 0x9e3779b97f4a7c15u;
}

/* Whether a thread is inside a sync while two sleep. */
static bool in_sync(void)
{
    unsigned inside = 0, asleep = 0;
    for (unsigned i = 0; i < schedule_thread_count; i++) {
        const thread *t = &schedule_threads[i];
        inside += t->state != THREAD_OVER && t->doing && !strcmp(t->doing, SCHEDULE_IN_SYNC);
        asleep += t->state == THREAD_WAITING;
    }
    return inside && asleep >= 2;
}

/* One point or block of the running thread, whose number and digest it moves on. Who comes. */
static thread *choose(const candidates *c, uint64_t what)
{
    schedule_outcome *o = run.outcome;
    thread *t = c->usual;
    schedule_current->points++;
    o->points++;
    if ((run.plan->cut_at && o->points == run.plan->cut_at) || (run.plan->cut_in_sync && in_sync()))
        finish(SCHEDULE_CUT);
    if (o->points > (run.plan->points_max ? run.plan->points_max : POINTS_MAX))
        schedule_found(SCHEDULE_LIVELOCK, "%llu points and no end", (unsigned long long)o->points);
    if (c->ready && (c->ready & (c->ready - 1) || c->timed || c->startled || run.plan->strategy == SCHEDULE_PCT)) {
        const bool draws = run.plan->strategy == SCHEDULE_WALK || run.plan->strategy == SCHEDULE_PCT;
        thread *startled = draws ? startle(c) : NULL;
        switch (run.plan->strategy) {
        case SCHEDULE_WALK: t = startled ? startled : walk(c); break;
        case SCHEDULE_PCT: t = startled ? startled : pct(c); break;
        case SCHEDULE_TREE: t = &schedule_threads[schedule_tree_choose(run.plan->tree, c->ready, c->usual->number,
                                                                       c->stays)]; break;
        case SCHEDULE_GIVEN: t = given(c); break;
        }
    }
    if (t != c->usual)
        record(t);
    o->preemptions += c->stays && t != schedule_current;
    schedule_note(what << 16 | (uint64_t)schedule_current->number << 8 | t->number);
    return t;
}

/* Goes on as t; the running one comes back when it is chosen again. */
static void go(thread *t, bool over)
{
    thread *before = schedule_current;
    if (t->state == THREAD_WAITING) { /* its time-out, or nothing */
        if (run.clock_ns < t->deadline)
            run.clock_ns = t->deadline;
        t->state = THREAD_READY;
        t->by_timer = true;
        if (++run.fires > FIRES_MAX)
            stuck();
    }
    if (t == before)
        return;
    schedule_current = t;
    race_thread(t->number);
    if (over)
        fiber_leave(&before->c, &t->c);
    fiber_switch(&before->c, &t->c);
}

_Noreturn void schedule_in_circles(const void *from)
{
    schedule_current->from = from;
    schedule_current->doing = "a loop without points";
    schedule_found(SCHEDULE_LIVELOCK, "%s has made %d accesses since its last point", schedule_current->name,
                   SCHEDULE_ACCESSES_MAX);
}

static void decide(bool stays, bool yields, uint64_t what, bool over)
{
    schedule_accesses = 0;
    progress++;
    if (!schedule_current->by_timer)
        run.fires = 0;
    const candidates c = look(stays, yields);
    if (!c.usual)
        stuck();
    go(run.choosing ? choose(&c, what) : c.usual, over);
}

/* Of a constant text: the same in every build. */
static uint64_t word_of(const char *text)
{
    uint64_t word = 0;
    memcpy(&word, text, strnlen(text, 5));
    return word;
}

void schedule_at(const char *what, const void *object, const void *from)
{
    thread *t = schedule_current;
    if (!t)
        return;
    t->doing = what;
    t->from = from;
    t->object = object;
    if (run.choosing)
        decide(true, false, word_of(what), false);
    else
        progress++;
}

void schedule_point(const char *what)
{
    schedule_at(what, NULL, __builtin_return_address(0));
}

void schedule_yield(const void *from)
{
    thread *t = schedule_current;
    if (!t)
        return;
    t->doing = "yield";
    t->from = from;
    decide(true, true, word_of("yield"), false);
}

void schedule_pause(void)
{
    schedule_yield(__builtin_return_address(0));
}

void schedule_block(thread_state state, const void *object)
{
    thread *t = schedule_current;
    t->state = state;
    t->object = object;
    t->order = ++run.waits;
    decide(false, false, 0xb10c + (uint64_t)state, false);
}

/* ---- threads ---------------------------------------------------------------------------------------------- */

static void thread_main(void)
{
    thread *t = schedule_current;
    t->run(t->argument);
    t = schedule_current;
    t->state = THREAD_OVER;
    t->from = NULL;
    t->doing = "its end";
    if (t->read_depth)
        schedule_found(SCHEDULE_MISUSE, "%s ends inside a read-side section", t->name);
    if (t->number == 0) {
        for (unsigned i = 1; i < schedule_thread_count; i++)
            if (schedule_threads[i].state != THREAD_OVER)
                schedule_found(SCHEDULE_MISUSE, "%s has not ended", schedule_threads[i].name);
        finish(SCHEDULE_ENDED);
    }
    for (unsigned i = 0; i < schedule_thread_count; i++) {
        thread *waiter = &schedule_threads[i];
        if (waiter->state == THREAD_JOINING && !(waiter->awaited &= ~(1u << t->number)))
            waiter->state = THREAD_READY;
    }
    decide(false, false, word_of("end"), true);
}

thread *schedule_start(void (*body)(void *argument), void *argument)
{
    if (schedule_thread_count == SCHEDULE_THREADS_MAX)
        return NULL;
    thread *t = &schedule_threads[schedule_thread_count];
    memset(t, 0, offsetof(thread, stack));
    t->depth = 0;
    t->number = schedule_thread_count++;
    t->run = body;
    t->argument = argument;
    snprintf(t->name, sizeof t->name, "thread %u", t->number);
    t->priority = CHANGES_MAX + 1 + (int64_t)(random_next(&run.random) >> 2);
    fiber_init(&t->c, memory_stack(t->number), MEMORY_STACK_BYTES - 4096, thread_main);
    if (schedule_current)
        race_start(t->number);
    return t;
}

unsigned schedule_spawn(void (*body)(void *argument), void *argument)
{
    const thread *t = schedule_start(body, argument);
    if (!t)
        fatal("a schedule has more than %d threads", SCHEDULE_THREADS_MAX);
    return t->number;
}

void schedule_join(unsigned threads)
{
    thread *self = schedule_current;
    self->doing = "join";
    self->from = __builtin_return_address(0);
    self->awaited = 0;
    for (unsigned i = 0; i < schedule_thread_count; i++)
        if (threads >> i & 1 && schedule_threads[i].state != THREAD_OVER)
            self->awaited |= 1u << i;
    if (self->awaited)
        schedule_block(THREAD_JOINING, NULL);
    for (unsigned i = 0; i < schedule_thread_count; i++)
        if (threads >> i & 1)
            race_join(i);
}

uintptr_t schedule_thread_number(void)
{
    /* numbers whose hashes (engine/counter.h: times this, the upper six bits) are four apart */
    static uintptr_t numbers[SCHEDULE_THREADS_MAX];
    for (uintptr_t n = 1; !numbers[0];) {
        uintptr_t found[SCHEDULE_THREADS_MAX] = { 0 };
        for (unsigned left = SCHEDULE_THREADS_MAX; left; n++) {
            const unsigned place = (unsigned)((uint64_t)n * 0x9e3779b97f4a7c15u >> 58);
            if (place % 4 == 0 && place / 4 < SCHEDULE_THREADS_MAX && !found[place / 4]) {
                found[place / 4] = n;
                left--;
            }
        }
        memcpy(numbers, found, sizeof numbers);
    }
    return schedule_current ? numbers[schedule_current->number] : numbers[SCHEDULE_THREADS_MAX - 1];
}

bool schedule_outside(void)
{
    bool others = false;
    for (unsigned i = 0; i < schedule_thread_count; i++)
        others |= &schedule_threads[i] != schedule_current && schedule_threads[i].mutexes;
    return others && schedule_current && !schedule_current->mutexes;
}

unsigned schedule_self(void)
{
    return schedule_current ? schedule_current->number : 0;
}

bool schedule_running(void)
{
    return schedule_current != NULL;
}

void schedule_name(const char *name)
{
    if (schedule_current)
        snprintf(schedule_current->name, sizeof schedule_current->name, "%s", name);
}

uint64_t schedule_now_ns(void)
{
    return run.clock_ns += CLOCK_STEP_NS;
}

void schedule_access_watched(const void *address, size_t bytes, bool write, bool atomic, const void *from)
{
    race_other other;
    race_verdict verdict = race_access(address, bytes, write, atomic, &other);
    if (verdict == RACE_NONE || !schedule_current)
        return;
    schedule_current->from = from;
    schedule_current->doing = write ? "a write" : "a read";
    if (verdict == RACE_FOUND)
        schedule_found(SCHEDULE_RACE, "%s%s of %s and %s%s of %s, of %zu bytes at %#llx", atomic ? "an atomic " : "a ",
                       write ? "write" : "read", schedule_current->name, other.atomic ? "an atomic " : "a ",
                       other.write ? "write" : "read", schedule_threads[other.thread].name, bytes,
                       (unsigned long long)other.address);
    schedule_found(SCHEDULE_USE_AFTER_FREE, "%s of %zu bytes at %#llx by %s: the memory %s",
                   write ? "a write" : "a read", bytes, (unsigned long long)other.address, schedule_current->name,
                   verdict == RACE_FREED ? "was freed" : "is beyond any piece");
}

void schedule_free(void *memory, size_t bytes)
{
    if (memory)
        schedule_access(memory, bytes < FREE_NOTED_BYTES ? bytes : FREE_NOTED_BYTES, true, false,
                        __builtin_return_address(0));
    memory_free(memory, bytes);
}

/* ---- runs ------------------------------------------------------------------------------------------------- */

/* Where the signal has met the code; one more, for positions are return addresses. NULL: not known here. */
static const void *met_at(const void *context)
{
#ifdef __x86_64__
    return (const void *)(((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] + 1);
#elif defined(__aarch64__)
    return (const void *)(((const ucontext_t *)context)->uc_mcontext.pc + 1);
#else
    (void)context;
    return NULL;
#endif
}

/* By a signal: the running thread is inside of what is not a call of a seam. */
static void stand_at(const void *context, const char *doing)
{
    const void *at = met_at(context);
    if (at)
        schedule_current->from = at;
    schedule_current->doing = doing;
}

enum { SIGNALS = 5 };
static const struct { int number; const char *name; } signals[SIGNALS] = {
    { SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" }, { SIGFPE, "SIGFPE" }, { SIGILL, "SIGILL" }, { SIGABRT, "SIGABRT" }
};
static struct sigaction signal_before[SIGNALS];

/* Outside of runs a signal is for whoever had it before. */
static void on_signal(int signal_number, siginfo_t *info, void *context)
{
    unsigned i = 0;
    (void)info;
    while (i + 1 < SIGNALS && signals[i].number != signal_number)
        i++;
    if (schedule_current) {
        stand_at(context, signals[i].name);
        schedule_found(SCHEDULE_SIGNAL, "%s in %s", signals[i].name, schedule_current->name);
    }
    sigaction(signal_number, &signal_before[i], NULL);
    raise(signal_number);
}

/* The timer: what stands where it stood a whole interval before computes without a point. */
static void on_tick(int signal_number, siginfo_t *info, void *context)
{
    static uint64_t before;
    const bool stands = schedule_current && progress == before;
    (void)signal_number;
    (void)info;
    before = progress;
    if (!stands)
        return;
    stand_at(context, "a loop without points");
    schedule_found(SCHEDULE_HANG, "%s has computed for %u ms and more since its last point", schedule_current->name,
                   hang_ms(run.plan));
}

/* Of the time that the process computes: a machine that is busy with others hangs nobody. */
static void start_timer(unsigned ms)
{
    const struct timeval interval = { ms / 1000, (suseconds_t)(ms % 1000 * 1000) };
    const struct itimerval timer = { interval, interval };
    setitimer(ITIMER_PROF, &timer, NULL);
}

static void catch(int signal_number, void (*handler)(int, siginfo_t *, void *), struct sigaction *before)
{
    struct sigaction action = { .sa_sigaction = handler,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART };
    sigaction(signal_number, &action, before);
}

/* A stack overflow is a signal too: it needs another stack.  Once in each process: a child has no timer of its own. */
static void catch_signals(const schedule_plan *plan)
{
    static pid_t caught_by;
    static unsigned timer_ms;
    static char stack[SIGNAL_STACK_BYTES];
    const bool again = caught_by != getpid();
    if (again) {
        const stack_t s = { .ss_sp = stack, .ss_size = sizeof stack };
        sigaltstack(&s, NULL);
        for (size_t i = 0; i < SIGNALS; i++)
            catch(signals[i].number, on_signal, caught_by ? NULL : &signal_before[i]);
        catch(SIGPROF, on_tick, NULL);
        caught_by = getpid();
    }
    if (again || timer_ms != hang_ms(plan)) {
        timer_ms = hang_ms(plan);
        start_timer(timer_ms);
    }
}

void schedule_begin(void)
{
    run.choosing = true;
    race_check(run.plan->races);
}

void schedule_end_choices(void)
{
    run.choosing = false;
}

void schedule_run(const schedule_plan *plan, void (*body)(void *argument), void *argument, schedule_outcome *outcome)
{
    memory_prepare();
    memory_reset();
    race_reset();
    catch_signals(plan);
    progress++;
    if (plan->record)
        plan->record->count = 0;
    memset(outcome, 0, offsetof(schedule_outcome, at));
    outcome->switches = NULL;
    outcome->switch_count = 0;
    memset(&run, 0, sizeof run);
    schedule_accesses = 0;
    run.plan = plan;
    run.outcome = outcome;
    run.random = random_open(plan->seed, 0x5c4ed);
    run.walk_rate = (uint64_t)1 << random_below(&run.random, WALK_RATES);
    run.clock_ns = CLOCK_BEGIN_NS;
    run.change_count = plan->depth ? plan->depth - 1 : 0;
    if (run.change_count > CHANGES_MAX)
        run.change_count = CHANGES_MAX;
    for (unsigned i = 0; i < run.change_count; i++)
        run.changes[i] = 1 + random_below(&run.random, plan->length ? plan->length : 1);
    schedule_thread_count = 0;
    schedule_current = NULL;
    thread *first = schedule_start(body, argument);
    snprintf(first->name, sizeof first->name, "main");
    schedule_current = first;
    race_thread(0);
    fiber_switch(&run.host, &first->c);
    schedule_current = NULL;
}
