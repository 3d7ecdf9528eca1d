/*
 * reader_slots.h - which processes read the store, and from which checkpoint on, by their slots in the lock file.
 * Bytes and locks: lock_format.h.
 *
 * A reader claims a slot, chooses the newest meta page, writes its generation into the slot, and looks whether that is
 * still the newest one.  The writer makes a meta page visible first and looks at the slots after that, before it uses
 * again what the checkpoints before needed.  So either the writer finds the generation in the slot, or the reader finds
 * the newer meta page and starts over (Dekker's argument; the calls of the I/O table are ordered as they are made).
 *
 * Requires a table with byte-range locks.  Any thread; each call looks at the file anew.
 */
#ifndef LEVIN_READER_SLOTS_H
#define LEVIN_READER_SLOTS_H

#include "file.h"

typedef struct reader_slot {
    unsigned number;
    bool valid;          /* otherwise it is locked, and the fields below are 0 */
    uint64_t generation; /* of the oldest checkpoint that the reader may look at */
    uint64_t sequence, process, opened_ns;
} reader_slot;

/* Whether the table locks ranges of bytes; if not, whole files. */
static inline bool lock_has_ranges(const levin_io *io)
{
    return io->version >= 2 && io->lock_range;
}
/* One call of lock_range, made again when it was interrupted. An errno value. */
int lock_file_range(file *lock, uint64_t offset, uint64_t bytes, levin_io_lock how);

/* Locks one of the first `slots` slots. LEVIN_READERS_FULL. */
levin_code reader_slot_claim(file *lock, unsigned slots, unsigned *number, levin_error *error);
/* Writes the record of a slot that was claimed. */
levin_code reader_slot_write(file *lock, uint64_t identity, const reader_slot *slot, levin_error *error);
/*
 * Calls visit for every slot that another open file has locked, until it returns false (*stopped).  One call of the
 * table when there is none.
 */
levin_code reader_slots_visit(file *lock, uint64_t identity, bool (*visit)(void *context, const reader_slot *slot),
                              void *context, bool *stopped, levin_error *error);

#endif
