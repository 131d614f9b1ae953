#!/bin/sh
# SPDX-License-Identifier: MIT
# Each task is charged what it used itself: four parts of 10 ms, and 20 ms of the one that ran or awaited them.
. "$(dirname "$0")/check.inc"
need task_cpu

run 0 task_cpu
line "$out" 1 '^task +attempts +CPU ms$'
has "$out" '^part +4 +4[0-9]$'
has "$out" '^gather +1 +2[0-9]$'
counts "$out" 3 .
