/*
 * bench_table.h - the speed table: what is asked of Levin beside other stores, line by line, measured in one run.
 *
 * A figure is one number of one store in one round; 0 says that it was not measured.  A line compares figures: Levin's
 * with the best of the stores that it names, in the same round, so that the median is over ratios of neighbours; or
 * Levin's own with a limit.
 */
#ifndef LEVIN_BENCH_TABLE_H
#define LEVIN_BENCH_TABLE_H

#include "bench_report.h"

typedef enum table_figure {
    FIGURE_NONE,
    FIGURE_LOAD,
    FIGURE_OVERWRITE,
    FIGURE_PUT_1,
    FIGURE_PUT_8,
    FIGURE_PUT_32,
    FIGURE_GET_1,
    FIGURE_GET_2,
    FIGURE_MULTI_GET,
    FIGURE_GET_HOT,
    FIGURE_GET_HOT_P99,
    FIGURE_SCAN_SHORT,
    FIGURE_SCAN_FULL,
    FIGURE_PUT_16K,
    FIGURE_PUT_64K,
    FIGURE_GET_64K,
    FIGURE_PUT_64K_TREE,
    FIGURE_ALONE_P50,
    FIGURE_ALONE_P99,
    FIGURE_ALONE_P999,
    FIGURE_ALONE_MAX,
    FIGURE_BESIDE_P50,
    FIGURE_BESIDE_P99,
    FIGURE_BESIDE_P999,
    FIGURE_BESIDE_MAX,
    FIGURE_BESIDE_WRITES,
    FIGURE_BESIDE_WRITE_MAX,
    FIGURE_BESIDE_CHECKPOINTS,
    FIGURE_MEMORY,
    FIGURE_MEMORY_SHARE,
    FIGURE_DISK_SHARE,
    FIGURE_REOPEN,
    TABLE_FIGURES
} table_figure;

typedef enum figure_unit { UNIT_PER_S, UNIT_BYTES_PER_S, UNIT_NS, UNIT_S, UNIT_BYTES, UNIT_TIMES,
                           UNIT_COUNT } figure_unit;

typedef struct figure_kind {
    const char *name;  /* in JSON */
    const char *title; /* in text */
    figure_unit unit;
    bool lower_is_better;
} figure_kind;

extern const figure_kind table_figures[TABLE_FIGURES];

typedef enum line_kind {
    LINE_RATIO,  /* at least `asked` times the best of the peers */
    LINE_SELF,   /* at least `asked` times another figure of its own */
    LINE_LIMIT,  /* at most `asked`, in the unit of the figure */
    LINE_NOT_YET /* the engine cannot do it yet; the note says what */
} line_kind;

enum { LINE_PEERS_MAX = 3 };

typedef struct table_line {
    const char *work;
    line_kind kind;
    table_figure ours, theirs;         /* theirs: of the peers, mostly the same; of LINE_SELF its own other one */
    const char *peers[LINE_PEERS_MAX]; /* NULL: fewer */
    double asked;
    const char *note;                  /* printed with it; may be NULL */
} table_line;

const table_line *table_lines(size_t *count);

typedef struct table_values {
    double figure[BENCH_ROUNDS_MAX][BENCH_STORES_MAX][TABLE_FIGURES];
} table_values;

typedef struct table_verdict {
    bool known;               /* the figures that it needs are there */
    bool met;
    double median, low, high; /* over the rounds: the ratio, or the figure itself */
    size_t best;              /* the store with the best median among the peers; of a ratio that is known */
} table_verdict;

/* The store that is judged: the first that is Levin, else the first. */
size_t table_subject(const bench_setup *s);
table_verdict table_judge(const bench_setup *s, const table_values *t, const table_line *line);
/* Over the rounds in which it was measured; 0 without. */
double table_median(const bench_setup *s, const table_values *t, size_t which, table_figure f);

/* Budgets of the part that measures memory: a cache of half the raw bytes, two write buffers of an eighth. */
typedef struct table_budget {
    uint64_t cache_bytes, write_buffer_bytes, total_bytes;
} table_budget;
table_budget table_budget_of(const bench_options *o);

enum { TABLE_CELL_BYTES = 32 };
/* A value of the figure with its unit, three digits of it, into `text`, which is handed back; "-" when not above 0. */
const char *table_figure_text(char text[TABLE_CELL_BYTES], table_figure f, double v);
void table_report_text(const bench_setup *s, const table_values *t, double seconds, FILE *to);
/* A line for each figure of each store that was measured. False when writing failed, as in the next. */
bool table_report_csv(const bench_setup *s, const table_values *t, FILE *to);
/* A self-contained page of HTML: bar plots, versions, settings. */
bool table_report_page(const bench_setup *s, const table_values *t, double seconds, FILE *to);
bool table_report_json(const bench_setup *s, const table_values *t, double seconds, FILE *to);

/* As bench_paths_ready(), of all parts. */
bool bench_table_paths_ready(const bench_setup *s);
/* Measures and reports. False with a message printed when a store or the machine failed. */
bool bench_table_run(const bench_setup *s);

#endif
