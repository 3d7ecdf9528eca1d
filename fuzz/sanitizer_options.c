/*
 * sanitizer_options.c - AddressSanitizer's options for runs of microseconds; the environment overrides them.
 *
 * A small quarantine keeps memory warm (a run frees about 1 MiB, so that it still spans several runs); short stacks of
 * allocations cost half as much to record.  Leaks are seen by the disk's account (disk.c), run by run.
 */
const char *__asan_default_options(void);

__attribute__((visibility("default"), used)) const char *__asan_default_options(void)
{
    return "quarantine_size_mb=8:malloc_context_size=4:detect_leaks=0:allocator_may_return_null=1:"
           "detect_stack_use_after_return=0";
}
