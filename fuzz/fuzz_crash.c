/*
 * fuzz_crash.c - property: whatever a client does, whichever of its calls fail, and whenever the power goes, every
 * promise is kept (DURABLE, PREFIX, ATOMIC, FAULT, POISON, TORN vs ROTTEN).
 *
 * Input: crash_input.h. Operations are done to a store on the simulated disk by the client of faults/, which tells
 * the oracle; calls fail by plans that the input spells; then three power cuts at points of the input, each with
 * another in its recovery.
 *
 * Invariants:
 *   - while no call fails, every call succeeds, and the open store answers as the model does;
 *   - while calls fail, an answer is right or an error; nothing acknowledged is lost; the handle can be closed; once
 *     calls fail no more, the store opens, and holds a legal state;
 *   - what a power cut leaves is a state that is legal at that moment, passes levin_check(), and so after another
 *     power cut in the recovery;
 *   - nothing is left behind: no descriptor, no memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/client.h"
#include "../faults/client_state.h"
#include "../faults/errnos.h"
#include "../faults/plan.h"
#include "crash_input.h"
#include "fuzz.h"
#include "ops.h"

typedef struct run {
    client *c;
    levin_options options;
    unsigned stamp;      /* of the next value */
} run;

/* ---- operations ------------------------------------------------------------------------------------------- */

enum { SPACES = 3, VALUE_MAX = 8200 };

/* A value unlike every other, but for the shortest. */
static levin_slice value_of(run *r, unsigned length_class)
{
    static const uint16_t lengths[16] = { 0, 1, 4, 8, 30, 59, 60, 61, 100, 400, 699, 701, 1025, 4001, 4097, VALUE_MAX };
    static char value[VALUE_MAX + 1];
    const size_t bytes = lengths[length_class & 15];
    memset(value, 'a' + (int)(r->stamp % 26), bytes);
    value[bytes] = 0;
    char head[16];
    const size_t head_bytes = (size_t)snprintf(head, sizeof head, "%u", ++r->stamp);
    memcpy(value, head, head_bytes < bytes ? head_bytes : bytes);
    return (levin_slice){ value, bytes };
}

static unsigned space_of(uint8_t byte)
{
    return byte % 4 == 3 ? 0 : byte % 4 % SPACES;
}

static levin_durability durability_of(uint8_t byte)
{
    return (levin_durability)(byte % 3);
}

/* A put as it was, in a space; the last argument is length and space. */
static void put(run *r, uint8_t key, uint8_t what)
{
    const levin_slice k = ops_key(key), v = value_of(r, what >> 4);
    client_put(r->c, space_of(what), k.data, k.size, v.data, v.size);
}

/* What is put together goes first, so that an operation stands alone. */
static void flush(run *r, uint8_t durability)
{
    if (r->c->count)
        client_write(r->c, durability_of(durability));
}

/*
 * So that it is known what is committed: a batch that waits may have been led by any other call, which the client takes
 * for a state of its own only when the whole store is compared.
 */
static void wait_all(run *r)
{
    for (unsigned i = 0; i < CLIENT_TICKETS; i++)
        client_wait(r->c, i);
}

static void submit(run *r, const uint8_t op[4])
{
    if (!r->c->count)
        put(r, op[1], op[2]);
    if (r->c->submitted == CLIENT_TICKETS)
        wait_all(r);
    if (r->c->submitted == CLIENT_TICKETS) /* the store is gone: nobody waits any more */
        return;
    if (op[3] & 4)
        client_submit_callback(r->c, durability_of(op[3]));
    else
        client_submit(r->c, durability_of(op[3]));
}

/* op[1] key, op[2] value and space, op[3] bits 0-1 how the rival looks, the rest durability. */
static void rival(run *r, const uint8_t op[4])
{
    const levin_slice key = ops_key(op[1]);
    const unsigned space = space_of(op[2]);
    flush(r, op[3] >> 2);
    switch (op[3] & 3) {
    case 0:
        client_rival_reads(r->c, space, key.data, key.size);
        break;
    case 1:
        client_rival_iterates(r->c, space, key.data, key.size);
        break;
    default:
        client_rival_writes(r->c, space, key.data, key.size);
    }
    put(r, op[1], op[2] | 0x80); /* long enough to be unlike every other */
    client_write(r->c, durability_of(op[3] >> 2));
    client_rival_refused(r->c);
}

/* A run of keys of one space, and nothing else.  What is submitted and waits would be committed after it. */
static void load(run *r, const uint8_t op[4])
{
    flush(r, op[3]);
    wait_all(r);
    for (unsigned i = 0; i <= op[3] % 8u; i++)
        put(r, (uint8_t)(op[1] + i), op[2]);
    client_load(r->c);
}

