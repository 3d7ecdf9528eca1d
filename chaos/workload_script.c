/*
 * workload_script.c - what a workload does, as C calls of faults/client.h (workload_script.h).
 *
 * Bytes are string literals in pieces, or an array when there are many: a literal may be no longer than 4095 bytes.
 */
#include "workload_script.h"

#include <stdarg.h>

#include "workload_plan.h"

enum { LITERAL_MAX = 500, TEXT_MAX = 4000, LINE_COLUMNS = 96, ARRAY_A_LINE = 24 };

void workload_script_call(workload_script *s, const char *format, ...)
{
    va_list arguments;
    if (!s)
        return;
    va_start(arguments, format);
    fputs("    ", s->to);
    vfprintf(s->to, format, arguments);
    fputs(";\n", s->to);
    va_end(arguments);
    fflush(s->to); /* the next call may be the last one of this process */
}

/* A string literal, on several lines when it is long. */
static void print_literal(FILE *to, levin_slice bytes)
{
    const unsigned char *at = bytes.data;
    int column = 0;
    fputc('"', to);
    for (size_t i = 0; i < bytes.size; i++) {
        if (column >= LINE_COLUMNS) {
            fputs("\"\n        \"", to);
            column = 0;
        }
        if (at[i] == '"' || at[i] == '\\' || at[i] == '?') /* no trigraphs */
            column += fprintf(to, "\\%c", at[i]);
        else if (at[i] >= ' ' && at[i] < 0x7f)
            column += fprintf(to, "%c", at[i]);
        else
            column += fprintf(to, "\\%03o", at[i]);
    }
    fputc('"', to);
}

/* Whether it is better read as numbers. */
static bool is_array(levin_slice bytes)
{
    const unsigned char *at = bytes.data;
    size_t printable = 0;
    for (size_t i = 0; i < bytes.size; i++)
        printable += (at[i] >= ' ' && at[i] < 0x7f) || at[i] == '\n';
    return bytes.size > TEXT_MAX || (bytes.size > LITERAL_MAX && printable < bytes.size);
}

static void print_array(FILE *to, levin_slice bytes)
{
    const unsigned char *at = bytes.data;
    fputs("        static const unsigned char bytes[] = {", to);
    for (size_t i = 0; i < bytes.size; i++)
        fprintf(to, i % ARRAY_A_LINE ? "%u," : "\n            %u,", at[i]);
    fputs("\n        };\n", to);
}

void workload_script_bytes(workload_script *s, const char *name, unsigned space, levin_slice one, levin_slice two)
{
    if (!s)
        return;
    const bool array = is_array(two);
    if (array) {
        fputs("    {\n", s->to);
        print_array(s->to, two);
    }
    fprintf(s->to, "    %s%s(c, %u, ", array ? "    " : "", name, space);
    print_literal(s->to, one);
    fprintf(s->to, ", %zu", one.size);
    if (array) {
        fputs(", bytes, sizeof bytes);\n    }\n", s->to);
    } else if (two.data) {
        fputs(",\n        ", s->to);
        print_literal(s->to, two);
        fprintf(s->to, ", %zu);\n", two.size);
    } else {
        fputs(");\n", s->to);
    }
    fflush(s->to);
}

void workload_script_operation(workload_script *s, const plan_op *op)
{
    const levin_slice value = op->value.size ? op->value : (levin_slice){ "", 0 }, none = { NULL, 0 };
    if (op->reach == REACH_RANGE)
        workload_script_bytes(s, "client_delete_range", op->space, op->key, value);
    else if (op->reach == REACH_PREFIX)
        workload_script_bytes(s, "client_delete_prefix", op->space, op->key, none);
    else if (op->deletes)
        workload_script_bytes(s, "client_delete", op->space, op->key, none);
    else
        workload_script_bytes(s, "client_put", op->space, op->key, value);
}

const char *workload_script_durability(levin_durability durability)
{
    return durability == LEVIN_SYNCED ? "LEVIN_SYNCED" : durability == LEVIN_LOGGED ? "LEVIN_LOGGED" : "LEVIN_NONE";
}

unsigned workload_script_submit(workload_script *s, levin_durability durability, bool callback)
{
    if (!s)
        return 0;
    workload_script_call(s, "client_submit%s(c, %s)", callback ? "_callback" : "",
                         workload_script_durability(durability));
    s->open++;
    return s->submitted++;
}

void workload_script_wait(workload_script *s, unsigned ticket)
{
    if (!s)
        return;
    workload_script_call(s, "client_wait(c, %u)", ticket);
    if (--s->open == 0)
        s->submitted = 0;
}
