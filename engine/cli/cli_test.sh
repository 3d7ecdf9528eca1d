#!/bin/bash
# Tests of the `levin` command (build/asan/bin/levin, or $LEVIN): every subcommand, exit codes, messages, the three text
# formats with nasty bytes, malformed input, duplicates, interrupts.  Works in a scratch directory.
# shellcheck disable=SC2129,SC1003,SC2016,SC2059 # texts are written as they stand; printf formats come from tables of bytes
set -u

root=$(cd "$(dirname "$0")/../.." && pwd) || exit 3
# shellcheck source=ci/expect.sh
. "$root"/ci/expect.sh || exit 3
levin=${LEVIN:-$root/build/asan/bin/levin}
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 3

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1"
    shift
    [ $# -eq 0 ] || printf '    %s\n' "$@"
}

# same NAME FILE FILE
same() {
    checks=$((checks + 1))
    cmp "$2" "$3" >cmp.log 2>&1 || fail "$1: $(cat cmp.log)" "$(diff -a "$2" "$3" | head -n 6)"
}
is() { # NAME FILE TEXT: exactly that, with a newline
    checks=$((checks + 1))
    printf '%s\n' "$3" | cmp -s - "$2" || fail "$1: not '$3'" "$(head -c 500 "$2")"
}

# ---- help, version, usage ----
expect "no command is a usage error" 2 "$levin"
expect "help" 0 "$levin" --help
for command in create get put delete scan import export stats check health compact backup restore repair dump keyspaces bench; do
    says "help lists $command" out "^  $command "
done
for command in create get put delete scan import export stats check health compact backup restore repair dump keyspaces bench; do
    expect "$command --help" 0 "$levin" "$command" --help
    says "$command --help shows usage" out "^usage: levin $command "
    expect "help $command" 0 "$levin" help "$command"
    [ "$command" = bench ] || expect "$command without a store" 2 "$levin" "$command"
    [ "$command" = bench ] || says "$command names itself" err "^levin $command: "
    expect "$command with an unknown option" 2 "$levin" "$command" --no-such-option
    says "the option is named" err "no-such-option"
done
sed 's/\\-/-/g' "$root/engine/cli/levin.1" >manual
for command in create get put delete scan import export stats check health compact backup restore repair dump keyspaces bench; do
    for option in $("$levin" "$command" --help | grep -oE -e '(^| )--[a-z-]+' | sort -u); do
        checks=$((checks + 1))
        grep -q -e "$option" manual || fail "$command $option is not in the manual page"
    done
done
expect "version" 0 "$levin" --version
says "version" out '^levin [0-9]+\.[0-9]+\.[0-9]+$'
expect "an unknown command" 2 "$levin" frobnicate
says "it is named" err frobnicate

# ---- create, put, get, delete ----
expect "get without a store" 3 "$levin" get none k
says "says what to do" err 'levin create'
expect "put does not make a store" 3 "$levin" put none k v
expect "create" 0 "$levin" create s --page-size 4K
expect "create twice" 3 "$levin" create s
says "it exists" err LEVIN_EXISTS
for size in "page-size 0" "page-size 5000" "page-size 1M" "sector-size 1000" "segment-size 1" "option page_bytes=5000" "option page_bytes=0"; do
    read -ra words <<<"$size"
    expect "create with --$size, that is none" 2 "$levin" create t "--${words[0]}" "${words[1]}"
    says "create with --$size: says what is needed" err 'is needed$'
done
expect "import with a page size that is none" 2 "$levin" import t --page-size 5000
expect "import with a memtable that is too small" 2 "$levin" import t --memtable 1
ln -s nowhere/at-all dangling
expect "create on a link to nothing" 3 "$levin" create dangling
says "create on a link to nothing: says so" err '^levin create: dangling is a link to a directory that is not there'
expect "stress of a store that is there" 3 "$levin" stress s
is "stress of a store that is there: says that" err 'levin stress: s: there is a store in "s" already'
checks=$((checks + 1)); [ -s out ] && fail "stress of a store that is there prints a report" "$(head -n 3 out)"
for words in --help --version help "create --help" "help create"; do
    read -ra words <<<"$words"
    checks=$((checks + 1)); "$levin" "${words[@]}" >/dev/full 2>err
    status=$?
    [ "$status" -eq 3 ] || fail "levin ${words[*]} to a full device: exit $status"
    says "levin ${words[*]} to a full device: says so" err 'standard output could not be written'
done
expect "put" 0 "$levin" put s apple red
expect "get" 0 "$levin" get s apple
printf red >want
same "get prints the value byte for byte" out want
expect "get json" 0 "$levin" get s apple --json
is "get json" out '{"key":"apple","value":"red"}'
expect "get hex" 0 "$levin" get s --hex 6170706c65
is "get hex" out 726564
expect "hex that is none" 2 "$levin" get s --hex 6g
expect "an absent key" 1 "$levin" get s pear
says "it is named" err "'pear'"
expect "put an empty value" 0 "$levin" put s empty ''
expect "get it" 0 "$levin" get s empty
checks=$((checks + 1)); [ -s out ] && fail "the empty value is not empty"
expect "an empty key" 3 "$levin" put s '' v
head -c 1025 /dev/zero | tr '\0' k >longkey
expect "a key over a quarter of a page" 3 "$levin" put s "$(cat longkey)" v
says "it is too big" err LEVIN_TOO_BIG
head -c 300000 /dev/urandom >big
expect "put from a file" 0 "$levin" put s big --from big
expect "get it back" 0 "$levin" get s big
same "a large value comes back" out big
expect "put hex" 0 "$levin" put s --hex 00ff0a5c c3
expect "a key with a dash" 0 "$levin" put s -- --prefix dash
expect "get it" 0 "$levin" get s -- --prefix
expect "delete" 0 "$levin" delete s empty big
expect "deleted" 1 "$levin" get s big
expect "delete absent and present" 1 "$levin" delete s nothing -- --prefix
says "the absent one is named" err "'nothing'"
expect "the present one is gone" 1 "$levin" get s -- --prefix

