#!/bin/sh
# SPDX-License-Identifier: MIT
# A saved run is told as if it had just been measured, and another can be compared with it.
. "$(dirname "$0")/check.inc"
first=$work/first.json again=$work/again.json

run 0 --workload one --workers 2 --repeats 1 --json "$first"
cp "$out" "$work/told"
run 0 --from "$first" --json "$again"
cmp "$out" "$work/told" || fail 'told otherwise'
cmp "$first" "$again" || fail 'saved otherwise'
has "$first" '"median": 10\.0'
has "$first" '"reason": "was not built"'

prints filch 'ns=100 check=7'
prints quick 'ns=130 check=7'
prints seq 'ns=400 check=7'
run 0 --workload one --workers 1,2 --repeats 1 --compare "$first"
has "$out" '^\| one \| 2 \| filch \| ns per element \| 10\.0 \| 5\.00 \| 0\.50 \| faster \|$'
has "$out" '^\| one \| 2 \| quick \| .* \| 1\.30 \| slower \|$'
has "$out" '^\| one \| 2 \| seq \| .* \| 1\.00 \| within the spread \|$'
has "$out" '^one on 1 worker is not in the saved run\.$'

run 0 --workload one --workers 2 --quick --compare "$first"
has "$out" '^one on 2 workers was of another size\.$'
for bad in compare json; do
    run 1 --smoke --workload one --$bad "$work/none/none.json"
    has "$err" 'none\.json: No such file'
    [ ! -s "$out" ] || fail 'measured in vain'
done

sed 's/"workload": "one"/"workload": "gone"/' "$first" >"$work/gone.json"
run 0 --from "$work/gone.json"
has "$err" 'unknown workload gone left out'
sed '/"samples": \[/,/\]/d; s/"max": [0-9.]*,/"max": 1/' "$first" >"$work/bare.json"
run 1 --from "$work/bare.json"
