#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh SOURCE BUILD WORK: installs BUILD below WORK, then builds and runs the consumer, in C and in C++, in every way
# we promise: as a package for cmake and for pkg-config, shared and static, in a tree that was moved and staged, and as
# sources.
# CC, CXX and CMAKE name the tools.
set -eu
source=$1 build=$2 work=$3
here=$source/tests/install
cmake=${CMAKE:-cmake}
CC=${CC:-cc} CXX=${CXX:-c++}
export CC CXX

die()
{
    echo "run.sh: $*" >&2
    exit 1
}

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

rm -rf "$work"
mkdir -p "$work"

# What a distribution does: install for one prefix below another directory.
DESTDIR=$work/staged "$cmake" --install "$build" --prefix /opt/filch >"$work/staged.log"
[ -n "$(find "$work/staged/opt/filch" -name filch.h)" ] || die "DESTDIR is not heeded"

"$cmake" --install "$build" --prefix "$work/installed" >"$work/install.log"
mv "$work/installed" "$work/prefix" # an installed tree can be moved
! grep -r -e "$work/installed" -e "$source" "$work/prefix" --include='*.cmake' --include='*.pc' ||
    die "the installed package knows where it was built or installed"
pc=$(find "$work/prefix" -name filch.pc)
export PKG_CONFIG_PATH="${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
libdir=$(pkg-config --variable=libdir filch)
LD_LIBRARY_PATH=$libdir
export LD_LIBRARY_PATH

with_cmake package_default shared -DCMAKE_PREFIX_PATH="$work/prefix"
with_cmake package_default_static static -DCMAKE_PREFIX_PATH="$work/prefix" -DBUILD_SHARED_LIBS=OFF
with_cmake package_shared shared -DCMAKE_PREFIX_PATH="$work/prefix" -DFILCH_COMPONENTS=shared
with_cmake package_static static -DCMAKE_PREFIX_PATH="$work/prefix" -DFILCH_COMPONENTS=static
with_cmake package_staged shared -DCMAKE_PREFIX_PATH="$work/staged/opt/filch"
with_cmake subdirectory_shared shared -DFILCH_SOURCE_DIR="$source"
with_cmake subdirectory_static static -DFILCH_SOURCE_DIR="$source" -DBUILD_SHARED_LIBS=OFF
with_cmake fetched shared -DFETCHCONTENT_SOURCE_DIR_FILCH="$source" -DFILCH_FETCH=ON

with_pkg_config pkg_config_shared shared
with_pkg_config pkg_config_static static --static -static

# Static filch in a program that else is not: where there is no shared one, the linker takes it by itself.
rm "$libdir"/libfilch.so*
with_pkg_config pkg_config_static_only static --static
