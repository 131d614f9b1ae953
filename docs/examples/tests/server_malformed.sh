#!/bin/sh
# SPDX-License-Identifier: MIT
# http_server: what is no request, too large or too slow gets the status that says so, and the server goes on.
. "$(dirname "$0")/server.inc"
start --body 4 --receive 0.3 --idle 0.5

# answers STATUS TEXT
answers()
{
    printf '%b' "$2" | raw
    status "$1"
}

answers 400 'nonsense\r\n\r\n'
answers 505 'GET /work?hash=1\r\n\r\n' # HTTP/0.9
answers 400 'GET /work?hash=1 HTTP/1.1\r\n\r\n'                         # no host
answers 400 'GET /work?hash=1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'
answers 400 'GET /work?hash=1 HTTP/1.1\r\nHost x\r\n\r\n'
answers 400 'POST /gunzip HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n'
answers 400 'POST /gunzip HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'
answers 417 'GET /work?hash=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: miracles\r\n\r\n'
answers 505 'GET /work?hash=1 HTTP/2.0\r\nHost: x\r\nConnection: close\r\n\r\n'
answers 414 "GET /work?$(seq -s '&' -f 'hash=%g' 1 500) HTTP/1.1\r\nHost: x\r\n\r\n"
answers 431 "GET /work?hash=1 HTTP/1.1\r\nHost: x\r\n$(seq -s '' -f 'X-Header-%g: some value\r\n' 1 500)\r\n"
for query in '' '?' '?hash' '?hash=' '?hash=-1' '?hash=1x' '?hash=99999999999999999999' '?sleep=1&&hash=1' '?what=1'; do
    get "/work$query"
    status 400
done
get /
status 404
ask DELETE '/work?hash=1'
status 405
has "$out" '^Allow: GET, HEAD, POST$'
get /gunzip
status 405
has "$out" '^Allow: POST$'

# A body that is too large is refused before it has come, or when it turns out to be.
answers 413 'POST /gunzip HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n'
head -c 5000 /dev/zero >"$work/large"
{
    printf 'POST /gunzip HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n'
    cat "$work/large"
    printf '\r\n0\r\n\r\n'
} | raw
status 413

# Blank lines, which old clients send after a body, are no request that fails to end: the connection is idle.
printf 'POST /work?hash=1024 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n\r\n\r\n' | raw
status 200
has_not "$out" '^HTTP/1\.1 408 '

# A request that does not end, and a connection that asks for nothing.
answers 408 'GET /work?hash=1 HTTP/1.1\r\nHo'
printf '' | raw
counts "$out" 0 ''

get '/work?hash=1024'
has "$out" '^0 hash 1024 efb5af2e$'
[ "$(stat running_requests)" = 0 ] || fail 'something still runs'
stop
