/*
 * stress_areas.c - operations of a stress thread beside the keys of the model: deletes of ranges and named keyspaces in
 * an area of its own, transactions over accounts and swaps of counters that all share, compaction, collection, backups.
 *
 * Areas.  Each thread alone writes the keys that begin with its number, and its keyspaces, so that it knows exactly
 * what must be there, in a snapshot as old as it is too: a copy of what was there then.
 * Accounts.  Serializable transactions move money between them; at no state is there more or less of it.  Others take
 * from one of a pair when both together have enough: never is a pair below zero, unless one did not see the other.
 * Counters.  Only compare-and-swap from n to n + 1 writes them: whoever reads one must find at least as many as were
 * acknowledged before, and no more than had been asked for and not refused.
 * Their keys sort before those of the model, whose scans begin behind them.
 *
 * Concurrency: as stress_ops.c.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stress.h"

enum { STEPS_MAX = 10, PREFIX_KEYS = 16, KEY_BYTES = 32, AREA_VALUE_MAX = 40000, BACKUP_SAMPLES = 64 };

/* ---- areas: keys and values ---- */

static size_t area_key(unsigned thread, unsigned index, char key[KEY_BYTES])
{
    return (size_t)snprintf(key, KEY_BYTES, "d%03u-%02x", thread, index);
}

static size_t space_name(unsigned thread, unsigned space, char name[KEY_BYTES])
{
    return (size_t)snprintf(name, KEY_BYTES, "area %u of %u", space, thread);
}

/* The value of a key's version: what it is of, and bytes that follow from it. */
static size_t area_value(const stress_thread *t, unsigned thread, unsigned space, unsigned index, uint32_t version,
                         uint8_t *value)
{
    uint64_t what = ((uint64_t)thread << 16 | space << 8 | index) << 32 | version;
    uint64_t h = random_mix(t->shared->model.seed + random_mix(what));
    uint32_t kind = (uint32_t)(h % 100), limit = t->shared->model.value_max, bound = kind < 85 ? 300 : 8000;
    bound = kind == 99 ? AREA_VALUE_MAX : bound;
    size_t bytes = 8 + (size_t)((h >> 32) * ((bound < limit ? bound : limit) - 7) >> 32);
    memcpy(value, &what, 8);
    for (size_t i = 8; i < bytes; i += 8)
        memcpy(value + i, &(uint64_t){ random_mix(h + i) }, bytes - i < 8 ? bytes - i : 8);
    return bytes;
}

/* ---- areas: writing ---- */

static levin_keyspace *space_of(stress_thread *t, unsigned space)
{
    return space ? t->keyspaces[space] : NULL;
}

/* A space that is there. */
static unsigned any_space(stress_thread *t)
{
    unsigned space = stress_below(t, STRESS_SPACES);
    return t->shared->areas[t->number].spaces[space].there ? space : 0;
}

/* A range of this thread's keys, empty now and then; the whole of a keyspace, unbounded, too. */
static void any_range(stress_thread *t, unsigned space, unsigned *from, unsigned *to, char bounds[2][KEY_BYTES],
                      levin_slice slices[2])
{
    *from = stress_below(t, STRESS_AREA_KEYS);
    *to = *from + stress_below(t, stress_below(t, 4) ? 24 : STRESS_AREA_KEYS);
    *to = *to > STRESS_AREA_KEYS ? STRESS_AREA_KEYS : *to;
    slices[0] = (levin_slice){ bounds[0], area_key(t->number, *from, bounds[0]) };
    slices[1] = (levin_slice){ bounds[1], area_key(t->number, *to, bounds[1]) }; /* "-80": behind all */
    if (space && stress_below(t, 8) == 0) {
        *from = 0;
        *to = STRESS_AREA_KEYS;
        slices[0] = slices[1] = (levin_slice){ NULL, 0 };
    }
}

static void forget(struct stress_space *s, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        s->version[i] = 0;
}

/* A prefix of PREFIX_KEYS keys, or of all. Returns its length. */
static size_t any_prefix(stress_thread *t, unsigned *from, unsigned *to, char prefix[KEY_BYTES])
{
    *from = stress_below(t, STRESS_AREA_KEYS / PREFIX_KEYS) * PREFIX_KEYS;
    *to = *from + PREFIX_KEYS;
    size_t bytes = area_key(t->number, *from, prefix) - 1;
    if (stress_below(t, 16))
        return bytes;
    *from = 0;
    *to = STRESS_AREA_KEYS;
    return bytes - 1;
}

