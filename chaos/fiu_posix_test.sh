#!/bin/bash
# The whole program under libfiu's own POSIX preload (fiu-run -x): each call that the store makes of the C library fails, always or
# now and then, while records are imported into a store that has some.  Promised: an error with a message or success, no
# signal; the store is whole afterwards, holds all that it held, and of the import what is acknowledged, or a beginning of
# it, in whole batches.
set -u

root=$(cd "$(dirname "$0")/.." && pwd) || exit 3
# shellcheck source=ci/expect.sh
. "$root"/ci/expect.sh || exit 3
levin=${LEVIN:-$root/build/release/bin/levin} # preloads and AddressSanitizer do not go together
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 3
if ! command -v fiu-run >/dev/null; then
    check "fiu-run is there (package fiu-utils)" false
    finish
    exit
fi

batch=100
awk 'BEGIN { for (i = 1; i <= 300; i++) printf "base%04d\tvalue %d\n", i, i }' >base.tsv
awk 'BEGIN { for (i = 1; i <= 1500; i++)
    printf "more%05d\tvalue %d, long enough for the log to be written to again and again .......................\n", i, i }' >more.tsv
large() { printf 'more-large\t%s\n' "$(head -c 20000 /dev/zero | tr '\0' x)"; }
large >>more.tsv # into the value log
# As a process leaves it that has not closed it: its recovery has more to do.
mkfifo records
"$levin" import living --format tsv --batch "$batch" --sync --ack --quiet --memtable 64K <records >acknowledged 2>err &
importer=$!
exec 3>records
cat base.tsv >&3
for _ in $(seq 300); do
    grep -q 300 acknowledged && break
    sleep 0.1
done
check "300 records are acknowledged" grep -q 300 acknowledged
cp -a living base
exec 3>&-
wait "$importer"
cp -a base store
check "a store with 300 records" test "$(wc -l <base.tsv)" -eq 300 -a "$("$levin" export store --format tsv | wc -l)" -eq 300
check "and 1501 more to come" test "$(wc -l <more.tsv)" -eq 1501

# shellcheck disable=SC2317 # called by check
# What is in the store now: everything that was before, and of the import a beginning in whole batches, all of it after success.
holds() { # STATUS of the import
    "$levin" check store >out 2>err && "$levin" export store --format tsv >all 2>err || return 1
    grep '^base' all | cmp -s - base.tsv || return 1
    local n
    n=$(grep -c '^more' all)
    sort more.tsv >more.sorted
    if [ "$1" -eq 0 ]; then
        [ "$n" -eq "$(wc -l <more.tsv)" ]
    else
        [ $((n % batch)) -eq 0 ] || [ "$n" -eq "$(wc -l <more.tsv)" ]
    fi && head -n "$n" more.tsv | sort | cmp -s - <(grep '^more' all | sort)
}
strike() { # NAME COMMAND-OF-LIBFIU: leaves the status in $status
    rm -rf store && cp -a base store
    fiu-run -x -c "$2" "$levin" import store --from more.tsv --batch "$batch" --sync --memtable 64K >out 2>err
    status=$?
    check "$1: status $status is that of an error, or success" test "$status" -eq 0 -o "$status" -eq 3
    check "$1: an error says what failed" test "$status" -eq 0 -o -s err
    check "$1: what is left is as promised" holds "$status"
}

# Those that must make the import fail, for it cannot do without: if one does not, the fault never came.
for point in io/oc/open io/sync/fsync io/sync/fdatasync io/rw/pread io/rw/pwrite io/rw/pwritev io/dir/fdopendir io/dir/unlink io/dir/rename; do
    strike "$point, always" "enable name=posix/$point"
    check "$point, always: it fails" test "$status" -eq 3
    for share in 0.3 0.05 0.01; do
        strike "$point, $share" "enable_random name=posix/$point,probability=$share"
    done
done
# Short transfers are no errors: all must succeed.
for point in io/rw/pread/reduce io/rw/pwrite/reduce io/rw/pwritev/reduce; do
    strike "$point, 0.3" "enable_random name=posix/$point,probability=0.3"
    check "$point, 0.3: it succeeds" test "$status" -eq 0
done
finish
