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
 * *sequence: of the newest batch that stood in the files at some moment of the call, checkpoint or log.  Batches of
 * durability none are in neither before the writer's next write of its log.  Otherwise the error of levin_dump();
 * LEVIN_PENDING when the log was moved on under each look at it.
 */
levin_code log_end(const char *path, uint64_t *sequence, levin_error *error);

#endif
