/*
 * trap.c - the seccomp filter that stops the calls which change files, and the signal handler that takes them.
 *
 * Why a filter and no replaced libc functions: stdio, aio, C++ streams, syscall() and inline system calls are all
 * seen, and nothing has to be known of libc's hundred names.  A filter outlives exec and cannot be taken back, so it
 * must let through what the dynamic linker does before this library is there: it reads, and maps privately.  Hence
 * no call that reads is stopped (libc.c has those for fault plans), of open only what may write, of mmap only shared
 * maps; munmap and mprotect, which it uses too, are in libc.c.  A program without dynamic linker has no handler, and
 * is not let begin (calls.c: execve).
 *
 * SIGSYS belongs to the recorder: taking its handler away is answered as done; it is left out of every signal mask,
 * for a stopped call with SIGSYS blocked ends the process.  Calls made from here carry a cookie in the upper half of an
 * argument that the kernel does not look at there.
 *
 * Concurrency: the handler runs in the thread that made the call, all signals blocked.  Crash safety: see log.c.
 */
#include "recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#ifndef __x86_64__
#error "the recorder knows the registers and system calls of x86-64 alone"
#endif

recorder_log *recorder;

/* The cookie does not stay in a register, where the program's next call with fewer arguments would have it. */
static long bare(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    long result;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall\n\t"
                     "xor %%r9d, %%r9d\n\t"
                     "xor %%edx, %%edx"
                     : "=a"(result), "+d"(c), "+r"(r9)
                     : "a"(number), "D"(a), "S"(b), "r"(r10), "r"(r8)
                     : "rcx", "r11", "cc", "memory");
    return result;
}

long recorder_syscall(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint32_t f)
{
    return bare(number, a, b, c, d, e, RECORDER_COOKIE << 32 | f);
}

long recorder_syscall_plain(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    return bare(number, a, b, c, d, e, f);
}

long recorder_mmap(void *at, size_t bytes, int protection, int flags, int fd, uint64_t offset)
{
    return bare(SYS_mmap, (uintptr_t)at, bytes, RECORDER_COOKIE << 32 | (uint32_t)protection, (uint64_t)flags,
                (uint64_t)(int64_t)fd, offset);
}

/* ---- The handler ----------------------------------------------------------------------------------------- */

static void on_trap(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    if (info->si_code != 1 /* SYS_SECCOMP */)
        return;
    ucontext_t *program = context;
    greg_t *r = program->uc_mcontext.gregs;
    recorder_call call = {
        .number = info->si_syscall,
        .argument = { (uint64_t)r[REG_RDI], (uint64_t)r[REG_RSI], (uint64_t)r[REG_RDX], (uint64_t)r[REG_R10],
                      (uint64_t)r[REG_R8], (uint64_t)r[REG_R9] },
        .signal_mask = (uint64_t *)(void *)&program->uc_sigmask,
    };
    r[REG_RAX] = recorder_handle(&call);
}

/* As the kernel wants it, for libc's sigaction() would be stopped after an exec. */
struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

void recorder_restorer(void);
__asm__(".text\n"
        ".hidden recorder_restorer\n"
        ".globl recorder_restorer\n"
        ".type recorder_restorer,@function\n"
        "recorder_restorer:\n"
        "    mov $15, %rax\n" /* rt_sigreturn */
        "    syscall\n");

enum { SA_RESTORER_FLAG = 0x04000000 };

static bool install_handler(void)
{
    struct kernel_action action = { on_trap, SA_SIGINFO | SA_RESTORER_FLAG, recorder_restorer, UINT64_MAX };
    const uint64_t trap = UINT64_C(1) << (SIGSYS - 1);
    recorder_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, (uintptr_t)&trap, 0, sizeof trap, 0, 0);
    return recorder_syscall(SYS_rt_sigaction, SIGSYS, (uintptr_t)&action, 0, sizeof action.mask, 0, 0) == 0;
}

