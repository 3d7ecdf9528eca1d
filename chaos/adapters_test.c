/*
 * adapters_test.c - the contract of store.h, for every adapter that is built in.
 *
 * Checked: what a store holds equals a model over seeded random batches, gets, multi-gets and scans of every shape,
 * through reopens and compactions; values of all sizes, and buffers too small for them; a batch that fails leaves
 * nothing behind; two sessions on two threads see whole batches; a directory that cannot be opened gives a text;
 * damage is told where a store can check; what a store says about itself; what is prepared for children leaves nothing
 * in the parent.
 */
#include "adapters.h"
#include "store_spec.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../faults/check_main.h"
#include "../faults/random.h"

enum { PATH_BYTES = 512, KEYS = 200, KEY_BYTES = 40, VALUE_BYTES = 300, SEED = 20 };

/* ---- directories ---- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

static void directory_make(char path[PATH_BYTES])
{
    const char *tmp = getenv("TMPDIR");
    snprintf(path, PATH_BYTES, "%s/levin-adapters-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

static void directory_remove(const char *path)
{
    ck_assert_int_eq(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- a store under test ---- */

/* What is behind the pipe; the tests run in the top directory. */
#define PIPE_COMMAND "python3 chaos/examples/store.py"

static bool is_usable(const store_adapter *a)
{
    return !a->takes_argument || system("python3 -c 'import sqlite3' 2>/dev/null") == 0;
}

typedef struct subject {
    const store_adapter *a;
    store *db;
    store_session *session;
    store_session *other; /* of the same thread, when a second one is wanted */
    const store_spec *spec; /* of a variant, or NULL */
    char directory[PATH_BYTES], path[PATH_BYTES + 16];
} subject;

static void subject_open(subject *s, bool sync)
{
    char message[STORE_MESSAGE_BYTES] = "";
    const store_config config = { .path = s->path, .create = true, .sync = sync, .cache_bytes = 4 << 20,
                                  .write_buffer_bytes = 256 << 10, .map_bytes = 64 << 20, .background = true,
                                  .argument = PIPE_COMMAND,
                                  .options = s->spec ? s->spec->option : NULL,
                                  .option_count = s->spec ? s->spec->options : 0 };
    ck_assert_msg(s->a->open(&config, &s->db, message) == STORE_OK, "%s: %s", s->a->name, message);
    ck_assert_msg(s->a->session_open(s->db, &s->session) == STORE_OK, "%s: no session", s->a->name);
}

static void other_close(subject *s)
{
    if (s->other)
        s->a->session_close(s->other);
    s->other = NULL;
}

static void subject_close(subject *s)
{
    char message[STORE_MESSAGE_BYTES] = "";
    other_close(s);
    s->a->session_close(s->session);
    ck_assert_msg(s->a->close(s->db, message) == STORE_OK, "%s: %s", s->a->name, message);
}

static void subject_begin(subject *s, const store_adapter *a, bool sync)
{
    s->a = a;
    s->other = NULL;
    directory_make(s->directory);
    snprintf(s->path, sizeof s->path, "%s/store", s->directory);
    subject_open(s, sync);
}

static void subject_end(subject *s)
{
    subject_close(s);
    directory_remove(s->directory);
}

#define STORE_CHECK(s, call)                                                                                    \
    do {                                                                                                        \
        store_result result_ = (call);                                                                          \
        ck_assert_msg(result_ == STORE_OK, "%s: %s: result %d: %s", (s)->a->name, #call, result_,               \
                      (s)->a->message((s)->session));                                                           \
    } while (0)

/* ---- the model: a fixed set of keys in order, of which some are there ---- */

typedef struct model_entry {
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    size_t key_bytes, value_bytes;
    bool there;
} model_entry;

typedef struct model {
    model_entry entry[KEYS];
    random_stream random;
    unsigned step;
} model;

