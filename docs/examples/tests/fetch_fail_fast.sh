# SPDX-License-Identifier: MIT
# The first refused connection stops everything at once and is named as the root cause, with its whole chain.
. "$(dirname "$0")/fetch.inc"

start=$(date +%s)
run_demo 1 --timeout 60 <<'END'
slow1  /delay/50000/http_get.h /delay/50000/http_get.h
broken /delay/50000/http_get.h /delay/100/refuse/me
slow2  /delay/50000/http_get.h
END
[ $(($(date +%s) - start)) -lt 20 ] || fail 'the slow ones were waited for'

refused='GET http://127\.0\.0\.1:[0-9]*/delay/100/refuse/me: .*(Connection refused)$'
has "$err" '^\[broken\] main task broken ended because a GET failed (Connection refused)$'
has "$err" "^  caused by: \[broken/1\] $refused"
has "$err" "^filch_fetch: root cause: $refused"
has "$out" '^failed broken: stopped, Connection refused$'
has "$out" '^0 of 3 main tasks done, 1 failed, 2 stopped; 0 of 5 GETs answered, 0 bytes in '
lacks "$out" slow
