/*
 * make_seeds.c - writes the seed corpus of a target.
 *
 *   make_seeds TARGET DIRECTORY
 *
 * fuzz_open_image: each seed store as files, with several scripts, and damages to each; fuzz_ops: sequences that
 * use each operation; fuzz_log: the log of each seed store; fuzz_vlog: values and pointers to them; fuzz_page: pages
 * of each kind out of the seed stores, and their metas; fuzz_batch: each operation, each kind of group; fuzz_iter:
 * keys and iterators over them; fuzz_import: texts of each format; fuzz_crash: operations of
 * every kind, with failing calls and without; fuzz_plan: rules of each kind; fuzz_schedule: scenarios of every theme,
 * with a few switches; fuzz_protocol: answers to each request, and requests.  The same files each time.
 * Concurrency: one thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../engine/vlog.h"
#include "../engine/wal_internal.h"
#include "../faults/fatal.h"
#include "../faults/random.h"
#include "container.h"
#include "crash_input.h"
#include "damage.h"
#include "fuzz.h"
#include "import_input.h"
#include "log_input.h"
#include "operations.h"
#include "ops.h"
#include "page_input.h"
#include "protocol_input.h"
#include "repair.h"
#include "schedule_input.h"
#include "vlog_input.h"

static void write_seed(const char *directory, const char *name, const char *variant, const uint8_t *data, size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%s", directory, name, variant);
    FILE *to = fopen(path, "wb");
    if (!to || fwrite(data, 1, size, to) != size || fclose(to))
        fatal("%s cannot be written", path);
}

static void open_image_seeds(const char *directory)
{
    static uint8_t data[2 * CONTAINER_TOTAL_MAX];
    char variant[64];
    for (unsigned i = 0; i < seed_count(); i++) {
        container c;
        container_from_image(&c, seed_get(i)->image);
        for (unsigned script = 0; script < 16; script += i == 0 ? 15 : 5) {
            c.script = (uint8_t)script;
            size_t size = container_encode(&c, data, sizeof data);
            snprintf(variant, sizeof variant, "files-%u", script);
            write_seed(directory, seed_name(i), variant, data, size);
        }
        for (unsigned script = SCRIPT_DUMP; script <= SCRIPT_REPAIR; script *= 2) {
            c.script = (uint8_t)(script | SCRIPT_CHECKPOINT);
            size_t size = container_encode(&c, data, sizeof data);
            snprintf(variant, sizeof variant, "files-%u", (unsigned)c.script);
            write_seed(directory, seed_name(i), variant, data, size);
        }
        container_fini(&c);
        for (unsigned operation = 0; operation < DAMAGE_OPERATIONS; operation++) {
            random_stream random = random_open(i, operation);
            uint8_t bytes[DAMAGE_AT + DAMAGE_BYTES] = { INPUT_DAMAGE, (uint8_t)(operation % 2 * SCRIPT_CHECKPOINT),
                                                         (uint8_t)i };
            random_fill(&random, bytes + DAMAGE_AT, DAMAGE_BYTES);
            bytes[DAMAGE_AT] = (uint8_t)operation;
            snprintf(variant, sizeof variant, "damage-%u", operation);
            write_seed(directory, seed_name(i), variant, bytes, sizeof bytes);
            bytes[1] = SCRIPT_DUMP | SCRIPT_REPAIR;
            snprintf(variant, sizeof variant, "damage-%u-aside", operation);
            write_seed(directory, seed_name(i), variant, bytes, sizeof bytes);
        }
    }
}

/* Random operations out of a mix; each name stresses one part. */
static const struct ops_mix {
    const char *name;
    uint8_t weight[OPS_KINDS]; /* as enum ops_kind */
    unsigned count;
} mixes[] = {
    { "all", { 4, 2, 2, 1, 1, 2, 1, 2, 4, 1, 1, 1, 1, 4, 1, 1 }, 30 },
    { "writes", { 8, 4, 4, 0, 0, 1, 0, 0, 0, 0, 1, 0 }, 30 },
    { "tickets", { 1, 1, 1, 6, 4, 1, 1, 0, 0, 0, 1, 5, 1, 1 }, 20 },
    { "iterators", { 2, 1, 1, 0, 0, 0, 0, 2, 8, 1, 1, 0 }, 40 },
    { "snapshots", { 3, 3, 1, 0, 0, 3, 1, 1, 2, 3, 2, 0 }, 30 },
    { "upkeep", { 4, 2, 1, 0, 0, 1, 0, 0, 0, 0, 8, 1 }, 15 },
    { "reads", { 1, 0, 0, 0, 0, 6, 4, 1, 2, 1, 0, 0 }, 20 },
    { "swaps", { 2, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 8 }, 20 },
    { "transactions", { 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 16 }, 30 },
    { "compaction", { 4, 4, 2, 0, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 4 }, 20 },
    { "ranges", { 5, 1, 4, 1, 0, 2, 1, 1, 3, 1, 2, 0, 1, 2, 0, 6 }, 30 },
    /* from here on with operations that came later, and a value log */
    { "every", { 6, 2, 3, 1, 1, 2, 1, 2, 4, 1, 2, 1, 1, 4, 1, 1, 2, 3, 1, 2 }, 40 },
    { "loads", { 2, 1, 1, 1, 0, 1, 0, 1, 2, 1, 1, 0, 0, 2, 1, 1, 6 }, 24 },
    { "values", { 8, 2, 4, 1, 0, 2, 1, 1, 3, 1, 2, 0, 1, 1, 1, 1, 1, 6, 1 }, 30 },
    { "savepoints", { 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 6 }, 40 },
};
enum { MIXES_LATER = 11 };