static int order(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    for (size_t i = 0; i < a_bytes && i < b_bytes; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return a_bytes == b_bytes ? 0 : a_bytes < b_bytes ? -1 : 1;
}

static int by_key(const void *a, const void *b)
{
    const model_entry *x = a, *y = b;
    return order(x->key, x->key_bytes, y->key, y->key_bytes);
}

/* Keys are binary, short and alike, so that many are prefixes of others. */
static void random_key(random_stream *r, uint8_t key[KEY_BYTES], size_t *bytes)
{
    static const uint8_t alphabet[] = { 0x00, 0x01, 'a', 0x7f, 0x80, 0xff };
    *bytes = 1 + random_below(r, random_chance(r, 8) ? KEY_BYTES : 5);
    for (size_t i = 0; i < *bytes; i++)
        key[i] = alphabet[random_below(r, sizeof alphabet)];
}

static void model_make(model *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->random = random_open(seed, 0);
    for (size_t n = 0; n < KEYS;) {
        model_entry *e = &m->entry[n];
        random_key(&m->random, e->key, &e->key_bytes);
        bool fresh = true;
        for (size_t i = 0; i < n && fresh; i++)
            fresh = by_key(&m->entry[i], e) != 0;
        n += fresh;
    }
    qsort(m->entry, KEYS, sizeof m->entry[0], by_key);
}

static void step_write(subject *s, model *m)
{
    store_operation operations[40];
    static uint8_t values[40][VALUE_BYTES];
    size_t n = random_chance(&m->random, 3) ? 1 : 1 + random_below(&m->random, 40);
    for (size_t i = 0; i < n; i++) {
        model_entry *e = &m->entry[random_below(&m->random, KEYS)]; /* some twice: the later one wins */
        operations[i].key = (store_slice){ e->key, e->key_bytes };
        e->there = !random_chance(&m->random, 3);
        e->value_bytes = random_chance(&m->random, 6) ? 0 : random_below(&m->random, VALUE_BYTES);
        for (size_t b = 0; b < e->value_bytes; b++)
            values[i][b] = (uint8_t)random_next(&m->random);
        memcpy(e->value, values[i], e->value_bytes);
        operations[i].value = e->there ? (store_slice){ values[i], e->value_bytes } : (store_slice){ NULL, 0 };
    }
    if (!s->other)
        ck_assert_int_eq(s->a->session_open(s->db, &s->other), STORE_OK);
    /* what one session wrote the other changes, so that a batch that comes back is seen */
    store_session *session = random_chance(&m->random, 2) ? s->other : s->session;
    store_result result = s->a->write(session, operations, n, random_chance(&m->random, 8));
    ck_assert_msg(result == STORE_OK, "%s: write: %d: %s", s->a->name, result, s->a->message(session));
}

static void expect_get(const subject *s, const model *m, const model_entry *e, store_result result,
                       const uint8_t *buffer, size_t bytes)
{
    ck_assert_msg(result == (e->there ? STORE_OK : STORE_NOT_FOUND), "%s: seed %d step %u: get gave %d", s->a->name,
                  SEED, m->step, result);
    if (e->there)
        ck_assert_msg(bytes == e->value_bytes && memcmp(buffer, e->value, bytes) == 0,
                      "%s: seed %d step %u: a wrong value", s->a->name, SEED, m->step);
}

static void step_gets(subject *s, model *m)
{
    enum { MANY = 70 };
    static uint8_t buffers[MANY][VALUE_BYTES];
    store_get gets[MANY];
    const model_entry *asked[MANY];
    size_t n = 1 + random_below(&m->random, MANY), bytes = 0;
    for (size_t i = 0; i < n; i++) {
        const model_entry *e = asked[i] = &m->entry[random_below(&m->random, KEYS)];
        gets[i] = (store_get){ .key = { e->key, e->key_bytes }, .buffer = buffers[i], .capacity = VALUE_BYTES,
                               .result = STORE_FAILED };
    }
    if (s->a->multi_get) {
        STORE_CHECK(s, s->a->multi_get(s->session, gets, n));
        for (size_t i = 0; i < n; i++)
            expect_get(s, m, asked[i], gets[i].result, buffers[i], gets[i].bytes);
    }
    for (size_t i = 0; i < 5; i++) {
        const model_entry *e = &m->entry[random_below(&m->random, KEYS)];
        store_result result = s->a->get(s->session, (store_slice){ e->key, e->key_bytes }, buffers[0], VALUE_BYTES,
                                        &bytes);
        expect_get(s, m, e, result, buffers[0], bytes);
    }
}

/* ---- scans ---- */

typedef struct scan_state {
    const subject *s;
    const model *m;
    const store_range *range;
    int at;             /* the place in the model where the next pair is looked for */
    uint64_t seen, stop_after;
} scan_state;

static bool within(const store_range *r, const model_entry *e)
{
    int from = r->from.data ? order(e->key, e->key_bytes, r->from.data, r->from.bytes) : 0;
    int to = r->to.data ? order(e->key, e->key_bytes, r->to.data, r->to.bytes) : 0;
    if (r->from.data && (r->reverse ? from > 0 : from < 0))
        return false;
    return !r->to.data || (r->reverse ? to > 0 : to < 0);
}

/* The next pair of the model inside the range, or NULL; moves past it. */
static const model_entry *model_next(scan_state *c)
{
    while (c->at >= 0 && c->at < KEYS) {
        const model_entry *e = &c->m->entry[c->at];
        c->at += c->range->reverse ? -1 : 1;
        if (e->there && within(c->range, e))
            return e;
    }
    return NULL;
}

static bool expect_pair(void *context, store_slice key, store_slice value)
{
    scan_state *c = context;
    const model_entry *e = model_next(c);
    ck_assert_msg(e != NULL, "%s: seed %d step %u: a pair too many", c->s->a->name, SEED, c->m->step);
    ck_assert_msg(order(key.data, key.bytes, e->key, e->key_bytes) == 0 && value.data &&
                      order(value.data, value.bytes, e->value, e->value_bytes) == 0,
                  "%s: seed %d step %u: pair %llu differs", c->s->a->name, SEED, c->m->step,
                  (unsigned long long)c->seen);
    return ++c->seen != c->stop_after;
}

static store_slice random_bound(model *m, uint8_t key[KEY_BYTES])
{
    store_slice bound = { key, 0 };
    if (random_chance(&m->random, 4))
        return (store_slice){ NULL, 0 };
    if (random_chance(&m->random, 2)) {
        const model_entry *e = &m->entry[random_below(&m->random, KEYS)];
        memcpy(key, e->key, e->key_bytes);
        bound.bytes = e->key_bytes;
    } else {
        random_key(&m->random, key, &bound.bytes);
    }
    return bound;
}

static void step_scan(subject *s, model *m)
{
    uint8_t from[KEY_BYTES], to[KEY_BYTES];
    const store_range range = { .from = random_bound(m, from), .to = random_bound(m, to),
                                .reverse = random_chance(&m->random, 2),
                                .limit = random_chance(&m->random, 2) ? 0 : 1 + random_below(&m->random, 20) };
    scan_state c = { .s = s, .m = m, .range = &range, .at = range.reverse ? KEYS - 1 : 0,
                     .stop_after = random_chance(&m->random, 4) ? 1 + random_below(&m->random, 10) : UINT64_MAX };
    STORE_CHECK(s, s->a->scan(s->session, &range, expect_pair, &c));
    if (c.seen == range.limit || c.seen == c.stop_after)
        return;
    ck_assert_msg(model_next(&c) == NULL, "%s: seed %d step %u: the scan ended early (%llu pairs, %s)",
                  s->a->name, SEED, m->step, (unsigned long long)c.seen, range.reverse ? "back" : "on");
}

static void run_model(const store_adapter *a, const store_spec *spec, bool sync, unsigned steps)
{
    static subject s;
    static model m;
    s.spec = spec;
    model_make(&m, SEED);
    subject_begin(&s, a, sync);
    for (m.step = 0; m.step < steps; m.step++) {
        step_write(&s, &m);
        step_gets(&s, &m);
        step_scan(&s, &m);
        step_scan(&s, &m);
        if (m.step % 100 == 49) {
            other_close(&s);
            STORE_CHECK(&s, a->compact(s.session));
        }
        if (m.step % 60 == 59) {
            subject_close(&s);
            subject_open(&s, sync);
        }
    }
    other_close(&s);
    if (a->check)
        STORE_CHECK(&s, a->check(s.session));
    subject_end(&s);
}

START_TEST(adapters__equal_the_model)
{
    for (const store_adapter *const *a = store_adapters(); *a; a++)
        if (is_usable(*a))
            run_model(*a, NULL, false, 400);
}
END_TEST

START_TEST(adapters__equal_the_model_synced)
{
    for (const store_adapter *const *a = store_adapters(); *a; a++)
        if (is_usable(*a))
            run_model(*a, NULL, true, 150);
}
END_TEST

/* The options of a small store on top: files are switched and merged all the time. */
START_TEST(adapters__variants_equal_the_model)
{
    static const char *const plain[] = { "", NULL };
    unsigned configurations = 0;
    for (const store_adapter *const *a = store_adapters(); *a; a++)
        for (int small = 0; small < 2 && !(*a)->takes_argument; small++)
            for (const char *const *v = small ? plain : (*a)->variants; v && *v; v++) {
                char label[STORE_LABEL_BYTES], message[STORE_MESSAGE_BYTES], text[STORE_MESSAGE_BYTES] = "";
                char usual[STORE_MESSAGE_BYTES] = "";
                store_spec spec;
                snprintf(label, sizeof label, "%s:%s", (*a)->name, *v);
                ck_assert_msg(store_spec_parse(label, &spec, message), "%s: %s", label, message);
                ck_assert_msg(store_spec_add(&spec, (*a)->small_options, message), "%s: %s", label, message);
                store_config config = { .path = ".", .sync = true, .options = spec.option,
                                        .option_count = spec.options };
                (*a)->configuration(&config, text);
                config.option_count = 0;
                (*a)->configuration(&config, usual);
                if (spec.options)
                    ck_assert_msg(strcmp(text, usual) != 0, "%s does not tell its options: %s", label, text);
                run_model(*a, &spec, true, 130);
                configurations++;
            }
    ck_assert_uint_ge(configurations, 1);
}
END_TEST

/* ---- values and buffers ---- */

START_TEST(adapters__values_of_all_sizes)
{
    static const size_t sizes[] = { 0, 1, 100, 4095, 4096, 16385, 70000, 1 << 20 };
    enum { SIZES = sizeof sizes / sizeof sizes[0], MOST = 1 << 20, SMALL = 50 };
    static uint8_t value[MOST], buffer[MOST + 1];
    random_stream r = random_open(SEED, 1);
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)random_next(&r);
    for (const store_adapter *const *a = store_adapters(); *a; a++) {
        if (!is_usable(*a))
            continue;
        subject s = { .spec = NULL };
        subject_begin(&s, *a, false);
        for (size_t i = 0; i < SIZES; i++) {
            const store_operation put = { { sizes + i, sizeof sizes[0] }, { value, sizes[i] } };
            STORE_CHECK(&s, s.a->write(s.session, &put, 1, false));
        }
        for (int reopened = 0; reopened < 2; reopened++) {
            for (size_t i = 0; i < SIZES; i++) {
                const store_slice key = { sizes + i, sizeof sizes[0] };
                const size_t fits = sizes[i] < SMALL ? sizes[i] : SMALL;
                size_t bytes = 7;
                buffer[sizes[i]] = 0x5a;
                STORE_CHECK(&s, s.a->get(s.session, key, buffer, MOST, &bytes));
                ck_assert_uint_eq(bytes, sizes[i]);
                ck_assert_int_eq(memcmp(buffer, value, bytes), 0);
                ck_assert_uint_eq(buffer[sizes[i]], 0x5a);
                memset(buffer, 0x5a, SMALL + 1);
                STORE_CHECK(&s, s.a->get(s.session, key, buffer, SMALL, &bytes));
                ck_assert_uint_eq(bytes, sizes[i]);
                ck_assert_int_eq(memcmp(buffer, value, fits), 0);
                ck_assert_uint_eq(buffer[fits], 0x5a);
                store_get get = { .key = key, .buffer = buffer, .capacity = SMALL };
                if (s.a->multi_get) {
                    STORE_CHECK(&s, s.a->multi_get(s.session, &get, 1));
                    ck_assert_int_eq(get.result, STORE_OK);
                    ck_assert_uint_eq(get.bytes, sizes[i]);
                    ck_assert_int_eq(memcmp(buffer, value, fits), 0);
                }
            }
            subject_close(&s);
            subject_open(&s, false);
        }
        subject_end(&s);
    }
}
END_TEST

