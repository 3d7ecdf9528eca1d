/*
 * soak_life.c - one life of the process under test (soak_life.h).
 *
 * A thread writes its own keys only, one operation after the other, and reads them in between; so each answer is known
 * exactly while it runs.  After an error that an injected fault explains, it is not known whether the operation was
 * made: the thread ends, and the next life finds out.  An error that no fault explains is a violation.
 *
 * Before it runs, a life compares what it finds with the promises (soak_shared).  It may be killed while it does, or
 * meet a fault: then they stay as they were for the next one.
 *
 * Durability crosses threads: all writes are ordered, so what had returned anywhere before a logged write began is
 * durable with it; and where any write is found after a death, what had returned before it began is found, too:
 * PREFIX.
 *
 * A fault of a plan that a correct program does not notice (a short count, a clock that jumps, a sync that is not made)
 * excuses nothing.
 *
 * Every second life has no standard input and output, and prints all the same: what it prints must reach nothing.
 *
 * Concurrency: the threads share the store, soak_shared and `life`, whose plain members are set before they start.
 * State: the point hook has no context, hence one static life, which is this process's.
 */
#include "soak_life.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "../faults/detour.h"
#include "../faults/fatal.h"
#include "../faults/fault_io.h"
#include "../faults/fiu_points.h"
#include "../faults/random.h"
#include "workload.h"

typedef unsigned long long ull;

enum { STREAM_UPKEEP = 1 << 20, SCAN_EVERY = 32, TASK_BYTES = 40, TASK_LOOKS = 1000 };
enum { CLOSED_DESCRIPTORS = STDOUT_FILENO + 1 };

static struct life {
    const soak_life_options *o;
    soak_shared *s;
    levin *store;
    _Atomic uint64_t calls;    /* seen by the hook */
    _Atomic uint64_t injected; /* of these, made to fail; release, acquire where an error is judged */
} life;

/* ---- violations and faults -------------------------------------------------------------------------------- */

