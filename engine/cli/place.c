/*
 * place.c - see place.h.
 *
 * A directory is a store when it has a page file and a lock file.  Nothing is removed but what an open makes before it
 * makes a store, from a directory that was vacant when the command began and that nobody has locked.
 */
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has(const char *directory, const char *name)
{
    char path[4200];
    struct stat s;
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    return n > 0 && (size_t)n < sizeof path && stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

static bool is_store(const char *directory)
{
    return has(directory, "pages") && has(directory, "lock");
}

/* Names of what is made before the page file has its own. */
static bool leftover(const char *name)
{
    return strcmp(name, "lock") == 0 || strcmp(name, "pages.new") == 0 || strncmp(name, "wal-", 4) == 0;
}

/* The first entry for which `wanted` holds, in `name`; false: there is none, or no directory. */
static bool first_entry(const char *path, bool (*wanted)(const char *name), char name[256])
{
    DIR *d = opendir(path);
    bool found = false;
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        found = wanted(e->d_name);
        snprintf(name, 256, "%s", e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}

static bool any(const char *name)
{
    (void)name;
    return true;
}

static bool strange(const char *name)
{
    return !leftover(name) && strcmp(name, "lost+found") != 0 && strcmp(name, "pages.unfinished") != 0;
}

void place_look(place *p, const char *path)
{
    struct stat s;
    char name[256];
    const bool there = lstat(path, &s) == 0;
    *p = (place){ .path = path, .store = has(path, "pages"), .made = !there && errno == ENOENT };
    p->dangling = there && stat(path, &s) != 0 && errno == ENOENT;
    p->vacant = p->made || (there && !first_entry(path, any, name));
}

/* Where path is or would be, without links; to be freed. NULL: its parent is not there. */
static char *real_place(const char *path)
{
    char *whole = realpath(path, NULL), *text, *parent, *out = NULL;
    if (whole)
        return whole;
    text = strdup(path);
    if (!text)
        cli_die_no_memory();
    size_t n = strlen(text);
    while (n > 1 && text[n - 1] == '/')
        text[--n] = '\0';
    char *slash = strrchr(text, '/');
    const char *name = slash ? slash + 1 : text;
    if (slash)
        *slash = '\0';
    parent = realpath(!slash ? "." : slash == text ? "/" : text, NULL);
    if (parent) {
        size_t bytes = strlen(parent) + strlen(name) + 2;
        out = malloc(bytes);
        if (!out)
            cli_die_no_memory();
        snprintf(out, bytes, "%s/%s", parent, name);
    }
    free(parent);
    free(text);
    return out;
}

bool place_outside(const cli_command *command, const place *p, const char *source)
{
    char *at = real_place(p->path), *other = source ? realpath(source, NULL) : NULL;
    bool inside = false;
    for (char *slash; at && !inside && (slash = strrchr(at, '/')) && slash != at;) {
        *slash = '\0';
        inside = is_store(at) || (other && strcmp(at, other) == 0);
    }
    if (inside)
        cli_error(command, "%s would be inside the store %s: choose a place outside", p->path, at);
    free(at);
    free(other);
    return !inside;
}

bool place_free(const cli_command *command, const place *p)
{
    char name[256];
    if (!place_outside(command, p, NULL))
        return false;
    if (p->dangling) {
        cli_error(command, "%s is a link to a directory that is not there: make that directory, or remove the link",
                  p->path);
        return false;
    }
    if (!first_entry(p->path, strange, name))
        return true;
    cli_error(command, "%s is not empty, it has '%s': a store wants a directory of its own", p->path, name);
    return false;
}

void place_leave(const place *p)
{
    if (p->made)
        (void)rmdir(p->path); /* with anything in it, it stays */
}

void place_clear(const place *p)
{
    char name[256], path[4200];
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int n = snprintf(path, sizeof path, "%s/lock", p->path);
    int lock = p->vacant && n > 0 && (size_t)n < sizeof path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    /* whoever makes a store there now holds a part of it */
    if (lock >= 0 && fcntl(lock, F_OFD_SETLK, &whole) == 0 && !has(p->path, "pages"))
        while (first_entry(p->path, leftover, name)) {
            n = snprintf(path, sizeof path, "%s/%s", p->path, name);
            if (n < 0 || (size_t)n >= sizeof path || unlink(path))
                break;
        }
    if (lock >= 0)
        close(lock);
    place_leave(p);
}