/* One operation of a batch, on it and on what it will have done. */
static levin_code add_step(stress_thread *t, levin_batch *batch, struct stress_area *after)
{
    unsigned space = any_space(t), from, to;
    levin_keyspace *ks = space_of(t, space);
    struct stress_space *s = &after->spaces[space];
    char bounds[2][KEY_BYTES];
    levin_slice slices[2];
    uint32_t what = stress_below(t, 16);
    if (what == 0) {
        any_range(t, space, &from, &to, bounds, slices);
        forget(s, from, to);
        return levin_batch_delete_range_in(batch, ks, slices[0], slices[1]);
    }
    if (what == 1) {
        size_t bytes = any_prefix(t, &from, &to, bounds[0]);
        forget(s, from, to);
        return levin_batch_delete_prefix_in(batch, ks, bounds[0], bytes);
    }
    unsigned index = stress_below(t, STRESS_AREA_KEYS);
    size_t bytes = area_key(t->number, index, bounds[0]);
    if (what < 4) {
        s->version[index] = 0;
        return levin_batch_delete_in(batch, ks, bounds[0], bytes);
    }
    s->version[index] = ++after->last;
    return levin_batch_put_in(batch, ks, bounds[0], bytes, t->value,
                              area_value(t, t->number, space, index, after->last, t->value));
}

bool stress_do_area_batch(stress_thread *t)
{
    struct stress_area *now = &t->shared->areas[t->number], after = *now;
    levin_batch *batch = t->batches[0];
    levin_batch_clear(batch);
    for (unsigned n = 1 + stress_below(t, STEPS_MAX); n; n--)
        if (!stress_ok(t, add_step(t, batch, &after), "adding to a batch"))
            return false;
    if (!stress_ok(t, levin_write(t->shared->store, batch, stress_any_durability(t)), "levin_write"))
        return false;
    *now = after;
    return true;
}

/* ---- areas: reading ---- */

static bool area_mismatch(stress_thread *t, unsigned thread, unsigned space, unsigned index, uint32_t wanted,
                          levin_slice value, const char *when)
{
    uint64_t what = 0;
    if (value.data && value.size >= 8)
        memcpy(&what, value.data, 8);
    if (!value.data)
        return stress_fail(t, LEVIN_OK, "%skey %02x in area %u of thread %u is not there, and must have version %u",
                           when, index, space, thread, wanted);
    return stress_fail(t, LEVIN_OK, "%skey %02x in area %u of thread %u has %zu bytes that begin with version %u, and "
                       "must have version %u (0: not be there)", when, index, space, thread, value.size,
                       (uint32_t)what, wanted);
}

static bool area_answer(stress_thread *t, unsigned thread, unsigned space, unsigned index, uint32_t wanted,
                        levin_slice value, const char *when)
{
    t->keys_checked++;
    bool right = (value.data != NULL) == (wanted != 0);
    if (right && wanted) {
        size_t bytes = area_value(t, thread, space, index, wanted, t->value);
        right = bytes == value.size && memcmp(t->value, value.data, bytes) == 0;
    }
    return right || area_mismatch(t, thread, space, index, wanted, value, when);
}

static bool area_get(stress_thread *t, levin *store, const levin_keyspace *ks, const levin_snapshot *snapshot,
                     unsigned thread, unsigned space, unsigned index, uint32_t wanted, const char *when)
{
    char key[KEY_BYTES];
    void *value = NULL;
    size_t bytes = 0;
    levin_code code = levin_get_alloc_in(store, ks, snapshot, key, area_key(thread, index, key), &value, &bytes);
    bool good = code == LEVIN_NOT_FOUND || stress_ok(t, code, "levin_get_alloc_in");
    good = good && area_answer(t, thread, space, index, wanted, (levin_slice){ value, bytes }, when);
    levin_free(store, value);
    return good;
}

