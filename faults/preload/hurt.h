/*
 * hurt.h - a fault plan at work in a recorded program: the question whether a call is hurt, and how a write is.
 */
#ifndef LEVIN_FAULTS_PRELOAD_HURT_H
#define LEVIN_FAULTS_PRELOAD_HURT_H

#include "../fault_io.h"
#include "recorder.h"

/* Whether there is a plan at all. */
bool hurt_any(void);

/* Under the lock. Whether the call is hurt, and how: a note is in the log then. path is relative to the root. */
bool hurt_asks(uint16_t number, const char *path, bool directory, fault_operation operation, uint64_t offset,
               uint64_t bytes, fault_choice *choice);

/* FAULT_FLIP and FAULT_GARBAGE: what becomes of the bytes. */
void hurt_bytes(const fault_choice *choice, uint8_t *bytes, size_t count);

typedef struct hurt_write {
    int fd;
    uint64_t inode;
    const char *path;
    const struct iovec *data;
    size_t pieces;
    uint64_t bytes, offset; /* where it would go */
    bool positional, append;
} hurt_write;

/*
 * Makes the write as its effect wants it: short, flip, garbage, stale, lost, misdirect; at most 64 KiB of it, for a
 * write may be short.  What is written is in the log.  Returns what the program is to see.
 */
long hurt_written(const hurt_write *write, const fault_choice *choice, uint16_t number);

#endif
