#!/bin/bash
# Each planted bug still applies to this tree, as `make planted` applies it, and says which promise it breaks.  (That each
# is caught takes minutes: `make planted`.)
set -u

cd "$(dirname "$0")/.." || exit 3
checks=0 failures=0
for bug in faults/planted/*.patch; do
    checks=$((checks + 2))
    log=$(patch --dry-run -s -p1 --fuzz=0 -f <"$bug" 2>&1) ||
        { failures=$((failures + 1)); printf '%s no longer applies:\n%s\n' "$bug" "$log"; }
    sed '/^--- /q' "$bug" | grep -qE '^Breaks (DURABLE|PREFIX|ATOMIC|DETECT|EXACT|FAULT|POISON|TORN vs ROTTEN)( \(.*\))?\.$' ||
        { failures=$((failures + 1)); echo "$bug does not say what it breaks"; }
done
checks=$((checks + 1))
[ "$checks" -ge 17 ] || { failures=$((failures + 1)); echo "there are fewer than eight planted bugs"; }
echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
