/*
 * store.h - the store interface: what a key-value store must offer to be struck, checked and measured.
 *
 * An adapter is one constant struct store_adapter.  Everything goes through sessions: a session belongs to one
 * thread, so that an adapter can keep a read transaction, a cursor or a buffer in it.  Results are store_result;
 * the text of a failure is left in the session (or in the message of open).
 *
 * An adapter is a plug-in: a shared object that exports `levin_store`, its struct store_adapter.  chaos/adapter_NAME.c
 * becomes stores/NAME.so beside the programs' directory; anybody's own is named by its path.
 *
 * Durability is the caller's word, the adapter maps it to the store's own recommended setting and says so in
 * `configuration`, which is printed with every result: a store is never blamed, or praised, for a setting.
 *
 * A read sees every write that had returned before it began.  A scan sees one state of the store.
 */
#ifndef LEVIN_CHAOS_STORE_H
#define LEVIN_CHAOS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_ABI 6u

/* In front of a plug-in's adapter: const store_adapter levin_store STORE_EXPORT = { .abi = STORE_ABI, ... }; */
#define STORE_EXPORT __attribute__((visibility("default")))
#define STORE_SYMBOL "levin_store"

typedef enum store_result {
    STORE_OK = 0,
    STORE_NOT_FOUND = 1,
    STORE_DAMAGED = 2,     /* the store says that its files are damaged */
    STORE_FAILED = 3,      /* any other failure */
    STORE_UNSUPPORTED = 4  /* not among the capabilities */
} store_result;

enum store_capability {
    STORE_CAN_LEAVE_UNSYNCED = 1, /* a write without sync is cheaper than one with */
    STORE_CAN_MULTI_GET = 2,      /* for many keys at once; otherwise multi_get is NULL and callers loop */
    STORE_CAN_CHECK = 4,          /* can verify its files */
    STORE_CAN_WRITE_CONCURRENTLY = 8, /* several sessions may write at once (they may still queue) */
    STORE_CAN_COMPACT = 16,       /* can give back the room of what was overwritten and deleted */
    STORE_HAS_WRITE_BUFFER = 32,  /* keeps writes in memory of their own; the others hold them in their cache */
    STORE_IS_TUNED = 64,          /* set up for speed too: levin-bench takes it when no store is named */
    STORE_HAS_NO_BATCH = 128,     /* a batch of several operations may be half there after a crash */
    STORE_HAS_THREADS = 256       /* of its own, whatever `background` says: its files depend on how these run */
};

typedef struct store store;
typedef struct store_session store_session;

typedef struct store_slice {
    const void *data;
    size_t bytes;
} store_slice;

/* A setting that only this store has. */
typedef struct store_option {
    const char *name;        /* one of the adapter's option_names */
    uint64_t value;
} store_option;

typedef struct store_config {
    const char *path;        /* a directory; created when absent and create is set (its parent is there) */
    bool create;
    bool sync;               /* whether synced writes will be asked for at all: some stores choose it at open */
    uint64_t cache_bytes;    /* data read back, all caches together; 0: the store's own choice, as in the next two */
    uint64_t write_buffer_bytes;
    uint64_t map_bytes;      /* for stores with a fixed map */
    bool background;         /* a store that can do without threads does so when false */
    const store_option *options;
    size_t option_count;
    const char *argument;    /* what follows the colon, for an adapter that takes_argument; else NULL */
} store_config;

/* A put, or a delete when value.data is NULL. An empty value has data that is not NULL. */
typedef struct store_operation {
    store_slice key;
    store_slice value;
} store_operation;

typedef struct store_get {
    store_slice key;    /* in */
    void *buffer;       /* in */
    size_t capacity;    /* in */
    size_t bytes;       /* out: of the value */
    store_result result; /* out */
} store_get;

typedef struct store_range {
    store_slice from;   /* data NULL: unbounded; first key at or after (reverse: the last at or before) */
    store_slice to;     /* data NULL: unbounded; the first key not visited, in the direction of travel */
    bool reverse;
    uint64_t limit;     /* 0: none */
} store_range;

