# SPDX-License-Identifier: MIT
# --keep-going fetches all that can be fetched, names every failure, and still ends with 1.
. "$(dirname "$0")/fetch.inc"

run_demo 1 --keep-going --workers 2 --demo-fail /lost=reset --demo-fail /none=refuse <<'END'
good1  /http_get.h
broken /lost /http_get.h /none
good2  /http_get.h
END
count "$out" '^done   good[12]: 200 ' 2
has "$out" '^failed broken: Connection reset by peer, 200 .*, Connection refused$'
has "$out" '^2 of 3 main tasks done, 1 failed, 0 stopped; 3 of 5 GETs answered'
has "$err" 'GET http://127\.0\.0\.1:[0-9]*/lost: the connection was lost (Connection reset by peer)$'
has "$err" 'GET http://127\.0\.0\.1:[0-9]*/none: .*(Connection refused)$'
count "$err" '^  caused by: ' 1
count "$err" '^  suppressed: \[broken/[02]\] GET ' 1
lacks "$err" 'root cause'
