#!/bin/bash
# Proves that the checks of this folder can fail: each violation is put into a small scratch tree, and the check must
# go red and name it.  The same tree without a violation must be green.
# shellcheck disable=SC2016 # what is written into the tree is written as it stands
set -u

ci=$(cd "$(dirname "$0")" && pwd) || exit 3
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
checks=0 failures=0

fresh() { # a minimal tree that is clean
    rm -rf "$scratch/tree"
    mkdir -p "$scratch"/tree/{engine/cli,faults,chaos,ci}
    cd "$scratch/tree" || exit 3
    git init -q .
    printf '/* The public interface. */\n#ifndef L_H\n#define L_H\nint levin_api(int x);\n#endif\n' >engine/levin.h
    printf '/* The I/O seam. */\n#ifndef I_H\n#define I_H\n#include "levin.h"\n#endif\n' >engine/io.h
    printf '/* Inner. */\n#ifndef P_H\n#define P_H\nint page_read(int x);\n#endif\n' >engine/page.h
    printf '/* Public. */\n#include "levin.h"\n#include "page.h"\n__attribute__((visibility("default"))) int levin_api(int x)\n{\n    return page_read(x);\n}\n' >engine/levin.c
    printf '/* Pages. */\n#include "page.h"\nstatic const int table[2] = { 1, 2 };\nstatic const int *const tables[1] = { table };\nint page_read(int x)\n{\n    return tables[0][x & 1];\n}\n' >engine/page.c
    printf '/* A plan. */\n#include "../engine/levin.h"\nint plan_run(int x);\nint plan_run(int x)\n{\n    return levin_api(x);\n}\n' >faults/plan.c
    printf '/* A tool. */\n#include "../levin.h"\nint main(void)\n{\n    return levin_api(0);\n}\n' >engine/cli/main.c
    printf '#!/bin/sh\n# Says hello.\necho hello\n' >ci/hello.sh
    chmod +x ci/hello.sh
}
build() {
    local source
    for source in engine/*.c engine/cli/*.c faults/*.c; do
        mkdir -p "build/release/obj/$(dirname "$source")"
        cc -std=c11 -O1 -fPIC -fvisibility=hidden -DNDEBUG -c "$source" -o "build/release/obj/${source%.c}.o" || exit 3
    done
    cc -shared -o build/release/liblevin.so.0 build/release/obj/engine/*.o || exit 3
}
expect() { # what, check, pattern in its output ("" means: must be green)
    local log status
    checks=$((checks + 1))
    case $2 in check-layering) build ;; esac
    log=$(ROOT=$scratch/tree "$ci/$2.sh" 2>&1)
    status=$?
    if [ -z "$3" ] && [ "$status" -ne 0 ]; then
        failures=$((failures + 1))
        printf '%s: %s is red on a clean tree:\n%s\n' "$1" "$2" "$log"
    elif [ -n "$3" ] && { [ "$status" -ne 1 ] || ! grep -qE "$3" <<<"$log"; }; then
        failures=$((failures + 1))
        printf '%s: %s did not say "%s" (exit %s):\n%s\n' "$1" "$2" "$3" "$status" "$log"
    fi
}

fresh
expect "clean" check-style ""
expect "clean" check-headers ""
expect "clean" check-layering ""

# ---- style ----
fresh; touch notes.txt;                                          expect "stray file" check-style '^notes.txt$'
fresh; printf 'int x;\n' >engine/a.c;                            expect "no opening comment" check-style '^engine/a.c$'
fresh; printf '/* %0120d */\n' 0 >engine/a.c;                    expect "long line" check-style '^engine/a.c:1: 126 col'
fresh; printf '/* a */\n\tint x;\n' >engine/a.c;                 expect "tab" check-style '^engine/a.c:2:'
fresh; printf '/* a */ \n' >engine/a.c;                          expect "trailing blank" check-style '^engine/a.c:1:'
fresh; printf '/* a */ /* %s: later */\n' 'TO''DO' >engine/a.c;    expect "unfinished work" check-style '^engine/a.c:1:'
fresh; printf '/* a */\nint y = atoi("1");\n' >engine/a.c;       expect "banned function" check-style '^engine/a.c:2:'
fresh; { echo '/* a */'; yes '' | head -n 900; } >engine/a.c;    expect "long file" check-style '^engine/a.c: 901 lines'
fresh; printf '#!/bin/sh\n# A.\necho $1\n' >ci/a.sh;             chmod +x ci/a.sh; expect "shellcheck" check-style 'SC2086'
fresh; printf '#!/bin/sh\necho a\n' >ci/a.sh;                    chmod +x ci/a.sh; expect "script without comment" check-style '^ci/a.sh$'
fresh; printf '#!/bin/sh\n# A.\necho a\n' >ci/a.sh;              expect "not executable" check-style 'a.sh is not executable'

# ---- headers ----
fresh; printf '/* a */\nsize_t f(void);\n' >engine/a.h;          expect "not alone" check-headers 'engine/a.h does not compile alone'
fresh; printf '/* a */\nstruct a { int b; };\n' >engine/a.h;     expect "no guard" check-headers 'engine/a.h does not compile alone'
fresh; echo 'void c(int new);' >>engine/io.h;                    expect "not C++" check-headers 'engine/io.h does not compile alone .c\+\+'

# ---- layering: includes ----
fresh; echo '#include "../faults/x.h"' >>engine/page.h; touch faults/x.h; expect "engine sees faults" check-layering 'engine/page.h may not include faults/x.h'
fresh; echo '#include "../engine/page.h"' >>faults/plan.c;       expect "faults sees page.h" check-layering 'faults/plan.c may not include engine/page.h'
fresh; echo '#include "../page.h"' >>engine/cli/main.c;          expect "the tool sees page.h" check-layering 'engine/cli/main.c may not include engine/page.h'
fresh; echo '#include "../engine/io.h"' >>faults/plan.c;         expect "faults may see io.h" check-layering ''
fresh; printf '/* t */\n#include "../faults/plan.h"\n#include "page.h"\n' >engine/a_test.c; echo '/* p */' >faults/plan.h; expect "tests may see faults" check-layering ''
fresh; mkdir fuzz; printf '/* t */\n#include "../chaos/a.h"\n' >fuzz/a.c; echo '/* p */' >chaos/a.h; expect "fuzz sees chaos" check-layering 'fuzz/a.c may not include chaos/a.h'
fresh; printf '/* t */\n#include "../fuzz/a.h"\n' >chaos/a.h; mkdir fuzz; echo '/* p */' >fuzz/a.h; expect "chaos sees fuzz" check-layering 'chaos/a.h may not include fuzz/a.h'
fresh; echo '#include <pthread.h>' >>engine/page.c;              expect "threads" check-layering 'engine/page.c:[0-9]+:.*pthread.h'
fresh; echo '#include <jansson.h>' >>engine/page.h; sed -i 's/jansson/sys\/mman/' engine/page.h; expect "maps" check-layering 'engine/page.h:[0-9]+:.*mman.h'

# ---- layering: objects ----
fresh; printf 'int counter_next(void);\nint counter_next(void)\n{\n    static int counter;\n    return ++counter;\n}\n' >>engine/page.c
expect "mutable global" check-layering 'page.o: counter.* in .bss'
fresh; printf '_Thread_local int mine = 3;\n' >>engine/page.c;   expect "thread-local" check-layering 'page.o: mine in .tdata'
fresh; printf '#include <stdlib.h>\nvoid *grab(void);\nvoid *grab(void)\n{\n    return malloc(8);\n}\n' >>engine/page.c
expect "malloc" check-layering 'page.o calls malloc'
fresh; printf '#include <unistd.h>\nint grab(void);\nint grab(void)\n{\n    return fsync(3);\n}\n' >>engine/page.c
expect "a file call" check-layering 'page.o calls fsync'
fresh; printf '/* s */\n#include <unistd.h>\nint grab(void);\nint grab(void)\n{\n    return fsync(3);\n}\n' >engine/io_posix.c
expect "its right place" check-layering ''
fresh; sed -i 's/int page_read(int x)$/__attribute__((visibility("default"))) int page_read(int x)/' engine/page.c
expect "an export" check-layering '^page_read$'
fresh; printf 'int page_read(int x);\nint sly(void);\nint sly(void)\n{\n    return page_read(1);\n}\n' >>faults/plan.c
expect "an internal call" check-layering "plan.o calls the engine's page_read"

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
