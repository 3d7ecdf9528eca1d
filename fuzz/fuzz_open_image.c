/*
 * fuzz_open_image.c - property: whatever stands in a store's files, opening and using it is safe, and what it
 * answers is right as far as the files can tell.
 *
 * Inputs (container.h, damage.h): the files of a store, mutated in any way, with checksums repaired or not; or
 * damage to one of the seed stores, which leaves all checksums as they were.
 *
 * Invariants, of any input:
 *   - no signal, no hang, no deadlock, memory and calls bounded, nothing left behind when the store is closed
 *     (disk.c);
 *   - every failure of open is an error with a message; LEVIN_CORRUPT names a file;
 *   - keys come in strictly ascending order forwards, strictly descending backwards, all inside the limits;
 *   - a put that was acknowledged as synced is there: at once, after a checkpoint that succeeded, and after
 *     reopening;
 *   - reading only changes no byte on the disk.
 * Of an input in whose store levin_check() finds no fault (checksums repaired: a legal store of another content):
 *   - forward scan = reverse scan = get of each key; no read fails;
 *   - a checkpoint succeeds, after which levin_check() finds no fault and counts exactly the keys of the scan;
 *   - all is the same after reopening.
 * A store that opened may be refused when it is opened again only if it is damaged and levin_check() had said so.
 * Of damage (DETECT): every answer of get and of both scans is that of one legal state of the seed store
 * (damage.c), or LEVIN_CORRUPT, also after a put, a checkpoint and reopening. Limits that a store of odd numbers
 * can meet (LEVIN_TOO_BIG, LEVIN_NO_SPACE) are honest answers to writes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/checksum.h"
#include "../engine/codec.h"
#include "../faults/fatal.h"
#include "container.h"
#include "damage.h"
#include "fuzz.h"

enum { GETS_MAX = 96, STATES_MAX = 512 };

/* Before every key of a seed store. */
static const char own_key[] = "\x01put";
static const char own_value[] = "a value put by the target";

/* ---- what a store shows ----------------------------------------------------------------------------------- */

typedef struct pair {
    size_t key_at, key_bytes, value_bytes;
    uint64_t value_hash;
} pair;
typedef struct listing {
    pair *pairs;
    size_t count, capacity;
    uint8_t *keys;
    size_t keys_used, keys_capacity;
    levin_code code;   /* why it ended; LEVIN_OK: at the end */
} listing;

static uint64_t value_hash(levin_slice value)
{
    return value.size ? checksum(value.data, value.size, value.size) : 0;
}

static levin_slice listing_key(const listing *l, size_t i)
{
    return (levin_slice){ l->keys + l->pairs[i].key_at, l->pairs[i].key_bytes };
}

static void listing_add(listing *l, levin_slice key, levin_slice value)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 128;
        l->pairs = fatal_realloc(l->pairs, l->capacity * sizeof *l->pairs);
    }
    while (l->keys_used + key.size > l->keys_capacity) {
        l->keys_capacity = l->keys_capacity ? 2 * l->keys_capacity : 4096;
        l->keys = fatal_realloc(l->keys, l->keys_capacity);
    }
    memcpy(l->keys + l->keys_used, key.data, key.size);
    l->pairs[l->count++] = (pair){ l->keys_used, key.size, value.size, value_hash(value) };
    l->keys_used += key.size;
}

static void listing_fini(listing *l)
{
    free(l->pairs);
    free(l->keys);
    *l = (listing){ 0 };
}

/* ---- the run ---------------------------------------------------------------------------------------------- */

typedef struct run {
    fuzz_disk disk;
    levin_options options;
    uint8_t script;
    levin *store;
    bool damaged;               /* an input of form INPUT_DAMAGE: the oracle below knows the contents */
    damage_legal legal;
    uint8_t allowed[STATES_MAX]; /* states that all answers so far agree with */
    bool own_put;               /* own_key is in the store */
    bool clean;                 /* levin_check() found no fault */
    levin_error error;          /* of the last open that failed */
} run;

