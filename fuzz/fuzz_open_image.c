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
 *   - every failure of open is an error with a message; LEVIN_CORRUPT, of whichever call, names a file of the store
 *     and an offset in it or at its end;
 *   - keys come in strictly ascending order forwards, strictly descending backwards, all inside the limits, in each
 *     keyspace that there is;
 *   - a put that was acknowledged as synced is there: at once, after a checkpoint that succeeded, and after
 *     reopening;
 *   - reading only changes no byte on the disk;
 *   - a dump of the files and a repair of them (aside.h) keep their promises; what a repair makes passes levin_check();
 *   - a collection of the value log changes no answer.
 * Of an input in whose store levin_check() finds no fault (checksums repaired: a legal store of another content):
 *   - forward scan = reverse scan = every kind of get; no read fails;
 *   - a checkpoint succeeds, after which levin_check() finds no fault and counts exactly the keys of the scan;
 *   - all is the same after reopening;
 *   - a repair gives the pairs of the scan.
 * A store that opened may be refused when it is opened again only if it is damaged and levin_check() had said so.
 * Of damage (DETECT): every answer of both scans, and of every kind of get for every key that the seed store ever
 * held and for absent ones, is that of one legal state of the seed store (damage.c), or LEVIN_CORRUPT, also after a
 * put, a checkpoint and reopening. Limits that a store of odd numbers
 * can meet (LEVIN_TOO_BIG, LEVIN_NO_SPACE) are honest answers to writes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/checksum.h"
#include "../engine/codec.h"
#include "../faults/fatal.h"
#include "aside.h"
#include "container.h"
#include "fuzz.h"
#include "spaces.h"

enum { GETS_MAX = 96, STATES_MAX = 512, LOCATED_MAX = 64,
       KEY_ROOM = SPACE_KEY_MAX + 1 };

/* Before every key of a seed store. */
static const char own_key[] = "\x01put";
static const char own_value[] = "a value put by the target";

/* ---- what a store shows ----------------------------------------------------------------------------------- */

typedef struct pair {
    unsigned space;    /* 0: of the default keyspace, otherwise as spaces.h numbers them */
    size_t key_at, key_bytes, value_bytes;
    uint64_t value_hash;
} pair;
/* Keyspace by keyspace. */
typedef struct listing {
    pair *pairs;
    size_t count, capacity;
    bool more;         /* of which not all were looked at */
    uint8_t *keys;     /* as they are told */
    size_t keys_used, keys_capacity;
    levin_code code;   /* why it ended; LEVIN_OK: at the end */
} listing;

static uint64_t value_hash(levin_slice value)
{
    return aside_value_hash(value);
}

static levin_slice listing_key(const listing *l, size_t i)
{
    return (levin_slice){ l->keys + l->pairs[i].key_at, l->pairs[i].key_bytes };
}

static void listing_add(listing *l, unsigned space, levin_slice key, levin_slice value)
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
    l->pairs[l->count++] = (pair){ space, l->keys_used, key.size, value.size, value_hash(value) };
    l->keys_used += key.size;
}

static void listing_fini(listing *l)
{
    free(l->pairs);
    free(l->keys);
    *l = (listing){ 0 };
}

/* ---- the run ---------------------------------------------------------------------------------------------- */

/* A key to be read by itself, and what a scan has said of it. */
typedef struct point {
    unsigned space;       /* of the run's spaces */
    levin_slice key, told;
    const pair *expected; /* NULL: nothing is known, or */
    bool absent;
} point;
enum { ABSENT_KEYS = 2, POINTS_MAX = SEED_KEYS_MAX + 1 + ABSENT_KEYS };

