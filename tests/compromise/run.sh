#!/bin/sh
# run.sh - attacks by compromised processes: run.sh [-j N] [PYTEST-ARGUMENT...]
# DMA_COMPROMISED names the folder with the builds of compromised.c and
# confined.c (default: those of this tree).
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${DMA_COMPROMISED:-}" ]; then
	make -s -C "$here/../.." compromised || exit 1
	DMA_COMPROMISED=$here
fi
export DMA_COMPROMISED
paths=tests/compromise
for arg in "$@"; do
	case $arg in
	tests/*) paths= ;;
	esac
done
exec "$here/../system/run.sh" "$@" $paths
