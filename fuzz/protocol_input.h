/*
 * protocol_input.h - the bytes of an input of fuzz_protocol.
 *
 *   byte 0   bit 7: requests are made; else answers are read.  Bits 0-6, of answers: how many bytes come at once;
 *            0: all
 *   answers: byte 1 how many requests were made (modulo PROTOCOL_INPUT_ASKED_MAX, and 1); a byte each, its type
 *            (modulo PROTOCOL_CLOSE, and 1); then what the program sends
 *   requests, one behind the other: its type (modulo PROTOCOL_CLOSE, and 1), flags, and strings, which are a byte
 *            with their length and so many: of GET a key, of OPEN and SCAN two, of WRITE the count of operations
 *            (modulo PROTOCOL_INPUT_OPERATIONS) and of each the kind, a key, of a put a value
 */
#ifndef LEVIN_FUZZ_PROTOCOL_INPUT_H
#define LEVIN_FUZZ_PROTOCOL_INPUT_H

#include "../faults/store_protocol.h"

enum { PROTOCOL_INPUT_REQUESTS = 128, PROTOCOL_INPUT_ASKED_MAX = 8, PROTOCOL_INPUT_OPERATIONS = 8,
       PROTOCOL_INPUT_MAX = 1 << 16 };

#endif
