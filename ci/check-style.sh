#!/bin/bash
# What a program can check of the style: top-level entries, opening comments, lengths, tabs, marks of unfinished work, banned
# functions, and shellcheck for the scripts.  Looks at what git tracks or would track.
set -u

cd "${ROOT:-$(dirname "$0")/..}" || exit 3
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

mapfile -t files < <(git ls-files --cached --others --exclude-standard | while IFS= read -r f; do [ -f "$f" ] && echo "$f"; done)
mapfile -t c_files < <(printf '%s\n' "${files[@]}" | grep -E '\.(c|h)$')
mapfile -t scripts < <(printf '%s\n' "${files[@]}" | grep -E '\.sh$|^\.ci/run$')
mapfile -t texts < <(printf '%s\n' "${files[@]}" | grep -E '\.(c|h|sh|md|1|bash|in)$|^Makefile$|^\.ci/run$')

bad=$(printf '%s\n' "${files[@]}" | cut -d/ -f1 | sort -u |
    grep -vxE 'engine|faults|fuzz|chaos|regress|ci|Makefile|README\.md|LICENSE|\.ci|\.gitignore|\.gitattributes|\.clang-format|\.clusterfuzzlite|\.github|\.gitlab-ci\.yml')
rule "top-level entries that don't belong there"

bad=$(for f in "${c_files[@]}"; do
    read -r line <"$f"
    case $line in '/*'*) ;; *) echo "$f" ;; esac
done)
rule "C files that do not open with a comment"

bad=$(for f in "${scripts[@]}"; do
    case "$(sed -n 1p "$f")/$(sed -n 2p "$f")" in '#!/bin/'*'/# '* | '#!/usr/bin/env bash/# '*) ;; *) echo "$f" ;; esac
    [ -x "$f" ] || echo "$f is not executable"
done)
rule "scripts that do not open with #! and a comment"

bad=$(awk 'length($0) > 120 { print FILENAME ":" FNR ": " length($0) " columns" }' "${c_files[@]}")
rule "lines over 120 columns"

bad=$(grep -nP '\t' "${c_files[@]}" /dev/null)
rule "tabs in C"

bad=$(grep -nE '[ 	]+$' "${texts[@]}" /dev/null)
rule "white space at the end of lines"

bad=$(grep -nwE 'TO''DO|FIX''ME' "${texts[@]}" /dev/null)
rule "marks of unfinished work"

bad=$(grep -nE '(^|[^A-Za-z0-9_.>])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca|tmpnam)\(' "${c_files[@]}" /dev/null |
    grep -vE '^[a-z_/0-9]*_(test|bench)\.c:')
rule "functions banned outside tests"

bad=$(for f in "${c_files[@]}"; do
    n=$(wc -l <"$f") limit=900
    case $f in *_test.c | engine/levin.h) limit=1200 ;; esac # levin.h is the whole interface and the manual of it
    [ "$n" -le "$limit" ] || echo "$f: $n lines"
done)
rule "C files over 900 lines (tests: 1200)"

bad=$(shellcheck -x "${scripts[@]}" 2>&1)
rule "shellcheck"

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
