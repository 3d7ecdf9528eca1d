#!/bin/bash
# Runs test programs and test scripts, two at a time, and adds up their results.
#
#   run-tests.sh PROGRAM|SCRIPT ...      ONLY='words' keeps those whose path holds one of the words
#
# Each must end with Check's result line, "100%: Checks: 12, Failures: 0, Errors: 0"; one that ends without it, or with a
# non-zero status and nothing failed, counts as one failure.  The output of whatever failed is shown, and what was
# SKIPPED; the last line
# is "N passed, N failed", and the status tells whether all passed.
set -u

cd "$(dirname "$0")/.." || exit 3
# intercept_tls_get_addr=0: up to GCC 13 and LLVM 16 that interceptor takes thread-local memory of a loaded module that
# begins 16 bytes into a page to have a header of glibc before 2.25, and the leak check, which reads where that header
# points, dies: "Tracer caught signal 11", by where malloc happened to put it (1 of 64 places).
export ASAN_OPTIONS="intercept_tls_get_addr=0:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
tsan="halt_on_error=1:second_deadlock_stack=1"
[ -f faults/tsan.supp ] && tsan="$tsan:suppressions=$PWD/faults/tsan.supp"
export TSAN_OPTIONS="$tsan${TSAN_OPTIONS:+:$TSAN_OPTIONS}"

out=$(mktemp -d) || exit 3
trap 'rm -rf "$out"' EXIT
trap 'exit 130' INT TERM

wanted() { # path
    [ -n "${ONLY:-}" ] || return 0
    local word
    for word in $ONLY; do
        case $1 in *"$word"*) return 0 ;; esac
    done
    return 1
}

run_one() { # path: leaves path, status, seconds and output in $out
    local log="$out/${1//\//_}" start=$SECONDS
    timeout --kill-after=10 "${TEST_TIMEOUT:-600}" "$1" >"$log.log" 2>&1 </dev/null
    echo "$? $((SECONDS - start))" >"$log.status"
}

list=()
for path; do
    wanted "$path" && list+=("$path")
done

running=0
for path in "${list[@]}"; do
    if [ "$running" -ge 2 ]; then
        wait -n
        running=$((running - 1))
    fi
    run_one "$path" &
    running=$((running + 1))
done
wait

passed=0 failed=0
for path in "${list[@]}"; do
    log="$out/${path//\//_}"
    read -r status seconds <"$log.status"
    counts=$(sed -n -E 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)$/\1 \2 \3/p' "$log.log" | tail -n 1)
    checks=0 bad=0
    if [ -n "$counts" ]; then
        read -r checks failures errors <<<"$counts"
        bad=$((failures + errors))
    fi
    if [ "$bad" -eq 0 ] && { [ -z "$counts" ] || [ "$status" -ne 0 ]; }; then
        checks=$((checks + 1)) bad=1 # it crashed, hung, or never reported
    fi
    passed=$((passed + checks - bad)) failed=$((failed + bad))
    if [ "$bad" -eq 0 ]; then
        printf '  ok    %4d  %3ds  %s\n' "$checks" "$seconds" "$path"
        grep -a '^SKIPPED: ' "$log.log"
    else
        case $status in 124 | 137) why=" (stopped after ${TEST_TIMEOUT:-600} s)" ;; *) why=" (exit status $status)" ;; esac
        printf '  FAIL  %4d  %3ds  %s%s\n' "$bad" "$seconds" "$path" "$why"
        sed 's/^/        | /' "$log.log" | tail -n 200
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
