#!/bin/bash
# `make gate`: builds levin-gate twice, around the engine of this tree and around that of the base revision, and the links of
# both sides for the time tier, and runs it.
#
#   BASE=rev     what to compare with (default: GATE_BASE, or the commit before HEAD; HEAD when tracked files have changes,
#                or engine/ has files that git does not know)
#   GATE_BASE=rev  for CI: what a clean tree is compared with. One commit back does not see what an earlier commit of
#                the same push costs: give the revision that the push, or the branch, began with. When it is no
#                ancestor of HEAD (after a rebase), the commit where the two part is taken.
#   GATE_FLAGS=  more options of levin-gate, such as --json or --workloads=get-row,put
#   GATE_JSON=file   the results as JSON, too
#   GATE_TREND=file  to which each run of a clean tree is appended, as a line of JSON (default build/gate/trend.ndjson; nothing is
#                judged by it: `make gate-report` makes a page of it)
#   CC, CFLAGS, CPPFLAGS, LDFLAGS  as for make, for both sides
#
#   gate.sh [--accept | --which-base | --nightly | --report]
#     --which-base  prints the revision and ends
#     --nightly     what cannot be sliced: levin-bench of both sides with threads, background work and real syncs, by runs in
#                   pairs; advisory, so that slower is no failure. TMPDIR: where the stores are, on a disk
#     --report      the trend as a page, build/gate/report.html, with a flame graph of both sides of the run that is slowest
#                   in the newest line of the trend (FLAME=run chooses another); where perf is missing the page says so
#
# Each engine is built with the flags of its own Makefile.  The recorded runs around them are this tree's, so that both
# sides do the same work; when these cannot be compiled with the base's headers, the base's own levin-gate is taken.
# Builds are kept in build/gate/, the base's by revision, all by compiler and flags.
set -eu -o pipefail

cd "$(dirname "$0")/.."
counters=regress/counters.csv
jobs=-j$(nproc)
say() { echo "gate: $*" >&2; }
die() {
    say "$*"
    exit 3
}

# ---- which base ----
# Prints the revision to compare with, or nothing and the reason on standard error.
choose_base() {
    local base
    if ! git rev-parse --verify -q HEAD >/dev/null 2>&1; then
        say "no git revision to compare with: instructions are not compared"
        return
    elif [ -n "${BASE:-}" ]; then
        base=$(git rev-parse --verify -q "$BASE^{commit}") || die "BASE=$BASE is no revision"
    elif [ -n "$(git status --porcelain --untracked-files=no)$(git ls-files --others --exclude-standard engine)" ]; then
        base=$(git rev-parse HEAD)
    else
        base=$(git rev-parse --verify -q 'HEAD^1') || true
        if [ -n "${GATE_BASE:-}" ]; then
            git rev-parse --verify -q "$GATE_BASE^{commit}" >/dev/null || die "GATE_BASE=$GATE_BASE is no revision"
            git merge-base --is-ancestor HEAD "$GATE_BASE" || # else GATE_BASE holds all that there is
                base=$(git merge-base HEAD "$GATE_BASE") || die "GATE_BASE=$GATE_BASE and HEAD have no commit in common"
        fi
        if [ -z "$base" ]; then
            say "HEAD has no parent here (a first commit, or a shallow clone): instructions are not compared"
            return
        fi
    fi
    if ! git cat-file -e "$base:engine/levin.h" 2>/dev/null; then
        say "the base $(git rev-parse --short "$base") has no engine: instructions are not compared"
        return
    fi
    echo "$base"
}
base=$(choose_base)
if [ "${1:-}" = --which-base ]; then
    echo "$base"
    exit
fi

