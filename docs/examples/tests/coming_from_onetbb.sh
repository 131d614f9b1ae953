#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/coming_from: the program by oneTBB.
. "$(dirname "$0")/coming_from.inc"
need coming_from_onetbb

same "$bin/coming_from_onetbb"
