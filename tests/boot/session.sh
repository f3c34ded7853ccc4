#!/bin/sh
# session.sh - what runs in the booted system: first|second PYTEST-ARGUMENT...
# An argument that names a file of tests/boot replaces all others of its boot.
# The first boot installs dma as an administrator does, and at its end leaves
# mail behind for the second.
cd "$(dirname "$0")/../.." || exit 1
which=$1
shift
export PYTHONDONTWRITEBYTECODE=1
tests=tests/boot/test_reboot.py
is_for_second=
for arg in "$@"; do
	case $arg in
	tests/boot/test_reboot.py*) tests='' is_for_second=1 ;;
	tests/*) tests='' ;;
	esac
done
if [ "$which" = first ]; then
	make -s install FORCE=1 || exit 1
	systemctl daemon-reload
	systemctl enable -q --now dma.socket dma.service dma.timer \
	    dma-submit.socket || exit 1
	tests="${tests:+tests/boot --ignore=tests/boot/test_reboot.py}"
fi
status=0
[ "$which$is_for_second" = first1 ] ||
    /usr/bin/python3 -m pytest -q -p no:cacheprovider --rootdir tests $tests \
    "$@" || status=$?
[ "$which" != first ] || /usr/bin/python3 tests/boot/test_reboot.py
# 5: no test was chosen, which is for the other boot to say.
[ $status -eq 5 ] || exit $status
