/*
 * fuzz_plan.c - property: a text is a fault plan or is refused with its place; a plan decides as the grammar says
 * (faults/README.md), and the same each time.
 *
 * Input: the text.
 *
 * Invariants:
 *   - refused: line and column lie in the text, something is said;
 *   - accepted: every effect goes with every operation of its rule, every error is legal there; what is written down
 *     again by the grammar is the same plan;
 *   - over a sequence of calls: two judges of one seed decide alike; without probability and budget a rule fires
 *     exactly when the plain judge here says; of calls that are hurt, the effect goes with the operation.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../engine/levin.h"
#include "../faults/errnos.h"
#include "../faults/plan.h"
#include "../faults/random.h"
#include "fuzz.h"

enum { TEXT_MAX = 4096, CALLS = 160 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* ---- places ----------------------------------------------------------------------------------------------- */

static void require_place(const char *text, size_t size, const plan_error *error)
{
    unsigned line = 1;
    size_t at = 0;
    while (line < error->line && at < size)
        line += text[at++] == '\n';
    fuzz_require(error->line == line, "an error in line %u of %u", error->line, line);
    const char *end = memchr(text + at, '\n', size - at);
    const size_t bytes = (size_t)((end ? end : text + size) - text) - at;
    fuzz_require(error->column >= 1 && error->column <= bytes + 1, "an error in column %u of %zu", error->column,
                 bytes);
    fuzz_require(memchr(error->text, 0, sizeof error->text) && error->text[0], "an error without a text");
}

/* ---- written down again ----------------------------------------------------------------------------------- */

typedef struct writer {
    char text[PLAN_RULES_MAX * 1024];
    size_t used;
} writer;