/* Return false to stop. The slices are good until the return. */
typedef bool (*store_visit)(void *context, store_slice key, store_slice value);

enum { STORE_MESSAGE_BYTES = 512 };

typedef struct store_adapter {
    uint32_t abi;             /* STORE_ABI */
    const char *name;         /* "lmdb" */
    unsigned capabilities;
    const char *(*version)(void);
    /*
     * The settings used for this configuration, as text for reports: "durability: ...; checksums: ...; " and all
     * others. Of checksums it says what has one and when it is verified, or that nothing has.
     */
    void (*configuration)(const store_config *config, char text[STORE_MESSAGE_BYTES]);
    const char *const *option_names; /* NULL at the end; NULL: none */
    /* Files whose names begin so are spare: made ahead of use, they hold no data after a clean close. May be NULL. */
    const char *spare_files;
    /* Options (NAME=NUMBER:...) under which files are switched and merged after some hundred KiB. May be NULL. */
    const char *small_options;
    /* Options worth a row of their own in a scoreboard ("paranoid=1"); NULL at the end. May be NULL. */
    const char *const *variants;
    /* The strictest of its rows, as named there, and what makes it so; or why there is none stricter than the default:
     * a sentence. May be NULL: it does not say. */
    const char *strictest;
    /* What its documentation leaves to the user, so that nobody blames it for that: a sentence. May be NULL. */
    const char *not_promised;
    bool takes_argument;      /* everything after the first colon is one argument, not options (pipe:COMMAND) */
    store_result (*open)(const store_config *config, store **s, char message[STORE_MESSAGE_BYTES]);
    store_result (*close)(store *s, char message[STORE_MESSAGE_BYTES]);
    store_result (*session_open)(store *s, store_session **session);
    void (*session_close)(store_session *session);
    const char *(*message)(const store_session *session); /* of the last failure */
    /* All operations as one atomic batch, durable on return when sync. */
    store_result (*write)(store_session *session, const store_operation *operations, size_t count, bool sync);
    /* Copies the value, as far as it fits; *bytes is its whole size. */
    store_result (*get)(store_session *session, store_slice key, void *buffer, size_t capacity, size_t *bytes);
    store_result (*multi_get)(store_session *session, store_get *gets, size_t count); /* may be NULL */
    store_result (*scan)(store_session *session, const store_range *range, store_visit visit, void *context);
    store_result (*check)(store_session *session); /* may be NULL */
    /* How often what writes had left in memory was written out, since the store was opened. NULL: it does not say. */
    uint64_t (*checkpoints)(store_session *session);
    /*
     * Brings the files to rest: writes out what is buffered, merges, and gives back room as far as the store can
     * (wholly with STORE_CAN_COMPACT). No other session may be open.
     */
    store_result (*compact)(store_session *session);
    /*
     * What the library works out once in a process, if that takes long: called before a process forks many that each
     * open a store.  Leaves no thread and no file.  May be NULL.
     */
    void (*prepare)(void);
} store_adapter;

/* A store that cannot be loaded here: its plug-in was not built, because the package that it needs is not installed. */
typedef struct store_absence {
    const char *name, *package;
} store_absence;

/*
 * Loads the adapter of that name, or of a plug-in by its path (with a slash, or ending in .so); once loaded it stays.
 * NULL with a sentence in `message` when there is none, or when it was built for another STORE_ABI.  One thread at a
 * time; all that a process will use is best loaded before it makes threads or forks.
 */
const store_adapter *store_adapter_load(const char *name, char message[STORE_MESSAGE_BYTES]);
/* The same, of a known name and without a sentence. */
const store_adapter *store_adapter_find(const char *name);
/* Those of known names that can be loaded, in a fixed order; NULL at the end. */
const store_adapter *const *store_adapters(void);
/* Those that cannot; the name is NULL at the end. */
const store_absence *store_absences(void);

/* Of a plug-in. */
extern const store_adapter levin_store STORE_EXPORT;

#endif
