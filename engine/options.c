/*
 * options.c - options by name, as text; presets; sharing out a budget.  The defaults, and what levin_open() checks of
 * an option beside others, stand in open.c.
 *
 * A new option is a line in OPTIONS: levin_options_set(), levin_options_list() and the command line know it then.
 *
 * Concurrency: pure functions of the caller's struct.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "io.h"

enum option_kind { OPTION_BOOL, OPTION_SIZE, OPTION_NUMBER, OPTION_WORD };

/* X(field, kind, low, high, words, text): words of an OPTION_WORD, their places being its values. */
#define OPTIONS(X)                                                                                              \
    X(create_if_missing, OPTION_BOOL, 0, 1, NULL, "make the store when there is none")                          \
    X(error_if_exists, OPTION_BOOL, 0, 1, NULL, "refuse a store that is there")                                 \
    X(read_only, OPTION_BOOL, 0, 1, NULL, "write nothing")                                                      \
    X(page_bytes, OPTION_SIZE, LEVIN_PAGE_MIN_BYTES, LEVIN_PAGE_MAX_BYTES, NULL,                                \
      "size of a page, a power of two; at creation")                                                            \
    X(cache_bytes, OPTION_SIZE, 16 * LEVIN_PAGE_MIN_BYTES, INT64_MAX, NULL, "budget of the page cache")         \
    X(memtable_bytes, OPTION_SIZE, 64 << 10, INT64_MAX, NULL, "a memtable of this size starts a checkpoint")    \
    X(wal_segment_bytes, OPTION_SIZE, 8 << 10, 1 << 30, NULL, "size of a log segment")                          \
    X(wal_sector_bytes, OPTION_SIZE, 512, 4096, NULL, "alignment of log groups, 512 or 4096; at creation")      \
    X(commit_interval_us, OPTION_NUMBER, 0, UINT32_MAX, NULL, "synced batches wait so long for company")        \
    X(background, OPTION_WORD, 0, 1, background_words, "who does checkpoints")                                  \
    X(recovery, OPTION_WORD, 0, 1, recovery_words, "what damage in the log does")                               \
    X(row_cache_bytes, OPTION_SIZE, 0, INT64_MAX, NULL, "budget of the row cache, 0 for none")                  \
    X(auto_compact_percent, OPTION_NUMBER, 0, 99, NULL, "when so much of the page file is free it is shortened") \
    X(oldest_reader_ms, OPTION_NUMBER, 0, UINT32_MAX, NULL, "warn of a reader older than that, 0 for never")    \
    X(oldest_reader_bytes, OPTION_SIZE, 0, INT64_MAX, NULL, "warn of a reader that holds back so much")         \
    X(min_durability, OPTION_WORD, 0, 2, durability_words, "writes that ask for less get this")                 \
    X(group_batches_max, OPTION_NUMBER, 0, UINT32_MAX, NULL, "batches that share a sync at most, 0 for no limit") \
    X(value_log_threshold_bytes, OPTION_SIZE, 0, INT64_MAX, NULL, "longer values go to the value log, 0 for none") \
    X(value_log_segment_bytes, OPTION_SIZE, 4096, 1 << 30, NULL, "size of its segments")                        \
    X(value_log_live_percent, OPTION_NUMBER, 0, 100, NULL, "segments less in use are collected, 0 for none")    \
    X(value_cache_bytes, OPTION_SIZE, 0, INT64_MAX, NULL, "budget of the cache of large values, 0 for none") \
    X(slow_checkpoint_ms, OPTION_NUMBER, 0, UINT32_MAX, NULL, "the log is told of longer checkpoints, 0 for never") \
    X(reader_slots, OPTION_NUMBER, 1, 1024, NULL, "read-only handles on the store at once")

static const char *const background_words[] = { "none", "thread" };
static const char *const recovery_words[] = { "strict", "cut_at_damage" };
static const char *const durability_words[] = { "none", "logged", "synced" };

typedef struct option_row {
    const char *name;
    size_t offset, bytes;
    enum option_kind kind;
    uint64_t low, high;
    const char *const *words;
    const char *text;
} option_row;

