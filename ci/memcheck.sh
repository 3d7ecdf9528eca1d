#!/usr/bin/env bash
# The harness under valgrind's memcheck: a read of memory that nobody has filled, which no sanitizer of gcc tells, in the
# engine's paths after failing calls, damages and power cuts. Short samples of each sweep.
#   SECONDS_EACH=n  for each of the sweeps (default 15)
#   SEED=n          (default 1)
# Exit: 0 nothing, 1 memcheck or the harness found something, 3 no valgrind or no levin-chaos.
set -u
cd "$(dirname "$0")/.." || exit 3
chaos=build/release/bin/levin-chaos log=build/memcheck status=0
if ! [ -x "$chaos" ] || ! command -v valgrind >/dev/null; then
    echo "memcheck: build/release/bin/levin-chaos and valgrind are needed: make deps all" >&2
    exit 3
fi
rm -rf "$log" && mkdir -p "$log" || exit 3

run() { # sweep, options
    local sweep=$1
    shift
    valgrind -q --error-exitcode=9 --exit-on-first-error=yes --log-file="$log/$sweep.%p" "$chaos" "$sweep" "$@" \
        --seed "${SEED:-1}" --budget "${SECONDS_EACH:-15}" --fail-fast --quiet >"$log/$sweep.out" 2>&1
    local code=$?
    grep -E '^(faults|crash|damage) +[0-9]' "$log/$sweep.out" | sed 's/^/memcheck /'
    [ "$code" = 0 ] && return
    status=1
    grep -B 2 'levin-chaos replay' "$log/$sweep.out" >&2
    cat "$log/$sweep".[0-9]* >&2
}

run faults --small --ops 24
run corrupt --ops 24
run sweep --small --ops 80
exit $status
