#!/bin/bash
# Each planted bug still applies to this tree, as `make planted`, `make fuzz-planted` and `make gate-proof` apply it, and says
# what those need to know: the promise that it breaks, the target that finds it, the counter that shows it.  (That each is
# caught takes minutes: those three.)  And so do the patches of `make counts-cost`.
set -u

cd "$(dirname "$0")/.." || exit 3
checks=0 failures=0
failed() {
    failures=$((failures + 1))
    printf '%s\n' "$*"
}
header() { sed -E '/^(---|diff) /q' "$1"; }

# folder, how many there are at least, then what the prose of each must have
planted() {
    local folder=$1 least=$2 bug log wanted count=0
    shift 2
    for bug in "$folder"/*.patch; do
        [ -f "$bug" ] || continue
        count=$((count + 1)) checks=$((checks + 1))
        log=$(patch --dry-run -s -p1 --fuzz=0 -f <"$bug" 2>&1) || failed "$bug no longer applies:"$'\n'"$log"
        for wanted; do
            checks=$((checks + 1))
            header "$bug" | grep -qE "$wanted" || failed "$bug has no line like $wanted"
        done
    done
    checks=$((checks + 1))
    [ "$count" -ge "$least" ] || failed "there are $count planted bugs in $folder, $least are needed"
}

planted faults/planted 8 '^Breaks (DURABLE|PREFIX|ATOMIC|DETECT|EXACT|FAULT|POISON|TORN vs ROTTEN)( \(.*\))?\.$'
# with all detectors off nothing is caught, and the proof fails
checks=$((checks + 1))
log=$(DETECTORS=none chaos/planted.sh 2>&1)
status=$?
if [ "$status" -ne 1 ] || ! grep -q '^| 01-log-sync-skipped *| none .* SURVIVED' <<<"$log"; then
    failed "chaos/planted.sh without any detector does not fail: $status"
fi
planted fuzz/planted 3 "^Target: ($(cd fuzz && printf '%s\n' fuzz_*.c | sed 's/\.c$//' | paste -sd '|'))\$"
planted regress/planted 3 '^Slowdown: .' '^Workloads: .' '^Expect: .'
# what `make counts-cost` takes out of the engine, one on top of the other
copy=$(mktemp -d) || exit 3
mkdir "$copy/engine" && cp engine/read.c "$copy/engine" || exit 3
for patch in unsampled uncounted unstriped; do
    checks=$((checks + 1))
    log=$(patch -s -d "$copy" -p1 --fuzz=0 -f <regress/proof/get-$patch.patch 2>&1) ||
        failed "regress/proof/get-$patch.patch no longer applies:"$'\n'"$log"
done
rm -rf "$copy"
echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
