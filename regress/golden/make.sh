#!/bin/bash
# Makes the golden stores of one format version with the library of this tree: regress/golden/VERSION/NAME.  A store that is
# there already is left alone: what an earlier library wrote is what later ones must read.
#
#   regress/golden/make.sh VERSION
set -eu

cd "$(dirname "$0")/../.."
[ $# -eq 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
make --no-print-directory VARIANT=release build/release/test/regress_golden_test
mkdir -p "regress/golden/$1"
TEST_CASE=golden__make GOLDEN_MAKE="regress/golden/$1" build/release/test/regress_golden_test
