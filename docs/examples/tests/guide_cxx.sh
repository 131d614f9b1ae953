#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/cxx.md: exceptions become errors with their message, and results come back typed.
. "$(dirname "$0")/check.inc"
need guide_cxx

printf 'one\ntwo\nthree\n' >"$work/list"
printf 'one\n' >"$work/note"
as_shown cxx

run 1 guide_cxx
line "$out" 1 '^\[all\] nothing to count '
run 0 guide_cxx "$work/list" "$work/note" "$work/list"
counts "$out" 2 '/list: 3$'
counts "$out" 1 '/note: 1$'
line "$out" 4 '^all: 7$'
run 1 guide_cxx "$work/list" "$work/nowhere"
line "$out" 2 'nowhere\] cannot open it \(No such file or directory\)$'
counts "$out" 1 '^\[all\] a task that it awaited failed'