static uint8_t pick_kind(random_stream *random, const uint8_t weight[OPS_KINDS])
{
    unsigned total = 0, kind = 0;
    for (unsigned i = 0; i < OPS_KINDS; i++)
        total += weight[i];
    for (uint64_t at = random_below(random, total); at >= weight[kind]; kind++)
        at -= weight[kind];
    return (uint8_t)kind;
}

static void ops_seeds(const char *directory)
{
    uint8_t data[OPS_HEADER_BYTES + OPS_MAX * OPERATION_BYTES];
    for (size_t m = 0; m < sizeof mixes / sizeof mixes[0]; m++)
        for (unsigned start = 0; start < OPS_STARTS; start++) {
            random_stream random = random_open(m, start);
            size_t size = OPS_HEADER_BYTES + mixes[m].count * OPERATION_BYTES;
            char variant[16];
            random_fill(&random, data, size);
            data[0] = (uint8_t)(start + (m >= MIXES_LATER ? OPS_STARTS * (1 + start) : 0));
            data[1] &= start ? 1 : 0xff; /* larger sizes, with a new store: smaller ones have more happen */
            for (size_t at = OPS_HEADER_BYTES; at < size; at += OPERATION_BYTES)
                data[at] = pick_kind(&random, mixes[m].weight);
            for (int named = 0; named < 2; named++) {
                data[1] = (uint8_t)((data[1] & 0x7f) | named << 7);
                snprintf(variant, sizeof variant, "%u%s", start, named ? "-named" : "");
                if (!named || start < 3)
                    write_seed(directory, mixes[m].name, variant, data, size);
            }
        }
}

/* ---- logs ------------------------------------------------------------------------------------------------- */

/* The position in a segment that has got another number. */
static void move_position(uint8_t *at, uint32_t number)
{
    store_u64(at, lsn_make(number, lsn_offset(load_u64(at))));
}

/* One segment of a log, under the highest number, sealed at its last group: the log cannot go on. */
static void last_segment_seed(const char *directory)
{
    static uint8_t data[2 * CONTAINER_TOTAL_MAX];
    container c;
    container_from_image(&c, seed_get(0)->image);
    for (unsigned f = c.count; f-- > 0;)
        if (c.file[f].kind == FILE_PAGES)
            container_resize(&c.file[f], META_SLOT_BYTES + META_BYTES);
        else if (c.file[f].kind != FILE_WAL || c.file[f].number != 1)
            container_remove(&c, f);
    container_file *pages = container_find(&c, FILE_PAGES, 0), *segment = container_find(&c, FILE_WAL, 1);
    uint8_t *last = NULL;
    segment->number = WAL_NUMBER_MAX;
    store_u64(segment->data + WAL_SEGMENT_NUMBER, segment->number);
    for (size_t at = 512; at + WAL_GROUP_HEADER_BYTES <= segment->bytes; at += 512)
        if (load_u32(segment->data + at + WAL_GROUP_MAGIC_AT) == WAL_GROUP_MAGIC) {
            last = segment->data + at;
            move_position(last + WAL_GROUP_POSITION, segment->number);
            move_position(last + WAL_GROUP_DURABLE, segment->number);
        }
    if (!last)
        fatal("the first segment of the log of %s is empty", seed_name(0));
    store_u32(last + WAL_GROUP_KIND, WAL_SEAL);
    store_u64(last + WAL_GROUP_PAYLOAD_BYTES, 0);
    store_u64(last + WAL_GROUP_NEXT_SEGMENT, (uint64_t)segment->number + 1);
    for (size_t slot = 0; slot < 2; slot++)
        move_position(pages->data + slot * META_SLOT_BYTES + META_REPLAY, segment->number);
    repair_files(&c, REPAIR_LOG);
    for (unsigned script = 0; script <= LOG_SALVAGE; script++) {
        char variant[32];
        c.script = (uint8_t)(script | LOG_SECOND_META);
        snprintf(variant, sizeof variant, "script-%u", c.script);
        write_seed(directory, "last-segment", variant, data, container_encode(&c, data, sizeof data));
    }
    container_fini(&c);
}

