#!/bin/sh
# deb.sh - builds the Debian packages in a clean copy of the tree: deb.sh DIR
# Leaves them in DIR, which is made anew, with the log of the build.
set -eu
cd "$(dirname "$0")/.."
dir=$(mkdir -p "$1" && cd "$1" && pwd)
tree=$dir/dma
rm -rf "$tree" "$dir"/*.deb "$dir"/*.buildinfo "$dir"/*.changes
mkdir "$tree"
if git rev-parse --git-dir >/dev/null 2>&1; then
	git ls-files -z
else
	find . -name build -prune -o -type f -print0
fi | tar --null -T - -cf - | tar -C "$tree" -xf -
mv "$tree/packaging/debian" "$tree/debian"
cd "$tree"
echo "Building the packages, in about a minute; the log is $dir/build.log"
dpkg-buildpackage -us -uc -b >../build.log 2>&1 || {
	tail -30 ../build.log >&2
	echo "deb.sh: the packages cannot be built: see above" >&2
	exit 1
}
cd ..
rm -rf "$tree"
ls -- *.deb
