#!/bin/bash
# Tests of the `levin-chaos` command (build/asan/bin/levin-chaos, or $LEVIN_CHAOS): exit codes, JSON, an interrupt, and
# that a sweep that looked at nothing is no success.
set -u

root=$(cd "$(dirname "$0")/.." && pwd) || exit 3
# shellcheck source=ci/expect.sh
. "$root"/ci/expect.sh || exit 3
chaos=${LEVIN_CHAOS:-$root/build/asan/bin/levin-chaos}
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 3

expect "no command" 2 "$chaos"
expect "an unknown command" 2 "$chaos" strike
expect "an unknown option" 2 "$chaos" sweep --hard
expect "a replay of nothing" 2 "$chaos" replay --seed 1
expect "a budget that is no number" 2 "$chaos" sweep --budget soon
expect "help" 0 "$chaos" --help
sed 's/\\-/-/g' "$root/chaos/levin-chaos.1" >manual
grep -oE -e ' --[a-z-]+' out | sort -u >options
while read -r option; do
    says "the manual knows $option" manual "$option"
done <options

expect "a shrink of nothing" 2 "$chaos" shrink
expect "a replay of a file that is not there" 2 "$chaos" replay nowhere
expect "a replay of two things" 2 "$chaos" replay some --at 0.0
expect "findings of a soak" 2 "$chaos" soak --save found
printf 'levin-finding 1\ncommand sweep\nseed one\n' >wrong
expect "a finding that is wrong" 2 "$chaos" replay wrong
says "and says where" err '^wrong:3:6: expected a number'
expect "nowhere to keep findings" 3 "$chaos" sweep --ops 30 --small --save /nowhere/found
expect "nothing found, nothing kept" 0 sh -c "'$chaos' ranges --ops 3 --save found && [ -d found ] && [ -z \"\$(ls found)\" ]"

expect "no such data" 3 "$chaos" sweep --data nowhere
expect "a workload too small for its name" 3 "$chaos" sweep --ops 30
says "and says which count falls short" out 'falls short: .* at least 2000 are needed'
for sweep in sweep faults corrupt ranges chaos; do
    expect "$sweep: a budget in which nothing was looked at" 3 "$chaos" "$sweep" --budget 0.000001
    says "$sweep: and says so" out 'the harness failed: (the (crash sweep looked at no state|fault sweep fired no fault|corruption campaign did no damage)|no iterator was walked)'
done

expect "a soak of no threads" 2 "$chaos" soak --threads 0
expect "a soak over a store that is there" 3 sh -c "mkdir -p old/store && '$chaos' soak --directory old --duration 1"
says "and says so" err 'a soak begins with a new store'
expect "a soak" 0 "$chaos" soak --lives 8 --duration 60 --threads 4 --directory soaked --json
expect "its JSON" 0 jq -e '.verdict == "nothing found" and .lives == 8 and .compared > 0 and .operations > 50
                           and .killed + .closed + .given_up == .lives' out
