#!/bin/bash -eu
# Builds every target of fuzz/ for OSS-Fuzz or ClusterFuzzLite, with their CC, CXX, CFLAGS, CXXFLAGS and LIB_FUZZING_ENGINE, from the
# tree in SRC/levin into OUT: the program, its seed corpus, its dictionary, its options.
#   WORK=directory for what is made on the way (default SRC/levin/build/oss)

cd "$SRC/levin"
export BUILD="${WORK:-build}/oss"
make -j"$(nproc)" VARIANT=oss NO_DEPS=1 OSS_BUILD="$BUILD" fuzz-oss
for source in fuzz/fuzz_*.c; do
    target=$(basename "$source" .c)
    seeds=$BUILD/seeds/$target
    rm -rf "$seeds" "$OUT/${target}_seed_corpus.zip"
    mkdir -p "$BUILD/seeds"
    "$BUILD/fuzz/make_seeds" "$target" "$seeds"
    [ ! -d "fuzz/findings/$target" ] || cp "fuzz/findings/$target"/* "$seeds/"
    zip -q -r -j "$OUT/${target}_seed_corpus.zip" "$seeds"
    cp "$BUILD/$target" "$OUT/"
    cp fuzz/levin.dict "$OUT/$target.dict"
    printf '[libfuzzer]\nmax_len = 131072\nlen_control = 0\nentropic = 0\n' >"$OUT/$target.options"
done
