#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/retry.md: a file that comes, one that never does, one that is wrong, and Ctrl-C between two attempts.
. "$(dirname "$0")/check.inc"
need guide_retry

quickly as_shown retry sort # the reminder is printed by another task

# It is there when the second attempt is made.
mkfifo "$work/lines"
"$bin/guide_retry" "$work/port" 500 >"$work/lines" &
program=$!
exec 3<"$work/lines"
read -r first <&3
echo 8080 >"$work/new"
mv "$work/new" "$work/port"
cat <&3 >"$out"
wait $program || fail 'it fails though the file came'
[ "$first" = 'port: attempt 1 failed' ] || fail "it did not fail at first: $first"
line "$out" '$' '^port 8080, attempt [23]$'

run 0 guide_retry "$work/port" 60000 # the reminder does not hold it up
line "$out" 1 '^port 8080, attempt 1$'
counts "$out" 1 ''

echo none >"$work/wrong"
run 1 guide_retry "$work/wrong" 60000
counts "$out" 1 '^port: attempt 1 failed$'
line "$out" 2 '^\[port, attempt 1\] gave up after 1 attempt \(Bad message\)$'

interrupt 'port: attempt 1*' guide_retry "$work/nowhere" 60000
line "$out" 2 '^\[port\] stopped: Interrupted system call '
line "$out" 3 'caused by: \[port\] cannot open .*nowhere '
counts "$out" 4 ''
