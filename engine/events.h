/*
 * events.h - what the log callback is told: the messages of LEVIN_MESSAGES (levin.h), each with its limit of rate.
 *
 * A message comes at most once in its interval; those left out are counted, and the next one says how many they were.
 * The time is that of the I/O table, and is asked for only when there is a callback.
 *
 * Threads: any, at once, also under locks of the store.  Lock-free: one compare-and-swap decides who of several speaks.
 */
#ifndef LEVIN_EVENTS_H
#define LEVIN_EVENTS_H

#include <stdatomic.h>

#include "io.h"
#include "levin.h"

enum event_id {
#define EVENT_ID(name, level, interval_ms, format) EVENT_##name,
    LEVIN_MESSAGES(EVENT_ID)
#undef EVENT_ID
    EVENT_COUNT
};

/* Arrays, so that the compiler checks arguments against them as against literals. */
#define EVENT_FORMAT(name, level, interval_ms, format) \
    static const char event_##name[] __attribute__((unused)) = format;
LEVIN_MESSAGES(EVENT_FORMAT)
#undef EVENT_FORMAT

/* Zeroed: nothing was said yet. */
typedef struct events {
    struct event_gate {
        _Atomic uint64_t next_ns; /* not before; relaxed, changed by who speaks */
        _Atomic uint64_t left_out; /* since somebody spoke; relaxed */
    } gates[EVENT_COUNT];
    /* a full disk, from the first failure to the first success */
    _Atomic uint32_t full;        /* of enum event_full; relaxed: it decides about a message only */
    _Atomic uint32_t full_told;   /* its beginning was not left out */
    _Atomic uint64_t full_since_ns, full_failures;
} events;

/* Who has found no space; the end is when both have found some. */
enum event_full { EVENT_FULL_WRITE = 1, EVENT_FULL_CHECKPOINT = 2 };

/*
 * event_tell(db, name, ...): the message of that name, with the arguments that its format asks for. db has the members
 * options and events, and io, whose clock decides. Returns whether it was told.
 */
#define event_tell(db, name, ...)                                                                               \
    event_write(&(db)->events, &(db)->options, (db)->io, EVENT_##name, event_##name, __VA_ARGS__)
bool event_write(events *e, const levin_options *options, const levin_io *io, enum event_id id, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* LEVIN_NO_SPACE met by `who`; why is its message. */
void event_full(events *e, const levin_options *options, const levin_io *io, enum event_full who, const char *why);
void event_space_slow(events *e, const levin_options *options, const levin_io *io, enum event_full who);
/* `who` has found space. */
static inline void event_space(events *e, const levin_options *options, const levin_io *io, enum event_full who)
{
    if (atomic_load_explicit(&e->full, memory_order_relaxed) & (unsigned)who)
        event_space_slow(e, options, io, who);
}

#endif
