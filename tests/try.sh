#!/bin/sh
# try.sh - dma at work, on a throw-away copy of this machine: try.sh [smtpd]
# With smtpd: dma-smtpd.  Builds first what is not built, and installs on Debian
# what this needs; nothing else of the machine is changed.  Needs root.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/progress.sh"
what=${1:-system}
cd "$here/.." || exit 1
[ "$(id -u)" = 0 ] || {
	echo "try.sh: must be root: run this by sudo, or after \"su -\"" >&2
	exit 1
}
cat <<'END'
The first time, this takes one to three minutes, depending on how busy the
machine is: packages that are missing are installed on this machine (for a bare
Debian 70 MB are downloaded), and dma is built.  The rest takes 10 seconds, in a
private copy of this machine, which is removed at the end.

END
sh "$here/deps.sh" try || exit 1
said=$(mktemp) || exit 1
build_all "$said" "Building" || {
	tail -20 "$said" >&2
	rm -f "$said"
	echo "try.sh: cannot build: see above" >&2
	exit 1
}
rm -f "$said"
export PYTHONDONTWRITEBYTECODE=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec "$here/system/world.sh" /usr/bin/python3 "tests/$what/show.py"
