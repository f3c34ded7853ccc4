#!/bin/sh
# The system tests: run.sh [PYTEST-ARGUMENT...]
# Paths are given from the top of the tree; without one, all of tests/system.
here=$(cd "$(dirname "$0")" && pwd)
paths=tests/system
for arg in "$@"; do
	case $arg in
	tests/*) paths= ;;
	esac
done
export PYTHONDONTWRITEBYTECODE=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec "$here/world.sh" /usr/bin/python3 -m pytest -q -p no:cacheprovider \
    --rootdir tests $paths "$@"
