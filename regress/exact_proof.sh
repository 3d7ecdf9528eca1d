#!/bin/bash
# The proof of the deterministic tiers: code that is the same, laid out otherwise, must be found the same, and each slowdown of
# proof_work.h in put, get, scan, checkpoint and recovery is put before both.
#
#   exact_proof.sh [--repeat N] [--only REGEX] [RESULTS]
#
# Lines as those of time_proof.sh, whose --table reads them, are appended to RESULTS (build/gate/proof/exact.csv), the groups
# counters and instructions, N (3) each; what stands there is not done again.  Fails when identical code was found slower, or an
# extra allocation, sync, 5 % of bytes or 2 % of instructions was not.
set -eu -o pipefail

cd "$(dirname "$0")/.."
repeat=3 only=. results=build/gate/proof/exact.csv
die() {
    echo "exact_proof: $*" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    --repeat) repeat=$2 && shift 2 ;;
    --only) only=$2 && shift 2 ;;
    -*) die "no such option: $1" ;;
    *) results=$1 && shift ;;
    esac
done
mkdir -p "$(dirname "$results")"
touch "$results"
# shellcheck source=regress/proof_tree.sh
. regress/proof_tree.sh

# ---- builds ----
for layout_of in plain padded sections; do
    program_around "$tree/$layout_of/liblevin.a" "$tree/exact-identical-$layout_of"
done
program_around "$tree/reversed.a" "$tree/exact-identical-reversed"
flock -u 9

judged() { # arguments of levin-gate: its JSON, slower or not
    local status=0
    "$@" --json 2>>"$proof/errors.log" || status=$?
    [ "$status" -le 1 ] || { tail -n 3 "$proof/errors.log" >&2; echo "exact_proof: $* ended with $status" >&2; exit 3; }
}
compared() { # workloads or '' for all, program: the instructions beside those of the tree as it is
    judged "$gate" --base="$gate" --program="$2" ${1:+--workloads="$1"}
}
# The hook's calls in a run, found by a known number of instructions in each.
calls_of() { # site, file, workload
    local known=20000 json
    slowed_engine "$1-known" "$2" "-DPROOF_INSTRUCTIONS=$known"
    program_around "$tree/$1-known.a" "$tree/exact-$1-known"
    json=$(compared "$3" "$tree/exact-$1-known")
    jq -r --argjson known "$known" '.instructions.workloads[0] | [.base * .operations, ((.now - .base) * .operations / $known | round)] | join(" ")' <<<"$json"
}

# ---- decisions ----
append() { # group, name, workload, turn, verdict, change, ms, what
    echo "$1,$2,$3,$4,$5,$6,$7,$(cut -d ' ' -f 1 /proc/loadavg),$8" >>"$results"
}
decide() { # name, workloads or '' for all, program
    local turn begin json verdict list=${2//+/,} key=${2:-all}
    [[ $1 =~ $only ]] || return 0
    for turn in $(seq "$repeat"); do
        if ! grep -q "^counters,$1,$key,$turn," "$results"; then
            begin=$(date +%s%N)
            json=$(judged "$3" --counters=regress/counters.csv ${list:+--workloads="$list"})
            verdict=$(jq -r 'if (.counters.differences | length) > 0 then "SLOWER" else "same" end' <<<"$json")
            append counters "$1" "$key" "$turn" "$verdict" 0 "$((($(date +%s%N) - begin) / 1000000))" \
                "$(jq -r '[.counters.differences[].counter] | unique | .[:3] | join("+")' <<<"$json")"
        fi
        if ! grep -q "^instructions,$1,$key,$turn," "$results"; then
            begin=$(date +%s%N)
            json=$(compared "$list" "$3")
            verdict=$(jq -r 'if .instructions.slower > 0 then "SLOWER" else "same" end' <<<"$json")
            append instructions "$1" "$key" "$turn" "$verdict" \
                "$(jq -r '[.instructions.workloads[].change_percent] | max' <<<"$json")" "$((($(date +%s%N) - begin) / 1000000))" ''
        fi
    done
}
must() { # group, name: every decision of these was SLOWER, or none when the third word is none
    ! awk -F , -v group="$1" -v name="$2" -v wanted="${3:-SLOWER}" \
        '$1 == group && $2 ~ name && (wanted == "none" ? $5 == "SLOWER" : $5 != wanted) { print; found = 1 } END { exit !found }' \
        "$results" || { echo "exact_proof: $1 $2: not as it must be" >&2; failures=$((failures + 1)); }
}
failures=0
for layout_of in plain padded sections reversed; do
    decide "identical-$layout_of" '' "$tree/exact-identical-$layout_of"
done
for site in $sites; do
    IFS=: read -r name file workload _ _ more_file more_workload <<<"$site"
    [[ "$name-1 $name-2 $name-5 $name-10 miss-$name allocation-$name sync-$name bytes-$name" =~ $only ]] || continue
    read -r all calls <<<"$(calls_of "$name" "$file" "$workload")"
    [ "$calls" -gt 0 ] || { echo "exact_proof: $workload never calls the hook of $name" >&2; exit 3; }
    for percent in 1 2 5 10; do
        slowed_engine "$name-i$percent" "$file" \
            "-DPROOF_INSTRUCTIONS=$(awk -v all="$all" -v p="$percent" -v n="$calls" 'BEGIN { printf "%.0f", all * p / 100 / n }')"
        program_around "$tree/$name-i$percent.a" "$tree/exact-$name-$percent"
        decide "$name-$percent" "$workload" "$tree/exact-$name-$percent"
    done
    slowed_engine "miss-$name" "$file" -DPROOF_MISS
    slowed_engine "allocation-$name" "$file" -DPROOF_ALLOCATION
    slowed_engine "sync-$name" "$file" -DPROOF_SYNC
    slowed_engine "bytes-$name" "$more_file" -DPROOF_MORE
    for what in miss allocation sync bytes; do
        program_around "$tree/$what-$name.a" "$tree/exact-$what-$name"
        if [ $what = bytes ]; then
            decide "$what-$name" "$more_workload" "$tree/exact-$what-$name"
        else
            decide "$what-$name" "$workload" "$tree/exact-$what-$name"
        fi
    done
done
must counters '^identical' none
must instructions '^identical' none
must counters '^(allocation|sync|bytes)-'
must instructions '-(2|5|10)$'
echo "exact-proof: $(wc -l <"$results") decisions in $results"
echo "exact-proof: $failures failures"
[ "$failures" -eq 0 ]
