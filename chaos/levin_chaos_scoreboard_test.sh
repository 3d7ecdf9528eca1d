#!/bin/bash
# levin-chaos scoreboard, short: facts that hold by construction.  Levin's row has no bad cell; a plug-in that lies has
# one in every class that there is for it; LMDB dies on a file cut short; what is bad comes back, from its replay line too.
# shellcheck disable=SC2016 # what stands in single quotes is for jq
set -u

cd "$(dirname "$0")/.." || exit 3
# shellcheck source=ci/expect.sh
. ci/expect.sh || exit 3
tree=$PWD
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
cp kept/scoreboard.txt mine.txt && cp kept/scoreboard.html mine.html
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
check "what fails without a journal names the assumption, and the call" row ./liar.so 'all(.classes[] | select(.class == "strict").examples[]; .relies_on | test("^assumes: .*\n(lost|torn): .*#[0-9]+ "))'
check "every row says how durable it is, and what has a checksum" jq -e 'all(.stores[]; .configuration | test("durability: .*; checksums: "))' board.json
check "and which configuration is the strictest" row levin '.strictest | startswith("none exists: ")'
check "what comes out the same when it is made again is told" row ./dirstore.so '.files_made.made_again == "the same each time" and (.files_made.digest | length == 16)'
check "and what does not: each store of Levin has a name of its own" row levin '.files_made.made_again == "another each time" and .recording_made.made_again == "another each time"'
check "what is known is held against it" sh -c 'jq -e ".known | length == 6 and .[5].verdict == \"agrees\" and .[0].verdict == \"not measured\"" mine.json'
for part in "When .detected. is bad" "What was done" "more than 256 KiB" "sync: one sync of the life fails" "strictest: none exists" \
    "A sync failed, then another commit" "agrees +Levin has no bad cell" "checksums: XXH3-64" "S signal  +the process"; do
    says "the text explains" mine.txt "$part"
done
for part in "When .detected. is bad" "What was done" "more than 256 KiB" "<h2>A sync failed" "strictest configuration" \
    "Levin has no bad cell<td>agrees" "<td>an answer that never was right" "<pre>assumes: "; do
    says "the page explains" mine.html "$part"
done
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
check "a replay of nothing bad" exits 0 "$chaos" scoreboard --directory kept --batches 200 --replay levin/flip/3
expect "a replay with other settings than the store was made with" 3 "$chaos" scoreboard --directory kept --replay levin/flip/3
says "is refused" err 'was made with other settings'
check "and nothing was removed" test -d kept/levin/now
check "no such class" exits 2 "$chaos" scoreboard --directory kept --replay levin/warp/3
check "no such store" exits 2 "$chaos" scoreboard --directory kept --replay nosql/flip/3
check "no such number" exits 2 "$chaos" scoreboard --directory kept --batches 200 --replay levin/stale/100000
check "the three files" test -s kept/scoreboard.txt -a -s kept/scoreboard.json -a -s kept/scoreboard.html
check "the page reads nothing from elsewhere" sh -c '! grep -E "(src|href)=.?https?:" kept/scoreboard.html'
check "with plots" sh -c '! command -v gnuplot || grep -q "<svg" kept/scoreboard.html'
check "a budget is kept" exits 0 sh -c "'$chaos' scoreboard --stores levin --classes flip --damages 100000 --budget 1 --quiet --directory brief | grep -q 'the budget was over'"
if has rocksdb; then
    expect "a store that dies of a full disk" 0 "$chaos" scoreboard --stores rocksdb --classes full --lives 1 --batches 60 --quiet --directory quiet
    check "keeps its last words to itself" test ! -s err
fi
# a run that was cut short is gone on with: the same report, and nothing done twice
cut_short() { # damages, more options...
    local damages=$1
    shift
    "$chaos" scoreboard --stores ./liar.so --classes flip,cut,crash --damages "$damages" --states 10 --batches 100 --quiet --json "$@"
}
outcomes() { jq '[.stores[].classes[] | [.class, .outcomes, .skipped, ([.examples[] | del(.replay)])]]' "$1"; }
expect "a run" 0 cut_short 6 --directory resumed
check "keeps the result of each trial" test "$(wc -l <resumed/._liar.so/results)" -eq 14
truncate -s -20 resumed/._liar.so/results # killed as it wrote the last line
expect "is gone on with" 0 cut_short 12 --directory resumed --resume
cp out more.json
check "with all results but the torn one" jq -e '.resumed_trials == 21' more.json
expect "as if it had been one" 0 cut_short 12 --directory whole
check "with the same outcomes" diff <(outcomes more.json) <(outcomes out)
check "which are not done again" test "$(wc -l <resumed/._liar.so/results)" -eq 26
expect "once more" 0 cut_short 12 --directory resumed --resume
check "all are there" jq -e '.resumed_trials == 34' out
printf x >>liar.so # it writes the same files
expect "another build of the plug-in" 0 cut_short 12 --directory resumed --resume
check "has results of its own" jq -e '.resumed_trials == 0' out
# a report goes with what its trials began with
check "every example again by its line" exits 0 sh -c "'$chaos' scoreboard --stores ./liar.so --classes flip,zero,cut,misdirected,stale --damages 10 --batches 100 --quiet --directory again >/dev/null &&
    '$chaos' scoreboard --directory again --again >again.txt"
