/*
 * bench_threads.c - threads open their sessions, wait at a gate, run, and are added up.
 *
 * The time taken is from the first thread's first instruction behind the gate to the last one's end: a thread that
 * gets the processor late (more threads than processors) does not make the others look faster than they were.
 *
 * A thread beside (workload.beside) starts with the others, ends after them, and does not count in the time.  Where a
 * store tells of its checkpoints, the others go on until it has met as many as are asked for.
 *
 * Concurrency: the gate is a mutex and a condition; results are read after the join.
 */
#include "bench_threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monotonic.h"

typedef enum gate_state { GATE_SHUT, GATE_GO, GATE_GIVE_UP } gate_state;

typedef struct start_gate {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    gate_state state;
    unsigned waiting; /* threads that are ready, or have failed to be */
    bool failed;
} start_gate;

typedef struct bench_thread {
    pthread_t thread;
    start_gate *gate;
    const workload *w;
    const store_adapter *a;
    const bench_options *o;
    store *db;
    unsigned index, count;        /* index == count: the thread beside */
    bench_beside *beside;
    bool ok;
    double began_s, ended_s;
    bench_result result;
} bench_thread;

/* Binds the calling thread. It inherits what the process may use, for the thread that starts it is never bound. */
static bool pin_to(unsigned index)
{
    cpu_set_t all, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return false;
    unsigned left = index % (unsigned)CPU_COUNT(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &all) && left-- == 0) {
            CPU_SET(cpu, &one);
            break;
        }
    return pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0;
}

/* Tells that this thread is ready, or that it failed; true when all are and the run begins. */
static bool gate_pass(start_gate *g, bool ready)
{
    pthread_mutex_lock(&g->mutex);
    g->waiting++;
    g->failed = g->failed || !ready;
    pthread_cond_broadcast(&g->moved);
    while (g->state == GATE_SHUT)
        pthread_cond_wait(&g->moved, &g->mutex);
    bool go = g->state == GATE_GO;
    pthread_mutex_unlock(&g->mutex);
    return go;
}

/* Waits for `count` threads and lets them go, or home. */
static void gate_open(start_gate *g, unsigned count, bool all_started)
{
    pthread_mutex_lock(&g->mutex);
    while (g->waiting < count)
        pthread_cond_wait(&g->moved, &g->mutex);
    g->state = all_started && !g->failed ? GATE_GO : GATE_GIVE_UP;
    pthread_cond_broadcast(&g->moved);
    pthread_mutex_unlock(&g->mutex);
}

static void *thread_run(void *argument)
{
    bench_thread *t = argument;
    store_session *session = NULL;
    bool ready = true;
    if (t->o->pin && !pin_to(t->index)) {
        fprintf(stderr, "levin-bench: a thread could not be bound to a processor (--no_pin does without)\n");
        ready = false;
    }
    if (ready && t->a->session_open(t->db, &session) != STORE_OK) {
        fprintf(stderr, "levin-bench: %s: a session could not be opened\n", t->a->name);
        ready = false;
    }
    if (gate_pass(t->gate, ready)) {
        t->began_s = monotonic_s();
        t->ok = t->index == t->count
                    ? workload_run_beside(t->w, session, t->a, t->o, t->beside, &t->result)
                    : workload_run(t->w, session, t->a, t->o, t->index, t->count, t->beside, &t->result);
        t->ended_s = monotonic_s();
        if (t->index < t->count)
            atomic_fetch_sub_explicit(&t->beside->running, 1, memory_order_release);
    }
    if (session)
        t->a->session_close(session);
    return NULL;
}

static void add_up(const bench_thread *threads, unsigned n, bench_result *sum)
{
    double began_s = threads[0].began_s, ended_s = threads[0].ended_s;
    memset(sum, 0, sizeof *sum);
    for (unsigned i = 0; i < n; i++) {
        const bench_thread *t = &threads[i];
        sum->operations += t->result.operations;
        sum->bytes += t->result.bytes;
        sum->not_found += t->result.not_found;
        sum->cut = sum->cut || t->result.cut;
        began_s = t->began_s < began_s ? t->began_s : began_s;
        ended_s = t->ended_s > ended_s ? t->ended_s : ended_s;
        histogram_merge(&sum->latency, &t->result.latency);
    }
    sum->seconds = ended_s - began_s;
}

bool bench_threads_run(const workload *w, store *db, const store_adapter *a, const bench_options *o,
                       bench_result *sum)
{
    const unsigned n = w->threaded ? o->threads : 1, all = n + (w->beside != NULL);
    bench_beside beside = { n, w->beside && a->checkpoints && o->beside_checkpoints };
    start_gate gate = { .mutex = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };
    bench_thread *threads = calloc(all, sizeof *threads);
    unsigned started = 0;
    if (!threads) {
        fprintf(stderr, "levin-bench: out of memory\n");
        return false;
    }
    for (; started < all; started++) {
        threads[started] = (bench_thread){ .gate = &gate, .w = w, .a = a, .o = o, .db = db, .index = started,
                                           .count = n, .beside = &beside };
        if (pthread_create(&threads[started].thread, NULL, thread_run, &threads[started]) != 0) {
            fprintf(stderr, "levin-bench: thread %u of %u could not be started\n", started + 1, all);
            break;
        }
    }
    gate_open(&gate, started, started == all);
    bool ok = started == all;
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i].thread, NULL);
        ok = ok && threads[i].ok;
    }
    if (ok)
        add_up(threads, n, sum);
    if (ok && all > n) {
        sum->beside_operations = threads[n].result.beside_operations;
        sum->beside_max_ns = threads[n].result.beside_max_ns;
        sum->beside_checkpoints = threads[n].result.beside_checkpoints;
        sum->beside_told = threads[n].result.beside_told;
    }
    free(threads);
    return ok;
}
