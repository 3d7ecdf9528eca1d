/*
 * seeds.c - makes the seed stores: each script below writes one feature of the formats through the engine onto a
 * simulated disk, records what the store holds after each batch, and then reads metas and log groups back.
 *
 * Invariants: batches are numbered from 1 in order of commit, so that the sequence numbers in the log are indices
 * into states[].  Values are short stamps followed by zeros: they compress well in a container.  Keys begin with a
 * digit or a letter; lower bytes are left to the keys that targets put.
 * Concurrency: one thread.
 */
#include "seeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/wal_internal.h"
#include "../faults/fatal.h"
#include "fuzz.h"
#include "spaces.h"

enum { MODEL_MAX = 512, STATES_MAX = 400, GROUPS_MAX = 256, VALUES_MAX = 256, KEY_BYTES_MAX = 1024 };

typedef struct builder {
    seed_store *out;
    simdisk *disk;
    levin_io table;        /* the disk's, with the hook below */
    levin_options options;
    levin *store;
    levin_keyspace *ks;    /* that is written to; NULL: the default one */
    const char *ks_name;
    seed_pair model[MODEL_MAX];
    size_t count;
    unsigned stamp;
    bool keep_next_meta;   /* keep the disk as it is right after the next write of a meta page */
    const disk_image *kept;
} builder;

static builder *hooked; /* whose disk write_hook() looks at */

/* ---- the model -------------------------------------------------------------------------------------------- */

static void state_add(builder *b)
{
    seed_store *s = b->out;
    if (s->state_count == STATES_MAX)
        fatal("seed store %s has too many batches", s->name);
    seed_pair *pairs = fatal_alloc((b->count + 1) * sizeof *pairs);
    memcpy(pairs, b->model, b->count * sizeof *pairs);
    s->states[s->state_count++] = (seed_state){ b->count, pairs };
}

/* Index of the first pair at or after the key. */
static size_t model_seek(const builder *b, levin_slice key, bool *equal)
{
    size_t i = 0;
    int c = 1;
    while (i < b->count && (c = key_compare(b->model[i].key.data, b->model[i].key.size, key.data, key.size)) < 0)
        i++;
    *equal = i < b->count && c == 0;
    return i;
}

static levin_slice slice_copy(const void *data, size_t bytes)
{
    void *copy = fatal_alloc(bytes + 1);
    memcpy(copy, data, bytes);
    return (levin_slice){ copy, bytes };
}

/* value.data NULL deletes. */
static void model_set(builder *b, levin_slice key, levin_slice value)
{
    bool equal;
    size_t i = model_seek(b, key, &equal);
    if (!value.data) {
        if (equal)
            memmove(&b->model[i], &b->model[i + 1], (--b->count - i) * sizeof b->model[0]);
        return;
    }
    if (!equal) {
        if (b->count == MODEL_MAX)
            fatal("seed store %s has too many keys", b->out->name);
        memmove(&b->model[i + 1], &b->model[i], (b->count++ - i) * sizeof b->model[0]);
        b->model[i].key = slice_copy(key.data, key.size);
    }
    b->model[i].value = value;
}

static int compare_keys(const void *a, const void *b)
{
    const levin_slice *x = a, *y = b;
    return key_compare(x->data, x->size, y->data, y->size);
}

static void keys_list(seed_store *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->state_count; i++)
        count += s->states[i].count;
    s->keys = fatal_alloc((count + 1) * sizeof *s->keys);
    count = 0;
    for (size_t i = 0; i < s->state_count; i++)
        for (size_t n = 0; n < s->states[i].count; n++)
            s->keys[count++] = s->states[i].pairs[n].key;
    qsort(s->keys, count, sizeof *s->keys, compare_keys);
    for (size_t i = 0; i < count; i++)
        if (!i || compare_keys(&s->keys[s->key_count - 1], &s->keys[i]))
            s->keys[s->key_count++] = s->keys[i];
    if (s->key_count > SEED_KEYS_MAX)
        fatal("seed store %s has too many keys", s->name);
}

/* ---- steps of a script ------------------------------------------------------------------------------------ */

