#!/usr/bin/perl
# What the mutants that mutants-run.pl has judged come to: mutants-report.pl BUILD EQUIVALENT
# On standard output the survivors without a reason, the sum, and who has killed; BUILD/table.txt has the table by file,
# BUILD/survivors.txt every survivor with its reason.  Exit: 0 no survivor without a reason, 1 there is one, or nothing is judged.
use strict;
use warnings;

my ($build, $equivalent_file) = @ARGV;
sub lines_of {
    open my $in, '<', $_[0] or return ();
    chomp(my @lines = <$in>);
    return @lines;
}

# ---- reasons: an indented text is of all lines before it, up to the text before ----
# "Unreached: " is none for what is reached; "Missing: " is no equivalent: a check is missing, and what it would have to do
my (%why, @fresh, $reason);
for (lines_of($equivalent_file)) {
    next if /^#/ || !/\S/;
    if (/^\s+(.*)/) {
        $why{$_} .= ($why{$_} ne '' ? ' ' : '') . $1 for @fresh;
        $reason = 1;
        next;
    }
    @fresh = () if $reason;
    $reason = 0;
    $why{$_} //= '';
    push @fresh, $_;
}

# ---- results ----
my %source;
sub text_of { # file, line: as it stands, blanks squeezed
    my ($file, $line) = @_;
    $source{$file} //= [lines_of($file)];
    (my $text = $source{$file}[$line - 1] // '') =~ s/\s+/ /g;
    $text =~ s/^ | $//g;
    return $text;
}
my @columns = qw(mutants killed equivalent missing unexplained);
my (%of, %sum, %by, @survivors);
my @sample = lines_of("$build/sample.tsv");
for (@sample) {
    my ($asm, undef, $kind, $function, $digest, $place, $file, $line) = split /\t/;
    my ($name) = $asm =~ m{([^/]+)\.s$};
    my ($verdict) = lines_of("$build/results/" . join '-', $name, $function, $digest, $place, $kind);
    next unless defined $verdict;
    my $column;
    if ($verdict =~ /^killed (\S+) (\S+)/) {
        $column = 'killed';
        my ($detector, $how) = ($1, $2);
        my $class = $detector =~ /^fuzz/ ? 'seeds of the fuzzers' : $detector =~ /^sweep/ ? 'sweeps' : 'unit tests';
        $by{$class}++;
        $by{'by not ending'}++ if $how ne 'fail';
    } else {
        my $text = text_of($file, $line);
        my $because = $why{"$file $kind $text"} // '';
        $because = '' if $because =~ /^Unreached: / && $verdict ne 'unreached';
                $column = $because eq '' ? 'unexplained' : $because =~ /^Missing: / ? 'missing' : 'equivalent';
        push @survivors, ["$verdict: $file:$line: $kind: $text ($function)", $because];
    }
    $_->{mutants}++, $_->{$column}++ for $of{"engine/$name.c"} //= {}, \%sum;
}
open my $out, '>', "$build/survivors.txt" or die "$build/survivors.txt: $!\n";
for (@survivors) {
    my ($text, $because) = @$_;
    print $out "$text\n    ", $because ne '' ? $because : 'UNEXPLAINED', "\n";
    print "$text\n" if $because eq '';
}
open my $table, '>', "$build/table.txt" or die "$build/table.txt: $!\n";
print $table "| file | @{[ join ' | ', @columns ]} |\n|", ' --- |' x (1 + @columns), "\n";
for my $file (sort keys %of) {
    print $table "| $file | ", join(' | ', map { $of{$file}{$_} // 0 } @columns), " |\n";
}
print $table '| all | ', join(' | ', map { $sum{$_} // 0 } @columns), " |\n";

sub wilson { # successes, of: 95 % (E. B. Wilson, 1927)
    my ($k, $n) = @_;
    return (0, 1) unless $n;
    my ($z, $p) = (1.96, $k / $n);
    my ($mid, $wide) = ($p + $z * $z / (2 * $n), $z * sqrt($p * (1 - $p) / $n + $z * $z / (4 * $n * $n)));
    return map { $_ / (1 + $z * $z / $n) } $mid - $wide, $mid + $wide;
}
my ($n, $killed, $equivalent, $missing, $open) = map { $sum{$_} // 0 } @columns;
my $all = () = lines_of("$build/all.tsv");
my $real = $n - $equivalent;
printf "mutants: %d of a sample of %d (of %d): killed %d, equivalent %d, a check is missing for %d, unexplained %d\n", $n,
    scalar @sample, $all, $killed, $equivalent, $missing, $open;
printf "killed of those that are not equivalent: %.1f %%, 95 %% interval %.1f to %.1f\n", 100 * ($real ? $killed / $real : 0),
    map { 100 * $_ } wilson($killed, $real);
print '  ', join(', ', map { "$_ $by{$_}" } sort { $by{$b} <=> $by{$a} || $a cmp $b } keys %by), "\n" if %by;
print "by file: $build/table.txt; survivors: $build/survivors.txt\n";
exit($open || !$n ? 1 : 0);
