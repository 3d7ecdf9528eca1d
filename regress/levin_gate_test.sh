#!/bin/bash
# levin-gate from outside: exit codes, readable differences, JSON, and its verdicts on two sides that are played by scripts.
# shellcheck disable=SC2016 # commands are given to sh as they stand
set -u

cd "$(dirname "$0")/.." || exit 3
here=$PWD
gate=$PWD/${LEVIN_GATE:-build/release/bin/levin-gate}
csv=$PWD/regress/counters.csv
sides=build/release/sides
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
cd "$scratch" || exit 3
checks=0 failures=0

# expect NAME EXIT REGEX COMMAND...: its exit code, and a line of its output ("" takes any)
expect() {
    local name=$1 wanted=$2 regex=$3 output status
    shift 3
    checks=$((checks + 1))
    output=$("$@" 2>&1)
    status=$?
    if [ "$status" -ne "$wanted" ] || { [ -n "$regex" ] && ! grep -qE -- "$regex" <<<"$output"; }; then
        failures=$((failures + 1))
        printf '%s: exit %s, wanted %s and "%s":\n%s\n' "$name" "$status" "$wanted" "$regex" "$output"
    fi
}
other_side() { # name, instructions, operations of get alone: a side with other runs
    printf '#!/bin/sh\n# A side.\nprintf "%%s\\n" workload,counter,value get,operations,%s get,instructions,%s\n' "$3" "$2" >"$1"
    chmod +x "$1"
}
side() { # name, instructions of get, of put: a program that plays one side
    printf '#!/bin/sh\n# A side.\nprintf "%%s\\n" workload,counter,value get,operations,100 get,instructions,%s put,operations,10 put,instructions,%s\n' \
        "$2" "$3" >"$1"
    chmod +x "$1"
}
both() { # base, now, more options
    local base=$1 now=$2
    shift 2
    "$gate" --method=perf --base="./$base" --program="./$now" "$@"
}

# ---- usage ----
expect help 0 '^Exit codes' "$gate" --help
expect version 0 '^levin-gate [0-9]+\.' "$gate" --version
expect list 0 '^get-absent +20000 ' "$gate" --list
expect "nothing to do" 2 'nothing to compare' "$gate"
expect "unknown flag" 2 'help' "$gate" --frobnicate
expect "unknown workload" 2 'no such workload: gets' "$gate" --counters="$csv" --workloads=get-page,gets
expect "bad tolerance" 2 'tolerance' "$gate" --counters="$csv" --tolerance=much
expect "stray argument" 2 'unexpected' "$gate" --counters="$csv" x
expect "accepting a part" 2 'accept' "$gate" --accept --counters=part.csv --workloads=get-page
expect "full disk" 3 '' sh -c "'$gate' --run=counters --workloads=get-page >/dev/full"

# ---- counters ----
expect "as in the tree" 0 '^counters: all [0-9]+ as in' "$gate" --counters="$csv"
expect "accepts" 0 'counters written' "$gate" --accept --counters=fresh.csv
expect "what is accepted is what is in the tree" 0 '' cmp fresh.csv "$csv"
sed -E 's/^put-synced,wal.sync.calls,.*/put-synced,wal.sync.calls,1000/; /^get-page,memory/d' "$csv" >changed.csv
expect "a difference is named" 1 '^put-synced +wal.sync.calls +1000 +2000 +\+1000 +\+0\.5000$' "$gate" --counters=changed.csv
expect "so is a row that is new" 1 "^get-page +memory\." "$gate" --counters=changed.csv --workloads=get-page
expect "others are not" 0 '' "$gate" --counters=changed.csv --workloads=put,scan
grep -v '^scan,' "$csv" >without.csv
expect "a new workload takes one line" 1 '^scan +is new$' "$gate" --counters=without.csv --workloads=scan
expect "no run chosen is no success" 3 'chooses no run' "$gate" --counters="$csv" --workloads=
expect "nor is a list of none" 3 'chooses no run' "$gate" --counters="$csv" --workloads=,
echo garbage >broken.csv
expect "a baseline that cannot be read" 3 'line 1' "$gate" --counters=broken.csv
expect "a baseline that is not there" 3 'No such file' "$gate" --counters=absent.csv
"$gate" --counters=changed.csv --json >out.json 2>&1
expect "JSON" 0 '^true$' jq '.ok == false and .instructions == null and
    any(.counters.differences[]; .workload == "put-synced" and .expected == 1000 and .found == 2000)' out.json

