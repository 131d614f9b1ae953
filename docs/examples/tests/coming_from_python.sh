#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/coming_from: the program by concurrent.futures.
. "$(dirname "$0")/coming_from.inc"
python3 -c 'import concurrent.futures' || exit 77

same python3 "$sources/task.py"
