/*
 * scoreboard_claims.c - what is known of well-known stores, held against what was measured: a check of the harness.
 *
 * The claims were written down before the first run (issue 8 of this tree).  "A large share" is a fifth; a share of
 * fewer than ENOUGH trials is none.
 */
#include <stdarg.h>
#include <string.h>

#include "scoreboard_words.h"

enum { ENOUGH = 30 };
#define LARGE_SHARE 0.2
#define MOST 0.5

typedef unsigned long long ull;

const char *board_verdict_text(board_verdict v)
{
    static const char *const texts[] = { "not measured", "too few", "agrees", "DISAGREES" };
    return texts[v];
}

/* NULL: there is none, or nothing of that class was done. */
static const board_cell *cell_of(const board *b, const char *label, board_class c)
{
    for (size_t i = 0; i < b->row_count; i++)
        if (strcmp(b->rows[i]->spec.label, label) == 0 && board_cell_done(&b->rows[i]->cells[c]))
            return &b->rows[i]->cells[c];
    return NULL;
}

static void __attribute__((format(printf, 2, 3))) figures_add(board_claim *claim, const char *format, ...)
{
    size_t used = strlen(claim->figures);
    va_list arguments;
    va_start(arguments, format);
    if (used && used + 2 < sizeof claim->figures)
        used += (size_t)snprintf(claim->figures + used, sizeof claim->figures - used, "; ");
    vsnprintf(claim->figures + used, sizeof claim->figures - used, format, arguments);
    va_end(arguments);
}

/* The worst of its figures counts. */
static void claim_shows(board_claim *claim, board_verdict v)
{
    claim->verdict = v > claim->verdict ? v : claim->verdict;
}

/* Of so many trials of a class an outcome came in this share, or more. */
static void claim_share(board_claim *claim, const board *b, const char *label, board_class c, outcome what,
                        double least)
{
    const board_cell *cell = cell_of(b, label, c);
    if (!cell)
        return;
    const uint64_t done = board_cell_done(cell);
    figures_add(claim, "%s: %s in %llu of %llu", board_class_word(c), outcome_text(what), (ull)cell->counts[what],
                (ull)done);
    claim_shows(claim, done < ENOUGH                                            ? BOARD_TOO_FEW
                       : (double)cell->counts[what] >= least * (double)done ? BOARD_AGREES
                                                                              : BOARD_DISAGREES);
}

/* No damage to a block is answered wrongly, and some is told; a log that was damaged may be shorter. */
static void claim_detects(board_claim *claim, const board *b, const char *label)
{
    uint64_t bad = 0, told = 0, all = 0;
    static const store_damage_kind kinds[] = { STORE_FLIP, STORE_ZERO, STORE_MISDIRECTED, STORE_STALE };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        const board_cell *cell = cell_of(b, label, (board_class)kinds[k]);
        if (!cell)
            continue;
        const uint64_t wrong = cell->counts[OUTCOME_WRONG] + cell->counts[OUTCOME_HOLE];
        figures_add(claim, "%s: wrong or hole %llu, detected %llu, lost %llu of %llu", store_damage_word(kinds[k]),
                    (ull)wrong, (ull)cell->counts[OUTCOME_DETECTED], (ull)cell->counts[OUTCOME_LOST],
                    (ull)board_cell_done(cell));
        bad += wrong;
        told += cell->counts[OUTCOME_DETECTED];
        all += board_cell_done(cell);
    }
    if (all)
        claim_shows(claim, bad            ? BOARD_DISAGREES
                           : all < ENOUGH ? BOARD_TOO_FEW
                           : told         ? BOARD_AGREES
                                          : BOARD_DISAGREES);
}

void board_claims(const board *b, board_claim claims[BOARD_CLAIMS])
{
    static const char *const texts[BOARD_CLAIMS] = {
        "LMDB gives wrong values for a large share (a fifth or more) of bit flips and misdirected pages",
        "SQLite without page checksums gives wrong values for a large share of bit flips and misdirected pages",
        "LMDB dies by SIGBUS on files cut short (most of them; the example of `signal` says by which)",
        "RocksDB detects block damage (a damaged log may end early: `lost`, as its default recovery mode says)",
        "WiredTiger detects block damage",
        "Levin has no bad cell",
    };
    for (size_t i = 0; i < BOARD_CLAIMS; i++)
        claims[i] = (board_claim){ .text = texts[i] };
    claim_share(&claims[0], b, "lmdb", (board_class)STORE_FLIP, OUTCOME_WRONG, LARGE_SHARE);
    claim_share(&claims[0], b, "lmdb", (board_class)STORE_MISDIRECTED, OUTCOME_WRONG, LARGE_SHARE);
    claim_share(&claims[1], b, "sqlite", (board_class)STORE_FLIP, OUTCOME_WRONG, LARGE_SHARE);
    claim_share(&claims[1], b, "sqlite", (board_class)STORE_MISDIRECTED, OUTCOME_WRONG, LARGE_SHARE);
    claim_share(&claims[2], b, "lmdb", (board_class)STORE_CUT, OUTCOME_SIGNAL, MOST);
    claim_detects(&claims[3], b, "rocksdb");
    claim_detects(&claims[4], b, "wiredtiger");
    uint64_t bad = 0, done = 0;
    for (int c = 0; c < BOARD_CLASSES; c++) {
        const board_cell *cell = cell_of(b, "levin", (board_class)c);
        bad += cell ? board_cell_bad(cell, (board_class)c) : 0;
        done += cell ? board_cell_done(cell) : 0;
    }
    if (done) {
        figures_add(&claims[5], "bad %llu of %llu trials", (ull)bad, (ull)done);
        claim_shows(&claims[5], bad ? BOARD_DISAGREES : BOARD_AGREES);
    }
}
