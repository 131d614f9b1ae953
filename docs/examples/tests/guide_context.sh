#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/context.md: every line of a request's sub tasks has its trace id.
. "$(dirname "$0")/check.inc"
need guide_context

quickly as_shown context
i=0
while [ "$i" -lt 50 ]; do # whichever threads run them
    run 0 guide_context
    counts "$out" 3 '^\[request-1\] looks up 1[012]$'
    counts "$out" 3 '^\[request-2\] looks up 2[012]$'
    has "$out" '^\[request-1\] found 3$'
    has "$out" '^\[request-2\] found 3$'
    line "$out" '$' '^\[-\] failures: 0$'
    i=$((i + 1))
done
