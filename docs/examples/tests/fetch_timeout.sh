# SPDX-License-Identifier: MIT
# A GET that takes longer than --timeout is an error.
. "$(dirname "$0")/fetch.inc"

run_demo 1 --timeout 0.2 <<'END'
a /delay/50000/http_get.h
END
has "$out" '^failed a: Connection timed out$'
has "$err" '^filch_fetch: root cause: GET http://.*: Operation timed out after .* (Connection timed out)$'
