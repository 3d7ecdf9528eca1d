#!/bin/sh
# Every header compiles alone, twice over, as strict C11; the public ones also as C++.
set -u

cd "${ROOT:-$(dirname "$0")/..}" || exit 3
checks=0 failures=0
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT

compile() { # header, language, compiler...
    header=$1 language=$2
    shift 2
    checks=$((checks + 1))
    printf '#include "%s"\n#include "%s"\nextern int header_alone;\n' "$PWD/$header" "$PWD/$header" >"$scratch/alone.$language"
    if ! "$@" -fsyntax-only "$scratch/alone.$language" 2>"$scratch/log"; then
        failures=$((failures + 1))
        echo "$header does not compile alone ($*):"
        cat "$scratch/log"
    fi
}

for header in $(find engine faults fuzz chaos regress -name '*.h' 2>/dev/null | sort); do
    # shellcheck disable=SC2086 # a compiler may come with a launcher: CC="ccache cc"
    compile "$header" c ${CC:-cc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror
done
for header in engine/levin.h engine/io.h; do
    # shellcheck disable=SC2086
    compile "$header" cc ${CXX:-c++} -std=c++11 -Wall -Wextra -Wpedantic -Werror
done
[ "$checks" -gt 2 ] || { failures=$((failures + 1)) && echo "no headers were found"; }
echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