typedef struct run {
    fuzz_disk disk;
    levin_options options;
    uint8_t script;
    levin *store;
    bool damaged;               /* an input of form INPUT_DAMAGE: the oracle below knows the contents */
    damage_legal legal;
    uint8_t allowed[STATES_MAX]; /* states that all answers so far agree with */
    point points[POINTS_MAX];
    unsigned point_count;
    spaces spaces;              /* open for reading points */
    uint8_t absent[ABSENT_KEYS][KEY_ROOM]; /* bytes of keys in points[] */
    unsigned rounds;            /* of reading, so far */
    bool own_put;               /* own_key is in the store */
    bool clean;                 /* levin_check() found no fault */
    bool value_log;             /* there is a value log: the target's own value goes there */
    aside_repaired repaired;    /* by SCRIPT_REPAIR */
    levin_error error;          /* of the last open that failed */
    unsigned located;           /* LEVIN_CORRUPT so far: the file's size is looked up for the first ones */
} run;

/* Whether a file of the store is on the disk, and its size. */
static bool find_file(const run *r, const char *name, uint64_t *bytes)
{
    disk_image *image = simdisk_image(r->disk.disk);
    disk_node directory = disk_image_find(image, FUZZ_STORE);
    disk_node file = directory == DISK_NONE ? DISK_NONE : disk_image_lookup(image, directory, name);
    *bytes = file == DISK_NONE ? 0 : disk_image_size(image, file);
    disk_image_unref(image);
    return file != DISK_NONE;
}

/* A file that every store has is gone: there is no store, then. */
static bool is_gone(const run *r, const char *name)
{
    uint64_t bytes;
    return !find_file(r, name, &bytes);
}

/*
 * LEVIN_CORRUPT must lead to the damage: a file that a store has, a place in it or at its end, and a message that says
 * both. Expected and found are told but not judged: where the expected number is a bound, the two may be equal.
 */
static void require_located(run *r, const levin_error *e, const char *what)
{
    uint8_t kind;
    uint32_t number;
    uint64_t bytes;
    fuzz_require(e->code == LEVIN_CORRUPT && e->message[0], "%s gave LEVIN_CORRUPT and told %s, \"%s\"", what,
                 levin_code_name(e->code), e->message);
    fuzz_require(container_name_parse(e->file, &kind, &number), "%s: LEVIN_CORRUPT names no file of a store: \"%s\"",
                 what, e->message);
    fuzz_require(strstr(e->message, e->file) && strstr(e->message, "offset"),
                 "%s: a message without file or offset: \"%s\"", what, e->message);
    if (r->located++ < LOCATED_MAX && find_file(r, e->file, &bytes))
        fuzz_require(e->offset <= bytes, "%s: an offset outside the file of %llu bytes: \"%s\"", what,
                     (unsigned long long)bytes, e->message);
}

