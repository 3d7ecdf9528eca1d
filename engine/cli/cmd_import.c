/*
 * cmd_import.c - levin import: records from text into the store, in whole batches.
 *
 * A batch is committed when it has --batch records or BATCH_BYTES; what is malformed or unreadable stops the import
 * with the batches before it in the store and nothing of the batch that it stands in.  With --ack the number of
 * records whose batches are on the device is printed, and flushed, after each batch: whatever happens next, those are
 * in the store.
 *
 * With --all-keyspaces a record says in which keyspace it is; a batch goes across them.  A keyspace is made when the
 * first record or line names it, and stays open until the end.
 *
 * With --sorted all of it is one bulk load (levin_bulk_load_begin()): wholly in the store at the end, or not at all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "interrupt.h"
#include "key_set.h"
#include "progress.h"

enum {
    OPT_FORMAT = OPT_FORMAT_LAST, OPT_FROM, OPT_BATCH, OPT_SYNC, OPT_DURABILITY, OPT_SKIP, OPT_ACK, OPT_PAGE_SIZE,
    OPT_MEMTABLE, OPT_JSON, OPT_KEYSPACE, OPT_ALL_KEYSPACES, OPT_SORTED
};
enum { BATCH_RECORDS_DEFAULT = 1000 };
#define BATCH_BYTES ((size_t)32 << 20)

typedef struct import_request {
    const format *format;
    format_options fields;
    const char *from;
    const char *keyspace;    /* NULL: the default one */
    uint64_t batch_records;  /* 0: BATCH_RECORDS_DEFAULT */
    levin_durability durability;
    bool skip_malformed, ack, quiet, json, sorted;
    levin_options store;
} import_request;

typedef struct import_state {
    const cli_command *command;
    const import_request *request;
    const char *path;
    levin *store;
    levin_keyspace *keyspace; /* NULL: the default one */
    key_set names;            /* with --all-keyspaces: of those that are open; empty: the default one */
    levin_keyspace **opened;  /* by the names' numbers */
    size_t opened_capacity, keyspace_number;
    buffer batch_key;         /* the keyspace's number and the key */
    levin_batch *batch;
    levin_bulk_load *load;    /* in place of batches */
    uint64_t loaded;          /* records in it, not committed */
    reader reader;
    key_set batch_keys;                   /* of the batch that is not yet committed */
    uint64_t batch_replaced;              /* its records whose key was there already */
    uint64_t records, batches, replaced;  /* committed */
    uint64_t skipped, bytes;
    progress meter;
} import_state;

static int fail_call(import_state *s, levin_code code)
{
    progress_end(&s->meter);
    return cli_fail_call(s->command, s->path, s->store, code);
}

static int commit_load(import_state *s)
{
    levin_code code = levin_bulk_load_commit(s->load);
    if (code != LEVIN_OK)
        return fail_call(s, code);
    s->records = s->loaded;
    s->loaded = 0;
    s->batches = 1;
    return CLI_OK;
}

static int commit(import_state *s)
{
    if (s->load)
        return commit_load(s);
    uint64_t count = levin_batch_count(s->batch);
    if (!count)
        return CLI_OK;
    levin_code code = levin_write(s->store, s->batch, s->request->durability);
    if (code != LEVIN_OK)
        return fail_call(s, code);
    s->records += count;
    s->batches++;
    s->replaced += s->batch_replaced;
    s->batch_replaced = 0;
    levin_batch_clear(s->batch);
    key_set_clear(&s->batch_keys);
    if (s->request->ack) {
        printf("%" PRIu64 "\n", s->records);
        if (fflush(stdout))
            return cli_finish_output(s->command, CLI_OK);
    }
    return CLI_OK;
}

/* What is malformed: skipped and counted, or told. */
static int malformed(import_state *s)
{
    const reader *r = &s->reader;
    s->skipped++;
    if (s->request->skip_malformed)
        return CLI_OK;
    progress_end(&s->meter);
    return cli_error(s->command, "%s:%" PRIu64 ":%zu: %s", r->in.name, r->bad_line, r->bad_column, r->why);
}

/* A key that does not come after the one before ends the import. */
static int out_of_order(import_state *s)
{
    levin_error error;
    levin_last_error(s->store, &error);
    progress_end(&s->meter);
    return cli_error(s->command, "%s:%" PRIu64 ": %s", s->reader.in.name, s->reader.line, error.message);
}

/* The same key may be in several keyspaces of one batch. */
static bool is_first_in_batch(import_state *s, levin_slice key)
{
    if (!s->request->fields.keyspaces)
        return key_set_add(&s->batch_keys, key);
    buffer_clear(&s->batch_key);
    buffer_append(&s->batch_key, &s->keyspace_number, sizeof s->keyspace_number);
    buffer_append(&s->batch_key, key.data, key.size);
    return key_set_add(&s->batch_keys, buffer_slice(&s->batch_key));
}

