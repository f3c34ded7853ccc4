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
for name in callers limit_disk limit_intake limit_list limit_mailbox \
    limit_smtp limit_submit proxy sink syslogd; do
	made $name ||
	    $cc -pthread -o "$out/$name" "$here/$name.c" $(
	    case $name in sink|limit_smtp) echo -lssl -lcrypto ;; esac)
done
# Without shared libraries, where that can be had: its own memory is the least
# that is seen of a child.
made once || $cc -static -o "$out/once" "$here/once.c" 2>/dev/null ||
    $cc -o "$out/once" "$here/once.c"
