#!/bin/bash
# Runs the build script of OSS-Fuzz and ClusterFuzzLite (.clusterfuzzlite/build.sh) in an environment as theirs, and each program that it
# makes for a second, from its zipped seeds, with its dictionary.  Exit: 0 all is there and runs, 1 not so.
#   SECONDS_EACH=n (default 1)
set -u

cd "$(dirname "$0")/.." || exit 3
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
checks=0 failures=0
check() { # what, command...
    local what=$1
    shift
    checks=$((checks + 1))
    if ! "$@" >"$scratch/log" 2>&1; then
        failures=$((failures + 1))
        echo "FAILED: $what"
        tail -n 20 "$scratch/log"
    fi
}

# where the programs run there is the C and the C++ library, and nothing else
needs_nothing() { # program
    ! ldd "$1" | grep -vE '^[[:space:]]*(/lib64/ld-linux|linux-vdso|lib(c|m|dl|rt|pthread|resolv|gcc_s|stdc\+\+)\.so)'
}

mkdir "$scratch/src" "$scratch/out" "$scratch/work"
ln -s "$PWD" "$scratch/src/levin"
coverage='-fsanitize=fuzzer-no-link'
flags="-O1 -fno-omit-frame-pointer -gline-tables-only -fsanitize=address $coverage"
check "build.sh" env SRC="$scratch/src" OUT="$scratch/out" WORK="$scratch/work" CC="${OSS_CC:-clang}" CXX="${OSS_CXX:-clang++}" \
    CFLAGS="$flags" CXXFLAGS="$flags" LIB_FUZZING_ENGINE=-fsanitize=fuzzer .clusterfuzzlite/build.sh
for source in fuzz/fuzz_*.c; do
    target=$(basename "$source" .c)
    check "$target: its files" test -x "$scratch/out/$target" -a -s "$scratch/out/$target.dict" -a -s "$scratch/out/$target.options"
    check "$target: libraries" needs_nothing "$scratch/out/$target"
    check "$target: seeds" unzip -q "$scratch/out/${target}_seed_corpus.zip" -d "$scratch/$target"
    check "$target: runs" env -C "$scratch" "$scratch/out/$target" -max_total_time="${SECONDS_EACH:-1}" -max_len=131072 -len_control=0 \
        -dict="$scratch/out/$target.dict" -artifact_prefix="$scratch/" "$scratch/$target"
done
echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
