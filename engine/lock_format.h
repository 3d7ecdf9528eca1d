/*
 * lock_format.h - the bytes of the file "lock", and what locks on them, and on the page file, mean.  Version 1.
 *
 * The locks are byte-range locks of open files (io.h: lock_range); they last as long as the process that has them, so
 * that nobody has to find out who is still alive.  The bytes matter only where a lock is held.  They are never synced.
 *
 *   offset  bytes
 *        0      1  WRITER  locked exclusively by the process that writes; shared by repair, and by readers that may not
 *                          write to this file.  No content
 *        1      1  GATE    locked exclusively by the process that writes from its recovery on; shared by a reader
 *                          while it replays the log, which it does when there is no writer.  No content
 *        2     62  unused; the file is empty as long as no reader has been there
 *       64 64 * i  reader slot i, i below 1024: locked exclusively by its reader, who writes the record
 *    65600      1  never locked: who finds it locked has met an earlier version of Levin, which locked the whole file
 *
 * A reader slot:
 *   0  u64 checksum of bytes 8 .. 63, seeded with the store's identity and the slot's number
 *   8  u32 magic "LvRd"
 *  12  u32 version, 1
 *  16  u64 generation of the oldest checkpoint that the reader may still look at
 *  24  u64 sequence number of the newest batch that it sees
 *  32  u64 process id, for people
 *  40  u64 when it was opened: monotonic clock of the machine, nanoseconds
 *  48  u64[2] zero
 * What does not verify in a locked slot (it is being written, or damaged, or of a later version) counts as generation
 * 0: nothing is used again while it is held.
 *
 * Somebody may remove the file while locks are held, and whoever makes it anew finds none.  Nothing takes the place of
 * the page file as long as there is a store, so its first bytes have locks too, of which the contents know nothing:
 *        0      1  locked exclusively by the process that writes, while it has GATE
 *        1      1  the same; shared by repair, and by readers without a slot
 *        2      1  shared by readers with a slot
 * A lock file is made only where nobody has these; where the third is taken and no slot is, it is another lock file.
 */
#ifndef LEVIN_LOCK_FORMAT_H
#define LEVIN_LOCK_FORMAT_H

#include "codec.h"

enum {
    LOCK_WRITER_AT = 0,
    LOCK_GATE_AT = 1,
    READER_SLOTS_AT = 64,
    READER_SLOT_BYTES = 64,
    READER_SLOTS_MAX = 1024,
    LOCK_NEVER_AT = READER_SLOTS_AT + READER_SLOTS_MAX * READER_SLOT_BYTES,

    LOCK_PAGES_WRITER_AT = 0, /* in the page file */
    LOCK_PAGES_ALONE_AT = 1,
    LOCK_PAGES_READERS_AT = 2,
    LOCK_PAGES_END = 3,

    READER_CHECKSUM = 0,
    READER_MAGIC_AT = 8,
    READER_VERSION_AT = 12,
    READER_GENERATION = 16,
    READER_SEQUENCE = 24,
    READER_PROCESS = 32,
    READER_OPENED_NS = 40,
    READER_RESERVED = 48,
    READER_VERSION = 1
};
#define READER_MAGIC 0x6452764cu /* "LvRd" */

#endif
