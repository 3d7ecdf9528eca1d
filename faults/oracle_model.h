/*
 * oracle_model.h - how the oracle keeps a history; shared by oracle*.c only.
 */
#ifndef FAULTS_ORACLE_MODEL_H
#define FAULTS_ORACLE_MODEL_H

#include "oracle.h"
#include "random.h"

enum oracle_fate {
    FATE_PENDING,  /* submitted, no answer yet */
    FATE_ACCEPTED, /* acknowledged */
    FATE_FAILED,   /* may be there after a crash */
    FATE_VOID      /* is nowhere */
};

/* What one batch did to one key: the last of its operations on it. */
typedef struct oracle_version {
    uint32_t batch;
    bool deleted;
    levin_slice value;
    uint64_t hash; /* of keyspace, key and value */
} oracle_version;

typedef struct oracle_key {
    uint32_t space;
    levin_slice key;
    oracle_version *versions; /* ascending by batch */
    uint32_t count, capacity;
} oracle_key;

typedef struct oracle_batch {
    uint64_t submitted, answered; /* times; answered UINT64_MAX while pending */
    enum oracle_fate fate;
    levin_durability durability;
    uint64_t submit_order, answer_order; /* in the client's order of calls; 0: not answered */
    uint32_t run;           /* a failed batch: the first batch of its failed group */
    oracle_key **keys;      /* that it changes */
    size_t key_count;
    uint64_t digest;        /* of state(this): sum of the hashes of its pairs */
    size_t pairs;           /* in state(this) */
    uint64_t chain_digest;  /* of the accepted batches up to here */
    size_t chain_pairs;
} oracle_batch;

/* From `time` on, states before `first` are gone, and so are failed batches up to `barrier`. Ascending in all three.
 */
typedef struct oracle_event {
    uint64_t time;
    uint32_t first, barrier;
} oracle_event;

typedef struct oracle_chunk oracle_chunk;

struct oracle {
    levin_slice spaces[ORACLE_SPACES_MAX]; /* names by number; the default one has none */
    uint32_t space_count;
    oracle_key **keys; /* ascending by keyspace and key */
    size_t key_count, key_capacity;
    oracle_batch *batches; /* [0] is the beginning */
    size_t batch_count, batch_capacity;
    oracle_event *events;
    size_t event_count, event_capacity;
    oracle_key **building; /* keys of the batch being put together */
    size_t building_count, building_capacity;
    uint32_t digests_good; /* batches below this have their digest */
    oracle_pairs spelled;  /* the state last spelled out */
    uint32_t spelled_state;
    uint64_t settled;      /* time */
    bool keeps_past;
    oracle *past;          /* as it was before it settled last; that one has its own past */
    uint64_t order;        /* of the last submission or answer */
    oracle_chunk *chunks;  /* memory for keys and values */
    oracle_scan *scan;     /* kept for reuse */
};

struct oracle_scan {
    oracle *o;
    unsigned char *bytes;
    size_t used, capacity;
    struct { uint32_t space; size_t key_at, key_bytes, value_at, value_bytes; } *entries;
    size_t count, entry_capacity;
    uint64_t digest;
    size_t disordered; /* index of the first pair that is not above its predecessor, or SIZE_MAX */
};

void *oracle_grow(void *items, size_t *capacity, size_t needed, size_t item_bytes);
/* Memory that lives as long as the oracle. */
void *oracle_reserve(oracle *o, size_t bytes);
/* Before it settles: keeps what it is now (oracle_past.c). */
void oracle_past_add(oracle *o);
int oracle_compare(levin_slice a, levin_slice b);
static inline bool oracle_same(levin_slice a, levin_slice b)
{
    return a.size == b.size && (a.size == 0 || __builtin_memcmp(a.data, b.data, a.size) == 0);
}
static inline int oracle_compare_in(uint32_t space_a, levin_slice a, uint32_t space_b, levin_slice b)
{
    return space_a != space_b ? (space_a < space_b ? -1 : 1) : oracle_compare(a, b);
}
uint64_t oracle_hash(uint32_t space, levin_slice key, levin_slice value);
/* The key, or NULL. */
oracle_key *oracle_find(const oracle *o, uint32_t space, levin_slice key);
/* The version of a key that state shows, or NULL when it is absent there. */
const oracle_version *oracle_visible(const oracle *o, const oracle_key *k, uint32_t state);
uint64_t oracle_state_digest(oracle *o, uint32_t state);

/* A call failed: a verdict, unless that may be. Returns false: the check is over. */
bool oracle_call_failed(levin *store, levin_code code, const char *what, const oracle_check_options *options,
                        oracle_verdict *verdict);
/* Whether the iterator stands on what is expected (NULL: at an end). */
bool oracle_stands_on(levin *store, levin_iter *iter, const oracle_pair *expected, const char *what,
                      const oracle_check_options *options, oracle_verdict *verdict);
/* Reads one key by two kinds of get. */
bool oracle_probe_key(const oracle_pairs *expected, levin *store, levin_slice key,
                      const oracle_check_options *options, oracle_verdict *verdict);

/* A key for a probe: one of the store, or one near it that is probably absent. */
enum { ORACLE_PROBE_BYTES = 256 };
levin_slice oracle_random_key(const oracle_pairs *expected, random_stream *random,
                              unsigned char buffer[ORACLE_PROBE_BYTES]);
/* Index of the first pair at or after (above when `above`) the key. */
size_t oracle_position(const oracle_pairs *pairs, levin_slice key, bool above);

/* Says why what was scanned is in no legal state. */
void oracle_diagnose(oracle_scan *scan, const oracle_legal *legal, oracle_verdict *verdict);
/* Says why this state is illegal. */
void oracle_explain_state(const oracle *o, const oracle_legal *legal, uint32_t state, oracle_verdict *verdict);
/* Bytes as printable text. */
const char *oracle_text(levin_slice bytes, char buffer[80]);
/* A key with the name of its keyspace. */
enum { ORACLE_PLACE_BYTES = 170 };
const char *oracle_place(const oracle *o, uint32_t space, levin_slice key, char buffer[ORACLE_PLACE_BYTES]);

/* The named keyspaces that a store shows in one snapshot (oracle_spaces.c). */
typedef struct oracle_spaces {
    levin *store;
    const oracle *o;
    bool there[ORACLE_SPACES_MAX];
    levin_keyspace *of[ORACLE_SPACES_MAX];
    bool owned;             /* the handles were opened here */
    oracle_verdict *verdict;
    char last[256];         /* the name before, while they are listed */
    size_t last_bytes;
} oracle_spaces;
/*
 * LEVIN_OK, or the code of a failed call; *what is then its name.  A keyspace that nobody has made, or one out of
 * order, goes to the verdict.  Close in any case.
 */
levin_code oracle_spaces_open(oracle_spaces *s, const oracle *o, levin *store, const oracle_check_options *options,
                              const char **what, oracle_verdict *verdict);
void oracle_spaces_close(oracle_spaces *s);

#endif
