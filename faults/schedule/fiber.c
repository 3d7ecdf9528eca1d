/*
 * fiber.c - the switch (fiber.h).
 *
 * Invariants: a fiber that does not run has its registers on its own stack, under stack_pointer.
 * Concurrency: one thread of the system.
 */
#include "fiber.h"

#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif

#ifdef FIBER_ASAN
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

/* The system's own thread: where its stack is. */
static void stack_of_thread(fiber *c)
{
    pthread_attr_t attributes;
    if (c->stack || pthread_getattr_np(pthread_self(), &attributes))
        return;
    pthread_attr_getstack(&attributes, &c->stack, &c->stack_bytes);
    pthread_attr_destroy(&attributes);
}

static void leaving(fiber *from, fiber *to, void **fake_stack)
{
    stack_of_thread(from);
    __sanitizer_start_switch_fiber(fake_stack, to->stack, to->stack_bytes);
}

static void arrived(void *fake_stack)
{
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
}
#define unpoison(memory, bytes) __asan_unpoison_memory_region(memory, bytes)
#else
#define unpoison(memory, bytes) ((void)0)
#define leaving(from, to, fake_stack) ((void)0)
#define arrived(fake_stack) ((void)0)
#endif

static fiber *entering; /* whose first switch this is */

static void start(void)
{
    arrived(NULL);
    entering->entry();
    __builtin_unreachable();
}

#ifdef __x86_64__
/* Registers that a call preserves (System V ABI), and the control words of both floating-point units. */
void fiber_swap(void **save, void *load);
__asm__(".text\n"
        ".p2align 4\n"
        ".globl fiber_swap\n"
        ".hidden fiber_swap\n"
        ".type fiber_swap, @function\n"
        "fiber_swap:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n"
        ".size fiber_swap, .-fiber_swap\n");

enum { SAVED_WORDS = 6 };

static void place(fiber *c)
{
    /* at entry of a function the stack pointer is 8 below a multiple of 16 */
    uintptr_t top = ((uintptr_t)c->stack + c->stack_bytes) & ~(uintptr_t)15;
    uintptr_t *words = (uintptr_t *)top - 2;
    words[1] = 0; /* where start() would return to */
    words[0] = (uintptr_t)start;
    words -= SAVED_WORDS;
    memset(words, 0, SAVED_WORDS * sizeof *words);
    c->stack_pointer = words;
}

static void swap(fiber *from, fiber *to)
{
    fiber_swap(&from->stack_pointer, to->stack_pointer);
}
#else
static void place(fiber *c)
{
    getcontext(&c->registers);
    c->registers.uc_stack.ss_sp = c->stack;
    c->registers.uc_stack.ss_size = c->stack_bytes;
    c->registers.uc_link = NULL;
    makecontext(&c->registers, start, 0);
}

static void swap(fiber *from, fiber *to)
{
    swapcontext(&from->registers, &to->registers);
}
#endif

void fiber_init(fiber *c, void *stack, size_t stack_bytes, void (*entry)(void))
{
    c->entry = entry;
    c->stack = stack;
    c->stack_bytes = stack_bytes;
    c->fake_stack = NULL;
    unpoison(stack, stack_bytes); /* frames of an earlier run may have been left, not returned from */
    place(c);
}

void fiber_switch(fiber *from, fiber *to)
{
    entering = to;
    leaving(from, to, &from->fake_stack);
    swap(from, to);
    arrived(from->fake_stack);
}

_Noreturn void fiber_leave(fiber *from, fiber *to)
{
    entering = to;
    leaving(from, to, NULL);
    swap(from, to);
    __builtin_unreachable();
}
