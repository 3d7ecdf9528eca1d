#!/bin/bash
# Proof that the harness can fail: each bug of faults/planted/ is put into an engine of its own and must be caught by a detector.
#   SEEDS=N      seeds tried before a bug counts as survived (default 4)
#   ROUNDS=N     N times, from other seeds each time: medians are shown (default 1)
#   ALL=1        run all detectors on each bug, to see which kill what
#   ONLY=word    only the bugs with that word in their name
#   CLEAN=0      not the tree without a bug: for bugs looked at one by one, which another run has proved it for
#   JOBS=N       so many bugs at once (default 2); each detector is one process that works
#   DETECTORS='sweep units'  only these; "none": then nothing is caught, and this must fail
#   FRESH=1      what was found out before, with the same sources and settings, is found out again
# The detectors: sweep, crossed (sweep --faults), effects (faults --effects), faults, corrupt, ranges; for patches that say "Detector:
# NAME", or by DETECTORS, too: memcheck (a fault sweep under valgrind), soak (not the same run twice), schedules (one of its seeds is
# SCHEDULES schedules, default 20000), units (the engine's unit tests) and ops (the seeds of the fuzzer of operations), which have no
# seeds.  That detector has all seeds of its own first, else the one that the table in faults/planted/README.md names; then each of the
# others has one seed, two seeds, and so on.  The rounds after the first are those of the detector that caught it.
# The seconds are of the processor.  The table goes to build/planted/table.md, too; with DETECTORS, to one named after these.
# Exit: 0 all caught and the unpatched tree clean, 1 a bug survived or the clean tree did not, 2 usage, 3 a patch does not apply
# or build, or a detector failed by itself, 130 stopped.
set -u

cd "$(dirname "$0")/.." || exit 3
seeds=${SEEDS:-4} rounds=${ROUNDS:-1} all=${ALL:-0} only=${ONLY:-} jobs=${JOBS:-2} schedules=${SCHEDULES:-20000}
make=${MAKE:-make}
for number in "$seeds" "$rounds" "$jobs" "$schedules"; do
    [[ $number =~ ^[1-9][0-9]{0,6}$ ]] || { echo "planted.sh: SEEDS, ROUNDS, JOBS and SCHEDULES are numbers from 1" >&2; exit 2; }
done
known='sweep crossed effects faults corrupt ranges memcheck soak schedules units ops'
read -ra detectors <<<"${DETECTORS:-sweep crossed effects faults corrupt ranges}"
[ "${DETECTORS:-}" != none ] || detectors=()
for detector in ${detectors[@]+"${detectors[@]}"}; do
    [[ " $known " == *" $detector "* ]] || { echo "planted.sh: there is no detector $detector, only: $known" >&2; exit 2; }
done

