# SPDX-License-Identifier: MIT
# Whatever status a server answers with is a result, not an error.
. "$(dirname "$0")/fetch.inc"

run_demo 0 --demo-fail /http_get.c=503 <<'END'
a /status/500 /nowhere /status/204 /http_get.c
END
has "$out" '^done   a: 500 26 B .* ms, 404 14 B .* ms, 204 0 B .* ms, 503 24 B .* ms$'
has "$out" '^1 of 1 main tasks done, 0 failed, 0 stopped; 4 of 4 GETs answered, 64 bytes in '
[ ! -s "$err" ] || fail 'something was written to standard error'