/* ---- The filter ------------------------------------------------------------------------------------------ */

enum { FILTER_MAX = 256 };

typedef struct filter {
    struct sock_filter code[FILTER_MAX];
    unsigned short n;
} filter;

static void add(filter *f, struct sock_filter statement)
{
    if (f->n < FILTER_MAX)
        f->code[f->n++] = statement;
}

static void load(filter *f, size_t offset)
{
    add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void answer(filter *f, uint32_t what)
{
    add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

/* The next `skip` statements are left out unless the comparison holds. */
static void unless(filter *f, unsigned short comparison, uint32_t value, uint8_t skip)
{
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | comparison | BPF_K, value, 0, skip));
}
static void when(filter *f, unsigned short comparison, uint32_t value, uint8_t skip)
{
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | comparison | BPF_K, value, skip, 0));
}

static size_t low(int argument)
{
    return offsetof(struct seccomp_data, args) + 8 * (size_t)argument;
}

/* Stops the call unless argument `cookie` has the cookie. 4 statements. */
static void stop(filter *f, int cookie)
{
    load(f, low(cookie) + 4);
    unless(f, BPF_JEQ, (uint32_t)RECORDER_COOKIE, 1);
    answer(f, SECCOMP_RET_ALLOW);
    answer(f, SECCOMP_RET_TRAP);
}

static const int stopped_calls[] = {
    SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_fsync, SYS_fdatasync, SYS_sync_file_range,
    SYS_syncfs, SYS_sync, SYS_msync, SYS_ftruncate, SYS_truncate, SYS_fallocate, SYS_rename, SYS_renameat,
    SYS_renameat2, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_mknod, SYS_mknodat, SYS_unlink, SYS_unlinkat,
    SYS_mkdir, SYS_mkdirat, SYS_rmdir, SYS_creat, SYS_openat2, SYS_copy_file_range, SYS_sendfile, SYS_splice,
    SYS_io_uring_setup, SYS_io_setup, SYS_execve, SYS_execveat, SYS_exit_group, SYS_mremap,
};

static void filter_make(filter *f)
{
    const uint32_t opens = O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
    load(f, offsetof(struct seccomp_data, arch));
    when(f, BPF_JEQ, AUDIT_ARCH_X86_64, 1);
    answer(f, SECCOMP_RET_ALLOW);
    load(f, offsetof(struct seccomp_data, nr));
    const size_t n = sizeof stopped_calls / sizeof stopped_calls[0];
    for (size_t i = 0; i < n; i++)
        when(f, BPF_JEQ, (uint32_t)stopped_calls[i], (uint8_t)(n - i));
    add(f, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 4)); /* none of them */
    stop(f, 5);
    load(f, offsetof(struct seccomp_data, nr));
    unless(f, BPF_JEQ, SYS_openat, 7);
    load(f, low(2));
    when(f, BPF_JSET, opens, 1);
    answer(f, SECCOMP_RET_ALLOW);
    stop(f, 5);
    load(f, offsetof(struct seccomp_data, nr));
    unless(f, BPF_JEQ, SYS_open, 7);
    load(f, low(1));
    when(f, BPF_JSET, opens, 1);
    answer(f, SECCOMP_RET_ALLOW);
    stop(f, 5);
    load(f, offsetof(struct seccomp_data, nr));
    unless(f, BPF_JEQ, SYS_mmap, 10); /* MAP_SHARED and MAP_SHARED_VALIDATE have the lowest bit; of a file */
    load(f, low(3));
    when(f, BPF_JSET, MAP_SHARED, 1);
    answer(f, SECCOMP_RET_ALLOW);
    load(f, low(4));
    unless(f, BPF_JEQ, UINT32_MAX, 1);
    answer(f, SECCOMP_RET_ALLOW);
    stop(f, 2);
    load(f, offsetof(struct seccomp_data, nr));
    unless(f, BPF_JEQ, SYS_ioctl, 6); /* copies within the file system: whoever is refused reads and writes */
    load(f, low(1));
    when(f, BPF_JEQ, (uint32_t)FICLONE, 3);
    when(f, BPF_JEQ, (uint32_t)FICLONERANGE, 2);
    when(f, BPF_JEQ, (uint32_t)FIDEDUPERANGE, 1);
    answer(f, SECCOMP_RET_ALLOW);
    answer(f, SECCOMP_RET_ERRNO | EOPNOTSUPP);
    load(f, offsetof(struct seccomp_data, nr));
    unless(f, BPF_JEQ, SYS_rt_sigprocmask, 7);
    load(f, low(1));
    unless(f, BPF_JEQ, 0, 1);
    answer(f, SECCOMP_RET_ALLOW);
    stop(f, 5);
    load(f, offsetof(struct seccomp_data, nr));
    unless(f, BPF_JEQ, SYS_rt_sigaction, 10);
    load(f, low(5) + 4);
    unless(f, BPF_JEQ, (uint32_t)RECORDER_COOKIE, 1);
    answer(f, SECCOMP_RET_ALLOW);
    load(f, low(0));
    unless(f, BPF_JEQ, SIGSYS, 1);
    answer(f, SECCOMP_RET_ERRNO | 0);
    load(f, low(1));
    unless(f, BPF_JEQ, 0, 1);
    answer(f, SECCOMP_RET_ALLOW);
    answer(f, SECCOMP_RET_TRAP);
    answer(f, SECCOMP_RET_ALLOW);
}

