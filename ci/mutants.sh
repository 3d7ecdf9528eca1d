#!/bin/bash
# Branch mutants: engine/ as compiled at -O1, with one conditional branch of its assembly never or always taken, must be seen by
# the quick detectors: the tests of the file first, then the other unit tests, the fuzzers' seeds, short sweeps.
#   MUTANTS=n  so many of all, drawn by SEED (default 400, 1); what was judged before, in build/mutants/results, is not run again
#   FILE=word  only of files with that word in their name
#   JOBS=n     so many at once (default 1)      TIME=seconds  no new one after so long
# A mutant is killed by the first detector that fails or does not end; what survives is listed by source line, and must stand in
# ci/mutants-equivalent.txt:
#
#   engine/file.c never|always the source line as it stands, blanks squeezed
#       the reason why nothing can tell it from the original, indented; of all lines above it
#
# Ends with the share killed and its 95 % interval (Wilson).  Exit: 0 no unexplained survivor, 1 there is one, 2 usage, 3 a detector
# fails without a mutant, or a tool failed, 130 stopped.
set -u

cd "$(dirname "$0")/.." || exit 3
b=build/mutants
count=${MUTANTS:-400} seed=${SEED:-1} jobs=${JOBS:-1} limit=${TIME:-0}
for number in "$count" "$seed" "$jobs" "$limit"; do
    [[ $number =~ ^[0-9]{1,7}$ ]] || { echo "mutants: MUTANTS, SEED, JOBS and TIME are numbers" >&2; exit 2; }
done
mkdir -p $b/asm $b/base $b/results $b/work
stop=
trap 'stop=130' INT TERM # the detector at work ends first

# ---- the engine as assembly, and what is linked from it ----
flags=(-std=c11 -D_GNU_SOURCE -O1 -g -DNDEBUG -fPIC -pthread)
objects=()
for source in engine/*.c; do
    case $source in *_test.c | *_bench.c) continue ;; esac
    name=$(basename "$source" .c)
    asm=$b/asm/$name.s object=$b/base/$name.o
    objects+=("$object")
    if ! [ "$asm" -nt "$source" ] || [ -n "$(find engine -maxdepth 1 -name '*.h' -newer "$asm" | head -n 1)" ]; then
        ${CC:-cc} "${flags[@]}" -S "$source" -o "$asm" || exit 3
    fi
    [ "$object" -nt "$asm" ] || ${CC:-cc} -c "$asm" -o "$object" || exit 3
done
link() { # library, objects...
    local library=$1
    shift
    ${CC:-cc} -shared -Wl,-soname,libengine.so -o "$library" "$@" -lurcu-bp -pthread
}
[ -z "$(find $b/base -name '*.o' ! -newer $b/base/libengine.so -prune -o -name '*.o' -print 2>/dev/null | head -n 1)" ] &&
    [ -s $b/base/libengine.so ] || link $b/base/libengine.so "${objects[@]}" || exit 3
# the programs take the engine from that library, so that a mutant costs one file assembled and one link
${MAKE:-make} --no-print-directory -s -j2 VARIANT=mutants ENGINE_A=$b/base/libengine.so CFLAGS=-fvisibility=default NO_DEPS=1 \
    mutant-programs >$b/build.log 2>&1 || { tail -n 20 $b/build.log >&2; exit 3; }
for target in "$b"/fuzz/replay_*; do
    target=${target##*/replay_}
    [[ $target == *.* ]] || LD_LIBRARY_PATH=$b/base $b/fuzz/make_seeds "$target" "$b/seeds/$target" 2>/dev/null ||
        { mkdir -p $b/seeds && LD_LIBRARY_PATH=$b/base $b/fuzz/make_seeds "$target" "$b/seeds/$target"; } || exit 3
done