/* All keys of a space, by an iterator, one way or the other. */
static bool area_scan(stress_thread *t, levin *store, const levin_keyspace *ks, const levin_snapshot *snapshot,
                      unsigned thread, unsigned space, const struct stress_space *wanted, const char *when)
{
    char prefix[KEY_BYTES];
    levin_iter_options o = { .snapshot = snapshot, .keyspace = ks };
    levin_iter *it;
    if (!space)
        o.prefix = (levin_slice){ prefix, area_key(thread, 0, prefix) - 2 };
    if (!stress_ok(t, levin_iter_open(store, &o, &it), "levin_iter_open"))
        return false;
    const bool reverse = stress_below(t, 2);
    bool on = reverse ? levin_iter_last(it) : levin_iter_first(it), good = true;
    for (unsigned n = 0; n < STRESS_AREA_KEYS && good; n++) {
        unsigned index = reverse ? STRESS_AREA_KEYS - 1 - n : n;
        char key[KEY_BYTES];
        size_t bytes = area_key(thread, index, key);
        levin_slice found = on ? levin_iter_key(it) : (levin_slice){ NULL, 0 };
        bool there = on && found.size == bytes && memcmp(found.data, key, bytes) == 0;
        levin_slice value = there ? levin_iter_value(it) : (levin_slice){ NULL, 0 };
        good = !there || value.data || stress_ok(t, levin_iter_status(it), "levin_iter_value");
        good = good && area_answer(t, thread, space, index, wanted->version[index], value, when);
        if (good && there)
            on = reverse ? levin_iter_prev(it) : levin_iter_next(it);
    }
    if (good && levin_iter_status(it) != LEVIN_OK)
        good = stress_fail(t, levin_iter_status(it), "an iterator");
    if (good && on)
        good = stress_fail(t, LEVIN_OK, "%san iterator shows key \"%.*s\" in area %u of thread %u, out of order or "
                           "never written", when, (int)levin_iter_key(it).size,
                           (const char *)levin_iter_key(it).data, space, thread);
    levin_iter_close(it);
    return good;
}

static bool area_read(stress_thread *t, const levin_keyspace *ks, const levin_snapshot *snapshot, unsigned space,
                      const struct stress_space *wanted, const char *when)
{
    if (stress_below(t, 4) == 0)
        return area_scan(t, t->shared->store, ks, snapshot, t->number, space, wanted, when);
    for (int n = 0; n < 8; n++) {
        unsigned index = stress_below(t, STRESS_AREA_KEYS);
        if (!area_get(t, t->shared->store, ks, snapshot, t->number, space, index, wanted->version[index], when))
            return false;
    }
    return true;
}

bool stress_do_area_read(stress_thread *t)
{
    unsigned space = any_space(t);
    return area_read(t, space_of(t, space), NULL, space, &t->shared->areas[t->number].spaces[space], "");
}

/* The first keys of a range. */
static bool some_of(stress_thread *t, const levin_keyspace *ks, unsigned space, unsigned from, unsigned to)
{
    const struct stress_space *wanted = &t->shared->areas[t->number].spaces[space];
    for (unsigned i = from; i < to && i < from + 4; i++)
        if (!area_get(t, t->shared->store, ks, NULL, t->number, space, i, wanted->version[i], "of a range, "))
            return false;
    return true;
}

bool stress_do_range_delete(stress_thread *t)
{
    unsigned space = any_space(t), from, to;
    levin_keyspace *ks = space_of(t, space);
    char bounds[2][KEY_BYTES];
    levin_slice slices[2];
    levin_code code;
    const bool prefix = stress_below(t, 2);
    size_t bytes = 0;
    if (prefix)
        bytes = any_prefix(t, &from, &to, bounds[0]);
    else
        any_range(t, space, &from, &to, bounds, slices);
    if (!some_of(t, ks, space, from, to)) /* so that they stand in the row cache */
        return false;
    if (prefix)
        code = levin_delete_prefix_in(t->shared->store, ks, bounds[0], bytes, stress_any_durability(t));
    else
        code = levin_delete_range_in(t->shared->store, ks, slices[0], slices[1], stress_any_durability(t));
    forget(&t->shared->areas[t->number].spaces[space], from, to);
    return stress_ok(t, code, "a delete of a range or a prefix") && some_of(t, ks, space, from, to);
}

/* Also of keyspaces that were dropped since. */
bool stress_do_area_snapshot_read(stress_thread *t)
{
    unsigned space = stress_below(t, STRESS_SPACES);
    if (!t->snapshot || !t->snapshot_area.spaces[space].there)
        return stress_do_area_read(t);
    return area_read(t, space ? t->snapshot_keyspaces[space] : NULL, t->snapshot, space,
                     &t->snapshot_area.spaces[space], "in a snapshot, ");
}

/* ---- keyspaces ---- */

