#!/bin/bash
# Help, manual page and completion of `levin` (build/asan/bin/levin, or $LEVIN) tell the same: every command of `levin --help`
# has a section in levin.1 that names each of its options, every option is completed, and no option is there without help.
# Then `levin stress`, short: its report, its exit codes, its end on an interrupt.
# shellcheck disable=SC2034,SC1091,SC2154 # COMP_WORDS and COMP_CWORD are read, COMPREPLY is set, by the completion
set -u

root=$(cd "$(dirname "$0")/../.." && pwd) || exit 3
levin=${LEVIN:-$root/build/asan/bin/levin}
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 3
mkdir bin && ln -s "$levin" bin/levin && PATH=$scratch/bin:$PATH || exit 3
checks=0 failures=0
fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$1"
}
check() { # what, command...
    checks=$((checks + 1))
    "${@:2}" || fail "$1"
}

# ---- help, manual, completion ----
complete() { :; } # what levin.bash calls at its end
. "$root/engine/cli/levin.bash"
completed() { # words...: what is offered for the last of them
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _levin
    printf '%s\n' "${COMPREPLY[@]}"
}
options_of() { grep -oE -e '(^|[ ,])--[a-z-]+' | tr -d ' ,' | sort -u; }

mapfile -t commands < <(levin --help | sed -n -E 's/^  ([a-z-]+) .*/\1/p')
check "commands are listed" test ${#commands[@]} -ge 10
check "each has its file" test "$(printf '%s\n' "${commands[@]}" | sort | tr '\n' ' ')" = \
    "$(cd "$root/engine/cli" && for f in cmd_*.c; do case $f in *_test.c) ;; *) sed -n -E 's/^const cli_command command_([a-z_]+).*/\1/p' "$f" ;; esac; done | tr _ - | sort | tr '\n' ' ')"
sed 's/\\-/-/g; s/\\f.//g' "$root/engine/cli/levin.1" >manual
for command in "${commands[@]}"; do
    # the sections that name the command, and those of matters that it refers to
    awk -v c="levin ${command}[^a-z-]" '/^\.S[SH]/ { on = $0 ~ c || $0 ~ /^\.S[HS] ("levin keyspaces|DURABILITY|FORMATS|"OPTIONS OF EVERY STORE")/ } on' manual >section
    check "$command has a section in the manual" grep -q "^.SS.*levin $command" manual
    levin "$command" --help | options_of >helped
    while read -r option; do
        check "levin.1 tells $option of $command" grep -qE -e "$option([^a-z-]|$)" section
    done <helped
    completed levin "$command" -- | sort -u >offered
    echo --help | sort -u helped - >wanted
    check "$command: all options are completed: $(diff wanted offered | tr '\n' ' ')" cmp -s wanted offered
    # what the program accepts: the table of its options, in the source
    source=$root/engine/cli/cmd_${command//-/_}.c
    [ -f "$source" ] || continue # it shares a file, and the options, of another
    sed -n -E 's/.*\{ "([a-z-]+)", (no|required)_argument.*/--\1/p' "$source" | sort -u >accepted
    check "$command: no option without help: $(comm -13 helped accepted | tr '\n' ' ')" test -z "$(comm -13 helped accepted)"
done
check "commands are completed" test "$(completed levin '' | grep -cxF -f <(printf '%s\n' "${commands[@]}"))" -eq ${#commands[@]}
check "a value is completed" grep -qx synced <(completed levin put s k v --durability '')
check "presets are completed" test "$(completed levin get s k --preset '' | wc -l)" -eq 6
check "names of options are completed" grep -qx 'cache_bytes=' <(completed levin get s k --option cache)
check "the manual page has no mistakes that man would tell" test -z "$(MANROFFSEQ='' groff -man -ww -Tutf8 "$root/engine/cli/levin.1" 2>&1 >/dev/null)"
for code in 0 1 2 3 130; do
    check "exit code $code is told" grep -qx -e ".B $code" manual
done

# ---- stress ----
check "stress ends well" levin stress one --threads 4 --operations 200 --keys 1K --json >report
check "and says so" test "$(jq -r .verdict report)" = ok
check "with as many operations" test "$(jq -r .operations report)" -eq 800
check "each of a kind" test "$(jq '[.of[].count] | add' report)" -eq 800
check "and leaves a store that is whole" levin check one >/dev/null
levin stress one --operations 1 >report 2>&1
check "it does not touch a store that is there" test $? -eq 3
check "and says why" grep -q "there is a store" report
check "any option of the library" levin stress three --operations 20 --threads 2 --keys 1K --preset development --option page_bytes=4K >/dev/null
check "they are listed" test "$(levin stress --option help | grep -c '_')" -ge 15
levin stress --option cache_bytes=1 2>report
check "what is wrong with one is told" grep -q 'cache_bytes is "1": 64K or more' report
check "a whole store is healthy" levin health one --check >/dev/null
check "and says so" test "$(levin health one --check --json | jq -r '.verdict, .checked, .faults' | tr '\n' ' ')" = "ok 1 0 "
cp -r one broken && levin compact broken -q >/dev/null # the pairs are in pages then
size=$(stat -c %s broken/pages)
for ((at = 16500; at < size; at += 16384)); do # some of every page
    printf damage | dd of=broken/pages bs=1 seek="$at" conv=notrunc 2>/dev/null
done
levin health broken --check >report
check "a damaged one is not" test $? -eq 1
check "and says what to do" grep -q '^damaged: ' report
levin stress --threads 8 --keys 100 2>/dev/null
check "too few keys are a usage error" test $? -eq 2
levin stress two --threads 2 --duration 1000 --keys 1K >report 2>/dev/null &
pid=$!
until [ -f two/pages ] || ! kill -0 "$pid" 2>/dev/null; do :; done
kill -INT "$pid"
wait "$pid"
check "an interrupt ends it with 130" test $? -eq 130
check "and a report" grep -qx interrupted report
check "and a whole store" levin check two >/dev/null

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" -eq 0 ]
