/*
 * corrupt_plan.c - lives of stores to be damaged, and the numbering of the damages (corrupt_plan.h).
 *
 * Invariants: everything is a function of seed, operations and data, so that a name is enough to do a damage again.
 * Moments are taken at regular distances in the trace; whenever there are too many, every other one is forgotten.
 */
#include "corrupt_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../faults/fatal.h"
#include "../faults/simdisk.h"
#include "verify.h"

enum { PAGE_UNIT = DISK_BLOCK_BYTES, SECTOR_UNIT = DISK_SECTOR_BYTES };

/* ---- the life --------------------------------------------------------------------------------------------- */

typedef struct moments {
    corrupt_life *life;
    simdisk *disk;
    uint64_t next, step;
} moments;

static uint64_t now_and_then(void *context)
{
    moments *m = context;
    corrupt_life *l = m->life;
    const uint64_t now = trace_length(l->t);
    if (now < m->next)
        return now;
    if (l->older_count == CORRUPT_OLDER_MAX) {
        for (unsigned i = 0; i < CORRUPT_OLDER_MAX; i += 2) {
            disk_image_unref(l->older[i]);
            l->older[i / 2] = l->older[i + 1];
            l->older_at[i / 2] = l->older_at[i + 1];
        }
        l->older_count /= 2;
        m->step *= 2;
    }
    l->older_at[l->older_count] = now;
    l->older[l->older_count++] = simdisk_image(m->disk);
    m->next = now + m->step;
    return now;
}

static corrupt_class class_of(const char *name)
{
    if (!strncmp(name, "wal-0", 5))
        return CORRUPT_LOG;
    if (!strncmp(name, "wal-", 4))
        return CORRUPT_SPARE;
    if (!strncmp(name, "vlog-", 5))
        return CORRUPT_VALUES;
    return strcmp(name, "lock") ? CORRUPT_PAGES : CORRUPT_LOCK;
}

static int add_file(void *context, const char *name, disk_node node)
{
    corrupt_image *i = context;
    if (i->file_count == CORRUPT_FILES_MAX)
        fatal("a store of more than %d files", CORRUPT_FILES_MAX);
    corrupt_file *f = &i->files[i->file_count++];
    memcpy(f->name, name, strlen(name) + 1);
    f->node = node;
    f->size = disk_image_size(i->image, node);
    f->class = class_of(name);
    return 0;
}

/* ---- stale bytes ------------------------------------------------------------------------------------------ */

static bool same_bytes(const disk_image *a, const disk_image *b, disk_node node, uint64_t offset, size_t bytes)
{
    uint8_t x[DISK_BLOCK_BYTES] = { 0 }, y[DISK_BLOCK_BYTES] = { 0 };
    const uint64_t block = offset / DISK_BLOCK_BYTES;
    if (disk_image_block(a, node, block) == disk_image_block(b, node, block))
        return true;
    disk_image_read(a, node, x, bytes, offset);
    disk_image_read(b, node, y, bytes, offset);
    return !memcmp(x, y, bytes);
}

/* The contents that a unit has had, but for the present one. */
static void add_stale_unit(const corrupt_life *life, const corrupt_image *i, corrupt_file *f, uint64_t offset,
                           uint32_t unit)
{
    const size_t first = f->stale_count;
    for (unsigned k = life->older_count; k > 0; k--) {
        const disk_image *older = life->older[k - 1];
        bool known = !disk_image_has(older, f->node) || same_bytes(older, i->image, f->node, offset, unit);
        for (size_t s = first; s < f->stale_count && !known; s++)
            known = same_bytes(older, life->older[f->stale[s].older], f->node, offset, unit);
        if (known)
            continue;
        if (f->stale_count == f->stale_capacity) {
            f->stale_capacity = f->stale_capacity ? 2 * f->stale_capacity : 32;
            f->stale = fatal_realloc(f->stale, f->stale_capacity * sizeof *f->stale);
        }
        f->stale[f->stale_count++] = (corrupt_stale){ offset, unit, k - 1 };
    }
}

static bool same_file(const disk_image *a, const disk_image *b, disk_node node)
{
    const uint64_t size = disk_image_size(a, node);
    if (disk_image_size(b, node) != size)
        return false;
    for (uint64_t at = 0; at < size; at += DISK_BLOCK_BYTES)
        if (!same_bytes(a, b, node, at, DISK_BLOCK_BYTES))
            return false;
    return true;
}

