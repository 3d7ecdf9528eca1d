#!/bin/bash
# Proof that the fuzzers can fail: each bug of fuzz/planted/ is put into a scratch copy of the tree, and each fuzzer must find it,
# starting from the seed corpus, with most of its seeds.
#   TIME=seconds for each bug, fuzzer and seed (default 120), of the processor    SEEDS=n (default 5), from SEED (default 1) on
#   FUZZER='libfuzzer afl'    ONLY=word: only the bugs with that word in their name
# Found means: the input that the fuzzer leaves is not empty, fails in the patched tree, and does not in this one.
# Each trial is a line of build/fuzz-planted/results.csv, and what stands there is not done again: a run that was stopped goes on, one
# after other TIME or with a changed patch does what is new.  Ends with a table: the median, and the seconds of each seed.
# Seconds are those of the processor, so that a busy machine changes little.
# A patch begins with prose and a line "Target: NAME".  Exit: 0 all found, 1 one survived, 2 usage, 3 a patch does not apply or
# build, or a fuzzer did not run.
set -u

cd "$(dirname "$0")/.." || exit 3
limit=${TIME:-120} seeds=${SEEDS:-5} first=${SEED:-1} only=${ONLY:-}
read -ra fuzzers <<<"${FUZZER:-libfuzzer afl}"
make=${MAKE:-make}
scratch=$PWD/build/fuzz-planted
results=$scratch/results.csv
usage() { echo "planted.sh: $1" >&2; exit 2; }
# run.sh knows what else is right
fuzz/run.sh --check fuzz_open_image "${fuzzers[*]}" "$limit" || exit 2
[[ $seeds =~ ^[1-9][0-9]?$ ]] || usage "$seeds seeds"
[[ $first =~ ^[0-9]{1,8}$ ]] || usage "a seed of $first"
mkdir -p "$scratch" || exit 3
touch "$results"

key() { sha1sum "$1" | cut -c1-12; } # of a patch
# patch, fuzzer, seed: its lines of results.csv.  bug,key,fuzzer,seed,limit,seconds (empty: survived),revision,what broke
known() {
    grep -F "$(basename "$1" .patch),$(key "$1"),$2,$3," "$results" |
        awk -F, -v limit="$limit" '$5 == limit || ($6 != "" && $6 <= limit)' | tail -n 1
}

is_seed() { # patched tree, target, input
    find "$1/build/fuzz/seeds/$2" -type f -exec sha1sum {} + | grep -q "^$(sha1sum <"$1/$3" | cut -c1-40)"
}
# An input, or none, as run.sh names it: what the bug breaks with it; nothing when that proves nothing.
proof() { # patched tree, target, input
    local log=$1/replay.log
    [ -n "$3" ] && [ -s "$1/$3" ] || return 1
    timeout 60 "build/fuzz/libfuzzer/fuzz/replay_$2" "$1/$3" >"$log" 2>&1 || return 1
    if { (cd "$1" && timeout 60 "build/fuzz/replay_$2" "$3") >"$log" 2>&1; } 2>/dev/null; then
        return 1
    fi
    ! is_seed "$@" || printf 'a seed: '
    grep -am 1 -E 'broken promise|ERROR: |runtime error' "$log" | sed 's/^.*\(broken promise\|ERROR: \|runtime error: \)/\1/' | tr , ';' |
        cut -c1-110 | grep . || echo "no end within 60 s"
}

