/*
 * reclaim_schedule.c - read-side sections and grace periods (reclaim.h) under the scheduler, linked in place of
 * reclaim_urcu.c.
 *
 * A grace period waits for exactly those sections that are open when it begins, and not a step longer: whatever is
 * freed after it is freed as early as the promise allows. Concurrency: threads of a run.
 */
#include "../../engine/reclaim.h"

#include "schedule_internal.h"
#include "memory.h"

/* An address by which readers that leave and those who wait for them are ordered: of the region, and nobody's. */
static const void *grace_period(void)
{
    return (const char *)memory_stack(MEMORY_STACKS - 1);
}

void reclaim_read_lock(void)
{
    if (!schedule_current)
        return;
    if (!schedule_current->read_depth)
        schedule_at("read lock", NULL, __builtin_return_address(0));
    schedule_current->read_depth++;
}

void reclaim_read_unlock(void)
{
    thread *self = schedule_current;
    if (!self)
        return;
    if (!self->read_depth)
        schedule_found(SCHEDULE_MISUSE, "%s leaves a read-side section that it is not in", self->name);
    if (--self->read_depth)
        return;
    race_release(grace_period());
    for (unsigned i = 0; i < schedule_thread_count; i++) {
        thread *t = &schedule_threads[i];
        if (t->state == THREAD_GRACE && !(t->awaited &= ~(1u << self->number)))
            t->state = THREAD_READY;
    }
    schedule_at("read unlock", NULL, __builtin_return_address(0));
}

void reclaim_synchronize(void)
{
    thread *self = schedule_current;
    if (!self)
        return;
    if (self->read_depth)
        schedule_found(SCHEDULE_DEADLOCK, "%s waits for a grace period inside a read-side section", self->name);
    schedule_at("grace period", NULL, __builtin_return_address(0));
    self->awaited = 0;
    for (unsigned i = 0; i < schedule_thread_count; i++)
        if (schedule_threads[i].read_depth)
            self->awaited |= 1u << i;
    if (self->awaited)
        schedule_block(THREAD_GRACE, NULL);
    race_acquire(grace_period());
}