static bool space_create(stress_thread *t, unsigned space, const char *name, size_t bytes)
{
    struct stress_space *s = &t->shared->areas[t->number].spaces[space];
    levin_code code = levin_keyspace_open(t->shared->store, name, bytes, LEVIN_KEYSPACE_EXCLUSIVE,
                                          &t->keyspaces[space]);
    if (!stress_ok(t, code, "levin_keyspace_open"))
        return false;
    *s = (struct stress_space){ .there = true };
    return area_scan(t, t->shared->store, t->keyspaces[space], NULL, t->number, space, s, "in a new keyspace, ");
}

static bool space_drop(stress_thread *t, unsigned space, const char *name, size_t bytes)
{
    struct stress_space *s = &t->shared->areas[t->number].spaces[space];
    levin *store = t->shared->store;
    if (!stress_ok(t, levin_keyspace_drop(store, name, bytes, stress_any_durability(t)), "levin_keyspace_drop"))
        return false;
    s->there = false;
    char key[KEY_BYTES];
    size_t key_bytes = area_key(t->number, 0, key);
    levin_code code = levin_put_in(store, t->keyspaces[space], key, key_bytes, "x", 1, LEVIN_NONE);
    bool good = code == LEVIN_NO_KEYSPACE ||
                stress_fail(t, code, "a put into a keyspace that was dropped gives %s", levin_code_name(code));
    code = levin_contains_in(store, t->keyspaces[space], NULL, key, key_bytes);
    good = good && (code == LEVIN_NO_KEYSPACE ||
                    stress_fail(t, code, "a get from a keyspace that was dropped gives %s", levin_code_name(code)));
    levin_keyspace_close(t->keyspaces[space]);
    t->keyspaces[space] = NULL;
    return good;
}

/* Of the names of one thread, which are there. */
typedef struct space_names {
    unsigned thread, seen;
} space_names;

static bool on_name(void *context, levin_slice name)
{
    space_names *n = context;
    for (unsigned space = 1; space < STRESS_SPACES; space++) {
        char own[KEY_BYTES];
        size_t bytes = space_name(n->thread, space, own);
        if (name.size == bytes && memcmp(name.data, own, bytes) == 0)
            n->seen |= 1u << space;
    }
    return true;
}

static bool names_right(stress_thread *t, levin *store, unsigned thread, const levin_snapshot *snapshot,
                        const struct stress_area *area, const char *when)
{
    space_names n = { .thread = thread };
    unsigned wanted = 0;
    for (unsigned space = 1; space < STRESS_SPACES; space++)
        wanted |= (unsigned)area->spaces[space].there << space;
    if (!stress_ok(t, levin_keyspace_list(store, snapshot, on_name, &n), "levin_keyspace_list"))
        return false;
    return n.seen == wanted || stress_fail(t, LEVIN_OK, "%sthe list has keyspaces %x of thread %u, not %x", when,
                                           n.seen, thread, wanted);
}

bool stress_do_keyspace(stress_thread *t)
{
    char name[KEY_BYTES];
    unsigned space = 1 + stress_below(t, STRESS_SPACES - 1);
    size_t bytes = space_name(t->number, space, name);
    const struct stress_area *area = &t->shared->areas[t->number];
    bool good = area->spaces[space].there ? space_drop(t, space, name, bytes) : space_create(t, space, name, bytes);
    return good && names_right(t, t->shared->store, t->number, NULL, area, "");
}

bool stress_areas_snapshot(stress_thread *t)
{
    t->snapshot_area = t->shared->areas[t->number];
    for (unsigned space = 1; space < STRESS_SPACES; space++) {
        char name[KEY_BYTES];
        size_t bytes = space_name(t->number, space, name);
        if (t->snapshot_area.spaces[space].there &&
            !stress_ok(t, levin_keyspace_open(t->shared->store, name, bytes, 0, &t->snapshot_keyspaces[space]),
                     "levin_keyspace_open"))
            return false;
    }
    return true;
}

void stress_areas_release(stress_thread *t)
{
    for (unsigned space = 1; space < STRESS_SPACES; space++) {
        levin_keyspace_close(t->snapshot_keyspaces[space]);
        t->snapshot_keyspaces[space] = NULL;
    }
}

void stress_areas_close(stress_thread *t)
{
    stress_areas_release(t);
    for (unsigned space = 1; space < STRESS_SPACES; space++) {
        levin_keyspace_close(t->keyspaces[space]);
        t->keyspaces[space] = NULL;
    }
}

