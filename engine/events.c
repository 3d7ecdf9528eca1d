/*
 * events.c - messages for the log callback, limited in rate (events.h).
 *
 * Invariants: of the threads that find an interval over, one speaks.  The end of a full disk is told if, and only if,
 * its beginning was.
 * Concurrency: events.h.  Crash safety: memory only.
 */
#include "events.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    levin_log_level level;
    uint64_t interval_ns;
} messages[] = {
#define ROW(name, level, interval_ms, format) { level, (uint64_t)interval_ms * 1000000 },
    LEVIN_MESSAGES(ROW)
#undef ROW
};

/* Whether this call is the one that speaks; *left_out: those before it that did not. */
static bool gate_opens(struct event_gate *gate, uint64_t interval_ns, uint64_t now_ns, uint64_t *left_out)
{
    *left_out = 0;
    if (!interval_ns)
        return true;
    uint64_t next = atomic_load_explicit(&gate->next_ns, memory_order_relaxed); /* see events.h: pairs with nothing */
    if (now_ns < next || !atomic_compare_exchange_strong_explicit(&gate->next_ns, &next, now_ns + interval_ns,
                                                                  memory_order_relaxed, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&gate->left_out, 1, memory_order_relaxed);
        return false;
    }
    *left_out = atomic_exchange_explicit(&gate->left_out, 0, memory_order_relaxed);
    return true;
}

bool event_write(events *e, const levin_options *options, const levin_io *io, enum event_id id, const char *format, ...)
{
    char text[640];
    uint64_t left_out;
    va_list arguments;
    if (!options->log || !gate_opens(&e->gates[id], messages[id].interval_ns, io->now_ns(io->context), &left_out))
        return false;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (left_out && n > 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, " (and %llu like it, not told)", (unsigned long long)left_out);
    options->log(options->log_context, messages[id].level, text);
    return true;
}

void event_full(events *e, const levin_options *options, const levin_io *io, enum event_full who, const char *why)
{
    if (!options->log)
        return;
    atomic_fetch_add_explicit(&e->full_failures, 1, memory_order_relaxed); /* all here: see events.h */
    if (atomic_fetch_or_explicit(&e->full, (unsigned)who, memory_order_relaxed))
        return;
    atomic_store_explicit(&e->full_failures, 1, memory_order_relaxed);
    atomic_store_explicit(&e->full_since_ns, io->now_ns(io->context), memory_order_relaxed);
    bool told = event_write(e, options, io, EVENT_full_disk, event_full_disk, why);
    atomic_store_explicit(&e->full_told, told, memory_order_relaxed);
}

void event_space_slow(events *e, const levin_options *options, const levin_io *io, enum event_full who)
{
    uint32_t before = atomic_fetch_and_explicit(&e->full, ~(unsigned)who, memory_order_relaxed); /* see events.h */
    if (before != (unsigned)who || !atomic_load_explicit(&e->full_told, memory_order_relaxed))
        return; /* the other one still has none, or nobody was told */
    uint64_t since = atomic_load_explicit(&e->full_since_ns, memory_order_relaxed), now = io->now_ns(io->context);
    event_write(e, options, io, EVENT_space_again, event_space_again, (unsigned long long)((now - since) / 1000000),
                (unsigned long long)atomic_load_explicit(&e->full_failures, memory_order_relaxed));
}
