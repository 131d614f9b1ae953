#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/stop.md: a factor is found, or none, or Ctrl-C comes first.
. "$(dirname "$0")/check.inc"
need guide_stop

as_shown stop
run 0 guide_stop 10000019
line "$out" 2 '^it is prime$'
interrupt 'looking for*' guide_stop 18446744073709551557