/* Everything in the area of a thread that is not at work, in any store: this one, or a backup. */
static bool area_verify(stress_thread *t, levin *store, unsigned thread, const char *when)
{
    const struct stress_area *area = &t->shared->areas[thread];
    bool good = names_right(t, store, thread, NULL, area, when);
    for (unsigned space = 0; space < STRESS_SPACES && good; space++) {
        char name[KEY_BYTES];
        levin_keyspace *ks = NULL;
        if (!area->spaces[space].there)
            continue;
        size_t bytes = space_name(thread, space, name);
        good = !space || stress_ok(t, levin_keyspace_open(store, name, bytes, 0, &ks), "levin_keyspace_open");
        good = good && area_scan(t, store, ks, NULL, thread, space, &area->spaces[space], when);
        levin_keyspace_close(ks);
    }
    return good;
}

/* ---- accounts ---- */

enum { ACCOUNT_MONEY = 1000, ACCOUNT_BYTES = 3 };

static void account_key(unsigned account, char key[KEY_BYTES])
{
    snprintf(key, KEY_BYTES, "b%02u", account);
}

static bool accounts_open(stress_thread *t)
{
    levin_batch *batch = t->batches[0];
    levin_code code = LEVIN_OK;
    levin_batch_clear(batch);
    for (unsigned i = 0; i < STRESS_ACCOUNTS && code == LEVIN_OK; i++) {
        char key[KEY_BYTES];
        account_key(i, key);
        code = levin_batch_put(batch, key, ACCOUNT_BYTES, &(int64_t){ ACCOUNT_MONEY }, sizeof(int64_t));
    }
    if (code == LEVIN_OK)
        code = levin_write(t->shared->store, batch, LEVIN_LOGGED);
    return stress_ok(t, code, "the first write");
}

/* Puts what never was into the account and deletes all of its pair, behind a savepoint, and goes back. */
static levin_code go_astray(levin_txn *txn, const char key[KEY_BYTES])
{
    levin_code code = levin_txn_savepoint(txn);
    if (code == LEVIN_OK)
        code = levin_txn_put(txn, key, ACCOUNT_BYTES, &(int64_t){ INT64_MIN }, sizeof(int64_t));
    if (code == LEVIN_OK)
        code = levin_txn_delete_prefix(txn, key, ACCOUNT_BYTES - 1);
    return code == LEVIN_OK ? levin_txn_rollback_to_savepoint(txn) : code;
}

/* Reads both of a pair, and writes one: only the check of what was read keeps two of them apart. */
static levin_code withdraw(stress_thread *t, levin_txn *txn)
{
    unsigned pair = stress_below(t, STRESS_PAIRS), one = stress_below(t, 2);
    int64_t money[2] = { 0, 0 }, amount = 1 + stress_below(t, 100);
    char key[2][KEY_BYTES];
    for (unsigned i = 0; i < 2; i++) {
        size_t bytes = 0;
        snprintf(key[i], KEY_BYTES, "a%01u%01u", pair, i);
        levin_code code = levin_txn_get(txn, key[i], ACCOUNT_BYTES, &money[i], sizeof money[i], &bytes);
        if (code != LEVIN_OK && code != LEVIN_NOT_FOUND)
            return code;
    }
    sched_yield(); /* so that others come in between */
    levin_code code = go_astray(txn, key[one]);
    if (code != LEVIN_OK)
        return code;
    money[one] += money[0] + money[1] >= amount ? -amount : amount;
    code = levin_txn_put(txn, key[one], ACCOUNT_BYTES, &money[one], sizeof money[one]);
    return code == LEVIN_OK ? levin_txn_commit(txn, stress_any_durability(t)) : code;
}

static bool account_right(stress_thread *t, unsigned account, int64_t money, size_t bytes)
{
    return (bytes == sizeof money && money >= 0 && money <= (int64_t)STRESS_ACCOUNTS * ACCOUNT_MONEY) ||
           stress_fail(t, LEVIN_OK, "account %u has %zu bytes, %" PRId64 " in it", account, bytes, money);
}

