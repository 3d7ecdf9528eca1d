/*
 * scenario.c - scenarios from seeds, and as text (scenario.h).
 */
#include "scenario.h"

#include <stdlib.h>
#include <string.h>

#include "../fatal.h"
#include "../random.h"

enum { POINTS_PER_OPERATION = 40, LINE_BYTES = 4096 };

static const char *const kind_texts[] = {
#define SCENARIO_OPERATION_TEXT(name, text) text,
    SCENARIO_OPERATIONS(SCENARIO_OPERATION_TEXT)
#undef SCENARIO_OPERATION_TEXT
};
static const char *const durability_texts[] = { "none", "logged", "synced" };
static const char *const strategy_texts[] = { "given", "walk", "pct", "tree" };

unsigned scenario_value(unsigned thread, unsigned operation)
{
    return thread * SCENARIO_OPERATIONS_MAX + operation + 1;
}

/* The second image has all of it in pages, the third some keys in the log; the fourth has more pages than the cache. */
unsigned scenario_initial(unsigned image, unsigned key)
{
    return image && key % 2 == 0 ? 200 + key : image >= 2 && key == 1 ? 210 : 0;
}

unsigned scenario_operations(const scenario *s)
{
    unsigned count = 0;
    for (unsigned t = 0; t < s->threads; t++)
        count += s->of[t].count;
    return count;
}

bool scenario_has(const scenario *s, scenario_kind kind)
{
    for (unsigned t = 0; t < s->threads; t++)
        for (unsigned i = 0; i < s->of[t].count; i++)
            if (s->of[t].at[i].kind == kind)
                return true;
    return false;
}

bool scenario_allows(const scenario *s, scenario_kind kind)
{
    return !(kind == OPERATION_WORK && s->background) && !(kind == OPERATION_CHURN && s->image < SCENARIO_IMAGES - 1);
}

/* What a scenario is mostly about, so that those who can disturb each other meet. */
enum theme {
    THEME_ROWS,
    THEME_UNWAITED,
    THEME_TRANSACTIONS,
    THEME_PAGES,
    THEME_BESIDE, /* who reads on while the store is written anew */
    THEME_SPACES,
    THEME_ANY,
    THEMES
};

/* The kinds of operations that a scenario uses, and the keys: the fewer the more often they meet. */
typedef struct swarm {
    unsigned keys;
    unsigned weights[SCENARIO_KIND_COUNT], total;
} swarm;

static const uint8_t theme_weights[THEMES][SCENARIO_KIND_COUNT] = {
    [THEME_ROWS] = { [OPERATION_GET] = 6, [OPERATION_MULTI_GET] = 3, [OPERATION_SNAPSHOT] = 1, [OPERATION_SCAN] = 1,
                     [OPERATION_PUT] = 4, [OPERATION_DELETE] = 1, [OPERATION_BATCH] = 3, [OPERATION_RANGE] = 1 },
    [THEME_UNWAITED] = { [OPERATION_TICKET] = 3, [OPERATION_CALLBACK] = 5, [OPERATION_PUT] = 3, [OPERATION_SYNC] = 1,
                         [OPERATION_WORK] = 1 },
    [THEME_TRANSACTIONS] = { [OPERATION_TXN] = 5, [OPERATION_SWAP] = 3, [OPERATION_PUT] = 2, [OPERATION_BATCH] = 2,
                             [OPERATION_DELETE] = 1, [OPERATION_GET] = 1 },
    [THEME_PAGES] = { [OPERATION_CHECKPOINT] = 3, [OPERATION_PUT] = 4, [OPERATION_GET] = 3, [OPERATION_CHURN] = 4,
                      [OPERATION_SCAN] = 2, [OPERATION_SNAPSHOT] = 2, [OPERATION_WORK] = 1 },
    [THEME_BESIDE] = { [OPERATION_READER] = 3, [OPERATION_HOLD] = 3, [OPERATION_COMPACT] = 2, [OPERATION_COLLECT] = 1,
                       [OPERATION_CHECKPOINT] = 2, [OPERATION_PUT] = 5, [OPERATION_BATCH] = 2, [OPERATION_RANGE] = 1,
                       [OPERATION_WORK] = 1, [OPERATION_CHURN] = 1 },
    [THEME_SPACES] = { [OPERATION_CREATE] = 4, [OPERATION_DROP] = 3, [OPERATION_SPACE_GET] = 3,
                       [OPERATION_SPACE_PUT] = 4, [OPERATION_SPACE_BATCH] = 3, [OPERATION_SPACE_TXN] = 3,
                       [OPERATION_PUT] = 1, [OPERATION_CHECKPOINT] = 1, [OPERATION_READER] = 1 },
    [THEME_ANY] = { [OPERATION_HOLD] = 2, [OPERATION_COMPACT] = 1, [OPERATION_COLLECT] = 1, [OPERATION_READER] = 1,
                    [OPERATION_CREATE] = 2, [OPERATION_DROP] = 1, [OPERATION_SPACE_GET] = 1,
                    [OPERATION_SPACE_PUT] = 1, [OPERATION_SPACE_BATCH] = 1, [OPERATION_SPACE_TXN] = 1,
                    [OPERATION_GET] = 5, [OPERATION_MULTI_GET] = 3, [OPERATION_SNAPSHOT] = 3, [OPERATION_SCAN] = 2,
                    [OPERATION_PUT] = 7, [OPERATION_DELETE] = 2, [OPERATION_BATCH] = 4, [OPERATION_RANGE] = 2,
                    [OPERATION_SWAP] = 2, [OPERATION_TXN] = 3, [OPERATION_TICKET] = 3, [OPERATION_CALLBACK] = 3,
                    [OPERATION_SYNC] = 1, [OPERATION_CHECKPOINT] = 2, [OPERATION_WORK] = 1, [OPERATION_CHURN] = 2 },
};

