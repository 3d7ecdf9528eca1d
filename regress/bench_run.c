/*
 * bench_run.c - one store after the other, each in a child process, in a fresh directory.
 */
#include "bench_run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_child.h"
#include "bench_threads.h"
#include "monotonic.h"
#include "remove_directory.h"

/* ---- directories ---- */

bool bench_remove_directory(const char *path)
{
    if (remove_directory(path))
        return true;
    fprintf(stderr, "levin-bench: %s could not be removed: %s\n", path, strerror(errno));
    return false;
}

bool bench_store_path(const bench_setup *s, size_t which, unsigned round, const char *tag, char path[BENCH_PATH_BYTES])
{
    if (snprintf(path, BENCH_PATH_BYTES, "%s/%s.%zu-%u%s%s", s->db, s->store[which].adapter->name, which, round,
                 tag ? "-" : "", tag ? tag : "") < BENCH_PATH_BYTES)
        return true;
    fprintf(stderr, "levin-bench: the path of --db is too long\n");
    return false;
}

static bool is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

/* With use_existing a round without a store of its own takes that of the first. */
static bool path_of_round(const bench_setup *s, size_t which, unsigned round, const char *tag,
                          char path[BENCH_PATH_BYTES])
{
    return bench_store_path(s, which, round, tag, path) &&
           (!s->use_existing || is_there(path) || bench_store_path(s, which, 0, tag, path));
}

bool bench_paths_ready(const bench_setup *s, const char *tag)
{
    char path[BENCH_PATH_BYTES];
    for (unsigned round = 0; round < s->rounds; round++)
        for (size_t i = 0; i < s->stores; i++) {
            if (!path_of_round(s, i, round, tag, path))
                return false;
            if (is_there(path) == s->use_existing)
                continue;
            fprintf(stderr, s->use_existing ? "levin-bench: %s is not there: --use_existing_db needs a store that a "
                                              "run with --keep left, as the same in the list of --store\n"
                                            : "levin-bench: %s is there already: --use_existing_db reads it; this run "
                                              "would write over it\n",
                    path);
            return false;
        }
    return true;
}

/* No store here has directories inside its own. */
uint64_t bench_disk_bytes(const char *path, const char *but)
{
    enum { BLOCK_BYTES = 512 }; /* of st_blocks */
    uint64_t bytes = 0;
    DIR *directory = opendir(path);
    if (!directory)
        return 0;
    for (const struct dirent *e; (e = readdir(directory)) != NULL;) {
        struct stat status;
        if (e->d_name[0] == '.' || (but && strncmp(e->d_name, but, strlen(but)) == 0))
            continue;
        if (fstatat(dirfd(directory), e->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            bytes += (uint64_t)status.st_blocks * BLOCK_BYTES;
    }
    closedir(directory);
    return bytes;
}

/* ---- a store ---- */

bool bench_store_start(const bench_store *s, const char *path, const store_config *config, open_store *os)
{
    char message[STORE_MESSAGE_BYTES] = "";
    store_config with_path = *config;
    with_path.path = path;
    os->synced = config->sync;
    if (s->adapter->open(&with_path, &os->db, message) == STORE_OK)
        return true;
    os->db = NULL;
    fprintf(stderr, "levin-bench: %s: open of %s failed: %s\n", s->label, path, message);
    return false;
}

bool bench_store_stop(const bench_store *s, open_store *os)
{
    char message[STORE_MESSAGE_BYTES] = "";
    if (!os->db)
        return true;
    bool ok = s->adapter->close(os->db, message) == STORE_OK;
    os->db = NULL;
    if (!ok)
        fprintf(stderr, "levin-bench: %s: close failed: %s\n", s->label, message);
    return ok;
}

/* ---- a list of benchmarks ---- */

static bool start(const bench_setup *s, const bench_store *st, const char *path, bool synced, open_store *os)
{
    store_config config = bench_store_config(st, synced, bench_sizes_of(s));
    return bench_store_start(st, path, &config, os);
}

static bool run_open(const bench_setup *s, const bench_store *st, const char *path, open_store *os,
                     bench_result *result)
{
    if (!bench_store_stop(st, os))
        return false;
    double began = monotonic_s();
    bool ok = start(s, st, path, false, os);
    result->seconds = monotonic_s() - began;
    result->operations = 1;
    return ok;
}

/* The store is opened for what the benchmark does: some stores choose between synced and not when they are opened. */
static bool run_bench(const bench_setup *s, const workload *w, const bench_store *st, const char *path,
                      open_store *os, bench_result *result)
{
    const bool synced = w->synced || (w->fresh && s->o.sync);
    if (w->fresh || !os->db || os->synced != synced)
        if (!bench_store_stop(st, os) || (w->fresh && !bench_remove_directory(path)) ||
            !start(s, st, path, synced, os))
            return false;
    return bench_threads_run(w, os->db, st->adapter, &s->o, result);
}

typedef struct list_run {
    const bench_setup *s;
    const bench_store *store;
    bench_cell *cells; /* of the store, shared with the parent */
    unsigned round;
    const char *path;
} list_run;

static bool run_list(void *context)
{
    const list_run *run = context;
    const bench_setup *s = run->s;
    open_store os = { 0 };
    bool ok = true;
    for (size_t i = 0; i < s->benches && ok && !*s->o.stop; i++) {
        static bench_result result;
        memset(&result, 0, sizeof result);
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\rround %u of %u: %-10s %-18s", run->round + 1, s->rounds, run->store->label,
                    s->bench_name[i]);
        ok = s->bench[i] ? run_bench(s, s->bench[i], run->store, run->path, &os, &result)
                         : run_open(s, run->store, run->path, &os, &result);
        if (ok)
            bench_cell_add(&run->cells[i], &result);
    }
    return bench_store_stop(run->store, &os) && ok;
}

bool bench_run_store(const bench_setup *s, size_t which, unsigned round, bench_row *rows)
{
    char path[BENCH_PATH_BYTES];
    if (!path_of_round(s, which, round, NULL, path))
        return false;
    list_run run = { .s = s, .store = &s->store[which], .cells = rows[which].bench, .round = round, .path = path };
    bench_end end = bench_child_run(run_list, &run);
    if (end == BENCH_KILLED)
        fprintf(stderr, "levin-bench: %s: killed\n", s->store[which].label);
    return (s->keep || s->use_existing || bench_remove_directory(path)) && end == BENCH_DONE;
}