/* ---- batches that cannot be written ---- */

START_TEST(adapters__a_batch_is_whole_or_absent)
{
    enum { LONG = 200000 }; /* a longer key than some stores take */
    static uint8_t key[LONG];
    memset(key, 'k', sizeof key);
    for (const store_adapter *const *a = store_adapters(); *a; a++) {
        if (!is_usable(*a))
            continue;
        subject s = { .spec = NULL };
        char buffer[8];
        size_t bytes, there = 0;
        subject_begin(&s, *a, true);
        const store_operation batch[] = { { { "first", 5 }, { "1", 1 } }, { { key, LONG }, { "2", 1 } },
                                          { { "third", 5 }, { "3", 1 } } };
        const store_operation after = { { "after", 5 }, { "4", 1 } };
        store_result result = s.a->write(s.session, batch, 3, true);
        if (result != STORE_OK)
            ck_assert_msg(s.a->message(s.session)[0], "%s failed without a text", s.a->name);
        for (size_t i = 0; i < 3; i += 2)
            there += s.a->get(s.session, batch[i].key, buffer, sizeof buffer, &bytes) == STORE_OK;
        ck_assert_msg(there == (result == STORE_OK ? 2 : 0), "%s: %zu of 2 after %d", s.a->name, there, result);
        STORE_CHECK(&s, s.a->write(s.session, &after, 1, true)); /* and the session goes on */
        STORE_CHECK(&s, s.a->get(s.session, after.key, buffer, sizeof buffer, &bytes));
        subject_end(&s);
    }
}
END_TEST

