/*
 * scoreboard_words.h - how a scoreboard is read fairly, in words that its text and its page share.
 */
#ifndef CHAOS_SCOREBOARD_WORDS_H
#define CHAOS_SCOREBOARD_WORDS_H

#include "scoreboard.h"

/* One letter for each outcome, in the table as text. */
char board_letter(outcome what);
/* "an answer that never was right, and the call succeeded" */
const char *board_outcome_meaning(outcome what);

typedef struct board_section {
    const char *title;         /* NULL at the end */
    const char *const *points; /* NULL at the end */
} board_section;

extern const board_section board_how_to_read[];

/* What was said about well-known stores before anything was measured, and what this board shows. */
/* From the best to the worst; too few: so few trials that a share says nothing. */
typedef enum board_verdict { BOARD_NOT_MEASURED, BOARD_TOO_FEW, BOARD_AGREES, BOARD_DISAGREES } board_verdict;
enum { BOARD_CLAIM_BYTES = 512, BOARD_CLAIMS = 6 };

typedef struct board_claim {
    const char *text;
    board_verdict verdict;
    char figures[BOARD_CLAIM_BYTES];
} board_claim;

const char *board_verdict_text(board_verdict v);
void board_claims(const board *b, board_claim claims[BOARD_CLAIMS]);

#endif
