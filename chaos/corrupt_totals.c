/*
 * corrupt_totals.c - names and sums of the matrix of corrupt_totals.h.
 */
#include "corrupt_totals.h"

#include <stddef.h>

#define NAME_TEXT(name, text) text,
#define FATE_TEXT(name, text, meaning) text,

const char *corrupt_kind_text(corrupt_kind kind)
{
    static const char *const texts[] = { CORRUPT_KINDS(NAME_TEXT) };
    return texts[kind];
}

const char *corrupt_class_text(corrupt_class class)
{
    static const char *const texts[] = { CORRUPT_CLASSES(NAME_TEXT) };
    return texts[class];
}

const char *corrupt_fate_text(corrupt_fate fate)
{
    static const char *const texts[] = { CORRUPT_FATES(FATE_TEXT) };
    return texts[fate];
}

void corrupt_totals_add(corrupt_totals *to, const corrupt_totals *from)
{
    for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++)
        for (unsigned c = 0; c < CORRUPT_CLASS_COUNT; c++) {
            to->due[k][c] += from->due[k][c];
            for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
                to->fates[k][c][f] += from->fates[k][c][f];
        }
    to->all += from->all;
    to->named += from->named;
    to->told += from->told;
    to->gone_on += from->gone_on;
}

uint64_t corrupt_totals_fate(const corrupt_totals *t, corrupt_fate fate)
{
    uint64_t sum = 0;
    for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++)
        for (unsigned c = 0; c < CORRUPT_CLASS_COUNT; c++)
            sum += t->fates[k][c][fate];
    return sum;
}

uint64_t corrupt_totals_done(const corrupt_totals *t)
{
    uint64_t sum = 0;
    for (unsigned f = 0; f < CORRUPT_FATE_COUNT; f++)
        sum += f == CORRUPT_SAME ? 0 : corrupt_totals_fate(t, (corrupt_fate)f);
    return sum;
}