/* The log and the two meta pages of each seed store, replayed from either, read only and then written to. */
static void log_seeds(const char *directory)
{
    static uint8_t data[2 * CONTAINER_TOTAL_MAX];
    static const uint8_t scripts[] = { LOG_READ_ONLY, LOG_SECOND_META, LOG_SECOND_META | LOG_SALVAGE | LOG_MORE,
                                       LOG_FINISH };
    char variant[32];
    for (unsigned i = 0; i < seed_count(); i++) {
        container c;
        container_from_image(&c, seed_get(i)->image);
        for (unsigned f = c.count; f-- > 0;)
            if (c.file[f].kind == FILE_PAGES)
                container_resize(&c.file[f], META_SLOT_BYTES + META_BYTES);
            else if (c.file[f].kind != FILE_WAL)
                container_remove(&c, f);
        for (unsigned s = 0; s < sizeof scripts; s++) {
            c.script = scripts[s];
            snprintf(variant, sizeof variant, "script-%u", c.script);
            write_seed(directory, seed_name(i), variant, data, container_encode(&c, data, sizeof data));
        }
        container_fini(&c);
    }
    last_segment_seed(directory);
}

/* ---- values ----------------------------------------------------------------------------------------------- */

enum { VALUE_SEED_GROUPS = 4, VALUE_SEED_STEPS = 2 * VALUE_SEED_GROUPS };

/* Groups of two values each, from `bytes` bytes on, over one segment or more; a step for each value. */
static void write_values(vlog *v, uint32_t bytes, uint8_t steps[VALUE_SEED_STEPS * VLOG_STEP_BYTES])
{
    static uint8_t value[2048];
    levin_error error;
    for (unsigned group = 0; group < VALUE_SEED_GROUPS; group++) {
        uint8_t *step = steps + (size_t)2 * group * VLOG_STEP_BYTES;
        memset(value, (int)('a' + group), sizeof value);
        vlog_value values[2] = { { { "key", 3 }, { value, bytes + group }, 0, step },
                                 { { "\0\0\0\1key", 7 }, { value, bytes * 2 }, 1, step + VLOG_STEP_BYTES } };
        if (vlog_write(v, values, 2, &error))
            fatal("values of a seed cannot be written: %s", error.message);
    }
    if (vlog_sync(v, &error))
        fatal("values of a seed cannot be synced: %s", error.message);
}

/* The files of a disk with values of that length, and steps to them. */
static void make_values(container *c, uint32_t bytes, uint8_t steps[VALUE_SEED_STEPS * VLOG_STEP_BYTES], unsigned what)
{
    fuzz_disk disk;
    vlog v;
    levin_error error;
    disk_image *image = container_image(NULL, 0);
    fuzz_disk_open(&disk, image);
    disk_image_unref(image);
    if (vlog_init(&v, &disk.table, FUZZ_STORE, (const uint8_t *)VLOG_INPUT_IDENTITY, 4096, &error))
        fatal("no value log for a seed: %s", error.message);
    write_values(&v, bytes, steps);
    for (unsigned s = 0; s < VALUE_SEED_STEPS; s++) {
        uint8_t *step = steps + (size_t)s * VLOG_STEP_BYTES;
        const vlog_segment *segment = vlog_find(&v, vlog_segment_of(vlog_pointer_load(step).position));
        step[VLOG_STEP_WHAT] = (uint8_t)(what == STEP_NOTHING ? s % STEP_KINDS : what);
        store_u32(step + VLOG_STEP_END, (uint32_t)segment->end);
    }
    vlog_fini(&v);
    image = simdisk_image(disk.disk);
    container_from_image(c, image);
    disk_image_unref(image);
    fuzz_disk_close(&disk);
}