# ---- detectors: NAME and a command, run by detect() ----
detect() { # name, library directory, hundredths of a second that it takes without a mutant
    local seconds=$((10 + $3 / 10)) # of the processor: ten times what it takes
    (
        ulimit -t $seconds -c 0
        export LD_LIBRARY_PATH=$2
        case $1 in
        test/*) exec timeout -k 1 $((seconds * 4)) "$b/$1" ;;
        fuzz/*) exec timeout -k 1 $((seconds * 4)) "$b/fuzz/replay_${1#fuzz/}" "$b/seeds/${1#fuzz/}" ;;
        chaos/sweep) exec timeout -k 1 $((seconds * 4)) $b/bin/levin-chaos sweep --ops 160 --small --jobs 1 --fail-fast --quiet ;;
        chaos/faults) exec timeout -k 1 $((seconds * 4)) $b/bin/levin-chaos faults --ops 20 --small --jobs 1 --fail-fast --quiet ;;
        chaos/corrupt) exec timeout -k 1 $((seconds * 4)) $b/bin/levin-chaos corrupt --damages 20 --jobs 1 --fail-fast --quiet ;;
        chaos/ranges) exec timeout -k 1 $((seconds * 4)) $b/bin/levin-chaos ranges --ops 60 --jobs 1 --fail-fast --quiet ;;
        esac
    ) >/dev/null 2>&1 </dev/null
}
# How long each takes without a mutant; it must pass.  Those of threads and of time come last, they are the slowest.
times=$b/times
if ! [ -s $times ] || [ $b/bin/levin-chaos -nt $times ]; then
    : >$times.new
    for program in "$b"/test/engine_*_test fuzz "$b"/fuzz/replay_* chaos/sweep chaos/faults chaos/corrupt chaos/ranges; do
        case $program in
        *.d | *.o | fuzz | *_cli_*) continue ;;
        "$b"/test/*) name=test/${program##*/} ;;
        "$b"/fuzz/*) name=fuzz/${program##*/replay_} ;;
        *) name=$program ;;
        esac
        TIMEFORMAT='%U %S'
        used=$({ time detect "$name" $b/base 6000; echo "status $?" >$b/status; } 2>&1)
        [ "$stop" = '' ] || exit 130
        if ! grep -qx 'status 0' $b/status; then
            echo "mutants: $name fails without a mutant, and is left out" >&2
            continue
        fi
        awk -v n="$name" '{ printf "%d %s\n", 100 * ($1 + $2), n }' <<<"$used" >>$times.new
    done
    sort -n $times.new >$times
    [ "$(wc -l <$times)" -ge 20 ] || { echo "mutants: too few detectors pass without a mutant" >&2; rm -f $times; exit 3; }
fi

# ---- one mutant ----
slow=300 # hundredths of a second
# Its result: "killed DETECTOR" or "survived", in a file of its name.
judge() { # asm, digest, number, kind
    local name result work=$b/work/$BASHPID used detector first=() rest=()
    name=$(basename "$1" .s)
    result=$b/results/$name-$2-$3-$4
    mkdir -p "$work"
    local others=()
    mapfile -t others < <(printf '%s\n' "${objects[@]}" | grep -vFx "$b/base/$name.o")
    ci/mutants.pl make "$1" "$3" "$4" >"$work/$name.s" && ${CC:-cc} -c "$work/$name.s" -o "$work/$name.o" &&
        link "$work/libengine.so" "$work/$name.o" "${others[@]}" || return 3
    while read -r used detector; do
        case $detector in
        "test/engine_${name}_test" | "test/engine_${name}_"*_test) first+=("$used $detector") ;;
        *) [ "$used" -gt "$slow" ] || rest+=("$used $detector") ;; # a slow one is for its own file alone
        esac
    done <$times
    local verdict=survived
    for detector in ${first[@]+"${first[@]}"} "${rest[@]}"; do
        if ! detect "${detector#* }" "$work" "${detector%% *}"; then
            verdict="killed ${detector#* }"
            break
        fi
        [ -z "$stop" ] || { rm -rf "$work"; return 130; }
    done
    [ -n "$stop" ] || echo "$verdict" >"$result"
    rm -rf "$work"
}

