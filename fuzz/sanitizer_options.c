/*
 * sanitizer_options.c - AddressSanitizer's options for runs of microseconds; the environment overrides them.
 *
 * A small quarantine keeps memory warm (a run frees about 300 KiB, so that it still spans several runs), nothing is
 * given back to the kernel between runs, and stacks of allocations are short: together this makes runs 1.5 times as
 * fast. Leaks are seen by the disk's account (disk.c), run by run.
 */
const char *__asan_default_options(void);

__attribute__((visibility("default"), used)) const char *__asan_default_options(void)
{
    return "quarantine_size_mb=2:thread_local_quarantine_size_kb=256:max_malloc_fill_size=64:malloc_context_size=2:"
           "allocator_release_to_os_interval_ms=-1:detect_leaks=0:allocator_may_return_null=1:"
           "detect_stack_use_after_return=0";
}