# ---- instructions ----
side base 100000 5000 && side same 100000 5000 && side within 100499 5000 && side slower 100501 5000 && side faster 90000 5000
expect "a library that grew" 1 '^size: .*1000 bytes, now 1051, .*LARGER$' both base same --sizes=1000:1051
expect "a little" 0 '^size: .* .4\.90%$' both base same --sizes=1000:1049
expect "sizes that are none" 2 'BASE:NOW' both base same --sizes=1000
expect "the same" 0 '^get +100 +1000\.0 +1000\.0 +\+0\.000%  ok$' both base same
expect "within the tolerance" 0 '' both base within
expect "slower" 1 '^get .*\+0\.501%  SLOWER$' both base slower
expect "a wider tolerance" 0 '' both base slower --tolerance=1
expect "faster" 0 '^get .*-10\.000%  faster$' both base faster
both base slower --json --base-name=abc123 >out.json 2>&1
expect "JSON of instructions" 0 '^true$' jq '.ok == false and .base_bytes == 0 and .counters == null and .instructions.base == "abc123" and
    .instructions.slower == 1 and .instructions.workloads[0].verdict == "SLOWER"' out.json
other_side less 100000 50 && printf '#!/bin/sh\n# None.\necho workload,counter,value\n' >none && chmod +x none
expect "other work alone" 3 '^gate: NOTHING COMPARED' both less same
expect "new runs alone" 3 '^get .* new$' both none same
expect "and says so" 3 '^gate: NOTHING COMPARED' both none same
side more 100000 5000 && sed -i "s/get,operations,100/get,operations,99/" more
expect "one run compared is enough" 0 "^instructions: .*: 0 of 1 slower" both more same
both none same --json >out.json 2>&1
expect "nothing compared is not ok in JSON either" 0 '^true$' jq '.ok == false and .instructions.compared == 0' out.json
printf '#!/bin/sh\n# Fails.\necho oh no >&2\nexit 3\n' >fails && printf '#!/bin/sh\n# Babbles.\necho hello\n' >babbles && chmod +x fails babbles
expect "a side that fails" 3 'oh no' both base fails
expect "a side that babbles" 3 'cannot be read' both babbles same
expect "a side that is not there" 3 'No such file' both nowhere same
expect "nothing is left behind" 1 '' sh -c "ls -d '$scratch'/levin-gate-* 2>/dev/null && exit 0; exit 1"

# ---- time ----
# A side with one run that counts down from some number; a shared object of its own, as the real ones are.  Each turn needs the
# result of the one before: a counter in memory took 24.6 or 26.9 us for the same turns, by where the object was loaded.
time_side() { # directory, turns, what else a slice does
    mkdir -p "$1"
    cat >"$1/side.c" <<END
#include "$here/regress/gate_side.h"
#include <unistd.h>
static volatile char *here;
static const char *name(size_t i) { return i ? 0 : "count"; }
static uint64_t operations(size_t i) { return 1000 + i; }
static bool prepare(size_t i, void *region, size_t bytes) { here = region; here[0] = 7; return i < bytes; }
static size_t ranges(gate_side_range *r) { r[0] = (gate_side_range){ (void *)here, 4096 }; return 1; }
static bool measure(void)
{
    static int turns;
    unsigned chain = (unsigned)turns++;
    for (int i = 0; i < $2 / 5; i++) {
        chain = chain * 1664525u + 1013904223u;
        __asm__ volatile("" : "+r"(chain));
    }
    $3
    return here[0] == 7 && turns;
}
extern const gate_side_v1 levin_gate_side_v1;
const gate_side_v1 levin_gate_side_v1 = { sizeof(gate_side_v1), name, operations, prepare, ranges, measure };
END
    cc -O1 -shared -fPIC -o "$1/0.so" "$1/side.c" && cp "$1/0.so" "$1/1.so"
}
timed() { # base, now, more options
    local base=$1 now=$2
    shift 2
    "$gate" --base-sides="$base" --now-sides="$now" --slice-budget=10 --processes=8 "$@"
}
time_side t100 100000 '' && time_side also100 100000 '' && time_side t120 120000 '' && time_side reset 100000 'here[0] = 9; here[0] = 7; here[9]++;'
mkdir none_of_them && cp "$csv" none_of_them/0.so
time_side stray 100000 'if (turns > 6) here[3000]++;' && time_side failing 100000 'return false;'
expect "as fast" 0 '^count .* (same|undecided)$' timed t100 also100
expect "20 % slower" 1 '^count .* SLOWER$' timed t100 t120
expect "and told" 1 '^time: .* 1 of 1 slower' timed t100 t120
expect "20 % faster" 0 '^count .* faster$' timed t120 t100
expect "below the floor" 0 '^count .* (same|undecided)$' timed t100 also100 --floor=10
expect "what a slice changes is put back" 0 '^count .* (same|undecided)$' timed t100 reset
expect "what changes other places each time cannot be" 3 'not deterministic' timed t100 stray
expect "a side whose run fails" 3 'slices of count failed' timed t100 failing
expect "a side that is none" 3 'is no side' timed t100 none_of_them
expect "no side at all" 3 'no 0.so' timed t100 nowhere
expect "one side alone" 2 'go together' "$gate" --now-sides=t100
# a process of `drowsy` takes a third of a second at least, so that fewer than 64 are over in six
time_side stuck 100000 'sleep(600);' && time_side drowsy 100000 'usleep(20000);'
expect "slower before its time is over" 1 '^count .* SLOWER$' timed t100 t120 --decision-seconds=600
expect "a process that never ends is ended" 3 'or none was over in time: nothing was compared' timeout 60 "$gate" --base-sides=t100 \
    --now-sides=stuck --decision-seconds=0.5
