/*
 * scoreboard.h - stores beside each other: for each what became of every class of fault.
 */
#ifndef CHAOS_SCOREBOARD_H
#define CHAOS_SCOREBOARD_H

#include <stdio.h>

#include "../faults/trace.h"
#include "culprit.h"
#include "guarded.h"
#include "directory.h"
#include "scratch.h"
#include "store_damage.h"
#include "store_spec.h"
#include "store_work.h"

enum { BOARD_ROWS_MAX = 64, BOARD_PATH_BYTES = 512, BOARD_REPLAY_BYTES = 1024, BOARD_REPEATS = 3,
       BOARD_CANDIDATES = 3, BOARD_PLACE_BYTES = 48, BOARD_RELIES_BYTES = 1536, BOARD_SEED_DEFAULT = 1,
       BOARD_BATCHES_DEFAULT = 400,
       BOARD_GO_ON_BATCHES = 8 /* written behind what was found, at most */ };

#define BOARD_MEMORY_BYTES ((uint64_t)2 << 30) /* for what is judged */
#define BOARD_HANG_DEFAULT 20.0
#define BOARD_IDLE_SECONDS 5.0 /* nothing that is judged sleeps for so long */
#define BOARD_QUIET_SHARE (1.0 / 3) /* of hang_seconds: a life that did nothing for so long hangs */

/* The classes of faults: damages to a closed store (store_damage_kind), then those of a running one. */
typedef enum board_class {
    BOARD_DAMAGES = 0,
    BOARD_SYNC = STORE_DAMAGE_KINDS, /* a sync fails, and the power goes soon after */
    BOARD_FULL,                      /* writes are refused for want of room, until it is closed */
    BOARD_CRASH,                     /* the power goes, on a file system with a journal */
    BOARD_STRICT,                    /* the power goes, and the file system did only what POSIX asks for */
    BOARD_CLASSES
} board_class;

/* "flip", "cut"; for people: "a bit flipped". */
const char *board_class_word(board_class c);
const char *board_class_text(board_class c);
bool board_class_parse(const char *word, board_class *c);
/*
 * Right is not bad.  Detected is not where data was destroyed; after a power cut or a full disk nothing was, and a
 * store that cannot be read any more is lost to its user.
 */
bool board_is_bad(board_class c, outcome what);

/* What a store told those who commit, in a life in which a sync failed or the disk was full. */
typedef enum board_told {
    BOARD_TOLD_NOTHING, /* no commit failed: it was not opened yet, was being closed, or did not pass it on */
    BOARD_TOLD_REFUSES, /* a commit failed, and none was acknowledged on this handle after it */
    BOARD_TOLD_GOES_ON, /* a commit failed, and one after it was acknowledged */
    BOARD_TOLD_COUNT
} board_told;

typedef struct board_options {
    uint64_t seed;
    uint64_t damages;        /* of each class, at most */
    uint64_t lives;          /* with a failed sync, and with a full disk */
    uint64_t states;         /* after a power cut, of each class */
    unsigned classes;        /* bits 1 << class: those that are tried */
    double budget_seconds;   /* for all; 0: until everything is done */
    double hang_seconds;     /* after so long a store hangs */
    unsigned jobs;
    uint32_t keys, batches;  /* of the workload */
    uint32_t life_batches;   /* of it, at most, in a life under the recorder */
    char directory[BOARD_PATH_BYTES]; /* what is kept: the stores that are damaged, and the report */
    bool quiet;
    bool resume;             /* results of trials that `directory` has are taken, and not done again */
    bool replaying;          /* one trial: what it needs must be what the report in `directory` speaks of */
    bool fresh;              /* then: what comes out the same each time is made anew, not taken from `directory` */
} board_options;

/* Whether what was made BOARD_REPEATS times came out the same. */
typedef enum board_again { BOARD_AGAIN_UNKNOWN, BOARD_AGAIN_SAME, BOARD_AGAIN_OTHER } board_again;

/* What trials begin with: the files of a closed store, or the recording of a life. */
typedef struct board_part {
    uint64_t digest;         /* of all that a trial depends on; 0: it is not there */
    board_again again;
} board_part;

/* What a report says of a row. */
typedef struct board_kept {
    bool there;
    char version[STORE_LABEL_BYTES];
    board_part files, life;
} board_kept;

/* One that shows an outcome. */
typedef struct board_example {
    bool there;
    uint64_t number;
    char what[STORE_DAMAGE_DESCRIPTION_BYTES]; /* was done */
    char text[GUARDED_TEXT_BYTES];             /* came of it */
    char relies[BOARD_RELIES_BYTES]; /* of a power cut, in lines: the assumption that does not hold, and what is lost or
                                      * torn (culprit_describe()); empty: not searched */
    unsigned reproduced;     /* of BOARD_REPEATS replays in a row, each a process of its own: the same outcome */
    char differs[GUARDED_TEXT_BYTES]; /* what the first replay that ended otherwise said */
} board_example;

typedef struct board_cell {
    uint64_t due;            /* how many there are to do */
    uint64_t counts[OUTCOME_COUNT];
    uint64_t check_found;    /* of those detected: by its own check alone */
    uint64_t told[BOARD_TOLD_COUNT][OUTCOME_COUNT]; /* BOARD_SYNC, BOARD_FULL: lives */
    uint64_t skipped;        /* the fault did not come: not among the counts */
    double seconds;          /* of the search of a class of power cuts */
    board_example examples[OUTCOME_COUNT][BOARD_CANDIDATES]; /* the lowest numbers; [0] is shown: one that came back,
                              * if there is one */
} board_cell;

