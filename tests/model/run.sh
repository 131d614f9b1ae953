#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh PROGRAMS REPORT [--quick]: runs the model checks in the directory PROGRAMS and writes what came of them to
# REPORT. --quick: a tenth of the executions, and no mutations.
#
# Fails if a model finds a fault, if a mutation survives that survivors.txt does not explain, or if one of those that it
# explains is found after all.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=$1
report=$2
share=1
[ "${3:-}" != --quick ] || share=0.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tab=$(printf '\t')
status=0

# all PROGRAM-OPTION: one run of each program, as many at a time as there are cores; what each printed, in order.
all()
{
    for program in "$programs"/model_*; do
        [ -f "$program" ] && [ -x "$program" ] && basename "$program"
    done >"$work/programs"
    xargs -P "$(nproc)" -I{} sh -c '"$1/$2" --share "$3" "$4" "$5/$2.tsv" >"$5/$2.log" 2>&1 || touch "$5/failed"' \
        sh "$programs" {} "$share" "$1" "$work" <"$work/programs"
}

# As they are.
all --table
while read -r program; do
    cat "$work/$program.tsv"
    grep -qv 'no fault$' "$work/$program.tsv" && cat "$work/$program.log" >&2
done <"$work/programs" >"$work/models"
if [ -e "$work/failed" ]; then
    status=1
    grep -v "no fault\$" "$work/models" >&2 || cat "$work"/*.log >&2
fi
{
    echo "# What the model checks say"
    echo
    echo "Written by \`./dev model\`. [proof.md](proof.md) says what these are and are not."
    echo
    echo "| model | what it checks | preemptions, all tried | executions | operations | s |"
    echo "|---|---|---|---|---|---|"
    awk -F'\t' '{ printf "| %s | %s | %s | %s | %s | %s |\n", $1, $2, $3 ? $3 : "-", $4, $5, $6
                  executions += $4; operations += $5 }
                END { printf "\n%d models, %d executions, %d operations.\n", NR, executions, operations }' "$work/models"
} >"$report"

# Whether what could be weakened is met at all, by the program that answers for it.
rm -f "$work"/*.tsv
all --places
cat "$work"/*.tsv >"$work/met"
root=$(cd "$here/../.." && pwd)
awk -v root="$root" -f "$here/places.awk" "$root"/src/*.[ch] "$root/include/filch/fork.h" >"$work/places"
awk -F'\t' 'NR == FNR { met[$1 FS $2]; next }
    { for (line = $2; line <= $3; line++) if (($1 FS line) in met) next; print $1 FS $4 }' \
    "$work/met" "$work/places" | sort -u >"$work/unmet"
grep -v '^#' "$here/unmet.txt" | cut -f1,2 | sort -u >"$work/excused"
if ! cmp -s "$work/unmet" "$work/excused"; then
    echo 'model: places that no model meets (<), or that unmet.txt names in vain (>):' >&2
    diff "$work/unmet" "$work/excused" >&2 || true
    status=1
fi

# Weakened.
if [ "$share" = 1 ] && [ $status = 0 ]; then
    rm -f "$work"/*.tsv
    all --mutations
    if [ -e "$work/failed" ]; then # by a crash, not by a survivor
        cat "$work"/*.log >&2
        status=1
    fi
    cat "$work"/*.tsv | sort -t"$tab" -k2,2 -k3,3n -k5,5 >"$work/mutations"
    grep -v '^#' "$here/survivors.txt" | sort -u >"$work/explained"
    # file, function, what: of those that survived
    awk -F'\t' -v OFS='\t' '$6 == "survived" { print $2, $4, $5 }' "$work/mutations" | sort -u >"$work/survived"
    cut -f1-3 "$work/explained" | sort -u >"$work/known"
    if [ -n "$(comm -23 "$work/survived" "$work/known")" ]; then
        echo 'model: no model finds these mutations, and survivors.txt does not say why:' >&2
        comm -23 "$work/survived" "$work/known" >&2
        status=1
    fi
    if [ -n "$(comm -13 "$work/survived" "$work/known")" ]; then
        echo 'model: survivors.txt explains what was found, or is not there:' >&2
        comm -13 "$work/survived" "$work/known" >&2
        status=1
    fi
    {
        echo
        echo "## Mutations"
        echo
        awk -F'\t' '$6 == "caught" { caught++ } END { printf "%d of %d were found.\n", caught, NR }' "$work/mutations"
        echo
        echo "| id | place | mutation | found by | after executions | as |"
        echo "|---|---|---|---|---|---|"
        awk -F'\t' 'NR == FNR { why[$1 FS $2 FS $3] = $4; next }
            {
                fault = $9
                sub(/: thread.*/, "", fault)
                gsub(/\|/, "\\|", fault)
                found = $6 == "caught" ? $7 " | " $8 " | " fault : "- | " $8 " | not found: " why[$2 FS $4 FS $5]
                printf "| %s | %s `%s` | %s | %s |\n", $1, $2, $4, $5, found
            }' "$work/explained" "$work/mutations"
    } >>"$report"
fi
awk -F'\t' '{ executions += $4 } END { printf "model: %d models, %d executions, ", NR, executions }' "$work/models"
if [ -e "$work/mutations" ]; then
    awk -F'\t' '$6 == "caught" { caught++ } END { printf "%d of %d mutations found, ", caught, NR }' "$work/mutations"
fi
[ $status = 0 ] && echo good || echo FAULT
exit $status