expect "and without a time is not" 124 '' timeout 2 "$gate" --base-sides=t100 --now-sides=stuck
expect "less than a round decides nothing" 0 '^count .* - +- +[0-9]+ +- +undecided$' timed t100 drowsy --processes=64 --slice-budget=1 \
    --decision-seconds=6 --json=out.json
expect "nor in JSON" 0 '^true$' jq '.ok and .time.undecided == 1 and .time.workloads[0].change_percent == null and
    .time.workloads[0].could_see_percent == null and (.time.workloads[0].process_percent | length) > 0' out.json
expect "no time at all" 2 'seconds of a decision' timed t100 t120 --decision-seconds=0
timed t100 t120 --json >out.json 2>&1
expect "JSON of times" 0 '^true$' jq '.ok == false and .counters == null and .time.slower == 1 and
    .time.workloads[0].verdict == "SLOWER" and (.time.workloads[0].process_percent | length) >= 12' out.json
make -s -C "$here" VARIANT=release NO_DEPS=1 LINKS=2 "$sides/0.so" >/dev/null || exit 3
expect "JSON beside the text" 0 '^gate: ok$' timed t100 also100 --json=beside.json
expect "is in its file" 0 '^true$' jq '.ok' beside.json
expect "a file that cannot be written" 3 'could not be written' timed t100 also100 --json=nowhere/at.json
expect "the engine beside itself" 0 '^put-synced .*(same|undecided)$' timed "$here/$sides" "$here/$sides" --workloads=put-synced,scan

# ---- any two commands ----
commands() { # a, b, more options
    local a=$1 b=$2
    shift 2
    "$gate" --a="$a" --b="$b" --processes=6 "$@"
}
table() { printf 'printf "%%s\\n" workload,counter,value%s' "$(printf ' %s' "$@")"; }
loop='i=0; while [ $i -lt TURNS ]; do i=$((i + 1)); done'
expect "half as much again" 1 '^cpu .* SLOWER$' commands "${loop/TURNS/20000}" "${loop/TURNS/30000}"
expect "the same command" 0 '^cpu .* (same|undecided)$' commands "${loop/TURNS/9000}" "${loop/TURNS/9000}"
expect "rows that they print" 1 '^get\.ns .* 100\.0 +110\.0 .* SLOWER$' commands "$(table get,ns,100 put,ns,7)" \
    "$(table get,ns,110 put,ns,7)" --metric=rows
expect "but for those left out" 0 '^put\.ns .* same$' commands "$(table get,ns,100 put,ns,7)" "$(table get,ns,110 put,ns,7)" \
    --metric=rows --workloads=put
