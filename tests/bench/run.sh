#!/bin/bash
# run.sh - measures dma beside packaged peers: run.sh [OPTION...] [SCENARIO...]
# See README.md.  Runs as: root; the peers' packages are fetched once.
# BENCH_CACHE is where they are kept (default /var/cache/dma-bench);
# DMA_WORLD_DIR where the spools are (default /var/tmp): a real disk.
set -eu
WORLDS_MB=6144		# of all systems together
MILLION_MB=12288	# the same, with a queue of 1000000 messages
SPOOL_MB=384		# of one spool on a file system of its own
here=$(cd "$(dirname "$0")" && pwd)
cache=${BENCH_CACHE:-/var/cache/dma-bench}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PYTHONDONTWRITEBYTECODE=1
[ "$(id -u)" = 0 ] || {
	echo "run.sh: must be root (try: sudo $0)" >&2
	exit 1
}
worlds=${DMA_WORLD_DIR:-/var/tmp}
case " $* " in
*" -m "*|*" --million "*) WORLDS_MB=$MILLION_MB ;;
esac
case $(stat -f -c %T "$worlds") in
tmpfs|overlayfs) echo "run.sh: warning: not on a real disk, fsync costs" \
	"nothing here; set DMA_WORLD_DIR" >&2 ;;
esac
disks=()
files=$(mktemp -d "$worlds/dma-bench.XXXXXX")
trap 'remove_disks' EXIT

# make_disk NAME MEGABYTES: prints its device.  All blocks are written, so that
# a sync need not allocate any.
make_disk() {
	dd if=/dev/zero of="$files/$1" bs=1M count="$2" conv=fsync status=none
	losetup --find --show "$files/$1"
}

remove_disks() {
	local device
	if mountpoint -q "$files/worlds"; then
		umount --lazy "$files/worlds"	# somebody may still end
	fi
	for device in "${disks[@]}"; do
		losetup --detach "$device"
	done
	rm -rf --one-file-system "$files"
}

# lacks_journal DIRECTORY: an ext4 without one, as some virtual machines have,
# passes over inodes one by one that were deleted minutes ago: the files of
# earlier measurements would be paid for.
lacks_journal() {
	local device
	[ "$(stat -f -c %T "$1")" = ext2/ext3 ] || return 1
	device=$(df --output=source "$1" | tail -n 1)
	! compgen -G "/proc/fs/jbd2/${device##*/}-*" >/dev/null
}
"$here/fetch.sh" "$cache"
sh "$here/../deps.sh" bench ||
    echo "run.sh: warning: without them, counts or PNG plots are missing" >&2
make -s -C "$here/../.."
sh "$here/build.sh" "$here/../../build/bench"
if lacks_journal "$worlds"; then
	echo "run.sh: $worlds has no journal: the spools are on an ext4 in a file" >&2
	disks+=("$(make_disk worlds.img $WORLDS_MB)")
	mkfs.ext4 -q -i 8192 -E lazy_itable_init=0,lazy_journal_init=0 \
	    "${disks[0]}"
	mkdir "$files/worlds"
	mount "${disks[0]}" "$files/worlds"
	export DMA_WORLD_DIR=$files/worlds
fi
disks+=("$(make_disk spool.img $SPOOL_MB)")
BENCH_DISK=$(stat -c '%Hr:%Lr' "${disks[-1]}")
export BENCH_DISK
/usr/bin/python3 "$here/run.py" --cache "$cache" "$@"
