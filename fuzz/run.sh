#!/bin/bash
# Runs fuzzers over targets, one after the other, from the seed corpora: what `make fuzz` calls when everything is built.
#
#   run.sh 'fuzz_open_image fuzz_ops' 'libfuzzer afl' SECONDS
#
# SEED=n fixes the fuzzers' seed (default 1).  Inputs found stay in build/fuzz/corpus/TARGET/FUZZER and are where the next run
# begins; crashing ones go to build/fuzz/crashes/TARGET.  Ends with a table; the status is 1 when anything crashed.
set -u

cd "$(dirname "$0")/.." || exit 3
root=build/fuzz
seed=${SEED:-1}
read -ra targets <<<"$1"
read -ra fuzzers <<<"$2"
seconds=$3
rows=$(mktemp) || exit 3
child=
trap 'rm -f "$rows"' EXIT
trap '[ -z "$child" ] || kill "$child" 2>/dev/null; exit 130' INT TERM

stat_of() { # file, name: a value of libFuzzer's or AFL++'s statistics, 0 when there is none yet
    local value
    value=$(sed -n -E "s/^(stat::)?$2 *: *([0-9.]+).*/\2/p" "$1" 2>/dev/null | tail -n 1)
    echo "${value:-0}"
}
count_files() { find "$1" -maxdepth 1 -type f 2>/dev/null | wc -l; }

# Each sets runs, edges, found, crashes from what the fuzzer has written so far.
look_libfuzzer() {
    local line
    line=$(grep -aE '^#[0-9]+' "$log" | tail -n 1)
    runs=$(sed -n -E 's/^#([0-9]+).*/\1/p' <<<"$line")
    edges=$(sed -n -E 's/.* cov: ([0-9]+).*/\1/p' <<<"$line")
    found=$(($(count_files "$corpus") - before))
    crashes=$(($(count_files "$crash_dir") - crashed_before))
}
look_afl() { # plot_data is newer than fuzzer_stats, but for the end
    local stats=$corpus/default/fuzzer_stats line
    line=$(tail -n 1 "$corpus/default/plot_data" 2>/dev/null | tr -d ' ')
    runs=$(cut -d, -f12 <<<"$line") edges=$(cut -d, -f13 <<<"$line")
    if [ -n "$ended" ] || ! [[ $runs =~ ^[0-9]+$ ]]; then
        runs=$(stat_of "$stats" execs_done) edges=$(stat_of "$stats" edges_found)
    fi
    runs=$((runs - runs_before)) # it goes on with the count of the session before
    found=$(($(afl_found) - before))
    crashes=$(find "$corpus/default/crashes" "$corpus/default/hangs" -name 'id*' 2>/dev/null | wc -l)
}
afl_found() { find "$corpus/default/queue" -name 'id*' ! -name '*orig:*' 2>/dev/null | wc -l; }

