#!/bin/bash
# levin-bench from outside: all benchmarks on all stores with several threads, JSON, usage, and what Ctrl-C leaves.
# shellcheck disable=SC2016 # what stands in single quotes is for jq
set -u

cd "$(dirname "$0")/.." || exit 3
# shellcheck source=ci/expect.sh
. ci/expect.sh || exit 3
bench=$PWD/${LEVIN_BENCH:-build/release/bin/levin-bench}
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
cd "$scratch" || exit 3

empty() { [ -z "$(find "$scratch" -mindepth 1 -name 'levin-bench-*')" ]; }

all=fillseq,fillrandom,overwrite,fillsync,readrandom,readhot,readstalls,readwhilewriting,multireadrandom,seekrandom,readseq,readreverse
all=$all,compact,ycsba,ycsbb,ycsbc,ycsbd,ycsbe,ycsbf,open,filllarge,readlarge
stores=$("$bench" --help | sed -n 's/.*; known: //p' | tr ' ' ,) # all that are built in
count=$(tr ',' '\n' <<<"$stores" | wc -l)
check "levin and lmdb are always built in" grep -q '^levin,lmdb' <<<"$stores"
for threads in 1 3; do
    check "all benchmarks, $threads threads" exits 0 sh -c "'$bench' --benchmarks=$all --store=$stores --threads=$threads --num=3000 \
        --syncs=40 --large=20 --large_value_size=20000 --rounds=2 --json >$threads.json"
    check "each did its work on all stores, $threads threads" jq -e --argjson stores "$count" '(.results | length) == 22 * $stores and all(.results[]; ([.latencies[]] | add // 0) == .latency_ns.count) and
        all(.results[]; (.rounds | length) == 2 and .median_per_second > 0 and .not_found == 0 and (.cut | not)) and
        all(.results[] | select(.benchmark == "fillsync"); .rounds[0].operations == 40) and
        all(.results[] | select(.benchmark == "readrandom" or .benchmark == "fillrandom"); .rounds[0].operations == 3000)' "$threads.json"
done
# the speed table, with sizes at which its figures mean nothing: that every one is measured and every line judged
table="--num=2000 --large=8 --duration=0.02 --kill_log=1000000"
check "the table" exits 0 sh -c "'$bench' --table $table --rounds=2 --json >table.json"
check "every figure of every store, every line judged that can be" jq -e --argjson stores "$count" '(.stores | length) == $stores and
    all(.figures[] | select(.figure | startswith("memory") or . == "put_64k_tree" or . == "beside_checkpoints" | not); (.rounds | length) == $stores and all(.rounds[]; length == 2)) and
    all(.figures[] | select(.figure == "beside_checkpoints"); (.rounds.levin | length) == 2 and all(.rounds.levin[]; . >= 3)) and
    all(.figures[]; .rounds.levin | length > 0) and (.lines | length) >= 20 and
    ([.stores[].store] as $built | all(.lines[]; .judged == (.kind == "limit" or .kind == "ratio of its own figures" or (.kind == "ratio" and any(.to_beat[]; IN($built[]))))))' table.json
check "the table as text, with a variant of a store" sh -c "'$bench' --table $table --rounds=1 --store=lmdb,levin,levin:commit_interval_us=9 |
    grep -E '^get uniform, 1 thread .*x \(.*lmdb$'"
check "a peer that is missing is said" sh -c "'$bench' --table $table --rounds=1 --store=levin | grep -E '^full scan .*unknown .*none of the stores'"
check "a feature switched off beside itself" sh -c "'$bench' --store=levin,levin:commit_interval_us=50:memtable_bytes=65536 --num=500 \
    --benchmarks=fillrandom,readrandom --rounds=1 | grep -E '^readrandom +levin:commit_interval_us=50:memtable_bytes=65536 '"
