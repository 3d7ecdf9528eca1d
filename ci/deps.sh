#!/bin/sh
# Installs the Debian packages of a list (ci/packages.txt, or the one named) that are missing.  As root or with sudo it
# installs; otherwise it prints the one command that does and fails.  Nothing to do costs one dpkg-query.
set -eu

cd "$(dirname "$0")/.."
packages=$(sed 's/#.*//' "${1:-ci/packages.txt}" | tr -s ' \n' '  ')

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "deps: this is no Debian; install what these packages hold yourself: $packages" >&2
    exit 0
fi

missing=
for package in $packages; do
    # a virtual or foreign-architecture name may list several lines: one installed is enough
    # shellcheck disable=SC2016 # the format is dpkg-query's, not the shell's
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

install="apt-get install -y --no-install-recommends$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        as_root=none
    elif sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    elif [ -t 0 ]; then
        as_root=sudo # it can ask for the password
    else
        as_root=none
    fi
fi
if [ "$as_root" = none ]; then
    echo "deps: packages are missing, and this user may not install them.  As root run:" >&2
    echo "    apt-get update && $install" >&2
    exit 1
fi

echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT INT TERM
run() { # a quiet command, shown only when it fails
    # shellcheck disable=SC2086 # as_root and the arguments are words
    $as_root env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1 </dev/null
}
# A fresh machine has no package lists, an old one stale lists: then update and try again.
# shellcheck disable=SC2086
if ! run $install; then
    echo "deps: updating the package lists"
    run apt-get -q update || { echo "deps: apt-get update failed; trying with the lists there are:" >&2; tail -n 5 "$log" >&2; }
    # shellcheck disable=SC2086
    run $install || { cat "$log" >&2; echo "deps: apt-get install failed (above)" >&2; exit 1; }
fi
