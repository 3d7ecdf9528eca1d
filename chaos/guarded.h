/*
 * guarded.h - code that may die, hang or eat all memory, in a child process of its own.
 *
 * The child inherits everything copy-on-write, and leaves nothing but an outcome and a sentence.  It ends by _exit():
 * no destructor of a store's library runs.  Its standard output and error go to /dev/null, unless it tells.
 */
#ifndef CHAOS_GUARDED_H
#define CHAOS_GUARDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, text): what a store made of what was done to it; from the least to the worst. */
#define OUTCOMES(X)                                                                                             \
    X(OUTCOME_RIGHT, "right")       /* every answer was right */                                                \
    X(OUTCOME_DETECTED, "detected") /* no answer was wrong, and some call failed */                             \
    X(OUTCOME_LOCK, "leaked lock")  /* after a failed open, sound files cannot be opened either */              \
    X(OUTCOME_LOST, "lost")         /* all answers are those of an earlier state, and no call told */           \
    X(OUTCOME_HOLE, "hole")         /* all answers were right once, but never together */                       \
    X(OUTCOME_WRONG, "wrong")       /* an answer that never was right */                                        \
    X(OUTCOME_HANG, "hang")         /* no end within the time */                                                \
    X(OUTCOME_SIGNAL, "signal")     /* the process died */
typedef enum outcome {
#define OUTCOME_ENUM(name, text) name,
    OUTCOMES(OUTCOME_ENUM)
#undef OUTCOME_ENUM
    OUTCOME_COUNT
} outcome;

enum { GUARDED_TEXT_BYTES = 480 };

/* What a store says may quote a damaged file: bytes that are not printable ASCII become '?'. */
void text_make_plain(char *text);
/* "leaked lock" */
const char *outcome_text(outcome what);
/* Whether no user could live with it: all but right and detected. */
bool outcome_is_bad(outcome what);

typedef struct guarded_limits {
    double seconds;        /* on the clock, without those in which it had no processor; and of computing; 0: 30 */
    double idle_seconds;   /* without any computing: it waits for what will not come; 0: not looked at */
    bool tells;            /* its standard error is the caller's */
    uint64_t memory_bytes; /* address space that the child may have beyond what the caller has; 0: no limit. Sanitizers
                            * need it all, so in a build with them it is ignored. */
} guarded_limits;

/* Runs in the child. `text` takes a sentence for the caller. */
typedef outcome guarded_body(void *context, char text[GUARDED_TEXT_BYTES]);

/*
 * Runs the body in a child and waits for it.  A death or an exit() is OUTCOME_SIGNAL, no end in time is OUTCOME_HANG;
 * the text then says how, behind what the body had left in it.  Ends the harness when no child can be made.
 */
outcome guarded_run(const guarded_limits *limits, guarded_body *body, void *context, char text[GUARDED_TEXT_BYTES]);

#endif