static const option_row rows[] = {
#define ROW(field, kind, low, high, words, text) \
    { #field, offsetof(levin_options, field), sizeof(((levin_options *)0)->field), kind, low, high, words, text },
    OPTIONS(ROW)
#undef ROW
};
enum { ROWS = sizeof rows / sizeof rows[0], TEXT_BYTES = 96 };

/* ---- numbers and fields ---- */

static uint64_t field_get(const levin_options *o, const option_row *row)
{
    const char *at = (const char *)o + row->offset;
    uint64_t wide;
    uint32_t narrow;
    bool truth;
    if (row->kind == OPTION_BOOL) {
        memcpy(&truth, at, sizeof truth);
        return truth;
    }
    if (row->bytes == sizeof wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}

static void field_set(levin_options *o, const option_row *row, uint64_t value)
{
    char *at = (char *)o + row->offset;
    uint32_t narrow = (uint32_t)value;
    bool truth = value != 0;
    if (row->kind == OPTION_BOOL)
        memcpy(at, &truth, sizeof truth);
    else if (row->bytes == sizeof value)
        memcpy(at, &value, sizeof value);
    else
        memcpy(at, &narrow, sizeof narrow);
}

/* Digits, and with `size` a K, M or G behind them. */
static bool parse_number(const char *text, bool size, uint64_t *out)
{
    uint64_t n = 0;
    unsigned shift = 0;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (n > (UINT64_MAX - (uint64_t)(*text - '0')) / 10)
            return false;
        n = n * 10 + (uint64_t)(*text - '0');
    }
    if (size && *text && strchr("kKmMgG", *text)) {
        shift = *text == 'k' || *text == 'K' ? 10 : *text == 'm' || *text == 'M' ? 20 : 30;
        text++;
    }
    if (*text || n > UINT64_MAX >> shift)
        return false;
    *out = n << shift;
    return true;
}

static bool parse_word(const char *text, const char *const *words, uint64_t count, uint64_t *out)
{
    for (uint64_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool parse(const option_row *row, const char *text, uint64_t *out)
{
    static const char *const no_yes[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };
    switch (row->kind) {
    case OPTION_BOOL:
        if (!parse_word(text, no_yes, sizeof no_yes / sizeof no_yes[0], out))
            return false;
        *out %= 2;
        return true;
    case OPTION_WORD: return parse_word(text, row->words, row->high + 1, out);
    default: return parse_number(text, row->kind == OPTION_SIZE, out) && *out >= row->low && *out <= row->high;
    }
}

/* ---- as text ---- */

static void size_text(uint64_t n, bool size, char *text, size_t capacity)
{
    unsigned unit = 0;
    while (size && unit < 3 && n && n % 1024 == 0) {
        n /= 1024;
        unit++;
    }
    static const char *const units[] = { "", "K", "M", "G" };
    snprintf(text, capacity, "%llu%s", (unsigned long long)n, units[unit]);
}

static void value_text(const option_row *row, uint64_t value, char text[TEXT_BYTES])
{
    if (row->kind == OPTION_BOOL)
        snprintf(text, TEXT_BYTES, "%s", value ? "true" : "false");
    else if (row->kind == OPTION_WORD)
        snprintf(text, TEXT_BYTES, "%s", value <= row->high ? row->words[value] : "?");
    else
        size_text(value, row->kind == OPTION_SIZE, text, TEXT_BYTES);
}

static void allowed_text(const option_row *row, char text[TEXT_BYTES])
{
    char low[24], high[24];
    if (row->kind == OPTION_BOOL) {
        snprintf(text, TEXT_BYTES, "true or false");
    } else if (row->kind == OPTION_WORD) {
        size_t n = 0;
        for (uint64_t i = 0; i <= row->high && n < TEXT_BYTES; i++)
            n += (size_t)snprintf(text + n, TEXT_BYTES - n, "%s%s", i ? i == row->high ? " or " : ", " : "",
                                  row->words[i]);
    } else {
        size_text(row->low, row->kind == OPTION_SIZE, low, sizeof low);
        size_text(row->high, row->kind == OPTION_SIZE, high, sizeof high);
        if (row->high == INT64_MAX)
            snprintf(text, TEXT_BYTES, "%s or more", low);
        else
            snprintf(text, TEXT_BYTES, "%s to %s", low, high);
    }
}

/* ---- presets ---- */

static const struct {
    const char *name;
    uint64_t cache, row_cache, value_cache, memtable, segment, value_segment;
} presets[] = {
    [LEVIN_PRESET_BALANCED] = { "balanced", 256u << 20, 64u << 20, 64u << 20, 64u << 20, 16u << 20, 64u << 20 },
    [LEVIN_PRESET_READ_OPTIMIZED] = { "read_optimized", 512u << 20, 512u << 20, 128u << 20, 32u << 20, 16u << 20,
                                      64u << 20 },
    [LEVIN_PRESET_WRITE_OPTIMIZED] = { "write_optimized", 128u << 20, 8u << 20, 16u << 20, 256u << 20, 64u << 20,
                                       64u << 20 },
    [LEVIN_PRESET_LOW_MEMORY] = { "low_memory", 4u << 20, 1792u << 10, 256u << 10, 1u << 20, 1u << 20, 16u << 20 },
    [LEVIN_PRESET_MAX_DURABILITY] = { "max_durability", 256u << 20, 64u << 20, 64u << 20, 64u << 20, 16u << 20,
                                      64u << 20 },
    [LEVIN_PRESET_DEVELOPMENT] = { "development", 1u << 20, 256u << 10, 64u << 10, 256u << 10, 64u << 10, 256u << 10 },
};
enum { PRESETS = sizeof presets / sizeof presets[0] };

levin_code levin_options_preset(levin_options *options, levin_preset preset)
{
    if ((unsigned)preset >= PRESETS)
        return LEVIN_INVALID;
    options->cache_bytes = presets[preset].cache;
    options->row_cache_bytes = presets[preset].row_cache;
    options->memtable_bytes = presets[preset].memtable;
    options->value_cache_bytes = presets[preset].value_cache;
    options->wal_segment_bytes = presets[preset].segment;
    options->value_log_segment_bytes = presets[preset].value_segment;
    options->min_durability = preset == LEVIN_PRESET_MAX_DURABILITY ? LEVIN_SYNCED : LEVIN_NONE;
    options->wal_sector_bytes = preset == LEVIN_PRESET_MAX_DURABILITY ? 4096 : 512;
    return LEVIN_OK;
}

levin_code levin_options_memory(levin_options *options, uint64_t bytes)
{
    if (bytes < 1u << 20)
        return LEVIN_INVALID;
    options->cache_bytes = bytes / 2;
    options->row_cache_bytes = bytes / 16 * 3;
    options->value_cache_bytes = bytes / 16;
    options->memtable_bytes = bytes / 8;
    return LEVIN_OK;
}

/* ---- by name ---- */

static levin_code refuse(levin_error *error, const char *name, const char *value, const char *allowed)
{
    levin_error local;
    return error_set(error ? error : &local, LEVIN_INVALID, NULL, "%.64s is \"%.64s\": %s is needed", name, value,
                     allowed);
}

static levin_code set_preset(levin_options *options, const char *value, levin_error *error)
{
    for (unsigned i = 0; i < PRESETS; i++)
        if (strcmp(value, presets[i].name) == 0)
            return levin_options_preset(options, (levin_preset)i);
    return refuse(error, "preset", value,
                  "balanced, read_optimized, write_optimized, low_memory, max_durability or development");
}

levin_code levin_options_set(levin_options *options, const char *name, const char *value, levin_error *error)
{
    uint64_t number;
    char allowed[TEXT_BYTES];
    levin_error local;
    if (strcmp(name, "preset") == 0)
        return set_preset(options, value, error);
    if (strcmp(name, "memory_bytes") == 0)
        return parse_number(value, true, &number) && levin_options_memory(options, number) == LEVIN_OK
                   ? LEVIN_OK
                   : refuse(error, name, value, "1M or more");
    for (unsigned i = 0; i < ROWS; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        if (parse(&rows[i], value, &number)) {
            field_set(options, &rows[i], number);
            return LEVIN_OK;
        }
        allowed_text(&rows[i], allowed);
        return refuse(error, name, value, allowed);
    }
    return error_set(error ? error : &local, LEVIN_INVALID, NULL, "there is no option \"%.64s\"", name);
}

void levin_options_list(const levin_options *options, levin_option_visit visit, void *context)
{
    levin_option option = { "preset", "",
                            "balanced, read_optimized, write_optimized, low_memory, max_durability or development",
                            "sizes, and what else belongs to a purpose" };
    if (!visit(context, &option))
        return;
    option = (levin_option){ "memory_bytes", "", "1M or more",
                             "a budget, shared out among the caches and the memtables" };
    bool more = visit(context, &option);
    for (unsigned i = 0; i < ROWS && more; i++) {
        char value[TEXT_BYTES], allowed[TEXT_BYTES];
        value_text(&rows[i], field_get(options, &rows[i]), value);
        allowed_text(&rows[i], allowed);
        option = (levin_option){ rows[i].name, value, allowed, rows[i].text };
        more = visit(context, &option);
    }
}