check "is counted" grep -qE '^([0-9]+) of \1 findings came back 3 times in a row$' again.txt
check "with a store made anew each time" grep -qE '^[1-9][0-9]* with store or recording made anew for each replay, 0 with the kept ones' again.txt
check "in the order of the report, whoever is first" diff <(jq -r '.stores[] | .store as $s | .classes[] | .class as $c | .examples[] | "\($s)/\($c)/\(.place)"' again/scoreboard.json) \
    <(sed -n "s/.*--replay '\(.*\)'$/\1/p" again.txt)
place=$(jq -r '.stores[0].classes[0].examples[0].place' again/scoreboard.json)
mkdir alone && cp again/scoreboard.json alone
check "a replay beside nothing but the report" exits 1 "$chaos" scoreboard --directory alone --batches 100 --replay "./liar.so/flip/$place"
jq '.stores[0].files_made.digest = "00000000deadbeef"' again/scoreboard.json >alone/scoreboard.json
expect "a store that is not the one of the report" 3 "$chaos" scoreboard --directory alone --batches 100 --replay "./liar.so/flip/$place"
says "is refused, with both digests" err "the files of ./liar.so are not those of the report: digest 00000000deadbeef expected, $(jq -r '.stores[0].files_made.digest' again/scoreboard.json) found"
cp -r again damaged && printf x >>"$(find damaged/._liar.so/now -type f | head -n 1)"
expect "a store that was changed since" 3 "$chaos" scoreboard --directory damaged --batches 100 --replay "./liar.so/flip/$place"
check "unless it is made anew" exits 1 "$chaos" scoreboard --directory damaged --batches 100 --fresh --replay "./liar.so/flip/$place"
expect "what no report speaks of" 3 "$chaos" scoreboard --directory nowhere --fresh --replay "./liar.so/flip/$place"
says "cannot be made anew" err 'no report in nowhere'
check "nothing to replay" exits 2 "$chaos" scoreboard --directory again --fresh
# one that is wrong only when nobody repeats it
check "a trial that does not repeat" exits 0 sh -c "'$chaos' scoreboard --stores ./moody.so --classes flip --damages 4 --batches 100 --quiet --directory again --json >board.json"
check "is no finding" row ./moody.so '.classes[0] | .bad == 4 and .found == 0 and .examples[0].reproduced == 0 and .examples[0].finding == false'
check "and tells what differed" row ./moody.so '.classes[0].examples[0].differs | startswith("exit status 0, ")'
check "it is marked in the table" grep -qE '^\./moody\.so +W4\? ' again/scoreboard.txt
check "and on the page" grep -q 'wrong&nbsp;4&nbsp;?' again/scoreboard.html
check "again" exits 0 sh -c "'$chaos' scoreboard --directory again --again >again.txt"
check "it is told" grep -q '^0 of 3  wrong (no finding)  levin-chaos scoreboard --directory again --batches 100 --fresh --replay' again.txt
check "with what differed" grep -q '^ *differs: exit status 0, ' again.txt
check "and counted apart" grep -q '^0 of 0 findings came back 3 times in a row; of 1 that the report does not call so, 0$' again.txt
jq '.stores[0].classes[0].examples[0].finding = true' again/scoreboard.json >claimed.json && cp claimed.json again/scoreboard.json
check "a finding that does not come back" exits 1 "$chaos" scoreboard --directory again --again
# kept in a tree, with what comes out otherwise each time
if has leveldb; then
    check "a store with a thread of its own" exits 0 sh -c "'$chaos' scoreboard --stores leveldb:paranoid=0,./liar.so --classes flip,crash --damages 10 --states 20 \
        --quiet --directory threads --json >board.json"
    check "comes out otherwise each time" row leveldb:paranoid=0 '.files_made.made_again == "another each time" and ([.classes[].bad] | add > 0)'
    check "is kept with the report" env LINES_AT=laid "$tree/chaos/scoreboard/kept.sh" keep threads parcel
    check "and nothing that can be made again" test "$(tar -tJf parcel/stores.tar.xz | cut -d/ -f1 | sort -u)" = leveldb_paranoid=0
    check "laid out elsewhere" "$tree/chaos/scoreboard/kept.sh" lay laid parcel
    rm -rf threads
    check "its findings come back" exits 0 sh -c "'$chaos' scoreboard --directory laid --again >again.txt"
    check "with the kept ones and new ones" grep -qE '^[1-9][0-9]* with store or recording made anew for each replay, [1-9]' again.txt
    line=$(jq -r '.stores[0].classes[0].examples[0].replay' laid/scoreboard.json)
    check "by the lines of its text" exits 1 sh -c "$(dirname "$chaos")/$line"
    mkdir lost && cp parcel/scoreboard.json lost
    expect "without what was kept" 3 "$chaos" scoreboard --directory lost --replay "leveldb:paranoid=0/flip/$(jq -r '.stores[0].classes[0].examples[0].place' lost/scoreboard.json)"
    says "it is refused" err 'made again, they were another each time. Lay out those that were kept'
