/*
 * store_judge.c - observations of a store, and the states that explain them.
 */
#include "store_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../faults/fatal.h"

enum { MULTI = 32, UNSEEN = UINT32_MAX, FOREIGN = UINT32_MAX - 1 };

/* What one way of reading showed: for each key a value number, STORE_WORK_ABSENT, UNSEEN, or FOREIGN. */
typedef struct observation {
    const char *way;
    uint32_t *values;
    char wrong[160];         /* an answer that no state explains: the first one, in words */
} observation;

typedef struct judgement {
    store_judging *j;
    store_work_size size;
    store *db;
    store_session *session;
    outcome worst;
    bool told;               /* a call has failed */
    uint32_t state;          /* the newest that explains the last observation that was legal */
    char *text;
} judgement;

__attribute__((format(printf, 3, 4))) static void find(judgement *g, outcome what, const char *format, ...)
{
    va_list list;
    if (what <= g->worst)
        return;
    g->worst = what;
    va_start(list, format);
    vsnprintf(g->text, GUARDED_TEXT_BYTES, format, list);
    va_end(list);
    text_make_plain(g->text);
}

/* A call that failed; the first of them is the text unless something worse is found. */
static void tell(judgement *g, const char *call, const char *message)
{
    g->told = true;
    find(g, OUTCOME_DETECTED, "%s: %.300s", call, message);
}

/* ---- what was seen ---- */

/* The newest state of the key up to what was submitted in which it has this value; else FOREIGN. */
static uint32_t value_identify(const judgement *g, uint32_t key, store_slice bytes)
{
    for (uint32_t state = g->j->submitted + 1; state-- > 0;) {
        const uint32_t value = store_work_value(g->j->work, state, key);
        if (value != STORE_WORK_ABSENT && (state == g->j->submitted ||
                                           value != store_work_value(g->j->work, state + 1, key)) &&
            store_work_value_is(g->j->work, value, bytes))
            return value;
    }
    return FOREIGN;
}

static void see(judgement *g, observation *o, uint32_t key, store_slice bytes)
{
    o->values[key] = value_identify(g, key, bytes);
    if (o->values[key] != FOREIGN || o->wrong[0])
        return;
    const uint32_t right = store_work_value(g->j->work, g->j->submitted, key);
    snprintf(o->wrong, sizeof o->wrong, "key %u: %zu bytes that were never written there (of %zu)", key, bytes.bytes,
             right == STORE_WORK_ABSENT ? 0 : store_work_value_bytes(g->j->work, right));
}

/* Values of the same bytes are one value to a reader: only empty ones are. */
static bool same_value(const judgement *g, uint32_t a, uint32_t b)
{
    return a == b || (a != STORE_WORK_ABSENT && b != STORE_WORK_ABSENT &&
                      !store_work_value_bytes(g->j->work, a) && !store_work_value_bytes(g->j->work, b));
}

static bool explains(const judgement *g, const observation *o, uint32_t state, uint32_t *differs)
{
    for (uint32_t key = 0; key < g->size.keys; key++)
        if (o->values[key] != UNSEEN && !same_value(g, o->values[key], store_work_value(g->j->work, state, key))) {
            *differs = key;
            return false;
        }
    return true;
}

static void observation_judge(judgement *g, observation *o)
{
    uint32_t differs = 0, first = 0;
    if (o->wrong[0]) {
        find(g, OUTCOME_WRONG, "%s: %s", o->way, o->wrong);
        return;
    }
    for (uint32_t state = g->j->submitted + 1; state-- > 0;) {
        if (!explains(g, o, state, &differs)) {
            first = state == g->j->submitted ? differs : first;
            continue;
        }
        if (state < g->j->acknowledged)
            find(g, OUTCOME_LOST, "%s: the state after batch %u, but %u were acknowledged", o->way, state,
                 g->j->acknowledged);
        else
            g->state = state;
        return;
    }
    find(g, OUTCOME_HOLE, "%s: key %u %s, and no state explains all answers", o->way, first,
         o->values[first] == STORE_WORK_ABSENT ? "is not there" : "has an earlier value");
}

