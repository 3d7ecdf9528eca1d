#!/bin/bash
# A campaign in N shards as a Slurm job array: submits it, waits for its end, tells which shards left no report.
#
#   slurm.sh OUT N -- COMMAND...         as parallel.sh; OUT on a file system that the nodes share
#                                        SBATCH_*: sbatch's own environment (partition, account, time limit)
#
# Exit code: 0 when all shards left a report, else 3: what they found is told by `levin-chaos merge OUT/*.json`.
set -u

out=$1 n=$2
shift 3
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
printf -v command '%q ' "$here/shard.sh" "$out" "$n" -- "$@"
sbatch --parsable --wait --array="1-$n" --output="$out/slurm-%a.log" --job-name=levin-fleet --wrap="$command" >"$out/job" || true
missing=$(for i in $(seq "$n"); do [ -s "$out/$i.json" ] || echo "$i"; done)
[ -z "$missing" ] || { echo "slurm.sh: no report of shard ${missing//$'\n'/ }" >&2; exit 3; }
