#!/bin/bash
# The counts of coverage.sh (build/coverage/all.profdata) as a table per file of engine/ (build/coverage/table.txt), as HTML
# (build/coverage/html/index.html), and the list of branches that nothing takes (build/coverage/uncovered.txt), beside the
# reasons that ci/coverage-reasons.txt gives for them:
#
#   engine/file.c function F condition       one or more branches: the condition as it stands in the source, its blanks
#   engine/file.c function T other > 0 x2    squeezed; F: it was never false, T: never true; x2: at two places there
#       the reason, indented
#
# "*" as the function, or a condition of "*", is all of them; a condition that a macro hides is (macro).  A line that begins with
# # is a comment.  A reason that is of nothing that stands in the source is red; one that is of a branch which was taken this time
# is not (threads, time).  A reason that begins with UNTESTED: is a debt, and is counted apart: a new branch must not join it.
# Exit: 0 every branch that was never taken has a reason, 1 not so, 3 a tool failed.
set -u

cd "$(dirname "$0")/.." || exit 3
build=build/coverage
objects=("$build/liblevin.so" -object "$build/bin/levin")
export LC_ALL=C
cov=llvm-cov-19
profile=-instr-profile=$build/all.profdata
if ! $cov export "$profile" -format=text "${objects[@]}" >$build/all.json 2>$build/export.log; then
    cat $build/export.log >&2
    exit 3
fi
$cov show "$profile" -format=html -show-branches=count -show-mcdc -show-directory-coverage=false -output-dir=$build/html "${objects[@]}" \
    >$build/show.log 2>&1 || { cat $build/show.log >&2; exit 3; }

# ---- the table: the library, then the command line ----
row='%-34s %9s %7s %9s %7s %9s %7s %9s %7s\n'
{
    # shellcheck disable=SC2059 # the format
    printf "$row" file lines % branches % MC/DC % functions %
    for part in 'engine/[^/]*$' 'engine/cli/'; do
        jq -r --arg part "$part" --arg root "$PWD/" '.data[0].files[] | .summary as $s | (.filename | ltrimstr($root)) as $name
            | select($name | test("^" + $part))
            | [$name] + ([$s.lines, $s.branches, $s.mcdc, $s.functions] | map(.covered, .count)) | @tsv' $build/all.json | sort |
            awk -F '\t' -v row="$row" -v sum="$([ "$part" = engine/cli/ ] && echo 'engine/cli/, all' || echo 'engine/, all')" '
                function part(a, b) { return b ? sprintf("%.2f", int(10000 * a / b) / 100) : "-" }
                function print_row(name, v,  i) {
                    printf row, name, v[2] "/" v[3], part(v[2], v[3]), v[4] "/" v[5], part(v[4], v[5]), v[6] "/" v[7], part(v[6], v[7]),
                        v[8] "/" v[9], part(v[8], v[9])
                }
                { for (i = 2; i <= 9; i++) { v[i] = $i; total[i] += $i } print_row($1, v) }
                END { print_row(sum, total) }'
    done
} >$build/table.txt

# ---- the branches: one line each, file, line, function, side, condition ----
# A function of a header is there once for each file that includes it, and counts as often as all of them.
jq -r --arg root "$PWD/" '.data[0].functions[] | . as $f | .branches[]
    | [($f.filenames[.[6]] | ltrimstr($root)), ($f.name | sub("^.*[:;]"; "")), .[0], .[1], .[2], .[3], .[4], .[5]]
    | select(.[0] | test("^engine/[^/]*$")) | @tsv' $build/all.json >$build/branches.tsv || exit 3
perl - ci/coverage-reasons.txt $build/branches.tsv $build/uncovered.txt <<'P'
use strict;
use warnings;
my ($reasons_file, $branches_file, $out_file) = @ARGV;
my %source;
sub text { # of a condition: what stands from one place to the other, on one line
    my ($file, $l1, $c1, $l2, $c2) = @_;
    if (!$source{$file}) {
        open my $in, '<', $file or die "$file: $!\n";
        $source{$file} = [<$in>];
    }
    my @lines = @{ $source{$file} }[$l1 - 1 .. $l2 - 1];
    $lines[-1] = substr $lines[-1], 0, $c2 - 1;
    $lines[0] = substr $lines[0], $c1 - 1;
    (my $text = join ' ', @lines) =~ s/\s+/ /g;
    $text =~ s/^ | $//g;
    return $text eq '' ? '(macro)' : $text;
}

