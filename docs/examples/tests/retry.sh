#!/bin/sh
# SPDX-License-Identifier: MIT
# retry: main tasks in turn, lost connections tried again; "cleaned up" last, always.
. "$(dirname "$0")/check.inc"
need retry filch_fetch

cleaned_up() { line "$out" '$' "^cleaned up \($1 of 10 tasks done\)\$"; }

# A status is a result, and nothing is tried again for it.
serve --demo-fail /task4/0=500 --demo-fail /task4/1=404
for workers in 3 1; do
    run 0 retry --base-url "$url" --workers $workers
    for id in 0 1 2 3 4 5 6 7 8 9; do
        line "$out" $((id + 1)) "^task $id ok: 3 results\$"
    done
    counts "$out" 11 ''
    cleaned_up 10
done

# The final failure tells the url, the attempts and the last error; nothing begins after it.
for how in refuse reset; do
    reason='Connection refused'
    [ $how = refuse ] || reason='Connection reset by peer'
    serve --demo-fail /task2/1=$how
    for attempts in 1 2 5; do
        run 1 retry --base-url "$url" --interval 0.01 --max-retries $attempts
        counts "$err" 2 ''
        line "$err" 1 "^\[task2/1, attempt $attempts\] gave up after $attempts attempts? \($reason\)\$"
        line "$err" 2 "caused by: \[task2/1\] GET $url/task2/1: .*\($reason\)\$"
        counts "$out" $((attempts - 1)) '^task2/1: attempt [0-9] failed, trying again$'
        counts "$out" 2 '^task [01] ok: 3 results$'
        has_not "$out" '^task ?[3-9]'
        cleaned_up 2
    done
done

run 1 retry --base-url "$url" --interval 0.01
line "$err" 1 '^\[task2/1, attempt 3\] gave up after 3 attempts '

# A server that comes back in time is no failure. The first attempt must fail before it is started again.
port=${url##*:}
stop_serving
mkfifo "$work/retries"
"$bin/retry" --base-url "$url" --interval 0.05 --max-retries 1000 >"$work/retries" &
program=$!
exec 4<"$work/retries"
read -r first <&4
serve --port "$port"
cat <&4 >"$out"
wait $program || fail "retry fails though the server came back"
case $first in
task0/[012]:\ attempt\ 1\ failed,\ trying\ again) ;;
*) fail "no attempt failed: $first" ;;
esac
counts "$out" 10 '^task [0-9] ok: 3 results$'
cleaned_up 10

# Neither a stop by a sibling nor Ctrl-C waits for the pause between two attempts, nor makes another attempt.
serve --demo-fail /task0/0=reset
interrupt 'task0/0: attempt 1 failed*' retry --base-url "$url" --interval 60
has_not "$out" 'attempt 2'
cleaned_up 0

run 2 retry --max-retries 0
