#!/bin/sh
# SPDX-License-Identifier: MIT
# The programs that README.md shows are those in docs/examples, which are built and run.
# usage: readme_examples.sh SOURCE_DIR
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# same NAME EXAMPLE: what README.md shows is what the example has; and it is something.
same()
{
    [ -s "$work/shown" ] && diff -u "$work/shown" "$work/example" >&2 && return 0
    echo "readme_examples: README.md does not show $1 as $2 has it" >&2
    failed=1
}

# The first block, without the comments that the file begins with.
awk '/^```c$/ { shown = 1; next } /^```$/ && shown { exit } shown' README.md >"$work/shown"
awk '!/^\/\*.*\*\/$/ { code = 1 } code' docs/examples/hello.c >"$work/example"
same 'the whole program' docs/examples/hello.c

# From its first line: in README.md to the end of the block, in the example to the brace that ends the function.
awk '/^static int fib\(/ { shown = 1 } /^```$/ { shown = 0 } shown' README.md >"$work/shown"
awk '/^static int fib\(/ { code = 1 } code; /^}/ && code { exit }' docs/examples/quickstart.c >"$work/example"
same 'fib()' docs/examples/quickstart.c

exit "$failed"
