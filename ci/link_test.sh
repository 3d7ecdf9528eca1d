#!/bin/bash
# link_test.sh [--abi]
#
# The installed library as a stranger meets it: in an empty folder, with nothing but pkg-config, a C and a C++ program are
# compiled against it, shared and static, and run.  Also: soname and versions agree, both libraries export exactly what
# the headers declare, a program's own names clash with none of the static one, the sizes of public structs and the
# soname are those of ci/abi.txt (a program that was built with others must not load the library), and uninstall leaves
# nothing.  --abi only writes ci/abi.txt anew: after SOVERSION was raised.
set -u

cd "$(dirname "$0")/.." || exit 3
tree=$PWD
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
checks=0 failures=0
check() { # what, command...: red when the command fails
    local what=$1
    shift
    checks=$((checks + 1))
    if ! "$@" >"$scratch/log" 2>&1; then
        failures=$((failures + 1))
        echo "$what:"
        tail -n 20 "$scratch/log"
    fi
}

prefix=$scratch/usr
make -s VARIANT=release install PREFIX="$prefix" NO_DEPS=1 >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 3; }
mkdir "$scratch/empty" && cd "$scratch/empty" || exit 3
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
read -ra shared < <(pkg-config --cflags --libs levin)
read -ra static < <(pkg-config --static --cflags --libs levin)

# soname, then each public struct and enum with its size, by the headers that are installed
abi() {
    echo "soname $(readelf -d "$prefix"/lib/liblevin.so.* | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p' | sort -u)"
    {
        printf '#include <io.h>\n#include <levin.h>\n#include <stdio.h>\nint main(void)\n{\n'
        sed -n -E 's/^(typedef (struct|enum) [a-z_]+ \{.*)?\} (levin_[a-z_]+);.*/    printf("%s %zu\\n", "\3", sizeof(\3));/p' \
            "$prefix"/include/levin/{levin,io}.h
        printf '    return 0;\n}\n'
    } >sizes.c
    cc -std=c11 "${shared[@]}" -o sizes sizes.c && LD_LIBRARY_PATH=$prefix/lib ./sizes | sort
}
if [ "${1-}" = --abi ]; then
    abi >"$tree/ci/abi.txt"
    exit
fi

# the program of README.md, and one with names that the engine uses inside itself
awk '/^<!-- file: hello.c -->$/ { on = 1; next } on && /^```c$/ { next } on && /^```$/ { exit } on' "$tree/README.md" >hello.c
cat hello.c - >clash.c <<'END'
int checksum(void);
int file_open(void);
int memtable_create(void);
int checksum(void) { return 1; }
int file_open(void) { return 2; }
int memtable_create(void) { return 3; }
END
# the C++ program of README.md, and one that uses more
awk '/^<!-- file: hello.cc -->$/ { on = 1; next } on && /^```cpp$/ { next } on && /^```$/ { exit } on' "$tree/README.md" >readme.cc
cat >hello.cc <<'END'
#include <io.h>
#include <levin.h>

#include <cstdio>
#include <string>
#include <vector>

static levin_error error; // the structs are plain C

int main()
{
    levin_options options;
    levin_options_init(&options);
    options.row_cache_bytes = 0;
    options.io = levin_io_posix();
    levin *store = nullptr;
    if (levin_open("cc.levin", &options, &store, &error) != LEVIN_OK)
        return std::printf("%s\n", error.message), 1;
    levin_batch *batch = nullptr;
    levin_code code = levin_batch_create(store, &batch);
    for (const std::string key : { "b", "a", "c" })
        if (code == LEVIN_OK)
            code = levin_batch_put(batch, key.data(), key.size(), key.data(), key.size());
    if (code == LEVIN_OK)
        code = levin_write(store, batch, LEVIN_SYNCED);
    levin_batch_destroy(batch);
    levin_iter *it = nullptr;
    std::string all;
    if (code == LEVIN_OK && (code = levin_iter_open(store, nullptr, &it)) == LEVIN_OK) {
        for (bool on = levin_iter_first(it); on; on = levin_iter_next(it)) {
            levin_slice key = levin_iter_key(it);
            all.append(static_cast<const char *>(key.data), key.size);
        }
        code = levin_iter_status(it);
        levin_iter_close(it);
    }
    if (levin_close(store) != LEVIN_OK || code != LEVIN_OK)
        return 1;
    std::printf("%s %s\n", all.c_str(), levin_code_name(code));
    return all == "abc" ? 0 : 1;
}
END