# Debug information goes: valgrind 3.19 gives up on clang's.
# MAKEFLAGS of a calling make would bring its variables (VARIANT, B) along.
unset MAKEFLAGS MFLAGS MAKELEVEL
# A function begins a line of the cache: one that did not change does not become slower because another one grew.
layout=-falign-functions=64
build() { # log, arguments of make
    local log=$1
    shift
    make --no-print-directory "$jobs" VARIANT=release CC="${CC:-cc}" CFLAGS="$layout ${CFLAGS:-}" CPPFLAGS="${CPPFLAGS:-}" \
        LDFLAGS="${LDFLAGS:-} -Wl,--strip-debug" "$@" >"$log" 2>&1
}

# What both sides were built with: a directory of builds for each.
# shellcheck disable=SC2086 # a compiler may come with a launcher: CC="ccache cc"
key=$({ ${CC:-cc} --version | head -n 1; echo "$layout ${CFLAGS:-} ${CPPFLAGS:-} ${LDFLAGS:-}"; } | cksum | cut -d ' ' -f 1)
root=build/gate/$key
mkdir -p "$root"

# ---- this tree ----
now=$root/now
mkdir -p "$now" && touch "$now"
if ! build "$root/now.log" B="$now" "$now/bin/levin-gate" "$now/sides/0.so"; then
    tail -n 30 "$root/now.log" >&2
    die "this tree does not build"
fi
if [ "${1:-}" = --accept ]; then
    exec "$now/bin/levin-gate" --accept --counters="$counters"
fi

