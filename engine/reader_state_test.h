/*
 * reader_state_test.h - for tests of readers beside a writer: a store whose contents are a function of one number.
 *
 * In state n the key "n" says n, and of KEYS others all are there but every seventh, with values that follow from n:
 * short ones, ones of a third of a page, and some that go to extents or to the value log.  One batch leads from each
 * state to the next, so a reader that sees anything but one such state, or another one than a moment before, is found
 * out.
 */
#ifndef LEVIN_READER_STATE_TEST_H
#define LEVIN_READER_STATE_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "levin.h"

enum { STATE_KEYS = 300, STATE_VALUE_MAX = 9000, STATE_MESSAGE = 200 };

static inline levin_options state_options(const struct levin_io *io, bool read_only)
{
    levin_options o;
    levin_options_init(&o);
    o.page_bytes = 4096;
    o.cache_bytes = 16 * 4096; /* so small that a reader goes back to the file */
    o.row_cache_bytes = 0;
    o.value_cache_bytes = 0;
    o.memtable_bytes = 256 << 10;
    o.wal_segment_bytes = 64 << 10;
    o.value_log_threshold_bytes = 6000;
    o.value_log_segment_bytes = 64 << 10;
    o.background = LEVIN_BACKGROUND_NONE;
    o.read_only = read_only;
    o.create_if_missing = !read_only;
    o.io = io;
    return o;
}

static inline size_t state_key(unsigned i, char key[16])
{
    return (size_t)snprintf(key, 16, "key%05u", i);
}

/* 0: not there. */
static inline size_t state_value(unsigned n, unsigned i, unsigned char *value)
{
    if ((n + i) % 7 == 0)
        return 0;
    size_t bytes = i % 50 == 3 ? 7000 + n % 1000 : i % 50 == 9 ? 3000 + n % 500 : i % 5 == 0 ? 1300 : 20 + (n + i) % 60;
    uint64_t x = (uint64_t)n * 1000003 + i;
    for (size_t k = 0; k < bytes; k++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        value[k] = (unsigned char)(x >> 56);
    }
    return bytes;
}

/* Writes state n as one batch over state n - 1 (or nothing). */
static inline levin_code state_write(levin *store, unsigned n, levin_durability durability)
{
    static unsigned char value[STATE_VALUE_MAX];
    char key[16], number[16];
    levin_batch *batch;
    levin_code code = levin_batch_create(store, &batch);
    if (code != LEVIN_OK)
        return code;
    for (unsigned i = 0; i < STATE_KEYS && code == LEVIN_OK; i++) {
        size_t key_bytes = state_key(i, key), bytes = state_value(n, i, value);
        code = bytes ? levin_batch_put(batch, key, key_bytes, value, bytes) : levin_batch_delete(batch, key, key_bytes);
    }
    int digits = snprintf(number, sizeof number, "%u", n);
    if (code == LEVIN_OK)
        code = levin_batch_put(batch, "n", 1, number, (size_t)digits);
    if (code == LEVIN_OK)
        code = levin_write(store, batch, durability);
    levin_batch_destroy(batch);
    return code;
}

/* The state that the store says it is in; 0: empty, or an error, which is in message. */
static inline unsigned state_number(levin *store, char *message)
{
    char number[16] = "";
    size_t bytes = 0;
    levin_code code = levin_get(store, NULL, "n", 1, number, sizeof number - 1, &bytes);
    if (code != LEVIN_OK && code != LEVIN_NOT_FOUND) {
        levin_error error;
        levin_last_error(store, &error);
        snprintf(message, STATE_MESSAGE, "the number: %.150s", error.message);
    }
    number[bytes < sizeof number ? bytes : 0] = 0;
    return code == LEVIN_OK ? (unsigned)strtoul(number, NULL, 10) : 0;
}

/*
 * Reads everything, by an iterator and by gets, and compares it with state n.  False, with what is wrong in message
 * (STATE_MESSAGE bytes).  *failed (may be NULL) is the code of a call that failed, LEVIN_OK when an answer was wrong.
 */
static inline bool state_is(levin *store, unsigned n, char *message, levin_code *failed)
{
    static unsigned char wanted[STATE_VALUE_MAX], found[STATE_VALUE_MAX];
    char key[16], other[16];
    unsigned i = 0;
    levin_iter *it = NULL;
    levin_code ignored, *code = failed ? failed : &ignored;
    levin_error error;
    message[0] = 0;
    *code = levin_iter_open(store, NULL, &it);
    if (*code == LEVIN_OK) {
        bool on = levin_iter_first(it);
        for (;; on = levin_iter_next(it), i++) {
            while (i < STATE_KEYS && !state_value(n, i, wanted))
                i++;
            size_t key_bytes = i < STATE_KEYS ? state_key(i, key) : (memcpy(key, "n", 2), (size_t)1);
            if (!on || i > STATE_KEYS || n == 0)
                break;
            levin_slice k = levin_iter_key(it), v = levin_iter_value(it);
            if (levin_iter_status(it) != LEVIN_OK)
                break;
            size_t bytes = i < STATE_KEYS ? state_value(n, i, wanted) : (size_t)snprintf((char *)wanted, 16, "%u", n);
            if (k.size != key_bytes || memcmp(k.data, key, key_bytes) || v.size != bytes ||
                memcmp(v.data, wanted, bytes)) {
                snprintf(message, STATE_MESSAGE, "state %u: at %s stands another pair", n, key);
                break;
            }
        }
        *code = levin_iter_status(it);
        if (!message[0] && *code == LEVIN_OK && (on || (n && i != STATE_KEYS + 1)))
            snprintf(message, STATE_MESSAGE, "state %u: the scan ends at %u of %d", n, i, STATE_KEYS + 1);
        levin_iter_close(it);
    }
    for (i = 0; i < STATE_KEYS && n && *code == LEVIN_OK && !message[0]; i += 7) {
        size_t bytes = state_value(n, i, wanted), got = 0, key_bytes = state_key(i, other);
        *code = levin_get(store, NULL, other, key_bytes, found, sizeof found, &got);
        if (*code != (bytes ? LEVIN_OK : LEVIN_NOT_FOUND) && (*code == LEVIN_OK || *code == LEVIN_NOT_FOUND))
            snprintf(message, STATE_MESSAGE, "state %u: get %s says %s", n, other, levin_code_name(*code));
        else if (*code == LEVIN_OK && (got != bytes || memcmp(found, wanted, bytes)))
            snprintf(message, STATE_MESSAGE, "state %u: get %s has another value", n, other);
        *code = *code == LEVIN_NOT_FOUND ? LEVIN_OK : *code;
    }
    if (*code != LEVIN_OK) {
        levin_last_error(store, &error);
        snprintf(message, STATE_MESSAGE, "state %u: %s: %.150s", n, levin_code_name(*code), error.message);
    }
    return !message[0];
}

#endif
