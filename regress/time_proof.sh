#!/bin/bash
# The proof of the time tier: how often it cries wolf over code that is the same, and which slowdowns it sees.
#
#   time_proof.sh [--shard i/n] [--seconds S] [--false N] [--gates N] [--power N] [--only REGEX] [RESULTS]
#   time_proof.sh --table RESULTS...
#
# Each decision is a run of levin-gate over one workload; its line is appended to RESULTS (build/gate/proof/results.csv), and
# what stands there is not done again, so that a proof goes on where it was stopped.  --shard does every nth decision, from
# the ith on, 1 being the first; several results are read together.  S: begin no further decision after so many seconds.
#
# Identical code (N decisions, 300; 1000 are asked for in a release): as the machine is; beside a busy loop that comes and goes on
# one processor; and layout-only variants: other orders of objects, padding before each object's functions, the functions of
# each object the other way round.  Whole gates: N (30) over all the workloads here.  Power: slowdowns of 1, 2, 5 and 10 % and cache misses
# in put, get, scan, checkpoint and recovery, N decisions each (20).
set -eu -o pipefail

cd "$(dirname "$0")/.."
shard=0 shards=1 seconds=0 false_alarms=300 gates=30 power=20 only=.
results=build/gate/proof/results.csv
die() {
    echo "time_proof: $*" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case $1 in
    --shard)
        [[ $2 =~ ^([1-9][0-9]*)/([1-9][0-9]*)$ ]] || die "--shard i/n"
        ((BASH_REMATCH[1] <= BASH_REMATCH[2])) || die "--shard i/n, i from 1 to n"
        shard=$((BASH_REMATCH[1] - 1)) shards=${BASH_REMATCH[2]}
        shift 2
        ;;
    --seconds) seconds=$2 && shift 2 ;;
    --false) false_alarms=$2 && shift 2 ;;
    --gates) gates=$2 && shift 2 ;;
    --power) power=$2 && shift 2 ;;
    --only) only=$2 && shift 2 ;;
    --table) break ;;
    -*) die "no such option: $1" ;;
    *) results=$1 && shift ;;
    esac
done
if [ "${1:-}" = --table ]; then
    shift
    exec build/release/bin/levin-gate --tally="$(IFS=, && echo "${*:-$results}")"
fi