check "an option that is not there" exits 2 "$bench" --store=levin:warp=9
check "an option out of its range" exits 3 "$bench" --store=levin:page_bytes=3 --num=10 --benchmarks=fillseq
check "nothing is left behind" empty
check "text" sh -c "'$bench' --num=500 --benchmarks=fillrandom,readlarge --rounds=1 | grep -E '^readlarge on levin: [0-9]+ of [0-9]+ keys were not there'"
check "unknown benchmark" exits 2 "$bench" --benchmarks=fillrandom,unknown
check "unknown store" exits 2 "$bench" --store=unknown
check "bad number" exits 2 "$bench" --num=-1
check "keys too short" exits 2 "$bench" --num=1000000000 --key_size=8
check "a seed that JSON cannot hold" exits 2 "$bench" --seed=18446744073709551614
check "no key would be written before the kill" exits 2 "$bench" --table --num=2000 --kill_log=1024 --value_size=2000 --db=none
check "and nothing was run" test ! -e none
check "a log of nine keys" sh -c "'$bench' --table $table --kill_log=1044 --rounds=1 --store=levin | grep -E '^reopen after a kill +[0-9]'"

# all forms of the table, over every store that can be loaded, those not set up for speed too
others=$("$bench" --help | sed -n 's/.*not set up for speed, but there: //p' | sed 's/ pipe.*//; s/;.*//' | tr ' ' ,)
check "the table of all stores" exits 0 sh -c "'$bench' --table --num=300 --large=4 --duration=0.002 --kill_log=50000 --rounds=2 --store=all --output=forms"
check "as JSON has every store" jq -e --arg all "$stores${others:+,$others}" '[.stores[].store] | join(",") == $all' forms/table.json
check "as CSV the same medians" jq -e -R -s --slurpfile json forms/table.json '[split("\n")[1:][] | select(. != "") | split(",")] |
    length > 20 * ($json[0].stores | length) and all(.[]; . as $line | any($json[0].figures[]; .figure == $line[0] and
    (.rounds[$line[3]] | length) == ($line[7] | tonumber) and (.rounds[$line[3]] | add / length - ($line[4] | tonumber) | fabs) <= ($line[4] | tonumber) * 1e-9))' forms/table.csv
check "as text" grep -q '^disk after compact, of raw ' forms/table.txt
check "as a page, a plot of each figure, a bar of each store" sh -c "test \$(grep -c '<svg' forms/table.html) = \$(jq '[.figures[] | select(any(.rounds[]; length > 0))] | length' forms/table.json) &&
    test \$(grep -o '<rect class=own' forms/table.html | wc -l) = \$(grep -c '<svg' forms/table.html)"
check "with the settings" sh -c "grep -q 'Not set up for speed' forms/table.html && grep -q 'MDB_NOTLS' forms/table.html"
check "a list as CSV" sh -c "'$bench' --benchmarks=fillseq,readrandom --store=levin,lmdb --num=500 --rounds=2 --csv >list.csv"
check "a line each" sh -c "test \$(wc -l <list.csv) = 5 && awk -F , 'NF != 14 || NR > 1 && (\$3 != 2 || \$6 <= 0) { exit 1 }' list.csv && grep -q '^readrandom,lmdb,2,0,0,' list.csv"
check "one form on standard output" exits 2 "$bench" --json --csv
check "files of the table alone" exits 2 "$bench" --output=forms
check "no place for them" exits 3 "$bench" --table --output=/proc/levin-bench

# options as they were, in the JSON of a list and of the table
check "all options" sh -c "'$bench' --benchmarks=fillseq --num=60 --reads=7 --syncs=8 --large=9 --key_size=20 --value_size=30 --batch_size=11 \
    --large_value_size=31 --large_batch_size=12 --multi=13 --seek_nexts=14 --hot=0.5 --duration=0.25 --sync --no_pin --rounds=1 --seed=99 \
    --cache_size=16777216 --write_buffer_size=1048576 --json >options.json"
