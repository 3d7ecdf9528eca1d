/*
 * backup_sink.c - a directory, or a tar archive (POSIX.1-1988 ustar; sizes from 8 GiB on in a pax header,
 * POSIX.1-2001), as the target of a backup.
 *
 * Crash safety of a directory: the name BACKUP_UNFINISHED_NAME is durable before anything else is made, every file is
 * synced before that name becomes PAGE_FILE_NAME, and the directory after it.  Concurrency: one thread.
 */
#include "backup_sink.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "page_format.h"

enum { TAR_BLOCK = 512, TAR_SIZE_DIGITS = 11 };
#define TAR_SIZE_MAX ((uint64_t)1 << 33) /* octal digits end here */

static const uint8_t zeros[16 << 10];

/* ---- tar ---- */

enum { TAR_NAME = 0, TAR_MODE = 100, TAR_UID = 108, TAR_GID = 116, TAR_SIZE = 124, TAR_TIME = 136, TAR_SUM = 148,
       TAR_TYPE = 156, TAR_MAGIC = 257, TAR_VERSION = 263 };

static levin_code stream_write(backup_sink *s, const void *data, size_t bytes, levin_error *error)
{
    int failed = s->write(s->context, data, bytes);
    return failed ? error_os(error, failed, "writing the backup", NULL) : LEVIN_OK;
}

static levin_code tar_header(backup_sink *s, const char *name, char type, uint64_t bytes, levin_error *error)
{
    char block[TAR_BLOCK] = { 0 };
    unsigned sum = 0;
    snprintf(block + TAR_NAME, TAR_MODE - TAR_NAME, "%s", name);
    snprintf(block + TAR_MODE, 8, "%07o", 0644u);
    snprintf(block + TAR_UID, 8, "%07o", 0u);
    snprintf(block + TAR_GID, 8, "%07o", 0u);
    snprintf(block + TAR_SIZE, 12, "%011llo", (unsigned long long)(bytes < TAR_SIZE_MAX ? bytes : 0));
    snprintf(block + TAR_TIME, 12, "%011o", 0u);
    memset(block + TAR_SUM, ' ', 8);
    block[TAR_TYPE] = type;
    memcpy(block + TAR_MAGIC, "ustar", 6);
    memcpy(block + TAR_VERSION, "00", 2);
    for (size_t i = 0; i < sizeof block; i++)
        sum += (unsigned char)block[i];
    snprintf(block + TAR_SUM, 8, "%06o", sum);
    return stream_write(s, block, sizeof block, error);
}

/* A pax record: its own length in decimal, a space, keyword=value, a newline. */
static levin_code tar_pax_size(backup_sink *s, const char *name, uint64_t bytes, levin_error *error)
{
    char block[TAR_BLOCK] = { 0 }, text[64];
    int body = snprintf(text, sizeof text, " size=%llu\n", (unsigned long long)bytes), length = body + 1;
    while (snprintf(NULL, 0, "%d", length) + body > length)
        length++;
    snprintf(block, sizeof block, "%d%s", length, text);
    levin_code code = tar_header(s, name, 'x', (uint64_t)length, error);
    return code ? code : stream_write(s, block, sizeof block, error);
}

/* ---- open ---- */

static int entry_found(void *context, const char *name)
{
    (void)name;
    *(bool *)context = true;
    return ECANCELED;
}

levin_code sink_open_directory(backup_sink *s, const levin_io *io, const char *directory, levin_error *error)
{
    bool found = false;
    file mark = { 0 };
    *s = (backup_sink){ .io = io, .directory = directory };
    int failed = io->make_dir(io->context, directory);
    if (failed && failed != EEXIST) {
        levin_code code = error_os(error, failed, "creation", directory);
        if (failed == ENOENT) /* which of the two is missing? */
            snprintf(error->message, sizeof error->message, "the directory that is to hold \"%.180s\" is not there",
                     directory);
        return code;
    }
    failed = io->list(io->context, directory, entry_found, &found);
    if (failed && !found)
        return error_os(error, failed, "listing", directory);
    if (found)
        return error_set(error, LEVIN_EXISTS, NULL, "\"%.200s\" is not empty: nothing is overwritten", directory);
    s->made = true;
    levin_code code = file_open(&mark, io, directory, BACKUP_UNFINISHED_NAME, LEVIN_FILE_PAGES,
                                LEVIN_IO_WRITE | LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE, error);
    if (code == LEVIN_OK)
        code = file_sync_dir(io, directory, error);
    file_close(&mark);
    return code;
}

