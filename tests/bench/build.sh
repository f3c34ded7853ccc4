#!/bin/sh
# build.sh - compiles the C programs of tests/bench/ into DIRECTORY.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
mkdir -p "$out"
cc="${CC:-cc} -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wshadow
    -Wstrict-prototypes -Wmissing-prototypes -Wvla"
made()
{
	[ "$out/$1" -nt "$here/$1.c" ] && [ "$out/$1" -nt "$here/common.h" ]
}
for name in callers limit_intake limit_mailbox proxy sink limit_smtp; do
	made $name || [ ! -e "$here/$name.c" ] ||
	    $cc -pthread -o "$out/$name" "$here/$name.c" $(
	    case $name in sink|limit_smtp) echo -lssl -lcrypto ;; esac)
done
# The floor carries no shared libraries, where that can be had.
made limit_submit ||
    $cc -static -o "$out/limit_submit" "$here/limit_submit.c" 2>/dev/null ||
    $cc -o "$out/limit_submit" "$here/limit_submit.c"
