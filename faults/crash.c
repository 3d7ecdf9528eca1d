/*
 * crash.c - which of the possible states after a power cut are visited, in which order, each once.
 *
 * What states are possible: top of crash_model.c.  Here, for each point of the trace, variants are numbered:
 * families one after the other (CRASH_FAMILIES), each with its candidates at this point, newest operation first.  A
 * family with more candidates than its limit takes the newest for one half of the limit and one candidate out of
 * each of as many equal strata of the rest for the other half; the choice within a stratum is seeded.  As each
 * operation is the newest at its own point, its candidates are all visited at least there.
 *
 * One damaged or torn operation is looked at in three surroundings: what was issued before it kept and what came
 * after it dropped; all others kept; all others dropped.
 *
 * Invariant: fates and image of a variant are a function of (start, trace, seed, limits, point, variant).
 * Distinctness: a table of digests; for each the last promise class under which it was handed out.  Points come in
 * order and classes never fall, so one class a digest is enough. Concurrency: one thread.
 */
#include "crash.h"

#include <stdlib.h>
#include <string.h>

#include "crash_model.h"
#include "fatal.h"
#include "random.h"

enum { SURROUNDINGS = 3, TORN_PATTERNS = 8, SIZE_PATTERNS = 3, RENAME_PATTERNS = 2, GROUPS_MAX = 64 };

typedef enum surrounding { BEFORE_KEPT, OTHERS_KEPT, OTHERS_DROPPED } surrounding;

typedef struct seen {
    uint64_t digest;  /* 0: a free slot */
    uint64_t promise; /* class it was last handed out under, plus one; 0: not handed out yet */
    uint64_t memo;
} seen;

/* The variants at one point. */
typedef struct crash_menu {
    uint64_t candidates[CRASH_FAMILY_COUNT], count[CRASH_FAMILY_COUNT], total;
    uint64_t group[GROUPS_MAX]; /* files and directories that have operations */
    size_t groups;
} crash_menu;

struct crash_explorer {
    const trace *t;
    const disk_image *start;
    uint64_t seed;
    crash_limits limits;
    const uint64_t *promises;
    crash_model *model;   /* of crash_next() */
    crash_model *sought;  /* of crash_seek(), made on demand */
    crash_menu menu;
    uint64_t next_variant;
    bool begun;
    fate *fates;
    size_t fates_capacity;
    disk_image *image;    /* of the state handed out last */
    seen *table;
    uint64_t slots, used; /* slots: a power of two */
    crash_counters counters;
};

const char *crash_family_text(crash_family family)
{
    static const char *const texts[] = {
#define FAMILY_TEXT(name, text) text,
        CRASH_FAMILIES(FAMILY_TEXT)
#undef FAMILY_TEXT
    };
    return (unsigned)family < CRASH_FAMILY_COUNT ? texts[family] : "unknown";
}

void crash_limits_init(crash_limits *limits)
{
    *limits = (crash_limits){ .first_point = 0, .last_point = UINT64_MAX, .subset_operations = 4, .torn_sectors = 3,
                              .prefixes = 16, .dropped = 16, .kept = 16, .files = 8, .torn = 24, .garbage = 8,
                              .zeroed = 8, .sizes = 12, .renames = 8, .random = 16, .garbage_sectors = true };
}

/* ---- Distinct images ------------------------------------------------------------------------------------- */

static seen *table_find(const crash_explorer *e, uint64_t digest)
{
    for (uint64_t i = digest & (e->slots - 1);; i = (i + 1) & (e->slots - 1))
        if (e->table[i].digest == digest || e->table[i].digest == 0)
            return &e->table[i];
}