/* A code that reading may give: data, or an honest error. */
static void require_readable(const run *r, levin_code code, const char *what)
{
    fuzz_require(code == LEVIN_OK || code == LEVIN_NOT_FOUND || code == LEVIN_CORRUPT, "%s gave %s", what,
                 levin_code_name(code));
    fuzz_require(!r->clean || code != LEVIN_CORRUPT, "levin_check() found no fault, but %s gave %s", what,
                 levin_code_name(code));
}

static bool is_limit(levin_code code)
{
    return code == LEVIN_TOO_BIG || code == LEVIN_NO_SPACE;
}

/* ---- DETECT ----------------------------------------------------------------------------------------------- */

static void allow_states(run *r)
{
    const damage_legal *l = &r->legal;
    size_t count = l->seed->state_count;
    fuzz_require(count <= STATES_MAX, "seed store %s has %zu states", l->seed->name, count);
    memset(r->allowed, 0, count);
    for (size_t i = l->first; i <= l->last && l->first <= l->last; i++)
        r->allowed[i] = 1;
    r->allowed[l->final] = 1;
}

/* Strikes out the states that an answer excludes; none left is a wrong answer. */
static void require_legal(const run *r, const char *what, levin_slice key)
{
    for (size_t i = 0; i < r->legal.seed->state_count; i++)
        if (r->allowed[i])
            return;
    fuzz_require(false,
                 "DETECT: a wrong answer of %s at key \"%.*s\" of damaged store %s%s (legal: %zu to %zu and %zu)",
                 what, (int)(key.size < 64 ? key.size : 64), (const char *)key.data, r->legal.seed->name,
                 r->script & SCRIPT_SALVAGE ? ", salvaged" : "", r->legal.first, r->legal.last, r->legal.final);
}

