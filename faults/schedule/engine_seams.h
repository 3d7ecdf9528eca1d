/*
 * engine_seams.h - included before each file of the engine that is compiled for the scheduler (Makefile): the number of
 * a thread, which sync.h takes from the processor, is the scheduler's.
 */
#ifndef LEVIN_FAULTS_ENGINE_SEAMS_H
#define LEVIN_FAULTS_ENGINE_SEAMS_H

#include <pthread.h>
#include <stdint.h>

uintptr_t schedule_thread_number(void);

#define __builtin_thread_pointer() ((void *)schedule_thread_number())
#define pthread_self() ((pthread_t)schedule_thread_number())

#endif
