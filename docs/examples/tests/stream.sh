#!/bin/sh
# SPDX-License-Identifier: MIT
# stream: each line with its checksum, in order, whatever the window; of input that does not end, too.
. "$(dirname "$0")/check.inc"
need stream

# What cksum says of each line of $work/in.
expect()
{
    while IFS= read -r text || [ -n "$text" ]; do
        set -- $(printf %s "$text" | cksum)
        printf '%s %s %s\n' "$1" "$2" "$text"
    done <"$work/in"
}

# filter [ARGUMENT...]: the output must be as expected.
filter()
{
    "$bin/stream" "$@" <"$work/in" >"$out" 2>"$err" || fail "stream $* fails"
    cmp -s "$out" "$work/expected" || fail "stream $* prints something else than cksum"
}

{
    seq 300
    printf '\n a  line \n%s\n\n' "$(seq -s , 500)"
    printf 'no newline at the end'
} >"$work/in"
expect >"$work/expected"
for workers in 0 1 3; do
    for window in 0 1 2 17 1000; do
        filter --workers $workers --window $window
    done
done

: >"$work/in"
: >"$work/expected"
filter

# Endless input: results come while it goes on.
[ "$(yes | "$bin/stream" | sed -n '100000{p;q;}')" = "$(printf y | cksum) y" ] || fail 'endless input'

# Input and output that fail.
"$bin/stream" <"$work" >"$out" 2>"$err" && fail 'a directory is no input'
has "$err" '^the source failed after 0 items \(Is a directory\)$'
if [ -c /dev/full ]; then
    yes | "$bin/stream" >/dev/full 2>"$err" && fail 'the output went nowhere'
    has "$err" '^cannot write the output \(No space left on device\)$'
fi
