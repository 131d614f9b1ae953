#!/bin/sh
# SPDX-License-Identifier: MIT
# exported_symbols.sh LIBRARY HEADER...: the shared library exports exactly what the headers declare as FILCH_API.
# NM names the tool.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Linker and sanitizer runtime marks (__bss_start, __odr_asan...) are not ours.
library=$1
shift
"${NM:-nm}" -D --defined-only "$library" | awk '{ print $NF }' | grep -v '^_' | sort >"$work/exported"
sed -n 's/^FILCH_API .*[ *]\(filch_[a-z0-9_]*\)(.*/\1/p' "$@" | sort >"$work/declared"

extra=$(comm -23 "$work/exported" "$work/declared")
missing=$(comm -13 "$work/exported" "$work/declared")
[ -z "$extra" ] || echo "exported but not declared:" $extra
[ -z "$missing" ] || echo "declared but not exported:" $missing
[ -s "$work/exported" ] && [ -z "$extra$missing" ]
