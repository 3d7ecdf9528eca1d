/*
 * log_end.h - how far the log of a store goes, looked at beside the process that writes it.
 *
 * A reader beside a writer has the newest checkpoint only; what the writer has handed to the kernel since stands in the
 * log, which is read here without a lock, as `levin dump` does.  One thread.
 */
#ifndef CLI_LOG_END_H
#define CLI_LOG_END_H

#include "../levin.h"

/*
 * *sequence: at least that of the newest batch which stood in the files, checkpoint or log, when the call began; in a
 * store that goes through checkpoints meanwhile it may be less, but not less than the newest of these.  Batches of
 * durability none are in neither before the writer's next write of its log.  Otherwise the error of levin_dump().
 */
levin_code log_end(const char *path, uint64_t *sequence, levin_error *error);

#endif
