#!/bin/bash
# The tests under a booted systemd: run.sh [PYTEST-ARGUMENT...]
# One boot for all of them, and another of the same system for test_reboot.py,
# which must not be named beside others: tests/boot/test_NAME.py runs one file.
# The root directory is made once, below DMA_INTEROP_DIR (see root.sh).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)

skip()
{
	echo "0 passed, 1 skipped: $*"
	exit 0
}

[ "$(id -u)" = 0 ] || {
	echo "run.sh: must be root (try: sudo $0 ...)" >&2
	exit 1
}
if [ -z "${DMA_BOOT_UPPER:-}" ]; then
	# There is no compiler in the booted system.
	make -s -C "$tree" all
	for fs in overlay cgroup2; do
		grep -qw "$fs" /proc/filesystems || modprobe -q "$fs" 2>/dev/null ||
		    skip "this kernel has no file system $fs"
	done
	unshare -m -p -n -u -i -C -f sh -c 'mount -t cgroup2 none /mnt' ||
	    skip "this machine allows no cgroup2 in namespaces"
	DMA_BOOT_UPPER=$(mktemp -d "${DMA_WORLD_DIR:-/var/tmp}/dma-up.XXXXXX")
	export DMA_BOOT_UPPER
	status=0
	unshare -m --propagation private "$0" "$@" || status=$?
	rmdir "$DMA_BOOT_UPPER"
	exit $status
fi
mount -t tmpfs none "$DMA_BOOT_UPPER"
cache=${DMA_INTEROP_DIR:-/var/cache/dma-tests}
mkdir -p "$cache"
"$here/root.sh" "$cache/boot"

status=0
boots="first second"
for arg in "$@"; do
	case $arg in
	tests/boot/test_reboot.py*) ;;
	tests/*) boots=first ;;
	esac
done
for boot in $boots; do
	"$here/boot.sh" -b "$tree" -u "$DMA_BOOT_UPPER" "$cache/boot" \
	    "$here/session.sh" $boot "$@" || status=$?
done >"$DMA_BOOT_UPPER/log" 2>&1
cat "$DMA_BOOT_UPPER/log"
awk '/^[0-9]+ (passed|failed|error|skipped)/ {
	for (i = 2; i <= NF; i++)
		n[substr($i, 1, 4)] += $(i - 1)
}
END { printf "%d passed, %d failed\n", n["pass"], n["fail"] + n["erro"] }' \
    "$DMA_BOOT_UPPER/log"
exit $status
