/*
 * coverage_exit.c - in the coverage build, _exit() writes the counters of the process first: children of tests and the
 * harness's workers end so, and the runtime of the profile writes from atexit() alone.
 *
 * Linked with -Wl,--wrap=_exit into every program of that build, and into nothing else.
 * Concurrency: as _exit(); the runtime locks the file that it merges into.
 */
#include <unistd.h>

int __llvm_profile_write_file(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);

_Noreturn void __wrap__exit(int status)
{
    (void)__llvm_profile_write_file();
    __real__exit(status);
}