/* Of those of the theme (of all kinds: some, as in the swarm testing of Groce et al., 2012). */
static swarm swarm_make(random_stream *r, const scenario *s, enum theme theme)
{
    swarm w = { .keys = 1u << random_below(r, SCENARIO_KEYS) | 1u << random_below(r, SCENARIO_KEYS) };
    if (theme != THEME_ROWS)
        w.keys = 1 + (unsigned)random_below(r, SCENARIO_ALL_KEYS);
    const bool some = theme == THEME_ANY && random_chance(r, 2);
    for (unsigned i = 0; i < SCENARIO_KIND_COUNT; i++) {
        const bool senseless = !scenario_allows(s, (scenario_kind)i);
        const bool left_out = some && i != OPERATION_PUT && random_chance(r, 2);
        w.weights[i] = senseless || left_out ? 0 : theme_weights[theme][i];
        w.total += w.weights[i];
    }
    return w;
}

static unsigned some_keys(random_stream *r, unsigned of)
{
    const unsigned keys = of & (unsigned)random_below(r, SCENARIO_ALL_KEYS + 1);
    return keys ? keys : of;
}

static unsigned one_key(random_stream *r, unsigned of)
{
    for (unsigned left = (unsigned)random_below(r, (uint64_t)__builtin_popcount(of)); left; left--)
        of &= of - 1;
    return of & (0u - of);
}

/* A range is of the bits between the first and the last. */
static unsigned filled(unsigned keys)
{
    unsigned bits = 0;
    for (unsigned k = 0; k < SCENARIO_KEYS; k++)
        if (keys >> k && keys & ((2u << k) - 1))
            bits |= 1u << k;
    return bits;
}

scenario_operation scenario_operation_settle(scenario_operation o)
{
    o.keys = o.keys ? o.keys : 1;
    if (o.kind == OPERATION_GET || o.kind == OPERATION_PUT || o.kind == OPERATION_DELETE || o.kind == OPERATION_SWAP)
        o.keys &= 0u - o.keys;
    if (o.kind == OPERATION_BATCH)
        o.more &= ~o.keys;
    if (o.kind == OPERATION_RANGE)
        o.keys = filled(o.keys);
    return o;
}

