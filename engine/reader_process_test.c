/*
 * reader_process_test.c - readers and a writer in processes of their own, on a real directory.
 *
 * Invariants checked: while one process writes, checkpoints, compacts and collects, others that read see one whole
 * state each, no older than the checkpoint that was done before they opened, and the same as long as they are open;
 * a process that is killed, reader or writer, leaves nothing behind that has to be cleaned up; its slot is used
 * again; the writer's list names the processes.
 *
 * Each process is an agent that does what it is told through a pipe and answers through another, so that the order of
 * things is the test's.  They are all forked before any of them opens a store.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "reader_state_test.h"

enum { AGENTS_MAX = 48 };
#define FAILED 0xffffffffu
#define FULL 0xfffffffeu /* as `least`: three slots are enough */

enum order {
    OPEN_READER,  /* answers the state */
    OPEN_WRITER,  /* the same; with a background thread when argument is not 0 */
    CHECK,        /* reads everything; answers the state */
    CHURN,        /* argument turns of writes, checkpoint, compaction, collection; answers the state */
    LOOK,         /* the writer: checkpoints; answers the number of reading processes listed */
    CLOSE,
    LIVES         /* argument times: open, check twice, close; answers how often it was let in */
};

typedef struct message {
    unsigned order, argument, least; /* least: the state that must be there at least */
} message;

typedef struct agent {
    pid_t pid;
    int to, from;
} agent;

static char directory[64];
static agent agents[AGENTS_MAX];
static unsigned agent_count;

/* ---- what an agent does ---- */

static levin *store;
static unsigned state; /* of the writer, or when the reader opened */

static unsigned complain(const char *what, const char *text)
{
    fprintf(stderr, "process %d: %s: %s\n", (int)getpid(), what, text);
    return FAILED;
}

static unsigned agent_check(unsigned least)
{
    char text[STATE_MESSAGE] = "";
    unsigned n = state_number(store, text);
    if (text[0] || !state_is(store, n, text, NULL))
        return complain("reading", text);
    if (n < least) {
        snprintf(text, sizeof text, "state %u, but %u was in a checkpoint before", n, least);
        return complain("opening", text);
    }
    return n;
}

static unsigned agent_open(bool reader, bool background, unsigned least)
{
    levin_options o = state_options(NULL, reader);
    levin_error error;
    o.background = background ? LEVIN_BACKGROUND_THREAD : LEVIN_BACKGROUND_NONE;
    o.reader_slots = least == FULL ? 3 : 128;
    levin_code code = levin_open(directory, &o, &store, &error);
    if (code == LEVIN_READERS_FULL)
        return FULL;
    if (code != LEVIN_OK)
        return complain("levin_open", error.message);
    return state = agent_check(least == FULL ? 0 : least);
}

static unsigned agent_close(void)
{
    levin_code code = levin_close(store);
    store = NULL;
    return code == LEVIN_OK ? 0 : complain("levin_close", levin_code_name(code));
}

static unsigned agent_churn(unsigned turns)
{
    levin_code code = LEVIN_OK;
    for (unsigned i = 0; i < turns && code == LEVIN_OK; i++) {
        code = state_write(store, ++state, i % 3 ? LEVIN_NONE : LEVIN_SYNCED);
        if (code == LEVIN_OK)
            code = levin_checkpoint(store);
        if (code == LEVIN_OK && i % 4 == 1)
            code = levin_collect(store, 90);
        if (code == LEVIN_OK && i % 5 == 2)
            code = levin_compact(store, NULL, NULL);
    }
    return code == LEVIN_OK ? state : complain("churn", levin_code_name(code));
}

static bool count_process(void *context, const levin_reader *reader)
{
    if (reader->kind == LEVIN_READER_PROCESS && reader->process != (uint64_t)getpid() && reader->process)
        ++*(unsigned *)context;
    return true;
}

static unsigned agent_look(void)
{
    unsigned count = 0;
    levin_code code = levin_checkpoint(store);
    if (code == LEVIN_OK)
        code = levin_readers_list(store, count_process, &count);
    return code == LEVIN_OK ? count : complain("levin_readers_list", levin_code_name(code));
}

static unsigned agent_lives(unsigned lives, unsigned least)
{
    unsigned in = 0;
    for (unsigned i = 0; i < lives; i++) {
        unsigned n = agent_open(true, false, least);
        if (n == FULL)
            continue;
        if (n == FAILED || agent_check(n) != n || agent_check(n) != n || agent_close())
            return FAILED;
        in++;
    }
    return in;
}

static unsigned agent_obey(const message *m)
{
    switch ((enum order)m->order) {
    case OPEN_READER: return agent_open(true, false, m->least);
    case OPEN_WRITER: return agent_open(false, m->argument, m->least);
    case CHECK: return agent_check(m->least);
    case CHURN: return agent_churn(m->argument);
    case LOOK: return agent_look();
    case CLOSE: return agent_close();
    case LIVES: return agent_lives(m->argument, m->least);
    }
    return FAILED;
}

