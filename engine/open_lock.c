/*
 * open_lock.c - who may open the store: the locks of a writer and of a reader (lock_format.h, reader_slots.h).
 *
 * A writer has WRITER and GATE for as long as it lives.  A reader claims a slot first, then looks whether the gate is
 * free: if it is, there is no writer past its own opening, and the log may be replayed, until the reader lets the gate
 * go.  A writer waits for readers at the gate, and for nobody else.
 *
 * All of that is worth nothing once the lock file is removed, or another has its name: then two writers would write
 * over each other.  So a lock file is not made where the page file is in use, and who has the right to write or read by
 * the lock file takes a lock on the page file too.  A writer takes that one last and gives it back first, so whoever
 * has the gate and finds it taken has another lock file than the writer.  A reader takes its lock there after its slot
 * and gives it back before; so a writer that finds readers in the page file, and no slot, has another lock file than
 * they.  (One of them hidden by another's slot in the new file, or one that was on its way in beside a writer that has
 * ended since, is not found.)
 *
 * Concurrency: the thread that opens the store.  Crash safety: locks end with their process.
 */
#include "open_lock.h"

#include <errno.h>

#include "lock_format.h"

static levin_code locked(levin *db, levin_error *error)
{
    return error_set(error, LEVIN_LOCKED, LOCK_FILE_NAME,
                     "the store in \"%s\" is open elsewhere: close it there first", db->directory);
}

/* 0 and EAGAIN are what a lock may give. */
static levin_code lock_result(levin *db, int failed, levin_error *error)
{
    if (failed == EAGAIN || failed == EACCES)
        return locked(db, error);
    return failed ? error_os(error, failed, "locking", LOCK_FILE_NAME) : LEVIN_OK;
}

/* As lock_result(), of the page file: its lock file may be gone, or be another one. */
static levin_code pages_lock_result(int failed, const char *directory, levin_error *error)
{
    if (failed == EAGAIN || failed == EACCES)
        return error_set(error, LEVIN_LOCKED, PAGE_FILE_NAME,
                         "the store in \"%.120s\" is open elsewhere, and its file \"" LOCK_FILE_NAME
                         "\" was removed meanwhile: close it there first", directory);
    return failed ? error_os(error, failed, "locking", PAGE_FILE_NAME) : LEVIN_OK;
}

levin_code open_lock_pages(file *pages, page_file_use use, const char *directory, levin_error *error)
{
    const levin_io *io = pages->io;
    int failed = 0;
    if (!lock_has_ranges(io)) {
        failed = io->lock(io->context, pages->handle, use == PAGE_FILE_WRITE);
    } else if (use == PAGE_FILE_WRITE) {
        failed = lock_file_range(pages, LOCK_PAGES_WRITER_AT, 2, LEVIN_IO_LOCK_EXCLUSIVE); /* ALONE too */
    } else if (use == PAGE_FILE_READ_ALONE) {
        failed = lock_file_range(pages, LOCK_PAGES_ALONE_AT, 1, LEVIN_IO_LOCK_SHARED);
    } else { /* first taken, then looked: open_lock_strangers() does it the other way round */
        failed = lock_file_range(pages, LOCK_PAGES_READERS_AT, 1, LEVIN_IO_LOCK_SHARED);
        if (!failed && use == PAGE_FILE_READ)
            failed = lock_file_range(pages, LOCK_PAGES_WRITER_AT, 1, LEVIN_IO_LOCK_TEST);
    }
    return pages_lock_result(failed, directory, error);
}

static bool slot_seen(void *context, const reader_slot *slot)
{
    (void)context, (void)slot;
    return false;
}

levin_code open_lock_strangers(levin *db, levin_error *error)
{
    bool slots = false;
    if (!lock_has_ranges(db->io))
        return LEVIN_OK;
    int failed = lock_file_range(&db->pages, LOCK_PAGES_READERS_AT, 1, LEVIN_IO_LOCK_TEST);
    if (failed != EAGAIN)
        return pages_lock_result(failed, db->directory, error);
    levin_code code = reader_slots_visit(&db->lock, 0, slot_seen, NULL, &slots, error);
    if (code == LEVIN_OK && !slots) /* or it has just gone */
        failed = lock_file_range(&db->pages, LOCK_PAGES_READERS_AT, 1, LEVIN_IO_LOCK_TEST);
    return code != LEVIN_OK || slots ? code : pages_lock_result(failed, db->directory, error);
}

