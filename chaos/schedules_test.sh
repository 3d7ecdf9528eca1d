#!/bin/bash
# Tests of `levin-chaos schedules` (build/asan/bin/levin-chaos, or $LEVIN_CHAOS): exit codes, totals, one digest whatever the
# number of jobs, files of schedules; what of it stands in the report of chaos.
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
says "two hundred seeds" '^schedules: 200 in 200 scenarios, about [0-9]+ distinct'
one=$(grep -oE 'digest [0-9a-f]{16}' out)
expect "two hundred seeds in three processes" 0 "$chaos" schedules --seeds 200 --jobs 3 --quiet
checks=$((checks + 1))
if [ -z "$one" ] || [ "$one" != "$(grep -oE 'digest [0-9a-f]{16}' out)" ]; then
    failures=$((failures + 1))
    echo "FAILED: the digest depends on the number of jobs"
fi
# The same with the engine as others have it, if that is built: neither sanitizer nor optimisation changes a decision.
release=$root/build/release/bin/levin-chaos
if [ "$chaos" != "$release" ] && make -q -C "$root" build/release/bin/levin-chaos-schedules >/dev/null 2>&1; then
    expect "two hundred seeds in a release" 0 "$release" schedules --seeds 200 --jobs 1 --quiet
    checks=$((checks + 1))
    if [ "$one" != "$(grep -oE 'digest [0-9a-f]{16}' out)" ]; then
        failures=$((failures + 1))
        echo "FAILED: the digest depends on how the engine was compiled: $one"
    fi
fi
expect "totals as JSON" 0 "$chaos" schedules --seeds 50 --json --quiet
says "totals as JSON" '"schedules": 50,.*"findings": 0,'
expect "all schedules of small scenarios" 0 "$chaos" schedules --strategy exhaustive --preemptions 1 --threads 2 --ops 1 \
    --seeds 2 --schedules 400 --quiet
says "all schedules of small scenarios" 'all with at most 1 preemptions'
says "all schedules of small scenarios" '^schedules: [0-9]+ in 2 scenarios'
for beside in "--preemptions 1" "--schedules 9" "--depth 3 --strategy walk" "--depth 3 --strategy exhaustive" "--output x" \
    "--verbose --seeds 2" "--replay x --shrink x" "--replay x --save x" "--shrink x --json"; do
    read -ra options <<<"$beside"
    expect "an option that nothing would come of: $beside" 2 "$chaos" schedules "${options[@]}"
done
touch plain
expect "a directory that cannot be made" 2 "$chaos" schedules --seeds 1 --save plain
says "a directory that cannot be made" '^levin-chaos schedules: --save plain: Not a directory'
expect "a directory that is made" 0 "$chaos" schedules --seeds 1 --save deep/er --quiet
expect "it is there" 0 test -d deep/er
expect "too many undecided" 3 "$chaos" schedules --seeds 100 --search-steps 3 --jobs 1 --quiet
says "too many undecided" '; [1-9][0-9]* undecided; 0 findings'
says "too many undecided" 'schedules are undecided, more than one in 10000'
undecided=$(grep -m1 -oE -- '--seed [0-9]+' out)
expect "undecided as JSON" 3 "$chaos" schedules --seeds 100 --search-steps 3 --json --quiet
expect "their seeds" 0 jq -e ".undecided > 5 and \"--seed \\(.undecided_seeds[0])\" == \"$undecided\" and .findings == 0" out
expect "one schedule told" 0 "$chaos" schedules --seed 5 --seeds 1 --verbose
says "one schedule told" '^levin-schedule 1$'
sed -n '/^levin-schedule 1$/,/^  calls/p' out | sed '$d' >kept
expect "a schedule from its file" 0 "$chaos" replay kept
says "a schedule from its file" 'ended: '
expect "a schedule from its file as JSON" 0 "$chaos" replay kept --json
expect "the JSON" 0 jq -e '.file == "kept" and .verdict == "nothing found" and .kind == null and (.calls | length > 2) and
    (.digest | length == 16)' out
expect "shrink of what shows nothing" 0 "$chaos" shrink kept
says "shrink of what shows nothing" 'the finding is gone'
expect "a finding is not written as C" 2 "$chaos" shrink kept --c
echo 'thread put:z:-:none:0' >>kept
expect "a file that cannot be read" 2 "$chaos" replay kept
says "a file that cannot be read" ':[0-9]+: cannot be read'

# As a part of chaos: another program in the place of that of schedules says what it came to.
mkdir bin && cp "$chaos" bin/levin-chaos || exit 3
part() { # STATUS TEXT
    printf '#!/bin/sh\ncat <<END\n%s\nEND\nexit %s\n' "$2" "$1" >bin/levin-chaos-schedules
    chmod +x bin/levin-chaos-schedules
}
part 1 '{"schedules": 7, "scenarios": 8, "findings": 2, "distinct": 6, "seconds": 0.1, "found": [{"seed": 5, "kind":
    "lost wake-up", "text": "thread 1 sleeps", "replay": "levin-chaos schedules --seed 5 --seeds 1"}]}'
expect "chaos with a finding of schedules" 1 bin/levin-chaos chaos --budget 4 --quiet --json --junit j.xml --html p.html
expect "its JSON" 0 jq -e '.schedules.schedules == 7 and .schedules.distinct == 6 and .violations == 2 and
    (.verdict | startswith("VIOLATED")) and (.findings | map(select(.promise == "lost wake-up" and
    .replay == "levin-chaos schedules --seed 5 --seeds 1")) | length == 1)' out
expect "its JUnit" 0 grep -q '<testsuite name="schedules" tests="3" failures="2"' j.xml
expect "its failure in JUnit" 0 grep -q '<failure type="lost wake-up" message="thread schedule">thread 1 sleeps</failure>' j.xml
expect "its page" 0 grep -q '<b>lost wake-up</b> (thread schedule): thread 1 sleeps' p.html
expect "as text" 1 bin/levin-chaos chaos --budget 4 --quiet
says "as text" '^threads +7 +0 .* 2  VIOLATED$'
says "as text" '^    levin-chaos schedules --seed 5 --seeds 1$'
part 3 '{"schedules": 7, "scenarios": 7, "undecided": 2, "findings": 0, "found": []}'
expect "chaos with undecided schedules" 3 bin/levin-chaos chaos --budget 4 --quiet --json --junit j.xml --html p.html
expect "undecided in its JSON" 0 jq -e '.schedules.undecided == 2 and .harness == "2 of 7 thread schedules are undecided"' out
expect "undecided in its JUnit" 0 grep -q '<testsuite name="schedules" tests="2" failures="0" errors="1" skipped="1"' j.xml
expect "undecided as skipped" 0 grep -q '<skipped message="2 of 7: the search for an order was given up"/>' j.xml
expect "undecided on its page" 0 grep -q '<tr><td>undecided<td>2</tr>' p.html
expect "undecided as text" 3 bin/levin-chaos chaos --budget 4 --quiet
says "undecided as text" '^ *undecided +2, whose search'
part 3 ''
expect "chaos when schedules fail" 3 bin/levin-chaos chaos --budget 4 --quiet --json
says "chaos when schedules fail" '"harness": "levin-chaos-schedules has failed, with status 3 and without a report"'
part 0 '{"schedules": 7, "findings": 1, "found": []}'
expect "a finding, and a status that says none" 1 bin/levin-chaos chaos --budget 4 --quiet --json
says "a finding, and a status that says none" '"harness": "levin-chaos-schedules has failed, with status 0"'

finish
