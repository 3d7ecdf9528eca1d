/*
 * adapter_pipe.c - a store behind a pipe (store_protocol.h): `pipe:COMMAND`.
 *
 * One program for a store; its sessions take turns, each request under a lock until its answer is whole.  A program
 * that dies by a signal takes this process along by the same one, so that whoever guards it sees what happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters.h"
#include "store_protocol.h"

typedef struct frame {
    uint8_t *data;   /* head and payload; payload behind PROTOCOL_HEAD_BYTES */
    size_t bytes, capacity;
} frame;

struct store {
    pthread_mutex_t lock;
    pid_t pid;
    int to, from;
    frame out, in;
    bool broken;     /* no frames any more */
    char text[STORE_MESSAGE_BYTES];
};

struct store_session {
    store *s;
    char text[STORE_MESSAGE_BYTES];
};

/* ---- frames ---- */

static bool frame_room(frame *f, size_t bytes)
{
    if (bytes > f->capacity) {
        uint8_t *data = realloc(f->data, bytes * 2);
        if (!data)
            return false;
        f->data = data;
        f->capacity = bytes * 2;
    }
    return true;
}

static void put_number(store *s, uint64_t value, size_t width)
{
    if (!frame_room(&s->out, s->out.bytes + width))
        s->broken = true;
    for (size_t i = 0; i < width && !s->broken; i++)
        s->out.data[s->out.bytes++] = (uint8_t)(value >> 8 * i);
}

static void put_bytes(store *s, store_slice slice)
{
    if (!frame_room(&s->out, s->out.bytes + slice.bytes))
        s->broken = true;
    if (s->broken || !slice.bytes)
        return;
    memcpy(s->out.data + s->out.bytes, slice.data, slice.bytes);
    s->out.bytes += slice.bytes;
}

static void put_bytes32(store *s, store_slice slice)
{
    put_number(s, slice.bytes, 4);
    put_bytes(s, slice);
}

static void request_begin(store *s, protocol_request type)
{
    s->out.bytes = 0;
    put_number(s, 0, 4);
    put_number(s, type, 1);
}

static bool all_written(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes) {
        const ssize_t done = write(fd, data, bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        data += done;
        bytes -= (size_t)done;
    }
    return true;
}

static bool all_read(int fd, uint8_t *data, size_t bytes)
{
    while (bytes) {
        const ssize_t done = read(fd, data, bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        data += done;
        bytes -= (size_t)done;
    }
    return true;
}

static uint32_t number32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The program has ended, or speaks no frames. */
static store_result broken(store *s, const char *why)
{
    int status = 0;
    const bool ended = s->pid > 0 && !s->broken && waitpid(s->pid, &status, *why ? WNOHANG : 0) == s->pid;
    s->broken = true;
    if (ended)
        s->pid = -1;
    if (ended && WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    if (ended)
        snprintf(s->text, sizeof s->text, "the program has ended with status %d", WEXITSTATUS(status));
    else
        snprintf(s->text, sizeof s->text, "%s", *why ? why : "no program any more");
    return STORE_FAILED;
}

static store_result request_send(store *s)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
    const size_t bytes = s->out.bytes - 4;
    if (s->broken || s->out.bytes > PROTOCOL_FRAME_MAX)
        return broken(s, s->broken ? s->text : "a request is too long for a frame");
    for (size_t i = 0; i < 4; i++)
        s->out.data[i] = (uint8_t)(bytes >> 8 * i);
    sigaction(SIGPIPE, &ignore, &before);
    const bool sent = all_written(s->to, s->out.data, s->out.bytes);
    sigaction(SIGPIPE, &before, NULL);
    return sent ? STORE_OK : broken(s, "");
}

/* The next frame into s->in: its type, or -1. */
static int frame_take(store *s)
{
    uint8_t head[4];
    if (!all_read(s->from, head, sizeof head))
        return broken(s, ""), -1;
    const uint32_t bytes = number32(head);
    if (bytes < 1 || bytes > PROTOCOL_FRAME_MAX)
        return broken(s, "an answer is no frame"), -1;
    if (!frame_room(&s->in, bytes))
        return broken(s, "out of memory"), -1;
    s->in.bytes = bytes;
    return all_read(s->from, s->in.data, bytes) ? s->in.data[0] : (broken(s, ""), -1);
}

/* The answer's payload is in s->in, behind a byte. */
static store_result answer(store *s, int type)
{
    if (type < 0)
        return STORE_FAILED;
    if (type > STORE_UNSUPPORTED)
        return broken(s, "an answer of no known result");
    if (type != STORE_OK)
        snprintf(s->text, sizeof s->text, "%.*s", (int)s->in.bytes - 1, (const char *)s->in.data + 1);
    return (store_result)type;
}

static store_result request_do(store *s)
{
    const store_result sent = request_send(s);
    return sent == STORE_OK ? answer(s, frame_take(s)) : sent;
}

/* ---- the program ---- */

static bool program_start(store *s, const char *command)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0)
        return false;
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(in[0]);
        close(in[1]);
        return false;
    }
    char line[STORE_MESSAGE_BYTES];
    snprintf(line, sizeof line, "exec %s", command); /* so that its end is not that of a shell */
    s->pid = fork();
    if (s->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    s->to = in[1];
    s->from = out[0];
    return s->pid > 0;
}

