#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/blocking.md: commands run at the same time though there is one worker.
. "$(dirname "$0")/check.inc"
need guide_blocking

quickly as_shown blocking
run 0 guide_blocking 'exit 3' 'kill $$'
line "$out" 1 '^3: exit 3$'
line "$out" 2 '^143: kill'

# The first ends only if the second runs meanwhile.
mkfifo "$work/meet"
run 0 guide_blocking "echo >$work/meet" "read line <$work/meet"
counts "$out" 2 '^0: '