/* A code that reading may give: data, or an honest error. */
static void require_readable(run *r, levin_code code, const char *what)
{
    fuzz_require(code == LEVIN_OK || code == LEVIN_CORRUPT, "%s gave %s", what, levin_code_name(code));
    fuzz_require(!r->clean || code != LEVIN_CORRUPT, "levin_check() found no fault, but %s gave %s", what,
                 levin_code_name(code));
    if (code == LEVIN_CORRUPT) {
        levin_error error;
        levin_last_error(r->store, &error);
        require_located(r, &error, what);
    }
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

/* What a point read has answered. */
typedef struct answer {
    const char *what;   /* the call */
    levin_code code;
    bool sized, valued; /* bytes is the value's size; data the value */
    size_t bytes;
    const void *data;
} answer;

static bool answer_found(const answer *a)
{
    return a->code == LEVIN_OK || a->code == LEVIN_TOO_SMALL;
}

static void detect_point(run *r, levin_slice key, const answer *a)
{
    for (size_t i = 0; i < r->legal.seed->state_count; i++) {
        if (!r->allowed[i])
            continue;
        const seed_pair *right = state_find(r, i, key);
        r->allowed[i] = !!right == answer_found(a) && (!right || !a->sized || right->value.size == a->bytes) &&
                        (!right || !a->valued || slices_equal(right->value, (levin_slice){ a->data, a->bytes }));
    }
    require_legal(r, a->what, key);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* One keyspace; l->code says why it ended. */
static void scan_space(run *r, const spaces *s, unsigned space, bool forward, listing *l)
{
    const levin_iter_options o = { .keyspace = s->of[space].handle };
    const size_t first = l->count;
    uint8_t buffer[SPACE_KEY_MAX], told_before[SPACE_KEY_MAX];
    levin_slice before = { told_before, 0 };
    levin_iter *it;
    levin_code code = levin_iter_open(r->store, &o, &it);
    fuzz_require(code == LEVIN_OK, "levin_iter_open gave %s", levin_code_name(code));
    bool more = forward ? levin_iter_first(it) : levin_iter_last(it);
    for (; more; more = forward ? levin_iter_next(it) : levin_iter_prev(it)) {
        levin_slice key = levin_iter_key(it), value = levin_iter_value(it);
        fuzz_require(key.size >= LEVIN_KEY_MIN_BYTES && key.size <= LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MAX_BYTES),
                     "a key of %zu bytes", key.size);
        const levin_slice told = spaces_tell(s, space, key, buffer);
        if (l->count > first) {
            int order = key_compare(before.data, before.size, told.data, told.size);
            fuzz_require(forward ? order < 0 : order > 0, "keys out of order in a %s scan, at pair %zu",
                         forward ? "forward" : "reverse", l->count);
        }
        memcpy(told_before, told.data, before.size = told.size);
        if (!value.data && levin_iter_status(it) != LEVIN_OK) {
            l->code = levin_iter_status(it); /* a value that cannot be read: the scan could go on, but is of no use */
            break;
        }
        detect_scan(r, forward, l->count, told, value);
        listing_add(l, space, told, value);
    }
    if (!more)
        l->code = levin_iter_status(it);
    levin_iter_close(it);
    require_readable(r, l->code, "a scan");
}

/* All keyspaces, the default one first; backwards it comes last. */
static listing scan(run *r, bool forward)
{
    listing l = { 0 };
    static spaces s; /* large */
    spaces_open(&s, r->store);
    const levin_code listed = s.code;
    require_readable(r, listed, "a list of keyspaces");
    l.more = s.more;
    l.code = forward ? LEVIN_OK : listed; /* backwards it is not known where to begin */
    for (unsigned i = 0; i < s.count && l.code == LEVIN_OK; i++)
        scan_space(r, &s, forward ? i : s.count - 1 - i, forward, &l);
    if (l.code == LEVIN_OK)
        l.code = listed;
    if (l.code == LEVIN_OK && !l.more)
        detect_scan(r, forward, l.count, (levin_slice){ NULL, 0 }, (levin_slice){ NULL, 0 });
    spaces_close(&s);
    return l;
}

/* ---- point reads ------------------------------------------------------------------------------------------ */

enum { TOGETHER = 16 };

static void require_answer(run *r, const point *p, const answer *a)
{
    if (!answer_found(a) && a->code != LEVIN_NOT_FOUND)
        require_readable(r, a->code, a->what);
    if (r->damaged && a->code != LEVIN_CORRUPT)
        detect_point(r, p->told, a);
    if (!r->clean)
        return;
    fuzz_require(!p->absent || a->code == LEVIN_NOT_FOUND, "%s gave %s for a key that a scan does not show", a->what,
                 levin_code_name(a->code));
    if (p->expected)
        fuzz_require(answer_found(a) && (!a->sized || a->bytes == p->expected->value_bytes) &&
                         (!a->valued || value_hash((levin_slice){ a->data, a->bytes }) == p->expected->value_hash),
                     "%s and scan differ (%s)", a->what, levin_code_name(a->code));
}

/* One of the ways to read a key. */
static void read_point(run *r, const point *p, unsigned way)
{
    const void *key = p->key.data;
    const levin_keyspace *ks = r->spaces.of[p->space].handle;
    answer a = { .sized = true, .valued = true };
    switch (way % 4) {
    case 0: {
        void *value;
        a.what = "levin_get_alloc";
        a.code = levin_get_alloc_in(r->store, ks, NULL, key, p->key.size, &value, &a.bytes);
        a.data = value;
        require_answer(r, p, &a);
        levin_free(r->store, a.code == LEVIN_OK ? value : NULL);
        return;
    }
    case 1:
        a = (answer){ .what = "levin_contains", .code = levin_contains_in(r->store, ks, NULL, key, p->key.size) };
        fuzz_require(a.code != LEVIN_TOO_SMALL, "levin_contains gave LEVIN_TOO_SMALL");
        require_answer(r, p, &a);
        return;
    case 2: {
        levin_pinned pinned;
        a.what = "levin_get_pinned";
        a.code = levin_get_pinned_in(r->store, ks, NULL, key, p->key.size, &pinned);
        a.data = pinned.value.data;
        a.bytes = pinned.value.size;
        require_answer(r, p, &a);
        levin_pinned_release(&pinned);
        return;
    }
    default: {
        uint8_t buffer[64];
        a.what = "levin_get";
        a.data = buffer;
        a.code = levin_get_in(r->store, ks, NULL, key, p->key.size, buffer, sizeof buffer, &a.bytes);
        a.valued = a.code != LEVIN_TOO_SMALL;
        require_answer(r, p, &a);
    }
    }
}

/* Those of one keyspace in [from, from + count), together. */
static void read_some(run *r, unsigned space, unsigned from, unsigned count)
{
    enum { VALUE_BYTES = 512 };
    uint8_t buffers[TOGETHER][VALUE_BYTES];
    levin_get_request requests[TOGETHER];
    const point *points[TOGETHER];
    unsigned n = 0;
    levin_code first = LEVIN_OK;
    for (unsigned i = from; i < from + count; i++) {
        if (r->points[i].space != space)
            continue;
        const levin_slice key = r->points[i].key;
        points[n] = &r->points[i];
        requests[n] = (levin_get_request){ .key = key.data, .key_bytes = key.size, .buffer = buffers[n],
                                           .capacity = VALUE_BYTES };
        n++;
    }
    levin_code code = levin_multi_get_in(r->store, r->spaces.of[space].handle, NULL, requests, n);
    for (unsigned i = 0; i < n; i++) {
        answer a = { .what = "levin_multi_get", .code = requests[i].code, .sized = true,
                     .valued = requests[i].code != LEVIN_TOO_SMALL, .bytes = requests[i].value_bytes,
                     .data = buffers[i] };
        require_answer(r, points[i], &a);
        if (first == LEVIN_OK && !answer_found(&a) && a.code != LEVIN_NOT_FOUND)
            first = a.code;
    }
    fuzz_require(code == first, "levin_multi_get gave %s, its first error is %s", levin_code_name(code),
                 levin_code_name(first));
}

/* All of them, some at a time. */
static void read_together(run *r)
{
    for (unsigned from = 0, count; from < r->point_count; from += count) {
        count = r->point_count - from < TOGETHER ? r->point_count - from : TOGETHER;
        for (unsigned space = 0; space < r->spaces.count; space++)
            read_some(r, space, from, count);
    }
}

/* A key as it is told. NULL: of a keyspace that is not there. */
static point *add_point(run *r, levin_slice told)
{
    point p = { .told = told };
    fuzz_require(r->point_count < POINTS_MAX, "more than %d keys to read", POINTS_MAX);
    if (!spaces_find(&r->spaces, told, &p.space, &p.key))
        return NULL;
    r->points[r->point_count] = p;
    return &r->points[r->point_count++];
}

/* A key of a scan, whose keyspace is known. NULL: it cannot be opened now. */
static point *add_listed_point(run *r, unsigned space, levin_slice told)
{
    const size_t before = space ? 2 + r->spaces.of[space].name_bytes : 0;
    fuzz_require(r->point_count < POINTS_MAX, "more than %d keys to read", POINTS_MAX);
    if (space >= r->spaces.count)
        return NULL;
    r->points[r->point_count] = (point){ .space = space, .told = told,
                                         .key = { (const uint8_t *)told.data + before, told.size - before } };
    return &r->points[r->point_count++];
}

/* The next key that there can be after this one, in the memory of an absent key. */
static levin_slice key_after(run *r, unsigned which, levin_slice key)
{
    memcpy(r->absent[which], key.data, key.size);
    r->absent[which][key.size] = 0;
    return (levin_slice){ r->absent[which], key.size + 1 };
}

/* Of damage: every key of every state, its own, and absent ones between and behind them. */
static void add_seed_points(run *r)
{
    const seed_store *seed = r->legal.seed;
    for (size_t i = 0; i < seed->key_count; i++)
        (void)add_point(r, seed->keys[i]);
    (void)add_point(r, (levin_slice){ own_key, sizeof own_key - 1 });
    for (unsigned i = 0; i < ABSENT_KEYS && seed->key_count; i++)
        (void)add_point(r, key_after(r, i, seed->keys[i ? seed->key_count - 1 : seed->key_count / 2]));
}

/* Of files: keys of the scan, and one beside them that cannot be there. */
static void add_listed_points(run *r, const listing *l)
{
    size_t middle = l->count / 2;
    for (size_t i = 0, step = l->count / GETS_MAX + 1; i < l->count; i += step) {
        point *p = add_listed_point(r, l->pairs[i].space, listing_key(l, i));
        if (p)
            p->expected = &l->pairs[i];
    }
    if (!l->count)
        return;
    point *p = add_listed_point(r, l->pairs[middle].space, key_after(r, 0, listing_key(l, middle)));
    if (!p)
        return;
    bool known = l->code == LEVIN_OK && p->key.size <= LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MIN_BYTES) - 4;
    if (known && middle + 1 < l->count && l->pairs[middle + 1].space == p->space &&
        slices_equal(listing_key(l, middle + 1), p->told))
        p->expected = &l->pairs[middle + 1];
    else
        p->absent = known;
}

