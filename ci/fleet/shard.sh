#!/bin/bash
# One shard of a campaign: the command with --shard i/n, its report into OUT/i.json.
#
#   shard.sh OUT N [I] -- COMMAND...     COMMAND: levin-chaos sweep --seeds 1000 --json, levin-gate ..., levin-bench ...
#
# I is the third argument, or what the scheduler says: SLURM_ARRAY_TASK_ID, counted from 1, or JOB_COMPLETION_INDEX (Kubernetes),
# counted from 0.  A shard that is there already is not run again, so that a fleet goes on where it was stopped.  The
# exit code is that of the command, kept in OUT/i.exit, so that what was found is told again; a report that was not finished is not kept.
set -u

out=$1 n=$2
shift 2
if [ "$1" = -- ]; then
    i=${SLURM_ARRAY_TASK_ID:-$((${JOB_COMPLETION_INDEX:?neither an index nor a scheduler} + 1))}
else
    i=$1
    shift
fi
shift
if [ -s "$out/$i.json" ] && [ -s "$out/$i.exit" ]; then
    exit "$(cat "$out/$i.exit")"
fi
mkdir -p "$out"
status=0
"$@" --shard "$i/$n" >"$out/.$i.json.$$" || status=$?
if [ "$status" -le 1 ]; then # nothing found, or something
    echo "$status" >"$out/$i.exit"
    mv "$out/.$i.json.$$" "$out/$i.json"
else
    rm -f "$out/.$i.json.$$"
fi
exit "$status"