/* ---- The beginning --------------------------------------------------------------------------------------- */

static recorder_log *map_log(const char *path)
{
    struct stat stat;
    long fd = recorder_syscall(SYS_openat, (uint64_t)(int64_t)AT_FDCWD, (uintptr_t)path, O_RDWR | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return NULL;
    long at = -1;
    if (recorder_fstat((int)fd, &stat) == 0 && (uint64_t)stat.st_size > sizeof(recorder_log))
        at = recorder_mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, (int)fd, 0);
    recorder_syscall(SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
    if (at < 0 && at > -4096)
        return NULL;
    recorder_log *log = (recorder_log *)(uintptr_t)at;
    recorder_syscall(SYS_madvise, (uintptr_t)log, (uint64_t)stat.st_size, MADV_DONTDUMP, 0, 0, 0);
    return log->magic == RECORDER_MAGIC ? log : NULL;
}

static void complain(const char *text)
{
    recorder_syscall(SYS_write, 2, (uintptr_t)text, strlen(text), 0, 0, 0);
}

/* Before all other constructors (-z initfirst), libc's too: getenv() knows nothing yet. */
__attribute__((constructor)) static void begin(int count, char **arguments, char **environment)
{
    static const char name[] = RECORDER_ENVIRONMENT "=";
    const char *path = NULL;
    (void)count;
    (void)arguments;
    for (char **at = environment; at && *at; at++)
        if (!strncmp(*at, name, sizeof name - 1))
            path = *at + sizeof name - 1;
    if (!path)
        return;
    recorder = map_log(path);
    if (!recorder) {
        complain("levin-recorder: the log named in " RECORDER_ENVIRONMENT " cannot be mapped\n");
        return;
    }
    const bool first = atomic_fetch_add(&recorder->processes, 1) == 0;
    if (!install_handler()) {
        recorder_fail("the signal handler of the recorder could not be installed");
        return;
    }
    if (!first)
        return; /* inherited over exec: one filter is enough */
    static filter f;
    filter_make(&f);
    struct sock_fprog program = { f.n, f.code };
    recorder_syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
    if (f.n == FILTER_MAX || recorder_syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (uintptr_t)&program, 0, 0, 0))
        recorder_fail("the kernel refuses the seccomp filter of the recorder");
}
