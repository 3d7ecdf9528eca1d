#!/bin/bash
# Proof that the fuzzers can fail: each decoder bug of fuzz/planted/ is put into a scratch copy of the tree, and each fuzzer must find
# it, starting from the seed corpus.
#   TIME=seconds for each bug and fuzzer (default 300)    SEED=n of the fuzzers (default 1)
#   FUZZER='libfuzzer afl'    ONLY=word: only the bugs with that word in their name
# Found means: the input that the fuzzer leaves is not empty, fails in the patched tree, and does not in this one.
# A patch begins with prose and a line "Target: NAME".  Exit: 0 all found, 1 one survived, 2 usage, 3 a patch does not apply or
# build, or a fuzzer did not run.
set -u

cd "$(dirname "$0")/.." || exit 3
limit=${TIME:-300} only=${ONLY:-}
export SEED=${SEED:-1}
read -ra fuzzers <<<"${FUZZER:-libfuzzer afl}"
make=${MAKE:-make}
scratch=$PWD/build/fuzz-planted
survived=0 bugs=0

# An input, or none, as run.sh names it: what the bug breaks with it; nothing when that proves nothing.
proof() { # patched tree, target, input
    local log=$1/replay.log
    [ -n "$3" ] && [ -s "$1/$3" ] || return 1
    timeout 60 "build/fuzz/libfuzzer/fuzz/replay_$2" "$1/$3" >"$log" 2>&1 || return 1
    if { (cd "$1" && timeout 60 "build/fuzz/replay_$2" "$3") >"$log" 2>&1; } 2>/dev/null; then
        return 1
    fi
    grep -am 1 -E 'broken promise|ERROR: |runtime error' "$log" | cut -c1-90
}

row() { printf '%-36s %-10s %8s  %s\n' "$@"; }
# run.sh knows what is right
fuzz/run.sh --check fuzz_open_image "${fuzzers[*]}" "$limit" || exit 2
row bug fuzzer seconds 'what broke'
for patch in fuzz/planted/*.patch; do
    name=$(basename "$patch" .patch)
    target=$(sed -n 's/^Target: *//p' "$patch" | head -n 1)
    [[ -n $only && $name != *"$only"* ]] && continue
    bugs=$((bugs + 1))
    dir=$scratch/$name
    rm -rf "$dir"
    mkdir -p "$dir/build/fuzz" "$dir/build/release"
    cp -a engine faults fuzz ci Makefile "$dir/" || exit 3
    # what the patch does not change is not compiled again
    for built in fuzz/libfuzzer fuzz/afl release/fuzz release/obj; do
        [ ! -d "build/$built" ] || cp -a "build/$built" "$dir/build/$built"
    done
    if ! patch -s -d "$dir" -p1 --fuzz=0 -f <"$patch" >"$dir/patch.log" 2>&1; then
        echo "$name: the patch no longer applies:" >&2
        cat "$dir/patch.log" >&2
        exit 3
    fi
    if ! { $make -s -C "$dir" NO_DEPS=1 CFLAGS=-Wno-unused VARIANT=libfuzzer fuzz-libfuzzer &&
        AFL_QUIET=1 $make -s -C "$dir" NO_DEPS=1 CFLAGS=-Wno-unused VARIANT=afl fuzz-afl &&
        $make -s -C "$dir" NO_DEPS=1 VARIANT=release fuzz-mutators; } >"$dir/build.log" 2>&1; then
        echo "$name: the patched tree does not build:" >&2
        tail -n 20 "$dir/build.log" >&2
        exit 3
    fi
    for fuzzer in "${fuzzers[@]}"; do
        "$dir/fuzz/run.sh" "$target" "$fuzzer" "$limit" >"$dir/$fuzzer.log" 2>&1
        case $? in
        0)
            row "$name" "$fuzzer" "$limit" SURVIVED
            survived=$((survived + 1))
            ;;
        1)
            input=$(sed -n "s|^    build/fuzz/replay_$target ||p" "$dir/$fuzzer.log" | head -n 1)
            broke=$(proof "$dir" "$target" "$input") || broke=
            [ -n "$broke" ] || survived=$((survived + 1))
            row "$name" "$fuzzer" "$(awk -v f="$fuzzer" '$2 == f { print $3 }' "$dir/$fuzzer.log" | tail -n 1)" \
                "${broke:-NOT PROVEN: the input is empty, does not fail again, or fails without the bug too}"
            ;;
        *)
            echo "$name: $fuzzer did not run:" >&2
            tail -n 5 "$dir/$fuzzer.log" >&2
            exit 3
            ;;
        esac
    done
    rm -rf "$dir/build/fuzz/libfuzzer/obj" "$dir/build/fuzz/afl" "$dir/build/release"
done
[ "$bugs" -gt 0 ] || { echo "planted.sh: no bug has \"$only\" in its name" >&2; exit 2; }
[ "$survived" -eq 0 ]
