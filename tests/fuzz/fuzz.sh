#!/bin/sh
# SPDX-License-Identifier: MIT
# fuzz.sh PROGRAMS OUT [--secs N] [LIBFUZZER ARGUMENT...]: fuzzes each target for N seconds (60), from the committed corpus
# on. What is new goes to OUT/fuzz-corpus, what failed too: libFuzzer runs there, whatever its arguments make it write.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=$(cd "$1" && pwd)
mkdir -p "$2/fuzz-corpus"
out=$(cd "$2" && pwd)
secs=60
shift 2
if [ "${1:-}" = --secs ]; then
    [ $# -ge 2 ] || {
        echo 'fuzz: --secs N' >&2
        exit 2
    }
    secs=$2
    shift 2
fi

cd "$out/fuzz-corpus"
for target in api fetcher; do
    found=$out/fuzz-corpus/$target
    log=$out/fuzz-$target.log
    mkdir -p "$found"
    echo "fuzz: $target, $secs s"
    "$programs/fuzz_$target" "$found" "$here/corpus/$target" -max_total_time="$secs" -timeout=20 \
        -artifact_prefix="$found-" -print_final_stats=1 "$@" >"$log" 2>&1 || {
        tail -n 60 "$log" >&2
        echo "fuzz: $target failed: the input is $found-*, the whole log $log" >&2
        exit 1
    }
    grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added)' "$log"
done
