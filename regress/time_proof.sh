#!/bin/bash
# The proof of the time tier: how often it cries wolf over code that is the same, and which slowdowns it sees.
#
#   time_proof.sh [--shard i/n] [--seconds S] [--false N] [--decision-seconds S] [--gates N] [--power N] [--only REGEX]
#                 [RESULTS]
#   time_proof.sh --table RESULTS...
#
# Each decision is a run of levin-gate over one workload; its line is appended to RESULTS (build/gate/proof/results.csv), and
# what stands there is not done again, so that a proof goes on where it was stopped.  --shard does every nth decision, from
# the ith on, 1 being the first; several results are read together.  S: begin no further decision after so many seconds.
#
# Identical code (N decisions, 1000, each given S seconds, 4.5, which with its beginning and end are at most 5): as the
# machine is; beside a busy loop that comes and goes on one processor; and layout-only variants: other orders of objects, padding before each object's functions, the functions of
# each object the other way round.  Whole gates, all tiers: N (30) over the six workloads of `make gate-ci`.  Power: slowdowns of
# 1, 2, 5 and 10 %, a cache miss, an allocation, a sync and 5 % more bytes in put, get, scan, checkpoint and recovery, N decisions
# each (20), of up to 16 looks.  What the deterministic tiers see of these: exact_proof.sh.
set -eu -o pipefail

cd "$(dirname "$0")/.."
shard=0 shards=1 seconds=0 false_alarms=1000 decision_seconds=4.5 gates=30 power=20 only=.
results=build/gate/proof/results.csv
die() {
    echo "time_proof: $*" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    --shard)
        [[ $2 =~ ^([1-9][0-9]*)/([1-9][0-9]*)$ ]] || die "--shard i/n"
        ((BASH_REMATCH[1] <= BASH_REMATCH[2])) || die "--shard i/n, i from 1 to n"
        shard=$((BASH_REMATCH[1] - 1)) shards=${BASH_REMATCH[2]}
        shift 2
        ;;
    --seconds) seconds=$2 && shift 2 ;;
    --false) false_alarms=$2 && shift 2 ;;
    --decision-seconds) decision_seconds=$2 && shift 2 ;;
    --gates) gates=$2 && shift 2 ;;
    --power) power=$2 && shift 2 ;;
    --only) only=$2 && shift 2 ;;
    --table) break ;;
    -*) die "no such option: $1" ;;
    *) results=$1 && shift ;;
    esac
done
if [ "${1:-}" = --table ]; then
    shift
    exec build/release/bin/levin-gate --tally="$(IFS=, && echo "${*:-$results}")"
fi

mkdir -p "$(dirname "$results")"
# shellcheck source=regress/proof_tree.sh
. regress/proof_tree.sh
[ -e "$tree/reversed/23.so" ] || link_around "$tree/reversed" "$tree/reversed.a"
wanted() { # name of a slowdown: whether any of its decisions is to be made
    ((power > 0)) && [[ slowed,$1 =~ $only ]]
}
slice_ns() { # workload: the median of nine processes, under the load that there is
    for i in $(seq 0 8); do
        "$gate" --run=slices --base-sides="$tree/plain/sides/$i.so" --now-sides="$tree/plain/sides/$i.so" --workloads="$1" --seed="$i"
    done | cut -d ' ' -f 6 | sort -n | sed -n 5p
}
# What is slower by 1, 2, 5 or 10 % is judged beside NAME-0, the hook that never waits, so that what is added is known.
for site in $sites; do
    IFS=: read -r name file workload calls every more_file _ <<<"$site"
    ns=
    for percent in 1 2 5 10; do
        if wanted "$name-$percent" && [ ! -e "$tree/$name-$percent/23.so" ]; then
            slowed_sides "$name-0" "$file" "-DPROOF_PS=0 -DPROOF_EVERY=$every"
            : "${ns:=$(slice_ns "$workload")}"
            slowed_sides "$name-$percent" "$file" "-DPROOF_PS=$((ns * percent * 10 / calls)) -DPROOF_EVERY=$every"
        fi
    done
    ! wanted "miss-$name" || slowed_sides "miss-$name" "$file" -DPROOF_MISS
    ! wanted "allocation-$name" || slowed_sides "allocation-$name" "$file" -DPROOF_ALLOCATION
    ! wanted "sync-$name" || slowed_sides "sync-$name" "$file" -DPROOF_SYNC
    ! wanted "bytes-$name" || slowed_sides "bytes-$name" "$more_file" -DPROOF_MORE
done
flock -u 9

