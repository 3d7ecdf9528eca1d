#!/bin/bash
# Branch mutants: engine/ as compiled at -O1, with one conditional branch of its assembly never or always taken, must be seen by
# the quick detectors: every unit test by itself, the seeds and findings of each fuzzer, short sweeps.
#   MUTANTS=n  so many of all, drawn by SEED (default 400, 1); what was killed before, in build/mutants/results, is not run again
#   FILE=word  only of files with that word in their name
#   JOBS=n     so many at once (default 2)      TIME=seconds  no new one after so long
# Sampling: of all branches of engine/ in all functions, each twice, the COUNT with the smallest md5 of seed, function (by name
# and instructions) and place in it: a uniform draw, which a change in one function leaves as it is in all others.
# Method (mutants-run.pl has the details): a library whose branches note where they go tells, for every detector, the branches
# at which it goes each way.  A mutant closes one way, and a detector that does not go it cannot tell the difference: those that
# do are run in turn, the tests of its file first, until one fails.  What survives is listed by source line, and must stand in
# ci/mutants-equivalent.txt:
#
#   engine/file.c never|always the source line as it stands, blanks squeezed
#       the reason why nothing can tell it from the original, indented; of all lines above it.  One that begins with
#       "Unreached: " says why nothing goes there, and is none for a branch of that line that a detector does go; one that
#       begins with "Missing: " says what no test does yet, and counts as not killed
#
# Ends with a table by file (build/mutants/table.txt), the share killed and its 95 % interval (Wilson).
# Exit: 0 no unexplained survivor, 1 there is one, 2 usage, 3 a tool failed, 130 stopped.
set -u

cd "$(dirname "$0")/.." || exit 3
b=build/mutants
count=${MUTANTS:-400} seed=${SEED:-1} jobs=${JOBS:-2} limit=${TIME:-0}
for number in "$count" "$seed" "$jobs" "$limit"; do
    [[ $number =~ ^[0-9]{1,7}$ ]] || { echo "mutants: MUTANTS, SEED, JOBS and TIME are numbers" >&2; exit 2; }
done
mkdir -p $b/asm $b/base $b/marked

# ---- the engine as assembly, as it is and marked, and the library that is linked from each ----
flags=(-std=c11 -D_GNU_SOURCE -O1 -g -DNDEBUG -fPIC -pthread)
export LINK="-shared -Wl,-S,-soname,libengine.so" LIBRARIES="-lurcu-bp -pthread"
names=() changed=
header=engine/levin.h # the newest one
for file in engine/*.h; do
    [ "$header" -nt "$file" ] || header=$file
done
for source in engine/*.c; do
    case $source in *_test.c | *_bench.c) continue ;; esac
    name=${source##*/} name=${name%.c}
    asm=$b/asm/$name.s
    names+=("$name")
    if ! [ "$asm" -nt "$source" ] || ! [ "$asm" -nt "$header" ]; then
        ${CC:-cc} "${flags[@]}" -S "$source" -o "$asm" || exit 3
    fi
    [ "$b/base/$name.o" -nt "$asm" ] || { ${CC:-cc} -c "$asm" -o "$b/base/$name.o" && changed=1; } || exit 3
