#!/usr/bin/env bash
# Builds what a release consists of, into `dist` in cargo's target directory: the program and the documents as a tarball, a
# Debian package, what the program was made of (SBOM, CycloneDX in JSON), and SHA256SUMS.
#
# The same sources, compiler and C compiler are to give the same bytes wherever they lie: dependencies as Cargo.lock has
# them, no path of this machine in the program, no build id, and the time of the last commit in place of now
# (SOURCE_DATE_EPOCH, which may be given). DIST_PROGRAM=FILE packs that program and builds none.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C

. scripts/cargo-tool.sh
cargo_tool cargo-deb || exit 1
cargo_tool cargo-cyclonedx || exit 1

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
metadata=$(cargo metadata --locked --no-deps --format-version 1)
target=$(sed 's/.*"target_directory":"\([^"]*\)".*/\1/' <<<"$metadata")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
machine=$(rustc -vV | sed -n 's/^host: //p')
name=signet-$version-$machine
dist=$target/dist

# Paths of this machine get into panics (rustc) and assertions (C). Of several that fit, the last is taken by both
# compilers, so the narrower one stands behind.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
rust="--remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$PWD=/signet --remap-path-prefix=$target=/target"
c="-ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$PWD=/signet -ffile-prefix-map=$target=/target"
case $machine in
*-linux-*) rust+=" -C link-arg=-Wl,--build-id=none" ;;
esac

program=${DIST_PROGRAM:-}
if [[ -z $program ]]; then
    RUSTFLAGS="$rust" CFLAGS="$c" CXXFLAGS="$c" cargo build --release --locked --bin signet
    program=$target/release/signet
fi

rm -rf "$dist"
mkdir -p "$dist"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# cargo-cyclonedx writes beside each manifest of the workspace, so it gets a copy of the manifests to write to. The crate for
# APIs is no part of the program.
git ls-files --cached --others --exclude-standard -z -- Cargo.toml Cargo.lock src huge-pages verifier benches examples |
    xargs -0 cp --parents --target-directory "$work"
(cd "$work" && cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$machine" --override-filename sbom)
# Where the copy lay says nothing to anybody.
sed "s#$work#/signet#g" "$work/sbom.json" >"$dist/$name.cdx.json"

stage=$work/$name
mkdir "$stage"
cp "$program" "$stage/signet"
cp -R README.md CHANGELOG.md SECURITY.md docs packaging "$stage/"
tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$work" -cf - "$name" |
    gzip -9 --no-name >"$dist/$name.tar.gz"

if command -v dpkg-deb >/dev/null; then
    # What it packs is `target/release/signet` and nothing else.
    if [[ ! $program -ef $target/release/signet ]]; then install -D "$program" "$target/release/signet"; fi
    cargo deb --quiet --locked --no-build --no-strip --no-dbgsym --output "$dist/"
else
    echo "dpkg-deb is not installed: no Debian package is made" >&2
fi

(cd "$dist" && sha256sum -- * >SHA256SUMS)
ls -l "$dist"