static observation observation_begin(const judgement *g, const char *way)
{
    observation o = { .way = way, .values = fatal_alloc(g->size.keys * sizeof *o.values) };
    for (uint32_t key = 0; key < g->size.keys; key++)
        o.values[key] = UNSEEN;
    return o;
}

/* Of a call that failed as a whole nothing counts that it showed before it failed. */
static void observation_end(judgement *g, observation *o, bool failed)
{
    if (!failed)
        observation_judge(g, o);
    free(o->values);
}

/* ---- ways ---- */

static void one_got(judgement *g, observation *o, uint32_t key, store_result result, const uint8_t *buffer,
                    size_t bytes)
{
    if (result == STORE_NOT_FOUND)
        o->values[key] = STORE_WORK_ABSENT;
    else if (result != STORE_OK)
        tell(g, o->way, g->j->adapter->message(g->session));
    else
        see(g, o, key, (store_slice){ buffer, bytes }); /* of one longer than the buffer its size is enough */
}

static void single_gets(judgement *g)
{
    uint8_t buffer[STORE_WORK_VALUE_BYTES];
    char text[STORE_WORK_KEY_BYTES];
    observation o = observation_begin(g, "get");
    for (uint32_t key = 0; key < g->size.keys; key++) {
        size_t bytes = 0;
        const store_slice k = store_work_key(g->j->work, key, text);
        const store_result result = g->j->adapter->get(g->session, k, buffer, sizeof buffer, &bytes);
        one_got(g, &o, key, result, buffer, bytes);
    }
    observation_end(g, &o, false);
}

static void multi_gets(judgement *g)
{
    static uint8_t buffers[MULTI][STORE_WORK_VALUE_BYTES];
    static char texts[MULTI][STORE_WORK_KEY_BYTES];
    store_get many[MULTI];
    observation o = observation_begin(g, "multi-get");
    for (uint32_t key = 0; key < g->size.keys; key += MULTI) {
        const uint32_t n = g->size.keys - key < MULTI ? g->size.keys - key : MULTI;
        for (uint32_t i = 0; i < n; i++)
            many[i] = (store_get){ .key = store_work_key(g->j->work, key + i, texts[i]), .buffer = buffers[i],
                                   .capacity = STORE_WORK_VALUE_BYTES, .result = STORE_UNSUPPORTED };
        const store_result result = g->j->adapter->multi_get(g->session, many, n);
        if (result != STORE_OK)
            tell(g, o.way, g->j->adapter->message(g->session));
        for (uint32_t i = 0; i < n; i++)
            if (many[i].result != STORE_UNSUPPORTED)
                one_got(g, &o, key + i, many[i].result, buffers[i], many[i].bytes);
    }
    observation_end(g, &o, false);
}

typedef struct scan_context {
    judgement *g;
    observation *o;
    bool reverse, any;
    uint32_t last;
} scan_context;

static bool scan_visit(void *context, store_slice key, store_slice value)
{
    scan_context *c = context;
    uint32_t number;
    if (!store_work_key_find(c->g->j->work, key, &number)) {
        if (!c->o->wrong[0])
            snprintf(c->o->wrong, sizeof c->o->wrong, "a key of %zu bytes that was never written", key.bytes);
        return true;
    }
    if (c->any && (c->reverse ? number >= c->last : number <= c->last)) {
        if (!c->o->wrong[0])
            snprintf(c->o->wrong, sizeof c->o->wrong, "key %u behind key %u", number, c->last);
        return false; /* it may go round for ever */
    }
    c->any = true;
    c->last = number;
    see(c->g, c->o, number, value);
    return true;
}

