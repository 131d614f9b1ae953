#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/as_completed.md: each file is reported when it was read, the one that takes long last.
. "$(dirname "$0")/check.inc"
need guide_as_completed

seq 2000 >"$work/long"
printf '\n' >"$work/short"
as_shown as_completed sort
run 1 guide_as_completed "$work/long" "$work/nowhere"
has "$err" "^cannot open $work/nowhere \(No such file or directory\)$"
counts "$out" 1 '^ +2000 '

# The first of them ends only when the second was reported.
mkfifo "$work/slow" "$work/lines"
"$bin/guide_as_completed" "$work/slow" "$work/short" >"$work/lines" &
program=$!
exec 3<"$work/lines"
read -r first <&3
printf 'a\nb\n' >"$work/slow"
read -r second <&3
wait $program || fail 'it fails'
[ "$first" = "1 $work/short" ] && [ "$second" = "2 $work/slow" ] || fail "in the wrong order: $first, $second"

run 0 guide_as_completed
counts "$out" 0 ''
