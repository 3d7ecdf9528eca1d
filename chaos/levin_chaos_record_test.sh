#!/bin/bash
# levin-chaos record and explore, from outside, on sqlite3 and git: what is known of both is found, with the settings that
# make them safe nothing is; every finding comes again from its replay line.
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

expect "no command" 2 "$chaos" record
expect "no such command" 2 "$chaos" record -- ./nothing-of-this-name
expect "no check" 2 "$chaos" explore some.trace
expect "no such trace" 2 "$chaos" explore some.trace --check true
echo nonsense >nonsense.trace
expect "not a trace" 2 "$chaos" explore nonsense.trace --check true
says "and it says so" err 'not a trace'
expect "help" 0 "$chaos" explore --help
expect "help of record" 0 "$chaos" record --help
expect "an assumption that is none" 2 "$chaos" explore some.trace --check true --assume magic
mkdir plain
expect "a command that fails" 1 "$chaos" record --dir plain -- sh -c 'echo x >plain/x; exit 7'
says "and it is said" err 'exited with 7'
says "with what there was" err '2 calls of 1 threads in 1 programs: 1 writes \(2 bytes\)'
expect "the calls" 0 "$chaos" explore levin-chaos.trace --list
says "one by one" out '^#[0-9]+ openat x \(new\)$'
expect "a check that is never content" 3 "$chaos" explore levin-chaos.trace --check 'exit 1'
says "and that is said" err 'without any crash'
expect "a full device" 3 "$chaos" record --dir plain --output /dev/full -- sh -c 'echo y >plain/y'

# A plan: the second sync of the log fails, and what it was for is in no state after it.
cat >plan <<'EOF'
levin-fault-plan 1
on levin/io/wal/sync nth 2 do error EIO
EOF
echo 'levin-fault-plan 1
on levin/io/*/write do clock +1s' >bad-plan
expect "a plan that the recorder cannot obey" 2 "$chaos" record --plan bad-plan -- true
says "and it is said where" err '^bad-plan:2: .*clock'
cat >twice.sh <<'EOF'
for line in one two; do
    printf '%s ' "$line" | dd of=plain/wal oflag=append conv=notrunc,fsync status=none 2>/dev/null || echo "failed $line"
done
sync
EOF
expect "a program under a plan" 0 "$chaos" record --dir plain --plan plan --output plan.trace -- sh twice.sh
says "is told of the failure" out '^failed two$'
says "which is counted" err '^plan:2: matched 2 calls, fired 1 times$'
says "and told" err '^hurt: .*fsync wal: fault: error, errno 5 \(thread 2\)$'
# Without a crash both lines are there; after a crash behind the sync of everything the second is not.
cat >two-check.sh <<'EOF'
! grep -q failed "$LEVIN_ACKNOWLEDGED" || grep -q two "$1/wal"
EOF
expect "what was lost is lost" 1 "$chaos" explore plan.trace --check 'sh two-check.sh {}' --states 0 --json
expect "with all kept, too" 0 jq -e '.findings[0].outcome == "wrong" and .findings[0].assumes == "no-crash"' out

expect "a check that hangs, and one that leaves a process behind" 1 "$chaos" explore levin-chaos.trace --json --timeout 0.5 \
    --check '[ -e {}/x ] || sleep 98761; [ -s {}/x ] || kill -SEGV $$; sleep 98762 & true'
expect "the one is a hang, another a signal" 0 jq -e '.outcomes.hang > 0 and .outcomes.signal > 0 and .outcomes.right > 0' out
expect "and none is left" 1 sh -c "cat /proc/[0-9]*/cmdline 2>/dev/null | grep -qaE 'sleep.9876[12]'"

# Interrupted: what there is is reported.
checks=$((checks + 1))
"$chaos" explore levin-chaos.trace --check 'sleep 0.3' --states 0 --jobs 1 >out 2>err &
pid=$!
sleep 1.2
kill -INT "$pid"
wait "$pid"
[ $? -eq 130 ] || failed "an interrupted exploration"
says "reports" out 'cut short$'

