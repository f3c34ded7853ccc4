#!/bin/sh
# The crash tests, all or those named: run.sh [-j N] [PYTEST-ARGUMENT...]
paths=tests/crash
for arg in "$@"; do
	case $arg in
	tests/*) paths= ;;
	esac
done
exec "$(dirname "$0")/../system/run.sh" "$@" $paths
