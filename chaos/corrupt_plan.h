/*
 * corrupt_plan.h - the stores that are damaged, and every single damage that can be done to them, by number and by
 * name.
 *
 * A seed's workload leaves two stores: "killed", as the end of the process leaves it with the store open, and
 * "closed". Earlier moments of the same life are where stale bytes come from.
 */
#ifndef CHAOS_CORRUPT_PLAN_H
#define CHAOS_CORRUPT_PLAN_H

#include "../faults/damage.h"
#include "../faults/damage_judge.h"
#include "corrupt_totals.h"
#include "workload.h"

enum { CORRUPT_IMAGES = 2, CORRUPT_OLDER_MAX = 64, CORRUPT_NAME_BYTES = 192, CORRUPT_FILES_MAX = 96 };
enum { CORRUPT_BRIEF_OPERATIONS = 500 }; /* of a brief workload, at most */

/* A part of a file, or all of it, as it was at an earlier moment. */
typedef struct corrupt_stale {
    uint64_t offset;
    uint32_t length;
    unsigned older;
} corrupt_stale;

typedef struct corrupt_file {
    char name[DISK_NAME_MAX + 1];
    disk_node node;
    uint64_t size;
    corrupt_class class;
    corrupt_stale *stale; /* each with bytes that no other has at that place */
    size_t stale_count, stale_capacity;
    unsigned rolled[CORRUPT_OLDER_MAX]; /* moments in which the whole file was another */
    size_t rolled_count;
} corrupt_file;

typedef struct corrupt_image {
    const char *name;
    const disk_image *image;
    disk_node directory;
    uint64_t end;             /* length of the trace then */
    uint32_t state;           /* what it holds */
    damage_judge *judge;
    corrupt_file *files;
    size_t file_count;
} corrupt_image;

typedef struct corrupt_life {
    workload *w;
    trace *t;
    oracle *o;
    const disk_image *older[CORRUPT_OLDER_MAX];
    uint64_t older_at[CORRUPT_OLDER_MAX]; /* when, in calls */
    unsigned older_count;
    corrupt_image images[CORRUPT_IMAGES];
    oracle_verdict verdict;   /* of the undamaged stores */
    const char *where;
} corrupt_life;

/*
 * part NULL: the whole plan; script (may be NULL) gets its calls.  False when an undamaged store breaks a promise:
 * verdict and where tell.
 */
bool corrupt_life_prepare(corrupt_life *life, uint64_t seed, uint32_t operations, const stanzas *data,
                          const workload_part *part, workload_script *script);
void corrupt_life_release(corrupt_life *life);

/* One damage: the number counts those of its kind to that file. */
typedef struct corrupt_item {
    unsigned image;
    corrupt_kind kind;
    size_t file;
    uint64_t number;
} corrupt_item;

/* How many there are of a kind to the files of a class. */
uint64_t corrupt_group_count(const corrupt_image *image, corrupt_kind kind, corrupt_class class);
/* The damage of that number in the group. */
corrupt_item corrupt_group_item(const corrupt_life *life, unsigned image, corrupt_kind kind, corrupt_class class,
                                uint64_t number);
/* "closed/flip/pages/4711" */
void corrupt_item_name(const corrupt_life *life, const corrupt_item *item, char name[CORRUPT_NAME_BYTES]);
bool corrupt_item_parse(const corrupt_life *life, const char *name, corrupt_item *item);
/* The group that a name belongs to, also when there is no such file, or not so many damages. False: it is no name. */
bool corrupt_group_parse(const corrupt_life *life, const char *name, unsigned *image, corrupt_kind *kind,
                         corrupt_class *class);
damage corrupt_item_damage(const corrupt_life *life, const corrupt_item *item);
/* In words: "bit 3 of byte 588 of pages". */
void corrupt_item_describe(const corrupt_life *life, const corrupt_item *item, char *text, size_t capacity);

#endif
