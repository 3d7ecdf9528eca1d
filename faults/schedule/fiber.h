/*
 * fiber.h - a user-level thread of control: a stack, and where it stands.
 *
 * A switch saves the registers that a call preserves and takes the other stack: some nanoseconds on x86-64, a call of
 * swapcontext() elsewhere.  All fibers run on one thread of the system, so they share its thread-local storage.
 * AddressSanitizer is told of every switch.
 */
#ifndef LEVIN_FAULTS_FIBER_H
#define LEVIN_FAULTS_FIBER_H

#include <stddef.h>
#ifndef __x86_64__
#include <ufiber.h>
#endif

typedef struct fiber {
#ifdef __x86_64__
    void *stack_pointer;
#else
    ucontext_t registers;
#endif
    void (*entry)(void); /* NULL in the fiber of the system's own thread */
    void *stack;         /* lowest byte */
    size_t stack_bytes;
    void *fake_stack;    /* AddressSanitizer's */
} fiber;

/* entry runs at the first switch to it, and never returns. The stack is the caller's. */
void fiber_init(fiber *c, void *stack, size_t stack_bytes, void (*entry)(void));
/* Saves where the caller stands in *from, goes on where *to stands. *from may be zeroed: the system's thread. */
void fiber_switch(fiber *from, fiber *to);
/* The same, and *from will never be gone back to. */
_Noreturn void fiber_leave(fiber *from, fiber *to);

#endif
