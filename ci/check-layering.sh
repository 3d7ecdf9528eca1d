#!/bin/bash
# Proves the layering: who includes whom (sources), and who calls what (objects of the release build, made before by
# `make all`).  The rules are those of the table in README.md, "Folders".
#
#   ROOT=dir   tree to look at (default: this one)      OBJ=dir  its objects (default: build/release)
set -u

cd "${ROOT:-$(dirname "$0")/..}" || exit 3
OBJ=${OBJ:-build/release}
checks=0 failures=0
bad=
rule() { # name: closes one rule, with its offenders in $bad
    checks=$((checks + 1))
    if [ -n "$bad" ]; then
        failures=$((failures + 1))
        printf '%s:\n%s\n' "$1" "$bad"
    fi
    bad=
}

# ---- includes ----
# allowed FILE: a regular expression of the project files that FILE may include
allowed() {
    case $1 in
    engine/cli/*_test.c) echo '(engine/levin\.h|engine/cli/.*|faults/.*)' ;;
    engine/cli/*) echo '(engine/levin\.h|engine/cli/.*)' ;;
    engine/*_test.c | engine/*_test.h | engine/*_bench.c) echo '(engine/[^/]*|faults/.*)' ;;
    engine/*) echo 'engine/[^/]*' ;;
    faults/*) echo '(engine/(levin|io|sync|reclaim)\.h|faults/.*)' ;;
    fuzz/*) echo '(engine/.*|faults/.*|fuzz/.*)' ;;
    chaos/*) echo '(engine/(levin|io)\.h|faults/.*|chaos/.*)' ;;
    regress/*) echo '(engine/(levin|io)\.h|faults/.*|chaos/store(_spec)?\.h|regress/.*)' ;;
    esac
}
mapfile -t sources < <(find engine faults fuzz chaos regress \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)
bad=$(for source in "${sources[@]}"; do
    pattern=$(allowed "$source")
    sed -n -E 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]+)".*/\1/p' "$source" | while IFS= read -r include; do
        # what users copy elsewhere, and build against one header
        case $source:$include in chaos/examples/*:store.h) continue ;; esac
        target=$(realpath -m --relative-to=. "$(dirname "$source")/$include")
        if [ ! -f "$target" ]; then
            echo "$source includes \"$include\": write the path relative to the including file"
        elif ! grep -qxE "$pattern" <<<"$target"; then
            echo "$source may not include $target"
        fi
    done
done)
rule "includes across folders"

# system headers that belong to one place: header pattern, files that may have it
only_in() {
    local found
    found=$(grep -nE "^[[:space:]]*#[[:space:]]*include[[:space:]]*<$1>" "${sources[@]}" /dev/null | grep -vE "^($2):")
    [ -z "$found" ] || bad="$bad$found"$'\n'
}
only_in 'urcu.*' 'engine/(reclaim_urcu|row_cache_bench)\.c' # the benchmark measures its hash table
only_in 'pthread\.h' '(engine/(sync(_posix)?\.(c|h)|cli/(stress|bench)\.c)|[a-z_/]*_(test|bench)\.c|(faults|chaos|regress|fuzz)/.*)'
only_in 'fiu.*' 'faults/[^/]*\.c'
only_in '(fcntl|sys/(stat|file|mman|uio|random|statvfs)|dirent)\.h' '(engine/io_posix\.c|engine/cli/.*|[a-z_/]*_(test|bench)\.c|(faults|chaos|regress|fuzz)/.*)'
only_in 'jansson\.h' '(engine/cli|faults|chaos|regress|fuzz)/.*'
rule "system headers outside the file that owns them"

# ---- objects ----
objects_of() { # folder: the objects of its sources that are neither tests nor benchmarks
    local source
    for source in "$1"/*.c; do
        case $source in *_test.c | *_bench.c | "$1/*.c") ;; *) echo "$OBJ/obj/${source%.c}.o" ;; esac
    done
}
mapfile -t engine_objects < <(objects_of engine)
missing=$(for object in "${engine_objects[@]}"; do [ -f "$object" ] || echo "$object"; done)
if [ -n "$missing" ] || [ ${#engine_objects[@]} -eq 0 ]; then
    echo "no objects to look at; run make first: $missing" >&2
    exit 3
fi

# Calls of the engine.  Whatever is not on this list is a decision to be made here, in the open.
pure='mem(cpy|move|set|cmp|chr|rchr)|str(len|nlen|cmp|ncmp|chr|rchr|spn|cspn)|strerror_r|__xpg_strerror_r|v?snprintf'
pure="$pure|__(memcpy|memmove|memset|snprintf|vsnprintf)_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__assert_fail|__tls_get_addr"
engine_symbols=$(nm --defined-only --extern-only "${engine_objects[@]}" | awk 'NF == 3 { print $3 }' | sort -u)
filesystem='(f?open(at|at2|dir)?|creat|(p?read|p?write)(v|v2)?|f(data)?sync|sync(fs|_file_range)?|f?truncate|(posix_)?fallocate'
filesystem="$filesystem|[fl]?stat(at|x)?|rename(at|at2)?|unlink(at)?|mkdir(at)?|rmdir|readdir|flock|lockf|fcntl|mmap|munmap|mremap|msync|lseek|link|symlink"
filesystem="$filesystem|close(dir)?|io_.*|f(read|write|puts|printf|close|flush)|puts|printf|getrandom|getenv)(64)?"
bad=$(for object in "${engine_objects[@]}"; do
    nm --undefined-only "$object" | awk '{ print $2 }' | grep -vxFf <(echo "$engine_symbols") | while IFS= read -r symbol; do
        case ${object##*/} in
        io_posix.o) ;;
        sync_posix.o) grep -qxE "$pure|pthread_.*|sig(fill|empty|add|del)set|syscall|sched_yield|__errno_location|clock_gettime" <<<"$symbol" || echo "$object calls $symbol" ;;
        reclaim_urcu.o) grep -qxE "$pure|urcu_.*|__urcu_.*|rcu_.*|Annotate.*|__tsan_.*" <<<"$symbol" || echo "$object calls $symbol" ;;
        *) grep -qxE "$pure" <<<"$symbol" || echo "$object calls $symbol" ;;
        esac
    done
