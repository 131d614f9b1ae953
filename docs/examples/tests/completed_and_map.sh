#!/bin/sh
# SPDX-License-Identifier: MIT
# completed_and_map: the same results twice, in completion order and in input order.
. "$(dirname "$0")/check.inc"
need completed_and_map

# ids FIRST LAST: the tasks in these lines of the output, in their order.
ids() { echo $(sed -n "$1,$2s/^task \([0-9]*\) took [0-9.]* s\$/\1/p" "$out"); }

in_order()
{
    line "$out" 1 '^as_completed: in completion order$'
    [ "$(ids 2 6)" = "$1" ] || fail "as completed: $(ids 2 6)"
    line "$out" 7 '^map: in input order$'
    [ "$(ids 8 12)" = '1 2 3 4 5' ] || fail "map: $(ids 8 12)"
    [ "$(sed -n '2,6p' "$out" | sort)" = "$(sed -n '8,12p' "$out")" ] || fail 'the results differ'
    counts "$out" 12 ''
}

# With this seed the tasks are at least 0.15 s apart.
run 0 completed_and_map --least 0.05 --most 0.85 --seed 2672
in_order '5 3 2 4 1'

# With one worker they complete as they were submitted.
run 0 completed_and_map --least 0 --most 0.01 --workers 1
in_order '1 2 3 4 5'

# Ctrl-C ends both parts.
interrupt 'as_completed*' completed_and_map --least 60 --most 60
has_not "$out" '^task'
interrupt 'map*' completed_and_map --least 1 --most 1
counts "$out" 5 '^task'
