/*
 * store_protocol.h - a store in any language, behind a pipe: `--store 'pipe:COMMAND'`.  Version 1.
 *
 * The shell runs `exec COMMAND`.  It reads requests from its standard input and answers each, in their order, on its
 * standard output, unbuffered; its standard error is its own.  The end of its input is the end of the power: it closes
 * nothing then.  Integers are little-endian.  A frame:
 *
 *   0       4                 5                4 + bytes
 *   +-------+-----------------+----------------+
 *   | bytes | type or result  | payload        |    bytes: 1 to 16777216, of all behind it
 *   +-------+-----------------+----------------+
 *
 * Requests, and what an answer with STORE_OK holds.  text is UTF-8 without a length, to the end of the frame; bytes32
 * is a length of 4 bytes and as many bytes.  What is no UTF-8, and control characters, a reader shows as '?'.
 *
 *   DESCRIBE  1  version 4                              -> text: "NAME VERSION; settings", in a line
 *   OPEN      2  flags 1 (1: create, 2: will sync),     -> nothing
 *                cache 8, write buffer 8 (0: as it likes),
 *                path text
 *   WRITE     3  flags 1 (1: sync), count 4,            -> nothing, when all is done, and durable if sync
 *                count x ( kind 1 (0: delete, 1: put), key bytes32, of a put: value bytes32 )
 *   GET       4  key bytes, to the end of the frame     -> the value, to the end of the frame
 *   SCAN      5  flags 1 (1: reverse, 2: from, 4: to),  -> nothing, behind the pairs: each a frame PAIR,
 *                limit 8 (0: none),                        ( key bytes32, value to the end of the frame )
 *                of from: bytes32, of to: bytes32
 *   CHECK     6                                         -> nothing
 *   COMPACT   7                                         -> nothing
 *   CLOSE     8                                         -> nothing; then the program ends
 *
 * The meaning of each is that of the function of its name in chaos/store.h; results are its store_result as a byte, and
 * PAIR is 16.  An answer that is not STORE_OK holds a text: what went wrong.  The first request is DESCRIBE or OPEN; a
 * program that does not know the version answers STORE_UNSUPPORTED.  A program that ends by a signal has crashed;
 * one that answers what is no frame, of another length than it may be, or with bytes behind "nothing", has failed.
 *
 * Below: frames made and taken apart.  One thread a frame, a source.
 */
#ifndef LEVIN_FAULTS_STORE_PROTOCOL_H
#define LEVIN_FAULTS_STORE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../engine/levin.h"

enum { PROTOCOL_VERSION = 1, PROTOCOL_FRAME_MAX = 1 << 24 };

typedef enum protocol_request {
    PROTOCOL_DESCRIBE = 1,
    PROTOCOL_OPEN = 2,
    PROTOCOL_WRITE = 3,
    PROTOCOL_GET = 4,
    PROTOCOL_SCAN = 5,
    PROTOCOL_CHECK = 6,
    PROTOCOL_COMPACT = 7,
    PROTOCOL_CLOSE = 8
} protocol_request;

/* The results are those of store_result. */
enum { PROTOCOL_OK = 0, PROTOCOL_RESULT_LAST = 4, PROTOCOL_PAIR = 16 };

/* flags */
enum { PROTOCOL_CREATE = 1, PROTOCOL_SYNC = 2 };          /* of OPEN */
enum { PROTOCOL_WRITE_SYNC = 1 };                         /* of WRITE */
enum { PROTOCOL_REVERSE = 1, PROTOCOL_FROM = 2, PROTOCOL_TO = 4 }; /* of SCAN */

/* Head and payload. Zeroed: empty. */
typedef struct protocol_frame {
    uint8_t *data;
    size_t bytes, capacity;
    bool failed;     /* no memory, or too long: protocol_end() says so */
} protocol_frame;

void protocol_begin(protocol_frame *f, protocol_request type);
void protocol_put_number(protocol_frame *f, uint64_t value, size_t width);
void protocol_put_bytes(protocol_frame *f, levin_slice bytes);
void protocol_put_bytes32(protocol_frame *f, levin_slice bytes);
/* False: nothing of it may be sent. */
bool protocol_end(protocol_frame *f);
void protocol_frame_fini(protocol_frame *f);

/* What a program sends. Zeroed but for read and context: nothing was taken. */
typedef struct protocol_source {
    /* Fills some of `bytes`, which are more than 0, and returns how many; 0: that was all, or it failed. */
    size_t (*read)(void *context, void *data, size_t bytes);
    void *context;
    uint64_t taken;         /* bytes, of all frames so far */
    protocol_frame frame;   /* the last one, without its length; grows as bytes come, not as they are announced */
    const char *refused;    /* why the last one was refused, and which byte of all it is */
    uint64_t refused_at;
} protocol_source;

/* Slices into the source's frame, good until the next one. */
typedef struct protocol_answer {
    unsigned result;        /* a store_result or PROTOCOL_PAIR */
    levin_slice key, value; /* of a PAIR; of a GET that went well the value */
    levin_slice text;       /* of DESCRIBE, and of what did not go well */
} protocol_answer;

typedef enum protocol_taken { PROTOCOL_TAKEN, PROTOCOL_ENDED, PROTOCOL_REFUSED } protocol_taken;

/*
 * The next frame, in answer to such a request.  ENDED: it does not come, or not whole.  REFUSED: it is no answer; after
 * that, and after ENDED, nothing that comes means anything.
 */
protocol_taken protocol_take(protocol_source *s, protocol_request asked, protocol_answer *answer);
void protocol_source_fini(protocol_source *s);

/* A text for people: UTF-8, ended by 0, cut between characters. */
void protocol_text(levin_slice text, char *to, size_t capacity);

#endif
