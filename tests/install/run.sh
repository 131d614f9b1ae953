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

. "$here/ways.sh"

# repository DIR: a git repository with the sources as they are now, checked in or not.
repository()
{
    git init --quiet "$1"
    git -C "$source" ls-files -z --cached --others --exclude-standard |
        (cd "$source" && xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' sh) |
        tar -C "$source" --create --null --files-from=- | tar -C "$1" --extract
    git -C "$1" add --all --force
    git -C "$1" -c user.name=test -c user.email=test@localhost commit --quiet --message=sources
}

# refuses VERSION COMPONENTS WORDS: such a package is not found, and cmake says so.
refuses()
{
    echo "== no $1 $2"
    ! "$cmake" -G Ninja -S "$here" -B "$work/refused" -DCMAKE_PREFIX_PATH="$work/prefix" -DFILCH_VERSION="$1" \
        -DFILCH_COMPONENTS="$2" >"$work/refused.log" 2>&1 || die "finds version $1, components '$2'"
    tr '\n' ' ' <"$work/refused.log" | tr -s ' ' | grep -q "$3" || {
        cat "$work/refused.log" >&2
        die "refuses version $1, components '$2' without a reason"
    }
    rm -rf "$work/refused"
}

# component NAME: what it installs, on one line.
component()
{
    "$cmake" --install "$build" --prefix "$work/$1" --component "$1" >"$work/$1.log"
    (cd "$work/$1" && find . ! -type d | sed 's,.*/,,' | LC_ALL=C sort | tr '\n' ' ')
}

# The parts that packagers take apart, and what removes it all again.
components_and_removal()
{
    echo "== components"
    case $(component filch_runtime) in
    'libfilch.so.0 libfilch.so.'*) ;;
    *) die "filch_runtime has other files than the shared library" ;;
    esac
    case $(component filch_dev) in
    *.so.*) die "filch_dev has the shared library" ;;
    *filch.h*filch.pc*libfilch.a*libfilch.so*) ;;
    *) die "filch_dev has not all that is needed" ;;
    esac
    find "$work/filch_dev" "$work/filch_runtime" -name '*.3' | grep . && die "the manual is not in filch_doc"
    "$cmake" --install "$build" --prefix "$work/removed" >"$work/removed.log"
    "$cmake" -DMANIFEST="$build/install_manifest.txt" -P "$source/src/filch-uninstall.cmake" >"$work/uninstall.log"
    [ -z "$(find "$work/removed" ! -type d)" ] || die "uninstall leaves files behind"
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

components_and_removal

with_cmake package_default shared -DCMAKE_PREFIX_PATH="$work/prefix"
with_cmake package_default_static static -DCMAKE_PREFIX_PATH="$work/prefix" -DBUILD_SHARED_LIBS=OFF
with_cmake package_shared shared -DCMAKE_PREFIX_PATH="$work/prefix" -DFILCH_COMPONENTS=shared
with_cmake package_static static -DCMAKE_PREFIX_PATH="$work/prefix" -DFILCH_COMPONENTS=static
with_cmake package_staged shared -DCMAKE_PREFIX_PATH="$work/staged/opt/filch"
with_cmake subdirectory_shared shared -DFILCH_SOURCE_DIR="$source"
with_cmake subdirectory_static static -DFILCH_SOURCE_DIR="$source" -DBUILD_SHARED_LIBS=OFF
with_cmake fetched shared -DFETCHCONTENT_SOURCE_DIR_FILCH="$source" -DFILCH_FETCH=ON
if git -C "$source" rev-parse --verify --quiet HEAD >/dev/null; then
    repository "$work/filch.git"
    with_cmake fetched_by_git static -DFILCH_FETCH=ON -DFILCH_REPOSITORY="file://$work/filch.git" -DBUILD_SHARED_LIBS=OFF
fi

# A parent installs what is its own.
"$cmake" --install "$work/subdirectory_static" --prefix "$work/parent" >"$work/parent.log"
[ "$(cd "$work/parent" && find . -type f)" = ./bin/consumer_c ] || die "filch is installed along with its parent"

# Versions that are not there, and parts that nobody has.
refuses 9 '' 'compatible with requested version "9"'
refuses 0.2 '' 'compatible with requested version "0.2"'
refuses 0.1 purple 'filch has no component purple here'

with_pkg_config pkg_config_shared shared
with_pkg_config pkg_config_static static --static -static
pkg-config --static --libs filch | grep -q -e '-lurcu-memb' || die "filch.pc does not name liburcu for static linking"
! pkg-config --libs filch | grep -q urcu || die "filch.pc names liburcu for shared linking"

# Static filch in a program that else is not: where there is no shared one, the linker takes it by itself.
rm "$libdir"/libfilch.so*
with_pkg_config pkg_config_static_only static --static
