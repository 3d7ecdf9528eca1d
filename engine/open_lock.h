/*
 * open_lock.h - the locks of a store at levin_open(): on the file "lock", and on the page file.  Internal.
 */
#ifndef LEVIN_OPEN_LOCK_H
#define LEVIN_OPEN_LOCK_H

#include "db.h"

/*
 * Opens the lock file and takes what the handle needs: sets lock, slots, beside, and of a reader the slot's number.
 * LEVIN_LOCKED, LEVIN_READERS_FULL, LEVIN_NO_STORE.
 */
levin_code open_lock(levin *db, levin_error *error);
typedef enum page_file_use {
    PAGE_FILE_WRITE,      /* nobody else does, and nobody reads without a slot */
    PAGE_FILE_READ,       /* with a slot in the lock file, and the gate of the log */
    PAGE_FILE_READ_BESIDE, /* with a slot, beside the writer that has the gate */
    PAGE_FILE_READ_ALONE  /* without a slot: nobody writes */
} page_file_use;
/*
 * Takes the lock on the open page file that goes with that, until the file is closed.  It excludes who has found
 * another lock file than those who opened the store before.  LEVIN_LOCKED.
 */
levin_code open_lock_pages(file *pages, page_file_use use, const char *directory, levin_error *error);
/*
 * Of a writer that has the page file's lock: whether those who read the page file have their slots in its own lock
 * file, and not in one that was removed and made anew by hand.  LEVIN_LOCKED.
 */
levin_code open_lock_strangers(levin *db, levin_error *error);
/* A reader who has read the log lets writers pass. */
levin_code open_unlock_gate(levin *db, levin_error *error);

#endif
