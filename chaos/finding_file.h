/*
 * finding_file.h - a finding kept as a small text, with all that is needed to do it again.
 *
 * Version 1, a line each, in any order after the first two; a line that begins with # is a comment:
 *
 *   finding = "levin-finding" "1" , "command" command , { line }
 *   command = "sweep" | "faults" | "crossed" | "plan" | "corrupt" | "ranges"
 *                                   crossed: sweep --faults; plan: faults --plan
 *   line    = "seed" N
 *           | "ops" N               as the option --ops, or the command's default
 *           | "data" FILE           names and values; absent: made-up ones
 *           | "depth" N             sweep, crossed: as the option; absent: 2, crossed: 3
 *           | "tails" N             sweep: goes on after one recovery in N; absent: 8
 *           | "at" PATH             sweep: POINT.VARIANT[/POINT.VARIANT...]
 *           | "fault" NAME          faults: SCENARIO/KIND.OPERATION/EFFECT/once|forever/N, or none
 *           | "chain" N             crossed: its number, or none
 *           | "scenario" NAME       plan: life, recovery-0, ...; or none
 *           | "rule" RULE           plan: a rule of it, as in faults/README.md, in order
 *           | "damage" NAME         corrupt: STORE/KIND/FILE/N, or none
 *           | "steps" SET           those of the workload (ranges: of the life) that are done; absent: all
 *           | "operations" SET      of their batches, those that are made; absent: all.  Not for ranges
 *           | "values" N            longer values end after N bytes; absent: none does.  Not for ranges
 *           | "walks" SET           ranges: the steps after which iterators are moved; absent: all
 *           | "promise" TEXT        the promise that is expected to be broken
 *           | "phase" TEXT          while what was done; may be absent
 *           | "found" TEXT          what was found; for people
 *   SET     = { N | N "-" N }       ascending
 *
 * "none" as name stands for the runs without any fault or damage.
 */
#ifndef CHAOS_FINDING_FILE_H
#define CHAOS_FINDING_FILE_H

#include <stdio.h>

#include "../faults/plan.h"
#include "ranges_run.h"
#include "report.h"

enum { FINDING_VERSION = 1, FINDING_TAILS_DEFAULT = 8, FINDING_BYTES_MAX = 1 << 20, PLAN_RULE_BYTES = 240 };

/* X(name, text, the word before its place) */
#define FINDING_COMMANDS(X)                                                                                     \
    X(FINDING_SWEEP, "sweep", "at")                                                                             \
    X(FINDING_FAULTS, "faults", "fault")                                                                        \
    X(FINDING_CROSSED, "crossed", "chain")                                                                      \
    X(FINDING_PLAN, "plan", "scenario")                                                                         \
    X(FINDING_CORRUPT, "corrupt", "damage")                                                                     \
    X(FINDING_RANGES, "ranges", NULL)
typedef enum finding_command {
#define FINDING_COMMAND_ENUM(name, text, place) name,
    FINDING_COMMANDS(FINDING_COMMAND_ENUM)
#undef FINDING_COMMAND_ENUM
    FINDING_COMMAND_COUNT
} finding_command;
const char *finding_command_text(finding_command command);

typedef struct saved_finding {
    finding_command command;
    uint64_t seed;
    uint32_t operations;
    unsigned depth, tails;
    char data[256];                   /* "": made up */
    char place[320];                  /* at, fault, scenario or damage; ranges: "" */
    char rules[PLAN_RULES_MAX][PLAN_RULE_BYTES]; /* without line ends */
    size_t rule_count;
    workload_part part;               /* the set of operations is of no use to ranges */
    number_set walks;
    char promise[24], phase[64], text[600];
} saved_finding;

/*
 * What a detector found, with the options that it ran with.  The caller frees it.  rules NULL: not under a plan;
 * otherwise they were read from plan_text, and item->replay is the scenario.  False: the name of the data file, or a
 * rule, is too long to be kept.
 */
bool saved_finding_make(saved_finding *f, const finding *item, const chaos_options *options, const plan_rules *rules,
                        const char *plan_text);
/* Keeps it in the directory options->save, under a name made of command, seed and place. False, and stderr says why. */
bool finding_save(const finding *item, const chaos_options *options, const plan_rules *rules, const char *plan_text);
/* Makes the directory unless it is there. False: it cannot be, as stderr says. */
bool findings_directory(const char *path);
void saved_finding_copy(saved_finding *to, const saved_finding *from); /* `to` is free, or zeroed */
void saved_finding_free(saved_finding *f);

/* Reads `bytes` of text. False: *error says where and why, and *f is free. */
bool saved_finding_parse(saved_finding *f, const char *text, size_t bytes, words_error *error);
/* Reads a file; explains on stderr why it cannot. */
bool saved_finding_load(saved_finding *f, const char *path);
void saved_finding_print(const saved_finding *f, FILE *to);
/* Writes it whole or not at all; explains on stderr why it cannot. */
bool saved_finding_store(const saved_finding *f, const char *path);
/* Where a rule says " nth ", NULL: nowhere, but perhaps in its comment. */
const char *saved_rule_nth(const char *rule);
/* The rules of a finding under a plan. They were read before. */
void saved_finding_rules(const saved_finding *f, plan_rules *rules);

#endif