static void swap(run *r, const uint8_t op[4])
{
    flush(r, op[3]);
    if (op[3] & 4) {
        const levin_slice key = ops_key(op[1]);
        client_delete(r->c, space_of(op[2]), key.data, key.size);
    } else {
        put(r, op[1], op[2]);
    }
    client_swap(r->c, durability_of(op[3]));
}

static void upkeep(run *r, const uint8_t op[4])
{
    switch (op[1] % 6) {
    case 0:
        client_sync(r->c);
        return;
    case 1:
        client_checkpoint(r->c);
        return;
    case 2:
        client_collect(r->c, 1 + op[2] % 100u);
        return;
    case 3:
    case 4:
        client_work(r->c, 1 + op[2] % 8u);
        return;
    default:
        flush(r, op[3]);
        wait_all(r);
        client_backup(r->c);
    }
}

static void keyspace(run *r, const uint8_t op[4])
{
    static const char *const names[SPACES] = { "", "orders", "o" };
    const unsigned space = 1 + op[1] % (SPACES - 1u);
    flush(r, op[2]);
    client_keyspace(r->c, space, names[space], strlen(names[space]));
}

static void earlier(run *r, const uint8_t op[4])
{
    wait_all(r);
    switch (op[1] % 4) {
    case 0:
        client_snapshot(r->c);
        return;
    case 1:
        client_snapshot_check(r->c);
        return;
    case 2:
        client_reader(r->c);
        return;
    default:
        client_reader_check(r->c);
    }
}

/* ---- failing calls ---------------------------------------------------------------------------------------- */

/*
 * A plan of one rule that damages no bytes: op[1] operation and kind of file, op[2] which call (or how much room there
 * is), op[3] effect, error, and how often.  A rule that cannot be meant is none.
 */
static void fail(run *r, const uint8_t op[4])
{
    static const char *const effects[4] = { "error", "error-after", "error-kept", "short" };
    static const char *const often[4] = { "once", "forever", "times 2", "once" };
    const fault_operation operation = (fault_operation)(op[1] % FAULT_OPERATION_COUNT);
    const levin_file_kind kind = (levin_file_kind)(op[1] / FAULT_OPERATION_COUNT % LEVIN_FILE_KIND_COUNT);
    const int *errors = errnos_of(operation);
    unsigned count = 0;
    while (errors[count])
        count++;
    const char *error = errno_name(errors[(op[3] >> 4) % count]);
    char point[64], text[256];
    if (operation == FAULT_ALLOC || operation == FAULT_RANDOM)
        snprintf(point, sizeof point, operation == FAULT_ALLOC ? "levin/mem/alloc" : "levin/random");
    else
        snprintf(point, sizeof point, "levin/io/%s/%s", op[1] >= 0xc0 ? "*" : fault_kind_text(kind),
                 fault_operation_text(operation));
    const unsigned effect = op[3] & 3;
    if (effect == 3 && op[3] & 4)
        snprintf(text, sizeof text, "levin-fault-plan 1\non %s do budget %u ENOSPC back %u\n", point,
                 512 * (1u + op[2]), 1u + (op[3] >> 4));
    else if (effect == 3)
        snprintf(text, sizeof text, "levin-fault-plan 1\non %s nth %u do short %u\n", point, 1u + op[2], 1u + op[3]);
    else
        snprintf(text, sizeof text, "levin-fault-plan 1\non %s nth %u %s do %s %s\n", point, 1u + op[2],
                 often[op[3] >> 2 & 3], effects[effect], error);
    static plan_rules rules;
    plan_error refused;
    if (plan_parse(&rules, text, strlen(text), &refused))
        client_plan(r->c, text, op[2]);
}

/* Also what failed for ever goes on with the next opening. */
static void calm(run *r)
{
    if (!r->c->failing)
        return;
    (void)client_calm(r->c);
    client_close(r->c);
    client_open(r->c, &r->options);
    client_check(r->c, r->stamp);
}

/* ---- the target ------------------------------------------------------------------------------------------- */

