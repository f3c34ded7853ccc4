#!/bin/sh
# Captures, all or those named: run.sh [PYTEST-ARGUMENT...]
# DMA_CAPTURED names a build of captured.c; made from this tree without one.
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${DMA_CAPTURED:-}" ]; then
	make -s -C "$here/../.." tests/capture/captured || exit 1
	DMA_CAPTURED=$here/captured
fi
export DMA_CAPTURED
exec "$here/../story/run.sh" tests/capture "$@"