static bool slices_equal(levin_slice a, levin_slice b)
{
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

/* Pair i of a state, with the target's own pair before all of its. NULL: past the end. */
static const seed_pair *state_pair(const run *r, size_t state, size_t i)
{
    static const seed_pair own = { { own_key, sizeof own_key - 1 }, { own_value, sizeof own_value - 1 } };
    const seed_state *s = &r->legal.seed->states[state];
    if (r->own_put && i-- == 0)
        return &own;
    return i < s->count ? &s->pairs[i] : NULL;
}

static size_t state_pairs(const run *r, size_t state)
{
    return r->legal.seed->states[state].count + r->own_put;
}

/* A scan shows this pair as its nth, from one end. key.data NULL: the end. */
static void detect_scan(run *r, bool forward, size_t nth, levin_slice key, levin_slice value)
{
    if (!r->damaged)
        return;
    for (size_t i = 0; i < r->legal.seed->state_count; i++) {
        if (!r->allowed[i])
            continue;
        size_t count = state_pairs(r, i);
        const seed_pair *expected = nth < count ? state_pair(r, i, forward ? nth : count - 1 - nth) : NULL;
        r->allowed[i] = expected ? key.data && slices_equal(expected->key, key) &&
                                       slices_equal(expected->value, value)
                                 : !key.data;
    }
    require_legal(r, forward ? "a forward scan" : "a reverse scan", key);
}

static const seed_pair *state_find(const run *r, size_t state, levin_slice key)
{
    size_t low = 0, high = state_pairs(r, state);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const seed_pair *p = state_pair(r, state, middle);
        int c = key_compare(p->key.data, p->key.size, key.data, key.size);
        if (c == 0)
            return p;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* value NULL: not found. */
static void detect_get(run *r, levin_slice key, const levin_slice *value)
{
    for (size_t i = 0; i < r->legal.seed->state_count; i++) {
        if (!r->allowed[i])
            continue;
        const seed_pair *found = state_find(r, i, key);
        r->allowed[i] = found ? value && slices_equal(found->value, *value) : !value;
    }
    require_legal(r, "get", key);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static listing scan(run *r, bool forward)
{
    listing l = { 0 };
    levin_iter *it;
    levin_code code = levin_iter_open(r->store, NULL, &it);
    fuzz_require(code == LEVIN_OK, "levin_iter_open gave %s", levin_code_name(code));
    bool more = forward ? levin_iter_first(it) : levin_iter_last(it);
    for (; more; more = forward ? levin_iter_next(it) : levin_iter_prev(it)) {
        levin_slice key = levin_iter_key(it), value = levin_iter_value(it);
        fuzz_require(key.size >= LEVIN_KEY_MIN_BYTES && key.size <= LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MAX_BYTES),
                     "a key of %zu bytes", key.size);
        if (l.count) {
            levin_slice before = listing_key(&l, l.count - 1);
            int order = key_compare(before.data, before.size, key.data, key.size);
            fuzz_require(forward ? order < 0 : order > 0, "keys out of order in a %s scan, at pair %zu",
                         forward ? "forward" : "reverse", l.count);
        }
        if (!value.data && levin_iter_status(it) != LEVIN_OK) {
            l.code = levin_iter_status(it); /* a value that cannot be read: the scan could go on, but is of no use */
            break;
        }
        detect_scan(r, forward, l.count, key, value);
        listing_add(&l, key, value);
    }
    if (!more) {
        l.code = levin_iter_status(it);
        if (l.code == LEVIN_OK)
            detect_scan(r, forward, l.count, (levin_slice){ NULL, 0 }, (levin_slice){ NULL, 0 });
    }
    levin_iter_close(it);
    require_readable(r, l.code, "a scan");
    return l;
}

static void get_key(run *r, levin_slice key, const pair *expected)
{
    void *value;
    size_t bytes = 0;
    levin_code code = levin_get_alloc(r->store, NULL, key.data, key.size, &value, &bytes);
    require_readable(r, code, "levin_get_alloc");
    levin_slice found = { value, bytes };
    if (r->damaged && code != LEVIN_CORRUPT)
        detect_get(r, key, code == LEVIN_OK ? &found : NULL);
    if (r->clean && expected)
        fuzz_require(code == LEVIN_OK && bytes == expected->value_bytes && value_hash(found) == expected->value_hash,
                     "get and scan differ (%s)", levin_code_name(code));
    levin_free(r->store, code == LEVIN_OK ? value : NULL);
}

/* Gets of keys of the scan, and of one beside them that cannot be there. */
static void get_some(run *r, const listing *l)
{
    uint8_t absent[LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MAX_BYTES) + 1];
    size_t step = l->count / GETS_MAX + 1;
    for (size_t i = 0; i < l->count; i += step)
        get_key(r, listing_key(l, i), &l->pairs[i]);
    if (l->count) {
        levin_slice key = listing_key(l, l->count / 2);
        memcpy(absent, key.data, key.size);
        absent[key.size] = 0; /* the next key that there can be */
        key = (levin_slice){ absent, key.size + 1 };
        levin_code code = levin_contains(r->store, NULL, key.data, key.size);
        require_readable(r, code, "levin_contains");
        levin_slice next = l->count / 2 + 1 < l->count ? listing_key(l, l->count / 2 + 1) : (levin_slice){ "", 0 };
        if (r->clean && l->code == LEVIN_OK && key.size <= LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MIN_BYTES))
            fuzz_require((code == LEVIN_OK) == slices_equal(next, key), "an absent key is found, or one is missed");
    }
    /* a scan that failed does not show all keys of a damaged store */
    if (r->damaged)
        for (size_t i = 0, step_all = state_pairs(r, r->legal.final) / GETS_MAX + 1;
             i < state_pairs(r, r->legal.final); i += step_all)
            get_key(r, state_pair(r, r->legal.final, i)->key, NULL);
}

static bool count_fault(void *context, const levin_error *fault)
{
    fuzz_require(fault->code == LEVIN_CORRUPT && fault->message[0] && fault->file[0], "a fault that tells nothing");
    ++*(uint64_t *)context;
    return true;
}

static bool check(run *r, levin_check_result *result)
{
    uint64_t reported = 0;
    levin_code code = levin_check(r->store, count_fault, &reported, result);
    fuzz_require(code == LEVIN_OK || code == LEVIN_CORRUPT, "levin_check gave %s", levin_code_name(code));
    fuzz_require(reported == result->faults && (code == LEVIN_OK) == (reported == 0),
                 "levin_check gave %s and reported %llu faults of %llu", levin_code_name(code),
                 (unsigned long long)reported, (unsigned long long)result->faults);
    return code == LEVIN_OK;
}