/* The word for a digest, made when it is new. Pointers into the table last until the next call. */
static seen *table_get(crash_explorer *e, uint64_t digest)
{
    digest = digest ? digest : 1;
    if (2 * e->used >= e->slots) {
        seen *old = e->table;
        uint64_t old_slots = e->slots;
        e->slots = old_slots ? 2 * old_slots : 4096;
        e->table = fatal_alloc_zeroed(e->slots * sizeof *e->table);
        for (uint64_t i = 0; i < old_slots; i++)
            if (old[i].digest)
                *table_find(e, old[i].digest) = old[i];
        free(old);
    }
    seen *slot = table_find(e, digest);
    if (!slot->digest) {
        slot->digest = digest;
        e->used++;
    }
    return slot;
}

/* ---- Candidates ------------------------------------------------------------------------------------------ */

static uint64_t all_masks(uint32_t bits)
{
    return ((uint64_t)1 << bits) - 2; /* without none and all */
}

static uint64_t torn_patterns(const crash_explorer *e, const pending *op)
{
    if (op->type == PENDING_GROW)
        return 1;
    uint32_t sectors = op->type == PENDING_WRITE ? pending_sectors(op) : 0;
    if (sectors < 2)
        return 0;
    return sectors <= e->limits.torn_sectors ? all_masks(sectors) : TORN_PATTERNS;
}

/* Candidates of a family that belong to one operation. */
static uint64_t own_candidates(const crash_explorer *e, crash_family family, const pending *op)
{
    bool extends = op->type == PENDING_WRITE && op->offset + op->bytes > op->size_before;
    switch (family) {
    case CRASH_TORN: return torn_patterns(e, op) * SURROUNDINGS;
    case CRASH_GARBAGE:
    case CRASH_ZEROED: return op->type == PENDING_WRITE ? (uint64_t)pending_sectors(op) * SURROUNDINGS : 0;
    case CRASH_SIZE: return extends || op->type == PENDING_GROW ? SIZE_PATTERNS * SURROUNDINGS : 0;
    case CRASH_RENAME:
        return op->type == PENDING_NAME && op->call->op == TRACE_RENAME
                   ? (uint64_t)(e->limits.rename_neither ? RENAME_PATTERNS : 1) * SURROUNDINGS
                   : 0;
    default: return 0;
    }
}

static uint64_t group_of(const pending *op)
{
    return op->type == PENDING_NAME ? (uint64_t)op->call->directory << 1 | 1 : (uint64_t)op->node << 1;
}

static void find_groups(crash_menu *menu, const pending *list, size_t n)
{
    menu->groups = 0;
    for (size_t i = n; i-- > 0 && menu->groups < GROUPS_MAX;) {
        size_t g = 0;
        while (g < menu->groups && menu->group[g] != group_of(&list[i]))
            g++;
        if (g == menu->groups)
            menu->group[menu->groups++] = group_of(&list[i]);
    }
}

static uint64_t family_limit(const crash_limits *limits, crash_family family)
{
    switch (family) {
    case CRASH_ALL_KEPT:
    case CRASH_ALL_DROPPED: return 1;
    case CRASH_SUBSET: return UINT64_MAX;
    case CRASH_PREFIX: return limits->prefixes;
    case CRASH_ONE_DROPPED: return limits->dropped;
    case CRASH_ONE_KEPT: return limits->kept;
    case CRASH_FILE_KEPT:
    case CRASH_FILE_DROPPED: return limits->files;
    case CRASH_TORN: return limits->torn;
    case CRASH_GARBAGE: return limits->garbage_sectors ? limits->garbage : 0;
    case CRASH_ZEROED: return limits->zeroed;
    case CRASH_SIZE: return limits->sizes;
    case CRASH_RENAME: return limits->renames;
    case CRASH_RANDOM: return limits->random;
    case CRASH_FAMILY_COUNT: break;
    }
    return 0;
}

