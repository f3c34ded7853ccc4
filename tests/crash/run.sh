#!/bin/sh
# The crash tests, all or those named: run.sh [PYTEST-ARGUMENT...]
exec "$(dirname "$0")/../story/run.sh" tests/crash "$@"