database=sqlite/db
# sqlite_trace MODE SYNCHRONOUS: leaves the trace of three transactions, each told to the user when it is done
sqlite_trace() {
    rm -rf sqlite && mkdir sqlite
    sqlite3 sqlite/db "pragma journal_mode=$1; create table t(a integer primary key, b)" >/dev/null
    "$chaos" record --quiet --dir sqlite --output "$1-$2.trace" -- stdbuf -oL sqlite3 "$database" '.output /dev/null' \
        "pragma journal_mode=$1; pragma synchronous=$2;" '.output stdout' \
        "insert into t values (1, hex(zeroblob(300))); select 1; insert into t values (2, hex(zeroblob(300))); select 2;
         insert into t values (3, hex(zeroblob(300))); select 3;"
}
cat >sqlite-check.sh <<'EOF'
# The file is sound, and has as many rows as were told.
[ "$(sqlite3 "$1/db" 'pragma integrity_check' 2>&1)" = ok ] || { echo 'the file is damaged'; exit 2; }
told=$(grep -cE '^[0-9]+$' "$LEVIN_ACKNOWLEDGED")
rows=$(sqlite3 "$1/db" "select count(*) from t where b = hex(zeroblob(300))") || exit 1
[ "$rows" -ge "$told" ] || { echo "$rows rows of $told that were told"; exit 3; }
EOF
# again NAME: each finding of the JSON in out comes again from its replay line
again() {
    local line
    jq -r '.findings[].replay' report >lines
    while IFS= read -r line; do
        expect "$1: again" 1 bash -c "${line/#levin-chaos/$chaos}"
        says "$1: as it was, three times" out '^verdict: the state fails$'
    done <lines
}

# explored MODE SYNCHRONOUS EXIT OPTION...; of its $states at most are judged
states=150
explored() {
    local trace=$1-$2.trace status=$3 what="sqlite3, $1 $2"
    shift 3
    expect "$what, $*: explored" "$status" "$chaos" explore "$trace" --check 'sh sqlite-check.sh {}' --states "$states" "$@" --json
    cp out report
    expect "$what, $*: many states" 0 jq -e '.judged >= 150 and .complete' report
}
expect "sqlite3, delete EXTRA: recorded" 0 sqlite_trace delete EXTRA
explored delete EXTRA 0
expect "sqlite3, wal FULL: recorded" 0 sqlite_trace wal FULL
explored wal FULL 0 --assume powersafe
states=2000 # all of them: few fail, and which are drawn depends on the salt of the log
explored wal FULL 1 # as SQLite says: it counts on bytes beside a write that is under way, unless told psow=0
states=150
expect "sqlite3, wal FULL: nothing but that" 0 jq -e '(.findings | length) > 0 and all(.findings[]; .assumes == "powersafe")' report
database='file:sqlite/db?psow=0'
expect "sqlite3, wal FULL, psow=0: recorded" 0 sqlite_trace wal FULL
explored wal FULL 0
database=sqlite/db
expect "sqlite3, wal OFF: recorded" 0 sqlite_trace wal OFF
explored wal OFF 1
expect "sqlite3, wal OFF: what was told is lost" 0 jq -e 'any(.findings[]; .outcome == "lost" and .assumes == "synced")' report
again "sqlite3, wal OFF"
expect "sqlite3, delete FULL: recorded" 0 sqlite_trace delete FULL
explored delete FULL 1
expect "sqlite3, delete FULL: the end of the journal is not synced, and nothing else" 0 jq -e '(.findings | length) > 0 and
    all(.findings[]; .outcome == "lost" and .assumes == "sync-names" and (.parts[0].call | test("unlink db-journal")))' report
again "sqlite3, delete FULL"

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
git_trace() { # value of core.fsync
    rm -rf repository && mkdir repository
    (cd repository && git init -q . && git config user.email a@b.c && git config user.name a && git config gc.auto 0 &&
        rm -rf .git/hooks && git config core.fsync "$1" && echo one >f && git add f && git commit -q -m one &&
        echo two >f && git add f) || return 3
    "$chaos" record --quiet --dir repository --output git.trace -- git -C repository commit -m two
}
cat >git-check.sh <<'EOF'
# The repository is sound, and has the commit when that was told.
cd "$1" && git fsck --strict >/dev/null 2>&1 || { git fsck 2>&1 | head -n 1; exit 2; }
grep -q two "$LEVIN_ACKNOWLEDGED" || exit 0
[ "$(git log -1 --format=%s)" = two ] || { echo 'the commit is not there'; exit 3; }
EOF
expect "git: recorded" 0 git_trace none
expect "git: trouble" 1 "$chaos" explore git.trace --check 'sh git-check.sh {}' --states 100 --culprits 5 --json
expect "git: objects without their bytes" 0 jq -e 'any(.findings[]; .outcome == "detected" and .assumes == "ordered" and
    (.parts[0].call | test("write .git/objects/../tmp_obj")))' out
expect "git, all synced: recorded" 0 git_trace all
expect "git, all synced, with a journal: explored" 1 "$chaos" explore git.trace --check 'sh git-check.sh {}' --states 70 \
    --assume journal --json
expect "git, all synced, with a journal: the last rename, and nothing else" 0 jq -e '(.findings | length) > 0 and
    all(.findings[]; .outcome == "lost" and .assumes == "sync-names" and (.parts[0].call | test("refs/heads/master$")))' out

finish