static void violated(const char *promise, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void violated(const char *promise, const char *format, ...)
{
    uint32_t none = 0;
    /* the first one stays; release below: pairs with the parent's acquire */
    if (!atomic_compare_exchange_strong(&life.s->violated, &none, 1))
        return;
    va_list arguments;
    va_start(arguments, format);
    snprintf(life.s->promise, sizeof life.s->promise, "%s", promise);
    vsnprintf(life.s->text, sizeof life.s->text, format, arguments);
    va_end(arguments);
    atomic_store_explicit(&life.s->violated, 2, memory_order_release);
}

/* Whether an error can be put down to an injected fault: there was one, and it may have this code. */
static bool excused(levin_code code)
{
    return workload_fault_explains(code) && atomic_load_explicit(&life.injected, memory_order_acquire) != 0;
}

/* What to say of an error that is not excused. */
static const char *whose(levin_code code)
{
    return workload_fault_explains(code) ? "without a fault" : "which no fault explains";
}

static void refuse(levin_code code, const char *what)
{
    levin_error error;
    levin_last_error(life.store, &error);
    if (!excused(code))
        violated("EXACT", "%s gave %s %s: %s", what, levin_code_name(code), whose(code), error.message);
}

static int error_of(const char *point, uint64_t dice)
{
    static const int of_write[] = { EIO, ENOSPC, EDQUOT, EIO }, of_open[] = { EMFILE, ENFILE, EIO, EACCES };
    const char *operation = strrchr(point, '/') + 1;
    if (!strncmp(point, "levin/mem/", 10))
        return ENOMEM;
    if (!strcmp(operation, "write") || !strcmp(operation, "preallocate"))
        return of_write[dice % 4];
    return strcmp(operation, "open") == 0 ? of_open[dice % 4] : EIO;
}

static void remember_fault(const char *point, const char *effect, uint64_t call, int os_error)
{
    /* relaxed: a place in the ring, read after the process has ended */
    uint64_t at = atomic_fetch_add_explicit(&life.s->faults, 1, memory_order_relaxed) % SOAK_FAULTS_KEPT;
    soak_fault *f = &life.s->fault[at];
    *f = (soak_fault){ .life = life.o->life, .call = call, .os_error = os_error };
    snprintf(f->point, sizeof f->point, "%s", point);
    snprintf(f->effect, sizeof f->effect, "%s", effect);
}

static bool hook(const char *point, int *os_error)
{
    const soak_life_options *o = life.o;
    if (!point)
        return false;
    /* relaxed: numbers the calls, pairs with nothing */
    const uint64_t call = atomic_fetch_add_explicit(&life.calls, 1, memory_order_relaxed);
    const uint64_t dice = random_mix(random_mix(o->seed ^ o->life << 32) + call);
    /* there are many more allocations than calls */
    const uint64_t every = o->fault_every * (strncmp(point, "levin/mem/", 10) == 0 ? 8 : 1);
    bool fails = every && dice % every == 0;
    if (fails)
        *os_error = error_of(point, dice >> 32);
    else if (o->fiu)
        fails = fiu_points_hook(point, os_error);
    if (!fails)
        return false;
    remember_fault(point, "error", call, *os_error);
    atomic_fetch_add_explicit(&life.injected, 1, memory_order_release);
    return true;
}

/* Whether the store has to do with it without an error. */
static bool is_unnoticed(const fault_choice *choice)
{
    return choice->effect == FAULT_CLOCK || choice->effect == FAULT_LIE ||
           (choice->effect == FAULT_SHORT && choice->bytes > 0);
}

static bool judge(void *context, const fault_call *call, fault_choice *choice)
{
    const uint64_t number = atomic_fetch_add_explicit(&life.calls, 1, memory_order_relaxed); /* as in hook() */
    if (!plan_judge(context, call, choice))
        return false;
    remember_fault(fault_point_name(call->kind, call->operation), plan_effect_text(choice->effect), number,
                   choice->os_error);
    if (!is_unnoticed(choice))
        atomic_fetch_add_explicit(&life.injected, 1, memory_order_release);
    return true;
}

static void set_phase(soak_phase phase)
{
    atomic_store_explicit(&life.s->phase, phase, memory_order_release); /* pairs with the parent's look */
}

static bool told_to_stop(void)
{
    /* relaxed: pairs with nothing, seen soon enough */
    return atomic_load_explicit(&life.s->stop, memory_order_relaxed) || life.s->violated;
}

/* ---- comparing with the promises -------------------------------------------------------------------------- */

/* What stands under the keys of a thread. False: it could not be read. */
static bool read_state(unsigned thread, soak_model *found)
{
    char text[SOAK_KEY_BYTES_MAX], prefix[SOAK_KEY_BYTES_MAX];
    levin_iter *it;
    memset(found, 0, sizeof *found);
    soak_key(prefix, thread, 0);
    levin_iter_options options = { .prefix = { prefix, SOAK_PREFIX_BYTES } };
    levin_code code = levin_iter_open(life.store, &options, &it);
    if (code != LEVIN_OK) {
        refuse(code, "levin_iter_open");
        return false;
    }
    unsigned key = 0;
    bool good = true;
    for (bool more = levin_iter_first(it); more && good; more = levin_iter_next(it)) {
        levin_slice name = levin_iter_key(it), value = levin_iter_value(it);
        if (!value.data && levin_iter_status(it) != LEVIN_OK)
            break;
        while (key < SOAK_KEYS && (soak_key(text, thread, key) != name.size || memcmp(text, name.data, name.size) != 0))
            key++;
        const uint64_t stamp = key < SOAK_KEYS ? soak_value_stamp(value, life.o->seed, thread, key) : 0;
        good = stamp != 0;
        if (good)
            found->stamp[key] = stamp;
        else
            violated("EXACT", "thread %u: a scan shows key \"%.*s\" with %zu bytes that nobody wrote, or out of order",
                     thread, (int)name.size, (const char *)name.data, value.size);
    }
    code = levin_iter_status(it);
    levin_iter_close(it);
    if (code != LEVIN_OK)
        refuse(code, "a scan");
    return good && code == LEVIN_OK;
}

typedef struct found_state {
    soak_model model;
    struct soak_base at; /* the first legal number of operations that makes it */
    uint64_t most;       /* the last that does */
} found_state;

/* The legal numbers of operations, from `durable` to `issued`, that make this state. */
static bool find_numbers(unsigned thread, found_state *f)
{
    const soak_thread *t = &life.s->thread[thread];
    /* acquire: pairs with the stores of the life before; its process has ended */
    const uint64_t durable = atomic_load_explicit(&t->durable, memory_order_acquire);
    const uint64_t issued = atomic_load_explicit(&t->issued, memory_order_acquire);
    const uint32_t current = atomic_load_explicit(&t->current, memory_order_acquire);
    struct soak_base at = t->base[current % 2];
    bool any = false;
    for (;;) {
        if (at.number >= durable && memcmp(&at.model, &f->model, sizeof at.model) == 0) {
            f->at = any ? f->at : at;
            f->most = at.number;
            any = true;
        }
        if (at.number >= issued)
            break;
        soak_operation o = soak_operation_make(life.o->seed, thread, at.number++);
        soak_model_apply(&at.model, &o);
    }
    if (!any)
        violated("PREFIX", "thread %u: its keys are as after none of %llu to %llu operations (%llu acknowledged)",
                 thread, (ull)durable, (ull)issued, (ull)t->acknowledged);
    return any;
}

/* That state is the new base. */
static void adopt(unsigned thread, const struct soak_base *at)
{
    soak_thread *t = &life.s->thread[thread];
    const uint32_t next = (atomic_load_explicit(&t->current, memory_order_relaxed) + 1) % 2; /* nobody else stores */
    t->base[next] = *at;
    /* release: whoever sees it sees the base; what was recovered is in files, and stays */
    atomic_store_explicit(&t->ordered, at->number, memory_order_release);
    atomic_store_explicit(&t->current, next, memory_order_release);
    atomic_store_explicit(&t->durable, at->number, memory_order_release);
    atomic_store_explicit(&t->acknowledged, at->number, memory_order_release);
    atomic_store_explicit(&t->issued, at->number, memory_order_release);
}

bool soak_order_holds(const soak_shared *s, unsigned threads, const uint64_t *numbers, const uint64_t *most,
                      unsigned *later, unsigned *missing, uint64_t *before)
{
    for (*later = 0; *later < threads; ++*later) {
        const soak_thread *t = &s->thread[*later];
        const uint64_t number = numbers[*later];
        if (number <= t->ordered || t->issued - number >= SOAK_ORDER_KEPT)
            continue; /* of an earlier life, or overwritten */
        for (*missing = 0; *missing < threads; ++*missing) {
            *before = t->before[(number - 1) % SOAK_ORDER_KEPT][*missing];
            if (most[*missing] < *before)
                return false;
        }
    }
    return true;
}

static bool check_order(const found_state *f)
{
    uint64_t numbers[SOAK_THREADS_MAX], most[SOAK_THREADS_MAX], before;
    unsigned later, missing;
    for (unsigned t = 0; t < life.o->threads; t++) {
        numbers[t] = f[t].at.number;
        most[t] = f[t].most;
    }
    if (soak_order_holds(life.s, life.o->threads, numbers, most, &later, &missing, &before))
        return true;
    violated("PREFIX", "a hole: operation %llu of thread %u is there, but of thread %u only %llu are, and %llu had "
             "returned before it began", (ull)numbers[later], later, missing, (ull)most[missing], (ull)before);
    return false;
}

static bool compare(void)
{
    /* all are read before any is judged: a fault in between leaves the promises alone */
    found_state *f = fatal_alloc_zeroed(life.o->threads * sizeof *f);
    bool good = true;
    for (unsigned t = 0; t < life.o->threads && good; t++)
        good = read_state(t, &f[t].model);
    for (unsigned t = 0; t < life.o->threads && good; t++)
        good = find_numbers(t, &f[t]);
    good = good && check_order(f);
    for (unsigned t = 0; t < life.o->threads && good; t++)
        adopt(t, &f[t].at);
    free(f);
    if (good)
        atomic_fetch_add_explicit(&life.s->compared, 1, memory_order_relaxed); /* relaxed: a count */
    return good;
}

static bool look_for_damage(void)
{
    levin_check_result result;
    levin_code code = levin_check(life.store, NULL, NULL, &result);
    if (code != LEVIN_OK)
        refuse(code, "levin_check");
    else
        atomic_fetch_add_explicit(&life.s->checks, 1, memory_order_relaxed); /* relaxed: a count */
    return code == LEVIN_OK;
}

/* ---- a thread --------------------------------------------------------------------------------------------- */

typedef struct worker {
    unsigned thread;
    soak_model model;
    levin_batch *batch;
    random_stream random; /* of its reads */
    uint8_t value[SOAK_VALUE_MAX];
} worker;

static levin_code add_changes(worker *w, const soak_operation *o, levin_txn *txn)
{
    char key[SOAK_KEY_BYTES_MAX];
    levin_code code = LEVIN_OK;
    for (unsigned i = 0; i < o->count && code == LEVIN_OK; i++) {
        const struct soak_change *c = &o->change[i];
        size_t key_bytes = soak_key(key, w->thread, c->key);
        size_t bytes = c->stamp ? soak_value(w->value, life.o->seed, w->thread, c->key, c->stamp) : 0;
        if (txn)
            code = c->stamp ? levin_txn_put(txn, key, key_bytes, w->value, bytes)
                            : levin_txn_delete(txn, key, key_bytes);
        else
            code = c->stamp ? levin_batch_put(w->batch, key, key_bytes, w->value, bytes)
                            : levin_batch_delete(w->batch, key, key_bytes);
    }
    return code;
}

static levin_code write_batch(worker *w, const soak_operation *o)
{
    levin_ticket *ticket;
    levin_batch_clear(w->batch);
    levin_code code = add_changes(w, o, NULL);
    if (code != LEVIN_OK)
        return code;
    if (o->kind == SOAK_BATCH)
        return levin_write(life.store, w->batch, o->durability);
    code = levin_write_async(life.store, w->batch, o->durability, &ticket);
    return code == LEVIN_OK ? levin_ticket_wait(ticket) : code;
}

/* What a get answered is what the model says. */
static void require_value(const worker *w, unsigned key, levin_code code, levin_slice value)
{
    const uint64_t right = w->model.stamp[key];
    if (code != LEVIN_OK && code != LEVIN_NOT_FOUND) {
        refuse(code, "a get");
        return;
    }
    const uint64_t got = code == LEVIN_OK ? soak_value_stamp(value, life.o->seed, w->thread, key) : 0;
    const bool good = (code == LEVIN_OK) == (right != 0) && got == right;
    if (!good)
        violated("EXACT", "thread %u: a get of key %u gave %s, %zu bytes; it was last written by operation %llu",
                 w->thread, key, levin_code_name(code), value.size, (ull)right);
}

static levin_code write_transaction(worker *w, const soak_operation *o)
{
    char key[SOAK_KEY_BYTES_MAX];
    const char *flaw = NULL;
    levin_txn *txn;
    void *value = NULL;
    size_t bytes = 0;
    levin_code code = levin_txn_begin(life.store, NULL, &txn);
    if (code != LEVIN_OK)
        return code;
    const size_t key_bytes = soak_key(key, w->thread, o->change[0].key);
    code = levin_txn_get_alloc(txn, key, key_bytes, &value, &bytes);
    require_value(w, o->change[0].key, code, (levin_slice){ value, bytes });
    levin_free(life.store, code == LEVIN_OK ? value : NULL);
    if (code == LEVIN_OK || code == LEVIN_NOT_FOUND)
        code = detour_take(life.store, txn, NULL, (levin_slice){ key, key_bytes }, &flaw);
    if (code == LEVIN_OK)
        code = add_changes(w, o, txn);
    if (code == LEVIN_OK)
        code = levin_txn_commit(txn, o->durability);
    levin_txn_destroy(txn);
    if (flaw)
        violated("EXACT", "thread %u: %s", w->thread, flaw);
    return code;
}

static levin_code write_operation(worker *w, const soak_operation *o)
{
    char key[SOAK_KEY_BYTES_MAX], end[SOAK_KEY_BYTES_MAX];
    const size_t key_bytes = soak_key(key, w->thread, o->change[0].key);
    switch (o->kind) {
    case SOAK_PUT:
        return levin_put(life.store, key, key_bytes, w->value,
                         soak_value(w->value, life.o->seed, w->thread, o->change[0].key, o->change[0].stamp),
                         o->durability);
    case SOAK_DELETE:
        return levin_delete(life.store, key, key_bytes, o->durability);
    case SOAK_BATCH:
    case SOAK_ASYNC:
        return write_batch(w, o);
    case SOAK_TRANSACTION:
        return write_transaction(w, o);
    case SOAK_RANGE: {
        const unsigned to = o->to < SOAK_KEYS ? o->to : SOAK_KEYS - 1;
        size_t end_bytes = soak_key(end, w->thread, to);
        if (o->to >= SOAK_KEYS) /* the last key too */
            end[end_bytes++] = 0;
        return levin_delete_range(life.store, (levin_slice){ key, key_bytes }, (levin_slice){ end, end_bytes },
                                  o->durability);
    }
    case SOAK_ALL:
        return levin_delete_prefix(life.store, key, SOAK_PREFIX_BYTES, o->durability);
    }
    return LEVIN_INVALID;
}

static void raise_to(_Atomic uint64_t *number, uint64_t to)
{
    uint64_t now = atomic_load_explicit(number, memory_order_relaxed);
    while (now < to &&
           !atomic_compare_exchange_weak_explicit(number, &now, to, memory_order_release, memory_order_relaxed))
        ;
}

/* False: it is not known whether the operation was made. */
static bool write_next(worker *w, uint64_t number)
{
    soak_shared *s = life.s;
    uint64_t before[SOAK_THREADS_MAX];
    const soak_operation o = soak_operation_make(life.o->seed, w->thread, number);
    for (unsigned t = 0; t < life.o->threads; t++) {
        before[t] = atomic_load_explicit(&s->thread[t].acknowledged, memory_order_acquire); /* the store below */
        /* relaxed: the release of `issued` comes after it */
        atomic_store_explicit(&s->thread[w->thread].before[number % SOAK_ORDER_KEPT][t], before[t],
                              memory_order_relaxed);
    }
    atomic_store_explicit(&s->thread[w->thread].issued, number + 1, memory_order_release); /* before it can be seen */
    levin_code code = write_operation(w, &o);
    if (code != LEVIN_OK) {
        refuse(code, "a write");
        return false;
    }
    soak_model_apply(&w->model, &o);
    atomic_store_explicit(&s->thread[w->thread].acknowledged, number + 1, memory_order_release);
    if (o.durability != LEVIN_NONE) {
        before[w->thread] = number + 1;
        for (unsigned t = 0; t < life.o->threads; t++)
            raise_to(&s->thread[t].durable, before[t]);
    }
    return true;
}

static void read_some(worker *w, uint64_t number)
{
    char key[SOAK_KEY_BYTES_MAX];
    void *value = NULL;
    size_t bytes = 0;
    const unsigned which = (unsigned)random_below(&w->random, SOAK_KEYS);
    levin_code code = levin_get_alloc(life.store, NULL, key, soak_key(key, w->thread, which), &value, &bytes);
    require_value(w, which, code, (levin_slice){ value, bytes });
    levin_free(life.store, code == LEVIN_OK ? value : NULL);
    atomic_fetch_add_explicit(&life.s->reads, 1, memory_order_relaxed); /* relaxed: a count */
    if (number % SCAN_EVERY)
        return;
    soak_model found;
    if (read_state(w->thread, &found) && memcmp(&found, &w->model, sizeof found) != 0)
        violated("EXACT", "thread %u: a scan after %llu operations shows another state", w->thread, (ull)number);
}

static void *run_worker(void *argument)
{
    worker *w = argument;
    const soak_thread *t = &life.s->thread[w->thread];
    uint64_t number = t->base[t->current % 2].number; /* set before the thread was made */
    w->model = t->base[t->current % 2].model;
    w->random = random_open(life.o->seed + life.o->life, w->thread);
    levin_code code = levin_batch_create(life.store, &w->batch);
    if (code != LEVIN_OK) {
        refuse(code, "levin_batch_create");
        return NULL;
    }
    while (!told_to_stop() && write_next(w, number))
        read_some(w, ++number);
    levin_batch_destroy(w->batch);
    return NULL;
}

/* ---- upkeep ----------------------------------------------------------------------------------------------- */

static _Atomic bool workers_ended; /* release by the main thread, acquire by upkeep */

static bool lacks_descriptors(void)
{
    return life.o->life % 2 != 0;
}

static void print_to_nobody(void)
{
    static const char text[] = "printed by a process that has closed its standard descriptors\n";
    for (int descriptor = 0; lacks_descriptors() && descriptor < CLOSED_DESCRIPTORS; descriptor++) {
        if (write(descriptor, text, sizeof text - 1) >= 0)
            violated("DURABLE", "a file has the closed descriptor %d, and what is printed goes into it", descriptor);
    }
}

static void *run_upkeep(void *nothing)
{
    random_stream random = random_open(life.o->seed + life.o->life, STREAM_UPKEEP);
    (void)nothing;
    while (!told_to_stop() && !atomic_load_explicit(&workers_ended, memory_order_acquire)) {
        const uint64_t dice = random_below(&random, 8);
        levin_code code = dice < 3   ? levin_checkpoint(life.store)
                          : dice < 5 ? levin_compact(life.store, NULL, NULL)
                          : dice < 7 ? levin_collect(life.store, 70)
                                     : levin_sync(life.store);
        if (code != LEVIN_OK)
            refuse(code, "upkeep");
        print_to_nobody();
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 * (long)(1 + random_below(&random, 30)) }, NULL);
    }
    return NULL;
}

