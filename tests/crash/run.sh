#!/bin/sh
# The crash tests, all or those named: run.sh [PYTEST-ARGUMENT...]
exec "$(dirname "$0")/../system/run.sh" tests/crash "$@"