static void need(const builder *b, levin_code code, const char *step)
{
    if (code != LEVIN_OK)
        fatal("seed store %s: %s: %s", b->out->name, step, levin_code_text(code));
}

static int write_hook(void *context, levin_file *handle, const levin_slice *parts, size_t count, uint64_t offset,
                      size_t *done)
{
    builder *b = hooked;
    const levin_io *below = simdisk_io(b->disk);
    int result = below->write_at(context, handle, parts, count, offset, done);
    if (b->keep_next_meta && offset < 2 * META_SLOT_BYTES && *done == META_SLOT_BYTES) {
        b->kept = simdisk_image(b->disk);
        b->keep_next_meta = false;
    }
    return result;
}

static void open_store(builder *b)
{
    levin_error error;
    b->options.io = &b->table;
    levin_code code = levin_open(FUZZ_STORE, &b->options, &b->store, &error);
    if (code != LEVIN_OK)
        fatal("seed store %s: %s", b->out->name, error.message);
}

static void close_store(builder *b)
{
    need(b, levin_close(b->store), "close");
    b->store = NULL;
}

/* The process dies: what it had not handed to the kernel is gone, and the store is opened again on the rest. */
static void kill_store(builder *b)
{
    const disk_image *now = simdisk_image(b->disk);
    need(b, levin_close(b->store), "close");
    simdisk_destroy(b->disk, NULL);
    b->disk = simdisk_create(now, NULL);
    b->table.context = simdisk_io(b->disk)->context;
    disk_image_unref(now);
    b->store = NULL;
}

/* This moment becomes a source of stale bytes. */
static void keep_older(builder *b)
{
    if (b->out->older_count < SEED_OLDER_MAX)
        b->out->older[b->out->older_count++] = simdisk_image(b->disk);
}

static void checkpoint_store(builder *b)
{
    keep_older(b);
    need(b, levin_checkpoint(b->store), "checkpoint");
}

static levin_slice name_slice(const char *name)
{
    return (levin_slice){ name, strlen(name) };
}

/* The key as the model tells it (spaces.h). */
static levin_slice told(const builder *b, levin_slice key, uint8_t buffer[SPACE_KEY_MAX])
{
    return b->ks ? spaces_key(name_slice(b->ks_name), key, buffer) : key;
}

/* The prefix and i, padded to the length. */
static levin_slice make_key(uint8_t buffer[KEY_BYTES_MAX], const char *prefix, unsigned digits, unsigned i,
                            size_t bytes)
{
    char text[64];
    size_t n = (size_t)snprintf(text, sizeof text, "%s%0*u", prefix, (int)digits, i);
    bytes = bytes < n ? n : bytes;
    memset(buffer, 'x', bytes);
    memcpy(buffer, text, n);
    return (levin_slice){ buffer, bytes };
}

typedef struct range {
    const char *prefix;
    unsigned digits;     /* of the number behind it */
    unsigned from, to, step;
    size_t key_bytes;    /* 0: as long as these are */
    size_t value_bytes;  /* the i-th value has (i % 4) * value_more more */
    size_t value_more;
    unsigned per_batch;  /* operations */
    levin_durability durability;
    bool delete;
} range;

static void write_range(builder *b, range r)
{
    levin_batch *batch;
    uint8_t buffer[KEY_BYTES_MAX], buffer_told[SPACE_KEY_MAX];
    need(b, levin_batch_create(b->store, &batch), "batch");
    for (unsigned i = r.from; i < r.to; i += r.step) {
        levin_slice key = make_key(buffer, r.prefix, r.digits, i, r.key_bytes), value = { NULL, 0 };
        if (!r.delete) {
            char stamp[16];
            size_t n = (size_t)snprintf(stamp, sizeof stamp, "v%u", ++b->stamp);
            value.size = r.value_bytes + i % 4 * r.value_more;
            uint8_t *bytes = fatal_alloc_zeroed(value.size + 1);
            memcpy(bytes, stamp, n < value.size ? n : value.size);
            value.data = bytes;
        }
        need(b, r.delete ? levin_batch_delete_in(batch, b->ks, key.data, key.size)
                         : levin_batch_put_in(batch, b->ks, key.data, key.size, value.data, value.size), "batch");
        model_set(b, told(b, key, buffer_told), value);
        if (levin_batch_count(batch) == r.per_batch || i + r.step >= r.to) {
            need(b, levin_write(b->store, batch, r.durability), "write");
            levin_batch_clear(batch);
            state_add(b);
        }
    }
    levin_batch_destroy(batch);
}