/* LEVIN_OK, LEVIN_CONFLICT, or what went wrong; *good false: that was told. */
static levin_code transfer(stress_thread *t, levin_txn *txn, bool *good)
{
    unsigned account[2] = { stress_below(t, STRESS_ACCOUNTS), stress_below(t, STRESS_ACCOUNTS) };
    int64_t money[2] = { 0, 0 }, amount = stress_below(t, 200);
    char key[2][KEY_BYTES];
    levin_code code = LEVIN_OK;
    if (account[0] == account[1])
        account[1] = (account[1] + 1) % STRESS_ACCOUNTS;
    for (int i = 0; i < 2 && code == LEVIN_OK; i++) {
        size_t bytes = 0;
        account_key(account[i], key[i]);
        code = levin_txn_get(txn, key[i], ACCOUNT_BYTES, &money[i], sizeof money[i], &bytes);
        if (code == LEVIN_OK && !account_right(t, account[i], money[i], bytes))
            return *good = false, LEVIN_OK;
    }
    if (money[0] < amount)
        amount = 0;
    money[0] -= amount;
    money[1] += amount;
    for (int i = 0; i < 2 && code == LEVIN_OK; i++)
        code = levin_txn_put(txn, key[i], ACCOUNT_BYTES, &money[i], sizeof money[i]);
    return code == LEVIN_OK ? levin_txn_commit(txn, stress_any_durability(t)) : code;
}

bool stress_do_transaction(stress_thread *t)
{
    levin_txn *txn;
    bool good = stress_ok(t, levin_txn_begin(t->shared->store, NULL, &txn), "levin_txn_begin");
    if (!good)
        return false;
    levin_code code = stress_below(t, 3) == 0 ? transfer(t, txn, &good) : withdraw(t, txn);
    levin_txn_destroy(txn);
    return good && (code == LEVIN_CONFLICT || stress_ok(t, code, "a transaction"));
}

static bool sum_right(stress_thread *t, levin_iter *it, const char *when)
{
    int64_t sum = 0, money = 0;
    unsigned count = 0;
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it), count++) {
        levin_slice value = levin_iter_value(it);
        if (value.data && value.size == sizeof money)
            memcpy(&money, value.data, sizeof money);
        if (!value.data)
            break;
        if (!account_right(t, count, money, value.size))
            return false;
        sum += money;
    }
    if (!stress_ok(t, levin_iter_status(it), "an iterator over the accounts"))
        return false;
    t->keys_checked += count;
    return (count == STRESS_ACCOUNTS && sum == (int64_t)STRESS_ACCOUNTS * ACCOUNT_MONEY) ||
           stress_fail(t, LEVIN_OK, "%sthere are %u accounts with %" PRId64 " in all, not %d with %d", when, count, sum,
                       STRESS_ACCOUNTS, STRESS_ACCOUNTS * ACCOUNT_MONEY);
}

static bool pairs_right(stress_thread *t, levin *store, const levin_snapshot *snapshot, const char *when)
{
    levin_iter_options o = { .snapshot = snapshot, .prefix = { "a", 1 } };
    int64_t sum[STRESS_PAIRS] = { 0 }, money;
    levin_iter *it;
    if (!stress_ok(t, levin_iter_open(store, &o, &it), "levin_iter_open"))
        return false;
    for (bool on = levin_iter_first(it); on; on = levin_iter_next(it)) {
        levin_slice key = levin_iter_key(it), value = levin_iter_value(it);
        unsigned pair = key.size == ACCOUNT_BYTES ? ((const unsigned char *)key.data)[1] - '0' : STRESS_PAIRS;
        if (value.data && value.size == sizeof money && pair < STRESS_PAIRS) {
            memcpy(&money, value.data, sizeof money);
            sum[pair] += money;
        }
    }
    bool good = stress_ok(t, levin_iter_status(it), "an iterator over the pairs");
    levin_iter_close(it);
    t->keys_checked += STRESS_PAIRS;
    for (unsigned pair = 0; pair < STRESS_PAIRS && good; pair++)
        good = sum[pair] >= 0 ||
               stress_fail(t, LEVIN_OK, "%spair %u has %" PRId64 ": of two transactions that read both and wrote one, "
                           "neither saw the other", when, pair, sum[pair]);
    return good;
}

static bool accounts_right(stress_thread *t, levin *store, const levin_snapshot *snapshot, const char *when)
{
    levin_iter_options o = { .snapshot = snapshot, .prefix = { "b", 1 } };
    levin_iter *it;
    if (!stress_ok(t, levin_iter_open(store, &o, &it), "levin_iter_open"))
        return false;
    bool good = sum_right(t, it, when);
    levin_iter_close(it);
    return good && pairs_right(t, store, snapshot, when);
}

