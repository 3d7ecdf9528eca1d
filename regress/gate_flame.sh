#!/bin/bash
# Where the time of a recorded run goes, on both sides: `perf record` over processes of the time tier, whose slices run both
# sides in turn, and of it the profile that levin-gate --page=TREND --flame=PROFILE draws.
#
#   gate_flame.sh PROGRAM BASE_SIDES NOW_SIDES WORKLOAD PROFILE
#
# PROGRAM is a levin-gate; PROFILE becomes "frame;frame BASE NOW", samples of the measured part alone.  Exit code 1 with the
# reason in one line when there is no perf, or none that may sample here; FLAME_SECONDS: how long (5).
set -eu -o pipefail

program=$1 base=$(realpath "$2") now=$(realpath "$3") workload=$4 profile=$5
say() {
    echo "$*" >&2
    exit 1
}
[ "$base" != "$now" ] || say "one directory for both sides: perf could not tell them apart"
command -v perf >/dev/null || say "perf is not installed: no flame graph (Debian: linux-perf)"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# the processor's own counter where there is one, the clock else
for event in cycles:u cpu-clock:u; do
    perf record -q -e "$event" -o "$scratch/try" -- seq 300000 >/dev/null 2>&1 &&
        perf script -i "$scratch/try" -F ip 2>/dev/null | grep -q . && break
    event=
done
[ -n "$event" ] || say "perf may not sample here: no flame graph (kernel.perf_event_paranoid, CAP_PERFMON)"

end=$((SECONDS + ${FLAME_SECONDS:-5}))
link=0
: >"$scratch/stacks"
while [ "$link" -lt 24 ] && { [ "$link" -eq 0 ] || [ "$SECONDS" -lt "$end" ]; } && [ -e "$base/$link.so" ] && [ -e "$now/$link.so" ]; do
    perf record -q -F 1999 -e "$event" --call-graph dwarf,16384 -o "$scratch/data" -- "$program" --run=profile \
        --base-sides="$base/$link.so" --now-sides="$now/$link.so" --workloads="$workload" --slice-budget=700 --seed="$link" \
        >"$scratch/slices" 2>"$scratch/record.log" || { tail -n 3 "$scratch/record.log" >&2; say "the run of $workload failed under perf"; }
    grep -q '^slices ' "$scratch/slices" || say "both sides have no run $workload that does the same work"
    perf script -i "$scratch/data" --no-inline -F ip,sym,dso 2>/dev/null | awk -v base="$base/" -v now="$now/" '
        function end_of_stack(  i, s) {
            if (side && measured) {
                s = "measured"
                for (i = measured - 1; i >= 1; i--)
                    s = s ";" frame[i]
                print s, side == 1 ? "1 0" : "0 1"
            }
            n = side = measured = 0
        }
        NF == 0 { end_of_stack(); next }
        {
            name = $2
            sub(/^[0-9a-f ]*/, "", name)
            line = $0
            sub(/^[ \t]*[0-9a-f]+ /, "", line)
            file = line
            sub(/^.*\(/, "", file)
            sub(/ \(.*$/, "", line)
            gsub(/[;]/, ":", line)
            sub(/\+0x[0-9a-f]+$/, "", line)
            frame[++n] = line == "[unknown]" || line == "" ? "?" : line
            if (index(file, base) == 1) side = 1
            if (index(file, now) == 1) side = 2
            if (line == "gate_run_measure") measured = n
        }
        END { end_of_stack() }' >>"$scratch/stacks"
    link=$((link + 1))
done
awk '{ base[$1] += $2; now[$1] += $3 } END { for (s in base) print s, base[s], now[s] }' \
    <(awk '{ b = $(NF - 1); n = $NF; sub(/ [01] [01]$/, ""); gsub(/ /, "_"); print $0, b, n }' "$scratch/stacks") |
    LC_ALL=C sort >"$profile"
[ -s "$profile" ] || say "perf took no sample of $workload"
