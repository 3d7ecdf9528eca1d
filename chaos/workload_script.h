/*
 * workload_script.h - a running workload writes down what it does, as C calls of faults/client.h.
 */
#ifndef CHAOS_WORKLOAD_SCRIPT_H
#define CHAOS_WORKLOAD_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../engine/levin.h"

typedef struct workload_script {
    FILE *to;
    bool reads;         /* also what only reads */
    unsigned submitted, open; /* tickets, as the client counts them */
} workload_script;

/* All harmless on NULL. One statement; the semicolon and the end of the line are added. */
void workload_script_call(workload_script *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The call of `name` with the keyspace and one or two strings of bytes; two.data NULL: one. */
void workload_script_bytes(workload_script *s, const char *name, unsigned space, levin_slice one, levin_slice two);
/* An operation of a batch that is put together. */
struct plan_op;
void workload_script_operation(workload_script *s, const struct plan_op *op);
/* The number that the client gives to the ticket. */
unsigned workload_script_submit(workload_script *s, levin_durability durability, bool callback);
void workload_script_wait(workload_script *s, unsigned ticket);
const char *workload_script_durability(levin_durability durability);

#endif
