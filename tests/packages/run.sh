#!/bin/bash
# run.sh - the Debian packages: built, checked, and installed, updated, removed
# and purged in a booted system: run.sh [PYTEST-ARGUMENT...]
# The root directory is that of tests/boot.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)

[ "$(id -u)" = 0 ] || {
	echo "run.sh: must be root (try: sudo $0 ...)" >&2
	exit 1
}
if [ -z "${DMA_PACKAGES_UPPER:-}" ]; then
	DMA_PACKAGES_UPPER=$(mktemp -d "${DMA_WORLD_DIR:-/var/tmp}/dma-pk.XXXXXX")
	export DMA_PACKAGES_UPPER
	status=0
	unshare -m --propagation private "$0" "$@" || status=$?
	rmdir "$DMA_PACKAGES_UPPER"
	exit $status
fi
mount -t tmpfs none "$DMA_PACKAGES_UPPER"
cache=${DMA_INTEROP_DIR:-/var/cache/dma-tests}
mkdir -p "$cache"
"$tree/tests/boot/root.sh" "$cache/boot"
passed=0

# says NAME COMMAND...: one test.
says() {
	echo "$1"
	shift
	"$@" || {
		echo "$passed passed, 1 failed"
		exit 1
	}
	passed=$((passed + 1))
}

# The second build has another place, time zone and umask.
reproducible() {
	(umask 077 && TZ=Asia/Kolkata LC_ALL=C sh "$tree/packaging/deb.sh" \
	    "$DMA_PACKAGES_UPPER/second" >"$DMA_PACKAGES_UPPER/log" 2>&1) || {
		tail -50 "$DMA_PACKAGES_UPPER/log"
		return 1
	}
	for deb in "$tree"/build/deb/*.deb; do
		cmp "$deb" "$DMA_PACKAGES_UPPER/second/${deb##*/}" || return 1
	done
}

hardened() {
	dpkg-deb -x "$(ls "$tree"/build/deb/dma_*.deb)" \
	    "$DMA_PACKAGES_UPPER/unpacked"
	hardening-check --nocfprotection "$DMA_PACKAGES_UPPER/unpacked/usr/sbin/dma" \
	    "$DMA_PACKAGES_UPPER/unpacked/usr/libexec/dma/dma-remote" >/dev/null
}

# Unpacked by hardened().
documents() {
	for name in $(grep -o '](docs/[^)]*)' "$tree/README.md" |
	    sed 's/^](//; s/)$//'); do
		test -f "$DMA_PACKAGES_UPPER/unpacked/usr/share/doc/dma/$name" || {
			echo "$name: not in the package"
			return 1
		}
	done
}

# Debian's own dma, to be replaced, and what the packages need.
fetch() {
	mkdir -p "$tree/build/deb/debian"
	cd "$tree/build/deb/debian"
	apt-get -qq download dma ucf sensible-utils libidn2-0 libunistring2
}

build() {
	sh "$tree/packaging/deb.sh" "$tree/build/deb" >"$DMA_PACKAGES_UPPER/log" \
	    2>&1 || {
		tail -50 "$DMA_PACKAGES_UPPER/log"
		return 1
	}
}

says "The packages are built." build
says "lintian has nothing to say." lintian --allow-root \
    --fail-on error,warning "$tree"/build/deb/*.changes
says "A second build gives the same bytes." reproducible
says "The programs are hardened." hardened
says "The documents that README.md names are in the package." documents
says "Debian's dma can be fetched." fetch
"$tree/tests/boot/boot.sh" -b "$tree" -u "$DMA_PACKAGES_UPPER" \
    "$cache/boot" /usr/bin/env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 \
    -m pytest -q -p no:cacheprovider --rootdir "$tree/tests" \
    "$tree/tests/packages" "$@" >"$DMA_PACKAGES_UPPER/log" 2>&1 || status=$?
cat "$DMA_PACKAGES_UPPER/log"
awk -v passed=$passed '/^[0-9]+ (passed|failed|error|skipped)/ {
	for (i = 2; i <= NF; i++)
		n[substr($i, 1, 4)] += $(i - 1)
}
END { printf "%d passed, %d failed\n", n["pass"] + passed, n["fail"] + n["erro"] }' \
    "$DMA_PACKAGES_UPPER/log"
exit ${status:-0}
