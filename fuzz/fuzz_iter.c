/*
 * fuzz_iter.c - property: iterators with any bounds, over keys that are chosen to be trouble, answer as a sorted array
 * does (EXACT).
 *
 * Input: byte 0: bit 0 keys in a named keyspace; then steps of two bytes: what, and its argument. A register holds a
 * key, which steps change a little at a time: keys come out as prefixes of one another,
 * with 0x00 and 0xff at their ends, with long common beginnings. Steps put it or delete it, write a checkpoint or
 * compact, open an iterator with bounds or a prefix made of it and of a key that is there, move the iterator.
 *
 * Invariants:
 *   - first, last, next, prev, both seeks, in any order: valid, key and value as the array of the moment of opening has
 *     them between the bounds; the status at an end is LEVIN_OK;
 *   - writes, checkpoints and compactions after the opening change nothing of it;
 *   - a walk forward is a walk backward turned round, and as long as the array between the bounds;
 *   - nothing is left behind (disk.c).
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { KEYS_MAX = 96, KEY_MAX = LEVIN_KEY_MAX_BYTES(LEVIN_PAGE_MIN_BYTES) - 4, STEPS_MAX = 256, ITERATORS = 2 };

typedef struct some_key {
    uint8_t bytes[KEY_MAX];
    size_t size;
} some_key;
/* What the store holds, or held when an iterator was opened: in order. A key's value is its stamp. */
typedef struct sorted {
    unsigned count;
    struct pair {
        unsigned key; /* in run.keys */
        uint32_t stamp;
    } pairs[KEYS_MAX];
} sorted;
typedef struct cursor {
    levin_iter *handle;
    sorted seen; /* between the bounds */
    int at;      /* -1: nowhere */
} cursor;
static struct run {
    levin *store;
    levin_keyspace *ks;
    some_key keys[KEYS_MAX], reg; /* keys: each that was ever put, as it came */
    unsigned key_count;
    uint32_t stamp;
    sorted now;
    cursor cursors[ITERATORS];
} r;