static scenario_operation operation_make(random_stream *r, const swarm *w)
{
    unsigned kind = 0;
    for (unsigned left = (unsigned)random_below(r, w->total); left >= w->weights[kind]; kind++)
        left -= w->weights[kind];
    scenario_operation o = { .kind = (scenario_kind)kind, .keys = some_keys(r, w->keys), .more = some_keys(r, w->keys),
                             .way = (unsigned)random_below(r, 4) };
    o.durability = (levin_durability)(random_chance(r, 2) ? 2 : random_below(r, 2));
    if (o.kind == OPERATION_GET || o.kind == OPERATION_PUT || o.kind == OPERATION_DELETE || o.kind == OPERATION_SWAP)
        o.keys = one_key(r, w->keys);
    return scenario_operation_settle(o);
}

fault_rule scenario_fault(unsigned which)
{
    static const fault_rule rules[SCENARIO_FAULTS] = {
        { .kinds = 1u << LEVIN_FILE_WAL, .operations = 1u << FAULT_SYNC, .os_error = 5 /* EIO */ },
        { .kinds = 1u << LEVIN_FILE_WAL, .operations = 1u << FAULT_WRITE, .os_error = 28 /* ENOSPC */ },
        { .kinds = FAULT_KINDS_ALL, .operations = 1u << FAULT_ALLOC, .os_error = 12 /* ENOMEM */ },
        { .kinds = 1u << LEVIN_FILE_PAGES, .operations = 1u << FAULT_SYNC | 1u << FAULT_WRITE, .os_error = 5 },
        { .kinds = 1u << LEVIN_FILE_PAGES, .operations = 1u << FAULT_READ, .os_error = 5 },
        { .kinds = 1u << LEVIN_FILE_VLOG, .operations = 1u << FAULT_SYNC | 1u << FAULT_WRITE, .os_error = 5 },
    };
    return rules[which];
}

static fault_rule fault_make(random_stream *r, bool *has, unsigned threads, unsigned *thread)
{
    fault_rule rule = scenario_fault((unsigned)random_below(r, SCENARIO_FAULTS));
    *has = true;
    rule.nth = 1 + random_below(r, rule.operations & 1u << FAULT_ALLOC ? 20 : 3);
    rule.forever = random_chance(r, 4);
    if (rule.operations & 1u << FAULT_ALLOC && random_chance(r, 2)) {
        *thread = 1 + (unsigned)random_below(r, threads);
        rule.nth = 1 + (rule.nth - 1) / 4;
    }
    return rule;
}

scenario scenario_make(uint64_t seed, const scenario_sizes *sizes)
{
    random_stream r = random_open(seed, 0x5ce);
    scenario s = { .seed = seed };
    const uint64_t trouble = random_below(&r, 8); /* 0: a fault, 1: a power cut, 2: both */
    const enum theme theme = (enum theme)random_below(&r, THEMES);
    s.image = theme == THEME_PAGES || (theme == THEME_BESIDE && random_chance(&r, 2))
                  ? SCENARIO_IMAGES - 1
                  : (unsigned)random_below(&r, SCENARIO_IMAGES - 1);
    s.background = random_chance(&r, theme == THEME_ROWS ? 4 : 2);
    s.rows = theme == THEME_ROWS || random_chance(&r, 2);
    s.values_apart = random_chance(&r, 4);
    s.lingers = random_chance(&r, 4);
    s.splits = random_chance(&r, 4);
    s.startles = random_chance(&r, 4);
    s.threads = sizes->threads ? sizes->threads : 2 + (unsigned)random_below(&r, 3);
    const swarm w = swarm_make(&r, &s, theme);
    for (unsigned t = 0; t < s.threads; t++) {
        s.of[t].count = sizes->operations ? sizes->operations : 1 + (unsigned)random_below(&r, t ? 4 : 5);
        for (unsigned i = 0; i < s.of[t].count; i++)
            s.of[t].at[i] = operation_make(&r, &w);
    }
    s.strategy = sizes->strategy != SCHEDULE_GIVEN ? sizes->strategy : seed % 2 ? SCHEDULE_WALK : SCHEDULE_PCT;
    s.depth = sizes->depth ? sizes->depth : 2 + (unsigned)random_below(&r, 3);
    s.length = POINTS_PER_OPERATION * scenario_operations(&s);
    if (sizes->faults && (trouble == 0 || trouble == 2))
        s.fault = fault_make(&r, &s.has_fault, s.threads, &s.fault_thread);
    if (sizes->cuts && (trouble == 1 || trouble == 2)) {
        s.cut_at = 1 + random_below(&r, s.length);
        s.cut_in_sync = random_chance(&r, 3);
        if (s.cut_in_sync)
            s.cut_at *= 4; /* if it never comes to that */
    }
    return s;
}