# Hundredths of a second of processor time that a process, all below it, and those that these have waited for have taken.
cpu_time() { # pid
    local sum=0 stat child_pid
    stat=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || { echo 0; return; }
    read -ra stat <<<"$stat"
    [ ${#stat[@]} -lt 15 ] || sum=$((stat[11] + stat[12] + stat[13] + stat[14]))
    for child_pid in $(pgrep -P "$1"); do
        sum=$((sum + $(cpu_time "$child_pid")))
    done
    echo "$sum"
}

start_libfuzzer() {
    "$root/libfuzzer/$target" -max_total_time="$seconds" -seed="$seed" -max_len=131072 -len_control=0 -timeout=10 -reload=0 \
        -rss_limit_mb=2048 -detect_leaks=0 -print_final_stats=1 -artifact_prefix="$crash_dir/" "$corpus" "$seeds" >"$log" 2>&1 &
}
start_afl() {
    local mutator=$PWD/build/release/fuzz/mutator_$target.so
    AFL_CUSTOM_MUTATOR_LIBRARY=$mutator AFL_CUSTOM_MUTATOR_ONLY=1 AFL_DISABLE_TRIM=1 AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 \
        AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_AUTORESUME=1 AFL_FAST_CAL=1 AFL_BENCH_UNTIL_CRASH=1 \
        afl-fuzz -V "$seconds" -s "$seed" -m none -t 5000 -i "$seeds" -o "$corpus" -- "$root/afl/$target" >"$log" 2>&1 &
}

run_one() { # target, fuzzer
    target=$1 fuzzer=$2
    seeds=$root/seeds/$target corpus=$root/corpus/$target/$fuzzer crash_dir=$root/crashes/$target
    log=$root/$target-$fuzzer.log
    mkdir -p "$seeds" "$corpus" "$crash_dir"
    "$root/libfuzzer/fuzz/make_seeds" "$target" "$seeds" || exit 3
    before=$(count_files "$corpus") crashed_before=$(count_files "$crash_dir") runs_before=0
    if [ "$fuzzer" = afl ]; then
        before=$(afl_found) runs_before=$(stat_of "$corpus/default/fuzzer_stats" execs_done)
    fi
    local begin=$SECONDS took=0 last=0 status replay name
    runs=0 edges=0 found=0 crashes=0 ended=''
    local cpu=0 cpu_now
    "start_$fuzzer"
    child=$!
    while kill -0 "$child" 2>/dev/null; do
        sleep 1
        cpu_now=$(cpu_time "$child") # the last look is at most a second before its end
        [ "$cpu_now" -le "$cpu" ] || cpu=$cpu_now
        took=$((SECONDS - begin))
        "look_$fuzzer"
        local line
        line=$(printf '%s %s: %d of %d s, %d runs, %d/s, %d edges, %d new, %d crashes' "$target" "$fuzzer" "$took" "$seconds" \
            "${runs:-0}" $((${runs:-0} / (took > 0 ? took : 1))) "${edges:-0}" "$found" "$crashes")
        if [ -t 2 ]; then
            printf '\r\033[K%s' "$line" >&2
        elif [ $((took - last)) -ge 15 ]; then
            echo "$line" >&2
            last=$took
        fi
        # a fuzzer that does not end by itself
        [ "$took" -lt $((seconds + 60)) ] || kill "$child" 2>/dev/null
    done
    wait "$child"
    status=$?
    child='' ended=yes
    [ ! -t 2 ] || printf '\r\033[K' >&2
    took=$((SECONDS - begin))
    "look_$fuzzer"
    [ "$fuzzer" != libfuzzer ] || runs=$(stat_of "$log" number_of_executed_units)
    if [ "${runs:-0}" -eq 0 ] || { [ "$status" -ne 0 ] && [ "$crashes" -eq 0 ]; }; then
        tail -n 20 "$log" >&2
        echo "fuzz: $fuzzer did not run $target (status $status)" >&2
        exit 3
    fi
    printf '%s %s %d %d %d %d %d %d %d\n' "$target" "$fuzzer" "$took" "$runs" $((runs / (took > 0 ? took : 1))) \
        $((runs * 100 / (cpu > 0 ? cpu : 1))) "${edges:-0}" "$found" "$crashes" >>"$rows"
    [ "$crashes" -eq 0 ] || {
        echo "$target under $fuzzer: $crashes crashes after $took s; replay with"
        if [ "$fuzzer" = afl ]; then
            while IFS= read -r replay; do
                name=$crash_dir/afl-$(sha1sum "$replay" | cut -c1-12)
                mv "$replay" "$name"
                echo "    $root/replay_$target $name"
            done < <(find "$corpus/default/crashes" "$corpus/default/hangs" -name 'id*')
        else
            find "$crash_dir" -newer "$seeds" -type f -newermt "@$(($(date +%s) - took - 2))" | sed "s|^|    $root/replay_$target |"
        fi
    }
}

for target_name in "${targets[@]}"; do
    ln -sf "libfuzzer/fuzz/replay_$target_name" "$root/replay_$target_name"
    for fuzzer_name in "${fuzzers[@]}"; do
        run_one "$target_name" "$fuzzer_name"
    done
done
# per CPU-s: what counts on a busy machine
row='%-18s %-10s %8s %12s %8s %10s %7s %11s %8s\n'
# shellcheck disable=SC2059 # the format
printf "$row" target fuzzer seconds runs runs/s 'per CPU-s' edges 'new inputs' crashes
crashed=0
while read -r -a fields; do
    # shellcheck disable=SC2059 # the format
    printf "$row" "${fields[@]}"
    crashed=$((crashed + fields[8]))
done <"$rows"
[ "$crashed" -eq 0 ]
