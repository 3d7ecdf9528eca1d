/*
 * hurt.c - a fault plan at work in a recorded program.
 *
 * The plan and how far its rules are lie in the log, for all processes together; a rule is asked under the lock, so a
 * plan and one order of calls give one behaviour.  The kind of a file is told from its name (foreign_kind.h).
 *
 * What an effect is here: an error is returned and the call not made; a sync that fails loses its pages in the trace
 * (TRACE_SYNC_LOST: no crash state has what was written before it), while the program goes on seeing them, as on Linux;
 * bytes that are flipped, garbage, stale or misdirected are so in the real file, and in the trace.  Each fault leaves
 * a note in the trace.
 *
 * Concurrency: under the lock, but for the first look whether there is a plan.
 */
#include "recorder.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "../foreign_kind.h"
#include "../plan.h"
#include "../random.h"
#include "hurt.h"

enum { HURT_BYTES = 65536 };

static _Alignas(4096) uint8_t buffer[HURT_BYTES]; /* for descriptors with O_DIRECT */

bool hurt_any(void)
{
    return recorder && recorder->planned;
}

static size_t add(char *text, size_t used, size_t capacity, const char *piece)
{
    const size_t n = strlen(piece);
    if (used + n < capacity)
        memcpy(text + used, piece, n + 1);
    return used + n < capacity ? used + n : used;
}

bool hurt_asks(uint16_t number, const char *path, bool directory, fault_operation operation, uint64_t offset,
               uint64_t bytes, fault_choice *choice)
{
    static const char *const effects[FAULT_EFFECT_COUNT] = {
        [FAULT_ERROR] = "error", [FAULT_ERROR_AFTER] = "made, and called failed", [FAULT_SHORT] = "short",
        [FAULT_ERROR_KEPT] = "error, pages kept", [FAULT_FLIP] = "a bit flipped",
        [FAULT_GARBAGE] = "a sector of garbage",
        [FAULT_STALE] = "a sector stays as it was", [FAULT_LOST] = "lost", [FAULT_MISDIRECT] = "misdirected",
        [FAULT_LIE] = "not made, and called done", [FAULT_CLOCK] = "clock",
        [FAULT_ERROR_REVERTED] = "error, reverted", [FAULT_LATE] = "error later", /* refused */
    };
    char text[128], digits[24];
    if (!hurt_any())
        return false;
    const fault_call call = { directory ? LEVIN_FILE_DIR : foreign_kind(path), operation, offset, bytes };
    if (!plan_judge_alone((plan_state *)(void *)recorder->plan_state, &call, choice))
        return false;
    size_t used = add(text, 0, sizeof text, RECORDER_FAULT);
    used = add(text, used, sizeof text, effects[choice->effect]);
    if (choice->os_error) {
        recorder_format_number(digits, (uint64_t)choice->os_error);
        used = add(text, used, sizeof text, ", errno ");
        add(text, used, sizeof text, digits);
    }
    recorder_note(number, text, path);
    return true;
}

/* The first `bytes` bytes of the pieces, at most HURT_BYTES, into the buffer. */
static size_t gather(const struct iovec *data, size_t pieces, uint64_t bytes)
{
    const size_t most = bytes < HURT_BYTES ? (size_t)bytes : HURT_BYTES;
    size_t used = 0;
    for (size_t i = 0; i < pieces && used < most; i++) {
        const size_t part = data[i].iov_len < most - used ? data[i].iov_len : most - used;
        memcpy(buffer + used, data[i].iov_base, part);
        used += part;
    }
    return used;
}

void hurt_bytes(const fault_choice *choice, uint8_t *bytes, size_t count)
{
    if (!count)
        return;
    if (choice->effect == FAULT_FLIP) {
        const uint64_t bit = choice->draw % (count * 8);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    } else if (choice->effect == FAULT_GARBAGE) {
        const size_t sectors = (count + 511) / 512, from = choice->draw % sectors * 512;
        random_stream random = random_open(choice->draw, 1);
        random_fill(&random, bytes + from, count - from < 512 ? count - from : 512);
    }
}

static long put(const hurt_write *w, uint64_t offset, size_t from, size_t to, uint16_t number)
{
    if (to <= from)
        return 0;
    long done = recorder_syscall(SYS_pwrite64, (uint64_t)w->fd, (uintptr_t)buffer + from, to - from, offset + from, 0,
                                 0);
    if (done > 0) {
        const recorder_record r = { .op = RECORDER_WRITE, .call = number, .inode = w->inode, .offset = offset + from,
                                    .bytes = (uint64_t)done };
        recorder_append(&r, NULL, NULL, w->path, &(struct iovec){ buffer + from, (size_t)done }, 1);
    }
    return done;
}

long hurt_written(const hurt_write *w, const fault_choice *choice, uint16_t number)
{
    uint64_t bytes = w->bytes, at = w->offset;
    if (choice->effect == FAULT_SHORT && choice->bytes < bytes)
        bytes = choice->bytes;
    const size_t n = gather(w->data, w->pieces, bytes);
    long done = (long)n;
    hurt_bytes(choice, buffer, n);
    if (choice->effect == FAULT_MISDIRECT && !w->append && (int64_t)at + choice->shift >= 0)
        at = (uint64_t)((int64_t)at + choice->shift);
    if (choice->effect == FAULT_STALE) {
        const size_t hole = n ? choice->draw % ((n + 511) / 512) * 512 : 0, end = hole + 512 < n ? hole + 512 : n;
        done = put(w, at, 0, hole, number);
        if (done >= 0 && put(w, at, end, n, number) < 0)
            done = -5; /* EIO: of the real file, which has been half written */
        done = done < 0 ? done : (long)n;
    } else if (choice->effect != FAULT_LOST)
        done = put(w, at, 0, n, number);
    if (done > 0 && !w->positional)
        recorder_syscall(SYS_lseek, (uint64_t)w->fd, w->offset + (uint64_t)done, SEEK_SET, 0, 0, 0);
    return done;
}
