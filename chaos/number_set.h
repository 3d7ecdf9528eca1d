/*
 * number_set.h - sets of small numbers, as text "0-4 7 9-12": which steps or operations of a plan are kept.
 */
#ifndef CHAOS_NUMBER_SET_H
#define CHAOS_NUMBER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Zeroed: all numbers. */
typedef struct number_set {
    bool some;       /* false: all numbers, and the rest means nothing */
    uint32_t *items; /* ascending, each once; the set's own */
    size_t count, capacity;
} number_set;

/* Whether the number is in; logarithmic. */
bool number_set_has(const number_set *set, uint32_t number);
/* The set becomes one of some numbers, none at first. */
void number_set_begin(number_set *set);
/* Numbers come in ascending order, after number_set_begin(). False: this one does not. */
bool number_set_add(number_set *set, uint32_t number);
void number_set_copy(number_set *to, const number_set *from); /* what `to` held is given back */
void number_set_free(number_set *set);                         /* it holds all numbers then */
/* " 0-4 7": nothing for an empty set. Not for a set of all numbers. */
void number_set_print(const number_set *set, FILE *to);

#endif
