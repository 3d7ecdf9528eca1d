/*
 * directory.h - whole directories of a real file system: made, copied, removed.
 */
#ifndef CHAOS_DIRECTORY_H
#define CHAOS_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIRECTORY_PATH_BYTES = 4096 };

typedef struct directory_file {
    char *name;    /* below the directory: "journal/000003.log" */
    uint64_t size;
} directory_file;

typedef struct directory_list {
    directory_file *files; /* regular files, by name */
    size_t count;
} directory_list;

/* All of them: false with errno. */
bool directory_make(const char *path); /* and what leads to it; one that is there is good */
/* Copies files and directories into a new directory; holes stay holes. What is there already is overwritten. */
bool directory_copy(const char *from, const char *to);
bool directory_remove(const char *path); /* one that is not there is good */
bool directory_list_make(const char *path, directory_list *list);
void directory_list_free(directory_list *list);
/* The whole file in memory from malloc(); NULL with errno. */
uint8_t *directory_file_read(const char *directory, const char *name, uint64_t *bytes);

#endif
