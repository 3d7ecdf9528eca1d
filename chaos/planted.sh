#!/bin/bash
# Proof that the harness can fail: each bug of faults/planted/ is put into a scratch copy of the tree and must be caught by a detector.
#   SEEDS=N      seeds tried before a bug counts as survived (default 4)
#   ROUNDS=N     N times, from other seeds each time: medians are shown (default 1)
#   ALL=1        run all detectors on each bug, to see which kill what
#   ONLY=word    only the bugs with that word in their name
# A patch that says "Detector: NAME" is shown to that detector first.  "memcheck", a fault sweep under valgrind, and "soak", which
# is not the same run twice, are run for those patches only.  "crossed" is sweep --faults, "effects" faults --effects.
# So is "schedules", for which the engine is compiled once more; one of its seeds is SCHEDULES schedules (default 20000).
# Exit: 0 all caught and the unpatched tree clean, 1 a bug survived or the clean tree did not, 3 a patch does not apply
# or build, or a detector failed by itself.
set -u

cd "$(dirname "$0")/.." || exit 3
seeds=${SEEDS:-4} rounds=${ROUNDS:-1} all=${ALL:-0} only=${ONLY:-}
make=${MAKE:-make}
schedules=${SCHEDULES:-20000}
detectors=(sweep crossed effects faults corrupt ranges)
scratch=$PWD/build/planted
mkdir -p "$scratch"
survived=0 broken=0

# The tree with all its objects, so that only what a patch changes is compiled again.
prepare() { # name, patch ("" for none), detector
    local dir=$scratch/$1
    rm -rf "$dir" && mkdir -p "$dir/build/release" || exit 3
    cp -a engine faults chaos Makefile "$dir/" || exit 3
    [ -d ci ] && cp -a ci "$dir/"
    [ -d regress ] && cp -a regress "$dir/"
    [ -d build/release/obj ] && cp -a build/release/obj "$dir/build/release/"
    local programs=(build/release/bin/levin-chaos)
    if [ "$3" = schedules ]; then
        [ -d build/release/schedule ] && cp -a build/release/schedule "$dir/build/release/"
        programs+=(build/release/bin/levin-chaos-schedules)
    fi
    if [ -n "$2" ] && ! patch -s -d "$dir" -p1 --fuzz=0 -f <"$2" >"$dir/patch.log" 2>&1; then
        echo "$1: the patch no longer applies:" >&2
        cat "$dir/patch.log" >&2
        return 1
    fi
    # CFLAGS: a bug may leave something unused
    if ! $make -s -C "$dir" NO_DEPS=1 CFLAGS='-Wno-unused -Wno-cast-qual' "${programs[@]}" >"$dir/build.log" 2>&1; then
        echo "$1: the patched tree does not build:" >&2
        tail -20 "$dir/build.log" >&2
        return 1
    fi
}

strike() { # name, detector, seed
    local chaos=$scratch/$1/build/release/bin/levin-chaos
    case $2 in
    memcheck) valgrind -q --error-exitcode=9 --exit-on-first-error=yes "$chaos" faults --small --ops 24 --seed "$3" --fail-fast --quiet ;;
    crossed) "$chaos" sweep --faults --seed "$3" --fail-fast --quiet ;;
    effects) "$chaos" faults --effects --seed "$3" --fail-fast --quiet ;;
    soak) "$chaos" soak --seed "$3" --duration 20 --quiet ;;
    schedules) "$chaos" schedules --seed $((($3 - 1) * schedules + 1)) --seeds "$schedules" --fail-fast --quiet ;;
    *) "$chaos" "$2" --seed "$3" --fail-fast --quiet ;;
    esac
}

