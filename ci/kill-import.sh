#!/bin/bash
# Kills `levin import` with SIGKILL in the middle of synced batches, ROUNDS times, and looks at what is left each time:
# the store opens, `levin check` is clean, everything acknowledged is there, and the store equals the first records of
# the source up to the end of some batch, byte for byte.  Every other round goes on in the store that the kill left
# behind, so that recovery runs on what a recovery wrote.  At the end the whole source goes in and comes out, byte for byte.
#
#   kill-import.sh [SOURCE]   control stanzas; default: `apt-cache dumpavail`, or the dpkg status file where that is small
#   LEVIN=build/release/bin/levin  ROUNDS=20  SEED=1  BATCH=100  RECORDS=N (the first N only)
set -u

cd "$(dirname "$0")/.." || exit 3
levin=$PWD/${LEVIN:-build/release/bin/levin}
rounds=${ROUNDS:-20} seed=${SEED:-1} batch=${BATCH:-100} limit=${RECORDS:-0}
key=Package,Version,Architecture
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 3

if [ $# -gt 0 ]; then
    cp "$1" source || exit 3
else
    apt-cache dumpavail >source 2>/dev/null
    [ "$(grep -c '^Package:' source)" -gt 1000 ] || cp /var/lib/dpkg/status source
fi
# Stanzas with all three fields, each key once; the file is then its own model: records in the order of commit.
perl -00 -se 'while (<>) { s/\n+\z/\n/; my $s = $_; my @k = map { $s =~ /^$_:[ \t]*(.*?)[ \t]*$/mi ? $1 : () } qw(Package Version Architecture);
    next if @k < 3 || $seen{join "/", @k}++; print "$s\n"; last if ++$n == $limit }' -- -limit="$limit" source >records
total=$(grep -c '^Package:' records)
[ "$total" -ge $((4 * batch)) ] || { echo "kill-import: only $total stanzas with a version" >&2; exit 3; }

# the first N stanzas of a file in the order of their keys, by an independent hand
model() { # N FILE
    perl -00 -e 'my $n = shift; while (my $s = <>) { last if !$n--; $s =~ s/\n+\z/\n/;
        my @k = map { $s =~ /^$_:[ \t]*(.*?)[ \t]*$/mi ? $1 : () } qw(Package Version Architecture); $s{join "/", @k} = $s }
        print "$s{$_}\n" for sort keys %s' "$1" "$2"
}

checks=0 failures=0 slowest=0 mid=0
fail() {
    failures=$((failures + 1))
    echo "kill-import: FAILED (seed $seed, round $round): $1"
    [ ! -s err ] || head -n 3 err
}

RANDOM=$seed
printf '%5s %9s %9s %9s %10s %9s\n' round records killed-at kept reopen-ms replayed
for ((round = 1; round <= rounds; round++)); do
    [ $((round % 2)) -eq 0 ] || rm -rf store
    target=$((batch + (RANDOM * 32768 + RANDOM) % (total - 2 * batch)))
    acked=0
    exec 3< <(exec "$levin" import store --quiet --key $key --from records --batch "$batch" --sync --ack --memtable 1M 2>err)
    pid=$!
    while read -r number <&3; do
        acked=$number
        [ "$acked" -lt "$target" ] || kill -KILL "$pid" 2>/dev/null
    done
    exec 3<&-
    wait "$pid" 2>/dev/null
    status=$?
    [ "$status" -eq 0 ] || mid=$((mid + 1))
    checks=$((checks + 1))
    [ "$status" -eq 137 ] || [ "$status" -eq 0 ] || fail "the import ended with $status"

    if ! "$levin" stats --json store >stats.json 2>err; then
        fail "the store does not open"
        continue
    fi
    reopen_us=$(jq '.recovery_ns / 1000 | floor' stats.json) replayed=$(jq .replayed_batches stats.json)
    [ "$reopen_us" -le "$slowest" ] || slowest=$reopen_us
    "$levin" check store >check.log 2>err || fail "levin check: $(grep -m 3 fault check.log)"
    "$levin" export store >got 2>err || fail "export"
    kept=$(grep -c '^Package:' got)
    if [ $((round % 2)) -eq 1 ]; then
        [ "$kept" -ge "$acked" ] || fail "$acked acknowledged, $kept there"
        [ $((kept % batch)) -eq 0 ] || [ "$kept" -eq "$total" ] || fail "$kept records are no whole batches of $batch"
        first=$kept
    else # the same records once more over those of the last round
        [ "$kept" -ge "$((acked > first ? acked : first))" ] || fail "$acked and $first acknowledged, $kept there"
    fi
    model "$kept" records | cmp - got || fail "the store is not the first $kept records"
    printf '%5d %9d %9d %9d %10s %9d\n' "$round" "$total" "$acked" "$kept" "$((reopen_us / 1000)).$(printf %03d $((reopen_us % 1000)))" "$replayed"
done

# Without a kill: all of it, over what the last kill left, compared byte for byte; then exported and imported once more.
round=end
checks=$((checks + 1))
"$levin" import store --key $key --from records --memtable 1M --json >report 2>err || fail "the whole import"
"$levin" check store >check.log 2>err || fail "levin check: $(grep -m 3 fault check.log)"
"$levin" export store >got 2>err || fail "export"
model "$total" records | cmp - got || fail "the store is not the source, sorted"
"$levin" import again --key $key --from got --quiet 2>err || fail "import of the export"
"$levin" export again 2>err | cmp - got || fail "the export of the import of the export differs"
jq -r '"whole: \(.records) records, \(.input_bytes / 1e6 | floor) MB in \(.seconds) s"' report

checks=$((checks + 1))
[ "$mid" -ge $((rounds * 3 / 4)) ] || fail "only $mid of $rounds kills came before the end: the test proves little"
echo "$mid of $rounds killed in the middle; slowest reopen $((slowest / 1000)).$(printf %03d $((slowest % 1000))) ms"
failed_rounds=$((failures < checks ? failures : checks))
echo "$(((checks - failed_rounds) * 100 / checks))%: Checks: $checks, Failures: $failed_rounds, Errors: 0"
[ "$failures" -eq 0 ]
