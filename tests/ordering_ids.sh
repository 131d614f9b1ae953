#!/bin/sh
# SPDX-License-Identifier: MIT
# Every memory-order id that the sources name is in docs/design/ordering.md, and has two ends; and the reverse.
# usage: ordering_ids.sh SOURCE_DIR
set -eu
cd "$1"
table=docs/design/ordering.md
failed=0

complain()
{
    echo "ordering_ids: $*" >&2
    failed=1
}

# An id's end is a comment such as "release D1: ...": what one access does.
ends=$(grep -ohE '(release|acquire|acq_rel|seq_cst) [A-Z][0-9]' src/*.[ch] | sort)
used=$(echo "$ends" | cut -d' ' -f2 | sort -u)
listed=$(sed -n 's/^| \([A-Z][0-9]\(, [A-Z][0-9]\)*\) |.*/\1/p' "$table" | tr -d ',' | tr ' ' '\n' | sort -u)

for id in $used; do
    echo "$listed" | grep -qx "$id" || complain "$id is used in src/ and not explained in $table"
done
for id in $listed; do
    if echo "$id" | grep -q '^[PS]'; then # the steps of the idle and the timer protocol are ordered by fences
        grep -qE "\b$id\b.* vs |vs .*\b$id\b" src/*.[ch] || complain "no fence in src/ names $id"
        continue
    fi
    out=$(echo "$ends" | grep -cE "(release|acq_rel|seq_cst) $id" || :)
    in=$(echo "$ends" | grep -cE "(acquire|acq_rel|seq_cst) $id" || :)
    [ "$out" -gt 0 ] || complain "$id has no releasing end in src/"
    [ "$in" -gt 0 ] || complain "$id has no acquiring end in src/"
done

# Each access that is not relaxed names its id, on its line or in the comment above it.
for file in src/*.[ch]; do
    awk -v file="$file" '
        { line[NR] = $0 }
        /memory_order_(acquire|release|acq_rel|seq_cst)/ {
            for (i = NR; i > NR - 8 && i > 0; i--)
                if (line[i] ~ /(release|acquire|acq_rel|seq_cst)( on failure)? [A-Z][0-9]|seq_cst vs|seq_cst: stands in/) next
            print file ":" NR ": no id for this access"
            bad = 1
        }
        END { exit bad }' "$file" >&2 || failed=1
done
[ "$failed" -eq 0 ] && echo "ordering_ids: $(echo "$used" | wc -w) ids, each with both ends"
exit "$failed"
