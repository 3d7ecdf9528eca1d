/*
 * schedule.h - threads of which one runs at a time, and a scheduler that chooses which at every point where they can
 * meet.
 *
 * A run is a function of its plan and of the code that runs: the same plan gives the same digest.  Its threads are
 * fibers (fiber.h) on one thread of the system.  Points are the calls of sync.h and reclaim.h, which are implemented
 * here (sync_schedule.c, reclaim_schedule.c), those of an I/O table (schedule_io.h), and every atomic of objects
 * compiled with -fsanitize=thread (tsan_calls.c), but for counters (quiet_begin.h).  Their plain accesses are compared
 * (race.h).
 *
 * Strategies:
 *   walk  at each point another thread comes with a probability of 1, 1/2, ... 1/32, drawn once a run
 *   PCT   random priorities; the highest that can run does; at depth - 1 points out of `length`, drawn by the seed, the
 *         running thread falls below all others.  A bug of depth d among n threads and k points is found with
 *         probability 1 / (n k^(d - 1)) at least (Burckhardt, Kothari, Musuvathi, Nagarakatti 2010).  Who yields
 *         lets the next go first, once
 *   tree  all schedules of at most so many preemptions, one after the other (iterative context bounding: Musuvathi and
 *         Qadeer, 2007)
 *   given switches; everywhere else the running thread goes on, and the lowest that can comes when it blocks
 *
 * Time is virtual: it goes on a little with each look at the clock, and jumps to the next time-out when nobody can run.
 *
 * What never comes to a point cannot be scheduled: a loop of accesses is a livelock after so many of them, a loop of
 * nothing but computing is a hang after so much time of the processor, by a timer.
 *
 * A run ends when thread 0 returns, at the power cut of the plan, or with a finding.  In the last two the other threads
 * are left where they stand and never come back: whoever has started the run frees what they held.
 *
 * One run at a time; one thread of the system.
 */
#ifndef LEVIN_FAULTS_SCHEDULE_H
#define LEVIN_FAULTS_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCHEDULE_THREADS_MAX = 15, SCHEDULE_STACK_MAX = 96 };

typedef enum schedule_strategy {
    SCHEDULE_GIVEN,
    SCHEDULE_WALK,
    SCHEDULE_PCT,
    SCHEDULE_TREE
} schedule_strategy;

/* When `thread` stands at its point number `point`, or blocks there, `to` comes. */
typedef struct schedule_switch {
    uint32_t point;
    uint8_t thread, to;
} schedule_switch;

/*
 * A record of switches that lies where its owner likes, in memory shared with another process for one: it is complete
 * up to the last decision even if the run ends with the process.  What has no room is left out.
 */
typedef struct schedule_record {
    schedule_switch *switches;
    size_t capacity, count;
} schedule_record;

typedef struct schedule_tree schedule_tree;

typedef struct schedule_plan {
    schedule_strategy strategy;
    uint64_t seed;                   /* walk, PCT */
    unsigned depth;                  /* PCT: at least 1 */
    uint32_t length;                 /* PCT: points of a run, about */
    const schedule_switch *switches; /* given: ascending by thread and point */
    size_t switch_count;
    schedule_tree *tree;             /* tree */
    uint64_t cut_at;                 /* the power goes at this point, counted from schedule_begin(); 0: never */
    bool cut_in_sync;                /* the power goes once a thread is inside a sync of the I/O table and two sleep */
    uint64_t points_max;             /* more are a livelock; 0: 1,000,000 */
    unsigned hang_ms;                /* of computing without a point: a hang; 0: 5,000 */
    schedule_record *record;         /* of this run, too; may be NULL */
    bool races;                      /* plain accesses are compared */
    bool startles;                   /* walk, PCT: waits also return although nobody woke them (sync.h allows it) */
} schedule_plan;

