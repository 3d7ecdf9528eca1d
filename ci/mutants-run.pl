#!/usr/bin/perl
# Runs the detectors of mutants.sh: once marked, to learn which ways they go and how long they take, then on mutants.
#
#   mutants-run.pl record BUILD JOBS           all of BUILD/detectors whose record is older than their program or the library
#   mutants-run.pl judge BUILD JOBS SECONDS    the mutants of BUILD/sample.tsv that are not judged yet; no new one after so long
#
# A line of BUILD/detectors: NAME, own (the file of engine/ whose test it is, or -), the program, and the command, whose leading
# VARIABLE=value words go into the environment; in tabs.
#
# record: each runs twice, from the same addresses (no ASLR).  One that goes other ways the second time (threads, time, random
# bytes) runs twice more, is marked as varying, and what counts is all that it went; one that takes longer than LONG runs once and
# is taken for varying.  What does not pass without a mutant is left out, and told.
# judge: a detector that does not go the way which a mutant closes does the same with it and without, so it is not run.  (A varying
# one might go there once in a while: leaving it out can cost a kill and never makes one.)  The others run in turn, those of
# the mutant's own file first, short ones before long ones, until one fails; those longer than SLOW for their own file alone, and
# those of other files until they have taken ENOUGH seconds together, which again can only cost a kill.
#   killed    the detector fails, or does not end: after 5 times its normal processor time and 2 s more, or when all that it
#             started has slept through 3 s and 3 times its normal duration without using the processor (a busy machine makes
#             no kills); and right after that the original passes; a varying detector must fail a second time too
#   survived  none does          unreached   none goes there
# Results are files in BUILD/results, named after the function, its digest and the branch.  Those which are no kill are judged
# again, by the detectors whose records are newer.
use strict;
use warnings;
use Cwd qw(getcwd);
use File::Path qw(make_path remove_tree);
use POSIX qw(:sys_wait_h setpgid);
use Time::HiRes qw(time sleep);

use constant { LONG => 1, SLOW => 4, ENOUGH => 6, ADDR_NO_RANDOMIZE => 0x0040000, SYS_PERSONALITY => 135 };
my ($command, $build, $jobs, $limit) = @ARGV;
my $top = getcwd();
my $stop = 0;
my ($running_group, %children);
$SIG{INT} = $SIG{TERM} = sub {
    $stop = 1;
    kill 'KILL', -$running_group if $running_group;
    kill 'TERM', keys %children;
};

sub slurp { # file
    open my $in, '<:raw', $_[0] or return undef;
    local $/;
    return scalar <$in>;
}
sub spew { # file, text
    open my $out, '>:raw', "$_[0].new" or die "$_[0].new: $!\n";
    print $out $_[1];
    close $out or die "$_[0].new: $!\n";
    rename "$_[0].new", $_[0] or die "$_[0]: $!\n";
}
sub age { return (stat $_[0])[9] // 0 }

# ---- a detector ----
my @detectors;
sub read_detectors {
    open my $in, '<', "$build/detectors" or die "$build/detectors: $!\n";
    while (<$in>) {
        chomp;
        my ($name, $own, $program, $words) = split /\t/;
        (my $file = $name) =~ tr{/}{-};
        push @detectors, { name => $name, own => $own, program => $program, words => [split / /, $words], hits => "$build/hits/$file" };
    }
}

# What a process group used of the processor, in ticks, and whether any thread of it wants it.
sub group_use { # group
    my ($ticks, $wants) = (0, 0);
    for my $path (glob '/proc/[0-9]*/stat') {
        my $stat = slurp($path) // next;
        my ($state, undef, $group, @rest) = split / /, $stat =~ s/.*\) //sr;
        next unless $group == $_[0];
        $ticks += $rest[8] + $rest[9] + $rest[10] + $rest[11];
        for my $task (glob $path =~ s{stat$}{task/[0-9]*/stat}r) {
            my $its = slurp($task) // next;
            $wants ||= $its =~ /.*\) [RD] /s;
        }
    }
    return ($ticks, $wants);
}