expect "what it leaves is a whole store" 0 test -s soaked/store/pages -a -s soaked/soak.state
printf 'levin-fault-plan 1\non levin/io/wal/write every 3 do short 200\non levin/io/wal/sync nth 9 do error EIO\n' >short
expect "a soak under a plan" 0 "$chaos" soak --lives 8 --duration 60 --threads 4 --plan short --json
expect "its rules" 0 jq -e '.rules | length == 2 and .[0].effect == "short" and .[0].fired > 0' out
printf 'levin-fault-plan 1\non levin/io/wal/write do flip\n' >flip
expect "a soak under a plan that damages" 2 "$chaos" soak --plan flip
says "and it says so" err 'cannot judge a plan that damages'
expect "a soak under no plan" 2 "$chaos" soak --plan nowhere
expect "a soak of its own leaves nothing" 0 env TMPDIR="$scratch" "$chaos" soak --lives 2 --duration 60 --quiet
expect "really" 2 sh -c 'ls -d levin-soak-*'
# libfiu's own tools: from the start, and on a running one (its children inherit the points when they are made)
if command -v fiu-run >/dev/null; then
    release=$root/build/release/bin/levin-chaos # fiu-run preloads, which AddressSanitizer does not like
    expect "fiu-run" 0 fiu-run -c 'enable_random name=levin/io/wal/write,probability=0.02' "$release" soak --fiu --fault-every 0 \
        --lives 12 --duration 60 --json
    expect "its points fired" 0 jq -e '.faults > 0 and .lives_with_faults > 0 and .verdict == "nothing found"' out
    "$release" soak --fiu --fault-every 0 --duration 4 --json >controlled &
    child=$!
    for _ in $(seq 50); do # until its pipe is there
        [ -p "${TMPDIR:-/tmp}/fiu-ctrl-$child.in" ] && break
        sleep 0.1
    done
    expect "fiu-ctrl" 0 fiu-ctrl -c 'enable_random name=levin/io/wal/write,probability=0.02' "$child"
    expect "a soak under fiu-ctrl" 0 wait "$child"
    expect "its points fired too" 0 jq -e '.faults > 0 and .verdict == "nothing found"' controlled
fi

expect "damages are for corrupt" 2 "$chaos" sweep --damages 3
expect "a replay of two things" 2 "$chaos" replay --at 0.0 --damage none
expect "no such damage" 2 "$chaos" replay --damage closed/flip/pages/x --ops 20
expect "a few damages" 0 "$chaos" corrupt --ops 20 --damages 5 --json
expect "their JSON" 0 jq -e '.verdict == "nothing found" and .corrupt.complete and .corrupt.wrong == 0 and .corrupt.damages > 50' out
expect "one of them again" 0 "$chaos" replay --ops 20 --damage closed/lost/pages/0
says "and says what is told" out 'as promised: open'

expect "the points" 0 "$chaos" points --json
expect "each once, with effects and errors" 0 \
    jq -e 'length > 30 and (map(.point) | unique | length) == length and all(.effects | length > 1) and all(.errors | length > 0)' out
{ echo levin-fault-plan 1; jq -r '.[:32][] | "on \(.point) do clock +1ms"' out; } >every
expect "a plan may name each" 0 "$chaos" faults --plan every --ops 40 --json
printf 'levin-fault-plan 1\non levin/io/wal/sync nth 3 do error ENOENT\n' >wrong
expect "a plan that is wrong" 2 "$chaos" faults --plan wrong
says "and says where" err '^wrong:2:37: expected the name of an error'
printf 'levin-fault-plan 1\non levin/io/wal/sync nth 3 do error EIO\non levin/io/vlog/sync nth 999999 do error EIO\n' >some
expect "a plan" 0 "$chaos" faults --plan some --json
expect "its rules, fired or not" 0 jq -e '.rules[0].fired > 0 and .rules[1].fired == 0 and .refused > 0 and .runs == 4' out
digest=$(jq -r .digest out)
expect "again" 0 "$chaos" faults --plan some --json
expect "one seed, one run" 0 jq -e ".digest == \"$digest\"" out
if [ -x "$root/build/release/bin/levin-chaos" ]; then
    expect "in the release build" 0 "$root/build/release/bin/levin-chaos" faults --plan some --json
    expect "also there" 0 jq -e ".digest == \"$digest\"" out
fi
printf 'levin-fault-plan 1\non levin/io/lock/lock nth 99999 do error EIO\n' >idle
expect "a plan of which nothing fires" 3 "$chaos" faults --plan idle
expect "effects" 0 "$chaos" faults --effects --ops 30 --json
expect "their JSON" 0 jq -e '.verdict == "nothing found" and .effects.complete and .effects.cases > 500 and .effects.cases_fired > 450 and
    (.effects.never_called | length > 0 and all(test("preallocate|lock/size|vlog/|lock/")))' out
