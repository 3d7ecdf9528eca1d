/*
 * recorder_run_test.h - for the tests of the recorder: a program that is recorded below a scratch directory, and what
 * must be in its trace.
 *
 * The program is the test itself, begun again with the name of a body in LEVIN_RECORDER_BODY.
 */
#ifndef FAULTS_RECORDER_RUN_TEST_H
#define FAULTS_RECORDER_RUN_TEST_H

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crash.h"
#include "recorder.h"
#include "recording.h"

/* ---- In the program --------------------------------------------------------------------------------------- */

#define NEED(condition) ((condition) ? (void)0 : (perror(#condition), _exit(70)))

typedef struct recorded_body {
    const char *name;
    void (*run)(void);
} recorded_body;

/* In a constructor: runs the body that this process is asked for, and ends it. */
static inline void recorded_bodies(const recorded_body *bodies, size_t count)
{
    const char *name = getenv("LEVIN_RECORDER_BODY");
    for (size_t i = 0; name && i < count; i++)
        if (!strcmp(name, bodies[i].name)) {
            bodies[i].run();
            exit(0);
        }
}

static inline int make_file(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0644);
    NEED(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

/* ---- In the test ------------------------------------------------------------------------------------------ */

static char scratch[64];
static const plan_rules *record_plan;

static inline void scratch_make(void)
{
    snprintf(scratch, sizeof scratch, "/tmp/levin-recorder-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
}

static inline void scratch_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    ck_assert_int_eq(system(command), 0);
}

static inline recording record(const char *const *command)
{
    recording r;
    char error[RECORDING_PROBLEM_BYTES];
    recorder_options o = { .directory = scratch, .command = command, .work_in = scratch, .output = -1, .seconds = 120,
                           .plan = record_plan, .plan_seed = 1 };
    int failed = recorder_run(&o, &r);
    snprintf(error, sizeof error, "%s", r.problem);
    ck_assert_msg(failed == 0, "%s", error);
    ck_assert_ptr_nonnull(r.trace);
    return r;
}

static inline recording record_body(const char *name)
{
    scratch_make();
    setenv("LEVIN_RECORDER_BODY", name, 1);
    recording r = record((const char *const[]){ "/proc/self/exe", NULL });
    unsetenv("LEVIN_RECORDER_BODY");
    return r;
}

/* Replayed, the trace gives the files, by two ways that share no code; then the files and the trace go away. */
static inline void must_match(recording *r, uint64_t least)
{
    char difference[300] = "";
    ck_assert_str_eq(r->problem, "");
    bool same = recording_matches(r->trace, scratch, difference, sizeof difference);
    ck_assert_msg(same, "%s", difference);
    ck_assert_uint_ge(trace_length(r->trace) - trace_start(r->trace), least);
    disk_image *replayed = recording_replay(r->trace);
    crash_state state;
    crash_explorer *e = crash_open(r->trace, NULL, 1, NULL, NULL);
    ck_assert(crash_seek(e, trace_length(r->trace), 0, &state));
    ck_assert_uint_eq(disk_image_digest(state.image), disk_image_digest(replayed));
    crash_close(e);
    disk_image_unref(replayed);
    trace_destroy(r->trace);
    scratch_remove();
}

static inline uint64_t count_of(const trace *t, trace_op op, const char *call)
{
    uint64_t n = 0;
    for (uint64_t i = trace_start(t); i < trace_length(t); i++)
        n += trace_at(t, i)->op == op && (!call || strstr(trace_at(t, i)->call, call));
    return n;
}

static inline plan_rules plan_of(const char *text)
{
    plan_rules rules;
    plan_error error;
    bool good = plan_parse(&rules, text, strlen(text), &error);
    ck_assert_msg(good, "%u:%u: %s", error.line, error.column, error.text);
    return rules;
}

#endif
