/*
 * mutants_hits.c - which ways out of the branches of engine/ a process goes: linked into the marked library of
 * mutants.sh.
 *
 * `mutants.pl mark` sets a byte of mutant_hits on each way.  A file that MUTANT_HITS names is mapped over these,
 * shared, when the library is loaded: so the bytes of all processes that a detector starts come together, also of
 * those that are killed.
 * Concurrency: bytes are only ever set, to the same value.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define MAP_BYTES ((MUTANTS + PAGE - 1) / PAGE * PAGE)

__attribute__((visibility("hidden"))) extern unsigned char mutant_hits[];
__attribute__((aligned(PAGE))) unsigned char mutant_hits[MAP_BYTES];

__attribute__((constructor)) static void mutant_hits_map(void)
{
    const char *path = getenv("MUTANT_HITS");
    if (!path)
        return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0 || ftruncate(file, MAP_BYTES) ||
        mmap(mutant_hits, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != mutant_hits)
        abort();
    close(file);
}
