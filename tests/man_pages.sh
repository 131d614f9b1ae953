#!/bin/sh
# SPDX-License-Identifier: MIT
# man_pages.sh SOURCE: every function of the public headers has a page in the manual that says what it does; the pages
# are clean; and what the generator cannot place is an error.
set -eu
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

complain()
{
    echo "man_pages: $*" >&2
    failed=1
}

# manual HEADER...
manual()
{
    sh "$source/docs/man/man.sh" awk "$work/man" 0 2000-01-01 "$@"
}

# section NAME FILE: what stands in it.
section()
{
    awk -v wanted="$1" '/^\.SH / { here = $0 == ".SH " wanted; next } here' "$2"
}

# check_page FUNCTION
check_page()
{
    page=$work/man/man3/$1.3
    [ -s "$page" ] || {
        complain "$1 has no page"
        return
    }
    section NAME "$page" | grep -q "^$1,\{0,1\}$" || complain "$1.3 does not name $1"
    section NAME "$page" | grep -q '^\\- [^ ]' || complain "$1.3 does not say in a line what it is about"
    section SYNOPSIS "$page" | grep -q "$1(" || complain "$1.3 does not show how $1 is declared"
    section DESCRIPTION "$page" | grep -q '^[^.]' || complain "$1.3 has no description"
}

# must_fail WORDS HEADER-TEXT: the generator refuses it and says so.
must_fail()
{
    printf '/* SPDX */\n/* A header. */\n\n%b' "$2" >"$work/bad.h"
    ! manual "$work/bad.h" 2>"$work/bad.log" || complain "the generator accepts: $2"
    grep -q "$1" "$work/bad.log" || complain "the generator does not say '$1' but: $(cat "$work/bad.log")"
}

must_fail 'has no comment' 'FILCH_API void filch_lonely(void);\n'
must_fail 'is mentioned, but not declared' '/* As filch_gone(). */\nFILCH_API void filch_here(void);\n'
must_fail 'without an end' '/* Never ends. */\nFILCH_API void filch_open(void\n'
must_fail 'without an end' '/* Never ends.\n'
must_fail 'what is this' '/* A variable. */\nextern int filch_variable;\n'

set --
for header in "$source"/include/filch/*.h; do
    [ "${header##*/}" = version.h ] || set -- "$@" "$header"
done
manual "$@"
functions=$(sed -n -e 's/^FILCH_API .*[ *]\(filch_[a-z0-9_]*\)(.*/\1/p' \
    -e 's/^static inline .*[ *]\(filch_[a-z0-9_]*\)(.*/\1/p' "$@")
[ -n "$functions" ]
for function in $functions; do
    check_page "$function"
done
[ -s "$work/man/man7/filch.7" ] || complain "there is no overview"

# Where neither is installed the pages are only counted.
if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning "$work"/man/man?/* >&2 || complain "mandoc warns"
elif command -v groff >/dev/null; then
    for page in "$work"/man/man?/*; do
        groff -man -Tutf8 -ww -z "$page" 2>&1
    done | grep . >&2 && complain "groff warns"
fi
echo "man_pages: $(echo "$functions" | wc -l) functions, $(find "$work/man" -type f | wc -l) pages"
exit "$failed"
