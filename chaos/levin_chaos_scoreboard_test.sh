#!/bin/bash
# levin-chaos scoreboard, short: facts that hold by construction.  Levin's row has no bad cell; a plug-in that lies has
# one in every class that there is for it; LMDB dies on a file cut short; what is bad comes back, from its replay line too.
# shellcheck disable=SC2016 # what stands in single quotes is for jq
set -u

cd "$(dirname "$0")/.." || exit 3
# shellcheck source=ci/expect.sh
. ci/expect.sh || exit 3
chaos=$PWD/${LEVIN_CHAOS:-build/release/bin/levin-chaos}
examples=$(dirname "$chaos")/../examples
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
cp "$examples"/*.so chaos/examples/store.py "$scratch" || exit 3
cd "$scratch" || exit 3

row() { jq -e --arg store "$1" "[.stores[] | select(.store == \$store)][0] | $2" board.json; } # store, expression
has() { "$chaos" stores "$1" >/dev/null 2>&1; }

check "runs" exits 0 sh -c "'$chaos' scoreboard --stores levin,./dirstore.so,./liar.so --damages 12 --lives 4 --states 40 --batches 200 \
    --quiet --directory kept --json >mine.json"
foreign=
for store in lmdb sqlite; do has "$store" && foreign=${foreign:+$foreign,}$store; done
if [ -n "$foreign" ]; then
    check "runs" exits 0 sh -c "'$chaos' scoreboard --stores $foreign --classes flip,cut --damages 12 --batches 200 --quiet --directory kept --json >foreign.json"
fi
[ -f foreign.json ] || echo "{\"stores\": []}" >foreign.json
jq -s '{stores: [.[].stores[]], out_of_time: any(.[]; .out_of_time)}' mine.json foreign.json >board.json
check "every store was judged" jq -e 'all(.stores[]; .not_judged == null and .not_recorded == null and .files > 0)' board.json
check "everything due was done" jq -e 'all(.stores[].classes[]; .done + .skipped == .due) and .out_of_time == false' board.json
check "Levin has no bad cell" row levin '[.classes[].bad] | add == 0'
check "and has told of damage" row levin '[.classes[] | .outcomes.detected] | add > 10'
check "Levin has lives and power cuts" row levin '[.classes[] | select(.class | IN("sync", "full", "crash", "strict")) | .outcomes.right >= 3] | all and length == 4'
check "a small honest store has none either" row ./dirstore.so '[.classes[].bad] | add == 0'
check "one that lies is caught in each class" row ./liar.so 'all(.classes[]; .due == 0 or .bad > 0)'
check "a store that retries a failed sync acknowledges commits that are lost" sh -c "'$chaos' scoreboard --stores ./dirstore.so,./forgetful.so --classes sync --lives 12 \
    --batches 200 --quiet --directory kept --json >board.json && cat board.json"
sync() { jq -e --arg store "$1" "[.stores[] | select(.store == \$store).classes[] | select(.class == \"sync\")][0] | $2" board.json; } # store, expression
check "and is shown red" sync ./forgetful.so '.bad > 0 and .found == .bad and .commits.acknowledged_after_a_failure.lost == .bad'
check "an honest one that writes all again is not" sync ./dirstore.so '.bad == 0 and .commits.acknowledged_after_a_failure.there > 0'
check "both in the table of failed syncs" test "$(grep -A4 '^A sync failed' kept/scoreboard.txt | grep -cE '^  \./(dirstore\.so +[1-9][0-9]* +0 +0|forgetful\.so +0 +0 +[1-9][0-9]*)\b')" -eq 2
jq -s '{stores: [.[].stores[]], out_of_time: any(.[]; .out_of_time)}' mine.json foreign.json >board.json
check "and there are such classes" row ./liar.so '[.classes[] | select(.due > 0)] | length >= 8'
if has lmdb; then
    check "LMDB dies on a file cut short" row lmdb '.classes[] | select(.class == "cut") | .outcomes.signal > 0 and .outcomes.right == 0'
    check "by SIGBUS" row lmdb '.classes[] | select(.class == "cut") | .examples[] | select(.outcome == "signal") | .text | contains("SIGBUS")'
fi
if has sqlite; then
    check "SQLite gives back values with a bit flipped" row sqlite '.classes[] | select(.class == "flip") | .outcomes.wrong > 0'
fi
check "what is bad comes back three times of three" jq -e 'all(.stores[].classes[].examples[]; .reproduced == 3)' board.json
if python3 -c 'import sqlite3' 2>/dev/null; then
    check "a store behind a pipe" exits 0 sh -c "'$chaos' scoreboard --stores 'pipe:python3 store.py' --classes flip,cut,full,crash --damages 6 --lives 2 \
        --states 8 --batches 60 --quiet --directory kept --json >board.json"
    check "was judged" row 'pipe:python3 store.py' '.not_judged == null and .not_recorded == null and ([.classes[].done] | add) > 15'
    check "survives power cuts" row 'pipe:python3 store.py' '[.classes[] | select(.class == "crash") | .bad] == [0]'
    check "and gives back a bit flipped, as SQLite does" row 'pipe:python3 store.py' '.classes[0].outcomes.wrong > 0'
fi
check "a program that is no store" exits 0 sh -c "'$chaos' scoreboard --stores pipe:true --classes flip --quiet --directory kept --json >board.json"
check "is told" row pipe:true '.not_judged | contains("the program has ended")'
line=$(jq -r '.stores[] | select(.store == "./liar.so") | .classes[0].examples[0].replay' mine.json)
check "a replay line" exits 1 sh -c "$(dirname "$chaos")/$line >replayed"
check "tells what was done" grep -q '^bit . of byte' replayed
check "and what came of it" grep -q '^wrong: get: key' replayed
check "a replay of nothing bad" exits 0 "$chaos" scoreboard --directory kept --replay levin/flip/3
check "no such class" exits 2 "$chaos" scoreboard --directory kept --replay levin/warp/3
check "no such store" exits 2 "$chaos" scoreboard --directory kept --replay nosql/flip/3
check "no such number" exits 2 "$chaos" scoreboard --directory kept --replay levin/stale/100000
check "the three files" test -s kept/scoreboard.txt -a -s kept/scoreboard.json -a -s kept/scoreboard.html
check "the page reads nothing from elsewhere" sh -c '! grep -E "(src|href)=.?https?:" kept/scoreboard.html'
check "with plots" sh -c '! command -v gnuplot || grep -q "<svg" kept/scoreboard.html'
check "a budget is kept" exits 0 sh -c "'$chaos' scoreboard --stores levin --classes flip --damages 100000 --budget 1 --quiet --directory brief | grep -q 'the budget was over'"
check "nothing is left in memory" sh -c '! ls -d /dev/shm/levin-scoreboard-* 2>/dev/null | grep -q "levin-scoreboard-$$"'
# one that is wrong only when nobody repeats it
check "every example again by its line" exits 0 sh -c "'$chaos' scoreboard --stores ./liar.so --classes flip,cut --damages 10 --batches 100 --quiet --directory again >/dev/null &&
    '$chaos' scoreboard --directory again --again >again.txt"
check "is counted" grep -qE '^([0-9]+) of \1 examples came back 3 times in a row$' again.txt
check "a trial that does not repeat" exits 0 sh -c "'$chaos' scoreboard --stores ./moody.so --classes flip --damages 4 --batches 100 --quiet --directory again --json >board.json"
check "is no finding" row ./moody.so '.classes[0] | .bad == 4 and .found == 0 and .examples[0].reproduced == 0 and .examples[0].finding == false'
check "and tells what differed" row ./moody.so '.classes[0].examples[0].differs | startswith("exit status 0, ")'
check "it is marked in the table" grep -qE '^\./moody\.so +W4\? ' again/scoreboard.txt
check "and on the page" grep -q 'wrong&nbsp;4&nbsp;?' again/scoreboard.html
check "again" exits 1 sh -c "'$chaos' scoreboard --directory again --again >again.txt"
check "it is told" grep -q '^0 of 3  wrong  levin-chaos scoreboard --directory again --batches 100 --replay' again.txt
check "with what differed" grep -q '^ *differs: exit status 0, ' again.txt
check "no report" exits 3 "$chaos" scoreboard --directory nowhere --again
check "usage" exits 2 "$chaos" scoreboard --warp 9
check "help" exits 0 "$chaos" scoreboard --help

finish
