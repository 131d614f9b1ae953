#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/errors.md: the whole chain, down to what can be done about it.
. "$(dirname "$0")/check.inc"
need guide_errors

as_shown errors
run 1 guide_errors "$work/nowhere"
counts "$out" 3 ''

echo 70000 >"$work/port"
run 1 guide_errors "$work/port"
line "$out" 2 "caused by: \[config\] '70000' in .*port is no port"
counts "$out" 2 ''

echo 8080 >"$work/port"
run 0 guide_errors "$work/port"
line "$out" 1 '^listening on port 8080$'
