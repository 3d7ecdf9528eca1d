/*
 * source.c - reads 64 KiB at a time; the buffer grows only with a line that does not fit.  A signal that came while
 * waiting for a pipe gives SOURCE_INTERRUPTED.
 */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"

#define CHUNK ((size_t)64 << 10)

int source_open(source *s, const char *name)
{
    bool standard = !name || !strcmp(name, "-");
    *s = (source){ .fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC),
                   .name = standard ? "standard input" : name };
    if (s->fd < 0)
        return errno;
    struct stat status; /* told now, before a store is made for it; reading would tell it later */
    if (fstat(s->fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        source_close(s);
        return EISDIR;
    }
    return 0;
}

void source_over(source *s, const char *name, source_read from, void *context)
{
    *s = (source){ .fd = -1, .read = from, .context = context, .name = name };
}

void source_close(source *s)
{
    if (s->fd > STDIN_FILENO)
        close(s->fd);
    free(s->data);
    s->data = NULL;
}

/* Moves the rest of a line to the front, makes room, and reads once. */
static enum source_result fill(source *s)
{
    if (s->start && s->end > s->start)
        memmove(s->data, s->data + s->start, s->end - s->start);
    s->end -= s->start;
    s->start = 0;
    if (s->capacity - s->end < CHUNK) {
        size_t capacity = s->capacity * 2 + 2 * CHUNK;
        char *data = realloc(s->data, capacity);
        if (!data)
            cli_die_no_memory();
        s->data = data;
        s->capacity = capacity;
    }
    for (;;) {
        if (interrupt_wanted())
            return SOURCE_INTERRUPTED;
        ssize_t got = s->read ? s->read(s->context, s->data + s->end, CHUNK) : read(s->fd, s->data + s->end, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            s->os_error = errno;
            return SOURCE_FAILED;
        }
        s->ended = got == 0;
        s->end += (size_t)got;
        return SOURCE_LINE;
    }
}

enum source_result source_line(source *s, const char **line, size_t *size)
{
    size_t searched = 0; /* bytes from start that hold no newline */
    for (;;) {
        size_t left = s->end - s->start;
        const char *newline = left > searched ? memchr(s->data + s->start + searched, '\n', left - searched) : NULL;
        if (newline || (s->ended && left)) {
            *line = s->data + s->start;
            *size = newline ? (size_t)(newline - *line) : left;
            size_t taken = *size + (newline ? 1 : 0);
            s->start += taken;
            s->bytes += taken;
            s->line++;
            return SOURCE_LINE;
        }
        if (s->ended)
            return SOURCE_END;
        if (left > SOURCE_LINE_MAX)
            return SOURCE_TOO_LONG;
        searched = left;
        enum source_result result = fill(s);
        if (result != SOURCE_LINE)
            return result;
    }
}
