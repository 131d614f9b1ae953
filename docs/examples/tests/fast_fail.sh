#!/bin/sh
# SPDX-License-Identifier: MIT
# fast_fail: every result, or the root cause of the first failure, at once; and "executor closed" last, always.
. "$(dirname "$0")/check.inc"
need fast_fail filch_fetch

closed() { line "$out" '$' '^executor closed$'; }

# others_hang [ID]: rules that hold up every GET but those of one main task.
others_hang()
{
    for id in 0 1 2 3 4 5 6 7 8 9; do
        [ "$id" = "${1:-}" ] || echo "--demo-delay=/task$id/0=60000 --demo-delay=/task$id/1=60000
            --demo-delay=/task$id/2=60000"
    done
}

# A status is a result. The slow one comes last, though it was submitted first.
serve --demo-fail /task0/1=404 --demo-delay /task0/0=300 --demo-fail /task0/0=500
for workers in 3 1; do
    run 0 fast_fail --base-url "$url" --workers $workers
    counts "$out" 9 '^task [1-9] ok: 200 200 200$'
    has "$out" '^task 0 ok:( (200|404|500)){3}$'
    counts "$out" 11 ''
    closed
done
run 0 fast_fail --base-url "$url" --tasks 1
has "$out" '^task 0 ok: .* 500$'

# The root cause is named and not masked, whoever notices the stop first.
for how in refuse reset; do
    reason='Connection refused'
    [ $how = refuse ] || reason='Connection reset by peer'
    serve --demo-fail /task3/1=$how
    for i in 1 2 3 4 5 6 7 8 9 10; do
        run 1 fast_fail --base-url "$url"
        counts "$err" 2 ''
        line "$err" 1 '^task 3 failed '
        line "$err" 2 "caused by: \[task3/1\] GET $url/task3/1: .*\($reason\)\$"
        closed
    done
done

# When everything fails, one failure is reported, and as that of its own main task; others that came after it follow
# in lines of their own.
for i in 1 2 3 4 5 6 7 8 9 10; do
    run 1 fast_fail --base-url http://127.0.0.1:1
    counts "$err" $(($(wc -l <"$err") - 2)) \
        '^  (suppressed: ((task [0-9] failed|\[task[0-9]/[012]\] GET .*) \(Connection refused\)|[0-9]+ more)|  caused by: .*)$'
    id=$(sed -n '1s/^task \([0-9]\) failed .*/\1/p' "$err")
    line "$err" 2 "caused by: \[task$id/[012]\] GET http://127.0.0.1:1/task$id/[012]: .*Connection refused"
    has_not "$err" "suppressed: task $id failed"
    closed
done

# A failure ends the GETs that hang; so does Ctrl-C.
serve $(others_hang 2) --demo-fail /task2/0=reset
quickly run 1 fast_fail --base-url "$url" --workers 40 --timeout 60
line "$err" 1 '^task 2 failed '
has_not "$out" ' ok'
closed
serve $(others_hang 2)
interrupt 'task 2 ok*' fast_fail --base-url "$url" --workers 40 --timeout 60
has_not "$out" 'task [013-9]'
closed

# The timeout is an error.
run 1 fast_fail --base-url "$url" --tasks 1 --timeout 0.1
line "$err" 1 '^task 0 failed '
line "$err" 2 'caused by: .*GET .*timed out'
closed

run 2 fast_fail --workers 0
