#!/bin/bash
# Links a side of the time tier (regress/gate_side.h) many times over, each time with its objects in another random order, so
# that where code happens to lie varies from one link to the next as it varies from one change of the code to the next.
#
#   link_sides.sh DIRECTORY COUNT ENGINE_ARCHIVE FAULTS_ARCHIVE OBJECT... -- COMPILER AND FLAGS...
#
# DIRECTORY/0.so is linked in the order of names, 1.so and on by seeds 1 and on, the same for every side: what two sides
# have in common lies alike in links of one number.
set -eu

directory=$1 count=$2 engine=$(realpath "$3") faults=$(realpath "$4")
shift 4
objects=()
while [ "$1" != -- ]; do
    objects+=("$(realpath "$1")")
    shift
done
shift
rm -rf "$directory"
mkdir -p "$directory/objects"
(cd "$directory/objects" && ar x "$engine")

order() { # seed, files: by the name of the file, then shuffled
    local seed=$1
    shift
    printf '%s\n' "$@" | awk -F / '{ print $NF "\t" $0 }' | LC_ALL=C sort | cut -f 2- |
        if [ "$seed" = 0 ]; then cat; else
            awk -v seed="$seed" 'BEGIN { srand(seed) } { printf "%.9f\t%s\n", rand(), $0 }' | LC_ALL=C sort | cut -f 2-
        fi
}
for ((i = 0; i < count; i++)); do
    mapfile -t shuffled < <(order "$i" "$directory"/objects/*.o "${objects[@]}")
    "$@" -o "$directory/$i.so" "${shuffled[@]}" "$faults" -lurcu-bp
done
rm -rf "$directory/objects"
