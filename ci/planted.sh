#!/bin/bash
# The proof that the harness can fail.  Each patch in faults/planted/ puts one realistic bug into a scratch copy of the tree; some
# detector must catch it.  A patch that no longer applies, a copy that does not build, and a bug that nobody sees fail this.
#
# A patch begins with lines that `patch` passes over:
#     Bug: one sentence
#     Detector: sweep --ops 600 --budget 20      the arguments of levin-chaos, without a seed
#     Seeds: 3                                   it must be caught within so many seeds, from 1
# or, for a bug that a unit test is to see,
#     Detector: test engine_wal_test
# The same detectors are first run, with seed 1, on the tree without a bug, and must find nothing.
#
#   planted.sh [WORD...]    only patches whose name holds one of the words
set -u

cd "$(dirname "$0")/.." || exit 3
root=$PWD
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

header() { sed -n "s/^$2: *//p" "$1" | head -n 1; }
wanted() {
    [ $# -gt 1 ] || return 0
    local name=$1 word
    shift
    for word; do case $name in *"$word"*) return 0 ;; esac; done
    return 1
}
patches=()
for patch in faults/planted/*.patch; do
    [ -f "$patch" ] && wanted "$patch" "$@" && patches+=("$patch")
done
[ ${#patches[@]} -gt 0 ] || { echo "planted: there is no such patch in faults/planted/" >&2; exit 3; }

# A copy of what git tracks or would track, with objects built before: each bug then compiles a file or two.
tree=$scratch/tree
mkdir "$tree"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ ! -f "$file" ] || printf '%s\0' "$file"
done | tar -c --null -T - | tar -x -C "$tree"

build() { # directory, detector
    local targets=all
    # tests run as `make test` runs them
    case $2 in test\ *) targets="build/asan/test/${2#test } VARIANT=asan" ;; esac
    # shellcheck disable=SC2086 # words
    make -C "$1" -j"$(nproc)" $targets >"$scratch/build.log" 2>&1
}
detect() { # directory, detector, seed: 1 and the first finding on standard output when it saw something
    local status
    case $2 in
    test\ *)
        (cd "$1" && ASAN_OPTIONS=detect_leaks=1 timeout 300 "build/asan/test/${2#test }") >"$scratch/run.log" 2>&1
        status=$?
        [ "$status" -eq 0 ] && return 0
        grep -m 1 -E ':[FE]:|ERROR: |runtime error' "$scratch/run.log" | sed -E 's/.*:[FE]:[^:]*://'
        return 1
        ;;
    *)
        # shellcheck disable=SC2086 # words
        (cd "$1" && timeout 600 build/release/bin/levin-chaos $2 --seed "$3" --fail-fast --quiet) >"$scratch/run.log" 2>&1
        status=$?
        [ "$status" -eq 0 ] && return 0
        if [ "$status" -ne 1 ] && [ "$status" -lt 124 ]; then # the harness failed, not the engine
            tail -n 5 "$scratch/run.log" >&2
            return 2
        fi
        grep -m 1 -E '^[A-Z][A-Za-z ]+ \(' "$scratch/run.log" || echo "exit $status"
        return 1
        ;;
    esac
}

failures=0
declare -A clean
for patch in "${patches[@]}"; do
    detector=$(header "$patch" Detector)
    [ -n "$detector" ] || { echo "$patch has no Detector line" >&2; failures=$((failures + 1)); continue; }
    [ -z "${clean[$detector]:-}" ] || continue
    build "$tree" "$detector" || { tail -n 20 "$scratch/build.log" >&2; exit 3; }
    if ! finding=$(detect "$tree" "$detector" 1); then
        echo "planted: without any bug, '$detector' finds: $finding" >&2
        failures=$((failures + 1))
    fi
    clean[$detector]=yes
done

printf '%-34s %6s  %s\n' "planted bug" "seeds" "caught by"
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch) detector=$(header "$patch" Detector) limit=$(header "$patch" Seeds)
    [ -n "$detector" ] || continue
    rm -rf "$scratch/bug"
    cp -a "$tree" "$scratch/bug"
    if ! (cd "$scratch/bug" && patch -p1 --forward --fuzz=0 <"$root/$patch") >"$scratch/patch.log" 2>&1; then
        printf '%-34s %6s  %s\n' "$name" - "THE PATCH NO LONGER APPLIES"
        tail -n 5 "$scratch/patch.log" >&2
        failures=$((failures + 1))
        continue
    fi
    if ! build "$scratch/bug" "$detector"; then
        printf '%-34s %6s  %s\n' "$name" - "IT DOES NOT BUILD"
        tail -n 10 "$scratch/build.log" >&2
        failures=$((failures + 1))
        continue
    fi
    caught=
    for ((seed = 1; seed <= ${limit:-1}; seed++)); do
        finding=$(detect "$scratch/bug" "$detector" "$seed")
        case $? in
        1) caught=$seed; break ;;
        2) break ;;
        esac
    done
    if [ -n "$caught" ]; then
        printf '%-34s %6d  %s: %s\n' "$name" "$caught" "${detector%% --*}" "$(cut -c1-110 <<<"$finding")"
    else
        printf '%-34s %6s  %s\n' "$name" "${limit:-1}" "NOT CAUGHT by $detector"
        failures=$((failures + 1))
    fi
done
echo "planted: ${#patches[@]} bugs, $failures failures"
[ "$failures" -eq 0 ]