void scenario_free(scenario *s)
{
    free(s->switches);
    s->switches = NULL;
    s->switch_count = 0;
}

scenario scenario_copy(const scenario *s)
{
    scenario copy = *s;
    copy.switches = NULL;
    if (s->switch_count) {
        copy.switches = fatal_alloc(s->switch_count * sizeof *copy.switches);
        memcpy(copy.switches, s->switches, s->switch_count * sizeof *copy.switches);
    }
    return copy;
}

/* ---- text ------------------------------------------------------------------------------------------------- */

static void write_keys(unsigned keys, FILE *file)
{
    for (unsigned k = 0; k < SCENARIO_KEYS; k++)
        if (keys >> k & 1)
            putc('a' + (int)k, file);
    if (!keys)
        putc('-', file);
}

void scenario_write(const scenario *s, FILE *file)
{
    fprintf(file, "%s\nseed %llu\nimage %u\nstore%s%s%s%s%s%s\n", SCENARIO_MAGIC, (unsigned long long)s->seed, s->image,
            s->background ? " background" : "", s->rows ? " rows" : "", s->values_apart ? " values-apart" : "",
            s->lingers ? " lingers" : "", s->splits ? " splits" : "", s->startles ? " startles" : "");
    if (s->finding[0])
        fprintf(file, "finding %s\n", s->finding);
    fprintf(file, "strategy %s %u %u\n", strategy_texts[s->strategy], s->depth, (unsigned)s->length);
    if (s->has_fault)
        fprintf(file, "fault %u %u %llu %d %d\n", s->fault.kinds, s->fault.operations, (unsigned long long)s->fault.nth,
                s->fault.forever, s->fault.os_error);
    if (s->fault_thread)
        fprintf(file, "fault-thread %u\n", s->fault_thread);
    if (s->cut_at)
        fprintf(file, "cut %llu\n", (unsigned long long)s->cut_at);
    if (s->cut_in_sync)
        fputs("cut-in-sync\n", file);
    for (unsigned t = 0; t < s->threads; t++) {
        fputs("thread", file);
        for (unsigned i = 0; i < s->of[t].count; i++) {
            const scenario_operation *o = &s->of[t].at[i];
            fprintf(file, " %s:", kind_texts[o->kind]);
            write_keys(o->keys, file);
            putc(':', file);
            write_keys(o->more, file);
            fprintf(file, ":%s:%u", durability_texts[o->durability], o->way);
        }
        putc('\n', file);
    }
    for (size_t i = 0; i < s->switch_count; i++)
        fprintf(file, "switch %u %u %u\n", s->switches[i].thread, (unsigned)s->switches[i].point, s->switches[i].to);
}

static bool read_keys(const char *text, unsigned *keys)
{
    *keys = 0;
    if (!strcmp(text, "-"))
        return true;
    for (; *text; text++) {
        if (*text < 'a' || *text >= 'a' + SCENARIO_KEYS)
            return false;
        *keys |= 1u << (*text - 'a');
    }
    return true;
}

static int index_of(const char *text, const char *const *texts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(text, texts[i]))
            return (int)i;
    return -1;
}

static bool read_operation(char *text, scenario_operation *o)
{
    char *part[5], *rest = text;
    unsigned parts = 0;
    while (parts < 5 && rest)
        part[parts++] = strsep(&rest, ":");
    if (parts != 5 || rest)
        return false;
    const int kind = index_of(part[0], kind_texts, SCENARIO_KIND_COUNT);
    const int durability = index_of(part[3], durability_texts, 3);
    *o = (scenario_operation){ .kind = (scenario_kind)kind, .durability = (levin_durability)durability,
                               .way = (unsigned)strtoul(part[4], NULL, 10) % 4 };
    return kind >= 0 && durability >= 0 && read_keys(part[1], &o->keys) && read_keys(part[2], &o->more);
}

