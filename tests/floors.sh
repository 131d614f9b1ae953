#!/bin/sh
# SPDX-License-Identifier: MIT
# Every file of src/ stands on one floor of the table in docs/tour.md and includes none of a higher floor; the list in
# CMakeLists.txt goes upwards and leaves none out; the number of lines that the tour tells is about right.
# usage: floors.sh SOURCE_DIR
set -eu
cd "$1"

awk '
function complain(what) { print "floors: " what > "/dev/stderr"; failed = 1 }

# A name without a suffix stands for both files; pool.h is on another floor than pool.c.
function floor_of(file) {
    sub(/^src\//, "", file)
    sub(/_linux\./, ".", file)
    if (!(file in floor))
        sub(/\.[ch]$/, "", file)
    used[file] = 1
    return file in floor ? floor[file] : ""
}

FILENAME == "docs/tour.md" && /^\| [0-9] \|/ {
    n = split($0, part, "`")
    for (i = 2; i <= n; i += 2) {
        if (part[i] in floor)
            complain(part[i] " is twice in the table")
        floor[part[i]] = $2
    }
}
FILENAME == "docs/tour.md" && /^[0-9 ]+ lines, / { sub(/ lines.*/, ""); gsub(/ /, ""); told = $0 }

FILENAME == "CMakeLists.txt" && match($0, /src\/[a-z_]+\.c/) {
    file = substr($0, RSTART, RLENGTH)
    listed[file] = 1
    if (floor_of(file) + 0 < last)
        complain(file " of floor " floor_of(file) " comes after one of floor " last " in CMakeLists.txt")
    last = floor_of(file) + 0
}

FILENAME ~ /^src\// {
    lines++
    if (FNR == 1) {
        files++
        here = floor_of(FILENAME)
        if (here == "")
            complain(FILENAME " is not in the table of docs/tour.md")
        if (FILENAME ~ /c$/ && !(FILENAME in listed))
            complain(FILENAME " is not in the list of CMakeLists.txt")
    }
}
FILENAME ~ /^src\// && /^ *# *include "/ {
    split($0, part, "\"")
    if (floor_of(part[2]) + 0 > here + 0)
        complain(FILENAME " of floor " here " includes " part[2] " of floor " floor_of(part[2]))
}

END {
    for (name in floor)
        if (!(name in used))
            complain(name " is in the table, and not in src/")
    if (lines - told > 500 || told - lines > 500)
        complain("src/ has " lines " lines, docs/tour.md tells of " told + 0)
    if (!failed)
        print "floors: " files " files, none looks up"
    exit failed
}' docs/tour.md CMakeLists.txt src/*.[ch]