# Seeds up to the first that the detector catches; 0: none.  Prints "seeds seconds promise violated".
detect_once() { # name, detector, seed before the first
    local begin seed status caught=0 promise=-
    begin=$(date +%s.%N)
    for seed in $(seq $(($3 + 1)) $(($3 + seeds))); do
        strike "$1" "$2" "$seed" >"$scratch/$1/$2.$seed.log" 2>&1
        status=$?
        [ "$status" = 0 ] && continue
        # a run that was too slow under valgrind is no word of valgrind's
        [ "$2" = memcheck ] && ! grep -q '^==[0-9]*== ' "$scratch/$1/$2.$seed.log" && status=3
        if [ "$status" = 1 ]; then
            caught=$((seed - $3))
            promise=$(grep -m1 -oE '^[A-Z][A-Za-z ]+ (\(|violated:)' "$scratch/$1/$2.$seed.log" | sed 's/ (//; s/ violated://')
            promise=${promise:-$(sed -n '1s/:.*//p' "$scratch/$1/$2.$seed.log")} # schedules: what was found
        fi
        [ "$status" = 1 ] || { echo "$1: $2 of seed $seed ended with status $status" >&2; caught=-1; }
        break
    done
    echo "$caught $(date +%s.%N) $begin $promise" | awk '{ printf "%d %.1f", $1, $2 - $3; for (i = 4; i <= NF; i++) printf " %s", $i }'
}

# The same, of the medians over all rounds; a round that catches nothing counts for more seeds than any.
detect() { # name, detector
    local round line lines=()
    for round in $(seq "$rounds"); do
        line=$(detect_once "$1" "$2" $(((round - 1) * 1000)))
        lines+=("$line")
        case $line in
        -1*) break ;;                             # the detector failed by itself
        0*) [ "$round" = 1 ] && break ;;          # nothing in the first round: not its bug
        esac
    done
    printf '%s\n' "${lines[@]}" | awk -v none=$((seeds + 1)) '
        $1 == -1 { failed = 1 }
        { seed[NR] = $1 == 0 ? none : $1; time[NR] = $2; if ($1 > 0) { $1 = $2 = ""; said = substr($0, 3) } }
        function median(a, n,   i, j, t) {
            for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t }
            return a[int((n + 1) / 2)]
        }
        END { m = median(seed, NR); printf "%d %.1f %s", failed ? -1 : m == none ? 0 : m, median(time, NR), said == "" ? "-" : said }'
}

row() { printf '%-42s | %-8s | %-14s | %7s | %s\n' "$@"; }

row bug detector "seeds to catch" seconds violated
row ------------------------------------------ -------- -------------- ------- --------

[ -f build/release/bin/levin-chaos ] || $make -s || exit 3
for patch in "" faults/planted/*.patch; do
    name=$(basename "${patch:-none}" .patch)
    [[ -n $patch && -n $only && $name != *"$only"* ]] && continue
    first=$([ -n "$patch" ] && sed -n 's/^Detector: //p; /^diff /q; /^--- /q' "$patch")
    if ! prepare "$name" "$patch" "$first"; then
        broken=$((broken + 1))
        continue
    fi
    killed=0
    for detector in $first $(printf '%s\n' "${detectors[@]}" | grep -vxF "${first:-none}"); do
        read -r caught seconds promise <<<"$(detect "$name" "$detector")"
        if [ "$caught" = -1 ]; then
            broken=$((broken + 1)) # neither caught nor clean
        elif [ "$caught" != 0 ]; then
            killed=1
            row "$name" "$detector" "$caught" "$seconds" "$promise"
        elif [ -z "$patch" ]; then
            row "(no bug)" "$detector" "clean in $seeds" "$seconds" -
        elif [ "$all" = 1 ]; then
            row "$name" "$detector" "not in $seeds" "$seconds" -
        fi
        [ "$killed" = 1 ] && [ "$all" != 1 ] && break
    done
    if [ -z "$patch" ]; then
        if [ "$killed" = 1 ]; then
            echo "the tree without a planted bug is not clean" >&2
            survived=$((survived + 1))
        fi
    elif [ "$killed" = 0 ]; then
        row "$name" none SURVIVED - -
        survived=$((survived + 1))
    fi
    [ "$killed" = 1 ] && rm -rf "${scratch:?}/$name/build/release/obj"
done

[ "$broken" = 0 ] || exit 3
[ "$survived" = 0 ] || exit 1
