#!/bin/sh
# SPDX-License-Identifier: MIT
# A line for each thing that happens to a task, and no others.
. "$(dirname "$0")/check.inc"
need task_log

run 0 task_log
counts "$out" 3 ': submitted$'
counts "$out" 1 '^resize: started after [0-9]+ us on worker [01]$'
counts "$out" 1 '^resize: done, ran [0-9]{4,} us$'
counts "$out" 1 '^upload: waiting to retry, ran [0-9]+ us$'
counts "$out" 1 '^upload: attempt 2 on worker [01]$'
counts "$out" 1 '^upload: done, ran [0-9]+ us$'
counts "$out" 1 '^nightly: cancelled without a run$'
counts "$out" 10 .
