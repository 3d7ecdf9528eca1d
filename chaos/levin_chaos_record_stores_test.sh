#!/bin/bash
# Every store that is installed, recorded while it is filled, overwritten, synced and opened again: the trace replayed
# without a crash gives the very files that the store left, names and bytes.
set -u

cd "$(dirname "$0")/.." || exit 3
# shellcheck source=ci/expect.sh
. ci/expect.sh || exit 3
chaos=$PWD/${LEVIN_CHAOS:-build/release/bin/levin-chaos}
bin=$(dirname "$chaos")
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit 3

needs_recorder "$bin/../lib/levin-recorder.so"

# recorded STORE LEAST_CALLS
recorded() {
    checks=$((checks + 1))
    rm -rf files && mkdir files
    if ! "$chaos" record --dir files --output trace --json -- "$bin/levin-bench" "--store=$1" --num=1500 --syncs=20 \
        --reads=100 --rounds=1 --db=files --keep --cache_size=8388608 \
        --benchmarks=fillrandom,overwrite,fillsync,open >out 2>err ||
        ! jq -e ".problem == \"\" and .notes == 0 and .syncs > 20 and .calls > $2" err >jq.out; then
        failures=$((failures + 1))
        echo "FAILED: $1"
        tail -n 20 out err
    fi
}
recorded levin 60
for plugin in "$bin/../stores/"*.so; do
    [ -f "$plugin" ] && recorded "$(basename "$plugin" .so)" 60
done
[ -f "$bin/../stores/sqlite.so" ] && recorded sqlite:rollback=1 60

finish
