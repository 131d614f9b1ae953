# SPDX-License-Identifier: MIT
# A GET that cannot reach its server, loses it or takes too long is tried again, as often and after such pauses as told.
. "$(dirname "$0")/fetch.inc"

# took LEAST MOST: the run took so many seconds.
took() {
    seconds=$(sed -n 's/.* bytes in \([0-9.]*\) s$/\1/p' "$out")
    awk "BEGIN { exit !($seconds >= $1 && $seconds < $2) }" || fail "it took $seconds s, not $1 to $2"
}

cat >"$scratch/urls" <<'END'
flaky /http_get.h
END

# A server that fails twice is no failure for who tries three times; whoever tries twice tells that, and the last cause.
for how in reset refuse; do
    reason='Connection refused'
    [ $how = refuse ] || reason='Connection reset by peer'
    run_demo 0 --demo-fail /http_get.h=$how:2 --retries 3 --interval 0.01 <"$scratch/urls"
    has "$out" '^done   flaky: 200 .* ms (try 3)$'
    [ ! -s "$err" ] || fail 'something was written to standard error'

    run_demo 1 --demo-fail /http_get.h=$how:3 --retries 2 --interval 0.01 <"$scratch/urls"
    has "$out" "^failed flaky: $reason (try 2)\$"
    has "$err" "^\[flaky\] main task flaky ended because a GET failed ($reason)\$"
    has "$err" "^  caused by: \[flaky/0, attempt 2\] gave up after 2 attempts ($reason)\$"
    has "$err" "^  caused by: \[flaky/0\] GET http://.*/http_get\.h: .*($reason)\$"
    has "$err" "^filch_fetch: root cause: GET http://.*/http_get\.h: .*($reason)\$"
done
run_demo 1 --json --demo-fail /http_get.h=reset:3 --retries 2 --interval 0.01 <"$scratch/urls"
has "$out" '"message":"gave up after 2 attempts","task":"flaky/0"},{"errno":104,.*}\],"tries":2}\]'

# A status is a result, even one that would pass.
run_demo 0 --demo-fail /http_get.h=503:1 --retries 3 <"$scratch/urls"
has "$out" '^done   flaky: 503 .* ms$'

# Each try has the whole time.
run_demo 1 --timeout 0.2 --retries 3 --interval 0 <<'END'
late /delay/50000/http_get.h
END
has "$err" '^  caused by: \[late/0, attempt 3\] gave up after 3 attempts (Connection timed out)$'
took 0.6 5

# The pauses, and what makes them longer: 0.2 s and 0.2 s, or 0.2 s and 2 s.
run_demo 0 --demo-fail /http_get.h=reset:2 --retries 3 --interval 0.2 <"$scratch/urls"
took 0.4 2
run_demo 0 --demo-fail /http_get.h=reset:2 --retries 3 --interval 0.2 --backoff 10 <"$scratch/urls"
took 2.2 10

# A pause holds no worker.
run_demo 0 --demo-fail /http_get.h=reset:1 --workers 1 --retries 2 --interval 1 <<'END'
flaky /http_get.h
quick /http_get.c
END
sed -n 1p "$out" | grep -q '^done   quick: ' || fail 'the pause held up the others'

# With --keep-going each is tried as often as told.
run_demo 1 --keep-going --retries 2 --interval 0.01 <<'END'
a /reset/1 /http_get.h
b /refuse/2
END
has "$out" '^failed a: Connection reset by peer (try 2), 200 '
has "$out" '^failed b: Connection refused (try 2)$'
count "$err" ' gave up after 2 attempts (' 2
