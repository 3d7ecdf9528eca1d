#!/bin/bash
# Runs every ```sh block of README.md, in order, in a fresh clone of the last commit with an empty home; the first
# command that fails, fails it.  A block after "<!-- file: NAME -->" is written to NAME there instead.
#
#   README_SKIP='a line|another'   lines left out, because the caller has just run them here
set -eu

cd "$(dirname "$0")/.."
[ -z "$(git status --porcelain)" ] || echo "check-readme: changes that are not committed are not in the clone" >&2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT INT TERM
git clone -q . "$scratch/levin"
mkdir "$scratch/home" "$scratch/tmp"
cd "$scratch/levin"

# one file per block: NNN.sh to run, NNN.file whose first line is the name
awk -v out="$scratch" -v skip="${README_SKIP:-}" '
    BEGIN { n = split(skip, s, "|"); for (i = 1; i <= n; i++) skipped[s[i]] = 1 }
    /^<!-- file: .* -->$/ { name = $3; next }
    /^```/ && block != "" { close(block); block = ""; next }
    /^```/ && name != "" { block = sprintf("%s/%03d.file", out, ++count); print name > block; name = ""; next }
    /^```sh$/ { block = sprintf("%s/%03d.sh", out, ++count); printf "" > block; next }
    /^```/ { block = "/dev/null"; next }
    block != "" && !($0 in skipped) { print > block }' README.md

run=0
for block in "$scratch"/[0-9]*; do
    case $block in
    *.file) tail -n +2 "$block" >"$(head -n 1 "$block")" ;;
    *.sh)
        grep -q '[^[:space:]]' "$block" || continue
        sed 's/^/+ /' "$block"
        if ! HOME="$scratch/home" TMPDIR="$scratch/tmp" bash -euo pipefail "$block" </dev/null >"$scratch/log" 2>&1; then
            cat "$scratch/log"
            echo "check-readme: the block above failed" >&2
            exit 1
        fi
        tail -n 15 "$scratch/log"
        run=$((run + 1))
        ;;
    esac
done
[ "$run" -gt 0 ] || { echo "check-readme: README.md has no sh block" >&2; exit 1; }
echo "check-readme: $run blocks ran"
