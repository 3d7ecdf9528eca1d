#!/bin/bash
# The store in JavaScript (examples/store.js, npm's classic-level) behind a pipe: damaged, with a full disk, after power
# cuts.  Without Node.js, npm or its registry it is skipped, and says so; what npm brought is kept in build/node.
set -u

cd "$(dirname "$0")/.." || exit 3
# shellcheck source=ci/expect.sh
. ci/expect.sh || exit 3
chaos=$PWD/${LEVIN_CHAOS:-build/release/bin/levin-chaos}
package=classic-level@3.0.0
modules=$PWD/build/node

skip() { # why
    echo "SKIPPED: $1: the store in JavaScript was not tried"
    echo "100%: Checks: 0, Failures: 0, Errors: 0"
    exit 0
}
command -v node >/dev/null || skip "no node here"
if [ ! -d "$modules/$package" ]; then
    command -v npm >/dev/null || skip "no npm here"
    mkdir -p "$modules"
    fresh=$(mktemp -d "$modules/fresh-XXXXXX") || exit 3
    trap 'rm -rf "$fresh"' EXIT
    timeout 60 npm install --prefix "$fresh" --no-audit --no-fund --loglevel=error "$package" >"$fresh/log" 2>&1 ||
        skip "npm does not install $package ($(grep -m 1 -i error "$fresh/log"))"
    mv "$fresh" "$modules/$package" 2>/dev/null # another run was faster: its is as good
fi
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
cp chaos/examples/store.js "$scratch" && ln -s "$modules/$package/node_modules" "$scratch/node_modules" || exit 3
cd "$scratch" || exit 3

row() { jq -e "[.stores[] | select(.store == \"pipe:node store.js\")][0] | $1" board.json; } # expression
check "it tells its settings" sh -c "'$chaos' stores 'pipe:node store.js' | grep -q 'configuration: classic-level 3.0.0'"
check "a scoreboard" exits 0 sh -c "'$chaos' scoreboard --stores 'pipe:node store.js' --classes flip,cut,full,crash --damages 5 --lives 2 \
    --states 8 --batches 60 --quiet --directory kept --json >board.json"
check "it was judged" row '.not_judged == null and .not_recorded == null and ([.classes[].done] | add) > 15'
# LevelDB itself does not open in some crash states (2 of 300 in chaos/scoreboard): such a one must come back, below
check "it is judged after power cuts" row '.classes[] | select(.class == "crash") | .done == 8'
check "and a full disk" row '.classes[] | select(.class == "full") | .bad == 0 and .done == 2'
check "what is bad came back three times" row 'all(.classes[].examples[]; .reproduced == 3)'

finish
