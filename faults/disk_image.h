/*
 * disk_image.h - the contents of a whole directory tree: immutable, copy-on-write, shared.
 *
 * A tree of nodes (files and directories, by number) and names (directory, name) -> node.  A file is an array of 4
 * KiB blocks, shared between all images that hold the same; copying an image costs a few words per file, and
 * changing it copies what is touched.  Two names of one node are hard links.
 *
 * Ownership: reference counted.  `const disk_image *` is immutable and may be shared by threads.  A plain
 * `disk_image *` from disk_image_create() or disk_image_fork() belongs to one thread, which may change it until it
 * shares it.
 *
 * Paths: components separated by '/'; empty ones and "." are skipped, so "/db/x", "db/x" and "db//x" are one.
 */
#ifndef LEVIN_FAULTS_DISK_IMAGE_H
#define LEVIN_FAULTS_DISK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { DISK_BLOCK_BYTES = 4096, DISK_SECTOR_BYTES = 512, DISK_NAME_MAX = 255 };

typedef uint32_t disk_node;
#define DISK_ROOT ((disk_node)0)
#define DISK_NONE ((disk_node)UINT32_MAX)

typedef struct disk_image disk_image;
typedef struct disk_block disk_block; /* DISK_BLOCK_BYTES of contents, shared */

/* ---- Whole images ---------------------------------------------------------------------------------------- */

/* An empty tree: the root directory alone. */
disk_image *disk_image_create(void);
/* A private, changeable copy. */
disk_image *disk_image_fork(const disk_image *image);
const disk_image *disk_image_ref(const disk_image *image);
void disk_image_unref(const disk_image *image); /* harmless on NULL */

/*
 * A digest of what a process could see: names, links, sizes, bytes; node numbers don't count.  Equal trees have equal
 * digests; different ones differ but with a probability of 2^-64.  Cached per block: costs what changed.
 */
uint64_t disk_image_digest(const disk_image *image);

/* ---- Looking --------------------------------------------------------------------------------------------- */

/* DISK_NONE when there is no such node. */
disk_node disk_image_find(const disk_image *image, const char *path);
disk_node disk_image_lookup(const disk_image *image, disk_node directory, const char *name);
/*
 * The directory that holds the last component of path (DISK_NONE: absent or no directory), and that component in
 * name.
 */
disk_node disk_image_parent(const disk_image *image, const char *path, char name[DISK_NAME_MAX + 1]);
bool disk_image_has(const disk_image *image, disk_node node); /* the other calls on a node require it */
bool disk_image_is_dir(const disk_image *image, disk_node node);
uint64_t disk_image_size(const disk_image *image, disk_node file);
/* Reads within the file's size; returns how many bytes. */
size_t disk_image_read(const disk_image *image, disk_node file, void *buffer, size_t bytes, uint64_t offset);
/* Calls entry for each name in a directory, in order of bytes; stops at and returns the first non-zero result. */
int disk_image_list(const disk_image *image, disk_node directory,
                    int (*entry)(void *context, const char *name, disk_node node), void *context);
/* A block of a file, borrowed; NULL reads as zeros. */
disk_block *disk_image_block(const disk_image *image, disk_node file, uint64_t index);
/* A number above all node numbers in use. */
disk_node disk_image_next_node(const disk_image *image);

/* ---- Changing (a private image) -------------------------------------------------------------------------- */

/* Makes an empty nameless file or directory under this number, which must be unused. */
void disk_image_add(disk_image *image, disk_node node, bool directory);
/* Forgets a node that has no name. */
void disk_image_remove(disk_image *image, disk_node node);
void disk_image_write(disk_image *image, disk_node file, const void *data, size_t bytes, uint64_t offset);
/* Puts a whole block at its index without growing the file's size; the block is shared, not copied. NULL is zeros. */
void disk_image_put_block(disk_image *image, disk_node file, uint64_t index, disk_block *block);
/* Grows with zeros or cuts. */
void disk_image_resize(disk_image *image, disk_node file, uint64_t bytes);
/* Names a node; an earlier node of that name loses it. */
/* The file becomes what it is in the other image, which has it. */
void disk_image_copy_file(disk_image *image, const disk_image *from, disk_node file);
void disk_image_link(disk_image *image, disk_node directory, const char *name, disk_node node);
void disk_image_unlink(disk_image *image, disk_node directory, const char *name); /* harmless when absent */

disk_block *disk_block_create(const void *data); /* DISK_BLOCK_BYTES of it */
const uint8_t *disk_block_data(const disk_block *block);
disk_block *disk_block_ref(disk_block *block);
void disk_block_unref(disk_block *block); /* harmless on NULL */

/* ---- To and from real files ------------------------------------------------------------------------------ */

/*
 * Writes the tree below an existing directory of the real file system (for a look with other tools); 0 or an
 * errno value.
 */
int disk_image_export(const disk_image *image, const char *directory);
/* Reads a directory of the real file system as the tree's root. NULL on failure, *os_error says why. */
disk_image *disk_image_import(const char *directory, int *os_error);

#endif
