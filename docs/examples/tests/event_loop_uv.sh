#!/bin/sh
# SPDX-License-Identifier: MIT
# event_loop_uv: every request is answered once, in completion order; Ctrl-C ends the loop with nothing lost.
. "$(dirname "$0")/event_loop.inc"
loop event_loop_uv
