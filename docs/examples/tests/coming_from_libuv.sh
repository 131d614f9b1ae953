#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/coming_from: the program by libuv.
. "$(dirname "$0")/coming_from.inc"
need coming_from_libuv

same "$bin/coming_from_libuv"