static void agent_run(int in, int out)
{
    message m;
    while (read(in, &m, sizeof m) == (ssize_t)sizeof m) {
        unsigned answer = agent_obey(&m);
        if (write(out, &answer, sizeof answer) != (ssize_t)sizeof answer)
            break;
    }
    _exit(0);
}

/* ---- the test's side ---- */

static void agents_start(unsigned count)
{
    snprintf(directory, sizeof directory, "/tmp/levin-reader-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    agent_count = count;
    for (unsigned i = 0; i < count; i++) {
        int to[2], from[2];
        ck_assert_int_eq(pipe(to), 0);
        ck_assert_int_eq(pipe(from), 0);
        agents[i].pid = fork();
        ck_assert_int_ge(agents[i].pid, 0);
        if (agents[i].pid == 0) {
            for (unsigned k = 0; k < i; k++) {
                close(agents[k].to);
                close(agents[k].from);
            }
            close(to[1]);
            close(from[0]);
            agent_run(to[0], from[1]);
        }
        close(to[0]);
        close(from[1]);
        agents[i].to = to[1];
        agents[i].from = from[0];
    }
}

static void tell(unsigned i, enum order order, unsigned argument, unsigned least)
{
    const message m = { order, argument, least };
    ck_assert_int_eq(write(agents[i].to, &m, sizeof m), (ssize_t)sizeof m);
}

static unsigned hear(unsigned i)
{
    unsigned answer = FAILED;
    ck_assert_int_eq(read(agents[i].from, &answer, sizeof answer), (ssize_t)sizeof answer);
    return answer;
}

static unsigned ask(unsigned i, enum order order, unsigned argument, unsigned least)
{
    tell(i, order, argument, least);
    return hear(i);
}

static void agent_kill(unsigned i)
{
    int status;
    ck_assert_int_eq(kill(agents[i].pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(agents[i].pid, &status, 0), agents[i].pid);
    close(agents[i].to);
    close(agents[i].from);
    agents[i].pid = 0;
}

static void agents_end(void)
{
    for (unsigned i = 0; i < agent_count; i++) {
        int status;
        if (!agents[i].pid)
            continue;
        close(agents[i].to);
        close(agents[i].from);
        ck_assert_int_eq(waitpid(agents[i].pid, &status, 0), agents[i].pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "agent %u ended with status %d", i, status);
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static void readers_beside(bool background)
{
    enum { READERS = 5, WRITER = READERS };
    unsigned done = 0, in = 0;
    agents_start(READERS + 1);
    ck_assert_uint_eq(ask(WRITER, OPEN_WRITER, background, 0), 0);
    done = ask(WRITER, CHURN, 2, 0);
    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < READERS; i++)
            tell(i, LIVES, 6, done);
        tell(WRITER, CHURN, 15, 0);
        for (unsigned i = 0; i < READERS; i++) {
            unsigned lives = hear(i);
            ck_assert_uint_ne(lives, FAILED);
            in += lives;
        }
        done = hear(WRITER);
        ck_assert_uint_ne(done, FAILED);
    }
    ck_assert_uint_eq(in, READERS * 6 * 6);
    ck_assert_uint_eq(ask(WRITER, LOOK, 0, 0), 0);
    ck_assert_uint_eq(ask(WRITER, CHECK, 0, done), done);
    ck_assert_uint_eq(ask(WRITER, CLOSE, 0, 0), 0);
    agents_end();
}

START_TEST(processes__read_beside_one_that_writes)
{
    readers_beside(false);
}
END_TEST

START_TEST(processes__read_beside_one_with_a_background_thread)
{
    readers_beside(true);
}
END_TEST

START_TEST(processes__of_readers_may_be_killed)
{
    enum { WRITER = 4 };
    agents_start(5);
    ck_assert_uint_eq(ask(WRITER, OPEN_WRITER, 0, 0), 0);
    unsigned n = ask(WRITER, CHURN, 3, 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(ask(i, OPEN_READER, 0, FULL), n);
    ck_assert_uint_eq(ask(3, OPEN_READER, 0, FULL), FULL); /* three slots */
    unsigned now = ask(WRITER, CHURN, 12, 0);
    ck_assert_uint_eq(ask(WRITER, LOOK, 0, 0), 3);
    agent_kill(1);
    ck_assert_uint_eq(ask(WRITER, LOOK, 0, 0), 2);
    ck_assert_uint_eq(ask(3, OPEN_READER, 0, FULL), now); /* in the slot of the killed one */
    agent_kill(0);
    now = ask(WRITER, CHURN, 12, 0);
    ck_assert_uint_eq(ask(2, CHECK, 0, n), n);
    ck_assert_uint_eq(ask(3, CHECK, 0, n), now - 12);
    agent_kill(2);
    agent_kill(3);
    ck_assert_uint_eq(ask(WRITER, LOOK, 0, 0), 0);
    now = ask(WRITER, CHURN, 5, 0);
    ck_assert_uint_eq(ask(WRITER, CHECK, 0, now), now);
    ck_assert_uint_eq(ask(WRITER, CLOSE, 0, 0), 0);
    agents_end();
}
END_TEST

START_TEST(processes__that_write_may_be_killed_while_others_read)
{
    enum { WRITERS = 5, READER = WRITERS, LATER = WRITERS + 1 };
    unsigned seen = 0, now = 0;
    agents_start(WRITERS + 2);
    for (unsigned i = 0; i < WRITERS; i++) {
        unsigned found = ask(i, OPEN_WRITER, i % 2, now);
        ck_assert_uint_ne(found, FAILED);
        ck_assert_uint_ne(found, FULL);
        now = ask(i, CHURN, 5, 0);
        if (i == 0)
            seen = ask(READER, OPEN_READER, 0, now);
        ck_assert_uint_eq(ask(LATER, OPEN_READER, 0, now), now);
        tell(i, CHURN, 400, 0); /* is killed in the midst of it */
        ck_assert_uint_eq(ask(READER, CHECK, 0, seen), seen);
        ck_assert_uint_eq(ask(LATER, CHECK, 0, now), now);
        agent_kill(i);
        ck_assert_uint_eq(ask(READER, CHECK, 0, seen), seen);
        ck_assert_uint_eq(ask(LATER, CHECK, 0, now), now);
        ck_assert_uint_eq(ask(LATER, CLOSE, 0, 0), 0);
    }
    ck_assert_uint_eq(ask(READER, CHECK, 0, seen), seen);
    unsigned last = ask(LATER, OPEN_READER, 0, now); /* without a writer: the log, too */
    ck_assert_uint_ne(last, FAILED);
    ck_assert_uint_eq(ask(READER, CLOSE, 0, 0), 0);
    ck_assert_uint_eq(ask(READER, OPEN_WRITER, 0, last), last);
    now = ask(READER, CHURN, 6, 0);
    ck_assert_uint_eq(ask(LATER, CHECK, 0, last), last);
    ck_assert_uint_eq(ask(READER, CHECK, 0, now), now);
    ck_assert_uint_eq(ask(READER, CLOSE, 0, 0), 0);
    ck_assert_uint_eq(ask(LATER, CLOSE, 0, 0), 0);
    agents_end();
}
END_TEST

START_TEST(processes__as_many_as_there_are_are_listed)
{
    enum { READERS = 40, WRITER = READERS };
    unsigned seen[READERS], now = 0;
    agents_start(READERS + 1);
    ck_assert_uint_eq(ask(WRITER, OPEN_WRITER, 0, 0), 0);
    for (unsigned i = 0; i < READERS; i++) {
        if (i % 4 == 0)
            now = ask(WRITER, CHURN, 1, 0);
        seen[i] = ask(i, OPEN_READER, 0, now);
        ck_assert_uint_eq(seen[i], now);
    }
    ck_assert_uint_eq(ask(WRITER, LOOK, 0, 0), READERS);
    now = ask(WRITER, CHURN, 10, 0);
    for (unsigned i = 0; i < READERS; i++)
        tell(i, CHECK, 0, 0);
    for (unsigned i = 0; i < READERS; i++)
        ck_assert_uint_eq(hear(i), seen[i]);
    for (unsigned i = 0; i < READERS; i += 2)
        agent_kill(i);
    ck_assert_uint_eq(ask(WRITER, LOOK, 0, 0), READERS / 2);
    for (unsigned i = 1; i < READERS; i += 2)
        ck_assert_uint_eq(ask(i, CLOSE, 0, 0), 0);
    ck_assert_uint_eq(ask(WRITER, LOOK, 0, 0), 0);
    ck_assert_uint_eq(ask(WRITER, CLOSE, 0, 0), 0);
    agents_end();
}
END_TEST

START_TEST(processes__that_come_and_go_share_few_slots)
{
    enum { READERS = 8, WRITER = READERS };
    unsigned in = 0;
    agents_start(READERS + 1);
    ck_assert_uint_eq(ask(WRITER, OPEN_WRITER, 0, 0), 0);
    ck_assert_uint_ne(ask(WRITER, CHURN, 2, 0), FAILED);
    for (unsigned i = 0; i < READERS; i++)
        tell(i, LIVES, 30, FULL); /* three slots */
    ck_assert_uint_ne(ask(WRITER, CHURN, 40, 0), FAILED);
    for (unsigned i = 0; i < READERS; i++) {
        unsigned lives = hear(i);
        ck_assert_uint_ne(lives, FAILED);
        in += lives;
    }
    ck_assert_uint_ge(in, 30);
    ck_assert_uint_eq(ask(WRITER, LOOK, 0, 0), 0);
    ck_assert_uint_eq(ask(WRITER, CLOSE, 0, 0), 0);
    agents_end();
}
END_TEST

LEVIN_TEST_MAIN("reader_process", TEST(processes__read_beside_one_that_writes),
                TEST(processes__read_beside_one_with_a_background_thread), TEST(processes__of_readers_may_be_killed),
                TEST(processes__that_write_may_be_killed_while_others_read),
                TEST(processes__as_many_as_there_are_are_listed), TEST(processes__that_come_and_go_share_few_slots))
