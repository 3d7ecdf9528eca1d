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
 * is a length of 4 bytes and as many bytes.
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
 * The meaning of each is that of the function of its name in store.h; results are its store_result as a byte, and PAIR
 * is 16.  An answer that is not STORE_OK holds a text: what went wrong.  The first request is DESCRIBE or OPEN; a
 * program that does not know the version answers STORE_UNSUPPORTED.  A program that ends by a signal has crashed;
 * one that answers what is no frame, or longer than it may be, has failed.
 */
#ifndef LEVIN_CHAOS_STORE_PROTOCOL_H
#define LEVIN_CHAOS_STORE_PROTOCOL_H

enum { PROTOCOL_VERSION = 1, PROTOCOL_HEAD_BYTES = 5, PROTOCOL_FRAME_MAX = 1 << 24 };

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

enum { PROTOCOL_PAIR = 16 };

/* flags */
enum { PROTOCOL_CREATE = 1, PROTOCOL_SYNC = 2 };          /* of OPEN */
enum { PROTOCOL_WRITE_SYNC = 1 };                         /* of WRITE */
enum { PROTOCOL_REVERSE = 1, PROTOCOL_FROM = 2, PROTOCOL_TO = 4 }; /* of SCAN */

#endif
