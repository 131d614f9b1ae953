#!/bin/sh
# SPDX-License-Identifier: MIT
# The library has the probes that src/probes.h lists, each with so many arguments and with a word by which a tracer turns
# it on; and docs/examples/filch.bt uses no others, and is a program for bpftrace, where that is installed.
# usage: probes.sh LIBRARY SOURCE_DIR
set -eu
library=$1
cd "$2"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# NAME NUMBER of the arguments, as listed and as there are; a line each, sorted.
sed -n 's/^ \*     \([a-z]*\)  *\(pool,.*\)/\1 \2/p' src/probes.h | sed 's/   .*//' |
    awk '{ print $1, NF - 1 }' | sort >"$work/listed"
"${READELF:-readelf}" -n "$library" | awk '
    $1 == "Provider:" { ours = $2 == "filch" }
    ours && $1 == "Name:" { name = $2 }
    ours && $1 == "Location:" && $NF ~ /^0x0*$/ { print name, "cannot be turned on" }
    ours && $1 == "Arguments:" { print name, NF - 1 }' | sort -u >"$work/there"
[ -s "$work/listed" ] || { echo "probes: src/probes.h lists none" >&2; exit 1; }
diff "$work/listed" "$work/there" >&2 || { echo "probes: < as listed, > as in $library" >&2; exit 1; }

sed -n 's/.*:filch:\([a-z]*\).*/\1/p' docs/examples/filch.bt | sort -u >"$work/used"
cut -d' ' -f1 "$work/listed" | sort -u >"$work/names"
[ -z "$(comm -23 "$work/used" "$work/names")" ] || { echo "probes: filch.bt uses others" >&2; exit 1; }

# Only parsed: to attach takes rights that a test has not.
parses()
{
    sed "s#\$1#$library#" "$1" >"$work/program.bt"
    bpftrace -d "$work/program.bt" 2>&1 | grep -q '^AST after: parser'
}
if command -v bpftrace >/dev/null && bpftrace -d -e 'BEGIN { exit(); }' 2>&1 | grep -q '^AST after: parser'; then
    parses docs/examples/filch.bt || { echo "probes: filch.bt has an error of syntax" >&2; exit 1; }
    echo 'BEGIN { printf(' >"$work/wrong.bt"
    ! parses "$work/wrong.bt" || { echo "probes: bpftrace finds no fault with anything" >&2; exit 1; }
fi
echo "probes: $(wc -l <"$work/there") of them"
