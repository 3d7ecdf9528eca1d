#!/bin/bash
# What the tests reach of engine/: each step below is run on the build that counts (VARIANT=coverage), its counts kept in
# build/coverage/parts; then the table of lines, branches and MC/DC per file, the HTML, and the branches that nothing takes.
#   SHORT=1        the unit tests, the command line's, the fuzzers' seeds and findings; no sweeps, no corpora
#   ONLY='words'   only the steps whose names hold one of the words (of the others what is kept counts)
#   JOBS=n         so many steps at once (default 2)
# A step whose counts are newer than its programs is not run again: what was stopped goes on.  A branch never taken needs its
# reason in ci/coverage-reasons.txt (coverage-report.sh says how).
# Exit: 0 every branch is taken or has a reason, 1 one has none, or a reason is of nothing, 3 a step or a tool failed.
set -u

cd "$(dirname "$0")/.." || exit 3
build=build/coverage jobs=${JOBS:-2}
parts=$build/parts raw=$build/raw logs=$build/logs
profdata=llvm-profdata-19
command -v $profdata >/dev/null || { echo "coverage: no $profdata: make deps" >&2; exit 3; }
[ -x $build/bin/levin-chaos ] || { echo "coverage: no programs: make coverage" >&2; exit 3; }
mkdir -p $parts $raw $logs
chaos=$build/bin/levin-chaos
failed=$build/failed
rm -f $failed
end_below() { # pid: all that it has started, from the leaves on
    local pid
    for pid in $(pgrep -P "$1"); do
        end_below "$pid"
        kill "$pid" 2>/dev/null
    done
}
trap 'trap "" INT TERM; end_below $$; exit 130' INT TERM

wanted() { # name
    local word
    [ -n "${ONLY:-}" ] || return 0
    for word in $ONLY; do
        case $1 in *"$word"*) return 0 ;; esac
    done
    return 1
}

# step NAME PROGRAM COMMAND...: in the background, two at a time.  A test may fail where it measures (time, memory) what the
# counters cost: that is told, and what it reached counts all the same.
running=0
step() {
    local name=$1 program=$2 part=$parts/$1.profdata
    shift 2
    wanted "$name" || return 0
    [ ! "$part" -nt "$program" ] || return 0
    if [ "$running" -ge "$jobs" ]; then
        wait -n
        running=$((running - 1))
    fi
    run_step "$name" "$part" "$@" &
    running=$((running + 1))
}
run_step() { # name, part, command...
    local name=$1 part=$2 begin=$SECONDS status
    shift 2
    rm -rf "${raw:?}/$name" && mkdir -p "$raw/$name"
    LLVM_PROFILE_FILE=$PWD/$raw/$name/%2m.profraw LEVIN=$PWD/$build/bin/levin timeout --kill-after=10 "${STEP_TIMEOUT:-1200}" "$@" \
        >"$logs/$name" 2>&1 </dev/null
    status=$?
    # a process that is killed while it writes spoils one file
    if ! $profdata merge --failure-mode=all -sparse -o "$part.new" "$raw/$name" >"$logs/$name.merge" 2>&1; then
        echo "  $name left no counts" | tee -a $failed >&2
        return
    fi
    mv "$part.new" "$part"
    rm -rf "${raw:?}/$name"
    printf '  %4ds  %s%s\n' $((SECONDS - begin)) "$name" "$([ "$status" = 0 ] || echo " (exit $status)")"
}

for program in "$build"/test/engine_* "$build"/test/chaos_soak_test "$build"/test/regress_workloads_test; do
    case $program in *.d | *.o) continue ;; esac
    step "$(basename "$program")" "$program" "$program"
done
step cli_test $build/bin/levin engine/cli/cli_test.sh
for source in fuzz/fuzz_*.c; do
    target=$(basename "$source" .c)
    replay=$build/fuzz/replay_$target
    seeds=$build/seeds/$target
    mkdir -p "$seeds"
    if wanted "$target" && ! LLVM_PROFILE_FILE=/dev/null $build/fuzz/make_seeds "$target" "$seeds" >"$logs/seeds-$target" 2>&1; then
        cat "$logs/seeds-$target" >&2
        exit 3
    fi
    inputs=("$seeds")
    [ ! -d "fuzz/findings/$target" ] || inputs+=("fuzz/findings/$target"/*)
    step "$target" "$replay" "$replay" "${inputs[@]}"
    if [ -z "${SHORT:-}" ]; then # what `make fuzz` has found here
        for corpus in build/fuzz/corpus/"$target"/libfuzzer build/fuzz/corpus/"$target"/afl/*/queue; do
            [ -z "$(find "$corpus" -maxdepth 1 -type f 2>/dev/null | head -n 1)" ] ||
                step "$target-$(echo "${corpus#build/fuzz/corpus/"$target"/}" | tr / -)" "$replay" "$replay" "$corpus"
        done
    fi
done
if [ -z "${SHORT:-}" ]; then
    step sweep $chaos $chaos sweep --ops 600 --small --seeds 2 --jobs 1 --quiet
    step faults $chaos $chaos faults --seeds 2 --jobs 1 --quiet
    step corrupt $chaos $chaos corrupt --damages 100 --seeds 1 --jobs 1 --quiet
    step ranges $chaos $chaos ranges --seeds 1 --jobs 1 --quiet
    step soak $chaos $chaos soak --duration 40 --quiet
fi
wait
[ ! -s $failed ] || exit 3
$profdata merge -sparse -o $build/all.profdata $parts/*.profdata || exit 3
ci/coverage-report.sh
