/*
 * disk_image.c - copy-on-write directory trees.
 *
 * Shape: image -> content per node -> chunks of CHUNK_BLOCKS blocks -> blocks; image -> names.  All but the image
 * itself are reference counted and shared.  A change copies the path from the image down, but only the parts that
 * somebody else holds too ("transient" persistent structures, Bagwell 2001): changing an image that nobody shares
 * copies nothing.
 *
 * Invariants: a part is changed only when its count is 1 and so are those of all parts above it, up to an image that
 * belongs to the caller.  Bytes of the last block past the file's size are zero.  A block or chunk pointer of NULL
 * is all zeros.  Names are sorted by (directory, bytes).
 *
 * Digest: a sum over blocks, chunks and nodes of mixed hashes, each cached where it belongs (0: not computed yet),
 * so that it costs what has changed.  All zero blocks count as holes.
 *
 * Concurrency: counts are atomic; caches are filled by whoever needs them first, all with the same value.
 */
#include "disk_image.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "fatal.h"
#include "random.h"

enum { CHUNK_BLOCKS = 32, DIRECTORY_DEPTH_MAX = 64 };
enum { HASH_UNKNOWN = 0, HASH_ZEROS = 1 };

struct disk_block {
    _Atomic uint32_t refs;
    _Atomic uint64_t hash;
    uint8_t data[DISK_BLOCK_BYTES];
};

typedef struct chunk {
    _Atomic uint32_t refs;
    _Atomic uint64_t hash;
    disk_block *block[CHUNK_BLOCKS];
} chunk;

typedef struct content { /* of one node */
    _Atomic uint32_t refs;
    bool directory;
    _Atomic uint64_t hash;
    uint64_t size;
    uint32_t chunks;
    chunk *chunk[];
} content;

typedef struct name_text {
    _Atomic uint32_t refs;
    char text[];
} name_text;

typedef struct name_entry {
    disk_node directory, node;
    name_text *name;
} name_entry;

typedef struct names {
    _Atomic uint32_t refs;
    uint32_t count, capacity;
    _Atomic(uint64_t *) sums; /* per node: sum of the hashes of its paths, 0 when unreachable; NULL: not computed */
    name_entry entry[];
} names;

struct disk_image {
    _Atomic uint32_t refs;
    uint32_t nodes, capacity;
    names *names;
    content **content; /* by node number; NULL: unused */
};

/* ---- Reference counts ------------------------------------------------------------------------------------ */

static void count_up(_Atomic uint32_t *refs)
{
    atomic_fetch_add_explicit(refs, 1, memory_order_relaxed); /* orders nothing: the caller holds a reference */
}

/*
 * True when the last reference is gone. acq_rel: pairs with the other droppers, so that the freeing thread sees
 * their use.
 */