/* Both scans, gets, and what they must have in common. The listing is the caller's. */
static listing read_all(run *r)
{
    listing forward = scan(r, true), reverse = scan(r, false);
    if (r->clean) {
        fuzz_require(forward.count == reverse.count, "%zu pairs forwards, %zu backwards", forward.count,
                     reverse.count);
        for (size_t i = 0; i < forward.count; i++) {
            size_t j = reverse.count - 1 - i;
            fuzz_require(slices_equal(listing_key(&forward, i), listing_key(&reverse, j)) &&
                             forward.pairs[i].value_hash == reverse.pairs[j].value_hash,
                         "the scans differ at pair %zu", i);
        }
    }
    listing_fini(&reverse);
    get_some(r, &forward);
    return forward;
}

/* ---- opening and writing ---------------------------------------------------------------------------------- */

/* Whether a file that every store has is not on the disk: there is no store, then. */
static bool is_gone(const run *r, const char *name)
{
    disk_image *image = simdisk_image(r->disk.disk);
    disk_node directory = disk_image_find(image, FUZZ_STORE);
    bool gone = directory == DISK_NONE || disk_image_lookup(image, directory, name) == DISK_NONE;
    disk_image_unref(image);
    return gone;
}

static bool open_store(run *r)
{
    levin_error error = { .code = LEVIN_OK };
    levin_code code = levin_open(FUZZ_STORE, &r->options, &r->store, &error);
    r->error = error;
    if (code == LEVIN_OK)
        return true;
    fuzz_require(!r->store && error.code == code && error.message[0], "levin_open gave %s and told %s, \"%s\"",
                 levin_code_name(code), levin_code_name(error.code), error.message);
    fuzz_require(code == LEVIN_CORRUPT ||
                     (code == LEVIN_NO_STORE &&
                      (is_gone(r, PAGE_FILE_NAME) || (r->options.read_only && is_gone(r, "lock")))) ||
                     (!r->damaged && (code == LEVIN_VERSION_UNKNOWN || is_limit(code))),
                 "levin_open gave %s: %s", levin_code_name(code), error.message);
    fuzz_require(code != LEVIN_CORRUPT || error.file[0], "LEVIN_CORRUPT names no file: %s", error.message);
    return false;
}

static void require_own(run *r, const char *when)
{
    char value[sizeof own_value];
    size_t bytes = 0;
    levin_code code = levin_get(r->store, NULL, own_key, sizeof own_key - 1, value, sizeof value, &bytes);
    if (code == LEVIN_CORRUPT && !r->clean)
        return;
    fuzz_require(code == LEVIN_OK && bytes == sizeof own_value - 1 && !memcmp(value, own_value, bytes),
                 "a synced put is not there %s (%s)", when, levin_code_name(code));
}

static bool do_checkpoint(run *r)
{
    bool more = true;
    levin_code code = LEVIN_OK;
    if (r->script & SCRIPT_WORK)
        for (unsigned i = 0; i < 10000 && more && code == LEVIN_OK; i++)
            code = levin_work(r->store, &more);
    if (code == LEVIN_OK)
        code = levin_checkpoint(r->store);
    fuzz_require(code == LEVIN_OK || (!r->clean && code == LEVIN_CORRUPT) || (!r->damaged && is_limit(code)),
                 "a checkpoint gave %s", levin_code_name(code));
    return code == LEVIN_OK;
}

/* Put, checkpoint, and all of it read again. */
static void write_some(run *r)
{
    levin_code code = levin_put(r->store, own_key, sizeof own_key - 1, own_value, sizeof own_value - 1, LEVIN_SYNCED);
    fuzz_require(code == LEVIN_OK || (!r->damaged && is_limit(code)), "levin_put gave %s", levin_code_name(code));
    r->own_put = code == LEVIN_OK;
    if (!r->own_put)
        return;
    require_own(r, "after the put");
    if (!(r->script & SCRIPT_CHECKPOINT) || !do_checkpoint(r))
        return;
    require_own(r, "after a checkpoint");
    listing now = read_all(r);
    levin_check_result result;
    bool clean = check(r, &result);
    fuzz_require(clean || !r->clean, "a checkpoint made a fault, or left one that levin_check() had not found");
    if (clean)
        fuzz_require(now.code != LEVIN_OK || now.count == result.keys,
                     "a scan shows %zu keys, levin_check() counts %llu", now.count, (unsigned long long)result.keys);
    listing_fini(&now);
}

