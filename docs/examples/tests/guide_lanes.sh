#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/lanes.md: one question among a hundred thousand jobs.
. "$(dirname "$0")/check.inc"
need guide_lanes

as_shown lanes
run 0 guide_lanes