static bool count_down(_Atomic uint32_t *refs)
{
    return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

/* Acquire: pairs with the release in count_down() of whoever shared it last. */
static bool alone(_Atomic uint32_t *refs)
{
    return atomic_load_explicit(refs, memory_order_acquire) == 1;
}

/* Caches: relaxed, pair with nothing; every writer stores the same value. */
static uint64_t cached(const _Atomic uint64_t *hash)
{
    return atomic_load_explicit(hash, memory_order_relaxed);
}
static void cache(_Atomic uint64_t *hash, uint64_t value)
{
    atomic_store_explicit(hash, value, memory_order_relaxed);
}

/* ---- Blocks and chunks ----------------------------------------------------------------------------------- */

static disk_block *block_new(void)
{
    disk_block *block = fatal_alloc(sizeof *block);
    atomic_init(&block->refs, 1);
    atomic_init(&block->hash, HASH_UNKNOWN);
    return block;
}

disk_block *disk_block_create(const void *data)
{
    disk_block *block = block_new();
    memcpy(block->data, data, DISK_BLOCK_BYTES);
    return block;
}

disk_block *disk_block_ref(disk_block *block)
{
    count_up(&block->refs);
    return block;
}

void disk_block_unref(disk_block *block)
{
    if (block && count_down(&block->refs))
        free(block);
}

const uint8_t *disk_block_data(const disk_block *block)
{
    return block->data;
}

static bool all_zeros(const uint8_t *data)
{
    return data[0] == 0 && memcmp(data, data + 1, DISK_BLOCK_BYTES - 1) == 0;
}

static uint64_t block_hash(disk_block *block)
{
    uint64_t hash = cached(&block->hash);
    if (hash != HASH_UNKNOWN)
        return hash;
    if (all_zeros(block->data))
        hash = HASH_ZEROS;
    else {
        hash = XXH3_64bits(block->data, DISK_BLOCK_BYTES);
        hash = hash <= HASH_ZEROS ? 2 : hash;
    }
    cache(&block->hash, hash);
    return hash;
}

/* A term of a sum: the hash of a part and its place. */
static uint64_t place(uint64_t hash, uint64_t index)
{
    return random_mix(hash + (index + 1) * 0x9e3779b97f4a7c15u);
}

static uint64_t chunk_hash(chunk *c)
{
    uint64_t hash = cached(&c->hash);
    if (hash != HASH_UNKNOWN)
        return hash;
    bool any = false;
    for (uint32_t i = 0; i < CHUNK_BLOCKS; i++) {
        uint64_t of_block = c->block[i] ? block_hash(c->block[i]) : HASH_ZEROS;
        if (of_block != HASH_ZEROS) {
            hash += place(of_block, i);
            any = true;
        }
    }
    if (!any)
        hash = HASH_ZEROS;
    else if (hash <= HASH_ZEROS)
        hash = 2;
    cache(&c->hash, hash);
    return hash;
}

static void chunk_unref(chunk *c)
{
    if (!c || !count_down(&c->refs))
        return;
    for (uint32_t i = 0; i < CHUNK_BLOCKS; i++)
        disk_block_unref(c->block[i]);
    free(c);
}

/* The chunk itself when nobody else holds it, otherwise a copy in its place. */
static chunk *chunk_own(chunk **slot)
{
    chunk *old = *slot;
    if (old && alone(&old->refs)) {
        cache(&old->hash, HASH_UNKNOWN);
        return old;
    }
    chunk *c = fatal_alloc_zeroed(sizeof *c);
    atomic_init(&c->refs, 1);
    if (old) {
        for (uint32_t i = 0; i < CHUNK_BLOCKS; i++)
            if (old->block[i])
                c->block[i] = disk_block_ref(old->block[i]);
        chunk_unref(old);
    }
    return *slot = c;
}

/* ---- Contents of a node ---------------------------------------------------------------------------------- */

static size_t content_bytes(uint32_t chunks)
{
    return sizeof(content) + chunks * sizeof(chunk *);
}

static uint32_t chunks_for(uint64_t size)
{
    const uint64_t chunk_bytes = (uint64_t)CHUNK_BLOCKS * DISK_BLOCK_BYTES;
    return (uint32_t)((size + chunk_bytes - 1) / chunk_bytes);
}

static content *content_new(bool directory)
{
    content *c = fatal_alloc_zeroed(content_bytes(0));
    atomic_init(&c->refs, 1);
    c->directory = directory;
    return c;
}

static void content_unref(content *c)
{
    if (!c || !count_down(&c->refs))
        return;
    for (uint32_t i = 0; i < c->chunks; i++)
        chunk_unref(c->chunk[i]);
    free(c);
}

/* The node's content for changing, with room for `chunks` chunks. */
static content *content_own(disk_image *image, disk_node node, uint32_t chunks)
{
    content *old = image->content[node], *c = old;
    if (chunks < old->chunks)
        chunks = old->chunks;
    if (alone(&old->refs)) {
        if (chunks > old->chunks) {
            c = fatal_realloc(old, content_bytes(chunks));
            memset(&c->chunk[c->chunks], 0, (chunks - c->chunks) * sizeof c->chunk[0]);
        }
    } else {
        c = fatal_alloc_zeroed(content_bytes(chunks));
        atomic_init(&c->refs, 1);
        c->directory = old->directory;
        c->size = old->size;
        for (uint32_t i = 0; i < old->chunks; i++) {
            c->chunk[i] = old->chunk[i];
            if (c->chunk[i])
                count_up(&c->chunk[i]->refs);
        }
        content_unref(old);
    }
    c->chunks = chunks;
    cache(&c->hash, HASH_UNKNOWN);
    return image->content[node] = c;
}

static uint64_t content_hash(content *c)
{
    uint64_t hash = cached(&c->hash);
    if (hash != HASH_UNKNOWN)
        return hash;
    hash = random_mix(c->size + (c->directory ? 0x6469720000000000u : 0x66696c0000000000u));
    for (uint32_t i = 0; i < c->chunks; i++) {
        uint64_t of_chunk = c->chunk[i] ? chunk_hash(c->chunk[i]) : HASH_ZEROS;
        if (of_chunk != HASH_ZEROS)
            hash += place(of_chunk, i);
    }
    hash = hash == HASH_UNKNOWN ? 1 : hash;
    cache(&c->hash, hash);
    return hash;
}

/* The block for changing: room for it must exist. `keep` false: its bytes will all be overwritten. */
static disk_block *block_own(content *c, uint64_t index, bool keep)
{
    chunk *owner = chunk_own(&c->chunk[index / CHUNK_BLOCKS]);
    disk_block **slot = &owner->block[index % CHUNK_BLOCKS], *old = *slot;
    if (old && alone(&old->refs)) {
        cache(&old->hash, HASH_UNKNOWN);
        return old;
    }
    disk_block *block = block_new();
    if (keep && old)
        memcpy(block->data, old->data, DISK_BLOCK_BYTES);
    else if (keep)
        memset(block->data, 0, DISK_BLOCK_BYTES);
    disk_block_unref(old);
    return *slot = block;
}

disk_block *disk_image_block(const disk_image *image, disk_node file, uint64_t index)
{
    const content *c = image->content[file];
    const chunk *part = index / CHUNK_BLOCKS < c->chunks ? c->chunk[index / CHUNK_BLOCKS] : NULL;
    return part ? part->block[index % CHUNK_BLOCKS] : NULL;
}

size_t disk_image_read(const disk_image *image, disk_node file, void *buffer, size_t bytes, uint64_t offset)
{
    uint64_t size = image->content[file]->size;
    if (offset >= size)
        return 0;
    if (bytes > size - offset)
        bytes = (size_t)(size - offset);
    uint8_t *to = buffer;
    for (size_t left = bytes; left;) {
        size_t from = (size_t)(offset % DISK_BLOCK_BYTES), part = DISK_BLOCK_BYTES - from;
        part = part < left ? part : left;
        const disk_block *block = disk_image_block(image, file, offset / DISK_BLOCK_BYTES);
        if (block)
            memcpy(to, block->data + from, part);
        else
            memset(to, 0, part);
        to += part;
        offset += part;
        left -= part;
    }
    return bytes;
}

void disk_image_write(disk_image *image, disk_node file, const void *data, size_t bytes, uint64_t offset)
{
    if (!bytes)
        return;
    uint64_t end = offset + bytes;
    content *c = content_own(image, file, chunks_for(end));
    if (end > c->size)
        c->size = end;
    const uint8_t *from = data;
    while (bytes) {
        size_t at = (size_t)(offset % DISK_BLOCK_BYTES), part = DISK_BLOCK_BYTES - at;
        part = part < bytes ? part : bytes;
        disk_block *block = block_own(c, offset / DISK_BLOCK_BYTES, part < DISK_BLOCK_BYTES);
        memcpy(block->data + at, from, part);
        from += part;
        offset += part;
        bytes -= part;
    }
}

void disk_image_put_block(disk_image *image, disk_node file, uint64_t index, disk_block *block)
{
    uint64_t start = index * DISK_BLOCK_BYTES, size = image->content[file]->size;
    if (start >= size)
        return;
    if (block && size - start < DISK_BLOCK_BYTES) { /* the last block: nothing may stand past the end */
        disk_image_write(image, file, block->data, (size_t)(size - start), start);
        return;
    }
    content *c = content_own(image, file, chunks_for(start + 1));
    chunk *owner = chunk_own(&c->chunk[index / CHUNK_BLOCKS]);
    disk_block **slot = &owner->block[index % CHUNK_BLOCKS];
    if (block)
        count_up(&block->refs);
    disk_block_unref(*slot);
    *slot = block;
}

void disk_image_resize(disk_image *image, disk_node file, uint64_t bytes)
{
    content *c = content_own(image, file, 0);
    if (bytes < c->size) {
        uint64_t blocks = (bytes + DISK_BLOCK_BYTES - 1) / DISK_BLOCK_BYTES;
        uint64_t old_blocks = (c->size + DISK_BLOCK_BYTES - 1) / DISK_BLOCK_BYTES;
        uint32_t chunks = chunks_for(bytes);
        for (uint32_t i = chunks; i < c->chunks; i++)
            chunk_unref(c->chunk[i]);
        if (c->chunks > chunks)
            c->chunks = chunks;
        for (uint64_t b = blocks; b < old_blocks && b / CHUNK_BLOCKS < c->chunks; b++) {
            if (!c->chunk[b / CHUNK_BLOCKS])
                continue;
            chunk *owner = chunk_own(&c->chunk[b / CHUNK_BLOCKS]);
            disk_block_unref(owner->block[b % CHUNK_BLOCKS]);
            owner->block[b % CHUNK_BLOCKS] = NULL;
        }
        size_t tail = (size_t)(bytes % DISK_BLOCK_BYTES);
        if (tail && disk_image_block(image, file, blocks - 1))
            memset(block_own(c, blocks - 1, true)->data + tail, 0, DISK_BLOCK_BYTES - tail);
    }
    c->size = bytes;
}

/* ---- Names ----------------------------------------------------------------------------------------------- */

static size_t names_bytes(uint32_t capacity)
{
    return sizeof(names) + capacity * sizeof(name_entry);
}

static void name_text_unref(name_text *name)
{
    if (count_down(&name->refs))
        free(name);
}

static void names_unref(names *n)
{
    if (!count_down(&n->refs))
        return;
    for (uint32_t i = 0; i < n->count; i++)
        name_text_unref(n->entry[i].name);
    free(atomic_load_explicit(&n->sums, memory_order_acquire)); /* pairs with the exchange in names_sums() */
    free(n);
}

/* The names for changing, with room for one more. */
static names *names_own(disk_image *image)
{
    names *old = image->names, *n = old;
    if (alone(&old->refs)) {
        free(atomic_exchange_explicit(&n->sums, NULL, memory_order_acquire)); /* pairs with names_sums() */
        if (n->count == n->capacity) {
            n = fatal_realloc(old, names_bytes(old->capacity * 2));
            n->capacity *= 2;
        }
    } else {
        uint32_t capacity = old->count < old->capacity ? old->capacity : old->capacity * 2;
        n = fatal_alloc(names_bytes(capacity));
        atomic_init(&n->refs, 1);
        atomic_init(&n->sums, NULL);
        n->count = old->count;
        n->capacity = capacity;
        for (uint32_t i = 0; i < n->count; i++) {
            n->entry[i] = old->entry[i];
            count_up(&n->entry[i].name->refs);
        }
        names_unref(old);
    }
    return image->names = n;
}

/* Index of the first entry at or after (directory, name); *equal tells whether it is that one. */
static uint32_t names_seek(const names *n, disk_node directory, const char *name, bool *equal)
{
    uint32_t low = 0, high = n->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const name_entry *e = &n->entry[middle];
        int order = e->directory != directory ? (e->directory < directory ? -1 : 1) : strcmp(e->name->text, name);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *equal = low < n->count && n->entry[low].directory == directory && !strcmp(n->entry[low].name->text, name);
    return low;
}

/* Adds the hash of each path below `directory` to its node. */
static void names_sum(const names *n, disk_node directory, uint64_t path, uint64_t *sums, uint32_t nodes,
                      content *const *contents, int depth)
{
    bool equal;
    if (depth > DIRECTORY_DEPTH_MAX)
        return;
    for (uint32_t i = names_seek(n, directory, "", &equal); i < n->count && n->entry[i].directory == directory; i++) {
        const name_entry *e = &n->entry[i];
        uint64_t below = random_mix(path ^ XXH3_64bits(e->name->text, strlen(e->name->text)));
        if (e->node >= nodes || !contents[e->node])
            continue;
        sums[e->node] += below;
        if (contents[e->node]->directory)
            names_sum(n, e->node, below, sums, nodes, contents, depth + 1);
    }
}

static const uint64_t *names_sums(const disk_image *image)
{
    names *n = image->names;
    /* acquire: pairs with the exchange below, by whichever thread computed them */
    uint64_t *sums = atomic_load_explicit(&n->sums, memory_order_acquire), *none = NULL;
    if (sums)
        return sums;
    uint64_t *fresh = fatal_alloc_zeroed(image->nodes * sizeof *fresh);
    fresh[DISK_ROOT] = 1;
    names_sum(n, DISK_ROOT, random_mix(1), fresh, image->nodes, image->content, 0);
    if (atomic_compare_exchange_strong_explicit(&n->sums, &none, fresh, memory_order_acq_rel, memory_order_acquire))
        return fresh;
    free(fresh);
    return none;
}

disk_node disk_image_lookup(const disk_image *image, disk_node directory, const char *name)
{
    bool equal;
    uint32_t at = names_seek(image->names, directory, name, &equal);
    return equal ? image->names->entry[at].node : DISK_NONE;
}

void disk_image_copy_file(disk_image *image, const disk_image *from, disk_node file)
{
    const uint64_t bytes = disk_image_size(from, file);
    uint8_t buffer[DISK_BLOCK_BYTES];
    disk_image_resize(image, file, 0);
    disk_image_resize(image, file, bytes);
    for (uint64_t at = 0; at < bytes;) {
        const size_t part = disk_image_read(from, file, buffer, sizeof buffer, at);
        disk_image_write(image, file, buffer, part, at);
        at += part;
    }
}

void disk_image_link(disk_image *image, disk_node directory, const char *name, disk_node node)
{
    bool equal;
    names *n = names_own(image);
    uint32_t at = names_seek(n, directory, name, &equal);
    if (equal) {
        n->entry[at].node = node;
        return;
    }
    size_t bytes = strlen(name) + 1;
    name_text *text = fatal_alloc(sizeof *text + bytes);
    atomic_init(&text->refs, 1);
    memcpy(text->text, name, bytes);
    memmove(&n->entry[at + 1], &n->entry[at], (n->count - at) * sizeof n->entry[0]);
    n->entry[at] = (name_entry){ directory, node, text };
    n->count++;
}

void disk_image_unlink(disk_image *image, disk_node directory, const char *name)
{
    bool equal;
    uint32_t at = names_seek(image->names, directory, name, &equal);
    if (!equal)
        return;
    names *n = names_own(image);
    name_text_unref(n->entry[at].name);
    n->count--;
    memmove(&n->entry[at], &n->entry[at + 1], (n->count - at) * sizeof n->entry[0]);
}

enum component { COMPONENT_NONE, COMPONENT_NAME, COMPONENT_TOO_LONG };

/* Copies the next component of *path to name and moves *path behind it. */
static enum component next_component(const char **path, char name[DISK_NAME_MAX + 1])
{
    for (const char *at = *path;;) {
        at += strspn(at, "/");
        size_t length = strcspn(at, "/");
        *path = at + length;
        if (length == 0)
            return COMPONENT_NONE;
        if (length > DISK_NAME_MAX)
            return COMPONENT_TOO_LONG;
        if (length != 1 || at[0] != '.') {
            memcpy(name, at, length);
            name[length] = 0;
            return COMPONENT_NAME;
        }
        at += length;
    }
}

disk_node disk_image_parent(const disk_image *image, const char *path, char name[DISK_NAME_MAX + 1])
{
    disk_node at = DISK_ROOT;
    char next[DISK_NAME_MAX + 1];
    enum component more = next_component(&path, name);
    if (more != COMPONENT_NAME)
        return DISK_NONE;
    while ((more = next_component(&path, next)) == COMPONENT_NAME) {
        at = disk_image_lookup(image, at, name);
        if (at == DISK_NONE || !disk_image_is_dir(image, at))
            return DISK_NONE;
        memcpy(name, next, sizeof next);
    }
    return more == COMPONENT_NONE ? at : DISK_NONE;
}

disk_node disk_image_find(const disk_image *image, const char *path)
{
    char name[DISK_NAME_MAX + 1];
    const char *rest = path;
    if (next_component(&rest, name) == COMPONENT_NONE)
        return DISK_ROOT;
    disk_node parent = disk_image_parent(image, path, name);
    return parent == DISK_NONE ? DISK_NONE : disk_image_lookup(image, parent, name);
}

int disk_image_list(const disk_image *image, disk_node directory,
                    int (*entry)(void *context, const char *name, disk_node node), void *context)
{
    bool equal;
    const names *n = image->names;
    for (uint32_t i = names_seek(n, directory, "", &equal); i < n->count && n->entry[i].directory == directory; i++) {
        int result = entry(context, n->entry[i].name->text, n->entry[i].node);
        if (result)
            return result;
    }
    return 0;
}

/* ---- Images ---------------------------------------------------------------------------------------------- */

enum { NODES_FIRST = 16, NAMES_FIRST = 16 };

disk_image *disk_image_create(void)
{
    disk_image *image = fatal_alloc(sizeof *image);
    atomic_init(&image->refs, 1);
    image->nodes = 1;
    image->capacity = NODES_FIRST;
    image->content = fatal_alloc_zeroed(image->capacity * sizeof(content *));
    image->content[DISK_ROOT] = content_new(true);
    image->names = fatal_alloc(names_bytes(NAMES_FIRST));
    atomic_init(&image->names->refs, 1);
    atomic_init(&image->names->sums, NULL);
    image->names->count = 0;
    image->names->capacity = NAMES_FIRST;
    return image;
}

disk_image *disk_image_fork(const disk_image *image)
{
    disk_image *fork = fatal_alloc(sizeof *fork);
    atomic_init(&fork->refs, 1);
    fork->nodes = image->nodes;
    fork->capacity = image->capacity;
    fork->content = fatal_alloc(fork->capacity * sizeof(content *));
    memcpy(fork->content, image->content, image->capacity * sizeof(content *));
    for (uint32_t i = 0; i < fork->nodes; i++)
        if (fork->content[i])
            count_up(&fork->content[i]->refs);
    fork->names = image->names;
    count_up(&fork->names->refs);
    return fork;
}

const disk_image *disk_image_ref(const disk_image *image)
{
    /* the count is the one part of a shared image that changes; images are never in read-only memory */
    count_up((_Atomic uint32_t *)(uintptr_t)&image->refs);
    return image;
}

void disk_image_unref(const disk_image *shared)
{
    disk_image *image = (disk_image *)(uintptr_t)shared;
    if (!image || !count_down(&image->refs))
        return;
    for (uint32_t i = 0; i < image->nodes; i++)
        content_unref(image->content[i]);
    names_unref(image->names);
    free(image->content);
    free(image);
}

uint64_t disk_image_digest(const disk_image *image)
{
    const uint64_t *sums = names_sums(image);
    uint64_t digest = 0;
    for (uint32_t i = 0; i < image->nodes; i++)
        if (image->content[i] && sums[i])
            digest += random_mix(sums[i] + content_hash(image->content[i]));
    return digest;
}

bool disk_image_has(const disk_image *image, disk_node node)
{
    return node < image->nodes && image->content[node];
}

bool disk_image_is_dir(const disk_image *image, disk_node node)
{
    return image->content[node]->directory;
}

uint64_t disk_image_size(const disk_image *image, disk_node file)
{
    return image->content[file]->size;
}

disk_node disk_image_next_node(const disk_image *image)
{
    return image->nodes;
}

void disk_image_add(disk_image *image, disk_node node, bool directory)
{
    if (node >= image->capacity) {
        uint32_t capacity = image->capacity * 2 > node ? image->capacity * 2 : node + 1;
        image->content = fatal_realloc(image->content, capacity * sizeof(content *));
        memset(image->content + image->capacity, 0, (capacity - image->capacity) * sizeof(content *));
        image->capacity = capacity;
    }
    if (node < image->nodes && image->content[node])
        fatal("node %u of a disk image is in use already", node);
    image->content[node] = content_new(directory);
    if (node >= image->nodes)
        image->nodes = node + 1;
    names_own(image); /* drops the sums, which are made for the nodes that there were */
}

void disk_image_remove(disk_image *image, disk_node node)
{
    content_unref(image->content[node]);
    image->content[node] = NULL;
}