/* ---- threads ---- */

enum { TOGETHER = 20, TURNS = 400 };

typedef struct turns {
    const subject *s;
    _Atomic uint64_t done; /* release: the batch of this turn has returned; acquire: a read has to see it */
    bool ok;
    pthread_barrier_t *start; /* NULL: at once */
} turns;

static void turn_key(uint8_t key[2], unsigned i)
{
    key[0] = 't';
    key[1] = (uint8_t)i;
}

/* Writes the number of the turn to all keys, in one batch. */
static void *write_turns(void *argument)
{
    turns *t = argument;
    const store_adapter *a = t->s->a;
    store_session *session = NULL;
    uint8_t keys[TOGETHER][2];
    store_operation batch[TOGETHER];
    t->ok = a->session_open(t->s->db, &session) == STORE_OK;
    if (t->start)
        pthread_barrier_wait(t->start);
    for (uint64_t turn = 1; turn <= TURNS && t->ok; turn++) {
        for (unsigned i = 0; i < TOGETHER; i++) {
            turn_key(keys[i], i);
            batch[i] = (store_operation){ { keys[i], 2 }, { &turn, sizeof turn } };
        }
        t->ok = a->write(session, batch, TOGETHER, false) == STORE_OK;
        atomic_store_explicit(&t->done, turn, memory_order_release);
    }
    atomic_store_explicit(&t->done, TURNS, memory_order_release);
    if (session)
        a->session_close(session);
    return NULL;
}

