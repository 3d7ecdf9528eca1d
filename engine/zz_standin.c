/* throw-away */
#include "wal_internal.h"
uint64_t wal_generation(const wal *log) { return log->generation; }