# ---- decisions ----
[ -e "$results" ] || : >"$results"
bytes=$(size "$archive" | awk 'NR > 1 { bytes += $4 } END { print bytes }')
begun=$SECONDS
number=0
busy=
stop_busy() {
    if [ -n "$busy" ]; then
        kill -- "-$busy" 2>/dev/null || kill "$busy" # it is no group yet
        wait "$busy" || true
    fi
    busy=
}
trap stop_busy EXIT
trap 'exit 130' INT TERM
start_busy() { # a loop on one processor that comes and goes
    # shellcheck disable=SC2016 # by that shell
    setsid sh -c 'cpu=$(taskset -cp $$ | sed -E "s/.*[ ,-]//")
        while :; do
            taskset -c "$cpu" timeout 0.7 sh -c "while :; do :; done"
            sleep 0.5
        done' >/dev/null 2>&1 9>&- &
    busy=$!
}
decide() { # group, name, directory of the other side, workloads, seed, directory of the one side if it is not the tree's
    local key="$1,$2,$4,$5" base=${6:-$tree/plain/sides} begin status line how=()
    number=$((number + 1))
    [[ $1,$2 =~ $only ]] || return 0
    ((number % shards == shard)) || return 0
    ((seconds == 0 || SECONDS - begun < seconds)) || return 0
    ! grep -q -F -x -e "$key" <(cut -d , -f 1-4 "$results") || return 0
    begin=$(date +%s%N)
    status=0
    case $1 in
    identical) how=(--decision-seconds="$decision_seconds") ;;
    slowed) how=(--rounds=16) ;; # as long as it takes
    # the deterministic tiers beside the time
    gates) how=(--counters=regress/counters.csv --base="$gate" --sizes="$bytes:$bytes") ;;
    esac
    [ "$2" != busy ] || start_busy
    line=$("$gate" "${how[@]}" --base-sides="$base" --now-sides="$3" --workloads="${4//+/,}" --seed="$5" \
        --json 2>>"$proof/errors.log") || status=$?
    stop_busy
    # no process at all was over in time
    ! { [ "$1$status" = identical3 ] && jq -e '.time.compared == 0' >/dev/null <<<"$line"; } || status=0
    [ "$status" -le 1 ] || { echo "time_proof: a decision failed with exit code $status" >&2; tail -n 3 "$proof/errors.log" >&2; exit 3; }
    jq -r --arg key "$key" --arg s "$((($(date +%s%N) - begin) / 1000000))" --arg load "$(cut -d ' ' -f 1 /proc/loadavg)" \
        '[$key, (if .time.compared == 0 then "undecided" elif .ok | not then "SLOWER" elif .time.undecided > 0 then "undecided" elif any(.time.workloads[]; .verdict == "faster") then "faster" else "same" end),
          ([.time.workloads[].change_percent // 0, 0] | add / ([length - 1, 1] | max)), $s, $load, ([.time.workloads[] | select(.verdict == "SLOWER") | .workload]
            + (if .counters and (.counters.differences | length) > 0 then ["counters"] else [] end)
            + (if .instructions and .instructions.slower > 0 then ["instructions"] else [] end) | join("+"))] | join(",")' <<<"$line" >>"$results"
}
alarm_works=(put get-row get-page scan-short checkpoint recovery load put-synced get-memtable reopen)
i=0
while ((i < false_alarms)); do # in turn, so that a proof cut short has a part of each
    w=${alarm_works[$((i / 5 % ${#alarm_works[@]}))]}
    case $((i % 5)) in
    0) decide identical quiet "$tree/plain/sides" "$w" "$((i + 1))" ;;
    1) decide identical busy "$tree/plain/sides" "$w" "$((i + 1))" ;;
    2) decide identical padding "$tree/padded/sides" "$w" "$((i + 1))" ;;
    3) decide identical functions "$tree/reversed" "$w" "$((i + 1))" ;;
    4) decide identical objects "$tree/orders" "$w" "$((i + 1))" ;;
    esac
    # the others beside them
    if ((i % 10 == 0 && i / 10 < gates)); then
        variants=(plain/sides padded/sides reversed orders)
        v=${variants[$((i / 10 % 4))]}
        decide gates all "$tree/$v" load+put-synced+get-row+scan-short+checkpoint+recovery "$((i / 10 + 1))"
    fi
    if ((i * power / false_alarms != (i + 1) * power / false_alarms)); then
        for site in $sites; do
            IFS=: read -r name _ workload _ _ _ more_workload <<<"$site"
            for what in "$name-1" "$name-2" "$name-5" "$name-10"; do
                decide slowed "$what" "$tree/$what" "$workload" "$((i + 1))" "$tree/$name-0"
            done
            for what in "miss-$name" "allocation-$name" "sync-$name"; do
                decide slowed "$what" "$tree/$what" "$workload" "$((i + 1))"
            done
            decide slowed "bytes-$name" "$tree/bytes-$name" "$more_workload" "$((i + 1))"
        done
    fi
    i=$((i + 1))
done
echo "time-proof: $(wc -l <"$results") decisions in $results"
