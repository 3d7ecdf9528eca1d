#!/bin/bash
# Runs fuzzers over targets, one after the other, from the seed corpora: what `make fuzz` calls when everything is built.
#
#   run.sh [--check] 'fuzz_open_image fuzz_ops' 'libfuzzer afl' SECONDS
#
# CLOCK=cpu: SECONDS are those of the processor, for a machine that has other things to do; no longer than 30 times that.
# --check looks at the arguments only.  SEED=n fixes the fuzzers' seed (default 1).  Inputs found stay in
# build/fuzz/corpus/TARGET/FUZZER and are where the next run begins; crashing ones go to build/fuzz/crashes/TARGET.
# JOBS=n (default 1): so many fuzzers at once for each target, AFL++'s main and secondaries beside libFuzzer's jobs, over one
# corpus: libFuzzer's is read by AFL++'s main, and what AFL++ finds itself is put into it.  Each job is this script, with its name in JOB.
# Ends with a table, also when it is stopped.  Exit: 0 nothing found, 1 something crashed, 2 usage, 3 a fuzzer did not run,
# 130 or 143 stopped.
set -u

cd "$(dirname "$0")/.." || exit 3
root=build/fuzz
seed=${SEED:-1} jobs=${JOBS:-1} job=${JOB:-} clock=${CLOCK:-wall}

