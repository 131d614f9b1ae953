#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public function is called without memory by one of the tests made for that: inside of WITHOUT() or
# WITHOUT_ANSWER(), or after a withhold() and before withhold(0), there or in a function that is called there.
# usage: faults_each.sh SOURCE_DIR
set -eu
cd "$1"
declared=$(sed -n 's/^FILCH_API .*\b\(filch_[a-z_]*\)(.*/\1/p' include/filch/*.h | sort -u)

awk -v declared="$declared" '
FNR == 1 { here = "" }
/^static .*\(/ { # of a definition: what comes before the first parenthesis ends with the name
    here = $0
    sub(/\(.*/, "", here)
    sub(/.*[ *]/, "", here)
    here = FILENAME ":" here
    held = 0
    without = -1
    depth = 0
    next
}
/^Test\(/ { here = FILENAME ":" $0; held = 0; without = -1; depth = 0; next }
/^}/ { here = "" }
here != "" {
    rest = $0
    while (match(rest, /[A-Za-z_]*\(|\)/)) {
        name = substr(rest, RSTART, RLENGTH - 1)
        closes = substr(rest, RSTART, 1) == ")"
        rest = substr(rest, RSTART + RLENGTH)
        if (closes) {
            if (--depth == without)
                without = -1
            continue
        }
        if (name == "withhold")
            held = rest !~ /^0\)/
        else if (name ~ /^WITHOUT/)
            without = depth
        else if (name != "") {
            calls[here] = calls[here] " " name
            if (held || without >= 0)
                without_memory(FILENAME ":" name)
        }
        depth++
    }
}

# A function of the tests that is called without memory stands for all that it calls.
function without_memory(function_) { todo[++n_todo] = function_ }

END {
    for (i = 1; i <= n_todo; i++) {
        if (todo[i] in seen)
            continue
        seen[todo[i]] = 1
        split(todo[i], part, ":")
        called[part[2]] = 1
        n = split(calls[todo[i]], names, " ")
        for (k = 1; k <= n; k++)
            without_memory(part[1] ":" names[k])
    }
    n = split(declared, names, "\n")
    for (k = 1; k <= n; k++) {
        # What is called by inline functions of the header only, by those who fork without memory.
        if (names[k] in called || names[k] == "filch_fork_feed" || names[k] == "filch_fork_join_shown")
            continue
        print "faults_each: " names[k] " is not called without memory" > "/dev/stderr"
        failed = 1
    }
    if (!failed)
        print "faults_each: " n " functions"
    exit failed
}' tests/test_faults_each.c tests/test_faults_none.c