expect "one rule" 0 "$chaos" faults --ops 30 --rule 'on levin/io/wal/sync nth 3 do error EIO'
says "and what it came to" out '^2 +error +[0-9]+ +[1-9]'
expect "one rule in one scenario" 0 "$chaos" replay --ops 30 --rule 'on levin/io/wal/sync nth 3 do error EIO' --scenario life
says "and what it came to there" out 'fired 1 times'
expect "one rule past the last call" 3 "$chaos" replay --ops 30 --rule 'on levin/io/wal/sync nth 30000 do error EIO' --scenario life
says "nothing was judged" err 'the harness failed: nothing fired in life'
expect "no rule" 2 "$chaos" faults --rule 'on nothing do error EIO'
says "it says where" err 'column [0-9]+: '
past=1
while "$chaos" replay --ops 30 --fault "life/wal.sync/eio/once/$past" >out 2>&1; do past=$((past + 1)); done
expect "a call past the last" 3 "$chaos" replay --ops 30 --fault "life/wal.sync/eio/once/$past"
for place in 'plan|scenario life|rule on levin/io/wal/sync nth 30000 do error EIO' 'faults|fault life/wal.sync/eio/once/30000' \
    "faults|fault life/wal.sync/eio/once/$past"; do
    printf 'levin-finding 1\ncommand %s\nseed 1\nops 30\npromise FAULT\n' "$place" | tr '|' '\n' >gone
    expect "a finding whose call is not there: ${place#*|}" 2 "$chaos" replay gone
    says "and it says so" err 'there is no such (call|place) any more'
    expect "nor can it be made small" 2 "$chaos" shrink gone
done
expect "a rule without a scenario" 2 "$chaos" replay --rule 'on levin/io/wal/sync nth 3 do error EIO'
expect "a rule in no scenario" 2 "$chaos" replay --rule 'on levin/io/wal/sync nth 3 do error EIO' --scenario moon
expect "--effects elsewhere" 2 "$chaos" sweep --effects
expect "--effects and a plan" 2 "$chaos" faults --effects --plan x
expect "faults crossed with crashes" 0 "$chaos" sweep --faults --ops 30 --chains 20 --seeds 2 --json
expect "their JSON" 0 jq -e '.verdict == "nothing found" and .crossed.complete and .crossed.chains == 40 and .crossed.power_cuts > 1000 and
    (.crossed.faults_fired_by_depth | map(add) == [40, 40, 40, 0])' out
expect "one chain of them again" 0 "$chaos" replay --ops 30 --chain 7
says "its faults and power cuts" out '^life/[a-z]+\.[a-z_]+/[a-z-]+/(once|forever)/[0-9]+ \+ [0-9]+\.[0-9]+ \+ recovery/'
expect "--faults elsewhere" 2 "$chaos" ranges --faults
expect "--chains elsewhere" 2 "$chaos" sweep --chains 3
expect "not a chain" 2 "$chaos" replay --chain x
expect "ranges" 0 "$chaos" ranges --ops 6 --seeds 2 --json
expect "their JSON" 0 jq -e '.verdict == "nothing found" and .ranges.complete and .ranges.walks > 50' out
expect "one seed of them again" 0 "$chaos" replay --ops 6 --ranges

# interrupted COMMAND...: sends it an interrupt once it would catch it, and returns its status
interrupted() {
    local pid
    "$@" >out 2>err &
    pid=$!
    # It catches SIGINT, and is no longer the shell that is about to become it, which would run the trap above.
    until grep -q '^levin-chaos$' "/proc/$pid/comm" 2>/dev/null &&
        grep -q 'SigCgt:.*[2367abef]$' "/proc/$pid/status" 2>/dev/null; do kill -0 "$pid" || break; done
    kill -INT "$pid"
    wait "$pid"
}