# ---- options of every store ----
printf 'k\tv\n' >one.tsv
options_of_every_store() { # NAME... : the commands, each with what it needs, and the status that it ends with
    local status=$1
    shift
    expect "$1 with options" "$status" "$levin" "$@" --preset low-memory --option cache_bytes=2M --verbose
    expect "$1 with an option that there is not" 2 "$levin" "$@" --option cache=1
    says "$1 names it" err 'levin [a-z]*: --option: there is no option "cache"'
    expect "$1 with a value that cannot be" 2 "$levin" "$@" --option cache_bytes=1
    says "$1 tells what is needed" err 'cache_bytes is "1": 64K or more is needed'
    expect "$1 with an option without a value" 2 "$levin" "$@" --option cache_bytes
    says "$1 tells the form" err 'NAME=VALUE is needed'
    expect "$1 with a preset that there is not" 2 "$levin" "$@" --preset fast
    says "$1 tells which there are" err 'preset is "fast": balanced, read_optimized'
    expect "$1 with options that exclude each other" 2 "$levin" "$@" --option page_bytes=64K --option cache_bytes=64K
    says "$1 says why" err 'cache_bytes is 65536: at least 16 pages are needed'
}
options_of_every_store 0 create options
options_of_every_store 0 put options k v
options_of_every_store 0 get options k
options_of_every_store 0 delete options k
options_of_every_store 0 import options --from one.tsv
options_of_every_store 0 scan options
options_of_every_store 0 export options --format tsv
options_of_every_store 0 stats options
options_of_every_store 0 check options
options_of_every_store 0 health options
options_of_every_store 0 compact options
options_of_every_store 0 backup options options-copy
options_of_every_store 0 keyspaces options
expect "the last of two options counts" 0 "$levin" get options k --option cache_bytes=1M --preset balanced --option help
says "a preset sets what it is made of" out '^cache_bytes +256M '
expect "and the other way round" 0 "$levin" get options k --preset balanced --option cache_bytes=1M --option help
says "the option is the last" out '^cache_bytes +1M '
expect "messages of the library" 0 "$levin" get options k --verbose
says "they tell of recovery" err '^levin: info: recovery: [0-9]+ batches with [0-9]+ operations replayed, to batch [0-9]+, in [0-9]+ ms$'
expect "silent without" 0 "$levin" get options k
checks=$((checks + 1)); [ -s err ] && fail "a command without --verbose is not silent: $(cat err)"
expect "a reader stays a reader" 0 "$levin" get options k --option read_only=false
expect "restore opens no store" 2 "$levin" restore options-copy none --preset balanced
expect "dump neither" 2 "$levin" dump options --preset balanced
rm -rf options-copy none

