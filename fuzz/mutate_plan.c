/*
 * mutate_plan.c - the custom mutator of fuzz_plan: works on lines and on the words of the grammar.
 *
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include <string.h>

#include "lines.h"
#include "mutate.h"

enum { PLAN_TEXT_MAX = 4096 };

#define WORD(text) { text, sizeof text - 1 }
static const levin_slice words[] = {
    WORD("levin-fault-plan 1\n"), WORD("\non "), WORD(" do "), WORD("levin/io/*/*"), WORD("levin/io/wal/sync"),
    WORD("levin/io/pages,wal/write,read"), WORD("levin/io/dir/rename"), WORD("levin/mem/alloc"), WORD("levin/random"),
    WORD(" nth 3"), WORD(" every 2"), WORD(" probability 0.5"), WORD(" range 0..4096"), WORD(" after levin/random 1"),
    WORD(" once"), WORD(" forever"), WORD(" times 2"), WORD(" error EIO"), WORD(" error-after ENOSPC"),
    WORD(" error-kept EIO"), WORD(" budget 4096 ENOSPC"), WORD(" back 2"), WORD(" short 7"), WORD(" flip"),
    WORD(" garbage"), WORD(" stale"), WORD(" lost"), WORD(" misdirect -512"), WORD(" lie"), WORD(" clock +5ms"),
    WORD("18446744073709551615"), WORD("9223372036854775807"), WORD("0"), WORD(","), WORD("/"), WORD("#"), WORD("EINTR")
};
#undef WORD

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    const size_t room = capacity < PLAN_TEXT_MAX ? capacity : PLAN_TEXT_MAX;
    size = size < room ? size : room;
    if (random_chance(&random, 8))
        return LLVMFuzzerMutate(data, size, room);
    for (uint64_t i = random_below(&random, 4) + 1; i > 0; i--) {
        const uint64_t choice = random_below(&random, 16);
        if (choice < 5 && size)
            size = lines_mutate(&random, data, size, room);
        else if (choice < 13 || !size)
            size = lines_insert_word(&random, words, sizeof words / sizeof words[0], data, size, room);
        else
            size = LLVMFuzzerMutate(data, size, room);
    }
    return size;
}

/* The front of one text, the end of the other, each cut at a line. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 1);
    if (!size1 || !size2)
        return 0;
    const size_t front = lines_pick(&random, data1, size1).at, cut = lines_pick(&random, data2, size2).at;
    if (front + size2 - cut > capacity || front + size2 - cut > PLAN_TEXT_MAX)
        return 0;
    memcpy(out, data1, front);
    memcpy(out + front, data2 + cut, size2 - cut);
    return front + size2 - cut;
}
