/*
 * options.h - what the command line asks for.
 */
#ifndef CHAOS_OPTIONS_H
#define CHAOS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "../faults/shard.h"

enum { EXIT_NOTHING_FOUND = 0, EXIT_VIOLATION = 1, EXIT_USAGE = 2, EXIT_HARNESS = 3, EXIT_INTERRUPTED = 130 };
enum { DEPTH_DEFAULT = 2, CROSSED_DEPTH_DEFAULT = 3 };
enum { SOAK_THREADS_DEFAULT = 8, SOAK_SECONDS_DEFAULT = 60, SOAK_FAULT_EVERY_DEFAULT = 600 };

typedef enum chaos_command {
    COMMAND_SWEEP,
    COMMAND_FAULTS,
    COMMAND_CORRUPT,
    COMMAND_RANGES,
    COMMAND_CHAOS,
    COMMAND_REPLAY,
    COMMAND_SHRINK,
    COMMAND_SOAK,
    COMMAND_POINTS
} chaos_command;

typedef struct chaos_options {
    chaos_command command;
    uint64_t seed;
    uint64_t seeds;        /* 0: one, or with a budget as many as it allows */
    shard shard;           /* seed and seeds are those of this shard */
    uint32_t operations;   /* 0: the default of the command */
    unsigned depth;
    unsigned crossed_depth; /* of chains of faults and crashes */
    unsigned jobs;
    double budget_seconds; /* 0: until everything is done */
    const char *data;      /* NULL: made-up stanzas */
    bool json, fail_fast, quiet;
    bool small;            /* a workload below the sizes asked for is no failure */
    const char *at;        /* replay: path of a crash state */
    const char *fault;     /* replay: name of a fault run */
    const char *damage;    /* replay: name of a damage */
    const char *chain;     /* replay: number of a chain of faults and crashes */
    bool crossed;          /* sweep: faults crossed with crashes */
    bool effects;          /* faults: every effect and error at every point */
    const char *rule;      /* faults, replay: a fault plan of one rule; NULL: none */
    const char *scenario;  /* replay with rule: where */
    uint64_t chains;       /* of them, so many a seed; 0: the default */
    uint64_t damages;      /* corrupt: the most of one kind to the files of one class; 0: the default */
    bool exhaustive;       /* corrupt: all of them */
    const char *plan;      /* faults: file of a fault plan */
    const char *junit;     /* file for JUnit XML, or NULL */
    const char *html;      /* file for the page, or NULL */
    bool ranges;           /* replay: a seed of ranges */
    const char *file;      /* replay, shrink: of a kept finding; NULL: none */
    const char *save;      /* directory for findings, or NULL */
    const char *output;    /* shrink: where the smaller one goes; NULL: beside the file */
    bool c;                /* shrink: prints it as a C test */
    const char *program;
    unsigned threads;      /* soak */
    double duration_seconds;
    uint64_t lives;        /* at most; 0: no limit */
    uint64_t fault_every;  /* one I/O call in so many fails, in about every other life; 0: none */
    const char *directory; /* NULL: a new one */
    bool fiu;
} chaos_options;

/* Returns -1, or the status with which to exit at once (after --help, --version, or a mistake that was explained). */
int chaos_options_parse(chaos_options *options, int argc, char **argv);

#endif