done)
rule "calls that go round the seams (io.h, sync.h, reclaim.h)"

bad=$(for object in "${engine_objects[@]}"; do
    case ${object##*/} in io_posix.o) continue ;; esac
    nm --undefined-only "$object" | awk '{ print $2 }' | grep -xE "$filesystem" | sed "s|^|$object calls |"
done)
rule "files, memory maps or printing outside io_posix.c"

# Read-only tables with addresses in them stand in .data.rel.ro; everything else writable is a mutable global.
bad=$(for object in "${engine_objects[@]}"; do
    # "ADDRESS FLAGS(7 columns) SECTION<tab>SIZE NAME"; the flag d marks the section's own symbol
    objdump -t "$object" | awk -v o="$object" -F '\t' 'NF == 2 && substr($1, 23, 1) != "d" { section = substr($1, 26); sub(/^[^ ]* (\.hidden )?/, "", $2)
        if (section ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && section !~ /^\.data\.rel\.ro/) print o ": " $2 " in " section }'
done)
rule "mutable globals in the engine"

library=$(find "$OBJ" -maxdepth 1 -type f -name 'liblevin.so.*' | head -n 1)
if [ -n "$library" ]; then
    bad=$(nm -D --defined-only "$library" | awk '{ print $3 }' | grep -vxE '(levin_.*|LEVIN_[0-9.]+)(@.*)?') # the node: engine/levin.map
    rule "symbols that liblevin.so exports and should not"
    bad=$(readelf -d "$library" | sed -n -E 's/.*\(NEEDED\).*\[(.*)\]/\1/p' | grep -vE '^(ld-linux.*|libc|liburcu-bp|liburcu-common|libpthread)\.so')
    rule "libraries that liblevin.so needs and should not"
else
    bad="no liblevin.so under $OBJ"
    rule "the shared library"
fi

# The scheduler (faults/schedule/) has the engine's objects compiled for itself; those of the library know nothing of it.
bad=$(for object in "${engine_objects[@]}" ${library:+"$library"}; do
    nm "$object" | awk '{ print $NF }' | grep -E '^(schedule|race|fiber)_|^__tsan_' | sed "s|^|$object has |"
done)
rule "the thread scheduler in the library"

# The outer folders use the engine through levin.h and the seams only.
internal=$(grep -vE '^(levin|sync|reclaim)_' <<<"$engine_symbols")
for folder in engine/cli faults chaos regress; do
    mapfile -t objects < <(objects_of "$folder")
    [ ${#objects[@]} -gt 0 ] || continue
    found=$(for object in "${objects[@]}"; do
        [ -f "$object" ] || continue
        # what the folder defines itself under the same name is its own
        nm --undefined-only "$object" | awk '{ print $2 }' | grep -xFf <(echo "$internal") |
            grep -vxFf <(nm --defined-only --extern-only "${objects[@]}" 2>/dev/null | awk 'NF == 3 { print $3 } END { print "-" }') |
            sed "s|^|$object calls the engine's |"
    done)
    [ -z "$found" ] || bad="$bad$found"$'\n'
done
rule "engine internals called from outside"

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