fi
# interrupted and killed: what it had in memory goes; a store that never answers holds it up
silent='pipe:cat >/dev/null'
in_memory() { compgen -G "/dev/shm/levin-scoreboard-$1-*" >/dev/null; }
soon() { # command...: true within 20 s
    for ((n = 0; n < 400; n++)); do
        "$@" && return
        sleep 0.05
    done
    return 1
}
gone() { ! in_memory "$1"; }
interrupted() { # signal, arguments...: of scoreboard
    local signal=$1 pid=
    shift
    env --default-signal=INT "$chaos" scoreboard "$@" >/dev/null 2>&1 &
    pid=$!
    soon in_memory "$pid" || { echo "it has nothing in memory"; kill -KILL "$pid"; return 1; }
    kill -"$signal" "$pid"
    wait "$pid"
    soon gone "$pid" || { echo "left behind: $(compgen -G "/dev/shm/levin-scoreboard-$pid-*")"; return 1; }
}
for signal in INT TERM HUP KILL; do
    check "$signal while a store is made" interrupted "$signal" --stores "$silent" --classes flip --directory "cut$signal"
    check "$signal in a replay" interrupted "$signal" --directory "cut$signal" --replay "$silent/flip/1"
done
replays() { # pid: a worker of it has begun a replay
    local worker
    for worker in $(pgrep -P "$1"); do
        pgrep -P "$worker" >child && in_memory "$(cat child)" && return
    done
    return 1
}
repeating() { # signal: to --again, whose replay holds it up
    local pid child
    env --default-signal=INT "$chaos" scoreboard --directory repeated --again >/dev/null 2>&1 &
    pid=$!
    soon replays "$pid" || { echo "it replays nothing"; kill -KILL "$pid"; return 1; }
    kill -"$1" "$pid"
    wait "$pid"
    child=$(cat child)
    soon gone "$child" || { echo "left behind: $(compgen -G "/dev/shm/levin-scoreboard-$child-*")"; return 1; }
}
mkdir repeated
jq --arg store "$silent" '.stores[0].store = $store' claimed.json >repeated/scoreboard.json
for signal in INT TERM KILL; do check "$signal while examples are done again" repeating "$signal"; done
# stores that are not there have a row
mkdir -p bare/bin && cp "$chaos" bare/bin
expect "without any plug-in" 0 env -u LEVIN_STORES bare/bin/levin-chaos scoreboard --classes flip --damages 2 --batches 60 --quiet --directory bare/board
says "an absent store has a row" bare/board/scoreboard.txt '^lmdb +absent \(install liblmdb-dev\)'
check "each of them" test "$(grep -c '^[a-z]* *absent (install lib.*-dev)$' bare/board/scoreboard.txt)" -eq 9
check "on the page too" grep -q '<tr><th>wiredtiger<td colspan="10">absent (install libwiredtiger-dev)' bare/board/scoreboard.html
check "and in the JSON" jq -e '[.stores[] | select(.absent)] | length == 9 and all(.[]; .classes == [] and (.absent | endswith("-dev")))' bare/board/scoreboard.json
check "no report" exits 3 "$chaos" scoreboard --directory nowhere --again
check "usage" exits 2 "$chaos" scoreboard --warp 9
check "help" exits 0 "$chaos" scoreboard --help

finish
