#!/bin/sh
# SPDX-License-Identifier: MIT
# faults.sh PRESET: runs the tests that inject faults, rain signals and set limits, and adds up by kind what they
# injected (allocations, threads, descriptors, waits, wakes, writes that failed; waits that were late) and how many calls were
# refused under limits. If they all pass, that is what they survived.
set -eu
log=$(mktemp)
trap 'rm -f "$log"' EXIT

ctest --preset "$1" --verbose -R 'fault|signals|limits|clocks|test_os|watchdog' >"$log" 2>&1 || {
    cat "$log" >&2
    echo 'faults: one was not survived' >&2
    exit 1
}
grep -hoE '(signals|watchdog|clocks|faults_each): .*' "$log"
awk '/faults: [a-z_]+=/ {
         for (i = 1; i <= NF; i++)
             if ($i ~ /^[a-z_]+=[0-9]+$/ && split($i, part, "="))
                 sum[part[1]] += part[2]
     }
     END {
         for (kind in sum)
             print "faults: " kind "=" sum[kind]
     }' "$log" | sort
echo 'faults: every test passed'
