#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/fork_join.md: the numbers below n, scattered, sorted and added up.
. "$(dirname "$0")/check.inc"
need guide_fork_join

as_shown fork_join
run 0 guide_fork_join 1
line "$out" 1 '^1 numbers from 0 to 0, sum 0$'
run 0 guide_fork_join 1000
line "$out" 1 '^1000 numbers from 0 to 999, sum 499500$'
run 1 guide_fork_join