/* ---- a life ----------------------------------------------------------------------------------------------- */

static unsigned entries(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    if (!directory)
        fatal("%s cannot be read", path);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void run_threads(void)
{
    static worker workers[SOAK_THREADS_MAX];
    pthread_t threads[SOAK_THREADS_MAX], upkeep;
    for (unsigned t = 0; t < life.o->threads; t++) {
        workers[t].thread = t;
        if (pthread_create(&threads[t], NULL, run_worker, &workers[t]))
            fatal("a thread could not be made");
    }
    if (pthread_create(&upkeep, NULL, run_upkeep, NULL))
        fatal("a thread could not be made");
    for (unsigned t = 0; t < life.o->threads; t++)
        pthread_join(threads[t], NULL);
    atomic_store_explicit(&workers_ended, true, memory_order_release);
    pthread_join(upkeep, NULL);
}

/* A thread that was joined may stand in /proc for an instant more. */
static unsigned tasks_left(unsigned before)
{
    unsigned tasks = entries("/proc/self/task");
    for (unsigned i = 0; i < TASK_LOOKS && tasks > before; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        tasks = entries("/proc/self/task");
    }
    return tasks;
}

static void require_nothing_held(const fault_io *f, const char *after, unsigned files_before, unsigned tasks_before)
{
    uint64_t files, bytes, allocations;
    fault_io_held(f, &files, &bytes, &allocations);
    if (files || bytes || allocations)
        violated("LEAK", "after %s: %llu files, %llu bytes in %llu pieces", after, (ull)files, (ull)bytes,
                 (ull)allocations);
    const unsigned files_now = entries("/proc/self/fd"), tasks_now = tasks_left(tasks_before);
    if (files_now != files_before || tasks_now > tasks_before)
        violated("LEAK", "after %s: %u descriptors, before levin_open %u; %u threads, before %u", after, files_now,
                 files_before, tasks_now, tasks_before);
}

/*
 * What was acknowledged is durable after a close; but not what an earlier life had been told and lost with its process,
 * as it may, when this one could not compare it and so did not learn of it.
 */
static void close_store(const fault_io *f, bool compared, unsigned files_before, unsigned tasks_before)
{
    set_phase(SOAK_CLOSES);
    levin_code code = levin_close(life.store);
    if (code != LEVIN_OK && !excused(code))
        violated("EXACT", "levin_close gave %s %s", levin_code_name(code), whose(code));
    for (unsigned t = 0; code == LEVIN_OK && compared && t < life.o->threads; t++)
        raise_to(&life.s->thread[t].durable, life.s->thread[t].acknowledged);
    require_nothing_held(f, "levin_close", files_before, tasks_before);
}

static void options_of(levin_options *options, const levin_io *io)
{
    levin_options_init(options);
    if (levin_options_preset(options, LEVIN_PRESET_DEVELOPMENT) != LEVIN_OK)
        fatal("the preset is gone");
    options->value_log_threshold_bytes = 1024;
    options->value_log_segment_bytes = 128 << 10;
    options->io = io;
}

static void *own_task(void *argument)
{
    snprintf(argument, TASK_BYTES, "/proc/self/task/%d", (int)gettid());
    return NULL;
}

/* ThreadSanitizer starts a thread of its own with a process's first one: it is there before threads are counted. */
static void first_thread(void)
{
    pthread_t thread;
    char task[TASK_BYTES];
    if (pthread_create(&thread, NULL, own_task, task))
        fatal("a thread could not be made");
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < TASK_LOOKS && access(task, F_OK) == 0; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void live(const fault_io *f, const levin_io *io)
{
    levin_options options;
    levin_error error = { 0 };
    first_thread();
    const unsigned files = entries("/proc/self/fd"), tasks = entries("/proc/self/task");
    options_of(&options, io);
    set_phase(SOAK_OPENS);
    const uint64_t began = io->now_ns(io->context);
    const levin_code code = levin_open(life.o->path, &options, &life.store, &error);
    if (code != LEVIN_OK) {
        if (!excused(code))
            violated("SURVIVE", "levin_open gave %s %s: %s", levin_code_name(code), whose(code), error.message);
        require_nothing_held(f, "a levin_open that failed", files, tasks);
        return;
    }
    raise_to(&life.s->recovery_max_ns, io->now_ns(io->context) - began);
    set_phase(SOAK_COMPARES);
    const bool compared = compare();
    if (compared && (life.o->life % 4 || look_for_damage())) {
        set_phase(SOAK_RUNS);
        run_threads();
    }
    close_store(f, compared, files, tasks);
}

_Noreturn void soak_life(const soak_life_options *o, soak_shared *s)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN); /* the parent ends it */
    life = (struct life){ .o = o, .s = s };
    for (int descriptor = 0; lacks_descriptors() && descriptor < CLOSED_DESCRIPTORS; descriptor++)
        close(descriptor);
    fault_io *f = fault_io_create(levin_io_posix());
    if (o->fault_every || o->fiu)
        fault_io_set_point_hook(f, hook);
    if (o->plan)
        fault_io_set_judge(f, judge, o->plan);
    live(f, fault_io_table(f));
    fault_io_destroy(f);
    set_phase(SOAK_ENDED);
    _exit(0);
}
