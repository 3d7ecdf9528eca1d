/*
 * fuzz.h - what all targets share: the end of a run that saw a broken promise, the disk of one run, and options for
 * small stores.
 *
 * A target is one LLVMFuzzerTestOneInput() (libFuzzer's interface, which AFL++'s driver and replay_main.c call
 * too). One thread; a run leaves nothing behind that changes the next one.
 */
#ifndef LEVIN_FUZZ_H
#define LEVIN_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../engine/levin.h"
#include "../faults/simdisk.h"

/* Libfuzzer's interface; non-zero keeps an input out of the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A promise is broken: says so and aborts, which every fuzzer records. */
_Noreturn void fuzz_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define fuzz_require(condition, ...)                                                                            \
    do {                                                                                                        \
        if (!(condition))                                                                                       \
            fuzz_fail(__FILE__, __LINE__, __VA_ARGS__);                                                         \
    } while (0)

/*
 * The disk of one run: a simdisk that refuses to be used up.  More memory or more calls than any small store needs
 * are a broken promise ("no hang, no allocation sized by damaged bytes").  One at a time.
 */
enum { FUZZ_MEMORY_MAX = 16 << 20, FUZZ_CALLS_MAX = 1 << 18, FUZZ_FILE_MAX = 8 << 20 };
typedef struct fuzz_disk {
    simdisk *disk;
    levin_io table;
} fuzz_disk;
/* start NULL: an empty disk. */
void fuzz_disk_open(fuzz_disk *d, const disk_image *start);
/* Requires that nothing was left behind: no memory, no descriptor. */
void fuzz_disk_close(fuzz_disk *d);

#define FUZZ_STORE "db" /* the store's directory on the disk */

/* Smallest everything, no thread. */
void fuzz_options(levin_options *options, const levin_io *io);

#endif
