#!/usr/bin/perl
# The branch mutants of compiled files: lists them, draws a sample by a seed, makes one.
#
#   mutants.pl list FILE.s...              one line each: file.s, its digest, number of the branch, never|always, source, line
#   mutants.pl sample SEED COUNT <LIST     so many of them, in an order of their own; the same for the same seed and source
#   mutants.pl make FILE.s NUMBER KIND     the file with that branch never or always taken, on standard output
#
# A conditional branch is a jump on a condition to a local label; its source is what the last .loc before it says.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);

my ($command, @arguments) = @ARGV;
my $branch = qr/^\tj(?!mp)([a-z]+)\t(\.L\w+)\s*$/;

sub lines_of {
    open my $in, '<', $_[0] or die "$_[0]: $!\n";
    return <$in>;
}

if ($command eq 'list') {
    for my $path (@arguments) {
        my @lines = lines_of($path);
        my $digest = substr md5_hex(@lines), 0, 12;
        my (%file, $number, $source, $line);
        for (@lines) {
            # .file 1 "engine/x.c", with DWARF 5 also .file 0 "directory" "engine/x.c"
            $file{$1} = $2 if /^\t\.file (\d+) (?:"[^"]*" )?"([^"]+)"/;
            ($source, $line) = ($file{$1} // '?', $2) if /^\t\.loc (\d+) (\d+)/;
            next unless /$branch/;
            $number++;
            next unless $source =~ m{^engine/}; # of xxHash, inlined, a mutant agrees with itself
            print join("\t", $path, $digest, $number, $_, $source, $line), "\n" for 'never', 'always';
        }
    }
} elsif ($command eq 'sample') {
    my ($seed, $count) = @arguments;
    my @all = <STDIN>;
    # the draw of a mutant depends on itself alone, so that a change elsewhere leaves the sample as it is
    my %key = map { my @f = split /\t/; ($_ => md5_hex("$seed $f[0] $f[1] $f[2] $f[3]")) } @all;
    my @drawn = sort { $key{$a} cmp $key{$b} } @all;
    print @drawn[0 .. ($count < @drawn ? $count : @drawn) - 1];
} elsif ($command eq 'make') {
    my ($path, $wanted, $kind) = @arguments;
    my $number = 0;
    for (lines_of($path)) {
        if (/$branch/ && ++$number == $wanted) {
            print $kind eq 'always' ? "\tjmp\t$2\n" : "\tnop\n";
        } else {
            print;
        }
    }
} else {
    die "mutants.pl: list, sample or make\n";
}
