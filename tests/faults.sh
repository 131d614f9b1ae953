#!/bin/sh
# SPDX-License-Identifier: MIT
# faults.sh PRESET: runs the tests that inject faults, rain signals and set limits, and adds up what they survived.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT

ctest --preset "$1" --verbose -R 'fault|signals|limits|clocks|test_os|watchdog' >"$log" 2>&1 || {
    cat "$log" >&2
    echo 'faults: one was not survived' >&2
    exit 1
}
grep -hoE '(signals|watchdog|clocks|faults_each): .*' "$log"
awk 'match($0, /faults: [0-9]+ injected, [0-9]+ survived/) {
         split(substr($0, RSTART, RLENGTH), word, " ")
         injected += word[2]
         survived += word[4]
     }
     END { printf "faults: %d injected, %d survived\n", injected, survived }' "$log"