# Runs it on the library in that directory; returns how it ended: pass, fail, time, stuck; its processor time and duration.
sub detect { # detector, directory of the library, CPU limit in seconds, normal duration, file of hits
    my ($d, $library, $cpu_limit, $normal, $hits) = @_;
    my ($begin, @before) = (time, times);
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        setpgid(0, 0);
        syscall SYS_PERSONALITY, ADDR_NO_RANDOMIZE;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        my @words = @{ $d->{words} };
        while ($words[0] =~ /^(\w+)=(.*)/) {
            $ENV{$1} = $2;
            shift @words;
        }
        $ENV{LD_LIBRARY_PATH} = $library;
        $ENV{MUTANT_HITS} = $hits if $hits;
        # -f in blocks of 512 bytes, -v in KiB: a mutant must not fill the machine
        my $limits = 'trap "" XFSZ; ulimit -c 0; ulimit -t "$0"; ulimit -f 8388608; ulimit -v 16777216; exec "$@"';
        exec('sh', '-c', $limits, int($cpu_limit) + 1, @words) or POSIX::_exit(127);
    }
    setpgid($pid, $pid);
    $running_group = $pid;
    my ($how, $pause, $ticks, $since, $look) = ('', 0.002, -1, $begin, $begin + 1);
    my $hertz = POSIX::sysconf(POSIX::_SC_CLK_TCK());
    while (waitpid($pid, WNOHANG) == 0) {
        sleep $pause;
        $pause *= 1.3 if $pause < 0.25;
        if (time >= $look) { # the first process is cheap to look at; all of the group only when that one does nothing
            $look = time + 1;
            my (undef, @own) = split / /, (slurp("/proc/$pid/stat") // '') =~ s/.*\) / /sr;
            my ($used, $wants) = @own > 12 ? ($own[11] + $own[12], $own[0] eq 'R') : (0, 0);
            ($used, $wants) = group_use($pid) unless $wants || $used > $ticks;
            ($ticks, $since) = ($used, time) if $used != $ticks || $wants;
            $how = 'time' if $used / $hertz > $cpu_limit;
            $how = 'stuck' if time - $since > 3 + 3 * $normal;
        }
        next unless $how || $stop;
        kill 'KILL', -$pid;
        waitpid $pid, 0;
        last;
    }
    my $status = $?;
    kill 'KILL', -$pid; # what it has left behind
    undef $running_group;
    my @after = times;
    my $cpu = $after[2] + $after[3] - $before[2] - $before[3];
    $how ||= 'time' if ($status & 127) == POSIX::SIGXCPU() || (($status & 127) == POSIX::SIGKILL() && $cpu > $cpu_limit);
    $how ||= $status ? 'fail' : 'pass';
    return ($how, $cpu, time - $begin);
}

# ---- work in children, so many at once ----
sub wait_one {
    my $pid = wait;
    delete $children{$pid} if $pid > 0;
}
sub in_child { # code
    wait_one() while keys %children >= $jobs;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        %children = ();
        $_[0]->();
        POSIX::_exit(0);
    }
    $children{$pid} = 1;
}
sub wait_all { wait_one() while %children }

# ---- record ----
sub record_one {
    my ($d) = @_;
    my (@bytes, $cpu, $wall);
    my $file = "$d->{hits}.now";
    for my $turn (1 .. 4) {
        last if $turn == 3 && $bytes[0] eq $bytes[1];
        spew($file, '');
        my ($how, $used, $took) = detect($d, "$build/marked", 120, 60, $file);
        return if $stop;
        if ($how ne 'pass') {
            print STDERR "mutants: $d->{name} fails without a mutant ($how, $used s), and is left out\n";
            spew("$d->{hits}.info", "left out\n");
            unlink $file;
            return;
        }
        push @bytes, slurp($file);
        ($cpu, $wall) = ($used, $took) if !defined $cpu || $used > $cpu;
        last if $used > LONG;
    }
    my $all = $bytes[0];
    $all |= $_ for @bytes;
    spew($d->{hits}, $all);
    spew("$d->{hits}.info", sprintf("%.2f %.2f %s\n", $cpu, $wall, @bytes == 2 ? 'same' : 'varying'));
    unlink $file;
}
sub is_fresh { my ($d) = @_; my $at = age("$d->{hits}.info"); return $at >= age($d->{program}) && $at >= age("$build/marked/libengine.so") }

# ---- judge ----
sub result_name { my ($m) = @_; return "$build/results/" . join '-', $m->{file}, @$m{qw(function digest place kind)} }

# The library with that mutant: one file assembled anew.
sub make_mutant { # mutant, directory
    my ($m, $work) = @_;
    my @cc = split ' ', $ENV{CC} // 'cc';
    my @others = grep { $_ ne "$build/base/$m->{file}.o" } glob "$build/base/*.o";
    spew("$work/mutant.s", scalar `ci/mutants.pl make $m->{asm} $m->{number} $m->{kind}`);
    return !$? && !system(@cc, '-c', "$work/mutant.s", '-o', "$work/mutant.o") &&
        !system(@cc, split(' ', $ENV{LINK}), '-o', "$work/libengine.so", "$work/mutant.o", @others, split(' ', $ENV{LIBRARIES}));
}

