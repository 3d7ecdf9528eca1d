/*
 * number_set.c - sets of small numbers as sorted arrays (number_set.h).
 */
#include "number_set.h"

#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"

bool number_set_has(const number_set *set, uint32_t number)
{
    size_t low = 0, high = set->count;
    if (!set->some)
        return true;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (set->items[middle] == number)
            return true;
        if (set->items[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

void number_set_begin(number_set *set)
{
    set->some = true;
    set->count = 0;
}

bool number_set_add(number_set *set, uint32_t number)
{
    if (set->count && set->items[set->count - 1] >= number)
        return false;
    if (set->count == set->capacity) {
        set->capacity = set->capacity ? 2 * set->capacity : 64;
        set->items = fatal_realloc(set->items, set->capacity * sizeof *set->items);
    }
    set->items[set->count++] = number;
    return true;
}

void number_set_copy(number_set *to, const number_set *from)
{
    if (to == from)
        return;
    number_set_free(to);
    if (!from->some)
        return;
    number_set_begin(to);
    for (size_t i = 0; i < from->count; i++)
        (void)number_set_add(to, from->items[i]); /* they ascend */
}

void number_set_free(number_set *set)
{
    free(set->items);
    *set = (number_set){ 0 };
}

void number_set_print(const number_set *set, FILE *to)
{
    for (size_t i = 0; i < set->count;) {
        size_t last = i;
        while (last + 1 < set->count && set->items[last + 1] == set->items[last] + 1)
            last++;
        fprintf(to, last > i ? " %u-%u" : " %u", set->items[i], set->items[last]);
        i = last + 1;
    }
}