/* Values of one length each: adopted as a checkpoint says, found in the log, proven, or a mixture. */
static void vlog_seeds(const char *directory)
{
    static const uint32_t lengths[] = { 1, 40, 300, 900 };
    static uint8_t data[CONTAINER_TOTAL_MAX];
    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (unsigned what = 0; what < STEP_KINDS; what++) {
            uint8_t steps[VALUE_SEED_STEPS * VLOG_STEP_BYTES] = { 0 };
            char variant[32];
            container c;
            make_values(&c, lengths[i], steps, what);
            c.script = (uint8_t)(VLOG_WALK | (what ? VLOG_WRITE : 0) | i % 4 * VLOG_MORE_STEP);
            container_file *f = &c.file[c.count++];
            *f = (container_file){ .kind = FILE_PAGES_NEW };
            container_resize(f, sizeof steps);
            memcpy(f->data, steps, sizeof steps);
            snprintf(variant, sizeof variant, "%u-%u", lengths[i], what);
            write_seed(directory, "values", variant, data, container_encode(&c, data, sizeof data));
            container_fini(&c);
        }
}

/* ---- pages ------------------------------------------------------------------------------------------------ */

/* Some of each type and level of one store, at the place where fuzz_page expects them. */
static void page_seeds_of(const char *directory, unsigned store)
{
    static page_input input;
    uint8_t data[PAGE_INPUT_BYTES + PAGE_INPUT_MAX];
    char variant[32];
    container c;
    container_from_image(&c, seed_get(store)->image);
    const container_file *pages = container_find(&c, FILE_PAGES, 0);
    const uint32_t page_bytes = seed_get(store)->page_bytes;
    for (unsigned slot = 0; pages && slot < 2; slot++) {
        input = (page_input){ .what = PAGE_INPUT_META, .flags = slot ? PAGE_INPUT_SLOT : 0, .bytes = META_BYTES };
        memcpy(input.page, pages->data + (size_t)slot * META_SLOT_BYTES, META_BYTES);
        snprintf(variant, sizeof variant, "meta-%u", slot);
        write_seed(directory, seed_name(store), variant, data, page_input_encode(&input, data, sizeof data));
    }
    unsigned seen[8][4] = { { 0 } };
    for (uint64_t n = page_first(page_bytes); pages && n < pages->bytes / page_bytes; n++) {
        const uint8_t *page = pages->data + n * page_bytes;
        unsigned type = page[PAGE_TYPE] % 8, level = page[PAGE_LEVEL] % 4;
        if (load_u64(page + PAGE_NUMBER) != n || page_bytes > PAGE_INPUT_MAX || type == 0 || seen[type][level] == 2)
            continue;
        input = (page_input){ .what = (uint8_t)type, .level = page[PAGE_LEVEL], .bytes = page_bytes,
                              .flags = page_bytes == PAGE_INPUT_MAX ? PAGE_INPUT_LARGE : 0 };
        memcpy(input.page, page, page_bytes);
        store_u64(input.page + PAGE_NUMBER, PAGE_INPUT_NUMBER);
        store_u64(input.page + PAGE_GENERATION, 1);
        page_input_repair(&input, false);
        snprintf(variant, sizeof variant, "type-%u-level-%u-%u", type, level, seen[type][level]++);
        write_seed(directory, seed_name(store), variant, data, page_input_encode(&input, data, sizeof data));
    }
    container_fini(&c);
}

static void page_seeds(const char *directory)
{
    for (unsigned i = 0; i < seed_count(); i++)
        page_seeds_of(directory, i);
}

/* ---- batches ---------------------------------------------------------------------------------------------- */

static size_t add_record(uint8_t *to, unsigned kind, unsigned flags, levin_slice key, levin_slice value)
{
    store_u8(to + RECORD_KIND, (uint8_t)kind);
    store_u8(to + RECORD_FLAGS, (uint8_t)flags);
    store_u16(to + RECORD_KEY_BYTES, (uint16_t)key.size);
    store_u32(to + RECORD_VALUE_BYTES, (uint32_t)value.size);
    memcpy(to + RECORD_HEADER_BYTES, key.data, key.size);
    if (value.size)
        memcpy(to + RECORD_HEADER_BYTES + key.size, value.data, value.size);
    return record_bytes(to);
}

