/*
 * adapter_pipe.c - a store behind a pipe (faults/store_protocol.h): `pipe:COMMAND`.
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

#include "../faults/store_protocol.h"
#include "adapters.h"

_Static_assert((int)PROTOCOL_OK == (int)STORE_OK && (int)PROTOCOL_RESULT_LAST == (int)STORE_UNSUPPORTED,
               "results go as they are");

struct store {
    pthread_mutex_t lock;
    pid_t pid;
    int to, from;
    protocol_frame out;
    protocol_source in;
    protocol_answer last; /* the answer that was taken last: slices into `in` */
    bool broken;          /* no frames any more */
    char text[STORE_MESSAGE_BYTES];
};

struct store_session {
    store *s;
    char text[STORE_MESSAGE_BYTES];
};

/* ---- frames ---- */

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

static size_t some_read(void *context, void *data, size_t bytes)
{
    const store *s = context;
    ssize_t done;
    while ((done = read(s->from, data, bytes)) < 0 && errno == EINTR)
        ;
    return done > 0 ? (size_t)done : 0;
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
    if (s->broken)
        return STORE_FAILED;
    if (!protocol_end(&s->out))
        return broken(s, "a request is too long for a frame, or there is no memory for it");
    sigaction(SIGPIPE, &ignore, &before);
    const bool sent = all_written(s->to, s->out.data, s->out.bytes);
    sigaction(SIGPIPE, &before, NULL);
    return sent ? STORE_OK : broken(s, "");
}

/* The next frame into s->last. False: there is none any more. */
static bool answer_take(store *s, protocol_request asked)
{
    char why[STORE_MESSAGE_BYTES];
    switch (protocol_take(&s->in, asked, &s->last)) {
    case PROTOCOL_TAKEN: return true;
    case PROTOCOL_ENDED: broken(s, ""); return false;
    case PROTOCOL_REFUSED: break;
    }
    snprintf(why, sizeof why, "%s: byte %llu of what the program has answered", s->in.refused,
             (unsigned long long)s->in.refused_at);
    broken(s, why);
    return false;
}

/* Of the answer in s->last. */
static store_result answer(store *s)
{
    if (s->last.result != STORE_OK)
        protocol_text(s->last.text, s->text, sizeof s->text);
    return (store_result)s->last.result;
}

static store_result request_do(store *s, protocol_request type)
{
    const store_result sent = request_send(s);
    if (sent != STORE_OK)
        return sent;
    return answer_take(s, type) ? answer(s) : STORE_FAILED;
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
    protocol_frame_fini(&s->out);
    protocol_source_fini(&s->in);
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
    s->in.read = some_read;
    s->in.context = s;
    if (program_start(s, command ? command : "false"))
        return s;
    program_end(s);
    return NULL;
}

enum { SETTINGS_BYTES = 401 };

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
        protocol_begin(&s->out, PROTOCOL_DESCRIBE);
        protocol_put_number(&s->out, PROTOCOL_VERSION, 4);
        result = request_do(s, PROTOCOL_DESCRIBE);
    }
    if (result == STORE_OK && s->last.text.size)
        protocol_text(s->last.text, text, SETTINGS_BYTES);
    else
        snprintf(text, STORE_MESSAGE_BYTES, "it does not say");
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
    protocol_begin(&s->out, PROTOCOL_OPEN);
    protocol_put_number(&s->out, (config->create ? PROTOCOL_CREATE : 0u) | (config->sync ? PROTOCOL_SYNC : 0u), 1);
    protocol_put_number(&s->out, config->cache_bytes, 8);
    protocol_put_number(&s->out, config->write_buffer_bytes, 8);
    protocol_put_bytes(&s->out, (levin_slice){ config->path, strlen(config->path) });
    const store_result result = request_do(s, PROTOCOL_OPEN);
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
    protocol_begin(&s->out, PROTOCOL_CLOSE);
    const store_result result = request_do(s, PROTOCOL_CLOSE);
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

static levin_slice slice(store_slice s)
{
    return (levin_slice){ s.data, s.bytes };
}

static store *turn_begin(store_session *session, protocol_request type)
{
    pthread_mutex_lock(&session->s->lock);
    protocol_begin(&session->s->out, type);
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
    protocol_put_number(&s->out, sync ? PROTOCOL_WRITE_SYNC : 0, 1);
    protocol_put_number(&s->out, count, 4);
    for (size_t i = 0; i < count; i++) {
        protocol_put_number(&s->out, operations[i].value.data != NULL, 1);
        protocol_put_bytes32(&s->out, slice(operations[i].key));
        if (operations[i].value.data)
            protocol_put_bytes32(&s->out, slice(operations[i].value));
    }
    return turn_end(session, request_do(s, PROTOCOL_WRITE));
}

static store_result pipe_get(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes)
{
    store *s = turn_begin(session, PROTOCOL_GET);
    protocol_put_bytes(&s->out, slice(key));
    const store_result result = request_do(s, PROTOCOL_GET);
    if (result == STORE_OK)
        value_copy((store_slice){ s->last.value.data, s->last.value.size }, buffer, capacity, bytes);
    return turn_end(session, result);
}

static store_result pipe_scan(store_session *session, const store_range *range, store_visit visit, void *context)
{
    store *s = turn_begin(session, PROTOCOL_SCAN);
    bool more = true;
    protocol_put_number(&s->out, (range->reverse ? PROTOCOL_REVERSE : 0u) | (range->from.data ? PROTOCOL_FROM : 0u) |
                  (range->to.data ? PROTOCOL_TO : 0u), 1);
    protocol_put_number(&s->out, range->limit, 8);
    if (range->from.data)
        protocol_put_bytes32(&s->out, slice(range->from));
    if (range->to.data)
        protocol_put_bytes32(&s->out, slice(range->to));
    const store_result result = request_send(s);
    if (result != STORE_OK)
        return turn_end(session, result);
    do { /* also pairs that nobody wants any more */
        if (!answer_take(s, PROTOCOL_SCAN))
            return turn_end(session, STORE_FAILED);
        const protocol_answer *pair = &s->last;
        if (pair->result == PROTOCOL_PAIR)
            more = more && visit(context, (store_slice){ pair->key.data, pair->key.size },
                                 (store_slice){ pair->value.data, pair->value.size });
    } while (s->last.result == PROTOCOL_PAIR);
    return turn_end(session, answer(s));
}

static store_result pipe_check(store_session *session)
{
    return turn_end(session, request_do(turn_begin(session, PROTOCOL_CHECK), PROTOCOL_CHECK));
}

static store_result pipe_compact(store_session *session)
{
    return turn_end(session, request_do(turn_begin(session, PROTOCOL_COMPACT), PROTOCOL_COMPACT));
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
