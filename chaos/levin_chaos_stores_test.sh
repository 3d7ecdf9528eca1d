#!/bin/bash
# levin-chaos stores, from outside: plug-ins by name and by path, those that are missing, and another ABI.
set -u

cd "$(dirname "$0")/.." || exit 3
# shellcheck source=ci/expect.sh
. ci/expect.sh || exit 3
chaos=$PWD/${LEVIN_CHAOS:-build/release/bin/levin-chaos}
tree=$PWD
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 3

refuses() { # words, command...
    local words=$1 status
    shift
    "$@" >refused 2>&1
    status=$?
    cat refused
    [ "$status" -eq 2 ] && grep -qF "$words" refused
}
compile() { # source, output, directory of store.h
    ${CC:-cc} -std=c11 -fPIC -shared -I "$3" "$1" -o "$2"
}

plugins=("$(dirname "$chaos")/../stores/"*.so)
"$chaos" stores >all || exit 3
check "levin is built in" grep -q '^levin, version' all
for plugin in "${plugins[@]}"; do
    [ -f "$plugin" ] || continue
    name=$(basename "$plugin" .so)
    check "$name is listed" grep -q "^${name}[,:]" all
    check "$name by path, from another directory" "$chaos" stores "$plugin"
done
check "each tells its settings" test "$(grep -c '^  configuration: ..' all)" -eq "$(grep -c '^  can:' all)"
mkdir lonely && cp "$chaos" lonely
check "away from its plug-ins it names the packages" grep -q 'lmdb: not built; make deps-stores installs liblmdb-dev' <(lonely/levin-chaos stores)
check "LEVIN_STORES says where they are" grep -q '^lmdb, ' <(LEVIN_STORES="/nowhere:$(dirname "${plugins[0]}")" lonely/levin-chaos stores)
check "an unknown store" refuses "no such store: nosql" "$chaos" stores nosql
check "an unknown option" refuses "lmdb has no option warp" "$chaos" stores lmdb:warp=9
check "no plug-in" refuses "exports no levin_store" "$chaos" stores "$(ldd "$chaos" | sed -n 's/.*=> \(.*libjansson[^ ]*\).*/\1/p')"
check "a file that is not there" refuses "cannot open shared object" "$chaos" stores ./absent.so

# one built long ago
mkdir old
sed 's/^#define STORE_ABI .*/#define STORE_ABI 1u/' "$tree/chaos/store.h" >old/store.h
cat >old.c <<'END'
#include "store.h"
const store_adapter levin_store STORE_EXPORT = { .abi = STORE_ABI, .name = "old" };
END
check "compiles" compile old.c old.so old
check "another ABI is told" refuses "built for STORE_ABI 1 of store.h, this program has" "$chaos" stores ./old.so
check "compiles" compile old.c empty.so "$tree/chaos"
check "an adapter without functions" refuses "lacks a function" "$chaos" stores empty.so

finish
