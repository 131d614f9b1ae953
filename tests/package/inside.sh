#!/bin/sh
# SPDX-License-Identifier: MIT
# inside.sh ROOT CONSUMER WORK, as root on a system of its own where /packages has the packages: installs them, uses them
# in every way, removes them. A ROOT that is not "" is a tree that they were unpacked to, which is only used.
set -eu
root=$1 here=$2 work=$3
cmake=cmake CC=cc CXX=c++
export CC CXX

die()
{
    echo "inside.sh: $*" >&2
    exit 1
}

# What is on the system, but for what package managers keep for themselves.
state()
{
    dpkg --get-selections
    find / -xdev \( -path /packages -o -path /tmp -o -path /proc -o -path /dev -o -path /var/lib/apt -o -path /var/cache \
        -o -path /var/log -o -path /var/lib/dpkg -o -path /etc/ld.so.cache \) -prune -o -print | sort
}

install_packages()
{
    echo "== apt-get install libfilch0 libfilch-dev libfilch-doc"
    apt-get -qq update >/dev/null || echo "inside.sh: going on with old package lists" >&2
    apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends /packages/libfilch0_*.deb /packages/libfilch-*.deb 2>&1 |
        grep '^Setting up' || die "not installed"
    dpkg --audit | grep . && die "half installed"
    dpkg-query -W -f '${Package} ${Version} depends: ${Depends}\n' libfilch0 libfilch-dev libfilch-doc
}

read_manuals()
{
    for page in filch_submit filch_stop_ref filch; do
        echo "== man -w $page: $(man -w $page)"
        [ "$(man $page 2>/dev/null | wc -l)" -gt 20 ] || die "man $page shows nothing"
    done
    [ -f /usr/share/doc/libfilch-doc/docs/guide/submit.md ] || die "there is no guide"
    cc /usr/share/doc/libfilch-doc/examples/quickstart.c -o "$work/quickstart" $(pkg-config --cflags --libs filch)
    echo "== quickstart.c: $("$work/quickstart" | head -n 1)"
}

# A program built against the -dev package runs where only the library is.
run_without_dev()
{
    echo "== apt-get purge libfilch-dev, and the programs still run"
    apt-get -qq -o Dpkg::Use-Pty=0 purge --auto-remove libfilch-dev libfilch-doc >/dev/null
    check "$work/package_shared/consumer_c" shared
    check "$work/pkg_config_shared_cpp" shared
    check "$work/package_static/consumer_c" static
}

remove_packages()
{
    echo "== apt-get purge libfilch0"
    apt-get -qq -o Dpkg::Use-Pty=0 purge --auto-remove libfilch0 >/dev/null
    state >"$work/after"
    diff "$work/before" "$work/after" || die "purge leaves something behind, or took something along"
    echo "== nothing is left"
}

. "$here/ways.sh"
rm -rf "$work"
mkdir -p "$work"
if [ -z "$root" ]; then
    state >"$work/before"
    install_packages
else
    libdir=$(dirname "$(find "$root/usr/lib" -name libfilch.a)")
    PKG_CONFIG_PATH=$libdir/pkgconfig CMAKE_PREFIX_PATH=$root/usr LD_LIBRARY_PATH=$libdir
    export PKG_CONFIG_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH
fi
with_cmake package_shared shared -DFILCH_COMPONENTS=shared
with_cmake package_static static -DFILCH_COMPONENTS=static
with_cmake package_default shared
with_pkg_config pkg_config_shared shared
with_pkg_config pkg_config_static static --static -static
[ -z "$root" ] || exit 0
read_manuals
run_without_dev
remove_packages
