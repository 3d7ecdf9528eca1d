/*
 * stanzas.h - real names and values for the workloads: Debian control stanzas, or made-up ones of the same shape.
 */
#ifndef CHAOS_STANZAS_H
#define CHAOS_STANZAS_H

#include "../engine/levin.h"

typedef struct stanza {
    levin_slice name; /* the Package field */
    levin_slice text; /* the whole stanza */
} stanza;

typedef struct stanzas {
    stanza *items; /* in order of the file; each name once */
    size_t count;
    char *bytes;   /* what the slices point to */
} stanzas;

/* Reads a file of control stanzas (dpkg's status file, apt-cache dumpavail). False with a message when it is none. */
bool stanzas_load(stanzas *s, const char *path, char *message, size_t capacity);
/* `count` made-up stanzas, a function of the seed. */
void stanzas_invent(stanzas *s, size_t count, uint64_t seed);
/* Those of the file, or for NULL the made-up ones of all commands. False: it is no such file, as stderr says. */
bool stanzas_named(stanzas *s, const char *path);
void stanzas_free(stanzas *s);

#endif
