#!/bin/sh
# SPDX-License-Identifier: MIT
# Each page of docs/coming_from shows two programs of docs/examples/coming_from whole, below lines that link them; each of the
# programs is shown and each page is linked by docs/index.md. That they come to the same end is for their tests to say.
# usage: coming_from.sh SOURCE_DIR
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain()
{
    echo "coming_from: $*" >&2
    failed=1
}

# The blocks of a page, each in a file below $work of the name that the line before links.
blocks()
{
    rm -rf "$work/shown"
    mkdir "$work/shown"
    awk -v dir="$work/shown/" '
        BEGIN { name = "without_a_link" }
        match($0, /\(\.\.\/examples\/coming_from\/[^)]*\)/) { name = substr($0, RSTART + 25, RLENGTH - 26) }
        /^```[a-z]/ { shown = 1; next }
        /^```$/ { shown = 0 }
        shown { print >(dir name) }' "$1"
}

# Without the comments that the file begins with.
program()
{
    awk '!/^(\/\*.*\*\/|\/\/.*|# .*)$/ { code = 1 } code' "$1"
}

for page in docs/coming_from/*.md; do
    name=${page##*/}
    blocks "$page"
    [ "$(ls "$work/shown" | wc -l)" -eq 2 ] || complain "$page does not show two programs"
    for block in "$work/shown"/*; do
        example=docs/examples/coming_from/${block##*/}
        program "$example" | diff -u "$block" - >&2 || complain "$page does not show $example as it is"
    done
    grep -q "(coming_from/$name)" docs/index.md || complain "docs/index.md does not link coming_from/$name"
done
for example in docs/examples/coming_from/*; do
    grep -q "(../examples/coming_from/${example##*/})" docs/coming_from/*.md || complain "no page shows $example"
done

exit "$failed"