check "are in JSON" jq -e '.options == {num: 60, reads: 7, syncs: 8, large: 9, key_size: 20, value_size: 30, large_value_size: 31,
    batch_size: 11, large_batch_size: 12, multi: 13, seek_nexts: 14, hot: 0.5, threads: 1, duration: 0.25, sync: true, pin: false,
    rounds: 1, seed: 99, cache_size: 16777216, write_buffer_size: 1048576, kill_log: 67108864, use_existing_db: false}' options.json
check "those of the table" jq -e '.options.kill_log == 1000000 and .options.write_buffer_size == 67108864 and .options.duration == 0.02' table.json
check "a map of its own size" sh -c "'$bench' --store=lmdb:map_bytes=67108864 --num=50 --benchmarks=fillseq --rounds=1 | grep -q 'map of 64 MiB'"
check "a map too small says so" exits 3 "$bench" --store=lmdb:map_bytes=65536 --num=5000 --benchmarks=fillseq --rounds=1

# a store that is kept: only --use_existing_db reads it, and nothing but its owner removes it
check "kept" "$bench" --store=levin,lmdb --db=kept --keep --num=500 --rounds=1 --benchmarks=fillseq
check "is not overwritten" exits 2 "$bench" --db=kept --num=500 --rounds=1 --benchmarks=fillseq
check "nor read, nor removed, unasked" exits 2 "$bench" --db=kept --num=500 --rounds=2 --benchmarks=readrandom
check "nor by the table" sh -c "mkdir -p kept/levin.0-0-16k && '$bench' --table $table --db=kept --rounds=1; test \$? -eq 2 && rmdir kept/levin.0-0-16k"
check "is read when that is asked for" sh -c "'$bench' --store=levin,lmdb --db=kept --use_existing_db --num=500 --rounds=2 \
    --benchmarks=fillseq,readrandom,overwrite --json >kept.json"
check "and all is there, in each round, and fillseq left out" jq -e '[.results[].benchmark] == ["readrandom", "overwrite", "readrandom", "overwrite"] and
    all(.results[]; .not_found == 0 and (.rounds | length) == 2)' kept.json
check "and stays" test -e kept/levin.0-0/pages -a -e kept/lmdb.1-0
check "a store that is not there" exits 2 "$bench" --db=kept --use_existing_db --store=lmdb --benchmarks=readrandom
check "no directory to look in" exits 2 "$bench" --use_existing_db --benchmarks=readrandom
check "nothing left to do" exits 2 "$bench" --db=kept --use_existing_db --benchmarks=fillseq
check "what the table decides itself" sh -c "'$bench' --table --threads=4 2>&1 | grep -q 'the table decides that itself: threads'"
check "exits so" exits 2 "$bench" --threads=4 --quick
check "the table makes its own" exits 2 "$bench" --db=kept --use_existing_db --table
check "a directory that cannot be made" exits 3 "$bench" --db=/proc/levin-bench
check "help" sh -c "'$bench' --help | grep -q '^Exit codes'"

# Ctrl-C, as soon as the second benchmark runs: its store is there, and it would go on for ever
"$bench" --benchmarks=fillrandom,overwrite --num=2000 --duration=100000 --json --keep --db=store >cut.json 2>cut.log &
pid=$!
until [ -n "$(find store -type f -name pages 2>/dev/null)" ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
kill -INT "$pid"
wait "$pid"
check "interrupted" test $? -eq 130
check "the report is whole" jq -e '.results | length <= 2 and (length == 0 or all(.[]; .rounds | length == 1))' cut.json
"$bench" --benchmarks=readrandom --num=100 --duration=100000 --json --db=gone >cut.json 2>cut.log &
pid=$!
until [ -d gone/levin.0-0 ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
kill -TERM "$pid"
wait "$pid"
check "ended" test $? -eq 130
check "and its directory removed" test ! -e gone

"$bench" --table --num=2000 --duration=1000 --db=gone >cut.txt 2>cut.log &
pid=$!
until [ -d gone ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
kill -INT "$pid"
wait "$pid"
check "the table ended" test $? -eq 130
check "and says what there is" grep -q '^full scan' cut.txt
check "its directory removed as well" test ! -e gone

finish