done
link() { # directory, objects...
    local directory=$1
    shift
    # shellcheck disable=SC2086 # words
    ${CC:-cc} $LINK -o "$directory/libengine.so" "$@" $LIBRARIES
}
if [ -n "$changed" ] || ! [ -s $b/marked/libengine.so ] || [ ci/mutants.pl -nt $b/marked/libengine.so ]; then
    for object in "$b"/base/*.o; do # of a file that is gone
        [ -f "engine/$(basename "$object" .o).c" ] || rm -f "$object" "$b/asm/$(basename "$object" .o).s"
    done
    rm -f $b/marked/*
    ci/mutants.pl list "$b"/asm/*.s >$b/all.tsv && link $b/base "$b"/base/*.o || exit 3
    ${CC:-cc} "${flags[@]}" -DMUTANTS="$(wc -l <$b/all.tsv)" -c ci/mutants_hits.c -o $b/marked/mutants_hits.o || exit 3
    for name in "${names[@]}"; do
        ci/mutants.pl mark "$b/asm/$name.s" $b/all.tsv >"$b/marked/$name.s" &&
            ${CC:-cc} -c "$b/marked/$name.s" -o "$b/marked/$name.o" || exit 3
    done
    link $b/marked $b/marked/*.o || exit 3
fi

# ---- detectors: a line each for mutants-run.pl ----
# the programs take the engine from that library, so that a mutant costs one file assembled and one link
${MAKE:-make} --no-print-directory -s -j2 VARIANT=mutants ENGINE_A=$b/base/libengine.so CFLAGS=-fvisibility=default NO_DEPS=1 \
    mutant-programs >$b/build.log 2>&1 || { tail -n 20 $b/build.log >&2; exit 3; }
{
    for source in engine/*_test.c; do
        own=${source##*/} own=${own%_test.c}
        program=$b/test/engine_${own}_test
        while [ ! -f "engine/$own.c" ] && [ "$own" != - ]; do # page_cache_concurrent: of page_cache
            case $own in *_*) own=${own%_*} ;; *) own=- ;; esac
        done
        sed -n '/^LEVIN_TEST_MAIN(/,$p' "$source" | grep -oP '\bTEST\(\K\w+' | while read -r test; do
            printf '%s\t%s\t%s\tTEST_FORK=no TEST_CASE=%s %s\n' "$test" "$own" "$program" "$test" "$program"
        done
    done
    for source in fuzz/fuzz_*.c; do
        target=${source##*/} target=${target%.c}
        program=$b/fuzz/replay_$target
        if ! [ "$b/seeds/$target" -nt $b/fuzz/make_seeds ]; then
            rm -rf "$b/seeds/${target:?}" && mkdir -p "$b/seeds/$target"
            LD_LIBRARY_PATH=$b/base $b/fuzz/make_seeds "$target" "$b/seeds/$target" >&2 || exit 3
        fi
        printf '%s-seeds\t-\t%s\t%s -q %s\n' "$target" "$program" "$program" "$b/seeds/$target"
        [ -z "$(find "fuzz/findings/$target" -type f 2>/dev/null | head -n 1)" ] ||
            printf '%s-findings\t-\t%s\t%s -q %s\n' "$target" "$program" "$program" "$(echo "fuzz/findings/$target"/*)"
    done
    chaos=$b/bin/levin-chaos
    while read -r name words; do
        printf 'sweep-%s\t-\t%s\t%s %s --jobs 1 --fail-fast --quiet\n' "$name" $chaos $chaos "$words"
    done <<'LINES'
crash sweep --ops 50 --small
corrupt corrupt --damages 20
ranges ranges --ops 60
LINES
} >$b/detectors || exit 3

# ---- run ----
# with a /tmp of its own, in memory, where that is allowed: tests are quicker there, and what a mutant leaves is gone at the end
alone=()
# shellcheck disable=SC2016 # for the inner shell
case $PWD in
/tmp/*) ;;
*) [ "$(id -u)" != 0 ] || ! unshare -m mount -t tmpfs mutants /tmp 2>/dev/null ||
    alone=(unshare -m sh -c 'mount -t tmpfs -o size=4g mutants /tmp && exec "$@"' sh) ;;
esac
run() { # words for mutants-run.pl
    ${alone[@]+"${alone[@]}"} ci/mutants-run.pl "$@" &
    local pid=$!
    trap 'kill -TERM $pid' INT TERM
    wait $pid
    local status=$?
    while kill -0 $pid 2>/dev/null; do # a signal has ended the wait
        wait $pid
        status=$?
    done
    trap - INT TERM
    return $status
}
run record $b "$jobs" || exit
awk -F '\t' -v word="${FILE:-}" '{ name = $1; sub(/.*\//, "", name) } word == "" || index(name, word)' $b/all.tsv |
    ci/mutants.pl sample "$seed" "$count" >$b/sample.tsv
run judge $b "$jobs" "$limit"
status=$?
[ $status -le 1 ] || [ $status = 130 ] || exit $status

ci/mutants-report.pl $b ci/mutants-equivalent.txt || [ $status != 0 ] || status=1
exit $status
