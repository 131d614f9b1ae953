#!/bin/sh
# SPDX-License-Identifier: MIT
# aarch64_root.sh DIRECTORY: unpacks Debian's libraries for 64-bit ARM there, unless they are. apt keeps its lists and
# what it fetches there too, and takes nothing for installed, so this machine stays as it was, and root is not needed.
set -eu
packages='libc6-dev liburcu-dev libcurl4-openssl-dev libjansson-dev libmicrohttpd-dev'
[ ! -e "$1/complete" ] || exit 0

rm -rf "$1"
mkdir -p "$1/apt/lists/partial" "$1/apt/cache/archives/partial"
root=$(cd "$1" && pwd)
: >"$root/apt/status"

apt()
{
    apt-get -o Dir::State::Lists="$root/apt/lists" -o Dir::State::Status="$root/apt/status" \
        -o Dir::Cache="$root/apt/cache" -o APT::Architecture=arm64 -o APT::Architectures::=arm64 \
        -o APT::Sandbox::User= -o Debug::NoLocking=true "$@"
}

apt update
apt install --yes --no-install-recommends --download-only $packages
for package in "$root"/apt/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$root"
done
rm -rf "$root/apt"
touch "$root/complete"