/* One operation of each kind, plain and of a named keyspace: as many as the bits say. */
static size_t add_batch(uint8_t *to, unsigned bits)
{
    static const uint8_t named[] = "\0\0\0\1key", named_end[] = "\0\0\0\2", end[] = "kez";
    uint8_t pointer[VLOG_POINTER_BYTES];
    const vlog_pointer p = { vlog_position(1, VLOG_SEGMENT_HEADER_BYTES), 12345, 5000, 3 };
    const levin_slice none = { NULL, 0 }, value = { "value of it", 11 };
    vlog_pointer_store(pointer, &p);
    const struct {
        unsigned kind, flags;
        levin_slice key, value;
    } all[] = { { RECORD_PUT, 0, { "key", 3 }, value },
                { RECORD_DELETE, 0, { "key", 3 }, none },
                { RECORD_DELETE_RANGE, 0, { "key", 3 }, { end, 3 } },
                { RECORD_DELETE_RANGE, 0, { "key", 3 }, none },
                { RECORD_PUT_LOGGED, 0, { "key", 3 }, { pointer, sizeof pointer } },
                { RECORD_PUT, RECORD_FLAG_NAMED, { named, 7 }, value },
                { RECORD_DELETE_RANGE, RECORD_FLAG_NAMED, { named, 7 }, { named_end, 4 } } };
    size_t used = BATCH_HEADER_BYTES;
    uint32_t count = 0;
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
        if (bits & 1u << i) {
            used += add_record(to + used, all[i].kind, all[i].flags, all[i].key, all[i].value);
            count++;
        }
    memset(to, 0, BATCH_HEADER_BYTES);
    store_u32(to + BATCH_OPS_BYTES, (uint32_t)(used - BATCH_HEADER_BYTES));
    store_u32(to + BATCH_OP_COUNT, count);
    return used;
}

static void batch_seeds(const char *directory)
{
    uint8_t data[4096] = { 0 };
    char variant[16];
    for (unsigned bits = 1; bits < 256; bits = bits < 128 ? bits * 2 : 256) { /* one each, then all, twice */
        unsigned which = bits < 128 ? bits : 127;
        size_t size = 3 + add_batch(data + 3, which);
        data[0] = 0;
        data[1] = 1;
        data[2] = (uint8_t)(bits == 2);
        if (which == 127) {
            size += add_batch(data + size, 127);
            data[1] = 2;
        }
        snprintf(variant, sizeof variant, "%u", bits);
        write_seed(directory, "decode", variant, data, size);
    }
    for (unsigned kind = WAL_DATA; kind <= WAL_CLOSE; kind++) {
        uint8_t group[1024];
        size_t payload = kind == WAL_DATA ? add_batch(group + WAL_GROUP_HEADER_BYTES, 127) : 0;
        wal_group g = { .kind = (uint8_t)kind, .position = 512 + ((uint64_t)1 << 32), .incarnation = 1,
                        .durable = (uint64_t)1 << 32, .payload_bytes = (uint32_t)payload, .batches = payload > 0,
                        .sequence = 1, .next_segment = kind == WAL_SEAL ? 2 : 0 };
        wal_group_encode(group, &g, 77, 512);
        data[0] = 2;
        memcpy(data + 1, group, WAL_GROUP_HEADER_BYTES + payload);
        snprintf(variant, sizeof variant, "%u", kind);
        write_seed(directory, "group", variant, data, 1 + WAL_GROUP_HEADER_BYTES + payload);
    }
    for (unsigned i = 0; i < 4; i++) {
        random_stream random = random_open(i, 7);
        random_fill(&random, data, 100);
        data[0] = 3;
        snprintf(variant, sizeof variant, "%u", i);
        write_seed(directory, "encode", variant, data, 1 + 4 * 4 * (size_t)(i + 1));
    }
}

/* ---- iterators -------------------------------------------------------------------------------------------- */

/* Keys, then iterators with each kind of bounds, moved about; a checkpoint now and then. */
static void iter_seeds(const char *directory)
{
    uint8_t data[1 + 2 * 120];
    char variant[16];
    for (unsigned i = 0; i < 24; i++) {
        random_stream random = random_open(i, 8);
        random_fill(&random, data, sizeof data);
        data[0] = i % 4 == 3;
        for (unsigned s = 0; s < 120; s++) { /* as step() of fuzz_iter.c */
            uint8_t *what = &data[1 + 2 * s];
            if (s < 48)
                *what = (uint8_t)(i % 2 ? 6 + *what % 5 : *what % 11);
            else if (s % 24 == 0)
                *what = i % 3 ? 13 + *what % 2 : 12;
            else if (s % 24 == 1)
                *what = 13 + *what % 2;
            else
                *what = (uint8_t)(*what % 8 < 6 ? 16 + *what % 8 : *what % 16);
        }
        snprintf(variant, sizeof variant, "%u", i);
        write_seed(directory, "steps", variant, data, sizeof data);
    }
}

/* ---- texts ------------------------------------------------------------------------------------------------ */

