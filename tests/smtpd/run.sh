#!/bin/sh
# The system tests of dma-smtpd, all or those named:
# run.sh [-j N] [PYTEST-ARGUMENT...]
# Most of them wait more than they work: N may exceed the processors.
for arg in "$@"; do
	case $arg in
	tests/*) exec "$(dirname "$0")/../system/run.sh" "$@" ;;
	esac
done
exec "$(dirname "$0")/../system/run.sh" "$@" tests/smtpd