static void program_end(store *s)
{
    close(s->to);
    close(s->from);
    if (s->pid > 0)
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    free(s->out.data);
    free(s->in.data);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static store *program_begin(const char *command)
{
    store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->to = s->from = -1;
    if (program_start(s, command ? command : "false"))
        return s;
    program_end(s);
    return NULL;
}

static const char *pipe_version(void)
{
    return "protocol 1.0";
}

/* Asks a program of its own. */
static void pipe_configuration(const store_config *config, char text[STORE_MESSAGE_BYTES])
{
    store *s = program_begin(config->argument);
    store_result result = STORE_FAILED;
    if (s) {
        request_begin(s, PROTOCOL_DESCRIBE);
        put_number(s, PROTOCOL_VERSION, 4);
        result = request_do(s);
    }
    const size_t bytes = result == STORE_OK ? s->in.bytes - 1 : 0;
    snprintf(text, STORE_MESSAGE_BYTES, "%.*s%s", (int)(bytes < 400 ? bytes : 400),
             bytes ? (const char *)s->in.data + 1 : "", bytes ? "" : "it does not say");
    if (s)
        program_end(s);
}

static store_result pipe_open(const store_config *config, store **out, char message[STORE_MESSAGE_BYTES])
{
    store *s = program_begin(config->argument);
    *out = NULL;
    if (!s) {
        snprintf(message, STORE_MESSAGE_BYTES, "the program cannot be started: %s", strerror(errno));
        return STORE_FAILED;
    }
    request_begin(s, PROTOCOL_OPEN);
    put_number(s, (config->create ? PROTOCOL_CREATE : 0u) | (config->sync ? PROTOCOL_SYNC : 0u), 1);
    put_number(s, config->cache_bytes, 8);
    put_number(s, config->write_buffer_bytes, 8);
    put_bytes(s, (store_slice){ config->path, strlen(config->path) });
    const store_result result = request_do(s);
    if (result == STORE_OK) {
        *out = s;
        return STORE_OK;
    }
    snprintf(message, STORE_MESSAGE_BYTES, "%s", s->text[0] ? s->text : "it says nothing");
    program_end(s);
    return result == STORE_NOT_FOUND ? STORE_FAILED : result;
}

static store_result pipe_close(store *s, char message[STORE_MESSAGE_BYTES])
{
    request_begin(s, PROTOCOL_CLOSE);
    const store_result result = request_do(s);
    snprintf(message, STORE_MESSAGE_BYTES, "%s", s->text);
    program_end(s);
    return result;
}

/* ---- sessions ---- */

static store_result pipe_session_open(store *s, store_session **session)
{
    *session = calloc(1, sizeof **session);
    if (!*session)
        return STORE_FAILED;
    (*session)->s = s;
    return STORE_OK;
}

static void pipe_session_close(store_session *session)
{
    free(session);
}

static const char *pipe_message(const store_session *session)
{
    return session->text;
}

static store *turn_begin(store_session *session, protocol_request type)
{
    pthread_mutex_lock(&session->s->lock);
    request_begin(session->s, type);
    return session->s;
}

static store_result turn_end(store_session *session, store_result result)
{
    if (result != STORE_OK && result != STORE_NOT_FOUND)
        memcpy(session->text, session->s->text, sizeof session->text);
    pthread_mutex_unlock(&session->s->lock);
    return result;
}

static store_result pipe_write(store_session *session, const store_operation *operations, size_t count, bool sync)
{
    store *s = turn_begin(session, PROTOCOL_WRITE);
    put_number(s, sync ? PROTOCOL_WRITE_SYNC : 0, 1);
    put_number(s, count, 4);
    for (size_t i = 0; i < count; i++) {
        put_number(s, operations[i].value.data != NULL, 1);
        put_bytes32(s, operations[i].key);
        if (operations[i].value.data)
            put_bytes32(s, operations[i].value);
    }
    return turn_end(session, request_do(s));
}

static store_result pipe_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    store *s = turn_begin(session, PROTOCOL_GET);
    put_bytes(s, key);
    const store_result result = request_do(s);
    if (result == STORE_OK)
        value_copy((store_slice){ s->in.data + 1, s->in.bytes - 1 }, buffer, capacity, bytes);
    return turn_end(session, result);
}

