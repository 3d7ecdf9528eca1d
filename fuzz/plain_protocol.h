/*
 * plain_protocol.h - the store protocol read as its table says (faults/store_protocol.h), from bytes that are all
 * there; what the codec is compared with.
 */
#ifndef LEVIN_FUZZ_PLAIN_PROTOCOL_H
#define LEVIN_FUZZ_PLAIN_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../engine/levin.h"

enum { PLAIN_OPERATIONS_MAX = 64 };

typedef enum plain_kind { PLAIN_RESULT, PLAIN_PAIR, PLAIN_NO_ANSWER, PLAIN_END } plain_kind;

/* What the next frame of an answer is. */
typedef struct plain_answer {
    plain_kind kind;
    unsigned result;
    levin_slice key, value, text;
    size_t first, end;      /* its bytes, or those that are left */
} plain_answer;
plain_answer plain_answer_read(const uint8_t *data, size_t size, size_t at, unsigned asked);

typedef struct plain_operation {
    bool put;
    levin_slice key, value;
} plain_operation;
typedef struct plain_request {
    unsigned type, flags;
    uint32_t version;
    uint64_t cache, write_buffer, limit;
    levin_slice path, key, from, to; /* data NULL: not there */
    unsigned count;
    plain_operation operations[PLAIN_OPERATIONS_MAX];
} plain_request;
/* One frame, to the last byte. False: it is no request. */
bool plain_request_read(const uint8_t *data, size_t size, plain_request *q);

/* The text as people see it. Returns its bytes. */
size_t plain_text_shown(levin_slice text, char *to, size_t capacity);

#endif