bool stress_do_accounts(stress_thread *t)
{
    const bool old = t->snapshot && stress_below(t, 2);
    return accounts_right(t, t->shared->store, old ? t->snapshot : NULL, old ? "in a snapshot, " : "");
}

/* ---- counters ---- */

static size_t counter_key(unsigned counter, char key[KEY_BYTES])
{
    return (size_t)snprintf(key, KEY_BYTES, "c%02u", counter);
}

static uint32_t counted(const _Atomic uint32_t *number)
{
    return atomic_load_explicit(number, memory_order_acquire); /* pairs with the changes in stress_do_swap() */
}

static bool counter_right(stress_thread *t, unsigned counter, levin_code code, uint64_t found, size_t bytes,
                          uint32_t low, const char *when)
{
    const uint32_t high = counted(&t->shared->swaps_asked[counter]);
    if (code == LEVIN_NOT_FOUND)
        found = 0, bytes = sizeof found;
    else if (!stress_ok(t, code, "levin_get"))
        return false;
    t->keys_checked++;
    return (bytes == sizeof found && found >= low && found <= high) ||
           stress_fail(t, LEVIN_OK, "%scounter %u is %" PRIu64 " in %zu bytes, and it must be from %u to %u", when,
                       counter, found, bytes, low, high);
}

/* low: what had been acknowledged before the state that is read. */
static bool counter_read(stress_thread *t, levin *store, unsigned counter, uint32_t low, uint64_t *found, bool *there,
                         const char *when)
{
    char key[KEY_BYTES];
    size_t bytes = 0, key_bytes = counter_key(counter, key);
    levin_code code = levin_get(store, NULL, key, key_bytes, found, sizeof *found, &bytes);
    *there = code == LEVIN_OK;
    *found = *there ? *found : 0;
    return counter_right(t, counter, code, *found, bytes, low, when);
}

bool stress_do_swap(stress_thread *t)
{
    const unsigned counter = stress_below(t, STRESS_COUNTERS);
    stress_shared *s = t->shared;
    char key[KEY_BYTES];
    size_t key_bytes = counter_key(counter, key);
    uint64_t old = 0, next;
    bool there;
    if (!counter_read(t, s->store, counter, counted(&s->swaps_done[counter]), &old, &there, ""))
        return false;
    next = old + 1;
    const levin_slice expected = { &old, sizeof old }, desired = { &next, sizeof next };
    levin_slice actual = { NULL, 0 };
    atomic_fetch_add_explicit(&s->swaps_asked[counter], 1, memory_order_release); /* pairs with counted() */
    levin_code code = levin_compare_and_swap(s->store, key, key_bytes, there ? &expected : NULL, &desired,
                                             stress_any_durability(t), &actual);
    if (code == LEVIN_OK) {
        atomic_fetch_add_explicit(&s->swaps_done[counter], 1, memory_order_release); /* pairs with counted() */
        return true;
    }
    bool good = code == LEVIN_CONFLICT || stress_ok(t, code, "levin_compare_and_swap");
    if (good && (actual.size != sizeof old || memcmp(actual.data, &old, sizeof old) == 0))
        good = stress_fail(t, LEVIN_OK, "a swap of counter %u is refused, and what stood in the way is what it "
                           "expected", counter);
    levin_free(s->store, (void *)(uintptr_t)actual.data);
    atomic_fetch_sub_explicit(&s->swaps_asked[counter], 1, memory_order_release); /* pairs with counted() */
    return good;
}

bool stress_do_counters(stress_thread *t)
{
    uint64_t found;
    bool there;
    for (unsigned n = 0; n < 4; n++) {
        const unsigned counter = stress_below(t, STRESS_COUNTERS);
        if (!counter_read(t, t->shared->store, counter, counted(&t->shared->swaps_done[counter]), &found, &there, ""))
            return false;
    }
    return true;
}

/* ---- upkeep ---- */

bool stress_do_compact(stress_thread *t)
{
    levin_compact_options o;
    levin_compact_options_init(&o);
    o.mode = stress_below(t, 4) ? LEVIN_COMPACT_END : LEVIN_COMPACT_ALL;
    return stress_ok(t, levin_compact(t->shared->store, &o, NULL), "levin_compact");
}

bool stress_do_collect(stress_thread *t)
{
    return stress_ok(t, levin_collect(t->shared->store, 30 + stress_below(t, 60)), "levin_collect");
}

