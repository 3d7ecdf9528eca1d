/*
 * fiu_points.h - the points of fault_io.h under their names in libfiu, so that fiu_enable("levin/io/wal/sync", 1,
 * (void *)EIO, 0), fiu-run -c and fiu-ctrl work on a store.
 *
 * Give fiu_points_hook to fault_io_set_point_hook().  The failinfo of an enabled point is the errno value to
 * return; 0 means EIO (ENOMEM for memory).
 */
#ifndef LEVIN_FAULTS_FIU_POINTS_H
#define LEVIN_FAULTS_FIU_POINTS_H

#include <stdbool.h>

/* Starts libfiu once in the process; 0 or an errno value. */
int fiu_points_open(void);
/* A fault_point_hook. */
bool fiu_points_hook(const char *point, int *os_error);
/* Enables a point: always, or once. Disables it. 0, or -1 when libfiu refuses. */
int fiu_points_enable(const char *point, int os_error, bool once);
int fiu_points_disable(const char *point);
/* From now on fiu-ctrl reaches this process by its number, unless fiu-run has seen to it. 0, or -1. */
int fiu_points_listen(void);

#endif