# A planted bug: what is found is kept, found again, made small, still found there, and not in the engine as it is.
# planted NUMBER: leaves levin-chaos of a tree with that bug in $planted
planted() {
    local patch
    patch=$(echo "$root/faults/planted/$1"-*.patch) planted=$scratch/planted/build/release/bin/levin-chaos
    rm -rf planted && mkdir -p planted/build/release
    cp -a "$root"/{engine,faults,chaos,regress,ci,Makefile} planted/
    cp -a "$root/build/release/obj" planted/build/release/
    patch -s -d planted -p1 --fuzz=0 -f <"$patch" &&
        ${MAKE:-make} -s -C planted NO_DEPS=1 CFLAGS=-Wno-unused build/release/bin/levin-chaos
}
# kept_finding MOST_STEPS DETECTOR OPTION...: leaves the file in $kept, the small one in first
kept_finding() {
    local most=$1 what=$2 found min steps
    shift
    rm -rf found
    expect "$what: the bug is found" 1 "$planted" "$@" --fail-fast --quiet --jobs 1 --save found
    found=$(find found -name '*.finding' | sort | head -n 1) min=$found.min
    kept=$found
    expect "$what: the finding is kept" 0 test -s "$found"
    expect "$what: and found again" 1 "$planted" replay "$found"
    says "$what: as it was" out '^the same finding'
    expect "$what: the engine as it is" 0 "$chaos" replay "$found"
    says "$what: does not have it" out '^gone: '
    expect "$what: it is made small" 1 "$planted" shrink "$found"
    says "$what: and says how small" out '^steps [0-9]+ -> [0-9]+'
    steps=$(sed -n 's/^steps .* -> //p' out)
    expect "$what: at most $most steps, not ${steps:-any}" 0 test "${steps:-999}" -le "$most"
    expect "$what: the small one is found again" 1 "$planted" replay "$min"
    says "$what: as it was, too" out '^the same finding'
    expect "$what: but not in the engine as it is" 0 "$chaos" replay "$min"
    cp "$min" first
    expect "$what: once more" 1 "$planted" shrink "$found" --output second
    expect "$what: the same file" 0 cmp first second
    expect "$what: nothing to make smaller in the engine as it is" 0 "$chaos" shrink "$found"
}
# every call that C tests are made of is one of the client's
unknown_calls() {
    grep -hoE '"client_[a-z_]+' "$root"/chaos/*.c | tr -d '"' | sort -u |
        while read -r call; do grep -q "\b$call(" "$root/faults/client.h" || echo "$call"; done
}
check "C tests call nothing that the client does not have" test -z "$(unknown_calls)"
# test_of TREE: compiles the C test in kept.c against a tree, into ./kept
test_of() {
    rm -rf tests && mkdir -p tests/chaos && ln -s "$1/faults" "$1/engine" tests/ &&
        ln -s "$1"/chaos/*.h "$1"/chaos/schedules tests/chaos/ &&
        cp kept.c tests/chaos/
    # shellcheck disable=SC2086 # a compiler may come with a launcher: CC="ccache cc"
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -O1 -o kept tests/chaos/kept.c \
        "$1"/build/release/lib{chaos,faults,levin}.a -lurcu-bp -lfiu -ljansson -lcheck -lsubunit -lrt -lm -pthread
}
# kept_test NAME PATTERN [WITH]: the finding made small as a C test fails with the bug, and only with it
kept_test() {
    expect "$1: it is a C test" 1 sh -c "'$planted' shrink first --c >kept.c"
    expect "$1: a full device is told" 3 sh -c "'$planted' shrink first --c >/dev/full"
    says "$1: with calls, or why not" kept.c "${3:-^    client_open}"
    expect "$1: which compiles" 0 test_of "$scratch/planted"
    expect "$1: and fails with the bug" 1 ./kept
    says "$1: because of it" out "$2"
    expect "$1: compiles without it" 0 test_of "$root"
    expect "$1: and holds then" 0 ./kept
    says "$1: with its one case" out '^100%: Checks: 1,'
}
if [ -d "$root/build/release/obj" ]; then
    expect "a tree with a planted bug" 0 planted 70
    kept_finding 8 corrupt
    kept_test corrupt 'DETECT: '
    expect "a tree with another one" 0 planted 05
    kept_finding 2 sweep --faults
    says "faults crossed with crashes: a chain" first '^chain [0-9]+$'
    kept_test 'faults crossed with crashes' ': ' 'Not a test of calls: a chain of sweep --faults'
    kept_finding 5 sweep
    kept_test sweep 'TORN vs ROTTEN: power cut after'
    # at any moment: before it was seen that the finding is there, or with the best so far
    checks=$((checks + 1))
    interrupted "$planted" shrink "$kept" --output least
    case $? in
    1) expect "an interrupted shrink leaves what shows it" 1 "$planted" replay least ;;
    130) expect "an interrupted shrink that has seen nothing leaves nothing" 1 test -e least ;;
    *) failures=$((failures + 1)) && echo "FAILED: an interrupted shrink" ;;
    esac
    expect "a tree with a third" 0 planted 16
    kept_finding 6 faults
    kept_test faults '(EXACT|DURABLE): ' # an error taken for the end, by a read or by a checkpoint
    printf 'levin-fault-plan 1\non levin/io/vlog/sync nth 999 do error EIO\non levin/io/pages/read nth 50 do error EIO\n' >hurt
    kept_finding 6 faults --plan hurt
    says "a plan: the rule that is needed" first '^rule on levin/io/pages/read nth [0-9]+ do error EIO'
    expect "a plan: that one alone" 0 test "$(grep -c ^rule first)" -eq 1
    kept_test plan 'EXACT: '
    expect "a tree with a fourth" 0 planted 15
    kept_finding 3 ranges
    kept_test ranges 'EXACT: ' 'Not a test of calls: the moves'
fi

expect "a report in files" 0 "$chaos" ranges --ops 3 --junit junit.xml --html page.html
says "JUnit: a suite" junit.xml '<testsuite name="ranges" tests="1" failures="0" errors="0"'
says "a page" page.html '<h1>levin-chaos: nothing found</h1>'
expect "effects on a page" 0 "$chaos" faults --effects --ops 20 --html effects.html
says "by point" effects.html '<tr><td>levin/io/wal/sync<td>[0-9]+ of [0-9]+'
says "and where they hit" effects.html '<tr><td>sync<td>[1-9]'
expect "a soak on the page of a campaign" 0 "$chaos" chaos --budget 20 --ops 40 --small --quiet --html whole.html
says "its lives" whole.html '<tr><td>lives<td>[1-9]'
says "and what they wrote" whole.html '<tr><td>operations in the store<td>[1-9]'
expect "a file that cannot be written" 3 "$chaos" ranges --ops 3 --html /nowhere/page.html

expect "a small sweep" 0 "$chaos" sweep --ops 30 --small --json
expect "its JSON" 0 jq -e '.verdict == "nothing found" and .violations == 0 and .sweep.complete
                           and .sweep.points == .sweep.points_due and .sweep.distinct_states > 100' out
for sweep in sweep faults; do # until the budget is long enough for a beginning
    for budget in 0.5 1 2 4 8 16; do
        "$chaos" "$sweep" --budget "$budget" --json --jobs 1 >out && break
    done
    expect "$sweep: cut short, it says how much there was" 0 \
        jq -e ".$sweep | .points > 0 and .points < .points_due and .points_due > 1000" out
done

checks=$((checks + 1))
interrupted "$chaos" sweep --seeds 100 --jobs 1 --budget 200
status=$?
[ "$status" -eq 130 ] || { failures=$((failures + 1)); echo "FAILED: interrupt: exit $status, not 130"; }
says "an interrupted sweep reports" out 'nothing found, interrupted'

finish