typedef struct seen_turn {
    uint64_t turn;
    unsigned pairs;
    bool torn;
} seen_turn;

static bool see_turn(void *context, store_slice key, store_slice value)
{
    seen_turn *seen = context;
    uint64_t turn = 0;
    (void)key;
    memcpy(&turn, value.data, sizeof turn);
    seen->torn = seen->torn || value.bytes != sizeof turn || (seen->pairs && turn != seen->turn);
    seen->turn = turn;
    seen->pairs++;
    return true;
}

START_TEST(adapters__two_sessions_on_two_threads_see_whole_batches)
{
    for (const store_adapter *const *a = store_adapters(); *a; a++) {
        if (!is_usable(*a))
            continue;
        subject s = { .spec = NULL };
        pthread_t writer;
        turns t = { .s = &s };
        subject_begin(&s, *a, false);
        ck_assert_int_eq(pthread_create(&writer, NULL, write_turns, &t), 0);
        uint64_t returned;
        do {
            const store_range all = { .reverse = false };
            seen_turn seen = { 0 };
            returned = atomic_load_explicit(&t.done, memory_order_acquire);
            STORE_CHECK(&s, s.a->scan(s.session, &all, see_turn, &seen));
            ck_assert_msg(!seen.torn, "%s: a scan saw half a batch", s.a->name);
            ck_assert_msg(seen.turn >= returned || !t.ok, "%s: a scan missed a batch that had returned", s.a->name);
            ck_assert_msg(seen.pairs == TOGETHER || !seen.turn, "%s: %u pairs", s.a->name, seen.pairs);
            uint64_t turn = 0;
            uint8_t key[2];
            size_t bytes;
            turn_key(key, (unsigned)(returned % TOGETHER));
            if (s.a->get(s.session, (store_slice){ key, 2 }, &turn, sizeof turn, &bytes) == STORE_OK)
                ck_assert_msg(turn >= seen.turn, "%s: a get went back", s.a->name);
        } while (returned < TURNS);
        pthread_join(writer, NULL);
        ck_assert_msg(t.ok, "%s: the writer failed", s.a->name);
        subject_end(&s);
    }
}
END_TEST