/* What became of one trial. */
typedef struct board_result {
    board_class class;
    outcome what;            /* OUTCOME_COUNT: the fault did not come */
    unsigned noted;          /* see board_trial() */
    uint64_t number;
    double seconds;
    char done[STORE_DAMAGE_DESCRIPTION_BYTES], text[GUARDED_TEXT_BYTES];
} board_result;

typedef struct board_row {
    store_spec spec;
    char configuration[STORE_MESSAGE_BYTES];
    char failed[GUARDED_TEXT_BYTES]; /* why it could not be judged; empty: it could */
    char refused[GUARDED_TEXT_BYTES]; /* of a replay: why it is none of what the report speaks of; empty: it is */
    board_kept kept;                 /* replaying */
    board_part made_files, made_life;
    uint64_t files, bytes;           /* of the closed store */
    store_work *work;
    store_damages *damages;
    uint32_t acknowledged;           /* batches in the closed store */
    bool recorded;                   /* a life in which nothing happened */
    trace *life;                     /* its calls; NULL: not in memory, see board_life_load() */
    char not_recorded[GUARDED_TEXT_BYTES];
    uint64_t syncs, written;         /* in it: calls, bytes */
    double seconds;                  /* of all its trials, over all processes */
    board_cell cells[BOARD_CLASSES];
    FILE *results;                   /* scoreboard_results.h */
    bool *had[BOARD_CLASSES];        /* by number: its result is one of an earlier run */
    uint64_t taken;                  /* so many are */
} board_row;

typedef struct board {
    board_options options;
    board_row *rows[BOARD_ROWS_MAX];
    size_t row_count;
    const store_absence *absences;   /* stores that would have a row if they could be loaded; NULL: not asked for */
    scratch scratch;                 /* in memory, if there is room */
    double seconds;
    bool interrupted, out_of_time;
    bool confirmed;                  /* the replay lines of what is bad were run */
} board;

bool board_begin(board *b, const board_options *options);
/*
 * A store as for --store: made, or that of an earlier run with the same settings taken again (scoreboard_store.c).
 * False with a sentence.
 */
bool board_add(board *b, const char *label, char message[STORE_MESSAGE_BYTES]);
/* All that can be loaded, with their variants. */
void board_add_all(board *b);
/* Everything that is due and can be done within the budget. */
void board_run(board *b);
void board_row_prepare(board *b, board_row *row);
bool board_class_wanted(const board *b, board_class c);
/* Of power cuts: states of one recording, not trials with a number each. */
bool board_class_is_crash(board_class c);
/* "0123456789abcdef" */
enum { BOARD_DIGEST_BYTES = 20 };
void board_digest_text(uint64_t digest, char text[BOARD_DIGEST_BYTES]);
const char *board_again_text(board_again again);
/*
 * The replay line of an example of each bad outcome, BOARD_REPEATS times in a row (scoreboard_confirm.c).  The report
 * is in the directory by then: replays look into it.
 */
void board_confirm(board *b);
/* Small sizes, so that logs are switched, written back and merged in a workload that is read in no time. */
store_config board_config(const store_spec *spec, const char *path, bool create);
/* A trial hangs when it does not compute for so long; 0: that is not looked at. */
double board_idle_seconds(const board_row *row);
/* What is written to all stores, in batches of one operation where a store has no others. */
store_work *board_work(uint64_t seed, uint32_t keys, uint32_t batches, const store_adapter *a);
/* Where the row's `before` and `now` are, and its recording. */
void board_files_path(const board *b, const board_row *row, const char *name, char path[DIRECTORY_PATH_BYTES]);
void board_life_path(const board *b, const board_row *row, char path[DIRECTORY_PATH_BYTES]);
/* Of a row that has one; those who load it release it (lives_release()): each trial is a fork of what is in memory. */
void board_life_load(const board *b, board_row *row);
/* Anything else that is kept of the row. */
void board_row_path(const board *b, const board_row *row, const char *name, char path[DIRECTORY_PATH_BYTES]);
/* "17"; of a power cut "POINT.VARIANT". */
void board_place_text(board_class c, uint64_t number, char text[BOARD_PLACE_BYTES]);
bool board_place_parse(board_class c, const char *text, uint64_t *number);
/* Whether the class has that number for this store. */
bool board_place_exists(const board_row *row, board_class c, uint64_t number);
/*
 * One trial. OUTCOME_COUNT when the fault did not come, or there is no such state. *noted: of a damage, that its own
 * check alone found it; of a life, a board_told.
 */
outcome board_trial(const board *b, board_row *row, board_class c, uint64_t number,
                    char what[STORE_DAMAGE_DESCRIPTION_BYTES], char text[GUARDED_TEXT_BYTES], unsigned *noted);
/* Takes an example if its number is among the lowest. */
void board_example_take(board_cell *cell, outcome what, const board_example *e);
void board_end(board *b);

uint64_t board_cell_done(const board_cell *cell);
/* Trials of which the result is one of an earlier run. */
uint64_t board_taken(const board *b);
uint64_t board_cell_bad(const board_cell *cell, board_class c);
/* Whether none of the examples of a bad outcome came back: then it is no finding. */
bool board_outcome_doubtful(const board *b, const board_cell *cell, board_class c, outcome what);
/* Lives of which the store told so much: of all outcomes, and of those in which what was acknowledged is gone. */
uint64_t board_told_lives(const board_cell *cell, board_told t);
uint64_t board_told_bad(const board_cell *cell, board_told t);
/* Those of board_cell_bad() that are findings. */
uint64_t board_cell_found(const board *b, const board_cell *cell, board_class c);
/* The command line that does it again. */
void board_replay_line(const board *b, const board_row *row, board_class c, uint64_t number,
                       char line[BOARD_REPLAY_BYTES]);

void board_text(FILE *to, const board *b);
void board_json(FILE *to, const board *b);
void board_html(FILE *to, const board *b);

#endif
