#!/bin/bash
# levin-bench from outside: all benchmarks on all stores with several threads, JSON, usage, and what Ctrl-C leaves.
set -u

cd "$(dirname "$0")/.." || exit 3
bench=$PWD/${LEVIN_BENCH:-build/release/bin/levin-bench}
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
cd "$scratch" || exit 3
checks=0 failures=0
check() { # name, command...
    local name=$1 output
    shift
    checks=$((checks + 1))
    if ! output=$("$@" 2>&1); then
        failures=$((failures + 1))
        printf '%s:\n%s\n' "$name" "$output"
    fi
}
exits() { # code, command...
    local wanted=$1 status
    shift
    "$@"
    status=$?
    [ "$status" -eq "$wanted" ] || { echo "exit $status"; return 1; }
}
empty() { [ -z "$(find "$scratch" -mindepth 1 -name 'levin-bench-*')" ]; }

all=fillseq,fillrandom,overwrite,fillsync,readrandom,readhot,multireadrandom,seekrandom,readseq,readreverse,open,filllarge,readlarge
for threads in 1 3; do
    check "all benchmarks, $threads threads" exits 0 sh -c "'$bench' --benchmarks=$all --store=levin,lmdb --threads=$threads --num=3000 \
        --syncs=40 --large=20 --large_value_size=20000 --rounds=2 --json >$threads.json"
    check "each did its work on both stores, $threads threads" jq -e '(.results | length) == 26 and
        all(.results[]; (.rounds | length) == 2 and .median_per_second > 0 and .not_found == 0 and (.cut | not)) and
        all(.results[] | select(.benchmark == "fillsync"); .rounds[0].operations == 40) and
        all(.results[] | select(.benchmark == "readrandom" or .benchmark == "fillrandom"); .rounds[0].operations == 3000)' "$threads.json"
done
check "nothing is left behind" empty
check "text" sh -c "'$bench' --num=500 --benchmarks=fillrandom,readlarge --rounds=1 | grep -E '^readlarge on levin: [0-9]+ of [0-9]+ keys were not there'"
check "unknown benchmark" exits 2 "$bench" --benchmarks=fillrandom,unknown
check "unknown store" exits 2 "$bench" --store=unknown
check "bad number" exits 2 "$bench" --num=-1
check "keys too short" exits 2 "$bench" --num=1000000000 --key_size=8
check "a directory that cannot be made" exits 3 "$bench" --db=/proc/levin-bench
check "help" sh -c "'$bench' --help | grep -q '^Exit codes'"

# Ctrl-C, as soon as the second benchmark runs: its store is there, and it would go on for ever
"$bench" --benchmarks=fillrandom,overwrite --num=2000 --duration=100000 --json --keep --db=store >cut.json 2>cut.log &
pid=$!
until [ -n "$(find store -type f -name pages 2>/dev/null)" ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
kill -INT "$pid"
wait "$pid"
check "interrupted" test $? -eq 130
check "the report is whole" jq -e '.results | length <= 2 and (length == 0 or all(.[]; .rounds | length == 1))' cut.json
"$bench" --benchmarks=readrandom --num=100 --duration=100000 --json --db=gone >cut.json 2>cut.log &
pid=$!
until [ -d gone/levin.0-0 ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
kill -TERM "$pid"
wait "$pid"
check "ended" test $? -eq 130
check "and its directory removed" test ! -e gone

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
