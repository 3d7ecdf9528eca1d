/*
 * options_test.c - options by name and as text, presets, and a shared-out budget.
 *
 * Invariants checked: every option of the list can be set to the value that the list shows, and to each end of what it
 * allows; anything else is refused with the name, the value and what is allowed, and changes nothing; levin_open()
 * refuses what is out of range with the option's name and value; presets and budgets open, and hold.  The
 * simulated disk.
 */
#include <stdio.h>

#include "../faults/check_main.h"
#include "../faults/simdisk.h"
#include "io.h"

typedef struct listing {
    char name[32][32], value[32][96], allowed[32][96];
    unsigned count;
} listing;

static bool collect(void *context, const levin_option *option)
{
    listing *l = context;
    ck_assert_uint_lt(l->count, 32);
    snprintf(l->name[l->count], 32, "%s", option->name);
    snprintf(l->value[l->count], 96, "%s", option->value);
    snprintf(l->allowed[l->count], 96, "%s", option->allowed);
    ck_assert_uint_gt(strlen(option->text), 5);
    l->count++;
    return true;
}

static listing list(const levin_options *o)
{
    listing l = { .count = 0 };
    levin_options_list(o, collect, &l);
    return l;
}

static const char *value_of(const listing *l, const char *name)
{
    for (unsigned i = 0; i < l->count; i++)
        if (strcmp(l->name[i], name) == 0)
            return l->value[i];
    ck_abort_msg("no option %s", name);
    return NULL;
}

START_TEST(options__what_is_listed_can_be_set)
{
    levin_options o, again;
    levin_error error;
    levin_options_init(&o);
    listing l = list(&o);
    ck_assert_uint_ge(l.count, 18);
    ck_assert_str_eq(value_of(&l, "cache_bytes"), "256M");
    ck_assert_str_eq(value_of(&l, "background"), "thread");
    ck_assert_str_eq(value_of(&l, "create_if_missing"), "true");
    memset(&again, 0, sizeof again);
    levin_options_init(&again);
    for (unsigned i = 2; i < l.count; i++) /* the first two have no value */
        ck_assert_msg(levin_options_set(&again, l.name[i], l.value[i], &error) == LEVIN_OK, "%s: %s", l.name[i],
                      error.message);
    ck_assert_mem_eq(&o, &again, sizeof o);
    for (unsigned i = 2; i < l.count; i++) { /* both ends of what is allowed */
        char low[96], *high = strrchr(l.allowed[i], ' ');
        ck_assert_ptr_nonnull(high);
        high++;
        snprintf(low, sizeof low, "%.*s", (int)strcspn(l.allowed[i], " ,"), l.allowed[i]);
        ck_assert_msg(levin_options_set(&again, l.name[i], low, &error) == LEVIN_OK, "%s", error.message);
        if (strcmp(high, "more") != 0)
            ck_assert_msg(levin_options_set(&again, l.name[i], high, &error) == LEVIN_OK, "%s", error.message);
    }
}
END_TEST

/* The fields of the struct, from the header itself: none is forgotten. */
START_TEST(options__every_field_has_a_name)
{
    static const char *const not_text[] = { "struct_bytes", "io", "log", "log_context", "oldest_reader",
                                            "oldest_reader_context" };
    levin_options o;
    char line[256];
    bool inside = false;
    unsigned fields = 0;
    FILE *header = fopen("engine/levin.h", "r");
    ck_assert_ptr_nonnull(header);
    levin_options_init(&o);
    listing l = list(&o);
    while (fgets(line, sizeof line, header)) {
        char *end = strchr(line, ';');
        if (strncmp(line, "typedef struct levin_options {", 30) == 0)
            inside = true;
        else if (strncmp(line, "} levin_options;", 16) == 0)
            inside = false;
        else if (inside && end && strncmp(line, "    ", 4) == 0 && line[4] != ' ' && line[4] != '/') {
            *end = 0;
            if (strchr(line, '(')) /* a callback */
                continue;
            char *name = end;
            while (name > line && name[-1] != ' ' && name[-1] != '*')
                name--;
            bool skip = false;
            for (size_t i = 0; i < sizeof not_text / sizeof not_text[0]; i++)
                skip |= strcmp(name, not_text[i]) == 0;
            fields++;
            if (!skip)
                (void)value_of(&l, name);
        }
    }
    fclose(header);
    ck_assert_uint_ge(fields, 18);
}
END_TEST

