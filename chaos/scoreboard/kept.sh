#!/bin/bash
# A scoreboard that is kept in a tree, with what its replay lines need and no replay can make again.
#
#   kept.sh keep DIR [TO]    takes the report of DIR, and of its stores and recordings those that come out otherwise each time
#                            (the report says which) and have an example
#   kept.sh lay DIR [FROM]   lays all that out in DIR, so that the lines of the report work there
#
# TO and FROM are this folder; the lines of the report then name $LINES_AT, where `make scoreboard-kept` lays it out.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
verb=${1:-} dir=${2:-} kept=${3:-$here}
LINES_AT=${LINES_AT:-build/scoreboard-kept}
usage() { sed -n '3,8p' "$0" >&2 && exit 2; }
case $verb in
keep) from=$dir ;;
lay) from=$kept ;;
*) usage ;;
esac
[ -n "$dir" ] || usage
[ -f "$from/scoreboard.json" ] || { echo "$from: no scoreboard.json" >&2; exit 1; }

# parts REPORT: LABEL/now, LABEL/before, LABEL/life.trace, a line each
parts() {
    jq -r '.stores[] | (.store | gsub("[^A-Za-z0-9.=_-]"; "_")) as $at
        | ["sync", "full", "crash", "strict"] as $lives
        | [.classes[] | select(.examples != []) | .class] as $bad
        | if .files_made.made_again == "another each time" and ($bad - $lives) != [] then "\($at)/now", "\($at)/before" else empty end,
          if .recording_made.made_again == "another each time" and ($bad - ($bad - $lives)) != [] then "\($at)/life.trace" else empty end' "$1"
}

case $verb in
keep)
    jq -e '.confirmed' "$dir/scoreboard.json" >/dev/null || { echo "$dir: its examples were not done again" >&2; exit 1; }
    mkdir -p "$kept"
    for report in scoreboard.txt scoreboard.json scoreboard.html; do
        sed "s#scoreboard --directory $dir #scoreboard --directory $LINES_AT #g" "$dir/$report" >"$kept/$report"
    done
    # the values are random, but the same in all stores: one dictionary over all
    parts "$dir/scoreboard.json" | tar -C "$dir" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cT - |
        xz -T1 --lzma2=preset=6,dict=96MiB >"$kept/stores.tar.xz"
    ;;
lay)
    [ -f "$kept/stores.tar.xz" ] || { echo "$kept: a report without its stores: its lines cannot be run again" >&2; exit 1; }
    mkdir -p "$dir"
    cp "$kept/scoreboard.json" "$kept/scoreboard.txt" "$kept/scoreboard.html" "$dir"
    tar -C "$dir" -xJf "$kept/stores.tar.xz"
    ;;
esac