# ---- the base ----
# Prints the program to compare with, beside which its links for the time tier stand in ../sides; or nothing and the reason on
# standard error.
base_program() { # revision
    local dir=$root/$1 work
    if [ ! -e "$dir/engine.ok" ]; then
        say "building the base revision $(git log -1 --format='%h %s' "$1" | cut -c1-80)"
        rm -rf "$dir"
        mkdir -p "$dir/tree"
        git archive "$1" | tar -x -C "$dir/tree"
        build "$dir/engine.log" -C "$dir/tree" B=build build/liblevin.a ||
            { tail -n 30 "$dir/engine.log" >&2; die "the base's engine does not build (BASE=rev chooses another)"; }
        touch "$dir/engine.ok"
    fi
    touch "$dir"
    # shellcheck disable=SC2012 # our own names; the newest five stay
    ls -dt "$root"/*/ | tail -n +6 | xargs -r rm -rf
    # This tree's runs beside the base's engine. Files keep their times, so that only what changed is compiled.
    work=$dir/runner
    mkdir -p "$work"
    rm -rf "$work/regress" "$work/faults"
    cp -a regress faults "$work"
    cp -p Makefile "$work"
    ln -sfn ../tree/engine "$work/engine"
    if build "$dir/runner.log" -C "$work" NO_DEPS=1 B=build ENGINE_A=../tree/build/liblevin.a build/bin/levin-gate build/sides/0.so; then
        echo "$work/build/bin/levin-gate"
        return
    fi
    say "the recorded runs of this tree do not compile with the base's headers:"
    grep -m 3 -E 'error|Error' "$dir/runner.log" >&2 || true
    if build "$dir/own.log" -C "$dir/tree" B=build build/bin/levin-gate; then
        say "comparing with the base's own levin-gate: what differs may be the runs"
        build "$dir/own.log" -C "$dir/tree" B=build build/sides/0.so || say "which has no sides for the time tier: it is left out"
        echo "$dir/tree/build/bin/levin-gate"
    else
        say "and the base has no levin-gate that builds"
    fi
}

# ---- threads and real syncs ----
nightly() { # base revision
    local old=$root/$1/tree/build/bin/levin-bench new=$now/bin/levin-bench name line dir status worst=0
    build "$root/now.log" B="$now" "$new" || die "levin-bench does not build"
    build "$root/$1/bench.log" -C "$root/$1/tree" B=build build/bin/levin-bench || die "the base's levin-bench does not build"
    dir=$(mktemp -d "${TMPDIR:-/tmp}/levin-nightly-XXXXXX")
    trap 'rm -rf "$dir"' EXIT
    while read -r name line; do
        echo "== $name: levin-bench $line"
        status=0
        # shellcheck disable=SC2086 # flags are words
        "$now/bin/levin-gate" --a="$old --rounds=1 --db=$dir/old $line" --b="$new --rounds=1 --db=$dir/new $line" \
            --metric=cpu,wall,rss --floor=2 ${GATE_FLAGS:-} || status=$?
        [ "$status" -le 1 ] || worst=$status
    done <<'END'
syncs --benchmarks=fillsync --num=20000 --syncs=2000 --threads=8
load --benchmarks=fillrandom --num=300000
readers --benchmarks=fillrandom,readrandom,multireadrandom --num=100000 --threads=2
mixed --benchmarks=fillrandom,ycsba,ycsbf --num=50000 --reads=50000 --threads=4
END
    exit "$worst"
}

# ---- the page ----
report() { # links of the base, or nothing
    local trend=${GATE_TREND:-build/gate/trend.ndjson} page=build/gate/report.html run=${FLAME:-} title profile=$root/flame.profile
    [ -s "$trend" ] || die "$trend holds no run yet: make gate, on a clean tree"
    [ -n "$run" ] || ! command -v jq >/dev/null || run=$(jq -rs 'last.gate | [.time.workloads[]?, .instructions.workloads[]?]
        | map(select(.change_percent)) | sort_by(.verdict == "SLOWER", .change_percent) | last | .workload // empty' "$trend")
    local flame=()
    rm -f "$profile"
    if [ -z "$1" ] || [ -z "$run" ]; then
        title="There is no base here to profile beside this tree: no flame graph."
    elif title=$(regress/gate_flame.sh "$now/bin/levin-gate" "$1" "$now/sides" "$run" "$profile" 2>&1); then
        title="$run, the base $name and this tree, as many slices of each, sampled by perf. As wide as it takes time; red: more than the base, blue: less."
        flame=(--flame="$profile")
    fi
    "$now/bin/levin-gate" --page="$trend" --flame-title="$title" "${flame[@]}" >"$page.new"
    mv "$page.new" "$page"
    echo "  $page: ${title%%. *}"
}

# Code and data of an engine, as `size` adds them up.
bytes_of() { size "$1" | awk 'NR > 1 { bytes += $4 } END { print bytes }'; }

name='' program='' sides='' sizes=''
if [ -n "$base" ]; then
    name=$(git rev-parse --short "$base")
    program=$(base_program "$base")
    sides=${program%/bin/levin-gate}/sides
    [ -e "$sides/0.so" ] || sides=''
    sizes=$(bytes_of "$root/$base/tree/build/liblevin.a"):$(bytes_of "$now/liblevin.a")
fi
if [ "${1:-}" = --nightly ]; then
    [ -n "$base" ] || die "nothing to compare with"
    nightly "$base"
fi

if [ "${1:-}" = --report ]; then
    report "$sides"
    exit
fi

json=${GATE_JSON:-$root/last.json}
status=0
rm -f "$json"
# shellcheck disable=SC2086 # flags are words
"$now/bin/levin-gate" --counters="$counters" ${program:+--base="$program" --base-name="$name"} \
    ${sides:+--base-sides="$sides" --now-sides="$now/sides"} ${sizes:+--sizes="$sizes"} --json="$json" ${GATE_FLAGS:-} || status=$?
if [ -s "$json" ] && [ -n "$base" ] && [ -z "$(git status --porcelain --untracked-files=no)" ] && command -v jq >/dev/null; then
    jq -c --arg commit "$(git rev-parse --short HEAD)" --arg base "$name" --arg date "$(git log -1 --format=%cI)" \
        '{commit: $commit, base: $base, date: $date, gate: .}' "$json" >>"${GATE_TREND:-build/gate/trend.ndjson}"
fi
exit "$status"
