# SPDX-License-Identifier: MIT
# A reset connection is an error; each GET is tried as often as told, and the last error is the cause.
. "$(dirname "$0")/fetch.inc"

run_demo 1 <<'END'
a /reset/me
END
has "$err" '^  caused by: \[a/0\] GET http://.*/reset/me: the connection was lost (Connection reset by peer)$'
lacks "$out" 'try'

run_demo 1 --retries 3 --interval 0.01 <<'END'
a /reset/me
END
has "$out" '^failed a: Connection reset by peer (try 3)$'
has "$err" '^  caused by: \[a/0, attempt 3\] gave up after 3 attempts (Connection reset by peer)$'
has "$err" '^  caused by: \[a/0\] GET http://.*/reset/me: the connection was lost (Connection reset by peer)$'

# What needs no second try gets none.
run_demo 0 --retries 3 <<'END'
a /status/503
END
lacks "$out" 'try'