# ---- stats --watch, bench ----
expect "watch" 0 "$levin" stats options --watch --count 1
says "watch has a heading" out '^checkpoint +ckpts/s +batches '
checks=$((checks + 1)); [ "$(wc -l <out)" -eq 2 ] || fail "watch --count 1 is a heading and a line"
"$levin" bench watched --num 30000 --threads 2 --benchmarks fillrandom,overwrite,overwrite --preset development --duration 2 >/dev/null 2>&1 &
pid=$!
until [ -f watched/pages ] || ! kill -0 "$pid" 2>/dev/null; do :; done
expect "watch beside a writer" 0 "$levin" stats watched --watch=1 --count 3 --json
wait "$pid"
checks=$((checks + 1))
[ "$(jq -s 'length == 3 and .[0].change == null and .[1].change.checkpoint + .[2].change.checkpoint == .[2].checkpoint - .[0].checkpoint
    and .[2].batches > .[0].batches and .[2].interval_seconds >= 1 and .[2].pages > 0' out)" = true ] || fail "watch sees a writer at work" "$(cat out)"
expect "watch without a store" 3 "$levin" stats none --watch
expect "watch with another form" 2 "$levin" stats options --watch --prometheus
expect "an interval that is none" 2 "$levin" stats options --watch=0
"$levin" stats options --watch >out 2>err &
pid=$!
until [ -s out ] || ! kill -0 "$pid" 2>/dev/null; do :; done
kill -INT "$pid"
wait "$pid"
status=$?
checks=$((checks + 1)); [ "$status" -eq 0 ] || fail "an interrupt is a good end of watch, not $status"
expect "bench" 0 "$levin" bench benched --num 5000 --threads 2 --batch-size 10 --value_size 200 --benchmarks fillseq,overwrite,readrandom,readseq,seekrandom,deleterandom,compact --json
checks=$((checks + 1))
[ "$(jq -s 'map(.benchmark) == ["fillseq", "overwrite", "readrandom", "readseq", "seekrandom", "deleterandom", "compact"] and
    .[0].operations == 5000 and .[0].calls == 500 and .[0].bytes == 5000 * 216 and .[2].found == 5000 and .[3].found == 5000 and
    .[3].bytes == 5000 * 216 and .[4].found == 5000 and all(.p50_ns <= .p99_ns and .p99_ns <= .max_ns)' out)" = true ] || fail "bench does what it says" "$(cat out)"
expect "what it leaves is whole" 0 "$levin" check benched --json
checks=$((checks + 1)); [ "$(jq .keys out)" -lt 5000 ] || fail "deleterandom deletes"
expect "bench does not touch a store that is there" 3 "$levin" bench benched --num 10
expect "unless it is told to" 0 "$levin" bench benched --existing --num 5000 --benchmarks readrandom,overwrite --duration 1 --sync --stats-interval 1 --histogram
says "a line a benchmark" out '^readrandom +: .* us/op; .* k/s; .* p99 '
says "a line an interval" out '^ *seconds +ops/s'
says "a line a bucket" out '^ +[0-9.]+ - +[0-9.]+ us '
expect "a new store for each fill" 0 "$levin" bench filled --num 1000 --benchmarks fillseq,fillrandom --json
checks=$((checks + 1)); [ "$("$levin" scan filled --count)" -lt 1000 ] || fail "fillrandom begins with a new store"
expect "a benchmark that there is not" 2 "$levin" bench --benchmarks fillseq,fast
says "it is named" err "'fast'"
mkdir bench-place
expect "bench in a place of its own" 0 env TMPDIR="$PWD/bench-place" "$levin" bench --num 100 --benchmarks fillseq
checks=$((checks + 1)); rmdir bench-place || fail "bench leaves something behind"
expect "bench without a place" 3 env TMPDIR="$PWD/bench-place" "$levin" bench --num 100 --benchmarks fillseq
says "it says where" err "'.*/bench-place': No such file"
rm -rf benched filled watched

# ---- ranges and keyspaces ----
for i in r1 r2 r3 r4 q1; do "$levin" put ranges "$i" v --create --durability logged || fail "put $i"; done
expect "delete a range" 0 "$levin" delete ranges --from r2 --to r4
expect "scan what is left" 0 "$levin" scan ranges --keys
same "a range is gone" out <(printf 'q1\nr1\nr4\n')
expect "delete a prefix" 0 "$levin" delete ranges --prefix r
expect "count" 0 "$levin" scan ranges --count
same "a prefix is gone" out <(echo 1)
expect "a range and a key" 2 "$levin" delete ranges --prefix r q1
expect "keys that no empty bound may remove" 0 "$levin" put everything kept v --create
for bound in "--prefix=" "--from=" "--to=" "--from= --to=" "--hex --prefix="; do
    read -ra bounds <<<"$bound"
    expect "delete with $bound is refused" 2 "$levin" delete everything "${bounds[@]}"
    says "delete with $bound names --all" err '^levin delete: --(prefix|from|to) is empty: .*--all'
done
expect "nothing is gone" 0 "$levin" get everything kept
expect "all and a range" 2 "$levin" delete everything --all --prefix r
expect "all and a key" 2 "$levin" delete everything --all kept
expect "all in one keyspace" 3 "$levin" delete everything --all --keyspace nosuch
expect "all of them" 0 "$levin" delete everything --all
expect "count after all are gone" 0 "$levin" scan everything --count
is "no key is left" out 0
expect "no keyspaces" 0 "$levin" keyspaces ranges
same "none is listed" out /dev/null
expect "put makes a keyspace" 0 "$levin" put ranges q1 other --keyspace second
expect "make another" 0 "$levin" keyspaces ranges --create first
expect "there is one" 1 "$levin" keyspaces ranges --create first
expect "list" 0 "$levin" keyspaces ranges
same "both are listed" out <(printf 'first\nsecond\n')
expect "get of a keyspace" 0 "$levin" get ranges q1 --keyspace second
same "it is its value" out <(printf other)
expect "get of the default one" 0 "$levin" get ranges q1
same "it is another value" out <(printf v)
expect "no such keyspace" 3 "$levin" get ranges q1 --keyspace third
expect "scan of a keyspace" 0 "$levin" scan ranges --keyspace second
same "its pair" out <(printf 'q1\tother\n')
expect "delete in a keyspace" 0 "$levin" delete ranges q1 --keyspace second
expect "gone there" 1 "$levin" get ranges q1 --keyspace second
printf 'a\t1\nb\t2\nb\t3\n' >pairs.tsv
expect "import into a keyspace" 0 "$levin" import ranges --from pairs.tsv --keyspace imported --json
grep -q '"records":3.*"replaced":1' out || fail "an import into a keyspace counts what was there: $(cat out)"
expect "import makes it" 0 "$levin" keyspaces ranges
same "it is listed" out <(printf 'first\nimported\nsecond\n')
expect "again, over what is there" 0 "$levin" import ranges --from pairs.tsv --keyspace imported --json
grep -q '"records":3.*"replaced":3' out || fail "the second import finds the keys of the first: $(cat out)"
expect "export of a keyspace" 0 "$levin" export ranges --format tsv --keyspace imported --quiet
same "what was imported" out <(printf 'a\t1\nb\t3\n')
expect "export with a prefix" 0 "$levin" export ranges --format tsv --keyspace imported --prefix b --quiet
same "its part" out <(printf 'b\t3\n')
expect "the default one has none of it" 0 "$levin" export ranges --format tsv --quiet
same "its own pair" out <(printf 'q1\tv\n')
"$levin" export ranges --format ndjson --keyspace imported --quiet >pairs.ndjson || fail "export as ndjson"
expect "from one keyspace into another" 0 "$levin" import ranges --from pairs.ndjson --keyspace copied --quiet
expect "export of the copy" 0 "$levin" export ranges --format tsv --keyspace copied --quiet
same "the copy" out <(printf 'a\t1\nb\t3\n')
expect "export of none" 3 "$levin" export ranges --keyspace third
expect "the store's limit holds there too" 3 "$levin" import ranges --from <(printf '%s\tv\n' "$(head -c 4093 /dev/zero | tr '\0' k)") \
    --format tsv --keyspace imported --quiet
expect "an empty name" 3 "$levin" import ranges --from pairs.tsv --keyspace ""
expect "drop what was imported" 0 "$levin" keyspaces ranges --drop imported
printf 'a\t1\nb\t2\nc\t3\n' >sorted.tsv
printf 'a\t1\nc\t2\nb\t3\nd\t4\n' >unsorted.tsv
expect "a sorted import, over what is there" 0 "$levin" import ranges --from sorted.tsv --keyspace copied --sorted --json
grep -q '"records":3,"batches":1.*"complete":true' out || fail "a sorted import is one batch: $(cat out)"
expect "export of it" 0 "$levin" export ranges --format tsv --keyspace copied --quiet
same "what was imported sorted" out sorted.tsv
expect "a key out of order" 3 "$levin" import ranges --from unsorted.tsv --keyspace unsorted --sorted
says "is told" err 'unsorted.tsv:3: .*entry 3, "b", does not come after "c"'
expect "nothing of it is there" 0 "$levin" export ranges --format tsv --keyspace unsorted --quiet
same "nothing" out /dev/null
expect "drop that too" 0 "$levin" keyspaces ranges --drop unsorted
expect "sorted and in batches" 2 "$levin" import ranges --from sorted.tsv --sorted --batch 10
expect "drop the copy" 0 "$levin" keyspaces ranges --drop copied
rm -f pairs.tsv pairs.ndjson
expect "drop" 0 "$levin" keyspaces ranges --drop second
expect "drop again" 1 "$levin" keyspaces ranges --drop second
expect "check after it all" 0 "$levin" check ranges

# ---- scan ----
for i in a1 a2 a3 b1 b2 c1; do "$levin" put s "k$i" "v$i" --durability logged || fail "put $i"; done
scan() { # NAME WANT ARGUMENTS...: the keys, with spaces between
    local name=$1 want=$2
    shift 2
    expect "$name" 0 "$levin" scan s --keys "$@"
    tr '\n' ' ' <out >keys
    is "$name" <(cat keys; echo) "$want "
}
scan "prefix" "ka1 ka2 ka3" --prefix ka
scan "prefix in reverse" "ka3 ka2 ka1" --prefix ka --reverse
scan "from and to" "ka2 ka3" --from ka2 --to kb1
scan "after and through" "ka3 kb1" --after ka2 --through kb1
scan "limit" "ka1 ka2" --prefix k --limit 2
scan "reverse and limit" "kc1 kb2" --prefix k -r -n 2
scan "prefix with bounds" "ka2" --prefix ka --after ka1 --to ka3
expect "an empty range" 0 "$levin" scan s --from x --to y
checks=$((checks + 1)); [ -s out ] && fail "the empty range is not empty"
expect "count" 0 "$levin" scan s --prefix k --count
is "count" out 6
expect "pairs" 0 "$levin" scan s --prefix kb
printf 'kb1\tvb1\nkb2\tvb2\n' >want
same "pairs" out want
expect "escapes" 0 "$levin" scan s --to a
is "escapes" out '\x00\xff\n\\	\xc3'
expect "hex" 0 "$levin" scan s --hex --to 61
is "hex" out '00ff0a5c	c3'
expect "json" 0 "$levin" scan s --json --to a
is "json" out '{"key_base64":"AP8KXA==","value_base64":"ww=="}'
checks=$((checks + 1))
"$levin" scan s --limit 1 >/dev/full 2>err && fail "a full disk under the output goes unnoticed"

# ---- stats, check ----
expect "stats" 0 "$levin" stats s
says "stats" out '^sequence +[0-9]+ '
expect "stats json" 0 "$levin" stats s --json
expect "stats json is JSON" 0 jq -e '.disk_bytes > 0 and .sequence > 0' out
expect "stats prometheus" 0 "$levin" stats s --prometheus
says "stats prometheus" out '^levin_sequence\{store="s"\} [0-9]+$'
says "stats prometheus" out '^levin_write_seconds_bucket\{store="s",durability="synced",le="\+Inf"\} 0$'
expect "stats histograms" 0 "$levin" stats s --histograms
says "stats histograms" out '^write_synced +ns +0 '
expect "stats, two forms" 2 "$levin" stats s --json --prometheus
expect "check" 0 "$levin" check s
says "check" out '^ok$'
expect "check json" 0 "$levin" check s --json
expect "check json is JSON" 0 jq -e '.verdict == "ok" and .faults == 0 and (.fault_list | length) == 0' out
says "check: both meta pages" out '"metas":2,'
cp -r s torn # the older meta page: what a power cut in a checkpoint leaves is no fault, and is told
slot=$("$levin" dump s --meta | awk '/ meta slot=/ { for (i = 1; i <= NF; i++) { if ($i ~ /^slot=/) s = substr($i, 6)
       if ($i ~ /^generation=/) g = substr($i, 12) + 0 } if (best == "" || g < best) { best = g; older = s } } END { print older }')
dd if=/dev/zero of=torn/pages bs=4096 seek="$slot" count=1 conv=notrunc status=none
expect "check of a store with one meta page" 0 "$levin" check torn
says "check: one meta page" out '^metas +1 '
says "check: one meta page is told" out '^the older meta page cannot be read'
cp -r s rotten
checks=$((checks + 1))
pages=$(find rotten -name '*.levin' -size +8k | head -n 1)
[ -n "$pages" ] || pages=$(find rotten -type f -size +8k | sort | head -n 1)
flipped=0
for file in rotten/*; do # damage all over: some byte of it matters
    size=$(stat -c %s "$file")
    for ((at = 17; at < size && at < 400000; at += 509)); do
        printf '\xa5' | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
        flipped=$((flipped + 1))
    done
done
expect "check of a damaged store" 1 "$levin" check rotten
says "the damage is told" out '^fault: .*LEVIN_CORRUPT'
expect "get from a damaged store" 3 "$levin" get rotten ka1
expect "check json of a damaged store" 1 "$levin" check rotten --json
expect "it is JSON" 0 jq -e '.faults > 0 and (.fault_list[0].message | length) > 0
                               and (.fault_list[0].found | test("^0x[0-9a-f]+$"))' out

# ---- formats: round trips with nasty bytes ----
# every byte as key, in a key, and as value; what looks like the formats' own syntax; escapes at the ends; a long value
: >nasty.tsv
for ((i = 0; i < 256; i++)); do
    case $i in
    9) byte='\\t' ;;
    10) byte='\\n' ;;
    92) byte='\\\\' ;;
    *) byte=$(printf '\\x%02x' "$i") ;;
    esac
    printf "k$byte\tv$byte$byte\n" >>nasty.tsv
    printf "$byte\t$byte\n" >>nasty.tsv
done
cat >>nasty.tsv <<'END'
back\\slash\\	\\
\t\t	\n
"quoted"	{"key":1}
Package: x	Field: y\n z\n
utf8 äöü€😀	日本
#comment	#
END
printf ' leading and trailing \t  \nempty\t\n' >>nasty.tsv
awk 'BEGIN { printf "long\t"; for (i = 0; i < 70000; i++) printf "x%d\\n", i; print "" }' >>nasty.tsv
expect "import tsv" 0 "$levin" import t1 --format tsv --from nasty.tsv
says "report" err '^levin import: 521 records in 1 batches'
expect "export tsv" 0 "$levin" export t1 --format tsv
cp out t1.tsv
# the same lines, in the order of the unescaped keys: sort by hex
perl -ne 'chomp; my ($k) = split /\t/; my $u = $k; $u =~ s/\\(.)/$1 eq "t" ? "\t" : $1 eq "n" ? "\n" : "\\"/ge; print unpack("H*", $u), " ", unpack("H*", "$_\n"), "\n"' nasty.tsv |
    LC_ALL=C sort -k1,1 | cut -d' ' -f2 | perl -ne 'chomp; print pack("H*", $_)' >sorted.tsv
same "tsv comes back sorted, byte for byte" t1.tsv sorted.tsv
expect "export ndjson" 0 "$levin" export t1 --format ndjson
cp out t1.ndjson
expect "it is JSON" 0 jq -c . t1.ndjson
expect "import ndjson" 0 "$levin" import t2 --from t1.ndjson
expect "export ndjson again" 0 "$levin" export t2 --format ndjson
same "ndjson comes back byte for byte" out t1.ndjson
expect "export as tsv" 0 "$levin" export t2 --format tsv
same "tsv to ndjson to tsv is the same store" out t1.tsv
expect "deb822 refuses what is no stanza" 3 "$levin" export t2
says "it says which key and what to do" err "key '.*--format ndjson"

printf '{"id":"b","n":2}\n{"n":1,"id":"a"}\n' >lines.ndjson
expect "import whole lines" 0 "$levin" import t3 --from lines.ndjson --whole --key id
expect "export whole lines" 0 "$levin" export t3 --format ndjson --whole
printf '{"n":1,"id":"a"}\n{"id":"b","n":2}\n' >want
same "whole lines" out want
printf '{"name":"x","text":"y","more":[1]}\n' >named.ndjson
expect "import named members" 0 "$levin" import t4 --from named.ndjson --key name --value text
expect "export named members" 0 "$levin" export t4 --format ndjson --key name --value text
is "named members" out '{"name":"x","text":"y"}'
printf 'one\ttwo\tthree\tfour\n' >columns
expect "import columns" 0 "$levin" import t5 --format tsv --from columns --key-column 3 --value-column 1
expect "get by column" 0 "$levin" get t5 three
printf one >want
same "columns" out want

# ---- deb822 ----
cat >control <<'END'
Package: bash
Version: 5.2
Architecture: amd64
Description: shell
 Bourne again
 .
	tab continues
# a comment

Package: abc
version:   1.0
Architecture: all

END
sed -i 's/^version: .*/&  /' control # trailing blanks are no part of a field's text
sed '/^Package: abc/,$d' control >second
sed -n '/^Package: abc/,$p' control >sorted
cat second >>sorted
expect "import deb822" 0 "$levin" import d1 --from control
expect "get a stanza" 0 "$levin" get d1 bash
head -n 8 control >want
same "the value is the stanza" out want
expect "export deb822" 0 "$levin" export d1
same "stanzas come back sorted" out sorted
expect "import several key fields" 0 "$levin" import d2 --from control --key Package,VERSION,architecture
expect "their key" 0 "$levin" scan d2 --keys
printf 'abc/1.0/all\nbash/5.2/amd64\n' >want
same "several key fields" out want
expect "import one field" 3 "$levin" import d3 --from control --value description
says "a stanza without it is malformed" err 'control:10:1: the stanza has no field description'
expect "import one field, skipping" 0 "$levin" import d3 --from control --value description --skip-malformed
expect "get the field" 0 "$levin" get d3 bash
printf 'shell\n Bourne again\n .\n\ttab continues' >want
same "the field with its continuation lines" out want
printf 'Package: a\nV: 1\n\n\n \t\nPackage: b\nV: x\n y' >loose
expect "loose ends" 0 "$levin" import d4 --from loose --value V
expect "get" 0 "$levin" get d4 b
printf 'x\n y' >want
same "continuation" out want

# ---- malformed input: place, nothing half imported, skipping ----
malformed() { # NAME FORMAT TEXT PLACE OPTIONS...
    local name=$1 format=$2 text=$3 place=$4
    shift 4
    printf "$text" >bad
    rm -rf m
    expect "malformed: $name" 3 "$levin" import m --format "$format" --from bad "$@"
    says "malformed: $name: its place" err "^levin import: bad:$place: "
    expect "malformed: $name: whole batches only" 0 "$levin" scan m --count
    is "malformed: $name: whole batches only" out "$kept"
    rm -rf m
    expect "skipped: $name" 0 "$levin" import m --format "$format" --from bad --skip-malformed "$@"
    says "skipped: $name" err '1 malformed ones? skipped'
    expect "skipped: $name: the rest" 0 "$levin" scan m --count
    is "skipped: $name: the rest" out 3
}
kept=2
malformed "no second column" tsv 'a\t1\nb\t2\nc\nd\t3\n' 3:2 --batch 2
malformed "bad escape" tsv 'a\t1\nb\t2\nc\t1\\x\nd\t3\n' 3:4 --batch 2
malformed "empty key" tsv 'a\t1\nb\t2\n\t2\nd\t3\n' 3:1 --batch 2
kept=0
malformed "empty line" tsv 'a\t1\n\nb\t2\nd\t3\n' 2:1
malformed "cut off" ndjson '{"key":"a","value":""}\n{"key":"b","va\n{"key":"c","value":"1"}\n{"key":"d","value":"1"}\n' '2:[0-9]+'
malformed "no object" ndjson '{"key":"a","value":""}\n[]\n{"key":"c","value":"1"}\n{"key":"d","value":"1"}\n' 2:1
malformed "no key" ndjson '{"key":"a","value":""}\n{"value":""}\n{"key":"c","value":"1"}\n{"key":"d","value":"1"}\n' 2:1
malformed "a number" ndjson '{"key":"a","value":""}\n{"key":"b","value":1}\n{"key":"c","value":"1"}\n{"key":"d","value":"1"}\n' 2:1
malformed "bad base64" ndjson '{"key":"a","value":""}\n{"key":"b","value_base64":"AB=="}\n{"key":"c","value":"1"}\n{"key":"d","value":"1"}\n' 2:1
malformed "both forms" ndjson '{"key":"a","value":""}\n{"key":"b","value":"","value_base64":""}\n{"key":"c","value":"1"}\n{"key":"d","value":"1"}\n' 2:1
malformed "no UTF-8" ndjson '{"key":"a","value":""}\n{"key":"b","value":"\xff"}\n{"key":"c","value":"1"}\n{"key":"d","value":"1"}\n' '2:[0-9]+'
malformed "no colon" deb822 'Package: a\n\nPackage: b\nNo colon\nMore: 1\n\nPackage: c\n\nPackage: d\n' 4:3
malformed "continuation first" deb822 'Package: a\n\n x\nPackage: b\n\nPackage: c\n\nPackage: d\n' 3:1
malformed "no key field" deb822 'Package: a\n\nVersion: b\n\nPackage: c\n\nPackage: d\n' 3:1
malformed "key field twice" deb822 'Package: a\n\nPackage: b\nPackage: x\n\nPackage: c\n\nPackage: d\n' 4:1
malformed "empty name" deb822 'Package: a\n\n: b\n\nPackage: c\n\nPackage: d\n' 3:1
malformed "key too long" tsv "a\\t1\\n$(cat longkey)\\t2\\nc\\t3\\nd\\t4\\n" 2:1 --page-size 4K

# ---- duplicates, reports, usage ----
printf 'a\t1\nb\t2\na\t3\nc\t1\nb\t4\n' >twice
expect "duplicates" 0 "$levin" import u --format tsv --from twice --batch 3
says "are counted" err '2 had a key that was there already'
expect "the last one stays" 0 "$levin" get u a
printf 3 >want
same "the last one stays" out want
expect "json report" 0 "$levin" import u --format tsv --from twice --json --batch 2
expect "json report is JSON" 0 jq -e '.records == 5 and .batches == 3 and .replaced == 5 and .complete' out
expect "ack" 0 "$levin" import u --format tsv --from twice --batch 2 --sync --ack
printf '2\n4\n5\n' >want
same "ack counts what is on the device" out want
expect "quiet" 0 "$levin" import u --format tsv --from twice -q
checks=$((checks + 1)); [ -s err ] && fail "quiet is not quiet"
expect "ack without sync" 2 "$levin" import u --ack
expect "an unknown format" 2 "$levin" import u --format csv
expect "a batch of none" 2 "$levin" import u --batch 0
expect "a column of none" 2 "$levin" import u --format tsv --key-column 0
expect "a file that is not there" 3 "$levin" import u --from nowhere
says "it is named" err 'nowhere: No such file'
expect "a directory" 3 "$levin" import u --from .
says "it is named" err 'Is a directory'
expect "nothing at all" 0 "$levin" import u --format tsv
for durability in none logged synced; do
    expect "durability $durability" 0 "$levin" import "w-$durability" --format tsv --from twice --durability "$durability"
    expect "durability $durability holds after the end" 0 "$levin" scan "w-$durability" --count
    is "durability $durability" out 3
done

# ---- Ctrl-C: whole batches stay, and it says how many ----
checks=$((checks + 1))
mkfifo pipe
"$levin" import v --format tsv --batch 2 --sync --ack --from pipe >acks 2>err &
pid=$!
exec 9>pipe
printf 'a\t1\nb\t2\nc\t3\n' >&9
until grep -q 2 acks; do kill -0 "$pid" 2>/dev/null || break; done # the first batch is on the device
kill -INT "$pid"
wait "$pid"
status=$?
exec 9>&-
[ "$status" -eq 130 ] || fail "interrupt: exit $status, not 130"
says "interrupt: report" err 'interrupted: 2 records in 1 batches.*1 of an unfinished batch left out'
expect "interrupt: count" 0 "$levin" scan v --count
is "interrupt: whole batches" out 2

expect "a directory is no input" 3 "$levin" import from-directory --from .
says "and is told so" err 'Is a directory'
checks=$((checks + 1)); [ ! -e from-directory ] || fail "a store was made although nothing can be read"

printf 'Package: commented\nNotes: one\n# aside\n two\nOther: x\n' >commented
expect "a comment within a field" 0 "$levin" import comments --from commented --value Notes -q
{ "$levin" get comments commented; echo; } >out
is "does not end it" out "$(printf 'one\n# aside\n two')"
long=$(printf '%0300d' 0)
printf 'a\xff\tb\n' | "$levin" import long-name --format tsv -q
"$levin" export long-name --format ndjson --key "$long" >long.ndjson
expect "a long name of a member" 0 "$levin" import long-name-again --from long.ndjson --key "$long" -q

# ---- a second process ----
expect "a checkpoint" 0 "$levin" compact v
checks=$((checks + 1))
"$levin" import v --format tsv --batch 1 --sync --ack --from pipe >acks 2>err2 &
pid=$!
exec 9>pipe
printf 'x\t1\n' >&9
until grep -q 1 acks; do kill -0 "$pid" 2>/dev/null || break; done
expect "a second writer is refused" 3 "$levin" put v k v
says "and told why" err LEVIN_LOCKED
expect "beside it others count" 0 "$levin" scan v --count
is "what the newest checkpoint has" out 2
expect "beside it others get" 0 "$levin" get v a
expect "what came later is not there" 1 "$levin" get v x
expect "beside it others check" 0 "$levin" check v
expect "beside it others look at the counters" 0 "$levin" stats v
expect "beside it others export" 0 "$levin" export v --format tsv
is "what the newest checkpoint has" out "$(printf 'a\t1\nb\t2')"
expect "beside it others dump" 0 "$levin" dump v
expect "beside it others look at its health" 0 "$levin" health v
says "health beside a writer: that there is one" out '^beside_writer +1 '
says "health beside a writer: the log is not empty" out '^log_batches +1 '
says "health beside a writer: of what the figures are" out '^another process has it open for writing: .*newest checkpoint, up to batch 1$'
expect "health beside a writer, as JSON" 0 "$levin" health v --check --json
says "health beside a writer, as JSON" out '"verdict":"ok".*"note":"another process .* not verified; .*"beside_writer":1,.*"log_batches":1,'
expect "beside it a backup is taken, and is no success" 1 "$levin" backup v v-beside
says "backup beside a writer: of which state" out 'backed up 2 keys.*up to batch 1,'
says "backup beside a writer: that it is not all" err '^levin backup: v is open for writing: .*newest checkpoint, up to batch 1$'
says "backup beside a writer: what is not in it, and of when it is" err '^  1 batches that its log held before are not in it; its page file was written [0-9]+ s ago$'
expect "unless that is enough" 0 "$levin" backup v v-enough --newest-checkpoint
says "unless that is enough: it says so all the same" err '^  1 batches that its log held before are not in it'
expect "backup beside a writer is whole" 0 "$levin" check v-beside
expect "backup beside a writer" 0 "$levin" export v-beside --format tsv
is "backup beside a writer has what the checkpoint has" out "$(printf 'a\t1\nb\t2')"
"$levin" backup v - --json >v.tar 2>err
status=$?
checks=$((checks + 1)); [ "$status" -eq 1 ] || fail "a stream beside a writer is no success, either"
says "a stream beside a writer: as JSON" err '"sequence":1,"beside_writer":true,"batches_behind":1,"page_file_age_s":[0-9]+}'
mkdir v-tar && tar -C v-tar -xf v.tar
expect "a stream beside a writer is whole" 0 "$levin" check v-tar
expect "a stream beside a writer has what the checkpoint has" 0 "$levin" export v-tar --format tsv
is "a stream beside a writer has what the checkpoint has" out "$(printf 'a\t1\nb\t2')"
rm v/lock
expect "without its lock file a second writer is refused" 3 "$levin" put v k v
says "without its lock file: told why" err 'open elsewhere, and its file "lock" was removed meanwhile.*LEVIN_LOCKED'
expect "without its lock file there is no reader" 3 "$levin" get v a
says "without its lock file: what to do" err 'as `levin compact`$'
expect "without its lock file there is no repair" 3 "$levin" repair v v-repaired
checks=$((checks + 1)); [ ! -e v/lock ] || fail "a lock file is made beside a writer"
exec 9>&-
wait "$pid" || fail "the first writer is disturbed" "$(cat err2)"
expect "the lock file is made anew" 0 "$levin" put v y 1
expect "all is there" 0 "$levin" export v --format tsv
is "all is there, of both writers" out "$(printf 'a\t1\nb\t2\nx\t1\ny\t1')"
expect "health without a writer" 0 "$levin" health v --json
says "health without a writer" out '"note":"","readable":1,"beside_writer":0,.*"log_batches":[1-9]'
expect "a backup without a writer" 0 "$levin" backup v v-alone
checks=$((checks + 1)); [ ! -s err ] || fail "a backup without a writer complains" "$(cat err)"
expect "a backup without a writer has all" 0 "$levin" scan v-alone --count
is "a backup without a writer has all" out 4

# backups while another process writes, in batches of 10: each is a beginning of what it writes, in whole batches
seq -f '%08.0f' 1 40000 | sed 's/$/\tthe value of this key/' >ascending
mkfifo live-pipe
"$levin" import live --format tsv --batch 10 --memtable 64K --from live-pipe -q 2>err2 &
pid=$!
exec 8>live-pipe
cat ascending >&8 &
feeder=$!
until [ -e live/pages ] || ! kill -0 "$pid" 2>/dev/null; do :; done
counts=
for n in 1 2 3 4 5; do
    expect "backup $n of a store that is written" 0 "$levin" backup live "live-$n" --newest-checkpoint
    says "backup $n of a store that is written: that it is not all" err 'is open for writing: '
    expect "backup $n of a store that is written is whole" 0 "$levin" check "live-$n"
    expect "backup $n of a store that is written" 0 "$levin" export "live-$n" --format tsv -q
    count=$(wc -l <out)
    head -n "$count" ascending >want
    same "backup $n has the first $count records" out want
    checks=$((checks + 1)); [ $((count % 10)) -eq 0 ] || fail "backup $n has $count records, which are no batches of 10"
    checks=$((checks + 1)); [ "$count" -ge "${counts##* }" ] 2>/dev/null || [ "$n" -eq 1 ] || fail "backup $n is older than the one before:$counts $count"
    counts="$counts $count"
done
wait "$feeder"
until "$levin" dump live --log | grep -q ' kind=data .* sequence=4000 ' || ! kill -0 "$pid" 2>/dev/null; do :; done # the last batch
"$levin" backup live live-last --json >out 2>err
checks=$((checks + 1))
[ "$(jq -r '.batches_behind + .sequence' out)" = 4000 ] || fail "checkpoint and log have all that was written" "$(cat out err)"
exec 8>&-
wait "$pid" || fail "a writer is disturbed by backups" "$(cat err2)"
checks=$((checks + 1)); [ "${counts##* }" -gt 0 ] || fail "no backup has anything:$counts"
expect "what was written beside backups" 0 "$levin" scan live --count
is "what was written beside backups" out 40000

# ---- all keyspaces, out and in again ----
expect "a key in the default one" 0 "$levin" put many k default --create
expect "a key in another" 0 "$levin" put many k in-users --keyspace users
expect "a key of any bytes" 0 "$levin" put many --hex 00ff0a c3 --keyspace $'tab\there'
expect "one without a key" 0 "$levin" keyspaces many --create empty
expect "a name that is no UTF-8" 0 "$levin" put many a 1 --keyspace $'\xff\xfe'
expect "check counts users' keys" 0 "$levin" check many --json
says "check counts users' keys" out '"keys":[0-4],'
expect "backup counts users' keys" 0 "$levin" backup many many-copy --json
says "backup counts users' keys" out '"keys":4,'
expect "check of all keyspaces" 0 "$levin" check many-copy --json
says "check of all keyspaces" out '"keys":4,"key_bytes":6,"value_bytes":17,'
expect "keyspaces as JSON" 0 "$levin" keyspaces many --json
is "keyspaces as JSON" out '{"keyspace":"empty"}
{"keyspace":"tab\there"}
{"keyspace":"users"}
{"keyspace_base64":"//4="}'
expect "keyspaces as hex" 0 "$levin" keyspaces many --hex
is "keyspaces as hex" out "$(printf '656d707479\n7461620968657265\n7573657273\nfffe')"
expect "a name as hex" 0 "$levin" keyspaces many --hex --create 00ff
expect "a name as hex: that there is" 1 "$levin" keyspaces many -x --create 00ff
expect "a name as hex: dropped" 0 "$levin" keyspaces many --drop 00ff --hex
expect "a name that is no hex" 2 "$levin" keyspaces many --drop 0x --hex
expect "keyspaces: as JSON and hex" 2 "$levin" keyspaces many --json --hex
expect "keyspaces: JSON of a drop" 2 "$levin" keyspaces many --json --drop users
expect "export of all" 0 "$levin" export many --format ndjson --all-keyspaces -q
cp out many.ndjson
is "export of all: as it is written" many.ndjson '{"key":"k","value":"default"}
{"keyspace":"empty"}
{"keyspace":"tab\there"}
{"keyspace":"tab\there","key_base64":"AP8K","value_base64":"ww=="}
{"keyspace":"users"}
{"keyspace":"users","key":"k","value":"in-users"}
{"keyspace_base64":"//4="}
{"keyspace_base64":"//4=","key":"a","value":"1"}'
expect "export of the default one" 0 "$levin" export many --format ndjson
is "export of the default one" out '{"key":"k","value":"default"}'
is "export of the default one: what was left out" err 'levin export: many: 4 named keyspaces were left out; --format ndjson --all-keyspaces takes all, --keyspace NAME takes one'
for words in "--quiet" "--all-keyspaces" "--keyspace users"; do
    read -ra words <<<"$words"
    expect "export with ${words[*]}" 0 "$levin" export many --format ndjson "${words[@]}"
    checks=$((checks + 1)); [ ! -s err ] || fail "export with ${words[*]} tells of keyspaces left out" "$(cat err)"
done
expect "import of all" 0 "$levin" import many-again --from many.ndjson --all-keyspaces --json
says "import of all: counts" out '"records":4,"batches":1,"replaced":0,"skipped":0'
expect "export of the import" 0 "$levin" export many-again --format ndjson --all-keyspaces -q
same "all keyspaces come back" out many.ndjson
expect "import of all over itself" 0 "$levin" import many-again --from many.ndjson --all-keyspaces --json
says "import of all over itself: counts" out '"replaced":4'
seq 1 2000 | sed -E 's/^([0-9]*[02468])$/{"keyspace":"even","key":"\1","value":"v"}/; t; s/(.*)/{"keyspace":"odd","key":"\1","value":"v"}/' >alternating.ndjson
head -n 2 alternating.ndjson >again.ndjson
sed 's/"odd"/"even"/; s/"key":"\(.*\)","v/"key":"same","v/' again.ndjson | cat - again.ndjson >>alternating.ndjson
expect "import of alternating keyspaces" 0 "$levin" import alternating --from alternating.ndjson --all-keyspaces --json
says "import of alternating keyspaces: in whole batches" out '"records":2004,"batches":3,"replaced":3,'
expect "import of alternating keyspaces: each is where it should be" 0 "$levin" scan alternating --keyspace even --count
is "import of alternating keyspaces: each is where it should be" out 1001
expect "import of alternating keyspaces: in the other too" 0 "$levin" scan alternating --keyspace odd --count
is "import of alternating keyspaces: in the other too" out 1000
expect "without the option a keyspace is not looked at" 0 "$levin" import flat --from <(grep '"value' many.ndjson) --format ndjson -q
expect "without the option all go to one" 0 "$levin" keyspaces flat
same "without the option none is made" out /dev/null
for words in "--format tsv" "--format ndjson --whole" "--format ndjson --keyspace users"; do
    read -ra words <<<"$words"
    expect "export of all with ${words[*]}" 2 "$levin" export many --all-keyspaces "${words[@]}"
    says "export of all with ${words[*]}: why not" err 'levin export: .*--all-keyspaces'
    expect "import of all with ${words[*]}" 2 "$levin" import many --all-keyspaces "${words[@]}"
done
expect "import of all, sorted" 2 "$levin" import many --all-keyspaces --sorted --format ndjson
for line in '{"keyspace":""}' "{\"keyspace\":\"$(printf '%0256d' 0)\",\"key\":\"a\",\"value\":\"b\"}" '{"keyspace":1,"key":"a","value":"b"}'; do
    printf '%s\n{"key":"good","value":"1"}\n' "$line" >bad.ndjson
    expect "a name that is none" 3 "$levin" import bad-names --from bad.ndjson --all-keyspaces
    says "a name that is none: where" err 'bad.ndjson:1:1: .*keyspace'
    expect "a name that is none, passed over" 0 "$levin" import bad-names --from bad.ndjson --all-keyspaces --skip-malformed --json
    says "a name that is none is counted" out '"records":1.*"skipped":1'
    expect "a name that is none makes none" 0 "$levin" keyspaces bad-names
    same "a name that is none makes none" out /dev/null
done

# ---- what is told of a wrong place, page, key ----
told() { # what, status, expression, arguments...
    local what=$1 status=$2 expression=$3
    shift 3
    expect "$what" "$status" "$levin" "$@"
    says "$what: says so" err "$expression"
}
"$levin" create told --page-size 4K
told "a file for a store" 3 '"ascending" is not a directory: a store is one' get ascending k
told "a file for a store, to be made" 3 '"ascending" is not a directory: a store is one' create ascending
told "a file for a store, to be dumped" 3 '"ascending" is not a directory: a store is one' dump ascending
told "a store in a directory that is not there" 3 'the directory that is to hold "no/such" is not there' create no/such
told "a backup in a directory that is not there" 3 'the directory that is to hold "no/such" is not there' backup told no/such
told "a backup that is not there" 3 'there is no store in "nowhere" \[LEVIN_NO_STORE\]$' restore nowhere new
checks=$((checks + 1)); grep -q 'levin create' err && fail "restore of nothing wants a store to be created"
mkdir half && : >half/lock && : >half/pages.unfinished
told "an unfinished backup" 3 'holds an unfinished backup: take it again, in an empty directory' get half k
checks=$((checks + 1)); grep -q 'levin create' err && fail "an unfinished backup wants a store to be created"
expect "dump of a meta page" 0 "$levin" dump told --page 0
says "dump of a meta page: what it is" out '^pages@0 meta slot=0 generation='
checks=$((checks + 1)); [ "$(wc -l <out)" -eq 1 ] || fail "dump of a meta page shows more" "$(cat out)"
expect "dump of the other" 0 "$levin" dump told --page 1
says "dump of the other: what it is" out '^pages@4096 meta slot=1 generation='
cp -r told told-bad && printf x | dd of=told-bad/pages bs=1 seek=20 conv=notrunc 2>/dev/null
expect "dump of a damaged meta page" 1 "$levin" dump told-bad --page 0
says "dump of a damaged meta page: says so" out '^pages@0 meta slot=0 DAMAGED: '
printf x | dd of=told-bad/pages bs=1 seek=4116 conv=notrunc 2>/dev/null
expect "dump of pages without a meta page" 1 "$levin" dump told-bad --pages
says "dump of pages without a meta page: why there are none" out '^pages@4096 meta slot=1 DAMAGED: '

# ---- compact, backup, restore, repair, dump ----
printf 'a\t1\nb\t2\nc\t3\n' >three
"$levin" import z --format tsv --from three -q
expect "compact" 0 "$levin" compact z
says "compact: counts" out '^pages_after '
expect "compact --end" 0 "$levin" compact z --end --json
says "compact --json" out '"rounds":[0-9]'
says "compact --json: the value log" out '"segments_collected":0'
expect "compact --live-percent of too much" 2 "$levin" compact z --live-percent 101
for n in 1 2 3 4 5 6; do head -c 20000 /dev/urandom | base64 -w0 | sed "s/^/k$n\t/"; echo; done >six-large
by_hand="--option value_log_segment_bytes=64K --option value_log_live_percent=0" # nothing in the background
# shellcheck disable=SC2086
expect "large values" 0 "$levin" import lv --format tsv --from six-large -q $by_hand
# shellcheck disable=SC2086
expect "and another segment" 0 "$levin" import lv --format tsv --from six-large -q $by_hand
# shellcheck disable=SC2086
expect "garbage" 0 "$levin" delete lv k1 k2 k3 k5 $by_hand
expect "compact without the value log" 0 "$levin" compact lv --live-percent 0 --json --option value_log_live_percent=0
says "compact without the value log: nothing" out '"segments_collected":0'
expect "compact with it" 0 "$levin" compact lv --json --option value_log_live_percent=0
says "compact: segments are gone" out '"segments_collected":[1-9]'
expect "the values that stay" 0 "$levin" check lv
expect "compact of nothing" 3 "$levin" compact nowhere
expect "backup" 0 "$levin" backup z z-copy
says "backup: report" out 'backed up 3 keys'
expect "a backup is whole" 0 "$levin" check z-copy
expect "a backup has the pairs" 0 "$levin" export z-copy --format tsv
same "a backup has the pairs" out three
expect "nothing is overwritten" 3 "$levin" backup z z-copy
says "and it says so" err LEVIN_EXISTS
"$levin" backup z - >z.tar 2>err || fail "backup to a stream" "$(cat err)"
says "backup to a stream: report" err 'backed up 3 keys'
mkdir z-tar && tar -C z-tar -xf z.tar
expect "an unpacked archive is whole" 0 "$levin" check z-tar
expect "an unpacked archive has the pairs" 0 "$levin" export z-tar --format tsv
same "an unpacked archive has the pairs" out three
expect "restore" 0 "$levin" restore z-copy z-back --json
says "restore: report" out '"keys":3'
expect "restore overwrites nothing" 3 "$levin" restore z-copy z-back
expect "a restored store" 0 "$levin" export z-back --format tsv
same "a restored store has the pairs" out three
expect "repair of a whole store" 0 "$levin" repair z z-new
says "repair: report" out 'salvaged 3 keys.* 0 losses'
cp -r z z-bad
leaf=$("$levin" dump z --pages | sed -n 's/^pages@\([0-9]*\) page .*use=tree type=leaf.*/\1/p' | head -n 1)
printf 'damage' | dd of=z-bad/pages bs=1 seek=$((leaf + 80)) conv=notrunc 2>/dev/null
expect "check of a damaged store" 1 "$levin" check z-bad
expect "a damaged store has no backup" 3 "$levin" backup z-bad z-none
checks=$((checks + 1)); [ ! -e z-none/pages ] || fail "a backup with damage"
expect "repair with losses" 1 "$levin" repair z-bad z-less
says "the loss is listed" out "lost keys: page .* keys from '' on"
expect "repair with losses, as JSON" 1 "$levin" repair z-bad z-json --json
says "the loss is listed" out '"lost":"keys"'
expect "what was salvaged is whole" 0 "$levin" check z-less
expect "no repair over something" 3 "$levin" repair z-bad z-less

# ---- where a store may be made, and what stays of one that was not ----
for command in "backup z" "restore z-copy" "repair z"; do
    read -ra words <<<"$command"
    expect "$command into itself" 3 "$levin" "${words[@]}" "${words[1]}/inner"
    says "$command into itself: says so" err "^levin ${words[0]}: .*/inner would be inside the store "
    expect "$command into another store" 3 "$levin" "${words[@]}" z-back/inner/
    checks=$((checks + 1)); [ -z "$(ls -d "${words[1]}"/inner* z-back/inner* 2>/dev/null)" ] || fail "$command makes something inside a store"
done
ln -s z z-link
expect "backup into itself by a link" 3 "$levin" backup z z-link/inner
mkdir z/deep
expect "backup deeper into itself" 3 "$levin" backup z "$PWD/z/deep/inner"
expect "backup into an empty directory inside" 3 "$levin" backup z z/deep
(cd z && "$levin" backup . inner) >out 2>&1 && fail "backup into the working directory, which is the store"
rmdir z/deep
expect "create inside a store" 3 "$levin" create z/inner
expect "import inside a store" 3 "$levin" import z/inner --format tsv --from three
mkdir strange && echo mine >strange/letter
expect "create beside a stranger's files" 3 "$levin" create strange
says "create beside a stranger's files: names one" err "strange is not empty, it has 'letter'"
expect "import beside a stranger's files" 3 "$levin" import strange --format tsv --from three
expect "put beside a stranger's files" 3 "$levin" put strange k v --create
is "nothing was made there" <(ls strange) letter
mkdir -p fresh/lost+found
expect "create in the root of a file system" 0 "$levin" create fresh
expect "create in a store says that it is one" 3 "$levin" create fresh
says "create in a store says that it is one" err LEVIN_EXISTS
cat >three-large <<END
$(for n in 1 2 3; do printf 'k%s\t%s\n' "$n" "$(head -c 200000 /dev/zero | tr '\0' x)"; done)
END
"$levin" import big-values --format tsv --from three-large -q --option value_log_threshold_bytes=0
cramped() { # a command, its files no longer than 64 KiB
    (trap '' XFSZ && ulimit -f 64 && "$@" 2>&1) >out </dev/null
}
for command in "create cramped" "import cramped --format tsv --from three" "put cramped k v --create" "repair big-values cramped" "backup big-values cramped" "restore big-values cramped"; do
    read -ra words <<<"$command"
    cramped "$levin" "${words[@]}"
    status=$?
    checks=$((checks + 1)); [ "$status" -eq 3 ] || fail "$command without room: exit $status" "$(cat out)"
    checks=$((checks + 1)); [ -z "$(ls -d cramped* 2>/dev/null)" ] || fail "$command without room leaves something" "$(ls -R cramped*)"
    rm -rf cramped cramped.unfinished
done
mkdir cramped
cramped "$levin" create cramped
checks=$((checks + 1)); [ -z "$(ls -A cramped 2>&1)" ] || fail "create without room leaves something in a directory that was there" "$(ls cramped)"
"$levin" backup z - >/dev/full 2>err && fail "a backup to a full device"
is "a backup to a full device: one message" err "levin backup: z: writing the backup failed: No space left on device [LEVIN_NO_SPACE]
  make room, then try again: nothing acknowledged was lost"
expect "dump" 0 "$levin" dump z --meta --log
says "dump: meta" out '^pages@4096 meta slot=1 generation='
says "dump: log" out '^wal-[0-9a-f]*@512 group kind='
expect "dump of cells" 0 "$levin" dump z --cells
says "dump: cells" out "cell=1 key='b' value_bytes=1 value='2'"
expect "dump of damage" 1 "$levin" dump z-bad --pages --json
says "the damage is marked" out "\"offset\":$leaf,.*\"fault\":\"page "
expect "dump of a page that is not there" 3 "$levin" dump z --page 99999
expect "dump of nothing" 3 "$levin" dump nowhere

# ---- closed standard descriptors: what is printed is lost, and goes into no file of the store ----
expect "a store for closed descriptors" 0 "$levin" create closed
expect "and a key" 0 "$levin" put closed kept value
printf value >closed-value
without() { # NAME STATUS COMMAND...: as expect, the command says which descriptors it closes
    expect "$1" "$2" bash -c "$3" bash "$levin"
    expect "$1: the store is whole" 0 "$levin" check closed
    expect "$1: the key is there" 0 "$levin" get closed kept
    same "$1: it is the right one" out closed-value
    checks=$((checks + 1))
    ! grep -aqE 'levin|kept.*value|no such key|usage|pages' closed/lock || fail "$1: it printed into the store" "$(head -c 300 closed/lock)"
}
without "delete without 0 and 2" 1 '"$1" delete closed no{1..600} 0<&- 2>&-'
without "delete without 0, 1 and 2" 1 '"$1" delete closed no{1..600} 0<&- 1>&- 2>&-'
without "put without 2" 0 '"$1" put closed kept value --verbose 2>&-'
without "scan without 1" 3 '"$1" scan closed 1>&-'
without "compact without any" 3 '"$1" compact closed 0<&- 1>&- 2>&-'
expect "import from a closed descriptor" 3 bash -c '"$1" import closed --format tsv 0<&-' bash "$levin"

finish