static void say(writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(writer *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(w->text + w->used, sizeof w->text - w->used, format, arguments);
    va_end(arguments);
    fuzz_require(n >= 0 && (size_t)n < sizeof w->text - w->used, "a plan too long to write");
    w->used += (size_t)n;
}

static void say_point(writer *w, const plan_point *p)
{
    const char *comma = "";
    if (p->operations == 1u << FAULT_ALLOC || p->operations == 1u << FAULT_RANDOM) {
        say(w, p->operations == 1u << FAULT_ALLOC ? "levin/mem/alloc" : "levin/random");
        return;
    }
    say(w, "levin/io/");
    for (int i = 0; i < LEVIN_FILE_KIND_COUNT; i++)
        if (p->kinds >> i & 1) {
            say(w, "%s%s", comma, fault_kind_text((levin_file_kind)i));
            comma = ",";
        }
    comma = "/";
    for (int i = 0; i < FAULT_ALLOC; i++)
        if (p->operations >> i & 1) {
            say(w, "%s%s", comma, fault_operation_text((fault_operation)i));
            comma = ",";
        }
}

static void say_effect(writer *w, const plan_rule *r)
{
    if (r->budget) {
        say(w, "budget %llu %s", (unsigned long long)r->bytes, errno_name(r->os_error));
        if (r->back)
            say(w, " back %llu", (unsigned long long)r->back);
        return;
    }
    say(w, "%s", plan_effect_text(r->effect));
    if (plan_effect_has_error(r->effect))
        say(w, " %s", errno_name(r->os_error));
    else if (r->effect == FAULT_SHORT)
        say(w, " %llu", (unsigned long long)r->bytes);
    else if (r->effect == FAULT_MISDIRECT)
        say(w, " %+lld", (long long)r->shift);
    else if (r->effect == FAULT_CLOCK)
        say(w, " %+lldns", (long long)r->shift);
}

static void say_rule(writer *w, const plan_rule *r)
{
    say(w, "on ");
    say_point(w, &r->point);
    if (r->nth)
        say(w, " nth %llu", (unsigned long long)r->nth);
    if (r->every)
        say(w, " every %llu", (unsigned long long)r->every);
    if (r->probability >= 0)
        say(w, " probability %.17f", r->probability); /* a word of at most 31 characters */
    if (r->has_range)
        say(w, " range %llu..%llu", (unsigned long long)r->from, (unsigned long long)r->to);
    if (r->after_count) {
        say(w, " after ");
        say_point(w, &r->after);
        say(w, " %llu", (unsigned long long)r->after_count);
    }
    if (r->times == UINT64_MAX)
        say(w, " forever");
    else
        say(w, " times %llu", (unsigned long long)r->times);
    say(w, " do ");
    say_effect(w, r);
    say(w, "\n");
}

static bool same_point(const plan_point *a, const plan_point *b)
{
    return a->kinds == b->kinds && a->operations == b->operations;
}

static bool same_rule(const plan_rule *a, const plan_rule *b)
{
    const double off = a->probability - b->probability; /* as far as the digits go */
    return same_point(&a->point, &b->point) && a->nth == b->nth && a->every == b->every && off < 1e-16 &&
           off > -1e-16 && a->has_range == b->has_range && a->from == b->from && a->to == b->to &&
           same_point(&a->after, &b->after) && a->after_count == b->after_count && a->times == b->times &&
           a->effect == b->effect && a->os_error == b->os_error && a->bytes == b->bytes && a->shift == b->shift &&
           a->budget == b->budget && a->back == b->back;
}

static void require_again(const plan_rules *p)
{
    static writer w;
    static plan_rules again;
    plan_error error = { 0 };
    w.used = 0;
    say(&w, "levin-fault-plan %d\n", PLAN_VERSION);
    for (size_t i = 0; i < p->count; i++)
        say_rule(&w, &p->rules[i]);
    fuzz_require(plan_parse(&again, w.text, w.used, &error), "a plan written down is refused, %u:%u: %s", error.line,
                 error.column, error.text);
    fuzz_require(again.count == p->count, "%zu rules of %zu", again.count, p->count);
    for (size_t i = 0; i < p->count; i++)
        fuzz_require(same_rule(&again.rules[i], &p->rules[i]), "rule %zu is another one when it is read again", i);
}

/* ---- what a rule may be ----------------------------------------------------------------------------------- */

static void require_rule(const plan_rule *r)
{
    fuzz_require(r->point.kinds && r->point.operations && r->times, "a rule of no call");
    for (int i = 0; i < FAULT_OPERATION_COUNT; i++)
        if (r->point.operations >> i & 1) {
            fuzz_require(plan_effect_applies(r->effect, (fault_operation)i), "%s does not go with %s",
                         plan_effect_text(r->effect), fault_operation_text((fault_operation)i));
            fuzz_require(!r->os_error || errno_is_legal((fault_operation)i, r->os_error), "%s is no error of %s",
                         errno_name(r->os_error), fault_operation_text((fault_operation)i));
        }
}

/* ---- deciding --------------------------------------------------------------------------------------------- */

typedef struct plain {
    uint64_t matched, fired, after;
} plain;

static bool at_point(const plan_point *p, const fault_call *c)
{
    return p->operations >> c->operation & 1 && p->kinds >> c->kind & 1;
}

/* By the words of the grammar; probability and budget are beyond it: *known becomes false. */
static bool plain_fires(const plan_rule *r, plain *s, const fault_call *c, bool *known)
{
    const bool due = s->after >= r->after_count;
    s->after += r->after_count && at_point(&r->after, c);
    if (!due || !at_point(&r->point, c))
        return false;
    if (r->has_range && (c->offset >= r->to || c->bytes == 0 || c->offset + c->bytes <= r->from))
        return false;
    s->matched++;
    if (r->probability >= 0 || r->budget)
        *known = false;
    return s->matched >= r->nth && (!r->every || s->matched % r->every == 0) && s->fired < r->times;
}

static fault_call call_of(random_stream *random)
{
    fault_call c = { .kind = LEVIN_FILE_DIR, .operation = FAULT_ALLOC };
    do {
        c.kind = (levin_file_kind)random_below(random, LEVIN_FILE_KIND_COUNT);
        c.operation = (fault_operation)random_below(random, FAULT_OPERATION_COUNT);
    } while (!fault_point_exists(c.kind, c.operation));
    if (c.operation == FAULT_READ || c.operation == FAULT_WRITE) {
        c.offset = random_below(random, 16) * 512;
        c.bytes = 1 + random_below(random, 8192);
    }
    return c;
}

static bool same_choice(const fault_choice *a, const fault_choice *b)
{
    return a->effect == b->effect && a->os_error == b->os_error && a->bytes == b->bytes && a->shift == b->shift &&
           a->draw == b->draw;
}

static void require_decisions(const plan_rules *p, uint64_t seed)
{
    plan_state *one = plan_begin(p, seed), *other = plan_begin(p, seed);
    static plain plains[PLAN_RULES_MAX];
    random_stream random = random_open(seed, 1);
    memset(plains, 0, sizeof plains);
    bool known = true; /* how often each rule has fired */
    for (unsigned n = 0; n < CALLS; n++) {
        const fault_call c = call_of(&random);
        fault_choice a = { 0 }, b = { 0 };
        const bool hurt = plan_judge(one, &c, &a), again = plan_judge(other, &c, &b);
        fuzz_require(hurt == again && same_choice(&a, &b), "one seed, two decisions");
        fuzz_require(!hurt || plan_effect_applies(a.effect, c.operation), "%s for %s", plan_effect_text(a.effect),
                     fault_operation_text(c.operation));
        size_t first = p->count;
        for (size_t i = 0; i < p->count; i++)
            if (plain_fires(&p->rules[i], &plains[i], &c, &known) && first == p->count)
                first = i;
        if (!known)
            continue;
        fuzz_require(hurt == (first < p->count), "call %u is%s hurt", n, hurt ? "" : " not");
        if (hurt)
            plains[first].fired++;
        for (size_t i = 0; i < p->count; i++)
            fuzz_require(plan_fired(one, i) == plains[i].fired && plan_matched(one, i) == plains[i].matched,
                         "rule %zu has fired %llu times, not %llu", i, (unsigned long long)plan_fired(one, i),
                         (unsigned long long)plains[i].fired);
    }
    for (size_t i = 0; i < p->count; i++)
        fuzz_require(plan_fired(one, i) <= p->rules[i].times && plan_fired(one, i) <= plan_matched(one, i),
                     "rule %zu has fired too often", i);
    plan_end(one);
    plan_end(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static plan_rules p;
    plan_error error = { 0 };
    if (size > TEXT_MAX)
        return 0;
    if (!plan_parse(&p, (const char *)data, size, &error)) {
        require_place((const char *)data, size, &error);
        return 0;
    }
    for (size_t i = 0; i < p.count; i++)
        require_rule(&p.rules[i]);
    require_again(&p);
    require_decisions(&p, size);
    return 0;
}