/* Keys from lower on and before upper. */
static void delete_range(builder *b, const char *lower, const char *upper)
{
    const levin_slice from = { lower, strlen(lower) }, to = { upper, strlen(upper) };
    bool equal;
    size_t first = model_seek(b, from, &equal), end = model_seek(b, to, &equal);
    need(b, levin_delete_range(b->store, from, to, LEVIN_SYNCED), "delete range");
    memmove(&b->model[first], &b->model[end], (b->count - end) * sizeof b->model[0]);
    b->count -= end - first;
    state_add(b);
}

/* The store has written batches of its own, which changed nothing that can be read: it says how many. */
static void states_fill(builder *b)
{
    levin_stats stats;
    levin_stats_get(b->store, &stats);
    while (b->out->state_count <= stats.sequence)
        state_add(b);
}

/* What follows is written to the keyspace, which is made if it is not there; NULL: to the default one. */
static void use_space(builder *b, const char *name)
{
    levin_keyspace_close(b->ks);
    b->ks = NULL;
    b->ks_name = name;
    if (name)
        need(b, levin_keyspace_open(b->store, name, strlen(name), LEVIN_KEYSPACE_CREATE, &b->ks), "keyspace");
    states_fill(b);
}

static void drop_space(builder *b, const char *name)
{
    uint8_t buffer[SPACE_KEY_MAX];
    const levin_slice lower = spaces_key(name_slice(name), (levin_slice){ "", 0 }, buffer);
    size_t out = 0;
    need(b, levin_keyspace_drop(b->store, name, strlen(name), LEVIN_SYNCED), "drop");
    for (size_t i = 0; i < b->count; i++)
        if (b->model[i].key.size < lower.size || memcmp(b->model[i].key.data, lower.data, lower.size))
            b->model[out++] = b->model[i];
    b->count = out;
    states_fill(b);
}

/* ---- the scripts ------------------------------------------------------------------------------------------ */

static void script_empty(builder *b)
{
    close_store(b);
}

static void script_log(builder *b)
{
    write_range(b, (range){ "k", 3, 0, 24, 1, 0, 20, 7, 1, LEVIN_SYNCED, false });
    write_range(b, (range){ "k", 3, 0, 24, 5, 0, 0, 0, 2, LEVIN_SYNCED, true });
    close_store(b);
}

static void script_log_killed(builder *b)
{
    write_range(b, (range){ "k", 3, 0, 12, 1, 0, 30, 0, 3, LEVIN_SYNCED, false });
    write_range(b, (range){ "l", 3, 0, 6, 1, 0, 30, 0, 1, LEVIN_LOGGED, false });
    kill_store(b);
}

static void script_leaf(builder *b)
{
    write_range(b, (range){ "key-", 3, 0, 20, 1, 0, 10, 10, 20, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "key-", 3, 5, 25, 4, 0, 40, 0, 1, LEVIN_SYNCED, false });
    close_store(b);
}

static void script_tree(builder *b)
{
    write_range(b, (range){ "prefix/", 4, 0, 150, 1, 0, 60, 20, 50, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "prefix/", 4, 20, 60, 1, 0, 0, 0, 20, LEVIN_NONE, true });
    write_range(b, (range){ "prefix/", 4, 100, 110, 1, 0, 0, 0, 5, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "prefix/", 4, 140, 160, 3, 0, 25, 0, 2, LEVIN_SYNCED, false });
    close_store(b);
}