/* Keys of the model that this thread alone writes, as they stand in the backup. */
static bool backup_samples(stress_thread *t, levin *copy, const char *when)
{
    const stress_model *m = &t->shared->model;
    for (unsigned n = 0; n < BACKUP_SAMPLES; n++) {
        const uint32_t own = (m->units - t->number + m->threads - 1) / m->threads;
        uint32_t unit = t->number + m->threads * stress_below(t, own), keys[STRESS_GROUP_KEYS], key, version;
        char text[STRESS_KEY_MAX], why[256];
        void *value = NULL;
        size_t bytes = 0;
        key = keys[stress_below(t, stress_unit_keys(m, unit, keys))];
        levin_code code = levin_get_alloc(copy, NULL, text, stress_key(m, key, text), &value, &bytes);
        bool good = code == LEVIN_NOT_FOUND || stress_ok(t, code, "levin_get_alloc");
        t->keys_checked++;
        if (good && !stress_answer(m, key, code == LEVIN_OK ? value : NULL, bytes, stress_load(&m->floor[unit]),
                                   stress_load(&m->ceiling[unit]), &version, why))
            good = stress_fail(t, LEVIN_OK, "%skey \"%s\": %s", when, text, why);
        levin_free(copy, value);
        if (!good)
            return false;
    }
    return true;
}

/* What nobody but this thread changes must be there as it is, the rest within its bounds. */
static bool backup_right(stress_thread *t, levin *copy, const uint32_t low[STRESS_COUNTERS])
{
    static const char when[] = "in a backup, ";
    uint64_t found;
    bool there, good = stress_ok(t, levin_check(copy, NULL, NULL, NULL), "levin_check of a backup");
    good = good && area_verify(t, copy, t->number, when) && accounts_right(t, copy, NULL, when);
    for (unsigned i = 0; i < STRESS_COUNTERS && good; i++)
        good = counter_read(t, copy, i, low[i], &found, &there, when);
    return good && backup_samples(t, copy, when);
}

/* One at a time: a second one would only fill the device. */
bool stress_do_backup(stress_thread *t)
{
    stress_shared *s = t->shared;
    uint32_t low[STRESS_COUNTERS];
    char directory[4096], command[4200];
    levin_options o = s->options->store;
    levin *copy = NULL;
    levin_error error = { .code = LEVIN_OK };
    /* acquire and release: between one backup and the next */
    if (atomic_exchange_explicit(&s->backup, 1, memory_order_acquire))
        return stress_do_accounts(t);
    snprintf(directory, sizeof directory, "%s.backup", s->options->path);
    for (unsigned i = 0; i < STRESS_COUNTERS; i++)
        low[i] = counted(&s->swaps_done[i]);
    bool good = stress_ok(t, levin_backup(s->store, directory, NULL, NULL), "levin_backup");
    if (good) {
        o.read_only = true;
        levin_code code = levin_open(directory, &o, &copy, &error);
        good = code == LEVIN_OK ||
               stress_fail(t, LEVIN_OK, "a backup does not open: %s: %s", levin_code_name(code), error.message);
    }
    good = good && backup_right(t, copy, low);
    if (copy)
        good = stress_ok(t, levin_close(copy), "levin_close of a backup") && good;
    snprintf(command, sizeof command, "rm -rf -- '%s'", directory);
    if (good && system(command)) /* a backup with a fault in it stays for who looks into it */
        good = stress_fail(t, LEVIN_IO, "a backup could not be removed");
    atomic_store_explicit(&s->backup, 0, memory_order_release);
    return good;
}

/* ---- the beginning and the end ---- */

bool stress_areas_open(stress_thread *t)
{
    return accounts_open(t);
}

bool stress_areas_verify(stress_thread *t)
{
    uint64_t found;
    bool there;
    t->now = STRESS_area_read;
    for (unsigned thread = 0; thread < t->shared->options->threads; thread++)
        if (!area_verify(t, t->shared->store, thread, "at the end, "))
            return false;
    t->now = STRESS_accounts;
    if (!accounts_right(t, t->shared->store, NULL, "at the end, "))
        return false;
    t->now = STRESS_counters;
    for (unsigned i = 0; i < STRESS_COUNTERS; i++) /* no swap is under way: low and high are the same */
        if (!counter_read(t, t->shared->store, i, counted(&t->shared->swaps_done[i]), &found, &there, "at the end, "))
            return false;
    return true;
}
