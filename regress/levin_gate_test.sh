#!/bin/bash
# levin-gate from outside: exit codes, readable differences, JSON, and its verdicts on two sides that are played by scripts.
set -u

cd "$(dirname "$0")/.." || exit 3
here=$PWD
gate=$PWD/${LEVIN_GATE:-build/release/bin/levin-gate}
csv=$PWD/regress/counters.csv
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
expect "the same" 0 '^get +100 +1000\.0 +1000\.0 +\+0\.000%  ok$' both base same
expect "within the tolerance" 0 '' both base within
expect "slower" 1 '^get .*\+0\.501%  SLOWER$' both base slower
expect "a wider tolerance" 0 '' both base slower --tolerance=1
expect "faster" 0 '^get .*-10\.000%  faster$' both base faster
both base slower --json --base-name=abc123 >out.json 2>&1
expect "JSON of instructions" 0 '^true$' jq '.ok == false and .counters == null and .instructions.base == "abc123" and
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