/* In every way, and the ways in turns: what one of them leaves in the row cache the next one reads. */
static void read_points(run *r, const listing *l)
{
    r->point_count = 0;
    spaces_open(&r->spaces, r->store);
    if (r->damaged)
        add_seed_points(r);
    else
        add_listed_points(r, l);
    unsigned round = r->rounds++ + (r->script >> 4);
    if (round & 1)
        read_together(r);
    for (unsigned i = 0; i < r->point_count; i++)
        read_point(r, &r->points[i], i + round / 2);
    if (!(round & 1))
        read_together(r);
    spaces_close(&r->spaces);
}

/* ---- all of it -------------------------------------------------------------------------------------------- */

typedef struct fault_count {
    run *r;
    uint64_t reported;
} fault_count;

static bool count_fault(void *context, const levin_error *fault)
{
    fault_count *c = context;
    require_located(c->r, fault, "a fault of levin_check");
    c->reported++;
    return true;
}

static bool check(run *r, levin_check_result *result)
{
    fault_count count = { .r = r };
    levin_code code = levin_check(r->store, count_fault, &count, result);
    uint64_t reported = count.reported;
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
            fuzz_require(forward.pairs[i].space == reverse.pairs[j].space &&
                             slices_equal(listing_key(&forward, i), listing_key(&reverse, j)) &&
                             forward.pairs[i].value_hash == reverse.pairs[j].value_hash,
                         "the scans differ at pair %zu", i);
        }
    }
    listing_fini(&reverse);
    read_points(r, &forward);
    return forward;
}

