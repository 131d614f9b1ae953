#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/coming_from: the program by ExecutorCompletionService.
. "$(dirname "$0")/coming_from.inc"
javac -version >/dev/null 2>&1 || exit 77

javac -d "$work/classes" "$sources/Task.java"
same java -cp "$work/classes" Task
