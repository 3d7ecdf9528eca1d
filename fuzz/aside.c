/*
 * aside.c - dump and repair of the files of an input (aside.h).
 *
 * Invariants: each on a disk of its own, a fork of the image.  Concurrency: one thread.
 */
#include "aside.h"

#include <string.h>

#include "../engine/checksum.h"
#include "../engine/codec.h"
#include "container.h"
#include "fuzz.h"
#include "spaces.h"

#define REPAIRED "mended"

static uint64_t store_digest(const fuzz_disk *d)
{
    disk_image *now = simdisk_image(d->disk);
    uint64_t digest = disk_image_digest(now);
    disk_image_unref(now);
    return digest;
}

static bool is_there(const disk_image *image, const char *name)
{
    disk_node directory = disk_image_find(image, FUZZ_STORE);
    return directory != DISK_NONE && disk_image_lookup(image, directory, name) != DISK_NONE;
}

/* ---- dump ------------------------------------------------------------------------------------------------- */

static bool dump_item(void *context, const levin_dump_item *item)
{
    uint64_t *faults = context;
    uint8_t kind;
    uint32_t number;
    fuzz_require(container_name_parse(item->file, &kind, &number), "levin_dump names no file of a store: \"%s\"",
                 item->file);
    for (size_t i = 0; i < item->count; i++) {
        const levin_dump_field *f = &item->fields[i];
        const uint8_t *bytes = f->bytes.data;
        for (size_t n = 0; n < f->bytes.size && (f->type == LEVIN_DUMP_TEXT || f->type == LEVIN_DUMP_BYTES); n++)
            *faults += bytes[n] == 1 && n == SIZE_MAX; /* reads them all */
    }
    if (item->fault) {
        ++*faults;
        fuzz_require(item->fault->message[0], "levin_dump: a fault without a message at %s, offset %llu", item->file,
                     (unsigned long long)item->offset);
    }
    return true;
}

void aside_dump(const disk_image *image)
{
    fuzz_disk d;
    levin_dump_options o;
    levin_error error = { .code = LEVIN_OK };
    uint64_t faults = 0;
    fuzz_disk_open(&d, image);
    const uint64_t before = store_digest(&d);
    levin_dump_options_init(&o);
    o.io = &d.table;
    o.what = LEVIN_DUMP_META | LEVIN_DUMP_PAGES | LEVIN_DUMP_CELLS | LEVIN_DUMP_FREE | LEVIN_DUMP_LOG |
             LEVIN_DUMP_RECORDS | LEVIN_DUMP_VALUES;
    levin_code code = levin_dump(FUZZ_STORE, &o, dump_item, &faults, &error);
    fuzz_require(code == (faults ? LEVIN_CORRUPT : LEVIN_OK) ||
                     (code == LEVIN_NO_STORE && !is_there(image, "pages")),
                 "levin_dump gave %s with %llu faults: %s", levin_code_name(code), (unsigned long long)faults,
                 error.message);
    fuzz_require(store_digest(&d) == before, "levin_dump changed the disk");
    fuzz_disk_close(&d);
}

/* ---- repair ----------------------------------------------------------------------------------------------- */

uint64_t aside_value_hash(levin_slice value)
{
    return value.size ? checksum(value.data, value.size, value.size) : 0;
}

uint64_t aside_digest(uint64_t before, levin_slice key, uint64_t value_hash)
{
    return checksum(key.data, key.size, before ^ value_hash * 0x9e3779b97f4a7c15u);
}

