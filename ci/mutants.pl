#!/usr/bin/perl
# The branch mutants of compiled files: lists them, draws a sample by a seed, makes one, and makes the file that tells who
# comes by them.
#
#   mutants.pl list FILE.s...              one line each: file.s, number of the branch, never|always, function, digest of the
#                                          function, number in the function, source, line
#   mutants.pl sample SEED COUNT <LIST     so many of them, in an order of their own; the same for the same seed and functions
#   mutants.pl make FILE.s NUMBER KIND     the file with that branch never or always taken, on standard output
#   mutants.pl mark FILE.s LIST            the file with a byte set on both ways out of each branch of LIST: of mutant_hits,
#                                          that of the line which names what is another way: never, for one that is taken
#
# A conditional branch is a jump on a condition to a local label; its source is what the last .loc before it says.  The
# digest is of the instructions, with labels counted anew: what a change elsewhere in the file leaves as it was keeps it.
use strict;
use warnings;
use Digest::MD5 qw(md5_hex);

my ($command, @arguments) = @ARGV;
my $branch = qr/^\tj(?!mp)([a-z]+)\t(\.L\w+)\s*$/;

sub lines_of {
    open my $in, '<', $_[0] or die "$_[0]: $!\n";
    return <$in>;
}

# Of a function: its lines without what is for debuggers and unwinders alone, labels in the order in which they are met.
sub digest_of {
    my (%label, $text);
    for (@_) {
        next if /^\t\.(?:loc|cfi_\w+|file)\b/ || /^\.L(?!C?\d)\w*:/ || /^\s*#/;
        (my $line = $_) =~ s/(\.LC?)(\d+)/$1 . ($label{"$1$2"} \/\/= scalar keys %label)/ge;
        $text .= $line;
    }
    return substr md5_hex($text), 0, 10;
}

if ($command eq 'list') {
    for my $path (@arguments) {
        my @lines = lines_of($path);
        my (%file, $number, $source, $line, $function, $begin, @found);
        for my $i (0 .. $#lines) {
            local $_ = $lines[$i];
            # .file 1 "engine/x.c", with DWARF 5 also .file 0 "directory" "engine/x.c"
            $file{$1} = $2 if /^\t\.file (\d+) (?:"[^"]*" )?"([^"]+)"/;
            ($source, $line) = ($file{$1} // '?', $2) if /^\t\.loc (\d+) (\d+)/;
            ($function, $begin, @found) = ($1, $i) if /^([A-Za-z_][\w.]*):/;
            if (/^\t\.size\t([\w.]+), \.-/ && defined $function && $1 eq $function) {
                my $digest = digest_of(@lines[$begin .. $i]);
                print join("\t", $path, $$_[0], $$_[1], $function, $digest, @$_[2 .. 4]), "\n" for @found;
                undef $function;
            }
            next unless /$branch/;
            $number++;
            die "$path:$.: a branch outside of a function\n" unless defined $function;
            next unless $source =~ m{^engine/}; # of xxHash, inlined, a mutant agrees with itself
            my $in_function = 1 + @found / 2;
            push @found, [$number, $_, $in_function, $source, $line] for 'never', 'always';
        }
    }
} elsif ($command eq 'sample') {
    my ($seed, $count) = @arguments;
    my @all = <STDIN>;
    # the draw of a mutant depends on itself alone, so that a change elsewhere leaves the sample as it is
    my %key = map { my @f = split /\t/; ($_ => md5_hex("$seed @f[0, 2 .. 5]")) } @all;
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
} elsif ($command eq 'mark') {
    my ($path, $list) = @arguments;
    my %byte; # "number kind" to its place in the list
    my $at = 0;
    for (lines_of($list)) {
        my ($file, $of, $kind) = split /\t/;
        $byte{"$of $kind"} = $at if $file eq $path;
        $at++;
    }
    my $number = 0;
    print "\t.hidden\tmutant_hits\n";
    for (lines_of($path)) {
        if (/$branch/ && defined $byte{ ++$number . ' never' }) {
            my ($condition, $to) = ($1, $2);
            my $opposite = $condition =~ /^n(.+)/ ? $1 : "n$condition";
            # a move to memory leaves the flags, which the next branch may read, as they are
            print "\tj$opposite\t.Lmutant_$number\n\tmovb\t\$1, mutant_hits+", $byte{"$number never"}, "(%rip)\n\tjmp\t$to\n",
                ".Lmutant_$number:\n\tmovb\t\$1, mutant_hits+", $byte{"$number always"}, "(%rip)\n";
        } else {
            print;
        }
    }
} else {
    die "mutants.pl: list, sample, make or mark\n";
}