/* Each format with each choice of options, in one piece and in small ones; what is malformed stands among it. */
static void import_seeds(const char *directory)
{
    static const char *const texts[IMPORT_FORMATS] = {
        "Package: b\nVersion: 1.0\n# a comment\nDescription: text\n more\n .\n\n\nno colon here\nPackage: c\n\n"
        "package:a\nVersion:\n 2\n\tand more\n \t\nPackage: b\nVersion: 3\nPackage: twice\n\nVersion: 4\n\nPackage: z\n"
        "Version: 5",
        "b\tvalue\textra\na\\tb\tline\\nline\\\\\n\tno key\nno column\nc\tbad \\x\nb\tagain\n\xff\t\r\nlast\t",
        "{\"key\":\"b\",\"value\":\"1\"}\n{\"key\":\"a\\u0000\\n\",\"value_base64\":\"/w==\"}\nno json\n[]\n"
        "{\"a\":\"k\",\"b\":\"\\ud834\\udd1e\",\"more\":[1,{}]}\n{\"key_base64\":\"AAA=\",\"value\":\"\"}\n"
        "{\"key\":\"b\",\"value\":\"2\"}\n{\"key\":\"x\",\"value\":1}\n{\"key\":\"y\",\"key\":\"z\",\"value\":\"\"}"
    };
    char variant[32];
    for (unsigned f = 0; f < IMPORT_FORMATS; f++)
        for (unsigned choice = 1; choice < IMPORT_CHOICES; choice++)
            for (unsigned piece = 0; piece < 8; piece += 7) {
                uint8_t data[1024] = { (uint8_t)f, (uint8_t)choice, (uint8_t)piece };
                memcpy(data + IMPORT_HEADER_BYTES, texts[f], strlen(texts[f]));
                snprintf(variant, sizeof variant, "%u-%u-%u", f, choice, piece);
                write_seed(directory, "text", variant, data, IMPORT_HEADER_BYTES + strlen(texts[f]));
            }
    /* what JSON allows and what not, a line each */
    static const char json[] =
        " { \"key\" : \"k\\/\\u00e4\\uD834\\uDD1E\", \"value\" : \"\" } \r\n"
        "{\"key\":\"a\",\"value\":\"\",\"n\":[0,-0,1.5e+3,-9223372036854775808,1e-400,true,false,null,{},[]]}\n"
        "{\"key\":\"a\",\"value\":\"\",\"n\":9223372036854775808}\n"
        "{\"key\":\"a\",\"value\":\"\",\"n\":1e400}\n"
        "{\"key\":\"a\",\"value\":\"\",\"n\":{\"x\":1,\"x\":2}}\n"
        "{\"key\":\"a\",\"key_base64\":\"YQ==\",\"value\":\"\"}\n"
        "{\"key_base64\":\"YR==\",\"value\":\"\"}\n"
        "{\"key\":\"\\ud834\",\"value\":\"\"}\n"
        "{\"k\\u0000\":\"\",\"key\":\"\"}\n"
        "{\"key\":\"a\",\"value\":\"\",}\n"
        "{\"key\":\"a\",\"value\":\"\"}x\n"
        "[{\"key\":\"a\",\"value\":\"\"}]\n"
        "{\"a\":\"\\u0000\",\"b\":\"\"}";
    for (unsigned choice = 1; choice < IMPORT_CHOICES; choice++) {
        uint8_t data[1024] = { IMPORT_NDJSON, (uint8_t)choice };
        memcpy(data + IMPORT_HEADER_BYTES, json, sizeof json - 1);
        snprintf(variant, sizeof variant, "%u", choice);
        write_seed(directory, "json", variant, data, IMPORT_HEADER_BYTES + sizeof json - 1);
    }
}

/* ---- power cuts and failing calls ------------------------------------------------------------------------- */

/* Random operations, more writes than anything; in every other one calls fail now and then. */
static void crash_seeds(const char *directory)
{
    static const uint8_t common[] = { CRASH_PUT,    CRASH_PUT,    CRASH_PUT, CRASH_WRITE,
                                      CRASH_SUBMIT, CRASH_UPKEEP, CRASH_LOAD };
    uint8_t data[CRASH_HEADER_BYTES + CRASH_OPERATIONS_MAX * 4];
    char variant[16];
    for (unsigned i = 0; i < 48; i++) {
        random_stream random = random_open(i, 10);
        random_fill(&random, data, sizeof data);
        data[0] = (uint8_t)(i * 37);
        for (size_t at = CRASH_HEADER_BYTES; at < sizeof data; at += 4) {
            data[at] = random_chance(&random, 2) ? common[random_below(&random, sizeof common)]
                                                 : (uint8_t)random_below(&random, CRASH_KINDS);
            if (data[at] == CRASH_FAIL && i % 2)
                data[at] = CRASH_WRITE;
        }
        data[CRASH_HEADER_BYTES] = CRASH_KEYSPACE;
        snprintf(variant, sizeof variant, "%u", i);
        write_seed(directory, i % 2 ? "life" : "faults", variant, data, sizeof data);
    }
}