static store_result pipe_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    store *s = turn_begin(session, PROTOCOL_SCAN);
    bool more = true;
    int type;
    put_number(s, (range->reverse ? PROTOCOL_REVERSE : 0u) | (range->from.data ? PROTOCOL_FROM : 0u) |
                  (range->to.data ? PROTOCOL_TO : 0u), 1);
    put_number(s, range->limit, 8);
    if (range->from.data)
        put_bytes32(s, range->from);
    if (range->to.data)
        put_bytes32(s, range->to);
    store_result result = request_send(s);
    if (result != STORE_OK)
        return turn_end(session, result);
    while ((type = frame_take(s)) == PROTOCOL_PAIR) { /* also those that nobody wants any more */
        const uint32_t key_bytes = s->in.bytes < 5 ? UINT32_MAX : number32(s->in.data + 1);
        if (key_bytes > s->in.bytes - 5)
            return turn_end(session, broken(s, "a pair is shorter than its key"));
        const store_slice key = { s->in.data + 5, key_bytes };
        more = more && visit(context, key, (store_slice){ s->in.data + 5 + key_bytes, s->in.bytes - 5 - key_bytes });
    }
    return turn_end(session, answer(s, type));
}

static store_result pipe_check(store_session *session)
{
    return turn_end(session, request_do(turn_begin(session, PROTOCOL_CHECK)));
}

static store_result pipe_compact(store_session *session)
{
    return turn_end(session, request_do(turn_begin(session, PROTOCOL_COMPACT)));
}

const store_adapter adapter_pipe = {
    .abi = STORE_ABI,
    .name = "pipe",
    .capabilities = STORE_CAN_LEAVE_UNSYNCED | STORE_CAN_CHECK | STORE_CAN_WRITE_CONCURRENTLY,
    .version = pipe_version,
    .configuration = pipe_configuration,
    .takes_argument = true,
    .open = pipe_open,
    .close = pipe_close,
    .session_open = pipe_session_open,
    .session_close = pipe_session_close,
    .message = pipe_message,
    .write = pipe_write,
    .get = pipe_get,
    .scan = pipe_scan,
    .check = pipe_check,
    .compact = pipe_compact,
};