START_TEST(options__texts_become_values)
{
    levin_options o;
    levin_options_init(&o);
    ck_assert_int_eq(levin_options_set(&o, "cache_bytes", "64M", NULL), LEVIN_OK);
    ck_assert_uint_eq(o.cache_bytes, 64 << 20);
    ck_assert_int_eq(levin_options_set(&o, "memtable_bytes", "3g", NULL), LEVIN_OK);
    ck_assert_uint_eq(o.memtable_bytes, UINT64_C(3) << 30);
    ck_assert_int_eq(levin_options_set(&o, "page_bytes", "8192", NULL), LEVIN_OK);
    ck_assert_uint_eq(o.page_bytes, 8192);
    ck_assert_int_eq(levin_options_set(&o, "read_only", "yes", NULL), LEVIN_OK);
    ck_assert(o.read_only && o.create_if_missing && !o.error_if_exists);
    ck_assert_int_eq(levin_options_set(&o, "background", "none", NULL), LEVIN_OK);
    ck_assert_int_eq(o.background, LEVIN_BACKGROUND_NONE);
    ck_assert_int_eq(levin_options_set(&o, "min_durability", "synced", NULL), LEVIN_OK);
    ck_assert_int_eq(o.min_durability, LEVIN_SYNCED);
    ck_assert_int_eq(levin_options_set(&o, "memory_bytes", "16M", NULL), LEVIN_OK);
    ck_assert(o.cache_bytes == 8 << 20 && o.row_cache_bytes == 3 << 20 && o.memtable_bytes == 2 << 20 &&
              o.value_cache_bytes == 1 << 20);
    ck_assert_int_eq(levin_options_set(&o, "preset", "low_memory", NULL), LEVIN_OK);
    ck_assert_uint_eq(o.memtable_bytes, 1 << 20);
    ck_assert_uint_eq(o.page_bytes, 8192); /* no preset's business */
}
END_TEST

