/*
 * fuzz_protocol.c - property: whatever a foreign store sends is decoded as the table of the protocol says, or refused
 * with its place; what is sent to it can be read by that table.
 *
 * Input: protocol_input.h.
 *
 * Invariants:
 *   - answers, in pieces of any size: taken, ended or refused as a plain reader of the whole does (plain_protocol.c);
 *     the same result, key, value, text;
 *   - a refusal says why, and names a byte of the frame that it is about;
 *   - nothing is read past a frame, and once its bytes are there nothing is waited for;
 *   - room grows with what has come, whatever lengths are announced; it is used again for the next frame;
 *   - a text as people see it is UTF-8 without control characters, fits, and is that of the plain reader;
 *   - requests: the plain reader of the server's side reads what was meant, to the last byte.
 */
#include <string.h>

#include "fuzz.h"
#include "plain_protocol.h"
#include "protocol_input.h"

enum { TEXT_BYTES = 40, STEP_BYTES = 64 << 10, ANSWERS_MAX = 4096 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* ---- answers ---------------------------------------------------------------------------------------------- */

typedef struct sent {
    const uint8_t *data;
    size_t size, at, at_once;
    size_t asked;      /* bytes asked for in all: more than a frame has would wait for ever */
    bool ended;
} sent;

static size_t read_sent(void *context, void *data, size_t bytes)
{
    sent *s = context;
    fuzz_require(bytes > 0, "no bytes are asked for");
    fuzz_require(!s->ended, "more is asked for behind the end");
    s->asked = s->at + bytes;
    size_t n = s->size - s->at < bytes ? s->size - s->at : bytes;
    n = s->at_once && s->at_once < n ? s->at_once : n;
    if (n)
        memcpy(data, s->data + s->at, n);
    s->at += n;
    s->ended = n == 0;
    return n;
}

static void require_slice(levin_slice found, levin_slice right, const char *what)
{
    fuzz_require(found.size == right.size && (!right.size || !memcmp(found.data, right.data, right.size)),
                 "another %s than the plain reader has: %zu bytes, not %zu", what, found.size, right.size);
}

static void require_text(levin_slice text)
{
    char shown[TEXT_BYTES], right[TEXT_BYTES];
    const size_t capacity = 1 + text.size % TEXT_BYTES;
    memset(shown, 'x', sizeof shown);
    protocol_text(text, shown, capacity);
    const size_t bytes = plain_text_shown(text, right, capacity);
    fuzz_require(!memcmp(shown, right, bytes + 1), "a text is shown as another");
}

/* False: nothing follows. */
static bool require_answer(protocol_source *source, const sent *s, protocol_request asked, size_t from)
{
    protocol_answer answer;
    const protocol_taken taken = protocol_take(source, asked, &answer);
    const plain_answer right = plain_answer_read(s->data, s->size, from, asked);
    fuzz_require(source->frame.capacity <= 2 * (s->size + STEP_BYTES), "room for %zu bytes, of %zu that are there",
                 source->frame.capacity, s->size);
    fuzz_require(source->taken == s->at, "%zu bytes were given and %llu counted", s->at,
                 (unsigned long long)source->taken);
    if (right.kind == PLAIN_END) {
        fuzz_require(taken == PROTOCOL_ENDED && s->at == s->size, "an answer that is not whole was not seen as such");
        return false;
    }
    fuzz_require(s->at <= right.end && s->asked <= right.end, "more is read than the frame has");
    if (right.kind == PLAIN_NO_ANSWER) {
        fuzz_require(taken == PROTOCOL_REFUSED && source->refused && source->refused[0], "no answer was not refused");
        fuzz_require(source->refused_at >= right.first && source->refused_at <= right.end,
                     "byte %llu is refused, of a frame from %zu to %zu", (unsigned long long)source->refused_at,
                     right.first, right.end);
        return false;
    }
    fuzz_require(taken == PROTOCOL_TAKEN, "an answer is refused: %s, at %llu", source->refused ? source->refused : "?",
                 (unsigned long long)source->refused_at);
    fuzz_require(s->at == right.end, "%zu bytes are left of a frame", right.end - s->at);
    fuzz_require(answer.result == right.result, "the result is %u, not %u", answer.result, right.result);
    require_slice(answer.key, right.key, "key");
    require_slice(answer.value, right.value, "value");
    require_slice(answer.text, right.text, "text");
    require_text(right.text);
    return true;
}

static void run_answers(const uint8_t *data, size_t size)
{
    if (size < 2)
        return;
    const size_t asked = 1 + data[1] % PROTOCOL_INPUT_ASKED_MAX;
    if (size < 2 + asked)
        return;
    sent s = { .data = data + 2 + asked, .size = size - 2 - asked, .at_once = data[0] & 127 };
    protocol_source source = { .read = read_sent, .context = &s };
    bool more = true;
    for (size_t i = 0; i < asked && more; i++) {
        const protocol_request type = (protocol_request)(1 + data[2 + i] % PROTOCOL_CLOSE);
        unsigned pairs = 0;
        size_t from;
        do {
            from = s.at;
            more = pairs++ < ANSWERS_MAX && require_answer(&source, &s, type, from);
        } while (more && type == PROTOCOL_SCAN && s.data[from + 4] == PROTOCOL_PAIR);
    }
    protocol_source_fini(&source);
}

/* ---- requests --------------------------------------------------------------------------------------------- */

typedef struct script {
    const uint8_t *at, *end;
} script;

static uint8_t next_byte(script *s)
{
    return s->at < s->end ? *s->at++ : 0;
}

static levin_slice next_string(script *s)
{
    size_t bytes = next_byte(s);
    bytes = bytes < (size_t)(s->end - s->at) ? bytes : (size_t)(s->end - s->at);
    s->at += bytes;
    return (levin_slice){ s->at - bytes, bytes };
}

static void require_request(protocol_frame *f, plain_request *q)
{
    fuzz_require(protocol_end(f), "a request of %zu bytes fails", f->bytes);
    fuzz_require(plain_request_read(f->data, f->bytes, q), "a request that is none");
}

static void request_write(script *s, protocol_frame *f, plain_request *q, uint8_t flags)
{
    plain_operation meant[PROTOCOL_INPUT_OPERATIONS];
    const unsigned count = next_byte(s) % PROTOCOL_INPUT_OPERATIONS;
    protocol_put_number(f, flags & PROTOCOL_WRITE_SYNC, 1);
    protocol_put_number(f, count, 4);
    for (unsigned i = 0; i < count; i++) {
        plain_operation *o = &meant[i];
        o->put = next_byte(s) & 1;
        o->key = next_string(s);
        protocol_put_number(f, o->put, 1);
        protocol_put_bytes32(f, o->key);
        o->value = (levin_slice){ NULL, 0 };
        if (o->put)
            protocol_put_bytes32(f, o->value = next_string(s));
    }
    require_request(f, q);
    fuzz_require(q->flags == (flags & PROTOCOL_WRITE_SYNC) && q->count == count, "%u operations of %u", q->count,
                 count);
    for (unsigned i = 0; i < count; i++) {
        fuzz_require(q->operations[i].put == meant[i].put, "operation %u is of another kind", i);
        require_slice(q->operations[i].key, meant[i].key, "key");
        require_slice(q->operations[i].value, meant[i].value, "value");
    }
}

static void request_scan(script *s, protocol_frame *f, plain_request *q, uint8_t flags)
{
    const levin_slice from = next_string(s), to = next_string(s);
    flags &= PROTOCOL_REVERSE | PROTOCOL_FROM | PROTOCOL_TO;
    protocol_put_number(f, flags, 1);
    protocol_put_number(f, from.size, 8);
    if (flags & PROTOCOL_FROM)
        protocol_put_bytes32(f, from);
    if (flags & PROTOCOL_TO)
        protocol_put_bytes32(f, to);
    require_request(f, q);
    fuzz_require(q->flags == flags && q->limit == from.size, "another scan");
    require_slice(q->from, flags & PROTOCOL_FROM ? from : (levin_slice){ NULL, 0 }, "lower bound");
    require_slice(q->to, flags & PROTOCOL_TO ? to : (levin_slice){ NULL, 0 }, "upper bound");
}

static void request(script *s, protocol_frame *f)
{
    static plain_request q;
    const protocol_request type = (protocol_request)(1 + next_byte(s) % PROTOCOL_CLOSE);
    const uint8_t flags = next_byte(s);
    protocol_begin(f, type);
    switch (type) {
    case PROTOCOL_DESCRIBE:
        protocol_put_number(f, PROTOCOL_VERSION, 4);
        require_request(f, &q);
        fuzz_require(q.version == PROTOCOL_VERSION, "version %u", q.version);
        break;
    case PROTOCOL_OPEN: {
        const levin_slice path = next_string(s), sizes = next_string(s);
        protocol_put_number(f, flags & 3, 1);
        protocol_put_number(f, UINT64_MAX - sizes.size, 8);
        protocol_put_number(f, sizes.size << flags % 57, 8);
        protocol_put_bytes(f, path);
        require_request(f, &q);
        fuzz_require(q.flags == (flags & 3u) && q.cache == UINT64_MAX - sizes.size &&
                         q.write_buffer == (uint64_t)sizes.size << flags % 57, "other sizes");
        require_slice(q.path, path, "path");
        break;
    }
    case PROTOCOL_WRITE:
        request_write(s, f, &q, flags);
        break;
    case PROTOCOL_GET: {
        const levin_slice key = next_string(s);
        protocol_put_bytes(f, key);
        require_request(f, &q);
        require_slice(q.key, key, "key");
        break;
    }
    case PROTOCOL_SCAN:
        request_scan(s, f, &q, flags);
        break;
    case PROTOCOL_CHECK:
    case PROTOCOL_COMPACT:
    case PROTOCOL_CLOSE:
        require_request(f, &q);
        break;
    }
    fuzz_require(q.type == type, "a request of type %u is one of type %u", type, q.type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size || size > PROTOCOL_INPUT_MAX)
        return -1;
    if (!(data[0] & PROTOCOL_INPUT_REQUESTS)) {
        run_answers(data, size);
        return 0;
    }
    script s = { data + 1, data + size };
    protocol_frame f = { 0 };
    while (s.at < s.end)
        request(&s, &f);
    protocol_frame_fini(&f);
    return 0;
}