static void script_extents(builder *b)
{
    write_range(b, (range){ "big", 2, 0, 5, 1, 0, 1500, 3000, 1, LEVIN_NONE, false });
    write_range(b, (range){ "small", 2, 0, 5, 1, 0, 10, 0, 5, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "big", 2, 1, 3, 1, 0, 0, 0, 2, LEVIN_NONE, true });
    checkpoint_store(b);
    write_range(b, (range){ "big", 2, 6, 7, 1, 0, 2000, 0, 1, LEVIN_SYNCED, false });
    close_store(b);
}

static void script_segments(builder *b)
{
    write_range(b, (range){ "s", 3, 0, 36, 1, 0, 300, 0, 1, LEVIN_SYNCED, false });
    keep_older(b);
    write_range(b, (range){ "t", 3, 0, 2, 1, 0, 5000, 0, 1, LEVIN_SYNCED, false });
    kill_store(b);
}

static void script_tall(builder *b)
{
    write_range(b, (range){ "", 3, 0, 50, 1, 620, 8, 0, 10, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "", 3, 10, 14, 1, 620, 0, 0, 4, LEVIN_NONE, true });
    checkpoint_store(b);
    close_store(b);
}

/* Killed between the write of a meta page and its sync: nothing in the log knows of that checkpoint. */
static void script_meta_unproven(builder *b)
{
    write_range(b, (range){ "m", 3, 0, 30, 1, 0, 30, 0, 10, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "m", 3, 10, 40, 1, 0, 15, 0, 3, LEVIN_SYNCED, false });
    b->keep_next_meta = true;
    need(b, levin_checkpoint(b->store), "checkpoint");
    need(b, levin_close(b->store), "close");
    b->store = NULL;
    simdisk_destroy(b->disk, NULL);
    b->disk = simdisk_create(b->kept, NULL);
    disk_image_unref(b->kept);
}

static void script_recovered(builder *b)
{
    write_range(b, (range){ "r", 3, 0, 10, 1, 0, 100, 0, 1, LEVIN_SYNCED, false });
    kill_store(b);
    open_store(b);
    write_range(b, (range){ "r", 3, 5, 12, 1, 0, 50, 0, 1, LEVIN_LOGGED, false });
    kill_store(b);
    open_store(b);
    checkpoint_store(b);
    write_range(b, (range){ "r", 3, 12, 15, 1, 0, 50, 0, 1, LEVIN_SYNCED, false });
    kill_store(b);
    open_store(b);
    write_range(b, (range){ "r", 3, 15, 16, 1, 0, 50, 0, 1, LEVIN_SYNCED, false });
    kill_store(b);
}

static void script_recycled(builder *b)
{
    for (unsigned i = 0; i < 3; i++) {
        write_range(b, (range){ "c", 3, i * 10, i * 10 + 14, 1, 0, 900, 0, 2, LEVIN_SYNCED, false });
        checkpoint_store(b);
    }
    write_range(b, (range){ "c", 3, 3, 9, 1, 0, 20, 0, 1, LEVIN_SYNCED, false });
    close_store(b);
}

static void script_sector_4096(builder *b)
{
    write_range(b, (range){ "w", 3, 0, 5, 1, 0, 30, 0, 1, LEVIN_SYNCED, false });
    checkpoint_store(b);
    write_range(b, (range){ "w", 3, 3, 6, 1, 0, 30, 0, 1, LEVIN_SYNCED, false });
    close_store(b);
}

static void script_page_8192(builder *b)
{
    write_range(b, (range){ "p", 3, 0, 60, 1, 0, 120, 40, 20, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "p", 3, 0, 60, 2, 0, 0, 0, 10, LEVIN_SYNCED, true });
    close_store(b);
}

static void script_emptied(builder *b)
{
    write_range(b, (range){ "e", 3, 0, 40, 1, 0, 200, 0, 20, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "e", 3, 0, 40, 1, 0, 0, 0, 40, LEVIN_NONE, true });
    checkpoint_store(b);
    close_store(b);
}