/* Writers that want the same keys at once must all get through. */
START_TEST(adapters__two_writers_on_the_same_keys_both_get_through)
{
    for (const store_adapter *const *a = store_adapters(); *a; a++) {
        if (!is_usable(*a))
            continue;
        subject s = { .spec = NULL };
        pthread_t writers[2];
        pthread_barrier_t start;
        turns t[2] = { { .s = &s, .start = &start }, { .s = &s, .start = &start } };
        seen_turn seen = { 0 };
        const store_range all = { .reverse = true };
        if (!((*a)->capabilities & STORE_CAN_WRITE_CONCURRENTLY))
            continue;
        subject_begin(&s, *a, false);
        ck_assert_int_eq(pthread_barrier_init(&start, NULL, 2), 0);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_create(&writers[i], NULL, write_turns, &t[i]), 0);
        for (int i = 0; i < 2; i++)
            pthread_join(writers[i], NULL);
        pthread_barrier_destroy(&start);
        ck_assert_msg(t[0].ok && t[1].ok, "%s: a writer failed", s.a->name);
        STORE_CHECK(&s, s.a->scan(s.session, &all, see_turn, &seen));
        ck_assert_msg(!seen.torn && seen.turn == TURNS && seen.pairs == TOGETHER, "%s: torn", s.a->name);
        subject_end(&s);
    }
}
END_TEST

/* ---- what cannot be opened ---- */

static void expect_no_open(const store_adapter *a, const char *path, bool create)
{
    char message[STORE_MESSAGE_BYTES] = "";
    store *db = NULL;
    const store_config config = { .path = path, .create = create, .sync = true, .background = true,
                                  .argument = PIPE_COMMAND };
    store_result result = a->open(&config, &db, message);
    ck_assert_msg(result != STORE_OK && !db, "%s opened %s", a->name, path);
    ck_assert_msg(message[0], "%s: no text for %s", a->name, path);
}

START_TEST(adapters__a_wrong_directory_gives_a_text)
{
    for (const store_adapter *const *a = store_adapters(); *a; a++) {
        if (!is_usable(*a))
            continue;
        char directory[PATH_BYTES], path[PATH_BYTES + 16];
        directory_make(directory);
        snprintf(path, sizeof path, "%s/absent", directory);
        expect_no_open(*a, path, false);
        snprintf(path, sizeof path, "%s/file", directory);
        FILE *file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        fclose(file);
        expect_no_open(*a, path, true);
        snprintf(path, sizeof path, "%s/file/store", directory);
        expect_no_open(*a, path, true);
        directory_remove(directory);
    }
}
END_TEST

/* ---- damage ---- */

static const char *damage_suffix;
static unsigned damaged_files;

/* Turns a byte round every 512 bytes of the files with the suffix. */
static int damage_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    size_t suffix = strlen(damage_suffix), bytes = strlen(path);
    (void)walk;
    if (type != FTW_F || bytes < suffix || strcmp(path + bytes - suffix, damage_suffix) != 0 || !status->st_size)
        return 0;
    FILE *file = fopen(path, "r+");
    ck_assert_ptr_nonnull(file);
    for (long at = 100; at < status->st_size; at += 512) {
        fseek(file, at, SEEK_SET);
        int c = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(c ^ 0xff, file);
    }
    fclose(file);
    damaged_files++;
    return 0;
}

static void fill(subject *s)
{
    static uint8_t value[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        const store_operation put = { { &i, sizeof i }, { value, sizeof value } };
        STORE_CHECK(s, s->a->write(s->session, &put, 1, false));
    }
    STORE_CHECK(s, s->a->compact(s->session));
}

START_TEST(adapters__damage_is_told)
{
    static const struct { const char *name, *suffix; } files[] = {
        { "levin", "/pages" }, { "rocksdb", ".sst" }, { "leveldb", ".ldb" }, { "wiredtiger", "/kv.wt" },
        { "sqlite", "/store.sqlite" }, { "bdb", "/store.bdb" },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        subject s = { .spec = NULL };
        char message[STORE_MESSAGE_BYTES] = "";
        const store_adapter *a = store_adapter_find(files[i].name);
        if (!a)
            continue;
        subject_begin(&s, a, false);
        fill(&s);
        STORE_CHECK(&s, a->check(s.session));
        subject_close(&s);
        damage_suffix = files[i].suffix;
        damaged_files = 0;
        nftw(s.directory, damage_entry, 16, FTW_PHYS);
        ck_assert_msg(damaged_files, "%s: no file ends in %s", a->name, files[i].suffix);
        const store_config config = { .path = s.path, .cache_bytes = 4 << 20, .background = true };
        store_result result = a->open(&config, &s.db, message);
        if (result == STORE_OK) {
            result = a->session_open(s.db, &s.session);
            if (result == STORE_OK)
                result = a->check(s.session);
            if (s.session) {
                snprintf(message, sizeof message, "%s", a->message(s.session));
                a->session_close(s.session);
            }
            a->close(s.db, (char[STORE_MESSAGE_BYTES]){ "" });
        }
        ck_assert_msg(result == STORE_DAMAGED, "%s: result %d: %s", a->name, result, message);
        ck_assert_msg(message[0], "%s: no text", a->name);
        directory_remove(s.directory);
    }
}
END_TEST