static int add_record(import_state *s)
{
    levin_slice key = buffer_slice(&s->reader.key), value = buffer_slice(&s->reader.value);
    levin_code code =
        s->load ? levin_bulk_load_add(s->load, key.data, key.size, value.data, value.size)
                : levin_batch_put_in(s->batch, s->keyspace, key.data, key.size, value.data, value.size);
    if (code == LEVIN_TOO_BIG) {
        reader_malformed(&s->reader, s->reader.line, 1,
                         "key of %zu or value of %zu bytes is over the store's limit (levin create --page-size)",
                         key.size, value.size);
        return malformed(s);
    }
    if (s->load && code == LEVIN_INVALID && key.size)
        return out_of_order(s);
    if (code != LEVIN_OK)
        return fail_call(s, code);
    if (s->load) {
        s->bytes += key.size + value.size;
        progress_tick(&s->meter, ++s->loaded, s->bytes);
        return CLI_OK;
    }
    bool again = !is_first_in_batch(s, key);
    code = again ? LEVIN_OK : levin_contains_in(s->store, s->keyspace, NULL, key.data, key.size);
    if (code != LEVIN_OK && code != LEVIN_NOT_FOUND)
        return fail_call(s, code);
    s->batch_replaced += code == LEVIN_OK;
    s->bytes += key.size + value.size;
    uint64_t count = levin_batch_count(s->batch);
    progress_tick(&s->meter, s->records + count, s->bytes);
    return count >= s->request->batch_records || levin_batch_bytes(s->batch) >= BATCH_BYTES ? commit(s) : CLI_OK;
}

/* Takes up the keyspace that the record or line read last names, which is made if there is none. */
static int enter_keyspace(import_state *s)
{
    bool added;
    const levin_slice name = buffer_slice(&s->reader.keyspace);
    if (!s->request->fields.keyspaces)
        return CLI_OK;
    const size_t number = key_set_number(&s->names, name, &added);
    if (added) {
        if (number >= s->opened_capacity) {
            const size_t capacity = s->opened_capacity ? s->opened_capacity * 2 : 16;
            levin_keyspace **opened = realloc(s->opened, capacity * sizeof *opened);
            if (!opened)
                cli_die_no_memory();
            s->opened = opened;
            s->opened_capacity = capacity;
        }
        s->opened[number] = NULL;
        levin_code code = name.size ? levin_keyspace_open(s->store, name.data, name.size, LEVIN_KEYSPACE_CREATE,
                                                          &s->opened[number])
                                    : LEVIN_OK;
        if (code != LEVIN_OK)
            return fail_call(s, code);
    }
    s->keyspace_number = number;
    s->keyspace = s->opened[number];
    return CLI_OK;
}

/* Those of --all-keyspaces; otherwise the one that was given. */
static void close_keyspaces(import_state *s)
{
    if (!s->request->fields.keyspaces)
        levin_keyspace_close(s->keyspace);
    for (size_t i = 0; i < s->names.count; i++)
        levin_keyspace_close(s->opened[i]);
    key_set_fini(&s->names);
    free(s->opened);
}

/* Until the end, an error, or an interrupt. */
static int import_all(import_state *s)
{
    for (;;) {
        if (interrupt_wanted())
            return CLI_INTERRUPTED;
        int status = CLI_OK;
        switch (s->reader.format->read(&s->reader)) {
        case READ_RECORD:
            status = enter_keyspace(s);
            if (status == CLI_OK)
                status = add_record(s);
            break;
        case READ_KEYSPACE: status = enter_keyspace(s); break;
        case READ_MALFORMED: status = malformed(s); break;
        case READ_END: return commit(s);
        case READ_INTERRUPTED: return CLI_INTERRUPTED;
        case READ_FAILED:
            progress_end(&s->meter);
            return cli_error(s->command, "%s: %s", s->reader.in.name, s->reader.why);
        }
        if (status != CLI_OK)
            return status;
    }
}

