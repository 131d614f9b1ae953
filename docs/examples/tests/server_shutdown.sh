#!/bin/sh
# SPDX-License-Identifier: MIT
# http_server: SIGTERM under load loses nothing: each request that was sent has a whole answer, as the client counts, and the exit
# status is 0. What takes too long is stopped, and told so. A second signal kills.
. "$(dirname "$0")/server.inc"

# Connections that ask again and again, until the server ends them.
for target in '/work?hash=1024&hash=1024&hash=1024' '/work?hash=100000&sleep=20&hash=1000'; do
    start
    "$bin/http_client" load "$port" 50 20000 "$target" >"$out" &
    client=$!
    until_stat requests_total 300 -gt
    kill "$server"
    wait "$client" || fail 'the client failed'
    read -r _ sent _ answered _ ok _ busy _ lost <"$out"
    cp "$out" "$work/counted"
    ended
    cp "$work/counted" "$out"
    [ "$sent" -eq "$answered" ] && [ "$ok" -eq "$sent" ] && [ "$lost" -eq 0 ] || fail 'requests were lost'
    [ "$sent" -gt 250 ] || fail 'that was no load'
    has "$err" " event=end requests=[0-9]+ answers=[0-9]+ hung_up=0$"
done

# Who is in the backlog when the signal comes has sent a request already: it is answered as well.
start --connections 2
clients=
for i in 1 2 3 4 5 6; do
    printf 'GET /work?sleep=1500 HTTP/1.1\r\nHost: x\r\n\r\n' | "$bin/http_client" send "$port" >"$work/waited.$i" &
    clients="$clients $!"
done
until [ "$(awk -v port="$(printf ':%04X' "$port")" '$3 ~ port && $4 == "01"' /proc/net/tcp | wc -l)" = 6 ]; do
    sleep 0.05
done
kill "$server"
wait $clients
for i in 1 2 3 4 5 6; do
    has "$work/waited.$i" '^0 sleep 1500'
done
ended
has "$err" ' event=end requests=6 answers=6 hung_up=0$'

# What does not end in time is cut short.
start --drain 0.3 --deadline 60
printf 'GET /work?sleep=1&sleep=50000 HTTP/1.1\r\nHost: x\r\n\r\n' | "$bin/http_client" send "$port" >"$work/begun" &
begun=$!
printf 'GET /work?sleep=50000 HTTP/1.1\r\nHost: x\r\n\r\n' | "$bin/http_client" send "$port" >"$work/waiting" &
waiting=$!
printf 'GET /work?hash=1 HTTP/1.1\r\nHo' | "$bin/http_client" send "$port" >"$work/half" &
half=$!
printf 'GET /stats HTTP/1.1\r\nHost: x\r\n\r\n%.0s' $(seq 20) | "$bin/http_client" deaf "$port" >"$work/deaf" &
deaf=$!
until_stat running_requests 2
until_stat open_connections 5
quickly stop
wait $begun $waiting $half $deaf
has "$work/half" '^HTTP/1.1 503 '
has "$err" ' event=cut '
has "$work/begun" '^0 sleep 1'
has "$work/begun" '^error 503 '
has "$work/waiting" '^HTTP/1.1 503 '

# A second signal does not wait.
start --drain 60 --deadline 60
printf 'GET /work?sleep=50000 HTTP/1.1\r\nHost: x\r\n\r\n' | "$bin/http_client" send "$port" >"$work/waiting" &
waiting=$!
until_stat running_requests 1
kill -INT "$server"
until grep -q ' event=drain signal=SIGINT' "$work/log"; do
    sleep 0.05
done
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
wait $waiting || :
[ "$code" -eq 143 ] || fail "exits with $code after a second signal"
