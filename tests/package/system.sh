#!/bin/sh
# SPDX-License-Identifier: MIT
# system.sh PACKAGES: installs the packages on a clean Debian, in a directory below build/ that is a root of its own, builds
# and runs consumers of filch there, and removes the packages again (inside.sh). The Debian is made once and kept,
# build/debian.tar. Needs to be root, here or at least in a user namespace.
set -eu
packages=$1
source=$(cd "$(dirname "$0")/../.." && pwd)
kept=$source/build/debian.tar
root=$source/build/debian

# Where there is no way to be root the packages are unpacked, and the consumers built against that tree.
without_root()
{
    echo "package: NOT TRIED: neither root nor a user namespace is to be had, so nothing was installed. Instead the" \
        "packages were unpacked to $root."
    rm -rf "$root"
    mkdir -p "$root"
    for package in "$packages"/libfilch0_* "$packages"/libfilch-*.deb; do
        dpkg-deb --extract "$package" "$root"
    done
    exec sh "$source/tests/package/inside.sh" "$root" "$source/tests/install" "$source/build/debian-consumer"
}

if [ "${FILCH_INSIDE:-}" ]; then
    :
elif [ "$(id -u)" -eq 0 ]; then
    FILCH_INSIDE=yes exec unshare --mount --pid --fork sh "$0" "$@"
elif unshare --map-root-user --map-auto --mount --pid --fork true 2>/dev/null; then
    FILCH_INSIDE=yes exec unshare --map-root-user --map-auto --mount --pid --fork sh "$0" "$@"
else
    without_root
fi

# As small as a Debian gets, with what it takes to build programs and to read manuals.
if [ ! -f "$kept" ]; then
    echo "package: making a clean Debian"
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mmdebstrap --quiet --format=tar --variant=minbase --skip=cleanup/apt/lists \
        --include=gcc,g++,libc6-dev,pkgconf,cmake,ninja-build,man-db "$suite" "$kept.new"
    mv "$kept.new" "$kept"
fi
rm -rf "$root"
mkdir -p "$root"
tar --extract --file "$kept" --directory "$root" --exclude './dev/*'
mkdir "$root/packages"
cp "$packages"/*.deb "$root/packages"
cp -R "$source/tests/install" "$root/packages/consumer"
cp "$source/tests/package/inside.sh" "$root/packages"
rm -f "$root/etc/resolv.conf"
cp /etc/resolv.conf "$root/etc/resolv.conf"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t proc proc "$root/proc"
outcome=0
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive TMPDIR=/tmp \
    ${http_proxy:+"http_proxy=$http_proxy"} chroot "$root" sh /packages/inside.sh "" /packages/consumer /tmp/consumer ||
    outcome=$?
umount "$root/proc" "$root"/dev/*
rm -rf "$root"
exit "$outcome"
