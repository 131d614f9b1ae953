#!/bin/sh
# SPDX-License-Identifier: MIT
# lint.sh BUILD: clang-tidy and cppcheck over what BUILD, a configured build directory, would compile. The library gets
# every check of .clang-tidy; what is around it the lighter set below.
set -eu
build=$1

# Not for tests, examples and the benchmark's programs: the path-sensitive analyser, for its time; functions such as
# readdir() and strerror(), which are used by one thread there; sizes multiplied as int, which are small constants;
# macros that are lists; system(), for files below a temporary directory; results of C++'s that are asserted on.
lighter='-clang-analyzer-*,-concurrency-mt-unsafe,-bugprone-implicit-widening-of-multiplication-result'
lighter="$lighter,-bugprone-macro-parentheses,-cert-env33-c,-bugprone-unused-return-value"

# tidy DIRECTORY [OPTION]: the sources below it that are compiled.
tidy()
{
    sed -n "s|.*\"file\": \"$PWD/\($1/.*\.c\)\".*|\1|p" "$build/compile_commands.json" | sort -u |
        xargs -r -n 2 -P "$(nproc)" clang-tidy -p "$build" --quiet ${2:+"$2"} 2>"$build/tidy.log" || {
        grep -v ' warnings\{0,1\} generated\.$' "$build/tidy.log" >&2
        return 1
    }
}

failed=
cppcheck -j "$(nproc)" --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --library=posix \
    -Iinclude -Isrc -Itests/plain -D_GNU_SOURCE -D_LGPL_SOURCE -DFILCH_TESTING -D__GNUC__=12 -D__linux__ \
    -D__x86_64__ -DLIBCURL_VERSION_NUM=0x080000 --suppressions-list=tests/cppcheck.txt \
    src tests docs/examples bench/driver bench/harness || failed=yes
tidy src || failed=yes
for directory in tests docs/examples bench/driver bench/harness; do
    tidy "$directory" --checks="$lighter" || failed=yes
done
[ ! "$failed" ]
