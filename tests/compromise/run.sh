#!/bin/sh
# run.sh - attacks by compromised processes: run.sh [PYTEST-ARGUMENT...]
# DMA_COMPROMISED names a build of compromised.c (default: of this tree).
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${DMA_COMPROMISED:-}" ]; then
	make -s -C "$here/../.." tests/compromise/compromised || exit 1
	DMA_COMPROMISED=$here/compromised
fi
export DMA_COMPROMISED
exec "$here/../system/run.sh" tests/compromise "$@"