/* ---- what a store says about itself ---- */

START_TEST(adapters__say_what_they_are)
{
    unsigned built = 0, absent = 0;
    for (const store_adapter *const *a = store_adapters(); *a; a++) {
        if ((*a)->takes_argument) { /* what is behind it says that */
            built++;
            continue;
        }
        char synced[STORE_MESSAGE_BYTES] = "", unsynced[STORE_MESSAGE_BYTES] = "";
        store_config config = { .path = "x", .sync = true, .cache_bytes = 77 << 20, .background = true };
        ck_assert_uint_eq((*a)->abi, STORE_ABI);
        ck_assert_ptr_eq(store_adapter_find((*a)->name), *a);
        ck_assert_msg(strchr((*a)->version(), '.'), "%s: version %s", (*a)->name, (*a)->version());
        ck_assert_int_eq(!(*a)->multi_get, !((*a)->capabilities & STORE_CAN_MULTI_GET));
        ck_assert_int_eq(!(*a)->check, !((*a)->capabilities & STORE_CAN_CHECK));
        (*a)->configuration(&config, synced);
        config.sync = false;
        (*a)->configuration(&config, unsynced);
        ck_assert_str_ne(synced, unsynced);
        ck_assert_msg(strncmp(synced, "durability: ", 12) == 0 && strstr(synced, "; checksums: "),
                      "%s does not say how durable it is, and what has a checksum: %s", (*a)->name, synced);
        ck_assert_msg(strlen(synced) < STORE_MESSAGE_BYTES - 1, "%s: its settings are cut off: %s", (*a)->name, synced);
        ck_assert_msg((*a)->strictest, "%s does not say which of its rows is the strictest", (*a)->name);
        ck_assert_msg(strcmp((*a)->name, "lmdb") == 0 || strstr(synced, "77 MiB") || strstr(synced, "78848 KiB") ||
                          strstr(synced, "80740352"),
                      "%s does not tell its cache: %s", (*a)->name, synced);
        built++;
    }
    for (const store_absence *absence = store_absences(); absence->name; absence++) {
        ck_assert_ptr_null(store_adapter_find(absence->name));
        ck_assert(strstr(absence->package, "-dev"));
        absent++;
    }
    ck_assert_uint_eq(built + absent, 11);
}
END_TEST

static unsigned entries(const char *path)
{
    DIR *list = opendir(path);
    unsigned n = 0;
    ck_assert_ptr_nonnull(list);
    while (readdir(list))
        n++;
    closedir(list);
    return n;
}

START_TEST(adapters__what_is_prepared_leaves_no_thread_and_no_file)
{
    for (const store_adapter *const *a = store_adapters(); *a; a++) {
        if (!(*a)->prepare)
            continue;
        char directory[PATH_BYTES], before[PATH_BYTES];
        subject s = { .db = NULL };
        const unsigned threads = entries("/proc/self/task"), files = entries("/proc/self/fd");
        directory_make(directory);
        ck_assert_ptr_nonnull(getcwd(before, sizeof before));
        ck_assert_int_eq(chdir(directory), 0);
        (*a)->prepare();
        ck_assert_int_eq(chdir(before), 0);
        ck_assert_int_eq(rmdir(directory), 0);
        ck_assert_uint_eq(entries("/proc/self/task"), threads);
        ck_assert_uint_eq(entries("/proc/self/fd"), files);
        subject_begin(&s, *a, true);
        subject_end(&s);
    }
}
END_TEST

