#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh SOURCE BUILD WORK: installs BUILD below WORK, then builds and runs the consumer in every way we promise.
# CC, CXX and CMAKE name the tools.
set -eu
source=$1 build=$2 work=$3
here=$source/tests/install
cmake=${CMAKE:-cmake}

rm -rf "$work"
mkdir -p "$work"
"$cmake" --install "$build" --prefix "$work/installed" >"$work/install.log"
mv "$work/installed" "$work/prefix" # an installed tree can be moved
pc=$(find "$work/prefix" -name filch.pc)
export PKG_CONFIG_PATH="${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir filch)
export LD_LIBRARY_PATH

# with_cmake NAME OPTION...
with_cmake()
{
    name=$1
    shift
    echo "== $name"
    "$cmake" -G Ninja -S "$here" -B "$work/$name" -DCMAKE_BUILD_TYPE=Debug "$@" >"$work/$name.log"
    "$cmake" --build "$work/$name" -- --quiet
    "$work/$name/consumer_c"
    "$work/$name/consumer_cpp"
}

# with_pkg_config NAME [PKG_CONFIG_OPTION LINKER_OPTION]
with_pkg_config()
{
    echo "== $1"
    ${CC:-cc} -std=c11 "$here/main.c" -o "$work/$1" $(pkg-config --cflags --libs ${2:-} filch) ${3:-}
    "$work/$1"
}

with_cmake package_default -DCMAKE_PREFIX_PATH="$work/prefix"
with_cmake package_shared -DCMAKE_PREFIX_PATH="$work/prefix" -DFILCH_COMPONENTS=shared
with_cmake package_static -DCMAKE_PREFIX_PATH="$work/prefix" -DFILCH_COMPONENTS=static
with_cmake subdirectory_shared -DFILCH_SOURCE_DIR="$source"
with_cmake subdirectory_static -DFILCH_SOURCE_DIR="$source" -DBUILD_SHARED_LIBS=OFF
with_pkg_config pkg_config_shared
with_pkg_config pkg_config_static --static -static
