#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the stress programs that are built in a directory in turn, for so many minutes: each time with a new seed, on 1
# to 64 workers, most of them with delays at atomic steps, some pinned to one core, some while stress-ng keeps the cores
# busy. Stops at the first failure and prints the command that repeats it; else sums what the programs counted.
# The first turn is whole, however short the time, and all with delays, as the programs run without them anyhow.
set -eu

usage()
{
    echo "usage: soak.sh DIRECTORY [--minutes N] [--seed S]" >&2
    exit 2
}

[ $# -ge 1 ] && [ -d "$1" ] || usage
directory=$1
shift
minutes=60
seed=$(date +%s)
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --minutes) minutes=$2 ;;
    --seed) seed=$2 ;;
    *) usage ;;
    esac
    shift 2
done

programs=
n_programs=0
for program in "$directory"/stress_*; do
    [ -f "$program" ] && [ -x "$program" ] || continue
    programs="$programs $program"
    n_programs=$((n_programs + 1))
done
[ $n_programs -gt 0 ] || usage
has_load=$(command -v stress-ng || true)
secs=$((minutes * 60 / n_programs))
[ $secs -le 5 ] || secs=5
[ $secs -ge 1 ] || secs=1

log=$(mktemp)
ends=$(mktemp)
load=
began=$(date +%s)
turn=0
runs=0
random=$((seed % 2147483647 + 1))

unload()
{
    [ -z "$load" ] || kill "$load" 2>/dev/null || true
    [ -z "$load" ] || wait "$load" 2>/dev/null || true
    load=
}

# Sums key=value over the last lines of the programs.
tell_totals()
{
    echo "soak: $runs runs in $turn turns, $(($(date +%s) - began)) s, --seed $seed; totals:"
    awk '
        { for (i = 1; i <= NF; i++) if (split($i, part, "=") == 2) sum[part[1]] += part[2] }
        END { for (key in sum) printf "  %s %.0f\n", key, sum[key] }
    ' "$ends" | sort
}

leave()
{
    rc=$?
    trap - EXIT
    unload
    tell_totals
    rm -f "$log" "$ends"
    exit $rc
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# draw N: sets `drawn` to a number below N.
draw()
{
    random=$((random * 48271 % 2147483647))
    drawn=$((random / 8 % $1))
}

# Sets `options` to those of the next run, `loaded` to whether it has company.
choose()
{
    draw 1000000000
    options="--seed $drawn --secs $secs"
    draw 4
    case $drawn in
    0) ;; # what the program tries by itself
    1) draw 64 && options="$options --workers $((drawn + 1))" ;;
    *) draw 8 && options="$options --workers $((drawn + 1))" ;;
    esac
    draw 3
    kind=$drawn
    draw 1000000000
    [ "$turn" -gt 1 ] && [ $kind -eq 0 ] || options="$options --delays $((drawn + 1))"
    draw 4
    [ $drawn -ne 0 ] || options="$options --pin"
    draw 4
    loaded=$([ $drawn -eq 0 ] && echo "$has_load" || true)
}

run()
{
    choose
    company=
    if [ -n "$loaded" ]; then
        company=" (under $loaded --cpu 2 --switch 1)"
        "$loaded" --quiet --cpu 2 --switch 1 >/dev/null 2>&1 &
        load=$!
    fi
    if ! "$1" $options >"$log" 2>&1; then
        unload
        cat "$log"
        echo "soak: failed; to repeat it: $1 $options$company"
        exit 1
    fi
    unload
    runs=$((runs + 1))
    tail -n 1 "$log" >>"$ends"
    echo "$(basename "$1") $options$company:$(tail -n 1 "$log" | sed 's/^[^:]*:/ /')"
}

while [ $turn -eq 0 ] || [ $(($(date +%s) - began)) -lt $((minutes * 60)) ]; do
    turn=$((turn + 1))
    for program in $programs; do
        [ $turn -eq 1 ] || [ $(($(date +%s) - began)) -lt $((minutes * 60)) ] || break
        run "$program"
    done
done
