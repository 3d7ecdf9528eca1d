/*
 * adapters.c - the list of stores with a name: Levin, built in, and plug-ins, found beside the program.
 *
 * A plug-in NAME.so is looked for in the directories of LEVIN_STORES (separated by colons), in ../stores of the
 * program's directory (a build tree), and in ../lib/levin/stores (an installation).  It is loaded once and never
 * unloaded.  One thread at a time.
 */
#include "adapters.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

typedef struct known_store {
    const char *name, *package;      /* of its library; NULL: built in */
    const store_adapter *built_in;
} known_store;

static const known_store known[] = {
    { "levin", NULL, &adapter_levin },
    { "lmdb", "liblmdb-dev", NULL },
    { "rocksdb", "librocksdb-dev", NULL },
    { "leveldb", "libleveldb-dev", NULL },
    { "wiredtiger", "libwiredtiger-dev", NULL },
    { "sqlite", "libsqlite3-dev", NULL },
    { "tkrzw", "libtkrzw-dev", NULL },
    { "bdb", "libdb5.3-dev", NULL },
    { "kyotocabinet", "libkyotocabinet-dev", NULL },
    { "gdbm", "libgdbm-dev", NULL },
    { "pipe", NULL, &adapter_pipe },
};
enum { KNOWN = sizeof known / sizeof known[0] };

/* ---- one plug-in ---- */

static const store_adapter *refuse(char message[STORE_MESSAGE_BYTES], const char *path, const char *why)
{
    snprintf(message, STORE_MESSAGE_BYTES, "%.200s: %s", path, why);
    return NULL;
}

/* What every caller may rely on. */
static bool is_complete(const store_adapter *a)
{
    return a->name && a->version && a->configuration && a->open && a->close && a->session_open && a->session_close &&
           a->message && a->write && a->get && a->scan && !a->multi_get == !(a->capabilities & STORE_CAN_MULTI_GET) &&
           !a->check == !(a->capabilities & STORE_CAN_CHECK);
}

static const store_adapter *plugin_load(const char *path, char message[STORE_MESSAGE_BYTES])
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!object) {
        snprintf(message, STORE_MESSAGE_BYTES, "%s", dlerror());
        return NULL;
    }
    const store_adapter *a = dlsym(object, STORE_SYMBOL);
    if (!a)
        return refuse(message, path, "no plug-in: it exports no " STORE_SYMBOL);
    if (a->abi != STORE_ABI) {
        snprintf(message, STORE_MESSAGE_BYTES, "%.200s: built for STORE_ABI %u of store.h, this program has %u: "
                 "build it again", path, a->abi, STORE_ABI);
        return NULL;
    }
    if (!is_complete(a))
        return refuse(message, path, "its adapter lacks a function that store.h asks for");
    return a;
}

/* ---- where they are ---- */

static bool program_directory(char path[PATH_BYTES])
{
    const ssize_t bytes = readlink("/proc/self/exe", path, PATH_BYTES - 1);
    if (bytes < 0)
        return false;
    path[bytes] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    return slash != NULL;
}

static bool file_in(const char *directory, size_t bytes, const char *below, const char *name, char path[PATH_BYTES])
{
    const int written = snprintf(path, PATH_BYTES, "%.*s%s/%s.so", (int)bytes, directory, below, name);
    return written > 0 && written < PATH_BYTES && access(path, R_OK) == 0;
}

static bool plugin_path(const char *name, char path[PATH_BYTES])
{
    char program[PATH_BYTES];
    for (const char *at = getenv("LEVIN_STORES"); at && *at;) {
        const size_t bytes = strcspn(at, ":");
        if (bytes && file_in(at, bytes, "", name, path))
            return true;
        at += bytes + (at[bytes] == ':');
    }
    return program_directory(program) && (file_in(program, strlen(program), "/../stores", name, path) ||
                                          file_in(program, strlen(program), "/../lib/levin/stores", name, path));
}

/* ---- the list ---- */

static const store_adapter *known_load(size_t i, char message[STORE_MESSAGE_BYTES])
{
    static const store_adapter *loaded[KNOWN];
    char path[PATH_BYTES];
    if (known[i].built_in)
        return known[i].built_in;
    if (!loaded[i] && plugin_path(known[i].name, path))
        loaded[i] = plugin_load(path, message);
    else if (!loaded[i])
        snprintf(message, STORE_MESSAGE_BYTES, "%s: not built; make deps-stores installs %s", known[i].name,
                 known[i].package);
    return loaded[i];
}

const store_adapter *store_adapter_load(const char *name, char message[STORE_MESSAGE_BYTES])
{
    const size_t bytes = strlen(name);
    char path[PATH_BYTES];
    message[0] = '\0';
    if (strchr(name, '/'))
        return plugin_load(name, message);
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(known[i].name, name) == 0)
            return known_load(i, message);
    if (bytes > 3 && strcmp(name + bytes - 3, ".so") == 0) { /* dlopen() would look for it elsewhere */
        snprintf(path, sizeof path, "./%s", name);
        return plugin_load(path, message);
    }
    if (bytes && plugin_path(name, path))
        return plugin_load(path, message);
    snprintf(message, STORE_MESSAGE_BYTES, "no such store: %.200s", name);
    return NULL;
}

const store_adapter *store_adapter_find(const char *name)
{
    char message[STORE_MESSAGE_BYTES];
    for (size_t i = 0; i < KNOWN; i++)
        if (strcmp(known[i].name, name) == 0)
            return known_load(i, message);
    return NULL;
}

const store_adapter *const *store_adapters(void)
{
    static const store_adapter *there[KNOWN + 1];
    size_t n = 0;
    char message[STORE_MESSAGE_BYTES];
    for (size_t i = 0; i < KNOWN; i++) {
        const store_adapter *a = known_load(i, message);
        if (a)
            there[n++] = a;
    }
    there[n] = NULL;
    return there;
}

const store_absence *store_absences(void)
{
    static store_absence absent[KNOWN + 1];
    size_t n = 0;
    char message[STORE_MESSAGE_BYTES];
    for (size_t i = 0; i < KNOWN; i++)
        if (!known_load(i, message))
            absent[n++] = (store_absence){ known[i].name, known[i].package };
    absent[n] = (store_absence){ NULL, NULL };
    return absent;
}
