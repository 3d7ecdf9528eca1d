/*
 * crash_explorer_test.c - the explorer of states after a crash: against brute force, and over long runs.
 *
 * Invariants checked: small traces give the states that another implementation of the model gives; each comes once
 * a promise class; a key builds the same state again; two runs are equal, on any build (a golden digest).
 */
#include "check_main.h"

#include "crash_run_test.h"
#include "random.h"

/* ---- Against brute force --------------------------------------------------------------------------------- */

/* Another implementation of the plain model: files as letters, operations as small records, every subset. */
enum { FILES = 12, NAMES = 3, SECTORS = 4, OPS_MAX = 24, PENDING_MAX = 9 };

typedef struct ref_state {
    char data[FILES][SECTORS + 1];
    int name[NAMES]; /* file, -1: none */
} ref_state;

typedef struct ref_op {
    enum { REF_WRITE, REF_TRUNCATE, REF_CREATE, REF_UNLINK, REF_RENAME } what;
    int file, sector, name, to;
    char letter;
} ref_op;

static void ref_apply(ref_state *s, const ref_op *op)
{
    char *data = s->data[op->file];
    size_t size = strlen(data);
    switch (op->what) {
    case REF_WRITE:
        for (; size <= (size_t)op->sector; size++)
            data[size] = '.';
        data[op->sector] = op->letter;
        break;
    case REF_TRUNCATE:
        while (size < (size_t)op->sector)
            data[size++] = '.';
        memset(data + op->sector, 0, (size_t)(SECTORS + 1 - op->sector));
        break;
    case REF_CREATE: s->name[op->name] = op->file; break;
    case REF_UNLINK: s->name[op->name] = -1; break;
    case REF_RENAME:
        s->name[op->to] = op->file;
        s->name[op->name] = -1;
        break;
    }
}

static bool ref_is_name(const ref_op *op)
{
    return op->what >= REF_CREATE;
}

static bool ref_share_entry(const ref_op *a, const ref_op *b)
{
    int a_to = a->what == REF_RENAME ? a->to : a->name, b_to = b->what == REF_RENAME ? b->to : b->name;
    return ref_is_name(a) && ref_is_name(b) &&
           (a->name == b->name || a->name == b_to || a_to == b->name || a_to == b_to);
}

static void ref_text(const ref_state *s, char text[TEXT_MAX])
{
    text[0] = 0;
    for (int n = 0; n < NAMES; n++) {
        char piece[32];
        bool linked = false;
        for (int m = 0; m < n; m++)
            linked |= s->name[m] >= 0 && s->name[m] == s->name[n];
        if (s->name[n] < 0)
            continue;
        snprintf(piece, sizeof piece, "%s%c:%s%s", text[0] ? " " : "", 'a' + n, linked ? "=" : "",
                 s->data[s->name[n]]);
        text_add(text, piece);
    }
}

static void ref_enumerate(const ref_state *durable, const ref_op *ops, int n, text_set *set)
{
    for (unsigned mask = 0; mask < 1u << n; mask++) {
        bool legal = true;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < i; j++)
                legal &= !((mask >> i & 1) && !(mask >> j & 1) && ref_share_entry(&ops[i], &ops[j]));
        if (!legal)
            continue;
        ref_state s = *durable;
        char text[TEXT_MAX];
        for (int i = 0; i < n; i++)
            if (mask >> i & 1)
                ref_apply(&s, &ops[i]);
        ref_text(&s, text);
        set_add(set, text);
    }
}

struct ref_run {
    ref_state now, durable;
    ref_op pending[OPS_MAX + 1];
    int n, files;
};

static void ref_pend(struct ref_run *ref, ref_op op)
{
    ref_apply(&ref->now, &op);
    ref->pending[ref->n++] = op;
}

static void ref_sync(struct ref_run *ref, int file) /* -1: the directory */
{
    int to = 0;
    for (int i = 0; i < ref->n; i++) {
        const ref_op *op = &ref->pending[i];
        if (file < 0 ? ref_is_name(op) : !ref_is_name(op) && op->file == file)
            ref_apply(&ref->durable, op);
        else
            ref->pending[to++] = *op;
    }
    ref->n = to;
}