strict=(-Wall -Wextra -Wpedantic -Werror)
check "C, shared" cc -std=c11 "${strict[@]}" -o c-shared hello.c "${shared[@]}" -Wl,-rpath,"$prefix/lib"
check "C, shared, runs" grep -qx "the sky is blue" <(./c-shared)
cc -o c-nowhere hello.c "${shared[@]}" 2>"$scratch/log"
check "C, shared, without -rpath: says what README.md says" grep -q "cannot open shared object file" <(env -u LD_LIBRARY_PATH ./c-nowhere 2>&1)
check "C, static" cc -std=c11 "${strict[@]}" -static -o c-static hello.c "${static[@]}"
check "C, static, runs" env -i ./c-static
check "C, the archive alone" cc -o c-archive hello.c "-I$prefix/include/levin" "$prefix/lib/liblevin.a" -lurcu-bp -lurcu-common -pthread
check "C, the archive alone, runs" ./c-archive
check "C with names of the engine's, static" cc -static -o clash clash.c "${static[@]}"
check "C with names of the engine's, static, runs" ./clash
for standard in c++11 c++20; do
    check "C++ ($standard), shared" c++ -std=$standard "${strict[@]}" -o cc-shared hello.cc "${shared[@]}" -Wl,-rpath,"$prefix/lib"
    check "C++ ($standard), shared, runs" ./cc-shared
    rm -rf cc.levin
done
check "C++ of README.md, shared" c++ -std=c++11 "${strict[@]}" -o cc-readme readme.cc "${shared[@]}" -Wl,-rpath,"$prefix/lib"
check "C++ of README.md, shared, runs" grep -qx "the sea is green" <(./cc-readme)
check "C++ of README.md, static" c++ -std=c++11 "${strict[@]}" -static -o cc-readme-static readme.cc "${static[@]}"
check "C++ of README.md, static, runs" grep -qx "the sea is green" <(env -i ./cc-readme-static)
check "C++, static" c++ -std=c++11 "${strict[@]}" -static -o cc-static hello.cc "${static[@]}"
check "C++, static, runs" ./cc-static

# names and versions
version=$(sed -n 's/^VERSION := //p' "$tree/Makefile") soversion=$(sed -n 's/^SOVERSION := //p' "$tree/Makefile")
library=$prefix/lib/liblevin.so.$version
check "the soname" grep -q "SONAME.*\[liblevin\.so\.$soversion\]" <(readelf -d "$library")
check "a program asks for the soname" grep -q "NEEDED.*\[liblevin\.so\.$soversion\]" <(readelf -d c-shared)
check "levin.h, Makefile, pkg-config and the command: one version" test "$version $version $version" = \
    "$(sed -n 's/^#define LEVIN_VERSION "\(.*\)"/\1/p' "$prefix/include/levin/levin.h") $(pkg-config --modversion levin) $("$prefix/bin/levin" --version | cut -d' ' -f2)"
grep -hoE '^LEVIN_API .*' "$prefix"/include/levin/*.h | sed -E 's/^[^(]*[ *](levin_[a-z0-9_]+)\(.*/\1/' | sort >declared
nm -D --defined-only "$library" | sed -n 's/.* \(levin_[^@]*\)@@LEVIN_'"$soversion"'$/\1/p' | sort >exported
nm --defined-only --extern-only "$prefix/lib/liblevin.a" | awk 'NF == 3 { print $3 }' | sort >archived
check "some calls are declared" test "$(wc -l <declared)" -gt 40
check "the shared library exports what the headers declare" diff declared exported
check "and nothing else" test "$(nm -D --defined-only "$library" | grep -vc ' A ')" -eq "$(wc -l <declared)"
check "the archive's global names are those declared" diff declared archived

# what programs that are already built know
abi >abi.now
check "soname and public structs are as in ci/abi.txt; if that is meant: raise the minor VERSION, SOVERSION and
engine/levin.map unless that was done since the last release, then ci/link_test.sh --abi" diff "$tree/ci/abi.txt" abi.now

make -s -C "$tree" uninstall PREFIX="$prefix" NO_DEPS=1
check "uninstall leaves no file" test -z "$(find "$prefix" ! -type d)"

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