sub judge_one {
    my ($m) = @_;
    my $work = "$build/work/$$";
    make_path($work);
    if (@{ $m->{detectors} } && !make_mutant($m, $work)) {
        print STDERR "mutants: $m->{asm} $m->{number} $m->{kind} cannot be made\n";
        remove_tree($work);
        return;
    }
    my $verdict = $m->{is_reached} ? 'survived' : 'unreached';
    my ($ran, $used, $begin) = (0, 0, time);
    for my $d (@{ $m->{detectors} }) {
        next if $used > ENOUGH && $d->{own} ne $m->{file};
        $used += $d->{cpu};
        my $cpu_limit = 2 + 5 * $d->{cpu};
        my ($how) = detect($d, $work, $cpu_limit, $d->{wall});
        last if $stop;
        $ran++;
        next if $how eq 'pass';
        my ($base) = detect($d, "$build/base", $cpu_limit, $d->{wall});
        my ($again) = $d->{varying} || $how eq 'stuck' ? detect($d, $work, $cpu_limit, $d->{wall}) : $how;
        last if $stop;
        if ($base ne 'pass' || $again eq 'pass') {
            print STDERR "mutants: $d->{name}, $how: the original: $base, again: $again: no kill\n";
            next;
        }
        $verdict = "killed $d->{name} $how";
        last;
    }
    spew(result_name($m), sprintf("%s\n%d of %d detectors in %.1f s\n", $verdict, $ran, scalar @{ $m->{detectors} }, time - $begin))
        unless $stop;
    remove_tree($work);
}

read_detectors();
make_path("$build/hits", "$build/results", "$build/work");
if ($command eq 'record') {
    my @stale = grep { !is_fresh($_) } @detectors;
    my $done = 0;
    for my $d (@stale) {
        last if $stop;
        in_child(sub { record_one($d) });
        print STDERR "mutants: ways of ", $done, " of ", scalar @stale, " detectors\n" if ++$done % 200 == 0;
    }
    wait_all();
    exit 130 if $stop;
    exit 0;
}
die "mutants-run.pl: record or judge\n" unless $command eq 'judge';
my $newest = 0;
for my $d (@detectors) {
    my $info = slurp("$d->{hits}.info") // die "mutants: no record of $d->{name}\n";
    next if $info =~ /^left/;
    my ($cpu, $wall, $how) = split ' ', $info;
    @$d{qw(cpu wall varying bytes)} = ($cpu, $wall, $how eq 'varying', slurp($d->{hits}));
    $d->{at} = age($d->{hits});
    $newest = $d->{at} if $d->{at} > $newest;
}
my @order = sort { $a->{cpu} <=> $b->{cpu} || $a->{name} cmp $b->{name} } grep { defined $_->{bytes} } @detectors;
die "mutants: too few detectors pass without a mutant\n" if @order < 20;
my %index;
{
    open my $in, '<', "$build/all.tsv" or die "$build/all.tsv: $!\n";
    my $at = 0;
    while (<$in>) {
        my ($asm, $number, $kind) = split /\t/;
        $index{"$asm $number $kind"} = $at++;
    }
}
my ($begin, $judged) = (time, 0);
open my $in, '<', "$build/sample.tsv" or die "$build/sample.tsv: $!\n";
my @sample = <$in>;
for (@sample) {
    chomp;
    my %m;
    @m{qw(asm number kind function digest place source line)} = split /\t/;
    ($m{file}) = $m{asm} =~ m{([^/]+)\.s$};
    my $old = slurp(result_name(\%m)) // '';
    my $since = $old ne '' ? age(result_name(\%m)) : 0;
    next if $old =~ /^killed/ || $since > $newest;
    last if $stop || ($limit && time - $begin > $limit);
    my $at = $index{"$m{asm} $m{number} $m{kind}"};
    my @reached = grep { length $_->{bytes} > $at && substr($_->{bytes}, $at, 1) ne "\0" } @order; # none: it has no engine
    my @own = grep { $_->{own} eq $m{file} } @reached;
    my @turns = (@own, grep { $_->{own} ne $m{file} && $_->{cpu} <= SLOW } @reached);
    $m{is_reached} = @turns > 0;
    $m{detectors} = [grep { $_->{at} >= $since } @turns];
    in_child(sub { judge_one(\%m) });
    print STDERR 'mutants: ', $judged, ' judged after ', int(time - $begin), " s\n" if ++$judged % 20 == 0;
}
wait_all();
exit($stop ? 130 : 0);
