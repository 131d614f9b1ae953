#!/bin/sh
# SPDX-License-Identifier: MIT
# hello: one line, the right one.
. "$(dirname "$0")/check.inc"
need hello

run 0 hello
line "$out" 1 '^7 \* 7 = 49$'
counts "$out" 1 ''
counts "$err" 0 ''