static void levin_caches(uint64_t budget, const store_option *options, size_t count, const char *wanted)
{
    char text[STORE_MESSAGE_BYTES] = "";
    const store_config config = { .path = "/nowhere", .cache_bytes = budget, .options = options,
                                  .option_count = count };
    adapter_levin.configuration(&config, text);
    ck_assert_msg(strstr(text, wanted), "no \"%s\" in: %s", wanted, text);
}

START_TEST(adapters__levins_caches_stay_within_the_budget)
{
    const store_option rows = { "row_cache_bytes", 900 << 20 }, pages = { "page_cache_bytes", 8 << 20 };
    const store_option both[] = { rows, pages }, too_much = { "row_cache_bytes", (uint64_t)1 << 30 };
    const store_option many = { "page_cache_bytes", (uint64_t)2 << 30 };
    const uint64_t budget = (uint64_t)1 << 30;
    levin_caches(budget, NULL, 0, "caches 1024 MiB (for rows 512 MiB, for pages 256 MiB, for large values 256 MiB)");
    levin_caches(budget, &rows, 1, "caches 1024 MiB (for rows 900 MiB, for pages 62 MiB, for large values 62 MiB)");
    levin_caches(budget, &pages, 1, "caches 1024 MiB (for rows 1016 MiB, for pages 8 MiB, for large values 0 MiB)");
    /* who says both means both */
    levin_caches(16 << 20, both, 2, "caches 908 MiB (for rows 900 MiB, for pages 8 MiB, for large values 0 MiB)");
    levin_caches(budget, &too_much, 1, "leaves less than 16 pages");
    levin_caches(budget, &many, 1, "is more than the budget");
    levin_caches(300 << 10, NULL, 0, "caches 300 KiB (for rows 44 KiB, for pages 256 KiB, for large values 0 KiB)");
    levin_caches(0, NULL, 0, "caches 384 MiB (for rows 64 MiB, for pages 256 MiB, for large values 64 MiB)");
}
END_TEST

START_TEST(adapters__levin_takes_its_options)
{
    char text[STORE_MESSAGE_BYTES] = "", message[STORE_MESSAGE_BYTES] = "", directory[PATH_BYTES];
    const store_option known[] = { { "commit_interval_us", 123 }, { "memtable_bytes", 333 << 10 },
                                   { "row_cache_bytes", 0 } };
    const store_option unknown = { "no_such_thing", 1 }, wild = { "page_bytes", (uint64_t)1 << 40 };
    store *db;
    directory_make(directory);
    store_config config = { .path = directory, .create = true, .cache_bytes = 20 << 20,
                            .write_buffer_bytes = 1 << 20, .background = true, .options = known, .option_count = 2 };
    adapter_levin.configuration(&config, text);
    ck_assert_msg(strstr(text, "123 us") && strstr(text, "333 KiB"), "%s", text);
    ck_assert_msg(strstr(text, "caches 20 MiB (for rows 10 MiB"), "%s", text);
    config.option_count = 3; /* without a row cache the pages have it all */
    adapter_levin.configuration(&config, text);
    ck_assert_msg(strstr(text, "caches 20 MiB (for rows 0 MiB"), "%s", text);
    ck_assert_int_eq(adapter_levin.open(&config, &db, message), STORE_OK);
    ck_assert_int_eq(adapter_levin.close(db, message), STORE_OK);
    config.option_count = 1;
    config.options = &unknown;
    ck_assert_int_eq(adapter_levin.open(&config, &db, message), STORE_FAILED);
    ck_assert_msg(strstr(message, "no_such_thing"), "%s", message);
    config.options = &wild;
    ck_assert_int_eq(adapter_levin.open(&config, &db, message), STORE_FAILED);
    directory_remove(directory);
}
END_TEST

LEVIN_TEST_MAIN("adapters", TEST(adapters__equal_the_model), TEST(adapters__equal_the_model_synced),
                TEST(adapters__variants_equal_the_model),
                TEST(adapters__values_of_all_sizes), TEST(adapters__a_batch_is_whole_or_absent),
                TEST(adapters__two_sessions_on_two_threads_see_whole_batches),
                TEST(adapters__two_writers_on_the_same_keys_both_get_through),
                TEST(adapters__a_wrong_directory_gives_a_text), TEST(adapters__damage_is_told),
                TEST(adapters__say_what_they_are), TEST(adapters__what_is_prepared_leaves_no_thread_and_no_file),
                TEST(adapters__levin_takes_its_options),
                TEST(adapters__levins_caches_stay_within_the_budget))