static void scan(judgement *g, bool reverse)
{
    observation o = observation_begin(g, reverse ? "scan back" : "scan");
    scan_context c = { .g = g, .o = &o, .reverse = reverse };
    const store_range all = { .reverse = reverse };
    const store_result result = g->j->adapter->scan(g->session, &all, scan_visit, &c);
    if (result != STORE_OK)
        tell(g, o.way, g->j->adapter->message(g->session));
    for (uint32_t key = 0; key < g->size.keys && result == STORE_OK; key++)
        if (o.values[key] == UNSEEN)
            o.values[key] = STORE_WORK_ABSENT;
    observation_end(g, &o, result != STORE_OK);
}

/* ---- a life ---- */

static bool life_begin(judgement *g, const char *call)
{
    char message[STORE_MESSAGE_BYTES] = "";
    g->session = NULL;
    if (g->j->adapter->open(&g->j->config, &g->db, message) != STORE_OK) {
        tell(g, call, message);
        return false;
    }
    if (g->j->adapter->session_open(g->db, &g->session) == STORE_OK)
        return true;
    tell(g, "session", g->session ? g->j->adapter->message(g->session) : "");
    if (g->session)
        g->j->adapter->session_close(g->session);
    g->j->adapter->close(g->db, message);
    return false;
}

static void life_end(judgement *g)
{
    char message[STORE_MESSAGE_BYTES] = "";
    g->j->adapter->session_close(g->session);
    if (g->j->adapter->close(g->db, message) != STORE_OK)
        tell(g, "close", message);
}

static void read_all(judgement *g)
{
    single_gets(g);
    scan(g, false);
    scan(g, true);
    if (g->j->adapter->multi_get)
        multi_gets(g);
}

static void check(judgement *g)
{
    const outcome before = g->worst;
    const bool told = g->told;
    const store_result result = g->j->adapter->check ? g->j->adapter->check(g->session) : STORE_OK;
    if (result == STORE_OK || result == STORE_UNSUPPORTED)
        return;
    tell(g, "its check", g->j->adapter->message(g->session));
    g->j->check_found = !told && before <= OUTCOME_DETECTED;
}

/* Sound files, after an open that failed: whatever that holds on to shows now. */
static void look_for_lock(judgement *g)
{
    char message[STORE_MESSAGE_BYTES] = "";
    if (!g->j->restore)
        return;
    if (!g->j->restore(g->j->context))
        fatal("a store could not be copied");
    if (g->j->adapter->open(&g->j->config, &g->db, message) != STORE_OK)
        find(g, OUTCOME_LOCK, "sound files after a failed open: %.300s", message);
    else
        g->j->adapter->close(g->db, message);
}

/* Writes behind the state found; then exactly that must be there. */
static void go_on(judgement *g)
{
    const uint32_t from = g->state, to = from + g->j->go_on;
    bool written = true;
    if (!life_begin(g, "opening again"))
        return;
    for (uint32_t n = from + 1; n <= to && written; n++) {
        written = store_work_write(g->j->work, n, g->j->adapter, g->session, true) == STORE_OK;
        if (!written)
            tell(g, "a write behind", g->j->adapter->message(g->session));
    }
    life_end(g);
    if (g->told || !life_begin(g, "opening after writes"))
        return;
    g->j->acknowledged = g->j->submitted = to;
    read_all(g);
    check(g);
    life_end(g);
}

outcome store_judge(store_judging *j, char text[GUARDED_TEXT_BYTES])
{
    judgement g = { .j = j, .size = store_work_size_of(j->work), .worst = OUTCOME_RIGHT, .state = j->acknowledged,
                    .text = text };
    j->config.create = false;
    j->check_found = false;
    if (!life_begin(&g, "open")) {
        look_for_lock(&g);
        return g.worst;
    }
    read_all(&g);
    check(&g);
    life_end(&g);
    if (g.worst == OUTCOME_RIGHT && j->go_on && g.state + j->go_on <= g.size.batches)
        go_on(&g);
    return g.worst;
}