# The harness is built once, around the engine as a library; a bug is another library of that name.
b=build/planted
base=$b/base results=$b/results
mkdir -p $base $results
flags=(-std=c11 -D_GNU_SOURCE -O2 -g -DNDEBUG -fPIC -fno-semantic-interposition -pthread)
sources=()
for source in engine/*.c; do
    case $source in *_test.c | *_bench.c) ;; *) sources+=("$(basename "$source" .c)") ;; esac
done
link() { # directory with objects: what it has not is the base's
    local name objects=()
    for name in "${sources[@]}"; do
        if [ -f "$1/$name.o" ]; then objects+=("$1/$name.o"); else objects+=("$base/$name.o"); fi
    done
    ${CC:-cc} -shared -Wl,-Bsymbolic -Wl,-soname,libengine.so -o "$1/libengine.so" "${objects[@]}" -lurcu-bp -pthread
}
uses() { # detector
    [[ " ${detectors[*]-} " == *" $1 "* ]] ||
        { [ -z "${DETECTORS:-}" ] && grep -qlx "Detector: $1" faults/planted/*"$only"*.patch 2>/dev/null; }
}
build_base() {
    local name programs=("$b/bin/levin-chaos")
    for name in "${sources[@]}"; do
        if ! [ "$base/$name.o" -nt "engine/$name.c" ] ||
            [ -n "$(find engine -maxdepth 1 -name '*.h' -newer "$base/$name.o" -print -quit)" ]; then
            ${CC:-cc} "${flags[@]}" -c "engine/$name.c" -o "$base/$name.o" || return 1
            rm -f $base/libengine.so
        fi
    done
    [ -s $base/libengine.so ] || link $base || return 1
    ! uses units || programs+=(planted-units)
    ! uses ops || programs+=("$b/fuzz/replay_fuzz_ops" "$b/fuzz/make_seeds")
    $make --no-print-directory -s -j"$jobs" VARIANT=planted ENGINE_A=$base/libengine.so NO_DEPS=1 "${programs[@]}" >$b/build.log 2>&1 ||
        { tail -n 20 $b/build.log >&2; return 1; }
    ! uses schedules || $make --no-print-directory -s -j"$jobs" NO_DEPS=1 build/release/bin/levin-chaos-schedules >>$b/build.log 2>&1 ||
        { tail -n 20 $b/build.log >&2; return 1; }
    ! uses ops || LD_LIBRARY_PATH=$base $b/fuzz/make_seeds fuzz_ops $b/seeds >/dev/null
}

# The engine with the bug; only what the patch changes is compiled again.
prepare() { # name, patch ("" for none)
    local dir=$b/bugs/$1 name headers
    rm -rf "$dir" && mkdir -p "$dir/engine" && cp -p engine/*.[ch] "$dir/engine/" || return 1
    if [ -n "$2" ] && ! patch -s -d "$dir" -p1 --fuzz=0 -f <"$2" >"$dir/patch.log" 2>&1; then
        echo "$1: the patch no longer applies:" >&2
        cat "$dir/patch.log" >&2
        return 1
    fi
    headers=$(for name in engine/*.h; do cmp -s "$name" "$dir/$name" || echo "$name"; done)
    for name in "${sources[@]}"; do
        if [ -n "$headers" ] || ! cmp -s "engine/$name.c" "$dir/engine/$name.c"; then
            ${CC:-cc} "${flags[@]}" -c "$dir/engine/$name.c" -o "$dir/$name.o" || return 1
        fi
    done >"$dir/build.log" 2>&1
    link "$dir" >>"$dir/build.log" 2>&1 && return
    echo "$1: the patched tree does not build:" >&2
    tail -20 "$dir/build.log" >&2
    return 1
}

# The program for thread schedules has the engine compiled for it, and no library.
prepare_schedules() { # name, patch
    local dir=$b/bugs/$1/schedules
    [ ! -x "$dir/build/release/bin/levin-chaos-schedules" ] || return 0
    rm -rf "$dir" && mkdir -p "$dir/build/release" || return 1
    cp -a engine faults chaos ci regress Makefile "$dir/" &&
        cp -a build/release/obj build/release/schedule build/release/*.a "$dir/build/release/" || return 1
    [ -z "$2" ] || patch -s -d "$dir" -p1 --fuzz=0 -f <"$2" >"$dir/build.log" 2>&1 || return 1
    # CFLAGS: a bug may leave something unused
    $make -s -C "$dir" NO_DEPS=1 STORES= CFLAGS='-Wno-unused -Wno-cast-qual' build/release/bin/levin-chaos-schedules \
        >"$dir/build.log" 2>&1 && rm -rf "$dir/build/release/obj" "$dir/build/release/schedule" "$dir"/build/release/*.a && return
    echo "$1: the patched tree does not build for schedules:" >&2
    tail -20 "$dir/build.log" >&2
    return 1
}

units() { # the first that fails tells
    local test
    for test in "$b"/test/engine_*_test; do
        timeout -k 1 300 "$test" || { echo "$test"; return 1; }
    done
}
ops() {
    timeout -k 1 300 $b/fuzz/replay_fuzz_ops -q $b/seeds && return
    [ $? -ne 124 ] && return 1
    return 3
}
strike() { # name, detector, seed
    local chaos=$b/bin/levin-chaos
    export LD_LIBRARY_PATH=$b/bugs/$1
    case $2 in
    memcheck) valgrind -q --error-exitcode=9 --exit-on-first-error=yes "$chaos" faults --small --ops 24 --seed "$3" --jobs 1 --fail-fast --quiet ;;
    crossed) "$chaos" sweep --faults --seed "$3" --jobs 1 --fail-fast --quiet ;;
    effects) "$chaos" faults --effects --seed "$3" --jobs 1 --fail-fast --quiet ;;
    soak) "$chaos" soak --seed "$3" --duration 20 --quiet ;;
    schedules) "$b/bugs/$1/schedules/build/release/bin/levin-chaos-schedules" --seed $((($3 - 1) * schedules + 1)) --seeds "$schedules" \
        --jobs 1 --fail-fast --quiet ;;
    units | ops) "$2" ;;
    *) "$chaos" "$2" --seed "$3" --jobs 1 --fail-fast --quiet ;;
    esac
}

# One seed.  Sets status, used (seconds), and of a catch the promise violated.
try() { # name, detector, seed
    local log=$b/bugs/$1/$2.$3.log TIMEFORMAT='%U %S'
    promise=-
    used=$({ time strike "$1" "$2" "$3" >"$log" 2>&1; } 2>&1)
    status=$?
    used=$(awk '{ print $1 + $2 }' <<<"${used##*$'\n'}") # a death of the detector is told before it
    case $2 in
    memcheck) # a run that was too slow under valgrind is no word of valgrind's
        [ "$status" = 0 ] || grep -q '^==[0-9]*== ' "$log" || status=3
        [ "$status" != 9 ] || status=1 ;;
    units) [ "$status" != 1 ] || promise=$(tail -n 1 "$log" | sed -E 's|.*/engine_||') ;;
    ops) [ "$status" != 1 ] || promise=$(grep -am 1 'broken promise' "$log" | cut -c1-60) ;;
    esac
    if [ "$status" = 1 ] && [ "$promise" = - ]; then
        promise=$(grep -m1 -oE '^[A-Z][A-Za-z ]+ (\(|violated:)' "$log" | sed 's/ (//; s/ violated://')
        promise=${promise:-$(sed -n '1s/:.*//p' "$log")} # schedules: what was found
    fi
    [ "$status" = 0 ] || [ "$status" = 1 ] || echo "$1: $2 of seed $3 ended with status $status" >&2
}
limit() { # detector: how many seeds it has
    case $1 in units | ops) echo 1 ;; *) echo "$seeds" ;; esac
}