#define ITER_OK(call)                                                                                           \
    do {                                                                                                        \
        levin_code iter_code = (call);                                                                          \
        fuzz_require(iter_code == LEVIN_OK, "%s gave %s", #call, levin_code_name(iter_code));                     \
    } while (0)

static int compare(const some_key *a, const some_key *b)
{
    int c = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
    return c ? c : a->size < b->size ? -1 : a->size > b->size;
}

/* First pair at or after the key. */
static unsigned rank(const sorted *s, const some_key *key)
{
    unsigned i = 0;
    while (i < s->count && compare(&r.keys[s->pairs[i].key], key) < 0)
        i++;
    return i;
}

static bool there(const sorted *s, unsigned at, const some_key *key)
{
    return at < s->count && compare(&r.keys[s->pairs[at].key], key) == 0;
}

/* ---- keys ------------------------------------------------------------------------------------------------- */

static void append(uint8_t byte, size_t times)
{
    while (times-- > 0 && r.reg.size < KEY_MAX)
        r.reg.bytes[r.reg.size++] = byte;
}

static void change_key(unsigned how, uint8_t argument)
{
    switch (how) {
    case 0:
        append(argument, 1);
        return;
    case 1:
        append(argument & 1 ? 0xff : 0x00, 1 + argument / 64);
        return;
    case 2: /* one more, one less, the ends */
        r.reg.bytes[r.reg.size - 1] += argument & 1 ? 1 : 0xff;
        if (argument & 2)
            r.reg.bytes[r.reg.size - 1] = argument & 1 ? 0xff : 0x00;
        return;
    case 3:
        r.reg.size = 1 + argument % r.reg.size;
        return;
    case 4:
        append(argument, 200);
        return;
    default: /* a key that is there */
        if (r.now.count)
            r.reg = r.keys[r.now.pairs[argument % r.now.count].key];
    }
}

static unsigned key_index(void)
{
    for (unsigned i = 0; i < r.key_count; i++)
        if (compare(&r.keys[i], &r.reg) == 0)
            return i;
    if (r.key_count == KEYS_MAX)
        return KEYS_MAX;
    r.keys[r.key_count] = r.reg;
    return r.key_count++;
}

static void put(void)
{
    unsigned key = key_index(), at = rank(&r.now, &r.reg);
    if (key == KEYS_MAX)
        return;
    r.stamp++;
    ITER_OK(levin_put_in(r.store, r.ks, r.reg.bytes, r.reg.size, &r.stamp, sizeof r.stamp, LEVIN_LOGGED));
    if (!there(&r.now, at, &r.reg)) {
        memmove(&r.now.pairs[at + 1], &r.now.pairs[at], (r.now.count - at) * sizeof r.now.pairs[0]);
        r.now.count++;
    }
    r.now.pairs[at] = (struct pair){ key, r.stamp };
}

static void erase(void)
{
    unsigned at = rank(&r.now, &r.reg);
    ITER_OK(levin_delete_in(r.store, r.ks, r.reg.bytes, r.reg.size, LEVIN_LOGGED));
    if (!there(&r.now, at, &r.reg))
        return;
    r.now.count--;
    memmove(&r.now.pairs[at], &r.now.pairs[at + 1], (r.now.count - at) * sizeof r.now.pairs[0]);
}

/* ---- iterators -------------------------------------------------------------------------------------------- */

static bool inside(const some_key *key, const levin_iter_options *o)
{
    some_key bound;
    if (o->prefix.data && (key->size < o->prefix.size || memcmp(key->bytes, o->prefix.data, o->prefix.size)))
        return false;
    if (o->lower.data) {
        memcpy(bound.bytes, o->lower.data, bound.size = o->lower.size);
        int c = compare(key, &bound);
        if (c < 0 || (c == 0 && o->lower_exclusive))
            return false;
    }
    if (o->upper.data) {
        memcpy(bound.bytes, o->upper.data, bound.size = o->upper.size);
        int c = compare(key, &bound);
        if (c > 0 || (c == 0 && !o->upper_inclusive))
            return false;
    }
    return true;
}

/* bits 0..1: what the register bounds, 2: what a key that is there bounds, 3 and 4: which side the bound is on */
static void open_iterator(cursor *c, uint8_t how)
{
    some_key other = r.now.count ? r.keys[r.now.pairs[how / 32 * 13u % r.now.count].key] : r.reg;
    levin_iter_options o = { .keyspace = r.ks, .lower_exclusive = how & 8, .upper_inclusive = how & 16 };
    levin_slice reg = { r.reg.bytes, r.reg.size }, second = { other.bytes, other.size };
    if ((how & 3) == 1)
        o.lower = reg;
    else if ((how & 3) == 2)
        o.upper = reg;
    else if ((how & 3) == 3)
        o.prefix = reg;
    if (how & 4 && (how & 3) == 1)
        o.upper = second;
    else if (how & 4)
        o.lower = second;
    levin_iter_close(c->handle);
    c->handle = NULL;
    ITER_OK(levin_iter_open(r.store, &o, &c->handle));
    c->seen.count = 0;
    c->at = -1;
    for (unsigned i = 0; i < r.now.count; i++)
        if (inside(&r.keys[r.now.pairs[i].key], &o))
            c->seen.pairs[c->seen.count++] = r.now.pairs[i];
    fuzz_require(!levin_iter_valid(c->handle), "a new iterator stands somewhere");
}

static void require_place(const cursor *c, bool valid, int at, const char *what)
{
    bool right = at >= 0 && at < (int)c->seen.count;
    fuzz_require(valid == right && levin_iter_valid(c->handle) == right, "%s: the iterator is %s, the array is %s",
                 what, valid ? "valid" : "at an end", right ? "not" : "at an end");
    fuzz_require(levin_iter_status(c->handle) == LEVIN_OK, "%s: the status is %d", what,
                 (int)levin_iter_status(c->handle));
    if (!right)
        return;
    const some_key *key = &r.keys[c->seen.pairs[at].key];
    levin_slice found = levin_iter_key(c->handle), value = levin_iter_value(c->handle);
    fuzz_require(found.size == key->size && !memcmp(found.data, key->bytes, key->size), "%s: another key", what);
    fuzz_require(value.size == 4 && !memcmp(value.data, &c->seen.pairs[at].stamp, 4), "%s: another value", what);
}

/* Moves that stand on a pair may go on from there; at an end there is no place to go on from. */
static void move(cursor *c, unsigned how, uint8_t argument)
{
    int at = c->at, last = (int)c->seen.count - 1;
    bool valid;
    if (!c->handle)
        return;
    switch (how) {
    case 0:
        valid = levin_iter_first(c->handle);
        at = 0;
        break;
    case 1:
        valid = levin_iter_last(c->handle);
        at = last;
        break;
    case 2: {
        valid = levin_iter_seek(c->handle, r.reg.bytes, r.reg.size);
        at = (int)rank(&c->seen, &r.reg);
        break;
    }
    case 3:
        valid = levin_iter_seek_for_prev(c->handle, r.reg.bytes, r.reg.size);
        at = (int)rank(&c->seen, &r.reg);
        at -= !there(&c->seen, (unsigned)at, &r.reg);
        break;
    default:
        for (unsigned steps = 1 + argument % 8; steps > 0 && at >= 0 && at <= last; steps--) {
            valid = how & 1 ? levin_iter_prev(c->handle) : levin_iter_next(c->handle);
            at += how & 1 ? -1 : 1;
            require_place(c, valid, at, how & 1 ? "prev" : "next");
        }
        c->at = at >= 0 && at <= last ? at : -1;
        return;
    }
    require_place(c, valid, at, how == 0 ? "first" : how == 1 ? "last" : how == 2 ? "seek" : "seek_for_prev");
    c->at = at >= 0 && at <= last ? at : -1;
}

static void walk_all(cursor *c)
{
    int at = 0, last = (int)c->seen.count - 1;
    if (!c->handle)
        return;
    require_place(c, levin_iter_first(c->handle), 0, "first of all");
    while (at <= last)
        require_place(c, levin_iter_next(c->handle), ++at, "next of all");
    at = last;
    require_place(c, levin_iter_last(c->handle), last, "last of all");
    while (at >= 0)
        require_place(c, levin_iter_prev(c->handle), --at, "prev of all");
    c->at = -1;
}

/* ---- a run ------------------------------------------------------------------------------------------------ */

static void step(uint8_t what, uint8_t argument)
{
    cursor *c = &r.cursors[argument % ITERATORS];
    switch (what % 24) {
    case 0: case 1: case 2: case 3: case 4: case 5:
        change_key(what % 24, argument);
        return;
    case 6: case 7: case 8: case 9: case 10:
        change_key(what % 24 - 6, argument);
        put();
        return;
    case 11:
        erase();
        return;
    case 12:
        ITER_OK(argument & 7 ? levin_checkpoint(r.store) : levin_compact(r.store, NULL, NULL));
        return;
    case 13: case 14:
        open_iterator(&r.cursors[what % 24 - 13], argument);
        return;
    case 15:
        walk_all(c);
        return;
    default:
        move(c, what % 24 - 16, argument / 2);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_disk disk;
    levin_options options;
    levin_error error;
    if (size < 1)
        return 0;
    fuzz_disk_open(&disk, NULL);
    fuzz_options(&options, &disk.table);
    r.key_count = r.now.count = r.stamp = 0;
    r.ks = NULL;
    memset(r.cursors, 0, sizeof r.cursors);
    r.reg = (some_key){ .bytes = { 'k' }, .size = 1 };
    fuzz_require(levin_open(FUZZ_STORE, &options, &r.store, &error) == LEVIN_OK, "no store: %s", error.message);
    if (data[0] & 1)
        ITER_OK(levin_keyspace_open(r.store, "fuzz", 4, LEVIN_KEYSPACE_CREATE, &r.ks));
    for (size_t at = 1; at + 2 <= size && at < 2 * STEPS_MAX; at += 2)
        step(data[at], data[at + 1]);
    for (unsigned i = 0; i < ITERATORS; i++) {
        walk_all(&r.cursors[i]);
        levin_iter_close(r.cursors[i].handle);
    }
    levin_keyspace_close(r.ks);
    ITER_OK(levin_close(r.store));
    fuzz_disk_close(&disk);
    return 0;
}
