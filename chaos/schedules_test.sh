#!/bin/bash
# Tests of `levin-chaos schedules` (build/asan/bin/levin-chaos, or $LEVIN_CHAOS): exit codes, totals, one digest whatever the
# number of jobs, files of schedules.
set -u

root=$(cd "$(dirname "$0")/.." && pwd) || exit 3
# shellcheck source=ci/expect.sh
. "$root"/ci/expect.sh || exit 3
chaos=${LEVIN_CHAOS:-$root/build/asan/bin/levin-chaos}
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 3

says() { # NAME PATTERN: in out or err
    checks=$((checks + 1))
    grep -qE -- "$2" out err && return
    failures=$((failures + 1))
    echo "FAILED: $1: no '$2'"
    tail -n 20 out err
}

expect "help" 0 "$chaos" schedules --help
says "help" '^usage: levin-chaos schedules'
expect "an unknown option" 2 "$chaos" schedules --hard
expect "a number that is none" 2 "$chaos" schedules --threads many
expect "an unknown strategy" 2 "$chaos" schedules --strategy best

expect "two hundred seeds" 0 "$chaos" schedules --seeds 200 --jobs 1 --quiet
says "two hundred seeds" '^schedules: 200 of 200 scenarios, about [0-9]+ distinct'
one=$(grep -oE 'digest [0-9a-f]{16}' out)
expect "two hundred seeds in three processes" 0 "$chaos" schedules --seeds 200 --jobs 3 --quiet
checks=$((checks + 1))
if [ -z "$one" ] || [ "$one" != "$(grep -oE 'digest [0-9a-f]{16}' out)" ]; then
    failures=$((failures + 1))
    echo "FAILED: the digest depends on the number of jobs"
fi
expect "totals as JSON" 0 "$chaos" schedules --seeds 50 --json --quiet
says "totals as JSON" '"schedules": 50,.*"findings": 0,'
expect "all schedules of small scenarios" 0 "$chaos" schedules --strategy exhaustive --preemptions 1 --threads 2 --ops 1 \
    --seeds 2 --schedules 400 --quiet
says "all schedules of small scenarios" 'all with at most 1 preemptions'
expect "one schedule told" 0 "$chaos" schedules --seed 5 --seeds 1 --verbose
says "one schedule told" '^levin-schedule 1$'
sed -n '/^levin-schedule 1$/,/^  calls/p' out | sed '$d' >kept
expect "a schedule from its file" 0 "$chaos" replay kept
says "a schedule from its file" 'ended: '
expect "shrink of what shows nothing" 0 "$chaos" shrink kept
says "shrink of what shows nothing" 'the finding is gone'
expect "a finding is not written as C" 2 "$chaos" shrink kept --c
echo 'thread put:z:-:none:0' >>kept
expect "a file that cannot be read" 2 "$chaos" replay kept
says "a file that cannot be read" ':[0-9]+: cannot be read'

finish
