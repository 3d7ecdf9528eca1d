/*
 * reader_slots.c - claiming, writing and looking through the reader slots of the lock file (reader_slots.h).
 *
 * A slot belongs to whoever has its lock; the kernel gives it back when a process ends, however it ends, so there
 * are no stale slots and no process ids to be asked about.  Slots are looked through by halves: a range that nobody
 * has locked costs one call, r readers cost r times the depth at most.
 *
 * Concurrency: no state but the file.  Crash safety: locks do not survive a crash, and the bytes mean nothing without.
 */
#include "reader_slots.h"

#include <errno.h>

#include "checksum.h"
#include "lock_format.h"

enum { LOCK_INTERRUPTS_MAX = 100 };

int lock_file_range(file *lock, uint64_t offset, uint64_t bytes, levin_io_lock how)
{
    int result = EINTR;
    for (int i = 0; i < LOCK_INTERRUPTS_MAX && result == EINTR; i++)
        result = lock->io->lock_range(lock->io->context, lock->handle, offset, bytes, how);
    return result;
}

static uint64_t slot_at(unsigned number)
{
    return READER_SLOTS_AT + (uint64_t)number * READER_SLOT_BYTES;
}

static uint64_t slot_checksum(const uint8_t *bytes, uint64_t identity, unsigned number)
{
    return checksum(bytes + READER_MAGIC_AT, READER_SLOT_BYTES - READER_MAGIC_AT,
                    checksum_seed(identity, PLACE_READER_SLOT, number));
}

levin_code reader_slot_claim(file *lock, unsigned slots, unsigned *number, levin_error *error)
{
    for (unsigned i = 0; i < slots && i < READER_SLOTS_MAX; i++) {
        int failed = lock_file_range(lock, slot_at(i), READER_SLOT_BYTES, LEVIN_IO_LOCK_EXCLUSIVE);
        if (!failed) {
            *number = i;
            return LEVIN_OK;
        }
        if (failed != EAGAIN)
            return error_os(error, failed, "locking of a reader slot", lock->name);
    }
    return error_set(error, LEVIN_READERS_FULL, lock->name,
                     "all %u reader slots are in use: end a process that reads the store, or raise reader_slots",
                     slots);
}

levin_code reader_slot_write(file *lock, uint64_t identity, const reader_slot *slot, levin_error *error)
{
    uint8_t bytes[READER_SLOT_BYTES] = { 0 };
    store_u32(bytes + READER_MAGIC_AT, READER_MAGIC);
    store_u32(bytes + READER_VERSION_AT, READER_VERSION);
    store_u64(bytes + READER_GENERATION, slot->generation);
    store_u64(bytes + READER_SEQUENCE, slot->sequence);
    store_u64(bytes + READER_PROCESS, slot->process);
    store_u64(bytes + READER_OPENED_NS, slot->opened_ns);
    store_u64(bytes + READER_CHECKSUM, slot_checksum(bytes, identity, slot->number));
    const levin_slice part = { bytes, sizeof bytes };
    return file_write(lock, &part, 1, slot_at(slot->number), NULL, error);
}

static levin_code slot_read(file *lock, uint64_t identity, unsigned number, reader_slot *slot, levin_error *error)
{
    uint8_t bytes[READER_SLOT_BYTES];
    size_t done;
    *slot = (reader_slot){ .number = number };
    levin_code code = file_read(lock, bytes, sizeof bytes, slot_at(number), &done, error);
    if (code != LEVIN_OK || done < sizeof bytes || load_u32(bytes + READER_MAGIC_AT) != READER_MAGIC ||
        load_u32(bytes + READER_VERSION_AT) != READER_VERSION ||
        load_u64(bytes + READER_CHECKSUM) != slot_checksum(bytes, identity, number))
        return code;
    slot->valid = true;
    slot->generation = load_u64(bytes + READER_GENERATION);
    slot->sequence = load_u64(bytes + READER_SEQUENCE);
    slot->process = load_u64(bytes + READER_PROCESS);
    slot->opened_ns = load_u64(bytes + READER_OPENED_NS);
    return LEVIN_OK;
}

levin_code reader_slots_visit(file *lock, uint64_t identity, bool (*visit)(void *context, const reader_slot *slot),
                              void *context, bool *stopped, levin_error *error)
{
    /* ranges of slots, aligned to their size, a power of two, in ascending order: the larger half waits */
    unsigned first = 0, count = READER_SLOTS_MAX;
    reader_slot slot;
    *stopped = false;
    while (first < READER_SLOTS_MAX && !*stopped) {
        int failed = lock_file_range(lock, slot_at(first), (uint64_t)count * READER_SLOT_BYTES, LEVIN_IO_LOCK_TEST);
        if (failed == EAGAIN && count > 1) {
            count /= 2;
            continue;
        }
        if (failed && failed != EAGAIN)
            return error_os(error, failed, "looking at the reader slots", lock->name);
        if (failed) {
            levin_code code = slot_read(lock, identity, first, &slot, error);
            if (code != LEVIN_OK)
                return code;
            *stopped = !visit(context, &slot);
        }
        first += count;
        while (first % (2 * count) == 0 && first < READER_SLOTS_MAX)
            count *= 2;
    }
    return LEVIN_OK;
}