static void report(import_state *s, int status)
{
    double seconds = progress_end(&s->meter);
    uint64_t dropped = s->load ? s->loaded : s->batch ? levin_batch_count(s->batch) : 0;
    if (s->request->json) {
        fprintf(s->request->ack ? stderr : stdout,
                "{\"records\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"replaced\":%" PRIu64 ",\"skipped\":%" PRIu64
                ",\"dropped\":%" PRIu64 ",\"input_bytes\":%" PRIu64 ",\"seconds\":%.3f,\"complete\":%s}\n",
                s->records, s->batches, s->replaced, s->skipped, dropped, s->reader.in.bytes, seconds,
                status == CLI_OK ? "true" : "false");
        return;
    }
    if (s->request->quiet && status == CLI_OK)
        return;
    fprintf(stderr, "levin import: %s%" PRIu64 " records in %" PRIu64 " batches, %.1f MB in %.2f s (%.0f records/s)",
            status == CLI_INTERRUPTED ? "interrupted: " : status != CLI_OK ? "stopped: " : "", s->records, s->batches,
            (double)s->reader.in.bytes / 1e6, seconds, (double)s->records / (seconds > 0 ? seconds : 1e-9));
    if (s->replaced)
        fprintf(stderr, "; %" PRIu64 " had a key that was there already (the last one stays)", s->replaced);
    if (s->skipped && s->request->skip_malformed)
        fprintf(stderr, "; %" PRIu64 " malformed ones skipped", s->skipped);
    if (dropped)
        fprintf(stderr, "; %" PRIu64 " of an unfinished batch left out", dropped);
    fputc('\n', stderr);
}

static int import(const cli_command *command, const char *path, const import_request *request)
{
    import_state s = { .command = command, .request = request, .path = path };
    s.reader = (reader){ .format = request->format, .options = &request->fields };
    int status = CLI_ERROR, os_error = source_open(&s.reader.in, request->from);
    if (os_error)
        return cli_error(command, "%s: %s", request->from, strerror(os_error));
    progress_begin(&s.meter, "imported", request->quiet);
    s.store = cli_open(command, path, &request->store);
    if (!s.store)
        goto out;
    if (!cli_keyspace(command, path, s.store, request->keyspace, LEVIN_KEYSPACE_CREATE, &s.keyspace)) {
        status = cli_close(command, path, s.store, CLI_ERROR);
        goto out;
    }
    levin_code code = request->sorted ? levin_bulk_load_begin(s.store, s.keyspace, &s.load)
                                      : levin_batch_create(s.store, &s.batch);
    status = code == LEVIN_OK ? import_all(&s) : fail_call(&s, code);
    code = LEVIN_OK;
    /* whatever the durability of the batches, what is reported is on the device; a whole import also leaves no log
     * to replay */
    if (status == CLI_OK || status == CLI_INTERRUPTED)
        code = status == CLI_OK ? levin_checkpoint(s.store) : levin_sync(s.store);
    if (code != LEVIN_OK)
        status = fail_call(&s, code);
    report(&s, status);
    levin_batch_destroy(s.batch);
    levin_bulk_load_destroy(s.load);
    close_keyspaces(&s);
    status = cli_close(command, path, s.store, cli_finish_output(command, status));
out:
    key_set_fini(&s.batch_keys);
    buffer_fini(&s.reader.key);
    buffer_fini(&s.reader.value);
    buffer_fini(&s.reader.keyspace);
    buffer_fini(&s.batch_key);
    source_close(&s.reader.in);
    return status;
}

static const struct option import_options[] = { { "format", required_argument, NULL, OPT_FORMAT },
                                                { "from", required_argument, NULL, OPT_FROM },
                                                { "batch", required_argument, NULL, OPT_BATCH },
                                                { "sync", no_argument, NULL, OPT_SYNC },
                                                { "durability", required_argument, NULL, OPT_DURABILITY },
                                                { "skip-malformed", no_argument, NULL, OPT_SKIP },
                                                { "ack", no_argument, NULL, OPT_ACK },
                                                { "sorted", no_argument, NULL, OPT_SORTED },
                                                { "page-size", required_argument, NULL, OPT_PAGE_SIZE },
                                                { "memtable", required_argument, NULL, OPT_MEMTABLE },
                                                { "json", no_argument, NULL, OPT_JSON },
                                                { "keyspace", required_argument, NULL, OPT_KEYSPACE },
                                                { "all-keyspaces", no_argument, NULL, OPT_ALL_KEYSPACES },
                                                { "quiet", no_argument, NULL, 'q' },
                                                FORMAT_OPTIONS,
                                                CLI_STORE_OPTIONS };

