#!/bin/sh
# SPDX-License-Identifier: MIT
# http_server: each kind of work gives the right answer, one line an item; keep-alive, pipelines, HEAD, 100-continue, HTTP/1.0.
. "$(dirname "$0")/server.inc"

checks()
{
    get '/work?hash=0&hash=1024&hash=1048576&sleep=3'
    status 200
    has "$out" '^Transfer-Encoding: chunked$'
    has "$out" '^Connection: close$'
    has "$out" '^0 hash 0 00000000$'
    has "$out" '^1 hash 1024 efb5af2e$'
    has "$out" '^2 hash 1048576 a738ea1c$'
    has "$out" '^3 sleep 3$'
    counts "$out" 4 '^[0-9] (hash|sleep) '

    seq 1 20000 | gzip -c >"$work/body.gz"
    post /gunzip "$work/body.gz"
    has "$out" '^0 gunzip 108894 bytes 20000 lines 20000 words$'
    printf 'two words\n' | gzip -c >>"$work/body.gz" # a second member
    post '/work?hash=16&gunzip' "$work/body.gz"
    has "$out" '^1 gunzip 108904 bytes 20001 lines 20002 words$'

    # As many items as there may be, and one more.
    get "/work?$(seq -s '&' -f 'hash=%g' 1 64)"
    counts "$out" 64 '^[0-9]+ hash '
    get "/work?$(seq -s '&' -f 'hash=%g' 1 65)"
    status 400

    # One connection: answers in order, whatever takes longest, and the last one ends it.
    {
        printf 'GET /work?sleep=60 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /work?hash=1 HTTP/1.1\r\nHost: x\r\n\r\n'
        printf 'GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /work?hash=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    } | raw
    grep -E '^(HTTP|0 )' "$out" >"$work/lines"
    cat >"$work/expected" <<'END'
HTTP/1.1 200 OK
0 sleep 60
HTTP/1.1 200 OK
HTTP/1.1 404 Not Found
HTTP/1.1 200 OK
0 hash 2 41d912ff
END
    cmp -s "$work/lines" "$work/expected" || fail 'the pipeline is not answered in order'

    # The body comes after the server has asked for it.
    ask POST /gunzip 'Expect: 100-continue' 'Content-Length: 0'
    line "$out" 1 '^HTTP/1\.1 100 Continue$'
    has "$out" '^HTTP/1\.1 422 '

    # An old client gets no chunks.
    printf 'GET /work?hash=1024 HTTP/1.0\r\n\r\n' | raw
    status 200
    has_not "$out" '^Transfer-Encoding'
    line "$out" '$' '^0 hash 1024 efb5af2e$'
    printf 'GET /stats HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /stats HTTP/1.0\r\n\r\n' | raw
    counts "$out" 1 '^Connection: keep-alive$'
    counts "$out" 2 '^HTTP/1\.1 200 OK$'
}

start
checks
has_not "$work/log" 'level=(warning|error)'
get /metrics
has "$out" '^Content-Type: text/plain; version=0\.0\.4$'
counts "$out" 1 '^# TYPE filch_tasks_submitted_total counter$'
for pool in quick bulk; do
    has "$out" "^filch_[a-z_]+\{pool=\"$pool\"[^}]*\} [0-9]"
done

# While there are short requests, long ones have half of the workers.
start --workers 4
tries=0
until [ "$(stat 'pool_workers{pool="bulk"}')" = 2 ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail 'the bulk pool keeps all workers'
    get '/work?hash=1'
done
until_stat 'pool_workers{pool="bulk"}' 4
stop

# Bulk has a lower priority than the server has, whatever that is.
under='nice -n 10'
start
get '/work?hash=1048576'
for thread in "/proc/$server/task"/*; do
    case $(cat "$thread/comm") in
    bulk*) awk '{ print $19 }' "$thread/stat" ;;
    esac
done >"$out"
line "$out" 1 '^15$'
has_not "$out" '^(5|20)$'
stop
under=
need http_server_uv
server_program=http_server_uv # its peer in the benchmark answers alike
start
checks
stop
