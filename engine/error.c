/*
 * error.c - fills levin_error.  Purpose, birthplaces: error.h.  Pure functions; any thread.
 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path ? path : "";
}

static void error_fill(levin_error *error, levin_code code, const char *file)
{
    memset(error, 0, sizeof *error);
    error->code = code;
    snprintf(error->file, sizeof error->file, "%s", base_name(file));
}

levin_code error_set(levin_error *error, levin_code code, const char *file, const char *format, ...)
{
    va_list arguments;
    error_fill(error, code, file);
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return code;
}

levin_code error_os(levin_error *error, int os_error, const char *operation, const char *file)
{
    levin_code code = os_error == ENOSPC || os_error == EDQUOT ? LEVIN_NO_SPACE
                      : os_error == ENOMEM                     ? LEVIN_NO_MEMORY
                                                               : LEVIN_IO;
    char text[96];
    error_fill(error, code, file);
    error->os_error = os_error;
    /* GNU strerror_r: may return a constant instead of filling text */
    snprintf(error->message, sizeof error->message, "%s%s%s failed: %s%s", operation, file ? " of " : "",
             file ? base_name(file) : "", strerror_r(os_error, text, sizeof text),
             os_error == ESTALE ? " (a child of fork() opens the store itself, once its parent has closed it)" : "");
    return code;
}

levin_code error_memory(levin_error *error, size_t bytes)
{
    return error_set(error, LEVIN_NO_MEMORY, NULL, "out of memory: %zu bytes were refused", bytes);
}

levin_code error_corrupt(levin_error *error, const char *file, uint64_t offset, uint64_t expected, uint64_t found,
                         const char *format, ...)
{
    va_list arguments;
    error_fill(error, LEVIN_CORRUPT, file);
    error->offset = offset;
    error->expected = expected;
    error->found = found;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    size_t used = strlen(error->message);
    snprintf(error->message + used, sizeof error->message - used,
             " (file %s, offset %llu, expected %#llx, found %#llx)", base_name(file), (unsigned long long)offset,
             (unsigned long long)expected, (unsigned long long)found);
    return LEVIN_CORRUPT;
}

const char *levin_code_text(levin_code code)
{
    switch (code) {
#define CODE_TEXT(name, value, text)                                                                            \
    case name: return text;
        LEVIN_CODES(CODE_TEXT)
#undef CODE_TEXT
    }
    return "unknown code";
}

const char *levin_code_name(levin_code code)
{
    switch (code) {
#define CODE_NAME(name, value, text)                                                                            \
    case name: return #name;
        LEVIN_CODES(CODE_NAME)
#undef CODE_NAME
    }
    return "LEVIN_UNKNOWN";
}

const char *levin_version(void)
{
    return LEVIN_VERSION;
}
