#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/guide/metrics.md: the numbers are about those of the tasks, and the text comes by HTTP.
. "$(dirname "$0")/check.inc"
need guide_metrics

as_shown metrics 'sed s/[0-9][0-9]*.ms/N.ms/g'
line "$out" 1 '^20 of 20 tasks finished$'
command -v curl >/dev/null || exit 77
port=$((20000 + $$ % 20000))
"$bin/guide_metrics" "$port" >"$err" &
server=$!
for _ in 1 2 3 4 5 6 7 8; do # until it listens; what is served once is not asked for twice
    curl -s --retry 20 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$port/metrics" >"$out" && break
done
wait "$server"
server=
has "$out" '^filch_tasks_finished_total\{pool="demo"\} 20$'
has "$out" '^filch_attempts_total\{pool="demo",state="done"\} 20$'
