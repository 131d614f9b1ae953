# SPDX-License-Identifier: MIT
# Ctrl-C: what runs is stopped, what waits never starts, what finished is told, and the exit status is 130.
. "$(dirname "$0")/fetch.inc"

# ThreadSanitizer keeps a signal back until the thread's next call into libc, which a futex wait is not.
if grep -q __tsan_init "$fetch"; then
    echo 'skipped: under ThreadSanitizer no signal interrupts a wait'
    exit 0
fi

# Fewer slow GETs than workers, so that the quick one surely gets through.
cat >"$scratch/urls" <<'END'
quick /http_get.h
slow1 /delay/50000/http_get.h /http_get.h
slow2 /delay/50000/http_get.h
slow3 /delay/50000/http_get.h
END
mkfifo "$scratch/pipe"

# Runs in the foreground, as background commands of a script ignore SIGINT. The other end of the pipe waits for the
# first result and then interrupts.
interrupt() {
    {
        read -r first
        kill -INT "$(cat "$scratch/pid")"
        echo "$first"
        cat
    } <"$scratch/pipe" >"$out" &
    status=0
    sh -c 'echo $$ >"$0"; exec "$@"' "$scratch/pid" "$fetch" --serve-demo --root "$examples" --timeout 60 "$@" \
        "$scratch/urls" >"$scratch/pipe" 2>"$err" || status=$?
    wait
    [ $status -eq 130 ] || fail "exit status $status instead of 130"
}

start=$(date +%s)
for mode in --workers=4 --workers=8 --ordered --keep-going; do
    interrupt $mode
    has "$out" '^done   quick: 200 '
    has "$out" '^1 of 4 main tasks done, 0 failed, 3 stopped; [12] of 5 GETs answered'
    has "$err" '^filch_fetch: interrupted by user, cleaned up in [0-9]*\.[0-9] ms$'
    lacks "$err" 'root cause'
done

# The pause before another try ends as well.
echo 'broken /reset/me' >>"$scratch/urls"
interrupt --retries=2 --interval=50
has "$out" '^1 of 5 main tasks done, 0 failed, 4 stopped; '
[ $(($(date +%s) - start)) -lt 20 ] || fail 'the slow ones were waited for'

interrupt --json --retries=2 --interval=50
has "$out" '"interrupted":true,"root_cause":null}}$'

# Even when nothing runs but the clock.
cat >"$scratch/urls" <<'END'
quick  /delay/300/http_get.h
broken /reset/1 /reset/2
END
interrupt --retries=2 --interval=50
has "$out" '^1 of 2 main tasks done, 0 failed, 1 stopped; 1 of 3 GETs answered'
has "$err" '^filch_fetch: interrupted by user, cleaned up in [0-9]\{1,3\}\.[0-9] ms$'