/* In the tree, and in the log over it; some of what they took comes back. */
static void script_ranges(builder *b)
{
    write_range(b, (range){ "d", 3, 0, 90, 1, 0, 80, 0, 30, LEVIN_NONE, false });
    checkpoint_store(b);
    delete_range(b, "d010", "d050");
    write_range(b, (range){ "d", 3, 20, 24, 1, 0, 30, 0, 4, LEVIN_SYNCED, false });
    checkpoint_store(b);
    delete_range(b, "d022", "d06");
    write_range(b, (range){ "d", 3, 30, 33, 1, 0, 30, 0, 1, LEVIN_SYNCED, false });
    delete_range(b, "d08", "e");
    close_store(b);
}

/* Large values in the log alone, the last group unproven. */
static void script_values_killed(builder *b)
{
    write_range(b, (range){ "v", 2, 0, 4, 1, 0, 600, 300, 1, LEVIN_SYNCED, false });
    keep_older(b);
    write_range(b, (range){ "v", 2, 2, 6, 1, 0, 700, 100, 2, LEVIN_SYNCED, false });
    kill_store(b);
}

/* In the tree and in the log, in several segments, one of which is mostly garbage. */
static void script_values(builder *b)
{
    write_range(b, (range){ "v", 2, 0, 6, 1, 0, 900, 100, 2, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "v", 2, 0, 4, 1, 0, 800, 50, 4, LEVIN_NONE, false });
    write_range(b, (range){ "w", 2, 0, 5, 1, 0, 20, 0, 5, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "v", 2, 5, 8, 1, 0, 500, 0, 1, LEVIN_SYNCED, false });
    close_store(b);
}

/* After a collection: values have moved, segments are gone, and their numbers with them. */
static void script_values_collected(builder *b)
{
    write_range(b, (range){ "v", 2, 0, 6, 1, 0, 900, 100, 1, LEVIN_NONE, false });
    checkpoint_store(b);
    write_range(b, (range){ "v", 2, 0, 6, 2, 0, 800, 50, 3, LEVIN_SYNCED, false });
    keep_older(b);
    need(b, levin_collect(b->store, 100), "collect");
    states_fill(b);
    write_range(b, (range){ "v", 2, 1, 3, 1, 0, 700, 0, 1, LEVIN_SYNCED, false });
    kill_store(b);
}

/* Two keyspaces beside the default one, in the tree and in the log; a third comes, goes and comes back. */
static void script_keyspaces(builder *b)
{
    write_range(b, (range){ "k", 2, 0, 12, 1, 0, 60, 0, 6, LEVIN_SYNCED, false });
    use_space(b, "one");
    write_range(b, (range){ "k", 2, 0, 30, 1, 0, 70, 10, 10, LEVIN_NONE, false });
    use_space(b, "two");
    write_range(b, (range){ "k", 2, 5, 9, 1, 0, 20, 500, 2, LEVIN_SYNCED, false });
    use_space(b, "gone");
    write_range(b, (range){ "g", 2, 0, 6, 1, 0, 30, 0, 3, LEVIN_NONE, false });
    checkpoint_store(b);
    use_space(b, NULL);
    drop_space(b, "gone");
    use_space(b, "one");
    write_range(b, (range){ "k", 2, 0, 30, 7, 0, 0, 0, 2, LEVIN_SYNCED, true });
    checkpoint_store(b);
    use_space(b, "gone");
    write_range(b, (range){ "g", 2, 3, 5, 1, 0, 30, 0, 1, LEVIN_SYNCED, false });
    use_space(b, "two");
    write_range(b, (range){ "k", 2, 8, 11, 1, 0, 40, 0, 1, LEVIN_SYNCED, false });
    use_space(b, NULL);
    close_store(b);
}

