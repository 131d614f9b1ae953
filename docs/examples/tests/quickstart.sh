#!/bin/sh
# SPDX-License-Identifier: MIT
# quickstart: the result is right, on all processors and on one.
. "$(dirname "$0")/check.inc"
need quickstart

run 0 quickstart
line "$out" 1 '^fib\(20\) = 6765$'

if command -v taskset >/dev/null; then
    one=$(taskset -cp $$ | sed 's/.*: *\([0-9]*\).*/\1/')
    [ "$(taskset -c "$one" "$bin/quickstart")" = 'fib(20) = 6765' ] || fail "wrong on one processor"
fi