static bool read_thread(scenario *s, char *rest)
{
    if (s->threads == SCENARIO_THREADS_MAX)
        return false;
    unsigned *count = &s->of[s->threads].count;
    *count = 0;
    for (char *word; (word = strsep(&rest, " "));) {
        if (!*word)
            continue;
        if (*count == SCENARIO_OPERATIONS_MAX || !read_operation(word, &s->of[s->threads].at[*count]))
            return false;
        ++*count;
    }
    s->threads++;
    return true;
}

static bool read_store(scenario *s, char *rest)
{
    for (char *word; (word = strsep(&rest, " "));) {
        bool *flag = !strcmp(word, "background")     ? &s->background
                     : !strcmp(word, "rows")         ? &s->rows
                     : !strcmp(word, "values-apart") ? &s->values_apart
                     : !strcmp(word, "lingers")      ? &s->lingers
                     : !strcmp(word, "splits")       ? &s->splits
                     : !strcmp(word, "startles")     ? &s->startles
                                                     : NULL;
        if (flag)
            *flag = true;
        else if (*word)
            return false;
    }
    return true;
}

static bool read_switch(scenario *s, const char *rest)
{
    unsigned thread, point, to;
    if (sscanf(rest, "%u %u %u", &thread, &point, &to) != 3 || thread >= SCHEDULE_THREADS_MAX ||
        to >= SCHEDULE_THREADS_MAX)
        return false;
    s->switches = fatal_realloc(s->switches, (s->switch_count + 1) * sizeof *s->switches);
    s->switches[s->switch_count++] = (schedule_switch){ point, (uint8_t)thread, (uint8_t)to };
    return true;
}

/* The line after its first word. */
static bool read_line(scenario *s, const char *word, char *rest)
{
    unsigned long long number = 0;
    if (!strcmp(word, "seed"))
        return sscanf(rest, "%llu", &number) == 1 && (s->seed = number, true);
    if (!strcmp(word, "image"))
        return sscanf(rest, "%u", &s->image) == 1 && s->image < SCENARIO_IMAGES;
    if (!strcmp(word, "finding"))
        return snprintf(s->finding, sizeof s->finding, "%s", rest) > 0;
    if (!strcmp(word, "store"))
        return read_store(s, rest);
    if (!strcmp(word, "strategy")) {
        char name[16];
        if (sscanf(rest, "%15s %u %u", name, &s->depth, &s->length) != 3)
            return false;
        const int strategy = index_of(name, strategy_texts, 3);
        s->strategy = (schedule_strategy)strategy;
        return strategy >= 0;
    }
    if (!strcmp(word, "fault")) {
        int forever;
        s->has_fault = sscanf(rest, "%u %u %llu %d %d", &s->fault.kinds, &s->fault.operations, &number, &forever,
                              &s->fault.os_error) == 5;
        s->fault.nth = number;
        s->fault.forever = s->has_fault && forever;
        return s->has_fault;
    }
    if (!strcmp(word, "fault-thread"))
        return sscanf(rest, "%u", &s->fault_thread) == 1 && s->fault_thread <= SCENARIO_THREADS_MAX;
    if (!strcmp(word, "cut-in-sync"))
        return s->cut_in_sync = true;
    if (!strcmp(word, "cut"))
        return sscanf(rest, "%llu", &number) == 1 && (s->cut_at = number, true);
    if (!strcmp(word, "thread"))
        return read_thread(s, rest);
    return !strcmp(word, "switch") && read_switch(s, rest);
}

bool scenario_read(scenario *s, FILE *file, const char **why, unsigned *line)
{
    char text[LINE_BYTES];
    *s = (scenario){ 0 };
    *why = NULL;
    for (*line = 1; fgets(text, sizeof text, file); ++*line) {
        char *rest = text;
        text[strcspn(text, "\n")] = 0;
        if (*line == 1) {
            if (strcmp(text, SCENARIO_MAGIC) != 0)
                *why = "not a schedule of this version";
        } else if (text[0] && text[0] != '#') {
            const char *word = strsep(&rest, " ");
            char none[1] = "";
            if (!read_line(s, word, rest ? rest : none))
                *why = "cannot be read";
        }
        if (*why)
            break;
    }
    if (!*why && (*line == 1 || !s->threads))
        *why = "no threads";
    if (*why)
        scenario_free(s);
    return !*why;
}