# ---- builds, kept by what the sources are ----
unset MAKEFLAGS MFLAGS MAKELEVEL
sources=$(git ls-files engine faults regress Makefile | grep -v -E '_test\.|README|\.1$' | xargs cat | cksum | cut -d ' ' -f 1)
proof=$PWD/build/gate/proof
tree=$proof/tree-$sources
layout=-falign-functions=64
mkdir -p "$proof" "$(dirname "$results")"
exec 9>"$proof/lock"
flock 9 # one shard builds, the others find it built
make_in_tree() { # directory, targets...
    local B=$1
    shift
    make --no-print-directory -C "$tree" NO_DEPS=1 VARIANT=release CC="${CC:-cc}" B="$B" CFLAGS="$layout $extra" \
        LDFLAGS=-Wl,--strip-debug "$@" >"$proof/make.log" 2>&1 || { tail -n 20 "$proof/make.log" >&2; exit 3; }
}
hook() { # file, line before which it goes: exactly one
    [ "$(grep -c -E "$2" "$tree/$1")" = 1 ] || { echo "time_proof: no place for the slowdown in $1" >&2; exit 3; }
    sed -i -E "0,/^#include/s//#include \"proof_work.h\"\n#include/; s~$2~    proof_work();\n&~" "$tree/$1"
}
extra=
if [ ! -e "$tree/built" ]; then
    rm -rf "$proof"/tree-*
    mkdir -p "$tree"
    git ls-files -z engine faults regress Makefile ci | xargs -0 cp --parents -p -t "$tree"
    cp regress/proof_work.h "$tree/engine"
    make_in_tree "$tree/plain" "$tree/plain/sides/0.so" "$tree/plain/bin/levin-gate"
    # the same code elsewhere: nops before the functions of each object
    extra="-include $tree/pad.h"
    printf '%s\n' '__asm__(".pushsection .text\n.fill 200, 1, 0x90\n.popsection\n");' >"$tree/pad.h"
    make_in_tree "$tree/padded" "$tree/padded/sides/0.so"
    # ... and the functions of each object the other way round, by the linker, so that the compiler has no say in it
    extra=-ffunction-sections
    make_in_tree "$tree/sections" "$tree/sections/liblevin.a"
    mkdir -p "$tree/reversed.o"
    (cd "$tree/reversed.o" && ar x ../sections/liblevin.a && for object in *.o; do
        {
            echo 'SECTIONS { .text : {'
            objdump -h "$object" | awk '$2 ~ /^\.text\./ && $2 !~ /^\.text\.unlikely/ { print "*(" $2 ")" }' | tac
            echo '*(.text .text.*) } }'
        } >order.ld
        ld -r -T order.ld "$object" -o "reversed-$object" && mv "reversed-$object" "$object"
    done && ar rcs ../reversed.a ./*.o)
    extra=
    mkdir -p "$tree/orders"
    for i in $(seq 0 23); do ln -s "$tree/plain/sides/$(((i + 7) % 24)).so" "$tree/orders/$i.so"; done
    hook engine/write_one.c '^    levin_code code = batch_append\(&batch, ks, kind,.*'
    hook engine/read.c '^    if \(__builtin_expect\(!row_key_is_middle\(key_bytes\), 0\)\)$'
    hook engine/iter.c '^    const levin_iter_options \*o = options \? options : &all;$'
    hook engine/checkpoint.c '^    levin_code code = checkpoint_drive\(store, &error\); .*'
    hook engine/open.c '^    if \(!options\) \{$'
    touch "$tree/built"
fi

link_around() { # directory, archive of an engine
    # shellcheck disable=SC2086,SC2046 # a compiler with a launcher; words
    (cd "$tree" && regress/link_sides.sh "$1" 24 "$2" "$tree/plain/libfaults.a" \
        $(find "$tree/plain/obj/side" -name '*.o') -- ${CC:-cc} -shared -fPIC -pthread -Wl,-Bsymbolic -Wl,-z,now \
        -Wl,--version-script=regress/side.map -Wl,--strip-debug \
        $(printf -- '-Wl,--wrap=%s ' malloc calloc realloc aligned_alloc free))
}
[ -e "$tree/reversed/23.so" ] || link_around "$tree/reversed" "$tree/reversed.a"
# slowed NAME FILE FLAGS: links whose engine has one object compiled with FLAGS
slowed() {
    local out=$tree/$1 file=$2 flags=$3
    [ ! -e "$out/23.so" ] || return 0
    rm -rf "$out.a"
    cp "$tree/plain/liblevin.a" "$out.a"
    mkdir -p "$out.o"
    # shellcheck disable=SC2086 # a compiler with a launcher; flags are words
    (cd "$tree" && ${CC:-cc} -D_GNU_SOURCE -std=c11 -O2 -g -DNDEBUG -fPIC -fvisibility=hidden -pthread $layout $flags -c "engine/$file.c" \
        -o "$out.o/$file.o") && ar r "$out.a" "$out.o/$file.o"
    link_around "$out" "$out.a"
}
gate=$tree/plain/bin/levin-gate

# site -> file, workload, calls of the hook in a slice, how often it waits
sites='put:write_one:put:1000:64 get:read:get-page:8000:64 scan:iter:scan:4:1 checkpoint:checkpoint:checkpoint:1:1
recovery:open:recovery:1:1'
for site in $sites; do
    IFS=: read -r name file workload calls every <<<"$site"
    [ ! -e "$tree/miss-$name/23.so" ] || continue
    ns=$(for i in 0 1 2; do "$gate" --run=slices --base-sides="$tree/plain/sides/$i.so" --now-sides="$tree/plain/sides/$i.so" \
        --workloads="$workload" | cut -d ' ' -f 6; done | sort -n | sed -n 2p)
    for percent in 1 2 5 10; do
        slowed "$name-$percent" "$file" "-DPROOF_PS=$((ns * percent * 10 / calls)) -DPROOF_EVERY=$every"
    done
    slowed "miss-$name" "$file" -DPROOF_MISS
done
flock -u 9

# ---- decisions ----
[ -e "$results" ] || : >"$results"
begun=$SECONDS
number=0
busy=
stop_busy() {
    [ -z "$busy" ] || kill -- "-$busy" 2>/dev/null || true
    busy=
}
trap stop_busy EXIT
trap 'exit 130' INT TERM
start_busy() { # a loop on one processor that comes and goes
    set -m
    (
        cpu=$(taskset -cp $$ | sed -E 's/.*[ ,-]//')
        while :; do
            taskset -c "$cpu" timeout 0.7 sh -c 'while :; do :; done' || true
            sleep 0.5
        done
    ) >/dev/null 2>&1 9>&- &
    busy=$!
    set +m
}
decide() { # group, name, directory of the other side, workloads, seed
    local key="$1,$2,$4,$5" begin status line
    number=$((number + 1))
    [[ $1,$2 =~ $only ]] || return 0
    ((number % shards == shard)) || return 0
    ((seconds == 0 || SECONDS - begun < seconds)) || return 0
    ! grep -q -F -x -e "$key" <(cut -d , -f 1-4 "$results") || return 0
    begin=$(date +%s%N)
    status=0
    line=$("$gate" --base-sides="$tree/plain/sides" --now-sides="$3" --workloads="${4//+/,}" --seed="$5" --json 2>>"$proof/errors.log") || status=$?
    [ "$status" -le 1 ] || { echo "time_proof: a decision failed with exit code $status" >&2; tail -n 3 "$proof/errors.log" >&2; exit 3; }
    jq -r --arg key "$key" --arg s "$((($(date +%s%N) - begin) / 1000000))" --arg load "$(cut -d ' ' -f 1 /proc/loadavg)" \
        '[$key, (if .time.slower > 0 then "SLOWER" elif .time.undecided > 0 then "undecided" elif any(.time.workloads[]; .verdict == "faster") then "faster" else "same" end),
          ([.time.workloads[].change_percent] | add / length), $s, $load, ([.time.workloads[] | select(.verdict == "SLOWER") | .workload] | join("+"))] | join(",")' <<<"$line" >>"$results"
}
alarm_works=(put get-row get-page scan-short checkpoint recovery load put-synced get-memtable reopen)
i=0
while ((i < false_alarms)); do # in turn, so that a proof cut short has a part of each
    w=${alarm_works[$((i / 5 % ${#alarm_works[@]}))]}
    case $((i % 5)) in
    0) decide identical quiet "$tree/plain/sides" "$w" "$((i + 1))" ;;
    1)
        start_busy
        decide identical busy "$tree/plain/sides" "$w" "$((i + 1))"
        stop_busy
        ;;
    2) decide identical padding "$tree/padded/sides" "$w" "$((i + 1))" ;;
    3) decide identical functions "$tree/reversed" "$w" "$((i + 1))" ;;
    4) decide identical objects "$tree/orders" "$w" "$((i + 1))" ;;
    esac
    # the others beside them
    if ((i % 10 == 0 && i / 10 < gates)); then
        variants=(plain/sides padded/sides reversed orders)
        v=${variants[$((i / 10 % 4))]}
        decide gates all "$tree/$v" load+put-synced+get-row+scan-short+checkpoint+recovery "$((i / 10 + 1))"
    fi
    if ((i * power / false_alarms != (i + 1) * power / false_alarms)); then
        for site in $sites; do
            IFS=: read -r name _ workload _ <<<"$site"
            for what in "$name-1" "$name-2" "$name-5" "$name-10" "miss-$name"; do
                decide slowed "$what" "$tree/$what" "$workload" "$((i + 1))"
            done
        done
    fi
    i=$((i + 1))
done
"$PWD/build/release/bin/levin-gate" --tally="$results"