/* One random operation on both; false when it did nothing. */
static bool ref_step(struct ref_run *ref, run *r, random_stream *random)
{
    static const char *const names[] = { "a", "b", "c" };
    int name = (int)random_below(random, NAMES), to = (int)random_below(random, NAMES), file = ref->now.name[name];
    int sector = (int)random_below(random, SECTORS);
    char letter = (char)('A' + random_below(random, 26));
    uint64_t what = random_below(random, ref->n >= PENDING_MAX ? 2 : 12);
    if (what == 0) {
        sync_dir(r, "/");
        ref_sync(ref, -1);
    } else if (file < 0) {
        if (what == 1 || ref->files == FILES)
            return false;
        create(r, names[name]);
        ref_pend(ref, (ref_op){ .what = REF_CREATE, .file = ref->files++, .name = name });
    } else if (what == 1) {
        sync_file(r, names[name]);
        ref_sync(ref, file);
    } else if (what < 8) {
        put(r, names[name], (uint64_t)sector, letter);
        ref_pend(ref, (ref_op){ .what = REF_WRITE, .file = file, .sector = sector, .letter = letter });
    } else if (what == 8) {
        truncate_file(r, names[name], (uint64_t)sector);
        ref_pend(ref, (ref_op){ .what = REF_TRUNCATE, .file = file, .sector = sector });
    } else if (what == 9) {
        unlink_file(r, names[name]);
        ref_pend(ref, (ref_op){ .what = REF_UNLINK, .file = file, .name = name });
    } else if (to != name) {
        rename_file(r, names[name], names[to]);
        ref_pend(ref, (ref_op){ .what = REF_RENAME, .file = file, .name = name, .to = to });
    } else
        return false;
    return true;
}

START_TEST(crash__small_traces_give_exactly_the_states_of_brute_force)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        random_stream random = random_open(seed, 3);
        run r = run_begin(disk_image_create());
        struct ref_run ref = { .now.name = { -1, -1, -1 }, .durable.name = { -1, -1, -1 } };
        text_set *wanted = calloc(OPS_MAX + 1, sizeof *wanted);
        for (int step = 0; step < OPS_MAX; step++) {
            if (!ref_step(&ref, &r, &random))
                continue;
            uint64_t point = trace_length(r.t);
            ck_assert_uint_le(point, OPS_MAX);
            ref_enumerate(&ref.durable, ref.pending, ref.n, &wanted[point]);
        }
        for (uint64_t point = 1; point <= trace_length(r.t); point++) {
            char what[64];
            text_set *found = states_at(&r, point, plain_limits());
            snprintf(what, sizeof what, "seed %llu point %llu", (unsigned long long)seed, (unsigned long long)point);
            sets_equal(found, &wanted[point], what);
            free(found);
        }
        free(wanted);
        run_end(&r);
    }
}
END_TEST

/* ---- The explorer ---------------------------------------------------------------------------------------- */

/* A run with everything in it; deterministic. */
static run busy_run(uint64_t seed)
{
    random_stream random = random_open(seed, 4);
    run r = run_begin(with_file(NULL, "p", "PPPPPPPP"));
    make_dir(&r, "d");
    for (int i = 0; i < 120; i++) {
        char path[16], other[16], letters[20] = "";
        if (i == 20)
            sync_dir(&r, "/"); /* until then all of it may lose its directory */
        snprintf(path, sizeof path, "d/%c", (char)('a' + random_below(&random, 4)));
        snprintf(other, sizeof other, "d/%c", (char)('a' + random_below(&random, 4)));
        size_t length = random_below(&random, 18) + 1;
        for (size_t n = 0; n < length; n++)
            letters[n] = (char)('A' + random_below(&random, 26));
        switch (random_below(&random, 10)) {
        case 0: sync_dir(&r, "d"); break;
        case 1: sync_file(&r, path); break;
        case 2:
            create(&r, path);
            if (strcmp(path, other))
                rename_file(&r, path, other);
            break;
        case 3: preallocate(&r, path, 30); break;
        case 4: at_path(&r, path, act_lose, 0, 0); break;
        default:
            create(&r, path);
            put_wide(&r, path, random_below(&random, 20), letters);
        }
    }
    return r;
}

typedef struct pass {
    crash_counters counters;
    uint64_t digest; /* of all states in order */
} pass;

static pass explore(const run *r, uint64_t seed, const crash_limits *limits, const uint64_t *promises)
{
    pass p = { .digest = 0 };
    crash_state state;
    crash_explorer *e = crash_open(r->t, r->start, seed, limits, promises);
    while (crash_next(e, &state))
        p.digest = random_mix(p.digest * 31 + state.digest + state.point + state.variant);
    crash_count(e, &p.counters);
    crash_close(e);
    return p;
}

START_TEST(crash__two_explorations_are_equal_and_so_on_every_build)
{
    run a = busy_run(5), b = busy_run(5);
    pass p = explore(&a, 9, NULL, NULL), q = explore(&b, 9, NULL, NULL), other = explore(&a, 10, NULL, NULL);
    ck_assert_uint_eq(p.digest, q.digest);
    ck_assert_uint_ne(p.digest, other.digest);
    ck_assert_uint_gt(p.counters.images, 1000);
    ck_assert_uint_eq(p.counters.points, trace_length(a.t) + 1);
    for (crash_family f = 0; f < CRASH_FAMILY_COUNT; f++)
        if (f != CRASH_ALL_DROPPED) /* always seen before: as all kept, or as the newest sync's file kept */
        ck_assert_msg(p.counters.family_states[f] > 0, "no state of family %s", crash_family_text(f));
    ck_assert_msg(p.digest == UINT64_C(0xc06caaf09670dea9), "digest %#llx", (unsigned long long)p.digest);
    run_end(&a);
    run_end(&b);
}
END_TEST

