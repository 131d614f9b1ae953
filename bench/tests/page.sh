#!/bin/sh
# SPDX-License-Identifier: MIT
# The page has the tables, refers to nothing but the plots beside it, and does without gnuplot.
. "$(dirname "$0")/check.inc"

program odd 'echo "<b>bold & false" >&2; exit 1'
run 0 --smoke --json "$work/run.json" --out "$work/report"
page=$work/report/index.html
has "$page" '<tr class="ours"><td>filch'
has "$page" 'failed: exit status 1: &lt;b>bold &amp; false'
has "$page" '<code>./dev bench --quick</code>'
has_not "$page" 'https?://'

mkdir "$work/no_gnuplot"
old_path=$PATH
PATH=$work/no_gnuplot
run 0 --from "$work/run.json" --out "$work/bare" # by its path, so it is found
PATH=$old_path
has "$err" 'no plots: gnuplot is not installed'
has "$work/bare/index.html" '<details open>'
has_not "$work/bare/index.html" '<img'

command -v gnuplot >/dev/null || exit 0
for name in overview one two; do
    has "$page" "src=\"$name\.svg\""
    head -c 8 "$work/report/$name.png" | grep -q PNG || fail "no $name.png"
    has "$work/report/$name.svg" 'prefers-color-scheme: dark'
    has "$work/report/$name.svg" 'filch'
done
