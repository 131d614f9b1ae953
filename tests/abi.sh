#!/bin/sh
# SPDX-License-Identifier: MIT
# abi.sh [--update] LIBRARY SOURCE: compares what programs built against filch rely on with SOURCE/tests/abi.txt, or
# writes that file anew: the library's name and symbols, and from the headers every type, constant, prototype and
# inline function, with the layout of every struct. All of it holds for 64 bits, whichever the architecture and compiler.
# CC and NM name the tools; RUN is what runs a program built by CC, if it needs something to do so.
set -eu
update=
[ "$1" != --update ] || { update=yes && shift; }
library=$1 source=$2
snapshot=$source/tests/abi.txt
cc="${CC:-cc} -std=c11 -I$source/include"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the headers declare, one declaration a line; `bool` is expanded and attributes are left out.
declarations()
{
    printf '#include <filch/fork.h>\n' | $cc -E -dD -xc - | awk '
        /^# [0-9]/ { ours = $3 ~ /filch\/[a-z]*\.h"$/; next }
        !ours { next }
        /^#/ {
            if (/^#define FILCH_/ && !/^#define FILCH_([A-Z]*_H|API|PRINTF|AUTO|VERSION|FORKABLE)/)
                print
            next
        }
        {
            gsub(/__attribute__\(\([a-z_]*(\([^()]*\))?\)\)/, "")
            text = text " " $0
            depth += gsub(/{/, "{") - gsub(/}/, "}")
            if (depth || !(/;[ ]*$/ || (/}[ ]*$/ && text ~ /static inline/)))
                next
            print text
            text = ""
        }' | sed -e 's/[[:space:]][[:space:]]*/ /g' -e 's/^ //' -e 's/ \([;)]\)/\1/g'
}

# A program that prints the layouts: awk has each struct among the declarations name its fields.
layouts()
{
    cat <<'END'
#include <filch/fork.h>
#define STRUCT(type) printf("%s: %zu bytes, aligned to %zu\n", #type, sizeof(type), _Alignof(type));
#define FIELD(type, field) \
    printf("%s: %s at %zu, %zu bytes\n", #type, #field, offsetof(type, field), sizeof(((type *)NULL)->field));
int main(void)
{
END
    awk '/^(typedef )?struct [a-z_]* \{/ {
        type = $1 == "typedef" ? $3 : $2
        print "STRUCT(struct " type ")"
        gsub(/^[^{]*\{|\}[^}]*$/, "")
        n = split($0, fields, ";")
        for (i = 1; i < n; i++) {
            name = fields[i]
            if (name ~ /\(\*/)
                gsub(/^.*\(\*|\).*$/, "", name)
            gsub(/\[.*$/, "", name)
            gsub(/^.*[ *]/, "", name)
            print "FIELD(struct " type ", " name ")"
        }
    }' "$work/declarations"
    echo '}'
}

declarations >"$work/declarations"
layouts >"$work/layouts.c"
$cc "$work/layouts.c" -o "$work/layouts"
{
    echo "# What a program built against filch relies on. ./dev abi --update writes this file: see tests/abi.sh."
    readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/library: \1/p'
    "${NM:-nm}" -D --defined-only "$library" | awk '$NF !~ /^_/ { print "symbol:", $(NF - 1), $NF }' | LC_ALL=C sort
    cat "$work/declarations"
    ${RUN:-} "$work/layouts"
} >"$work/now"
grep -q '^symbol: T filch_' "$work/now" && grep -q '^struct .* bytes' "$work/now"

if [ "$update" ]; then
    cp "$work/now" "$snapshot"
elif ! diff -u "$snapshot" "$work/now"; then
    echo "The binary interface has changed: programs built before may break. If that is meant, and the SOVERSION" \
        "is raised where it has to be, run ./dev abi --update and commit tests/abi.txt."
    exit 1
fi
