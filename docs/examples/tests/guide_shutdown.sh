#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/shutdown.md: what was done, stopped and cancelled, and who made it wait.
. "$(dirname "$0")/check.inc"
need guide_shutdown

as_shown shutdown
run 0 guide_shutdown
