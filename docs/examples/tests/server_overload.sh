#!/bin/sh
# SPDX-License-Identifier: MIT
# http_server: too much to do is answered by 503 at once, and the rest as ever; a client that does not read gets no more work
# done, and takes a bounded amount of memory.
. "$(dirname "$0")/server.inc"
start --workers 1 --queue 4 --connections 200 --send 1 --deadline 20

# Each request keeps the one worker for tens of milliseconds.
busy='/work?hash=67108864'
"$bin/http_client" load "$port" 100 1500 "$busy" >"$out"
read -r _ sent _ answered _ ok _ busy _ lost <"$out"
[ "$lost" -eq 0 ] && [ "$sent" -eq "$answered" ] || fail 'requests were lost'
[ "$busy" -gt 0 ] || fail 'nothing was refused'
[ "$ok" -gt 0 ] || fail 'nothing was done'
[ $((ok + busy)) -eq "$answered" ] || fail 'other answers'
[ "$(stat rejected_total)" -eq "$busy" ] || fail 'not all of them are counted'
get '/work?hash=1024'
status 200

# How it says so: one runs, four wait, and of the others each is told at once.
clients=
for i in 1 2 3 4 5 6 7 8; do
    printf 'GET /work?%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$(many 5 hash=67108864)" |
        "$bin/http_client" send "$port" >"$work/answer.$i" &
    clients="$clients $!"
done
wait $clients
refused=0
for i in 1 2 3 4 5 6 7 8; do
    tr -d '\r' <"$work/answer.$i" >"$out"
    case $(sed -n 1p "$out") in
    'HTTP/1.1 200 OK') counts "$out" 5 ' hash 67108864 ' ;;
    *)
        status 503
        has "$out" '^Retry-After: [0-9]+$'
        refused=$((refused + 1))
        ;;
    esac
done
[ "$refused" -ge 3 ] && [ "$refused" -le 4 ] || fail "$refused were refused"
[ "$(stat rejected_total)" -eq $((busy + refused)) ] || fail 'not all of them are counted'

# Bodies have a bound together: the first takes all of it, as it never comes whole.
start --bodies 1 --body 2048 --receive 20
{
    printf 'POST /gunzip HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n'
    head -c 1048576 /dev/zero
} >"$work/part"
"$bin/http_client" send "$port" <"$work/part" >"$work/waiting" &
waiting=$!
until_stat body_bytes 1048576
printf 'x' | gzip -c >"$work/body.gz"
post /gunzip "$work/body.gz"
status 503
kill $waiting
wait $waiting || :
until_stat body_bytes 0
post /gunzip "$work/body.gz"
status 200

# A body that is of no use is given back with the answer, although the connection stays.
{
    printf 'POST /work?nonsense HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n'
    head -c 1048576 /dev/zero
} >"$work/useless"
"$bin/http_client" send "$port" <"$work/useless" >"$work/refused" &
waiting=$!
until grep -q '^HTTP/1.1 400 ' "$work/refused"; do
    sleep 0.05
done
post /gunzip "$work/body.gz"
status 200
kill $waiting
wait $waiting || :
# Connections that are too many wait for those before them, and are served then.
start --connections 5
"$bin/http_client" load "$port" 20 300 '/work?hash=1024' >"$out"
read -r _ sent _ answered _ ok _ busy _ lost <"$out"
[ "$sent" -eq "$ok" ] && [ "$lost" -eq 0 ] || fail 'connections were lost'
[ "$sent" -gt 20 ] || fail 'nobody was served'
[ "$(stat connections_total)" -eq 21 ] || fail 'not all were accepted'
start --workers 1 --queue 4 --send 1

# One that never reads: it may send what the buffers hold, then it waits, and is dropped when it does not take its answers.
before=$(awk '/^VmRSS/ { print $2 }' "/proc/$server/status")
requests=$(for i in 1 2 3 4 5 6 7 8 9 10; do printf 'GET /stats HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'; done)
printf "$requests" | "$bin/http_client" deaf "$port" >"$out"
has "$out" '^sent [0-9]+$'
[ "$(stat dropped_total)" -ge 1 ] || fail 'it was not dropped'
after=$(awk '/^VmRSS/ { print $2 }' "/proc/$server/status")
[ $((after - before)) -lt 4096 ] || fail "$((after - before)) KiB for a client that does not read"
stop