START_TEST(options__what_is_wrong_is_named)
{
    static const struct {
        const char *name, *value, *says;
    } wrong[] = {
        { "cache_bytes", "12", "cache_bytes is \"12\": 64K or more" },
        { "cache_bytes", "64Q", "cache_bytes is \"64Q\"" },
        { "cache_bytes", "64MB", "64K or more" },
        { "cache_bytes", "", "64K or more" },
        { "cache_bytes", "-1", "64K or more" },
        { "memtable_bytes", "99999999999999999999", "64K or more" },
        { "page_bytes", "128K", "4K to 64K" },
        { "commit_interval_us", "1K", "0 to 4294967295" },
        { "commit_interval_us", "4294967296", "0 to 4294967295" },
        { "background", "threads", "none or thread" },
        { "min_durability", "NONE", "none, logged or synced" },
        { "read_only", "maybe", "true or false" },
        { "preset", "fast", "low_memory" },
        { "memory_bytes", "1023K", "1M or more" },
        { "cash_bytes", "1M", "there is no option \"cash_bytes\"" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        levin_options o, before;
        levin_error error = { .code = LEVIN_OK };
        memset(&o, 0, sizeof o);
        levin_options_init(&o);
        before = o;
        ck_assert_int_eq(levin_options_set(&o, wrong[i].name, wrong[i].value, &error), LEVIN_INVALID);
        ck_assert_int_eq(error.code, LEVIN_INVALID);
        ck_assert_msg(strstr(error.message, wrong[i].says) != NULL, "\"%s\" does not say \"%s\"", error.message,
                      wrong[i].says);
        ck_assert_mem_eq(&o, &before, sizeof o);
    }
}
END_TEST

static levin_code open_with(levin_options *o, simdisk *disk, levin **store, levin_error *error)
{
    o->background = LEVIN_BACKGROUND_NONE;
    o->io = simdisk_io(disk);
    return levin_open("db", o, store, error);
}

START_TEST(options__open_names_what_is_out_of_range)
{
    static const struct {
        size_t offset, bytes;
        uint64_t value;
        const char *name;
    } wrong[] = {
#define WRONG(field, value) { offsetof(levin_options, field), sizeof(((levin_options *)0)->field), value, #field }
        WRONG(struct_bytes, 12), WRONG(page_bytes, 5000), WRONG(page_bytes, 131072), WRONG(cache_bytes, 65536),
        WRONG(memtable_bytes, 65535), WRONG(wal_segment_bytes, 8000), WRONG(wal_segment_bytes, UINT64_C(1) << 31),
        WRONG(wal_sector_bytes, 1024), WRONG(row_cache_bytes, 1000), WRONG(auto_compact_percent, 100),
        WRONG(background, 7), WRONG(recovery, 9), WRONG(min_durability, 3),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        levin_options o;
        levin_error error = { .code = LEVIN_OK };
        levin *store;
        char number[24];
        uint32_t narrow = (uint32_t)wrong[i].value;
        simdisk *disk = simdisk_create(NULL, NULL);
        levin_options_init(&o);
        o.io = simdisk_io(disk);
        memcpy((char *)&o + wrong[i].offset,
               wrong[i].bytes == 8 ? (const void *)&wrong[i].value : (const void *)&narrow, wrong[i].bytes);
        snprintf(number, sizeof number, "%llu", (unsigned long long)wrong[i].value);
        ck_assert_int_eq(levin_options_check(&o, NULL), LEVIN_INVALID);
        ck_assert_int_eq(levin_open("db", &o, &store, &error), LEVIN_INVALID);
        ck_assert_msg(strstr(error.message, wrong[i].name) && strstr(error.message, number),
                      "\"%s\" does not name %s and %s", error.message, wrong[i].name, number);
        ck_assert(simdisk_destroy(disk, NULL));
    }
}
END_TEST

START_TEST(options__presets_open_and_differ)
{
    for (int p = LEVIN_PRESET_BALANCED; p <= LEVIN_PRESET_DEVELOPMENT; p++) {
        levin_options o, defaults;
        levin_error error = { .code = LEVIN_OK };
        levin *store;
        simdisk *disk = simdisk_create(NULL, NULL);
        memset(&o, 0, sizeof o);
        memset(&defaults, 0, sizeof defaults);
        levin_options_init(&o);
        levin_options_init(&defaults);
        ck_assert_int_eq(levin_options_preset(&o, (levin_preset)p), LEVIN_OK);
        ck_assert((memcmp(&o, &defaults, sizeof o) == 0) == (p == LEVIN_PRESET_BALANCED));
        ck_assert_msg(open_with(&o, disk, &store, &error) == LEVIN_OK, "preset %d: %s", p, error.message);
        levin_stats before, stats;
        levin_stats_get(store, &before);
        ck_assert_int_eq(levin_put(store, "k", 1, "v", 1, LEVIN_NONE), LEVIN_OK);
        levin_stats_get(store, &stats);
        ck_assert_uint_eq(stats.wal_syncs > before.wal_syncs, p == LEVIN_PRESET_MAX_DURABILITY);
        ck_assert_int_eq(levin_close(store), LEVIN_OK);
        ck_assert(simdisk_destroy(disk, NULL));
    }
    levin_options o;
    levin_options_init(&o);
    ck_assert_int_eq(levin_options_preset(&o, (levin_preset)6), LEVIN_INVALID);
    ck_assert_int_eq(levin_options_preset(&o, (levin_preset)-1), LEVIN_INVALID);
}
END_TEST

START_TEST(options__a_budget_holds)
{
    for (uint64_t budget = 2 << 20; budget <= 8 << 20; budget *= 2) {
        levin_options o;
        levin *store;
        levin_stats stats;
        char key[32], value[100] = "value", got[100];
        static char large[5000];
        size_t bytes;
        simdisk *disk = simdisk_create(NULL, NULL);
        levin_options_init(&o);
        o.page_bytes = 4096;
        o.wal_segment_bytes = 256 << 10;
        ck_assert_int_eq(levin_options_memory(&o, budget), LEVIN_OK);
        ck_assert_int_eq(open_with(&o, disk, &store, NULL), LEVIN_OK);
        for (unsigned i = 0; i < 4 * budget / 100; i++) { /* four times as much data as memory */
            snprintf(key, sizeof key, "%016x", i * 2654435761u);
            ck_assert_int_eq(levin_put(store, key, 16, value, sizeof value, LEVIN_NONE), LEVIN_OK);
        }
        for (unsigned i = 0; i < 4 * budget / 100; i += 3) {
            snprintf(key, sizeof key, "%016x", i * 2654435761u);
            ck_assert_int_eq(levin_get(store, NULL, key, 16, got, sizeof got, &bytes), LEVIN_OK);
        }
        for (unsigned i = 0; i < 2 * budget / sizeof large; i++) { /* large ones, which have a cache of their own */
            snprintf(key, sizeof key, "large%u", i);
            ck_assert_int_eq(levin_put(store, key, strlen(key), large, sizeof large, LEVIN_NONE), LEVIN_OK);
        }
        for (unsigned i = 0; i < 8 * budget / sizeof large; i++) {
            snprintf(key, sizeof key, "large%u", i / 2 % (unsigned)(2 * budget / sizeof large));
            ck_assert_int_eq(levin_get(store, NULL, key, strlen(key), large, sizeof large, &bytes), LEVIN_OK);
        }
        levin_stats_get(store, &stats);
        ck_assert_uint_gt(stats.large_inserts, 0);
        ck_assert_uint_gt(stats.checkpoints, 4);
        ck_assert_uint_gt(stats.cache_evictions, 10);
        ck_assert_msg(stats.memory_peak_bytes <= budget + budget / 10, "%llu bytes of %llu",
                      (unsigned long long)stats.memory_peak_bytes, (unsigned long long)budget);
        ck_assert_int_eq(levin_close(store), LEVIN_OK);
        ck_assert(simdisk_destroy(disk, NULL));
    }
}
END_TEST

LEVIN_TEST_MAIN("options", TEST(options__what_is_listed_can_be_set), TEST(options__every_field_has_a_name),
                TEST(options__texts_become_values),
                TEST(options__what_is_wrong_is_named), TEST(options__open_names_what_is_out_of_range),
                TEST(options__presets_open_and_differ), TEST(options__a_budget_holds))
