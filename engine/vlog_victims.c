/*
 * vlog_victims.c - the states that segments go through while they are collected (vlog.h, collect.h).
 *
 * Invariants: only sealed segments that a checkpoint has counted in full become victims; the one that is written to
 * never does.
 * Concurrency: all under v->mutex; one collector.
 * Crash safety: states are memory only; an open begins with all segments KEPT.
 */
#include "vlog.h"

bool vlog_choose(vlog *v, uint32_t live_percent, uint64_t worth_bytes, uint64_t below)
{
    uint64_t dead = 0;
    bool some = false;
    sync_mutex_lock(&v->mutex);
    for (size_t i = 0; i < v->count; i++) {
        vlog_segment *s = v->segments[i];
        const uint64_t used = s->end - VLOG_SEGMENT_HEADER_BYTES, live = s->live < used ? s->live : used;
        if (s->state != VLOG_KEPT || s->spared || !s->sealed || s->sealed_at >= v->checkpointed ||
            s->number >= below || live * 100 >= used * live_percent)
            continue;
        s->state = VLOG_VICTIM;
        dead += used - live;
        some = true;
    }
    sync_mutex_unlock(&v->mutex);
    if (some && dead < worth_bytes)
        vlog_give_up(v);
    return some && dead >= worth_bytes;
}

/* Every segment in one state goes to another; returns how many. */
static size_t states_move(vlog *v, enum vlog_state from, enum vlog_state to)
{
    size_t count = 0;
    sync_mutex_lock(&v->mutex);
    for (size_t i = 0; i < v->count; i++)
        if (v->segments[i]->state == from) {
            v->segments[i]->state = to;
            count++;
        }
    sync_mutex_unlock(&v->mutex);
    return count;
}

void vlog_give_up(vlog *v)
{
    states_move(v, VLOG_VICTIM, VLOG_KEPT);
}

void vlog_collected(vlog *v)
{
    states_move(v, VLOG_VICTIM, VLOG_COLLECTED);
}

bool vlog_has(vlog *v, enum vlog_state state)
{
    return states_move(v, state, state) != 0;
}

bool vlog_is_victim(vlog *v, uint64_t number)
{
    sync_mutex_lock(&v->mutex);
    const vlog_segment *s = vlog_find(v, number);
    const bool victim = s && s->state == VLOG_VICTIM;
    sync_mutex_unlock(&v->mutex);
    return victim;
}

void vlog_spare(vlog *v, uint64_t number)
{
    sync_mutex_lock(&v->mutex);
    vlog_segment *s = vlog_find(v, number);
    if (s && s->state == VLOG_VICTIM) {
        s->state = VLOG_KEPT;
        s->spared = true;
    }
    sync_mutex_unlock(&v->mutex);
}

void vlog_count_moves(vlog *v, size_t values, uint64_t bytes)
{
    sync_mutex_lock(&v->mutex);
    v->counters.moves += values;
    v->counters.moved_bytes += bytes;
    sync_mutex_unlock(&v->mutex);
}
