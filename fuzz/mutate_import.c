/*
 * mutate_import.c - the custom mutator of fuzz_import: works on lines and on the words that the formats know.
 *
 * Invariants: a pure function of (input, seed), but for LLVMFuzzerMutate(), which is the fuzzer's.
 */
#include <string.h>

#include "import_input.h"
#include "lines.h"
#include "mutate.h"

#define WORD(text) { text, sizeof text - 1 }
static const levin_slice words[] = {
    WORD("Package: "), WORD("Version:"), WORD(": "), WORD("\n"), WORD("\n\n"), WORD("\n "), WORD("\n#"),
    WORD("\t"), WORD("\\t"), WORD("\\n"), WORD("\\\\"), WORD("\\"), WORD("\r"), WORD("\0"), WORD("\xff"),
    WORD("\xc3\xa4"), WORD("\xed\xa0\x80"), WORD("{\"key\":\""), WORD("\",\"value\":\""), WORD("\"}"),
    WORD("_base64"), WORD("/w=="), WORD("AAA="), WORD("\\u0000"), WORD("\\ud834\\udd1e"), WORD("\\u001f"),
    WORD("null"), WORD("[[[["), WORD("1e999"), WORD("{\"a\":\"x\",\"b\":\"y\"}\n"),
    WORD("{\"key\":\"k\",\"value_base64\":\"/w==\"}\n"), WORD(","), WORD("\"x\":"), WORD("{}"), WORD("true"),
    WORD("-9223372036854775808"), WORD("9223372036854775808"), WORD("1.5e-7"), WORD("\"\""), WORD("\\/"),
    WORD("\\ud834")
};
#undef WORD

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 0);
    if (capacity > IMPORT_HEADER_BYTES + IMPORT_TEXT_MAX)
        capacity = IMPORT_HEADER_BYTES + IMPORT_TEXT_MAX;
    size = size < capacity ? size : capacity;
    if (size < IMPORT_HEADER_BYTES || capacity < IMPORT_HEADER_BYTES || random_chance(&random, 8))
        return LLVMFuzzerMutate(data, size, capacity);
    uint8_t *text = data + IMPORT_HEADER_BYTES;
    const size_t room = capacity - IMPORT_HEADER_BYTES;
    size_t bytes = size - IMPORT_HEADER_BYTES;
    for (uint64_t i = random_below(&random, 4) + 1; i > 0; i--) {
        const uint64_t choice = random_below(&random, 16);
        if (choice == 0)
            data[random_below(&random, IMPORT_HEADER_BYTES)] = (uint8_t)random_next(&random);
        else if (choice < 6 && bytes)
            bytes = lines_mutate(&random, text, bytes, room);
        else if (choice < 12 || !bytes)
            bytes = lines_insert_word(&random, words, sizeof words / sizeof words[0], text, bytes, room);
        else
            bytes = LLVMFuzzerMutate(text, bytes, room);
    }
    return IMPORT_HEADER_BYTES + bytes;
}

/* The front of one text, the end of the other, each cut at a line. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t capacity, unsigned seed)
{
    random_stream random = random_open(seed, 1);
    if (size1 <= IMPORT_HEADER_BYTES || size2 <= IMPORT_HEADER_BYTES)
        return 0;
    const span front = lines_pick(&random, data1 + IMPORT_HEADER_BYTES, size1 - IMPORT_HEADER_BYTES);
    const span end = lines_pick(&random, data2 + IMPORT_HEADER_BYTES, size2 - IMPORT_HEADER_BYTES);
    const size_t front_bytes = IMPORT_HEADER_BYTES + front.at, end_bytes = size2 - IMPORT_HEADER_BYTES - end.at;
    if (front_bytes + end_bytes > capacity || front_bytes + end_bytes > IMPORT_HEADER_BYTES + IMPORT_TEXT_MAX)
        return 0;
    memcpy(out, data1, front_bytes);
    memcpy(out + front_bytes, data2 + IMPORT_HEADER_BYTES + end.at, end_bytes);
    return front_bytes + end_bytes;
}