/* ---- opening and writing ---------------------------------------------------------------------------------- */

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
    if (code == LEVIN_CORRUPT)
        require_located(r, &error, "levin_open");
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
    if (code == LEVIN_OK && (r->script & SCRIPT_WORK))
        code = levin_collect(r->store, 100);
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
    if (clean && now.code == LEVIN_OK && !now.more)
        fuzz_require(now.count == result.keys, "scans show %llu keys, levin_check() counts %llu",
                     (unsigned long long)now.count, (unsigned long long)result.keys);
    listing_fini(&now);
}

/* All but the bytes of the lock file, where readers have their slots. */
static uint64_t digest_of(run *r)
{
    disk_image *now = simdisk_image(r->disk.disk);
    disk_node lock = disk_image_find(now, FUZZ_STORE "/lock");
    if (lock != DISK_NONE && disk_image_has(now, lock) && !disk_image_is_dir(now, lock))
        disk_image_resize(now, lock, 0);
    uint64_t digest = disk_image_digest(now);
    disk_image_unref(now);
    return digest;
}

static void read_only_run(run *r)
{
    const uint64_t digest = digest_of(r);
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
    fuzz_require(digest_of(r) == digest, "a store open for reading was changed");
}

/* A store without a fault: a repair has all pairs. (A meta page that is not in use may be a loss to it even so.) */
static void require_repaired(const run *r, const listing *l)
{
    const aside_repaired *repaired = &r->repaired;
    uint64_t digest = 0;
    fuzz_require(repaired->made, "levin_check() found no fault, but a repair gave %s",
                 levin_code_name(repaired->code));
    if (l->more)
        return;
    for (size_t i = 0; i < l->count; i++)
        digest = aside_digest(digest, listing_key(l, i), l->pairs[i].value_hash);
    fuzz_require(repaired->pairs == l->count && repaired->digest == digest,
                 "a repair gave %zu pairs, the store has %zu, or others", repaired->pairs, l->count);
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
    if (r->clean && (r->script & SCRIPT_REPAIR) && !(r->script & SCRIPT_SALVAGE))
        require_repaired(r, &before);
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
        fuzz_require(!r->clean || is_limit(r->error.code),
                     "a store that was opened, written and closed does not open again: %s (%s)", r->error.message,
                     r->error.file);
    }
    listing_fini(&before);
    listing_fini(&now);
}