many() { for i in $(seq "$1"); do echo "w$i,ns,100"; done; } # rows
# shellcheck disable=SC2046 # words
expect "no row is left out, of seventy" 1 '^last\.ns .* SLOWER$' commands "$(table $(many 69) last,ns,100)" "$(table $(many 69) last,ns,1000)" --metric=rows
# shellcheck disable=SC2046 # words
expect "more rows than can be judged" 3 'too many rows, 100 at most' commands "$(table $(many 101))" "$(table $(many 101))" --metric=rows
expect "a row that was 0" 3 'get,ns is 0 with one of the two' commands "$(table get,ns,0)" "$(table get,ns,999999)" --metric=rows
expect "a new row" 3 'put,ns is printed by one of the two alone' commands "$(table get,ns,1)" "$(table get,ns,1 put,ns,7)" --metric=rows
expect "a row that is gone" 3 'put,ns is printed by one of the two alone' commands "$(table get,ns,1 put,ns,7)" "$(table get,ns,1)" --metric=rows
expect "or is left out by name" 0 '^get\.ns ' commands "$(table get,ns,1 put,ns,7)" "$(table get,ns,1)" --metric=rows --workloads=get
expect "two metrics" 0 '^rss ' commands 'exit 0' 'exit 0' --metric=rss,user --floor=50
expect "pairs until their time is over" 0 '^wall .* - +[1-5] +- +undecided$' commands 'sleep 1' 'sleep 1' --metric=wall --decision-seconds=5
expect "equal counters" 0 '^counters: all 2 ' commands "$(table get,calls,3 put,calls,4)" "$(table get,calls,3 put,calls,4)" --counters
expect "other counters" 1 '^get +calls +3 +4 ' commands "$(table get,operations,1 get,calls,3)" "$(table get,operations,1 get,calls,4)" --counters
expect "counters that are none" 3 'not print the same' commands "$(table)"' get,calls,$$' "$(table get,calls,3)" --counters
expect "no counters" 3 'NOTHING COMPARED' commands "$(table)" "$(table)" --counters
expect "a command that fails" 3 "'exit 4' ended with exit code 4" commands 'exit 4' 'exit 0'
expect "a command that babbles" 3 'cannot be read as rows' commands 'echo hello' 'echo hello' --metric=rows
expect "a metric that is none" 2 'no such metric' commands : : --metric=speed
expect "one command alone" 2 'go together' "$gate" --a=:
expect "commands beside engines" 2 'nothing else' commands : : --base-sides=t100 --now-sides=t100
expect "counters of nothing" 2 'with --a and --b' "$gate" --counters
commands "${loop/TURNS/20000}" "${loop/TURNS/30000}" --json >out.json 2>&1
expect "JSON of commands" 0 '^true$' jq '.ok == false and .time.workloads[0].workload == "cpu"' out.json
printf 'identical,quiet,put,1,same,0.1,1000,1,\nidentical,busy,put,2,SLOWER,0.1,3000,1,put\n' >decisions.csv
expect "a tally" 0 '^identical +all +2 +1 +50\.00% +9\.45\.\.90\.55% ' "$gate" --tally=decisions.csv
expect "of two files" 0 '^identical +busy +2 +2 +100\.00% ' "$gate" --tally=decisions.csv,decisions.csv
printf 'instructions,put-1,put,1,SLOWER,1.0,1000,1,\nslowed,put-1,put,1,SLOWER,2.0,3000,1,\nslowed,put-1,put,2,same,0.0,1000,1,\ncounters,bytes-put,put,1,SLOWER,0,500,1,wal\n' >power.csv
expect "of what was slowed, tier beside tier" 0 '^put-1 +- +1 of 1 +\+1\.00% +1\.0 s +1 of 2 +\+1\.00% +2\.0 s$' "$gate" --tally=decisions.csv,power.csv
expect "and what one tier alone saw" 0 '^bytes-put +1 of 1 +\+0\.00% +0\.5 s +- +-$' "$gate" --tally=decisions.csv,power.csv
expect "and not twice" 0 '^0$' sh -c "'$gate' --tally=decisions.csv,power.csv | grep -c '^slowed'; true"
expect "of what is none" 3 'line 1 is no decision' "$gate" --tally=broken.csv

# ---- the trend ----
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    printf '{"commit":"c%s","gate":{"instructions":{"workloads":[{"workload":"get","now":%s}]},"time":{"workloads":[{"workload":"get","base_ns":1000,"now_ns":1000,"change_percent":0.1,"lower_percent":-0.2,"upper_percent":0.3,"could_see_percent":1,"verdict":"same"}]}}}\n' \
        "$i" "$((i < 7 ? 100 : 110))"
