#!/bin/sh
# SPDX-License-Identifier: MIT
# man.sh AWK DIR VERSION DATE HEADER...: writes the manual to DIR, which is made anew, from the headers' comments.
set -eu
awk=$1 out=$2 version=$3 date=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$out"
mkdir -p "$out/man3" "$out/man7"
exec "$awk" -f "$here/header.awk" -f "$here/roff.awk" -f "$here/pages.awk" \
    -v out="$out" -v version="$version" -v date="$date" "$@"
