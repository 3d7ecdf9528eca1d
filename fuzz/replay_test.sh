#!/bin/bash
# Replays the seed corpus of each target, made anew, and every kept finding (fuzz/findings/TARGET/NAME) under the sanitizers of the
# asan build; seeds must be the same bytes each time.
#   BIN=build/asan/fuzz   where the replay programs stand
set -u

cd "$(dirname "$0")/.." || exit 3
bin=${BIN:-build/asan/fuzz}
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
export ASAN_OPTIONS="abort_on_error=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
checks=0 failures=0
check() { # what, command...
    local what=$1
    shift
    checks=$((checks + 1))
    if ! "$@" >"$scratch/log" 2>&1; then
        failures=$((failures + 1))
        echo "FAILED: $what"
        tail -n 30 "$scratch/log"
    fi
}

refused() { # command...: it must fail, and not by a signal
    "$@"
    local status=$?
    [ "$status" -gt 0 ] && [ "$status" -lt 128 ]
}

mkdir "$scratch/empty"
ok=$bin/replay_fuzz_ops
check "an empty directory is an error" refused "$ok" "$scratch/empty"
check "what is no file is an error" refused "$ok" /dev/null
check "no input at all is an error" refused "$ok"
check "no times is an error" refused "$ok" -n 0 fuzz/README.md
for arguments in "fuzz_ops typo 5" "fuzz_ops afl abc" "fuzz_ops libfuzzer 0" "fuzz_nothing afl 5"; do
    read -ra words <<<"$arguments"
    check "run.sh $arguments is refused" refused fuzz/run.sh --check "${words[@]}"
done
for number in 0 -1 two; do
    check "run.sh JOBS=$number is refused" refused env JOBS="$number" fuzz/run.sh --check fuzz_ops afl 5
done
check "run.sh takes jobs" env JOBS=4 fuzz/run.sh --check fuzz_ops 'libfuzzer afl' 5
check "run.sh takes two targets and fuzzers" fuzz/run.sh --check 'fuzz_ops fuzz_open_image' 'libfuzzer afl' 5

for source in fuzz/fuzz_*.c; do
    target=$(basename "$source" .c)
    check "$target: seeds are made" "$bin/make_seeds" "$target" "$scratch/$target"
    cp -r "$scratch/$target" "$scratch/again"
    check "$target: seeds are made again" "$bin/make_seeds" "$target" "$scratch/again"
    check "$target: the same bytes each time" diff -r "$scratch/$target" "$scratch/again"
    rm -rf "$scratch/again"
    check "$target: seeds, twice" "$bin/replay_$target" -n 2 "$scratch/$target"
    for finding in fuzz/findings/"$target"/*; do
        [ ! -f "$finding" ] || check "$finding" "$bin/replay_$target" "$finding"
    done
done
echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
