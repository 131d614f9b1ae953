#!/bin/sh
# SPDX-License-Identifier: MIT
# A program does its workloads at tiny size, with the right results. usage: smoke.sh DRIVER PROGRAM PEER
set -eu
told=$("$1" --smoke --served-by "$2" --peer "$3")
echo "$told"
rows=$(echo "$told" | grep -cE "^\| (\*\*)?$3(\*\*)? \|") || :
cases=$(echo "$told" | grep -c '^### .* workers$')
[ "$rows" -eq "$cases" ]