void sink_open_stream(backup_sink *s, const levin_io *io, levin_backup_write write, void *context)
{
    *s = (backup_sink){ .io = io, .write = write, .context = context };
}

/* ---- files ---- */

levin_code sink_begin_file(backup_sink *s, const char *name, levin_file_kind kind, uint64_t bytes, levin_error *error)
{
    s->at = 0;
    s->size = bytes;
    if (s->directory) {
        bool last = strcmp(name, PAGE_FILE_NAME) == 0;
        return file_open(&s->out, s->io, s->directory, last ? BACKUP_UNFINISHED_NAME : name, kind,
                         LEVIN_IO_WRITE | (last ? 0 : LEVIN_IO_CREATE | LEVIN_IO_EXCLUSIVE), error);
    }
    levin_code code = bytes < TAR_SIZE_MAX ? LEVIN_OK : tar_pax_size(s, name, bytes, error);
    return code ? code : tar_header(s, name, '0', bytes, error);
}

levin_code sink_write(backup_sink *s, const void *data, size_t bytes, levin_error *error)
{
    assert(bytes <= s->size - s->at);
    levin_code code = s->directory ? file_write(&s->out, &(levin_slice){ data, bytes }, 1, s->at, NULL, error)
                                   : stream_write(s, data, bytes, error);
    if (code == LEVIN_OK) {
        s->at += bytes;
        s->written += bytes;
    }
    return code;
}

levin_code sink_zeros(backup_sink *s, uint64_t bytes, levin_error *error)
{
    levin_code code = LEVIN_OK;
    assert(bytes <= s->size - s->at);
    if (s->directory) { /* a hole; sink_end_file() makes the file as long as it should be */
        s->at += bytes;
        s->written += bytes;
        return LEVIN_OK;
    }
    while (bytes && code == LEVIN_OK) {
        size_t step = bytes < sizeof zeros ? (size_t)bytes : sizeof zeros;
        code = sink_write(s, zeros, step, error);
        bytes -= step;
    }
    return code;
}

levin_code sink_end_file(backup_sink *s, levin_error *error)
{
    levin_code code = LEVIN_OK;
    assert(s->at == s->size);
    if (s->directory) {
        code = file_truncate(&s->out, s->size, error);
        if (code == LEVIN_OK)
            code = file_sync(&s->out, error);
        file_close(&s->out);
    } else if (s->size % TAR_BLOCK) {
        code = stream_write(s, zeros, TAR_BLOCK - s->size % TAR_BLOCK, error);
    }
    return code;
}

/* ---- the end ---- */

levin_code sink_finish(backup_sink *s, levin_error *error)
{
    if (!s->directory)
        return stream_write(s, zeros, 2 * TAR_BLOCK, error);
    char parent[FILE_PATH_MAX];
    levin_code code = file_sync_dir(s->io, s->directory, error);
    if (code == LEVIN_OK)
        code = file_rename(s->io, s->directory, BACKUP_UNFINISHED_NAME, PAGE_FILE_NAME, error);
    if (code == LEVIN_OK)
        code = file_sync_dir(s->io, s->directory, error);
    file_parent(s->directory, parent);
    return code ? code : file_sync_dir(s->io, parent, error);
}

typedef struct leftovers {
    char names[SINK_FILES_MAX][48];
    size_t count;
} leftovers;

static int leftover_entry(void *context, const char *name)
{
    leftovers *l = context;
    if (l->count == SINK_FILES_MAX || strlen(name) >= sizeof l->names[0])
        return ECANCELED;
    memcpy(l->names[l->count++], name, strlen(name) + 1);
    return 0;
}

/* The mark last: until then nobody takes the rest for a store. */
static void sink_remove(backup_sink *s)
{
    levin_error ignored;
    leftovers l;
    levin_code code = LEVIN_OK;
    do {
        l.count = 0;
        (void)s->io->list(s->io->context, s->directory, leftover_entry, &l);
        size_t others = 0;
        for (size_t i = 0; i < l.count && code == LEVIN_OK; i++) {
            if (strcmp(l.names[i], BACKUP_UNFINISHED_NAME) == 0)
                continue;
            others++;
            code = file_unlink(s->io, s->directory, l.names[i], &ignored);
        }
        if (others == 0)
            break;
    } while (code == LEVIN_OK);
    if (code == LEVIN_OK)
        (void)file_unlink(s->io, s->directory, BACKUP_UNFINISHED_NAME, &ignored);
}

void sink_close(backup_sink *s, bool finished)
{
    file_close(&s->out);
    if (s->made && !finished)
        sink_remove(s);
    s->made = false;
}
