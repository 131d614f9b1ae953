#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/coming_from: the program by GThreadPool.
. "$(dirname "$0")/coming_from.inc"
need coming_from_gthreadpool

same "$bin/coming_from_gthreadpool"