static void read_only_run(run *r)
{
    disk_image *before = simdisk_image(r->disk.disk);
    uint64_t digest = disk_image_digest(before);
    disk_image_unref(before);
    r->options.read_only = true;
    if (open_store(r)) {
        levin_check_result result;
        r->clean = check(r, &result);
        listing all = read_all(r);
        listing_fini(&all);
        levin_code code = levin_put(r->store, own_key, sizeof own_key - 1, "", 0, LEVIN_NONE);
        fuzz_require(code == LEVIN_READ_ONLY, "a put to a store open for reading gave %s", levin_code_name(code));
        code = levin_close(r->store);
        fuzz_require(code == LEVIN_OK, "levin_close of a store open for reading gave %s", levin_code_name(code));
    }
    r->options.read_only = r->clean = false;
    disk_image *after = simdisk_image(r->disk.disk);
    fuzz_require(disk_image_digest(after) == digest, "a store open for reading was changed");
    disk_image_unref(after);
}

static void run_store(run *r)
{
    levin_check_result result;
    if (r->script & SCRIPT_READ_ONLY)
        read_only_run(r);
    if (!open_store(r))
        return;
    r->clean = check(r, &result);
    listing before = read_all(r);
    write_some(r);
    listing now = scan(r, true);
    levin_code code = levin_close(r->store);
    fuzz_require(code == LEVIN_OK || (!r->damaged && is_limit(code)), "levin_close gave %s", levin_code_name(code));

    r->options.recovery = LEVIN_RECOVERY_STRICT;
    if (open_store(r)) {
        if (r->own_put)
            require_own(r, "after reopening");
        listing again = scan(r, true);
        if (r->clean) {
            fuzz_require(again.count == now.count, "%zu keys before reopening, %zu after", now.count, again.count);
            for (size_t i = 0; i < now.count; i++)
                fuzz_require(slices_equal(listing_key(&now, i), listing_key(&again, i)) &&
                                 now.pairs[i].value_hash == again.pairs[i].value_hash,
                             "pair %zu is another after reopening", i);
        }
        listing_fini(&again);
        code = levin_close(r->store);
        fuzz_require(code == LEVIN_OK || (!r->damaged && is_limit(code)), "levin_close gave %s",
                     levin_code_name(code));
    } else {
        fuzz_require((r->damaged && !r->clean) || is_limit(r->error.code),
                     "a store that was opened, written and closed does not open again: %s (%s)", r->error.message,
                     r->error.file);
    }
    listing_fini(&before);
    listing_fini(&now);
}

/* ---- the target ------------------------------------------------------------------------------------------- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < seed_count(); i++)
        (void)seed_get(i);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static run r; /* large: the stack of a fuzzer may be small */
    disk_image *image;
    r = (run){ .script = size > 1 ? data[1] : 0 };
    r.damaged = size > 0 && (data[0] & 1) == INPUT_DAMAGE;
    bool salvage = r.script & SCRIPT_SALVAGE;
    if (r.damaged) {
        image = damage_apply(data, size, salvage, &r.legal);
        allow_states(&r);
    } else {
        image = container_image(data, size);
    }
    fuzz_disk_open(&r.disk, image);
    disk_image_unref(image);
    fuzz_options(&r.options, &r.disk.table);
    r.options.cache_bytes = 16 * LEVIN_PAGE_MIN_BYTES;
    r.options.create_if_missing = false;
    r.options.recovery = salvage ? LEVIN_RECOVERY_CUT_AT_DAMAGE : LEVIN_RECOVERY_STRICT;
    run_store(&r);
    fuzz_disk_close(&r.disk);
    return 0;
}
