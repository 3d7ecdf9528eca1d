/*
 * place.h - whether a directory may become a store, and taking away what a store that was not made left there.
 *
 * Looks at the file system by itself: the library overwrites nothing, but sees one directory only.  One thread.
 */
#ifndef CLI_PLACE_H
#define CLI_PLACE_H

#include "cli.h"

typedef struct place {
    const char *path;
    bool dangling; /* it is a link to nothing */
    bool store;  /* there is one */
    bool vacant; /* there was no directory, or one without an entry */
    bool made;   /* there was none: it goes again when no store was made in it */
} place;

/* How the place is before anything is made in it. path is kept, not copied. */
void place_look(place *p, const char *path);
/*
 * Whether a store may be made there: outside `source` (NULL: there is none) and outside every other store, for its
 * files would go with those of the other one, into no backup.  Otherwise says why not.
 */
bool place_outside(const cli_command *command, const place *p, const char *source);
/* As above, and whether nothing is there but what an open that was cut short leaves, and the file system's own. */
bool place_free(const cli_command *command, const place *p);
/* Nothing came of it: removes the directory if it was made and is empty. */
void place_leave(const place *p);
/* Likewise of an open, in a place that was vacant: before that, what it left, unless there is a store now. */
void place_clear(const place *p);

#endif
