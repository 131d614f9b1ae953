# SPDX-License-Identifier: MIT
# The ways to build the consumer, for scripts that have die(), and say: here, where its sources are; work, where it is
# built; cmake, CC and CXX.

# check PROGRAM shared|static: it runs, and has the library inside or not, as it should.
check()
{
    [ "$("$1")" = 42 ] || die "$1 does not print 42"
    needs=static
    ! readelf -d "$1" | grep -q 'NEEDED.*libfilch' || needs=shared
    [ $needs = "$2" ] || die "$1 is $needs"
}

# with_cmake NAME shared|static OPTION...
with_cmake()
{
    name=$1 kind=$2
    shift 2
    echo "== $name"
    "$cmake" -G Ninja -S "$here" -B "$work/$name" -DCMAKE_BUILD_TYPE=Debug "$@" >"$work/$name.log"
    "$cmake" --build "$work/$name" -- --quiet
    check "$work/$name/consumer_c" "$kind"
    check "$work/$name/consumer_cpp" "$kind"
}

# with_pkg_config NAME shared|static [PKG_CONFIG OPTION [LINKER OPTION]]
with_pkg_config()
{
    echo "== $1"
    flags="$(pkg-config --cflags --libs ${3:-} filch) ${4:-}"
    $CC -std=c11 "$here/main.c" -o "$work/$1_c" $flags
    $CXX -std=c++17 "$here/main.cpp" -o "$work/$1_cpp" $flags
    check "$work/$1_c" "$2"
    check "$work/$1_cpp" "$2"
}
