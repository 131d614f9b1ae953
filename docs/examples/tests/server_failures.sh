#!/bin/sh
# SPDX-License-Identifier: MIT
# http_server: lines come as items finish; the first failure ends a request and is told with its cause; a deadline does; a hang-up
# stops the work.
. "$(dirname "$0")/server.inc"
start --deadline 30

# The first line can be read while the second item is still asleep: it would be for 20 s.
rm -f "$work/answer_pipe"
mkfifo "$work/answer_pipe"
printf 'GET /work?sleep=20000&sleep=1 HTTP/1.1\r\nHost: x\r\n\r\n' | "$bin/http_client" send "$port" >"$work/answer_pipe" &
client=$!
exec 4<"$work/answer_pipe"
while read -r text <&4; do
    case $text in
    '1 sleep 1'*) break ;;
    esac
done
[ "$(stat running_requests)" = 1 ] || fail 'the line came at the end'

# Its client goes away: the sleep ends, and all of it is gone.
kill "$client"
wait "$client" || :
exec 4<&-
until_stat running_requests 0
until_stat hung_up_total 1
[ "$(stat 'pool_submitted_total{pool="quick"}')" = "$(stat 'pool_finished_total{pool="quick"}')" ] || fail 'a task was lost'

# Also a client that leaves in the midst of what only polls, and one whose request has not begun.
printf 'GET /work?%s HTTP/1.1\r\nHost: x\r\n\r\n' "$(many 60 hash=67108864)" | "$bin/http_client" leave "$port"
until_stat hung_up_total 2
until_stat running_requests 0

# The first failure is the answer, at once, with its cause; what else was to be done is not waited for.
fails_fast()
{
    get '/work?sleep=20000&hash=99999999'
    status 422
    has "$out" '^error 422 '
    has "$out" 'item 1: more than 64 MiB to hash'
    seq 1 1000 | gzip -c | head -c 300 >"$work/cut.gz"
    post '/gunzip?sleep=20000' "$work/cut.gz"
    status 422
    has "$out" 'item 0: the gzip data ends early'
    echo 'no gzip' >"$work/no.gz"
    post '/gunzip?sleep=20000' "$work/no.gz"
    has "$out" 'item 0: incorrect header check'
    # After the first line the status is out, and the last line tells.
    get '/work?sleep=1&sleep=60001&sleep=20000'
    has "$out" '^error 422 '
    has "$out" 'item 1: more than 60000 ms to sleep'
}
quickly fails_fast
until_stat running_requests 0

start --deadline 0.2
times_out()
{
    get '/work?sleep=20000'
    status 504
    has "$out" '^error 504 the deadline is over '
    get '/work?sleep=1&sleep=20000'
    status 200
    has "$out" '^0 sleep 1$'
    has "$out" '^error 504 '
    get "/work?$(many 60 hash=67108864)"
    has "$out" '^error 504 '
}
quickly times_out
until_stat timed_out_total 3
until_stat running_requests 0
stop
