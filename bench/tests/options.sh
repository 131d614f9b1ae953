#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad usage is said, with exit status 2; a bad file with 1.
. "$(dirname "$0")/check.inc"

run 0 --list
has "$out" '^one +one of \{size\}$'
has "$out" '^ +peers: seq filch quick odd$'

run 2 --no-such-option
run 2 word
has "$err" "unexpected word 'word'"
run 2 --workload three
has "$err" "unknown workload 'three'"
run 2 --served-by three
has "$err" "no workload has the program 'three'"
run 2 --peer nobody
has "$err" "unknown peer 'nobody'"
run 2 --repeats 0
has "$err" "'0' is not a number from 1"
run 2 --repeats 1.5
has "$err" "'1.5' is not a whole number"
run 2 --workers 1,x
has "$err" "'x' is not a number"
run 2 --workers 1,2,3,4,5
has "$err" 'at most 4'
run 2 --timeout never
has "$err" "'never' is not a number"

run 1 --from "$work/none.json"
has "$err" 'none\.json'
echo '{' >"$work/cut.json"
run 1 --from "$work/cut.json"
has "$err" 'cut\.json: line'
echo '{"filch_bench": 999}' >"$work/other.json"
run 1 --from "$work/other.json"
has "$err" 'not a saved run of this version'
run 1 --catalogue "$work/cut.json" --list
sed 's/"unit"/"unite"/' "$tests/catalogue.json" >"$work/wrong.json"
run 1 --catalogue "$work/wrong.json" --list
has "$err" 'one: figures: '
