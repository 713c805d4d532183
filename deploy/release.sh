#!/bin/sh
# Builds the release of the commit that is checked out into dist/: both programs for each platform,
# what each is made of (CycloneDX), and the sums of all files. Everything is built a second time, from
# a copy of the commit in another folder with an empty cache, and must be the same.
# Called by `make release`; how to check a release: docs/install.md.
set -eu
cd "$(dirname "$0")/.."
if [ -n "$(git status --porcelain)" ]; then
	echo "release: there are changes that no commit has; what is released is a commit" >&2
	exit 1
fi
version=${VERSION:-$(git describe --tags --always)}
again=$(mktemp -d)
trap 'chmod -R u+w "$again"; rm -rf "$again"' EXIT
mkdir "$again/source"
git archive HEAD | tar -x -C "$again/source"
rm -rf dist
mkdir dist

for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
	os=${platform%/*} arch=${platform#*/}
	make --no-print-directory binaries OS="$os" ARCH="$arch" VERSION="$version" OUT="$again/first"
	GOCACHE=$again/cache make --no-print-directory -C "$again/source" binaries OS="$os" ARCH="$arch" VERSION="$version" OUT="$again/second"
	for program in countersign countersign-verify; do
		if ! cmp "$again/first/$program" "$again/second/$program"; then
			echo "release: $program for $platform is not the same when it is built again" >&2
			exit 1
		fi
		file=dist/$program-$version-$os-$arch
		mv "$again/first/$program" "$file"
		go run "$CYCLONEDX" bin -json -std -noserial -notimestamp -version "$version" -output "$file.cdx.json" "$file"
	done
done
(cd dist && sha256sum -- * >../SHA256SUMS && mv ../SHA256SUMS .)
echo "release: $version is in dist/"