static void add_stale(const corrupt_life *life, const corrupt_image *i, corrupt_file *f)
{
    for (uint64_t at = 0; at < f->size; at += PAGE_UNIT)
        add_stale_unit(life, i, f, at, PAGE_UNIT);
    for (uint64_t at = 0; at < f->size && f->class != CORRUPT_PAGES; at += SECTOR_UNIT)
        add_stale_unit(life, i, f, at, SECTOR_UNIT);
    for (unsigned k = life->older_count; k > 0; k--) {
        const disk_image *older = life->older[k - 1];
        bool known = !disk_image_has(older, f->node) || same_file(older, i->image, f->node);
        for (size_t s = 0; s < f->rolled_count && !known; s++)
            known = same_file(older, life->older[f->rolled[s]], f->node);
        if (!known)
            f->rolled[f->rolled_count++] = k - 1;
    }
}

/* ---- preparing -------------------------------------------------------------------------------------------- */

/* Opens the undamaged store: what it shows is the right answer. */
static bool find_state(corrupt_life *life, corrupt_image *i)
{
    verify_options options = { .seed = 1, .points = 8, .ranges = 4 };
    verify_result result;
    const oracle_legal legal = oracle_legal_process_end(life->o, i->end);
    const bool good = verify_image(life->w, i->image, life->o, &legal, &options, &result);
    i->state = result.state;
    if (!good) {
        life->verdict = result.verdict;
        life->where = i->name;
    }
    return good;
}

static bool image_prepare(corrupt_life *life, corrupt_image *i)
{
    i->directory = disk_image_find(i->image, VERIFY_PATH);
    if (!find_state(life, i))
        return false;
    i->judge = damage_judge_create(life->t, i->end, i->image, i->directory);
    i->files = fatal_alloc_zeroed(CORRUPT_FILES_MAX * sizeof *i->files);
    disk_image_list(i->image, i->directory, add_file, i);
    for (size_t f = 0; f < i->file_count; f++)
        add_stale(life, i, &i->files[f]);
    return true;
}

bool corrupt_life_prepare(corrupt_life *life, uint64_t seed, uint32_t operations, const stanzas *data,
                          const workload_part *part, workload_script *script)
{
    workload_options options = {
        .seed = seed, .operations = operations, .data = data, .brief = operations <= CORRUPT_BRIEF_OPERATIONS,
        .part = part
    };
    workload_result result;
    *life = (corrupt_life){ .w = workload_create(&options), .t = trace_create(), .o = oracle_create() };
    simdisk *disk = simdisk_create(NULL, life->t);
    simdisk_seed(disk, seed);
    moments m = { .life = life, .disk = disk, .step = 8 };
    workload_target target = {
        .io = simdisk_io(disk), .path = VERIFY_PATH, .o = life->o, .now = now_and_then, .context = &m,
        .script = script
    };
    bool good = workload_run(life->w, &target, true, &result);
    life->images[0] = (corrupt_image){ .name = "killed", .image = simdisk_image(disk), .end = trace_length(life->t) };
    levin_code code = result.store ? levin_close(result.store) : LEVIN_OK;
    life->images[1] = (corrupt_image){ .name = "closed", .image = simdisk_image(disk), .end = trace_length(life->t) };
    simdisk_destroy(disk, NULL);
    life->verdict = result.verdict;
    life->where = "the workload itself";
    if (good && code != LEVIN_OK)
        good = false, oracle_fault(&life->verdict, "FAULT", "levin_close: %s", levin_code_name(code));
    for (unsigned i = 0; i < CORRUPT_IMAGES && good; i++)
        good = image_prepare(life, &life->images[i]);
    return good;
}

void corrupt_life_release(corrupt_life *life)
{
    for (unsigned n = 0; n < CORRUPT_IMAGES; n++) {
        corrupt_image *i = &life->images[n];
        for (size_t f = 0; f < i->file_count; f++)
            free(i->files[f].stale);
        free(i->files);
        damage_judge_destroy(i->judge);
        disk_image_unref(i->image);
    }
    for (unsigned k = 0; k < life->older_count; k++)
        disk_image_unref(life->older[k]);
    workload_destroy(life->w);
    trace_destroy(life->t);
    oracle_destroy(life->o);
    *life = (corrupt_life){ 0 };
}

