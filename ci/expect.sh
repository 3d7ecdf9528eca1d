#!/bin/bash
# Sourced by tests of commands (NAME_test.sh): they run in a scratch directory, count their checks, tell which failed, and end
# with finish, whose line run-tests.sh reads and whose status is theirs.
checks=0 failures=0

# Of nothing jq says that it is right (jq 1.6).
jq() {
    [ ! -f "${!#}" ] || [ -s "${!#}" ] || return 9
    command jq "$@"
}

failed() { # what, files to be shown...
    failures=$((failures + 1))
    echo "FAILED: $1"
    shift
    [ $# -eq 0 ] || tail -n 20 "$@" | cut -c1-2000
}
expect() { # name, status, command...: leaves its output in out (jq does not) and err
    local name=$1 want=$2 got
    shift 2
    checks=$((checks + 1))
    # jq judges what the command before it has left in out, and must not overwrite that before it has read it
    if [ "$1" = jq ]; then "$@" >/dev/null 2>err; else "$@" >out 2>err </dev/null; fi
    got=$?
    [ "$got" -eq "$want" ] || failed "$name: exit $got, not $want" out err
}
says() { # name, file, extended regular expression
    checks=$((checks + 1))
    grep -aqE -- "$3" "$2" || failed "$1: no '$3' in $2" "$2"
}
check() { # name, command...: fails when the command does, and shows what it said
    local name=$1
    shift
    checks=$((checks + 1))
    "$@" >check.log 2>&1 || failed "$name" check.log
}
exits() { # code, command...
    local wanted=$1 status
    shift
    "$@"
    status=$?
    [ "$status" -eq "$wanted" ] || { echo "exit $status"; return 1; }
}
needs_recorder() { # its library: where none is built, that is all there is to say
    [ ! -f "$1" ] || return 0
    echo "no recorder on this kind of machine"
    echo "100%: Checks: 1, Failures: 0, Errors: 0"
    exit 0
}
finish() {
    echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
    [ "$failures" -eq 0 ]
}
