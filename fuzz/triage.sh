#!/bin/bash
# What crashed, each cause once; and a finding made a kept one.
#   triage.sh list [DIRECTORY...]      inputs below build/fuzz/crashes, by what broke and where, the shortest of each with its replay line
#   triage.sh keep FILE NAME [TARGET]  minimises FILE and keeps it as fuzz/findings/TARGET/NNNN-NAME, which `make test` replays from then on
# TARGET is the name of the directory that FILE is in, if not given.  MINIMISE=seconds (default 20, 0: not at all).
# Exit: 0 done, 1 list: something crashes still; keep: FILE does not fail, 2 usage.
set -u

cd "$(dirname "$0")/.." || exit 3
bin=build/fuzz/libfuzzer
export ASAN_OPTIONS=handle_abort=1:detect_leaks=0:symbolize=1

usage() {
    echo "triage.sh: $1" >&2
    sed -n '3,4s/^# *//p' "$0" >&2
    exit 2
}
# What broke, and the first functions of the stack that are the project's own; nothing when the input passes.
cause() { # target, input
    local log
    if log=$(timeout 60 "$bin/fuzz/replay_$1" -q "$2" 2>&1); then
        return 1
    fi
    grep -aoE -m 1 'broken promise at [^:]+:[0-9]+|AddressSanitizer: [a-zA-Z-]+|runtime error: .*' <<<"$log" | head -n 1 | tr '\n' ' '
    # abort, raise and the harness's own end stand above the cause
    sed -nE 's/^ *#[0-9]+ 0x[0-9a-f]+ in ([A-Za-z_0-9]+) .*(engine|fuzz)\/[a-z_]+\.[ch].*/\1/p' <<<"$log" | grep -vx fuzz_fail |
        head -n 4 | paste -sd' '
}

list() {
    local path target key
    declare -A shortest=() size=() count=()
    while IFS= read -r path; do
        target=$(basename "$(dirname "$path")")
        [ -x "$bin/fuzz/replay_$target" ] || continue
        key=$(cause "$target" "$path") || continue
        key="$target: $key"
        count[$key]=$((${count[$key]:-0} + 1))
        if [ -z "${shortest[$key]:-}" ] || [ "$(stat -c %s "$path")" -lt "${size[$key]}" ]; then
            shortest[$key]=$path
            size[$key]=$(stat -c %s "$path")
        fi
    done < <(find "$@" -type f 2>/dev/null | sort)
    for key in "${!shortest[@]}"; do
        printf '%s\n    %d inputs; the shortest has %d bytes: %s/fuzz/replay_%s %s\n' "$key" "${count[$key]}" "${size[$key]}" "$bin" \
            "${key%%:*}" "${shortest[$key]}"
    done
    [ ${#shortest[@]} -eq 0 ]
}

keep() { # file, name, target
    local file=$1 name=$2 target=$3 small before after number to
    [[ $name =~ ^[a-z0-9][a-z0-9-]*$ ]] || usage "a name of small letters, digits and - is wanted, not '$name'"
    [ -x "$bin/fuzz/replay_$target" ] || usage "there is no $bin/fuzz/replay_$target (make VARIANT=libfuzzer fuzz-libfuzzer)"
    before=$(cause "$target" "$file") || { echo "triage.sh: $file does not fail" >&2; exit 1; }
    small=$(mktemp) || exit 3
    cp "$file" "$small"
    if [ "${MINIMISE:-20}" -gt 0 ]; then
        "$bin/$target" -minimize_crash=1 -max_total_time="${MINIMISE:-20}" -exact_artifact_path="$small.min" "$file" >/dev/null 2>&1
        after=''
        [ ! -s "$small.min" ] || after=$(cause "$target" "$small.min")
        # another bug is no smaller form of this one
        [ "$after" != "$before" ] || cp "$small.min" "$small"
        rm -f "$small.min"
    fi
    number=$(find fuzz/findings -type f -printf '%f\n' | sed -nE 's/^([0-9]{4})-.*/\1/p' | sort -n | tail -n 1)
    printf -v to 'fuzz/findings/%s/%04d-%s' "$target" $((10#${number:-0} + 1)) "$name"
    mkdir -p "fuzz/findings/$target"
    cp "$small" "$to"
    rm -f "$small"
    printf '%s: %d bytes, of %d\n    %s\n    replay: %s/fuzz/replay_%s %s\n' "$to" "$(stat -c %s "$to")" "$(stat -c %s "$file")" \
        "$before" "$bin" "$target" "$to"
}

case ${1:-} in
list)
    shift
    [ $# -gt 0 ] || set -- build/fuzz/crashes
    list "$@"
    ;;
keep)
    if [ $# -lt 3 ] || [ $# -gt 4 ]; then usage "a file and a name are wanted"; fi
    [ -f "$2" ] || usage "there is no file $2"
    keep "$2" "$3" "${4:-$(basename "$(dirname "$2")")}"
    ;;
*) usage "list or keep" ;;
esac
