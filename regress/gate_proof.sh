#!/bin/bash
# The proof that the gate can fail, and that it does not fail without reason.  In a scratch clone whose base is this very
# tree the gate must be green, and red for each patch of regress/planted/, which begins with lines that `patch` passes over:
#     Slowdown: one sentence
#     Workloads: get,put                      the runs that are looked at
#     Expect: ^get .*SLOWER$                  a regular expression of a line that the gate must print
#
#   gate_proof.sh [WORD...]   only patches whose name holds one of the words; GATE_FLAGS: more options of levin-gate
set -u

cd "$(dirname "$0")/.." || exit 3
root=$PWD
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

header() { sed -n "s/^$2: *//p" "$1" | head -n 1; }
wanted() { # name, words
    [ $# -gt 1 ] || return 0
    local name=$1 word
    shift
    for word; do case $name in *"$word"*) return 0 ;; esac; done
    return 1
}

# The clone has this tree's files, committed or not, as its HEAD.
# shellcheck source=regress/tree_clone.sh
. regress/tree_clone.sh
tree_files "$scratch/tree" || exit 3
cd "$scratch/tree" || exit 3
tree_commit "the tree to prove" || exit 3

gate() { # flags
    BASE=HEAD GATE_FLAGS="${GATE_FLAGS:-} $*" regress/gate.sh >"$scratch/log" 2>&1
}
failures=0
printf '%-20s %-8s %s\n' "slowdown" "gate" "what it says"
gate
status=$?
printf '%-20s %-8s %s\n' "(none)" "exit $status" "$(grep -E '^(counters|instructions):' "$scratch/log" | paste -sd ';')"
if [ "$status" -ne 0 ]; then
    tail -n 40 "$scratch/log" >&2
    exit 1
fi

for patch in "$root"/regress/planted/*.patch; do
    name=$(basename "$patch" .patch)
    wanted "$name" "$@" || continue
    git checkout -q -f HEAD
    if ! patch -p1 --forward --fuzz=0 <"$patch" >"$scratch/log" 2>&1; then
        printf '%-20s %-8s %s\n' "$name" - "THE PATCH NO LONGER APPLIES"
        tail -n 5 "$scratch/log" >&2
        failures=$((failures + 1))
        continue
    fi
    gate "--workloads=$(header "$patch" Workloads)"
    status=$?
    line=$(grep -m 1 -E "$(header "$patch" Expect)" "$scratch/log")
    if [ "$status" -eq 1 ] && [ -n "$line" ]; then
        printf '%-20s %-8s %s\n' "$name" "red" "$(tr -s ' ' <<<"$line")"
    else
        printf '%-20s %-8s %s\n' "$name" "exit $status" "NOT SEEN"
        tail -n 20 "$scratch/log" >&2
        failures=$((failures + 1))
    fi
done
echo "gate-proof: $failures failures"
[ "$failures" -eq 0 ]