START_TEST(crash__a_key_builds_the_same_state_again_and_says_what_it_is)
{
    run r = busy_run(6);
    crash_state state, again;
    crash_explorer *e = crash_open(r.t, r.start, 1, NULL, NULL), *fresh = crash_open(r.t, r.start, 1, NULL, NULL);
    char text[16384];
    uint64_t checked = 0;
    while (crash_next(e, &state)) {
        if (random_mix(state.digest) % 50)
            continue;
        uint64_t digest = state.digest;
        ck_assert(crash_seek(fresh, state.point, state.variant, &again));
        ck_assert_uint_eq(again.digest, digest);
        ck_assert_int_eq(again.family, state.family);
        ck_assert_int_gt(crash_describe(e, &state, text, sizeof text), 0);
        ck_assert(strstr(text, crash_family_text(state.family)));
        ck_assert_uint_eq(disk_image_digest(state.image), digest); /* describing it did not take it away */
        checked++;
    }
    ck_assert_uint_gt(checked, 20);
    ck_assert(!crash_seek(fresh, 3, 1000000, &again));
    ck_assert(!crash_seek(fresh, trace_length(r.t) + 1, 0, &again));
    crash_close(e);
    crash_close(fresh);
    run_end(&r);
}
END_TEST

START_TEST(crash__an_image_comes_once_a_promise_class_with_one_memo)
{
    run r = run_begin(with_file(NULL, "f", ".."));
    put(&r, "f", 0, 'A');
    put(&r, "f", 1, 'B');
    sync_file(&r, "f");
    const uint64_t promises[] = { 0, 0, 0, 5 };
    crash_limits limits = plain_limits();
    crash_state state;
    crash_explorer *e = crash_open(r.t, r.start, 1, &limits, promises);
    unsigned states = 0, repeated = 0;
    char text[TEXT_MAX];
    while (crash_next(e, &state)) {
        image_text(state.image, text);
        states++;
        if (!state.repeated)
            *state.memo = states;
        else {
            repeated++;
            ck_assert_str_eq(text, "f:AB");
            ck_assert_uint_gt(*state.memo, 0);
            ck_assert_uint_eq(state.promise, 5);
        }
    }
    crash_close(e);
    ck_assert_uint_eq(states, 5); /* four images, one of them twice */
    ck_assert_uint_eq(repeated, 1);
    run_end(&r);
}
END_TEST

START_TEST(crash__pieces_of_the_trace_together_give_what_one_pass_gives)
{
    run r = busy_run(8);
    crash_limits limits;
    crash_limits_init(&limits);
    uint64_t length = trace_length(r.t), variants = 0;
    pass whole = explore(&r, 2, &limits, NULL);
    for (uint64_t from = 0; from <= length; from += length / 3 + 1) {
        limits.first_point = from;
        limits.last_point = from + length / 3;
        variants += explore(&r, 2, &limits, NULL).counters.variants;
    }
    ck_assert_uint_eq(variants, whole.counters.variants);
    run_end(&r);
}
END_TEST

START_TEST(crash__a_recovery_is_traced_and_crashed_again)
{
    run r = run_begin(with_file(NULL, "f", ".."));
    put(&r, "f", 0, 'A');
    crash_state state;
    crash_limits limits = plain_limits();
    crash_explorer *e = crash_open(r.t, r.start, 1, &limits, NULL);
    text_set *set = calloc(1, sizeof *set);
    while (crash_next(e, &state)) {
        run recovery = run_begin(disk_image_fork(state.image));
        put(&recovery, "f", 1, 'R');
        crash_state second;
        crash_explorer *inner = crash_open(recovery.t, recovery.start, 1, &limits, NULL);
        char text[TEXT_MAX];
        while (crash_next(inner, &second)) {
            image_text(second.image, text);
            set_add(set, text);
        }
        crash_close(inner);
        run_end(&recovery);
    }
    ck_assert_uint_eq(set->count, 4); /* "..", "A.", ".R", "AR" */
    free(set);
    crash_close(e);
    run_end(&r);
}
END_TEST
LEVIN_TEST_MAIN("crash_explorer", TEST(crash__small_traces_give_exactly_the_states_of_brute_force),
                TEST(crash__two_explorations_are_equal_and_so_on_every_build),
                TEST(crash__a_key_builds_the_same_state_again_and_says_what_it_is),
                TEST(crash__an_image_comes_once_a_promise_class_with_one_memo),
                TEST(crash__pieces_of_the_trace_together_give_what_one_pass_gives),
                TEST(crash__a_recovery_is_traced_and_crashed_again))
