/*
 * race.h - which accesses are ordered: vector clocks of the threads and of what orders them, and the last accesses of
 * every granule of the watched region (memory.h).
 *
 * The happens-before relation of C11, as FastTrack (Flanagan and Freund, 2009) and ThreadSanitizer (Serebryany and
 * Iskhodzhanov, 2009) keep it: release stores, acquire loads, release sequences headed by a thread and continued by
 * read-modify-writes; mutexes, starts and joins of threads, grace periods.  Two accesses of a granule, one of them a
 * write, one of them plain, and neither ordered before the other, are a race, whatever schedule has led to them: so an
 * order too weak for the plain data behind it is seen although all atomics of a run are interleaved in one sequence.
 *
 * Limits: a load never returns an older value than the newest, so an order that only atomics stand behind is not
 * seen; a granule remembers RACE_CELLS accesses; of accesses of more than 256 bytes (memcpy, memset) one granule in 16
 * is compared.
 * One thread of the system.
 */
#ifndef LEVIN_FAULTS_RACE_H
#define LEVIN_FAULTS_RACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RACE_THREADS = 16, RACE_CELLS = 4 };

typedef enum race_verdict { RACE_NONE, RACE_FOUND, RACE_FREED, RACE_NEVER } race_verdict;

/* What was found: the access that the current one is not ordered with. */
typedef struct race_other {
    unsigned thread;
    bool write, atomic;
    uintptr_t address;
} race_other;

/* Forgets all accesses and orders; thread 0 runs. */
void race_reset(void);
/* Plain accesses are noted and compared from now on; off: only whether memory is live. */
void race_check(bool on);
extern bool race_checking;
/* The thread that runs from now on. */
void race_thread(unsigned thread);

race_verdict race_access(const void *address, size_t bytes, bool write, bool atomic, race_other *other);

/* The running thread has acquired, or releases, what goes by this watched address (an atomic, a mutex, ...). */
void race_acquire(const void *address);
void race_release(const void *address);       /* beside what others have released there */
void race_release_store(const void *address); /* instead of it: a store that heads a release sequence */
void race_relaxed_store(const void *address); /* ends a release sequence of another thread */
void race_start(unsigned thread);             /* everything so far comes before the thread */
void race_join(unsigned thread);              /* everything of the thread comes before what follows */

#endif
