/*
 * watch.c - levin stats --watch: samples of a store's files, and their differences.
 *
 * The counters of a handle live in its process; what every process can see is what a checkpoint leaves: the meta page,
 * with the number of the last batch in it, and the files.  Between checkpoints batches stand in the log, whose segments
 * are preallocated: only the number of the newest one tells that it goes on.
 */
#include "watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "interrupt.h"
#include "text.h"

enum { LINES_A_HEADING = 20, TRIES = 3 };

/* X(name): numbers of a sample, as they are named in JSON. */
#define SAMPLE_FIELDS(X)                                                                                        \
    X(checkpoint) X(batches) X(keys) X(named_keys) X(pages) X(free_pages) X(page_bytes) X(page_file_bytes)      \
    X(log_segment) X(log_file_bytes) X(value_log_bytes) X(disk_bytes)

typedef struct sample {
#define FIELD(name) uint64_t name;
    SAMPLE_FIELDS(FIELD)
#undef FIELD
    bool found;        /* a valid meta page */
    uint64_t clock_ns;
} sample;

static const struct {
    const char *field; /* of the dump */
    size_t offset;
} meta_fields[] = {
    { "generation", offsetof(sample, checkpoint) }, { "sequence", offsetof(sample, batches) },
    { "keys", offsetof(sample, keys) },             { "named_keys", offsetof(sample, named_keys) },
    { "page_count", offsetof(sample, pages) },      { "free_pages", offsetof(sample, free_pages) },
    { "page_bytes", offsetof(sample, page_bytes) },
};

/* Keeps the newest meta page that is whole. */
static bool on_item(void *context, const levin_dump_item *item)
{
    sample *s = context, m = *s;
    if (strcmp(item->kind, "meta") || item->fault)
        return true;
    for (size_t i = 0; i < item->count; i++)
        for (size_t k = 0; k < sizeof meta_fields / sizeof meta_fields[0]; k++)
            if (!strcmp(item->fields[i].name, meta_fields[k].field))
                memcpy((char *)&m + meta_fields[k].offset, &item->fields[i].number, sizeof m.keys);
    m.found = true;
    if (!s->found || m.checkpoint > s->checkpoint)
        *s = m;
    return true;
}

static void measure_files(const char *path, sample *s)
{
    DIR *directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct stat status; /* a file may go at any moment */
        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISREG(status.st_mode))
            continue;
        s->disk_bytes += (uint64_t)status.st_blocks * 512;
        if (!strcmp(entry->d_name, "pages"))
            s->page_file_bytes = (uint64_t)status.st_size;
        else if (!strncmp(entry->d_name, "vlog-", 5))
            s->value_log_bytes += (uint64_t)status.st_size;
        if (strncmp(entry->d_name, "wal-", 4))
            continue;
        uint64_t number = strtoull(entry->d_name + 4, NULL, 16);
        s->log_file_bytes += (uint64_t)status.st_size;
        s->log_segment = number > s->log_segment ? number : s->log_segment;
    }
    closedir(directory);
}

static levin_code take(const char *path, sample *s, levin_error *error)
{
    levin_dump_options o;
    levin_code code = LEVIN_OK;
    levin_dump_options_init(&o);
    for (int i = 0; i < TRIES && !s->found; i++) { /* one is being written, and the other was just now */
        struct timespec now;
        *s = (sample){ 0 };
        code = levin_dump(path, &o, on_item, s, error);
        clock_gettime(CLOCK_MONOTONIC, &now);
        s->clock_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
        if (code != LEVIN_OK && code != LEVIN_CORRUPT)
            return code;
    }
    if (!s->found) {
        error->code = LEVIN_CORRUPT;
        return LEVIN_CORRUPT;
    }
    measure_files(path, s);
    return LEVIN_OK;
}

static void print_text(const sample *now, const sample *was, uint64_t line)
{
    const double seconds = was ? (double)(now->clock_ns - was->clock_ns) / 1e9 : 0;
    if (line % LINES_A_HEADING == 0)
        printf("%10s %10s %12s %12s %12s %10s %6s %10s %9s %9s\n", "checkpoint", "ckpts/s", "batches", "batches/s",
               "keys", "pages MB", "free %", "log seg", "vlog MB", "disk MB");
    printf("%10" PRIu64 " %10.2f %12" PRIu64 " %12.0f %12" PRIu64 " %10.1f %6.1f %10" PRIu64 " %9.1f %9.1f\n",
           now->checkpoint, was ? (double)(now->checkpoint - was->checkpoint) / seconds : 0, now->batches,
           was ? (double)(now->batches - was->batches) / seconds : 0, now->keys + now->named_keys,
           (double)now->page_file_bytes / 1048576,
           now->pages ? (double)now->free_pages * 100 / (double)now->pages : 0, now->log_segment,
           (double)now->value_log_bytes / 1048576, (double)now->disk_bytes / 1048576);
}

/* Every number, and under "change" the difference to the line before. */
static void print_json(const sample *now, const sample *was)
{
    json_t *object = json_object(), *change = was ? json_object() : NULL;
    int failed = !object || (was && !change);
#define MEMBER(name)                                                                                            \
    failed = failed || json_object_set_new(object, #name, json_integer((json_int_t)now->name)) ||               \
             (was && json_object_set_new(change, #name, json_integer((json_int_t)(now->name - was->name))));
    SAMPLE_FIELDS(MEMBER)
#undef MEMBER
    failed = failed || json_object_set_new(object, "interval_seconds",
                                           json_real(was ? (double)(now->clock_ns - was->clock_ns) / 1e9 : 0));
    if (failed || (was && json_object_set_new(object, "change", change)))
        cli_die_no_memory();
    text_json_print(stdout, object);
    json_decref(object);
}

/* Until then, or an interrupt. */
static void sleep_until(uint64_t clock_ns)
{
    const struct timespec until = { .tv_sec = (time_t)(clock_ns / 1000000000u),
                                    .tv_nsec = (long)(clock_ns % 1000000000u) };
    while (!interrupt_wanted() && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
        ;
}

int watch_run(const cli_command *command, const char *path, double interval_seconds, uint64_t count, bool json)
{
    sample was = { 0 };
    interrupt_watch();
    for (uint64_t line = 0; !interrupt_wanted() && (!count || line < count); line++) {
        sample now = { 0 };
        levin_error error = { .code = LEVIN_OK };
        if (line)
            sleep_until(was.clock_ns + (uint64_t)(interval_seconds * 1e9));
        if (interrupt_wanted())
            break;
        levin_code code = take(path, &now, &error);
        if (code != LEVIN_OK) {
            error.code = code;
            return cli_fail(command, path, &error);
        }
        if (json)
            print_json(&now, line ? &was : NULL);
        else
            print_text(&now, line ? &was : NULL, line);
        if (fflush(stdout))
            break;
        was = now;
    }
    return cli_finish_output(command, CLI_OK);
}
