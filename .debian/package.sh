#!/bin/sh
# SPDX-License-Identifier: MIT
# package.sh [--no-system]: builds the Debian packages of what is checked in or at least known to git into
# build/packages, lets lintian judge them, and tries them on a clean system (tests/package/system.sh). What is the same
# in every version stands in .debian/debian; changelog and symbols are made here.
# DEBFULLNAME and DEBEMAIL say who builds.
set -eu
cd "$(dirname "$0")/.."
out=$PWD/build/packages
work=$out/work
epoch=$(git log -1 --format=%ct)
version=$(sed -n 's/^#define FILCH_VERSION_STRING "\(.*\)"/\1/p' include/filch/version.h)
maintainer="${DEBFULLNAME:-the filch authors} <${DEBEMAIL:-filch@lists.filch.example.org}>"
export SOURCE_DATE_EPOCH="$epoch" LC_ALL=C.UTF-8

# The sources as they are in the work tree, in an archive that depends on nothing else.
sources()
{
    tree=filch-$version
    git ls-files -z --cached --others --exclude-standard ':!.debian' ':!.ci' |
        xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' sh |
        tar --create --null --files-from=- --transform "s,^,$tree/," --sort=name --mtime="@$epoch" \
            --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX | gzip -9n >"$work/filch_$version.orig.tar.gz"
    tar --extract --file "$work/filch_$version.orig.tar.gz" --directory "$work"
    cp -R .debian/debian "$work/$tree/debian"
}

changelog()
{
    cat <<END
filch ($version-1) unstable; urgency=medium

  * Version $version, built from commit $(git rev-parse --short=12 HEAD).

 -- $maintainer  $(date -u -R -d "@$epoch")
END
}

# The symbols that tests/abi.txt promises. A program asks for the version that it was built with: before 1.0 no other
# is promised to do.
symbols()
{
    awk -v version="$version" '
        /^library: / { print $2, "libfilch0 #MINVER#\n* Build-Depends-Package: libfilch-dev" }
        /^symbol: / { print " " $3 "@Base", version }' tests/abi.txt
}

# What is said about the project elsewhere.
fill_in()
{
    licence=$(sed -e '1,4d' -e 's/^$/./' -e 's/^/ /' LICENSE)
    awk -v maintainer="$maintainer" -v licence="$licence" -v year="$(date -u -d "@$epoch" +%Y)" '
        $0 == "@LICENSE@" { print licence; next }
        { sub(/@MAINTAINER@/, maintainer); sub(/@YEAR@/, year); print }' "$1" >"$1.filled"
    cat "$1.filled" >"$1"
    rm "$1.filled"
}

build()
{
    sources
    cd "$work/filch-$version"
    changelog >debian/changelog
    symbols >debian/libfilch0.symbols
    fill_in debian/control
    fill_in debian/copyright
    echo "package: building $version in $PWD"
    dpkg-buildpackage --unsigned-source --unsigned-changes --jobs="$(nproc)" >"$out/build.log" 2>&1 || {
        tail -n 60 "$out/build.log" >&2
        echo "package: the build failed; all of it is in $out/build.log" >&2
        exit 1
    }
    cd "$work"
    find . -maxdepth 1 -type f -exec mv {} "$out/" \;
    cd "$out/../.."
}

# Its words are shown and kept; an error is ours.
judge()
{
    echo "package: lintian says, in $out/lintian.txt:"
    outcome=0
    lintian --allow-root --fail-on error --display-info --show-overrides --tag-display-limit 0 "$out"/filch_*.changes \
        >"$out/lintian.txt" 2>&1 || outcome=$?
    [ -s "$out/lintian.txt" ] || echo "nothing to complain of" >"$out/lintian.txt"
    cat "$out/lintian.txt"
    [ "$outcome" -eq 0 ] || {
        echo "package: lintian finds errors" >&2
        exit 1
    }
}

show()
{
    for package in "$out"/*.deb; do
        echo "== ${package##*/}: $(wc -c <"$package") bytes"
        dpkg-deb --contents "$package" | awk '$1 !~ /^d/ { $1 = $2 = $4 = $5 = ""; print }' | sed 's/^ */  /'
    done >"$out/contents.txt"
    grep '^==' "$out/contents.txt"
}

mkdir -p "$out"
find "$out" -maxdepth 1 -type f ! -name '*.tar' -delete
rm -rf "$work"
mkdir "$work"
build
rm -rf "$work"
judge
show
[ "${1:-}" = --no-system ] || exec sh tests/package/system.sh "$out"
