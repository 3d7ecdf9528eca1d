#!/bin/bash
# The life of a scoreboard is long enough: each store that is installed switches its log, writes out what it holds in
# memory, and merges its files, while it is recorded; else crash states and failed syncs would never meet that.  (LMDB,
# gdbm and Tkrzw have one file without a log: nothing is switched there.)
set -u

cd "$(dirname "$0")/.." || exit 3
# shellcheck source=ci/expect.sh
. ci/expect.sh || exit 3
chaos=$PWD/${LEVIN_CHAOS:-build/release/bin/levin-chaos}
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit 3

needs_recorder "$(dirname "$chaos")/../lib/levin-recorder.so"

# life STORE: its calls are in list. False: it is not installed.
life() {
    "$chaos" stores "$1" >/dev/null 2>&1 || return 1
    store=$1
    check "$store lives" exits 0 "$chaos" scoreboard --stores "$store" --classes sync --lives 0 --quiet --directory kept
    "$chaos" explore "kept/$(tr : _ <<<"$store")/life.trace" --list >list
}
does() { # least, what, extended regular expression
    local times
    times=$(grep -cE "^#[0-9]+ ($3)" list)
    check "$store: $2: $times times, not $1" test "$times" -ge "$1"
}

life levin
does 3 "switches its log" 'rename wal-[^ ]* to wal-'
does 5 "writes out its memtable" 'fdatasync pages'
does 1 "has large values" 'openat vlog-'
if life sqlite; then
    does 5 "writes its log back" 'fdatasync store.sqlite( |$)'
    life sqlite:rollback=1
    does 100 "makes journals" 'unlink store.sqlite-journal'
fi
for store in rocksdb leveldb; do
    life $store || continue
    does 3 "switches its log" 'openat [0-9]*\.log \(new\)'
    does 3 "writes out its memtable" 'openat [0-9]*\.(sst|ldb) \(new\)'
    does 2 "merges" 'unlink [0-9]*\.(sst|ldb)'
done
if life wiredtiger; then
    does 3 "switches its log" 'rename WiredTigerPreplog[^ ]* to WiredTigerLog'
    does 3 "has checkpoints" 'rename WiredTiger.turtle.set to WiredTiger.turtle'
    does 1 "gives logs back" 'unlink WiredTigerLog'
fi
if life bdb; then
    does 3 "switches its log" 'openat log\.[0-9]* \(new\)'
    does 5 "writes pages" 'pwrite64 store.bdb'
    does 1 "gives logs back" 'unlink log\.'
fi
life kyotocabinet && does 10 "ends transactions of its log" 'ftruncate store.kct.wal to 0'

finish
