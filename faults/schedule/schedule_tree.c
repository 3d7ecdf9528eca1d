/*
 * schedule_tree.c - all schedules with at most so many preemptions, one after the other, depth first.
 *
 * A path is the list of choices of one run, each with the threads that were not tried yet at that place.  The next
 * schedule is the same path up to the last place with something untried.  Runs are functions of their choices, so a
 * path leads to the same places again; that it does is checked.
 *
 * Concurrency: one thread of the system.
 */
#include <stdlib.h>

#include "../fatal.h"
#include "schedule_tree.h"

typedef struct place {
    unsigned ready, untried; /* bits of threads */
    uint8_t chosen, usual;
    bool stays;
} place;

struct schedule_tree {
    place *path;
    size_t depth, capacity; /* places known */
    size_t at;              /* of the run */
    unsigned preemptions, used;
};

schedule_tree *schedule_tree_create(unsigned preemptions)
{
    schedule_tree *tree = fatal_alloc_zeroed(sizeof *tree);
    tree->preemptions = preemptions;
    return tree;
}

void schedule_tree_destroy(schedule_tree *tree)
{
    if (tree)
        free(tree->path);
    free(tree);
}

unsigned schedule_tree_choose(schedule_tree *tree, unsigned ready, unsigned usual, bool stays)
{
    if (tree->at == tree->depth) {
        if (tree->depth == tree->capacity) {
            tree->capacity = tree->capacity ? 2 * tree->capacity : 256;
            tree->path = fatal_realloc(tree->path, tree->capacity * sizeof *tree->path);
        }
        const bool bound = stays && tree->used >= tree->preemptions;
        tree->path[tree->depth++] = (place){ .ready = ready, .untried = bound ? 0 : ready & ~(1u << usual),
                                             .chosen = (uint8_t)usual, .usual = (uint8_t)usual, .stays = stays };
    }
    const place *p = &tree->path[tree->at++];
    if (p->ready != ready || p->usual != usual || p->stays != stays)
        fatal("a schedule that was given again has come to another place: the run is not a function of its choices");
    tree->used += stays && p->chosen != usual;
    return p->chosen;
}

bool schedule_tree_next(schedule_tree *tree)
{
    tree->depth = tree->at; /* a run that was cut short */
    tree->at = 0;
    tree->used = 0;
    for (; tree->depth; tree->depth--) {
        place *p = &tree->path[tree->depth - 1];
        if (!p->untried)
            continue;
        p->chosen = (uint8_t)__builtin_ctz(p->untried);
        p->untried &= p->untried - 1;
        return true;
    }
    return false;
}
