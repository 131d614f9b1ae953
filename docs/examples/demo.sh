#!/bin/sh
# SPDX-License-Identifier: MIT
# Shows the fetcher and the five programs against the embedded server: no network is needed.
# Usage, from the root of the repository: sh docs/examples/demo.sh DIRECTORY_OF_BINARIES
set -eu

bin=$1
docs=docs
scratch=$(mktemp -d)
server=
failed=0
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || :; fi; rm -rf "$scratch"' EXIT

# ---- Steps ----

explain() {
    printf '\n==> %s\n' "$1"
}

# ended STATUS EXPECTED: notes a step that did not end as it should.
ended() {
    [ "$1" -ne "$2" ] || return 0
    printf 'THIS STEP FAILED: exit status %s instead of %s\n' "$1" "$2"
    failed=1
}

# step EXPECTED EXPLANATION COMMAND...
step() {
    expected=$1
    explain "$2"
    shift 2
    status=0
    "$@" || status=$?
    ended $status "$expected"
}

# ---- The fetcher ----

# Ten main tasks with three URLs each, answered after 0 to 175 ms.
for task in 0 1 2 3 4 5 6 7 8 9; do
    echo "task$task /delay/$((task % 8 * 25))/task$task/0 /delay/100/task$task/1 /task$task/2"
done >"$scratch/urls"

step 0 '10 main tasks of 3 real GETs each, on one pool: one line each, in completion order.' \
    "$bin/filch_fetch" --serve-demo --root $docs "$scratch/urls"

sed 's|/task4/1|/refuse/task4/1|' "$scratch/urls" >"$scratch/refused"
step 1 'One URL refuses the connection: all others stop, and the root cause is named with its chain.' \
    "$bin/filch_fetch" --serve-demo --root $docs "$scratch/refused"

# Ctrl-C. A script's background commands ignore SIGINT, so the fetcher runs in the foreground; who sends the signal
# waits in the background for the first result to come through the pipe.
{
    cat "$scratch/urls"
    for task in 10 11 12; do
        echo "slow$task /delay/30000/task$task/0 /delay/30000/task$task/1"
    done
} >"$scratch/slow"
mkfifo "$scratch/pipe"
interrupt_at_first_result() {
    read -r line
    echo "$line"
    kill -INT "$(cat "$scratch/pid")"
    cat
}

explain 'Ctrl-C in the middle: GETs that would take 30 s are stopped; the clean-up should take less than 100 ms.'
interrupt_at_first_result <"$scratch/pipe" &
status=0
sh -c 'echo $$ >"$0"; exec "$@"' "$scratch/pid" \
    "$bin/filch_fetch" --serve-demo --root $docs --timeout 60 "$scratch/slow" >"$scratch/pipe" || status=$?
wait
ended $status 130

# ---- The five programs ----

mkfifo "$scratch/served"
"$bin/filch_fetch" --serve-demo --root $docs >"$scratch/served" &
server=$!
read -r line <"$scratch/served"
url=${line#serving }
url=${url%/}
printf '\n%s: the programs below GET {base}/task{id}/{i} from there.\n' "$line"

step 0 'fast_fail: main and sub tasks asynchronous, 3 at a time.' "$bin/fast_fail" --base-url "$url"
step 1 'fast_fail, every connection refused: the first failure stops it all and comes with its cause.' \
    "$bin/fast_fail" --base-url "$url/refuse"
step 0 'retry: main tasks one after the other, their GETs asynchronous.' \
    "$bin/retry" --base-url "$url" --max-retries 2
step 1 'retry, every connection reset: each GET is tried twice, one second apart.' \
    "$bin/retry" --base-url "$url/reset" --max-retries 2
step 1 'graceful_exit: two of twenty tasks fail; the running ones leave early, the others never start.' \
    "$bin/graceful_exit"
step 1 'cancel_chain: a sub task fails twice, its siblings are cancelled, the chain of causes is printed.' \
    "$bin/cancel_chain"
step 0 'completed_and_map: the same tasks in completion order, then in input order.' "$bin/completed_and_map"

explain 'The server ends at SIGTERM.'
status=0
kill -TERM "$server"
wait "$server" || status=$?
server=
ended $status 0

[ $failed -eq 0 ] || exit 1
printf '\nEvery step ended as it should.\n'