done >trend.ndjson
expect "a page" 0 '<h1>The gate, 12 runs, up to c12' "$gate" --page=trend.ndjson
expect "says where it changed" 0 'get, instructions an operation: .10\.00% at c7$' sh -c "'$gate' --page=trend.ndjson | sed 's/<[^>]*>//g'"
expect "and what the newest found" 0 '<td>.0\.10%<td>-0\.20\.\..0\.30%<td>1\.00%<td>same' "$gate" --page=trend.ndjson
expect "of nothing" 3 'No such file' "$gate" --page=absent.ndjson
printf 'get;find 60 60\nget;copy 30 40\n' >flame.profile
expect "with a flame graph" 0 '^<p>now: 100 samples' "$gate" --page=trend.ndjson --flame=flame.profile --flame-title='get <both>'
expect "of its title" 0 '^<p>get &lt;both></p>' "$gate" --page=trend.ndjson --flame=flame.profile --flame-title='get <both>'
expect "or why there is none" 0 '^<p>perf is not installed' "$gate" --page=trend.ndjson --flame-title='perf is not installed'
expect "no profile" 3 'No such file' "$gate" --page=trend.ndjson --flame=absent.profile
expect "a flame graph alone" 2 'goes on a page' "$gate" --flame=flame.profile
mkdir -p flame-base without && cp "$here/$sides/0.so" flame-base && for tool in bash sh realpath mktemp rm dirname; do ln -s "$(command -v $tool)" without; done
expect "without perf" 1 'perf is not installed' env PATH="$PWD/without" "$here/regress/gate_flame.sh" "$gate" flame-base "$here/$sides" get-page p
if command -v perf >/dev/null && perf record -q -e cpu-clock:u -o try.data -- true >/dev/null 2>&1; then
    expect "of the engine beside itself" 0 '' env FLAME_SECONDS=1 "$here/regress/gate_flame.sh" "$gate" flame-base "$here/$sides" get-page engine.profile
    expect "the measured part alone" 0 '^0$' sh -c "grep -vc '^measured[; ]' engine.profile; true"
    expect "both sides, in the engine" 0 '^.*;tree_find' awk '{ base += $(NF - 1); now += $NF } END { exit !(base && now) } /tree_find/ { print $1 }' engine.profile
    expect "a run that is none" 1 'no run|failed under perf' "$here/regress/gate_flame.sh" "$gate" flame-base "$here/$sides" nothing p
fi
expect "of what is no trend" 3 'holds no run' "$gate" --page=broken.csv

# ---- which revision is the base ----
git init -q -b main tree && mkdir -p tree/regress tree/engine && cp "$here/regress/gate.sh" tree/regress && touch tree/engine/levin.h
in_tree() { git -C tree -c user.name=gate -c user.email=gate@localhost "$@"; }
commit() { # text: it becomes the engine
    echo "$1" >tree/engine/levin.h
    in_tree add -A && in_tree commit -q -m "$1" && in_tree rev-parse HEAD
}
which_base() { env -u BASE -u GATE_BASE "$@" tree/regress/gate.sh --which-base; }
expect "no revision yet" 0 'no git revision' which_base
one=$(commit one) && expect "a first commit" 0 'no parent' which_base
two=$(commit two) && three=$(commit three)
expect "the commit before" 0 "^$two\$" which_base
touch tree/stray tree/regress/stray
expect "a stray file changes nothing" 0 "^$two\$" which_base
expect "all that was pushed" 0 "^$one\$" which_base GATE_BASE="$one"
expect "a base that holds all of it" 0 "^$two\$" which_base GATE_BASE=main
in_tree checkout -q -b side "$one" && side_head=$(commit side) && in_tree checkout -q main
expect "a base that is elsewhere now" 0 "^$one\$" which_base GATE_BASE="$side_head"
expect "a base that is none" 3 'GATE_BASE=gone is no revision' which_base GATE_BASE=gone
touch tree/engine/new.c
expect "a new file of the engine" 0 "^$three\$" which_base GATE_BASE="$one"
expect "what is asked for" 0 "^$one\$" which_base BASE="$one"
rm tree/engine/new.c && echo changed >tree/engine/levin.h
expect "a changed file" 0 "^$three\$" which_base GATE_BASE="$one"

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