build() { # tree, target, patch
    local built
    mkdir -p "$1"
    cp -a engine faults fuzz ci Makefile "$1/" || exit 3
    # what the patch does not change is not compiled again
    for built in fuzz/libfuzzer fuzz/afl release; do
        [ -d "build/$built" ] || continue
        mkdir -p "$1/build/$built"
        cp -a "build/$built/obj" "build/$built"/*.a "$1/build/$built/" 2>/dev/null
        [ ! -d "build/$built/schedule" ] || cp -a "build/$built/schedule" "$1/build/$built/"
    done
    if ! patch -s -d "$1" -p1 --fuzz=0 -f <"$3" >"$1/patch.log" 2>&1; then
        echo "$3 no longer applies:" >&2
        cat "$1/patch.log" >&2
        exit 3
    fi
    if ! { $make -s -C "$1" NO_DEPS=1 CFLAGS=-Wno-unused VARIANT=libfuzzer "build/fuzz/libfuzzer/$2" \
        "build/fuzz/libfuzzer/fuzz/replay_$2" build/fuzz/libfuzzer/fuzz/make_seeds &&
        { [[ " ${fuzzers[*]} " != *" afl "* ]] || build_afl "$@"; }; } >"$1/build.log" 2>&1; then
        echo "$3: the patched tree does not build:" >&2
        tail -n 20 "$1/build.log" >&2
        exit 3
    fi
}
build_afl() {
    AFL_QUIET=1 $make -s -C "$1" NO_DEPS=1 CFLAGS=-Wno-unused VARIANT=afl "build/fuzz/afl/$2" &&
        $make -s -C "$1" NO_DEPS=1 VARIANT=release "build/release/fuzz/mutator_$2.so"
}

trial() { # tree, target, patch, fuzzer, seed
    local log=$1/$4.log seconds='' what='' input
    rm -rf "$1/build/fuzz/corpus" "$1/build/fuzz/crashes"
    SEED=$5 CLOCK=cpu "$1/fuzz/run.sh" "$2" "$4" "$limit" >"$log" 2>&1
    case $? in
    0) what=survived ;;
    1)
        input=$(sed -n "s|^    build/fuzz/replay_$2 ||p" "$log" | head -n 1)
        if what=$(proof "$1" "$2" "$input"); then
            seconds=$(awk -v f="$4" '$2 == f { print $4 }' "$log" | tail -n 1)
        else
            what='not proven: the input is empty; does not fail again; or fails without the bug too'
        fi
        ;;
    *)
        echo "$3: $4 did not run:" >&2
        tail -n 5 "$log" >&2
        exit 3
        ;;
    esac
    echo "$(basename "$3" .patch),$(key "$3"),$4,$5,$limit,$seconds,$(git rev-parse --short HEAD 2>/dev/null),$what" | tee -a "$results" >&2
}

patches=()
for patch in fuzz/planted/*.patch; do
    [[ -n $only && $patch != *"$only"* ]] || patches+=("$patch")
done
[ ${#patches[@]} -gt 0 ] || usage "no bug has \"$only\" in its name"
for patch in "${patches[@]}"; do
    target=$(sed -n 's/^Target: *//p' "$patch" | head -n 1)
    dir=$scratch/$(basename "$patch" .patch) made=
    for ((seed = first; seed < first + seeds; seed++)); do
        for fuzzer in "${fuzzers[@]}"; do
            [ -z "$(known "$patch" "$fuzzer" "$seed")" ] || continue
            if [ -z "$made" ]; then
                rm -rf "$dir"
                build "$dir" "$target" "$patch"
                made=yes
            fi
            trial "$dir" "$target" "$patch" "$fuzzer" "$seed"
        done
    done
    [ -z "$made" ] || rm -rf "$dir/build"
done

survived=0
printf '%-36s %-16s %-10s %8s  %-26s %s\n' bug target fuzzer median 'each seed' 'what broke'
for patch in "${patches[@]}"; do
    for fuzzer in "${fuzzers[@]}"; do
        lines=$(for ((seed = first; seed < first + seeds; seed++)); do known "$patch" "$fuzzer" "$seed"; done)
        each=$(awk -F, -v limit="$limit" '{ print $6 == "" ? ">" limit : $6 }' <<<"$lines")
        median=$(sort -t'>' -k2,2n -k1,1n <<<"$each" | sed -n "$(((seeds + 1) / 2))p")
        [[ $median != ">"* ]] || survived=$((survived + 1))
        target=$(sed -n 's/^Target: *//p' "$patch" | head -n 1)
        printf '%-36s %-16s %-10s %8s  %-26s %s\n' "$(basename "$patch" .patch)" "$target" "$fuzzer" "$median" \
             "$(paste -sd' ' <<<"$each")" "$(awk -F, '$6 != "" { print $8; exit }' <<<"$lines")"
    done
done
[ "$survived" -eq 0 ]
