#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/coming_from: the program by OpenMP.
. "$(dirname "$0")/coming_from.inc"
need coming_from_openmp

OMP_CANCELLATION=true
export OMP_CANCELLATION
same "$bin/coming_from_openmp"
