#!/bin/bash
# Read by time_proof.sh and exact_proof.sh, in the root of the tree: builds what both prove the gate with, in
# build/gate/proof/tree-SOURCES, and keeps it as long as the sources stay.
#
# Sets: proof, tree, gate (levin-gate around the engine as it is), archive (that engine), sites. Expects: die().
# shellcheck shell=bash disable=SC2034 # used by those who read this

unset MAKEFLAGS MFLAGS MAKELEVEL
sources=$(git ls-files engine faults regress Makefile | grep -v -E '_test\.|README|\.1$|(time|exact|gate)_proof\.sh$' | xargs cat | cksum |
    cut -d ' ' -f 1)
proof=$PWD/build/gate/proof
tree=$proof/tree-$sources
gate=$tree/plain/bin/levin-gate archive=$tree/plain/liblevin.a
layout=-falign-functions=64
mkdir -p "$proof"
exec 9>"$proof/lock"
flock 9 # one shard builds, the others find it built
make_in_tree() { # directory, targets...
    local B=$1
    shift
    make --no-print-directory -C "$tree" NO_DEPS=1 VARIANT=release CC="${CC:-cc}" B="$B" CFLAGS="$layout $extra" \
        LDFLAGS=-Wl,--strip-debug "$@" >"$proof/make.log" 2>&1 || { tail -n 20 "$proof/make.log" >&2; exit 3; }
}
edit() { # file, pattern of the one line that changes, what becomes of it
    [ "$(grep -c -E "$2" "$tree/$1")" = 1 ] || { echo "proof: no place for a slowdown in $1" >&2; exit 3; }
    grep -q -F '"proof_work.h"' "$tree/$1" || sed -i -E "0,/^#include/s//#include \"proof_work.h\"\n#include/" "$tree/$1"
    sed -i -E "s~$2~$3~" "$tree/$1"
}
extra=
if [ ! -e "$tree/built" ]; then
    rm -rf "$proof"/tree-*
    mkdir -p "$tree"
    git ls-files -z engine faults regress Makefile ci | xargs -0 cp --parents -p -t "$tree"
    cp regress/proof_work.h "$tree/engine"
    make_in_tree "$tree/plain" "$tree/plain/sides/0.so" "$gate"
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
    # where slowdowns go: each file is compiled anew with what proof_work.h is asked for
    edit engine/write_one.c '^    levin_code code = batch_append\(&batch, ks, kind,.*' '    proof_work(store);\n&'
    edit engine/read.c '^    if \(__builtin_expect\(!row_key_is_middle\(key_bytes\), 0\)\)$' '    proof_work(store);\n&'
    edit engine/iter.c '^    const levin_iter_options \*o = options \? options : &all;$' '    proof_work(store);\n&'
    edit engine/iter.c '^(    const size_t bytes = .*bounds_room\(&cut\));$' '\1 + proof_more(saved_bytes + cursor_bytes);'
    edit engine/checkpoint.c '^    levin_code code = checkpoint_drive\(store, &error\); .*' '    proof_work(store);\n&'
    edit engine/open.c '^        code = recover\(db, &local\);$' '    {\n        proof_work(db);\n&\n    }'
    edit engine/file.c '^    \*done = total;$' '    proof_read_again(f, buffer, total, offset);\n&'
    edit engine/file.c '^        gather_advance\(&g, done\);$' '        proof_write_again(f, now, n, offset, done);\n&'
    touch "$tree/built"
fi

link_around() { # directory, archive of an engine
    # shellcheck disable=SC2086,SC2046 # a compiler with a launcher; words
    (cd "$tree" && regress/link_sides.sh "$1" 24 "$2" "$tree/plain/libfaults.a" \
        $(find "$tree/plain/obj/side" -name '*.o') -- ${CC:-cc} -shared -fPIC -pthread -Wl,-Bsymbolic -Wl,-z,now \
        -Wl,--version-script=regress/side.map -Wl,--strip-debug \
        $(printf -- '-Wl,--wrap=%s ' malloc calloc realloc aligned_alloc free))
}
# NAME.a: an engine in which engine/FILE.c is compiled with FLAGS
slowed_engine() { # name, file, flags
    [ ! -e "$tree/$1.a" ] || return 0
    mkdir -p "$tree/$1.o"
    # shellcheck disable=SC2086 # a compiler with a launcher; flags are words
    (cd "$tree" && ${CC:-cc} -D_GNU_SOURCE -std=c11 -O2 -g -DNDEBUG -fPIC -fvisibility=hidden -pthread $layout $3 -c "engine/$2.c" \
        -o "$1.o/$2.o") && cp "$archive" "$tree/$1.new" && ar r "$tree/$1.new" "$tree/$1.o/$2.o" && mv "$tree/$1.new" "$tree/$1.a"
}
slowed_sides() { # name, file, flags: the links of that engine
    [ ! -e "$tree/$1/23.so" ] || return 0
    slowed_engine "$@"
    link_around "$tree/$1" "$tree/$1.a"
}
program_around() { # archive, file: levin-gate around that engine
    # shellcheck disable=SC2086,SC2046 # a compiler with a launcher; words
    [ -e "$2" ] || (cd "$tree" && ${CC:-cc} -pthread -o "$2" $(find "$tree/plain/obj/regress" -name 'gate_*.o') \
        "$tree/plain/libfaults.a" "$1" -Wl,--strip-debug -lurcu-bp -lfiu -ljansson -lm)
}

# site, file of the hook, workload, calls of the hook in a slice, every how manyth waits (so many times in each slice), and
# for more bytes: file, workload
sites='put:write_one:put:200:50:file:put get:read:get-page:400:50:file:get-uncached scan:iter:scan:1:1:iter:scan
checkpoint:checkpoint:checkpoint:1:1:file:checkpoint recovery:open:recovery:1:1:file:recovery'
