#!/bin/bash
# ADD-A-STORE.md as a new user follows it: its sh blocks, in order, in an empty folder; then what it says they print.
set -u

cd "$(dirname "$0")/.." || exit 3
# shellcheck source=ci/expect.sh
. ci/expect.sh || exit 3
export LEVIN=$PWD
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/empty" && cd "$scratch/empty" || exit 3
check "the page has under 150 lines" test "$(wc -l <"$LEVIN/chaos/ADD-A-STORE.md")" -lt 150
check "so has the worked example" test "$(wc -l <"$LEVIN/chaos/examples/store.py")" -lt 150
awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$LEVIN/chaos/ADD-A-STORE.md" >"$scratch/commands"
if ! python3 -c 'import sqlite3' 2>/dev/null; then
    sed -i /store.py/d "$scratch/commands"
fi
rm -f check.log
check "every command does" bash -euxo pipefail "$scratch/commands"
cp check.log said
check "there are as many as the page has" test "$(grep -cE '^\+ (cp|cc|levin-[a-z]+) ' said)" -ge 12
check "the store behind a pipe has a bit that was given back" grep -qE '^pipe:python3 store.py +W[0-9]+ ' said
check "the log loses what was damaged, survives power cuts, and needs whole sectors" \
    grep -qE '^\./logstore\.so  L10 +L10 +L10 +L10 +L10 +- +R4 +R4 +R40 +L[0-9]+ R[0-9]+ *$' said
check "each example came back" grep -qE '^([0-9]+) of \1 findings came back 3 times in a row$' said
check "the template loads" grep -q '^\./mystore\.so, version 0\.1$' said
check "and is told what it lacks" grep -q 'NOT JUDGED: it was written to, and has made no files' said
replay=$(sed -n "s/^line, here \`\(.*\)\`\.$/\1/p" "$LEVIN/chaos/ADD-A-STORE.md")
check "the replay line of the page" exits 1 sh -c "PATH=$LEVIN/build/release/bin:\$PATH; $replay"

finish