/* X(name, text): how a run ended. */
#define SCHEDULE_ENDS(X)                                                                                        \
    X(SCHEDULE_ENDED, "ended")                                                                                  \
    X(SCHEDULE_CUT, "power cut")                                                                                \
    X(SCHEDULE_DEADLOCK, "deadlock")                                                                            \
    X(SCHEDULE_LOST_WAKE_UP, "lost wake-up")                                                                    \
    X(SCHEDULE_LIVELOCK, "livelock")                                                                            \
    X(SCHEDULE_HANG, "hang")                                                                                    \
    X(SCHEDULE_RACE, "race")                                                                                    \
    X(SCHEDULE_USE_AFTER_FREE, "use after free")                                                                \
    X(SCHEDULE_MISUSE, "misuse of a seam")                                                                      \
    X(SCHEDULE_ASSERTION, "assertion")                                                                          \
    X(SCHEDULE_SIGNAL, "signal")                                                                                \
    X(SCHEDULE_CHECK, "check")                                                                                  \
    X(SCHEDULE_DIED, "death of the process")                  /* which nobody but its parent can say */
typedef enum schedule_end {
#define SCHEDULE_END_ENUM(name, text) name,
    SCHEDULE_ENDS(SCHEDULE_END_ENUM)
#undef SCHEDULE_END_ENUM
    SCHEDULE_END_COUNT
} schedule_end;
const char *schedule_end_text(schedule_end end);

/* Where a thread stood when the run ended: return addresses, the innermost first. */
typedef struct schedule_position {
    char name[24];
    char doing[80];
    const void *stack[SCHEDULE_STACK_MAX];
    unsigned depth;
} schedule_position;

typedef struct schedule_outcome {
    schedule_end end;
    char text[400];                 /* of a finding */
    uint64_t digest;                /* of all decisions */
    uint64_t points;                /* made since schedule_begin() */
    uint64_t preemptions;           /* the running thread could have gone on */
    unsigned threads;
    schedule_position at[SCHEDULE_THREADS_MAX]; /* filled for findings and cuts */
    schedule_switch *switches;      /* that give the same run; the caller frees them */
    size_t switch_count;
} schedule_outcome;

/*
 * Runs main(argument) as thread 0, with a fresh heap (memory.h).  Its decisions are those of the plan between
 * schedule_begin() and schedule_end(); before and after, nothing is chosen and nothing counted.
 */
void schedule_run(const schedule_plan *plan, void (*run)(void *argument), void *argument, schedule_outcome *outcome);

/* ---- by thread 0 of a run ---- */
void schedule_begin(void);
void schedule_end_choices(void);

/* ---- by any thread of a run ---- */
/* Starts a thread, without a point; its number. */
unsigned schedule_spawn(void (*run)(void *argument), void *argument);
/* Waits for the ends of these threads, bits by number, in one step and without a point. */
void schedule_join(unsigned threads);
/* A point; what it is about is for people and for the digest. */
void schedule_point(const char *what);
/* A point after which others go first, if any can. */
void schedule_pause(void);
/* Ends the run with a finding. */
_Noreturn void schedule_found(schedule_end end, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The number of the running thread, 0 for the first; they count up as they are started. */
unsigned schedule_self(void);
void schedule_name(const char *name); /* of the running thread, for people */
uint64_t schedule_now_ns(void);
/* Gives a piece of memory.h back; an access that is not ordered before that is a race. */
void schedule_free(void *memory, size_t bytes);
/* Mixes an outcome into the digest. */
void schedule_note(uint64_t word);
bool schedule_running(void); /* whether the caller is a thread of a run */
/* Whether another thread holds a mutex, and the running one none. */
bool schedule_outside(void);

/* ---- all schedules of a small case ---- */
/* preemptions UINT_MAX: no bound. The tree starts with the schedule of no preemption. */
schedule_tree *schedule_tree_create(unsigned preemptions);
void schedule_tree_destroy(schedule_tree *tree);
/* After a run: goes to the next schedule. False: that was the last one. */
bool schedule_tree_next(schedule_tree *tree);

#endif
