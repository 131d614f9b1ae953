#!/bin/sh
# SPDX-License-Identifier: MIT
# A program that hangs is ended by its watchdog, which tells what its pool did and, where gdb is installed and the system
# lets it trace programs, where its threads were.
# usage: watchdog.sh HANGING_PROGRAM
set -eu
said=$(mktemp)
trap 'rm -f "$said"' EXIT

fail()
{
    cat "$said" >&2
    echo "watchdog: $*" >&2
    exit 1
}

status=0
"$1" >"$said" 2>&1 || status=$?
[ "$status" -eq 134 ] || fail "the program ended with $status, not by abort()"
grep -q '^watchdog: a test hangs: it is not done after 1 s$' "$said" || fail 'it did not say why'
[ "$(grep -c '^pool ' "$said")" -eq 1 ] || fail 'not just the pool that lived was dumped'
grep -q '^pool "hanging": 1 worker' "$said" || fail 'the pool was not dumped'
grep -q '^thread hanging-0 ([0-9]*): running task "stuck"$' "$said" || fail 'the dump has not the task that hangs'

# Found where the watchdog looks. It may trace a child of its own wherever it may trace what lets everybody trace it, as
# the program did; another process it may often not, and would not prove anything.
PATH=/usr/local/bin:/usr/bin:/bin
if ! command -v gdb >/dev/null; then
    echo 'watchdog: dumped; stacks not looked for, as there is no gdb'
    exit 0
fi
if ! gdb -nx -q -batch -ex starti "$1" 2>/dev/null </dev/null | grep -q '^Program stopped'; then
    echo 'watchdog: dumped; stacks not looked for, as gdb may not trace programs here'
    exit 0
fi
grep -q '^#.* get_stuck (' "$said" || fail 'no stack shows where the task hangs'
grep -q '^#.* main (' "$said" || fail 'no stack shows where the main thread waits'
echo 'watchdog: dumped, with stacks'