static void menu_make(const crash_explorer *e, const crash_model *model, crash_menu *menu)
{
    size_t n;
    const pending *list = crash_model_pending(model, &n);
    uint64_t *c = menu->candidates;
    bool exhaustive = n >= 2 && n <= e->limits.subset_operations;
    memset(menu, 0, sizeof *menu);
    c[CRASH_ALL_KEPT] = 1;
    c[CRASH_ALL_DROPPED] = n > 0;
    if (exhaustive)
        c[CRASH_SUBSET] = all_masks((uint32_t)n);
    else if (n >= 2) {
        find_groups(menu, list, n);
        c[CRASH_PREFIX] = c[CRASH_ONE_DROPPED] = c[CRASH_ONE_KEPT] = n - 1;
        c[CRASH_FILE_KEPT] = c[CRASH_FILE_DROPPED] = menu->groups > 1 ? menu->groups : 0;
    }
    for (size_t i = 0; i < n; i++)
        for (crash_family f = CRASH_TORN; f <= CRASH_RENAME; f++)
            c[f] += own_candidates(e, f, &list[i]);
    c[CRASH_RANDOM] = n ? e->limits.random : 0;
    for (crash_family f = 0; f < CRASH_FAMILY_COUNT; f++) {
        uint64_t limit = family_limit(&e->limits, f);
        menu->count[f] = c[f] < limit ? c[f] : limit;
        menu->total += menu->count[f];
    }
}

/* The candidate that the jth variant of a family stands for. */
static uint64_t pick(uint64_t candidates, uint64_t count, uint64_t j, uint64_t seed)
{
    uint64_t newest = (count + 1) / 2, strata = count - newest;
    if (candidates <= count || j < newest)
        return j;
    uint64_t rest = candidates - newest, k = j - newest;
    uint64_t from = rest * k / strata, to = rest * (k + 1) / strata;
    return newest + from + random_mix(seed + j) % (to > from ? to - from : 1);
}

/* ---- Fates ----------------------------------------------------------------------------------------------- */

static void fates_fill(fate *fates, size_t from, size_t to, fate_kind kind)
{
    for (size_t i = from; i < to; i++)
        fates[i] = (fate){ .kind = kind };
}

/* Keeps operation i and, for a name, all that must come before it. */
static void keep_with_needed(const pending *list, fate *fates, size_t i)
{
    fates[i].kind = FATE_KEEP;
    for (int k = 0; k < 2; k++)
        if (list[i].after[k] != PENDING_NONE && fates[list[i].after[k]].kind == FATE_DROP)
            keep_with_needed(list, fates, list[i].after[k]);
}

static fate torn_fate(const crash_explorer *e, const pending *op, uint64_t pattern, uint64_t seed)
{
    fate f = { .kind = FATE_SECTORS, .mode = SECTORS_RANGE };
    if (op->type != PENDING_WRITE)
        return f;
    uint32_t n = pending_sectors(op), one = (uint32_t)(random_mix(seed) % n);
    if (n <= e->limits.torn_sectors) {
        f.mode = SECTORS_MASK;
        f.bits = pattern + 1;
        return f;
    }
    const struct {
        fate_sectors mode;
        uint32_t from, to;
    } patterns[TORN_PATTERNS] = { { SECTORS_RANGE, 0, n / 2 },      { SECTORS_RANGE, n / 2, n },
                                  { SECTORS_RANGE, 0, 1 },          { SECTORS_RANGE, n - 1, n },
                                  { SECTORS_EXCEPT, 0, 1 },         { SECTORS_EXCEPT, n - 1, n },
                                  { SECTORS_RANGE, one, one + 1 },  { SECTORS_EXCEPT, one, one + 1 } };
    f.mode = patterns[pattern].mode;
    f.from = patterns[pattern].from;
    f.to = patterns[pattern].to;
    return f;
}

static fate own_fate(const crash_explorer *e, crash_family family, const pending *op, uint64_t pattern, uint64_t seed)
{
    static const fate_kind sizes[] = { FATE_SIZE_ZEROS, FATE_DATA_ONLY, FATE_SIZE_GARBAGE };
    fate f = { .kind = FATE_KEEP, .bits = seed };
    switch (family) {
    case CRASH_TORN: return torn_fate(e, op, pattern, seed);
    case CRASH_GARBAGE:
    case CRASH_ZEROED:
        f.kind = family == CRASH_GARBAGE ? FATE_GARBAGE : FATE_ZEROS;
        f.from = (uint32_t)pattern;
        break;
    case CRASH_SIZE:
        f.kind = sizes[pattern];
        if (f.kind == FATE_SIZE_GARBAGE && !e->limits.garbage_sectors)
            f.kind = FATE_SIZE_ZEROS;
        if (f.kind == FATE_DATA_ONLY && op->type == PENDING_GROW)
            f.kind = FATE_DROP;
        break;
    case CRASH_RENAME: f.kind = pattern ? FATE_NO_NAME : FATE_BOTH_NAMES; break;
    default: break;
    }
    return f;
}