my (%count, %place);
open my $in, '<', $branches_file or die "$branches_file: $!\n";
while (<$in>) {
    chomp;
    my ($file, $function, $l1, $c1, $l2, $c2, $true, $false) = split /\t/;
    my $at = "$file:$l1:$c1:$l2:$c2";
    $place{$at} //= [$file, $l1, $function, text($file, $l1, $c1, $l2, $c2)];
    $count{$at}[0] += $true;
    $count{$at}[1] += $false;
}

my (%reason, @keys, @fresh, $why);
if (open my $reasons, '<', $reasons_file) {
    while (<$reasons>) {
        chomp;
        next if /^#/ || !/\S/;
        if (/^\s+(.*)/) { # of all branches before it
            $reason{$_}{why} .= ($reason{$_}{why} ? ' ' : '') . $1 for @fresh;
            $why = 1;
            next;
        }
        @fresh = () if $why;
        $why = 0;
        /^(\S+) (\S+) ([TF*]) (.*?)(?: x(\d+))?$/ or die "$reasons_file:$.: no line of a branch: $_\n";
        my $key = "$1 $2 $3 $4";
        die "$reasons_file:$.: a second time: $_\n" if $reason{$key};
        $reason{$key} = { left => $4 eq '*' ? 1e9 : $5 // 1, line => $., why => '', used => 0 };
        push @keys, $key;
        push @fresh, $key;
    }
}
my (@missed, $explained, %exists);
for my $at (sort { $place{$a}[0] cmp $place{$b}[0] || $place{$a}[1] <=> $place{$b}[1] || $a cmp $b } keys %place) {
    my ($file, $line, $function, $text) = @{ $place{$at} };
    next if $text =~ /^(?:0|1|true|false)$/;
    for my $side (0, 1) {
        my $letter = $side ? 'F' : 'T';
        my @names = ("$file $function $letter $text", "$file $function $letter *", "$file $function * $text", "$file $function * *",
            "$file * $letter $text", "$file * * $text");
        $exists{$_} = 1 for @names;
        next if $count{$at}[$side];
        my ($found) = grep { $reason{$_} && $reason{$_}{left} > 0 && $reason{$_}{why} ne '' } @names;
        if ($found) {
            $reason{$found}{left}--;
            $explained++;
            push @missed, ["$file:$line: $function: $letter $text", $reason{$found}{why}];
        } else {
            push @missed, ["$file:$line: $function: $letter $text", ''];
        }
    }
}
open my $out, '>', $out_file or die "$out_file: $!\n";
my ($open, $stale, $debt) = (0, 0, 0);
for (@missed) {
    my ($line, $because) = @$_;
    print $out "$line\n", $because ne '' ? "    $because\n" : "    NO REASON\n";
    $debt++ if $because =~ /^UNTESTED:/;
    if ($because eq '') {
        print "$line\n";
        $open++;
    }
}
for (@keys) {
    next if $exists{$_} && $reason{$_}{why} ne '';
    print "$reasons_file:$reason{$_}{line}: ", $exists{$_} ? "no reason" : "a reason for what is not in the source", ": $_\n";
    $stale++;
}
my $sides = 2 * grep { $place{$_}[3] !~ /^(?:0|1|true|false)$/ } keys %place;
printf "branches: %d, never taken: %d; with a reason: %d, untested: %d, without either: %d\n", $sides, scalar @missed,
    @missed - $open - $debt, $debt, $open;
exit($open || $stale ? 1 : 0);
P
status=$?
grep -E '^(file|engine/, all|engine/cli/, all) ' $build/table.txt
echo "per file: $build/table.txt; branches never taken: $build/uncovered.txt; pages: $build/html/index.html"
exit $status
