/*
 * errnos.c - a table; no state.
 */
#include "errnos.h"

#include <errno.h>
#include <string.h>

/* X(name): every error of the table below. */
#define ERRNO_NAMES(X)                                                                                           \
    X(EACCES) X(EAGAIN) X(EBUSY) X(EDQUOT) X(EFBIG) X(EINTR) X(EIO) X(ELOOP) X(EMFILE) X(EMLINK) X(ENFILE)         \
    X(ENOLCK) X(ENOMEM) X(ENOSPC) X(ENOSYS) X(ENXIO) X(EOPNOTSUPP) X(EPERM) X(EROFS) X(EXDEV)

static const struct {
    int number;
    const char *name;
} names[] = {
#define ERRNO_ROW(name) { name, #name },
    ERRNO_NAMES(ERRNO_ROW)
#undef ERRNO_ROW
};

enum { ERRNOS_MAX = 15 };
static const int legal[FAULT_OPERATION_COUNT][ERRNOS_MAX] = {
    [FAULT_OPEN] = { EACCES, EDQUOT, EINTR, EIO, ELOOP, EMFILE, ENFILE, ENOMEM, ENOSPC, ENXIO, EPERM, EROFS },
    [FAULT_CLOSE] = { EDQUOT, EINTR, EIO, ENOSPC },
    [FAULT_READ] = { EINTR, EIO, ENOMEM, ENXIO },
    [FAULT_WRITE] = { EDQUOT, EFBIG, EINTR, EIO, ENOMEM, ENOSPC, ENXIO, EPERM, EROFS },
    [FAULT_SYNC] = { EDQUOT, EINTR, EIO, ENOSPC, EROFS },
    [FAULT_TRUNCATE] = { EDQUOT, EFBIG, EINTR, EIO, ENOSPC, EPERM, EROFS },
    [FAULT_PREALLOCATE] = { EDQUOT, EFBIG, EINTR, EIO, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, EROFS },
    [FAULT_SIZE] = { EIO, ENOMEM },
    [FAULT_RENAME] = { EACCES, EBUSY, EDQUOT, EIO, ELOOP, EMLINK, ENOMEM, ENOSPC, EPERM, EROFS, EXDEV },
    [FAULT_UNLINK] = { EACCES, EBUSY, EIO, ELOOP, ENOMEM, EPERM, EROFS },
    [FAULT_MAKE_DIR] = { EACCES, EDQUOT, EIO, ELOOP, EMLINK, ENOMEM, ENOSPC, EPERM, EROFS },
    [FAULT_SYNC_DIR] = { EACCES, EDQUOT, EINTR, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, EROFS },
    [FAULT_LIST] = { EACCES, EIO, ELOOP, EMFILE, ENFILE, ENOMEM },
    [FAULT_LOCK] = { EACCES, EAGAIN, EINTR, EIO, ENOLCK, ENOMEM },
    [FAULT_ALLOC] = { ENOMEM },
    [FAULT_RANDOM] = { EINTR, EIO, ENOSYS },
};

const int *errnos_of(fault_operation operation)
{
    return legal[operation];
}

bool errno_is_legal(fault_operation operation, int os_error)
{
    for (const int *at = legal[operation]; *at; at++)
        if (*at == os_error)
            return true;
    return false;
}

const char *errno_name(int os_error)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == os_error)
            return names[i].name;
    return NULL;
}

int errno_number(const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i].name) == bytes && !memcmp(names[i].name, name, bytes))
            return names[i].number;
    return 0;
}