/* One operation with a fate of its own: candidate c counts patterns and surroundings, newest operation first. */
static void choose_own(const crash_explorer *e, crash_family family, const pending *list, size_t n, uint64_t c,
                       fate *fates)
{
    size_t i = n;
    uint64_t here = 0;
    while (i > 0 && c >= (here = own_candidates(e, family, &list[i - 1]))) {
        c -= here;
        i--;
    }
    if (i-- == 0)
        fatal("a crash variant without an operation");
    surrounding around = (surrounding)(c % SURROUNDINGS);
    fates_fill(fates, 0, i, around == OTHERS_DROPPED ? FATE_DROP : FATE_KEEP);
    fates_fill(fates, i, n, around == OTHERS_KEPT ? FATE_KEEP : FATE_DROP);
    if (list[i].type == PENDING_NAME)
        keep_with_needed(list, fates, i);
    /* by the operation alone: the same garbage in all surroundings, so that equal states are seen to be equal */
    fates[i] = own_fate(e, family, &list[i], c / SURROUNDINGS, random_mix(e->seed ^ random_mix(list[i].entry)));
}

static fate random_fate(const crash_explorer *e, const pending *op, random_stream *random, uint64_t keep_of_16)
{
    fate f = { .kind = random_below(random, 16) < keep_of_16 ? FATE_KEEP : FATE_DROP, .bits = random_next(random) };
    uint64_t what = random_below(random, 32);
    if (op->type == PENDING_WRITE && what < 3 && pending_sectors(op) > 1) {
        f.kind = FATE_SECTORS;
        f.mode = SECTORS_COIN;
        f.full_size = what == 0;
    } else if (op->type == PENDING_WRITE && what < 5) {
        f.kind = what == 3 && e->limits.garbage_sectors ? FATE_GARBAGE : FATE_ZEROS;
        f.from = (uint32_t)random_below(random, pending_sectors(op));
    } else if (op->type == PENDING_WRITE && what < 6)
        f.kind = FATE_SIZE_ZEROS;
    else if (op->type == PENDING_NAME && op->call->op == TRACE_RENAME && what < 4)
        f.kind = FATE_BOTH_NAMES;
    return f;
}

/* Two kinds of chance: each operation by itself, or each file up to a chosen place. */
static void choose_random(const crash_explorer *e, const pending *list, size_t n, uint64_t seed, fate *fates)
{
    static const uint64_t keep_of_16[] = { 4, 8, 12, 15 };
    random_stream random = random_open(seed, 1);
    bool by_file = random_chance(&random, 2);
    uint64_t keep = keep_of_16[random_below(&random, 4)], salt = random_next(&random);
    for (size_t i = 0; i < n; i++) {
        if (by_file) {
            uint64_t place = random_mix(salt + group_of(&list[i])) % (n + n / 2 + 1); /* a third keep all */
            fates[i] = (fate){ .kind = i < place ? FATE_KEEP : FATE_DROP };
        } else
            fates[i] = random_fate(e, &list[i], &random, keep);
    }
}