static int find_value_segment(void *context, const char *name, disk_node node)
{
    uint8_t kind;
    uint32_t number;
    (void)node;
    *(bool *)context |= container_name_parse(name, &kind, &number) && kind == FILE_VLOG;
    return 0;
}

static bool has_value_log(const disk_image *image)
{
    bool found = false;
    disk_image_list(image, disk_image_find(image, FUZZ_STORE), find_value_segment, &found);
    return found;
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
    damage_legal strict;
    r = (run){ .script = size > 1 ? data[1] : 0 };
    r.damaged = size > 0 && (data[0] & 1) == INPUT_DAMAGE;
    bool salvage = r.script & SCRIPT_SALVAGE;
    if (r.damaged) {
        disk_image_unref(damage_apply(data, size, false, &strict));
        image = damage_apply(data, size, salvage, &r.legal);
        allow_states(&r);
    } else {
        image = container_image(data, size);
    }
    r.value_log = has_value_log(image);
    if (r.script & SCRIPT_DUMP)
        aside_dump(image);
    if (r.script & SCRIPT_REPAIR)
        aside_repair(image, r.damaged ? &strict : NULL, &r.repaired);
    fuzz_disk_open(&r.disk, image);
    disk_image_unref(image);
    fuzz_options(&r.options, &r.disk.table);
    r.options.cache_bytes = 16 * LEVIN_PAGE_MIN_BYTES;
    r.options.value_log_threshold_bytes = r.value_log ? sizeof own_value - 2 : 4096;
    r.options.value_log_segment_bytes = 4096;
    r.options.create_if_missing = false;
    r.options.recovery = salvage ? LEVIN_RECOVERY_CUT_AT_DAMAGE : LEVIN_RECOVERY_STRICT;
    run_store(&r);
    fuzz_disk_close(&r.disk);
    return 0;
}
