#!/bin/bash
# run.sh - measures dma beside packaged peers: run.sh [OPTION...] [SCENARIO...]
# See README.md.  Runs as: root; the peers' packages are fetched once.
# BENCH_CACHE is where they are kept (default /var/cache/dma-bench);
# DMA_WORLD_DIR where the spools are (default /var/tmp): a real disk.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${BENCH_CACHE:-/var/cache/dma-bench}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PYTHONDONTWRITEBYTECODE=1
[ "$(id -u)" = 0 ] || {
	echo "run.sh: must be root (try: sudo $0)" >&2
	exit 1
}
case $(stat -f -c %T "${DMA_WORLD_DIR:-/var/tmp}") in
tmpfs|overlayfs) echo "run.sh: warning: not on a real disk, fsync costs" \
	"nothing here; set DMA_WORLD_DIR" >&2 ;;
esac
"$here/fetch.sh" "$cache"
sh "$here/../deps.sh" bench ||
    echo "run.sh: warning: without them, counts or PNG plots are missing" >&2
make -s -C "$here/../.."
sh "$here/build.sh" "$here/../../build/bench"
exec /usr/bin/python3 "$here/run.py" --cache "$cache" "$@"