static const struct seed_script {
    const char *name;
    void (*run)(builder *b);
    uint32_t page_bytes, sector_bytes, segment_bytes;
    uint32_t threshold; /* of the value log; 0: none */
} scripts[] = {
    { "empty", script_empty, 4096, 512, 8192, 0 },
    { "log", script_log, 4096, 512, 16384, 0 },
    { "log-killed", script_log_killed, 4096, 512, 8192, 0 },
    { "leaf", script_leaf, 4096, 512, 8192, 0 },
    { "tree", script_tree, 4096, 512, 8192, 0 },
    { "extents", script_extents, 4096, 512, 8192, 0 },
    { "segments", script_segments, 4096, 512, 8192, 0 },
    { "tall", script_tall, 4096, 512, 8192, 0 },
    { "meta-unproven", script_meta_unproven, 4096, 512, 8192, 0 },
    { "recovered", script_recovered, 4096, 512, 8192, 0 },
    { "recycled", script_recycled, 4096, 512, 8192, 0 },
    { "sector-4096", script_sector_4096, 4096, 4096, 32768, 0 },
    { "page-8192", script_page_8192, 8192, 512, 8192, 0 },
    { "emptied", script_emptied, 4096, 512, 8192, 0 },
    { "ranges", script_ranges, 4096, 512, 8192, 0 },
    { "values-killed", script_values_killed, 4096, 512, 8192, 400 },
    { "values", script_values, 4096, 512, 8192, 400 },
    { "values-collected", script_values_collected, 4096, 512, 8192, 400 },
    { "keyspaces", script_keyspaces, 4096, 512, 8192, 0 },
};
enum { SCRIPTS = sizeof scripts / sizeof scripts[0] };

/* ---- what stands on the disk ------------------------------------------------------------------------------ */

/* The log file of a segment. DISK_NONE: there is none. */
static disk_node segment_node(const disk_image *image, uint64_t number)
{
    disk_node directory = disk_image_find(image, FUZZ_STORE);
    return disk_image_lookup(image, directory, wal_segment_name(number).text);
}

/* The values that the operations of a group point to. */
static void list_values(seed_store *s, const uint8_t *batch, uint32_t batches)
{
    for (; batches > 0; batches--, batch += BATCH_HEADER_BYTES + load_u32(batch + BATCH_OPS_BYTES)) {
        const uint8_t *op = batch + BATCH_HEADER_BYTES;
        for (size_t n = load_u32(batch + BATCH_OP_COUNT); n > 0; n--, op += record_bytes(op)) {
            if (record_kind(op) != RECORD_PUT_LOGGED)
                continue;
            const vlog_pointer p = vlog_pointer_load(record_value(op));
            if (s->value_count == VALUES_MAX)
                fatal("seed store %s has too many large values", s->name);
            s->values[s->value_count++] = (seed_value){ vlog_segment_of(p.position), vlog_value_offset(&p),
                                                        p.value_bytes };
        }
    }
}

/* Decodes the group at a position, when one stands there that verifies and goes on with the chain. */
static bool read_group(seed_store *s, uint64_t position, uint64_t chain, wal_group *g)
{
    disk_node node = segment_node(s->image, lsn_segment(position));
    uint8_t header[WAL_GROUP_HEADER_BYTES];
    if (node == DISK_NONE ||
        disk_image_read(s->image, node, header, sizeof header, lsn_offset(position)) < sizeof header ||
        !wal_group_stands(header, position))
        return false;
    wal_group_decode(header, g);
    size_t bytes = WAL_GROUP_HEADER_BYTES + (size_t)g->payload_bytes;
    if (g->previous != chain || bytes > disk_image_size(s->image, node))
        return false;
    uint8_t *whole = fatal_alloc(bytes);
    bool valid = disk_image_read(s->image, node, whole, bytes, lsn_offset(position)) == bytes &&
                 checksum(whole + WAL_GROUP_MAGIC_AT, bytes - WAL_GROUP_MAGIC_AT,
                          checksum_seed(checksum_identity(s->meta[0].identity), PLACE_WAL_GROUP, position)) ==
                     g->checksum;
    if (valid)
        list_values(s, whole + WAL_GROUP_HEADER_BYTES, g->batches);
    free(whole);
    return valid;
}

/* Follows the chain from a meta page's replay position. Returns the position where the log ends. */
static uint64_t list_groups(seed_store *s, const page_meta *from)
{
    uint64_t position = from->replay, chain = from->replay_chain;
    size_t state = from->sequence;
    wal_group g;
    s->group_count = s->value_count = 0;
    for (size_t before = 0; read_group(s, position, chain, &g); before = s->value_count) {
        if (s->group_count == GROUPS_MAX)
            fatal("seed store %s has too many log groups", s->name);
        s->groups[s->group_count++] = (seed_group){ position, g.durable, g.generation,
                                                    WAL_GROUP_HEADER_BYTES + g.payload_bytes, (uint32_t)before,
                                                    (uint32_t)(s->value_count - before), state };
        state = g.sequence + g.batches - 1;
        chain = g.checksum;
        position = g.kind == WAL_SEAL ? lsn_make(g.next_segment, from->sector_bytes)
                                      : position + wal_group_total(g.payload_bytes, from->sector_bytes);
    }
    return position;
}

