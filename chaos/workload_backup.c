/*
 * workload_backup.c - the step of a plan that takes a backup while the store is compacted, compares it with what was
 * accepted, and removes it.
 */
#include <stdio.h>
#include <string.h>

#include "workload_runner.h"

enum { ENTRY_MAX = 128, PATH_BYTES_MAX = 512 };

static int entry_remove(void *context, const char *name)
{
    snprintf(context, ENTRY_MAX, "%s", name);
    return 1;
}

/* Removes what is in a directory, as far as it can be. */
static void directory_empty(const levin_io *io, const char *directory)
{
    char name[ENTRY_MAX], path[PATH_BYTES_MAX];
    for (;;) {
        name[0] = 0;
        (void)io->list(io->context, directory, entry_remove, name);
        snprintf(path, sizeof path, "%s/%s", directory, name);
        if (!name[0] || io->unlink(io->context, path))
            return;
    }
}

/* A backup that opens holds what was accepted when it was taken; one that was reported as made does open. */
static bool backup_compare(runner *r, const char *path, levin_code made, uint64_t seed)
{
    oracle_check_options with = { .seed = seed, .points = 8, .ranges = 3, .faults_active = r->target->faults };
    oracle_legal legal = oracle_legal_exactly(oracle_accepted(r->target->o));
    levin_options options;
    levin_error error = { 0 };
    oracle_verdict v;
    levin *copy;
    workload_store_options(r->w, r->target->io, &options);
    options.create_if_missing = false;
    options.read_only = true;
    levin_code code = levin_open(path, &options, &copy, &error);
    if (code != LEVIN_OK) {
        r->result->failures++;
        if (made != LEVIN_OK || (r->target->faults && code != LEVIN_CORRUPT))
            return true;
        oracle_fault(&r->result->verdict, "DETECT", "a backup does not open: %s", error.message);
        r->result->verdict.code = code;
        oracle_names(&r->result->verdict, &error);
        return false;
    }
    bool good = oracle_check(r->target->o, &legal, copy, &with, &v);
    good = workload_checked(r, good, &v, "check of a backup");
    if (good && workload_check(copy, &error) == LEVIN_CORRUPT) {
        oracle_fault(&r->result->verdict, "DETECT", "levin_check of a backup: %s", error.message);
        r->result->verdict.code = LEVIN_CORRUPT;
        oracle_names(&r->result->verdict, &error);
        good = false;
    }
    (void)levin_close(copy);
    r->result->counts.backups += good && made == LEVIN_OK;
    return good;
}

/* While it is copied the pages are moved and the file shortened under it. */
static bool compact_meanwhile(void *context, const levin_backup_result *so_far)
{
    runner *r = context;
    if (so_far->bytes && !r->disturbed && levin_compact(r->store, NULL, NULL) != LEVIN_OK)
        r->result->failures++;
    r->disturbed = r->disturbed || so_far->bytes;
    return true;
}

bool workload_step_backup(runner *r, uint64_t seed)
{
    char path[PATH_BYTES_MAX];
    levin_backup_options options;
    levin_backup_options_init(&options);
    options.progress = compact_meanwhile;
    options.context = r;
    r->disturbed = false;
    workload_script_call(script_of(r), "client_backup(c)");
    snprintf(path, sizeof path, "%s.backup", r->target->path);
    directory_empty(r->target->io, path);
    levin_code code = levin_backup(r->store, path, &options, NULL);
    if (code == LEVIN_OK)
        oracle_durable(r->target->o, runner_now(r));
    bool going = backup_compare(r, path, code, seed);
    directory_empty(r->target->io, path);
    return code != LEVIN_OK && going ? workload_failed(r, code, "levin_backup") : going;
}