/* ---- fault plans ------------------------------------------------------------------------------------------ */

static void plan_seeds(const char *directory)
{
    static const char *const rules[] = {
        "on levin/io/wal/sync nth 3 do error EIO # a comment\n",
        "on levin/io/*/write do budget 20000 ENOSPC back 5\n",
        "on levin/mem/alloc probability 0.25 do error ENOMEM\n",
        "on levin/io/pages,wal/read,write every 3 range 512..4096 do flip\n",
        "on levin/io/wal/write after levin/io/pages/sync 2 times 2 do stale\n",
        "on levin/random forever do error EIO\n",
        "on levin/io/*/sync do error-kept EDQUOT\n",
        "on levin/io/vlog/read once do short 0\n",
        "on levin/io/dir/* do clock -3600s\n",
        "on levin/io/pages/write do misdirect +4096\n",
        "on levin/io/wal/sync do lie\n",
        "on levin/io/*/write do error-after EIO\n",
        "on levin/io/wal/write do lost\non levin/io/wal/write do garbage\n",
    };
    enum { RULES = sizeof rules / sizeof rules[0] };
    char text[2048], variant[16];
    for (unsigned i = 0; i <= RULES; i++) { /* each alone, then all */
        int n = snprintf(text, sizeof text, "levin-fault-plan 1\n\n");
        for (unsigned j = 0; j < RULES; j++)
            if (i == j || i == RULES)
                n += snprintf(text + n, sizeof text - (size_t)n, "%s", rules[j]);
        snprintf(variant, sizeof variant, "%u", i);
        write_seed(directory, "rule", variant, (const uint8_t *)text, (size_t)n);
    }
}

/* ---- threads ---------------------------------------------------------------------------------------------- */

static size_t add_scenario(uint8_t *data, const scenario *s)
{
    size_t size = SCHEDULE_INPUT_HEADER_BYTES;
    memset(data, 0, SCHEDULE_INPUT_HEADER_BYTES);
    data[SCHEDULE_INPUT_IMAGE] = (uint8_t)(s->image | (unsigned)s->background << 2 | (unsigned)s->rows << 3 |
                                           (unsigned)s->values_apart << 4 | (unsigned)s->lingers << 5 |
                                           (unsigned)s->splits << 6 | (unsigned)s->startles << 7);
    data[SCHEDULE_INPUT_THREADS] = (uint8_t)(s->threads - 2);
    for (unsigned i = 0; s->has_fault && i < SCENARIO_FAULTS; i++)
        if (scenario_fault(i).kinds == s->fault.kinds && scenario_fault(i).operations == s->fault.operations)
            data[SCHEDULE_INPUT_FAULT] = (uint8_t)(i + 1);
    data[SCHEDULE_INPUT_NTH] = (uint8_t)((s->has_fault ? s->fault.nth - 1 : 0) | (s->fault.forever ? 128u : 0));
    data[SCHEDULE_INPUT_FAULT_THREAD] = (uint8_t)s->fault_thread;
    data[SCHEDULE_INPUT_CUT] = (uint8_t)s->cut_at;
    data[SCHEDULE_INPUT_CUT + 1] = (uint8_t)(s->cut_at >> 8);
    data[SCHEDULE_INPUT_SEED] = (uint8_t)((s->seed & 127) | (s->cut_in_sync ? 128u : 0));
    for (unsigned t = 0; t < s->threads; t++)
        for (unsigned i = 0; i < s->of[t].count; i++) {
            const scenario_operation *o = &s->of[t].at[i];
            uint8_t *record = data + size;
            record[0] = (uint8_t)o->kind;
            record[1] = (uint8_t)(t | o->way << 2 | (unsigned)o->durability << 4);
            record[2] = (uint8_t)(o->keys | o->more << 4);
            record[3] = 0;
            size += SCHEDULE_INPUT_RECORD_BYTES;
        }
    return size;
}