/* Makes the lock file, of a store that nobody has open. */
static levin_code make_lock_file(levin *db, levin_error *error)
{
    const levin_io *io = db->io;
    file pages = { 0 };
    levin_code code = file_open(&pages, io, db->directory, PAGE_FILE_NAME, LEVIN_FILE_PAGES, LEVIN_IO_WRITE, error);
    if (code == LEVIN_OK) {
        const int failed = lock_has_ranges(io) ? lock_file_range(&pages, 0, LOCK_PAGES_END, LEVIN_IO_LOCK_TEST)
                                               : io->lock(io->context, pages.handle, true);
        code = pages_lock_result(failed, db->directory, error);
        file_close(&pages);
    } else if (code == LEVIN_NOT_FOUND) { /* no store yet */
        code = LEVIN_OK;
    }
    return code == LEVIN_OK ? file_open(&db->lock, io, db->directory, LOCK_FILE_NAME, LEVIN_FILE_LOCK,
                                        LEVIN_IO_WRITE | LEVIN_IO_CREATE, error)
                            : code;
}

/* A directory or file system that may be read and not written. */
static bool is_read_only(const levin_error *error)
{
    return error->code == LEVIN_IO &&
           (error->os_error == EACCES || error->os_error == EROFS || error->os_error == EPERM);
}

static levin_code lock_writer(levin *db, levin_error *error)
{
    if (!lock_has_ranges(db->io))
        return lock_result(db, db->io->lock(db->io->context, db->lock.handle, true), error);
    db->slots = true;
    levin_code code = lock_result(db, lock_file_range(&db->lock, LOCK_WRITER_AT, 1, LEVIN_IO_LOCK_EXCLUSIVE), error);
    if (code != LEVIN_OK) /* only who has the right to write waits for readers on their way in */
        return code;
    return lock_result(db, lock_file_range(&db->lock, LOCK_GATE_AT, 1, LEVIN_IO_LOCK_WAIT), error);
}

/* Without a slot: for as long as this handle is open nobody writes. */
static levin_code lock_out_writers(levin *db, levin_error *error)
{
    if (!lock_has_ranges(db->io))
        return lock_result(db, db->io->lock(db->io->context, db->lock.handle, false), error);
    return lock_result(db, lock_file_range(&db->lock, LOCK_WRITER_AT, 1, LEVIN_IO_LOCK_SHARED), error);
}

static levin_code lock_reader(levin *db, bool writable, levin_error *error)
{
    if (!writable || !lock_has_ranges(db->io))
        return lock_out_writers(db, error);
    db->slots = true;
    /* an earlier version has locked all bytes */
    levin_code code = lock_result(db, lock_file_range(&db->lock, LOCK_NEVER_AT, 1, LEVIN_IO_LOCK_TEST), error);
    if (code == LEVIN_OK)
        code = reader_slot_claim(&db->lock, db->options.reader_slots, &db->slot.number, error);
    if (code != LEVIN_OK)
        return code;
    int failed = lock_file_range(&db->lock, LOCK_GATE_AT, 1, LEVIN_IO_LOCK_SHARED);
    db->beside = failed == EAGAIN;
    return db->beside ? LEVIN_OK : lock_result(db, failed, error);
}

levin_code open_unlock_gate(levin *db, levin_error *error)
{
    if (!db->options.read_only || !db->slots || db->beside)
        return LEVIN_OK;
    int failed = lock_file_range(&db->lock, LOCK_GATE_AT, 1, LEVIN_IO_LOCK_NONE);
    return failed ? error_os(error, failed, "unlocking", LOCK_FILE_NAME) : LEVIN_OK;
}

levin_code open_lock(levin *db, levin_error *error)
{
    const bool writing = !db->options.read_only;
    bool writable = true;
    levin_code code = file_open(&db->lock, db->io, db->directory, LOCK_FILE_NAME, LEVIN_FILE_LOCK, LEVIN_IO_WRITE,
                                error);
    if (writing && code == LEVIN_NOT_FOUND)
        code = make_lock_file(db, error);
    if (!writing && code == LEVIN_IO && is_read_only(error)) {
        writable = false;
        code = file_open(&db->lock, db->io, db->directory, LOCK_FILE_NAME, LEVIN_FILE_LOCK, 0, error);
    }
    file pages = { 0 };
    levin_error ignored;
    if (code == LEVIN_NOT_FOUND && file_open(&pages, db->io, db->directory, PAGE_FILE_NAME, LEVIN_FILE_PAGES, 0,
                                             &ignored) == LEVIN_OK) {
        file_close(&pages);
        return error_set(error, LEVIN_NO_STORE, LOCK_FILE_NAME,
                         "the file \"" LOCK_FILE_NAME "\" of the store in \"%s\" is missing: open it for writing once, "
                         "which makes it anew", db->directory);
    }
    if (code == LEVIN_NOT_FOUND || (code == LEVIN_IO && error->os_error == ENOENT)) /* no lock, or no directory */
        return error_set(error, LEVIN_NO_STORE, db->directory, "there is no store in \"%s\"", db->directory);
    if (code != LEVIN_OK)
        return code;
    return writing ? lock_writer(db, error) : lock_reader(db, writable, error);
}