# Seeds of one detector up to the first that catches.  Sets caught (0: none, -1: it failed by itself), seconds, promise.
detect() { # name, detector, seed before the first
    local seed
    caught=0 seconds=0
    for seed in $(seq $(($3 + 1)) $(($3 + $(limit "$2")))); do
        try "$1" "$2" "$seed"
        seconds=$(awk -v a="$seconds" -v b="$used" 'BEGIN { print a + b }')
        [ "$status" = 0 ] && continue
        if [ "$status" = 1 ]; then caught=$((seed - $3)); else caught=-1; fi
        return
    done
}

# The rounds after the first, of the detector that caught it there, and the medians of all; a round that catches nothing counts for
# more seeds than any.  Adds its line to the result.
rounds_of() { # name, detector, caught, seconds, promise
    local round said=$5 lines="$3 $4"$'\n'
    for round in $(seq 2 "$rounds"); do
        detect "$1" "$2" $(((round - 1) * 1000))
        lines+="$caught $seconds"$'\n'
    done
    printf '%s' "$lines" | sort -n | awk -v none=$((seeds + 1)) -v name="$1" -v detector="$2" -v said="$said" '
        function median(a, n,   i, j, t) {
            for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t }
            return a[int((n + 1) / 2)]
        }
        { failed += $1 < 0; hit += $1 > 0; seed[NR] = $1 > 0 ? $1 : none; time[NR] = $2 }
        END {
            m = median(seed, NR)
            printf "%s\t%s\t%s\t%s\t%d/%d\t%.2f\t%s\n", failed ? "broken" : m == none ? "missed" : "caught", name, detector,
                m == none ? ">" (none - 1) : m, hit, NR, median(time, NR), said
        }'
}

# All that is done with one bug.  Its result is a file of lines "caught|missed|clean|broken NAME DETECTOR SEEDS ROUNDS SECONDS SAID".
bug() { # name, patch, result file
    local first='' detector seed order=() status used promise caught seconds killed=0
    local -A spent=()
    prepare "$1" "$2" || { printf 'broken\t%s\t-\t-\t-\t-\tdoes not build\n' "$1"; return; }
    if [ -n "$2" ] && [ -z "${DETECTORS:-}" ]; then
        first=$(sed -n 's/^Detector: //p; /^diff /q; /^--- /q' "$2")
        first=${first:-$(sed -n -E "s/^\| $1 \| ([a-z]+) \|.*/\1/p" faults/planted/README.md 2>/dev/null)}
    fi
    mapfile -t order < <(printf '%s\n' ${first:+"$first"} ${detectors[@]+"${detectors[@]}"} | awk 'NF && !seen[$0]++')
    if [[ " ${order[*]-} " == *" schedules "* ]]; then
        prepare_schedules "$1" "$2" || { printf 'broken\t%s\tschedules\t-\t-\t-\tdoes not build\n' "$1"; return; }
    fi
    for detector in ${order[@]+"${order[@]}"}; do
        [ "$all" = 1 ] || [ -z "$2" ] || [ "$detector" = "$first" ] || continue
        detect "$1" "$detector" 0
        if [ "$caught" -gt 0 ]; then
            rounds_of "$1" "$detector" "$caught" "$seconds" "$promise"
            killed=1
        elif [ "$caught" -lt 0 ]; then
            printf 'broken\t%s\t%s\t-\t-\t%.2f\t-\n' "$1" "$detector" "$seconds"
        else
            printf '%s\t%s\t%s\t>%d\t0/1\t%.2f\t-\n' "$([ -n "$2" ] && echo missed || echo clean)" "$1" "$detector" \
                "$(limit "$detector")" "$seconds"
        fi
    done
    [ "$all" != 1 ] && [ -n "$2" ] || return 0
    for ((seed = 1; seed <= seeds && killed == 0; seed++)); do
        for detector in ${order[@]+"${order[@]}"}; do
            if [ "$detector" = "$first" ] || [ "$seed" -gt "$(limit "$detector")" ]; then continue; fi
            try "$1" "$detector" "$seed"
            spent[$detector]=$(awk -v a="${spent[$detector]:-0}" -v b="$used" 'BEGIN { print a + b }')
            if [ "$status" = 1 ]; then
                rounds_of "$1" "$detector" "$seed" "${spent[$detector]}" "$promise"
                killed=1
                break
            elif [ "$status" != 0 ]; then
                printf 'broken\t%s\t%s\t-\t-\t-\t-\n' "$1" "$detector"
            fi
        done
    done
}

