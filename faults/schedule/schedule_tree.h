/*
 * schedule_tree.h - what the scheduler asks of the tree of all schedules (schedule_tree.c).
 */
#ifndef LEVIN_FAULTS_SCHEDULE_TREE_H
#define LEVIN_FAULTS_SCHEDULE_TREE_H

#include "schedule.h"

/* One of the threads whose bits are set. usual is taken first; stays: any other would be a preemption. */
unsigned schedule_tree_choose(schedule_tree *tree, unsigned ready, unsigned usual, bool stays);

#endif
