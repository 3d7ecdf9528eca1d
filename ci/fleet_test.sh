#!/bin/bash
# A campaign in shards, by GNU parallel and by a Slurm of one node that is started here, merged, is the campaign undivided.
# Without root there is no Slurm to be started: that part says so.
# shellcheck disable=SC2016 # what is given to sh -c is given as it stands
set -u

cd "$(dirname "$0")/.." || exit 3
# shellcheck source=ci/expect.sh
. ci/expect.sh || exit 3
fleet=$PWD/ci/fleet chaos=$PWD/build/release/bin/levin-chaos gate=$PWD/build/release/bin/levin-gate bench=$PWD/build/release/bin/levin-bench
csv=$PWD/regress/counters.csv
scratch=$(mktemp -d) || exit 3
chmod 755 "$scratch"
cd "$scratch" || exit 3
trap '"$fleet/slurm_node.sh" stop "$scratch/slurm" 2>/dev/null; rm -rf "$scratch"' EXIT
# What is left when times and the number of workers are taken out.
same() { # file, file
    diff <(jq -S 'del(.. | .seconds?, .states_per_second_per_core?, .jobs?)' "$1") <(jq -S 'del(.. | .seconds?, .states_per_second_per_core?, .jobs?)' "$2")
}
campaign=("$chaos" ranges --seeds 7 --seed 11 --ops 60 --small --json --quiet --jobs 1)
counters=("$gate" --counters="$csv" --json)

check "undivided" sh -c '"$@" >whole.json' - "${campaign[@]}"
check "by parallel" env JOBS=2 "$fleet/parallel.sh" parallel 3 -- "${campaign[@]}"
check "merged" sh -c '"$1" merge parallel/*.json >parallel.json' - "$chaos"
check "is the whole" same whole.json parallel.json
rm -f parallel/2.json
check "a shard that is missing is seen" sh -c '"$1" merge parallel/*.json >part.json' - "$chaos"
check "for it is not the whole" sh -c '! diff whole.json part.json'
check "and is run again, alone" env JOBS=2 "$fleet/parallel.sh" parallel 3 -- "${campaign[@]}"
check "which makes it whole" sh -c '"$1" merge parallel/*.json >parallel.json' - "$chaos"
check "as before" same whole.json parallel.json
check "another campaign's shard is refused" sh -c '"$1" ranges --data /etc/os-release --json --quiet >other.json; ! "$1" merge whole.json other.json' - "$chaos"
check "more shards than seeds are refused" sh -c '"$1" ranges --shard 1/2 2>&1 | grep -q "fewer seeds"' - "$chaos"
check "the gate undivided" sh -c '"$@" >gate.json' - "${counters[@]}"
check "the gate's counters by parallel" env JOBS=2 "$fleet/parallel.sh" gates 3 -- "${counters[@]}"
check "merged" sh -c '"$1" --merge gates/*.json >gates.json' - "$gate"
check "are the whole" same gate.json gates.json
sed '2s/[0-9]*$/7/' "$csv" >wrong.csv
found=("$gate" --counters="$PWD/wrong.csv" --workloads="$(sed -n '2s/,.*//p' "$csv")" --json)
check "a shard that found something" exits 1 "$fleet/shard.sh" found 1 1 -- "${found[@]}"
check "says so again" exits 1 "$fleet/shard.sh" found 1 1 -- "${found[@]}"
check "and so does parallel" exits 1 env JOBS=1 "$fleet/parallel.sh" found 1 -- "${found[@]}"
check "the bench by parallel" env JOBS=1 "$fleet/parallel.sh" benches 2 -- "$bench" --benchmarks=fillrandom --num=2000 --rounds=3 --json
check "merged" sh -c '"$1" --merge benches/*.json >benches.json' - "$bench"
check "has all rounds" jq -e '.options.rounds == 3 and (.results[0].rounds | length) == 3' benches.json
check "a Kubernetes job of one shard" env JOB_COMPLETION_INDEX=2 "$fleet/shard.sh" pods 3 -- "${campaign[@]}"
check "counts from 0" same pods/3.json parallel/3.json

if [ "$(id -u)" != 0 ] || ! command -v slurmctld slurmd munged >/dev/null; then
    echo "fleet: no root, or no Slurm: the job array is not looked at"
elif "$fleet/slurm_node.sh" start "$scratch/slurm" >started; then
    SLURM_CONF=$(sed 's/^SLURM_CONF=//' started)
    export SLURM_CONF
    check "by a Slurm job array" "$fleet/slurm.sh" slurmed 3 -- "${campaign[@]}"
    check "merged" sh -c '"$1" merge slurmed/*.json >slurmed.json' - "$chaos"
    check "is the whole" same whole.json slurmed.json
    check "the gate's counters by Slurm" "$fleet/slurm.sh" slurm-gates 3 -- "${counters[@]}"
    check "merged" sh -c '"$1" --merge slurm-gates/*.json >slurm-gates.json' - "$gate"
    check "are the whole" same gate.json slurm-gates.json
    check "the bench by Slurm" "$fleet/slurm.sh" slurm-benches 2 -- "$bench" --benchmarks=fillrandom,readrandom --num=2000 --rounds=3 --json
    check "merged" sh -c '"$1" --merge slurm-benches/*.json >slurm-benches.json' - "$bench"
    check "has all rounds, all latencies" jq -e 'all(.results[]; (.rounds | length) == 3 and ([.latencies[]] | add // 0) == .latency_ns.count)' slurm-benches.json
    check "a shard that fails is told" sh -c '! "$1" failing 2 -- false --nothing 2>told; grep -q "no report of shard" told' - "$fleet/slurm.sh"
else
    checks=$((checks + 1)) failures=$((failures + 1))
    echo "fleet: Slurm did not start"
fi
finish