/* Takes one option; CLI_OK or the status of a usage error. */
static int take_option(const cli_command *command, import_request *request, int c)
{
    const char *error = NULL;
    uint64_t size;
    switch (c) {
    case 'q': request->quiet = true; break;
    case OPT_FROM: request->from = optarg; break;
    case OPT_KEYSPACE: request->keyspace = optarg; break;
    case OPT_ALL_KEYSPACES: request->fields.keyspaces = true; break;
    case OPT_SYNC: request->durability = LEVIN_SYNCED; break;
    case OPT_SKIP: request->skip_malformed = true; break;
    case OPT_ACK: request->ack = true; break;
    case OPT_SORTED: request->sorted = true; break;
    case OPT_JSON: request->json = true; break;
    case OPT_FORMAT:
        request->format = format_by_name(optarg);
        if (!request->format)
            return cli_usage(command, "--format is deb822, tsv or ndjson, not '%s'", optarg);
        break;
    case OPT_BATCH:
        if (!cli_parse_size(optarg, &request->batch_records) || !request->batch_records)
            return cli_usage(command, "--batch wants a number of records from 1, not '%s'", optarg);
        break;
    case OPT_PAGE_SIZE:
        if (!cli_parse_size(optarg, &size) || size > LEVIN_PAGE_MAX_BYTES)
            return cli_usage(command, "--page-size is 4K to 64K, not '%s'", optarg);
        request->store.page_bytes = (uint32_t)size;
        break;
    case OPT_MEMTABLE:
        if (!cli_parse_size(optarg, &request->store.memtable_bytes))
            return cli_usage(command, "'%s' is no size", optarg);
        break;
    case OPT_DURABILITY:
        if (!cli_parse_durability(optarg, &request->durability))
            return cli_usage(command, "--durability is none, logged or synced, not '%s'", optarg);
        break;
    default: format_option(&request->fields, c, optarg, &error);
    }
    return error ? cli_usage(command, "%s", error) : CLI_OK;
}

static int run(const cli_command *command, int argc, char **argv)
{
    import_request request = { .fields = FORMAT_DEFAULTS, .durability = LEVIN_LOGGED };
    int status;
    levin_options_init(&request.store);
    for (int c; (c = cli_getopt_store(command, argc, argv, "hq", import_options, &request.store, &status)) != -1;) {
        if (c == CLI_DONE)
            return status;
        status = take_option(command, &request, c);
        if (status != CLI_OK)
            return status;
    }
    if (!cli_arguments(command, argc, 1, 1))
        return CLI_USAGE;
    if (!request.format)
        request.format = format_by_file(request.from);
    if (request.ack && request.durability != LEVIN_SYNCED)
        return cli_usage(command, "--ack goes with --sync: only what is on the device is acknowledged");
    const char *clash = format_keyspaces_clash(request.format, &request.fields, request.keyspace);
    if (clash)
        return cli_usage(command, "%s", clash);
    if (request.sorted && request.fields.keyspaces)
        return cli_usage(command, "--sorted is a load of one keyspace: it does not go with --all-keyspaces");
    if (request.sorted && (request.ack || request.batch_records))
        return cli_usage(command, "--sorted commits once, at the end: it does not go with --ack or --batch");
    if (!request.batch_records)
        request.batch_records = BATCH_RECORDS_DEFAULT;
    if (request.fields.whole && request.format != &format_ndjson)
        return cli_usage(command, "--whole goes with --format ndjson");
    interrupt_watch();
    return import(command, argv[optind], &request);
}

const cli_command command_import = {
    "import", "STORE [--from FILE] [--format deb822|tsv|ndjson] [--key FIELD,...]",
    "Reads records from FILE or standard input; makes the store if there is none",
    "      --from FILE          read FILE instead of standard input\n"
    "      --format F           deb822, tsv or ndjson; default: by the ending of FILE (.tsv, .ndjson, .jsonl), else "
    "deb822\n"
    "      --key FIELD,...      deb822: the key is these fields' text (Package); ndjson: member with the key (key)\n"
    "      --separator TEXT     deb822: stands between the parts of a key of several fields (/)\n"
    "      --value FIELD        deb822: the value is this field's text (default: the whole stanza); ndjson: member "
    "(value)\n"
    "      --whole              ndjson: the value is the line as it stands\n"
    "      --key-column N       tsv: column of the key (1)\n"
    "      --value-column N     tsv: column of the value (2)\n"
    "      --keyspace NAME      into that keyspace, which is made if there is none\n"
    "      --all-keyspaces      ndjson: each record into the keyspace that it names (`export --all-keyspaces`)\n"
    "      --batch N            commit after N records (1000), or 32 MiB\n"
    "      --sync               each batch is on the device before the next is read, as --durability synced\n"
    "      --durability LEVEL   none, logged (default) or synced; at the end everything is synced in any case\n"
    "      --ack                with --sync: print, after each batch, how many records are on the device\n"
    "      --sorted             keys ascend: all in one bulk load, without log, or nothing when one does not\n"
    "      --skip-malformed     leave out malformed records and count them, instead of stopping at the first\n"
    "      --page-size SIZE     of a store that is made: 4K to 64K\n"
    "      --memtable SIZE      a checkpoint begins after so many bytes (64M)\n"
    "      --json               report as JSON on standard output (with --ack on standard error)\n"
    "  -q, --quiet              no progress, and no report unless something went wrong\n" CLI_STORE_HELP
    "A malformed record is reported as FILE:LINE:COLUMN and ends the import with code 3; batches before it stay, "
    "nothing\n"
    "of its own batch does. Ctrl-C likewise, with code 130. Of records with the same key the last one stays.\n",
    run
};
