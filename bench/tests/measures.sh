#!/bin/sh
# SPDX-License-Identifier: MIT
# Rounds become medians in the figure's unit, best peer first; options reach the programs; peers take turns.
. "$(dirname "$0")/check.inc"
log=$work/log
export log
for peer in filch quick; do
    program $peer "echo $peer \"\$@\" >>\"\$log\"; line='ns=200 check=7 p50=1000 p99=9000'; rounds \"\$@\""
done
prints quick 'ns=100 check=7 p50=4000 p99=4000'

run 0 --workload one --repeats 3 --workers 2
has "$out" '^\| \*\*filch\*\* \| \*\*10\.0\*\* \| 10\.0 \.\. 10\.0 \|' # 200 ns / (10 * 2)
[ "$(grep -oE '^\| \*{0,2}(seq|filch|quick)' "$out" | tr -d '|* ' | tr '\n' ' ')" = 'quick filch seq ' ] ||
    fail 'not in order'
has "$out" 'filch takes 2\.00 of what the best peer takes \(a quick peer\)'
has "$out" '^odd left out: was not built\.$'
has "$out" '^### one of 10, 2 workers$'
has "$out" '^Serial fib\(39\) in the same run: [0-9]+ ms'
[ "$(grep -c '^filch --workers 2 --size 10 --rounds 2 --warmup 1$' "$log")" -eq 3 ] || fail 'not three repeats'

: >"$log"
run 0 --workload two --peer filch,quick
has "$log" '^filch --workers 2 --size 10 --rounds 3 --warmup 1 --producers 4 --chunk 3 --load 0\.5$'
has "$out" '^\| \*\*filch\*\* \| \*\*1\.00\*\* \|.*\| \*\*9\.00\*\* \|'

: >"$log"
for peer in seq filch quick; do
    program $peer "echo $peer >>\"\$log\"; line='ns=200 check=7'; rounds \"\$@\""
done
run 0 --workload one --workers 1 --repeats 2 --peer seq,filch,quick
[ "$(tr '\n' ' ' <"$log")" = 'seq filch quick filch quick seq ' ] || fail 'they do not take turns'

printf 'odd no compiler\n' >"$work/lacking.txt"
run 0 --quick --workload one
has "$out" '^odd left out: no compiler\.$'
has "$out" '^## filch beside its peers \(quick\)$'
