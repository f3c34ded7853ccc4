#!/bin/sh
# run.sh - tests of dma-remote alone: run.sh CONFDIR [PYTEST-ARGUMENT...]
# CONFDIR: where the dma-remote of this tree was built to read dma.conf; it is
# written to.  As root, dma-remote runs as nobody, who must get at the tree.
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
DMA_CONFDIR=$1
DMA_REMOTE=$PWD/dma-remote
shift
mkdir -p "$DMA_CONFDIR"
paths=tests/remote
for arg in "$@"; do
	case $arg in
	tests/*) paths= ;;
	esac
done
export DMA_CONFDIR DMA_REMOTE PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 -m pytest -q -p no:cacheprovider --rootdir tests \
    $paths "$@"
