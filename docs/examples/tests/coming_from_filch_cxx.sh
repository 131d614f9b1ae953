#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/coming_from: the program by filch.hpp.
. "$(dirname "$0")/coming_from.inc"
need coming_from_filch_cxx

same "$bin/coming_from_filch_cxx"
