#!/bin/sh
# SPDX-License-Identifier: MIT
# Each page of the guide shows one whole program, that of its name in docs/examples/guide, in C or C++; each of these has a
# page, which docs/index.md links, and a test.
# usage: guide_examples.sh SOURCE_DIR
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain()
{
    echo "guide_examples: $*" >&2
    failed=1
}

# same IDEA LANGUAGE: without the comments that the file begins with.
same()
{
    awk -v begin="\`\`\`$2" '$0 == begin { shown = 1; next } /^```$/ { shown = 0 } shown' "docs/guide/$1.md" >"$work/shown"
    awk '!/^\/\*.*\*\/$/ { code = 1 } code' "docs/examples/guide/$1.$2" >"$work/example"
    [ -s "$work/shown" ] && diff -u "$work/shown" "$work/example" >&2
}

for file in docs/guide/*.md docs/examples/guide/*.c docs/examples/guide/*.cpp; do
    idea=${file##*/}
    idea=${idea%.*}
    language=c
    [ ! -f "docs/examples/guide/$idea.cpp" ] || language=cpp
    example=docs/examples/guide/$idea.$language
    [ -f "docs/guide/$idea.md" ] && [ -f "$example" ] || {
        complain "$file has no counterpart"
        continue
    }
    same "$idea" "$language" || complain "docs/guide/$idea.md does not show $example as it is"
    grep -q "(guide/$idea.md)" docs/index.md || complain "docs/index.md does not link guide/$idea.md"
    [ -f "docs/examples/tests/guide_$idea.sh" ] || complain "nobody tests $example"
done

exit "$failed"