static const seed_pair *pair_find(const seed_state *s, levin_slice key)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = key_compare(s->pairs[middle].key.data, s->pairs[middle].key.size, key.data, key.size);
        if (c == 0)
            return &s->pairs[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool pair_is(const seed_pair *p, levin_slice value)
{
    return p && p->value.size == value.size && (!value.size || !memcmp(p->value.data, value.data, value.size));
}

/* A keyspace whose name is lost gets one of these. */
#define RECOVERED "\x7frecovered-"

/* What a key of a named keyspace, as it is told, is in it. */
static levin_slice key_in_space(levin_slice told)
{
    const uint8_t *at = told.data, *end = at + told.size;
    const uint8_t *name_end = told.size && at[0] == SPACE_MARK ? memchr(at, 0, told.size) : NULL;
    return name_end ? (levin_slice){ name_end + 1, (size_t)(end - name_end - 1) } : (levin_slice){ NULL, 0 };
}

static bool was_in_some_space(const seed_store *seed, levin_slice told, levin_slice value)
{
    const levin_slice key = key_in_space(told);
    for (size_t i = 0; i < seed->state_count; i++)
        for (size_t n = 0; n < seed->states[i].count; n++) {
            const seed_pair *p = &seed->states[i].pairs[n];
            const levin_slice had = key_in_space(p->key);
            if (had.data && had.size == key.size && !memcmp(had.data, key.data, key.size) && pair_is(p, value))
                return true;
        }
    return false;
}

/* The pair was there at some time. */
static void require_known(const seed_store *seed, levin_slice key, levin_slice value)
{
    for (size_t i = 0; i < seed->state_count; i++)
        if (pair_is(pair_find(&seed->states[i], key), value))
            return;
    if (key.size > sizeof RECOVERED - 1 && !memcmp(key.data, RECOVERED, sizeof RECOVERED - 1) &&
        was_in_some_space(seed, key, value))
        return;
    fuzz_fail(__FILE__, __LINE__, "repair of damaged store %s: key \"%.*s\" never had this value of %zu bytes",
              seed->name, (int)(key.size < 64 ? key.size : 64), (const char *)key.data, value.size);
}

/* Strikes out the states without this pair as their nth. */
static void narrow(const seed_store *seed, uint8_t *allowed, size_t nth, levin_slice key, levin_slice value)
{
    for (size_t i = 0; i < seed->state_count; i++) {
        const seed_state *s = &seed->states[i];
        allowed[i] = allowed[i] && nth < s->count && s->pairs[nth].key.size == key.size &&
                     !memcmp(s->pairs[nth].key.data, key.data, key.size) && pair_is(&s->pairs[nth], value);
    }
}

/* One keyspace of the new store, against what is known. */
static void look_at_space(levin *store, const spaces *s, unsigned space, const seed_store *seed, uint8_t *allowed,
                          aside_repaired *repaired)
{
    const levin_iter_options o = { .keyspace = s->of[space].handle };
    uint8_t buffer[SPACE_KEY_MAX];
    levin_iter *it;
    levin_code code = levin_iter_open(store, &o, &it);
    fuzz_require(code == LEVIN_OK, "a scan of a repaired store gave %s", levin_code_name(code));
    for (bool more = levin_iter_first(it); more; more = levin_iter_next(it), repaired->pairs++) {
        const levin_slice key = spaces_tell(s, space, levin_iter_key(it), buffer), value = levin_iter_value(it);
        fuzz_require(levin_iter_status(it) == LEVIN_OK, "a repaired store: a value gave %s",
                     levin_code_name(levin_iter_status(it)));
        repaired->digest = aside_digest(repaired->digest, key, aside_value_hash(value));
        if (!seed)
            continue;
        require_known(seed, key, value);
        narrow(seed, allowed, repaired->pairs, key, value);
    }
    fuzz_require(levin_iter_status(it) == LEVIN_OK, "a scan of a repaired store ended with %s",
                 levin_code_name(levin_iter_status(it)));
    levin_iter_close(it);
}

static void look_at(levin *store, const damage_legal *legal, aside_repaired *repaired)
{
    enum { STATES_MAX = 512 };
    static uint8_t allowed[STATES_MAX];
    static spaces s; /* large */
    const seed_store *seed = legal ? legal->seed : NULL;
    for (size_t i = 0; seed && i < seed->state_count; i++)
        allowed[i] = (i >= legal->first && i <= legal->last) || i == legal->final;
    spaces_open(&s, store);
    fuzz_require(s.code == LEVIN_OK, "a list of the keyspaces of a repaired store gave %s", levin_code_name(s.code));
    for (unsigned space = 0; space < s.count; space++)
        look_at_space(store, &s, space, seed, allowed, repaired);
    spaces_close(&s);
    bool some = !seed || repaired->code != LEVIN_OK;
    for (size_t i = 0; seed && i < seed->state_count && !some; i++)
        some = allowed[i] && seed->states[i].count == repaired->pairs;
    fuzz_require(some, "repair of damaged store %s lost nothing, but gave no legal state (%zu to %zu and %zu)",
                 seed->name, legal->first, legal->last, legal->final);
}

static bool tell_fault(void *context, const levin_error *fault)
{
    (void)context;
    fuzz_fail(__FILE__, __LINE__, "levin_check of a repaired store: %s", fault->message);
}

static void open_repaired(fuzz_disk *d, const damage_legal *legal, aside_repaired *repaired)
{
    levin_options o;
    levin *store = NULL;
    levin_error error = { .code = LEVIN_OK };
    fuzz_options(&o, &d->table);
    o.create_if_missing = false;
    levin_code code = levin_open(REPAIRED, &o, &store, &error);
    fuzz_require(code == LEVIN_OK, "a repaired store does not open: %s: %s", levin_code_name(code), error.message);
    code = levin_check(store, tell_fault, NULL, NULL);
    fuzz_require(code == LEVIN_OK, "levin_check of a repaired store gave %s", levin_code_name(code));
    look_at(store, legal, repaired);
    code = levin_close(store);
    fuzz_require(code == LEVIN_OK, "levin_close of a repaired store gave %s", levin_code_name(code));
}

void aside_repair(const disk_image *image, const damage_legal *legal, aside_repaired *repaired)
{
    fuzz_disk d;
    levin_repair_options o;
    levin_repair_result result = { 0 };
    levin_error error = { .code = LEVIN_OK };
    fuzz_disk_open(&d, image);
    levin_repair_options_init(&o);
    o.io = &d.table;
    levin_code code = levin_repair(FUZZ_STORE, REPAIRED, &o, &result, &error);
    *repaired = (aside_repaired){ .code = code, .made = result.made };
    fuzz_require(code == LEVIN_OK || code == LEVIN_CORRUPT ||
                     (code == LEVIN_NO_STORE && !is_there(image, "pages")) ||
                     (!legal && (code == LEVIN_VERSION_UNKNOWN || code == LEVIN_TOO_BIG || code == LEVIN_NO_SPACE)),
                 "levin_repair gave %s: %s", levin_code_name(code), error.message);
    fuzz_require(result.made ? (code == LEVIN_CORRUPT) == (result.losses != 0) : code != LEVIN_OK,
                 "levin_repair gave %s, made %d, %llu losses", levin_code_name(code), result.made,
                 (unsigned long long)result.losses);
    if (result.made)
        open_repaired(&d, legal, repaired);
    fuzz_disk_close(&d);
}