static void do_operation(run *r, const uint8_t op[4])
{
    const levin_slice key = ops_key(op[1]), other = ops_key(op[2]);
    int from, to;
    levin_slice prefix;
    switch ((enum crash_kind)(op[0] % CRASH_KINDS)) {
    case CRASH_PUT:
        put(r, op[1], op[2]);
        if (op[3] & 4)
            client_write(r->c, durability_of(op[3]));
        return;
    case CRASH_DELETE:
        client_delete(r->c, space_of(op[2]), key.data, key.size);
        return;
    case CRASH_DELETE_RANGE:
        if (op[1] < op[2])
            client_delete_range(r->c, space_of(op[3]), key.data, key.size, other.data, other.size);
        return;
    case CRASH_DELETE_PREFIX:
        prefix = ops_prefix(op[1], &from, &to);
        client_delete_prefix(r->c, space_of(op[3]), prefix.data, prefix.size);
        return;
    case CRASH_WRITE:
        client_write(r->c, durability_of(op[1]));
        return;
    case CRASH_TRANSACTION:
        if (r->c->count) /* without writes it syncs nothing */
            client_transaction(r->c, durability_of(op[1]));
        return;
    case CRASH_SWAP:
        swap(r, op);
        return;
    case CRASH_LOAD:
        load(r, op);
        return;
    case CRASH_SUBMIT:
        submit(r, op);
        return;
    case CRASH_WAIT:
        client_wait(r->c, op[1] % CLIENT_TICKETS);
        return;
    case CRASH_RIVAL:
        rival(r, op);
        return;
    case CRASH_UPKEEP:
        upkeep(r, op);
        return;
    case CRASH_COMPACT:
        client_compact(r->c, op[1] & 1 ? LEVIN_COMPACT_END : LEVIN_COMPACT_ALL, op[1] & 2 ? op[2] % 4u : UINT64_MAX);
        return;
    case CRASH_KEYSPACE:
        keyspace(r, op);
        return;
    case CRASH_DROP:
        flush(r, op[2]); /* a batch that is put together knows the keyspace by its number */
        client_keyspace_drop(r->c, 1 + op[1] % (SPACES - 1u), durability_of(op[2]));
        return;
    case CRASH_EARLIER:
        earlier(r, op);
        return;
    case CRASH_LOOK:
        if (op[2] & 1) {
            client_check(r->c, op[3]);
            return;
        }
        wait_all(r);
        client_get(r->c, space_of(op[3]), key.data, key.size);
        return;
    case CRASH_REOPEN:
        flush(r, op[2]);
        if (r->c->failing)
            calm(r);
        else {
            client_close(r->c);
            client_open(r->c, &r->options);
        }
        return;
    case CRASH_FAIL:
        if (!r->c->failing)
            fail(r, op);
        return;
    case CRASH_CALM:
        calm(r);
        return;
    case CRASH_KINDS:
        return;
    }
}

static client_cut cut_of(const uint8_t *bytes)
{
    return (client_cut){ bytes[0] | (uint64_t)bytes[1] << 8, bytes[2] };
}

static void options_by(levin_options *o, uint8_t byte)
{
    static const uint32_t threshold[4] = { 0, 60, 700, 4000 }, memtable_kib[4] = { 64, 128, 512, 1024 };
    fuzz_options(o, NULL);
    o->value_log_threshold_bytes = threshold[byte & 3];
    o->value_log_segment_bytes = 32 << 10;
    o->memtable_bytes = (uint64_t)memtable_kib[byte >> 2 & 3] << 10;
    o->wal_segment_bytes = 16 << 10;
    if (byte & 16) {
        o->wal_sector_bytes = 4096;
        o->wal_segment_bytes = 32 << 10;
    }
    o->page_bytes = LEVIN_PAGE_MIN_BYTES << (byte >> 5 & 3);
    o->cache_bytes = 24 * o->page_bytes;
    if (byte & 128)
        o->row_cache_bytes = 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    ops_keys_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CRASH_HEADER_BYTES)
        return 0;
    run r = { .c = client_create(data[1]) };
    options_by(&r.options, data[0]);
    ops_keys_use(true); /* also short enough for a named keyspace */
    client_open(r.c, &r.options);
    size_t end = size < CRASH_HEADER_BYTES + CRASH_OPERATIONS_MAX * 4 ? size
                                                                      : CRASH_HEADER_BYTES + CRASH_OPERATIONS_MAX * 4;
    for (size_t at = CRASH_HEADER_BYTES; at + 4 <= end; at += 4)
        do_operation(&r, data + at);
    calm(&r);
    flush(&r, LEVIN_LOGGED);
    client_check(r.c, data[1]);
    const client_cut again = cut_of(data + 2 + CRASH_CUTS * CRASH_CUT_BYTES);
    for (unsigned i = 0; i < CRASH_CUTS; i++)
        client_crash(r.c, &r.options, data[1], cut_of(data + 2 + i * CRASH_CUT_BYTES), &again);
    const oracle_verdict v = client_end(r.c);
    ops_keys_use(false);
    fuzz_require(!v.promise, "%s: %s", v.promise, v.text);
    return 0;
}