static void choose_plain(crash_family family, const crash_menu *menu, const pending *list, size_t n, uint64_t c,
                         fate *fates)
{
    fates_fill(fates, 0, n, family == CRASH_ALL_KEPT || family == CRASH_ONE_DROPPED ? FATE_KEEP : FATE_DROP);
    switch (family) {
    case CRASH_SUBSET:
        for (size_t i = 0; i < n; i++)
            fates[i].kind = (c + 1) >> i & 1 ? FATE_KEEP : FATE_DROP;
        break;
    case CRASH_PREFIX: fates_fill(fates, 0, n - 1 - c, FATE_KEEP); break;
    case CRASH_ONE_DROPPED: fates[n - 2 - c].kind = FATE_DROP; break;
    case CRASH_ONE_KEPT: keep_with_needed(list, fates, n - 1 - c); break;
    case CRASH_FILE_KEPT:
    case CRASH_FILE_DROPPED:
        for (size_t i = 0; i < n; i++)
            if ((group_of(&list[i]) == menu->group[c]) == (family == CRASH_FILE_KEPT))
                fates[i].kind = FATE_KEEP;
        break;
    default: break;
    }
}

/* Fills e->fates for a variant at the model's point and builds its image. False: no such variant. */
static bool build(crash_explorer *e, crash_model *model, const crash_menu *menu, uint64_t variant, crash_state *state)
{
    size_t n;
    const pending *list = crash_model_pending(model, &n);
    crash_family family = 0;
    uint64_t j = variant, point = crash_model_point(model);
    if (variant >= menu->total)
        return false;
    while (j >= menu->count[family])
        j -= menu->count[family++];
    if (n > e->fates_capacity) {
        e->fates_capacity = 2 * n;
        e->fates = fatal_realloc(e->fates, e->fates_capacity * sizeof e->fates[0]);
    }
    uint64_t seed = random_mix(random_mix(e->seed + point * 0x9e3779b97f4a7c15u) + variant);
    uint64_t stratum_seed = random_mix(random_mix(e->seed ^ 0x73747261u) + point * CRASH_FAMILY_COUNT + family);
    uint64_t c = pick(menu->candidates[family], menu->count[family], j, stratum_seed);
    if (family >= CRASH_TORN && family <= CRASH_RENAME)
        choose_own(e, family, list, n, c, e->fates);
    else if (family == CRASH_RANDOM)
        choose_random(e, list, n, seed, e->fates);
    else
        choose_plain(family, menu, list, n, c, e->fates);
    disk_image_unref(e->image);
    e->image = crash_model_build(model, e->fates);
    *state = (crash_state){ .point = point, .variant = variant, .family = family, .image = e->image,
                            .digest = disk_image_digest(e->image), .promise = e->promises ? e->promises[point] : 0 };
    return true;
}

static crash_model *model_open(const crash_explorer *e)
{
    crash_model *model = crash_model_open(e->t, e->start, e->limits.lying_sync);
    if (e->limits.sync_names)
        crash_model_sync_names(model);
    return model;
}

/* ---- The explorer ---------------------------------------------------------------------------------------- */

crash_explorer *crash_open(const trace *t, const disk_image *start, uint64_t seed, const crash_limits *limits,
                           const uint64_t *promises)
{
    crash_explorer *e = fatal_alloc_zeroed(sizeof *e);
    e->t = t;
    e->start = start;
    e->seed = seed;
    e->promises = promises;
    if (limits)
        e->limits = *limits;
    else
        crash_limits_init(&e->limits);
    if (e->limits.subset_operations > 16 || e->limits.torn_sectors > 12)
        fatal("crash limits: subset_operations is at most 16 and torn_sectors at most 12");
    if (e->limits.first_point < trace_start(t)) /* before it there was no run */
        e->limits.first_point = trace_start(t);
    if (e->limits.last_point > trace_length(t))
        e->limits.last_point = trace_length(t);
    e->model = model_open(e);
    return e;
}

void crash_close(crash_explorer *e)
{
    if (!e)
        return;
    crash_model_close(e->model);
    crash_model_close(e->sought);
    disk_image_unref(e->image);
    free(e->fates);
    free(e->table);
    free(e);
}

