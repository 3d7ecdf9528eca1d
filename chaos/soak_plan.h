/*
 * soak_plan.h - what each thread of a soak writes: its n-th operation is a function of (seed, thread, n) alone.
 *
 * So the oracle needs numbers only: after n operations a thread's keys hold what the first n made of them, and whoever
 * knows how many were promised and how many were begun knows all legal states.  Keys belong to one thread each.
 */
#ifndef CHAOS_SOAK_PLAN_H
#define CHAOS_SOAK_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../engine/levin.h"

enum { SOAK_KEYS = 64, SOAK_CHANGES_MAX = 8, SOAK_KEY_BYTES_MAX = 48, SOAK_PREFIX_BYTES = 4, SOAK_VALUE_MAX = 9000 };

typedef enum soak_kind {
    SOAK_PUT,
    SOAK_DELETE,
    SOAK_BATCH,
    SOAK_ASYNC,       /* a batch, submitted and waited for */
    SOAK_TRANSACTION, /* the same changes, after a get of the first key */
    SOAK_RANGE,       /* deletes the keys from change[0].key to the one before `to` */
    SOAK_ALL          /* deletes all keys of the thread, by their prefix */
} soak_kind;

typedef struct soak_operation {
    soak_kind kind;
    levin_durability durability;
    unsigned to;
    unsigned count;
    struct soak_change {
        unsigned key;
        uint64_t stamp; /* 0: deleted */
    } change[SOAK_CHANGES_MAX];
} soak_operation;

/* Of one thread: the stamp under each key, 0 when it is absent. */
typedef struct soak_model {
    uint64_t stamp[SOAK_KEYS];
} soak_model;

soak_operation soak_operation_make(uint64_t seed, unsigned thread, uint64_t number);
void soak_model_apply(soak_model *model, const soak_operation *operation);

/* Key `key` of a thread, ordered as their numbers; returns its length. The first SOAK_PREFIX_BYTES are the thread's. */
size_t soak_key(char text[SOAK_KEY_BYTES_MAX], unsigned thread, unsigned key);
/* The value that a stamp stands for; returns its length, at least 8. */
size_t soak_value(uint8_t value[SOAK_VALUE_MAX], uint64_t seed, unsigned thread, unsigned key, uint64_t stamp);
/* What stamp a value says it has; 0 when it is none that soak_value() makes for this key. */
uint64_t soak_value_stamp(levin_slice value, uint64_t seed, unsigned thread, unsigned key);

#endif
