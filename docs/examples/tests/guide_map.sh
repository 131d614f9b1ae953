#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/map.md: numbers in their order, and the endless ones after them.
. "$(dirname "$0")/check.inc"
need guide_map

as_shown map
run 0 guide_map 0 1 2 3 4
line "$out" 1 '^0 is not prime$'
line "$out" 2 '^1 is not prime$'
line "$out" 3 '^2 is prime$'
line "$out" 5 '^4 is not prime$'
line "$out" 6 '^next 1: 5$'
line "$out" 10 '^next 5: 17$'
counts "$out" 10 ''