static void read_metas(seed_store *s)
{
    uint8_t bytes[META_BYTES];
    page_meta meta[2];
    levin_error error;
    disk_node node = disk_image_find(s->image, FUZZ_STORE "/" PAGE_FILE_NAME);
    for (unsigned slot = 0; slot < 2; slot++) {
        disk_image_read(s->image, node, bytes, sizeof bytes, (uint64_t)slot * META_SLOT_BYTES);
        if (meta_decode(bytes, slot, &meta[slot], &error) != LEVIN_OK)
            fatal("seed store %s: %s", s->name, error.message);
    }
    s->slot[0] = meta[1].generation > meta[0].generation;
    s->slot[1] = !s->slot[0];
    for (unsigned i = 0; i < 2; i++) {
        s->meta[i] = meta[s->slot[i]];
        s->meta_state[i] = s->meta[i].sequence;
    }
}

/* Index of the group at a position: one past the last for the end of the log. */
static bool find_group(const seed_store *s, uint64_t position, uint64_t end, size_t *index)
{
    for (*index = 0; *index < s->group_count; ++*index)
        if (s->groups[*index].position == position)
            return true;
    return position == end;
}

static void read_back(seed_store *s)
{
    read_metas(s);
    s->groups = fatal_alloc(GROUPS_MAX * sizeof *s->groups);
    s->values = fatal_alloc(VALUES_MAX * sizeof *s->values);
    uint64_t end = list_groups(s, &s->meta[1]);
    s->meta_usable[1] = s->group_count && find_group(s, s->meta[1].replay, end, &s->first_group[1]) &&
                        find_group(s, s->meta[0].replay, end, &s->first_group[0]);
    if (!s->meta_usable[1])
        end = list_groups(s, &s->meta[0]);
    s->meta_usable[0] = find_group(s, s->meta[0].replay, end, &s->first_group[0]);
    if (!s->meta_usable[0] || (s->group_count && s->groups[s->group_count - 1].state_before >= s->state_count))
        fatal("seed store %s: its log does not lead to its last state", s->name);
}

/* ---- the interface ---------------------------------------------------------------------------------------- */

unsigned seed_count(void)
{
    return SCRIPTS;
}

const char *seed_name(unsigned index)
{
    return scripts[index].name;
}

static void seed_make(seed_store *s, const struct seed_script *script)
{
    builder *b = fatal_alloc_zeroed(sizeof *b);
    s->name = script->name;
    s->page_bytes = script->page_bytes;
    s->states = fatal_alloc(STATES_MAX * sizeof *s->states);
    b->out = s;
    b->disk = simdisk_create(NULL, NULL);
    b->table = *simdisk_io(b->disk);
    b->table.write_at = write_hook;
    hooked = b;
    fuzz_options(&b->options, NULL);
    b->options.page_bytes = script->page_bytes;
    b->options.cache_bytes = 64 * script->page_bytes;
    b->options.wal_sector_bytes = script->sector_bytes;
    b->options.wal_segment_bytes = script->segment_bytes;
    b->options.value_log_threshold_bytes = script->threshold;
    b->options.value_log_segment_bytes = 4096;
    b->options.value_log_live_percent = 0;
    state_add(b);
    open_store(b);
    script->run(b);
    s->image = simdisk_image(b->disk);
    simdisk_destroy(b->disk, NULL);
    hooked = NULL;
    free(b);
    keys_list(s);
    read_back(s);
}

const seed_store *seed_get(unsigned index)
{
    static seed_store stores[SCRIPTS];
    seed_store *s = &stores[index];
    if (!s->image)
        seed_make(s, &scripts[index]);
    return s;
}