/* ---- numbering -------------------------------------------------------------------------------------------- */

static uint32_t unit_of(const corrupt_file *f)
{
    return f->class == CORRUPT_PAGES ? PAGE_UNIT : SECTOR_UNIT;
}

static uint64_t units_of(const corrupt_file *f, uint32_t unit)
{
    return (f->size + unit - 1) / unit;
}

static uint64_t file_count(const corrupt_image *i, size_t file, corrupt_kind kind)
{
    const corrupt_file *f = &i->files[file];
    const uint64_t units = units_of(f, unit_of(f));
    switch (kind) {
    case CORRUPT_FLIP:
        return 8 * f->size;
    case CORRUPT_ZERO:
    case CORRUPT_GARBAGE:
        return units_of(f, SECTOR_UNIT);
    case CORRUPT_CUT:
        return f->size;
    case CORRUPT_MISDIRECTED:
        return units ? units * (units - 1) : 0;
    case CORRUPT_STALE:
        return f->stale_count;
    case CORRUPT_ROLLED_BACK:
        return f->rolled_count;
    case CORRUPT_LOST:
        return 1;
    case CORRUPT_SWAPPED:
        return i->file_count - 1 - file; /* with each file behind it */
    case CORRUPT_KIND_COUNT:
        break;
    }
    return 0;
}

uint64_t corrupt_group_count(const corrupt_image *image, corrupt_kind kind, corrupt_class class)
{
    uint64_t count = 0;
    for (size_t f = 0; f < image->file_count; f++)
        count += image->files[f].class == class ? file_count(image, f, kind) : 0;
    return count;
}

corrupt_item corrupt_group_item(const corrupt_life *life, unsigned image, corrupt_kind kind, corrupt_class class,
                                uint64_t number)
{
    const corrupt_image *i = &life->images[image];
    for (size_t f = 0; f < i->file_count; f++) {
        const uint64_t count = i->files[f].class == class ? file_count(i, f, kind) : 0;
        if (number < count)
            return (corrupt_item){ image, kind, f, number };
        number -= count;
    }
    fatal("there is no such damage: %s, %llu too many", corrupt_kind_text(kind), (unsigned long long)number + 1);
}

void corrupt_item_name(const corrupt_life *life, const corrupt_item *item, char name[CORRUPT_NAME_BYTES])
{
    const corrupt_image *i = &life->images[item->image];
    snprintf(name, CORRUPT_NAME_BYTES, "%s/%s/%.100s/%llu", i->name, corrupt_kind_text(item->kind),
             i->files[item->file].name, (unsigned long long)item->number);
}

bool corrupt_item_parse(const corrupt_life *life, const char *name, corrupt_item *item)
{
    char candidate[CORRUPT_NAME_BYTES];
    const char *slash = strrchr(name, '/');
    if (!slash || slash[1] < '0' || slash[1] > '9')
        return false;
    const uint64_t number = strtoull(slash + 1, NULL, 10);
    for (unsigned i = 0; i < CORRUPT_IMAGES; i++)
        for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++)
            for (size_t f = 0; f < life->images[i].file_count; f++) {
                *item = (corrupt_item){ i, (corrupt_kind)k, f, number };
                corrupt_item_name(life, item, candidate);
                if (!strcmp(candidate, name))
                    return number < file_count(&life->images[i], f, (corrupt_kind)k);
            }
    return false;
}

bool corrupt_group_parse(const corrupt_life *life, const char *name, unsigned *image, corrupt_kind *kind,
                         corrupt_class *class)
{
    for (unsigned i = 0; i < CORRUPT_IMAGES; i++)
        for (unsigned k = 0; k < CORRUPT_KIND_COUNT; k++) {
            char head[CORRUPT_NAME_BYTES];
            const int bytes = snprintf(head, sizeof head, "%s/%s/", life->images[i].name,
                                       corrupt_kind_text((corrupt_kind)k));
            if (strncmp(name, head, (size_t)bytes))
                continue;
            char file[DISK_NAME_MAX + 1];
            snprintf(file, sizeof file, "%.*s", (int)strcspn(name + bytes, "/"), name + bytes);
            *image = i;
            *kind = (corrupt_kind)k;
            *class = class_of(file);
            return true;
        }
    return false;
}

/* ---- the damage ------------------------------------------------------------------------------------------- */

