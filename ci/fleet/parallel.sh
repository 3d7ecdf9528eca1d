#!/bin/bash
# A campaign in N shards by GNU parallel, on this machine or, with its own options in PARALLEL (--sshloginfile ...), on many.
#
#   parallel.sh OUT N -- COMMAND...      the shards' reports in OUT/1.json and on; to be merged by `levin-chaos merge OUT/*.json`
#                                        JOBS=n: so many at once
#
# Exit code: 0 when all shards ended with 0, 1 when one found something, else 3.
set -u

out=$1 n=$2
shift 3
here=$(cd "$(dirname "$0")" && pwd)
status=0
mkdir -p "$out"
seq "$n" | parallel --will-cite --quote --jobs "${JOBS:-$(nproc)}" --joblog "$out/joblog" "$here/shard.sh" "$out" "$n" {} -- "$@" || status=$?
[ "$status" -ne 0 ] || exit 0
awk 'NR > 1 && $7 > 1 { bad = 1 } END { exit bad ? 3 : 1 }' "$out/joblog"