usage() {
    echo "run.sh: $1" >&2
    echo "usage: fuzz/run.sh [--check] 'TARGET...' 'libfuzzer afl' SECONDS    SEED=n JOBS=n" >&2
    exit 2
}
check_only=
[ "${1:-}" != --check ] || { check_only=yes; shift; }
[ $# -eq 3 ] || usage "three arguments are needed"
read -ra targets <<<"$1"
read -ra fuzzers <<<"$2"
seconds=$3
[ ${#targets[@]} -gt 0 ] || usage "no target"
for word in "${targets[@]}"; do
    [[ $word == fuzz_* && -f fuzz/$word.c ]] || usage "there is no target $word"
done
[ ${#fuzzers[@]} -gt 0 ] || usage "no fuzzer"
for word in "${fuzzers[@]}"; do
    [[ $word == libfuzzer || $word == afl ]] || usage "there is no fuzzer $word"
done
[[ $seconds =~ ^[1-9][0-9]{0,6}$ ]] || usage "a time of $seconds seconds"
[[ $seed =~ ^[0-9]{1,9}$ ]] || usage "a seed of $seed"
[[ $jobs =~ ^[1-9][0-9]{0,2}$ ]] || usage "$jobs jobs"
[[ $clock == wall || $clock == cpu ]] || usage "a clock $clock"
longest=$seconds hang=10
[ "$clock" = wall ] || { longest=$((seconds * 30)) hang=120; }
[ -z "$check_only" ] || exit 0

rows=$(mktemp) || exit 3
children=() stopped=0
trap 'rm -f "$rows"' EXIT
# the loops see it and end: what was done until then goes into the table
trap 'stopped=130; [ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null' INT
trap 'stopped=143; [ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null' TERM

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
    crashes=$(crashed_libfuzzer | wc -l)
}
# Also an input that an earlier run had written already is written again, and named.
crashed_libfuzzer() { sed -n -E 's/.*Test unit written to //p' "$log" 2>/dev/null | sort -u; }
look_afl() { # plot_data is newer than fuzzer_stats, but for the end
    local stats=$afl_dir/fuzzer_stats line
    line=$(tail -n 1 "$afl_dir/plot_data" 2>/dev/null | tr -d ' ')
    runs=$(cut -d, -f12 <<<"$line") edges=$(cut -d, -f13 <<<"$line")
    if [ -n "$ended" ] || ! [[ $runs =~ ^[0-9]+$ ]]; then
        runs=$(stat_of "$stats" execs_done) edges=$(stat_of "$stats" edges_found)
    fi
    runs=$((runs - runs_before)) # it goes on with the count of the session before
    found=$(($(afl_queued) - before)) # while it starts it has fewer than before
    [ "$found" -ge 0 ] || found=0
    crashes=$(find "$afl_dir/crashes" "$afl_dir/hangs" -name 'id*' 2>/dev/null | wc -l)
}
afl_queued() { find "$afl_dir/queue" -maxdepth 1 -name 'id*' 2>/dev/null | wc -l; }

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

# AFL++ leaves out inputs of its seeds and of its queue that crash or hang ("skipping"): they are run before it.  Sets
# failed_first to those that fail, and runs to how many were run.  Each part has twenty seconds, for 200 inputs that take
# milliseconds; the input named last is the one that failed.
replay_first() {
    local inputs=() part last name at=0 next
    failed_first=()
    mapfile -t inputs < <(find "$seeds" "$afl_dir/queue" -maxdepth 1 -type f ! -name '.*' 2>/dev/null | sort)
    while [ "$at" -lt ${#inputs[@]} ] && [ "$stopped" -eq 0 ]; do
        part=("${inputs[@]:at:200}")
        next=$((at + ${#part[@]}))
        if ! { timeout 20 "$root/replay_$target" "${part[@]}" >"$log" 2>&1; } 2>/dev/null; then # "Aborted" is no news
            [ "$stopped" -eq 0 ] || break
            last=$(grep -aFx -f <(printf '%s\n' "${part[@]}") "$log" | tail -n 1)
            if [ -z "$last" ]; then # it failed before the first one
                tail -n 20 "$log" >&2
                failed=3
                return
            fi
            name=$crash_dir/first-$(sha1sum "$last" | cut -c1-12)
            cp "$last" "$name"
            failed_first+=("$name")
            while [ "${inputs[at]}" != "$last" ]; do
                at=$((at + 1))
            done
            next=$((at + 1))
        fi
        at=$next
    done
    runs=$at
}
report_first() { # seconds
    crashes=${#failed_first[@]}
    add_row "$1" 0
    [ "$crashes" -eq 0 ] || {
        echo "$target: $crashes inputs of its seeds and queue fail, so $fuzzer was not started; replay with"
        printf "    $root/replay_$target %s\n" "${failed_first[@]}"
    }
}

# AFL++ does not look at -i when it goes on with a queue: seeds that are not in it are put there, with the next numbers.
import_seeds() {
    local queue=$afl_dir/queue next sum path
    [ -d "$queue" ] || return 0
    next=$(afl_queued)
    while read -r sum path; do
        printf -v name '%s/id:%06d,time:0,execs:0,orig:%s' "$queue" "$next" "${path##*/}"
        cp "$path" "$name" && next=$((next + 1))
    done < <(awk 'NR == FNR { known[$1] = 1; next } !($1 in known)' \
        <(find "$queue" -maxdepth 1 -name 'id*' -exec sha1sum {} +) <(find "$seeds" -maxdepth 1 -type f -exec sha1sum {} +))
}

add_row() { # seconds, hundredths of a CPU-second
    printf '%s %s %d %d.%d %d %d %d %d %d %d\n' "$target" "$fuzzer" "$1" $(($2 / 100)) $(($2 / 10 % 10)) "${runs:-0}" $((${runs:-0} / ($1 > 0 ? $1 : 1))) \
        $((${runs:-0} * 100 / ($2 > 0 ? $2 : 1))) "${edges:-0}" "$found" "$crashes" >>"$rows"
}

# A job shares its corpus: libFuzzer looks for what others have put into it, AFL++'s main sees to the exchange.
# Without -entropic=0 half of the time of a run goes into libFuzzer's books, and more as the corpus grows (README.md).
start_libfuzzer() {
    local reload=0
    [ -z "$job" ] || reload=10
    "$root/libfuzzer/$target" -max_total_time="$longest" -seed="$seed" -max_len=131072 -len_control=0 -entropic=0 \
        -timeout="$hang" -reload="$reload" -rss_limit_mb=2048 -detect_leaks=0 -print_final_stats=1 -artifact_prefix="$crash_dir/" \
        -dict=fuzz/levin.dict "$corpus" "$seeds" >"$log" 2>&1 &
}
start_afl() {
    local mutator=$PWD/build/release/fuzz/mutator_$target.so role=()
    case $job in
    main) role=(-M main -F "$root/corpus/$target/libfuzzer" -c "$root/cmplog/$target") ;;
    ?*) role=(-S "$job") ;;
    esac
    AFL_CUSTOM_MUTATOR_LIBRARY=$mutator AFL_CUSTOM_MUTATOR_ONLY=1 AFL_DISABLE_TRIM=1 AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 \
        AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_AUTORESUME=1 AFL_FAST_CAL=1 AFL_BENCH_UNTIL_CRASH=1 \
        AFL_SYNC_TIME=1 \
        afl-fuzz "${role[@]}" -V "$longest" -s "$seed" -m none -t $((hang * 500)) -x fuzz/levin.dict -i "$seeds" -o "$corpus" -- "$root/afl/$target" >"$log" 2>&1 &
}

run_one() { # target, fuzzer
    target=$1 fuzzer=$2
    seeds=$root/seeds/$target corpus=$root/corpus/$target/$fuzzer crash_dir=$root/crashes/$target
    log=$root/$target-$fuzzer${job:+-$job}.log afl_dir=$corpus/${job:-default}
    mkdir -p "$seeds" "$corpus" "$crash_dir"
    if [ -z "$job" ] && ! "$root/libfuzzer/fuzz/make_seeds" "$target" "$seeds"; then
        failed=3
        return
    fi
    before=$(count_files "$corpus") runs_before=0
    if [ "$fuzzer" = afl ]; then
        runs_before=$(stat_of "$afl_dir/fuzzer_stats" execs_done)
    fi
    local begin=$SECONDS took=0 last=0 status replay name
    runs=0 edges=0 found=0 crashes=0 ended=''
    local cpu=0 cpu_now used_up=''
    if [ "$fuzzer" = afl ]; then
        replay_first
        if [ ${#failed_first[@]} -gt 0 ] || [ "$stopped" -ne 0 ]; then
            report_first $((SECONDS - begin))
            return
        fi
        import_seeds
        before=$(afl_queued) # it begins with these, or with the seeds
        [ "$before" -gt 0 ] || before=$(count_files "$seeds")
    fi
    "start_$fuzzer"
    local child=$!
    children=("$child")
    while kill -0 "$child" 2>/dev/null; do
        sleep 1
        cpu_now=$(cpu_time "$child") # the last look is at most a second before its end
        [ "${cpu_now:-0}" -le "$cpu" ] || cpu=$cpu_now # empty when a stop ended the look too
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
        [ "$took" -lt $((longest + 60)) ] || kill "$child" 2>/dev/null
        [ "$clock" = wall ] || [ "$cpu" -lt $((seconds * 100)) ] || { kill "$child" 2>/dev/null && used_up=yes; }
    done
    wait "$child"
    status=$?
    children=() ended=yes
    [ "$stopped" -eq 0 ] && [ -z "$used_up" ] || status=0
    [ ! -t 2 ] || printf '\r\033[K' >&2
    took=$((SECONDS - begin))
    "look_$fuzzer"
    [ "$fuzzer" != libfuzzer ] || runs=$(stat_of "$log" number_of_executed_units)
    if [ "$crashes" -eq 0 ] && [ "$stopped" -eq 0 ] && { [ "${runs:-0}" -eq 0 ] || [ "$status" -ne 0 ]; }; then
        tail -n 20 "$log" >&2
        echo "fuzz: $fuzzer did not run $target (status $status)" >&2
        failed=3
        return
    fi
    add_row "$took" "$cpu"
    [ "$crashes" -eq 0 ] || {
        echo "$target under $fuzzer: $crashes crashes after $took s; replay with"
        if [ "$fuzzer" = afl ]; then
            while IFS= read -r replay; do
                name=$crash_dir/afl-$(sha1sum "$replay" | cut -c1-12)
                mv "$replay" "$name"
                echo "    $root/replay_$target $name"
            done < <(find "$afl_dir/crashes" "$afl_dir/hangs" -name 'id*')
        else
            crashed_libfuzzer | sed "s|^|    $root/replay_$target |"
        fi
    }
}

# ---- several fuzzers at once ---------------------------------------------------------------------------------

# What AFL++'s jobs have found themselves since the last look goes into libFuzzer's corpus, whole files only.
exchange() {
    local corpora=$root/corpus/$target path name
    mkdir -p "$corpora/.exchange"
    touch "$corpora/.exchange-now"
    while IFS= read -r path; do
        name=afl-$(sha1sum "$path" | cut -c1-40)
        [ -e "$corpora/libfuzzer/$name" ] || { cp "$path" "$corpora/.exchange/$name" && mv "$corpora/.exchange/$name" "$corpora/libfuzzer/$name"; }
    done < <(find "$corpora"/afl/*/queue -maxdepth 1 -name 'id*' ! -name '*sync:*' -newer "$corpora/.exchange-last" 2>/dev/null)
    mv "$corpora/.exchange-now" "$corpora/.exchange-last"
}

# The first, third ... job is AFL++, the others are libFuzzer, when both were chosen.
run_jobs() { # target
    target=$1
    local number fuzzer name names=() pids=() log running last=$SECONDS status i
    mkdir -p "$root/corpus/$target/libfuzzer" "$root/corpus/$target/afl" "$root/seeds/$target"
    "$root/libfuzzer/fuzz/make_seeds" "$target" "$root/seeds/$target" || { failed=3; return; }
    touch -d @0 "$root/corpus/$target/.exchange-last"
    exchange
    for ((number = 1; number <= jobs; number++)); do
        fuzzer=${fuzzers[0]} name=s$number
        [ ${#fuzzers[@]} -eq 1 ] || { fuzzer=libfuzzer; [ $((number % 2)) -eq 0 ] || fuzzer=afl; }
        [ "$number" -gt 1 ] || name=main
        names+=("$name")
        JOB=$name JOBS=1 SEED=$((10#$seed + number - 1)) fuzz/run.sh "$target" "$fuzzer" "$seconds" \
            >"$root/$target-$name.out" 2>"$root/$target-$name.err" &
        pids+=($!)
    done
    children=("${pids[@]}")
    for ((running = jobs; running > 0; )); do
        sleep 5
        exchange
        running=0
        for ((i = 0; i < jobs; i++)); do
            kill -0 "${pids[i]}" 2>/dev/null && running=$((running + 1))
        done
        if [ $((SECONDS - last)) -ge 15 ]; then
            last=$SECONDS
            for ((i = 0; i < jobs; i++)); do
                printf '%s: %s\n' "${names[i]}" "$(tail -n 1 "$root/$target-${names[i]}.err")" >&2
            done
        fi
    done
    children=()
    for ((i = 0; i < jobs; i++)); do
        wait "${pids[i]}"
        status=$?
        log=$root/$target-${names[i]}
        awk -v name="${names[i]}" '$2 == "afl" || $2 == "libfuzzer" { $2 = $2 ":" name; print }' "$log.out" >>"$rows"
        [ "$status" -ne 1 ] || grep -aE 'crashes after|^    |so .* was not started' "$log.out"
        if [ "$status" -gt 1 ] && [ "$stopped" -eq 0 ]; then
            tail -n 5 "$log.err" >&2
            failed=$status
        fi
    done
}

failed=0
for target_name in "${targets[@]}"; do
    ln -sf "libfuzzer/fuzz/replay_$target_name" "$root/replay_$target_name"
    if [ "$jobs" -gt 1 ]; then
        [ "$failed" -ne 0 ] || [ "$stopped" -ne 0 ] || run_jobs "$target_name"
        continue
    fi
    for fuzzer_name in "${fuzzers[@]}"; do
        [ "$failed" -ne 0 ] || [ "$stopped" -ne 0 ] || run_one "$target_name" "$fuzzer_name"
    done
done
# per CPU-s: what counts on a busy machine
row='%-18s %-14s %8s %8s %12s %8s %10s %7s %11s %8s\n'
# shellcheck disable=SC2059 # the format
printf "$row" target fuzzer seconds CPU-s runs runs/s 'per CPU-s' edges 'new inputs' crashes
crashed=0
while read -r -a fields; do
    # shellcheck disable=SC2059 # the format
    printf "$row" "${fields[@]}"
    crashed=$((crashed + fields[9]))
done <"$rows"
[ "$stopped" -eq 0 ] || exit "$stopped"
[ "$failed" -eq 0 ] || exit "$failed"
[ "$crashed" -eq 0 ]