static damage unit_damage(const corrupt_file *f, damage d, uint64_t number)
{
    const uint32_t unit = unit_of(f);
    const uint64_t units = units_of(f, unit), to = number / (units - 1), from = number % (units - 1);
    d.operation = unit == PAGE_UNIT ? DAMAGE_BLOCK : DAMAGE_SECTOR;
    d.offset = to * unit;
    d.length = (uint32_t)(from + (from >= to)); /* any but itself */
    return d;
}

static damage stale_damage(const corrupt_life *life, const corrupt_file *f, damage d, const corrupt_item *item)
{
    const corrupt_stale *s = item->kind == CORRUPT_STALE ? &f->stale[item->number] : NULL;
    const unsigned older = s ? s->older : f->rolled[item->number];
    d.operation = s ? DAMAGE_STALE : DAMAGE_STALE_FILE;
    d.offset = s ? s->offset : 0;
    d.length = s ? s->length : 0;
    d.older = life->older[older];
    d.older_node = f->node; /* the same place on the device: numbers are never given again */
    return d;
}

damage corrupt_item_damage(const corrupt_life *life, const corrupt_item *item)
{
    const corrupt_image *i = &life->images[item->image];
    const corrupt_file *f = &i->files[item->file];
    damage d = { .directory = i->directory, .name = f->name, .older_node = DISK_NONE };
    switch (item->kind) {
    case CORRUPT_FLIP:
        d.operation = DAMAGE_FLIP;
        d.offset = item->number / 8;
        d.parameter = item->number % 8;
        break;
    case CORRUPT_ZERO:
    case CORRUPT_GARBAGE:
        d.operation = item->kind == CORRUPT_ZERO ? DAMAGE_ZERO : DAMAGE_GARBAGE;
        d.offset = item->number * SECTOR_UNIT;
        d.length = SECTOR_UNIT;
        break;
    case CORRUPT_CUT:
        d.operation = DAMAGE_CUT;
        d.offset = item->number;
        break;
    case CORRUPT_MISDIRECTED:
        return unit_damage(f, d, item->number);
    case CORRUPT_STALE:
    case CORRUPT_ROLLED_BACK:
        return stale_damage(life, f, d, item);
    case CORRUPT_LOST:
        d.operation = DAMAGE_LOST;
        break;
    case CORRUPT_SWAPPED:
        d.operation = DAMAGE_SWAP;
        d.other = i->files[item->file + 1 + item->number].name;
        break;
    case CORRUPT_KIND_COUNT:
        break;
    }
    return d;
}

void corrupt_item_describe(const corrupt_life *life, const corrupt_item *item, char *text, size_t capacity)
{
    const damage d = corrupt_item_damage(life, item);
    const unsigned long long at = d.offset, unit = d.operation == DAMAGE_BLOCK ? PAGE_UNIT : SECTOR_UNIT;
    switch (item->kind) {
    case CORRUPT_FLIP:
        snprintf(text, capacity, "bit %u of byte %llu of %s flipped", d.parameter % 8u, at, d.name);
        break;
    case CORRUPT_ZERO:
    case CORRUPT_GARBAGE:
        snprintf(text, capacity, "the sector at %llu of %s: %s", at, d.name,
                 item->kind == CORRUPT_ZERO ? "zeros" : "random bytes");
        break;
    case CORRUPT_CUT:
        snprintf(text, capacity, "%s ends at byte %llu", d.name, at);
        break;
    case CORRUPT_MISDIRECTED:
        snprintf(text, capacity, "what belongs at %llu of %s stands at %llu too", d.length * unit, d.name, at);
        break;
    case CORRUPT_STALE:
        snprintf(text, capacity, "%u bytes at %llu of %s as at moment %u of %u", d.length, at, d.name,
                 life->images[item->image].files[item->file].stale[item->number].older, life->older_count);
        break;
    case CORRUPT_ROLLED_BACK:
        snprintf(text, capacity, "%s as at moment %u of %u", d.name,
                 life->images[item->image].files[item->file].rolled[item->number], life->older_count);
        break;
    case CORRUPT_LOST:
        snprintf(text, capacity, "%s is gone", d.name);
        break;
    case CORRUPT_SWAPPED:
        snprintf(text, capacity, "%s and %s have changed names", d.name, d.other);
        break;
    case CORRUPT_KIND_COUNT:
        break;
    }
}
