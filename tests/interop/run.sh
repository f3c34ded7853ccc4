#!/bin/bash
# The tests with other people's programs: run.sh [PYTEST-ARGUMENT...]
# run.sh --callers [NAME...] prints docs/callers.md instead (see callers.py).
# Without a path all files of tests/interop are run.
# Their packages are fetched once into DMA_INTEROP_DIR (see install.sh).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${DMA_INTEROP_DIR:-/var/cache/dma-tests}
mkdir -p "$cache"
if [ "$(stat -f -c %T "$cache")" = overlayfs ] && [ -z "${DMA_INTEROP_IN:-}" ]; then
	# Overlays cannot be written there: a file system for this run.
	DMA_INTEROP_IN=1 exec unshare -m --propagation private /bin/sh -c \
	    "mount -t tmpfs none '$cache' && exec '$0' \"\$@\"" sh "$@"
fi
flock "$cache/lock" "$here/install.sh" "$cache/interop"
export PYTHONDONTWRITEBYTECODE=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ "${1:-}" = --callers ]; then
	shift
	exec "$here/../system/world.sh" -l "$cache/interop" \
	    /usr/bin/python3 "$here/callers.py" "$@"
fi
paths=tests/interop
for arg in "$@"; do
	case $arg in
	tests/*) paths= ;;
	esac
done
exec "$here/../system/world.sh" -l "$cache/interop" /usr/bin/python3 -m pytest \
    -q -p no:cacheprovider --rootdir tests $paths "$@"