/* Scenarios as `levin-chaos schedules` makes them, and a few switches anywhere in them. */
static void schedule_seeds(const char *directory)
{
    static const scenario_sizes sizes = { .faults = true, .cuts = true };
    uint8_t data[SCHEDULE_INPUT_HEADER_BYTES + SCHEDULE_INPUT_RECORDS_MAX * SCHEDULE_INPUT_RECORD_BYTES];
    char variant[16];
    for (unsigned i = 0; i < 64; i++) {
        random_stream random = random_open(i, 11);
        scenario s = scenario_make(i, &sizes);
        size_t size = add_scenario(data, &s);
        for (unsigned n = i % 16; n > 0; n--, size += SCHEDULE_INPUT_RECORD_BYTES) {
            const uint64_t point = 1 + random_below(&random, s.length), threads = s.threads + 2;
            data[size] = SCENARIO_KIND_COUNT;
            data[size + 1] = (uint8_t)(random_below(&random, threads) | random_below(&random, threads) << 4);
            data[size + 2] = (uint8_t)point;
            data[size + 3] = (uint8_t)(point >> 8);
        }
        snprintf(variant, sizeof variant, "%u", i);
        write_seed(directory, i % 16 ? "switches" : "alone", variant, data, size);
        scenario_free(&s);
    }
}

/* ---- the store protocol ----------------------------------------------------------------------------------- */

static size_t add_frame(uint8_t *to, uint8_t type, const char *payload, size_t bytes)
{
    to[0] = (uint8_t)(1 + bytes);
    memset(to + 1, 0, 3);
    to[4] = type;
    memcpy(to + 5, payload, bytes);
    return 5 + bytes;
}

static void protocol_seeds(const char *directory)
{
    static const struct { uint8_t type; const char *payload; size_t bytes; } frames[] = {
        { 0, "", 0 },
        { 0, "a value", 7 },
        { 0, "st\xc3\xb6re 1.0; \xe2\x82\xac \xf0\x90\x8d\x88 \xff", 22 },
        { 1, "", 0 },
        { 2, "a page \x80\xed\xa0\x80 is damaged", 22 },
        { 3, "why", 3 },
        { 4, "no such request", 15 },
        { PROTOCOL_PAIR, "\3\0\0\0keyvalue", 12 },
        { PROTOCOL_PAIR, "\0\0\0\0", 4 },
        { PROTOCOL_PAIR, "\4\0\0\0key", 7 },
        { 5, "?", 1 },
    };
    enum { FRAMES = sizeof frames / sizeof frames[0] };
    uint8_t data[256];
    char variant[16];
    for (unsigned asked = 0; asked < PROTOCOL_CLOSE; asked++)
        for (unsigned i = 0; i < FRAMES; i++) { /* behind it, each request once more */
            const uint8_t header[] = { (uint8_t)(i % 3), 1, (uint8_t)asked, (uint8_t)((asked + i) % PROTOCOL_CLOSE) };
            size_t size = sizeof header;
            memcpy(data, header, sizeof header);
            size += add_frame(data + size, frames[i].type, frames[i].payload, frames[i].bytes);
            size += add_frame(data + size, frames[(i + 1) % FRAMES].type, frames[(i + 1) % FRAMES].payload,
                              frames[(i + 1) % FRAMES].bytes);
            size += add_frame(data + size, 0, "", 0);
            snprintf(variant, sizeof variant, "%u-%u", asked, i);
            write_seed(directory, "answer", variant, data, size);
        }
    for (unsigned i = 0; i < 8; i++) {
        random_stream random = random_open(i, 12);
        random_fill(&random, data, sizeof data);
        data[0] = PROTOCOL_INPUT_REQUESTS;
        for (size_t at = 1; at < sizeof data; at++)
            data[at] %= 16;
        snprintf(variant, sizeof variant, "%u", i);
        write_seed(directory, "requests", variant, data, sizeof data);
    }
}

static const struct target {
    const char *name;
    void (*seeds)(const char *directory);
} targets[] = {
    { "fuzz_open_image", open_image_seeds },
    { "fuzz_ops", ops_seeds },
    { "fuzz_page", page_seeds },
    { "fuzz_log", log_seeds },
    { "fuzz_vlog", vlog_seeds },
    { "fuzz_batch", batch_seeds },
    { "fuzz_iter", iter_seeds },
    { "fuzz_import", import_seeds },
    { "fuzz_crash", crash_seeds },
    { "fuzz_plan", plan_seeds },
    { "fuzz_schedule", schedule_seeds },
    { "fuzz_protocol", protocol_seeds },
};
enum { TARGETS = sizeof targets / sizeof targets[0] };

int main(int argc, char **argv)
{
    unsigned i = 0;
    while (i < TARGETS && argc == 3 && strcmp(argv[1], targets[i].name))
        i++;
    if (argc != 3 || i == TARGETS) {
        fprintf(stderr, "usage: %s TARGET DIRECTORY, with a target of", argv[0]);
        for (i = 0; i < TARGETS; i++)
            fprintf(stderr, " %s", targets[i].name);
        fputc('\n', stderr);
        return 2;
    }
    mkdir(argv[2], 0777);
    targets[i].seeds(argv[2]);
    return 0;
}