row() { printf '| %-48s | %-9s | %5s | %6s | %7s | %s |\n' "$@"; }
show() { # result file: what is caught, and with ALL=1 what is not
    local word name detector seed hit second said
    while IFS=$'\t' read -r word name detector seed hit second said; do
        [ "$word" != missed ] || [ "$all" = 1 ] || [ "$hit" != 0/1 ] || continue
        [ "$word" != broken ] || said="BROKEN: $said"
        row "${name/#none/(no bug)}" "$detector" "$seed" "$hit" "$second" "$said"
    done <"$1"
    name=$(basename "$1" .new) # while it is written
    ! survived "$1" || row "${name%.*}" none - - - SURVIVED
}
survived() { # result file: the bug has, or the tree without one is not clean
    case $1 in
    */none.*) grep -q '^caught' "$1" ;;
    *) ! grep -q '^caught' "$1" && ! grep -q '^broken' "$1" ;;
    esac
}

work() { # name, patch, result file: kept whole, or not at all
    bug "$1" "$2" >"$3.new"
    show "$3.new" >"$3.rows"
    cat "$3.rows"
    rm -f "$3.rows"
    mv "$3.new" "$3"
    rm -rf "${b:?}/bugs/$1/engine" "$b/bugs/$1"/*.o "$b/bugs/$1/schedules"
}

# ---- all of them ----
if [ ${#detectors[@]} -gt 0 ]; then
    build_base || exit 3
    tree=$(find engine faults chaos -name '*.[ch]' -type f -print0 | sort -z | xargs -0 cat Makefile chaos/planted.sh | sha256sum)
else
    tree=none
fi
stop=
trap 'stop=1' INT TERM
{ row bug detector seeds rounds seconds said && row --- --- ---: ---: ---: ---; } | tee $b/head.md
files=() running=0
# those that one thing after the other finds come first, the tree without a bug last: it takes longest
mapfile -t patches < <(grep -Lx 'Detector: schedules' faults/planted/*.patch; grep -lx 'Detector: schedules' faults/planted/*.patch; echo)
for patch in "${patches[@]}"; do
    name=$(basename "${patch:-none}" .patch)
    [[ -n $patch && -n $only && $name != *"$only"* ]] && continue
    [[ -z $patch && (${#detectors[@]} -eq 0 || ${CLEAN:-1} = 0) ]] && continue
    key=$({ echo "$tree $seeds $rounds $all $schedules ${DETECTORS:-}"; cat ${patch:+"$patch"} </dev/null; } | sha256sum | cut -c1-16)
    result=$results/$name.$key
    files+=("$result")
    if [ "${FRESH:-0}" != 1 ] && [ -s "$result" ] && ! grep -q '^broken' "$result"; then
        show "$result"
        continue
    fi
    while [ "$running" -ge "$jobs" ]; do
        wait -n
        running=$((running - 1))
    done
    [ -z "$stop" ] || break
    if [ ${#detectors[@]} -eq 0 ]; then
        : >"$result"
        show "$result"
        continue
    fi
    work "$name" "$patch" "$result" &
    running=$((running + 1))
done
wait
[ -z "$stop" ] || { echo "planted.sh: stopped; what is done is kept" >&2; exit 130; }

{ cat $b/head.md && for result in "${files[@]}"; do show "$result"; done; } | sed -E 's/ +/ /g' >"$b/table${DETECTORS:+-${DETECTORS// /-}}.md"
bugs=0 caught=0 broken=0 unclean=0
for result in "${files[@]}"; do
    if grep -q '^broken' "$result"; then broken=$((broken + 1)); fi
    case $result in
    */none.*) ! survived "$result" || { unclean=1; echo "the tree without a planted bug is not clean" >&2; } ;;
    *) bugs=$((bugs + 1)) && ! grep -q '^caught' "$result" || caught=$((caught + 1)) ;;
    esac
done
echo "$caught of $bugs planted bugs caught"
[ "$bugs" -gt 0 ] || { echo "planted.sh: no bug has \"$only\" in its name" >&2; exit 2; }
[ "$broken" = 0 ] || exit 3
[ "$caught" = "$bugs" ] && [ "$unclean" = 0 ] || exit 1
