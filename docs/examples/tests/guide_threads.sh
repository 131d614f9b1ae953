#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/threads.md: everything is run, though the pool has no thread of its own.
. "$(dirname "$0")/check.inc"
need guide_threads

as_shown threads
run 0 guide_threads 2 4 6 8 10 12 14 16 18 20
counts "$out" 1 ': prime$'
counts "$out" 9 ': not prime$'
run 0 guide_threads
