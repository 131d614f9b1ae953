#!/bin/sh
# SPDX-License-Identifier: MIT
# A peer that misbehaves costs its own row and nothing else; filch's own misbehaviour is the driver's exit status.
. "$(dirname "$0")/check.inc"

# odd REASON: its row is left out with this reason, and those of the others are there.
odd()
{
    run 0 --smoke --workload one --timeout 0.5
    has "$out" "^odd failed: $1"
    has "$err" "odd: $1"
    has "$out" '^\| quick \| 50\.0 \|'
    has_not "$out" '^\| odd'
}

program odd 'echo "what a pity" >&2; exit 3'
odd 'exit status 3: what a pity'
program odd 'exec sleep 60'
odd 'killed after 0\.5 s'
program odd 'exec >&- 2>&-; exec sleep 60'
odd 'killed after 0\.5 s'
program odd 'kill -SEGV $$'
odd 'ended by signal 11'
prints odd 'good morning'
odd "prints 'good morning' instead of ns="
prints odd 'ns=12x check=7'
odd "prints 'ns=12x check=7' instead of ns="
prints odd 'ns=99999999999999999999 check=7'
odd "prints 'ns=9+ check=7' instead of ns="
prints odd 'ns=100 check=8'
odd 'wrong result: 8, but seq says 7'
program odd ':'
odd 'prints 0 lines for 1 rounds'
program odd 'echo ns=1 check=7; echo ns=1 check=7'
odd 'prints 2 lines for 1 rounds'
program odd 'yes "ns=1 check=7" | head -c 200000'
odd 'prints'

prints odd 'ns=100 check=7'
run 0 --workload one --workers 1 --repeats 1
has "$out" '^\| odd'
prints odd 'ns=100 check=8'
run 0 --workload one --workers 1 --repeats 1
has "$out" '^odd failed: wrong result: 8, but the catalogue says 7'
program odd 'line="ns=1 check=$(date +%N)"; rounds "$@"; line="ns=1 check=-1"; rounds "$@"'
run 0 --workload one --workers 1 --repeats 1
has "$out" '^odd failed: gives -1 after'
prints odd 'ns=100 check=7'
run 0 --workload two --repeats 1
has "$out" '^odd failed: does not print p50'

rm "$work/one/odd"
printf '#!/no/such/interpreter\n' >"$work/one/odd"
chmod +x "$work/one/odd"
odd 'cannot be started: No such file or directory'

program filch 'exit 1'
run 1 --smoke --workload one
has "$out" '^filch failed: exit status 1'
has "$out" '^\| quick \|'
