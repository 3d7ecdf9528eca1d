#!/bin/bash
# What exact counts cost a hot get (`make counts-cost`): this tree's engine beside the same one without them, by instructions
# and by time, slice by slice in turn in one process (the gate's two tiers over its run get-row).
#
#   counts_cost.sh [WORD...]  counts: the counts alone; stripe: and finding those of the thread; all: and the decision whether
#                             this get is measured, for the histogram (default: all three)
#
# What is left out stands in regress/proof/: get-unsampled.patch, on both sides but for `all`; get-uncounted.patch;
# get-unstriped.patch.
# LIMIT=percent that `counts` may cost, by instructions and by time (2).  GATE_FLAGS: more options of levin-gate.
# Exit: 0 below the limit, 1 not, 2 usage, 3 not measured.
set -u

cd "$(dirname "$0")/.." || exit 3
root=$PWD limit=${LIMIT:-2} tree=build/gate/counts
die() {
    echo "counts_cost: $*" >&2
    exit "${status:-3}"
}
[ $# -gt 0 ] || set -- counts stripe all
for word; do [[ $word =~ ^(counts|stripe|all)$ ]] || { status=2; die "there is no $word, only counts, stripe, all"; }; done
command -v jq >/dev/null || die "jq is needed (make deps)"

# A clone has this tree's files, committed or not, as its HEAD. It is kept, for what it has built.
# shellcheck source=regress/tree_clone.sh
. regress/tree_clone.sh
tree_files $tree || exit 3
cd $tree && mkdir -p build || exit 3
tree_commit "with all counts" || exit 3
whole=$(git rev-parse HEAD)
without() { # patches, on top of one another
    git checkout -q -f "$whole" || exit 3
    local patch
    for patch; do
        patch -s -p1 --forward --fuzz=0 <"$root/regress/proof/get-$patch.patch" >&2 || die "get-$patch.patch no longer applies"
    done
}

over=0
compare() { # name, patches of the base, of the other side
    local base json=$PWD/build/counts-$1.json
    # shellcheck disable=SC2086 # words
    without $2
    tree_commit "base of $1" || exit 3
    base=$(git rev-parse HEAD)
    # shellcheck disable=SC2086
    without $3
    rm -f "$json"
    BASE=$base GATE_JSON=$json GATE_FLAGS="--workloads=get-row ${GATE_FLAGS:-}" regress/gate.sh >build/counts.log 2>&1
    [ -s "$json" ] || { tail -n 20 build/counts.log >&2; die "the gate measured nothing"; }
    jq -r --arg name "$1" '
        def two: . * 100 | round / 100;
        def percent: two | if . < 0 then "\(.) %" else "+\(.) %" end;
        .instructions.workloads[0] as $i | .time.workloads[0] as $t
        | "\($name)\t\($i.base | two) to \($i.now | two) instructions, \($i.change_percent | percent)\ttime of \($t.base_ns / $t.operations | two) ns \(
            $t.change_percent | percent), \($t.lower_percent | two) to \($t.upper_percent | two)"' "$json" || die "$json is not as it was"
    [ "$1" != counts ] || jq -e --argjson limit "$limit" '[.instructions, .time] | all(.workloads[0].change_percent < $limit)' \
        "$json" >/dev/null || over=1
}
for word; do
    case $word in
    counts) compare counts 'unsampled uncounted' unsampled ;;
    stripe) compare stripe 'unsampled uncounted unstriped' unsampled ;;
    all) compare all 'unsampled uncounted unstriped' '' ;;
    esac
done
[ "$over" = 0 ] || echo "counts_cost: the counts cost $limit % or more" >&2
exit "$over"
