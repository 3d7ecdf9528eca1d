/*
 * disk_image_files.c - images to and from the real file system, for a look at a state with other tools and for
 * starting from a real store.
 *
 * Symbolic links and special files are left out on import; hard links become separate files both ways.  Nothing is
 * synced. Concurrency: none beyond disk_image.h.  Every failure closes what was opened.
 */
#include "disk_image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 65536, DEPTH_MAX = 64 };

struct export_place {
    const disk_image *image;
    int directory; /* descriptor */
    int depth;
};

static int export_file(const disk_image *image, disk_node node, int directory, const char *name)
{
    uint8_t bytes[COPY_BYTES];
    uint64_t size = disk_image_size(image, node), at = 0;
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), error = 0;
    if (fd < 0)
        return errno;
    while (!error && at < size) {
        size_t part = disk_image_read(image, node, bytes, sizeof bytes, at);
        ssize_t done = pwrite(fd, bytes, part, (off_t)at);
        if (done < 0 && errno != EINTR)
            error = errno;
        else if (done > 0)
            at += (uint64_t)done;
    }
    if (close(fd) && !error)
        error = errno;
    return error;
}

static int export_entry(void *context, const char *name, disk_node node)
{
    const struct export_place *place = context;
    if (!disk_image_has(place->image, node))
        return 0;
    if (!disk_image_is_dir(place->image, node))
        return export_file(place->image, node, place->directory, name);
    if (place->depth >= DEPTH_MAX)
        return ELOOP;
    if (mkdirat(place->directory, name, 0755) && errno != EEXIST)
        return errno;
    int fd = openat(place->directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    struct export_place below = { place->image, fd, place->depth + 1 };
    int error = disk_image_list(place->image, node, export_entry, &below);
    close(fd);
    return error;
}

int disk_image_export(const disk_image *image, const char *directory)
{
    struct export_place place = { image, open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0 };
    if (place.directory < 0)
        return errno;
    int error = disk_image_list(image, DISK_ROOT, export_entry, &place);
    close(place.directory);
    return error;
}

static int import_file(disk_image *image, disk_node node, int fd)
{
    uint8_t bytes[COPY_BYTES];
    for (uint64_t at = 0;;) {
        ssize_t done = pread(fd, bytes, sizeof bytes, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? errno : 0;
        disk_image_write(image, node, bytes, (size_t)done, at);
        at += (uint64_t)done;
    }
}

/* Reads the directory behind the descriptor, which it closes, into the node. */
static int import_directory(disk_image *image, disk_node node, int fd, int depth)
{
    int error = depth > DEPTH_MAX ? ELOOP : 0;
    DIR *entries = fdopendir(fd);
    if (!entries) {
        error = errno;
        close(fd);
        return error;
    }
    for (const struct dirent *entry; !error;) {
        struct stat stat;
        errno = 0;
        if (!(entry = readdir(entries))) {
            error = errno;
            break;
        }
        const char *name = entry->d_name;
        if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
            continue;
        if (fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW)) {
            error = errno;
            break;
        }
        if (!S_ISDIR(stat.st_mode) && !S_ISREG(stat.st_mode))
            continue;
        int below = openat(fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (below < 0) {
            error = errno;
            break;
        }
        disk_node child = disk_image_next_node(image);
        disk_image_add(image, child, S_ISDIR(stat.st_mode));
        disk_image_link(image, node, name, child);
        if (S_ISDIR(stat.st_mode))
            error = import_directory(image, child, below, depth + 1);
        else {
            error = import_file(image, child, below);
            close(below);
        }
    }
    closedir(entries);
    return error;
}

disk_image *disk_image_import(const char *directory, int *os_error)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        *os_error = errno;
        return NULL;
    }
    disk_image *image = disk_image_create();
    *os_error = import_directory(image, DISK_ROOT, fd, 0);
    if (!*os_error)
        return image;
    disk_image_unref(image);
    return NULL;
}