ci/mutants.pl list $b/asm/*.s >$b/all.tsv || exit 3
grep -F "${FILE:-.s}" $b/all.tsv | ci/mutants.pl sample "$seed" "$count" >$b/sample.tsv
running=0 done_now=0
while IFS=$'\t' read -r asm digest number kind _; do
    [ ! -s "$b/results/$(basename "$asm" .s)-$digest-$number-$kind" ] || continue
    [ -z "$stop" ] || break
    [ "$limit" -eq 0 ] || [ "$SECONDS" -lt "$limit" ] || break
    if [ "$running" -ge "$jobs" ]; then
        wait -n
        running=$((running - 1))
    fi
    judge "$asm" "$digest" "$number" "$kind" &
    running=$((running + 1)) done_now=$((done_now + 1))
    [ $((done_now % 10)) -ne 0 ] || echo "mutants: $done_now judged after $SECONDS s" >&2
done <$b/sample.tsv
wait

# ---- what it comes to ----
while IFS=$'\t' read -r asm digest number kind source line; do
    result=$b/results/$(basename "$asm" .s)-$digest-$number-$kind
    [ -s "$result" ] || continue
    text=
    [ ! -f "$source" ] || text=$(sed -n "${line}p" "$source" | tr -s ' \t' ' ' | sed 's/^ //; s/ $//')
    printf '%s\t%s\t%s\t%s\t%s\n' "$(cat "$result")" "$source" "$line" "$kind" "$text"
done <$b/sample.tsv >$b/judged.tsv
perl - ci/mutants-equivalent.txt $b/judged.tsv $b/survivors.txt "$(wc -l <$b/sample.tsv)" "$(wc -l <$b/all.tsv)" <<'P'
use strict;
use warnings;
my ($equivalent_file, $judged_file, $out_file, $sample, $all) = @ARGV;
my (%why, @fresh, $reason);
if (open my $in, '<', $equivalent_file) {
    while (<$in>) {
        chomp;
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
}
open my $in, '<', $judged_file or die "$judged_file: $!\n";
open my $out, '>', $out_file or die "$out_file: $!\n";
my ($n, $killed, $equivalent, $open) = (0, 0, 0, 0);
my %by;
while (<$in>) {
    chomp;
    my ($verdict, $source, $line, $kind, $text) = split /\t/, $_, 5;
    $n++;
    if ($verdict =~ /^killed (\S+)/) {
        $killed++;
        (my $detector = $1) =~ s/^test\/.*/unit tests/;
        $by{$detector}++;
        next;
    }
    my $because = $why{"$source $kind $text"} // '';
    $because ne '' ? $equivalent++ : $open++;
    print $out "$source:$line: $kind: $text\n    ", $because ne '' ? $because : 'UNEXPLAINED', "\n";
    print "survived: $source:$line: $kind: $text\n" if $because eq '';
}
sub wilson {
    my ($k, $of) = @_;
    return (0, 1) unless $of;
    my ($z, $p) = (1.96, $k / $of);
    my ($mid, $wide) = ($p + $z * $z / (2 * $of), $z * sqrt($p * (1 - $p) / $of + $z * $z / (4 * $of * $of)));
    return map { $_ / (1 + $z * $z / $of) } $mid - $wide, $mid + $wide;
}
my ($low, $high) = wilson($killed, $n - $equivalent);
printf "mutants: %d of a sample of %d (of %d): killed %d, equivalent %d, unexplained %d\n", $n, $sample, $all, $killed, $equivalent, $open;
printf "killed of those that are not equivalent: %.1f %%, 95 %% interval %.1f to %.1f\n",
    100 * ($n - $equivalent ? $killed / ($n - $equivalent) : 0), 100 * $low, 100 * $high;
print '  ', join(', ', map { "$_ $by{$_}" } sort { $by{$b} <=> $by{$a} } keys %by), "\n";
exit($open || !$n ? 1 : 0);
P
status=$?
[ -z "$stop" ] || exit 130
exit $status