/* To the next point to be visited; false at the end. */
static bool next_point(crash_explorer *e)
{
    uint64_t goal = e->begun ? crash_model_point(e->model) + 1 : e->limits.first_point;
    if (goal > e->limits.last_point)
        return false;
    e->begun = true;
    while (crash_model_point(e->model) < goal)
        crash_model_advance(e->model);
    menu_make(e, e->model, &e->menu);
    e->next_variant = 0;
    e->counters.points++;
    return true;
}

bool crash_next(crash_explorer *e, crash_state *state)
{
    for (;;) {
        while (!e->begun || e->next_variant >= e->menu.total)
            if (!next_point(e))
                return false;
        build(e, e->model, &e->menu, e->next_variant++, state);
        e->counters.variants++;
        seen *slot = table_get(e, state->digest);
        if (slot->promise == state->promise + 1)
            continue;
        state->repeated = slot->promise != 0;
        slot->promise = state->promise + 1;
        state->memo = &slot->memo;
        e->counters.images += !state->repeated;
        e->counters.states++;
        e->counters.family_states[state->family]++;
        return true;
    }
}

static crash_model *model_at(crash_explorer *e, uint64_t point)
{
    if (point > trace_length(e->t))
        return NULL;
    if (e->begun && crash_model_point(e->model) == point)
        return e->model;
    if (e->sought && crash_model_point(e->sought) > point) {
        crash_model_close(e->sought);
        e->sought = NULL;
    }
    if (!e->sought)
        e->sought = model_open(e);
    while (crash_model_point(e->sought) < point)
        crash_model_advance(e->sought);
    return e->sought;
}

bool crash_seek(crash_explorer *e, uint64_t point, uint64_t variant, crash_state *state)
{
    crash_menu menu;
    crash_model *model = model_at(e, point);
    if (!model)
        return false;
    menu_make(e, model, &menu);
    if (!build(e, model, &menu, variant, state))
        return false;
    seen *slot = table_get(e, state->digest);
    state->repeated = slot->promise != 0;
    state->memo = &slot->memo;
    return true;
}

crash_model *crash_seek_fates(crash_explorer *e, uint64_t point, uint64_t variant, crash_state *state, fate **fates,
                              size_t *count)
{
    crash_model *model = model_at(e, point);
    if (!model || !crash_seek(e, point, variant, state))
        return NULL;
    crash_model_pending(model, count);
    *fates = e->fates;
    return model;
}

/* Adds to a text as snprintf() would have it in one call. */
static void text_add(char *text, size_t capacity, int *used, const char *piece)
{
    size_t at = (size_t)*used, room = text && at < capacity ? capacity - at : 0;
    *used += snprintf(room ? text + at : NULL, room, "%s", piece);
}

int crash_describe(crash_explorer *e, const crash_state *state, char *text, size_t capacity)
{
    char piece[1024];
    int used = 0;
    size_t n;
    crash_menu menu;
    crash_state again;
    crash_model *model = model_at(e, state->point);
    if (!model)
        return 0;
    const disk_image *handed_out = e->image;
    e->image = NULL; /* the caller may still look at it */
    menu_make(e, model, &menu);
    bool known = build(e, model, &menu, state->variant, &again);
    disk_image_unref(e->image);
    e->image = (disk_image *)(uintptr_t)handed_out;
    if (!known)
        return 0;
    const pending *list = crash_model_pending(model, &n);
    snprintf(piece, sizeof piece, "crash at point %llu variant %llu: %s; %zu unsynced operations\n",
             (unsigned long long)state->point, (unsigned long long)state->variant, crash_family_text(again.family),
             n);
    text_add(text, capacity, &used, piece);
    for (size_t i = 0; i < n; i++) {
        text_add(text, capacity, &used, "  ");
        trace_describe(e->t, list[i].entry, piece, sizeof piece);
        text_add(text, capacity, &used, piece);
        text_add(text, capacity, &used, ": ");
        fate_describe(&e->fates[i], &list[i], piece, sizeof piece);
        text_add(text, capacity, &used, piece);
        text_add(text, capacity, &used, "\n");
    }
    return used;
}

void crash_count(const crash_explorer *e, crash_counters *counters)
{
    *counters = e->counters;
}
