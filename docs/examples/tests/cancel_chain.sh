#!/bin/sh
# SPDX-License-Identifier: MIT
# cancel_chain: a sub task is tried twice, its siblings end midway or never start, and the main task fails from it.
. "$(dirname "$0")/check.inc"
need cancel_chain

chain_is_right()
{
    counts "$err" 3 ''
    line "$err" 1 '^task 1 ended because a sub task failed '
    line "$err" 2 'caused by: \[sub task 1\.1, attempt 2\] gave up after 2 attempts '
    line "$err" 3 'caused by: \[sub task 1\.1\] simulated failure '
    counts "$out" 1 '^sub task 1\.1: attempt 1$'
    counts "$out" 1 '^sub task 1\.1: attempt 2$'
    has_not "$out" 'attempt 3'
    has "$out" '^task 0 ok$'
    has "$out" '^sub task 1\.1: failed$'
    has_not "$out" 'task 2'
    line "$out" '$' '^cleaned up \(1 of 3 tasks done\)$'
}

# The siblings run for as long as 1.1 needs for all of its attempts, many times over.
run 1 cancel_chain --step 0.4 --interval 0.02
chain_is_right
counts "$out" 2 '^sub task 1\.[23]: attempt 1$'
counts "$out" 2 '^sub task 1\.[23] ends midway$'
counts "$out" 2 '^sub task 1\.[23]: stopped$'

# The pause holds no worker: with a single one, 1.2 runs meanwhile. The failure comes before 1.3, which never starts.
run 1 cancel_chain --step 0.1 --interval 0.2 --workers 1
chain_is_right
has "$out" '^task 1 has the result of sub task 1\.2$'
has "$out" '^sub task 1\.3: stopped$'
has_not "$out" '^sub task 1\.3: attempt'
has_not "$out" 'ends midway'

run 0 cancel_chain --step 0.01 --tasks 1
line "$out" 1 '^task 0 begins$'
counts "$out" 3 '^task 0 has the result of sub task 0\.[123]$'
line "$out" 8 '^task 0 ok$'
line "$out" 9 '^cleaned up \(1 of 1 tasks done\)$'

# Ctrl-C ends the steps, and the pause between two attempts.
interrupt 'sub task 0.1: attempt 1' cancel_chain --step 60
line "$out" '$' '^cleaned up \(0 of 3 tasks done\)$'
counts "$out" 3 '^sub task 0\.[123]: (stopped|cancelled)$'
interrupt 'sub task 1.1: attempt 1' cancel_chain --step 0.01 --interval 60
has_not "$out" 'attempt 2'
line "$out" '$' '^cleaned up \(1 of 3 tasks done\)$'
