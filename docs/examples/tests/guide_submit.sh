#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/submit.md: lines are sorted, however many, with one processor too.
. "$(dirname "$0")/check.inc"
need guide_submit

as_shown submit

for n in 0 1 999 1000 50000; do
    seq "$n" | tac >"$work/in"
    LC_ALL=C sort "$work/in" >"$work/sorted"
    "$bin/guide_submit" <"$work/in" >"$out" 2>"$err" || fail "$n lines are too many"
    cmp -s "$out" "$work/sorted" || fail "$n lines are not sorted"
done
